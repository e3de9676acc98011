/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run: RUN. The step in this order, so that it can be broken off anywhere:
 *
 *   1. a directory in build/running, locked: who finds it unlocked removes it, and a container of its id
 *   2. the layers so far and an empty one on top, mounted nowhere
 *   3. a container of our own kind (engine/spec.h), created and started by this process, no monitor
 *   4. its output, until it ends
 *   5. mount points that it needed and the image does not have go away
 *   6. the upper directory is written as a tar and becomes a layer
 */
#include "build/run.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "build/interrupt.h"
#include "engine/cdi.h"

#include <stdio.h>
#include <unistd.h>

/* Not part of a key and of the history unless they were declared. */
static const char *const proxies[] = {"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "FTP_PROXY", "ftp_proxy", "NO_PROXY", "no_proxy",
	"ALL_PROXY", "all_proxy"};

static const char own_hostname[] = "buildkitsandbox";

static void read_hostname(struct run *r)
{
	const char *given = strv_env_get(&r->x->b->q->args, "BUILDKIT_SANDBOX_HOSTNAME");
	r->hostname = str_is_empty(given) ? own_hostname : given;
}

static void run_drop(struct run *r)
{
	run_mounts_drop(r);
	container_entry_drop(&r->c);
	fd_drop(&r->root);
	fd_drop(&r->run_dir);
	fd_drop(&r->dir);
	fd_drop(&r->lock);
}

/* --- the command --- */

static char *with_bodies(struct arena *a, const struct node *n)
{
	own(buf) struct buf b = BUF(LEX_MAX);
	buf_str(&b, n->text);
	for (size_t i = 0; i < n->docs.n; i++)
		buf_printf(&b, "\n%s%s", n->docs.v[i].body, n->docs.v[i].name);
	return arena_dup(a, buf_text(&b));
}

/* <<EOF alone: the body is the command, or a program when it begins with #!. */
static bool is_body_alone(const struct node *n)
{
	return n->docs.n == 1 && str_has_prefix(n->text, "<<") && !strpbrk(n->text, " \t");
}

static void shell_command(struct run *r, const char *text)
{
	struct state *s = r->x->s;
	const struct strv *shell = &s->config.config.shell;
	if (!shell->n) {
		arena_strv_add(&s->arena, &r->args, "/bin/sh");
		arena_strv_add(&s->arena, &r->args, "-c");
	}
	for (size_t i = 0; i < shell->n; i++)
		arena_strv_add(&s->arena, &r->args, shell->v[i]);
	arena_strv_add(&s->arena, &r->args, text);
}

static void read_command(struct run *r)
{
	const struct inst *i = r->x->i;
	struct arena *a = &r->x->s->arena;
	const struct node *n = i->node;
	if (i->json) {
		for (size_t k = 0; k < i->words.n; k++)
			arena_strv_add(a, &r->args, i->words.v[k]);
		return;
	}
	if (!is_body_alone(n)) {
		shell_command(r, n->docs.n ? with_bodies(a, n) : n->text);
		return;
	}
	const char *body = n->docs.v[0].body;
	if (!str_has_prefix(body, "#!")) {
		shell_command(r, body);
		return;
	}
	r->script.name = n->docs.v[0].name;
	r->script.body = body;
	arena_strv_add(a, &r->args, arena_printf(a, "/dev/pipes/%s", path_base(r->script.name)));
}

static bool is_proxy(const char *line)
{
	for (size_t i = 0; i < countof(proxies); i++) {
		const char *rest = str_after(line, proxies[i]);
		if (rest && *rest == '=')
			return true;
	}
	return false;
}

/* ENV, then those ARGs that no ENV has. */
static void read_env(struct run *r)
{
	struct state *s = r->x->s;
	struct arena *a = &s->arena;
	const struct strv *env = &s->config.config.env;
	for (size_t i = 0; i < env->n; i++)
		arena_strv_add(a, &r->env, env->v[i]);
	for (size_t i = 0; i < s->args.n; i++) {
		own(mem) char *name = mem_ndup(s->args.v[i], strcspn(s->args.v[i], "="));
		if (!strv_env_get(env, name))
			arena_strv_add(a, &r->env, s->args.v[i]);
	}
}

/* --- the step --- */

