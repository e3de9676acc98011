/* SPDX-License-Identifier: Apache-2.0 */
/*
 * t_runtime_box: a container for tests: a root file system of busybox in a directory of its own, docker's configuration,
 * and run(): create, start, read the output, reap, remove. After each test nothing may be left: no mount, no cgroup, no
 * child, no fd.
 */
#pragma once

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "runtime/container.h"
#include "runtime/seccomp.h"
#include "sys/cgroupfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define BOX_CAPS "[\"CAP_CHOWN\",\"CAP_DAC_OVERRIDE\",\"CAP_FSETID\",\"CAP_FOWNER\",\"CAP_MKNOD\",\"CAP_NET_RAW\",\"CAP_SETGID\"," \
	"\"CAP_SETUID\",\"CAP_SETFCAP\",\"CAP_SETPCAP\",\"CAP_NET_BIND_SERVICE\",\"CAP_SYS_CHROOT\",\"CAP_KILL\",\"CAP_AUDIT_WRITE\"]"

static const char box_config[] =
	"{\"ociVersion\":\"1.3.0\",\"root\":{\"path\":\"/rootfs\"},\"hostname\":\"boxhost\",\"domainname\":\"box.test\","
	"\"process\":{\"user\":{\"uid\":0,\"gid\":0},\"args\":[\"sh\"],\"cwd\":\"/\",\"env\":[\"PATH=/bin\",\"X=y\"],"
	"\"capabilities\":{\"bounding\":" BOX_CAPS ",\"effective\":" BOX_CAPS ",\"permitted\":" BOX_CAPS "}},"
	"\"mounts\":["
	"{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\",\"options\":[\"nosuid\",\"noexec\",\"nodev\"]},"
	"{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\",\"options\":[\"nosuid\",\"strictatime\",\"mode=755\",\"size=65536k\"]},"
	"{\"destination\":\"/dev/pts\",\"type\":\"devpts\",\"source\":\"devpts\","
	"\"options\":[\"nosuid\",\"noexec\",\"newinstance\",\"ptmxmode=0666\",\"mode=0620\",\"gid=5\"]},"
	"{\"destination\":\"/sys\",\"type\":\"sysfs\",\"source\":\"sysfs\",\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"ro\"]},"
	"{\"destination\":\"/sys/fs/cgroup\",\"type\":\"cgroup\",\"source\":\"cgroup\",\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"relatime\",\"ro\"]},"
	"{\"destination\":\"/dev/mqueue\",\"type\":\"mqueue\",\"source\":\"mqueue\",\"options\":[\"nosuid\",\"noexec\",\"nodev\"]},"
	"{\"destination\":\"/dev/shm\",\"type\":\"tmpfs\",\"source\":\"shm\",\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"mode=1777\",\"size=65536k\"]}],"
	"\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},{\"type\":\"mount\"},{\"type\":\"network\"},"
	"{\"type\":\"cgroup\"}],"
	"\"resources\":{\"devices\":[{\"allow\":false,\"access\":\"rwm\"}]},"
	"\"maskedPaths\":[\"/proc/acpi\",\"/proc/kcore\",\"/proc/keys\",\"/proc/latency_stats\",\"/proc/timer_list\",\"/proc/interrupts\","
	"\"/proc/scsi\",\"/sys/firmware\",\"/proc/not-there\"],"
	"\"readonlyPaths\":[\"/proc/bus\",\"/proc/fs\",\"/proc/irq\",\"/proc/sys\",\"/proc/sysrq-trigger\"]}}";

struct box {
	char dir[64], id[40];
	struct arena arena;
	struct json *json;
	struct spec spec;
	struct container_create create;
	struct buf out;      /* what the last run() printed */
	struct err e;
	size_t mounts, fds;  /* before the test */
};

unused static size_t count_lines(const char *path)
{
	own(buf) struct buf b = {};
	struct err e = {};
	size_t n = 0;
	assert_int_equal(path_read(AT_FDCWD, path, &b, &e), 0);
	for (const char *p = buf_text(&b); *p; p++)
		n += *p == '\n';
	return n;
}

