/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process: the last part of a container's process, the same for the first one and for exec: limits, terminal, ids,
 * capabilities, labels, the filter, the command.
 *
 * Order: what needs privilege first (rlimits, oom score, ids with capabilities kept), then the capability sets, then
 * no_new_privs. The seccomp filter goes in before the capabilities are dropped when no_new_privs is off (loading needs
 * CAP_SYS_ADMIN then), else last. Labels are written through our own procfs, never through the container's /proc. The
 * working directory is checked to be inside the root (CVE-2024-21626), and every fd past the standard three closes at
 * the exec.
 */
#include "runtime/setup.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "sys/caps.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
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
	struct rlimit want = {.rlim_cur = l->soft, .rlim_max = l->hard}, have;
	if (setrlimit((unsigned)rlimits[i].resource, &want) == 0)
		return 0;
	if (errno != EPERM || getrlimit((unsigned)rlimits[i].resource, &have) < 0)
		return err_sys(e, "%s", l->type);
	want.rlim_max = want.rlim_max > have.rlim_max ? have.rlim_max : want.rlim_max;
	want.rlim_cur = want.rlim_cur > want.rlim_max ? want.rlim_max : want.rlim_cur;
	if (setrlimit((unsigned)rlimits[i].resource, &want) < 0)
		return err_sys(e, "%s", l->type);
	snprintf(s->warning, sizeof s->warning, "%s is limited to %llu: raising it needs CAP_SYS_RESOURCE", l->type,
		(unsigned long long)want.rlim_max);
	return 0;
}

