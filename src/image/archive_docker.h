/* SPDX-License-Identifier: Apache-2.0 */
/*
 * archive_docker: docker's own archives, inside archive.c: manifest.json (since docker 1.10), and the form before it, where
 * each layer is a directory <id>/ with `json` and `layer.tar`, and `repositories` has the names.
 */
#pragma once

#include "image/archive.h"
#include "image/archive_index.h"

enum { ARCHIVE_DOCUMENT_MAX = 4 << 20, ARCHIVE_IMAGES_MAX = 1024 };

int archive_docker_read(struct archive *a, struct err *e) must_use;     /* manifest.json */
int archive_docker_read_old(struct archive *a, struct err *e) must_use; /* directories */

/* Shared with archive.c. Fills config, config_text and record from the bytes of a config (takes text). */
int archive_set_config(struct archive *a, struct archive_image *i, struct buf *text, struct err *e) must_use;
/* Adds a name when it is a reference with a tag; others are left out: they come from the archive. */
void archive_add_name(struct archive *a, struct archive_image *i, const char *name);
