/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bundle: the order of things, so that a runtime that is killed anywhere leaves nothing that `delete --force` does not find:
 *
 *   the state's directory, locked; the configuration's copy in it
 *   control groups; state.json, which names them
 *   the process, everything set up; state.json again, with its number
 *   pid file, pidfd
 *   the process is told that it is on its own (container_leave): up to here it ends when we do
 */
#include "oci/bundle.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "oci/foreground.h"
#include "oci/notify.h"
#include "runtime/annotations.h"
#include "runtime/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

void oci_creation_drop(struct oci_creation *x)
{
	fd_drop(&x->console);
	fd_drop(&x->listen);
	fd_drop(&x->notify);
	if (x->create.seccomp_cache > 0)
		fd_drop(&x->create.seccomp_cache);
	container_drop(&x->container);
	oci_container_drop(&x->c);
}

int oci_connect(const char *path, const char *what, struct err *e)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof a.sun_path)
		return err_set(e, ERR_USAGE, "%s: a path of more than %zu bytes", what, sizeof a.sun_path - 1);
	memcpy(a.sun_path, path, strlen(path));
	own(fd) int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sock < 0 || connect(sock, (struct sockaddr *)&a, sizeof a) < 0)
		return err_sys(e, "%s %s", what, path);
	return take_fd(sock);
}

int oci_write_pid_file(const char *path, pid_t pid, struct err *e)
{
	char text[24];
	if (str_is_empty(path))
		return 0;
	int n = snprintf(text, sizeof text, "%d", (int)pid);
	return path_write(AT_FDCWD, path, text, (size_t)n, 0644, 0, e) < 0 ? err_wrap(e, "--pid-file %s", path) : 0;
}

int oci_send_pidfd(const char *path, const char *what, int pidfd, struct err *e)
{
	static const char word[] = "pidfd";
	if (str_is_empty(path))
		return 0;
	own(fd) int sock = oci_connect(path, what, e);
	return sock < 0 ? -1 : fd_send(sock, word, sizeof word - 1, &pidfd, 1, e);
}

int oci_send_console(int sock, int master, struct err *e)
{
	char name[32];
	int number;
	/* runc sends the name along, as it is inside. */
	snprintf(name, sizeof name, "/dev/pts/%d", ioctl(master, TIOCGPTN, &number) < 0 ? 0 : number);
	return fd_send(sock, name, strlen(name), &master, 1, e) < 0 ? err_wrap(e, "console socket") : 0;
}

int oci_preserve_fds(const struct opt_num *asked, struct arena *a, struct spec_process *p, int *ret, struct err *e)
{
	const char *text = getenv("LISTEN_FDS");
	const char *names = getenv("LISTEN_FDNAMES"), *pid = getenv("LISTEN_PID");
	uint64_t listen = 0;
	if (asked->v > 1024)
		return err_set(e, ERR_USAGE, "--preserve-fds %lld: more than 1024", (long long)asked->v);
	/* They are for one process, when it says which. */
	bool others = !str_is_empty(pid) && strtol(pid, NULL, 10) != getpid();
	if (!str_is_empty(text) && !others && num_u64(text, 1024, &listen, "LISTEN_FDS", e) < 0)
		return -1;
	/* What we open is closed at an exec, so what was left open for us is not: none of ours is taken for one of them. */
	for (int i = 3; i < 3 + (int)asked->v + (int)listen; i++) {
		int flags = fcntl(i, F_GETFD);
		if (flags < 0 || flags & FD_CLOEXEC)
			return err_set(e, ERR_USAGE, "file descriptor %d is to be preserved, but it is not open", i);
	}
	*ret = (int)asked->v + (int)listen;
	if (!p || !listen)
		return 0;
	oci_set_env(a, p, arena_printf(a, "LISTEN_FDS=%llu", (unsigned long long)listen));
	oci_set_env(a, p, "LISTEN_PID=1");
	if (names)
		oci_set_env(a, p, arena_printf(a, "LISTEN_FDNAMES=%s", names));
	return 0;
}

