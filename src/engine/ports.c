/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ports: a published port is a number of the host that leads to a container. It is bound by a socket as long as the container runs,
 * so two cannot have it, and no program of the host either. As a rule (nat) packets never come to that socket, the firewall rewrites them
 * before; with publish=proxy, and for a plain user, the monitor serves it (net/relay.h). It also serves what the packet filter cannot lead
 * anywhere: IPv6 to a container that has only IPv4, and ::1, which is nobody's source outside.
 *
 * Where the kernel has no SCTP of its own (a container's may be a program's, or another machine's behind it) no socket can be bound. A name
 * among the abstract ones of Unix sockets, hull/sctp/ADDRESS/PORT, stands for it: it is the network namespace's too, and gone with who has it.
 */
#include "engine/network.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Sockets of IPv6 that are there because no address was said, at most, and served at ::1: a range costs no more than its elements. */
enum { SERVED_TOO = 1024 };

static const struct addr any4 = {.len = 4}, any6 = {.len = 16};

static uint16_t port_of(int fd)
{
	struct sockaddr_storage s;
	socklen_t n = sizeof s;
	if (getsockname(fd, (struct sockaddr *)&s, &n) < 0)
		return 0;
	return ntohs(s.ss_family == AF_INET ? ((struct sockaddr_in *)&s)->sin_port : ((struct sockaddr_in6 *)&s)->sin6_port);
}

static int try_bind(int fd, const struct sockaddr_storage *s, socklen_t n, uint8_t protocol)
{
	static const int on = 1;
	if (bind(fd, (const struct sockaddr *)s, n) == 0)
		return 0;
	if (errno != EADDRINUSE || protocol != IPPROTO_TCP)
		return -1;
	/* Connections of a server that is gone linger on the port: with this they are no reason, and who listens still is. */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 || bind(fd, (const struct sockaddr *)s, n) < 0)
		return -1;
	return listen(fd, 0);
}

static const char name_prefix[] = "hull/sctp/";

