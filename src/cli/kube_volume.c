/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kube_volume: a pod's volumes. A path of the host and a claim are what they are; an emptyDir and a config map become volumes of hull's of
 * their own, POD-VOLUME, which go with `kube down`; the keys of a secret are mounted one by one, from hull's secrets, and lie on no disk
 * of the container's.
 */
#include "cli/kube.h"

#include "base/path.h"
#include "codec/tar.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const struct { const char *type; mode_t mode; enum kube_act make; bool device; } path_types[] = {
	{"", 0, KUBE_HULL, false}, {"DirectoryOrCreate", S_IFDIR, KUBE_MKDIR, false}, {"Directory", S_IFDIR, KUBE_HULL, false},
	{"FileOrCreate", S_IFREG, KUBE_TOUCH, false}, {"File", S_IFREG, KUBE_HULL, false}, {"Socket", S_IFSOCK, KUBE_HULL, false},
	{"CharDevice", S_IFCHR, KUBE_HULL, true}, {"BlockDevice", S_IFBLK, KUBE_HULL, true},
};

static int host_path(struct kube_pod *p, const struct kube_node *n, struct kube_volume *v, struct err *e)
{
	const char *path, *type;
	struct stat st;
	size_t i = 0;
	kube_check(n, "path type");
	if (kube_need_str(n, "path", &path, e) < 0 || kube_str(n, "type", &type, e) < 0)
		return -1;
	while (i < countof(path_types) && strcmp(path_types[i].type, type ? type : "") != 0)
		i++;
	if (i == countof(path_types))
		return kube_bad(*n, e, "type is \"%.40s\": DirectoryOrCreate, Directory, FileOrCreate, File, Socket, CharDevice and BlockDevice are known",
			type);
	if (*path != '/')
		return kube_bad(*n, e, "path is \"%.200s\": it has to be absolute", path);
	int there = stat(path, &st);
	if (there < 0 && errno != ENOENT)
		return err_sys(e, "%.200s: %.300s: %.300s", p->k->file, n->where, path);
	if (there < 0 && path_types[i].mode && path_types[i].make == KUBE_HULL)
		return kube_bad(*n, e, "%.300s is not there", path);
	if (there == 0 && path_types[i].mode && (st.st_mode & S_IFMT) != path_types[i].mode)
		return kube_bad(*n, e, "%.300s is no %s", path, type);
	if (there < 0 && path_types[i].make != KUBE_HULL) {
		struct kube_step *s = kube_step(p->k, path, NULL);
		s->act = path_types[i].make;
	}
	v->kind = KUBE_PATH;
	v->option = path;
	v->is_device = path_types[i].device;
	return 0;
}

static int claim(struct kube_pod *p unused, const struct kube_node *n, struct kube_volume *v, struct err *e)
{
	kube_check(n, "claimName readOnly");
	v->kind = KUBE_NAMED;
	return kube_name(n, "claimName", &v->option, e) < 0 || kube_bool(n, "readOnly", &v->read_only, e) < 0 ? -1 : 0;
}

static const char *volume_name(struct kube *k, const char *pod, const char *volume)
{
	return arena_printf(&k->arena, "%s-%s", pod, volume);
}

/* A volume of the pod's own, which goes with it: no claim's, whose files stay, and no other pod's. */
static int own_volume(struct kube_pod *p, const struct kube_node *n, struct kube_volume *v, struct err *e)
{
	v->option = volume_name(p->k, p->name, v->name);
	if (kube_find(p->k, "PersistentVolumeClaim", v->option).j || strv_has(&p->k->own_volumes, v->option))
		return kube_bad(*n, e, "a volume %.200s is there already: of a claim, or of another pod", v->option);
	kube_word(p->k, &p->k->own_volumes, v->option);
	return 0;
}

/* Tells a pod's volume from one that somebody gave the same name. */
static const char *own_label(struct kube *k, const char *volume)
{
	return arena_printf(&k->arena, "hull.kube.volume=%s", volume);
}

static void remove_own(struct kube *k, const char *volume)
{
	const char *filter = arena_printf(&k->arena, "label=%s", own_label(k, volume));
	kube_step(k, "volume", "prune", "--force", "--filter", "all=true", "--filter", filter, NULL)->quiet = "what it took away";
}

