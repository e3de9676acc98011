/* SPDX-License-Identifier: Apache-2.0 */
/*
 * manifest: see manifest.h. A list is pushed to the registry its manifests are in: what the repository lacks is mounted from
 * theirs, and put there under its digest; nothing is fetched.
 */
#include "engine/manifest.h"

#include "base/path.h"
#include "codec/digest.h"
#include "engine/image_remote.h"
#include "image/platform.h"
#include "image/push.h"
#include "image/remote_manifest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LIST_MAX = 16 << 20, MANIFESTS_MAX = 512, DOCUMENT_MAX = 4 << 20, NAME_FILE = 300 };

static int whole_name(const char *text, struct ref *ref, char out[REF_TEXT], struct err *e)
{
	if (ref_parse(text, ref, e) < 0)
		return -1;
	ref_format(ref, out);
	return 0;
}

static int list_path(const char *name, char out[NAME_FILE], struct err *e)
{
	char digest[DIGEST_TEXT];
	if (digest_of(name, strlen(name), digest, e) < 0)
		return -1;
	snprintf(out, NAME_FILE, "images/lists/%.100s-%.16s.json", name, digest_hex(digest));
	for (char *p = out + strlen("images/lists/"); *p; p++)
		if (*p == '/')
			*p = '%';
	return 0;
}

static int load(struct engine *g, const char *name, struct json **ret, struct err *e)
{
	char path[NAME_FILE];
	struct err why = {};
	if (list_path(name, path, e) < 0)
		return -1;
	if (json_read(g->root, path, LIST_MAX, ret, &why) < 0) {
		if (why.kind == ERR_NOT_FOUND)
			return err_set(e, ERR_NOT_FOUND, "no such manifest list: %s", name);
		*e = why;
		return -1;
	}
	return 0;
}

static int save(struct engine *g, const char *name, const struct json *j, struct err *e)
{
	char path[NAME_FILE];
	own(buf) struct buf text = BUF(LIST_MAX);
	json_format(j, 0, &text);
	if (buf_check(&text, e) < 0 || list_path(name, path, e) < 0 || path_mkdirs(g->root, "images/lists", 0700, e) < 0)
		return -1;
	return path_write(g->root, path, buf_text(&text), text.len, 0600, PATH_SYNC, e);
}

static struct json *platform_json(const struct image_config *c)
{
	struct json *p = json_new_object();
	json_set_str(p, "architecture", c->architecture ? c->architecture : "");
	json_set_str(p, "os", c->os ? c->os : "");
	if (!str_is_empty(c->os_version))
		json_set_str(p, "os.version", c->os_version);
	if (!str_is_empty(c->variant))
		json_set_str(p, "variant", c->variant);
	return p;
}

/* One image of a registry, as it is kept in a list. */
static int fetch(struct engine *g, const char *name, struct json **ret, struct err *e)
{
	struct pull p = {};
	char whole[REF_TEXT];
	struct ref ref;
	if (whole_name(name, &ref, whole, e) < 0 || image_remote_open(g, name, NULL, &p, e) < 0)
		return -1;
	int r = pull_resolve(&p, e);
	if (r == 0 && p.index_text)
		r = err_set(e, ERR_USAGE, "%s is an index itself: name its manifests by their digests", name);
	if (r == 0) {
		struct json *j = json_new_object(), *d = descriptor_json(p.record.media_type, p.record.manifest, p.manifest_len);
		json_set(d, "platform", platform_json(&p.config));
		json_set_str(j, "ref", whole);
		json_set(j, "raw", json_new_str_n(p.manifest_text, p.manifest_len));
		json_set(j, "descriptor", d);
		*ret = j;
	}
	pull_drop(&p);
	return r;
}

static ssize_t find_ref(const struct json *list, const char *ref)
{
	const struct json *all = json_get(list, "manifests");
	for (size_t i = 0; i < json_len(all); i++)
		if (str_eq(json_get_str(json_at(all, i), "ref"), ref))
			return (ssize_t)i;
	return -1;
}

int manifest_create(struct engine *g, const char *list, int n, char **refs, bool amend, struct err *e)
{
	own(json) struct json *j = NULL;
	struct err why = {};
	struct ref ref;
	char name[REF_TEXT];
	if (engine_need_store(g, e) < 0 || whole_name(list, &ref, name, e) < 0)
		return -1;
	if (load(g, name, &j, &why) == 0 && !amend)
		return err_set(e, ERR_EXISTS, "the manifest list %s is there already: --amend adds to it", list);
	if (!j && why.kind != ERR_NOT_FOUND)
		return *e = why, -1;
	if (!j) {
		j = json_new_object();
		json_set_str(j, "name", name);
		json_set(j, "manifests", json_new_array());
	}
	for (int i = 0; i < n; i++) {
		struct json *one = NULL;
		if (fetch(g, refs[i], &one, e) < 0)
			return -1;
		if (find_ref(j, json_get_str(one, "ref")) >= 0) {
			json_drop(&one);
			continue;
		}
		json_add(json_get(j, "manifests"), one);
		if (json_len(json_get(j, "manifests")) > MANIFESTS_MAX)
			return err_set(e, ERR_LIMIT, "more than %d manifests", MANIFESTS_MAX);
	}
	return save(g, name, j, e);
}

