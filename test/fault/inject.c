/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inject: runs a command and breaks it at one system call.
 *
 *   inject [-o REPORT] [-t SECONDS] [-d] [-x PREFIX]... [-p PROCESS -n N ACTION] -- COMMAND [ARG...]
 *
 *   -x PREFIX   only processes whose executable lies below PREFIX (or in a memfd) are broken and counted; what executes
 *               something else is let go, but for COMMAND itself, whose children are followed
 *   -p, -n      the N-th countable call of PROCESS. A process is named by its place: 0 is COMMAND, 0/0 its first child, 0/0/1
 *               the second child of that: the same process in every run, whatever the others do meanwhile
 *   ACTION      -e    the call is not done and fails, with an errno that suits it (table below; -v I takes its I-th)
 *               -E    as -e, and from then on every call of its kind in that process
 *               -k    the process is killed before the call
 *               -K    all processes that are followed are
 *   -d          ends with COMMAND and lets the others go; else it ends with the last of them
 *   -t          when that takes longer, all are killed and the report says so
 *
 * The report has a line for each process, `process 0/0 calls NAME NAME …`. Countable are with -e the calls that can fail, with
 * -k those that change something outside of the process (being killed before another call is being killed before the next of
 * these), without an action both: NAME! cannot fail, NAME? changes nothing. Then `fault PROCESS N NAME WHAT` when it came to
 * it, `hang PROCESS CALL` for what did not end, `status N`.
 *
 * Exit status: that of COMMAND, 128+n for a signal; 99 when the tracer itself failed.
 *
 * How: ptrace. Everybody is seized and runs from event to event; system calls are stopped at only where they count: in
 * the process that is to be broken, until it was, or everywhere when nothing is to be broken. A failing call is given the number -1
 * when it is entered and its result when it is left.
 */
#include <ctype.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BROKEN = 99, MAX_PROCESSES = 512, MAX_CALLS = 20000, OPTIONS = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK |
	PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC };

/* Which errnos a call may give, and whether it changes something that others see. What is not here never fails and changes
 * nothing: signal masks, ids asked for, memory given back. */
