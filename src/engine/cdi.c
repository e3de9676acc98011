/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cdi: the files of all directories are read, in the order of the directories and of their names, before any of what they say is put into
 * the configuration: a later directory may describe the device again. What a file says for all of its devices goes in once, before
 * what it says for one.
 */
#include "engine/cdi.h"

#include "base/fd.h"
#include "base/path.h"
#include "codec/yaml.h"
#include "engine/settings.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { SPEC_MAX = 4 << 20 };
static const char *const usual_dirs[] = {"/etc/cdi", "/var/run/cdi"};

/* --- the documents --- */

struct node { char *path, *host, *type, *permissions; struct opt_i64 major, minor, mode, uid, gid; };
struct lent { char *host, *inside, *type; struct strv options; };
struct hook { char *name, *path; struct strv args, env; struct opt_i64 timeout; };
struct edits {
	struct strv env;
	struct { struct node *v; size_t n; } nodes;
	struct { struct lent *v; size_t n; } mounts;
	struct { struct hook *v; size_t n; } hooks;
	struct u32v gids;
	struct json *net_devices, *rdt; /* not known here */
};
struct described { char *name; struct edits edits; };
struct description { char *version, *kind; struct { struct described *v; size_t n; } devices; struct edits edits; };

#define T(name, type, fields) const struct jtable name = JTABLE(type, fields)
#define S struct node
static const struct jfield node_fields[] = {
	JFF(S, "path", path, JT_STR, JF_REQUIRED), JF(S, "hostPath", host, JT_STR), JF(S, "type", type, JT_STR), JF(S, "permissions", permissions, JT_STR),
	JF(S, "major", major, JT_OI64), JF(S, "minor", minor, JT_OI64), JF(S, "fileMode", mode, JT_OI64), JF(S, "uid", uid, JT_OI64),
	JF(S, "gid", gid, JT_OI64),
};
static T(node_table, S, node_fields);
#undef S
#define S struct lent
static const struct jfield mount_fields[] = {
	JFF(S, "hostPath", host, JT_STR, JF_REQUIRED), JFF(S, "containerPath", inside, JT_STR, JF_REQUIRED), JF(S, "type", type, JT_STR),
	JF(S, "options", options, JT_STRV),
};
static T(mount_table, S, mount_fields);
#undef S
#define S struct hook
static const struct jfield hook_fields[] = {
	JFF(S, "hookName", name, JT_STR, JF_REQUIRED), JFF(S, "path", path, JT_STR, JF_REQUIRED), JF(S, "args", args, JT_STRV),
	JF(S, "env", env, JT_STRV), JF(S, "timeout", timeout, JT_OI64),
};
static T(hook_table, S, hook_fields);
#undef S
#define S struct edits
static const struct jfield edits_fields[] = {
	JF(S, "env", env, JT_STRV), JFS(S, "deviceNodes", nodes, JT_LIST, node_table), JFS(S, "mounts", mounts, JT_LIST, mount_table),
	JFS(S, "hooks", hooks, JT_LIST, hook_table), JF(S, "additionalGids", gids, JT_U32V), JF(S, "netDevices", net_devices, JT_JSON),
	JF(S, "intelRdt", rdt, JT_JSON),
};
static T(edits_table, S, edits_fields);
#undef S
static const struct jfield described_fields[] = {
	JFF(struct described, "name", name, JT_STR, JF_REQUIRED), JFS(struct described, "containerEdits", edits, JT_STRUCT, edits_table),
};
static T(described_table, struct described, described_fields);
#define S struct description
static const struct jfield description_fields[] = {
	JFF(S, "cdiVersion", version, JT_STR, JF_REQUIRED), JFF(S, "kind", kind, JT_STR, JF_REQUIRED), JFS(S, "devices", devices, JT_LIST, described_table),
	JFS(S, "containerEdits", edits, JT_STRUCT, edits_table),
};
static T(description_table, S, description_fields);
#undef S

/* --- names --- */

