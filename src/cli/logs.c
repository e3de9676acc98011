/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logs: a container's output as the monitor kept it, each stream to ours. With -f until the container has ended.
 */
#include "cli/choose.h"
#include "cli/commands.h"
#include "engine/logs.h"

#include "base/fd.h"
#include "base/num.h"

struct logs_cli {
	bool clear, details, follow, latest, names, timestamps;
	char *since, *until, *tail;
};
static const struct opt options[] = {
	{"clear", 0, OPT_BOOL, offset_of(struct logs_cli, clear), NULL, "Empty the log, and print nothing"},
	{"details", 0, OPT_BOOL, offset_of(struct logs_cli, details), NULL, "Show the attributes kept with a line"},
	{"follow", 'f', OPT_BOOL, offset_of(struct logs_cli, follow), NULL, "Go on until the container ends"},
	CHOICE_ONE(struct logs_cli, latest),
	{"names", 0, OPT_BOOL, offset_of(struct logs_cli, names), NULL, "Begin each line with the container's name"},
	{"since", 0, OPT_STR, offset_of(struct logs_cli, since), "TIME", "Only from then: 2026-01-02T13:23:37Z, unix seconds, or 42m ago"},
	{"tail", 'n', OPT_STR, offset_of(struct logs_cli, tail), "N", "Only the last N lines (all)"},
	{"timestamps", 't', OPT_BOOL, offset_of(struct logs_cli, timestamps), NULL, "Show when each line was written"},
	{"until", 0, OPT_STR, offset_of(struct logs_cli, until), "TIME", "Only up to then"},
};

struct reader {
	struct logs_shown shown;
	const char *name; /* --names, or NULL */
};

static int line(void *arg, int stream, int64_t time_ns, const char *p, size_t n, const char *attrs, struct err *e)
{
	struct reader *r = arg;
	own(buf) struct buf b = {};
	if (r->name && !r->shown.cut[stream == 2 ? 2 : 1])
		buf_printf(&b, "%s ", r->name);
	logs_show(&r->shown, stream, time_ns, p, n, attrs, &b);
	if (buf_check(&b, e) < 0)
		return -1;
	if (stream != 2)
		return cli_print(&b, e);
	if (fd_write_all(2, buf_text(&b), b.len) < 0)
		return err_sys(e, "write to stderr");
	return 0;
}

static int when(const char *option, const char *text, int64_t *ret, struct err *e)
{
	struct err why = {};
	if (!str_is_empty(text) && num_time(text, num_now_ns(), ret, &why) < 0)
		return err_set(e, ERR_USAGE, "invalid --%s \"%.60s\": as in 2026-01-02T15:04:05, seconds since 1970, or 10m ago as 10m", option, text);
	return 0;
}

struct logs_each {
	const struct logs_cli *o;
	struct engine *g;
	struct logs_read q;
};

static int logs_one(const char *name, void *arg, struct err *e)
{
	const struct logs_each *x = arg;
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	if (container_get(x->g, name, 0, &c, e) < 0)
		return -1;
	if (x->o->clear)
		return container_clear_logs(x->g, &c, e);
	struct reader r = {.shown = {.timestamps = x->o->timestamps, .details = x->o->details}, .name = x->o->names ? container_label(&c) : NULL};
	struct logs_read q = x->q;
	q.line = line;
	q.arg = &r;
	return container_logs(x->g, &c, &q, e);
}

static int logs(void *opts, int argc, char **argv, struct err *e)
{
	const struct logs_cli *o = opts;
	struct engine *g = cli_engine(e);
	own(strv) struct strv hold = {};
	struct logs_each x = {.o = o, .g = g, .q = {.follow = o->follow, .tail = -1}};
	if (!g || when("since", o->since, &x.q.since_ns, e) < 0 || when("until", o->until, &x.q.until_ns, e) < 0)
		return -1;
	if (o->latest && argc > 0)
		return err_set(e, ERR_USAGE, "--latest does not go with containers that are named: leave one of them away");
	if (choice_latest(&cmd_logs, o->latest, 1, -1, &argc, &argv, &hold, e) < 0)
		return -1;
	if (o->tail && strcmp(o->tail, "all") != 0) {
		struct err why = {};
		if (num_i64(o->tail, INT64_MIN + 1, INT64_MAX, &x.q.tail, "tail", &why) < 0)
			return err_set(e, ERR_USAGE, "invalid --tail \"%.60s\": a number of lines, or all", o->tail);
		if (x.q.tail < 0)
			x.q.tail = -1;
	}
	if (o->clear && (o->follow || o->since || o->until || o->tail))
		return err_set(e, ERR_USAGE, "--clear empties the log: it goes with no other option");
	if (argc == 1)
		return logs_one(argv[0], &x, e);
	/* What several say while they run comes as it is said. */
	return (o->follow ? cli_each_at_once : cli_each)(argc, argv, false, logs_one, &x);
}

const struct cmd cmd_logs = {"logs", "CONTAINER...", "Print the output of containers", options, countof(options), sizeof(struct logs_cli), 0, -1, logs,
	.complete = "@container",
	.about = "Of containers whose log driver is json-file or local. What --log-driver journald, syslog or none takes cannot be read back here."};
