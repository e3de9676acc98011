/* SPDX-License-Identifier: Apache-2.0 */
/*
 * erofs_write: see erofs_write.h.
 *
 * Metadata goes out in the order of its places through one buffer; what is between two places is zeros. Only the data of
 * files with holes in awkward places is read again, from the tar that was just written, and only that leaves holes.
 */
#include "snap/erofs_write.h"

#include "base/fd.h"
#include "codec/digest.h"
#include "snap/erofs_layout.h"
#include "snap/erofs_sparse.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OUT_ROOM = 256 << 10, PAGE = 4096, WRITE_STEP = 8 << 20 };

struct out {
	int fd;
	uint64_t at;  /* of the next byte, in the file */
	size_t n;
	char *room;   /* OUT_ROOM bytes */
};

/* What lies behind the tar, in blocks of the file. */
struct bases { uint64_t inodes, blocks, moved, end; };

struct job {
	struct erofs_tree *t;
	struct erofs_layout l;
	struct bases base;
	struct out out;
	int source;
};

static void job_drop(struct job *j)
{
	erofs_layout_drop(&j->l);
	mem_drop(&j->out.room);
}

void erofs_open(struct erofs_writer *w, int fd, int dir)
{
	*w = (struct erofs_writer){.fd = fd, .source = fd};
	erofs_tree_open(&w->tree, dir);
}

void erofs_drop(struct erofs_writer *w)
{
	erofs_tree_drop(&w->tree);
}

/* Writes what passes to the file. */
struct tee {
	struct stream stream;
	struct stream *below;
	int fd;
	uint64_t bytes, begun; /* begun: what is on its way to the disk */
};

/* The disk begins while the rest still comes, so that the fsync at the end has little to wait for. */
static void begin_writing(struct tee *t)
{
	if (t->bytes - t->begun < WRITE_STEP)
		return;
	(void)!sync_file_range(t->fd, (off_t)(EROFS_TAR_AT + t->begun), (off_t)(t->bytes - t->begun), SYNC_FILE_RANGE_WRITE);
	t->begun = t->bytes;
}

static ssize_t tee_read(struct stream *s, void *p, size_t n, struct err *e)
{
	struct tee *t = (struct tee *)s;
	ssize_t r = stream_read(t->below, p, n, e);
	if (r > 0 && fd_write_all(t->fd, p, (size_t)r) < 0)
		return err_sys(e, "write");
	t->bytes += r > 0 ? (uint64_t)r : 0;
	begin_writing(t);
	return r;
}

static int take_entries(struct erofs_writer *w, struct stream *tar, uint64_t max_entries, struct err *e)
{
	if (apply_tar(&w->tree.target, tar, max_entries, &w->head.info, e) < 0)
		return -1;
	const struct erofs_node *root = &w->tree.nodes.v[w->tree.dirs.v[0].node];
	w->head.opaque = root->flags & EROFS_OPAQUE;
	w->head.root_said = w->tree.root_said;
	w->head.root_mode = root->mode & 07777;
	w->head.root_uid = root->uid;
	w->head.root_gid = root->gid;
	return 0;
}

int erofs_take(struct erofs_writer *w, struct stream *plain, uint64_t max_entries, struct err *e)
{
	struct tee tee = {.stream = {.read = tee_read}, .below = plain, .fd = w->fd};
	if (lseek(w->fd, EROFS_TAR_AT, SEEK_SET) < 0)
		return err_sys(e, "write");
	if (take_entries(w, &tee.stream, max_entries, e) < 0)
		return -1;
	w->head.tar_bytes = tee.bytes;
	return 0;
}

int erofs_take_written(struct erofs_writer *w, struct stream *tar, uint64_t bytes, struct err *e)
{
	own(stream) struct stream *range = tar ? NULL : stream_range(w->source, EROFS_TAR_AT, bytes);
	w->head.tar_bytes = bytes;
	if (lseek(w->fd, (off_t)(EROFS_TAR_AT + bytes), SEEK_SET) < 0)
		return err_sys(e, "write");
	return take_entries(w, tar ? tar : range, UINT64_MAX, e);
}

static int flush(struct out *o, struct err *e)
{
	if (fd_write_all(o->fd, o->room, o->n) < 0)
		return err_sys(e, "write");
	o->n = 0;
	return 0;
}

