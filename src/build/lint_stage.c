/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lint_stage: a stage's instructions in their order, with the variables that are defined so far. What a variable's value is is known only in
 * part (that of an ARG nobody gave one, of a base that nobody looked at): where it is not, what is made of it is not judged.
 */
#include "build/lint.h"

#include "base/buf.h"
#include "base/path.h"
#include "build/expand.h"
#include "build/fetch.h"
#include "build/git.h"

#include <ctype.h>

struct lint_stage {
	struct strv values, names;  /* NAME=value; NAME, of those that have none */
	bool seen, is_open;         /* is_open: the base's variables are not known */
	bool has_shell, has_workdir;
};
struct walk {
	struct lint *l;
	struct lint_stage *s;
	const struct node *last[INST_KINDS]; /* of those that only count once */
};

/* --- variables --- */

static const char *value(void *arg, const char *name)
{
	const struct walk *w = arg;
	static const char *const predefined[] = {"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "FTP_PROXY", "ftp_proxy", "NO_PROXY", "no_proxy",
		"ALL_PROXY", "all_proxy"};
	const char *v = strv_env_get(&w->s->values, name);
	if (v)
		return v;
	for (size_t i = 0; i < countof(predefined); i++)
		if (strcmp(predefined[i], name) == 0)
			return "";
	return strv_has(&w->s->names, name) ? "" : NULL;
}

static const char *nearest(const struct walk *w, const char *name)
{
	own(strv) struct strv known = {};
	for (size_t i = 0; i < w->s->names.n; i++)
		strv_add(&known, w->s->names.v[i]);
	for (size_t i = 0; i < w->s->values.n; i++)
		strv_add_n(&known, w->s->values.v[i], strcspn(w->s->values.v[i], "="));
	const char *near = known.n ? str_nearest(name, (const char *const *)known.v, known.n) : NULL;
	return near ? arena_dup(&w->l->arena, near) : NULL;
}

/* The word as far as it is known; false: it has variables in it that are not. Those that nothing defined are told. */
static bool expanded(struct walk *w, const struct node *n, const char *word, bool is_doc, struct buf *out)
{
	own(strv) struct strv unset = {};
	struct expansion x = {.get = value, .arg = w, .escape = w->l->df->text.escape, .keep_quotes = is_doc, .unset = &unset};
	struct err ignored = {};
	bool known = true;
	if (expand_word(&x, word, out, &ignored) < 0)
		return false;
	for (size_t i = 0; i < unset.n; i++) {
		const char *near = nearest(w, unset.v[i]);
		own(mem) char *needle = mem_printf("$%s", unset.v[i]);
		own(mem) char *braced = mem_printf("${%s", unset.v[i]);
		known = false;
		if (!w->s->is_open || near)
			lint_add(w->l, LINT_UNDEFINED_VAR, n, strstr(word, needle) ? needle : braced, "nothing defines $%.100s before%s%s%s", unset.v[i],
				near ? " (did you mean $" : "", near ? near : "", near ? "?)" : "");
	}
	for (size_t i = 0; known && i < w->s->names.n; i++)
		known = !strchr(word, '$') || !strstr(word, w->s->names.v[i]);
	return known;
}

static void look(struct walk *w, const struct node *n, const char *word)
{
	own(buf) struct buf out = BUF(LEX_MAX);
	if (word && strchr(word, '$'))
		(void)expanded(w, n, word, false, &out);
}

static void define(struct walk *w, const char *name, const char *text)
{
	struct lint_stage *s = w->s;
	struct arena *a = &w->l->arena;
	if (text)
		arena_strv_add(a, &s->values, arena_printf(a, "%s=%s", name, text));
	else if (!value(w, name))
		arena_strv_add(a, &s->names, name);
}

/* --- secrets --- */

static bool has_part(const char *name, const char *const *parts, size_t count)
{
	own(mem) char *lower = mem_dup(name);
	own(strv) struct strv words = {};
	strv_split(&words, str_lower(lower), '_');
	for (size_t i = 0; i < words.n; i++)
		for (size_t k = 0; k < count; k++)
			if (strcmp(words.v[i], parts[k]) == 0)
				return true;
	return false;
}

static void secret(struct walk *w, const struct inst *i, const char *name)
{
	static const char *const secrets[] = {"apikey", "auth", "credential", "credentials", "key", "password", "pword", "passwd", "secret", "token"};
	static const char *const harmless[] = {"public", "file", "version"};
	if (has_part(name, secrets, countof(secrets)) && !has_part(name, harmless, countof(harmless)))
		lint_add(w->l, LINT_SECRETS_USED_IN_ARG_OR_ENV, i->node, name, "%s \"%.100s\": its value stays in the image", inst_name(i->kind), name);
}

/* --- instructions --- */