static const struct call {
	const char *name;
	int errnos[3];
	bool acts;
} calls[] = {
	{"accept4", {EMFILE, ENOMEM}, true}, {"bind", {EADDRINUSE, EACCES}, true}, {"brk", {ENOMEM}, false}, {"capget", {EPERM}, false},
	{"capset", {EPERM}, true}, {"chdir", {EACCES}, false}, {"chmod", {EPERM, EIO}, true}, {"chroot", {EPERM}, false},
	{"clone", {EAGAIN, ENOMEM}, true}, {"clone3", {EAGAIN, ENOMEM, EPERM}, true}, {"connect", {ECONNREFUSED}, true},
	{"copy_file_range", {ENOSPC, EIO}, true}, {"dup", {EMFILE}, false}, {"dup2", {EMFILE}, false}, {"dup3", {EMFILE}, false},
	{"execve", {ENOMEM, EACCES}, true}, {"execveat", {ENOMEM, EACCES}, true}, {"faccessat", {EIO}, false}, {"faccessat2", {EIO}, false},
	{"fallocate", {ENOSPC}, true}, {"fchdir", {EACCES}, false}, {"fchmod", {EPERM, EIO}, true}, {"fchmodat", {EPERM, EIO}, true},
	{"fchown", {EPERM, EIO}, true}, {"fchownat", {EPERM, EIO}, true}, {"fcntl", {EMFILE}, false}, {"fdatasync", {EIO, ENOSPC}, true},
	{"flock", {ENOLCK}, true}, {"fork", {EAGAIN, ENOMEM}, true}, {"fsconfig", {EINVAL, ENOMEM}, true}, {"fsmount", {EPERM, ENOMEM}, true},
	{"fsopen", {EPERM, ENODEV}, true}, {"fstat", {EIO}, false}, {"fstatfs", {EIO}, false}, {"fsync", {EIO, ENOSPC}, true},
	{"ftruncate", {ENOSPC, EIO}, true}, {"getcwd", {ENOENT}, false}, {"getdents64", {EIO, ENOMEM}, false},
	{"getsockopt", {ENOBUFS}, false}, {"getxattr", {EIO}, false}, {"ioctl", {EIO, EPERM}, true}, {"kill", {EPERM}, true},
	{"lchown", {EPERM, EIO}, true}, {"lgetxattr", {EIO}, false}, {"fgetxattr", {EIO}, false}, {"linkat", {ENOSPC, EIO}, true},
	{"listen", {EADDRINUSE}, true}, {"llistxattr", {EIO}, false}, {"flistxattr", {EIO}, false}, {"lseek", {ESPIPE}, false},
	{"lsetxattr", {ENOSPC, EPERM}, true}, {"fsetxattr", {ENOSPC, EPERM}, true}, {"setxattr", {ENOSPC, EPERM}, true},
	{"lstat", {EIO}, false}, {"memfd_create", {EMFILE, ENOMEM}, true}, {"mkdir", {ENOSPC, EIO, EROFS}, true},
	{"mkdirat", {ENOSPC, EIO, EROFS}, true}, {"mknodat", {ENOSPC, EPERM}, true}, {"mmap", {ENOMEM}, false}, {"mount", {EPERM, ENOMEM}, true},
	{"mount_setattr", {EPERM, EINVAL}, true}, {"move_mount", {EPERM, ENOMEM}, true}, {"newfstatat", {EIO, ENOMEM}, false},
	{"open", {EIO, EMFILE}, true}, {"openat", {EIO, EMFILE, ENOSPC}, true}, {"openat2", {EIO, EMFILE, ENOSPC}, false},
	{"open_tree", {EPERM, EMFILE}, true}, {"pidfd_open", {EMFILE}, false}, {"pidfd_send_signal", {EPERM}, true}, {"pipe2", {EMFILE}, false},
	{"pivot_root", {EPERM, EINVAL}, true}, {"poll", {ENOMEM, EINTR}, false}, {"ppoll", {ENOMEM, EINTR}, false},
	{"prctl", {EINVAL, EPERM}, true}, {"pread64", {EIO}, false}, {"prlimit64", {EPERM}, true}, {"pwrite64", {ENOSPC, EIO}, true},
	{"read", {EIO, EINTR}, false}, {"readlink", {EIO}, false}, {"readlinkat", {EIO}, false}, {"recvfrom", {ENOMEM, ECONNRESET}, true},
	{"recvmsg", {ENOMEM}, true}, {"rename", {ENOSPC, EIO}, true}, {"renameat", {ENOSPC, EIO}, true},
	{"renameat2", {ENOSPC, EIO}, true}, {"rmdir", {EBUSY, EIO}, true}, {"seccomp", {EINVAL, ENOMEM}, true}, {"sendfile", {ENOSPC, EIO}, true},
	{"sendmsg", {ENOBUFS, EPIPE}, true}, {"sendto", {ENOBUFS, EPIPE}, true}, {"setdomainname", {EPERM}, true}, {"setgid", {EPERM}, true},
	{"setgroups", {EPERM}, true}, {"sethostname", {EPERM}, true}, {"setns", {EPERM, EINVAL}, true}, {"setpgid", {EPERM}, true},
	{"setresgid", {EPERM}, true}, {"setresuid", {EAGAIN, EPERM}, true}, {"setrlimit", {EPERM}, true}, {"setsid", {EPERM}, true},
	{"setsockopt", {ENOBUFS}, false}, {"setuid", {EAGAIN, EPERM}, true}, {"socket", {EMFILE, EAFNOSUPPORT}, false},
	{"socketpair", {EMFILE, ENFILE}, false}, {"splice", {EIO}, true}, {"stat", {EIO}, false}, {"statfs", {EIO}, false}, {"statx", {EIO}, false},
	{"symlinkat", {ENOSPC, EIO}, true}, {"syncfs", {EIO, ENOSPC}, true}, {"umount2", {EBUSY, EPERM}, true}, {"unlink", {EIO, EROFS}, true},
	{"unlinkat", {EIO, EROFS, EBUSY}, true}, {"unshare", {EPERM, ENOMEM}, true}, {"utimensat", {EPERM, EIO}, true}, {"vfork", {EAGAIN}, true},
	{"wait4", {EINTR}, true}, {"waitid", {EINTR}, true}, {"write", {ENOSPC, EIO}, true}, {"writev", {ENOSPC, EIO}, true},
	{"exit_group", {}, true}, {"nanosleep", {EINTR}, false}, {"clock_nanosleep", {EINTR}, false},
};

