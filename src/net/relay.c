/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay: one epoll instance for everything, all of it edge-triggered: what a socket can do is remembered until it says EAGAIN.
 *
 *   a connection    two sockets and a pipe for each direction; bytes go from the socket into the pipe and out of it by splice(2). When
 *                   one side ends, the other's writing side is shut down behind the last byte; an error ends both.
 *   a client        of datagrams: who sends to a published port gets a socket of its own towards the container, connected, so that
 *                   answers find the way back; one that was silent for a minute is forgotten, or the one that was silent for longest.
 */
#include "net/relay.h"

#include "base/fd.h"
#include "net/relay_mark.h"
#include "sys/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS = 1024, CLIENTS = 256, EVENTS = 64, AT_ONCE = 64, ROUNDS = 16, CHUNK = 1 << 20, PIPE = 256 << 10, DATAGRAM = 65536, SILENCE_MS = 60000 };
enum { CLIENT_SIDE, CONTAINER_SIDE };

struct connection {
	int fd[2], pipe[2][2]; /* fd[0] -1: free; pipe[d]: from fd[d] to fd[!d] */
	size_t held[2];        /* bytes in it */
	bool readable[2], writable[2], ended[2], shut[2];
};
struct client {
	int fd; /* -1: free */
	uint32_t port;
	struct sockaddr_storage from, at; /* at: the address it sent to */
	int64_t until;
};
struct relay {
	int epoll;
	size_t nports, begun, known; /* begun, known: no connection, no client at and behind it was ever used: its memory was not touched */
	bool keep_address;
	struct rlimit files; /* as they were: what this process starts after the relay has them again */
	struct relay_port ports[8192];
	struct connection connections[CONNECTIONS];
	struct client clients[CLIENTS];
	uint32_t ages[CONNECTIONS + CLIENTS]; /* how often a row was given: events of the one before are none of ours */
	uint8_t data[DATAGRAM];
};

/* epoll's data: whose, which row, its age. */
enum kind { PORT, CONNECTION_CLIENT, CONNECTION_CONTAINER, CLIENT };
static uint64_t tag(enum kind kind, size_t row, uint32_t age)
{
	return (uint64_t)age << 32 | (uint64_t)row << 2 | kind;
}

static int64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static int watch(struct relay *r, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event v = {.events = events, .data.u64 = data};
	return epoll_ctl(r->epoll, EPOLL_CTL_ADD, fd, &v);
}

static bool is_loopback(const struct sockaddr_storage *s)
{
	if (s->ss_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)s)->sin_addr.s_addr) >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)s)->sin6_addr);
}

struct opening { int family, type, fd; };

static int open_socket(void *arg, struct err *e)
{
	struct opening *o = arg;
	o->fd = socket(o->family, o->type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return o->fd < 0 ? err_sys(e, "relay") : 0;
}

/* The client's own address, with its own port if nobody has that. */
static void take_address(int fd, const struct sockaddr_storage *from)
{
	static const int on = 1, mark = RELAY_MARK;
	bool six = from->ss_family == AF_INET6;
	socklen_t n = six ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	struct sockaddr_storage any = *from;
	if (six)
		((struct sockaddr_in6 *)&any)->sin6_port = 0;
	else
		((struct sockaddr_in *)&any)->sin_port = 0;
	if (setsockopt(fd, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_TRANSPARENT : IP_TRANSPARENT, &on, sizeof on) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark) < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(fd, (const struct sockaddr *)from, n) < 0)
		(void)!bind(fd, (const struct sockaddr *)&any, n);
}

/* Towards the container; -1: it cannot be. */
static int reach(const struct relay *r, const struct relay_port *p, int type, const struct sockaddr_storage *from)
{
	struct opening o = {p->to.len == 4 ? AF_INET : AF_INET6, type, -1};
	struct sockaddr_storage to;
	struct err ignored = {};
	socklen_t n = addr_socket(&p->to, p->port, &to);
	if (netns_run_base(open_socket, &o, &ignored) < 0)
		return -1;
	if (r->keep_address && from->ss_family == o.family && !is_loopback(from))
		take_address(o.fd, from);
	if (connect(o.fd, (struct sockaddr *)&to, n) < 0 && errno != EINPROGRESS) {
		close(o.fd);
		return -1;
	}
	return o.fd;
}

