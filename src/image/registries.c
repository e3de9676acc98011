/* SPDX-License-Identifier: Apache-2.0 */
/*
 * registries: see registries.h. An entry's prefix is one of the name's scopes (ref_scopes), the narrowest wins. What follows the prefix follows the
 * location; behind "*.example.com", which stands for any host below, that is what follows the host. A prefix with a tag or a digest is of one image:
 * that has the same tag or digest where the location is, which may repeat it.
 */
#include "image/registries.h"

#include "base/path.h"
#include "codec/toml.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 1 << 20 };

#define P struct registry_place
static const struct jfield place_fields[] = {
	JF(P, "location", location, JT_STR),
	JF(P, "insecure", insecure, JT_BOOL),
	JF(P, "pull-from-mirror", pull_from, JT_STR),
};
#undef P
static const struct jtable place_table = JTABLE(struct registry_place, place_fields);
#define R struct registry_entry
static const struct jfield entry_fields[] = {
	JF(R, "prefix", prefix, JT_STR),
	JF(R, "location", location, JT_STR),
	JF(R, "insecure", insecure, JT_BOOL),
	JF(R, "blocked", blocked, JT_BOOL),
	JF(R, "mirror-by-digest-only", by_digest_only, JT_BOOL),
};
#undef R
static const struct jtable entry_table = JTABLE(struct registry_entry, entry_fields);

void registries_drop(struct registries *r)
{
	arena_drop(&r->arena);
	*r = (struct registries){};
}

/* "host[:port][/path]", as it goes in front of a repository. */
static int check_location(const char *text, const char *what, struct err *e)
{
	if (str_is_empty(text) || strstr(text, "://") || strchr(text, '@') || strchr(text, ' ') || text[strlen(text) - 1] == '/')
		return err_set(e, ERR_USAGE, "%s \"%.200s\": must be host[:port][/path]", what, text ? text : "");
	return 0;
}

/* ":tag" or "@digest" at the end of a name, or "". */
static char *suffix_of(char *text)
{
	char *slash = strrchr(text, '/');
	return slash ? slash + strcspn(slash, ":@") : text + strlen(text);
}

static int check_prefix(const char *prefix, const char *suffix, struct err *e)
{
	struct ref ref;
	bool wild = prefix && str_has_prefix(prefix, "*.");
	if (*suffix && (wild || ref_parse(prefix, &ref, e) < 0))
		return err_set(e, ERR_USAGE, "prefix \"%.200s\": must be host[:port][/path], or an image of it with a tag or a digest", prefix);
	own(mem) char *bare = mem_ndup(prefix ? prefix : "", prefix ? strlen(prefix) - strlen(suffix) : 0);
	return check_location(wild ? bare + 2 : bare, "prefix", e);
}

/* Of one image's entry: without what it repeats of the prefix. */
static int check_place(char *location, const char *suffix, const char *what, struct err *e)
{
	char *own_suffix = location ? suffix_of(location) : NULL;
	if (own_suffix && *own_suffix && strcmp(own_suffix, suffix) != 0)
		return err_set(e, ERR_USAGE, "%s \"%.200s\": must be host[:port][/path]%s%.150s", what, location, *suffix ? ", or that and " : "", suffix);
	if (own_suffix)
		*own_suffix = 0;
	return check_location(location, what, e);
}

static int parse_entry(struct registries *r, const struct json *j, struct err *e)
{
	struct registry_entry x = {};
	const struct json *mirrors = json_get(j, "mirror");
	if (jmap_parse(&entry_table, j, 0, &r->arena, &x, "registry", e) < 0)
		return -1;
	if (!x.prefix)
		x.prefix = arena_dup(&r->arena, x.location);
	const char *suffix = x.prefix ? suffix_of(x.prefix) : "";
	if (check_prefix(x.prefix, suffix, e) < 0 || (x.location && check_place(x.location, suffix, "location", e) < 0))
		return -1;
	for (size_t i = 0; i < json_len(mirrors); i++) {
		struct registry_place m = {};
		if (jmap_parse(&place_table, json_at(mirrors, i), 0, &r->arena, &m, "mirror", e) < 0 || check_place(m.location, suffix, "mirror", e) < 0)
			return -1;
		if (m.pull_from && !str_eq(m.pull_from, "all") && !str_eq(m.pull_from, "digest-only") && !str_eq(m.pull_from, "tag-only"))
			return err_set(e, ERR_USAGE, "pull-from-mirror \"%.40s\": all, digest-only and tag-only are known", m.pull_from);
		*arena_push(&r->arena, &x.mirrors) = m;
	}
	/* A later file says it anew. */
	for (size_t i = 0; i < r->entries.n; i++)
		if (strcmp(r->entries.v[i].prefix, x.prefix) == 0) {
			r->entries.v[i] = x;
			return 0;
		}
	*arena_push(&r->arena, &r->entries) = x;
	return 0;
}

