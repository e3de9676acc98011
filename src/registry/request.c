/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request: see request.h.
 *
 *   QUEUED -> RUNNING -> over(), or WAITING for a token, SLEEPING before another try, QUEUED again behind a redirect
 *
 * 401 says that the registry took nothing of the body, so that even `once` is sent again. A try begins at the registry: redirects are
 * not remembered.
 */
#include "registry/request.h"

#include "base/fd.h"
#include "base/num.h"
#include "registry/auth.h"
#include "registry/insecure.h"
#include "registry/reply.h"

#include <stdio.h>
#include <stdlib.h>

void request_begin(struct session *s, struct request *r)
{
	http_reply_drop(&r->reply);
	mem_drop(&r->location);
	mem_drop(&r->target);
	buf_reset(&r->text);
	r->text.max = ERROR_TEXT_MAX;
	r->s = s;
	r->status = 0;
	r->why = (struct err){};
	r->unsure = false;
	r->redirects = r->tries = r->auth_tries = 0;
	r->state = r->wake_ns ? REQUEST_SLEEPING : REQUEST_QUEUED;
	s->requests.v = mem_grow(s->requests.v, (s->requests.n + 1) * sizeof(struct request *));
	s->requests.v[s->requests.n++] = r;
}

static void leave(struct request *r)
{
	struct session *s = r->s;
	for (size_t i = 0; s && i < s->requests.n; i++)
		if (s->requests.v[i] == r) {
			s->requests.v[i] = NULL; /* request_work() closes the gap */
			break;
		}
}

void request_end(struct request *r)
{
	if (r->call)
		http_cancel(r->call);
	r->call = NULL;
	leave(r);
	http_reply_drop(&r->reply);
	char **const texts[] = {&r->path, &r->content_range, &r->location, &r->target};
	for (size_t i = 0; i < countof(texts); i++)
		mem_drop(texts[i]);
	buf_drop(&r->text);
}

static void over(struct request *r)
{
	leave(r);
	r->state = REQUEST_OVER;
	r->over(r->arg, r);
}

static void fail(struct request *r, enum err_kind kind, const char *why)
{
	err_set_(&r->why, kind, "registry %s: %s", r->s->registry, why);
	over(r);
}

static void again(struct request *r, enum err_kind kind, const char *why, int64_t wait_ns)
{
	struct err e;
	char text[200];
	err_set_(&e, kind, "registry %s: %s", r->s->registry, session_text(why, text));
	r->wake_ns = num_monotonic_ns() + (wait_ns ? wait_ns : session_back_off(++r->tries));
	if (r->once) {
		r->unsure = true;
		r->why = e;
		over(r);
		return;
	}
	r->tries += wait_ns != 0;
	if (r->tries > r->s->retries) {
		r->why = e;
		over(r);
		return;
	}
	mem_drop(&r->target);
	r->redirects = 0;
	r->state = REQUEST_SLEEPING;
	if (r->retries)
		r->retries(r->arg, &e);
}

static int on_head(void *arg, const struct http_reply *reply unused)
{
	struct request *r = arg;
	r->last_ns = num_monotonic_ns();
	r->s->scheme_known = true;
	return 0;
}

static int on_body(void *arg, const void *p, size_t n)
{
	struct request *r = arg;
	r->last_ns = num_monotonic_ns();
	return buf_add(&r->text, p, n);
}

static void on_sent(void *arg, size_t n)
{
	struct request *r = arg;
	r->last_ns = num_monotonic_ns();
	if (r->sent)
		r->sent(r->arg, n);
}

static char *base_of(const struct request *r)
{
	return r->target ? mem_dup(r->target) : reply_url(r->s, r->path);
}

static void redirect(struct request *r, const struct http_reply *reply)
{
	own(mem) char *base = base_of(r);
	char *target = reply_location(r->s, base, reply->location, &r->why);
	if (!target) {
		over(r);
		return;
	}
	mem_drop(&r->target);
	r->target = target;
	if (++r->redirects > REDIRECTS_MAX)
		fail(r, ERR_REMOTE, "too many redirects");
	else
		r->state = REQUEST_QUEUED;
}

static void unauthorized(struct request *r, const struct http_reply *reply)
{
	char text[200];
	own(mem) char *url = base_of(r);
	/* What such a server says of logins is nothing: neither behind a redirect nor at the Location of an upload. */
	if (!reply_is_registry(r->s, url)) {
		fail(r, ERR_DENIED, "the server it redirects to refuses access");
	} else if (++r->auth_tries > 2 || auth_demand(r->s, reply, r->generation, &r->why) < 0) {
		if (!r->why.kind)
			(void)!auth_denied(r->s, reply_error_text(&r->text, text), &r->why);
		over(r);
	} else {
		mem_drop(&r->target);
		r->redirects = 0;
		r->state = REQUEST_WAITING;
	}
}

