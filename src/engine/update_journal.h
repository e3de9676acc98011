/* SPDX-License-Identifier: Apache-2.0 */
/*
 * update_journal: how a container was before an update, kept in its directory (update.json) until the update is through. Who holds the container's
 * lock and finds one, finds what a killed update left, or one that could not undo all that it did.
 */
#pragma once

#include "engine/container.h"

/* A mount or a device that comes or goes. before: the mount that was at the path, by its number; of a device's node, 1; 0: nothing. */
struct update_touched {
	char *path;
	uint64_t before;
	struct device_mapping device;
};
struct update_touches { struct update_touched *v; size_t n; };

struct update_journal {
	struct json *document;
	struct container_record record;
	struct container_state state;
	bool limits, health, ports; /* what changes, besides */
	struct update_touches added, removed, added_devices, removed_devices;
	struct strv volumes;        /* that are made */
};
void update_journal_drop(struct update_journal *j);
bool update_journal_is_there(int dir);
/* Before each thing is done, with what is noted of it. */
int update_journal_save(int dir, const struct update_journal *j, struct err *e) must_use;
int update_journal_read(int dir, struct arena *a, struct update_journal *ret, struct err *e) must_use;
int update_journal_remove(int dir, struct err *e) must_use;
