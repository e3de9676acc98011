/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http: a head is parsed when all of it is there: lines first, then the request line, then one header after the other, last the length of the body,
 * for which all headers are needed. A body is a small state machine that is fed with whatever came, byte by byte outside of the data and by the
 * piece within, so that nothing of it is ever copied here.
 */
#include "codec/http.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { SIZE_LINE_MAX = 4096, TRAILER_MAX = 16 << 10 };

size_t http_head_end(const char *p, size_t n)
{
	const char *end = n >= 4 ? memmem(p, n, "\r\n\r\n", 4) : NULL;
	return end ? (size_t)(end - p) + 4 : 0;
}

static bool is_token_char(unsigned char c)
{
	return isalnum(c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_token(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!is_token_char((unsigned char)s[i]))
			return false;
	return n > 0;
}

static int hex_of(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* %41 and, in a query, + for a blank. NULL: it is no text. */
static char *decode(struct arena *a, const char *s, size_t n, bool plus)
{
	char *out = arena_alloc(a, n + 1);
	size_t len = 0;
	for (size_t i = 0; i < n; i++) {
		char c = s[i];
		if (c == '%') {
			int hi = i + 2 < n ? hex_of(s[i + 1]) : -1, lo = i + 2 < n ? hex_of(s[i + 2]) : -1;
			if (hi < 0 || lo < 0 || (c = (char)(hi << 4 | lo)) == 0)
				return NULL;
			i += 2;
		} else if (plus && c == '+') {
			c = ' ';
		}
		out[len++] = c;
	}
	return out;
}

static int parse_query(struct arena *a, const char *s, struct map *ret, struct err *e)
{
	while (*s) {
		size_t n = strcspn(s, "&"), key = strcspn(s, "=&");
		if (n) {
			struct pair *p = arena_push(a, ret);
			p->key = decode(a, s, key, true);
			p->value = key < n ? decode(a, s + key + 1, n - key - 1, true) : arena_dup(a, "");
			if (!p->key || !p->value)
				return err_set(e, ERR_USAGE, "malformed query: %.*s", (int)(n < 200 ? n : 200), s);
		}
		s += n + (s[n] == '&');
	}
	return 0;
}

/* origin-form, or absolute-form whose host does not matter. */
static int parse_target(struct arena *a, const char *target, struct http_request *r, struct err *e)
{
	const char *p = target;
	if (strncasecmp(p, "http://", 7) == 0) {
		p += 7 + strcspn(p + 7, "/?");
		if (*p == 0)
			p = "/";
	}
	size_t n = strcspn(p, "?#");
	r->path = *p == '/' ? decode(a, p, n, false) : NULL;
	if (!r->path)
		return err_set(e, ERR_USAGE, "malformed request target: %.200s", target);
	if (p[n] != '?')
		return 0;
	return parse_query(a, arena_ndup(a, p + n + 1, strcspn(p + n + 1, "#")), &r->query, e);
}

static int parse_line(struct arena *a, const char *line, size_t n, struct http_request *r, struct err *e)
{
	const char *sp = memchr(line, ' ', n);
	const char *version = sp ? memrchr(line, ' ', n) : NULL;
	if (!sp || version == sp || !is_token(line, (size_t)(sp - line)))
		return err_set(e, ERR_USAGE, "malformed request line");
	size_t len = n - (size_t)(version + 1 - line);
	if (len != 8 || memcmp(version + 1, "HTTP/", 5) != 0)
		return err_set(e, ERR_USAGE, "malformed request line");
	if (memcmp(version + 1, "HTTP/1.", 7) != 0 || (version[8] != '0' && version[8] != '1'))
		return err_set(e, ERR_UNSUPPORTED, "this is a server of HTTP/1.1");
	r->minor = (unsigned)(version[8] - '0');
	r->method = arena_ndup(a, line, (size_t)(sp - line));
	char *target = arena_ndup(a, sp + 1, (size_t)(version - sp - 1));
	for (const char *p = target; *p; p++)
		if ((unsigned char)*p <= ' ' || *p == 127)
			return err_set(e, ERR_USAGE, "malformed request target");
	return parse_target(a, target, r, e);
}

static int parse_header(struct arena *a, const char *line, size_t n, struct http_request *r, struct err *e)
{
	const char *colon = memchr(line, ':', n);
	if (!colon || !is_token(line, (size_t)(colon - line)))
		return err_set(e, ERR_USAGE, "malformed header line");
	if (r->headers.n == HTTP_HEADERS_MAX)
		return err_set(e, ERR_USAGE, "more than %d header lines", HTTP_HEADERS_MAX);
	const char *value = colon + 1, *end = line + n;
	while (value < end && (*value == ' ' || *value == '\t'))
		value++;
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	struct pair *p = arena_push(a, &r->headers);
	p->key = arena_ndup(a, line, (size_t)(colon - line));
	p->value = arena_ndup(a, value, (size_t)(end - value));
	for (char *c = p->key; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	return 0;
}

/* RFC 9112, 6.3: one length, said once. */
static int parse_length(struct http_request *r, struct err *e)
{
	const char *length = NULL;
	bool coded = false;
	for (size_t i = 0; i < r->headers.n; i++) {
		const struct pair *p = &r->headers.v[i];
		if (strcmp(p->key, "transfer-encoding") == 0) {
			if (coded || strcasecmp(p->value, "chunked") != 0)
				return err_set(e, ERR_UNSUPPORTED, "Transfer-Encoding: %.100s: chunked alone is known", p->value);
			coded = true;
		} else if (strcmp(p->key, "content-length") == 0) {
			if (length && strcmp(length, p->value) != 0)
				return err_set(e, ERR_USAGE, "two lengths of one body");
			length = p->value;
		}
	}
	if (coded && (length || r->minor == 0))
		return err_set(e, ERR_USAGE, "a body in chunks %s", length ? "has no Content-Length" : "needs HTTP/1.1");
	r->is_chunked = coded;
	for (const char *c = length; c && (*c || c == length); c++) {
		if (!isdigit((unsigned char)*c) || r->length > (uint64_t)INT64_MAX / 10 - 1)
			return err_set(e, ERR_USAGE, "malformed Content-Length");
		r->length = r->length * 10 + (uint64_t)(*c - '0');
	}
	return 0;
}

int http_parse_request(const char *head, size_t n, struct arena *a, struct http_request *ret, struct err *e)
{
	*ret = (struct http_request){};
	bool first = true;
	if (memchr(head, 0, n))
		return err_set(e, ERR_USAGE, "a NUL in the head of a request");
	for (const char *p = head, *end = head + n; p < end;) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		if (!nl || nl == p || nl[-1] != '\r' || memchr(p, '\r', (size_t)(nl - p - 1)))
			return err_set(e, ERR_USAGE, "malformed line end in the head of a request");
		size_t len = (size_t)(nl - p - 1);
		if (len == 0 && !first)
			break;
		if ((first ? parse_line(a, p, len, ret, e) : parse_header(a, p, len, ret, e)) < 0)
			return -1;
		first = false;
		p = nl + 1;
	}
	const char *connection = http_header(ret, "connection");
	ret->keep_alive = ret->minor >= 1 ? !http_has_token(connection, "close") : http_has_token(connection, "keep-alive");
	return parse_length(ret, e);
}

static const char *last_of(const struct map *m, const char *name)
{
	for (size_t i = m->n; i > 0; i--)
		if (strcmp(m->v[i - 1].key, name) == 0)
			return m->v[i - 1].value;
	return NULL;
}

const char *http_header(const struct http_request *r, const char *name)
{
	return last_of(&r->headers, name);
}

const char *http_query(const struct http_request *r, const char *name)
{
	return last_of(&r->query, name);
}

bool http_has_token(const char *list, const char *word)
{
	size_t want = strlen(word);
	for (const char *p = list; p && *p;) {
		p += strspn(p, ", \t");
		size_t n = strcspn(p, ",");
		size_t len = n;
		while (len && (p[len - 1] == ' ' || p[len - 1] == '\t'))
			len--;
		if (len == want && strncasecmp(p, word, len) == 0)
			return true;
		p += n;
	}
	return false;
}

const char *http_reason(int status)
{
	static const struct { int status; const char *words; } reasons[] = {{101, "UPGRADED"}, {200, "OK"}, {201, "Created"}, {204, "No Content"},
		{304, "Not Modified"}, {400, "Bad Request"}, {403, "Forbidden"}, {404, "Not Found"}, {405, "Method Not Allowed"}, {409, "Conflict"},
		{413, "Content Too Large"}, {431, "Request Header Fields Too Large"}, {500, "Internal Server Error"}, {501, "Not Implemented"},
		{502, "Bad Gateway"}, {503, "Service Unavailable"}, {504, "Gateway Timeout"}, {505, "HTTP Version Not Supported"}, {507, "Insufficient Storage"}};
	for (size_t i = 0; i < countof(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].words;
	return "Unknown";
}

struct http_body http_body_of(const struct http_request *r)
{
	if (r->is_chunked)
		return (struct http_body){.at = HTTP_BODY_SIZE, .is_chunked = true};
	return (struct http_body){.at = r->length ? HTTP_BODY_DATA : HTTP_BODY_END, .left = r->length};
}

/* One byte of a chunk's first line: digits, then perhaps an extension, which nobody asked for. */
static int size_byte(struct http_body *b, char c, struct err *e)
{
	if (++b->line > SIZE_LINE_MAX)
		return err_set(e, ERR_USAGE, "a chunk's line is too long");
	if (c == '\n') {
		if (!b->has_digit)
			return err_set(e, ERR_USAGE, "a chunk without a size");
		b->at = b->left ? HTTP_BODY_DATA : HTTP_BODY_TRAILER;
		b->line = 0;
		b->has_digit = b->in_extension = false;
		return 0;
	}
	int digit = hex_of(c);
	if (b->in_extension || c == '\r')
		return 0;
	if (c == ';' || c == ' ' || c == '\t') {
		b->in_extension = true;
		return 0;
	}
	if (digit < 0 || b->left >> 58)
		return err_set(e, ERR_USAGE, "malformed size of a chunk");
	b->left = b->left << 4 | (unsigned)digit;
	b->has_digit = true;
	return 0;
}

static int line_byte(struct http_body *b, char c, struct err *e)
{
	if (b->has_cr && c != '\n')
		return err_set(e, ERR_USAGE, "a bare CR between the chunks of a body");
	b->has_cr = c == '\r';
	if (b->at == HTTP_BODY_SIZE)
		return size_byte(b, c, e);
	if (b->at == HTTP_BODY_BREAK) { /* CRLF behind a chunk's data */
		if (c == '\n')
			b->at = HTTP_BODY_SIZE, b->line = 0;
		else if (c != '\r' || b->line++)
			return err_set(e, ERR_USAGE, "a chunk is longer than it says");
		return 0;
	}
	/* Trailers are read and forgotten; `left` counts all of them, `line` those of this one. */
	if (++b->left > TRAILER_MAX)
		return err_set(e, ERR_USAGE, "the trailer of a body is too long");
	if (c == '\n') {
		b->at = b->line == 0 ? HTTP_BODY_END : HTTP_BODY_TRAILER;
		b->line = 0;
	} else if (c != '\r') {
		b->line++;
	}
	return 0;
}

ssize_t http_body_feed(struct http_body *b, const char *p, size_t n, const char **ret, size_t *ret_n, struct err *e)
{
	size_t used = 0;
	*ret = NULL;
	*ret_n = 0;
	while (used < n && b->at != HTTP_BODY_END) {
		if (b->at == HTTP_BODY_DATA) {
			size_t take_n = n - used < b->left ? n - used : (size_t)b->left;
			*ret = p + used;
			*ret_n = take_n;
			b->left -= take_n;
			if (b->left == 0)
				b->at = b->is_chunked ? HTTP_BODY_BREAK : HTTP_BODY_END;
			return (ssize_t)(used + take_n);
		}
		if (line_byte(b, p[used++], e) < 0)
			return -1;
	}
	return (ssize_t)used;
}
