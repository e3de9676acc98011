/* SPDX-License-Identifier: Apache-2.0 */
/*
 * archive: images from a file, as docker, podman, buildah and skopeo save them: docker-archive (manifest.json with
 * layers beside it; the old form with one directory and a `json` file per layer too), OCI archive and OCI
 * directory (image-spec image-layout.md), and skopeo's `dir:`. Plain or compressed with gzip, zstd or xz; a file, or a stream that
 * cannot seek: then, and when it is compressed, its plain bytes are first written to an unlinked file below `scratch`.
 *
 * Nothing in the archive is trusted: names of members are looked up in an index made in one pass over the headers and
 * never touch a file system; digests of manifests and configs are checked here, those of layers by whoever unpacks
 * them (snap_ingest); sizes are bounded.
 */
#pragma once

#include "image/store.h"

struct archive_layer {
	int fd;                  /* read it by pread: offset, length; borrowed from the archive */
	uint64_t offset, length; /* compressed or not: the stream tells */
	char *blob_digest;       /* NULL: the archive does not say (docker-archive) */
	char *diff_id;           /* of the config; never NULL */
	char *media_type;        /* or NULL */
};
struct archive_image {
	struct strv names;       /* whole references: RepoTags, io.containerd.image.name, org.opencontainers.image.ref.name when it is a reference */
	struct strv refs;        /* what the archive calls it, as it stands there: a bare tag too */
	struct strv digests;     /* of its manifest, and of what index.json lists */
	struct image_record record; /* all but size and tagged_at */
	struct image_config config;
	char *config_text, *manifest_text; /* bytes for the store, a NUL behind them; manifest_text NULL: none */
	size_t config_len, manifest_len;
	struct { struct archive_layer *v; size_t n; } layers;
};
struct archive {
	struct arena arena;
	int fd, dir;             /* the file or the directory; -1 */
	struct { struct archive_image *v; size_t n; } images;
	struct archive_index *index; /* internal, as what follows */
	char *flat;              /* of skopeo's dir: the digest of manifest.json */
};
/* path NULL: reads fd. platform: "os/arch[/variant]", NULL: this machine's; of an index the matching manifest is taken, of
 * several images all that match; the only manifest of an archive, or docker's own form, is taken for what it is unless a platform was
 * asked for. An archive without any image for it is ERR_NOT_FOUND and names what there is. */
int archive_open(struct archive *a, const char *path, int fd, int scratch, const char *platform, struct err *e) must_use;
void archive_drop(struct archive *a);
/* Keeps the image of that name (a reference, what the archive calls it, or a digest) and no other; ERR_NOT_FOUND names what there is. */
int archive_select(struct archive *a, const char *name, struct err *e) must_use;
/* When its layers are there: puts blobs, record and names into the store. size: docker's SIZE, of its unpacked layers. */
int archive_commit(struct archive *a, size_t image, struct store *s, uint64_t size, struct err *e) must_use;
