/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy: see policy.h. Whatever is not understood counts as not met.
 */
#include "image/policy.h"

#include "base/mem.h"
#include "base/path.h"
#include "codec/base64.h"
#include "codec/signature.h"
#include "image/gpg.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum { POLICY_MAX = 1 << 20, KEY_MAX = 64 << 10, KEYS_MAX = 64, KEYRING_MAX = 1 << 20 };
#define PAYLOAD_TYPE "cosign container image signature"
#define GPG_TYPE     "atomic container signature"

void policy_drop(struct policy *p)
{
	json_drop(&p->document);
	mem_drop(&p->path);
}

/* 1: read; 0: there is none. */
static int load_from(struct policy *p, const char *path, bool must, struct err *e)
{
	struct err why = {};
	if (json_read(AT_FDCWD, path, POLICY_MAX, &p->document, &why) < 0) {
		if (!must && (why.sys == ENOENT || why.sys == ENOTDIR))
			return 0;
		*e = why;
		return err_wrap(e, "policy");
	}
	if (json_kind(json_get(p->document, "default")) != JSON_ARRAY || !json_len(json_get(p->document, "default")))
		return err_set(e, ERR_USAGE, "policy %s: \"default\" must be a list of requirements", path);
	p->path = mem_dup(path);
	return 1;
}

int policy_load(struct policy *ret, struct err *e)
{
	const char *given = getenv("HULL_POLICY"), *home = getenv("HOME");
	own(policy) struct policy p = {};
	own(mem) char *own_path = mem_printf("%s/.config/containers/policy.json", home ? home : "/root");
	int r = !str_is_empty(given) ? load_from(&p, given, true, e) : load_from(&p, own_path, false, e);
	if (r == 0)
		r = load_from(&p, "/etc/containers/policy.json", false, e);
	if (r < 0)
		return -1;
	*ret = p;
	p = (struct policy){};
	return 0;
}

/* ---- which requirements */

static const struct json *scope_of(const struct policy *p, const char *transport, const char *scope)
{
	return json_get(json_get(json_get(p->document, "transports"), transport), scope);
}

static const struct json *requirements(const struct policy *p, const char *transport, const struct strv *scopes)
{
	const struct json *found = NULL;
	for (size_t i = 0; i < scopes->n && !found; i++)
		found = scope_of(p, transport, scopes->v[i]);
	if (!found)
		found = scope_of(p, transport, "");
	return found ? found : json_get(p->document, "default");
}

/* ---- one signature */

static const char *payload_text(const struct json *critical, const char *object, const char *key)
{
	return json_get_str(json_get(critical, object), key);
}

char *policy_payload_name(enum signed_kind kind, const char *payload, size_t len, const char *const *digests, size_t n)
{
	own(json) struct json *j = NULL;
	struct err ignored = {};
	if (json_parse(payload, len, &j, &ignored) < 0)
		return NULL;
	const struct json *critical = json_get(j, "critical");
	const char *digest = payload_text(critical, "image", "docker-manifest-digest"), *name = payload_text(critical, "identity", "docker-reference");
	if (!str_eq(json_get_str(critical, "type"), kind == SIGNED_GPG ? GPG_TYPE : PAYLOAD_TYPE) || !digest || !name)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (str_eq(digests[i], digest))
			return mem_dup(name);
	return NULL;
}

void policy_payload_make(const char *name, const char *digest, struct buf *ret)
{
	own(json) struct json *j = json_new_object();
	struct json *critical = json_new_object(), *identity = json_new_object(), *image = json_new_object();
	json_set_str(identity, "docker-reference", name);
	json_set_str(image, "docker-manifest-digest", digest);
	json_set(critical, "identity", identity);
	json_set(critical, "image", image);
	json_set_str(critical, "type", PAYLOAD_TYPE);
	json_set(j, "critical", critical);
	json_set(j, "optional", json_new_object());
	json_format(j, 0, ret);
}

static bool same_repository(const struct ref *a, const struct ref *b)
{
	return strcmp(a->registry, b->registry) == 0 && strcmp(a->repository, b->repository) == 0;
}

