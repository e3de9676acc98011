/* SPDX-License-Identifier: Apache-2.0 */
/* sd_notify: datagrams to a unix socket; the path of one's own is bound below a directory fd, so that its length does not matter. See sd_notify.h. */
#include "sys/sd_notify.h"

#include "base/fd.h"
#include "base/str.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BARRIER_MS = 30000 };

const char *sd_notify_path(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	return str_is_empty(path) ? NULL : path;
}

int sd_notify_connect(const char *path, struct err *e)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
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

int sd_notify_send(int sock, const char *text, struct err *e)
{
	return send(sock, text, strlen(text), MSG_NOSIGNAL) < 0 ? err_sys(e, "NOTIFY_SOCKET") : 0;
}

int sd_notify_barrier(int sock, struct err *e)
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

int sd_notify_listen(int dir, const char *name, struct err *e)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	own(fd) int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	snprintf(a.sun_path, sizeof a.sun_path, "/proc/self/fd/%d/%s", dir, name);
	unlinkat(dir, name, 0);
	if (sock < 0 || bind(sock, (struct sockaddr *)&a, sizeof a) < 0 || fchmodat(dir, name, 0777, 0) < 0)
		return err_sys(e, "notify socket");
	return take_fd(sock);
}