static void make_key(struct run *r, struct key *k)
{
	struct state *s = r->x->s;
	step_key(r->x, "run", false, k);
	key_add_list(k, "command", &r->args);
	key_add(k, "script", r->script.body);
	key_add_list(k, "environment", &r->env);
	key_add(k, "directory", s->config.config.working_dir);
	key_add(k, "user", s->config.config.user);
	key_add(k, "network", r->network);
	key_add(k, "security", r->security);
	key_add(k, "hostname", strcmp(r->hostname, own_hostname) == 0 ? NULL : r->hostname);
	for (size_t i = 0; i < r->x->b->q->extra_hosts.n; i++) {
		const char *host = r->x->b->q->extra_hosts.v[i];
		own(mem) char *name = mem_ndup(host, strcspn(host, ":="));
		key_add(k, "host", name);
	}
	for (size_t i = 0; i < r->x->b->q->volumes.n; i++) {
		const struct build_volume *v = &r->x->b->q->volumes.v[i];
		own(mem) char *text = mem_printf("%s:%s:%d", v->source, v->target, v->ro);
		key_add(k, "volume", text);
	}
	for (size_t i = 0; i < r->devices.n; i++)
		key_add(k, r->devices.v[i].required ? "device" : "device, if it is here", r->devices.v[i].name);
	run_mounts_key(r, k);
}

static int open_work(struct run *r, struct err *e)
{
	struct build *b = r->x->b;
	num_random_id(r->id);
	own(mem) char *path = mem_printf("running/%s", r->id);
	if (path_mkdirs(b->cache.dir, path, 0700, e) < 0 || (r->dir = path_open_dir(b->cache.dir, path, e)) < 0)
		return -1;
	/* Somebody's sweep may have had it, for the moment before the lock. */
	r->lock = path_lock(r->dir, "lock", true, true, e);
	if (r->lock >= 0 && !path_exists(b->cache.dir, path))
		return err_set(e, ERR_CONFLICT, "another build removed %s", path);
	return r->lock < 0 ? -1 : 0;
}

static void close_work(struct run *r)
{
	struct err ignored = {};
	own(mem) char *path = mem_printf("running/%s", r->id);
	fd_drop(&r->root);
	fd_drop(&r->run_dir);
	if (r->net.list.n)
		connect_release(r->x->b->g, r->id);
	connections_drop(&r->net);
	/* What cannot go now is found by the next build, as long as the directory is there. */
	if (path_remove_tree(r->x->b->g->containers.run, r->id, &ignored) < 0)
		return;
	if (r->dir >= 0)
		(void)!snap_remove(&r->x->b->g->snap, r->dir, &ignored);
	if (r->dir >= 0)
		(void)!path_remove_tree(r->x->b->cache.dir, path, &ignored);
}

static int mount_root(struct run *r, struct err *e)
{
	struct build *b = r->x->b;
	struct snap_mount m = {.layers = &r->x->s->config.rootfs.diff_ids, .dir = r->dir, .is_volatile = true};
	if (engine_need_storage(b->g, e) < 0 || snap_prepare(&b->g->snap, &m, e) < 0)
		return -1;
	r->root = snap_mount(&b->g->snap, &m, e);
	return r->root < 0 ? -1 : 0;
}

static void describe(struct run *r, int status, struct err *e)
{
	own(buf) struct buf text = BUF(4096);
	for (size_t i = 0; i < r->args.n; i++)
		buf_printf(&text, "%s%.300s", i ? " " : "", r->args.v[i]);
	own(mem) char *line = buf_take(&text);
	line[strnlen(line, 300)] = 0;
	str_harmless(line);
	(void)!lex_error(&r->x->b->df.text, r->x->i->node, NULL, e, "RUN: \"%s\": exit status %d%s", line, status,
		r->out_of_memory ? ": it ran out of memory" : "");
	e->kind = ERR_CONFLICT;
	e->sys = status;
}

static int make(struct step *x, void *arg, char layer[136], struct err *e)
{
	struct run *r = arg;
	if (open_work(r, e) < 0)
		return -1;
	int status = mount_root(r, e) < 0 ? -1 : run_container(r, e);
	int result = status == 0 ? run_layer(r, layer, e) : -1;
	if (status > 0)
		describe(r, status, e);
	if (status > 0 && x->b->q->shell_on_error)
		step_shell_failed(x, r->dir);
	close_work(r);
	return result;
}

static void history(struct run *r)
{
	struct state *s = r->x->s;
	own(buf) struct buf text = BUF(LEX_MAX);
	own(buf) struct buf args = BUF(LEX_MAX);
	unsigned n = 0;
	for (size_t i = 0; i < s->args.n; i++)
		if (!is_proxy(s->args.v[i])) {
			buf_printf(&args, " %s", s->args.v[i]);
			n++;
		}
	buf_str(&text, "RUN");
	if (n)
		buf_printf(&text, " |%u%s", n, buf_text(&args));
	for (size_t i = 0; i < r->args.n; i++)
		buf_printf(&text, " %s", r->args.v[i]);
	buf_str(&text, " # buildkit");
	state_history(r->x, buf_text(&text), false);
}

