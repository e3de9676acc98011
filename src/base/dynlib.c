/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dynlib: see dynlib.h. Symbols are found before .ready is set, and .ready is read and set with acquire
 * and release, so a thread that sees it sees the pointers too. Nothing is ever closed: a library that
 * has started threads or registered exit handlers cannot be.
 */
#include "base/dynlib.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int find(struct dynlib *lib, struct err *e)
{
	void *handle = dlopen(lib->soname, RTLD_NOW | RTLD_LOCAL);
	if (!handle)
		return err_set(e, ERR_UNSUPPORTED, "%s is missing: install the package %s", lib->soname, lib->package);
	for (size_t i = 0; i < lib->n; i++) {
		void *p = dlsym(handle, lib->symbols[i].name);
		if (!p)
			return err_set(e, ERR_UNSUPPORTED, "%s has no %s: install a newer package %s", lib->soname,
				lib->symbols[i].name, lib->package);
		memcpy(lib->symbols[i].at, &p, sizeof p);
	}
	__atomic_store_n(&lib->ready, true, __ATOMIC_RELEASE);
	return 0;
}

int dynlib_open(struct dynlib *lib, struct err *e)
{
	if (__atomic_load_n(&lib->ready, __ATOMIC_ACQUIRE))
		return 0;
	pthread_mutex_lock(&lock);
	int r = lib->ready ? 0 : find(lib, e);
	pthread_mutex_unlock(&lock);
	return r;
}
