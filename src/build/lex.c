/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lex: see lex.h. One pass over the lines:
 *
 *   directives   # key=value, at the top only; the first line that is none ends them
 *   comments     also between continuation lines
 *   instruction  word, flags, text; a line whose last character is the escape goes on in the next; two escapes are a character
 *   here-docs    of RUN, COPY and ADD (of ONBUILD too): the lines up to the word, for each word in turn
 */
#include "build/lex.h"

#include "base/buf.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

struct lexer {
	struct lexed *l;
	struct arena *a;
	size_t next; /* the line that is read next, counted from 0 */
	struct strv comments; /* since the last line that was none */
	struct err *e;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\v' || c == '\f';
}

static const char *skip_blank(const char *s)
{
	while (is_blank(*s))
		s++;
	return s;
}

static bool is_empty(const char *s)
{
	return *skip_blank(s) == 0;
}

struct source_place lex_place(const struct lexed *l, const struct node *n, const char *needle)
{
	for (unsigned line = n->at.line; needle && *needle && line <= n->last && line <= l->lines.n; line++) {
		const char *row = l->lines.v[line - 1], *hit = strstr(row, needle);
		if (hit)
			return (struct source_place){line, (unsigned)(hit - row) + 1};
	}
	return n->at;
}

static int error_at(struct lexed *l, struct source_place at, struct err *e, const char *fmt, va_list ap)
{
	own(buf) struct buf b = BUF(8192);
	buf_vprintf(&b, fmt, ap);
	l->where = at;
	return err_set(e, ERR_USAGE, "%s:%u:%u: %s", l->name, at.line, at.column, buf_text(&b));
}

int lex_error(struct lexed *l, const struct node *n, const char *needle, struct err *e, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int r = error_at(l, lex_place(l, n, needle), e, fmt, ap);
	va_end(ap);
	return r;
}

static int fail(struct lexer *x, struct source_place at, const char *fmt, ...) printf_like(3, 4);
static int fail(struct lexer *x, struct source_place at, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int r = error_at(x->l, at, x->e, fmt, ap);
	va_end(ap);
	return r;
}

void lex_show(const struct lexed *l, struct source_place at, unsigned last, struct buf *out)
{
	unsigned first = at.line > 2 ? at.line - 2 : 1, end = (last > at.line ? last : at.line) + 2;
	if (last > at.line + 12)
		end = at.line + 12;
	buf_str(out, "--------------------\n");
	for (unsigned i = first; i <= end && i <= l->lines.n; i++) {
		own(mem) char *row = mem_ndup(l->lines.v[i - 1], strnlen(l->lines.v[i - 1], 400));
		for (char *p = row; *p; p++)
			if ((unsigned char)*p < ' ')
				*p = ' ';
		buf_printf(out, "%4u | %s%s\n", i, i >= at.line && i <= (last ? last : at.line) ? ">>> " : "    ", row);
		if (i == at.line && at.column > 0 && !last)
			buf_printf(out, "     |     %*s^\n", (int)(at.column > 400 ? 400 : at.column - 1), "");
	}
	buf_str(out, "--------------------\n");
}

/* --- directives --- */

static bool is_directive(const char *line, char key[32], const char **ret_value)
{
	const char *p = skip_blank(line);
	if (*p != '#')
		return false;
	p = skip_blank(p + 1);
	size_t n = 0;
	if (!isalpha((unsigned char)*p))
		return false;
	while (isalnum((unsigned char)p[n]))
		n++;
	const char *eq = skip_blank(p + n);
	if (*eq != '=' || n >= 32)
		return false;
	for (size_t i = 0; i < n; i++)
		key[i] = (char)tolower((unsigned char)p[i]);
	key[n] = 0;
	*ret_value = skip_blank(eq + 1);
	return true;
}

static char *trimmed(struct arena *a, const char *s)
{
	size_t n = strlen(s);
	while (n && is_blank(s[n - 1]))
		n--;
	return arena_ndup(a, s, n);
}

static int directives(struct lexer *x)
{
	bool has_escape = false;
	for (; x->next < x->l->lines.n; x->next++) {
		char key[32];
		const char *value;
		struct source_place at = {(unsigned)x->next + 1, 1};
		if (!is_directive(x->l->lines.v[x->next], key, &value))
			return 0;
		char *text = trimmed(x->a, value);
		char **slot = strcmp(key, "syntax") == 0 ? &x->l->syntax : strcmp(key, "check") == 0 ? &x->l->check : NULL;
		bool escape = strcmp(key, "escape") == 0;
		if (!slot && !escape)
			return 0;
		if ((slot && *slot) || (escape && has_escape))
			return fail(x, at, "only one %s parser directive can be used", key);
		if (slot) {
			*slot = text;
			continue;
		}
		has_escape = true;
		if (strcmp(text, "\\") != 0 && strcmp(text, "`") != 0)
			return fail(x, at, "invalid escape directive \"%.20s\": \\ and ` are known", text);
		x->l->escape = *text;
	}
	return 0;
}

