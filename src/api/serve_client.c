/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   bytes -> request (conn.c) -> version and path -> route -> engine opened -> handler -> answer
 *
 * An engine is opened for each request, as a command does: what it would remember may have been changed by others meanwhile.
 */
#include "api/serve_client.h"

#include "api/call.h"

#include <stdio.h>
#include <string.h>

static const struct route *const tables[] = {
	networks_routes, volumes_routes,
	system_routes, container_routes, container_create_routes, container_life_routes, container_view_routes,
	attach_routes, exec_routes, archive_routes,
	image_routes, image_transfer_routes, build_routes, commit_routes,
};

/* "/v1.41/x": 41, and *path behind it. 0: none; -1: it is none of ours. */
static int version_of(const char **path, struct err *e)
{
	unsigned major = 0, minor = 0;
	int used = 0;
	if (sscanf(*path, "/v%3u.%3u%n", &major, &minor, &used) != 2 || ((*path)[used] != '/' && (*path)[used] != 0))
		return 0;
	if (major != 1 || minor > API_NEWEST)
		return err_set(e, ERR_USAGE, "client version %u.%u is too new. Maximum supported API version is 1.%d", major, minor, API_NEWEST);
	if (minor < API_OLDEST)
		return err_set(e, ERR_USAGE, "client version %u.%u is too old. Minimum supported API version is 1.%d, please upgrade your client to a "
			"newer version", major, minor, API_OLDEST);
	*path += used;
	return (int)minor;
}

/* Does the path fit? {+} takes as much as leaves the rest of the route its part. */
static bool fits(const char *route, const char *path, struct arena *a, const char **args, size_t n)
{
	while (*route && *route != '{') {
		if (*route++ != *path++)
			return false;
	}
	if (*route == 0)
		return *path == 0;
	bool many = route[1] == '+';
	const char *rest = strchr(route, '}') + 1;
	size_t most = many ? strlen(path) : strcspn(path, "/");
	for (size_t len = most; len > 0; len--) {
		const char *more[2] = {};
		if ((many || len == most) && fits(rest, path + len, a, more, n ? n - 1 : 0)) {
			if (n)
				args[0] = arena_ndup(a, path, len);
			if (n > 1)
				args[1] = more[0];
			return true;
		}
		if (!many)
			return false;
	}
	return false;
}

static const struct route *find(struct call *c, const char *path, bool *other_method)
{
	const char *method = c->request->method;
	for (size_t t = 0; t < countof(tables); t++)
		for (const struct route *r = tables[t]; r->path; r++) {
			const char *args[2] = {};
			if (!fits(r->path, path, c->arena, args, countof(args)))
				continue;
			/* Who can be asked with GET can be asked with HEAD, unless that has a row of its own (before). */
			if (strcmp(r->method, method) == 0 || (strcmp(method, "HEAD") == 0 && strcmp(r->method, "GET") == 0)) {
				memcpy(c->args, args, sizeof args);
				return r;
			}
			*other_method = true;
		}
	return NULL;
}

static void gather(void *arg, const char *text)
{
	strv_add(arg, text);
}

static int run(struct call *c, struct err *e)
{
	const char *path = c->request->path;
	bool other_method = false;
	int version = version_of(&path, e);
	if (version < 0)
		return -1;
	c->version = version ? (unsigned)version : API_NEWEST;
	const struct route *r = find(c, path, &other_method);
	if (!r && other_method)
		return conn_reply_error(c->conn, 405, "method not allowed", e);
	if (!r)
		return conn_reply_error(c->conn, 404, "page not found", e);
	return r->run(c, e);
}

static int serve_request(struct conn *conn, const struct http_request *q, struct arena *a, const struct engine_options *o, struct err *e)
{
	struct strv warnings = {};
	struct engine g;
	struct engine_options mine = *o;
	struct call c = {.conn = conn, .request = q, .arena = a, .g = &g, .engine_options = &mine, .warnings = &warnings};
	mine.warn = gather;
	mine.arg = &warnings;
	int r = engine_open(&g, &mine, e);
	if (r == 0) {
		r = run(&c, e);
		engine_drop(&g);
	}
	strv_drop(&warnings);
	return r;
}

void serve_client(int fd, const struct engine_options *o, const sigset_t *before)
{
	struct conn c = {.fd = fd, .body = {.at = HTTP_BODY_END}};
	conn_set_signals();
	sigprocmask(SIG_SETMASK, before, NULL);
	for (int r = 1; r > 0;) {
		struct err e = {}, ignored = {};
		struct arena a = {};
		struct http_request q;
		int status;
		r = conn_next(&c, &a, &q, &status, &e);
		if (r < 0) {
			c.closes = true; /* where the next request begins is not known */
			(void)!conn_reply_error(&c, status, e.text, &ignored);
		} else if (r > 0 && serve_request(&c, &q, &a, o, &e) < 0) {
			/* docker's words begin with a capital there, and some clients look for them. */
			if (str_has_prefix(e.text, "no such "))
				e.text[0] = 'N';
			/* An answer that was begun cannot say any more that it is not whole, but by its end. */
			if (c.begun || conn_reply_error(&c, err_map(e.kind)->http_status, e.text, &ignored) < 0)
				r = 0;
		}
		arena_drop(&a);
	}
	conn_drop(&c);
}
