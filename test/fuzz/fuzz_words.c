/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of words, a line each: a mount's options, and names of capabilities. A flag is not set and cleared at once, and what the file system is
 * given was said; a set of capabilities has no bit without a name.
 * fuzz: sys
 */
#include "base/mem.h"
#include "sys/caps.h"
#include "sys/mount.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x) ((x) ? (void)0 : abort())

static void options(const struct strv *words)
{
	struct mount_words w = {};
	struct err e = {};
	if (mount_parse_words(words, &w, &e) < 0) {
		CHECK(e.kind && *e.text);
	} else {
		for (size_t i = 0; i < w.data.n; i++)
			CHECK(strv_has(words, w.data.v[i]));
		CHECK(!(w.set & w.clear) && !(w.rset & w.rclear));
	}
	mount_words_drop(&w);
}

static void capabilities(const struct strv *names)
{
	const char *unknown = NULL;
	uint64_t set = caps_set(names, &unknown);
	size_t bits = 0;
	for (int i = 0; i < 64; i++) {
		if (!(set >> i & 1))
			continue;
		CHECK(caps_name(i));
		bits++;
	}
	CHECK(bits <= names->n);
	CHECK(!unknown || (strv_has(names, unknown) && caps_number(unknown) < 0));
	for (size_t i = 0; i < names->n; i++)
		CHECK(unknown || (caps_number(names->v[i]) >= 0 && set >> caps_number(names->v[i]) & 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	own(mem) char *text = mem_ndup((const char *)data, size);
	own(strv) struct strv words = {};
	strv_split(&words, text, '\n');
	options(&words);
	capabilities(&words);
	return 0;
}
