/* SPDX-License-Identifier: Apache-2.0 */
/*
 * idmap: which ids of the host a user namespace sees (user_namespaces(7)).
 */
#pragma once

#include "runtime/spec.h"

#include <sys/types.h>

/* Writes both maps of a process that has just made its user namespace. A plain user's rows go through newuidmap and
 * newgidmap (subuid(5)); a single row of his own ids he may write himself, at the price of setgroups. */
int idmap_write(pid_t pid, const struct idmap_rows *uids, const struct idmap_rows *gids, struct err *e) must_use;
/* The same; the side that has no rows gets no map. */
int idmap_write_given(pid_t pid, const struct idmap_rows *uids, const struct idmap_rows *gids, struct err *e) must_use;
/* The id inside for which files should be made: 0 when it is mapped, else the first row's. */
uint32_t idmap_root(const struct idmap_rows *rows);
/* A user namespace with these maps and nobody in it, as an fd: for id-mapped mounts. */
int idmap_userns(const struct idmap_rows *uids, const struct idmap_rows *gids, struct err *e) must_use;
