/* SPDX-License-Identifier: Apache-2.0 */
/*
 * erofs_tree: see erofs_tree.h.
 *
 * Everything is numbered, and lies in arrays that grow; nothing is freed before the end. A name is found by a hash of
 * its directory's number and its text (seeded: names come from outside). What is removed or replaced stays as garbage:
 * a directory that is made anew gets a new number, under which none of the old names are.
 *
 * A large array is a shared mapping of a file: what the process lets go of stays in the page cache, which the kernel may
 * write out and reclaim. The room is allocated on the disk before it is mapped; where that cannot be had the array is
 * in memory, like a small one.
 */
#include "snap/erofs_tree.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	LINKS_MAX = 40, /* the kernel's MAXSYMLINKS */
	NUMBER_BITS = 25, NAMES_MAX = (1 << NUMBER_BITS) - 1024, /* of a name, in a slot of the hash */
	/* A look at something maps what lies 64 KiB around it. */
	REST_AFTER = 4096, NEAR = 256, FAR_COUNTS = 32,
};

static void *array_of(const struct erofs_tree *t, int which)
{
	void *const all[EROFS_ARRAYS] = {t->nodes.v, t->names.v, t->dirs.v, t->extras.v, t->texts.v};
	return all[which];
}

/* NULL: not to be had. */
static void *map_more(struct erofs_place *p, void *old, size_t bytes)
{
	if (fallocate(p->fd, 0, 0, (off_t)bytes) < 0)
		return NULL;
	void *v = old ? mremap(old, p->bytes, bytes, MREMAP_MAYMOVE) : mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, p->fd, 0);
	if (v == MAP_FAILED)
		return NULL;
	/* Nothing is read ahead: there is nothing on the disk. */
	madvise(v, bytes, MADV_RANDOM);
	return v;
}

