/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_isolation: namespaces, network files, capabilities, security options and kernel parameters. container:NAME becomes
 * container:ID, so that a container goes on sharing with the one it was made for when that is renamed.
 */
#include "cli/run_request.h"

#include "base/path.h"
#include "engine/spec.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static const struct mode {
	const char *option, *words; /* besides "" */
	bool container, path;       /* container:NAME, ns:PATH too */
} modes[] = {
	{"pid", "private host", true, false},
	{"ipc", "private shareable none host", true, false},
	{"uts", "private host", false, false},
	{"cgroupns", "private host", false, false},
	{"network", "none host", true, true},
};
enum { PID, IPC, UTS, CGROUPNS, NETWORK };

static int mode(const struct mode *m, char *text, struct engine *g, struct run_request *r, char **ret, struct err *e)
{
	own(strv) struct strv words = {};
	strv_split(&words, m->words, ' ');
	const char *peer = text ? str_after(text, "container:") : NULL, *path = text ? str_after(text, "ns:") : NULL;
	*ret = text ? text : arena_dup(&r->arena, "");
	if (str_is_empty(text) || strv_has(&words, text))
		return 0;
	if (m->container && peer) {
		char id[65];
		if (!*peer)
			return err_set(e, ERR_USAGE, "--%s container: the name of a container is missing behind the colon", m->option);
		if (containers_find(&g->containers, peer, id, e) < 0)
			return err_wrap(e, "--%s", m->option);
		*ret = arena_printf(&r->arena, "container:%s", id);
		return 0;
	}
	if (m->path && path) {
		if (*path != '/')
			return err_set(e, ERR_USAGE, "--%s ns:PATH: the path must be absolute, as in ns:/run/netns/NAME", m->option);
		return access(path, F_OK) < 0 ? err_sys(e, "--%s ns:%.200s", m->option, path) : 0;
	}
	own(buf) struct buf known = {};
	for (size_t i = 0; i < words.n; i++)
		buf_printf(&known, "%s%s", i ? ", " : "", words.v[i]);
	return err_set(e, ERR_USAGE, "invalid --%s \"%.60s\": %s%s%s", m->option, text, buf_text(&known),
		m->container ? ", container:NAME" : "", m->path ? ", ns:PATH (there are no other networks yet)" : "");
}

static int network(const struct run_options *o, struct engine *g, struct run_request *r, struct err *e)
{
	if (o->network.n > 1)
		return err_set(e, ERR_USAGE, "--network is given %zu times: hull has no networks yet, so one mode is all there is", o->network.n);
	char *text = o->network.n ? o->network.v[0] : NULL;
	/* docker's long form, of which only the name makes sense here */
	const char *name = text ? str_after(text, "name=") : NULL;
	if (name && strchr(name, ','))
		return err_set(e, ERR_USAGE, "--network %.60s: hull has no networks yet, so there are no further options", text);
	if (name)
		text = arena_dup(&r->arena, name);
	if (str_is_empty(text) || str_eq(text, "default"))
		text = arena_dup(&r->arena, "none");
	return mode(&modes[NETWORK], text, g, r, &r->host.network_mode, e);
}

static char *joined(struct arena *a, const struct strv *rows)
{
	own(buf) struct buf b = {};
	for (size_t i = 0; i < rows->n; i++)
		buf_printf(&b, "%s%s", i ? "," : "", rows->v[i]);
	return rows->n ? arena_dup(a, buf_text(&b)) : NULL;
}

