/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attach: a client and a container's streams, joined for as long as both are there.
 *
 *   POST attach -> a place among those who wait (engine/waiting.h) -> 101 -> [connected by the start] -> frames both ways -> the end
 *
 * `docker run` attaches before it starts. The answer is given when our place is taken, so that the start which comes behind it takes us along
 * and nothing of the output is missed. The place is kept: when its restart policy starts the container once more, we are connected again, and
 * the client has one stream until it ends for good.
 *
 * The monitor's frames are docker's. Without a terminal they are passed on as they are, with one their payload.
 */
#include "api/stream.h"

#include "engine/events.h"
#include "engine/logs.h"
#include "engine/waiting.h"

#include "base/fd.h"

#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOOK_MS = 500 };

int call_stream_keys(const char *text, const struct container_entry *c, unsigned char ret[static 16], size_t *ret_n, struct err *e)
{
	const char *own_keys = c->record.host.detach_keys;
	if (attach_parse_keys(text ? text : str_is_empty(own_keys) ? "ctrl-p,ctrl-q" : own_keys, ret, ret_n, e) < 0)
		return err_set(e, ERR_USAGE, "Invalid detach keys (%.100s) provided", text ? text : own_keys);
	return 0;
}

int call_hijack(struct call *c, bool tty, struct err *e)
{
	bool upgrades = http_header(c->request, "upgrade") != NULL;
	if (conn_hijack(c->conn, c->request, tty || !upgrades || c->version < 42 ? "application/vnd.docker.raw-stream"
		: "application/vnd.docker.multiplexed-stream", e) < 0)
		return -1;
	/* What is left to do is the client's, who has to go when we are asked to. */
	signal(SIGTERM, SIG_DFL);
	return 0;
}

int call_write_frame(struct call *c, bool tty, int stream, const void *p, size_t n, struct err *e)
{
	unsigned char head[ATTACH_HEADER];
	attach_header(head, (enum attach_type)stream, (uint32_t)n);
	return (!tty && conn_write(c->conn, head, sizeof head, e) < 0) || conn_write(c->conn, p, n, e) < 0 ? -1 : 0;
}

int call_join(struct call *c, int sock, unsigned streams, const struct attach_client *how, enum attach_end *ret, struct err *e)
{
	struct attach_client a = *how;
	int status;
	a.sock = sock;
	a.in = streams & ATTACH_STDIN ? c->conn->fd : -1;
	/* Without any stream we are there until the end. */
	a.out = a.err = c->conn->fd;
	a.is_stream = true;
	a.early = c->conn->in.data;
	a.nearly = streams & ATTACH_STDIN ? c->conn->in.len : 0;
	int r = attach_run(&a, ret, &status, e);
	buf_cut(&c->conn->in, c->conn->in.len);
	return r;
}

struct attach {
	struct call *call;
	struct container_entry c;
	struct waiting place;
	unsigned streams;
	bool tty, again; /* it ran before */
	int sock;        /* to its monitor, or -1 */
};

static void attach_drop(struct attach *a)
{
	waiting_drop(&a->place);
	fd_drop(&a->sock);
	container_entry_drop(&a->c);
}

static int put_line(void *arg, int stream, int64_t time_ns unused, const char *p, size_t n, const char *attrs unused, struct err *e)
{
	struct attach *a = arg;
	bool wanted = a->streams & (stream == 2 ? ATTACH_STDERR : ATTACH_STDOUT);
	return wanted ? call_write_frame(a->call, a->tty, stream, p, n, e) : 0;
}

/* Its end is for good when nothing is about to start it again: asked when it has ended, and now and then while we wait. */
static bool comes_back(struct attach *a)
{
	struct err ignored = {};
	struct pollfd p = {.fd = a->place.listener, .events = POLLIN};
	struct stat st;
	if (poll(&p, 1, 0) > 0)
		return true;
	if (fstat(a->c.dir, &st) < 0 || st.st_nlink == 0 || container_reload_state(&a->c, &ignored) < 0)
		return false;
	return !a->again || str_eq(container_status(a->call->g, &a->c), "restarting");
}

/* 1: connected; 0: the client has gone, or it does not start any more. */
static int wait_for_start(struct attach *a, struct err *e)
{
	for (;;) {
		struct pollfd p[2] = {{.fd = a->place.listener, .events = POLLIN}, {.fd = a->call->conn->fd}};
		int n = poll(p, countof(p), LOOK_MS);
		if (n < 0 && errno != EINTR)
			return err_sys(e, "poll");
		if (n > 0 && p[0].revents && (a->sock = waiting_accept(&a->place)) >= 0)
			return 1;
		if ((n > 0 && p[1].revents & (POLLHUP | POLLERR)) || (n == 0 && !comes_back(a)))
			return 0;
	}
}

