/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overlay: an overlay mount of directories given by fd (Linux filesystems/overlayfs.rst), attached nowhere.
 */
#pragma once

#include "snap/snap.h"

enum { OVERLAY_MAX_LOWERS = 500 }; /* the kernel's OVL_MAX_STACK */

struct overlay {
	const int *lowers;  /* the uppermost first */
	size_t n;
	int upper, work;    /* -1: read only */
	bool user_xattrs, is_volatile, read_only;
	/* Detached mounts that lowers lie on (detached[i]; NULL: all lie on mounts of this namespace), and the directory
	 * where older kernels may attach them for the moment. */
	const bool *detached;
	const int *mounts;
	size_t nmounts;
	int attach_at;
	bool attached;      /* told: older kernels did, and those mounts are of no use for another stack */
};
/* e->sys tells why. */
int overlay_mount(struct overlay *o, struct err *e) must_use;
/* What overlay_mount does on kernels that do not take layers by fd (before 6.13, and before 6.5 in another manner). */
int overlay_mount_by_name(struct overlay *o, struct err *e) must_use;

/* A user namespace with these maps, for mount_idmap(). */
int overlay_userns(const struct snap_mount *m, struct err *e) must_use;
