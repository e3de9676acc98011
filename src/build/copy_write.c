/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy_write: from files to entries of a layer. A directory of the destination that is a symlink below is followed, so that nothing
 * that is there is hidden; with --link there is nothing below.
 */
#include "build/copy.h"

#include "base/fd.h"
#include "base/path.h"
#include "build/mode.h"
#include "build/place.h"
#include "snap/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <unistd.h>

struct level { char *rel, *dest; };
struct writer {
	struct copy *c;
	struct lay lay;
	struct tree_sum sum;
	struct names twins;       /* the path of a file of several names, by device and number */
	struct level levels[260]; /* the directories we are in, with where they go */
	size_t depth;
	char *file;               /* where the source itself goes when it is no directory */
};

static void levels_cut(struct writer *w, size_t depth)
{
	while (w->depth > depth) {
		w->depth--;
		mem_drop(&w->levels[w->depth].rel);
		mem_drop(&w->levels[w->depth].dest);
	}
}

int copy_dress(const struct copy *c, struct tar_entry *t, struct err *e)
{
	if (c->has_owner) {
		t->uid = c->uid;
		t->gid = c->gid;
	}
	if (c->chmod && t->type != TAR_SYMLINK)
		return mode_change(c->chmod, t->mode, t->type == TAR_DIR, &t->mode, e);
	return 0;
}

/* dest/name as the root has it; a symlink to a directory is followed when `is_dir`. */
static char *destination(struct writer *w, const char *dest, const char *name, bool is_dir, struct err *e)
{
	own(mem) char *path = *dest ? mem_printf("%s/%s", dest, name) : mem_dup(name);
	struct place p __attribute__((cleanup(place_drop))) = {};
	if (!is_dir || w->lay.root < 0)
		return take(path);
	if (place_find(w->lay.root, path, true, &p, e) < 0)
		return NULL;
	if (p.exists && !S_ISDIR(p.st.st_mode))
		return err_set_(e, ERR_USAGE, "cannot copy to /%.200s: it is no directory", path), NULL;
	return mem_dup(buf_text(&p.path));
}

static const char *twin_of(struct writer *w, const struct stat *st, const char *path)
{
	char key[64];
	if (st->st_nlink < 2)
		return NULL;
	snprintf(key, sizeof key, "%llx:%llx", (unsigned long long)st->st_dev, (unsigned long long)st->st_ino);
	const char *twin = names_get(&w->twins, key);
	if (!twin)
		names_add(&w->twins, key, path);
	return twin;
}

static int put_file(struct writer *w, const struct tree_item *i, struct tar_entry *t, struct err *e)
{
	own(arena) struct arena a = {};
	own(fd) int fd = tree_open(i, e);
	struct stat st;
	struct tree_content content = {};
	unsigned char digest[32] = {};
	if (fd < 0 || fstat(fd, &st) < 0)
		return fd < 0 ? -1 : err_sys(e, "%.200s", i->path);
	t->size = t->stored = (uint64_t)st.st_size;
	const char *twin = twin_of(w, &st, t->name);
	if (twin) {
		*t = (struct tar_entry){.type = TAR_HARDLINK, .name = t->name, .link = (char *)(uintptr_t)twin, .mode = t->mode, .uid = t->uid, .gid = t->gid,
			.mtime_ns = t->mtime_ns};
		return lay_entry(&w->lay, t, e) < 0 ? -1 : tree_add(&w->c->tree, &w->sum, i, e);
	}
	if (pack_xattrs(fd, &a, t, e) < 0 || tree_content_begin(&content, t, e) < 0)
		return -1;
	int r = lay_entry(&w->lay, t, e) < 0 || lay_data(&w->lay, fd, t->stored, tree_content_add, &content, e) < 0 ? -1 : 0;
	if (r == 0) {
		struct tree_item now = *i;
		now.st = st;
		tree_content_end(&content, digest);
		tree_add_known(&w->c->tree, &w->sum, &now, digest);
		if (w->c->tree.cache)
			statcache_put(w->c->tree.cache, i->path, &st, digest);
	}
	digest_drop(&content.digest);
	return r < 0 ? err_wrap(e, "%.200s", i->path) : 0;
}

/* What is below a directory does not go for a file of its name. */
static bool is_dir_there(const struct writer *w, const char *name)
{
	struct stat st;
	return names_get(&w->lay.dirs, name) || (w->lay.root >= 0 && fstatat(w->lay.root, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode));
}

