/* SPDX-License-Identifier: Apache-2.0 */
/* Filters are run here, not read: each system call is judged by the compiled program, as the kernel would. */
#include "base/fd.h"
#include "base/path.h"
#include "runtime/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* The classic BPF machine, as far as libseccomp uses it. */
static uint32_t judge(const struct seccomp_filter *f, uint32_t arch, int nr, const uint64_t args[6])
{
	struct seccomp_data d = {.nr = nr, .arch = arch};
	const struct sock_filter *v = f->insns;
	uint32_t a = 0;
	if (args)
		memcpy(d.args, args, sizeof d.args);
	for (size_t pc = 0; pc < f->n; pc++) {
		const struct sock_filter *i = &v[pc];
		bool taken = false;
		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS: memcpy(&a, (char *)&d + i->k, 4); continue;
		case BPF_ALU | BPF_AND | BPF_K: a &= i->k; continue;
		case BPF_JMP | BPF_JA: pc += i->k; continue;
		case BPF_JMP | BPF_JEQ | BPF_K: taken = a == i->k; break;
		case BPF_JMP | BPF_JGT | BPF_K: taken = a > i->k; break;
		case BPF_JMP | BPF_JGE | BPF_K: taken = a >= i->k; break;
		case BPF_JMP | BPF_JSET | BPF_K: taken = a & i->k; break;
		case BPF_RET | BPF_K: return i->k;
		default: fail_msg("instruction %#x", i->code);
		}
		pc += taken ? i->jt : i->jf;
	}
	fail_msg("the program runs over its end");
	return 0;
}

#ifdef __x86_64__
enum { NATIVE = (int)AUDIT_ARCH_X86_64 };
#else
enum { NATIVE = (int)AUDIT_ARCH_AARCH64 };
#endif

static uint32_t verdict(const struct seccomp_filter *f, int nr, uint64_t first)
{
	struct seccomp_data d = {.nr = nr, .arch = (uint32_t)NATIVE, .args = {first}};
	uint32_t r = judge(f, (uint32_t)NATIVE, nr, (uint64_t[6]){first});
	assert_int_equal(r, seccomp_verdict(f, &d));
	return r;
}

enum { ALLOW = (int)SECCOMP_RET_ALLOW, DENY = (int)SECCOMP_RET_ERRNO | EPERM, NOSYS = (int)SECCOMP_RET_ERRNO | ENOSYS };

static void compile(const char *caps, struct arena *a, struct seccomp_filter *ret)
{
	struct strv list = {};
	struct spec_seccomp *s;
	struct err e = {};
	if (caps) {
		own(strv) struct strv words = {};
		strv_split(&words, caps, ' ');
		for (size_t i = 0; i < words.n; i++)
			arena_strv_add(a, &list, words.v[i]);
	} else {
		seccomp_default_caps(a, &list);
	}
	assert_int_equal(seccomp_default(&list, a, &s, &e), 0);
	assert_int_equal(seccomp_is_builtin(s), !caps);
	if (seccomp_compile(s, -1, ret, &e) < 0)
		fail_msg("%s", e.text);
}

