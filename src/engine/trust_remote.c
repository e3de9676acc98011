/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trust_remote: see trust_remote.h; and both ways by hand: `image sign` and `image verify`.
 */
#include "engine/trust_remote.h"

#include "base/fd.h"
#include "base/path.h"
#include "codec/base64.h"
#include "codec/digest.h"
#include "codec/sealed_key.h"
#include "codec/signature.h"
#include "engine/image_remote.h"
#include "image/push.h"
#include "image/remote_manifest.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAYLOAD_MAX = 64 << 10, SIGNATURES_MAX = 64, LOOKED_MAX = 1024, KEY_MAX = 64 << 10, DOCUMENT_MAX = 4 << 20 };
#define PAYLOAD_TYPE  "application/vnd.dev.cosign.simplesigning.v1+json"
#define ARTIFACT_TYPE "application/vnd.dev.cosign.artifact.sig.v1+json"
#define SIGNATURE     "dev.cosignproject.cosign/signature"

static char *tag_of(const char *digest)
{
	return mem_printf("%.*s-%s.sig", (int)strcspn(digest, ":"), digest, digest_hex(digest));
}

int trust_blob(struct pull *p, const char *digest, uint64_t size, struct buf *ret, struct err *e)
{
	own(digest) struct digest *hash = NULL;
	char found[DIGEST_TEXT];
	own(fd) int fd = memfd_create("hull-payload", MFD_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "memory file");
	if (!digest || !digest_is_valid(digest) || size >= ret->max)
		return err_set(e, ERR_CORRUPT, "the signature's manifest names no blob");
	if (pull_blob(p, digest, size, fd, e) < 0 || digest_begin(digest, &hash, e) < 0)
		return -1;
	if (lseek(fd, 0, SEEK_SET) < 0 || fd_read_to_end(fd, ret) < 0)
		return err_sys(e, "memory file");
	digest_add(hash, buf_text(ret), ret->len);
	digest_end(hash, found);
	return strcmp(found, digest) == 0 ? 0 : err_set(e, ERR_CORRUPT, "the registry sent another payload than the signature's manifest says");
}

/* Signatures are looked for by the digest, but anything may lie there: of what is of another image some are taken, to say so, and they are in no
 * other's place. */
struct sought { const char *digest; size_t looked, of_it, others; };

static bool is_wanted(struct sought *w, const struct signed_payload *s)
{
	own(mem) char *said = policy_payload_name(SIGNED_SIGSTORE, s->payload, s->payload_len, &w->digest, 1);
	size_t *n = said ? &w->of_it : &w->others;
	return (*n)++ < SIGNATURES_MAX;
}

/* A payload, checked. 1: it is one that counts; 0: it is nothing of ours. */
static int get_payload(struct pull *p, const struct json *layer, struct arena *a, struct signed_payload *ret, struct err *e)
{
	const char *digest = json_get_str(layer, "digest"), *signature = json_get_str(json_get(layer, "annotations"), SIGNATURE);
	uint64_t size = json_u64(json_get(layer, "size"));
	own(buf) struct buf text = BUF(PAYLOAD_MAX), der = BUF(PAYLOAD_MAX);
	struct err ignored = {};
	if (!str_eq(json_get_str(layer, "mediaType"), PAYLOAD_TYPE) || !digest || !digest_is_valid(digest) || !signature || size > PAYLOAD_MAX - 1 ||
		base64_decode(signature, &der, &ignored) < 0)
		return 0;
	if (trust_blob(p, digest, size, &text, e) < 0)
		return -1;
	*ret = (struct signed_payload){arena_ndup(a, buf_text(&text), text.len), arena_ndup(a, buf_text(&der), der.len), text.len, der.len};
	return 1;
}

/* 0: read, or not there. */
static int add_from(struct pull *p, const char *reference, struct sought *w, struct arena *a, struct signed_payloads *ret, struct err *e)
{
	own(buf) struct buf text = {};
	own(mem) char *type = NULL;
	own(json) struct json *j = NULL;
	char digest[136];
	struct err why = {};
	if (remote_manifest_get(p, reference, &text, &type, digest, &why) < 0)
		return why.kind == ERR_NOT_FOUND ? 0 : (*e = why, -1);
	if (json_parse(buf_text(&text), text.len, &j, e) < 0)
		return err_wrap(e, "signatures");
	const struct json *layers = json_get(j, "layers");
	for (size_t i = 0; i < json_len(layers) && w->of_it < SIGNATURES_MAX && w->looked++ < LOOKED_MAX; i++) {
		struct signed_payload s;
		int r = get_payload(p, json_at(layers, i), a, &s, e);
		if (r < 0)
			return err_wrap(e, "signatures");
		if (r && is_wanted(w, &s))
			*arena_push(a, ret) = s;
	}
	return 0;
}