static void complete(struct request *r, const struct http_reply *reply)
{
	r->status = reply->status;
	r->reply = *reply;
	*(struct http_reply *)(uintptr_t)reply = (struct http_reply){.length = -1}; /* ours now */
	if (r->reply.location) {
		own(mem) char *base = base_of(r);
		r->location = reply_location(r->s, base, r->reply.location, &r->why);
	}
	over(r);
}

static bool fall_back(struct request *r, enum http_failure failure)
{
	struct session *s = r->s;
	if (!r->target && r->scheme != s->scheme) {
		r->state = REQUEST_QUEUED;
		return true;
	}
	if (r->target || (failure != HTTP_TLS && failure != HTTP_CONNECT && failure != HTTP_DROPPED && failure != HTTP_TIMEOUT))
		return false;
	if (s->scheme_known || !s->plain_allowed || strcmp(s->scheme, "https") != 0)
		return false;
	s->scheme = "http";
	r->state = REQUEST_QUEUED;
	return true;
}

static void broken(struct request *r, enum http_failure failure, const char *why)
{
	char text[300], reason[200];
	session_text(why, reason);
	if (failure == HTTP_TLS) {
		snprintf(text, sizeof text, "no trusted TLS: %s%s", reason, r->target ? "" : ": if it is meant to, name it in insecure-registries");
		fail(r, ERR_REMOTE, text);
	} else if (failure == HTTP_BAD || failure == HTTP_STOPPED) {
		fail(r, ERR_REMOTE, failure == HTTP_STOPPED ? "its answer is too long" : reason);
	} else {
		if (failure == HTTP_CONNECT && !r->s->scheme_known)
			r->tries += r->s->retries / 2;
		if (failure == HTTP_TIMEOUT)
			r->tries += r->s->retries / 2;
		again(r, failure == HTTP_TIMEOUT ? ERR_TIMEOUT : ERR_REMOTE, reason, 0);
	}
}

static void busy(struct request *r, const struct http_reply *reply)
{
	char text[200];
	int64_t ns = reply_too_many(reply, &r->text, text);
	if (ns < 0)
		fail(r, ERR_LIMIT, text);
	else
		again(r, ERR_LIMIT, text, ns);
}

static void on_done(void *arg, const struct http_reply *reply, enum http_failure failure, const char *why)
{
	struct request *r = arg;
	char text[100];
	r->call = NULL;
	if (failure != HTTP_FINE && fall_back(r, failure))
		return;
	if (failure != HTTP_FINE)
		broken(r, failure, why);
	else if (reply->status == 401)
		unauthorized(r, reply);
	else if (reply->status == 429 || (reply->status == 503 && reply->retry_after))
		busy(r, reply);
	else if (reply->status == 408 || reply->status >= 500) {
		snprintf(text, sizeof text, "status %ld", reply->status);
		again(r, ERR_REMOTE, text, 0);
	} else if (reply->status >= 300 && reply->status < 400 && reply->status != 304)
		redirect(r, reply);
	else
		complete(r, reply);
}

static void start(struct request *r)
{
	struct session *s = r->s;
	own(mem) char *url = base_of(r);
	own(mem) char *pair = NULL;
	struct http_place p = {};
	if (http_place_of(url, &p) < 0) {
		fail(r, ERR_REMOTE, "not a URL");
		return;
	}
	struct http_call call = {.url = url, .accept = r->accept, .method = r->method, .type = r->type, .content_range = r->content_range, .fd = r->fd,
		.at = r->at, .length = r->length, .once = r->once, .arg = r, .head = on_head, .body = on_body, .sent = on_sent, .done = on_done,
		.untrusted = insecure_allows(&s->insecure, p.host, p.port), .connect_s = s->timeout_s < 30 ? s->timeout_s : 0};
	http_place_drop(&p);
	if (!s->scheme_known && s->plain_allowed && strcmp(s->scheme, "https") == 0 && (!call.connect_s || call.connect_s > 5))
		call.connect_s = 5;
	call.elsewhere = reply_is_elsewhere(s, url);
	reply_authorize(s, url, &call, &pair);
	r->generation = s->auth.generation;
	r->scheme = s->scheme;
	buf_reset(&r->text);
	r->last_ns = num_monotonic_ns();
	r->state = REQUEST_RUNNING;
	r->call = http_start(s->http, &call);
}

