/* SPDX-License-Identifier: Apache-2.0 */
/*
 * registries: where the images of a name really are: containers-registries.conf(5), version 2, and docker's registry-mirrors.
 *
 * Files: CONTAINERS_REGISTRIES_CONF alone, else ~/.config/containers/registries.conf or, where that is missing,
 * /etc/containers/registries.conf; then, key by key on top, the *.conf of registries.conf.d beside /etc's and beside the user's.
 * Short names: of a name without a registry its alias counts, else each of unqualified-search-registries in turn; where these are not set it is
 * docker.io's, as docker has it.
 */
#pragma once

#include "codec/jmap.h"
#include "image/ref.h"

struct registry_place { char *location; bool insecure; char *pull_from; };
struct registry_entry {
	char *prefix, *location;
	bool insecure, blocked, by_digest_only;
	struct { struct registry_place *v; size_t n; } mirrors;
};
struct registries {
	struct arena arena;
	struct { struct registry_entry *v; size_t n; } entries;
	struct strv search;
	struct map aliases;
	char *file; /* the last that was read, or NULL */
};
void registries_drop(struct registries *r);
/* docker_mirrors: URLs; may be NULL. No file at all is success. */
int registries_load(const struct strv *docker_mirrors, struct registries *ret, struct err *e) must_use;
int registries_parse(const char *text, size_t len, const char *file, struct registries *r, struct err *e) must_use;

/* One place to ask. */
struct endpoint {
	char *registry, *repository; /* as hull-registry takes them */
	const char *ns;              /* of a mirror: the registry it stands for */
	bool insecure, mirror;
};
struct endpoints { struct endpoint *v; size_t n; };
/* Mirrors first, the place itself last. pull: with mirrors. A registry that is blocked is ERR_DENIED. */
int registries_resolve(const struct registries *r, const struct ref *ref, bool pull, struct arena *a, struct endpoints *ret, struct err *e) must_use;
/* The whole names that `text` may stand for; text itself, when it has a registry or short names are docker's. */
int registries_names(const struct registries *r, const char *text, struct strv *ret, struct err *e) must_use;
