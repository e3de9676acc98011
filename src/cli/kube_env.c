/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kube_env: a container's variables: envFrom first, then env, the last of a name counts. $(NAME) in a value, a word of the command or an
 * argument is a variable that was set before it; $$ is a dollar; what is not known stays as it is. Secrets keep to themselves: a
 * variable of one is hull's --secret, type=env, and $(NAME) of it is not replaced, for that would be seen in `inspect`.
 */
#include "cli/kube.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MAX_WORD = 128 << 10 }; /* as long as the kernel lets a word be */

static void set(struct kube *k, struct kube_env *env, struct kube_variable v)
{
	for (size_t i = 0; i < env->n; i++)
		if (strcmp(env->v[i].name, v.name) == 0) {
			env->v[i] = v;
			return;
		}
	*arena_push(&k->arena, env) = v;
}

const char *kube_expand(const struct kube_node *at, const struct kube_env *env, const char *text, struct err *e)
{
	own(buf) struct buf b = BUF(MAX_WORD);
	const char *end = text;
	if (!strchr(text, '$'))
		return text;
	for (const char *p = text; *p;) {
		bool names = p[0] == '$' && p[1] == '(';
		size_t i = 0, n;
		if (p[0] == '$' && p[1] == '$') {
			buf_char(&b, '$');
			p += 2;
			continue;
		}
		if (names && end && end < p + 2)
			end = strchr(p, ')');
		if (!names || !end) {
			buf_char(&b, *p++);
			continue;
		}
		n = (size_t)(end - p - 2);
		while (i < env->n && (!env->v[i].value || strlen(env->v[i].name) != n || strncmp(env->v[i].name, p + 2, n) != 0))
			i++;
		if (i < env->n)
			buf_str(&b, env->v[i].value);
		else
			buf_add(&b, p, n + 3);
		p = end + 1;
	}
	if (b.full)
		return kube_bad(*at, e, "with its $(NAME) a text is longer than %d KiB", MAX_WORD >> 10), NULL;
	return kube_spend(at, b.len, e) < 0 ? NULL : arena_dup(&at->k->arena, buf_text(&b));
}

static bool is_name(const char *name)
{
	return *name && !isdigit((unsigned char)*name) && !strpbrk(name, "= \t\n");
}

static int set_secret(const struct kube_node *ref, struct kube_env *env, const char *variable, const char *name, const char *key, struct err *e)
{
	const char *full = kube_secret_name(ref, name, key, e);
	if (full && strchr(variable, ','))
		return kube_bad(*ref, e, "the variable \"%.80s\" has a comma: one of a secret has none", variable);
	if (full)
		set(ref->k, env, (struct kube_variable){variable, NULL, full});
	return full ? 0 : -1;
}

/* A key of a config map or a secret. */
static int from_key(struct kube *k, const struct kube_node *ref, const char *kind, const char *variable, struct kube_env *env, struct err *e)
{
	const char *name, *key, *value;
	bool optional;
	size_t n;
	kube_check(ref, "name key optional");
	if (kube_need_str(ref, "name", &name, e) < 0 || kube_need_str(ref, "key", &key, e) < 0 || kube_bool(ref, "optional", &optional, e) < 0)
		return -1;
	struct kube_node object = kube_find(k, kind, name);
	bool secret = strcmp(kind, "Secret") == 0;
	if (object.j && kube_value(&object, key, &value, &n, e) < 0)
		return -1;
	/* A secret that is not in the file may be one that hull has. */
	if (secret && (object.j ? value != NULL : !optional)) {
		return set_secret(ref, env, variable, name, key, e);
	}
	if (!object.j || !value)
		return optional ? 0 : kube_bad(*ref, e, object.j ? "%s %.80s has no key %.80s" : "there is no %s %.80s%.0s", kind, name, key);
	if (strlen(value) != n)
		return kube_bad(*ref, e, "the value of %.80s has a NUL in it", key);
	set(k, env, (struct kube_variable){variable, value, NULL});
	return 0;
}

