/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tmpl_parse: text to tree, with the grammar and the messages of Go's text/template/parse.
 *
 * Text runs up to `{{`; then words are read one by one, a word ahead (p->word). A word knows whether blanks stood
 * before it, because `.a .b` are two arguments and `.a.b` is one. A field chain reports its last name's place, as Go does.
 * Variables are checked here: a list of the names in scope, cut back at the end of each block.
 */
#include "codec/tmpl_tree.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { DEPTH = 64 };

enum word_kind { W_FIELD, W_VARIABLE, W_NAME, W_DOT, W_STRING, W_RAW, W_CHAR, W_NUMBER, W_OPEN,
	W_SHUT, W_PIPE, W_ASSIGN, W_DECLARE, W_OTHER, W_END /* from W_SHUT on: no operand begins so */ };
struct word {
	enum word_kind kind;
	size_t from, to;
	bool spaced; /* blanks before it */
};

enum stop { STOP_EOF, STOP_END, STOP_ELSE };
struct parser {
	struct tmpl *t;
	const char *text;
	size_t at;         /* behind p->word */
	struct word word;
	struct strv vars;
	int depth, loops, parens;
	bool trim;         /* the text that follows begins with blanks to be dropped */
	enum stop stop;
	struct err *e;
};

static int fail(struct parser *p, const char *fmt, ...) printf_like(2, 3);
static int fail(struct parser *p, const char *fmt, ...)
{
	char text[600];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	int line = 1;
	for (size_t i = 0; i < p->at && p->text[i]; i++)
		line += p->text[i] == '\n';
	return err_set(p->e, ERR_USAGE, "template: :%d: %s", line, text);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_letter(char c)
{
	return c == '_' || isalnum((unsigned char)c) || (unsigned char)c >= 0x80;
}

static bool starts(const struct parser *p, size_t at, const char *s)
{
	return strncmp(p->text + at, s, strlen(s)) == 0;
}

/* Names and fields end before one of these; anything else in the middle of them is a slip (.a-b). */
static bool is_terminator(const struct parser *p, size_t at)
{
	char c = p->text[at];
	return !c || is_blank(c) || strchr(".,|:()", c) || starts(p, at, "}}");
}

static int bad_character(struct parser *p, size_t at, const char *what)
{
	unsigned char c = (unsigned char)p->text[at];
	return fail(p, c >= 0x20 && c < 0x7f ? "%s U+%04X '%c'" : "%s U+%04X", what, c, c);
}

static int lex_name(struct parser *p, enum word_kind kind, size_t skip)
{
	struct word *w = &p->word;
	w->kind = kind;
	w->to += skip;
	while (is_letter(p->text[w->to]))
		w->to++;
	if (!is_terminator(p, w->to))
		return bad_character(p, w->to, "bad character");
	return 0;
}

static int lex_number(struct parser *p)
{
	struct word *w = &p->word;
	w->kind = W_NUMBER;
	w->to++;
	for (char c; (c = p->text[w->to]); w->to++) {
		char before = p->text[w->to - 1];
		if (!is_letter(c) && c != '.' && !((c == '+' || c == '-') && (before == 'e' || before == 'E')))
			break;
	}
	return 0;
}

static int lex_quoted(struct parser *p, char quote)
{
	struct word *w = &p->word;
	w->kind = quote == '"' ? W_STRING : quote == '`' ? W_RAW : W_CHAR;
	for (w->to++; p->text[w->to] != quote; w->to++) {
		if (quote != '`' && p->text[w->to] == '\\' && p->text[w->to + 1])
			w->to++;
		if (!p->text[w->to] || (quote != '`' && p->text[w->to] == '\n'))
			return fail(p, quote == '"' ? "unterminated quoted string" : quote == '`' ? "unterminated raw quoted string" :
				"unterminated character constant");
	}
	w->to++;
	return 0;
}

static int lex_end(struct parser *p, bool trim)
{
	if (p->parens)
		return fail(p, "unclosed left paren");
	p->word.kind = W_END;
	p->word.to += trim ? 3 : 2;
	p->trim = trim;
	return 0;
}

static int lex_sign(struct parser *p)
{
	static const struct { const char *text; enum word_kind kind; } signs[] = {{":=", W_DECLARE}, {"=", W_ASSIGN}, {"|", W_PIPE},
		{"(", W_OPEN}, {")", W_SHUT}};
	struct word *w = &p->word;
	for (size_t i = 0; i < countof(signs); i++)
		if (starts(p, w->from, signs[i].text)) {
			w->kind = signs[i].kind;
			w->to += strlen(signs[i].text);
			p->parens += w->kind == W_OPEN;
			p->parens -= w->kind == W_SHUT;
			return p->parens < 0 ? fail(p, "unexpected right paren") : 0;
		}
	if (!isprint((unsigned char)p->text[w->from]))
		return bad_character(p, w->from, "unrecognized character in action:");
	w->kind = W_OTHER;
	w->to++;
	return 0;
}

static int lex_at(struct parser *p)
{
	const char *s = p->text + p->word.from;
	if (!*s)
		return fail(p, "unclosed action");
	if (starts(p, p->word.from, "}}"))
		return lex_end(p, false);
	if (p->word.spaced && starts(p, p->word.from, "-}}"))
		return lex_end(p, true);
	if (*s == '"' || *s == '`' || *s == '\'')
		return lex_quoted(p, *s);
	if (isdigit((unsigned char)*s) || *s == '+' || *s == '-' || (*s == '.' && isdigit((unsigned char)s[1])))
		return lex_number(p);
	if (*s == '.')
		return lex_name(p, is_letter(s[1]) ? W_FIELD : W_DOT, 1);
	if (*s == '$')
		return lex_name(p, W_VARIABLE, 1);
	if (is_letter(*s))
		return lex_name(p, W_NAME, 0);
	return lex_sign(p);
}

/* Reads the next word of an action into p->word. */
static int next(struct parser *p)
{
	size_t at = p->at;
	while (is_blank(p->text[at]))
		at++;
	p->word = (struct word){.from = at, .to = at, .spaced = at > p->at};
	p->at = at;
	int r = lex_at(p);
	p->at = p->word.to;
	return r;
}

static bool word_is(const struct parser *p, const char *text)
{
	size_t n = p->word.to - p->word.from;
	return strlen(text) == n && memcmp(p->text + p->word.from, text, n) == 0;
}

static bool is_keyword(const struct parser *p)
{
	static const char *const words[] = {"if", "else", "range", "with", "end", "break", "continue", "define", "template", "block"};
	for (size_t i = 0; i < countof(words); i++)
		if (p->word.kind == W_NAME && word_is(p, words[i]))
			return true;
	return false;
}

static int unexpected(struct parser *p, const char *context)
{
	const struct word *w = &p->word;
	size_t n = w->to - w->from;
	own(buf) struct buf b = {};
	if (is_keyword(p) || (w->kind == W_NAME && word_is(p, "nil"))) {
		buf_printf(&b, "<%.*s>", (int)n, p->text + w->from);
	} else {
		tmpl_quote(p->text + w->from, n > 10 ? 10 : n, &b);
		buf_str(&b, n > 10 ? "..." : "");
	}
	return fail(p, "unexpected %s in %s", buf_text(&b), context);
}

static void keep_literal(struct parser *p, struct operand *o, struct json *j)
{
	o->kind = ARG_LITERAL;
	o->literal = j;
	json_add(p->t->literals, j);
}

/* One character of a quoted string behind a backslash; gives what follows it or NULL. */
static const char *unescape(const char *s, struct buf *b)
{
	static const char names[] = "a\ab\bf\fn\nr\rt\tv\v\\\\\"\"''";
	for (const char *n = names; *n; n += 2)
		if (*n == *s) {
			buf_char(b, n[1]);
			return s + 1;
		}
	int digits = *s == 'x' ? 2 : *s == 'u' ? 4 : *s == 'U' ? 8 : *s >= '0' && *s <= '7' ? 3 : 0;
	uint32_t v = 0, base = digits == 3 ? 8 : 16;
	bool byte = digits < 4;
	if (digits != 3)
		s++;
	for (int i = 0; i < digits; i++, s++) {
		if (!isxdigit((unsigned char)*s) || (base == 8 && *s > '7'))
			return NULL;
		v = v * base + (uint32_t)(*s <= '9' ? *s - '0' : (*s | 0x20) - 'a' + 10);
	}
	if (!digits || v > (byte ? 0xff : 0x10ffff) || (v >= 0xd800 && v < 0xe000))
		return NULL;
	if (byte)
		buf_char(b, (char)v);
	else
		tmpl_put_rune(v, b);
	return s;
}

static int unquote(struct parser *p, struct buf *b)
{
	const char *s = p->text + p->word.from + 1, *end = p->text + p->word.to - 1;
	while (s < end) {
		if (*s != '\\' || p->word.kind == W_RAW) {
			buf_char(b, *s++);
			continue;
		}
		s = unescape(s + 1, b);
		if (!s || s > end)
			return fail(p, "invalid syntax");
	}
	return 0;
}

static int parse_string(struct parser *p, struct operand *o)
{
	own(buf) struct buf b = {};
	if (unquote(p, &b) < 0)
		return -1;
	if (p->word.kind != W_CHAR) {
		keep_literal(p, o, json_new_str_n(buf_text(&b), b.len));
		return 0;
	}
	const unsigned char *s = (const unsigned char *)buf_text(&b);
	size_t n = s[0] < 0x80 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (b.len != n)
		return fail(p, "malformed character constant: %.*s", (int)(p->word.to - p->word.from), p->text + p->word.from);
	uint32_t v = n == 1 ? s[0] : s[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++)
		v = v << 6 | (s[i] & 0x3f);
	keep_literal(p, o, json_new_i64(v));
	return 0;
}

static bool integer_of(const char *s, int64_t *ret)
{
	static const struct { const char *prefix; int base; } bases[] = {{"0x", 16}, {"0X", 16}, {"0b", 2}, {"0B", 2}, {"0o", 8},
		{"0O", 8}, {"0", 8}, {"", 10}};
	bool minus = *s == '-';
	s += *s == '-' || *s == '+';
	size_t i = 0;
	while (!str_has_prefix(s, bases[i].prefix) || (i == 6 && !s[1]))
		i++;
	s += strlen(bases[i].prefix);
	char *end;
	errno = 0;
	unsigned long long v = isxdigit((unsigned char)*s) ? strtoull(s, &end, bases[i].base) : 0;
	if (!isxdigit((unsigned char)*s) || *end || errno || v > INT64_MAX)
		return false;
	*ret = minus ? -(int64_t)v : (int64_t)v;
	return true;
}

static int parse_number(struct parser *p, struct operand *o)
{
	size_t n = p->word.to - p->word.from;
	const char *text = p->text + p->word.from;
	own(buf) struct buf digits = {};
	for (size_t i = 0; i < n; i++)
		if (text[i] != '_')
			buf_char(&digits, text[i]);
	const char *s = buf_text(&digits);
	int64_t v;
	if (integer_of(s, &v)) {
		keep_literal(p, o, json_new_i64(v));
		return 0;
	}
	char *end;
	double d = strtod(s, &end);
	s += *s == '-' || *s == '+';
	if (*end || !(isdigit((unsigned char)*s) || *s == '.'))
		return fail(p, "bad number syntax: \"%.*s\"", (int)n, text);
	keep_literal(p, o, json_new_double(d));
	return 0;
}

static const char *word_text(struct parser *p)
{
	return arena_ndup(&p->t->arena, p->text + p->word.from, p->word.to - p->word.from);
}

static int parse_pipe(struct parser *p, const char *context, enum word_kind end, struct pipe **ret);

static int parse_name(struct parser *p, struct operand *o)
{
	const char *name = word_text(p);
	if (is_keyword(p))
		return unexpected(p, "operand");
	if (strcmp(name, "nil") == 0) {
		o->kind = ARG_NIL;
	} else if (strcmp(name, "true") == 0 || strcmp(name, "false") == 0) {
		keep_literal(p, o, json_new_bool(name[0] == 't'));
	} else {
		o->kind = ARG_FUNCTION;
		o->name = name;
		o->func = tmpl_func_find(name);
		if (!o->func)
			return fail(p, "function \"%s\" not defined", name);
	}
	return 0;
}

static int parse_variable(struct parser *p, struct operand *o)
{
	o->kind = ARG_VARIABLE;
	o->name = word_text(p);
	return strv_has(&p->vars, o->name) ? 0 : fail(p, "undefined variable \"%s\"", o->name);
}

static int parse_parenthesis(struct parser *p, struct operand *o)
{
	o->kind = ARG_PIPE;
	if (++p->depth > DEPTH)
		return fail(p, "nested too deeply");
	if (next(p) < 0 || parse_pipe(p, "parenthesized pipeline", W_SHUT, &o->pipe) < 0)
		return -1;
	p->depth--;
	o->where.to = p->word.to;
	return 0;
}

static int parse_term(struct parser *p, struct operand *o)
{
	switch (p->word.kind) {
	case W_DOT: o->kind = ARG_DOT; return 0;
	case W_FIELD:
		o->kind = ARG_FIELD;
		arena_strv_add(&p->t->arena, &o->fields, word_text(p) + 1);
		return 0;
	case W_VARIABLE: return parse_variable(p, o);
	case W_NAME: return parse_name(p, o);
	case W_NUMBER: return parse_number(p, o);
	case W_STRING:
	case W_RAW:
	case W_CHAR: return parse_string(p, o);
	case W_OPEN: return parse_parenthesis(p, o);
	default: return unexpected(p, "operand");
	}
}

/* p->word begins the operand; afterwards it is the first word behind it. */
static int parse_operand(struct parser *p, struct operand *o)
{
	size_t from = p->word.from;
	*o = (struct operand){.where = {from, from, p->word.to}};
	if (parse_term(p, o) < 0 || next(p) < 0)
		return -1;
	for (bool first = true; p->word.kind == W_FIELD && !p->word.spaced; first = false) {
		if (o->kind != ARG_FIELD && o->kind != ARG_VARIABLE && o->kind != ARG_PIPE) {
			own(buf) struct buf term = {};
			tmpl_quote(p->text + from, o->where.to - from, &term);
			return fail(p, "unexpected . after term %s", buf_text(&term));
		}
		if (first)
			o->where.at = p->word.from;
		arena_strv_add(&p->t->arena, &o->fields, word_text(p) + 1);
		o->where.to = p->word.to;
		if (next(p) < 0)
			return -1;
	}
	return 0;
}

static int parse_command(struct parser *p, struct command *c)
{
	*c = (struct command){.where = {p->word.from, p->word.from, p->word.to}};
	for (bool first = true; p->word.kind != W_END && p->word.kind != W_SHUT && p->word.kind != W_PIPE; first = false) {
		if (!first && !p->word.spaced)
			return unexpected(p, "operand");
		struct operand o;
		if (parse_operand(p, &o) < 0)
			return -1;
		*arena_push(&p->t->arena, &c->args) = o;
		c->where.to = o.where.to;
	}
	return c->args.n ? 0 : fail(p, "missing value for command");
}

/* $x := …, $x = …, and for range $i, $x := … */
static int parse_declarations(struct parser *p, const char *context, struct pipe *pipe)
{
	bool range = strcmp(context, "range") == 0;
	while (p->word.kind == W_VARIABLE) {
		struct word w = p->word;
		size_t at = p->at;
		int parens = p->parens;
		const char *name = word_text(p);
		if (next(p) < 0)
			return -1;
		bool set = p->word.kind == W_ASSIGN || p->word.kind == W_DECLARE, comma = p->word.kind == W_OTHER && word_is(p, ",");
		if (!set && !comma) {
			if (pipe->nvars)
				return unexpected(p, context);
			p->word = w;
			p->at = at;
			p->parens = parens;
			return 0;
		}
		if (comma && (!range || pipe->nvars))
			return fail(p, "too many declarations in %s", context);
		pipe->vars[pipe->nvars++] = name;
		pipe->assign = p->word.kind == W_ASSIGN;
		if (next(p) < 0)
			return -1;
		if (comma && p->word.kind != W_VARIABLE)
			return fail(p, "range can only initialize variables");
		if (set)
			break;
	}
	for (size_t i = 0; i < pipe->nvars; i++) {
		if (pipe->assign && !strv_has(&p->vars, pipe->vars[i]))
			return fail(p, "undefined variable \"%s\"", pipe->vars[i]);
	}
	return 0;
}

/* p->word is the first word; afterwards it is the one that ends the pipeline. */
static int parse_pipe(struct parser *p, const char *context, enum word_kind end, struct pipe **ret)
{
	struct pipe *pipe = arena_alloc(&p->t->arena, sizeof *pipe);
	pipe->where = (struct place){p->word.from, p->word.from, p->word.from};
	if (parse_declarations(p, context, pipe) < 0)
		return -1;
	if (p->word.kind == end)
		return fail(p, "missing value for %s", context);
	while (p->word.kind != end) {
		struct command c;
		if (p->word.kind >= W_SHUT || is_keyword(p))
			return unexpected(p, context);
		if (parse_command(p, &c) < 0)
			return -1;
		enum operand_kind kind = c.args.v[0].kind;
		if (pipe->commands.n && (kind == ARG_DOT || kind == ARG_NIL || kind == ARG_LITERAL))
			return fail(p, "non executable command in pipeline stage %zu", pipe->commands.n + 1);
		*arena_push(&p->t->arena, &pipe->commands) = c;
		pipe->where.to = c.where.to;
		if (p->word.kind == W_PIPE) {
			if (next(p) < 0)
				return -1;
			if (p->word.kind == end)
				return fail(p, "missing value for %s", context);
		}
	}
	for (size_t i = 0; i < pipe->nvars; i++)
		if (!pipe->assign)
			strv_add(&p->vars, pipe->vars[i]);
	*ret = pipe;
	return 0;
}

static void leave_scope(struct parser *p, size_t n)
{
	while (p->vars.n > n) {
		free(p->vars.v[--p->vars.n]);
		p->vars.v[p->vars.n] = NULL;
	}
}

static int parse_nodes(struct parser *p, struct nodes *list);

static int expect_end(struct parser *p, const char *context)
{
	if (next(p) < 0)
		return -1;
	return p->word.kind == W_END ? 0 : unexpected(p, context);
}

/* Behind {{else: `if …}}` or `with …}}` is a block of its own that shares this one's end. */
static int parse_block(struct parser *p, struct node *n, const char *context)
{
	size_t scope = p->vars.n;
	if (++p->depth > DEPTH)
		return fail(p, "nested too deeply");
	p->loops += n->kind == NODE_RANGE;
	if (next(p) < 0 || parse_pipe(p, context, W_END, &n->pipe) < 0 || parse_nodes(p, &n->body) < 0)
		return -1;
	p->loops -= n->kind == NODE_RANGE;
	if (p->stop == STOP_ELSE) {
		if (next(p) < 0)
			return -1;
		if (p->word.kind == W_NAME && n->kind != NODE_RANGE && word_is(p, context)) {
			struct node inner = {.kind = n->kind};
			if (parse_block(p, &inner, context) < 0)
				return -1;
			*arena_push(&p->t->arena, &n->otherwise) = inner;
		} else if (p->word.kind != W_END) {
			return unexpected(p, "else");
		} else if (parse_nodes(p, &n->otherwise) < 0) {
			return -1;
		}
		if (p->stop == STOP_ELSE)
			return fail(p, "expected end; found {{else}}");
	}
	if (p->stop == STOP_EOF)
		return fail(p, "unexpected EOF");
	p->depth--;
	leave_scope(p, scope);
	return 0;
}

static int parse_comment(struct parser *p)
{
	const char *end = strstr(p->text + p->at, "*/");
	if (!end)
		return fail(p, "unclosed comment");
	p->at = (size_t)(end + 2 - p->text);
	p->trim = is_blank(p->text[p->at]) && starts(p, p->at + 1, "-}}");
	if (!p->trim && !starts(p, p->at, "}}"))
		return fail(p, "comment ends before closing delimiter");
	p->at += p->trim ? 4 : 2;
	return 0;
}

/* An action; its first word is read. Sets p->stop to STOP_END or STOP_ELSE when it ends the list. */
static int parse_action(struct parser *p, struct nodes *list)
{
	static const struct { const char *word; enum node_kind kind; } blocks[] = {{"if", NODE_IF}, {"range", NODE_RANGE}, {"with", NODE_WITH}};
	static const struct { const char *word; enum node_kind kind; } jumps[] = {{"break", NODE_BREAK}, {"continue", NODE_CONTINUE}};
	struct node n = {.kind = NODE_ACTION};
	bool name = p->word.kind == W_NAME;
	for (size_t i = 0; name && i < countof(blocks); i++)
		if (word_is(p, blocks[i].word)) {
			n.kind = blocks[i].kind;
			if (parse_block(p, &n, blocks[i].word) < 0)
				return -1;
			p->stop = STOP_EOF;
			*arena_push(&p->t->arena, list) = n;
			return 0;
		}
	for (size_t i = 0; name && i < countof(jumps); i++)
		if (word_is(p, jumps[i].word)) {
			n.kind = jumps[i].kind;
			if (!p->loops)
				return fail(p, "{{%s}} outside {{range}}", jumps[i].word);
			if (expect_end(p, jumps[i].word) < 0)
				return -1;
			*arena_push(&p->t->arena, list) = n;
			return 0;
		}
	if (name && word_is(p, "end")) {
		p->stop = STOP_END;
		return expect_end(p, "end");
	}
	if (name && word_is(p, "else")) {
		p->stop = STOP_ELSE;
		return 0;
	}
	if (is_keyword(p))
		return fail(p, "{{%s}}: a format has one template only", word_text(p));
	if (parse_pipe(p, "command", W_END, &n.pipe) < 0)
		return -1;
	*arena_push(&p->t->arena, list) = n;
	return 0;
}

static void add_text(struct parser *p, struct nodes *list, size_t from, size_t to)
{
	if (p->trim)
		while (from < to && is_blank(p->text[from]))
			from++;
	if (from < to)
		*arena_push(&p->t->arena, list) = (struct node){.kind = NODE_TEXT, .text = p->text + from, .len = to - from};
}

/* Up to the end of the text, {{end}} or {{else (p->stop says which). */
static int parse_nodes(struct parser *p, struct nodes *list)
{
	for (p->stop = STOP_EOF; p->stop == STOP_EOF;) {
		const char *open = strstr(p->text + p->at, "{{");
		size_t from = p->at, to = open ? (size_t)(open - p->text) : from + strlen(p->text + from);
		bool trim = open && open[2] == '-' && is_blank(open[3]);
		size_t cut = to;
		while (trim && cut > from && is_blank(p->text[cut - 1]))
			cut--;
		add_text(p, list, from, cut);
		p->trim = false;
		p->at = to;
		if (!open)
			return 0;
		p->at = to + (trim ? 4 : 2);
		size_t comment = p->at;
		while (trim && is_blank(p->text[comment]))
			comment++;
		if (starts(p, comment, "/*")) {
			p->at = comment + 2;
			if (parse_comment(p) < 0)
				return -1;
			continue;
		}
		if (next(p) < 0 || parse_action(p, list) < 0)
			return -1;
	}
	return 0;
}

int tmpl_parse(const char *text, struct tmpl **ret, struct err *e)
{
	own(tmpl) struct tmpl *t = mem_alloc(sizeof *t);
	t->text = arena_dup(&t->arena, text);
	t->literals = json_new_array();
	struct parser p = {.t = t, .text = t->text, .e = e};
	strv_add(&p.vars, "$");
	int r = parse_nodes(&p, &t->nodes);
	if (r == 0 && p.stop != STOP_EOF)
		r = fail(&p, "unexpected {{%s}}", p.stop == STOP_END ? "end" : "else");
	strv_drop(&p.vars);
	if (r == 0)
		*ret = take(t);
	return r;
}

void tmpl_drop(struct tmpl **t)
{
	struct tmpl *old = *t;
	*t = NULL;
	if (!old)
		return;
	json_drop(&old->literals);
	arena_drop(&old->arena);
	free(old);
}
