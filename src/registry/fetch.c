/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch: the life of a get:
 *
 *   QUEUED    -> RUNNING when fewer than four gets of known size run
 *   RUNNING   head(): what the status means. 200 and 206: the body goes to the pipe; what was delivered before is skipped when
 *             the server does not know Range. Redirect, 401, errors: the body is kept short and done() decides
 *             -> WAITING for a token, SLEEPING before another try, RUNNING behind a redirect, DRAINING, OVER
 *   DRAINING  all has arrived, the pipe is still full
 *   OVER      told; dropped by the next fetch_work()
 *
 * A redirect's target gets no Authorization unless it is the registry itself, and no plain HTTP unless the registry
 * already is and the host may. Every new try begins at the registry again: the links it hands out expire.
 *
 * `tries` counts attempts without one new byte; a hang weighs as much as half of them, because it costs minutes.
 */
#include "registry/fetch.h"

#include "base/fd.h"
#include "base/num.h"
#include "registry/auth.h"
#include "registry/insecure.h"
#include "registry/reply.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ACTIVE_MAX = 4, TELL_NS = 100000000 };

enum state { QUEUED, RUNNING, WAITING, SLEEPING, DRAINING, OVER };
enum body { BODY_DATA, BODY_TEXT };

struct fetch {
	struct session *s;
	int id, fd;
	char *path, *accept;
	uint64_t size, max;
	enum state state;
	enum body body;
	uint64_t got, told, skip; /* bytes written or pending; of which the client knows; still to be passed over */
	struct buf pending;       /* what the pipe had no room for */
	bool paused, no_range;
	char *target;             /* behind a redirect, or NULL */
	unsigned redirects, tries, auth_tries, generation;
	const char *scheme;       /* the one it was started with */
	struct http_transfer *call;
	struct buf text;          /* body of an error */
	int64_t last_ns, wake_ns, told_ns;
	struct err why;           /* set: failed for good */
	char *type, *digest, *next;
};

void fetch_new(struct session *s, const struct fetch_request *r)
{
	struct fetch *f = mem_alloc(sizeof *f);
	*f = (struct fetch){.s = s, .id = r->id, .fd = r->fd, .path = mem_dup(r->path), .accept = mem_dup(r->accept), .size = r->size,
		.max = r->max, .got = r->from, .told = r->from, .text = BUF(ERROR_TEXT_MAX)};
	fd_set_nonblock(f->fd, true);
	s->fetches.v = mem_grow(s->fetches.v, (s->fetches.n + 1) * sizeof(struct fetch *));
	s->fetches.v[s->fetches.n++] = f;
}

static void fetch_free(struct fetch *f)
{
	if (f->call)
		http_cancel(f->call);
	fd_drop(&f->fd);
	buf_drop(&f->pending);
	buf_drop(&f->text);
	char **const texts[] = {&f->path, &f->accept, &f->target, &f->type, &f->digest, &f->next};
	for (size_t i = 0; i < countof(texts); i++)
		mem_drop(texts[i]);
	free(f);
}

void fetch_drop_all(struct session *s)
{
	for (size_t i = 0; i < s->fetches.n; i++)
		fetch_free(s->fetches.v[i]);
	mem_drop(&s->fetches.v);
	s->fetches.n = 0;
}

static void tell(struct fetch *f, const char *event, const struct err *why)
{
	struct json *j = json_new_object();
	json_set_str(j, "event", event);
	json_set(j, "id", json_new_i64(f->id));
	json_set(j, "bytes", json_new_u64(f->got - f->pending.len));
	if (why) {
		json_set(j, "kind", json_new_i64(why->kind));
		json_set_str(j, "text", why->text);
	} else {
		const struct { const char *key, *value; } rows[] = {{"type", f->type}, {"digest", f->digest}, {"next", f->next}};
		for (size_t i = 0; i < countof(rows); i++)
			if (rows[i].value && strlen(rows[i].value) < 4096)
				json_set_str(j, rows[i].key, rows[i].value);
	}
	f->told = f->got - f->pending.len;
	f->told_ns = num_monotonic_ns();
	session_tell(f->s, j, strcmp(event, "bytes") == 0);
}

static void over(struct fetch *f)
{
	/* The reason is on its way before the pipe ends. */
	if (f->why.kind)
		tell(f, "failed", &f->why);
	else
		tell(f, "done", NULL);
	f->state = OVER;
	fd_drop(&f->fd);
}

static void fail(struct fetch *f, enum err_kind kind, const char *why)
{
	err_set_(&f->why, kind, "registry %s: %s", f->s->registry, why);
	over(f);
}

