/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intel_rdt: see intel_rdt.h. A mkdir in resctrl takes one of the few classes that the hardware has (ENOSPC: there are no
 * more); the kernel fills the directory, and rmdir removes it with all that is in it, its processes going back to the default.
 *
 *   schemata    l3CacheSchema without lines of MB:, and memBwSchema, in one write; then `schemata` in another: the kernel
 *               refuses two values for one cache in a single write
 *   last        info/last_cmd_status says in words what was wrong with a write
 */
#include "runtime/intel_rdt.h"

#include "base/fd.h"
#include "base/path.h"
#include "sys/mountinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statfs.h>
#include <unistd.h>

#define WHAT "linux.intelRdt"
enum { RESCTRL_MAGIC = 0x7655821, SCHEMATA_MAX = 1 << 20 };

int intel_rdt_root(struct err *e)
{
	static const char usual[] = "/sys/fs/resctrl";
	struct err ignored = {};
	struct statfs fs;
	own(fd) int fd = open(usual, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 && fstatfs(fd, &fs) == 0 && fs.f_type == RESCTRL_MAGIC)
		return take_fd(fd);
	own(mountinfo) struct mountinfo m = {};
	if (mountinfo_read("/proc/self/mountinfo", &m, &ignored) == 0)
		for (size_t i = 0; i < m.n; i++)
			if (strcmp(m.v[i].type, "resctrl") == 0)
				return path_open_dir(AT_FDCWD, m.v[i].point, e);
	return err_set(e, ERR_UNSUPPORTED, WHAT ": the resctrl file system is not mounted (mount -t resctrl resctrl %s)", usual);
}

static bool is_default(const char *clos)
{
	return strcmp(clos, "/") == 0;
}

static bool has_schemata(const struct spec_intel_rdt *w)
{
	return !str_is_empty(w->l3) || !str_is_empty(w->mem_bw) || w->schemata.n;
}

int intel_rdt_check(const struct spec_intel_rdt *w, const char *id, struct err *e)
{
	static const char *const kernels[] = {"info", "mon_groups", "mon_data"};
	bool has_id = !str_is_empty(w->clos_id);
	const char *clos = has_id ? w->clos_id : id;
	for (size_t i = 0; i < countof(kernels); i++)
		if (strcmp(clos, kernels[i]) == 0)
			return err_set(e, ERR_USAGE, WHAT ": %s is no class but the kernel's own", clos);
	if (!(has_id && is_default(clos)) && (!path_is_name(clos) || strchr(clos, '\n')))
		return err_set(e, ERR_USAGE, WHAT ": closID \"%.60s\" must be a name, or /", clos);
	if (!path_is_name(id))
		return err_set(e, ERR_USAGE, WHAT ": the container's name is too long for a directory");
	if (!str_is_empty(w->mem_bw) && (!str_has_prefix(w->mem_bw, "MB:") || strchr(w->mem_bw, '\n')))
		return err_set(e, ERR_USAGE, WHAT ": memBwSchema \"%.60s\" must be one line that begins with MB:", w->mem_bw);
	return 0;
}

void intel_rdt_of(const struct spec_intel_rdt *w, const char *id, struct intel_rdt *ret)
{
	*ret = (struct intel_rdt){.shared = !str_is_empty(w->clos_id)};
	snprintf(ret->clos, sizeof ret->clos, "%s", str_is_empty(w->clos_id) ? id : w->clos_id);
	if (w->monitoring)
		snprintf(ret->group, sizeof ret->group, "%s", id);
}

static int open_clos(int root, const char *clos, struct err *e)
{
	int fd = path_open_dir(root, is_default(clos) ? "." : clos, e);
	return fd < 0 ? err_wrap(e, WHAT ": class %s", clos) : fd;
}

/* Says what the kernel has written about it. */
static int explain(int root, struct err *e)
{
	struct err ignored = {};
	own(buf) struct buf b = BUF(4096);
	if (path_read(root, "info/last_cmd_status", &b, &ignored) < 0 || str_has_prefix(buf_text(&b), "ok"))
		return -1;
	int len = (int)strcspn(buf_text(&b), "\n");
	size_t have = strlen(e->text);
	snprintf(e->text + have, sizeof e->text - have, " (%.*s)", len > 300 ? 300 : len, buf_text(&b));
	return -1;
}

