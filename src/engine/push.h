/* SPDX-License-Identifier: Apache-2.0 */
/*
 * push: what the parts of `push` share: image_push.c (names, platforms, the order), push_layers.c (blobs of layers),
 * push_manifest.c (documents).
 */
#pragma once

#include "codec/stream.h"
#include "engine/image.h"
#include "image/known.h"
#include "image/push.h"

struct push_layer {
	const char *diff_id;
	struct known known;
	struct descriptor blob; /* what the registry has in the end: media_type, digest, size */
	char *blob_diff_id;     /* the digest of what is compressed there: diff_id, unless only the layer's files are kept */
};
/* One image on its way. */
struct push_one {
	struct image *image;
	struct push_layer *v;
	size_t n;
	char *config, *manifest, *media_type; /* the documents as they are in the registry in the end */
	size_t config_len, manifest_len;
	char digest[136];                     /* of the manifest */
};
struct push {
	struct engine *g;
	const struct image_push_request *r;
	struct pull *p;
	struct arena arena;
	char *repository;             /* registry/repository */
	enum compression compression;
	struct { struct push_one *v; size_t n; } all;
};

/* All layers of it are in the registry, and blob and blob_diff_id say as what. */
int push_layers(struct push *x, struct push_one *o, struct err *e) must_use;
/* The compression that a media type names; COMPRESS_XZ: none of ours. */
enum compression push_compression_of(const char *media_type);
/* Makes the documents of what push_layers() said, and puts the config there; those that came with the image are kept when they
 * are still true. */
int push_documents(struct push *x, struct push_one *o, struct err *e) must_use;
