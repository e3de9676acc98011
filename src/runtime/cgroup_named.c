/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_named: names become rows of the machine's table of hierarchies and one path, which is the same in each of them.
 *
 * On a hybrid machine a controller is where it is mounted; what no v1 hierarchy has may be in the v2 tree.
 */
#include "runtime/cgroup_named.h"

#include "base/fd.h"
#include "base/path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct { const char *v1, *v2; } other_names[] = {{"blkio", "io"}, {"cpuacct", "cpu"}};

static bool v2_has(const char *controller)
{
	struct err ignored = {};
	own(buf) struct buf b = BUF(4096);
	own(strv) struct strv words = {};
	int root = cgroupfs_get()->row[CGROUPFS_V2].fd;
	if (root < 0 || path_read(root, "cgroup.controllers", &b, &ignored) < 0)
		return false;
	strv_split(&words, str_trim(b.data), ' ');
	return strv_has(&words, controller);
}

static int v1_row(const char *controller)
{
	const struct cgroupfs *fs = cgroupfs_get();
	controller = str_after(controller, "name=") ? str_after(controller, "name=") : controller;
	for (int i = 0; !fs->unified && i < CGROUPFS_V2; i++)
		if (strcmp(cgroupfs_name((enum cgroupfs_row)i), controller) == 0 && fs->row[i].fd >= 0)
			return fs->row[i].same_as;
	return -1;
}

static int not_here(const char *controller, struct err *e)
{
	own(buf) struct buf list = {}, v2 = {};
	struct err ignored = {};
	const struct cgroupfs *fs = cgroupfs_get();
	for (int i = 0; !fs->unified && i < CGROUPFS_V2; i++)
		if (fs->row[i].fd >= 0)
			buf_printf(&list, "%s%s", list.len ? " " : "", cgroupfs_name((enum cgroupfs_row)i));
	if (fs->row[CGROUPFS_V2].fd >= 0 && path_read(fs->row[CGROUPFS_V2].fd, "cgroup.controllers", &v2, &ignored) == 0 && *str_trim(v2.data))
		buf_printf(&list, "%s%s", list.len ? " " : "", str_trim(v2.data));
	return err_set(e, ERR_NOT_FOUND, "this machine has no cgroup controller %.40s: it has %s", controller, list.len ? buf_text(&list) : "none");
}

int cgroup_named_row(const char *controller, const char **v2_name, struct err *e)
{
	const char *ignored, *v2 = controller, *v1 = controller;
	v2_name = v2_name ? v2_name : &ignored;
	*v2_name = NULL;
	bool has_v2 = cgroupfs_get()->row[CGROUPFS_V2].fd >= 0;
	for (size_t i = 0; i < countof(other_names); i++) {
		v1 = strcmp(controller, other_names[i].v2) == 0 && i == 0 ? other_names[i].v1 : v1;
		v2 = strcmp(controller, other_names[i].v1) == 0 ? other_names[i].v2 : v2;
	}
	int row = v1_row(v1);
	if (row >= 0)
		return row;
	/* Freezing needs no controller there. */
	bool none = !*controller || strcmp(controller, "unified") == 0 || strcmp(controller, "cgroup") == 0 || strcmp(controller, "freezer") == 0;
	if (has_v2 && none)
		return CGROUPFS_V2;
	if (!has_v2 || !v2_has(v2))
		return not_here(controller, e);
	*v2_name = v2;
	return CGROUPFS_V2;
}

uint32_t cgroup_named_all(void)
{
	const struct cgroupfs *fs = cgroupfs_get();
	uint32_t rows = 0;
	for (int i = 0; i < CGROUPFS_ROWS; i++)
		if (fs->row[i].fd >= 0 && fs->row[i].same_as == i)
			rows |= 1u << i;
	return rows;
}

static int add_all(struct arena *a, struct cgroup_named *g)
{
	struct err ignored = {};
	own(buf) struct buf b = BUF(4096);
	own(strv) struct strv words = {};
	int root = cgroupfs_get()->row[CGROUPFS_V2].fd;
	g->rows = cgroup_named_all();
	g->any = true;
	if (root >= 0 && path_read(root, "cgroup.controllers", &b, &ignored) == 0)
		strv_split(&words, str_trim(b.data), ' ');
	for (size_t i = 0; i < words.n; i++)
		arena_strv_add(a, &g->enable, words.v[i]);
	return 0;
}

