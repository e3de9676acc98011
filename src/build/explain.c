/* SPDX-License-Identifier: Apache-2.0 */
#include "build/explain.h"

#include "base/path.h"
#include "codec/digest.h"

#include <stdlib.h>

enum { ENTRY_MAX = 32 << 20, SHOWN = 100 };

static char *place_of(const struct step *x)
{
	char digest[DIGEST_TEXT] = "";
	struct err none = {};
	const struct build *b = x->b;
	own(mem) char *text = mem_printf("%s\n%s\n%u\n%u", b->context.path ? b->context.path : "", b->q->file ? b->q->file : "", x->s->stage->index, x->number);
	(void)!digest_of(text, strlen(text), digest, &none);
	return mem_printf("last/%s", digest_hex(digest));
}

int explain_note(const struct step *x, const char hex[65], struct err *e)
{
	own(mem) char *path = place_of(x);
	own(buf) struct buf known = BUF(128);
	struct err none = {};
	if (path_exists(x->b->cache.dir, path) && path_read(x->b->cache.dir, path, &known, &none) == 0 && known.len == 64 &&
		memcmp(known.data, hex, 64) == 0)
		return 0;
	return path_mkdirs(x->b->cache.dir, "last", 0700, e) < 0 || path_write(x->b->cache.dir, path, hex, 64, 0600, 0, e) < 0
		? err_wrap(e, "build cache") : 0;
}

/* One part, "name=LENGTH:value" or "name=[COUNT]"; false at the end. */
static bool next_part(const char **at, const char *end, char **ret_name, char **ret_value)
{
	const char *eq = memchr(*at, '=', (size_t)(end - *at)), *value = eq ? eq + 1 : NULL;
	if (!eq || value >= end)
		return false;
	size_t n = 0;
	if (*value == '[') {
		n = strcspn(value, "\n");
	} else {
		char *colon;
		n = strtoul(value, &colon, 10);
		value = colon + 1;
		/* A value that is not given is written as one byte. */
		if (n == 0 && value < end && *value == '\x01')
			n = 1;
	}
	if (n > (size_t)(end - value))
		return false;
	*ret_name = mem_ndup(*at, (size_t)(eq - *at));
	*ret_value = mem_ndup(value, n);
	*at = value + n < end ? value + n + 1 : end;
	return true;
}

static void show(struct buf *b, const char *value)
{
	own(mem) char *text = mem_ndup(value, strnlen(value, SHOWN));
	str_harmless(text);
	buf_printf(b, strcmp(value, "\x01") == 0 ? "nothing" : *value == '[' ? "%s of them" : "\"%s\"", text);
}

static char *compare(const char *was, size_t nwas, const char *now, size_t nnow)
{
	const char *a = was, *b = now;
	for (;;) {
		own(mem) char *name = NULL, *value = NULL, *other_name = NULL, *other = NULL;
		bool more = next_part(&a, was + nwas, &name, &value), others = next_part(&b, now + nnow, &other_name, &other);
		if (!more && !others)
			return mem_dup("its layer is not kept any more");
		if (more && others && strcmp(name, other_name) == 0 && strcmp(value, other) == 0)
			continue;
		own(buf) struct buf text = BUF(4096);
		buf_printf(&text, "%s: ", others ? other_name : name);
		if (more && others && strcmp(name, other_name) != 0)
			buf_str(&text, "it was not there before");
		else if (!more || !others)
			buf_str(&text, more ? "it is not there any more" : "it was not there before");
		else
			show(&text, value), buf_str(&text, " before, "), show(&text, other), buf_str(&text, " now");
		return buf_take(&text);
	}
}

char *explain_step(const struct step *x, const struct key *now)
{
	own(mem) char *place = place_of(x);
	own(buf) struct buf hex = BUF(128);
	own(buf) struct buf text = BUF(ENTRY_MAX);
	struct err none = {};
	if (!x->b->cache.read)
		return mem_dup("--no-cache");
	if (!path_exists(x->b->cache.dir, place) || path_read(x->b->cache.dir, place, &hex, &none) < 0)
		return mem_dup("nothing was done here before");
	own(mem) char *path = mem_printf("keys/%.64s", buf_text(&hex));
	if (!now->parts.len)
		return mem_dup("what it copies was not read before");
	if (!path_exists(x->b->cache.dir, path) || path_read(x->b->cache.dir, path, &text, &none) < 0)
		return mem_dup("what was done here before is not in the cache any more");
	const char *was = strchr(buf_text(&text), '\n');
	return was ? compare(was + 1, text.len - (size_t)(was + 1 - text.data), now->parts.data, now->parts.len) : mem_dup("unknown");
}
