/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format: docker's --format. A row is an object with the keys that docker documents for the list. What only a method needs,
 * {{.Label "x"}} the labels, comes along under the key ".labels" and is taken out before the template sees the
 * row, so that {{json .}} is docker's.
 *
 * A table is the template run over the headings, where docker's own functions give back what they get, and then over each
 * row; cells end at tab characters.
 */
#include "cli/cli.h"

#include "base/tab.h"
#include "codec/tmpl.h"

#define LABELS ".labels"

/* {{.Label "com.docker.cpu-count"}} is headed "cpu count". */
static struct json *label_heading(const char *name)
{
	const char *dot = strrchr(name, '.');
	own(mem) char *words = mem_dup(dot ? dot + 1 : name);
	for (char *p = words; *p; p++)
		if (*p == '-' || *p == '_')
			*p = ' ';
	return json_new_str(words);
}

/* arg: the labels of the row, NULL for the heading. */
static struct json *method(void *arg, const struct json *dot unused, const char *name, const struct json *const *args, size_t n, bool *known)
{
	*known = strcmp(name, "Label") == 0 && n == 1 && json_kind(args[0]) == JSON_STRING;
	if (!*known)
		return NULL;
	if (!arg)
		return label_heading(json_str(args[0]));
	const char *value = json_get_str(arg, json_str(args[0]));
	return json_new_str(value ? value : "");
}

static int run(const struct tmpl *t, const struct json *row, const struct json *labels, bool heading, struct buf *out, struct err *e)
{
	struct tmpl_options o = {.strict = true, .heading = heading, .method = method, .arg = (void *)(uintptr_t)labels};
	return tmpl_execute(t, row, &o, out, e);
}

/* Each line of the text becomes a row of the table. */
static void add_lines(struct tab *t, char *text)
{
	for (char *end; text; text = end) {
		end = strchr(text, '\n');
		if (end)
			*end++ = 0;
		tab_split(t, text);
		tab_line(t);
	}
}

static int format_heading(struct tab *table, const struct tmpl *t, const struct cli_heading *headings, struct err *e)
{
	own(json) struct json *titles = json_new_object();
	own(buf) struct buf b = {};
	for (; headings->key; headings++)
		json_set_str(titles, headings->key, headings->title);
	if (run(t, titles, NULL, true, &b, e) < 0)
		return -1;
	own(mem) char *line = buf_take(&b);
	add_lines(table, line);
	return 0;
}

static int format_row(struct tab *table, const struct tmpl *t, struct json *row, struct buf *out, struct err *e)
{
	own(json) struct json *labels = json_has(row, LABELS) ? json_ref(json_get(row, LABELS)) : NULL;
	if (!labels)
		labels = json_new_object();
	json_del(row, LABELS);
	if (!table) {
		if (run(t, row, labels, false, out, e) < 0)
			return -1;
		buf_char(out, '\n');
		return 0;
	}
	own(buf) struct buf b = {};
	if (run(t, row, labels, false, &b, e) < 0)
		return -1;
	own(mem) char *line = buf_take(&b);
	add_lines(table, line);
	return 0;
}

/* A backslash and t or n, as a shell hands them on, are a tab and a line break. */
static char *unescape(const char *format)
{
	own(buf) struct buf b = {};
	for (const char *p = format; *p; p++) {
		bool escape = p[0] == '\\' && (p[1] == 't' || p[1] == 'n');
		buf_char(&b, !escape ? *p : p[1] == 't' ? '\t' : '\n');
		p += escape;
	}
	return buf_take(&b);
}

/* Blanks only: a line break at the end of a template is meant. */
static char *trim(char *s)
{
	s += strspn(s, " ");
	for (size_t n = strlen(s); n && s[n - 1] == ' ';)
		s[--n] = 0;
	return s;
}

int cli_format_rows(const struct json *rows, const char *format, const char *preset, const struct cli_heading *headings, struct err *e)
{
	if (str_is_empty(format) || strcmp(format, "table") == 0)
		format = preset;
	if (strcmp(format, "json") == 0)
		format = "{{json .}}";
	own(mem) char *text = unescape(format);
	char *body = trim(text);
	bool is_table = str_has_prefix(body, "table");
	own(tmpl) struct tmpl *t = NULL;
	own(tab) struct tab *table = is_table ? tab_new() : NULL;
	own(buf) struct buf out = {};
	if (tmpl_parse(is_table ? trim(body + strlen("table")) : body, &t, e) < 0)
		return err_wrap(e, "--format");
	if (is_table && format_heading(table, t, headings, e) < 0)
		return err_wrap(e, "--format");
	for (size_t i = 0; i < json_len(rows); i++)
		if (format_row(table, t, json_at(rows, i), &out, e) < 0)
			return err_wrap(e, "--format");
	if (is_table)
		tab_format(table, &out);
	return cli_print(&out, e);
}
