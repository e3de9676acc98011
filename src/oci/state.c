/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state: see state.h. Status is never stored: it is what the process, its freezer and the start socket say now.
 */
#include "oci/state.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "sys/proc.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STATE_MAX = 1 << 20, CONFIG_MAX = 16 << 20 };

#define S struct oci_rdt
static const struct jfield rdt_fields[] = {
	JF(S, "clos", clos, JT_STR), JF(S, "group", group, JT_STR), JF(S, "madeClos", made_clos, JT_BOOL), JF(S, "madeGroup", made_group, JT_BOOL),
	JF(S, "shared", shared, JT_BOOL),
};
static const struct jtable rdt_table = JTABLE(S, rdt_fields);
#undef S

#define S struct oci_state
static const struct jfield state_fields[] = {
	JFF(S, "id", id, JT_STR, JF_REQUIRED), JF(S, "ociVersion", oci_version, JT_STR), JF(S, "bundle", bundle, JT_STR),
	JF(S, "rootfs", rootfs, JT_STR), JF(S, "created", created, JT_STR), JF(S, "pid", pid, JT_I64),
	JF(S, "startTime", start_time, JT_U64), JF(S, "owner", owner, JT_U32), JF(S, "cgroup", cgroup, JT_JSON),
	JFS(S, "intelRdt", rdt, JT_STRUCT, rdt_table),
	JF(S, "annotations", annotations, JT_MAP), JF(S, "descriptors", descriptors, JT_STRV),
};
static const struct jtable state_table = JTABLE(S, state_fields);
#undef S

static const char *const status_names[] = {"creating", "created", "running", "paused", "stopped"};

const char *oci_status_name(enum oci_status s)
{
	return status_names[s];
}

void oci_container_drop(struct oci_container *c)
{
	json_drop(&c->state_doc);
	json_drop(&c->config_doc);
	json_drop(&c->process_doc);
	json_drop(&c->cgroup_doc);
	arena_drop(&c->arena);
	/* A created container's process has the directory open too, until it executes its command. */
	if (c->dir >= 0)
		flock(c->dir, LOCK_UN);
	fd_drop(&c->dir);
	fd_drop(&c->root);
	*c = (struct oci_container)OCI_CONTAINER_EMPTY;
}

void oci_drop_config(struct oci_container *c)
{
	json_drop(&c->config_doc);
	if (c->spec.linux_->resources)
		c->spec.linux_->resources->rdma = NULL;
	c->spec.linux_->time_offsets = c->spec.linux_->net_devices = NULL;
}

int oci_check_id(const char *id, struct err *e)
{
	size_t n = strlen(id);
	for (const char *p = id; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("_+-.", *p))
			return err_set(e, ERR_USAGE, "invalid container id \"%.80s\": letters, digits, _, +, - and . may be in it", id);
	if (!n || *id == '.')
		return err_set(e, ERR_USAGE, "invalid container id \"%.80s\": it must not be empty or begin with a dot", id);
	return n > 255 ? err_set(e, ERR_USAGE, "invalid container id \"%.40s…\": it is longer than 255 bytes", id) : 0;
}