static size_t word(const char *p, const char *more)
{
	size_t n = 0;
	while (isalnum((unsigned char)p[n]) || (p[n] && strchr(more, p[n])))
		n++;
	return isalnum((unsigned char)*p) ? n : 0;
}

bool cdi_is_name(const char *text, bool kinds)
{
	size_t vendor = word(text, "_-."), class = text[vendor] == '/' ? word(text + vendor + 1, "_-.") : 0;
	const char *rest = text + vendor + 1 + class;
	if (!vendor || !class)
		return false;
	if (kinds && (!*rest || strcmp(rest, "=*") == 0))
		return true;
	size_t n = *rest == '=' ? word(rest + 1, "_-.:") : 0;
	return n && !rest[1 + n];
}

/* --- looking for one --- */

struct found { const struct description *of; const struct described *device; size_t dir; const char *file; };
struct search {
	struct arena arena;
	char *kind;
	const char *name; /* NULL: all of that kind */
	struct { struct found *v; size_t n; } found;
	struct { struct json **v; size_t n; } kept; /* what parts of documents are in */
	struct err first; /* why a file could not be read, or was left alone */
};

static void search_drop(struct search *s)
{
	for (size_t i = 0; i < s->kept.n; i++)
		json_drop(&s->kept.v[i]);
	arena_drop(&s->arena);
}

static int add(struct search *s, const struct description *d, size_t dir, const char *file, struct err *e)
{
	for (size_t i = 0; i < d->devices.n; i++) {
		const struct described *one = &d->devices.v[i];
		struct found *f = NULL;
		if (s->name && strcmp(s->name, one->name) != 0)
			continue;
		for (size_t k = 0; k < s->found.n; k++)
			if (strcmp(s->found.v[k].device->name, one->name) == 0)
				f = &s->found.v[k];
		if (f && f->dir == dir)
			return err_set(e, ERR_CONFLICT, "device %s=%s: both %s and %s describe it", s->kind, one->name, f->file, file);
		if (!f)
			f = arena_push(&s->arena, &s->found);
		*f = (struct found){d, one, dir, file};
	}
	return 0;
}

static bool is_yaml(const char *path)
{
	return str_has_suffix(path, ".yaml") || str_has_suffix(path, ".yml");
}

/* As one document: a list of one. */
static int read_yaml(const char *path, struct json **ret, struct err *e)
{
	own(buf) struct buf text = BUF(SPEC_MAX);
	if (path_read(AT_FDCWD, path, &text, e) < 0 || yaml_parse(buf_text(&text), text.len, ret, e) < 0)
		return -1;
	return json_len(*ret) == 1 ? 0 : err_set(e, ERR_CORRUPT, "%zu documents, not one", json_len(*ret));
}

/* A file that cannot be read is as if it were not there, and told when the device is not found. */
static int look_into(struct search *s, const char *path, size_t dir, struct err *e)
{
	own(json) struct json *j = NULL;
	struct err why = {};
	struct description *d = arena_alloc(&s->arena, sizeof *d);
	if ((is_yaml(path) ? read_yaml(path, &j, &why) : json_read(AT_FDCWD, path, SPEC_MAX, &j, &why)) < 0 ||
		jmap_parse(&description_table, is_yaml(path) ? json_at(j, 0) : j, 0, &s->arena, d, "", &why) < 0)
		(void)!err_wrap(&why, "%s", path);
	if (why.kind) {
		s->first = s->first.kind ? s->first : why;
		return 0;
	}
	if (strcmp(d->kind, s->kind) != 0)
		return 0;
	*arena_push(&s->arena, &s->kept) = take(j);
	return add(s, d, dir, arena_dup(&s->arena, path), e);
}

