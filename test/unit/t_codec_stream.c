/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams of all kinds, read in pieces of all sizes; compressed ones made by gzip, zstd and xz, whole, cut
 * short, damaged, one behind the other, and with something else behind them.
 */
#include "codec/stream.h"

#include "base/fd.h"
#include "base/mem.h"
#include "codec/decoder.h"
#include "codec/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

/* What below gives, at most `step` bytes at a time. */
struct drip {
	struct stream stream;
	struct stream *below;
	size_t step;
};

static ssize_t drip_read(struct stream *s, void *p, size_t n, struct err *e)
{
	struct drip *d = (struct drip *)s;
	return stream_read(d->below, p, n < d->step ? n : d->step, e);
}

static void drip_close(struct stream *s)
{
	free(s);
}

static struct stream *drip(struct stream *below, size_t step)
{
	struct drip *d = mem_alloc(sizeof *d);
	*d = (struct drip){{.read = drip_read, .close = drip_close}, below, step};
	return stream_own(&d->stream, below);
}

/* Lines of a text that compresses well, but not to nothing. */
static struct buf make_text(size_t lines)
{
	struct buf b = {};
	unsigned long x = 12345;
	for (size_t i = 0; i < lines; i++) {
		x = x * 6364136223846793005 + 1442695040888963407;
		buf_printf(&b, "line %zu of a text, number %lx\n", i, x >> 40);
	}
	return b;
}

/* The output of a shell command that has b as its input. */
static struct buf pipe_through(const char *command, const struct buf *b)
{
	own(fd) int in = memfd_create("in", MFD_CLOEXEC), out = memfd_create("out", MFD_CLOEXEC);
	assert_int_equal(fd_write_all(in, buf_text(b), b->len), 0);
	own(mem) char *line = mem_printf("(%s) </proc/%d/fd/%d >/proc/%d/fd/%d", command, getpid(), in, getpid(), out);
	if (system(line) != 0)
		fail_msg("failed: %s (make deps installs what tests need)", command);
	struct buf result = {};
	assert_int_equal(lseek(out, 0, SEEK_SET), 0);
	assert_int_equal(fd_read_to_end(out, &result), 0);
	return result;
}

enum { BY_MAGIC, BY_ISAL, BY_ZLIB };

/* Decodes b, read `step` bytes at a time into pieces of `piece`. */
static int decode(const struct buf *b, int with, size_t step, size_t piece, struct buf *out, struct err *e)
{
	own(stream) struct stream *in = drip(stream_memory(buf_text(b), b->len), step), *s = NULL;
	if (with == BY_MAGIC) {
		if (stream_decompress(in, &s, NULL, e) < 0)
			return -1;
	} else {
		struct feed f = feed_new(in);
		if (inflate_open(&f, with == BY_ISAL ? INFLATE_ISAL : INFLATE_ZLIB, &s, e) < 0)
			return -1;
	}
	own(mem) char *p = mem_alloc(piece);
	ssize_t r;
	buf_reset(out);
	while ((r = stream_read(s, p, piece, e)) > 0)
		buf_add(out, p, (size_t)r);
	if (r == 0) {
		assert_int_equal(stream_read(s, p, piece, e), 0);
		assert_int_equal(stream_read(in, p, 1, e), 0);
	}
	return (int)r;
}

static void assert_same(const struct buf *a, const struct buf *b)
{
	assert_int_equal(a->len, b->len);
	assert_memory_equal(buf_text(a), buf_text(b), a->len);
}

#define BZIP2 "python3 -c 'import sys, bz2; sys.stdout.buffer.write(bz2.compress(sys.stdin.buffer.read()))'"
static const char *const tools[] = {"cat", "gzip -c", "gzip -1c", "zstd -qc", "zstd -qc --check", "zstd -19qc", "xz -c", "xz -0c", BZIP2};

static bool is_gzip(const char *tool)
{
	return strncmp(tool, "gzip", 4) == 0;
}

static void round_trips(void **state)
{
	(void)state;
	static const size_t lines[] = {0, 1, 1000, 60000};
	static const size_t steps[] = {1, 13, 4096, 1 << 20}, pieces[] = {1, 511, 65536, 1 << 20};
	for (size_t l = 0; l < countof(lines); l++) {
		own(buf) struct buf text = make_text(lines[l]);
		for (size_t t = 0; t < countof(tools); t++) {
			own(buf) struct buf packed = pipe_through(tools[t], &text);
			for (size_t i = 0; i < countof(steps); i++)
				for (int with = BY_MAGIC; with <= (is_gzip(tools[t]) ? BY_ZLIB : BY_MAGIC); with++) {
					if (lines[l] > 1000 && steps[i] < 4096)
						continue;
					struct err e = {};
					own(buf) struct buf out = {};
					if (decode(&packed, with, steps[i], pieces[i], &out, &e) < 0)
						fail_msg("%s: %s", tools[t], e.text);
					assert_same(&out, &text);
				}
		}
	}
}

