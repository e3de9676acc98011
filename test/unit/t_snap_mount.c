/* SPDX-License-Identifier: Apache-2.0 */
#include "t_snap.h"

#include "snap/copy.h"
#include "snap/overlay.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>

enum { OVERLAY_MAGIC = 0x794c7630 };

/* The image that all tests mount: two layers, the second hides, replaces and adds. */
struct image { struct strv layers; };

static void image_drop(struct image *i)
{
	strv_drop(&i->layers);
}

static void put(struct world *w, struct image *i, struct archive *a)
{
	char id[DIGEST_TEXT];
	struct err e = {};
	if (ingest_archive(w, a, id, &e) < 0)
		fail_with("ingest", &e);
	strv_add(&i->layers, id);
}

static void make_image(struct world *w, struct image *i)
{
	struct archive a;
	*i = (struct image){};
	archive_open(&a);
	archive_add(&a, (struct tar_entry){.type = TAR_DIR, NAME("./"), .mode = 0711, .uid = 1, .gid = 2}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("kept"), .mode = 04755, .uid = 10, .gid = 20}, "old");
	archive_add(&a, (struct tar_entry){.type = TAR_HARDLINK, NAME("kept2"), LINK("kept")}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("gone")}, "x");
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("opaque/old")}, "x");
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("merged/old"), .mtime_ns = 1234567890000000001}, "old");
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("dir_gone/x/y")}, "x");
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("again/x")}, "x");
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("to_dir")}, "x");
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("to_file/x")}, "x");
	archive_add(&a, (struct tar_entry){.type = TAR_SYMLINK, NAME("link"), LINK("merged")}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_FIFO, NAME("fifo"), .mode = 0600}, NULL);
	struct tar_span span = {1 << 20, 1};
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("sparse"), .size = 5 << 20, .stored = 1, .sparse = true, .spans = {&span, 1}}, "!");
	struct tar_xattr x = {(char *)(uintptr_t) "user.note", (void *)(uintptr_t) "hello", 5};
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("noted"), .xattrs = {&x, 1}}, "x");
	put(w, i, &a);
	archive_open(&a);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME(".wh.gone")}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_DIR, NAME("opaque"), .mode = 0700}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("opaque/.wh..wh..opq")}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("opaque/new")}, "new");
	archive_add(&a, (struct tar_entry){.type = TAR_DIR, NAME("merged"), .mode = 0750, .uid = 30}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("merged/new")}, "new");
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME(".wh.dir_gone")}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME(".wh.again")}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("again/new")}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_DIR, NAME("to_dir")}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("to_file")}, "file");
	put(w, i, &a);
}

