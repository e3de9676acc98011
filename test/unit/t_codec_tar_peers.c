/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same tree of awkward files through other programs' tar archives: what GNU tar, bsdtar and Python
 * write is read here and compared with the tree itself; what is written here is unpacked by them.
 *
 * tree/plain holds what every format can say; tree/rest long names, large ids, times and attributes that
 * only pax and GNU's own can; tree/sparse files with holes, one of them of 9 GiB; tree/before a file older
 * than 1970 by a fraction of a second, which bsdtar gets wrong.
 */
#include "codec/tar.h"

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

static char top[64];
static bool root, attributes;

static char *place(const char *name)
{
	static char path[4][8192];
	static int n;
	n = (n + 1) % 4;
	snprintf(path[n], sizeof path[n], "%s/%s", top, name);
	return path[n];
}

static int shell(const char *command)
{
	own(mem) char *line = mem_printf("cd %s && { %s\n} >log 2>&1", top, command);
	return system(line);
}

static void run(const char *command)
{
	if (shell(command) == 0)
		return;
	own(buf) struct buf log = {};
	struct err e = {};
	(void)!path_read(AT_FDCWD, place("log"), &log, &e);
	fail_msg("%s: %s", command, buf_text(&log));
}

static void put(const char *name, off_t offset, const char *text, size_t n)
{
	own(fd) int fd = open(place(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, text, n, offset), n);
}

static void set_time(const char *name, int64_t sec, long ns)
{
	struct timespec t[2] = {{sec, ns}, {sec, ns}};
	assert_int_equal(utimensat(AT_FDCWD, place(name), t, AT_SYMLINK_NOFOLLOW), 0);
}

static void make_plain(void)
{
	char big[300000];
	for (size_t i = 0; i < sizeof big; i++)
		big[i] = (char)(i * 2654435761u >> 11);
	put("tree/plain/big", 0, big, sizeof big);
	put("tree/plain/empty", 0, "", 0);
	put("tree/plain/block", 0, big, 512);
	put("tree/plain/setuid", 0, "x", 1);
	assert_int_equal(chmod(place("tree/plain/setuid"), 06751), 0);
	assert_int_equal(mkdir(place("tree/plain/dir"), 0755), 0);
	assert_int_equal(chmod(place("tree/plain/dir"), 01777), 0);
	put("tree/plain/dir/file", 0, "text\n", 5);
	assert_int_equal(symlink("dir/file", place("tree/plain/symlink")), 0);
	assert_int_equal(symlink("/nowhere/at all", place("tree/plain/dangling")), 0);
	assert_int_equal(link(place("tree/plain/big"), place("tree/plain/hardlink")), 0);
	assert_int_equal(mkfifo(place("tree/plain/fifo"), 0600), 0);
	set_time("tree/plain/setuid", 1000000000, 0);
	if (!root)
		return;
	assert_int_equal(chown(place("tree/plain/dir/file"), 1234, 56789), 0);
	if (mknod(place("tree/plain/null"), S_IFCHR | 0666, makedev(1, 3)) < 0 ||
		mknod(place("tree/plain/disk"), S_IFBLK | 0600, makedev(259, 65537)) < 0)
		assert_int_equal(errno, EPERM);
}

static void make_rest(void)
{
	char name[4096] = "tree/rest", component[200];
	memset(component, 'c', sizeof component);
	for (int i = 0; i < 12; i++) {
		snprintf(name + strlen(name), sizeof name - strlen(name), "/%.*s", i * 12 + 40, component);
		assert_int_equal(mkdir(place(name), 0755), 0);
	}
	strcat(name, "/file");
	put(name, 0, "deep", 4);
	own(mem) char *link_name = mem_printf("%s.link", name);
	assert_int_equal(link(place(name), place(link_name)), 0);
	put("tree/rest/\xc3\xbcml\xc3\xa4ut", 0, "u", 1);
	put("tree/rest/line\nbreak = 5", 0, "l", 1);
	assert_int_equal(symlink(name, place("tree/rest/far")), 0);
	static const struct { const char *name; int64_t sec; long ns; } times[] = {{"tree/rest/t1", 1600000000, 123456789},
		{"tree/before/t2", -1000, 500000000}, {"tree/rest/t3", -1000, 0}, {"tree/rest/t4", 8000000000, 1}};
	for (size_t i = 0; i < countof(times); i++) {
		put(times[i].name, 0, "t", 1);
		set_time(times[i].name, times[i].sec, times[i].ns);
	}
	put("tree/rest/attributes", 0, "a", 1);
	static const char cap[] = "\1\0\0\2\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
	attributes = setxattr(place("tree/rest/attributes"), "user.a", "v\0\n=\xff", 5, 0) == 0;
	if (root && attributes)
		attributes = setxattr(place("tree/rest/attributes"), "security.capability", cap, 20, 0) == 0;
	if (root) {
		put("tree/rest/ids", 0, "i", 1);
		assert_int_equal(chown(place("tree/rest/ids"), 3000000, 4294967294), 0);
	}
}

