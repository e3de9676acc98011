/* SPDX-License-Identifier: Apache-2.0 */
/*
 * health: docker's rules (moby, daemon/health.go). The first check comes one interval after the start; within the start period the
 * start interval counts, and failures do not. A check that outlives its timeout is killed, with its process group, and has failed. One that was
 * paused on the way (the state tells when the last pause was) and failed has not: its result is thrown away.
 *
 * The command is a child of the monitor: what it prints comes through a pipe, of which the first 4096 bytes are kept. When the command has
 * ended nobody waits for the others that still hold the pipe.
 */
#include "engine/health.h"

#include "engine/events.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "runtime/container.h"
#include "sys/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RESULTS = 5, OUTPUT_MAX = 4096, RETRIES = 3, RUN_MAX = 1 << 16 };
static const int64_t SECOND = 1000000000, NEVER = INT64_MAX;

struct result {
	int64_t start_ns, end_ns;
	int status; /* -1: it could not be executed, or took too long */
	size_t len;
	char output[OUTPUT_MAX + 4];
};

struct health {
	struct engine *g;
	struct container_entry *c;
	const struct container *ct;
	int run_dir;
	int64_t interval, timeout, start_period, start_interval, retries;
	int64_t started, next, deadline, began; /* CLOCK_MONOTONIC; NEVER: not now; began: the probe */
	struct ulimit files;             /* the container's */
	struct container_process probe;  /* pidfd -1: none runs */
	int out;
	bool too_long;
	const char *status;
	int64_t streak;
	size_t n; /* results so far; the last is results[(n - 1) % RESULTS] */
	struct result results[RESULTS];
};

bool health_is_checked(const struct container_config *c)
{
	return c->health && c->health->test.n && !str_eq(c->health->test.v[0], "NONE") && c->health->test.n > 1;
}

int health_parse_action(const char *text, enum health_action *ret, struct err *e)
{
	static const char *const words[] = {"none", "kill", "restart", "stop"};
	for (size_t i = 0; i < countof(words); i++)
		if (str_eq(words[i], str_is_empty(text) ? "none" : text)) {
			*ret = (enum health_action)i;
			return 0;
		}
	return err_set(e, ERR_USAGE, "invalid --health-on-failure \"%.60s\": none, kill, restart and stop are known", text);
}

static int64_t or_else(int64_t v, int64_t preset)
{
	return v > 0 ? v : preset;
}

static struct json *result_json(const struct result *r)
{
	char text[NUM_TEXT];
	struct json *j = json_new_object();
	json_set_str(j, "Start", num_format_time(r->start_ns, text));
	json_set_str(j, "End", num_format_time(r->end_ns, text));
	json_set(j, "ExitCode", json_new_i64(r->status));
	json_set(j, "Output", json_new_str_n(r->output, r->len));
	return j;
}

static void write_document(const struct health *h, int dir)
{
	own(json) struct json *j = json_new_object();
	own(buf) struct buf b = {};
	struct err ignored = {};
	struct json *log = json_new_array();
	json_set_str(j, "Status", h->status);
	json_set(j, "FailingStreak", json_new_i64(h->streak));
	for (size_t i = h->n > RESULTS ? h->n - RESULTS : 0; i < h->n; i++)
		json_add(log, result_json(&h->results[i % RESULTS]));
	json_set(j, "Log", log);
	json_format(j, 0, &b);
	(void)!path_write(dir, "health.json", buf_text(&b), b.len, 0600, 0, &ignored);
}

static void set_status(struct health *h, const char *status)
{
	struct err ignored = {};
	h->status = status;
	own(fd) int lock = container_change_state(h->c, &ignored);
	if (lock < 0)
		return;
	h->c->state.health = (char *)(uintptr_t)status;
	(void)!container_save_state(h->c->dir, &h->c->state, false, &ignored);
	event_container(h->g, h->c, str_eq(status, "healthy") ? "health_status: healthy" : "health_status: unhealthy");
}

static void plan(struct health *h)
{
	int64_t now = num_monotonic_ns();
	bool begins = str_eq(h->status, "starting") && h->start_period && now - h->started < h->start_period;
	h->next = now + (begins ? h->start_interval : h->interval);
}