static struct stat look(int root, const char *name)
{
	struct stat st;
	if (fstatat(root, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		fail_msg("%s: %s", name, strerror(errno));
	return st;
}

/* What the image is, however it is mounted; owners are shifted by `base`. */
static void check_root(int root, unsigned base)
{
	struct stat st = look(root, ".");
	assert_int_equal(st.st_mode, S_IFDIR | 0711);
	assert_int_equal(st.st_uid, base + 1);
	assert_int_equal(st.st_gid, base + 2);
}

static void check_files(int root, unsigned base)
{
	static const char *const gone[] = {"gone", "opaque/old", "dir_gone", "again/x", "to_file/x", ".wh.gone", "opaque/.wh..wh..opq"};
	for (size_t i = 0; i < countof(gone); i++)
		if (path_exists(root, gone[i]))
			fail_msg("%s is there", gone[i]);
	assert_text(root, "kept", "old");
	struct stat st = look(root, "kept");
	assert_int_equal(st.st_mode, S_IFREG | 04755);
	assert_int_equal(st.st_uid, base + 10);
	assert_int_equal(st.st_gid, base + 20);
	assert_int_equal(st.st_nlink, 2);
	assert_int_equal(look(root, "kept2").st_ino, st.st_ino);
	assert_text(root, "opaque/new", "new");
	assert_int_equal(look(root, "opaque").st_mode, S_IFDIR | 0700);
	assert_text(root, "merged/new", "new");
	assert_text(root, "merged/old", "old");
	st = look(root, "merged/old");
	assert_int_equal(st.st_mtim.tv_sec, 1234567890);
	assert_int_equal(st.st_mtim.tv_nsec, 1);
	st = look(root, "merged");
	assert_int_equal(st.st_mode, S_IFDIR | 0750);
	assert_int_equal(st.st_uid, base + 30);
	assert_int_equal(st.st_mtim.tv_sec, 86400 * 365);
	assert_true(path_exists(root, "again/new"));
	assert_int_equal(look(root, "to_dir").st_mode, S_IFDIR | 0755);
	assert_text(root, "to_file", "file");
	assert_int_equal(look(root, "link").st_mode & S_IFMT, S_IFLNK);
	assert_int_equal(look(root, "fifo").st_mode, S_IFIFO | 0600);
	st = look(root, "sparse");
	assert_int_equal(st.st_size, 5 << 20);
	own(fd) int sparse = openat(root, "sparse", O_RDONLY | O_CLOEXEC);
	assert_int_equal(lseek(sparse, 0, SEEK_HOLE), 0);
	assert_true(lseek(sparse, 0, SEEK_DATA) > 512 << 10);
	char value[10];
	own(fd) int fd = openat(root, "noted", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fgetxattr(fd, "user.note", value, sizeof value), 5);
}

static void check_image(int root, unsigned base)
{
	check_root(root, base);
	check_files(root, base);
}

static bool is_overlay(int root)
{
	struct statfs fs;
	assert_int_equal(fstatfs(root, &fs), 0);
	return fs.f_type == OVERLAY_MAGIC;
}

static int container_dir(struct world *w)
{
	static int n;
	char name[30];
	snprintf(name, sizeof name, "container%d", n++);
	assert_int_equal(mkdirat(w->root, name, 0700), 0);
	int fd = openat(w->root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static bool is_bare(int dir)
{
	static const char *const names[] = {"upper", "work", "tree", "tree.tmp", "copy.json"};
	for (size_t i = 0; i < countof(names); i++)
		if (path_exists(dir, names[i]))
			return false;
	return true;
}

static void write_file(int root, const char *name, const char *text)
{
	own(fd) int fd = openat(root, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || fd_write_all(fd, text, strlen(text)) < 0)
		fail_msg("%s: %s", name, strerror(errno));
}

static int prepare_and_mount(struct world *w, struct snap_mount *m)
{
	struct err e = {};
	if (snap_prepare(&w->snap, m, &e) < 0)
		fail_with("prepare", &e);
	int root = snap_mount(&w->snap, m, &e);
	if (root < 0)
		fail_with("mount", &e);
	return root;
}

static void files_only(void)
{
	if (!on_erofs())
		return;
	print_message("skipped: layers are files there anyway\n");
	skip();
}

static void need_overlay(struct world *w)
{
	if (strcmp(snap_driver(&w->snap), "overlay") != 0) {
		world_close(w);
		print_message("skipped: overlay is refused here\n");
		skip();
	}
}

/* Writes through the mount, ends it, mounts again: what was written is there; usage counts it; removal leaves nothing. */
static void live(struct world *w, struct snap_mount *m, int root, unsigned base)
{
	struct err e = {};
	struct snap_layer_info before, after;
	assert_int_equal(snap_usage(&w->snap, m->dir, &before, &e), 0);
	assert_int_equal(before.bytes, 0);
	assert_int_equal(before.files, 0);
	write_file(root, "written", "12345");
	assert_int_equal(unlinkat(root, "merged/old", 0), 0);
	close(root);
	assert_int_equal(snap_usage(&w->snap, m->dir, &after, &e), 0);
	assert_true(after.bytes <= 5);
	root = snap_mount(&w->snap, m, &e);
	if (root < 0)
		fail_with("mount again", &e);
	assert_text(root, "written", "12345");
	assert_false(path_exists(root, "merged/old"));
	assert_int_equal(look(root, "kept").st_uid, base + 10);
	close(root);
	assert_int_equal(snap_remove(&w->snap, m->dir, &e), 0);
	assert_true(is_bare(m->dir));
}

static void plain(void **state)
{
	(void)state;
	struct world w;
	own(image) struct image i;
	world_open(&w);
	need_overlay(&w);
	make_image(&w, &i);
	own(fd) int dir = container_dir(&w);
	struct snap_mount m = {.layers = &i.layers, .dir = dir};
	int root = prepare_and_mount(&w, &m);
	assert_true(is_overlay(root));
	check_image(root, 0);
	live(&w, &m, root, 0);
	/* Nothing of the mount is anybody's but ours. */
	assert_int_not_equal(system("grep -q t-snap- /proc/self/mounts"), 0);
	world_close(&w);
}

static void read_only(void **state)
{
	(void)state;
	struct world w;
	struct err e = {};
	own(image) struct image i;
	world_open(&w);
	need_overlay(&w);
	make_image(&w, &i);
	struct snap_mount m = {.layers = &i.layers, .dir = -1};
	own(fd) int root = snap_mount(&w.snap, &m, &e);
	if (root < 0)
		fail_with("mount", &e);
	check_files(root, 0);
	assert_int_equal(openat(root, "x", O_CREAT | O_WRONLY | O_CLOEXEC, 0644), -1);
	assert_int_equal(errno, EROFS);
	own(fd) int dir = container_dir(&w);
	struct snap_mount with_dir = {.layers = &i.layers, .dir = dir, .read_only = true};
	int second = prepare_and_mount(&w, &with_dir);
	assert_int_equal(openat(second, "x", O_CREAT | O_WRONLY | O_CLOEXEC, 0644), -1);
	assert_int_equal(errno, EROFS);
	close(second);
	world_close(&w);
}

/* No layer, one layer, a layer that is not there. */
static void few(void **state)
{
	(void)state;
	struct world w;
	struct err e = {};
	own(image) struct image i;
	world_open(&w);
	need_overlay(&w);
	make_image(&w, &i);
	struct strv none = {}, one = {i.layers.v, 1}, missing = {};
	own(fd) int dir = container_dir(&w);
	own(fd) int dir2 = container_dir(&w);
	struct snap_mount m = {.layers = &none, .dir = dir};
	int root = prepare_and_mount(&w, &m);
	write_file(root, "f", "x");
	assert_int_equal(look(root, ".").st_mode, S_IFDIR | 0755);
	close(root);
	m = (struct snap_mount){.layers = &one, .dir = -1};
	root = snap_mount(&w.snap, &m, &e);
	if (root < 0)
		fail_with("mount", &e);
	assert_text(root, "gone", "x");
	close(root);
	m.layers = &none;
	assert_int_equal(snap_mount(&w.snap, &m, &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
	strv_add(&missing, i.layers.v[0]);
	strv_add(&missing, "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	m = (struct snap_mount){.layers = &missing, .dir = dir2};
	e = (struct err){};
	assert_int_equal(snap_prepare(&w.snap, &m, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	assert_non_null(strstr(e.text, "layer sha256:e3b0c44298fc"));
	assert_true(is_bare(dir2));
	strv_drop(&missing);
	world_close(&w);
}

static void volatile_again(void **state)
{
	(void)state;
	struct world w;
	own(image) struct image i;
	world_open(&w);
	need_overlay(&w);
	make_image(&w, &i);
	own(fd) int dir = container_dir(&w);
	struct snap_mount m = {.layers = &i.layers, .dir = dir, .is_volatile = true};
	int root = prepare_and_mount(&w, &m);
	assert_true(path_exists(dir, "work/work/incompat/volatile"));
	check_image(root, 0);
	live(&w, &m, root, 0);
	world_close(&w);
}

/* A layer that hides all that is below it. */
static void opaque_root(void **state)
{
	(void)state;
	struct world w;
	struct archive a;
	own(image) struct image i;
	world_open(&w);
	make_image(&w, &i);
	archive_open(&a);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME(".wh..wh..opq")}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("only")}, "x");
	put(&w, &i, &a);
	for (int copy = 0; copy < 2; copy++) {
		own(fd) int dir = container_dir(&w);
		struct snap_mount m = {.layers = &i.layers, .dir = dir};
		if (copy)
			setenv("HULL_ROOTFS", "copy", 1);
		int root = prepare_and_mount(&w, &m);
		assert_true(path_exists(root, "only"));
		assert_false(path_exists(root, "kept"));
		assert_false(path_exists(root, "merged"));
		assert_false(path_exists(root, ".wh..wh..opq"));
		close(root);
	}
	unsetenv("HULL_ROOTFS");
	world_close(&w);
}

static void unknown_storage(void **state)
{
	(void)state;
	struct world w;
	struct snap s;
	struct err e = {};
	world_open(&w);
	setenv("HULL_ROOTFS", "vfs", 1);
	assert_int_equal(snap_open(&s, w.root, w.path, false, &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
	assert_non_null(strstr(e.text, "overlay and copy are known"));
	unsetenv("HULL_ROOTFS");
	world_close(&w);
}

/* What mount.c does of an image, as overlay.h takes it; userns -1: without maps. */
struct lowers { int v[500]; bool detached[500]; int mounts[501]; struct overlay o; };

static void open_lowers(struct world *w, const struct strv *layers, int userns, struct lowers *l)
{
	struct err e = {};
	int at = w->snap.layers;
	l->o = (struct overlay){.lowers = l->v, .detached = l->detached, .mounts = l->mounts, .upper = -1, .work = -1, .attach_at = at};
	if (userns >= 0 && !on_erofs()) {
		at = l->mounts[l->o.nmounts++] = mount_clone(at, "", false, &e);
		assert_int_equal(mount_idmap(at, userns, false, &e), 0);
	}
	for (; l->o.n < layers->n; l->o.n++) {
		struct lower lower;
		const char *id = layers->v[layers->n - 1 - l->o.n];
		if (on_erofs() ? lower_mount(at, id, &lower, &e) : lower_open(at, id, &lower, &e))
			fail_with("open a layer", &e);
		if (on_erofs() && userns >= 0)
			assert_int_equal(mount_idmap(lower.fd, userns, false, &e), 0);
		assert_int_equal(lower.mount, on_erofs());
		l->v[l->o.n] = lower.fd;
		l->detached[l->o.n] = lower.mount || userns >= 0;
		if (lower.mount)
			l->mounts[l->o.nmounts++] = lower.fd;
	}
}

static void close_lowers(struct lowers *l)
{
	for (size_t k = 0; k < l->o.n; k++)
		close(l->v[k]);
	if (l->o.nmounts && !on_erofs())
		close(l->mounts[0]);
}

/* The way of kernels before 6.13. */
static void by_name(void **state)
{
	(void)state;
	struct world w;
	struct err e = {};
	own(image) struct image i;
	struct lowers l = {};
	world_open(&w);
	need_overlay(&w);
	make_image(&w, &i);
	own(fd) int dir = container_dir(&w);
	struct snap_mount m = {.layers = &i.layers, .dir = dir};
	close(prepare_and_mount(&w, &m));
	open_lowers(&w, &i.layers, -1, &l);
	l.o.upper = openat(dir, "upper", O_PATH | O_CLOEXEC);
	l.o.work = openat(dir, "work", O_PATH | O_CLOEXEC);
	int root = overlay_mount_by_name(&l.o, &e);
	if (root < 0)
		fail_with("overlay_mount_by_name", &e);
	assert_true(is_overlay(root));
	check_image(root, 0);
	write_file(root, "new", "x");
	assert_true(path_exists(dir, "upper/new"));
	close(root);
	close_lowers(&l);
	/* No fd of the child is left in our table. One layer is not on a mount, but beside where they are attached. */
	l = (struct lowers){};
	open_lowers(&w, &i.layers, -1, &l);
	assert_int_equal(mkdirat(w.snap.layers, "empty", 0755), 0);
	l.v[l.o.n++] = openat(w.snap.layers, "empty", O_PATH | O_CLOEXEC);
	int next = dup(0);
	close(next);
	root = overlay_mount_by_name(&l.o, &e);
	if (root < 0)
		fail_with("overlay_mount_by_name, read only", &e);
	close(root);
	int after = dup(0);
	assert_int_equal(after, next);
	close(after);
	close_lowers(&l);
	assert_int_not_equal(system("grep -q overlay /proc/self/mounts && grep -q t-snap- /proc/self/mounts"), 0);
	world_close(&w);
}

static void copied(void **state)
{
	(void)state;
	struct world w;
	own(image) struct image i;
	world_open(&w);
	setenv("HULL_ROOTFS", "copy", 1);
	assert_string_equal(snap_driver(&w.snap), "copy");
	make_image(&w, &i);
	own(fd) int dir = container_dir(&w);
	struct snap_mount m = {.layers = &i.layers, .dir = dir};
	int root = prepare_and_mount(&w, &m);
	assert_false(is_overlay(root));
	check_image(root, 0);
	live(&w, &m, root, 0);
	/* Layers that were unpacked for copies cannot be stacked: they are copied wherever overlay would do. Files do for both. */
	unsetenv("HULL_ROOTFS");
	root = prepare_and_mount(&w, &m);
	assert_int_equal(is_overlay(root), on_erofs());
	check_image(root, 0);
	close(root);
	m.read_only = true;
	struct err e = {};
	root = snap_mount(&w.snap, &m, &e);
	assert_int_equal(openat(root, "x", O_CREAT | O_WRONLY | O_CLOEXEC, 0644), -1);
	assert_int_equal(errno, EROFS);
	close(root);
	world_close(&w);
}

/* Layers in overlay's form, copied. */
static void copied_from_overlay(void **state)
{
	(void)state;
	struct world w;
	own(image) struct image i;
	world_open(&w);
	need_overlay(&w);
	make_image(&w, &i);
	setenv("HULL_ROOTFS", "copy", 1);
	own(fd) int dir = container_dir(&w);
	struct snap_mount m = {.layers = &i.layers, .dir = dir};
	int root = prepare_and_mount(&w, &m);
	assert_false(is_overlay(root));
	check_image(root, 0);
	close(root);
	unsetenv("HULL_ROOTFS");
	world_close(&w);
}

static void store_off(struct world *w)
{
	char path[100];
	snap_drop(&w->snap);
	close(w->root);
	snprintf(path, sizeof path, "%s/fs", w->path);
	assert_int_equal(umount2(path, MNT_DETACH), 0);
	char command[200];
	snprintf(command, sizeof command, "rm -rf %s", w->path);
	assert_int_equal(system(command), 0);
}

/* A store on a file system of a kind made for this; the mount is gone with the namespace of this test. */
static void store_on(struct world *w, const char *type, const char *options)
{
	char path[100];
	struct err e = {};
	world_open(w);
	struct world *sub = w;
	snprintf(path, sizeof path, "%s/fs", w->path);
	assert_int_equal(mkdir(path, 0700), 0);
	snap_drop(&sub->snap);
	close(sub->root);
	if (mount(type, path, type, 0, options) < 0) {
		print_message("skipped: no %s: %s\n", type, strerror(errno));
		rmdir(path);
		rmdir(w->path);
		skip();
	}
	w->root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(snap_open(&w->snap, w->root, path, false, &e), 0);
	if (snap_choose(&w->snap, test_storage, false, &e) < 0) {
		print_message("skipped: on %s: %s\n", type, e.text);
		store_off(w);
		skip();
	}
}

static void on_overlay(void **state)
{
	(void)state;
	struct world w;
	own(image) struct image i;
	char options[300];
	char base[] = "/tmp/t-snap-base-XXXXXX";
	if (geteuid() != 0) {
		print_message("skipped: not root\n");
		skip();
	}
	assert_non_null(mkdtemp(base));
	if (mount("tmpfs", base, "tmpfs", 0, NULL) < 0) {
		rmdir(base);
		print_message("skipped: no mount here\n");
		skip();
	}
	snprintf(options, sizeof options, "%s/l", base);
	assert_int_equal(mkdir(options, 0755), 0);
	snprintf(options, sizeof options, "%s/u", base);
	assert_int_equal(mkdir(options, 0755), 0);
	snprintf(options, sizeof options, "%s/w", base);
	assert_int_equal(mkdir(options, 0755), 0);
	snprintf(options, sizeof options, "lowerdir=%s/l,upperdir=%s/u,workdir=%s/w", base, base, base);
	store_on(&w, "overlay", options);
	assert_string_equal(snap_driver(&w.snap), "copy");
	make_image(&w, &i);
	own(fd) int dir = container_dir(&w);
	struct snap_mount m = {.layers = &i.layers, .dir = dir};
	int root = prepare_and_mount(&w, &m);
	check_image(root, 0);
	live(&w, &m, root, 0);
	store_off(&w);
	assert_int_equal(umount2(base, MNT_DETACH), 0);
	rmdir(base);
}

static const struct snap_idmap map[] = {{0, 100000, 65536}};
static const struct snap_idmap small_map[] = {{0, 100000, 5}};

static void mapped(void **state)
{
	(void)state;
	struct world w;
	own(image) struct image i;
	world_open(&w);
	need_overlay(&w);
	make_image(&w, &i);
	own(fd) int dir = container_dir(&w);
	struct snap_mount m = {.layers = &i.layers, .dir = dir, .uids = map, .gids = map, .nuids = 1, .ngids = 1};
	int root = prepare_and_mount(&w, &m);
	assert_true(is_overlay(root));
	check_image(root, 100000);
	/* A copy-up keeps the owner that the mount shows. */
	assert_int_equal(fchmodat(root, "kept", 0700, 0), 0);
	assert_int_equal(look(root, "kept").st_uid, 100010);
	assert_int_equal(look(dir, "upper/kept").st_uid, 100010);
	assert_int_equal(fchownat(root, "merged", 100005, 100006, 0), 0);
	assert_int_equal(look(root, "merged").st_uid, 100005);
	close(root);
	struct err e = {};
	assert_int_equal(snap_remove(&w.snap, dir, &e), 0);
	/* The same by a copy. */
	setenv("HULL_ROOTFS", "copy", 1);
	root = prepare_and_mount(&w, &m);
	assert_false(is_overlay(root));
	check_image(root, 100000);
	close(root);
	assert_int_equal(snap_remove(&w.snap, dir, &e), 0);
	m.uids = m.gids = small_map;
	assert_int_equal(snap_prepare(&w.snap, &m, &e), -1);
	assert_non_null(strstr(e.text, "outside of the container's id map"));
	assert_true(is_bare(dir));
	unsetenv("HULL_ROOTFS");
	world_close(&w);
}

static void mapped_by_name(void **state)
{
	(void)state;
	struct world w;
	struct err e = {};
	own(image) struct image i;
	world_open(&w);
	need_overlay(&w);
	make_image(&w, &i);
	own(fd) int dir = container_dir(&w);
	struct snap_mount m = {.layers = &i.layers, .dir = dir, .uids = map, .gids = map, .nuids = 1, .ngids = 1};
	close(prepare_and_mount(&w, &m));
	own(fd) int userns = overlay_userns(&m, &e);
	struct lowers l = {};
	open_lowers(&w, &i.layers, userns, &l);
	l.o.upper = openat(dir, "upper", O_PATH | O_CLOEXEC);
	l.o.work = openat(dir, "work", O_PATH | O_CLOEXEC);
	int root = overlay_mount_by_name(&l.o, &e);
	if (root < 0)
		fail_with("overlay_mount_by_name", &e);
	check_image(root, 100000);
	close(root);
	close_lowers(&l);
	world_close(&w);
}

/* ramfs holds neither form of overlay's opaque directories: layers are unpacked for copies from the start. An upper directory is not to
 * be had there either. */
static void on_ramfs(void **state)
{
	(void)state;
	struct world w;
	own(image) struct image i;
	store_on(&w, "ramfs", NULL);
	struct archive a;
	i = (struct image){};
	archive_open(&a);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("gone")}, "x");
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("opaque/old")}, "x");
	put(&w, &i, &a);
	archive_open(&a);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME(".wh.gone")}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("opaque/.wh..wh..opq")}, NULL);
	put(&w, &i, &a);
	assert_string_equal(snap_driver(&w.snap), "copy");
	own(fd) int dir = container_dir(&w);
	struct snap_mount m = {.layers = &i.layers, .dir = dir, .uids = map, .gids = map, .nuids = 1, .ngids = 1};
	int root = prepare_and_mount(&w, &m);
	assert_false(is_overlay(root));
	assert_false(path_exists(root, "gone"));
	assert_false(path_exists(root, "opaque/old"));
	assert_int_equal(look(root, "opaque").st_uid, 100000);
	close(root);
	store_off(&w);
}

/* From here on this process is refused new file systems, as by the filter of a container around it. */
static int forbid_fsopen(void)
{
	struct sock_filter code[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fsopen, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
	struct sock_fprog program = {countof(code), code};
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -1 : prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

#define NEED(x) do { if (!(x)) { print_error("line %d: %s (%s) %s\n", __LINE__, #x, strerror(errno), e.text); return 1; } } while (0)

static int refused_life(struct world *w, const struct strv *layers)
{
	struct err e = {};
	NEED(forbid_fsopen() == 0);
	/* Told not to copy: the reason. */
	struct snap_mount m = {.layers = layers, .dir = container_dir(w)};
	setenv("HULL_ROOTFS", "overlay", 1);
	NEED(snap_prepare(&w->snap, &m, &e) == 0);
	NEED(snap_mount(&w->snap, &m, &e) < 0 && strstr(e.text, "mount overlay") && e.kind == ERR_DENIED);
	unsetenv("HULL_ROOTFS");
	int root = snap_mount(&w->snap, &m, &e);
	NEED(root >= 0);
	NEED(!is_overlay(root) && strcmp(snap_driver(&w->snap), "copy") == 0);
	NEED(!path_exists(m.dir, "upper") && !path_exists(m.dir, "work"));
	check_image(root, 0);
	/* One that has written something in an overlay is not copied over. */
	struct snap_mount used = {.layers = layers, .dir = container_dir(w)};
	w->snap.refused = false;
	NEED(snap_prepare(&w->snap, &used, &e) == 0 && mkdirat(used.dir, "upper/mine", 0755) == 0);
	NEED(snap_mount(&w->snap, &used, &e) < 0 && path_exists(used.dir, "upper/mine"));
	return 0;
}

/* There is nothing to copy from then. */
static int refused_erofs_life(struct world *w, const struct strv *layers)
{
	struct err e = {};
	NEED(forbid_fsopen() == 0);
	struct snap_mount m = {.layers = layers, .dir = container_dir(w)};
	NEED(snap_prepare(&w->snap, &m, &e) == 0);
	NEED(snap_mount(&w->snap, &m, &e) < 0 && strstr(e.text, "layer sha256:") && strstr(e.text, "erofs") && e.kind == ERR_DENIED);
	NEED(path_exists(m.dir, "upper") && !path_exists(m.dir, "tree.tmp"));
	return 0;
}

static void refused(void **state)
{
	(void)state;
	struct world w;
	own(image) struct image i;
	int status;
	world_open(&w);
	need_overlay(&w);
	make_image(&w, &i);
	pid_t pid = fork();
	if (pid == 0)
		_exit(on_erofs() ? refused_erofs_life(&w, &i.layers) : refused_life(&w, &i.layers));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	world_close(&w);
}

static void many(void **state)
{
	(void)state;
	struct world w;
	struct err e = {};
	own(image) struct image i = {};
	store_on(&w, "tmpfs", NULL);
	for (int k = 0; k < 501; k++) {
		struct archive a;
		char name[20];
		archive_open(&a);
		snprintf(name, sizeof name, "f%d", k);
		archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME(name)}, name);
		archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("last")}, name);
		put(&w, &i, &a);
	}
	own(fd) int dir = container_dir(&w);
	struct snap_mount m = {.layers = &i.layers, .dir = dir};
	assert_int_equal(snap_prepare(&w.snap, &m, &e), 0);
	assert_int_equal(snap_mount(&w.snap, &m, &e), -1);
	assert_int_equal(e.kind, ERR_LIMIT);
	assert_non_null(strstr(e.text, "the image has 501 layers: overlay stacks 500"));
	i.layers.n = 500;
	int root = snap_mount(&w.snap, &m, &e);
	if (root < 0)
		fail_with("500 layers", &e);
	assert_text(root, "last", "f499");
	assert_text(root, "f0", "f0");
	close(root);
	/* And by name: 500 numbers fit into a page. */
	struct lowers l = {};
	open_lowers(&w, &i.layers, -1, &l);
	root = overlay_mount_by_name(&l.o, &e);
	if (root < 0)
		fail_with("500 layers by name", &e);
	assert_text(root, "last", "f499");
	close(root);
	close_lowers(&l);
	i.layers.n = 501;
	store_off(&w);
}

