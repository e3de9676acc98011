/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp_compile: OCI rules to classic BPF with libseccomp.
 *
 * A name libseccomp does not know is skipped, as docker does: a newer profile works with an older library. A system
 * call with a higher number than all that the profile names is newer than the profile, and so than every program that was
 * tested with it: it is answered with ENOSYS instead of being denied, so that programs fall back to an older one (runc
 * does the same). That is a few instructions for each architecture in front of libseccomp's filter.
 */
#include "runtime/seccomp.h"

#include "base/fd.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TREE_FROM = 32 };

unsigned seccomp_library(void)
{
	const struct scmp_version *v = seccomp_version();
	return v->major << 16 | v->minor << 8 | v->micro;
}

static const struct {
	const char *name;
	uint32_t action;
	bool has_errno; /* in its low bits */
} actions[] = {{"SCMP_ACT_ALLOW", SCMP_ACT_ALLOW, false}, {"SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(0), true},
	{"SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD, false}, {"SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD, false},
	{"SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS, false}, {"SCMP_ACT_TRAP", SCMP_ACT_TRAP, false},
	{"SCMP_ACT_TRACE", SCMP_ACT_TRACE(0), true}, {"SCMP_ACT_LOG", SCMP_ACT_LOG, false}, {"SCMP_ACT_NOTIFY", SCMP_ACT_NOTIFY, false}};

static int action_of(const char *name, const struct opt_i64 *errno_ret, uint32_t *ret, struct err *e)
{
	uint32_t number = errno_ret->set ? (uint32_t)errno_ret->v & 0xffff : EPERM;
	size_t i = 0;
	while (name && i < countof(actions) && strcmp(actions[i].name, name) != 0)
		i++;
	if (!name || i == countof(actions))
		return err_set(e, ERR_USAGE, "seccomp: unknown action \"%.60s\"", name ? name : "");
	if (errno_ret->set && !actions[i].has_errno)
		return err_set(e, ERR_USAGE, "seccomp: %s takes no errnoRet", name);
	if (errno_ret->set && (errno_ret->v < 0 || errno_ret->v > 0xffff))
		return err_set(e, ERR_USAGE, "seccomp: errnoRet %lld: it must be from 0 to 65535", (long long)errno_ret->v);
	*ret = actions[i].action | (actions[i].has_errno ? number : 0);
	return 0;
}

static const struct {
	const char *name;
	enum scmp_compare op;
} compares[] = {{"SCMP_CMP_NE", SCMP_CMP_NE}, {"SCMP_CMP_LT", SCMP_CMP_LT}, {"SCMP_CMP_LE", SCMP_CMP_LE},
	{"SCMP_CMP_EQ", SCMP_CMP_EQ}, {"SCMP_CMP_GE", SCMP_CMP_GE}, {"SCMP_CMP_GT", SCMP_CMP_GT},
	{"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ}};

static int compare_of(const struct spec_syscall_arg *a, struct scmp_arg_cmp *ret, struct err *e)
{
	if (a->index > 5)
		return err_set(e, ERR_USAGE, "seccomp: argument %llu: there are six", (unsigned long long)a->index);
	for (size_t i = 0; i < countof(compares); i++)
		if (strcmp(compares[i].name, a->op) == 0) {
			*ret = (struct scmp_arg_cmp){.arg = (unsigned)a->index, .op = compares[i].op, .datum_a = a->value, .datum_b = a->value_two};
			return 0;
		}
	return err_set(e, ERR_USAGE, "seccomp: unknown operator \"%.60s\"", a->op);
}

static int add_name(scmp_filter_ctx ctx, const char *name, uint32_t action, const struct spec_syscall *s, struct err *e)
{
	int nr = seccomp_syscall_resolve_name(name);
	if (nr == __NR_SCMP_ERROR)
		return 0;
	struct scmp_arg_cmp args[6];
	bool repeated = false;
	uint8_t seen = 0;
	if (s->args.n > 6)
		return err_set(e, ERR_USAGE, "seccomp: %s: %zu conditions", name, s->args.n);
	for (size_t i = 0; i < s->args.n; i++) {
		if (compare_of(&s->args.v[i], &args[i], e) < 0)
			return -1;
		repeated |= seen >> args[i].arg & 1;
		seen |= (uint8_t)(1u << args[i].arg);
	}
	/* libseccomp takes each argument once a rule; several conditions on one are alternatives then, as runc has it. */
	int r = 0;
	for (size_t i = 0; repeated && i < s->args.n && r == 0; i++)
		r = seccomp_rule_add_array(ctx, action, nr, 1, &args[i]);
	if (!repeated)
		r = seccomp_rule_add_array(ctx, action, nr, (unsigned)s->args.n, args);
	errno = -r;
	/* EACCES: the action is the default one already. EEXIST, EOPNOTSUPP/EDOM: not on this architecture. */
	if (r < 0 && r != -EACCES && r != -EEXIST && r != -EOPNOTSUPP && r != -EDOM)
		return err_sys(e, "seccomp: rule for %s", name);
	return 0;
}

static int add_rules(scmp_filter_ctx ctx, const struct spec_seccomp *s, uint32_t fallback, struct err *e)
{
	for (size_t i = 0; i < s->syscalls.n; i++) {
		const struct spec_syscall *r = &s->syscalls.v[i];
		uint32_t action;
		if (action_of(r->action, &r->errno_ret, &action, e) < 0)
			return -1;
		if (action == SCMP_ACT_NOTIFY && strv_has(&r->names, "write"))
			return err_set(e, ERR_USAGE, "seccomp: SCMP_ACT_NOTIFY cannot be used for the write syscall");
		if (!r->names.n)
			return err_set(e, ERR_USAGE, "seccomp: a rule (%s) without names", r->action);
		if (action == fallback)
			continue;
		for (size_t k = 0; k < r->names.n; k++)
			if (add_name(ctx, r->names.v[k], action, r, e) < 0)
				return -1;
	}
	return 0;
}

static uint32_t arch_of(const char *text)
{
	const char *bare = str_after(text, "SCMP_ARCH_");
	char name[32] = "";
	for (size_t k = 0; bare && bare[k] && k < sizeof name - 1; k++) {
		name[k] = (char)(bare[k] >= 'A' && bare[k] <= 'Z' ? bare[k] + 32 : bare[k]);
		name[k + 1] = 0;
	}
	return seccomp_arch_resolve_name(name);
}

static int add_archs(scmp_filter_ctx ctx, const struct spec_seccomp *s, struct err *e)
{
	for (size_t i = 0; i < s->architectures.n; i++) {
		const char *name = s->architectures.v[i];
		uint32_t arch = arch_of(name);
		if (!arch)
			return err_set(e, ERR_USAGE, "seccomp: unknown architecture \"%.60s\"", name);
		int r = seccomp_arch_add(ctx, arch);
		errno = -r;
		if (r < 0 && r != -EEXIST)
			return err_sys(e, "seccomp: architecture %s", name);
	}
	return 0;
}

/* The highest number among the names in all rules, 0 when there is none. */
static uint32_t newest(const struct spec_seccomp *s, uint32_t arch)
{
	int highest = 0;
	for (size_t i = 0; i < s->syscalls.n; i++)
		for (size_t k = 0; k < s->syscalls.v[i].names.n; k++) {
			int nr = seccomp_syscall_resolve_name_arch(arch, s->syscalls.v[i].names.v[k]);
			highest = nr > highest ? nr : highest;
		}
	return (uint32_t)highest;
}

enum { NOSYS_EACH = 6, NOSYS_MAX = 16 };
/* In front of the filter, for each architecture: a number past the newest gives ENOSYS. x32's numbers, of the same architecture
 * but with a bit set, are left to the filter. */
static size_t put_nosys(const struct spec_seccomp *s, struct sock_filter *f)
{
	struct {
		uint32_t arch, newest;
	} rows[NOSYS_MAX] = {{seccomp_arch_native(), newest(s, seccomp_arch_native())}};
	size_t n = rows[0].newest > 0, at = 0;
	for (size_t i = 0; i < s->architectures.n && n < NOSYS_MAX; i++) {
		uint32_t arch = arch_of(s->architectures.v[i]), highest = newest(s, arch);
		bool skip = arch == SCMP_ARCH_X32 || !highest;
		for (size_t k = 0; k < n; k++)
			skip |= rows[k].arch == arch;
		if (!skip)
			rows[n++] = (__typeof__(rows[0])){arch, highest};
	}
	if (n)
		f[at++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
	for (size_t i = 0; i < n; i++, at += NOSYS_EACH) {
		const uint32_t x32_bit = 0x40000000, rest = (uint32_t)((n - 1 - i) * NOSYS_EACH);
		struct sock_filter v[NOSYS_EACH] = {
			BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, rows[i].arch, 0, NOSYS_EACH - 1),
			BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
			BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, x32_bit, 2, 0),
			BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, rows[i].newest, 0, 1),
			BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
			BPF_STMT(BPF_JMP | BPF_JA, rest),
		};
		memcpy(f + at, v, sizeof v);
	}
	return at;
}

/* Not where what is not named is let through, or is a tracer's to answer, or is answered so anyway. */
static bool denies_new(const struct spec_seccomp *s, uint32_t fallback)
{
	uint32_t action = fallback & SECCOMP_RET_ACTION_FULL;
	return s->syscalls.n && action != SECCOMP_RET_ALLOW && action != SECCOMP_RET_LOG && action != SECCOMP_RET_TRACE &&
		fallback != SCMP_ACT_ERRNO(ENOSYS);
}

static int take_program(scmp_filter_ctx ctx, const struct spec_seccomp *s, bool nosys, struct seccomp_filter *ret, struct err *e)
{
	own(fd) int fd = memfd_create("seccomp", MFD_CLOEXEC);
	struct stat st;
	int r = fd < 0 ? -errno : seccomp_export_bpf(ctx, fd);
	errno = -r;
	if (r < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "seccomp: compile");
	size_t n = (size_t)st.st_size / sizeof(struct sock_filter);
	struct sock_filter *f = mem_alloc((n + 1 + NOSYS_MAX * NOSYS_EACH) * sizeof *f);
	size_t front = nosys ? put_nosys(s, f) : 0;
	if (n + front > SECCOMP_INSNS_MAX || pread(fd, f + front, (size_t)st.st_size, 0) != st.st_size) {
		mem_drop(&f);
		return err_set(e, ERR_LIMIT, "seccomp: the filter has %zu instructions, more than the kernel's %d", n, SECCOMP_INSNS_MAX);
	}
	ret->insns = f;
	ret->n = n + front;
	return 0;
}

static const struct {
	const char *name;
	unsigned flag;
} flags[] = {{"SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC}, {"SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG},
	{"SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW},
	{"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV}};

const char *seccomp_flag_name(unsigned flag)
{
	size_t i = 0;
	while (i < countof(flags) && flags[i].flag != flag)
		i++;
	return i < countof(flags) ? flags[i].name : "such flag";
}

int seccomp_flags(const struct strv *names, unsigned *ret, struct err *e)
{
	for (size_t i = 0; i < names->n; i++) {
		size_t k = 0;
		while (k < countof(flags) && strcmp(flags[k].name, names->v[i]) != 0)
			k++;
		if (k == countof(flags))
			return err_set(e, ERR_USAGE, "seccomp: unknown flag \"%.60s\"", names->v[i]);
		*ret |= flags[k].flag;
	}
	*ret &= ~(unsigned)SECCOMP_FILTER_FLAG_TSYNC;
	return 0;
}

int seccomp_compile_rules(const struct spec_seccomp *s, struct seccomp_filter *ret, struct err *e)
{
	uint32_t fallback;
	struct seccomp_filter f = {};
	if (action_of(s->default_action, &s->default_errno, &fallback, e) < 0 || seccomp_flags(&s->flags, &f.flags, e) < 0)
		return -1;
	/* As runc has it: the process must be able to say why its start fails, before the agent has said a word. */
	if (fallback == SCMP_ACT_NOTIFY)
		return err_set(e, ERR_USAGE, "seccomp: SCMP_ACT_NOTIFY cannot be used as default action");
	scmp_filter_ctx ctx = seccomp_init(fallback);
	if (!ctx)
		return err_set(e, ERR_SYSTEM, "seccomp: init");
	/* The binary tree loads and runs faster, but libseccomp 2.5 gets the default action of tiny filters wrong. */
	if (s->syscalls.n && (s->syscalls.n > TREE_FROM || s->syscalls.v[0].names.n > TREE_FROM))
		seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0);
	seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	int r = add_archs(ctx, s, e);
	if (r == 0)
		r = add_rules(ctx, s, fallback, e);
	if (r == 0)
		r = take_program(ctx, s, denies_new(s, fallback), &f, e);
	seccomp_release(ctx);
	if (r == 0)
		*ret = f;
	return r;
}

const char *seccomp_action_name(size_t i)
{
	return i < countof(actions) ? actions[i].name : NULL;
}

const char *seccomp_operator_name(size_t i)
{
	return i < countof(compares) ? compares[i].name : NULL;
}

const char *seccomp_known_flag(size_t i, unsigned *ret)
{
	*ret = i < countof(flags) ? flags[i].flag : 0;
	return i < countof(flags) ? flags[i].name : NULL;
}

char *seccomp_call_name(int number)
{
	char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);
	char *copy = mem_dup(name);
	free(name);
	return copy;
}

bool seccomp_knows_arch(const char *name)
{
	return arch_of(name) != 0;
}
