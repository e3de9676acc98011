/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_write: a limit is one write to a file of a group. Here is that write, with the errors it can have, and the limits that
 * are the same on both versions: huge pages and RDMA.
 */
#include "runtime/cgroup_limits.h"

#include "base/fd.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

int cgroup_put_text(int dir, const char *controller, const char *what, const char *file, const char *value, struct err *e)
{
	own(fd) int fd = dir < 0 ? -1 : openat(dir, file, O_WRONLY | O_CLOEXEC);
	if (fd < 0 && (dir < 0 || errno == ENOENT))
		return err_set(e, ERR_UNSUPPORTED, "%s cannot be set: the %s controller%s is not available here", what, controller,
			dir < 0 ? "" : "'s file for it");
	if (fd < 0)
		return err_sys(e, "set %s: %s", what, file);
	if (write(fd, value, strlen(value)) < 0) {
		int saved = errno;
		err_sys(e, "set %s: write %.200s to %s", what, value, file);
		if (saved == EINVAL || saved == ERANGE || saved == ENODEV)
			e->kind = ERR_USAGE;
		return -1;
	}
	return 0;
}

int cgroup_put(int dir, const char *controller, const char *what, const char *file, struct err *e, const char *fmt, ...)
{
	own(buf) struct buf value = BUF(4096);
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(&value, fmt, ap);
	va_end(ap);
	if (buf_check(&value, e) < 0)
		return err_wrap(e, "%s", what);
	return cgroup_put_text(dir, controller, what, file, buf_text(&value), e);
}

void cgroup_number_text(const struct cgroup_number *n, const void *from, char ret[static 24])
{
	*ret = 0;
	if (n->flags & CGROUP_SIGNED) {
		const struct opt_i64 *v = (const struct opt_i64 *)(const void *)((const char *)from + n->at);
		if (v->set && v->v < 0 && n->flags & CGROUP_MAX)
			strcpy(ret, "max");
		else if (v->set && (v->v || n->flags & CGROUP_ZERO))
			snprintf(ret, 24, "%lld", (long long)v->v);
		return;
	}
	const struct opt_u64 *v = (const struct opt_u64 *)(const void *)((const char *)from + n->at);
	if (v->set && (v->v || n->flags & CGROUP_ZERO))
		snprintf(ret, 24, "%llu", (unsigned long long)v->v);
}

int cgroup_put_number(int dir, const char *controller, const struct cgroup_number *n, const void *from, struct err *e)
{
	char value[24];
	cgroup_number_text(n, from, value);
	return *value ? cgroup_put_text(dir, controller, n->what, n->file, value, e) : 0;
}

int cgroup_put_bound(int dir, const char *controller, const struct cgroup_write *w, size_t n, struct err *e)
{
	bool done[8] = {};
	for (size_t round = 0; round < n; round++) {
		struct err first = {};
		bool progress = false;
		for (size_t i = 0; i < n && i < countof(done); i++) {
			struct err why = {};
			if (done[i] || !w[i].value[0])
				continue;
			done[i] = cgroup_put_text(dir, controller, w[i].what, w[i].file, w[i].value, &why) == 0;
			progress |= done[i];
			if (!done[i] && first.kind == ERR_NONE)
				first = why;
		}
		if (first.kind == ERR_NONE)
			return 0;
		if (!progress || first.kind == ERR_UNSUPPORTED || round + 1 == n)
			return *e = first, -1;
	}
	return 0;
}

/* config-linux.md: ^[1-9][0-9]*[KMG]B$ */
static bool is_page_size(const char *s)
{
	size_t n = s ? strspn(s, "0123456789") : 0;
	return n && n < 20 && *s != '0' && strchr("KMG", s[n]) && s[n] && strcmp(s + n + 1, "B") == 0;
}

int cgroup_limit_hugepages(int dir, const struct spec_resources *r, bool v1, struct err *e)
{
	const char *suffix = v1 ? "limit_in_bytes" : "max";
	for (size_t i = 0; i < r->hugepages.n; i++) {
		const struct spec_hugepage *h = &r->hugepages.v[i];
		char file[80];
		if (!is_page_size(h->page_size))
			return err_set(e, ERR_USAGE, "invalid size of huge pages \"%.40s\": it is a number with KB, MB or GB", h->page_size);
		snprintf(file, sizeof file, "hugetlb.%s.%s", h->page_size, suffix);
		if (cgroup_put(dir, "hugetlb", "a limit of huge pages", file, e, "%llu", (unsigned long long)h->limit) < 0)
			return -1;
		/* Pages that are reserved and not touched yet count there; kernels before 5.7 did not count them. */
		snprintf(file, sizeof file, "hugetlb.%s.rsvd.%s", h->page_size, suffix);
		if (faccessat(dir, file, F_OK, 0) == 0 &&
			cgroup_put(dir, "hugetlb", "a limit of reserved huge pages", file, e, "%llu", (unsigned long long)h->limit) < 0)
			return -1;
	}
	return 0;
}

int cgroup_limit_rdma(int dir, const struct spec_resources *r, struct err *e)
{
	struct json_iter it = {};
	while (json_next(r->rdma, &it)) {
		const struct json *handles = json_get(it.value, "hcaHandles"), *objects = json_get(it.value, "hcaObjects");
		char h[40] = "", o[40] = "";
		if (!*it.key || strpbrk(it.key, " \t\n"))
			return err_set(e, ERR_USAGE, "invalid RDMA device \"%.100s\"", it.key);
		if (!handles && !objects)
			continue;
		if (handles)
			snprintf(h, sizeof h, " hca_handle=%llu", (unsigned long long)json_u64(handles));
		if (objects)
			snprintf(o, sizeof o, " hca_object=%llu", (unsigned long long)json_u64(objects));
		if (cgroup_put(dir, "rdma", "an RDMA limit", "rdma.max", e, "%s%s%s", it.key, h, o) < 0)
			return -1;
	}
	return 0;
}

int cgroup_check_usage(int dir, const struct spec_memory *m, const char *usage_file, struct err *e)
{
	uint64_t usage;
	const struct {
		const struct opt_i64 *limit;
		const char *what;
	} rows[] = {{&m->swap, "memory+swap"}, {&m->limit, "memory"}};
	if (!m->check_before_update.set || !m->check_before_update.v || !cgroupfs_read(dir, usage_file, NULL, &usage))
		return 0;
	for (size_t i = 0; i < countof(rows); i++)
		if (rows[i].limit->set && rows[i].limit->v > 0 && (uint64_t)rows[i].limit->v <= usage)
			return err_set(e, ERR_CONFLICT, "rejecting %s limit %lld <= usage %llu", rows[i].what, (long long)rows[i].limit->v,
				(unsigned long long)usage);
	return 0;
}
