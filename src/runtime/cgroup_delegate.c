/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_delegate: see cgroup_delegate.h.
 *
 * The kernel says which files of a group may be its user's (/sys/kernel/cgroup/delegate): with them he makes groups below it and moves his
 * processes among them; the group's own limits stay out of his reach. The group of the annotation is below the one that has the
 * limits and is the root of the cgroup namespace: the process enters it after that namespace was made.
 */
#include "runtime/cgroup_delegate.h"

#include "base/fd.h"
#include "base/path.h"
#include "runtime/annotations.h"
#include "runtime/cgroup_limits.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool is_writable_mount(const struct spec_mount *m)
{
	own(mem) char *at = path_clean(m->destination);
	return str_eq(m->source, "cgroup") && str_eq(at, "/sys/fs/cgroup") && !strv_has(&m->options, "ro") && !strv_has(&m->options, "rro");
}

/* The id of the host that is process.user.uid in the container; false when the user namespace is another's and not described. */
static bool owner_of(const struct spec *s, uint64_t own, uid_t *ret)
{
	const struct idmap_rows *rows = &s->linux_->uids;
	uint32_t uid = s->process ? s->process->user.uid : 0;
	*ret = uid;
	if (!(own & CLONE_NEWUSER))
		return true;
	for (size_t i = 0; i < rows->n; i++)
		if (uid - rows->v[i].container_id < rows->v[i].size) {
			*ret = rows->v[i].host_id + (uid - rows->v[i].container_id);
			return true;
		}
	return false;
}

static void delegated_files(struct strv *ret)
{
	own(buf) struct buf b = BUF(65536);
	struct err ignored = {};
	if (path_read(AT_FDCWD, "/sys/kernel/cgroup/delegate", &b, &ignored) == 0)
		strv_split(ret, buf_text(&b), '\n');
	else
		strv_split(ret, "cgroup.procs\ncgroup.subtree_control\ncgroup.threads", '\n');
}

/* A plain user's groups are his already, and he cannot give them away. */
static int give(int dir, const char *name, uid_t uid, struct err *e)
{
	int r = *name ? fchownat(dir, name, uid, (gid_t)-1, AT_SYMLINK_NOFOLLOW) : fchown(dir, uid, (gid_t)-1);
	return r == 0 || errno == ENOENT || errno == EPERM ? 0 : err_sys(e, "give the cgroup to user %u", (unsigned)uid);
}

static int give_group(int dir, uid_t uid, struct err *e)
{
	own(strv) struct strv files = {};
	delegated_files(&files);
	if (give(dir, "", uid, e) < 0)
		return -1;
	for (size_t i = 0; i < files.n; i++)
		if (path_is_name(files.v[i]) && give(dir, files.v[i], uid, e) < 0)
			return -1;
	return 0;
}

static int check_below(const char *below, struct err *e)
{
	own(mem) char *clean = path_clean(below);
	if (*below == '/' || strcmp(clean, below) != 0 || str_eq(clean, ".") || str_eq(clean, "..") || str_has_prefix(clean, "../"))
		return err_set(e, ERR_USAGE, "%s: \"%.100s\" does not name a group below the container's", annotation_key(ANNOTATION_DELEGATE_CGROUP), below);
	return 0;
}

/* Each group on the way down is his. */
static int make_below(int dir, const char *below, uid_t uid, struct err *e)
{
	own(strv) struct strv names = {};
	own(fd) int at = fcntl(dir, F_DUPFD_CLOEXEC, 3);
	strv_split(&names, below, '/');
	for (size_t i = 0; i < names.n; i++) {
		if (mkdirat(at, names.v[i], 0755) < 0 && errno != EEXIST)
			return err_sys(e, "make cgroup %s below the container's", below);
		int sub = openat(at, names.v[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		fd_drop(&at);
		at = sub;
		if (at < 0)
			return err_sys(e, "cgroup %s below the container's", below);
		if (give_group(at, uid, e) < 0)
			return -1;
	}
	return 0;
}

int cgroup_delegate(const struct cgroup *c, const struct spec *s, uint64_t own, struct err *e)
{
	const char *below = annotation_get(s, ANNOTATION_DELEGATE_CGROUP);
	bool asked = !str_is_empty(below), writable = false;
	uid_t uid;
	if (asked && check_below(below, e) < 0)
		return -1;
	if (!cgroupfs_get()->unified || c->v2 < 0)
		return asked ? err_set(e, ERR_UNSUPPORTED, "%s: only unified cgroups can be delegated", annotation_key(ANNOTATION_DELEGATE_CGROUP)) : 0;
	for (size_t i = 0; i < s->mounts.n && own & CLONE_NEWCGROUP; i++)
		writable |= is_writable_mount(&s->mounts.v[i]);
	if ((!asked && !writable) || !owner_of(s, own, &uid))
		return 0;
	if (give_group(c->v2, uid, e) < 0)
		return -1;
	return asked ? make_below(c->v2, below, uid, e) : 0;
}

int cgroup_delegated_open(const struct spec *s, struct err *e)
{
	const char *below = annotation_get(s, ANNOTATION_DELEGATE_CGROUP);
	own(buf) struct buf b = BUF(65536);
	struct open_how how = {.flags = O_WRONLY | O_CLOEXEC, .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
	if (str_is_empty(below))
		return -2;
	if (path_read(AT_FDCWD, "/proc/self/cgroup", &b, e) < 0)
		return -1;
	char *at = strstr(b.data, "0::/");
	if (!at)
		return err_set(e, ERR_UNSUPPORTED, "there are no unified cgroups");
	at[strcspn(at, "\n")] = 0;
	own(mem) char *path = mem_printf("./%s/%s/cgroup.procs", at + 4, below);
	int fd = (int)syscall(SYS_openat2, cgroupfs_get()->row[CGROUPFS_V2].fd, path, &how, sizeof how);
	return fd < 0 ? err_sys(e, "cgroup %s below the container's", below) : fd;
}

int cgroup_delegated_enter(int procs, struct err *e)
{
	return write(procs, "0", 1) < 0 ? err_sys(e, "enter the group below the container's") : 0;
}