int run_request_namespaces(const struct run_options *o, struct engine *g, struct run_request *r, struct err *e)
{
	struct host_config *h = &r->host;
	if (network(o, g, r, e) < 0 || mode(&modes[PID], o->pid, g, r, &h->pid_mode, e) < 0 || mode(&modes[IPC], o->ipc, g, r, &h->ipc_mode, e) < 0 ||
		mode(&modes[UTS], o->uts, g, r, &h->uts_mode, e) < 0 || mode(&modes[CGROUPNS], o->cgroupns, g, r, &h->cgroupns_mode, e) < 0)
		return -1;
	if (str_eq(h->uts_mode, "host") && (o->hostname || o->domainname))
		return err_set(e, ERR_USAGE, "--hostname and --domainname would rename the host: leave away --uts host");
	if (!str_is_empty(o->userns) && (o->uidmap.n || o->gidmap.n))
		return err_set(e, ERR_USAGE, "--userns chooses the ids itself: give it, or --uidmap and --gidmap");
	const char *u = o->userns;
	if (!str_is_empty(u) && !str_eq(u, "host") && !str_eq(u, "auto") && !str_has_prefix(u, "auto:size=") && !str_eq(u, "keep-id"))
		return err_set(e, ERR_USAGE, "invalid --userns \"%.60s\": host, auto, auto:size=N and keep-id are known; a map is given with --uidmap", u);
	h->userns_mode = o->userns;
	r->create.uid_map = joined(&r->arena, &o->uidmap);
	r->create.gid_map = joined(&r->arena, &o->gidmap);
	return 0;
}

static bool is_address(const char *s)
{
	unsigned char room[16];
	return inet_pton(AF_INET, s, room) == 1 || inet_pton(AF_INET6, s, room) == 1;
}

/* NAME:IP, NAME=IP, the address bare or in brackets; host-gateway is the host itself. */
static int one_host(struct arena *a, const char *text, struct strv *to, struct err *e)
{
	size_t n = strcspn(text, "=:");
	own(mem) char *ip = mem_dup(text[n] ? text + n + 1 : "");
	size_t len = strlen(ip);
	if (len > 2 && ip[0] == '[' && ip[len - 1] == ']') {
		memmove(ip, ip + 1, len - 2);
		ip[len - 2] = 0;
	}
	bool good_name = n && n <= 253 && strcspn(text, " \t\n#/") >= n;
	if (!good_name || (!is_address(ip) && !str_eq(ip, "host-gateway")))
		return err_set(e, ERR_USAGE, "invalid --add-host \"%.200s\": it is NAME:IP, as in db:10.0.0.7", text);
	arena_strv_add(a, to, arena_printf(a, "%.*s:%s", (int)n, text, ip));
	return 0;
}

static int ports(struct arena *a, const char *text, struct strv *to, struct err *e)
{
	unsigned first, last;
	int used = 0;
	if (sscanf(text, "%5u%n-%5u%n", &first, &used, &last, &used) == 1)
		last = first;
	const char *proto = used && text[used] == '/' ? text + used + 1 : used && !text[used] ? "tcp" : NULL;
	bool good = proto && (str_eq(proto, "tcp") || str_eq(proto, "udp") || str_eq(proto, "sctp"));
	if (!good || *text < '0' || *text > '9' || !first || last < first || last > 65535)
		return err_set(e, ERR_USAGE, "invalid --expose \"%.60s\": it is PORT[-PORT][/tcp|udp|sctp], up to 65535", text);
	for (unsigned port = first; port <= last; port++)
		arena_strv_add(a, to, arena_printf(a, "%u/%s", port, proto));
	return 0;
}

int run_request_network(const struct run_options *o, struct run_request *r, struct err *e)
{
	for (size_t i = 0; i < o->add_host.n; i++)
		if (one_host(&r->arena, o->add_host.v[i], &r->host.extra_hosts, e) < 0)
			return -1;
	for (size_t i = 0; i < o->dns.n; i++)
		if (!is_address(o->dns.v[i]))
			return err_set(e, ERR_USAGE, "invalid --dns \"%.60s\": it is the address of a name server", o->dns.v[i]);
	for (size_t i = 0; i < o->dns_search.n; i++)
		if (!*o->dns_search.v[i] || strpbrk(o->dns_search.v[i], " \t\n/"))
			return err_set(e, ERR_USAGE, "invalid --dns-search \"%.60s\": it is one domain, \".\" for none", o->dns_search.v[i]);
	for (size_t i = 0; i < o->dns_option.n; i++)
		if (!*o->dns_option.v[i] || strpbrk(o->dns_option.v[i], " \t\n"))
			return err_set(e, ERR_USAGE, "invalid --dns-option \"%.60s\": it is one option, as in ndots:2", o->dns_option.v[i]);
	for (size_t i = 0; i < o->expose.n; i++)
		if (ports(&r->arena, o->expose.v[i], &r->config.exposed_ports, e) < 0)
			return -1;
	r->host.dns = o->dns;
	r->host.dns_search = o->dns_search;
	r->host.dns_options = o->dns_option;
	return 0;
}

