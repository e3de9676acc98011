/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container: the directory of each container, its names and its two files.
 *
 * Who writes what: config.json is written by the verb that holds the container's lock. state.json is written by verbs and
 * by the monitor, each under the lock of the directory itself, which is held for the moment between reading and writing
 * only. Both files are replaced whole by rename, so a reader needs no lock; on a full disk state.json is overwritten where it is.
 *
 * A name is a symlink names/<name> -> <id>: symlink(2) fails when it exists, which is the whole
 * uniqueness check. It is made after the directory and removed before it; a name that points at no
 * directory, or at one that is half made, was left by a dead process and is taken over, under the lock of names/.
 */
#include "state/container.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

enum { RECORD_MAX = 4 << 20, COMMAND_MAX = 4096, PARSE_TRIES = 3 };

/* Closed to others: root of a container may leave setuid programs in its files (CVE-2021-41091). */
static int open_folder(int at, const char *name, struct err *e)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	if (path_mkdirs(at, name, 0700, e) < 0)
		return -1;
	return path_open_dir(at, name, e);
}

static int open_folders(struct containers *c, int root, int run, const char *folder, const char *names, struct err *e)
{
	c->root = open_folder(root, folder, e);
	c->names = c->root < 0 ? -1 : open_folder(root, names, e);
	c->run = c->names < 0 ? -1 : open_folder(run, folder, e);
	if (c->run < 0) {
		containers_drop(c);
		return -1;
	}
	own(fd) int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : fd_read_full(fd, c->boot, sizeof c->boot - 1);
	c->boot[n > 0 ? strcspn(c->boot, "\n") : 0] = 0;
	if (!*c->boot) {
		/* Without it all containers would seem to be of another boot. */
		err_sys_(e, "/proc/sys/kernel/random/boot_id");
		containers_drop(c);
		return -1;
	}
	return 0;
}

int containers_open(struct containers *c, int root, int run, struct err *e)
{
	*c = (struct containers){.what = "container", .root = -1, .names = -1, .run = -1};
	return open_folders(c, root, run, "containers", "names", e);
}

int containers_open_pods(struct containers *c, int root, int run, struct err *e)
{
	*c = (struct containers){.what = "pod", .root = -1, .names = -1, .run = -1};
	return open_folders(c, root, run, "pods", "pods/names", e);
}

void containers_drop(struct containers *c)
{
	fd_drop(&c->root);
	fd_drop(&c->names);
	fd_drop(&c->run);
}

bool container_name_is_valid(const char *name)
{
	size_t n = strlen(name);
	if (n < 2 || n > 255 || !isalnum((unsigned char)name[0]))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("_.-", name[i]))
			return false;
	return true;
}

/* False with errno 0: there is none, or none that is whole. */
static bool read_name(const struct containers *c, const char *name, char ret_id[65])
{
	ssize_t n = readlinkat(c->names, name, ret_id, 65);
	if (n >= 0 || errno == ENOENT || errno == EINVAL || errno == ENAMETOOLONG)
		errno = 0;
	if (n != 64)
		return false;
	ret_id[64] = 0;
	return num_is_hex(ret_id, 64);
}

static bool is_there(const struct containers *c, const char *id)
{
	return path_exists(c->root, id);
}

bool containers_free_name(struct containers *c, const char *name, const char *id)
{
	char other[66];
	return path_is_name(name) && read_name(c, name, other) && str_eq(other, id) && unlinkat(c->names, name, 0) == 0;
}

static int find_prefix(struct containers *c, const char *text, char ret_id[65], struct err *e)
{
	size_t len = strlen(text), found = 0;
	own(strv) struct strv names = {};
	if (path_list(c->root, ".", &names, e) < 0)
		return err_wrap(e, "%ss", c->what);
	for (size_t i = 0; i < names.n; i++)
		if (strlen(names.v[i]) == 64 && strncmp(names.v[i], text, len) == 0 && found++ == 0)
			memcpy(ret_id, names.v[i], 65);
	if (found > 1)
		return err_set(e, ERR_CONFLICT, "%s id prefix %s is ambiguous: %zu %ss begin so", c->what, text, found, c->what);
	return found == 1 ? 0 : err_set(e, ERR_NOT_FOUND, "no such %s: %s", c->what, text);
}

