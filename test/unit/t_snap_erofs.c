/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same archives as files and as an EROFS image: what is refused is refused by both with the same words, what is taken looks the
 * same, entry by entry: kind, mode, owner, time, size, links, xattrs, content.
 */
#include "t_snap.h"
#include "t_snap_same.h"

#include "snap/erofs_format.h"
#include "snap/erofs_mount.h"
#include "snap/erofs_write.h"
#include "snap/files.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>

static struct world world;
static bool usable;
static int way_wanted; /* EROFS_WAY_FILE or EROFS_WAY_LOOP: on tmpfs */

/* One archive both ways. Returns whether it was taken; *ret_image, may be NULL: the image. */
static bool both(int tar, struct err *ret_why, int *ret_image)
{
	struct err e[2] = {};
	struct snap_layer_info info[2] = {};
	struct erofs_writer w;
	char name[40];
	static int n;
	struct stat st;
	assert_int_equal(fstat(tar, &st), 0);
	snprintf(name, sizeof name, "files%d", n);
	assert_int_equal(mkdirat(world.root, name, 0755), 0);
	own(fd) int tree = openat(world.root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(name, sizeof name, "image%d", n++);
	int image = openat(world.root, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(tree >= 0 && image >= 0);
	struct files f = {.tree = tree, .form = WHITEOUT_OVERLAY};
	own(stream) struct stream *one = stream_range(tar, 0, (uint64_t)st.st_size), *two = stream_range(tar, 0, (uint64_t)st.st_size);
	int r[2] = {files_unpack(&f, one, 0, &info[0], &e[0]), -1};
	erofs_open(&w, image, world.root);
	r[1] = erofs_take(&w, two, 0, &e[1]);
	if (r[1] == 0)
		r[1] = erofs_end(&w, "sha256:0123456789abcdef0123456789abcdef", &e[1]);
	info[1] = w.head.info;
	erofs_drop(&w);
	if (r[0] != r[1])
		fail_msg("as files: %d %s, in EROFS: %d %s", r[0], e[0].text, r[1], e[1].text);
	if (r[0] < 0) {
		assert_string_equal(e[0].text, e[1].text);
		assert_int_equal(e[0].kind, e[1].kind);
		*ret_why = e[0];
	} else {
		enum erofs_way way;
		own(fd) int m = erofs_mount(image, &way, &e[1]);
		if (m < 0)
			fail_with("mount", &e[1]);
		assert_int_equal(way, way_wanted);
		assert_int_equal(info[0].bytes, info[1].bytes);
		assert_int_equal(info[0].files, info[1].files);
		own(fd) int top = openat(m, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		same_entry("", tree, top, ".");
	}
	if (ret_image)
		*ret_image = image;
	else
		close(image);
	return r[0] == 0;
}

static bool both_of(struct archive *a, struct err *ret_why)
{
	if (a->tar)
		archive_end(a);
	own(fd) int fd = memory_file(a->data.data, a->data.len);
	buf_drop(&a->data);
	return both(fd, ret_why, NULL);
}

static void need_erofs(void)
{
	if (usable)
		return;
	print_message("skipped: not root, or no EROFS in this kernel\n");
	skip();
}

static int setup(void **state unused)
{
	world_make(&world);
	way_wanted = EROFS_WAY_FILE;
	began = time(NULL) - 1;
	return 0;
}

static int teardown(void **state unused)
{
	struct err e = {};
	snap_drop(&world.snap);
	close(world.root);
	return path_remove_tree(AT_FDCWD, world.path, &e);
}

static void shell(const char *line)
{
	own(mem) char *command = mem_printf("cd %s && { %s\n} >log 2>&1 || { cat log >&2; false; }", world.path, line);
	if (system(command) != 0)
		fail_msg("%s", line);
}

static bool has(const char *program)
{
	own(mem) char *command = mem_printf("command -v %s >/dev/null", program);
	return system(command) == 0;
}

static void take_tar(const char *name)
{
	struct err e = {};
	own(fd) int fd = openat(world.root, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || !both(fd, &e, NULL))
		fail_msg("%s: %s", name, e.text);
}

/* Real files, as several programs write them. */
static void real_trees(void **state unused)
{
	need_erofs();
	static const char *const lines[] = {"tar -S --format=gnu", "tar -S --format=posix", "tar --format=posix --sparse-version=0.1 -S",
		"tar --format=posix --sparse-version=0.0 -S", "tar --xattrs --xattrs-include='*' --format=posix", "bsdtar"};
	shell("mkdir -p src/many src/big && cp -a /etc src/etc && "
		"cp -al src/etc/passwd src/hard && ln -s ../../x src/sym && "
		"mkfifo src/fifo && truncate -s 3M src/sparse && printf abc | dd of=src/sparse bs=1 seek=1000000 conv=notrunc && truncate -s 700K src/hole && "
		"chmod 1777 src/etc/opt && chmod 4711 src/hard && chown 12345:54321 src/fifo && mknod src/null c 1 3 && mknod src/disk b 259 65537 && "
		"for i in $(seq 1 900); do echo $i >src/many/some-file-number-$i; done && cp /bin/bash src/big/ && touch -d 1960-01-01 src/big && "
		"ln -s $(printf %0600d 1) src/far && ln -s $(printf %0450d 1) src/half && printf x >\"src/$(printf %0240d 1)\" && "
		"setfattr -n user.note -v hello src/sparse || true");
	for (size_t i = 0; i < countof(lines); i++) {
		own(mem) char *line = mem_printf("%s -cf t.tar -C src .", lines[i]);
		if (!has(strncmp(lines[i], "bsdtar", 6) == 0 ? "bsdtar" : "tar"))
			continue;
		shell(line);
		take_tar("t.tar");
	}
	assert_true(compared > 3 * 900);
}

static void attributes(void **state unused)
{
	need_erofs();
	struct archive a;
	struct err e = {};
	static const unsigned char cap[20] = {1, 0, 0, 2, 0, 0x20}, cap3[24] = {1, 0, 0, 3, 0, 0x20};
	own(mem) char *big = mem_alloc(3000);
	memset(big, 'b', 2999);
#define X(n, v, l) {(char *)(uintptr_t)(n), (void *)(uintptr_t)(v), (l)}
	struct tar_xattr x[] = {X("user.note", "a\0b", 3), X("security.capability", cap, 20), X("trusted.overlay.opaque", "y", 1),
		X("user.overlay.opaque", "y", 1), X("user.big", big, 2999), X("user.note", "later", 5), X("user.none", "", 0), X("security.selinux", "x", 1)};
	struct tar_xattr more[] = {X("user.note", "last", 4), X("user.other", "o", 1), X("security.capability", cap3, 24)};
	archive_open(&a);
	archive_add(&a, (struct tar_entry){.type = TAR_DIR, NAME("./"), .xattrs = {x, 1}}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("f"), .mode = 0755, .uid = 5, .xattrs = {x, countof(x)}}, "x");
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("few"), .xattrs = {more, countof(more)}}, "x");
	archive_add(&a, (struct tar_entry){.type = TAR_DIR, NAME("d"), .xattrs = {x, countof(x)}}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_DIR, NAME("d"), .xattrs = {more, countof(more)}}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("d/.wh..wh..opq")}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_SYMLINK, NAME("s"), LINK("f"), .xattrs = {x, countof(x)}}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_FIFO, NAME("p"), .xattrs = {x, countof(x)}}, NULL);
	assert_true(both_of(&a, &e));
	const struct tar_xattr bad[] = {X("user.", "x", 1), X("security.capability", "x", 1), X("security.capability", "aaaaaaaaaaaaaaaaaaaa", 20)};
	for (size_t i = 0; i < countof(bad); i++) {
		struct tar_xattr one = bad[i];
		archive_open(&a);
		archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("f"), .xattrs = {&one, 1}}, "x");
		assert_false(both_of(&a, &e));
		assert_non_null(strstr(e.text, "Invalid argument"));
	}
}

