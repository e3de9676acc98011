/* SPDX-License-Identifier: Apache-2.0 */
/*
 * criu: see criu.h.
 *
 *   we                                   the child
 *   fork ------------------------------> its groups, prepare()
 *   its socket                   <-----  files 0 1 2, socket 3, directories 4 5, inherited files from 6 on, exec
 *   end of file: it is criu      <-----  or an error that says why not
 *   request                      ----->
 *   notify()                     <-----  notice, with a file sometimes
 *   whether that went well       ----->
 *   answer                       <-----
 *   close, wait                          exit
 *
 * A restored tree's root is a child of ours (rst_sibling), as if we had cloned it.
 */
#include "runtime/criu.h"

#include "base/fd.h"
#include "base/path.h"
#include "codec/protobuf.h"
#include "sys/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Numbers of files in criu's process. */
enum { SOCKET_AT = 3, IMAGES_AT, WORK_AT, FILES_AT };
enum { MESSAGE_MAX = 64 << 10, LOG_MAX = 64 << 10, ERRORS_MAX = 700, REQUEST_NOTIFY = 6 };

enum kind { BOOL, NUMBER, TEXT, TEXTS, CGROUPS };
#define O(number, kind, member) {number, kind, offset_of(struct criu_options, member)}
/* criu_opts: plain fields */
static const struct { unsigned number; enum kind kind; size_t at; } fields[] = {
	O(2, NUMBER, pid), O(3, BOOL, leave_running), O(4, BOOL, ext_unix_sk), O(5, BOOL, tcp_established), O(6, BOOL, evasive_devices),
	O(7, BOOL, shell_job), O(8, BOOL, file_locks), O(10, TEXT, log_file), O(13, TEXT, root), O(14, TEXT, parent_images),
	O(15, BOOL, track_mem), O(16, BOOL, auto_dedup), O(18, BOOL, link_remap), O(26, BOOL, rst_sibling), O(34, CGROUPS, cgroups),
	O(37, TEXTS, external), O(38, NUMBER, empty_namespaces), O(44, TEXT, freeze_cgroup), O(46, BOOL, tcp_skip_in_flight),
	O(48, BOOL, lazy_pages), O(50, BOOL, orphan_pts_master), O(51, TEXT, config_file), O(52, BOOL, tcp_close), O(53, TEXT, lsm_profile),
	O(63, TEXT, lsm_mount_context),
};
#undef O
/* Those that have to be there, and those that are messages. */
enum { O_IMAGES_DIR = 1, O_LOG_LEVEL = 9, O_PAGE_SERVER = 11, O_NOTIFY_SCRIPTS = 12, O_WORK_DIR = 17, O_EXT_MNT = 23, O_MANAGE_CGROUPS = 24,
	O_CG_ROOT = 25, O_INHERIT_FD = 27, O_JOIN_NS = 39, O_NETWORK_LOCK = 64 };
enum { REQ_TYPE = 1, REQ_OPTS = 2, REQ_NOTIFY_SUCCESS = 3, REQ_FEATURES = 5 };
enum { RESP_TYPE = 1, RESP_SUCCESS = 2, RESP_RESTORE = 4, RESP_NOTIFY = 5, RESP_ERRNO = 7, RESP_FEATURES = 8, RESP_ERRMSG = 9, RESP_VERSION = 10 };

static void put_message(struct buf *out, unsigned field, struct buf *m)
{
	protobuf_put_bytes(out, field, buf_text(m), m->len);
	buf_reset(m);
}

static void put_pairs(struct buf *out, unsigned field, const struct map *m)
{
	own(buf) struct buf b = {};
	for (size_t i = 0; i < m->n; i++) {
		protobuf_put_str(&b, 1, m->v[i].key);
		protobuf_put_str(&b, 2, m->v[i].value);
		put_message(out, field, &b);
	}
}

static int number_there(const struct criu_files *f, size_t i)
{
	return f->v[i].fd < 0 ? -1 : FILES_AT + (int)i;
}

static void put_field(struct buf *out, size_t i, const struct criu_options *o)
{
	const char *at = (const char *)o + fields[i].at;
	unsigned number = fields[i].number;
	switch (fields[i].kind) {
	case BOOL:
		if (*(const bool *)at)
			protobuf_put_bool(out, number, true);
		break;
	case NUMBER:
		if (*(const int64_t *)(const void *)at)
			protobuf_put_i64(out, number, *(const int64_t *)(const void *)at);
		break;
	case TEXT:
		protobuf_put_str(out, number, *(char *const *)(const void *)at);
		break;
	case TEXTS: {
		const struct strv *l = (const struct strv *)(const void *)at;
		for (size_t k = 0; k < l->n; k++)
			protobuf_put_str(out, number, l->v[k]);
		break;
	}
	case CGROUPS:
		protobuf_put_u64(out, number, *(const enum criu_cgroups *)(const void *)at);
	}
}