static bool same_exactly(const struct ref *a, const struct ref *b)
{
	return same_repository(a, b) && strcmp(a->tag, b->tag) == 0 && strcmp(a->digest, b->digest) == 0;
}

/* A name without a tag is none with :latest. */
static bool parse_said(const char *text, struct ref *ret)
{
	struct err ignored = {};
	const char *slash = strrchr(text, '/'), *last = slash ? slash : text;
	if (ref_parse(text, ret, &ignored) < 0)
		return false;
	if (!strchr(last, ':') && !strchr(text, '@'))
		*ret->tag = 0;
	return true;
}

static bool remap(const struct json *rule, const struct ref *ref, struct ref *ret)
{
	const char *prefix = json_get_str(rule, "prefix"), *to = json_get_str(rule, "signedPrefix");
	struct ref bare = *ref;
	char text[REF_TEXT];
	*bare.tag = *bare.digest = 0;
	ref_format(&bare, text);
	size_t n = prefix ? strlen(prefix) : 0;
	if (!prefix || !to)
		return false;
	*ret = *ref;
	if (strncmp(text, prefix, n) != 0 || (text[n] && text[n] != '/'))
		return true;
	own(mem) char *moved = mem_printf("%s%s", to, text + n);
	struct ref r;
	struct err ignored = {};
	if (ref_parse(moved, &r, &ignored) < 0)
		return false;
	memcpy(r.tag, ref->tag, sizeof r.tag);
	memcpy(r.digest, ref->digest, sizeof r.digest);
	*ret = r;
	return true;
}

static bool identity_fits(const struct json *rule, const char *said_text, const struct ref *ref)
{
	const char *type = rule ? json_get_str(rule, "type") : "matchRepoDigestOrExact";
	struct ref said, want = *ref;
	if (!type || !parse_said(said_text, &said))
		return false;
	if (strcmp(type, "exactReference") == 0)
		return json_get_str(rule, "dockerReference") && parse_said(json_get_str(rule, "dockerReference"), &want) && same_exactly(&said, &want);
	if (strcmp(type, "exactRepository") == 0)
		return json_get_str(rule, "dockerRepository") && parse_said(json_get_str(rule, "dockerRepository"), &want) && same_repository(&said, &want);
	if (strcmp(type, "matchRepository") == 0)
		return same_repository(&said, ref);
	if (strcmp(type, "matchExact") == 0)
		return same_exactly(&said, ref);
	if (strcmp(type, "remapIdentity") == 0 && !remap(rule, ref, &want))
		return false;
	if (strcmp(type, "remapIdentity") != 0 && strcmp(type, "matchRepoDigestOrExact") != 0)
		return false;
	return *want.digest ? same_repository(&said, &want) : same_exactly(&said, &want);
}

/* ---- sigstoreSigned */

static int add_key_file(const char *path, struct strv *keys, struct err *e)
{
	own(buf) struct buf text = BUF(KEY_MAX);
	if (path_read(AT_FDCWD, path, &text, e) < 0)
		return err_wrap(e, "key %.200s", path);
	strv_add(keys, buf_text(&text));
	return 0;
}

static int add_key_data(const char *data, struct strv *keys, struct err *e)
{
	own(buf) struct buf text = BUF(KEY_MAX);
	if (base64_decode(data, &text, e) < 0)
		return err_wrap(e, "keyData");
	strv_add(keys, buf_text(&text));
	return 0;
}