static int put(struct out *o, const void *p, size_t n, struct err *e)
{
	static const char zeros[PAGE];
	for (size_t now; n; n -= now) {
		if (o->n == OUT_ROOM && flush(o, e) < 0)
			return -1;
		now = n < OUT_ROOM - o->n ? n : OUT_ROOM - o->n;
		if (!p && now > sizeof zeros)
			now = sizeof zeros;
		memcpy(o->room + o->n, p ? p : zeros, now);
		p = p ? (const char *)p + now : NULL;
		o->n += now;
		o->at += now;
	}
	return 0;
}

static int put_up_to(struct out *o, uint64_t at, struct err *e)
{
	if (at < o->at)
		return err_set(e, ERR_BUG, "EROFS metadata overlaps at byte %llu", (unsigned long long)at);
	return put(o, NULL, at - o->at, e);
}

static int put_xattr(struct out *o, uint8_t prefix, const char *name, size_t name_len, const char *value, size_t value_len, struct err *e)
{
	struct erofs_xattr_entry h = {(uint8_t)name_len, prefix, htole16((uint16_t)value_len)};
	if (put(o, &h, sizeof h, e) < 0 || put(o, name, name_len, e) < 0 || put(o, value, value_len, e) < 0)
		return -1;
	return put(o, NULL, -(sizeof h + name_len + value_len) & 3, e);
}

static int put_xattrs(struct out *o, const struct erofs_tree *t, const struct erofs_node *n, struct err *e)
{
	static const char opaque[] = "overlay.opaque";
	const struct erofs_xattr_head head = {};
	if (!erofs_xattrs_size(t, n))
		return 0;
	if (put(o, &head, sizeof head, e) < 0)
		return -1;
	if (n->flags & EROFS_OPAQUE && put_xattr(o, EROFS_XATTR_TRUSTED, opaque, sizeof opaque - 1, "y", 1, e) < 0)
		return -1;
	for (const struct erofs_xattr *x = t->extras.v[n->extra].xattrs; x; x = x->next)
		if (put_xattr(o, x->prefix, x->data, x->name_len, x->data + x->name_len, x->value_len, e) < 0)
			return -1;
	return 0;
}

static uint8_t type_of(mode_t mode)
{
	static const struct { mode_t mode; uint8_t type; } rows[] = {{S_IFREG, 1}, {S_IFDIR, 2}, {S_IFCHR, 3}, {S_IFBLK, 4}, {S_IFIFO, 5}, {S_IFLNK, 7}};
	for (size_t i = 0; i < countof(rows); i++)
		if ((mode & S_IFMT) == rows[i].mode)
			return rows[i].type;
	return 0;
}

/* All blocks of a directory; the last one ends with its last name. */
static int put_listing(struct job *j, uint32_t dir, struct err *e)
{
	struct erofs_listing list = erofs_list(j->t, &j->l, dir);
	struct erofs_entry v[EROFS_NAMES_A_BLOCK];
	uint64_t begin = j->out.at;
	size_t bytes;
	for (size_t n, block = 0; (n = erofs_list_block(&list, v, &bytes)) > 0; block++) {
		if (block && put_up_to(&j->out, begin + block * EROFS_BLOCK, e) < 0)
			return -1;
		size_t name_at = n * sizeof(struct erofs_dirent);
		for (size_t i = 0; i < n; name_at += v[i++].len) {
			const struct erofs_node *node = &j->t->nodes.v[v[i].node];
			struct erofs_dirent d = {htole64(node->nid), htole16((uint16_t)name_at), type_of(node->mode), 0};
			if (put(&j->out, &d, sizeof d, e) < 0)
				return -1;
		}
		for (size_t i = 0; i < n; i++)
			if (put(&j->out, v[i].name, v[i].len, e) < 0)
				return -1;
	}
	return 0;
}

static int put_map(struct job *j, const struct erofs_node *n, struct err *e)
{
	struct erofs_sparse s = erofs_sparse_begin(j->t, n);
	uint64_t moved = j->base.moved + j->t->extras.v[n->extra].moved;
	struct erofs_chunk c;
	while (erofs_sparse_next(&s, &c)) {
		uint64_t block = c.kind == CHUNK_HOLE ? EROFS_NO_BLOCK : c.kind == CHUNK_THERE ? c.from / EROFS_BLOCK : moved;
		uint32_t on_disk = htole32((uint32_t)block);
		if (c.kind == CHUNK_MOVED)
			moved += erofs_blocks(c.length);
		if (put(&j->out, &on_disk, sizeof on_disk, e) < 0)
			return -1;
	}
	return 0;
}

