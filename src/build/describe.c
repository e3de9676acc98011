/* SPDX-License-Identifier: Apache-2.0 */
/*
 * describe: what --call asks for. Nothing is built and nothing is fetched: of a base image that is not here no variables are known.
 */
#include "build/stage.h"

#include "base/buf.h"
#include "codec/base64.h"
#include "engine/image.h"

static struct json *location(struct source_place at, unsigned last)
{
	struct json *where = json_new_object(), *ranges = json_new_array(), *range = json_new_object(), *start = json_new_object(), *end = json_new_object();
	json_set(start, "line", json_new_u64(at.line));
	json_set(start, "character", json_new_u64(at.column ? at.column - 1 : 0));
	json_set(end, "line", json_new_u64(last > at.line ? last : at.line));
	json_set(range, "start", start);
	json_set(range, "end", end);
	json_add(ranges, range);
	json_set(where, "sourceIndex", json_new_u64(0));
	json_set(where, "ranges", ranges);
	return where;
}

static struct json *data(const struct build *b)
{
	own(buf) struct buf text = {};
	own(buf) struct buf coded = {};
	for (size_t i = 0; i < b->df.text.lines.n; i++)
		buf_printf(&text, "%s\n", b->df.text.lines.v[i]);
	base64_encode(buf_text(&text), text.len, &coded);
	return json_new_str(buf_text(&coded));
}

/* --- check --- */

/* The variables of a base image that is here; NULL: it is not. */
static const struct strv *variables(struct build *b, const struct stage *s, struct image_config *config, struct image *image)
{
	static const struct strv none;
	own(buf) struct buf name = BUF(4096);
	struct err ignored = {};
	if (plan_expand(b, s->from.node, s->base, &b->globals, &name, &ignored) < 0 || context_named(b, buf_text(&name)))
		return NULL;
	if (strcmp(buf_text(&name), "scratch") == 0)
		return &none;
	if (image_ensure(b->g, buf_text(&name), "never", b->q->platform, NULL, image, &ignored) < 0 ||
		image_config_parse(image->document, &b->arena, config, &ignored) < 0)
		return NULL;
	return &config->config.env;
}

static ssize_t base_stage(struct build *b, const struct stage *s)
{
	own(buf) struct buf name = BUF(4096);
	struct err ignored = {};
	if (plan_expand(b, s->from.node, s->base, &b->globals, &name, &ignored) < 0 || context_named(b, buf_text(&name)))
		return -1;
	return dockerfile_stage(&b->df, buf_text(&name), s->index);
}

static struct json *error_document(const struct build *b, const struct err *e)
{
	struct json *j = json_new_object();
	json_set_str(j, "message", e->text);
	if (b->df.text.where.line)
		json_set(j, "location", location(b->df.text.where, 0));
	return j;
}

static struct json *findings(struct build *b)
{
	struct json *list = json_new_array();
	lint_sort(&b->lint);
	for (size_t i = 0; i < b->lint.found.n; i++) {
		const struct lint_finding *f = &b->lint.found.v[i];
		struct json *j = json_new_object();
		own(mem) char *url = lint_url(f->rule);
		json_set_str(j, "ruleName", lint_name(f->rule));
		json_set_str(j, "description", lint_about(f->rule));
		json_set_str(j, "url", url);
		json_set_str(j, "detail", f->text);
		json_set(j, "location", location(f->at, f->last));
		json_add(list, j);
	}
	return list;
}

static int check(struct build *b, struct json *ret, struct err *e)
{
	struct err why = {};
	bool read = build_read(b, &why) == 0;
	if (!read && !b->df.text.name)
		return *e = why, -1;
	for (size_t i = 0; read && i < b->df.stages.n; i++) {
		const struct stage *s = &b->df.stages.v[i];
		struct image_config config = {};
		own(image) struct image image = {};
		ssize_t base = base_stage(b, s);
		lint_stage(&b->lint, i, base, base >= 0 ? NULL : variables(b, s, &config, &image), &config.config.on_build);
	}
	struct json *sources = json_new_array(), *source = json_new_object();
	json_set_str(source, "filename", b->df.text.name);
	json_set_str(source, "language", "Dockerfile");
	json_set(source, "data", data(b));
	json_add(sources, source);
	json_set(ret, "warnings", findings(b));
	json_set(ret, "sources", sources);
	if (!read)
		json_set(ret, "buildError", error_document(b, &why));
	return 0;
}

