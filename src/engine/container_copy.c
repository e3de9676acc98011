/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_copy: all of it happens in a child of ours (view.h). Containers are locked in the order of their ids, so that two commands the
 * other way round do not wait for each other.
 *
 * A place of the destination is a directory, held by its fd, and a name in it: a symlink that is the last word of a path is followed here, word
 * by word in the container's root, and what is there when the file is made is replaced and never followed.
 */
#include "engine/container_copy.h"

#include "base/fd.h"
#include "base/path.h"
#include "engine/events.h"
#include "engine/view.h"
#include "snap/transfer.h"
#include "sys/child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

enum { LINKS_MAX = 40 };

struct job {
	struct engine *g;
	const struct container_copy *r;
	struct { struct view *v; size_t n; } views;
	struct copied *done; /* in memory that the child has with us */
};

static void job_drop(struct job *j)
{
	for (size_t i = 0; i < j->views.n; i++)
		view_drop(&j->views.v[i]);
	mem_drop(&j->views.v);
	if (j->done)
		munmap(j->done, sizeof *j->done);
}

static struct view *view_of(const struct job *j, const char *id)
{
	for (size_t i = 0; i < j->views.n; i++)
		if (str_eq(j->views.v[i].c.id, id))
			return &j->views.v[i];
	return NULL;
}

/* The view of a place's container; NULL: it is the host's. */
static struct view *view_at(const struct job *j, const struct copy_place *p)
{
	char id[65];
	struct err ignored;
	return p->container && containers_find(&j->g->containers, p->container, id, &ignored) == 0 ? view_of(j, id) : NULL;
}

static int find_views(struct job *j, struct err *e)
{
	own(strv) struct strv ids = {};
	for (size_t i = 0; i <= j->r->sources.n; i++) {
		const struct copy_place *p = i < j->r->sources.n ? &j->r->sources.v[i] : &j->r->to;
		char id[65];
		if (!p->container)
			continue;
		if (containers_find(&j->g->containers, p->container, id, e) < 0)
			return -1;
		if (!strv_has(&ids, id))
			strv_add(&ids, id);
	}
	strv_sort(&ids);
	j->views.v = mem_alloc((ids.n + 1) * sizeof *j->views.v);
	for (size_t i = 0; i < ids.n; i++) {
		struct view *v = &j->views.v[j->views.n++];
		*v = (struct view)VIEW_INIT;
		if (view_find(j->g, ids.v[i], v, e) < 0)
			return -1;
	}
	return 0;
}

static int open_at(const struct view *v, const char *path, int flags, struct err *e)
{
	if (v)
		return path_open_in(v->root, *path ? path : "/", flags, 0, e);
	int fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? err_sys(e, "%.300s", path) : fd;
}

struct source { int fd; char *name; bool is_dir, contents; };
static void source_drop(struct source *s)
{
	fd_drop(&s->fd);
	mem_drop(&s->name);
}

static bool ends_in_dot(const char *path)
{
	return str_eq(path, ".") || str_has_suffix(path, "/.");
}

/* Its last word; what ends in ".." has it from where that leads. */
static char *name_of(const struct view *v, const char *path, int fd)
{
	own(mem) char *clean = path_clean(path);
	if (!v && (str_eq(clean, "..") || str_has_suffix(clean, "/.."))) {
		char link[40], there[PATH_MAX];
		snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
		ssize_t n = readlink(link, there, sizeof there - 1);
		there[n < 0 ? 0 : n] = 0;
		return mem_dup(path_base(there));
	}
	return mem_dup(path_base(clean));
}

static int open_source(const struct job *j, const struct copy_place *p, struct source *ret, struct err *e)
{
	const struct view *v = view_at(j, p);
	struct stat st;
	own(mem) char *whole = v ? mem_printf("/%s", p->path + strspn(p->path, "/")) : mem_dup(p->path);
	bool follow = j->r->follow || str_has_suffix(whole, "/") || ends_in_dot(whole);
	ret->fd = open_at(v, whole, O_PATH | (follow ? 0 : O_NOFOLLOW), e);
	/* The caller says which one it was. */
	if (ret->fd < 0 && e->sys) {
		int sys = e->sys;
		err_set_(e, e->kind, "%s", strerror(sys));
		e->sys = sys;
	}
	if (ret->fd < 0)
		return -1;
	if (fstat(ret->fd, &st) < 0)
		return err_sys(e, "look");
	ret->name = name_of(v, whole, ret->fd);
	ret->is_dir = S_ISDIR(st.st_mode);
	ret->contents = ends_in_dot(whole) || str_is_empty(ret->name) || str_eq(ret->name, "/");
	return 0;
}

