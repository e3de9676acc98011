/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lint_file: checks that need nothing but the text.
 */
#include "build/lint.h"

#include "base/buf.h"
#include "build/expand.h"
#include "image/ref.h"

#include <ctype.h>

static const char *const platform_names[] = {"TARGETPLATFORM", "TARGETOS", "TARGETARCH", "TARGETVARIANT", "BUILDPLATFORM", "BUILDOS", "BUILDARCH",
	"BUILDVARIANT", "TARGETSTAGE"};

static bool is_all(const char *s, int (*is)(int))
{
	for (; *s; s++)
		if (isalpha((unsigned char)*s) && !is((unsigned char)*s))
			return false;
	return true;
}

static void casing(struct lint *l)
{
	size_t upper = 0, lower = 0;
	for (size_t i = 0; i < l->df->text.nodes.n; i++) {
		const char *word = l->df->text.nodes.v[i].as_written;
		upper += is_all(word, isupper);
		lower += is_all(word, islower);
	}
	bool is_lower = lower > upper;
	for (size_t i = 0; i < l->df->text.nodes.n; i++) {
		const struct node *n = &l->df->text.nodes.v[i];
		if (!is_all(n->as_written, is_lower ? islower : isupper))
			lint_add(l, LINT_CONSISTENT_INSTRUCTION_CASING, n, NULL, "%.40s: most instructions of this file are in %s case", n->as_written,
				is_lower ? "lower" : "upper");
	}
}

static void continuations(struct lint *l)
{
	for (size_t i = 0; i < l->df->text.nodes.n; i++) {
		const struct node *n = &l->df->text.nodes.v[i];
		unsigned next = n->empty_line + 1;
		if (n->empty_line)
			lint_add_line(l, LINT_NO_EMPTY_CONTINUATION, n, next < n->words_last ? next : n->words_last,
				"the instruction goes on behind an empty line");
	}
}

static void names(struct lint *l, size_t index)
{
	const struct stage *s = &l->df->stages.v[index];
	const struct node *n = s->from.node;
	if (!s->name)
		return;
	const char *as = s->from.words.v[1], *written = s->from.words.v[2];
	bool lower = is_all(n->as_written, islower), upper = is_all(n->as_written, isupper);
	if ((lower && !is_all(as, islower)) || (upper && !is_all(as, isupper)))
		lint_add(l, LINT_FROM_AS_CASING, n, as, "\"%s\" is not in the case of \"%s\"", as, n->as_written);
	if (!is_all(written, islower))
		lint_add(l, LINT_STAGE_NAME_CASING, n, written, "the stage's name \"%.100s\" is not in lower case", written);
	for (size_t i = 0; i < index; i++)
		if (str_eq(l->df->stages.v[i].name, s->name)) {
			lint_add(l, LINT_DUPLICATE_STAGE_NAME, n, written, "a stage before is called \"%.100s\" too", s->name);
			break;
		}
	if (str_eq(s->name, "scratch") || str_eq(s->name, "context"))
		lint_add(l, LINT_RESERVED_STAGE_NAME, n, written, "\"%s\" is reserved", s->name);
}

/* --- variables of FROM --- */

static bool is_declared(const struct lint *l, const char *name)
{
	for (size_t i = 0; i < countof(platform_names); i++)
		if (strcmp(platform_names[i], name) == 0)
			return true;
	for (size_t i = 0; i < l->df->globals.n; i++)
		for (size_t k = 0; k < l->df->globals.v[i].pairs.n; k++)
			if (strcmp(l->df->globals.v[i].pairs.v[k].key, name) == 0)
				return true;
	return false;
}

static const char *global(void *arg, const char *name)
{
	const struct lint *l = arg;
	const char *v = strv_env_get(l->globals, name);
	return v ? v : is_declared(l, name) ? "" : NULL;
}

static const char *default_value(void *arg, const char *name)
{
	return strv_env_get(arg, name);
}

static const char *nearest(const struct lint *l, const char *name)
{
	const char *known[512];
	size_t n = 0;
	for (; n < countof(platform_names); n++)
		known[n] = platform_names[n];
	for (size_t i = 0; i < l->df->globals.n; i++)
		for (size_t k = 0; k < l->df->globals.v[i].pairs.n && n < countof(known); k++)
			known[n++] = l->df->globals.v[i].pairs.v[k].key;
	return str_nearest(name, known, n);
}

