/* SPDX-License-Identifier: Apache-2.0 */
/*
 * docker_config: see docker_config.h. Two that write at once wait for each other (a lock on the folder); docker itself does not know
 * of that lock, as it knows of none. A file that is a link to somewhere is replaced there.
 */
#include "image/docker_config.h"

#include "base/fd.h"
#include "base/path.h"
#include "codec/base64.h"
#include "codec/json.h"
#include "image/docker_credential.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>

enum { FILE_MAX = 1 << 20, ANSWER_MAX = 65536 };

struct config {
	int lock;
	char *path;      /* of the file itself */
	struct json *j;
	const char *key; /* of the registry */
	char *helper;    /* program, or NULL */
};

static void config_drop(struct config *c)
{
	fd_drop(&c->lock);
	mem_drop(&c->path);
	mem_drop(&c->helper);
	json_drop(&c->j);
}

static int load(const char *dir, const char *registry, struct config *ret, struct err *e)
{
	own(config) struct config c = {.lock = -1};
	struct err why = {};
	if (path_mkdirs(AT_FDCWD, dir, 0700, e) < 0)
		return err_wrap(e, "%s", dir);
	c.lock = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c.lock < 0 || flock(c.lock, LOCK_EX) < 0)
		return err_sys(e, "%s", dir);
	c.path = path_join(dir, "config.json");
	char *real = realpath(c.path, NULL);
	if (real) {
		mem_drop(&c.path);
		c.path = real;
	}
	if (json_read(AT_FDCWD, c.path, FILE_MAX, &c.j, &why) < 0 && why.sys != ENOENT) {
		*e = why;
		return -1;
	}
	if (c.j && json_kind(c.j) != JSON_OBJECT)
		return err_set(e, ERR_USAGE, "%s: must be a JSON object", c.path);
	if (!c.j)
		c.j = json_new_object();
	c.key = docker_credential_key(registry);
	const char *helper = json_get_str(json_get(c.j, "credHelpers"), c.key);
	if (!helper)
		helper = json_get_str(c.j, "credsStore");
	if (!str_is_empty(helper))
		c.helper = mem_printf("docker-credential-%s", helper);
	if (c.helper && !path_is_name(c.helper))
		return err_set(e, ERR_USAGE, "%s: the credential helper \"%.60s\" is not a name", c.path, helper);
	*ret = c;
	c = (struct config){.lock = -1};
	return 0;
}

static int save(const struct config *c, struct err *e)
{
	own(buf) struct buf text = BUF(FILE_MAX);
	json_format(c->j, 4, &text);
	buf_char(&text, '\n');
	if (buf_check(&text, e) < 0 || path_write(AT_FDCWD, c->path, buf_text(&text), text.len, 0600, PATH_SYNC, e) < 0)
		return err_wrap(e, "%s", c->path);
	return 0;
}

static struct json *auths(const struct config *c)
{
	if (json_kind(json_get(c->j, "auths")) != JSON_OBJECT)
		json_set(c->j, "auths", json_new_object());
	return json_get(c->j, "auths");
}

/* 1: done; 0: there was nothing, which may be. */
static int ask(const struct config *c, const char *verb, const char *question, bool may_miss, struct err *e)
{
	own(buf) struct buf answer = BUF(ANSWER_MAX);
	int status = 0;
	if (docker_credential_ask(c->helper, verb, question, &answer, &status, e) < 0)
		return -1;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return err_set(e, ERR_NOT_FOUND, "%s: not found in PATH", c->helper);
	if (status == 0)
		return 1;
	own(mem) char *text = mem_dup(buf_text(&answer));
	if (may_miss && (!*str_trim(text) || strstr(text, "not found")))
		return 0;
	str_harmless(text);
	return err_set(e, ERR_DENIED, "%s %s failed: %.200s", c->helper, verb, str_trim(text));
}

int docker_config_login(const char *dir, const char *registry, const char *user, const char *password, char **ret_where, bool *ret_plain,
	struct err *e)
{
	own(config) struct config c = {.lock = -1};
	struct json *entry = json_new_object();
	if (load(dir, registry, &c, e) < 0) {
		json_drop(&entry);
		return -1;
	}
	if (c.helper) {
		own(json) struct json *j = json_new_object();
		own(buf) struct buf question = {};
		json_set_str(j, "ServerURL", c.key);
		json_set_str(j, "Username", user);
		json_set_str(j, "Secret", password);
		json_format(j, 0, &question);
		if (ask(&c, "store", buf_text(&question), false, e) < 0) {
			json_drop(&entry);
			return -1;
		}
	} else {
		own(mem) char *pair = mem_printf("%s:%s", user, password);
		own(buf) struct buf text = {};
		base64_encode(pair, strlen(pair), &text);
		json_set_str(entry, "auth", buf_text(&text));
	}
	json_set(auths(&c), c.key, entry);
	if (save(&c, e) < 0)
		return -1;
	*ret_plain = !c.helper;
	*ret_where = c.helper ? take(c.helper) : take(c.path);
	return 0;
}

int docker_config_logout(const char *dir, const char *registry, bool *ret_was, struct err *e)
{
	own(config) struct config c = {.lock = -1};
	*ret_was = false;
	if (load(dir, registry, &c, e) < 0)
		return -1;
	int erased = c.helper ? ask(&c, "erase", c.key, true, e) : 0;
	if (erased < 0)
		return -1;
	*ret_was = erased == 1;
	/* All that would be taken for it the next time. */
	own(strv) struct strv keys = {};
	struct json_iter it = {};
	while (json_next(json_get(c.j, "auths"), &it))
		if (docker_credential_is_key(it.key, registry))
			strv_add(&keys, it.key);
	for (size_t i = 0; i < keys.n; i++)
		json_del(auths(&c), keys.v[i]);
	*ret_was = *ret_was || keys.n;
	return *ret_was ? save(&c, e) : 0;
}