static void put_options(const struct criu_options *o, struct buf *out)
{
	own(buf) struct buf m = {};
	protobuf_put_i64(out, O_IMAGES_DIR, IMAGES_AT);
	if (o->work_dir >= 0)
		protobuf_put_i64(out, O_WORK_DIR, WORK_AT);
	protobuf_put_u64(out, O_LOG_LEVEL, 4);
	protobuf_put_bool(out, O_NOTIFY_SCRIPTS, true);
	protobuf_put_bool(out, O_MANAGE_CGROUPS, true); /* what counts is the mode; this one is for an old criu */
	for (size_t i = 0; i < countof(fields); i++)
		put_field(out, i, o);
	if (o->page_server_address) {
		protobuf_put_str(&m, 1, o->page_server_address);
		protobuf_put_i64(&m, 2, o->page_server_port);
		put_message(out, O_PAGE_SERVER, &m);
	}
	if (o->network_lock != CRIU_LOCK_DEFAULT)
		protobuf_put_u64(out, O_NETWORK_LOCK, o->network_lock);
	put_pairs(out, O_EXT_MNT, &o->mounts);
	put_pairs(out, O_CG_ROOT, &o->cgroup_roots);
	put_pairs(out, O_JOIN_NS, &o->join);
	for (size_t i = 0; i < o->inherit.n; i++) {
		protobuf_put_str(&m, 1, o->inherit.v[i].key);
		protobuf_put_i64(&m, 2, number_there(&o->inherit, i));
		put_message(out, O_INHERIT_FD, &m);
	}
}

void criu_format_request(enum criu_request request, const struct criu_options *o, struct buf *out)
{
	own(buf) struct buf m = {};
	protobuf_put_u64(out, REQ_TYPE, request);
	if (request == CRIU_FEATURES) {
		protobuf_put_bool(&m, 1, true);
		protobuf_put_bool(&m, 2, true);
		put_message(out, REQ_FEATURES, &m);
	} else if (o) {
		put_options(o, &m);
		put_message(out, REQ_OPTS, &m);
	}
}

/* The text of a line of the log that is an error's, else NULL: "(00.012345)   1: Error (criu/mount.c:123): mnt: …". */
static char *error_of(char *line)
{
	char *at = strstr(line, "Error (");
	char *end = at ? strstr(at, "): ") : NULL;
	return !end || strstr(end, "FAILED.") ? NULL : end + 3;
}

void criu_last_errors(char *log, struct buf *out)
{
	enum { MOST = 4 };
	char *last[MOST] = {};
	size_t n = 0;
	for (char *line; (line = strsep(&log, "\n"));) {
		char *text = error_of(line);
		if (text && !(n && strcmp(last[(n - 1) % MOST], text) == 0))
			last[n++ % MOST] = text;
	}
	size_t first = n > MOST ? n - MOST : 0, room = 0;
	for (size_t i = n; i > first; i--) {
		room += strlen(last[(i - 1) % MOST]) + 2;
		if (room > ERRORS_MAX && i < n)
			first = i;
	}
	for (size_t i = first; i < n; i++)
		buf_printf(out, "%s%.*s", i == first ? "" : "; ", ERRORS_MAX, last[i % MOST]);
}

struct worker {
	const struct criu_call *c;
	pid_t pid;
	int sock, messages; /* messages: what criu wrote to its standard error */
	struct err why;     /* notify's */
};

static void worker_drop(struct worker *w)
{
	fd_drop(&w->sock);
	fd_drop(&w->messages);
	while (w->pid > 0 && waitpid(w->pid, NULL, 0) < 0 && errno == EINTR)
		;
	w->pid = 0;
}

/* The same directory in our own mount namespace: mounts can be made in no other. */
static int reopen(int dir, struct err *e)
{
	char link[40], path[PATH_MAX];
	struct stat a, b;
	snprintf(link, sizeof link, "/proc/self/fd/%d", dir);
	ssize_t n = readlink(link, path, sizeof path - 1);
	path[n > 0 ? n : 0] = 0;
	own(fd) int fd = n < 0 ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(dir, &a) < 0 || fstat(fd, &b) < 0)
		return err_sys(e, "criu: %s", path);
	if (a.st_dev != b.st_dev || a.st_ino != b.st_ino)
		return err_set(e, ERR_SYSTEM, "criu: %s is another directory now", path);
	return take_fd(fd);
}

