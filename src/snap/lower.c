/* SPDX-License-Identifier: Apache-2.0 */
#include "snap/lower.h"

#include "base/fd.h"
#include "codec/digest.h"
#include "snap/apply.h"
#include "snap/erofs_head.h"
#include "snap/erofs_mount.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { METADATA_AHEAD = 1 << 20 };

static int open_form(int layers, const char *diff_id, const char *form, int mode, struct err *e)
{
	char path[DIGEST_TEXT + 8];
	if (!digest_is_valid(diff_id))
		return err_set(e, ERR_CORRUPT, "invalid layer digest \"%.80s\"", diff_id);
	snprintf(path, sizeof path, "%s/%s", digest_hex(diff_id), form);
	int fd = openat(layers, path, mode | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? err_sys(e, "layer %.19s", diff_id) : fd;
}

static int open_file(int layers, const char *diff_id, struct erofs_head *ret, struct err *e)
{
	own(fd) int fd = openat(layers, digest_hex(diff_id), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "layer %.19s", diff_id);
	return erofs_head_load(fd, ret, e) < 0 ? err_wrap(e, "layer %.19s", diff_id) : take_fd(fd);
}

/* The kernel reads EROFS's metadata page by page, each for itself: where they are not in memory yet, the first of them come better at once. */
static void read_ahead(int file, off_t size, off_t from)
{
	char last;
	struct iovec v = {&last, 1};
	off_t n = size <= from ? 0 : size - from < METADATA_AHEAD ? size - from : METADATA_AHEAD;
	if (n && preadv2(file, &v, 1, from + n - 1, RWF_NOWAIT) != 1)
		(void)!posix_fadvise(file, from, n, POSIX_FADV_WILLNEED);
}

int lower_mount(int layers, const char *diff_id, struct lower *ret, struct err *e)
{
	struct erofs_head head;
	struct stat st;
	own(fd) int file = open_file(layers, diff_id, &head, e);
	if (file < 0)
		return -1;
	if (fstat(file, &st) < 0)
		return err_sys(e, "layer %.19s", diff_id);
	int m = erofs_mount(file, NULL, e);
	if (m < 0 && (e->kind == ERR_UNSUPPORTED || e->sys == EINVAL || e->sys == ENOTBLK))
		return err_wrap(e, "layer %.19s (\"hull system migrate files\" makes files of it)", diff_id);
	if (m < 0)
		return err_wrap(e, "layer %.19s", diff_id);
	read_ahead(file, st.st_size, (off_t)(EROFS_TAR_AT + head.tar_bytes));
	*ret = (struct lower){.fd = m, .mount = true, .last = head.opaque, .dev = st.st_dev, .ino = st.st_ino};
	return 0;
}

int lower_open(int layers, const char *diff_id, struct lower *ret, struct err *e)
{
	struct lower l = {.fd = open_form(layers, diff_id, "tree", O_PATH, e)};
	if (l.fd < 0 && e->sys == ENOENT) {
		l.fd = open_form(layers, diff_id, "opaque", O_PATH, e);
		l.last = true;
	}
	if (l.fd < 0)
		return -1;
	*ret = l;
	return 0;
}

int lower_open_to_read(int layers, const char *diff_id, struct err *e)
{
	static const char *const forms[] = {"tree", "opaque", "plain"};
	int fd = -1;
	for (size_t i = 0; i < countof(forms) && (i == 0 || e->sys == ENOENT); i++) {
		fd = open_form(layers, diff_id, forms[i], O_RDONLY, e);
		if (fd >= 0)
			return fd;
	}
	if (e->sys != ENOTDIR)
		return -1;
	struct lower l;
	if (lower_mount(layers, diff_id, &l, e) < 0)
		return -1;
	own(fd) int m = l.fd;
	fd = openat(m, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_sys(e, "layer %.19s", diff_id) : fd;
}

bool lower_is_plain(int layers, const char *diff_id)
{
	struct err ignored = {};
	own(fd) int fd = open_form(layers, diff_id, "plain", O_PATH, &ignored);
	return fd >= 0;
}

bool lower_is_file(int layers, const char *diff_id)
{
	struct stat st;
	return digest_is_valid(diff_id) && fstatat(layers, digest_hex(diff_id), &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

bool lower_root_is_said(const struct stat *st)
{
	return st->st_mtim.tv_sec != 0 || st->st_mtim.tv_nsec != APPLY_ROOT_UNSAID;
}

int lower_root(int layers, const char *diff_id, struct stat *ret, bool *ret_said, bool *ret_last, struct err *e)
{
	struct erofs_head head;
	struct lower l = {.fd = open_form(layers, diff_id, "tree", O_PATH, e)};
	if (l.fd < 0 && e->sys == ENOTDIR) {
		own(fd) int file = open_file(layers, diff_id, &head, e);
		if (file < 0)
			return -1;
		*ret = (struct stat){.st_mode = S_IFDIR | head.root_mode, .st_uid = head.root_uid, .st_gid = head.root_gid};
		*ret_said = head.root_said;
		*ret_last = head.opaque;
		return 0;
	}
	if (l.fd < 0 && e->sys == ENOENT) {
		l.fd = open_form(layers, diff_id, "opaque", O_PATH, e);
		l.last = true;
	}
	own(fd) int tree = l.fd;
	if (tree < 0)
		return -1;
	if (fstat(tree, ret) < 0)
		return err_sys(e, "layer %.19s", diff_id);
	*ret_said = lower_root_is_said(ret);
	*ret_last = l.last;
	return 0;
}