static void undo(struct kube *k, struct kube_step *s, const char *volume)
{
	for (const char *const *w = (const char *const[]){"volume", "rm", "--force", "--", volume, NULL}; *w; w++)
		kube_word(k, &s->undo, *w);
	s->new_volume = volume;
}

static int empty_dir(struct kube_pod *p, const struct kube_node *n, struct kube_volume *v, struct err *e)
{
	struct kube *k = p->k;
	const char *medium;
	struct opt_num limit;
	kube_check(n, "medium sizeLimit");
	if (kube_str(n, "medium", &medium, e) < 0 || kube_quantity(n, "sizeLimit", &limit, e) < 0)
		return -1;
	if (!str_is_empty(medium) && strcmp(medium, "Memory") != 0)
		return kube_bad(*n, e, "medium is \"%.40s\": Memory is known", medium);
	v->kind = KUBE_NAMED;
	if (own_volume(p, n, v, e) < 0)
		return -1;
	struct kube_step *s = kube_step(k, "volume", "create", "--label", own_label(k, v->option), NULL);
	s->quiet = "its name";
	undo(k, s, v->option);
	if (str_eq(medium, "Memory")) {
		kube_option(k, &s->args, "--opt", "type=tmpfs");
		kube_option(k, &s->args, "--opt", "device=tmpfs");
		if (limit.set)
			kube_option(k, &s->args, "--opt", arena_printf(&k->arena, "o=size=%lld", (long long)((limit.v + 999) / 1000)));
	} else if (limit.set) {
		cli_warn("%.200s: %.300s: sizeLimit has no effect without medium: Memory", k->file, n->where);
	}
	kube_word(k, &s->args, "--");
	kube_word(k, &s->args, v->option);
	return 0;
}

struct file { const char *key, *path; int64_t mode; };
struct files { struct file *v; size_t n; };

/* Which keys lie where: all of them, or those of items. object.j NULL: a secret that is not in the file. */
static int choose(const struct kube_node *n, const struct kube_node *object, struct files *ret, struct err *e)
{
	struct kube *k = n->k;
	struct kube_node items, item;
	struct opt_num usual, mode;
	struct strv keys = {};
	if (kube_int(n, "defaultMode", 0, 0777, &usual, e) < 0 || kube_array(n, "items", &items, e) < 0)
		return -1;
	usual.v = usual.set ? usual.v : 0644;
	for (size_t i = 0; i < json_len(items.j); i++) {
		struct file f;
		if (kube_at(&items, i, &item, e) < 0 || kube_need_str(&item, "key", &f.key, e) < 0 || kube_need_str(&item, "path", &f.path, e) < 0 ||
			kube_int(&item, "mode", 0, 0777, &mode, e) < 0)
			return -1;
		kube_check(&item, "key path mode");
		own(mem) char *clean = path_clean(f.path);
		if (*f.path == '/' || strcmp(clean, f.path) != 0 || strcmp(clean, ".") == 0 || strcmp(clean, "..") == 0 || str_has_prefix(clean, "../"))
			return kube_bad(item, e, "path is \"%.80s\": it has to be a clean path below the volume", f.path);
		if (strlen(f.path) >= 1024)
			return kube_bad(item, e, "path is longer than 1023 bytes");
		f.mode = mode.set ? mode.v : usual.v;
		*arena_push(&k->arena, ret) = f;
	}
	if (json_len(items.j))
		return 0;
	if (!object->j)
		return kube_bad(*n, e, "items is missing: a secret that is not in the file has no list of keys");
	kube_keys(object, &keys);
	for (size_t i = 0; i < keys.n; i++) {
		if (!path_is_name(keys.v[i]))
			return kube_bad(*object, e, "the key \"%.80s\" can be no file", keys.v[i]);
		*arena_push(&k->arena, ret) = (struct file){keys.v[i], keys.v[i], usual.v};
	}
	return 0;
}

static int into_buf(void *arg, const void *p, size_t n, struct err *e)
{
	struct buf *b = arg;
	return buf_add(b, p, n) < 0 ? buf_check(b, e) : 0;
}

