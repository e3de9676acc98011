/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"

static int configure(int fs, const char *type, const struct mount_option *options, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		const struct mount_option *o = &options[i];
		if (syscall(SYS_fsconfig, fs, o->value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, o->key, o->value, 0) < 0) {
			err_sys_(e, "%s: option %s%s%s", type, o->key, o->value ? "=" : "", o->value ? o->value : "");
			if (e->sys == EINVAL)
				e->kind = ERR_USAGE;
			return -1;
		}
	}
	return 0;
}

int mount_reconfigure(int at, const struct mount_option *options, size_t n, struct err *e)
{
	own(fd) int fs = (int)syscall(SYS_fspick, at, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);
	if (fs < 0)
		return err_sys(e, "remount");
	if (configure(fs, "remount", options, n, e) < 0)
		return -1;
	return syscall(SYS_fsconfig, fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0 ? err_sys(e, "remount") : 0;
}

int mount_new(const char *type, const struct mount_option *options, size_t n, uint64_t attr, struct err *e)
{
	own(fd) int fs = (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);
	if (fs < 0 && errno == ENODEV)
		return err_set(e, ERR_UNSUPPORTED, "file system %.60s is not known to this kernel", type);
	if (fs < 0)
		return err_sys(e, "file system %s", type);
	if (configure(fs, type, options, n, e) < 0)
		return -1;
	if (syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return err_sys(e, "mount %s", type);
	int m = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, attr);
	return m < 0 ? err_sys(e, "mount %s", type) : m;
}

static int clone_mount(int dirfd, const char *path, unsigned flags, struct err *e)
{
	flags |= OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (*path ? 0 : AT_EMPTY_PATH);
	int m = (int)syscall(SYS_open_tree, dirfd, path, flags);
	return m < 0 ? err_sys(e, "bind %s", *path ? path : "mount") : m;
}

int mount_clone(int dirfd, const char *path, bool recursive, struct err *e)
{
	return clone_mount(dirfd, path, recursive ? AT_RECURSIVE : 0, e);
}

int mount_clone_link(int dirfd, const char *path, bool recursive, struct err *e)
{
	return clone_mount(dirfd, path, AT_SYMLINK_NOFOLLOW | (recursive ? AT_RECURSIVE : 0), e);
}

int mount_attach(int mount, int at, struct err *e)
{
	if (syscall(SYS_move_mount, mount, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return err_sys(e, "attach the mount");
	return 0;
}

int mount_set(int mount, bool recursive, uint64_t set, uint64_t clear, unsigned propagation, struct err *e)
{
	/* The access time modes are one field: setting one of them means clearing all. */
	if (set & MOUNT_ATTR__ATIME || clear & MOUNT_ATTR__ATIME)
		clear |= MOUNT_ATTR__ATIME;
	struct mount_attr a = {.attr_set = set, .attr_clr = clear, .propagation = propagation & ~(unsigned)MS_REC};
	if (!a.attr_set && !a.attr_clr && !a.propagation)
		return 0;
	unsigned flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
	if (syscall(SYS_mount_setattr, mount, "", flags, &a, sizeof a) < 0)
		return err_sys(e, "set mount flags");
	return 0;
}

/* The fields of a line of mountinfo between its options and the lone "-" (proc(5)). */
static unsigned peers_of_line(const char *line)
{
	own(strv) struct strv f = {};
	unsigned peers = 0;
	strv_split(&f, line, ' ');
	for (size_t i = 6; i < f.n && strcmp(f.v[i], "-") != 0; i++)
		peers |= str_has_prefix(f.v[i], "shared:") ? MS_SHARED : str_has_prefix(f.v[i], "master:") ? MS_SLAVE : 0;
	return peers;
}

int mount_peers(const char *path, unsigned *ret, struct err *e)
{
	struct statx st;
	if (statx(AT_FDCWD, path, AT_NO_AUTOMOUNT, STATX_MNT_ID, &st) < 0)
		return err_sys(e, "%s", path);
	own(buf) struct buf b = BUF(64 << 20);
	if (path_read(AT_FDCWD, "/proc/self/mountinfo", &b, e) < 0)
		return -1;
	char id[24];
	snprintf(id, sizeof id, "%llu ", (unsigned long long)st.stx_mnt_id);
	own(mem) char *text = buf_take(&b);
	char *rest = text, *line;
	*ret = 0;
	while ((line = strsep(&rest, "\n")))
		if (str_has_prefix(line, id))
			*ret = peers_of_line(line);
	return 0;
}

static int top_of(int ns, int self, struct err *e)
{
	own(fd) int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), cwd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0 || cwd < 0 || setns(ns, CLONE_NEWNS) < 0)
		return err_sys(e, "go to the root of the mount namespace");
	own(fd) int top = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int saved = errno;
	if ((ns != self && setns(self, CLONE_NEWNS) < 0) || fchdir(root) < 0 || chroot(".") < 0 || fchdir(cwd) < 0)
		return err_sys(e, "go back to our own root");
	errno = saved;
	return top < 0 ? err_sys(e, "the root of the mount namespace") : take_fd(top);
}

int mount_top(struct err *e)
{
	own(fd) int self = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	return self < 0 ? err_sys(e, "our mount namespace") : top_of(self, self, e);
}

int mount_top_of(int ns, struct err *e)
{
	own(fd) int self = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	return self < 0 ? err_sys(e, "our mount namespace") : top_of(ns, self, e);
}

int mount_idmap(int mount, int userns, bool recursive, struct err *e)
{
	struct mount_attr a = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns};
	if (syscall(SYS_mount_setattr, mount, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &a, sizeof a) < 0)
		return err_sys(e, "map ids of the mount");
	return 0;
}