static void make_sparse(void)
{
	static const char text[] = "data";
	put("tree/sparse/middle", 1 << 20, text, 4);
	assert_int_equal(truncate(place("tree/sparse/middle"), 3 << 20), 0);
	put("tree/sparse/hole", 0, "", 0);
	assert_int_equal(truncate(place("tree/sparse/hole"), 5 << 20), 0);
	for (int i = 0; i < 60; i++)
		put("tree/sparse/many", i * 16384, text, 4);
	put("tree/sparse/end", (9LL << 30) - 4, text, 4);
}

static int make_tree(void **state)
{
	(void)state;
	strcpy(top, "/var/tmp/hull-tar.XXXXXX");
	assert_non_null(mkdtemp(top));
	root = geteuid() == 0;
	static const char *const dirs[] = {"tree", "tree/plain", "tree/rest", "tree/before", "tree/sparse", "out"};
	for (size_t i = 0; i < countof(dirs); i++)
		assert_int_equal(mkdir(place(dirs[i]), 0755), 0);
	make_plain();
	make_rest();
	make_sparse();
	return 0;
}

static int remove_tree(void **state)
{
	(void)state;
	struct err e = {};
	return path_remove_tree(AT_FDCWD, top, &e);
}

enum loses {
	LOSES_NS = 1 << 0,      /* times in seconds */
	LOSES_XATTRS = 1 << 1,
	ROUNDS = 1 << 2,        /* times as floating point, none of symlinks set (Python) */
};

static void assert_time(const struct timespec *t, int64_t ns, int loses, const char *name)
{
	int64_t want = t->tv_sec * 1000000000 + t->tv_nsec;
	if (loses & LOSES_NS) {
		want = t->tv_sec;
		ns = ns / 1000000000 - (ns % 1000000000 < 0);
	}
	if (llabs(want - ns) > (loses & ROUNDS ? 2000 : 0))
		fail_msg("%s: mtime %lld, not %lld", name, (long long)ns, (long long)want);
}

static void assert_xattrs(const struct tar_entry *t, const char *path)
{
	static const char *const names[] = {"user.a", "security.capability"};
	for (size_t i = 0; i < countof(names); i++) {
		char value[64];
		ssize_t n = lgetxattr(path, names[i], value, sizeof value);
		const struct tar_xattr *found = NULL;
		for (size_t k = 0; k < t->xattrs.n; k++)
			if (strcmp(t->xattrs.v[k].name, names[i]) == 0)
				found = &t->xattrs.v[k];
		if ((n >= 0) != !!found || (found && (found->len != (size_t)n || memcmp(found->value, value, (size_t)n) != 0)))
			fail_msg("%s: %s differs", path, names[i]);
	}
}

