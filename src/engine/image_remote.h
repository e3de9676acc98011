/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image_remote: a registry that is spoken to: what the settings, registries.conf and docker's configuration say of it, and
 * hull-registry started.
 */
#pragma once

#include "engine/engine.h"
#include "image/pull.h"
#include "image/registries.h"

/* scope: NULL: what is asked for by the registry. Never a mirror. */
int image_remote_open(struct engine *g, const char *reference, const char *scope, struct pull *ret, struct err *e) must_use;
/* For reading, in turn: mirrors, then the registry itself. 1: *ret is open at the place `at`; 0: there are not as many. */
int image_remote_open_at(struct engine *g, const char *reference, const char *scope, size_t at, struct pull *ret, struct err *e) must_use;
/* The manifest of the reference, and *ret open at the first place that has it. */
int image_remote_manifest(struct engine *g, const char *reference, const char *scope, struct pull *ret, size_t *ret_at, struct buf *text, char **ret_type,
	char digest[136], struct err *e) must_use;
/* May another place have it? What this machine cannot do it cannot do there either. */
bool image_remote_may_be_elsewhere(const struct err *e);
/* The options for all of them; o's texts live as long as the process. */
int image_remote_options(struct engine *g, struct pull_options *ret, struct err *e) must_use;
/* The same for one endpoint: texts in `a`. */
int image_remote_options_at(struct engine *g, const struct endpoint *at, struct arena *a, struct pull_options *ret, struct err *e) must_use;
void image_remote_login(struct engine *g, const char *registry, struct pull_options *o); /* the engine's own login there, if it has one */
const struct registries *image_remote_registries(struct engine *g, struct err *e); /* read at the first call; NULL on error */
const char *image_remote_config_dir(void); /* docker's */
