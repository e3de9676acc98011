/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain: why a step is done again. At each place of a Dockerfile (context, file, stage, position) it is kept which key the step had that was
 * there the last time; its parts are in the cache, and the first one that is another now is the reason.
 *
 *   <root>/build/last/<sha256 of the place>    the key, in hexadecimal
 */
#pragma once

#include "build/stage.h"

/* A line for people; new memory. */
char *explain_step(const struct step *x, const struct key *now) must_use;
int explain_note(const struct step *x, const char hex[65], struct err *e) must_use;
