/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trust_bundle: signatures as cosign makes them since version 3: a referrer of the image whose layer is a sigstore bundle, in it a DSSE envelope around
 * an in-toto statement about the image's digest. What is signed is the envelope's type and payload with their lengths. A statement has no name: no
 * identity that a policy asks for is met by it, so these are for those who check by hand.
 */
#include "engine/trust_remote.h"

#include "codec/base64.h"
#include "codec/digest.h"
#include "codec/signature.h"
#include "image/remote_manifest.h"

#include <string.h>

enum { BUNDLE_MAX = 1 << 20, BUNDLES_MAX = 64, SIGNATURES_MAX = 16 };
#define BUNDLE_TYPE    "application/vnd.dev.sigstore.bundle.v0.3+json"
#define PAYLOAD_TYPE   "application/vnd.in-toto+json"
#define PREDICATE_TYPE "https://sigstore.dev/cosign/sign/v1"

/* Is it a signature, and of this digest? The key may have signed all kinds of statements. */
static bool speaks_of(const struct json *statement, const char *digest)
{
	const struct json *list = json_get(statement, "subject");
	own(mem) char *algorithm = mem_ndup(digest, strcspn(digest, ":"));
	if (!str_eq(json_get_str(statement, "predicateType"), PREDICATE_TYPE))
		return false;
	for (size_t i = 0; i < json_len(list); i++)
		if (str_eq(json_get_str(json_get(json_at(list, i), "digest"), algorithm), digest_hex(digest)))
			return true;
	return false;
}

/* 1: signed by the key. What makes no sense is by nobody. */
static int is_signed(const struct json *envelope, const struct buf *payload, const struct buf *key, struct err *e)
{
	const struct json *list = json_get(envelope, "signatures");
	own(buf) struct buf text = BUF(2 * BUNDLE_MAX);
	buf_printf(&text, "DSSEv1 %zu %s %zu ", strlen(PAYLOAD_TYPE), PAYLOAD_TYPE, payload->len);
	buf_add(&text, payload->data, payload->len);
	for (size_t i = 0; i < json_len(list) && i < SIGNATURES_MAX; i++) {
		own(buf) struct buf der = BUF(BUNDLE_MAX);
		struct err ignored = {};
		const char *signature = json_get_str(json_at(list, i), "sig");
		if (!signature || base64_decode(signature, &der, &ignored) < 0)
			continue;
		int r = signature_verify(buf_text(key), key->len, buf_text(&text), text.len, buf_text(&der), der.len, e);
		if (r != 0)
			return r;
	}
	return 0;
}

static int check_bundle(const struct json *bundle, const char *digest, const struct buf *key, struct buf *ret, struct err *e)
{
	const struct json *envelope = json_get(bundle, "dsseEnvelope");
	const char *payload = json_get_str(envelope, "payload");
	own(buf) struct buf text = BUF(BUNDLE_MAX);
	own(json) struct json *statement = NULL;
	struct err ignored = {};
	if (!payload || !str_eq(json_get_str(envelope, "payloadType"), PAYLOAD_TYPE) || base64_decode(payload, &text, &ignored) < 0 ||
		json_parse(buf_text(&text), text.len, &statement, &ignored) < 0 || !speaks_of(statement, digest))
		return 0;
	int good = is_signed(envelope, &text, key, e);
	if (good > 0) {
		json_format(statement, 0, ret);
		buf_char(ret, '\n');
	}
	return good < 0 ? -1 : 0;
}

/* The bundles of one referrer. */
static int check_referrer(struct pull *p, const char *referrer, const char *digest, const struct buf *key, struct buf *ret, size_t *ret_found, struct err *e)
{
	own(buf) struct buf text = {};
	own(mem) char *type = NULL;
	own(json) struct json *j = NULL;
	char found[136];
	if (!referrer || remote_manifest_get(p, referrer, &text, &type, found, e) < 0)
		return referrer ? -1 : 0;
	if (json_parse(buf_text(&text), text.len, &j, e) < 0)
		return -1;
	const struct json *layers = json_get(j, "layers");
	for (size_t i = 0; i < json_len(layers) && *ret_found < BUNDLES_MAX; i++) {
		const struct json *layer = json_at(layers, i);
		own(buf) struct buf blob = BUF(BUNDLE_MAX);
		own(json) struct json *bundle = NULL;
		struct err ignored = {};
		if (!str_eq(json_get_str(layer, "mediaType"), BUNDLE_TYPE) || json_u64(json_get(layer, "size")) >= BUNDLE_MAX)
			continue;
		if (trust_blob(p, json_get_str(layer, "digest"), json_u64(json_get(layer, "size")), &blob, e) < 0)
			return -1;
		(*ret_found)++;
		if (json_parse(buf_text(&blob), blob.len, &bundle, &ignored) == 0 && check_bundle(bundle, digest, key, ret, e) < 0)
			return -1;
	}
	return 0;
}

int trust_bundles(struct pull *p, const char *digest, const struct buf *key, struct buf *ret, size_t *ret_found, struct err *e)
{
	own(json) struct json *index = NULL;
	if (remote_referrers(p, digest, BUNDLE_TYPE, &index, e) < 0)
		return -1;
	const struct json *list = json_get(index, "manifests");
	for (size_t i = 0; i < json_len(list) && i < BUNDLES_MAX; i++)
		if (check_referrer(p, json_get_str(json_at(list, i), "digest"), digest, key, ret, ret_found, e) < 0)
			return err_wrap(e, "signatures");
	return 0;
}
