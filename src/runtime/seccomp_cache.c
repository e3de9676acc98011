/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp_cache: compiled filters in files, found by the rules they were made of. No library and no cryptography: the
 * directory is ours alone, so nobody chooses what is in it, and what the file's name leaves open the key in it decides.
 *
 *   head      magic, lengths, seccomp flags, a sum of all that follows and of these
 *   key       what the filter depends on: who compiled it, and each field of the rules, strings with their lengths
 *   program   struct sock_filter[]
 *
 * A file is used only when it is a regular file of ours, mode 0600, whose key is the one looked for, byte by byte, and whose
 * sum is right. Whatever else is there is as good as nothing: it is compiled again and replaced. The sum finds what a disk
 * or a power cut did; it is no protection against who may write to the directory, who could as well replace hull.
 */
#include "runtime/seccomp.h"

#include "base/fd.h"
#include "base/path.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEY_MAX = 1 << 20, FORMAT = 1 /* goes up when the same rules are compiled to something else */ };

struct head {
	char magic[8];
	uint32_t key_len, n, flags, format;
	uint64_t sum; /* with 0 in its place */
};
static const char magic[8] = "hullbpf";

static uint64_t add_sum(uint64_t sum, const void *p, size_t n) /* FNV-1a */
{
	const unsigned char *at = p;
	for (size_t i = 0; i < n; i++)
		sum = (sum ^ at[i]) * 0x100000001b3;
	return sum;
}

static uint64_t sum_of(const struct head *h, const void *key, const void *insns)
{
	struct head plain = *h;
	plain.sum = 0;
	return add_sum(add_sum(add_sum(0xcbf29ce484222325, &plain, sizeof plain), key, h->key_len), insns, h->n * sizeof(struct sock_filter));
}

static void put_number(struct buf *b, uint64_t v)
{
	buf_add(b, &v, sizeof v);
}

static void put_text(struct buf *b, const char *s)
{
	put_number(b, s ? strlen(s) + 1 : 0);
	if (s)
		buf_add(b, s, strlen(s));
}

static void put_texts(struct buf *b, const struct strv *l)
{
	put_number(b, l->n);
	for (size_t i = 0; i < l->n; i++)
		put_text(b, l->v[i]);
}

static void put_optional(struct buf *b, const struct opt_i64 *v)
{
	put_number(b, v->set);
	put_number(b, v->set ? (uint64_t)v->v : 0);
}

/* Not in it: where the listener is and what it is told, which change nothing in the filter. */
void seccomp_cache_key(const struct spec_seccomp *s, struct buf *ret)
{
	*ret = BUF(KEY_MAX);
	put_text(ret, HULL_VERSION);
	put_number(ret, seccomp_library());
	put_text(ret, s->default_action);
	put_optional(ret, &s->default_errno);
	put_texts(ret, &s->architectures);
	put_texts(ret, &s->flags);
	put_number(ret, s->syscalls.n);
	for (size_t i = 0; i < s->syscalls.n; i++) {
		const struct spec_syscall *r = &s->syscalls.v[i];
		put_texts(ret, &r->names);
		put_text(ret, r->action);
		put_optional(ret, &r->errno_ret);
		put_number(ret, r->args.n);
		for (size_t k = 0; k < r->args.n; k++) {
			put_number(ret, r->args.v[k].index);
			put_number(ret, r->args.v[k].value);
			put_number(ret, r->args.v[k].value_two);
			put_text(ret, r->args.v[k].op);
		}
	}
}

static const char *name_of(const struct buf *key, char ret[static 32])
{
	snprintf(ret, 32, "%016llx.bpf", (unsigned long long)add_sum(0xcbf29ce484222325, key->data, key->len));
	return ret;
}

static bool is_whole(const char *text, size_t len, const struct buf *key, struct head *h)
{
	if (len < sizeof *h)
		return false;
	memcpy(h, text, sizeof *h);
	return memcmp(h->magic, magic, sizeof magic) == 0 && h->format == FORMAT && h->n > 0 && h->n <= SECCOMP_INSNS_MAX &&
		h->key_len == key->len && len == sizeof *h + key->len + h->n * sizeof(struct sock_filter) &&
		memcmp(text + sizeof *h, key->data, key->len) == 0 &&
		h->sum == sum_of(h, text + sizeof *h, text + sizeof *h + key->len);
}

bool seccomp_cache_read(int cache, const struct buf *key, struct seccomp_filter *ret)
{
	char name[32];
	struct stat st;
	struct head h;
	if (key->full)
		return false;
	own(fd) int fd = openat(cache, name_of(key, name), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 07777) != 0600)
		return false;
	own(buf) struct buf b = BUF(sizeof h + KEY_MAX + SECCOMP_INSNS_MAX * sizeof(struct sock_filter));
	if (fd_read_to_end(fd, &b) < 0 || !is_whole(buf_text(&b), b.len, key, &h))
		return false;
	size_t size = h.n * sizeof(struct sock_filter);
	*ret = (struct seccomp_filter){.insns = mem_alloc(size), .n = h.n, .flags = h.flags};
	memcpy(ret->insns, b.data + sizeof h + key->len, size);
	return true;
}

void seccomp_cache_write(int cache, const struct buf *key, const struct seccomp_filter *f)
{
	char name[32];
	struct err ignored = {};
	struct head h = {.key_len = (uint32_t)key->len, .n = (uint32_t)f->n, .flags = f->flags, .format = FORMAT};
	if (key->full)
		return;
	memcpy(h.magic, magic, sizeof magic);
	h.sum = sum_of(&h, key->data, f->insns);
	own(buf) struct buf b = {};
	buf_add(&b, &h, sizeof h);
	buf_add(&b, key->data, key->len);
	buf_add(&b, f->insns, f->n * sizeof(struct sock_filter));
	(void)!path_write(cache, name_of(key, name), b.data, b.len, 0600, 0, &ignored);
}
