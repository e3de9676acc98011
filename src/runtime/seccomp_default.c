/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp_default: the default profile: everything is refused with EPERM but what stands here. The first table is
 * for everybody; the second depends on the capabilities the container has; system calls with conditions on their
 * arguments follow. As strict as docker's default, which has x32 system calls too: no distribution's programs are of
 * that kind, and leaving them out makes the filter a third shorter. socketcall (32-bit programs from before 2016) is out as there:
 * behind it the family of a socket cannot be seen.
 */
#include "runtime/seccomp.h"

static const char always[] =
	"accept accept4 access adjtimex alarm arch_prctl bind brk cachestat capget capset chdir chmod chown chown32 "
	"clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep "
	"clock_nanosleep_time64 close close_range connect copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 "
	"epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 execve execveat exit "
	"exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown "
	"fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat fstat64 "
	"fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futex futex_requeue futex_time64 futex_wait futex_waitv "
	"futex_wake futimesat getcpu getcwd getdents getdents64 getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups "
	"getgroups32 getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid getresgid32 "
	"getresuid getresuid32 getrlimit get_robust_list getrusage getsid getsockname getsockopt get_thread_area gettid "
	"gettimeofday getuid getuid32 getxattr getxattrat inotify_add_watch inotify_init inotify_init1 inotify_rm_watch "
	"io_cancel ioctl io_destroy io_getevents io_pgetevents io_pgetevents_time64 ioprio_get ioprio_set io_setup io_submit ipc "
	"kill landlock_add_rule landlock_create_ruleset landlock_restrict_self lchown lchown32 lgetxattr link linkat listen "
	"listmount listxattr listxattrat llistxattr _llseek lremovexattr lseek lsetxattr lstat lstat64 madvise map_shadow_stack "
	"membarrier memfd_create memfd_secret mincore mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap mmap2 mprotect "
	"mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink "
	"mremap mseal msgctl msgget msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at nanosleep newfstatat "
	"_newselect open openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll "
	"ppoll ppoll_time64 prctl pread64 preadv preadv2 prlimit64 process_mrelease pselect6 pselect6_time64 pwrite64 pwritev "
	"pwritev2 read readahead readlink readlinkat readv recv recvfrom recvmmsg recvmmsg_time64 recvmsg remap_file_pages "
	"removexattr removexattrat rename renameat renameat2 restart_syscall rmdir rseq rt_sigaction rt_sigpending "
	"rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo "
	"sched_getaffinity sched_getattr sched_getparam sched_get_priority_max sched_get_priority_min sched_getscheduler "
	"sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam sched_setscheduler "
	"sched_yield seccomp select semctl semget semop semtimedop semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg "
	"sendto setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setitimer setpgid setpriority "
	"setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setrlimit set_robust_list setsid "
	"setsockopt set_thread_area set_tid_address setuid setuid32 setxattr setxattrat shmat shmctl shmdt shmget shutdown "
	"sigaltstack signalfd signalfd4 sigprocmask sigreturn socketpair splice stat stat64 statfs statfs64 statmount "
	"statx symlink symlinkat sync sync_file_range syncfs sysinfo tee tgkill time timer_create timer_delete timer_getoverrun "
	"timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 "
	"timerfd_settime timerfd_settime64 times tkill truncate truncate64 ugetrlimit umask uname unlink unlinkat uretprobe utime "
	"utimensat utimensat_time64 utimes vfork vmsplice wait4 waitid waitpid write writev modify_ldt ptrace process_vm_readv "
	"process_vm_writev riscv_flush_icache riscv_hwprobe arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint "
	"cacheflush set_tls s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr";

static const struct {
	const char *cap, *names;
} by_cap[] = {
	{"CAP_DAC_READ_SEARCH", "open_by_handle_at"},
	{"CAP_SYS_ADMIN", "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr "
			  "lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open quotactl "
			  "quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare"},
	{"CAP_SYS_BOOT", "reboot"},
	{"CAP_SYS_CHROOT", "chroot"},
	{"CAP_SYS_MODULE", "delete_module init_module finit_module"},
	{"CAP_SYS_PACCT", "acct"},
	{"CAP_SYS_PTRACE", "kcmp pidfd_getfd process_madvise"},
	{"CAP_SYS_RAWIO", "iopl ioperm"},
	{"CAP_SYS_TIME", "settimeofday stime clock_settime clock_settime64"},
	{"CAP_SYS_TTY_CONFIG", "vhangup"},
	{"CAP_SYS_NICE", "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"},
	{"CAP_SYSLOG", "syslog"},
	{"CAP_BPF", "bpf"},
	{"CAP_PERFMON", "perf_event_open"},
};

