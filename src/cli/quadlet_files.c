/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quadlet_files: where units are. Of units that have one name the first counts; a link to /dev/null hides the others. A unit's drop-ins are
 * the *.conf of foo.container.d, of foo-.container.d for what is called foo-bar, and of container.d, in every directory; of those
 * that have one name the most special, all in the order of their names. A template foo@.container has the instances that are
 * links to it, or have drop-ins.
 */
#include "cli/quadlet.h"

#include "base/path.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { DEPTH = 16, DIRS = 4096, UNITS = 4096, FILE_BYTES = 1 << 20 };
enum { SYSTEM = 1, USER = 2, PODMANS = 4, RUNTIME = 8, CONFIG = 16, OF_UID = 32, USERS = 64 };

/* %u: the user's number. */
static const struct { const char *path; unsigned flags; } places[] = {
	{"/run/hull/systemd", SYSTEM},
	{"/run/containers/systemd", SYSTEM | PODMANS},
	{HULL_SYSCONFDIR "/systemd", SYSTEM},
	{"/etc/containers/systemd", SYSTEM | PODMANS},
	{HULL_DATADIR "/systemd", SYSTEM},
	{"/usr/share/containers/systemd", SYSTEM | PODMANS},
	{"hull/systemd", USER | RUNTIME},
	{"containers/systemd", USER | RUNTIME | PODMANS},
	{"hull/systemd", USER | CONFIG},
	{"containers/systemd", USER | CONFIG | PODMANS},
	{HULL_SYSCONFDIR "/systemd/users", USER | OF_UID},
	{HULL_SYSCONFDIR "/systemd/users", USER | USERS},
	{"/etc/containers/systemd/users", USER | OF_UID | PODMANS},
	{"/etc/containers/systemd/users", USER | USERS | PODMANS},
	{HULL_DATADIR "/systemd/users", USER | OF_UID},
	{HULL_DATADIR "/systemd/users", USER | USERS},
	{"/usr/share/containers/systemd/users", USER | OF_UID | PODMANS},
	{"/usr/share/containers/systemd/users", USER | USERS | PODMANS},
};

static void tell(const struct quadlet *q, const char *what, const char *path)
{
	own(mem) char *text = mem_printf("%s %s", what, path);
	q->tell(q->arg, text);
}

static bool is_number(const char *s)
{
	return *s && !s[strspn(s, "0123456789")];
}

/* The directory and those below it, but for drop-ins and what belongs to other users. */
static void add_dir(struct quadlet *q, const char *path, unsigned flags, int depth)
{
	own(mem) char *real = realpath(path, NULL);
	own(strv) struct strv names = {};
	struct stat st;
	struct err e = {};
	if (!real || stat(real, &st) < 0 || !S_ISDIR(st.st_mode) || strv_has(&q->dirs, real) || q->dirs.n >= DIRS || depth > DEPTH)
		return;
	strv_add(&q->dirs, real);
	if (path_list(AT_FDCWD, real, &names, &e) < 0) {
		quadlet_say(q, &e);
		return;
	}
	strv_sort(&names);
	for (size_t i = 0; i < names.n; i++) {
		bool others = depth == 0 && (flags & SYSTEM ? strcmp(names.v[i], "users") == 0 : flags & USERS && is_number(names.v[i]));
		own(mem) char *below = path_join(real, names.v[i]);
		if (!others && !str_has_suffix(names.v[i], ".d") && !quadlet_type(names.v[i]))
			add_dir(q, below, flags, depth + 1);
	}
}

/* podman's own generator makes services of podman's directories, by the same names: they are left to it. */
static bool podman_generates(bool user)
{
	static const char *const dirs[] = {"/run/systemd", "/etc/systemd", "/usr/local/lib/systemd", "/usr/lib/systemd", "/lib/systemd"};
	for (size_t i = 0; i < countof(dirs); i++) {
		own(mem) char *file = mem_printf("%s/%s-generators/podman-%s-generator", dirs[i], user ? "user" : "system", user ? "user" : "system");
		if (access(file, X_OK) == 0)
			return true;
	}
	return false;
}

