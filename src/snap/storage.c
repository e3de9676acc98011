/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage: whether new layers are EROFS files or trees of files; see snap.h.
 *
 * What this kernel can do on this file system is found out by doing it: a layer of a few entries is written, mounted, stacked by
 * overlay and read. That is asked once; the answer, good for this kernel, stands in layers/storage.json beside what
 * `system migrate` chose for the store. A refusal that is about this process alone (EPERM) is not written down.
 */
#include "snap/storage.h"

#include "base/fd.h"
#include "base/path.h"
#include "codec/jmap.h"
#include "codec/stream.h"
#include "codec/tar.h"
#include "snap/erofs_mount.h"
#include "snap/erofs_write.h"
#include "snap/layers.h"
#include "snap/overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#define RECORD "storage.json"

struct record {
	char *storage;      /* chosen for this store; NULL: not */
	char *kernel, *way; /* "file", "loop" or "none" on this kernel */
	char *why;          /* of "none" */
};
#define S struct record
static const struct jfield fields[] = {
	JF(S, "storage", storage, JT_STR),
	JF(S, "kernel", kernel, JT_STR),
	JF(S, "erofs", way, JT_STR),
	JF(S, "why", why, JT_STR),
};
#undef S
static const struct jtable table = JTABLE(struct record, fields);

static const char *const names[] = {[SNAP_FILES] = "files", [SNAP_EROFS] = "erofs"};
static const char *const ways[] = {[EROFS_WAY_NONE] = "none", [EROFS_WAY_FILE] = "file", [EROFS_WAY_LOOP] = "loop"};