/* Another try later, or the end. wait_ns 0: the usual back-off. */
static void again(struct fetch *f, enum err_kind kind, const char *why, int64_t wait_ns)
{
	struct err e;
	char text[200];
	err_set_(&e, kind, "registry %s: %s", f->s->registry, session_text(why, text));
	if (f->tries++ >= f->s->retries) {
		f->why = e;
		over(f);
		return;
	}
	mem_drop(&f->target);
	f->redirects = 0;
	f->state = SLEEPING;
	f->wake_ns = num_monotonic_ns() + (wait_ns ? wait_ns : session_back_off(f->tries));
	tell(f, "retry", &e);
}

/* Writes what the pipe takes; what it does not stays pending. false: nobody reads. */
static bool flush(struct fetch *f)
{
	while (f->pending.len) {
		ssize_t w = write(f->fd, f->pending.data, f->pending.len);
		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return errno == EAGAIN;
		buf_cut(&f->pending, (size_t)w);
	}
	return true;
}

static int stop(struct fetch *f, enum err_kind kind, const char *why)
{
	err_set_(&f->why, kind, "registry %s: %s", f->s->registry, why);
	return -1;
}

static int check_length(struct fetch *f, const struct http_reply *r)
{
	char text[200];
	if (r->length < 0)
		return 0;
	if (f->size == UINT64_MAX && (uint64_t)r->length > f->max) {
		snprintf(text, sizeof text, "%s has %lld bytes, at most %llu are allowed", f->path, (long long)r->length, (unsigned long long)f->max);
		return stop(f, ERR_LIMIT, text);
	}
	if (f->size != UINT64_MAX && (uint64_t)r->length != f->size) {
		snprintf(text, sizeof text, "%.90s has %lld bytes there, and %llu by the manifest", f->path, (long long)r->length, (unsigned long long)f->size);
		return stop(f, ERR_CORRUPT, text);
	}
	return 0;
}

/* "bytes 100-199/200": does the answer to Range begin where we asked? */
static int check_range(struct fetch *f, const char *range)
{
	unsigned long long from, to;
	char total[24] = "";
	if (f->got == 0 || !range || sscanf(range, "bytes %llu-%llu/%23s", &from, &to, total) < 2 || from != f->got || to < from)
		return stop(f, ERR_REMOTE, "it sends another part of the blob than the one asked for");
	if (f->size != UINT64_MAX && *total && *total != '*' && strtoull(total, NULL, 10) != f->size)
		return stop(f, ERR_CORRUPT, "the blob has another length than its manifest says");
	return 0;
}

static int on_head(void *arg, const struct http_reply *r)
{
	struct fetch *f = arg;
	f->last_ns = num_monotonic_ns();
	f->s->scheme_known = true;
	f->body = r->status == 200 || r->status == 206 ? BODY_DATA : BODY_TEXT;
	f->skip = r->status == 200 ? f->got : 0;
	if (r->status == 200)
		return check_length(f, r);
	return r->status == 206 ? check_range(f, r->range) : 0;
}

static int on_data(struct fetch *f, const char *p, size_t n)
{
	size_t pass = n < f->skip ? n : (size_t)f->skip;
	uint64_t limit = f->size == UINT64_MAX ? f->max : f->size;
	f->skip -= pass;
	p += pass;
	n -= pass;
	if (n > limit - f->got)
		return f->size == UINT64_MAX ? stop(f, ERR_LIMIT, "its answer is too long") : stop(f, ERR_CORRUPT, "a blob is longer than its manifest says");
	if (!n)
		return 0;
	f->got += n;
	f->tries = f->auth_tries = 0;
	if (buf_add(&f->pending, p, n) < 0 || !flush(f))
		return stop(f, ERR_SYSTEM, "nobody reads what it sends");
	return 0;
}

static int on_body(void *arg, const void *p, size_t n)
{
	struct fetch *f = arg;
	f->last_ns = num_monotonic_ns();
	if (f->body == BODY_TEXT)
		return buf_add(&f->text, p, n);
	/* Nothing is taken while something waits for the pipe: one piece is the most that is ever kept. */
	f->paused = f->pending.len > 0;
	return f->paused ? HTTP_PAUSE : on_data(f, p, n);
}

static void redirect(struct fetch *f, const struct http_reply *r)
{
	own(mem) char *base = f->target ? mem_dup(f->target) : reply_url(f->s, f->path);
	char *target = reply_location(f->s, base, r->location, &f->why);
	if (!target) {
		over(f);
		return;
	}
	mem_drop(&f->target);
	f->target = target;
	if (++f->redirects > REDIRECTS_MAX)
		fail(f, ERR_REMOTE, "too many redirects");
	else
		f->state = QUEUED;
}

