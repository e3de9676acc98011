/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan: which stages there is work to do for. A stage uses another by FROM, COPY --from or --mount=from; where these have variables, the
 * ARGs and ENVs of the Dockerfile are followed as far as it goes without those of what the stage begins with; when that is known, again.
 */
#include "build/stage.h"

#include "base/num.h"
#include "image/platform.h"

#include <stdlib.h>

static const char *line_value(void *arg, const char *name)
{
	return strv_env_get(arg, name);
}

int plan_expand(const struct build *b, const struct node *n, const char *text, const struct strv *lines, struct buf *out, struct err *e)
{
	struct expansion x = {.get = line_value, .arg = (void *)(uintptr_t)lines, .escape = b->df.text.escape};
	struct err why = {};
	if (expand_word(&x, text, out, &why) == 0)
		return 0;
	return lex_error((struct lexed *)(uintptr_t)&b->df.text, n, strpbrk(text, "$"), e, "%s", why.text);
}

static void set_line(struct build *b, const char *name, const char *value)
{
	own(mem) char *line = mem_printf("%s=%s", name, value);
	strv_env_set(&b->globals, line);
}

static int platforms(struct build *b, struct err *e)
{
	struct platform_want target, mine;
	char text[PLATFORM_TEXT];
	if (platform_parse(b->q->platform, &target, e) < 0 || platform_parse(NULL, &mine, e) < 0)
		return err_wrap(e, "--platform");
	const struct { const char *prefix; const struct platform_want *p; bool variant; } rows[] = {
		{"TARGET", &target, target.has_variant}, {"BUILD", &mine, false}};
	for (size_t i = 0; i < countof(rows); i++) {
		const struct { const char *name, *value; } values[] = {
			{"PLATFORM", platform_format(rows[i].p->os, rows[i].p->architecture, rows[i].variant ? rows[i].p->variant : "", text)},
			{"OS", rows[i].p->os}, {"ARCH", rows[i].p->architecture}, {"VARIANT", rows[i].variant ? rows[i].p->variant : ""},
		};
		for (size_t k = 0; k < countof(values); k++) {
			own(mem) char *name = mem_printf("%s%s", rows[i].prefix, values[k].name);
			set_line(b, name, values[k].value);
		}
	}
	return 0;
}

static int globals(struct build *b, struct err *e)
{
	if (platforms(b, e) < 0)
		return -1;
	set_line(b, "TARGETSTAGE", str_is_empty(b->q->target) ? "default" : b->q->target);
	for (size_t i = 0; i < b->df.globals.n; i++) {
		const struct inst *a = &b->df.globals.v[i];
		for (size_t k = 0; k < a->pairs.n; k++) {
			own(buf) struct buf value = BUF(LEX_MAX);
			const char *given = strv_env_get(&b->q->args, a->pairs.v[k].key);
			if (given)
				buf_str(&value, given);
			else if (!a->pairs.v[k].value)
				continue;
			else if (plan_expand(b, a->node, a->pairs.v[k].value, &b->globals, &value, e) < 0)
				return -1;
			set_line(b, a->pairs.v[k].key, buf_text(&value));
		}
	}
	return 0;
}

/* --- who needs whom --- */

static int uses(struct build *b, size_t stage, const struct node *n, const char *text, const struct strv *scope, struct err *e)
{
	own(buf) struct buf name = BUF(4096);
	if (plan_expand(b, n, text, scope, &name, e) < 0)
		return -1;
	const struct pair *named = context_named(b, buf_text(&name));
	if (named)
		return context_want(b, named), 0;
	ssize_t k = dockerfile_stage(&b->df, buf_text(&name), stage);
	if (k < 0)
		return 0;
	b->uses[stage * b->df.stages.n + (size_t)k] = true;
	return plan_need(b, (size_t)k, e);
}

/* An ENV counts before an ARG of that name. */
static void set_scope(struct build *b, struct strv *scope, struct strv *env, const struct inst *i)
{
	for (size_t k = 0; k < i->pairs.n; k++) {
		const struct pair *p = &i->pairs.v[k];
		own(buf) struct buf value = BUF(LEX_MAX);
		struct err ignored = {};
		const char *given = i->kind == INST_ARG ? strv_env_get(&b->q->args, p->key) : NULL;
		const char *global = i->kind == INST_ARG ? strv_env_get(&b->globals, p->key) : NULL;
		if (i->kind == INST_ARG && strv_env_get(env, p->key))
			continue;
		if (!given && !p->value)
			given = global;
		if (!given && p->value && plan_expand(b, i->node, p->value, scope, &value, &ignored) < 0)
			continue;
		if (!given && !p->value)
			continue;
		own(mem) char *line = mem_printf("%s=%s", p->key, given ? given : buf_text(&value));
		strv_env_set(scope, line);
		if (i->kind == INST_ENV)
			strv_env_set(env, line);
	}
}