static const struct row {
	int nr;
	uint64_t first;
	int without, with_admin; /* docker's fourteen capabilities; with CAP_SYS_ADMIN */
} rows[] = {
	{SYS_read, 0, ALLOW, ALLOW}, {SYS_execve, 0, ALLOW, ALLOW}, {SYS_execveat, 0, ALLOW, ALLOW}, {SYS_openat2, 0, ALLOW, ALLOW},
	{SYS_ptrace, 0, ALLOW, ALLOW} /* since kernel 4.8 */, {SYS_process_vm_readv, 0, ALLOW, ALLOW},
	{SYS_mount, 0, DENY, ALLOW}, {SYS_umount2, 0, DENY, ALLOW}, {SYS_unshare, 0x10000000, DENY, ALLOW}, {SYS_setns, 0, DENY, ALLOW},
	{SYS_fsopen, 0, DENY, ALLOW}, {SYS_open_tree, 0, DENY, ALLOW}, {SYS_move_mount, 0, DENY, ALLOW}, {SYS_mount_setattr, 0, DENY, ALLOW},
	{SYS_pivot_root, 0, DENY, DENY}, {SYS_bpf, 0, DENY, ALLOW}, {SYS_perf_event_open, 0, DENY, ALLOW}, {SYS_sethostname, 0, DENY, ALLOW},
	{SYS_clone, 0x11, ALLOW, ALLOW} /* fork */, {SYS_clone, 0x3d0f00, ALLOW, ALLOW} /* a thread */,
	{SYS_clone, 0x10000011 /* NEWUSER */, DENY, ALLOW}, {SYS_clone, 0x20011 /* NEWNS */, DENY, ALLOW},
	{SYS_clone, 0x2000011 /* NEWCGROUP */, DENY, ALLOW}, {SYS_clone, 0x40000011 /* NEWNET */, DENY, ALLOW},
	{SYS_clone3, 0, NOSYS, ALLOW}, /* its flags cannot be seen */
	{SYS_keyctl, 0, DENY, DENY}, {SYS_add_key, 0, DENY, DENY}, {SYS_request_key, 0, DENY, DENY},
	{SYS_io_uring_setup, 0, DENY, DENY}, {SYS_io_uring_enter, 0, DENY, DENY}, {SYS_userfaultfd, 0, DENY, DENY},
	{SYS_kexec_load, 0, DENY, DENY}, {SYS_init_module, 0, DENY, DENY}, {SYS_finit_module, 0, DENY, DENY}, {SYS_delete_module, 0, DENY, DENY},
	{SYS_reboot, 0, DENY, DENY}, {SYS_swapon, 0, DENY, DENY}, {SYS_swapoff, 0, DENY, DENY}, {SYS_acct, 0, DENY, DENY},
	{SYS_settimeofday, 0, DENY, DENY}, {SYS_clock_settime, 0, DENY, DENY}, {SYS_quotactl, 0, DENY, ALLOW},
	{SYS_open_by_handle_at, 0, DENY, DENY}, {SYS_name_to_handle_at, 0, ALLOW, ALLOW}, {SYS_kcmp, 0, DENY, DENY},
	{SYS_pidfd_getfd, 0, DENY, DENY}, {SYS_process_madvise, 0, DENY, DENY}, {SYS_syslog, 0, DENY, ALLOW},
	{SYS_get_mempolicy, 0, DENY, DENY}, {SYS_move_pages, 0, DENY, DENY}, {SYS_vhangup, 0, DENY, DENY}, {SYS_nfsservctl, 0, DENY, DENY},
	{SYS_chroot, 0, ALLOW, DENY} /* CAP_SYS_CHROOT is one of the fourteen */,
	{SYS_personality, 0, ALLOW, ALLOW}, {SYS_personality, 0x8, ALLOW, ALLOW}, {SYS_personality, 0xffffffff, ALLOW, ALLOW},
	{SYS_personality, 0x0040000 /* ADDR_NO_RANDOMIZE */, DENY, DENY},
	{SYS_socket, 1, ALLOW, ALLOW}, {SYS_socket, 2, ALLOW, ALLOW}, {SYS_socket, 10, ALLOW, ALLOW}, {SYS_socket, 16, ALLOW, ALLOW},
	{SYS_socket, 17, ALLOW, ALLOW}, {SYS_socket, 38 /* ALG */, DENY, DENY}, {SYS_socket, 39, ALLOW, ALLOW},
	{SYS_socket, 40 /* VSOCK */, DENY, DENY}, {SYS_socket, 44, ALLOW, ALLOW},
	{599, 0, NOSYS, NOSYS} /* newer than the profile */,
};

