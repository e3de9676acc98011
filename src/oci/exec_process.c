/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec_process: from exec's options to a process.
 *
 * Users and groups are numbers and nothing else: a word that is half a number must not become another user (CVE-2026-30892).
 * --cap adds to three of the sets; the inheritable and with it the ambient one are as the configuration has them: empty, unless it
 * says otherwise (CVE-2022-29162).
 */
#include "oci/exec.h"

#include "base/num.h"
#include "oci/bundle.h"
#include "sys/caps.h"

static const uint64_t id_max = UINT32_MAX - 1; /* (uid_t)-1 means "leave it" to the kernel */

static int set_user(const char *text, struct spec_user *u, struct err *e)
{
	uint64_t uid, gid = u->gid;
	const char *colon = strchr(text, ':');
	own(mem) char *first = colon ? mem_ndup(text, (size_t)(colon - text)) : mem_dup(text);
	if (num_u64(first, id_max, &uid, "uid", e) < 0 || (colon && num_u64(colon + 1, id_max, &gid, "gid", e) < 0))
		return err_wrap(e, "--user %s", text);
	u->uid = (uint32_t)uid;
	u->gid = (uint32_t)gid;
	return 0;
}

static int add_groups(const struct strv *words, struct arena *a, struct spec_user *u, struct err *e)
{
	if (!words->n)
		return 0;
	uint32_t *all = arena_alloc(a, (u->groups.n + words->n) * sizeof *all);
	if (u->groups.n)
		memcpy(all, u->groups.v, u->groups.n * sizeof *all);
	for (size_t i = 0; i < words->n; i++) {
		uint64_t gid;
		if (num_u64(words->v[i], id_max, &gid, "gid", e) < 0)
			return err_wrap(e, "--additional-gids");
		all[u->groups.n + i] = (uint32_t)gid;
	}
	u->groups = (struct u32v){all, u->groups.n + words->n};
	return 0;
}

static struct strv with(struct arena *a, const struct strv *have, const struct strv *more)
{
	struct strv all = {};
	for (size_t i = 0; i < have->n; i++)
		arena_strv_add(a, &all, have->v[i]);
	for (size_t i = 0; i < more->n; i++)
		arena_strv_add(a, &all, more->v[i]);
	return all;
}

static int add_caps(const struct strv *words, struct arena *a, struct spec_process *p, struct err *e)
{
	const char *unknown = NULL;
	if (!words->n)
		return 0;
	caps_set(words, &unknown);
	if (unknown)
		return err_set(e, ERR_USAGE, "--cap: unknown capability \"%.60s\"", unknown);
	struct spec_caps *caps = arena_alloc(a, sizeof *caps);
	if (p->caps)
		*caps = *p->caps;
	caps->bounding = with(a, &caps->bounding, words);
	caps->effective = with(a, &caps->effective, words);
	caps->permitted = with(a, &caps->permitted, words);
	p->caps = caps;
	return 0;
}

/* A later word replaces the one of the same name: which of two counts is up to each program. */
static int set_env(const struct strv *words, struct arena *a, struct spec_process *p, struct err *e)
{
	own(strv) struct strv all = {};
	if (!words->n)
		return 0;
	for (size_t i = 0; i < p->env.n; i++)
		strv_add(&all, p->env.v[i]);
	for (size_t i = 0; i < words->n; i++) {
		if (!strchr(words->v[i], '=') || words->v[i][0] == '=')
			return err_set(e, ERR_USAGE, "--env: invalid environment variable \"%.80s\": use NAME=VALUE", words->v[i]);
		strv_env_set(&all, words->v[i]);
	}
	p->env = with(a, &(struct strv){}, &all);
	return 0;
}

static int from_options(struct oci_container *c, const struct oci_exec_options *o, char **command, struct spec_process *p, struct err *e)
{
	struct arena *a = &c->arena;
	p->args = (struct strv){};
	for (; *command; command++)
		arena_strv_add(a, &p->args, *command);
	p->terminal = o->tty;
	if (!str_is_empty(o->cwd))
		p->cwd = arena_dup(a, o->cwd);
	if (!str_is_empty(o->apparmor))
		p->apparmor = arena_dup(a, o->apparmor);
	if (!str_is_empty(o->label))
		p->selinux_label = arena_dup(a, o->label);
	if (o->no_new_privs)
		p->no_new_privileges = true;
	if (o->user && set_user(o->user, &p->user, e) < 0)
		return -1;
	return add_groups(&o->groups, a, &p->user, e) < 0 || add_caps(&o->caps, a, p, e) < 0 ? -1 : set_env(&o->env, a, p, e);
}

/* What protects the container protects it from this process too, whatever its file leaves out. */
static void inherit(const struct spec_process *own, struct spec_process *p)
{
	if (!p->caps)
		p->caps = own->caps;
	if (!p->rlimits.n)
		p->rlimits = own->rlimits;
	if (str_is_empty(p->apparmor))
		p->apparmor = own->apparmor;
	if (str_is_empty(p->selinux_label))
		p->selinux_label = own->selinux_label;
	if (!p->scheduler)
		p->scheduler = own->scheduler;
	if (!p->io_priority)
		p->io_priority = own->io_priority;
	if (!p->cpu_affinity)
		p->cpu_affinity = own->cpu_affinity;
	if (str_is_empty(p->cwd))
		p->cwd = own->cwd;
}

static int from_file(struct oci_container *c, const char *path, struct spec_process *p, struct err *e)
{
	own(buf) struct buf text = BUF(OCI_DOCUMENT_MAX + 1);
	struct spec_process own = *p;
	if (oci_read_document(path, &text, e) < 0)
		return -1;
	json_drop(&c->process_doc);
	if (json_parse(buf_text(&text), text.len, &c->process_doc, e) < 0 || spec_parse_process(c->process_doc, &c->arena, p, e) < 0)
		return err_wrap(e, "--process %s", path);
	inherit(&own, p);
	return 0;
}

int oci_exec_process(struct oci_container *c, const struct oci_exec_options *o, char **command, struct spec_process *ret, struct err *e)
{
	struct spec_process p = c->spec.process ? *c->spec.process : (struct spec_process){};
	if ((o->process ? from_file(c, o->process, &p, e) : from_options(c, o, command, &p, e)) < 0)
		return -1;
	if (!p.args.n)
		return err_set(e, ERR_USAGE, "process.args: must not be empty: say which command is to be executed");
	if (spec_check_process(&p, e) < 0)
		return -1;
	*ret = p;
	return 0;
}
