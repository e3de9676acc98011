/* SPDX-License-Identifier: Apache-2.0 */
/*
 * types: the documents as tables, then what a table cannot say: digests are digests, sizes are bounded, what is an
 * image and what is something else that a registry may hold (a chart, an attestation, a plugin).
 */
#include "image/types.h"

#include "codec/digest.h"

enum {
	LAYERS_MAX = 512,
	MANIFESTS_MAX = 4096,
};
#define DOCUMENT_SIZE_MAX ((uint64_t)4 << 20)
#define LAYER_SIZE_MAX    ((uint64_t)1 << 42)

static const struct jfield platform_fields[] = {
	JFF(struct platform, "architecture", architecture, JT_STR, JF_ALWAYS),
	JFF(struct platform, "os", os, JT_STR, JF_ALWAYS),
	JF(struct platform, "os.version", os_version, JT_STR),
	JF(struct platform, "os.features", os_features, JT_STRV),
	JF(struct platform, "variant", variant, JT_STR),
};
const struct jtable platform_table = JTABLE(struct platform, platform_fields);

static const struct jfield descriptor_fields[] = {
	JF(struct descriptor, "mediaType", media_type, JT_STR),
	JFF(struct descriptor, "digest", digest, JT_STR, JF_REQUIRED | JF_ALWAYS),
	JFF(struct descriptor, "size", size, JT_U64, JF_REQUIRED | JF_ALWAYS),
	JF(struct descriptor, "urls", urls, JT_STRV),
	JF(struct descriptor, "annotations", annotations, JT_MAP),
	JFS(struct descriptor, "platform", platform, JT_PTR, platform_table),
	JF(struct descriptor, "artifactType", artifact_type, JT_STR),
};
const struct jtable descriptor_table = JTABLE(struct descriptor, descriptor_fields);

static const struct jfield manifest_fields[] = {
	JFF(struct manifest, "schemaVersion", schema, JT_I64, JF_REQUIRED | JF_ALWAYS),
	JF(struct manifest, "mediaType", media_type, JT_STR),
	JF(struct manifest, "artifactType", artifact_type, JT_STR),
	JFSF(struct manifest, "config", config, JT_STRUCT, descriptor_table, JF_REQUIRED),
	JFSF(struct manifest, "layers", layers, JT_LIST, descriptor_table, JF_ALWAYS),
	JFS(struct manifest, "subject", subject, JT_PTR, descriptor_table),
	JF(struct manifest, "annotations", annotations, JT_MAP),
};
const struct jtable manifest_table = JTABLE(struct manifest, manifest_fields);

static const struct jfield index_fields[] = {
	JFF(struct image_index, "schemaVersion", schema, JT_I64, JF_REQUIRED | JF_ALWAYS),
	JF(struct image_index, "mediaType", media_type, JT_STR),
	JFSF(struct image_index, "manifests", manifests, JT_LIST, descriptor_table, JF_ALWAYS),
	JF(struct image_index, "annotations", annotations, JT_MAP),
};
const struct jtable image_index_table = JTABLE(struct image_index, index_fields);

static const struct jfield healthcheck_fields[] = {
	JF(struct healthcheck, "Test", test, JT_STRV),
	JF(struct healthcheck, "Interval", interval, JT_I64),
	JF(struct healthcheck, "Timeout", timeout, JT_I64),
	JF(struct healthcheck, "StartPeriod", start_period, JT_I64),
	JF(struct healthcheck, "StartInterval", start_interval, JT_I64),
	JF(struct healthcheck, "Retries", retries, JT_I64),
};
const struct jtable healthcheck_table = JTABLE(struct healthcheck, healthcheck_fields);

