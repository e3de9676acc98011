/* SPDX-License-Identifier: Apache-2.0 */
/*
 * history: the steps an image was made in, newest first.
 *
 * --human is on unless it is switched off with --human=false: its row keeps the text, so that "not given" can be told.
 */
#include "cli/columns.h"
#include "cli/commands.h"
#include "engine/image.h"

#include <time.h>

struct history_options {
	char *human;
	bool no_trunc, quiet;
	char *format, *platform;
};
#define O(m) offset_of(struct history_options, m)
static const struct opt history_opts[] = {
	{"format", 0, OPT_STR, O(format), "string", "A Go template for each row, \"table TEMPLATE\" or \"json\"", 0, "table json"},
	{"human", 'H', OPT_OPTSTR, O(human), "bool", "Sizes and dates in words (true)", 0, "true false", .preset = "true"},
	{"no-trunc", 0, OPT_BOOL, O(no_trunc), NULL, "Do not cut anything off"},
	{"platform", 0, OPT_STR, O(platform), "OS[/ARCH[/VARIANT]]", "Of this platform"},
	{"quiet", 'q', OPT_BOOL, O(quiet), NULL, "Print ids only"},
};
#undef O

static const struct cli_heading headings[] = {{"ID", "IMAGE"}, {"CreatedAt", "CREATED AT"}, {"CreatedSince", "CREATED"}, {"CreatedBy", "CREATED BY"},
	{"Size", "SIZE"}, {"Comment", "COMMENT"}, {NULL, NULL}};

static char *rfc3339(int64_t unix_s)
{
	time_t t = unix_s;
	struct tm tm;
	char text[64] = "";
	if (localtime_r(&t, &tm))
		strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S%z", &tm);
	size_t n = strlen(text);
	if (n > 5 && strcmp(text + n - 5, "+0000") == 0)
		return mem_printf("%.*sZ", (int)n - 5, text);
	return n > 5 ? mem_printf("%.*s:%s", (int)n - 2, text, text + n - 2) : mem_dup("");
}

static const char *text_of(const struct json *item, const char *key)
{
	const char *s = json_get_str(item, key);
	return s ? s : "";
}

static struct json *row_of(const struct json *item, bool full, bool human)
{
	struct json *row = json_new_object();
	int64_t created = json_i64(json_get(item, "Created")), size = json_i64(json_get(item, "Size"));
	own(mem) char *at = rfc3339(created), *since = !human ? mem_dup(at) : created > 0 ? column_ago(created) : mem_dup("N/A");
	own(mem) char *by = column_ellipsis(text_of(item, "CreatedBy"), full ? SIZE_MAX : 45), *comment = mem_dup(text_of(item, "Comment"));
	own(mem) char *id = column_id(text_of(item, "Id"), full), *bytes = human ? column_size(size) : mem_printf("%lld", (long long)size);
	for (char *p = by; *p; p++)
		if (*p == '\t')
			*p = ' ';
	json_set_str(row, "Comment", comment);
	json_set_str(row, "CreatedAt", at);
	json_set_str(row, "CreatedBy", by);
	json_set_str(row, "CreatedSince", since);
	json_set_str(row, "ID", id);
	json_set_str(row, "Size", bytes);
	return row;
}

static int history(void *opts, int argc unused, char **argv, struct err *e)
{
	const struct history_options *o = opts;
	bool human = !str_eq(o->human, "false") && !str_eq(o->human, "0");
	if (o->human && human && strcmp(o->human, "true") != 0 && strcmp(o->human, "1") != 0)
		return err_set(e, ERR_USAGE, "invalid value \"%.60s\" for --human: use true or false", o->human);
	struct engine *g = cli_engine(e);
	own(json) struct json *items = g ? image_history(g, argv[0], o->platform, e) : NULL;
	if (!items)
		return -1;
	own(json) struct json *rows = json_new_array();
	for (size_t i = 0; i < json_len(items); i++)
		json_add(rows, row_of(json_at(items, i), o->no_trunc, human));
	return cli_format_rows(rows, o->quiet ? "{{.ID}}" : o->format, "table {{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
		headings, e);
}

const struct cmd cmd_history = {"history", "IMAGE", "Show the steps an image was made in", history_opts, countof(history_opts),
	sizeof(struct history_options), 1, 1, history, .complete = "@image"};
