/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_request: what is refused first, then the parts in the order in which a reader of the command line would see a
 * mistake: the process, its limits, mounts, namespaces, security. Strings of the options are borrowed: they live
 * until the command ends.
 */
#include "cli/run_request.h"

#include "base/num.h"
#include "base/path.h"
#include "engine/request.h"
#include "engine/user.h"
#include "monitor/attach.h"

#include <fcntl.h>
#include <stdlib.h>

void run_request_drop(struct run_request *r)
{
	arena_drop(&r->arena);
	*r = (struct run_request){};
}

static int choice(const char *option, const char *text, const char *words, const char *preset, const char **ret, struct err *e)
{
	own(strv) struct strv v = {};
	strv_split(&v, words, ' ');
	*ret = str_is_empty(text) ? preset : text;
	if (strv_has(&v, *ret))
		return 0;
	own(buf) struct buf known = {};
	for (size_t i = 0; i < v.n; i++)
		buf_printf(&known, "%s%s", i == 0 ? "" : i + 1 == v.n ? " and " : ", ", v.v[i]);
	return err_set(e, ERR_USAGE, "invalid --%s \"%.60s\": %s are known", option, text, buf_text(&known));
}

static int environment(const struct run_options *o, struct run_request *r, struct err *e)
{
	own(strv) struct strv env = {};
	if (env_collect(&o->env_file, &o->env, &env, e) < 0)
		return -1;
	for (size_t i = 0; i < env.n; i++)
		arena_strv_add(&r->arena, &r->config.env, env.v[i]);
	if (env_labels(&o->label_file, &o->label, &r->arena, &r->config.labels, e) < 0)
		return -1;
	for (size_t i = 0; i < o->annotation.n; i++) {
		const char *text = o->annotation.v[i];
		size_t n = strcspn(text, "=");
		if (!n || !text[n])
			return err_set(e, ERR_USAGE, "invalid --annotation \"%.200s\": it is KEY=VALUE", text);
		map_set(&r->arena, &r->host.annotations, arena_ndup(&r->arena, text, n), text + n + 1);
	}
	return 0;
}

static int process(const struct run_options *o, struct run_request *r, struct err *e)
{
	struct container_config *c = &r->config;
	if (environment(o, r, e) < 0)
		return -1;
	if (o->user && str_has_prefix(o->user, "::"))
		return user_check(o->user, e); /* it has another meaning below (engine/container.h) */
	c->user = o->user;
	if (o->user_group)
		c->user = arena_printf(&r->arena, "::%s", o->user_group);
	r->host.group_add = o->group_add;
	c->working_dir = o->workdir;
	c->hostname = o->hostname;
	c->domainname = o->domainname;
	c->stop_signal = o->stop_signal;
	if (o->stop_timeout.set)
		c->stop_timeout = (struct opt_i64){true, o->stop_timeout.v};
	r->host.umask = o->umask;
	if (o->init)
		r->host.init = (struct opt_bool){true, true};
	if (o->entrypoint)
		arena_strv_add(&r->arena, &c->entrypoint, o->entrypoint);
	return 0;
}

static int streams(const struct run_options *o, struct run_request *r, struct err *e)
{
	struct container_config *c = &r->config;
	if (o->detach && o->attach.n)
		return err_set(e, ERR_USAGE, "--detach and --attach contradict each other: give one of them");
	for (size_t i = 0; i < o->attach.n; i++) {
		own(mem) char *name = str_lower(mem_dup(o->attach.v[i]));
		c->attach_stdin |= str_eq(name, "stdin");
		c->attach_stdout |= str_eq(name, "stdout");
		c->attach_stderr |= str_eq(name, "stderr");
		if (!str_eq(name, "stdin") && !str_eq(name, "stdout") && !str_eq(name, "stderr"))
			return err_set(e, ERR_USAGE, "invalid --attach \"%.60s\": stdin, stdout and stderr are known", o->attach.v[i]);
	}
	if (!o->attach.n && !o->detach) {
		c->attach_stdin = o->interactive;
		c->attach_stdout = c->attach_stderr = true;
	}
	c->tty = o->tty;
	c->open_stdin = o->interactive || c->attach_stdin;
	c->stdin_once = c->open_stdin && c->attach_stdin;
	r->sig_proxy = true;
	if (o->sig_proxy && num_bool(o->sig_proxy, &r->sig_proxy, "--sig-proxy", e) < 0)
		return -1;
	unsigned char keys[16];
	size_t n;
	if (o->detach_keys && attach_parse_keys(o->detach_keys, keys, &n, e) < 0)
		return err_wrap(e, "--detach-keys");
	r->host.detach_keys = o->detach_keys;
	return 0;
}

