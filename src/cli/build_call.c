/* SPDX-License-Identifier: Apache-2.0 */
/*
 * build_call: the documents of build_describe(), as JSON or for people.
 */
#include "cli/build_call.h"

#include "build/lex.h"
#include "cli/cli.h"
#include "codec/base64.h"

enum { TEXT_MAX = 16 << 20 };
struct call { const char *method; bool json, ignore_status; };

static int read_call(const struct strv *words, struct call *ret, struct err *e)
{
	static const char *const methods[] = {"build", "check", "lint", "outline", "targets"};
	*ret = (struct call){};
	for (size_t k = 0; words->n && k < countof(methods); k++)
		if (strcmp(methods[k], words->v[0]) == 0)
			ret->method = methods[k];
	if (!ret->method)
		return err_set(e, ERR_USAGE, "invalid --call \"%.60s\": build, check, outline and targets are known", words->n ? words->v[0] : "");
	for (size_t i = 1; i < words->n; i++) {
		const char *format = str_after(words->v[i], "format=");
		if (str_eq(format, "json") || str_eq(words->v[i], "json"))
			ret->json = true;
		else if (str_eq(words->v[i], "ignorestatus") || str_eq(words->v[i], "ignorestatus=true"))
			ret->ignore_status = true;
		else if (!str_eq(format, "text"))
			return err_set(e, ERR_USAGE, "invalid --call: \"%.60s\": format=json, format=text and ignorestatus are known", words->v[i]);
	}
	return 0;
}

int build_call_is_build(const char *text, bool *ret, struct err *e)
{
	own(strv) struct strv words = {};
	struct call c;
	strv_split(&words, text, ',');
	if (read_call(&words, &c, e) < 0)
		return -1;
	*ret = strcmp(c.method, "build") == 0;
	return 0;
}

/* --- for people --- */

static struct source_place place_of(const struct json *location, unsigned *ret_last)
{
	const struct json *range = json_at(json_get(location, "ranges"), 0), *start = json_get(range, "start");
	*ret_last = (unsigned)json_u64(json_get(json_get(range, "end"), "line"));
	return (struct source_place){(unsigned)json_u64(json_get(start, "line")), (unsigned)json_u64(json_get(start, "character")) + 1};
}

static void show(const struct lexed *lines, const struct json *location, struct buf *out)
{
	unsigned last;
	struct source_place at = place_of(location, &last);
	if (!at.line)
		return;
	buf_printf(out, "%s:%u:%u\n", lines->name, at.line, at.column);
	lex_show(lines, at, 0, out);
}

static int put_check(const struct json *j, struct buf *out, struct err *e)
{
	const struct json *source = json_at(json_get(j, "sources"), 0), *warnings = json_get(j, "warnings"), *wrong = json_get(j, "buildError");
	own(buf) struct buf text = BUF(TEXT_MAX);
	struct lexed lines = {.name = json_get_str(source, "filename")};
	if (base64_decode(json_get_str(source, "data"), &text, e) < 0)
		return -1;
	strv_split(&lines.lines, buf_text(&text), '\n');
	size_t n = json_len(warnings);
	for (size_t i = 0; i < n; i++) {
		const struct json *w = json_at(warnings, i);
		buf_printf(out, "WARNING: %s - %s\n%s: %s\n", json_get_str(w, "ruleName"), json_get_str(w, "url"), json_get_str(w, "description"),
			json_get_str(w, "detail"));
		show(&lines, json_get(w, "location"), out);
		buf_char(out, '\n');
	}
	if (wrong) {
		buf_printf(out, "ERROR: %s\n", json_get_str(wrong, "message"));
		show(&lines, json_get(wrong, "location"), out);
		buf_char(out, '\n');
	}
	if (n)
		buf_printf(out, "Check complete, %zu warning%s been found!\n", n, n > 1 ? "s have" : " has");
	else if (!wrong)
		buf_str(out, "Check complete, no warnings found.\n");
	strv_drop(&lines.lines);
	return 0;
}