int trust_fetch(struct pull *p, const char *digest, struct arena *a, struct signed_payloads *ret, struct err *e)
{
	own(mem) char *tag = tag_of(digest);
	own(json) struct json *index = NULL;
	struct sought w = {.digest = digest};
	if (add_from(p, tag, &w, a, ret, e) < 0 || remote_referrers(p, digest, ARTIFACT_TYPE, &index, e) < 0)
		return -1;
	const struct json *list = json_get(index, "manifests");
	for (size_t i = 0; i < json_len(list) && w.of_it < SIGNATURES_MAX && w.looked++ < LOOKED_MAX; i++)
		if (add_from(p, json_get_str(json_at(list, i), "digest"), &w, a, ret, e) < 0)
			return -1;
	return 0;
}

/* ---- by hand */

static int open_image(struct engine *g, const char *reference, const char *actions, struct pull *p, char digest[136], struct buf *text, char **type,
	struct err *e)
{
	struct ref ref;
	if (ref_parse(reference, &ref, e) < 0)
		return -1;
	own(mem) char *scope = mem_printf("repository:%s:%s", ref.repository, actions);
	if (image_remote_open(g, reference, scope, p, e) < 0)
		return -1;
	if (remote_manifest_get(p, *ref.digest ? ref.digest : ref.tag, text, type, digest, e) == 0)
		return 0;
	pull_drop(p);
	return err_wrap(e, "%.300s", reference);
}

static int read_key(const char *path, struct buf *ret, struct err *e)
{
	*ret = BUF(KEY_MAX);
	return path_read(AT_FDCWD, path, ret, e) < 0 ? err_wrap(e, "key %.200s", path) : 0;
}

/* A private key: with the password of COSIGN_PASSWORD where it is sealed. */
static int read_private_key(const char *path, struct buf *ret, struct err *e)
{
	own(buf) struct buf text = {};
	const char *password = getenv("COSIGN_PASSWORD");
	if (read_key(path, &text, e) < 0)
		return -1;
	*ret = BUF(KEY_MAX);
	if (!sealed_key_is(buf_text(&text)))
		buf_add(ret, text.data, text.len);
	else if (!password)
		return err_set(e, ERR_USAGE, "key %.200s is encrypted: COSIGN_PASSWORD must be its password", path);
	else if (sealed_key_open(buf_text(&text), password, ret, e) < 0)
		return err_wrap(e, "key %.200s", path);
	return buf_check(ret, e);
}

static int put_blob(struct pull *p, const struct buf *text, char digest[DIGEST_TEXT], struct err *e)
{
	if (buf_check(text, e) < 0 || digest_of(buf_text(text), text->len, digest, e) < 0)
		return -1;
	return push_document(p, &(struct descriptor){.digest = digest, .size = text->len}, buf_text(text), e);
}

/* The manifest that is there under the tag, to be added to; else a new one. */
static struct json *manifest_under(struct pull *p, const char *tag)
{
	own(buf) struct buf text = {};
	own(mem) char *type = NULL;
	struct json *j = NULL;
	char digest[136];
	struct err ignored = {};
	if (tag && remote_manifest_get(p, tag, &text, &type, digest, &ignored) == 0 && json_parse(buf_text(&text), text.len, &j, &ignored) == 0 &&
		json_kind(json_get(j, "layers")) == JSON_ARRAY)
		return j;
	json_drop(&j);
	j = json_new_object();
	json_set(j, "schemaVersion", json_new_i64(2));
	json_set_str(j, "mediaType", TYPE_OCI_MANIFEST);
	json_set(j, "layers", json_new_array());
	return j;
}

/* As cosign has it: a config that names the payloads. */
static int put_config(struct pull *p, struct json *manifest, struct err *e)
{
	own(json) struct json *config = json_new_object();
	own(buf) struct buf text = BUF(DOCUMENT_MAX);
	struct json *rootfs = json_new_object(), *ids = json_new_array();
	const struct json *layers = json_get(manifest, "layers");
	char digest[DIGEST_TEXT];
	for (size_t i = 0; i < json_len(layers); i++)
		json_add(ids, json_new_str(json_get_str(json_at(layers, i), "digest")));
	json_set_str(rootfs, "type", "layers");
	json_set(rootfs, "diff_ids", ids);
	json_set_str(config, "architecture", "");
	json_set_str(config, "created", "0001-01-01T00:00:00Z");
	json_set_str(config, "os", "");
	json_set(config, "rootfs", rootfs);
	json_set(config, "config", json_new_object());
	json_format(config, 0, &text);
	if (put_blob(p, &text, digest, e) < 0)
		return -1;
	json_set(manifest, "config", descriptor_json(TYPE_OCI_CONFIG, digest, text.len));
	return 0;
}

