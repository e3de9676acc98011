/* SPDX-License-Identifier: Apache-2.0 */
/*
 * port_request: the parts come one by one: the command line has cut its -p, docker's API sends them apart. A range is kept as one request with a
 * count, so that a thousand ports are no thousand rows; one port with a range outside is to have the first of it that is free.
 */
#include "engine/port_request.h"

#include "net/endpoint.h"

#include <stdio.h>
#include <stdlib.h>

enum { EXPOSED_MOST = 1024 }; /* of one range that is published */

/* "80", "80-90": up to 65535. */
static bool parse_range(const char *text, uint32_t *first, uint32_t *last)
{
	char *end;
	if (strlen(text) > 15 || *text < '0' || *text > '9')
		return false;
	unsigned long a = strtoul(text, &end, 10), b = a;
	if (*end == '-' && end[1] >= '0' && end[1] <= '9')
		b = strtoul(end + 1, &end, 10);
	*first = (uint32_t)a;
	*last = (uint32_t)b;
	return !*end && a <= 65535 && b <= 65535 && a <= b;
}

int port_request_make(struct arena *a, const char *ip, const char *host, const char *port, const char *protocol, struct port_request *ret,
	struct err *e)
{
	struct port_request q = {.protocol = arena_dup(a, protocol)};
	uint32_t first, last, host_first = 0, host_last = 0;
	size_t n = strlen(ip);
	struct addr address;
	bool bracket = n > 1 && ip[0] == '[' && ip[n - 1] == ']';
	if (n)
		q.host_ip = arena_ndup(a, ip + bracket, n - 2 * bracket);
	if (n && !addr_parse(q.host_ip, &address))
		return err_set(e, ERR_USAGE, "what stands first is no address");
	if (!port_protocol_of(protocol))
		return err_set(e, ERR_USAGE, "the protocol is tcp, udp or sctp");
	if (!parse_range(port, &first, &last) || !first)
		return err_set(e, ERR_USAGE, "the container's port is from 1 to 65535, a range goes upwards");
	if (*host && !parse_range(host, &host_first, &host_last))
		return err_set(e, ERR_USAGE, "the host's port is from 1 to 65535, a range goes upwards");
	q.port = first;
	q.count = last - first + 1;
	q.host_port = host_first;
	if (host_first && host_last - host_first + 1 != q.count) {
		if (q.count != 1)
			return err_set(e, ERR_USAGE, "the two ranges have different lengths");
		q.host_last = host_last;
	}
	if (host_first == 0 && host_last)
		return err_set(e, ERR_USAGE, "the host's port is from 1 to 65535");
	*ret = q;
	return 0;
}

void port_requests_expose(struct arena *a, const struct port_requests *from, struct strv *exposed)
{
	for (size_t i = 0; i < from->n; i++) {
		const struct port_request *q = &from->v[i];
		for (uint32_t k = 0; k < q->count; k++) {
			char text[24];
			snprintf(text, sizeof text, "%u/%s", q->port + k, q->protocol);
			if (q->count <= EXPOSED_MOST && !strv_has(exposed, text))
				arena_strv_add(a, exposed, text);
		}
	}
}

int port_expose(struct arena *a, const char *text, struct strv *exposed, struct err *e)
{
	unsigned first, last;
	int used = 0;
	if (sscanf(text, "%5u%n-%5u%n", &first, &used, &last, &used) == 1)
		last = first;
	const char *proto = used && text[used] == '/' ? text + used + 1 : used && !text[used] ? "tcp" : NULL;
	bool good = proto && (str_eq(proto, "tcp") || str_eq(proto, "udp") || str_eq(proto, "sctp"));
	if (!good || *text < '0' || *text > '9' || !first || last < first || last > 65535)
		return err_set(e, ERR_USAGE, "invalid --expose \"%.60s\": it is PORT[-PORT][/tcp|udp|sctp], up to 65535", text);
	const struct strv before = *exposed; /* within a range none is twice */
	for (unsigned port = first; port <= last; port++) {
		const char *row = arena_printf(a, "%u/%s", port, proto);
		if (!strv_has(&before, row))
			arena_strv_add(a, exposed, row);
	}
	return 0;
}