static void as_strict_as_docker(void **state)
{
	(void)state;
	struct arena a = {};
	struct seccomp_filter plain = {}, admin = {};
	compile(NULL, &a, &plain);
	compile("CAP_SYS_ADMIN", &a, &admin);
	for (size_t i = 0; i < countof(rows); i++) {
		uint32_t p = verdict(&plain, rows[i].nr, rows[i].first), q = verdict(&admin, rows[i].nr, rows[i].first);
		if (p != (uint32_t)rows[i].without || q != (uint32_t)rows[i].with_admin)
			fail_msg("system call %d(%#llx): %#x and %#x, not %#x and %#x", rows[i].nr, (unsigned long long)rows[i].first, p, q,
				(unsigned)rows[i].without, (unsigned)rows[i].with_admin);
	}
#ifdef __x86_64__
	/* x32 numbers are no way around. */
	assert_int_equal(verdict(&plain, 0x40000000 | SYS_mount, 0), SECCOMP_RET_KILL_PROCESS);
	/* 32-bit: mount 21, clone 120, socketcall 102, read 3. */
	assert_int_equal(judge(&plain, AUDIT_ARCH_I386, 21, NULL), DENY);
	assert_int_equal(judge(&plain, AUDIT_ARCH_I386, 102, NULL), DENY);
	assert_int_equal(judge(&plain, AUDIT_ARCH_I386, 3, NULL), ALLOW);
	assert_int_equal(judge(&plain, AUDIT_ARCH_I386, 120, (uint64_t[6]){0x10000011}), DENY);
	assert_int_equal(judge(&plain, AUDIT_ARCH_I386, 600, NULL), NOSYS);
#endif
	assert_int_equal(judge(&plain, AUDIT_ARCH_PPC64LE, 3, NULL), SECCOMP_RET_KILL_PROCESS);
	/* The built-in is what compiling its rules gives. */
	struct strv list = {};
	struct spec_seccomp s = {};
	struct seccomp_filter again = {};
	struct err e = {};
	seccomp_default_caps(&a, &list);
	assert_int_equal(seccomp_default_rules(&list, &a, &s, &e), 0);
	assert_int_equal(seccomp_compile_rules(&s, &again, &e), 0);
	assert_int_equal(again.n, plain.n);
	assert_memory_equal(again.insns, plain.insns, plain.n * sizeof(struct sock_filter));
	seccomp_filter_drop(&plain);
	seccomp_filter_drop(&admin);
	seccomp_filter_drop(&again);
	arena_drop(&a);
}

static void capabilities_open_their_calls(void **state)
{
	(void)state;
	static const struct { const char *cap; int nr; } pairs[] = {{"CAP_SYS_BOOT", SYS_reboot}, {"CAP_SYS_MODULE", SYS_finit_module},
		{"CAP_SYS_PTRACE", SYS_kcmp}, {"CAP_SYS_TIME", SYS_clock_settime}, {"CAP_SYSLOG", SYS_syslog}, {"CAP_SYS_NICE", SYS_mbind},
		{"CAP_DAC_READ_SEARCH", SYS_open_by_handle_at}, {"CAP_BPF", SYS_bpf}, {"CAP_PERFMON", SYS_perf_event_open},
		{"CAP_SYS_PACCT", SYS_acct}, {"CAP_SYS_TTY_CONFIG", SYS_vhangup}, {"CAP_SYS_CHROOT", SYS_chroot}};
	struct arena a = {};
	struct seccomp_filter none = {};
	compile("CAP_KILL", &a, &none);
	for (size_t i = 0; i < countof(pairs); i++) {
		struct seccomp_filter f = {};
		compile(pairs[i].cap, &a, &f);
		assert_int_equal(verdict(&none, pairs[i].nr, 0), DENY);
		assert_int_equal(verdict(&f, pairs[i].nr, 0), ALLOW);
		seccomp_filter_drop(&f);
	}
	seccomp_filter_drop(&none);
	arena_drop(&a);
}

static int parse_profile(const char *text, const char *cap, struct arena *a, struct seccomp_filter *ret, struct err *e)
{
	struct strv caps = {};
	struct spec_seccomp *s;
	if (cap)
		arena_strv_add(a, &caps, cap);
	return seccomp_profile(text, strlen(text), &caps, a, &s, e) < 0 || seccomp_compile(s, -1, ret, e) < 0 ? -1 : 0;
}