/* The data of the entry lies where the file has it; what it leaves out is zeros there. */
static void assert_content(struct tar_reader *r, const struct tar_entry *t, const char *path)
{
	struct err e = {};
	own(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	own(mem) char *want = mem_alloc(65536), *got = mem_alloc(65536);
	struct tar_span all = {0, t->size};
	const struct tar_span *spans = t->sparse ? t->spans.v : &all;
	for (size_t i = 0; i < (t->sparse ? t->spans.n : 1); i++)
		for (uint64_t done = 0; done < spans[i].length;) {
			ssize_t n = tar_data(r, got, spans[i].length - done < 65536 ? spans[i].length - done : 65536, &e);
			if (n <= 0)
				fail_msg("%s: %s", path, e.text);
			assert_int_equal(pread(fd, want, (size_t)n, (off_t)(spans[i].offset + done)), n);
			assert_memory_equal(got, want, n);
			done += (uint64_t)n;
		}
	assert_int_equal(tar_data(r, got, 1, &e), 0);
	for (size_t i = 0; t->sparse && i <= t->spans.n; i++) {
		uint64_t from = i ? spans[i - 1].offset + spans[i - 1].length : 0, to = i < t->spans.n ? spans[i].offset : t->size;
		off_t data = lseek(fd, (off_t)from, SEEK_DATA);
		/* Outside of the spans is a hole, or zeros in the last block of data. */
		for (; data >= 0 && (uint64_t)data < to; data = lseek(fd, data, SEEK_DATA)) {
			ssize_t n = pread(fd, want, to - (uint64_t)data < 4096 ? to - (uint64_t)data : 4096, data);
			for (ssize_t k = 0; k < n; k++)
				assert_int_equal(want[k], 0);
			data += n;
		}
	}
}

static void compare(struct tar_reader *r, const struct tar_entry *t, int loses)
{
	static const mode_t kinds[] = {S_IFREG, S_IFREG, S_IFLNK, S_IFCHR, S_IFBLK, S_IFDIR, S_IFIFO};
	own(mem) char *path = mem_printf("%s/tree/%s", top, t->name);
	struct stat st, target;
	if (lstat(path, &st) < 0)
		fail_msg("%s: not in the tree", t->name);
	if (t->type == TAR_HARDLINK) {
		own(mem) char *other = mem_printf("%s/tree/%s", top, t->link);
		assert_int_equal(lstat(other, &target), 0);
		assert_int_equal(target.st_ino, st.st_ino);
		return;
	}
	if ((st.st_mode & S_IFMT) != kinds[t->type] || (t->type != TAR_SYMLINK && (st.st_mode & 07777) != t->mode))
		fail_msg("%s: mode %o, not %o", t->name, t->mode, st.st_mode);
	if (st.st_uid != t->uid || st.st_gid != t->gid)
		fail_msg("%s: owner %u:%u", t->name, t->uid, t->gid);
	assert_time(&st.st_mtim, t->mtime_ns, loses, t->name);
	if (t->type == TAR_FILE) {
		assert_int_equal(t->size, st.st_size);
		assert_content(r, t, path);
	}
	if (t->type == TAR_SYMLINK) {
		char link[4096];
		ssize_t n = readlink(path, link, sizeof link - 1);
		link[n > 0 ? n : 0] = 0;
		assert_string_equal(link, t->link);
	}
	if (t->type == TAR_CHAR || t->type == TAR_BLOCK)
		assert_int_equal(makedev(t->dev_major, t->dev_minor), st.st_rdev);
	if (attributes && !(loses & LOSES_XATTRS))
		assert_xattrs(t, path);
}

/* The archive holds what is in the tree's folders named by `dirs`, all of it and once. */
static void compare_archive(const char *dirs, int loses)
{
	struct err e = {};
	own(mem) char *count = mem_printf("cd tree && find %s -printf . | wc -c >../count", dirs);
	run(count);
	own(buf) struct buf text = {};
	assert_int_equal(path_read(AT_FDCWD, place("count"), &text, &e), 0);
	long want = atol(buf_text(&text)), have = 0;
	own(stream) struct stream *in = stream_fd_take(open(place("a.tar"), O_RDONLY | O_CLOEXEC), UINT64_MAX);
	own(tar_reader) struct tar_reader *r = tar_reader_new(in);
	const struct tar_entry *t;
	int found;
	for (; (found = tar_next(r, &t, &e)) > 0; have++)
		compare(r, t, loses);
	if (found < 0)
		fail_msg("%s", e.text);
	assert_int_equal(have, want);
}

struct peer {
	const char *command; /* makes ../a.tar, inside the tree; $DIRS */
	const char *dirs;
	int loses;
};

static void compare_all(const struct peer *peers, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		setenv("DIRS", peers[i].dirs, 1);
		own(mem) char *command = mem_printf("cd tree; rm -f ../a.tar; %s", peers[i].command);
		run(command);
		print_message("%s: %s\n", peers[i].dirs, peers[i].command);
		compare_archive(peers[i].dirs, peers[i].loses);
	}
}

