/* SPDX-License-Identifier: Apache-2.0 */
/*
 * external: the mounts of a container that criu must not try to save: see checkpoint.h.
 *
 * Each is looked up in the running container, from its own root, and then in its list of mounts, where it stands as criu will see
 * it: a destination that leads over a symlink is mounted somewhere else than its name says. At restore there is only the
 * configuration, so all that could be asked for is offered.
 */
#include "runtime/checkpoint.h"

#include "base/fd.h"
#include "base/path.h"
#include "sys/cgroupfs.h"
#include "sys/mountinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static const char *const default_devices[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"};

char *external_destination(const struct spec_mount *m)
{
	own(mem) char *whole = mem_printf("/%s", m->destination);
	return path_clean(whole);
}

static bool has_word(const struct spec_mount *m, const char *one, const char *two)
{
	return strv_has(&m->options, one) || (two && strv_has(&m->options, two));
}

bool external_is_bind(const struct spec_mount *m)
{
	return (str_eq(m->type, "bind") || has_word(m, "bind", "rbind")) && !has_word(m, "remount", NULL);
}

static bool is_recursive(const struct spec_mount *m)
{
	return has_word(m, "rbind", NULL) || !has_word(m, "bind", NULL);
}

struct search {
	int root;
	struct mountinfo inside, host; /* host: read when it is needed */
	struct arena *a;
	struct map *ret;
};

static void search_drop(struct search *x)
{
	fd_drop(&x->root);
	mountinfo_drop(&x->inside);
	mountinfo_drop(&x->host);
}

/* The mount that the path is on, when it is mounted right there. */
static const struct mountinfo_row *find_mount(const struct search *x, const char *path, struct stat *ret)
{
	struct err ignored = {};
	struct statx st = {};
	own(fd) int fd = path_open_in(x->root, path, O_PATH, 0, &ignored);
	if (fd < 0 || statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID, &st) < 0 || fstat(fd, ret) < 0)
		return NULL;
	return st.stx_attributes & STATX_ATTR_MOUNT_ROOT ? mountinfo_find(&x->inside, st.stx_mnt_id) : NULL;
}

/* What follows the prefix and a slash, with the slash. */
static const char *below(const char *path, const char *prefix)
{
	const char *rest = str_after(path, prefix);
	return rest && *rest == '/' && rest[1] ? rest : NULL;
}

static bool is_on_host(const struct search *x, const char *source, const char *rest, dev_t dev)
{
	own(mem) char *point = mem_printf("%s%s", str_eq(source, "/") ? "" : source, rest);
	for (size_t i = 0; i < x->host.n; i++)
		if (x->host.v[i].dev == dev && strcmp(x->host.v[i].point, point) == 0)
			return true;
	return false;
}

/* What came along from below the source. What the container has mounted there itself is its own. */
static int find_tree(struct search *x, const struct mountinfo_row *top, const char *name, const char *source, struct err *e)
{
	for (size_t i = 0; i < x->inside.n; i++) {
		const struct mountinfo_row *row = &x->inside.v[i];
		const char *rest = below(row->point, top->point);
		if (!rest)
			continue;
		if (!x->host.n && mountinfo_read("/proc/self/mountinfo", &x->host, e) < 0)
			return -1;
		if (!map_get(x->ret, row->point) && is_on_host(x, source, rest, row->dev))
			map_set(x->a, x->ret, row->point, arena_printf(x->a, "%s%s", name, rest));
	}
	return 0;
}

static char *source_of(const struct spec_mount *m, const char *bundle)
{
	own(mem) char *path = *m->source == '/' || !bundle ? mem_dup(m->source) : path_join(bundle, m->source);
	char *real = realpath(path, NULL);
	return real ? real : take(path);
}

static int find_binds(struct search *x, const struct spec *s, const char *bundle, struct err *e)
{
	/* The last first: of two at one place it is the one that is seen. */
	for (size_t i = s->mounts.n; i-- > 0;) {
		const struct spec_mount *m = &s->mounts.v[i];
		struct stat st;
		if (!external_is_bind(m) || str_is_empty(m->source))
			continue;
		own(mem) char *name = external_destination(m);
		const struct mountinfo_row *row = find_mount(x, name, &st);
		if (!row)
			continue;
		if (!map_get(x->ret, row->point))
			map_set(x->a, x->ret, row->point, name);
		own(mem) char *source = source_of(m, bundle);
		if (is_recursive(m) && find_tree(x, row, name, source, e) < 0)
			return -1;
	}
	return 0;
}

static void find_device(struct search *x, const char *path)
{
	struct stat st;
	const struct mountinfo_row *row = find_mount(x, path, &st);
	if (row && (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)))
		map_set(x->a, x->ret, row->point, path);
}

static void find_masks(struct search *x, const struct spec_linux *l)
{
	for (size_t i = 0; i < l->masked_paths.n; i++) {
		struct stat st;
		const struct mountinfo_row *row = find_mount(x, l->masked_paths.v[i], &st);
		if (row && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3))
			map_set(x->a, x->ret, row->point, "/dev/null");
	}
}