static void profiles(void **state)
{
	(void)state;
	static const char docker[] =
		"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":1,\"archMap\":[{\"architecture\":\"SCMP_ARCH_X86_64\","
		"\"subArchitectures\":[\"SCMP_ARCH_X86\"]},{\"architecture\":\"SCMP_ARCH_AARCH64\",\"subArchitectures\":[]}],"
		"\"syscalls\":[{\"names\":[\"read\",\"not_a_system_call\",\"faccessat2\"],\"action\":\"SCMP_ACT_ALLOW\"},"
		"{\"names\":[\"mount\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"caps\":[\"CAP_SYS_ADMIN\"]}},"
		"{\"names\":[\"chroot\"],\"action\":\"SCMP_ACT_ALLOW\",\"excludes\":{\"caps\":[\"CAP_SYS_ADMIN\"]}},"
		"{\"names\":[\"ptrace\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"minKernel\":\"4.8\"}},"
		"{\"names\":[\"bpf\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"minKernel\":\"99.0\"}},"
		"{\"names\":[\"sync\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"arches\":[\"s390x\"]}},"
		"{\"names\":[\"kill\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":13},"
		"{\"names\":[\"personality\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,\"value\":8,\"op\":\"SCMP_CMP_GE\"}]},"
		"{\"name\":\"write\",\"action\":\"SCMP_ACT_ALLOW\"}]}";
	struct arena a = {};
	struct err e = {};
	struct seccomp_filter f = {}, g = {};
	if (parse_profile(docker, NULL, &a, &f, &e) < 0 || parse_profile(docker, "CAP_SYS_ADMIN", &a, &g, &e) < 0)
		fail_msg("%s", e.text);
	static const struct { int nr; uint64_t first; int f, g; } expect[] = {{SYS_read, 0, ALLOW, ALLOW}, {SYS_write, 0, ALLOW, ALLOW},
		{SYS_mount, 0, DENY, ALLOW}, {SYS_chroot, 0, ALLOW, DENY}, {SYS_ptrace, 0, ALLOW, ALLOW}, {SYS_bpf, 0, DENY, DENY},
		{SYS_sync, 0, DENY, DENY}, {SYS_kill, 0, (int)SECCOMP_RET_ERRNO | EACCES, (int)SECCOMP_RET_ERRNO | EACCES},
		{SYS_personality, 7, DENY, DENY}, {SYS_personality, 9, ALLOW, ALLOW},
		/* not named, and newer than all that is */
		{SYS_close_range, 0, DENY, DENY}, {SYS_epoll_pwait2, 0, NOSYS, NOSYS}};
	for (size_t i = 0; i < countof(expect); i++) {
		assert_int_equal(verdict(&f, expect[i].nr, expect[i].first), expect[i].f);
		assert_int_equal(verdict(&g, expect[i].nr, expect[i].first), expect[i].g);
	}
	seccomp_filter_drop(&f);
	seccomp_filter_drop(&g);
	static const struct { const char *text, *error; } bad[] = {{"{", "seccomp profile"}, {"{}", "defaultAction"},
		{"[]", "must be an object"}, {"7.5", "must be an object"},
		{"{\"defaultAction\":\"SCMP_ACT_MAYBE\"}", "unknown action"},
		{"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"],\"action\":\"NO\"}]}", "unknown action"},
		{"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_Z80\"]}", "unknown architecture"},
		{"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[\"X\"]}", "unknown flag \"X\""},
		{"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"defaultErrnoRet\":1}", "SCMP_ACT_ALLOW takes no errnoRet"},
		{"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"],\"action\":\"SCMP_ACT_KILL\",\"errnoRet\":1}]}",
			"SCMP_ACT_KILL takes no errnoRet"},
		{"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":65536}", "errnoRet 65536"},
		{"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[],\"action\":\"SCMP_ACT_ERRNO\"}]}", "without names"},
		{"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ERRNO\",\"args\":"
			"[{\"index\":9,\"value\":1,\"op\":\"SCMP_CMP_EQ\"}]}]}", "argument 9"},
		{"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ERRNO\",\"args\":"
			"[{\"index\":0,\"value\":1,\"op\":\"LIKE\"}]}]}", "unknown operator"}};
	for (size_t i = 0; i < countof(bad); i++) {
		if (parse_profile(bad[i].text, NULL, &a, &f, &e) == 0)
			fail_msg("taken: %s", bad[i].text);
		if (!strstr(e.text, bad[i].error))
			fail_msg("%s: %s", bad[i].text, e.text);
	}
	arena_drop(&a);
}

