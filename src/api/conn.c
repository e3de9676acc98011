/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conn: what was read and not taken yet stays in c->in: the end of a head is looked for there, a body is unpacked from there, and what stands
 * behind it is the next request. What a handler leaves of a body is read and thrown away before the next head; of a long one the connection
 * ends instead. An answer whose length is known goes out in one write, one that grows in chunks, one write each.
 *
 * SIGTERM: a process that waits for a head ends at once, one that is at a request behind it, one that only waits and reads
 * (conn_ends_with_client) at once.
 */
#include "api/conn.h"

#include "base/fd.h"
#include "base/num.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READ_SIZE = 64 << 10, DRAIN_MAX = 1 << 20, QUIET_MS = 500 };
static const int64_t LINGER_NS = 2000000000;

/* Who still sends when he is answered would find the pipe broken, and may not look for the answer then. What he has left is thrown away until he
 * goes, or says nothing for a while. */
static void linger(int fd)
{
	char rest[4096];
	struct pollfd p = {.fd = fd, .events = POLLIN};
	const int64_t end = num_monotonic_ns() + LINGER_NS;
	shutdown(fd, SHUT_WR);
	while (poll(&p, 1, QUIET_MS) > 0 && read(fd, rest, sizeof rest) > 0 && num_monotonic_ns() < end)
		;
}

void conn_drop(struct conn *c)
{
	if (c->lingers || c->body.at != HTTP_BODY_END)
		linger(c->fd);
	fd_drop(&c->fd);
	buf_drop(&c->in);
}

static volatile sig_atomic_t is_idle, is_asked_to_end;

static void end_soon(int sig unused)
{
	if (is_idle)
		_exit(0);
	is_asked_to_end = 1;
}

static void nothing(int sig unused)
{
}

/* A handler that does nothing: being ignored would be inherited by what we start. */
void conn_set_signals(void)
{
	sigaction(SIGTERM, &(struct sigaction){.sa_handler = end_soon, .sa_flags = SA_RESTART}, NULL);
	sigaction(SIGPIPE, &(struct sigaction){.sa_handler = nothing, .sa_flags = SA_RESTART}, NULL);
	/* A terminal's ctrl-c reaches the listener too, which says SIGTERM. */
	sigaction(SIGINT, &(struct sigaction){.sa_handler = nothing, .sa_flags = SA_RESTART}, NULL);
}

/* More into c->in. 1; 0: the client has ended its side. */
static int fill(struct conn *c, struct err *e)
{
	char *room = buf_room(&c->in, READ_SIZE);
	if (!room)
		return buf_check(&c->in, e);
	for (;;) {
		ssize_t n = read(c->fd, room, READ_SIZE);
		if (n > 0) {
			c->in.len += (size_t)n;
			return 1;
		}
		if (n == 0 || errno == ECONNRESET)
			return 0;
		if (errno != EINTR)
			return err_sys(e, "read from the client");
	}
}

/* What the last handler left of its request's body; a long one ends the connection. */
static bool drain(struct conn *c)
{
	char rest[4096];
	struct err ignored = {};
	size_t all = 0;
	while (c->body.at != HTTP_BODY_END) {
		ssize_t n = c->expects || all > DRAIN_MAX ? -1 : conn_read(c, rest, sizeof rest, &ignored);
		if (n < 0)
			return false;
		all += (size_t)n;
	}
	return true;
}

int conn_next(struct conn *c, struct arena *a, struct http_request *ret, int *ret_status, struct err *e)
{
	size_t head;
	*ret_status = 400;
	if (c->closes || !drain(c))
		return 0;
	c->begun = c->chunked = c->expects = false;
	c->in.max = HTTP_HEAD_MAX + 2 * READ_SIZE;
	while ((head = http_head_end(buf_text(&c->in), c->in.len)) == 0 && c->in.len <= HTTP_HEAD_MAX) {
		/* Some clients end a body with an empty line more. */
		while (c->in.len >= 2 && memcmp(c->in.data, "\r\n", 2) == 0)
			buf_cut(&c->in, 2);
		is_idle = c->in.len == 0;
		int r = is_idle && is_asked_to_end ? 0 : fill(c, e);
		is_idle = 0;
		if (r <= 0)
			return r < 0 ? -1 : c->in.len ? err_set(e, ERR_USAGE, "the request ends in its head") : 0;
	}
	if (head == 0 || head > HTTP_HEAD_MAX) {
		*ret_status = 431;
		c->lingers = true;
		return err_set(e, ERR_USAGE, "the head of a request is longer than %d bytes", HTTP_HEAD_MAX);
	}
	if (http_parse_request(c->in.data, head, a, ret, e) < 0) {
		*ret_status = e->kind == ERR_UNSUPPORTED && strstr(e->text, "HTTP/1.1") ? 505 : err_map(e->kind)->http_status;
		return -1;
	}
	buf_cut(&c->in, head);
	c->body = http_body_of(ret);
	c->http10 = ret->minor == 0;
	c->is_head = strcmp(ret->method, "HEAD") == 0;
	c->closes = !ret->keep_alive;
	c->expects = http_has_token(http_header(ret, "expect"), "100-continue");
	return 1;
}