struct health *health_new(struct engine *g, struct container_entry *c, const struct container *ct, int run_dir, const struct rlimit *files)
{
	const struct container_health *from = c->record.config.health;
	if (!health_is_checked(&c->record.config))
		return NULL;
	struct health *h = mem_alloc(sizeof *h);
	*h = (struct health){.g = g, .c = c, .ct = ct, .run_dir = run_dir, .out = -1, .probe = {.pidfd = -1, .console = -1},
		.interval = or_else(from->interval, 30 * SECOND), .timeout = or_else(from->timeout, 30 * SECOND),
		.start_period = from->start_period, .start_interval = or_else(from->start_interval, 5 * SECOND),
		.retries = or_else(from->retries, RETRIES), .started = num_monotonic_ns(), .deadline = NEVER, .status = "starting",
		.files = {(char *)(uintptr_t)"nofile", (int64_t)files->rlim_max, (int64_t)files->rlim_cur}};
	plan(h);
	write_document(h, run_dir);
	return h;
}

void health_drop(struct health **at)
{
	struct health *h = *at;
	if (!h)
		return;
	fd_drop(&h->out);
	fd_drop(&h->probe.pidfd);
	mem_drop(at);
}

static void shell_of(const struct container_config *c, struct strv *ret)
{
	for (size_t i = 0; i < c->shell.n; i++)
		strv_add(ret, c->shell.v[i]);
	if (!ret->n) {
		strv_add(ret, "/bin/sh");
		strv_add(ret, "-c");
	}
}

static int start_probe(struct engine *g, struct container_entry *c, const struct ulimit *files, int out, struct container_process *ret, struct err *e)
{
	const struct container_config *cf = &c->record.config;
	const struct strv *test = &cf->health->test;
	own(strv) struct strv args = {};
	if (str_eq(test->v[0], "CMD-SHELL"))
		shell_of(cf, &args);
	for (size_t i = 1; i < test->n; i++)
		strv_add(&args, test->v[i]);
	struct exec_request r = {.args = args, .files = files};
	return container_begin_in(g, c, &r, (int[]){-1, out, out}, ret, e);
}

static struct result *current(struct health *h)
{
	return &h->results[h->n % RESULTS];
}

/* True: it has just become unhealthy. */
static bool note(struct health *h, int status)
{
	struct result *r = current(h);
	const char *before = h->status, *after = before;
	r->end_ns = num_now_ns();
	r->status = status;
	if (status == 0) {
		h->streak = 0;
		after = "healthy";
	} else if (!str_eq(before, "starting") || num_monotonic_ns() - h->started >= h->start_period) {
		if (++h->streak >= h->retries)
			after = "unhealthy";
	}
	h->n++;
	if (!str_eq(before, after))
		set_status(h, after);
	write_document(h, h->run_dir);
	plan(h);
	return !str_eq(before, after) && str_eq(after, "unhealthy");
}

static void say(struct result *r, const char *text)
{
	r->len = strlen(text) < OUTPUT_MAX ? strlen(text) : OUTPUT_MAX;
	memcpy(r->output, text, r->len);
}

static bool begin(struct health *h)
{
	int p[2];
	struct err why = {};
	struct result *r = current(h);
	h->next = NEVER;
	if (cgroup_is_frozen(&h->ct->cgroup)) {
		plan(h);
		return false;
	}
	*r = (struct result){.start_ns = num_now_ns()};
	h->too_long = false;
	int result = fd_pipe(p, &why);
	if (result == 0) {
		h->out = p[0];
		fcntl(p[0], F_SETFL, O_NONBLOCK);
		result = start_probe(h->g, h->c, &h->files, p[1], &h->probe, &why);
		close(p[1]);
	}
	if (result == 0) {
		h->began = num_monotonic_ns();
		h->deadline = h->began + h->timeout;
		return false;
	}
	fd_drop(&h->out);
	say(r, why.text);
	return note(h, -1);
}