static socklen_t make_name(const struct addr *host, uint16_t port, struct sockaddr_un *ret)
{
	char text[ADDR_TEXT];
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	int n = snprintf(ret->sun_path + 1, sizeof ret->sun_path - 1, "%s%s/%u", name_prefix, addr_format(host, text), port);
	return (socklen_t)(offset_of(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

bool ports_is_name_of(int fd, const struct addr *host, uint16_t port)
{
	struct sockaddr_un want, has = {};
	socklen_t n = make_name(host, port, &want), len = sizeof has;
	return getsockname(fd, (struct sockaddr *)&has, &len) == 0 && len == n && memcmp(&has, &want, n) == 0;
}

/* A name of another address that is the same port: one of the two is any address. */
static bool is_in_use(const struct addr *host, uint16_t port)
{
	static const struct addr none;
	struct err ignored = {};
	own(buf) struct buf text = BUF(64 << 20);
	if (path_read(AT_FDCWD, "/proc/self/net/unix", &text, &ignored) < 0)
		return false;
	for (const char *at = buf_text(&text); (at = strstr(at, name_prefix));) {
		struct addr other = {}, a = *host;
		char where[ADDR_TEXT];
		unsigned number;
		at += sizeof name_prefix - 1;
		if (sscanf(at, "%47[0-9a-f.:]/%u", where, &number) != 2 || number != port || !addr_parse(where, &other) || other.len != a.len ||
			addr_eq(&other, &a))
			continue;
		if (memcmp(other.b, none.b, a.len) == 0 || memcmp(a.b, none.b, a.len) == 0)
			return true;
	}
	return false;
}

static int hold_name(const struct addr *host, uint16_t port)
{
	struct sockaddr_un s;
	socklen_t n = make_name(host, port, &s);
	own(fd) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&s, n) < 0)
		return -1;
	if (!is_in_use(host, port))
		return take_fd(fd);
	errno = EADDRINUSE;
	return -1;
}

static int hold_any_name(const struct addr *host, uint16_t *port)
{
	enum { FIRST = 32768, LAST = 60999 };
	for (uint32_t i = FIRST; i <= LAST; i++) {
		int fd = hold_name(host, (uint16_t)i);
		*port = (uint16_t)i;
		if (fd >= 0 || errno != EADDRINUSE)
			return fd;
	}
	return -1;
}

/* -1 with errno. port 0: any; *port is the one it got. */
static int hold(const struct addr *host, uint8_t protocol, uint16_t *port)
{
	static const int on = 1;
	struct sockaddr_storage s;
	socklen_t n = addr_socket(host, *port, &s);
	int type = protocol == IPPROTO_UDP ? SOCK_DGRAM : protocol == IPPROTO_TCP ? SOCK_STREAM : SOCK_SEQPACKET;
	int fd = socket(s.ss_family, type | SOCK_CLOEXEC, protocol);
	if (fd < 0 && (errno == EPROTONOSUPPORT || errno == ESOCKTNOSUPPORT) && protocol == IPPROTO_SCTP)
		return *port ? hold_name(host, *port) : hold_any_name(host, port);
	if (fd < 0)
		return -1;
	if (host->len == 16)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	if (try_bind(fd, &s, n, protocol) < 0) {
		int saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	*port = port_of(fd);
	return fd;
}

/* The packet filter cannot make an IPv4 packet of an IPv6 one: who has only one of the two is reached from the other by the monitor. */
static bool is_translated(const struct connection *to, const struct addr *host)
{
	return !cni_is(&to->network) && !to->endpoint.ip[host->len == 16].len;
}

/* All else that comes to it the packet filter has led elsewhere before. A range is served as a whole, or not: i are. */
static bool is_served_at_loopback(const struct connections *x, const struct port_map *m, uint32_t i)
{
	static const struct addr loopback6 = {.len = 16, .b = {[15] = 1}};
	return (addr_eq(&m->host, &any6) || addr_eq(&m->host, &loopback6)) && m->protocol != IPPROTO_SCTP && x->relayed.n + m->count - i <= SERVED_TOO;
}

/* The i-th port of m. */
static void keep(struct connections *x, const struct connection *to, const struct port_map *m, uint32_t i, int fd)
{
	bool translated = is_translated(to, &m->host), six = (m->host.len == 16) != translated;
	if (to->is_relayed || translated || is_served_at_loopback(x, m, i))
		*arena_push(&x->arena, &x->relayed) = (struct relay_port){.fd = fd, .protocol = m->protocol, .to = to->endpoint.ip[six],
			.port = (uint16_t)(m->port + i)};
	x->fds = mem_grow(x->fds, (x->nfds + 1) * sizeof *x->fds);
	x->fds[x->nfds++] = fd;
}

static int refuse(const struct port_map *m, uint16_t port, struct err *e)
{
	char text[ADDR_TEXT];
	const char *open = m->host.len == 16 ? "[" : "", *close_ = m->host.len == 16 ? "]" : "";
	addr_format(&m->host, text);
	if (errno == EADDRINUSE)
		return err_set(e, ERR_CONFLICT, "%s%s%s:%u/%s: port is already allocated", open, text, close_, port, port_protocol(m->protocol));
	if (errno == EADDRNOTAVAIL)
		return err_set(e, ERR_USAGE, "%s:%u/%s: this host has no such address", text, port, port_protocol(m->protocol));
	if (errno == EACCES)
		return err_set(e, ERR_DENIED, "%s:%u/%s: ports below 1024 are root's: the sysctl net.ipv4.ip_unprivileged_port_start changes that", text, port,
			port_protocol(m->protocol));
	return err_sys(e, "publish %s%s%s:%u/%s", open, text, close_, port, port_protocol(m->protocol));
}

static int hold_range(struct connections *x, const struct connection *to, struct port_map *m, const struct port_request *q, struct err *e)
{
	uint16_t last = q->host_last > q->host_port ? (uint16_t)q->host_last : m->host_port;
	/* One port of the container, a choice of the host's: the first that is free. */
	for (uint32_t port = m->host_port; q->count <= 1; port++) {
		uint16_t got = (uint16_t)port;
		int fd = hold(&m->host, m->protocol, &got);
		if (fd < 0 && errno == EADDRINUSE && port < last)
			continue;
		if (fd < 0)
			return refuse(m, (uint16_t)port, e);
		keep(x, to, m, 0, fd);
		m->host_port = got;
		return 0;
	}
	for (uint32_t i = 0; i < q->count; i++) {
		uint16_t got = (uint16_t)(m->host_port + i);
		int fd = hold(&m->host, m->protocol, &got);
		if (fd < 0)
			return refuse(m, (uint16_t)(m->host_port + i), e);
		keep(x, to, m, i, fd);
	}
	return 0;
}

/* A range of numbers that the kernel chooses is so many single ones. */
static int add_port(struct engine *g, struct connections *x, struct connection *to, struct container_entry *c, const struct port_request *q,
	const struct addr *host, struct err *e)
{
	bool chosen = !q->host_port;
	uint32_t n = chosen && q->count > 1 ? q->count : 1;
	for (uint32_t i = 0; i < n; i++) {
		char text[ADDR_TEXT];
		struct port_request one = *q;
		struct port_map m = {.protocol = port_protocol_of(q->protocol), .host = *host, .host_port = (uint16_t)q->host_port,
			.port = (uint16_t)(q->port + i), .count = (uint16_t)(n > 1 || !q->count ? 1 : q->count)};
		one.count = m.count;
		bool translated = is_translated(to, host);
		if ((to->is_relayed || translated) && m.protocol == IPPROTO_SCTP)
			return err_set(e, ERR_UNSUPPORTED, "port %u/sctp cannot be published: that needs the packet filter (root's, and publish=nat)", m.port);
		if (hold_range(x, to, &m, &one, e) < 0)
			return -1;
		/* A plain user's containers reach it by the bridge's address, through the packet filter of their own namespace. */
		if (!translated && (!to->is_relayed || private_net_is_needed(g)))
			*arena_push(&x->arena, &to->endpoint.ports) = m;
		*arena_push(&c->arena, &c->state.published) = (struct port_state){.protocol = q->protocol,
			.host_ip = arena_dup(&c->arena, addr_format(host, text)), .host_port = m.host_port, .port = m.port, .count = m.count};
	}
	return 0;
}

/* Bridges first: hull publishes there. Plugins may have no address yet. */
static struct connection *target(struct connections *x, int family)
{
	for (size_t i = 0; i < x->list.n; i++)
		if (x->list.v[i].is_default[family] && str_eq(x->list.v[i].network.driver, "bridge"))
			return &x->list.v[i];
	for (size_t i = 0; i < x->list.n; i++)
		if (x->list.v[i].endpoint.ip[family].len && !x->list.v[i].network.internal && str_eq(x->list.v[i].network.driver, "bridge"))
			return &x->list.v[i];
	for (size_t i = 0; i < x->list.n && !family; i++)
		if (cni_is(&x->list.v[i].network) && (x->list.n == 1 || cni_publishes(&x->list.v[i].network)))
			return &x->list.v[i];
	return NULL;
}

struct connection *ports_way(struct connections *x, const struct addr *host)
{
	struct connection *k = target(x, host->len == 16);
	return k ? k : target(x, host->len != 16);
}

/* Also where it has no address of it: ::1 then is nobody's either. */
static bool has_six(void)
{
	own(fd) int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return fd >= 0;
}

/* Where no address was said: the network's own preset, the settings', else any address. */
static void preset_address(struct engine *g, const struct connection *k, struct addr *ret)
{
	struct err ignored = {};
	const struct settings *s = engine_settings(g, &ignored);
	const char *text = network_option(&k->network, "com.docker.network.bridge.host_binding_ipv4", NULL);
	if (!text && s && !str_is_empty(s->publish_address))
		text = s->publish_address;
	*ret = (struct addr){.len = 4};
	if (text)
		addr_parse(text, ret);
}

static int choose_way(struct engine *g, struct connection *k, struct err *e)
{
	const struct settings *s = engine_settings(g, e);
	if (!s)
		return -1;
	const char *text = network_option(&k->network, "publish", NULL);
	if (!text)
		text = s->publish;
	k->is_relayed = private_net_is_needed(g) || (str_eq(text, "proxy") && !cni_is(&k->network));
	return 0;
}

/* The first number of these (0: any) that is free in both families, for now; 0: there is none, or the kernel has no IPv6, or no such protocol. */
static uint16_t free_number(uint8_t protocol, uint32_t port, uint32_t last)
{
	static const int off = 0;
	own(fd) int fd = protocol == IPPROTO_SCTP ? -1 : socket(AF_INET6, (protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, protocol);
	if (fd < 0 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) < 0)
		return 0;
	for (; port <= last; port++) {
		struct sockaddr_storage s;
		socklen_t n = addr_socket(&any6, (uint16_t)port, &s);
		if (bind(fd, (struct sockaddr *)&s, n) == 0)
			return port_of(fd);
	}
	return 0;
}

/* At 0.0.0.0 and [::], by the same number. */
static int add_both(struct engine *g, struct connections *x, struct connection *four, struct connection *six, struct container_entry *c,
	const struct port_request *q, struct err *e)
{
	enum { TRIES = 16 };
	struct port_request same = *q;
	uint32_t last = q->count <= 1 && q->host_last > q->host_port ? q->host_last : q->host_port;
	bool is_choice = !q->host_port || last > q->host_port;
	for (int i = 0; i < TRIES; i++) { /* it may be taken meanwhile */
		struct err taken = {};
		uint16_t number = is_choice ? free_number(port_protocol_of(q->protocol), q->host_port, last) : 0;
		same.host_port = number ? number : q->host_port;
		same.host_last = number ? 0 : q->host_last;
		int r = add_port(g, x, four, c, &same, &any4, &taken);
		if (r == 0)
			break;
		if (!number || taken.kind != ERR_CONFLICT || i + 1 == TRIES)
			return *e = taken, -1;
	}
	same.host_port = c->state.published.v[c->state.published.n - 1].host_port;
	same.host_last = 0;
	return add_port(g, x, six, c, &same, &any6, e);
}

bool ports_are_at_six(struct connections *x, const struct port_request *q)
{
	struct connection *k = target(x, 0);
	if (target(x, 1))
		return true;
	return k && !cni_is(&k->network) && !str_eq(q->protocol, "sctp") && x->relayed.n + q->count <= SERVED_TOO && has_six();
}

static int publish(struct engine *g, struct container_entry *c, struct connections *x, const struct port_request *q, struct err *e)
{
	struct addr host = {};
	bool said = !str_is_empty(q->host_ip);
	if (said && !addr_parse(q->host_ip, &host))
		return err_set(e, ERR_USAGE, "invalid address \"%.60s\" to publish at", q->host_ip);
	struct connection *k = said ? ports_way(x, &host) : target(x, 0);
	if (k && cni_is(&k->network) && host.len == 16)
		return err_set(e, ERR_USAGE, "[%s]:%u cannot be published: plugins are told of ports of IPv4", q->host_ip, q->host_port);
	struct connection *six = said ? NULL : target(x, 1);
	if (!said && (k || six))
		preset_address(g, k ? k : six, &host);
	/* On a network of IPv6 alone too the address is the one that was preset. */
	if (!said && !k && !addr_eq(&host, &any4))
		k = six;
	/* Networks without a way in have none for published ports either, as docker has it. */
	if (!k)
		return six ? add_port(g, x, six, c, q, &any6, e) : 0;
	if (said || !addr_eq(&host, &any4) || !ports_are_at_six(x, q))
		return add_port(g, x, k, c, q, &host, e);
	uint32_t n = !q->host_port && q->count > 1 ? q->count : 1;
	for (uint32_t i = 0; i < n; i++) {
		struct port_request one = *q;
		one.port += i;
		one.count = n > 1 ? 1 : q->count;
		if (add_both(g, x, k, six ? six : k, c, &one, e) < 0)
			return -1;
	}
	return 0;
}

/* One for each port the image or --expose names, unless it was published already. */
static int publish_exposed(struct engine *g, struct container_entry *c, struct connections *x, struct err *e)
{
	const struct container_record *r = &c->record;
	for (size_t i = 0; i < r->config.exposed_ports.n; i++) {
		const char *text = r->config.exposed_ports.v[i], *slash = strchr(text, '/');
		uint32_t port = (uint32_t)strtoul(text, NULL, 10);
		char proto[8];
		bool done = false;
		snprintf(proto, sizeof proto, "%s", slash ? slash + 1 : "tcp");
		for (size_t k = 0; k < r->host.ports.n; k++)
			done |= str_eq(r->host.ports.v[k].protocol, proto) && port - r->host.ports.v[k].port < r->host.ports.v[k].count;
		if (done || !port || !port_protocol_of(proto))
			continue;
		struct port_request q = {.protocol = arena_dup(&c->arena, proto), .port = port, .count = 1};
		if (publish(g, c, x, &q, e) < 0)
			return -1;
	}
	return 0;
}

static int publish_list(struct engine *g, struct container_entry *c, struct connections *x, const struct port_requests *list, bool exposed, struct err *e)
{
	struct rlimit limit, more;
	int r = 0;
	/* A socket for each; the container has the limit that was there. */
	bool raised = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max;
	more = (struct rlimit){limit.rlim_max, limit.rlim_max};
	if (raised)
		setrlimit(RLIMIT_NOFILE, &more);
	for (size_t i = 0; r == 0 && i < x->list.n; i++)
		r = choose_way(g, &x->list.v[i], e);
	for (size_t i = 0; r == 0 && i < list->n; i++)
		r = publish(g, c, x, &list->v[i], e);
	if (r == 0 && exposed)
		r = publish_exposed(g, c, x, e);
	if (raised)
		setrlimit(RLIMIT_NOFILE, &limit);
	return r;
}

int ports_publish(struct engine *g, struct container_entry *c, struct connections *x, const struct port_requests *list, struct err *e)
{
	return publish_list(g, c, x, list, false, e);
}

int ports_hold(struct engine *g, struct container_entry *c, struct connections *x, struct err *e)
{
	const struct host_config *h = &c->record.host;
	c->state.published.n = 0;
	c->state.published.v = NULL;
	return h->ports.n || h->publish_all ? publish_list(g, c, x, &h->ports, h->publish_all, e) : 0;
}