/* Order, and what is written when it is empty, are docker's in `inspect`. */
static const struct jfield run_config_fields[] = {
	JFF(struct image_run_config, "Hostname", hostname, JT_STR, JF_ALWAYS),
	JFF(struct image_run_config, "Domainname", domainname, JT_STR, JF_ALWAYS),
	JFF(struct image_run_config, "User", user, JT_STR, JF_ALWAYS),
	JFF(struct image_run_config, "AttachStdin", attach_stdin, JT_BOOL, JF_ALWAYS),
	JFF(struct image_run_config, "AttachStdout", attach_stdout, JT_BOOL, JF_ALWAYS),
	JFF(struct image_run_config, "AttachStderr", attach_stderr, JT_BOOL, JF_ALWAYS),
	JF(struct image_run_config, "ExposedPorts", exposed_ports, JT_KEYS),
	JFF(struct image_run_config, "Tty", tty, JT_BOOL, JF_ALWAYS),
	JFF(struct image_run_config, "OpenStdin", open_stdin, JT_BOOL, JF_ALWAYS),
	JFF(struct image_run_config, "StdinOnce", stdin_once, JT_BOOL, JF_ALWAYS),
	JFF(struct image_run_config, "Env", env, JT_STRV, JF_ALWAYS | JF_NULL),
	JFF(struct image_run_config, "Cmd", cmd, JT_STRV, JF_ALWAYS | JF_NULL),
	JFS(struct image_run_config, "Healthcheck", healthcheck, JT_PTR, healthcheck_table),
	JF(struct image_run_config, "ArgsEscaped", args_escaped, JT_BOOL),
	JFF(struct image_run_config, "Volumes", volumes, JT_KEYS, JF_ALWAYS | JF_NULL),
	JFF(struct image_run_config, "WorkingDir", working_dir, JT_STR, JF_ALWAYS),
	JFF(struct image_run_config, "Entrypoint", entrypoint, JT_STRV, JF_ALWAYS | JF_NULL),
	JFF(struct image_run_config, "OnBuild", on_build, JT_STRV, JF_ALWAYS | JF_NULL),
	JFF(struct image_run_config, "Labels", labels, JT_MAP, JF_ALWAYS | JF_NULL),
	JF(struct image_run_config, "StopSignal", stop_signal, JT_STR),
	JF(struct image_run_config, "StopTimeout", stop_timeout, JT_OI64),
	JF(struct image_run_config, "Shell", shell, JT_STRV),
};
const struct jtable image_run_config_table = JTABLE(struct image_run_config, run_config_fields);

static const struct jfield history_fields[] = {
	JF(struct image_history, "created", created, JT_STR),
	JF(struct image_history, "author", author, JT_STR),
	JF(struct image_history, "created_by", created_by, JT_STR),
	JF(struct image_history, "comment", comment, JT_STR),
	JF(struct image_history, "empty_layer", empty_layer, JT_BOOL),
};
static const struct jtable history_table = JTABLE(struct image_history, history_fields);

static const struct jfield rootfs_fields[] = {
	JFF(struct image_rootfs, "type", type, JT_STR, JF_ALWAYS),
	JFF(struct image_rootfs, "diff_ids", diff_ids, JT_STRV, JF_ALWAYS),
};
static const struct jtable rootfs_table = JTABLE(struct image_rootfs, rootfs_fields);

static const struct jfield config_fields[] = {
	JF(struct image_config, "created", created, JT_STR),
	JF(struct image_config, "author", author, JT_STR),
	JFF(struct image_config, "architecture", architecture, JT_STR, JF_ALWAYS),
	JF(struct image_config, "variant", variant, JT_STR),
	JFF(struct image_config, "os", os, JT_STR, JF_ALWAYS),
	JF(struct image_config, "os.version", os_version, JT_STR),
	JF(struct image_config, "os.features", os_features, JT_STRV),
	JFS(struct image_config, "config", config, JT_STRUCT, image_run_config_table),
	JFSF(struct image_config, "rootfs", rootfs, JT_STRUCT, rootfs_table, JF_REQUIRED),
	JFS(struct image_config, "history", history, JT_LIST, history_table),
	JF(struct image_config, "docker_version", docker_version, JT_STR),
	JF(struct image_config, "container", container, JT_STR),
	JF(struct image_config, "comment", comment, JT_STR),
	JF(struct image_config, "parent", parent, JT_STR),
};
const struct jtable image_config_table = JTABLE(struct image_config, config_fields);

