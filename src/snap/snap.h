/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snap: root file systems. A layer is named by the digest of its uncompressed tar (its diff_id); snap
 * keeps each once and gives a mounted root from a list of them plus one writable directory. How a layer
 * lies on the disk is nobody else's business.
 *
 *   <root>/layers/<diff hex>             a complete, verified, synced layer: a file (erofs_head.h), its tar with EROFS metadata
 *                                        behind it, mounted as it is; or
 *   <root>/layers/<diff hex>/            its files: layer.json, sum (sum.h) and
 *       tree/                              the files, removals in overlay's form, or
 *       opaque/                            the same, when it hides all of the layers below (overlay does not look at a
 *                                          root's own mark), or
 *       plain/                             removals as the archive has them (whiteout.h), for copies only
 *   <root>/layers/empty/                 nothing, for images of few layers
 *   <root>/layers/storage.json           whether EROFS can be mounted here, and what was chosen (storage.c)
 *   <root>/layers/tmp-<pid>-<n>          being made; its lock is held by the maker, free: garbage
 *   <container dir>/{upper,work}         the writable layer of a container, or
 *   <container dir>/{tree,copy.json}     the whole root as a copy, where overlay is refused
 *
 * Storage: new layers are EROFS files for root where the kernel can (Linux 6.4 with a loop device, 6.12 without), files for others, in a
 * store that has files already and where it was chosen. Both can be in one store, and in one root; snap_convert() turns the one into the other.
 *
 * Where overlay is refused (the store lies on a file system that it does not take, an old kernel without root, ids
 * that cannot be mapped in a mount) a container gets a copy of its layers instead: the same to look at, slower to make.
 * The environment variable HULL_ROOTFS decides: "copy" always copies, "overlay" never does.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

enum snap_storage { SNAP_UNDECIDED, SNAP_FILES, SNAP_EROFS };
struct snap {
	int root;      /* fd of <root>, borrowed */
	int layers;    /* fd of <root>/layers */
	bool rootless; /* inside of a user namespace: user.overlay.* xattrs, no device nodes */
	bool refused;  /* overlay was refused to this process */
	enum snap_storage storage; /* of new layers */
	bool swept;    /* dead tmp-* were looked for */
	bool keeps;
	struct { struct kept *v; size_t n; } kept; /* kept.h */
	struct { struct distrusted *v; size_t n; } distrusted;
	struct shares *shares; /* mounted.h, or NULL */
};
/* Makes layers/ when it is missing. root is borrowed. An unknown HULL_ROOTFS is ERR_USAGE. */
int snap_open(struct snap *s, int root, const char *path, bool rootless, struct err *e) must_use;
void snap_drop(struct snap *s);

/* How new layers are kept: "erofs" or "files"; NULL or "": what was chosen for this store, else what this machine can. lasting: that is
 * the choice for this store from now on. EROFS that cannot be had is ERR_UNSUPPORTED when it was asked for by name. */
int snap_choose(struct snap *s, const char *word, bool lasting, struct err *e) must_use;
const char *snap_storage(struct snap *s); /* "erofs" or "files" */

bool snap_has_layer(const struct snap *s, const char *diff_id);
bool snap_layer_is_files(const struct snap *s, const char *diff_id); /* and not one file */
struct snap_layer_info { uint64_t bytes; uint64_t files; }; /* sum of file sizes, number of entries */
int snap_layer_info(const struct snap *s, const char *diff_id, struct snap_layer_info *ret, struct err *e) must_use;

/* One layer from a stream of its blob, as it comes over the wire. Reads fd to its end, checks the blob's
 * digest and size (NULL and UINT64_MAX: unknown), decompresses, checks the diff_id (NULL: unknown; then
 * ret_diff_id tells it), unpacks, syncs, commits. A layer that is there already is success (the stream
 * is still read and checked). progress, may be NULL, is called with the plain bytes so far.
 * On any error nothing is left; what a process that was killed left behind goes with the next ingest. */
struct snap_ingest {
	int fd;
	uint64_t offset, length; /* length != UINT64_MAX: that range of fd by pread, else fd as a stream */
	const char *blob_digest;
	uint64_t blob_size;
	const char *diff_id;
	uint64_t max_bytes, max_entries; /* bounds on the plain tar; 0: the defaults (layers.c, apply.h) */
	/* A file that has the first bytes of the blob already, and gets those that come from fd, for the case that they end too soon. When the
	 * blob turns out not to be what it should be, it is emptied. -1, or 0: none. */
	int partial;
	uint64_t partial_bytes;
	void (*progress)(void *arg, uint64_t plain_bytes);
	void *arg;
};
int snap_ingest(struct snap *s, const struct snap_ingest *in, char ret_diff_id[136], struct snap_layer_info *ret, struct err *e) must_use;
/* Makes a layer's other form and puts it in its place. may() is called when all is done but that: -1 leaves the layer as it is. The files
 * of a layer must not be in use then; a mounted EROFS file may be. 1: it was converted; 0: it has that form, or is not here. */
int snap_convert(struct snap *s, const char *diff_id, enum snap_storage to, int (*may)(void *arg, struct err *e), void *arg,
	struct err *e) must_use;
/* Reads the whole layer. ERR_NOT_FOUND, or ERR_CORRUPT: it is not what it was, and must be fetched again; damage that can be mended with what is
 * there is, when repair says so. What a layer of files has lost or got is not. */
int snap_verify(struct snap *s, const char *diff_id, bool repair, bool *ret_mended, struct err *e) must_use;
/* A layer that is damaged is not here for this process, and stays where it is until it comes again and takes its place. */
void snap_distrust(struct snap *s, const char *diff_id);
/* Removes a layer; the caller knows that nobody uses it. A missing one is success. */
int snap_remove_layer(struct snap *s, const char *diff_id, struct err *e) must_use;
/* All layers that are there, as diff_ids, sorted. */
int snap_list(struct snap *s, struct strv *ret, struct err *e) must_use;

/* uid/gid shift for a container with its own user namespace: {inside, outside, count} rows. */
struct snap_idmap { uint32_t inside, outside, count; };
struct snap_mount {
	const struct strv *layers;  /* diff_ids, the lowest first, as in rootfs.diff_ids */
	int dir;                    /* fd of the container's directory: upper, work (made by snap_prepare); -1: read only,
	                             * owner and mode of the root directory are then the uppermost layer's */
	bool read_only, is_volatile; /* volatile: no syncs, for containers that will be removed (--rm) */
	const struct snap_idmap *uids, *gids;
	size_t nuids, ngids;        /* 0: no mapping */
	bool holds;                 /* for a container: what was mounted for it stays open in this process, see snap_share_mounts() */
};
/* Makes upper and work (or the copy) inside the container's directory. On failure nothing is left in
 * it. What a container with maps writes belongs to the ids outside, in upper as in a copy. */
int snap_prepare(struct snap *s, const struct snap_mount *m, struct err *e) must_use;
/* A detached mount of the root (an O_PATH fd for move_mount; closing it unmounts). Needs CAP_SYS_ADMIN in the
 * current user and mount namespace. A first mount whose overlay is refused makes the copy here. More layers than
 * overlay stacks (500) are ERR_LIMIT. */
int snap_mount(struct snap *s, const struct snap_mount *m, struct err *e) must_use;
/* From now on this process mounts the file of a layer once, and keeps it for the next snap_mount(): until snap_drop(). */
void snap_keep_mounts(struct snap *s);
/*
 * From now on layers' files are not mounted where another process of this run directory (a borrowed fd) has them mounted and holds them: all
 * containers of a layer then have it in memory once. A snap_mount() that `holds` leaves what it mounted open, and tells the others.
 */
void snap_share_mounts(struct snap *s, int run);
/* Those descriptors, and the one that snap_let_go() works with: returns how many; ret: NULL, or room for them. */
size_t snap_held(const struct snap *s, int *ret);
/* This process, a fork of who mounted, holds them from now on; start_time: its own (sys/proc.h). */
void snap_tell_mounts(struct snap *s, uint64_t start_time);
void snap_pass_on(struct snap *s); /* a fork has told: closes what this process holds */
void snap_let_go(struct snap *s);  /* closes it, and tells */
/* Removes what snap_prepare and the container left in its directory. */
int snap_remove(struct snap *s, int dir, struct err *e) must_use;
/* Bytes and entries in the writable layer (docker ps -s). A hard-linked file counts once; what lies deeper than
 * SNAP_MAX_DEPTH directories is not counted. */
enum { SNAP_MAX_DEPTH = 256 };
int snap_usage(struct snap *s, int dir, struct snap_layer_info *ret, struct err *e) must_use;
/* "overlay" or "copy": what snap_mount is expected to do here: what HULL_ROOTFS says, else by the store's file
 * system and by what this process met. Cheap: it does not try. */
const char *snap_driver(struct snap *s);
