/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of snap share: a store in a new directory (gone at the end), archives made entry by entry, layers made
 * of them. Each test begins with world_open(), which skips it, with the reason, for who is not root.
 *
 * run_both() runs the tests twice, with layers of files and with EROFS files.
 */
#pragma once

#include "base/buf.h"
#include "base/fd.h"
#include "base/path.h"
#include "codec/digest.h"
#include "codec/tar.h"
#include "snap/lower.h"
#include "snap/snap.h"
#include "sys/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct world {
	char path[64];
	int root; /* the store */
	struct snap snap;
};

static const char *test_storage = "files";

static unused bool on_erofs(void)
{
	return strcmp(test_storage, "erofs") == 0;
}

static void fail_with(const char *what, const struct err *e)
{
	print_error("%s: %s\n", what, e->text);
	fail();
}

static void world_make(struct world *w)
{
	struct err e = {};
	snprintf(w->path, sizeof w->path, "%s/t-snap-XXXXXX", getenv("TMPDIR") && strlen(getenv("TMPDIR")) < 40 ? getenv("TMPDIR") : "/tmp");
	assert_non_null(mkdtemp(w->path));
	w->root = open(w->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(w->root >= 0);
	if (snap_open(&w->snap, w->root, w->path, false, &e) < 0)
		fail_with("snap_open", &e);
	if (snap_choose(&w->snap, test_storage, false, &e) < 0) {
		assert_int_equal(e.kind, ERR_UNSUPPORTED);
		print_message("skipped: %s\n", e.text);
		snap_drop(&w->snap);
		close(w->root);
		(void)!path_remove_tree(AT_FDCWD, w->path, &e);
		skip();
	}
}

static unused void world_open(struct world *w)
{
	if (geteuid() != 0) {
		print_message("skipped: not root\n");
		skip();
	}
	world_make(w);
}

/* A layer's file that layer_path() mounted. */
static bool umount_one(struct world *w)
{
	char path[400], line[1000];
	bool found = false;
	FILE *f = fopen("/proc/self/mounts", "re");
	snprintf(path, sizeof path, "%s/mnt-", w->path);
	while (!found && fgets(line, sizeof line, f)) {
		char *at = strchr(line, ' ') + 1;
		*strchr(at, ' ') = 0;
		found = strncmp(at, path, strlen(path)) == 0 && umount2(at, MNT_DETACH) == 0;
	}
	fclose(f);
	return found;
}

static unused void world_close(struct world *w)
{
	struct err e = {};
	snap_drop(&w->snap);
	close(w->root);
	while (on_erofs() && umount_one(w))
		;
	if (path_remove_tree(AT_FDCWD, w->path, &e) < 0)
		fail_with("remove the store", &e);
}

/* An archive in the making. */
struct archive { struct buf data; struct tar_writer *tar; };

static int archive_sink(void *arg, const void *p, size_t n, struct err *e)
{
	struct archive *a = arg;
	return buf_add(&a->data, p, n) < 0 ? buf_check(&a->data, e) : 0;
}

static unused void archive_open(struct archive *a)
{
	*a = (struct archive){.data = BUF(1u << 30)};
	a->tar = tar_writer_new(archive_sink, a);
}

static unused void archive_add(struct archive *a, struct tar_entry t, const void *data)
{
	struct err e = {};
	if (!t.link)
		t.link = (char *)(uintptr_t) "";
	if (!t.mtime_ns)
		t.mtime_ns = 1000000000ll * 86400 * 365;
	if (!t.mode)
		t.mode = t.type == TAR_DIR ? 0755 : 0644;
	if (!t.sparse && data)
		t.stored = t.size = t.size ? t.size : strlen(data);
	if (tar_write_entry(a->tar, &t, &e) < 0 || (t.stored && tar_write_data(a->tar, data, t.stored, &e) < 0))
		fail_with("write the archive", &e);
}

static unused void archive_end(struct archive *a)
{
	struct err e = {};
	if (tar_write_end(a->tar, &e) < 0)
		fail_with("write the archive", &e);
	tar_writer_drop(&a->tar);
}

#define NAME(s) .name = (char *)(uintptr_t)(s)
#define LINK(s) .link = (char *)(uintptr_t)(s)

static unused int memory_file(const void *p, size_t n)
{
	int fd = memfd_create("layer", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, p, n), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

/* The archive as a layer of the store; the archive is over. */
static unused int ingest_archive(struct world *w, struct archive *a, char diff_id[DIGEST_TEXT], struct err *e)
{
	if (a->tar)
		archive_end(a);
	own(fd) int fd = memory_file(a->data.data, a->data.len);
	struct snap_ingest in = {.fd = fd, .length = UINT64_MAX, .blob_size = UINT64_MAX};
	struct snap_layer_info info;
	int r = snap_ingest(&w->snap, &in, diff_id, &info, e);
	buf_drop(&a->data);
	return r;
}

/* The path of a layer's files below the store: of a layer that is a file, where it is mounted now. */
static unused const char *layer_path(struct world *w, const char *diff_id, const char *name)
{
	static char path[8192];
	const char *form = "tree";
	struct err e = {};
	snprintf(path, sizeof path, "mnt-%s", digest_hex(diff_id));
	if (lower_is_file(w->snap.layers, diff_id) && !path_exists(w->root, path)) {
		struct lower l = {.fd = -1};
		assert_int_equal(mkdirat(w->root, path, 0755), 0);
		own(fd) int at = openat(w->root, path, O_PATH | O_CLOEXEC);
		if (lower_mount(w->snap.layers, diff_id, &l, &e) < 0 || mount_attach(l.fd, at, &e) < 0)
			fail_with("mount the layer", &e);
		close(l.fd);
	}
	if (path_exists(w->root, path)) {
		snprintf(path, sizeof path, "mnt-%s/%s", digest_hex(diff_id), name);
		return path;
	}
	snprintf(path, sizeof path, "layers/%s/tree", digest_hex(diff_id));
	if (faccessat(w->root, path, F_OK, 0) < 0)
		form = "plain";
	snprintf(path, sizeof path, "layers/%s/%s/%s", digest_hex(diff_id), form, name);
	return path;
}

/* Nothing in layers/ but what has its final name. */
static unused void assert_no_rest(struct world *w)
{
	char command[200];
	snprintf(command, sizeof command, "test -z \"$(ls %s/layers | grep -vE '^([0-9a-f]{64}|[0-9a-f]{128}|empty|storage.json)$')\"", w->path);
	assert_int_equal(system(command), 0);
}

static unused void assert_text(int dir, const char *path, const char *text)
{
	own(buf) struct buf b = BUF(1 << 20);
	struct err e = {};
	if (path_read(dir, path, &b, &e) < 0)
		fail_with(path, &e);
	assert_string_equal(buf_text(&b), text);
}

static int set_storage(void **state)
{
	test_storage = *state;
	return 0;
}

/* Mounts of these tests are nobody else's, and gone with them. */
static unused int run_both(const struct CMUnitTest *tests, size_t n)
{
	static char storages[2][6] = {"files", "erofs"};
	struct CMUnitTest *all = mem_alloc(2 * n * sizeof *all);
	if (geteuid() == 0 && unshare(CLONE_NEWNS) == 0)
		(void)!mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	for (size_t i = 0; i < 2 * n; i++) {
		all[i] = tests[i % n];
		all[i].name = mem_printf("%s (%s)", tests[i % n].name, storages[i / n]);
		all[i].setup_func = set_storage;
		all[i].initial_state = storages[i / n];
	}
	return _cmocka_run_group_tests("both", all, 2 * n, NULL, NULL);
}
