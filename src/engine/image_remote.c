/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image_remote: see image_remote.h. Of docker's own daemon.json (HULL_DOCKER_JSON, else /etc/docker/daemon.json, unless HULL_CONFIG names
 * the settings) registry-mirrors and insecure-registries count beside those of the settings.
 */
#include "engine/image_remote.h"

#include "base/mem.h"
#include "image/docker_credential.h"
#include "image/remote_manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum { DOCKER_JSON_MAX = 1 << 20 };

/* For the life of the process. */
static struct {
	struct registries registries;
	struct strv insecure, mirrors;
	char *program, *config_dir;
	bool ready;
} known;

const char *image_remote_config_dir(void)
{
	const char *given = getenv("DOCKER_CONFIG"), *home = getenv("HOME");
	if (!known.config_dir)
		known.config_dir = !str_is_empty(given) ? mem_dup(given) : mem_printf("%s/.docker", home ? home : "/root");
	return known.config_dir;
}

static void add(struct strv *to, const struct json *list)
{
	for (size_t i = 0; i < json_len(list); i++)
		if (!str_is_empty(json_str(json_at(list, i))) && !strv_has(to, json_str(json_at(list, i))))
			strv_add(to, json_str(json_at(list, i)));
}

static int read_docker(struct err *e)
{
	const char *given = getenv("HULL_DOCKER_JSON");
	own(json) struct json *j = NULL;
	struct err why = {};
	if (str_is_empty(given) && !str_is_empty(getenv("HULL_CONFIG")))
		return 0;
	if (json_read(AT_FDCWD, str_is_empty(given) ? "/etc/docker/daemon.json" : given, DOCKER_JSON_MAX, &j, &why) < 0) {
		if (why.sys == ENOENT || why.sys == ENOTDIR || why.sys == EACCES)
			return 0;
		*e = why;
		return -1;
	}
	add(&known.insecure, json_get(j, "insecure-registries"));
	add(&known.mirrors, json_get(j, "registry-mirrors"));
	return 0;
}

static int get_ready(struct engine *g, struct err *e)
{
	const struct settings *s = engine_settings(g, e);
	if (known.ready)
		return 0;
	if (!s)
		return -1;
	for (size_t i = 0; i < s->insecure_registries.n; i++)
		strv_add(&known.insecure, s->insecure_registries.v[i]);
	for (size_t i = 0; i < s->registry_mirrors.n; i++)
		strv_add(&known.mirrors, s->registry_mirrors.v[i]);
	if (read_docker(e) < 0 || registries_load(&known.mirrors, &known.registries, e) < 0)
		return -1;
	known.program = engine_libexec(g, "hull-registry");
	if (!known.program)
		return err_set(e, ERR_NOT_FOUND, "hull-registry is not installed in %s", HULL_LIBEXECDIR);
	known.ready = true;
	return 0;
}

const struct registries *image_remote_registries(struct engine *g, struct err *e)
{
	return get_ready(g, e) < 0 ? NULL : &known.registries;
}

int image_remote_options(struct engine *g, struct pull_options *ret, struct err *e)
{
	const struct settings *s = engine_settings(g, e);
	if (!s || get_ready(g, e) < 0)
		return -1;
	/* strv is NULL-terminated as soon as it is not empty */
	*ret = (struct pull_options){.program = known.program, .config_dir = image_remote_config_dir(),
		.platform = str_is_empty(s->platform) ? NULL : s->platform, .insecure = known.insecure.n ? (const char *const *)known.insecure.v : NULL,
		.uploads = s->concurrent_uploads > 0 ? (unsigned)s->concurrent_uploads : 0};
	return 0;
}

void image_remote_login(struct engine *g, const char *registry, struct pull_options *o)
{
	for (size_t i = 0; i < g->logins.n; i++) {
		const struct engine_login *l = &g->logins.v[i];
		if (docker_credential_is_key(l->registry, registry)) {
			o->user = l->user;
			o->password = l->password;
			o->token = l->token;
			return;
		}
	}
}

