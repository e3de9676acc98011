/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stats: two samples make a row; one picture a second. On a terminal each picture takes the place of the last, with a bar for what CPU and
 * memory are at; elsewhere they follow each other.
 */
#include "cli/choose.h"
#include "cli/columns.h"
#include "cli/commands.h"
#include "engine/stats.h"

#include "base/num.h"
#include "sys/tty.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct stats_options {
	bool all, no_reset, no_stream, no_trunc;
	char *format;
	struct opt_num interval;
	struct choice choice; /* --latest */
};
static const struct opt stats_opts[] = {
	{"all", 'a', OPT_BOOL, offset_of(struct stats_options, all), NULL, "Show all containers, not only those that run"},
	{"format", 0, OPT_STR, offset_of(struct stats_options, format), "string", "A Go template for each row, \"table TEMPLATE\" or \"json\"", 0, "table json"},
	{"interval", 'i', OPT_I64, offset_of(struct stats_options, interval), "SECONDS", "From one picture to the next (1)"},
	CHOICE_LATEST(struct stats_options, choice),
	{"no-reset", 0, OPT_BOOL, offset_of(struct stats_options, no_reset), NULL, "On a terminal: one picture below the other"},
	{"no-stream", 0, OPT_BOOL, offset_of(struct stats_options, no_stream), NULL, "Show one picture and end"},
	{"no-trunc", 0, OPT_BOOL, offset_of(struct stats_options, no_trunc), NULL, "Do not cut ids off"},
};
static const struct cli_heading headings[] = {{"Container", "CONTAINER"}, {"ID", "CONTAINER ID"}, {"Name", "NAME"}, {"CPUPerc", "CPU %"}, {"CPUBar", ""},
	{"MemUsage", "MEM USAGE / LIMIT"}, {"MemPerc", "MEM %"}, {"MemBar", ""}, {"NetIO", "NET I/O"}, {"BlockIO", "BLOCK I/O"}, {"PIDs", "PIDS"},
	{"Throttled", "THROTTLED"}, {"CPUPressure", "CPU PSI"}, {"MemPressure", "MEM PSI"}, {"IOPressure", "IO PSI"}, {NULL, NULL}};
#define PLAIN "table {{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}"
#define BARS  "table {{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.CPUBar}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.MemBar}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}"

enum { BAR = 8, FIRST_MS = 500, EACH_MS = 1000 };
struct samples { struct container_sample *v; size_t n; };

static const struct container_sample *find(const struct samples *s, const char *id)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->v[i].id, id) == 0)
			return &s->v[i];
	return NULL;
}

static int names(struct engine *g, bool all, int argc, char **argv, struct strv *ret, struct err *e)
{
	for (int i = 0; i < argc; i++)
		strv_add(ret, argv[i]);
	return argc ? 0 : containers_ids(&g->containers, !all, ret, e);
}

/* As ps has them. */
static int newest_first(const void *x, const void *y)
{
	const struct container_sample *a = x, *b = y;
	if (a->created_ns != b->created_ns)
		return a->created_ns > b->created_ns ? -1 : 1;
	return strcmp(b->id, a->id);
}

/* Containers that were named must be there; of the others those that are. */
static int sample(struct engine *g, struct sampler *s, const struct stats_options *o, int argc, char **argv, struct samples *ret, struct err *e)
{
	own(strv) struct strv ids = {};
	if (names(g, o->all, argc, argv, &ids, e) < 0)
		return -1;
	ret->v = mem_alloc((ids.n + 1) * sizeof *ret->v);
	ret->n = 0;
	for (size_t i = 0; i < ids.n; i++) {
		char id[65];
		struct err gone = {};
		if (containers_find(&g->containers, ids.v[i], id, &gone) < 0 || sampler_look(s, id, &ret->v[ret->n], &gone) < 0) {
			if (argc || gone.kind != ERR_NOT_FOUND)
				return *e = gone, -1;
			continue;
		}
		ret->n += argc || o->all || ret->v[ret->n].runs;
	}
	if (!argc)
		qsort(ret->v, ret->n, sizeof *ret->v, newest_first);
	return 0;
}

static void set_sizes(struct json *row, const char *key, uint64_t a, uint64_t b, char *(*text)(uint64_t, char[NUM_TEXT]))
{
	char x[NUM_TEXT], y[NUM_TEXT], both[2 * NUM_TEXT + 4];
	snprintf(both, sizeof both, "%s / %s", text(a, x), text(b, y));
	json_set_str(row, key, both);
}

static void set_percent(struct json *row, const char *key, double v)
{
	char text[40];
	snprintf(text, sizeof text, "%.2f%%", v);
	json_set_str(row, key, text);
}

/* Eighths of a cell: U+2588 is whole, U+258F an eighth. */
static void set_bar(struct json *row, const char *key, double percent)
{
	char text[BAR * 3 + 1], *p = text;
	int eighths = percent <= 0 ? 0 : percent >= 100 ? BAR * 8 : (int)(percent / 100 * BAR * 8 + 0.5);
	for (int i = 0; i < BAR; i++, eighths -= 8) {
		int part = eighths >= 8 ? 8 : eighths > 0 ? eighths : 0;
		if (part)
			p += sprintf(p, "\xe2\x96%c", 0x90 - part);
		else
			*p++ = ' ';
	}
	*p = 0;
	json_set_str(row, key, text);
}

static double rate(uint64_t before, uint64_t now, int64_t span_ns)
{
	return now > before && span_ns > 0 ? (double)(now - before) / (double)span_ns * 100 : 0;
}

