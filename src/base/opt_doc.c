/* SPDX-License-Identifier: Apache-2.0 */
/*
 * opt_doc: a command's rows as `--help` (docker's layout, 80 columns) and as a man page.
 *
 * Both say what the rows say and nothing else. Text goes into the man page through roff(), so that no dot,
 * quote or backslash of a row is taken for a request.
 */
#include "base/opt.h"

#include "base/buf.h"

#include <ctype.h>
#include <stdio.h>

enum { WIDTH = 80 };

/* Words of text from column `at` on, further lines indented to it. */
static void wrap(const char *text, size_t at, struct buf *out)
{
	size_t column = at;
	bool first = true;
	while (*text) {
		size_t n = strcspn(text, " ");
		if (!first && column + 1 + n > WIDTH) {
			buf_printf(out, "\n%*s", (int)at, "");
			column = at;
			first = true;
		}
		if (!first) {
			buf_char(out, ' ');
			column++;
		}
		buf_add(out, text, n);
		column += n;
		first = false;
		text += n;
		text += strspn(text, " ");
	}
	buf_char(out, '\n');
}

/* "-f, --filter filter", "    --cpus decimal" */
static char *heading(const struct opt *o)
{
	char letter[] = {'-', o->letter, ',', ' ', 0};
	const char *arg = o->type == OPT_BOOL ? NULL : o->arg ? o->arg : "string";
	if (o->type == OPT_OPTSTR)
		return mem_printf("%s--%s%s[=%s]", o->letter ? letter : "    ", o->name, "", arg);
	return mem_printf("%s--%s%s%s", o->letter ? letter : "    ", o->name, arg ? " " : "", arg ? arg : "");
}

static bool shown(const struct opt *o)
{
	return !(o->flags & OPT_HIDDEN);
}

static void help_options(const struct cmd *c, struct buf *out)
{
	size_t width = 0;
	bool any = false;
	for (size_t i = 0; i < c->nopts; i++) {
		own(mem) char *h = heading(&c->opts[i]);
		if (!shown(&c->opts[i]))
			continue;
		any = true;
		width = strlen(h) > width ? strlen(h) : width;
	}
	if (!any)
		return;
	buf_str(out, "\nOptions:\n");
	for (size_t i = 0; i < c->nopts; i++) {
		if (!shown(&c->opts[i]))
			continue;
		own(mem) char *h = heading(&c->opts[i]);
		buf_printf(out, "  %-*s   ", (int)width, h);
		wrap(c->opts[i].help ? c->opts[i].help : "", width + 5, out);
	}
}

static void help_commands(const struct cmd *c, const char *path, struct buf *out)
{
	size_t width = 0;
	for (const struct cmd *const *s = c->sub; *s; s++)
		if (!((*s)->flags & CMD_HIDDEN) && strlen((*s)->name) > width)
			width = strlen((*s)->name);
	buf_str(out, "\nCommands:\n");
	for (const struct cmd *const *s = c->sub; *s; s++) {
		if ((*s)->flags & CMD_HIDDEN)
			continue;
		buf_printf(out, "  %-*s   ", (int)width, (*s)->name);
		wrap((*s)->summary ? (*s)->summary : "", width + 5, out);
	}
	buf_printf(out, "\nRun '%s COMMAND --help' for more information on a command.\n", path);
}

static bool has_options(const struct cmd *c)
{
	for (size_t i = 0; i < c->nopts; i++)
		if (shown(&c->opts[i]))
			return true;
	return false;
}

static bool has_commands(const struct cmd *c)
{
	for (const struct cmd *const *s = c->sub; s && *s; s++)
		if (!((*s)->flags & CMD_HIDDEN))
			return true;
	return false;
}

/* "[OPTIONS] IMAGE [COMMAND]", with a blank before each part */
static char *synopsis(const struct cmd *c)
{
	const char *usage = c->usage ? c->usage : c->sub ? "COMMAND" : "";
	return mem_printf("%s%s%s", has_options(c) ? " [OPTIONS]" : "", *usage ? " " : "", usage);
}

void opt_help(const struct cmd *c, const char *path, struct buf *out)
{
	own(mem) char *s = synopsis(c);
	buf_printf(out, "Usage:  %s%s\n\n", path, s);
	wrap(c->summary ? c->summary : "", 0, out);
	help_options(c, out);
	if (has_commands(c))
		help_commands(c, path, out);
}

/* One character beyond ASCII, by its number; gives its last byte. */
static const char *roff_rune(const char *s, struct buf *out)
{
	unsigned char c = (unsigned char)*s;
	int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
	unsigned v = c & (0x3fu >> more);
	for (; more && ((unsigned char)s[1] & 0xc0) == 0x80; more--)
		v = v << 6 | ((unsigned char)*++s & 0x3f);
	buf_printf(out, "\\[u%04X]", v);
	return s;
}