static uint32_t verdict_of(const char *text, int nr)
{
	struct arena a = {};
	struct err e = {};
	struct seccomp_filter f = {};
	if (parse_profile(text, NULL, &a, &f, &e) < 0)
		fail_msg("%s: %s", text, e.text);
	uint32_t r = verdict(&f, nr, 0);
	seccomp_filter_drop(&f);
	arena_drop(&a);
	return r;
}

static void actions(void **state)
{
	(void)state;
	static const struct { const char *name, *more; uint32_t result, unnamed, newer; } table[] = {
		{"ALLOW", "", SECCOMP_RET_ALLOW, SECCOMP_RET_ALLOW, SECCOMP_RET_ALLOW},
		{"LOG", "", SECCOMP_RET_LOG, SECCOMP_RET_LOG, SECCOMP_RET_LOG},
		{"TRACE", "", SECCOMP_RET_TRACE | EPERM, SECCOMP_RET_TRACE | EPERM, SECCOMP_RET_TRACE | EPERM},
		{"TRACE", "7", SECCOMP_RET_TRACE | 7, SECCOMP_RET_TRACE | 7, SECCOMP_RET_TRACE | 7},
		{"ERRNO", "", SECCOMP_RET_ERRNO | EPERM, SECCOMP_RET_ERRNO | EPERM, NOSYS},
		{"ERRNO", "7", SECCOMP_RET_ERRNO | 7, SECCOMP_RET_ERRNO | 7, NOSYS},
		{"ERRNO", "38", NOSYS, NOSYS, NOSYS},
		{"TRAP", "", SECCOMP_RET_TRAP, SECCOMP_RET_TRAP, NOSYS},
		{"KILL", "", SECCOMP_RET_KILL_THREAD, SECCOMP_RET_KILL_THREAD, NOSYS},
		{"KILL_THREAD", "", SECCOMP_RET_KILL_THREAD, SECCOMP_RET_KILL_THREAD, NOSYS},
		{"KILL_PROCESS", "", SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_PROCESS, NOSYS},
	};
	for (size_t i = 0; i < countof(table); i++) {
		char rule[300], fallback[300];
		const char *more = table[i].more, *other = i ? "ALLOW" : "KILL";
		snprintf(rule, sizeof rule, "{\"defaultAction\":\"SCMP_ACT_%s\",\"syscalls\":[{\"names\":[\"sync\"],\"action\":\"SCMP_ACT_%s\"%s%s}]}",
			other, table[i].name, *more ? ",\"errnoRet\":" : "", more);
		snprintf(fallback, sizeof fallback, "{\"defaultAction\":\"SCMP_ACT_%s\"%s%s,\"syscalls\":[{\"names\":[\"sync\"],\"action\":\"SCMP_ACT_%s\"}]}",
			table[i].name, *more ? ",\"defaultErrnoRet\":" : "", more, other);
		if (verdict_of(rule, SYS_sync) != table[i].result || verdict_of(fallback, SYS_getpid) != table[i].unnamed ||
			verdict_of(fallback, SYS_openat2) != table[i].newer)
			fail_msg("%s %s: %#x, %#x, %#x", table[i].name, more, verdict_of(rule, SYS_sync), verdict_of(fallback, SYS_getpid),
				verdict_of(fallback, SYS_openat2));
	}
}

