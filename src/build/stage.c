/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stage: from FROM to the last instruction.
 */
#include "build/stage.h"

#include "base/fd.h"
#include "base/num.h"
#include "build/interrupt.h"
#include "image/platform.h"

#include <stdio.h>
#include <stdlib.h>

enum { STEPS_MAX = 10000 };

static const struct { enum inst_kind kind; } counted[] = {{INST_RUN}, {INST_COPY}, {INST_ADD}, {INST_WORKDIR}};

static bool is_counted(const struct inst *i)
{
	for (size_t k = 0; k < countof(counted); k++)
		if (counted[k].kind == i->kind)
			return true;
	return false;
}

unsigned stage_count_steps(const struct stage *s)
{
	unsigned n = 1;
	for (size_t i = 0; i < s->steps.n; i++)
		n += is_counted(&s->steps.v[i]);
	return n;
}

static char *label(struct build *b, struct state *s, const char *where, const char *text)
{
	own(mem) char *line = mem_ndup(text, strnlen(text, 600));
	str_harmless(line);
	const char *platform = b->platform_label ? b->platform_label : "", *blank = b->platform_label ? " " : "";
	if (b->df.stages.n == 1)
		return arena_printf(&s->arena, "[%s%s%s] %s", platform, blank, where, line);
	if (s->stage->name)
		return arena_printf(&s->arena, "[%s%s%s %s] %s", platform, blank, s->stage->name, where, line);
	return arena_printf(&s->arena, "[%s%sstage-%u %s] %s", platform, blank, s->stage->index, where, line);
}

static void reset(struct build *b, struct state *s)
{
	static const char *const proxies[] = {"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "FTP_PROXY", "ftp_proxy", "NO_PROXY",
		"no_proxy", "ALL_PROXY", "all_proxy"};
	json_drop(&s->document);
	arena_drop(&s->arena);
	s->config = (struct image_config){};
	s->args = s->predefined = (struct strv){};
	s->has_cmd = false;
	for (size_t i = 0; i < countof(proxies); i++) {
		const char *v = strv_env_get(&b->q->args, proxies[i]);
		if (v)
			arena_strv_add(&s->arena, &s->predefined, arena_printf(&s->arena, "%s=%s", proxies[i], v));
	}
}

/* A stage from scratch is as young as the youngest that it uses. */
static void set_epoch(struct build *b, struct state *s, const struct source *of)
{
	size_t n = b->df.stages.n;
	s->epoch = 0;
	if (b->has_epoch)
		s->epoch = b->epoch;
	else if (of->state)
		s->epoch = of->state->epoch;
	else if (of->config.created)
		s->epoch = num_time_of(of->config.created);
	if (b->has_epoch || of->state || of->layers.n)
		return;
	for (size_t k = 0; k < n; k++)
		if (b->uses[s->stage->index * n + k] && b->states[k].epoch > s->epoch)
			s->epoch = b->states[k].epoch;
}