/* Text for roff. Line breaks are kept; a blank line becomes a paragraph when `paragraphs`. */
static void roff(const char *text, bool paragraphs, struct buf *out)
{
	bool begin = true;
	for (; *text; text++) {
		if (begin && (*text == '.' || *text == '\''))
			buf_str(out, "\\&");
		if (begin && *text == '\n' && paragraphs) {
			buf_str(out, ".PP\n");
			continue;
		}
		begin = *text == '\n';
		if ((unsigned char)*text >= 0xc0)
			text = roff_rune(text, out);
		else if (*text == '\\')
			buf_str(out, "\\e");
		else if (*text == '-')
			buf_str(out, "\\-");
		else
			buf_char(out, *text);
	}
}

static void roff_line(const char *text, struct buf *out)
{
	roff(text, true, out);
	if (*text && text[strlen(text) - 1] != '\n')
		buf_char(out, '\n');
}

static void bold(const char *text, struct buf *out)
{
	buf_str(out, "\\fB");
	roff(text, false, out);
	buf_str(out, "\\fR");
}

static void man_option(const struct opt *o, struct buf *out)
{
	buf_str(out, ".TP\n");
	char letter[] = {'-', o->letter, 0};
	if (o->letter) {
		bold(letter, out);
		buf_str(out, ", ");
	}
	own(mem) char *name = mem_printf("--%s", o->name);
	bold(name, out);
	if (o->type != OPT_BOOL) {
		buf_str(out, o->type == OPT_OPTSTR ? "[=\\fI" : " \\fI");
		roff(o->arg ? o->arg : "string", false, out);
		buf_str(out, o->type == OPT_OPTSTR ? "\\fR]" : "\\fR");
	}
	buf_char(out, '\n');
	roff(o->help ? o->help : "", false, out);
	buf_str(out, ".\n");
	if (o->values && o->values[0] != '@') {
		buf_str(out, "Known values: ");
		for (const char *p = o->values; *p; p++)
			*p == ' ' ? buf_str(out, ", ") : buf_char(out, *p);
		buf_str(out, ".\n");
	}
	if (o->type == OPT_STRV)
		buf_str(out, "May be given several times.\n");
	if (o->alias) {
		own(mem) char *alias = mem_printf("--%s", o->alias);
		buf_str(out, "Also ");
		bold(alias, out);
		buf_str(out, ".\n");
	}
}

/* "hull container ls" as hull-container-ls, the name of its page. */
static char *page_of(const char *path)
{
	char *page = mem_dup(path);
	for (char *p = page; *p; p++)
		if (*p == ' ')
			*p = '-';
	return page;
}

static void man_reference(const char *page, struct buf *out)
{
	bold(page, out);
	buf_str(out, "(1)");
}

static void man_see_also(const struct cmd *c, const char *path, struct buf *out)
{
	const char *last = strrchr(path, ' ');
	if (!last)
		return;
	own(mem) char *parent = mem_ndup(path, (size_t)(last - path));
	own(mem) char *page = page_of(parent);
	(void)c;
	buf_str(out, ".SH SEE ALSO\n");
	man_reference(page, out);
	buf_char(out, '\n');
}

static void man_head(const struct cmd *c, const char *path, struct buf *out)
{
	own(mem) char *page = page_of(path);
	own(mem) char *s = synopsis(c);
	buf_str(out, ".\\\" Made from the table of options; do not edit.\n.TH ");
	for (const char *p = page; *p; p++) {
		if (*p == '-')
			buf_str(out, "\\-");
		else
			buf_char(out, (char)toupper((unsigned char)*p));
	}
	buf_str(out, " 1 \"\" \"hull " HULL_VERSION "\" \"hull\"\n.SH NAME\n");
	roff(page, false, out);
	buf_str(out, " \\- ");
	roff_line(c->summary ? c->summary : "", out);
	buf_str(out, ".SH SYNOPSIS\n");
	bold(path, out);
	roff(s, false, out);
	buf_char(out, '\n');
}

void opt_man(const struct cmd *c, const char *path, struct buf *out)
{
	man_head(c, path, out);
	buf_str(out, ".SH DESCRIPTION\n");
	own(mem) char *sentence = mem_printf("%s.", c->summary ? c->summary : "");
	roff_line(c->about ? c->about : sentence, out);
	if (has_options(c))
		buf_str(out, ".SH OPTIONS\n");
	for (size_t i = 0; i < c->nopts; i++)
		if (shown(&c->opts[i]))
			man_option(&c->opts[i], out);
	if (has_commands(c))
		buf_str(out, ".SH COMMANDS\n");
	for (const struct cmd *const *s = c->sub; s && *s; s++) {
		if ((*s)->flags & CMD_HIDDEN)
			continue;
		own(mem) char *below = mem_printf("%s %s", path, (*s)->name);
		own(mem) char *page = page_of(below);
		buf_str(out, ".TP\n");
		man_reference(page, out);
		buf_char(out, '\n');
		roff((*s)->summary ? (*s)->summary : "", false, out);
		buf_str(out, ".\n");
	}
	if (c->examples) {
		buf_str(out, ".SH EXAMPLES\n.nf\n");
		roff(c->examples, false, out);
		buf_str(out, c->examples[0] && c->examples[strlen(c->examples) - 1] == '\n' ? ".fi\n" : "\n.fi\n");
	}
	man_see_also(c, path, out);
}
