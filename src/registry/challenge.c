/* SPDX-License-Identifier: Apache-2.0 */
/*
 * challenge: a word that is not followed by "=" begins a new scheme; everything else is name=token or name="quoted".
 */
#include "registry/challenge.h"

#include "base/buf.h"

#include <strings.h>

void challenge_drop(struct challenge *c)
{
	mem_drop(&c->realm);
	mem_drop(&c->service);
	mem_drop(&c->scope);
	mem_drop(&c->error);
	c->kind = CHALLENGE_NONE;
}

static const char *skip(const char *p, const char *chars)
{
	return p + strspn(p, chars);
}

/* Reads a value, plain or quoted, into out; returns what follows. */
static const char *read_value(const char *p, struct buf *out)
{
	if (*p != '"') {
		size_t n = strcspn(p, ", \t");
		buf_add(out, p, n);
		return p + n;
	}
	for (p++; *p && *p != '"'; p++) {
		if (*p == '\\' && p[1])
			p++;
		buf_char(out, *p);
	}
	return *p ? p + 1 : p;
}

static void set(struct challenge *c, const char *name, size_t n, const char *value)
{
	const struct { const char *name; char **to; } rows[] = {
		{"realm", &c->realm}, {"service", &c->service}, {"scope", &c->scope}, {"error", &c->error},
	};
	for (size_t i = 0; i < countof(rows); i++)
		if (strlen(rows[i].name) == n && strncasecmp(rows[i].name, name, n) == 0 && !*rows[i].to)
			*rows[i].to = mem_dup(value);
}

static void offer(struct challenge *best, struct challenge *c)
{
	bool good = c->kind == CHALLENGE_BASIC || (c->kind == CHALLENGE_BEARER && !str_is_empty(c->realm));
	if (good && c->kind > best->kind) {
		challenge_drop(best);
		*best = *c;
		*c = (struct challenge){};
	}
	challenge_drop(c);
}

static void parse_one(const char *p, struct challenge *best)
{
	struct challenge c = {};
	for (p = skip(p, ", \t"); *p; p = skip(p, ", \t")) {
		size_t n = strcspn(p, "=, \t");
		const char *after = skip(p + n, " \t");
		if (n && *after == '=') {
			own(buf) struct buf value = BUF(8192);
			after = read_value(skip(after + 1, " \t"), &value);
			set(&c, p, n, buf_text(&value));
		} else if (n) {
			offer(best, &c);
			c.kind = n == 5 && strncasecmp(p, "Basic", n) == 0 ? CHALLENGE_BASIC
				: n == 6 && strncasecmp(p, "Bearer", n) == 0 ? CHALLENGE_BEARER : CHALLENGE_NONE;
		} else {
			break; /* "=" without a name: nothing to be made of the rest */
		}
		p = after;
	}
	offer(best, &c);
}

void challenge_parse(const struct strv *headers, struct challenge *ret)
{
	*ret = (struct challenge){};
	for (size_t i = 0; i < headers->n; i++)
		parse_one(headers->v[i], ret);
}
