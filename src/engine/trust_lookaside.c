/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trust_lookaside: GPG signatures, which lie beside the registry (image/lookaside.h): signature-1, signature-2 … until one is not there.
 */
#include "engine/trust_remote.h"

#include "base/path.h"
#include "base/str.h"
#include "engine/image_remote.h"
#include "image/download.h"
#include "image/lookaside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

enum { SIGNATURES_MAX = 64, SIGNATURE_MAX = 1 << 20 };

static int add_data(void *arg, const void *p, size_t n, struct err *e)
{
	struct buf *b = arg;
	return buf_add(b, p, n) < 0 ? buf_check(b, e) : 0;
}

/* 1: got; 0: there is none. */
static int get(const struct pull_options *o, const char *url, struct buf *ret, struct err *e)
{
	struct err why = {};
	struct download_reply reply = {};
	const char *path = str_after(url, "file://");
	struct download d = {.program = o->program, .url = url, .max = SIGNATURE_MAX, .data = add_data, .arg = ret};
	int r = path ? path_read(AT_FDCWD, path, ret, &why) : download(&d, &reply, &why);
	if (!path && r == 0)
		download_reply_drop(&reply);
	if (r == 0)
		return 1;
	if (path ? why.sys == ENOENT || why.sys == ENOTDIR : why.kind == ERR_NOT_FOUND)
		return 0;
	*e = why;
	return -1;
}

int trust_lookaside(struct engine *g, const struct ref *ref, const char *digest, struct arena *a, struct signed_payloads *ret, struct err *e)
{
	struct pull_options o;
	own(mem) char *base = NULL;
	if (image_remote_options(g, &o, e) < 0 || lookaside_find(ref, digest, &base, e) < 0)
		return -1;
	for (size_t i = 1; ret->n < SIGNATURES_MAX; i++) {
		own(buf) struct buf text = BUF(SIGNATURE_MAX);
		own(mem) char *url = mem_printf("%s/signature-%zu", base, i);
		int r = get(&o, url, &text, e);
		if (r <= 0)
			return r < 0 ? err_wrap(e, "signatures") : 0;
		*arena_push(a, ret) = (struct signed_payload){.payload = arena_ndup(a, buf_text(&text), text.len), .payload_len = text.len};
	}
	return 0;
}
