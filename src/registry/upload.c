/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upload: each step is a request; what comes next hangs on its answer.
 *
 *   look     HEAD the blob                     there: done. Not: mount, or begin
 *   mount    POST ?mount=&from=, each in turn  201: done. 202 is an upload that was begun: it is used, or taken back
 *   begin    POST                              202 and a Location
 *   put      PUT with the whole of a small blob, or the empty end of one that was sent in pieces
 *   patch    PATCH from `at` on: all that is left, or a piece (`chunk`)
 *   ask      GET the Location: how far did it come? Then patch; what is not known any more is looked for, and begun anew
 *
 * A connection that breaks while a body is under way leaves it open what arrived: ask. `tries` counts breaks without progress. A
 * registry that takes only small bodies (413) gets pieces. Location is where the registry says, with its query as it is.
 */
#include "registry/upload.h"

#include "base/fd.h"
#include "base/num.h"
#include "codec/digest.h"
#include "registry/reply.h"
#include "registry/request.h"

#include <stdio.h>
#include <stdlib.h>

enum { AT_ONCE = 8 << 20, CHUNK_MIN = 256 << 10, CHUNK_FALL_BACK = 16 << 20, TELL_NS = 100000000, FROM_MAX = 8 };

struct upload {
	struct session *s;
	struct request r;
	int id, fd;
	char *digest, *location;
	uint64_t size, chunk, at, sending, told; /* chunk 0: as much as there is */
	struct strv from;
	size_t next_from;
	unsigned tries;
	enum { STEP_NONE, STEP_LOOK, STEP_MOUNT, STEP_BEGIN, STEP_PUT, STEP_PATCH, STEP_ASK, STEP_CANCEL } step;
	bool running, ended, begun_anew;
	int64_t told_ns;
};

static void go(struct upload *u, int step, int64_t wake_ns);

static void tell(struct upload *u, const char *event, const char *how, const struct err *why)
{
	struct json *j = json_new_object();
	json_set_str(j, "event", event);
	json_set(j, "id", json_new_i64(u->id));
	json_set(j, "bytes", json_new_u64(u->at + u->sending));
	if (how)
		json_set_str(j, "how", how);
	if (how && strcmp(how, "mounted") == 0)
		json_set_str(j, "from", u->from.v[u->next_from - 1]);
	if (why) {
		json_set(j, "kind", json_new_i64(why->kind));
		json_set_str(j, "text", why->text);
	}
	u->told_ns = num_monotonic_ns();
	session_tell(u->s, j, strcmp(event, "bytes") == 0);
}

static void end(struct upload *u, const char *how)
{
	tell(u, "done", how, NULL);
	u->ended = true;
}

static void fail(struct upload *u, const struct err *why)
{
	tell(u, "failed", NULL, why);
	u->ended = true;
}

static void refuse(struct upload *u)
{
	struct err e;
	(void)!request_refused(&u->r, &e);
	fail(u, &e);
}

/* One more try, as long as there are some; tells why. */
static bool may_again(struct upload *u, const struct err *why)
{
	if (u->tries++ >= u->s->retries) {
		fail(u, why);
		return false;
	}
	tell(u, "retry", NULL, why);
	return true;
}

static void on_retry(void *arg, const struct err *why)
{
	struct upload *u = arg;
	tell(u, "retry", NULL, why);
}

static void on_sent(void *arg, size_t n)
{
	struct upload *u = arg;
	u->sending += n;
	if (num_monotonic_ns() - u->told_ns > TELL_NS)
		tell(u, "bytes", NULL, NULL);
}

/* "0-99": 100 bytes are there. "0-0" is what an empty upload says too. */
static bool arrived(const char *range, uint64_t *ret)
{
	unsigned long long from, to;
	if (!range)
		return false;
	range = str_has_prefix(range, "bytes=") ? range + 6 : range;
	if (sscanf(range, "%llu-%llu", &from, &to) != 2 || from != 0)
		return false;
	*ret = to ? to + 1 : 0;
	return true;
}

/* The Location of an upload under way; it may change with each answer. */
static bool take_location(struct upload *u)
{
	if (u->r.location) {
		mem_drop(&u->location);
		u->location = take(u->r.location);
	}
	if (u->location)
		return true;
	struct err e;
	err_set_(&e, ERR_REMOTE, "registry %s: it begins an upload without saying where", u->s->registry);
	fail(u, u->r.why.kind ? &u->r.why : &e);
	return false;
}

static void send_rest(struct upload *u)
{
	bool whole = u->at == 0 && !u->chunk && u->size <= AT_ONCE;
	go(u, whole || u->at == u->size ? STEP_PUT : STEP_PATCH, 0);
}

static void next_mount(struct upload *u)
{
	if (u->next_from < u->from.n)
		go(u, STEP_MOUNT, 0);
	else if (u->fd >= 0)
		go(u, STEP_BEGIN, 0);
	else
		end(u, "missing");
}

