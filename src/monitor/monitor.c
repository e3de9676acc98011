/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   start   setsid, /dev/null as stdio, every fd closed that is not ours; the lock, the socket, the log, the
 *           pipes; container_create, created(), container_start, started(); the report
 *   serve   one poll loop over the first process's pidfd, its streams, the clients
 *   finish  reap; the cgroup with what is left in it removed; the last output to the log; exited(); then the
 *           clients get what they have not taken yet and the exit status; finished()
 *
 * Signals: all but the deadly ones get a handler that does nothing. Ignoring or blocking them would be inherited by
 * the container; a handler is not (clone and exec reset it), and nothing but SIGKILL ends us before our container. SIGTERM stops the
 * container: its signal, and SIGKILL when its time is up. While we serve it comes only where we wait, so that none is missed.
 *
 * Size: a fork shares its parent's memory, but RSS counts it all, so SETTLE_MS after the start (a container that lives
 * shorter does not pay for it) what is not needed any more is given back: free heap (malloc_trim), the part of the stack
 * below us, and all pages of executable and read-only segments; so again after each second in which something happened. The
 * kernel brings code back from the page cache with its neighbours (64 KiB of them, or as many as lie in one large folio)
 * up to the end of the mapping, so the two pages that run last, sleep_small's and that of syscall(), are mappings of their
 * own. What stays is the data that exited() needs and the buffers in use.
 */
#include "monitor/monitor.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "monitor/server.h"
#include "sys/cgroupfs.h"
#include "sys/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SETTLE_MS = 100, AGAIN_MS = 1000, STACK_BELOW = 1 << 20, SMALL_CODE = 256 };

static volatile sig_atomic_t got_term;

static void nothing(int sig)
{
	got_term |= sig == SIGTERM;
}

static void set_signals(void)
{
	struct sigaction quiet = {.sa_handler = nothing, .sa_flags = SA_RESTART}, deadly = {.sa_handler = SIG_DFL};
	sigset_t none;
	for (int sig = 1; sig <= SIGRTMAX; sig++) {
		bool is_deadly = sig == SIGSEGV || sig == SIGBUS || sig == SIGILL || sig == SIGFPE || sig == SIGABRT || sig == SIGTRAP || sig == SIGSYS;
		if (sig != SIGKILL && sig != SIGSTOP)
			sigaction(sig, is_deadly ? &deadly : &quiet, NULL);
	}
	proc_default_libc_signals();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int let_go(const struct monitor *m, struct err *e)
{
	own(mem) int *keep = mem_alloc((countof(m->keep) + 8 + m->nclients + m->nhold) * sizeof *keep);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return err_sys(e, "/dev/null");
	for (int i = 0; i < 3; i++)
		dup2(null, i);
	const int own_fds[] = {m->report, m->run_dir, m->log.dir, m->create.rootfs, m->create.console, m->create.seccomp_cache};
	size_t n = 0;
	for (size_t i = 0; i < countof(own_fds); i++)
		if (own_fds[i] >= 0)
			keep[n++] = own_fds[i];
	for (size_t i = 0; i < m->nkeep && i < countof(m->keep); i++)
		if (m->keep[i] >= 0)
			keep[n++] = m->keep[i];
	for (size_t i = 0; i < m->nclients; i++)
		keep[n++] = m->clients[i].sock;
	for (size_t i = 0; i < m->nhold; i++)
		keep[n++] = m->hold[i];
	cgroupfs_forget();
	fd_close_from(3 + m->create.preserve_fds, keep, n);
	return chdir("/") < 0 ? err_sys(e, "/") : 0;
}

static int begin(struct server *s, const int stdio[3], struct err *e)
{
	struct container_process p;
	s->container = (struct container){.pidfd = -1, .console = -1, .start = -1, .cgroup = {.v2 = -1}};
	if (s->monitor->begin(s->monitor->arg, stdio, &p, e) < 0)
		return -1;
	s->container.pid = p.pid;
	s->container.pidfd = p.pidfd;
	s->container.console = p.console;
	return 0;
}

static int create(struct server *s, struct err *e)
{
	struct monitor *m = s->monitor;
	int child[3] = {-1, -1, -1};
	s->tty = m->create.spec->process->terminal;
	int r = s->tty ? 0 : pump_open(s, child, e);
	memcpy(m->create.stdio, child, sizeof child);
	const int ours[3] = {s->input, s->sources[0].fd, s->sources[1].fd};
	memcpy(m->files, ours, sizeof ours);
	if (r == 0 && m->begin)
		r = begin(s, child, e);
	else if (r == 0)
		r = m->restore ? container_restore(m->restore, &s->container, e) : container_create(&m->create, &s->container, e);
	for (int i = 0; i < 3; i++)
		fd_drop(&child[i]);
	return r;
}

static int start(struct server *s, struct err *e)
{
	struct monitor *m = s->monitor;
	setsid();
	set_signals();
	prctl(PR_SET_NAME, "hull-monitor");
	if (let_go(m, e) < 0 || (s->lock = path_lock(m->run_dir, "lock", true, false, e)) < 0 || clients_listen(s, e) < 0)
		return -1;
	if (log_open(&s->log, &m->log, e) < 0 || create(s, e) < 0)
		return -1;
	s->created = true;
	if (!m->keeps_unit)
		cgroup_leave_unit();
	for (size_t i = 0; i < m->nclients; i++)
		clients_add(s, m->clients[i].sock, true, m->clients[i].streams);
	if (s->tty && pump_open_console(s, e) < 0)
		return -1;
	if (s->tty)
		clients_greet(s);
	/* What was restored or begun runs already. */
	if (!m->restore && !m->begin && ((m->created && m->created(m->arg, &s->container, e) < 0) || container_start(&s->container, e) < 0))
		return -1;
	fd_drop(&m->create.rootfs);
	while (m->create.preserve_fds && !m->keeps_preserved)
		close(3 + --m->create.preserve_fds);
	if (m->started)
		m->started(m->arg, &s->container, num_now_ns());
	return 0;
}

static int reap(struct server *s, siginfo_t *ret)
{
	int r;
	do
		r = waitid(P_PIDFD, (id_t)s->container.pidfd, ret, WEXITED);
	while (r < 0 && errno == EINTR);
	return r;
}

static void undo(struct server *s)
{
	siginfo_t info;
	struct err ignored = {};
	if (s->created) {
		proc_pidfd_signal(s->container.pidfd, SIGKILL);
		reap(s, &info);
		if (!s->monitor->begin)
			(void)!container_remove(&s->container, &ignored);
		container_drop(&s->container);
	}
	log_drop(&s->log);
	clients_drop(s);
	pump_drop(s);
}

static void report(struct monitor *m, struct err *e)
{
	fd_write_all(m->report, e, sizeof *e);
	fd_drop(&m->report);
}

/* The executable and read-only segments of everything that is loaded. They hold nothing of their own: relocations are
 * in the writable ones. */
static int note_code(struct dl_phdr_info *o, size_t size, void *arg)
{
	(void)size;
	struct server *s = arg;
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	for (int i = 0; i < o->dlpi_phnum && s->ncode < countof(s->code); i++) {
		const ElfW(Phdr) *h = &o->dlpi_phdr[i];
		uintptr_t from = (o->dlpi_addr + h->p_vaddr) & ~(page - 1), to = (o->dlpi_addr + h->p_vaddr + h->p_memsz + page - 1) & ~(page - 1);
		if (h->p_type == PT_LOAD && !(h->p_flags & PF_W))
			s->code[s->ncode++] = (struct iovec){(void *)from, to - from};
	}
	return 0;
}

/* The whole pages of a buffer that holds nothing. */
static void empty(void *buf, size_t n)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from = ((uintptr_t)buf + page - 1) & ~(page - 1), to = ((uintptr_t)buf + n) & ~(page - 1);
	if (from < to)
		madvise((void *)from, to - from, MADV_DONTNEED);
}