/* --- here-documents --- */

/* The words of a line as a shell sees them are what may begin one: quotes hide it. `at` is moved behind the word. */
static bool next_word(const char **at, char escape, char out[1024])
{
	const char *p = skip_blank(*at);
	size_t n = 0;
	char quote = 0;
	if (!*p)
		return false;
	for (; *p && (quote || !is_blank(*p)); p++) {
		if (n + 2 >= 1024)
			break;
		if (*p == escape && quote != '\'' && p[1])
			out[n++] = *p++;
		else if (!quote && (*p == '"' || *p == '\''))
			quote = *p;
		else if (quote == *p)
			quote = 0;
		out[n++] = *p;
	}
	out[n] = 0;
	*at = p;
	return true;
}

/* [fd]<<[-]WORD, WORD may be quoted. */
static bool begins_heredoc(const char *word, struct heredoc *h, struct arena *a)
{
	while (isdigit((unsigned char)*word))
		word++;
	if (!str_has_prefix(word, "<<"))
		return false;
	word += 2;
	if (*word == '-') {
		h->chomp = true;
		word++;
	}
	if (!*word || strchr(word, '<'))
		return false;
	h->expand = true;
	char *name = arena_dup(a, word), *to = name;
	for (const char *p = word; *p; p++) {
		if (*p == '"' || *p == '\'' || *p == '\\')
			h->expand = false;
		else
			*to++ = *p;
	}
	*to = 0;
	h->name = name;
	return *name != 0;
}

static bool takes_heredocs(const char *word, const char *text)
{
	if (strcmp(word, "onbuild") == 0) {
		const char *p = skip_blank(text);
		return strncasecmp(p, "run ", 4) == 0 || strncasecmp(p, "copy ", 5) == 0 || strncasecmp(p, "add ", 4) == 0;
	}
	return strcmp(word, "run") == 0 || strcmp(word, "copy") == 0 || strcmp(word, "add") == 0;
}

static int read_heredoc(struct lexer *x, const struct node *n, struct heredoc *h)
{
	own(buf) struct buf body = BUF(LEX_MAX);
	for (; x->next < x->l->lines.n; x->next++) {
		const char *line = x->l->lines.v[x->next];
		while (h->chomp && *line == '\t')
			line++;
		size_t len = strlen(line);
		if (len && line[len - 1] == '\r' && strncmp(line, h->name, len - 1) == 0 && h->name[len - 1] == 0)
			len--;
		if (strncmp(line, h->name, len) == 0 && h->name[len] == 0) {
			x->next++;
			h->body = arena_dup(x->a, buf_text(&body));
			return 0;
		}
		buf_printf(&body, "%s\n", line);
	}
	return fail(x, n->at, "unterminated here-document: no line is %s", h->name);
}

static int heredocs(struct lexer *x, struct node *n)
{
	const char *at = n->text;
	char word[1024];
	if (!takes_heredocs(n->word, n->text))
		return 0;
	while (next_word(&at, x->l->escape, word)) {
		struct heredoc h = {};
		if (!begins_heredoc(word, &h, x->a))
			continue;
		if (n->docs.n == 64)
			return fail(x, n->at, "more than 64 here-documents in one instruction");
		if (read_heredoc(x, n, &h) < 0)
			return -1;
		*arena_push(x->a, &n->docs) = h;
	}
	return 0;
}

/* --- flags --- */

static int flags(struct lexer *x, struct node *n, const char **text)
{
	const char *p = skip_blank(*text);
	while (str_has_prefix(p, "--")) {
		own(buf) struct buf w = BUF(65536);
		const char *start = p;
		char quote = 0;
		for (; *p && (quote || !is_blank(*p)); p++) {
			if (*p == x->l->escape && quote != '\'' && p[1])
				buf_char(&w, *++p);
			else if (!quote && (*p == '"' || *p == '\''))
				quote = *p;
			else if (quote == *p)
				quote = 0;
			else
				buf_char(&w, *p);
		}
		p = skip_blank(p);
		if (strcmp(buf_text(&w), "--") == 0)
			break;
		const char *word = buf_text(&w) + 2, *eq = strchr(word, '=');
		own(mem) char *name = eq ? mem_ndup(word, (size_t)(eq - word)) : mem_dup(word);
		own(mem) char *raw = mem_ndup(start, strcspn(start, " \t="));
		*arena_push(x->a, &n->flags) = (struct flag){arena_dup(x->a, name), eq ? arena_dup(x->a, eq + 1) : NULL, lex_place(x->l, n, raw)};
	}
	*text = p;
	return 0;
}