int manifest_annotate(struct engine *g, const char *list, const char *text, const struct manifest_platform *p, struct err *e)
{
	own(json) struct json *j = NULL;
	struct ref ref, one;
	char name[REF_TEXT], member[REF_TEXT];
	if (engine_need_store(g, e) < 0 || whole_name(list, &ref, name, e) < 0 || whole_name(text, &one, member, e) < 0 || load(g, name, &j, e) < 0)
		return -1;
	ssize_t at = find_ref(j, member);
	if (at < 0)
		return err_set(e, ERR_NOT_FOUND, "%s is not in the manifest list %s", text, list);
	struct json *platform = json_get(json_get(json_at(json_get(j, "manifests"), (size_t)at), "descriptor"), "platform");
	const struct { const char *key, *value; } rows[] = {{"os", p->os}, {"architecture", p->architecture}, {"variant", p->variant},
		{"os.version", p->os_version}};
	for (size_t i = 0; i < countof(rows); i++)
		if (rows[i].value)
			json_set_str(platform, rows[i].key, rows[i].value);
	const char *os = json_get_str(platform, "os"), *arch = json_get_str(platform, "architecture"), *variant = json_get_str(platform, "variant");
	own(mem) char *whole = mem_printf("%s/%s%s%s", os ? os : "", arch ? arch : "", str_is_empty(variant) ? "" : "/", variant ? variant : "");
	struct platform_want want;
	for (size_t i = 0; i < 3; i++)
		if (rows[i].value && strchr(rows[i].value, '/'))
			return err_set(e, ERR_USAGE, "invalid platform: a slash in its %s", rows[i].key);
	if (platform_parse(whole, &want, e) < 0)
		return -1;
	if (p->os_features && p->os_features->n) {
		struct json *features = json_new_array();
		for (size_t i = 0; i < p->os_features->n; i++)
			json_add(features, json_new_str(p->os_features->v[i]));
		json_set(platform, "os.features", features);
	}
	return save(g, name, j, e);
}

/* The index that a list is. */
static struct json *index_of(const struct json *list)
{
	struct json *j = json_new_object(), *out = json_new_array();
	const struct json *all = json_get(list, "manifests");
	bool docker = json_len(all) > 0;
	for (size_t i = 0; i < json_len(all); i++) {
		struct json *d = json_get(json_at(all, i), "descriptor");
		docker = docker && str_eq(json_get_str(d, "mediaType"), TYPE_DOCKER_MANIFEST);
		json_add(out, json_ref(d));
	}
	json_set(j, "schemaVersion", json_new_i64(2));
	json_set_str(j, "mediaType", docker ? TYPE_DOCKER_LIST : TYPE_OCI_INDEX);
	json_set(j, "manifests", out);
	return j;
}

static int get_remote(struct engine *g, const char *text, struct buf *ret, char **ret_type, char digest[136], struct err *e)
{
	struct pull p = {};
	size_t at;
	if (image_remote_manifest(g, text, NULL, &p, &at, ret, ret_type, digest, e) < 0)
		return err_wrap(e, "%s", text);
	pull_drop(&p);
	return 0;
}

int manifest_inspect(struct engine *g, const char *text, struct buf *ret, struct err *e)
{
	own(json) struct json *list = NULL;
	own(mem) char *type = NULL;
	struct err why = {};
	struct ref ref;
	char name[REF_TEXT], digest[136];
	if (engine_need_store(g, e) < 0 || whole_name(text, &ref, name, e) < 0)
		return -1;
	if (load(g, name, &list, &why) == 0) {
		own(json) struct json *index = index_of(list);
		json_format(index, 3, ret);
		return 0;
	}
	if (why.kind != ERR_NOT_FOUND)
		return *e = why, -1;
	return get_remote(g, text, ret, &type, digest, e);
}

static struct json *described(const char *ref, struct json *descriptor, struct json *document)
{
	struct json *j = json_new_object();
	bool docker = str_eq(json_get_str(descriptor, "mediaType"), TYPE_DOCKER_MANIFEST);
	json_set_str(j, "Ref", ref);
	json_set(j, "Descriptor", descriptor);
	json_set(j, docker ? "SchemaV2Manifest" : "OCIManifest", document);
	return j;
}

