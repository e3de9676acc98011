/* SPDX-License-Identifier: Apache-2.0 */
#include "t_snap.h"

#include "snap/whiteout.h"

#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>

static struct stat look(struct world *w, const char *id, const char *name)
{
	struct stat st;
	if (fstatat(w->root, layer_path(w, id, name), &st, AT_SYMLINK_NOFOLLOW) < 0)
		fail_msg("%s: %s", name, strerror(errno));
	return st;
}

static bool is_there(struct world *w, const char *id, const char *name)
{
	return path_exists(w->root, layer_path(w, id, name));
}

static void make(struct world *w, struct archive *a, char id[DIGEST_TEXT])
{
	struct err e = {};
	if (ingest_archive(w, a, id, &e) < 0)
		fail_with("ingest", &e);
}

static void kinds(void **state)
{
	(void)state;
	struct world w;
	struct archive a;
	char id[DIGEST_TEXT];
	world_open(&w);
	archive_open(&a);
	archive_add(&a, (struct tar_entry){.type = TAR_DIR, NAME("./"), .mode = 0555}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_DIR, NAME("d"), .mode = 02775, .uid = 3, .gid = 50, .mtime_ns = 1500000000123456789}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("d/f"), .mode = 04755, .uid = 1, .gid = 2, .mtime_ns = -1500000000}, "content");
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("d/mine"), .mode = 0640}, "of root");
	archive_add(&a, (struct tar_entry){.type = TAR_DIR, NAME("d/sub"), .mode = 0700}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_HARDLINK, NAME("h"), LINK("/d/./f")}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_SYMLINK, NAME("s"), LINK("../../../etc/passwd"), .uid = 7, .gid = 8}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_FIFO, NAME("p"), .mode = 0620}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_CHAR, NAME("dev/null"), .mode = 0666, .dev_major = 1, .dev_minor = 3}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_BLOCK, NAME("dev/big"), .mode = 0600, .dev_major = 4095, .dev_minor = 1048575}, NULL);
	make(&w, &a, id);
	struct stat st = look(&w, id, "d/f");
	assert_int_equal(st.st_mode, S_IFREG | 04755);
	assert_int_equal(st.st_uid, 1);
	assert_int_equal(st.st_gid, 2);
	assert_int_equal(st.st_mtim.tv_sec, -2);
	assert_int_equal(st.st_mtim.tv_nsec, 500000000);
	assert_int_equal(st.st_nlink, 2);
	assert_int_equal(look(&w, id, "h").st_ino, st.st_ino);
	assert_text(w.root, layer_path(&w, id, "h"), "content");
	st = look(&w, id, "d");
	assert_int_equal(st.st_mode, S_IFDIR | 02775);
	assert_int_equal(st.st_gid, 50);
	assert_int_equal(st.st_mtim.tv_sec, 1500000000);
	assert_int_equal(st.st_mtim.tv_nsec, 123456789);
	/* The setgid bit of the directory is about files made later, not about those of the archive. */
	assert_int_equal(look(&w, id, "d/mine").st_gid, 0);
	assert_int_equal(look(&w, id, "d/sub").st_mode, S_IFDIR | 0700);
	assert_int_equal(look(&w, id, "d/sub").st_gid, 0);
	assert_int_equal(look(&w, id, "").st_mode, S_IFDIR | 0555);
	st = look(&w, id, "s");
	assert_int_equal(st.st_uid, 7);
	assert_int_equal(st.st_size, strlen("../../../etc/passwd"));
	assert_int_equal(look(&w, id, "p").st_mode, S_IFIFO | 0620);
	st = look(&w, id, "dev/null");
	assert_int_equal(st.st_mode, S_IFCHR | 0666);
	assert_int_equal(st.st_rdev, makedev(1, 3));
	assert_int_equal(look(&w, id, "dev/big").st_rdev, makedev(4095, 1048575));
	struct snap_layer_info info;
	struct err e = {};
	assert_int_equal(snap_layer_info(&w.snap, id, &info, &e), 0);
	assert_int_equal(info.files, 10);
	assert_int_equal(info.bytes, 14);
	world_close(&w);
}