static int put_item(struct writer *w, const struct tree_item *i, char *name, struct err *e)
{
	char target[PATH_MAX] = "";
	struct tar_entry t = {.name = name, .link = target, .mode = i->st.st_mode & 07777, .mtime_ns = pack_time(&i->st)};
	if (!w->c->tree.is_context) {
		t.uid = i->st.st_uid;
		t.gid = i->st.st_gid;
	}
	switch (i->st.st_mode & S_IFMT) {
	case S_IFREG: t.type = TAR_FILE; break;
	case S_IFDIR: t.type = TAR_DIR; break;
	case S_IFLNK: t.type = TAR_SYMLINK; break;
	case S_IFIFO: t.type = TAR_FIFO; break;
	default:
		t.type = S_ISBLK(i->st.st_mode) ? TAR_BLOCK : TAR_CHAR;
		t.dev_major = major(i->st.st_rdev);
		t.dev_minor = minor(i->st.st_rdev);
	}
	if (t.type == TAR_SYMLINK && readlinkat(i->dir, i->name, target, sizeof target - 1) < 0)
		return err_sys(e, "read the symlink %.200s", i->path);
	if (copy_dress(w->c, &t, e) < 0)
		return -1;
	if (t.type == TAR_DIR)
		return lay_dir(&w->lay, name, &t, e) < 0 ? -1 : tree_add(&w->c->tree, &w->sum, i, e);
	if (is_dir_there(w, name))
		return err_set(e, ERR_USAGE, "cannot copy %.200s to /%.200s: it is a directory", i->path, name);
	if (lay_parents(&w->lay, name, e) < 0)
		return -1;
	if (t.type == TAR_FILE)
		return put_file(w, i, &t, e);
	return lay_entry(&w->lay, &t, e) < 0 ? -1 : tree_add(&w->c->tree, &w->sum, i, e);
}

static int each(void *arg, const struct tree_item *i, struct err *e)
{
	struct writer *w = arg;
	bool is_dir = S_ISDIR(i->st.st_mode);
	if (!*i->rel && w->file)
		return put_item(w, i, w->file, e);
	if (!*i->rel) {
		/* Of a directory what is in it is copied; it itself is only seen to be there. */
		return (*w->levels[0].dest ? lay_dir(&w->lay, w->levels[0].dest, NULL, e) : 0) < 0 ? -1 : tree_add(&w->c->tree, &w->sum, i, e);
	}
	size_t depth = w->depth;
	for (; depth > 1; depth--) {
		const char *rest = str_after(i->rel, w->levels[depth - 1].rel);
		if (rest && *rest == '/')
			break;
	}
	levels_cut(w, depth);
	const char *base = *w->levels[depth - 1].rel ? i->rel + strlen(w->levels[depth - 1].rel) + 1 : i->rel;
	own(mem) char *name = destination(w, w->levels[depth - 1].dest, base, is_dir, e);
	if (!name || put_item(w, i, name, e) < 0)
		return -1;
	if (is_dir && w->depth < countof(w->levels))
		w->levels[w->depth++] = (struct level){mem_dup(i->rel), take(name)};
	return 0;
}

/* Those that are there already stay as they are. */
static int put_above(struct writer *w, const struct copy_source *s, const char *to, struct err *e)
{
	for (size_t i = 0; i < s->above.n; i++) {
		const struct copy_above *above = &s->above.v[i];
		own(mem) char *path = *to ? path_join(to, above->path) : mem_dup(above->path);
		struct tar_entry t = {.type = TAR_DIR, .mode = above->st.st_mode & 07777, .mtime_ns = pack_time(&above->st)};
		struct err none = {};
		own(fd) int there = w->lay.root < 0 ? -1 : path_open_in(w->lay.root, path, O_PATH, 0, &none);
		if (!w->c->tree.is_context) {
			t.uid = above->st.st_uid;
			t.gid = above->st.st_gid;
		}
		if (copy_dress(w->c, &t, e) < 0)
			return -1;
		if (there < 0 && !names_get(&w->lay.dirs, path) && lay_dir(&w->lay, path, &t, e) < 0)
			return -1;
	}
	return 0;
}

static int put_body(struct writer *w, const struct copy_source *s, char *name, struct err *e)
{
	struct tar_entry t = {.type = TAR_FILE, .name = name, .mode = 0644, .size = strlen(s->body), .stored = strlen(s->body), .mtime_ns = w->lay.epoch};
	if (copy_dress(w->c, &t, e) < 0 || lay_parents(&w->lay, name, e) < 0 || lay_entry(&w->lay, &t, e) < 0)
		return -1;
	return tar_write_data(w->lay.tar, s->body, t.stored, e);
}

/* As BuildKit has it: 0600, and as old as the server says. */
static int put_fetched(struct writer *w, const struct copy_source *s, char *name, struct err *e)
{
	struct stat st;
	struct tar_entry t = {.type = TAR_FILE, .name = name, .mode = 0600, .mtime_ns = s->got->mtime_ns ? s->got->mtime_ns : w->lay.epoch};
	if (fstat(s->got->fd, &st) < 0 || lseek(s->got->fd, 0, SEEK_SET) < 0)
		return err_sys(e, "%.200s", s->url);
	t.size = t.stored = (uint64_t)st.st_size;
	if (copy_dress(w->c, &t, e) < 0 || lay_parents(&w->lay, name, e) < 0 || lay_entry(&w->lay, &t, e) < 0)
		return -1;
	return lay_data(&w->lay, s->got->fd, t.stored, NULL, NULL, e);
}