int oci_read_document(const char *path, struct buf *out, struct err *e)
{
	struct stat st;
	own(fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return err_sys(e, "%s", path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(e, ERR_USAGE, "%s: not a regular file", path);
	if (st.st_size > OCI_DOCUMENT_MAX)
		return err_set(e, ERR_LIMIT, "%s: %lld bytes, a configuration has at most %d", path, (long long)st.st_size, OCI_DOCUMENT_MAX);
	return fd_read_to_end(fd, out) < 0 ? err_sys(e, "%s", path) : 0;
}

static int load(struct oci_creation *x, struct err *e)
{
	const struct oci_create_options *o = x->options;
	own(buf) struct buf text = BUF(OCI_DOCUMENT_MAX + 1);
	own(mem) char *bundle = realpath(o->bundle ? o->bundle : ".", NULL);
	if (!bundle)
		return err_sys(e, "bundle %s", o->bundle ? o->bundle : ".");
	own(mem) char *config = o->config ? mem_dup(o->config) : mem_printf("%s/config.json", bundle);
	if (oci_read_document(config, &text, e) < 0 || oci_take_spec(&x->c, &text, e) < 0)
		return -1;
	x->c.state.bundle = arena_dup(&x->c.arena, bundle);
	const struct spec_root *root = x->c.spec.root;
	if (root && !str_is_empty(root->path))
		x->c.state.rootfs = root->path[0] == '/' ? root->path : arena_printf(&x->c.arena, "%s/%s", bundle, root->path);
	return 0;
}

static int open_console(struct oci_creation *x, bool leave, struct err *e)
{
	const struct oci_create_options *o = x->options;
	bool terminal = x->c.spec.process && x->c.spec.process->terminal;
	if (!terminal && o->console_socket)
		return err_set(e, ERR_USAGE, "--console-socket: the configuration asks for no terminal (process.terminal)");
	if (terminal && !o->console_socket && (leave || o->detach))
		return err_set(e, ERR_USAGE, "a terminal (process.terminal) needs --console-socket when the container is left alone");
	if (!o->console_socket) {
		if (terminal)
			foreground_size(&x->c.arena, x->c.spec.process);
		return 0;
	}
	x->console = oci_connect(o->console_socket, "--console-socket", e);
	return x->console < 0 ? -1 : 0;
}

static int open_start(struct oci_creation *x, struct err *e)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	x->listen = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	snprintf(a.sun_path, sizeof a.sun_path, "/proc/self/fd/%d/start", x->c.dir);
	if (x->listen < 0 || bind(x->listen, (struct sockaddr *)&a, sizeof a) < 0 || listen(x->listen, 4) < 0)
		return err_sys(e, "start socket");
	return 0;
}

static int save_prepared(const struct container *ct, void *arg, struct err *e)
{
	struct oci_creation *x = arg;
	oci_set_cgroup(&x->c, &ct->cgroup);
	oci_set_rdt(&x->c, &ct->rdt);
	return oci_container_save(&x->c, e);
}

static enum cgroup_manager cgroup_manager(void)
{
	if (oci_options.systemd_cgroup || str_eq(oci_options.cgroup_manager, "systemd"))
		return CGROUP_MANAGER_SYSTEMD;
	return str_eq(oci_options.cgroup_manager, "disabled") ? CGROUP_MANAGER_DISABLED : CGROUP_MANAGER_CGROUPFS;
}

/* What is left in its directory goes with that of the state. */
static int restore_container(struct oci_creation *x, struct err *e)
{
	char link[40], dir[PATH_MAX];
	snprintf(link, sizeof link, "/proc/self/fd/%d", x->c.dir);
	ssize_t n = readlink(link, dir, sizeof dir - 1);
	if (n < 0 || mkdirat(x->c.dir, "criu", 0700) < 0)
		return err_sys(e, "state of container %s", x->c.state.id);
	dir[n] = 0;
	const struct container_restore r = {.create = &x->create, .dir = arena_printf(&x->c.arena, "%s/criu", dir), .options = x->restore};
	return container_restore(&r, &x->container, e);
}

static int make_container(struct oci_creation *x, struct err *e)
{
	const struct oci_create_options *o = x->options;
	int preserve = 0;
	if (oci_preserve_fds(&o->preserve_fds, &x->c.arena, x->c.spec.process, &preserve, e) < 0)
		return -1;
	x->create = (struct container_create){.id = x->c.state.id, .spec = &x->c.spec, .rootfs = -1, .stdio = {0, 1, 2}, .console = x->console,
		.preserve_fds = preserve, .bundle = x->c.state.bundle, .seccomp_cache = oci_seccomp_cache(&x->c), .start_listen = x->listen,
		.no_pivot = o->no_pivot, .no_new_keyring = o->no_new_keyring,
		.prepared = save_prepared, .arg = x, .cgroup_manager = cgroup_manager()};
	if (!x->c.spec.process || !x->c.spec.process->terminal)
		container_name_files(x->create.stdio, &x->c.arena, &x->c.state.descriptors);
	return x->restore ? restore_container(x, e) : container_create(&x->create, &x->container, e);
}

static int publish(struct oci_creation *x, struct err *e)
{
	const struct oci_create_options *o = x->options;
	oci_set_cgroup(&x->c, &x->container.cgroup);
	x->c.state.pid = x->container.pid;
	x->c.state.start_time = x->container.start_time;
	if (oci_container_save(&x->c, e) < 0 || oci_write_pid_file(o->pid_file, x->container.pid, e) < 0)
		return -1;
	const char *receiver = annotation_get(&x->c.spec, ANNOTATION_PIDFD_RECEIVER);
	return oci_send_pidfd(o->pidfd_socket, "--pidfd-socket", x->container.pidfd, e) < 0 ? -1
		: oci_send_pidfd(receiver, annotation_key(ANNOTATION_PIDFD_RECEIVER), x->container.pidfd, e);
}

int oci_remove(struct oci_creation *x, struct err *e)
{
	int r = container_remove(&x->container, e);
	if (x->container.warning[0])
		oci_warn("%s", x->container.warning);
	struct err second = {};
	if (oci_container_forget(&x->c, &second) < 0 && r == 0) {
		*e = second;
		return -1;
	}
	return r;
}

/* Criu puts processes into a time namespace, so that their clocks go on where they stopped: who executes something in the container
 * has to join it. Only the state's copy of the configuration says so. */
static int note_time_namespace(struct oci_creation *x, struct err *e)
{
	struct stat its, ours;
	own(mem) char *path = mem_printf("/proc/%d/ns/time", (int)x->container.pid);
	if (!x->restore || spec_namespace(&x->c.spec, "time") || stat(path, &its) < 0 || stat("/proc/self/ns/time", &ours) < 0 ||
		its.st_ino == ours.st_ino)
		return 0;
	own(buf) struct buf b = {};
	struct json *row = json_new_object(), *rows = json_get(json_get(x->c.config_doc, "linux"), "namespaces");
	json_set_str(row, "type", "time");
	if (!rows) {
		json_drop(&row);
		return 0;
	}
	json_add(rows, row);
	json_format(x->c.config_doc, 0, &b);
	if (buf_check(&b, e) < 0 || path_write(x->c.dir, "config.json", b.data, b.len, 0600, 0, e) < 0)
		return err_wrap(e, "state of container %s", x->c.state.id);
	return 0;
}

static void undo(struct oci_creation *x)
{
	struct err ignored = {};
	if (x->container.pid) {
		container_reap(&x->container);
		(void)!container_remove(&x->container, &ignored);
	}
	(void)!oci_container_forget(&x->c, &ignored);
}

int oci_create(const char *id, const struct oci_create_options *o, bool leave, struct oci_creation *ret, struct err *e)
{
	struct oci_creation *x = ret;
	x->options = o;
	if (oci_container_make(id, &x->c, e) < 0)
		return -1;
	if (load(x, e) < 0 || (x->restore ? oci_notify_restore(&x->c, x->restore->images_dir, e) : oci_notify_prepare(&x->c, &x->notify, e)) < 0 ||
		open_console(x, leave, e) < 0 || (leave && open_start(x, e) < 0) || make_container(x, e) < 0 ||
		note_time_namespace(x, e) < 0 || publish(x, e) < 0 || (leave && container_leave(&x->container, e) < 0)) {
		undo(x);
		return -1;
	}
	if (x->container.warning[0])
		oci_warn("%s", x->container.warning);
	x->container.warning[0] = 0;
	fd_drop(&x->listen);
	fd_drop(&x->console);
	fd_drop(&x->notify);
	return 0;
}