/* What is there; more than is kept is read all the same, so that the command does not stand still, but not for ever. */
static void read_output(struct health *h)
{
	struct result *r = current(h);
	char b[4096];
	for (size_t all = 0; h->out >= 0 && all < RUN_MAX; all += sizeof b) {
		ssize_t n = read(h->out, b, sizeof b);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			fd_drop(&h->out);
			return;
		}
		size_t fits = r->len < OUTPUT_MAX ? OUTPUT_MAX - r->len : 0, more = (size_t)n < fits ? (size_t)n : fits;
		memcpy(r->output + r->len, b, more);
		r->len += more;
		if (more < (size_t)n && r->len == OUTPUT_MAX) {
			memcpy(r->output + r->len, "...", 3);
			r->len += 3;
		}
	}
}

static bool was_paused(struct container_entry *c, int64_t since)
{
	struct err unread = {};
	return container_reload_state(c, &unread) == 0 && c->state.paused_ns >= since;
}

static bool finish(struct health *h)
{
	siginfo_t si = {};
	int r;
	do
		r = waitid(P_PIDFD, (id_t)h->probe.pidfd, &si, WEXITED | WNOHANG);
	while (r < 0 && errno == EINTR);
	if (r == 0 && !si.si_pid)
		return false;
	read_output(h);
	fd_drop(&h->out);
	fd_drop(&h->probe.pidfd);
	h->deadline = NEVER;
	int status = r < 0 || h->too_long ? -1 : si.si_code == CLD_EXITED ? si.si_status : 128 + si.si_status;
	if (status != 0 && was_paused(h->c, h->began)) {
		plan(h);
		return false;
	}
	if (h->too_long) {
		char text[80];
		snprintf(text, sizeof text, "Health check exceeded timeout (%lld ms)", (long long)(h->timeout / 1000000));
		say(current(h), text);
	}
	return note(h, status);
}

/* It is not reaped yet, so the number is its own. */
static void kill_probe(const struct container_process *p)
{
	proc_pidfd_signal(p->pidfd, SIGKILL);
	if (p->pid > 1)
		kill(-p->pid, SIGKILL);
}

size_t health_polls(struct health *h, struct pollfd *ret, size_t room, int *ms)
{
	size_t n = 0;
	int64_t until = h->probe.pidfd < 0 ? h->next : h->deadline, left = until == NEVER ? -1 : until - num_monotonic_ns();
	if (h->probe.pidfd >= 0 && n < room)
		ret[n++] = (struct pollfd){.fd = h->probe.pidfd, .events = POLLIN};
	if (h->out >= 0 && n < room)
		ret[n++] = (struct pollfd){.fd = h->out, .events = POLLIN};
	if (until == NEVER)
		return n;
	int wait = left <= 0 ? 0 : left / 1000000 >= INT_MAX ? INT_MAX : (int)(left / 1000000 + 1);
	if (*ms < 0 || wait < *ms)
		*ms = wait;
	return n;
}

bool health_served(struct health *h)
{
	int64_t now = num_monotonic_ns();
	if (h->probe.pidfd < 0)
		return now >= h->next && begin(h);
	read_output(h);
	if (now >= h->deadline && cgroup_is_frozen(&h->ct->cgroup)) {
		h->deadline = now + h->timeout;
	} else if (now >= h->deadline) {
		h->too_long = true;
		h->deadline = NEVER;
		kill_probe(&h->probe);
	}
	return finish(h);
}

static void end_probe(struct health *h)
{
	siginfo_t si;
	if (h->probe.pidfd < 0)
		return;
	kill_probe(&h->probe);
	while (waitid(P_PIDFD, (id_t)h->probe.pidfd, &si, WEXITED) < 0 && errno == EINTR)
		;
	fd_drop(&h->probe.pidfd);
}

void health_end(struct health *h)
{
	end_probe(h);
	/* docker: what is not checked any more is not healthy. */
	h->status = "unhealthy";
	write_document(h, h->c->dir);
}

const char *health_now(const struct engine *g, const struct container_state *s)
{
	if (str_is_empty(s->health) || container_state_has_monitor(&g->containers, s))
		return s->health;
	return "unhealthy";
}