static int add_controllers(const char *names, struct arena *a, struct cgroup_named *g, struct err *e)
{
	own(strv) struct strv list = {};
	if (strcmp(names, "*") == 0)
		return add_all(a, g);
	strv_split(&list, names, ',');
	if (!list.n)
		strv_add(&list, "");
	for (size_t i = 0; i < list.n; i++) {
		const char *v2;
		int row = cgroup_named_row(list.v[i], &v2, e);
		if (row < 0)
			return -1;
		g->rows |= 1u << row;
		if (v2 && !strv_has(&g->enable, v2))
			arena_strv_add(a, &g->enable, v2);
	}
	return 0;
}

int cgroup_named_parse(const char *text, struct arena *a, struct cgroup_named *ret, struct err *e)
{
	struct cgroup_named g = {};
	size_t n = strcspn(text, "/:");
	bool named = text[n] == ':';
	const char *path = named ? text + n + 1 : text;
	own(mem) char *rooted = mem_printf("/%s", path), *clean = path_clean(rooted);
	own(mem) char *names = mem_ndup(text, named ? n : 0);
	if (named && add_controllers(names, a, &g, e) < 0)
		return -1;
	if (!*path || strlen(clean) > 4000 || strpbrk(clean, "\n"))
		return err_set(e, ERR_USAGE, "invalid cgroup \"%.200s\": it is PATH or CONTROLLERS:PATH", text);
	g.path = arena_dup(a, clean);
	*ret = g;
	return 0;
}

static const char *below(const struct cgroup_named *g)
{
	return g->path[1] ? g->path + 1 : ".";
}

