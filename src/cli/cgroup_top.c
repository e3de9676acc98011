/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_top: `cgroup top`, as systemd-cgtop: control groups by what they use. On a terminal it fills the screen, and keys sort;
 * the terminal is in raw mode, so that ^C is a key too and everything is put back on the way out.
 *
 * Numbers since the moment before need two moments: the first table has none of them, as with systemd-cgtop.
 */
#include "runtime/cgroup_top.h"

#include "base/fd.h"
#include "base/num.h"
#include "cli/commands.h"
#include "cli/tools.h"
#include "engine/container.h"
#include "engine/owners.h"
#include "runtime/cgroup_named.h"
#include "sys/tty.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct top_options {
	bool by_path, by_tasks, by_cpu, by_memory, by_io, batch, once, raw;
	struct opt_num depth, iterations;
	char *delay, *order;
};
#define O(m) offset_of(struct top_options, m)
static const struct opt top_opts[] = {
	{"batch", 'b', OPT_BOOL, O(batch), NULL, "Print one table after another, and read no keys: as without a terminal"},
	{"by-cpu", 'c', OPT_BOOL, O(by_cpu), NULL, "Sort by CPU time (the default)"},
	{"by-io", 'i', OPT_BOOL, O(by_io), NULL, "Sort by block I/O"},
	{"by-memory", 'm', OPT_BOOL, O(by_memory), NULL, "Sort by memory"},
	{"by-path", 'p', OPT_BOOL, O(by_path), NULL, "Sort by path"},
	{"by-tasks", 't', OPT_BOOL, O(by_tasks), NULL, "Sort by the number of tasks"},
	{"delay", 'd', OPT_STR, O(delay), "TIME", "Time between two tables, in seconds or as 500ms (1s)"},
	{"depth", 0, OPT_U64, O(depth), "N", "So many levels below the root, or below PATH (3)"},
	{"iterations", 'n', OPT_U64, O(iterations), "N", "End after so many tables; 1: print once"},
	{"once", '1', OPT_BOOL, O(once), NULL, "Print once, as -n 1"},
	{"order", 0, OPT_STR, O(order), "WORD", "Sort by path, tasks, cpu, memory or io", 0, "path tasks cpu memory io"},
	{"raw", 'r', OPT_BOOL, O(raw), NULL, "Numbers in full, not as 12.3M"},
};
#undef O

static const struct { const char *word; char key; enum group_order by; } orders[] = {{"path", 'p', GROUP_BY_PATH}, {"tasks", 't', GROUP_BY_TASKS},
	{"cpu", 'c', GROUP_BY_CPU}, {"memory", 'm', GROUP_BY_MEMORY}, {"io", 'i', GROUP_BY_IO}};

struct top {
	const struct top_options *o;
	struct engine *g;
	struct group_uses before, now;
	enum group_order by;
	const char *from; /* the group whose groups are shown */
	int depth;
	int64_t delay_ns, most;
	bool live;
};

static void amount(double v, bool raw, char ret[24])
{
	static const char units[] = "BKMGTP";
	size_t i = 0;
	if (v < 0)
		snprintf(ret, 24, "-");
	else if (raw)
		snprintf(ret, 24, "%.0f", v);
	for (; !raw && v >= 1024 && units[i + 1]; i++)
		v /= 1024;
	if (v >= 0 && !raw)
		snprintf(ret, 24, i ? "%.1f%c" : "%.0f%c", v, units[i]);
}

static double known(uint64_t v)
{
	return v == GROUP_UNKNOWN ? -1 : (double)v;
}

/* cut: no wider than that; 0: as it comes. */
static void put_row(const struct top *t, const struct group_use *r, const char *container, int path_width, size_t cut, struct buf *out)
{
	char tasks[24] = "-", cpu[24] = "-", memory[24], in[24], output[24];
	size_t n = strlen(r->path);
	const char *path = r->path;
	own(mem) char *shortened = NULL;
	if (r->tasks != GROUP_UNKNOWN)
		snprintf(tasks, sizeof tasks, "%llu", (unsigned long long)r->tasks);
	if (r->cpu_percent >= 0)
		snprintf(cpu, sizeof cpu, "%.1f", r->cpu_percent);
	amount(known(r->memory), t->o->raw, memory);
	amount(r->read_rate, t->o->raw, in);
	amount(r->write_rate, t->o->raw, output);
	/* The end of a long path says more than its middle. */
	if (cut && n > (size_t)path_width)
		path = shortened = mem_printf("%.*s…%s", path_width / 2, r->path, r->path + n - (size_t)(path_width - path_width / 2 - 1));
	own(mem) char *line = mem_printf("%-*s %7s %7s %9s %9s %9s  %s", path_width + (shortened ? 2 : 0), path, tasks, cpu, memory, in, output, container);
	str_harmless(line);
	size_t bytes = strlen(line);
	for (size_t i = 0, columns = 0; cut && line[i]; i++)
		if (((unsigned char)line[i] & 0xc0) != 0x80 && columns++ == cut) {
			bytes = i;
			break;
		}
	while (bytes && line[bytes - 1] == ' ')
		bytes--;
	buf_printf(out, "%.*s%s\n", (int)bytes, line, t->live ? "\033[K\r" : "");
}