static void reset(int fd)
{
	static const struct linger now = {.l_onoff = 1};
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

static void hang_up(struct connection *c, bool broken)
{
	for (int i = 0; i < 2; i++) {
		if (broken && c->fd[i] >= 0)
			reset(c->fd[i]);
		fd_drop(&c->fd[i]);
		fd_drop(&c->pipe[i][0]);
		fd_drop(&c->pipe[i][1]);
	}
}

static struct connection *free_connection(struct relay *r)
{
	for (size_t i = 0; i < r->begun; i++)
		if (r->connections[i].fd[0] < 0)
			return &r->connections[i];
	return r->begun < CONNECTIONS ? &r->connections[r->begun++] : NULL;
}

static void begin(struct relay *r, const struct relay_port *p, int fd, const struct sockaddr_storage *from)
{
	static const int on = 1;
	struct connection *c = free_connection(r);
	if (!c) {
		reset(fd);
		close(fd);
		return;
	}
	size_t row = (size_t)(c - r->connections);
	*c = (struct connection){.fd = {fd, -1}, .pipe = {{-1, -1}, {-1, -1}}};
	uint32_t age = ++r->ages[row];
	c->fd[CONTAINER_SIDE] = reach(r, p, SOCK_STREAM, from);
	if (c->fd[CONTAINER_SIDE] < 0 || pipe2(c->pipe[0], O_NONBLOCK | O_CLOEXEC) < 0 || pipe2(c->pipe[1], O_NONBLOCK | O_CLOEXEC) < 0 ||
		watch(r, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, tag(CONNECTION_CLIENT, row, age)) < 0 ||
		watch(r, c->fd[CONTAINER_SIDE], EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, tag(CONNECTION_CONTAINER, row, age)) < 0) {
		hang_up(c, true);
		return;
	}
	for (int i = 0; i < 2; i++) {
		setsockopt(c->fd[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		/* Less is as good, but slower. */
		fcntl(c->pipe[i][0], F_SETPIPE_SZ, PIPE);
	}
}

static void accept_some(struct relay *r, const struct relay_port *p)
{
	for (int i = 0; i < AT_ONCE; i++) {
		struct sockaddr_storage from = {};
		socklen_t n = sizeof from;
		int fd = accept4(p->fd, (struct sockaddr *)&from, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return;
		begin(r, p, fd, &from);
	}
}

/* 1: something moved, 0: not now, -1: broken. */
static int pump(struct connection *c, int d)
{
	int moved = 0;
	if (!c->held[d] && !c->ended[d] && c->readable[d]) {
		ssize_t n = splice(c->fd[d], NULL, c->pipe[d][1], NULL, CHUNK, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -1;
		c->readable[d] = n >= 0 || errno == EINTR;
		c->ended[d] = n == 0;
		c->held[d] = n > 0 ? (size_t)n : 0;
		moved = n >= 0;
	}
	if (c->held[d] && c->writable[!d]) {
		ssize_t n = splice(c->pipe[d][0], NULL, c->fd[!d], NULL, c->held[d], SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -1;
		c->writable[!d] = n >= 0 || errno == EINTR;
		c->held[d] -= n > 0 ? (size_t)n : 0;
		moved |= n > 0;
	}
	if (c->ended[d] && !c->held[d] && !c->shut[d]) {
		c->shut[d] = true;
		shutdown(c->fd[!d], SHUT_WR);
	}
	return moved;
}

static void serve_connection(struct relay *r, size_t row, int side, uint32_t events)
{
	struct connection *c = &r->connections[row];
	c->readable[side] |= (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP)) != 0;
	c->writable[side] |= (events & EPOLLOUT) != 0;
	bool broken = events & EPOLLERR;
	for (int i = 0; !broken; i++) {
		int a = pump(c, CLIENT_SIDE), b = a < 0 ? -1 : pump(c, CONTAINER_SIDE);
		broken = a < 0 || b < 0;
		if (broken || !(a | b))
			break;
		if (i == ROUNDS) {
			/* Others have their turn first. */
			struct epoll_event v = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
				.data.u64 = tag(side ? CONNECTION_CONTAINER : CONNECTION_CLIENT, row, r->ages[row])};
			epoll_ctl(r->epoll, EPOLL_CTL_MOD, c->fd[side], &v);
			return;
		}
	}
	if (broken || (c->shut[0] && c->shut[1]))
		hang_up(c, broken);
}

static bool same_address(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET) {
		const struct sockaddr_in *x = (const void *)a, *y = (const void *)b;
		return x->sin_port == y->sin_port && x->sin_addr.s_addr == y->sin_addr.s_addr;
	}
	const struct sockaddr_in6 *x = (const void *)a, *y = (const void *)b;
	return x->sin6_port == y->sin6_port && memcmp(&x->sin6_addr, &y->sin6_addr, 16) == 0;
}

static struct client *find_client(struct relay *r, uint32_t port, const struct sockaddr_storage *from)
{
	struct client *oldest = NULL;
	for (size_t i = 0; i < r->known; i++) {
		struct client *c = &r->clients[i];
		if (c->fd >= 0 && c->port == port && same_address(&c->from, from))
			return c;
		if (!oldest || (oldest->fd >= 0 && (c->fd < 0 || c->until < oldest->until)))
			oldest = c;
	}
	if ((!oldest || oldest->fd >= 0) && r->known < CLIENTS)
		oldest = &r->clients[r->known++];
	else
		fd_drop(&oldest->fd);
	size_t row = (size_t)(oldest - r->clients);
	*oldest = (struct client){.fd = reach(r, &r->ports[port], SOCK_DGRAM, from), .port = port, .from = *from};
	uint32_t age = ++r->ages[CONNECTIONS + row];
	if (oldest->fd < 0 || watch(r, oldest->fd, EPOLLIN, tag(CLIENT, row, age)) < 0) {
		fd_drop(&oldest->fd);
		return NULL;
	}
	return oldest;
}

/* The address it was sent to is the one that answers. */
static void read_target(struct msghdr *m, struct sockaddr_storage *ret)
{
	for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
		if (h->cmsg_level == IPPROTO_IP && h->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo i;
			memcpy(&i, CMSG_DATA(h), sizeof i);
			*(struct sockaddr_in *)ret = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = i.ipi_addr};
		} else if (h->cmsg_level == IPPROTO_IPV6 && h->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo i;
			memcpy(&i, CMSG_DATA(h), sizeof i);
			*(struct sockaddr_in6 *)ret = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = i.ipi6_addr};
		}
	}
}