static void find_cgroups(struct search *x, const struct spec *s)
{
	for (size_t i = 0; i < s->mounts.n; i++) {
		if (!str_eq(s->mounts.v[i].type, "cgroup"))
			continue;
		own(mem) char *top = external_destination(&s->mounts.v[i]);
		for (size_t k = 0; k < x->inside.n; k++) {
			const struct mountinfo_row *row = &x->inside.v[k];
			if (below(row->point, top) && str_has_prefix(row->type, "cgroup"))
				map_set(x->a, x->ret, row->point, row->point);
		}
	}
}

int external_find(const struct spec *s, const char *bundle, pid_t pid, struct arena *a, struct map *ret, struct err *e)
{
	struct search x __attribute__((cleanup(search_drop))) = {.root = -1, .a = a, .ret = ret};
	own(mem) char *root = mem_printf("/proc/%d/root", (int)pid);
	own(mem) char *list = mem_printf("/proc/%d/mountinfo", (int)pid);
	x.root = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (x.root < 0)
		return err_sys(e, "the container's root");
	if (mountinfo_read(list, &x.inside, e) < 0 || find_binds(&x, s, bundle, e) < 0)
		return -1;
	for (size_t i = 0; i < s->linux_->devices.n; i++)
		find_device(&x, s->linux_->devices.v[i].path);
	for (size_t i = 0; i < countof(default_devices); i++)
		find_device(&x, default_devices[i]);
	find_masks(&x, s->linux_);
	find_cgroups(&x, s);
	return 0;
}

/* The destination with the symlinks of the root followed, as far as it exists there: the name runc gives. */
static void offer_resolved(const char *root, const char *name, const char *source, struct arena *a, struct map *ret)
{
	char at[PATH_MAX];
	own(mem) char *top = root ? realpath(root, NULL) : NULL, *part = mem_dup(name);
	own(fd) int dir = top ? open(top, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	for (char *end = part + strlen(part); dir >= 0 && end && end > part; end = strrchr(part, '/')) {
		struct err ignored = {};
		*end = 0;
		own(fd) int fd = path_open_in(dir, part, O_PATH, 0, &ignored);
		if (fd < 0)
			continue;
		own(mem) char *link = mem_printf("/proc/self/fd/%d", fd);
		ssize_t n = readlink(link, at, sizeof at - 1);
		at[n > 0 ? n : 0] = 0;
		const char *rest = below(at, top);
		own(mem) char *whole = mem_printf("%s%s", rest ? rest : "", name + (end - part));
		if (rest && !map_get(ret, whole))
			map_set(a, ret, whole, source);
		return;
	}
}

static int offer_binds(const struct container_create *c, const char *root, struct arena *a, struct map *ret, struct err *e)
{
	own(mountinfo) struct mountinfo host = {};
	for (size_t i = 0; i < c->spec->mounts.n; i++) {
		const struct spec_mount *m = &c->spec->mounts.v[i];
		if (!external_is_bind(m) || str_is_empty(m->source))
			continue;
		own(mem) char *name = external_destination(m);
		own(mem) char *source = source_of(m, c->bundle);
		if (access(source, F_OK) < 0)
			return err_sys(e, "mount %s: %s", m->destination, source);
		map_set(a, ret, name, source);
		offer_resolved(root, name, source, a, ret);
		if (!is_recursive(m))
			continue;
		if (!host.n && mountinfo_read("/proc/self/mountinfo", &host, e) < 0)
			return -1;
		for (size_t k = 0; k < host.n; k++) {
			const char *rest = below(host.v[k].point, str_eq(source, "/") ? "" : source);
			if (rest)
				map_set(a, ret, arena_printf(a, "%s%s", name, rest), host.v[k].point);
		}
	}
	return 0;
}

static void offer_cgroups(const struct spec *s, const struct cgroup *g, struct arena *a, struct map *ret)
{
	const struct cgroupfs *fs = cgroupfs_get();
	for (size_t i = 0; i < s->mounts.n && !fs->unified; i++) {
		if (!str_eq(s->mounts.v[i].type, "cgroup"))
			continue;
		own(mem) char *top = external_destination(&s->mounts.v[i]);
		for (int k = 0; k < CGROUPFS_ROWS; k++) {
			const char *row = cgroupfs_name((enum cgroupfs_row)k);
			if (g->rows & 1u << k)
				map_set(a, ret, arena_printf(a, "%s/%s", top, row), arena_printf(a, "/sys/fs/cgroup/%s%s", row, g->path));
		}
	}
}

int external_offer(const struct container_create *c, const char *root, const struct cgroup *g, struct arena *a, struct map *ret, struct err *e)
{
	const struct spec_linux *l = c->spec->linux_;
	for (size_t i = 0; i < countof(default_devices); i++)
		map_set(a, ret, default_devices[i], default_devices[i]);
	for (size_t i = 0; i < l->devices.n; i++)
		map_set(a, ret, l->devices.v[i].path, l->devices.v[i].path);
	offer_cgroups(c->spec, g, a, ret);
	return offer_binds(c, root, a, ret, e);
}
