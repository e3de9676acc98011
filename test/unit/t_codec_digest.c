/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/digest.h"
#include "codec/sha256.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* FIPS 180-4's examples */
static const char abc256[] = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
static const char abc512[] = "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
			     "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";
static const char empty256[] = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

static void grammar(void **state)
{
	(void)state;
	static const char *const bad[] = {"", "sha256", "sha256:", ":ba78", "sha1:a9993e364706816aba3e25717850c26c9cd0d89d",
		"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015a",
		"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad0",
		"sha256:BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD",
		"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f2001/..",
		"SHA256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		"sha512:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		" sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n",
		"sha256:sha256:8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"};
	for (size_t i = 0; i < countof(bad); i++)
		if (digest_is_valid(bad[i]))
			fail_msg("taken for a digest: \"%s\"", bad[i]);
	assert_false(digest_is_valid(NULL));
	assert_true(digest_is_valid(abc256));
	assert_true(digest_is_valid(abc512));
	assert_string_equal(digest_hex(abc256), abc256 + 7);
	assert_string_equal(digest_hex("none"), "");
}

static void sums(void **state)
{
	(void)state;
	struct err e = {};
	char text[DIGEST_TEXT];
	assert_int_equal(digest_of("abc", 3, text, &e), 0);
	assert_string_equal(text, abc256);
	assert_int_equal(digest_of("", 0, text, &e), 0);
	assert_string_equal(text, empty256);
	static const char *const algorithms[] = {"sha256", abc256, "sha512", abc512, NULL};
	static const char *const wanted[] = {abc256, abc256, abc512, abc512, abc256};
	for (size_t i = 0; i < countof(algorithms); i++) {
		own(digest) struct digest *d = NULL;
		assert_int_equal(digest_begin(algorithms[i], &d, &e), 0);
		digest_add(d, "a", 1);
		digest_add(d, "", 0);
		digest_add(d, "bc", 2);
		digest_end(d, text);
		assert_string_equal(text, wanted[i]);
	}
}

static void running(void **state)
{
	(void)state;
	struct err e = {};
	char text[DIGEST_TEXT];
	own(digest) struct digest *d = NULL;
	assert_int_equal(digest_begin("sha256", &d, &e), 0);
	digest_end(d, text);
	assert_string_equal(text, empty256);
	digest_add(d, "abc", 3);
	for (int i = 0; i < 2; i++) {
		digest_end(d, text);
		assert_string_equal(text, abc256);
	}
}

static void unknown(void **state)
{
	(void)state;
	static const char *const bad[] = {"", "md5", "sha256x", "sha25", ":", "sha384:00"};
	for (size_t i = 0; i < countof(bad); i++) {
		struct err e = {};
		struct digest *d = NULL;
		assert_int_equal(digest_begin(bad[i], &d, &e), -1);
		assert_int_equal(e.kind, ERR_USAGE);
		assert_null(d);
	}
}

/* The same as libcrypto's, of every length around a block's end and of long ones. */
static void short_texts(void **state)
{
	(void)state;
	static unsigned char text[70000];
	static const char hex[] = "0123456789abcdef";
	for (size_t i = 0; i < sizeof text; i++)
		text[i] = (unsigned char)(i * 131 + i / 251);
	for (size_t n = 0; n <= sizeof text; n = n < 400 ? n + 1 : n * 7 / 3 + 1) {
		struct err e = {};
		unsigned char sum[32];
		char want[DIGEST_TEXT], got[65] = "";
		own(digest) struct digest *d = NULL;
		assert_int_equal(digest_begin("sha256", &d, &e), 0);
		digest_add(d, text, n);
		digest_end(d, want);
		sha256_short(text, n, sum);
		for (size_t i = 0; i < 32; i++) {
			got[2 * i] = hex[sum[i] >> 4];
			got[2 * i + 1] = hex[sum[i] & 15];
		}
		if (strcmp(got, want + 7) != 0)
			fail_msg("%zu bytes: %s, not %s", n, got, want + 7);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(grammar), cmocka_unit_test(sums), cmocka_unit_test(short_texts), cmocka_unit_test(running),
		cmocka_unit_test(unknown)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
