/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hull-registry: the process of pull, push, login and others that speaks to a registry (protocol: image/transfer.h).
 *
 *   1. read the "open" message: whose images, from where
 *   2. get the credentials, by helpers if need be; then enter the jail
 *   3. loop: the socket, pipes that were full, libcurl's connections, clocks
 *   4. end when the client closes its socket
 */
#include "registry/session.h"

#include "base/fd.h"
#include "base/num.h"
#include "codec/json.h"
#include "image/transfer.h"
#include "registry/auth.h"
#include "registry/certs.h"
#include "registry/download.h"
#include "registry/fetch.h"
#include "registry/insecure.h"
#include "registry/jail.h"
#include "registry/request.h"
#include "registry/upload.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { OUTBOX_MAX = 4096, PIPES_MAX = 60, UPLOADS_MAX = 5 };
static const int64_t NO_MEMORY_NS = 10LL * 1000000000;

char *session_text(const char *text, char out[200])
{
	size_t n = 0;
	for (; text && text[n] && n < 190; n++)
		out[n] = (unsigned char)text[n] < ' ' || text[n] == 127 ? ' ' : text[n];
	out[n] = 0;
	return out;
}

int64_t session_back_off(unsigned tries)
{
	int64_t ns = 300000000;
	for (unsigned i = 1; i < tries && ns < 10000000000; i++)
		ns *= 2;
	/* Many clients that were turned away at once come back at different times. */
	return ns + ns / 8 * (int64_t)(num_monotonic_ns() / 1000 % 8) / 4;
}

/* false: the socket has no room. A word that can never be sent is one that hull would wait for without end: then this process ends,
 * which hull hears of. */
