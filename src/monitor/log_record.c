/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing is on the path of every byte a container prints, in a process that allocates nothing, so records are put
 * together in the caller's buffer. Escaping is docker's: quote, backslash, \n and \r by their letters, other
 * control characters and < > & as \u00xx, U+2028 and U+2029 as \u202x, every byte that is not UTF-8 as \ufffd.
 *
 * Reading takes exactly what is written (keys in this order), in any escaping JSON allows; a line that
 * is something else is not ours and is skipped.
 */
#include "monitor/log_record.h"

#include "base/num.h"
#include "base/str.h"

#include <endian.h>
#include <string.h>

static const char hex[] = "0123456789abcdef";

size_t log_record_room(size_t text, size_t attrs)
{
	return text * 6 + attrs + 160;
}

void log_format_time(int64_t ns, char out[static LOG_TIME_TEXT])
{
	num_format_time(ns, out);
	char *z = strchr(out, 'Z'), *end = z;
	if (!z)
		return;
	while (end > out && end[-1] == '0')
		end--;
	if (end > out && end[-1] == '.')
		end--;
	memcpy(end, "Z", 2);
}

size_t log_cut_character(const char *p, size_t n)
{
	for (size_t back = 1; back <= 3 && back <= n; back++) {
		unsigned c = (unsigned char)p[n - back];
		if ((c & 0xc0) == 0x80)
			continue;
		size_t len = c < 0xc2 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 1;
		return len > back ? back : 0;
	}
	return 0;
}

/* ASCII that stands for itself: all but control characters and " & < > and backslash. */
static const bool plain[256] = {
	[0x20 ... 0x21] = true, [0x23 ... 0x25] = true, [0x27 ... 0x3b] = true, [0x3d] = true, [0x3f ... 0x5b] = true,
	[0x5d ... 0x7f] = true,
};

static char *put_ascii(char *to, unsigned char c)
{
	*to++ = '\\';
	if (c == '"' || c == '\\') {
		*to++ = (char)c;
	} else if (c == '\n' || c == '\r') {
		*to++ = c == '\n' ? 'n' : 'r';
	} else {
		memcpy(to, "u00", 3);
		to[3] = hex[c >> 4];
		to[4] = hex[c & 15];
		to += 5;
	}
	return to;
}

static char *put_escaped(char *to, const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n;) {
		if (plain[p[i]]) {
			*to++ = (char)p[i++];
			continue;
		}
		if (p[i] < 0x80) {
			to = put_ascii(to, p[i++]);
			continue;
		}
		size_t len = str_utf8((const char *)p + i, n - i);
		if (len == 0) {
			to = mempcpy(to, "\\ufffd", 6);
			i++;
		} else if (len == 3 && p[i] == 0xe2 && p[i + 1] == 0x80 && (p[i + 2] | 1) == 0xa9) {
			to = mempcpy(to, "\\u202", 5);
			*to++ = hex[p[i + 2] & 15];
			i += 3;
		} else {
			to = mempcpy(to, p + i, len);
			i += len;
		}
	}
	return to;
}

#define put_literal(to, text) mempcpy((to), (text), sizeof(text) - 1)

static size_t docker_put(char *to, const struct log_line *l)
{
	char *at = put_literal(to, "{\"log\":\"");
	at = put_escaped(at, (const unsigned char *)l->text, l->n);
	if (l->complete)
		at = put_literal(at, "\\n");
	at = l->stream == 2 ? put_literal(at, "\",\"stream\":\"stderr\"") : put_literal(at, "\",\"stream\":\"stdout\"");
	if (l->nattrs) {
		at = put_literal(at, ",\"attrs\":");
		at = mempcpy(at, l->attrs, l->nattrs);
	}
	at = put_literal(at, ",\"time\":\"");
	at = mempcpy(at, l->time_text, strlen(l->time_text));
	at = put_literal(at, "\"}\n");
	return (size_t)(at - to);
}

static int hex4(const char *p)
{
	int v = 0;
	for (int i = 0; i < 4; i++) {
		int c = (unsigned char)p[i] | 32;
		int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
		if (digit < 0)
			return -1;
		v = v << 4 | digit;
	}
	return v;
}

static char *put_character(char *to, unsigned c)
{
	if (c < 0x80) {
		*to++ = (char)c;
	} else if (c < 0x800) {
		*to++ = (char)(0xc0 | c >> 6);
		*to++ = (char)(0x80 | (c & 63));
	} else if (c < 0x10000) {
		*to++ = (char)(0xe0 | c >> 12);
		*to++ = (char)(0x80 | (c >> 6 & 63));
		*to++ = (char)(0x80 | (c & 63));
	} else {
		*to++ = (char)(0xf0 | c >> 18);
		*to++ = (char)(0x80 | (c >> 12 & 63));
		*to++ = (char)(0x80 | (c >> 6 & 63));
		*to++ = (char)(0x80 | (c & 63));
	}
	return to;
}