/* The inode's word of its own: the first block, a device's number, or how large chunks are. */
static uint64_t word_of(const struct job *j, const struct erofs_node *n, unsigned form)
{
	const struct erofs_extra *x = &j->t->extras.v[n->extra];
	if (form == EROFS_CHUNKS)
		return x->chunk_bits;
	if (form == EROFS_INLINE)
		return EROFS_NO_BLOCK;
	switch (n->mode & S_IFMT) {
	case S_IFDIR: return j->base.blocks + j->t->dirs.v[n->where].block;
	case S_IFLNK: return j->base.blocks + x->moved;
	case S_IFCHR:
	case S_IFBLK: return n->where;
	case S_IFREG:
		if (!n->size)
			return 0;
		return n->flags & EROFS_DIRTY ? j->base.moved + x->moved : (EROFS_TAR_AT + n->where) / EROFS_BLOCK;
	default: return 0;
	}
}

static int put_inode(struct job *j, const struct erofs_node *n, uint32_t number, struct err *e)
{
	unsigned form = erofs_form_of(j->t, n);
	size_t xattrs = erofs_xattrs_size(j->t, n);
	int64_t s = n->mtime_ns / 1000000000, ns = n->mtime_ns % 1000000000;
	struct erofs_inode i = {
		.format = htole16((uint16_t)form), .mode = htole16(n->mode), .size = htole64(n->size), .ino = htole32(number),
		.xattr_units = htole16((uint16_t)(xattrs ? (xattrs - sizeof(struct erofs_xattr_head)) / 4 + 1 : 0)),
		.u = htole32((uint32_t)word_of(j, n, form)), .uid = htole32(n->uid), .gid = htole32(n->gid), .links = htole32(n->links),
		.mtime = htole64((uint64_t)(ns < 0 ? s - 1 : s)), .mtime_nsec = htole32((uint32_t)(ns < 0 ? ns + 1000000000 : ns)),
	};
	if (put_up_to(&j->out, j->base.inodes * EROFS_BLOCK + (uint64_t)n->nid * EROFS_SLOT, e) < 0 || put(&j->out, &i, sizeof i, e) < 0 ||
		put_xattrs(&j->out, j->t, n, e) < 0)
		return -1;
	if (form == EROFS_CHUNKS)
		return put_map(j, n, e);
	if (form != EROFS_INLINE)
		return 0;
	return S_ISDIR(n->mode) ? put_listing(j, (uint32_t)n->where, e) : put(&j->out, j->t->texts.v + n->where, n->size, e);
}

static int put_blocks(struct job *j, const struct erofs_node *n, struct err *e)
{
	if (erofs_form_of(j->t, n) != EROFS_FLAT || (!S_ISDIR(n->mode) && !S_ISLNK(n->mode)))
		return 0;
	if (put_up_to(&j->out, word_of(j, n, EROFS_FLAT) * EROFS_BLOCK, e) < 0)
		return -1;
	return S_ISDIR(n->mode) ? put_listing(j, (uint32_t)n->where, e) : put(&j->out, j->t->texts.v + n->where, n->size, e);
}

static int copy_bytes(struct job *j, uint64_t from, uint64_t to, uint64_t n, struct err *e)
{
	while (n > 0) {
		ssize_t r = pread(j->source, j->out.room, n < OUT_ROOM ? (size_t)n : OUT_ROOM, (off_t)from);
		if (r <= 0)
			return r < 0 ? err_sys(e, "read") : err_set(e, ERR_BUG, "the layer's file ends early");
		if (lseek(j->out.fd, (off_t)to, SEEK_SET) < 0 || fd_write_all(j->out.fd, j->out.room, (size_t)r) < 0)
			return err_sys(e, "write");
		from += (uint64_t)r;
		to += (uint64_t)r;
		n -= (uint64_t)r;
	}
	return 0;
}

