/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process: the last part of a container's process, the same for the first one and for exec.
 *
 *   1. session, terminal or standard files; the bounding set and the procfs for the labels, while we may
 *   2. the working directory as root, the ids with capabilities kept, the working directory as the user when root could not
 *      (a network file system); it must be inside the root (CVE-2024-21626)
 *   3. the program is looked up in PATH as the user: the launch program's plan is whole
 *   4. READY is told, with the terminal's master; the go
 *   5. capability sets, no_new_privs, the filter: nothing of what comes before needs to be in the filter (the built-in one
 *      allows what 4 needs and goes in before). Without no_new_privs loading it takes CAP_SYS_ADMIN, so then it comes before the sets, else last
 *   6. startContainer hooks: programs of the image, with the command's rights and no others
 *   7. every fd past the standard three closes at the exec
 *
 * Labels are written by the launch program, through a procfs of ours and never the container's /proc.
 */
#include "runtime/setup.h"

#include "base/fd.h"
#include "runtime/annotations.h"
#include "runtime/launch.h"
#include "sys/caps.h"
#include "sys/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* A user that is not root must be able to open /dev/stdout again: a pipe of ours becomes his. */
static void give_pipe(int fd, uid_t uid)
{
	struct stat st;
	if (uid != 0 && fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode))
		(void)!fchown(fd, uid, (gid_t)-1);
}

/* The container's own, so that whoever changes it changes that one. */
static int open_null(int mode, struct err *e)
{
	struct stat st;
	own(fd) int fd = open("/dev/null", mode | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "/dev/null of the container");
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
		return err_set(e, ERR_DENIED, "/dev/null of the container is not the null device");
	return fcntl(fd, F_SETFL, 0) < 0 ? err_sys(e, "/dev/null") : take_fd(fd);
}

