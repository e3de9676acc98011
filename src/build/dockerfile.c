/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dockerfile: two tables, one of instructions and one of their flags; the rest reads them.
 */
#include "build/dockerfile.h"

#include "base/num.h"
#include "build/words.h"

#include <ctype.h>
#include <stdlib.h>

enum form {
	FORM_WHOLE,    /* all of the text is one word */
	FORM_BLANK,    /* words between blanks */
	FORM_JSON,     /* a JSON array, else all of the text */
	FORM_LIST,     /* a JSON array, else words between blanks */
	FORM_PAIRS,    /* name=value */
	FORM_ARGS,     /* name[=value] */
	FORM_HEALTH,
};
static const struct instruction {
	const char *name;
	enum form form;
	int min, max; /* words; max -1: any number */
	const char *needs; /* what an error says of too few or too many */
} instructions[INST_KINDS] = {
	[INST_ADD] = {"ADD", FORM_LIST, 2, -1, "at least one source and a destination"},
	[INST_ARG] = {"ARG", FORM_ARGS, 1, -1, "a name"},
	[INST_CMD] = {"CMD", FORM_JSON, 0, -1, "a command"},
	[INST_COPY] = {"COPY", FORM_LIST, 2, -1, "at least one source and a destination"},
	[INST_ENTRYPOINT] = {"ENTRYPOINT", FORM_JSON, 0, -1, "a command"},
	[INST_ENV] = {"ENV", FORM_PAIRS, 1, -1, "name=value"},
	[INST_EXPOSE] = {"EXPOSE", FORM_BLANK, 1, -1, "a port"},
	[INST_FROM] = {"FROM", FORM_BLANK, 1, 3, "an image, or an image, AS and a name"},
	[INST_HEALTHCHECK] = {"HEALTHCHECK", FORM_HEALTH, 1, -1, "NONE or CMD and a command"},
	[INST_LABEL] = {"LABEL", FORM_PAIRS, 1, -1, "name=value"},
	[INST_MAINTAINER] = {"MAINTAINER", FORM_WHOLE, 1, 1, "a name"},
	[INST_ONBUILD] = {"ONBUILD", FORM_WHOLE, 1, 1, "an instruction"},
	[INST_RUN] = {"RUN", FORM_JSON, 1, -1, "a command"},
	[INST_SHELL] = {"SHELL", FORM_JSON, 1, -1, "a JSON array: SHELL [\"program\", \"argument\"]"},
	[INST_STOPSIGNAL] = {"STOPSIGNAL", FORM_WHOLE, 1, 1, "a signal"},
	[INST_USER] = {"USER", FORM_WHOLE, 1, 1, "a user"},
	[INST_VOLUME] = {"VOLUME", FORM_LIST, 1, -1, "a path"},
	[INST_WORKDIR] = {"WORKDIR", FORM_WHOLE, 1, 1, "a path"},
};

enum flag_type { FLAG_VALUE, FLAG_BOOL, FLAG_MANY };
static const struct { enum inst_kind kind; const char *name; enum flag_type type; } flag_rows[] = {
	{INST_FROM, "platform", FLAG_VALUE},
	{INST_RUN, "mount", FLAG_MANY}, {INST_RUN, "network", FLAG_VALUE}, {INST_RUN, "security", FLAG_VALUE}, {INST_RUN, "device", FLAG_MANY},
	{INST_COPY, "from", FLAG_VALUE}, {INST_COPY, "chown", FLAG_VALUE}, {INST_COPY, "chmod", FLAG_VALUE}, {INST_COPY, "link", FLAG_BOOL},
	{INST_COPY, "parents", FLAG_BOOL}, {INST_COPY, "exclude", FLAG_MANY},
	{INST_ADD, "chown", FLAG_VALUE}, {INST_ADD, "chmod", FLAG_VALUE}, {INST_ADD, "link", FLAG_BOOL}, {INST_ADD, "exclude", FLAG_MANY},
	{INST_ADD, "checksum", FLAG_VALUE}, {INST_ADD, "keep-git-dir", FLAG_BOOL}, {INST_ADD, "unpack", FLAG_BOOL},
	{INST_HEALTHCHECK, "interval", FLAG_VALUE}, {INST_HEALTHCHECK, "timeout", FLAG_VALUE}, {INST_HEALTHCHECK, "start-period", FLAG_VALUE},
	{INST_HEALTHCHECK, "start-interval", FLAG_VALUE}, {INST_HEALTHCHECK, "retries", FLAG_VALUE},
};