/* Files with holes of all kinds: pieces that lie as blocks do, pieces that do not, many, at both ends, in large ones. */
static void holes(void **state unused)
{
	need_erofs();
	static const struct { uint64_t size; size_t n; struct tar_span v[4]; } rows[] = {
		{1 << 20, 1, {{0, 1 << 20}}}, {100 << 20, 2, {{1 << 20, 3}, {(5 << 20) + 1, 2}}}, {1 << 30, 0, {}}, {1, 0, {}}, {511, 1, {{1, 3}}},
		{4096 * 5, 2, {{4096, 4096}, {4096 * 3, 4096}}}, {4096 * 5 + 100, 2, {{0, 4096}, {4096 * 4, 4196}}}, {513, 1, {{512, 1}}},
		{9000, 3, {{0, 100}, {100, 500}, {4096, 1000}}}, {3ull << 40, 2, {{512, 512}, {(3ull << 40) - 5, 5}}}, {8ull << 30, 1, {{4096, 8192}}},
		{2048, 2, {{0, 512}, {512, 1536}}}, {1ull << 43, 1, {{7, 1}}}, {700000, 4, {{0, 1}, {512, 511}, {1536, 1024}, {699999, 1}}}};
	struct archive a;
	struct err e = {};
	char name[20], data[1 << 20];
	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (char)(1 + i % 251);
	archive_open(&a);
	for (size_t i = 0; i < countof(rows); i++) {
		struct tar_span v[4];
		uint64_t sum = 0;
		memcpy(v, rows[i].v, sizeof v);
		for (size_t k = 0; k < rows[i].n; k++)
			sum += v[k].length;
		snprintf(name, sizeof name, "f%zu", i);
		archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME(name), .size = rows[i].size, .stored = sum, .sparse = true,
			.spans = {v, rows[i].n}}, data);
	}
	own(mem) struct tar_span *many = mem_alloc(2000 * sizeof *many);
	for (size_t i = 0; i < 2000; i++)
		many[i] = (struct tar_span){i * 5000 + i % 7, 1 + i % 300};
	uint64_t sum = 0;
	for (size_t i = 0; i < 2000; i++)
		sum += many[i].length;
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("many"), .size = 20 << 20, .stored = sum, .sparse = true, .spans = {many, 2000}}, data);
	assert_true(both_of(&a, &e));
	archive_open(&a);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("f"), .size = 1ull << 45, .sparse = true}, NULL);
	assert_false(both_of(&a, &e));
	assert_non_null(strstr(e.text, "File too large"));
}