static int put_archive(struct writer *w, const struct copy_source *s, const char *dest, struct err *e)
{
	own(fd) int fd = s->url ? fcntl(s->got->fd, F_DUPFD_CLOEXEC, 3) : path_open_in(w->c->tree.root, s->path, O_RDONLY | O_NOFOLLOW, 0, e);
	if (s->url && (fd < 0 || lseek(fd, 0, SEEK_SET) < 0))
		return err_sys(e, "%.200s", s->url);
	if (fd < 0 || (*dest && lay_dir(&w->lay, dest, NULL, e) < 0) || copy_unpack(w->c, &w->lay, fd, dest, e) < 0)
		return err_wrap(e, "%.200s", s->path);
	return 0;
}

static int put_source(struct writer *w, const struct copy_source *s, struct err *e)
{
	struct copy *c = w->c;
	struct place p __attribute__((cleanup(place_drop))) = {};
	if (place_find(w->lay.root, c->dest, true, &p, e) < 0)
		return -1;
	const char *to = buf_text(&p.path);
	bool is_dir = c->dest_is_dir || (p.exists && S_ISDIR(p.st.st_mode)) || c->parents;
	bool needs_dir = c->dest_is_dir || s->is_dir || s->is_archive || c->sources.n > 1;
	if (needs_dir && p.exists && !S_ISDIR(p.st.st_mode))
		return err_set(e, ERR_USAGE, "cannot copy to %.200s: it is no directory", c->dest);
	const char *above = s->above.n ? s->above.v[s->above.n - 1].path : "";
	if (put_above(w, s, to, e) < 0)
		return -1;
	own(mem) char *below = NULL;
	if (c->parents && s->is_dir)
		below = *above ? path_join(above, path_base(s->path)) : mem_dup(path_base(s->path));
	else
		below = mem_dup(above);
	own(mem) char *dir = *below ? *to ? path_join(to, below) : mem_dup(below) : mem_dup(to);
	if (s->is_archive)
		return put_archive(w, s, dir, e);
	const char *name = s->name ? s->name : path_base(s->path);
	own(mem) char *file = is_dir ? *dir ? path_join(dir, name) : mem_dup(name) : mem_dup(dir);
	if (s->url && !s->git)
		return put_fetched(w, s, file, e);
	if (s->body)
		return put_body(w, s, file, e);
	w->file = s->is_dir ? NULL : file;
	w->levels[0] = (struct level){mem_dup(""), mem_dup(dir)};
	w->depth = 1;
	/* Of a repository the commit is in the sum, and its files in a tree of their own. */
	struct tree context = c->tree;
	struct digest *sum = w->sum.digest;
	if (s->git) {
		c->tree = (struct tree){.root = s->got->fd, .exclude = &c->exclude, .is_context = true};
		w->sum.digest = NULL;
	}
	int r = tree_walk(&c->tree, s->git ? "" : s->path, each, w, e);
	if (s->git)
		digest_drop(&w->sum.digest);
	w->sum.digest = s->git ? sum : w->sum.digest;
	c->tree = context;
	levels_cut(w, 0);
	w->file = NULL;
	return r;
}

static int add_only(void *arg, const struct tree_item *i, struct err *e)
{
	struct writer *w = arg;
	return tree_add(&w->c->tree, &w->sum, i, e);
}

static int put_all(struct writer *w, struct err *e)
{
	struct copy *c = w->c;
	char digest[DIGEST_TEXT];
	for (size_t k = 0; k < c->sources.n; k++) {
		struct copy_source *s = &c->sources.v[k];
		if (copy_sum_source(s, c->tree.is_context, &w->sum, e) < 0)
			return -1;
		/* The sum says it by --unpack. */
		s->is_archive |= s->url && !s->git && c->unpack && lseek(s->got->fd, 0, SEEK_SET) == 0 && copy_is_archive(s->got->fd);
		if (put_source(w, s, e) < 0)
			return -1;
		if (s->is_archive && !s->url && tree_walk(&c->tree, s->path, add_only, w, e) < 0)
			return -1;
	}
	if (!w->sum.digest && digest_begin(NULL, &w->sum.digest, e) < 0)
		return -1;
	digest_end(w->sum.digest, digest);
	memcpy(c->content, digest_hex(digest), 64);
	return lay_end(&w->lay, e);
}

int copy_write(void *copy, int out, struct err *e)
{
	struct copy *c = copy;
	struct writer w = {.c = c};
	lay_open(&w.lay, out, c->root, c->x->s->epoch);
	if (c->has_owner) {
		w.lay.uid = c->uid;
		w.lay.gid = c->gid;
	}
	int r = put_all(&w, e);
	if (r == 0 && c->tree.cache)
		r = statcache_save(c->tree.cache, e);
	levels_cut(&w, 0);
	digest_drop(&w.sum.digest);
	names_drop(&w.twins);
	lay_drop(&w.lay);
	return r;
}
