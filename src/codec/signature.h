/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signature: ECDSA over SHA-256 with keys as PEM, as cosign makes and checks it. libcrypto is opened on first use.
 */
#pragma once

#include "base/buf.h"

/* 1: it is; 0: it is not by that key. -1: the key cannot be used: ERR_USAGE. pem: "-----BEGIN PUBLIC KEY-----", an EC key. */
int signature_verify(const char *pem, size_t pem_len, const void *data, size_t len, const void *signature, size_t signature_len, struct err *e) must_use;
/* pem: a private key on the curve P-256, not encrypted. ret: DER. */
int signature_make(const char *pem, size_t pem_len, const void *data, size_t len, struct buf *ret, struct err *e) must_use;