static int search(struct engine *g, const char *name, struct search *s, struct err *e)
{
	const struct settings *settings = engine_settings(g, e);
	const char *equals = strchr(name, '=');
	if (!settings)
		return -1;
	*s = (struct search){};
	s->kind = arena_ndup(&s->arena, name, equals ? (size_t)(equals - name) : strlen(name));
	s->name = equals && strcmp(equals, "=*") != 0 ? equals + 1 : NULL;
	bool own_dirs = settings->cdi_dirs.n > 0;
	size_t n = own_dirs ? settings->cdi_dirs.n : countof(usual_dirs);
	for (size_t i = 0; i < n; i++) {
		const char *dir = own_dirs ? settings->cdi_dirs.v[i] : usual_dirs[i];
		own(strv) struct strv names = {};
		struct err none = {};
		if (path_list(AT_FDCWD, dir, &names, &none) < 0)
			continue;
		strv_sort(&names);
		for (size_t k = 0; k < names.n; k++) {
			own(mem) char *path = mem_printf("%s/%s", dir, names.v[k]);
			if ((str_has_suffix(path, ".json") || is_yaml(path)) && look_into(s, path, i, e) < 0)
				return -1;
		}
	}
	return 0;
}

int cdi_has(struct engine *g, const char *name, bool *ret, struct err *e)
{
	struct search s __attribute__((cleanup(search_drop))) = {};
	if (search(g, name, &s, e) < 0)
		return -1;
	*ret = s.found.n > 0;
	return 0;
}

/* --- into the configuration --- */

static char *copy(const struct spec_build *b, const char *text)
{
	return text ? arena_dup(b->arena, text) : NULL;
}

static void copy_list(const struct spec_build *b, const struct strv *from, struct strv *to)
{
	for (size_t i = 0; i < from->n; i++)
		arena_strv_add(b->arena, to, from->v[i]);
}

static void add_env(struct spec_build *b, const char *line)
{
	struct strv *env = &b->spec->process->env;
	size_t n = strcspn(line, "=") + 1;
	for (size_t i = 0; i < env->n; i++)
		if (strncmp(env->v[i], line, n) == 0) {
			env->v[i] = copy(b, line);
			return;
		}
	arena_strv_add(b->arena, env, line);
}

static int add_node(struct spec_build *b, const struct node *n, struct err *e)
{
	struct spec_linux *l = b->spec->linux_;
	const char *host = str_is_empty(n->host) ? n->path : n->host, *access = str_is_empty(n->permissions) ? "rwm" : n->permissions;
	struct stat st;
	if (n->path[0] != '/' || strspn(access, "rwm") != strlen(access) ||
		(n->type && !str_eq(n->type, "c") && !str_eq(n->type, "b") && !str_eq(n->type, "u")))
		return err_set(e, ERR_USAGE, "device node %.200s: an absolute path, the types c and b and the permissions rwm are known", n->path);
	bool is_whole = n->type && n->major.set && n->minor.set;
	if (!is_whole && (stat(host, &st) < 0 || (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))))
		return err_set(e, ERR_NOT_FOUND, "device node %.200s: there is no such device on this machine", host);
	char *type = copy(b, n->type ? (str_eq(n->type, "b") ? "b" : "c") : S_ISBLK(st.st_mode) ? "b" : "c");
	struct opt_i64 ma = n->major.set ? n->major : (struct opt_i64){true, major(st.st_rdev)};
	struct opt_i64 mi = n->minor.set ? n->minor : (struct opt_i64){true, minor(st.st_rdev)};
	struct spec_device *d = arena_push(b->arena, &l->devices);
	*d = (struct spec_device){.type = type, .path = copy(b, n->path), .major = ma, .minor = mi, .mode = n->mode, .uid = n->uid, .gid = n->gid};
	if (!d->mode.set)
		d->mode = (struct opt_i64){true, is_whole ? 0666 : st.st_mode & 07777};
	if (b->maps->nuids)
		d->uid.set = d->gid.set = false;
	if (!b->privileged)
		*arena_push(b->arena, &l->resources->devices) = (struct spec_device_rule){.allow = true, .type = type, .major = ma, .minor = mi,
			.access = copy(b, access)};
	return 0;
}

