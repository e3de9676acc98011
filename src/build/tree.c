/* SPDX-License-Identifier: Apache-2.0 */
#include "build/tree.h"

#include "base/fd.h"
#include "base/path.h"
#include "build/lay.h"
#include "build/names.h"
#include "build/place.h"
#include "codec/digest.h"
#include "snap/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

enum { DEPTH_MAX = 256, READ_MAX = 256 << 10 };

/* --- sources --- */

struct globbing { const struct tree *t; struct strv *out; unsigned depth; };

static bool is_pattern(const char *s)
{
	return strpbrk(s, "*?[\\") != NULL;
}

static int glob(struct globbing *g, const char *base, const char *rest, struct err *e);

static bool is_real_dir(int dir, const char *name)
{
	struct stat st;
	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

/* ** and what follows it: here, and in all directories below. */
static int glob_deep(struct globbing *g, const char *base, const char *rest, struct err *e)
{
	own(strv) struct strv names = {};
	struct err none = {};
	const char *after = rest;
	while (str_has_prefix(after, "**") && (!after[2] || after[2] == '/'))
		after += 2 + strspn(after + 2, "/");
	if (glob(g, base, after, e) < 0)
		return -1;
	own(fd) int dir = !*after ? -1 : path_open_in(g->t->root, *base ? base : ".", O_RDONLY | O_DIRECTORY, 0, &none);
	if (dir < 0)
		return 0;
	if (g->depth >= DEPTH_MAX)
		return err_set(e, ERR_LIMIT, "%.100s…: more than %d directories deep", base, DEPTH_MAX);
	if (path_list(dir, ".", &names, e) < 0)
		return -1;
	strv_sort(&names);
	int r = 0;
	g->depth++;
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		own(mem) char *below = *base ? path_join(base, names.v[i]) : mem_dup(names.v[i]);
		if (is_real_dir(dir, names.v[i]))
			r = glob_deep(g, below, rest, e);
	}
	g->depth--;
	return r;
}

static int glob(struct globbing *g, const char *base, const char *rest, struct err *e)
{
	rest += strspn(rest, "/");
	if (!*rest) {
		strv_add(g->out, base);
		return 0;
	}
	size_t n = strcspn(rest, "/");
	own(mem) char *part = mem_ndup(rest, n);
	if (g->t->deep && strcmp(part, "**") == 0)
		return glob_deep(g, base, rest, e);
	if (!is_pattern(part)) {
		own(mem) char *below = *base ? path_join(base, part) : mem_dup(part);
		struct err none = {};
		own(fd) int fd = path_open_in(g->t->root, below, O_PATH | O_NOFOLLOW, 0, &none);
		return fd < 0 ? 0 : glob(g, below, rest + n, e);
	}
	own(strv) struct strv names = {};
	struct err none = {};
	own(fd) int dir = path_open_in(g->t->root, *base ? base : ".", O_RDONLY | O_DIRECTORY, 0, &none);
	if (dir < 0)
		return 0;
	if (path_list(dir, ".", &names, e) < 0)
		return -1;
	strv_sort(&names);
	for (size_t i = 0; i < names.n; i++) {
		own(mem) char *below = *base ? path_join(base, names.v[i]) : mem_dup(names.v[i]);
		if (str_match(part, names.v[i]) && glob(g, below, rest + n, e) < 0)
			return -1;
	}
	return 0;
}

static bool is_left_out(const struct tree *t, const char *path)
{
	return t->ignore && ignore_has(t->ignore, path) && !ignore_looks_below(t->ignore, path);
}

/* Does it come with a directory that was found too, or was it found before? */
static bool is_covered(const struct names *found, const char *path, struct names *seen)
{
	own(mem) char *above = mem_dup(path);
	if (names_get(seen, path))
		return true;
	names_add(seen, path, "");
	for (char *slash; (slash = strrchr(above, '/'));) {
		*slash = 0;
		if (names_get(found, above))
			return true;
	}
	return *path && names_get(found, "");
}