static int move_data(struct job *j, const struct erofs_node *n, struct err *e)
{
	unsigned form = erofs_form_of(j->t, n);
	if (!S_ISREG(n->mode) || !n->extra || (form == EROFS_FLAT && !(n->flags & EROFS_DIRTY)))
		return 0;
	uint64_t to = (j->base.moved + j->t->extras.v[n->extra].moved) * EROFS_BLOCK;
	if (form == EROFS_FLAT)
		return copy_bytes(j, EROFS_TAR_AT + n->where, to, n->size, e);
	struct erofs_sparse s = erofs_sparse_begin(j->t, n);
	struct erofs_chunk c;
	while (erofs_sparse_next(&s, &c)) {
		if (c.kind != CHUNK_MOVED)
			continue;
		struct erofs_pieces p = erofs_pieces_begin(&s);
		struct tar_span piece;
		uint64_t from;
		while (erofs_pieces_next(&s, &p, &c, &piece, &from))
			if (copy_bytes(j, from, to + piece.offset - c.at, piece.length, e) < 0)
				return -1;
		to += erofs_blocks(c.length) * EROFS_BLOCK;
	}
	return 0;
}

static int put_all(struct job *j, struct err *e)
{
	for (size_t i = 0; i < j->l.ninodes; erofs_tree_rest(j->t, j->l.inodes[i++]))
		if (put_inode(j, &j->t->nodes.v[j->l.inodes[i]], (uint32_t)i + 1, e) < 0)
			return -1;
	for (size_t i = 0; i < j->l.ninodes; erofs_tree_rest(j->t, j->l.inodes[i++]))
		if (put_blocks(j, &j->t->nodes.v[j->l.inodes[i]], e) < 0)
			return -1;
	if (put_up_to(&j->out, j->base.moved * EROFS_BLOCK, e) < 0 || flush(&j->out, e) < 0)
		return -1;
	for (size_t i = 0; i < j->l.ninodes && j->l.moved; erofs_tree_rest(j->t, j->l.inodes[i++]))
		if (move_data(j, &j->t->nodes.v[j->l.inodes[i]], e) < 0)
			return -1;
	return ftruncate(j->out.fd, (off_t)(j->base.end * EROFS_BLOCK)) < 0 ? err_sys(e, "write") : 0;
}

static void set_uuid(uint8_t uuid[16], const char *diff_id)
{
	const char *hex = digest_hex(diff_id);
	for (int i = 0; i < 16 && hex[0] && hex[1]; i++, hex += 2) {
		char byte[3] = {hex[0], hex[1], 0};
		uuid[i] = (uint8_t)strtoul(byte, NULL, 16);
	}
}

static int put_head(const struct erofs_writer *w, const struct job *j, const char *diff_id, struct err *e)
{
	char page[PAGE] = {};
	struct erofs_super *s = (void *)(page + EROFS_SUPER_AT);
	*s = (struct erofs_super){.magic = htole32(EROFS_MAGIC), .block_bits = EROFS_BLOCK_BITS, .volume_name = "hull",
		.root = htole16((uint16_t)w->tree.nodes.v[w->tree.dirs.v[0].node].nid), .inodes = htole64(j->l.ninodes),
		.blocks = htole32((uint32_t)j->base.end), .meta_block = htole32((uint32_t)j->base.inodes),
		.feature_incompat = htole32(j->l.chunked ? EROFS_INCOMPAT_CHUNKED : 0)};
	set_uuid(s->uuid, diff_id);
	if (erofs_head_format(&w->head, page, e) < 0)
		return -1;
	if (lseek(w->fd, 0, SEEK_SET) < 0 || fd_write_all(w->fd, page, sizeof page) < 0)
		return err_sys(e, "write");
	return 0;
}

int erofs_end(struct erofs_writer *w, const char *diff_id, struct err *e)
{
	struct job j __attribute__((cleanup(job_drop))) = {.t = &w->tree, .source = w->source,
		.out = {.fd = w->fd, .at = EROFS_TAR_AT + w->head.tar_bytes}};
	if (erofs_layout_make(&w->tree, &j.l, e) < 0)
		return -1;
	j.base.inodes = erofs_blocks(j.out.at);
	j.base.blocks = j.base.inodes + erofs_blocks(j.l.inode_bytes);
	j.base.moved = j.base.blocks + j.l.blocks;
	j.base.end = (j.base.moved + j.l.moved + PAGE / EROFS_BLOCK - 1) & ~(uint64_t)(PAGE / EROFS_BLOCK - 1);
	if (j.base.end >= EROFS_NO_BLOCK)
		return err_set(e, ERR_LIMIT, "the layer does not fit into one EROFS file");
	j.out.room = mem_grow(NULL, OUT_ROOM);
	return put_all(&j, e) < 0 ? -1 : put_head(w, &j, diff_id, e);
}
