/* SPDX-License-Identifier: Apache-2.0 */
/*
 * remote_manifest: see remote_manifest.h.
 */
#include "image/remote_manifest.h"

#include "codec/digest.h"
#include "image/pull_wire.h"
#include "image/push.h"

#include <stdio.h>
#include <string.h>

enum { PAGES_MAX = 100, REFERRERS_MAX = 10000, DOCUMENT_MAX = 4 << 20 };
#define ACCEPT TYPE_OCI_INDEX ", " TYPE_DOCKER_LIST ", " TYPE_OCI_MANIFEST ", " TYPE_DOCKER_MANIFEST

int remote_manifest_get(struct pull *p, const char *reference, struct buf *ret, char **ret_type, char ret_digest[136], struct err *e)
{
	own(received) struct received d = {};
	own(mem) char *path = mem_printf("manifests/%s", reference);
	if (pull_document(p, path, UINT64_MAX, &d, e) < 0)
		return -1;
	const char *said = strchr(reference, ':') ? reference : json_get_str(d.answer, "digest"), *type = json_get_str(d.answer, "type");
	if (said && !digest_is_valid(said))
		return err_set(e, ERR_CORRUPT, "manifest: the registry sent an invalid Docker-Content-Digest");
	if (said ? pull_check_digest(&d, said, "manifest", e) < 0 : digest_of(buf_text(&d.text), d.text.len, ret_digest, e) < 0)
		return -1;
	if (said)
		snprintf(ret_digest, 136, "%s", said);
	*ret_type = mem_dup(type ? type : "");
	buf_drop(ret);
	*ret = d.text;
	d.text = (struct buf){};
	return 0;
}

int remote_manifest_delete(struct pull *p, const char *reference, char ret_digest[136], struct err *e)
{
	own(json) struct json *answer = NULL;
	own(mem) char *path = mem_printf("manifests/%s", reference);
	if (push_send(p, "HEAD", path, ACCEPT, &answer, e) < 0)
		return -1;
	const char *digest = strchr(reference, ':') ? reference : json_get_str(answer, "digest");
	if (!digest || !digest_is_valid(digest))
		return err_set(e, ERR_REMOTE, "the registry does not say which digest %s has", reference);
	snprintf(ret_digest, 136, "%s", digest);
	own(mem) char *by_digest = mem_printf("manifests/%s", digest);
	return push_send(p, "DELETE", by_digest, NULL, NULL, e);
}

static void fallback_tag(const char *digest, char out[136])
{
	snprintf(out, 136, "%.*s-%.64s", (int)strcspn(digest, ":"), digest, digest_hex(digest));
}

/* Takes over those of the type. */
static int take_from(const struct json *index, const char *artifact_type, struct json *list, struct err *e)
{
	const struct json *all = json_get(index, "manifests");
	for (size_t i = 0; i < json_len(all); i++) {
		const char *digest = json_get_str(json_at(all, i), "digest");
		if (!digest || !digest_is_valid(digest) || (artifact_type && !str_eq(json_get_str(json_at(all, i), "artifactType"), artifact_type)))
			continue;
		if (json_len(list) == REFERRERS_MAX)
			return err_set(e, ERR_LIMIT, "more than %d referrers", REFERRERS_MAX);
		json_add(list, json_ref(json_at(all, i)));
	}
	return 0;
}

static struct json *new_index(struct json *list)
{
	struct json *j = json_new_object();
	json_set(j, "schemaVersion", json_new_i64(2));
	json_set_str(j, "mediaType", TYPE_OCI_INDEX);
	json_set(j, "manifests", list);
	return j;
}

static int parse(const struct received *d, struct json **ret, struct err *e)
{
	if (json_parse(buf_text(&d->text), d->text.len, ret, e) < 0 || types_document(NULL, *ret) != DOCUMENT_INDEX)
		return err_set(e, ERR_CORRUPT, "referrers: the registry sent something that is no index");
	return 0;
}

/* The tag's index; one that is not there is an empty one. */
static int by_tag(struct pull *p, const char *digest, const char *artifact_type, struct json *list, struct err *e)
{
	own(received) struct received d = {};
	own(json) struct json *j = NULL;
	char tag[136];
	struct err why = {};
	fallback_tag(digest, tag);
	own(mem) char *path = mem_printf("manifests/%s", tag);
	if (pull_document(p, path, UINT64_MAX, &d, &why) < 0)
		return why.kind == ERR_NOT_FOUND ? 0 : (*e = why, -1);
	return parse(&d, &j, e) < 0 ? -1 : take_from(j, artifact_type, list, e);
}

static int by_api(struct pull *p, const char *digest, const char *artifact_type, struct json *list, bool *ret_there, struct err *e)
{
	own(mem) char *path = mem_printf("referrers/%s", digest);
	*ret_there = true;
	for (size_t pages = 0; path && pages < PAGES_MAX; pages++) {
		own(received) struct received d = {};
		own(json) struct json *j = NULL;
		struct err why = {};
		if (pull_document(p, path, UINT64_MAX, &d, &why) < 0) {
			*ret_there = pages || why.kind != ERR_NOT_FOUND;
			return *ret_there ? (*e = why, -1) : 0;
		}
		if (parse(&d, &j, e) < 0 || take_from(j, artifact_type, list, e) < 0)
			return -1;
		mem_drop(&path);
		path = mem_dup(json_get_str(d.answer, "next"));
	}
	return 0;
}

int remote_referrers(struct pull *p, const char *digest, const char *artifact_type, struct json **ret, struct err *e)
{
	struct json *list = json_new_array();
	own(json) struct json *index = new_index(list);
	bool there;
	if (by_api(p, digest, artifact_type, list, &there, e) < 0 || (!there && by_tag(p, digest, artifact_type, list, e) < 0))
		return err_wrap(e, "referrers");
	*ret = take(index);
	return 0;
}

int remote_referrers_add(struct pull *p, const char *subject, const struct json *descriptor, struct err *e)
{
	struct json *list = json_new_array();
	own(json) struct json *index = new_index(list);
	own(buf) struct buf text = BUF(DOCUMENT_MAX);
	char tag[136];
	fallback_tag(subject, tag);
	if (by_tag(p, subject, NULL, list, e) < 0)
		return err_wrap(e, "referrers");
	for (size_t i = 0; i < json_len(list); i++)
		if (str_eq(json_get_str(json_at(list, i), "digest"), json_get_str(descriptor, "digest")))
			return 0;
	json_add(list, json_ref((struct json *)(uintptr_t)descriptor));
	json_format(index, 0, &text);
	if (buf_check(&text, e) < 0)
		return err_wrap(e, "referrers");
	return push_manifest(p, tag, TYPE_OCI_INDEX, buf_text(&text), text.len, e);
}