/* metadata.name, metadata.labels['x'] … *ret NULL: none of those. */
static int from_field(struct kube_pod *p, const struct kube_node *ref, const char **ret, struct err *e)
{
	static const char *const maps[] = {"labels", "annotations"};
	const char *path;
	kube_check(ref, "fieldPath -apiVersion");
	if (kube_need_str(ref, "fieldPath", &path, e) < 0)
		return -1;
	for (size_t i = 0; i < countof(maps); i++) {
		own(mem) char *start = mem_printf("metadata.%s['", maps[i]);
		const char *key = str_after(path, start);
		struct kube_node map;
		if (!key || !str_has_suffix(key, "']"))
			continue;
		if (kube_object(&p->meta, maps[i], &map, e) < 0 || kube_str(&map, arena_ndup(&p->k->arena, key, strlen(key) - 2), ret, e) < 0)
			return -1;
		*ret = *ret ? *ret : "";
		return 0;
	}
	if (str_eq(path, "metadata.name")) {
		*ret = p->name;
		return 0;
	}
	if (str_eq(path, "metadata.namespace")) {
		*ret = "default";
		return 0;
	}
	return kube_bad(*ref, e, "fieldPath is \"%.80s\": metadata.name, metadata.namespace, metadata.labels['…'] and metadata.annotations['…'] are known",
		path);
}

/* Where nothing is asked for a container is given its limit; where there is none, the machine. */
static int amount(const struct kube_node *resources, bool request, const char *what, struct opt_num *ret, struct err *e)
{
	static const char *const names[] = {"limits", "requests"};
	struct kube_node map;
	for (int i = request ? 1 : 0; i >= 0; i--) {
		if (kube_object(resources, names[i], &map, e) < 0 || kube_quantity(&map, what, ret, e) < 0)
			return -1;
		if (ret->v)
			return 0;
	}
	bool cpu = strcmp(what, "cpu") == 0;
	*ret = (struct opt_num){true, 1000 * (cpu ? sysconf(_SC_NPROCESSORS_ONLN) : sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE))};
	return 0;
}

static int from_resource(struct kube_pod *p, const struct kube_node *c, const struct kube_node *ref, const char **ret, struct err *e)
{
	static const char *const names[] = {"limits", "requests"};
	struct kube_node resources;
	const char *path, *container;
	struct opt_num v = {}, divisor = {};
	kube_check(ref, "resource divisor containerName");
	if (kube_need_str(ref, "resource", &path, e) < 0 || kube_str(ref, "containerName", &container, e) < 0 || kube_quantity(ref, "divisor", &divisor,
		e) < 0 ||
		kube_object(c, "resources", &resources, e) < 0)
		return -1;
	for (size_t i = 0; i < countof(names); i++) {
		const char *what = str_after(path, names[i]);
		if (!what || *what++ != '.' || (strcmp(what, "cpu") != 0 && strcmp(what, "memory") != 0))
			continue;
		if (amount(&resources, i == 1, what, &v, e) < 0)
			return -1;
		int64_t by = divisor.set && divisor.v > 0 ? divisor.v : 1000;
		*ret = arena_printf(&p->k->arena, "%lld", (long long)(v.v / by + (v.v % by != 0)));
		return 0;
	}
	return kube_bad(*ref, e, "resource is \"%.60s\": limits.cpu, limits.memory, requests.cpu and requests.memory are known", path);
}

