/* SPDX-License-Identifier: Apache-2.0 */
/*
 * download: one URL, as ADD and a build's context name them (transfer.h, "download"): no registry, no credentials.
 */
#pragma once

#include "codec/json.h"
#include "registry/http.h"

/* Does what the message asks for, to its end. Takes fd. */
int download_serve(struct http *h, int sock, const struct json *j, int fd, struct err *e) must_use;
