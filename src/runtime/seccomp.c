/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp: where a filter comes from: built in (compiled when hull was built), else the cache, else libseccomp.
 *
 * A cached file takes away no check it should make, so it is used only when it is a regular file of ours, mode
 * 0600, in a directory fd that only hull opens, of a size the kernel could load. Its name is the digest of the rules as
 * text together with the versions that made it.
 */
#include "runtime/seccomp.h"

#include "base/fd.h"
#include "base/path.h"
#include "codec/digest.h"
#include "runtime/seccomp_builtin.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

void seccomp_filter_drop(struct seccomp_filter *f)
{
	if (!f->borrowed)
		mem_drop(&f->insns);
	*f = (struct seccomp_filter){};
}

static bool read_cached(int cache, const char *name, struct seccomp_filter *ret)
{
	own(fd) int fd = openat(cache, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 07777) != 0600 ||
		st.st_size <= 0 || st.st_size % (off_t)sizeof(struct sock_filter) || st.st_size > 4096 * (off_t)sizeof(struct sock_filter))
		return false;
	void *insns = mem_alloc((size_t)st.st_size);
	if (fd_read_full(fd, insns, (size_t)st.st_size) != st.st_size) {
		free(insns);
		return false;
	}
	ret->insns = insns;
	ret->n = (size_t)st.st_size / sizeof(struct sock_filter);
	return true;
}

static int cache_name(const struct spec_seccomp *s, char ret[DIGEST_TEXT], struct err *e)
{
	own(json) struct json *j = jmap_format(&spec_seccomp_table, s);
	own(buf) struct buf b = BUF(16 << 20);
	buf_printf(&b, "%s %s ", HULL_VERSION, SECCOMP_BUILTIN_LIBRARY);
	json_format(j, 0, &b);
	return buf_check(&b, e) < 0 ? -1 : digest_of(buf_text(&b), b.len, ret, e);
}

int seccomp_compile(const struct spec_seccomp *s, int cache, struct seccomp_filter *ret, struct err *e)
{
	if (s->builtin) {
		*ret = (struct seccomp_filter){.insns = (void *)(uintptr_t)seccomp_builtin, .n = sizeof seccomp_builtin / 8, .borrowed = true};
		return 0;
	}
	if (cache < 0)
		return seccomp_compile_rules(s, ret, e);
	char name[DIGEST_TEXT];
	if (cache_name(s, name, e) < 0)
		return -1;
	struct seccomp_filter f = {};
	if (read_cached(cache, digest_hex(name), &f)) {
		*ret = f;
		return 0;
	}
	if (seccomp_compile_rules(s, &f, e) < 0)
		return -1;
	/* A cache that cannot be written costs time, nothing else. Flags are not in the file: such filters are not kept. */
	struct err ignored = {};
	if (!f.flags)
		(void)!path_write(cache, digest_hex(name), f.insns, f.n * sizeof(struct sock_filter), 0600, 0, &ignored);
	*ret = f;
	return 0;
}

int seccomp_install(const struct seccomp_filter *f, struct err *e)
{
	struct sock_fprog p = {.len = (unsigned short)f->n, .filter = f->insns};
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, f->flags, &p) < 0)
		return err_sys(e, "load the seccomp filter");
	return 0;
}
