/* SPDX-License-Identifier: Apache-2.0 */
/*
 * build: docker's classic build: the context is the body, a tar, and what happens is told as its builder does, in the steps' order:
 * {"stream":"Step 1/3 : FROM box\n"}. Stages are built side by side: of the steps that run at once one is told as it goes, what the others
 * say waits until that one is through.
 */
#include "api/lines.h"
#include "api/login_header.h"
#include "base/fd.h"
#include "base/num.h"
#include "build/build.h"
#include "build/prune.h"
#include "build/remote_cache.h"
#include "image/ref.h"
#include "state/container.h"

#include <limits.h>
#include <string.h>

enum { HELD_MAX = 4 << 20 };

struct told_step { unsigned step; char *name; bool shown, done; struct buf held; };
struct building {
	struct call *c;
	struct lines *l;
	struct build_request q;
	bool quiet;
	struct { struct told_step *v; size_t n; } steps;
	struct told_step *now; /* the one that is told as it goes */
	unsigned shown;
	struct buf early;      /* said before the first step: what fails until then is a status */
	char command[600];     /* of the RUN that failed */
};

/* --- what is told --- */

static void say(struct building *x, struct told_step *s, const char *text, size_t n)
{
	if (s->shown)
		lines_stream(x->l, text, n);
	else if (s->held.len + n < HELD_MAX)
		buf_add(&s->held, text, n);
}

/* "[stage-1 2/3] RUN make": what stands behind the bracket. */
static const char *instruction_of(const char *name)
{
	const char *end = *name == '[' ? strstr(name, "] ") : NULL;
	return end ? end + 2 : name;
}

static void show(struct building *x, struct told_step *s, unsigned total)
{
	unsigned number = ++x->shown;
	char *line = arena_printf(&x->l->arena, "Step %u/%u : %s\n", number, total < number ? number : total, instruction_of(s->name));
	s->shown = true;
	if (x->early.len)
		lines_stream(x->l, buf_text(&x->early), x->early.len);
	buf_reset(&x->early);
	lines_stream(x->l, line, strlen(line));
	if (s->held.len)
		lines_stream(x->l, buf_text(&s->held), s->held.len);
	buf_drop(&s->held);
}

static struct told_step *find_step(struct building *x, const struct build_event *ev)
{
	for (size_t i = 0; i < x->steps.n; i++)
		if (x->steps.v[i].step == ev->step)
			return &x->steps.v[i];
	size_t now = x->now ? (size_t)(x->now - x->steps.v) : 0;
	struct told_step *s = arena_push(&x->l->arena, &x->steps);
	*s = (struct told_step){.step = ev->step, .name = arena_dup(&x->l->arena, ev->name), .held = BUF(HELD_MAX)};
	x->now = x->now ? &x->steps.v[now] : NULL; /* the list may have moved */
	return s;
}

/* The next one is told: all that are through meanwhile, then one that runs. */
static void go_on(struct building *x, unsigned total)
{
	for (size_t i = 0; i < x->steps.n; i++)
		if (x->steps.v[i].done && !x->steps.v[i].shown)
			show(x, &x->steps.v[i], total);
	for (size_t i = 0; i < x->steps.n; i++)
		if (!x->steps.v[i].shown) {
			x->now = &x->steps.v[i];
			show(x, x->now, total);
			return;
		}
	x->now = NULL;
}

/* RUN: "/bin/sh -c make": exit status 2 */
static void keep_command(struct building *x, const struct build_event *ev)
{
	static const char before[] = "RUN: \"", behind[] = "\": exit status ";
	const char *begin = ev->text ? strstr(ev->text, before) : NULL, *end = begin ? strstr(begin, behind) : NULL;
	if (end && (size_t)(end - begin) < sizeof x->command) {
		begin += sizeof before - 1;
		memcpy(x->command, begin, (size_t)(end - begin));
		x->command[end - begin] = 0;
	}
}

