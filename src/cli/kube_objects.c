/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kube_objects: what is in a file. Secrets and claims come first, whatever their place; config maps are looked at when they are
 * used. A workload that makes many pods in a cluster makes one here, called NAME-pod as podman has it.
 */
#include "cli/kube.h"

#include "codec/base64.h"
#include "codec/yaml.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

enum { MAX_SECRET = 512000 };
struct kind {
	const char *name;
	int (*play)(struct kube *k, const struct kube_node *object, const char *name, const struct kind *kind, struct err *e);
	int (*down)(struct kube *k, const struct kube_node *object, const char *name, const struct kind *kind, struct err *e);
	const char *restart; /* of its pods, where they say nothing */
	bool first;
};

static const char *title(struct kube *k, const struct json *object)
{
	const char *name = json_get_str(json_get(object, "metadata"), "name");
	return arena_printf(&k->arena, "%.60s %.253s", json_get_str(object, "kind"), name ? name : "without a name");
}

struct kube_node kube_find(struct kube *k, const char *kind, const char *name)
{
	for (size_t i = 0; i < json_len(k->maps); i++) {
		const struct json *o = json_at(k->maps, i);
		if (str_eq(json_get_str(o, "kind"), kind) && str_eq(json_get_str(json_get(o, "metadata"), "name"), name))
			return (struct kube_node){k, o, title(k, o)};
	}
	return (struct kube_node){k, NULL, ""};
}

