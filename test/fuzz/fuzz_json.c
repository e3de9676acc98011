/* SPDX-License-Identifier: Apache-2.0 */
/* JSON: what is taken is written, with and without indents, and reads the same again. */
#include "codec/json.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x) ((x) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = {};
	own(json) struct json *first = NULL;
	if (json_parse((const char *)data, size, &first, &e) < 0) {
		CHECK(*e.text && e.kind && !first);
		return 0;
	}
	own(buf) struct buf text = {};
	json_format(first, 0, &text);
	for (int indent = 0; indent <= 4; indent += 4) {
		own(buf) struct buf written = {}, again = {};
		own(json) struct json *second = NULL;
		json_format(first, indent, &written);
		CHECK(json_parse(written.data, written.len, &second, &e) == 0);
		json_format(second, 0, &again);
		CHECK(text.len == again.len && memcmp(text.data, again.data, text.len) == 0);
	}
	return 0;
}