ssize_t conn_read(struct conn *c, void *p, size_t n, struct err *e)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	while (c->body.at != HTTP_BODY_END) {
		if (c->in.len == 0) {
			if (c->expects && fd_write_all(c->fd, go_on, sizeof go_on - 1) < 0)
				return err_sys(e, "answer");
			c->expects = false;
			int r = fill(c, e);
			if (r <= 0)
				return r < 0 ? -1 : err_set(e, ERR_REMOTE, "the body of the request ends too early");
		}
		const char *data;
		size_t got, room = c->body.at == HTTP_BODY_DATA && n < c->in.len ? n : c->in.len;
		ssize_t used = http_body_feed(&c->body, c->in.data, room, &data, &got, e);
		if (used < 0)
			return c->closes = true, -1;
		/* Framing that stands before the data may let more of it in than was asked for. */
		if (got > n) {
			c->body.left += got - n;
			c->body.at = HTTP_BODY_DATA;
			used -= (ssize_t)(got - n);
			got = n;
		}
		if (got)
			memcpy(p, data, got);
		buf_cut(&c->in, (size_t)used);
		if (got)
			return (ssize_t)got;
	}
	return 0;
}

int conn_read_json(struct conn *c, struct json **ret, struct err *e)
{
	own(buf) struct buf text = BUF(CONN_JSON_MAX);
	char piece[16384];
	ssize_t n;
	*ret = NULL;
	while ((n = conn_read(c, piece, sizeof piece, e)) > 0)
		if (buf_add(&text, piece, (size_t)n) < 0)
			return err_set(e, ERR_USAGE, "the body is longer than %d MiB", CONN_JSON_MAX >> 20);
	if (n < 0 || text.len == 0)
		return (int)n;
	if (json_parse(text.data, text.len, ret, e) < 0) {
		e->kind = ERR_USAGE;
		return err_wrap(e, "body");
	}
	return 0;
}

/* A pipe's end says not whether all has come. A socket whose other end goes without having taken what lies there for it says ECONNRESET instead
 * of an end: our side puts a byte there, and the child takes it when the body was whole. */
int conn_body_pipe(struct conn *c, struct err *e)
{
	int ends[2];
	char whole = 0;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return err_sys(e, "make a socket");
	c->closes = c->lingers = true;
	(void)!write(ends[0], &whole, 1);
	pid_t pid = fork();
	if (pid < 0) {
		fd_drop(&ends[0]);
		fd_drop(&ends[1]);
		return err_sys(e, "fork");
	}
	if (pid == 0) {
		static char piece[READ_SIZE];
		ssize_t n;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGPIPE, SIG_DFL);
		close(ends[0]);
		while ((n = conn_read(c, piece, sizeof piece, e)) > 0)
			if (fd_write_all(ends[1], piece, (size_t)n) < 0)
				_exit(1);
		_exit(n < 0 || read(ends[1], &whole, 1) != 1);
	}
	fd_drop(&ends[1]);
	/* The child reads it; for us it is over. */
	c->body = (struct http_body){.at = HTTP_BODY_END};
	return ends[0];
}

static int send_all(struct conn *c, const void *p, size_t n, struct err *e)
{
	if (fd_write_all(c->fd, p, n) == 0)
		return 0;
	int sys = errno;
	c->closes = true;
	err_sys_(e, "answer");
	e->kind = ERR_REMOTE;
	e->sys = sys == ECONNRESET ? EPIPE : sys;
	return -1;
}

/* length < 0: in chunks; -2: none, as the answer has no body. */
static void put_head(struct conn *c, int status, const char *type, const char *headers, int64_t length, struct buf *out)
{
	c->begun = true;
	/* What is left of the body is not waited for when the client has not begun to send it. */
	if (c->expects && c->body.at != HTTP_BODY_END)
		c->closes = true;
	buf_printf(out, "HTTP/1.1 %d %s\r\n%s", status, http_reason(status), headers ? headers : "");
	if (type)
		buf_printf(out, "Content-Type: %s\r\n", type);
	if (length >= 0)
		buf_printf(out, "Content-Length: %lld\r\n", (long long)length);
	else if (length == -1 && !c->http10)
		buf_str(out, "Transfer-Encoding: chunked\r\n");
	else if (length == -1)
		c->closes = true;
	buf_printf(out, "%s\r\n", c->closes ? "Connection: close\r\n" : "");
}