/* NAME[,required], name=NAME,required=true */
static int read_device(struct run *r, const char *text, struct err *e)
{
	struct run_device *d = arena_push(&r->x->s->arena, &r->devices);
	own(strv) struct strv words = {};
	const char *given = NULL;
	strv_split(&words, text, ',');
	for (size_t i = 0; i < words.n; i++) {
		const char *name = str_after(words.v[i], "name="), *yes = str_after(words.v[i], "required=");
		if (str_eq(words.v[i], "required") || str_eq(yes, "true") || str_eq(yes, "1"))
			d->required = true;
		else if (!str_eq(yes, "false") && !str_eq(yes, "0"))
			given = given ? given : name ? name : words.v[i];
	}
	if (given && !(d->name = step_expanded(r->x, given, e)))
		return -1;
	if (!d->name || !cdi_is_name(d->name, true))
		return lex_error(&r->x->b->df.text, r->x->i->node, "--device", e, "--device=%.100s: as in VENDOR/CLASS=NAME[,required]", text);
	return 0;
}

static int read_devices(struct run *r, struct err *e)
{
	const char *text;
	for (size_t i = 0; (text = inst_flag(r->x->i, "device", i)); i++)
		if (read_device(r, text, e) < 0)
			return -1;
	return 0;
}

static int read_modes(struct run *r, struct err *e)
{
	struct build *b = r->x->b;
	const char *network = inst_flag(r->x->i, "network", 0), *security = inst_flag(r->x->i, "security", 0);
	r->network = network && !str_eq(network, "default") ? network : str_is_empty(b->q->network) ? "default" : b->q->network;
	r->security = security ? security : "sandbox";
	if (read_devices(r, e) < 0)
		return -1;
	if (network && !str_eq(r->network, "default") && !str_eq(r->network, "none") && !str_eq(r->network, "host"))
		return lex_error(&b->df.text, r->x->i->node, "--network", e, "--network=%.40s: default, none and host are known", r->network);
	if (str_eq(network, "host") && !b->q->allow_host && !str_eq(b->q->network, "host"))
		return lex_error(&b->df.text, r->x->i->node, "--network", e, "--network=host has to be allowed: --allow network.host");
	if (!str_eq(r->security, "sandbox") && !str_eq(r->security, "insecure"))
		return lex_error(&b->df.text, r->x->i->node, "--security", e, "--security=%.40s: sandbox and insecure are known", r->security);
	if (str_eq(r->security, "insecure") && !b->q->allow_insecure)
		return lex_error(&b->df.text, r->x->i->node, "--security", e, "--security=insecure has to be allowed: --allow security.insecure");
	return 0;
}

static int shell(struct run *r, int upper, struct err *e)
{
	struct snap_mount m = {.layers = &r->x->s->config.rootfs.diff_ids, .dir = upper, .is_volatile = true};
	if (open_work(r, e) < 0)
		return -1;
	if (upper < 0)
		return mount_root(r, e) < 0 ? -1 : run_container(r, e);
	r->root = snap_mount(&r->x->b->g->snap, &m, e);
	return r->root < 0 ? -1 : run_container(r, e);
}

int step_shell(struct step *x, int upper, const char *why, struct err *e)
{
	struct run r __attribute__((cleanup(run_drop))) = {.x = x, .dir = -1, .lock = -1, .root = -1, .run_dir = -1, .c = {.dir = -1, .lock = -1},
		.is_shell = true};
	const struct strv *words = &x->s->config.config.shell;
	arena_strv_add(&x->s->arena, &r.args, words->n ? words->v[0] : "/bin/sh");
	read_env(&r);
	read_hostname(&r);
	if (x->i->kind == INST_RUN ? read_modes(&r, e) < 0 || run_mounts_read(&r, e) < 0 : false)
		return -1;
	if (!r.network)
		r.network = str_is_empty(x->b->q->network) ? "default" : x->b->q->network;
	if (!r.security)
		r.security = "sandbox";
	run_shell_tell(x, why);
	int status = shell(&r, upper, e);
	close_work(&r);
	return status < 0 ? -1 : 0;
}

void step_shell_failed(struct step *x, int upper)
{
	struct err why = {};
	if (step_shell(x, upper, "the step failed", &why) == 0 || interrupt_came())
		return;
	own(mem) char *text = mem_printf("there is no shell: %s", why.text);
	event_send(x->b, BUILD_WARNING, 0, NULL, 0, text, strlen(text));
}

int run_do(struct step *x, struct err *e)
{
	struct run r __attribute__((cleanup(run_drop))) = {.x = x, .dir = -1, .lock = -1, .root = -1, .run_dir = -1, .c = {.dir = -1, .lock = -1}};
	own(key) struct key k = {};
	read_command(&r);
	read_env(&r);
	read_hostname(&r);
	if (read_modes(&r, e) < 0 || run_mounts_read(&r, e) < 0)
		return -1;
	make_key(&r, &k);
	int result = run_mounts_content(&r, &k, e);
	if (result == 0)
		result = step_layer(x, &k, make, &r, e);
	if (result == 0)
		history(&r);
	return result;
}
