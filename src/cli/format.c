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

struct cli_rows {
	struct tmpl *tmpl;
	struct tab *table; /* NULL: a line a row */
	struct buf out;
};

void cli_rows_drop(struct cli_rows **r)
{
	if (!*r)
		return;
	tmpl_drop(&(*r)->tmpl);
	tab_drop(&(*r)->table);
	buf_drop(&(*r)->out);
	mem_drop(r);
}

/* out: a line as the template made it; empty afterwards. */
static void line_to_table(struct tab *table, struct buf *out)
{
	(void)buf_text(out);
	add_lines(table, out->data);
	buf_reset(out);
}

static int add_heading(struct cli_rows *r, const struct cli_heading *headings, struct err *e)
{
	own(json) struct json *titles = json_new_object();
	for (; headings->key; headings++)
		json_set_str(titles, headings->key, headings->title);
	if (run(r->tmpl, titles, NULL, true, &r->out, e) < 0)
		return -1;
	line_to_table(r->table, &r->out);
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

int cli_rows_new(const char *format, const char *preset, const struct cli_heading *headings, struct cli_rows **ret, struct err *e)
{
	if (str_is_empty(format) || strcmp(format, "table") == 0)
		format = preset;
	if (strcmp(format, "json") == 0)
		format = "{{json .}}";
	own(mem) char *text = unescape(format);
	char *body = trim(text);
	bool is_table = str_has_prefix(body, "table");
	own(cli_rows) struct cli_rows *r = mem_alloc(sizeof *r);
	r->table = is_table ? tab_new() : NULL;
	if (tmpl_parse(is_table ? trim(body + strlen("table")) : body, &r->tmpl, e) < 0 || (is_table && add_heading(r, headings, e) < 0))
		return err_wrap(e, "--format");
	*ret = take(r);
	return 0;
}

void cli_rows_no_heading(struct cli_rows *r)
{
	if (!r->table)
		return;
	tab_drop(&r->table);
	r->table = tab_new();
}

int cli_rows_add(struct cli_rows *r, struct json *row, struct err *e)
{
	own(json) struct json *labels = json_has(row, LABELS) ? json_ref(json_get(row, LABELS)) : NULL;
	if (!labels)
		labels = json_new_object();
	json_del(row, LABELS);
	if (run(r->tmpl, row, labels, false, &r->out, e) < 0)
		return err_wrap(e, "--format");
	if (r->table)
		line_to_table(r->table, &r->out);
	else
		buf_char(&r->out, '\n');
	return 0;
}

int cli_rows_print(struct cli_rows *r, struct err *e)
{
	if (r->table)
		tab_format(r->table, &r->out);
	return cli_print(&r->out, e);
}

int cli_rows_print_cut(struct cli_rows *r, size_t lines, size_t columns, struct err *e)
{
	own(buf) struct buf shown = {};
	size_t line = 0, column = 0;
	if (r->table)
		tab_format(r->table, &r->out);
	for (size_t i = 0; i < r->out.len && (!lines || line < lines); i++) {
		char c = r->out.data[i];
		/* A character's later bytes share its cell. */
		column += ((unsigned char)c & 0xc0) != 0x80;
		if (c == '\n')
			line++, column = 0;
		if (c == '\n' || !columns || column <= columns)
			buf_char(&shown, c);
	}
	return cli_print(&shown, e);
}

int cli_format_rows(const struct json *rows, const char *format, const char *preset, const struct cli_heading *headings, struct err *e)
{
	own(cli_rows) struct cli_rows *r = NULL;
	if (cli_rows_new(format, preset, headings, &r, e) < 0)
		return -1;
	for (size_t i = 0; i < json_len(rows); i++)
		if (cli_rows_add(r, json_at(rows, i), e) < 0)
			return -1;
	return cli_rows_print(r, e);
}