static void work_one(struct request *r, int64_t now)
{
	struct session *s = r->s;
	if (s->broken.kind && r->state == REQUEST_QUEUED) {
		r->why = s->broken;
		over(r);
		return;
	}
	if (r->state == REQUEST_RUNNING && now - r->last_ns > (int64_t)s->timeout_s * 1000000000) {
		http_cancel(r->call);
		r->call = NULL;
		if (!fall_back(r, HTTP_TIMEOUT))
			broken(r, HTTP_TIMEOUT, "no answer");
		return;
	}
	if (r->state == REQUEST_SLEEPING && now >= r->wake_ns) {
		r->wake_ns = 0;
		r->state = REQUEST_QUEUED;
	}
	if (r->state == REQUEST_WAITING && !s->auth.busy) {
		if (s->auth.why.kind) {
			r->why = s->auth.why;
			over(r);
			return;
		}
		r->state = REQUEST_QUEUED;
	}
	if (r->state == REQUEST_QUEUED)
		start(r);
}

void request_work(struct session *s, int64_t now)
{
	size_t kept = 0;
	for (size_t i = 0; i < s->requests.n; i++)
		if (s->requests.v[i])
			work_one(s->requests.v[i], now);
	for (size_t i = 0; i < s->requests.n; i++)
		if (s->requests.v[i])
			s->requests.v[kept++] = s->requests.v[i];
	s->requests.n = kept;
}

int request_refused(struct request *r, struct err *e)
{
	char message[200], text[200];
	reply_error_text(&r->text, message);
	snprintf(text, sizeof text, "registry %.80s", r->s->registry);
	if (r->status == 404 || r->status == 410)
		return err_set(e, ERR_NOT_FOUND, "%s: %s", text, *message ? message : "not found");
	if (r->status == 403)
		return auth_denied(r->s, message, e);
	if (r->status == 405 || r->status == 501)
		return err_set(e, ERR_UNSUPPORTED, "%s: it does not do that%s%s", text, *message ? ": " : "", message);
	return err_set(e, ERR_REMOTE, "%s: status %ld%s%s", text, r->status, *message ? ": " : "", message);
}

/* ---- the op "send": a request whose answer is told as it is */

struct send {
	struct request r;
	int id;
	char *method, *accept, *type;
};

static void send_over(void *arg, struct request *r)
{
	struct send *x = arg;
	struct json *j = json_new_object();
	/* Where a manifest was put matters to nobody: a Location that is not allowed is no error. */
	bool good = r->status >= 200 && r->status < 300;
	if (!good && (!r->why.kind || r->status))
		(void)!request_refused(r, &r->why);
	json_set_str(j, "event", good ? "done" : "failed");
	json_set(j, "id", json_new_i64(x->id));
	if (good) {
		const struct { const char *key, *value; } rows[] = {{"type", r->reply.type}, {"digest", r->reply.digest},
			{"location", r->location}, {"subject", r->reply.subject}};
		json_set(j, "status", json_new_i64(r->status));
		json_set(j, "bytes", json_new_i64(r->reply.length));
		for (size_t i = 0; i < countof(rows); i++)
			if (rows[i].value && strlen(rows[i].value) < 4096)
				json_set_str(j, rows[i].key, rows[i].value);
	} else {
		json_set(j, "kind", json_new_i64(r->why.kind));
		json_set_str(j, "text", r->why.text);
	}
	session_tell(r->s, j, false);
	fd_drop(&r->fd);
	request_end(r);
	mem_drop(&x->method);
	mem_drop(&x->accept);
	mem_drop(&x->type);
	free(x);
}

void request_send(struct session *s, const struct json *j, int fd)
{
	struct send *x = mem_alloc(sizeof *x);
	x->id = (int)json_i64(json_get(j, "id"));
	x->method = mem_dup(json_get_str(j, "method"));
	x->accept = mem_dup(json_get_str(j, "accept"));
	x->type = mem_dup(json_get_str(j, "type"));
	x->r = (struct request){.method = x->method ? x->method : "HEAD", .path = mem_dup(json_get_str(j, "path")), .accept = x->accept, .type = x->type,
		.fd = fd, .length = json_u64(json_get(j, "size")), .over = send_over, .arg = x};
	if (!x->r.path)
		x->r.path = mem_dup("");
	request_begin(s, &x->r);
}
