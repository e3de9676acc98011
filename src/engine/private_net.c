/* SPDX-License-Identifier: Apache-2.0 */
/*
 * private_net: the namespace belongs to a process of its own, the holder, which does nothing but wait. Who needs it, and who holds it, is
 * told by record locks on <run>/netns.lock (as in rootless.c: the kernel says whose they are, and takes them away with a process):
 *
 *   byte 0   the gate: held while a process looks for the holder or makes it
 *   byte 1   shared by all who use the namespace: commands, monitors. The holder waits to have it alone, and ends with that
 *   byte 2   the holder's
 *
 * A process that finds byte 1 taken by a holder that is about to end waits for its end, and makes the next one.
 *
 *   command        fork -> holder          fork -> guide (pasta, slirp4netns)
 *                          unshare(2)              waits
 *                          its file, lo, rules
 *                          go -------------------> exec, with the file as its argument
 *                          a route is there, or the guide has ended
 *   joins   <------------- report
 */
#include "engine/private_net.h"

#include "base/fd.h"
#include "base/path.h"
#include "engine/engine.h"
#include "net/link.h"
#include "net/relay.h"
#include "sys/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { GATE, USERS, HOLDER, PATIENCE_MS = 10000, STEP_MS = 2 };
static const char tap[] = "tap0";

bool private_net_is_needed(struct engine *g)
{
	struct private_net *p = &g->private_net;
	if (!p->known)
		p->needed = g->rootless && !netns_is_ours();
	p->known = true;
	return p->needed;
}

struct report {
	struct err failure;
	char warning[400];
};

/* What stands on the way outwards. */
static void exec_guide(const char *path)
{
	execlp("pasta", "pasta", "--foreground", "--quiet", "--config-net", "--no-map-gw", "-t", "none", "-u", "none", "-T", "none", "-U", "none",
		"--netns-only", "-I", tap, "--netns", path, (char *)NULL);
	if (errno == ENOENT || errno == EACCES)
		execlp("slirp4netns", "slirp4netns", "--configure", "--mtu=65520", "--disable-host-loopback", "--netns-type=path", path, tap, (char *)NULL);
	dprintf(2, "%s\n", errno == ENOENT ? "neither pasta (package passt) nor slirp4netns is installed" : strerror(errno));
	_exit(127);
}

static pid_t fork_guide(const char *path, int go[2], int words)
{
	pid_t holder = getpid(), pid = fork();
	if (pid != 0)
		return pid;
	char word;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(go[1]);
	if (words >= 0)
		dup2(words, 2);
	if (getppid() != holder || fd_read_full(go[0], &word, 1) != 1)
		_exit(1);
	exec_guide(path);
	return -1;
}

/* The last line of what it said. */
static void explain(int words, char *ret, size_t n)
{
	char text[4096];
	ssize_t len = words < 0 ? 0 : pread(words, text, sizeof text - 1, 0);
	text[len > 0 ? len : 0] = 0;
	while (len > 0 && text[len - 1] == '\n')
		text[--len] = 0;
	const char *last = strrchr(text, '\n');
	last = last ? last + 1 : text;
	snprintf(ret, n, "containers reach nothing beyond this machine's user: %.200s", *last ? last : "pasta ended at once");
}

/* 0: it leads outwards, or *warning says why not. */
static void wait_for_guide(pid_t guide, int words, char *warning, size_t n)
{
	int status;
	for (int ms = 0; ms < PATIENCE_MS; ms += STEP_MS) {
		if (link_has_default())
			return;
		if (waitpid(guide, &status, WNOHANG) == guide) {
			explain(words, warning, n);
			return;
		}
		nanosleep(&(struct timespec){.tv_nsec = STEP_MS * 1000000L}, NULL);
	}
	snprintf(warning, n, "containers reach nothing beyond this machine's user: pasta makes no interface");
}

/*
 * Where the namespace's file is, in a mount namespace that only the holder and the guide are in: nothing of it is on a disk or outlives
 * them. pasta's AppArmor profile (Debian's, Ubuntu's) lets it open namespaces as /run/user/UID/netns/ALL and nowhere else, and not another
 * process's below /proc. Where there is no /run/user nobody has that profile.
 */
