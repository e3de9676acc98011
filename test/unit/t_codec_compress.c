/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is compressed reads back as it was, at every level, at sizes around a block; threads change nothing of it; others' tools
 * read it.
 */
#include "codec/compress.h"

#include "base/fd.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { MIB = 1 << 20 };

static int to_buf(void *arg, const void *p, size_t n, struct err *e)
{
	return buf_add(arg, p, n) < 0 ? buf_check(arg, e) : 0;
}

static char *make_plain(size_t n)
{
	char *p = mem_grow(NULL, n + 1);
	uint64_t x = 88172645463325252u;
	for (size_t i = 0; i < n; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		p[i] = i % 3 ? (char)('a' + x % 11) : (char)(i >> 8);
	}
	return p;
}

static struct buf squeeze(enum compression kind, int level, unsigned threads, const char *p, size_t n, size_t step)
{
	struct compressor *c = NULL;
	struct buf b = BUF(64 << 20);
	struct err e = {};
	assert_int_equal(compress_open(kind, level, threads, to_buf, &b, &c, &e), 0);
	for (size_t at = 0; at < n; at += step)
		assert_int_equal(compress_add(c, p + at, n - at < step ? n - at : step, &e), 0);
	assert_int_equal(compress_end(c, &e), 0);
	compress_drop(&c);
	return b;
}

static void check_back(const struct buf *b, enum compression kind, const char *p, size_t n)
{
	own(stream) struct stream *in = stream_memory(buf_text(b), b->len);
	own(stream) struct stream *plain = NULL;
	own(buf) struct buf out = BUF(64 << 20);
	enum compression found;
	struct err e = {};
	assert_int_equal(stream_decompress(in, &plain, &found, &e), 0);
	assert_int_equal(found, kind);
	if (stream_to_buf(plain, &out, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(out.len, n);
	assert_memory_equal(buf_text(&out), p, n);
}

static void test_sizes(void **state unused)
{
	static const size_t sizes[] = {0, 1, 1000, MIB - 1, MIB, MIB + 1, 2 * MIB, 3 * MIB + 17};
	own(mem) char *p = make_plain(4 * MIB);
	for (enum compression kind = COMPRESS_GZIP; kind <= COMPRESS_ZSTD; kind++)
		for (size_t i = 0; i < countof(sizes); i++) {
			own(buf) struct buf one = squeeze(kind, 0, 1, p, sizes[i], 300001);
			own(buf) struct buf two = squeeze(kind, 0, 3, p, sizes[i], 65536);
			check_back(&one, kind, p, sizes[i]);
			assert_int_equal(one.len, two.len);
			assert_memory_equal(buf_text(&one), buf_text(&two), one.len);
			if (sizes[i] >= MIB)
				assert_true(one.len < sizes[i] * 8 / 10);
		}
}

static void test_levels(void **state unused)
{
	size_t n = MIB + 5000;
	own(mem) char *p = make_plain(n);
	for (int level = 1; level <= 9; level++) {
		own(buf) struct buf gzip = squeeze(COMPRESS_GZIP, level, 2, p, n, n);
		own(buf) struct buf zstd = squeeze(COMPRESS_ZSTD, level, 2, p, n, n);
		check_back(&gzip, COMPRESS_GZIP, p, n);
		check_back(&zstd, COMPRESS_ZSTD, p, n);
	}
}

static void test_bytes_that_do_not_compress(void **state unused)
{
	size_t n = 2 * MIB + 1;
	own(mem) char *p = mem_grow(NULL, n);
	uint64_t x = 1;
	for (size_t i = 0; i < n; i++) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		p[i] = (char)(x >> 56);
	}
	for (int level = 1; level <= 9; level += 2) {
		own(buf) struct buf b = squeeze(COMPRESS_GZIP, level, 2, p, n, 100000);
		check_back(&b, COMPRESS_GZIP, p, n);
	}
}

static void test_others_read_it(void **state unused)
{
	static const char *const programs[] = {"gzip -dc", "zstd -qdc"};
	size_t n = 2 * MIB + 99;
	own(mem) char *p = make_plain(n);
	for (size_t i = 0; i < countof(programs); i++) {
		char path[] = "/tmp/t_codec_compress.XXXXXX";
		own(buf) struct buf b = squeeze(i ? COMPRESS_ZSTD : COMPRESS_GZIP, 0, 2, p, n, n);
		own(buf) struct buf out = BUF(64 << 20);
		int fd = mkstemp(path);
		assert_true(fd >= 0 && fd_write_all(fd, buf_text(&b), b.len) == 0);
		close(fd);
		own(mem) char *line = mem_printf("%s <%s 2>&1", programs[i], path);
		FILE *f = popen(line, "r");
		assert_non_null(f);
		assert_int_equal(fd_read_to_end(fileno(f), &out), 0);
		int status = pclose(f);
		unlink(path);
		if (status == 127 << 8)
			continue;
		assert_int_equal(status, 0);
		assert_int_equal(out.len, n);
		assert_memory_equal(buf_text(&out), p, n);
	}
}

static void test_refused(void **state unused)
{
	struct err e = {};
	enum compression c;
	assert_int_equal(compress_parse("gzip", &c, &e), 0);
	assert_int_equal(c, COMPRESS_GZIP);
	assert_int_equal(compress_parse("lzma", &c, &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
	assert_int_equal(compress_check_level(COMPRESS_GZIP, 10, &e), -1);
	assert_int_equal(compress_check_level(COMPRESS_GZIP, -1, &e), -1);
	assert_int_equal(compress_check_level(COMPRESS_ZSTD, 19, &e), 0);
	assert_int_equal(compress_check_level(COMPRESS_ZSTD, 20, &e), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_bytes_that_do_not_compress),
		cmocka_unit_test(test_others_read_it),
		cmocka_unit_test(test_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