static void on_event(void *arg, const struct build_event *ev)
{
	static const char cached[] = " ---> Using cache\n";
	struct building *x = arg;
	if (ev->kind == BUILD_FAILED)
		keep_command(x, ev);
	if (x->quiet)
		return;
	if (!ev->step) {
		own(mem) char *line = mem_printf("%s%.*s%s", ev->kind == BUILD_WARNING ? "[Warning] " : "", (int)(ev->len < INT_MAX ? ev->len : INT_MAX),
			ev->text ? ev->text : "", ev->kind == BUILD_WARNING ? "\n" : "");
		if (x->shown)
			lines_stream(x->l, line, strlen(line));
		else if (x->early.len < HELD_MAX)
			buf_str(&x->early, line);
		return;
	}
	struct told_step *s = find_step(x, ev);
	if (!x->now && !s->shown) {
		x->now = s;
		show(x, s, ev->total);
	}
	if (ev->kind == BUILD_CACHED)
		say(x, s, cached, sizeof cached - 1);
	else if (ev->kind == BUILD_OUTPUT)
		say(x, s, ev->text, ev->len);
	s->done |= ev->kind == BUILD_CACHED || ev->kind == BUILD_DONE || ev->kind == BUILD_FAILED;
	if (x->now && x->now->done)
		go_on(x, ev->total);
}

/* --- the request --- */

static int read_json(struct call *c, const char *name, enum json_kind kind, struct json **ret, struct err *e)
{
	const char *text = call_query(c, name);
	struct err why = {};
	*ret = NULL;
	if (!text || strcmp(text, "null") == 0)
		return 0;
	if (json_parse(text, strlen(text), ret, &why) < 0 || json_kind(*ret) != kind)
		return err_set(e, ERR_USAGE, "%s: must be %s of JSON: %.200s", name, kind == JSON_ARRAY ? "a list" : "an object", text);
	return 0;
}

/* "KEY=VALUE"s of an object. null: the value of the client's surroundings, which are not ours. */
static int read_pairs(struct call *c, const char *name, struct strv *to, struct err *e)
{
	own(json) struct json *all = NULL;
	if (read_json(c, name, JSON_OBJECT, &all, e) < 0)
		return -1;
	for (struct json_iter it = {}; json_next(all, &it);) {
		if (json_kind(it.value) == JSON_NULL)
			continue;
		if (!json_str(it.value) || !*it.key)
			return err_set(e, ERR_USAGE, "%s: %.100s: must be a string", name, it.key);
		arena_strv_add(c->arena, to, arena_printf(c->arena, "%s=%s", it.key, json_str(it.value)));
	}
	return 0;
}

static int read_strings(struct call *c, const char *name, struct strv *to, struct err *e)
{
	own(json) struct json *all = NULL;
	if (read_json(c, name, JSON_ARRAY, &all, e) < 0)
		return -1;
	for (size_t i = 0; i < json_len(all); i++) {
		if (str_is_empty(json_str(json_at(all, i))))
			return err_set(e, ERR_USAGE, "%s: must be a list of strings", name);
		arena_strv_add(c->arena, to, json_str(json_at(all, i)));
	}
	return 0;
}

static int read_ulimits(struct call *c, struct build_request *q, struct err *e)
{
	own(json) struct json *all = NULL;
	if (read_json(c, "ulimits", JSON_ARRAY, &all, e) < 0)
		return -1;
	for (size_t i = 0; i < json_len(all); i++) {
		const struct json *row = json_at(all, i), *soft = json_get_nocase(row, "Soft"), *hard = json_get_nocase(row, "Hard");
		const char *name = json_str(json_get_nocase(row, "Name"));
		if (str_is_empty(name) || json_kind(soft) != JSON_INT || json_kind(hard) != JSON_INT)
			return err_set(e, ERR_USAGE, "ulimits: each is {\"Name\":…,\"Soft\":N,\"Hard\":N}");
		*arena_push(c->arena, &q->ulimits) = (struct ulimit){arena_dup(c->arena, name), json_i64(hard), json_i64(soft)};
	}
	return 0;
}

