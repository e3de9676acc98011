/* SPDX-License-Identifier: Apache-2.0 */
/*
 * live_mounts: a process goes into the container's namespaces, as exec's does, and mounts there what mounts.c mounts, by the same
 * rules for places. What is bound is cloned before, while the host's mounts are in sight. Nobody is executed, and nobody in the
 * container may look into that process.
 *
 * A mount is taken away by the fd of its root, through the host's /proc: a path would be looked up once more by umount2(2).
 */
#include "runtime/live_mounts.h"

#include "base/fd.h"
#include "base/path.h"
#include "runtime/setup.h"
#include "sys/mount.h"
#include "sys/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct work {
	const struct live_mounts *m;
	bool add;
	struct spec spec;                /* the mounts are a copy */
	struct container_create create;
	struct namespaces ns;
	int *mapped;
	bool keep;
	int kept; /* in the child */
	int report[2];
};

static void work_drop(struct work *w)
{
	mounts_close_mapped(&w->create, &w->mapped);
	for (size_t i = 0; w->spec.mounts.v && i < w->spec.mounts.n; i++)
		if (w->spec.mounts.v[i].ready > 0)
			fd_drop(&w->spec.mounts.v[i].ready);
	mem_drop(&w->spec.mounts.v);
	namespaces_drop(&w->ns);
	fd_drop(&w->report[0]);
	fd_drop(&w->report[1]);
}

static int clone_sources(struct work *w, struct err *e)
{
	for (size_t i = 0; i < w->spec.mounts.n; i++) {
		struct mount_words words __attribute__((cleanup(mount_words_drop))) = {};
		struct spec_mount *m = &w->spec.mounts.v[i];
		if (mount_parse_words(&m->options, &words, e) < 0)
			return err_wrap(e, "mount %s", m->destination);
		bool bind = words.bind || words.rbind || str_eq(m->type, "bind");
		if (!bind || words.remount || words.copy_symlink || str_is_empty(m->source) || (w->mapped && w->mapped[i] >= 0))
			continue;
		int fd = mounts_clone_source(&w->create, m->source, m->ready, &words, e);
		if (m->ready > 0)
			close(m->ready);
		m->ready = fd;
		if (m->ready < 0 && e->sys == EPERM)
			return err_set(e, ERR_DENIED, "mount %s: only root can bind something into a running container", m->destination);
		if (m->ready < 0)
			return err_wrap(e, "mount %s", m->destination);
	}
	return 0;
}

static int prepare(struct work *w, struct err *e)
{
	const struct live_mounts *m = w->m;
	w->spec = *m->spec;
	w->spec.mounts.v = mem_alloc((m->spec->mounts.n + 1) * sizeof *w->spec.mounts.v);
	memcpy(w->spec.mounts.v, m->spec->mounts.v, m->spec->mounts.n * sizeof *w->spec.mounts.v);
	/* What is ready already is the caller's. */
	for (size_t i = 0; i < w->spec.mounts.n; i++)
		if (w->spec.mounts.v[i].ready > 0)
			w->spec.mounts.v[i].ready = fcntl(w->spec.mounts.v[i].ready, F_DUPFD_CLOEXEC, 3);
	w->create = (struct container_create){.id = m->id, .spec = &w->spec, .rootfs = -1, .console = -1, .bundle = m->bundle, .seccomp_cache = -1};
	if (rootfs_is_shared(m->spec))
		return err_set(e, ERR_UNSUPPORTED, "the container has no mounts of its own");
	w->ns.target = proc_pidfd_open(m->pid);
	if (w->ns.target < 0 || !container_is_alive(m->pid, m->start_time))
		return err_set(e, ERR_CONFLICT, "the container is not running");
	if (namespaces_find(m->spec, m->pid, &w->ns.join, e) < 0)
		return -1;
	if (w->add && (mounts_open_mapped(&w->create, &w->ns, &w->mapped, e) < 0 || clone_sources(w, e) < 0))
		return -1;
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, w->report) < 0 ? err_sys(e, "socket") : 0;
}

