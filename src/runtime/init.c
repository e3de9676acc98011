/* SPDX-License-Identifier: Apache-2.0 */
/*
 * init: the child side of container_create and container_exec, as a table of steps from clone3 to the command.
 *
 *   this process (clone3 put it into the new namespaces and the v2 cgroup)      the parent
 *   groups       the v1 cgroups, before there is a second thread; or waits for systemd's   <---  struct cgroup
 *   identity     waits for the id maps                                    <---  MAPPED
 *                not dumpable from here on: who is in the container already must not look into us
 *   namespaces   joins the ones of a path; the cgroup namespace, whose root is where we are now
 *   …            loopback, names, root, mounts, devices, sysctls, masks
 *   hooks        HOOKS ---> prestart, createRuntime <---  GO              only with such hooks; then createContainer
 *   enter        pivot_root: the host is gone
 *   process      user, directory, program
 *   ready        READY, with the terminal's master --->                   container_create returns
 *                waits                                                    <---  GO (container_start), or LEAVE: the go comes
 *                                                                               over the listening socket, from another process
 *                startContainer hooks, capabilities, filter, exec         end of file: it has happened
 *
 * A step that fails reports and exits; the parent takes away what is left. When the parent dies, the next wait ends, unless
 * it has left the container to whoever starts it.
 */
#include "runtime/setup.h"

#include "base/fd.h"
#include "base/path.h"
#include "runtime/cgroup_delegate.h"
#include "runtime/cgroup_limits.h"
#include "runtime/idmap.h"
#include "sys/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

void setup_warn(struct setup *s, const char *fmt, ...)
{
	va_list ap;
	char text[sizeof s->warning];
	size_t n = strlen(s->warning);
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (!strstr(s->warning, text) && n + strlen(text) + 3 <= sizeof s->warning)
		snprintf(s->warning + n, sizeof s->warning - n, "%s%s", n ? "; " : "", text);
}