/* "new:" is the command's to make. */
static int pod(const struct run_options *o, struct run_request *r, struct err *e)
{
	own(buf) struct buf b = BUF(4096);
	if (o->pod && o->pod_id_file)
		return err_set(e, ERR_USAGE, "--pod and --pod-id-file exclude each other");
	if (o->pod && !*o->pod)
		return err_set(e, ERR_USAGE, "invalid --pod \"\": it is a pod's name or id, or new:NAME");
	if (o->pod && !str_has_prefix(o->pod, "new:"))
		r->host.pod = o->pod;
	if (!o->pod_id_file)
		return 0;
	if (path_read(AT_FDCWD, o->pod_id_file, &b, e) < 0)
		return err_wrap(e, "--pod-id-file %.200s", o->pod_id_file);
	char *text = arena_dup(&r->arena, buf_text(&b));
	text[strcspn(text, " \t\r\n")] = 0;
	r->host.pod = text;
	return *text ? 0 : err_set(e, ERR_USAGE, "--pod-id-file %.200s: it is empty", o->pod_id_file);
}

static int logs(const struct run_options *o, struct run_request *r, struct err *e)
{
	r->host.log.type = o->log_driver;
	for (size_t i = 0; i < o->log_opt.n; i++) {
		const char *text = o->log_opt.v[i];
		size_t n = strcspn(text, "=");
		if (!n || !text[n])
			return err_set(e, ERR_USAGE, "invalid --log-opt \"%.200s\": it is KEY=VALUE", text);
		map_set(&r->arena, &r->host.log.config, arena_ndup(&r->arena, text, n), text + n + 1);
	}
	return 0;
}

static int image(const struct run_options *o, int argc, char **argv, struct run_request *r, struct err *e)
{
	if (choice("pull", o->pull, "always missing never", "missing", &r->pull, e) < 0)
		return -1;
	int command = 1;
	if (o->rootfs) {
		own(mem) char *whole = realpath(o->rootfs, NULL);
		if (!whole)
			return err_sys(e, "--rootfs %.200s", o->rootfs);
		r->host.rootfs = arena_dup(&r->arena, whole);
		r->config.image = arena_dup(&r->arena, "");
		command = 0;
	} else {
		r->config.image = argv[0];
	}
	for (int i = command; i < argc; i++)
		arena_strv_add(&r->arena, &r->config.cmd, argv[i]);
	return 0;
}

/* What the engine would say once the image is here, said before it is fetched. */
static int check(const struct run_request *r, struct err *e)
{
	const char *name = r->create.name;
	if (name && !container_name_is_valid(name))
		return err_set(e, ERR_USAGE, "invalid --name \"%.80s\": only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed, at least two", name);
	struct container_record record = {.config = r->config, .host = r->host};
	char json_file[] = "json-file";
	if (str_is_empty(record.host.log.type))
		record.host.log.type = json_file;
	return request_check_words(&r->config, &r->host, e) < 0 ? -1 : request_check(&record, e);
}

int run_request_make(const struct run_options *o, int argc, char **argv, struct run_request *ret, struct err *e)
{
	struct run_request *r = ret;
	*r = (struct run_request){};
	r->create.name = o->name;
	r->create.config = &r->config;
	r->create.host = &r->host;
	r->create.platform = o->platform;
	r->create.arena = &r->arena;
	r->host.auto_remove = o->rm;
	r->host.cid_file = o->cidfile;
	if (run_options_refuse(o, e) == 0 && image(o, argc, argv, r, e) == 0 && process(o, r, e) == 0 && streams(o, r, e) == 0 && logs(o, r, e) == 0 &&
		pod(o, r, e) == 0 && run_request_limits(o, r, e) == 0 && run_request_devices(o, r, e) == 0 && run_request_mounts(o, r, e) == 0 &&
		run_request_namespaces(o, r, e) == 0 && run_request_network(o, r, e) == 0 && run_request_supervision(o, r, e) == 0 &&
		run_request_security(o, r, e) == 0 && check(r, e) == 0)
		return 0;
	run_request_drop(r);
	return -1;
}
