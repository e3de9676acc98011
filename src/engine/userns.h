/* SPDX-License-Identifier: Apache-2.0 */
/*
 * userns: which user namespace a container gets: the engine's own (--userns host, the default), or one of
 * its own with ids from a range: auto[:size=N], keep-id, or maps given as "inside:outside:count,…".
 * What was chosen is kept in the record, so that a restart has the same ids.
 */
#pragma once

#include "engine/container.h"

struct userns_maps {
	struct snap_idmap *uids, *gids;
	size_t nuids, ngids;
};
void userns_maps_drop(struct userns_maps *m);

/* Sets record.uid_map and gid_map from host.userns_mode or the given maps; leaves them NULL for host. With keep-id and no user
 * in the record's config, that is set too. *ret_lock (-1 before): what the caller closes when the record is written. */
int userns_choose(struct engine *g, struct container_entry *c, const char *uid_map, const char *gid_map, int *ret_lock,
	struct err *e) must_use;
int userns_parse(const struct container_record *r, struct userns_maps *ret, struct err *e) must_use;
