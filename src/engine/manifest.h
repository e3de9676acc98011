/* SPDX-License-Identifier: Apache-2.0 */
/*
 * manifest: lists of manifests that are made here, of images that are in a registry, one for each platform, until they are pushed.
 *
 *   <root>/images/lists/<escaped name>.json   {"name":N,"manifests":[{"ref":R,"raw":text,"descriptor":{…}}]}
 */
#pragma once

#include "engine/engine.h"

/* Adds refs to a new list; amend: or to the one that is there. */
int manifest_create(struct engine *g, const char *list, int n, char **refs, bool amend, struct err *e) must_use;
struct manifest_platform { const char *os, *architecture, *variant, *os_version; const struct strv *os_features; }; /* NULL: as it is */
int manifest_annotate(struct engine *g, const char *list, const char *ref, const struct manifest_platform *p, struct err *e) must_use;
/* The index, or, where there is no such list, what the registry has: its bytes. */
int manifest_inspect(struct engine *g, const char *name, struct buf *ret, struct err *e) must_use;
/* The same with what it is: an object {Ref, Descriptor, and the document}, for an index an array of them. */
struct json *manifest_inspect_all(struct engine *g, const char *name, struct err *e);
/* What docker's API says of a name in a registry: {Descriptor, Platforms}. */
struct json *manifest_distribution(struct engine *g, const char *name, struct err *e);
int manifest_push(struct engine *g, const char *list, char ret_digest[136], struct err *e) must_use;
int manifest_remove(struct engine *g, const char *list, struct err *e) must_use;
/* In a registry. */
int manifest_delete(struct engine *g, const char *name, char ret_digest[136], struct err *e) must_use;
struct json *manifest_referrers(struct engine *g, const char *name, const char *artifact_type, struct err *e);