static void on_look(struct upload *u)
{
	if (u->r.status == 200)
		end(u, "there");
	else if (u->r.status == 404 || u->r.status == 405)
		next_mount(u);
	else
		refuse(u);
}

static void begun(struct upload *u)
{
	struct err ignored = {};
	uint64_t min;
	if (!take_location(u))
		return;
	u->at = 0;
	if (u->chunk && u->r.reply.chunk_min && num_u64(u->r.reply.chunk_min, INT64_MAX, &min, "chunk", &ignored) == 0 && min > u->chunk)
		u->chunk = min;
	send_rest(u);
}

static void on_mount(struct upload *u)
{
	u->next_from++;
	if (u->r.status == 201)
		end(u, "mounted");
	else if (u->r.status == 202 && u->next_from >= u->from.n && u->fd >= 0)
		begun(u);
	else if (u->r.status == 202 && u->r.location && take_location(u))
		go(u, STEP_CANCEL, 0);
	else
		next_mount(u); /* one that refuses may still take the bytes */
}

static void on_begin(struct upload *u)
{
	if (u->r.status == 202)
		begun(u);
	else if (u->r.status == 201)
		end(u, "there");
	else
		refuse(u);
}

static void begin_anew(struct upload *u, const struct err *why)
{
	if (!may_again(u, why))
		return;
	mem_drop(&u->location);
	u->at = 0;
	go(u, STEP_LOOK, num_monotonic_ns() + session_back_off(u->tries));
}

static void smaller(struct upload *u)
{
	u->chunk = u->chunk ? u->chunk / 4 : CHUNK_FALL_BACK;
	if (u->chunk < CHUNK_MIN) {
		refuse(u);
		return;
	}
	go(u, STEP_ASK, 0);
}

static void on_put(struct upload *u)
{
	struct err e;
	if (u->r.status == 201 || u->r.status == 204) {
		u->at = u->size;
		u->sending = 0;
		end(u, "sent");
		return;
	}
	(void)!request_refused(&u->r, &e);
	if (u->r.status == 413 && u->at < u->size)
		smaller(u);
	else if (u->r.status == 404 || ((u->r.status == 400 || u->r.status == 416) && !u->begun_anew)) {
		/* It lost the upload, or has other bytes than we sent: once more, from the start. */
		u->begun_anew = u->r.status != 404;
		begin_anew(u, &e);
	} else
		fail(u, &e);
}

static void on_patch(struct upload *u)
{
	struct err e;
	uint64_t at = u->at + u->r.length;
	if (u->r.status == 202 || u->r.status == 204 || u->r.status == 201) {
		bool says = arrived(u->r.reply.upload_range, &at);
		if (!take_location(u))
			return;
		if (says && (at > u->size || at <= u->at)) {
			err_set_(&e, ERR_REMOTE, "registry %s: it took %llu bytes of %llu", u->s->registry, (unsigned long long)at,
				(unsigned long long)u->size);
			begin_anew(u, &e);
			return;
		}
		u->tries = 0;
		u->at = at;
		send_rest(u);
		return;
	}
	(void)!request_refused(&u->r, &e);
	if (u->r.status == 413)
		smaller(u);
	else if (u->r.status == 416 && may_again(u, &e))
		go(u, STEP_ASK, 0);
	else if (u->r.status == 404)
		begin_anew(u, &e);
	else if (u->r.status != 416)
		fail(u, &e);
}

static void on_ask(struct upload *u)
{
	uint64_t at = 0;
	struct err e;
	if ((u->r.status == 204 || u->r.status == 200 || u->r.status == 202) && arrived(u->r.reply.upload_range, &at) && at <= u->size) {
		if (u->r.location)
			(void)!take_location(u);
		if (at > u->at)
			u->tries = 0;
		u->at = at;
		/* An upload that has begun is not sent whole a second time. */
		go(u, at == u->size ? STEP_PUT : STEP_PATCH, 0);
		return;
	}
	err_set_(&e, ERR_REMOTE, "registry %s: the upload is not known there any more", u->s->registry);
	begin_anew(u, &e);
}

static void on_over(void *arg, struct request *r)
{
	struct upload *u = arg;
	u->sending = 0;
	if (u->step == STEP_CANCEL) {
		next_mount(u); /* a registry may keep what it began: to take it back needs rights that a push does not */
	} else if (u->step == STEP_MOUNT && r->why.kind == ERR_DENIED && !r->unsure) {
		u->next_from++; /* who may not read there may still push here */
		next_mount(u);
	} else if (r->why.kind && !(r->unsure || r->status)) {
		fail(u, &r->why);
	} else if (r->unsure) {
		/* A pause that was asked for, else a longer one each time. */
		int64_t pause = num_monotonic_ns() + session_back_off(u->tries + 1);
		if (may_again(u, &r->why))
			go(u, STEP_ASK, r->wake_ns > pause ? r->wake_ns : pause);
	} else {
		switch (u->step) {
		case STEP_LOOK: on_look(u); break;
		case STEP_MOUNT: on_mount(u); break;
		case STEP_BEGIN: on_begin(u); break;
		case STEP_PUT: on_put(u); break;
		case STEP_PATCH: on_patch(u); break;
		default: on_ask(u); break;
		}
	}
}