static int read_numbers(struct call *c, struct build_request *q, struct err *e)
{
	const struct { const char *name; int64_t min, *to; } rows[] = {{"memory", 0, &q->memory}, {"memswap", -1, &q->memory_swap},
		{"shmsize", 0, &q->shm_size}, {"cpushares", 0, &q->cpu_shares}, {"cpuperiod", 0, &q->cpu_period}, {"cpuquota", -1, &q->cpu_quota}};
	for (size_t i = 0; i < countof(rows); i++)
		if (call_i64(c, rows[i].name, rows[i].min, INT64_MAX, 0, rows[i].to, e) < 0)
			return -1;
	return 0;
}

/* Never a folder of this machine: what the client has he sends. */
static bool is_remote(const char *text)
{
	static const char *const begins[] = {"http://", "https://", "git://", "ssh://", "git@", "github.com/"};
	for (size_t i = 0; i < countof(begins); i++)
		if (str_has_prefix(text, begins[i]))
			return true;
	return false;
}

static int read_request(struct call *c, struct build_request *q, struct err *e)
{
	struct strv cache_from = {};
	const char *remote = call_query(c, "remote"), *platform = call_query(c, "platform");
	*q = (struct build_request){.context = remote ? remote : "-", .file = call_query(c, "dockerfile"), .in = -1, .target = call_query(c, "target"),
		.network = call_query(c, "networkmode"), .pull = call_bool(c, "pull", false) ? "always" : NULL, .no_cache = call_bool(c, "nocache", false),
		.squash = call_bool(c, "squash", false), .cpuset_cpus = call_query(c, "cpusetcpus"), .cpuset_mems = call_query(c, "cpusetmems"),
		.cgroup_parent = call_query(c, "cgroupparent"), .event = on_event};
	if (str_eq(call_query(c, "version"), "2"))
		return err_set(e, ERR_USAGE, "version=2: builds by BuildKit are not supported: set DOCKER_BUILDKIT=0");
	if (call_query(c, "outputs"))
		return err_set(e, ERR_USAGE, "outputs: only builds by BuildKit have them");
	if (remote && !is_remote(remote))
		return err_set(e, ERR_USAGE, "remote: \"%.200s\" is not the URL of a tar, a Dockerfile or a git repository", remote);
	if (str_eq(q->file, "-"))
		return err_set(e, ERR_USAGE, "dockerfile: - is no name of a file in the context");
	if (platform)
		arena_strv_add(c->arena, &q->platforms, platform);
	for (size_t i = 0; i < c->request->query.n; i++) {
		const struct pair *p = &c->request->query.v[i];
		if (*p->value && strcmp(p->key, "t") == 0)
			arena_strv_add(c->arena, &q->tags, p->value);
		if (*p->value && strcmp(p->key, "extrahosts") == 0)
			arena_strv_add(c->arena, &q->extra_hosts, p->value);
	}
	if (read_pairs(c, "buildargs", &q->args, e) < 0 || read_pairs(c, "labels", &q->labels, e) < 0 || read_strings(c, "cachefrom", &cache_from, e) < 0 ||
		read_strings(c, "securityopt", &q->security_opt, e) < 0 || read_ulimits(c, q, e) < 0 || read_numbers(c, q, e) < 0)
		return -1;
	for (size_t i = 0; i < cache_from.n; i++)
		*arena_push(c->arena, &q->cache_from) = (struct build_cache){.kind = BUILD_CACHE_REGISTRY, .place = cache_from.v[i], .near = true};
	return login_header_take_all(c, e);
}

/* --- the build --- */