static void xattrs(void **state)
{
	(void)state;
	struct world w;
	struct archive a;
	char id[DIGEST_TEXT], value[64], path[8300];
	world_open(&w);
	archive_open(&a);
	/* cap_net_raw+ep, version 2 */
	static const unsigned char cap[20] = {1, 0, 0, 2, 0, 0x20};
	struct tar_xattr x[] = {{(char *)(uintptr_t) "user.note", (void *)(uintptr_t) "a\0b", 3},
		{(char *)(uintptr_t) "security.capability", (void *)(uintptr_t)cap, sizeof cap},
		{(char *)(uintptr_t) "trusted.overlay.opaque", (void *)(uintptr_t) "y", 1},
		{(char *)(uintptr_t) "trusted.overlay.redirect", (void *)(uintptr_t) "/", 1},
		{(char *)(uintptr_t) "user.overlay.opaque", (void *)(uintptr_t) "y", 1}};
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("f"), .mode = 0755, .uid = 5, .xattrs = {x, 5}}, "x");
	archive_add(&a, (struct tar_entry){.type = TAR_DIR, NAME("d"), .xattrs = {x, 5}}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_SYMLINK, NAME("s"), LINK("f"), .xattrs = {x, 5}}, NULL);
	make(&w, &a, id);
	static const char *const names[] = {"f", "d"};
	for (size_t i = 0; i < countof(names); i++) {
		snprintf(path, sizeof path, "%s/%s", w.path, layer_path(&w, id, names[i]));
		assert_int_equal(getxattr(path, "user.note", value, sizeof value), 3);
		assert_memory_equal(value, "a\0b", 3);
		assert_int_equal(getxattr(path, "security.capability", value, sizeof value), 20);
		assert_memory_equal(value, cap, 20);
		assert_int_equal(getxattr(path, "trusted.overlay.opaque", value, sizeof value), -1);
		assert_int_equal(getxattr(path, "trusted.overlay.redirect", value, sizeof value), -1);
		assert_int_equal(getxattr(path, "user.overlay.opaque", value, sizeof value), -1);
	}
	world_close(&w);
}

static void sparse(void **state)
{
	(void)state;
	struct world w;
	struct archive a;
	char id[DIGEST_TEXT];
	world_open(&w);
	archive_open(&a);
	struct tar_span spans[] = {{1 << 20, 3}, {(5 << 20) + 1, 2}};
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("f"), .size = 100 << 20, .stored = 5, .sparse = true, .spans = {spans, 2}}, "abcde");
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("hole"), .size = 1 << 30, .sparse = true}, NULL);
	make(&w, &a, id);
	struct stat st = look(&w, id, "f");
	assert_int_equal(st.st_size, 100 << 20);
	own(fd) int fd = openat(w.root, layer_path(&w, id, "f"), O_RDONLY | O_CLOEXEC);
	char b[4] = {};
	assert_int_equal(pread(fd, b, 4, (1 << 20) - 1), 4);
	assert_memory_equal(b, "\0abc", 4);
	assert_int_equal(pread(fd, b, 4, 5 << 20), 4);
	assert_memory_equal(b, "\0de\0", 4);
	assert_true(lseek(fd, 50 << 20, SEEK_HOLE) == 50 << 20 && lseek(fd, 50 << 20, SEEK_DATA) == -1);
	assert_int_equal(look(&w, id, "hole").st_size, 1 << 30);
	own(fd) int hole = openat(w.root, layer_path(&w, id, "hole"), O_RDONLY | O_CLOEXEC);
	assert_true(lseek(hole, 0, SEEK_HOLE) == 0 && lseek(hole, 0, SEEK_DATA) == -1);
	world_close(&w);
}

