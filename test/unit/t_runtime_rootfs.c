/* SPDX-License-Identifier: Apache-2.0 */
/* The container's root: among the host's mounts, in another's mount namespace, without pivot_root; how it propagates. */
#include "t_runtime_box.h"

#include <linux/magic.h>
#include <sched.h>
#include <sys/vfs.h>

static void mounts_of(const char *pid, struct buf *out)
{
	char path[64];
	struct err e = {};
	buf_reset(out);
	snprintf(path, sizeof path, "/proc/%s/mountinfo", pid);
	assert_int_equal(path_read(AT_FDCWD, path, out, &e), 0);
}

/* Nothing that needs a mount. */
static void plain(struct box *b)
{
	b->spec.mounts.n = 0;
	b->spec.linux_->masked_paths = b->spec.linux_->readonly_paths = (struct strv){};
	drop_namespace(b, "mount");
}

static void among_the_hosts_mounts(void **state)
{
	struct box *b = *state;
	own(buf) struct buf before = {}, during = {};
	char pid[16];
	mounts_of("self", &before);
	plain(b);
	/* ".." ends at the root, also behind a working directory that is made. */
	b->spec.process->cwd = arena_dup(&b->arena, "/made");
	assert_string_equal(shell(b, "pwd; cd ../../..; echo *; stat -c %t:%T /dev/null /dev/zero; echo x > /dev/null; hostname; echo $$"),
		"/made\nbin dev etc host made proc sys tmp\n1:3\n1:5\nboxhost\n1");
	struct running r = begin(b);
	snprintf(pid, sizeof pid, "%d", (int)r.c.pid);
	mounts_of("self", &during);
	r.p.cwd = arena_dup(&b->arena, "/etc");
	char *entered = mem_dup(enter(b, &r, "pwd; cd ../..; echo *; cat /etc/passwd | head -n 1"));
	end(&r);
	assert_string_equal(entered, "/etc\nbin dev etc host made proc sys tmp\nroot:x:0:0::/root:/bin/sh");
	mem_drop(&entered);
	assert_string_equal(buf_text(&before), buf_text(&during));
	mounts_of("self", &during);
	assert_string_equal(buf_text(&before), buf_text(&during));
	/* As a user, and with a filter. */
	b->spec.process->user.uid = 1000;
	struct strv caps = {};
	seccomp_default_caps(&b->arena, &caps);
	assert_int_equal(seccomp_default(&caps, &b->arena, &b->spec.linux_->seccomp, &b->e), 0);
	assert_string_equal(shell(b, "id -u"), "1000");
}

/* What would be a mount is refused, and nothing has happened. */
static void without_mounts(void **state)
{
	struct box *b = *state;
	script(b, "true");
	drop_namespace(b, "mount");
	refused(b, ERR_USAGE, "mounts: the container needs a new mount namespace");
	plain(b);
	assert_int_equal(run(b), 0);
	arena_strv_add(&b->arena, &b->spec.linux_->masked_paths, "/etc");
	refused(b, ERR_USAGE, "linux.maskedPaths: ");
	b->spec.linux_->masked_paths = (struct strv){};
	arena_strv_add(&b->arena, &b->spec.linux_->readonly_paths, "/etc");
	refused(b, ERR_USAGE, "linux.readonlyPaths: ");
	b->spec.linux_->readonly_paths = (struct strv){};
	b->spec.root->readonly = true;
	refused(b, ERR_USAGE, "root.readonly: ");
	b->spec.root->readonly = false;
	b->spec.linux_->rootfs_propagation = arena_dup(&b->arena, "private");
	refused(b, ERR_USAGE, "linux.rootfsPropagation: ");
	b->spec.linux_->rootfs_propagation = NULL;
	/* The namespace that we are in, by its path. */
	add_namespace(b, "mount", "/proc/self/ns/mnt");
	assert_int_equal(run(b), 0);
	add_mount(b, "/tmp", "tmpfs", "tmpfs", "");
	refused(b, ERR_USAGE, "mounts: ");
}

/* The image's /dev must be a directory here, too. */
static void linked_dev(void **state)
{
	struct box *b = *state;
	char at[256], canary[128];
	snprintf(canary, sizeof canary, "%s/canary", b->dir);
	assert_int_equal(mkdir(canary, 0755), 0);
	in_root(b, "/dev", at);
	assert_int_equal(rmdir(at), 0);
	make_link(b, canary, "/dev");
	plain(b);
	script(b, "true");
	refused(b, ERR_DENIED, "/dev is a symlink");
	assert_int_equal(rmdir(canary), 0);
}

