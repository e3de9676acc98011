/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec: one more process in a running container. It is a child of the command that asked for it: without a terminal our own
 * stdio is the process's and nothing is copied; with one we copy between our stdio and the pty. There is no monitor: when we
 * are killed the process runs on, as a child of the machine's init.
 *
 * A detached one is started by a fork of ours, which goes at once, or, when the process has a terminal, stays to read what
 * it writes until it ends.
 */
#include "engine/container.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "engine/events.h"
#include "engine/spec.h"
#include "runtime/container.h"
#include "sys/tty.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BLOCK = 16384 };

struct exec {
	struct arena arena;
	struct spec spec;
	struct userns_maps maps;
	struct cgroup cgroup;
	struct container_process process;
	int root, seccomp_cache, signals;
	const struct exec_request *request;
};

static void exec_drop(struct exec *x)
{
	arena_drop(&x->arena);
	userns_maps_drop(&x->maps);
	cgroup_drop(&x->cgroup);
	fd_drop(&x->root);
	fd_drop(&x->seccomp_cache);
	fd_drop(&x->signals);
	fd_drop(&x->process.pidfd);
	fd_drop(&x->process.console);
}

static int open_root(struct engine *g, struct container_entry *c, struct err *e)
{
	char path[48];
	snprintf(path, sizeof path, "/proc/%lld/root", (long long)c->state.pid);
	own(fd) int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	/* Still the same process after the open: then the root was its own. */
	if (root < 0 || !container_state_is_alive(&g->containers, &c->state))
		return err_set(e, ERR_CONFLICT, "container %.200s is not running", container_label(c));
	return take_fd(root);
}

static void set_files(struct host_config *h, const struct ulimit *files, struct arena *a)
{
	__typeof__(h->ulimits) with = {};
	for (size_t i = 0; i < h->ulimits.n; i++) {
		if (str_eq(h->ulimits.v[i].name, files->name))
			return;
		*arena_push(a, &with) = h->ulimits.v[i];
	}
	*arena_push(a, &with) = *files;
	h->ulimits = with;
}

/* The container's own configuration with what was asked for in its place. */
static int build(struct engine *g, struct container_entry *c, const struct exec_request *r, struct exec *x, struct err *e)
{
	struct container_entry with = *c;
	struct container_config *cf = &with.record.config;
	struct arena *a = &x->arena;
	own(strv) struct strv env = {};
	for (size_t i = 0; i < cf->env.n; i++)
		strv_add(&env, cf->env.v[i]);
	for (size_t i = 0; i < r->env.n; i++)
		strv_env_set(&env, r->env.v[i]);
	cf->env = env;
	cf->tty = r->tty;
	if (!str_is_empty(r->user))
		cf->user = (char *)(uintptr_t)r->user;
	if (!str_is_empty(r->workdir))
		cf->working_dir = (char *)(uintptr_t)r->workdir;
	with.record.path = r->args.v[0];
	with.record.args = (struct strv){r->args.v + 1, r->args.n - 1};
	if (r->privileged) {
		with.record.host.privileged = true;
		with.record.host.cap_drop = with.record.host.security_opt = (struct strv){};
	}
	if (r->files)
		set_files(&with.record.host, r->files, a);
	struct spec_build b = {.g = g, .c = &with, .arena = a, .root = x->root, .maps = &x->maps, .spec = &x->spec};
	if (spec_build_exec(&b, e) < 0)
		return -1;
	if (r->rows && r->cols) {
		x->spec.process->console = arena_alloc(a, sizeof *x->spec.process->console);
		*x->spec.process->console = (struct spec_console){.height = r->rows, .width = r->cols};
	}
	return 0;
}

static int prepare(struct engine *g, struct container_entry *c, const struct exec_request *r, struct exec *x, struct err *e)
{
	if (!r->args.n)
		return err_set(e, ERR_USAGE, "no command specified");
	if (!str_is_empty(r->workdir) && r->workdir[0] != '/')
		return err_set(e, ERR_USAGE, "invalid working directory \"%s\": it must be absolute", r->workdir);
	const char *status = container_status(g, c);
	if (str_eq(status, "paused"))
		return err_set(e, ERR_CONFLICT, "container %.200s is paused: unpause it first", container_label(c));
	if (str_eq(status, "restarting"))
		return err_set(e, ERR_CONFLICT, "container %.200s is restarting: wait until it runs", container_label(c));
	if (!str_eq(status, "running"))
		return err_set(e, ERR_CONFLICT, "container %.200s is not running", container_label(c));
	x->root = open_root(g, c, e);
	if (x->root < 0 || userns_parse(&c->record, &x->maps, e) < 0 || build(g, c, r, x, e) < 0)
		return -1;
	if (!str_is_empty(c->state.cgroup) && cgroup_open(c->state.cgroup, &x->cgroup, e) < 0)
		return e->kind == ERR_NOT_FOUND ? err_set(e, ERR_CONFLICT, "container %.12s is not running any more", c->id) : -1;
	x->seccomp_cache = engine_seccomp_cache(g, &x->spec);
	return 0;
}

