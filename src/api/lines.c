/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lines: the child writes into the pipe of call_stream(), whose other end copies it to the client. A layer's line comes when what happens to
 * it changes, and ten times a second at most while it only grows.
 */
#include "api/lines.h"

#include "base/fd.h"
#include "base/num.h"
#include "image/ref.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

enum { BAR = 50 };
static const int64_t OFTEN_NS = 100 * 1000000;

struct lines_layer { enum layer_phase phase; bool told; int64_t told_ns; };

/* NULL: docker says nothing of it. */
static const char *const words[][LAYER_WRITING + 1] = {
	[LINES_PULL] = {[LAYER_WAITING] = "Pulling fs layer", [LAYER_EXISTS] = "Already exists", [LAYER_DOWNLOADING] = "Downloading",
		[LAYER_RETRYING] = "Retrying", [LAYER_UNPACKING] = "Extracting", [LAYER_DONE] = "Pull complete"},
	[LINES_PUSH] = {[LAYER_PREPARING] = "Preparing", [LAYER_DOWNLOADING] = "Preparing", [LAYER_COMPRESSING] = "Preparing", [LAYER_RETRYING] = "Retrying",
		[LAYER_PUSHING] = "Pushing", [LAYER_PUSHED] = "Pushed", [LAYER_THERE] = "Layer already exists", [LAYER_MOUNTED] = "Mounted from"},
	[LINES_LOAD] = {[LAYER_UNPACKING] = "Loading layer", [LAYER_DOWNLOADING] = "Loading layer"},
};

void lines_put(struct lines *l, struct json *taken)
{
	own(json) struct json *j = taken;
	own(buf) struct buf text = {};
	json_format(j, 0, &text);
	buf_str(&text, "\r\n");
	l->has_begun = true;
	if (fd_write_all(l->fd, buf_text(&text), text.len) < 0)
		raise(SIGTERM); /* nobody listens any more */
}

void lines_status(struct lines *l, const char *id, const char *fmt, ...)
{
	struct json *j = json_new_object();
	own(buf) struct buf text = {};
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	json_set_str(j, "status", buf_text(&text));
	if (id)
		json_set_str(j, "id", id);
	lines_put(l, j);
}

void lines_stream(struct lines *l, const char *text, size_t n)
{
	struct json *j = json_new_object();
	json_set(j, "stream", json_new_str_n(text, n));
	lines_put(l, j);
}

void lines_error(struct lines *l, const struct err *why, int code)
{
	struct json *j = json_new_object(), *detail = json_new_object();
	if (code)
		json_set(detail, "code", json_new_i64(code));
	json_set_str(detail, "message", why->text);
	json_set(j, "errorDetail", detail);
	json_set_str(j, "error", why->text);
	lines_put(l, j);
}

static void begin(void *arg, const char *reference, size_t n)
{
	struct lines *l = arg;
	struct ref ref;
	struct err ignored = {};
	l->layers.v = arena_alloc(&l->arena, (n + 1) * sizeof *l->layers.v);
	l->layers.n = n;
	if (l->of == LINES_PULL && ref_parse(reference, &ref, &ignored) == 0)
		lines_status(l, *ref.digest ? ref.digest : ref.tag, "Pulling from %s", ref.repository);
}

/* "[=====>     ]  1.2MB/3.4MB" */
static void bar(uint64_t bytes, uint64_t total, struct buf *out)
{
	char have[NUM_TEXT], all[NUM_TEXT], line[BAR + 1];
	size_t full = (size_t)((double)bytes / (double)total * BAR);
	memset(line, ' ', BAR);
	memset(line, '=', full);
	line[full < BAR ? full : BAR - 1] = '>';
	line[BAR] = 0;
	buf_printf(out, "[%s] %8s/%s", line, num_format_size(bytes, have), num_format_size(total, all));
}

static void layer(void *arg, size_t i, const char *name, enum layer_phase phase, uint64_t bytes, uint64_t total, const char *note)
{
	struct lines *l = arg;
	if (i >= l->layers.n || (unsigned)phase >= countof(words[0]) || !words[l->of][phase])
		return;
	struct lines_layer *x = &l->layers.v[i];
	int64_t now = num_monotonic_ns();
	bool same = x->told && x->phase == phase;
	if (same && (!bytes || now - x->told_ns < OFTEN_NS))
		return;
	*x = (struct lines_layer){phase, true, now};
	struct json *j = json_new_object(), *detail = json_new_object();
	own(buf) struct buf status = {}, shown = {};
	buf_printf(&status, "%s%s%s", words[l->of][phase], phase == LAYER_MOUNTED ? " " : "", phase == LAYER_MOUNTED && note ? note : "");
	bool moves = phase == LAYER_DOWNLOADING || phase == LAYER_UNPACKING || phase == LAYER_PUSHING;
	if (moves && bytes && total && total != UINT64_MAX) {
		bytes = bytes < total ? bytes : total;
		json_set(detail, "current", json_new_u64(bytes));
		json_set(detail, "total", json_new_u64(total));
		bar(bytes, total, &shown);
		json_set_str(j, "progress", buf_text(&shown));
	}
	json_set_str(j, "status", buf_text(&status));
	json_set(j, "progressDetail", detail);
	json_set_str(j, "id", name ? name : "");
	lines_put(l, j);
}

const struct image_progress *lines_progress(struct lines *l, enum lines_of of)
{
	l->of = of;
	l->calls = (struct image_progress){begin, layer, l};
	return &l->calls;
}

struct work { int (*run)(void *arg, struct lines *l, struct err *e); void *arg; };

/* In the child. Our parent ends at once when the client goes, and then we are told. */
static int run(void *arg, int fd, struct err *e)
{
	const struct work *w = arg;
	struct lines l = {.fd = fd};
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	signal(SIGTERM, SIG_DFL);
	signal(SIGIO, SIG_DFL);
	int r = w->run(w->arg, &l, e);
	if (r < 0 && l.has_begun) {
		lines_error(&l, e, 0);
		r = 0;
	}
	arena_drop(&l.arena);
	return r;
}

int call_lines(struct call *c, int (*work)(void *arg, struct lines *l, struct err *e), void *arg, struct err *e)
{
	struct work w = {work, arg};
	conn_ends_with_client(c->conn, true);
	int r = call_stream(c, "application/json", run, &w, e);
	conn_ends_with_client(c->conn, false);
	return r;
}