static void tell_result(struct building *x, const struct build_result *r)
{
	struct json *j = json_new_object(), *aux = json_new_object();
	const char *colon = strchr(r->id, ':');
	own(mem) char *built = x->quiet ? mem_printf("%s\n", r->id) : mem_printf("Successfully built %.12s\n", colon ? colon + 1 : r->id);
	json_set_str(aux, "ID", r->id);
	json_set(j, "aux", aux);
	lines_put(x->l, j);
	lines_stream(x->l, built, strlen(built));
	for (size_t i = 0; i < r->names.n && !x->quiet; i++) {
		struct ref ref;
		struct err ignored = {};
		char shown[REF_TEXT];
		bool ok = ref_parse(r->names.v[i], &ref, &ignored) == 0;
		own(mem) char *line = mem_printf("Successfully tagged %s\n", ok ? ref_format_familiar(&ref, shown) : r->names.v[i]);
		lines_stream(x->l, line, strlen(line));
	}
}

static void warn(void *arg, const char *text)
{
	on_event(arg, &(struct build_event){.kind = BUILD_WARNING, .text = text, .len = strlen(text)});
}

/* In the child. */
static int work(void *arg, struct lines *l, struct err *e)
{
	struct building *x = arg;
	own(build_result) struct build_result result = {};
	x->l = l;
	x->q.arg = x;
	x->c->g->warn = warn;
	x->c->g->arg = x;
	int r = build_run(x->c->g, &x->q, &result, e);
	for (size_t i = 0; i < x->steps.n; i++) {
		if (!x->steps.v[i].shown && r < 0)
			show(x, &x->steps.v[i], 0);
		buf_drop(&x->steps.v[i].held);
	}
	buf_drop(&x->early);
	if (r == 0)
		return tell_result(x, &result), 0;
	int code = e->kind == ERR_CONFLICT && e->sys > 0 && *x->command ? e->sys : 0;
	if (code)
		(void)!err_set(e, ERR_CONFLICT, "The command '%s' returned a non-zero code: %d", x->command, code);
	if (!code && !l->has_begun)
		return -1;
	return lines_error(l, e, code ? code : 1), 0;
}

static int build(struct call *c, struct err *e)
{
	struct building x = {.c = c, .quiet = call_bool(c, "q", false)};
	if (read_request(c, &x.q, e) < 0)
		return -1;
	own(fd) int body = call_query(c, "remote") ? -1 : conn_body_pipe(c->conn, e);
	if (!call_query(c, "remote") && body < 0)
		return -1;
	x.q.in = body;
	if (call_lines(c, work, &x, e) == 0)
		return 0;
	if (e->kind == ERR_NOT_FOUND) /* the Dockerfile, a stage: not what the request is about */
		e->kind = ERR_USAGE;
	return -1;
}

static int prune(struct call *c, struct err *e)
{
	struct strv filters;
	own(strv) struct strv ids = {};
	int64_t keep, unused_ns = 0;
	uint64_t bytes = 0, more = 0;
	if (call_filters(c, &filters, e) < 0 || call_i64(c, "keep-storage", 0, INT64_MAX, 0, &keep, e) < 0)
		return -1;
	for (size_t i = 0; i < filters.n; i++) {
		const char *until = str_after(filters.v[i], "until=");
		if (!until)
			return err_set(e, ERR_USAGE, "invalid filter '%.80s': until=24h is known", filters.v[i]);
		if (num_duration(until, &unused_ns, e) < 0)
			return err_wrap(e, "filter until");
	}
	if (prune_cache(c->g, unused_ns, (uint64_t)keep, &ids, &bytes, e) < 0 ||
		(call_bool(c, "all", false) && prune_mounts(c->g, unused_ns, &ids, &more, e) < 0))
		return -1;
	struct json *j = json_new_object(), *gone = json_new_array();
	for (size_t i = 0; i < ids.n; i++)
		json_add(gone, json_new_str(ids.v[i]));
	json_set(j, "CachesDeleted", gone);
	json_set(j, "SpaceReclaimed", json_new_u64(bytes + more));
	return call_reply(c, 200, j, e);
}

const struct route build_routes[] = {
	{"POST", "/build", build},
	{"POST", "/build/prune", prune},
	{NULL, NULL, NULL},
};
