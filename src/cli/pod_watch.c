/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pod_watch: what the containers of pods do: stats, top, logs.
 */
#include "cli/pod.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/tab.h"
#include "engine/list.h"
#include "engine/logs.h"
#include "engine/pod.h"

#include <stdio.h>
#include <stdlib.h>

/* The containers that run of these pods, or of all. */
static int containers_of(struct engine *g, int argc, char **argv, struct strv *ret, struct err *e)
{
	own(strv) struct strv names = {};
	const struct pod_choice all = {.all = !argc};
	if (pod_choose(g, &all, argc, argv, &names, e) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		own(container_entry) struct container_entry pod = {.dir = -1, .lock = -1};
		if (pod_get(g, names.v[i], 0, &pod, e) < 0 || pod_members(g, pod.id, true, ret, e) < 0)
			return -1;
	}
	return 0;
}

static int stats(void *opts, int argc, char **argv, struct err *e)
{
	struct engine *g = cli_engine(e);
	own(strv) struct strv ids = {};
	if (!g || containers_of(g, argc, argv, &ids, e) < 0)
		return -1;
	if (!ids.n)
		return err_set(e, ERR_CONFLICT, "no container of %s runs", argc ? argv[0] : "a pod");
	return cmd_stats.run(opts, (int)ids.n, ids.v, e);
}

static void add_line(struct tab *t, const struct json *cells)
{
	for (size_t i = 0; i < json_len(cells); i++)
		tab_cell(t, json_str(json_at(cells, i)));
	tab_line(t);
}

static int top(void *opts unused, int argc, char **argv, struct err *e)
{
	struct engine *g = cli_engine(e);
	own(strv) struct strv ids = {};
	own(tab) struct tab *t = tab_new();
	own(buf) struct buf out = {};
	if (!g || containers_of(g, 1, argv, &ids, e) < 0)
		return -1;
	if (!ids.n)
		return err_set(e, ERR_CONFLICT, "pod %.200s does not run", argv[0]);
	for (size_t i = 0; i < ids.n; i++) {
		own(json) struct json *doc = container_top(g, ids.v[i], argv + 1, (size_t)argc - 1, e);
		if (!doc)
			return -1;
		if (i == 0)
			add_line(t, json_get(doc, "Titles"));
		for (size_t k = 0; k < json_len(json_get(doc, "Processes")); k++)
			add_line(t, json_at(json_get(doc, "Processes"), k));
	}
	tab_format(t, &out);
	return cli_print(&out, e);
}

struct logs_options {
	bool follow, timestamps, names, latest;
	char *container, *since, *until, *tail;
	/* worked out */
	struct engine *g;
	struct logs_read read;
};
#define O(m) offset_of(struct logs_options, m)
static const struct opt logs_opts[] = {
	{"container", 'c', OPT_STR, O(container), "CONTAINER", "Only of this one", 0, "@container"},
	{"follow", 'f', OPT_BOOL, O(follow), NULL, "Go on until the containers end"},
	{"latest", 'l', OPT_BOOL, O(latest), NULL, "Of the pod that was made last"},
	{"names", 'n', OPT_BOOL, O(names), NULL, "Names of containers in front of the lines, instead of ids"},
	{"since", 0, OPT_STR, O(since), "TIME", "Only from then: 2026-01-02T13:23:37Z, unix seconds, or 42m ago"},
	{"tail", 0, OPT_STR, O(tail), "N", "Only the last N lines of each (all)"},
	{"timestamps", 't', OPT_BOOL, O(timestamps), NULL, "Show when each line was written"},
	{"until", 0, OPT_STR, O(until), "TIME", "Only up to then"},
};
#undef O

/* What was written, by all containers: put in order when nothing more comes. */
struct line { int64_t time_ns; size_t at; int fd; char *text; size_t len; };
struct reader {
	const struct logs_options *o;
	const char *label;
	bool cut[3];
	struct { struct line *v; size_t n, room; } kept;
};

static int put(int fd, const struct buf *b, struct err *e)
{
	if (fd == 1)
		return cli_print(b, e);
	return fd_write_all(2, buf_text(b), b->len) < 0 ? err_sys(e, "write to stderr") : 0;
}

static int take_line(void *arg, int stream, int64_t time_ns, const char *p, size_t n, const char *attrs unused, struct err *e)
{
	struct reader *r = arg;
	own(buf) struct buf b = {};
	char time[NUM_TEXT];
	int fd = stream == 2 ? 2 : 1;
	if (!r->cut[fd])
		buf_printf(&b, "%s ", r->label);
	if (!r->cut[fd] && r->o->timestamps)
		buf_printf(&b, "%s ", num_format_time(time_ns, time));
	buf_add(&b, p, n);
	r->cut[fd] = n > 0 && p[n - 1] != '\n';
	if (buf_check(&b, e) < 0)
		return -1;
	if (r->o->follow)
		return put(fd, &b, e);
	if (r->kept.n == r->kept.room) {
		r->kept.room = r->kept.room ? r->kept.room * 2 : 64;
		r->kept.v = mem_grow(r->kept.v, r->kept.room * sizeof *r->kept.v);
	}
	size_t len = b.len;
	r->kept.v[r->kept.n] = (struct line){time_ns, r->kept.n, fd, buf_take(&b), len};
	r->kept.n++;
	return 0;
}

