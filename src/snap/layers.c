/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layers: the store of layers, see snap.h.
 *
 * A blob is read once:
 *
 *   fd -> meter -> hash -> decompress -> meter -> hash -> files.c
 *          size    blob's                 bound   diff_id
 *
 * into tmp-<pid>-<n>/, which its maker keeps locked (flock on the directory). When everything agrees: one syncfs for
 * all of its files, rename to the final name, fsync of layers/. Of two who make the same layer at once the second
 * rename finds the place taken and is content with that. A tmp-* whose lock is free belongs to nobody: the first ingest
 * or list of a process removes it. Removing a layer renames it to a locked tmp-* first, so it is never half there.
 *
 * Bounds: a blob's plain tar is at most PLAIN_FLOOR + PLAIN_RATIO times its declared size (real layers stay below 10
 * times, gzip can do 1000, zstd more), PLAIN_UNKNOWN when that is not declared; entries are apply.h's.
 */
#include "snap/snap.h"

#include "base/fd.h"
#include "base/path.h"
#include "codec/digest.h"
#include "codec/stream.h"
#include "snap/files.h"
#include "snap/info.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const uint64_t PLAIN_FLOOR = 4ull << 30, PLAIN_RATIO = 256, PLAIN_UNKNOWN = 64ull << 30;
enum { TMP_NAME = 40, PROGRESS_STEP = 1 << 20 };

