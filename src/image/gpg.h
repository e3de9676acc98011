/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gpg: signed messages of OpenPGP, read by the program gpgv, which is looked for when it is needed. It gets the message and the keys in memory
 * files, no home, and few rights.
 */
#pragma once

#include "base/buf.h"

/* Appends public keys, armored or not, to a keyring. */
int gpg_add_keys(struct buf *keyring, const void *keys, size_t len, struct err *e) must_use;
/* 1: the message has one good signature, by a key of the keyring; ret: what was signed. 0: it has not. -1: it cannot be checked: ERR_UNSUPPORTED when
 * gpgv is not installed. */
int gpg_read(const struct buf *keyring, const void *message, size_t len, struct buf *ret, struct err *e) must_use;