/* The files that criu has from the start, as enum places has them. None of the sources is in the way of a target. */
static int place_files(const struct criu_call *c, int sock, int messages, int *tell, struct err *e)
{
	const struct criu_options *o = c->options;
	size_t n = FILES_AT + (o ? o->inherit.n : 0);
	own(mem) int *from = mem_alloc(n * sizeof *from);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	from[0] = c->input >= 0 ? c->input : null;
	from[1] = null;
	from[2] = messages;
	from[SOCKET_AT] = sock;
	from[IMAGES_AT] = o ? reopen(o->images_dir, e) : -1;
	from[WORK_AT] = o && o->work_dir >= 0 ? reopen(o->work_dir, e) : -1;
	if (o && (from[IMAGES_AT] < 0 || (o->work_dir >= 0 && from[WORK_AT] < 0)))
		return -1;
	for (size_t i = FILES_AT; i < n; i++)
		from[i] = o->inherit.v[i - FILES_AT].fd;
	for (size_t i = 0; i < n; i++)
		if (from[i] >= 0 && (from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, (int)n)) < 0)
			return err_sys(e, "criu: file %zu", i);
	if ((*tell = fcntl(*tell, F_DUPFD_CLOEXEC, (int)n)) < 0)
		return err_sys(e, "criu: socket");
	for (size_t i = 0; i < n; i++)
		if (from[i] >= 0 ? dup2(from[i], (int)i) < 0 : close((int)i) < 0 && errno != EBADF)
			return err_sys(e, "criu: file %zu", i);
	fd_close_from((int)n, tell, 1);
	return 0;
}

/* The socket is made here: criu takes directories by their numbers in the process that made it. */
static int hand_over(int tell, int ret[2], struct err *e)
{
	const struct err none = {};
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret) < 0)
		return err_sys(e, "criu: socket");
	return fd_send(tell, &none, sizeof none, &ret[0], 1, e);
}

static int become_criu(const struct criu_call *c, int messages, int *tell, const int *tasks, struct err *e)
{
	static char criu[] = "criu", swrk[] = "swrk", number[] = "3";
	char *const argv[] = {criu, swrk, number, NULL};
	int pair[2];
	sigset_t none;
	sigemptyset(&none);
	if (c->cgroup && cgroup_enter(tasks, e) < 0)
		return -1;
	if (c->prepare && c->prepare(c->arg, e) < 0)
		return -1;
	if (hand_over(*tell, pair, e) < 0 || place_files(c, pair[1], messages, tell, e) < 0)
		return -1;
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execvp(argv[0], argv);
	if (errno == ENOENT)
		return err_set(e, ERR_UNSUPPORTED, "criu is not installed (Debian's package criu)");
	return err_sys(e, "execute criu");
}

/* Until the exec has happened, or its error. */
static int wait_exec(struct worker *w, int tell, struct err *e)
{
	for (;;) {
		struct err why = {};
		int fd = -1;
		size_t nfds = 1;
		ssize_t n = fd_recv(tell, &why, sizeof why, &fd, &nfds, e);
		if (n < 0)
			return err_wrap(e, "criu");
		if (n == 0)
			return w->sock < 0 ? err_set(e, ERR_SYSTEM, "criu: the process that was to be criu ended") : 0;
		if (nfds) {
			fd_drop(&w->sock);
			w->sock = fd;
		}
		if (n != sizeof why || why.kind == ERR_NONE)
			continue;
		*e = why;
		e->text[sizeof e->text - 1] = 0;
		return -1;
	}
}

static int start(struct worker *w, struct err *e)
{
	const struct criu_call *c = w->c;
	int tell[2], tasks[CGROUP_TASKS];
	for (int i = 0; i < CGROUP_TASKS; i++)
		tasks[i] = -1;
	if (c->cgroup && cgroup_open_tasks(c->cgroup, tasks, e) < 0)
		return -1;
	w->messages = memfd_create("criu", MFD_CLOEXEC);
	if (w->messages < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, tell) < 0)
		return err_sys(e, "criu: socket");
	w->pid = proc_clone(&(struct proc_clone){.cgroup = c->cgroup ? c->cgroup->v2 : -1});
	if (w->pid == 0) {
		struct err why = {}, ignored = {};
		close(tell[0]);
		(void)!become_criu(c, w->messages, &tell[1], tasks, &why);
		(void)!fd_send(tell[1], &why, sizeof why, NULL, 0, &ignored);
		_exit(127);
	}
	int r = w->pid < 0 ? err_sys(e, "clone criu's process") : 0;
	close(tell[1]);
	for (int i = 0; i < CGROUP_TASKS; i++)
		fd_drop(&tasks[i]);
	if (r == 0)
		r = wait_exec(w, tell[0], e);
	close(tell[0]);
	return r;
}