/* Runs f as root of a new user namespace with these ids of ours; what it returns. */
static int in_userns(unsigned first, unsigned count, int (*f)(struct world *), struct world *w)
{
	int go[2], ready[2];
	struct err e = {};
	char path[64], text[64], c = 0;
	assert_int_equal(fd_pipe(go, &e), 0);
	assert_int_equal(fd_pipe(ready, &e), 0);
	pid_t pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
			_exit(77);
		(void)!write(ready[1], &c, 1);
		(void)!read(go[0], &c, 1);
		if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
			_exit(78);
		_exit(f(w));
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) == 1) {
		snprintf(text, sizeof text, "0 %u %u", first, count);
		static const char *const files[] = {"uid_map", "gid_map"};
		for (int i = 0; i < 2; i++) {
			snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, files[i]);
			assert_int_equal(path_put(AT_FDCWD, path, text, &e), 0);
		}
		(void)!write(go[1], &c, 1);
	}
	close(ready[0]);
	close(go[0]);
	close(go[1]);
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int add_layer(struct world *w, struct strv *layers, struct archive *a, struct err *e)
{
	char id[DIGEST_TEXT];
	archive_end(a);
	int fd = memfd_create("x", MFD_CLOEXEC);
	struct snap_ingest in = {.fd = fd, .length = a->data.len, .blob_size = UINT64_MAX};
	struct snap_layer_info info;
	if (fd_write_all(fd, a->data.data, a->data.len) < 0 || snap_ingest(&w->snap, &in, id, &info, e) < 0)
		return -1;
	strv_add(layers, id);
	return 0;
}

