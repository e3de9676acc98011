/* SPDX-License-Identifier: Apache-2.0 */
/*
 * events: what happened, and goes on to happen. The text is docker's, JSON is the line as it was written; a template may use Go's names for
 * what JSON spells small, and podman's .Name and .Image.
 */
#include "cli/commands.h"
#include "engine/events.h"

#include "base/num.h"
#include "codec/tmpl.h"

struct events_options {
	struct strv filters;
	char *since, *until, *format, *stream;
	bool no_trunc;
};
static const struct opt options[] = {
	{"filter", 'f', OPT_STRV, offset_of(struct events_options, filters), "KEY=VALUE",
		"Only these: container event image label network scope type volume …", 0, "container= event= image= label= network= type= volume="},
	{"format", 0, OPT_STR, offset_of(struct events_options, format), "FORMAT", "\"json\", or a Go template", 0, "json"},
	{"no-trunc", 0, OPT_BOOL, offset_of(struct events_options, no_trunc), NULL, "Ids are whole anyway", OPT_HIDDEN},
	{"since", 0, OPT_STR, offset_of(struct events_options, since), "TIME", "From then on: 2026-01-02T13:23:37Z, unix seconds, or 42m ago"},
	{"stream", 0, OPT_OPTSTR, offset_of(struct events_options, stream), "BOOL", "false: print what there is, and end (true)", 0, "true false", NULL, "true"},
	{"until", 0, OPT_STR, offset_of(struct events_options, until), "TIME", "Up to then, and end"},
};

struct printer { struct tmpl *tmpl; bool json; };

/* Go's name for what JSON spells otherwise, or podman's. */
static struct json *go_field(void *arg unused, const struct json *dot, const char *name, const struct json *const *args unused, size_t n, bool *known)
{
	static const struct { const char *name, *key, *attribute; bool number; } fields[] = {
		{"ID", "id", NULL, false}, {"Status", "status", NULL, false}, {"From", "from", NULL, false}, {"Scope", "scope", NULL, false},
		{"Time", "time", NULL, true}, {"TimeNano", "timeNano", NULL, true}, {"Name", NULL, "name", false}, {"Image", NULL, "image", false}};
	for (size_t i = 0; n == 0 && json_has(dot, "timeNano") && i < countof(fields); i++) {
		if (strcmp(fields[i].name, name) != 0)
			continue;
		const struct json *from = fields[i].key ? dot : json_get(json_get(dot, "Actor"), "Attributes");
		struct json *value = json_get(from, fields[i].key ? fields[i].key : fields[i].attribute);
		*known = true;
		return value ? json_ref(value) : fields[i].number ? json_new_i64(0) : json_new_str("");
	}
	return NULL;
}

static void add_text(const struct json *event, struct buf *out)
{
	const struct json *actor = json_get(event, "Actor");
	struct json_iter it = {};
	char time[NUM_TEXT];
	buf_printf(out, "%s %s %s %s", num_format_time(json_i64(json_get(event, "timeNano")), time), json_get_str(event, "Type"),
		json_get_str(event, "Action"), json_get_str(actor, "ID"));
	for (bool first = true; json_next(json_get(actor, "Attributes"), &it); first = false)
		buf_printf(out, "%s%s=%s", first ? " (" : ", ", it.key, json_str(it.value) ? json_str(it.value) : "");
	if (json_len(json_get(actor, "Attributes")))
		buf_char(out, ')');
	/* A label may hold what a terminal would obey. */
	(void)buf_text(out);
	str_harmless(out->data);
}

static int print(void *arg, const char *line, const struct json *event, struct err *e)
{
	static const struct tmpl_options o = {.method = go_field};
	const struct printer *p = arg;
	own(buf) struct buf out = {};
	if (p->json)
		buf_str(&out, line);
	else if (!p->tmpl)
		add_text(event, &out);
	else if (tmpl_execute(p->tmpl, event, &o, &out, e) < 0)
		return err_wrap(e, "--format");
	buf_char(&out, '\n');
	return cli_print(&out, e);
}

static int when(const char *option, const char *text, bool *ret_has, int64_t *ret, struct err *e)
{
	struct err why = {};
	*ret_has = !str_is_empty(text);
	if (!str_is_empty(text) && num_time(text, num_now_ns(), ret, &why) < 0)
		return err_set(e, ERR_USAGE, "invalid --%s \"%.60s\": as in 2026-01-02T15:04:05, seconds since 1970, or 10m ago as 10m", option, text);
	return 0;
}

static int events(void *opts, int argc unused, char **argv unused, struct err *e)
{
	const struct events_options *o = opts;
	struct engine *g = cli_engine(e);
	struct printer p = {.json = str_eq(o->format, "json") || str_eq(o->format, "{{json .}}")};
	struct events_query q = {.follow = true, .filters = &o->filters, .event = print, .arg = &p};
	if (!g || when("since", o->since, &q.has_since, &q.since_ns, e) < 0 || when("until", o->until, &q.has_until, &q.until_ns, e) < 0)
		return -1;
	if (q.has_since && q.has_until && q.since_ns > q.until_ns)
		return err_set(e, ERR_USAGE, "--since is later than --until");
	if (o->stream && strcmp(o->stream, "true") != 0 && strcmp(o->stream, "false") != 0)
		return err_set(e, ERR_USAGE, "invalid --stream \"%.60s\": true or false", o->stream);
	if (str_eq(o->stream, "false"))
		q.follow = false;
	/* docker: with --until and without --since what has happened before now counts, too. */
	if (q.has_until && !q.has_since)
		q.has_since = true;
	if (!p.json && !str_is_empty(o->format) && tmpl_parse(o->format, &p.tmpl, e) < 0)
		return err_wrap(e, "--format");
	int r = events_read(g, &q, e);
	tmpl_drop(&p.tmpl);
	return r;
}

const struct cmd cmd_events = {"events", "", "Print what happens, as it happens", options, countof(options), sizeof(struct events_options), 0, 0, events,
	.about = "Without --since what happens from now on is printed, until ctrl-C or --until. What is kept: the last one to two million bytes, some "
		 "thousand events, across restarts of the machine, in events.log below hull's root directory.",
	.examples = "$ hull events --since 1h --until 0s\n$ hull events -f event=die --format '{{.Name}}: {{.Actor.Attributes.exitCode}}'"};
