/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_send: see log_send.h.
 *
 * Nothing is allocated after the start. A receiver that went away is tried again once a second at most, without waiting for it; lines meanwhile
 * are the caller's to count. So it is with one that is there and does not read: the first line waits for it, those after it do not, and what began on a
 * stream is ended before anything else goes there. journald: text that may have line breaks is sent with its length (systemd, JOURNAL_NATIVE_PROTOCOL).
 */
#include "monitor/log_send.h"

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

#include <endian.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { RETRY_NS = 1000000000, CONNECT_MS = 3000, DEVICE_MS = 10, HEADER = 4096, SEVERITY_ERR = 3, SEVERITY_INFO = 6 };
static const char journal[] = "/run/systemd/journal/socket", local_syslog[] = "/dev/log";

static const struct kind { const char *prefix; int family, type; } kinds[] = {
	{"unixgram://", AF_UNIX, SOCK_DGRAM},
	{"unix://", AF_UNIX, SOCK_STREAM},
	{"udp://", AF_UNSPEC, SOCK_DGRAM},
	{"tcp://", AF_UNSPEC, SOCK_STREAM},
};

static const struct kind *kind_of(const char *address)
{
	for (size_t i = 0; i < countof(kinds); i++)
		if (str_has_prefix(address, kinds[i].prefix))
			return &kinds[i];
	return NULL;
}

/* "host:port", "[v6]:port", "host" */
static void split(const char *text, char host[256], char port[16])
{
	const char *end = *text == '[' ? strchr(text, ']') : NULL, *colon = strrchr(end ? end : text, ':');
	if (!end && colon && strchr(text, ':') != colon)
		colon = NULL;
	size_t n = colon ? (size_t)(colon - text) : strlen(text);
	snprintf(host, 256, "%.*s", end ? (int)(end - text - 1) : (int)n, end ? text + 1 : text);
	snprintf(port, 16, "%s", colon && colon[1] ? colon + 1 : "514");
}

int log_send_check(const char *address, struct err *e)
{
	const struct kind *k = kind_of(address);
	if (!*address)
		return 0;
	if (str_has_prefix(address, "tcp+tls://"))
		return err_set(e, ERR_UNSUPPORTED, "syslog-address \"%.200s\": hull sends no log over TLS: a local syslog daemon can", address);
	if (!k)
		return err_set(e, ERR_USAGE, "invalid syslog-address \"%.200s\": unix://PATH, unixgram://PATH, udp://HOST[:PORT] and tcp://… are known",
			address);
	const char *rest = address + strlen(k->prefix);
	if (k->family == AF_UNIX ? *rest != '/' || strlen(rest) >= sizeof ((struct sockaddr_un *)0)->sun_path : !*rest || *rest == ':')
		return err_set(e, ERR_USAGE, "invalid syslog-address \"%.200s\": %s", address,
			k->family == AF_UNIX ? "the path must be absolute, and short" : "a host is missing");
	return 0;
}

static int connect_to(const struct sockaddr *a, socklen_t n, int type, int wait_ms)
{
	own(fd) int fd = socket(a->sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, a, n) < 0) {
		int failed = errno;
		socklen_t len = sizeof failed;
		struct pollfd p = {.fd = fd, .events = POLLOUT};
		if (failed != EINPROGRESS)
			return errno = failed, -1;
		if (wait_ms && poll(&p, 1, wait_ms) == 0)
			return errno = ETIMEDOUT, -1;
		if (wait_ms && (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &len) < 0 || failed))
			return errno = failed, -1;
	}
	return take_fd(fd);
}

static int connect_unix(const char *path, int type)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
	int fd = connect_to((struct sockaddr *)&a, sizeof a, type, 0);
	/* Some listen at a stream socket there. */
	return fd < 0 && errno == EPROTOTYPE ? connect_to((struct sockaddr *)&a, sizeof a, type == SOCK_DGRAM ? SOCK_STREAM : SOCK_DGRAM, 0) : fd;
}