int setup_wait(const struct setup *s, enum setup_word word, struct err *e)
{
	char got = 0;
	ssize_t n;
	do
		n = recv(s->sock, &got, 1, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(e, "wait for the parent");
	return n == 1 && got == (char)word ? 0 : err_set(e, ERR_SYSTEM, "the parent is gone");
}

/* Who connects and goes away without a word has not started anything. */
static int accept_go(struct setup *s, struct err *e)
{
	for (;;) {
		char got = 0;
		own(fd) int peer = accept4(s->listen, NULL, NULL, SOCK_CLOEXEC);
		if (peer < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (peer < 0)
			return err_sys(e, "wait for the start");
		if (recv(peer, &got, 1, 0) != 1 || got != SETUP_GO)
			continue;
		/* In the place of the parent's socket: the launch program's plan names that one. */
		int flags = fcntl(s->sock, F_GETFD);
		if (flags < 0 || dup3(peer, s->sock, flags & FD_CLOEXEC ? O_CLOEXEC : 0) < 0)
			return err_sys(e, "the start's socket");
		fd_drop(&s->listen);
		return 0;
	}
}

int setup_wait_go(struct setup *s, struct err *e)
{
	char got = 0;
	ssize_t n;
	if (!s->wait)
		return 0;
	do
		n = recv(s->sock, &got, 1, 0);
	while (n < 0 && errno == EINTR);
	if (n == 1 && got == SETUP_GO)
		return 0;
	return n == 1 && got == SETUP_LEAVE && s->listen >= 0 ? accept_go(s, e) : err_set(e, ERR_SYSTEM, "the parent is gone");
}

int setup_report(struct setup *s, enum setup_word word, const struct err *why, struct err *e)
{
	struct setup_message m = {.word = SETUP_MESSAGE | (int)word};
	memcpy(m.warning, s->warning, sizeof m.warning);
	if (why)
		m.why = *why;
	return fd_send(s->sock, &m, sizeof m, &s->master, s->master >= 0, e);
}

int setup_procfs(struct err *e)
{
	return mount_new("proc", NULL, 0, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, e);
}

int setup_put_proc(int proc, const char *path, const char *text, struct err *e)
{
	struct open_how how = {.flags = O_WRONLY | O_CLOEXEC, .resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS};
	own(fd) int fd = (int)syscall(SYS_openat2, proc, path, &how, sizeof how);
	if (fd < 0)
		return err_sys(e, "open");
	return write(fd, text, strlen(text)) < 0 ? err_sys(e, "write") : 0;
}

/* systemd puts us into our groups: until then nothing is done, and nothing is known of them. */
static int wait_placed(struct setup *s, struct err *e)
{
	ssize_t n;
	do
		n = recv(s->sock, &s->placed, sizeof s->placed, 0);
	while (n < 0 && errno == EINTR);
	if (n != sizeof s->placed)
		return n < 0 ? err_sys(e, "wait for the parent") : err_set(e, ERR_SYSTEM, "the parent is gone");
	s->placed.v2 = cgroup_open_row(&s->placed, CGROUPFS_V2);
	s->cgroup = &s->placed;
	return 0;
}

static int enter_groups(struct setup *s, struct err *e)
{
	if (s->create && s->create->cgroup_manager == CGROUP_MANAGER_SYSTEMD)
		return wait_placed(s, e);
	if (cgroup_enter(s->tasks, e) < 0)
		return -1;
	for (int i = 0; i < CGROUPFS_ROWS; i++)
		fd_drop(&s->tasks[i]);
	return 0;
}

int setup_become_root(const struct spec_linux *l, struct err *e)
{
	if (syscall(SYS_setresgid, idmap_root(&l->gids), idmap_root(&l->gids), idmap_root(&l->gids)) < 0 ||
		syscall(SYS_setresuid, idmap_root(&l->uids), idmap_root(&l->uids), idmap_root(&l->uids)) < 0)
		return err_sys(e, "become root of the user namespace");
	return 0;
}

/* The parent may lower it; but who is root of a user namespace only cannot write to what is not dumpable, so it is raised here. Nobody of the
 * container is near yet. */
static void raise_oom_score(const struct setup *s)
{
	struct err ignored = {};
	char text[24];
	if (!s->process->oom_score_adj.set || prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
		return;
	snprintf(text, sizeof text, "%lld", (long long)s->process->oom_score_adj.v);
	(void)!path_put(AT_FDCWD, "/proc/self/oom_score_adj", text, &ignored);
}

static int take_identity(struct setup *s, struct err *e)
{
	bool is_new = s->ns->made & CLONE_NEWUSER;
	if (is_new && (setup_wait(s, SETUP_MAPPED, e) < 0 || setup_become_root(s->spec->linux_, e) < 0))
		return -1;
	raise_oom_score(s);
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? err_sys(e, "set not dumpable") : 0;
}

/* The group in which the process is now is the root of what it sees; the one to be in may be below it. */
static int make_cgroup_namespace(struct setup *s, struct err *e)
{
	own(fd) int below = s->create ? cgroup_delegated_open(s->spec, e) : -2;
	if (below == -1)
		return -1;
	if (s->ns->made & CLONE_NEWCGROUP && unshare(CLONE_NEWCGROUP) < 0)
		return err_sys(e, "new cgroup namespace");
	return below >= 0 ? cgroup_delegated_enter(below, e) : 0;
}

static int join_namespaces(struct setup *s, struct err *e)
{
	if (namespaces_join(s->ns, e) < 0)
		return -1;
	if (s->ns->fd[NS_USER] >= 0 && setup_become_root(s->spec->linux_, e) < 0)
		return -1;
	if (make_cgroup_namespace(s, e) < 0)
		return -1;
	/* setns and set*id make a process dumpable again where fs.suid_dumpable says so. */
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? err_sys(e, "set not dumpable") : 0;
}

int setup_raise_loopback(struct err *e)
{
	struct ifreq r = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	own(fd) int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return sock < 0 || ioctl(sock, SIOCSIFFLAGS, &r) < 0 ? err_sys(e, "start the loopback interface") : 0;
}

static int raise_loopback(struct setup *s, struct err *e)
{
	return s->ns->made & CLONE_NEWNET ? setup_raise_loopback(e) : 0;
}

static int set_names(struct setup *s, struct err *e)
{
	const char *h = s->spec->hostname, *d = s->spec->domainname;
	if (!str_is_empty(h) && sethostname(h, strlen(h)) < 0)
		return err_sys(e, "host name \"%.80s\"", h);
	if (!str_is_empty(d) && setdomainname(d, strlen(d)) < 0)
		return err_sys(e, "domain name \"%.80s\"", d);
	return 0;
}

static int run_hooks(struct setup *s, struct err *e)
{
	const struct spec_hooks *h = s->spec->hooks;
	if (!h)
		return 0;
	if (h->prestart.n || h->create_runtime.n)
		if (setup_report(s, SETUP_HOOKS, NULL, e) < 0 || setup_wait(s, SETUP_GO, e) < 0)
			return -1;
	if (hooks_run(&h->create_container, s->create, "creating", getpid(), e) < 0)
		return -1;
	return h->start_container.n ? hooks_open_output(s->create, s->hook_output, e) : 0;
}

static int open_root(struct setup *s, struct err *e)
{
	if (s->shared)
		return 0;
	s->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return s->root < 0 ? err_sys(e, "the container's root") : 0;
}

static int open_terminal(struct setup *s, struct err *e)
{
	return s->process->terminal ? process_terminal(s, e) : 0;
}

static int enter_root(struct setup *s, struct err *e)
{
	return s->shared ? rootfs_chroot(s, e) : 0;
}

static int tell_netns(struct setup *s, struct err *e)
{
	if (s->create->netns_socket <= 0)
		return 0;
	own(fd) int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "/proc/self/ns/net");
	return fd_send(s->create->netns_socket, "", 1, &fd, 1, e);
}

static const struct step create_steps[] = {
	{NULL, enter_groups},
	{"user namespace", take_identity},
	{NULL, join_namespaces},
	{NULL, keyring_join},
	{NULL, raise_loopback},
	{"network namespace", tell_netns},
	{NULL, set_names},
	{"root file system", rootfs_attach},
	{NULL, mounts_make},
	{NULL, rootfs_devices},
	{NULL, rootfs_console},
	{NULL, mounts_finish},
	{NULL, sysctl_write},
	{NULL, rootfs_mask},
	{NULL, run_hooks},
	{"root file system", rootfs_enter},
	{NULL, limits_set},
	{NULL, process_exec},
};

static const struct step exec_steps[] = {
	{NULL, limits_set_initial},
	{NULL, enter_groups},
	{NULL, take_identity},
	{NULL, join_namespaces},
	{NULL, keyring_join},
	{NULL, open_root},
	{NULL, open_terminal},
	{"root file system", enter_root},
	{NULL, limits_set},
	{NULL, process_exec},
};

__attribute__((noreturn)) static void run_steps(struct setup *s, const struct step *steps, size_t n)
{
	struct err e = {}, ignored = {};
	for (size_t i = 0; i < n; i++)
		if (steps[i].run(s, &e) < 0) {
			if (steps[i].name)
				err_wrap_(&e, "%s", steps[i].name);
			break;
		}
	fd_drop(&s->master);
	(void)!setup_report(s, SETUP_FAILED, &e, &ignored);
	_exit(127);
}

void init_main(struct setup *s)
{
	run_steps(s, create_steps, countof(create_steps));
}

void init_exec(struct setup *s)
{
	run_steps(s, exec_steps, countof(exec_steps));
}
