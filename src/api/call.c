/* SPDX-License-Identifier: Apache-2.0 */
/*
 * call: what a query or a body says becomes what the engine takes, and what it gives becomes an answer. What the engine writes to a descriptor is
 * written by a child into a pipe, whose other end we copy to the client: so an error that comes before the first byte can still be a status, and
 * when the client goes the child's next write fails. The child's error comes through a pipe of its own.
 */
#include "api/call.h"

#include "base/fd.h"
#include "base/num.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PIECE = 64 << 10 };

int call_container(struct call *c, int flags, struct container_entry *ret, struct err *e)
{
	if (container_get(c->g, c->args[0], flags, ret, e) == 0)
		return 0;
	return e->kind == ERR_NOT_FOUND ? err_set(e, ERR_NOT_FOUND, "No such container: %.200s", c->args[0]) : -1;
}

const char *call_query(const struct call *c, const char *name)
{
	const char *v = http_query(c->request, name);
	return str_is_empty(v) ? NULL : v;
}

bool call_bool(const struct call *c, const char *name, bool preset)
{
	static const char *const no[] = {"0", "no", "false", "none"};
	const char *v = http_query(c->request, name);
	if (!v)
		return preset;
	for (size_t i = 0; i < countof(no); i++)
		if (strcasecmp(v, no[i]) == 0)
			return false;
	return *v != 0;
}

int call_i64(const struct call *c, const char *name, int64_t min, int64_t max, int64_t preset, int64_t *ret, struct err *e)
{
	const char *v = call_query(c, name);
	*ret = preset;
	return v ? num_i64(v, min, max, ret, name, e) : 0;
}

int call_time(const struct call *c, const char *name, int64_t *ret_ns, struct err *e)
{
	const char *v = call_query(c, name);
	*ret_ns = 0;
	return v && strcmp(v, "0") != 0 ? num_time(v, num_now_ns(), ret_ns, e) < 0 ? err_wrap(e, "%s", name) : 0 : 0;
}

static void add_filter(struct arena *a, struct strv *ret, const char *key, const char *value)
{
	ret->v[ret->n++] = arena_printf(a, "%s=%s", key, value);
}

int call_filters(const struct call *c, struct strv *ret, struct err *e)
{
	const char *text = call_query(c, "filters");
	own(json) struct json *all = NULL;
	struct err why = {};
	*ret = (struct strv){};
	if (!text)
		return 0;
	if (json_parse(text, strlen(text), &all, &why) < 0 || json_kind(all) != JSON_OBJECT)
		return err_set(e, ERR_USAGE, "filters: must be an object of lists: %.200s", text);
	size_t n = 0;
	for (struct json_iter it = {}; json_next(all, &it);)
		n += json_len(it.value);
	ret->v = arena_alloc(c->arena, (n + 1) * sizeof *ret->v);
	for (struct json_iter it = {}; json_next(all, &it);) {
		if (json_kind(it.value) == JSON_OBJECT) {
			for (struct json_iter in = {}; json_next(it.value, &in);)
				if (json_truth(in.value))
					add_filter(c->arena, ret, it.key, in.key);
			continue;
		}
		if (json_kind(it.value) != JSON_ARRAY)
			return err_set(e, ERR_USAGE, "filters: %.100s: must be a list", it.key);
		for (size_t i = 0; i < json_len(it.value); i++) {
			const char *v = json_str(json_at(it.value, i));
			if (!v)
				return err_set(e, ERR_USAGE, "filters: %.100s: must be a list of strings", it.key);
			add_filter(c->arena, ret, it.key, v);
		}
	}
	return 0;
}

int call_json(const struct call *c, bool optional, struct json **ret, struct err *e)
{
	const char *type = http_header(c->request, "content-type");
	size_t n = type ? strcspn(type, "; ") : 0;
	own(json) struct json *j = NULL;
	if (type && (n != 16 || strncasecmp(type, "application/json", n) != 0) && !optional)
		return err_set(e, ERR_USAGE, "unsupported Content-Type header (%.100s): must be 'application/json'", type);
	if (conn_read_json(c->conn, &j, e) < 0)
		return -1;
	if (!j && optional)
		j = json_new_object();
	if (json_kind(j) != JSON_OBJECT)
		return err_set(e, ERR_USAGE, "the body must be an object of JSON");
	*ret = take(j);
	return 0;
}

struct json *call_warnings(const struct call *c)
{
	struct json *list = json_new_array();
	for (size_t i = 0; i < c->warnings->n; i++)
		json_add(list, json_new_str(c->warnings->v[i]));
	return list;
}

int call_reply(struct call *c, int status, struct json *taken, struct err *e)
{
	own(json) struct json *j = taken;
	return conn_reply_json(c->conn, status, j, e);
}

/* The child's error comes through a pipe of its own. */
static pid_t begin(int (*work)(void *arg, int fd, struct err *e), void *arg, int ret[2], struct err *e)
{
	int data[2], error[2];
	if (fd_pipe(data, e) < 0)
		return -1;
	if (fd_pipe(error, e) < 0) {
		fd_drop(&data[0]);
		fd_drop(&data[1]);
		return -1;
	}
	pid_t pid = fork();
	if (pid == 0) {
		struct err why = {};
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(data[0]);
		close(error[0]);
		int r = work(arg, data[1], &why);
		if (r < 0)
			(void)!fd_write_all(error[1], &why, sizeof why);
		_exit(r < 0);
	}
	if (pid < 0)
		err_sys_(e, "fork");
	fd_drop(&data[1]);
	fd_drop(&error[1]);
	ret[0] = data[0];
	ret[1] = error[0];
	if (pid < 0) {
		fd_drop(&ret[0]);
		fd_drop(&ret[1]);
	}
	return pid;
}

static int copy(struct call *c, const char *type, int from, struct err *e)
{
	own(mem) char *piece = mem_alloc(PIECE);
	ssize_t n;
	while ((n = read(from, piece, PIECE)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "read");
		if ((!c->conn->begun && conn_begin(c->conn, 200, type, c->headers, e) < 0) || conn_write(c->conn, piece, (size_t)n, e) < 0)
			return -1;
	}
	return 0;
}

int call_stream(struct call *c, const char *type, int (*work)(void *arg, int fd, struct err *e), void *arg, struct err *e)
{
	int ends[2], status = 0;
	pid_t pid = begin(work, arg, ends, e);
	if (pid < 0)
		return -1;
	own(fd) int data = ends[0], error = ends[1];
	struct err why = {};
	int r = copy(c, type, data, e);
	fd_drop(&data); /* who cannot write any more ends */
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (r < 0)
		return -1;
	if (fd_read_full(error, &why, sizeof why) == sizeof why)
		return *e = why, -1;
	if (status != 0)
		return err_set(e, ERR_SYSTEM, "a process of ours has died");
	if (!c->conn->begun && conn_begin(c->conn, 200, type, c->headers, e) < 0)
		return -1;
	return conn_end(c->conn, e);
}