enum action { WATCH, FAIL, FAIL_ON, KILL, KILL_ALL };

struct process {
	pid_t pid;
	char place[120];
	unsigned children; /* born so far */
	bool ours;         /* executes one of the files that count */
	bool waits;        /* stopped before its parent's event told who it is */
	bool failing;
	int failure;
	size_t call;       /* index into calls[] of the failing one */
	unsigned n;
	short *calls;      /* of each one counted: index into calls[] * 4, whether it can fail * 2, whether it acts */
};

static struct process processes[MAX_PROCESSES];
static size_t nprocesses, nprefixes;
static const char *prefixes[16], *target;
static enum action action;
static unsigned target_n, variant;
static bool detach, was_done;
static long sticky = -1;
static FILE *report;
static short by_number[1024]; /* of the kernel's numbers: index into calls[] + 1 */
static volatile sig_atomic_t is_late;

static void fail(const char *what)
{
	perror(what);
	exit(BROKEN);
}

static void late(int sig)
{
	(void)sig;
	is_late = 1;
}

static void learn_numbers(void)
{
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
		int nr = seccomp_syscall_resolve_name(calls[i].name);
		if (nr >= 0 && nr < 1024)
			by_number[nr] = (short)(i + 1);
	}
}

static struct process *find(pid_t pid)
{
	for (size_t i = 0; i < nprocesses; i++)
		if (processes[i].pid == pid)
			return &processes[i];
	return NULL;
}

static struct process *add(pid_t pid)
{
	if (nprocesses == MAX_PROCESSES)
		fail("too many processes");
	struct process *p = &processes[nprocesses++];
	*p = (struct process){.pid = pid};
	return p;
}

