/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_isolation: namespaces, network files, capabilities, security options and kernel parameters: the grammar; which modes,
 * names and combinations there are is engine/request.c's.
 */
#include "cli/run_request.h"

#include "engine/port_request.h"


static char *joined(struct arena *a, const struct strv *rows)
{
	own(buf) struct buf b = {};
	for (size_t i = 0; i < rows->n; i++)
		buf_printf(&b, "%s%s", i ? "," : "", rows->v[i]);
	return rows->n ? arena_dup(a, buf_text(&b)) : NULL;
}

int run_request_namespaces(const struct run_options *o, struct run_request *r, struct err *e)
{
	struct host_config *h = &r->host;
	if (run_request_networks(o, r, e) < 0)
		return -1;
	if (!str_is_empty(o->userns) && (o->uidmap.n || o->gidmap.n))
		return err_set(e, ERR_USAGE, "--userns chooses the ids itself: give it, or --uidmap and --gidmap");
	h->pid_mode = o->pid;
	h->ipc_mode = o->ipc;
	h->uts_mode = o->uts;
	h->cgroupns_mode = o->cgroupns;
	h->userns_mode = o->userns;
	r->create.uid_map = joined(&r->arena, &o->uidmap);
	r->create.gid_map = joined(&r->arena, &o->gidmap);
	return 0;
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
	if (!n)
		return err_set(e, ERR_USAGE, "invalid --add-host \"%.200s\": it is NAME:IP, as in db:10.0.0.7", text);
	arena_strv_add(a, to, arena_printf(a, "%.*s:%s", (int)n, text, ip));
	return 0;
}

int run_request_network(const struct run_options *o, struct run_request *r, struct err *e)
{
	for (size_t i = 0; i < o->add_host.n; i++)
		if (one_host(&r->arena, o->add_host.v[i], &r->host.extra_hosts, e) < 0)
			return -1;
	for (size_t i = 0; i < o->expose.n; i++)
		if (port_expose(&r->arena, o->expose.v[i], &r->config.exposed_ports, e) < 0)
			return -1;
	if (run_request_ports(o, r, e) < 0)
		return -1;
	r->host.dns = o->dns;
	r->host.dns_search = o->dns_search;
	r->host.dns_options = o->dns_option;
	return 0;
}

/* A parameter is written with dots; its path with slashes is understood. */
static int one_sysctl(struct run_request *r, const char *text, struct err *e)
{
	size_t n = strcspn(text, "=");
	if (!n || !text[n])
		return err_set(e, ERR_USAGE, "invalid --sysctl \"%.200s\": it is NAME=VALUE", text);
	char *name = arena_ndup(&r->arena, text, n);
	for (char *p = strchr(name, '.') ? NULL : name; p && *p; p++)
		*p = *p == '/' ? '.' : *p;
	map_set(&r->arena, &r->host.sysctls, name, text + n + 1);
	return 0;
}

int run_request_security(const struct run_options *o, struct run_request *r, struct err *e)
{
	struct host_config *h = &r->host;
	h->cap_add = o->cap_add;
	h->cap_drop = o->cap_drop;
	h->privileged = o->privileged;
	h->security_opt = o->security_opt;
	for (size_t i = 0; i < o->sysctl.n; i++)
		if (one_sysctl(r, o->sysctl.v[i], e) < 0)
			return -1;
	return 0;
}
