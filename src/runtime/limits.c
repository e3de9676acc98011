/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limits: what a process has of its own, apart from cgroups: rlimits, scheduling, i/o priority, memory policy, personality.
 * All of it is inherited by what it starts. Set while we may, before capabilities are given up.
 */
#include "runtime/limits.h"

#include "base/num.h"
#include "runtime/setup.h"

#include <errno.h>
#include <linux/ioprio.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct { const char *name; int resource; } rlimits[] = {
	{"RLIMIT_AS", RLIMIT_AS}, {"RLIMIT_CORE", RLIMIT_CORE}, {"RLIMIT_CPU", RLIMIT_CPU}, {"RLIMIT_DATA", RLIMIT_DATA},
	{"RLIMIT_FSIZE", RLIMIT_FSIZE}, {"RLIMIT_LOCKS", RLIMIT_LOCKS}, {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},
	{"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE}, {"RLIMIT_NICE", RLIMIT_NICE}, {"RLIMIT_NOFILE", RLIMIT_NOFILE},
	{"RLIMIT_NPROC", RLIMIT_NPROC}, {"RLIMIT_RSS", RLIMIT_RSS}, {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},
	{"RLIMIT_RTTIME", RLIMIT_RTTIME}, {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING}, {"RLIMIT_STACK", RLIMIT_STACK}};

/* A limit above our own hard one needs CAP_SYS_RESOURCE; where hull lacks that itself, it gives what it has and says so. */
static int set_rlimit(struct setup *s, const struct spec_rlimit *l, struct err *e)
{
	size_t i = 0;
	while (i < countof(rlimits) && strcmp(rlimits[i].name, l->type) != 0)
		i++;
	if (i == countof(rlimits))
		return err_set(e, ERR_USAGE, "unknown limit \"%s\"", l->type);
	if (l->soft > l->hard)
		return err_set(e, ERR_USAGE, "%s: the soft limit is above the hard one", l->type);
	struct rlimit want = {.rlim_cur = l->soft, .rlim_max = l->hard}, have;
	if (setrlimit((unsigned)rlimits[i].resource, &want) == 0)
		return 0;
	if (errno != EPERM || getrlimit((unsigned)rlimits[i].resource, &have) < 0)
		return err_sys(e, "%s", l->type);
	want.rlim_max = want.rlim_max > have.rlim_max ? have.rlim_max : want.rlim_max;
	want.rlim_cur = want.rlim_cur > want.rlim_max ? want.rlim_max : want.rlim_cur;
	if (setrlimit((unsigned)rlimits[i].resource, &want) < 0)
		return err_sys(e, "%s", l->type);
	setup_warn(s, "%s is limited to %llu: raising it needs CAP_SYS_RESOURCE", l->type, (unsigned long long)want.rlim_max);
	return 0;
}

static int set_personality(const struct spec_personality *p, struct err *e)
{
	if (!p)
		return 0;
	if (!str_eq(p->domain, "LINUX") && !str_eq(p->domain, "LINUX32"))
		return err_set(e, ERR_USAGE, "unknown personality \"%.40s\"", p->domain);
	if (p->flags.n)
		return err_set(e, ERR_USAGE, "linux.personality.flags: none are known");
	return personality(str_eq(p->domain, "LINUX32") ? PER_LINUX32 : PER_LINUX) < 0 ? err_sys(e, "personality") : 0;
}

/* The number of a word in a table, or -1 with an error that names it. */
struct word { const char *name; int value; };
static int value_of(const struct word *rows, size_t n, const char *name, const char *what, struct err *e)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(rows[i].name, name) == 0)
			return rows[i].value;
	return err_set(e, ERR_USAGE, "%s: unknown word \"%.60s\"", what, name);
}

/* struct sched_attr, whose header does not go together with libc's. */
struct attributes {
	uint32_t size, sched_policy;
	uint64_t sched_flags;
	int32_t sched_nice;
	uint32_t sched_priority;
	uint64_t sched_runtime, sched_deadline, sched_period;
	uint32_t util_min, util_max;
};

enum { LIST_BITS = 8192, SCHED_DEADLINE_ = 6 };