/* What the kernel would not load kills. */
static void no_programs(void **state)
{
	(void)state;
	struct sock_filter bad[][2] = {{BPF_STMT(BPF_LD | BPF_IMM, 1), BPF_STMT(BPF_LD | BPF_IMM, 1)},
		{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 64), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)},
		{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0xfffffffc), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)},
		{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 2), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)},
		{BPF_STMT(BPF_ST, 16), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)},
		{BPF_STMT(BPF_LD | BPF_MEM, 16), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)},
		{BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)},
		{BPF_STMT(BPF_JMP | BPF_JA, 0xffffffff), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)},
		{BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 200, 200), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)},
		{{.code = 0xffff}, BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)}};
	struct seccomp_data d = {.nr = SYS_read, .arch = (uint32_t)NATIVE};
	for (size_t i = 0; i < countof(bad); i++) {
		uint32_t r = seccomp_verdict(&(struct seccomp_filter){.insns = bad[i], .n = 2}, &d);
		if (r != SECCOMP_RET_KILL_PROCESS)
			fail_msg("program %zu: %#x", i, r);
	}
	/* 3 * 5 - (6 << 1) */
	struct sock_filter sums[] = {BPF_STMT(BPF_LDX | BPF_IMM, 6), BPF_STMT(BPF_STX, 0), BPF_STMT(BPF_LD | BPF_MEM, 0),
		BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 1), BPF_STMT(BPF_MISC | BPF_TAX, 0), BPF_STMT(BPF_LD | BPF_IMM, 3),
		BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, 5), BPF_STMT(BPF_ALU | BPF_SUB | BPF_X, 0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 3, 0, 1),
		BPF_STMT(BPF_RET | BPF_A, 0), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
	assert_int_equal(seccomp_verdict(&(struct seccomp_filter){.insns = sums, .n = countof(sums)}, &d), 3);
}

/* The one file in a directory. */
static void only_name(const char *dir, char ret[256])
{
	struct err e = {};
	own(strv) struct strv names = {};
	assert_int_equal(path_list(AT_FDCWD, dir, &names, &e), 0);
	assert_int_equal(names.n, 1);
	snprintf(ret, 256, "%s", names.v[0]);
}

