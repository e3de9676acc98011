/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pipes are made here and handed to the runtime; of a terminal we get the master back and hold its slave
 * open too: a program that closes its terminal for a moment would otherwise look like its end (EIO).
 *
 * Only our ends are non-blocking: the program's are files of their own.
 */
#include "monitor/server.h"

#include "base/fd.h"
#include "base/num.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { REST_MAX = 4 << 20 };

int pump_open(struct server *s, int child[3], struct err *e)
{
	child[0] = child[1] = child[2] = -1;
	for (int i = 0; i < 3; i++) {
		int p[2];
		if (i == 0 && !s->monitor->open_stdin)
			continue;
		if (fd_pipe(p, e) < 0)
			return -1;
		int ours = i == 0 ? p[1] : p[0];
		child[i] = i == 0 ? p[0] : p[1];
		*(i == 0 ? &s->input : &s->sources[i - 1].fd) = ours;
		if (fcntl(ours, F_SETFL, O_NONBLOCK | (i == 0 ? O_WRONLY : O_RDONLY)) < 0)
			return err_sys(e, "pipe");
	}
	return 0;
}

int pump_open_console(struct server *s, struct err *e)
{
	int master = s->container.console;
	if (master < 0)
		return 0;
	s->container.console = -1;
	s->sources[0].fd = master;
	if (fd_set_nonblock(master, true) < 0)
		return err_sys(e, "terminal");
	if (s->monitor->open_stdin)
		s->input = fcntl(master, F_DUPFD_CLOEXEC, 3);
	s->slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	return 0;
}

void pump_polls(struct server *s)
{
	for (int i = 0; i < 2; i++) {
		struct source *o = &s->sources[i];
		o->poll = o->fd >= 0 && !o->len ? server_poll(s, o->fd, POLLIN) : NULL;
	}
	/* Without anything to write only its end is of interest, and that is told by the next write. */
	s->input_poll = s->input >= 0 && s->input_at < s->input_len ? server_poll(s, s->input, POLLOUT) : NULL;
}

static void close_input(struct server *s)
{
	fd_drop(&s->input);
	s->input_at = s->input_len = 0;
	s->input_closing = false;
}

void pump_write_input(struct server *s)
{
	while (s->input >= 0 && s->input_at < s->input_len) {
		ssize_t n = write(s->input, s->input_buf + s->input_at, s->input_len - s->input_at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			close_input(s);
			return;
		}
		s->input_at += (size_t)n;
	}
	s->input_at = s->input_len = 0;
	if (s->input_closing)
		close_input(s);
}

/* One chunk: to the log and to whoever takes it at once. False when there is none. */
static bool read_source(struct server *s, int i)
{
	struct source *o = &s->sources[i];
	ssize_t n;
	do
		n = read(o->fd, o->chunk, CHUNK);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n <= 0) {
		fd_drop(&o->fd);
		return false;
	}
	log_add(&s->log, i + 1, (const char *)o->chunk, (size_t)n, num_now_ns());
	log_flush(&s->log);
	o->len = (size_t)n;
	clients_send(s);
	return true;
}

void pump_serve(struct server *s)
{
	if (s->input_poll && s->input_poll->revents)
		pump_write_input(s);
	for (int i = 0; i < 2; i++)
		if (s->sources[i].poll && s->sources[i].poll->revents)
			read_source(s, i);
}

/* Behind the chunk that a client still wants, in a mapping of its own. */
static void take_rest(struct server *s, int i)
{
	struct source *o = &s->sources[i];
	unsigned char *all = mmap(NULL, REST_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (all == MAP_FAILED)
		return;
	memcpy(all, o->chunk, o->len);
	o->chunk = all;
	while (o->len < REST_MAX) {
		ssize_t n = read(o->fd, all + o->len, REST_MAX - o->len < CHUNK ? REST_MAX - o->len : CHUNK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		log_add(&s->log, i + 1, (const char *)all + o->len, (size_t)n, num_now_ns());
		log_flush(&s->log);
		o->len += (size_t)n;
	}
	fd_drop(&o->fd);
}

void pump_take_rest(struct server *s)
{
	close_input(s);
	for (int i = 0; i < 2; i++) {
		struct source *o = &s->sources[i];
		/* Bounded: a process that escaped the end (a plain user's, without a cgroup) may write for ever. */
		for (size_t n = 0; o->fd >= 0 && !o->len && n < REST_MAX && read_source(s, i); n += CHUNK)
			;
		if (o->fd >= 0 && o->len)
			take_rest(s, i);
		fd_drop(&o->fd);
	}
}

void pump_drop(struct server *s)
{
	for (int i = 0; i < 2; i++)
		fd_drop(&s->sources[i].fd);
	fd_drop(&s->input);
	fd_drop(&s->slave);
}