/* --- targets --- */

static char *comment(const struct node *n, const char *name)
{
	const char *text = name ? lint_described(n, name) : NULL;
	return text && *text ? mem_dup(text) : NULL;
}

static int targets(struct build *b, struct json *ret, struct err *e)
{
	struct json *list = json_new_array(), *sources = json_new_array();
	json_set(ret, "targets", list);
	json_set(ret, "sources", sources);
	if (build_read(b, e) < 0)
		return -1;
	for (size_t i = 0; i < b->df.stages.n; i++) {
		const struct stage *s = &b->df.stages.v[i];
		const char *platform = inst_flag(&s->from, "platform", 0);
		own(mem) char *about = comment(s->from.node, s->name ? s->from.words.v[2] : NULL);
		struct json *j = json_new_object();
		if (s->name)
			json_set_str(j, "name", s->name);
		if (i + 1 == b->df.stages.n)
			json_set(j, "default", json_new_bool(true));
		if (about)
			json_set_str(j, "description", about);
		json_set_str(j, "base", s->base);
		if (platform)
			json_set_str(j, "platform", platform);
		json_set(j, "location", location(s->from.node->at, s->from.node->last));
		json_add(list, j);
	}
	json_add(sources, data(b));
	return 0;
}

/* --- outline --- */

static bool has_named(const struct json *list, const char *key, const char *name)
{
	for (size_t i = 0; i < json_len(list); i++)
		if (str_eq(json_get_str(json_at(list, i), key), name))
			return true;
	return false;
}

static void add_args(struct build *b, const struct inst *i, const struct strv *used, struct json *list)
{
	for (size_t k = 0; k < i->pairs.n; k++) {
		const struct pair *p = &i->pairs.v[k];
		own(buf) struct buf text = BUF(LEX_MAX);
		own(mem) char *about = comment(i->node, p->key);
		struct err ignored = {};
		if (has_named(list, "name", p->key) || (used && !strv_has(used, p->key)))
			continue;
		const char *v = strv_env_get(&b->q->args, p->key);
		if (!v && !p->value)
			v = strv_env_get(&b->globals, p->key);
		if (!v && p->value)
			v = plan_expand(b, i->node, p->value, &b->globals, &text, &ignored) < 0 ? p->value : buf_text(&text);
		struct json *j = json_new_object();
		json_set_str(j, "name", p->key);
		if (about)
			json_set_str(j, "description", about);
		if (!str_is_empty(v))
			json_set_str(j, "value", v);
		json_set(j, "location", location(lex_place(&b->df.text, i->node, p->key), 0));
		json_add(list, j);
	}
}

static const char *use(void *arg, const char *name)
{
	strv_add(arg, name);
	return "";
}

/* The variables that FROM of the stages that are needed uses, and those that their values use. */
static void used_by_from(struct build *b, struct strv *used)
{
	struct expansion x = {.get = use, .arg = used, .escape = b->df.text.escape};
	struct err ignored = {};
	for (size_t i = 0; i < b->df.stages.n; i++) {
		const struct stage *s = &b->df.stages.v[i];
		const char *platform = inst_flag(&s->from, "platform", 0);
		own(buf) struct buf out = BUF(LEX_MAX);
		if (b->needed[i])
			(void)!expand_word(&x, s->base, &out, &ignored);
		if (b->needed[i] && platform)
			(void)!expand_word(&x, platform, &out, &ignored);
	}
	for (size_t i = b->df.globals.n; i-- > 0;)
		for (size_t k = 0; k < b->df.globals.v[i].pairs.n; k++) {
			const struct pair *p = &b->df.globals.v[i].pairs.v[k];
			own(buf) struct buf out = BUF(LEX_MAX);
			if (p->value && strv_has(used, p->key))
				(void)!expand_word(&x, p->value, &out, &ignored);
		}
}