static void pairs(struct walk *w, const struct inst *i)
{
	struct map now = {};
	for (size_t k = 0; k < i->pairs.n; k++) {
		const struct pair *p = &i->pairs.v[k];
		own(buf) struct buf name = BUF(LEX_MAX);
		own(buf) struct buf text = BUF(LEX_MAX);
		bool known = p->value && expanded(w, i->node, p->value, false, &text);
		(void)expanded(w, i->node, p->key, false, &name);
		const char *given = i->kind == INST_ARG ? strv_env_get(w->l->args, p->key) : NULL;
		if (!given && i->kind == INST_ARG && !p->value)
			given = strv_env_get(w->l->globals, p->key);
		if (i->kind != INST_LABEL)
			secret(w, i, buf_text(&name));
		*arena_push(&w->l->arena, &now) = (struct pair){arena_dup(&w->l->arena, buf_text(&name)),
			given ? arena_dup(&w->l->arena, given) : known ? arena_dup(&w->l->arena, buf_text(&text)) : NULL};
	}
	/* All of an instruction see what was before it. */
	for (size_t k = 0; i->kind != INST_LABEL && k < now.n; k++)
		define(w, now.v[k].key, now.v[k].value);
	if (i->is_legacy && !i->is_trigger)
		lint_add(w->l, LINT_LEGACY_KEY_VALUE_FORMAT, i->node, NULL, "write %s %.100s=…", inst_name(i->kind), i->pairs.v[0].key);
}

static void maintainer(struct walk *w, const struct inst *i)
{
	lint_add(w->l, LINT_MAINTAINER_DEPRECATED, i->node, NULL, "write LABEL org.opencontainers.image.authors=…");
}

static void once(struct walk *w, const struct inst *i)
{
	if (w->last[i->kind])
		lint_add(w->l, LINT_MULTIPLE_INSTRUCTIONS, w->last[i->kind], NULL, "%s comes again in line %u, and only the last one counts",
			inst_name(i->kind),
			i->node->at.line);
	w->last[i->kind] = i->node;
}

static void command(struct walk *w, const struct inst *i)
{
	once(w, i);
	if (!i->json && i->words.n && !w->s->has_shell)
		lint_add(w->l, LINT_JSON_ARGS_RECOMMENDED, i->node, NULL,
			"%s runs a shell, which keeps signals from the command: write %s [\"program\", \"argument\"]",
			inst_name(i->kind), inst_name(i->kind));
}

static void shell(struct walk *w, const struct inst *i unused)
{
	w->s->has_shell = true;
}

static void words(struct walk *w, const struct inst *i)
{
	for (size_t k = 0; k < i->words.n; k++)
		look(w, i->node, i->words.v[k]);
}

static void workdir(struct walk *w, const struct inst *i)
{
	own(buf) struct buf path = BUF(LEX_MAX);
	bool known = expanded(w, i->node, i->words.v[0], false, &path);
	if (known && path.len && path.data[0] != '/' && !w->s->has_workdir)
		lint_add(w->l, LINT_WORKDIR_RELATIVE_PATH, i->node, i->words.v[0], "\"%.200s\" is below whatever directory the base image has",
			buf_text(&path));
	w->s->has_workdir |= !known || (path.len && path.data[0] == '/');
}

static void port(struct walk *w, const struct inst *i, const char *word)
{
	const char *slash = strchr(word, '/');
	own(mem) char *ports = mem_ndup(word, slash ? (size_t)(slash - word) : strlen(word));
	bool upper = false;
	for (const char *p = slash; p && *p; p++)
		upper |= isupper((unsigned char)*p) != 0;
	if (upper)
		lint_add(w->l, LINT_EXPOSE_PROTO_CASING, i->node, word, "the protocol of \"%.100s\" is not in lower case", word);
	if (strchr(ports, ':'))
		lint_add(w->l, LINT_EXPOSE_INVALID_FORMAT, i->node, word, "\"%.100s\" has an address or a port of the host; only its last port counts", word);
}

static void expose(struct walk *w, const struct inst *i)
{
	for (size_t k = 0; k < i->words.n; k++) {
		own(buf) struct buf text = BUF(LEX_MAX);
		own(strv) struct strv list = {};
		if (expanded(w, i->node, i->words.v[k], false, &text))
			strv_split(&list, buf_text(&text), ' ');
		for (size_t m = 0; m < list.n; m++)
			port(w, i, list.v[m]);
	}
}

/* --- COPY and ADD --- */

static bool is_taken_back(const struct ignore *g, const char *source)
{
	for (size_t i = 0; i < g->rows.n; i++)
		if (g->rows.v[i].back && (ignore_match(source, g->rows.v[i].text) || strcmp(source, ".") == 0))
			return true;
	return ignore_looks_below(g, source);
}

static void copied(struct walk *w, const struct inst *i, const char *written, const char *source)
{
	own(arena) struct arena a = {};
	struct git_source git;
	if (i->kind == INST_ADD && (fetch_is_url(source) || git_parse(source, &a, &git)))
		return;
	own(mem) char *rooted = mem_printf("/%s", source);
	own(mem) char *clean = path_clean(rooted);
	const char *path = clean[1] ? clean + 1 : ".";
	/* The whole context is ignored when a name that no pattern means is. */
	bool ignored = ignore_has(w->l->ignore, strcmp(path, ".") == 0 ? "\1" : path);
	if (ignored && !is_taken_back(w->l->ignore, path))
		lint_add(w->l, LINT_COPY_IGNORED_FILE, i->node, written, "\"%.200s\" is excluded by .dockerignore", source);
}

