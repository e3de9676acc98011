/* SPDX-License-Identifier: Apache-2.0 */
/* The published holes of runtimes, one test each: the image, a volume or the container itself is the attacker. */
#include "t_runtime_box.h"

#include <sched.h>
#include <stdint.h>

/* A directory of the host that must stay as it is. */
static void make_canary(struct box *b, char path[128])
{
	snprintf(path, 128, "%s/canary", b->dir);
	assert_int_equal(mkdir(path, 0755), 0);
	char file[160];
	snprintf(file, sizeof file, "%s/file", path);
	own(fd) int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(write(fd, "host", 4), 4);
}

static void canary_lives(const char *path)
{
	char file[160];
	own(buf) struct buf text = {};
	struct err e = {};
	size_t n = 0;
	DIR *d = opendir(path);
	while (readdir(d))
		n++;
	closedir(d);
	assert_int_equal(n, 3);
	snprintf(file, sizeof file, "%s/file", path);
	assert_int_equal(path_read(AT_FDCWD, file, &text, &e), 0);
	assert_string_equal(buf_text(&text), "host");
}

static void replace_by_link(struct box *b, const char *place, const char *target)
{
	char at[256];
	in_root(b, place, at);
	struct err e = {};
	assert_int_equal(path_remove_tree(AT_FDCWD, at, &e), 0);
	make_link(b, target, place);
}

/* CVE-2019-19921, CVE-2023-27561, CVE-2026-41579: /proc, /sys or /dev of the image is a symlink. */
static void linked_kernel_directories(void **state)
{
	struct box *b = *state;
	char canary[128];
	make_canary(b, canary);
	static const char *const places[] = {"/proc", "/sys", "/dev"};
	for (size_t i = 0; i < countof(places); i++) {
		char at[256];
		replace_by_link(b, places[i], canary);
		script(b, "true");
		refused(b, ERR_DENIED, "is a symlink in the root file system");
		in_root(b, places[i], at);
		unlink(at);
		make_dir(b, places[i], 0755);
	}
	/* Also when nothing is mounted at /dev and the nodes would go into the image. */
	for (size_t i = 0; i < b->spec.mounts.n; i++)
		if (strncmp(b->spec.mounts.v[i].destination, "/dev", 4) == 0)
			b->spec.mounts.v[i--] = b->spec.mounts.v[--b->spec.mounts.n];
	replace_by_link(b, "/dev", canary);
	script(b, "true");
	refused(b, ERR_DENIED, "/dev is a symlink");
	canary_lives(canary);
}

/* CVE-2019-18837, CVE-2021-30465, CVE-2024-45310: places of mounts lead out of the root by symlinks. */
static void linked_mount_places(void **state)
{
	struct box *b = *state;
	char canary[128], up[160], volume[128];
	make_canary(b, canary);
	snprintf(up, sizeof up, "../../../../../../../..%s", canary);
	snprintf(volume, sizeof volume, "%s/volume", b->dir);
	assert_int_equal(mkdir(volume, 0755), 0);
	make_link(b, canary, "/abs");
	make_link(b, up, "/up");
	make_link(b, "/abs", "/chain");
	add_mount(b, "/abs", "bind", volume, "rbind");
	add_mount(b, "/up/deep/er", "tmpfs", "tmpfs", "");
	add_mount(b, "/chain/new", "tmpfs", "tmpfs", "");
	add_mount(b, "/etc/../../../../../../abs2", "tmpfs", "tmpfs", "");
	char inside[256], expected[400];
	/* The links are followed, inside: the same path below the container's root. */
	snprintf(inside, sizeof inside, "ls -d %s %s/deep/er %s/new /abs2", canary, canary, canary);
	snprintf(expected, sizeof expected, "/abs2\n%s\n%s/deep/er\n%s/new", canary, canary, canary);
	assert_string_equal(shell(b, inside), expected);
	canary_lives(canary);
	make_link(b, "loop", "/loop");
	add_mount(b, "/loop", "tmpfs", "tmpfs", "");
	refused(b, ERR_SYSTEM, "Too many levels of symbolic links");
	drop_mount(b);
	/* The end of a dangling link is made inside. */
	char file[160], target[200];
	snprintf(file, sizeof file, "%s/file", canary);
	snprintf(target, sizeof target, "%s/not-there", canary);
	make_link(b, target, "/dangling");
	add_mount(b, "/dangling", "bind", file, "bind");
	script(b, "true");
	(void)run(b);
	canary_lives(canary);
}

