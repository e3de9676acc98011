/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_rules: `cgroup rules`, as cgrulesengd of libcgroup: processes into groups by a file of rules. First all that are there, then
 * those that execute a program or become another user, as the kernel tells; where it tells nothing, all of them again and again.
 */
#include "engine/cgroup_rules.h"

#include "base/fd.h"
#include "base/num.h"
#include "cli/commands.h"
#include "cli/tools.h"
#include "engine/sticky.h"
#include "sys/procevents.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define DEFAULT_FILE "/etc/cgrules.conf"

struct rules_options {
	char *file;
	bool check, dry, once, create, verbose;
	struct opt_num poll;
	/* worked out */
	int failed;
};
#define O(m) offset_of(struct rules_options, m)
static const struct opt rules_opts[] = {
	{"check", 0, OPT_BOOL, O(check), NULL, "Only read the file, and say what is wrong with it"},
	{"create", 0, OPT_BOOL, O(create), NULL, "Make groups that are missing"},
	{"dry-run", 'n', OPT_BOOL, O(dry), NULL, "Only print who would go where, once"},
	{"file", 'f', OPT_STR, O(file), "FILE", "The rules (" DEFAULT_FILE ")", 0, "@file"},
	{"once", 0, OPT_BOOL, O(once), NULL, "Only the processes that are there now"},
	{"poll", 0, OPT_U64, O(poll), "SECONDS", "Look at all processes so often, and do not ask the kernel for events"},
	{"verbose", 'v', OPT_BOOL, O(verbose), NULL, "Print who goes where"},
};
#undef O

static void told(void *arg, pid_t pid, const char *name, const char *controllers, const char *path, const struct err *why)
{
	struct rules_options *o = arg;
	struct err e = {};
	own(mem) char *shown = mem_dup(name);
	str_harmless(shown);
	if (why) {
		struct err with = *why;
		err_wrap_(&with, "process %d (%s)", (int)pid, shown);
		cli_complain(&with);
		o->failed = 1;
	} else if ((o->dry || o->verbose) && cli_printf(&e, "%d\t%s\t%s:%s\n", (int)pid, shown, controllers, path) < 0) {
		cli_complain(&e);
	}
}

static void apply_to(void *arg, pid_t pid)
{
	rules_apply_to(arg, pid);
}

/* Blocked signals that end us become readable. */
static int open_signals(struct err *e)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	int fd = signalfd(-1, &set, SFD_CLOEXEC);
	return fd < 0 ? err_sys(e, "signalfd") : fd;
}

static int follow(const struct rules_options *o, const struct rules_apply *a, int events, struct err *e)
{
	own(fd) int signals = open_signals(e);
	if (signals < 0)
		return -1;
	int every = o->poll.set && o->poll.v ? (int)(o->poll.v < 3600 ? o->poll.v : 3600) * 1000 : 1000;
	for (;;) {
		struct pollfd p[2] = {{.fd = signals, .events = POLLIN}, {.fd = events, .events = POLLIN}};
		int n = poll(p, 2, events < 0 ? every : 60000);
		if (n < 0 && errno != EINTR)
			return err_sys(e, "poll");
		if (p[0].revents)
			return 0;
		int lost = n > 0 && p[1].revents ? procevents_read(events, apply_to, (void *)(uintptr_t)a, e) : events < 0;
		if (lost < 0 || (lost && rules_apply_all(a, e) < 0))
			return -1;
		if (n == 0)
			sticky_sweep(a->g);
	}
}

static int rules_it(struct rules_options *o, struct err *e)
{
	const char *file = o->file ? o->file : DEFAULT_FILE;
	own(rules) struct rules r = {};
	own(fd) int events = -1;
	if (rules_load(file, &r, e) < 0)
		return -1;
	if (o->check)
		return cli_printf(e, "%s: %zu rules\n", file, r.n);
	struct engine *g = cli_engine(e);
	if (!g || (!o->create && rules_check_groups(&r, file, e) < 0))
		return -1;
	struct rules_apply a = {.g = g, .rules = &r, .dry = o->dry, .create = o->create, .told = told, .arg = o};
	bool once = o->once || o->dry;
	struct err why = {};
	/* Before the first look: nobody is missed between the two. */
	if (!once && !o->poll.set && (events = procevents_open(&why)) < 0 && o->verbose)
		cli_warn("%s: looking at all processes every second", why.text);
	sticky_sweep(g);
	if (rules_apply_all(&a, e) < 0)
		return -1;
	if (once)
		return o->failed;
	return follow(o, &a, events, e);
}

static int rules(void *opts, int argc unused, char **argv unused, struct err *e)
{
	return tools_status(rules_it(opts, e), e);
}

int tools_rules_classify(int argc, char **argv, bool sticky, struct err *e)
{
	own(rules) struct rules r = {};
	struct rules_options o = {};
	struct engine *g = cli_engine(e);
	if (!g || rules_load(DEFAULT_FILE, &r, e) < 0)
		return tools_status(-1, e);
	struct rules_apply a = {.g = g, .rules = &r, .told = told, .arg = &o};
	for (int i = 0; i < argc; i++) {
		uint64_t pid;
		if (num_u64(argv[i], INT32_MAX, &pid, "process id", e) < 0)
			return tools_status(-1, e);
		if (!pid || (kill((pid_t)pid, 0) < 0 && errno == ESRCH))
			return tools_status(err_set(e, ERR_NOT_FOUND, "process %s: no such process", argv[i]), e);
		rules_apply_to(&a, (pid_t)pid);
		if (sticky && sticky_set(g, (pid_t)pid, true, e) < 0)
			return -1;
	}
	return o.failed;
}

const struct cmd cmd_cgroup_rules = {"rules", "", "Put processes into control groups by a file of rules", rules_opts, countof(rules_opts),
	sizeof(struct rules_options), 0, 0, rules,
	.about = "As cgrulesengd(8), with the rules of cgrules.conf(5): USER[:PROCESS] CONTROLLERS DESTINATION [OPTIONS]. The first rule that fits a "
	"process decides. It runs until a signal ends it. With an error in the file nothing is moved.",
	.examples = "$ hull cgroup rules -f lab.conf --check\n$ hull cgroup rules -f lab.conf -n"};
