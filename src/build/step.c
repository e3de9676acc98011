/* SPDX-License-Identifier: Apache-2.0 */
/*
 * step: the instructions that only change the image's config, by a table; and what all steps share.
 */
#include "build/stage.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "build/explain.h"
#include "build/interrupt.h"
#include "build/lay.h"
#include "build/place.h"
#include "build/share.h"
#include "codec/digest.h"
#include "engine/user.h"
#include "sys/signals.h"

#include <ctype.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* --- what steps share --- */

static const char *variable(void *arg, const char *name)
{
	const struct state *s = arg;
	const char *v = strv_env_get(&s->config.config.env, name);
	return v ? v : strv_env_get(&s->args, name);
}

static struct expansion expansion_of(const struct step *x)
{
	return (struct expansion){.get = variable, .arg = x->s, .escape = x->b->df.text.escape};
}

int step_expand(const struct step *x, const char *word, struct buf *out, struct err *e)
{
	struct expansion v = expansion_of(x);
	struct err why = {};
	if (expand_word(&v, word, out, &why) == 0)
		return 0;
	return lex_error(&x->b->df.text, x->i->node, strpbrk(word, "$"), e, "%s", why.text);
}

char *step_expanded(const struct step *x, const char *word, struct err *e)
{
	own(buf) struct buf b = BUF(LEX_MAX);
	return step_expand(x, word, &b, e) < 0 ? NULL : arena_dup(&x->s->arena, buf_text(&b));
}

char *step_heredoc(const struct step *x, const char *body, struct err *e)
{
	own(buf) struct buf b = BUF(LEX_MAX);
	struct expansion v = expansion_of(x);
	struct err why = {};
	v.keep_quotes = true;
	if (expand_word(&v, body, &b, &why) < 0)
		return (void)!lex_error(&x->b->df.text, x->i->node, NULL, e, "%s", why.text), NULL;
	return arena_dup(&x->s->arena, buf_text(&b));
}

char *step_path(const struct step *x, const char *path)
{
	const char *dir = x->s->config.config.working_dir;
	own(mem) char *whole = *path == '/' ? mem_dup(path) : mem_printf("%s/%s", str_is_empty(dir) ? "/" : dir, path);
	own(mem) char *rooted = *whole == '/' ? mem_dup(whole) : mem_printf("/%s", whole);
	own(mem) char *clean = path_clean(rooted);
	return arena_dup(&x->s->arena, clean);
}

int step_owner(int root, const char *text, struct arena *a, struct user *ret, struct err *e)
{
	bool alone = *text && strspn(text, "0123456789") == strlen(text);
	if (user_lookup(root, text, a, ret, e) < 0)
		return -1;
	ret->gid = alone ? ret->uid : ret->gid;
	return 0;
}

char *time_text(struct arena *a, int64_t ns)
{
	time_t t = (time_t)(ns / 1000000000);
	struct tm tm;
	char text[64] = "1970-01-01T00:00:00Z";
	if (gmtime_r(&t, &tm))
		strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return arena_dup(a, text);
}

void state_add_layer(struct state *s, const char *layer)
{
	if (*layer)
		arena_strv_add(&s->arena, &s->config.rootfs.diff_ids, layer);
}

void state_history(struct step *x, const char *created_by, bool empty)
{
	struct state *s = x->s;
	*arena_push(&s->arena, &s->config.history) = (struct image_history){.created = time_text(&s->arena, s->epoch),
		.created_by = arena_dup(&s->arena, created_by), .comment = arena_dup(&s->arena, "buildkit.dockerfile.v0"),
		.empty_layer = empty || !x->is_layer};
}

int state_mount(struct build *b, const struct state *s, struct err *e)
{
	struct snap_mount m = {.layers = &s->config.rootfs.diff_ids, .dir = -1, .read_only = true};
	if (!m.layers->n)
		return -1;
	return engine_need_snap(b->g, e) < 0 ? -1 : snap_mount(&b->g->snap, &m, e);
}