static bool has_our_file(pid_t pid)
{
	char link[64], path[PATH_MAX];
	snprintf(link, sizeof link, "/proc/%d/exe", (int)pid);
	ssize_t n = readlink(link, path, sizeof path - 1);
	if (n <= 0)
		return false;
	path[n] = 0;
	if (strncmp(path, "/memfd:", 7) == 0 || nprefixes == 0)
		return true;
	for (size_t i = 0; i < nprefixes; i++)
		if (strncmp(path, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

static bool is_target(const struct process *p)
{
	return target && strcmp(p->place, target) == 0;
}

static bool stops_at_calls(const struct process *p)
{
	if (p->failing || (p->ours && action == WATCH))
		return true;
	return p->ours && is_target(p) && (!was_done || action == FAIL_ON);
}

static void go_on(struct process *p, int sig)
{
	if (ptrace(stops_at_calls(p) ? PTRACE_SYSCALL : PTRACE_CONT, p->pid, 0, (void *)(long)sig) < 0 && errno != ESRCH)
		fail("ptrace: go on");
}

static void kill_followed(void)
{
	for (size_t i = 0; i < nprocesses; i++)
		if (processes[i].pid)
			kill(processes[i].pid, SIGKILL);
}

static void say_fault(const struct process *p, const char *name, const char *what)
{
	fprintf(report, "fault %s %u %s %s\n", p->place, p->n, name, what);
	fflush(report);
	was_done = true;
}

/* To be executed (number -1: not at all), or the result. */
static void set_register(struct process *p, bool is_result, long value)
{
#ifdef __x86_64__
	struct user_regs_struct regs;
	struct iovec v = {&regs, sizeof regs};
	if (ptrace(PTRACE_GETREGSET, p->pid, (void *)(long)NT_PRSTATUS, &v) < 0)
		return;
	*(is_result ? &regs.rax : &regs.orig_rax) = (unsigned long long)value;
	if (ptrace(PTRACE_SETREGSET, p->pid, (void *)(long)NT_PRSTATUS, &v) < 0 && errno != ESRCH)
		fail("ptrace: set a register");
#else
#error "inject knows the registers of x86_64 alone"
#endif
}

static bool is_pipe(const struct process *p, int fd)
{
	char link[64], to[64] = "/";
	snprintf(link, sizeof link, "/proc/%d/fd/%d", (int)p->pid, fd);
	return readlink(link, to, sizeof to - 1) > 0 && *to != '/';
}

/* fcntl does many things; what is not about a new descriptor does not fail. Pipes and sockets have no disk to fail: reads of
 * them are interrupted, and who writes to one whose reader lives is heard. */
static bool can_fail(const struct process *p, const struct call *c, const struct __ptrace_syscall_info *i)
{
	if (strcmp(c->name, "fcntl") == 0)
		return i->entry.args[1] == F_DUPFD || i->entry.args[1] == F_DUPFD_CLOEXEC;
	if (strcmp(c->name, "write") == 0 && is_pipe(p, (int)i->entry.args[0]))
		return false;
	if (action == FAIL_ON && strcmp(c->name, "read") == 0 && is_pipe(p, (int)i->entry.args[0]))
		return false;
	/* One that only asks for the break cannot. */
	if (strcmp(c->name, "brk") == 0)
		return i->entry.args[0];
	return c->errnos[0];
}

static bool does_act(const struct call *c, const struct __ptrace_syscall_info *i)
{
	return c->acts && (strcmp(c->name, "openat") != 0 || i->entry.args[2] & O_CREAT);
}

static bool counts(const struct process *p, const struct call *c, const struct __ptrace_syscall_info *i)
{
	if (action == FAIL)
		return can_fail(p, c, i);
	/* Who goes on after EINTR, or a poll without memory, does so for ever. */
	if (action == FAIL_ON)
		return can_fail(p, c, i) && c->errnos[0] != EINTR && !strstr(c->name, "poll");
	if (action == KILL || action == KILL_ALL)
		return does_act(c, i);
	return can_fail(p, c, i) || does_act(c, i);
}

static int pick_errno(const struct process *p, const struct call *c, const struct __ptrace_syscall_info *i)
{
	unsigned n = 0;
	while (n < 3 && c->errnos[n])
		n++;
	int picked = c->errnos[variant % n];
	if (strcmp(c->name, "read") == 0 && is_pipe(p, (int)i->entry.args[0]))
		picked = EINTR;
	return action == FAIL_ON && picked == EINTR ? c->errnos[0] : picked;
}

static void entered(struct process *p, const struct __ptrace_syscall_info *i)
{
	uint64_t nr = i->entry.nr;
	const struct call *c = nr < 1024 && by_number[nr] ? &calls[by_number[nr] - 1] : NULL;
	if (!c || !counts(p, c, i))
		return;
	bool again = was_done && action == FAIL_ON && (long)nr == sticky;
	if (!again) {
		p->n++;
		if (action == WATCH) {
			if (!p->calls)
				p->calls = calloc(MAX_CALLS, sizeof *p->calls);
			if (p->calls && p->n <= MAX_CALLS)
				p->calls[p->n - 1] = (short)((c - calls) << 2 | can_fail(p, c, i) << 1 | does_act(c, i));
			return;
		}
		if (was_done || p->n != target_n)
			return;
	}
	if (action == KILL || action == KILL_ALL) {
		say_fault(p, c->name, action == KILL ? "killed" : "all killed");
		if (action == KILL_ALL)
			kill_followed();
		else
			kill(p->pid, SIGKILL);
		return;
	}
	p->failing = true;
	p->call = (size_t)(c - calls);
	p->failure = pick_errno(p, c, i);
	sticky = (long)nr;
	if (!again)
		say_fault(p, c->name, strerrorname_np(p->failure));
	set_register(p, false, -1);
}

static void left(struct process *p)
{
	/* The kernel's brk has no errors: it tells where the break is, and that is not where it should be. */
	if (p->failing)
		set_register(p, true, strcmp(calls[p->call].name, "brk") == 0 ? 0 : -p->failure);
	p->failing = false;
}

static void at_call(struct process *p)
{
	struct __ptrace_syscall_info i;
	if (ptrace(PTRACE_GET_SYSCALL_INFO, p->pid, sizeof i, &i) < 0)
		return;
	if (i.op == PTRACE_SYSCALL_INFO_ENTRY)
		entered(p, &i);
	else if (i.op == PTRACE_SYSCALL_INFO_EXIT)
		left(p);
}

static void born(struct process *parent)
{
	unsigned long pid = 0;
	if (ptrace(PTRACE_GETEVENTMSG, parent->pid, 0, &pid) < 0)
		return;
	struct process *p = find((pid_t)pid);
	bool waits = p && p->waits;
	if (!p)
		p = add((pid_t)pid);
	snprintf(p->place, sizeof p->place, "%.100s/%u", parent->place, parent->children++);
	p->ours = parent->ours;
	if (waits) {
		p->waits = false;
		go_on(p, 0);
	}
}

static void event(struct process *p, int status)
{
	switch (status >> 16) {
	case PTRACE_EVENT_FORK:
	case PTRACE_EVENT_VFORK:
	case PTRACE_EVENT_CLONE:
		born(p);
		break;
	case PTRACE_EVENT_EXEC:
		p->ours = has_our_file(p->pid);
		if (!p->ours && strcmp(p->place, "0") != 0) {
			ptrace(PTRACE_DETACH, p->pid, 0, 0);
			p->pid = 0;
			return;
		}
		break;
	case PTRACE_EVENT_STOP:
		/* A group stop is one, and stays one. */
		if (WSTOPSIG(status) == SIGSTOP || WSTOPSIG(status) == SIGTSTP || WSTOPSIG(status) == SIGTTIN || WSTOPSIG(status) == SIGTTOU) {
			ptrace(PTRACE_LISTEN, p->pid, 0, 0);
			return;
		}
		break;
	default:
		break;
	}
	go_on(p, 0);
}

static void stopped(struct process *p, int status)
{
	int sig = WSTOPSIG(status);
	if (!*p->place) {
		p->waits = true;
		return;
	}
	if (status >> 16) {
		event(p, status);
	} else if (sig == (SIGTRAP | 0x80)) {
		at_call(p);
		go_on(p, 0);
	} else {
		go_on(p, sig);
	}
}

static void say_hang(const struct process *p)
{
	char path[64], text[200] = "?";
	snprintf(path, sizeof path, "/proc/%d/syscall", (int)p->pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (n > 0)
		text[strcspn(text, "\n")] = 0;
	if (fd >= 0)
		close(fd);
	char *name = isdigit((unsigned char)*text) ? seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, atoi(text)) : NULL;
	fprintf(report, "hang %s %s %s\n", p->place, name ? name : "?", text);
	free(name);
}

static size_t alive(void)
{
	size_t n = 0;
	for (size_t i = 0; i < nprocesses; i++)
		n += processes[i].pid > 0;
	return n;
}

static void out_of_time(void)
{
	for (size_t i = 0; i < nprocesses; i++)
		if (processes[i].pid)
			say_hang(&processes[i]);
	fflush(report);
	kill_followed();
	alarm(5);
	is_late = 0;
}

static int serve(pid_t leader)
{
	int result = BROKEN;
	for (bool was_late = false; alive();) {
		int status;
		pid_t pid = waitpid(-1, &status, __WALL);
		if (is_late && was_late)
			break;
		if (is_late) {
			was_late = true;
			out_of_time();
		}
		if (pid < 0 && errno == EINTR)
			continue;
		if (pid < 0)
			break;
		struct process *p = find(pid);
		if (WIFSTOPPED(status)) {
			stopped(p ? p : add(pid), status);
			continue;
		}
		if (p)
			p->pid = 0;
		if (pid != leader)
			continue;
		result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		if (detach)
			break;
	}
	return result;
}

static pid_t begin(char **argv)
{
	int go[2];
	char c;
	if (pipe2(go, O_CLOEXEC) < 0)
		fail("pipe");
	pid_t pid = fork();
	if (pid < 0)
		fail("fork");
	if (pid == 0) {
		close(go[1]);
		while (read(go[0], &c, 1) < 0 && errno == EINTR)
			;
		execvp(argv[0], argv);
		fail(argv[0]);
	}
	if (ptrace(PTRACE_SEIZE, pid, 0, OPTIONS) < 0)
		fail("ptrace: seize");
	struct process *p = add(pid);
	strcpy(p->place, "0");
	close(go[0]);
	close(go[1]);
	return pid;
}

static void print_calls(void)
{
	for (size_t i = 0; i < nprocesses; i++) {
		if (!processes[i].n)
			continue;
		fprintf(report, "process %s %s", processes[i].place, action == WATCH ? "calls" : "count");
		for (unsigned k = 0; action == WATCH && k < processes[i].n && k < MAX_CALLS; k++) {
			short c = processes[i].calls[k];
			fprintf(report, " %s%s%s", calls[c >> 2].name, c & 2 ? "" : "!", c & 1 ? "" : "?");
		}
		fprintf(report, action == WATCH ? "\n" : " %u\n", processes[i].n);
	}
}

static void usage(void) __attribute__((noreturn));
static void usage(void)
{
	fprintf(stderr, "usage: inject [-o REPORT] [-t SECONDS] [-d] [-x PREFIX]... [-p PROCESS -n N -e|-E|-k|-K [-v I]] -- COMMAND [ARG...]\n");
	exit(BROKEN);
}

int main(int argc, char **argv)
{
	report = stderr;
	unsigned seconds = 60;
	for (int c; (c = getopt(argc, argv, "+o:t:dx:p:n:eEkKv:")) != -1;) {
		switch (c) {
		case 'o':
			report = fopen(optarg, "we");
			if (!report)
				fail(optarg);
			break;
		case 't': seconds = (unsigned)atoi(optarg); break;
		case 'd': detach = true; break;
		case 'x':
			if (nprefixes == sizeof prefixes / sizeof *prefixes)
				usage();
			prefixes[nprefixes++] = optarg;
			break;
		case 'p': target = optarg; break;
		case 'n': target_n = (unsigned)atoi(optarg); break;
		case 'e': action = FAIL; break;
		case 'E': action = FAIL_ON; break;
		case 'k': action = KILL; break;
		case 'K': action = KILL_ALL; break;
		case 'v': variant = (unsigned)atoi(optarg); break;
		default: usage();
		}
	}
	if (optind == argc || (action != WATCH && (!target || !target_n)))
		usage();
	learn_numbers();
	sigaction(SIGALRM, &(struct sigaction){.sa_handler = late}, NULL);
	pid_t leader = begin(argv + optind);
	alarm(seconds);
	int result = serve(leader);
	print_calls();
	fprintf(report, "status %d\n", result);
	fclose(report);
	return result;
}
