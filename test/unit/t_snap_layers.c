/* SPDX-License-Identifier: Apache-2.0 */
#include "t_snap.h"

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>

static void digest_text(const void *p, size_t n, char out[DIGEST_TEXT])
{
	struct err e = {};
	if (digest_of(p, n, out, &e) < 0)
		fail_with("digest", &e);
}

/* An archive of some files of `size` bytes each that no compressor makes nothing of. */
static void fill(struct archive *a, unsigned files, size_t size, unsigned seed)
{
	char name[20];
	own(mem) char *data = mem_alloc(size + 1);
	archive_open(a);
	for (unsigned i = 0; i < files; i++) {
		for (size_t k = 0; k < size; k++)
			data[k] = (char)(1 + (seed = seed * 1103515245 + 12345) / 65536 % 255);
		snprintf(name, sizeof name, "file%u", i);
		archive_add(a, (struct tar_entry){.type = TAR_FILE, NAME(name), .size = size}, data);
	}
	archive_end(a);
}

/* The bytes through a program that compresses. */
static void filter(struct world *w, const struct buf *in, const char *program, struct buf *out)
{
	char command[300];
	struct err e = {};
	assert_int_equal(path_write(w->root, "in", in->data, in->len, 0600, 0, &e), 0);
	snprintf(command, sizeof command, "cd %s && %s <in >out", w->path, program);
	assert_int_equal(system(command), 0);
	*out = BUF(1u << 30);
	assert_int_equal(path_read(w->root, "out", out, &e), 0);
}

static void compressed(void **state)
{
	(void)state;
	static const struct { const char *program; const char *probe; } rows[] = {{"cat", "cat </dev/null"},
		{"gzip -1", "gzip --version"}, {"zstd -q -c", "zstd --version"}, {"xz -0 -c", "xz --version"}};
	struct world w;
	world_open(&w);
	for (size_t i = 0; i < countof(rows); i++) {
		char probe[100], diff[DIGEST_TEXT], blob[DIGEST_TEXT], found[DIGEST_TEXT];
		struct archive a;
		own(buf) struct buf b = {};
		struct err e = {};
		struct snap_layer_info info;
		snprintf(probe, sizeof probe, "%s >/dev/null 2>&1", rows[i].probe);
		if (system(probe) != 0)
			continue;
		fill(&a, 5, 100000, (unsigned)i);
		digest_text(a.data.data, a.data.len, diff);
		filter(&w, &a.data, rows[i].program, &b);
		buf_drop(&a.data);
		digest_text(b.data, b.len, blob);
		own(fd) int fd = memory_file(b.data, b.len);
		struct snap_ingest in = {.fd = fd, .length = UINT64_MAX, .blob_digest = blob, .blob_size = b.len, .diff_id = diff};
		assert_false(snap_has_layer(&w.snap, diff));
		if (snap_ingest(&w.snap, &in, found, &info, &e) < 0)
			fail_with(rows[i].program, &e);
		assert_string_equal(found, diff);
		assert_int_equal(info.bytes, 500000);
		assert_int_equal(info.files, 5);
		assert_true(snap_has_layer(&w.snap, diff));
	}
	world_close(&w);
}

static int progressed;
static uint64_t progress_last;
static void on_progress(void *arg, uint64_t n)
{
	assert_ptr_equal(arg, &progressed);
	assert_true(n >= progress_last);
	progress_last = n;
	progressed++;
}

