/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain_image: the layers are stacked as overlay does it, in memory: a tree of names, each with the layer that it came with last. What a
 * layer replaces or removes is counted twice: as hidden by it, and as wasted in the layer it came with.
 */
#include "engine/explain.h"

#include "engine/image.h"
#include "snap/contents.h"

#include <stdio.h>
#include <stdlib.h>

struct node {
	const char *path;
	struct node *parent, *child, *next, *chain; /* chain: of the same hash */
	uint64_t bytes;
	uint32_t layer;
	bool alive, is_dir;
};
struct layer {
	uint64_t files, bytes, hidden_files, hidden_bytes, wasted;
	struct json *hidden; /* the first of them */
};
enum { BIGGEST = 10, NAMED = 20 };
struct big { char *path; uint64_t bytes; uint32_t layer; bool hidden; };
struct inodes { ino_t *v; size_t n, room; }; /* room: a power of two */
struct stack {
	struct arena arena;
	struct node **table;
	size_t room, n;
	struct node *root;
	struct layer *layers;
	uint32_t at;              /* the layer that is being laid on */
	struct { struct node **v; size_t n; } order;
	struct big biggest[BIGGEST];
	struct inodes seen; /* those of this layer that have several names */
};

static uint64_t hash_of(const char *path)
{
	uint64_t h = 1469598103934665603ULL;
	for (; *path; path++)
		h = (h ^ (unsigned char)*path) * 1099511628211ULL;
	return h;
}

static void grow(struct stack *s)
{
	size_t room = s->room ? s->room * 4 : 4096;
	struct node **table = mem_alloc(room * sizeof *table);
	for (size_t i = 0; i < s->room; i++)
		for (struct node *n = s->table[i], *next; n; n = next) {
			next = n->chain;
			size_t at = hash_of(n->path) & (room - 1);
			n->chain = table[at];
			table[at] = n;
		}
	mem_drop(&s->table);
	s->table = table;
	s->room = room;
}

static struct node *find(struct stack *s, const char *path)
{
	struct node *n = s->room ? s->table[hash_of(path) & (s->room - 1)] : NULL;
	while (n && strcmp(n->path, path) != 0)
		n = n->chain;
	return n;
}

/* The node, new or as it is, and those of the directories above it. */
static struct node *need(struct stack *s, const char *path)
{
	struct node *n = find(s, path);
	if (n)
		return n;
	if (s->n >= s->room / 2)
		grow(s);
	n = arena_alloc(&s->arena, sizeof *n);
	n->path = arena_dup(&s->arena, path);
	size_t at = hash_of(path) & (s->room - 1);
	n->chain = s->table[at];
	s->table[at] = n;
	s->n++;
	if (*path) {
		const char *slash = strrchr(path, '/');
		own(mem) char *above = mem_ndup(path, slash ? (size_t)(slash - path) : 0);
		n->parent = need(s, above);
		n->next = n->parent->child;
		n->parent->child = n;
	}
	return n;
}

static void note_big(struct stack *s, const struct node *n, bool hidden)
{
	size_t i = BIGGEST;
	while (i > 0 && n->bytes > s->biggest[i - 1].bytes)
		i--;
	if (i == BIGGEST || !n->bytes)
		return;
	for (size_t k = BIGGEST - 1; k > i; k--)
		s->biggest[k] = s->biggest[k - 1];
	s->biggest[i] = (struct big){arena_dup(&s->arena, n->path), n->bytes, n->layer, hidden};
}

/* The layer that is laid on hides this one, which an older layer has. */
static void hide(struct stack *s, struct node *n)
{
	struct layer *by = &s->layers[s->at];
	if (!n->alive || n->layer == s->at)
		return;
	n->alive = false;
	if (n->is_dir)
		return;
	by->hidden_files++;
	by->hidden_bytes += n->bytes;
	s->layers[n->layer].wasted += n->bytes;
	note_big(s, n, true);
	if (json_len(by->hidden) < NAMED) {
		struct json *j = json_new_object();
		json_set_str(j, "Path", n->path);
		json_set(j, "Bytes", json_new_u64(n->bytes));
		json_set(j, "Layer", json_new_u64(n->layer));
		json_add(by->hidden, j);
	}
}

static void hide_below(struct stack *s, struct node *n)
{
	for (struct node *c = n->child; c; c = c->next) {
		hide_below(s, c);
		hide(s, c);
	}
}

/* Its place in the table, or the free one where it belongs. */
static ino_t *find_inode(const struct inodes *t, ino_t ino)
{
	size_t i = (size_t)(ino * 0x9e3779b97f4a7c15) & (t->room - 1);
	while (t->v[i] && t->v[i] != ino)
		i = (i + 1) & (t->room - 1);
	return &t->v[i];
}

/* A file with several names has its bytes once. */
static bool is_counted(struct stack *s, const struct stat *st)
{
	struct inodes *t = &s->seen;
	if (st->st_nlink < 2)
		return false;
	if (2 * t->n >= t->room) {
		struct inodes more = {.room = t->room ? 2 * t->room : 256, .n = t->n};
		more.v = mem_alloc(more.room * sizeof *more.v);
		for (size_t i = 0; i < t->room; i++)
			if (t->v[i])
				*find_inode(&more, t->v[i]) = t->v[i];
		mem_drop(&t->v);
		*t = more;
	}
	ino_t *at = find_inode(t, st->st_ino);
	if (*at)
		return true;
	*at = st->st_ino;
	t->n++;
	return false;
}

