/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trust: see trust.h.
 */
#include "engine/trust.h"

#include "base/path.h"
#include "codec/base64.h"
#include "codec/digest.h"
#include "engine/transport.h"
#include "engine/trust_remote.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { RECORD_MAX = 4 << 20, FOUND_MAX = 256, KEPT_BYTES = 1 << 19 };

void trust_drop(struct trust *t)
{
	arena_drop(&t->arena);
}

struct remote { struct engine *g; struct pull *p; const struct ref *ref; const char *const *digests; size_t n; struct trust *t; };

static int find_remote(void *arg, enum signed_kind kind, struct signed_payloads *ret, struct err *e)
{
	struct remote *r = arg;
	for (size_t i = 0; i < r->n; i++)
		if ((kind == SIGNED_GPG ? trust_lookaside(r->g, r->ref, r->digests[i], &r->t->arena, &r->t->found[kind], e)
					: trust_fetch(r->p, r->digests[i], &r->t->arena, &r->t->found[kind], e)) < 0)
			return -1;
	*ret = r->t->found[kind];
	return 0;
}

int trust_remote(struct engine *g, struct pull *p, const struct ref *ref, const char *const *digests, size_t n, struct trust *t, struct err *e)
{
	own(policy) struct policy policy = {};
	struct remote r = {g, p, ref, digests, n, t};
	char text[REF_TEXT];
	if (policy_load(&policy, e) < 0)
		return -1;
	return policy_check(&policy, ref, digests, n, find_remote, &r, &t->is_signed, e) < 0 ? err_wrap(e, "%s", ref_format_familiar(ref, text)) : 0;
}

int trust_pull(struct engine *g, struct pull *p, struct trust *t, struct err *e)
{
	const char *const digests[] = {p->index_digest, p->record.manifest};
	return trust_remote(g, p, &p->ref, digests, strcmp(digests[0], digests[1]) == 0 ? 1 : 2, t, e);
}

/* ---- what is kept */

static void path_of(const char *digest, char out[DIGEST_TEXT + 32])
{
	snprintf(out, DIGEST_TEXT + 32, "images/signatures/%s.json", digest_hex(digest));
}

static void add_text(struct json *to, const char *key, const char *data, size_t len)
{
	own(buf) struct buf b = BUF(RECORD_MAX);
	base64_encode(data, len, &b);
	json_set_str(to, key, buf_text(&b));
}

/* Those of images that are gone. */
static void sweep(struct engine *g)
{
	own(strv) struct strv names = {};
	struct err ignored = {};
	if (path_list(g->root, "images/signatures", &names, &ignored) < 0)
		return;
	for (size_t i = 0; i < names.n; i++) {
		own(mem) char *path = mem_printf("images/signatures/%s", names.v[i]);
		size_t n = strcspn(names.v[i], ".");
		own(mem) char *digest = mem_printf("%s:%.*s", n == 128 ? "sha512" : "sha256", (int)n, names.v[i]);
		if (!digest_is_valid(digest) || !store_has_blob(&g->store, digest))
			unlinkat(g->root, path, 0);
	}
}

static size_t length_of(const struct json *s)
{
	const char *payload = json_get_str(s, "payload"), *signature = json_get_str(s, "signature");
	return (payload ? strlen(payload) : 0) + (signature ? strlen(signature) : 0);
}

/* Those that are not there yet, as far as there is room. */
static void add_kept(struct json *to, struct json *kept)
{
	size_t bytes = 0;
	for (size_t i = 0; i < json_len(to); i++)
		bytes += length_of(json_at(to, i));
	for (size_t i = 0; i < json_len(kept) && json_len(to) < FOUND_MAX; i++) {
		struct json *s = json_at(kept, i);
		bytes += length_of(s);
		bool is_new = bytes < KEPT_BYTES;
		for (size_t k = 0; k < json_len(to) && is_new; k++)
			is_new = !str_eq(json_get_str(json_at(to, k), "payload"), json_get_str(s, "payload")) ||
				!str_eq(json_get_str(json_at(to, k), "signature"), json_get_str(s, "signature"));
		if (is_new)
			json_add(to, json_ref(s));
	}
}

/* lists: of each kind, what the image was let in by, and then what else was found. What it was let in by before, or under another name, comes
 * between them: two registries may have it, each with signatures of its own, and any number of others. */
static int write_kept(struct engine *g, const char *manifest, struct json *lists[SIGNED_KINDS][2], struct err *e)
{
	static const char *const keys[SIGNED_KINDS] = {[SIGNED_SIGSTORE] = "signatures", [SIGNED_GPG] = "messages"};
	own(json) struct json *j = json_new_object(), *old = NULL;
	own(buf) struct buf text = BUF(RECORD_MAX);
	char path[DIGEST_TEXT + 32];
	struct err ignored = {};
	path_of(manifest, path);
	(void)!json_read(g->root, path, RECORD_MAX, &old, &ignored);
	json_set_str(j, "digest", manifest);
	for (size_t kind = 0; kind < SIGNED_KINDS; kind++) {
		add_kept(lists[kind][0], json_get(old, keys[kind]));
		add_kept(lists[kind][0], lists[kind][1]);
		json_set(j, keys[kind], json_ref(lists[kind][0]));
	}
	json_format(j, 0, &text);
	if (buf_check(&text, e) < 0 || path_mkdirs(g->root, "images/signatures", 0700, e) < 0 ||
		path_write(g->root, path, buf_text(&text), text.len, 0600, PATH_SYNC, e) < 0)
		return err_wrap(e, "signatures");
	sweep(g);
	return 0;
}

