/* SPDX-License-Identifier: Apache-2.0 */
#include "net/addr.h"

#include "base/num.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

bool addr_parse(const char *text, struct addr *ret)
{
	struct addr a = {};
	if (inet_pton(AF_INET, text, a.b) == 1)
		a.len = 4;
	else if (inet_pton(AF_INET6, text, a.b) == 1)
		a.len = 16;
	else
		return false;
	*ret = a;
	return true;
}

char *addr_format(const struct addr *a, char out[ADDR_TEXT])
{
	out[0] = 0;
	if (a->len)
		inet_ntop(a->len == 4 ? AF_INET : AF_INET6, a->b, out, ADDR_TEXT);
	return out;
}

bool addr_eq(const struct addr *a, const struct addr *b)
{
	return a->len == b->len && memcmp(a->b, b->b, a->len) == 0;
}

int addr_cmp(const struct addr *a, const struct addr *b)
{
	return a->len != b->len ? a->len - b->len : memcmp(a->b, b->b, a->len);
}

bool addr_add(struct addr *a, uint64_t n)
{
	for (int i = a->len - 1; i >= 0 && n; i--) {
		uint64_t sum = a->b[i] + (n & 0xff);
		a->b[i] = (uint8_t)sum;
		n = (n >> 8) + (sum >> 8);
	}
	return n == 0;
}

uint64_t addr_distance(const struct addr *a, const struct addr *b)
{
	if (addr_cmp(b, a) <= 0)
		return 0;
	uint64_t n = 0;
	int borrow = 0;
	uint8_t d[16] = {};
	for (int i = a->len - 1; i >= 0; i--) {
		int v = b->b[i] - a->b[i] - borrow;
		borrow = v < 0;
		d[i] = (uint8_t)v;
	}
	for (int i = 0; i < a->len; i++) {
		if (n >> 56)
			return UINT64_MAX;
		n = n << 8 | d[i];
	}
	return n;
}

bool addr_is_link_local(const struct addr *a)
{
	return a->len == 4 ? a->b[0] == 169 && a->b[1] == 254 : a->len == 16 && a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

struct subnet subnet_of(const struct addr *a, unsigned prefix)
{
	struct subnet s = {*a, prefix};
	for (unsigned i = 0; i < a->len; i++) {
		unsigned bits = prefix > i * 8 ? prefix - i * 8 : 0;
		if (bits < 8)
			s.base.b[i] &= (uint8_t)(0xff00 >> bits);
	}
	return s;
}

int subnet_parse(const char *text, bool strict, struct subnet *ret, const char *what, struct err *e)
{
	char buf[ADDR_TEXT];
	struct addr a;
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	uint64_t prefix;
	if (n < sizeof buf) {
		memcpy(buf, text, n);
		buf[n] = 0;
	}
	if (n >= sizeof buf || !addr_parse(buf, &a))
		return err_set(e, ERR_USAGE, "invalid %s \"%.60s\": it is an address with its prefix, as in 10.1.0.0/16", what, text);
	prefix = a.len * 8U;
	if (slash && num_u64(slash + 1, a.len * 8U, &prefix, "prefix", e) < 0)
		return err_wrap(e, "%s \"%.60s\"", what, text);
	struct subnet s = subnet_of(&a, (unsigned)prefix);
	if (strict && !addr_eq(&s.base, &a)) {
		char whole[ADDR_TEXT];
		return err_set(e, ERR_USAGE, "invalid %s \"%.60s\": it has bits set behind its prefix; %s would be right", what, text,
			subnet_format(&s, whole));
	}
	*ret = s;
	return 0;
}

char *subnet_format(const struct subnet *s, char out[ADDR_TEXT])
{
	char a[ADDR_TEXT];
	out[0] = 0;
	if (s->base.len)
		snprintf(out, ADDR_TEXT, "%.43s/%u", addr_format(&s->base, a), s->prefix & 0xff);
	return out;
}

bool subnet_has(const struct subnet *s, const struct addr *a)
{
	if (s->base.len != a->len)
		return false;
	struct subnet other = subnet_of(a, s->prefix);
	return addr_eq(&other.base, &s->base);
}

bool subnet_overlaps(const struct subnet *a, const struct subnet *b)
{
	return a->prefix < b->prefix ? subnet_has(a, &b->base) : subnet_has(b, &a->base);
}

struct addr subnet_last(const struct subnet *s)
{
	struct addr a = s->base;
	for (unsigned i = 0; i < a.len; i++) {
		unsigned bits = s->prefix > i * 8 ? s->prefix - i * 8 : 0;
		if (bits < 8)
			a.b[i] |= (uint8_t)(0xff >> bits);
	}
	return a;
}

bool mac_parse(const char *text, uint8_t ret[MAC_LEN])
{
	uint8_t m[MAC_LEN];
	for (int i = 0; i < MAC_LEN; i++) {
		static const char digits[] = "0123456789abcdef";
		const char *hi = *text ? strchr(digits, text[0] | 0x20) : NULL;
		const char *lo = hi && text[1] ? strchr(digits, text[1] | 0x20) : NULL;
		if (!lo || (i < 5 ? text[2] != ':' && text[2] != '-' : text[2] != 0))
			return false;
		m[i] = (uint8_t)((hi - digits) << 4 | (lo - digits));
		text += 3;
	}
	memcpy(ret, m, sizeof m);
	return !(m[0] & 1);
}

char *mac_format(const uint8_t mac[MAC_LEN], char out[MAC_TEXT])
{
	static const uint8_t none[MAC_LEN];
	*out = 0;
	if (memcmp(mac, none, MAC_LEN) != 0)
		snprintf(out, MAC_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	return out;
}

unsigned addr_socket(const struct addr *a, uint16_t port, struct sockaddr_storage *ret)
{
	*ret = (struct sockaddr_storage){};
	if (a->len == 4) {
		struct sockaddr_in *s = (struct sockaddr_in *)ret;
		*s = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
		memcpy(&s->sin_addr, a->b, 4);
		return sizeof *s;
	}
	struct sockaddr_in6 *s = (struct sockaddr_in6 *)ret;
	*s = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port)};
	memcpy(&s->sin6_addr, a->b, 16);
	return sizeof *s;
}