void step_begin(struct step *x)
{
	if (x->begun)
		return;
	x->begun = true;
	x->began = num_monotonic_ns();
	event_send(x->b, BUILD_BEGIN, x->number, x->name, 0, NULL, 0);
}

void step_key(const struct step *x, const char *kind, bool linked, struct key *k)
{
	own(mem) char *epoch = mem_printf("%lld", (long long)x->s->epoch);
	k->parts.max = 32 << 20;
	key_add(k, "step", kind);
	key_add(k, "version", "3");
	key_add(k, "epoch", epoch);
	key_add(k, "architecture", x->s->config.architecture);
	if (linked)
		key_add(k, "below", "anything");
	else
		key_add_list(k, "below", &x->s->config.rootfs.diff_ids);
}

static void step_end(struct step *x, enum build_event_kind kind, const char *text)
{
	event_send(x->b, kind, x->number, x->name, num_monotonic_ns() - x->began, text, text ? strlen(text) : 0);
}

/* Whatever goes wrong in a step is told with its place in the file. */
static void say_where(struct step *x, struct err *e)
{
	struct lexed *l = &x->b->df.text;
	const char *after = str_after(e->text, l->name);
	enum err_kind kind = e->kind;
	int sys = e->sys;
	if (interrupt_came() || (after && *after == ':'))
		return;
	own(mem) char *text = mem_dup(e->text);
	(void)!lex_error(l, x->i->node, NULL, e, "%s", text);
	e->kind = kind;
	e->sys = sys;
}

static bool is_never_cached(const struct step *x)
{
	const struct strv *filter = &x->b->q->no_cache_filter;
	for (size_t i = 0; x->s->stage->name && i < filter->n; i++)
		if (strcasecmp(filter->v[i], x->s->stage->name) == 0)
			return true;
	return false;
}

