/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint: first the command's side (a directory that has its name only when it is whole), then the fork of the monitor's. From the
 * moment its state says so the processes are in the files and nowhere else, so nothing removes those afterwards; and who asked and is gone
 * by then ends nothing.
 */
#include "engine/checkpoint.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "engine/events.h"
#include "monitor/monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NAME_LEN = 128 };
static const char own_place[] = "checkpoints", word[] = "checkpoint", *const logs[] = {"dump.log", "stats-dump"};

/* With one fd, the directory of the files. */
struct wish {
	bool leave_running, tcp_established, file_locks, pre_dump;
	char parent[NAME_LEN + 4]; /* relative to the directory, or "" */
};

static int check_name(const char *name, struct err *e)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	size_t n = strlen(name);
	if (n && n <= NAME_LEN && strspn(name, allowed) == n && !strchr("_.-", *name))
		return 0;
	return err_set(e, ERR_USAGE, "invalid checkpoint name \"%.140s\": letters, digits, \"_\", \".\" and \"-\", a letter or digit first, at most %d",
		name, NAME_LEN);
}

static int open_place(struct container_entry *c, const char *dir, bool make, struct err *e)
{
	int at = dir ? AT_FDCWD : c->dir;
	const char *path = dir ? dir : own_place;
	if (make && path_mkdirs(at, path, 0700, e) < 0)
		return err_wrap(e, "%s", path);
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_sys(e, "%s", dir ? dir : "checkpoints") : fd;
}

static int ask(struct engine *g, struct container_entry *c, const struct checkpoint_request *r, int images, struct err *e)
{
	struct wish w = {.leave_running = r->leave_running, .tcp_established = r->tcp_established, .file_locks = r->file_locks, .pre_dump = r->pre_dump};
	struct err why = {.kind = ERR_SYSTEM};
	int socks[2];
	if (r->previous)
		snprintf(w.parent, sizeof w.parent, "../%s", r->previous);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks) < 0)
		return err_sys(e, "socket");
	own(fd) int ours = socks[0], theirs = socks[1];
	own(fd) int run = containers_run_dir(&g->containers, c->id, false, e);
	own(fd) int sock = run < 0 ? -1 : attach_connect_words(run, e);
	if (sock < 0 || attach_word(sock, word, sizeof word, theirs, e) < 0)
		return -1;
	fd_drop(&theirs);
	if (fd_send(ours, &w, sizeof w, &images, 1, e) < 0)
		return -1;
	if (fd_read_full(ours, &why, sizeof why) != sizeof why)
		return err_set(e, ERR_CONFLICT, "container %.200s or its monitor ended meanwhile", container_label(c));
	/* Its end is that of who saved. */
	char none;
	(void)!fd_read_full(ours, &none, 1);
	if (why.kind == ERR_NONE)
		return 0;
	*e = why;
	return -1;
}

static int check_request(struct engine *g, struct container_entry *c, const struct checkpoint_request *r, struct err *e)
{
	const char *status = container_status(g, c);
	if (check_name(r->name, e) < 0 || (r->previous && check_name(r->previous, e) < 0))
		return -1;
	if (str_eq(status, "paused"))
		return err_set(e, ERR_CONFLICT, "container %.200s is paused: unpause it first", container_label(c));
	if (!str_eq(status, "running"))
		return err_set(e, ERR_CONFLICT, "container %.200s is %s: only what runs can be saved", container_label(c), status);
	if (c->record.host.auto_remove && !r->dir && !r->leave_running && !r->pre_dump)
		return err_set(e, ERR_CONFLICT, "container %.200s was started with --rm: its checkpoint would go with it: let it run on, "
			"or name another directory", container_label(c));
	return 0;
}

/* Under its name: what had it goes. */
static int publish(int place, const char *made, const struct checkpoint_request *r, struct err *e)
{
	struct err ignored = {};
	if (r->replace && renameat2(place, made, place, r->name, RENAME_EXCHANGE) == 0) {
		(void)!path_remove_tree(place, made, &ignored);
		return 0;
	}
	if (renameat2(place, made, place, r->name, RENAME_NOREPLACE) == 0)
		return 0;
	return errno == EEXIST ? err_set(e, ERR_CONFLICT, "there is a checkpoint %s already", r->name) : err_sys(e, "checkpoint %s", r->name);
}

