/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image_remote: a registry that is spoken to: what the settings and docker's configuration say of it, and hull-registry started.
 */
#pragma once

#include "engine/engine.h"
#include "image/pull.h"

/* scope: NULL: what is asked for by the registry. */
int image_remote_open(struct engine *g, const char *reference, const char *scope, struct pull *ret, struct err *e) must_use;
/* The options for all of them; o's texts live as long as the engine. */
int image_remote_options(struct engine *g, struct pull_options *ret, struct err *e) must_use;
const char *image_remote_config_dir(void); /* docker's */