/* CPU of this process and of those that it waited for. */
static int64_t used_ns(void)
{
	int64_t ns = 0;
	static const int whose[] = {RUSAGE_SELF, RUSAGE_CHILDREN};
	for (size_t i = 0; i < countof(whose); i++) {
		struct rusage u;
		if (getrusage(whose[i], &u) == 0)
			ns += ((int64_t)u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000000 + ((int64_t)u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000;
	}
	return ns;
}

static int make_layer(struct step *x, step_make make, void *arg, char layer[136], struct err *e)
{
	struct snap_layer_info info;
	struct err ignored = {};
	int64_t before = used_ns();
	int r = make(x, arg, layer, e);
	x->b->cost.cpu_ns = used_ns() - before;
	x->b->cost.bytes = r == 0 && *layer && snap_layer_info(&x->b->g->snap, layer, &info, &ignored) == 0 ? info.bytes : 0;
	return r;
}

static int take_cached(struct step *x, const char hex[65], const struct cached *hit, struct err *e)
{
	if (explain_note(x, hex, e) < 0)
		return -1;
	state_add_layer(x->s, hit->layer);
	x->is_layer = *hit->layer != 0;
	/* The coordinator told of those that it found itself. */
	if (x->number > x->s->told) {
		event_send(x->b, BUILD_CACHED, x->number, x->name, 0, NULL, 0);
		x->s->told = x->number;
	}
	return 0;
}

static int do_layer(struct step *x, const struct key *k, const char hex[65], step_make make, void *arg, struct err *e)
{
	char layer[136] = "";
	step_begin(x);
	if (x->b->q->explain) {
		own(mem) char *why = is_never_cached(x) ? mem_dup("--no-cache-filter") : explain_step(x, k);
		own(mem) char *line = mem_printf("done again because of: %s\n", why);
		event_send(x->b, BUILD_OUTPUT, x->number, x->name, 0, line, strlen(line));
	}
	if (make_layer(x, make, arg, layer, e) < 0) {
		say_where(x, e);
		step_end(x, BUILD_FAILED, e->text);
		if (x->b->q->shell_on_error && x->i->kind != INST_RUN)
			step_shell_failed(x, -1);
		return -1;
	}
	state_add_layer(x->s, layer);
	x->is_layer = *layer != 0;
	if (*hex && (cache_put(&x->b->cache, hex, k, layer, x->name, e) < 0 || explain_note(x, hex, e) < 0))
		return -1;
	if (*hex)
		cache_date(&x->b->cache, hex, num_now_ns() - (num_monotonic_ns() - x->began));
	step_end(x, BUILD_DONE, NULL);
	return 0;
}

int step_layer(struct step *x, const struct key *k, step_make make, void *arg, struct err *e)
{
	char hex[65] = "";
	struct cached hit = {};
	struct cache *c = &x->b->cache;
	bool again = !c->read || is_never_cached(x);
	if (k->parts.len)
		key_end(k, hex);
	int r = *hex && !again ? cache_get(c, x->b->g, hex, false, &hit, e) : 0;
	if (r)
		return r < 0 ? -1 : take_cached(x, hex, &hit, e);
	if (x->probing)
		return 1;
	/* Somebody who looks around in a step that failed keeps nobody waiting. */
	if (!*hex || x->b->q->shell_on_error)
		return do_layer(x, k, hex, make, arg, e);
	struct share s __attribute__((cleanup(share_drop))) = {.lock = -1};
	if (share_take(x, hex, &s, e) < 0)
		return -1;
	/* "Again" is since this build began, by whomever. */
	r = !again || s.waited ? cache_get(c, x->b->g, hex, again, &hit, e) : 0;
	if (r)
		return r < 0 ? -1 : take_cached(x, hex, &hit, e);
	return do_layer(x, k, hex, make, arg, e);
}

/* --- instructions --- */

static int wrong(struct step *x, struct err *e, const char *text)
{
	return lex_error(&x->b->df.text, x->i->node, NULL, e, "%s", text);
}

static void note(struct step *x, const char *text)
{
	own(buf) struct buf b = BUF(LEX_MAX);
	buf_printf(&b, "%s %s", inst_name(x->i->kind), text ? text : x->i->node->text);
	state_history(x, buf_text(&b), true);
}

static int arg_do(struct step *x, struct err *e)
{
	struct state *s = x->s;
	own(strv) struct strv now = {};
	for (size_t i = 0; i < x->i->pairs.n; i++) {
		const struct pair *p = &x->i->pairs.v[i];
		own(buf) struct buf value = BUF(LEX_MAX);
		const char *given = strv_env_get(&x->b->q->args, p->key);
		const char *global = strv_env_get(&x->b->globals, p->key), *predefined = strv_env_get(&s->predefined, p->key);
		if (given)
			buf_str(&value, given);
		else if (p->value && step_expand(x, p->value, &value, e) < 0)
			return -1;
		else if (!p->value && !global && !predefined)
			continue;
		else if (!p->value)
			buf_str(&value, predefined ? predefined : global);
		own(mem) char *line = mem_printf("%s=%s", p->key, buf_text(&value));
		strv_env_set(&now, line);
	}
	for (size_t i = 0; i < now.n; i++) {
		struct strv all = s->args;
		own(mem) char *name = mem_ndup(now.v[i], strcspn(now.v[i], "="));
		s->args = (struct strv){};
		for (size_t k = 0; k < all.n; k++) {
			const char *rest = str_after(all.v[k], name);
			if (!rest || *rest != '=')
				arena_strv_add(&s->arena, &s->args, all.v[k]);
		}
		arena_strv_add(&s->arena, &s->args, now.v[i]);
	}
	note(x, NULL);
	return 0;
}

/* One value of the variables for the whole instruction. */
static int pairs(struct step *x, struct map *out, struct err *e)
{
	for (size_t i = 0; i < x->i->pairs.n; i++) {
		char *key = step_expanded(x, x->i->pairs.v[i].key, e), *value = key ? step_expanded(x, x->i->pairs.v[i].value, e) : NULL;
		if (!value)
			return -1;
		if (!*key)
			return wrong(x, e, "a name is empty");
		*arena_push(&x->s->arena, out) = (struct pair){key, value};
	}
	return 0;
}

static int env_do(struct step *x, struct err *e)
{
	struct map m = {};
	struct image_run_config *c = &x->s->config.config;
	own(buf) struct buf text = BUF(LEX_MAX);
	if (pairs(x, &m, e) < 0)
		return -1;
	for (size_t i = 0; i < m.n; i++) {
		char *line = arena_printf(&x->s->arena, "%s=%s", m.v[i].key, m.v[i].value);
		size_t k = 0, n = strlen(m.v[i].key) + 1;
		while (k < c->env.n && strncmp(c->env.v[k], line, n) != 0)
			k++;
		if (k < c->env.n)
			c->env.v[k] = line;
		else
			arena_strv_add(&x->s->arena, &c->env, line);
		buf_printf(&text, "%s%s", i ? " " : "", line);
	}
	note(x, buf_text(&text));
	return 0;
}

static int label_do(struct step *x, struct err *e)
{
	struct map m = {};
	own(buf) struct buf text = BUF(LEX_MAX);
	if (pairs(x, &m, e) < 0)
		return -1;
	for (size_t i = 0; i < m.n; i++) {
		map_set(&x->s->arena, &x->s->config.config.labels, m.v[i].key, m.v[i].value);
		buf_printf(&text, "%s%s=%s", i ? " " : "", m.v[i].key, m.v[i].value);
	}
	note(x, buf_text(&text));
	return 0;
}

static void command(struct step *x, struct strv *to)
{
	struct image_run_config *c = &x->s->config.config;
	struct arena *a = &x->s->arena;
	*to = (struct strv){};
	if (!x->i->json && x->i->words.n) {
		if (!c->shell.n) {
			arena_strv_add(a, to, "/bin/sh");
			arena_strv_add(a, to, "-c");
		}
		for (size_t i = 0; i < c->shell.n; i++)
			arena_strv_add(a, to, c->shell.v[i]);
	}
	for (size_t i = 0; i < x->i->words.n; i++)
		arena_strv_add(a, to, x->i->words.v[i]);
}

static void note_command(struct step *x, const struct strv *list)
{
	own(json) struct json *j = json_new_array();
	own(buf) struct buf text = BUF(LEX_MAX);
	for (size_t i = 0; i < list->n; i++)
		json_add(j, json_new_str(list->v[i]));
	json_format(j, 0, &text);
	note(x, buf_text(&text));
}

static int cmd_do(struct step *x, struct err *e unused)
{
	command(x, &x->s->config.config.cmd);
	x->s->has_cmd = true;
	note_command(x, &x->s->config.config.cmd);
	return 0;
}

static int entrypoint_do(struct step *x, struct err *e unused)
{
	command(x, &x->s->config.config.entrypoint);
	/* A command of the base is none for another entry point. */
	if (!x->s->has_cmd)
		x->s->config.config.cmd = (struct strv){};
	note_command(x, &x->s->config.config.entrypoint);
	return 0;
}

static int shell_do(struct step *x, struct err *e unused)
{
	x->s->config.config.shell = x->i->words;
	note_command(x, &x->i->words);
	return 0;
}

static int add_port(struct step *x, const char *word, struct err *e)
{
	uint64_t first, last;
	own(mem) char *ports = mem_ndup(word, strcspn(word, "/"));
	const char *slash = strchr(word, '/');
	own(mem) char *proto = mem_dup(slash ? slash + 1 : "tcp");
	str_lower(proto);
	/* Of ip:host:container the last counts, as docker has it. */
	char *colon = strrchr(ports, ':'), *at = colon ? colon + 1 : ports, *dash = strchr(at, '-');
	if (dash)
		*dash = 0;
	struct err why = {};
	if ((!str_eq(proto, "tcp") && !str_eq(proto, "udp") && !str_eq(proto, "sctp")) || num_u64(at, 65535, &first, "port", &why) < 0 ||
		num_u64(dash ? dash + 1 : at, 65535, &last, "port", &why) < 0 || last < first)
		return lex_error(&x->b->df.text, x->i->node, word, e, "invalid port \"%.60s\": as in 80, 80/udp, 8000-8010", word);
	for (uint64_t p = first; p <= last; p++) {
		char *key = arena_printf(&x->s->arena, "%u/%s", (unsigned)p, proto);
		if (!strv_has(&x->s->config.config.exposed_ports, key))
			arena_strv_add(&x->s->arena, &x->s->config.config.exposed_ports, key);
	}
	return 0;
}

static int expose_do(struct step *x, struct err *e)
{
	struct expansion v = expansion_of(x);
	own(strv) struct strv words = {};
	struct err why = {};
	for (size_t i = 0; i < x->i->words.n; i++)
		if (expand_words(&v, x->i->words.v[i], &words, &why) < 0)
			return wrong(x, e, why.text);
	for (size_t i = 0; i < words.n; i++)
		if (add_port(x, words.v[i], e) < 0)
			return -1;
	note(x, NULL);
	return 0;
}

static int volume_do(struct step *x, struct err *e)
{
	for (size_t i = 0; i < x->i->words.n; i++) {
		char *path = step_expanded(x, x->i->words.v[i], e);
		if (!path)
			return -1;
		path = str_trim(path);
		if (!*path)
			return wrong(x, e, "VOLUME: a path is empty");
		if (!strv_has(&x->s->config.config.volumes, path))
			arena_strv_add(&x->s->arena, &x->s->config.config.volumes, path);
	}
	note(x, NULL);
	return 0;
}

static int user_do(struct step *x, struct err *e)
{
	char *user = step_expanded(x, x->i->words.v[0], e);
	struct err why = {};
	if (!user)
		return -1;
	if (!*user || user_check(user, &why) < 0)
		return wrong(x, e, *user ? why.text : "USER: the user is empty");
	x->s->config.config.user = user;
	note(x, user);
	return 0;
}

static int stopsignal_do(struct step *x, struct err *e)
{
	char *text = step_expanded(x, x->i->words.v[0], e);
	int sig;
	struct err why = {};
	if (!text)
		return -1;
	if (signal_parse(text, &sig, &why) < 0)
		return wrong(x, e, why.text);
	x->s->config.config.stop_signal = text;
	note(x, text);
	return 0;
}

static int maintainer_do(struct step *x, struct err *e unused)
{
	x->s->config.author = arena_dup(&x->s->arena, x->i->node->text);
	note(x, NULL);
	return 0;
}

static int onbuild_do(struct step *x, struct err *e unused)
{
	struct arena *a = &x->s->arena;
	own(buf) struct buf text = BUF(LEX_MAX);
	dockerfile_onbuild(x->i, &text);
	arena_strv_add(a, &x->s->config.config.on_build, buf_text(&text));
	note(x, NULL);
	return 0;
}

static int duration(struct step *x, const char *flag, int64_t *ret, struct err *e)
{
	const char *v = inst_flag(x->i, flag, 0);
	struct err why = {};
	if (!v)
		return 0;
	if (num_duration(v, ret, &why) < 0 || (*ret && *ret < 1000000))
		return lex_error(&x->b->df.text, x->i->node, flag, e, "--%s: %s", flag, why.kind ? why.text : "at least 1ms, or 0");
	return 0;
}

static int health_do(struct step *x, struct err *e)
{
	struct arena *a = &x->s->arena;
	struct healthcheck *h = arena_alloc(a, sizeof *h);
	const char *retries = inst_flag(x->i, "retries", 0);
	uint64_t n = 0;
	struct err why = {};
	bool none = !x->i->json && str_eq(x->i->words.v[0], "NONE") && strncasecmp(x->i->node->text, "none", 4) == 0;
	if (duration(x, "interval", &h->interval, e) < 0 || duration(x, "timeout", &h->timeout, e) < 0 ||
		duration(x, "start-period", &h->start_period, e) < 0 || duration(x, "start-interval", &h->start_interval, e) < 0)
		return -1;
	if (retries && num_u64(retries, INT32_MAX, &n, "--retries", &why) < 0)
		return wrong(x, e, why.text);
	h->retries = (int64_t)n;
	arena_strv_add(a, &h->test, none ? "NONE" : x->i->json ? "CMD" : "CMD-SHELL");
	for (size_t i = 0; !none && i < x->i->words.n; i++)
		arena_strv_add(a, &h->test, x->i->words.v[i]);
	x->s->config.config.healthcheck = h;
	note(x, NULL);
	return 0;
}

/* --- WORKDIR: a directory that has to be there --- */

static int write_dir(void *arg, int out, struct err *e)
{
	struct step *x = arg;
	struct place p __attribute__((cleanup(place_drop))) = {};
	struct user u = {};
	struct lay l;
	struct err none = {};
	own(fd) int root = state_mount(x->b, x->s, &none);
	if (root < 0 && none.kind != ERR_NONE)
		return *e = none, -1;
	if (place_find(root, x->s->config.config.working_dir, true, &p, e) < 0)
		return -1;
	if (root >= 0 && !str_is_empty(x->s->config.config.user) && step_owner(root, x->s->config.config.user, &x->s->arena, &u, e) < 0)
		return err_wrap(e, "WORKDIR");
	lay_open(&l, out, root, x->s->epoch);
	l.uid = u.uid;
	l.gid = u.gid;
	int r = lay_dir(&l, buf_text(&p.path), NULL, e) < 0 ? -1 : lay_end(&l, e);
	lay_drop(&l);
	return r;
}

static int make_dir(struct step *x, void *arg unused, char layer[136], struct err *e)
{
	struct place p __attribute__((cleanup(place_drop))) = {};
	struct err none = {};
	own(fd) int root = state_mount(x->b, x->s, &none);
	if (root < 0 && none.kind != ERR_NONE)
		return *e = none, -1;
	if (place_find(root, x->s->config.config.working_dir, true, &p, e) < 0)
		return -1;
	if (p.exists && root >= 0) {
		*layer = 0;
		return S_ISDIR(p.st.st_mode) || !p.path.len ? 0 : wrong(x, e, "WORKDIR: it is there, and no directory");
	}
	if (!p.path.len)
		return 0;
	fd_drop(&root);
	struct writing w = {.write = write_dir, .arg = x, .again = true};
	return writing_do(x->b, &w, layer, e);
}

static int workdir_do(struct step *x, struct err *e)
{
	char *word = step_expanded(x, x->i->words.v[0], e);
	own(key) struct key k = {};
	if (!word)
		return -1;
	if (!*word)
		return wrong(x, e, "WORKDIR: the path is empty");
	x->s->config.config.working_dir = step_path(x, word);
	step_key(x, "workdir", false, &k);
	key_add(&k, "path", x->s->config.config.working_dir);
	key_add(&k, "user", x->s->config.config.user);
	int r = step_layer(x, &k, make_dir, NULL, e);
	if (r == 0) {
		own(mem) char *text = mem_printf("WORKDIR %s", x->s->config.config.working_dir);
		state_history(x, text, false);
	}
	return r;
}

static int nothing_do(struct step *x, struct err *e)
{
	return wrong(x, e, "FROM within a stage");
}

static int (*const steps[INST_KINDS])(struct step *x, struct err *e) = {
	[INST_ADD] = copy_do, [INST_ARG] = arg_do, [INST_CMD] = cmd_do, [INST_COPY] = copy_do, [INST_ENTRYPOINT] = entrypoint_do,
	[INST_ENV] = env_do, [INST_EXPOSE] = expose_do, [INST_FROM] = nothing_do, [INST_HEALTHCHECK] = health_do, [INST_LABEL] = label_do,
	[INST_MAINTAINER] = maintainer_do, [INST_ONBUILD] = onbuild_do, [INST_RUN] = run_do, [INST_SHELL] = shell_do,
	[INST_STOPSIGNAL] = stopsignal_do, [INST_USER] = user_do, [INST_VOLUME] = volume_do, [INST_WORKDIR] = workdir_do,
};

int step_do(struct step *x, struct err *e)
{
	if (step_is_debugged(x)) {
		if (x->probing)
			return 1;
		if (step_shell(x, -1, "--debug-at", e) < 0)
			return -1;
	}
	int r = steps[x->i->kind](x, e);
	if (r < 0)
		say_where(x, e);
	return r;
}
