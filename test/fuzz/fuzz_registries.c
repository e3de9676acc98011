/* SPDX-License-Identifier: Apache-2.0 */
/*
 * registries.conf: what is taken as TOML is written as JSON and read again; what is taken as registries gives every name at least one
 * place, and each place a name that can be asked for.
 * fuzz: image/registries.c image/ref.c
 */
#include "codec/toml.h"
#include "image/registries.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x) ((x) ? (void)0 : abort())

static void ask(const struct registries *r, const char *name)
{
	own(arena) struct arena a = {};
	own(strv) struct strv names = {};
	struct endpoints places = {};
	struct ref ref;
	struct err e = {};
	CHECK(ref_parse(name, &ref, &e) == 0);
	if (registries_resolve(r, &ref, true, &a, &places, &e) == 0) {
		CHECK(places.n > 0 && !places.v[places.n - 1].mirror);
		for (size_t i = 0; i < places.n; i++)
			CHECK(*places.v[i].registry && *places.v[i].repository && !strstr(places.v[i].repository, ".."));
	} else {
		CHECK(e.kind != ERR_NONE && *e.text);
	}
	CHECK(registries_names(r, name, &names, &e) == 0 && names.n > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct registries r = {};
	own(json) struct json *j = NULL;
	own(json) struct json *again = NULL;
	own(buf) struct buf text = {};
	struct err e = {};
	if (toml_parse((const char *)data, size, &j, &e) == 0) {
		json_format(j, 0, &text);
		struct err ignored = {};
		/* a key with a NUL in it is cut, a NUL in a text is not */
		(void)!json_parse(buf_text(&text), text.len, &again, &ignored);
	} else {
		CHECK(e.kind == ERR_CORRUPT || e.kind == ERR_LIMIT);
	}
	if (registries_parse((const char *)data, size, "fuzz", &r, &e) == 0) {
		ask(&r, "nginx");
		ask(&r, "quay.io/a/b:1");
		ask(&r, "localhost:5000/x@sha256:0000000000000000000000000000000000000000000000000000000000000000");
	}
	registries_drop(&r);
	return 0;
}