/* CVE-2019-16884: a mount over procfs. */
static void mounts_on_proc(void **state)
{
	struct box *b = *state;
	static const char *const places[] = {"/proc", "/proc/self", "/proc/self/attr", "/proc/sys", "/proc/1", "/etc/../proc", "//proc/./"};
	script(b, "true");
	/* Also when no procfs is there, or only later. */
	for (int with_proc = 1; with_proc >= 0; with_proc--) {
		for (size_t i = 0; i < countof(places); i++) {
			add_mount(b, places[i], "tmpfs", "tmpfs", "");
			refused(b, ERR_DENIED, strchr(places[i] + 1, 's') ? "a mount inside /proc is not allowed" : "");
			drop_mount(b);
		}
		if (with_proc)
			memmove(b->spec.mounts.v, b->spec.mounts.v + 1, --b->spec.mounts.n * sizeof *b->spec.mounts.v);
	}
	add_mount(b, "/proc", "bind", b->dir, "rbind");
	refused(b, ERR_DENIED, "only a proc file system can be mounted there");
	drop_mount(b);
	add_mount(b, "/proc", "bind", "/proc/self", "rbind");
	refused(b, ERR_DENIED, "only a proc file system can be mounted there");
	drop_mount(b);
	add_mount(b, "/proc", "cgroup", "cgroup", "");
	refused(b, ERR_DENIED, "only a proc file system can be mounted there");
	drop_mount(b);
	add_mount(b, "/proc/1", "bind", "/etc/hostname", "bind,copy-symlink");
	refused(b, ERR_DENIED, "a mount inside /proc is not allowed");
	drop_mount(b);
	add_mount(b, "proc", "bind", "/proc", "rbind");
	assert_int_equal(run(b), 0);
	make_link(b, "/proc/self", "/tmp/link");
	add_mount(b, "/tmp/link/attr", "tmpfs", "tmpfs", "");
	refused(b, ERR_DENIED, "a mount inside /proc is not allowed");
	drop_mount(b);
	/* lxcfs */
	add_mount(b, "/proc/uptime", "bind", "/etc/hostname", "bind,ro");
	assert_int_equal(run(b), 0);
}

/* CVE-2024-21626: the working directory is a leaked fd of the host. */
static void working_directory_outside(void **state)
{
	struct box *b = *state;
	own(fd) int leak = open("/", O_RDONLY | O_DIRECTORY);
	script(b, "ls");
	for (int i = 0; i < 30; i++) {
		b->spec.process->cwd = arena_printf(&b->arena, "/proc/self/fd/%d", i);
		if (run(b) >= 0)
			fail_msg("fd %d: %s", i, buf_text(&b->out));
		b->spec.process->cwd = arena_printf(&b->arena, "/proc/1/fd/%d/../..", i);
		assert_int_equal(run(b), -1);
	}
	char target[40];
	snprintf(target, sizeof target, "/proc/self/fd/%d", leak);
	make_link(b, target, "/out");
	b->spec.process->cwd = arena_dup(&b->arena, "/out");
	assert_int_equal(run(b), -1);
	b->spec.process->cwd = arena_dup(&b->arena, "/proc/self/cwd");
	assert_int_equal(run(b), -1);
	expect_nothing_left(b);
}

/* CVE-2025-31133: /dev/null of the image is something else: masks are made of the host's. */
static void forged_null(void **state)
{
	struct box *b = *state;
	for (size_t i = 0; i < b->spec.mounts.n; i++)
		if (strncmp(b->spec.mounts.v[i].destination, "/dev", 4) == 0)
			b->spec.mounts.v[i--] = b->spec.mounts.v[--b->spec.mounts.n];
	make_link(b, "/proc/sys/kernel/core_pattern", "/dev/null");
	script(b, "true");
	refused(b, ERR_EXISTS, "device /dev/null: something else is there");
	replace_by_link(b, "/dev/null", "zero");
	refused(b, ERR_EXISTS, "device /dev/null: something else is there");
}