static int launch(struct container_entry *c, struct exec *x, const int stdio[3], struct err *e)
{
	struct container_exec how = {.id = c->id, .pid = (pid_t)c->state.pid, .start_time = c->state.start_time, .process = x->spec.process,
		.spec = &x->spec, .cgroup = str_is_empty(c->state.cgroup) ? NULL : &x->cgroup,
		.stdio = {stdio[0], stdio[1], stdio[2]}, .preserve_fds = x->request->preserve_fds,
		.seccomp_cache = x->seccomp_cache};
	return container_exec(&how, &x->process, e);
}

static int block_signals(struct exec *x, sigset_t *before, struct err *e)
{
	static const int forwarded[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGPIPE, SIGALRM};
	sigset_t set;
	sigemptyset(&set);
	for (size_t i = 0; i < countof(forwarded); i++)
		sigaddset(&set, forwarded[i]);
	sigprocmask(SIG_BLOCK, &set, before);
	x->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return x->signals < 0 ? err_sys(e, "signals") : 0;
}

/* A signal of the terminal's (^C) reached the process too: it is in our group. */
static void forward_signal(struct exec *x)
{
	struct signalfd_siginfo si;
	if (read(x->signals, &si, sizeof si) != sizeof si)
		return;
	unsigned short rows, cols;
	if (si.ssi_signo == SIGWINCH) {
		if (x->process.console >= 0 && tty_get_size(0, &rows, &cols))
			tty_set_size(x->process.console, rows, cols);
	} else if (si.ssi_signo != SIGPIPE && si.ssi_code != SI_KERNEL) {
		syscall(SYS_pidfd_send_signal, x->process.pidfd, (int)si.ssi_signo, NULL, 0);
	}
}

static int reap(struct exec *x, int *ret_status, struct err *e)
{
	siginfo_t si = {};
	while (waitid(P_PIDFD, (id_t)x->process.pidfd, &si, WEXITED) < 0)
		if (errno != EINTR)
			return err_sys(e, "wait for the process");
	*ret_status = si.si_code == CLD_EXITED ? si.si_status : 128 + si.si_status;
	return 0;
}

struct pump {
	unsigned char in[4096], keys[16];
	size_t in_len, nkeys, matched;
	bool in_open, out_open, detached, raw, hung_up;
};

/* Keys that begin the detach sequence are held back until it is clear what they are. */
static void take_input(struct pump *p, const unsigned char *b, size_t n)
{
	for (size_t i = 0; i < n && !p->detached; i++) {
		if (p->nkeys && b[i] == p->keys[p->matched]) {
			p->detached = ++p->matched == p->nkeys;
			continue;
		}
		memcpy(p->in + p->in_len, p->keys, p->matched);
		p->in_len += p->matched;
		p->matched = p->nkeys && b[i] == p->keys[0];
		p->detached = p->matched && p->matched == p->nkeys;
		if (!p->matched)
			p->in[p->in_len++] = b[i];
	}
}

static void read_input(struct pump *p)
{
	unsigned char b[sizeof p->in - 16];
	ssize_t n = read(0, b, sizeof b / 2);
	if (n > 0) {
		take_input(p, b, (size_t)n);
	} else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
		/* A terminal in raw mode has no end but that it was hung up: so is the process's when we go. */
		p->in_open = false;
		p->hung_up = p->raw;
	}
}

static void write_input(struct pump *p, int master)
{
	ssize_t n = write(master, p->in, p->in_len);
	if (n > 0) {
		p->in_len -= (size_t)n;
		memmove(p->in, p->in + n, p->in_len);
	} else if (n < 0 && errno != EAGAIN && errno != EINTR) {
		p->in_len = 0;
		p->in_open = false;
	}
}