static int send_message(struct worker *w, const struct buf *b, struct err *e)
{
	if (buf_check(b, e) < 0)
		return err_wrap(e, "criu: request");
	/* One that has ended is found out about by its answer. */
	if (send(w->sock, b->data, b->len, MSG_NOSIGNAL) < 0 && errno != EPIPE && errno != ECONNRESET)
		return err_sys(e, "criu: request");
	return 0;
}

struct response {
	unsigned type;
	bool success;
	int sys;
	char *message; /* malloc */
	char *script;
	pid_t pid;
	struct criu_answer answer;
};

static void response_drop(struct response *r)
{
	mem_drop(&r->message);
	mem_drop(&r->script);
}

static int read_notify(const struct protobuf_field *f, struct response *r, struct err *e)
{
	struct protobuf p = PROTOBUF(f->data, f->len);
	struct protobuf_field in;
	int more;
	while ((more = protobuf_next(&p, &in, e)) > 0) {
		if (in.number == 2)
			r->pid = (pid_t)in.value;
		if (in.number != 1)
			continue;
		mem_drop(&r->script);
		r->script = protobuf_dup_str(&in, e);
		if (!r->script)
			return -1;
	}
	return more;
}

/* The numbers of a message inside: 1 to n into v[1] … v[n]. */
static int read_numbers(const struct protobuf_field *f, uint64_t *v, unsigned n, struct err *e)
{
	struct protobuf p = PROTOBUF(f->data, f->len);
	struct protobuf_field in;
	int more;
	while ((more = protobuf_next(&p, &in, e)) > 0)
		if (in.number <= n && in.wire == PROTOBUF_VARINT)
			v[in.number] = in.value;
	return more;
}

static int read_part(const struct protobuf_field *f, struct response *r, struct err *e)
{
	uint64_t v[5] = {};
	if (f->number == RESP_TYPE)
		r->type = (unsigned)f->value;
	else if (f->number == RESP_SUCCESS)
		r->success = f->value;
	else if (f->number == RESP_ERRNO)
		r->sys = (int)f->value;
	else if (f->number == RESP_NOTIFY)
		return read_notify(f, r, e);
	else if (f->number == RESP_ERRMSG && !r->message)
		return (r->message = protobuf_dup_str(f, e)) ? 0 : -1;
	if (f->number != RESP_RESTORE && f->number != RESP_FEATURES && f->number != RESP_VERSION)
		return 0;
	if (read_numbers(f, v, 4, e) < 0)
		return -1;
	if (f->number == RESP_RESTORE)
		r->answer.pid = (pid_t)v[1];
	else if (f->number == RESP_FEATURES)
		r->answer.mem_track = v[1], r->answer.lazy_pages = v[2];
	else
		r->answer.version = (unsigned)(v[1] * 10000 + v[2] * 100 + v[4]);
	return 0;
}

static int receive(struct worker *w, struct response *r, int *ret_fd, struct err *e)
{
	own(mem) char *text = mem_alloc(MESSAGE_MAX);
	struct protobuf_field f;
	size_t nfds = 1;
	*ret_fd = -1;
	ssize_t n = fd_recv(w->sock, text, MESSAGE_MAX, ret_fd, &nfds, e);
	if (!nfds)
		*ret_fd = -1;
	if (n < 0)
		return err_wrap(e, "criu: answer");
	if (n == 0)
		return 0;
	if (n == MESSAGE_MAX)
		return err_set(e, ERR_LIMIT, "criu: an answer of more than %d bytes", MESSAGE_MAX - 1);
	struct protobuf p = PROTOBUF(text, n);
	int more;
	while ((more = protobuf_next(&p, &f, e)) > 0)
		if (read_part(&f, r, e) < 0)
			return err_wrap(e, "criu: answer");
	return more < 0 ? err_wrap(e, "criu: answer") : 1;
}

static int answer_notice(struct worker *w, const struct response *r, int fd, struct err *e)
{
	const struct criu_notice n = {.script = r->script ? r->script : "", .pid = r->pid, .fd = fd};
	own(buf) struct buf b = {};
	bool well = w->why.kind == ERR_NONE;
	if (well && w->c->notify)
		well = w->c->notify(&n, w->c->arg, &w->why) == 0;
	protobuf_put_u64(&b, REQ_TYPE, REQUEST_NOTIFY);
	protobuf_put_bool(&b, REQ_NOTIFY_SUCCESS, well);
	return send_message(w, &b, e);
}

