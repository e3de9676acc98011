/* SPDX-License-Identifier: Apache-2.0 */
/*
 * share: <root>/build/doing/<key> is locked while the step of that key is done, and removed before the lock is let go. The kernel lets it go
 * for a process that dies, so who waits asks now and then; asking costs one system call, and an interrupt is heard between two.
 */
#include "build/share.h"

#include "base/fd.h"
#include "base/path.h"
#include "build/interrupt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ASK_FIRST_MS = 1, ASK_LAST_MS = 20 };

/* -1 with ERR_CONFLICT: somebody has it. A file that was removed meanwhile is nobody's. */
static int try(int dir, const char *path, struct err *e)
{
	for (;;) {
		struct stat mine, there = {};
		own(fd) int fd = path_lock(dir, path, true, false, e);
		if (fd < 0)
			return -1;
		if (fstat(fd, &mine) < 0 || (fstatat(dir, path, &there, AT_SYMLINK_NOFOLLOW) < 0 && errno != ENOENT))
			return err_sys(e, "%s", path);
		if (mine.st_nlink && mine.st_ino == there.st_ino)
			return take_fd(fd);
	}
}

int share_take(struct step *x, const char key[65], struct share *ret, struct err *e)
{
	static const char told[] = "the same step is being done elsewhere: waiting for it\n";
	*ret = (struct share){.dir = x->b->cache.dir, .lock = -1};
	snprintf(ret->path, sizeof ret->path, "doing/%s", key);
	for (int ms = ASK_FIRST_MS; (ret->lock = try(ret->dir, ret->path, e)) < 0; ms = ms < ASK_LAST_MS ? 2 * ms : ASK_LAST_MS) {
		if (e->kind != ERR_CONFLICT)
			return err_wrap(e, "build cache");
		*e = (struct err){};
		if (!ret->waited)
			event_send(x->b, BUILD_OUTPUT, x->number, x->name, 0, told, sizeof told - 1);
		ret->waited = true;
		(void)interrupt_poll(NULL, 0, ms);
		if (interrupt_came())
			return err_set(e, ERR_CONFLICT, "interrupted");
	}
	return 0;
}

void share_drop(struct share *s)
{
	if (s->lock >= 0)
		unlinkat(s->dir, s->path, 0);
	fd_drop(&s->lock);
}

void share_sweep(int cache)
{
	own(strv) struct strv keys = {};
	struct err none = {};
	if (path_list(cache, "doing", &keys, &none) < 0)
		return;
	for (size_t i = 0; i < keys.n; i++) {
		struct share s = {.dir = cache};
		snprintf(s.path, sizeof s.path, "doing/%.64s", keys.v[i]);
		s.lock = try(cache, s.path, &none);
		share_drop(&s);
	}
}
