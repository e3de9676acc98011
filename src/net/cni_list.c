/* SPDX-License-Identifier: Apache-2.0 */
/* cni_list: see cni_list.h. */
#include "net/cni_list.h"

#include "base/path.h"
#include "codec/digest.h"
#include "net/cni.h"

#include <errno.h>
#include <fcntl.h>

enum { LIST_MAX = 1 << 20 };
static const char preset_dir[] = "/etc/cni/net.d";

static bool is_version(const char *s)
{
	static const char *const known[] = {"0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"};
	for (size_t i = 0; i < countof(known); i++)
		if (str_eq(known[i], s))
			return true;
	return false;
}

static int check_plugins(const struct json *list, const char *path, struct err *e)
{
	const struct json *plugins = json_get(list, "plugins");
	for (size_t i = 0; i < json_len(plugins); i++) {
		const char *type = json_get_str(json_at(plugins, i), "type");
		if (str_is_empty(type) || strchr(type, '/') || *type == '.')
			return err_set(e, ERR_USAGE, "%s: plugin %zu has no \"type\" that is the name of a program", path, i + 1);
	}
	return json_kind(plugins) == JSON_ARRAY && json_len(plugins) ? 0 : err_set(e, ERR_USAGE, "%s: the list has no \"plugins\"", path);
}

static struct json *list_of_one(struct json *plugin)
{
	struct json *j = json_new_object(), *plugins = json_new_array();
	json_set_str(j, "cniVersion", json_get_str(plugin, "cniVersion"));
	json_set_str(j, "name", json_get_str(plugin, "name"));
	json_add(plugins, json_ref(plugin));
	json_set(j, "plugins", plugins);
	return j;
}

int cni_list_read(const char *path, struct json **ret, struct err *e)
{
	own(json) struct json *j = NULL;
	if (json_read(AT_FDCWD, path, LIST_MAX, &j, e) < 0)
		return e->sys == ENOENT ? err_set(e, ERR_NOT_FOUND, "there is no list of CNI plugins %s", path) : -1;
	own(json) struct json *list = json_kind(j) == JSON_OBJECT && !json_has(j, "plugins") && json_has(j, "type") ? list_of_one(j) : json_ref(j);
	const char *name = json_get_str(list, "name"), *version = json_get_str(list, "cniVersion");
	if (str_is_empty(name) || !network_name_is_valid(name))
		return err_set(e, ERR_USAGE, "%s: the list has no \"name\", or one with other letters than [a-zA-Z0-9_.-]", path);
	if (!is_version(version))
		return err_set(e, ERR_USAGE, "%s: cniVersion \"%.20s\" is not known: 0.3.0, 0.3.1, 0.4.0, 1.0.0 and 1.1.0 are", path, version ? version : "");
	if (check_plugins(list, path, e) < 0)
		return -1;
	*ret = take(list);
	return 0;
}

bool cni_list_has(const struct json *list, const char *capability)
{
	const struct json *plugins = json_get(list, "plugins");
	for (size_t i = 0; i < json_len(plugins); i++)
		if (json_truth(json_get(json_get(json_at(plugins, i), "capabilities"), capability)))
			return true;
	return false;
}

struct json *cni_list_copy(const struct json *j)
{
	own(buf) struct buf text = BUF(LIST_MAX * 4);
	struct json *copy = NULL;
	struct err ignored = {};
	json_format(j, 0, &text);
	return json_parse(buf_text(&text), text.len, &copy, &ignored) == 0 ? copy : NULL;
}

int cni_check_list(const char *path, struct err *e)
{
	own(json) struct json *j = NULL;
	if (*path != '/')
		return err_set(e, ERR_USAGE, "the option conflist is the whole path of a file, from / on");
	return cni_list_read(path, &j, e);
}

bool cni_is(const struct network *w)
{
	return str_eq(w->driver, "cni");
}

bool cni_publishes(const struct network *w)
{
	own(json) struct json *j = NULL;
	struct err ignored = {};
	const char *path = network_option(w, "conflist", NULL);
	return path && cni_list_read(path, &j, &ignored) == 0 && cni_list_has(j, "portMappings");
}

static const char *lists_dir(const struct networks *n)
{
	return n->cni.conf_dir ? n->cni.conf_dir : preset_dir;
}

/* Files of lists, in the order in which the first of a name counts. */
static void list_files(const struct networks *n, struct strv *ret)
{
	static const char *const suffixes[] = {".conflist", ".conf", ".json"};
	own(strv) struct strv all = {};
	struct err ignored = {};
	if (path_list(AT_FDCWD, lists_dir(n), &all, &ignored) < 0)
		return;
	strv_sort(&all);
	for (size_t i = 0; i < all.n; i++)
		for (size_t k = 0; k < countof(suffixes); k++)
			if (str_has_suffix(all.v[i], suffixes[k]))
				strv_add_take(ret, mem_printf("%s/%s", lists_dir(n), all.v[i]));
}

void cni_names(const struct networks *n, struct strv *ret)
{
	own(strv) struct strv files = {};
	list_files(n, &files);
	for (size_t i = 0; i < files.n; i++) {
		own(json) struct json *j = NULL;
		struct err bad = {};
		if (cni_list_read(files.v[i], &j, &bad) == 0 && !strv_has(ret, json_get_str(j, "name")))
			strv_add(ret, json_get_str(j, "name"));
	}
}

int cni_find(const struct networks *n, const char *name, struct arena *a, struct network *ret, struct err *e)
{
	own(strv) struct strv files = {};
	char id[DIGEST_TEXT];
	list_files(n, &files);
	for (size_t i = 0; i < files.n; i++) {
		own(json) struct json *j = NULL;
		struct err bad = {};
		if (cni_list_read(files.v[i], &j, &bad) < 0 || !str_eq(json_get_str(j, "name"), name))
			continue;
		own(mem) char *whole = mem_printf("cni %s", name);
		if (digest_of(whole, strlen(whole), id, e) < 0)
			return -1;
		*ret = (struct network){.name = arena_dup(a, name), .id = arena_dup(a, digest_hex(id)), .driver = arena_dup(a, "cni"), .ipv4 = true,
			.created = arena_dup(a, "0001-01-01T00:00:00Z")};
		map_set(a, &ret->options, "conflist", files.v[i]);
		return 0;
	}
	return err_set(e, ERR_NOT_FOUND, "network %.200s not found", name);
}
