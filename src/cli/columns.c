/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/columns.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

char *column_id(const char *id, bool full)
{
	if (!id)
		return mem_dup("<none>");
	if (full)
		return mem_dup(id);
	const char *digits = strchr(id, ':');
	digits = digits ? digits + 1 : id;
	return mem_ndup(digits, strnlen(digits, 12));
}

char *column_ellipsis(const char *text, size_t n)
{
	const char *cut = text;
	size_t width = 0;
	for (const char *p = text; *p; p++) {
		if (((unsigned char)*p & 0xc0) == 0x80)
			continue;
		if (++width == n)
			cut = p;
	}
	if (width <= n)
		return mem_dup(text);
	return mem_printf("%.*s…", (int)(cut - text), text);
}

char *column_ago(int64_t unix_s)
{
	char text[NUM_TEXT];
	return mem_printf("%s ago", num_format_span(num_now_ns() - unix_s * 1000000000, text));
}

char *column_time(int64_t unix_s)
{
	time_t t = unix_s;
	struct tm tm;
	char text[80] = "";
	if (localtime_r(&t, &tm))
		strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %z %Z", &tm);
	return mem_dup(text);
}

char *column_size(int64_t bytes)
{
	char text[NUM_TEXT];
	return mem_dup(num_format_size(bytes > 0 ? (uint64_t)bytes : 0, text));
}

char *column_map(const struct json *map)
{
	own(strv) struct strv lines = {};
	own(buf) struct buf b = {};
	struct json_iter it = {};
	while (json_next(map, &it))
		strv_add_take(&lines, mem_printf("%s=%s", it.key, json_str(it.value) ? json_str(it.value) : ""));
	strv_sort(&lines);
	for (size_t i = 0; i < lines.n; i++)
		buf_printf(&b, "%s%s", i ? "," : "", lines.v[i]);
	return buf_take(&b);
}

struct port { const char *ip, *type; int64_t inside, outside; };

static int compare(const void *a, const void *b)
{
	const struct port *p = a, *q = b;
	int by_type = strcmp(p->type, q->type), by_ip = strcmp(p->ip, q->ip);
	if (by_type)
		return by_type;
	if (by_ip)
		return by_ip;
	if (p->inside != q->inside)
		return p->inside < q->inside ? -1 : 1;
	return p->outside < q->outside ? -1 : p->outside > q->outside;
}

/* Does q follow p in a range, inside and (when they are published) outside? */
static bool follows(const struct port *p, const struct port *q, int64_t n)
{
	return str_eq(p->ip, q->ip) && str_eq(p->type, q->type) && q->inside == p->inside + n && (p->outside ? q->outside == p->outside + n : !q->outside);
}

static void range(struct buf *b, int64_t from, int64_t n)
{
	buf_printf(b, n > 1 ? "%lld-%lld" : "%lld", (long long)from, (long long)(from + n - 1));
}

char *column_ports(const struct json *ports)
{
	size_t n = json_len(ports);
	own(mem) struct port *list = mem_alloc(n * sizeof *list);
	own(buf) struct buf b = {};
	for (size_t i = 0; i < n; i++) {
		const struct json *j = json_at(ports, i);
		const char *ip = json_get_str(j, "IP"), *type = json_get_str(j, "Type");
		list[i] = (struct port){ip ? ip : "", type ? type : "tcp", json_i64(json_get(j, "PrivatePort")), json_i64(json_get(j, "PublicPort"))};
	}
	qsort(list, n, sizeof *list, compare);
	for (size_t i = 0; i < n;) {
		const struct port *p = &list[i];
		int64_t count = 1;
		while (i + (size_t)count < n && follows(p, &list[i + (size_t)count], count))
			count++;
		buf_str(&b, b.len ? ", " : "");
		if (p->outside) {
			buf_printf(&b, strchr(p->ip, ':') ? "[%s]:" : *p->ip ? "%s:" : "%s", p->ip);
			range(&b, p->outside, count);
			buf_str(&b, "->");
		}
		range(&b, p->inside, count);
		buf_printf(&b, "/%s", p->type);
		i += (size_t)count;
	}
	return buf_take(&b);
}