static bool is_opaque(struct world *w, const char *id, const char *name)
{
	own(fd) int fd = openat(w->root, layer_path(w, id, name), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return whiteout_is_opaque(fd);
}

static void whiteouts(void **state)
{
	(void)state;
	struct world w;
	struct archive a;
	char id[DIGEST_TEXT];
	world_open(&w);
	if (strcmp(snap_driver(&w.snap), "copy") == 0) {
		world_close(&w);
		print_message("skipped: overlay is refused here\n");
		skip();
	}
	archive_open(&a);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("d/.wh.gone")}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("o/.wh..wh..opq")}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("o/kept")}, "new");
	archive_add(&a, (struct tar_entry){.type = TAR_DIR, NAME("o"), .mode = 0711}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME(".wh..wh.aufs")}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_DIR, NAME(".wh..wh.plnk")}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME(".wh..wh.plnk/1.2")}, "x");
	/* Both, in both orders: a new directory that shows nothing of the old one. */
	archive_add(&a, (struct tar_entry){.type = TAR_DIR, NAME("one")}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("one/f")}, "x");
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME(".wh.one")}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME(".wh.two")}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_DIR, NAME("two")}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("two/f")}, "x");
	/* A file wins over the whiteout of its own layer. */
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("file")}, "x");
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME(".wh.file")}, NULL);
	make(&w, &a, id);
	struct stat st = look(&w, id, "d/gone");
	assert_true(whiteout_is(&st));
	assert_true(is_opaque(&w, id, "o"));
	assert_int_equal(look(&w, id, "o").st_mode, S_IFDIR | 0711);
	assert_text(w.root, layer_path(&w, id, "o/kept"), "new");
	assert_false(is_there(&w, id, "o/.wh..wh..opq"));
	assert_false(is_there(&w, id, ".wh..wh.plnk"));
	assert_false(is_there(&w, id, ".wh..wh.aufs"));
	assert_true(is_opaque(&w, id, "one"));
	assert_true(is_opaque(&w, id, "two"));
	assert_true(is_there(&w, id, "one/f"));
	assert_true(is_there(&w, id, "two/f"));
	assert_false(is_opaque(&w, id, "d"));
	assert_text(w.root, layer_path(&w, id, "file"), "x");
	world_close(&w);
}

static void replaced(void **state)
{
	(void)state;
	struct world w;
	struct archive a;
	char id[DIGEST_TEXT];
	world_open(&w);
	archive_open(&a);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("f")}, "old");
	archive_add(&a, (struct tar_entry){.type = TAR_HARDLINK, NAME("link"), LINK("f")}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("f")}, "new");
	archive_add(&a, (struct tar_entry){.type = TAR_DIR, NAME("d/e")}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("d/e/x")}, "x");
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("d")}, "now a file");
	archive_add(&a, (struct tar_entry){.type = TAR_SYMLINK, NAME("s"), LINK("f")}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("s")}, "no symlink");
	archive_add(&a, (struct tar_entry){.type = TAR_DIR, NAME("merged"), .mode = 0700}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("merged/a")}, "a");
	archive_add(&a, (struct tar_entry){.type = TAR_DIR, NAME("merged"), .mode = 0750}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_SYMLINK, NAME("was"), LINK("merged")}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_DIR, NAME("was")}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_HARDLINK, NAME("f"), LINK("f")}, NULL);
	/* The parent is another directory from one entry to the next. */
	archive_add(&a, (struct tar_entry){.type = TAR_DIR, NAME("p/q")}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("p/q/1")}, "1");
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("p/q")}, "file");
	archive_add(&a, (struct tar_entry){.type = TAR_DIR, NAME("p/q")}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("p/q/2")}, "2");
	make(&w, &a, id);
	assert_text(w.root, layer_path(&w, id, "f"), "new");
	assert_text(w.root, layer_path(&w, id, "link"), "old");
	assert_text(w.root, layer_path(&w, id, "d"), "now a file");
	assert_text(w.root, layer_path(&w, id, "s"), "no symlink");
	assert_int_equal(look(&w, id, "s").st_mode, S_IFREG | 0644);
	assert_int_equal(look(&w, id, "merged").st_mode, S_IFDIR | 0750);
	assert_text(w.root, layer_path(&w, id, "merged/a"), "a");
	assert_int_equal(look(&w, id, "was").st_mode, S_IFDIR | 0755);
	assert_false(is_there(&w, id, "p/q/1"));
	assert_text(w.root, layer_path(&w, id, "p/q/2"), "2");
	world_close(&w);
}