int trust_keep(struct engine *g, const struct pull *p, const struct trust *t, struct err *e)
{
	if (!t->is_signed)
		return 0;
	struct json *lists[SIGNED_KINDS][2];
	for (size_t kind = 0; kind < SIGNED_KINDS; kind++) {
		lists[kind][0] = json_new_array();
		lists[kind][1] = json_new_array();
		for (size_t i = 0; i < t->found[kind].n; i++) {
			const struct signed_payload *f = &t->found[kind].v[i];
			struct json *s = json_new_object();
			add_text(s, "payload", f->payload, f->payload_len);
			if (kind == SIGNED_SIGSTORE)
				add_text(s, "signature", f->signature, f->signature_len);
			json_add(lists[kind][f->counts ? 0 : 1], s);
		}
	}
	int r = store_lock(&g->store, e);
	if (r == 0) {
		r = write_kept(g, p->record.manifest, lists, e);
		store_unlock(&g->store);
	}
	for (size_t kind = 0; kind < SIGNED_KINDS; kind++) {
		json_drop(&lists[kind][0]);
		json_drop(&lists[kind][1]);
	}
	return r;
}

void trust_forget(struct engine *g, const char *manifest)
{
	char path[DIGEST_TEXT + 32];
	if (str_is_empty(manifest) || !digest_is_valid(manifest))
		return;
	path_of(manifest, path);
	unlinkat(g->root, path, 0);
}

struct kept { struct engine *g; const char *manifest; struct arena arena; };

static bool take_text(struct arena *a, const struct json *s, const char *key, char **ret, size_t *ret_len)
{
	own(buf) struct buf b = BUF(RECORD_MAX);
	struct err ignored = {};
	const char *text = json_get_str(s, key);
	if (!text || base64_decode(text, &b, &ignored) < 0)
		return false;
	*ret = arena_ndup(a, buf_text(&b), b.len);
	*ret_len = b.len;
	return true;
}

static int find_kept(void *arg, enum signed_kind kind, struct signed_payloads *ret, struct err *e unused)
{
	struct kept *k = arg;
	own(json) struct json *j = NULL;
	struct err ignored = {};
	char path[DIGEST_TEXT + 32];
	path_of(k->manifest, path);
	if (json_read(k->g->root, path, RECORD_MAX, &j, &ignored) < 0)
		return 0;
	const struct json *list = json_get(j, kind == SIGNED_GPG ? "messages" : "signatures");
	for (size_t i = 0; i < json_len(list) && i < FOUND_MAX; i++) {
		struct signed_payload s = {};
		if (take_text(&k->arena, json_at(list, i), "payload", &s.payload, &s.payload_len) &&
			(kind == SIGNED_GPG || take_text(&k->arena, json_at(list, i), "signature", &s.signature, &s.signature_len)))
			*arena_push(&k->arena, ret) = s;
	}
	return 0;
}

/* A signature may be of the index that the image came with: then that index must be here and name the manifest. */
static bool index_has(struct engine *g, const char *index, const char *manifest)
{
	own(buf) struct buf text = {};
	own(json) struct json *j = NULL;
	struct err ignored = {};
	if (store_get_blob(&g->store, index, RECORD_MAX, &text, &ignored) < 0 || json_parse(buf_text(&text), text.len, &j, &ignored) < 0)
		return false;
	const struct json *list = json_get(j, "manifests");
	for (size_t i = 0; i < json_len(list); i++)
		if (str_eq(json_get_str(json_at(list, i), "digest"), manifest))
			return true;
	return false;
}

static int check_name(struct engine *g, const struct policy *policy, const char *name, const struct image *image, struct err *e)
{
	struct kept k = {.g = g, .manifest = image->record.manifest};
	const char *digests[64];
	size_t n = 0;
	struct ref ref;
	bool is_signed;
	if (ref_parse(name, &ref, e) < 0)
		return -1;
	digests[n++] = image->record.manifest;
	for (size_t i = 0; i < image->record.digests.n && n < countof(digests); i++) {
		const char *at = strchr(image->record.digests.v[i], '@');
		if (at && index_has(g, at + 1, image->record.manifest))
			digests[n++] = at + 1;
	}
	int r = policy_check(policy, &ref, digests, n, find_kept, &k, &is_signed, e);
	arena_drop(&k.arena);
	return r < 0 ? err_wrap(e, "image %.200s", name) : 0;
}

bool trust_is_own(const struct image_record *r)
{
	for (size_t i = 0; i < r->digests.n; i++)
		if (!strv_has(&r->pushed, r->digests.v[i]))
			return false;
	return true;
}

