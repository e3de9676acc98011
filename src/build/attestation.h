/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attestation: --provenance and --sbom: what the image was made of and how (SLSA provenance v1), and the packages that are in it (SPDX 2.3), as
 * their package managers' own databases have them: dpkg's, apk's, Python's. There is no time and no random number in them, so that the same build
 * attests the same.
 */
#pragma once

#include "build/stage.h"

/* Those that the request wants, into i->predicates. */
int attestation_make(struct build *b, struct build_image *i, struct err *e) must_use;
/* sbom.c: the SPDX document of the files below root. name: of the image. */
struct json *sbom_make(int root, const char *name, const char *created, struct err *e) must_use;