static void take_datagrams(struct relay *r, uint32_t port)
{
	for (int i = 0; i < AT_ONCE; i++) {
		struct sockaddr_storage from = {}, at = {};
		_Alignas(8) char control[128];
		struct iovec iov = {r->data, sizeof r->data};
		struct msghdr m = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			.msg_controllen = sizeof control};
		ssize_t n = recvmsg(r->ports[port].fd, &m, MSG_DONTWAIT);
		if (n < 0)
			return;
		read_target(&m, &at);
		struct client *c = find_client(r, port, &from);
		if (!c)
			continue;
		c->at = at;
		c->until = now_ms() + SILENCE_MS;
		(void)!send(c->fd, r->data, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
}

static size_t put_source(const struct sockaddr_storage *at, char *control)
{
	struct cmsghdr *h = (struct cmsghdr *)control;
	if (at->ss_family == AF_INET) {
		const struct in_pktinfo i = {.ipi_spec_dst = ((const struct sockaddr_in *)at)->sin_addr};
		*h = (struct cmsghdr){.cmsg_level = IPPROTO_IP, .cmsg_type = IP_PKTINFO, .cmsg_len = CMSG_LEN(sizeof i)};
		memcpy(CMSG_DATA(h), &i, sizeof i);
		return CMSG_SPACE(sizeof i);
	}
	if (at->ss_family == AF_INET6) {
		const struct in6_pktinfo i = {.ipi6_addr = ((const struct sockaddr_in6 *)at)->sin6_addr};
		*h = (struct cmsghdr){.cmsg_level = IPPROTO_IPV6, .cmsg_type = IPV6_PKTINFO, .cmsg_len = CMSG_LEN(sizeof i)};
		memcpy(CMSG_DATA(h), &i, sizeof i);
		return CMSG_SPACE(sizeof i);
	}
	return 0;
}

static void answer_client(struct relay *r, struct client *c)
{
	for (int i = 0; i < AT_ONCE; i++) {
		_Alignas(8) char control[128] = {};
		ssize_t n = recv(c->fd, r->data, sizeof r->data, MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNREFUSED)
			fd_drop(&c->fd);
		if (n < 0)
			return;
		struct iovec iov = {r->data, (size_t)n};
		struct msghdr m = {.msg_name = &c->from, .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			.msg_namelen = c->from.ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6)};
		m.msg_controllen = put_source(&c->at, control);
		(void)!sendmsg(r->ports[c->port].fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
		c->until = now_ms() + SILENCE_MS;
	}
}

static void serve_event(struct relay *r, const struct epoll_event *v)
{
	size_t row = (v->data.u64 & UINT32_MAX) >> 2;
	uint32_t age = (uint32_t)(v->data.u64 >> 32);
	switch ((enum kind)(v->data.u64 & 3)) {
	case PORT:
		if (r->ports[row].protocol == IPPROTO_TCP)
			accept_some(r, &r->ports[row]);
		else
			take_datagrams(r, (uint32_t)row);
		break;
	case CONNECTION_CLIENT:
	case CONNECTION_CONTAINER:
		if (row < r->begun && r->connections[row].fd[0] >= 0 && r->ages[row] == age)
			serve_connection(r, row, (v->data.u64 & 3) == CONNECTION_CONTAINER, v->events);
		break;
	case CLIENT:
		if (r->clients[row].fd >= 0 && r->ages[CONNECTIONS + row] == age)
			answer_client(r, &r->clients[row]);
		break;
	}
}

void relay_serve(struct relay *r)
{
	struct epoll_event v[EVENTS];
	int64_t now = now_ms();
	int n = epoll_wait(r->epoll, v, EVENTS, 0);
	for (int i = 0; i < n; i++)
		serve_event(r, &v[i]);
	for (size_t i = 0; i < r->known; i++)
		if (r->clients[i].fd >= 0 && r->clients[i].until <= now)
			fd_drop(&r->clients[i].fd);
}

int relay_fd(const struct relay *r)
{
	return r->epoll;
}

int relay_timeout(const struct relay *r)
{
	int64_t first = INT64_MAX, now = now_ms();
	for (size_t i = 0; i < r->known; i++)
		if (r->clients[i].fd >= 0 && r->clients[i].until < first)
			first = r->clients[i].until;
	return first == INT64_MAX ? -1 : first <= now ? 0 : (int)(first - now) + 1;
}

static int open_port(struct relay *r, size_t i, struct err *e)
{
	static const int on = 1;
	const struct relay_port *p = &r->ports[i];
	if (fd_set_nonblock(p->fd, true) < 0)
		return err_sys(e, "published port");
	if (p->protocol == IPPROTO_TCP && listen(p->fd, 4096) < 0)
		return err_sys(e, "published port");
	/* Connections have it from here: what is left of one when it has ended keeps nobody from the port. */
	if (p->protocol == IPPROTO_TCP)
		setsockopt(p->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	/* Its own family, which need not be the container's. */
	int family = 0;
	socklen_t n = sizeof family;
	if (p->protocol == IPPROTO_UDP && getsockopt(p->fd, SOL_SOCKET, SO_DOMAIN, &family, &n) == 0)
		setsockopt(p->fd, family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6, family == AF_INET ? IP_PKTINFO : IPV6_RECVPKTINFO, &on, sizeof on);
	return watch(r, p->fd, EPOLLIN, tag(PORT, i, 0)) < 0 ? err_sys(e, "published port") : 0;
}

int relay_open(const struct relay_port *v, size_t n, bool keep_address, struct relay **ret, struct err *e)
{
	if (n > countof(((struct relay *)0)->ports))
		return err_set(e, ERR_LIMIT, "more than %zu ports cannot be published by a relay", countof(((struct relay *)0)->ports));
	struct relay *r = mmap(NULL, sizeof *r, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (r == MAP_FAILED)
		return err_sys(e, "relay");
	r->keep_address = keep_address;
	r->nports = n;
	memcpy(r->ports, v, n * sizeof *v);
	if (getrlimit(RLIMIT_NOFILE, &r->files) == 0)
		setrlimit(RLIMIT_NOFILE, &(struct rlimit){r->files.rlim_max, r->files.rlim_max});
	r->epoll = epoll_create1(EPOLL_CLOEXEC);
	int ok = r->epoll < 0 ? err_sys(e, "relay") : 0;
	for (size_t i = 0; ok == 0 && i < n; i++)
		ok = open_port(r, i, e);
	if (ok < 0) {
		relay_drop(&r);
		return -1;
	}
	*ret = r;
	return 0;
}

int relay_add(struct relay *r, const struct relay_port *p, struct err *e)
{
	size_t i = 0;
	while (i < r->nports && r->ports[i].fd >= 0)
		i++;
	if (i == countof(r->ports))
		return err_set(e, ERR_LIMIT, "more than %zu ports cannot be published by a relay", countof(r->ports));
	r->ports[i] = *p;
	if (open_port(r, i, e) < 0) {
		r->ports[i].fd = -1;
		return -1;
	}
	r->nports += i == r->nports;
	return 0;
}

void relay_remove(struct relay *r, int fd)
{
	for (size_t i = 0; i < r->nports; i++) {
		if (r->ports[i].fd != fd)
			continue;
		epoll_ctl(r->epoll, EPOLL_CTL_DEL, fd, NULL);
		r->ports[i].fd = -1;
		for (size_t k = 0; k < r->known; k++)
			if (r->clients[k].fd >= 0 && r->clients[k].port == i)
				fd_drop(&r->clients[k].fd);
	}
}

void relay_drop(struct relay **p)
{
	struct relay *r = *p;
	if (!r)
		return;
	for (size_t i = 0; i < r->begun; i++)
		if (r->connections[i].fd[0] >= 0)
			hang_up(&r->connections[i], true);
	for (size_t i = 0; i < r->known; i++)
		fd_drop(&r->clients[i].fd);
	fd_drop(&r->epoll);
	if (r->files.rlim_max)
		setrlimit(RLIMIT_NOFILE, &r->files);
	munmap(r, sizeof *r);
	*p = NULL;
}
