/* SPDX-License-Identifier: Apache-2.0 */
#include "image/platform.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define HEX  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define DESC(type, size) "{\"mediaType\":\"" type "\",\"digest\":\"sha256:" HEX "\",\"size\":" #size "}"
#define CONFIG DESC(TYPE_OCI_CONFIG, 100)
#define LAYER  DESC("application/vnd.oci.image.layer.v1.tar+gzip", 1000)
#define MANIFEST(config, layers) "{\"schemaVersion\":2,\"config\":" config ",\"layers\":[" layers "]}"

static int parse_manifest(const char *text, struct err *e)
{
	own(json) struct json *j = NULL;
	own(arena) struct arena a = {};
	struct manifest m;
	if (json_parse(text, strlen(text), &j, e) < 0)
		return -1;
	return manifest_parse(j, &a, &m, e);
}

static void manifests(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum err_kind kind;
		const char *why;
	} rows[] = {
		{MANIFEST(CONFIG, LAYER), ERR_NONE, ""},
		{MANIFEST(CONFIG, ""), ERR_NONE, ""},
		{MANIFEST(DESC(TYPE_DOCKER_CONFIG, 7023), DESC("application/vnd.docker.image.rootfs.diff.tar.gzip", 32654)), ERR_NONE, ""},
		{"[]", ERR_CORRUPT, "object"},
		{"{}", ERR_CORRUPT, "schemaVersion"},
		{"{\"schemaVersion\":1,\"name\":\"x\",\"fsLayers\":[]}", ERR_UNSUPPORTED, "schema version 1"},
		{"{\"schemaVersion\":2}", ERR_CORRUPT, "config: is missing"},
		{MANIFEST("{}", LAYER), ERR_CORRUPT, "digest: is missing"},
		{MANIFEST("{\"digest\":\"sha256:..\",\"size\":1}", LAYER), ERR_CORRUPT, "not a valid one"},
		{MANIFEST("{\"digest\":\"sha256:" HEX "\",\"size\":-1}", LAYER), ERR_CORRUPT, "config.size"},
		{MANIFEST(CONFIG, "{\"digest\":\"sha256:/../../etc\",\"size\":1}"), ERR_CORRUPT, "not a valid one"},
		{MANIFEST(DESC(TYPE_OCI_CONFIG, 5000000), LAYER), ERR_LIMIT, "too big"},
		{MANIFEST(CONFIG, DESC("application/vnd.oci.image.layer.v1.tar", 9223372036854775807)), ERR_LIMIT, "too big"},
		{MANIFEST(CONFIG, DESC("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", 1)), ERR_UNSUPPORTED, "foreign layer"},
		{MANIFEST(CONFIG, DESC("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", 1)), ERR_UNSUPPORTED, "encrypted"},
		{MANIFEST(CONFIG, DESC("application/vnd.in-toto+json", 1)), ERR_UNSUPPORTED, "in-toto"},
		{MANIFEST(DESC("application/vnd.cncf.helm.config.v1+json", 1), ""), ERR_UNSUPPORTED, "helm"},
		{MANIFEST("\"x\"", LAYER), ERR_CORRUPT, "manifest: config: must be an object"},
	};
	for (size_t i = 0; i < countof(rows); i++) {
		struct err e = {};
		int r = parse_manifest(rows[i].text, &e);
		if (r != (rows[i].kind ? -1 : 0) || e.kind != rows[i].kind || !strstr(e.text, rows[i].why))
			fail_msg("row %zu: %s", i, e.text);
	}
	struct buf many = {};
	buf_str(&many, "{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[");
	for (int i = 0; i < 513; i++)
		buf_printf(&many, "%s" LAYER, i ? "," : "");
	buf_str(&many, "]}");
	struct err e = {};
	assert_int_equal(parse_manifest(many.data, &e), -1);
	assert_int_equal(e.kind, ERR_LIMIT);
	buf_drop(&many);
}

