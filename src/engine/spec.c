/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spec: the parts of the configuration that every container has. Nothing is read from the image's files but
 * /etc/passwd and /etc/group (user.c), and these only through the mounted root.
 */
#include "engine/spec.h"

#include "base/fd.h"
#include "base/num.h"
#include "engine/network.h"
#include "engine/secret.h"
#include "engine/user.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *fixed(const char *s)
{
	return (char *)(uintptr_t)s;
}

int spec_peer(struct spec_build *b, const char *mode, const char *what, struct container_entry *ret, struct err *e)
{
	const char *name = str_after(mode, "container:");
	if (container_get_running(b->g, name, ret, e) < 0)
		return err_wrap(e, "--%s", what);
	if (strcmp(ret->id, b->c->id) == 0)
		return err_set(e, ERR_USAGE, "--%s: a container cannot join itself", what);
	return 0;
}

static void set_env(struct spec_build *b, struct spec_process *p, const struct user *user, const struct strv *secrets)
{
	own(strv) struct strv env = {};
	const struct container_record *r = &b->c->record;
	strv_add(&env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	if (!str_is_empty(r->config.hostname)) {
		own(mem) char *line = mem_printf("HOSTNAME=%s", r->config.hostname);
		strv_env_set(&env, line);
	}
	if (r->config.tty)
		strv_env_set(&env, "TERM=xterm");
	for (size_t i = 0; i < r->config.env.n; i++)
		strv_env_set(&env, r->config.env.v[i]);
	for (size_t i = 0; i < secrets->n; i++)
		strv_env_set(&env, secrets->v[i]);
	if (!strv_env_get(&env, "HOME")) {
		own(mem) char *line = mem_printf("HOME=%s", user->home && *user->home ? user->home : user->uid ? "/" : "/root");
		strv_env_set(&env, line);
	}
	if (b->notify)
		strv_env_set(&env, "NOTIFY_SOCKET=/run/notify/notify.sock");
	if (b->listen_fds) {
		const char *names = getenv("LISTEN_FDNAMES");
		own(mem) char *count = mem_printf("LISTEN_FDS=%d", b->listen_fds), *named = mem_printf("LISTEN_FDNAMES=%s", names ? names : "");
		strv_env_set(&env, count);
		/* The first process of its PID namespace, unless that is shared; or the child of init, which is the first one. */
		strv_env_set(&env, r->host.init.set && r->host.init.v ? "LISTEN_PID=2" : "LISTEN_PID=1");
		if (names)
			strv_env_set(&env, named);
	}
	for (size_t i = 0; i < env.n; i++)
		arena_strv_add(b->arena, &p->env, env.v[i]);
}

/* An id that the container's user namespace, or the one hull lives in, does not have. */
static int check_id(const struct spec_build *b, uint32_t id, const struct snap_idmap *rows, size_t n, uint32_t count, const char *what,
	struct err *e)
{
	bool known = n == 0 && (!b->g->rootless || id < count);
	for (size_t i = 0; i < n; i++)
		known |= id - rows[i].inside < rows[i].count;
	if (known)
		return 0;
	if (n == 0)
		return err_set(e, ERR_UNSUPPORTED, "%s %u: a plain user's containers have the ids 0 to %u here: "
			"add a range for you to /etc/subuid and /etc/subgid, and install uidmap", what, id, count - 1);
	return err_set(e, ERR_USAGE, "%s %u: it is not in the id map of the container", what, id);
}

/* Memberships that /etc/group says but that there are no ids for, here, are left out. */
static void drop_unmapped(const struct spec_build *b, struct user *user)
{
	size_t n = 0;
	struct err ignored = {};
	for (size_t i = 0; i < user->groups.n; i++)
		if (check_id(b, user->groups.v[i], b->maps->gids, b->maps->ngids, b->g->user.gids, "group", &ignored) == 0)
			user->groups.v[n++] = user->groups.v[i];
	user->groups.n = n;
}

static int set_user(struct spec_build *b, struct spec_process *p, struct user *user, struct err *e)
{
	const struct container_record *r = &b->c->record;
	if (user_lookup(b->root, r->config.user ? r->config.user : "", b->arena, user, e) < 0)
		return -1;
	drop_unmapped(b, user);
	for (size_t i = 0; i < r->host.group_add.n; i++) {
		uint32_t gid;
		if (user_lookup_group(b->root, r->host.group_add.v[i], &gid, e) < 0 ||
			check_id(b, gid, b->maps->gids, b->maps->ngids, b->g->user.gids, "group", e) < 0)
			return -1;
		*arena_push(b->arena, &user->groups) = gid;
	}
	if (check_id(b, user->uid, b->maps->uids, b->maps->nuids, b->g->user.uids, "user", e) < 0 ||
		check_id(b, user->gid, b->maps->gids, b->maps->ngids, b->g->user.gids, "group", e) < 0)
		return -1;
	p->user.uid = user->uid;
	p->user.gid = user->gid;
	/* The group itself counts among the supplementary ones, as login gives it. */
	*arena_push(b->arena, &p->user.groups) = user->gid;
	for (size_t i = 0; i < user->groups.n; i++)
		*arena_push(b->arena, &p->user.groups) = user->groups.v[i];
	if (!str_is_empty(r->host.umask))
		p->user.umask = (struct opt_i64){true, strtol(r->host.umask, NULL, 8)};
	return 0;
}

static void set_args(struct spec_build *b, struct spec_process *p)
{
	const struct container_record *r = &b->c->record;
	arena_strv_add(b->arena, &p->args, r->path);
	for (size_t i = 0; i < r->args.n; i++)
		arena_strv_add(b->arena, &p->args, r->args.v[i]);
}

int spec_build_process(struct spec_build *b, struct err *e)
{
	const struct container_record *r = &b->c->record;
	struct spec_process *p = arena_alloc(b->arena, sizeof *p);
	struct user user = {};
	own(strv) struct strv secrets = {};
	b->spec->process = p;
	p->terminal = r->config.tty;
	p->cwd = str_is_empty(r->config.working_dir) ? fixed("/") : r->config.working_dir;
	if (p->cwd[0] != '/')
		p->cwd = arena_printf(b->arena, "/%s", p->cwd);
	if (set_user(b, p, &user, e) < 0 || secret_env(b->g, r, &secrets, e) < 0)
		return -1;
	set_args(b, p);
	set_env(b, p, &user, &secrets);
	if (r->host.oom_score_adj)
		p->oom_score_adj = (struct opt_i64){true, r->host.oom_score_adj};
	for (size_t i = 0; i < r->host.ulimits.n; i++) {
		const struct ulimit *u = &r->host.ulimits.v[i];
		own(mem) char *name = mem_printf("RLIMIT_%s", u->name);
		for (char *at = name; *at; at++)
			if (*at >= 'a' && *at <= 'z')
				*at = (char)(*at - 32);
		*arena_push(b->arena, &p->rlimits) = (struct spec_rlimit){.type = arena_dup(b->arena, name),
			.soft = (uint64_t)u->soft, .hard = (uint64_t)u->hard};
	}
	return 0;
}

static void add_namespace(struct spec_build *b, const char *type, const char *path)
{
	*arena_push(b->arena, &b->spec->linux_->namespaces) =
		(struct spec_namespace){fixed(type), path ? arena_dup(b->arena, path) : NULL};
}

/* mode: "" or private: a new one; host: the host's; container:X: that container's; pod:X: the pod's it is in. Rows in the table below. */
static int share(struct spec_build *b, const char *type, const char *file, const char *option, const char *mode, struct err *e)
{
	if (str_eq(mode, "host"))
		return 0;
	if (str_is_empty(mode) || str_eq(mode, "private") || str_eq(mode, "none") || str_eq(mode, "shareable")) {
		add_namespace(b, type, NULL);
		return 0;
	}
	const char *path = str_after(mode, "ns:");
	if (str_has_prefix(mode, "pod:") && !b->pod) {
		add_namespace(b, type, NULL);
		return 0;
	}
	if (str_has_prefix(mode, "pod:")) {
		path = map_get(&b->pod->state.namespaces, file);
		if (!path)
			return err_set(e, ERR_CONFLICT, "pod %.200s has no %s namespace", container_label(b->pod), type);
	}
	if (path && *path == '/') {
		add_namespace(b, type, path);
		return 0;
	}
	if (str_eq(type, "network") && network_is_joined(mode)) {
		add_namespace(b, type, NULL);
		return 0;
	}
	if (!str_has_prefix(mode, "container:"))
		return err_set(e, ERR_USAGE, "invalid --%s \"%s\"", option, mode);
	own(container_entry) struct container_entry peer = {.dir = -1, .lock = -1};
	if (spec_peer(b, mode, option, &peer, e) < 0)
		return -1;
	if (str_eq(type, "ipc") && str_eq(peer.record.host.ipc_mode, "private"))
		return err_set(e, ERR_CONFLICT, "--ipc: container %.200s was not started with --ipc shareable", container_label(&peer));
	char text[64];
	snprintf(text, sizeof text, "/proc/%lld/ns/%s", (long long)peer.state.pid, file);
	add_namespace(b, type, text);
	return 0;
}

static const struct {
	const char *type, *file, *option;
	size_t mode; /* in struct host_config */
} kinds[] = {
	{"pid", "pid", "pid", offset_of(struct host_config, pid_mode)},
	{"ipc", "ipc", "ipc", offset_of(struct host_config, ipc_mode)},
	{"uts", "uts", "uts", offset_of(struct host_config, uts_mode)},
	{"network", "net", "network", offset_of(struct host_config, network_mode)},
	{"cgroup", "cgroup", "cgroupns", offset_of(struct host_config, cgroupns_mode)},
};

static const char *mode_of(const struct spec_build *b, size_t kind)
{
	return *(char *const *)((const char *)&b->c->record.host + kinds[kind].mode);
}

/* What a running container does not share with the host: its first process is in them, whoever made them. */
static void name_namespaces(struct spec_build *b)
{
	add_namespace(b, "mount", NULL);
	for (size_t i = 0; i < countof(kinds); i++)
		if (!str_eq(mode_of(b, i), "host"))
			add_namespace(b, kinds[i].type, NULL);
	if (b->maps->nuids)
		add_namespace(b, "user", NULL);
}

static void put_maps(struct spec_build *b)
{
	struct spec_linux *l = b->spec->linux_;
	for (size_t i = 0; i < b->maps->nuids; i++)
		*arena_push(b->arena, &l->uids) = (struct idmap_row){b->maps->uids[i].inside, b->maps->uids[i].outside, b->maps->uids[i].count};
	for (size_t i = 0; i < b->maps->ngids; i++)
		*arena_push(b->arena, &l->gids) = (struct idmap_row){b->maps->gids[i].inside, b->maps->gids[i].outside, b->maps->gids[i].count};
}

int spec_build_live(struct spec_build *b, struct err *e)
{
	struct spec *s = b->spec;
	*s = (struct spec){.oci_version = fixed("1.3.0")};
	s->linux_ = arena_alloc(b->arena, sizeof *s->linux_);
	s->linux_->mount_label = str_is_empty(b->c->record.mount_label) ? NULL : b->c->record.mount_label;
	name_namespaces(b);
	put_maps(b);
	return spec_build_points(b, e);
}

int spec_build_namespaces(struct spec_build *b, struct err *e)
{
	add_namespace(b, "mount", NULL);
	for (size_t i = 0; i < countof(kinds); i++)
		if (share(b, kinds[i].type, kinds[i].file, kinds[i].option, mode_of(b, i), e) < 0)
			return -1;
	if (b->maps->nuids)
		add_namespace(b, "user", b->pod ? map_get(&b->pod->state.namespaces, "user") : NULL);
	put_maps(b);
	/* The uts namespace of the host keeps the host's name. */
	if (spec_namespace(b->spec, "uts") && !spec_namespace(b->spec, "uts")->path) {
		b->spec->hostname = b->c->record.config.hostname;
		b->spec->domainname = str_is_empty(b->c->record.config.domainname) ? NULL : b->c->record.config.domainname;
	}
	return 0;
}

int spec_build_exec(struct spec_build *b, struct err *e)
{
	struct spec *s = b->spec;
	*s = (struct spec){.oci_version = fixed("1.3.0")};
	s->linux_ = arena_alloc(b->arena, sizeof *s->linux_);
	b->privileged = b->c->record.host.privileged;
	name_namespaces(b);
	return spec_build_process(b, e) < 0 || spec_build_security(b, e) < 0 ? -1 : 0;
}

int spec_build(struct spec_build *b, struct err *e)
{
	const struct container_record *r = &b->c->record;
	struct spec *s = b->spec;
	*s = (struct spec){.oci_version = fixed("1.3.0")};
	s->linux_ = arena_alloc(b->arena, sizeof *s->linux_);
	s->root = arena_alloc(b->arena, sizeof *s->root);
	s->root->path = r->host.rootfs ? r->host.rootfs : fixed("rootfs");
	s->root->readonly = r->host.read_only;
	s->annotations = r->host.annotations;
	b->privileged = r->host.privileged;
	s->linux_->sysctl = r->host.sysctls;
	if (spec_build_namespaces(b, e) < 0 || spec_build_process(b, e) < 0 || spec_build_mounts(b, e) < 0 ||
		spec_build_limits(b, e) < 0 || spec_build_security(b, e) < 0)
		return -1;
	return 0;
}
