/* SPDX-License-Identifier: Apache-2.0 */
/* YAML: what is taken is JSON that reads the same again. */
#include "codec/yaml.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x) ((x) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = {};
	own(json) struct json *first = NULL, *second = NULL;
	own(buf) struct buf text = {}, again = {};
	if (yaml_parse((const char *)data, size, &first, &e) < 0) {
		CHECK(*e.text && e.kind && !first);
		return 0;
	}
	json_format(first, 0, &text);
	CHECK(json_parse(text.data, text.len, &second, &e) == 0);
	json_format(second, 0, &again);
	CHECK(text.len == again.len && memcmp(text.data, again.data, text.len) == 0);
	return 0;
}