/* called: as the user did; NULL: by its id. */
static struct json *row_of(const struct container_sample *was, const struct container_sample *s, bool full, const char *called)
{
	struct json *row = json_new_object();
	own(mem) char *id = column_id(s->id, full);
	char pids[24];
	int64_t span = was && was->runs ? s->at_ns - was->at_ns : 0;
	double cpu = was ? rate(was->cpu_ns, s->cpu_ns, span) : 0, throttled = was ? rate(was->throttled_ns, s->throttled_ns, span) : 0;
	double memory = s->memory_limit ? (double)s->memory / (double)s->memory_limit * 100 : 0;
	snprintf(pids, sizeof pids, "%llu", (unsigned long long)s->pids);
	set_sizes(row, "BlockIO", s->read, s->written, num_format_size);
	set_bar(row, "CPUBar", cpu / (double)sysconf(_SC_NPROCESSORS_ONLN));
	set_percent(row, "CPUPerc", cpu);
	json_set_str(row, "Container", called ? called : id);
	json_set_str(row, "ID", id);
	set_bar(row, "MemBar", memory);
	set_percent(row, "MemPerc", memory);
	set_sizes(row, "MemUsage", s->memory, s->memory_limit, num_format_size_iec);
	json_set_str(row, "Name", s->name);
	set_sizes(row, "NetIO", s->rx, s->tx, num_format_size);
	json_set_str(row, "PIDs", pids);
	set_percent(row, "Throttled", throttled);
	const struct { const char *key; double v; } pressure[] = {{"CPUPressure", s->cpu_pressure}, {"MemPressure", s->memory_pressure},
		{"IOPressure", s->io_pressure}};
	for (size_t i = 0; i < countof(pressure); i++)
		if (s->has_pressure)
			set_percent(row, pressure[i].key, pressure[i].v);
		else
			json_set_str(row, pressure[i].key, "--");
	return row;
}

static int show(const struct stats_options *o, bool live, const struct samples *before, const struct samples *now, char *const *called, struct err *e)
{
	own(cli_rows) struct cli_rows *rows = NULL;
	if (cli_rows_new(o->format, live ? BARS : PLAIN, headings, &rows, e) < 0)
		return -1;
	for (size_t i = 0; i < now->n; i++) {
		own(json) struct json *row = row_of(find(before, now->v[i].id), &now->v[i], o->no_trunc, called ? called[i] : NULL);
		if (o->format && strstr(o->format, "json")) {
			json_del(row, "CPUBar");
			json_del(row, "MemBar");
		}
		if (cli_rows_add(rows, row, e) < 0)
			return -1;
	}
	unsigned short lines = 0, columns = 0;
	if (!live)
		return cli_rows_print(rows, e);
	/* The picture of before is written over, and what was longer is cleared. The last line is the cursor's: a line break there scrolls. */
	if (cli_printf(e, "\033[H\033[J") < 0)
		return -1;
	(void)tty_get_size(1, &lines, &columns);
	return cli_rows_print_cut(rows, lines > 1 ? lines - 1u : lines, columns, e);
}

static int watch(struct engine *g, const struct stats_options *o, int argc, char **argv, struct err *e)
{
	struct samples before = {}, now = {};
	bool live = !o->no_stream && !o->no_reset && isatty(1), plain = !o->format || str_eq(o->format, "table");
	const int each_ms = o->interval.set ? (int)o->interval.v * 1000 : EACH_MS;
	own(sampler) struct sampler *s = sampler_new(g);
	int r = sample(g, s, o, argc, argv, &before, e);
	for (int ms = FIRST_MS; r == 0; ms = each_ms) {
		if (before.n || !o->no_stream)
			nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L}, NULL);
		r = sample(g, s, o, argc, argv, &now, e);
		if (r == 0)
			r = show(o, live && plain, &before, &now, argc ? argv : NULL, e);
		mem_drop(&before.v);
		before = now;
		now = (struct samples){};
		if (o->no_stream)
			break;
	}
	mem_drop(&before.v);
	mem_drop(&now.v);
	return r;
}

static int stats(void *opts, int argc, char **argv, struct err *e)
{
	static const struct choice_rule rule = {&cmd_stats, NULL, false};
	const struct stats_options *o = opts;
	struct engine *g = cli_engine(e);
	own(strv) struct strv latest = {};
	if (!g)
		return -1;
	if (o->interval.set && (o->interval.v < 1 || o->interval.v > 86400))
		return err_set(e, ERR_USAGE, "invalid --interval \"%lld\": seconds, from 1 to 86400", (long long)o->interval.v);
	if (!o->choice.latest)
		return watch(g, o, argc, argv, e);
	if (choice_names(&o->choice, &rule, g, argc, argv, &latest, e) < 0)
		return -1;
	return watch(g, o, (int)latest.n, latest.v, e);
}

const struct cmd cmd_stats = {"stats", "[CONTAINER...]", "Show what containers use, each second anew", stats_opts, countof(stats_opts),
	sizeof(struct stats_options), 0, -1, stats, .complete = "@running",
	.about = "CPU is of one CPU: 200% are two. Memory is without the part of the page cache that would be given back. A format may also show "
		 ".Throttled (the part of the time in which its CPU limit held it up), .CPUPressure, .MemPressure and .IOPressure (PSI: the part of "
		 "the last ten seconds in which something waited).",
	.examples = "$ hull stats --no-stream\n$ hull stats --format 'table {{.Name}}\\t{{.CPUPerc}}\\t{{.Throttled}}\\t{{.CPUPressure}}' web"};