static void recognised(void **state)
{
	(void)state;
	static const struct { const char *tool; enum compression found; } rows[] = {{"cat", COMPRESS_NONE},
		{"gzip -c", COMPRESS_GZIP}, {"zstd -qc", COMPRESS_ZSTD}, {"xz -c", COMPRESS_XZ}, {BZIP2, COMPRESS_BZIP2},
		{"printf 'P*M\\030\\003\\0\\0\\0abc'; zstd -qc", COMPRESS_ZSTD}};
	own(buf) struct buf text = make_text(3);
	for (size_t i = 0; i < countof(rows); i++) {
		struct err e = {};
		enum compression found = 99;
		own(buf) struct buf packed = pipe_through(rows[i].tool, &text);
		own(stream) struct stream *in = stream_memory(packed.data, packed.len), *s = NULL;
		assert_int_equal(stream_decompress(in, &s, &found, &e), 0);
		assert_int_equal(found, rows[i].found);
	}
}

static void many_members(void **state)
{
	(void)state;
	static const struct { const char *command; int copies; } rows[] = {
		{"gzip -c >$D/a; cat $D/a $D/a $D/a", 3},
		{"gzip -c >$D/a; gzip -c </dev/null >$D/b; cat $D/b $D/b $D/a $D/b $D/a $D/b", 2},
		{"zstd -qc >$D/a; cat $D/a $D/a", 2},
		{"zstd -qc >$D/a; printf 'P*M\\030\\003\\0\\0\\0abc' >$D/b; cat $D/b $D/a $D/b $D/b $D/a $D/b", 2},
		{"printf '_*M\\030\\0\\0\\0\\0'", 0},
		{"xz -c >$D/a; cat $D/a $D/a", 2},
		{BZIP2 " >$D/a; cat $D/a $D/a", 2},
		{"xz -c >$D/a; printf '\\0\\0\\0\\0' >$D/b; cat $D/a $D/b $D/a $D/b $D/b", 2},
	};
	char dir[] = "/tmp/hull-stream.XXXXXX";
	assert_non_null(mkdtemp(dir));
	setenv("D", dir, 1);
	own(buf) struct buf text = make_text(2000), want = {};
	for (size_t i = 0; i < countof(rows); i++) {
		own(buf) struct buf packed = pipe_through(rows[i].command, &text);
		buf_reset(&want);
		for (int n = 0; n < rows[i].copies; n++)
			buf_add(&want, text.data, text.len);
		for (int with = BY_MAGIC; with <= (strstr(rows[i].command, "gzip") ? BY_ZLIB : BY_MAGIC); with++)
			for (size_t step = 1; step < 100000; step *= 33) {
				struct err e = {};
				own(buf) struct buf out = {};
				if (decode(&packed, with, step, 100000, &out, &e) < 0)
					fail_msg("%s: %s", rows[i].command, e.text);
				assert_same(&out, &want);
			}
	}
	own(mem) char *rm = mem_printf("rm -r %s", dir);
	assert_int_equal(system(rm), 0);
}

/* Every prefix of a compressed file is refused; that it gives part of the text first is all right. */
static void cut_short(void **state)
{
	(void)state;
	own(buf) struct buf text = make_text(20);
	for (size_t t = 1; t < countof(tools); t++) {
		own(buf) struct buf packed = pipe_through(tools[t], &text);
		size_t full = packed.len, magic = is_gzip(tools[t]) ? 2 : *tools[t] == 'z' ? 4 : *tools[t] == 'x' ? 6 : 10;
		for (packed.len = magic; packed.len < full; packed.len++)
			for (int with = BY_MAGIC; with <= (is_gzip(tools[t]) ? BY_ZLIB : BY_MAGIC); with++) {
				struct err e = {};
				own(buf) struct buf out = {};
				if (decode(&packed, with, 50, 70, &out, &e) == 0)
					fail_msg("%s: %zu of %zu bytes taken for all", tools[t], packed.len, full);
				assert_int_equal(e.kind, ERR_CORRUPT);
				assert_non_null(strstr(e.text, "unexpected end"));
			}
	}
}