struct container_health *health_copy(struct arena *a, const struct container_health *from)
{
	struct container_health *h = arena_alloc(a, sizeof *h);
	*h = *from;
	h->test = (struct strv){};
	for (size_t i = 0; i < from->test.n; i++)
		arena_strv_add(a, &h->test, from->test.v[i]);
	return h;
}

static const char word[] = "health";

bool health_is_word(const void *p, size_t n)
{
	return n == sizeof word && memcmp(p, word, sizeof word) == 0;
}

int health_tell(struct engine *g, const struct container_entry *c, struct err *e)
{
	own(fd) int run = containers_run_dir(&g->containers, c->id, false, e);
	own(fd) int sock = run < 0 ? -1 : attach_connect_words(run, e);
	return sock < 0 ? -1 : attach_word(sock, word, sizeof word, -1, e);
}

int health_begin_anew(struct health **h, struct engine *g, struct container_entry *c, const struct container *ct, int run_dir, const struct rlimit *files)
{
	struct err e = {};
	own(container_entry) struct container_entry now = {.dir = -1, .lock = -1};
	if (containers_load(&g->containers, c->id, 0, &now, &e) < 0)
		return e.sys ? e.sys : EIO;
	const struct container_health *asked = now.record.config.health;
	c->record.config.health = asked ? health_copy(&c->arena, asked) : NULL;
	c->record.host.health_on_failure = arena_dup(&c->arena, now.record.host.health_on_failure ? now.record.host.health_on_failure : "");
	if (*h)
		end_probe(*h);
	health_drop(h);
	unlinkat(run_dir, "health.json", 0);
	own(fd) int lock = container_change_state(c, &e);
	if (lock < 0)
		return EIO;
	c->state.health = (char *)(uintptr_t)(health_is_checked(&c->record.config) ? "starting" : NULL);
	if (container_save_state(c->dir, &c->state, false, &e) < 0)
		return EIO;
	*h = health_new(g, c, ct, run_dir, files);
	return 0;
}

struct json *health_document(struct engine *g, struct container_entry *c)
{
	struct err ignored = {};
	struct json *j = NULL;
	own(mem) char *running = mem_printf("%s/health.json", c->id);
	if (!health_is_checked(&c->record.config))
		return NULL;
	if (json_read(g->containers.run, running, 1 << 20, &j, &ignored) == 0 || json_read(c->dir, "health.json", 1 << 20, &j, &ignored) == 0)
		return j;
	return NULL;
}

int health_check_now(struct engine *g, struct container_entry *c, int *ret_status, struct err *e)
{
	struct container_process p = {.pidfd = -1, .console = -1};
	if (!health_is_checked(&c->record.config))
		return err_set(e, ERR_UNSUPPORTED, "container %.200s has no health check", container_label(c));
	if (start_probe(g, c, NULL, 1, &p, e) < 0)
		return -1;
	siginfo_t si = {};
	int64_t began = num_monotonic_ns(), timeout = or_else(c->record.config.health->timeout, 30 * SECOND), left;
	struct pollfd end = {.fd = p.pidfd, .events = POLLIN};
	int r = 0;
	while (r <= 0 && (left = began + timeout - num_monotonic_ns()) > 0)
		if ((r = poll(&end, 1, left / 1000000 >= INT_MAX ? INT_MAX : (int)(left / 1000000 + 1))) < 0 && errno != EINTR)
			break;
	bool too_long = r <= 0;
	if (too_long)
		kill_probe(&p);
	do
		r = waitid(P_PIDFD, (id_t)p.pidfd, &si, WEXITED);
	while (r < 0 && errno == EINTR);
	fd_drop(&p.pidfd);
	*ret_status = r < 0 || too_long || si.si_code != CLD_EXITED || si.si_status != 0;
	if (*ret_status && was_paused(c, began))
		return err_set(e, ERR_CONFLICT, "container %.200s was paused meanwhile", container_label(c));
	if (!too_long)
		return 0;
	return err_set(e, ERR_CONFLICT, "container %.200s: the check took longer than %lld ms", container_label(c), (long long)(timeout / 1000000));
}