static int unmount(struct setup *s, int proc, const char *destination, int *kept, struct err *e)
{
	struct statx st = {};
	struct err none = {};
	char path[40];
	own(mem) char *whole = mem_printf("/%s", destination);
	own(mem) char *clean = path_clean(whole);
	own(fd) int at = rootfs_find(s, clean);
	if (at < 0 || statx(at, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &st) < 0)
		return err_sys(e, "unmount %s", clean);
	if (!(st.stx_attributes & STATX_ATTR_MOUNT_ROOT) || strcmp(clean, "/") == 0)
		return err_set(e, ERR_NOT_FOUND, "unmount %s: nothing is mounted there", clean);
	if (kept)
		*kept = mount_clone(at, "", true, &none);
	snprintf(path, sizeof path, "self/fd/%d", at);
	return fchdir(proc) < 0 || umount2(path, MNT_DETACH) < 0 ? err_sys(e, "unmount %s", clean) : 0;
}

static int mount_all(struct work *w, struct setup *s, int proc, struct err *e)
{
	struct spec one = w->spec;
	struct err ignored = {};
	size_t made = 0;
	int r = 0;
	s->spec = &one;
	for (; r == 0 && made < w->spec.mounts.n; made += r == 0) {
		one.mounts.v = &w->spec.mounts.v[made];
		one.mounts.n = 1;
		s->mapped = w->mapped ? w->mapped + made : NULL;
		r = mounts_make(s, e);
	}
	if (r == 0 && mounts_finish(s, e) == 0)
		return 0;
	while (made-- > 0)
		(void)!unmount(s, proc, w->spec.mounts.v[made].destination, NULL, &ignored);
	return -1;
}

static int unmount_all(struct work *w, struct setup *s, int proc, struct err *e)
{
	for (size_t i = w->spec.mounts.n; i-- > 0;)
		if (unmount(s, proc, w->spec.mounts.v[i].destination, w->keep ? &w->kept : NULL, e) < 0)
			return -1;
	return 0;
}

static int work_inside(struct work *w, struct err *e)
{
	own(fd) int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (proc < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_sys(e, "/proc");
	if (namespaces_join(&w->ns, e) < 0 || (w->ns.join & CLONE_NEWUSER && setup_become_root(w->spec.linux_, e) < 0))
		return -1;
	struct setup s = {.create = &w->create, .spec = &w->spec, .id = w->m->id, .cgroup = w->m->cgroup, .ns = &w->ns, .sock = -1, .listen = -1,
		.root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), .host = -1, .slave = -1, .master = -1, .own_userns = w->ns.join & CLONE_NEWUSER};
	if (s.root < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_sys(e, "the container's root");
	return w->add ? mount_all(w, &s, proc, e) : unmount_all(w, &s, proc, e);
}

__attribute__((noreturn)) static void be_child(struct work *w)
{
	struct err e = {};
	if (work_inside(w, &e) == 0)
		e = (struct err){};
	struct err unsent = {};
	_exit(fd_send(w->report[1], &e, sizeof e, &w->kept, w->kept >= 0 && e.kind == ERR_NONE, &unsent) < 0);
}

static int change(const struct live_mounts *m, bool add, int *ret_kept, struct err *e)
{
	struct work w __attribute__((cleanup(work_drop))) = {.m = m, .add = add, .keep = ret_kept, .kept = -1, .ns = NAMESPACES_INIT, .report = {-1, -1}};
	own(fd) int pidfd = -1;
	if (prepare(&w, e) < 0)
		return -1;
	pid_t pid = namespaces_clone(&w.ns, -1, NULL, &pidfd, e);
	if (pid == 0)
		be_child(&w);
	if (pid < 0)
		return -1;
	fd_drop(&w.report[1]);
	struct err answer = {}, lost = {};
	int kept = -1;
	size_t n = 1;
	if (fd_recv(w.report[0], &answer, sizeof answer, &kept, &n, &lost) != sizeof answer)
		answer = (struct err){.kind = ERR_CONFLICT, .text = "the container ended meanwhile"};
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (ret_kept)
		*ret_kept = n ? kept : -1;
	if (answer.kind == ERR_NONE)
		return 0;
	*e = answer;
	return -1;
}

int live_mounts_add(const struct live_mounts *m, struct err *e)
{
	return change(m, true, NULL, e);
}

int live_mounts_remove(const struct live_mounts *m, int *ret_kept, struct err *e)
{
	return change(m, false, ret_kept, e);
}