static void terminal(void **state)
{
	struct box *b = *state;
	struct container c;
	plain(b);
	b->spec.process->terminal = true;
	script(b, "[ -t 0 ] && stty size && echo terminal");
	struct spec_console size = {.height = 20, .width = 70};
	b->spec.process->console = &size;
	if (container_create(&b->create, &c, &b->e) < 0)
		fail_msg("%s", b->e.text);
	assert_int_equal(container_start(&c, &b->e), 0);
	char text[128] = "";
	size_t n = 0;
	for (ssize_t r; n < sizeof text - 1 && (r = read(c.console, text + n, sizeof text - 1 - n)) > 0;)
		n += (size_t)r;
	assert_int_equal(reap(&c), 0);
	assert_string_equal(text, "20 70\r\nterminal\r\n");
}

static void in_a_user_namespace(void **state)
{
	struct box *b = *state;
	static struct idmap_row row = {0, 100000, 65536};
	plain(b);
	add_namespace(b, "user", NULL);
	b->spec.linux_->uids = b->spec.linux_->gids = (struct idmap_rows){&row, 1};
	assert_string_equal(shell(b, "id -u; echo *"), "0\nbin dev etc host proc sys tmp");
	struct running r = begin(b);
	assert_string_equal(enter(b, &r, "id -u; echo *"), "0\nbin dev etc host proc sys tmp");
	end(&r);
	script(b, "true");
	struct spec_device *d = list_add(b, &b->spec.linux_->devices, sizeof *d);
	*d = (struct spec_device){.path = arena_dup(&b->arena, "/dev/zero"), .type = arena_dup(&b->arena, "c"), .major = {true, 1}, .minor = {true, 5}};
	refused(b, ERR_UNSUPPORTED, "which needs a mount namespace");
}

/* A mount namespace with something of its own in it. */
static void in_anothers_mount_namespace(void **state)
{
	struct box *b = *state;
	char path[64], tmp[256];
	int ready[2];
	own(buf) struct buf before = {}, after = {};
	in_root(b, "/tmp", tmp);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid_t holder = fork();
	if (holder == 0) {
		bool ok = unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 && mount("tmpfs", tmp, "tmpfs", 0, NULL) == 0;
		strcat(tmp, "/only-here");
		ok = ok && mkdir(tmp, 0755) == 0;
		(void)!write(ready[1], &ok, 1);
		pause();
		_exit(0);
	}
	char word = 0;
	assert_int_equal(read(ready[0], &word, 1), 1);
	close(ready[0]);
	close(ready[1]);
	plain(b);
	snprintf(path, sizeof path, "/proc/%d/ns/mnt", (int)holder);
	add_namespace(b, "mount", path);
	snprintf(path, sizeof path, "%d", (int)holder);
	mounts_of(path, &before);
	script(b, "ls /tmp; cd /; echo *");
	int status = run(b);
	char *seen = mem_dup(buf_text(&b->out)), *entered = NULL;
	if (status == 0) {
		struct running r = begin(b);
		entered = mem_dup(enter(b, &r, "ls /tmp; cd ..; echo *"));
		end(&r);
	}
	mounts_of(path, &after);
	kill(holder, SIGKILL);
	waitpid(holder, NULL, 0);
	assert_true(word);
	if (status)
		fail_msg("%d %s", status, b->e.text);
	assert_string_equal(seen, "only-here\nbin dev etc host proc sys tmp\n");
	assert_string_equal(entered, "only-here\nbin dev etc host proc sys tmp");
	assert_string_equal(buf_text(&before), buf_text(&after));
	mem_drop(&seen);
	mem_drop(&entered);
}

/* In the container's mount namespace, with its root taken away: what is below it is the host's, without its procfs and sysfs. */
static int look_below(pid_t pid)
{
	char path[64];
	struct statfs fs;
	snprintf(path, sizeof path, "/proc/%d/ns/mnt", (int)pid);
	own(fd) int ns = open(path, O_RDONLY | O_CLOEXEC);
	if (ns < 0 || setns(ns, CLONE_NEWNS) < 0)
		return 10;
	if (access("/host", F_OK) < 0) /* a directory of the container's */
		return 11;
	if (umount2("/", MNT_DETACH) < 0 || setns(ns, CLONE_NEWNS) < 0)
		return 12;
	if (access("/host", F_OK) == 0)
		return 13;
	if (statfs("/proc", &fs) < 0 || fs.f_type == PROC_SUPER_MAGIC)
		return 14;
	return statfs("/sys", &fs) < 0 || fs.f_type == SYSFS_MAGIC ? 15 : 0;
}

