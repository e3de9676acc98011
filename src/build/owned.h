/* SPDX-License-Identifier: Apache-2.0 */
/*
 * owned: a context as if it were root's. Owners in contexts do not count: what is copied belongs to 0:0, and so does what RUN sees.
 */
#pragma once

/* What is at `place` in a context, as a mount that is attached nowhere: who owns the context's directory is 0 there. -1: it belongs to 0, or
 * this kernel or file system maps no ids; then it is seen as it is. */
int owned_by_root(int context, int place);
