/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upload: one blob on its way to the registry (distribution-spec 1.1, "Push"): see whether it is there, ask that it be mounted from
 * another repository, else send it, and go on where it broke.
 */
#pragma once

#include "registry/session.h"

/* The op "upload" of transfer.h; takes fd, -1: only look and mount. */
void upload_new(struct session *s, const struct json *j, int fd);
void upload_work(struct session *s, int64_t now);
void upload_drop_all(struct session *s);
