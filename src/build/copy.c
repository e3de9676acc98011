/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy: COPY and ADD, as steps with keys.
 *
 *   from a stage or an image   the key is which layers they are read from; when that is not known, what they have in them
 *   from the context           what the files have in them; a context that was not read before is not read for the key first, but copied
 *                              at once, and what it had in it is known then
 */
#include "build/copy.h"

#include "base/fd.h"
#include "base/path.h"
#include "build/explain.h"
#include "build/mode.h"
#include "build/place.h"
#include "engine/user.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { READ_FIRST = 8 << 20 }; /* so much of a context is read twice */

static void copy_drop(struct copy *c)
{
	ignore_drop(&c->exclude);
	if (c->tree.root >= 0 && !c->tree.is_context)
		close(c->tree.root);
	fd_drop(&c->root);
}

static int wrong(struct copy *c, const char *needle, struct err *e, const char *text)
{
	return lex_error(&c->x->b->df.text, c->x->i->node, needle, e, "%s", text);
}

static const struct heredoc *heredoc_of(const struct inst *i, const char *word, size_t *next)
{
	while (*word >= '0' && *word <= '9')
		word++;
	return !i->json && str_has_prefix(word, "<<") && *next < i->node->docs.n ? &i->node->docs.v[(*next)++] : NULL;
}

/* A URL or a repository. */
static int read_remote(struct copy *c, struct copy_source *s, const char *word, struct err *e)
{
	struct arena *a = &c->x->s->arena;
	struct git_source git;
	bool is_git = c->is_add && git_parse(s->path, a, &git);
	if (!is_git && !fetch_is_url(s->path))
		return 0;
	if (!c->is_add)
		return wrong(c, word, e, "COPY takes no URL: ADD does");
	s->url = s->path;
	s->got = arena_alloc(a, sizeof *s->got);
	*s->got = (struct fetched){.fd = -1, .work = WORK_NONE};
	if (is_git) {
		s->git = arena_alloc(a, sizeof *s->git);
		*s->git = git;
		s->is_dir = true;
	}
	return 0;
}

static const char *body_of(struct copy *c, const struct heredoc *h, struct err *e)
{
	if (!h->expand)
		return h->body;
	return step_heredoc(c->x, h->body, e);
}

static int read_words(struct copy *c, struct err *e)
{
	const struct inst *i = c->x->i;
	struct arena *a = &c->x->s->arena;
	size_t next = 0;
	for (size_t k = 0; k + 1 < i->words.n; k++) {
		const struct heredoc *h = heredoc_of(i, i->words.v[k], &next);
		struct copy_source *s = arena_push(a, &c->sources);
		s->path = h ? h->name : step_expanded(c->x, i->words.v[k], e);
		if (!s->path || (h && !(s->body = body_of(c, h, e))))
			return -1;
		if (!h && !*s->path)
			return wrong(c, i->words.v[k], e, "a source is empty");
		if (!h && read_remote(c, s, i->words.v[k], e) < 0)
			return -1;
	}
	char *dest = step_expanded(c->x, i->words.v[i->words.n - 1], e);
	if (!dest)
		return -1;
	size_t n = strlen(dest);
	c->dest_is_dir = !n || dest[n - 1] == '/' || str_eq(dest, ".") || str_has_suffix(dest, "/.") || str_has_suffix(dest, "/..") || str_eq(dest, "..");
	c->dest = step_path(c->x, dest);
	return 0;
}

static const char *flag(struct copy *c, const char *name, struct err *e)
{
	const char *v = inst_flag(c->x->i, name, 0);
	return v ? step_expanded(c->x, v, e) : NULL;
}

static int read_flags(struct copy *c, struct err *e)
{
	const struct inst *i = c->x->i;
	uint32_t mode;
	struct err why = {};
	c->from = flag(c, "from", &why);
	c->chown = flag(c, "chown", &why);
	c->chmod = flag(c, "chmod", &why);
	c->checksum = flag(c, "checksum", &why);
	c->link = inst_has(i, "link");
	c->parents = inst_has(i, "parents");
	c->unpack = inst_has(i, "unpack");
	c->no_unpack = inst_flag(i, "unpack", 0) && !c->unpack;
	if (why.kind == ERR_NONE && c->chmod && mode_change(c->chmod, 0, false, &mode, &why) == 0 && c->chown && *c->chown)
		(void)!user_check(c->chown, &why);
	if (why.kind != ERR_NONE)
		return wrong(c, inst_flag(i, "chmod", 0) ? "--chmod" : NULL, e, why.text);
	for (size_t k = 0; inst_flag(i, "exclude", k); k++) {
		char *pattern = step_expanded(c->x, inst_flag(i, "exclude", k), e);
		if (!pattern || ignore_add(&c->exclude, pattern, e) < 0)
			return -1;
	}
	return 0;
}