/* The host's null device becomes the container's: a file of a mount that it does not have could not be part of a checkpoint. */
static void take_own_null(int at)
{
	struct stat st;
	struct err ignored = {};
	int flags = fcntl(at, F_GETFL);
	if (flags < 0 || fstat(at, &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
		return;
	own(fd) int fd = open_null(flags & O_ACCMODE, &ignored);
	if (fd >= 0)
		(void)!dup2(fd, at);
}

static int set_stdio(struct setup *s, struct err *e)
{
	bool tty = s->process->terminal;
	/* Always a session of its own: the caller's terminal must not be the container's to type into. */
	if (setsid() < 0 && errno != EPERM)
		return err_sys(e, "new session");
	if (tty && ioctl(s->slave, TIOCSCTTY, 0) < 0)
		return err_sys(e, "controlling terminal");
	/* Out of the way first: one of the sources might be the target of another. */
	for (int i = 0; i < 3 && !tty; i++)
		if (s->stdio[i] >= 0 && s->stdio[i] < 3 && s->stdio[i] != i && (s->stdio[i] = fcntl(s->stdio[i], F_DUPFD_CLOEXEC, 3)) < 0)
			return err_sys(e, "standard file %d", i);
	for (int i = 0; i < 3; i++) {
		own(fd) int null = -1;
		int from = tty ? s->slave : s->stdio[i];
		if (from < 0 && (from = null = open_null(O_RDWR, e)) < 0)
			return -1;
		if ((from != i && dup2(from, i) < 0) || (from == i && fd_set_cloexec(i, false) < 0))
			return err_sys(e, "standard file %d", i);
		if (null == i)
			null = -1;
		if (!tty) {
			take_own_null(i);
			give_pipe(i, s->process->user.uid);
		}
	}
	return 0;
}

/* Who wrote a map without privilege (user_namespaces(7)) has given up setgroups for all of that namespace. */
static bool has_given_up_groups(void)
{
	char word[8] = "";
	struct err ignored = {};
	own(fd) int proc = setup_procfs(&ignored);
	/* Inside of a container whose /proc is covered in parts the kernel makes none; the one that is there says it too. */
	own(fd) int fd = proc < 0 ? open("/proc/self/setgroups", O_RDONLY | O_CLOEXEC) : openat(proc, "self/setgroups", O_RDONLY | O_CLOEXEC);
	return fd >= 0 && read(fd, word, sizeof word - 1) > 0 && str_has_prefix(word, "deny");
}

static int set_groups(struct setup *s, struct err *e)
{
	const struct spec_user *u = &s->process->user;
	const char *keep = annotation_get(s->spec, ANNOTATION_KEEP_GROUPS);
	if (keep && !str_eq(keep, "0"))
		return 0;
	/* The syscall, not libc's wrapper, which looks for threads. */
	if (syscall(SYS_setgroups, u->groups.n, u->groups.v) == 0)
		return 0;
	bool none = errno == EPERM && has_given_up_groups();
	for (size_t i = 0; i < u->groups.n; i++)
		none &= u->groups.v[i] == u->gid;
	errno = EPERM;
	return none ? 0 : err_sys(e, "supplementary groups");
}

static int set_ids(struct setup *s, struct err *e)
{
	const struct spec_user *u = &s->process->user;
	umask(u->umask.set ? (mode_t)u->umask.v & 0777 : 022);
	if (set_groups(s, e) < 0)
		return -1;
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return err_sys(e, "keep capabilities");
	if (syscall(SYS_setresgid, u->gid, u->gid, u->gid) < 0)
		return errno == EINVAL ? err_set(e, ERR_USAGE, "group %u is not mapped in the user namespace", u->gid) : err_sys(e, "group %u", u->gid);
	if (syscall(SYS_setresuid, u->uid, u->uid, u->uid) < 0)
		return errno == EINVAL ? err_set(e, ERR_USAGE, "user %u is not mapped in the user namespace", u->uid) : err_sys(e, "user %u", u->uid);
	/* Changing ids may have made us dumpable (fs.suid_dumpable). */
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? err_sys(e, "set not dumpable") : 0;
}

struct sets { uint64_t have, effective, permitted, inheritable, ambient; };

/* What was asked for and is not had: the specification wants a warning, and the container all the same. */
static void warn_of_caps(struct setup *s, uint64_t missing, const char *unknown)
{
	if (unknown)
		setup_warn(s, "unknown capability \"%.40s\"", unknown);
	for (int i = 0; i < 64; i++)
		if (missing >> i & 1)
			setup_warn(s, "CAP_%s cannot be given: hull does not have it", caps_name(i));
}

/* No capabilities in the configuration are none; ambient ones must be inheritable. */
static int read_caps(struct setup *s, struct sets *c, struct err *e)
{
	const struct spec_caps *w = s->process->caps;
	uint64_t bounding = 0;
	const char *unknown = NULL;
	c->have = caps_permitted();
	if (w) {
		c->effective = caps_set(&w->effective, &unknown);
		c->permitted = caps_set(&w->permitted, &unknown);
		c->inheritable = caps_set(&w->inheritable, &unknown);
		c->ambient = caps_set(&w->ambient, &unknown);
		bounding = caps_set(&w->bounding, &unknown);
	}
	warn_of_caps(s, (c->effective | c->permitted | c->inheritable | c->ambient) & ~c->have, unknown);
	c->permitted &= c->have;
	c->effective &= c->permitted;
	c->inheritable &= c->permitted;
	c->ambient &= c->permitted & c->inheritable;
	return caps_limit_bounding(bounding, e);
}

static int load_filter(struct setup *s, struct err *e)
{
	return s->filter->notify ? seccomp_install_asking(s, e) : seccomp_install(s->filter, e);
}

static int set_caps(struct setup *s, const struct sets *c, struct err *e)
{
	bool nnp = s->process->no_new_privileges;
	if (!nnp && s->filter) {
		/* Another user than root has kept them, but not in effect. */
		if (s->process->user.uid != 0 && caps_apply(c->have, c->have, 0, e) < 0)
			return -1;
		if (load_filter(s, e) < 0)
			return -1;
	}
	if (caps_apply(c->effective, c->permitted, c->inheritable, e) < 0 || caps_raise_ambient(c->ambient, e) < 0)
		return -1;
	if (nnp && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(e, "no_new_privs");
	return nnp && s->filter ? load_filter(s, e) : 0;
}

static int enter_cwd(struct setup *s, struct err *e)
{
	char at[4096];
	const char *cwd = s->process->cwd ? s->process->cwd : "/";
	struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_NO_MAGICLINKS};
	own(fd) int fd = (int)syscall(SYS_openat2, AT_FDCWD, cwd, &how, sizeof how);
	if (fd < 0 && errno == ELOOP)
		return err_set(e, ERR_DENIED, "working directory %s: it leads through a link of /proc", cwd);
	if (fd < 0 || fchdir(fd) < 0)
		return err_sys(e, "working directory %s", cwd);
	/* The raw call: outside of the root the kernel says "(unreachable)…". */
	long n = syscall(SYS_getcwd, at, sizeof at);
	if (n < 0 || at[0] != '/')
		return err_set(e, ERR_DENIED, "working directory %s: it is outside of the container", cwd);
	return 0;
}

static int become_user(struct setup *s, struct err *e)
{
	int r = enter_cwd(s, e);
	bool again = r < 0 && e->sys == EACCES;
	if (r < 0 && !again)
		return -1;
	if (set_ids(s, e) < 0)
		return -1;
	return again ? enter_cwd(s, e) : 0;
}

/* The program's file: as it stands when there is a slash in it, else the first in PATH that may be executed. */
static int find_program(const struct spec_process *p, char ret[static LAUNCH_PATH], struct err *e)
{
	const char *name = p->args.v[0];
	char denied[LAUNCH_PATH] = "";
	if (strlen(name) >= LAUNCH_PATH)
		return err_set(e, ERR_NOCMD, "exec \"%.60s…\": %s", name, strerror(ENAMETOOLONG));
	if (strchr(name, '/')) {
		snprintf(ret, LAUNCH_PATH, "%s", name);
		return 0;
	}
	const char *path = strv_env_get(&p->env, "PATH");
	if (!path)
		path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	for (const char *at = path; *name; at++) {
		int len = (int)strcspn(at, ":");
		struct stat st;
		bool fits = snprintf(ret, LAUNCH_PATH, "%.*s%s%s", len ? len : 1, len ? at : ".", "/", name) < LAUNCH_PATH;
		at += len;
		if (fits && stat(ret, &st) == 0 && !S_ISDIR(st.st_mode)) {
			if (faccessat(AT_FDCWD, ret, X_OK, 0) == 0)
				return 0;
			memcpy(denied, ret, LAUNCH_PATH);
		}
		if (!*at)
			break;
	}
	if (*denied)
		return err_set(e, ERR_NOEXEC, "exec \"%.300s\": permission denied: the file is not executable (chmod +x)", denied);
	return err_set(e, ERR_NOCMD, "exec: \"%.300s\": executable file not found in $PATH", name);
}

/* plan: launcher_plan()'s. */
static int make_launcher(struct setup *s, struct launch_plan *plan, struct err *e)
{
	plan->report = s->sock;
	plan->is_init = s->init;
	plan->skip = s->init ? 2 : 0;
	if (find_program(s->process, plan->path, e) < 0)
		return -1;
	own(fd) int fd = launcher_make(plan, e);
	/* The fds that the plan names stay open for it; it closes them itself. */
	if (fd >= 0 && (fd_set_cloexec(s->sock, false) < 0 || (plan->label_dir >= 0 && fd_set_cloexec(plan->label_dir, false) < 0)))
		return err_sys(e, "launch program");
	return take_fd(fd);
}

static void take_default_signals(void)
{
	/* CLONE_CLEAR_SIGHAND put handlers back to default; what was ignored and the mask are the caller's, not the container's. */
	static const int ignored[] = {SIGPIPE, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGCHLD, SIGTTOU, SIGTTIN, SIGTSTP, SIGUSR1, SIGUSR2, SIGXFSZ};
	sigset_t none;
	sigemptyset(&none);
	for (size_t i = 0; i < countof(ignored); i++)
		signal(ignored[i], SIG_DFL);
	proc_default_libc_signals();
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int close_others(struct setup *s, struct err *e)
{
	int keep = 3 + s->preserve_fds;
	if ((s->sock < keep && (s->sock = fcntl(s->sock, F_DUPFD_CLOEXEC, keep)) < 0) ||
		(s->listen >= 0 && s->listen < keep && (s->listen = fcntl(s->listen, F_DUPFD_CLOEXEC, keep)) < 0))
		return err_sys(e, "move the socket");
	if (syscall(SYS_close_range, (unsigned)keep, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		return err_sys(e, "close what must not be inherited");
	for (int i = 3; i < keep; i++)
		if (fd_set_cloexec(i, false) < 0)
			return err_set(e, ERR_USAGE, "file descriptor %d is to be preserved, but it is not open", i);
	return 0;
}

/* The command's words, with those of init in front. */
static char **make_argv(const struct setup *s)
{
	const struct strv *a = &s->process->args;
	char **v = mem_alloc((a->n + 3) * sizeof *v);
	size_t n = 0;
	if (s->init) {
		v[n++] = (char *)(uintptr_t) "hull-init";
		v[n++] = (char *)(uintptr_t) "--";
	}
	memcpy(v + n, a->v, a->n * sizeof *v);
	return v;
}

/* Everything but the go has been done: what is wrong with the command is known to container_create already. */
static int report_and_wait(struct setup *s, struct err *e)
{
	if (setup_report(s, SETUP_READY, NULL, e) < 0)
		return -1;
	fd_drop(&s->master);
	return setup_wait_go(s, e);
}

/* The specification: process.args may be missing until the start. */
static int wait_in_vain(struct setup *s, struct err *e)
{
	if (s->create && report_and_wait(s, e) < 0)
		return -1;
	return err_set(e, ERR_USAGE, "process.args is missing: there is nothing to start");
}

int process_exec(struct setup *s, struct err *e)
{
	const struct spec_process *p = s->process;
	struct sets caps = {};
	struct launch_plan plan;
	own(start_hooks) struct start_hooks hooks = START_HOOKS_INIT;
	if (p->args.n && !p->args.v[0][0])
		return err_set(e, ERR_NOCMD, "exec: the command is empty");
	char *const *env = process_environment(s);
	take_default_signals();
	if (set_stdio(s, e) < 0 || read_caps(s, &caps, e) < 0 || launcher_plan(s, &plan, e) < 0 || become_user(s, e) < 0 || close_others(s, e) < 0)
		return -1;
	if (!p->args.n)
		return wait_in_vain(s, e);
	if (hooks_prepare(s, &plan, &hooks, e) < 0)
		return -1;
	own(fd) int launcher = make_launcher(s, &plan, e);
	/* Our own filter is known to allow the waiting, so it is loaded meanwhile. */
	bool early = !s->filter || s->filter->borrowed;
	if (launcher < 0 || (early && set_caps(s, &caps, e) < 0) || report_and_wait(s, e) < 0)
		return -1;
	own(mem) char **argv = make_argv(s);
	if ((!early && set_caps(s, &caps, e) < 0) || hooks_run_prepared(&hooks, e) < 0)
		return -1;
	syscall(SYS_execveat, launcher, "", argv, env, AT_EMPTY_PATH);
	if (errno == EPERM || errno == ENOSYS)
		return err_set(e, ERR_NOEXEC, "exec: the seccomp profile does not allow execveat, which hull needs to start the command");
	return err_sys(e, "exec");
}
