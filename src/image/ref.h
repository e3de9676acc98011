/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ref: image references: [registry[:port]/]repository[:tag][@digest]
 * (grammar: distribution-spec, "Pulling manifests"; docker's defaults docker.io, library/, latest).
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

struct ref {
	char registry[256];   /* "docker.io", "localhost:5000" */
	char repository[256]; /* "library/nginx" */
	char tag[129];        /* "" when only a digest was given */
	char digest[136];     /* "" when none */
};
/* Strict: an upper-case repository, "..", an empty part, a bad port: ERR_USAGE `invalid reference "…": why`. */
int ref_parse(const char *text, struct ref *ret, struct err *e) must_use;
enum { REF_TEXT = 256 + 256 + 129 + 136 + 4 };
char *ref_format(const struct ref *r, char out[REF_TEXT]);          /* whole: docker.io/library/nginx:latest */
char *ref_format_familiar(const struct ref *r, char out[REF_TEXT]); /* nginx:latest */
char *ref_repository_familiar(const struct ref *r, char out[REF_TEXT]); /* nginx */
/* What a policy or a table may call it, the narrowest first (containers-policy.json(5)): with its digest, else with its tag; the repository, its namespaces,
 * the registry; then "*.domain" of the host, which is meant for any port of it. */
void ref_scopes(const struct ref *r, struct strv *ret);
/* May this be an image id or its prefix (hex, 4 to 64 digits, "sha256:" in front allowed)? */
bool ref_is_id(const char *text);
