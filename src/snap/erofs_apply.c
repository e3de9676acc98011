/* SPDX-License-Identifier: Apache-2.0 */
/*
 * erofs_apply: entries of a layer onto the tree in memory. Where files.c leaves a question to the kernel (does this name lead to
 * a directory, may this be replaced, is this value one for security.capability), the answer here is the kernel's.
 *
 * A missing parent has the time of the entry that needs it, so that the same tar is the same image everywhere.
 */
#include "snap/erofs_tree.h"

#include "base/str.h"
#include "snap/erofs_format.h"
#include "snap/name.h"

#include <endian.h>
#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

enum { XATTR_NAME_LONGEST = 255, XATTR_VALUE_LONGEST = UINT16_MAX, XATTRS_LONGEST = 4 * UINT16_MAX - 64 };

static struct erofs_tree *tree_of(struct apply_target *to)
{
	return (struct erofs_tree *)to;
}

static int failed(int code, struct err *e, const char *what)
{
	errno = code;
	return err_sys(e, "%s", what);
}

static struct erofs_node *node_at(struct erofs_tree *t, uint32_t dir, const char *name)
{
	uint32_t node = t->names.v[erofs_find(t, dir, name, strlen(name))].node;
	return node ? &t->nodes.v[node] : NULL;
}

static void forget_place(struct erofs_tree *t)
{
	t->placed = false;
}

/* A directory that nobody described: as mkdir makes it in this parent. */
static uint32_t add_bare_dir(struct erofs_tree *t, uint32_t parent, int64_t mtime_ns)
{
	const struct erofs_node *above = &t->nodes.v[t->dirs.v[parent].node];
	bool inherits = above->mode & S_ISGID;
	return erofs_add_dir(t, parent, (struct erofs_node){.mode = (uint16_t)(S_IFDIR | 0755 | (inherits ? S_ISGID : 0)),
		.gid = inherits ? above->gid : 0, .mtime_ns = mtime_ns});
}

/* One component of a parent, made when it is missing. A whiteout in its place (this layer said before that the older one
 * is gone) turns into a directory that shows nothing of that. */
static int enter_part(struct erofs_tree *t, uint32_t *dir, const char *name, size_t len, int64_t mtime_ns, unsigned *links)
{
	uint32_t at = *dir;
	int r = erofs_step(t, dir, name, len, links);
	const struct erofs_node *there = &t->nodes.v[t->names.v[erofs_find(t, at, name, len)].node];
	bool covered = r == ENOTDIR && erofs_is_whiteout(there);
	/* A symlink to what is missing: nothing is made at its end. */
	if (r == 0 || !(covered || (r == ENOENT && there == t->nodes.v)))
		return r;
	uint32_t node = add_bare_dir(t, at, mtime_ns);
	if (covered)
		t->nodes.v[node].flags |= EROFS_OPAQUE;
	erofs_put(t, at, name, len, node);
	*dir = (uint32_t)t->nodes.v[node].where;
	return 0;
}

static int enter(struct apply_target *to, const struct tar_entry *entry, const char *path, size_t len, struct err *e)
{
	struct erofs_tree *t = tree_of(to);
	if (erofs_check_memory(t, e) < 0)
		return -1;
	erofs_tree_rest(t, (uint32_t)t->names.n);
	if (t->placed && strncmp(t->path, path, len) == 0 && !t->path[len])
		return 0;
	uint32_t dir = 0;
	unsigned links = 0;
	for (size_t at = 0, n; at < len; at += n + 1) {
		n = strcspn(path + at, "/");
		int r = enter_part(t, &dir, path + at, n, entry->mtime_ns, &links);
		if (r)
			return failed(r, e, "its directory");
	}
	memcpy(t->path, path, len);
	t->path[len] = 0;
	t->place = dir;
	t->placed = true;
	return 0;
}

static bool is_capability(const struct tar_xattr *x)
{
	uint32_t magic;
	if (x->len != XATTR_CAPS_SZ_2 && x->len != XATTR_CAPS_SZ_3)
		return false;
	memcpy(&magic, x->value, sizeof magic);
	magic = le32toh(magic) & ~(uint32_t)VFS_CAP_FLAGS_EFFECTIVE;
	return magic == (x->len == XATTR_CAPS_SZ_2 ? VFS_CAP_REVISION_2 : VFS_CAP_REVISION_3);
}

