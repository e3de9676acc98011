/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What comes with an image: a reference that is taken reads the same when written whole; a document that is taken keeps
 * what types.h promises, and is written and read again.
 * fuzz: image
 */
#include "codec/digest.h"
#include "image/platform.h"
#include "image/ref.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x) ((x) ? (void)0 : abort())

static void reference(const char *text)
{
	struct ref r, again;
	struct err e = {};
	char whole[REF_TEXT], familiar[REF_TEXT];
	(void)ref_is_id(text);
	if (ref_parse(text, &r, &e) < 0) {
		CHECK(e.kind == ERR_USAGE && *e.text);
		return;
	}
	CHECK(!strstr(r.repository, "..") && !strchr(ref_format(&r, whole), '%') && *r.repository != '/');
	CHECK(ref_parse(whole, &again, &e) == 0 && memcmp(&r, &again, sizeof r) == 0);
	CHECK(ref_parse(ref_format_familiar(&r, familiar), &again, &e) == 0 && memcmp(&r, &again, sizeof r) == 0);
}

static void documents(const struct json *j)
{
	own(arena) struct arena a = {};
	struct manifest m;
	struct image_index x;
	struct image_config c;
	struct platform_want w;
	struct err e = {};
	CHECK(platform_parse("linux/arm64", &w, &e) == 0);
	(void)types_document("application/json", j);
	if (manifest_parse(j, &a, &m, &e) == 0) {
		CHECK(digest_is_valid(m.config.digest) && m.layers.n <= 512);
		own(json) struct json *again = jmap_format(&manifest_table, &m);
		CHECK(manifest_parse(again, &a, &m, &e) == 0);
	}
	if (image_index_parse(j, &a, &x, &e) == 0) {
		own(buf) struct buf list = {};
		CHECK(platform_choose(&w, &x) < (ssize_t)x.manifests.n);
		platform_list(&x, &list);
		CHECK(!list.len || !strpbrk(list.data, "\x1b\n\r"));
	}
	if (image_config_parse(j, &a, &c, &e) == 0) {
		own(json) struct json *again = jmap_format(&image_config_table, &c);
		CHECK(image_config_parse(again, &a, &c, &e) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	own(mem) char *text = mem_ndup((const char *)data, size);
	own(json) struct json *j = NULL;
	struct err e = {};
	struct platform_want w;
	reference(text);
	(void)!platform_parse(text, &w, &e);
	if (json_parse((const char *)data, size, &j, &e) == 0)
		documents(j);
	return 0;
}