/* As root of a namespace of 65536 ids. */
static int rootless_life(struct world *w)
{
	struct err e = {};
	struct strv layers = {};
	struct archive a;
	int root = open(w->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	NEED(snap_open(&w->snap, root, w->path, false, &e) == 0);
	NEED(w->snap.rootless); /* found out by itself */
	archive_open(&a);
	static const unsigned char cap[20] = {1, 0, 0, 2, 0, 0x20};
	struct tar_xattr x = {(char *)(uintptr_t) "security.capability", (void *)(uintptr_t)cap, sizeof cap};
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("f"), .uid = 1000, .mode = 04755}, "x");
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("ping"), .mode = 0755, .xattrs = {&x, 1}}, "x");
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("gone")}, "x");
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("opaque/old")}, "x");
	archive_add(&a, (struct tar_entry){.type = TAR_CHAR, NAME("null"), .dev_major = 1, .dev_minor = 3}, NULL);
	NEED(add_layer(w, &layers, &a, &e) == 0);
	archive_open(&a);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME(".wh.gone")}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("opaque/.wh..wh..opq")}, NULL);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("opaque/new")}, "new");
	NEED(add_layer(w, &layers, &a, &e) == 0);
	NEED(mkdirat(root, "container", 0700) == 0);
	int dir = openat(root, "container", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct snap_mount m = {.layers = &layers, .dir = dir};
	NEED(snap_prepare(&w->snap, &m, &e) == 0);
	int mounted = snap_mount(&w->snap, &m, &e);
	NEED(mounted >= 0);
	NEED(strcmp(snap_driver(&w->snap), "overlay") == 0);
	struct stat st;
	NEED(fstatat(mounted, "f", &st, 0) == 0 && st.st_uid == 1000 && st.st_mode == (S_IFREG | 04755));
	NEED(!path_exists(mounted, "gone") && !path_exists(mounted, "opaque/old") && path_exists(mounted, "opaque/new"));
	NEED(!path_exists(mounted, "null"));
	char value[64];
	int ping = openat(mounted, "ping", O_RDONLY | O_CLOEXEC);
	NEED(fgetxattr(ping, "security.capability", value, sizeof value) == 20 && memcmp(value, cap, 20) == 0);
	close(ping);
	/* What a container does: removes a directory of the image and makes it anew. */
	NEED(unlinkat(mounted, "opaque/new", 0) == 0 && unlinkat(mounted, "opaque", AT_REMOVEDIR) == 0);
	NEED(mkdirat(mounted, "opaque", 0755) == 0 && !path_exists(mounted, "opaque/old"));
	close(mounted);
	NEED(snap_remove(&w->snap, dir, &e) == 0);
	/* A map of its own for the container: mounts cannot do that here, a copy can. */
	static const struct snap_idmap keep[] = {{0, 1, 1000}, {1000, 0, 1}, {1001, 1001, 5000}};
	m.uids = m.gids = keep;
	m.nuids = m.ngids = 3;
	NEED(snap_prepare(&w->snap, &m, &e) == 0);
	mounted = snap_mount(&w->snap, &m, &e);
	NEED(mounted >= 0);
	NEED(fstatat(mounted, "f", &st, 0) == 0 && st.st_uid == 0 && fstatat(mounted, "opaque", &st, 0) == 0 && st.st_uid == 1);
	NEED(!path_exists(mounted, "gone") && !path_exists(mounted, "opaque/old"));
	close(mounted);
	archive_open(&a);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("g"), .uid = 70000}, "x");
	NEED(add_layer(w, &layers, &a, &e) < 0);
	NEED(strstr(e.text, "owner 70000:0 is outside of your ids") && strstr(e.text, "/etc/subuid"));
	return 0;
}

