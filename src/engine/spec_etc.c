/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spec_etc: /etc/hosts and /etc/resolv.conf of a container or a pod. They are made anew at each start, before anybody looks at them; as they
 * are bound into the container they are written in place. When the networks change while it runs, lines that are no longer right go and new
 * ones come; what a program of the container wrote there stays.
 */
#include "engine/spec.h"

#include "base/fd.h"
#include "base/path.h"
#include "engine/network.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int spec_put_file(int run_dir, const char *name, const struct buf *text, struct err *e)
{
	own(fd) int fd = openat(run_dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0 || fchmod(fd, 0644) < 0 || fd_write_all(fd, buf_text(text), text->len) < 0)
		return err_sys(e, "write %s", name);
	return 0;
}

static void copy_host_file(const char *path, struct buf *out)
{
	struct err ignored = {};
	if (path_read(AT_FDCWD, path, out, &ignored) < 0)
		buf_reset(out);
}

static void write_resolv(const struct host_config *h, bool own_network, bool resolver, struct buf *out)
{
	own(buf) struct buf host = BUF(1 << 20);
	copy_host_file("/etc/resolv.conf", &host);
	own(strv) struct strv lines = {};
	strv_split(&lines, buf_text(&host), '\n');
	for (size_t i = 0; i < lines.n; i++) {
		const char *l = lines.v[i];
		bool server = str_has_prefix(l, "nameserver"), search = str_has_prefix(l, "search") || str_has_prefix(l, "domain");
		bool option = str_has_prefix(l, "options");
		/* A name server on the host's loopback cannot be reached from another network namespace. */
		if ((server && (resolver || h->dns.n || (own_network && strstr(l, " 127.")))) || (search && h->dns_search.n) || (option && h->dns_options.n))
			continue;
		if (*l)
			buf_printf(out, "%s\n", l);
	}
	if (resolver)
		buf_str(out, "nameserver 127.0.0.11\n");
	for (size_t i = 0; i < h->dns.n && !resolver; i++)
		buf_printf(out, "nameserver %s\n", h->dns.v[i]);
	for (size_t i = 0; i < h->dns_search.n; i++)
		if (strcmp(h->dns_search.v[i], ".") != 0)
			buf_printf(out, "%s%s%s", i ? " " : "search ", h->dns_search.v[i], i + 1 == h->dns_search.n ? "\n" : "");
	for (size_t i = 0; i < h->dns_options.n; i++)
		buf_printf(out, "%s%s%s", i ? " " : "options ", h->dns_options.v[i], i + 1 == h->dns_options.n ? "\n" : "");
}

/* Its names lead to its addresses. */
static void write_own_names(const struct container_config *cf, const struct container_state *s, struct buf *out)
{
	own(mem) char *names = str_is_empty(cf->domainname) ? mem_dup(cf->hostname) : mem_printf("%s.%s %s", cf->hostname, cf->domainname, cf->hostname);
	bool has = false;
	if (str_is_empty(cf->hostname))
		return;
	for (size_t i = 0; i < s->networks.n; i++) {
		const char *ips[] = {s->networks.v[i].ip, s->networks.v[i].ip6};
		/* Its plugins say it later (connect_cni.c). */
		if (str_eq(s->networks.v[i].driver, "cni") && str_is_empty(ips[0]) && str_is_empty(ips[1])) {
			has = true;
			continue;
		}
		for (size_t k = 0; k < countof(ips); k++)
			if (!str_is_empty(ips[k])) {
				buf_printf(out, "%s\t%s\n", ips[k], names);
				has = true;
			}
	}
	if (!has)
		buf_printf(out, "127.0.0.1\t%s\n", names);
}

/* What host-gateway stands for: the host as the container sees it. */
static const char *host_gateway(const struct container_state *s)
{
	for (size_t i = 0; i < s->networks.n; i++)
		if (!str_is_empty(s->networks.v[i].gateway) && str_eq(s->networks.v[i].driver, "bridge"))
			return s->networks.v[i].gateway;
	return "127.0.0.1";
}