/* ret_why: why not, when that is the name's. */
static int connect_inet(struct log_send *s, const char *rest, int type, int wait_ms, const char **ret_why)
{
	char host[256], port[16];
	struct addrinfo hints = {.ai_socktype = type}, *found = NULL;
	split(rest, host, port);
	/* Names are looked up at the start alone: that may take long, and memory. */
	if (!wait_ms)
		return connect_to((struct sockaddr *)&s->peer, s->peer_len, type, 0);
	int r = getaddrinfo(host, port, &hints, &found), fd = -1;
	if (r) {
		*ret_why = gai_strerror(r);
		errno = EHOSTUNREACH;
		return -1;
	}
	for (struct addrinfo *a = found; a && fd < 0; a = a->ai_next)
		if ((fd = connect_to(a->ai_addr, a->ai_addrlen, type, wait_ms)) >= 0)
			memcpy(&s->peer, a->ai_addr, s->peer_len = a->ai_addrlen);
	int saved = errno;
	freeaddrinfo(found);
	errno = saved;
	return fd;
}

static int open_socket(struct log_send *s, const struct log_options *o, int wait_ms, const char **ret_why)
{
	const struct kind *k = o->driver == LOG_SYSLOG ? kind_of(o->address) : NULL;
	if (o->driver == LOG_JOURNALD)
		s->fd = connect_unix(journal, SOCK_DGRAM);
	else if (!k)
		s->fd = connect_unix(local_syslog, SOCK_DGRAM);
	else if (k->family == AF_UNIX)
		s->fd = connect_unix(o->address + strlen(k->prefix), k->type);
	else
		s->fd = connect_inet(s, o->address + strlen(k->prefix), k->type, wait_ms, ret_why);
	int type = SOCK_DGRAM;
	s->at = s->end = 0;
	socklen_t len = sizeof type;
	if (s->fd < 0)
		return -1;
	(void)!getsockopt(s->fd, SOL_SOCKET, SO_TYPE, &type, &len);
	s->stream = type == SOCK_STREAM;
	if (o->buffer)
		(void)!setsockopt(s->fd, SOL_SOCKET, SO_SNDBUF, &o->buffer, sizeof o->buffer);
	return 0;
}

int log_send_open(struct log_send *s, const struct log_options *o, struct err *e)
{
	const char *why = NULL, *what = o->driver == LOG_JOURNALD ? journal : *o->address ? o->address : local_syslog;
	s->fd = -1;
	s->size = LOG_LINE_MAX + HEADER + o->nfields;
	s->room = mem_alloc(s->size);
	if (open_socket(s, o, CONNECT_MS, &why) == 0)
		return 0;
	if (why)
		return err_set(e, ERR_USAGE, "log driver %s: %.200s: %s", o->driver == LOG_JOURNALD ? "journald" : "syslog", what, why);
	return err_sys(e, "log driver %s: %.200s", o->driver == LOG_JOURNALD ? "journald" : "syslog", what);
}

void log_send_drop(struct log_send *s)
{
	if (s->room)
		fd_drop(&s->fd);
	mem_drop(&s->room);
}

static size_t put(char *to, size_t at, const char *text)
{
	size_t n = strlen(text);
	memcpy(to + at, text, n);
	return at + n;
}

static size_t put_journal(char *to, const struct log_options *o, const struct log_line *l)
{
	uint64_t n = htole64(l->n);
	size_t at = put(to, 0, "MESSAGE\n");
	memcpy(to + at, &n, sizeof n);
	memcpy(to + at + sizeof n, l->text, l->n);
	at = put(to, at + sizeof n + l->n, l->stream == 2 ? "\nPRIORITY=3\nSYSLOG_TIMESTAMP=" : "\nPRIORITY=6\nSYSLOG_TIMESTAMP=");
	at = put(to, at, l->time_text);
	at = put(to, at, l->complete ? "\n" : "\nCONTAINER_PARTIAL_MESSAGE=true\n");
	if (o->nfields)
		memcpy(to + at, o->fields, o->nfields);
	return at + o->nfields;
}