int registries_parse(const char *text, size_t len, const char *file, struct registries *r, struct err *e)
{
	own(json) struct json *j = NULL;
	if (toml_parse(text, len, &j, e) < 0)
		return err_wrap(e, "%s", file);
	/* version 1 had tables of lists */
	if (json_has(j, "registries"))
		return err_set(e, ERR_UNSUPPORTED, "%s: it is written in the old form ([registries.search]): write [[registry]] tables", file);
	const struct json *search = json_get(j, "unqualified-search-registries"), *list = json_get(j, "registry");
	if (search) {
		r->search = (struct strv){};
		for (size_t i = 0; i < json_len(search); i++) {
			const char *host = json_str(json_at(search, i));
			if (check_location(host, "unqualified-search-registries", e) < 0)
				return err_wrap(e, "%s", file);
			arena_strv_add(&r->arena, &r->search, host);
		}
	}
	for (size_t i = 0; i < json_len(list); i++)
		if (parse_entry(r, json_at(list, i), e) < 0)
			return err_wrap(e, "%s", file);
	struct json_iter it = {};
	while (json_next(json_get(j, "aliases"), &it))
		if (json_str(it.value))
			map_set(&r->arena, &r->aliases, it.key, json_str(it.value));
	r->file = arena_dup(&r->arena, file);
	return 0;
}

/* 1: read; 0: not there. */
static int read_file(struct registries *r, const char *file, struct err *e)
{
	own(buf) struct buf text = BUF(FILE_MAX);
	struct err why = {};
	if (path_read(AT_FDCWD, file, &text, &why) < 0) {
		if (why.sys == ENOENT || why.sys == ENOTDIR || why.sys == EACCES)
			return 0;
		*e = why;
		return err_wrap(e, "%s", file);
	}
	return registries_parse(buf_text(&text), text.len, file, r, e) < 0 ? -1 : 1;
}

static int read_folder(struct registries *r, const char *folder, struct err *e)
{
	own(strv) struct strv names = {};
	struct err ignored = {};
	if (path_list(AT_FDCWD, folder, &names, &ignored) < 0)
		return 0;
	strv_sort(&names);
	for (size_t i = 0; i < names.n; i++) {
		own(mem) char *file = path_join(folder, names.v[i]);
		if (str_has_suffix(names.v[i], ".conf") && read_file(r, file, e) < 0)
			return -1;
	}
	return 0;
}

static int add_docker_mirrors(struct registries *r, const struct strv *urls, struct err *e)
{
	struct registry_entry x = {.prefix = arena_dup(&r->arena, "docker.io"), .location = arena_dup(&r->arena, "docker.io")};
	for (size_t i = 0; urls && i < urls->n; i++) {
		const char *plain = str_after(urls->v[i], "http://"), *rest = plain ? plain : str_after(urls->v[i], "https://");
		size_t n = rest ? strlen(rest) : 0;
		while (n && rest[n - 1] == '/')
			n--;
		struct registry_place m = {.location = arena_ndup(&r->arena, rest ? rest : "", n), .insecure = plain != NULL};
		if (check_location(m.location, "registry-mirrors", e) < 0)
			return err_set(e, ERR_USAGE, "registry-mirrors: \"%.200s\" is not a URL", urls->v[i]);
		*arena_push(&r->arena, &x.mirrors) = m;
	}
	/* registries.conf has the last word. */
	if (x.mirrors.n)
		*arena_push(&r->arena, &r->entries) = x;
	return 0;
}

int registries_load(const struct strv *docker_mirrors, struct registries *ret, struct err *e)
{
	struct registries r = {};
	const char *given = getenv("CONTAINERS_REGISTRIES_CONF"), *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	own(mem) char *mine = !str_is_empty(config) ? path_join(config, "containers") : mem_printf("%s/.config/containers", home ? home : "/root");
	own(mem) char *file = path_join(mine, "registries.conf");
	own(mem) char *folder = path_join(mine, "registries.conf.d");
	int found = add_docker_mirrors(&r, docker_mirrors, e);
	if (found == 0 && !str_is_empty(given)) {
		found = read_file(&r, given, e);
	} else if (found == 0) {
		found = read_file(&r, file, e);
		if (found == 0)
			found = read_file(&r, "/etc/containers/registries.conf", e);
		if (found >= 0)
			found = read_folder(&r, "/etc/containers/registries.conf.d", e);
		if (found >= 0)
			found = read_folder(&r, folder, e);
	}
	if (found < 0) {
		registries_drop(&r);
		return -1;
	}
	*ret = r;
	return 0;
}