static int describe_member(struct engine *g, const struct ref *ref, struct json *descriptor, struct json *list, struct err *e)
{
	struct ref member = *ref;
	own(buf) struct buf text = {};
	own(mem) char *type = NULL;
	own(json) struct json *document = NULL;
	char name[REF_TEXT], digest[136];
	const char *wanted = json_get_str(descriptor, "digest");
	if (!wanted || !digest_is_valid(wanted))
		return err_set(e, ERR_CORRUPT, "index: invalid digest");
	*member.tag = 0;
	snprintf(member.digest, sizeof member.digest, "%s", wanted);
	ref_format(&member, name);
	if (get_remote(g, name, &text, &type, digest, e) < 0 || json_parse(buf_text(&text), text.len, &document, e) < 0)
		return -1;
	json_add(list, described(name, json_ref(descriptor), take(document)));
	return 0;
}

struct json *manifest_inspect_all(struct engine *g, const char *text, struct err *e)
{
	own(buf) struct buf raw = {};
	own(mem) char *type = NULL;
	own(json) struct json *j = NULL;
	struct ref ref;
	char digest[136], name[REF_TEXT];
	if (whole_name(text, &ref, name, e) < 0 || get_remote(g, text, &raw, &type, digest, e) < 0 || json_parse(buf_text(&raw), raw.len, &j, e) < 0)
		return NULL;
	if (types_document(type, j) != DOCUMENT_INDEX)
		return described(name, descriptor_json(type, digest, raw.len), take(j));
	own(json) struct json *list = json_new_array();
	struct json *all = json_get(j, "manifests");
	if (json_len(all) > MANIFESTS_MAX) {
		err_set_(e, ERR_LIMIT, "%s: more than %d manifests", text, MANIFESTS_MAX);
		return NULL;
	}
	for (size_t i = 0; i < json_len(all); i++)
		if (describe_member(g, &ref, json_at(all, i), list, e) < 0)
			return NULL;
	return take(list);
}

struct json *manifest_distribution(struct engine *g, const char *text, struct err *e)
{
	own(buf) struct buf raw = {};
	own(mem) char *type = NULL;
	own(json) struct json *j = NULL;
	own(json) struct json *one = NULL;
	char digest[136];
	if (get_remote(g, text, &raw, &type, digest, e) < 0 || json_parse(buf_text(&raw), raw.len, &j, e) < 0)
		return NULL;
	bool is_index = types_document(type, j) == DOCUMENT_INDEX;
	if (!is_index && fetch(g, text, &one, e) < 0)
		return NULL;
	struct json *ret = json_new_object(), *platforms = json_new_array(), *all = json_get(j, "manifests");
	json_set(ret, "Descriptor", descriptor_json(type, digest, raw.len));
	for (size_t i = 0; is_index && i < json_len(all); i++)
		if (json_get(json_at(all, i), "platform"))
			json_add(platforms, json_ref(json_get(json_at(all, i), "platform")));
	if (!is_index)
		json_add(platforms, json_ref(json_get(json_get(one, "descriptor"), "platform")));
	json_set(ret, "Platforms", platforms);
	return ret;
}

/* A blob into this repository from another one. */
static int mount_blob(struct pull *p, const struct descriptor *d, const char *from, struct err *e)
{
	struct push_event ev = {};
	char *names[] = {(char *)(uintptr_t)from, NULL};
	if (push_look(p, 0, d, &(struct strv){names, 1}, e) < 0)
		return -1;
	for (int r; ev.kind != PUSH_THERE && ev.kind != PUSH_MOUNTED;) {
		r = push_event_wait(p, &ev, e);
		if (r < 0)
			return -1;
		if (ev.kind == PUSH_FAILED)
			return *e = ev.why, -1;
		if (ev.kind == PUSH_MISSING)
			return err_set(e, ERR_DENIED, "the registry does not take %.19s… from %s: push that image to the repository first", d->digest, from);
	}
	return 0;
}