/* All CPUs that the cgroup leaves us: what our caller was bound to is not the container's business. */
static void reset_affinity(void)
{
	unsigned long bits[LIST_BITS / (8 * sizeof(unsigned long))];
	memset(bits, 0xff, sizeof bits);
	syscall(SYS_sched_setaffinity, 0, sizeof bits, bits);
}

static int set_scheduler(const struct spec_scheduler *c, struct err *e)
{
	static const struct word policies[] = {{"SCHED_OTHER", 0}, {"SCHED_FIFO", 1}, {"SCHED_RR", 2}, {"SCHED_BATCH", 3},
		{"SCHED_ISO", 4}, {"SCHED_IDLE", 5}, {"SCHED_DEADLINE", 6}};
	static const struct word flags[] = {{"SCHED_FLAG_RESET_ON_FORK", 1}, {"SCHED_FLAG_RECLAIM", 2}, {"SCHED_FLAG_DL_OVERRUN", 4},
		{"SCHED_FLAG_KEEP_POLICY", 8}, {"SCHED_FLAG_KEEP_PARAMS", 16}, {"SCHED_FLAG_UTIL_CLAMP_MIN", 32},
		{"SCHED_FLAG_UTIL_CLAMP_MAX", 64}};
	if (!c)
		return 0;
	int policy = value_of(policies, countof(policies), c->policy, "process.scheduler.policy", e);
	if (policy == SCHED_DEADLINE_)
		reset_affinity(); /* the kernel admits it on all CPUs or not at all */
	struct attributes a = {.size = sizeof a, .sched_nice = (int32_t)c->nice.v, .sched_priority = (uint32_t)c->priority.v,
		.sched_runtime = c->runtime.v, .sched_deadline = c->deadline.v, .sched_period = c->period.v};
	if (policy < 0)
		return -1;
	a.sched_policy = (uint32_t)policy;
	for (size_t i = 0; i < c->flags.n; i++) {
		int flag = value_of(flags, countof(flags), c->flags.v[i], "process.scheduler.flags", e);
		if (flag < 0)
			return -1;
		a.sched_flags |= (uint64_t)flag;
	}
	if (syscall(SYS_sched_setattr, 0, &a, 0) == 0)
		return 0;
	return errno == EINVAL ? err_set(e, ERR_USAGE, "process.scheduler: %s with these values is refused by this kernel", c->policy)
		: err_sys(e, "process.scheduler %s", c->policy);
}

static int set_io_priority(const struct spec_io_priority *p, struct err *e)
{
	static const struct word classes[] = {{"IOPRIO_CLASS_RT", IOPRIO_CLASS_RT}, {"IOPRIO_CLASS_BE", IOPRIO_CLASS_BE},
		{"IOPRIO_CLASS_IDLE", IOPRIO_CLASS_IDLE}};
	if (!p)
		return 0;
	int class = value_of(classes, countof(classes), p->class, "process.ioPriority.class", e);
	if (class < 0)
		return -1;
	if (p->priority < 0 || p->priority > 7)
		return err_set(e, ERR_USAGE, "process.ioPriority.priority: 0 to 7");
	return syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(class, (int)p->priority)) < 0
		? err_sys(e, "process.ioPriority") : 0;
}

/* "0-3,7" to bits; used for CPUs and for memory nodes. */
static int parse_list(const char *text, unsigned long *bits, size_t max, const char *what, struct err *e)
{
	own(strv) struct strv parts = {};
	strv_split(&parts, text, ',');
	for (size_t i = 0; i < parts.n; i++) {
		uint64_t from, to;
		char *dash = strchr(parts.v[i], '-');
		if (dash)
			*dash = 0;
		if (num_u64(parts.v[i], max - 1, &from, what, e) < 0 || num_u64(dash ? dash + 1 : parts.v[i], max - 1, &to, what, e) < 0)
			return -1;
		if (from > to)
			return err_set(e, ERR_USAGE, "%s: %llu-%llu goes down", what, (unsigned long long)from, (unsigned long long)to);
		for (uint64_t k = from; k <= to; k++)
			bits[k / (8 * sizeof *bits)] |= 1UL << k % (8 * sizeof *bits);
	}
	return 0;
}