/* --- where from --- */

static void take_context(struct copy *c, struct context *of)
{
	c->context = of;
	c->tree = (struct tree){.root = of->dir, .ignore = &of->ignore, .exclude = &c->exclude, .cache = of->stats, .is_context = true, .deep = c->parents};
}

static int open_context(struct copy *c, struct err *e)
{
	struct build *b = c->x->b;
	bool needs = false;
	for (size_t k = 0; k < c->sources.n; k++)
		needs |= !c->sources.v[k].body && !c->sources.v[k].url;
	if (b->context.dir < 0 && needs)
		return err_set(e, ERR_USAGE, "there is no context to copy from: the Dockerfile came alone, by stdin");
	take_context(c, &b->context);
	return 0;
}

static int mount_source(struct copy *c, struct err *e)
{
	if (c->tree.root >= 0)
		return 0;
	struct snap_mount m = {.layers = &c->of.layers, .dir = -1, .read_only = true};
	if (engine_need_snap(c->x->b->g, e) < 0)
		return -1;
	c->tree.root = snap_mount(&c->x->b->g->snap, &m, e);
	return c->tree.root < 0 ? -1 : 0;
}

/* With --parents the directories from the pivot (/./) on are made below the destination, as they are above the source. */
static int find_above(struct copy *c, struct copy_source *s, struct err *e)
{
	struct arena *a = &c->x->s->arena;
	const char *pivot = strstr(s->written, "/./");
	own(mem) char *before = pivot ? mem_ndup(s->written, (size_t)(pivot - s->written)) : mem_dup("");
	own(mem) char *absolute = mem_printf("/%s", before);
	own(mem) char *clean = path_clean(absolute);
	size_t n = strlen(clean + 1), skip = n && strncmp(s->path, clean + 1, n) == 0 && s->path[n] == '/' ? n + 1 : 0;
	for (const char *slash = s->path + skip; (slash = strchr(slash, '/')); slash++) {
		struct copy_above *one = arena_push(a, &s->above);
		own(mem) char *whole = mem_ndup(s->path, (size_t)(slash - s->path));
		own(fd) int fd = path_open_in(c->tree.root, whole, O_PATH, 0, e);
		if (fd < 0 || fstat(fd, &one->st) < 0)
			return fd < 0 ? -1 : err_sys(e, "look at %.200s", whole);
		one->path = arena_dup(a, whole + skip);
	}
	return 0;
}

/* Globs are resolved, and it is known which sources are directories. */
static int resolve(struct copy *c, struct err *e)
{
	struct arena *a = &c->x->s->arena;
	struct { struct copy_source *v; size_t n; } found = {};
	for (size_t k = 0; k < c->sources.n; k++) {
		const struct copy_source *s = &c->sources.v[k];
		own(strv) struct strv paths = {};
		own(strv) struct strv names = {};
		if (s->body || s->url) {
			*arena_push(a, &found) = *s;
			continue;
		}
		if (tree_sources(&c->tree, s->path, &paths, &names, e) < 0)
			return wrong(c, s->path, e, e->text);
		for (size_t p = 0; p < paths.n; p++) {
			own(fd) int fd = path_open_in(c->tree.root, *paths.v[p] ? paths.v[p] : ".", O_PATH | O_NOFOLLOW, 0, e);
			struct stat st;
			if (fd < 0 || fstat(fd, &st) < 0)
				return fd < 0 ? -1 : err_sys(e, "look at %.200s", paths.v[p]);
			/* No image has sockets. */
			if (S_ISSOCK(st.st_mode) && paths.n > 1)
				continue;
			if (S_ISSOCK(st.st_mode))
				return wrong(c, s->path, e, "a socket cannot be in an image");
			struct copy_source *one = arena_push(a, &found);
			*one = (struct copy_source){.path = arena_dup(a, paths.v[p]), .name = arena_dup(a, names.v[p]),
				.written = s->path, .is_dir = S_ISDIR(st.st_mode)};
			if (c->parents && find_above(c, one, e) < 0)
				return -1;
			if (c->is_add && !c->no_unpack && S_ISREG(st.st_mode)) {
				own(fd) int file = path_open_in(c->tree.root, paths.v[p], O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, e);
				if (file < 0)
					return -1;
				one->is_archive = copy_is_archive(file);
			}
		}
	}
	c->sources.v = found.v;
	c->sources.n = found.n;
	if (c->checksum && (found.n != 1 || !found.v[0].url))
		return wrong(c, "--checksum", e, "--checksum is for one URL");
	if (c->checksum && !found.v[0].git && !digest_is_valid(c->checksum))
		return wrong(c, "--checksum", e, "invalid --checksum: as in sha256: and 64 digits of hexadecimal");
	if (found.n > 1 && !c->dest_is_dir)
		return wrong(c, NULL, e, "with more than one source the destination must be a directory and end with a /");
	return 0;
}