/* A life in a store of its own, in a user namespace with so many ids. */
static void live_as(unsigned ids, int (*life)(struct world *w))
{
	struct world w;
	files_only();
	world_open(&w);
	snap_drop(&w.snap);
	w.snap.layers = -1;
	char command[100];
	snprintf(command, sizeof command, "rm -rf %s/layers && chown 200000:200000 %s", w.path, w.path);
	assert_int_equal(system(command), 0);
	int r = in_userns(200000, ids, life, &w);
	if (r == 77) {
		world_close(&w);
		print_message("skipped: no user namespaces here\n");
		skip();
	}
	assert_int_equal(r, 0);
	world_close(&w);
}

static void rootless(void **state)
{
	(void)state;
	live_as(65536, rootless_life);
}

/* As unshare -Ur has it: one id. */
static int one_id_life(struct world *w)
{
	struct err e = {};
	struct strv layers = {};
	struct archive a;
	int root = open(w->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	NEED(snap_open(&w->snap, root, w->path, true, &e) == 0);
	archive_open(&a);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("f")}, "x");
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME(".wh.g")}, "x");
	NEED(add_layer(w, &layers, &a, &e) == 0);
	NEED(mkdirat(root, "container", 0700) == 0);
	struct snap_mount m = {.layers = &layers, .dir = openat(root, "container", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
	NEED(snap_prepare(&w->snap, &m, &e) == 0);
	int mounted = snap_mount(&w->snap, &m, &e);
	NEED(mounted >= 0 && path_exists(mounted, "f"));
	archive_open(&a);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("g"), .gid = 5}, "x");
	NEED(add_layer(w, &layers, &a, &e) < 0 && strstr(e.text, "/etc/subuid"));
	return 0;
}