enum { NODIR = MOUNT_ATTR_NODIRATIME };

static const struct word {
	const char *name;
	uint64_t set, clear;
	unsigned propagation;
	bool recursive;
} words[] = {
	{"ro", MOUNT_ATTR_RDONLY, 0, 0, false}, {"rw", 0, MOUNT_ATTR_RDONLY, 0, false},
	{"nosuid", MOUNT_ATTR_NOSUID, 0, 0, false}, {"suid", 0, MOUNT_ATTR_NOSUID, 0, false},
	{"nodev", MOUNT_ATTR_NODEV, 0, 0, false}, {"dev", 0, MOUNT_ATTR_NODEV, 0, false},
	{"noexec", MOUNT_ATTR_NOEXEC, 0, 0, false}, {"exec", 0, MOUNT_ATTR_NOEXEC, 0, false},
	{"noatime", MOUNT_ATTR_NOATIME, 0, 0, false}, {"atime", 0, MOUNT_ATTR_NOATIME, 0, false},
	{"relatime", 0, MOUNT_ATTR__ATIME, 0, false}, {"norelatime", 0, 0, 0, false},
	{"strictatime", MOUNT_ATTR_STRICTATIME, 0, 0, false}, {"nostrictatime", 0, MOUNT_ATTR__ATIME, 0, false},
	{"nodiratime", NODIR, 0, 0, false}, {"diratime", 0, NODIR, 0, false},
	{"nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, 0, 0, false}, {"symfollow", 0, MOUNT_ATTR_NOSYMFOLLOW, 0, false},
	{"rro", MOUNT_ATTR_RDONLY, 0, 0, true}, {"rrw", 0, MOUNT_ATTR_RDONLY, 0, true},
	{"rnosuid", MOUNT_ATTR_NOSUID, 0, 0, true}, {"rsuid", 0, MOUNT_ATTR_NOSUID, 0, true},
	{"rnodev", MOUNT_ATTR_NODEV, 0, 0, true}, {"rdev", 0, MOUNT_ATTR_NODEV, 0, true},
	{"rnoexec", MOUNT_ATTR_NOEXEC, 0, 0, true}, {"rexec", 0, MOUNT_ATTR_NOEXEC, 0, true},
	{"rnodiratime", NODIR, 0, 0, true}, {"rdiratime", 0, NODIR, 0, true},
	{"rrelatime", 0, MOUNT_ATTR__ATIME, 0, true}, {"rnorelatime", 0, 0, 0, true},
	{"rnoatime", MOUNT_ATTR_NOATIME, 0, 0, true}, {"ratime", 0, MOUNT_ATTR_NOATIME, 0, true},
	{"rstrictatime", MOUNT_ATTR_STRICTATIME, 0, 0, true}, {"rnostrictatime", 0, MOUNT_ATTR__ATIME, 0, true},
	{"rnosymfollow", MOUNT_ATTR_NOSYMFOLLOW, 0, 0, true}, {"rsymfollow", 0, MOUNT_ATTR_NOSYMFOLLOW, 0, true},
	{"private", 0, 0, MS_PRIVATE, false}, {"rprivate", 0, 0, MS_PRIVATE | MS_REC, false},
	{"shared", 0, 0, MS_SHARED, false}, {"rshared", 0, 0, MS_SHARED | MS_REC, false},
	{"slave", 0, 0, MS_SLAVE, false}, {"rslave", 0, 0, MS_SLAVE | MS_REC, false},
	{"unbindable", 0, 0, MS_UNBINDABLE, false}, {"runbindable", 0, 0, MS_UNBINDABLE | MS_REC, false},
	{"defaults", 0, 0, 0, false}, {"loud", 0, 0, 0, false}, {"nomand", 0, 0, 0, false},
	{"noiversion", 0, 0, 0, false}, {"auto", 0, 0, 0, false}, {"noauto", 0, 0, 0, false},
	{"user", 0, 0, 0, false}, {"nouser", 0, 0, 0, false}, {"iversion", 0, 0, 0, false}, {"mand", 0, 0, 0, false},
	{"silent", 0, 0, 0, false},
};

void mount_words_drop(struct mount_words *w)
{
	free(w->data.v);
	w->data = (struct strv){};
}

#define W struct mount_words
static const struct { const char *name; size_t at; } ways[] = {{"bind", offset_of(W, bind)}, {"rbind", offset_of(W, rbind)},
	{"remount", offset_of(W, remount)}, {"tmpcopyup", offset_of(W, tmpcopyup)}, {"idmap", offset_of(W, idmap)},
	{"ridmap", offset_of(W, ridmap)}, {"copy-symlink", offset_of(W, copy_symlink)}, {"src-nofollow", offset_of(W, src_nofollow)},
	{"dest-nofollow", offset_of(W, dest_nofollow)}};
#undef W

/* Words of every file system: the kernel takes them as options (fsconfig(2)), so they stay in .data. */
static const char *const passed_on[] = {"async", "dirsync", "lazytime", "nolazytime", "sync"};

const char *mount_word(size_t i)
{
	if (i < countof(words))
		return words[i].name;
	i -= countof(words);
	if (i < countof(ways))
		return ways[i].name;
	i -= countof(ways);
	return i < countof(passed_on) ? passed_on[i] : NULL;
}

static bool take_way(const char *word, struct mount_words *w)
{
	for (size_t i = 0; i < countof(ways); i++)
		if (strcmp(ways[i].name, word) == 0)
			return *(bool *)((char *)w + ways[i].at) = true;
	const char *plain = str_after(word, "idmap="), *recursive = str_after(word, "ridmap=");
	if (!plain && !recursive)
		return false;
	w->ids = plain ? plain : recursive;
	return *(plain ? &w->idmap : &w->ridmap) = true;
}

int mount_parse_words(const struct strv *options, struct mount_words *ret, struct err *e)
{
	struct mount_words w = {};
	w.data.v = mem_alloc((options->n + 1) * sizeof *w.data.v);
	for (size_t i = 0; i < options->n; i++) {
		const char *o = options->v[i];
		size_t k = 0;
		while (k < countof(words) && strcmp(words[k].name, o) != 0)
			k++;
		if (k < countof(words)) {
			uint64_t *set = words[k].recursive ? &w.rset : &w.set, *clear = words[k].recursive ? &w.rclear : &w.clear;
			/* The access time modes are one field: the last word counts. */
			uint64_t field = words[k].set & MOUNT_ATTR__ATIME ? (uint64_t)MOUNT_ATTR__ATIME : 0;
			*set = (*set & ~(words[k].clear | field)) | words[k].set;
			*clear = (*clear & ~words[k].set) | words[k].clear;
			if (words[k].propagation)
				w.propagation = words[k].propagation;
		} else if (!take_way(o, &w)) {
			w.data.v[w.data.n++] = options->v[i];
		}
	}
	if (w.bind && w.rbind)
		w.bind = false;
	for (size_t i = 0; i < w.data.n; i++)
		if (strlen(w.data.v[i]) > 255) {
			mount_words_drop(&w);
			return err_set(e, ERR_USAGE, "mount option longer than 255 bytes");
		}
	*ret = w;
	return 0;
}
