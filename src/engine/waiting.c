/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   <container's directory>/waiting/<streams>.<random>     a listening unix socket of the one who waits
 *
 * The start connects to each and hands the connections to the monitor. Nobody has to answer for that: a connection is there as soon as
 * the one who waits listens, and what is written to it is kept by the kernel until he takes it. Who was killed leaves a socket that refuses. As the
 * socket is made and looked for under the container's lock, none is seen half made.
 *
 * The folder is there only while somebody waits: for all other starts this is one openat() that fails.
 */
#include "engine/waiting.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "monitor/monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 4, TRIES = 100 };
static const char folder[] = "waiting";

static struct sockaddr_un address(int dir, const char *name)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	snprintf(a.sun_path, sizeof a.sun_path, "/proc/self/fd/%d/%s", dir, name);
	return a;
}

int waiting_open(const struct container_entry *c, unsigned streams, struct waiting *ret, struct err *e)
{
	char id[ID_LEN + 1];
	own(fd) int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sock < 0)
		return err_sys(e, "make a socket");
	num_random_id(id);
	snprintf(ret->name, sizeof ret->name, "%u.%.16s", streams, id);
	/* Another one who goes takes the folder away. */
	for (int i = 0; i < TRIES; i++) {
		fd_drop(&ret->dir);
		if (mkdirat(c->dir, folder, 0700) < 0 && errno != EEXIST)
			return err_sys(e, "wait for the start");
		ret->dir = openat(c->dir, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		struct sockaddr_un a = address(ret->dir, ret->name);
		if (ret->dir >= 0 && bind(sock, (struct sockaddr *)&a, sizeof a) == 0) {
			if (listen(sock, BACKLOG) < 0)
				break;
			ret->listener = take_fd(sock);
			return 0;
		}
		if (errno != ENOENT)
			break;
	}
	return err_sys(e, "wait for the start");
}

int waiting_accept(const struct waiting *w)
{
	return accept4(w->listener, NULL, NULL, SOCK_CLOEXEC);
}

void waiting_drop(struct waiting *w)
{
	if (w->listener >= 0) {
		unlinkat(w->dir, w->name, 0);
		/* Fails while others wait. Not by its path: the container may be gone, or renamed by then. */
		own(fd) int above = openat(w->dir, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (above >= 0)
			unlinkat(above, folder, AT_REMOVEDIR);
	}
	fd_drop(&w->listener);
	fd_drop(&w->dir);
}

/* Full means that he does not take what he was given before: he is asleep, and is passed over. */
static int join(int dir, const char *name)
{
	struct sockaddr_un a = address(dir, name);
	own(fd) int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sock < 0)
		return -1;
	if (connect(sock, (struct sockaddr *)&a, sizeof a) == 0)
		return take_fd(sock);
	if (errno == ECONNREFUSED)
		unlinkat(dir, name, 0);
	return -1;
}

size_t waiting_take(int container_dir, struct monitor_client *ret, size_t room)
{
	own(fd) int dir = openat(container_dir, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	own(strv) struct strv names = {};
	struct err ignored = {};
	size_t n = 0;
	if (dir < 0 || path_list(dir, ".", &names, &ignored) < 0)
		return 0;
	for (size_t i = 0; i < names.n && n < room; i++) {
		int sock = join(dir, names.v[i]);
		if (sock >= 0)
			ret[n++] = (struct monitor_client){sock, (unsigned)strtoul(names.v[i], NULL, 10)};
	}
	if (!n)
		unlinkat(container_dir, folder, AT_REMOVEDIR);
	return n;
}