static int path_width_of(const struct top *t, int columns)
{
	size_t longest = 8;
	for (size_t i = 0; i < t->now.n; i++)
		longest = strlen(t->now.v[i].path) > longest ? strlen(t->now.v[i].path) : longest;
	int room = columns - 62;
	return !columns ? (int)longest : room < 8 ? 8 : (size_t)room < longest ? room : (int)longest;
}

static int show(struct top *t, struct err *e)
{
	own(buf) struct buf out = {};
	own(owners) struct owners owners = {};
	unsigned short rows = 0, columns = 0;
	struct err ignored = {};
	(void)!owners_load(t->g, &owners, &ignored);
	if (t->live)
		tty_get_size(1, &rows, &columns);
	int width = path_width_of(t, columns);
	group_uses_sort(&t->now, t->by);
	if (t->live)
		buf_str(&out, "\033[H");
	own(mem) char *head = mem_printf("%-*s %7s %7s %9s %9s %9s  %s", width, "CGROUP", "TASKS", "%CPU", "MEMORY", "INPUT/S", "OUTPUT/S", "CONTAINER");
	if (t->live)
		buf_printf(&out, "\033[7m%.*s\033[K\033[0m%s", columns ? (int)columns : 1000, head, rows == 1 ? "" : "\r\n");
	else
		buf_printf(&out, "%s\n", head);
	size_t most = t->live && rows ? (size_t)rows - 1 : t->now.n, shown = 0;
	for (size_t i = 0; i < t->now.n && shown < most; i++, shown++) {
		const struct owner *w = owners_of_group(&owners, t->now.v[i].path);
		put_row(t, &t->now.v[i], w ? w->name : "", width, columns, &out);
	}
	if (t->live) {
		/* The last line has no end: the screen would move up. */
		while (out.len && shown == most && most && (out.data[out.len - 1] == '\n' || out.data[out.len - 1] == '\r'))
			out.len--;
		buf_str(&out, shown == most ? "" : "\033[J");
	}
	return cli_print(&out, e);
}

static int take_sample(struct top *t, struct err *e)
{
	group_uses_drop(&t->before);
	t->before = t->now;
	t->now = (struct group_uses){};
	if (group_uses_read(t->from, t->depth, &t->now, e) < 0)
		return -1;
	/* By path, as both are read. */
	group_uses_sort(&t->before, GROUP_BY_PATH);
	if (t->before.n)
		group_uses_compare(&t->before, &t->now);
	return 0;
}

/* 1: the end. */
static int key(struct top *t, char c)
{
	for (size_t i = 0; i < countof(orders); i++)
		if (orders[i].key == c)
			t->by = orders[i].by;
	if (c == '+' || c == '-')
		t->delay_ns = c == '+' ? t->delay_ns * 2 : t->delay_ns / 2 > 100000000 ? t->delay_ns / 2 : 100000000;
	return c == 'q' || c == 3 || c == 4;
}

/* Until it is time for the next table. 0: it is; 1: the end; 2: show the same again in another order. Who wants the end is heard also
 * where a table takes longer than the delay. */
static int pass_time(struct top *t, int signals, struct err *e)
{
	int64_t until = t->now.at_ns + t->delay_ns;
	int64_t left;
	do {
		left = until - num_monotonic_ns();
		struct pollfd p[2] = {{.fd = signals, .events = POLLIN}, {.fd = t->live ? 0 : -1, .events = POLLIN}};
		int n = poll(p, 2, left > 0 ? (int)(left / 1000000) + 1 : 0);
		if (n < 0 && errno != EINTR)
			return err_sys(e, "poll");
		if (n > 0 && p[0].revents) {
			struct signalfd_siginfo s;
			if (read(signals, &s, sizeof s) != sizeof s || s.ssi_signo != SIGWINCH)
				return 1;
			return 2;
		}
		char c;
		if (n > 0 && p[1].revents) {
			if (read(0, &c, 1) != 1 || key(t, c))
				return 1;
			return c == ' ' ? 0 : 2;
		}
	} while (left > 0);
	return 0;
}

