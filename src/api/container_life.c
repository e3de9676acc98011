/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_life: from start to end. What is so already is 304, as docker says it. A wait's head is out before it waits: `docker run` asks for
 * the next end before it starts the container, and goes on when it has the head.
 */
#include "api/call.h"
#include "engine/await.h"
#include "sys/signals.h"

#include <limits.h>
#include <signal.h>

static bool is_live(const char *status)
{
	return str_eq(status, "running") || str_eq(status, "paused") || str_eq(status, "restarting");
}

/* 400 for what is the command's or the request's fault, 404 and 409 for the container's; all else is docker's 500: what the machine lacks, a port
 * that is taken. */
static int start_failed(struct call *c, struct err *e)
{
	int status = e->kind == ERR_NOT_FOUND && !str_has_prefix(e->text, "no such container") ? 500 : err_map(e->kind)->http_status;
	struct err why = *e;
	if (status == 400 || status == 404 || (status == 409 && str_has_prefix(why.text, "container ")))
		return -1;
	return conn_reply_error(c->conn, 500, why.text, e);
}

static int start(struct call *c, struct err *e)
{
	own(json) struct json *body = NULL;
	if (call_query(c, "checkpoint"))
		return err_set(e, ERR_USAGE, "checkpoint: go on from checkpoints with `hull start --checkpoint`");
	if (conn_read_json(c->conn, &body, e) < 0)
		return -1;
	if (json_len(body))
		return err_set(e, ERR_USAGE, "starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24");
	int r = container_start_named(c->g, c->args[0], e);
	return r < 0 ? start_failed(c, e) : conn_reply_empty(c->conn, r ? 204 : 304, e);
}

/* signal= and t=; what is not said: 0, and INT_MIN. */
static int how_to_stop(struct call *c, int *ret_sig, int *ret_seconds, struct err *e)
{
	const char *sig = call_query(c, "signal");
	int64_t t;
	*ret_sig = 0;
	if ((sig && signal_parse(sig, ret_sig, e) < 0) || call_i64(c, "t", INT_MIN, INT_MAX, INT_MIN, &t, e) < 0)
		return -1;
	*ret_seconds = t < -1 && t != INT_MIN ? -1 : (int)t;
	return 0;
}

static int stop(struct call *c, struct err *e)
{
	own(container_entry) struct container_entry entry = {.dir = -1, .lock = -1};
	int sig, seconds;
	if (how_to_stop(c, &sig, &seconds, e) < 0 || container_get(c->g, c->args[0], 0, &entry, e) < 0)
		return -1;
	if (!is_live(container_status(c->g, &entry)))
		return conn_reply_empty(c->conn, 304, e);
	return container_stop(c->g, &entry, sig, seconds, e) < 0 ? -1 : conn_reply_empty(c->conn, 204, e);
}

static int restart(struct call *c, struct err *e)
{
	int sig, seconds;
	if (how_to_stop(c, &sig, &seconds, e) < 0)
		return -1;
	return container_restart(c->g, c->args[0], sig, seconds, e) < 0 ? start_failed(c, e) : conn_reply_empty(c->conn, 204, e);
}

static int kill_it(struct call *c, struct err *e)
{
	own(container_entry) struct container_entry entry = {.dir = -1, .lock = -1};
	const char *text = call_query(c, "signal");
	int sig = SIGKILL;
	if (text && signal_parse(text, &sig, e) < 0)
		return -1;
	if (container_get_running(c->g, c->args[0], &entry, e) < 0)
		return e->kind == ERR_CONFLICT ? err_wrap(e, "cannot kill container: %.100s", c->args[0]) : -1;
	return container_kill(c->g, &entry, sig, e) < 0 ? -1 : conn_reply_empty(c->conn, 204, e);
}

static int set_paused(struct call *c, bool paused, struct err *e)
{
	own(container_entry) struct container_entry entry = {.dir = -1, .lock = -1};
	if (container_get(c->g, c->args[0], 0, &entry, e) < 0)
		return -1;
	return container_pause(c->g, &entry, paused, e) < 0 ? -1 : conn_reply_empty(c->conn, 204, e);
}

static int pause_it(struct call *c, struct err *e)
{
	return set_paused(c, true, e);
}

static int unpause(struct call *c, struct err *e)
{
	return set_paused(c, false, e);
}

static int wait_for(struct call *c, struct err *e)
{
	own(container_entry) struct container_entry entry = {.dir = -1, .lock = -1};
	const char *condition = call_query(c, "condition");
	struct err why = {};
	enum await what = AWAIT_STOPPED;
	int status = 0;
	if (condition && (await_parse(condition, &what, e) < 0 || what > AWAIT_REMOVED))
		return err_set(e, ERR_USAGE, "invalid condition: \"%.60s\"", condition);
	if (container_get(c->g, c->args[0], 0, &entry, e) < 0 || conn_begin(c->conn, 200, "application/json", NULL, e) < 0)
		return -1;
	conn_ends_with_client(c->conn, true);
	int r = container_await(c->g, &entry, what, -1, &status, &why);
	conn_ends_with_client(c->conn, false);
	own(json) struct json *j = json_new_object();
	json_set(j, "StatusCode", json_new_i64(r < 0 ? -1 : status));
	if (r < 0) {
		struct json *error = json_new_object();
		json_set_str(error, "Message", why.text);
		json_set(j, "Error", error);
	}
	return conn_write_json(c->conn, j, e) < 0 ? -1 : conn_end(c->conn, e);
}

const struct route container_life_routes[] = {
	{"POST", "/containers/{}/start", start},
	{"POST", "/containers/{}/stop", stop},
	{"POST", "/containers/{}/restart", restart},
	{"POST", "/containers/{}/kill", kill_it},
	{"POST", "/containers/{}/pause", pause_it},
	{"POST", "/containers/{}/unpause", unpause},
	{"POST", "/containers/{}/wait", wait_for},
	{NULL, NULL, NULL},
};
