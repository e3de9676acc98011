/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sealed_key: private keys as `cosign generate-key-pair` writes them: PEM around JSON, a key that scrypt makes of the password, NaCl's secretbox.
 * libsodium is opened on first use.
 */
#pragma once

#include "base/buf.h"

bool sealed_key_is(const char *pem); /* "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----", or COSIGN as it once was */
/* ret: PEM, not encrypted. A wrong password is ERR_DENIED; what asks for more memory than such keys do is ERR_LIMIT. */
int sealed_key_open(const char *pem, const char *password, struct buf *ret, struct err *e) must_use;
