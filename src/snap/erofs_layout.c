/* SPDX-License-Identifier: Apache-2.0 */
/*
 * erofs_layout: see erofs_layout.h.
 *
 * Names are older than what lies below them: a directory's name is there before anything can be put into the directory,
 * so one pass over the names in their order finds all that hang together with the root.
 */
#include "snap/erofs_layout.h"

#include "snap/erofs_sparse.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { INLINE_MAX = EROFS_BLOCK - (int)sizeof(struct erofs_inode), FIRST_NID = 2 };

void erofs_layout_drop(struct erofs_layout *l)
{
	free(l->order);
	free(l->inodes);
	*l = (struct erofs_layout){};
}

uint64_t erofs_blocks(uint64_t bytes)
{
	return (bytes + EROFS_BLOCK - 1) / EROFS_BLOCK;
}

size_t erofs_xattrs_size(const struct erofs_tree *t, const struct erofs_node *n)
{
	size_t sum = 0;
	for (const struct erofs_xattr *x = t->extras.v[n->extra].xattrs; x; x = x->next)
		sum += (sizeof(struct erofs_xattr_entry) + x->name_len + x->value_len + 3) & ~(size_t)3;
	if (n->flags & EROFS_OPAQUE)
		sum += (sizeof(struct erofs_xattr_entry) + strlen("overlay.opaque") + 1 + 3) & ~(size_t)3;
	return sum ? sizeof(struct erofs_xattr_head) + sum : 0;
}

unsigned erofs_form_of(const struct erofs_tree *t, const struct erofs_node *n)
{
	if (S_ISREG(n->mode))
		return t->extras.v[n->extra].spans ? EROFS_CHUNKS : EROFS_FLAT;
	return (S_ISDIR(n->mode) || S_ISLNK(n->mode)) && n->size <= INLINE_MAX ? EROFS_INLINE : EROFS_FLAT;
}

/* Which names are there; how many links a node has and a directory names. */
static void find_alive(struct erofs_tree *t, struct erofs_layout *l)
{
	t->dirs.v[0].alive = true;
	t->nodes.v[t->dirs.v[0].node].links = 2;
	for (size_t i = 1; i < t->names.n; i++) {
		struct erofs_name *name = &t->names.v[i];
		struct erofs_dir *dir = &t->dirs.v[name->dir];
		struct erofs_node *n = &t->nodes.v[name->node];
		erofs_tree_rest(t, (uint32_t)i);
		if (!dir->alive)
			name->node = 0;
		if (!name->node)
			continue;
		dir->n++;
		l->n++;
		if (S_ISDIR(n->mode)) {
			t->dirs.v[n->where].alive = true;
			n->links = 2;
			t->nodes.v[dir->node].links++;
		} else {
			n->links++;
		}
	}
}

static int compare(const char *a, size_t na, const char *b, size_t nb)
{
	int r = memcmp(a, b, na < nb ? na : nb);
	return r ? r : na < nb ? -1 : na > nb;
}

static int by_name(const void *a, const void *b, void *arg)
{
	struct erofs_tree *t = arg;
	erofs_tree_rest(t, *(const uint32_t *)a);
	const char *x = t->texts.v + t->names.v[*(const uint32_t *)a].text, *y = t->texts.v + t->names.v[*(const uint32_t *)b].text;
	return compare(x + 1, (unsigned char)*x, y + 1, (unsigned char)*y);
}

static void sort_names(struct erofs_tree *t, struct erofs_layout *l)
{
	uint32_t first = 0;
	l->order = mem_alloc((l->n + 1) * sizeof *l->order);
	for (size_t i = 0; i < t->dirs.n; i++) {
		t->dirs.v[i].first = first;
		first += t->dirs.v[i].n;
		t->dirs.v[i].n = 0;
	}
	for (uint32_t i = 1; i < t->names.n; i++) {
		struct erofs_dir *dir = &t->dirs.v[t->names.v[i].dir];
		if (t->names.v[i].node)
			l->order[dir->first + dir->n++] = i;
		erofs_tree_rest(t, i);
	}
	for (size_t i = 0; i < t->dirs.n; i++)
		qsort_r(l->order + t->dirs.v[i].first, t->dirs.v[i].n, sizeof *l->order, by_name, t);
}

static void advance(struct erofs_listing *i)
{
	struct erofs_tree *t = i->t;
	const struct erofs_dir *dir = &t->dirs.v[i->dir];
	struct erofs_entry name = {}, dot = {".", dir->node, 1};
	if (i->dots == 1)
		dot = (struct erofs_entry){"..", t->dirs.v[dir->parent].node, 2};
	if (i->at < dir->n) {
		uint32_t number = i->l->order[dir->first + i->at];
		const struct erofs_name *x = &t->names.v[number];
		erofs_tree_rest(t, number);
		const char *text = t->texts.v + x->text;
		name = (struct erofs_entry){text + 1, x->node, (uint8_t)*text};
	}
	bool dotted = i->dots < 2 && (!name.name || compare(dot.name, dot.len, name.name, name.len) < 0);
	i->next = dotted ? dot : name;
	if (dotted)
		i->dots++;
	else
		i->at++;
}