static void add_place(struct quadlet *q, const char *path, unsigned flags)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR"), *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	own(mem) char *whole = NULL;
	if (flags & OF_UID)
		whole = mem_printf("%s/%u", path, (unsigned)getuid());
	else if (flags & RUNTIME)
		whole = str_is_empty(runtime) ? NULL : mem_printf("%s/%s", runtime, path);
	else if (flags & CONFIG)
		whole = !str_is_empty(config) ? mem_printf("%s/%s", config, path) : str_is_empty(home) ? NULL : mem_printf("%s/.config/%s", home, path);
	else
		whole = mem_dup(path);
	if (whole)
		add_dir(q, whole, flags, 0);
}

static void find_dirs(struct quadlet *q)
{
	const char *given = getenv("QUADLET_UNIT_DIRS");
	own(strv) struct strv dirs = {};
	if (!str_is_empty(given)) {
		strv_split(&dirs, given, ':');
		for (size_t i = 0; i < dirs.n; i++) {
			struct err e = {};
			if (*dirs.v[i] == '/') {
				add_dir(q, dirs.v[i], 0, 0);
			} else {
				err_set_(&e, ERR_USAGE, "QUADLET_UNIT_DIRS: \"%.200s\" is no absolute path", dirs.v[i]);
				quadlet_say(q, &e);
			}
		}
		return;
	}
	bool podmans = !podman_generates(q->user);
	if (!podmans)
		q->tell(q->arg, "podman's generator is installed: its directories are left to it");
	for (size_t i = 0; i < countof(places); i++)
		if (places[i].flags & (q->user ? USER : SYSTEM) && (podmans || !(places[i].flags & PODMANS)))
			add_place(q, places[i].path, places[i].flags);
}

/* 1: masked, by a link to /dev/null. */
static int read_file(const char *path, struct unitfile *f, struct err *e)
{
	own(buf) struct buf text = BUF(FILE_BYTES);
	struct stat st;
	if (stat(path, &st) < 0)
		return err_sys(e, "%s", path);
	if (S_ISCHR(st.st_mode))
		return 1;
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_USAGE, "%s: this is no file", path);
	return path_read(AT_FDCWD, path, &text, e) < 0 || unitfile_parse(f, path, buf_text(&text), text.len, e) < 0 ? -1 : 0;
}

static struct quadlet_unit *new_unit(struct quadlet *q, const char *name, const char *path)
{
	struct quadlet_unit *u = arena_push(&q->arena, &q->units);
	u->name = arena_dup(&q->arena, name);
	u->path = arena_dup(&q->arena, path);
	u->type = quadlet_type(name);
	return u;
}

static void load_dir(struct quadlet *q, const char *dir, struct strv *seen)
{
	own(strv) struct strv names = {};
	struct err e = {};
	if (path_list(AT_FDCWD, dir, &names, &e) < 0)
		return;
	strv_sort(&names);
	for (size_t i = 0; i < names.n && q->units.n < UNITS; i++) {
		own(mem) char *path = path_join(dir, names.v[i]);
		if (!quadlet_type(names.v[i]) || strv_has(seen, names.v[i]))
			continue;
		own(unitfile) struct unitfile f = {};
		struct err why = {};
		int r = read_file(path, &f, &why);
		tell(q, r > 0 ? "masked:" : "reading", path);
		if (r < 0)
			quadlet_say(q, &why);
		strv_add(seen, names.v[i]);
		if (r != 0)
			continue;
		new_unit(q, names.v[i], path)->file = f;
		f = (struct unitfile){};
	}
}

/* foo@bar.container.d where there is a foo@.container. */
static void find_instances(struct quadlet *q, const char *dir, struct strv *seen)
{
	own(strv) struct strv names = {};
	struct err e = {};
	if (path_list(AT_FDCWD, dir, &names, &e) < 0)
		return;
	strv_sort(&names);
	for (size_t i = 0; i < names.n; i++) {
		if (!str_has_suffix(names.v[i], ".d"))
			continue;
		const char *name = arena_ndup(&q->arena, names.v[i], strlen(names.v[i]) - 2);
		struct quadlet_name n = quadlet_name(&q->arena, name);
		if (!quadlet_type(name) || str_is_empty(n.instance) || !*n.prefix || strv_has(seen, name))
			continue;
		const struct quadlet_unit *t = quadlet_find(q, arena_printf(&q->arena, "%s@%s", n.prefix, n.suffix));
		if (!t)
			continue;
		strv_add(seen, name);
		tell(q, "an instance by its drop-ins:", name);
		struct unitfile f = {};
		unitfile_merge(&f, &t->file);
		new_unit(q, name, t->path)->file = f;
	}
}

