/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table of clients, each with one frame coming in and one going out; all sockets are read and written
 * with MSG_DONTWAIT. A frame's payload is never copied: out of the source's chunk, into the input buffer.
 *
 * A client is told of the end by a last frame; its socket stays open until the monitor has done everything and is
 * gone. One whose input ended while the program's stays open is sent away with a last frame too. One that hung up
 * is read to its end first: what it sent is meant for the program.
 */
#include "monitor/server.h"

#include "base/fd.h"
#include "base/num.h"
#include "sys/tty.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 128, FRAMES_A_ROUND = 16 };

void attach_header(unsigned char h[static ATTACH_HEADER], enum attach_type type, uint32_t len)
{
	uint32_t be = htobe32(len);
	memset(h, 0, 4);
	h[0] = (unsigned char)type;
	memcpy(h + 4, &be, sizeof be);
}

int clients_listen(struct server *s, struct err *e)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	snprintf(a.sun_path, sizeof a.sun_path, "/proc/self/fd/%d/attach.sock", s->monitor->run_dir);
	s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->listener < 0)
		return err_sys(e, "attach socket");
	mode_t before = umask(0177);
	int r = bind(s->listener, (struct sockaddr *)&a, sizeof a);
	if (r < 0 && errno == EADDRINUSE && unlink(a.sun_path) == 0) /* of a monitor that was killed */
		r = bind(s->listener, (struct sockaddr *)&a, sizeof a);
	umask(before);
	if (r < 0 || listen(s->listener, BACKLOG) < 0)
		return err_sys(e, "attach socket");
	return 0;
}

void clients_add(struct server *s, int sock, bool first, unsigned streams)
{
	struct client *c = &s->clients[s->nclients];
	if (s->nclients == CLIENTS_MAX) {
		close(sock);
		return;
	}
	s->nclients++;
	*c = (struct client){.sock = sock, .first = first, .greeted = first, .streams = streams, .source = -1, .given = -1};
	for (int i = 0; i < 2; i++)
		c->pos[i] = s->sources[i].len; /* what was printed before is for others */
}

static bool is_ours(int sock)
{
	struct ucred peer;
	socklen_t n = sizeof peer;
	return getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0 && (peer.uid == 0 || peer.uid == geteuid());
}

void clients_accept(struct server *s)
{
	for (;;) {
		int sock = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
		if (sock < 0) {
			s->accept_failed = errno != EAGAIN && errno != EINTR && errno != ECONNABORTED;
			return;
		}
		if (is_ours(sock))
			clients_add(s, sock, false, 0);
		else
			close(sock);
	}
}

static bool input_waits(const struct server *s)
{
	return s->input_at < s->input_len;
}

static void end_input(struct server *s)
{
	if (s->tty || !s->monitor->stdin_once)
		return;
	s->input_closing = true;
	pump_write_input(s);
}

static void input_ended(struct server *s, struct client *c)
{
	if (c->fed || !(c->streams & ATTACH_STDIN))
		return;
	c->fed = true;
	c->bye = !s->tty && !s->monitor->stdin_once;
	end_input(s);
}

static void remove_client(struct server *s, size_t i)
{
	struct client *c = &s->clients[i];
	bool feeds = c->streams & ATTACH_STDIN;
	close(c->sock);
	fd_drop(&c->given);
	s->clients[i] = s->clients[--s->nclients];
	if (feeds)
		end_input(s);
}

static void resize(struct server *s, struct client *c)
{
	unsigned short rows = (unsigned short)(c->small[0] << 8 | c->small[1]), cols = (unsigned short)(c->small[2] << 8 | c->small[3]);
	unsigned short old_rows, old_cols;
	int tty = s->sources[0].fd;
	if (!s->tty || tty < 0)
		return;
	/* Who comes to a terminal that has its size already wants to see it drawn again. */
	if (!c->first && !c->resized && tty_get_size(tty, &old_rows, &old_cols) && old_rows == rows && old_cols == cols)
		tty_set_size(tty, (unsigned short)(rows + 1), cols);
	c->resized = true;
	tty_set_size(tty, rows, cols);
}

/* The frame's head is there; false: it is none of ours. */
static bool check_head(struct client *c)
{
	uint32_t len;
	memcpy(&len, c->head + 4, sizeof len);
	c->left = be32toh(len);
	c->small_got = 0;
	switch (c->head[0]) {
	case ATTACH_DATA_IN: return c->greeted && c->left <= ATTACH_FRAME_MAX;
	case ATTACH_HELLO: return !c->greeted && c->left == 1;
	case ATTACH_RESIZE: return c->greeted && c->left == 4;
	case ATTACH_WORD: return !c->greeted && c->left && c->left <= ATTACH_WORD_MAX;
	default: return false;
	}
}