static int read_keys(const struct json *r, struct strv *keys, struct err *e)
{
	const struct json *paths = json_get(r, "keyPaths"), *datas = json_get(r, "keyDatas");
	if (json_get_str(r, "keyPath") && add_key_file(json_get_str(r, "keyPath"), keys, e) < 0)
		return -1;
	if (json_get_str(r, "keyData") && add_key_data(json_get_str(r, "keyData"), keys, e) < 0)
		return -1;
	for (size_t i = 0; i < json_len(paths); i++)
		if (!json_str(json_at(paths, i)) || add_key_file(json_str(json_at(paths, i)), keys, e) < 0)
			return -1;
	for (size_t i = 0; i < json_len(datas); i++)
		if (!json_str(json_at(datas, i)) || add_key_data(json_str(json_at(datas, i)), keys, e) < 0)
			return -1;
	if (!keys->n || keys->n > KEYS_MAX)
		return err_set(e, ERR_USAGE, "sigstoreSigned: keyPath, keyPaths, keyData or keyDatas says which key (Fulcio's certificates are not "
			"checked here)");
	return 0;
}

static int is_by_one_of(const struct signed_payload *s, const struct strv *keys, struct err *e)
{
	for (size_t i = 0; i < keys->n; i++) {
		int r = signature_verify(keys->v[i], strlen(keys->v[i]), s->payload, s->payload_len, s->signature, s->signature_len, e);
		if (r != 0)
			return r;
	}
	return 0;
}

struct asked {
	const struct ref *ref;
	const char *const *digests;
	size_t n;
	policy_find_fn find;
	void *arg;
	struct signed_payloads found[SIGNED_KINDS];
	bool was_found[SIGNED_KINDS];
};

static int find_once(struct asked *a, enum signed_kind kind, struct signed_payloads *ret, struct err *e)
{
	if (!a->was_found[kind] && a->find(a->arg, kind, &a->found[kind], e) < 0)
		return -1;
	a->was_found[kind] = true;
	*ret = a->found[kind];
	return 0;
}

static int unfit(bool any, bool by_key, bool of_it, struct err *e)
{
	return err_set(e, ERR_DENIED, "%s", !any ? "it has no signature" : !by_key ? "no signature of it is by the policy's key" :
		!of_it ? "its signature is of another image" : "its signature is for another name");
}

static int check_sigstore(const struct json *r, struct asked *a, struct err *e)
{
	own(strv) struct strv keys = {};
	bool by_key = false, of_it = false;
	if (read_keys(r, &keys, e) < 0)
		return -1;
	struct signed_payloads all;
	if (find_once(a, SIGNED_SIGSTORE, &all, e) < 0)
		return -1;
	for (size_t i = 0; i < all.n; i++) {
		const struct signed_payload *s = &all.v[i];
		int good = is_by_one_of(s, &keys, e);
		if (good < 0)
			return -1;
		by_key |= good;
		own(mem) char *said = good ? policy_payload_name(SIGNED_SIGSTORE, s->payload, s->payload_len, a->digests, a->n) : NULL;
		of_it |= said != NULL;
		if (said && identity_fits(json_get(r, "signedIdentity"), said, a->ref)) {
			all.v[i].counts = true;
			return 0;
		}
	}
	return unfit(all.n, by_key, of_it, e);
}

/* ---- signedBy */

static int add_gpg_keys(const char *text, bool is_path, struct buf *keyring, struct err *e)
{
	own(buf) struct buf raw = BUF(KEYRING_MAX);
	if (!text)
		return err_set(e, ERR_USAGE, "signedBy: a key must be a text");
	if ((is_path ? path_read(AT_FDCWD, text, &raw, e) : base64_decode(text, &raw, e)) < 0 || gpg_add_keys(keyring, buf_text(&raw), raw.len, e) < 0)
		return is_path ? err_wrap(e, "key %.200s", text) : err_wrap(e, "keyData");
	return 0;
}

static int read_gpg_keys(const struct json *r, struct buf *keyring, struct err *e)
{
	static const struct { const char *key; bool is_path, is_list; } rows[] = {
		{"keyPath", true, false}, {"keyData", false, false}, {"keyPaths", true, true}, {"keyDatas", false, true}};
	if (!str_eq(json_get_str(r, "keyType"), "GPGKeys"))
		return err_set(e, ERR_USAGE, "signedBy: keyType must be GPGKeys");
	for (size_t i = 0; i < countof(rows); i++) {
		const struct json *v = json_get(r, rows[i].key);
		size_t n = !v ? 0 : rows[i].is_list ? json_len(v) : 1;
		for (size_t k = 0; k < n; k++)
			if (add_gpg_keys(json_str(rows[i].is_list ? json_at(v, k) : v), rows[i].is_path, keyring, e) < 0)
				return -1;
	}
	return keyring->len ? 0 : err_set(e, ERR_USAGE, "signedBy: keyPath, keyPaths or keyData says which key");
}