static void one_id(void **state)
{
	(void)state;
	live_as(1, one_id_life);
}

/* A copy that does not fit leaves nothing. */
static void full_disk(void **state)
{
	(void)state;
	struct world w;
	struct err e = {};
	struct archive a;
	own(image) struct image i = {};
	static char data[600 << 10];
	store_on(&w, "tmpfs", "size=1m");
	archive_open(&a);
	memset(data, 'x', sizeof data - 1);
	archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("f")}, data);
	put(&w, &i, &a);
	own(fd) int dir = container_dir(&w);
	struct snap_mount m = {.layers = &i.layers, .dir = dir};
	setenv("HULL_ROOTFS", "copy", 1);
	assert_int_equal(snap_prepare(&w.snap, &m, &e), -1);
	assert_int_equal(e.kind, ERR_LIMIT);
	assert_true(is_bare(dir));
	unsetenv("HULL_ROOTFS");
	store_off(&w);
}

static void tree(void **state)
{
	(void)state;
	struct world w;
	struct err e = {};
	char command[1000];
	world_open(&w);
	snprintf(command, sizeof command, "cd %s && mkdir from to && cp -a /etc/default from/d && ln from/d/useradd from/hard && "
		"ln -s nowhere from/sym && mkfifo from/fifo && truncate -s 2M from/hole && chmod 1770 from && chown 5:6 from && "
		"mknod from/null c 1 3 && chmod 4755 from/hard && echo .wh.x > from/.wh.name", w.path);
	assert_int_equal(system(command), 0);
	own(fd) int from = openat(w.root, "from", O_PATH | O_CLOEXEC);
	own(fd) int to = openat(w.root, "to", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (copy_tree(from, to, &e) < 0)
		fail_with("copy_tree", &e);
	snprintf(command, sizeof command, "cd %s && for d in from to; do "
		"(cd $d && find . -printf '%%p %%y %%m %%U %%G %%n %%l %%T@ %%b\\n' | sort) >$d.txt; done && sed -i '/ d /s/ [0-9]*$//' *.txt && "
		"diff from.txt to.txt && diff -r --no-dereference from/d to/d", w.path);
	assert_int_equal(system(command), 0);
	world_close(&w);
}

int main(void)
{
	unsetenv("HULL_ROOTFS");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain), cmocka_unit_test(read_only), cmocka_unit_test(few), cmocka_unit_test(volatile_again),
		cmocka_unit_test(opaque_root), cmocka_unit_test(unknown_storage), cmocka_unit_test(by_name),
		cmocka_unit_test(copied), cmocka_unit_test(copied_from_overlay),
		cmocka_unit_test(on_overlay), cmocka_unit_test(mapped), cmocka_unit_test(mapped_by_name), cmocka_unit_test(refused), cmocka_unit_test(on_ramfs),
		cmocka_unit_test(many), cmocka_unit_test(rootless), cmocka_unit_test(one_id), cmocka_unit_test(full_disk),
		cmocka_unit_test(tree),
	};
	return run_both(tests, countof(tests));
}