/* One escape sequence at *p ("\…"); false when it is none. */
static bool get_escape(const char **p, const char *end, char **to)
{
	static const char letters[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
	const char *at = *p + 1;
	const char *letter = at < end && *at ? strchr(letters, *at) : NULL;
	if (letter) {
		*(*to)++ = bytes[letter - letters];
		*p = at + 1;
		return true;
	}
	int c = end - at >= 5 && *at == 'u' ? hex4(at + 1) : -1;
	if (c < 0)
		return false;
	at += 5;
	int low = (c & 0xfc00) == 0xd800 && end - at >= 6 && at[0] == '\\' && at[1] == 'u' ? hex4(at + 2) : -1;
	if (low >= 0 && (low & 0xfc00) == 0xdc00) {
		c = 0x10000 + ((c & 0x3ff) << 10) + (low & 0x3ff);
		at += 6;
	} else if ((c & 0xf800) == 0xd800) {
		c = 0xfffd;
	}
	*to = put_character(*to, (unsigned)c);
	*p = at;
	return true;
}

/* The string whose first character is at *p, up to its closing quote. */
static bool get_string(const char **p, const char *end, char **to)
{
	while (*p < end && **p != '"') {
		if (**p == '\\') {
			if (!get_escape(p, end, to))
				return false;
		} else {
			*(*to)++ = *(*p)++;
		}
	}
	return (*p)++ < end;
}

static bool get_literal(const char **p, const char *end, const char *text)
{
	size_t n = strlen(text);
	if ((size_t)(end - *p) < n || memcmp(*p, text, n) != 0)
		return false;
	*p += n;
	return true;
}

static bool get_object(const char **p, const char *end)
{
	int depth = 0;
	bool quoted = false;
	for (; *p < end; (*p)++) {
		char c = **p;
		if (quoted) {
			if (c == '\\')
				(*p)++;
			else if (c == '"')
				quoted = false;
		} else if (c == '"') {
			quoted = true;
		} else if (c == '{') {
			depth++;
		} else if (c == '}' && --depth == 0) {
			(*p)++;
			return *p <= end;
		}
	}
	return false;
}

static bool docker_take(const char *p, const char *end, char *scratch, struct log_line *ret)
{
	char *to = scratch;
	if (!get_literal(&p, end, "{\"log\":\"") || !get_string(&p, end, &to))
		return false;
	ret->text = scratch;
	ret->n = (size_t)(to - scratch);
	ret->complete = ret->n && to[-1] == '\n';
	if (!get_literal(&p, end, ",\"stream\":\"std"))
		return false;
	ret->stream = get_literal(&p, end, "out\"") ? 1 : get_literal(&p, end, "err\"") ? 2 : 0;
	if (!ret->stream)
		return false;
	if (get_literal(&p, end, ",\"attrs\":")) {
		const char *begin = p;
		if (!get_object(&p, end))
			return false;
		ret->nattrs = (size_t)(p - begin);
		ret->attrs = to;
		to = mempcpy(to, begin, ret->nattrs);
		*to++ = 0;
	}
	char *time = to;
	if (!get_literal(&p, end, ",\"time\":\"") || !get_string(&p, end, &to))
		return false;
	*to = 0;
	ret->time_ns = num_time_of(time);
	return end - p == 1 && *p == '}';
}

static size_t docker_get(const char *p, size_t n, char *scratch, struct log_line *ret, bool *valid)
{
	const char *end = memchr(p, '\n', n);
	if (!end)
		return 0;
	*ret = (struct log_line){};
	*valid = docker_take(p, end, scratch, ret);
	return (size_t)(end - p) + 1;
}

static size_t docker_last(const char *p, size_t n)
{
	if (n == 0 || p[n - 1] != '\n')
		return n;
	const char *before = memrchr(p, '\n', n - 1);
	return before ? (size_t)(before - p) + 1 : 0;
}

enum { LOCAL_HEAD = 14, LOCAL_TAIL = 4 };

static void put_u32(char *to, uint32_t v)
{
	v = htobe32(v);
	memcpy(to, &v, sizeof v);
}

static uint32_t get_u32(const char *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof v);
	return be32toh(v);
}

static size_t local_put(char *to, const struct log_line *l)
{
	uint64_t time = htobe64((uint64_t)l->time_ns);
	put_u32(to, (uint32_t)l->n);
	to[4] = (char)l->stream;
	to[5] = l->complete;
	memcpy(to + 6, &time, sizeof time);
	memcpy(to + LOCAL_HEAD, l->text, l->n);
	put_u32(to + LOCAL_HEAD + l->n, (uint32_t)l->n);
	return LOCAL_HEAD + l->n + LOCAL_TAIL;
}

static size_t local_get(const char *p, size_t n, char *scratch, struct log_line *ret, bool *valid)
{
	if (n < LOCAL_HEAD)
		return 0;
	size_t len = get_u32(p);
	*valid = len <= LOG_LINE_MAX && (p[4] == 1 || p[4] == 2) && (p[5] == 0 || p[5] == 1);
	if (!*valid)
		return n;
	if (n < LOCAL_HEAD + len + LOCAL_TAIL)
		return 0;
	*valid = get_u32(p + LOCAL_HEAD + len) == len;
	if (!*valid)
		return n;
	uint64_t time;
	memcpy(&time, p + 6, sizeof time);
	memcpy(scratch, p + LOCAL_HEAD, len);
	*ret = (struct log_line){.stream = p[4], .complete = p[5], .time_ns = (int64_t)be64toh(time), .text = scratch, .n = len};
	if (ret->complete)
		scratch[ret->n++] = '\n';
	return LOCAL_HEAD + len + LOCAL_TAIL;
}

static size_t local_last(const char *p, size_t n)
{
	if (n < LOCAL_HEAD + LOCAL_TAIL)
		return n;
	size_t len = get_u32(p + n - LOCAL_TAIL), whole = LOCAL_HEAD + len + LOCAL_TAIL;
	if (len > LOG_LINE_MAX || whole > n)
		return n;
	p += n - whole;
	return get_u32(p) == len && (p[4] == 1 || p[4] == 2) && (p[5] == 0 || p[5] == 1) ? n - whole : n;
}

const struct log_format log_formats[2] = {
	[LOG_JSON_FILE] = {docker_put, docker_get, docker_last},
	[LOG_LOCAL] = {local_put, local_get, local_last},
};
