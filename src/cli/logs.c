/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logs: a container's output as the monitor kept it, each stream to ours. With -f until the container has ended.
 */
#include "cli/choose.h"
#include "cli/commands.h"
#include "engine/logs.h"

#include "base/fd.h"
#include "base/num.h"

#include <ctype.h>

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

struct reader {
	const struct logs_cli *o;
	bool cut[3]; /* the stream's last piece had no line break: the next one belongs to its line */
};

/* As in a query of a URL: no comma, blank or line break of theirs looks like ours. */
static void add_escaped(const char *text, struct buf *b)
{
	for (; *text; text++)
		if (isalnum((unsigned char)*text) || strchr("-_.~", *text))
			buf_char(b, *text);
		else if (*text == ' ')
			buf_char(b, '+');
		else
			buf_printf(b, "%%%02X", (unsigned char)*text);
}

/* docker's: by name. */
static void add_details(const char *attrs, struct buf *b)
{
	own(strv) struct strv names = {};
	own(json) struct json *j = NULL;
	struct err ignored = {};
	struct json_iter it = {};
	if (!attrs || json_parse(attrs, strlen(attrs), &j, &ignored) < 0)
		return;
	while (json_next(j, &it))
		strv_add(&names, it.key);
	strv_sort(&names);
	for (size_t i = 0; i < names.n; i++) {
		const char *value = json_get_str(j, names.v[i]);
		buf_str(b, i ? "," : "");
		add_escaped(names.v[i], b);
		buf_char(b, '=');
		add_escaped(value ? value : "", b);
	}
	buf_char(b, ' ');
}

static int line(void *arg, int stream, int64_t time_ns, const char *p, size_t n, const char *attrs, struct err *e)
{
	struct reader *r = arg;
	own(buf) struct buf b = {};
	char time[NUM_TEXT];
	int fd = stream == 2 ? 2 : 1;
	if (!r->cut[fd] && r->o->timestamps)
		buf_printf(&b, "%s ", num_format_time(time_ns, time));
	if (!r->cut[fd] && r->o->details)
		add_details(attrs, &b);
	buf_add(&b, p, n);
	r->cut[fd] = n > 0 && p[n - 1] != '\n';
	if (buf_check(&b, e) < 0)
		return -1;
	if (fd == 1)
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
	struct reader r = {.o = o};
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
