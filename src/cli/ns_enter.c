/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ns_enter: `ns enter`, as nsenter(1). A target that is no number is a container of hull's.
 */
#include "base/num.h"
#include "cli/commands.h"
#include "cli/tools.h"
#include "engine/container.h"
#include "engine/ns_run.h"
#include "sys/accounts.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

struct enter_options {
	char *kinds[NSFS_KINDS]; /* "": the target's */
	char *target, *root, *wd, *wdns, *uid, *gid;
	bool all, no_fork, preserve, env, keep_caps, cgroup;
};
#define O(m) offset_of(struct enter_options, m)
#define KIND(i, name, letter) {name, letter, OPT_OPTSTR, O(kinds[i]), "FILE", "Join the target's " name " namespace, or the one of FILE", 0, "@file"}
static const struct opt enter_opts[] = {
	{"all", 'a', OPT_BOOL, O(all), NULL, "Join all namespaces of the target that are others than the caller's"},
	KIND(5, "cgroup", 'C'),
	{"env", 'e', OPT_BOOL, O(env), NULL, "Take the target's environment"},
	KIND(2, "ipc", 'i'),
	{"join-cgroup", 'c', OPT_BOOL, O(cgroup), NULL, "Go into the target's control groups"},
	{"keep-caps", 0, OPT_BOOL, O(keep_caps), NULL, "The command keeps the capabilities that a user namespace gives"},
	KIND(0, "mount", 'm'),
	KIND(6, "net", 'n'),
	{"no-fork", 'F', OPT_BOOL, O(no_fork), NULL, "Do not fork: the command is not in the PID namespace, its children are"},
	KIND(4, "pid", 'p'),
	{"preserve-credentials", 0, OPT_BOOL, O(preserve), NULL, "Stay who you are in a user namespace"},
	{"root", 'r', OPT_OPTSTR, O(root), "DIR", "The target's root directory, or DIR", 0, "@dir"},
	{"setgid", 'G', OPT_STR, O(gid), "GROUP", "Become that group, without further ones"},
	{"setuid", 'S', OPT_STR, O(uid), "USER", "Become that user"},
	{"target", 't', OPT_STR, O(target), "PID|CONTAINER", "The process to take namespaces from, or the container", 0, "@running"},
	KIND(7, "time", 'T'),
	KIND(3, "user", 'U'),
	KIND(1, "uts", 'u'),
	{"wd", 'w', OPT_OPTSTR, O(wd), "DIR", "The target's working directory, or DIR", 0, "@dir"},
	{"wdns", 'W', OPT_STR, O(wdns), "DIR", "Working directory, by its name in the mount namespace that is joined"},
};
#undef O

static int find_container(const char *name, struct ns_enter *n, struct err *e)
{
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	struct engine *g = cli_engine(e);
	if (!g || container_get_running(g, name, &c, e) < 0)
		return -1;
	n->target = (pid_t)c.state.pid;
	return 0;
}

static int find_target(const char *text, struct ns_enter *n, struct err *e)
{
	uint64_t pid;
	struct err ignored = {};
	if (!text)
		return 0;
	if (num_u64(text, INT32_MAX, &pid, "pid", &ignored) < 0)
		return find_container(text, n, e);
	n->target = (pid_t)pid;
	if (pid && kill(n->target, 0) < 0 && errno == ESRCH)
		pid = 0;
	/* A container may be called by a number too. */
	if (!pid && find_container(text, n, &ignored) < 0)
		return err_set(e, ERR_NOT_FOUND, "process %.20s: no such process", text);
	return 0;
}

static enum ns_dir dir_of(const char *option)
{
	return !option ? NS_KEEP : *option ? NS_PATH : NS_TARGETS;
}

static int enter_it(const struct enter_options *o, char **argv, int *ret_status, struct err *e)
{
	struct ns_enter n = {.all = o->all, .root = dir_of(o->root), .wd = dir_of(o->wd), .root_path = o->root, .wd_path = o->wd, .wdns_path = o->wdns,
		.no_fork = o->no_fork, .preserve_credentials = o->preserve, .environment = o->env, .join_cgroup = o->cgroup,
		.who = {.set_uid = o->uid != NULL, .set_gid = o->gid != NULL, .keep_caps = o->keep_caps}, .argv = argv};
	bool any = o->all || o->env || o->cgroup || n.root == NS_TARGETS || n.wd == NS_TARGETS;
	for (int i = 0; i < NSFS_KINDS; i++) {
		n.file[i] = str_is_empty(o->kinds[i]) ? NULL : o->kinds[i];
		n.kinds |= o->kinds[i] && !n.file[i] ? 1u << i : 0;
	}
	if ((any || n.kinds) && !o->target)
		return err_set(e, ERR_USAGE, "whose namespaces? --target PID or a container's name");
	if ((o->uid && accounts_user(o->uid, &n.who.uid, NULL, e) < 0) || (o->gid && accounts_group(o->gid, &n.who.gid, e) < 0))
		return -1;
	if (find_target(o->target, &n, e) < 0)
		return -1;
	return ns_enter(&n, ret_status, e);
}

static int enter(void *opts, int argc unused, char **argv, struct err *e)
{
	int status = 0;
	cli_restore_umask();
	return enter_it(opts, argv, &status, e) < 0 ? tools_status(-1, e) : status;
}

const struct cmd cmd_ns_enter = {"enter", "[COMMAND [ARG...]]", "Run a command in another process's namespaces", enter_opts, countof(enter_opts),
	sizeof(struct enter_options), 0, -1, enter, CMD_STRICT,
	.about = "As nsenter(1); without a command the user's shell. Unlike \"hull exec\" it joins only what is named, and keeps the caller's rights: with "
	"--net alone the machine's own programs look at a container's network.",
	.examples = "$ hull ns enter -t web -n ip addr\n$ hull ns enter -t 4711 -a sh"};