int containers_find(struct containers *c, const char *text, char ret_id[65], struct err *e)
{
	bool is_name_only = *text == '/';
	text += is_name_only;
	char id[66];
	bool is_name = path_is_name(text) && read_name(c, text, id);
	if (is_name && is_there(c, id)) {
		memcpy(ret_id, id, 65);
		return 0;
	}
	if (!is_name && path_is_name(text) && errno)
		return err_sys(e, "%s %.200s", c->what, text);
	size_t n = is_name_only ? 0 : strlen(text);
	if (n == 64 && num_is_hex(text, 64) && is_there(c, text)) {
		memcpy(ret_id, text, 65);
		return 0;
	}
	if (n && n < 64 && num_is_hex(text, n))
		return find_prefix(c, text, ret_id, e);
	return err_set(e, ERR_NOT_FOUND, "no such %s: %.200s", c->what, text);
}

int containers_ids(struct containers *c, bool running_only, struct strv *ret, struct err *e)
{
	own(strv) struct strv names = {};
	if (path_list(running_only ? c->run : c->root, ".", &names, e) < 0)
		return err_wrap(e, "%ss", c->what);
	for (size_t i = 0; i < names.n; i++)
		if (strlen(names.v[i]) == 64 && num_is_hex(names.v[i], 64))
			strv_add(ret, names.v[i]);
	return 0;
}

void container_entry_drop(struct container_entry *c)
{
	arena_drop(&c->arena);
	json_drop(&c->document);
	json_drop(&c->state_document);
	fd_drop(&c->dir);
	fd_drop(&c->lock);
}

/* The names that point at a container whose record was never written. */
static void free_names_of(struct containers *c, const char *id)
{
	struct err ignored = {};
	own(strv) struct strv names = {};
	if (path_list(c->names, ".", &names, &ignored) < 0)
		return;
	for (size_t i = 0; i < names.n; i++)
		containers_free_name(c, names.v[i], id);
}

/* Is this directory the one of that name? */
static bool is_called(const struct containers *c, const char *id, int dir)
{
	struct stat mine, there;
	return fstat(dir, &mine) == 0 && fstatat(c->root, id, &there, AT_SYMLINK_NOFOLLOW) == 0 && mine.st_ino == there.st_ino && mine.st_dev == there.st_dev;
}

/* Nobody can have made this directory's record any more when the lock of the directory is free. */
static void remove_half_made(struct containers *c, const char *id, int dir)
{
	struct err ignored = {};
	own(fd) int lock = path_lock(dir, "lock", true, false, &ignored);
	/* Whoever had the lock may have removed it while we took it, and somebody made the next one of that name. */
	if (lock < 0 || path_exists(dir, "config.json") || !is_called(c, id, dir))
		return;
	free_names_of(c, id);
	(void)!containers_remove(c, id, &ignored);
}

/* Of the dead: their directory is gone, or is half made. */
static bool is_used(struct containers *c, const char *id)
{
	struct err ignored = {};
	own(fd) int dir = is_there(c, id) ? path_open_dir(c->root, id, &ignored) : -1;
	if (dir >= 0 && !path_exists(dir, "config.json"))
		remove_half_made(c, id, dir);
	return is_there(c, id);
}