struct mount_words { const char *type, *id, *target; bool required; };

static struct mount_words read_mount(const struct strv *words)
{
	struct mount_words m = {.type = "bind"};
	const char *v;
	for (size_t i = 0; i < words->n; i++) {
		if ((v = str_after(words->v[i], "type=")))
			m.type = v;
		else if ((v = str_after(words->v[i], "id=")))
			m.id = v;
		else if ((v = str_after(words->v[i], "target=")) || (v = str_after(words->v[i], "dst=")) || (v = str_after(words->v[i], "destination=")))
			m.target = v;
		else if (str_eq(words->v[i], "required") || str_eq(words->v[i], "required=true") || str_eq(words->v[i], "required=1"))
			m.required = true;
	}
	return m;
}

static void add_mount(struct build *b, const struct inst *i, const char *flag, struct json *lists[3])
{
	static const char *const types[] = {"secret", "ssh", "cache"};
	own(strv) struct strv words = {};
	strv_split(&words, flag, ',');
	struct mount_words m = read_mount(&words);
	const char *slash = m.target ? strrchr(m.target, '/') : NULL;
	for (size_t t = 0; t < countof(types); t++) {
		if (strcmp(types[t], m.type) != 0)
			continue;
		const char *name = m.id ? m.id : t == 1 ? "default" : t == 2 ? m.target : slash ? slash + 1 : m.target, *key = t == 2 ? "ID" : "name";
		if (!name || has_named(lists[t], key, name))
			return;
		struct json *j = json_new_object();
		json_set_str(j, key, name);
		if (m.required)
			json_set(j, "required", json_new_bool(true));
		json_set(j, "location", location(lex_place(&b->df.text, i->node, flag), 0));
		json_add(lists[t], j);
	}
}

static int outline(struct build *b, struct json *ret, struct err *e)
{
	struct json *args = json_new_array(), *lists[3] = {json_new_array(), json_new_array(), json_new_array()}, *sources = json_new_array();
	own(strv) struct strv used = {};
	json_set(ret, "args", args);
	json_set(ret, "secrets", lists[0]);
	json_set(ret, "ssh", lists[1]);
	json_set(ret, "cache", lists[2]);
	json_set(ret, "sources", sources);
	if (build_read(b, e) < 0)
		return -1;
	const struct stage *target = &b->df.stages.v[b->target];
	own(mem) char *about = comment(target->from.node, target->name ? target->from.words.v[2] : NULL);
	if (target->name)
		json_set_str(ret, "name", target->name);
	if (about)
		json_set_str(ret, "description", about);
	used_by_from(b, &used);
	for (size_t i = 0; i < b->df.globals.n; i++)
		add_args(b, &b->df.globals.v[i], &used, args);
	for (size_t i = 0; i < b->df.stages.n; i++)
		for (size_t k = 0; b->needed[i] && k < b->df.stages.v[i].steps.n; k++) {
			const struct inst *x = &b->df.stages.v[i].steps.v[k];
			const char *flag;
			if (x->kind == INST_ARG)
				add_args(b, x, NULL, args);
			for (size_t f = 0; x->kind == INST_RUN && (flag = inst_flag(x, "mount", f)); f++)
				add_mount(b, x, flag, lists);
		}
	json_add(sources, data(b));
	return 0;
}

/* --- all --- */

static const struct { const char *name; int (*describe)(struct build *b, struct json *ret, struct err *e); } calls[] = {
	{"check", check}, {"lint", check}, {"outline", outline}, {"targets", targets},
};

int build_describe(struct engine *g, const struct build_request *q, const char *call, struct json **ret, struct err *e)
{
	struct build b = {.g = g, .q = q, .context = CONTEXT_NONE, .events = -1, .cache.dir = -1};
	own(json) struct json *j = json_new_object();
	int r = cache_open(&b.cache, g, e);
	for (size_t i = 0; r == 0 && i < countof(calls); i++)
		if (strcmp(calls[i].name, call) == 0)
			r = calls[i].describe(&b, j, e);
	if (r == 0)
		*ret = take(j);
	build_drop(&b);
	return r;
}