static int check_gpg(const struct json *r, struct asked *a, struct err *e)
{
	own(buf) struct buf keyring = BUF(KEYRING_MAX);
	struct signed_payloads all;
	bool by_key = false, of_it = false;
	if (read_gpg_keys(r, &keyring, e) < 0 || find_once(a, SIGNED_GPG, &all, e) < 0)
		return -1;
	for (size_t i = 0; i < all.n; i++) {
		own(buf) struct buf text = {};
		int good = gpg_read(&keyring, all.v[i].payload, all.v[i].payload_len, &text, e);
		if (good < 0)
			return -1;
		by_key |= good;
		own(mem) char *said = good ? policy_payload_name(SIGNED_GPG, buf_text(&text), text.len, a->digests, a->n) : NULL;
		of_it |= said != NULL;
		if (said && identity_fits(json_get(r, "signedIdentity"), said, a->ref)) {
			all.v[i].counts = true;
			return 0;
		}
	}
	return unfit(all.n, by_key, of_it, e);
}

static int check_one(const struct json *r, struct asked *a, bool *ret_signed, struct err *e)
{
	const char *type = json_get_str(r, "type");
	if (str_eq(type, "insecureAcceptAnything"))
		return 0;
	if (str_eq(type, "reject"))
		return err_set(e, ERR_DENIED, "it is rejected");
	bool gpg = str_eq(type, "signedBy");
	if (gpg || str_eq(type, "sigstoreSigned")) {
		*ret_signed = true;
		return a ? (gpg ? check_gpg : check_sigstore)(r, a, e) : err_set(e, ERR_DENIED, "it has no signature");
	}
	return err_set(e, ERR_DENIED, "it asks for \"%.40s\", which cannot be checked here", type ? type : "nothing");
}

static int check_all(const struct policy *p, const struct json *list, struct asked *a, bool *ret_signed, struct err *e)
{
	if (json_kind(list) != JSON_ARRAY || !json_len(list))
		return err_set(e, ERR_USAGE, "policy %s: a scope must be a list of requirements", p->path);
	for (size_t i = 0; i < json_len(list); i++)
		if (check_one(json_at(list, i), a, ret_signed, e) < 0)
			return err_wrap(e, "policy %s", p->path);
	return 0;
}

int policy_check(const struct policy *p, const struct ref *ref, const char *const *digests, size_t n, policy_find_fn find, void *arg, bool *ret_signed,
	struct err *e)
{
	struct asked a = {.ref = ref, .digests = digests, .n = n, .find = find, .arg = arg};
	own(strv) struct strv scopes = {};
	*ret_signed = false;
	if (!p->document)
		return 0;
	ref_scopes(ref, &scopes);
	return check_all(p, requirements(p, "docker", &scopes), &a, ret_signed, e);
}

int policy_check_scopes(const struct policy *p, const char *transport, const struct strv *scopes, struct err *e)
{
	bool is_signed;
	return p->document ? check_all(p, requirements(p, transport, scopes), NULL, &is_signed, e) : 0;
}

int policy_check_path(const struct policy *p, const char *transport, const char *path, const char *name, struct err *e)
{
	own(strv) struct strv scopes = {};
	own(mem) char *text = mem_dup(path ? path : "");
	if (*text && name)
		strv_add_take(&scopes, mem_printf("%s:%s", text, name));
	for (char *slash; *text; *slash = 0) {
		strv_add(&scopes, text);
		slash = strrchr(text, '/');
		if (!slash)
			break;
	}
	if (path && *path == '/')
		strv_add(&scopes, "/");
	return policy_check_scopes(p, transport, &scopes, e);
}