/* *ret_covered: how much of "registry/repository" the prefix is. */
static const struct registry_entry *find(const struct registries *r, const struct ref *ref, size_t *ret_covered)
{
	own(strv) struct strv scopes = {};
	size_t name = strlen(ref->registry) + 1 + strlen(ref->repository);
	ref_scopes(ref, &scopes);
	for (size_t i = 0; i < scopes.n; i++)
		for (size_t k = 0; k < r->entries.n; k++)
			if (strcmp(r->entries.v[k].prefix, scopes.v[i]) == 0) {
				size_t n = strlen(*scopes.v[i] == '*' ? ref->registry : scopes.v[i]);
				*ret_covered = n < name ? n : name;
				return &r->entries.v[k];
			}
	return NULL;
}

/* "host/path" and what follows the prefix, as registry and repository. */
static int add_endpoint(struct arena *a, struct endpoints *ret, const char *location, const char *rest, bool insecure, const char *ns, struct err *e)
{
	own(mem) char *whole = mem_printf("%s%s", location, rest);
	size_t host = strcspn(whole, "/");
	struct ref ref;
	own(mem) char *repository = mem_dup(whole[host] ? whole + host + 1 : "");
	own(mem) char *checked = mem_printf("x.x/%s", repository);
	if (ref_parse(checked, &ref, e) < 0)
		return err_wrap(e, "%.300s", whole);
	*arena_push(a, ret) = (struct endpoint){arena_ndup(a, whole, host), arena_dup(a, repository), ns, insecure, ns != NULL};
	return 0;
}

int registries_resolve(const struct registries *r, const struct ref *ref, bool pull, struct arena *a, struct endpoints *ret, struct err *e)
{
	own(mem) char *name = mem_printf("%s/%s", ref->registry, ref->repository);
	size_t covered;
	const struct registry_entry *x = find(r, ref, &covered);
	if (!x)
		return add_endpoint(a, ret, name, "", false, NULL, e);
	if (x->blocked)
		return err_set(e, ERR_DENIED, "registry %s is blocked by %s", x->prefix, r->file ? r->file : "registries.conf");
	const char *ns = arena_dup(a, ref->registry);
	bool by_digest = *ref->digest;
	for (size_t i = 0; pull && i < x->mirrors.n; i++) {
		const struct registry_place *m = &x->mirrors.v[i];
		if ((!by_digest && (x->by_digest_only || str_eq(m->pull_from, "digest-only"))) || (by_digest && str_eq(m->pull_from, "tag-only")))
			continue;
		if (add_endpoint(a, ret, m->location, name + covered, m->insecure, ns, e) < 0)
			return -1;
	}
	return add_endpoint(a, ret, x->location ? x->location : name, x->location ? name + covered : "", x->insecure, NULL, e);
}

static bool has_registry(const char *text)
{
	size_t n = strcspn(text, "/");
	if (!text[n])
		return false;
	own(mem) char *first = mem_ndup(text, n);
	return strpbrk(first, ".:") || strcmp(first, "localhost") == 0;
}

int registries_names(const struct registries *r, const char *text, struct strv *ret, struct err *e)
{
	struct ref ref;
	if (ref_parse(text, &ref, e) < 0)
		return -1;
	if (has_registry(text)) {
		strv_add(ret, text);
		return 0;
	}
	const char *at = strchr(text, '@'), *colon = strchr(text, ':');
	size_t n = colon && (!at || colon < at) ? (size_t)(colon - text) : at ? (size_t)(at - text) : strlen(text);
	own(mem) char *bare = mem_ndup(text, n);
	const char *alias = map_get(&r->aliases, bare);
	if (alias) {
		strv_add_take(ret, mem_printf("%s%s", alias, text + n));
		return 0;
	}
	if (!r->search.n)
		strv_add(ret, text);
	for (size_t i = 0; i < r->search.n; i++) {
		bool hub = strcmp(r->search.v[i], "docker.io") == 0;
		strv_add_take(ret, hub ? mem_dup(text) : mem_printf("%s/%s", r->search.v[i], text));
	}
	return 0;
}