/* Gives the code back, its own too, and waits. It calls nothing but syscall(), and not through the linkage table, which is another page. */
__attribute__((noinline, aligned(SMALL_CODE))) static long sleep_small(const struct server *s, const struct timespec *t, const sigset_t *mask)
{
	long (*volatile call)(long, ...) = syscall;
	for (size_t i = 0; i < s->ncode; i++)
		call(SYS_madvise, s->code[i].iov_base, s->code[i].iov_len, MADV_DONTNEED);
	return call(SYS_ppoll, s->polls, s->npolls, t, mask, _NSIG / 8);
}

/* What is read at random is a mapping of its own, because its neighbours are not. */
static void stand_alone(uintptr_t code)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from = code & ~(page - 1), to = (code + SMALL_CODE + page - 1) & ~(page - 1);
	madvise((void *)from, to - from, MADV_RANDOM);
}

static void become_small(struct server *s)
{
	for (int i = 0; i < 2; i++)
		if (!s->sources[i].len)
			empty(s->chunks[i], CHUNK);
	if (s->input_at == s->input_len)
		empty(s->input_buf, CHUNK);
	if (!s->log.len && s->log.batch)
		empty(s->log.batch, s->log.room);
	malloc_trim(0);
	if (!s->ncode) {
		uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), top = ((uintptr_t)__builtin_frame_address(0) & ~(page - 1)) - 2 * page;
		madvise((void *)(top - STACK_BELOW), STACK_BELOW, MADV_DONTNEED);
		dl_iterate_phdr(note_code, s);
		stand_alone((uintptr_t)sleep_small);
		stand_alone((uintptr_t)syscall);
	}
	s->sleeps = true;
}