/* l3CacheSchema may come with MB: lines that are not its business. */
static void put_l3(const char *text, struct buf *out)
{
	while (*text) {
		size_t n = strcspn(text, "\n");
		if (n && !str_has_prefix(text, "MB:")) {
			buf_add(out, text, n);
			buf_char(out, '\n');
		}
		text += n + (text[n] == '\n');
	}
}

static void put_caches(const struct spec_intel_rdt *w, struct buf *out)
{
	put_l3(w->l3 ? w->l3 : "", out);
	if (!str_is_empty(w->mem_bw))
		buf_printf(out, "%s\n", w->mem_bw);
}

static int put_schemata(int root, int clos, const struct buf *text, struct err *e)
{
	if (buf_check(text, e) < 0)
		return -1;
	if (!text->len || path_put(clos, "schemata", text->data, e) == 0)
		return 0;
	if (e->sys == EINVAL)
		e->kind = ERR_USAGE;
	return err_wrap(e, WHAT), explain(root, e);
}

/* compared: the first part is as it should be. */
static int write_schemata(int root, int clos, const struct spec_intel_rdt *w, bool compared, struct err *e)
{
	own(buf) struct buf caches = BUF(SCHEMATA_MAX), all = BUF(SCHEMATA_MAX);
	if (!compared)
		put_caches(w, &caches);
	for (size_t i = 0; i < w->schemata.n; i++)
		buf_printf(&all, "%s\n", w->schemata.v[i]);
	return put_schemata(root, clos, &caches, e) < 0 || put_schemata(root, clos, &all, e) < 0 ? -1 : 0;
}

/* The value of a cache in a line like "  L3:0=0ff;1=f", when it is of that resource ("L3:"). Masks are hexadecimal, bandwidths are not. */
static bool value_of(const char *line, const char *resource, size_t len, const char *cache, size_t cache_len, uint64_t *ret)
{
	line += strspn(line, " ");
	if (strncmp(line, resource, len) != 0)
		return false;
	for (line += len; *line && *line != '\n'; line += strcspn(line, ";\n"), line += *line == ';') {
		line += strspn(line, " ");
		if (strncmp(line, cache, cache_len) != 0 || line[cache_len + strspn(line + cache_len, " ")] != '=')
			continue;
		*ret = strtoull(strchr(line, '=') + 1, NULL, str_has_prefix(resource, "MB:") ? 10 : 16);
		return true;
	}
	return false;
}

static bool find_value(const char *text, const char *resource, size_t len, const char *cache, size_t cache_len, uint64_t *ret)
{
	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n')
		if (value_of(line, resource, len, cache, cache_len, ret))
			return true;
	return false;
}

/* Whether all that one line asks for stands in the text. */
static bool stands_in(const char *line, const char *text)
{
	line += strspn(line, " ");
	size_t len = strcspn(line, ":\n");
	if (line[len] != ':')
		return false;
	len++;
	for (const char *at = line + len; *at && *at != '\n'; at += strcspn(at, ";\n"), at += *at == ';') {
		uint64_t wanted, found;
		at += strspn(at, " ");
		size_t n = strcspn(at, " =;\n");
		if (!n && (*at == ';' || *at == '\n' || !*at))
			continue;
		if (!value_of(line, line, len, at, n, &wanted) || !find_value(text, line, len, at, n, &found) || wanted != found)
			return false;
	}
	return true;
}

/* A class that others made is not to be changed behind their back. */
static int compare(int clos, const struct spec_intel_rdt *w, const char *name, struct err *e)
{
	own(buf) struct buf wanted = BUF(SCHEMATA_MAX), is = BUF(SCHEMATA_MAX);
	put_caches(w, &wanted);
	if (path_read(clos, "schemata", &is, e) < 0 || buf_check(&wanted, e) < 0)
		return err_wrap(e, WHAT);
	for (const char *line = buf_text(&wanted); *line; line += strcspn(line, "\n"), line += *line == '\n')
		if (!stands_in(line, buf_text(&is)))
			return err_set(e, ERR_CONFLICT, WHAT ": class %s exists and has another schema than \"%.*s\"", name, (int)strcspn(line, "\n"), line);
	return 0;
}