static const char *const default_caps[] = {"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD",
	"CAP_NET_RAW", "CAP_SETGID", "CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT",
	"CAP_KILL", "CAP_AUDIT_WRITE"};

enum { AF_ALG_ = 38, AF_VSOCK_ = 40, CLONE_NAMESPACES = 0x7e020000, NOSYS = 38 };

static struct spec_syscall *rule(struct arena *a, struct spec_seccomp *s, const char *names, const char *action)
{
	struct spec_syscall *r = arena_push(a, &s->syscalls);
	r->action = arena_dup(a, action);
	while (*names) {
		size_t n = strcspn(names, " ");
		char *name = arena_ndup(a, names, n);
		arena_strv_add(a, &r->names, name);
		names += n + (names[n] == ' ');
	}
	return r;
}

static void condition(struct arena *a, struct spec_syscall *r, uint64_t index, uint64_t value, uint64_t two, const char *op)
{
	*arena_push(a, &r->args) = (struct spec_syscall_arg){.index = index, .value = value, .value_two = two, .op = arena_dup(a, op)};
}

static bool are_default(const struct strv *caps)
{
	if (caps->n != countof(default_caps))
		return false;
	for (size_t i = 0; i < countof(default_caps); i++)
		if (!strv_has(caps, default_caps[i]))
			return false;
	return true;
}

int seccomp_default(const struct strv *caps, struct arena *a, struct spec_seccomp **ret, struct err *e)
{
	struct spec_seccomp *s = arena_alloc(a, sizeof *s);
	if (are_default(caps)) {
		s->builtin = true;
		*ret = s;
		return 0;
	}
	return seccomp_default_rules(caps, a, s, e) < 0 ? -1 : (*ret = s, 0);
}

int seccomp_default_rules(const struct strv *caps, struct arena *a, struct spec_seccomp *s, struct err *e)
{
	(void)e;
	static const uint64_t personalities[] = {0x0, 0x8, 0x20000, 0x20008, 0xffffffff};
	s->default_action = arena_dup(a, "SCMP_ACT_ERRNO");
	s->default_errno = (struct opt_i64){true, 1};
	static const char *const own_archs[] = {
#ifdef __x86_64__
		"SCMP_ARCH_X86_64", "SCMP_ARCH_X86",
#elif defined __aarch64__
		"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM",
#endif
		NULL};
	for (size_t i = 0; own_archs[i]; i++)
		arena_strv_add(a, &s->architectures, own_archs[i]);
	rule(a, s, always, "SCMP_ACT_ALLOW");
	for (size_t i = 0; i < countof(personalities); i++)
		condition(a, rule(a, s, "personality", "SCMP_ACT_ALLOW"), 0, personalities[i], 0, "SCMP_CMP_EQ");
	/* All families but the kernel's crypto (CVE-2026-31431) and the host's virtual machine sockets, which lie around 39. */
	condition(a, rule(a, s, "socket", "SCMP_ACT_ALLOW"), 0, AF_ALG_, 0, "SCMP_CMP_LT");
	condition(a, rule(a, s, "socket", "SCMP_ACT_ALLOW"), 0, AF_ALG_ + 1, 0, "SCMP_CMP_EQ");
	condition(a, rule(a, s, "socket", "SCMP_ACT_ALLOW"), 0, AF_VSOCK_, 0, "SCMP_CMP_GT");
	for (size_t i = 0; i < countof(by_cap); i++)
		if (strv_has(caps, by_cap[i].cap))
			rule(a, s, by_cap[i].names, "SCMP_ACT_ALLOW");
	if (!strv_has(caps, "CAP_SYS_ADMIN")) {
		/* clone without a flag that makes namespaces; clone3 hides its flags, so programs are told to fall back */
		condition(a, rule(a, s, "clone", "SCMP_ACT_ALLOW"), 0, CLONE_NAMESPACES, 0, "SCMP_CMP_MASKED_EQ");
		rule(a, s, "clone3", "SCMP_ACT_ERRNO")->errno_ret = (struct opt_i64){true, NOSYS};
	}
	return 0;
}

bool seccomp_is_builtin(const struct spec_seccomp *s)
{
	return s->builtin;
}

void seccomp_default_caps(struct arena *a, struct strv *ret)
{
	for (size_t i = 0; i < countof(default_caps); i++)
		arena_strv_add(a, ret, default_caps[i]);
}
