/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolver: one loop's worth of work at a time, never waiting.
 *
 *   a datagram      answered at once, or handed to a server by a socket of its own (its port is as hard to guess as its id); the slot it
 *                   waits in has the question, so that the answer can be held against it. No answer: the next server.
 *   a connection    question by question, as far as it can be read and written without waiting; one that is passed on goes by a
 *                   connection of its own, to the next server when the one before does not answer
 *
 * When all slots wait, the one that waits longest is given up.
 *
 * Somebody inside may flush the rules that lead here: the kernel tells of each change, and what is missing then is put back, once a second at most.
 */
#include "net/resolver.h"

#include "base/fd.h"
#include "net/dns.h"
#include "net/endpoint.h"
#include "net/resolver_rules.h"
#include "sys/netns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { WAITING = 32, CONNECTIONS = 8, SERVERS = 3, NETWORKS = 64, AT_ONCE = 64, MESSAGE = 65535, PATIENCE_MS = 2000, IDLE_MS = 10000, REST_MS = 1000 };

struct waiting {
	int fd; /* -1: free */
	struct sockaddr_in from;
	uint16_t id;
	unsigned server;
	int64_t until;
	uint8_t question[DNS_UDP * 3];
	size_t len;
};
enum stage { ASK, SEND, RECEIVE, REPLY };
struct connection {
	int client, server; /* -1: none */
	enum stage stage;
	size_t at, len;     /* of data: the length's two bytes, and the message */
	int64_t until;
	unsigned next;      /* server to ask */
	size_t asked;       /* the length of what is passed on */
	uint8_t question[DNS_UDP * 3];
	uint8_t data[2 + MESSAGE];
};
/* A network's file, kept from one question to the next. */
struct mapped {
	char id[65], *text;
	size_t size;
	ino_t inode;
	dev_t device;
};
struct resolver {
	int udp, tcp, networks, own;
	int netns, changes; /* -1: nothing leads here, or it is not watched */
	int64_t rest;       /* changes are looked at from then on */
	struct mapped mapped[NETWORKS];
	struct waiting waiting[WAITING];
	struct connection connections[CONNECTIONS];
	uint8_t in[MESSAGE], out[MESSAGE];
};

/* What the container's file says, and what it may ask. */
struct setting {
	char text[NETWORKS * 280]; /* the file; its other lines are short */
	char networks[NETWORKS][65];
	const char *names[NETWORKS]; /* NULL: a file from before there were any */
	size_t nnetworks;
	struct addr servers[SERVERS];
	size_t nservers;
	bool local;
};

static int64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* A whole small file. */
static size_t read_file(int dir, const char *name, char *buf, size_t room)
{
	own(fd) int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : fd_read_full(fd, buf, room - 1);
	buf[n > 0 ? n : 0] = 0;
	return n > 0 ? (size_t)n : 0;
}

static void add_server(struct setting *s, const char *text, size_t n)
{
	char buf[ADDR_TEXT];
	snprintf(buf, sizeof buf, "%.*s", (int)n, text);
	if (s->nservers < SERVERS && addr_parse(buf, &s->servers[s->nservers]))
		s->nservers++;
}

static void add_network(struct setting *s, const char *text)
{
	size_t n = strcspn(text, " ");
	snprintf(s->networks[s->nnetworks], sizeof s->networks[0], "%.*s", (int)n, text);
	s->names[s->nnetworks++] = text[n] ? text + n + 1 : NULL;
}