static void verified(void **state)
{
	(void)state;
	struct world w;
	struct archive a;
	char diff[DIGEST_TEXT], blob[DIGEST_TEXT], found[DIGEST_TEXT], other[DIGEST_TEXT];
	own(buf) struct buf b = {};
	struct snap_layer_info info;
	world_open(&w);
	fill(&a, 3, 1 << 20, 1);
	digest_text(a.data.data, a.data.len, diff);
	filter(&w, &a.data, "gzip -1", &b);
	digest_text(b.data, b.len, blob);
	digest_text("x", 1, other);
	own(fd) int fd = memory_file(b.data, b.len);
	const struct {
		const char *blob, *diff;
		uint64_t length, size;
		const char *says;
	} rows[] = {
		{other, diff, b.len, b.len, "the blob's digest is"},
		{blob, other, b.len, b.len, "the unpacked layer's digest is"},
		{blob, diff, b.len / 2, b.len, "cut off"},
		{blob, diff, 5, b.len, "cut off"},
		{blob, diff, 0, b.len, "cut off"},
		{blob, diff, b.len, b.len - 1, "longer than declared"},
		{blob, diff, b.len / 2, UINT64_MAX, ""},
		{"sha256:xyz", diff, b.len, b.len, "invalid layer digest"},
		{blob, "sha256:../../../etc", b.len, b.len, "invalid layer digest"},
	};
	/* Before the layer is there, and when it is: the stream is checked all the same. */
	for (int there = 0; there < 2; there++) {
		for (size_t i = 0; i < countof(rows); i++) {
			struct err e = {};
			if (there && strcmp(rows[i].diff, other) == 0)
				continue;
			struct snap_ingest in = {.fd = fd, .length = rows[i].length, .blob_digest = rows[i].blob,
				.blob_size = rows[i].size, .diff_id = rows[i].diff};
			if (snap_ingest(&w.snap, &in, found, &info, &e) == 0)
				fail_msg("row %zu was taken", i);
			if (e.kind != ERR_CORRUPT || !strstr(e.text, rows[i].says))
				fail_msg("row %zu: kind %d: %s", i, (int)e.kind, e.text);
			assert_no_rest(&w);
		}
		struct err e = {};
		struct snap_ingest in = {.fd = fd, .length = b.len, .blob_digest = blob, .blob_size = b.len, .diff_id = diff,
			.progress = on_progress, .arg = &progressed};
		progress_last = 0;
		if (snap_ingest(&w.snap, &in, found, &info, &e) < 0)
			fail_with("ingest", &e);
		assert_int_equal(info.files, 3);
		assert_int_equal(progress_last, a.data.len);
		assert_true(progressed >= 3);
	}
	buf_drop(&a.data);
	world_close(&w);
}

/* A bomb: a few KB that are gigabytes. Its bound comes from its size; nothing of it stays. */
static void bomb(void **state)
{
	(void)state;
	struct world w;
	struct snap_layer_info info;
	struct err e = {};
	char found[DIGEST_TEXT];
	own(buf) struct buf b = {}, none = BUF(1);
	world_open(&w);
	buf_str(&none, "");
	filter(&w, &none, "sh -c 'head -c 50000000 /dev/zero | gzip -9'", &b);
	own(fd) int fd = memory_file(b.data, b.len);
	struct snap_ingest in = {.fd = fd, .length = UINT64_MAX, .blob_size = b.len, .max_bytes = 1 << 20};
	assert_int_equal(snap_ingest(&w.snap, &in, found, &info, &e), -1);
	assert_int_equal(e.kind, ERR_LIMIT);
	assert_no_rest(&w);
	world_close(&w);
}

