/* SPDX-License-Identifier: Apache-2.0 */
#include "image/download.h"

#include "base/fd.h"
#include "image/pull_wire.h"

#include <errno.h>
#include <unistd.h>

enum { TIMEOUT_S = 60, ROOM = 256 << 10 };

void download_reply_drop(struct download_reply *r)
{
	arena_drop(&r->arena);
	*r = (struct download_reply){};
}

/* filename=x or filename="x"; what has a path or cannot be a name is none. */
static char *name_of(struct arena *a, const char *disposition)
{
	const char *at = disposition ? strcasestr(disposition, "filename=") : NULL;
	if (!at)
		return arena_dup(a, "");
	at += strlen("filename=");
	bool quoted = *at == '"';
	at += quoted;
	char *name = arena_ndup(a, at, strcspn(at, quoted ? "\"" : "; \t"));
	bool bad = strchr(name, '/') || strchr(name, '\\') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strlen(name) > 255;
	for (const char *p = name; *p; p++)
		bad |= (unsigned char)*p < ' ' || *p == 127;
	return bad ? arena_dup(a, "") : name;
}

static char *text_of(struct arena *a, const struct json *j, const char *key)
{
	const char *v = json_get_str(j, key);
	return arena_dup(a, v ? v : "");
}

static int send_request(struct pull *p, const struct download *d, int to, struct err *e)
{
	own(json) struct json *j = json_new_object();
	json_set_str(j, "op", "download");
	json_set_str(j, "url", d->url);
	if (!str_is_empty(d->etag))
		json_set_str(j, "etag", d->etag);
	if (!str_is_empty(d->modified))
		json_set_str(j, "modified", d->modified);
	json_set(j, "max", json_new_u64(d->max));
	json_set(j, "timeout", json_new_u64(d->timeout_s ? d->timeout_s : TIMEOUT_S));
	return pull_send(p, j, to, e);
}

/* 1: it is over. */
static int hear(struct pull *p, struct download_reply *r, struct err *e)
{
	own(json) struct json *j = NULL;
	int n = pull_receive(p, 0, &j, e);
	if (n <= 0)
		return n;
	const char *event = json_get_str(j, "event");
	if (str_eq(event, "failed")) {
		pull_error_of(j, e);
		return -1;
	}
	if (str_eq(event, "head")) {
		r->status = (int)json_i64(json_get(j, "status"));
		r->etag = text_of(&r->arena, j, "etag");
		r->modified = text_of(&r->arena, j, "modified");
		r->type = text_of(&r->arena, j, "type");
		r->name = name_of(&r->arena, json_get_str(j, "disposition"));
	}
	if (str_eq(event, "done"))
		r->bytes = json_u64(json_get(j, "bytes"));
	return str_eq(event, "done");
}

static int receive(struct pull *p, const struct download *d, int from, struct download_reply *r, struct err *e)
{
	own(mem) char *room = mem_grow(NULL, ROOM);
	uint64_t got = 0;
	bool over = false, ended = false;
	while (!over || !ended) {
		struct pollfd f[2] = {{.fd = over ? -1 : p->sock, .events = POLLIN}, {.fd = ended ? -1 : from, .events = POLLIN}};
		if ((d->wait ? d->wait : poll)(f, 2, -1) < 0)
			return err_set(e, ERR_CONFLICT, "interrupted");
		if (f[1].revents) {
			ssize_t n = read(from, room, ROOM);
			if (n < 0 && errno != EINTR)
				return err_sys(e, "%.200s", d->url);
			ended = n == 0;
			got += n > 0 ? (uint64_t)n : 0;
			if (n > 0 && d->data(d->arg, room, (size_t)n, e) < 0)
				return -1;
		}
		int said = f[0].revents ? hear(p, r, e) : 0;
		if (said < 0)
			return -1;
		over |= said == 1;
	}
	if ((r->status != 200 && r->status != 304) || got != r->bytes)
		return err_set(e, ERR_BUG, "%.200s: hull-registry told of %llu bytes and gave %llu", d->url, (unsigned long long)r->bytes,
			(unsigned long long)got);
	return 0;
}

int download(const struct download *d, struct download_reply *ret, struct err *e)
{
	struct pull p = {.sock = -1, .pid = -1};
	int data[2];
	*ret = (struct download_reply){};
	if (pull_start(&p, d->program, e) < 0)
		return -1;
	if (fd_pipe(data, e) < 0) {
		pull_drop(&p);
		return -1;
	}
	own(fd) int from = data[0];
	int r = send_request(&p, d, data[1], e);
	close(data[1]);
	if (r == 0)
		r = receive(&p, d, from, ret, e);
	pull_drop(&p);
	if (r < 0)
		download_reply_drop(ret);
	return r;
}