static char *with_digest(const struct upload *u)
{
	own(mem) char *digest = http_escape(u->digest);
	return mem_printf("%s%cdigest=%s", u->location, strchr(u->location, '?') ? '&' : '?', digest);
}

static void go(struct upload *u, int step, int64_t wake_ns)
{
	static const char *const methods[] = {[STEP_LOOK] = "HEAD", [STEP_MOUNT] = "POST", [STEP_BEGIN] = "POST", [STEP_PUT] = "PUT",
		[STEP_PATCH] = "PATCH", [STEP_ASK] = "GET", [STEP_CANCEL] = "DELETE"};
	struct request *r = &u->r;
	uint64_t length = u->size - u->at;
	mem_drop(&r->path);
	mem_drop(&r->content_range);
	u->step = step;
	r->method = methods[step];
	r->fd = u->fd;
	r->at = r->length = 0;
	r->type = NULL;
	r->wake_ns = wake_ns;
	if (step == STEP_LOOK) {
		r->path = mem_printf("blobs/%s", u->digest);
	} else if (step == STEP_MOUNT) {
		own(mem) char *from = http_escape(u->from.v[u->next_from]);
		own(mem) char *digest = http_escape(u->digest);
		r->path = mem_printf("blobs/uploads/?mount=%s&from=%s", digest, from);
	} else if (step == STEP_BEGIN) {
		r->path = mem_dup("blobs/uploads/");
	} else if (step == STEP_PUT) {
		r->path = with_digest(u);
		r->at = u->at;
		r->length = length;
		r->type = "application/octet-stream";
	} else {
		r->path = mem_dup(u->location);
	}
	if (step == STEP_PATCH) {
		r->at = u->at;
		r->length = u->chunk && u->chunk < length ? u->chunk : length;
		r->type = "application/octet-stream";
		r->content_range = mem_printf("%llu-%llu", (unsigned long long)r->at, (unsigned long long)(r->at + r->length - 1));
	}
	r->once = step == STEP_PUT || step == STEP_PATCH;
	request_begin(u->s, r);
}

void upload_new(struct session *s, const struct json *j, int fd)
{
	struct upload *u = mem_alloc(sizeof *u);
	const struct json *from = json_get(j, "from");
	*u = (struct upload){.s = s, .id = (int)json_i64(json_get(j, "id")), .fd = fd, .digest = mem_dup(json_get_str(j, "digest")),
		.size = json_u64(json_get(j, "size")), .chunk = json_u64(json_get(j, "chunk"))};
	for (size_t i = 0; i < json_len(from) && u->from.n < FROM_MAX; i++)
		if (json_str(json_at(from, i)))
			strv_add(&u->from, json_str(json_at(from, i)));
	u->r = (struct request){.fd = -1, .sent = on_sent, .retries = on_retry, .over = on_over, .arg = u};
	s->uploads.v = mem_grow(s->uploads.v, (s->uploads.n + 1) * sizeof(struct upload *));
	s->uploads.v[s->uploads.n++] = u;
	if (!u->digest || !digest_is_valid(u->digest)) {
		struct err e;
		err_set_(&e, ERR_BUG, "upload: invalid digest");
		fail(u, &e);
	}
}

static void upload_free(struct upload *u)
{
	request_end(&u->r);
	fd_drop(&u->fd);
	mem_drop(&u->digest);
	mem_drop(&u->location);
	strv_drop(&u->from);
	free(u);
}

void upload_work(struct session *s, int64_t now unused)
{
	size_t active = 0, kept = 0;
	for (size_t i = 0; i < s->uploads.n; i++)
		active += s->uploads.v[i]->running && !s->uploads.v[i]->ended && s->uploads.v[i]->fd >= 0;
	for (size_t i = 0; i < s->uploads.n; i++) {
		struct upload *u = s->uploads.v[i];
		/* Looking costs nothing and waits for nobody. */
		if (!u->running && !u->ended && (u->fd < 0 || active < s->uploads_max)) {
			u->running = true;
			active += u->fd >= 0;
			go(u, STEP_LOOK, 0);
		}
		if (u->ended)
			upload_free(u);
		else
			s->uploads.v[kept++] = u;
	}
	s->uploads.n = kept;
}

void upload_drop_all(struct session *s)
{
	for (size_t i = 0; i < s->uploads.n; i++)
		upload_free(s->uploads.v[i]);
	mem_drop(&s->uploads.v);
	s->uploads.n = 0;
}
