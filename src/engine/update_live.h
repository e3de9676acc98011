/* SPDX-License-Identifier: Apache-2.0 */
/*
 * update_live: mounts and devices of a container that is there: at once when it runs, and from the next start on. Devices that a process has open,
 * and files below a mount that was taken away, stay with it.
 */
#pragma once

#include "engine/update_journal.h"

struct update_things {
	struct host_config add;             /* its binds, mounts and devices count */
	struct strv remove_mounts, remove_devices; /* paths in the container; a device by its path on the host too */
};
bool update_things_any(const struct update_things *t);
/* c is locked; all outlive it. What is about to be done is noted in the journal. */
struct update_live;
struct update_live *update_live_new(struct engine *g, struct container_entry *c, const struct update_things *t, struct update_journal *journal) must_use;
void update_live_drop(struct update_live **u);
/* The record is written when the kernel has it. What was done before an error stays until it is undone. */
int update_live_do(struct update_live *u, struct err *e) must_use;
/* Backwards, what update_live_do did, as far as it came. old: the container by its record before; what cannot be put back goes from there, and
 * *e says so. */
int update_live_undo(struct update_live *u, struct container_entry *old, struct err *e) must_use;
/* The same of an update that was killed, by its journal. c: the container by its record before; what cannot be put back goes from there. */
int update_live_recover(struct engine *g, struct container_entry *c, struct update_journal *journal, bool runs, struct err *e) must_use;