/* CVE-2025-52565: /dev/console, /dev/pts of the image. */
static void forged_console(void **state)
{
	struct box *b = *state;
	char canary[128], file[160];
	make_canary(b, canary);
	snprintf(file, sizeof file, "%s/file", canary);
	make_dir(b, "/forged", 0755);
	make_link(b, file, "/forged/console");
	char forged[256];
	in_root(b, "/forged", forged);
	/* The devpts is not one. */
	for (size_t i = 0; i < b->spec.mounts.n; i++)
		if (str_eq(b->spec.mounts.v[i].destination, "/dev/pts"))
			b->spec.mounts.v[i].type = arena_dup(&b->arena, "tmpfs"), b->spec.mounts.v[i].options = (struct strv){};
	b->spec.process->terminal = true;
	script(b, "true");
	assert_int_equal(run(b), -1);
	/* /dev is a volume in which console is a link to the host. */
	for (size_t i = 0; i < b->spec.mounts.n; i++)
		if (strncmp(b->spec.mounts.v[i].destination, "/dev", 4) == 0)
			b->spec.mounts.v[i--] = b->spec.mounts.v[--b->spec.mounts.n];
	add_mount(b, "/dev", "bind", forged, "rbind");
	add_mount(b, "/dev/pts", "devpts", "devpts", "newinstance,ptmxmode=0666,mode=0620");
	(void)run(b);
	canary_lives(canary);
}

/* CVE-2022-29162: no inheritable capabilities unless asked for: status_lines and shares_everything look at CapInh. */

static void digest(const char *path, uint64_t *ret)
{
	own(buf) struct buf b = {};
	struct err e = {};
	assert_int_equal(path_read(AT_FDCWD, path, &b, &e), 0);
	*ret = 1469598103934665603ULL;
	for (size_t i = 0; i < b.len; i++)
		*ret = (*ret ^ (unsigned char)b.data[i]) * 1099511628211ULL;
}

/* CVE-2019-5736: the command leads back to the executable that runs it. */
static void own_executable(void **state)
{
	struct box *b = *state;
	char self[256];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	assert_true(n > 0);
	self[n] = 0;
	uint64_t before, after;
	digest(self, &before);
	make_link(b, "/proc/self/exe", "/entry");
	put_text(b, "/interp", "#!/proc/self/exe\n", 0755);
	static const char *const ways[] = {"/entry", "/interp"};
	for (int init = 0; init < 2; init++)
		for (size_t i = 0; i < countof(ways); i++) {
			b->create.init = init;
			args(b, ways[i], "x", NULL);
			/* It runs the launch program again, which has no plan for it: anything but us. */
			int status = run(b);
			assert_true(status == 127 || status == -1);
			assert_null(strstr(buf_text(&b->out), "RUN"));
		}
	/* From inside: nothing that is seen can be opened to write, whoever it is. */
	struct container c;
	own(fd) int out = -1;
	b->create.init = false;
	script(b, "i=0; while [ $i -lt 20000 ]; do for p in /proc/[0-9]*; do if [ $p != /proc/1 ] && [ $p != /proc/$$ ]; then "
		"l=$(readlink $p/exe); case $l in *t_runtime*) echo seen $l; esac; fi; done; i=$((i+1)); done");
	assert_int_equal(launch(b, &c, &out), 0);
	for (int i = 0; i < 50; i++) {
		struct spec_process p = *b->spec.process;
		struct container_process q;
		p.args = (struct strv){};
		arena_strv_add(&b->arena, &p.args, "true");
		struct container_exec x = {.pid = c.pid, .start_time = c.start_time, .process = &p, .spec = &b->spec, .cgroup = &c.cgroup,
			.stdio = {-1, -1, -1}, .seccomp_cache = -1};
		assert_int_equal(container_exec(&x, &q, &b->e), 0);
		waitpid(q.pid, NULL, 0);
		close(q.pidfd);
	}
	kill(c.pid, SIGKILL);
	buf_reset(&b->out);
	assert_int_equal(fd_read_to_end(out, &b->out), 0);
	reap(&c);
	assert_null(strstr(buf_text(&b->out), "seen"));
	/* The init's own executable is sealed. */
	b->create.init = true;
	assert_string_equal(shell(b, "readlink /proc/1/exe; echo x 2>/dev/null > /proc/1/exe || echo sealed"), "/memfd:hull-init (deleted)\nsealed");
	digest(self, &after);
	assert_true(before == after);
}

