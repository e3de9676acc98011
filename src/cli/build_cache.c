/* SPDX-License-Identifier: Apache-2.0 */
/*
 * build_cache: --cache-from and --cache-to as buildx has them: a name, or type=KIND,NAME=VALUE…
 */
#include "cli/build_output.h"

#include "base/num.h"
#include "build/remote_cache.h"

static const char *const kinds[] = {[BUILD_CACHE_INLINE] = "inline", [BUILD_CACHE_REGISTRY] = "registry", [BUILD_CACHE_LOCAL] = "local"};
enum { I = 1 << BUILD_CACHE_INLINE, R = 1 << BUILD_CACHE_REGISTRY, L = 1 << BUILD_CACHE_LOCAL, FROM = 8, TO = 16 };

enum value { V_PLACE, V_MODE, V_IGNORE, V_COMPRESSION, V_LEVEL, V_FORCE, V_NOTHING };
static const struct key { const char *name; unsigned where; enum value value; } keys[] = {
	{"ref", R | FROM | TO, V_PLACE}, {"src", L | FROM, V_PLACE}, {"dest", L | TO, V_PLACE}, {"mode", R | L | TO, V_MODE},
	{"ignore-error", R | L | TO, V_IGNORE}, {"compression", R | TO, V_COMPRESSION}, {"compression-level", R | TO, V_LEVEL},
	{"force-compression", R | TO, V_FORCE},
	/* Always so here. */
	{"oci-mediatypes", R | L | TO, V_NOTHING}, {"image-manifest", R | L | TO, V_NOTHING}, {"reset", L | TO, V_NOTHING},
};

static int wrong(struct err *e, const char *flag, const char *text, const char *why)
{
	return err_set(e, ERR_USAGE, "invalid %s \"%.200s\": %.300s", flag, text, why);
}

static int set(struct build_cache *c, const struct key *k, const char *v, const char *flag, const char *text, struct arena *a, struct err *e)
{
	bool yes = str_eq(v, "true") || str_eq(v, "1");
	uint64_t n;
	switch (k->value) {
	case V_PLACE: c->place = arena_dup(a, v); return *v ? 0 : wrong(e, flag, text, "the place is empty");
	case V_MODE:
		c->max = str_eq(v, "max");
		return c->max || str_eq(v, "min") ? 0 : wrong(e, flag, text, "mode: min and max are known");
	case V_COMPRESSION:
		c->compression = arena_dup(a, v);
		return str_eq(v, "gzip") || str_eq(v, "zstd") ? 0 : wrong(e, flag, text, "compression: gzip and zstd are known");
	case V_LEVEL:
		if (num_u64(v, 22, &n, "compression-level", e) < 0)
			return -1;
		c->level = (int)n;
		return 0;
	case V_IGNORE: c->ignore_error = yes; break;
	case V_FORCE: c->force_compression = yes; break;
	case V_NOTHING: break;
	}
	return yes || str_eq(v, "false") || str_eq(v, "0") ? 0 : wrong(e, flag, text, "true and false are known");
}

static int read_word(struct build_cache *c, char *word, unsigned way, const char *flag, const char *text, struct arena *a, struct err *e)
{
	char *eq = strchr(word, '=');
	if (!eq)
		return wrong(e, flag, text, "as in type=registry,ref=NAME");
	*eq++ = 0;
	if (strcmp(word, "type") == 0)
		return 0;
	for (size_t i = 0; i < countof(keys); i++)
		if (keys[i].where & way && keys[i].where & 1u << c->kind && strcmp(keys[i].name, word) == 0)
			return set(c, &keys[i], eq, flag, text, a, e);
	own(mem) char *why = mem_printf("type=%s has no %.60s", kinds[c->kind], word);
	return wrong(e, flag, text, why);
}

static int read_one(const char *text, unsigned way, const char *flag, struct arena *a, struct build_cache *c, struct err *e)
{
	own(strv) struct strv words = {};
	const char *type = NULL;
	if (!strchr(text, '=')) {
		*c = (struct build_cache){.kind = BUILD_CACHE_REGISTRY, .place = arena_dup(a, text), .near = true};
		return *text ? 0 : wrong(e, flag, text, "a name, or type=KIND");
	}
	strv_split(&words, text, ',');
	for (size_t i = 0; i < words.n; i++)
		if (str_has_prefix(words.v[i], "type="))
			type = words.v[i] + 5;
	size_t k = 0;
	while (type && k < countof(kinds) && strcmp(kinds[k], type) != 0)
		k++;
	if (!type || k == countof(kinds) || (k == BUILD_CACHE_INLINE && way == FROM))
		return wrong(e, flag, text, way == FROM ? "the type is registry or local (what was exported inline is in a registry)"
			: "the type is inline, registry or local");
	*c = (struct build_cache){.kind = (enum build_cache_kind)k};
	for (size_t i = 0; i < words.n; i++)
		if (read_word(c, words.v[i], way, flag, text, a, e) < 0)
			return -1;
	if (!c->place && k != BUILD_CACHE_INLINE)
		return wrong(e, flag, text, k == BUILD_CACHE_REGISTRY ? "ref is missing" : way == FROM ? "src is missing" : "dest is missing");
	return 0;
}

int build_cache_read(const struct strv *from, const struct strv *to, struct arena *a, struct build_request *q, struct err *e)
{
	for (size_t i = 0; i < from->n; i++)
		if (read_one(from->v[i], FROM, "--cache-from", a, arena_push(a, &q->cache_from), e) < 0)
			return -1;
	for (size_t i = 0; i < to->n; i++)
		if (read_one(to->v[i], TO, "--cache-to", a, arena_push(a, &q->cache_to), e) < 0)
			return -1;
	return 0;
}