static int by_time(const void *x, const void *y)
{
	const struct line *a = x, *b = y;
	return a->time_ns != b->time_ns ? (a->time_ns < b->time_ns ? -1 : 1) : a->at < b->at ? -1 : 1;
}

static int read_one(const char *id, struct reader *r, struct err *e)
{
	const struct logs_options *o = r->o;
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	struct logs_read q = o->read;
	if (container_get(o->g, id, 0, &c, e) < 0)
		return -1;
	own(mem) char *label = o->names ? mem_dup(container_label(&c)) : mem_ndup(c.id, 12);
	r->label = label;
	r->cut[1] = r->cut[2] = false;
	q.line = take_line;
	q.arg = r;
	return container_logs(o->g, &c, &q, e);
}

static int follow_one(const char *id, void *arg, struct err *e)
{
	struct reader r = {.o = arg};
	return read_one(id, &r, e);
}

static int print_sorted(struct reader *r, struct err *e)
{
	int result = 0;
	qsort(r->kept.v, r->kept.n, sizeof *r->kept.v, by_time);
	for (size_t i = 0; i < r->kept.n; i++) {
		struct line *l = &r->kept.v[i];
		if (result == 0 && l->fd == 1) {
			own(buf) struct buf b = {};
			buf_add(&b, l->text, l->len);
			result = cli_print(&b, e);
		} else if (result == 0 && fd_write_all(2, l->text, l->len) < 0) {
			result = err_sys(e, "write to stderr");
		}
		free(l->text);
	}
	mem_drop(&r->kept.v);
	return result;
}

static int parse(struct logs_options *o, struct err *e)
{
	const struct { const char *option, *text; int64_t *to; } times[] = {{"since", o->since, &o->read.since_ns}, {"until", o->until, &o->read.until_ns}};
	struct err why = {};
	o->read.follow = o->follow;
	o->read.tail = -1;
	for (size_t i = 0; i < countof(times); i++)
		if (!str_is_empty(times[i].text) && num_time(times[i].text, num_now_ns(), times[i].to, &why) < 0)
			return err_set(e, ERR_USAGE, "invalid --%s \"%.60s\": as in 2026-01-02T15:04:05, seconds since 1970, or 10m ago as 10m",
				times[i].option, times[i].text);
	if (o->tail && strcmp(o->tail, "all") != 0 && num_i64(o->tail, -1, INT64_MAX, &o->read.tail, "tail", &why) < 0)
		return err_set(e, ERR_USAGE, "invalid --tail \"%.60s\": a number of lines, or all", o->tail);
	return 0;
}

static int only(const struct logs_options *o, const struct container_entry *pod, struct strv *ids, struct err *e)
{
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	if (container_get(o->g, o->container, ENTRY_STATE_ONLY, &c, e) < 0)
		return -1;
	if (!str_eq(c.state.pod, pod->id))
		return err_set(e, ERR_USAGE, "--container: %.200s is not in pod %.200s", container_label(&c), container_label(pod));
	strv_add(ids, c.id);
	return 0;
}

static int logs(void *opts, int argc, char **argv, struct err *e)
{
	struct logs_options *o = opts;
	struct reader r = {.o = o};
	own(container_entry) struct container_entry pod = {.dir = -1, .lock = -1};
	own(strv) struct strv names = {}, ids = {};
	const struct pod_choice choice = {.latest = o->latest};
	o->g = cli_engine(e);
	if (!o->g || parse(o, e) < 0 || pod_choose(o->g, &choice, argc, argv, &names, e) < 0 ||
		pod_get(o->g, names.n ? names.v[0] : "", 0, &pod, e) < 0)
		return -1;
	if ((o->container ? only(o, &pod, &ids, e) : pod_members(o->g, pod.id, false, &ids, e)) < 0)
		return -1;
	if (o->follow)
		return cli_each_at_once((int)ids.n, ids.v, false, follow_one, o);
	int result = 0;
	for (size_t i = 0; i < ids.n && result == 0; i++)
		result = read_one(ids.v[i], &r, e);
	struct err second = {};
	return print_sorted(&r, result < 0 ? &second : e) < 0 || result < 0 ? -1 : 0;
}

const struct cmd cmd_pod_top = {"top", "POD [ps OPTIONS]", "Show the processes of a pod", NULL, 0, 0, 1, -1, top, CMD_STRICT, .complete = "@pod"};
const struct cmd cmd_pod_logs = {"logs", "[POD]", "Print the output of the containers of a pod", logs_opts, countof(logs_opts),
	sizeof(struct logs_options), 0, 1, logs, .complete = "@pod"};
struct cmd cmd_pod_stats;

/* As of containers, but for whose they are. */
void pod_watch_fill(void)
{
	cmd_pod_stats = cmd_stats;
	cmd_pod_stats.usage = "[POD...]";
	cmd_pod_stats.summary = "Show what the containers of pods use, each second anew";
	cmd_pod_stats.run = stats;
	cmd_pod_stats.complete = "@pod";
	cmd_pod_stats.examples = NULL;
}
