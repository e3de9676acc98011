/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

/* Deeper than any path and than the file descriptors that a process has. */
static void remove_deep(void **state)
{
	(void)state;
	char top[] = "/tmp/t-base-path-XXXXXX";
	assert_non_null(mkdtemp(top));
	int at = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < 600; i++) {
		char name[20];
		snprintf(name, sizeof name, ".removed-%d-%d", (int)getpid(), i % 3);
		const char *dir = i % 2 ? name : "d";
		assert_int_equal(mkdirat(at, dir, 0700), 0);
		if (i % 100 == 0)
			close(openat(at, "file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
		int next = openat(at, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		if (i % 50 == 0)
			assert_int_equal(fchmod(at, 0), 0);
		close(at);
		at = next;
	}
	close(at);
	struct rlimit before, few = {200, 200};
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few.rlim_max = before.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	struct err e = {};
	int r = path_remove_tree(AT_FDCWD, top, &e);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	if (r < 0)
		fail_msg("%s", e.text);
	assert_int_equal(access(top, F_OK), -1);
	assert_int_equal(errno, ENOENT);
}

static void remove_kinds(void **state)
{
	(void)state;
	char top[] = "/tmp/t-base-path-XXXXXX", keep[] = "/tmp/t-base-keep-XXXXXX";
	struct err e = {};
	assert_non_null(mkdtemp(top));
	assert_non_null(mkdtemp(keep));
	own(fd) int fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	own(fd) int kept = open(keep, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	close(openat(kept, "f", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(symlinkat(keep, fd, "link"), 0);
	assert_int_equal(mkfifoat(fd, "fifo", 0600), 0);
	assert_int_equal(path_mkdirs(fd, "a/b/c", 0700, &e), 0);
	assert_int_equal(path_remove_tree(fd, "missing", &e), 0);
	assert_int_equal(path_remove_tree(fd, "link", &e), 0);
	assert_int_equal(symlinkat(keep, fd, "a/b/link"), 0);
	assert_int_equal(path_remove_tree(AT_FDCWD, top, &e), 0);
	assert_true(path_exists(kept, "f"));
	assert_int_equal(path_remove_tree(AT_FDCWD, keep, &e), 0);
}

/* A directory `root` with a `secret` beside it that nothing in root must reach. */
static char top_dir[64];
static int root = -1;

static int make_root(void **state)
{
	(void)state;
	struct err e = {};
	strcpy(top_dir, "/tmp/t-base-path-XXXXXX");
	assert_non_null(mkdtemp(top_dir));
	own(fd) int fd = open(top_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(path_write(fd, "secret", "s", 1, 0, 0, &e), 0);
	assert_int_equal(path_mkdirs(fd, "root/dir/sub", 0755, &e), 0);
	assert_int_equal(path_mkdirs(fd, "outside", 0755, &e), 0);
	root = path_open_dir(fd, "root", &e);
	assert_true(root >= 0);
	assert_int_equal(path_write(root, "file", "f", 1, 0, 0, &e), 0);
	own(mem) char *secret = path_join(top_dir, "secret"), *outside = path_join(top_dir, "outside");
	static const char *const links[][2] = {{"../secret", "up"}, {"../../../../../../../../etc/passwd", "far"}, {"..", "dir/parent"},
		{"/", "slash"}, {"/file", "absolute"}, {"self", "self"}, {"dir/sub/../../../secret", "through"}, {"/proc/self/root", "magic"},
		{"nothing", "dangling"}, {"../outside/new", "dangling-out"}};
	for (size_t i = 0; i < countof(links); i++)
		assert_int_equal(symlinkat(links[i][0], root, links[i][1]), 0);
	assert_int_equal(symlinkat(secret, root, "abs-out"), 0);
	assert_int_equal(symlinkat(outside, root, "abs-dir"), 0);
	return 0;
}

static int remove_root(void **state)
{
	(void)state;
	struct err e = {};
	fd_drop(&root);
	return path_remove_tree(AT_FDCWD, top_dir, &e);
}

static void open_inside(void **state)
{
	(void)state;
	static const char *const inside[] = {"file", "/file", "///file", "./file", "../file", "../../../../file", "/../file", "dir/../file",
		"dir/parent/file", "slash/file", "slash/slash/file", "absolute", "dir/sub/../../file", "dir/parent/dir/parent/file"};
	for (size_t i = 0; i < countof(inside); i++) {
		struct err e = {};
		char c = 0;
		own(fd) int fd = path_open_in(root, inside[i], O_RDONLY, 0, &e);
		if (fd < 0)
			fail_msg("%s: %s", inside[i], e.text);
		assert_int_equal(read(fd, &c, 1), 1);
		assert_int_equal(c, 'f');
		assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	}
	static const char *const nowhere[] = {"up", "far", "through", "abs-out", "../secret", "/../secret", "dir/parent/../secret",
		"slash/../secret", "dangling", "missing", "file/x", "self", "self/x", "abs-dir", "", "magic", "magic/etc/passwd"};
	for (size_t i = 0; i < countof(nowhere); i++) {
		struct err e = {};
		if (path_open_in(root, nowhere[i], O_RDONLY, 0, &e) >= 0)
			fail_msg("opened: %s", nowhere[i]);
		assert_true(e.kind != ERR_NONE && *e.text);
	}
}

/* /proc bound or mounted inside a root: its links lead to where no name does. */
static void magic_links(void **state)
{
	(void)state;
	struct err e = {};
	own(fd) int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	static const char *const magic[] = {"self/root/etc/passwd", "self/cwd", "self/fd/0", "self/exe", "self/ns/mnt"};
	for (size_t i = 0; i < countof(magic); i++) {
		assert_int_equal(path_open_in(proc, magic[i], O_PATH, 0, &e), -1);
		assert_int_equal(e.sys, ELOOP);
	}
	own(fd) int plain = path_open_in(proc, "self/status", O_RDONLY, 0, &e);
	assert_true(plain >= 0);
}

static void create_inside(void **state)
{
	(void)state;
	struct err e = {};
	own(mem) char *outside = path_join(top_dir, "outside/new");
	own(fd) int a = path_open_in(root, "dangling", O_WRONLY | O_CREAT, 0644, &e);
	assert_true(a >= 0);
	assert_true(path_exists(root, "nothing"));
	/* ../outside/new is /outside/new here. */
	assert_int_equal(path_open_in(root, "dangling-out", O_WRONLY | O_CREAT, 0644, &e), -1);
	assert_int_equal(access(outside, F_OK), -1);
}

static ino_t inode(int dirfd, const char *path)
{
	struct stat st;
	assert_int_equal(fstatat(dirfd, path, &st, 0), 0);
	return st.st_ino;
}

static void mkdirs_inside(void **state)
{
	(void)state;
	static const struct { const char *path, *place; } rows[] = {{"a/b/c", "a/b/c"}, {"/a/b", "a/b"}, {"a//d/./e/", "a/d/e"},
		{"../../x/y", "x/y"}, {"dir/parent/z", "z"}, {"slash/w/v", "w/v"}, {"abs-dir/q", NULL}, {"dangling-out/q", NULL},
		{"dir/sub/../../../t", "t"}, {"/", "."}, {".", "."}, {"file/x", NULL}, {"file", NULL}, {"self/x", NULL}, {"m/../n", "n"}};
	for (size_t i = 0; i < countof(rows); i++) {
		struct err e = {};
		own(fd) int fd = path_mkdirs_in(root, rows[i].path, 0755, (uid_t)-1, (gid_t)-1, &e);
		if ((fd >= 0) != !!rows[i].place)
			fail_msg("%s: %s", rows[i].path, fd < 0 ? e.text : "made");
		struct stat st;
		if (fd < 0)
			continue;
		assert_int_equal(fstat(fd, &st), 0);
		assert_int_equal(st.st_ino, inode(root, rows[i].place));
	}
	own(mem) char *outside = path_join(top_dir, "outside/q");
	assert_int_equal(access(outside, F_OK), -1);
	if (geteuid() != 0)
		return;
	struct err e = {};
	struct stat st;
	own(fd) int owned = path_mkdirs_in(root, "dir/own/ed", 0750, 123, 456, &e);
	assert_true(owned >= 0);
	assert_int_equal(fstat(owned, &st), 0);
	assert_true(st.st_uid == 123 && st.st_gid == 456 && (st.st_mode & 07777) == 0750);
	assert_int_equal(fstatat(root, "dir", &st, 0), 0);
	assert_true(st.st_uid == 0); /* it was there before */
}

static void write_and_read(void **state)
{
	(void)state;
	struct err e = {};
	own(buf) struct buf b = {}, small = BUF(3);
	/* What a killed process left behind is not in the way. */
	for (unsigned i = 0; i < 300; i++) {
		own(mem) char *stale = mem_printf("conf.tmp-%d-%u", (int)getpid(), i);
		close(openat(root, stale, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	}
	assert_int_equal(path_write(root, "conf", "one", 3, 0044, PATH_SYNC, &e), 0);
	assert_int_equal(path_write(root, "conf", "four", 4, 0, 0, &e), 0);
	assert_int_equal(path_read(root, "conf", &b, &e), 0);
	assert_string_equal(b.data, "four");
	assert_int_equal(path_read(root, "conf", &small, &e), -1);
	assert_int_equal(e.kind, ERR_LIMIT);
	assert_int_equal(path_write(root, "conf", "new", 3, 0, PATH_NEW, &e), -1);
	assert_int_equal(e.kind, ERR_EXISTS);
	assert_int_equal(path_write(root, "dir/conf", "new", 3, 0, PATH_NEW | PATH_SYNC, &e), 0);
	assert_int_equal(path_write(root, "no/such/dir", "x", 1, 0, 0, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	assert_int_equal(path_write(root, "dir", "x", 1, 0, 0, &e), -1); /* a directory is not replaced */
	assert_true(path_exists(root, "dir/sub"));
	own(fd) int dir = path_open_dir(root, "dir", &e);
	own(fd) int all = dup(dir);
	assert_true(all >= 0);
	assert_int_equal(path_open_dir(root, "dir/parent", &e), -1); /* a symlink */
	assert_int_equal(path_open_dir(root, "file", &e), -1);
	assert_int_equal(path_put(root, "missing", "1", &e), -1);
	assert_false(path_exists(root, "missing"));
	assert_int_equal(path_put(root, "conf", "9", &e), 0);
}

static void locks(void **state)
{
	(void)state;
	struct err e = {};
	int first = path_lock(root, "lock", true, false, &e);
	assert_true(first >= 0);
	assert_int_equal(path_lock(root, "lock", true, false, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_int_equal(path_lock(root, "lock", false, false, &e), -1);
	fd_drop(&first);
	own(fd) int shared = path_lock(root, "lock", false, false, &e), too = path_lock(root, "lock", false, false, &e);
	assert_true(shared >= 0 && too >= 0);
	assert_int_equal(path_lock(root, "lock", true, false, &e), -1);
	assert_int_equal(path_lock(root, "abs-out", true, false, &e), -1); /* a symlink */
}

static void lexical(void **state)
{
	(void)state;
	static const struct { const char *path, *clean; } rows[] = {{"", "."}, {".", "."}, {"/", "/"}, {"//", "/"}, {"a", "a"}, {"a/", "a"},
		{"a//b", "a/b"}, {"a/./b", "a/b"}, {"a/../b", "b"}, {"a/..", "."}, {"a/../..", ".."}, {"..", ".."}, {"../a", "../a"},
		{"../../a", "../../a"}, {"../a/../..", "../.."}, {"/..", "/"}, {"/../a", "/a"}, {"/a/../../b", "/b"}, {"/a/b/../..", "/"},
		{"./a", "a"}, {"/./", "/"}, {"a/b/../c/../d", "a/d"}, {"...", "..."}, {"a/.../b", "a/.../b"}, {"..a", "..a"}, {"/a/..b", "/a/..b"}};
	for (size_t i = 0; i < countof(rows); i++) {
		own(mem) char *clean = path_clean(rows[i].path);
		assert_string_equal(clean, rows[i].clean);
		own(mem) char *again = path_clean(clean);
		assert_string_equal(again, clean);
	}
	static const char *const joins[][3] = {{"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"/", "b", "/b"}, {"", "b", "b"}, {"a", "/b", "/b"}, {"a", "", "a/"}};
	for (size_t i = 0; i < countof(joins); i++) {
		own(mem) char *joined = path_join(joins[i][0], joins[i][1]);
		assert_string_equal(joined, joins[i][2]);
	}
	assert_string_equal(path_base("/a/b"), "b");
	assert_string_equal(path_base("b"), "b");
	assert_string_equal(path_base("a/"), "");
	char longest[257] = {};
	memset(longest, 'n', 255);
	assert_true(path_is_name("a") && path_is_name("...") && path_is_name("..a") && path_is_name(longest));
	longest[255] = 'n';
	static const char *const bad[] = {"", ".", "..", "/", "a/b", "a/", "/a"};
	for (size_t i = 0; i < countof(bad); i++)
		assert_false(path_is_name(bad[i]));
	assert_false(path_is_name(longest));
}

static void lists(void **state)
{
	(void)state;
	struct err e = {};
	own(strv) struct strv names = {};
	assert_int_equal(path_mkdirs(root, "list/b", 0755, &e), 0);
	assert_int_equal(path_write(root, "list/a", "", 0, 0644, 0, &e), 0);
	assert_int_equal(path_list(root, "list", &names, &e), 0);
	strv_sort(&names);
	assert_int_equal(names.n, 2);
	assert_string_equal(names.v[0], "a");
	assert_int_equal(path_list(root, "list/none", &names, &e), -1);
	assert_int_equal(e.sys, ENOENT);
	assert_int_equal(path_list(root, "list/a", &names, &e), -1);
	assert_true(path_exists(root, "list/a"));
	assert_false(path_exists(root, "list/a/b"));
	assert_false(path_exists(root, "list/c"));
	/* Not certain that nothing is there. */
	assert_true(path_exists(-1, "list/c"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(remove_deep), cmocka_unit_test(remove_kinds),
		cmocka_unit_test(open_inside), cmocka_unit_test(magic_links), cmocka_unit_test(create_inside), cmocka_unit_test(mkdirs_inside),
		cmocka_unit_test(write_and_read), cmocka_unit_test(locks), cmocka_unit_test(lists), cmocka_unit_test(lexical)};
	return cmocka_run_group_tests(tests, make_root, remove_root);
}
