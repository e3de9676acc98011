/* SPDX-License-Identifier: Apache-2.0 */
/* images: what requests about images have in common. */
#pragma once

#include "api/call.h"

/* e is ERR_NOT_FOUND: docker's words for it are the answer; else -1. */
int images_no_such(struct call *c, const char *name, struct err *e) must_use;
/* repo and tag of a query as one reference; a tag may be a digest. *ret NULL: there is no repo. */
int images_name(struct call *c, const char *repo, const char *tag, const char **ret, struct err *e) must_use;