static int add_file(struct tar_writer *w, const struct file *f, const char *value, size_t n, struct err *e)
{
	for (const char *slash = strchr(f->path, '/'); slash; slash = strchr(slash + 1, '/')) {
		own(mem) char *dir = mem_ndup(f->path, (size_t)(slash - f->path));
		if (tar_write_entry(w, &(struct tar_entry){.type = TAR_DIR, .name = dir, .mode = 0755}, e) < 0)
			return -1;
	}
	const struct tar_entry t = {.type = TAR_FILE, .name = (char *)(uintptr_t)f->path, .mode = (uint32_t)f->mode, .size = n, .stored = n};
	return tar_write_entry(w, &t, e) < 0 || tar_write_data(w, value, n, e) < 0 ? -1 : 0;
}

/* The values as a tar. */
static int archive(const struct kube_node *n, const struct kube_node *object, const struct files *files, bool optional, struct kube_step *s, struct err *e)
{
	own(buf) struct buf b = {};
	struct tar_writer *w = tar_writer_new(into_buf, &b);
	int result = 0;
	for (size_t i = 0; i < files->n && result == 0; i++) {
		const char *value;
		size_t len;
		result = kube_value(object, files->v[i].key, &value, &len, e);
		if (result == 0 && !value && !optional)
			result = kube_bad(*n, e, "%s has no key %.80s", object->where, files->v[i].key);
		size_t before = b.len;
		if (result == 0 && value)
			result = add_file(w, &files->v[i], value, len, e);
		if (result == 0)
			result = kube_spend(n, b.len - before, e);
	}
	if (result == 0)
		result = tar_write_end(w, e);
	tar_writer_drop(&w);
	s->input = arena_ndup(&n->k->arena, buf_text(&b), b.len);
	s->ninput = b.len;
	return result;
}

static int config_map(struct kube_pod *p, const struct kube_node *n, struct kube_volume *v, struct err *e)
{
	struct kube *k = p->k;
	struct files files = {};
	const char *name;
	bool optional;
	kube_check(n, "name items defaultMode optional");
	if (kube_need_str(n, "name", &name, e) < 0 || kube_bool(n, "optional", &optional, e) < 0)
		return -1;
	struct kube_node object = kube_find(k, "ConfigMap", name);
	if (!object.j && !optional)
		return kube_bad(*n, e, "there is no ConfigMap %.80s", name);
	if (object.j && choose(n, &object, &files, e) < 0)
		return -1;
	v->kind = KUBE_FILES;
	v->read_only = true;
	if (own_volume(p, n, v, e) < 0)
		return -1;
	/* What an earlier play made of it; another's volume is not written over. */
	remove_own(k, v->option);
	struct kube_step *s = kube_step(k, "volume", "create", "--label", own_label(k, v->option), "--", v->option, NULL);
	s->quiet = "its name";
	undo(k, s, v->option);
	s->must_be_new = true;
	s = kube_step(k, "volume", "import", "--", v->option, "-", NULL);
	s->quiet = "nothing";
	return archive(n, &object, &files, optional, s, e);
}

static int secret(struct kube_pod *p, const struct kube_node *n, struct kube_volume *v, struct err *e)
{
	struct kube *k = p->k;
	struct files files = {};
	const char *name, *value;
	bool optional;
	size_t len;
	kube_check(n, "secretName items defaultMode optional");
	if (kube_need_str(n, "secretName", &name, e) < 0 || kube_bool(n, "optional", &optional, e) < 0)
		return -1;
	struct kube_node object = kube_find(k, "Secret", name);
	v->kind = KUBE_SECRET;
	if (!object.j && optional)
		return 0;
	if (choose(n, &object, &files, e) < 0)
		return -1;
	for (size_t i = 0; i < files.n; i++) {
		if (object.j && kube_value(&object, files.v[i].key, &value, &len, e) < 0)
			return -1;
		if (object.j && !value && !optional)
			return kube_bad(*n, e, "%s has no key %.80s", object.where, files.v[i].key);
		const char *full = kube_secret_name(n, name, files.v[i].key, e);
		if (!full)
			return -1;
		if (!object.j || value)
			*arena_push(&k->arena, &v->files) = (struct kube_file){files.v[i].path, full, files.v[i].mode};
	}
	return 0;
}

