/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notify: see notify.h. The socket is in the state's directory <id>/notify, which is bound into the container, so that it can be
 * made anew by another process (start) than the one that made the container.
 */
#include "oci/notify.h"

#include "base/fd.h"
#include "base/path.h"
#include "sys/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define PLACE "/run/notify"
enum { BARRIER_MS = 30000, MESSAGE_MAX = 4096 };

static const char *host(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	return str_is_empty(path) ? NULL : path;
}

/* A plain user clones no mount; then the path has to do. */
static int add_mount(struct oci_container *c, int *ret_mount, struct err *e)
{
	char link[40], dir[4096];
	snprintf(link, sizeof link, "/proc/self/fd/%d", c->dir);
	ssize_t n = readlink(link, dir, sizeof dir - 1);
	if (n < 0)
		return err_sys(e, "state of container %s", c->state.id);
	dir[n] = 0;
	struct err ignored = {};
	int mount = mount_clone(c->dir, "notify", false, &ignored);
	struct spec_mount *m = arena_push(&c->arena, &c->spec.mounts);
	*m = (struct spec_mount){.destination = arena_dup(&c->arena, PLACE), .type = arena_dup(&c->arena, "bind"),
		.source = arena_printf(&c->arena, "%s/notify", dir), .ready = mount > 0 ? mount : 0};
	static const char *const words[] = {"bind", "nosuid", "noexec", "nodev", "ro"};
	for (size_t i = 0; i < countof(words); i++)
		arena_strv_add(&c->arena, &m->options, words[i]);
	*ret_mount = mount;
	return 0;
}

int oci_notify_prepare(struct oci_container *c, int *ret_mount, struct err *e)
{
	if (!host() || !c->spec.process)
		return 0;
	if (mkdirat(c->dir, "notify", 0755) < 0)
		return err_sys(e, "state of container %s", c->state.id);
	oci_set_env(&c->arena, c->spec.process, "NOTIFY_SOCKET=" PLACE "/notify.sock");
	return add_mount(c, ret_mount, e);
}

static int add_bind(struct oci_container *c, struct err *e)
{
	int mount = -1;
	if (add_mount(c, &mount, e) < 0)
		return -1;
	fd_drop(&mount);
	c->spec.mounts.v[c->spec.mounts.n - 1].ready = 0;
	return 0;
}

static const char mark[] = "notify.hull";

int oci_notify_save(struct oci_container *c, int images, struct err *e)
{
	if (!path_exists(c->dir, "notify"))
		return unlinkat(images, mark, 0) < 0 && errno != ENOENT ? err_sys(e, "%s", mark) : 0;
	return path_write(images, mark, "", 0, 0600, 0, e) < 0 ? -1 : add_bind(c, e);
}

int oci_notify_restore(struct oci_container *c, int images, struct err *e)
{
	if (!path_exists(images, mark))
		return 0;
	if (mkdirat(c->dir, "notify", 0755) < 0)
		return err_sys(e, "state of container %s", c->state.id);
	return add_bind(c, e);
}

int oci_notify_listen(const struct oci_container *c, int *ret, struct err *e)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	own(fd) int dir = host() ? openat(c->dir, "notify", O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	*ret = -1;
	if (dir < 0)
		return host() && errno != ENOENT ? err_sys(e, "state of container %s", c->state.id) : 0;
	own(fd) int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	snprintf(a.sun_path, sizeof a.sun_path, "/proc/self/fd/%d/notify.sock", dir);
	unlinkat(dir, "notify.sock", 0);
	if (sock < 0 || bind(sock, (struct sockaddr *)&a, sizeof a) < 0 || fchmodat(dir, "notify.sock", 0777, 0) < 0)
		return err_sys(e, "notify socket");
	*ret = take_fd(sock);
	return 0;
}

static int connect_host(struct err *e)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	const char *path = host();
	size_t n = strlen(path);
	if (n >= sizeof a.sun_path || (*path != '/' && *path != '@'))
		return err_set(e, ERR_USAGE, "NOTIFY_SOCKET %.120s: neither an absolute path nor an abstract name", path);
	memcpy(a.sun_path, path, n);
	if (*path == '@')
		a.sun_path[0] = 0;
	own(fd) int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock < 0 || connect(sock, (struct sockaddr *)&a, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) < 0)
		return err_sys(e, "NOTIFY_SOCKET %s", path);
	return take_fd(sock);
}

/* Whoever leaves right after a message may be gone before it is known whose it was: systemd closes the pipe when it has read all that
 * came before (sd_notify_barrier(3)). */
static int wait_for_barrier(int sock, struct err *e)
{
	int p[2];
	if (fd_pipe(p, e) < 0)
		return -1;
	int r = fd_send(sock, "BARRIER=1", 9, &p[1], 1, e);
	close(p[1]);
	struct pollfd f = {.fd = p[0]};
	while (r == 0 && poll(&f, 1, BARRIER_MS) < 0 && errno == EINTR)
		;
	close(p[0]);
	return r;
}

static int tell(pid_t pid, struct err *e)
{
	char text[64] = "READY=1";
	if (pid)
		snprintf(text, sizeof text, "MAINPID=%d\nREADY=1", (int)pid);
	own(fd) int sock = connect_host(e);
	if (sock < 0)
		return -1;
	if (send(sock, text, strlen(text), MSG_NOSIGNAL) < 0)
		return err_sys(e, "NOTIFY_SOCKET");
	return pid ? wait_for_barrier(sock, e) : 0;
}

/* Reads what has come. True when READY=1 was there. */
static bool is_ready(int sock)
{
	char text[MESSAGE_MAX + 1];
	ssize_t n;
	while ((n = recv(sock, text, MESSAGE_MAX, MSG_DONTWAIT)) >= 0) {
		text[n] = 0;
		for (char *rest = text, *line; (line = strsep(&rest, "\n"));)
			if (strcmp(line, "READY=1") == 0)
				return true;
	}
	return false;
}

int oci_notify_wait(int sock, pid_t pid, int pidfd, struct err *e)
{
	for (;;) {
		struct pollfd p[2] = {{.fd = sock, .events = POLLIN}, {.fd = pidfd, .events = POLLIN}};
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return err_sys(e, "wait for READY=1");
		/* One that said so and ended at once was ready. */
		if (is_ready(sock))
			return tell(pid, e);
		if (p[1].revents)
			return 0;
	}
}

void oci_notify_pass(int sock)
{
	struct err why = {};
	if (is_ready(sock) && tell(0, &why) < 0)
		oci_warn("%s", why.text);
}