/* Holes are holes there too, and cost nothing. */
static void holes_stay(void **state unused)
{
	need_erofs();
	struct archive a;
	struct err e = {};
	struct stat st;
	struct tar_span v[] = {{4096, 4096}, {6ull << 30, 8192}};
	char data[12288];
	memset(data, 'x', sizeof data);
	archive_open(&a);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("f"), .size = 8ull << 30, .stored = sizeof data, .sparse = true, .spans = {v, 2}}, data);
	archive_end(&a);
	own(fd) int tar = memory_file(a.data.data, a.data.len);
	buf_drop(&a.data);
	int image = -1;
	assert_true(both(tar, &e, &image));
	assert_int_equal(fstat(image, &st), 0);
	assert_true(st.st_blocks * 512 < 1 << 20);
	own(fd) int m = erofs_mount(image, NULL, &e);
	own(fd) int f = openat(m, "f", O_RDONLY | O_CLOEXEC);
	assert_int_equal(lseek(f, 16 << 20, SEEK_HOLE), 16 << 20);
	off_t data_at = lseek(f, 1ll << 30, SEEK_DATA);
	assert_true(data_at > 5ll << 30 && data_at <= 6ll << 30);
	close(image);
}

/* What a careless or hostile program left behind the data of a file, up to the next header, is not the file's. */
static void padding(void **state unused)
{
	need_erofs();
	struct archive a;
	struct err e = {};
	struct tar_span v[] = {{512, 512}, {4096, 5}};
	char data[700];
	memset(data, 'Z', sizeof data);
	archive_open(&a);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("f"), .size = 700}, data);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("s"), .size = 4101, .stored = 517, .sparse = true, .spans = {v, 2}}, data);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("last"), .size = 1}, data);
	archive_end(&a);
	/* Every byte between data and header. */
	for (size_t i = 512; i < a.data.len - 1024; i++)
		if (a.data.data[i] == 0 && a.data.data[i - 1] == 'Z')
			memset(a.data.data + i, 'p', -i & 511);
	own(fd) int tar = memory_file(a.data.data, a.data.len);
	buf_drop(&a.data);
	int image = -1;
	assert_true(both(tar, &e, &image));
	own(fd) int m = erofs_mount(image, NULL, &e);
	static const struct { const char *name; size_t size; } rows[] = {{"f", 700}, {"s", 4101}, {"last", 1}};
	for (size_t i = 0; i < countof(rows); i++) {
		own(fd) int f = openat(m, rows[i].name, O_RDONLY | O_CLOEXEC);
		size_t whole = (rows[i].size + 4095) & ~(size_t)4095;
		char *p = mmap(NULL, whole, PROT_READ, MAP_PRIVATE, f, 0);
		assert_ptr_not_equal(p, MAP_FAILED);
		for (size_t k = rows[i].size; k < whole; k++)
			if (p[k])
				fail_msg("%s: byte %zu behind its end is %d", rows[i].name, k, p[k]);
		munmap(p, whole);
	}
	close(image);
}