static int make_clos(int root, const struct spec_intel_rdt *w, struct intel_rdt *r, struct err *e)
{
	if (is_default(r->clos))
		return 0;
	if (r->shared && !has_schemata(w)) {
		if (faccessat(root, r->clos, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
			return err_set(e, ERR_NOT_FOUND, WHAT ": there is no class %s, and no schema to make it with", r->clos);
		return 0;
	}
	bool is_new = mkdirat(root, r->clos, 0755) == 0;
	if (!is_new && errno != EEXIST) {
		if (errno == ENOSPC)
			return err_set(e, ERR_LIMIT, WHAT ": the hardware has no more classes of service");
		return err_sys(e, WHAT ": make class %s", r->clos), explain(root, e);
	}
	/* One that has the container's name was left by it. */
	r->made_clos = is_new || !r->shared;
	return 0;
}

static int make_group(int root, int clos, struct intel_rdt *r, struct err *e)
{
	char path[300];
	if (!*r->group)
		return 0;
	snprintf(path, sizeof path, "mon_groups/%s", r->group);
	if (mkdirat(clos, path, 0755) == 0 || errno == EEXIST) {
		r->made_group = true;
		return 0;
	}
	if (errno == ENOENT)
		return err_set(e, ERR_UNSUPPORTED, WHAT ": this machine has no monitoring");
	if (errno == ENOSPC)
		return err_set(e, ERR_LIMIT, WHAT ": the hardware has no more monitoring groups");
	return err_sys(e, WHAT ": make the monitoring group"), explain(root, e);
}

static int fill(int root, const struct spec_intel_rdt *w, struct intel_rdt *r, struct err *e)
{
	bool existed = !r->made_clos;
	own(fd) int clos = open_clos(root, r->clos, e);
	if (clos < 0 || (existed && compare(clos, w, r->clos, e) < 0) || write_schemata(root, clos, w, existed, e) < 0)
		return -1;
	return make_group(root, clos, r, e);
}

int intel_rdt_create(int root, const struct spec_intel_rdt *w, const char *id, struct intel_rdt *ret, struct err *e)
{
	struct intel_rdt r;
	struct err ignored = {};
	intel_rdt_of(w, id, &r);
	if (make_clos(root, w, &r, e) < 0)
		return -1;
	if (fill(root, w, &r, e) < 0) {
		(void)!intel_rdt_remove(root, &r, &ignored);
		return -1;
	}
	*ret = r;
	return 0;
}

static int add_task(int dir, const char *path, pid_t pid, struct err *e)
{
	char text[16];
	snprintf(text, sizeof text, "%d\n", (int)pid);
	return path_put(dir, path, text, e) < 0 ? err_wrap(e, WHAT) : 0;
}

int intel_rdt_apply(int root, const struct intel_rdt *r, pid_t pid, struct err *e)
{
	char path[320];
	if (!*r->clos)
		return 0;
	own(fd) int clos = open_clos(root, r->clos, e);
	if (clos < 0)
		return -1;
	/* Only a process of the class can go into one of the class's groups. */
	snprintf(path, sizeof path, "mon_groups/%s/tasks", r->group);
	return add_task(clos, "tasks", pid, e) < 0 || (*r->group && add_task(clos, path, pid, e) < 0) ? explain(root, e) : 0;
}

int intel_rdt_update(int root, const struct intel_rdt *r, const struct spec_intel_rdt *w, struct err *e)
{
	if (!*r->clos)
		return err_set(e, ERR_CONFLICT, WHAT ": the container has no class of service");
	own(fd) int clos = open_clos(root, r->clos, e);
	return clos < 0 ? -1 : write_schemata(root, clos, w, false, e);
}

static int remove_dir(int root, const char *path, struct err *e)
{
	return unlinkat(root, path, AT_REMOVEDIR) < 0 && errno != ENOENT ? err_sys(e, WHAT ": remove %s", path) : 0;
}

/* Somebody else's processes would go to the default class without a word. */
static bool is_in_use(int root, const struct intel_rdt *r)
{
	char path[300];
	struct err ignored = {};
	own(buf) struct buf b = BUF(SCHEMATA_MAX);
	snprintf(path, sizeof path, "%s/tasks", r->clos);
	return path_read(root, path, &b, &ignored) == 0 && b.len;
}

int intel_rdt_remove(int root, struct intel_rdt *r, struct err *e)
{
	char path[600];
	snprintf(path, sizeof path, "%s%smon_groups/%s", is_default(r->clos) ? "" : r->clos, is_default(r->clos) ? "" : "/", r->group);
	if (r->made_group && remove_dir(root, path, e) < 0)
		return -1;
	r->made_group = false;
	if (r->made_clos && !(r->shared && is_in_use(root, r)) && remove_dir(root, r->clos, e) < 0)
		return -1;
	r->made_clos = false;
	return 0;
}
