/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notify: see notify.h. The socket is in the state's directory <id>/notify, which is bound into the container, so that it can be
 * made anew by another process (start) than the one that made the container.
 */
#include "oci/notify.h"

#include "base/fd.h"
#include "base/path.h"
#include "sys/mount.h"
#include "sys/sd_notify.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define PLACE "/run/notify"
enum { MESSAGE_MAX = 4096 };

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
	if (!sd_notify_path() || !c->spec.process)
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
	own(fd) int dir = sd_notify_path() ? openat(c->dir, "notify", O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	*ret = -1;
	if (dir < 0)
		return sd_notify_path() && errno != ENOENT ? err_sys(e, "state of container %s", c->state.id) : 0;
	*ret = sd_notify_listen(dir, "notify.sock", e);
	return *ret < 0 ? -1 : 0;
}

static int tell(pid_t pid, struct err *e)
{
	char text[64] = "READY=1";
	if (pid)
		snprintf(text, sizeof text, "MAINPID=%d\nREADY=1", (int)pid);
	own(fd) int sock = sd_notify_connect(sd_notify_path(), e);
	return sock < 0 || sd_notify_send(sock, text, e) < 0 ? -1 : pid ? sd_notify_barrier(sock, e) : 0;
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
