/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hooks: programs that run at points of a container's life (config.md, "POSIX-platform Hooks"), with the container's state
 * as JSON on their standard input. The first that fails ends it; its time is limited when it says so.
 *
 * All but startContainer's are programs of the host, and run with hull's rights. startContainer's are the image's: the launch
 * program executes them (launch.h says why) when the process has become what the command will be.
 */
#include "runtime/setup.h"

#include "base/fd.h"
#include "runtime/annotations.h"
#include "runtime/launch.h"
#include "sys/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct json *setup_state(const struct setup_container *c)
{
	struct json *j = json_new_object();
	json_set_str(j, "ociVersion", c->spec->oci_version);
	json_set_str(j, "id", c->id ? c->id : "");
	json_set_str(j, "status", c->status);
	if (c->pid > 0)
		json_set(j, "pid", json_new_i64(c->pid));
	json_set_str(j, "bundle", c->bundle ? c->bundle : "/");
	struct json *notes = json_new_object();
	for (size_t i = 0; i < c->spec->annotations.n; i++)
		json_set_str(notes, c->spec->annotations.v[i].key, c->spec->annotations.v[i].value);
	json_set(j, "annotations", notes);
	return j;
}

static int write_state(const struct container_create *c, const char *status, pid_t pid, struct err *e)
{
	own(json) struct json *j = setup_state(&(struct setup_container){c->spec, c->id, c->bundle, status, pid, pid});
	own(buf) struct buf b = BUF(4 << 20);
	json_format(j, 0, &b);
	own(fd) int fd = memfd_create("state", MFD_CLOEXEC);
	if (buf_check(&b, e) < 0)
		return -1;
	if (fd < 0 || fd_write_all(fd, b.data, b.len) < 0)
		return err_sys(e, "state");
	return take_fd(fd);
}

static char *const *arguments(const struct spec_hook *h, char *only[2])
{
	only[0] = h->path;
	only[1] = NULL;
	return h->args.n ? h->args.v : only;
}

static char *const *environment(const struct spec_hook *h)
{
	static char *const none[] = {NULL};
	return h->env.v ? h->env.v : none;
}

/* crun's annotations: where the hooks' own output goes, instead of where hull's does. */
int hooks_open_output(const struct container_create *c, int ret[2], struct err *e)
{
	static const enum annotation which[2] = {ANNOTATION_HOOKS_STDOUT, ANNOTATION_HOOKS_STDERR};
	ret[0] = ret[1] = -1;
	for (int i = 0; i < 2; i++) {
		const char *path = annotation_get(c->spec, which[i]);
		if (path && (ret[i] = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0700)) < 0) {
			err_sys_(e, "%s=%s", annotation_key(which[i]), path);
			fd_drop(&ret[0]);
			return -1;
		}
	}
	return 0;
}

/* The state's file is shared by all hooks: each reads it from the start. */
static bool take_stdio(int state, const int output[2])
{
	lseek(state, 0, SEEK_SET);
	return dup2(state, 0) == 0 && (output[0] < 0 || dup2(output[0], 1) == 1) && (output[1] < 0 || dup2(output[1], 2) == 2);
}

__attribute__((noreturn)) static void become(const struct spec_hook *h, int state, const int output[2])
{
	char *only[2];
	if (take_stdio(state, output)) {
		fd_close_from(3, NULL, 0);
		execve(h->path, arguments(h, only), environment(h));
	}
	_exit(127);
}

static int wait_for(const struct spec_hook *h, pid_t pid, int pidfd, struct err *e)
{
	int status = 0;
	struct pollfd p = {.fd = pidfd, .events = POLLIN};
	int ready;
	do
		ready = poll(&p, 1, h->timeout.set && h->timeout.v > 0 ? (int)(h->timeout.v > 2000000 ? 2000000000 : h->timeout.v * 1000) : -1);
	while (ready < 0 && errno == EINTR);
	if (ready == 0)
		kill(pid, SIGKILL); /* our child, and not reaped: the number is his */
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (ready == 0)
		return err_set(e, ERR_TIMEOUT, "hook %s: did not end within %lld seconds", h->path, (long long)h->timeout.v);
	if (WIFSIGNALED(status))
		return err_set(e, ERR_SYSTEM, "hook %s: killed by signal %d", h->path, WTERMSIG(status));
	if (WEXITSTATUS(status))
		return err_set(e, ERR_SYSTEM, "hook %s: exit status %d%s", h->path, WEXITSTATUS(status),
			WEXITSTATUS(status) == 127 && access(h->path, X_OK) < 0 ? " (it cannot be executed)" : "");
	return 0;
}

