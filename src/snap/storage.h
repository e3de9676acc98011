/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage: what layers/storage.json says, see storage.c.
 */
#pragma once

#include "snap/snap.h"

/* Removes what a killed process left of the record; found: the names in layers/. */
void storage_sweep(const struct snap *s, const struct strv *found);