static int take_base(struct build *b, struct state *s, const struct source *of, const char *platform, struct err *e)
{
	struct platform_want want;
	struct image_config *c = &s->config;
	if (config_copy(&of->config, &s->arena, &s->document, c, e) < 0)
		return -1;
	if (platform_parse(!str_is_empty(platform) ? platform : b->q->platform, &want, e) < 0)
		return -1;
	if (str_is_empty(c->os))
		c->os = arena_dup(&s->arena, *want.os ? want.os : "linux");
	if (str_is_empty(c->architecture)) {
		c->architecture = arena_dup(&s->arena, want.architecture);
		if (want.has_variant)
			c->variant = arena_dup(&s->arena, want.variant);
	}
	/* What docker says of the container that a base was committed from. */
	c->docker_version = c->container = c->comment = c->parent = NULL;
	c->config.hostname = c->config.domainname = NULL;
	s->base_layers = of->state ? of->state->base_layers : c->rootfs.diff_ids.n;
	if (of->state)
		for (size_t i = 0; i < of->state->args.n; i++)
			arena_strv_add(&s->arena, &s->args, of->state->args.v[i]);
	if (!c->config.env.n && !of->state)
		arena_strv_add(&s->arena, &c->config.env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	set_epoch(b, s, of);
	return 0;
}

/* What the checks say of the stage, once it is known what it begins with. */
static int check(struct build *b, const struct state *s, const struct source *of, const char *base, const char *platform, struct err *e)
{
	const struct image_config *c = &of->config;
	struct platform_want want;
	char is[PLATFORM_TEXT], wanted[PLATFORM_TEXT];
	if (platform_parse(!str_is_empty(platform) ? platform : b->q->platform, &want, e) < 0)
		return -1;
	if (!of->state && c->architecture && platform_rank(&want, c->os, c->architecture, c->variant) < 0)
		lint_add(&b->lint, LINT_INVALID_BASE_IMAGE_PLATFORM, s->stage->from.node, s->stage->base, "%.200s is of the platform %s, and %s is built", base,
			platform_format(c->os, c->architecture, c->variant, is), platform_format_want(&want, wanted));
	lint_stage(&b->lint, s->stage->index, of->state ? (ssize_t)of->state->stage->index : -1, &s->config.config.env,
		&s->config.config.on_build);
	return build_lint(b, e);
}

/* FROM a context: nothing, and its files. */
static int take_files(const struct step *from, const char *name, struct err *e)
{
	struct inst *copy = arena_alloc(&from->s->arena, sizeof *copy);
	struct step x = *from;
	own(mem) char *text = mem_printf("COPY --from=%s . /", name);
	x.i = copy;
	return dockerfile_trigger(&x.b->df, text, from->i->node->at.line, copy, e) < 0 ? -1 : copy_do(&x, e);
}

/* 1: of a context, and the cache does not have its files. */
static int from(struct build *b, struct state *s, unsigned number, unsigned total, bool probing, struct err *e)
{
	const struct stage *stage = s->stage;
	own(buf) struct buf base = BUF(4096);
	own(buf) struct buf platform = BUF(256);
	struct source of = {};
	own(json) struct json *document = NULL;
	const char *flag = inst_flag(&stage->from, "platform", 0);
	char where[40];
	if (plan_expand(b, stage->from.node, stage->base, &b->globals, &base, e) < 0 ||
		(flag && plan_expand(b, stage->from.node, flag, &b->globals, &platform, e) < 0))
		return -1;
	if (!base.len)
		return lex_error(&b->df.text, stage->from.node, stage->base, e, "FROM %.100s: the name of the image is empty", stage->base);
	snprintf(where, sizeof where, "%*s1/%u", total > 9 ? 2 : 1, "", total);
	own(mem) char *text = mem_printf("FROM %s", buf_text(&base));
	struct step x = {.b = b, .s = s, .i = &stage->from, .number = number, .probing = probing,
		.name = label(b, s, where + strspn(where, " "), text)};
	struct err why = {};
	bool tells = number > s->told && !context_named(b, buf_text(&base)) &&
		dockerfile_stage(&b->df, buf_text(&base), stage->index) < 0 && !str_eq(buf_text(&base), "scratch");
	if (tells)
		step_begin(&x);
	if (source_find(b, s, buf_text(&base), buf_text(&platform), &s->arena, &of, &document, &why) < 0) {
		(void)!lex_error(&b->df.text, stage->from.node, stage->base, e, "%s", why.text);
		e->kind = why.kind;
		e->sys = why.sys;
		if (tells)
			event_send(b, BUILD_FAILED, number, x.name, num_monotonic_ns() - x.began, e->text, strlen(e->text));
		return -1;
	}
	if (tells) {
		event_send(b, BUILD_DONE, number, x.name, num_monotonic_ns() - x.began, NULL, 0);
		s->told = number;
	}
	if (take_base(b, s, &of, buf_text(&platform), e) < 0)
		return -1;
	if (probing && check(b, s, &of, buf_text(&base), buf_text(&platform), e) < 0)
		return -1;
	return of.context ? take_files(&x, buf_text(&base), e) : 0;
}

struct going { struct build *b; struct state *s; unsigned number, at, total; bool probing; };

static int one(struct going *g, const struct inst *i, struct err *e)
{
	char where[40];
	struct step x = {.b = g->b, .s = g->s, .i = i, .number = ++g->number, .probing = g->probing};
	if (is_counted(i) && !i->is_trigger)
		g->at++;
	snprintf(where, sizeof where, "%u/%u", g->at, g->total);
	x.name = label(g->b, g->s, where, i->node->original);
	int r = step_do(&x, e);
	if (r == 0 && !g->probing && interrupt_came())
		return err_set(e, ERR_CONFLICT, "interrupted");
	return r;
}

/* ONBUILD of the base, once. */
static int triggers(struct going *g, struct err *e)
{
	struct state *s = g->s;
	struct strv texts = s->config.config.on_build, scope = {};
	struct inst *list = arena_alloc(&s->arena, (texts.n + 1) * sizeof *list);
	bool waits = false;
	s->config.config.on_build = (struct strv){};
	for (size_t i = 0; i < s->config.config.env.n; i++)
		arena_strv_add(&s->arena, &scope, s->config.config.env.v[i]);
	for (size_t i = 0; i < texts.n; i++) {
		if (dockerfile_trigger(&g->b->df, texts.v[i], s->stage->from.node->at.line, &list[i], e) < 0)
			return -1;
		int r = g->probing ? plan_trigger(g->b, s->stage->index, &list[i], &scope, e) : 0;
		if (r < 0)
			return -1;
		waits |= r == 1;
	}
	if (waits)
		return 2;
	for (size_t i = 0; i < texts.n; i++) {
		int r = one(g, &list[i], e);
		if (r)
			return r;
	}
	return 0;
}

int stage_go(struct build *b, struct state *s, bool probing, struct err *e)
{
	struct going g = {.b = b, .s = s, .number = b->number_base + s->stage->index * STEPS_MAX, .at = 1,
		.total = stage_count_steps(s->stage), .probing = probing};
	reset(b, s);
	int r = from(b, s, ++g.number, g.total, probing, e);
	if (r == 0 && probing)
		r = 2 * plan_again(b, s->stage->index, &s->args, &s->config.config.env, e);
	if (r == 0)
		r = triggers(&g, e);
	for (size_t i = 0; r == 0 && i < s->stage->steps.n; i++)
		r = one(&g, &s->stage->steps.v[i], e);
	return r;
}
