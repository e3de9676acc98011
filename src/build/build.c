/* SPDX-License-Identifier: Apache-2.0 */
/*
 * build: the coordinator.
 *
 *   read     Dockerfile, ignore file; context opened (context.c); stages parsed (dockerfile.c), those needed found (plan.c)
 *   solve    a stage whose stages before are done is gone through in this process as long as the cache has its steps (stage.c): a build
 *            that has them all ends here, without a process, a mount or a layer that was read. The first step that is missing makes
 *            a worker (worker.c) of the stage; as many at once as `jobs` says
 *   commit   the target becomes an image (commit.c)
 *
 * layers.lock is held, shared, from the first look at the cache until the record is written: nobody collects layers meanwhile.
 */
#include "build/build.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "build/interrupt.h"
#include "build/prune.h"
#include "build/remote_cache.h"
#include "build/run.h"
#include "build/stage.h"
#include "engine/layers.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { TICK_MS = 100 };

void build_result_drop(struct build_result *r)
{
	strv_drop(&r->names);
}

void build_drop(struct build *b)
{
	worker_stop(b);
	for (size_t i = 0; b->states && i < b->df.stages.n; i++) {
		json_drop(&b->states[i].document);
		arena_drop(&b->states[i].arena);
	}
	for (size_t i = 0; i < b->documents.n; i++)
		json_drop(&b->documents.v[i]);
	agents_stop(b);
	context_drop(&b->context);
	for (size_t i = 0; b->named && i < b->q->contexts.n; i++)
		context_drop(&b->named[i]);
	lint_drop(&b->lint);
	strv_drop(&b->globals);
	dockerfile_drop(&b->df);
	cache_drop(&b->cache);
	arena_drop(&b->arena);
}

const char *build_agent(const struct build *b, const char *id)
{
	const struct build_request *q = b->q;
	for (size_t k = 0; k < q->agents.n; k++)
		if (str_eq(q->agents.v[k].id, id) && b->agents && *b->agents[k].path)
			return b->agents[k].path;
		else if (str_eq(q->agents.v[k].id, id))
			return str_is_empty(q->agents.v[k].source) ? getenv("SSH_AUTH_SOCK") : q->agents.v[k].source;
	return NULL;
}

static void show_source(struct build *b)
{
	own(buf) struct buf text = BUF(1 << 20);
	if (!b->df.text.where.line)
		return;
	lex_show(&b->df.text, b->df.text.where, 0, &text);
	event_send(b, BUILD_SHOW, 0, NULL, 0, buf_text(&text), text.len);
}

bool build_switch(const struct build_request *q, const char *name)
{
	static const char *const yes[] = {"1", "t", "T", "true", "True", "TRUE"};
	const char *value = strv_env_get(&q->args, name);
	for (size_t i = 0; i < countof(yes); i++)
		if (str_eq(value, yes[i]))
			return true;
	return false;
}

static int read_epoch(struct build *b, struct err *e)
{
	const char *text = strv_env_get(&b->q->args, "SOURCE_DATE_EPOCH");
	int64_t seconds;
	if (!text)
		text = getenv("SOURCE_DATE_EPOCH");
	if (str_is_empty(text) || (b->epoch_is_context = strcmp(text, "context") == 0))
		return 0;
	if (num_i64(text, 0, INT64_MAX / 1000000000, &seconds, "SOURCE_DATE_EPOCH", e) < 0)
		return -1;
	b->has_epoch = true;
	b->epoch = seconds * 1000000000;
	return 0;
}

/* --- solve --- */

static bool is_ready(const struct build *b, size_t i)
{
	size_t n = b->df.stages.n;
	if (!b->needed[i] || b->states[i].done || b->states[i].worker)
		return false;
	for (size_t k = 0; k < n; k++)
		if (b->uses[i * n + k] && !b->states[k].done)
			return false;
	return true;
}

static unsigned running(const struct build *b)
{
	unsigned n = 0;
	for (size_t i = 0; i < b->df.stages.n; i++)
		n += b->states[i].worker != 0;
	return n;
}