static int put_signature(struct pull *p, const struct image_sign_request *r, const char *key, size_t key_len, const char *digest,
	const char *subject_type, uint64_t subject_size, struct err *e)
{
	own(buf) struct buf payload = BUF(PAYLOAD_MAX), der = BUF(KEY_MAX), signature = BUF(KEY_MAX), text = BUF(DOCUMENT_MAX);
	own(mem) char *tag = tag_of(digest);
	struct ref named = p->ref;
	char name[REF_TEXT], payload_digest[DIGEST_TEXT], manifest_digest[DIGEST_TEXT];
	if (*named.digest)
		*named.tag = *named.digest = 0;
	policy_payload_make(ref_format(&named, name), digest, &payload);
	if (signature_make(key, key_len, buf_text(&payload), payload.len, &der, e) < 0)
		return err_wrap(e, "key %.200s", r->key);
	base64_encode(buf_text(&der), der.len, &signature);
	if (put_blob(p, &payload, payload_digest, e) < 0)
		return -1;
	own(json) struct json *j = manifest_under(p, r->referrer ? NULL : tag);
	struct json *layer = descriptor_json(PAYLOAD_TYPE, payload_digest, payload.len), *notes = json_new_object();
	json_set_str(notes, SIGNATURE, buf_text(&signature));
	json_set(layer, "annotations", notes);
	json_add(json_get(j, "layers"), layer);
	if (r->referrer) {
		json_set_str(j, "artifactType", ARTIFACT_TYPE);
		json_set(j, "subject", descriptor_json(subject_type, digest, subject_size));
	}
	if (put_config(p, j, e) < 0)
		return -1;
	json_format(j, 0, &text);
	if (buf_check(&text, e) < 0 || digest_of(buf_text(&text), text.len, manifest_digest, e) < 0)
		return err_wrap(e, "signatures");
	return push_manifest(p, r->referrer ? manifest_digest : tag, TYPE_OCI_MANIFEST, buf_text(&text), text.len, e);
}

int image_sign(struct engine *g, const struct image_sign_request *r, char ret_digest[136], struct err *e)
{
	struct pull p = {.sock = -1, .pid = -1};
	own(buf) struct buf key = {}, text = {};
	own(mem) char *type = NULL;
	if (read_private_key(r->key, &key, e) < 0 || open_image(g, r->reference, "pull,push", &p, ret_digest, &text, &type, e) < 0)
		return -1;
	int result = put_signature(&p, r, buf_text(&key), key.len, ret_digest, str_is_empty(type) ? TYPE_OCI_MANIFEST : type, text.len, e);
	pull_drop(&p);
	return result < 0 ? err_wrap(e, "sign %.200s", r->reference) : 0;
}

static int list_good(struct pull *p, const char *digest, const struct buf *key, struct buf *ret, struct err *e)
{
	own(arena) struct arena a = {};
	struct signed_payloads found = {};
	if (trust_fetch(p, digest, &a, &found, e) < 0)
		return -1;
	for (size_t i = 0; i < found.n; i++) {
		const struct signed_payload *s = &found.v[i];
		int good = signature_verify(buf_text(key), key->len, s->payload, s->payload_len, s->signature, s->signature_len, e);
		own(mem) char *name = good > 0 ? policy_payload_name(SIGNED_SIGSTORE, s->payload, s->payload_len, &digest, 1) : NULL;
		if (good < 0)
			return -1;
		if (name) {
			own(json) struct json *j = NULL;
			if (json_parse(s->payload, s->payload_len, &j, e) < 0)
				return -1;
			json_format(j, 0, ret);
			buf_char(ret, '\n');
		}
	}
	size_t bundles = 0;
	if (trust_bundles(p, digest, key, ret, &bundles, e) < 0)
		return -1;
	if (ret->len)
		return buf_check(ret, e);
	return err_set(e, ERR_DENIED, found.n || bundles ? "no signature of it is by that key" : "it has no signature");
}

int image_verify(struct engine *g, const struct image_sign_request *r, struct buf *ret, struct err *e)
{
	struct pull p = {.sock = -1, .pid = -1};
	own(buf) struct buf key = {}, text = {};
	own(mem) char *type = NULL;
	char digest[136];
	if (read_key(r->key, &key, e) < 0 || open_image(g, r->reference, "pull", &p, digest, &text, &type, e) < 0)
		return -1;
	int result = list_good(&p, digest, &key, ret, e);
	pull_drop(&p);
	return result < 0 ? err_wrap(e, "verify %.200s", r->reference) : 0;
}
