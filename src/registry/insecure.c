/* SPDX-License-Identifier: Apache-2.0 */
/*
 * insecure: a network in the list is compared with the host's address; of a host name all addresses are looked up, and all must
 * be in it (docker takes any: then whoever answers for the name could choose).
 */
#include "registry/insecure.h"

#include "base/mem.h"
#include "base/num.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <strings.h>

struct address { int family; unsigned char bytes[16]; };

static bool parse_address(const char *text, struct address *a)
{
	*a = (struct address){.family = strchr(text, ':') ? AF_INET6 : AF_INET};
	return inet_pton(a->family, text, a->bytes) == 1;
}

static bool is_in(const struct address *a, const struct address *net, unsigned bits)
{
	if (a->family != net->family || bits > (a->family == AF_INET ? 32 : 128))
		return false;
	size_t whole = bits / 8;
	unsigned char mask = (unsigned char)(0xff00 >> (bits % 8));
	return memcmp(a->bytes, net->bytes, whole) == 0 && (bits % 8 == 0 || ((a->bytes[whole] ^ net->bytes[whole]) & mask) == 0);
}

static bool host_is_in(const char *host, const struct address *net, unsigned bits)
{
	struct address a;
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
	if (parse_address(host, &a))
		return is_in(&a, net, bits);
	if (getaddrinfo(host, NULL, &hints, &list) != 0)
		return false;
	bool all = list != NULL;
	for (struct addrinfo *i = list; i; i = i->ai_next) {
		a = (struct address){.family = i->ai_family};
		if (i->ai_family == AF_INET)
			memcpy(a.bytes, &((struct sockaddr_in *)(void *)i->ai_addr)->sin_addr, 4);
		else if (i->ai_family == AF_INET6)
			memcpy(a.bytes, &((struct sockaddr_in6 *)(void *)i->ai_addr)->sin6_addr, 16);
		all = all && is_in(&a, net, bits);
	}
	freeaddrinfo(list);
	return all;
}

static bool matches(const char *name, const char *host, unsigned port)
{
	own(mem) char *copy = mem_dup(name);
	char *text = copy, *slash = strchr(copy, '/');
	struct err ignored = {};
	struct address net;
	uint64_t n;
	if (slash)
		*slash++ = 0;
	char *close = *text == '[' ? strchr(text, ']') : NULL;
	char *colon = close ? strchr(close, ':') : strchr(text, ':') == strrchr(text, ':') ? strchr(text, ':') : NULL;
	if (colon)
		*colon++ = 0;
	if (close) {
		*close = 0;
		text++;
	}
	if (slash)
		return parse_address(text, &net) && num_u64(slash, 128, &n, "bits", &ignored) == 0 && host_is_in(host, &net, (unsigned)n);
	return strcasecmp(text, host) == 0 && (!colon || (num_u64(colon, 65535, &n, "port", &ignored) == 0 && n == port));
}

bool insecure_is_loopback(const char *host)
{
	struct address a;
	return strcasecmp(host, "localhost") == 0 ||
		(parse_address(host, &a) && (a.family == AF_INET ? a.bytes[0] == 127 : memcmp(a.bytes, &in6addr_loopback, 16) == 0));
}

/* "localhost." and all below localhost; the address that stands for any leads here too, and IPv4's as IPv6 writes them; and the link's own addresses
 * (169.254.0.0/16, fe80::/10), where clouds tell a machine its secrets. */
bool insecure_leads_here(const char *host)
{
	struct address a;
	static const unsigned char none[16], mapped[12] = {[10] = 0xff, [11] = 0xff};
	own(mem) char *name = mem_dup(host);
	size_t n = strlen(name);
	if (n && name[n - 1] == '.')
		name[--n] = 0;
	if (insecure_is_loopback(name) || (n > 10 && strcasecmp(name + n - 10, ".localhost") == 0))
		return true;
	if (!parse_address(name, &a))
		return false;
	bool four = a.family == AF_INET || memcmp(a.bytes, mapped, sizeof mapped) == 0;
	const unsigned char *b = a.family == AF_INET ? a.bytes : a.bytes + 12;
	if (four)
		return b[0] == 127 || memcmp(b, none, 4) == 0 || (b[0] == 169 && b[1] == 254);
	return memcmp(a.bytes, none, 16) == 0 || (a.bytes[0] == 0xfe && (a.bytes[1] & 0xc0) == 0x80);
}

bool insecure_allows(const struct strv *names, const char *host, unsigned port)
{
	bool loopback = insecure_is_loopback(host);
	for (size_t i = 0; !loopback && i < names->n; i++)
		if (matches(names->v[i], host, port))
			return true;
	return loopback;
}