static int set_xattr(struct erofs_tree *t, uint32_t node, const struct tar_xattr *x, struct err *e)
{
	const char *user = str_after(x->name, "user."), *name = user ? user : str_after(x->name, "security.");
	uint8_t prefix = user ? EROFS_XATTR_USER : EROFS_XATTR_SECURITY;
	size_t len = strlen(name);
	int code = !*name || (!user && !is_capability(x)) ? EINVAL : strlen(x->name) > XATTR_NAME_LONGEST ? ERANGE : 0;
	if (code) {
		errno = code;
		return err_sys(e, "set %.64s", x->name);
	}
	if (x->len > XATTR_VALUE_LONGEST)
		return err_set(e, ERR_LIMIT, "set %.64s: more than %d bytes", x->name, XATTR_VALUE_LONGEST);
	struct erofs_extra *extra = erofs_need_extra(t, node);
	struct erofs_xattr *made = arena_alloc(&t->arena, sizeof *made + len + x->len), **at = &extra->xattrs;
	t->memory += sizeof *made + len + x->len + 16;
	*made = (struct erofs_xattr){.prefix = prefix, .name_len = (uint8_t)len, .value_len = (uint16_t)x->len};
	memcpy(made->data, name, len);
	memcpy(made->data + len, x->value, x->len);
	while (*at && !((*at)->prefix == prefix && (*at)->name_len == len && memcmp((*at)->data, name, len) == 0))
		at = &(*at)->next;
	made->next = *at ? (*at)->next : NULL;
	*at = made;
	/* Those that were replaced are counted too: nobody comes near it. */
	extra->xattr_bytes += sizeof(struct erofs_xattr_entry) + len + x->len + 3;
	if (extra->xattr_bytes > XATTRS_LONGEST)
		return err_set(e, ERR_LIMIT, "set %.64s: the xattrs of one file are more than %d bytes", x->name, XATTRS_LONGEST);
	return erofs_check_memory(t, e);
}

static int set_xattrs(struct erofs_tree *t, uint32_t node, const struct tar_entry *entry, struct err *e)
{
	for (size_t i = 0; i < entry->xattrs.n; i++)
		if (apply_takes_xattr(entry->xattrs.v[i].name) && set_xattr(t, node, &entry->xattrs.v[i], e) < 0)
			return -1;
	return 0;
}

/* Owner, mode, time and xattrs of a directory; those that it has by now are merged. */
static int dress(struct erofs_tree *t, uint32_t node, const struct tar_entry *entry, struct err *e)
{
	struct erofs_node *n = &t->nodes.v[node];
	n->uid = entry->uid;
	n->gid = entry->gid;
	n->mode = (uint16_t)((n->mode & S_IFMT) | (entry->mode & 07777));
	n->mtime_ns = entry->mtime_ns;
	return set_xattrs(t, node, entry, e);
}

static int put_root(struct apply_target *to, const struct tar_entry *entry, struct err *e)
{
	struct erofs_tree *t = tree_of(to);
	t->root_said = true;
	return dress(t, t->dirs.v[0].node, entry, e);
}

/* In place of what is there, whatever it is. */
static void put_new(struct erofs_tree *t, const char *name, uint32_t node)
{
	const struct erofs_node *old = node_at(t, t->place, name);
	if (old && (S_ISDIR(old->mode) || S_ISLNK(old->mode)))
		forget_place(t);
	erofs_put(t, t->place, name, strlen(name), node);
}

static int put_dir(struct erofs_tree *t, const struct tar_entry *entry, const char *name, struct err *e)
{
	struct erofs_node *old = node_at(t, t->place, name);
	if (old && S_ISDIR(old->mode))
		return dress(t, (uint32_t)(old - t->nodes.v), entry, e);
	/* The whiteout said that the older directory of this name is gone: nothing of it may show. */
	bool covered = old && erofs_is_whiteout(old);
	uint32_t node = erofs_add_dir(t, t->place, (struct erofs_node){.mode = S_IFDIR, .flags = covered ? EROFS_OPAQUE : 0});
	put_new(t, name, node);
	return dress(t, node, entry, e);
}

static int put_spans(struct erofs_tree *t, uint32_t node, const struct tar_entry *entry, struct err *e)
{
	const struct tar_span *v = entry->spans.v;
	size_t n = entry->spans.n;
	if (entry->size >> EROFS_SIZE_MAX_BITS) {
		errno = EFBIG;
		return err_sys(e, "set the size %llu", (unsigned long long)entry->size);
	}
	/* A map that says: all of it. */
	if (n == 1 && v->offset == 0 && v->length == entry->size)
		return 0;
	struct erofs_extra *extra = erofs_need_extra(t, node);
	struct tar_span *own_spans = arena_alloc(&t->arena, (n + 1) * sizeof *v);
	t->memory += (n + 2) * sizeof *v;
	if (n)
		memcpy(own_spans, v, n * sizeof *v);
	extra->spans = own_spans;
	extra->nspans = n;
	extra->stored = entry->stored;
	return erofs_check_memory(t, e);
}