/* What can be begun is begun; 1: something was done without a worker. */
static int begin(struct build *b, unsigned jobs, struct err *e)
{
	int progress = 0;
	for (size_t i = 0; i < b->df.stages.n; i++) {
		struct state *s = &b->states[i];
		if (!is_ready(b, i))
			continue;
		int r = s->needs_work ? 1 : stage_go(b, s, true, e);
		if (r < 0)
			return -1;
		s->done = r == 0;
		s->needs_work = r == 1;
		progress |= r != 1;
		if (!s->needs_work || running(b) >= jobs)
			continue;
		/* From here on an interrupt has to be told to somebody. */
		interrupt_catch();
		b->worked = true;
		if (worker_start(b, s, e) < 0)
			return -1;
	}
	return progress;
}

static int hear(struct build *b, struct err *e)
{
	size_t n = b->df.stages.n, count = 0;
	struct pollfd *f = arena_alloc(&b->arena, n * sizeof *f);
	struct state **of = arena_alloc(&b->arena, n * sizeof *of);
	for (size_t i = 0; i < n; i++)
		if (b->states[i].worker) {
			of[count] = &b->states[i];
			f[count++] = (struct pollfd){.fd = b->states[i].sock, .events = POLLIN};
		}
	while (count) {
		int heard = interrupt_poll(f, count, b->q->tick ? TICK_MS : -1);
		if (heard == 0 && b->q->tick)
			b->q->tick(b->q->arg);
		if (heard < 0) {
			if (interrupt_came())
				return err_set(e, ERR_CONFLICT, "interrupted");
			if (errno == EINTR)
				continue;
			return err_sys(e, "poll");
		}
		for (size_t i = 0; i < count; i++) {
			int r = f[i].revents ? worker_hear(b, of[i], e) : 0;
			if (r)
				return r < 0 ? -1 : 0;
		}
	}
	return 0;
}

static int solve(struct build *b, struct err *e)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned jobs = b->q->jobs ? b->q->jobs : cpus > 4 ? (unsigned)cpus : 4;
	/* Only one can have the terminal. */
	if (b->q->shell_on_error || b->q->debug_at)
		jobs = 1;
	while (!b->states[b->target].done) {
		int r = begin(b, jobs, e);
		if (r < 0)
			return -1;
		if (r == 0 && !running(b) && !b->states[b->target].done)
			return err_set(e, ERR_BUG, "no stage can be built");
		if (r == 0 && running(b) && hear(b, e) < 0)
			return -1;
	}
	return 0;
}

/* --- the whole --- */

/* --build-arg that no ARG takes. */
static void warn_args(struct build *b)
{
	static const char *const known[] = {"SOURCE_DATE_EPOCH", "HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "FTP_PROXY", "ftp_proxy",
		"NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy", "BUILDKIT_INLINE_CACHE", "BUILDKIT_CONTEXT_KEEP_GIT_DIR", "BUILDKIT_MULTI_PLATFORM",
		"BUILDKIT_SANDBOX_HOSTNAME", "BUILDKIT_DOCKERFILE_CHECK", "BUILDKIT_CACHE_MOUNT_NS",
		/* Of no meaning here, and no mistake: the language is hull's own, and builds have no names. */
		"BUILDKIT_SYNTAX", "BUILDKIT_BUILD_NAME"};
	own(buf) struct buf left = BUF(8192);
	for (size_t i = 0; i < b->q->args.n; i++) {
		own(mem) char *name = mem_ndup(b->q->args.v[i], strcspn(b->q->args.v[i], "="));
		bool used = false;
		for (size_t k = 0; k < countof(known); k++)
			used |= strcmp(known[k], name) == 0;
		for (size_t k = 0; k < b->df.text.nodes.n; k++) {
			const struct node *n = &b->df.text.nodes.v[k];
			used |= strcmp(n->word, "arg") == 0 && strstr(n->text, name) != NULL;
		}
		if (!used)
			buf_printf(&left, "%s%s", left.len ? ", " : "", name);
	}
	if (left.len) {
		own(mem) char *text = mem_printf("one or more build-args were not consumed: %s", buf_text(&left));
		event_send(b, BUILD_WARNING, 0, NULL, 0, text, strlen(text));
	}
}