/* What others left that were killed: with the container's lock none of them lives. */
static void sweep(int place)
{
	struct err ignored = {};
	own(strv) struct strv names = {};
	if (path_list(place, ".", &names, &ignored) < 0)
		return;
	for (size_t i = 0; i < names.n; i++)
		if (*names.v[i] == '.' && strstr(names.v[i], ".tmp-"))
			(void)!path_remove_tree(place, names.v[i], &ignored);
}

int container_save_processes(struct engine *g, struct container_entry *c, const struct checkpoint_request *r, struct err *e)
{
	struct err ignored = {};
	if (check_request(g, c, r, e) < 0)
		return -1;
	own(fd) int place = open_place(c, r->dir, true, e);
	if (place < 0)
		return -1;
	if (!r->replace && path_exists(place, r->name))
		return err_set(e, ERR_CONFLICT, "container %.200s has a checkpoint %s already", container_label(c), r->name);
	if (r->previous && !path_exists(place, r->previous))
		return err_set(e, ERR_NOT_FOUND, "there is no checkpoint %s before it", r->previous);
	own(mem) char *made = mem_printf(".%s.tmp-%d", r->name, (int)getpid());
	if (!r->dir)
		sweep(place);
	if (mkdirat(place, made, 0700) < 0)
		return err_sys(e, "checkpoint %s", r->name);
	own(fd) int images = openat(place, made, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (images < 0 || ask(g, c, r, images, e) < 0) {
		if (images < 0)
			err_sys_(e, "checkpoint %s", r->name);
		(void)!path_remove_tree(place, made, &ignored);
		return -1;
	}
	for (size_t i = 0; r->drop_logs && i < countof(logs); i++)
		unlinkat(images, logs[i], 0);
	if (publish(place, made, r, e) < 0) {
		/* The processes are in these files and nowhere else. */
		if (!r->leave_running && !r->pre_dump)
			return err_wrap(e, "its processes are saved in %s", made);
		(void)!path_remove_tree(place, made, &ignored);
		return -1;
	}
	event_container(g, c, "checkpoint");
	return r->leave_running || r->pre_dump ? 0 : container_wait(g, c, -1, NULL, e) < 0 ? -1 : 0;
}

int checkpoint_open(struct engine *g unused, struct container_entry *c, const char *dir, const char *name, struct err *e)
{
	struct err why = {};
	if (check_name(name, e) < 0)
		return -1;
	own(fd) int place = open_place(c, dir, false, &why);
	if (place < 0 && (dir || why.sys != ENOENT)) {
		*e = why;
		return -1;
	}
	int fd = place < 0 ? -1 : openat(place, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && (place < 0 || errno == ENOENT || errno == ENOTDIR))
		return err_set(e, ERR_NOT_FOUND, "container %.200s has no checkpoint %s", container_label(c), name);
	return fd < 0 ? err_sys(e, "checkpoint %s", name) : fd;
}

int checkpoint_remove(struct engine *g, struct container_entry *c, const char *dir, const char *name, struct err *e)
{
	own(fd) int fd = checkpoint_open(g, c, dir, name, e);
	/* Whatever criu has done there, it wrote its log; only one in a container's own place may be without. */
	if (fd >= 0 && dir && !path_exists(fd, logs[0]))
		return err_set(e, ERR_NOT_FOUND, "%.300s/%s is no checkpoint", dir, name);
	own(fd) int place = fd < 0 ? -1 : open_place(c, dir, false, e);
	return place < 0 ? -1 : path_remove_tree(place, name, e);
}

struct json *checkpoint_list(struct engine *g, struct container_entry *c, const char *dir, struct err *e)
{
	struct err why = {};
	own(strv) struct strv names = {};
	own(json) struct json *list = json_new_array();
	own(fd) int place = open_place(c, dir, false, &why);
	if (place < 0 && !dir && why.sys == ENOENT)
		return take(list);
	if (place < 0 || path_list(place, ".", &names, &why) < 0) {
		*e = why;
		return NULL;
	}
	strv_sort(&names);
	for (size_t i = 0; i < names.n; i++) {
		struct err gone = {};
		struct stat st;
		char made[NUM_TEXT];
		own(fd) int fd = check_name(names.v[i], &gone) < 0 ? -1 : checkpoint_open(g, c, dir, names.v[i], &gone);
		if (fd < 0 || fstat(fd, &st) < 0)
			continue;
		struct json *row = json_new_object();
		json_set_str(row, "Name", names.v[i]);
		json_set_str(row, "Created", num_format_time(st.st_mtim.tv_sec * 1000000000LL + st.st_mtim.tv_nsec, made));
		json_add(list, row);
	}
	return take(list);
}

bool checkpoint_is_word(const void *p, size_t n)
{
	return n == sizeof word && memcmp(p, word, sizeof word) == 0;
}

struct saving {
	struct engine *g;
	struct container_entry *c;
	int sock;
	bool ends;
	bool noted;
};

/* Its processes are saved, and still there. */
static int on_dumped(void *arg, struct err *e)
{
	struct saving *s = arg;
	struct container_state *st = &s->c->state;
	char now[NUM_TEXT];
	struct pollfd p = {.fd = s->sock, .events = POLLIN};
	if (!s->ends)
		return 0;
	if (poll(&p, 1, 0) > 0 && p.revents & (POLLHUP | POLLERR))
		return err_set(e, ERR_CONFLICT, "who asked for the checkpoint is gone");
	own(fd) int lock = container_change_state(s->c, e);
	if (lock < 0)
		return -1;
	st->checkpointed = true;
	st->checkpointed_at = arena_dup(&s->c->arena, num_format_time(num_now_ns(), now));
	s->noted = true;
	return container_save_state(s->c->dir, st, false, e);
}

static void take_back(struct container_entry *c)
{
	struct err ignored = {};
	own(fd) int lock = container_change_state(c, &ignored);
	if (lock < 0 || !c->state.checkpointed)
		return;
	c->state.checkpointed = false;
	c->state.checkpointed_at = NULL;
	(void)!container_save_state(c->dir, &c->state, false, &ignored);
}

void checkpoint_reap(struct container_entry *c, pid_t *pid, bool wait)
{
	int status = 0;
	pid_t r = 0;
	while (*pid > 0 && (r = waitpid(*pid, &status, wait ? 0 : WNOHANG)) < 0 && errno == EINTR)
		;
	if (*pid <= 0 || r == 0)
		return;
	*pid = 0;
	if (r > 0 && WIFSIGNALED(status))
		take_back(c);
}

/* In the fork. */
static int save(struct saving *s, const struct container *ct, const struct monitor *m, int sock, struct err *e)
{
	struct wish w = {};
	own(fd) int images = -1;
	own(arena) struct arena a = {};
	struct strv files = {};
	size_t n = 1;
	if (fd_recv(sock, &w, sizeof w, &images, &n, e) != sizeof w || n != 1 || w.parent[sizeof w.parent - 1])
		return e->kind ? -1 : err_set(e, ERR_SYSTEM, "checkpoint: another version of hull started this container");
	s->sock = sock;
	s->ends = !w.leave_running && !w.pre_dump;
	if (!m->create.spec->process->terminal)
		container_name_files(m->files, &a, &files);
	struct criu_options o = {.images_dir = images, .work_dir = -1, .leave_running = w.leave_running, .tcp_established = w.tcp_established,
		.file_locks = w.file_locks, .ext_unix_sk = true, .cgroups = CRIU_CGROUPS_DEFAULT, .parent_images = *w.parent ? w.parent : NULL};
	const struct container_checkpoint x = {.spec = m->create.spec, .pid = ct->pid, .cgroup = &ct->cgroup, .files = &files, .pre_dump = w.pre_dump,
		.status_fd = -1, .options = &o, .dumped = on_dumped, .arg = s};
	int r = container_checkpoint(&x, e);
	if (r < 0 && s->noted)
		take_back(s->c);
	return r;
}

int checkpoint_begin(struct engine *g, struct container_entry *c, const struct container *ct, const struct monitor *m, int fd, pid_t *ret)
{
	if (fd < 0)
		return EINVAL;
	/* One that has answered is about to end. */
	for (int i = 0; *ret > 0 && i < 100; i++) {
		checkpoint_reap(c, ret, false);
		if (*ret > 0)
			usleep(1000);
	}
	if (*ret > 0) {
		close(fd);
		return EBUSY;
	}
	pid_t pid = fork();
	int saved = errno;
	if (pid == 0) {
		struct saving s = {.g = g, .c = c};
		struct err e = {};
		if (save(&s, ct, m, fd, &e) == 0)
			e = (struct err){.kind = ERR_NONE};
		fd_write_all(fd, &e, sizeof e);
		_exit(0);
	}
	close(fd);
	if (pid < 0)
		return saved;
	*ret = pid;
	return 0;
}