/* A damaged file is refused or (a byte that does not matter: a time, a name) gives the very same text. */
static void damaged(void **state)
{
	(void)state;
	own(buf) struct buf text = make_text(20);
	for (size_t t = 1; t < countof(tools); t++) {
		if (strcmp(tools[t], "zstd -qc") == 0 || strcmp(tools[t], "zstd -19qc") == 0)
			continue; /* has a check by default; once is enough */
		own(buf) struct buf packed = pipe_through(tools[t], &text);
		size_t refused = 0;
		for (size_t i = 0; i < packed.len * 8; i += i < 200 ? 1 : 5) {
			for (int with = BY_MAGIC; with <= (is_gzip(tools[t]) ? BY_ZLIB : BY_MAGIC); with++) {
				struct err e = {};
				own(buf) struct buf out = {};
				packed.data[i / 8] ^= (char)(1 << i % 8);
				int r = decode(&packed, with, 4096, 4096, &out, &e);
				packed.data[i / 8] ^= (char)(1 << i % 8);
				refused += r < 0;
				if (r == 0 && i >= (strcmp(tools[t], BZIP2) == 0 ? 80 : 48))
					assert_same(&out, &text);
			}
		}
		assert_true(refused > packed.len);
	}
}

static void garbage_behind(void **state)
{
	(void)state;
	static const char *const behind[] = {"x", "\n", "garbage that is long enough to be a header", "\x1f\x8b\x08\x00 no member"};
	own(buf) struct buf text = make_text(20);
	for (size_t t = 1; t < countof(tools); t++)
		for (size_t i = 0; i < countof(behind); i++) {
			own(buf) struct buf packed = pipe_through(tools[t], &text);
			buf_add(&packed, behind[i], i == 3 ? 14 : strlen(behind[i]));
			for (int with = BY_MAGIC; with <= (is_gzip(tools[t]) ? BY_ZLIB : BY_MAGIC); with++) {
				struct err e = {};
				own(buf) struct buf out = {};
				assert_int_equal(decode(&packed, with, 4096, 65536, &out, &e), -1);
				assert_int_equal(e.kind, ERR_CORRUPT);
			}
		}
}

/* A frame without content that asks for a window of 1 << log bytes. */
static int open_window(int log, struct err *e)
{
	unsigned char frame[] = {0x28, 0xb5, 0x2f, 0xfd, 0, (unsigned char)((log - 10) << 3), 1, 0, 0};
	struct buf b = {.data = (char *)frame, .len = sizeof frame};
	own(buf) struct buf out = {};
	return decode(&b, BY_MAGIC, 100, 100, &out, e);
}