static int one(struct kube_pod *p, const struct kube_node *c, const struct kube_node *entry, struct kube_env *env, struct err *e)
{
	struct kube *k = p->k;
	struct kube_node from, ref;
	const char *name, *value;
	if (kube_need_str(entry, "name", &name, e) < 0 || kube_str(entry, "value", &value, e) < 0 || kube_object(entry, "valueFrom", &from, e) < 0)
		return -1;
	kube_check(entry, "name value valueFrom");
	if (!is_name(name))
		return kube_bad(*entry, e, "\"%.80s\" is no name of a variable", name);
	if (value && from.j)
		return kube_bad(*entry, e, "value and valueFrom exclude each other");
	static const struct { const char *field, *kind; } keys[] = {{"configMapKeyRef", "ConfigMap"}, {"secretKeyRef", "Secret"}};
	for (size_t i = 0; i < countof(keys); i++) {
		if (kube_object(&from, keys[i].field, &ref, e) < 0)
			return -1;
		if (ref.j)
			return from_key(k, &ref, keys[i].kind, name, env, e);
	}
	if (kube_object(&from, "fieldRef", &ref, e) < 0 || (ref.j && from_field(p, &ref, &value, e) < 0))
		return -1;
	if (!ref.j && (kube_object(&from, "resourceFieldRef", &ref, e) < 0 || (ref.j && from_resource(p, c, &ref, &value, e) < 0)))
		return -1;
	if (from.j && !ref.j)
		return kube_bad(from, e, "configMapKeyRef, secretKeyRef, fieldRef and resourceFieldRef are known");
	if (!from.j && !(value = kube_expand(entry, env, value ? value : "", e)))
		return -1;
	set(k, env, (struct kube_variable){name, value, NULL});
	return 0;
}

/* All keys of a config map or a secret. */
static int all(struct kube *k, const struct kube_node *ref, const char *kind, const char *prefix, struct kube_env *env, struct err *e)
{
	const char *name, *value;
	struct strv keys = {};
	bool optional;
	size_t n;
	if (kube_need_str(ref, "name", &name, e) < 0 || kube_bool(ref, "optional", &optional, e) < 0)
		return -1;
	kube_check(ref, "name optional");
	struct kube_node object = kube_find(k, kind, name);
	if (!object.j)
		return optional ? 0 : kube_bad(*ref, e, "there is no %s %.80s", kind, name);
	kube_keys(&object, &keys);
	for (size_t i = 0; i < keys.n; i++) {
		const char *variable = arena_printf(&k->arena, "%s%s", prefix ? prefix : "", keys.v[i]);
		if (kube_value(&object, keys.v[i], &value, &n, e) < 0)
			return -1;
		if (!is_name(variable) || strlen(value) != n)
			cli_warn("%.200s: %.300s: %.80s can be no variable", k->file, ref->where, variable);
		else if (strcmp(kind, "Secret") != 0)
			set(k, env, (struct kube_variable){variable, value, NULL});
		else if (set_secret(ref, env, variable, name, keys.v[i], e) < 0)
			return -1;
	}
	return 0;
}

int kube_env(struct kube_pod *p, const struct kube_node *c, struct kube_env *ret, struct err *e)
{
	static const struct { const char *field, *kind; } refs[] = {{"configMapRef", "ConfigMap"}, {"secretRef", "Secret"}};
	struct kube_node from, env, entry, ref;
	if (kube_array(c, "envFrom", &from, e) < 0 || kube_array(c, "env", &env, e) < 0)
		return -1;
	for (size_t i = 0; i < json_len(from.j); i++) {
		const char *prefix;
		if (kube_at(&from, i, &entry, e) < 0 || kube_str(&entry, "prefix", &prefix, e) < 0)
			return -1;
		kube_check(&entry, "prefix configMapRef secretRef");
		for (size_t r = 0; r < countof(refs); r++)
			if (kube_object(&entry, refs[r].field, &ref, e) < 0 || (ref.j && all(p->k, &ref, refs[r].kind, prefix, ret, e) < 0))
				return -1;
	}
	for (size_t i = 0; i < json_len(env.j); i++)
		if (kube_at(&env, i, &entry, e) < 0 || one(p, c, &entry, ret, e) < 0)
			return -1;
	return 0;
}
