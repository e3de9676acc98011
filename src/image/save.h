/* SPDX-License-Identifier: Apache-2.0 */
/*
 * save: images into an archive or a directory, in the forms that archive.h reads:
 *
 *   docker-archive  an OCI layout with docker's manifest.json beside it, in a tar: what `docker save` writes since version 25; older
 *                   dockers, podman and skopeo read it as the docker-archive it is
 *   oci-archive     an OCI layout in a tar
 *   oci-dir         an OCI layout as a directory; one that is there is added to, and a name in it moves
 *   docker-dir      skopeo's `dir:`: manifest.json and blobs by their hex names, of one image alone
 *
 * Every blob is hashed while it is copied; one that is not what its digest says ends the save. A blob that is there already is not written
 * again. The same images give the same bytes.
 */
#pragma once

#include "base/str.h"
#include "image/types.h"

enum save_form { SAVE_DOCKER_ARCHIVE, SAVE_OCI_ARCHIVE, SAVE_OCI_DIR, SAVE_DOCKER_DIR };
/* ERR_USAGE that names all four. */
int save_parse_form(const char *word, enum save_form *ret, struct err *e) must_use;
bool save_is_dir(enum save_form f);

bool save_is_bare(const char *name); /* a tag alone, as skopeo has it behind oci:DIR: */

struct save_blob {
	const char *digest;
	uint64_t size;
	const void *text; /* its bytes; NULL: of fd, from offset on */
	int fd;
	uint64_t offset;
	void (*progress)(void *arg, uint64_t bytes); /* may be NULL */
	void *arg;
};
struct save_image {
	const struct strv *names;    /* whole references, or bare words in OCI's forms; none: only by its id */
	struct descriptor manifest;  /* of its manifest, or of its index */
	const char *config;          /* digest; NULL: it is no single image, and docker's manifest.json does not list it */
	const struct strv *layers;   /* digests of the layers' blobs */
};
struct save;
/* fd: a file to write to, or an empty directory or an OCI layout; borrowed. */
int save_open(enum save_form form, int fd, struct save **ret, struct err *e) must_use;
bool save_has(const struct save *s, const char *digest);
int save_put(struct save *s, const struct save_blob *b, struct err *e) must_use;
/* When all of its blobs, the manifest too, are put. */
int save_add(struct save *s, const struct save_image *i, struct err *e) must_use;
int save_end(struct save *s, struct err *e) must_use;
void save_drop(struct save **s); /* own(save) */