int tree_sources(const struct tree *t, const char *source, struct strv *ret, struct strv *ret_names, struct err *e)
{
	own(mem) char *absolute = mem_printf("/%s", source);
	own(mem) char *clean = path_clean(absolute);
	own(strv) struct strv found = {};
	struct globbing g = {t, &found, 0};
	struct names all __attribute__((cleanup(names_drop))) = {}, seen __attribute__((cleanup(names_drop))) = {};
	if (is_pattern(clean)) {
		if (glob(&g, "", clean, e) < 0)
			return -1;
	} else {
		strv_add(&found, clean + 1);
	}
	for (size_t i = 0; t->deep && i < found.n; i++)
		names_add(&all, found.v[i], "");
	for (size_t i = 0; i < found.n; i++) {
		if (t->deep && is_covered(&all, found.v[i], &seen))
			continue;
		struct place p __attribute__((cleanup(place_drop))) = {};
		if (place_find(t->root, found.v[i], !t->deep, &p, e) < 0)
			return -1;
		bool out = !p.exists || is_left_out(t, buf_text(&p.path));
		if (out && !is_pattern(clean))
			return err_set(e, ERR_NOT_FOUND, "%.200s: not found%s", source, p.exists ? " (the ignore file leaves it out)" : "");
		if (out)
			continue;
		strv_add(ret, buf_text(&p.path));
		if (ret_names)
			strv_add(ret_names, path_base(found.v[i]));
	}
	return 0;
}

/* --- walk --- */

struct level { struct tree_item item; struct level *above; bool told; };
struct walk { const struct tree *t; tree_fn each; void *arg; struct err *e; };

/* A directory that is left out is told when something below it is not. */
static int tell(struct walk *w, struct level *l)
{
	if (!l || l->told)
		return 0;
	if (tell(w, l->above) < 0)
		return -1;
	l->told = true;
	return w->each(w->arg, &l->item, w->e);
}

static int below(struct walk *w, struct level *l, unsigned depth);

static int visit(struct walk *w, struct level *above, int dir, const char *path, const char *rel, const char *name, unsigned depth)
{
	const struct tree *t = w->t;
	struct level l = {.item = {.path = path, .rel = rel, .dir = dir, .name = name}, .above = above};
	bool ignored = (t->ignore && *path && ignore_has(t->ignore, path));
	bool excluded = t->exclude && *rel && (ignore_has(t->exclude, rel) || ignore_has(t->exclude, path));
	if (fstatat(dir, name, &l.item.st, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) < 0)
		return errno == ENOENT ? err_set(w->e, ERR_CONFLICT, "%.200s: it went away while it was read", path) : err_sys(w->e, "look at %.200s", path);
	bool is_dir = S_ISDIR(l.item.st.st_mode);
	bool looks = is_dir && (!ignored || ignore_looks_below(t->ignore, path)) &&
		(!excluded || ignore_looks_below(t->exclude, rel) || ignore_looks_below(t->exclude, path));
	if (S_ISSOCK(l.item.st.st_mode))
		return 0;
	if (!ignored && !excluded && tell(w, &l) < 0)
		return -1;
	return looks ? below(w, &l, depth) : 0;
}