/* --- instructions --- */

static int split(struct lexer *x, const char *line, struct node *n)
{
	const char *p = skip_blank(line);
	size_t len = 0;
	while (p[len] && !is_blank(p[len]))
		len++;
	n->as_written = arena_ndup(x->a, p, len);
	n->word = arena_ndup(x->a, p, len);
	str_lower(n->word);
	n->original = trimmed(x->a, p);
	const char *rest = p + len;
	if (flags(x, n, &rest) < 0)
		return -1;
	n->text = trimmed(x->a, rest);
	return 0;
}

/* Does the line go on in the next? *len: of what counts. */
static bool goes_on(const char *line, char escape, size_t *len)
{
	size_t n = strlen(line);
	while (n && (is_blank(line[n - 1])))
		n--;
	if (!n || line[n - 1] != escape || (n > 1 && line[n - 2] == escape))
		return false;
	*len = n - 1;
	return true;
}

static int instruction(struct lexer *x)
{
	own(buf) struct buf whole = BUF(LEX_MAX);
	struct node n = {.at = {(unsigned)x->next + 1, 1}};
	const char *first = x->l->lines.v[x->next];
	n.at.column = (unsigned)(skip_blank(first) - first) + 1;
	bool more = true;
	for (bool begun = false; more && x->next < x->l->lines.n; begun = true) {
		const char *line = x->l->lines.v[x->next++];
		size_t len = strlen(line);
		if (begun && *skip_blank(line) == '#')
			continue;
		if (begun && is_empty(line)) {
			n.empty_line = (unsigned)x->next;
			continue;
		}
		more = goes_on(line, x->l->escape, &len);
		const char *from = begun ? line : skip_blank(line);
		if (from < line + len)
			buf_add(&whole, from, len - (size_t)(from - line));
	}
	n.last = n.words_last = (unsigned)x->next;
	n.comments = x->comments;
	x->comments = (struct strv){};
	if (whole.full)
		return fail(x, n.at, "the instruction is too long");
	if (is_empty(buf_text(&whole)))
		return 0;
	if (split(x, buf_text(&whole), &n) < 0 || heredocs(x, &n) < 0)
		return -1;
	n.last = (unsigned)x->next;
	if (x->l->nodes.n == LEX_NODES)
		return fail(x, n.at, "more than %d instructions", LEX_NODES);
	*arena_push(x->a, &x->l->nodes) = n;
	return 0;
}

static void split_lines(struct arena *a, const char *text, size_t len, struct strv *out)
{
	for (size_t at = 0; at < len;) {
		const char *end = memchr(text + at, '\n', len - at);
		size_t n = end ? (size_t)(end - text) - at : len - at;
		own(mem) char *row = mem_ndup(text + at, n);
		arena_strv_add(a, out, row);
		at += n + 1;
	}
}

int lex(const char *name, const char *text, size_t len, struct arena *a, struct lexed *ret, struct err *e)
{
	*ret = (struct lexed){.name = arena_dup(a, name), .escape = '\\'};
	if (len > LEX_MAX)
		return err_set(e, ERR_LIMIT, "%s: more than %d bytes", name, LEX_MAX);
	if (memchr(text, 0, len))
		return err_set(e, ERR_USAGE, "%s: not a text file", name);
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		text += 3;
		len -= 3;
	}
	split_lines(a, text, len, &ret->lines);
	struct lexer x = {.l = ret, .a = a, .e = e};
	if (directives(&x) < 0)
		return -1;
	while (x.next < ret->lines.n) {
		const char *line = skip_blank(ret->lines.v[x.next]);
		if (*line == '#')
			arena_strv_add(a, &x.comments, trimmed(a, skip_blank(line + 1)));
		if (*line == 0)
			x.comments = (struct strv){};
		if (*line == 0 || *line == '#')
			x.next++;
		else if (instruction(&x) < 0)
			return -1;
	}
	return 0;
}

int lex_line(struct lexed *l, const char *text, unsigned line, struct arena *a, struct node *ret, struct err *e)
{
	own(strv) struct strv rows = {};
	strv_split(&rows, text, '\n');
	struct lexed inner = {.name = l->name, .escape = l->escape, .lines = rows};
	struct lexer x = {.l = &inner, .a = a, .e = e};
	if (!rows.n || is_empty(rows.v[0]))
		return err_set(e, ERR_USAGE, "%s:%u: an empty instruction", l->name, line);
	if (instruction(&x) < 0)
		return -1;
	if (inner.nodes.n != 1)
		return err_set(e, ERR_USAGE, "%s:%u: an empty instruction", l->name, line);
	*ret = inner.nodes.v[0];
	ret->at.line = ret->last = line;
	for (size_t i = 0; i < ret->flags.n; i++)
		ret->flags.v[i].at = ret->at;
	return 0;
}
