/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp: where a filter comes from: built in (compiled when hull was built), else the cache, else libseccomp; or, as it is,
 * from an annotation. And how the kernel gets it.
 */
#include "runtime/seccomp.h"

#include "codec/base64.h"
#include "runtime/annotations.h"
#include "runtime/seccomp_builtin.h"

#include <errno.h>
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

static bool notifies(const struct seccomp_filter *f)
{
	const struct sock_filter *v = f->insns;
	for (size_t i = 0; i < f->n; i++)
		if (v[i].code == (BPF_RET | BPF_K) && (v[i].k & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_USER_NOTIF)
			return true;
	return false;
}

static int compile(const struct spec_seccomp *s, int cache, struct seccomp_filter *ret, struct err *e)
{
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

int seccomp_compile(const struct spec_seccomp *s, int cache, struct seccomp_filter *ret, struct err *e)
{
	if (s->builtin) {
		*ret = (struct seccomp_filter){.insns = (void *)(uintptr_t)seccomp_builtin, .n = sizeof seccomp_builtin / 8, .borrowed = true};
		return 0;
	}
	if (compile(s, cache, ret, e) < 0)
		return -1;
	ret->notify = notifies(ret);
	return 0;
}

static int take_raw(const char *text, const struct spec_seccomp *s, struct seccomp_filter *ret, struct err *e)
{
	enum { EACH = sizeof(struct sock_filter) };
	own(buf) struct buf b = BUF(SECCOMP_INSNS_MAX * EACH);
	struct seccomp_filter f = {};
	if (base64_decode(text, &b, e) < 0 || (s && seccomp_flags(&s->flags, &f.flags, e) < 0))
		return err_wrap(e, "annotation run.oci.seccomp_bpf_data");
	if (!b.len || b.len % EACH)
		return err_set(e, ERR_USAGE, "annotation run.oci.seccomp_bpf_data: %zu bytes are not a number of instructions", b.len);
	f.n = b.len / EACH;
	f.insns = buf_take(&b);
	f.notify = notifies(&f);
	*ret = f;
	return 0;
}

int seccomp_filter_of(const struct spec *s, int cache, struct seccomp_filter *ret, struct err *e)
{
	const struct spec_seccomp *rules = s->linux_->seccomp;
	const char *raw = annotation_get(s, ANNOTATION_SECCOMP_RAW);
	struct seccomp_filter f = {};
	if (!rules && !raw)
		return 0;
	if ((raw ? take_raw(raw, rules, &f, e) : seccomp_compile(rules, cache, &f, e)) < 0)
		return -1;
	if (seccomp_listener_check(s, &f, e) < 0) {
		seccomp_filter_drop(&f);
		return -1;
	}
	*ret = f;
	return 0;
}

/* The kernel knows a flag when it gets as far as looking for the program. */
bool seccomp_kernel_takes_flag(unsigned flag)
{
	unsigned with = flag & SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV ? (unsigned)SECCOMP_FILTER_FLAG_NEW_LISTENER : 0;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flag | with, NULL) < 0 && errno != EINVAL;
}

static int explain_flags(unsigned used, struct err *e)
{
	unsigned with = used & SECCOMP_FILTER_FLAG_NEW_LISTENER;
	for (unsigned flag = 1; flag && flag <= used; flag <<= 1)
		if (used & ~with & flag && !seccomp_kernel_takes_flag(flag))
			return err_set(e, ERR_UNSUPPORTED, "seccomp: this kernel has no %s", seccomp_flag_name(flag));
	errno = EINVAL;
	return err_sys(e, "load the seccomp filter");
}

int seccomp_install(const struct seccomp_filter *f, struct err *e)
{
	struct sock_fprog p = {.len = (unsigned short)f->n, .filter = f->insns};
	unsigned use = f->notify ? f->flags | SECCOMP_FILTER_FLAG_NEW_LISTENER : f->flags & ~(unsigned)SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
	long r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, use, &p);
	if (r < 0)
		return errno == EINVAL ? explain_flags(use, e) : err_sys(e, "load the seccomp filter");
	return (int)r;
}