static const char *const index_types[] = {TYPE_OCI_INDEX, TYPE_DOCKER_LIST};
static const char *const manifest_types[] = {TYPE_OCI_MANIFEST, TYPE_DOCKER_MANIFEST};
static const char *const config_types[] = {TYPE_OCI_CONFIG, TYPE_DOCKER_CONFIG, "application/octet-stream", ""};
static const char *const layer_types[] = {
	"application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.layer.v1.tar+gzip", "application/vnd.oci.image.layer.v1.tar+zstd",
	"application/vnd.docker.image.rootfs.diff.tar", "application/vnd.docker.image.rootfs.diff.tar.gzip",
	"application/vnd.docker.image.rootfs.diff.tar.zstd", "application/vnd.docker.image.rootfs.diff.tar+zstd", "",
};

static bool is_one_of(const char *type, const char *const *types, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(types[i], type ? type : "") == 0)
			return true;
	return false;
}

enum document types_document(const char *media_type, const struct json *j)
{
	const char *own_type = json_get_str(j, "mediaType");
	/* The document's own word counts more than the header of whoever sent it; its shape is the last resort. */
	const char *const said[] = {own_type, media_type};
	for (size_t i = 0; i < countof(said); i++) {
		if (said[i] && is_one_of(said[i], index_types, countof(index_types)))
			return DOCUMENT_INDEX;
		if (said[i] && is_one_of(said[i], manifest_types, countof(manifest_types)))
			return DOCUMENT_MANIFEST;
	}
	if (json_kind(json_get(j, "manifests")) == JSON_ARRAY && !json_has(j, "layers"))
		return DOCUMENT_INDEX;
	if (json_kind(json_get(j, "config")) == JSON_OBJECT && !json_has(j, "manifests"))
		return DOCUMENT_MANIFEST;
	return DOCUMENT_OTHER;
}

/* A media type of a stranger in an error's text: printable, and not endless. */
static const char *shown(const char *text, char out[80])
{
	size_t n = 0;
	for (; text && text[n] > ' ' && text[n] < 127 && n < 79; n++)
		out[n] = text[n];
	out[n] = 0;
	return n ? out : "no type";
}

static int check_schema(const struct json *j, struct err *e)
{
	if (json_kind(j) != JSON_OBJECT)
		return err_set(e, ERR_CORRUPT, "manifest: not a JSON object");
	int64_t schema = json_i64(json_get(j, "schemaVersion"));
	if (schema == 1)
		return err_set(e, ERR_UNSUPPORTED, "the image has a manifest of the old schema version 1: push it again with a current docker, podman "
			"or skopeo");
	if (schema != 2)
		return err_set(e, ERR_CORRUPT, "manifest: schemaVersion must be 2");
	return 0;
}

struct json *descriptor_json(const char *media_type, const char *digest, uint64_t size)
{
	struct json *j = json_new_object();
	json_set_str(j, "mediaType", media_type);
	json_set_str(j, "digest", digest);
	json_set(j, "size", json_new_u64(size));
	return j;
}

static int check_descriptor(const struct descriptor *d, uint64_t max, const char *what, struct err *e)
{
	if (!digest_is_valid(d->digest))
		return err_set(e, ERR_CORRUPT, "manifest: the digest of %s is not a valid one", what);
	if (d->size > max)
		return err_set(e, ERR_LIMIT, "manifest: %s %.19s is too big: %llu bytes (%llu at most)", what, d->digest, (unsigned long long)d->size,
			(unsigned long long)max);
	return 0;
}

/* A wrong type of a field is the fault of who made the document, not of the user. */
static int parse_document(const struct jtable *t, const struct json *j, int flags, struct arena *a, void *st, const char *what, struct err *e)
{
	if (jmap_parse(t, j, flags, a, st, what, e) == 0)
		return 0;
	e->kind = ERR_CORRUPT;
	return -1;
}

