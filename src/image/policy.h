/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy: containers' policy.json (containers-policy.json(5)): which images may be used. A scope of a transport has a list of requirements, all of
 * which must be met: insecureAcceptAnything, reject, sigstoreSigned with keyPath, keyPaths, keyData or keyDatas, signedBy with GPGKeys and the same.
 * What else there may be cannot be checked here, and is never met.
 */
#pragma once

#include "codec/json.h"
#include "image/ref.h"

struct policy {
	struct json *document; /* NULL: there is no policy, all may be used */
	char *path;
};
void policy_drop(struct policy *p);
/* HULL_POLICY, else ~/.config/containers/policy.json, else /etc/containers/policy.json. One that cannot be read or makes no sense is an error. */
int policy_load(struct policy *ret, struct err *e) must_use;

/* A signature: what it says, and the bytes that say who says it (DER). Of GPG the payload is the signed message, which has both. */
enum signed_kind { SIGNED_SIGSTORE, SIGNED_GPG, SIGNED_KINDS };
struct signed_payload {
	char *payload, *signature;
	size_t payload_len, signature_len;
	bool counts; /* set: a requirement was met by it */
};
struct signed_payloads { struct signed_payload *v; size_t n; };
/* Finds the signatures when one is needed. */
typedef int (*policy_find_fn)(void *arg, enum signed_kind kind, struct signed_payloads *ret, struct err *e);

/* An image of a registry; digests: of its index, of its manifest: a signature of either counts. ERR_DENIED says why. *ret_signed: a signature was
 * needed, and there. */
int policy_check(const struct policy *p, const struct ref *ref, const char *const *digests, size_t n, policy_find_fn find, void *arg, bool *ret_signed,
	struct err *e) must_use;
/* Of another transport ("docker-archive", "docker-daemon" …), which has no signatures; scopes: what it is called there, the narrowest first. */
int policy_check_scopes(const struct policy *p, const char *transport, const struct strv *scopes, struct err *e) must_use;
/* The same of a file or directory, and the directories it is in; path: absolute, or NULL; name: what the image is called there, or NULL. */
int policy_check_path(const struct policy *p, const char *transport, const char *path, const char *name, struct err *e) must_use;

/* Simple signing, cosign's or GPG's: does the payload speak of one of these digests, and of what does it say it is? NULL: it does not. */
char *policy_payload_name(enum signed_kind kind, const char *payload, size_t len, const char *const *digests, size_t n) must_use;
void policy_payload_make(const char *name, const char *digest, struct buf *ret);