/* At /v a volume in which "place" is a directory at one moment and a link to the canary at the next; the process that exchanges them. */
static pid_t raced_volume(struct box *b, char canary[128])
{
	char volume[128], dir[160], link[160];
	make_canary(b, canary);
	snprintf(volume, sizeof volume, "%s/volume", b->dir);
	snprintf(dir, sizeof dir, "%s/place", volume);
	snprintf(link, sizeof link, "%s/other", volume);
	assert_int_equal(mkdir(volume, 0755) | mkdir(dir, 0755) | symlink(canary, link), 0);
	pid_t racer = fork();
	if (racer == 0)
		for (;;)
			renameat2(AT_FDCWD, dir, AT_FDCWD, link, 2 /* RENAME_EXCHANGE */);
	add_mount(b, "/v", "bind", volume, "rbind");
	return racer;
}

/* So many starts, then the end of the race. */
static void race(struct box *b, int starts, pid_t racer, const char *canary)
{
	for (int i = 0; i < starts; i++)
		(void)run(b);
	kill(racer, SIGKILL);
	waitpid(racer, NULL, 0);
	canary_lives(canary);
}

/* CVE-2021-30465: a directory becomes a symlink and back while places are looked up. */
static void raced_mount_place(void **state)
{
	struct box *b = *state;
	char canary[128];
	pid_t racer = raced_volume(b, canary);
	add_mount(b, "/v/place/sub", "tmpfs", "tmpfs", "");
	args(b, "true", NULL);
	race(b, 150, racer, canary);
}

/* CVE-2023-25809: the host's cgroups are not writable through /sys/fs/cgroup, in a user namespace without its own either. */
static void cgroups_stay_read_only(void **state)
{
	struct box *b = *state;
	struct idmap_row row = {0, 100000, 65536};
	drop_namespace(b, "cgroup");
	assert_string_equal(shell(b, "for d in /sys/fs/cgroup/*; do [ -L $d ] || mkdir $d/x 2>/dev/null && echo $d; done; true"), "");
	add_namespace(b, "user", NULL);
	b->spec.linux_->uids.v = b->spec.linux_->gids.v = &row;
	b->spec.linux_->uids.n = b->spec.linux_->gids.n = 1;
	assert_string_equal(shell(b, "for d in /sys/fs/cgroup/*; do mkdir $d/x 2>/dev/null && echo $d; done; true"), "");
	/* The network is the host's: sysfs is bound, and what is mounted below it with it. */
	drop_namespace(b, "network");
	b->create.cgroup_manager = CGROUP_MANAGER_DISABLED;
	assert_string_equal(shell(b, "touch /sys/fs/cgroup/x 2>&1 | grep -c Read-only; grep ' /sys' /proc/self/mountinfo | cut -d' ' -f6 | "
		"grep -vc '^ro'; true"), "1\n0");
}

static void oversized(void **state)
{
	struct box *b = *state;
	char *path = arena_alloc(&b->arena, 70001);
	memset(path, 'x', 70000);
	path[0] = '/';
	args(b, "true", NULL);
	drop_namespace(b, "network");
	add_namespace(b, "network", path);
	assert_int_equal(run(b), -1);
	drop_namespace(b, "network");
	add_mount(b, path, "tmpfs", "tmpfs", "");
	assert_int_equal(run(b), -1);
	drop_mount(b);
	add_mount(b, "/t", "tmpfs", "tmpfs", path);
	refused(b, ERR_USAGE, "longer than 255");
	drop_mount(b);
	b->spec.process->cwd = path;
	assert_int_equal(run(b), -1);
	b->spec.process->cwd = arena_dup(&b->arena, "/");
	b->spec.hostname = path;
	refused(b, ERR_USAGE, "longer than 64 bytes");
	b->spec.hostname = NULL;
	b->spec.linux_->cgroups_path = path;
	refused(b, ERR_USAGE, "too long");
	b->spec.linux_->cgroups_path = arena_dup(&b->arena, "/hull/../..");
	refused(b, ERR_USAGE, "invalid cgroup path");
	b->spec.linux_->cgroups_path = NULL;
	args(b, path, NULL);
	refused(b, ERR_NOCMD, "File name too long");
	args(b, path + 1, NULL);
	refused(b, ERR_NOCMD, "File name too long");
}