static int write_proc(struct setup *s, const char *file, const char *text, struct err *e)
{
	own(fd) int fd = openat(s->proc, file, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	if (s->proc < 0 || fd < 0)
		return err_sys(e, "%s", file);
	return write(fd, text, strlen(text)) < 0 ? err_sys(e, "%s", file) : 0;
}

int process_limits(struct setup *s, struct err *e)
{
	const struct spec_process *p = s->process;
	for (size_t i = 0; i < p->rlimits.n; i++)
		if (set_rlimit(s, &p->rlimits.v[i], e) < 0)
			return -1;
	if (p->oom_score_adj.set) {
		char text[24];
		snprintf(text, sizeof text, "%lld", (long long)p->oom_score_adj.v);
		if (write_proc(s, "self/oom_score_adj", text, e) < 0) {
			if (e->sys != EACCES && e->sys != EPERM)
				return -1;
			snprintf(s->warning, sizeof s->warning, "the OOM score cannot be lowered here: it needs CAP_SYS_RESOURCE");
		}
	}
	if (s->spec->linux_->personality) {
		const char *d = s->spec->linux_->personality->domain;
		if (!str_eq(d, "LINUX") && !str_eq(d, "LINUX32"))
			return err_set(e, ERR_USAGE, "unknown personality \"%s\"", d);
		if (personality(str_eq(d, "LINUX32") ? PER_LINUX32 : PER_LINUX) < 0)
			return err_sys(e, "personality");
	}
	return 0;
}

static int set_stdio(struct setup *s, struct err *e)
{
	bool tty = s->process->terminal;
	if (tty && (setsid() < 0 && errno != EPERM))
		return err_sys(e, "new session");
	if (tty && ioctl(s->slave, TIOCSCTTY, 0) < 0)
		return err_sys(e, "controlling terminal");
	for (int i = 0; i < 3; i++) {
		own(fd) int null = -1;
		int from = tty ? s->slave : s->stdio[i];
		if (from < 0)
			from = null = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (from < 0 || dup2(from, i) < 0)
			return err_sys(e, "standard file %d", i);
		if (from == i)
			fd_set_cloexec(i, false);
	}
	return 0;
}

static int set_ids(struct setup *s, struct err *e)
{
	const struct spec_user *u = &s->process->user;
	if (u->umask.set)
		umask((mode_t)u->umask.v & 07777);
	/* The syscall, not libc's wrapper, which looks for threads. Where /proc/self/setgroups says deny, none are asked for. */
	if (syscall(SYS_setgroups, u->groups.n, u->groups.v) < 0 && !(errno == EPERM && s->create && s->create->no_cgroup))
		return err_sys(e, "supplementary groups");
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return err_sys(e, "keep capabilities");
	if (syscall(SYS_setresgid, u->gid, u->gid, u->gid) < 0)
		return err_sys(e, "group %u", u->gid);
	if (syscall(SYS_setresuid, u->uid, u->uid, u->uid) < 0)
		return err_sys(e, "user %u", u->uid);
	return 0;
}

static int set_caps(struct setup *s, uint64_t bounding_now, struct err *e)
{
	const struct spec_caps *c = s->process->caps;
	uint64_t eff = 0, perm = 0, inh = 0, amb = 0;
	if (!c)
		return caps_apply(bounding_now, bounding_now, 0, e);
	if (caps_set(&c->effective, &eff, e) < 0 || caps_set(&c->permitted, &perm, e) < 0 || caps_set(&c->inheritable, &inh, e) < 0 ||
		caps_set(&c->ambient, &amb, e) < 0)
		return -1;
	/* What we do not have we cannot give (runtime-spec: a warning, not an error). Ambient needs inheritable. */
	perm &= bounding_now;
	eff &= perm;
	inh &= perm;
	amb &= perm & inh;
	if (caps_apply(eff, perm, inh, e) < 0)
		return -1;
	return caps_raise_ambient(amb, e);
}

static int limit_bounding(struct setup *s, struct err *e)
{
	uint64_t keep;
	if (!s->process->caps)
		return 0;
	if (caps_set(&s->process->caps->bounding, &keep, e) < 0)
		return -1;
	return caps_limit_bounding(keep, e);
}

static int set_labels(struct setup *s, struct err *e)
{
	const struct spec_process *p = s->process;
	if (!str_is_empty(p->apparmor)) {
		char text[512];
		snprintf(text, sizeof text, "exec %s", p->apparmor);
		if (write_proc(s, "self/attr/apparmor/exec", text, e) < 0 && write_proc(s, "self/attr/exec", text, e) < 0)
			return err_wrap(e, "AppArmor profile %s", p->apparmor);
	}
	if (!str_is_empty(p->selinux_label) && write_proc(s, "self/attr/exec", p->selinux_label, e) < 0)
		return err_wrap(e, "SELinux label %s", p->selinux_label);
	return 0;
}

static int enter_cwd(struct setup *s, struct err *e)
{
	char at[4096];
	const char *cwd = s->process->cwd ? s->process->cwd : "/";
	if (chdir(cwd) < 0)
		return err_sys(e, "working directory %s", cwd);
	/* The raw call: outside of the root the kernel says "(unreachable)…". */
	long n = syscall(SYS_getcwd, at, sizeof at);
	if (n < 0 || at[0] != '/')
		return err_set(e, ERR_DENIED, "working directory %s: it is outside of the container", cwd);
	return 0;
}

static const char *machine_name(unsigned m)
{
	static const struct { unsigned machine; const char *name; } rows[] = {{EM_X86_64, "amd64"}, {EM_386, "386"},
		{EM_AARCH64, "arm64"}, {EM_ARM, "arm"}, {EM_RISCV, "riscv64"}, {EM_PPC64, "ppc64le"}, {EM_S390, "s390x"},
		{EM_MIPS, "mips"}};
	for (size_t i = 0; i < countof(rows); i++)
		if (rows[i].machine == m)
			return rows[i].name;
	return "another architecture";
}

static const unsigned own_machine =
#ifdef __x86_64__
	EM_X86_64;
#elif defined __aarch64__
	EM_AARCH64;
#else
	EM_NONE;
#endif

static void explain_script(const char *path, char *head, struct err *e)
{
	char *end = strpbrk(head, "\n");
	if (end)
		*end = 0;
	char *name = head + 2 + strspn(head + 2, " \t");
	size_t n = strcspn(name, " \t");
	bool crlf = n && name[n - 1] == '\r';
	name[n] = 0;
	if (crlf) {
		name[n - 1] = 0;
		err_set_(e, ERR_NOCMD, "exec \"%s\": its first line ends in CR LF, so the interpreter \"%s\\r\" is not found: "
			"save it with Unix line ends", path, name);
	} else {
		err_set_(e, ERR_NOCMD, "exec \"%s\": its interpreter %s is not in the image", path, name);
	}
}

static void explain_elf(const char *path, int fd, const char *head, int why, struct err *e)
{
	Elf64_Ehdr h;
	memcpy(&h, head, sizeof h);
	if (h.e_machine != own_machine && own_machine != EM_NONE) {
		err_set_(e, ERR_NOEXEC, "exec \"%s\": the program is for %s, this machine is %s", path, machine_name(h.e_machine), machine_name(own_machine));
		return;
	}
	for (unsigned i = 0; why == ENOENT && h.e_ident[EI_CLASS] == ELFCLASS64 && i < h.e_phnum && i < 64; i++) {
		Elf64_Phdr p;
		char interp[256] = "";
		if (pread(fd, &p, sizeof p, (off_t)(h.e_phoff + i * sizeof p)) != sizeof p)
			break;
		if (p.p_type == PT_INTERP && p.p_filesz < sizeof interp && pread(fd, interp, p.p_filesz, (off_t)p.p_offset) > 0) {
			err_set_(e, ERR_NOCMD, "exec \"%s\": its program loader %s is not in the image", path, interp);
			return;
		}
	}
}

/* execve says only ENOENT or ENOEXEC; the file itself tells what is really missing. */
static int explain(const char *path, int why, struct err *e)
{
	char head[512] = "";
	struct stat st;
	err_set_(e, why == ENOENT || why == ENOTDIR ? ERR_NOCMD : ERR_NOEXEC, "exec \"%s\": %s", path, strerror(why));
	e->sys = why;
	own(fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return err_set(e, ERR_NOEXEC, "exec \"%s\": is a directory", path);
	ssize_t n = fd < 0 ? 0 : pread(fd, head, sizeof head - 1, 0);
	if (n < 2)
		return why == ENOEXEC && n >= 0 ? err_set(e, ERR_NOEXEC, "exec \"%s\": the file is empty", path) : -1;
	if (head[0] == '#' && head[1] == '!' && why == ENOENT)
		explain_script(path, head, e);
	else if (n >= (ssize_t)sizeof(Elf64_Ehdr) && memcmp(head, ELFMAG, SELFMAG) == 0)
		explain_elf(path, fd, head, why, e);
	else if (why == ENOEXEC)
		return err_set(e, ERR_NOEXEC, "exec \"%s\": exec format error: neither a program nor a script with #! in its first line", path);
	return -1;
}

static int run(const struct spec_process *p, struct err *e)
{
	char *const *argv = p->args.v, *const empty[] = {NULL}, *const *envp = p->env.v ? p->env.v : empty;
	const char *name = argv[0];
	if (strchr(name, '/')) {
		execve(name, argv, envp);
		return explain(name, errno, e);
	}
	const char *path = strv_env_get(&p->env, "PATH");
	int denied = 0;
	own(mem) char *found = NULL;
	own(strv) struct strv dirs = {};
	strv_split(&dirs, path ? path : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", ':');
	for (size_t i = 0; i < dirs.n; i++) {
		own(mem) char *whole = path_join(*dirs.v[i] ? dirs.v[i] : ".", name);
		struct stat st;
		if (stat(whole, &st) < 0 || S_ISDIR(st.st_mode))
			continue;
		execve(whole, argv, envp);
		if (errno == EACCES) {
			denied = errno;
			mem_drop(&found);
			found = take(whole);
			continue;
		}
		return explain(whole, errno, e);
	}
	if (denied)
		return explain(found, denied, e);
	return err_set(e, ERR_NOCMD, "exec: \"%s\": executable file not found in $PATH", name);
}

static void ignore_nothing(void)
{
	/* CLONE_CLEAR_SIGHAND put handlers back to default; ignored signals and the mask are ours to clear. */
	sigset_t none;
	sigemptyset(&none);
	for (int sig = 1; sig < 32; sig++)
		if (sig == SIGPIPE || sig == SIGHUP || sig == SIGINT || sig == SIGQUIT || sig == SIGTERM || sig == SIGCHLD || sig == SIGTTOU || sig == SIGTTIN)
			signal(sig, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

int process_exec(struct setup *s, struct err *e)
{
	const struct spec_process *p = s->process;
	bool nnp = p->no_new_privileges;
	uint64_t bounding = caps_bounding();
	if (!p->args.n)
		return err_set(e, ERR_USAGE, "process.args: empty");
	ignore_nothing();
	if (set_stdio(s, e) < 0 || set_labels(s, e) < 0 || limit_bounding(s, e) < 0)
		return -1;
	if (!nnp && s->filter && seccomp_install(s->filter, e) < 0)
		return -1;
	if (set_ids(s, e) < 0 || set_caps(s, bounding, e) < 0)
		return -1;
	if (nnp && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(e, "no_new_privs");
	if (enter_cwd(s, e) < 0)
		return -1;
	int keep = 3 + (s->create ? s->create->preserve_fds : 0);
	if (syscall(SYS_close_range, (unsigned)keep, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		return err_sys(e, "close what must not be inherited");
	if (nnp && s->filter && seccomp_install(s->filter, e) < 0)
		return -1;
	return run(p, e);
}
