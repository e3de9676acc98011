/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "build/build.h"

/* --output texts, --push and --load into q->outputs; names that they give the image into q->tags. ERR_USAGE for what is wrong. */
int build_output_read(const struct strv *texts, bool push, struct arena *a, struct build_request *q, struct err *e) must_use;
/* "[LEVEL:]NAME=VALUE" */
int build_annotation_read(const char *text, struct arena *a, struct build_request *q, struct err *e) must_use;
/* --annotation, --platform and --format. */
int build_labels_read(const struct strv *annotations, const struct strv *platforms, const char *format, struct arena *a, struct build_request *q,
	struct err *e) must_use;
/* --cache-from and --cache-to. */
int build_cache_read(const struct strv *from, const struct strv *to, struct arena *a, struct build_request *q, struct err *e) must_use;
/* --attest, --provenance and --sbom; NULL: not given. */
int build_attest_read(const struct strv *attests, const char *provenance, const char *sbom, struct build_request *q, struct err *e) must_use;
/* Does anything of it go to stdout? */
bool build_output_is_stdout(const struct build_request *q);