int snap_open(struct snap *s, int root, const char *path, bool rootless, struct err *e)
{
	struct stat st;
	const char *storage = getenv("HULL_STORAGE");
	if (!str_is_empty(storage) && !str_eq(storage, "copy") && !str_eq(storage, "overlay"))
		return err_set(e, ERR_USAGE, "invalid HULL_STORAGE \"%.40s\": overlay and copy are known", storage);
	int fd = openat(root, "layers", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	/* Files of images, setuid ones among them, are nothing for the machine's other users: 0700. */
	if (fd < 0 && errno == ENOENT && (mkdirat(root, "layers", 0700) == 0 || errno == EEXIST))
		fd = openat(root, "layers", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "%s/layers", path);
	/* The initial user namespace has this number; without /proc the caller's word counts. */
	bool nested = stat("/proc/self/ns/user", &st) == 0 && st.st_ino != 0xeffffffd;
	*s = (struct snap){.root = root, .layers = fd, .rootless = rootless || nested};
	return 0;
}

void snap_drop(struct snap *s)
{
	fd_drop(&s->layers);
}

bool snap_has_layer(const struct snap *s, const char *diff_id)
{
	return digest_is_valid(diff_id) && path_exists(s->layers, digest_hex(diff_id));
}

static int check_id(const char *diff_id, struct err *e)
{
	return digest_is_valid(diff_id) ? 0 : err_set(e, ERR_CORRUPT, "invalid layer digest \"%.80s\"", diff_id);
}

int snap_layer_info(const struct snap *s, const char *diff_id, struct snap_layer_info *ret, struct err *e)
{
	char path[DIGEST_TEXT + 16];
	if (check_id(diff_id, e) < 0)
		return -1;
	if (!snap_has_layer(s, diff_id))
		return err_set(e, ERR_NOT_FOUND, "layer %.19s is not here", diff_id);
	snprintf(path, sizeof path, "%s/layer.json", digest_hex(diff_id));
	return info_load(s->layers, path, ret, e) < 0 ? err_wrap(e, "layer %.19s", diff_id) : 0;
}

static void remove_tmp(struct snap *s, const char *name)
{
	int saved = errno;
	struct err ignored = {};
	(void)!path_remove_tree(s->layers, name, &ignored);
	errno = saved;
}

/* A new directory that we hold the lock of. */
static int make_tmp(struct snap *s, char name[TMP_NAME], struct err *e)
{
	static unsigned count;
	for (;;) {
		snprintf(name, TMP_NAME, "tmp-%d-%u", (int)getpid(), count++);
		if (mkdirat(s->layers, name, 0700) < 0) {
			if (errno == EEXIST)
				continue;
			return err_sys(e, "make a layer");
		}
		own(fd) int fd = openat(s->layers, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		bool locked = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;
		if (!locked && errno != ENOENT && errno != EWOULDBLOCK) {
			remove_tmp(s, name);
			return err_sys(e, "make a layer");
		}
		/* Between mkdir and flock somebody may have taken it for garbage. */
		struct stat at, held;
		bool seen = locked && fstat(fd, &held) == 0 && fstatat(s->layers, name, &at, AT_SYMLINK_NOFOLLOW) == 0;
		if (seen && at.st_ino == held.st_ino)
			return take_fd(fd);
		if (locked && !seen && errno != ENOENT) {
			remove_tmp(s, name);
			return err_sys(e, "make a layer");
		}
	}
}

static int sweep(struct snap *s, struct err *e)
{
	if (s->swept)
		return 0;
	own(strv) struct strv names = {};
	if (path_list(s->layers, ".", &names, e) < 0)
		return err_wrap(e, "layers");
	for (size_t i = 0; i < names.n; i++) {
		if (!str_has_prefix(names.v[i], "tmp-"))
			continue;
		own(fd) int fd = openat(s->layers, names.v[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
			remove_tmp(s, names.v[i]);
	}
	s->swept = true;
	return 0;
}

/* A stream that counts, stops at a maximum and reports on the way. */
struct meter {
	struct stream stream;
	struct stream *below;
	uint64_t bytes, max, said;
	bool ended;
	enum err_kind kind; /* of what is too long, and its text */
	const char *text;
	void (*progress)(void *arg, uint64_t bytes);
	void *arg;
};

static ssize_t meter_read(struct stream *s, void *p, size_t n, struct err *e)
{
	struct meter *m = (struct meter *)s;
	ssize_t r = stream_read(m->below, p, n, e);
	if (r <= 0) {
		m->ended |= r == 0;
		return r;
	}
	m->bytes += (uint64_t)r;
	if (m->bytes > m->max)
		return err_set(e, m->kind, "%s (%llu bytes)", m->text, (unsigned long long)m->max);
	if (m->progress && m->bytes - m->said >= PROGRESS_STEP)
		m->progress(m->arg, m->said = m->bytes);
	return r;
}

static void meter_close(struct stream *s)
{
	(void)s;
}

struct ingest {
	struct snap *s;
	const struct snap_ingest *in;
	struct stream *file, *blob_hash, *unzip, *plain_hash;
	struct meter blob, plain;
	char diff_id[DIGEST_TEXT];
};

static void ingest_drop(struct ingest *g)
{
	stream_drop(&g->plain_hash);
	stream_drop(&g->unzip);
	stream_drop(&g->blob_hash);
	stream_drop(&g->file);
}

static uint64_t plain_max(const struct snap_ingest *in)
{
	if (in->max_bytes)
		return in->max_bytes;
	uint64_t size;
	if (in->blob_size == UINT64_MAX || __builtin_mul_overflow(in->blob_size, PLAIN_RATIO, &size) || size > UINT64_MAX - PLAIN_FLOOR)
		return PLAIN_UNKNOWN;
	return PLAIN_FLOOR + size;
}

static int open_streams(struct ingest *g, struct err *e)
{
	const struct snap_ingest *in = g->in;
	g->file = in->length != UINT64_MAX ? stream_range(in->fd, in->offset, in->length) : stream_fd(in->fd, UINT64_MAX);
	g->blob = (struct meter){.stream = {meter_read, meter_close}, .below = g->file, .max = in->blob_size,
		.kind = ERR_CORRUPT, .text = "the blob is longer than declared"};
	struct stream *below = &g->blob.stream;
	if (in->blob_digest) {
		if (stream_hash(below, in->blob_digest, &g->blob_hash, e) < 0)
			return -1;
		below = g->blob_hash;
	}
	enum compression found;
	if (stream_decompress(below, &g->unzip, &found, e) < 0)
		return -1;
	g->plain = (struct meter){.stream = {meter_read, meter_close}, .below = g->unzip, .max = plain_max(in),
		.kind = ERR_LIMIT, .text = "the unpacked layer is larger than allowed", .progress = in->progress, .arg = in->arg};
	return stream_hash(&g->plain.stream, in->diff_id ? in->diff_id : "sha256", &g->plain_hash, e);
}

static int drain(struct stream *s, struct err *e)
{
	char room[65536];
	ssize_t n;
	while ((n = stream_read(s, room, sizeof room, e)) > 0)
		;
	return (int)n;
}

static int check_digests(struct ingest *g, struct err *e)
{
	const struct snap_ingest *in = g->in;
	uint64_t n;
	/* What lies behind the end of the compressed data is part of the blob. */
	if (drain(in->blob_digest ? g->blob_hash : &g->blob.stream, e) < 0)
		return -1;
	if (in->blob_size != UINT64_MAX && g->blob.bytes != in->blob_size)
		return err_set(e, ERR_CORRUPT, "the blob is cut off: %llu of %llu bytes",
			(unsigned long long)g->blob.bytes, (unsigned long long)in->blob_size);
	if (in->blob_digest) {
		char found[DIGEST_TEXT];
		stream_digest(g->blob_hash, found, &n);
		if (strcmp(found, in->blob_digest) != 0)
			return err_set(e, ERR_CORRUPT, "the blob's digest is %s, not %s", found, in->blob_digest);
	}
	stream_digest(g->plain_hash, g->diff_id, &n);
	if (in->diff_id && strcmp(g->diff_id, in->diff_id) != 0)
		return err_set(e, ERR_CORRUPT, "the unpacked layer's digest is %s, not %s", g->diff_id, in->diff_id);
	return 0;
}

/* A stream that ended before its time fails somewhere in the middle: say the cause. */
static int explain(struct ingest *g, struct err *e)
{
	const struct snap_ingest *in = g->in;
	if (g->blob.ended && in->blob_size != UINT64_MAX && g->blob.bytes < in->blob_size)
		return err_set(e, ERR_CORRUPT, "the blob is cut off: %llu of %llu bytes",
			(unsigned long long)g->blob.bytes, (unsigned long long)in->blob_size);
	return -1;
}

/* Overlay's form, unless this file system cannot hold it: then overlay cannot be had here either. */
static enum whiteout_form choose_form(struct snap *s, int tmp)
{
	enum whiteout_form form = s->rootless ? WHITEOUT_OVERLAY_USER : WHITEOUT_OVERLAY;
	struct err why = {};
	if (str_eq(snap_driver(s), "copy"))
		return WHITEOUT_PLAIN;
	bool holds = whiteout_make(tmp, "probe", form, &why) == 0 && whiteout_make_opaque(tmp, form, &why) == 0;
	unlinkat(tmp, "probe", 0);
	if (holds || (why.sys != EPERM && why.sys != EOPNOTSUPP))
		return form;
	s->refused = true;
	return str_eq(snap_driver(s), "copy") ? WHITEOUT_PLAIN : form;
}

static int unpack(struct ingest *g, int tmp, struct snap_layer_info *ret, struct err *e)
{
	struct files a = {.tree = -1, .form = choose_form(g->s, tmp), .in_userns = g->s->rootless};
	const char *name = a.form == WHITEOUT_PLAIN ? "plain" : "tree";
	if (mkdirat(tmp, name, 0755) < 0)
		return err_sys(e, "make a layer");
	own(fd) int tree = path_open_dir(tmp, name, e);
	if (tree < 0)
		return -1;
	/* Whatever umask, setgid bit or access list the store has: not in the layer. */
	if (fchown(tree, 0, 0) < 0 || fchmod(tree, 0755) < 0)
		return err_sys(e, "make a layer");
	a.tree = tree;
	if (files_unpack(&a, g->plain_hash, g->in->max_entries, ret, e) < 0 || check_digests(g, e) < 0)
		return explain(g, e);
	if (a.form != WHITEOUT_PLAIN && whiteout_is_opaque(tree) && renameat(tmp, name, tmp, "opaque") < 0)
		return err_sys(e, "make a layer");
	if (info_save(tmp, "layer.json", ret, e) < 0)
		return -1;
	return syncfs(tmp) < 0 ? err_sys(e, "sync") : 0;
}

static int commit(struct ingest *g, const char *name, struct err *e)
{
	const char *hex = digest_hex(g->diff_id);
	if (renameat(g->s->layers, name, g->s->layers, hex) < 0) {
		if (errno != EEXIST && errno != ENOTEMPTY)
			return err_sys(e, "commit");
		remove_tmp(g->s, name);
		return 0;
	}
	return fsync(g->s->layers) < 0 ? err_sys(e, "sync") : 0;
}

static int ingest(struct ingest *g, struct snap_layer_info *ret, struct err *e)
{
	if (open_streams(g, e) < 0)
		return explain(g, e);
	const char *diff_id = g->in->diff_id;
	if (diff_id && snap_has_layer(g->s, diff_id)) {
		if (drain(g->plain_hash, e) < 0 || check_digests(g, e) < 0)
			return explain(g, e);
		return snap_layer_info(g->s, diff_id, ret, e);
	}
	char name[TMP_NAME];
	own(fd) int tmp = make_tmp(g->s, name, e);
	if (tmp < 0)
		return -1;
	if (unpack(g, tmp, ret, e) == 0 && commit(g, name, e) == 0)
		return 0;
	remove_tmp(g->s, name);
	return -1;
}

int snap_ingest(struct snap *s, const struct snap_ingest *in, char ret_diff_id[136], struct snap_layer_info *ret, struct err *e)
{
	struct ingest g __attribute__((cleanup(ingest_drop))) = {.s = s, .in = in};
	const char *name = in->diff_id ? in->diff_id : in->blob_digest;
	struct snap_layer_info info = {};
	if ((in->diff_id && check_id(in->diff_id, e) < 0) || (in->blob_digest && check_id(in->blob_digest, e) < 0) || sweep(s, e) < 0)
		return -1;
	if (ingest(&g, &info, e) < 0)
		return name ? err_wrap(e, "layer %.19s", name) : err_wrap(e, "layer");
	if (in->progress)
		in->progress(in->arg, g.plain.bytes);
	memcpy(ret_diff_id, g.diff_id, sizeof g.diff_id);
	*ret = info;
	return 0;
}

int snap_remove_layer(struct snap *s, const char *diff_id, struct err *e)
{
	static unsigned count;
	if (check_id(diff_id, e) < 0)
		return -1;
	own(fd) int fd = openat(s->layers, digest_hex(diff_id), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(e, "remove layer %.19s", diff_id);
	/* Not to be had: another one who removes it. */
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? 0 : err_sys(e, "remove layer %.19s", diff_id);
	char name[TMP_NAME];
	snprintf(name, sizeof name, "tmp-%d-r%u", (int)getpid(), count++);
	if (renameat(s->layers, digest_hex(diff_id), s->layers, name) < 0)
		return errno == ENOENT ? 0 : err_sys(e, "remove layer %.19s", diff_id);
	return path_remove_tree(s->layers, name, e) < 0 ? err_wrap(e, "remove layer %.19s", diff_id) : 0;
}

int snap_list(struct snap *s, struct strv *ret, struct err *e)
{
	if (sweep(s, e) < 0)
		return -1;
	own(strv) struct strv names = {};
	if (path_list(s->layers, ".", &names, e) < 0)
		return err_wrap(e, "layers");
	for (size_t i = 0; i < names.n; i++) {
		own(mem) char *id = mem_printf("%s:%s", strlen(names.v[i]) == 128 ? "sha512" : "sha256", names.v[i]);
		if (digest_is_valid(id))
			strv_add_take(ret, take(id));
	}
	strv_sort(ret);
	return 0;
}
