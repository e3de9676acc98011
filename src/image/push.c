/* SPDX-License-Identifier: Apache-2.0 */
/*
 * push: see push.h.
 */
#include "image/push.h"

#include "base/fd.h"
#include "codec/digest.h"
#include "image/pull_wire.h"
#include "image/remote_manifest.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define ACCEPT TYPE_OCI_INDEX ", " TYPE_DOCKER_LIST ", " TYPE_OCI_MANIFEST ", " TYPE_DOCKER_MANIFEST

static int upload(struct pull *p, int id, const struct descriptor *d, const struct strv *from, int fd, uint64_t chunk, struct err *e)
{
	own(json) struct json *j = json_new_object();
	struct json *list = json_new_array();
	for (size_t i = 0; from && i < from->n; i++)
		json_add(list, json_new_str(from->v[i]));
	json_set_str(j, "op", "upload");
	json_set(j, "id", json_new_i64(id));
	json_set_str(j, "digest", d->digest);
	json_set(j, "size", json_new_u64(d->size));
	json_set(j, "chunk", json_new_u64(chunk));
	json_set(j, "from", list);
	return pull_send(p, j, fd, e);
}

int push_look(struct pull *p, int id, const struct descriptor *d, const struct strv *from, struct err *e)
{
	return upload(p, id, d, from, -1, 0, e);
}

int push_blob(struct pull *p, int id, const struct descriptor *d, int fd, uint64_t chunk, struct err *e)
{
	return upload(p, id, d, NULL, fd, chunk, e);
}

static int kind_of(const struct json *j)
{
	static const struct { const char *event, *how; int kind; } rows[] = {
		{"bytes", NULL, PUSH_BYTES}, {"retry", NULL, PUSH_RETRY}, {"failed", NULL, PUSH_FAILED}, {"done", "there", PUSH_THERE},
		{"done", "mounted", PUSH_MOUNTED}, {"done", "sent", PUSH_SENT}, {"done", "missing", PUSH_MISSING}};
	for (size_t i = 0; i < countof(rows); i++)
		if (str_eq(json_get_str(j, "event"), rows[i].event) && (!rows[i].how || str_eq(json_get_str(j, "how"), rows[i].how)))
			return rows[i].kind;
	return -1;
}

static int next_event(struct pull *p, int timeout_ms, struct push_event *ret, struct err *e)
{
	for (;;) {
		own(json) struct json *j = NULL;
		int r = pull_receive(p, timeout_ms, &j, e);
		if (r <= 0)
			return r;
		int kind = kind_of(j);
		if (kind < 0)
			continue;
		*ret = (struct push_event){.kind = kind, .id = (int)json_i64(json_get(j, "id")), .bytes = json_u64(json_get(j, "bytes"))};
		if (json_get_str(j, "from"))
			snprintf(ret->from, sizeof ret->from, "%s", json_get_str(j, "from"));
		if (kind == PUSH_RETRY || kind == PUSH_FAILED)
			pull_error_of(j, &ret->why);
		return 1;
	}
}

int push_event(struct pull *p, struct push_event *ret, struct err *e)
{
	return next_event(p, 0, ret, e);
}

int push_event_wait(struct pull *p, struct push_event *ret, struct err *e)
{
	int r;
	while ((r = next_event(p, -1, ret, e)) == 0)
		;
	return r;
}

static int memory_file(const void *text, size_t len, struct err *e)
{
	own(fd) int fd = memfd_create("hull-document", MFD_CLOEXEC);
	if (fd < 0 || fd_write_all(fd, text, len) < 0)
		return err_sys(e, "memory file");
	return take_fd(fd);
}

int push_document(struct pull *p, const struct descriptor *d, const void *text, struct err *e)
{
	own(json) struct json *answer = NULL;
	own(fd) int fd = memory_file(text, d->size, e);
	int id = pull_next_id(p);
	return fd < 0 || push_blob(p, id, d, fd, 0, e) < 0 ? -1 : pull_wait(p, id, &answer, e);
}

static int send_one(struct pull *p, struct json *j, int fd, struct json **ret, struct err *e)
{
	int id = pull_next_id(p);
	json_set_str(j, "op", "send");
	json_set(j, "id", json_new_i64(id));
	return pull_send(p, j, fd, e) < 0 ? -1 : pull_wait(p, id, ret, e);
}

int push_send(struct pull *p, const char *method, const char *path, const char *accept, struct json **ret_answer, struct err *e)
{
	own(json) struct json *j = json_new_object();
	own(json) struct json *answer = NULL;
	json_set_str(j, "method", method);
	json_set_str(j, "path", path);
	if (accept)
		json_set_str(j, "accept", accept);
	if (send_one(p, j, -1, &answer, e) < 0)
		return -1;
	if (ret_answer)
		*ret_answer = take(answer);
	return 0;
}

int push_has_manifest(struct pull *p, const char *digest, struct err *e)
{
	own(mem) char *path = mem_printf("manifests/%s", digest);
	struct err why = {};
	if (push_send(p, "HEAD", path, ACCEPT, NULL, &why) == 0)
		return 1;
	if (why.kind == ERR_NOT_FOUND)
		return 0;
	*e = why;
	return -1;
}

static int note_subject(struct pull *p, const char *type, const char *text, size_t len, const char *digest, struct err *e)
{
	own(json) struct json *j = NULL;
	struct err ignored = {};
	if (json_parse(text, len, &j, &ignored) < 0)
		return 0;
	const char *subject = json_get_str(json_get(j, "subject"), "digest"), *artifact = json_get_str(j, "artifactType");
	if (!subject || !digest_is_valid(subject))
		return 0;
	own(json) struct json *d = descriptor_json(type, digest, len);
	artifact = artifact ? artifact : json_get_str(json_get(j, "config"), "mediaType");
	if (artifact)
		json_set_str(d, "artifactType", artifact);
	if (json_get(j, "annotations"))
		json_set(d, "annotations", json_ref(json_get(j, "annotations")));
	return remote_referrers_add(p, subject, d, e);
}

int push_manifest(struct pull *p, const char *reference, const char *type, const char *text, size_t len, struct err *e)
{
	own(json) struct json *j = json_new_object();
	own(json) struct json *answer = NULL;
	own(fd) int fd = memory_file(text, len, e);
	own(mem) char *path = mem_printf("manifests/%s", reference);
	char digest[DIGEST_TEXT];
	if (fd < 0 || digest_of(text, len, digest, e) < 0)
		return -1;
	json_set_str(j, "method", "PUT");
	json_set_str(j, "path", path);
	json_set_str(j, "type", type);
	json_set(j, "size", json_new_u64(len));
	if (send_one(p, j, fd, &answer, e) < 0)
		return err_wrap(e, "manifest");
	/* A registry that does not list referrers by itself has their list under a tag. */
	if (strstr(text, "\"subject\"") && !json_get_str(answer, "subject") && note_subject(p, type, text, len, digest, e) < 0)
		return -1;
	const char *said = json_get_str(answer, "digest");
	if (said && str_has_prefix(said, "sha256:") && strcmp(said, digest) != 0)
		return err_set(e, ERR_CORRUPT, "manifest: the registry has something else now: %.80s, not %.19s…", said, digest);
	return 0;
}