static int put_file(struct erofs_tree *t, const struct tar_entry *entry, const char *name, struct err *e)
{
	uint32_t node = erofs_add_node(t, (struct erofs_node){.size = entry->size, .where = entry->offset, .mtime_ns = entry->mtime_ns,
		.uid = entry->uid, .gid = entry->gid, .mode = (uint16_t)(S_IFREG | (entry->mode & 07777))});
	put_new(t, name, node);
	t->last = node;
	if (entry->sparse && entry->size && put_spans(t, node, entry, e) < 0)
		return -1;
	return set_xattrs(t, node, entry, e);
}

static int put_other(struct erofs_tree *t, const struct tar_entry *entry, const char *name, struct err *e)
{
	struct erofs_node n = {.mtime_ns = entry->mtime_ns, .uid = entry->uid, .gid = entry->gid};
	mode_t type = entry->type == TAR_SYMLINK ? S_IFLNK : entry->type == TAR_FIFO ? S_IFIFO : entry->type == TAR_BLOCK ? S_IFBLK : S_IFCHR;
	n.mode = (uint16_t)(type | (entry->type == TAR_SYMLINK ? 0777 : entry->mode & 07777));
	if (entry->type == TAR_SYMLINK) {
		n.size = strlen(entry->link);
		if (n.size == 0 || n.size >= PATH_MAX)
			return failed(n.size ? ENAMETOOLONG : ENOENT, e, "create");
		n.where = erofs_add_text(t, entry->link, n.size);
	} else if (entry->type != TAR_FIFO) {
		n.where = (entry->dev_minor & 0xff) | entry->dev_major << 8 | (entry->dev_minor & ~0xffu) << 12;
	}
	put_new(t, name, erofs_add_node(t, n));
	return 0;
}

static int put_entry(struct apply_target *to, const struct tar_entry *entry, const char *path, struct err *e)
{
	struct erofs_tree *t = tree_of(to);
	const char *name = name_last(path);
	if (entry->type == TAR_FILE)
		return put_file(t, entry, name, e);
	return entry->type == TAR_DIR ? put_dir(t, entry, name, e) : put_other(t, entry, name, e);
}

static bool is_below(const struct erofs_tree *t, uint32_t dir, uint32_t above)
{
	while (dir && dir != above)
		dir = t->dirs.v[dir].parent;
	return dir == above;
}

static int put_link(struct apply_target *to, const char *name, const char *there, struct err *e)
{
	struct erofs_tree *t = tree_of(to);
	uint32_t dir = 0;
	unsigned links = 0;
	char above[PATH_MAX];
	size_t len = name_parent(there);
	memcpy(above, there, len);
	above[len] = 0;
	int r = erofs_walk(t, &dir, above, &links);
	if (r == ENOENT || r == ENOTDIR || r == ELOOP)
		return apply_no_link(e);
	if (r)
		return failed(r, e, "hard link");
	const struct erofs_node *target = node_at(t, dir, name_last(there)), *old = node_at(t, t->place, name);
	if (!target || erofs_is_whiteout(target))
		return apply_no_link(e);
	if (S_ISDIR(target->mode))
		return err_set(e, ERR_CORRUPT, "a hard link to a directory");
	if (old == target)
		return 0;
	/* In place of the directory that it lies in. */
	if (old && S_ISDIR(old->mode) && is_below(t, dir, (uint32_t)old->where))
		return failed(ENOENT, e, "hard link");
	put_new(t, name, (uint32_t)(target - t->nodes.v));
	return 0;
}

static int put_gone(struct apply_target *to, const struct tar_entry *entry, const char *name, struct err *e unused)
{
	struct erofs_tree *t = tree_of(to);
	struct erofs_node *old = node_at(t, t->place, name);
	if (old && S_ISDIR(old->mode))
		old->flags |= EROFS_OPAQUE;
	/* What this layer has itself stays. */
	if (!old)
		put_new(t, name, erofs_add_node(t, (struct erofs_node){.mode = S_IFCHR, .mtime_ns = entry->mtime_ns}));
	return 0;
}

static int put_opaque(struct apply_target *to, struct err *e unused)
{
	struct erofs_tree *t = tree_of(to);
	t->nodes.v[t->dirs.v[t->place].node].flags |= EROFS_OPAQUE;
	return 0;
}

static void put_dirty(struct apply_target *to)
{
	struct erofs_tree *t = tree_of(to);
	if (!t->last)
		return;
	t->nodes.v[t->last].flags |= EROFS_DIRTY;
	(void)erofs_need_extra(t, t->last);
}

static int end(struct apply_target *to, struct err *e)
{
	return erofs_check_memory(tree_of(to), e);
}

const struct apply_ops erofs_ops = {enter, put_root, put_entry, put_link, put_gone, put_opaque, put_dirty, end};
