/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spec_mounts: the mounts of a container, in the order they are made: the kernel's file systems, the three files of
 * /etc, then what the user asked for, parents before what lies below them.
 */
#include "engine/spec.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "engine/network.h"
#include "engine/pod.h"
#include "engine/secret.h"
#include "engine/volume.h"
#include "snap/overlay.h"
#include "sys/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SHM_DEFAULT = 64 << 20, TTY_GROUP = 5 };

static struct spec_mount *add(struct spec_build *b, const char *destination, const char *type, const char *source,
	const char *options)
{
	struct spec_mount *m = arena_push(b->arena, &b->spec->mounts);
	m->destination = arena_dup(b->arena, destination);
	m->type = arena_dup(b->arena, type);
	m->source = arena_dup(b->arena, source);
	own(strv) struct strv words = {};
	strv_split(&words, options, ',');
	for (size_t i = 0; i < words.n; i++)
		arena_strv_add(b->arena, &m->options, words.v[i]);
	return m;
}

/* The user's mounts replace the defaults at the same place. */
static bool is_replaced(const struct spec_build *b, const char *destination)
{
	const struct container_record *r = &b->c->record;
	for (size_t i = 0; i < r->mounts.n; i++)
		if (str_eq(r->mounts.v[i].destination, destination))
			return true;
	return map_get(&r->host.tmpfs, destination) != NULL;
}

static int take_ready(struct spec_build *b, struct spec_mount *m, int fd, struct err *e)
{
	if (fd < 0)
		return -1;
	if (b->nready == countof(b->ready)) {
		close(fd);
		return err_set(e, ERR_LIMIT, "more than %zu mounts that are made beforehand (secrets, and binds of a container with a user "
			"namespace of its own)", countof(b->ready));
	}
	m->ready = b->ready[b->nready++] = fd;
	return 0;
}

/* A mount of another mount namespace can only be cloned in there: by a child of ours, which hands it over. */
int spec_clone_in(pid_t peer, const char *label, const char *path, struct err *e)
{
	int s[2], got = -1;
	size_t n = 1;
	struct err why = {};
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s) < 0)
		return err_sys(e, "socket");
	own(fd) int ours = s[0];
	own(fd) int theirs = s[1];
	own(fd) int pidfd = (int)syscall(SYS_pidfd_open, peer, 0);
	pid_t pid = fork();
	if (pid == 0) {
		int m = setns(pidfd, CLONE_NEWNS) < 0 ? err_sys(&why, "enter its mounts") : mount_clone(AT_FDCWD, path, true, &why);
		if (m >= 0)
			why.kind = ERR_NONE;
		_exit(fd_send(theirs, &why, sizeof why, &m, m >= 0, &why) < 0);
	}
	fd_drop(&theirs);
	if (pid < 0)
		return err_sys(e, "fork");
	ssize_t r = fd_recv(ours, &why, sizeof why, &got, &n, e);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (r == sizeof why && why.kind == ERR_NONE && n == 1)
		return got;
	if (r == sizeof why)
		*e = why;
	else if (r >= 0)
		err_set_(e, ERR_CONFLICT, "it is not running any more");
	return err_wrap(e, "%s: %s", label, path);
}

static int open_userns(struct spec_build *b, struct err *e)
{
	struct snap_mount maps = {.uids = b->maps->uids, .nuids = b->maps->nuids, .gids = b->maps->gids, .ngids = b->maps->ngids};
	int fd = b->userns ? 0 : overlay_userns(&maps, e);
	if (fd > 0)
		b->userns = fd;
	return fd < 0 ? -1 : 0;
}

/* A container with a user namespace of its own may not walk the paths of the host as we do, so its sources are cloned here.
 * What is hull's own on the disk (volumes, the files of /etc) belongs to ids as if there was no user namespace, and is seen
 * through the container's map; where that cannot be done (a plain user's hull) it is bound as it is. */
static int add_bind(struct spec_build *b, const char *destination, const char *source, const char *options, bool is_own, struct err *e)
{
	struct spec_mount *m = add(b, destination, "bind", source, options);
	struct err refused = {};
	if (!b->maps->nuids)
		return 0;
	own(fd) int fd = mount_clone(AT_FDCWD, source, str_has_prefix(options, "rbind"), e);
	if (fd < 0)
		return err_wrap(e, "mount %s", destination);
	if (is_own && !b->g->rootless && (open_userns(b, e) < 0 || (mount_idmap(fd, b->userns, false, &refused) < 0 && refused.sys != EPERM &&
		refused.sys != EINVAL)))
		return refused.kind ? (*e = refused, -1) : -1;
	return take_ready(b, m, take_fd(fd), e);
}

