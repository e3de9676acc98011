/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dynlib: a shared library that is opened when its first function is needed, so that commands which do
 * not need it do not pay for it.
 *
 *   static struct {
 *           DYNLIB_FN(ZSTD_createDStream);
 *   } zstd;
 *   static const struct dynlib_symbol symbols[] = {DYNLIB_SYMBOL(zstd, ZSTD_createDStream)};
 *   static struct dynlib lib = {"libzstd.so.1", "libzstd1", symbols, countof(symbols)};
 *
 * dynlib_open() must never be called by a process whose root or mount namespace is a container's: the
 * library would be the container's own. Whoever goes there calls the codecs once before.
 */
#pragma once

#include "base/err.h"

struct dynlib_symbol {
	const char *name;
	void *at; /* where the pointer goes */
};
struct dynlib {
	const char *soname;
	const char *package; /* Debian's name, for the error */
	const struct dynlib_symbol *symbols;
	size_t n;
	bool ready;
};
#define DYNLIB_FN(f)               __typeof__(&f) f
#define DYNLIB_SYMBOL(functions, f) {#f, &(functions).f}

/* Opens it and finds its symbols, once; any thread may call. ERR_UNSUPPORTED names the package to install. */
int dynlib_open(struct dynlib *lib, struct err *e) must_use;
