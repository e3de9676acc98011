/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_mounts: -v, --mount, --tmpfs and --volumes-from as the engine takes them. -v and --tmpfs are handed on as text with
 * their source made absolute, because a container is started again from other directories; --mount is taken apart here:
 *
 *   type=bind,"source=/a,b",target=/c,readonly      comma-separated, quotes as in CSV; keys are the table below
 *
 * No destination may be named twice, unless by the same words.
 */
#include "cli/run_request.h"

#include "base/num.h"
#include "base/path.h"
#include "engine/request.h"
#include "engine/secret.h"
#include "engine/volume.h"

#include <stdlib.h>
#include <unistd.h>

struct parse {
	struct run_request *r;
	struct strv taken; /* destinations so far */
};

static int take_destination(struct parse *p, const char *option, const char *path, struct err *e)
{
	if (*path != '/')
		return err_set(e, ERR_USAGE, "--%s: the path in the container must be absolute, \"%.200s\" is not", option, path);
	own(mem) char *clean = path_clean(path);
	if (strcmp(clean, "/") == 0)
		return err_set(e, ERR_USAGE, "--%s: nothing can be mounted over / of the container", option);
	if (strv_has(&p->taken, clean))
		return err_set(e, ERR_USAGE, "--%s: something is mounted at %.200s already", option, clean);
	strv_add(&p->taken, clean);
	return 0;
}

/* "./x" and "../x" are of the directory we are in. */
static char *absolute(struct arena *a, const char *path)
{
	bool relative = str_eq(path, ".") || str_eq(path, "..") || str_has_prefix(path, "./") || str_has_prefix(path, "../");
	if (!relative)
		return arena_dup(a, path);
	own(mem) char *cwd = getcwd(NULL, 0);
	own(mem) char *joined = path_join(cwd ? cwd : "/", path);
	own(mem) char *clean = path_clean(joined);
	return arena_dup(a, clean);
}

static int one_volume(struct parse *p, const char *text, struct err *e)
{
	struct arena *a = &p->r->arena;
	own(strv) struct strv f = {};
	strv_split(&f, text, ':');
	if (f.n < 1 || f.n > 3 || !*f.v[0] || (f.n > 1 && !*f.v[1]) || (f.n > 2 && !*f.v[2]))
		return err_set(e, ERR_USAGE, "invalid --volume \"%.200s\": it is [SOURCE:]PATH[:OPTIONS]", text);
	if (take_destination(p, "volume", f.v[f.n > 1], e) < 0)
		return -1;
	if (f.n == 1) {
		arena_strv_add(a, &p->r->config.volumes, f.v[0]);
		return 0;
	}
	const char *source = absolute(a, f.v[0]);
	if (*source != '/' && strchr(source, '/'))
		return err_set(e, ERR_USAGE, "--volume %.200s: a directory of the host is named by an absolute path, or one that begins with ./", text);
	if (*source != '/' && !volume_name_is_valid(source))
		return err_set(e, ERR_USAGE, "--volume %.200s: a volume's name has [a-zA-Z0-9][a-zA-Z0-9_.-] only, at least two; "
			"a directory begins with / or ./", text);
	arena_strv_add(a, &p->r->host.binds,
		f.n == 3 ? arena_printf(a, "%s:%s:%s", source, f.v[1], f.v[2]) : arena_printf(a, "%s:%s", source, f.v[1]));
	return 0;
}

static int one_tmpfs(struct parse *p, const char *text, struct err *e)
{
	struct arena *a = &p->r->arena;
	size_t n = strcspn(text, ":");
	const char *path = arena_ndup(a, text, n), *options = text[n] ? text + n + 1 : "";
	if (!n || take_destination(p, "tmpfs", path, e) < 0)
		return n ? -1 : err_set(e, ERR_USAGE, "invalid --tmpfs \"%.200s\": it is PATH[:OPTIONS]", text);
	map_set(a, &p->r->host.tmpfs, path, options);
	return 0;
}