int trust_start(struct engine *g, const char *reference, const struct image *image, struct err *e)
{
	own(policy) struct policy policy = {};
	const struct image_record *r = &image->record;
	struct ref ref;
	struct err last = {};
	char whole[REF_TEXT];
	if (policy_load(&policy, e) < 0)
		return -1;
	/* What was built or loaded here came by another door, or is the user's own. */
	if (!policy.document || trust_is_own(r) || str_is_empty(r->manifest))
		return 0;
	struct err none = {};
	if (ref_parse(reference, &ref, &none) == 0 && (*ref.digest || strv_has(&r->names, ref_format(&ref, whole))))
		return check_name(g, &policy, ref_format(&ref, whole), image, e);
	/* By its id, or a short name: as any of its names. */
	for (size_t i = 0; i < r->names.n + r->digests.n; i++) {
		const char *name = i < r->names.n ? r->names.v[i] : r->digests.v[i - r->names.n];
		if (check_name(g, &policy, name, image, &last) == 0)
			return 0;
	}
	*e = last;
	return -1;
}

static int find_nothing(void *arg unused, enum signed_kind kind unused, struct signed_payloads *ret unused, struct err *e unused)
{
	return 0;
}

int trust_launch(struct engine *g, const char *image_id, const char *reference, struct err *e)
{
	own(policy) struct policy policy = {};
	own(image) struct image image = {};
	struct ref ref;
	bool is_signed;
	struct err why = {};
	if (policy_load(&policy, e) < 0)
		return -1;
	if (!policy.document || str_is_empty(image_id))
		return 0;
	if (engine_need_store(g, e) < 0)
		return -1;
	if (store_find(&g->store, image_id, &image, &why) == 0)
		return trust_start(g, reference, &image, e);
	if (why.kind != ERR_NOT_FOUND)
		return *e = why, -1;
	if (ref_parse(reference, &ref, &why) < 0 && ref_parse("unknown", &ref, e) < 0)
		return -1;
	return policy_check(&policy, &ref, NULL, 0, find_nothing, NULL, &is_signed, e) < 0 ? err_wrap(e, "image %.200s", reference) : 0;
}

/* "/dir:tag", "/dir", "/" … */
int trust_archive(const char *transport, const char *path, const char *name, struct err *e)
{
	own(policy) struct policy policy = {};
	own(mem) char *whole = path ? realpath(path, NULL) : NULL;
	if (policy_load(&policy, e) < 0)
		return -1;
	if (policy_check_path(&policy, transport, whole ? whole : "", name, e) < 0)
		return err_wrap(e, "%s%s%.200s", transport, path ? ":" : "", path ? path : "");
	return 0;
}

/* ---- docker's and podman's images */

/* Behind the store it is in, where there is one: "[overlay@/var/x]docker.io/library/y:1" …, "[overlay@/var/x]", "[/var/x]". */
static void scopes_in(const char *store, const struct ref *ref, struct strv *ret)
{
	own(strv) struct strv names = {};
	if (ref)
		ref_scopes(ref, &names);
	for (size_t i = 0; i < names.n; i++)
		strv_add_take(ret, mem_printf("%s%s", store, names.v[i]));
	if (*store) {
		strv_add(ret, store);
		strv_add_take(ret, mem_printf("[%s", strchr(store, '@') + 1));
	}
}

static int check_reading(const struct policy *p, const char *transport, const char *store, const struct ref *ref, struct err *e)
{
	own(strv) struct strv scopes = {};
	scopes_in(store, ref, &scopes);
	return policy_check_scopes(p, transport, &scopes, e);
}

/* What may be an id has no name as well, and podman has what it built under localhost first: each reading must be allowed. */
static int check_named(const struct policy *p, const char *transport, const char *store, const char *name, struct err *e)
{
	struct ref ref;
	struct err why = {};
	bool is_name = !str_has_prefix(name, "sha256:") && ref_parse(name, &ref, &why) == 0;
	if ((!is_name || ref_is_id(name)) && check_reading(p, transport, store, NULL, e) < 0)
		return -1;
	if (!is_name)
		return 0;
	if (check_reading(p, transport, store, &ref, e) < 0)
		return -1;
	own(mem) char *local = mem_printf("localhost/%s", name);
	bool is_short = strcmp(ref.registry, "docker.io") == 0 && !str_has_prefix(name, "docker.io/") && !str_has_prefix(name, "index.docker.io/");
	return *store && is_short && ref_parse(local, &ref, &why) == 0 ? check_reading(p, transport, store, &ref, e) : 0;
}

int trust_place(struct engine *g, const struct place *from, struct err *e)
{
	own(policy) struct policy policy = {};
	own(mem) char *transport = transport_word(from->transport), *store = NULL;
	if (policy_load(&policy, e) < 0)
		return -1;
	if (from->transport == TRANSPORT_PODMAN && json_has(json_get(policy.document, "transports"), transport) && transport_podman_store(g, &store, e) < 0)
		return -1;
	return check_named(&policy, transport, store ? store : "", from->name, e) < 0 ? err_wrap(e, "%s:%.200s", transport, from->name) : 0;
}