struct erofs_listing erofs_list(struct erofs_tree *t, const struct erofs_layout *l, uint32_t dir)
{
	struct erofs_listing i = {.t = t, .l = l, .dir = dir};
	advance(&i);
	return i;
}

size_t erofs_list_block(struct erofs_listing *i, struct erofs_entry v[EROFS_NAMES_A_BLOCK], size_t *ret_bytes)
{
	size_t n = 0, bytes = 0;
	while (i->next.name && bytes + sizeof(struct erofs_dirent) + i->next.len <= EROFS_BLOCK) {
		bytes += sizeof(struct erofs_dirent) + i->next.len;
		v[n++] = i->next;
		advance(i);
	}
	*ret_bytes = bytes;
	return n;
}

static uint64_t listing_size(struct erofs_tree *t, const struct erofs_layout *l, uint32_t dir)
{
	struct erofs_listing i = erofs_list(t, l, dir);
	struct erofs_entry v[EROFS_NAMES_A_BLOCK];
	uint64_t blocks = 0, last = 0;
	for (size_t bytes; erofs_list_block(&i, v, &bytes); blocks++)
		last = bytes;
	return (blocks - 1) * EROFS_BLOCK + last;
}

/* The map behind the inode; what must move is counted. */
static uint64_t plan_chunks(struct erofs_tree *t, struct erofs_layout *l, const struct erofs_node *n)
{
	struct erofs_extra *x = &t->extras.v[n->extra];
	x->chunk_bits = (uint8_t)erofs_sparse_bits(x->spans, x->nspans, n->size, x->stored);
	x->moved = (uint32_t)l->moved;
	struct erofs_sparse s = erofs_sparse_begin(t, n);
	struct erofs_chunk c;
	uint64_t bytes = 0;
	for (; erofs_sparse_next(&s, &c); bytes += sizeof(uint32_t))
		if (c.kind == CHUNK_MOVED)
			l->moved += erofs_blocks(c.length);
	l->chunked = true;
	return bytes;
}

/* Past this nothing fits into the numbers of the format: found out at the end, when all is summed up. */
static void place(struct erofs_tree *t, struct erofs_layout *l, uint32_t node)
{
	struct erofs_node *n = &t->nodes.v[node];
	erofs_tree_rest(t, node);
	if (S_ISDIR(n->mode))
		n->size = listing_size(t, l, (uint32_t)n->where);
	unsigned form = erofs_form_of(t, n);
	size_t head = sizeof(struct erofs_inode) + erofs_xattrs_size(t, n);
	uint64_t tail = form == EROFS_INLINE ? n->size : form == EROFS_CHUNKS ? plan_chunks(t, l, n) : 0;
	uint64_t at = l->inode_bytes;
	/* An inode lies in one block, and so does what is inline. */
	while (at % EROFS_BLOCK > EROFS_BLOCK - sizeof(struct erofs_inode) ||
		(form == EROFS_INLINE && (at + head) % EROFS_BLOCK + tail > EROFS_BLOCK))
		at += EROFS_SLOT;
	n->nid = (uint32_t)(at / EROFS_SLOT);
	l->inodes[l->ninodes++] = node;
	l->inode_bytes = (at + head + tail + EROFS_SLOT - 1) / EROFS_SLOT * EROFS_SLOT;
	if (form != EROFS_FLAT)
		return;
	if (S_ISDIR(n->mode)) {
		t->dirs.v[n->where].block = (uint32_t)l->blocks;
		l->blocks += erofs_blocks(n->size);
	} else if (S_ISLNK(n->mode)) {
		erofs_need_extra(t, node)->moved = (uint32_t)l->blocks;
		l->blocks += erofs_blocks(n->size);
	} else if (S_ISREG(n->mode) && n->flags & EROFS_DIRTY) {
		t->extras.v[n->extra].moved = (uint32_t)l->moved;
		l->moved += erofs_blocks(n->size);
	}
}

int erofs_layout_make(struct erofs_tree *t, struct erofs_layout *ret, struct err *e)
{
	struct erofs_layout l = {.inode_bytes = FIRST_NID * EROFS_SLOT};
	erofs_tree_close_names(t);
	find_alive(t, &l);
	sort_names(t, &l);
	l.inodes = mem_alloc((l.n + 1) * sizeof *l.inodes);
	place(t, &l, t->dirs.v[0].node);
	for (size_t i = 0; i < t->dirs.n; i++)
		for (uint32_t k = 0; k < t->dirs.v[i].n; k++) {
			uint32_t node = t->names.v[l.order[t->dirs.v[i].first + k]].node;
			if (!t->nodes.v[node].nid)
				place(t, &l, node);
		}
	*ret = l;
	if (l.inode_bytes / EROFS_SLOT > UINT32_MAX || l.blocks + l.moved > UINT32_MAX)
		return err_set(e, ERR_LIMIT, "the layer does not fit into one EROFS file");
	return 0;
}
