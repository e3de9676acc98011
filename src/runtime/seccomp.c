/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp: where a filter comes from: built in (compiled when hull was built), else the cache, else libseccomp.
 */
#include "runtime/seccomp.h"

#include "runtime/seccomp_builtin.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

void seccomp_filter_drop(struct seccomp_filter *f)
{
	if (!f->borrowed)
		mem_drop(&f->insns);
	*f = (struct seccomp_filter){};
}

int seccomp_compile(const struct spec_seccomp *s, int cache, struct seccomp_filter *ret, struct err *e)
{
	if (s->builtin) {
		*ret = (struct seccomp_filter){.insns = (void *)(uintptr_t)seccomp_builtin, .n = sizeof seccomp_builtin / 8, .borrowed = true};
		return 0;
	}
	if (cache < 0)
		return seccomp_compile_rules(s, ret, e);
	own(buf) struct buf key = {};
	seccomp_cache_key(s, &key);
	if (seccomp_cache_read(cache, &key, ret))
		return 0;
	if (seccomp_compile_rules(s, ret, e) < 0)
		return -1;
	/* A cache that cannot be written costs time, nothing else. */
	seccomp_cache_write(cache, &key, ret);
	return 0;
}

int seccomp_install(const struct seccomp_filter *f, struct err *e)
{
	struct sock_fprog p = {.len = (unsigned short)f->n, .filter = f->insns};
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, f->flags, &p) < 0)
		return err_sys(e, "load the seccomp filter");
	return 0;
}
