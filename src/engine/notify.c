/* SPDX-License-Identifier: Apache-2.0 */
/* notify: two sockets, the host's and the container's; of what the container says line by line is kept what it may say of itself. See notify.h. */
#include "engine/notify.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/str.h"
#include "sys/sd_notify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MESSAGE_MOST = 4096, AT_ONCE = 16, FDS_MOST = 1024 };

void notify_drop(struct notify *n)
{
	fd_drop(&n->host);
	fd_drop(&n->sock);
}

int notify_parse(const char *text, enum notify_mode *ret, struct err *e)
{
	static const struct { const char *name; enum notify_mode mode; } modes[] = {{"container", NOTIFY_CONTAINER}, {"monitor", NOTIFY_MONITOR},
		{"conmon", NOTIFY_MONITOR}, {"healthy", NOTIFY_HEALTHY}, {"ignore", NOTIFY_IGNORE}};
	*ret = NOTIFY_CONTAINER;
	for (size_t i = 0; i < countof(modes); i++)
		if (str_eq(text, modes[i].name)) {
			*ret = modes[i].mode;
			return 0;
		}
	return str_is_empty(text) ? 0 : err_set(e, ERR_USAGE, "invalid --sdnotify \"%.60s\": container, monitor, healthy and ignore are known", text);
}

int notify_open(const struct container_record *r, int run_dir, struct notify *ret, struct err *e)
{
	const char *path = sd_notify_path();
	*ret = (struct notify){.host = -1, .sock = -1};
	if (notify_parse(r->host.sdnotify, &ret->mode, e) < 0)
		return -1;
	if (!path || ret->mode == NOTIFY_IGNORE)
		return 0;
	own(fd) int host = sd_notify_connect(path, e);
	if (host < 0)
		return -1;
	if (ret->mode == NOTIFY_CONTAINER) {
		if (mkdirat(run_dir, "notify", 0755) < 0 && errno != EEXIST)
			return err_sys(e, "notify socket");
		own(fd) int dir = openat(run_dir, "notify", O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (dir < 0)
			return err_sys(e, "notify socket");
		ret->sock = sd_notify_listen(dir, "notify.sock", e);
		if (ret->sock < 0)
			return -1;
	}
	ret->host = take_fd(host);
	return 0;
}

/* A manager that does not read makes nobody wait. */
static void tell(const struct notify *n, const char *text, size_t len)
{
	(void)!send(n->host, text, len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Before the command that started the container ends, so that the manager knows who comes after it. */
void notify_started(struct notify *n)
{
	char text[64];
	struct err ignored = {};
	if (n->host < 0)
		return;
	snprintf(text, sizeof text, "MAINPID=%d%s", (int)getpid(), n->mode == NOTIFY_MONITOR ? "\nREADY=1" : "");
	(void)!sd_notify_send(n->host, text, &ignored);
	n->ready = n->mode == NOTIFY_MONITOR;
}

void notify_healthy(struct notify *n)
{
	if (n->host < 0 || n->mode != NOTIFY_HEALTHY || n->ready)
		return;
	n->ready = true;
	tell(n, "READY=1", 7);
}

static bool is_its_own(const char *line)
{
	static const char *const keys[] = {"READY=", "RELOADING=", "STOPPING=", "STATUS=", "ERRNO=", "BUSERROR=", "VARLINKERROR=", "WATCHDOG=",
		"WATCHDOG_USEC=", "EXTEND_TIMEOUT_USEC=", "MONOTONIC_USEC=", "EXIT_STATUS="};
	for (size_t i = 0; i < countof(keys); i++)
		if (str_has_prefix(line, keys[i]))
			return true;
	return false;
}

void notify_serve(struct notify *n)
{
	char text[MESSAGE_MOST + 1], out[MESSAGE_MOST + 1];
	ssize_t len;
	for (int i = 0; n->sock >= 0 && i < AT_ONCE && (len = recv(n->sock, text, MESSAGE_MOST, MSG_DONTWAIT)) >= 0; i++) {
		size_t to = 0;
		text[len] = 0;
		for (char *rest = text, *line; (line = strsep(&rest, "\n"));) {
			size_t k = strlen(line);
			if (!is_its_own(line))
				continue;
			memcpy(out + to, line, k);
			out[to + k] = '\n';
			to += k + 1;
		}
		if (to)
			tell(n, out, to - 1);
	}
}

static int kept = -1;

void notify_keep_listen_fds(int n)
{
	kept = n;
}

int notify_listen_fds(void)
{
	const char *pid = getenv("LISTEN_PID"), *text = getenv("LISTEN_FDS");
	struct err ignored = {};
	uint64_t owner, n;
	int open = 0;
	if (kept >= 0)
		return kept;
	if (!pid || !text || num_u64(pid, INT32_MAX, &owner, "LISTEN_PID", &ignored) < 0 || owner != (uint64_t)getpid() ||
		num_u64(text, FDS_MOST, &n, "LISTEN_FDS", &ignored) < 0)
		return 0;
	while ((uint64_t)open < n && fcntl(3 + open, F_GETFD) >= 0)
		open++;
	return open;
}