/* --- keys --- */

static void add_flags(struct copy *c, struct key *k)
{
	key_add(k, "to", c->dest);
	key_add(k, "directory", c->dest_is_dir ? "yes" : "no");
	key_add(k, "chown", c->chown);
	key_add(k, "chmod", c->chmod);
	key_add(k, "flags", c->parents ? c->link ? "parents link" : "parents" : c->link ? "link" : "");
	key_add(k, "unpack", c->unpack ? "yes" : c->no_unpack ? "no" : NULL);
	for (size_t i = 0; i < c->exclude.rows.n; i++)
		key_add(k, c->exclude.rows.v[i].back ? "exclude !" : "exclude", c->exclude.rows.v[i].text);
}

/* --link does not depend on what is below, unless names of users are looked up there. */
static bool is_independent(const struct copy *c)
{
	return c->link && (str_is_empty(c->chown) || strspn(c->chown, "0123456789:") == strlen(c->chown));
}

static void definition_key(struct copy *c, struct key *k)
{
	step_key(c->x, c->is_add ? "add" : "copy", is_independent(c), k);
	add_flags(c, k);
	key_add_list(k, "from", &c->of.layers);
	for (size_t i = 0; i < c->sources.n; i++) {
		key_add(k, "source", c->sources.v[i].path);
		key_add(k, "text", c->sources.v[i].body);
	}
}

static void content_key(struct copy *c, struct key *k)
{
	own(mem) char *hex = mem_ndup(c->content, 64);
	step_key(c->x, c->is_add ? "add content" : "copy content", is_independent(c), k);
	add_flags(c, k);
	key_add(k, "content", hex);
}

struct summing { struct copy *c; struct tree_sum sum; };

static int sum_item(void *arg, const struct tree_item *i, struct err *e)
{
	struct summing *s = arg;
	return tree_add(&s->c->tree, &s->sum, i, e);
}

/* What is between the sources in a sum. */
int copy_sum_source(const struct copy_source *s, bool is_context, struct tree_sum *sum, struct err *e)
{
	if (!sum->digest && digest_begin(NULL, &sum->digest, e) < 0)
		return -1;
	digest_add(sum->digest, "\0source", 8);
	digest_add(sum->digest, s->path, strlen(s->path) + 1);
	if (s->name && strcmp(s->name, path_base(s->path)) != 0)
		digest_add(sum->digest, s->name, strlen(s->name) + 1);
	digest_add(sum->digest, s->is_dir ? "d" : s->is_archive ? "a" : "f", 1);
	for (size_t i = 0; i < s->above.n; i++) {
		digest_add(sum->digest, s->above.v[i].path, strlen(s->above.v[i].path) + 1);
		digest_add(sum->digest, &s->above.v[i].st.st_mode, sizeof s->above.v[i].st.st_mode);
		if (!is_context)
			digest_add(sum->digest, (uint32_t[]){s->above.v[i].st.st_uid, s->above.v[i].st.st_gid}, 8);
	}
	if (s->body)
		digest_add(sum->digest, s->body, strlen(s->body));
	if (s->url)
		digest_add(sum->digest, s->got->digest, strlen(s->got->digest));
	return 0;
}

