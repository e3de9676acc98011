/* SPDX-License-Identifier: Apache-2.0 */
/*
 * digest: hashing by libcrypto's EVP (which picks SHA-NI and the like), in a library context of our own:
 * the default context reads openssl.cnf and its engines first, which costs a millisecond and is nothing
 * that a content digest should depend on. Until something long is hashed it is not opened (sha256.h).
 */
#include "codec/digest.h"

#include "base/mem.h"
#include "base/num.h"
#include "base/str.h"
#include "base/dynlib.h"
#include "codec/sha256.h"

#undef unused /* OpenSSL's headers use the word themselves */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>

static struct {
	DYNLIB_FN(OSSL_LIB_CTX_new);
	DYNLIB_FN(EVP_MD_fetch);
	DYNLIB_FN(EVP_MD_CTX_new);
	DYNLIB_FN(EVP_MD_CTX_free);
	DYNLIB_FN(EVP_MD_CTX_copy_ex);
	DYNLIB_FN(EVP_DigestInit_ex);
	DYNLIB_FN(EVP_DigestUpdate);
	DYNLIB_FN(EVP_DigestFinal_ex);
} crypto;

static const struct dynlib_symbol symbols[] = {
	DYNLIB_SYMBOL(crypto, OSSL_LIB_CTX_new),
	DYNLIB_SYMBOL(crypto, EVP_MD_fetch),
	DYNLIB_SYMBOL(crypto, EVP_MD_CTX_new),
	DYNLIB_SYMBOL(crypto, EVP_MD_CTX_free),
	DYNLIB_SYMBOL(crypto, EVP_MD_CTX_copy_ex),
	DYNLIB_SYMBOL(crypto, EVP_DigestInit_ex),
	DYNLIB_SYMBOL(crypto, EVP_DigestUpdate),
	DYNLIB_SYMBOL(crypto, EVP_DigestFinal_ex),
};
static struct dynlib lib = {"libcrypto.so.3", "libssl3", symbols, countof(symbols)};

enum { SHORT = 64 << 10 }; /* a third of a millisecond */

static struct algorithm {
	const char *name, *openssl;
	size_t hex;
	EVP_MD *md; /* fetched once, kept */
} algorithms[] = {
	{"sha256", "SHA2-256", 64, NULL},
	{"sha512", "SHA2-512", 128, NULL},
};

struct digest {
	const struct algorithm *algorithm;
	EVP_MD_CTX *ctx;
	bool failed;
};

static struct algorithm *algorithm_of(const char *text)
{
	size_t n = strcspn(text, ":");
	for (size_t i = 0; i < countof(algorithms); i++)
		if (strlen(algorithms[i].name) == n && memcmp(algorithms[i].name, text, n) == 0)
			return &algorithms[i];
	return NULL;
}

const char *digest_hex(const char *text)
{
	const char *colon = strchr(text, ':');
	return colon ? colon + 1 : "";
}

bool digest_is_valid(const char *text)
{
	const struct algorithm *a = text ? algorithm_of(text) : NULL;
	const char *hex = a ? digest_hex(text) : "";
	return a && strlen(hex) == a->hex && num_is_hex(hex, a->hex);
}

static EVP_MD *fetch(struct algorithm *a)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static OSSL_LIB_CTX *ctx;
	pthread_mutex_lock(&lock);
	if (!ctx)
		ctx = crypto.OSSL_LIB_CTX_new();
	if (!a->md && ctx)
		a->md = crypto.EVP_MD_fetch(ctx, a->openssl, NULL);
	EVP_MD *md = a->md;
	pthread_mutex_unlock(&lock);
	return md;
}

int digest_begin(const char *like, struct digest **ret, struct err *e)
{
	struct algorithm *a = algorithm_of(like ? like : "sha256");
	if (!a)
		return err_set(e, ERR_USAGE, "digest algorithm \"%.*s\" is not known: sha256 and sha512 are",
			(int)strnlen(like, 32), like);
	if (dynlib_open(&lib, e) < 0)
		return err_wrap(e, "%s", a->name);
	EVP_MD *md = fetch(a);
	EVP_MD_CTX *ctx = md ? crypto.EVP_MD_CTX_new() : NULL;
	if (!ctx || !crypto.EVP_DigestInit_ex(ctx, md, NULL)) {
		crypto.EVP_MD_CTX_free(ctx);
		return err_set(e, ERR_UNSUPPORTED, "%s: libcrypto offers no %s", a->name, a->openssl);
	}
	*ret = mem_alloc(sizeof **ret);
	**ret = (struct digest){a, ctx, false};
	return 0;
}

void digest_add(struct digest *d, const void *p, size_t n)
{
	if (n && !crypto.EVP_DigestUpdate(d->ctx, p, n))
		d->failed = true;
}

static void write_text(const char *name, const unsigned char *sum, size_t n, char *ret)
{
	static const char hex[] = "0123456789abcdef";
	char *at = stpcpy(stpcpy(ret, name), ":");
	for (size_t i = 0; i < n; i++) {
		*at++ = hex[sum[i] >> 4];
		*at++ = hex[sum[i] & 15];
	}
	*at = 0;
}

void digest_end(struct digest *d, char ret[static DIGEST_TEXT])
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	EVP_MD_CTX *copy = crypto.EVP_MD_CTX_new();
	bool ok = !d->failed && copy && crypto.EVP_MD_CTX_copy_ex(copy, d->ctx) &&
		crypto.EVP_DigestFinal_ex(copy, sum, &n) && n * 2 == d->algorithm->hex;
	crypto.EVP_MD_CTX_free(copy);
	ret[0] = 0;
	if (ok)
		write_text(d->algorithm->name, sum, n, ret);
}

void digest_drop(struct digest **d)
{
	if (*d)
		crypto.EVP_MD_CTX_free((*d)->ctx);
	mem_drop(d);
}

int digest_of(const void *p, size_t n, char ret[static DIGEST_TEXT], struct err *e)
{
	own(digest) struct digest *d = NULL;
	if (n <= SHORT && !lib.ready) {
		unsigned char sum[32];
		sha256_short(p, n, sum);
		write_text("sha256", sum, sizeof sum, ret);
		return 0;
	}
	if (digest_begin("sha256", &d, e) < 0)
		return -1;
	digest_add(d, p, n);
	digest_end(d, ret);
	return *ret ? 0 : err_set(e, ERR_UNSUPPORTED, "sha256: libcrypto failed");
}
