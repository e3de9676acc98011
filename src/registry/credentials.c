/* SPDX-License-Identifier: Apache-2.0 */
/*
 * credentials: docker's order: a helper for this registry, else the store for all, else the file's own auths. Keys of auths may be URLs, of which
 * only the host counts, or what podman keeps logins to a part of a registry under: host/namespace, host/namespace/repository. Docker Hub goes by the
 * name https://index.docker.io/v1/.
 */
#include "registry/credentials.h"

#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "codec/json.h"
#include "image/docker_credential.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FILE_MAX = 1 << 20, ANSWER_MAX = 65536 };

void credentials_drop(struct credentials *c)
{
	mem_drop(&c->user);
	mem_drop(&c->password);
	mem_drop(&c->identity_token);
	mem_drop(&c->note);
}

static const struct json *value_of(const struct json *object, const char *registry)
{
	struct json_iter it = {};
	const struct json *exact = json_get(object, docker_credential_key(registry));
	if (exact)
		return exact;
	while (json_next(object, &it))
		if (docker_credential_is_key(it.key, registry))
			return it.value;
	return NULL;
}

/* "host/a/b", "host/a", and then the whole of it. */
static const struct json *auth_of(const struct json *auths, const char *registry, const char *repository)
{
	own(mem) char *key = mem_printf("%s/%s", registry, repository);
	for (char *slash; (slash = strrchr(key, '/')); *slash = 0)
		if (slash[1] && json_get(auths, key))
			return json_get(auths, key);
	return value_of(auths, registry);
}

static int base64(const char *text, struct buf *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned bits = 0, have = 0;
	size_t n = strcspn(text, "=");
	if (strlen(text) % 4 == 1 || strspn(text + n, "=") != strlen(text + n))
		return -1;
	for (size_t i = 0; i < n; i++) {
		const char *at = strchr(digits, text[i]);
		if (!at)
			return -1;
		bits = bits << 6 | (unsigned)(at - digits);
		have += 6;
		if (have >= 8) {
			have -= 8;
			buf_char(out, (char)(bits >> have & 0xff));
		}
	}
	return 0;
}

static int from_auth(const struct json *j, const char *file, const char *registry, struct credentials *c, struct err *e)
{
	const char *auth = json_get_str(j, "auth"), *token = json_get_str(j, "identitytoken");
	own(buf) struct buf plain = BUF(ANSWER_MAX);
	if (!str_is_empty(auth)) {
		char *colon = base64(auth, &plain) < 0 || !plain.len || memchr(plain.data, 0, plain.len) ? NULL : strchr(plain.data, ':');
		if (!colon)
			return err_set(e, ERR_USAGE, "%s: auth of %s must be base64 of user:password", file, registry);
		*colon = 0;
		c->user = mem_dup(plain.data);
		c->password = mem_dup(colon + 1);
	} else {
		c->user = mem_dup(json_get_str(j, "username"));
		c->password = mem_dup(json_get_str(j, "password"));
	}
	if (!str_is_empty(token))
		c->identity_token = mem_dup(token);
	if (!str_is_empty(json_get_str(j, "registrytoken")))
		c->note = mem_dup("a registrytoken is not supported");
	if (str_is_empty(c->user) || !c->password) {
		mem_drop(&c->user);
		mem_drop(&c->password);
	}
	return 0;
}

static void from_helper(const char *name, const char *registry, struct credentials *c)
{
	own(buf) struct buf answer = BUF(ANSWER_MAX);
	own(json) struct json *j = NULL;
	own(mem) char *program = mem_printf("docker-credential-%s", name);
	struct err why = {};
	int status = 0;
	if (!path_is_name(program)) {
		c->note = mem_printf("the credential helper \"%.60s\" is not a name", name);
		return;
	}
	if (docker_credential_ask(program, "get", docker_credential_key(registry), &answer, &status, &why) < 0) {
		c->note = mem_dup(why.text);
		return;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
		c->note = mem_printf("%s: not found in PATH", program);
	} else if (status != 0) {
		/* "credentials not found" is an answer, not a fault. */
		if (!strstr(buf_text(&answer), "not found"))
			c->note = mem_printf("%s failed", program);
	} else if (json_parse(buf_text(&answer), answer.len, &j, &why) < 0 || !json_get_str(j, "Secret")) {
		c->note = mem_printf("%s gave no usable answer", program);
	} else if (str_eq(json_get_str(j, "Username"), "<token>")) {
		c->identity_token = mem_dup(json_get_str(j, "Secret"));
	} else if (!str_is_empty(json_get_str(j, "Username"))) {
		c->user = mem_dup(json_get_str(j, "Username"));
		c->password = mem_dup(json_get_str(j, "Secret"));
	}
}

/* 1: it was found; 0: it is not there, c->note may say why. */
static int from_file(const char *file, const char *registry, const char *repository, struct credentials *c, struct err *e)
{
	own(json) struct json *j = NULL;
	struct err why = {};
	if (json_read(AT_FDCWD, file, FILE_MAX, &j, &why) < 0)
		return why.sys == ENOENT || why.sys == ENOTDIR ? 0 : (*e = why, -1);
	const char *helper = json_str(value_of(json_get(j, "credHelpers"), registry));
	if (str_is_empty(helper))
		helper = json_get_str(j, "credsStore");
	if (!str_is_empty(helper)) {
		mem_drop(&c->note);
		from_helper(helper, registry, c);
		return c->user || c->identity_token;
	}
	const struct json *auth = auth_of(json_get(j, "auths"), registry, repository);
	if (auth)
		mem_drop(&c->note);
	if (auth && from_auth(auth, file, registry, c, e) < 0)
		return -1;
	return c->user || c->identity_token;
}

int credentials_load(const char *dir, const char *registry, const char *repository, struct credentials *ret, struct err *e)
{
	own(credentials) struct credentials c = {};
	own(strv) struct strv files = {};
	const char *runtime = getenv("XDG_RUNTIME_DIR"), *given = getenv("REGISTRY_AUTH_FILE"), *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	if (!str_is_empty(dir))
		strv_add_take(&files, path_join(dir, "config.json"));
	if (!str_is_empty(given)) {
		strv_add(&files, given);
	} else {
		if (!str_is_empty(runtime))
			strv_add_take(&files, path_join(runtime, "containers/auth.json"));
		strv_add_take(&files, mem_printf("/run/containers/%u/auth.json", (unsigned)getuid()));
		if (!str_is_empty(config))
			strv_add_take(&files, path_join(config, "containers/auth.json"));
		else if (!str_is_empty(home))
			strv_add_take(&files, path_join(home, ".config/containers/auth.json"));
	}
	int r = 0;
	for (size_t i = 0; i < files.n && r == 0; i++)
		r = from_file(files.v[i], registry, repository, &c, e);
	if (r < 0)
		return -1;
	*ret = c;
	c = (struct credentials){};
	return 0;
}
