/* SPDX-License-Identifier: Apache-2.0 */
/* Templates: any text is refused with a message or runs over a document, in both modes. */
#include "codec/tmpl.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x) ((x) ? (void)0 : abort())

static const char document[] = "{\"Name\":\"/web\",\"Args\":[\"a\",1,null,2.5],\"State\":{\"Running\":true,\"Pid\":1},\"Labels\":{\"a\":\"b\"},\"None\":null}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	own(buf) struct buf text = BUF(1 << 16);
	buf_add(&text, data, size);
	/* A loop over a number may take as long as the number says: that is the user's own wish, and not of interest here. */
	if (text.full || strstr(buf_text(&text), "range"))
		return 0;
	for (int strict = 0; strict < 2; strict++) {
		struct err e = {};
		own(tmpl) struct tmpl *t = NULL;
		own(json) struct json *doc = NULL;
		own(buf) struct buf out = BUF(1 << 16);
		CHECK(json_parse(document, sizeof document - 1, &doc, &e) == 0);
		if (tmpl_parse(buf_text(&text), &t, &e) < 0) {
			CHECK(e.kind == ERR_USAGE && *e.text && !t);
			return 0;
		}
		if (tmpl_execute(t, doc, &(struct tmpl_options){.strict = strict}, &out, &e) < 0)
			CHECK(e.kind != ERR_NONE && *e.text);
	}
	return 0;
}