static size_t put_syslog(char *to, const struct log_options *o, const struct log_line *l)
{
	char stamp[64];
	struct tm tm;
	time_t when = (time_t)(l->time_ns / 1000000000);
	unsigned priority = o->facility * 8 + (l->stream == 2 ? SEVERITY_ERR : SEVERITY_INFO);
	int n;
	if (o->form == LOG_RFC5424 || o->form == LOG_RFC5424_MICRO) {
		gmtime_r(&when, &tm);
		size_t t = strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &tm);
		if (o->form == LOG_RFC5424_MICRO)
			t += (size_t)snprintf(stamp + t, sizeof stamp - t, ".%06ld", (long)(l->time_ns % 1000000000 / 1000));
		snprintf(stamp + t, sizeof stamp - t, "Z");
		n = snprintf(to, HEADER, "<%u>1 %s %.255s %.255s %d %.255s - ", priority, stamp, o->hostname, o->tag, (int)getpid(), o->tag);
	} else {
		localtime_r(&when, &tm);
		strftime(stamp, sizeof stamp, "%b %e %H:%M:%S", &tm);
		bool named = o->form == LOG_RFC3164;
		n = snprintf(to, HEADER, "<%u>%s %s%s%.255s[%d]: ", priority, stamp, named ? o->hostname : "", named ? " " : "", o->tag, (int)getpid());
	}
	memcpy(to + n, l->text, l->n);
	to[(size_t)n + l->n] = '\n';
	return (size_t)n + l->n + 1;
}

static int64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* What is in room from `at` on: 0, or an errno. Of a message that began on a stream the rest stays there. */
static int send_room(struct log_send *s, bool waits)
{
	int64_t until = now() + LOG_SEND_MS * 1000000LL;
	waits = waits && now() >= s->patient_ns;
	while (s->at < s->end) {
		ssize_t w = send(s->fd, s->room + s->at, s->end - s->at, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (w >= 0) {
			s->at += (size_t)w;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN && errno != ENOBUFS)
			return errno;
		int64_t left = (until - now()) / 1000000;
		struct pollfd f = {.fd = s->fd, .events = POLLOUT};
		if (!waits)
			return EAGAIN;
		/* It is ready, but the device behind it has no room: no event tells of that. */
		bool is_device = errno == ENOBUFS;
		if (left > 0 && (is_device ? poll(NULL, 0, left < DEVICE_MS ? (int)left : DEVICE_MS) == 0 : poll(&f, 1, (int)left) != 0))
			continue;
		s->patient_ns = now() + LOG_STUCK_MS * 1000000LL;
		return EAGAIN;
	}
	return 0;
}

/* A message in room; one that began counts as sent. */
static int send_whole(struct log_send *s, size_t n, bool waits)
{
	s->at = 0;
	s->end = n;
	int r = send_room(s, waits);
	if (r == EAGAIN && s->at)
		return 0;
	s->at = s->end = 0;
	return r;
}

int log_send(struct log_send *s, const struct log_options *o, const struct log_line *l)
{
	const char *why;
	if (s->fd >= 0 && s->at < s->end) {
		int r = send_room(s, !o->non_blocking);
		if (r == EAGAIN)
			return r;
		if (r)
			fd_drop(&s->fd);
		s->at = s->end = 0;
	}
	size_t n = o->driver == LOG_JOURNALD ? put_journal(s->room, o, l) : put_syslog(s->room, o, l);
	for (int i = 0; i < 2; i++) {
		if (s->fd < 0) {
			if (now() < s->retry_ns)
				return ENOTCONN;
			s->retry_ns = now() + RETRY_NS;
			if (open_socket(s, o, 0, &why) < 0)
				return errno;
		}
		int r = send_whole(s, n, !o->non_blocking);
		if (r == 0 || r == EAGAIN || r == EMSGSIZE)
			return r;
		/* A port where nobody listens tells it at the next datagram: only that one is repeated. A daemon that was started anew has
		 * another socket. */
		if (r != ECONNREFUSED || s->stream || i == 1) {
			fd_drop(&s->fd);
			if (i == 1)
				return r;
		} else if (o->driver == LOG_JOURNALD || !kind_of(o->address) || kind_of(o->address)->family == AF_UNIX) {
			fd_drop(&s->fd);
		}
	}
	return ENOTCONN;
}