static int check_layer(const struct descriptor *d, struct err *e)
{
	char text[80];
	if (check_descriptor(d, LAYER_SIZE_MAX, "layer", e) < 0)
		return -1;
	if (is_one_of(d->media_type, layer_types, countof(layer_types)))
		return 0;
	const char *type = shown(d->media_type, text);
	if (strstr(type, "foreign") || strstr(type, "nondistributable"))
		return err_set(e, ERR_UNSUPPORTED, "layer %.19s is a foreign layer (%s), kept on another server: such images are not supported",
			d->digest, type);
	return err_set(e, ERR_UNSUPPORTED, "layer %.19s has type %s: not a layer of a container image that can be unpacked", d->digest, type);
}

int manifest_parse(const struct json *j, struct arena *a, struct manifest *ret, struct err *e)
{
	struct manifest m = {};
	char text[80];
	if (check_schema(j, e) < 0 || parse_document(&manifest_table, j, 0, a, &m, "manifest", e) < 0)
		return -1;
	if (m.artifact_type && *m.artifact_type && !is_one_of(m.artifact_type, config_types, countof(config_types)))
		return err_set(e, ERR_UNSUPPORTED, "not a container image but an artifact of type %s", shown(m.artifact_type, text));
	if (!is_one_of(m.config.media_type, config_types, countof(config_types)))
		return err_set(e, ERR_UNSUPPORTED, "not a container image: its configuration has type %s", shown(m.config.media_type, text));
	if (check_descriptor(&m.config, DOCUMENT_SIZE_MAX, "config", e) < 0)
		return -1;
	if (m.layers.n > LAYERS_MAX)
		return err_set(e, ERR_LIMIT, "manifest: %zu layers (%d at most)", m.layers.n, LAYERS_MAX);
	for (size_t i = 0; i < m.layers.n; i++)
		if (check_layer(&m.layers.v[i], e) < 0)
			return -1;
	*ret = m;
	return 0;
}

int image_index_parse(const struct json *j, struct arena *a, struct image_index *ret, struct err *e)
{
	struct image_index x = {};
	if (check_schema(j, e) < 0 || parse_document(&image_index_table, j, 0, a, &x, "index", e) < 0)
		return -1;
	if (x.manifests.n > MANIFESTS_MAX)
		return err_set(e, ERR_LIMIT, "index: %zu manifests (%d at most)", x.manifests.n, MANIFESTS_MAX);
	for (size_t i = 0; i < x.manifests.n; i++)
		if (check_descriptor(&x.manifests.v[i], DOCUMENT_SIZE_MAX, "manifest", e) < 0)
			return -1;
	*ret = x;
	return 0;
}

int image_config_parse(const struct json *j, struct arena *a, struct image_config *ret, struct err *e)
{
	struct image_config c = {};
	if (parse_document(&image_config_table, j, JMAP_NOCASE, a, &c, "image config", e) < 0)
		return -1;
	if (c.rootfs.diff_ids.n > LAYERS_MAX)
		return err_set(e, ERR_LIMIT, "image config: %zu layers (%d at most)", c.rootfs.diff_ids.n, LAYERS_MAX);
	for (size_t i = 0; i < c.rootfs.diff_ids.n; i++)
		if (!digest_is_valid(c.rootfs.diff_ids.v[i]))
			return err_set(e, ERR_CORRUPT, "image config: rootfs.diff_ids[%zu] is not a valid digest", i);
	*ret = c;
	return 0;
}

int types_check(const struct manifest *m, const struct image_config *c, struct err *e)
{
	if (m->layers.n != c->rootfs.diff_ids.n)
		return err_set(e, ERR_CORRUPT, "the manifest has %zu layers, the image config %zu", m->layers.n, c->rootfs.diff_ids.n);
	return 0;
}

int image_config_with_layers(const char *text, size_t len, const struct strv *diff_ids, struct buf *ret, struct err *e)
{
	own(json) struct json *j = NULL;
	if (json_parse(text, len, &j, e) < 0)
		return err_wrap(e, "image config");
	struct json *ids = json_new_array(), *rootfs = json_new_object();
	for (size_t i = 0; i < diff_ids->n; i++)
		json_add(ids, json_new_str(diff_ids->v[i]));
	json_set_str(rootfs, "type", "layers");
	json_set(rootfs, "diff_ids", ids);
	json_set(j, "rootfs", rootfs);
	json_format(j, 0, ret);
	return buf_check(ret, e);
}