static bool send_text(int sock, const char *text)
{
	static int64_t no_memory_since;
	ssize_t n;
	do
		n = send(sock, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	bool no_memory = n < 0 && errno == ENOBUFS;
	if ((n < 0 && errno != EAGAIN && !no_memory) || (no_memory && no_memory_since && num_monotonic_ns() - no_memory_since > NO_MEMORY_NS))
		_exit(1);
	no_memory_since = no_memory ? no_memory_since ? no_memory_since : num_monotonic_ns() : 0;
	return n >= 0;
}

static void send_outbox(struct session *s)
{
	size_t sent = 0;
	while (sent < s->outbox.n && send_text(s->sock, s->outbox.v[sent]))
		free(s->outbox.v[sent++]);
	if (!sent)
		return;
	/* with the NULL at the end */
	memmove(s->outbox.v, s->outbox.v + sent, (s->outbox.n - sent + 1) * sizeof *s->outbox.v);
	s->outbox.n -= sent;
}

void session_tell(struct session *s, struct json *j, bool may_drop)
{
	own(buf) struct buf text = BUF(TRANSFER_MAX);
	json_format(j, 0, &text);
	json_drop(&j);
	if (s->outbox.n == 0 && send_text(s->sock, buf_text(&text)))
		return;
	if (!may_drop && s->outbox.n < OUTBOX_MAX)
		strv_add(&s->outbox, buf_text(&text));
}

static int set_up(struct session *s, const struct json *j, struct err *e)
{
	const struct json *insecure = json_get(j, "insecure");
	for (size_t i = 0; i < json_len(insecure); i++)
		if (json_str(json_at(insecure, i)))
			strv_add(&s->insecure, json_str(json_at(insecure, i)));
	s->registry = mem_dup(json_get_str(j, "registry"));
	s->repository = mem_dup(json_get_str(j, "repository"));
	s->scope = mem_dup(json_get_str(j, "scope"));
	s->ns = mem_dup(json_get_str(j, "ns"));
	s->uploads_max = json_u64(json_get(j, "uploads")) ? (unsigned)json_u64(json_get(j, "uploads")) : UPLOADS_MAX;
	if (!s->registry || !s->repository)
		return err_set(e, ERR_BUG, "open: no registry");
	s->host = mem_dup(json_get_str(j, "host") ? json_get_str(j, "host") : strcmp(s->registry, "docker.io") == 0 ? "registry-1.docker.io" : s->registry);
	s->retries = (unsigned)json_u64(json_get(j, "retries"));
	s->timeout_s = (unsigned)json_u64(json_get(j, "timeout"));
	s->scheme = "https";
	struct http_place p = {};
	own(mem) char *url = mem_printf("https://%s/", s->host);
	if (http_place_of(url, &p) < 0)
		return err_set(e, ERR_USAGE, "registry %s: not a host", s->registry);
	s->plain_allowed = insecure_allows(&s->insecure, p.host, p.port);
	s->bare_host = take(p.host);
	s->port = p.port;
	http_place_drop(&p);
	if (certs_load(s->host, &s->certs, e) < 0)
		return err_wrap(e, "registry %s", s->registry);
	if ((json_get_str(j, "user") && json_get_str(j, "password")) || json_get_str(j, "token")) {
		s->credentials = (struct credentials){.user = mem_dup(json_get_str(j, "user")), .password = mem_dup(json_get_str(j, "password")),
			.identity_token = mem_dup(json_get_str(j, "token"))};
		return 0;
	}
	return credentials_load(json_get_str(j, "configDir"), s->registry, s->repository, &s->credentials, e);
}

static void get(struct session *s, const struct json *j, int fd)
{
	struct fetch_request r = {.id = (int)json_i64(json_get(j, "id")), .fd = fd, .path = json_get_str(j, "path"), .accept = json_get_str(j, "accept")};
	int64_t size = json_i64(json_get(j, "size"));
	r.size = size < 0 ? UINT64_MAX : (uint64_t)size;
	r.max = json_u64(json_get(j, "max"));
	r.from = json_u64(json_get(j, "from"));
	if (r.from > r.size)
		r.from = 0;
	if (r.path && fd >= 0)
		fetch_new(s, &r);
	else
		fd_drop(&fd);
}

static void dispatch(struct session *s, const struct json *j, int fd)
{
	static const struct { const char *op; void (*begin)(struct session *s, const struct json *j, int fd); } rows[] = {
		{"get", get}, {"send", request_send}, {"upload", upload_new}};
	for (size_t i = 0; i < countof(rows); i++)
		if (str_eq(json_get_str(j, "op"), rows[i].op)) {
			rows[i].begin(s, j, fd);
			return;
		}
	fd_drop(&fd);
}

/* 1: a message; 0: the client is gone. */
static int receive(int sock, struct json **ret, int *ret_fd, struct err *e)
{
	static char text[TRANSFER_MAX + 1];
	int fd = -1;
	size_t nfds = 1;
	ssize_t n = fd_recv(sock, text, sizeof text, &fd, &nfds, e);
	if (n <= 0)
		return n < 0 && e->sys != ECONNRESET ? -1 : 0;
	*ret_fd = nfds ? fd : -1;
	if (json_parse(text, (size_t)n, ret, e) < 0) {
		fd_drop(&fd);
		return -1;
	}
	return 1;
}

static int listen_once(struct session *s, bool *ret_end, struct err *e)
{
	own(json) struct json *j = NULL;
	int fd = -1;
	int r = receive(s->sock, &j, &fd, e);
	if (r < 0)
		return -1;
	*ret_end = r == 0;
	if (r == 1)
		dispatch(s, j, fd);
	return 0;
}

static int loop(struct session *s, struct err *e)
{
	for (bool end = false; !end;) {
		struct pollfd fds[1 + PIPES_MAX] = {{.fd = s->sock, .events = POLLIN}};
		int64_t now = num_monotonic_ns();
		auth_work(s, now);
		upload_work(s, now);
		request_work(s, now);
		int64_t wait = fetch_work(s, now);
		/* A step that is over leads to the next one at once. */
		if (s->requests.n || s->uploads.n)
			wait = wait < 50000000 ? wait : 50000000;
		fds[0].events |= s->outbox.n ? POLLOUT : 0;
		size_t n = 1 + fetch_pollfds(s, fds + 1, PIPES_MAX);
		if (http_wait(s->http, fds, n, (int)(wait / 1000000), e) < 0)
			return -1;
		/* Whatever poll said: a pipe that nobody reads any more shows only an error, which is not passed on. */
		for (size_t i = 1; i < n; i++)
			fetch_writable(s, fds[i].fd);
		if (fds[0].revents & POLLOUT)
			send_outbox(s);
		if (fds[0].revents & POLLIN && listen_once(s, &end, e) < 0)
			return -1;
	}
	return 0;
}

/* A URL instead of a registry: that alone, without credentials. */
static int download(struct session *s, const struct json *j, int fd, struct err *e)
{
	if (jail_enter(e) < 0 || http_new(&s->http, e) < 0) {
		fd_drop(&fd);
		return err_wrap(e, "hull-registry");
	}
	return download_serve(s->http, s->sock, j, fd, e);
}

static int serve(struct session *s, struct err *e)
{
	own(json) struct json *open = NULL;
	int fd = -1;
	int r = receive(s->sock, &open, &fd, e);
	if (r == 1 && str_eq(json_get_str(open, "op"), "download"))
		return download(s, open, fd, e);
	fd_drop(&fd);
	if (r <= 0)
		return r;
	(void)!set_up(s, open, &s->broken);
	if (jail_enter(e) < 0)
		return err_wrap(e, "hull-registry");
	if (http_new(&s->http, e) < 0)
		return -1;
	if (s->bare_host)
		http_set_certs(s->http, s->bare_host, s->port, &s->certs);
	return loop(s, e);
}

int main(void)
{
	struct session s = {.sock = TRANSFER_SOCK};
	struct err e = {};
	int type = 0;
	socklen_t n = sizeof type;
	int looked = getsockopt(TRANSFER_SOCK, SOL_SOCKET, SO_TYPE, &type, &n);
	/* hull says that we are gone. */
	if (looked < 0 && errno != ENOTSOCK && errno != EBADF)
		return 1;
	if (looked < 0 || type != SOCK_SEQPACKET) {
		fputs("hull-registry is started by hull pull and others, not by hand\n", stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	fd_set_cloexec(TRANSFER_SOCK, true);
	/* hull says in its one line that we are gone; a second line beside it would be ours. */
	int r = serve(&s, &e);
	fetch_drop_all(&s);
	upload_drop_all(&s);
	mem_drop(&s.requests.v);
	http_drop(&s.http);
	auth_drop(&s.auth);
	credentials_drop(&s.credentials);
	strv_drop(&s.insecure);
	strv_drop(&s.outbox);
	mem_drop(&s.registry);
	mem_drop(&s.repository);
	mem_drop(&s.host);
	mem_drop(&s.ns);
	mem_drop(&s.bare_host);
	certs_drop(&s.certs);
	mem_drop(&s.scope);
	return r < 0;
}