static int add_shm(struct spec_build *b, struct err *e)
{
	const struct host_config *h = &b->c->record.host;
	if (is_replaced(b, "/dev/shm"))
		return 0;
	if (str_eq(h->ipc_mode, "host")) {
		add(b, "/dev/shm", "bind", "/dev/shm", "rbind,rw");
		return 0;
	}
	if (str_eq(h->ipc_mode, "none"))
		return 0;
	if (h->ipc_mode && str_has_prefix(h->ipc_mode, "container:")) {
		own(container_entry) struct container_entry peer = {.dir = -1, .lock = -1};
		if (spec_peer(b, h->ipc_mode, "ipc", &peer, e) < 0)
			return -1;
		struct spec_mount *m = add(b, "/dev/shm", "bind", "/dev/shm", "rbind,rw");
		own(mem) char *label = mem_printf("container %.200s", container_label(&peer));
		return take_ready(b, m, spec_clone_in((pid_t)peer.state.pid, label, "/dev/shm", e), e);
	}
	if (h->ipc_mode && str_has_prefix(h->ipc_mode, "pod:") && b->pod) {
		struct spec_mount *m = add(b, "/dev/shm", "bind", "/dev/shm", "rbind,rw");
		own(mem) char *label = mem_printf("pod %.200s", container_label(b->pod));
		own(mem) char *path = pod_shm_path(b->g, b->pod->id);
		return take_ready(b, m, spec_clone_in((pid_t)b->pod->state.monitor_pid, label, path, e), e);
	}
	char options[80];
	snprintf(options, sizeof options, "nosuid,noexec,nodev,mode=1777,size=%lld",
		(long long)(h->shm_size ? h->shm_size : SHM_DEFAULT));
	add(b, "/dev/shm", "tmpfs", "shm", options);
	return 0;
}

/* The group tty of every Linux system, which owns terminals. */
static bool has_tty_group(const struct spec_build *b)
{
	bool has = !b->maps->ngids && (!b->g->rootless || b->g->user.gids > TTY_GROUP);
	for (size_t i = 0; i < b->maps->ngids; i++)
		has |= TTY_GROUP - b->maps->gids[i].inside < b->maps->gids[i].count;
	return has;
}

static int add_kernel(struct spec_build *b, struct err *e)
{
	const struct host_config *h = &b->c->record.host;
	bool rw = b->privileged;
	if (str_eq(h->pid_mode, "host") && b->g->rootless)
		add(b, "/proc", "bind", "/proc", "rbind,nosuid,noexec,nodev");
	else
		add(b, "/proc", "proc", "proc", "nosuid,noexec,nodev");
	if (!is_replaced(b, "/dev"))
		add(b, "/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k");
	add(b, "/dev/pts", "devpts", "devpts", has_tty_group(b) ? "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5"
								: "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620");
	add(b, "/sys", "sysfs", "sysfs", rw ? "nosuid,noexec,nodev,rw" : "nosuid,noexec,nodev,ro");
	if (!is_replaced(b, "/sys/fs/cgroup"))
		add(b, "/sys/fs/cgroup", "cgroup", "cgroup", rw ? "nosuid,noexec,nodev,relatime,rw" : "nosuid,noexec,nodev,relatime,ro");
	if (!str_eq(h->ipc_mode, "none"))
		add(b, "/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev");
	return add_shm(b, e);
}

/* folder: "containers" or "pods", where the file of `id` is. */
static int bind_file(struct spec_build *b, const char *folder, const char *id, const char *name, struct err *e)
{
	own(mem) char *destination = mem_printf("/etc/%s", name);
	if (is_replaced(b, destination))
		return 0;
	own(mem) char *source = mem_printf("%s/%s/%s/%s", b->g->run_path, folder, id, name);
	return add_bind(b, destination, source, b->c->record.host.read_only ? "rbind,rprivate,ro" : "rbind,rprivate,rw", true, e);
}

static int bind_both(struct spec_build *b, const char *folder, const char *id, struct err *e)
{
	return bind_file(b, folder, id, "hosts", e) < 0 || bind_file(b, folder, id, "resolv.conf", e) < 0 ? -1 : 0;
}

