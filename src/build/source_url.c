/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source_url: what kind of place a source names, by its text alone.
 */
#include "build/fetch.h"
#include "build/git.h"

#include <ctype.h>

bool fetch_is_url(const char *text)
{
	return strncasecmp(text, "http://", 7) == 0 || strncasecmp(text, "https://", 8) == 0;
}

/* --- git --- */

static unsigned digit(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
}

/* A word of a query: %41 is A. */
static char *decode(struct arena *a, const char *text, size_t n)
{
	char *out = arena_ndup(a, text, n), *to = out;
	for (const char *p = out; *p; p++)
		if (*p == '%' && isxdigit((unsigned char)p[1]) && isxdigit((unsigned char)p[2])) {
			*to++ = (char)(digit(p[1]) << 4 | digit(p[2]));
			p += 2;
		} else {
			*to++ = *p;
		}
	*to = 0;
	return out;
}

enum kind { REF, TAG, BRANCH, SUBDIR, CHECKSUM, KEEP, SUBMODULES };
static const struct { const char *name; enum kind kind; } queries[] = {
	{"ref", REF}, {"tag", TAG}, {"branch", BRANCH}, {"subdir", SUBDIR}, {"checksum", CHECKSUM}, {"commit", CHECKSUM}, {"keep-git-dir", KEEP},
	{"submodules", SUBMODULES},
};

/* Once, or twice the same. */
static void set(struct arena *a, struct git_source *s, char **to, const char *prefix, const char *name, const char *value)
{
	char *whole = str_has_prefix(value, prefix) ? arena_dup(a, value) : arena_printf(a, "%s%s", prefix, value);
	if (!*value)
		s->wrong = arena_printf(a, "%s has no value", name);
	else if (!str_is_empty(*to) && strcmp(*to, whole) != 0)
		s->wrong = arena_printf(a, "%s is %.100s and %.100s", name, *to, whole);
	*to = whole;
}

static bool is_true(struct arena *a, struct git_source *s, const char *name, const char *value)
{
	bool yes = !*value || str_eq(value, "1") || str_eq(value, "true");
	if (!yes && !str_eq(value, "0") && !str_eq(value, "false"))
		s->wrong = arena_printf(a, "%s=%.40s: true and false are known", name, value);
	return yes;
}

static void read_query(struct arena *a, struct git_source *s, const char *query)
{
	for (const char *at = query; *at; at += strspn(at, "&")) {
		size_t n = strcspn(at, "&"), name_len = strcspn(at, "=&"), i = 0;
		const char *name = decode(a, at, name_len), *value = name_len < n ? decode(a, at + name_len + 1, n - name_len - 1) : "";
		at += n;
		while (i < countof(queries) && strcmp(queries[i].name, name) != 0)
			i++;
		if (i == countof(queries)) {
			s->wrong = arena_printf(a, "%.40s: ref, tag, branch, subdir, checksum, keep-git-dir and submodules are known", name);
			return;
		}
		switch (queries[i].kind) {
		case REF: set(a, s, &s->ref, "", name, value); break;
		case TAG: set(a, s, &s->ref, "refs/tags/", name, value); break;
		case BRANCH: set(a, s, &s->ref, "refs/heads/", name, value); break;
		case SUBDIR: set(a, s, &s->subdir, "", name, value); break;
		case CHECKSUM: set(a, s, &s->checksum, "", name, value); break;
		case KEEP: s->keep = is_true(a, s, name, value); break;
		case SUBMODULES: s->no_submodules = !is_true(a, s, name, value); break;
		}
	}
	/* A whole commit is what is fetched, part of one only a word about what the reference is to be. */
	if (s->checksum && !*s->ref && (strlen(s->checksum) == 40 || strlen(s->checksum) == 64))
		s->ref = s->checksum;
}

bool git_parse(const char *text, struct arena *a, struct git_source *ret)
{
	const char *hash = strchr(text, '#'), *at = strchr(text, '@'), *colon = strchr(text, ':');
	char *url = arena_ndup(a, text, hash ? (size_t)(hash - text) : strlen(text)), *query = strchr(url, '?');
	if (query)
		*query++ = 0;
	bool is_http = str_has_prefix(url, "http://") || str_has_prefix(url, "https://");
	bool is_scp = at && colon && at < colon && !strstr(url, "://") && !strchr(arena_ndup(a, text, (size_t)(at - text)), '/');
	if (!str_has_prefix(url, "git://") && !str_has_prefix(url, "ssh://") && !(is_http && str_has_suffix(url, ".git")) && !is_scp)
		return false;
	const char *rest = hash ? hash + 1 : "", *sep = strchr(rest, ':');
	*ret = (struct git_source){.url = url, .ref = arena_ndup(a, rest, sep ? (size_t)(sep - rest) : strlen(rest)),
		.subdir = arena_dup(a, sep ? sep + 1 : "")};
	if (query)
		read_query(a, ret, query);
	return true;
}
