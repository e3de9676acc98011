/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reply: see reply.h. The rule of credentials: a URL whose scheme, host and port are the registry's own gets them, no other does.
 */
#include "registry/reply.h"

#include "base/num.h"
#include "registry/insecure.h"

#include <stdio.h>
#include <strings.h>
#include <time.h>

char *reply_error_text(const struct buf *body, char out[200])
{
	own(json) struct json *j = NULL;
	struct err ignored = {};
	*out = 0;
	if (json_parse(buf_text(body), body->len, &j, &ignored) < 0)
		return out;
	const struct json *first = json_at(json_get(j, "errors"), 0);
	const char *message = json_get_str(first, "message");
	return session_text(str_is_empty(message) ? json_get_str(first, "code") : message, out);
}

int64_t reply_retry_after(const char *text)
{
	struct err ignored = {};
	uint64_t seconds;
	struct tm tm = {};
	if (!text)
		return 0;
	if (num_u64(text, 86400 * 365, &seconds, "time", &ignored) == 0)
		return (int64_t)seconds;
	if (!strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm))
		return 0;
	int64_t left = (int64_t)timegm(&tm) - num_now_ns() / 1000000000;
	return left > 0 ? left : 0;
}

int64_t reply_too_many(const struct http_reply *r, const struct buf *body, char out[200])
{
	char message[200];
	int64_t seconds = reply_retry_after(r->retry_after);
	int n = snprintf(out, 200, "%s%s%.80s", r->status == 429 ? "too many requests" : "it is busy", *reply_error_text(body, message) ? ": " : "",
		message);
	if (seconds > 0)
		snprintf(out + n, 200 - (size_t)n, ": try again in %lld s", (long long)seconds);
	return seconds > RETRY_AFTER_MAX_S ? -1 : seconds * 1000000000;
}

bool reply_is_registry(const struct session *s, const char *url)
{
	own(mem) char *base = mem_printf("%s://%s/", s->scheme, s->host);
	struct http_place a = {}, b = {};
	bool same = http_place_of(base, &a) == 0 && http_place_of(url, &b) == 0 && strcmp(a.scheme, b.scheme) == 0 && strcasecmp(a.host, b.host) == 0 &&
		a.port == b.port;
	http_place_drop(&a);
	http_place_drop(&b);
	return same;
}

char *reply_url(const struct session *s, const char *path)
{
	if (str_has_prefix(path, "http://") || str_has_prefix(path, "https://"))
		return mem_dup(path);
	if (*path == '/')
		return mem_printf("%s://%s%s", s->scheme, s->host, path);
	/* A mirror is told whose it is asked for. */
	bool asks = !str_is_empty(s->ns) && !str_has_prefix(path, "blobs/uploads");
	return mem_printf("%s://%s/v2/%s/%s%s%s", s->scheme, s->host, s->repository, path, !asks ? "" : strchr(path, '?') ? "&ns=" : "?ns=",
		asks ? s->ns : "");
}

bool reply_leads_here(const struct session *s, const char *host)
{
	struct http_place home = {};
	own(mem) char *own_url = mem_printf("%s://%s/", s->scheme, s->host);
	bool outside = http_place_of(own_url, &home) == 0 && !insecure_is_loopback(home.host) && insecure_leads_here(host) &&
		strcasecmp(home.host, host) != 0;
	http_place_drop(&home);
	return outside;
}

char *reply_location(const struct session *s, const char *base, const char *location, struct err *e)
{
	own(mem) char *target = location ? http_resolve(base, location) : NULL;
	struct http_place p = {};
	if (!target || http_place_of(target, &p) < 0) {
		err_set_(e, ERR_REMOTE, "registry %s: it redirects to nowhere", s->registry);
		return NULL;
	}
	bool plain = strcmp(p.scheme, "http") == 0;
	bool bad = plain && !(strcmp(s->scheme, "http") == 0 && insecure_allows(&s->insecure, p.host, p.port));
	/* Nobody else may send us to services of this machine. */
	bool outside = reply_leads_here(s, p.host);
	http_place_drop(&p);
	if (bad || outside) {
		err_set_(e, ERR_DENIED, "registry %s: it redirects to %s, which is not allowed", s->registry,
			bad ? "plain HTTP on another host" : "this machine or its link");
		return NULL;
	}
	return take(target);
}

bool reply_is_elsewhere(const struct session *s, const char *url)
{
	struct http_place home = {}, p = {};
	own(mem) char *own_url = mem_printf("%s://%s/", s->scheme, s->host);
	bool elsewhere = http_place_of(url, &p) == 0 && http_place_of(own_url, &home) == 0 && !insecure_is_loopback(home.host) &&
		strcasecmp(home.host, p.host) != 0 && !insecure_allows(&s->insecure, p.host, p.port);
	http_place_drop(&home);
	http_place_drop(&p);
	return elsewhere;
}

void reply_authorize(const struct session *s, const char *url, struct http_call *call, char **ret_pair)
{
	if (!reply_is_registry(s, url))
		return;
	if (s->auth.kind == AUTH_BEARER)
		call->authorization = s->auth.header;
	else if (s->auth.kind == AUTH_BASIC)
		call->user_password = *ret_pair = mem_printf("%s:%s", s->credentials.user, s->credentials.password);
}