/* Waits a while: a verb that hangs in a hook holds its lock for as long. */
static int lock(int dir, const char *id, struct err *e)
{
	for (int i = 0;; i++) {
		if (flock(dir, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_sys(e, "lock of container %s", id);
		if (i == 1000)
			return err_set(e, ERR_CONFLICT, "container %s: another command has been changing it for 10 seconds", id);
		usleep(10000);
	}
}

int oci_container_make(const char *id, struct oci_container *ret, struct err *e)
{
	own(oci_container) struct oci_container c = OCI_CONTAINER_EMPTY;
	char now[NUM_TEXT];
	if (oci_check_id(id, e) < 0)
		return -1;
	c.root = oci_open_root(e);
	if (c.root < 0)
		return -1;
	if (mkdirat(c.root, id, 0700) < 0)
		return errno == EEXIST ? err_set(e, ERR_EXISTS, "container with given ID already exists: %s", id) : err_sys(e, "state of container %s", id);
	c.dir = openat(c.root, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (c.dir < 0 || flock(c.dir, LOCK_EX | LOCK_NB) < 0) {
		err_sys(e, "state of container %s", id);
		unlinkat(c.root, id, AT_REMOVEDIR);
		return -1;
	}
	c.state = (struct oci_state){.id = arena_dup(&c.arena, id), .owner = getuid(), .created = arena_dup(&c.arena, num_format_time(num_now_ns(), now))};
	*ret = c;
	c = (struct oci_container)OCI_CONTAINER_EMPTY;
	return 0;
}

static int read_state(struct oci_container *c, const char *id, struct err *e)
{
	if (!path_exists(c->dir, "state.json")) {
		c->state.id = arena_dup(&c->arena, id);
		return 0;
	}
	if (json_read(c->dir, "state.json", STATE_MAX, &c->state_doc, e) < 0 ||
		jmap_parse(&state_table, c->state_doc, 0, &c->arena, &c->state, "state.json", e) < 0)
		return err_wrap(e, "container %s", id);
	return 0;
}

/* Still the directory of that name, now that its lock is ours? -1: cannot be told. */
static int is_current(const struct oci_container *c, const char *id, struct err *e)
{
	struct stat a, b = {};
	if (fstat(c->dir, &a) < 0 || (fstatat(c->root, id, &b, AT_SYMLINK_NOFOLLOW) < 0 && errno != ENOENT))
		return err_sys(e, "state of container %s", id);
	return a.st_nlink > 0 && a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

int oci_container_open(const char *id, int flags, struct oci_container *ret, struct err *e)
{
	own(oci_container) struct oci_container c = OCI_CONTAINER_EMPTY;
	if (oci_check_id(id, e) < 0)
		return -1;
	c.root = oci_open_root(e);
	if (c.root < 0)
		return -1;
	c.dir = openat(c.root, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (c.dir < 0 && errno != ENOENT)
		return err_sys(e, "state of container %s", id);
	if (c.dir >= 0 && flags & OCI_LOCK && lock(c.dir, id, e) < 0)
		return -1;
	int there = c.dir < 0 ? 0 : flags & OCI_LOCK ? is_current(&c, id, e) : 1;
	if (there <= 0)
		return there < 0 ? -1 : err_set(e, ERR_NOT_FOUND, "container does not exist: %s", id);
	if (read_state(&c, id, e) < 0)
		return -1;
	*ret = c;
	c = (struct oci_container)OCI_CONTAINER_EMPTY;
	return 0;
}

void oci_container_unlock(struct oci_container *c)
{
	flock(c->dir, LOCK_UN);
}

int oci_container_lock_again(struct oci_container *c, struct err *e)
{
	return lock(c->dir, c->state.id, e) < 0 ? -1 : is_current(c, c->state.id, e);
}

int oci_container_save(struct oci_container *c, struct err *e)
{
	own(buf) struct buf b = BUF(STATE_MAX);
	own(json) struct json *j = jmap_format(&state_table, &c->state);
	json_format(j, 0, &b);
	if (buf_check(&b, e) < 0 || path_write(c->dir, "state.json", b.data, b.len, 0600, 0, e) < 0)
		return err_wrap(e, "state of container %s", c->state.id);
	return 0;
}

static int parse_spec(struct oci_container *c, const char *text, size_t n, struct err *e)
{
	if (json_parse(text, n, &c->config_doc, e) < 0)
		return err_wrap(e, "config.json");
	if (oci_apply_time_offset(c->config_doc, e) < 0)
		return -1;
	return spec_parse(c->config_doc, &c->arena, &c->spec, e);
}

int oci_load_spec(struct oci_container *c, struct err *e)
{
	own(buf) struct buf b = BUF(CONFIG_MAX);
	if (c->config_doc)
		return 0;
	return path_read(c->dir, "config.json", &b, e) < 0 ? -1 : parse_spec(c, b.data, b.len, e);
}

int oci_take_spec(struct oci_container *c, const struct buf *text, struct err *e)
{
	if (parse_spec(c, buf_text(text), text->len, e) < 0)
		return -1;
	own(fd) int fd = openat(c->dir, "config.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || fd_write_all(fd, text->data, text->len) < 0)
		return err_sys(e, "state of container %s", c->state.id);
	c->state.oci_version = c->spec.oci_version;
	c->state.annotations = c->spec.annotations;
	return 0;
}

void oci_set_cgroup(struct oci_container *c, const struct cgroup *cgroup)
{
	json_drop(&c->cgroup_doc);
	c->state.cgroup = c->cgroup_doc = cgroup_format(cgroup);
}

int oci_need_manager(const struct oci_container *c, struct err *e)
{
	return c->state.cgroup && json_has(c->state.cgroup, "scope") ? oci_need_libraries(e) : 0;
}

int oci_open_cgroup(const struct oci_container *c, struct cgroup *ret, struct err *e)
{
	*ret = (struct cgroup){.v2 = -1};
	/* They may be gone already, by an end that was killed or by somebody else: then nobody is in them. */
	return c->state.cgroup ? cgroup_parse(c->state.cgroup, ret, e) : 0;
}

static bool is_paused(const struct oci_container *c)
{
	struct err ignored = {};
	struct cgroup g;
	if (oci_open_cgroup(c, &g, &ignored) < 0)
		return false;
	bool frozen = g.rows && cgroup_is_frozen(&g);
	cgroup_drop(&g);
	return frozen;
}

enum oci_status oci_container_status(const struct oci_container *c)
{
	if (!c->state.pid)
		return OCI_CREATING;
	if (!container_is_alive((pid_t)c->state.pid, c->state.start_time))
		return OCI_STOPPED;
	if (is_paused(c))
		return OCI_PAUSED;
	return path_exists(c->dir, "start") ? OCI_CREATED : OCI_RUNNING;
}

void oci_get_rdt(const struct oci_container *c, struct intel_rdt *ret)
{
	const struct oci_rdt *r = &c->state.rdt;
	*ret = (struct intel_rdt){.made_clos = r->made_clos, .made_group = r->made_group, .shared = r->shared};
	snprintf(ret->clos, sizeof ret->clos, "%s", r->clos ? r->clos : "");
	snprintf(ret->group, sizeof ret->group, "%s", r->group ? r->group : "");
}

void oci_set_rdt(struct oci_container *c, const struct intel_rdt *r)
{
	c->state.rdt = (struct oci_rdt){.clos = arena_dup(&c->arena, r->clos), .group = arena_dup(&c->arena, r->group), .made_clos = r->made_clos,
		.made_group = r->made_group, .shared = r->shared};
}

int oci_open_process(const struct oci_container *c, struct err *e)
{
	own(fd) int fd = c->state.pid > 0 ? proc_pidfd_open((pid_t)c->state.pid) : -1;
	if (fd < 0 && c->state.pid > 0 && errno != ESRCH && errno != EINVAL)
		return err_sys(e, "container %s: its process", c->state.id);
	/* Looked at after the pidfd is ours: the number cannot change its owner any more. */
	if (fd < 0 || !container_is_alive((pid_t)c->state.pid, c->state.start_time))
		return err_set(e, ERR_CONFLICT, "container not running: %s", c->state.id);
	return take_fd(fd);
}

int oci_container_forget(struct oci_container *c, struct err *e)
{
	return path_remove_tree(c->root, c->state.id, e);
}

int oci_seccomp_cache(const struct oci_container *c)
{
	struct err ignored = {};
	if (!c->spec.linux_ || !c->spec.linux_->seccomp)
		return -1;
	return path_mkdirs(c->root, ".cache", 0700, &ignored) < 0 ? -1 : path_open_dir(c->root, ".cache", &ignored);
}

void oci_set_env(struct arena *a, struct spec_process *p, const char *line)
{
	size_t n = strcspn(line, "=") + 1;
	struct strv all = {};
	for (size_t i = 0; i < p->env.n; i++)
		if (strncmp(p->env.v[i], line, n) != 0)
			arena_strv_add(a, &all, p->env.v[i]);
	arena_strv_add(a, &all, line);
	p->env = all;
}

struct json *oci_state_document(const struct oci_container *c)
{
	enum oci_status s = oci_container_status(c);
	struct json *j = json_new_object(), *notes = json_new_object();
	json_set_str(j, "ociVersion", c->state.oci_version ? c->state.oci_version : "1.0.0");
	json_set_str(j, "id", c->state.id);
	json_set(j, "pid", json_new_i64(s == OCI_STOPPED ? 0 : c->state.pid));
	json_set_str(j, "status", oci_status_name(s));
	json_set_str(j, "bundle", c->state.bundle ? c->state.bundle : "");
	json_set_str(j, "rootfs", c->state.rootfs ? c->state.rootfs : "");
	json_set_str(j, "created", c->state.created ? c->state.created : "");
	for (size_t i = 0; i < c->state.annotations.n; i++)
		json_set_str(notes, c->state.annotations.v[i].key, c->state.annotations.v[i].value);
	json_set(j, "annotations", notes);
	json_set_str(j, "owner", "");
	return j;
}