static void undefined(struct lint *l, const struct node *node, const char *text)
{
	own(strv) struct strv unset = {};
	own(buf) struct buf out = BUF(LEX_MAX);
	struct expansion x = {.get = global, .arg = l, .escape = l->df->text.escape, .unset = &unset};
	struct err ignored = {};
	if (expand_word(&x, text, &out, &ignored) < 0)
		return;
	for (size_t i = 0; i < unset.n; i++) {
		const char *near = nearest(l, unset.v[i]);
		lint_add(l, LINT_UNDEFINED_ARG_IN_FROM, node, strpbrk(text, "$"), "no ARG before the first FROM declares \"%.100s\"%s%s%s", unset.v[i],
			near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
	}
}

/* What the globals are when nobody gives them values. */
static void defaults(const struct lint *l, struct strv *out)
{
	struct err ignored = {};
	for (size_t i = 0; i < countof(platform_names); i++) {
		own(mem) char *line = mem_printf("%s=%s", platform_names[i], strv_env_get(l->globals, platform_names[i]) ? strv_env_get(l->globals,
			platform_names[i]) : "");
		strv_env_set(out, line);
	}
	for (size_t i = 0; i < l->df->globals.n; i++)
		for (size_t k = 0; k < l->df->globals.v[i].pairs.n; k++) {
			const struct pair *p = &l->df->globals.v[i].pairs.v[k];
			struct expansion x = {.get = default_value, .arg = out, .escape = l->df->text.escape};
			own(buf) struct buf value = BUF(LEX_MAX);
			if (!p->value || expand_word(&x, p->value, &value, &ignored) < 0)
				continue;
			own(mem) char *line = mem_printf("%s=%s", p->key, buf_text(&value));
			strv_env_set(out, line);
		}
}

static void base_by_default(struct lint *l, const struct stage *s)
{
	own(strv) struct strv values = {};
	own(buf) struct buf name = BUF(LEX_MAX);
	struct err why = {};
	struct ref ref;
	if (!strchr(s->base, '$'))
		return;
	defaults(l, &values);
	struct expansion x = {.get = default_value, .arg = &values, .escape = l->df->text.escape};
	if (expand_word(&x, s->base, &name, &why) < 0 || dockerfile_stage(l->df, buf_text(&name), s->index) >= 0)
		return;
	if (!name.len || ref_parse(buf_text(&name), &ref, &why) < 0)
		lint_add(l, LINT_INVALID_DEFAULT_ARG_IN_FROM, s->from.node, s->base, "without --build-arg \"%.200s\" is \"%.200s\", which names no image",
			s->base,
			buf_text(&name));
}

static void platform(struct lint *l, const struct stage *s)
{
	const char *flag = inst_flag(&s->from, "platform", 0);
	const struct node *n = s->from.node;
	if (!flag)
		return;
	undefined(l, n, flag);
	if (str_eq(flag, "$TARGETPLATFORM") || str_eq(flag, "${TARGETPLATFORM}"))
		lint_add(l, LINT_REDUNDANT_TARGET_PLATFORM, n, flag, "--platform=%s is what FROM does without it", flag);
	if (strchr(flag, '$'))
		return;
	/* A stage that is called by its platform means it. */
	own(strv) struct strv parts = {};
	strv_split(&parts, flag, '/');
	for (size_t i = 0; s->name && i < parts.n; i++)
		if (*parts.v[i] && strstr(s->name, parts.v[i]))
			return;
	lint_add(l, LINT_FROM_PLATFORM_CONST, n, flag, "--platform is the constant \"%.100s\"", flag);
}

/* --- comments --- */

static void description(struct lint *l, const struct node *n, const char *name)
{
	lint_add(l, LINT_INVALID_DEFINITION_DESCRIPTION, n, NULL, "the comment above %s does not begin with \"%.100s\"", n->as_written, name);
}

static bool has_comment(const struct node *n)
{
	return n->comments.n && *n->comments.v[n->comments.n - 1] && !str_has_prefix(n->comments.v[n->comments.n - 1], "check=");
}

static void arg_comment(struct lint *l, const struct inst *i)
{
	bool described = false;
	for (size_t k = 0; k < i->pairs.n; k++)
		described |= lint_described(i->node, i->pairs.v[k].key) != NULL;
	if (has_comment(i->node) && !described)
		description(l, i->node, i->pairs.n == 1 ? i->pairs.v[0].key : "a name of this ARG");
}

static void comments(struct lint *l)
{
	for (size_t i = 0; i < l->df->globals.n; i++)
		arg_comment(l, &l->df->globals.v[i]);
	for (size_t i = 0; i < l->df->stages.n; i++) {
		const struct stage *s = &l->df->stages.v[i];
		if (s->name && has_comment(s->from.node) && !lint_described(s->from.node, s->from.words.v[2]))
			description(l, s->from.node, s->from.words.v[2]);
		for (size_t k = 0; k < s->steps.n; k++)
			if (s->steps.v[k].kind == INST_ARG)
				arg_comment(l, &s->steps.v[k]);
	}
}

void lint_file(struct lint *l)
{
	casing(l);
	continuations(l);
	comments(l);
	for (size_t i = 0; i < l->df->stages.n; i++) {
		const struct stage *s = &l->df->stages.v[i];
		names(l, i);
		undefined(l, s->from.node, s->base);
		base_by_default(l, s);
		platform(l, s);
	}
}