static int below(struct walk *w, struct level *l, unsigned depth)
{
	own(strv) struct strv names = {};
	own(fd) int fd = openat(l->item.dir, *l->item.name ? l->item.name : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(w->e, "open %.200s", l->item.path);
	if (depth >= DEPTH_MAX)
		return err_set(w->e, ERR_LIMIT, "%.100s…: more than %d directories deep", l->item.path, DEPTH_MAX);
	if (path_list(fd, ".", &names, w->e) < 0)
		return -1;
	strv_sort(&names);
	for (size_t i = 0; i < names.n; i++) {
		own(mem) char *path = *l->item.path ? path_join(l->item.path, names.v[i]) : mem_dup(names.v[i]);
		own(mem) char *rel = *l->item.rel ? path_join(l->item.rel, names.v[i]) : mem_dup(names.v[i]);
		if (visit(w, l, fd, path, rel, names.v[i], depth + 1) < 0)
			return -1;
	}
	return 0;
}

int tree_walk(const struct tree *t, const char *source, tree_fn each, void *arg, struct err *e)
{
	struct walk w = {t, each, arg, e};
	const char *slash = strrchr(source, '/');
	own(mem) char *parent = slash ? mem_ndup(source, (size_t)(slash - source)) : mem_dup(".");
	own(fd) int dir = path_open_in(t->root, parent, O_RDONLY | O_DIRECTORY, 0, e);
	return dir < 0 ? -1 : visit(&w, NULL, dir, source, "", *source ? path_base(source) : "", 0);
}

/* --- sums --- */

int tree_open(const struct tree_item *i, struct err *e)
{
	struct stat st;
	own(fd) int fd = openat(i->dir, i->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "open %.200s", i->path);
	if (st.st_ino != i->st.st_ino || st.st_dev != i->st.st_dev || !S_ISREG(st.st_mode))
		return err_set(e, ERR_CONFLICT, "%.200s: it was exchanged while it was read", i->path);
	return take_fd(fd);
}

int tree_content_begin(struct tree_content *c, const struct tar_entry *t, struct err *e)
{
	c->digest = NULL;
	if (digest_begin(NULL, &c->digest, e) < 0)
		return -1;
	for (size_t i = 0; i < t->xattrs.n; i++) {
		digest_add(c->digest, t->xattrs.v[i].name, strlen(t->xattrs.v[i].name) + 1);
		digest_add(c->digest, &t->xattrs.v[i].len, sizeof t->xattrs.v[i].len);
		digest_add(c->digest, t->xattrs.v[i].value, t->xattrs.v[i].len);
	}
	digest_add(c->digest, "\0content", 9);
	return 0;
}

void tree_content_add(void *c, const void *p, size_t n)
{
	digest_add(((struct tree_content *)c)->digest, p, n);
}

static unsigned char hex(char c)
{
	return (unsigned char)(c <= '9' ? c - '0' : c - 'a' + 10);
}

void tree_content_end(struct tree_content *c, unsigned char ret[32])
{
	char text[DIGEST_TEXT];
	digest_end(c->digest, text);
	const char *h = digest_hex(text);
	for (size_t i = 0; i < 32 && h[2 * i] && h[2 * i + 1]; i++)
		ret[i] = (unsigned char)(hex(h[2 * i]) << 4 | hex(h[2 * i + 1]));
	digest_drop(&c->digest);
}

void tree_add_known(const struct tree *t, struct tree_sum *s, const struct tree_item *i, const unsigned char content[32])
{
	struct { uint32_t mode, uid, gid; uint64_t size, dev; } fixed = {.mode = i->st.st_mode};
	if (!t->is_context) {
		fixed.uid = i->st.st_uid;
		fixed.gid = i->st.st_gid;
	}
	if (S_ISREG(i->st.st_mode))
		fixed.size = (uint64_t)i->st.st_size;
	if (S_ISCHR(i->st.st_mode) || S_ISBLK(i->st.st_mode))
		fixed.dev = i->st.st_rdev;
	digest_add(s->digest, i->rel, strlen(i->rel) + 1);
	digest_add(s->digest, &fixed, sizeof fixed);
	digest_add(s->digest, content, 32);
	s->files++;
	s->bytes += fixed.size;
}

static int read_content(const struct tree_item *i, unsigned char ret[32], struct err *e)
{
	own(fd) int fd = tree_open(i, e);
	own(mem) char *room = mem_grow(NULL, READ_MAX);
	struct tree_content c = {};
	own(arena) struct arena a = {};
	struct tar_entry t = {};
	int r = fd < 0 || pack_xattrs(fd, &a, &t, e) < 0 ? -1 : tree_content_begin(&c, &t, e);
	ssize_t n = 1;
	while (r == 0 && n > 0) {
		n = read(fd, room, READ_MAX);
		if (n < 0)
			r = err_sys(e, "read %.200s", i->path);
		else
			tree_content_add(&c, room, (size_t)n);
	}
	if (r == 0)
		tree_content_end(&c, ret);
	digest_drop(&c.digest);
	return r;
}

int tree_add(const struct tree *t, struct tree_sum *s, const struct tree_item *i, struct err *e)
{
	unsigned char content[32] = {};
	if (!s->digest && digest_begin(NULL, &s->digest, e) < 0)
		return -1;
	if (S_ISREG(i->st.st_mode)) {
		const unsigned char *known = t->cache ? statcache_get(t->cache, i->path, &i->st) : NULL;
		if (s->only_known && !known) {
			s->is_partial = true;
			s->unknown += (uint64_t)i->st.st_size;
			return s->unknown > s->enough ? err_set(e, ERR_NONE, "enough") : 0;
		}
		if (known) {
			memcpy(content, known, sizeof content);
		} else {
			if (read_content(i, content, e) < 0)
				return -1;
			if (t->cache)
				statcache_put(t->cache, i->path, &i->st, content);
		}
	} else if (S_ISLNK(i->st.st_mode)) {
		char target[PATH_MAX], digest[DIGEST_TEXT];
		ssize_t n = readlinkat(i->dir, i->name, target, sizeof target);
		if (n < 0)
			return err_sys(e, "read the symlink %.200s", i->path);
		if (digest_of(target, (size_t)n, digest, e) < 0)
			return -1;
		memcpy(content, digest_hex(digest), 32);
	}
	tree_add_known(t, s, i, content);
	return 0;
}
