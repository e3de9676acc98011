/* SPDX-License-Identifier: Apache-2.0 */
/* build_call: --call of build: what a Dockerfile is, says and wants, without building it. */
#pragma once

#include "build/build.h"

/* --call METHOD[,format=json][,ignorestatus]: what it says goes to stdout. ret: the exit status. */
int build_call(struct engine *g, const struct build_request *q, const char *text, int *ret, struct err *e) must_use;
/* Is it a build after all? ERR_USAGE. */
int build_call_is_build(const char *text, bool *ret, struct err *e) must_use;