static void listed(void **state)
{
	(void)state;
	struct world w;
	struct archive a;
	char id[3][DIGEST_TEXT];
	struct err e = {};
	own(strv) struct strv all = {}, rest = {}, none = {};
	world_open(&w);
	assert_int_equal(snap_list(&w.snap, &none, &e), 0);
	assert_int_equal(none.n, 0);
	for (unsigned i = 0; i < 3; i++) {
		fill(&a, 1, 10, i);
		if (ingest_archive(&w, &a, id[i], &e) < 0)
			fail_with("ingest", &e);
	}
	assert_int_equal(snap_list(&w.snap, &all, &e), 0);
	assert_int_equal(all.n, 3);
	for (int i = 0; i < 3; i++)
		assert_true(strv_has(&all, id[i]));
	assert_int_equal(snap_remove_layer(&w.snap, id[1], &e), 0);
	assert_int_equal(snap_remove_layer(&w.snap, id[1], &e), 0);
	assert_false(snap_has_layer(&w.snap, id[1]));
	assert_int_equal(snap_list(&w.snap, &rest, &e), 0);
	assert_int_equal(rest.n, 2);
	struct snap_layer_info info;
	assert_int_equal(snap_layer_info(&w.snap, id[1], &info, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	assert_int_equal(snap_remove_layer(&w.snap, "sha256:..", &e), -1);
	assert_false(snap_has_layer(&w.snap, "."));
	assert_no_rest(&w);
	world_close(&w);
}

static void at_once(void **state)
{
	(void)state;
	struct world w;
	struct archive a;
	char diff[DIGEST_TEXT];
	world_open(&w);
	fill(&a, 200, 3000, 9);
	digest_text(a.data.data, a.data.len, diff);
	pid_t pids[4];
	for (size_t i = 0; i < countof(pids); i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			char found[DIGEST_TEXT];
			struct snap_layer_info info;
			struct err e = {};
			int fd = memfd_create("x", MFD_CLOEXEC);
			struct snap_ingest in = {.fd = fd, .length = a.data.len, .blob_size = a.data.len, .diff_id = diff};
			bool good = fd_write_all(fd, a.data.data, a.data.len) == 0 && snap_ingest(&w.snap, &in, found, &info, &e) == 0 &&
				info.files == 200;
			_exit(good ? 0 : 1);
		}
	}
	for (size_t i = 0; i < countof(pids); i++) {
		int status;
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	assert_true(snap_has_layer(&w.snap, diff));
	assert_no_rest(&w);
	buf_drop(&a.data);
	world_close(&w);
}

static unsigned count_tmp(const struct world *w)
{
	char command[200];
	snprintf(command, sizeof command, "exit $(ls %s/layers | grep -c ^tmp-)", w->path);
	return (unsigned)WEXITSTATUS(system(command));
}

/* A child that has half a layer in its tmp-* and waits for the rest of it in a pipe. */
static pid_t start_half(struct world *w, const struct archive *a, int *ret_write)
{
	int p[2];
	struct err e = {};
	assert_int_equal(fd_pipe(p, &e), 0);
	pid_t pid = fork();
	if (pid == 0) {
		char found[DIGEST_TEXT];
		struct snap_layer_info info;
		struct snap_ingest in = {.fd = p[0], .length = UINT64_MAX, .blob_size = a->data.len};
		close(p[1]);
		_exit(snap_ingest(&w->snap, &in, found, &info, &e) == 0 ? 0 : 1);
	}
	close(p[0]);
	assert_int_equal(fd_write_all(p[1], a->data.data, a->data.len / 2), 0);
	for (int i = 0; i < 1000 && count_tmp(w) == 0; i++)
		usleep(10000);
	*ret_write = p[1];
	return pid;
}

static void killed(void **state)
{
	(void)state;
	struct world w;
	struct archive a;
	struct err e = {};
	int pipes[2], status;
	world_open(&w);
	fill(&a, 100, 3000, 5);
	pid_t dead = start_half(&w, &a, &pipes[0]);
	assert_int_equal(count_tmp(&w), 1);
	pid_t alive = start_half(&w, &a, &pipes[1]);
	for (int i = 0; i < 1000 && count_tmp(&w) < 2; i++)
		usleep(10000);
	kill(dead, SIGKILL);
	waitpid(dead, &status, 0);
	close(pipes[0]);
	assert_int_equal(count_tmp(&w), 2);
	struct snap next;
	own(strv) struct strv l = {};
	assert_int_equal(snap_open(&next, w.root, w.path, false, &e), 0);
	assert_int_equal(snap_list(&next, &l, &e), 0);
	snap_drop(&next);
	/* The dead one's is gone, the living one's is not and becomes a layer. */
	assert_int_equal(count_tmp(&w), 1);
	size_t half = a.data.len / 2;
	assert_int_equal(fd_write_all(pipes[1], a.data.data + half, a.data.len - half), 0);
	close(pipes[1]);
	waitpid(alive, &status, 0);
	assert_int_equal(status, 0);
	assert_no_rest(&w);
	buf_drop(&a.data);
	world_close(&w);
}

static void full_disk(void **state)
{
	(void)state;
	struct world w;
	struct archive a;
	struct err e = {};
	char path[100], id[DIGEST_TEXT];
	world_open(&w);
	snprintf(path, sizeof path, "%s/small", w.path);
	assert_int_equal(mkdir(path, 0700), 0);
	if (mount("tmpfs", path, "tmpfs", 0, "size=1m,nr_inodes=200") < 0) {
		world_close(&w);
		print_message("skipped: no mount here\n");
		skip();
	}
	struct world small = {.root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
	snprintf(small.path, sizeof small.path, "%s", path);
	assert_int_equal(snap_open(&small.snap, small.root, path, false, &e), 0);
	if (snap_choose(&small.snap, test_storage, false, &e) < 0) {
		print_message("skipped: on tmpfs: %s\n", e.text);
		umount(path);
		world_close(&w);
		skip();
	}
	fill(&a, 4, 1 << 20, 5);
	assert_int_equal(ingest_archive(&small, &a, id, &e), -1);
	assert_int_equal(e.kind, ERR_LIMIT);
	assert_non_null(strstr(e.text, "No space left on device"));
	assert_no_rest(&small);
	/* Inodes: as well, where each file is one. */
	fill(&a, 300, 1, 5);
	e = (struct err){};
	assert_int_equal(ingest_archive(&small, &a, id, &e), on_erofs() ? 0 : -1);
	assert_int_equal(e.kind, on_erofs() ? ERR_NONE : ERR_LIMIT);
	assert_no_rest(&small);
	fill(&a, 10, 1, 5);
	e = (struct err){};
	if (ingest_archive(&small, &a, id, &e) < 0)
		fail_with("a small layer after a full disk", &e);
	snap_drop(&small.snap);
	close(small.root);
	assert_int_equal(umount(path), 0);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compressed), cmocka_unit_test(verified), cmocka_unit_test(bomb), cmocka_unit_test(listed),
		cmocka_unit_test(at_once), cmocka_unit_test(killed), cmocka_unit_test(full_disk),
	};
	return run_both(tests, countof(tests));
}
