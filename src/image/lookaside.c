/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lookaside: see lookaside.h. A line is KEY: or KEY: VALUE; a deeper line belongs to the map that the line before it opened.
 */
#include "image/lookaside.h"

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "codec/digest.h"
#include "codec/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_MAX = 1 << 20, DEPTH_MAX = 4 };
#define SYSTEM_FOLDER "/etc/containers/registries.d"
#define BUILT_IN      "file:///var/lib/containers/sigstore"

struct level { struct json *map; size_t indent; };
struct yaml {
	struct level v[DEPTH_MAX];
	size_t n;
	char *open; /* a key whose map, if it gets one, is deeper */
};

static bool end_of_text(const char *s)
{
	s += strspn(s, " \t");
	return !*s || *s == '#';
}

/* A plain or quoted text; *s behind it. NULL: neither. */
static char *scalar(char **s, bool is_key)
{
	char *at = *s, quote = *at == '"' || *at == '\'' ? *at : 0;
	if (quote) {
		char *shut = strchr(at + 1, quote);
		if (!shut || memchr(at, '\\', (size_t)(shut - at)))
			return NULL;
		*s = shut + 1;
		return mem_ndup(at + 1, (size_t)(shut - at - 1));
	}
	if (strchr("-?:,[]{}#&!|>%@`\t", *at) && !(is_key && *at == ':'))
		return NULL;
	size_t n = 0;
	for (; at[n]; n++)
		if ((is_key && at[n] == ':' && (!at[n + 1] || strchr(" \t", at[n + 1]))) || (n && at[n] == '#' && strchr(" \t", at[n - 1])))
			break;
	*s = at + n;
	while (n && strchr(" \t", at[n - 1]))
		n--;
	return n ? mem_ndup(at, n) : NULL;
}

static int add_line(struct yaml *y, char *line)
{
	size_t indent = strspn(line, " ");
	char *at = line + indent;
	while (y->n > 1 && indent < y->v[y->n - 1].indent)
		y->n--;
	if (y->open && indent > y->v[y->n - 1].indent) {
		if (y->n == DEPTH_MAX)
			return -1;
		struct json *map = json_new_object();
		json_set(y->v[y->n - 1].map, y->open, map);
		y->v[y->n++] = (struct level){map, indent};
	}
	mem_drop(&y->open);
	own(mem) char *key = indent == y->v[y->n - 1].indent ? scalar(&at, true) : NULL;
	at += strspn(at, " \t");
	if (!key || *at != ':' || json_has(y->v[y->n - 1].map, key))
		return -1;
	at += 1 + strspn(at + 1, " \t");
	if (end_of_text(at)) {
		y->open = take(key);
		return 0;
	}
	own(mem) char *value = strcmp(at, "{}") == 0 ? mem_dup("") : scalar(&at, false);
	if (!value || (!end_of_text(at) && strcmp(at, "{}") != 0))
		return -1;
	json_set_str(y->v[y->n - 1].map, key, value);
	return 0;
}

int lookaside_parse(const char *text, size_t len, struct json **ret, struct err *e)
{
	own(json) struct json *top = json_new_object();
	own(mem) char *copy = mem_ndup(text, len);
	struct yaml y = {.v = {{top, 0}}, .n = 1};
	size_t number = 0;
	if (memchr(text, 0, len))
		return err_set(e, ERR_CORRUPT, "a zero byte");
	for (char *line = copy, *next; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = 0;
		size_t n = strlen(line);
		if (n && line[n - 1] == '\r')
			line[n - 1] = 0;
		number++;
		if (end_of_text(line) || strcmp(line, "---") == 0)
			continue;
		if (add_line(&y, line) < 0) {
			mem_drop(&y.open);
			return err_set(e, ERR_CORRUPT, "line %zu: not a map of texts", number);
		}
	}
	mem_drop(&y.open);
	*ret = take(top);
	return 0;
}

static const char *url_of(const struct json *scope)
{
	const char *url = json_get_str(scope, "lookaside");
	return url ? url : json_get_str(scope, "sigstore");
}

/* In the first *best of the scopes: the narrowest counts, whichever file says it. */
static void find_in(const struct json *of, const struct strv *scopes, size_t *best, char **ret)
{
	for (size_t i = 0; i < *best; i++)
		if (url_of(json_get(of, scopes->v[i]))) {
			mem_drop(ret);
			*ret = mem_dup(url_of(json_get(of, scopes->v[i])));
			*best = i;
		}
}

static int read_file(int dir, const char *name, struct json **ret, struct err *e)
{
	own(buf) struct buf text = BUF(FILE_MAX);
	if (path_read(dir, name, &text, e) < 0 || lookaside_parse(buf_text(&text), text.len, ret, e) < 0)
		return err_wrap(e, "registries.d: %.100s", name);
	return 0;
}

static int read_folder(int dir, const struct ref *ref, char **ret, struct err *e)
{
	own(strv) struct strv names = {}, scopes = {};
	own(mem) char *rest = NULL;
	if (path_list(dir, ".", &names, e) < 0)
		return err_wrap(e, "registries.d");
	strv_sort(&names);
	ref_scopes(ref, &scopes);
	size_t best = scopes.n;
	for (size_t i = 0; i < names.n; i++) {
		own(json) struct json *j = NULL;
		if (!str_has_suffix(names.v[i], ".yaml"))
			continue;
		if (read_file(dir, names.v[i], &j, e) < 0)
			return -1;
		find_in(json_get(j, "docker"), &scopes, &best, ret);
		if (!rest)
			rest = mem_dup(url_of(json_get(j, "default-docker")));
	}
	if (!*ret)
		*ret = take(rest);
	return 0;
}

int lookaside_find(const struct ref *ref, const char *digest, char **ret_url, struct err *e)
{
	const char *home = getenv("HOME");
	own(mem) char *mine = mem_printf("%s/.config/containers/registries.d", home ? home : "/root");
	own(mem) char *base = NULL;
	own(fd) int dir = open(mine, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		dir = open(SYSTEM_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 && errno != ENOENT && errno != ENOTDIR)
		return err_sys(e, "registries.d");
	if (dir >= 0 && read_folder(dir, ref, &base, e) < 0)
		return -1;
	const char *from = base ? base : BUILT_IN;
	if (!str_has_prefix(from, "https://") && !str_has_prefix(from, "http://") && !str_has_prefix(from, "file:///"))
		return err_set(e, ERR_USAGE, "registries.d: lookaside \"%.200s\": must be a URL of https, http or file", from);
	size_t n = strlen(from);
	while (n && from[n - 1] == '/')
		n--;
	*ret_url = mem_printf("%.*s/%s@%.*s=%s", (int)n, from, ref->repository, (int)strcspn(digest, ":"), digest, digest_hex(digest));
	return 0;
}