static int put_targets(const struct json *j, struct buf *out, struct err *e)
{
	static const struct cli_heading headings[] = {{"Target", "TARGET"}, {"Base", "BASE"}, {"Description", "DESCRIPTION"}, {NULL, NULL}};
	own(json) struct json *rows = json_new_array();
	const struct json *list = json_get(j, "targets");
	for (size_t i = 0; i < json_len(list); i++) {
		const struct json *t = json_at(list, i);
		const char *name = json_get_str(t, "name"), *about = json_get_str(t, "description");
		bool is_default = json_truth(json_get(t, "default"));
		struct json *row = json_new_object();
		own(mem) char *shown = mem_printf("%s%s%s", name ? name : "", name && is_default ? " " : "",
			is_default ? "(default)" : name ? "" : "(no name)");
		json_set_str(row, "Target", shown);
		json_set_str(row, "Base", json_get_str(t, "base"));
		json_set_str(row, "Description", about ? about : "");
		json_add(rows, row);
	}
	(void)out;
	return cli_format_rows(rows, NULL, "table {{.Target}}\t{{.Base}}\t{{.Description}}", headings, e);
}

/* One table of the outline; empty: none. */
static int put_table(const struct json *list, const char *key, const char *title, const char *preset, struct err *e)
{
	const struct cli_heading headings[] = {{"Name", title}, {"Value", "VALUE"}, {"Description", "DESCRIPTION"}, {"Required", "REQUIRED"}, {NULL, NULL}};
	own(json) struct json *rows = json_new_array();
	for (size_t i = 0; i < json_len(list); i++) {
		const struct json *item = json_at(list, i);
		const char *value = json_get_str(item, "value"), *about = json_get_str(item, "description");
		struct json *row = json_new_object();
		json_set_str(row, "Name", json_get_str(item, key));
		json_set_str(row, "Value", value ? value : "");
		json_set_str(row, "Description", about ? about : "");
		json_set_str(row, "Required", json_truth(json_get(item, "required")) ? "true" : "");
		json_add(rows, row);
	}
	if (!json_len(rows))
		return 0;
	return cli_printf(e, "\n") < 0 ? -1 : cli_format_rows(rows, NULL, preset, headings, e);
}

static int put_outline(const struct json *j, struct buf *out, struct err *e)
{
	const char *name = json_get_str(j, "name"), *about = json_get_str(j, "description");
	(void)out;
	if (cli_printf(e, "TARGET:      %s\n%s%s%s", name ? name : "(default)", about ? "DESCRIPTION: " : "", about ? about : "", about ? "\n" : "") < 0)
		return -1;
	if (put_table(json_get(j, "args"), "name", "BUILD ARG", "table {{.Name}}\t{{.Value}}\t{{.Description}}", e) < 0 ||
		put_table(json_get(j, "secrets"), "name", "SECRET", "table {{.Name}}\t{{.Required}}", e) < 0 ||
		put_table(json_get(j, "ssh"), "name", "SSH", "table {{.Name}}\t{{.Required}}", e) < 0)
		return -1;
	return put_table(json_get(j, "cache"), "ID", "CACHE MOUNT", "table {{.Name}}", e);
}

int build_call(struct engine *g, const struct build_request *q, const char *text, int *ret, struct err *e)
{
	own(strv) struct strv words = {};
	own(json) struct json *j = NULL;
	own(buf) struct buf out = BUF(TEXT_MAX);
	struct call c;
	strv_split(&words, text, ',');
	if (read_call(&words, &c, e) < 0 || build_describe(g, q, c.method, &j, e) < 0)
		return -1;
	*ret = !c.ignore_status && (json_len(json_get(j, "warnings")) || json_has(j, "buildError")) ? 1 : 0;
	if (c.json) {
		json_format(j, 2, &out);
		buf_char(&out, '\n');
	} else {
		int (*put)(const struct json *j, struct buf *out, struct err *e) = json_has(j, "targets") ? put_targets : json_has(j,
			"args") ? put_outline : put_check;
		if (put(j, &out, e) < 0)
			return -1;
	}
	return cli_print(&out, e);
}