/* Under the container's lock, so that no start passes between the look at it and our place. */
static int take_place(struct attach *a, struct err *e)
{
	struct container_entry *c = &a->c;
	const char *status = c->state.status;
	if (str_eq(status, "paused"))
		return err_set(e, ERR_CONFLICT, "container %.12s is paused, unpause the container before attach", c->id);
	if (str_eq(status, "restarting"))
		return err_set(e, ERR_CONFLICT, "container %.12s is restarting, wait until the container is running", c->id);
	if (!c->record.config.open_stdin)
		a->streams &= ~(unsigned)ATTACH_STDIN;
	if (str_eq(status, "running")) {
		own(fd) int dir = containers_run_dir(&a->call->g->containers, c->id, false, e);
		a->sock = dir < 0 ? -1 : attach_connect(dir, a->streams, e);
		if (a->sock < 0)
			return -1;
	}
	if (waiting_open(c, a->streams, &a->place, e) < 0)
		return -1;
	fd_drop(&c->lock);
	event_container(a->call->g, c, "attach");
	return 0;
}

static int stream(struct attach *a, const struct attach_client *how, struct err *e)
{
	for (;;) {
		enum attach_end end;
		int r = a->sock < 0 ? wait_for_start(a, e) : 1;
		if (r <= 0)
			return r;
		if (call_join(a->call, a->sock, a->streams, how, &end, e) < 0)
			return -1;
		fd_drop(&a->sock);
		a->again = true;
		if (end == ATTACH_DETACHED)
			event_container(a->call->g, &a->c, "detach");
		if ((end != ATTACH_EXITED && end != ATTACH_LOST) || !comes_back(a))
			return 0;
	}
}

static int attach(struct call *c, struct err *e)
{
	static const struct { const char *name; unsigned flag; } wants[] = {{"stdin", ATTACH_STDIN}, {"stdout", ATTACH_STDOUT}, {"stderr", ATTACH_STDERR}};
	struct attach a __attribute__((cleanup(attach_drop))) = {.call = c, .c = {.dir = -1, .lock = -1}, .place = WAITING_INIT, .sock = -1};
	unsigned char keys[16];
	struct attach_client how = {.detach_keys = keys};
	bool streams = call_bool(c, "stream", false), logs = call_bool(c, "logs", false);
	if (call_container(c, ENTRY_LOCK, &a.c, e) < 0 || call_stream_keys(call_query(c, "detachKeys"), &a.c, keys, &how.ndetach_keys, e) < 0)
		return -1;
	for (size_t i = 0; i < countof(wants); i++)
		a.streams |= call_bool(c, wants[i].name, false) ? wants[i].flag : 0;
	a.tty = how.tty = a.c.record.config.tty;
	how.framed = !how.tty;
	if (streams && take_place(&a, e) < 0)
		return -1;
	fd_drop(&a.c.lock);
	if (call_hijack(c, a.tty, e) < 0)
		return -1;
	struct logs_read read = {.tail = -1, .line = put_line, .arg = &a};
	if (logs && container_logs(c->g, &a.c, &read, e) < 0)
		return -1;
	return streams ? stream(&a, &how, e) : 0;
}

/* The terminal of what runs behind this socket. */
int call_resize(struct call *c, int run_dir, struct err *e)
{
	int64_t rows, cols;
	if (call_i64(c, "h", 0, UINT16_MAX, -1, &rows, e) < 0 || call_i64(c, "w", 0, UINT16_MAX, -1, &cols, e) < 0)
		return -1;
	if (rows < 0 || cols < 0)
		return err_set(e, ERR_USAGE, "h and w are needed");
	own(fd) int sock = attach_connect(run_dir, 0, e);
	if (sock < 0)
		return -1;
	attach_send_rows(sock, (unsigned short)rows, (unsigned short)cols);
	return conn_reply_empty(c->conn, 200, e);
}

static int resize(struct call *c, struct err *e)
{
	own(container_entry) struct container_entry entry = {.dir = -1, .lock = -1};
	if (call_container(c, 0, &entry, e) < 0)
		return -1;
	if (!str_eq(entry.state.status, "running") && !str_eq(entry.state.status, "paused"))
		return err_set(e, ERR_CONFLICT, "container %.12s is not running", entry.id);
	own(fd) int dir = containers_run_dir(&c->g->containers, entry.id, false, e);
	return dir < 0 ? -1 : call_resize(c, dir, e);
}

const struct route attach_routes[] = {
	{"POST", "/containers/{}/attach", attach},
	{"POST", "/containers/{}/resize", resize},
	{NULL, NULL, NULL},
};