static void read_setting(int own, struct setting *s)
{
	s->nnetworks = s->nservers = 0;
	s->local = false;
	read_file(own, "resolver", s->text, sizeof s->text);
	for (char *save, *line = strtok_r(s->text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (strncmp(line, "network ", 8) == 0 && s->nnetworks < NETWORKS)
			add_network(s, line + 8);
		else if (strncmp(line, "server ", 7) == 0)
			add_server(s, line + 7, strlen(line + 7));
		else if (strcmp(line, "local") == 0)
			s->local = true;
	}
}

static void read_host_servers(struct setting *s)
{
	char buf[4096];
	if (s->nservers)
		return;
	read_file(AT_FDCWD, "/etc/resolv.conf", buf, sizeof buf);
	for (char *save, *line = strtok_r(buf, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (strncmp(line, "nameserver", 10) != 0)
			continue;
		line += 10 + strspn(line + 10, " \t");
		add_server(s, line, strcspn(line, " \t%#;"));
	}
	/* As resolv.conf(5) has it. */
	if (!s->nservers)
		add_server(s, "127.0.0.1", 9);
}

/* The next word of a line. */
static const char *word(const char **at, const char *end, size_t *n)
{
	const char *p = *at, *blank = memchr(p, ' ', (size_t)(end - p));
	*n = (size_t)((blank ? blank : end) - p);
	*at = blank ? blank + 1 : end;
	return p;
}

static bool has_name(const char *list, size_t n, const char *name)
{
	size_t len = strlen(name);
	for (const char *p = list, *end = list + n; p < end;) {
		const char *comma = memchr(p, ',', (size_t)(end - p));
		size_t one = (size_t)((comma ? comma : end) - p);
		if (one == len && strncasecmp(p, name, len) == 0)
			return true;
		p += one + 1;
	}
	return false;
}

struct search {
	const char *name;          /* looked for, or */
	const struct addr *reverse; /* its address */
	struct addr found[DNS_ADDRS];
	size_t n;
	char first[DNS_NAME];      /* the name of who has the address, and */
	const char *network;       /* of its network; NULL: not known */
};

/* A line is CONTAINER ENDPOINT INTERFACE HOST-INTERFACE MAC IP IP6 NAMES …: endpoint.h. */
static void search_line(const char *line, const char *end, struct search *s)
{
	const char *words[8];
	size_t n[8];
	for (int i = 0; i < 8; i++)
		words[i] = word(&line, end, &n[i]);
	if (s->name && !has_name(words[7], n[7], s->name))
		return;
	for (int i = 5; i <= 6; i++) {
		char text[ADDR_TEXT];
		struct addr a;
		if (!n[i] || n[i] >= sizeof text)
			continue;
		memcpy(text, words[i], n[i]);
		text[n[i]] = 0;
		if (!addr_parse(text, &a))
			continue;
		if (s->name && s->n < DNS_ADDRS)
			s->found[s->n++] = a;
		else if (s->reverse && addr_eq(&a, s->reverse))
			snprintf(s->first, sizeof s->first, "%.*s", (int)strnlen(words[7], n[7]), words[7]);
	}
}

static void unmap(struct mapped *m)
{
	if (m->text)
		munmap(m->text, m->size);
	*m = (struct mapped){};
}

/* Replaced by rename, never written to: what is mapped stays what it is, and as long as it is mapped no other file has its number. */
static bool map(struct mapped *m, int networks, const char *id)
{
	struct stat st;
	if (m->text && strcmp(m->id, id) == 0 && fstatat(networks, id, &st, 0) == 0 && st.st_ino == m->inode && st.st_dev == m->device)
		return true;
	unmap(m);
	own(fd) int fd = openat(networks, id, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size <= 0 || st.st_size > ENDPOINTS_MAX)
		return false;
	char *text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (text == MAP_FAILED)
		return false;
	*m = (struct mapped){.text = text, .size = (size_t)st.st_size, .inode = st.st_ino, .device = st.st_dev};
	snprintf(m->id, sizeof m->id, "%s", id);
	return true;
}

static void search_network(const struct mapped *m, struct search *s)
{
	for (const char *p = m->text, *all = m->text + m->size, *end; p < all; p = end + 1) {
		end = memchr(p, '\n', (size_t)(all - p));
		if (!end)
			break;
		search_line(p, end, s);
	}
}

static void search_one(int networks, const struct setting *set, size_t i, struct mapped *kept, struct search *s)
{
	struct mapped once = {}, *m = kept ? &kept[i] : &once;
	if (map(m, networks, set->networks[i]))
		search_network(m, s);
	unmap(&once);
}

/* NAME in all of them, else NAME.NETWORK in that one; an address in the first that has it. */
static void search_all(int networks, const struct setting *set, struct mapped *kept, struct search *s)
{
	for (size_t i = 0; i < set->nnetworks && !*s->first; i++) {
		search_one(networks, set, i, kept, s);
		s->network = set->names[i];
	}
	size_t len = s->name ? strlen(s->name) : 0;
	for (size_t i = 0; i < set->nnetworks && !s->n; i++) {
		size_t n = set->names[i] && len ? strlen(set->names[i]) : len;
		if (n + 1 >= len || s->name[len - n - 1] != '.' || strcasecmp(s->name + len - n, set->names[i]) != 0)
			continue;
		char host[DNS_NAME];
		struct search one = *s;
		snprintf(host, sizeof host, "%.*s", (int)(len - n - 1), s->name);
		one.name = host;
		search_one(networks, set, i, kept, &one);
		s->n = one.n;
		memcpy(s->found, one.found, sizeof s->found);
	}
}

static size_t answer(int networks, const struct setting *set, struct mapped *kept, const uint8_t *question, size_t n, uint8_t *out, size_t room,
	bool *passed_on)
{
	struct dns_question q;
	struct addr reverse;
	*passed_on = false;
	int bad = dns_parse(question, n, &q);
	if (bad)
		return bad < 0 ? 0 : dns_error(question, n, bad, out, room);
	if (q.class_ == 1 && q.type == DNS_PTR && dns_reverse(q.name, &reverse)) {
		struct search s = {.reverse = &reverse};
		search_all(networks, set, kept, &s);
		size_t len = strcspn(s.first, ",");
		s.first[len] = 0;
		/* As docker has it. A name that nobody could ask for again is left as it is. */
		if (s.network && len + strlen(s.network) + 2 < sizeof s.first)
			snprintf(s.first + len, sizeof s.first - len, ".%s", s.network);
		if (len && *s.first != '-')
			return dns_pointer(question, &q, s.first, out, room);
	} else if (q.class_ == 1 && *q.name) {
		struct search s = {.name = q.name};
		search_all(networks, set, kept, &s);
		/* It is here: what it has not, it has nowhere. */
		if (s.n)
			return dns_addresses(question, &q, s.found, s.n, out, room);
	}
	if (set->local)
		return dns_error(question, n, DNS_FAILED, out, room);
	*passed_on = true;
	return 0;
}

size_t resolver_answer(int networks_run, int own_dir, const uint8_t *question, size_t n, uint8_t *out, size_t room, bool *passed_on)
{
	struct setting set;
	read_setting(own_dir, &set);
	return answer(networks_run, &set, NULL, question, n, out, room, passed_on);
}

static int connect_to(const struct addr *a, int type)
{
	struct sockaddr_storage s;
	socklen_t n = addr_socket(a, 53, &s);
	own(fd) int fd = socket(s.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || (connect(fd, (struct sockaddr *)&s, n) < 0 && errno != EINPROGRESS))
		return -1;
	return take_fd(fd);
}

/* To the first server from w->server on that can be sent to. */
static void pass_on(struct resolver *r, struct waiting *w)
{
	struct setting set;
	read_setting(r->own, &set);
	read_host_servers(&set);
	for (fd_drop(&w->fd); w->server < set.nservers; w->server++) {
		w->fd = connect_to(&set.servers[w->server], SOCK_DGRAM);
		if (w->fd >= 0 && send(w->fd, w->question, w->len, MSG_NOSIGNAL) == (ssize_t)w->len) {
			w->until = now_ms() + PATIENCE_MS;
			return;
		}
		fd_drop(&w->fd);
	}
	uint8_t out[DNS_UDP * 3];
	memcpy(w->question, &w->id, 2);
	size_t n = dns_error(w->question, w->len, DNS_FAILED, out, sizeof out);
	if (n)
		sendto(r->udp, out, n, MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&w->from, sizeof w->from);
}

static struct waiting *free_slot(struct resolver *r)
{
	struct waiting *oldest = &r->waiting[0];
	for (size_t i = 0; i < WAITING; i++) {
		if (r->waiting[i].fd < 0)
			return &r->waiting[i];
		if (r->waiting[i].until < oldest->until)
			oldest = &r->waiting[i];
	}
	fd_drop(&oldest->fd);
	return oldest;
}

static void ask(struct resolver *r, const struct sockaddr_in *from, size_t n)
{
	struct waiting *w;
	if (n > sizeof w->question)
		return;
	w = free_slot(r);
	w->fd = -1;
	w->from = *from;
	w->server = 0;
	w->len = n;
	memcpy(w->question, r->in, n);
	memcpy(&w->id, r->in, 2);
	if (getrandom(w->question, 2, GRND_NONBLOCK) != 2)
		memcpy(w->question, &w->id, 2);
	pass_on(r, w);
}

static void serve_datagrams(struct resolver *r)
{
	struct setting set;
	read_setting(r->own, &set);
	for (int i = 0; i < AT_ONCE; i++) {
		struct sockaddr_in from;
		socklen_t len = sizeof from;
		bool passed_on;
		ssize_t n = recvfrom(r->udp, r->in, sizeof r->in, MSG_DONTWAIT, (struct sockaddr *)&from, &len);
		if (n < 0)
			return;
		size_t out = answer(r->networks, &set, r->mapped, r->in, (size_t)n, r->out, DNS_UDP, &passed_on);
		if (passed_on)
			ask(r, &from, (size_t)n);
		else if (out)
			sendto(r->udp, r->out, out, MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&from, sizeof from);
	}
}

static void serve_waiting(struct resolver *r, struct waiting *w)
{
	ssize_t n = recv(w->fd, r->in, sizeof r->in, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		/* Nobody listens there. */
		w->server++;
		pass_on(r, w);
		return;
	}
	if (!dns_answers(r->in, (size_t)n, w->question, w->len))
		return;
	memcpy(r->in, &w->id, 2);
	sendto(r->udp, r->in, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&w->from, sizeof w->from);
	fd_drop(&w->fd);
}

static void hang_up(struct connection *c)
{
	fd_drop(&c->client);
	fd_drop(&c->server);
}

static void stage(struct connection *c, enum stage s)
{
	c->stage = s;
	c->at = 0;
	c->until = now_ms() + (s == SEND || s == RECEIVE ? PATIENCE_MS : IDLE_MS);
	if (s == ASK || s == RECEIVE)
		c->len = 2;
}

static size_t length_of(const struct connection *c)
{
	return (size_t)(c->data[0] << 8 | c->data[1]);
}

static void set_length(struct connection *c, size_t n)
{
	c->data[0] = (uint8_t)(n >> 8);
	c->data[1] = (uint8_t)n;
	c->len = n + 2;
}

static void reply(struct resolver *r, struct connection *c, size_t n)
{
	if (!n) {
		hang_up(c);
		return;
	}
	memcpy(c->data + 2, r->out, n);
	set_length(c, n);
	stage(c, REPLY);
}

static void ask_next(struct resolver *r, struct connection *c)
{
	struct setting set;
	read_setting(r->own, &set);
	read_host_servers(&set);
	for (fd_drop(&c->server); c->next < set.nservers && c->server < 0; c->next++)
		c->server = connect_to(&set.servers[c->next], SOCK_STREAM);
	if (c->server < 0) {
		reply(r, c, dns_error(c->question, c->asked, DNS_FAILED, r->out, sizeof r->out));
		return;
	}
	memcpy(c->data + 2, c->question, c->asked);
	set_length(c, c->asked);
	stage(c, SEND);
}

/* A whole question has come. */
static void take_question(struct resolver *r, struct connection *c)
{
	struct setting set;
	bool passed_on;
	size_t n = length_of(c);
	read_setting(r->own, &set);
	size_t out = answer(r->networks, &set, r->mapped, c->data + 2, n, r->out, sizeof r->out, &passed_on);
	if (!passed_on) {
		reply(r, c, out);
		return;
	}
	if (n > sizeof c->question) {
		hang_up(c);
		return;
	}
	memcpy(c->question, c->data + 2, n);
	c->asked = n;
	c->next = 0;
	ask_next(r, c);
}

/* 1: all of it, 0: later, -1: it broke. */
static int move(struct connection *c, int fd, bool in)
{
	while (c->at < c->len) {
		uint8_t *p = c->data + c->at;
		ssize_t n = in ? recv(fd, p, c->len - c->at, MSG_DONTWAIT) : send(fd, p, c->len - c->at, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return 0;
		if (n <= 0)
			return -1;
		c->at += (size_t)n;
		if (in && c->at == 2)
			c->len = 2 + length_of(c);
	}
	return c->len > 2 ? 1 : -1;
}

static bool is_passed_on(const struct connection *c)
{
	return c->stage == SEND || c->stage == RECEIVE;
}

/* It broke, or said nothing for too long. */
static void give_up(struct resolver *r, struct connection *c)
{
	if (is_passed_on(c))
		ask_next(r, c);
	else
		hang_up(c);
}

static void serve_connection(struct resolver *r, struct connection *c)
{
	bool in = c->stage == ASK || c->stage == RECEIVE;
	int done = move(c, is_passed_on(c) ? c->server : c->client, in);
	if (done < 0)
		give_up(r, c);
	if (done <= 0)
		return;
	switch (c->stage) {
	case ASK: take_question(r, c); break;
	case SEND: stage(c, RECEIVE); break;
	case RECEIVE:
		fd_drop(&c->server);
		stage(c, REPLY);
		break;
	case REPLY: stage(c, ASK); break;
	}
}

static void accept_one(struct resolver *r)
{
	struct connection *c = &r->connections[0];
	for (size_t i = 0; i < CONNECTIONS; i++) {
		if (r->connections[i].client < 0) {
			c = &r->connections[i];
			break;
		}
		if (r->connections[i].until < c->until)
			c = &r->connections[i];
	}
	int fd = accept4(r->tcp, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	hang_up(c);
	c->client = fd;
	stage(c, ASK);
}

static void wait_for(struct pollfd *ret, size_t *n, int fd, short events, int64_t until, int64_t *first)
{
	ret[(*n)++] = (struct pollfd){fd, events, 0};
	if (until < *first)
		*first = until;
}

size_t resolver_polls(struct resolver *r, struct pollfd *ret, size_t room, int *ms)
{
	size_t n = 0;
	int64_t first = INT64_MAX;
	if (room < 3 + WAITING + CONNECTIONS)
		return 0;
	if (r->changes >= 0 && r->rest > now_ms())
		wait_for(ret, &n, -1, POLLIN, r->rest, &first);
	else if (r->changes >= 0)
		wait_for(ret, &n, r->changes, POLLIN, INT64_MAX, &first);
	wait_for(ret, &n, r->udp, POLLIN, INT64_MAX, &first);
	wait_for(ret, &n, r->tcp, POLLIN, INT64_MAX, &first);
	for (size_t i = 0; i < WAITING; i++)
		if (r->waiting[i].fd >= 0)
			wait_for(ret, &n, r->waiting[i].fd, POLLIN, r->waiting[i].until, &first);
	for (size_t i = 0; i < CONNECTIONS; i++) {
		const struct connection *c = &r->connections[i];
		bool out = c->stage == SEND || c->stage == REPLY;
		if (c->client >= 0)
			wait_for(ret, &n, is_passed_on(c) ? c->server : c->client, out ? POLLOUT : POLLIN, c->until, &first);
	}
	int64_t left = first == INT64_MAX ? -1 : first - now_ms();
	*ms = first == INT64_MAX ? -1 : left < 0 ? 0 : (int)left + 1;
	return n;
}

static bool happened(const struct pollfd *p, size_t n, int fd)
{
	for (size_t i = 0; i < n; i++)
		if (p[i].fd == fd)
			return p[i].revents != 0;
	return false;
}

static void ports_of(const struct resolver *r, uint16_t *udp, uint16_t *tcp)
{
	struct sockaddr_in at = {};
	socklen_t n = sizeof at;
	*udp = getsockname(r->udp, (struct sockaddr *)&at, &n) == 0 ? ntohs(at.sin_port) : 0;
	n = sizeof at;
	*tcp = getsockname(r->tcp, (struct sockaddr *)&at, &n) == 0 ? ntohs(at.sin_port) : 0;
}

static void mend(struct resolver *r, int64_t now)
{
	struct err ignored = {};
	uint16_t udp, tcp;
	ports_of(r, &udp, &tcp);
	if (resolver_rules_changed(r->changes, r->netns))
		(void)!resolver_redirect(r->netns, udp, tcp, true, &ignored);
	r->rest = now + REST_MS;
}

void resolver_serve(struct resolver *r, const struct pollfd *p, size_t n)
{
	int64_t now = now_ms();
	if (r->changes >= 0 && happened(p, n, r->changes))
		mend(r, now);
	for (size_t i = 0; i < WAITING; i++) {
		struct waiting *w = &r->waiting[i];
		if (w->fd >= 0 && happened(p, n, w->fd)) {
			serve_waiting(r, w);
		} else if (w->fd >= 0 && w->until <= now) {
			w->server++;
			pass_on(r, w);
		}
	}
	for (size_t i = 0; i < CONNECTIONS; i++) {
		struct connection *c = &r->connections[i];
		if (c->client >= 0 && happened(p, n, is_passed_on(c) ? c->server : c->client))
			serve_connection(r, c);
		else if (c->client >= 0 && c->until <= now)
			give_up(r, c);
	}
	if (happened(p, n, r->tcp))
		accept_one(r);
	if (happened(p, n, r->udp))
		serve_datagrams(r);
}

void resolver_drop(struct resolver **r)
{
	if (!*r)
		return;
	for (size_t i = 0; i < WAITING; i++)
		fd_drop(&(*r)->waiting[i].fd);
	for (size_t i = 0; i < CONNECTIONS; i++)
		hang_up(&(*r)->connections[i]);
	for (size_t i = 0; i < NETWORKS; i++)
		unmap(&(*r)->mapped[i]);
	fd_drop(&(*r)->udp);
	fd_drop(&(*r)->tcp);
	fd_drop(&(*r)->netns);
	fd_drop(&(*r)->changes);
	munmap(*r, sizeof **r);
	*r = NULL;
}

static int open_at(struct resolver *r, uint16_t port, struct err *e)
{
	static const int on = 1;
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(0x7f00000b)};
	fd_drop(&r->udp);
	fd_drop(&r->tcp);
	r->udp = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	r->tcp = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (r->udp < 0 || r->tcp < 0)
		return err_sys(e, "resolver");
	setsockopt(r->tcp, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(r->udp, (struct sockaddr *)&at, sizeof at) < 0 || bind(r->tcp, (struct sockaddr *)&at, sizeof at) < 0 || listen(r->tcp, 16) < 0)
		return err_sys(e, "resolver: 127.0.0.11");
	return 0;
}

static int open_any(void *arg, struct err *e)
{
	return open_at(arg, 0, e);
}

static int open_53(void *arg, struct err *e)
{
	return open_at(arg, 53, e);
}

int resolver_open(int netns, int networks_run, int own_dir, struct resolver **ret, struct err *e)
{
	struct err why = {};
	struct resolver *r = mmap(NULL, sizeof *r, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (r == MAP_FAILED)
		return err_sys(e, "resolver");
	r->udp = r->tcp = r->netns = r->changes = -1;
	r->networks = networks_run;
	r->own = own_dir;
	for (size_t i = 0; i < WAITING; i++)
		r->waiting[i].fd = -1;
	for (size_t i = 0; i < CONNECTIONS; i++)
		r->connections[i].client = r->connections[i].server = -1;
	uint16_t udp, tcp;
	int ok = netns_run(netns, open_any, r, e);
	if (ok == 0) {
		ports_of(r, &udp, &tcp);
		if (resolver_redirect(netns, udp, tcp, false, &why) < 0)
			ok = netns_run(netns, open_53, r, e);
		else if ((r->netns = fcntl(netns, F_DUPFD_CLOEXEC, 0)) >= 0)
			r->changes = resolver_rules_watch(netns);
	}
	if (ok < 0) {
		resolver_drop(&r);
		return -1;
	}
	*ret = r;
	return 0;
}