static uint32_t crc32_of(const unsigned char *p, size_t n)
{
	uint32_t crc = ~0u;
	for (size_t i = 0; i < n; i++) {
		crc ^= p[i];
		for (int k = 0; k < 8; k++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return ~crc;
}

/* "x" by xz, its header changed to ask for a dictionary of 2 << (bits / 2 + 11) bytes (3 << for odd bits). */
static int open_dictionary(unsigned char bits, struct err *e)
{
	own(buf) struct buf text = {}, out = {};
	buf_str(&text, "x");
	own(buf) struct buf packed = pipe_through("xz -0c", &text);
	unsigned char *header = (unsigned char *)packed.data + 12;
	size_t size = (header[0] + 1u) * 4;
	assert_int_equal(header[2], 0x21);
	assert_int_equal(header[3], 1);
	header[4] = bits;
	uint32_t crc = crc32_of(header, size - 4);
	memcpy(header + size - 4, &crc, 4);
	int r = decode(&packed, BY_MAGIC, 100, 100, &out, e);
	if (r == 0)
		assert_string_equal(buf_text(&out), "x");
	return r;
}

static void memory_bounds(void **state)
{
	(void)state;
	struct err e = {};
	assert_int_equal(open_window(27, &e), 0);
	assert_int_equal(open_window(28, &e), -1);
	assert_int_equal(e.kind, ERR_LIMIT);
	assert_int_equal(open_window(41, &e), -1);
	assert_int_equal(e.kind, ERR_LIMIT);
	assert_int_equal(open_dictionary(30, &e), 0); /* 128 MiB */
	assert_int_equal(open_dictionary(31, &e), -1);
	assert_int_equal(e.kind, ERR_LIMIT);
	assert_int_equal(open_dictionary(40, &e), -1);
	assert_int_equal(e.kind, ERR_LIMIT);
}

static void sources(void **state)
{
	(void)state;
	struct err e = {};
	char p[16] = {};
	own(fd) int fd = memfd_create("source", MFD_CLOEXEC);
	assert_int_equal(fd_write_all(fd, "0123456789", 10), 0);
	own(stream) struct stream *range = stream_range(fd, 3, 4), *far = stream_range(fd, 8, 4);
	assert_int_equal(stream_read(range, p, 16, &e), 4);
	assert_memory_equal(p, "3456", 4);
	assert_int_equal(stream_read(range, p, 16, &e), 0);
	assert_int_equal(stream_read_full(far, p, 2, &e), 0);
	assert_int_equal(stream_read(far, p, 2, &e), -1);
	assert_int_equal(e.kind, ERR_CORRUPT);
	assert_int_equal(stream_read(far, p, 2, &e), -1);

	own(stream) struct stream *passed = stream_range(fd, 1, 8);
	assert_int_equal(stream_pass(passed, 5), 5);
	assert_int_equal(stream_read(passed, p, 1, &e), 1);
	assert_int_equal(p[0], '6');
	assert_int_equal(stream_pass(passed, 5), 2);
	assert_int_equal(stream_read(passed, p, 1, &e), 0);

	assert_int_equal(lseek(fd, 1, SEEK_SET), 1);
	own(stream) struct stream *some = stream_fd(fd, 3);
	assert_int_equal(stream_read(some, p, 16, &e), 3);
	assert_memory_equal(p, "123", 3);
	assert_int_equal(stream_pass(some, 5), 0);
	assert_int_equal(stream_read(some, p, 16, &e), 0);
	own(stream) struct stream *rest = stream_fd_take(dup(fd), UINT64_MAX);
	assert_int_equal(stream_skip(rest, 4, &e), 0);
	assert_int_equal(stream_skip(rest, 3, &e), -1);
	assert_int_equal(e.kind, ERR_CORRUPT);
	own(stream) struct stream *bad = stream_fd(-1, 3);
	assert_int_equal(stream_read(bad, p, 1, &e), -1);
	assert_int_equal(e.kind, ERR_SYSTEM);
}

static void looks(void **state)
{
	(void)state;
	struct err e = {};
	char p[16], text[136], want[DIGEST_TEXT];
	uint64_t bytes = 0;
	own(stream) struct stream *in = stream_memory("abcdef", 6), *hash = NULL;
	assert_int_equal(stream_hash(in, NULL, &hash, &e), 0);
	assert_int_equal(stream_read(hash, p, 3, &e), 3);
	stream_digest(hash, text, &bytes);
	assert_int_equal(bytes, 3);
	assert_int_equal(digest_of("abc", 3, want, &e), 0);
	assert_string_equal(text, want);
	assert_int_equal(stream_to_end(hash, &bytes, &e), 0);
	assert_int_equal(bytes, 3);
	stream_digest(hash, text, NULL);
	assert_int_equal(digest_of("abcdef", 6, want, &e), 0);
	assert_string_equal(text, want);
	struct stream *none = NULL;
	assert_int_equal(stream_hash(in, "md5", &none, &e), -1);

	own(buf) struct buf out = BUF(6), small = BUF(5);
	struct stream *below = stream_memory("abcdef", 6);
	own(stream) struct stream *five = stream_own(stream_bound(below, 5, "text"), below);
	struct stream *source = stream_memory("abcdef", 6);
	own(stream) struct stream *fits = stream_own(stream_bound(source, 6, "text"), source);
	assert_int_equal(stream_to_buf(fits, &out, &e), 0);
	assert_string_equal(out.data, "abcdef");
	assert_int_equal(stream_read(five, p, 16, &e), -1);
	assert_int_equal(e.kind, ERR_LIMIT);
	assert_string_equal(e.text, "text: more than 5 bytes");
	own(stream) struct stream *again = stream_memory("abcdef", 6);
	assert_int_equal(stream_to_buf(again, &small, &e), -1);
	assert_int_equal(e.kind, ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(sources), cmocka_unit_test(looks), cmocka_unit_test(recognised),
		cmocka_unit_test(round_trips), cmocka_unit_test(many_members), cmocka_unit_test(cut_short),
		cmocka_unit_test(damaged), cmocka_unit_test(garbage_behind), cmocka_unit_test(memory_bounds)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
