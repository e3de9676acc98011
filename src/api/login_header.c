/* SPDX-License-Identifier: Apache-2.0 */
/*
 * login_header: JSON in base64, as docker's clients write it. What is in it is handed to the process that speaks to the registry through a socket,
 * never in its arguments or environment, which others can read.
 */
#include "api/login_header.h"

#include "codec/base64.h"

#include <string.h>

/* Both alphabets, padded or not. NULL: there is no such header. */
static int read_header(const struct call *c, const char *name, const char *shown, struct json **ret, struct err *e)
{
	const char *text = http_header(c->request, name);
	own(buf) struct buf plain = BUF(HTTP_HEAD_MAX);
	struct err why = {};
	if (str_is_empty(text))
		return 0;
	size_t n = strcspn(text, "=");
	char *whole = arena_printf(c->arena, "%.*s%.*s", (int)n, text, (int)(-n & 3), "===");
	for (char *p = whole; *p; p++)
		*p = *p == '-' ? '+' : *p == '_' ? '/' : *p;
	if (base64_decode(whole, &plain, &why) < 0 || json_parse(buf_text(&plain), plain.len, ret, &why) < 0 || json_kind(*ret) != JSON_OBJECT)
		return err_set(e, ERR_USAGE, "invalid %s header", shown); /* what is in it is nobody's to see */
	return 0;
}

static int take_login(struct call *c, const char *registry, const struct json *j, struct engine_logins *to, struct err *e)
{
	const char *user = json_get_str(j, "username"), *password = json_get_str(j, "password"), *token = json_get_str(j, "identitytoken"),
		*auth = json_get_str(j, "auth");
	own(buf) struct buf plain = BUF(HTTP_HEAD_MAX);
	if (!str_is_empty(json_get_str(j, "registrytoken")))
		return err_set(e, ERR_USAGE, "registrytoken: such a login is not supported: give username and password, or an identitytoken");
	if (str_is_empty(user) && !str_is_empty(auth)) {
		char *colon = base64_decode(auth, &plain, e) < 0 ? NULL : strchr(buf_text(&plain), ':');
		if (!colon)
			return err_set(e, ERR_USAGE, "auth: must be base64 of user:password");
		user = arena_ndup(c->arena, plain.data, (size_t)(colon - plain.data));
		password = colon + 1;
	}
	if (str_is_empty(token) && (str_is_empty(user) || !password))
		return 0;
	*arena_push(c->arena, to) = (struct engine_login){arena_dup(c->arena, registry), str_is_empty(user) ? NULL : arena_dup(c->arena, user),
		password ? arena_dup(c->arena, password) : NULL, str_is_empty(token) ? NULL : arena_dup(c->arena, token)};
	return 0;
}

int login_header_take(struct call *c, const char *registry, struct err *e)
{
	own(json) struct json *j = NULL;
	return read_header(c, "x-registry-auth", "X-Registry-Auth", &j, e) < 0 || take_login(c, registry, j, &c->g->logins, e) < 0 ? -1 : 0;
}

int login_header_take_all(struct call *c, struct err *e)
{
	own(json) struct json *j = NULL;
	if (read_header(c, "x-registry-config", "X-Registry-Config", &j, e) < 0)
		return -1;
	for (struct json_iter it = {}; json_next(j, &it);)
		if (take_login(c, it.key, it.value, &c->g->logins, e) < 0)
			return -1;
	return 0;
}