/* After SIGTERM. kill_at: when its time is up; 0: it was not asked yet, INT64_MAX: nothing more to do. Shortens *ms. */
static void stop_container(struct server *s, int64_t *kill_at, int *ms)
{
	struct err ignored = {};
	int64_t now = num_monotonic_ns();
	if (!*kill_at) {
		*kill_at = s->monitor->stop_seconds < 0 ? INT64_MAX : now + s->monitor->stop_seconds * 1000000000LL;
		if (!s->monitor->begin && cgroup_is_frozen(&s->container.cgroup))
			(void)!cgroup_freeze(&s->container.cgroup, false, &ignored);
		proc_pidfd_signal(s->container.pidfd, s->monitor->stop_signal);
	}
	if (now >= *kill_at) {
		proc_pidfd_signal(s->container.pidfd, SIGKILL);
		*kill_at = INT64_MAX;
	}
	int64_t left = (*kill_at - now) / 1000000 + 1;
	if (*kill_at != INT64_MAX && (*ms < 0 || *ms > left))
		*ms = (int)left;
}

static int wait_for_any(struct server *s, int ms, const sigset_t *mask)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L}, *until = ms < 0 ? NULL : &t;
	bool sleeps = s->sleeps;
	s->sleeps = false;
	return sleeps ? (int)sleep_small(s, until, mask) : ppoll(s->polls, s->npolls, until, mask);
}

static size_t guest_polls(struct server *s, struct pollfd *at, int *ms)
{
	int other = -1;
	if (!s->monitor->polls)
		return 0;
	size_t n = s->monitor->polls(s->monitor->arg, at, countof(s->polls) - s->npolls, &other);
	s->npolls += n;
	if (other >= 0 && (*ms < 0 || other < *ms))
		*ms = other;
	return n;
}

static void serve(struct server *s, const sigset_t *mask)
{
	int64_t settle = num_monotonic_ns() + SETTLE_MS * 1000000LL, kill_at = 0;
	for (;;) {
		s->npolls = 0;
		struct pollfd *end = server_poll(s, s->container.pidfd, POLLIN);
		pump_polls(s);
		clients_polls(s);
		int ms = clients_timeout(s);
		if (settle && (ms < 0 || ms > SETTLE_MS))
			ms = SETTLE_MS;
		if (got_term || s->monitor->stop_now)
			stop_container(s, &kill_at, &ms);
		struct pollfd *others = &s->polls[s->npolls];
		size_t nothers = guest_polls(s, others, &ms);
		int n = wait_for_any(s, ms, mask);
		if (settle && (n == 0 || num_monotonic_ns() > settle)) {
			become_small(s);
			settle = 0;
		}
		log_reap(&s->log);
		if (n < 0)
			continue;
		/* Also when nothing happened: a client may have held the program up for too long. */
		pump_serve(s);
		clients_serve(s);
		if (s->monitor->served)
			s->monitor->served(s->monitor->arg, others, nothers);
		if (end->revents)
			return;
		if (!settle && n > 0)
			settle = num_monotonic_ns() + AGAIN_MS * 1000000LL;
	}
}

/* What clients have not taken yet, and the exit status. */
static void see_off(struct server *s)
{
	s->ended = true;
	clients_accept(s);
	fd_drop(&s->listener);
	clients_send(s);
	while (!clients_have_all(s)) {
		s->npolls = 0;
		clients_polls(s);
		if (poll(s->polls, s->npolls, clients_timeout(s)) >= 0)
			clients_serve(s);
	}
}

static void finish(struct server *s)
{
	struct monitor *m = s->monitor;
	siginfo_t info = {};
	struct err ignored = {};
	struct monitor_exit x = {.status = 255};
	if (reap(s, &info) == 0) {
		x.signal = info.si_code == CLD_EXITED ? 0 : info.si_status;
		x.status = x.signal ? 128 + x.signal : info.si_status;
	}
	x.stopped = got_term || m->is_final;
	x.finished_ns = num_now_ns();
	/* docker's rule: any process of the container counts, not the first alone. */
	if (!m->begin) {
		x.oom_killed = cgroup_oom_kills(&s->container.cgroup) > 0;
		(void)!container_remove(&s->container, &ignored);
	}
	pump_take_rest(s);
	log_close(&s->log, num_now_ns());
	s->status = x.status;
	if (m->exited)
		m->exited(m->arg, &x);
	see_off(s);
	if (m->finished)
		m->finished(m->arg);
	container_drop(&s->container);
}

int monitor_main(struct monitor *m)
{
	struct err e = {};
	struct server *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (s == MAP_FAILED) {
		err_sys(&e, "monitor");
		report(m, &e);
		return 1;
	}
	s->monitor = m;
	s->listener = s->lock = s->input = s->slave = s->log.fd = -1;
	for (int i = 0; i < 2; i++)
		s->sources[i] = (struct source){.fd = -1, .chunk = s->chunks[i]};
	if (start(s, &e) < 0) {
		undo(s);
		report(m, &e);
		return 1;
	}
	/* Anew: an error that was got over on the way is none. */
	e = (struct err){.kind = ERR_NONE};
	snprintf(e.text, sizeof e.text, "%s", s->container.warning);
	report(m, &e);
	sigset_t term, before;
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, &before);
	serve(s, &before);
	sigprocmask(SIG_SETMASK, &before, NULL);
	finish(s);
	return 0;
}
