/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signature: in a library context of our own, as digest.c has one.
 */
#include "codec/signature.h"

#include "base/dynlib.h"

#undef unused /* OpenSSL's headers use the word themselves */
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

static struct {
	DYNLIB_FN(OSSL_LIB_CTX_new);
	DYNLIB_FN(BIO_new_mem_buf);
	DYNLIB_FN(BIO_free);
	DYNLIB_FN(PEM_read_bio_PUBKEY_ex);
	DYNLIB_FN(PEM_read_bio_PrivateKey_ex);
	DYNLIB_FN(EVP_PKEY_free);
	DYNLIB_FN(EVP_PKEY_get_base_id);
	DYNLIB_FN(EVP_PKEY_get_bits);
	DYNLIB_FN(EVP_MD_CTX_new);
	DYNLIB_FN(EVP_MD_CTX_free);
	DYNLIB_FN(EVP_DigestSignInit_ex);
	DYNLIB_FN(EVP_DigestSign);
	DYNLIB_FN(EVP_DigestVerifyInit_ex);
	DYNLIB_FN(EVP_DigestVerify);
} crypto;

static const struct dynlib_symbol symbols[] = {
	DYNLIB_SYMBOL(crypto, OSSL_LIB_CTX_new),
	DYNLIB_SYMBOL(crypto, BIO_new_mem_buf),
	DYNLIB_SYMBOL(crypto, BIO_free),
	DYNLIB_SYMBOL(crypto, PEM_read_bio_PUBKEY_ex),
	DYNLIB_SYMBOL(crypto, PEM_read_bio_PrivateKey_ex),
	DYNLIB_SYMBOL(crypto, EVP_PKEY_free),
	DYNLIB_SYMBOL(crypto, EVP_PKEY_get_base_id),
	DYNLIB_SYMBOL(crypto, EVP_PKEY_get_bits),
	DYNLIB_SYMBOL(crypto, EVP_MD_CTX_new),
	DYNLIB_SYMBOL(crypto, EVP_MD_CTX_free),
	DYNLIB_SYMBOL(crypto, EVP_DigestSignInit_ex),
	DYNLIB_SYMBOL(crypto, EVP_DigestSign),
	DYNLIB_SYMBOL(crypto, EVP_DigestVerifyInit_ex),
	DYNLIB_SYMBOL(crypto, EVP_DigestVerify),
};
static struct dynlib lib = {"libcrypto.so.3", "libssl3", symbols, countof(symbols)};

enum { SIGNATURE_MAX = 512, CURVE_BITS = 256, PEM_MAX = 64 << 10 };

static void key_drop(EVP_PKEY **k)
{
	if (*k)
		crypto.EVP_PKEY_free(*k);
}

static void context_drop(EVP_MD_CTX **c)
{
	if (*c)
		crypto.EVP_MD_CTX_free(*c);
}

static OSSL_LIB_CTX *library(void)
{
	static OSSL_LIB_CTX *ctx;
	if (!ctx)
		ctx = crypto.OSSL_LIB_CTX_new();
	return ctx;
}

/* Nobody is asked for a passphrase. */
static int no_passphrase(char *to, int size, int writing, void *arg)
{
	(void)to, (void)size, (void)writing, (void)arg;
	return -1;
}

static EVP_PKEY *read_key(const char *pem, size_t len, bool private, struct err *e)
{
	if (dynlib_open(&lib, e) < 0)
		return NULL;
	BIO *bio = len < PEM_MAX ? crypto.BIO_new_mem_buf(pem, (int)len) : NULL;
	EVP_PKEY *key = NULL;
	if (bio && private)
		key = crypto.PEM_read_bio_PrivateKey_ex(bio, NULL, no_passphrase, NULL, library(), NULL);
	else if (bio)
		key = crypto.PEM_read_bio_PUBKEY_ex(bio, NULL, no_passphrase, NULL, library(), NULL);
	if (bio)
		crypto.BIO_free(bio);
	if (key && crypto.EVP_PKEY_get_base_id(key) == EVP_PKEY_EC && (!private || crypto.EVP_PKEY_get_bits(key) == CURVE_BITS))
		return key;
	bool was_read = key;
	key_drop(&key);
	err_set_(e, ERR_USAGE, !was_read ? private ? "no private key in PEM that is not encrypted" : "no public key in PEM" :
		private ? "not a key on the curve P-256" : "not an ECDSA key");
	return NULL;
}

int signature_verify(const char *pem, size_t pem_len, const void *data, size_t len, const void *signature, size_t signature_len, struct err *e)
{
	own(key) EVP_PKEY *key = read_key(pem, pem_len, false, e);
	if (!key)
		return -1;
	own(context) EVP_MD_CTX *ctx = crypto.EVP_MD_CTX_new();
	if (!ctx || crypto.EVP_DigestVerifyInit_ex(ctx, NULL, "SHA256", library(), NULL, key, NULL) != 1)
		return err_set(e, ERR_SYSTEM, "libcrypto cannot check a signature");
	return crypto.EVP_DigestVerify(ctx, signature, signature_len, data, len) == 1;
}

int signature_make(const char *pem, size_t pem_len, const void *data, size_t len, struct buf *ret, struct err *e)
{
	unsigned char out[SIGNATURE_MAX];
	size_t n = sizeof out;
	own(key) EVP_PKEY *key = read_key(pem, pem_len, true, e);
	if (!key)
		return -1;
	own(context) EVP_MD_CTX *ctx = crypto.EVP_MD_CTX_new();
	if (!ctx || crypto.EVP_DigestSignInit_ex(ctx, NULL, "SHA256", library(), NULL, key, NULL) != 1 || crypto.EVP_DigestSign(ctx, out, &n, data, len) != 1)
		return err_set(e, ERR_SYSTEM, "libcrypto cannot make a signature");
	buf_add(ret, out, n);
	return buf_check(ret, e);
}