/* Held while the record is written: on the folder itself. */
static int storage_lock(const struct snap *s, int how)
{
	own(fd) int fd = openat(s->layers, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 && flock(fd, how) == 0 ? take_fd(fd) : -1;
}

void storage_sweep(const struct snap *s, const struct strv *found)
{
	own(fd) int lock = storage_lock(s, LOCK_EX | LOCK_NB);
	for (size_t i = 0; lock >= 0 && i < found->n; i++)
		if (str_has_prefix(found->v[i], RECORD ".tmp-"))
			unlinkat(s->layers, found->v[i], 0);
}

/* A record that cannot be read is as good as none. */
static struct record load(const struct snap *s, struct arena *a)
{
	own(json) struct json *j = NULL;
	struct record r = {}, none = {};
	struct err ignored = {};
	if (json_read(s->layers, RECORD, 4096, &j, &ignored) < 0 || jmap_parse(&table, j, 0, a, &r, RECORD, &ignored) < 0)
		return none;
	return r;
}

static int save(const struct snap *s, const struct record *r, struct err *e)
{
	own(json) struct json *j = jmap_format(&table, r);
	own(buf) struct buf b = BUF(4096);
	json_format(j, 0, &b);
	own(fd) int lock = storage_lock(s, LOCK_EX);
	return path_write(s->layers, RECORD, buf_text(&b), b.len, 0600, 0, e);
}

static int to_buf(void *arg, const void *p, size_t n, struct err *e)
{
	return buf_add(arg, p, n) < 0 ? buf_check(arg, e) : 0;
}

/* a/ hides b/'s `old` with a whiteout; both have something to read. */
static int write_sample(int fd, struct err *e)
{
	static const struct { const char *name; enum tar_type type; } rows[] = {{"a", TAR_DIR}, {"a/new", TAR_FILE}, {"a/.wh.old", TAR_FILE},
		{"b", TAR_DIR}, {"b/old", TAR_FILE}, {"b/kept", TAR_FILE}};
	own(buf) struct buf b = BUF(64 << 10);
	struct tar_writer *tar = tar_writer_new(to_buf, &b);
	int r = 0;
	for (size_t i = 0; r == 0 && i < countof(rows); i++) {
		struct tar_entry t = {.type = rows[i].type, .name = (char *)(uintptr_t)rows[i].name, .link = (char *)(uintptr_t)"", .mode = 0755};
		t.size = t.stored = t.type == TAR_FILE ? 1 : 0;
		r = tar_write_entry(tar, &t, e) < 0 || (t.stored && tar_write_data(tar, "x", 1, e) < 0) ? -1 : 0;
	}
	if (r == 0)
		r = tar_write_end(tar, e);
	tar_writer_drop(&tar);
	struct erofs_writer w __attribute__((cleanup(erofs_drop))) = {};
	own(stream) struct stream *plain = stream_memory(b.data, b.len);
	erofs_open(&w, fd, -1);
	return r < 0 || erofs_take(&w, plain, 0, e) < 0 ? -1 : erofs_end(&w, "sha256:00000000000000000000000000000000", e);
}

static int try_sample(struct snap *s, int fd, enum erofs_way *ret, struct err *e)
{
	if (write_sample(fd, e) < 0)
		return -1;
	own(fd) int m = erofs_mount(fd, ret, e);
	if (m < 0)
		return -1;
	own(fd) int a = openat(m, "a", O_PATH | O_DIRECTORY | O_CLOEXEC);
	own(fd) int b = openat(m, "b", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (a < 0 || b < 0)
		return err_sys(e, "EROFS");
	const int lowers[] = {a, b}, mounts[] = {m};
	const bool detached[] = {true, true};
	struct overlay o = {.lowers = lowers, .n = 2, .upper = -1, .work = -1, .read_only = true, .detached = detached, .mounts = mounts,
		.nmounts = 1, .attach_at = s->layers};
	own(fd) int root = overlay_mount(&o, e);
	if (root < 0)
		return -1;
	char byte = 0;
	own(fd) int kept = openat(root, "kept", O_RDONLY | O_CLOEXEC);
	if (kept < 0 || read(kept, &byte, 1) != 1)
		return err_sys(e, "EROFS below overlay");
	if (byte != 'x' || !path_exists(root, "new") || path_exists(root, "old"))
		return err_set(e, ERR_UNSUPPORTED, "overlay does not see what an EROFS layer says");
	return 0;
}

static int probe(struct snap *s, enum erofs_way *ret, struct err *e)
{
	char name[LAYER_TMP_NAME];
	own(fd) int fd = layers_make_tmp(s, true, name, e);
	if (fd < 0)
		return -1;
	int r = try_sample(s, fd, ret, e);
	layers_remove_tmp(s, name);
	return r;
}

/* 0: EROFS layers can be mounted. What is on record counts, unless `anew`. */
static int ask(struct snap *s, struct record *r, bool anew, struct err *e)
{
	struct utsname u = {};
	struct err ignored = {};
	uname(&u);
	own(mem) char *kernel = mem_printf("%s %s", u.release, u.version);
	if (s->rootless)
		return err_set(e, ERR_UNSUPPORTED, "EROFS layers need root of the whole machine");
	if (str_eq(r->kernel, kernel) && r->way && !(anew && str_eq(r->way, "none")))
		return str_eq(r->way, "none") ? err_set(e, ERR_UNSUPPORTED, "%s", r->why ? r->why : "not to be had here") : 0;
	enum erofs_way way = EROFS_WAY_NONE;
	struct err why = {};
	bool can = probe(s, &way, &why) == 0;
	struct record now = {.storage = r->storage, .kernel = kernel, .way = (char *)(uintptr_t)ways[can ? way : EROFS_WAY_NONE],
		.why = can ? NULL : why.text};
	/* Only what is about the machine is worth a note; a note that cannot be made is made another time. */
	if (can || (why.sys != EPERM && why.sys != EACCES && why.kind != ERR_LIMIT))
		(void)!save(s, &now, &ignored);
	if (!can)
		*e = why;
	return can ? 0 : -1;
}

static enum snap_storage parse(const char *word)
{
	for (enum snap_storage i = SNAP_FILES; i <= SNAP_EROFS; i++)
		if (str_eq(word, names[i]))
			return i;
	return SNAP_UNDECIDED;
}

/* A store from before there was a choice goes on as it was. */
static bool has_files(const struct snap *s)
{
	own(strv) struct strv list = {};
	struct err ignored = {};
	if (path_list(s->layers, ".", &list, &ignored) < 0)
		return false;
	for (size_t i = 0; i < list.n; i++) {
		struct stat st;
		bool is_layer = strlen(list.v[i]) >= 64;
		if (is_layer && fstatat(s->layers, list.v[i], &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
			return true;
	}
	return false;
}

int snap_choose(struct snap *s, const char *word, bool lasting, struct err *e)
{
	own(arena) struct arena a = {};
	struct record r = load(s, &a);
	bool asked = !str_is_empty(word);
	enum snap_storage found = parse(asked ? word : r.storage);
	struct err why = {};
	if (!asked && found == SNAP_UNDECIDED && has_files(s))
		found = SNAP_FILES;
	if (asked && found == SNAP_UNDECIDED)
		return err_set(e, ERR_USAGE, "invalid storage \"%.40s\": erofs and files are known", word);
	if (found != SNAP_FILES && ask(s, &r, asked, &why) < 0) {
		if (asked) {
			*e = why;
			return err_wrap(e, "storage erofs");
		}
		found = SNAP_FILES;
	}
	s->storage = found == SNAP_UNDECIDED ? SNAP_EROFS : found;
	if (!lasting)
		return 0;
	struct record now = load(s, &a);
	now.storage = (char *)(uintptr_t)names[s->storage];
	return save(s, &now, e) < 0 ? err_wrap(e, "layers/" RECORD) : 0;
}

const char *snap_storage(struct snap *s)
{
	struct err ignored = {};
	if (s->storage == SNAP_UNDECIDED && snap_choose(s, NULL, false, &ignored) < 0)
		s->storage = SNAP_FILES;
	return names[s->storage];
}
