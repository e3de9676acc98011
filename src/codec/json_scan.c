/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_scan: the words of a JSON text, before json-c puts them together. json-c is lax even when told to
 * be strict: it takes NaN, 'single quotes', raw control characters, 1., -01, overlong UTF-8, cuts keys at a
 * \u0000 and bends integers of more than 64 bits to the nearest. Two readers of one document must not see
 * two documents, so all of that is refused here.
 */
#include "codec/json_scan.h"

#include "base/str.h"

#include <string.h>

struct scan {
	const char *at, *end;
	bool nul; /* the last string had a \u0000 */
};

static char peek(const struct scan *s)
{
	return s->at < s->end ? *s->at : 0;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool digits(struct scan *s)
{
	const char *from = s->at;
	while (is_digit(peek(s)))
		s->at++;
	return s->at > from;
}

static const char *utf8(struct scan *s)
{
	size_t n = str_utf8(s->at, (size_t)(s->end - s->at));
	s->at += n;
	return n ? NULL : "invalid UTF-8";
}

static const char *escape(struct scan *s)
{
	char c = peek(s);
	if (!c || !strchr("\"\\/bfnrtu", c))
		return "an unknown escape in a string";
	s->at++;
	if (c != 'u')
		return NULL;
	s->nul |= s->end - s->at >= 4 && memcmp(s->at, "0000", 4) == 0;
	for (int i = 0; i < 4; i++, s->at++)
		if (!is_hex(peek(s)))
			return "an unknown escape in a string";
	return NULL;
}

/* Behind its first quote. */
static const char *string(struct scan *s)
{
	const char *why = NULL;
	s->nul = false;
	while (!why && s->at < s->end) {
		unsigned char c = (unsigned char)*s->at;
		if (c < 0x20)
			return "a control character in a string";
		if (c >= 0x80) {
			why = utf8(s);
			continue;
		}
		s->at++;
		if (c == '"')
			return NULL;
		if (c == '\\')
			why = escape(s);
	}
	return why ? why : "a string without end";
}

static bool fits(const char *p, const char *end)
{
	bool negative = *p == '-';
	uint64_t v = 0;
	for (p += negative; p < end; p++)
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
			return false;
	return !negative || v <= (uint64_t)INT64_MAX + 1;
}

static const char *number(struct scan *s)
{
	const char *from = s->at;
	bool whole = true;
	s->at += peek(s) == '-';
	char first = peek(s);
	bool ok = digits(s) && (first != '0' || s->at - from == (*from == '-') + 1);
	if (ok && peek(s) == '.') {
		s->at++;
		ok = digits(s);
		whole = false;
	}
	if (ok && (peek(s) == 'e' || peek(s) == 'E')) {
		s->at++;
		s->at += peek(s) == '+' || peek(s) == '-';
		ok = digits(s);
		whole = false;
	}
	if (!ok)
		return "a malformed number";
	return whole && !fits(from, s->at) ? "a number of more than 64 bits" : NULL;
}

static const char *word(struct scan *s)
{
	static const char *const words[] = {"true", "false", "null"};
	for (size_t i = 0; i < countof(words); i++) {
		size_t n = strlen(words[i]);
		if ((size_t)(s->end - s->at) >= n && memcmp(s->at, words[i], n) == 0) {
			s->at += n;
			return NULL;
		}
	}
	return "an unexpected character";
}

static void blanks(struct scan *s)
{
	while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r'))
		s->at++;
}

int json_scan(const char *text, size_t len, struct err *e)
{
	struct scan s = {text, text + len, false};
	const char *why = NULL, *from = text;
	for (blanks(&s); !why && s.at < s.end; blanks(&s)) {
		char c = *s.at;
		from = s.at;
		if (c == '"') {
			s.at++;
			why = string(&s);
			blanks(&s);
			if (!why && s.nul && peek(&s) == ':')
				why = "a NUL character in a key";
		} else if (c == '-' || is_digit(c)) {
			why = number(&s);
		} else if (c && strchr("{}[]:,", c)) {
			s.at++;
		} else {
			why = word(&s);
		}
	}
	if (why)
		return err_set(e, ERR_CORRUPT, "JSON: %s at byte %zu", why, (size_t)(from - text));
	return 0;
}
