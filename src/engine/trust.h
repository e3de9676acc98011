/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trust: policy.json (image/policy.h) where images come in and where they start, and signatures as cosign has them: an artifact whose layers are
 * payloads, the signature an annotation of each, under the tag sha256-<hex>.sig of the repository or as a referrer of the image.
 *
 *   <root>/images/signatures/<hex>.json   {"digest", "signatures":[{payload, signature}], "messages":[GPG's]}: what an image was let in by;
 *                                         where it starts, the policy of that day and these are held against each other again
 */
#pragma once

#include "engine/image.h"
#include "image/policy.h"
#include "image/pull.h"

/* Before anything of it is fetched but its manifests; p is resolved. What was found is kept for trust_keep(). */
struct trust { struct arena arena; struct signed_payloads found[SIGNED_KINDS]; bool is_signed; };
void trust_drop(struct trust *t);
int trust_pull(struct engine *g, struct pull *p, struct trust *t, struct err *e) must_use;
/* The same for any image of an open registry. */
int trust_remote(struct engine *g, struct pull *p, const struct ref *ref, const char *const *digests, size_t n, struct trust *t, struct err *e) must_use;
int trust_keep(struct engine *g, const struct pull *p, const struct trust *t, struct err *e) must_use; /* when its record is written */
void trust_forget(struct engine *g, const char *manifest); /* with its image */
/* It was built or loaded here, and at most pushed since. */
bool trust_is_own(const struct image_record *r);
/* An image that came from a registry, where it starts. */
int trust_start(struct engine *g, const char *reference, const struct image *image, struct err *e) must_use;
/* A container that was made of an image: of one that is gone nothing can be shown. */
int trust_launch(struct engine *g, const char *image_id, const char *reference, struct err *e) must_use;
/* What docker or podman gives. */
struct place;
int trust_place(struct engine *g, const struct place *from, struct err *e) must_use;
/* An image of an archive or a directory. path NULL: it has none. name: what it is called there, or NULL. */
int trust_archive(const char *transport, const char *path, const char *name, struct err *e) must_use;

struct image_sign_request {
	const char *reference;
	const char *key;   /* path: private to sign, public to verify */
	bool referrer;     /* sign: as a referrer, not under the tag */
};
int image_sign(struct engine *g, const struct image_sign_request *r, char ret_digest[136], struct err *e) must_use;
/* Prints the payloads of those that are by the key, one a line; none: ERR_DENIED. */
int image_verify(struct engine *g, const struct image_sign_request *r, struct buf *ret, struct err *e) must_use;