/* The fields of a line of CSV. */
static int split_fields(const char *text, struct strv *ret, struct err *e)
{
	const char *p = text;
	for (;;) {
		own(buf) struct buf b = {};
		bool quoted = *p == '"';
		p += quoted;
		for (; *p && (quoted || *p != ','); p++) {
			if (quoted && *p == '"') {
				if (p[1] != '"')
					break;
				p++;
			}
			buf_char(&b, *p);
		}
		if (quoted && (*p != '"' || (p[1] && p[1] != ',')))
			return err_set(e, ERR_USAGE, "the quotes do not match");
		p += quoted;
		strv_add(ret, buf_text(&b));
		if (!*p)
			return 0;
		p++;
	}
}

enum mount_key { M_TYPE, M_SOURCE, M_TARGET, M_READONLY, M_CONSISTENCY, M_PROPAGATION, M_NONRECURSIVE, M_RECURSIVE, M_CREATE,
	M_NOCOPY, M_SUBPATH, M_DRIVER, M_SIZE, M_MODE };
static const struct {
	const char *name;
	enum mount_key key;
	const char *type; /* that alone has it */
	bool bare;        /* may stand without a value */
} keys[] = {
	{"type", M_TYPE}, {"source", M_SOURCE}, {"src", M_SOURCE}, {"target", M_TARGET}, {"destination", M_TARGET}, {"dst", M_TARGET},
	{"readonly", M_READONLY, NULL, true}, {"ro", M_READONLY, NULL, true}, {"consistency", M_CONSISTENCY},
	{"bind-propagation", M_PROPAGATION, "bind"}, {"bind-nonrecursive", M_NONRECURSIVE, "bind", true},
	{"bind-recursive", M_RECURSIVE, "bind"}, {"bind-create-src", M_CREATE, "bind", true},
	{"volume-nocopy", M_NOCOPY, "volume", true}, {"volume-subpath", M_SUBPATH, "volume"}, {"volume-driver", M_DRIVER, "volume"},
	{"tmpfs-size", M_SIZE, "tmpfs"}, {"tmpfs-mode", M_MODE, "tmpfs"},
};

static bool is_one_of(const char *s, const char *words)
{
	own(strv) struct strv v = {};
	strv_split(&v, words, ' ');
	return strv_has(&v, s);
}

static int set_recursive(struct bind_options *b, const char *v, struct err *e)
{
	if (!is_one_of(v, "enabled disabled writable readonly"))
		return err_set(e, ERR_USAGE, "invalid bind-recursive \"%.60s\": enabled, disabled, writable or readonly", v);
	b->non_recursive = str_eq(v, "disabled");
	b->ro_non_recursive = str_eq(v, "writable");
	b->ro_force_recursive = str_eq(v, "readonly");
	return 0;
}

static int set_mode(struct tmpfs_options *t, const char *v, struct err *e)
{
	char *end;
	unsigned long mode = strtoul(v, &end, 8);
	if (!*v || *end || mode > 07777)
		return err_set(e, ERR_USAGE, "invalid tmpfs-mode \"%.60s\": octal, as in 1777", v);
	t->mode = (uint32_t)mode;
	return 0;
}

static int set_field(struct arena *a, struct mount_request *m, enum mount_key key, const char *v, struct err *e)
{
	switch (key) {
	case M_TYPE: m->type = arena_dup(a, v); return 0;
	case M_SOURCE: m->source = absolute(a, v); return 0;
	case M_TARGET: m->target = arena_dup(a, v); return 0;
	case M_READONLY: return num_bool(v, &m->read_only, "readonly", e);
	case M_CONSISTENCY: m->consistency = arena_dup(a, v); return 0;
	case M_PROPAGATION: m->bind->propagation = arena_dup(a, v); return 0;
	case M_NONRECURSIVE: return num_bool(v, &m->bind->non_recursive, "bind-nonrecursive", e);
	case M_RECURSIVE: return set_recursive(m->bind, v, e);
	case M_CREATE: return num_bool(v, &m->bind->create_mountpoint, "bind-create-src", e);
	case M_NOCOPY: return num_bool(v, &m->volume->no_copy, "volume-nocopy", e);
	case M_SUBPATH: m->volume->subpath = arena_dup(a, v); return 0;
	case M_DRIVER: return str_eq(v, "local") ? 0 : err_set(e, ERR_USAGE, "volume-driver %.60s: only \"local\" is known", v);
	case M_SIZE: return num_size(v, false, &m->tmpfs->size, "tmpfs-size", e);
	case M_MODE: return set_mode(m->tmpfs, v, e);
	}
	return 0;
}

