/* SPDX-License-Identifier: Apache-2.0 */
/*
 * download: the body goes into the pipe as it comes; who reads slowly is waited for. A connection that breaks is taken up where it broke when
 * the server named the body by a strong ETag, which has to be the same then; what broke before its first byte is asked for again.
 * Redirects are followed, from https to https alone.
 */
#include "registry/download.h"

#include "base/fd.h"
#include "base/mem.h"
#include "base/num.h"
#include "image/transfer.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REDIRECTS = 10, TRIES = 4, ERROR_MAX = 4096 };

struct download {
	struct http *http;
	int sock, fd;
	char *url;              /* where it is now, behind redirects */
	const char *etag, *modified;
	uint64_t max, got, timeout_ns;
	unsigned redirects, tries;
	char *tag;              /* of the body that was begun */
	bool told, resumes, is_text, over;
	struct http_transfer *call;
	int64_t last_ns;
	struct err why;
};

static int tell(struct download *d, struct json *j)
{
	own(buf) struct buf text = BUF(TRANSFER_MAX);
	json_format(j, 0, &text);
	json_drop(&j);
	ssize_t n;
	while ((n = send(d->sock, buf_text(&text), text.len, MSG_NOSIGNAL)) < 0 && errno == EINTR)
		;
	return n < 0 ? -1 : 0;
}

static void set(struct json *j, const char *key, const char *value)
{
	if (value && strlen(value) < 4096)
		json_set_str(j, key, value);
}

static int tell_head(struct download *d, const struct http_reply *r)
{
	struct json *j = json_new_object();
	json_set_str(j, "event", "head");
	json_set(j, "status", json_new_i64(r->status));
	json_set(j, "length", json_new_i64(r->length));
	set(j, "etag", r->etag);
	set(j, "modified", r->modified);
	set(j, "disposition", r->disposition);
	set(j, "type", r->type);
	d->told = true;
	return tell(d, j);
}

static int stop(struct download *d, enum err_kind kind, const char *text)
{
	err_set_(&d->why, kind, "%.300s: %s", d->url, text);
	return -1;
}

static int on_head(void *arg, const struct http_reply *r)
{
	struct download *d = arg;
	d->last_ns = num_monotonic_ns();
	d->is_text = r->status != 200 && r->status != 206;
	if (d->resumes) {
		if (r->status == 206 && r->etag && str_eq(r->etag, d->tag))
			return 0;
		return d->is_text ? 0 : stop(d, ERR_REMOTE, "it broke off, and is another one by now");
	}
	if (r->status == 206)
		return stop(d, ERR_REMOTE, "it sends a part that nobody asked for");
	if (r->status == 200 && r->length >= 0 && (uint64_t)r->length > d->max)
		return stop(d, ERR_LIMIT, "it is larger than what is taken");
	if (r->status == 200 || r->status == 304) {
		mem_drop(&d->tag);
		d->tag = r->etag && !str_has_prefix(r->etag, "W/") ? mem_dup(r->etag) : NULL;
		return tell_head(d, r);
	}
	return 0;
}

static int on_body(void *arg, const void *p, size_t n)
{
	struct download *d = arg;
	if (d->is_text)
		return 0;
	if (n > d->max - d->got)
		return stop(d, ERR_LIMIT, "it is larger than what is taken");
	if (fd_write_all(d->fd, p, n) < 0)
		return stop(d, ERR_SYSTEM, "nobody reads it");
	d->got += n;
	/* Whoever reads slowly is no fault of the server's. */
	d->last_ns = num_monotonic_ns();
	return 0;
}

static int begin(struct download *d, struct err *e);

static void redirect(struct download *d, const struct http_reply *r)
{
	char *to = r->location ? http_resolve(d->url, r->location) : NULL;
	if (!to) {
		stop(d, ERR_REMOTE, "it redirects to nowhere");
	} else if (str_has_prefix(d->url, "https:") && !str_has_prefix(to, "https:")) {
		stop(d, ERR_DENIED, "it redirects from https to plain http");
		mem_drop(&to);
	} else if (++d->redirects > REDIRECTS) {
		stop(d, ERR_REMOTE, "too many redirects");
		mem_drop(&to);
	} else {
		mem_drop(&d->url);
		d->url = to;
		(void)!begin(d, &d->why);
	}
}

