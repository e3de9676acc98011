/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layers from files to an EROFS file and back: the same to look at, whatever happens on the way.
 */
#include "t_snap.h"
#include "t_snap_same.h"

#include "snap/erofs_head.h"

#include <signal.h>
#include <sys/wait.h>

static int go_on(void *arg, struct err *e)
{
	(void)arg;
	(void)e;
	return 0;
}

static int stop(void *arg, struct err *e)
{
	(void)arg;
	return err_set(e, ERR_CONFLICT, "not now");
}

static void make_layer(struct world *w, char id[DIGEST_TEXT])
{
	struct archive a;
	struct err e = {};
	static const unsigned char cap[20] = {1, 0, 0, 2, 0, 0x20};
	struct tar_xattr x[] = {{(char *)(uintptr_t) "user.note", (void *)(uintptr_t) "a\0b", 3},
		{(char *)(uintptr_t) "security.capability", (void *)(uintptr_t)cap, sizeof cap}};
	struct tar_span spans[] = {{1 << 20, 3}, {(5 << 20) + 1, 2}};
	static char big[1 << 20];
	memset(big, 'b', sizeof big - 1);
	archive_open(&a);
	archive_add(&a, (struct tar_entry){.type = TAR_DIR, NAME("./"), .mode = 0711, .uid = 3, .gid = 4}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("f"), .mode = 04755, .uid = 1, .gid = 2, .xattrs = {x, 2}}, "content");
	archive_add(&a, (struct tar_entry){.type = TAR_HARDLINK, NAME("d/h"), LINK("f")}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("d/big")}, big);
	archive_add(&a, (struct tar_entry){.type = TAR_SYMLINK, NAME("d/s"), LINK("../f"), .uid = 7}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_HARDLINK, NAME("s2"), LINK("d/s")}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_DIR, NAME("d"), .mode = 02775, .mtime_ns = 5, .xattrs = {x, 1}}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_FIFO, NAME("p"), .mode = 0600}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_CHAR, NAME("null"), .mode = 0666, .dev_major = 1, .dev_minor = 3}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_BLOCK, NAME("big"), .mode = 0600, .dev_major = 4095, .dev_minor = 1048575}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("holes"), .size = 100 << 20, .stored = 5, .sparse = true, .spans = {spans, 2}}, "abcde");
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("hole"), .size = 1 << 30, .sparse = true}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("d/.wh.gone")}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("o/.wh..wh..opq")}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("o/kept")}, "new");
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME(".wh..wh..opq")}, NULL);
	if (ingest_archive(w, &a, id, &e) < 0)
		fail_with("ingest", &e);
}

static void convert(struct world *w, const char *id, enum snap_storage to, int want)
{
	struct err e = {};
	int r = snap_convert(&w->snap, id, to, go_on, NULL, &e);
	if (r < 0)
		fail_with("convert", &e);
	assert_int_equal(r, want);
	assert_int_equal(lower_is_file(w->snap.layers, id), to == SNAP_EROFS);
	assert_no_rest(w);
}

static int open_layer(struct world *w, const char *id)
{
	struct err e = {};
	int fd = lower_open_to_read(w->snap.layers, id, &e);
	if (fd < 0)
		fail_with("open the layer", &e);
	return fd;
}

/* There and back, from either form: what is seen stays, and so does what the store says of the layer. */
static void there_and_back(void **state)
{
	(void)state;
	struct world w;
	struct err e = {};
	struct snap_layer_info before, after;
	struct stat st;
	bool said, last;
	char id[DIGEST_TEXT];
	world_open(&w);
	began = time(NULL) - 1;
	make_layer(&w, id);
	own(fd) int as_it_was = open_layer(&w, id);
	assert_int_equal(snap_layer_info(&w.snap, id, &before, &e), 0);
	enum snap_storage first = on_erofs() ? SNAP_EROFS : SNAP_FILES, other = on_erofs() ? SNAP_FILES : SNAP_EROFS;
	convert(&w, id, first, 0);
	for (int i = 0; i < 3; i++) {
		/* The files of the first form are gone, unless they are in a file that is still mounted: then both can be compared. */
		convert(&w, id, i % 2 ? first : other, 1);
		own(fd) int now = open_layer(&w, id);
		if (on_erofs())
			same_tree("", as_it_was, now);
		assert_int_equal(snap_layer_info(&w.snap, id, &after, &e), 0);
		assert_int_equal(after.bytes, before.bytes);
		assert_int_equal(after.files, before.files);
		assert_int_equal(lower_root(w.snap.layers, id, &st, &said, &last, &e), 0);
		assert_true(said && last && st.st_uid == 3 && st.st_gid == 4 && (st.st_mode & 07777) == 0711);
	}
	world_close(&w);
}

/* Not while somebody says no: nothing has changed then. */
static void refused(void **state)
{
	(void)state;
	struct world w;
	struct err e = {};
	char id[DIGEST_TEXT];
	world_open(&w);
	make_layer(&w, id);
	assert_int_equal(snap_convert(&w.snap, id, on_erofs() ? SNAP_FILES : SNAP_EROFS, stop, NULL, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_int_equal(lower_is_file(w.snap.layers, id), on_erofs());
	assert_no_rest(&w);
	assert_int_equal(snap_convert(&w.snap, "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", SNAP_FILES, go_on, NULL, &e), 0);
	assert_int_equal(snap_convert(&w.snap, "sha256:x", SNAP_FILES, go_on, NULL, &e), -1);
	world_close(&w);
}

/* A tar that is not what the layer's digest says is not unpacked; one that was made of files has no digest to go by. */
static void damaged(void **state)
{
	(void)state;
	struct world w;
	struct err e = {};
	char id[DIGEST_TEXT];
	world_open(&w);
	make_layer(&w, id);
	if (!on_erofs())
		convert(&w, id, SNAP_EROFS, 1);
	own(fd) int file = openat(w.snap.layers, digest_hex(id), O_RDWR | O_CLOEXEC);
	struct erofs_head head;
	assert_int_equal(erofs_head_load(file, &head, &e), 0);
	assert_int_equal(head.made, !on_erofs());
	/* The first byte of the data of d/big: behind what is between. */
	assert_int_equal(pwrite(file, "B", 1, EROFS_TAR_AT + 16384), 1);
	int r = snap_convert(&w.snap, id, SNAP_FILES, go_on, NULL, &e);
	assert_int_equal(r, on_erofs() ? -1 : 1);
	assert_int_equal(e.kind, on_erofs() ? ERR_CORRUPT : ERR_NONE);
	assert_int_equal(lower_is_file(w.snap.layers, id), on_erofs());
	assert_no_rest(&w);
	world_close(&w);
}

static int die(void *arg, struct err *e)
{
	(void)arg;
	(void)e;
	raise(SIGKILL);
	return -1;
}

/* Killed when all is done but the exchange. */
static void killed(void **state)
{
	(void)state;
	struct world w;
	struct err e = {};
	char id[DIGEST_TEXT];
	int status;
	world_open(&w);
	make_layer(&w, id);
	enum snap_storage other = on_erofs() ? SNAP_FILES : SNAP_EROFS;
	pid_t pid = fork();
	if (pid == 0)
		_exit(snap_convert(&w.snap, id, other, die, NULL, &e) == 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	w.snap.swept = false;
	convert(&w, id, other, 1);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(there_and_back), cmocka_unit_test(refused), cmocka_unit_test(damaged), cmocka_unit_test(killed)};
	return run_both(tests, countof(tests));
}