static int set_by_name(struct arena *a, struct mount_request *m, const char *text, const char **ret_only, struct err *e)
{
	size_t n = strcspn(text, "=");
	for (size_t i = 0; i < countof(keys); i++) {
		if (strncmp(keys[i].name, text, n) != 0 || keys[i].name[n])
			continue;
		if (!text[n] && !keys[i].bare)
			return err_set(e, ERR_USAGE, "%s needs a value: %s=…", keys[i].name, keys[i].name);
		if (keys[i].type)
			*ret_only = keys[i].type;
		return set_field(a, m, keys[i].key, text[n] ? text + n + 1 : "true", e);
	}
	const char *names[countof(keys)];
	for (size_t i = 0; i < countof(keys); i++)
		names[i] = keys[i].name;
	own(mem) char *key = mem_ndup(text, n < 60 ? n : 60);
	const char *near = str_nearest(key, names, countof(keys));
	if (near)
		return err_set(e, ERR_USAGE, "unknown key \"%s\": did you mean \"%s\"?", key, near);
	return err_set(e, ERR_USAGE, "unknown key \"%s\": type, source, target, readonly and bind-…, volume-…, tmpfs-… are known", key);
}

static int one_mount(struct parse *p, const char *text, struct err *e)
{
	struct arena *a = &p->r->arena;
	struct mount_request m = {.type = arena_dup(a, "volume"), .bind = arena_alloc(a, sizeof *m.bind),
		.volume = arena_alloc(a, sizeof *m.volume), .tmpfs = arena_alloc(a, sizeof *m.tmpfs)};
	own(strv) struct strv fields = {};
	const char *only = NULL;
	int r = split_fields(text, &fields, e);
	for (size_t i = 0; r == 0 && i < fields.n; i++)
		r = set_by_name(a, &m, fields.v[i], &only, e);
	if (r == 0 && only && strcmp(only, m.type) != 0)
		r = err_set(e, ERR_USAGE, "an option that begins with %s- does not go with type=%s", only, m.type);
	if (r < 0 || request_check_mount(&m, e) < 0)
		return err_wrap(e, "invalid --mount \"%.200s\"", text);
	if (take_destination(p, "mount", m.target, e) < 0)
		return -1;
	if (strcmp(m.type, "bind") != 0)
		m.bind = NULL;
	if (strcmp(m.type, "volume") != 0)
		m.volume = NULL;
	if (strcmp(m.type, "tmpfs") != 0)
		m.tmpfs = NULL;
	*arena_push(a, &p->r->host.mounts) = m;
	return 0;
}

/* -v "$HOME:$HOME" -v "$PWD:$PWD" at home is no mistake. */
static bool is_repeated(const struct strv *l, size_t i)
{
	size_t k = 0;
	while (k < i && strcmp(l->v[k], l->v[i]) != 0)
		k++;
	return k < i;
}

static int each(struct parse *p, const struct strv *list, int (*one)(struct parse *p, const char *text, struct err *e), struct err *e)
{
	for (size_t i = 0; i < list->n; i++)
		if (!is_repeated(list, i) && one(p, list->v[i], e) < 0)
			return -1;
	return 0;
}

int run_request_mounts(const struct run_options *o, struct run_request *r, struct err *e)
{
	struct parse p = {.r = r};
	int result = each(&p, &o->volume, one_volume, e) < 0 || each(&p, &o->mount, one_mount, e) < 0 ||
		each(&p, &o->tmpfs, one_tmpfs, e) < 0 ? -1 : 0;
	for (size_t i = 0; i < o->secret.n && result == 0; i++)
		result = secret_parse(o->secret.v[i], &r->arena, arena_push(&r->arena, &r->host.secrets), e);
	strv_drop(&p.taken);
	r->host.volumes_from = o->volumes_from;
	r->host.read_only = o->read_only;
	r->host.shm_size = o->shm_size.v;
	r->host.volume_driver = o->volume_driver;
	return result;
}
