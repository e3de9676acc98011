/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netns: who may enter a namespace need not be allowed to come back: a plain user's hull has every right in namespaces of his own and
 * none in the machine's. So what is done inside is done by a child that shares memory and fds with us, and that we wait for, as for
 * vfork(2). Root goes in and out itself.
 */
#include "sys/netns.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STACK = 256 << 10 };
static int base = -1;

struct call {
	int netns, result;
	int (*inside)(void *arg, struct err *e);
	void *arg;
	struct err *e;
};

void netns_set_base(int netns)
{
	base = netns;
}

bool netns_has_base(void)
{
	return base >= 0;
}

static bool is_ours(int netns)
{
	own(fd) int owner = ioctl(netns, NS_GET_USERNS);
	return owner >= 0;
}

bool netns_is_ours(void)
{
	own(fd) int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	return here >= 0 && is_ours(here);
}

static int enter(struct call *c)
{
	if (setns(c->netns, CLONE_NEWNET) < 0)
		return err_sys(c->e, "enter a network namespace");
	return c->inside(c->arg, c->e);
}

static int child(void *arg)
{
	struct call *c = arg;
	c->result = enter(c);
	return 0;
}

static int by_child(struct call *c)
{
	static _Alignas(64) char stack[STACK];
	int status;
	pid_t pid = clone(child, stack + STACK, CLONE_VM | CLONE_FILES | CLONE_VFORK, c);
	if (pid < 0)
		return err_sys(c->e, "enter a network namespace");
	while (waitpid(pid, &status, __WALL) < 0 && errno == EINTR)
		;
	return c->result;
}

int netns_run(int netns, int (*inside)(void *arg, struct err *e), void *arg, struct err *e)
{
	struct call c = {.netns = netns, .result = -1, .inside = inside, .arg = arg, .e = e};
	own(fd) int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (home < 0)
		return err_sys(e, "enter a network namespace");
	if (!is_ours(home))
		return by_child(&c);
	int r = enter(&c);
	if (setns(home, CLONE_NEWNET) < 0)
		return err_sys(e, "leave a network namespace");
	return r;
}

int netns_run_base(int (*inside)(void *arg, struct err *e), void *arg, struct err *e)
{
	return base < 0 ? inside(arg, e) : netns_run(base, inside, arg, e);
}
