/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_view: what is inside: its output, its processes, what it uses, what it changed in its files.
 */
#include "api/call.h"
#include "engine/diff.h"
#include "engine/list.h"
#include "engine/logs.h"
#include "engine/stats_docs.h"

#include "base/num.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

struct log_reader {
	struct call *c;
	struct logs_shown shown;
	bool wants[3], framed;
};

/* Each piece in a frame of its own (docker's: the stream, three zeros, the length), or as it is. */
static int put_piece(void *arg, int stream, int64_t time_ns, const char *p, size_t n, const char *attrs, struct err *e)
{
	struct log_reader *r = arg;
	own(buf) struct buf out = {};
	if (stream < 1 || stream > 2 || !r->wants[stream])
		return 0;
	if (r->framed)
		buf_add(&out, "\0\0\0\0\0\0\0\0", 8);
	logs_show(&r->shown, stream, time_ns, p, n, attrs, &out);
	if (buf_check(&out, e) < 0)
		return -1;
	if (r->framed) {
		size_t len = out.len - 8;
		unsigned char head[8] = {(unsigned char)stream, 0, 0, 0, (unsigned char)(len >> 24), (unsigned char)(len >> 16), (unsigned char)(len >> 8),
			(unsigned char)len};
		memcpy(out.data, head, sizeof head);
	}
	return conn_write(r->c->conn, out.data, out.len, e);
}

/* docker takes what is no number for all of them. */
static int64_t tail_of(const struct call *c)
{
	const char *text = call_query(c, "tail");
	int64_t n;
	struct err ignored = {};
	return text && num_i64(text, 0, INT64_MAX, &n, "tail", &ignored) == 0 ? n : -1;
}

static int logs(struct call *c, struct err *e)
{
	own(container_entry) struct container_entry entry = {.dir = -1, .lock = -1};
	struct log_reader r = {.c = c, .shown = {.timestamps = call_bool(c, "timestamps", false), .details = call_bool(c, "details", false)},
		.wants = {false, call_bool(c, "stdout", false), call_bool(c, "stderr", false)}};
	struct logs_read q = {.follow = call_bool(c, "follow", false), .tail = tail_of(c), .line = put_piece, .arg = &r};
	if (!r.wants[1] && !r.wants[2])
		return err_set(e, ERR_USAGE, "Bad parameters: you must choose at least one stream");
	if (call_time(c, "since", &q.since_ns, e) < 0 || call_time(c, "until", &q.until_ns, e) < 0 || container_get(c->g, c->args[0], 0, &entry, e) < 0 ||
		logs_check_kept(&entry, e) < 0)
		return -1;
	r.framed = !entry.record.config.tty;
	const char *type = r.framed && c->version >= 42 ? "application/vnd.docker.multiplexed-stream" : "application/vnd.docker.raw-stream";
	if (conn_begin(c->conn, 200, type, NULL, e) < 0)
		return -1;
	conn_ends_with_client(c->conn, true);
	int result = container_logs(c->g, &entry, &q, e);
	conn_ends_with_client(c->conn, false);
	return result < 0 ? -1 : conn_end(c->conn, e);
}

static int top(struct call *c, struct err *e)
{
	own(strv) struct strv options = {};
	const char *text = call_query(c, "ps_args");
	own(mem) char *copy = mem_dup(text ? text : "");
	char *rest = copy;
	for (char *word; (word = strsep(&rest, " \t"));)
		if (*word)
			strv_add(&options, word);
	struct json *j = container_top(c->g, c->args[0], options.v, options.n, e);
	return j ? call_reply(c, 200, j, e) : -1;
}

static int add_change(void *arg, enum snap_change what, const char *path, const struct stat *st unused, struct err *e unused)
{
	struct json *row = json_new_object();
	json_set_str(row, "Path", path);
	json_set(row, "Kind", json_new_i64(what == SNAP_CHANGED ? 0 : what == SNAP_ADDED ? 1 : 2));
	json_add(arg, row);
	return 0;
}

static int changes(struct call *c, struct err *e)
{
	own(json) struct json *list = json_new_array();
	return container_diff(c->g, c->args[0], add_change, list, e) < 0 ? -1 : call_reply(c, 200, take(list), e);
}

/* docker's pace. */
static const struct timespec between = {.tv_sec = 1};

/* One look; `before` (may be NULL) is the one before it. NULL: the container is gone. */
static struct json *look(struct call *c, const char *id, const struct json *before, struct err *e)
{
	own(container_entry) struct container_entry entry = {.dir = -1, .lock = -1};
	struct json *j = container_get(c->g, id, 0, &entry, e) < 0 ? NULL : stats_document(c->g, &entry, e);
	if (!j)
		return NULL;
	struct json *cpu = json_get(before, "cpu_stats");
	const char *read = json_get_str(before, "read");
	json_set_str(j, "preread", read ? read : "0001-01-01T00:00:00Z");
	json_set(j, "precpu_stats", cpu ? json_ref(cpu) : json_new_object());
	return j;
}

static int stream_stats(struct call *c, struct json *first, struct err *e)
{
	own(json) struct json *before = first;
	struct err gone = {};
	char id[65] = "";
	memcpy(id, json_get_str(before, "id"), sizeof id);
	conn_ends_with_client(c->conn, true);
	for (;;) {
		if (conn_write_json(c->conn, before, e) < 0)
			return -1;
		nanosleep(&between, NULL);
		struct json *now = look(c, id, before, &gone);
		if (!now)
			break;
		json_drop(&before);
		before = now;
	}
	conn_ends_with_client(c->conn, false);
	return gone.kind == ERR_NOT_FOUND ? conn_end(c->conn, e) : (*e = gone, -1);
}

static int stats(struct call *c, struct err *e)
{
	bool stream = call_bool(c, "stream", true), once = call_bool(c, "one-shot", false);
	if (stream && once)
		return err_set(e, ERR_USAGE, "cannot have stream=true and one-shot=true");
	own(json) struct json *j = look(c, c->args[0], NULL, e);
	if (!j)
		return -1;
	if (stream)
		return conn_begin(c->conn, 200, "application/json", NULL, e) < 0 ? -1 : stream_stats(c, take(j), e);
	/* Its rates need a second look. */
	if (!once && json_has(json_get(j, "memory_stats"), "usage")) {
		own(json) struct json *before = take(j);
		nanosleep(&between, NULL);
		j = look(c, json_get_str(before, "id"), before, e);
	}
	return j ? call_reply(c, 200, take(j), e) : -1;
}

const struct route container_view_routes[] = {
	{"GET", "/containers/{}/logs", logs},
	{"GET", "/containers/{}/top", top},
	{"GET", "/containers/{}/stats", stats},
	{"GET", "/containers/{}/changes", changes},
	{NULL, NULL, NULL},
};