/* Parameters that belong to a namespace; with the host's namespace they would be the host's. */
static const struct {
	const char *name; /* a dot at the end: all below it */
	int mode;         /* the row of modes[] that must not be the host's */
} sysctls[] = {
	{"kernel.msgmax", IPC}, {"kernel.msgmnb", IPC}, {"kernel.msgmni", IPC}, {"kernel.sem", IPC}, {"kernel.shmall", IPC},
	{"kernel.shmmax", IPC}, {"kernel.shmmni", IPC}, {"kernel.shm_rmid_forced", IPC}, {"fs.mqueue.", IPC}, {"net.", NETWORK},
	{"kernel.domainname", UTS},
};

static int one_sysctl(struct run_request *r, const char *text, struct err *e)
{
	size_t n = strcspn(text, "=");
	if (!n || !text[n])
		return err_set(e, ERR_USAGE, "invalid --sysctl \"%.200s\": it is NAME=VALUE", text);
	char *name = arena_ndup(&r->arena, text, n);
	for (char *p = name; *p; p++)
		*p = *p == '/' ? '.' : *p;
	for (size_t i = 0; i < countof(sysctls); i++) {
		bool all = str_has_suffix(sysctls[i].name, ".");
		if (all ? !str_has_prefix(name, sysctls[i].name) || strstr(name, "..") : strcmp(name, sysctls[i].name) != 0)
			continue;
		const char *used = sysctls[i].mode == IPC ? r->host.ipc_mode : sysctls[i].mode == UTS ? r->host.uts_mode : r->host.network_mode;
		if (str_eq(used, "host"))
			return err_set(e, ERR_USAGE, "--sysctl %.200s: with --%s host it would be set for the host", name, modes[sysctls[i].mode].option);
		map_set(&r->arena, &r->host.sysctls, name, text + n + 1);
		return 0;
	}
	return err_set(e, ERR_USAGE, "--sysctl %.200s: it is not of a namespace of the container, so it would be set for the host", name);
}

/* A profile's file is named from anywhere later on. */
static int security_option(struct run_request *r, const char *text, struct err *e)
{
	const char *file = str_after(text, "seccomp=");
	file = file ? file : str_after(text, "seccomp:");
	if (!file || !*file || str_eq(file, "unconfined") || str_eq(file, "builtin") || str_eq(file, "default")) {
		arena_strv_add(&r->arena, &r->host.security_opt, text);
		return 0;
	}
	own(mem) char *cwd = getcwd(NULL, 0);
	own(mem) char *whole = *file == '/' ? mem_dup(file) : path_join(cwd ? cwd : "/", file);
	own(json) struct json *profile = NULL;
	if (json_read(AT_FDCWD, whole, 4 << 20, &profile, e) < 0)
		return err_wrap(e, "--security-opt seccomp");
	arena_strv_add(&r->arena, &r->host.security_opt, arena_printf(&r->arena, "seccomp=%s", whole));
	return 0;
}

int run_request_security(const struct run_options *o, struct run_request *r, struct err *e)
{
	struct host_config *h = &r->host;
	struct strv caps = {};
	if (spec_caps(&o->cap_add, &o->cap_drop, o->privileged, &r->arena, &caps, e) < 0)
		return err_wrap(e, "--cap-add, --cap-drop");
	h->cap_add = o->cap_add;
	h->cap_drop = o->cap_drop;
	h->privileged = o->privileged;
	for (size_t i = 0; i < o->security_opt.n; i++)
		if (security_option(r, o->security_opt.v[i], e) < 0)
			return -1;
	for (size_t i = 0; i < o->sysctl.n; i++)
		if (one_sysctl(r, o->sysctl.v[i], e) < 0)
			return -1;
	return 0;
}