static void again(struct download *d, enum err_kind kind, const char *why)
{
	if (d->why.kind)
		return;
	if (++d->tries >= TRIES || (d->got && !d->tag)) {
		stop(d, kind, why);
		return;
	}
	d->resumes = d->got > 0;
	poll(NULL, 0, (int)(100u << d->tries));
	(void)!begin(d, &d->why);
}

static void on_done(void *arg, const struct http_reply *r, enum http_failure failure, const char *why)
{
	static const enum err_kind kinds[] = {[HTTP_TLS] = ERR_DENIED, [HTTP_CONNECT] = ERR_REMOTE, [HTTP_DROPPED] = ERR_REMOTE,
		[HTTP_TIMEOUT] = ERR_TIMEOUT, [HTTP_BAD] = ERR_REMOTE, [HTTP_STOPPED] = ERR_REMOTE};
	struct download *d = arg;
	char text[100];
	d->call = NULL;
	if (failure == HTTP_TLS || failure == HTTP_BAD || failure == HTTP_STOPPED) {
		if (!d->why.kind)
			stop(d, kinds[failure], why);
	} else if (failure != HTTP_FINE) {
		again(d, kinds[failure], why);
	} else if (r->status == 200 || r->status == 206 || r->status == 304) {
		d->over = true;
	} else if (r->status == 301 || r->status == 302 || r->status == 303 || r->status == 307 || r->status == 308) {
		redirect(d, r);
	} else {
		snprintf(text, sizeof text, "status %ld", r->status);
		if (r->status == 429 || r->status >= 500)
			again(d, ERR_REMOTE, text);
		else
			stop(d, r->status == 404 || r->status == 410 ? ERR_NOT_FOUND : r->status == 401 || r->status == 403 ? ERR_DENIED : ERR_REMOTE, text);
	}
}

static int begin(struct download *d, struct err *e)
{
	struct http_call c = {.url = d->url, .arg = d, .head = on_head, .body = on_body, .done = on_done, .from = d->resumes ? d->got : 0,
		.if_none_match = d->resumes ? NULL : d->etag, .if_modified_since = d->resumes ? NULL : d->modified, .if_range = d->resumes ? d->tag : NULL};
	struct http_place p = {};
	if (http_place_of(d->url, &p) < 0)
		return err_set(e, ERR_USAGE, "%.300s: not a URL of http or https", d->url);
	http_place_drop(&p);
	d->last_ns = num_monotonic_ns();
	d->call = http_start(d->http, &c);
	return 0;
}

static void end(struct download *d)
{
	struct json *j = json_new_object();
	json_set_str(j, "event", d->why.kind ? "failed" : "done");
	json_set(j, "bytes", json_new_u64(d->got));
	if (d->why.kind) {
		json_set(j, "kind", json_new_i64(d->why.kind));
		json_set_str(j, "text", d->why.text);
	}
	/* The word is on its way before the pipe ends. */
	(void)!tell(d, j);
	fd_drop(&d->fd);
}

int download_serve(struct http *h, int sock, const struct json *j, int fd, struct err *e)
{
	struct download d = {.http = h, .sock = sock, .fd = fd, .url = mem_dup(json_get_str(j, "url")), .etag = json_get_str(j, "etag"),
		.modified = json_get_str(j, "modified"), .max = json_u64(json_get(j, "max"))};
	int64_t timeout_ns = (int64_t)json_u64(json_get(j, "timeout")) * 1000000000;
	int r = 0;
	if (!d.url || fd < 0)
		err_set_(&d.why, ERR_BUG, "download: no URL");
	else
		(void)!begin(&d, &d.why);
	while (r == 0 && !d.over && !d.why.kind) {
		struct pollfd f = {.fd = sock, .events = POLLIN};
		r = http_wait(h, &f, 1, 500, e);
		/* It says no more: the client is gone. */
		if (r == 0 && f.revents)
			break;
		if (r == 0 && d.call && num_monotonic_ns() - d.last_ns > timeout_ns) {
			http_cancel(d.call);
			d.call = NULL;
			again(&d, ERR_TIMEOUT, "nothing comes any more");
		}
	}
	end(&d);
	mem_drop(&d.url);
	mem_drop(&d.tag);
	return r;
}
