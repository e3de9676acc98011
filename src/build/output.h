/* SPDX-License-Identifier: Apache-2.0 */
/*
 * output: where a build's result goes beside the store: --output.
 */
#pragma once

#include "base/str.h"

struct engine;
struct build_request;

enum build_output_kind {
	OUTPUT_IMAGE,    /* in the store, where it is anyway */
	OUTPUT_REGISTRY, /* pushed */
	OUTPUT_LOCAL,    /* the files, in a directory */
	OUTPUT_TAR,      /* the files, as a tar */
	OUTPUT_OCI,      /* an archive of the image, or a directory */
	OUTPUT_DOCKER,
	OUTPUT_NONE,     /* the cache alone */
};
struct build_output {
	enum build_output_kind kind;
	const char *dest;        /* NULL, "-": stdout, or none */
	bool as_dir;             /* OUTPUT_OCI */
	bool push;
	const char *compression; /* of what is pushed; NULL: gzip */
	int level;
	bool force_compression;
};
struct build;
struct build_result;
/* Is any of them made of the image? */
bool output_needs_image(const struct build *b);
/* Those of a platform's files, when it is built. */
int output_files(struct build *b, struct err *e) must_use;
/* Those of the images, when all are. */
int output_images(struct engine *g, const struct build_request *q, struct build_result *r, struct err *e) must_use;