static void *move_to_file(struct erofs_tree *t, struct erofs_place *p, void *old, size_t used, size_t bytes)
{
	p->fd = openat(t->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	void *v = p->fd < 0 ? NULL : map_more(p, NULL, bytes);
	if (!v) {
		fd_drop(&p->fd);
		t->dir = -1;
		return NULL;
	}
	memcpy(v, old, used);
	free(old);
	return v;
}

static void *move_to_memory(struct erofs_place *p, void *old, size_t used, size_t bytes)
{
	void *v = mem_grow(NULL, bytes);
	memcpy(v, old, used);
	munmap(old, p->bytes);
	fd_drop(&p->fd);
	return v;
}

static void *grow(struct erofs_tree *t, int which, void *old, size_t used, size_t bytes)
{
	struct erofs_place *p = &t->at[which];
	void *v = NULL;
	if (p->fd >= 0) {
		v = map_more(p, old, bytes);
		if (!v)
			v = move_to_memory(p, old, used, bytes);
	} else if (bytes > EROFS_IN_MEMORY && t->dir >= 0) {
		v = move_to_file(t, p, old, used, bytes);
	}
	p->bytes = bytes;
	return v ? v : mem_grow(old, bytes);
}

/* Room for `more` elements behind the n that are there. */
#define GROW(t, which, l, more) \
	((l).n + (more) > (l).room ? (l).room = (l).room + (l).room / 2 + (more) + 256, \
		(l).v = grow(t, which, (l).v, (l).n * sizeof *(l).v, (l).room * sizeof *(l).v), (void)0 : (void)0)

void erofs_tree_rest(struct erofs_tree *t, uint32_t number)
{
	uint32_t away = number > t->looked_at ? number - t->looked_at : t->looked_at - number;
	t->looked_at = number;
	t->since_rest += away < NEAR ? 1 : FAR_COUNTS;
	if (t->since_rest < REST_AFTER)
		return;
	t->since_rest = 0;
	for (int i = 0; i < EROFS_ARRAYS; i++)
		if (t->at[i].fd >= 0)
			madvise(array_of(t, i), t->at[i].bytes, MADV_DONTNEED);
}

void erofs_tree_open(struct erofs_tree *t, int dir)
{
	*t = (struct erofs_tree){.target = {.ops = &erofs_ops}, .dir = dir};
	for (int i = 0; i < EROFS_ARRAYS; i++)
		t->at[i].fd = -1;
	if (getrandom(&t->seed, sizeof t->seed, GRND_NONBLOCK) < 0)
		t->seed = (uintptr_t)t;
	GROW(t, EROFS_NODES, t->nodes, 1);
	t->nodes.v[t->nodes.n++] = (struct erofs_node){};
	GROW(t, EROFS_NAMES, t->names, 1);
	t->names.v[t->names.n++] = (struct erofs_name){};
	GROW(t, EROFS_EXTRAS, t->extras, 1);
	t->extras.v[t->extras.n++] = (struct erofs_extra){};
	(void)!erofs_add_dir(t, 0, (struct erofs_node){.mode = S_IFDIR | 0755, .mtime_ns = APPLY_ROOT_UNSAID});
}

void erofs_tree_drop(struct erofs_tree *t)
{
	for (int i = 0; i < EROFS_ARRAYS; i++) {
		if (t->at[i].fd >= 0)
			munmap(array_of(t, i), t->at[i].bytes);
		else
			free(array_of(t, i));
		fd_drop(&t->at[i].fd);
	}
	free(t->hash.v);
	arena_drop(&t->arena);
	*t = (struct erofs_tree){};
}

int erofs_check_memory(const struct erofs_tree *t, struct err *e)
{
	size_t sum = t->memory + t->nodes.n * sizeof *t->nodes.v + t->names.n * sizeof *t->names.v + t->dirs.n * sizeof *t->dirs.v +
		t->extras.n * sizeof *t->extras.v + t->texts.n + t->hash.room * sizeof *t->hash.v;
	if (sum <= EROFS_TREE_MAX && t->names.n <= NAMES_MAX)
		return 0;
	return err_set(e, ERR_LIMIT, "too many files: their names alone take %d MiB", EROFS_TREE_MAX >> 20);
}

uint64_t erofs_add_text(struct erofs_tree *t, const char *text, size_t len)
{
	size_t at = t->texts.n;
	GROW(t, EROFS_TEXTS, t->texts, len + 1);
	memcpy(t->texts.v + at, text, len);
	t->texts.v[at + len] = 0;
	t->texts.n += len + 1;
	return at;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 r = (unsigned __int128)a * b;
	return (uint64_t)r ^ (uint64_t)(r >> 64);
}

static uint64_t hash_of(const struct erofs_tree *t, uint32_t dir, const char *name, size_t len)
{
	uint64_t h = mix(t->seed ^ dir, 0x9e3779b97f4a7c15u) ^ len, w;
	for (; len >= sizeof w; name += sizeof w, len -= sizeof w) {
		memcpy(&w, name, sizeof w);
		h = mix(h ^ w, 0xa0761d6478bd642fu ^ t->seed);
	}
	w = 0;
	memcpy(&w, name, len);
	return mix(h ^ w, 0xe7037ed1a0b428dbu ^ t->seed);
}

static bool is_it(const struct erofs_tree *t, uint32_t number, uint32_t dir, const char *name, size_t len)
{
	const struct erofs_name *n = &t->names.v[number];
	const char *text = t->texts.v + n->text;
	return n->dir == dir && (unsigned char)*text == len && memcmp(text + 1, name, len) == 0;
}

static uint32_t number_in(uint32_t slot)
{
	return slot & ((1u << NUMBER_BITS) - 1);
}

/* The bits of the hash that a slot keeps, in their place: nearly all that is not it is passed over without a look. */
static uint32_t mark_of(uint64_t hash)
{
	return (uint32_t)(hash >> 57) << NUMBER_BITS;
}

/* Its slot in the hash, or the free one where it would be. */
static uint32_t *slot_of(const struct erofs_tree *t, uint64_t hash, uint32_t dir, const char *name, size_t len)
{
	size_t i = hash & (t->hash.room - 1);
	uint32_t mark = mark_of(hash);
	for (uint32_t slot; (slot = t->hash.v[i]) != 0; i = (i + 1) & (t->hash.room - 1))
		if (slot - number_in(slot) == mark && is_it(t, number_in(slot), dir, name, len))
			break;
	return &t->hash.v[i];
}

uint32_t erofs_find(const struct erofs_tree *t, uint32_t dir, const char *name, size_t len)
{
	return t->hash.room ? number_in(*slot_of(t, hash_of(t, dir, name, len), dir, name, len)) : 0;
}

void erofs_tree_close_names(struct erofs_tree *t)
{
	mem_drop(&t->hash.v);
	t->hash.room = 0;
}

/* All names are different: none is looked at. */
static void grow_hash(struct erofs_tree *t)
{
	free(t->hash.v);
	t->hash.room = t->hash.room ? 2 * t->hash.room : 1024;
	t->hash.v = mem_alloc(t->hash.room * sizeof *t->hash.v);
	for (uint32_t i = 1; i < t->names.n; i++) {
		const char *text = t->texts.v + t->names.v[i].text;
		uint64_t hash = hash_of(t, t->names.v[i].dir, text + 1, (unsigned char)*text);
		size_t at = hash & (t->hash.room - 1);
		while (t->hash.v[at])
			at = (at + 1) & (t->hash.room - 1);
		t->hash.v[at] = i | mark_of(hash);
		erofs_tree_rest(t, i);
	}
}

void erofs_put(struct erofs_tree *t, uint32_t dir, const char *name, size_t len, uint32_t node)
{
	if (4 * (t->names.n + 1) > 3 * t->hash.room)
		grow_hash(t);
	uint64_t hash = hash_of(t, dir, name, len);
	uint32_t *slot = slot_of(t, hash, dir, name, len);
	if (!*slot) {
		char text[1 + NAME_MAX];
		*text = (char)len;
		memcpy(text + 1, name, len);
		GROW(t, EROFS_NAMES, t->names, 1);
		*slot = (uint32_t)t->names.n | mark_of(hash);
		t->names.v[t->names.n++] = (struct erofs_name){(uint32_t)erofs_add_text(t, text, len + 1), dir, 0};
	}
	t->names.v[number_in(*slot)].node = node;
}

uint32_t erofs_add_node(struct erofs_tree *t, struct erofs_node n)
{
	GROW(t, EROFS_NODES, t->nodes, 1);
	t->nodes.v[t->nodes.n] = n;
	return (uint32_t)t->nodes.n++;
}

uint32_t erofs_add_dir(struct erofs_tree *t, uint32_t parent, struct erofs_node n)
{
	n.where = t->dirs.n;
	uint32_t node = erofs_add_node(t, n);
	GROW(t, EROFS_DIRS, t->dirs, 1);
	t->dirs.v[t->dirs.n++] = (struct erofs_dir){.node = node, .parent = parent};
	return node;
}

struct erofs_extra *erofs_need_extra(struct erofs_tree *t, uint32_t node)
{
	struct erofs_node *n = &t->nodes.v[node];
	if (!n->extra) {
		GROW(t, EROFS_EXTRAS, t->extras, 1);
		n->extra = (uint32_t)t->extras.n++;
		t->extras.v[n->extra] = (struct erofs_extra){};
	}
	return &t->extras.v[n->extra];
}

bool erofs_is_whiteout(const struct erofs_node *n)
{
	return S_ISCHR(n->mode) && n->where == 0;
}

int erofs_step(const struct erofs_tree *t, uint32_t *dir, const char *name, size_t len, unsigned *links)
{
	if (len == 1 && *name == '.')
		return 0;
	if (len == 2 && name[0] == '.' && name[1] == '.') {
		*dir = t->dirs.v[*dir].parent;
		return 0;
	}
	if (len > NAME_MAX)
		return ENAMETOOLONG;
	uint32_t node = t->names.v[erofs_find(t, *dir, name, len)].node;
	const struct erofs_node *n = &t->nodes.v[node];
	if (!node)
		return ENOENT;
	if (S_ISDIR(n->mode)) {
		*dir = (uint32_t)n->where;
		return 0;
	}
	if (!S_ISLNK(n->mode))
		return ENOTDIR;
	if (++*links > LINKS_MAX)
		return ELOOP;
	return erofs_walk(t, dir, t->texts.v + n->where, links);
}

int erofs_walk(const struct erofs_tree *t, uint32_t *dir, const char *path, unsigned *links)
{
	int r = 0;
	if (*path == '/')
		*dir = 0;
	for (size_t len; r == 0 && *path; path += len) {
		path += strspn(path, "/");
		len = strcspn(path, "/");
		if (len)
			r = erofs_step(t, dir, path, len, links);
	}
	return r;
}