/* Symlinks of the archive on the way to an entry lead where they lead in a container. */
static void inside(void **state)
{
	(void)state;
	struct world w;
	struct archive a;
	char id[DIGEST_TEXT], outside[100], up[200];
	world_open(&w);
	snprintf(outside, sizeof outside, "%s/outside", w.path);
	assert_int_equal(mkdir(outside, 0755), 0);
	snprintf(up, sizeof up, "../../../../../../../../..%s", outside);
	archive_open(&a);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("/absolute/f")}, "1");
	archive_add(&a, (struct tar_entry){.type = TAR_DIR, NAME("real")}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_SYMLINK, NAME("rel"), LINK("real")}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("rel/f")}, "2");
	archive_add(&a, (struct tar_entry){.type = TAR_SYMLINK, NAME("abs"), LINK("/real")}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("abs/g")}, "3");
	/* The host's directory, by an absolute and by a climbing symlink: the same name inside is made or missing. */
	archive_add(&a, (struct tar_entry){.type = TAR_DIR, NAME(outside)}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_SYMLINK, NAME("host"), LINK(outside)}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("host/evil")}, "4");
	archive_add(&a, (struct tar_entry){.type = TAR_SYMLINK, NAME("climb"), LINK(up)}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("climb/evil2")}, "5");
	/* A parent that is replaced while its fd is kept. */
	archive_add(&a, (struct tar_entry){.type = TAR_DIR, NAME("swap")}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("swap/a")}, "6");
	archive_add(&a, (struct tar_entry){.type = TAR_SYMLINK, NAME("swap"), LINK("real")}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("swap/b")}, "7");
	/* The last component is never followed. */
	archive_add(&a, (struct tar_entry){.type = TAR_SYMLINK, NAME("leaf"), LINK("/etc/hostname")}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("leaf")}, "8");
	archive_add(&a, (struct tar_entry){.type = TAR_HARDLINK, NAME("hard"), LINK("climb/evil2")}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("rel/.wh.w")}, NULL);
	make(&w, &a, id);
	assert_text(w.root, layer_path(&w, id, "absolute/f"), "1");
	assert_text(w.root, layer_path(&w, id, "real/f"), "2");
	assert_text(w.root, layer_path(&w, id, "real/g"), "3");
	assert_text(w.root, layer_path(&w, id, "real/b"), "7");
	assert_text(w.root, layer_path(&w, id, "leaf"), "8");
	assert_text(w.root, layer_path(&w, id, "hard"), "5");
	assert_false(path_exists(w.root, "outside/evil"));
	assert_false(path_exists(w.root, "outside/evil2"));
	assert_int_equal(rmdir(outside), 0);
	world_close(&w);
}

static char *repeat(const char *s, size_t n)
{
	static char out[20000];
	out[0] = 0;
	for (size_t i = 0; i < n; i++)
		strcpy(out + i * strlen(s), s);
	return out;
}