static void read_errors(int fd, struct buf *out)
{
	own(buf) struct buf b = BUF(LOG_MAX + 1);
	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	char *room = size > 0 ? buf_room(&b, LOG_MAX) : NULL;
	ssize_t n = room ? pread(fd, room, LOG_MAX, size > LOG_MAX ? size - LOG_MAX : 0) : 0;
	if (n <= 0)
		return;
	room[n] = 0;
	criu_last_errors(room, out);
}

static const char *verb_of(enum criu_request r)
{
	return r == CRIU_RESTORE ? "restore" : r == CRIU_PRE_DUMP ? "pre-dump" : r == CRIU_DUMP ? "dump" : "check";
}

/* In the log, else in what it says itself, else on its standard error. */
static int explain(struct worker *w, const struct response *r, struct err *e)
{
	const struct criu_options *o = w->c->options;
	own(buf) struct buf b = {};
	if (w->why.kind != ERR_NONE)
		return *e = w->why, -1;
	if (o && o->log_file) {
		own(fd) int log = openat(o->work_dir >= 0 ? o->work_dir : o->images_dir, o->log_file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
		read_errors(log, &b);
	}
	if (!b.len && r->message)
		buf_str(&b, r->message);
	if (!b.len)
		read_errors(w->messages, &b);
	if (!b.len)
		buf_str(&b, r->sys ? strerror(r->sys) : r->type ? "no reason given" : "it ended without an answer");
	return err_set(e, ERR_SYSTEM, "criu: %s failed: %s", verb_of(w->c->request), buf_text(&b));
}

static int converse(struct worker *w, struct response *r, struct err *e)
{
	own(buf) struct buf b = {};
	criu_format_request(w->c->request, w->c->options, &b);
	if (send_message(w, &b, e) < 0)
		return -1;
	for (;;) {
		own(fd) int fd = -1;
		response_drop(r);
		*r = (struct response){};
		int got = receive(w, r, &fd, e);
		if (got < 0)
			return -1;
		if (got == 0 || !r->success)
			return explain(w, r, e);
		if (r->type == (unsigned)w->c->request)
			return 0;
		if (r->type != REQUEST_NOTIFY)
			return err_set(e, ERR_REMOTE, "criu: an answer of the unknown type %u", r->type);
		if (answer_notice(w, r, fd, e) < 0)
			return -1;
	}
}

/* Where criu is now, and with it what it will make: controllers to a path. */
static int take_cgroup_roots(pid_t pid, struct criu_options *o, struct arena *a, struct err *e)
{
	own(buf) struct buf b = BUF(1 << 20);
	own(mem) char *path = mem_printf("/proc/%d/cgroup", (int)pid);
	if (path_read(AT_FDCWD, path, &b, e) < 0)
		return -1;
	own(mem) char *text = buf_take(&b);
	char *rest = text;
	for (char *line; (line = strsep(&rest, "\n"));) {
		char *names = strchr(line, ':'), *at = names ? strchr(names + 1, ':') : NULL;
		if (!at)
			continue;
		*at++ = 0;
		names++;
		do
			map_set(a, &o->cgroup_roots, strsep(&names, ","), at);
		while (names);
	}
	return 0;
}

int criu_call(const struct criu_call *c, struct criu_answer *ret, struct err *e)
{
	struct worker w __attribute__((cleanup(worker_drop))) = {.c = c, .sock = -1, .messages = -1};
	struct response r __attribute__((cleanup(response_drop))) = {};
	struct arena a __attribute__((cleanup(arena_drop))) = {};
	int status = 0;
	if (start(&w, e) < 0)
		return -1;
	if (c->cgroup && take_cgroup_roots(w.pid, c->options, &a, e) < 0)
		return -1;
	int result = converse(&w, &r, e);
	if (c->cgroup)
		c->options->cgroup_roots = (struct map){};
	if (result < 0)
		return -1;
	fd_drop(&w.sock);
	while (waitpid(w.pid, &status, 0) < 0 && errno == EINTR)
		;
	w.pid = 0;
	/* After a pre-dump it waits for the dump, and is disappointed. */
	if (status && c->request != CRIU_PRE_DUMP)
		return err_set(e, ERR_SYSTEM, "criu: %s: it ended with the wait status %d", verb_of(c->request), status);
	*ret = r.answer;
	return 0;
}
