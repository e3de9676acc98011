/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Overlay on older kernels: a filter answers fsconfig(2) as they do, and everything else is real. Each case runs in a child, which
 * keeps the filter.
 */
#include "t_snap.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>

enum { OVERLAY_MAGIC = 0x794c7630, SET_FD = 5, LAYERS = 3 };

static const struct snap_idmap map[] = {{0, 100000, 65536}};

static void make_layers(struct world *w, int n, struct strv *ret)
{
	for (int k = 0; k < n; k++) {
		char id[DIGEST_TEXT], text[20];
		struct err e = {};
		struct archive a;
		archive_open(&a);
		snprintf(text, sizeof text, "f%d", k);
		archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME(text), .uid = 7}, text);
		archive_add(&a, (struct tar_entry){.type = TAR_FILE, NAME("last"), .uid = 7}, text);
		if (ingest_archive(w, &a, id, &e) < 0)
			fail_with("ingest", &e);
		strv_add(ret, id);
	}
}

/* fsconfig(FSCONFIG_SET_FD) fails with `code`. */
static int be_old(int code)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fsconfig, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SET_FD, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)code), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
	struct sock_fprog program = {countof(filter), filter};
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -1 : prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

#define NEED(x) do { if (!(x)) { print_error("line %d: %s (%s) %s\n", __LINE__, #x, strerror(errno), e.text); return 1; } } while (0)

static int use(struct world *w, struct snap_mount *m, unsigned owner)
{
	struct err e = {};
	struct statfs fs;
	struct stat st;
	char name[20];
	NEED(m->dir < 0 || snap_prepare(&w->snap, m, &e) == 0);
	own(fd) int root = snap_mount(&w->snap, m, &e);
	NEED(root >= 0 && fstatfs(root, &fs) == 0 && fs.f_type == OVERLAY_MAGIC);
	for (size_t k = 0; k < m->layers->n; k++) {
		snprintf(name, sizeof name, "f%zu", k);
		NEED(fstatat(root, name, &st, 0) == 0 && st.st_uid == owner);
	}
	own(fd) int last = openat(root, "last", O_RDONLY | O_CLOEXEC);
	NEED(read(last, name, sizeof name) > 1 && atoi(name + 1) == (int)m->layers->n - 1);
	own(fd) int mine = openat(root, "mine", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	NEED((mine >= 0) == (m->dir >= 0 && !m->read_only));
	NEED(m->dir < 0 || path_exists(m->dir, "upper/mine") == (mine >= 0));
	return 0;
}

static int container_dir(struct world *w, const char *name)
{
	mkdirat(w->root, name, 0700);
	return openat(w->root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int plain_life(struct world *w, const struct strv *layers, int code)
{
	struct err e = {};
	NEED(be_old(code) == 0);
	struct snap_mount plain = {.layers = layers, .dir = container_dir(w, "plain")};
	struct snap_mount brief = {.layers = layers, .dir = container_dir(w, "brief"), .is_volatile = true};
	struct snap_mount fixed = {.layers = layers, .dir = container_dir(w, "fixed"), .read_only = true};
	struct snap_mount bare = {.layers = layers, .dir = -1};
	/* A name that the one string would need to escape, were it in there. */
	struct snap_mount named = {.layers = layers, .dir = container_dir(w, "a,b:c\\d=e")};
	NEED(use(w, &plain, 7) == 0 && use(w, &brief, 7) == 0 && use(w, &fixed, 7) == 0 && use(w, &bare, 7) == 0 && use(w, &named, 7) == 0);
	NEED(strcmp(snap_driver(&w->snap), "overlay") == 0);
	return 0;
}

static int old_life(struct world *w, const struct strv *layers, int code)
{
	struct err e = {};
	NEED(plain_life(w, layers, code) == 0);
	struct snap_mount mapped = {.layers = layers, .dir = container_dir(w, "mapped"), .uids = map, .gids = map, .nuids = 1, .ngids = 1};
	NEED(use(w, &mapped, 100007) == 0);
	return 0;
}

/* In a chroot whose root is no mount point: the store's own directory. No kernel makes user namespaces there. */
static int chroot_life(struct world *w, const struct strv *layers, int code)
{
	struct err e = {};
	NEED(unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	NEED(chdir(w->path) == 0 && mkdir("proc", 0755) == 0 && mount("/proc", "proc", NULL, MS_BIND | MS_REC, NULL) == 0);
	NEED(chroot(".") == 0 && (w->root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) >= 0);
	snap_drop(&w->snap);
	NEED(snap_open(&w->snap, w->root, "/", false, &e) == 0);
	return plain_life(w, layers, code);
}

static int many_life(struct world *w, const struct strv *layers, int code)
{
	struct err e = {};
	NEED(be_old(code) == 0);
	struct snap_mount m = {.layers = layers, .dir = container_dir(w, "many")};
	return use(w, &m, 7);
}

static void in_child(int (*life)(struct world *, const struct strv *, int), int layers, int code)
{
	struct world w;
	struct err e = {};
	own(strv) struct strv ids = {};
	int status;
	world_open(&w);
	make_layers(&w, layers, &ids);
	struct snap_mount m = {.layers = &ids, .dir = container_dir(&w, "probe")};
	setenv("HULL_ROOTFS", "overlay", 1);
	int root = snap_prepare(&w.snap, &m, &e) < 0 ? -1 : snap_mount(&w.snap, &m, &e);
	unsetenv("HULL_ROOTFS");
	if (root < 0) {
		world_close(&w);
		print_message("skipped: overlay does not work on %s: %s\n", w.path, e.text);
		skip();
	}
	close(root);
	pid_t pid = fork();
	if (pid == 0)
		_exit(life(&w, &ids, code));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	world_close(&w);
}

static void before_6_5(void **state)
{
	(void)state;
	in_child(old_life, LAYERS, EOPNOTSUPP);
}

static void before_6_13(void **state)
{
	(void)state;
	in_child(old_life, LAYERS, EINVAL);
}

static void in_chroot(void **state)
{
	(void)state;
	in_child(chroot_life, LAYERS, EOPNOTSUPP);
}

static void many_before_6_5(void **state)
{
	(void)state;
	in_child(many_life, 130, EOPNOTSUPP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(before_6_5), cmocka_unit_test(before_6_13), cmocka_unit_test(in_chroot),
		cmocka_unit_test(many_before_6_5)};
	return run_both(tests, countof(tests));
}