/* Each is refused with a line that names the entry, and leaves nothing. */
static void hostile(void **state)
{
	(void)state;
	struct world w;
	world_open(&w);
	char deep[2 * 300 + 1], wide[300], long_name[5200], wide_name[5100];
	strcpy(deep, repeat("d/", 300));
	strcpy(wide, repeat("w", 256));
	strcpy(long_name, repeat("0123456789/", 460));
	strcpy(wide_name, repeat("wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww/", 102));
	const struct {
		struct tar_entry t;
		const char *says;
		enum err_kind kind;
	} rows[] = {
		{{.type = TAR_FILE, NAME("../x")}, "\"..\" is refused", ERR_CORRUPT},
		{{.type = TAR_FILE, NAME("a/../../x")}, "\"..\" is refused", ERR_CORRUPT},
		{{.type = TAR_DIR, NAME("..")}, "\"..\" is refused", ERR_CORRUPT},
		{{.type = TAR_SYMLINK, NAME("/../../x"), LINK("y")}, "\"..\" is refused", ERR_CORRUPT},
		{{.type = TAR_FILE, NAME("./.wh.x/../../y")}, "\"..\" is refused", ERR_CORRUPT},
		{{.type = TAR_FILE, NAME(wide)}, "longer than 255", ERR_CORRUPT},
		{{.type = TAR_FILE, NAME(deep)}, "directories deep", ERR_LIMIT},
		{{.type = TAR_FILE, NAME(long_name)}, "directories deep", ERR_LIMIT},
		{{.type = TAR_FILE, NAME(wide_name)}, "longer than 4095 bytes", ERR_CORRUPT},
		{{.type = TAR_FIFO, NAME("/")}, "must be a directory", ERR_CORRUPT},
		{{.type = TAR_SYMLINK, NAME("."), LINK("/etc")}, "must be a directory", ERR_CORRUPT},
		{{.type = TAR_FILE, NAME("d/.wh.")}, "whiteout of nothing", ERR_CORRUPT},
		{{.type = TAR_FILE, NAME("d/.wh..")}, "whiteout of nothing", ERR_CORRUPT},
		{{.type = TAR_FILE, NAME("d/.wh...")}, "whiteout of nothing", ERR_CORRUPT},
		{{.type = TAR_FILE, NAME(".wh.d/x")}, "cannot be a directory", ERR_CORRUPT},
		{{.type = TAR_HARDLINK, NAME("x"), LINK("../../../etc/passwd")}, "\"..\" is refused", ERR_CORRUPT},
		{{.type = TAR_HARDLINK, NAME("x"), LINK("/etc/passwd")}, "not in this layer", ERR_CORRUPT},
		{{.type = TAR_HARDLINK, NAME("x"), LINK("missing")}, "not in this layer", ERR_CORRUPT},
		{{.type = TAR_HARDLINK, NAME("x"), LINK("host/passwd")}, "not in this layer", ERR_CORRUPT},
		{{.type = TAR_HARDLINK, NAME("x"), LINK("file/y")}, "not in this layer", ERR_CORRUPT},
		{{.type = TAR_HARDLINK, NAME("x"), LINK("gone")}, "not in this layer", ERR_CORRUPT},
		{{.type = TAR_HARDLINK, NAME("x"), LINK(".wh.gone")}, "not in this layer", ERR_CORRUPT},
		{{.type = TAR_HARDLINK, NAME("x"), LINK("dir")}, "to a directory", ERR_CORRUPT},
		{{.type = TAR_HARDLINK, NAME("x"), LINK("/")}, "not in this layer", ERR_CORRUPT},
		{{.type = TAR_CHAR, NAME("x")}, "no device 0:0", ERR_CORRUPT},
		{{.type = TAR_CHAR, NAME("x"), .dev_major = 4096}, "device 4096:0", ERR_CORRUPT},
		{{.type = TAR_BLOCK, NAME("x"), .dev_minor = 1 << 20}, "device 0:1048576", ERR_CORRUPT},
		{{.type = TAR_FILE, NAME("x"), .uid = UINT32_MAX}, "4294967295", ERR_CORRUPT},
		{{.type = TAR_DIR, NAME("x"), .gid = UINT32_MAX}, "4294967295", ERR_CORRUPT},
		{{.type = TAR_FILE, NAME("file/x")}, "Not a directory", ERR_SYSTEM},
		{{.type = TAR_FILE, NAME("loop/x")}, "its directory", ERR_SYSTEM},
		{{.type = TAR_FILE, NAME("dangling/x")}, "its directory", ERR_NOT_FOUND},
		{{.type = TAR_SYMLINK, NAME("x"), LINK(long_name)}, "File name too long", ERR_LIMIT},
	};
	for (size_t i = 0; i < countof(rows); i++) {
		struct archive a;
		struct err e = {};
		char id[DIGEST_TEXT];
		archive_open(&a);
		archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("file")}, "x");
		archive_add(&a, (struct tar_entry){.type = TAR_DIR, NAME("dir")}, NULL);
		archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME(".wh.gone")}, NULL);
		archive_add(&a, (struct tar_entry){.type = TAR_SYMLINK, NAME("host"), LINK("/etc")}, NULL);
		archive_add(&a, (struct tar_entry){.type = TAR_SYMLINK, NAME("loop"), LINK("loop")}, NULL);
		archive_add(&a, (struct tar_entry){.type = TAR_SYMLINK, NAME("dangling"), LINK("nowhere")}, NULL);
		archive_add(&a, rows[i].t, NULL);
		int r = ingest_archive(&w, &a, id, &e);
		if (r == 0)
			fail_msg("row %zu: \"%.60s\" was taken", i, rows[i].t.name);
		if (!strstr(e.text, rows[i].says) || (!strstr(e.text, "entry \"") && !strstr(e.text, "tar: ")) || strlen(e.text) > 400)
			fail_msg("row %zu: %s", i, e.text);
		if (rows[i].kind && e.kind != rows[i].kind)
			fail_msg("row %zu: kind %d: %s", i, (int)e.kind, e.text);
		assert_no_rest(&w);
	}
	world_close(&w);
}