static int run(const struct spec_hook *h, int state, const int output[2], struct err *e)
{
	own(fd) int pidfd = -1;
	pid_t pid = proc_clone(&(struct proc_clone){.cgroup = -1, .pidfd = &pidfd});
	if (pid == 0)
		become(h, state, output);
	return pid < 0 ? err_sys(e, "hook %s", h->path) : wait_for(h, pid, pidfd, e);
}

/* keep_going: the first failure is told, and the others run all the same. */
static int run_all(const struct spec_hook_list *l, const struct container_create *c, const char *status, pid_t pid, bool keep_going, struct err *e)
{
	int output[2], r = 0;
	if (!l->n)
		return 0;
	own(fd) int state = write_state(c, status, pid, e);
	if (state < 0 || hooks_open_output(c, output, e) < 0)
		return err_wrap(e, "hooks");
	for (size_t i = 0; i < l->n && (r == 0 || keep_going); i++) {
		struct err more = {};
		if (run(&l->v[i], state, output, r ? &more : e) < 0)
			r = -1;
	}
	fd_drop(&output[0]);
	fd_drop(&output[1]);
	return r;
}

int hooks_run(const struct spec_hook_list *l, const struct container_create *c, const char *status, pid_t pid, struct err *e)
{
	return run_all(l, c, status, pid, false, e);
}

int hooks_run_poststop(const struct container_create *c, struct err *e)
{
	return run_all(&c->spec->hooks->poststop, c, "stopped", 0, true, e);
}

void start_hooks_drop(struct start_hooks *h)
{
	for (size_t i = 0; h->launchers && i < h->list->n; i++)
		fd_drop(&h->launchers[i]);
	mem_drop(&h->launchers);
	fd_drop(&h->state);
	fd_drop(&h->report[0]);
	fd_drop(&h->report[1]);
}

int hooks_prepare(const struct setup *s, const struct launch_plan *plan, struct start_hooks *ret, struct err *e)
{
	const struct spec_hooks *all = s->create ? s->spec->hooks : NULL;
	const struct spec_hook_list *l = all ? &all->start_container : NULL;
	struct launch_plan p = *plan;
	if (!l || !l->n)
		return 0;
	ret->state = write_state(s->create, "created", getpid(), e);
	if (ret->state < 0 || fd_pipe(ret->report, e) < 0)
		return err_wrap(e, "hooks");
	if (fd_set_nonblock(ret->report[0], true) < 0)
		return err_sys(e, "hooks");
	p.report = ret->report[1];
	ret->label_dir = p.label_dir;
	ret->output = s->hook_output;
	ret->list = l;
	ret->launchers = mem_alloc(l->n * sizeof *ret->launchers);
	memset(ret->launchers, 0xff, l->n * sizeof *ret->launchers);
	for (size_t i = 0; i < l->n; i++) {
		if (snprintf(p.path, sizeof p.path, "%s", l->v[i].path) >= (int)sizeof p.path)
			return err_set(e, ERR_USAGE, "hook %.60s…: the path is too long", l->v[i].path);
		ret->launchers[i] = launcher_make(&p, e);
		if (ret->launchers[i] < 0)
			return err_wrap(e, "hook %s", l->v[i].path);
	}
	return 0;
}

__attribute__((noreturn)) static void become_inside(const struct start_hooks *h, size_t i)
{
	char *only[2];
	const struct spec_hook *hook = &h->list->v[i];
	if (take_stdio(h->state, h->output) && syscall(SYS_close_range, 3u, ~0u, CLOSE_RANGE_CLOEXEC) == 0 && fd_set_cloexec(h->report[1], false) == 0 &&
		(h->label_dir < 0 || fd_set_cloexec(h->label_dir, false) == 0))
		syscall(SYS_execveat, h->launchers[i], "", arguments(hook, only), environment(hook), AT_EMPTY_PATH);
	_exit(127);
}

int hooks_run_prepared(const struct start_hooks *h, struct err *e)
{
	for (size_t i = 0; h->list && i < h->list->n; i++) {
		own(fd) int pidfd = -1;
		struct launch_failure why;
		/* clone3 is what filters answer with ENOSYS. */
		pid_t pid = proc_clone_plain(&pidfd);
		if (pid == 0)
			become_inside(h, i);
		if (pid < 0)
			return err_sys(e, "hook %s", h->list->v[i].path);
		if (wait_for(&h->list->v[i], pid, pidfd, e) == 0)
			continue;
		if (read(h->report[0], &why, sizeof why) >= (ssize_t)sizeof why.failure) {
			errno = why.failure & ~LAUNCH_OF_LABEL;
			return err_sys(e, "hook %s%s", h->list->v[i].path, why.failure & LAUNCH_OF_LABEL ? ": security label" : "");
		}
		return -1;
	}
	return 0;
}