/* false: nothing more comes. to -1: read and forgotten. */
static bool copy_output(int master, int to)
{
	char b[BLOCK];
	ssize_t n = read(master, b, sizeof b);
	if (n > 0 && to >= 0 && fd_write_all(to, b, (size_t)n) < 0)
		return false;
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static void drain(int master, int to)
{
	struct pollfd p = {.fd = master, .events = POLLIN};
	while (poll(&p, 1, 0) > 0 && p.revents & POLLIN && copy_output(master, to))
		;
}

static int pump_terminal(struct exec *x, struct pump *p, struct err *e)
{
	int master = x->process.console;
	unsigned short rows, cols;
	if (tty_get_size(0, &rows, &cols))
		tty_set_size(master, rows, cols);
	fd_set_nonblock(master, true);
	for (;;) {
		struct pollfd f[4] = {{.fd = x->process.pidfd, .events = POLLIN}, {.fd = x->signals, .events = POLLIN},
			{.fd = p->out_open ? master : -1, .events = (short)(POLLIN | (p->in_len ? POLLOUT : 0))},
			{.fd = p->in_open && p->in_len == 0 ? 0 : -1, .events = POLLIN}};
		if (poll(f, countof(f), -1) < 0) {
			if (errno != EINTR)
				return err_sys(e, "poll");
			continue;
		}
		if (f[1].revents)
			forward_signal(x);
		if (f[3].revents)
			read_input(p);
		if (p->detached || p->hung_up)
			return 0;
		if (f[2].revents & POLLOUT)
			write_input(p, master);
		if (f[2].revents & (POLLIN | POLLHUP | POLLERR))
			p->out_open = copy_output(master, 1);
		if (f[0].revents) {
			drain(master, 1);
			return 0;
		}
	}
}

static int wait_plain(struct exec *x, struct err *e)
{
	for (;;) {
		struct pollfd f[2] = {{.fd = x->process.pidfd, .events = POLLIN}, {.fd = x->signals, .events = POLLIN}};
		if (poll(f, countof(f), -1) < 0 && errno != EINTR)
			return err_sys(e, "poll");
		if (f[1].revents)
			forward_signal(x);
		if (f[0].revents)
			return 0;
	}
}

static int run_attached(struct container_entry *c, struct exec *x, int *ret_status, struct err *e)
{
	const struct exec_request *r = x->request;
	const char *keys = r->detach_keys ? r->detach_keys : c->record.host.detach_keys ? c->record.host.detach_keys : "ctrl-p,ctrl-q";
	struct pump p = {.in_open = r->interactive, .out_open = true};
	struct tty_mode mode = {.fd = -1};
	int stdio[3] = {r->interactive ? 0 : -1, 1, 2};
	if (attach_parse_keys(keys, p.keys, &p.nkeys, e) < 0 || launch(c, x, stdio, e) < 0)
		return -1;
	int result;
	if (r->tty) {
		result = isatty(0) && r->interactive ? tty_raw(0, &mode, e) : 0;
		p.raw = mode.changed;
		result = result < 0 ? -1 : pump_terminal(x, &p, e);
		tty_restore(&mode);
	} else {
		result = wait_plain(x, e);
	}
	*ret_status = p.hung_up ? 128 + SIGHUP : 0;
	return result < 0 || p.detached || p.hung_up ? result : reap(x, ret_status, e);
}

/* In the fork: starts it, tells how that went, and stays as long as the process has a terminal of ours. */
static void detached_child(struct container_entry *c, struct exec *x, int report)
{
	static const int none[3] = {-1, -1, -1};
	struct err why = {};
	setsid();
	if (launch(c, x, none, &why) == 0)
		why.kind = ERR_NONE;
	(void)!fd_write_all(report, &why, sizeof why);
	if (why.kind != ERR_NONE || !x->request->tty)
		_exit(0);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int i = 0; i < 3 && null >= 0; i++)
		dup2(null, i);
	fd_close_from(3, (int[]){x->process.console}, 1);
	while (copy_output(x->process.console, -1))
		;
	_exit(0);
}

static int run_detached(struct container_entry *c, struct exec *x, struct err *e)
{
	int report[2];
	if (fd_pipe(report, e) < 0)
		return -1;
	pid_t pid = fork();
	if (pid == 0)
		detached_child(c, x, report[1]);
	int saved = errno;
	close(report[1]);
	struct err why = {.kind = ERR_BUG, .text = "exec: the process that starts it died"};
	bool told = pid > 0 && fd_read_full(report[0], &why, sizeof why) == sizeof why;
	close(report[0]);
	errno = saved;
	if (pid < 0)
		return err_sys(e, "fork");
	if (told && why.kind == ERR_NONE)
		return 0;
	*e = why;
	return -1;
}

int container_begin_in(struct engine *g, struct container_entry *c, const struct exec_request *r, const int stdio[3], struct container_process *ret,
	struct err *e)
{
	struct exec x __attribute__((cleanup(exec_drop))) = {.root = -1, .seccomp_cache = -1, .signals = -1, .request = r,
		.cgroup = {.v2 = -1}, .process = {.pidfd = -1, .console = -1}};
	if (prepare(g, c, r, &x, e) < 0 || launch(c, &x, stdio, e) < 0)
		return -1;
	*ret = x.process;
	x.process = (struct container_process){.pidfd = -1, .console = -1};
	return 0;
}

int container_run_in(struct engine *g, struct container_entry *c, const struct exec_request *r, int *ret_status, struct err *e)
{
	struct exec x __attribute__((cleanup(exec_drop))) = {.root = -1, .seccomp_cache = -1, .signals = -1, .request = r,
		.cgroup = {.v2 = -1}, .process = {.pidfd = -1, .console = -1}};
	char id[ID_LEN + 1];
	if (prepare(g, c, r, &x, e) < 0)
		return -1;
	num_random_id(id);
	event_exec(g, c, "exec_create", &r->args, id);
	event_exec(g, c, "exec_start", &r->args, id);
	if (r->detach) {
		*ret_status = 0;
		return run_detached(c, &x, e);
	}
	sigset_t before;
	int result = block_signals(&x, &before, e);
	if (result == 0)
		result = run_attached(c, &x, ret_status, e);
	sigprocmask(SIG_SETMASK, &before, NULL);
	event_exec_end(g, c, id, result == 0 ? *ret_status : e->kind == ERR_NOCMD ? 127 : 126);
	return result;
}
