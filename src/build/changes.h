/* SPDX-License-Identifier: Apache-2.0 */
/*
 * changes: instructions of a Dockerfile that only say how an image is run, for images that no build makes: `import --change`.
 */
#pragma once

#include "image/types.h"

/* CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR; others are ERR_USAGE. Each of lines is one or
 * more of them. */
int changes_apply(const struct strv *lines, struct arena *a, struct image_run_config *c, struct err *e) must_use;
