/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount: the kernel's mount interface by file descriptor (fsopen(2), fsmount(2), open_tree(2), move_mount(2),
 * mount_setattr(2); Linux 5.12). A "detached" mount is an fd that is attached nowhere: closing it unmounts.
 */
#pragma once

#include "base/str.h"

#include <sys/mount.h>

struct mount_option { const char *key, *value; }; /* value NULL: a flag */

/* A new detached mount of a file system; attr: MOUNT_ATTR_*. */
int mount_new(const char *type, const struct mount_option *options, size_t n, uint64_t attr, struct err *e) must_use;
/* A detached copy of the mount at path (below dirfd; "" and AT_EMPTY_PATH: the fd itself). A symlink that is itself the source is
 * a place as others are. */
int mount_clone(int dirfd, const char *path, bool recursive, struct err *e) must_use;
int mount_clone_link(int dirfd, const char *path, bool recursive, struct err *e) must_use; /* not what a symlink leads to */
/* Changes the file system that is mounted at the place `at`, as remounting does. */
int mount_reconfigure(int at, const struct mount_option *options, size_t n, struct err *e) must_use;
/* Attaches a detached mount onto what `at` (an O_PATH fd) is. */
int mount_attach(int mount, int at, struct err *e) must_use;
/* Sets and clears MOUNT_ATTR_* and the propagation (MS_PRIVATE ..., 0: as it is). */
int mount_set(int mount, bool recursive, uint64_t set, uint64_t clear, unsigned propagation, struct err *e) must_use;
/* MS_SHARED, MS_SLAVE (both at once: a slave that is shared) or 0 of the mount that path is on. */
int mount_peers(const char *path, unsigned *ret, struct err *e) must_use;
/* The root of this mount namespace (O_PATH): in a chroot it is not ours, and it is a mount point, which ours need not be there. Only
 * for a process of one thread: it goes there and back. */
int mount_top(struct err *e) must_use;
/* The same of another one, given by its fd, which must stay open: without it the mounts below go when the last process in there does. */
int mount_top_of(int ns, struct err *e) must_use;
/* Makes the detached mount show ids through the user namespace `userns`. */
int mount_idmap(int mount, int userns, bool recursive, struct err *e) must_use;

/* The words of a mounts[].options list (runtime-spec config.md, "Linux mount options"). */
struct mount_words {
	uint64_t set, clear;     /* MOUNT_ATTR_* */
	uint64_t rset, rclear;   /* the same, for the whole tree (rro, rnosuid …) */
	unsigned propagation;    /* MS_SHARED … with MS_REC; 0: none */
	bool bind, rbind, remount, tmpcopyup, idmap, ridmap;
	bool copy_symlink, src_nofollow, dest_nofollow; /* crun's */
	const char *ids;         /* crun's "uids=0-1000-10#…;gids=…" behind "idmap=" or "ridmap=" (borrowed), or NULL */
	struct strv data;        /* the file system's own: "mode=755" (borrowed) */
};
void mount_words_drop(struct mount_words *w);
/* The words themselves: the i-th, NULL behind the last. */
const char *mount_word(size_t i);
int mount_parse_words(const struct strv *options, struct mount_words *ret, struct err *e) must_use;
