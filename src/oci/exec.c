/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec: one more process in a running container. Without --detach the runtime stays until it has ended, with its signals and its
 * terminal (foreground.h).
 *
 * Exit status: the process's; 127 and 126 when the command is not there or cannot be executed, 255 for everything else.
 */
#include "oci/exec.h"

#include "base/fd.h"
#include "oci/bundle.h"
#include "oci/foreground.h"
#include "oci/verbs.h"
#include "sys/proc.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define O struct oci_exec_options
static const struct opt options[] = {
	{"additional-gids", 'g', OPT_STRV, offset_of(O, groups), "GID", "One more supplementary group"},
	{"apparmor", 0, OPT_STR, offset_of(O, apparmor), "PROFILE", "AppArmor profile"},
	{"cap", 'c', OPT_STRV, offset_of(O, caps), "CAP_NAME", "One more capability"},
	{"cgroup", 0, OPT_STRV, offset_of(O, cgroups), "[CONTROLLER:]PATH", "An existing control group below the container's"},
	{"console-socket", 0, OPT_STR, offset_of(O, console_socket), "SOCKET", "Gets the terminal's master", 0, "@file"},
	{"cwd", 0, OPT_STR, offset_of(O, cwd), "DIR", "Working directory"},
	{"detach", 'd', OPT_BOOL, offset_of(O, detach), NULL, "Return when it runs"},
	{"env", 'e', OPT_STRV, offset_of(O, env), "NAME=VALUE", "Set an environment variable"},
	{"ignore-paused", 0, OPT_BOOL, offset_of(O, ignore_paused), NULL, "In a paused container: wait until it is resumed"},
	{"no-new-privs", 0, OPT_BOOL, offset_of(O, no_new_privs), NULL, "No new privileges by execve (no_new_privs)"},
	{"pid-file", 0, OPT_STR, offset_of(O, pid_file), "FILE", "Gets the process's number", 0, "@file"},
	{"pidfd-socket", 0, OPT_STR, offset_of(O, pidfd_socket), "SOCKET", "Gets a pidfd of the process", 0, "@file"},
	{"preserve-fds", 0, OPT_U64, offset_of(O, preserve_fds), "N", "File descriptors past the standard three that it gets"},
	{"process", 'p', OPT_STR, offset_of(O, process), "FILE", "All of the process, as config.json has it; then other words are not looked at", 0,
		"@file"},
	{"process-label", 0, OPT_STR, offset_of(O, label), "LABEL", "SELinux label"},
	{"tty", 't', OPT_BOOL, offset_of(O, tty), NULL, "Give it a terminal"},
	{"user", 'u', OPT_STR, offset_of(O, user), "UID[:GID]", "User and group, as numbers"},
};
#undef O

struct execution {
	const struct oci_exec_options *options;
	struct oci_container c;
	struct cgroup cgroup;
	struct cgroup_place place;
	struct spec_process process;
	struct container_process running;
	int console, seccomp_cache;
};

static void execution_drop(struct execution *x)
{
	cgroup_drop(&x->cgroup);
	cgroup_place_drop(&x->place);
	fd_drop(&x->running.pidfd);
	fd_drop(&x->running.console);
	fd_drop(&x->console);
	fd_drop(&x->seccomp_cache);
	oci_container_drop(&x->c);
}

/* Why there is no exec now. The runtime itself looks whether the container lives and is not paused, when nothing can come between any
 * more; what it found is said in the verb's words. */
static int refuse(const struct execution *x, struct err *e)
{
	enum oci_status s = oci_container_status(&x->c);
	if (s == OCI_PAUSED && !x->options->ignore_paused)
		return err_set(e, ERR_CONFLICT, "cannot exec in a paused container (use --ignore-paused to override): %s", x->c.state.id);
	if (s == OCI_STOPPED || s == OCI_CREATING)
		return err_set(e, ERR_CONFLICT, "cannot exec in a container that is %s: container %s is not running", oci_status_name(s), x->c.state.id);
	return -1;
}

static int open_console(struct execution *x, struct err *e)
{
	const struct oci_exec_options *o = x->options;
	if (!x->process.terminal && o->console_socket)
		return err_set(e, ERR_USAGE, "--console-socket: the process asks for no terminal (--tty)");
	if (x->process.terminal && o->detach && !o->console_socket)
		return err_set(e, ERR_USAGE, "a terminal needs --console-socket when the process is left alone (--detach)");
	if (!o->console_socket) {
		foreground_size(&x->c.arena, &x->process);
		return 0;
	}
	x->console = oci_connect(o->console_socket, "--console-socket", e);
	return x->console < 0 ? -1 : 0;
}

