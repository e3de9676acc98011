/* SPDX-License-Identifier: Apache-2.0 */
/*
 * remote_manifest: manifests and indexes as they are in a registry: read, removed, and who refers to one (distribution-spec 1.1,
 * "Listing Referrers"; where a registry does not have that, the index under the tag sha256-<hex>).
 */
#pragma once

#include "image/pull.h"

/* reference: a tag or a digest. ret_type is allocated; the digest is that of the bytes. */
int remote_manifest_get(struct pull *p, const char *reference, struct buf *ret, char **ret_type, char ret_digest[136], struct err *e) must_use;
/* By its digest; all tags of it go. ERR_UNSUPPORTED: the registry does not remove. */
int remote_manifest_delete(struct pull *p, const char *reference, char ret_digest[136], struct err *e) must_use;
/* An index of those that refer to `digest`; artifact_type NULL: all. None is an empty one. */
int remote_referrers(struct pull *p, const char *digest, const char *artifact_type, struct json **ret, struct err *e) must_use;
/* Adds one to the tag, where the registry does not do it by itself. */
int remote_referrers_add(struct pull *p, const char *subject, const struct json *descriptor, struct err *e) must_use;