/* /etc/hostname, hosts and resolv.conf are files of the container's run directory, bound in; a container that joined
 * another one's network, or its pod's, has that one's. */
static int add_etc(struct spec_build *b, struct err *e)
{
	const struct container_record *r = &b->c->record;
	const char *mode = r->host.network_mode ? r->host.network_mode : "";
	own(buf) struct buf hostname = BUF(4096);
	if (!str_is_empty(r->config.hostname)) {
		buf_printf(&hostname, "%s\n", r->config.hostname);
		if (spec_put_file(b->run_dir, "hostname", &hostname, e) < 0 || bind_file(b, "containers", b->c->id, "hostname", e) < 0)
			return -1;
	}
	if (str_has_prefix(mode, "pod:") && b->pod)
		return bind_both(b, "pods", b->pod->id, e);
	if (str_has_prefix(mode, "container:") && !r->host.extra_hosts.n && !r->host.dns.n) {
		own(container_entry) struct container_entry peer = {.dir = -1, .lock = -1};
		if (spec_peer(b, mode, "network", &peer, e) < 0)
			return -1;
		static const char *const files[] = {"hosts", "resolv.conf"};
		for (size_t i = 0; i < countof(files); i++) {
			own(mem) char *source = mem_printf("%s/containers/%s/%s", b->g->run_path, peer.id, files[i]);
			own(mem) char *destination = mem_printf("/etc/%s", files[i]);
			if (access(source, F_OK) == 0 && !is_replaced(b, destination) &&
				add_bind(b, destination, source, "rbind,rprivate,rw", true, e) < 0)
				return -1;
		}
		return 0;
	}
	return spec_write_etc(b->c, b->run_dir, e) < 0 || bind_both(b, "containers", b->c->id, e) < 0 ? -1 : 0;
}

/* A container's mounts come to the host, or the host's to the container, only over a mount that lets them. */
static int check_propagation(const struct mount_point *m, const char *source, struct err *e)
{
	bool shared = str_eq(m->propagation, "shared") || str_eq(m->propagation, "rshared");
	bool slave = str_eq(m->propagation, "slave") || str_eq(m->propagation, "rslave");
	unsigned peers;
	if (!shared && !slave)
		return 0;
	/* What is missing is the bind's to tell. */
	if (mount_peers(source, &peers, e) < 0)
		return e->kind == ERR_NOT_FOUND ? 0 : -1;
	if (peers & MS_SHARED || (slave && peers & MS_SLAVE))
		return 0;
	return err_set(e, ERR_USAGE, "bind %s: %s needs a shared mount, and it is on a private one: mount --make-shared changes that",
		source, m->propagation);
}

/* A volume that is something else's file system: each container mounts it for itself. */
static int add_mounted(struct spec_build *b, const struct mount_point *m, const struct volume_mount *v, struct err *e)
{
	if (!str_is_empty(m->subpath))
		return err_set(e, ERR_UNSUPPORTED, "volume %s: a path in what is mounted there cannot be a mount of its own", m->name);
	own(mem) char *options = mem_printf("%s%s%s", m->rw ? "rw" : "ro", str_is_empty(v->options) ? "" : ",", v->options ? v->options : "");
	add(b, m->destination, v->type, v->device, options);
	return 0;
}