static void documents(void **state)
{
	(void)state;
	static const struct {
		const char *type, *text;
		enum document is;
	} rows[] = {
		{TYPE_OCI_INDEX, "{}", DOCUMENT_INDEX},
		{TYPE_DOCKER_LIST, "{}", DOCUMENT_INDEX},
		{TYPE_OCI_MANIFEST, "{}", DOCUMENT_MANIFEST},
		{TYPE_OCI_MANIFEST, "{\"mediaType\":\"" TYPE_OCI_INDEX "\"}", DOCUMENT_INDEX},
		{"application/json", "{\"manifests\":[]}", DOCUMENT_INDEX},
		{NULL, "{\"config\":{},\"layers\":[]}", DOCUMENT_MANIFEST},
		{NULL, "{\"config\":{},\"layers\":[],\"manifests\":[]}", DOCUMENT_OTHER},
		{"text/html", "[]", DOCUMENT_OTHER},
	};
	for (size_t i = 0; i < countof(rows); i++) {
		own(json) struct json *j = NULL;
		struct err e = {};
		assert_int_equal(json_parse(rows[i].text, strlen(rows[i].text), &j, &e), 0);
		assert_int_equal(types_document(rows[i].type, j), rows[i].is);
	}
}

static void configs(void **state)
{
	(void)state;
	static const char text[] = "{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{\"user\":\"1000\",\"Env\":[\"A=b\"],\"Entrypoint\":null,"
		"\"Cmd\":[\"sh\"],\"Volumes\":{\"/v\":{}},\"ExposedPorts\":{\"80/tcp\":{}},\"Labels\":{\"a\":\"b\",\"c\":null},"
		"\"Healthcheck\":{\"Test\":[\"CMD\",\"x\"],\"Interval\":5000000000}},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:" HEX "\"]},"
		"\"history\":[{\"created_by\":\"x\",\"empty_layer\":true}]}";
	own(json) struct json *j = NULL;
	own(arena) struct arena a = {};
	struct err e = {};
	struct image_config c;
	assert_int_equal(json_parse(text, strlen(text), &j, &e), 0);
	if (image_config_parse(j, &a, &c, &e) < 0)
		fail_msg("%s", e.text);
	assert_string_equal(c.config.user, "1000");
	assert_int_equal(c.config.entrypoint.n, 0);
	assert_string_equal(c.config.volumes.v[0], "/v");
	assert_string_equal(c.config.exposed_ports.v[0], "80/tcp");
	assert_string_equal(map_get(&c.config.labels, "a"), "b");
	assert_int_equal(c.config.healthcheck->interval, 5000000000);
	assert_true(c.history.v[0].empty_layer);
	struct manifest m = {};
	assert_int_equal(types_check(&m, &c, &e), -1);
	assert_int_equal(e.kind, ERR_CORRUPT);

	static const char *const bad[] = {"{}", "[]", "{\"rootfs\":{\"diff_ids\":[\"sha256:12\"]}}", "{\"rootfs\":{\"diff_ids\":\"x\"}}",
		"{\"rootfs\":{},\"config\":{\"Cmd\":\"sh\"}}", "{\"rootfs\":{},\"config\":{\"Env\":[1]}}"};
	for (size_t i = 0; i < countof(bad); i++) {
		own(json) struct json *k = NULL;
		struct err why = {};
		assert_int_equal(json_parse(bad[i], strlen(bad[i]), &k, &why), 0);
		assert_int_equal(image_config_parse(k, &a, &c, &why), -1);
		assert_int_equal(why.kind, ERR_CORRUPT);
	}
}