#define GNU "tar --xattrs --xattrs-include='*' --numeric-owner "

static void gnu_tar(void **state)
{
	(void)state;
	static const struct peer peers[] = {
		{"tar --format=ustar -cf ../a.tar $DIRS", "plain", LOSES_NS | LOSES_XATTRS},
		{"tar --format=v7 --exclude=fifo --exclude=null --exclude=disk -cf ../a.tar $DIRS", "plain/dir plain/setuid plain/symlink",
			LOSES_NS | LOSES_XATTRS},
		{"tar --format=gnu -cf ../a.tar $DIRS", "plain rest", LOSES_NS | LOSES_XATTRS},
		{"tar --format=oldgnu -cf ../a.tar $DIRS", "plain rest", LOSES_NS | LOSES_XATTRS},
		{"tar --format=gnu -S -cf ../a.tar $DIRS", "plain sparse", LOSES_NS | LOSES_XATTRS},
		{"tar --format=oldgnu -S -cf ../a.tar $DIRS", "sparse", LOSES_NS | LOSES_XATTRS},
		{GNU "--format=pax -cf ../a.tar $DIRS", "plain rest", 0},
		{GNU "--format=pax -S -cf ../a.tar $DIRS", "plain rest before sparse", 0},
		{GNU "--format=pax -S --sparse-version=0.1 -cf ../a.tar $DIRS", "rest sparse", 0},
		{GNU "--format=pax -S --sparse-version=0.0 -cf ../a.tar $DIRS", "rest sparse", 0},
		{GNU "--format=pax --pax-option=globexthdr.name=g,comment=c -b 1 -cf ../a.tar $DIRS", "plain", 0},
	};
	compare_all(peers, countof(peers));
}

static bool lacks(const char *program)
{
	own(mem) char *command = mem_printf("command -v %s", program);
	return shell(command) != 0;
}

static void bsd_tar(void **state)
{
	(void)state;
	if (lacks("bsdtar")) {
		print_message("bsdtar is not installed: make deps\n");
		skip();
	}
	static const struct peer peers[] = {
		{"bsdtar --format=ustar -cf ../a.tar $DIRS", "plain", LOSES_NS | LOSES_XATTRS},
		{"bsdtar --format=gnutar -cf ../a.tar $DIRS", "plain", LOSES_NS | LOSES_XATTRS},
		{"LC_ALL=C.UTF-8 bsdtar --format=pax -cf ../a.tar $DIRS", "plain rest sparse", 0},
		{"bsdtar --format=v7 -cf ../a.tar $DIRS", "plain/dir plain/setuid plain/symlink", LOSES_NS | LOSES_XATTRS},
	};
	compare_all(peers, countof(peers));
}

#define PYTHON(format) "python3 -c \"import sys, tarfile\nt = tarfile.open('../a.tar', 'w', format=tarfile." format \
	")\nfor d in sys.argv[1:]: t.add(d)\nt.close()\" $DIRS"

static void python(void **state)
{
	(void)state;
	if (lacks("python3")) {
		print_message("python3 is not installed: make deps\n");
		skip();
	}
	static const struct peer peers[] = {
		{PYTHON("USTAR_FORMAT"), "plain", LOSES_NS | LOSES_XATTRS},
		{PYTHON("GNU_FORMAT"), "plain", LOSES_NS | LOSES_XATTRS},
		{PYTHON("PAX_FORMAT"), "plain rest", ROUNDS | LOSES_XATTRS},
	};
	compare_all(peers, countof(peers));
}

static int to_fd(void *arg, const void *p, size_t n, struct err *e)
{
	return fd_write_all(*(int *)arg, p, n) < 0 ? err_sys(e, "write") : 0;
}

