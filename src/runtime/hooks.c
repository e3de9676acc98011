/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hooks: programs that run at points of a container's life (config.md, "POSIX-platform Hooks"), with the container's state
 * as JSON on their standard input. The first that fails ends it; its time is limited when it says so.
 */
#include "runtime/setup.h"

#include "base/fd.h"
#include "sys/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static int write_state(const struct container_create *c, const char *status, pid_t pid, struct err *e)
{
	own(json) struct json *j = json_new_object();
	json_set_str(j, "ociVersion", c->spec->oci_version);
	json_set_str(j, "id", c->id);
	json_set_str(j, "status", status);
	if (pid > 0)
		json_set(j, "pid", json_new_i64(pid));
	json_set_str(j, "bundle", c->bundle ? c->bundle : "/");
	struct json *notes = json_new_object();
	for (size_t i = 0; i < c->spec->annotations.n; i++)
		json_set_str(notes, c->spec->annotations.v[i].key, c->spec->annotations.v[i].value);
	json_set(j, "annotations", notes);
	own(buf) struct buf b = BUF(4 << 20);
	json_format(j, 0, &b);
	own(fd) int fd = memfd_create("state", MFD_CLOEXEC);
	if (buf_check(&b, e) < 0)
		return -1;
	if (fd < 0 || fd_write_all(fd, b.data, b.len) < 0)
		return err_sys(e, "state");
	return take_fd(fd);
}

__attribute__((noreturn)) static void become(const struct spec_hook *h, int state)
{
	char *const none[] = {NULL};
	char *const only[] = {h->path, NULL};
	/* The state's file is shared by all hooks: each reads it from the start. */
	lseek(state, 0, SEEK_SET);
	if (dup2(state, 0) == 0) {
		fd_close_from(3, NULL, 0);
		execve(h->path, h->args.n ? h->args.v : only, h->env.v ? h->env.v : none);
	}
	_exit(127);
}

static int run(const struct spec_hook *h, int state, struct err *e)
{
	own(fd) int pidfd = -1;
	int status = 0;
	pid_t pid = proc_clone(&(struct proc_clone){.cgroup = -1, .pidfd = &pidfd});
	if (pid == 0)
		become(h, state);
	if (pid < 0)
		return err_sys(e, "hook %s", h->path);
	struct pollfd p = {.fd = pidfd, .events = POLLIN};
	int ready;
	do
		ready = poll(&p, 1, h->timeout.set && h->timeout.v > 0 ? (int)(h->timeout.v > 2000000 ? 2000000000 : h->timeout.v * 1000) : -1);
	while (ready < 0 && errno == EINTR);
	if (ready == 0)
		proc_pidfd_signal(pidfd, SIGKILL);
	waitpid(pid, &status, 0);
	if (ready == 0)
		return err_set(e, ERR_TIMEOUT, "hook %s: did not end within %lld seconds", h->path, (long long)h->timeout.v);
	if (WIFSIGNALED(status))
		return err_set(e, ERR_SYSTEM, "hook %s: killed by signal %d", h->path, WTERMSIG(status));
	if (WEXITSTATUS(status))
		return err_set(e, ERR_SYSTEM, "hook %s: exit status %d%s", h->path, WEXITSTATUS(status),
			WEXITSTATUS(status) == 127 && access(h->path, X_OK) < 0 ? " (it cannot be executed)" : "");
	return 0;
}

int hooks_run(const struct spec_hook_list *l, const struct container_create *c, const char *status, pid_t pid, struct err *e)
{
	if (!l->n)
		return 0;
	own(fd) int state = write_state(c, status, pid, e);
	if (state < 0)
		return err_wrap(e, "hooks");
	for (size_t i = 0; i < l->n; i++)
		if (run(&l->v[i], state, e) < 0)
			return -1;
	return 0;
}