/* Those that COPY --from and --mount=from of an instruction name. */
static int inst_uses(struct build *b, size_t stage, const struct inst *i, const struct strv *scope, struct err *e)
{
	const char *text = i->kind == INST_COPY ? inst_flag(i, "from", 0) : NULL;
	if (text && uses(b, stage, i->node, text, scope, e) < 0)
		return -1;
	if (i->kind != INST_RUN)
		return 0;
	for (size_t k = 0; (text = inst_flag(i, "mount", k)); k++) {
		own(strv) struct strv words = {};
		strv_split(&words, text, ',');
		for (size_t w = 0; w < words.n; w++) {
			const char *from = str_after(words.v[w], "from=");
			if (from && uses(b, stage, i->node, from, scope, e) < 0)
				return -1;
		}
	}
	return 0;
}

static int steps_use(struct build *b, size_t stage, const struct strv *args, const struct strv *env, struct err *e)
{
	const struct stage *s = &b->df.stages.v[stage];
	own(strv) struct strv scope = {};
	own(strv) struct strv fixed = {};
	for (size_t i = 0; i < args->n; i++)
		strv_env_set(&scope, args->v[i]);
	for (size_t i = 0; i < env->n; i++) {
		strv_env_set(&scope, env->v[i]);
		strv_env_set(&fixed, env->v[i]);
	}
	for (size_t i = 0; i < s->steps.n; i++) {
		const struct inst *x = &s->steps.v[i];
		if (x->kind == INST_ARG || x->kind == INST_ENV)
			set_scope(b, &scope, &fixed, x);
		if (inst_uses(b, stage, x, &scope, e) < 0)
			return -1;
	}
	return 0;
}

int plan_need(struct build *b, size_t stage, struct err *e)
{
	const struct stage *s = &b->df.stages.v[stage];
	static const struct strv none;
	if (b->needed[stage])
		return 0;
	b->needed[stage] = true;
	return uses(b, stage, s->from.node, s->base, &b->globals, e) < 0 ? -1 : steps_use(b, stage, &none, &none, e);
}

static bool waits(const struct build *b, size_t stage)
{
	for (size_t k = 0; k < b->df.stages.n; k++)
		if (b->uses[stage * b->df.stages.n + k] && !b->states[k].done)
			return true;
	return false;
}

int plan_trigger(struct build *b, size_t stage, const struct inst *i, const struct strv *scope, struct err *e)
{
	return inst_uses(b, stage, i, scope, e) < 0 ? -1 : waits(b, stage);
}

int plan_again(struct build *b, size_t stage, const struct strv *args, const struct strv *env, struct err *e)
{
	return steps_use(b, stage, args, env, e) < 0 ? -1 : waits(b, stage);
}

static int find_target(struct build *b, struct err *e)
{
	const char *names[256];
	size_t count = 0;
	b->target = b->df.stages.n - 1;
	if (str_is_empty(b->q->target))
		return 0;
	ssize_t k = dockerfile_stage(&b->df, b->q->target, b->df.stages.n);
	if (k >= 0) {
		b->target = (size_t)k;
		return 0;
	}
	for (size_t i = 0; i < b->df.stages.n && count < countof(names); i++)
		if (b->df.stages.v[i].name)
			names[count++] = b->df.stages.v[i].name;
	const char *near = str_nearest(b->q->target, names, count);
	return err_set(e, ERR_USAGE, "--target: no stage is called \"%.100s\"%s%s%s", b->q->target,
		near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
}

int plan_make(struct build *b, struct err *e)
{
	size_t n = b->df.stages.n;
	b->needed = arena_alloc(&b->arena, n * sizeof *b->needed);
	b->uses = arena_alloc(&b->arena, n * n * sizeof *b->uses);
	b->states = arena_alloc(&b->arena, n * sizeof *b->states);
	for (size_t i = 0; i < n; i++) {
		b->states[i].stage = &b->df.stages.v[i];
		b->states[i].sock = b->states[i].result = -1;
	}
	return globals(b, e) < 0 || find_target(b, e) < 0 ? -1 : plan_need(b, b->target, e);
}
