/* SPDX-License-Identifier: Apache-2.0 */
#include "net/dns.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TTL = 5, QR = 0x80, OPCODE = 0x78, TC = 0x02, RD = 0x01, RA = 0x80 };

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* Labels up to the empty one; where it ends, 0 when it is none. */
static size_t read_name(const uint8_t *p, size_t n, size_t at, char ret[DNS_NAME])
{
	size_t len = 0;
	bool strange = false;
	while (at < n && p[at]) {
		size_t label = p[at++];
		if (label > 63 || label > n - at || len + label + 1 >= DNS_NAME)
			return 0;
		if (len)
			ret[len++] = '.';
		for (size_t i = 0; i < label; i++, at++) {
			char c = (char)p[at];
			strange |= c <= ' ' || c == '.' || c == ',' || c > '~';
			ret[len++] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
		}
	}
	ret[strange ? 0 : len] = 0;
	return at < n ? at + 1 : 0;
}

int dns_parse(const uint8_t *p, size_t n, struct dns_question *ret)
{
	*ret = (struct dns_question){};
	if (n < DNS_HEADER || p[2] & QR)
		return -1;
	ret->id = get16(p);
	if (p[2] & OPCODE)
		return DNS_UNKNOWN;
	size_t at = get16(p + 4) == 1 ? read_name(p, n, DNS_HEADER, ret->name) : 0;
	if (!at || n - at < 4)
		return DNS_BAD;
	ret->type = get16(p + at);
	ret->class_ = get16(p + at + 2);
	ret->end = at + 4;
	return 0;
}

static bool reverse4(const char *name, struct addr *ret)
{
	unsigned b[4];
	int used = 0;
	if (sscanf(name, "%3u.%3u.%3u.%3u.in-addr.arpa%n", &b[3], &b[2], &b[1], &b[0], &used) != 4 || !used || name[used])
		return false;
	*ret = (struct addr){.len = 4};
	for (int i = 0; i < 4; i++) {
		if (b[i] > 255)
			return false;
		ret->b[i] = (uint8_t)b[i];
	}
	return true;
}

static bool reverse6(const char *name, struct addr *ret)
{
	static const char digits[] = "0123456789abcdef";
	*ret = (struct addr){.len = 16};
	for (int i = 31; i >= 0; i--, name += 2) {
		const char *d = *name ? strchr(digits, *name) : NULL;
		if (!d || name[1] != '.')
			return false;
		ret->b[i / 2] |= (uint8_t)((d - digits) << (i & 1 ? 0 : 4));
	}
	return strcmp(name, "ip6.arpa") == 0;
}

bool dns_reverse(const char *name, struct addr *ret)
{
	return reverse4(name, ret) || reverse6(name, ret);
}

static size_t begin(const uint8_t *question, size_t question_end, int code, uint8_t *out, size_t room)
{
	if (room < question_end)
		return 0;
	memcpy(out, question, question_end);
	out[2] = (uint8_t)(QR | (question[2] & (OPCODE | RD)));
	out[3] = (uint8_t)(RA | code);
	put16(out + 4, question_end > DNS_HEADER);
	memset(out + 6, 0, 6);
	return question_end;
}

size_t dns_error(const uint8_t *question, size_t n, int code, uint8_t *out, size_t room)
{
	struct dns_question q;
	int bad = n < DNS_HEADER ? -1 : dns_parse(question, n, &q);
	return n < DNS_HEADER ? 0 : begin(question, bad == 0 ? q.end : DNS_HEADER, code, out, room);
}

/* One record about the name of the question. */
static size_t record(uint8_t *out, size_t at, size_t room, unsigned type, const void *data, size_t len)
{
	if (room - at < 12 + len) {
		out[2] |= TC;
		return at;
	}
	put16(out + at, 0xc000 | DNS_HEADER);
	put16(out + at + 2, type);
	put16(out + at + 4, 1);
	put16(out + at + 6, 0);
	put16(out + at + 8, TTL);
	put16(out + at + 10, (unsigned)len);
	memcpy(out + at + 12, data, len);
	put16(out + 6, get16(out + 6) + 1U);
	return at + 12 + len;
}

size_t dns_addresses(const uint8_t *question, const struct dns_question *q, const struct addr *list, size_t count, uint8_t *out, size_t room)
{
	size_t at = begin(question, q->end, DNS_OK, out, room);
	/* Who asks again begins with another one. */
	for (size_t i = 0; at && i < count; i++) {
		const struct addr *a = &list[(i + q->id) % count];
		unsigned type = a->len == 4 ? DNS_A : DNS_AAAA;
		if (q->type == type || q->type == DNS_ANY)
			at = record(out, at, room, type, a->b, a->len);
	}
	return at;
}

size_t dns_pointer(const uint8_t *question, const struct dns_question *q, const char *name, uint8_t *out, size_t room)
{
	uint8_t data[DNS_NAME];
	size_t len = 0;
	for (const char *p = name; *p;) {
		size_t n = strcspn(p, ".");
		if (!n || n > 63 || len + n + 2 > sizeof data)
			return dns_error(question, q->end, DNS_NOT_THERE, out, room);
		data[len++] = (uint8_t)n;
		memcpy(data + len, p, n);
		len += n;
		p += n + (p[n] == '.');
	}
	data[len++] = 0;
	size_t at = begin(question, q->end, DNS_OK, out, room);
	return at ? record(out, at, room, DNS_PTR, data, len) : 0;
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 'a' - 'A') : c;
}

bool dns_answers(const uint8_t *answer, size_t n, const uint8_t *question, size_t question_len)
{
	struct dns_question q;
	if (dns_parse(question, question_len, &q) != 0 || n < DNS_HEADER || !(answer[2] & QR) || memcmp(answer, question, 2) != 0)
		return false;
	/* A refusal may leave the question away. */
	if (get16(answer + 4) == 0)
		return (answer[3] & 15) != 0;
	size_t name_end = q.end - 4;
	if (n < q.end || get16(answer + 4) != 1 || memcmp(answer + name_end, question + name_end, 4) != 0)
		return false;
	/* Byte for byte but for the case; a label's length is no letter. */
	for (size_t i = DNS_HEADER; i < name_end; i++)
		if (lower(answer[i]) != lower(question[i]))
			return false;
	return true;
}