/* Who does not wait for the answer to its last word is none of ours. */
static void hear(struct server *s, struct client *c)
{
	int given = take_fd(c->given);
	c->hung |= c->out_sent < c->out_len || !s->monitor->told;
	if (c->hung) {
		fd_drop(&given);
		return;
	}
	uint32_t answer = htobe32((uint32_t)s->monitor->told(s->monitor->arg, c->small, c->small_got, given));
	attach_header(c->out, ATTACH_WORD, sizeof answer);
	memcpy(c->out + ATTACH_HEADER, &answer, sizeof answer);
	c->out_len = ATTACH_HEADER + sizeof answer;
	c->out_sent = 0;
}

static void small_frame(struct server *s, struct client *c)
{
	if (c->head[0] == ATTACH_WORD) {
		hear(s, c);
		return;
	}
	if (c->head[0] == ATTACH_RESIZE) {
		resize(s, c);
		return;
	}
	c->greeted = true;
	c->streams = c->small[0];
}

/* As recv(2); of fds that came with it the first is kept. */
static ssize_t receive_word(struct client *c)
{
	union { char room[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } pass = {};
	struct iovec iov = {c->small + c->small_got, c->left};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = pass.room, .msg_controllen = sizeof pass.room};
	ssize_t n = recvmsg(c->sock, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *h = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
	if (h && h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS && h->cmsg_len >= CMSG_LEN(sizeof(int))) {
		fd_drop(&c->given);
		memcpy(&c->given, CMSG_DATA(h), sizeof c->given);
	}
	return n;
}

/* Bytes of the frame's payload, at most `left`. As recv(2). */
static ssize_t receive_payload(struct server *s, struct client *c)
{
	bool data = c->head[0] == ATTACH_DATA_IN;
	ssize_t n = c->head[0] == ATTACH_WORD ? receive_word(c)
		: recv(c->sock, data ? s->input_buf : c->small + c->small_got, c->left, MSG_DONTWAIT);
	if (n <= 0)
		return n;
	c->left -= (uint32_t)n;
	if (!data) {
		c->small_got += (size_t)n;
	} else if (s->input >= 0 && c->streams & ATTACH_STDIN && !s->input_closing) {
		s->input_len = (size_t)n;
		pump_write_input(s);
	}
	return n;
}

/* One step; as recv(2), with 0 at its end or when it does not keep to the protocol (then hung is set). */
static ssize_t receive(struct server *s, struct client *c)
{
	ssize_t n = 1;
	if (c->head_got < ATTACH_HEADER) {
		n = recv(c->sock, c->head + c->head_got, ATTACH_HEADER - c->head_got, MSG_DONTWAIT);
		if (n <= 0)
			return n;
		c->head_got += (size_t)n;
		if (c->head_got < ATTACH_HEADER)
			return n;
		if (!check_head(c)) {
			c->hung = true;
			return 0;
		}
		if (c->left == 0)
			input_ended(s, c);
	} else {
		n = receive_payload(s, c);
		if (n > 0 && c->left == 0 && c->head[0] != ATTACH_DATA_IN)
			small_frame(s, c);
	}
	if (n > 0 && c->left == 0)
		c->head_got = 0;
	return n;
}

static bool may_read(const struct server *s, const struct client *c)
{
	return !(c->head_got == ATTACH_HEADER && c->head[0] == ATTACH_DATA_IN && input_waits(s));
}

/* False when the client is gone. */
static bool read_client(struct server *s, struct client *c)
{
	for (int i = 0; (i < FRAMES_A_ROUND || c->hung) && may_read(s, c); i++) {
		ssize_t n = receive(s, c);
		if (n > 0 || (n < 0 && errno == EINTR))
			continue;
		if (n < 0)
			return errno == EAGAIN;
		input_ended(s, c);
		c->shut = true; /* it may still want the output */
		return !c->hung;
	}
	return true;
}

void clients_greet(struct server *s)
{
	for (size_t i = s->nclients; i-- > 0;)
		if (!read_client(s, &s->clients[i]))
			remove_client(s, i);
}

static bool wants(const struct client *c, int source)
{
	return c->greeted && !c->told && c->streams & (source ? ATTACH_STDERR : ATTACH_STDOUT);
}

static bool next_frame(const struct server *s, struct client *c)
{
	c->out_sent = 0;
	c->out_len = ATTACH_HEADER;
	for (int i = 0; i < 2; i++) {
		size_t left = s->sources[i].len - c->pos[i];
		if (!wants(c, i) || !left)
			continue;
		c->source = i;
		c->body_left = left < ATTACH_FRAME_MAX ? (uint32_t)left : ATTACH_FRAME_MAX;
		attach_header(c->out, i ? ATTACH_DATA_ERR : ATTACH_DATA_OUT, c->body_left);
		return true;
	}
	if (c->told || (!s->ended && !c->bye)) {
		c->out_len = 0;
		return false;
	}
	c->told = true;
	attach_header(c->out, s->ended ? ATTACH_EXIT : ATTACH_BYE, s->ended ? 4 : 0);
	uint32_t status = htobe32((uint32_t)s->status);
	if (s->ended) {
		memcpy(c->out + ATTACH_HEADER, &status, sizeof status);
		c->out_len += sizeof status;
	}
	return true;
}

/* False when the client is gone, or done. */
static bool send_client(struct server *s, struct client *c)
{
	while (c->out_sent < c->out_len || c->body_left || next_frame(s, c)) {
		struct iovec iov[2] = {{c->out + c->out_sent, c->out_len - c->out_sent}};
		struct msghdr m = {.msg_iov = iov, .msg_iovlen = 1};
		if (c->body_left) {
			iov[1] = (struct iovec){s->sources[c->source].chunk + c->pos[c->source], c->body_left};
			m.msg_iovlen = 2;
		}
		ssize_t n = sendmsg(c->sock, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			c->blocked_ns = c->blocked_ns ? c->blocked_ns : num_monotonic_ns();
			return true;
		}
		if (n < 0)
			return false;
		c->blocked_ns = 0;
		size_t head = c->out_len - c->out_sent, body = (size_t)n > head ? (size_t)n - head : 0;
		c->out_sent += (size_t)n - body;
		if (body) {
			c->pos[c->source] += body;
			c->body_left -= (uint32_t)body;
		}
	}
	/* Told of the end, it is kept until we are gone: that is how it knows that everything is done. */
	return !c->told || s->ended;
}

static bool has_all(const struct server *s, const struct client *c)
{
	return s->ended && c->told && c->out_sent == c->out_len;
}

bool clients_have_all(const struct server *s)
{
	for (size_t i = 0; i < s->nclients; i++)
		if (!has_all(s, &s->clients[i]))
			return false;
	return true;
}

static void free_chunk(struct server *s, int source)
{
	for (size_t i = 0; i < s->nclients; i++)
		if (wants(&s->clients[i], source) && s->clients[i].pos[source] < s->sources[source].len)
			return;
	s->sources[source].len = 0;
	for (size_t i = 0; i < s->nclients; i++)
		s->clients[i].pos[source] = 0;
}

void clients_send(struct server *s)
{
	for (size_t i = s->nclients; i-- > 0;)
		if (!send_client(s, &s->clients[i]))
			remove_client(s, i);
	for (int i = 0; i < 2; i++)
		if (s->sources[i].len)
			free_chunk(s, i);
}

void clients_polls(struct server *s)
{
	s->listener_poll = s->listener >= 0 && !s->accept_failed ? server_poll(s, s->listener, POLLIN) : NULL;
	s->accept_failed = false;
	for (size_t i = 0; i < s->nclients; i++) {
		struct client *c = &s->clients[i];
		int events = (c->shut || !may_read(s, c) ? 0 : POLLIN) | (c->blocked_ns ? POLLOUT : 0);
		/* One that hung up would wake us for ever while its last words wait for the program. */
		c->poll = c->hung || has_all(s, c) ? NULL : server_poll(s, c->sock, (short)events);
	}
}

/* The program has more to say, and cannot: a client holds its last words. */
static bool program_waits(const struct server *s)
{
	for (int i = 0; i < 2; i++) {
		struct pollfd p = {.fd = s->sources[i].fd, .events = POLLIN};
		if (s->sources[i].len && (p.fd < 0 || poll(&p, 1, 0) > 0))
			return true;
	}
	return s->ended;
}

static int64_t stall_ms(const struct server *s)
{
	return s->monitor->stall_ms ? s->monitor->stall_ms : STALL_MS;
}

int clients_timeout(const struct server *s)
{
	int64_t now = num_monotonic_ns(), ms = s->accept_failed ? 1000 : -1;
	for (size_t i = 0; i < s->nclients; i++) {
		const struct client *c = &s->clients[i];
		if (!c->blocked_ns || c->first)
			continue;
		int64_t left = stall_ms(s) - (now - c->blocked_ns) / 1000000;
		left = left > 0 ? left : 1000;
		ms = ms < 0 || left < ms ? left : ms;
	}
	return (int)ms;
}

static bool serve_client(struct server *s, struct client *c)
{
	short events = c->poll ? c->poll->revents : 0;
	if (has_all(s, c))
		return true;
	c->poll = NULL;
	if (events & (POLLHUP | POLLERR))
		c->hung = true;
	if ((events & POLLIN || c->hung) && !read_client(s, c))
		return false;
	return !(c->blocked_ns && !c->first && num_monotonic_ns() - c->blocked_ns > stall_ms(s) * 1000000 && program_waits(s));
}

void clients_serve(struct server *s)
{
	/* From the end: the one that takes the place of a client that left was served already. */
	for (size_t i = s->nclients; i-- > 0;)
		if (!serve_client(s, &s->clients[i]))
			remove_client(s, i);
	if (s->listener_poll && s->listener_poll->revents)
		clients_accept(s);
	clients_send(s);
}

void clients_drop(struct server *s)
{
	while (s->nclients) {
		close(s->clients[--s->nclients].sock);
		fd_drop(&s->clients[s->nclients].given);
	}
	fd_drop(&s->listener);
}