unused static size_t count_fds(void)
{
	size_t n = 0;
	DIR *d = opendir("/proc/self/fd");
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

unused static void in_root(const struct box *b, const char *path, char out[256])
{
	snprintf(out, 256, "%s/rootfs%s", b->dir, path);
}

unused static void put_text(const struct box *b, const char *path, const char *text, mode_t mode)
{
	char at[256];
	in_root(b, path, at);
	own(fd) int fd = open(at, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
	fchmod(fd, mode);
}

unused static void make_dir(const struct box *b, const char *path, mode_t mode)
{
	char at[256];
	in_root(b, path, at);
	assert_int_equal(mkdir(at, mode), 0);
	chmod(at, mode);
}

unused static void make_link(const struct box *b, const char *target, const char *path)
{
	char at[256];
	in_root(b, path, at);
	assert_int_equal(symlink(target, at), 0);
}

unused static void make_root(struct box *b)
{
	static const char *const dirs[] = {"", "/bin", "/etc", "/proc", "/sys", "/dev", "/tmp", "/host"};
	static const char *const tools[] = {"sh", "ls", "cat", "id", "sleep", "stat", "mount", "umount", "hostname", "readlink",
		"mknod", "true", "kill", "chmod", "dd", "mkdir", "rm", "ps", "ln", "touch", "nproc", "grep", "tty", "stty", "wc", "env", "ip",
		"ifconfig", "unshare", "head", "tr", "echo", "chroot", "nohup", "cut", "setsid", "sed", "uname", "taskset",
		"ionice", "[", "cp"};
	for (size_t i = 0; i < countof(dirs); i++)
		make_dir(b, dirs[i], 0755);
	char to[256];
	in_root(b, "/bin/busybox", to);
	own(fd) int from = open("/bin/busybox", O_RDONLY | O_CLOEXEC);
	own(fd) int at = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	assert_true(from >= 0 && at >= 0);
	while (copy_file_range(from, NULL, at, NULL, 1 << 30, 0) > 0)
		;
	for (size_t i = 0; i < countof(tools); i++) {
		char link[64];
		snprintf(link, sizeof link, "/bin/%s", tools[i]);
		make_link(b, "busybox", link);
	}
	put_text(b, "/etc/passwd", "root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/:/bin/sh\n", 0644);
}

unused static int box_open(void **state)
{
	char random[ID_LEN + 1];
	struct box *b = mem_alloc(sizeof *b);
	b->mounts = count_lines("/proc/self/mountinfo");
	cgroupfs_get();
	b->fds = count_fds();
	snprintf(b->dir, sizeof b->dir, "/tmp/hull-test-XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	chmod(b->dir, 0755);
	/* Several of these run side by side, each in a PID namespace of its own. */
	num_random_id(random);
	snprintf(b->id, sizeof b->id, "t-%.16s", random);
	make_root(b);
	assert_int_equal(json_parse(box_config, strlen(box_config), &b->json, &b->e), 0);
	assert_int_equal(spec_parse(b->json, &b->arena, &b->spec, &b->e), 0);
	b->spec.root->path = arena_printf(&b->arena, "%s/rootfs", b->dir);
	b->create = (struct container_create){.id = b->id, .spec = &b->spec, .rootfs = -1, .stdio = {-1, -1, -1}, .console = -1,
		.seccomp_cache = -1};
	b->out = BUF(1 << 20);
	*state = b;
	return 0;
}

/* Where we are the first process of a PID namespace, what a dead parent left is ours to reap. */
unused static void reap_orphans(void)
{
	for (int i = 0; i < 100; i++) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (errno == ECHILD)
			return;
		usleep(10000);
	}
}

unused static void expect_nothing_left(const struct box *b)
{
	const struct cgroupfs *fs = cgroupfs_get();
	char path[80];
	snprintf(path, sizeof path, "hull/%s", b->id);
	for (int i = 0; i < CGROUPFS_ROWS; i++)
		if (fs->row[i].fd >= 0 && faccessat(fs->row[i].fd, path, F_OK, 0) == 0)
			fail_msg("cgroup %s/%s is left", cgroupfs_name((enum cgroupfs_row)i), path);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	assert_int_equal(count_lines("/proc/self/mountinfo"), b->mounts);
}

/* A test that failed leaves its container: not for the next ones. */
unused static bool clean_up(const struct box *b)
{
	struct cgroup c;
	struct err e = {};
	char path[80];
	snprintf(path, sizeof path, "/hull/%s", b->id);
	if (cgroup_open(path, &c, &e) < 0)
		return false;
	(void)!cgroup_kill(&c, SIGKILL, &e);
	while (waitpid(-1, NULL, 0) > 0)
		;
	return cgroup_remove(&c, &e) == 0;
}

unused static int box_close(void **state)
{
	struct box *b = *state;
	struct err e = {};
	if (clean_up(b))
		fail_msg("a container was left");
	expect_nothing_left(b);
	assert_int_equal(path_remove_tree(AT_FDCWD, b->dir, &e), 0);
	assert_int_equal(count_fds(), b->fds);
	buf_drop(&b->out);
	arena_drop(&b->arena);
	json_drop(&b->json);
	free(b);
	return 0;
}

unused static void args(struct box *b, const char *first, ...)
{
	va_list ap;
	b->spec.process->args = (struct strv){};
	va_start(ap, first);
	for (const char *a = first; a; a = va_arg(ap, const char *))
		arena_strv_add(&b->arena, &b->spec.process->args, a);
	va_end(ap);
}

unused static void script(struct box *b, const char *text)
{
	args(b, "sh", "-c", text, NULL);
}

unused static void *list_add(struct box *b, void *list, size_t each)
{
	return arena_push_(&b->arena, list, each);
}

unused static struct spec_mount *add_mount(struct box *b, const char *destination, const char *type, const char *source, const char *options)
{
	struct spec_mount *m = list_add(b, &b->spec.mounts, sizeof *m);
	m->destination = arena_dup(&b->arena, destination);
	m->type = arena_dup(&b->arena, type);
	m->source = arena_dup(&b->arena, source);
	own(strv) struct strv words = {};
	strv_split(&words, options, ',');
	for (size_t i = 0; i < words.n; i++)
		arena_strv_add(&b->arena, &m->options, words.v[i]);
	return m;
}

unused static void drop_mount(struct box *b)
{
	b->spec.mounts.v[--b->spec.mounts.n] = (struct spec_mount){};
}

unused static void drop_namespace(struct box *b, const char *type)
{
	__auto_type l = &b->spec.linux_->namespaces;
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->v[i].type, type) == 0)
			l->v[i--] = l->v[--l->n];
}