static const char small_profile[] = "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[\"SECCOMP_FILTER_FLAG_LOG\"],\"syscalls\":["
	"{\"names\":[\"mount\",\"swapon\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":7},{\"names\":[\"personality\"],\"action\":\"SCMP_ACT_KILL\","
	"\"args\":[{\"index\":0,\"value\":3,\"op\":\"SCMP_CMP_EQ\"}]}]}";

struct cache_test {
	char dir[32], name[256];
	int fd;
	struct arena a;
	struct spec_seccomp *s;
	struct seccomp_filter first;
	struct buf file; /* as it was written */
};

static void cache_open(struct cache_test *t)
{
	struct err e = {};
	struct strv none = {};
	*t = (struct cache_test){.dir = "/tmp/hull-test-XXXXXX"};
	assert_non_null(mkdtemp(t->dir));
	t->fd = open(t->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(seccomp_profile(small_profile, strlen(small_profile), &none, &t->a, &t->s, &e), 0);
	if (seccomp_compile(t->s, t->fd, &t->first, &e) < 0)
		fail_msg("%s", e.text);
	only_name(t->dir, t->name);
	assert_int_equal(path_read(t->fd, t->name, &t->file, &e), 0);
}

static void cache_close(struct cache_test *t)
{
	struct err e = {};
	seccomp_filter_drop(&t->first);
	buf_drop(&t->file);
	fd_drop(&t->fd);
	arena_drop(&t->a);
	assert_int_equal(path_remove_tree(AT_FDCWD, t->dir, &e), 0);
}

/* With that in the cache: the filter is the right one, and the file as well again. */
static void cache_survives(struct cache_test *t, const void *p, size_t n, mode_t mode)
{
	struct err e = {};
	struct seccomp_filter f = {};
	own(buf) struct buf again = {};
	assert_int_equal(path_write(t->fd, t->name, p, n, 0600, 0, &e), 0);
	assert_int_equal(fchmodat(t->fd, t->name, mode, 0), 0);
	assert_int_equal(seccomp_compile(t->s, t->fd, &f, &e), 0);
	assert_int_equal(f.n, t->first.n);
	assert_int_equal(f.flags, t->first.flags);
	assert_memory_equal(f.insns, t->first.insns, f.n * sizeof(struct sock_filter));
	seccomp_filter_drop(&f);
	assert_int_equal(path_read(t->fd, t->name, &again, &e), 0);
	assert_int_equal(again.len, t->file.len);
	assert_memory_equal(again.data, t->file.data, again.len);
}

static void cached(void **state)
{
	(void)state;
	struct cache_test t;
	struct stat st;
	struct err e = {};
	cache_open(&t);
	assert_int_equal(fstatat(t.fd, t.name, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(t.first.flags, SECCOMP_FILTER_FLAG_LOG);
	/* What is whole is taken as it is: nobody writes it again. */
	struct seccomp_filter second = {};
	struct stat after;
	assert_int_equal(seccomp_compile(t.s, t.fd, &second, &e), 0);
	assert_int_equal(fstatat(t.fd, t.name, &after, 0), 0);
	assert_int_equal(st.st_ino, after.st_ino);
	assert_int_equal(second.n, t.first.n);
	assert_int_equal(second.flags, t.first.flags);
	assert_memory_equal(second.insns, t.first.insns, second.n * sizeof(struct sock_filter));
	seccomp_filter_drop(&second);
	/* Other rules are another file; a listener makes none. */
	t.s->listener_path = arena_dup(&t.a, "/nowhere");
	assert_int_equal(seccomp_compile(t.s, t.fd, &second, &e), 0);
	seccomp_filter_drop(&second);
	only_name(t.dir, t.name);
	t.s->syscalls.v[1].args.v[0].value++;
	assert_int_equal(seccomp_compile(t.s, t.fd, &second, &e), 0);
	assert_memory_not_equal(second.insns, t.first.insns, second.n * sizeof(struct sock_filter));
	seccomp_filter_drop(&second);
	own(strv) struct strv names = {};
	assert_int_equal(path_list(t.fd, ".", &names, &e), 0);
	assert_int_equal(names.n, 2);
	cache_close(&t);
}

/* One byte of it is another, it is cut off or too long, others may write to it, it is not a file: it is compiled again. */
static void cache_damaged(void **state)
{
	(void)state;
	struct cache_test t;
	cache_open(&t);
	own(mem) char *copy = mem_alloc(t.file.len + 8);
	memcpy(copy, t.file.data, t.file.len);
	for (size_t i = 0; i < t.file.len; i++) {
		copy[i] = (char)(copy[i] ^ (1 << i % 8));
		cache_survives(&t, copy, t.file.len, 0600);
		copy[i] = t.file.data[i];
	}
	for (size_t n = 0; n < t.file.len; n += n < 40 ? 1 : 13)
		cache_survives(&t, copy, n, 0600);
	cache_survives(&t, copy, t.file.len + 8, 0600);
	cache_survives(&t, copy, t.file.len, 0644);
	assert_int_equal(unlinkat(t.fd, t.name, 0), 0);
	assert_int_equal(symlinkat("elsewhere", t.fd, t.name), 0);
	struct seccomp_filter f = {};
	struct err e = {};
	assert_int_equal(seccomp_compile(t.s, t.fd, &f, &e), 0);
	assert_memory_equal(f.insns, t.first.insns, f.n * sizeof(struct sock_filter));
	seccomp_filter_drop(&f);
	assert_int_equal(faccessat(t.fd, "elsewhere", F_OK, 0), -1);
	cache_close(&t);
}

/* The kernel takes it, and it does what it says. */
static void loaded(void **state)
{
	(void)state;
	struct arena a = {};
	struct seccomp_filter f = {};
	compile(NULL, &a, &f);
	pid_t pid = fork();
	if (pid == 0) {
		struct err e = {};
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (seccomp_install(&f, &e) < 0)
			_exit(1);
		if (syscall(SYS_keyctl, 0, 0) != -1 || errno != EPERM || syscall(SYS_clone3, NULL, 0) != -1 || errno != ENOSYS)
			_exit(2);
		_exit(getpid() > 0 ? 0 : 3);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	seccomp_filter_drop(&f);
	arena_drop(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(as_strict_as_docker), cmocka_unit_test(capabilities_open_their_calls),
		cmocka_unit_test(profiles), cmocka_unit_test(actions), cmocka_unit_test(no_programs),
		cmocka_unit_test(cached), cmocka_unit_test(cache_damaged), cmocka_unit_test(loaded)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
