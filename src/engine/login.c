/* SPDX-License-Identifier: Apache-2.0 */
/*
 * login: see login.h.
 */
#include "engine/login.h"

#include "engine/image_remote.h"
#include "image/docker_config.h"
#include "image/push.h"
#include "image/search.h"

#include <string.h>

#define HUB_INDEX "index.docker.io"

int login_server(const char *text, char **ret, struct err *e)
{
	struct ref ref;
	struct err ignored = {};
	const char *rest = str_after(text, "https://");
	if (!rest)
		rest = str_after(text, "http://");
	rest = rest ? rest : text;
	own(mem) char *host = mem_ndup(rest, strcspn(rest, "/"));
	if (!*host || strcmp(host, HUB_INDEX) == 0 || strcmp(host, "registry-1.docker.io") == 0 || strcmp(host, "docker.io") == 0) {
		*ret = mem_dup("docker.io");
		return 0;
	}
	/* A name without a dot or a port would be the first part of a repository at docker.io. */
	own(mem) char *name = mem_printf("%s/x", host);
	if (ref_parse(name, &ref, &ignored) < 0 || strcmp(ref.registry, host) != 0)
		return err_set(e, ERR_USAGE, "\"%.200s\" is not a registry: a host name with a dot or a port, or localhost", text);
	*ret = take(host);
	return 0;
}

int login_try(struct engine *g, const char *server, const char *user, const char *password, struct err *e)
{
	struct pull_options o;
	struct pull p = {};
	own(mem) char *name = mem_printf("%s/%s", server, strcmp(server, "docker.io") == 0 ? "library/x" : "x");
	if (!*user || strchr(user, ':'))
		return err_set(e, ERR_USAGE, "login: a user name is not empty and has no colon");
	if (image_remote_options(g, &o, e) < 0)
		return -1;
	o.scope = "";
	o.user = user;
	o.password = password;
	if (pull_open(&p, name, &o, e) < 0)
		return -1;
	int r = push_send(&p, "GET", "/v2/", NULL, NULL, e);
	pull_drop(&p);
	if (r < 0 && e->kind == ERR_DENIED)
		return err_set(e, ERR_DENIED, "login at %s: it does not accept this user and password", server);
	if (r < 0 && e->kind == ERR_NOT_FOUND)
		return err_set(e, ERR_NOT_FOUND, "login at %s: there is no registry (it has no /v2/)", server);
	return r < 0 ? err_wrap(e, "login at %s", server) : 0;
}

int login(struct engine *g, const char *server, const char *user, const char *password, char **ret_where, bool *ret_plain, struct err *e)
{
	if (login_try(g, server, user, password, e) < 0)
		return -1;
	return docker_config_login(image_remote_config_dir(), server, user, password, ret_where, ret_plain, e);
}

int logout(const char *server, bool *ret_was, struct err *e)
{
	return docker_config_logout(image_remote_config_dir(), server, ret_was, e);
}

struct json *search(struct engine *g, const char *term, unsigned max, struct err *e)
{
	own(json) struct json *list = json_new_array();
	struct pull_options o;
	struct pull p = {};
	struct ref ref;
	const char *slash = strchr(term, '/');
	own(mem) char *host = slash ? mem_ndup(term, (size_t)(slash - term)) : mem_dup("");
	own(mem) char *server = NULL;
	struct err ignored = {};
	/* "library/x" is a word, "host:5000/x" a registry and a word. */
	bool hub = !slash || login_server(host, &server, &ignored) < 0 || strcmp(server, "docker.io") == 0;
	own(mem) char *name = mem_printf("%s/library/x", hub ? "docker.io" : server);
	if (image_remote_options(g, &o, e) < 0 || ref_parse(name, &ref, e) < 0)
		return NULL;
	image_remote_login(g, hub ? "docker.io" : server, &o);
	if (hub)
		o.host = HUB_INDEX;
	o.scope = hub ? "" : "registry:catalog:*";
	if (pull_open(&p, name, &o, e) < 0)
		return NULL;
	int r = search_remote(&p, server ? slash + 1 : term, max, list, e);
	pull_drop(&p);
	if (r < 0) {
		err_wrap_(e, "search");
		return NULL;
	}
	return take(list);
}

int search_tags(struct engine *g, const char *repository, struct strv *ret, struct err *e)
{
	struct pull p = {};
	if (image_remote_open(g, repository, NULL, &p, e) < 0)
		return -1;
	int r = pull_tags(&p, ret, e);
	pull_drop(&p);
	return r;
}