static int lint(struct build *b, struct err *e)
{
	if (lint_open(&b->lint, &b->df, strv_env_get(&b->q->args, "BUILDKIT_DOCKERFILE_CHECK"), e) < 0)
		return err_wrap(e, "%s", b->df.text.name);
	b->lint.globals = &b->globals;
	b->lint.args = &b->q->args;
	b->lint.ignore = b->context.dir >= 0 ? &b->context.ignore : NULL;
	return 0;
}

int build_read(struct build *b, struct err *e)
{
	own(buf) struct buf text = BUF(LEX_MAX + 1);
	own(mem) char *name = NULL;
	struct err ignored = {};
	if (context_open(b, &text, &name, e) < 0)
		return -1;
	if (b->epoch_is_context && !b->context.time_ns)
		return err_set(e, ERR_USAGE, "SOURCE_DATE_EPOCH=context: the context has no time of its own: a git repository has, and a URL whose server "
			"says one");
	if (b->epoch_is_context) {
		b->has_epoch = true;
		b->epoch = b->context.time_ns;
	}
	if (dockerfile_parse(name, buf_text(&text), text.len, &b->df, e) == 0) {
		if (lint(b, e) < 0 || plan_make(b, e) < 0)
			return -1;
		lint_file(&b->lint);
		return 0;
	}
	/* As far as it could be read. */
	if (lint(b, &ignored) == 0) {
		lint_file(&b->lint);
		for (size_t i = 0; i < b->df.stages.n; i++)
			lint_stage(&b->lint, i, dockerfile_stage(&b->df, b->df.stages.v[i].base, i), NULL, NULL);
	}
	return -1;
}

int build_lint(const struct build *b, struct err *e)
{
	own(buf) struct buf names = BUF(4096);
	if (!b->lint.error || !b->lint.found.n)
		return 0;
	lint_names(&b->lint, &names);
	return err_set(e, ERR_USAGE, "%s: build checks failed: %s", b->df.text.name, buf_text(&names));
}

static void tell_findings(struct build *b)
{
	lint_sort(&b->lint);
	for (size_t i = 0; i < b->lint.found.n; i++) {
		own(buf) struct buf text = BUF(64 << 10);
		lint_show(&b->lint, &b->lint.found.v[i], &text);
		event_send(b, BUILD_CHECK, 0, NULL, 0, buf_text(&text), text.len);
	}
}

/* One platform. names: what its image is called, when that is all there is. */
static int go(struct build *b, const struct strv *names, struct build_image *ret, struct err *e)
{
	if (cache_open(&b->cache, b->g, e) < 0)
		return -1;
	b->cache.read = !b->q->no_cache;
	run_sweep(b);
	if (agents_start(b, e) < 0 || build_read(b, e) < 0)
		return -1;
	warn_args(b);
	if (context_open_wanted(b, e) < 0 || debug_check(b, e) < 0 || build_lint(b, e) < 0 || solve(b, e) < 0 || (b->q->squash && squash(b, e) < 0))
		return -1;
	if (output_needs_image(b) && commit_image(b, names, ret, e) < 0)
		return -1;
	return output_files(b, e);
}