static char *place_file(struct engine *g, struct err *e)
{
	const char *top = access("/run/user", F_OK) == 0 ? "/run/user" : g->run_path;
	own(mem) char *dir = mem_printf("%s/%u/netns", top, (unsigned)g->user.user);
	if (unshare(CLONE_NEWNS) < 0 || (mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0 && errno != EINVAL))
		return err_sys_(e, "make a mount namespace"), NULL;
	if (mount("tmpfs", top, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755") < 0)
		return err_sys_(e, "mount %s", top), NULL;
	return path_mkdirs(AT_FDCWD, dir, 0755, e) < 0 ? NULL : mem_printf("%s/hull", dir);
}

static int make_namespace(const char *path, struct err *e)
{
	struct err ignored = {};
	if (unshare(CLONE_NEWNET) < 0)
		return err_sys(e, "make a network namespace");
	own(fd) int f = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
	if (f < 0 || mount("/proc/self/ns/net", path, NULL, MS_BIND, NULL) < 0)
		return err_sys(e, "%s", path);
	if (link_up("lo", e) < 0)
		return -1;
	/* Without it clients of published ports seem to come from the bridge. */
	(void)!relay_keep_addresses(&ignored);
	return 0;
}

static _Noreturn void hold(struct engine *g, int tell)
{
	struct report r = {};
	int go[2], lock = g->private_net.lock, null = open("/dev/null", O_RDWR | O_CLOEXEC), words = memfd_create("guide", MFD_CLOEXEC);
	setsid();
	prctl(PR_SET_NAME, "hull-network");
	for (int i = 0; i < 3; i++)
		dup2(null, i);
	fd_close_from(3, (int[]){tell, lock, words}, 3);
	if (fd_lock_byte(lock, F_WRLCK, HOLDER, true) < 0 || pipe2(go, O_CLOEXEC) < 0 || chdir("/") < 0) {
		err_sys_(&r.failure, "network namespace");
		(void)!write(tell, &r, sizeof r);
		_exit(1);
	}
	own(mem) char *path = place_file(g, &r.failure);
	pid_t guide = path ? fork_guide(path, go, words) : -1;
	close(go[0]);
	if (guide < 0 || make_namespace(path, &r.failure) < 0) {
		(void)!write(tell, &r, sizeof r);
		_exit(1);
	}
	(void)!write(go[1], "", 1);
	close(go[1]);
	wait_for_guide(guide, words, r.warning, sizeof r.warning);
	(void)!write(tell, &r, sizeof r);
	close(tell);
	while (fd_lock_byte(lock, F_WRLCK, USERS, true) < 0)
		nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
	kill(guide, SIGKILL);
	waitpid(guide, NULL, 0);
	_exit(0);
}

/* It has the namespace when we come back. */
static int make_holder(struct engine *g, struct err *e)
{
	int tell[2];
	struct report r;
	if (fd_pipe(tell, e) < 0)
		return -1;
	pid_t pid = fork();
	if (pid == 0)
		hold(g, tell[1]);
	close(tell[1]);
	ssize_t n = pid < 0 ? 0 : fd_read_full(tell[0], &r, sizeof r);
	close(tell[0]);
	if (n != sizeof r)
		return err_set(e, ERR_SYSTEM, "the process of the network namespace ended");
	if (r.failure.kind)
		return *e = r.failure, -1;
	if (*r.warning)
		engine_warn(g, "%s", r.warning);
	return 0;
}

static int open_namespace(struct private_net *p, struct err *e)
{
	char path[48];
	pid_t pid = fd_lock_holder(p->lock, HOLDER);
	snprintf(path, sizeof path, "/proc/%d/ns/net", (int)pid);
	p->netns = pid ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (p->netns < 0 || fd_lock_holder(p->lock, HOLDER) != pid)
		return err_sys(e, "the network namespace of this user's containers");
	netns_set_base(p->netns);
	return 0;
}

int private_net_join(struct engine *g, bool make, bool *there, struct err *e)
{
	struct private_net *p = &g->private_net;
	*there = true;
	if (p->netns >= 0 || !private_net_is_needed(g))
		return 0;
	if (p->lock < 0)
		p->lock = openat(g->run, "netns.lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (p->lock < 0 || fd_lock_byte(p->lock, F_WRLCK, GATE, true) < 0 || fd_lock_byte(p->lock, F_RDLCK, USERS, true) < 0)
		return err_sys(e, "lock netns.lock");
	int r = 0;
	*there = fd_lock_holder(p->lock, HOLDER) > 0;
	if (!*there && make)
		r = make_holder(g, e);
	*there |= make && r == 0;
	if (r == 0 && *there)
		r = open_namespace(p, e);
	if (!*there)
		(void)fd_lock_byte(p->lock, F_UNLCK, USERS, false);
	(void)fd_lock_byte(p->lock, F_UNLCK, GATE, false);
	return r;
}

int private_net_hold(struct private_net *p, struct err *e)
{
	if (p->netns >= 0 && fd_lock_byte(p->lock, F_RDLCK, USERS, true) < 0)
		return err_sys(e, "lock netns.lock");
	return 0;
}

void private_net_drop(struct private_net *p)
{
	if (p->netns >= 0)
		netns_set_base(-1);
	fd_drop(&p->netns);
	fd_drop(&p->lock);
}