/* a.tar read and written again as b.tar. */
static void rewrite(void)
{
	struct err e = {};
	own(fd) int out = open(place("b.tar"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	own(stream) struct stream *in = stream_fd_take(open(place("a.tar"), O_RDONLY | O_CLOEXEC), UINT64_MAX);
	own(tar_reader) struct tar_reader *r = tar_reader_new(in);
	own(tar_writer) struct tar_writer *w = tar_writer_new(to_fd, &out);
	const struct tar_entry *t;
	int found;
	while ((found = tar_next(r, &t, &e)) > 0) {
		const void *p;
		ssize_t n;
		assert_int_equal(tar_write_entry(w, t, &e), 0);
		while ((n = tar_piece(r, &p, &e)) > 0)
			assert_int_equal(tar_write_data(w, p, (size_t)n, &e), 0);
		assert_int_equal(n, 0);
	}
	assert_int_equal(found, 0);
	assert_int_equal(tar_write_end(w, &e), 0);
}

static int loses_of_walk;
static size_t prefix_of_walk;

/* A file of the tree and the one unpacked by a peer have the same looks and the same bytes. */
static int same(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)flag;
	(void)ftw;
	own(mem) char *other = mem_printf("%s/out/%s", top, path + prefix_of_walk);
	struct stat o;
	if (lstat(other, &o) < 0)
		fail_msg("%s: not unpacked", other);
	if (o.st_mode != st->st_mode || o.st_rdev != st->st_rdev || o.st_nlink != st->st_nlink)
		fail_msg("%s: mode %o, not %o", other, o.st_mode, st->st_mode);
	if (o.st_uid != st->st_uid || o.st_gid != st->st_gid)
		fail_msg("%s: owner %u:%u", other, o.st_uid, o.st_gid);
	if (!(S_ISLNK(st->st_mode) && loses_of_walk & ROUNDS))
		assert_time(&st->st_mtim, o.st_mtim.tv_sec * 1000000000 + o.st_mtim.tv_nsec, loses_of_walk, other);
	if (!S_ISDIR(st->st_mode) && o.st_size != st->st_size)
		fail_msg("%s: %lld bytes", other, (long long)o.st_size);
	if (S_ISREG(st->st_mode) && st->st_size < 100 << 20) {
		own(mem) char *a = mem_alloc((size_t)st->st_size), *b = mem_alloc((size_t)st->st_size);
		own(fd) int f = open(path, O_RDONLY | O_CLOEXEC), g = open(other, O_RDONLY | O_CLOEXEC);
		assert_int_equal(fd_read_full(f, a, (size_t)st->st_size), st->st_size);
		assert_int_equal(fd_read_full(g, b, (size_t)st->st_size), st->st_size);
		assert_memory_equal(a, b, st->st_size);
	}
	char value[64], wanted[64];
	ssize_t n = lgetxattr(path, "user.a", wanted, sizeof wanted);
	if (n > 0 && !(loses_of_walk & LOSES_XATTRS)) {
		assert_int_equal(lgetxattr(other, "user.a", value, sizeof value), n);
		assert_memory_equal(value, wanted, n);
	}
	return 0;
}

static void unpacked(void **state)
{
	(void)state;
	static const struct peer peers[] = {
		{"tar --xattrs --xattrs-include='*' --numeric-owner -xpf b.tar -C out", "plain rest sparse", 0},
		{"LC_ALL=C.UTF-8 bsdtar --numeric-owner -xpf b.tar -C out", "plain rest sparse", 0},
		{"python3 -c \"import tarfile\nt = tarfile.open('b.tar')\nt.extractall('out', numeric_owner=True)\"", "plain rest",
			ROUNDS | LOSES_XATTRS},
	};
	static const char *const programs[] = {"tar", "bsdtar", "python3"};
	for (size_t i = 0; i < countof(peers); i++) {
		if (lacks(programs[i]))
			continue;
		setenv("DIRS", peers[i].dirs, 1);
		run("cd tree; " GNU "--format=pax -S -cf ../a.tar $DIRS");
		rewrite();
		run(peers[i].command);
		loses_of_walk = peers[i].loses;
		prefix_of_walk = strlen(place("tree")) + 1;
		static const char *const dirs[] = {"tree/plain", "tree/rest", "tree/sparse"};
		for (size_t d = 0; d < (strstr(peers[i].dirs, "sparse") ? 3 : 2); d++)
			assert_int_equal(nftw(place(dirs[d]), same, 20, FTW_PHYS), 0);
		run("rm -rf out; mkdir out");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(gnu_tar), cmocka_unit_test(bsd_tar), cmocka_unit_test(python),
		cmocka_unit_test(unpacked)};
	return cmocka_run_group_tests(tests, make_tree, remove_tree);
}