static int add_point(struct spec_build *b, const struct mount_point *m, struct err *e)
{
	const struct container_record *r = &b->c->record;
	if (str_eq(m->type, "tmpfs")) {
		own(buf) struct buf o = BUF(4096);
		buf_str(&o, "nosuid,nodev,noexec");
		if (!m->rw)
			buf_str(&o, ",ro");
		/* What --tmpfs PATH:OPTIONS says. */
		if (!str_is_empty(m->mode))
			buf_printf(&o, ",%s", m->mode);
		for (size_t i = 0; i < r->host.mounts.n; i++) {
			const struct mount_request *q = &r->host.mounts.v[i];
			if (!str_eq(q->target, m->destination) || !q->tmpfs)
				continue;
			if (q->tmpfs->size)
				buf_printf(&o, ",size=%lld", (long long)q->tmpfs->size);
			if (q->tmpfs->mode)
				buf_printf(&o, ",mode=%o", q->tmpfs->mode);
			for (size_t k = 0; k < q->tmpfs->options.n; k++)
				buf_printf(&o, ",%s", q->tmpfs->options.v[k]);
		}
		add(b, m->destination, "tmpfs", "tmpfs", buf_text(&o));
		return 0;
	}
	struct volume_mount in_place = {};
	if (str_eq(m->type, "volume") && volume_mount(b->g, m->name, b->arena, &in_place, e) < 0)
		return -1;
	if (in_place.device && !in_place.is_bind)
		return add_mounted(b, m, &in_place, e);
	own(mem) char *source = mem_dup(in_place.device ? in_place.device : m->source);
	if (!str_is_empty(m->subpath)) {
		/* Resolved inside the volume: a symlink a container put there does not lead out of it. */
		own(fd) int volume = path_open_dir(AT_FDCWD, source, e);
		own(fd) int sub = volume < 0 ? -1 : path_open_in(volume, m->subpath, O_PATH, 0, e);
		if (sub < 0)
			return err_wrap(e, "volume %s", m->name);
		char link[64];
		snprintf(link, sizeof link, "/proc/self/fd/%d", sub);
		mem_drop(&source);
		source = realpath(link, NULL);
		if (!source)
			return err_sys(e, "volume %s: %s", m->name, m->subpath);
	}
	own(buf) struct buf o = BUF(4096);
	buf_printf(&o, "%s,%s", m->non_recursive ? "bind" : "rbind", str_is_empty(m->propagation) ? "rprivate" : m->propagation);
	buf_str(&o, m->rw ? ",rw" : m->recursive_ro ? ",rro" : ",ro");
	if (!str_eq(m->type, "volume") && check_propagation(m, source, e) < 0)
		return -1;
	return add_bind(b, m->destination, source, buf_text(&o), str_eq(m->type, "volume") && !in_place.device, e);
}

static int add_notify(struct spec_build *b, struct err *e)
{
	own(mem) char *source = mem_printf("%s/containers/%s/notify", b->g->run_path, b->c->id);
	return add_bind(b, "/run/notify", source, "bind,rprivate,nosuid,noexec,nodev,ro", true, e);
}

static int depth(const char *path)
{
	int n = 0;
	for (; *path; path++)
		n += *path == '/';
	return n;
}

static int by_depth(const void *x, const void *y)
{
	const struct mount_point *const *a = x, *const *b = y;
	return depth((*a)->destination) - depth((*b)->destination);
}

int spec_build_points(struct spec_build *b, struct err *e)
{
	const struct container_record *r = &b->c->record;
	size_t n = r->mounts.n + r->host.tmpfs.n;
	struct mount_point *tmpfs = arena_alloc(b->arena, (r->host.tmpfs.n + 1) * sizeof *tmpfs);
	const struct mount_point **order = arena_alloc(b->arena, (n + 1) * sizeof *order);
	for (size_t i = 0; i < r->mounts.n; i++)
		order[i] = &r->mounts.v[i];
	for (size_t i = 0; i < r->host.tmpfs.n; i++) {
		tmpfs[i] = (struct mount_point){.type = (char *)(uintptr_t) "tmpfs", .rw = true, .destination = r->host.tmpfs.v[i].key,
			.mode = r->host.tmpfs.v[i].value};
		order[r->mounts.n + i] = &tmpfs[i];
	}
	qsort(order, n, sizeof *order, by_depth);
	for (size_t i = 0; i < n; i++)
		if (add_point(b, order[i], e) < 0)
			return -1;
	return 0;
}

/* Last: the user's own mounts may be where they go. */
static int add_secrets(struct spec_build *b, struct err *e)
{
	int fds[SECRET_MOUNTS];
	own(strv) struct strv paths = {};
	int n = secret_mounts(b->g, &b->c->record, b->maps, fds, &paths, e), r = n;
	for (int i = 0; i < n; i++) {
		struct spec_mount *m = add(b, paths.v[i], "bind", "secrets", "bind,rprivate,ro,nosuid,nodev,noexec");
		if (r < 0)
			close(fds[i]);
		else if (take_ready(b, m, fds[i], e) < 0)
			r = -1;
	}
	return r < 0 ? -1 : 0;
}

int spec_build_mounts(struct spec_build *b, struct err *e)
{
	if (add_kernel(b, e) < 0 || add_etc(b, e) < 0 || (b->notify && add_notify(b, e) < 0))
		return -1;
	return spec_build_points(b, e) < 0 ? -1 : add_secrets(b, e);
}
