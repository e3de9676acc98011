/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rootless: a plain user's hull lives in a user namespace where it is uid 0. All running hull processes of one user share
 * one namespace, so that each may signal, enter and clean up what another one started; it is made by the first and
 * lives as long as one of them does. Ids: the user himself is 0, the ranges of /etc/subuid and /etc/subgid follow
 * from 1 on; without them, or without newuidmap(1), there is only the 0.
 */
#pragma once

#include "base/err.h"

#include <sys/types.h>

struct rootless {
	bool inside;      /* this process is in a user namespace, its own or one it was born in: uid 0 is not the machine's root */
	uid_t user;       /* who started hull, outside of a namespace of ours */
	gid_t group;
	uint32_t uids, gids; /* how many ids there are inside, from 0 on */
	int lock;         /* of rootless_hold(), -1 */
};
/* Joins the user's namespace or makes it, with a mount namespace of our own, where uid 0 is not given already. run: fd of the
 * user's run directory, opened before. Single-threaded. Does next to nothing for root. */
int rootless_enter(int run, struct rootless *ret, struct err *e) must_use;
/* After a fork that outlives its parent: the namespace is kept known through this process too. */
int rootless_hold(struct rootless *r, struct err *e) must_use;
void rootless_drop(struct rootless *r);