static int one_platform(struct engine *g, const struct build_request *q, size_t index, const struct strv *names, struct build_image *image,
	struct strv *used, struct build_result *ret, struct err *e)
{
	struct build_request one = *q;
	one.platform = q->platforms.n ? q->platforms.v[index] : NULL;
	struct build b = {.g = g, .q = &one, .context = CONTEXT_NONE, .events = -1, .cache.dir = -1,
		.number_base = (unsigned)index * STEPS_OF_PLATFORM, .platform_label = q->platforms.n > 1 ? one.platform : NULL};
	int r = read_epoch(&b, e) < 0 ? -1 : go(&b, names, image, e);
	if (r < 0) {
		worker_stop(&b);
		show_source(&b);
	}
	/* What is wrong with the file is so for all of them. */
	if (index == 0)
		tell_findings(&b);
	for (size_t i = 0; q->cache_to.n && i < b.cache.used.n; i++)
		strv_add(used, b.cache.used.v[i]);
	ret->steps += b.steps;
	ret->cached += b.cached;
	ret->worked |= b.worked;
	build_drop(&b);
	return r;
}

static int whole_names(const struct build_request *q, struct strv *ret, struct err *e)
{
	for (size_t i = 0; i < q->tags.n; i++) {
		struct ref ref;
		char text[REF_TEXT];
		if (ref_parse(q->tags.v[i], &ref, e) < 0)
			return err_wrap(e, "--tag");
		if (*ref.digest)
			return err_set(e, ERR_USAGE, "--tag %.200s: a name cannot have a digest", q->tags.v[i]);
		strv_add(ret, ref_format(&ref, text));
	}
	return 0;
}

static int run(struct engine *g, const struct build_request *q, struct build_image *images, size_t n, struct build_result *ret, struct err *e)
{
	static const struct strv none;
	bool has_index = documents_need_index(q);
	if (whole_names(q, &ret->names, e) < 0)
		return -1;
	own(fd) int hold = layers_hold(g, e);
	own(strv) struct strv used = {};
	if (hold < 0 || remote_cache_import(g, q, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (one_platform(g, q, i, has_index ? &none : &ret->names, &images[i], &used, ret, e) < 0)
			return n > 1 ? err_wrap(e, "%s", q->platforms.v[i]) : -1;
	own(strv) struct strv layers = {};
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < images[i].diff_ids.n; k++)
			strv_add(&layers, images[i].diff_ids.v[k]);
	if (!*images[0].id)
		return remote_cache_export(g, q, &used, &layers, e);
	memcpy(ret->id, images[0].id, sizeof ret->id);
	ret->is_index = has_index;
	if (has_index && documents_index(g, q, images, n, &ret->names, ret->id, e) < 0)
		return -1;
	if (n == 1)
		memcpy(ret->config, images[0].id, sizeof ret->config);
	memcpy(ret->digest, has_index ? ret->id : *images[0].manifest ? images[0].manifest : ret->id, sizeof ret->digest);
	return output_images(g, q, ret, e) < 0 ? -1 : remote_cache_export(g, q, &used, &layers, e);
}

/* A budget that holds: whatever was built, and also when it failed. What the cache had whole made it no larger, and measures nothing. */
static void keep_limit(struct engine *g, const struct build_request *q, bool worked)
{
	struct err why = {};
	if (!worked && !q->cache_max && !q->cache_from.n)
		return;
	const struct settings *s = engine_settings(g, &why);
	int64_t limit = q->cache_max ? q->cache_max : s ? s->build_cache_max : 0;
	if (!limit || prune_to_limit(g, (uint64_t)limit, &why) == 0)
		return;
	struct build_event ev = {.kind = BUILD_WARNING, .name = "", .text = why.text, .len = strlen(why.text)};
	if (q->event)
		q->event(q->arg, &ev);
}

int build_run(struct engine *g, const struct build_request *q, struct build_result *ret, struct err *e)
{
	size_t n = q->platforms.n ? q->platforms.n : 1;
	*ret = (struct build_result){};
	if (n > PLATFORMS_MAX)
		return err_set(e, ERR_LIMIT, "--platform: more than %d", PLATFORMS_MAX);
	own(mem) struct build_image *images = mem_alloc(n * sizeof *images);
	int r = run(g, q, images, n, ret, e);
	keep_limit(g, q, ret->worked);
	for (size_t i = 0; i < n; i++)
		build_image_drop(&images[i]);
	return r;
}