/* The names of directories of drop-ins, the most special first. */
static void dropin_names(struct quadlet *q, const struct quadlet_unit *u, struct strv *ret)
{
	struct quadlet_name n = quadlet_name(&q->arena, u->name);
	strv_add_take(ret, mem_printf("%s.d", u->name));
	if (!str_is_empty(n.instance))
		strv_add_take(ret, mem_printf("%s@%s.d", n.prefix, n.suffix));
	for (size_t len = strlen(n.prefix); len-- > 0;) {
		if (n.prefix[len] != '-' || !n.prefix[len + 1])
			continue;
		if (n.instance)
			strv_add_take(ret, mem_printf("%.*s@%s.d", (int)len + 1, n.prefix, n.suffix));
		strv_add_take(ret, mem_printf("%.*s%s.d", (int)len + 1, n.prefix, n.suffix));
	}
	strv_add_take(ret, mem_printf("%s.d", n.suffix + 1));
}

static int by_base(const void *a, const void *b)
{
	return strcmp(path_base(*(char *const *)a), path_base(*(char *const *)b));
}

static bool has_base(const struct strv *files, const char *base)
{
	for (size_t i = 0; i < files->n; i++)
		if (strcmp(path_base(files->v[i]), base) == 0)
			return true;
	return false;
}

static void find_dropins(struct quadlet *q, const struct quadlet_unit *u, struct strv *ret)
{
	own(strv) struct strv names = {}, dirs = {};
	own(mem) char *real = realpath(u->path, NULL);
	char *slash = real ? strrchr(real, '/') : NULL;
	dropin_names(q, u, &names);
	for (size_t i = 0; i < q->dirs.n; i++)
		strv_add(&dirs, q->dirs.v[i]);
	/* Where a link leads to. */
	if (slash)
		strv_add_n(&dirs, real, (size_t)(slash - real));
	for (size_t i = 0; i < names.n * dirs.n; i++) {
		own(mem) char *dir = path_join(dirs.v[i % dirs.n], names.v[i / dirs.n]);
		own(strv) struct strv files = {};
		struct err e = {};
		if (access(dir, F_OK) < 0 || path_list(AT_FDCWD, dir, &files, &e) < 0)
			continue;
		for (size_t k = 0; k < files.n; k++)
			if (str_has_suffix(files.v[k], ".conf") && !has_base(ret, files.v[k]))
				strv_add_take(ret, path_join(dir, files.v[k]));
	}
	if (ret->n)
		qsort(ret->v, ret->n, sizeof *ret->v, by_base);
}

static bool add_dropins(struct quadlet *q, struct quadlet_unit *u)
{
	own(strv) struct strv files = {};
	find_dropins(q, u, &files);
	for (size_t i = 0; i < files.n; i++) {
		struct err e = {};
		tell(q, "reading", files.v[i]);
		if (read_file(files.v[i], &u->file, &e) >= 0)
			continue;
		quadlet_say(q, &e);
		return false;
	}
	return true;
}

void quadlet_load(struct quadlet *q)
{
	own(strv) struct strv seen = {};
	find_dirs(q);
	for (size_t i = 0; i < q->dirs.n; i++)
		load_dir(q, q->dirs.v[i], &seen);
	for (size_t i = 0; i < q->dirs.n; i++)
		find_instances(q, q->dirs.v[i], &seen);
	size_t n = 0;
	for (size_t i = 0; i < q->units.n; i++) {
		struct quadlet_unit *u = &q->units.v[i];
		if (add_dropins(q, u))
			q->units.v[n++] = *u;
		else
			unitfile_drop(&u->file);
	}
	q->units.n = n;
}
