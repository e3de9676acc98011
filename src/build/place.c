/* SPDX-License-Identifier: Apache-2.0 */
#include "build/place.h"

#include "base/fd.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

enum { LINKS_MAX = 40 };

void place_drop(struct place *p)
{
	buf_drop(&p->path);
}

static void go_up(struct buf *path)
{
	const char *slash = path->len ? strrchr(path->data, '/') : NULL;
	path->len = slash ? (size_t)(slash - path->data) : 0;
	if (path->data)
		path->data[path->len] = 0;
}

static void go_down(struct buf *path, const char *name)
{
	if (path->len)
		buf_char(path, '/');
	buf_str(path, name);
}

/* 1: p->path exists; 0: it does not. */
static int look(int root, struct place *p, int *ret_fd, struct err *e)
{
	struct err why = {};
	*ret_fd = root < 0 ? -1 : path_open_in(root, p->path.len ? buf_text(&p->path) : ".", O_PATH | O_NOFOLLOW, 0, &why);
	if (*ret_fd < 0 && root >= 0 && why.kind != ERR_NOT_FOUND && why.sys != ENOTDIR)
		return *e = why, -1;
	if (*ret_fd < 0)
		return 0;
	return fstat(*ret_fd, &p->st) < 0 ? err_sys(e, "look at %.200s", buf_text(&p->path)) : 1;
}

int place_find(int root, const char *path, bool follow, struct place *ret, struct err *e)
{
	own(mem) char *rest = mem_dup(path);
	unsigned links = 0;
	bool looked = false; /* p->st is of p->path */
	*ret = (struct place){.path = BUF(PATH_MAX * 2), .exists = root >= 0};
	for (char *at = rest; *at;) {
		while (*at == '/')
			at++;
		size_t n = strcspn(at, "/");
		if (!n)
			break;
		bool last = at[n + strspn(at + n, "/")] == 0;
		own(mem) char *name = mem_ndup(at, n);
		at += n;
		if (strcmp(name, ".") == 0)
			continue;
		if (strcmp(name, "..") == 0) {
			go_up(&ret->path);
			looked = false;
			continue;
		}
		go_down(&ret->path, name);
		if (buf_check(&ret->path, e) < 0)
			return -1;
		own(fd) int fd = -1;
		int r = look(root, ret, &fd, e);
		if (r < 0)
			return -1;
		ret->exists = r == 1;
		looked = true;
		if (r == 0 || !S_ISLNK(ret->st.st_mode) || (last && !follow))
			continue;
		char target[PATH_MAX];
		ssize_t len = readlinkat(fd, "", target, sizeof target - 1);
		if (len < 0)
			return err_sys(e, "read the symlink %.200s", buf_text(&ret->path));
		target[len] = 0;
		if (++links > LINKS_MAX)
			return err_set(e, ERR_USAGE, "%.200s: too many symlinks", path);
		own(mem) char *joined = mem_printf("%s/%s", target, at);
		if (*target == '/')
			ret->path.len = 0;
		else
			go_up(&ret->path);
		if (ret->path.data)
			ret->path.data[ret->path.len] = 0;
		mem_drop(&rest);
		rest = take(joined);
		at = rest;
		looked = false;
	}
	if (looked)
		return 0;
	own(fd) int fd = -1;
	int r = look(root, ret, &fd, e);
	ret->exists = r == 1;
	return r < 0 ? -1 : 0;
}
