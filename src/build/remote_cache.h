/* SPDX-License-Identifier: Apache-2.0 */
/*
 * remote_cache: --cache-from and --cache-to. What a build's steps gave goes where images go: as an image whose layers are the steps' layers, and
 * whose manifest says in an annotation which key each of them has:
 *
 *   "hull.build.cache": {"version":1,"keys":{"<key>":<which layer, counted from 0; -1: the step changed nothing>}}
 *
 * `inline` puts that into the manifest of the image that is built, `registry` and `local` (an OCI layout) into one of its own. Where it came from
 * is remembered by its digest: what was taken in once is not fetched again.
 *
 *   <root>/build/imported/<sha256 of where it is>    the digest
 */
#pragma once

#include "build/documents.h"

enum build_cache_kind { BUILD_CACHE_INLINE, BUILD_CACHE_REGISTRY, BUILD_CACHE_LOCAL };
struct build_cache {
	enum build_cache_kind kind;
	const char *place;       /* a reference, or a directory */
	bool max;                /* to: steps of all stages, not of the image alone */
	bool ignore_error;       /* to */
	bool near;               /* from: an image that is here will do */
	const char *compression; /* to a registry; NULL: gzip */
	int level;
	bool force_compression;
};

/* The steps that were used are lines "KEY LAYER" (cache.h). ret: the annotation; those of `layers` alone. */
#define REMOTE_CACHE_ANNOTATION "hull.build.cache"
int remote_cache_annotation(const struct strv *used, const struct strv *layers, struct buf *ret, struct err *e) must_use;

/* Before a build. What cannot be had is warned of. */
int remote_cache_import(struct engine *g, const struct build_request *q, struct err *e) must_use;
/* After it. image: the layers of what was built. */
int remote_cache_export(struct engine *g, const struct build_request *q, const struct strv *used, const struct strv *image, struct err *e) must_use;