const char *inst_name(enum inst_kind k)
{
	return instructions[k].name;
}

const char *inst_flag(const struct inst *i, const char *name, size_t nth)
{
	for (size_t k = 0; k < i->node->flags.n; k++)
		if (strcmp(i->node->flags.v[k].name, name) == 0 && nth-- == 0)
			return i->node->flags.v[k].value ? i->node->flags.v[k].value : "";
	return NULL;
}

bool inst_has(const struct inst *i, const char *name)
{
	const char *v = inst_flag(i, name, 0);
	return v && !str_eq(v, "false") && !str_eq(v, "0");
}

static ssize_t find_kind(const char *word)
{
	for (size_t i = 0; i < INST_KINDS; i++)
		if (strcasecmp(instructions[i].name, word) == 0)
			return (ssize_t)i;
	return -1;
}

/* The word that people who mean this instruction write. */
static const struct { const char *word, *meant; } mistaken[] = {
	{"PULL", "COPY or ADD"}, {"GET", "COPY or ADD"}, {"FETCH", "ADD"}, {"EXEC", "RUN"}, {"IMPORT", "FROM"}, {"INCLUDE", "COPY"},
	{"PORT", "EXPOSE"}, {"EXPORT", "ENV"}, {"CD", "WORKDIR"}, {"ENTRY", "ENTRYPOINT"}, {"START", "CMD"}, {"COMMAND", "CMD"},
};

static int unknown(struct dockerfile *d, const struct node *n, struct err *e)
{
	const char *names[INST_KINDS];
	for (size_t i = 0; i < countof(mistaken); i++)
		if (strcasecmp(mistaken[i].word, n->as_written) == 0)
			return lex_error(&d->text, n, NULL, e, "unknown instruction: %.40s (did you mean %s?)", n->as_written, mistaken[i].meant);
	for (size_t i = 0; i < INST_KINDS; i++)
		names[i] = instructions[i].name;
	own(mem) char *upper = mem_ndup(n->as_written, strnlen(n->as_written, 40));
	for (char *p = upper; *p; p++)
		*p = (char)toupper((unsigned char)*p);
	const char *near = str_nearest(upper, names, INST_KINDS);
	return near ? lex_error(&d->text, n, NULL, e, "unknown instruction: %.40s (did you mean %s?)", n->as_written, near)
		    : lex_error(&d->text, n, NULL, e, "unknown instruction: %.40s", n->as_written);
}

static int flag_error(struct dockerfile *d, const struct flag *f, struct err *e, const char *text)
{
	d->text.where = f->at;
	return err_set(e, ERR_USAGE, "%s:%u:%u: %s", d->text.name, f->at.line, f->at.column, text);
}

static int check_flags(struct dockerfile *d, const struct inst *i, struct err *e)
{
	for (size_t k = 0; k < i->node->flags.n; k++) {
		const struct flag *f = &i->node->flags.v[k];
		const char *names[countof(flag_rows)];
		size_t n = 0, row = countof(flag_rows);
		for (size_t r = 0; r < countof(flag_rows); r++) {
			if (flag_rows[r].kind != i->kind)
				continue;
			names[n++] = flag_rows[r].name;
			if (strcmp(flag_rows[r].name, f->name) == 0)
				row = r;
		}
		own(mem) char *text = NULL;
		const char *near = n ? str_nearest(f->name, names, n) : NULL;
		bool repeated = inst_flag(i, f->name, 1) != NULL;
		if (row == countof(flag_rows))
			text = near ? mem_printf("%s has no flag --%.60s: did you mean --%s?", inst_name(i->kind), f->name, near)
				    : mem_printf("%s has no flag --%.60s", inst_name(i->kind), f->name);
		else if (flag_rows[row].type != FLAG_MANY && repeated)
			text = mem_printf("--%s: given twice", f->name);
		else if (flag_rows[row].type == FLAG_BOOL && f->value && !str_eq(f->value, "true") && !str_eq(f->value, "false") &&
			!str_eq(f->value, "1") && !str_eq(f->value, "0"))
			text = mem_printf("--%s=%.40s: true and false are known", f->name, f->value);
		else if (flag_rows[row].type != FLAG_BOOL && !f->value)
			text = mem_printf("--%s: it needs a value", f->name);
		if (text)
			return flag_error(d, f, e, text);
	}
	return 0;
}