static const struct source {
	const char *field;
	int (*read)(struct kube_pod *p, const struct kube_node *n, struct kube_volume *v, struct err *e);
	bool own; /* a volume of hull's that is the pod's */
} sources[] = {{"hostPath", host_path, false}, {"persistentVolumeClaim", claim, false}, {"emptyDir", empty_dir, true}, {"configMap", config_map, true},
	{"secret", secret, false}};

static int each(const struct kube_node *spec, struct kube_pod *p, int (*one)(struct kube_pod *p, const struct kube_node *n, struct err *e),
	struct err *e)
{
	struct kube_node list, n;
	if (kube_array(spec, "volumes", &list, e) < 0)
		return -1;
	for (size_t i = 0; i < json_len(list.j); i++)
		if (kube_at(&list, i, &n, e) < 0 || one(p, &n, e) < 0)
			return -1;
	return 0;
}

static int read_one(struct kube_pod *p, const struct kube_node *n, struct err *e)
{
	struct kube_volume v = {};
	struct kube_node at;
	kube_check(n, "name hostPath persistentVolumeClaim emptyDir configMap secret");
	if (kube_name(n, "name", &v.name, e) < 0)
		return -1;
	for (size_t i = 0; i < p->volumes.n; i++)
		if (strcmp(p->volumes.v[i].name, v.name) == 0)
			return kube_bad(*n, e, "the name %.80s is there twice", v.name);
	for (size_t i = 0; i < countof(sources); i++) {
		if (kube_object(n, sources[i].field, &at, e) < 0)
			return -1;
		if (!at.j)
			continue;
		if (sources[i].read(p, &at, &v, e) < 0)
			return -1;
		*arena_push(&p->k->arena, &p->volumes) = v;
		return 0;
	}
	return kube_bad(*n, e, "hostPath, persistentVolumeClaim, emptyDir, configMap and secret are known");
}

int kube_volumes(struct kube_pod *p, struct err *e)
{
	return each(&p->spec, p, read_one, e);
}

static int remove_one(struct kube_pod *p, const struct kube_node *n, struct err *e unused)
{
	const char *name = json_get_str(n->j, "name");
	for (size_t i = 0; i < countof(sources); i++)
		if (name && sources[i].own && json_get(n->j, sources[i].field))
			remove_own(p->k, volume_name(p->k, p->name, name));
	return 0;
}

int kube_volumes_down(struct kube *k, const char *pod, const struct kube_node *spec, struct err *e)
{
	struct kube_pod p = {.k = k, .name = pod};
	return each(spec, &p, remove_one, e);
}

static const struct { const char *kube, *hull; } propagations[] = {{"None", "rprivate"}, {"HostToContainer", "rslave"}, {"Bidirectional", "rshared"}};

struct mount { const char *path, *sub, *propagation; bool read_only; };

static void csv(struct buf *b, const char *key, const char *value)
{
	own(mem) char *field = mem_printf("%s=%s", key, value);
	buf_char(b, ',');
	if (!strpbrk(field, ",\"\n")) {
		buf_str(b, field);
		return;
	}
	buf_char(b, '"');
	for (const char *p = field; *p; p++)
		buf_str(b, *p == '"' ? "\"\"" : (const char[]){*p, 0});
	buf_char(b, '"');
}

static int secret_files(struct kube_pod *p, const struct kube_node *n, const struct kube_volume *v, const struct mount *m, struct strv *args, struct err *e)
{
	bool found = !m->sub;
	for (size_t i = 0; i < v->files.n; i++) {
		const struct kube_file *f = &v->files.v[i];
		bool is_sub = m->sub && strcmp(m->sub, f->path) == 0;
		const char *target = is_sub ? m->path : arena_printf(&p->k->arena, "%s/%s", m->path, f->path);
		found |= is_sub;
		if (strpbrk(target, ",\""))
			return kube_bad(*n, e, "a secret's path has no comma and no quote");
		if (is_sub || !m->sub)
			kube_option(p->k, args, "--secret", arena_printf(&p->k->arena, "%s,target=%s,mode=%04llo", f->secret, target,
				(unsigned long long)f->mode));
	}
	return found ? 0 : kube_bad(*n, e, "subPath is \"%.80s\": no file of the secret", m->sub);
}

