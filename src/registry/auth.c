/* SPDX-License-Identifier: Apache-2.0 */
/*
 * auth: the first 401 says what is wanted. All gets that run into it wait for the one request to the token server; when it is
 * through, the generation has grown and all are sent again.
 *
 * The realm of a token is a URL that the registry chooses, and it gets the password. It must be https; plain HTTP only when the registry
 * itself is spoken to by HTTP and the realm's host is one that may; and no service of this machine, unless the registry is one, too. A redirect of
 * the token server is not followed.
 */
#include "registry/auth.h"

#include "base/num.h"
#include "codec/json.h"
#include "registry/challenge.h"
#include "registry/insecure.h"
#include "registry/reply.h"

#include <stdio.h>
#include <stdlib.h>

enum { ANSWER_MAX = 256 << 10, TOKEN_MAX = 48 << 10 };

void auth_drop(struct auth *a)
{
	mem_drop(&a->header);
	mem_drop(&a->realm);
	mem_drop(&a->service);
	mem_drop(&a->scope);
	buf_drop(&a->body);
}

int auth_denied(const struct session *s, const char *reason, struct err *e)
{
	const struct credentials *c = &s->credentials;
	char text[200];
	session_text(reason, text);
	const char *open = *text ? " (" : "", *shut = *text ? ")" : "";
	if (c->user || c->identity_token)
		return err_set(e, ERR_DENIED, "access to %s is denied%s%s%s: it does not exist, or the credentials configured for %s do not allow it",
			s->repository, open, text, shut, s->registry);
	return err_set(e, ERR_DENIED, "access to %s is denied%s%s%s: it does not exist, or needs a login: hull login %s%s%s",
		s->repository, open, text, shut, s->registry, c->note ? "; " : "", c->note ? c->note : "");
}

static void end(struct session *s, const struct err *why)
{
	struct auth *a = &s->auth;
	a->busy = false;
	a->generation++;
	a->why = why ? *why : (struct err){};
	a->wake_ns = 0;
}

static int on_head(void *arg, const struct http_reply *r)
{
	struct session *s = arg;
	(void)r;
	s->auth.last_ns = num_monotonic_ns();
	return 0;
}

static int on_body(void *arg, const void *p, size_t n)
{
	struct session *s = arg;
	s->auth.last_ns = num_monotonic_ns();
	return buf_add(&s->auth.body, p, n);
}

/* After the time that it asks for, else back-off; or the end. wait_ns 0: none was said; -1: too long. */
static void again(struct session *s, enum err_kind kind, const char *why, int64_t wait_ns)
{
	struct auth *a = &s->auth;
	struct err e;
	if (wait_ns >= 0 && a->tries++ < s->retries) {
		a->wake_ns = num_monotonic_ns() + (wait_ns ? wait_ns : session_back_off(a->tries));
		return;
	}
	char text[200];
	err_set_(&e, kind, "token server of %s: %s", s->registry, session_text(why, text));
	end(s, &e);
}

/* It goes into a header: one word, and not endless. */
static bool is_token(const char *text)
{
	size_t n = 0;
	while (text && text[n] > ' ' && text[n] <= '~')
		n++;
	return n > 0 && n <= TOKEN_MAX && !text[n];
}

static int take_token(struct session *s, struct err *e)
{
	own(json) struct json *j = NULL;
	if (json_parse(buf_text(&s->auth.body), s->auth.body.len, &j, e) < 0)
		return err_set(e, ERR_REMOTE, "token server of %s: its answer is no JSON", s->registry);
	const char *token = json_get_str(j, "token");
	if (str_is_empty(token))
		token = json_get_str(j, "access_token");
	if (!is_token(token))
		return err_set(e, ERR_REMOTE, "token server of %s: its answer has no usable token", s->registry);
	mem_drop(&s->auth.header);
	s->auth.header = mem_printf("Bearer %s", token);
	s->auth.kind = AUTH_BEARER;
	return 0;
}

static void busy(struct session *s, const struct http_reply *r)
{
	char text[200];
	int64_t wait_ns = reply_too_many(r, &s->auth.body, text);
	again(s, ERR_LIMIT, text, wait_ns);
}

static void start(struct session *s);

/* Beside what must be, rights were asked for that only spare work (to read where a blob may be mounted from): without these. */
static bool with_less(struct session *s)
{
	char *more = s->scope ? strchr(s->scope, ' ') : NULL;
	if (!more)
		return false;
	*more = 0;
	mem_drop(&s->auth.scope);
	s->auth.scope = mem_dup(s->scope);
	start(s);
	return true;
}

