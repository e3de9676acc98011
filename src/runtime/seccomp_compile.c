/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp_compile: OCI rules to classic BPF with libseccomp.
 *
 * A name libseccomp does not know is skipped, as docker does: a newer profile works with an older library. A system
 * call that is newer than the profile, and so than every program that was tested with it, is answered with ENOSYS
 * instead of the default error, so that programs fall back to an older one. That is a few instructions in front of
 * libseccomp's filter: for our architecture, numbers above the highest one the library knows.
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

static int action_of(const char *name, const struct opt_i64 *errno_ret, uint32_t *ret, struct err *e)
{
	uint32_t number = errno_ret->set ? (uint32_t)errno_ret->v & 0xffff : EPERM;
	const struct {
		const char *name;
		uint32_t action;
	} rows[] = {{"ALLOW", SCMP_ACT_ALLOW}, {"ERRNO", SCMP_ACT_ERRNO(number)}, {"KILL", SCMP_ACT_KILL_THREAD},
		{"KILL_THREAD", SCMP_ACT_KILL_THREAD}, {"KILL_PROCESS", SCMP_ACT_KILL_PROCESS}, {"TRAP", SCMP_ACT_TRAP},
		{"TRACE", SCMP_ACT_TRACE(number)}, {"LOG", SCMP_ACT_LOG}, {"NOTIFY", SCMP_ACT_NOTIFY}};
	const char *bare = name ? str_after(name, "SCMP_ACT_") : NULL;
	for (size_t i = 0; bare && i < countof(rows); i++)
		if (strcmp(rows[i].name, bare) == 0) {
			*ret = rows[i].action;
			return 0;
		}
	return err_set(e, ERR_USAGE, "seccomp: unknown action \"%.60s\"", name ? name : "");
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
		if (action == fallback)
			continue;
		for (size_t k = 0; k < r->names.n; k++)
			if (add_name(ctx, r->names.v[k], action, r, e) < 0)
				return -1;
	}
	return 0;
}

static int add_archs(scmp_filter_ctx ctx, const struct spec_seccomp *s, struct err *e)
{
	for (size_t i = 0; i < s->architectures.n; i++) {
		const char *bare = str_after(s->architectures.v[i], "SCMP_ARCH_");
		char name[32] = "";
		for (size_t k = 0; bare && bare[k] && k < sizeof name - 1; k++) {
			name[k] = (char)(bare[k] >= 'A' && bare[k] <= 'Z' ? bare[k] + 32 : bare[k]);
			name[k + 1] = 0;
		}
		uint32_t arch = seccomp_arch_resolve_name(name);
		if (!arch)
			return err_set(e, ERR_USAGE, "seccomp: unknown architecture \"%.60s\"", s->architectures.v[i]);
		int r = seccomp_arch_add(ctx, arch);
		errno = -r;
		if (r < 0 && r != -EEXIST)
			return err_sys(e, "seccomp: architecture %s", name);
	}
	return 0;
}

/* In front of the filter: our architecture and a number past all that are known gives ENOSYS. */
static size_t put_nosys(struct sock_filter *f)
{
	int highest = 0;
	for (int nr = 300; nr < 600; nr++) {
		char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr);
		if (name)
			highest = nr;
		free(name);
	}
	uint32_t x32 = 0x40000000, arch = seccomp_arch_native();
	struct sock_filter v[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, arch, 0, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, x32, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, (uint32_t)highest, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
	};
	memcpy(f, v, sizeof v);
	return countof(v);
}

static int take_program(scmp_filter_ctx ctx, bool nosys, struct seccomp_filter *ret, struct err *e)
{
	own(fd) int fd = memfd_create("seccomp", MFD_CLOEXEC);
	struct stat st;
	int r = fd < 0 ? -errno : seccomp_export_bpf(ctx, fd);
	errno = -r;
	if (r < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "seccomp: compile");
	size_t n = (size_t)st.st_size / sizeof(struct sock_filter);
	struct sock_filter *f = mem_alloc((n + 8) * sizeof *f);
	size_t front = nosys ? put_nosys(f) : 0;
	if (n + front > SECCOMP_INSNS_MAX || pread(fd, f + front, (size_t)st.st_size, 0) != st.st_size) {
		mem_drop(&f);
		return err_set(e, ERR_LIMIT, "seccomp: the filter has %zu instructions, more than the kernel's %d", n, SECCOMP_INSNS_MAX);
	}
	ret->insns = f;
	ret->n = n + front;
	return 0;
}

static int set_flags(const struct spec_seccomp *s, unsigned *ret, struct err *e)
{
	static const struct {
		const char *name;
		unsigned flag;
	} rows[] = {{"SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC}, {"SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG},
		{"SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW},
		{"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV}};
	for (size_t i = 0; i < s->flags.n; i++) {
		size_t k = 0;
		while (k < countof(rows) && strcmp(rows[k].name, s->flags.v[i]) != 0)
			k++;
		if (k == countof(rows))
			return err_set(e, ERR_USAGE, "seccomp: unknown flag \"%.60s\"", s->flags.v[i]);
		*ret |= rows[k].flag;
	}
	return 0;
}

int seccomp_compile_rules(const struct spec_seccomp *s, struct seccomp_filter *ret, struct err *e)
{
	uint32_t fallback;
	struct seccomp_filter f = {};
	if (action_of(s->default_action, &s->default_errno, &fallback, e) < 0 || set_flags(s, &f.flags, e) < 0)
		return -1;
	scmp_filter_ctx ctx = seccomp_init(fallback);
	if (!ctx)
		return err_set(e, ERR_SYSTEM, "seccomp: init");
	/* The binary tree loads and runs faster, but libseccomp 2.5 gets the default action of tiny filters wrong. */
	if (s->syscalls.n && (s->syscalls.n > TREE_FROM || s->syscalls.v[0].names.n > TREE_FROM))
		seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0);
	seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	bool nosys = strcmp(s->default_action, "SCMP_ACT_ERRNO") == 0;
	int r = add_archs(ctx, s, e);
	if (r == 0)
		r = add_rules(ctx, s, fallback, e);
	if (r == 0)
		r = take_program(ctx, nosys, &f, e);
	seccomp_release(ctx);
	if (r == 0)
		*ret = f;
	return r;
}
