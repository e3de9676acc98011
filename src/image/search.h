/* SPDX-License-Identifier: Apache-2.0 */
/*
 * search: what a registry has: by docker's index (GET /v1/search), else by its catalog; the tags of a repository are pull_tags().
 */
#pragma once

#include "image/pull.h"

/* Appends docker's results (name, description, star_count, is_official, is_automated) to the array *ret. max: how many. */
int search_remote(struct pull *p, const char *term, unsigned max, struct json *ret, struct err *e) must_use;