/* CVE-2025-31133: what masks is the host's null device, whatever the container's /dev has in its place. */
static void masks_of_a_forged_dev(void **state)
{
	struct box *b = *state;
	char forged[128], null[160];
	own(buf) struct buf before = {}, after = {};
	assert_int_equal(path_read(AT_FDCWD, "/proc/sys/kernel/core_pattern", &before, &b->e), 0);
	snprintf(forged, sizeof forged, "%s/dev", b->dir);
	snprintf(null, sizeof null, "%s/null", forged);
	assert_int_equal(mkdir(forged, 0755) | symlink("/proc/sys/kernel/core_pattern", null), 0);
	for (size_t i = 0; i < b->spec.mounts.n; i++)
		if (strncmp(b->spec.mounts.v[i].destination, "/dev", 4) == 0)
			b->spec.mounts.v[i--] = b->spec.mounts.v[--b->spec.mounts.n];
	add_mount(b, "/dev", "bind", forged, "rbind");
	/* Nor is it what the command reads. */
	b->spec.linux_->readonly_paths = (struct strv){};
	script(b, "true");
	refused(b, ERR_DENIED, "/dev/null of the container is not the null device");
	arena_strv_add(&b->arena, &b->spec.linux_->masked_paths, "/proc/sys/kernel/core_pattern");
	int input = b->create.stdio[0] = open("/dev/null", O_RDWR | O_CLOEXEC);
	script(b, "stat -c %t:%T /proc/interrupts /proc/sys/kernel/core_pattern; wc -c < /proc/interrupts; echo pwned > /proc/sys/kernel/core_pattern");
	int status = run(b);
	close(input);
	b->create.stdio[0] = -1;
	if (status < 0)
		fail_msg("%s", b->e.text);
	assert_int_equal(strncmp(buf_text(&b->out), "1:3\n1:3\n0\n", 10), 0);
	assert_int_equal(path_read(AT_FDCWD, "/proc/sys/kernel/core_pattern", &after, &b->e), 0);
	assert_string_equal(buf_text(&before), buf_text(&after));
}

/* What is covered, made or linked lies behind links that lead out. */
static void links_under_everything_else(void **state)
{
	struct box *b = *state;
	char canary[128], link[160], file[160];
	make_canary(b, canary);
	snprintf(file, sizeof file, "%s/file", canary);
	snprintf(link, sizeof link, "%s/to-nowhere", b->dir);
	assert_int_equal(symlink("nowhere", link), 0);
	make_link(b, canary, "/evil");
	make_link(b, file, "/evil-file");
	arena_strv_add(&b->arena, &b->spec.linux_->masked_paths, "/evil");
	arena_strv_add(&b->arena, &b->spec.linux_->masked_paths, "/evil-file");
	arena_strv_add(&b->arena, &b->spec.linux_->readonly_paths, "/evil");
	struct spec_device *d = list_add(b, &b->spec.linux_->devices, sizeof *d);
	*d = (struct spec_device){.path = arena_dup(&b->arena, "/evil/node"), .type = arena_dup(&b->arena, "c"), .major = {true, 1}, .minor = {true, 3}};
	add_mount(b, "/evil/link", "bind", link, "bind,copy-symlink");
	add_mount(b, "/evil/over", "bind", file, "bind,dest-nofollow");
	add_mount(b, "/evil/tmp", "tmpfs", "tmpfs", "tmpcopyup");
	b->spec.process->cwd = arena_dup(&b->arena, "/evil/made");
	script(b, "true");
	(void)run(b);
	canary_lives(canary);
	/* Without the masks it works, inside. */
	b->spec.linux_->masked_paths.n -= 2;
	b->spec.linux_->readonly_paths.n--;
	char inside[256];
	snprintf(inside, sizeof inside, "pwd; cd %s; echo *; readlink link", canary);
	char expected[400];
	snprintf(expected, sizeof expected, "%s/made\nlink made node over tmp\nnowhere", canary);
	assert_string_equal(shell(b, inside), expected);
	canary_lives(canary);
}