static int push_member(struct pull *p, const struct ref *target, const struct json *member, struct err *e)
{
	own(json) struct json *j = NULL;
	own(arena) struct arena a = {};
	struct manifest m;
	struct ref ref;
	const char *raw = json_get_str(member, "raw"), *digest = json_get_str(json_get(member, "descriptor"), "digest");
	if (!raw || !digest || ref_parse(json_get_str(member, "ref"), &ref, e) < 0)
		return err_set(e, ERR_CORRUPT, "the manifest list is damaged");
	if (strcmp(ref.registry, target->registry) != 0)
		return err_set(e, ERR_USAGE, "%s is in another registry than the list: push it to %s first", json_get_str(member, "ref"), target->registry);
	int there = push_has_manifest(p, digest, e);
	if (there != 0)
		return there < 0 ? -1 : 0;
	if (json_parse(raw, strlen(raw), &j, e) < 0 || manifest_parse(j, &a, &m, e) < 0 || mount_blob(p, &m.config, ref.repository, e) < 0)
		return -1;
	for (size_t i = 0; i < m.layers.n; i++)
		if (mount_blob(p, &m.layers.v[i], ref.repository, e) < 0)
			return -1;
	return push_manifest(p, digest, json_get_str(json_get(member, "descriptor"), "mediaType"), raw, strlen(raw), e);
}

static char *scope_of(const struct ref *target, const struct json *all)
{
	own(buf) struct buf b = {};
	own(strv) struct strv from = {};
	buf_printf(&b, "repository:%s:pull,push", target->repository);
	for (size_t i = 0; i < json_len(all); i++) {
		struct ref ref;
		struct err ignored = {};
		if (ref_parse(json_get_str(json_at(all, i), "ref"), &ref, &ignored) == 0 && strcmp(ref.repository, target->repository) != 0 &&
			!strv_has(&from, ref.repository) && from.n < 8) {
			strv_add(&from, ref.repository);
			buf_printf(&b, " repository:%s:pull", ref.repository);
		}
	}
	return buf_take(&b);
}

int manifest_push(struct engine *g, const char *list, char ret_digest[136], struct err *e)
{
	own(json) struct json *j = NULL;
	own(buf) struct buf text = BUF(DOCUMENT_MAX);
	struct pull p = {};
	struct ref ref;
	char name[REF_TEXT];
	if (engine_need_store(g, e) < 0 || whole_name(list, &ref, name, e) < 0 || load(g, name, &j, e) < 0)
		return -1;
	const struct json *all = json_get(j, "manifests");
	own(json) struct json *index = index_of(j);
	own(mem) char *scope = scope_of(&ref, all);
	json_format(index, 3, &text);
	if (buf_check(&text, e) < 0 || digest_of(buf_text(&text), text.len, ret_digest, e) < 0 || image_remote_open(g, list, scope, &p, e) < 0)
		return -1;
	int r = 0;
	for (size_t i = 0; r == 0 && i < json_len(all); i++)
		r = push_member(&p, &ref, json_at(all, i), e);
	if (r == 0)
		r = push_manifest(&p, *ref.digest ? ref.digest : ref.tag, json_get_str(index, "mediaType"), buf_text(&text), text.len, e);
	pull_drop(&p);
	return r < 0 ? err_wrap(e, "push %s", list) : 0;
}

int manifest_remove(struct engine *g, const char *list, struct err *e)
{
	struct ref ref;
	char name[REF_TEXT], path[NAME_FILE];
	if (engine_need_store(g, e) < 0 || whole_name(list, &ref, name, e) < 0 || list_path(name, path, e) < 0)
		return -1;
	if (unlinkat(g->root, path, 0) == 0)
		return 0;
	return errno == ENOENT ? err_set(e, ERR_NOT_FOUND, "no such manifest list: %s", list) : err_sys(e, "manifest list %s", list);
}

int manifest_delete(struct engine *g, const char *text, char ret_digest[136], struct err *e)
{
	struct pull p = {};
	struct ref ref;
	if (ref_parse(text, &ref, e) < 0)
		return -1;
	own(mem) char *scope = mem_printf("repository:%s:pull,push,delete", ref.repository);
	if (image_remote_open(g, text, scope, &p, e) < 0)
		return -1;
	int r = remote_manifest_delete(&p, *ref.digest ? ref.digest : ref.tag, ret_digest, e);
	pull_drop(&p);
	return r < 0 ? err_wrap(e, "%s", text) : 0;
}

struct json *manifest_referrers(struct engine *g, const char *text, const char *artifact_type, struct err *e)
{
	own(buf) struct buf raw = {};
	own(mem) char *type = NULL;
	struct pull p = {};
	struct json *ret = NULL;
	struct ref ref;
	char digest[136] = "";
	if (ref_parse(text, &ref, e) < 0 || image_remote_open(g, text, NULL, &p, e) < 0)
		return NULL;
	snprintf(digest, sizeof digest, "%s", ref.digest);
	int r = *digest ? 0 : remote_manifest_get(&p, ref.tag, &raw, &type, digest, e);
	if (r == 0)
		r = remote_referrers(&p, digest, str_is_empty(artifact_type) ? NULL : artifact_type, &ret, e);
	pull_drop(&p);
	if (r < 0)
		err_wrap_(e, "%s", text);
	return ret;
}
