/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sealed_key: see sealed_key.h. The JSON is go-tuf's: {"kdf": {"name": "scrypt", "params": {N, r, p}, "salt"}, "cipher": {"name":
 * "nacl/secretbox", "nonce"}, "ciphertext"}, texts in base64; what is inside is PKCS #8 in DER.
 */
#include "codec/sealed_key.h"

#include "base/dynlib.h"
#include "base/str.h"
#include "codec/base64.h"
#include "codec/json.h"

#include <string.h>

enum { SEALED_MAX = 64 << 10, LINE = 64, KEY = 32, NONCE = 24, TAG = 16, MEMORY_MAX = 256 << 20, ROUNDS_MAX = 16 };

/* libsodium's, without its headers: they are needed nowhere else. */
int crypto_pwhash_scryptsalsa208sha256_ll(const uint8_t *password, size_t password_len, const uint8_t *salt, size_t salt_len, uint64_t n, uint32_t r,
	uint32_t p, uint8_t *out, size_t out_len);
int crypto_secretbox_open_easy(unsigned char *plain, const unsigned char *sealed, unsigned long long sealed_len, const unsigned char *nonce,
	const unsigned char *key);
static struct {
	DYNLIB_FN(crypto_pwhash_scryptsalsa208sha256_ll);
	DYNLIB_FN(crypto_secretbox_open_easy);
} sodium;
static const struct dynlib_symbol symbols[] = {
	DYNLIB_SYMBOL(sodium, crypto_pwhash_scryptsalsa208sha256_ll),
	DYNLIB_SYMBOL(sodium, crypto_secretbox_open_easy),
};
static struct dynlib lib = {"libsodium.so.23", "libsodium23", symbols, countof(symbols)};

static const char *const words[] = {"SIGSTORE", "COSIGN"};

/* Behind the first line; the text is up to the next dash. */
static const char *body_of(const char *pem)
{
	for (size_t i = 0; i < countof(words); i++) {
		own(mem) char *head = mem_printf("-----BEGIN ENCRYPTED %s PRIVATE KEY-----", words[i]);
		const char *at = strstr(pem, head);
		if (at)
			return at + strlen(head);
	}
	return NULL;
}

bool sealed_key_is(const char *pem)
{
	return body_of(pem) != NULL;
}

static int decode(const char *what, const char *text, struct buf *ret, struct err *e)
{
	*ret = BUF(SEALED_MAX);
	return !text ? err_set(e, ERR_CORRUPT, "encrypted key: no %s", what) : base64_decode(text, ret, e) < 0 ? err_wrap(e, "encrypted key: %s", what) : 0;
}

static int read_json(const char *pem, struct json **ret, struct err *e)
{
	own(buf) struct buf text = BUF(SEALED_MAX), plain = {};
	for (const char *p = body_of(pem); p && *p && *p != '-'; p++)
		if (!strchr(" \t\r\n", *p))
			buf_char(&text, *p);
	return decode("text", buf_text(&text), &plain, e) < 0 ? -1 : json_parse(buf_text(&plain), plain.len, ret, e);
}

static int make_key(const struct json *kdf, const char *password, unsigned char key[KEY], struct err *e)
{
	const struct json *params = json_get(kdf, "params");
	uint64_t n = json_u64(json_get(params, "N")), r = json_u64(json_get(params, "r")), p = json_u64(json_get(params, "p"));
	own(buf) struct buf salt = {};
	if (!str_eq(json_get_str(kdf, "name"), "scrypt"))
		return err_set(e, ERR_UNSUPPORTED, "encrypted key: only scrypt makes its key of a password");
	if (n < 2 || (n & (n - 1)) || !r || !p || r > ROUNDS_MAX || p > ROUNDS_MAX || n > MEMORY_MAX / 128 / r)
		return err_set(e, ERR_LIMIT, "encrypted key: N, r and p of scrypt ask for too much");
	if (decode("salt", json_get_str(kdf, "salt"), &salt, e) < 0)
		return -1;
	if (sodium.crypto_pwhash_scryptsalsa208sha256_ll((const uint8_t *)password, strlen(password), (const uint8_t *)buf_text(&salt), salt.len, n,
			(uint32_t)r, (uint32_t)p, key, KEY) != 0)
		return err_set(e, ERR_SYSTEM, "encrypted key: scrypt failed");
	return 0;
}

static void add_pem(const struct buf *der, struct buf *ret)
{
	own(buf) struct buf text = BUF(2 * SEALED_MAX);
	base64_encode(der->data, der->len, &text);
	buf_str(ret, "-----BEGIN PRIVATE KEY-----\n");
	for (size_t i = 0; i < text.len; i += LINE)
		buf_printf(ret, "%.*s\n", LINE, buf_text(&text) + i);
	buf_str(ret, "-----END PRIVATE KEY-----\n");
	explicit_bzero(text.data, text.len);
}

int sealed_key_open(const char *pem, const char *password, struct buf *ret, struct err *e)
{
	own(json) struct json *j = NULL;
	own(buf) struct buf nonce = {}, sealed = {}, plain = BUF(SEALED_MAX);
	unsigned char key[KEY];
	if (dynlib_open(&lib, e) < 0 || read_json(pem, &j, e) < 0 || make_key(json_get(j, "kdf"), password, key, e) < 0)
		return -1;
	const struct json *cipher = json_get(j, "cipher");
	if (!str_eq(json_get_str(cipher, "name"), "nacl/secretbox"))
		return err_set(e, ERR_UNSUPPORTED, "encrypted key: only nacl/secretbox is known");
	if (decode("nonce", json_get_str(cipher, "nonce"), &nonce, e) < 0 || decode("ciphertext", json_get_str(j, "ciphertext"), &sealed, e) < 0)
		return -1;
	unsigned char *to = nonce.len == NONCE && sealed.len > TAG ? (unsigned char *)buf_room(&plain, sealed.len) : NULL;
	if (!to)
		return err_set(e, ERR_CORRUPT, "encrypted key: nonce or ciphertext is no such");
	int r = sodium.crypto_secretbox_open_easy(to, (unsigned char *)sealed.data, sealed.len, (unsigned char *)nonce.data, key);
	explicit_bzero(key, sizeof key);
	if (r != 0)
		return err_set(e, ERR_DENIED, "encrypted key: the password is wrong");
	plain.len = sealed.len - TAG;
	add_pem(&plain, ret);
	explicit_bzero(plain.data, plain.len);
	return buf_check(ret, e);
}