int image_remote_options_at(struct engine *g, const struct endpoint *at, struct arena *a, struct pull_options *ret, struct err *e)
{
	struct strv insecure = {};
	if (image_remote_options(g, ret, e) < 0)
		return -1;
	image_remote_login(g, at->registry, ret);
	ret->at_registry = at->registry;
	ret->at_repository = at->repository;
	ret->ns = at->ns;
	/* There is another place to ask. */
	if (at->mirror)
		ret->retries = 1;
	if (!at->insecure)
		return 0;
	for (size_t i = 0; i < known.insecure.n; i++)
		arena_strv_add(a, &insecure, known.insecure.v[i]);
	arena_strv_add(a, &insecure, at->registry);
	ret->insecure = (const char *const *)insecure.v;
	return 0;
}

int image_remote_open(struct engine *g, const char *reference, const char *scope, struct pull *ret, struct err *e)
{
	own(arena) struct arena a = {};
	struct endpoints places = {};
	struct pull_options o;
	struct ref ref;
	const struct registries *r = image_remote_registries(g, e);
	if (!r || ref_parse(reference, &ref, e) < 0 || registries_resolve(r, &ref, false, &a, &places, e) < 0 ||
		image_remote_options_at(g, &places.v[0], &a, &o, e) < 0)
		return -1;
	/* Elsewhere the repositories have other names: the registry says which. */
	bool same = strcmp(places.v[0].registry, ref.registry) == 0 && strcmp(places.v[0].repository, ref.repository) == 0;
	o.scope = same ? scope : NULL;
	return pull_open(ret, reference, &o, e);
}

bool image_remote_may_be_elsewhere(const struct err *e)
{
	return !e->sys && (e->kind == ERR_NOT_FOUND || e->kind == ERR_DENIED || e->kind == ERR_REMOTE || e->kind == ERR_TIMEOUT || e->kind == ERR_LIMIT ||
		e->kind == ERR_CORRUPT);
}

int image_remote_open_at(struct engine *g, const char *reference, const char *scope, size_t at, struct pull *ret, struct err *e)
{
	own(arena) struct arena a = {};
	struct endpoints places = {};
	struct pull_options o;
	struct ref ref;
	const struct registries *r = image_remote_registries(g, e);
	if (!r || ref_parse(reference, &ref, e) < 0 || registries_resolve(r, &ref, true, &a, &places, e) < 0)
		return -1;
	if (at >= places.n)
		return 0;
	if (image_remote_options_at(g, &places.v[at], &a, &o, e) < 0)
		return -1;
	bool same = strcmp(places.v[at].registry, ref.registry) == 0 && strcmp(places.v[at].repository, ref.repository) == 0;
	o.scope = same ? scope : NULL;
	return pull_open(ret, reference, &o, e) < 0 ? -1 : 1;
}

int image_remote_manifest(struct engine *g, const char *reference, const char *scope, struct pull *ret, size_t *ret_at, struct buf *text, char **ret_type,
	char digest[136], struct err *e)
{
	struct ref ref;
	if (ref_parse(reference, &ref, e) < 0)
		return -1;
	for (size_t at = 0;; at++) {
		struct pull p = {.sock = -1, .pid = -1};
		struct err why = {};
		int r = image_remote_open_at(g, reference, scope, at, &p, &why);
		if (r < 0)
			return *e = why, -1;
		if (r == 0)
			return -1; /* as the last place said */
		if (remote_manifest_get(&p, *ref.digest ? ref.digest : ref.tag, text, ret_type, digest, e) == 0)
			return *ret = p, *ret_at = at, 0;
		pull_drop(&p);
		if (!image_remote_may_be_elsewhere(e))
			return -1;
		buf_reset(text);
		mem_drop(ret_type);
	}
}