unused static void add_namespace(struct box *b, const char *type, const char *path)
{
	struct spec_namespace *n = list_add(b, &b->spec.linux_->namespaces, sizeof *n);
	n->type = arena_dup(&b->arena, type);
	n->path = arena_dup(&b->arena, path);
}

/* Creates and starts; the container's output can be read from *ret_out. -1 with b->e. Nothing is left on failure. */
unused static int launch(struct box *b, struct container *c, int *ret_out)
{
	int pipe_[2];
	assert_int_equal(pipe2(pipe_, O_CLOEXEC), 0);
	b->create.stdio[1] = b->create.stdio[2] = pipe_[1];
	b->e = (struct err){};
	int r = container_create(&b->create, c, &b->e);
	close(pipe_[1]);
	b->create.stdio[1] = b->create.stdio[2] = -1;
	if (r == 0 && container_start(c, &b->e) < 0) {
		struct err e = {};
		assert_int_equal(waitpid(c->pid, NULL, 0), c->pid);
		assert_int_equal(container_remove(c, &e), 0);
		container_drop(c);
		r = -1;
	}
	*ret_out = pipe_[0];
	if (r < 0)
		fd_drop(ret_out);
	return r;
}

unused static int reap(struct container *c)
{
	int status;
	struct err e = {};
	assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
	if (container_remove(c, &e) < 0)
		fail_msg("%s", e.text);
	container_drop(c);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* The exit status, or -1 when it could not be created or started (b->e); b->out holds what it wrote. */
unused static int run(struct box *b)
{
	struct container c;
	own(fd) int out = -1;
	buf_reset(&b->out);
	if (launch(b, &c, &out) < 0)
		return -1;
	assert_int_equal(fd_read_to_end(out, &b->out), 0);
	return reap(&c);
}

/* run() that must work; the output without its last line break. */
unused static const char *output(struct box *b)
{
	int status = run(b);
	if (status < 0)
		fail_msg("%s", b->e.text);
	if (status)
		fail_msg("exit status %d: %s", status, buf_text(&b->out));
	if (b->out.len && b->out.data[b->out.len - 1] == '\n')
		b->out.data[--b->out.len] = 0;
	return buf_text(&b->out);
}

unused static const char *shell(struct box *b, const char *text)
{
	script(b, text);
	return output(b);
}

/* It must not come to be, for that reason. */
unused static void refused(struct box *b, enum err_kind kind, const char *text)
{
	int status = run(b);
	if (status >= 0)
		fail_msg("not refused: exit status %d: %s", status, buf_text(&b->out));
	if (b->e.kind != kind || !strstr(b->e.text, text))
		fail_msg("kind %d, not %d: \"%s\", not \"%s\"", b->e.kind, kind, b->e.text, text);
	expect_nothing_left(b);
}

/* A container that runs until end(), for exec. */
struct running {
	struct container c;
	int out;
	struct spec_process p;
};

unused static struct running begin(struct box *b)
{
	struct running r = {.out = -1};
	args(b, "sleep", "60", NULL);
	if (launch(b, &r.c, &r.out) < 0)
		fail_msg("%s", b->e.text);
	r.p = *b->spec.process;
	return r;
}

unused static void end(struct running *r)
{
	kill(r->c.pid, SIGKILL);
	assert_int_equal(reap(&r->c), 137);
	fd_drop(&r->out);
}

/* The exit status and b->out; -1 with b->e. */
unused static int enter_as(struct box *b, struct running *r, ...)
{
	va_list ap;
	int pipe_[2], status;
	r->p.args = (struct strv){};
	va_start(ap, r);
	for (const char *a; (a = va_arg(ap, const char *));)
		arena_strv_add(&b->arena, &r->p.args, a);
	va_end(ap);
	assert_int_equal(pipe2(pipe_, O_CLOEXEC), 0);
	struct container_exec x = {.id = b->create.id, .pid = r->c.pid, .start_time = r->c.start_time, .process = &r->p, .spec = &b->spec,
		.cgroup = &r->c.cgroup, .stdio = {-1, pipe_[1], pipe_[1]}, .seccomp_cache = -1};
	struct container_process p;
	b->e = (struct err){};
	buf_reset(&b->out);
	int result = container_exec(&x, &p, &b->e);
	close(pipe_[1]);
	if (result == 0) {
		assert_int_equal(fd_read_to_end(pipe_[0], &b->out), 0);
		assert_int_equal(waitpid(p.pid, &status, 0), p.pid);
		close(p.pidfd);
		result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	}
	close(pipe_[0]);
	return result;
}

unused static const char *enter(struct box *b, struct running *r, const char *text)
{
	int status = enter_as(b, r, "sh", "-c", text, NULL);
	if (status != 0)
		fail_msg("status %d: %s%s", status, b->e.text, buf_text(&b->out));
	if (b->out.len && b->out.data[b->out.len - 1] == '\n')
		b->out.data[--b->out.len] = 0;
	return buf_text(&b->out);
}

#define BOX_TEST(f) cmocka_unit_test_setup_teardown(f, box_open, box_close)

/* These need root. 77: meson's word for skipped. */
unused static int box_main(void)
{
	if (geteuid() == 0)
		return 0;
	printf("skipped: containers need root\n");
	return 77;
}