struct target {
	int dir;
	char *name, *path; /* path: the same as a text */
	bool is_dir;       /* dir is the destination itself, and name is the source's */
};
static void target_drop(struct target *t)
{
	fd_drop(&t->dir);
	mem_drop(&t->name);
	mem_drop(&t->path);
}

/* The directory and the name that a path leads to, through symlinks that are its last word. */
static int open_place(const struct view *v, const char *given, struct target *ret, struct err *e)
{
	own(mem) char *path = mem_dup(given);
	for (int i = 0; i < LINKS_MAX; i++) {
		size_t len = strlen(path);
		while (len > 1 && path[len - 1] == '/')
			path[--len] = 0;
		const char *name = path_base(path);
		char link[PATH_MAX];
		own(mem) char *above = mem_ndup(path, (size_t)(name - path));
		if (!path_is_name(name))
			return err_set(e, ERR_USAGE, "%.300s: there is no such directory", given);
		fd_drop(&ret->dir);
		ret->dir = open_at(v, *above ? above : v ? "/" : ".", O_PATH | O_DIRECTORY, e);
		if (ret->dir < 0)
			return err_wrap(e, "the destination's directory");
		ssize_t n = readlinkat(ret->dir, name, link, sizeof link - 1);
		if (n < 0) {
			ret->name = mem_dup(name);
			ret->path = take(path);
			return 0;
		}
		link[n] = 0;
		char *next = link[0] == '/' ? mem_dup(link) : mem_printf("%s%s", above, link);
		mem_drop(&path);
		path = next;
	}
	errno = ELOOP;
	return err_sys(e, "%.300s", given);
}

static int open_target(const struct job *j, const struct view *v, const struct source *s, struct target *ret, struct err *e)
{
	const char *given = j->r->to.path;
	own(mem) char *path = v ? mem_printf("/%s", given + strspn(given, "/")) : mem_dup(given);
	struct err why = {};
	struct stat st;
	bool wants_dir = str_has_suffix(path, "/") || ends_in_dot(path), many = j->r->sources.n > 1;
	own(fd) int there = open_at(v, path, O_PATH, &why);
	if (there >= 0 && fstat(there, &st) < 0)
		return err_sys(e, "look");
	if (there >= 0 && S_ISDIR(st.st_mode)) {
		ret->is_dir = true;
		ret->dir = take_fd(there);
		ret->name = mem_dup(s->name);
		return 0;
	}
	if (there < 0 && why.sys != ENOENT)
		return *e = why, -1;
	if (many || (wants_dir && (there >= 0 || !s->is_dir)))
		return err_set(e, there < 0 ? ERR_NOT_FOUND : ERR_CONFLICT, "%.300s: there is no such directory%s", given,
			many ? ", and several sources need one" : "");
	if (there >= 0 && s->is_dir)
		return err_set(e, ERR_CONFLICT, "%.300s is no directory, and one cannot be copied onto it", given);
	if (ends_in_dot(path))
		path[strlen(path) - 1] = 0;
	return open_place(v, path, ret, e);
}

static struct pack_ids ids_of(const struct view *v)
{
	return v ? (struct pack_ids){v->maps.uids, v->maps.gids, v->maps.nuids, v->maps.ngids} : (struct pack_ids){};
}

static int copy_one(const struct job *j, const struct copy_place *p, struct transfer *t, struct err *e)
{
	struct source s __attribute__((cleanup(source_drop))) = {.fd = -1};
	struct target to __attribute__((cleanup(target_drop))) = {.dir = -1};
	const struct view *from = view_at(j, p), *v = view_at(j, &j->r->to);
	t->from = ids_of(from);
	if (open_source(j, p, &s, e) < 0 || open_target(j, v, &s, &to, e) < 0)
		return -1;
	if (s.contents && s.is_dir && to.is_dir)
		return transfer_contents(t, s.fd, to.dir, e);
	return transfer_item(t, s.fd, to.dir, to.name, e);
}

static int put_out(void *arg, const void *b, size_t n, struct err *e)
{
	const struct job *j = arg;
	return fd_write_all(j->r->stream, b, n) < 0 ? err_sys(e, "write the archive") : 0;
}

static int pack_all(const struct job *j, struct transfer *t, struct err *e)
{
	struct tar_writer *tar = tar_writer_new(put_out, (void *)(uintptr_t)j);
	int r = 0;
	for (size_t i = 0; i < j->r->sources.n && r == 0; i++) {
		struct source s __attribute__((cleanup(source_drop))) = {.fd = -1};
		t->from = ids_of(view_at(j, &j->r->sources.v[i]));
		r = open_source(j, &j->r->sources.v[i], &s, e) < 0 ? -1 : transfer_pack(t, s.fd, s.contents ? "." : s.name, tar, e);
		if (r < 0)
			err_wrap_(e, "%.200s", j->r->sources.v[i].path);
	}
	if (r == 0)
		r = tar_write_end(tar, e);
	tar_writer_drop(&tar);
	return r;
}

