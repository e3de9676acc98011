/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layers: see layers.h, and snap.h for what is where.
 *
 * Of two who make the same layer at once the second finds the place taken and is content with that. A layer of files is
 * renamed to a locked tmp-* before its files go, so it is never half there; one that is a file goes by one unlink.
 */
#include "snap/layers.h"

#include "base/fd.h"
#include "base/path.h"
#include "codec/digest.h"
#include "snap/erofs_head.h"
#include "snap/files.h"
#include "snap/info.h"
#include "snap/kept.h"
#include "snap/mounted.h"
#include "snap/storage.h"
#include "snap/sum.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BIG_BLOCKS = (64 << 20) / 512 };

int snap_open(struct snap *s, int root, const char *path, bool rootless, struct err *e)
{
	struct stat st;
	const char *way = getenv("HULL_ROOTFS");
	if (!str_is_empty(way) && !str_eq(way, "copy") && !str_eq(way, "overlay"))
		return err_set(e, ERR_USAGE, "invalid HULL_ROOTFS \"%.40s\": overlay and copy are known", way);
	int fd = openat(root, "layers", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	/* Files of images, setuid ones among them, are nothing for the machine's other users: 0700. */
	if (fd < 0 && errno == ENOENT && (mkdirat(root, "layers", 0700) == 0 || errno == EEXIST))
		fd = openat(root, "layers", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "%s/layers", path);
	/* The initial user namespace has this number; without /proc the caller's word counts. */
	bool nested = stat("/proc/self/ns/user", &st) == 0 && st.st_ino != 0xeffffffd;
	*s = (struct snap){.root = root, .layers = fd, .rootless = rootless || nested};
	return 0;
}

void snap_drop(struct snap *s)
{
	mem_drop(&s->distrusted.v);
	kept_drop(s);
	mounted_drop(s);
	fd_drop(&s->layers);
}

struct distrusted { char id[DIGEST_TEXT]; ino_t ino; };

void snap_distrust(struct snap *s, const char *diff_id)
{
	struct stat st;
	if (!digest_is_valid(diff_id) || fstatat(s->layers, digest_hex(diff_id), &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	struct distrusted *v = mem_alloc((s->distrusted.n + 1) * sizeof *v);
	if (s->distrusted.n)
		memcpy(v, s->distrusted.v, s->distrusted.n * sizeof *v);
	snprintf(v[s->distrusted.n].id, sizeof v->id, "%s", diff_id);
	v[s->distrusted.n++].ino = st.st_ino;
	free(s->distrusted.v);
	s->distrusted.v = v;
}

/* What has taken its place, whoever put it there, is another file. */
static bool is_distrusted(const struct snap *s, const char *diff_id)
{
	struct stat st;
	for (size_t i = 0; i < s->distrusted.n; i++)
		if (strcmp(s->distrusted.v[i].id, diff_id) == 0)
			return fstatat(s->layers, digest_hex(diff_id), &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_ino == s->distrusted.v[i].ino;
	return false;
}

bool snap_has_layer(const struct snap *s, const char *diff_id)
{
	return digest_is_valid(diff_id) && path_exists(s->layers, digest_hex(diff_id)) && !is_distrusted(s, diff_id);
}

bool snap_layer_is_files(const struct snap *s, const char *diff_id)
{
	struct stat st;
	return digest_is_valid(diff_id) && fstatat(s->layers, digest_hex(diff_id), &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

int layers_check_id(const char *diff_id, struct err *e)
{
	return digest_is_valid(diff_id) ? 0 : err_set(e, ERR_CORRUPT, "invalid layer digest \"%.80s\"", diff_id);
}

static int load_info(const struct snap *s, const char *diff_id, struct snap_layer_info *ret, struct err *e)
{
	char path[DIGEST_TEXT + 16];
	struct stat st;
	own(fd) int fd = openat(s->layers, digest_hex(diff_id), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "open");
	if (!S_ISREG(st.st_mode)) {
		snprintf(path, sizeof path, "%s/layer.json", digest_hex(diff_id));
		return info_load(s->layers, path, ret, e);
	}
	struct erofs_head head;
	if (erofs_head_load(fd, &head, e) < 0)
		return -1;
	*ret = head.info;
	return 0;
}

int snap_layer_info(const struct snap *s, const char *diff_id, struct snap_layer_info *ret, struct err *e)
{
	if (layers_check_id(diff_id, e) < 0)
		return -1;
	if (!snap_has_layer(s, diff_id))
		return err_set(e, ERR_NOT_FOUND, "layer %.19s is not here", diff_id);
	return load_info(s, diff_id, ret, e) < 0 ? err_wrap(e, "layer %.19s", diff_id) : 0;
}

void layers_remove_tmp(struct snap *s, const char *name)
{
	int saved = errno;
	struct err ignored = {};
	(void)!path_remove_tree(s->layers, name, &ignored);
	errno = saved;
}

/*
 * Tells ext4 that layers have nothing to do with each other (chattr +T): it then puts each where there is room. Else they stand
 * close together, and where a layer was removed a moment ago each new file is searched for among inodes that may not be used yet.
 */
static void spread(int dir)
{
	int flags;
	if (ioctl(dir, FS_IOC_GETFLAGS, &flags) < 0 || flags & FS_TOPDIR_FL)
		return;
	flags |= FS_TOPDIR_FL;
	(void)!ioctl(dir, FS_IOC_SETFLAGS, &flags);
}

static int open_tmp(const struct snap *s, const char *name, bool file)
{
	if (file)
		return openat(s->layers, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	spread(s->layers);
	return mkdirat(s->layers, name, 0700) < 0 ? -1 : openat(s->layers, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

int layers_make_tmp(struct snap *s, bool file, char name[LAYER_TMP_NAME], struct err *e)
{
	static unsigned count;
	for (;;) {
		snprintf(name, LAYER_TMP_NAME, "tmp-%d-%u", (int)getpid(), count++);
		own(fd) int fd = open_tmp(s, name, file);
		if (fd < 0 && errno == EEXIST)
			continue;
		if (fd < 0 && errno != ENOENT) {
			layers_remove_tmp(s, name);
			return err_sys(e, "make a layer");
		}
		bool locked = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;
		if (!locked && errno != ENOENT && errno != EWOULDBLOCK) {
			layers_remove_tmp(s, name);
			return err_sys(e, "make a layer");
		}
		/* Before the flock somebody may have taken it for garbage. */
		struct stat at, held;
		bool seen = locked && fstat(fd, &held) == 0 && fstatat(s->layers, name, &at, AT_SYMLINK_NOFOLLOW) == 0;
		if (seen && at.st_ino == held.st_ino)
			return take_fd(fd);
		if (locked && !seen && errno != ENOENT) {
			layers_remove_tmp(s, name);
			return err_sys(e, "make a layer");
		}
	}
}

int layers_sweep(struct snap *s, struct err *e)
{
	if (s->swept)
		return 0;
	own(strv) struct strv names = {};
	if (path_list(s->layers, ".", &names, e) < 0)
		return err_wrap(e, "layers");
	for (size_t i = 0; i < names.n; i++) {
		if (!str_has_prefix(names.v[i], "tmp-"))
			continue;
		own(fd) int fd = openat(s->layers, names.v[i], O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
			layers_remove_tmp(s, names.v[i]);
	}
	storage_sweep(s, &names);
	s->swept = true;
	return 0;
}

static int rename_with(const struct snap *s, const char *from, const char *to, unsigned flags)
{
	return (int)syscall(SYS_renameat2, s->layers, from, s->layers, to, flags);
}

int layers_commit(struct snap *s, const char *name, const char *diff_id, struct err *e)
{
	if (is_distrusted(s, diff_id)) {
		if (layers_replace(s, name, diff_id, e) < 0)
			return -1;
		layers_remove_tmp(s, name);
		return 0;
	}
	int r = rename_with(s, name, digest_hex(diff_id), RENAME_NOREPLACE);
	/* A file system that has only the plain call. */
	if (r < 0 && (errno == EINVAL || errno == ENOSYS))
		r = renameat(s->layers, name, s->layers, digest_hex(diff_id));
	if (r < 0) {
		if (errno != EEXIST && errno != ENOTEMPTY && errno != EISDIR && errno != ENOTDIR)
			return err_sys(e, "commit");
		layers_remove_tmp(s, name);
		return 0;
	}
	return fsync(s->layers) < 0 ? err_sys(e, "sync") : 0;
}

int layers_replace(struct snap *s, const char *name, const char *diff_id, struct err *e)
{
	if (rename_with(s, name, digest_hex(diff_id), RENAME_EXCHANGE) < 0)
		return err_sys(e, "change places");
	return fsync(s->layers) < 0 ? err_sys(e, "sync") : 0;
}

/* Overlay's form, unless this file system cannot hold it: then overlay cannot be had here either. */
static enum whiteout_form choose_form(struct snap *s, int tmp)
{
	enum whiteout_form form = s->rootless ? WHITEOUT_OVERLAY_USER : WHITEOUT_OVERLAY;
	struct err why = {};
	if (str_eq(snap_driver(s), "copy"))
		return WHITEOUT_PLAIN;
	bool holds = whiteout_make(tmp, "probe", form, NULL, &why) == 0 && whiteout_make_opaque(tmp, form, &why) == 0;
	unlinkat(tmp, "probe", 0);
	if (holds || (why.sys != EPERM && why.sys != EOPNOTSUPP))
		return form;
	s->refused = true;
	return str_eq(snap_driver(s), "copy") ? WHITEOUT_PLAIN : form;
}

int layers_fill(struct snap *s, int tmp, struct stream *plain, uint64_t max_entries, struct snap_layer_info *ret, struct err *e)
{
	struct files a = {.tree = -1, .form = choose_form(s, tmp), .in_userns = s->rootless};
	const char *name = a.form == WHITEOUT_PLAIN ? "plain" : "tree";
	if (mkdirat(tmp, name, 0755) < 0)
		return err_sys(e, "make a layer");
	own(fd) int tree = path_open_dir(tmp, name, e);
	if (tree < 0)
		return -1;
	/* Whatever umask, setgid bit or access list the store has: not in the layer. */
	if (fchown(tree, 0, 0) < 0 || fchmod(tree, 0755) < 0)
		return err_sys(e, "make a layer");
	a.tree = tree;
	char sum[DIGEST_TEXT];
	if (files_unpack(&a, plain, max_entries, ret, e) < 0 || sum_tree(tree, sum, e) < 0 || sum_save(tmp, sum, e) < 0)
		return -1;
	if (a.form != WHITEOUT_PLAIN && whiteout_is_opaque(tree) && renameat(tmp, name, tmp, "opaque") < 0)
		return err_sys(e, "make a layer");
	return info_save(tmp, "layer.json", ret, e);
}

/*
 * The last one that has a big file open waits, when it closes it, until its pages and blocks are free: half a second for a gigabyte. So that is
 * an orphan's, which has nothing else of ours open. Killed, it has closed it.
 */
static void close_elsewhere(int *fd)
{
	int go[2], status;
	char none;
	struct err ignored = {};
	if (fd_pipe(go, &ignored) < 0)
		return;
	pid_t pid = fork();
	if (pid == 0) {
		if (fork() == 0) {
			const int keep[] = {*fd, go[0]};
			setsid();
			fd_close_from(0, keep, countof(keep));
			/* We are not the last before the other is through. */
			(void)!read(go[0], &none, 1);
		}
		_exit(0);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	fd_drop(fd);
	close(go[0]);
	close(go[1]);
}

static int remove_file(const struct snap *s, const char *diff_id, int *fd, const struct stat *st, struct err *e)
{
	if (unlinkat(s->layers, digest_hex(diff_id), 0) < 0 && errno != ENOENT)
		return err_sys(e, "remove layer %.19s", diff_id);
	if (st->st_blocks > BIG_BLOCKS)
		close_elsewhere(fd);
	return 0;
}

int snap_remove_layer(struct snap *s, const char *diff_id, struct err *e)
{
	static unsigned count;
	struct stat st;
	if (layers_check_id(diff_id, e) < 0)
		return -1;
	own(fd) int fd = openat(s->layers, digest_hex(diff_id), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(e, "remove layer %.19s", diff_id);
	/* Not to be had: another one who removes it. */
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? 0 : err_sys(e, "remove layer %.19s", diff_id);
	if (fstat(fd, &st) < 0)
		return err_sys(e, "remove layer %.19s", diff_id);
	mounted_forget(s, diff_id);
	if (!S_ISDIR(st.st_mode))
		return remove_file(s, diff_id, &fd, &st, e);
	char name[LAYER_TMP_NAME];
	snprintf(name, sizeof name, "tmp-%d-r%u", (int)getpid(), count++);
	if (renameat(s->layers, digest_hex(diff_id), s->layers, name) < 0)
		return errno == ENOENT ? 0 : err_sys(e, "remove layer %.19s", diff_id);
	return path_remove_tree(s->layers, name, e) < 0 ? err_wrap(e, "remove layer %.19s", diff_id) : 0;
}

int snap_list(struct snap *s, struct strv *ret, struct err *e)
{
	if (layers_sweep(s, e) < 0)
		return -1;
	own(strv) struct strv names = {};
	if (path_list(s->layers, ".", &names, e) < 0)
		return err_wrap(e, "layers");
	for (size_t i = 0; i < names.n; i++) {
		own(mem) char *id = mem_printf("%s:%s", strlen(names.v[i]) == 128 ? "sha512" : "sha256", names.v[i]);
		if (digest_is_valid(id))
			strv_add_take(ret, take(id));
	}
	strv_sort(ret);
	return 0;
}