static int add_mount(struct spec_build *b, const struct lent *from, struct err *e)
{
	bool is_bind = str_is_empty(from->type) || str_eq(from->type, "bind");
	struct spec_mount *m = arena_push(b->arena, &b->spec->mounts);
	if (from->inside[0] != '/' || (is_bind && from->host[0] != '/'))
		return err_set(e, ERR_USAGE, "mount %.200s: paths must be absolute", from->inside);
	*m = (struct spec_mount){.destination = copy(b, from->inside), .source = copy(b, from->host), .type = copy(b, is_bind ? "bind" : from->type)};
	copy_list(b, &from->options, &m->options);
	if (is_bind && !strv_has(&m->options, "bind") && !strv_has(&m->options, "rbind"))
		arena_strv_add(b->arena, &m->options, "rbind");
	return 0;
}

static int add_hook(struct spec_build *b, const struct hook *from, struct err *e)
{
	static const struct { const char *name; size_t at; } kinds[] = {
		{"prestart", offset_of(struct spec_hooks, prestart)}, {"createRuntime", offset_of(struct spec_hooks, create_runtime)},
		{"createContainer", offset_of(struct spec_hooks, create_container)}, {"startContainer", offset_of(struct spec_hooks, start_container)},
		{"poststart", offset_of(struct spec_hooks, poststart)}, {"poststop", offset_of(struct spec_hooks, poststop)},
	};
	size_t i = 0;
	while (i < countof(kinds) && strcmp(kinds[i].name, from->name) != 0)
		i++;
	if (i == countof(kinds) || from->path[0] != '/')
		return err_set(e, ERR_USAGE, "hook %.100s of %.100s: an absolute path, and OCI's names of hooks, are known", from->path, from->name);
	if (!b->spec->hooks)
		b->spec->hooks = arena_alloc(b->arena, sizeof *b->spec->hooks);
	struct spec_hook_list *list = (struct spec_hook_list *)(void *)((char *)b->spec->hooks + kinds[i].at);
	struct spec_hook *h = arena_push(b->arena, list);
	*h = (struct spec_hook){.path = copy(b, from->path), .timeout = from->timeout};
	copy_list(b, &from->args, &h->args);
	copy_list(b, &from->env, &h->env);
	return 0;
}

static int edit(struct spec_build *b, const struct edits *from, struct err *e)
{
	if (from->net_devices || from->rdt)
		return err_set(e, ERR_UNSUPPORTED, "netDevices and intelRdt are not known here");
	for (size_t i = 0; i < from->env.n; i++)
		add_env(b, from->env.v[i]);
	for (size_t i = 0; i < from->nodes.n; i++)
		if (add_node(b, &from->nodes.v[i], e) < 0)
			return -1;
	for (size_t i = 0; i < from->mounts.n; i++)
		if (add_mount(b, &from->mounts.v[i], e) < 0)
			return -1;
	for (size_t i = 0; i < from->hooks.n; i++)
		if (add_hook(b, &from->hooks.v[i], e) < 0)
			return -1;
	for (size_t i = 0; i < from->gids.n; i++)
		*arena_push(b->arena, &b->spec->process->user.groups) = from->gids.v[i];
	return 0;
}

int cdi_apply(struct spec_build *b, const char *name, struct err *e)
{
	struct search s __attribute__((cleanup(search_drop))) = {};
	if (search(b->g, name, &s, e) < 0)
		return -1;
	if (!s.found.n)
		return err_set(e, ERR_NOT_FOUND, "device %.200s is not described in %s%s%s%s", name, "/etc/cdi or /var/run/cdi",
			s.first.kind ? " (" : "", s.first.kind ? s.first.text : "", s.first.kind ? ")" : "");
	for (size_t i = 0; i < s.found.n; i++) {
		const struct description *d = s.found.v[i].of;
		bool is_first = true;
		for (size_t k = 0; k < i; k++)
			is_first &= s.found.v[k].of != d;
		if ((is_first && edit(b, &d->edits, e) < 0) || edit(b, &s.found.v[i].device->edits, e) < 0)
			return err_wrap(e, "device %.200s: %.200s", name, s.found.v[i].file);
	}
	return 0;
}