int conn_reply(struct conn *c, int status, const char *type, const char *headers, const void *p, size_t n, struct err *e)
{
	own(buf) struct buf out = {};
	bool bare = status == 204 || status == 304;
	put_head(c, status, bare ? NULL : type, headers, bare ? -2 : (int64_t)n, &out);
	if (!c->is_head && !bare)
		buf_add(&out, p, n);
	return buf_check(&out, e) < 0 ? -1 : send_all(c, out.data, out.len, e);
}

int conn_reply_json(struct conn *c, int status, const struct json *j, struct err *e)
{
	own(buf) struct buf text = {};
	json_format(j, 0, &text);
	buf_char(&text, '\n');
	return buf_check(&text, e) < 0 ? -1 : conn_reply(c, status, "application/json", NULL, text.data, text.len, e);
}

int conn_reply_empty(struct conn *c, int status, struct err *e)
{
	return conn_reply(c, status, NULL, NULL, "", 0, e);
}

int conn_reply_error(struct conn *c, int status, const char *text, struct err *e)
{
	own(json) struct json *j = json_new_object();
	json_set_str(j, "message", text);
	return conn_reply_json(c, status, j, e);
}

int conn_begin(struct conn *c, int status, const char *type, const char *headers, struct err *e)
{
	own(buf) struct buf out = {};
	put_head(c, status, type, headers, -1, &out);
	c->chunked = !c->http10;
	return send_all(c, out.data, out.len, e);
}

int conn_write(struct conn *c, const void *p, size_t n, struct err *e)
{
	if (n == 0 || c->is_head)
		return 0;
	if (!c->chunked)
		return send_all(c, p, n, e);
	char size[32];
	int len = snprintf(size, sizeof size, "%zx\r\n", n);
	struct iovec v[] = {{size, (size_t)len}, {(void *)(uintptr_t)p, n}, {(void *)(uintptr_t)"\r\n", 2}};
	ssize_t sent = writev(c->fd, v, countof(v));
	for (size_t i = 0; i < countof(v); i++) {
		size_t done = sent < 0 ? 0 : (size_t)sent < v[i].iov_len ? (size_t)sent : v[i].iov_len;
		sent -= sent < 0 ? 0 : (ssize_t)done;
		if (done < v[i].iov_len && send_all(c, (const char *)v[i].iov_base + done, v[i].iov_len - done, e) < 0)
			return -1;
	}
	return 0;
}

int conn_write_json(struct conn *c, const struct json *j, struct err *e)
{
	own(buf) struct buf text = {};
	json_format(j, 0, &text);
	buf_str(&text, "\r\n");
	return buf_check(&text, e) < 0 ? -1 : conn_write(c, text.data, text.len, e);
}

int conn_end(struct conn *c, struct err *e)
{
	return c->chunked && !c->is_head ? send_all(c, "0\r\n\r\n", 5, e) : 0;
}

int conn_hijack(struct conn *c, const struct http_request *r, const char *type, struct err *e)
{
	own(buf) struct buf out = {};
	bool upgrades = http_has_token(http_header(r, "connection"), "upgrade") && http_header(r, "upgrade");
	/* The words that docker's clients look for. */
	buf_printf(&out, "HTTP/1.1 %s\r\nContent-Type: %s\r\n", upgrades ? "101 UPGRADED" : "200 OK", type);
	if (upgrades)
		buf_str(&out, "Connection: Upgrade\r\nUpgrade: tcp\r\n");
	buf_str(&out, "\r\n");
	c->begun = c->closes = true;
	c->body = (struct http_body){.at = HTTP_BODY_END};
	return send_all(c, out.data, out.len, e);
}

static int watched = -1;

static void client_moved(int sig)
{
	int saved = errno;
	struct pollfd p = {.fd = watched};
	if (sig == SIGTERM || (poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR | POLLNVAL))))
		_exit(0);
	errno = saved;
}

void conn_ends_with_client(struct conn *c, bool on)
{
	static struct sigaction before[2];
	struct sigaction now = {.sa_handler = client_moved, .sa_flags = SA_RESTART};
	const int signals[] = {SIGIO, SIGTERM};
	int flags = fcntl(c->fd, F_GETFL);
	for (size_t i = 0; i < countof(signals); i++) {
		if (on)
			sigaction(signals[i], &now, &before[i]);
		else
			sigaction(signals[i], &before[i], NULL);
	}
	watched = on ? c->fd : -1;
	fcntl(c->fd, F_SETOWN, getpid());
	fcntl(c->fd, F_SETFL, on ? flags | O_ASYNC : flags & ~O_ASYNC);
	if (on)
		client_moved(SIGIO);
}
