/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lookaside: where the GPG signatures of a registry's images are: containers-registries.d(5): the files *.yaml of
 * ~/.config/containers/registries.d, else of /etc/containers/registries.d: `docker:` has a map of scopes (host/repository, its prefixes, *.domain),
 * `default-docker:` is the rest; `lookaside:`, once `sigstore:`, is a URL of http, https or file. Of YAML, maps of plain or quoted texts are
 * understood; anything else is an error.
 */
#pragma once

#include "base/buf.h"
#include "image/ref.h"

/* URL of the folder of signature-1, signature-2 … of an image. */
int lookaside_find(const struct ref *ref, const char *digest, char **ret_url, struct err *e) must_use;
/* A file of registries.d as JSON. */
struct json;
int lookaside_parse(const char *text, size_t len, struct json **ret, struct err *e) must_use;