static int read_args(struct dockerfile *d, struct inst *i, struct err *e)
{
	words_quoted(i->node->text, d->text.escape, &d->arena, &i->words);
	for (size_t k = 0; k < i->words.n; k++) {
		char *word = i->words.v[k], *eq = strchr(word, '=');
		if (eq == word)
			return lex_error(&d->text, i->node, word, e, "ARG: \"%.100s\": the name is missing", word);
		*arena_push(&d->arena, &i->pairs) = eq ? (struct pair){arena_ndup(&d->arena, word, (size_t)(eq - word)), eq + 1} : (struct pair){word, NULL};
	}
	return 0;
}

static int read_health(struct dockerfile *d, struct inst *i, struct err *e)
{
	struct strv words = {};
	words_blank(i->node->text, &d->arena, &words);
	bool none = words.n && strcasecmp(words.v[0], "none") == 0;
	if (words.n && !none && strcasecmp(words.v[0], "cmd") != 0)
		return lex_error(&d->text, i->node, words.v[0], e, "HEALTHCHECK: \"%.40s\": NONE and CMD are known", words.v[0]);
	if (none && words.n > 1)
		return lex_error(&d->text, i->node, words.v[1], e, "HEALTHCHECK NONE takes no arguments");
	if (!none && words.n < 2)
		return lex_error(&d->text, i->node, NULL, e, "HEALTHCHECK needs NONE or CMD and a command");
	if (none) {
		arena_strv_add(&d->arena, &i->words, "NONE");
		return 0;
	}
	const char *rest = strstr(i->node->text, words.v[0]) + strlen(words.v[0]);
	while (isspace((unsigned char)*rest))
		rest++;
	i->json = words_json(rest, &d->arena, &i->words);
	if (!i->json)
		arena_strv_add(&d->arena, &i->words, rest);
	return 0;
}

static int read_words(struct dockerfile *d, struct inst *i, struct err *e)
{
	struct arena *a = &d->arena;
	const char *text = i->node->text;
	struct err why = {};
	switch (instructions[i->kind].form) {
	case FORM_WHOLE:
		if (*text)
			arena_strv_add(a, &i->words, text);
		return 0;
	case FORM_BLANK: words_blank(text, a, &i->words); return 0;
	case FORM_JSON:
	case FORM_LIST:
		i->json = words_json(text, a, &i->words);
		if (!i->json && instructions[i->kind].form == FORM_LIST)
			words_blank(text, a, &i->words);
		else if (!i->json && *text)
			arena_strv_add(a, &i->words, text);
		return 0;
	case FORM_PAIRS:
		if (*text && words_pairs(text, d->text.escape, a, &i->pairs, &i->is_legacy, &why) < 0)
			return lex_error(&d->text, i->node, NULL, e, "%s: %s", inst_name(i->kind), why.text);
		return 0;
	case FORM_ARGS: return read_args(d, i, e);
	case FORM_HEALTH: return read_health(d, i, e);
	}
	return 0;
}

void dockerfile_onbuild(const struct inst *i, struct buf *out)
{
	buf_str(out, i->node->text);
	for (size_t k = 0; k < i->node->docs.n; k++)
		buf_printf(out, "\n%s%s", i->node->docs.v[k].body, i->node->docs.v[k].name);
}

static int check_onbuild(struct dockerfile *d, const struct inst *i, struct err *e)
{
	struct node inner;
	struct inst what;
	own(buf) struct buf text = BUF(LEX_MAX);
	dockerfile_onbuild(i, &text);
	if (lex_line(&d->text, buf_text(&text), i->node->at.line, &d->arena, &inner, e) < 0)
		return -1;
	ssize_t kind = find_kind(inner.word);
	if (kind == INST_ONBUILD || kind == INST_FROM || kind == INST_MAINTAINER)
		return lex_error(&d->text, i->node, inner.as_written, e, "ONBUILD %s is not allowed", inst_name((enum inst_kind)kind));
	return dockerfile_inst(d, &inner, &what, e);
}