static void without_pivot(void **state)
{
	struct box *b = *state;
	own(buf) struct buf before = {}, after = {};
	mounts_of("self", &before);
	b->create.no_pivot = true;
	b->spec.root->readonly = true;
	assert_string_equal(shell(b, "cd ../../..; echo *; touch /x 2>&1 | grep -c Read-only; wc -c < /proc/keys; grep -c ' / / ' /proc/self/mountinfo; "
		"cut -d' ' -f5 /proc/self/mountinfo | grep -vE '^/(proc|sys|dev|$)' | wc -l; ls /proc/1/ns/mnt"),
		"bin dev etc host proc sys tmp\n1\n0\n0\n0\n/proc/1/ns/mnt");
	struct running r = begin(b);
	char *entered = mem_dup(enter(b, &r, "cd ../..; echo *"));
	pid_t pid = fork();
	if (pid == 0)
		_exit(look_below(r.c.pid));
	int status;
	waitpid(pid, &status, 0);
	end(&r);
	assert_string_equal(entered, "bin dev etc host proc sys tmp");
	mem_drop(&entered);
	assert_int_equal(WEXITSTATUS(status), 0);
	/* The host has kept all of its own. */
	mounts_of("self", &after);
	assert_string_equal(buf_text(&before), buf_text(&after));
	/* In a user namespace the host's cannot be taken off: they are covered. */
	static struct idmap_row row = {0, 100000, 65536};
	add_namespace(b, "user", NULL);
	b->spec.linux_->uids = b->spec.linux_->gids = (struct idmap_rows){&row, 1};
	r = begin(b);
	pid = fork();
	if (pid == 0)
		_exit(look_below(r.c.pid));
	waitpid(pid, &status, 0);
	end(&r);
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* The optional fields of a mount's line: "shared:3", "master:4", "unbindable". */
static void fields_of(struct box *b, const char *place, char out[64])
{
	const char *line = shell(b, arena_printf(&b->arena, "sed -n 's|^[0-9]* [0-9]* [0-9:]* [^ ]* %s [^ ]* ||p' /proc/self/mountinfo", place));
	snprintf(out, 64, "%.*s", str_has_prefix(line, "-") ? 0 : (int)strcspn(line, ": "), line);
}

static void propagation_of_the_root(void **state)
{
	struct box *b = *state;
	static const struct { const char *word, *root, *proc; } rows[] = {{NULL, "", ""}, {"private", "", ""}, {"rprivate", "", ""},
		{"shared", "shared", ""}, {"rshared", "shared", "shared"}, {"slave", "master", ""}, {"rslave", "master", ""},
		{"unbindable", "unbindable", ""}, {"runbindable", "unbindable", "unbindable"}};
	char root[256], got[countof(rows)][2][64];
	in_root(b, "", root);
	assert_int_equal(mount(root, root, NULL, MS_BIND, NULL) | mount(NULL, root, NULL, MS_SHARED, NULL), 0);
	for (size_t i = 0; i < countof(rows); i++) {
		b->spec.linux_->rootfs_propagation = arena_dup(&b->arena, rows[i].word);
		fields_of(b, "/", got[i][0]);
		fields_of(b, "/proc", got[i][1]);
	}
	/* A mount of the host's reaches the root that is its slave, and no other. */
	bool reached[2];
	for (int i = 0; i < 2; i++) {
		char tmp[280];
		b->spec.linux_->rootfs_propagation = arena_dup(&b->arena, i ? "rslave" : "rprivate");
		struct running r = begin(b);
		snprintf(tmp, sizeof tmp, "%s/tmp", root);
		assert_int_equal(mount("tmpfs", tmp, "tmpfs", 0, NULL), 0);
		reached[i] = strtol(enter(b, &r, "grep -c ' /tmp ' /proc/self/mountinfo; true"), NULL, 10);
		umount2(tmp, MNT_DETACH);
		end(&r);
	}
	umount2(root, MNT_DETACH);
	for (size_t i = 0; i < countof(rows); i++) {
		assert_string_equal(got[i][0], rows[i].root);
		assert_string_equal(got[i][1], rows[i].proc);
	}
	assert_false(reached[0]);
	assert_true(reached[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {BOX_TEST(among_the_hosts_mounts), BOX_TEST(without_mounts), BOX_TEST(linked_dev), BOX_TEST(terminal),
		BOX_TEST(in_a_user_namespace), BOX_TEST(in_anothers_mount_namespace), BOX_TEST(without_pivot), BOX_TEST(propagation_of_the_root)};
	return box_main() ? 77 : cmocka_run_group_tests(tests, NULL, NULL);
}