static void too_many(struct fetch *f, const struct http_reply *r)
{
	char text[200];
	int64_t ns = reply_too_many(r, &f->text, text);
	if (ns < 0)
		fail(f, ERR_LIMIT, text);
	else
		again(f, ERR_LIMIT, text, ns);
}

static void unauthorized(struct fetch *f, const struct http_reply *r)
{
	char text[200];
	if (f->target && !reply_is_registry(f->s, f->target)) {
		fail(f, ERR_DENIED, "the server it redirects to refuses access");
	} else if (++f->auth_tries > 2 || auth_demand(f->s, r, f->generation, &f->why) < 0) {
		if (!f->why.kind)
			(void)!auth_denied(f->s, reply_error_text(&f->text, text), &f->why);
		over(f);
	} else {
		mem_drop(&f->target);
		f->redirects = 0;
		f->state = WAITING;
	}
}

static void refused(struct fetch *f, const struct http_reply *r)
{
	char text[300], message[200];
	reply_error_text(&f->text, message);
	snprintf(text, sizeof text, "status %ld%s%s", r->status, *message ? ": " : "", message);
	if (r->status == 404 || r->status == 410)
		fail(f, ERR_NOT_FOUND, *message ? message : "not found");
	else if (r->status == 403) {
		(void)!auth_denied(f->s, message, &f->why);
		over(f);
	} else if (r->status == 408 || r->status == 416 || r->status >= 500) {
		/* Who does not know that part of it is asked for all of it, and what was there before is passed over. */
		f->no_range |= r->status == 416;
		again(f, ERR_REMOTE, text, 0);
	} else
		fail(f, ERR_REMOTE, text);
}

/* Link: <URL>; rel="next", of this registry. */
static char *next_of(const struct fetch *f, const char *link)
{
	const char *open = link && strstr(link, "rel=\"next\"") ? strchr(link, '<') : NULL;
	const char *shut = open ? strchr(open, '>') : NULL;
	if (!shut)
		return NULL;
	own(mem) char *text = mem_ndup(open + 1, (size_t)(shut - open - 1));
	own(mem) char *base = reply_url(f->s, f->path);
	char *url = http_resolve(base, text);
	if (url && !reply_is_registry(f->s, url))
		mem_drop(&url);
	return url;
}

static void complete(struct fetch *f, const struct http_reply *r)
{
	char text[100];
	if (f->skip || (f->size != UINT64_MAX && f->got < f->size)) {
		snprintf(text, sizeof text, "the blob ends after %llu of %llu bytes", (unsigned long long)f->got, (unsigned long long)f->size);
		again(f, ERR_CORRUPT, text, 0);
		return;
	}
	f->type = mem_dup(r->type);
	f->digest = mem_dup(r->digest);
	f->next = next_of(f, r->link);
	f->state = DRAINING;
}

/* The registry does not speak TLS, or nobody listens there, and it may be spoken to without. */
static bool fall_back(struct fetch *f, enum http_failure failure)
{
	struct session *s = f->s;
	/* Another get has found out meanwhile. */
	if (!f->target && f->scheme != s->scheme) {
		f->state = QUEUED;
		return true;
	}
	if (f->target || (failure != HTTP_TLS && failure != HTTP_CONNECT && failure != HTTP_DROPPED && failure != HTTP_TIMEOUT))
		return false;
	if (s->scheme_known || !s->plain_allowed || strcmp(s->scheme, "https") != 0)
		return false;
	s->scheme = "http";
	f->state = QUEUED;
	return true;
}

static void broken(struct fetch *f, enum http_failure failure, const char *why)
{
	char text[300], reason[200];
	session_text(why, reason);
	switch (failure) {
	case HTTP_TLS:
		snprintf(text, sizeof text, "no trusted TLS: %s%s", reason,
			f->target ? "" : ": if it is meant to, name it in insecure-registries");
		fail(f, ERR_REMOTE, text);
		break;
	case HTTP_BAD: fail(f, ERR_REMOTE, reason); break;
	case HTTP_CONNECT:
		/* Nobody was ever there: a wrong name more likely than a bad moment. */
		f->tries += f->s->scheme_known ? 0 : f->s->retries / 2;
		again(f, ERR_REMOTE, reason, 0);
		break;
	case HTTP_TIMEOUT:
		f->tries += f->s->retries / 2;
		again(f, ERR_TIMEOUT, reason, 0);
		break;
	default: again(f, ERR_REMOTE, reason, 0); break;
	}
}