static uint32_t chance_state;
static uint32_t chance(uint32_t n)
{
	chance_state = chance_state * 1664525 + 1013904223;
	return (chance_state >> 8) % n;
}

static const char *any_name(char out[200])
{
	static const char *const parts[] = {"a", "b", "c", "d", "link", "./a", ".wh.a", ".wh.b", ".wh..wh..opq", ".wh..wh.x",
		"e", "e", "", "..", "a/", ".wh."};
	*out = 0;
	for (uint32_t n = 1 + chance(4), i = 0; i < n; i++) {
		const char *part = parts[chance(chance(20) ? 6 : countof(parts))];
		if (i + 1 == n && chance(4) == 0)
			part = parts[6 + chance(3)];
		snprintf(out + strlen(out), 200 - strlen(out), "%s%s", i ? "/" : chance(30) ? "" : "/", part);
	}
	return out;
}

/* Archives at random, from few names, so that everything meets everything. */
static void at_random(void **state unused)
{
	need_erofs();
	unsigned taken = 0, refused = 0;
	for (uint32_t round = 0; round < 250; round++) {
		struct archive a;
		struct err e = {};
		archive_open(&a);
		chance_state = round;
		for (uint32_t n = 1 + chance(25); n; n--) {
			static const enum tar_type types[] = {TAR_FILE, TAR_FILE, TAR_DIR, TAR_DIR, TAR_SYMLINK, TAR_SYMLINK, TAR_HARDLINK, TAR_FIFO, TAR_CHAR};
			char name[200], link[200];
			struct tar_entry t = {.type = types[chance(countof(types))], .name = (char *)(uintptr_t)any_name(name),
				.uid = chance(3), .gid = chance(3), .mode = 0700 + chance(8) + (chance(6) ? 0 : 02000),
				.mtime_ns = 1 + chance(1000000000)};
			t.link = t.type == TAR_SYMLINK || t.type == TAR_HARDLINK ? (char *)(uintptr_t)any_name(link) : NULL;
			if (t.type == TAR_SYMLINK && chance(4) == 0)
				snprintf(link, sizeof link, "%s../%s", chance(2) ? "/" : "", chance(2) ? "a" : "b/c");
			if (t.type == TAR_CHAR)
				t.dev_major = 1, t.dev_minor = 3;
			archive_add(&a, t, t.type == TAR_FILE ? name : NULL);
		}
		if (both_of(&a, &e))
			taken++;
		else
			refused++;
		if (round % 50 == 49)
			shell("rm -rf files* image*");
	}
	assert_true(taken > 50 && refused > 50);
}