static int open_quietly(const struct cgroup_named *g, int row)
{
	return openat(cgroupfs_get()->row[row].fd, below(g), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int cgroup_named_open(const struct cgroup_named *g, int row, struct err *e)
{
	int fd = open_quietly(g, row);
	if (fd < 0 && errno == ENOENT)
		return err_set(e, ERR_NOT_FOUND, "no such cgroup: %.300s (%s)", g->path, cgroupfs_name((enum cgroupfs_row)row));
	return fd < 0 ? err_sys(e, "cgroup %.300s (%s)", g->path, cgroupfs_name((enum cgroupfs_row)row)) : fd;
}

int cgroup_named_find(const struct cgroup_named *g, uint32_t *ret, struct err *e)
{
	uint32_t wanted = g->rows ? g->rows : cgroup_named_all();
	*ret = 0;
	for (int i = 0; i < CGROUPFS_ROWS; i++) {
		own(fd) int fd = wanted & 1u << i ? open_quietly(g, i) : -1;
		if (fd >= 0)
			*ret |= 1u << i;
		else if (g->rows & 1u << i && !g->any)
			return cgroup_named_open(g, i, e) < 0 ? -1 : 0;
	}
	return *ret ? 0 : err_set(e, ERR_NOT_FOUND, "no such cgroup: %.300s", g->path);
}

char *cgroup_named_controllers(int row, int dir)
{
	const struct cgroupfs *fs = cgroupfs_get();
	own(buf) struct buf b = BUF(4096);
	struct err ignored = {};
	if (row == CGROUPFS_V2) {
		if (path_read(dir, "cgroup.controllers", &b, &ignored) < 0 || !b.len)
			return mem_dup("");
		char *text = str_trim(b.data);
		for (char *p = text; *p; p++)
			*p = *p == ' ' ? ',' : *p;
		return mem_dup(text);
	}
	for (int i = row; i < CGROUPFS_V2; i++)
		if (fs->row[i].fd >= 0 && fs->row[i].same_as == row)
			buf_printf(&b, "%s%s%s", b.len ? "," : "", i == CGROUPFS_SYSTEMD ? "name=" : "", cgroupfs_name((enum cgroupfs_row)i));
	return buf_take(&b);
}

/* A v1 group of CPUs takes no process before it has some: it gets its parent's, as v2 does it. */
static void inherit_cpus(int parent, int dir)
{
	static const char *const files[] = {"cpuset.cpus", "cpuset.mems"};
	struct err ignored = {};
	for (size_t i = 0; i < countof(files); i++) {
		own(buf) struct buf now = BUF(4096), theirs = BUF(4096);
		if (path_read(dir, files[i], &now, &ignored) == 0 && !*str_trim(now.data) && path_read(parent, files[i], &theirs, &ignored) == 0)
			(void)!path_put(dir, files[i], str_trim(theirs.data), &ignored);
	}
}

static int enable(int dir, const struct strv *controllers, const char *path, struct err *e)
{
	for (size_t i = 0; i < controllers->n; i++) {
		own(mem) char *word = mem_printf("+%s", controllers->v[i]);
		struct err why = {};
		if (path_put(dir, "cgroup.subtree_control", word, &why) == 0)
			continue;
		if (why.sys == EBUSY)
			return err_set(e, ERR_CONFLICT, "controller %s cannot be switched on below %.200s: processes are in it", controllers->v[i], path);
		*e = why;
		return err_wrap(e, "switch controller %s on below %.200s", controllers->v[i], path);
	}
	return 0;
}

/* Returns the directory. */
static int make_row(const struct cgroup_named *g, int row, struct err *e)
{
	own(strv) struct strv names = {};
	own(buf) struct buf so_far = {};
	own(fd) int at = openat(cgroupfs_get()->row[row].fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	strv_split(&names, g->path + 1, '/');
	for (size_t i = 0; i < names.n; i++) {
		if (row == CGROUPFS_V2 && enable(at, &g->enable, so_far.len ? buf_text(&so_far) : "/", e) < 0)
			return -1;
		buf_printf(&so_far, "/%s", names.v[i]);
		bool made = mkdirat(at, names.v[i], 0755) == 0;
		if (!made && errno != EEXIST)
			return err_sys(e, "make cgroup %.200s (%s)", buf_text(&so_far), cgroupfs_name((enum cgroupfs_row)row));
		int next = openat(at, names.v[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (next < 0)
			return err_sys(e, "cgroup %.200s (%s)", buf_text(&so_far), cgroupfs_name((enum cgroupfs_row)row));
		if (made && row == cgroup_first_of(CGROUPFS_CPUSET) && row != CGROUPFS_V2)
			inherit_cpus(at, next);
		fd_drop(&at);
		at = next;
	}
	return take_fd(at);
}

static bool takes_tasks(const char *file)
{
	return strcmp(file, "tasks") == 0 || strcmp(file, "cgroup.procs") == 0 || strcmp(file, "cgroup.threads") == 0;
}

static int set_rights(int dir, const struct cgroup_rights *r, struct err *e)
{
	own(strv) struct strv names = {};
	if (r->dir_mode >= 0 && fchmod(dir, (mode_t)r->dir_mode) < 0)
		return err_sys(e, "mode of the group");
	if (r->all.set && fchown(dir, r->all.uid, r->all.gid) < 0)
		return err_sys(e, "owner of the group");
	if (!r->all.set && !r->tasks.set && r->file_mode < 0 && r->tasks_mode < 0)
		return 0;
	if (path_list(dir, ".", &names, e) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		struct stat st;
		if (fstatat(dir, names.v[i], &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
			continue;
		bool tasks = takes_tasks(names.v[i]);
		const struct cgroup_owner *o = tasks && r->tasks.set ? &r->tasks : &r->all;
		int mode = tasks && r->tasks_mode >= 0 ? r->tasks_mode : tasks ? -1 : r->file_mode;
		/* Nobody gets to write what the kernel lets nobody write. */
		mode_t most = tasks ? 0777 : st.st_mode | (st.st_mode & 0600) >> 3 | (st.st_mode & 0600) >> 6;
		if (mode >= 0 && fchmodat(dir, names.v[i], (mode_t)mode & most, 0) < 0)
			return err_sys(e, "mode of %s", names.v[i]);
		if (o->set && fchownat(dir, names.v[i], o->uid, o->gid, AT_SYMLINK_NOFOLLOW) < 0)
			return err_sys(e, "owner of %s", names.v[i]);
	}
	return 0;
}

int cgroup_named_make(const struct cgroup_named *g, const struct cgroup_rights *r, struct err *e)
{
	if (!g->path[1])
		return err_set(e, ERR_EXISTS, "cgroup /: the root of a hierarchy is always there");
	for (int i = 0; i < CGROUPFS_ROWS; i++) {
		if (!(g->rows & 1u << i))
			continue;
		own(fd) int dir = make_row(g, i, e);
		if (dir < 0)
			return -1;
		if (set_rights(dir, r, e) < 0)
			return err_wrap(e, "cgroup %.200s (%s)", g->path, cgroupfs_name((enum cgroupfs_row)i));
	}
	return 0;
}

int cgroup_named_walk(int row, const char *path, int depth, cgroup_named_fn *each, void *arg, struct err *e)
{
	const struct cgroup_named g = {.path = (char *)(uintptr_t)path};
	own(strv) struct strv names = {};
	struct err gone = {};
	own(fd) int dir = open_quietly(&g, row);
	if (dir < 0)
		return 0;
	if (each(arg, row, dir, path, e) < 0)
		return -1;
	if (depth == 0 || path_list(dir, ".", &names, &gone) < 0)
		return 0;
	strv_sort(&names);
	for (size_t i = 0; i < names.n; i++) {
		struct stat st;
		if (fstatat(dir, names.v[i], &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
			continue;
		own(mem) char *sub = mem_printf("%s/%s", path[1] ? path : "", names.v[i]);
		if (cgroup_named_walk(row, sub, depth < 0 ? -1 : depth - 1, each, arg, e) < 0)
			return -1;
	}
	return 0;
}