/* The same for the groups' place, when no sysfs covers it. */
static void linked_cgroup_place(void **state)
{
	struct box *b = *state;
	char canary[128];
	make_canary(b, canary);
	for (size_t i = 0; i < b->spec.mounts.n; i++)
		if (str_eq(b->spec.mounts.v[i].type, "sysfs")) {
			memmove(&b->spec.mounts.v[i], &b->spec.mounts.v[i + 1], (b->spec.mounts.n - i - 1) * sizeof *b->spec.mounts.v);
			b->spec.mounts.n--;
		}
	make_dir(b, "/sys/fs", 0755);
	make_link(b, canary, "/sys/fs/cgroup");
	script(b, "true");
	refused(b, ERR_DENIED, "/sys/fs/cgroup is a symlink in the root file system");
	canary_lives(canary);
}

/* CVE-2025-52881: /proc/sys is covered by somebody: what is written for the container goes to the kernel, not to the cover. */
static int write_past_a_cover(struct box *b, const char *cover)
{
	char file[200];
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || mount(cover, "/proc/sys", NULL, MS_BIND, NULL) < 0)
		return 10;
	map_set(&b->arena, &b->spec.linux_->sysctl, "net.ipv4.ip_forward", "1");
	script(b, "cat /proc/sys/net/ipv4/ip_forward");
	if (run(b) != 0)
		return 11;
	own(buf) struct buf text = {};
	struct err e = {};
	snprintf(file, sizeof file, "%s/net/ipv4/ip_forward", cover);
	if (path_read(AT_FDCWD, file, &text, &e) < 0 || strcmp(buf_text(&text), "cover") != 0)
		return 12;
	return strcmp(buf_text(&b->out), "1\n") == 0 ? 0 : 13;
}

static void covered_parameters(void **state)
{
	struct box *b = *state;
	char cover[128], at[200];
	snprintf(cover, sizeof cover, "%s/cover", b->dir);
	static const char *const dirs[] = {"", "/net", "/net/ipv4"};
	for (size_t i = 0; i < countof(dirs); i++) {
		snprintf(at, sizeof at, "%s%s", cover, dirs[i]);
		assert_int_equal(mkdir(at, 0755), 0);
	}
	snprintf(at, sizeof at, "%s/net/ipv4/ip_forward", cover);
	own(fd) int fd = open(at, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(write(fd, "cover", 5), 5);
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0)
		_exit(write_past_a_cover(b, cover));
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* CVE-2024-45310, CVE-2025-52565: a volume in which places are exchanged while directories and nodes are made and covered in it. */
static void raced_directories(void **state)
{
	struct box *b = *state;
	char canary[128];
	pid_t racer = raced_volume(b, canary);
	add_mount(b, "/v/place/a/b", "tmpfs", "tmpfs", "tmpcopyup");
	struct spec_device *d = list_add(b, &b->spec.linux_->devices, sizeof *d);
	*d = (struct spec_device){.path = arena_dup(&b->arena, "/v/place/c/node"), .type = arena_dup(&b->arena, "c"), .major = {true, 1}, .minor = {true, 3}};
	arena_strv_add(&b->arena, &b->spec.linux_->masked_paths, "/v/place/a");
	b->spec.process->cwd = arena_dup(&b->arena, "/v/place/d/e");
	args(b, "true", NULL);
	race(b, 60, racer, canary);
}

int main(void)
{
	const struct CMUnitTest tests[] = {BOX_TEST(linked_kernel_directories), BOX_TEST(linked_mount_places), BOX_TEST(mounts_on_proc),
		BOX_TEST(working_directory_outside), BOX_TEST(forged_null), BOX_TEST(forged_console), BOX_TEST(own_executable),
		BOX_TEST(raced_mount_place), BOX_TEST(cgroups_stay_read_only), BOX_TEST(oversized),
		BOX_TEST(masks_of_a_forged_dev), BOX_TEST(links_under_everything_else), BOX_TEST(linked_cgroup_place), BOX_TEST(covered_parameters),
		BOX_TEST(raced_directories)};
	return box_main() ? 77 : cmocka_run_group_tests(tests, NULL, NULL);
}