/* 1: with only_known: there is too much that the cache does not know. */
static int sum_all(struct copy *c, bool only_known, struct err *e)
{
	struct summing s = {.c = c, .sum = {.only_known = only_known, .enough = READ_FIRST}};
	int r = 0;
	char digest[DIGEST_TEXT];
	for (size_t k = 0; r == 0 && k < c->sources.n; k++) {
		struct err why = {.kind = ERR_BUG};
		r = copy_sum_source(&c->sources.v[k], c->tree.is_context, &s.sum, e);
		if (r == 0 && !c->sources.v[k].body && !c->sources.v[k].url && tree_walk(&c->tree, c->sources.v[k].path, sum_item, &s, &why) < 0)
			r = why.kind == ERR_NONE ? 1 : (*e = why, -1);
	}
	if (r == 0 && !s.sum.digest)
		r = digest_begin(NULL, &s.sum.digest, e);
	if (r == 0) {
		digest_end(s.sum.digest, digest);
		memcpy(c->content, digest_hex(digest), 64);
	}
	digest_drop(&s.sum.digest);
	/* What is little is read now. */
	return r == 0 && s.sum.is_partial ? sum_all(c, false, e) : r;
}

/* --- the step --- */

static int find_owner(struct copy *c, struct err *e)
{
	struct user u = {};
	struct arena *a = &c->x->s->arena;
	if (!c->chown)
		return 0;
	/* Numbers need no file of users. */
	own(fd) int empty = c->root < 0 ? open("/proc/self/fdinfo", O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	int root = c->root;
	own(fd) int mounted = -1;
	if (root < 0) {
		struct err none = {};
		mounted = state_mount(c->x->b, c->x->s, &none);
		root = mounted >= 0 ? mounted : empty;
	}
	if (step_owner(root, c->chown, a, &u, e) < 0)
		return err_wrap(e, "--chown");
	c->has_owner = true;
	c->uid = u.uid;
	c->gid = u.gid;
	return 0;
}

/* A repository: the commit is what it is known by. */
static int fetch_git(struct copy *c, struct copy_source *s, enum fetch_mode mode, struct err *e)
{
	char commit[GIT_ID];
	bool keep = inst_has(c->x->i, "keep-git-dir");
	struct git g = {.agent = build_agent(c->x->b, "default")};
	if (git_resolve(&g, s->git, commit, e) < 0)
		return -1;
	if (c->checksum && strncmp(commit, c->checksum, strlen(c->checksum)) != 0)
		return err_set(e, ERR_CORRUPT, "%.200s: it is the commit %s, and --checksum says %.64s", s->git->url, commit, c->checksum);
	snprintf(s->got->digest, sizeof s->got->digest, "git:%s:%d", commit, keep + 2 * s->git->keep + 4 * s->git->no_submodules);
	snprintf(s->got->name, sizeof s->got->name, "%.250s", s->git->subdir);
	if (mode != FETCH_DATA)
		return 0;
	if (work_make(&s->got->work, c->x->b->cache.dir, e) < 0)
		return -1;
	own(fd) int dir = work_make_dir(&s->got->work, "tree", e);
	s->got->fd = dir < 0 ? -1 : git_checkout(&g, s->git, commit, keep, dir, NULL, e);
	return s->got->fd < 0 ? -1 : 0;
}

/* Each URL. 1: it is only asked, and something is not what is known. */
static int fetch(struct copy *c, enum fetch_mode mode, struct err *e)
{
	int r = 0;
	for (size_t k = 0; r >= 0 && k < c->sources.n; k++) {
		struct copy_source *s = &c->sources.v[k];
		struct err why = {};
		if (!s->url || s->got->fd >= 0)
			continue;
		if (!c->x->probing)
			step_begin(c->x);
		int now = s->git ? fetch_git(c, s, mode, &why) : fetch_url(c->x->b, s->url, c->checksum, mode, s->got, &why);
		if (now < 0) {
			(void)!wrong(c, s->url, e, why.text);
			e->kind = why.kind;
		} else if (s->git) {
			s->path = arena_dup(&c->x->s->arena, s->got->name);
		} else if (now == 0) {
			s->path = arena_dup(&c->x->s->arena, *s->got->name ? s->got->name : "download");
			if (!*s->got->name && c->dest_is_dir)
				now = wrong(c, s->url, e, "the URL has no name of a file: give the destination one");
		}
		r = now ? now : r;
	}
	return r;
}

static void fetch_drop(struct copy *c)
{
	for (size_t k = 0; k < c->sources.n; k++)
		if (c->sources.v[k].got)
			fetched_drop(c->sources.v[k].got);
}

static int make(struct step *x, void *arg, char layer[136], struct err *e)
{
	struct copy *c = arg;
	struct err none = {};
	if (fetch(c, FETCH_DATA, e) < 0)
		return -1;
	if (!c->link) {
		c->root = state_mount(x->b, x->s, e);
		if (c->root < 0 && e->kind != ERR_NONE)
			return -1;
	}
	char before[sizeof c->content];
	memcpy(before, c->content, sizeof before);
	struct writing w = {.write = copy_write, .arg = c, .shared = c->content};
	if (find_owner(c, e) < 0 || writing_do(x->b, &w, layer, e) < 0)
		return -1;
	/* The step's key has what was there. */
	if (*before && memcmp(before, c->content, sizeof before) != 0) {
		(void)!wrong(c, NULL, e, "what is copied changed while it was read: build again");
		e->kind = ERR_CONFLICT;
		return -1;
	}
	/* The writer's process had its own copy of what is known of the context; it saved it. */
	if (c->context) {
		context_reread(x->b, c->context);
		c->tree.cache = c->context->stats;
	}
	own(key) struct key k = {};
	content_key(c, &k);
	char hex[65];
	key_end(&k, hex);
	return cache_put(&x->b->cache, hex, &k, layer, x->name, &none) < 0 || explain_note(x, hex, &none) < 0 ? *e = none, -1 : 0;
}

/* By content: 1: it has to be made. */
static int by_content(struct copy *c, struct err *e)
{
	struct step *x = c->x;
	int unknown = sum_all(c, true, e);
	if (unknown < 0)
		return -1;
	if (!unknown) {
		own(key) struct key k = {};
		if (c->tree.cache && statcache_save(c->tree.cache, e) < 0)
			return -1;
		content_key(c, &k);
		return step_layer(x, &k, make, c, e);
	}
	if (x->probing)
		return 1;
	own(key) struct key none = {};
	return step_layer(x, &none, make, c, e);
}

static int from_elsewhere(struct copy *c, struct err *e)
{
	struct step *x = c->x;
	char hex[65];
	struct cached hit;
	own(key) struct key k = {};
	if (c->of.context) {
		take_context(c, c->of.context);
		return resolve(c, e) < 0 ? -1 : by_content(c, e);
	}
	definition_key(c, &k);
	key_end(&k, hex);
	int r = cache_get(&x->b->cache, x->b->g, hex, false, &hit, e);
	if (r < 0)
		return -1;
	if (r == 1)
		return step_layer(x, &k, make, c, e);
	if (x->probing)
		return 1;
	if (mount_source(c, e) < 0 || resolve(c, e) < 0)
		return -1;
	size_t before = x->s->config.rootfs.diff_ids.n;
	if (by_content(c, e) < 0)
		return -1;
	const struct strv *ids = &x->s->config.rootfs.diff_ids;
	return cache_put(&x->b->cache, hex, &k, ids->n > before ? ids->v[ids->n - 1] : "", x->name, e);
}

static void history(struct copy *c)
{
	own(buf) struct buf text = BUF(LEX_MAX);
	buf_printf(&text, "%s %s # buildkit", inst_name(c->x->i->kind), c->x->i->node->text);
	state_history(c->x, buf_text(&text), false);
}

int copy_do(struct step *x, struct err *e)
{
	struct copy c __attribute__((cleanup(copy_drop))) = {.x = x, .root = -1, .tree.root = -1, .is_add = x->i->kind == INST_ADD};
	int r = read_flags(&c, e) < 0 || read_words(&c, e) < 0 ? -1 : 0;
	if (r == 0 && !str_is_empty(c.from)) {
		struct err why = {};
		if (source_find(x->b, x->s, c.from, NULL, &x->s->arena, &c.of, NULL, &why) < 0)
			return why.kind == ERR_USAGE ? wrong(&c, "--from", e, why.text) : (*e = why, -1);
		c.tree = (struct tree){.root = -1, .exclude = &c.exclude, .deep = c.parents};
		r = from_elsewhere(&c, e);
	} else if (r == 0) {
		r = open_context(&c, e) < 0 || resolve(&c, e) < 0 ? -1 : fetch(&c, x->probing ? FETCH_ASK : FETCH_NEWS, e);
		if (r == 0)
			r = by_content(&c, e);
	}
	fetch_drop(&c);
	if (r == 0)
		history(&c);
	return r;
}