static void on_done(void *arg, const struct http_reply *r, enum http_failure failure, const char *why)
{
	struct fetch *f = arg;
	f->call = NULL;
	f->paused = false;
	if (f->why.kind)
		over(f);
	else if (failure == HTTP_STOPPED && f->body == BODY_TEXT)
		refused(f, r);
	else if (failure != HTTP_FINE && !fall_back(f, failure))
		broken(f, failure, why);
	else if (failure != HTTP_FINE)
		return;
	else if (r->status == 200 || r->status == 206)
		complete(f, r);
	else if (r->status >= 300 && r->status < 400 && r->status != 304)
		redirect(f, r);
	else if (r->status == 401)
		unauthorized(f, r);
	else if (r->status == 429 || (r->status == 503 && r->retry_after))
		too_many(f, r);
	else
		refused(f, r);
}

static void start(struct fetch *f)
{
	struct session *s = f->s;
	own(mem) char *url = f->target ? mem_dup(f->target) : reply_url(s, f->path);
	own(mem) char *pair = NULL;
	struct http_place p = {};
	if (http_place_of(url, &p) < 0) {
		fail(f, ERR_REMOTE, "not a URL");
		return;
	}
	struct http_call call = {.url = url, .accept = f->accept, .from = f->no_range ? 0 : f->got, .arg = f, .head = on_head, .body = on_body, .done = on_done,
		.untrusted = insecure_allows(&s->insecure, p.host, p.port), .connect_s = s->timeout_s < 30 ? s->timeout_s : 0};
	http_place_drop(&p);
	/* Where HTTP may follow, TLS is not waited for long. */
	if (!s->scheme_known && s->plain_allowed && strcmp(s->scheme, "https") == 0 && (!call.connect_s || call.connect_s > 5))
		call.connect_s = 5;
	call.elsewhere = f->target && reply_is_elsewhere(s, url);
	reply_authorize(s, url, &call, &pair);
	f->generation = s->auth.generation;
	f->scheme = s->scheme;
	buf_reset(&f->text);
	f->last_ns = num_monotonic_ns();
	f->state = RUNNING;
	f->call = http_start(s->http, &call);
}

static void work_one(struct fetch *f, int64_t now, bool may_start)
{
	struct session *s = f->s;
	if (s->broken.kind && f->state == QUEUED) {
		f->why = s->broken;
		over(f);
		return;
	}
	if (f->state == RUNNING && !f->paused && now - f->last_ns > (int64_t)s->timeout_s * 1000000000) {
		http_cancel(f->call);
		f->call = NULL;
		if (!fall_back(f, HTTP_TIMEOUT))
			broken(f, HTTP_TIMEOUT, "no answer");
	}
	if (f->state == SLEEPING && now >= f->wake_ns)
		f->state = QUEUED;
	if (f->state == WAITING && !s->auth.busy) {
		f->why = s->auth.why;
		if (f->why.kind)
			over(f);
		else
			f->state = QUEUED;
	}
	if (f->state == QUEUED && may_start)
		start(f);
	if (f->state == DRAINING && (!flush(f) || !f->pending.len))
		over(f);
	if (f->state == RUNNING && f->got - f->pending.len > f->told && now - f->told_ns > TELL_NS)
		tell(f, "bytes", NULL);
}

int64_t fetch_work(struct session *s, int64_t now)
{
	size_t active = 0, kept = 0;
	bool soon = false;
	for (size_t i = 0; i < s->fetches.n; i++) {
		struct fetch *f = s->fetches.v[i];
		bool counts = f->size != UINT64_MAX;
		work_one(f, now, !counts || active < ACTIVE_MAX);
		soon = soon || f->state == QUEUED;
		if (f->state == OVER) {
			fetch_free(f);
			continue;
		}
		active += counts;
		s->fetches.v[kept++] = f;
	}
	s->fetches.n = kept;
	return soon || s->auth.busy ? 50000000 : 200000000;
}

size_t fetch_pollfds(struct session *s, struct pollfd *fds, size_t n)
{
	size_t used = 0;
	for (size_t i = 0; i < s->fetches.n && used < n; i++)
		if (s->fetches.v[i]->pending.len)
			fds[used++] = (struct pollfd){.fd = s->fetches.v[i]->fd, .events = POLLOUT};
	return used;
}

void fetch_writable(struct session *s, int fd)
{
	for (size_t i = 0; i < s->fetches.n; i++) {
		struct fetch *f = s->fetches.v[i];
		if (f->fd != fd || f->state == OVER)
			continue;
		bool reads = flush(f);
		f->last_ns = num_monotonic_ns();
		if (!reads) {
			if (f->call)
				http_cancel(f->call);
			f->call = NULL;
			fail(f, ERR_SYSTEM, "nobody reads what it sends");
		} else if (!f->pending.len && f->paused) {
			f->paused = false;
			http_resume(f->call);
		}
		return;
	}
}