/* A store on tmpfs, where no file can be mounted: by a loop device. */
static void by_loop(void **state unused)
{
	need_erofs();
	own(mem) char *path = mem_printf("%s/fs", world.path);
	struct err e = {};
	struct archive a;
	assert_int_equal(mkdir(path, 0700), 0);
	if (access("/dev/loop-control", R_OK | W_OK) < 0 || mount("tmpfs", path, "tmpfs", 0, NULL) < 0) {
		print_message("skipped: no loop devices here, or no tmpfs\n");
		skip();
	}
	int before = world.root;
	world.root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	way_wanted = EROFS_WAY_LOOP;
	archive_open(&a);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("d/f")}, "x");
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("d/g"), .size = 100000}, (char[100000]){"y"});
	bool taken = both_of(&a, &e);
	close(world.root);
	world.root = before;
	assert_int_equal(umount2(path, MNT_DETACH), 0);
	if (!taken)
		fail_with("on tmpfs", &e);
}

static void many_once(const struct buf *tar, const char *name, int dir)
{
	struct erofs_writer w;
	struct err e = {};
	struct stat st;
	own(fd) int unnamed = dir < 0 ? -1 : openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	own(stream) struct stream *plain = stream_memory(tar->data, tar->len);
	own(fd) int image = openat(world.root, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	erofs_open(&w, image, dir);
	if (erofs_take(&w, plain, 0, &e) < 0 || erofs_end(&w, "sha256:0123456789abcdef0123456789abcdef", &e) < 0)
		fail_with(name, &e);
	assert_int_equal(w.tree.at[EROFS_NODES].fd >= 0, unnamed >= 0);
	assert_int_equal(w.tree.at[EROFS_TEXTS].fd >= 0, unnamed >= 0);
	erofs_drop(&w);
	assert_int_equal(fstat(image, &st), 0);
	assert_true((uint64_t)st.st_size > tar->len);
}

/* Arrays that leave memory for files: the same image, whether they can or not; among the names are some in an order that is not theirs. */
static void many(void **state unused)
{
	struct archive a;
	char name[60];
	archive_open(&a);
	for (unsigned i = 0; i < 150000; i++) {
		snprintf(name, sizeof name, "some/dir-%03u/a-longer-name-%06u", i % 5 ? i / 500 : i % 300, (i * 7919) % 150000);
		archive_add(&a, (struct tar_entry){.type = TAR_FILE, .name = name, .link = (char *)(uintptr_t)"", .mode = 0644}, "x");
	}
	archive_end(&a);
	many_once(&a.data, "many-in-memory", -1);
	many_once(&a.data, "many-in-files", world.root);
	buf_drop(&a.data);
	own(mem) char *command = mem_printf("cd %s && cmp many-in-memory many-in-files && rm many-*", world.path);
	shell(command);
}

/* The file is what erofs_head.h shows. */
static void form(void **state unused)
{
	need_erofs();
	struct archive a;
	struct err e = {};
	struct erofs_head h = {};
	archive_open(&a);
	archive_add(&a, (struct tar_entry){.type = TAR_DIR, NAME("."), .mode = 0711, .uid = 4, .gid = 5}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("f")}, "hello");
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME(".wh..wh..opq")}, NULL);
	archive_end(&a);
	own(buf) struct buf data = a.data;
	own(fd) int tar = memory_file(data.data, data.len);
	own(mem) char *back = mem_alloc(data.len);
	int image = -1;
	assert_true(both(tar, &e, &image));
	if (erofs_head_load(image, &h, &e) < 0)
		fail_with("head", &e);
	assert_int_equal(h.tar_bytes, data.len);
	assert_int_equal(h.info.files, 3);
	assert_int_equal(h.info.bytes, 5);
	assert_true(h.opaque && h.root_said && !h.made);
	assert_int_equal(h.root_mode, 0711);
	assert_int_equal(h.root_uid, 4);
	assert_int_equal(h.root_gid, 5);
	assert_int_equal(pread(image, back, data.len, EROFS_TAR_AT), data.len);
	assert_memory_equal(back, data.data, data.len);
	assert_int_equal(pwrite(image, "{}", 2, 0), 2);
	assert_int_equal(erofs_head_load(image, &h, &e), -1);
	assert_int_equal(e.kind, ERR_CORRUPT);
	close(image);
}

int main(void)
{
	usable = geteuid() == 0 && unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
		system("grep -qw erofs /proc/filesystems || modprobe -q erofs 2>/dev/null") == 0;
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {T(form), T(real_trees), T(attributes), T(holes), T(holes_stay), T(padding), T(at_random), T(by_loop), T(many)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