const char *kube_secret_name(const struct kube_node *n, const char *secret, const char *key, struct err *e)
{
	const char *name = arena_printf(&n->k->arena, "%s.%s", secret, key);
	if (strlen(name) <= 253 && isalnum((unsigned char)*name) &&
		!name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")])
		return name;
	return kube_bad(*n, e, "\"%.80s\" can be no secret: letters, digits, _, . and - are allowed, at most 253", name), NULL;
}

/* Where its values are, the plain ones first, and in which a value is base64. */
static const char *const in_map[] = {"data", "binaryData"}, *const in_secret[] = {"stringData", "data"};

static const char *const *members(const struct kube_node *object)
{
	return str_eq(json_get_str(object->j, "kind"), "Secret") ? in_secret : in_map;
}

int kube_value(const struct kube_node *object, const char *key, const char **ret, size_t *ret_n, struct err *e)
{
	const char *const *where = members(object);
	*ret = NULL;
	*ret_n = 0;
	for (int i = 0; i < 2; i++) {
		const struct json *v = json_get(json_get(object->j, where[i]), key);
		own(buf) struct buf plain = {};
		struct err why = {};
		if (!v)
			continue;
		if (json_kind(v) != JSON_STRING)
			return kube_bad(*object, e, "%s.%.80s has to be a string, in quotes", where[i], key);
		*ret = json_str(v);
		*ret_n = json_str_len(v);
		if (kube_spend(object, *ret_n, e) < 0)
			return -1;
		if (i == 0)
			return 0;
		if (strlen(*ret) != *ret_n)
			return kube_bad(*object, e, "%s.%.80s is no base64: it has a NUL in it", where[i], key);
		own(mem) char *text = mem_dup(*ret);
		char *to = text;
		for (const char *p = text; *p; p++)
			if (!strchr(" \t\r\n", *p))
				*to++ = *p;
		*to = 0;
		if (base64_decode(text, &plain, &why) < 0)
			return kube_bad(*object, e, "%s.%.80s is no base64: %s", where[i], key, why.text);
		*ret = arena_ndup(&object->k->arena, buf_text(&plain), plain.len);
		*ret_n = plain.len;
		return 0;
	}
	return 0;
}

void kube_keys(const struct kube_node *object, struct strv *ret)
{
	for (int i = 0; i < 2; i++) {
		struct json_iter it = {};
		while (json_next(json_get(object->j, members(object)[i]), &it))
			if (i == 0 || !json_has(json_get(object->j, members(object)[0]), it.key))
				arena_strv_add(&object->k->arena, ret, it.key);
	}
	strv_sort(ret);
}

static int play_pod(struct kube *k, const struct kube_node *object, const char *name, const struct kind *kind, struct err *e)
{
	struct kube_node meta, spec;
	kube_check(object, "apiVersion kind metadata spec -status");
	if (kube_object(object, "metadata", &meta, e) < 0 || kube_object(object, "spec", &spec, e) < 0)
		return -1;
	return kube_pod(k, name, &meta, &spec, kind->restart, e);
}

static int down_pod(struct kube *k, const struct kube_node *object, const char *name, const struct kind *kind unused, struct err *e)
{
	struct kube_node spec;
	return kube_object(object, "spec", &spec, e) < 0 ? -1 : kube_pod_down(k, name, &spec, e);
}

/* spec.template of what makes pods. */
static int template(const struct kube_node *object, struct kube_node *meta, struct kube_node *spec, struct err *e)
{
	struct kube_node outer, inner;
	struct opt_num replicas = {};
	if (kube_object(object, "spec", &outer, e) < 0 || kube_object(&outer, "template", &inner, e) < 0)
		return -1;
	if (!inner.j)
		return kube_bad(outer, e, "template is missing");
	kube_check(&outer, "template replicas -selector -strategy -updateStrategy -minReadySeconds -revisionHistoryLimit -progressDeadlineSeconds -paused "
		"-serviceName -podManagementPolicy -backoffLimit -completions -parallelism -ttlSecondsAfterFinished -completionMode -suspend");
	if (kube_int(&outer, "replicas", 0, INT32_MAX, &replicas, e) < 0)
		return -1;
	if (replicas.v > 1 && !object->k->quiet)
		cli_warn("%.200s: %.300s.replicas: one is made of %lld", object->k->file, outer.where, (long long)replicas.v);
	return kube_object(&inner, "metadata", meta, e) < 0 || kube_object(&inner, "spec", spec, e) < 0 ? -1 : 0;
}

static int play_template(struct kube *k, const struct kube_node *object, const char *name, const struct kind *kind, struct err *e)
{
	struct kube_node meta, spec;
	return template(object, &meta, &spec, e) < 0 ? -1 : kube_pod(k, arena_printf(&k->arena, "%s-pod", name), &meta, &spec, kind->restart, e);
}

static int down_template(struct kube *k, const struct kube_node *object, const char *name, const struct kind *kind unused, struct err *e)
{
	struct kube_node meta, spec;
	return template(object, &meta, &spec, e) < 0 ? -1 : kube_pod_down(k, arena_printf(&k->arena, "%s-pod", name), &spec, e);
}

/* What podman's annotations say of a volume. */
static const struct { const char *annotation, *option; } volume_options[] = {
	{"volume.podman.io/type", "type"}, {"volume.podman.io/device", "device"}, {"volume.podman.io/mount-options", "o"},
};

static int play_claim(struct kube *k, const struct kube_node *object, const char *name, const struct kind *kind unused, struct err *e)
{
	struct kube_node meta, annotations;
	kube_check(object, "apiVersion kind metadata -spec -status");
	if (kube_object(object, "metadata", &meta, e) < 0 || kube_object(&meta, "annotations", &annotations, e) < 0)
		return -1;
	struct kube_step *s = kube_step(k, "volume", "create", NULL);
	s->quiet = "its name";
	if (kube_pairs(&meta, "labels", "--label", &s->args, e) < 0)
		return -1;
	for (size_t i = 0; i < countof(volume_options); i++) {
		const char *value;
		if (kube_str(&annotations, volume_options[i].annotation, &value, e) < 0)
			return -1;
		if (value)
			kube_option(k, &s->args, "--opt", arena_printf(&k->arena, "%s=%s", volume_options[i].option, value));
	}
	kube_word(k, &s->args, "--");
	kube_word(k, &s->args, name);
	return 0;
}

static int down_claim(struct kube *k, const struct kube_node *object unused, const char *name, const struct kind *kind unused, struct err *e unused)
{
	if (k->o->force)
		kube_step(k, "volume", "rm", "--force", "--", name, NULL)->quiet = "its name";
	return 0;
}

static int play_secret(struct kube *k, const struct kube_node *object, const char *name, const struct kind *kind unused, struct err *e)
{
	struct strv keys = {};
	kube_check(object, "apiVersion kind metadata data stringData -type -immutable");
	kube_keys(object, &keys);
	for (size_t i = 0; i < keys.n; i++) {
		const char *value;
		size_t n;
		if (kube_value(object, keys.v[i], &value, &n, e) < 0)
			return -1;
		if (n == 0 || n > MAX_SECRET)
			return kube_bad(*object, e, "%.80s: a secret has 1 to %d bytes, this one has %zu", keys.v[i], MAX_SECRET, n);
		const char *full = kube_secret_name(object, name, keys.v[i], e);
		if (!full)
			return -1;
		struct kube_step *s = kube_step(k, "secret", "create", "--replace", "--", full, "-", NULL);
		s->input = value;
		s->ninput = n;
		s->is_secret = true;
		s->quiet = "its id";
	}
	return 0;
}

static int down_secret(struct kube *k, const struct kube_node *object, const char *name, const struct kind *kind unused, struct err *e)
{
	struct strv keys = {};
	kube_keys(object, &keys);
	for (size_t i = 0; i < keys.n; i++) {
		const char *full = kube_secret_name(object, name, keys.v[i], e);
		if (!full)
			return -1;
		kube_step(k, "secret", "rm", "--ignore", "--", full, NULL)->quiet = "its id";
	}
	return 0;
}

static int nothing(struct kube *k unused, const struct kube_node *object unused, const char *name unused, const struct kind *kind unused, struct err *e unused)
{
	return 0;
}

static const struct kind kinds[] = {
	{"Secret", play_secret, down_secret, NULL, true},
	{"PersistentVolumeClaim", play_claim, down_claim, NULL, true},
	{"ConfigMap", nothing, nothing, NULL, true},
	{"Pod", play_pod, down_pod, "Always", false},
	{"Deployment", play_template, down_template, "Always", false},
	{"ReplicaSet", play_template, down_template, "Always", false},
	{"StatefulSet", play_template, down_template, "Always", false},
	{"DaemonSet", play_template, down_template, "Always", false},
	{"Job", play_template, down_template, "Never", false},
};

static const struct kind *find_kind(const char *name)
{
	for (size_t i = 0; i < countof(kinds); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	return NULL;
}

/* Objects of a document, which may be a list of them. */
static int take_objects(struct json *into, struct json *document, const char *file, struct err *e)
{
	const char *kind = json_get_str(document, "kind");
	if (!document)
		return 0;
	if (json_kind(document) != JSON_OBJECT || str_is_empty(kind))
		return err_set(e, ERR_USAGE, "%.200s: an object without kind: is this a file for Kubernetes?", file);
	if (str_has_suffix(kind, "List")) {
		struct json *items = json_get(document, "items");
		for (size_t i = 0; i < json_len(items); i++)
			if (json_get_str(json_at(items, i), "kind") && str_has_suffix(json_get_str(json_at(items, i), "kind"), "List"))
				return err_set(e, ERR_USAGE, "%.200s: a list in a list", file);
			else if (take_objects(into, json_at(items, i), file, e) < 0)
				return -1;
		return 0;
	}
	json_add(into, json_ref(document));
	return 0;
}

static int load(const char *path, struct json *into, struct err *e)
{
	own(buf) struct buf text = BUF(5 << 20);
	own(json) struct json *documents = NULL;
	bool from_stdin = strcmp(path, "-") == 0;
	own(fd) int fd = from_stdin ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	struct err why = {};
	if (!from_stdin && fd < 0)
		return err_sys(e, "%.300s", path);
	if (fd_read_to_end(from_stdin ? 0 : fd, &text) < 0)
		return err_sys(e, "%.300s", path);
	if (yaml_parse(buf_text(&text), text.len, &documents, &why) < 0)
		return err_set(e, why.kind, "%.300s: %s", path, why.text);
	for (size_t i = 0; i < json_len(documents); i++)
		if (take_objects(into, json_at(documents, i), path, e) < 0)
			return -1;
	return 0;
}

int kube_load(struct kube *k, struct err *e)
{
	k->objects = json_new_array();
	k->maps = json_new_array();
	if (load(k->file, k->objects, e) < 0)
		return -1;
	for (size_t i = 0; i < json_len(k->objects); i++)
		json_add(k->maps, json_ref(json_at(k->objects, i)));
	for (size_t i = 0; i < k->o->configmaps.n; i++) {
		own(json) struct json *more = json_new_array();
		if (load(k->o->configmaps.v[i], more, e) < 0)
			return -1;
		for (size_t m = 0; m < json_len(more); m++) {
			if (!str_eq(json_get_str(json_at(more, m), "kind"), "ConfigMap"))
				return err_set(e, ERR_USAGE, "--configmap %.200s: %s is no ConfigMap", k->o->configmaps.v[i], title(k, json_at(more, m)));
			json_add(k->maps, json_ref(json_at(more, m)));
		}
	}
	return 0;
}

static int plan(struct kube *k, bool play, bool first, size_t *pods, struct err *e)
{
	for (size_t i = 0; i < json_len(k->objects); i++) {
		const struct json *o = json_at(k->objects, i);
		struct kube_node object = {k, o, title(k, o)}, meta;
		const struct kind *kind = find_kind(json_get_str(o, "kind"));
		const char *name;
		if (!kind && play && first)
			cli_warn("%.200s: %.300s has no effect here", k->file, object.where);
		if (!kind || kind->first != first)
			continue;
		if (kube_object(&object, "metadata", &meta, e) < 0 || kube_name(&meta, "name", &name, e) < 0)
			return -1;
		kube_check(&meta, "name labels annotations -namespace -uid -creationTimestamp -generation -resourceVersion -ownerReferences -managedFields "
			"-generateName -selfLink -finalizers");
		if (kube_find(k, kind->name, name).j != o)
			return kube_bad(object, e, "it is there twice");
		*pods += !first;
		if ((play ? kind->play : kind->down)(k, &object, name, kind, e) < 0)
			return -1;
	}
	return 0;
}

int kube_plan_play(struct kube *k, struct err *e)
{
	size_t pods = 0;
	if (plan(k, true, true, &pods, e) < 0 || plan(k, true, false, &pods, e) < 0)
		return -1;
	return pods || k->steps.n ? 0 : err_set(e, ERR_USAGE, "%.200s: nothing in it makes a pod, a volume or a secret", k->file);
}

int kube_plan_down(struct kube *k, struct err *e)
{
	size_t pods = 0;
	k->quiet = true;
	int result = plan(k, false, false, &pods, e) < 0 || plan(k, false, true, &pods, e) < 0 ? -1 : 0;
	k->quiet = false;
	return result;
}