static void platforms(void **state)
{
	(void)state;
	static const struct {
		const char *want, *entries; /* "os/arch/variant" between blanks */
		int best;
	} rows[] = {
		{"linux/arm64", "linux/amd64 linux/arm64/v8 linux/arm/v7", 1},
		{"linux/arm64/v8", "linux/arm64 linux/amd64", 0},
		{"arm64", "linux/amd64 linux/aarch64", 1},
		{"linux/arm64", "linux/arm/v7", -1},
		{"linux/arm/v7", "linux/arm/v5 linux/arm/v6 linux/arm/v8", 1},
		{"linux/arm", "linux/arm/v6 linux/arm/v7", 1},
		{"linux/arm/v6", "linux/arm/v7 linux/arm/v5", 1},
		{"linux/armhf", "linux/arm/v6 linux/arm", 1},
		{"linux/armel", "linux/arm linux/arm/v6", 1},
		{"linux/amd64/v1", "linux/amd64/v2 linux/amd64", 1},
		{"linux/amd64/v3", "linux/amd64 linux/amd64/v2 linux/amd64/v4", 1},
		{"linux/amd64/v4", "linux/amd64/v3", 0},
		{"linux/x86_64", "linux/386 linux/amd64", 1},
		{"linux/s390x", "linux/amd64 linux/s390x", 1},
		{"linux/riscv64", "linux/ppc64le unknown/unknown", -1},
		{"windows/amd64", "linux/amd64 windows/amd64", 1},
		{"linux/mips64le/hardfloat", "linux/mips64le linux/mips64le/hardfloat", 1},
	};
	for (size_t i = 0; i < countof(rows); i++) {
		struct err e = {};
		struct platform_want w;
		if (platform_parse(rows[i].want, &w, &e) < 0)
			fail_msg("%s: %s", rows[i].want, e.text);
		own(strv) struct strv entries = {};
		strv_split(&entries, rows[i].entries, ' ');
		int best = -1, least = 0;
		for (size_t k = 0; k < entries.n; k++) {
			own(strv) struct strv part = {};
			strv_split(&part, entries.v[k], '/');
			int rank = platform_rank(&w, part.v[0], part.v[1], part.n > 2 ? part.v[2] : NULL);
			if (rank >= 0 && (best < 0 || rank < least)) {
				best = (int)k;
				least = rank;
			}
		}
		if (best != rows[i].best)
			fail_msg("%s of %s: %d", rows[i].want, rows[i].entries, best);
	}
	/* A machine, not asked by name, takes what its processor runs too. */
	struct platform_want arm = {"linux", "arm64", "v8", false, false}, amd = {"linux", "amd64", "v1", false, false};
	assert_true(platform_rank(&arm, "linux", "arm", "v7") > platform_rank(&arm, "linux", "arm64", ""));
	assert_true(platform_rank(&arm, "linux", "arm", "v6") > platform_rank(&arm, "linux", "arm", "v7"));
	assert_true(platform_rank(&amd, "linux", "386", NULL) > platform_rank(&amd, "linux", "amd64", NULL));
	assert_int_equal(platform_rank(&amd, "linux", "amd64", "v2"), -1);
	assert_int_equal(platform_rank(&amd, "unknown", "unknown", NULL), -1);

	static const char *const bad[] = {"linux/", "/amd64", "linux/amd64/v1/x", "linux/a md", "linux//v8", "linux/\xc3\xa4"};
	for (size_t i = 0; i < countof(bad); i++) {
		struct err e = {};
		struct platform_want w;
		assert_int_equal(platform_parse(bad[i], &w, &e), -1);
		assert_int_equal(e.kind, ERR_USAGE);
	}
	struct platform_want here;
	struct err e = {};
	assert_int_equal(platform_parse(NULL, &here, &e), 0);
	assert_int_equal(platform_rank(&here, here.os, here.architecture, here.variant), 0);
	assert_int_equal(platform_check("linux/s390x", "linux", "amd64", NULL, &e), -1);
	assert_string_equal(e.text, "the image is for linux/amd64, not for linux/s390x");
	assert_int_equal(platform_check("", "linux", "amd64", NULL, &e), 0);
}

static void indexes(void **state)
{
	(void)state;
	static const char text[] = "{\"schemaVersion\":2,\"manifests\":["
		"{\"digest\":\"sha256:" HEX "\",\"size\":1,\"platform\":{\"architecture\":\"amd64\",\"os\":\"linux\"},"
		"\"annotations\":{\"vnd.docker.reference.type\":\"x\"}},"
		"{\"digest\":\"sha256:" HEX "\",\"size\":1},"
		"{\"digest\":\"sha256:" HEX "\",\"size\":1,\"platform\":{\"architecture\":\"am\\u001b[31m\",\"os\":\"linux\"}},"
		"{\"digest\":\"sha256:" HEX "\",\"size\":1,\"platform\":{\"architecture\":\"amd64\",\"os\":\"linux\"}}]}";
	own(json) struct json *j = NULL;
	own(arena) struct arena a = {};
	own(buf) struct buf list = {};
	struct err e = {};
	struct image_index x;
	struct platform_want w;
	assert_int_equal(json_parse(text, strlen(text), &j, &e), 0);
	assert_int_equal(image_index_parse(j, &a, &x, &e), 0);
	assert_int_equal(platform_parse("linux/amd64", &w, &e), 0);
	assert_int_equal(platform_choose(&w, &x), 3);
	assert_int_equal(platform_parse("linux/s390x", &w, &e), 0);
	assert_int_equal(platform_choose(&w, &x), 1); /* what does not say: its config will */
	platform_list(&x, &list);
	assert_string_equal(list.data, "linux/amd64, linux/am");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(manifests), cmocka_unit_test(documents), cmocka_unit_test(configs),
		cmocka_unit_test(platforms), cmocka_unit_test(indexes)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