static void copy(struct walk *w, const struct inst *i)
{
	static const char *const flags[] = {"from", "chown", "chmod", "checksum", "exclude"};
	const char *text;
	for (size_t f = 0; f < countof(flags); f++)
		for (size_t k = 0; (text = inst_flag(i, flags[f], k)); k++)
			look(w, i->node, text);
	for (size_t k = 0; k < i->node->docs.n; k++) {
		own(buf) struct buf body = BUF(LEX_MAX);
		if (i->node->docs.v[k].expand && strchr(i->node->docs.v[k].body, '$'))
			(void)expanded(w, i->node, i->node->docs.v[k].body, true, &body);
	}
	for (size_t k = 0; k < i->words.n; k++) {
		own(buf) struct buf path = BUF(LEX_MAX);
		bool known = expanded(w, i->node, i->words.v[k], false, &path);
		bool is_doc = str_has_prefix(i->words.v[k], "<<") && i->node->docs.n;
		if (known && k + 1 < i->words.n && !is_doc && !inst_flag(i, "from", 0) && w->l->ignore)
			copied(w, i, i->words.v[k], buf_text(&path));
	}
}

static void run(struct walk *w, const struct inst *i)
{
	const char *text;
	for (size_t k = 0; (text = inst_flag(i, "mount", k)); k++)
		look(w, i->node, text);
}

static void (*const checks[INST_KINDS])(struct walk *w, const struct inst *i) = {
	[INST_ADD] = copy, [INST_ARG] = pairs, [INST_CMD] = command, [INST_COPY] = copy, [INST_ENTRYPOINT] = command, [INST_ENV] = pairs,
	[INST_EXPOSE] = expose, [INST_HEALTHCHECK] = once, [INST_LABEL] = pairs, [INST_MAINTAINER] = maintainer, [INST_RUN] = run, [INST_SHELL] = shell,
	[INST_STOPSIGNAL] = words, [INST_USER] = words, [INST_VOLUME] = words, [INST_WORKDIR] = workdir,
};

/* What only a file's own lines can be blamed for is not asked of a trigger. */
static bool is_own(enum inst_kind k)
{
	return k == INST_CMD || k == INST_ENTRYPOINT || k == INST_HEALTHCHECK || k == INST_MAINTAINER;
}

static void trigger(struct walk *w, const struct stage *of, const char *text)
{
	struct inst i;
	struct err told_by_the_build = {};
	if (dockerfile_trigger(w->l->df, text, of->from.node->at.line, &i, &told_by_the_build) == 0 && checks[i.kind] && !is_own(i.kind))
		checks[i.kind](w, &i);
}

static void triggers(struct walk *w, const struct stage *of, ssize_t base, const struct strv *on_build)
{
	const struct stage *from = base < 0 ? NULL : &w->l->df->stages.v[base];
	for (size_t i = 0; from && i < from->steps.n; i++) {
		own(buf) struct buf text = BUF(LEX_MAX);
		if (from->steps.v[i].kind != INST_ONBUILD)
			continue;
		dockerfile_onbuild(&from->steps.v[i], &text);
		trigger(w, of, buf_text(&text));
	}
	for (size_t i = 0; !from && on_build && i < on_build->n; i++)
		trigger(w, of, on_build->v[i]);
}

void lint_stage(struct lint *l, size_t stage, ssize_t base, const struct strv *env, const struct strv *on_build)
{
	if (!l->stages)
		l->stages = arena_alloc(&l->arena, l->df->stages.n * sizeof *l->stages);
	struct lint_stage *s = &l->stages[stage];
	if (s->seen)
		return;
	s->seen = true;
	if (base >= 0) {
		const struct lint_stage *of = &l->stages[base];
		for (size_t i = 0; i < of->values.n; i++)
			arena_strv_add(&l->arena, &s->values, of->values.v[i]);
		for (size_t i = 0; i < of->names.n; i++)
			arena_strv_add(&l->arena, &s->names, of->names.v[i]);
		s->is_open = of->is_open;
		s->has_shell = of->has_shell;
		s->has_workdir = of->has_workdir;
	} else {
		arena_strv_add(&l->arena, &s->values, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
		for (size_t i = 0; env && i < env->n; i++)
			arena_strv_add(&l->arena, &s->values, env->v[i]);
		s->is_open = !env;
	}
	struct walk w = {.l = l, .s = s};
	const struct stage *of = &l->df->stages.v[stage];
	triggers(&w, of, base, on_build);
	for (size_t i = 0; i < of->steps.n; i++)
		if (checks[of->steps.v[i].kind])
			checks[of->steps.v[i].kind](&w, &of->steps.v[i]);
}