int dockerfile_inst(struct dockerfile *d, struct node *n, struct inst *ret, struct err *e)
{
	ssize_t kind = find_kind(n->word);
	if (kind < 0)
		return unknown(d, n, e);
	*ret = (struct inst){.kind = (enum inst_kind)kind, .node = arena_alloc(&d->arena, sizeof *n)};
	*ret->node = *n;
	const struct instruction *row = &instructions[kind];
	if (check_flags(d, ret, e) < 0 || read_words(d, ret, e) < 0)
		return -1;
	size_t have = ret->pairs.n ? ret->pairs.n : ret->words.n;
	bool alone = kind == INST_RUN && n->docs.n; /* a here-document alone is a command */
	if ((have < (size_t)row->min && !alone) || (row->max >= 0 && have > (size_t)row->max))
		return lex_error(&d->text, n, NULL, e, "%s needs %s", row->name, row->needs);
	if (kind == INST_SHELL && !ret->json)
		return lex_error(&d->text, n, NULL, e, "SHELL needs %s", row->needs);
	return kind == INST_ONBUILD ? check_onbuild(d, ret, e) : 0;
}

int dockerfile_trigger(struct dockerfile *d, const char *text, unsigned line, struct inst *ret, struct err *e)
{
	struct node n;
	if (lex_line(&d->text, text, line, &d->arena, &n, e) < 0 || dockerfile_inst(d, &n, ret, e) < 0)
		return err_wrap(e, "ONBUILD %.200s", text);
	ret->is_trigger = true;
	return 0;
}

static bool is_stage_name(const char *s)
{
	if (!islower((unsigned char)*s))
		return false;
	for (; *s; s++)
		if (!islower((unsigned char)*s) && !isdigit((unsigned char)*s) && !strchr("-_.", *s))
			return false;
	return true;
}

static int add_stage(struct dockerfile *d, const struct inst *i, struct err *e)
{
	struct stage s = {.index = (unsigned)d->stages.n, .from = *i, .base = i->words.v[0]};
	if (i->words.n == 2 || (i->words.n == 3 && strcasecmp(i->words.v[1], "as") != 0))
		return lex_error(&d->text, i->node, i->words.v[1], e, "FROM needs an image, or an image, AS and a name");
	if (i->words.n == 3) {
		s.name = arena_dup(&d->arena, i->words.v[2]);
		str_lower(s.name);
		if (!is_stage_name(s.name))
			return lex_error(&d->text, i->node, i->words.v[2], e, "invalid name of a stage \"%.60s\": a letter, then letters, digits, - _ .",
				i->words.v[2]);
	}
	*arena_push(&d->arena, &d->stages) = s;
	return 0;
}

ssize_t dockerfile_stage(const struct dockerfile *d, const char *name, size_t n)
{
	uint64_t number;
	struct err none = {};
	for (size_t i = n; i-- > 0;)
		if (d->stages.v[i].name && strcasecmp(d->stages.v[i].name, name) == 0)
			return (ssize_t)i;
	if (num_u64(name, UINT32_MAX, &number, "stage", &none) == 0 && number < n)
		return (ssize_t)number;
	return -1;
}

static int add(struct dockerfile *d, struct inst *i, struct err *e)
{
	if (i->kind == INST_FROM)
		return add_stage(d, i, e);
	if (d->stages.n) {
		*arena_push(&d->arena, &d->stages.v[d->stages.n - 1].steps) = *i;
		return 0;
	}
	if (i->kind != INST_ARG)
		return lex_error(&d->text, i->node, NULL, e, "%s before the first FROM: only ARG may stand there", inst_name(i->kind));
	*arena_push(&d->arena, &d->globals) = *i;
	return 0;
}

int dockerfile_parse(const char *name, const char *text, size_t len, struct dockerfile *ret, struct err *e)
{
	*ret = (struct dockerfile){};
	if (lex(name, text, len, &ret->arena, &ret->text, e) < 0)
		return -1;
	for (size_t k = 0; k < ret->text.nodes.n; k++) {
		struct inst i;
		if (dockerfile_inst(ret, &ret->text.nodes.v[k], &i, e) < 0 || add(ret, &i, e) < 0)
			return -1;
	}
	if (!ret->stages.n)
		return err_set(e, ERR_USAGE, "%s: %s", name, ret->text.nodes.n ? "no FROM: it says which image to begin with" : "the file is empty");
	return 0;
}

void dockerfile_drop(struct dockerfile *d)
{
	arena_drop(&d->arena);
	*d = (struct dockerfile){};
}
