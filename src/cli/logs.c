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
	bool clear, details, follow, latest, timestamps;
	char *since, *until, *tail;
};
static const struct opt options[] = {
	{"clear", 0, OPT_BOOL, offset_of(struct logs_cli, clear), NULL, "Empty the log, and print nothing"},
	{"details", 0, OPT_BOOL, offset_of(struct logs_cli, details), NULL, "Show the attributes kept with a line"},
	{"follow", 'f', OPT_BOOL, offset_of(struct logs_cli, follow), NULL, "Go on until the container ends"},
	LATEST(struct logs_cli, latest),
	{"since", 0, OPT_STR, offset_of(struct logs_cli, since), "TIME", "Only from then: 2026-01-02T13:23:37Z, unix seconds, or 42m ago"},
	{"tail", 'n', OPT_STR, offset_of(struct logs_cli, tail), "N", "Only the last N lines (all)"},
	{"timestamps", 't', OPT_BOOL, offset_of(struct logs_cli, timestamps), NULL, "Show when each line was written"},
	{"until", 0, OPT_STR, offset_of(struct logs_cli, until), "TIME", "Only up to then"},
};

static int line(void *arg, int stream, int64_t time_ns, const char *p, size_t n, const char *attrs, struct err *e)
{
	own(buf) struct buf b = {};
	logs_show(arg, stream, time_ns, p, n, attrs, &b);
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

static int logs(void *opts, int argc, char **argv, struct err *e)
{
	const struct logs_cli *o = opts;
	struct engine *g = cli_engine(e);
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	own(strv) struct strv hold = {};
	struct logs_shown r = {.timestamps = o->timestamps, .details = o->details};
	struct logs_read q = {.follow = o->follow, .tail = -1, .line = line, .arg = &r};
	if (!g || when("since", o->since, &q.since_ns, e) < 0 || when("until", o->until, &q.until_ns, e) < 0)
		return -1;
	if (choice_latest(&cmd_logs, o->latest, 1, 1, &argc, &argv, &hold, e) < 0)
		return -1;
	if (o->tail && strcmp(o->tail, "all") != 0) {
		struct err why = {};
		if (num_i64(o->tail, INT64_MIN + 1, INT64_MAX, &q.tail, "tail", &why) < 0)
			return err_set(e, ERR_USAGE, "invalid --tail \"%.60s\": a number of lines, or all", o->tail);
		if (q.tail < 0)
			q.tail = -1;
	}
	if (o->clear && (o->follow || o->since || o->until || o->tail))
		return err_set(e, ERR_USAGE, "--clear empties the log: it goes with no other option");
	if (container_get(g, argv[0], 0, &c, e) < 0)
		return -1;
	return o->clear ? container_clear_logs(g, &c, e) : container_logs(g, &c, &q, e);
}

const struct cmd cmd_logs = {"logs", "CONTAINER", "Print the output of a container", options, countof(options), sizeof(struct logs_cli), 0, 1, logs,
	.complete = "@container",
	.about = "Of containers whose log driver is json-file or local. What --log-driver journald, syslog or none takes cannot be read back here."};
