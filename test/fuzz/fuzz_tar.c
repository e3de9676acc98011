/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tar reader on anything. What it takes must keep what tar.h promises, must be written again, and
 * must then read the same.
 */
#include "base/str.h"
#include "codec/tar.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x) ((x) ? (void)0 : abort())

static int to_buf(void *arg, const void *p, size_t n, struct err *e)
{
	buf_add(arg, p, n);
	return buf_check(arg, e);
}

static void check_entry(const struct tar_entry *t)
{
	uint64_t at = 0, sum = 0;
	CHECK(t->name && t->link && t->uname && t->gname && t->mode <= 07777);
	CHECK(t->uid < UINT32_MAX && t->gid < UINT32_MAX && t->size <= INT64_MAX && t->stored <= INT64_MAX);
	CHECK(t->type == TAR_FILE || !t->size);
	CHECK(t->type == TAR_FILE || !t->sparse);
	CHECK(t->sparse || t->type != TAR_FILE || t->size == t->stored);
	for (size_t i = 0; t->sparse && i < t->spans.n; i++) {
		CHECK(t->spans.v[i].length && t->spans.v[i].offset >= at);
		at = t->spans.v[i].offset + t->spans.v[i].length;
		CHECK(at > t->spans.v[i].offset && at <= t->size);
		sum += t->spans.v[i].length;
	}
	CHECK(!t->sparse || sum == t->stored);
}

/* One line of all that an entry says but its place. */
static void describe(const struct tar_entry *t, struct buf *out)
{
	bool slash = t->type != TAR_DIR || str_has_suffix(t->name, "/");
	buf_printf(out, "%d %s%s %s %o %u %u %s %s %llu %llu %lld %u %u\n", t->type, t->name, slash ? "" : "/", t->link, t->mode,
		t->uid, t->gid, t->uname, t->gname, (unsigned long long)t->size,
		(unsigned long long)(t->type == TAR_FILE ? t->stored : 0), (long long)t->mtime_ns, t->dev_major, t->dev_minor);
	for (size_t i = 0; i < t->xattrs.n; i++) {
		buf_printf(out, "%s=", t->xattrs.v[i].name);
		buf_add(out, t->xattrs.v[i].value, t->xattrs.v[i].len);
	}
	for (size_t i = 0; t->sparse && i < t->spans.n; i++)
		buf_printf(out, "%llu+%llu\n", (unsigned long long)t->spans.v[i].offset, (unsigned long long)t->spans.v[i].length);
}

/* Reads all; every other entry's data is left to be skipped when there is no writer. */
static int read_all(const void *data, size_t size, struct buf *text, struct tar_writer *w, struct err *e)
{
	own(stream) struct stream *in = stream_memory(data, size);
	own(tar_reader) struct tar_reader *r = tar_reader_new(in);
	const struct tar_entry *t;
	int found;
	for (unsigned i = 0; (found = tar_next(r, &t, e)) > 0; i++) {
		const void *p;
		ssize_t n;
		uint64_t sum = 0;
		check_entry(t);
		describe(t, text);
		if (w && tar_write_entry(w, t, e) < 0)
			return -1;
		if (!w && i % 2)
			continue;
		while ((n = tar_piece(r, &p, e)) > 0) {
			sum += (uint64_t)n;
			if (t->type != TAR_FILE)
				continue; /* a directory's own data is read, and not written */
			buf_add(text, p, (size_t)n);
			if (w)
				CHECK(tar_write_data(w, p, (size_t)n, e) == 0);
		}
		if (n < 0)
			return -1;
		CHECK(sum == t->stored);
	}
	if (w && found == 0)
		CHECK(tar_write_end(w, e) == 0);
	return found;
}

static void check(const uint8_t *data, size_t size)
{
	struct err e = {};
	own(buf) struct buf skipped = {}, text = {}, again = {}, archive = {};
	own(tar_writer) struct tar_writer *w = tar_writer_new(to_buf, &archive);
	int r = read_all(data, size, &skipped, NULL, &e);
	CHECK(r == 0 || (*e.text && e.kind));
	if (read_all(data, size, &text, w, &e) < 0)
		return;
	CHECK(r == 0);
	own(buf) struct buf copy = {};
	own(tar_writer) struct tar_writer *second = tar_writer_new(to_buf, &copy);
	CHECK(read_all(archive.data, archive.len, &again, second, &e) == 0);
	CHECK(text.len == again.len && memcmp(buf_text(&text), buf_text(&again), text.len) == 0);
	CHECK(archive.len == copy.len && memcmp(archive.data, copy.data, copy.len) == 0);
}

/* Blocks that look like headers get the right checksum: hardly any input would be more than refused else. */
static void seal(uint8_t *data, size_t size)
{
	for (uint8_t *h = data; size >= 512; h += 512, size -= 512) {
		unsigned sum = 0;
		if (memcmp(h + 257, "ustar", 5) != 0)
			continue;
		memset(h + 148, ' ', 8);
		for (size_t i = 0; i < 512; i++)
			sum += h[i];
		for (int i = 153; i >= 148; i--, sum >>= 3)
			h[i] = (uint8_t)('0' + (sum & 7));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	own(mem) uint8_t *sealed = mem_alloc(size);
	if (size)
		memcpy(sealed, data, size);
	seal(sealed, size);
	check(data, size);
	check(sealed, size);
	return 0;
}
