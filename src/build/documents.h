/* SPDX-License-Identifier: Apache-2.0 */
/*
 * documents: what stands above the config of an image that was built: its manifest and, of several platforms, their index. They name the
 * layers' plain tars; what is pushed is compressed, and then they are made anew with what they say besides (engine/push_manifest.c).
 *
 * An image that nobody says anything about has neither: who saves or pushes it makes one.
 */
#pragma once

#include "build/build.h"
#include "engine/attest.h"
#include "image/types.h"

struct build_predicate { char *type, *text; };
/* An image that was built, until all platforms are. */
struct build_image {
	struct arena arena;
	char id[136], manifest[136], os[40], architecture[40], variant[40];
	uint64_t manifest_size;
	struct strv diff_ids;
	struct { struct build_predicate *v; size_t n; } predicates; /* what is attested of it */
	struct attest attest;
	const char *cache; /* the steps that it has inline; NULL: none */
	struct image_record record; /* texts in the arena */
};
void build_image_drop(struct build_image *i);

/* Has the image to have a manifest of its own? */
bool documents_has_inline_cache(const struct build_request *q);
bool documents_need_manifest(const struct build_request *q);
bool documents_need_index(const struct build_request *q);
/* config_size: of its config's text. */
int documents_manifest(struct engine *g, const struct build_request *q, const struct build_image *i, size_t config_size, struct buf *ret,
	struct err *e) must_use;
/* The index of all of them, put into the store with the names; ret: its digest. */
int documents_index(struct engine *g, const struct build_request *q, struct build_image *images, size_t n, const struct strv *names,
	char ret[136], struct err *e) must_use;