static int prepare(struct execution *x, const char *id, char **command, struct err *e)
{
	struct oci_container *c = &x->c;
	if (oci_container_open(id, 0, c, e) < 0)
		return -1;
	if (!c->state.pid)
		return refuse(x, e);
	if (oci_load_spec(c, e) < 0)
		return -1;
	if (oci_exec_process(c, x->options, command, &x->process, e) < 0 || open_console(x, e) < 0 || oci_open_cgroup(c, &x->cgroup, e) < 0)
		return -1;
	if (x->options->cgroups.n && cgroup_place_open(&x->cgroup, &x->options->cgroups, &x->place, e) < 0)
		return -1;
	x->seccomp_cache = oci_seccomp_cache(c);
	oci_drop_config(c);
	return 0;
}

static int publish(struct execution *x, struct err *e)
{
	const struct oci_exec_options *o = x->options;
	if (oci_write_pid_file(o->pid_file, x->running.pid, e) < 0 || oci_send_pidfd(o->pidfd_socket, "--pidfd-socket", x->running.pidfd, e) < 0)
		return -1;
	if (x->console < 0)
		return 0;
	int r = oci_send_console(x->console, x->running.console, e);
	fd_drop(&x->running.console);
	return r;
}

static int launch(struct execution *x, struct err *e)
{
	int preserve = 0;
	if (oci_preserve_fds(&x->options->preserve_fds, &x->c.arena, NULL, &preserve, e) < 0)
		return -1;
	const struct oci_state *s = &x->c.state;
	struct container_exec how = {.id = s->id, .bundle = s->bundle, .pid = (pid_t)s->pid, .start_time = s->start_time, .process = &x->process,
		.spec = &x->c.spec, .cgroup = x->cgroup.rows ? &x->cgroup : NULL, .place = x->options->cgroups.n ? &x->place : NULL,
		.ignore_paused = x->options->ignore_paused, .stdio = {0, 1, 2}, .preserve_fds = preserve, .seccomp_cache = x->seccomp_cache};
	if (container_exec(&how, &x->running, e) < 0)
		return e->kind == ERR_CONFLICT ? refuse(x, e) : -1;
	if (publish(x, e) == 0)
		return 0;
	proc_pidfd_signal(x->running.pidfd, SIGKILL);
	while (waitpid(x->running.pid, NULL, 0) < 0 && errno == EINTR)
		;
	return -1;
}

static int exec_verb(void *opts, int argc, char **argv, struct err *e)
{
	const struct oci_exec_options *o = opts;
	struct execution x __attribute__((cleanup(execution_drop))) = {.options = o, .c = OCI_CONTAINER_EMPTY, .cgroup = {.v2 = -1},
		.place = CGROUP_PLACE_EMPTY, .running = {.pidfd = -1, .console = -1}, .console = -1, .seccomp_cache = -1};
	own(foreground) struct foreground f = FOREGROUND_EMPTY;
	if (argc < 2 && !o->process)
		return err_set_(e, ERR_USAGE, "exec needs a command, or --process: exec [OPTIONS] ID COMMAND [ARG...]"), 255;
	if (prepare(&x, argv[0], argv + 1, e) < 0)
		return 255;
	/* Who waits for a container to be resumed can be interrupted. */
	bool early = !o->detach && !o->ignore_paused;
	if ((early && foreground_begin(&f, false, e) < 0) || launch(&x, e) < 0)
		return oci_command_status(e, 255);
	if (o->detach)
		return 0;
	if (!early && foreground_begin(&f, false, e) < 0)
		return 255;
	int status = foreground_follow(&f, x.running.pid, x.running.pidfd, take_fd(x.running.console), e);
	return status < 0 ? 255 : (*e = (struct err){}, status);
}

const struct cmd oci_exec_verb = {"exec", "ID [COMMAND [ARG...]]", "Run one more process in a running container", options, countof(options),
	sizeof(struct oci_exec_options), 1, -1, exec_verb, .flags = CMD_STRICT, .complete = "@id"};