static void on_done(void *arg, const struct http_reply *r, enum http_failure failure, const char *why)
{
	struct session *s = arg;
	struct err e = {};
	char text[60];
	s->auth.call = NULL;
	snprintf(text, sizeof text, "status %ld", r->status);
	if (failure == HTTP_STOPPED)
		err_set_(&e, ERR_LIMIT, "token server of %s: its answer is too long", s->registry);
	else if (failure != HTTP_FINE)
		again(s, failure == HTTP_TIMEOUT ? ERR_TIMEOUT : ERR_REMOTE, why, 0);
	else if (r->status == 429 || (r->status == 503 && r->retry_after))
		busy(s, r);
	else if (r->status >= 500)
		again(s, ERR_REMOTE, text, 0);
	else if ((r->status == 401 || r->status == 403) && with_less(s))
		return;
	else if (r->status == 401 || r->status == 403)
		(void)!auth_denied(s, "the token server refuses", &e);
	else if (r->status != 200)
		err_set_(&e, ERR_REMOTE, "token server of %s: %s", s->registry, text);
	else if (take_token(s, &e) == 0)
		end(s, NULL);
	if (e.kind)
		end(s, &e);
}

static bool realm_allowed(const struct session *s, const char *realm, bool *ret_untrusted)
{
	struct http_place p = {};
	if (http_place_of(realm, &p) < 0)
		return false;
	bool may = insecure_allows(&s->insecure, p.host, p.port);
	bool ok = (strcmp(p.scheme, "https") == 0 || (may && strcmp(s->scheme, "http") == 0)) && !reply_leads_here(s, p.host);
	http_place_drop(&p);
	*ret_untrusted = may;
	return ok;
}

static void add_field(struct buf *b, const char *name, const char *value)
{
	if (str_is_empty(value))
		return;
	own(mem) char *escaped = http_escape(value);
	buf_printf(b, "%s%s=%s", b->len ? "&" : "", name, escaped);
}

static void start(struct session *s)
{
	struct auth *a = &s->auth;
	const struct credentials *c = &s->credentials;
	own(buf) struct buf query = {};
	own(mem) char *pair = NULL;
	own(mem) char *url = NULL;
	struct http_call call = {.accept = "application/json", .arg = s, .head = on_head, .body = on_body, .done = on_done};
	struct err e;
	if (!realm_allowed(s, a->realm, &call.untrusted)) {
		char text[200];
		err_set_(&e, ERR_DENIED, "%s sends logins to \"%s\", which is not a trustworthy place (https, and not of this machine)",
			s->registry, session_text(a->realm, text));
		end(s, &e);
		return;
	}
	add_field(&query, "service", a->service);
	if (c->identity_token) {
		add_field(&query, "scope", a->scope);
		add_field(&query, "grant_type", "refresh_token");
		add_field(&query, "client_id", "hull");
		add_field(&query, "refresh_token", c->identity_token);
		call.form = buf_text(&query);
		url = mem_dup(a->realm);
	} else {
		if (c->user) {
			add_field(&query, "account", c->user);
			call.user_password = pair = mem_printf("%s:%s", c->user, c->password);
		}
		/* One field for each of its words. */
		own(strv) struct strv scopes = {};
		strv_split(&scopes, a->scope, ' ');
		for (size_t i = 0; i < scopes.n; i++)
			add_field(&query, "scope", scopes.v[i]);
		url = mem_printf("%s%s%s", a->realm, strchr(a->realm, '?') ? "&" : "?", buf_text(&query));
	}
	call.url = url;
	call.elsewhere = reply_is_elsewhere(s, a->realm);
	buf_reset(&a->body);
	a->body.max = ANSWER_MAX;
	a->last_ns = num_monotonic_ns();
	a->wake_ns = 0;
	a->call = http_start(s->http, &call);
}

void auth_work(struct session *s, int64_t now)
{
	struct auth *a = &s->auth;
	if (a->call && now - a->last_ns > (int64_t)s->timeout_s * 1000000000) {
		http_cancel(a->call);
		a->call = NULL;
		a->tries += s->retries / 2;
		again(s, ERR_TIMEOUT, "no answer", 0);
	}
	if (a->busy && !a->call && a->wake_ns && now >= a->wake_ns)
		start(s);
}

static int demand_token(struct session *s, struct challenge *c)
{
	struct auth *a = &s->auth;
	mem_drop(&a->realm);
	mem_drop(&a->service);
	mem_drop(&a->scope);
	a->realm = take(c->realm);
	a->service = take(c->service);
	a->scope = s->scope ? mem_dup(s->scope)
		: !str_is_empty(c->scope) ? take(c->scope)
		: *s->repository ? mem_printf("repository:%s:pull", s->repository)
				 : mem_dup("");
	a->busy = true;
	a->tries = 0;
	start(s);
	return 0;
}

int auth_demand(struct session *s, const struct http_reply *r, unsigned generation, struct err *e)
{
	struct auth *a = &s->auth;
	own(challenge) struct challenge c = {};
	if (a->busy || generation != a->generation)
		return 0;
	challenge_parse(&r->challenges, &c);
	if (c.kind == CHALLENGE_BEARER)
		return demand_token(s, &c);
	if (c.kind != CHALLENGE_BASIC)
		return auth_denied(s, "it asks for a way to log in that is not known", e);
	if (!s->credentials.user || a->kind == AUTH_BASIC)
		return auth_denied(s, "", e);
	a->kind = AUTH_BASIC;
	end(s, NULL);
	return 0;
}
