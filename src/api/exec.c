/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec: one more process in a container: made, started once, looked at. Its own monitor has its streams (engine/exec_session.h); we copy between
 * that and the client, as with a container's. What goes wrong after the connection has become a stream is said in the stream, as docker does.
 */
#include "api/stream.h"

#include "engine/exec_session.h"

#include "base/fd.h"

#include <sys/socket.h>
#include <unistd.h>

static int find(struct call *c, struct exec_session *ret, struct err *e)
{
	return exec_session_find(c->g, c->args[0], ret, e);
}

static int make(struct call *c, struct err *e)
{
	own(container_entry) struct container_entry entry = {.dir = -1, .lock = -1};
	own(json) struct json *body = NULL;
	struct exec_record r = {};
	unsigned char keys[16];
	size_t nkeys;
	char id[65];
	if (call_container(c, 0, &entry, e) < 0 || call_json(c, false, &body, e) < 0)
		return -1;
	if (jmap_parse(&exec_record_table, body, JMAP_NOCASE, c->arena, &r, "", e) < 0)
		return e->kind = ERR_USAGE, -1;
	r.running = false;
	r.pid = 0;
	r.exit_code.set = false;
	if (r.size.n && r.size.n != 2)
		return err_set(e, ERR_USAGE, "ConsoleSize: must be [height, width]");
	if (str_is_empty(r.detach_keys))
		r.detach_keys = NULL;
	if (call_stream_keys(r.detach_keys, &entry, keys, &nkeys, e) < 0 || exec_session_make(c->g, &entry, &r, id, e) < 0)
		return -1;
	struct json *j = json_new_object();
	json_set_str(j, "Id", id);
	return call_reply(c, 201, j, e);
}

static int set_size(const struct call *c, const struct json *body, struct exec_record *r, bool tty, struct err *e)
{
	const struct json *size = json_get(body, "ConsoleSize");
	if (json_kind(size) != JSON_ARRAY)
		return 0;
	if (json_len(size) != 2)
		return err_set(e, ERR_USAGE, "ConsoleSize: must be [height, width]");
	if (!tty)
		return err_set(e, ERR_USAGE, "console size is only supported when TTY is enabled");
	r->size = (struct i64v){arena_alloc(c->arena, 2 * sizeof *r->size.v), 2};
	for (size_t i = 0; i < 2; i++)
		r->size.v[i] = json_i64(json_at(size, i));
	return 0;
}

/* In the stream there is no other place for it. */
static int tell(struct call *c, bool tty, const struct err *why, struct err *e)
{
	own(buf) struct buf text = {};
	buf_printf(&text, "%s\r\n", why->text);
	return buf_check(&text, e) < 0 ? -1 : call_write_frame(c, tty, 1, text.data, text.len, e);
}

static int run(struct call *c, struct exec_session *x, bool tty, struct err *e)
{
	const struct exec_record *r = &x->record;
	unsigned streams = (r->attach_stdin ? ATTACH_STDIN : 0u) | (r->attach_stdout ? ATTACH_STDOUT : 0u) | (r->attach_stderr ? ATTACH_STDERR : 0u);
	unsigned char keys[16];
	struct attach_client how = {.detach_keys = keys, .tty = r->tty, .framed = !tty};
	enum attach_end end;
	struct err why = {};
	int socks[2];
	if (call_stream_keys(r->detach_keys, &x->c, keys, &how.ndetach_keys, e) < 0)
		return -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks) < 0)
		return err_sys(e, "make a socket");
	own(fd) int ours = socks[1];
	if (call_hijack(c, tty, e) < 0) {
		close(socks[0]);
		return -1;
	}
	if (exec_session_start(c->g, x, socks[0], streams, &why) < 0)
		return tell(c, tty, &why, e);
	return call_join(c, ours, streams, &how, &end, e);
}

static int start(struct call *c, struct err *e)
{
	struct exec_session x __attribute__((cleanup(exec_session_drop))) = EXEC_SESSION_INIT;
	own(json) struct json *body = NULL;
	if (find(c, &x, e) < 0 || call_json(c, true, &body, e) < 0)
		return -1;
	bool tty = json_truth(json_get(body, "Tty")), detach = json_truth(json_get(body, "Detach"));
	if (set_size(c, body, &x.record, tty, e) < 0 || exec_session_claim(c->g, &x, e) < 0)
		return -1;
	if (!detach)
		return run(c, &x, tty, e);
	return exec_session_start(c->g, &x, -1, 0, e) < 0 ? -1 : conn_reply_empty(c->conn, 200, e);
}

static int inspect(struct call *c, struct err *e)
{
	struct exec_session x __attribute__((cleanup(exec_session_drop))) = EXEC_SESSION_INIT;
	if (find(c, &x, e) < 0)
		return -1;
	const struct exec_record *r = &x.record;
	struct json *j = json_new_object(), *process = json_new_object(), *arguments = json_new_array();
	for (size_t i = 1; i < r->cmd.n; i++)
		json_add(arguments, json_new_str(r->cmd.v[i]));
	json_set(process, "tty", json_new_bool(r->tty));
	json_set_str(process, "entrypoint", r->cmd.v[0]);
	json_set(process, "arguments", arguments);
	json_set(process, "privileged", json_new_bool(r->privileged));
	if (!str_is_empty(r->user))
		json_set_str(process, "user", r->user);
	json_set_str(j, "ID", x.id);
	json_set(j, "Running", json_new_bool(r->running));
	json_set(j, "ExitCode", r->exit_code.set ? json_new_i64(r->exit_code.v) : NULL);
	json_set(j, "ProcessConfig", process);
	json_set(j, "OpenStdin", json_new_bool(r->attach_stdin));
	json_set(j, "OpenStderr", json_new_bool(r->attach_stderr));
	json_set(j, "OpenStdout", json_new_bool(r->attach_stdout));
	json_set(j, "CanRemove", json_new_bool(false));
	json_set_str(j, "ContainerID", x.c.id);
	json_set_str(j, "DetachKeys", "");
	json_set(j, "Pid", json_new_i64(r->pid));
	return call_reply(c, 200, j, e);
}

static int resize(struct call *c, struct err *e)
{
	struct exec_session x __attribute__((cleanup(exec_session_drop))) = EXEC_SESSION_INIT;
	if (find(c, &x, e) < 0 || exec_session_await(&x, e) < 0)
		return -1;
	if (!x.record.running)
		return err_set(e, ERR_CONFLICT, "exec command %s is not running", x.id);
	return call_resize(c, x.dir, e);
}

const struct route exec_routes[] = {
	{"POST", "/containers/{}/exec", make},
	{"POST", "/exec/{}/start", start},
	{"GET", "/exec/{}/json", inspect},
	{"POST", "/exec/{}/resize", resize},
	{NULL, NULL, NULL},
};