static void bounds(void **state)
{
	(void)state;
	struct world w;
	struct archive a;
	char id[DIGEST_TEXT], name[20];
	world_open(&w);
	archive_open(&a);
	for (int i = 0; i < 1001; i++) {
		snprintf(name, sizeof name, "d%d", i);
		archive_add(&a, (struct tar_entry){.type = TAR_DIR, NAME(name)}, NULL);
	}
	archive_end(&a);
	own(fd) int fd = memory_file(a.data.data, a.data.len);
	struct snap_ingest in = {.fd = fd, .length = a.data.len, .blob_size = UINT64_MAX, .max_entries = 1000};
	struct snap_layer_info info;
	struct err e = {};
	assert_int_equal(snap_ingest(&w.snap, &in, id, &info, &e), -1);
	assert_int_equal(e.kind, ERR_LIMIT);
	assert_non_null(strstr(e.text, "more than 1000 entries"));
	in.max_entries = 0;
	in.max_bytes = a.data.len - 1;
	assert_int_equal(snap_ingest(&w.snap, &in, id, &info, &e), -1);
	assert_int_equal(e.kind, ERR_LIMIT);
	assert_non_null(strstr(e.text, "larger than allowed"));
	assert_no_rest(&w);
	in.max_bytes = 0;
	assert_int_equal(snap_ingest(&w.snap, &in, id, &info, &e), 0);
	assert_int_equal(info.files, 1001);
	buf_drop(&a.data);
	world_close(&w);
}

/* What GNU tar makes of an archive of real files, entry by entry with all that stat knows. */
static void as_tar(void **state)
{
	(void)state;
	struct world w;
	char command[2000], id[DIGEST_TEXT];
	world_open(&w);
	if (system("tar --version >/dev/null 2>&1") != 0) {
		world_close(&w);
		print_message("skipped: no tar here\n");
		skip();
	}
	snprintf(command, sizeof command,
		"cd %s && mkdir src want && cp -a /etc src/etc && cp -al src/etc/passwd src/hard && ln -s ../../x src/sym && mkfifo src/fifo && "
		"truncate -s 3M src/sparse && printf abc | dd of=src/sparse bs=1 seek=1000000 conv=notrunc 2>/dev/null && "
		"mkdir -p src/$(printf %%0200d 1)/$(printf %%0200d 2) && echo long > src/$(printf %%0200d 1)/$(printf %%0200d 2)/file && "
		"chmod 1777 src/etc/opt && chmod 4711 src/hard && chown 12345:54321 src/fifo && "
		"for f in gnu posix; do tar -S --format=$f -cf $f.tar -C src . || exit 1; done && tar -xpf gnu.tar -C want --numeric-owner", w.path);
	assert_int_equal(system(command), 0);
	static const char *const forms[] = {"gnu", "posix"};
	for (size_t i = 0; i < countof(forms); i++) {
		char name[20];
		snprintf(name, sizeof name, "%s.tar", forms[i]);
		own(fd) int fd = openat(w.root, name, O_RDONLY | O_CLOEXEC);
		struct snap_ingest in = {.fd = fd, .length = UINT64_MAX, .blob_size = UINT64_MAX};
		struct snap_layer_info info;
		struct err e = {};
		if (snap_ingest(&w.snap, &in, id, &info, &e) < 0)
			fail_with(name, &e);
		/* EROFS says that holes are blocks. */
		own(mem) char *list = mem_printf("find . -printf '%%p %%y %%m %%U %%G %%n %%l %%Ts\\n'; find . -type f -printf '%%p %%s %s\\n';"
			" find . -type f -exec md5sum {} +", on_erofs() ? "" : "%b");
		snprintf(command, sizeof command, "cd %s && (cd want && %s) | sort > want.txt && (cd %s && %s) | sort > got.txt && diff want.txt got.txt",
			w.path, list, layer_path(&w, id, "."), list);
		assert_int_equal(system(command), 0);
	}
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds), cmocka_unit_test(xattrs), cmocka_unit_test(sparse), cmocka_unit_test(whiteouts),
		cmocka_unit_test(replaced), cmocka_unit_test(inside), cmocka_unit_test(hostile), cmocka_unit_test(bounds),
		cmocka_unit_test(as_tar),
	};
	return run_both(tests, countof(tests));
}