static int run_tables(struct top *t, int signals, struct err *e)
{
	for (int64_t i = 1;; i++) {
		if (take_sample(t, e) < 0 || show(t, e) < 0)
			return -1;
		if (i == t->most)
			return 0;
		int r;
		while ((r = pass_time(t, signals, e)) == 2)
			if (show(t, e) < 0)
				return -1;
		if (r)
			return r < 0 ? -1 : 0;
		if (!t->live && cli_printf(e, "\n") < 0)
			return -1;
	}
}

static int open_signals(struct err *e)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGWINCH);
	sigprocmask(SIG_BLOCK, &set, NULL);
	int fd = signalfd(-1, &set, SFD_CLOEXEC);
	return fd < 0 ? err_sys(e, "signalfd") : fd;
}

static int read_options(struct top *t, struct err *e)
{
	const struct top_options *o = t->o;
	const bool asked[] = {o->by_path, o->by_tasks, o->by_cpu, o->by_memory, o->by_io};
	size_t found = countof(orders);
	t->by = GROUP_BY_CPU;
	for (size_t i = 0; i < countof(orders); i++) {
		if (asked[i])
			t->by = orders[i].by;
		if (str_eq(o->order, orders[i].word))
			found = i;
	}
	if (o->order && found == countof(orders))
		return err_set(e, ERR_USAGE, "invalid --order \"%.60s\": path, tasks, cpu, memory and io are known", o->order);
	if (o->order)
		t->by = orders[found].by;
	t->most = o->once ? 1 : o->iterations.set ? o->iterations.v : 0;
	t->depth = o->depth.set ? o->depth.v > 1000 ? 1000 : (int)o->depth.v : 3;
	t->delay_ns = 1000000000;
	if (o->delay) {
		own(mem) char *plain = mem_printf("%s%s", o->delay, strspn(o->delay, "0123456789.") == strlen(o->delay) ? "s" : "");
		struct err ignored = {};
		if (num_duration(plain, &t->delay_ns, &ignored) < 0 || t->delay_ns < 1000000)
			return err_set(e, ERR_USAGE, "invalid --delay \"%.60s\": use seconds, or a time such as 500ms", o->delay);
	}
	return 0;
}

/* A container's, by its name; else a path. */
static int find_group(struct top *t, const char *text, struct arena *a, struct err *e)
{
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	struct cgroup_named g;
	struct err no_container = {};
	t->from = "/";
	if (!text)
		return 0;
	if (!strchr(text, '/') && container_get_running(t->g, text, &c, &no_container) == 0 && !str_is_empty(c.state.cgroup)) {
		t->from = arena_dup(a, c.state.cgroup);
		return 0;
	}
	if (cgroup_named_parse(text, a, &g, e) < 0)
		return -1;
	t->from = g.path;
	return 0;
}

static int top_it(struct top *t, const char *group, struct err *e)
{
	own(arena) struct arena a = {};
	if (read_options(t, e) < 0 || !(t->g = cli_engine(e)) || find_group(t, group, &a, e) < 0)
		return -1;
	own(tty_mode) struct tty_mode mode = {};
	t->live = !t->o->batch && isatty(0) && isatty(1) && t->most != 1;
	own(fd) int signals = open_signals(e);
	if (signals < 0 || (t->live && tty_raw(0, &mode, e) < 0))
		return -1;
	/* The other screen, without a cursor; and back. */
	if (t->live && cli_printf(e, "\033[?1049h\033[?25l\033[2J") < 0)
		return -1;
	int r = run_tables(t, signals, e);
	struct err ignored = {};
	if (t->live)
		(void)!cli_printf(&ignored, "\033[?25h\033[?1049l");
	return r;
}

static int top(void *opts, int argc, char **argv, struct err *e)
{
	struct top t = {.o = opts};
	int r = top_it(&t, argc ? argv[0] : NULL, e);
	group_uses_drop(&t.before);
	group_uses_drop(&t.now);
	return tools_status(r, e);
}

const struct cmd cmd_cgroup_top = {"top", "[PATH|CONTAINER]", "Show what control groups use, the hungriest first", top_opts, countof(top_opts),
	sizeof(struct top_options), 0, 1, top, .complete = "@running",
	.about = "As systemd-cgtop(1): tasks, CPU (100 % is one CPU), memory, block I/O since the table before, and the container a group belongs to. "
	"On a terminal the keys p t c m i sort, + and - change the delay, space takes the next table, q and ^C end it.",
	.examples = "$ hull cgroup top -n 1\n$ hull cgroup top -m --depth 2\n$ hull cgroup top -1 web"};