static int mount(struct kube_pod *p, const struct kube_node *n, const struct kube_volume *v, const struct mount *m, struct strv *args, struct err *e)
{
	own(buf) struct buf b = {};
	if (v->kind == KUBE_SECRET)
		return secret_files(p, n, v, m, args, e);
	if (v->is_device) {
		kube_option(p->k, args, "--device", arena_printf(&p->k->arena, "%s:%s:%s", v->option, m->path, m->read_only ? "r" : "rwm"));
		return 0;
	}
	buf_str(&b, v->kind == KUBE_PATH ? "type=bind" : "type=volume");
	own(mem) char *inside = v->kind == KUBE_PATH && m->sub ? path_join(v->option, m->sub) : NULL;
	csv(&b, "source", inside ? inside : v->option);
	csv(&b, "target", m->path);
	if (m->sub && v->kind != KUBE_PATH)
		csv(&b, "volume-subpath", m->sub);
	if (m->read_only || v->read_only)
		buf_str(&b, ",readonly");
	if (m->propagation && v->kind == KUBE_PATH)
		csv(&b, "bind-propagation", m->propagation);
	kube_option(p->k, args, "--mount", arena_dup(&p->k->arena, buf_text(&b)));
	return 0;
}

static int propagation(const struct kube_node *n, struct mount *m, struct err *e)
{
	const char *text;
	size_t i = 0;
	if (kube_str(n, "mountPropagation", &text, e) < 0)
		return -1;
	if (!text)
		return 0;
	while (i < countof(propagations) && strcmp(propagations[i].kube, text) != 0)
		i++;
	if (i == countof(propagations))
		return kube_bad(*n, e, "mountPropagation is \"%.40s\": None, HostToContainer and Bidirectional are known", text);
	m->propagation = propagations[i].hull;
	return 0;
}

int kube_volume_mounts(struct kube_pod *p, const struct kube_node *c, const struct kube_env *env, struct strv *args, struct err *e)
{
	struct kube_node list, n;
	if (kube_array(c, "volumeMounts", &list, e) < 0)
		return -1;
	for (size_t i = 0; i < json_len(list.j); i++) {
		struct mount m = {};
		const char *name, *expr;
		size_t v = 0;
		if (kube_at(&list, i, &n, e) < 0 || kube_need_str(&n, "name", &name, e) < 0 || kube_need_str(&n, "mountPath", &m.path, e) < 0 ||
			kube_str(&n, "subPath", &m.sub, e) < 0 || kube_str(&n, "subPathExpr", &expr, e) < 0 || kube_bool(&n, "readOnly", &m.read_only, e) < 0 ||
			propagation(&n, &m, e) < 0)
			return -1;
		kube_check(&n, "name mountPath subPath subPathExpr readOnly mountPropagation -recursiveReadOnly");
		while (v < p->volumes.n && strcmp(p->volumes.v[v].name, name) != 0)
			v++;
		if (v == p->volumes.n)
			return kube_bad(n, e, "there is no volume %.80s", name);
		if (*m.path != '/')
			return kube_bad(n, e, "mountPath is \"%.200s\": it has to be absolute", m.path);
		if (strchr(m.path, ':'))
			return kube_bad(n, e, "mountPath is \"%.200s\": it has no colon", m.path);
		if (expr && !(m.sub = kube_expand(&n, env, expr, e)))
			return -1;
		m.sub = str_is_empty(m.sub) ? NULL : m.sub;
		own(mem) char *clean = m.sub ? path_clean(m.sub) : NULL;
		if (m.sub && (*m.sub == '/' || strcmp(clean, "..") == 0 || str_has_prefix(clean, "../")))
			return kube_bad(n, e, "subPath is \"%.200s\": it has to lead into the volume", m.sub);
		if (mount(p, &n, &p->volumes.v[v], &m, args, e) < 0)
			return -1;
	}
	return 0;
}