static int lay(void *arg, const struct contents_entry *c, struct err *e)
{
	struct stack *s = arg;
	if (s->n > 4000000)
		return err_set(e, ERR_LIMIT, "the image has too many files");
	struct node *n = c->gone ? find(s, c->path) : need(s, c->path);
	bool is_dir = !c->gone && S_ISDIR(c->st.st_mode);
	if (!n)
		return 0;
	if (c->gone || c->opaque || (n->alive && n->is_dir != is_dir && n->is_dir))
		hide_below(s, n);
	if (c->gone || (n->alive && !(n->is_dir && is_dir)))
		hide(s, n);
	if (c->gone)
		return 0;
	struct layer *l = &s->layers[s->at];
	n->alive = true;
	n->is_dir = is_dir;
	n->layer = s->at;
	n->bytes = 0;
	if (is_dir)
		return 0;
	l->files++;
	n->bytes = S_ISREG(c->st.st_mode) && !is_counted(s, &c->st) ? (uint64_t)c->st.st_size : 0;
	l->bytes += n->bytes;
	return 0;
}

static void note_alive(struct stack *s)
{
	for (size_t i = 0; i < s->room; i++)
		for (struct node *n = s->table[i]; n; n = n->chain)
			if (n->alive && !n->is_dir)
				note_big(s, n, false);
}

/* What made the i-th layer: the history's lines without a layer are passed over. */
static const char *made_by(const struct image *i, size_t layer)
{
	size_t said = 0;
	for (size_t k = 0; k < i->config.history.n; k++)
		if (!i->config.history.v[k].empty_layer && said++ == layer)
			return i->config.history.v[k].created_by;
	return NULL;
}

static struct json *format(struct stack *s, const struct image *i)
{
	struct json *doc = json_new_object(), *layers = json_new_array(), *biggest = json_new_array(), *names = json_new_array();
	uint64_t bytes = 0, files = 0, wasted = 0;
	for (size_t k = 0; k < i->config.rootfs.diff_ids.n; k++) {
		struct layer *l = &s->layers[k];
		struct json *j = json_new_object();
		bytes += l->bytes;
		files += l->files;
		wasted += l->wasted;
		json_set_str(j, "DiffId", i->config.rootfs.diff_ids.v[k]);
		json_set_str(j, "CreatedBy", made_by(i, k) ? made_by(i, k) : "");
		json_set(j, "Files", json_new_u64(l->files));
		json_set(j, "Bytes", json_new_u64(l->bytes));
		json_set(j, "HiddenFiles", json_new_u64(l->hidden_files));
		json_set(j, "HiddenBytes", json_new_u64(l->hidden_bytes));
		json_set(j, "WastedBytes", json_new_u64(l->wasted));
		json_set(j, "Hidden", take(l->hidden));
		json_add(layers, j);
	}
	for (size_t k = 0; k < BIGGEST && s->biggest[k].path; k++) {
		struct json *j = json_new_object();
		json_set_str(j, "Path", s->biggest[k].path);
		json_set(j, "Bytes", json_new_u64(s->biggest[k].bytes));
		json_set(j, "Layer", json_new_u64(s->biggest[k].layer));
		json_set(j, "Hidden", json_new_bool(s->biggest[k].hidden));
		json_add(biggest, j);
	}
	for (size_t k = 0; k < i->record.names.n; k++)
		json_add(names, json_new_str(i->record.names.v[k]));
	json_set_str(doc, "Id", i->record.id);
	json_set(doc, "Names", names);
	json_set(doc, "Bytes", json_new_u64(bytes));
	json_set(doc, "Files", json_new_u64(files));
	json_set(doc, "WastedBytes", json_new_u64(wasted));
	json_set(doc, "Efficiency", json_new_double(bytes ? (double)(bytes - wasted) / (double)bytes : 1));
	json_set(doc, "Layers", layers);
	json_set(doc, "Biggest", biggest);
	return doc;
}

struct json *explain_image(struct engine *g, const char *text, struct err *e)
{
	own(image) struct image i = {};
	struct stack s = {};
	struct json *doc = NULL;
	if (engine_need_store(g, e) < 0 || image_find(g, text, &i, e) < 0 || engine_need_snap(g, e) < 0)
		return NULL;
	size_t n = i.config.rootfs.diff_ids.n;
	s.layers = arena_alloc(&s.arena, (n + 1) * sizeof *s.layers);
	int r = 0;
	for (size_t k = 0; k < n; k++)
		s.layers[k].hidden = json_new_array();
	for (size_t k = 0; r == 0 && k < n; k++) {
		s.at = (uint32_t)k;
		mem_drop(&s.seen.v);
		s.seen = (struct inodes){};
		r = snap_contents(&g->snap, i.config.rootfs.diff_ids.v[k], lay, &s, e);
	}
	if (r == 0) {
		note_alive(&s);
		doc = format(&s, &i);
	}
	for (size_t k = 0; k < n; k++)
		json_drop(&s.layers[k].hidden);
	mem_drop(&s.table);
	mem_drop(&s.seen.v);
	arena_drop(&s.arena);
	return doc;
}