/* Removes a name that nobody has. Two that find it must not remove each other's new one: they look again, one at a time. */
static int take_over(struct containers *c, const char *name, struct err *e)
{
	char id[66] = {};
	own(fd) int lock = openat(c->names, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;
	do
		r = lock < 0 ? -1 : flock(lock, LOCK_EX);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return err_sys(e, "take the name %s", name);
	ssize_t n = readlinkat(c->names, name, id, 65);
	/* Free by now. If it is made again it is somebody's, who does not wait for the lock. */
	if (n < 0 && errno == ENOENT)
		return 0;
	if (n == 64 && num_is_hex(id, 64) && is_used(c, id))
		return err_set(e, ERR_CONFLICT, "the name \"%s\" is in use by %s %.12s", name, c->what, id);
	if ((n < 0 && errno != EINVAL) || (unlinkat(c->names, name, 0) < 0 && errno != ENOENT))
		return err_sys(e, "take the name %s", name);
	return 0;
}

int containers_take_name(struct containers *c, const char *name, const char *id, struct err *e)
{
	for (int i = 0; i < 16; i++) {
		if (symlinkat(id, c->names, name) == 0)
			return 0;
		if (errno != EEXIST)
			return err_sys(e, "take the name %s", name);
		if (take_over(c, name, e) < 0)
			return -1;
	}
	return err_set(e, ERR_CONFLICT, "the name \"%s\" is in use", name);
}

static char *fixed(const char *s)
{
	return (char *)(uintptr_t)s;
}

char *container_restart_text(struct container_entry *c)
{
	const struct restart_policy *p = &c->record.host.restart;
	if (str_is_empty(p->name) || str_eq(p->name, "no"))
		return NULL;
	return p->maximum_retries ? arena_printf(&c->arena, "%s:%lld", p->name, (long long)p->maximum_retries) : p->name;
}

static void first_state(struct container_entry *c)
{
	const struct container_record *r = &c->record;
	own(buf) struct buf command = {};
	buf_str(&command, r->path ? r->path : "");
	for (size_t i = 0; i < r->args.n && command.len < COMMAND_MAX; i++)
		buf_printf(&command, strchr(r->args.v[i], ' ') ? " '%s'" : " %s", r->args.v[i]);
	c->state = (struct container_state){.name = r->name + 1, .image_name = r->config.image, .image = r->image,
		.command = arena_dup(&c->arena, buf_text(&command)), .created = r->created, .labels = r->config.labels,
		.network_mode = r->host.network_mode, .pod = r->host.pod, .pod_name = r->host.pod_name,
		.ports = r->config.exposed_ports, .auto_remove = r->host.auto_remove,
		.status = fixed("created")};
	c->state.mounts.v = r->mounts.v;
	c->state.mounts.n = r->mounts.n;
	c->state.restart = container_restart_text(c);
}

static int parse_state(struct container_entry *c, struct err *e)
{
	json_drop(&c->state_document);
	if (json_read(c->dir, "state.json", RECORD_MAX, &c->state_document, e) < 0)
		return -1;
	c->state = (struct container_state){};
	return jmap_parse(&container_state_table, c->state_document, 0, &c->arena, &c->state, "state.json", e);
}

static int read_record(struct container_entry *c, struct err *e)
{
	if (json_read(c->dir, "config.json", RECORD_MAX, &c->document, e) < 0)
		return -1;
	return jmap_parse(&container_record_table, c->document, 0, &c->arena, &c->record, "config.json", e);
}

static int read_state(struct container_entry *c, bool lost, struct err *e)
{
	struct err why = {};
	for (int i = 0; i < PARSE_TRIES; i++) {
		if (parse_state(c, &why) == 0)
			return 0;
		if (why.sys)
			break;
		/* On a full disk it is overwritten, just now perhaps. */
		nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
	}
	/* What cannot be read now is not to be written anew. */
	if (why.sys && why.sys != ENOENT && !lost)
		return *e = why, -1;
	if (!c->record.id && read_record(c, e) < 0)
		return -1;
	/* The directory may be on its way out. */
	if (str_is_empty(c->record.name) || !path_exists(c->dir, "config.json"))
		return *e = why, -1;
	first_state(c);
	if (why.sys == ENOENT)
		return 0;
	/* The record is synced and the state is not: a power cut may have emptied it. */
	c->state.status = fixed("exited");
	c->state.exit_code = 255;
	c->state.error = fixed(why.sys ? "its state cannot be read" : "the machine went down before its state was written");
	return 0;
}

int container_reload_state(struct container_entry *c, struct err *e)
{
	return read_state(c, false, e);
}

static bool is_settled(const struct containers *c, const struct container_state *s)
{
	if (str_eq(s->status, "running") || str_eq(s->status, "paused"))
		return container_state_is_alive(c, s);
	if (str_eq(s->status, "restarting"))
		return container_state_has_monitor(c, s);
	return !str_eq(s->status, "removing");
}

int containers_peek(struct containers *c, const char *id, struct container_entry *ret, struct err *e)
{
	own(container_entry) struct container_entry x = {.dir = -1, .lock = -1};
	struct err why = {};
	char path[96], record[96];
	snprintf(x.id, sizeof x.id, "%s", id);
	snprintf(path, sizeof path, "%s/state.json", x.id);
	snprintf(record, sizeof record, "%s/config.json", x.id);
	if (json_read(c->root, path, RECORD_MAX, &x.state_document, &why) < 0 ||
		jmap_parse(&container_state_table, x.state_document, 0, &x.arena, &x.state, "", &why) < 0 ||
		faccessat(c->root, record, F_OK, AT_SYMLINK_NOFOLLOW) < 0 || !is_settled(c, &x.state))
		return containers_load(c, id, ENTRY_STATE_ONLY, ret, e);
	*ret = x;
	x = (struct container_entry){.dir = -1, .lock = -1};
	return 0;
}

int container_save_first_state(struct container_entry *c, struct err *e)
{
	first_state(c);
	return container_save_state(c->dir, &c->state, false, e);
}

int container_change_state(struct container_entry *c, struct err *e)
{
	/* Opened again: the lock belongs to the open file, and c->dir may be shared with a fork. */
	own(fd) int fd = openat(c->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;
	do
		r = fd < 0 ? -1 : flock(fd, LOCK_EX);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return err_sys(e, "lock container %.12s", c->id);
	return container_reload_state(c, e) < 0 ? -1 : take_fd(fd);
}

int containers_load(struct containers *c, const char *id, int flags, struct container_entry *ret, struct err *e)
{
	own(container_entry) struct container_entry x = {.dir = -1, .lock = -1};
	snprintf(x.id, sizeof x.id, "%s", id);
	x.dir = openat(c->root, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (x.dir < 0 && errno != ENOENT && errno != ENOTDIR)
		return err_sys(e, "%s %.12s", c->what, id);
	if (x.dir < 0)
		return err_set(e, ERR_NOT_FOUND, "no such %s: %s", c->what, id);
	if (flags & ENTRY_LOCK) {
		x.lock = path_lock(x.dir, "lock", true, true, e);
		if (x.lock < 0)
			return -1;
		if (!is_called(c, id, x.dir))
			return err_set(e, ERR_NOT_FOUND, "no such %s: %s", c->what, id);
	}
	if (flags & ENTRY_STATE_ONLY && !path_exists(x.dir, "config.json")) {
		remove_half_made(c, id, x.dir);
		return err_set(e, ERR_NOT_FOUND, "no such %s: %s", c->what, id);
	}
	if (!(flags & ENTRY_STATE_ONLY)) {
		if (read_record(&x, e) < 0) {
			if (e->sys == ENOENT) {
				fd_drop(&x.lock);
				remove_half_made(c, id, x.dir);
				return err_set(e, ERR_NOT_FOUND, "no such %s: %s", c->what, id);
			}
			return err_wrap(e, "%s %.12s", c->what, id);
		}
	}
	if (read_state(&x, flags & ENTRY_LOST_STATE, e) < 0)
		return e->sys == ENOENT ? err_set(e, ERR_NOT_FOUND, "no such %s: %s", c->what, id) : err_wrap(e, "%s %.12s", c->what, id);
	*ret = x;
	x = (struct container_entry){.dir = -1, .lock = -1};
	return 0;
}

static int save(int dir, const char *name, const struct jtable *t, const void *st, bool sync, struct err *e)
{
	own(json) struct json *j = jmap_format(t, st);
	own(buf) struct buf b = BUF(RECORD_MAX);
	json_format(j, 0, &b);
	if (buf_check(&b, e) < 0)
		return err_wrap(e, "%s", name);
	return path_write(dir, name, buf_text(&b), b.len, 0600, sync ? PATH_SYNC : 0, e);
}

int container_save_record(const struct container_entry *c, bool sync, struct err *e)
{
	return save(c->dir, "config.json", &container_record_table, &c->record, sync, e);
}

/* Where the file lies there is room, though the disk is full: how a container ended must not be lost for that. */
static int overwrite(int dir, const char *name, const struct buf *b, bool sync)
{
	own(fd) int fd = openat(dir, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fd_write_all(fd, buf_text(b), b->len) < 0 || ftruncate(fd, (off_t)b->len) < 0)
		return -1;
	return sync ? fsync(fd) : 0;
}

int container_save_state(int dir, const struct container_state *s, bool sync, struct err *e)
{
	struct err why = {};
	if (save(dir, "state.json", &container_state_table, s, sync, &why) == 0)
		return 0;
	own(json) struct json *j = jmap_format(&container_state_table, s);
	own(buf) struct buf b = BUF(RECORD_MAX);
	json_format(j, 0, &b);
	if ((why.sys == ENOSPC || why.sys == EDQUOT) && buf_check(&b, e) == 0 && overwrite(dir, "state.json", &b, sync) == 0)
		return 0;
	*e = why;
	return -1;
}

int containers_make(struct containers *c, const char *id, int *ret_dir, int *ret_lock, struct err *e)
{
	/* Somebody may take the new directory for half made and remove it before its lock is ours: then it is made again. */
	for (int i = 0; i < 100; i++) {
		if (mkdirat(c->root, id, 0711) < 0 && errno != EEXIST)
			return err_sys(e, "create %s %.12s", c->what, id);
		struct err why = {};
		own(fd) int dir = path_open_dir(c->root, id, &why);
		own(fd) int lock = dir < 0 ? -1 : path_lock(dir, "lock", true, true, &why);
		if (lock < 0 && why.sys != ENOENT)
			return *e = why, -1;
		if (lock >= 0 && is_called(c, id, dir)) {
			*ret_dir = take_fd(dir);
			*ret_lock = take_fd(lock);
			return 0;
		}
	}
	return err_set(e, ERR_CONFLICT, "create %s %.12s: its directory is removed again and again", c->what, id);
}

int containers_forget(struct containers *c, const char *id, struct err *e)
{
	if (!num_is_hex(id, 64))
		return err_set(e, ERR_BUG, "remove %s %s", c->what, id);
	/* config.json goes first: what is left of a removal that was cut off is half made. */
	own(mem) char *config = mem_printf("%s/config.json", id);
	if (unlinkat(c->root, config, 0) < 0 && errno != ENOENT && errno != ENOTDIR)
		return err_sys(e, "remove %s %.12s", c->what, id);
	return 0;
}

int containers_remove(struct containers *c, const char *id, struct err *e)
{
	if (containers_forget(c, id, e) < 0)
		return -1;
	if (path_remove_tree(c->run, id, e) < 0)
		return -1;
	return path_remove_tree(c->root, id, e);
}

int containers_run_dir(struct containers *c, const char *id, bool make, struct err *e)
{
	if (make && mkdirat(c->run, id, 0700) < 0 && errno != EEXIST)
		return err_sys(e, "create the run directory of %.12s", id);
	return path_open_dir(c->run, id, e);
}

/* Who cannot tell says that it lives: what is done to the dead cannot be undone. */
static bool is_process(const struct containers *c, const struct container_state *s, int64_t pid, uint64_t start)
{
	if (pid <= 0 || !str_eq(s->boot, c->boot))
		return false;
	char path[32], text[512];
	snprintf(path, sizeof path, "/proc/%lld/stat", (long long)pid);
	own(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (n < 0)
		return errno != ENOENT && errno != ESRCH;
	if (n == 0)
		return false;
	text[n] = 0;
	char *at = strrchr(text, ')');
	if (!at || at[1] != ' ' || strchr("ZXx", at[2]))
		return false;
	/* field 3 is the state, at[2]; field 22 is the start time */
	at += 2;
	for (int field = 3; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	return at && strtoull(at, NULL, 10) == start;
}

bool container_state_is_alive(const struct containers *c, const struct container_state *s)
{
	return is_process(c, s, s->pid, s->start_time);
}

bool container_state_has_monitor(const struct containers *c, const struct container_state *s)
{
	return is_process(c, s, s->monitor_pid, s->monitor_start);
}