static void write_hosts(const struct container_record *r, const struct container_state *s, bool host_network, struct buf *out)
{
	if (host_network) {
		copy_host_file("/etc/hosts", out);
	} else {
		buf_str(out, "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\n"
			"ff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n");
		write_own_names(&r->config, s, out);
	}
	for (size_t i = 0; i < r->host.extra_hosts.n; i++) {
		const char *row = r->host.extra_hosts.v[i], *sep = strpbrk(row, ":=");
		const char *ip = sep ? sep + 1 : "";
		if (sep)
			buf_printf(out, "%s\t%.*s\n", str_eq(ip, "host-gateway") ? host_gateway(s) : ip, (int)(sep - row), row);
	}
}

int spec_write_etc(const struct container_entry *c, int run_dir, struct err *e)
{
	const struct host_config *h = &c->record.host;
	bool host = str_eq(h->network_mode, "host"), resolver = connect_has_resolver(&c->state);
	own(buf) struct buf hosts = BUF(1 << 20);
	own(buf) struct buf resolv = BUF(1 << 20);
	write_hosts(&c->record, &c->state, host, &hosts);
	if (resolver && connect_put_resolver(&c->state, &h->dns, run_dir, e) < 0)
		return -1;
	write_resolv(h, !host, resolver, &resolv);
	return spec_put_file(run_dir, "hosts", &hosts, e) < 0 || spec_put_file(run_dir, "resolv.conf", &resolv, e) < 0 ? -1 : 0;
}

static bool has_line(const struct buf *text, const char *line, size_t n)
{
	for (const char *p = buf_text(text), *end; (end = strchr(p, '\n')); p = end + 1)
		if ((size_t)(end - p) == n && memcmp(p, line, n) == 0)
			return true;
	return false;
}

/* Those of `from` that `without` has not; with `but`, those of it nevertheless. */
static void add_lines(const struct buf *from, const struct buf *without, const struct buf *but, struct buf *out)
{
	for (const char *p = buf_text(from), *end; *p; p = *end ? end + 1 : end) {
		end = strchrnul(p, '\n');
		size_t n = (size_t)(end - p);
		if (!has_line(without, p, n) || (but && has_line(but, p, n)))
			buf_printf(out, "%.*s\n", (int)n, p);
	}
}

static int change_file(int run_dir, const char *name, const struct buf *before, const struct buf *now, bool in_front, struct err *e)
{
	own(buf) struct buf file = BUF(1 << 20);
	own(buf) struct buf kept = BUF(1 << 20);
	own(buf) struct buf added = BUF(1 << 20);
	own(buf) struct buf out = BUF(2 << 20);
	if (path_read(run_dir, name, &file, e) < 0)
		return -1;
	add_lines(&file, before, now, &kept);
	add_lines(now, &kept, NULL, &added);
	const struct buf *first = in_front ? &added : &kept, *last = in_front ? &kept : &added;
	buf_printf(&out, "%s%s", buf_text(first), buf_text(last));
	if (buf_check(&out, e) < 0)
		return -1;
	return strcmp(buf_text(&out), buf_text(&file)) == 0 ? 0 : spec_put_file(run_dir, name, &out, e);
}

int spec_change_etc(const struct container_entry *c, const struct container_state *before, bool had_resolver, bool resolver, int run_dir, struct err *e)
{
	own(buf) struct buf hosts_before = BUF(1 << 20);
	own(buf) struct buf hosts = BUF(1 << 20);
	own(buf) struct buf resolv_before = BUF(1 << 20);
	own(buf) struct buf resolv = BUF(1 << 20);
	write_hosts(&c->record, before, false, &hosts_before);
	write_hosts(&c->record, &c->state, false, &hosts);
	write_resolv(&c->record.host, true, had_resolver, &resolv_before);
	write_resolv(&c->record.host, true, resolver, &resolv);
	/* A resolver that is asked second is asked for nothing. */
	return change_file(run_dir, "hosts", &hosts_before, &hosts, false, e) < 0 ||
		change_file(run_dir, "resolv.conf", &resolv_before, &resolv, true, e) < 0 ? -1 : 0;
}
