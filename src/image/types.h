/* SPDX-License-Identifier: Apache-2.0 */
/*
 * types: the documents of the OCI image specification 1.1 (manifest.md, image-index.md, config.md) and
 * docker's schema 2, which differ in media types only; original bytes are kept beside the struct because the
 * digest is of them.
 */
#pragma once

#include "codec/jmap.h"

#define TYPE_OCI_INDEX       "application/vnd.oci.image.index.v1+json"
#define TYPE_OCI_MANIFEST    "application/vnd.oci.image.manifest.v1+json"
#define TYPE_OCI_CONFIG      "application/vnd.oci.image.config.v1+json"
#define TYPE_DOCKER_LIST     "application/vnd.docker.distribution.manifest.list.v2+json"
#define TYPE_DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define TYPE_DOCKER_CONFIG   "application/vnd.docker.container.image.v1+json"

struct platform { char *os, *architecture, *variant, *os_version; struct strv os_features; };
struct descriptor {
	char *media_type, *digest;
	uint64_t size;
	struct strv urls;
	struct map annotations;
	struct platform *platform;
	char *artifact_type;
};
struct manifest {
	int64_t schema;
	char *media_type, *artifact_type;
	struct descriptor config;
	struct { struct descriptor *v; size_t n; } layers;
	struct descriptor *subject;
	struct map annotations;
};
struct image_index {
	int64_t schema;
	char *media_type;
	struct { struct descriptor *v; size_t n; } manifests;
	struct map annotations;
};
struct healthcheck {
	struct strv test;
	int64_t interval, timeout, start_period, start_interval, retries; /* ns, count */
};
struct image_run_config { /* "config" in the image config: what docker inspect calls Config */
	char *user, *working_dir, *stop_signal;
	struct strv env, entrypoint, cmd, shell, on_build;
	struct strv exposed_ports, volumes; /* keys */
	struct map labels;
	struct healthcheck *healthcheck;
	bool args_escaped;
	struct opt_i64 stop_timeout;
	char *hostname, *domainname;
	bool attach_stdin, attach_stdout, attach_stderr, tty, open_stdin, stdin_once;
};
struct image_history { char *created, *author, *created_by, *comment; bool empty_layer; };
struct image_rootfs { char *type; struct strv diff_ids; };
struct image_config {
	char *created, *author, *architecture, *variant, *os, *os_version;
	struct strv os_features;
	struct image_run_config config;
	struct image_rootfs rootfs;
	struct { struct image_history *v; size_t n; } history;
	char *docker_version, *container, *comment, *parent;
};
extern const struct jtable manifest_table, image_index_table, image_config_table, image_run_config_table,
	platform_table, descriptor_table, healthcheck_table;

/* A new one with the three fields that each has, for a document that is made here. */
struct json *descriptor_json(const char *media_type, const char *digest, uint64_t size);

enum document { DOCUMENT_MANIFEST, DOCUMENT_INDEX, DOCUMENT_OTHER };
/* What the media type (may be NULL) and the document's own fields say it is. */
enum document types_document(const char *media_type, const struct json *j);
/* Parse and check: schemaVersion 2 (1 is ERR_UNSUPPORTED, as are artifacts, foreign and encrypted layers), digests valid,
 * sizes sane, at most 512 layers (ERR_LIMIT); garbage is ERR_CORRUPT. */
int manifest_parse(const struct json *j, struct arena *a, struct manifest *ret, struct err *e) must_use;
int image_index_parse(const struct json *j, struct arena *a, struct image_index *ret, struct err *e) must_use;
int image_config_parse(const struct json *j, struct arena *a, struct image_config *ret, struct err *e) must_use;
/* Do the two belong together: as many layers as diff_ids? ERR_CORRUPT. */
int types_check(const struct manifest *m, const struct image_config *c, struct err *e) must_use;
/* A config's text with other diff_ids. */
int image_config_with_layers(const char *text, size_t len, const struct strv *diff_ids, struct buf *ret, struct err *e) must_use;
