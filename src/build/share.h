/* SPDX-License-Identifier: Apache-2.0 */
/*
 * share: a step that is being done is done once, whoever needs it: another stage of the build, another build, another process. Whoever comes
 * second waits and finds the result in the cache. When the first dies or fails, one of those that wait does the step.
 */
#pragma once

#include "build/stage.h"

struct share { int dir /* borrowed */, lock; char path[80]; bool waited; };
/* The right to do the step of that key. It may take as long as somebody else does the same; an interrupt ends the wait with ERR_CONFLICT. */
int share_take(struct step *x, const char key[65], struct share *ret, struct err *e) must_use;
void share_drop(struct share *s);
/* Removes what processes left that were killed. */
void share_sweep(int cache);