static int unpack(const struct job *j, struct transfer *t, struct err *e)
{
	const struct view *v = view_at(j, &j->r->to);
	own(mem) char *path = mem_printf("/%s", j->r->to.path + strspn(j->r->to.path, "/"));
	own(fd) int dir = path_open_in(v->root, path, O_PATH | O_DIRECTORY, 0, e);
	return dir < 0 ? -1 : transfer_unpack(t, j->r->stream, v->root, path, e);
}

static int copy_all(const struct job *j, struct transfer *t, struct err *e)
{
	const struct container_copy *r = j->r;
	if (!r->to.container && str_eq(r->to.path, "-"))
		return pack_all(j, t, e);
	if (r->sources.n == 1 && !r->sources.v[0].container && str_eq(r->sources.v[0].path, "-"))
		return unpack(j, t, e);
	for (size_t i = 0; i < r->sources.n; i++)
		if (copy_one(j, &r->sources.v[i], t, e) < 0)
			return err_wrap(e, "%.100s%s%.200s", r->sources.v[i].container ? r->sources.v[i].container : "", r->sources.v[i].container ? ":" : "",
				r->sources.v[i].path);
	return 0;
}

static int work(void *arg, struct err *e)
{
	struct job *j = arg;
	const struct view *to = view_at(j, &j->r->to);
	struct transfer t = {.to = ids_of(to), .to_host = !to, .keep_owner = j->r->archive, .replace = j->r->replace,
		.no_devices = j->g->rootless || (to && to->maps.nuids)};
	if (views_open(j->g, j->views.v, j->views.n, e) < 0)
		return -1;
	if (to && view_become_root(j->g, to, e) < 0)
		return -1;
	umask(0);
	int r = copy_all(j, &t, e);
	*j->done = (struct copied){t.bytes, t.devices};
	transfer_drop(&t);
	return r;
}

int container_copy(struct engine *g, const struct container_copy *r, struct copied *ret, struct err *e)
{
	struct job j __attribute__((cleanup(job_drop))) = {.g = g, .r = r};
	void *shared = mmap(NULL, sizeof *j.done, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return err_sys(e, "memory");
	j.done = shared;
	int failed = find_views(&j, e) < 0 || child_do(work, &j, e) < 0 ? -1 : 0;
	*ret = *j.done;
	for (size_t i = 0; !failed && i <= r->sources.n; i++) {
		const struct view *v = view_at(&j, i < r->sources.n ? &r->sources.v[i] : &r->to);
		if (v)
			event_container(g, &v->c, i < r->sources.n ? "archive-path" : "extract-to-dir");
	}
	return failed;
}

struct looking {
	struct job *job;
	struct container_path *ret; /* in memory that the child has with us */
};

static int look(void *arg, struct err *e)
{
	struct looking *l = arg;
	struct source s __attribute__((cleanup(source_drop))) = {.fd = -1};
	struct target t __attribute__((cleanup(target_drop))) = {.dir = -1};
	const struct copy_place *p = &l->job->r->sources.v[0];
	const struct view *v = view_at(l->job, p);
	struct err ignored = {};
	if (views_open(l->job->g, l->job->views.v, l->job->views.n, e) < 0 || open_source(l->job, p, &s, e) < 0)
		return -1;
	if (fstat(s.fd, &l->ret->st) < 0)
		return err_sys(e, "look");
	own(mem) char *whole = mem_printf("/%s", p->path + strspn(p->path, "/"));
	if (!S_ISLNK(l->ret->st.st_mode) || open_place(v, whole, &t, &ignored) < 0)
		return 0;
	own(mem) char *clean = path_clean(t.path);
	snprintf(l->ret->link, sizeof l->ret->link, "%s", clean);
	return 0;
}

int container_look(struct engine *g, const char *container, const char *path, struct container_path *ret, struct err *e)
{
	struct copy_place place = {container, path};
	const struct container_copy r = {.sources = {&place, 1}, .to = {NULL, "-"}};
	struct job j __attribute__((cleanup(job_drop))) = {.g = g, .r = &r};
	void *shared = mmap(NULL, sizeof *ret, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return err_sys(e, "memory");
	struct looking l = {&j, shared};
	int failed = find_views(&j, e) < 0 || child_do(look, &l, e) < 0 ? -1 : 0;
	*ret = *l.ret;
	munmap(shared, sizeof *ret);
	return failed;
}