static int set_affinity(const char *cpus, struct err *e)
{
	unsigned long bits[LIST_BITS / (8 * sizeof(unsigned long))] = {};
	if (str_is_empty(cpus))
		return 0;
	if (parse_list(cpus, bits, LIST_BITS, "process.execCPUAffinity", e) < 0)
		return -1;
	return syscall(SYS_sched_setaffinity, 0, sizeof bits, bits) < 0 ? err_sys(e, "process.execCPUAffinity %s", cpus) : 0;
}

static const struct word policy_modes[] = {{"MPOL_DEFAULT", 0}, {"MPOL_PREFERRED", 1}, {"MPOL_BIND", 2}, {"MPOL_INTERLEAVE", 3},
	{"MPOL_LOCAL", 4}, {"MPOL_PREFERRED_MANY", 5}, {"MPOL_WEIGHTED_INTERLEAVE", 6}};
static const struct word policy_flags[] = {{"MPOL_F_NUMA_BALANCING", 1 << 13}, {"MPOL_F_RELATIVE_NODES", 1 << 14},
	{"MPOL_F_STATIC_NODES", 1 << 15}};

const char *limits_policy_mode(size_t i)
{
	return i < countof(policy_modes) ? policy_modes[i].name : NULL;
}

const char *limits_policy_flag(size_t i)
{
	return i < countof(policy_flags) ? policy_flags[i].name : NULL;
}

static int set_memory_policy(const struct spec_memory_policy *p, struct err *e)
{
	unsigned long nodes[LIST_BITS / (8 * sizeof(unsigned long))] = {};
	if (!p)
		return 0;
	int mode = value_of(policy_modes, countof(policy_modes), p->mode, "linux.memoryPolicy.mode", e);
	if (mode < 0 || (!str_is_empty(p->nodes) && parse_list(p->nodes, nodes, 1024, "linux.memoryPolicy.nodes", e) < 0))
		return -1;
	for (size_t i = 0; i < p->flags.n; i++) {
		int flag = value_of(policy_flags, countof(policy_flags), p->flags.v[i], "linux.memoryPolicy.flags", e);
		if (flag < 0)
			return -1;
		mode |= flag;
	}
	/* No nodes is no set at all: an empty one is refused. */
	bool none = str_is_empty(p->nodes);
	if (syscall(SYS_set_mempolicy, mode, none ? NULL : nodes, none ? 0 : 1024) == 0)
		return 0;
	return errno == EINVAL ? err_set(e, ERR_USAGE, "linux.memoryPolicy: %s with nodes \"%s\" is refused by this kernel", p->mode, p->nodes ? p->nodes : "")
		: err_sys(e, "linux.memoryPolicy");
}

/* Of the process that is executed, or else of the container. */
static const struct spec_cpu_affinity *affinity_of(const struct setup *s)
{
	const struct spec_process *first = s->spec->process;
	return s->process->cpu_affinity ? s->process->cpu_affinity : first ? first->cpu_affinity : NULL;
}

int limits_set_initial(struct setup *s, struct err *e)
{
	const struct spec_cpu_affinity *a = affinity_of(s);
	if (!a || set_affinity(a->initial, e) == 0)
		return 0;
	/* In a v2 cgroup from the first instruction on, whose CPUs may be others: then there is no time before it. */
	return e->sys == EINVAL && s->cgroup && s->cgroup->v2 >= 0 ? 0 : -1;
}

int limits_set(struct setup *s, struct err *e)
{
	const struct spec_process *p = s->process;
	for (size_t i = 0; i < p->rlimits.n; i++)
		if (set_rlimit(s, &p->rlimits.v[i], e) < 0)
			return -1;
	reset_affinity();
	if (set_personality(s->spec->linux_->personality, e) < 0 || set_scheduler(p->scheduler, e) < 0 ||
		set_io_priority(p->io_priority, e) < 0)
		return -1;
	const struct spec_cpu_affinity *a = s->create ? NULL : affinity_of(s);
	if (a && set_affinity(a->final, e) < 0)
		return -1;
	return set_memory_policy(s->spec->linux_->memory_policy, e);
}
