/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cni: what is kept of an endpoint is the whole truth for those who take it back: {"list", "interface", "netns", "inode", "runtime", "args",
 * "result"}. A namespace is told by its path, which is a process's; it is handed to plugins only as long as it is the one it was, so none
 * works in another's.
 */
#include "net/cni.h"

#include "base/fd.h"
#include "base/path.h"
#include "net/cni_list.h"
#include "sys/program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ANSWER = 1 << 20, KEPT = 4 << 20, PATIENCE = 60 };
static const char folder[] = "cni";

/* One endpoint. */
struct kept {
	char file[256];
	char container[65], network[65];
	struct json *j;
};

static bool split_name(const char *file, struct kept *k)
{
	int at = 0;
	snprintf(k->file, sizeof k->file, "%s/%s", folder, file);
	return sscanf(file, "%64[0-9a-f].%64[0-9a-f].%n", k->container, k->network, &at) == 2 && at && !strchr(file + at, '.');
}

static int save(const struct networks *n, const struct kept *k, struct err *e)
{
	own(buf) struct buf b = BUF(KEPT);
	json_format(k->j, 0, &b);
	if (buf_check(&b, e) < 0 || path_mkdirs(n->root, folder, 0700, e) < 0)
		return -1;
	return path_write(n->root, k->file, buf_text(&b), b.len, 0600, 0, e);
}

static int find_program(const struct networks *n, const char *type, char *ret, size_t room, char *all, size_t all_room, struct err *e)
{
	static char opt[] = "/opt/cni/bin", lib[] = "/usr/lib/cni", libexec[] = "/usr/libexec/cni";
	static char *preset[] = {opt, lib, libexec, NULL};
	const struct strv presets = {preset, countof(preset) - 1}, *dirs = n->cni.bin_dirs && n->cni.bin_dirs->n ? n->cni.bin_dirs : &presets;
	size_t at = 0;
	*ret = *all = 0;
	for (size_t i = 0; i < dirs->n; i++) {
		char path[4096];
		int len = snprintf(all + at, all_room - at, "%s%s", at ? ":" : "", dirs->v[i]);
		at += len > 0 && (size_t)len < all_room - at ? (size_t)len : 0;
		snprintf(path, sizeof path, "%s/%s", dirs->v[i], type);
		if (!*ret && access(path, X_OK) == 0)
			snprintf(ret, room, "%s", path);
	}
	return *ret ? 0 : err_set(e, ERR_NOT_FOUND, "CNI plugin %s is in none of %s", type, all);
}

/* {"code", "msg", "details"}, else what it said on standard error. */
static int refuse(const char *type, const struct buf *answer, const char *words, int status, struct err *e)
{
	own(json) struct json *j = NULL;
	struct err no = {};
	const char *text = json_parse(buf_text(answer), answer->len, &j, &no) == 0 ? json_get_str(j, "msg") : NULL, *details = json_get_str(j, "details");
	if (!str_is_empty(text))
		return err_set(e, ERR_SYSTEM, "CNI plugin %s: %.300s%s%.200s", type, text, str_is_empty(details) ? "" : ": ", details ? details : "");
	if (*words)
		return err_set(e, ERR_SYSTEM, "CNI plugin %s: status %d: %.*s", type, status, (int)strcspn(words, "\n"), words);
	return err_set(e, ERR_SYSTEM, "CNI plugin %s: status %d, without a word", type, status);
}

/* Its part of the list, as it wants it on standard input. */
static void make_input(const struct kept *k, const struct json *plugin, const struct json *before, struct buf *out)
{
	own(json) struct json *conf = cni_list_copy(plugin), *runtime = json_new_object();
	const struct json *list = json_get(k->j, "list"), *all = json_get(k->j, "runtime");
	struct json_iter it = {};
	json_set_str(conf, "name", json_get_str(list, "name"));
	json_set_str(conf, "cniVersion", json_get_str(list, "cniVersion"));
	while (json_next(json_get(plugin, "capabilities"), &it))
		if (json_truth(it.value) && json_get(all, it.key))
			json_set(runtime, it.key, json_ref(json_get(all, it.key)));
	json_del(conf, "capabilities");
	if (json_len(runtime))
		json_set(conf, "runtimeConfig", json_ref(runtime));
	if (before)
		json_set(conf, "prevResult", json_ref((struct json *)(uintptr_t)before));
	json_format(conf, 0, out);
}

/* The path, "" when it is not the same namespace any more. */
static const char *same_netns(const struct kept *k)
{
	const char *path = json_get_str(k->j, "netns");
	struct stat st;
	return path && stat(path, &st) == 0 && st.st_ino == json_u64(json_get(k->j, "inode")) ? path : "";
}

static int ask(const struct networks *n, const struct kept *k, const struct json *plugin, const char *command, const struct json *before,
	struct buf *answer, struct err *e)
{
	char program[4096], dirs[4096], words[PROGRAM_WORDS], lines[7][4200];
	char *env[countof(lines) + 1] = {};
	const char *type = json_get_str(plugin, "type"), *path = getenv("PATH");
	own(buf) struct buf input = BUF(KEPT);
	int status;
	if (find_program(n, type, program, sizeof program, dirs, sizeof dirs, e) < 0)
		return -1;
	make_input(k, plugin, before, &input);
	const char *values[countof(lines)][2] = {{"CNI_COMMAND", command}, {"CNI_CONTAINERID", k->container}, {"CNI_NETNS", same_netns(k)},
		{"CNI_IFNAME", json_get_str(k->j, "interface")}, {"CNI_PATH", dirs}, {"CNI_ARGS", json_get_str(k->j, "args")},
		{"PATH", path ? path : "/usr/sbin:/usr/bin:/sbin:/bin"}};
	for (size_t i = 0; i < countof(lines); i++) {
		snprintf(lines[i], sizeof lines[i], "%s=%s", values[i][0], values[i][1] ? values[i][1] : "");
		env[i] = lines[i];
	}
	const struct program p = {.path = program, .env = env, .input = buf_text(&input), .input_len = input.len,
		.seconds = n->cni.seconds > 0 ? n->cni.seconds : PATIENCE};
	if (buf_check(&input, e) < 0)
		return -1;
	if (program_run(&p, answer, words, &status, e) < 0)
		return err_wrap(e, "CNI plugin %s", type);
	return status ? refuse(type, answer, words, status, e) : 0;
}

static bool parse_cidr(const char *text, struct addr *a, unsigned *prefix)
{
	char one[ADDR_TEXT + 4];
	const char *slash = text ? strchr(text, '/') : NULL;
	if (!text || strlen(text) >= sizeof one)
		return false;
	snprintf(one, sizeof one, "%.*s", (int)(slash ? slash - text : (ssize_t)strlen(text)), text);
	if (!addr_parse(one, a))
		return false;
	*prefix = slash ? (unsigned)strtoul(slash + 1, NULL, 10) : a->len * 8U;
	return *prefix <= a->len * 8U;
}

static void take_words(struct arena *a, const struct json *list, struct strv *ret)
{
	for (size_t i = 0; i < json_len(list); i++) {
		const char *s = json_str(json_at(list, i));
		if (!str_is_empty(s) && !strpbrk(s, " \t\n") && ret->n < 16)
			arena_strv_add(a, ret, s);
	}
}

static int read_result(const struct json *j, const char *interface, struct arena *a, struct cni_result *ret, struct err *e)
{
	const struct json *ips = json_get(j, "ips"), *dns = json_get(j, "dns"), *interfaces = json_get(j, "interfaces");
	*ret = (struct cni_result){};
	for (size_t i = 0; i < json_len(ips); i++) {
		const struct json *row = json_at(ips, i);
		const char *gateway = json_get_str(row, "gateway"), *text = json_get_str(row, "address");
		struct addr at;
		unsigned prefix;
		if (!parse_cidr(text, &at, &prefix))
			return err_set(e, ERR_SYSTEM, "an answer with an address that is none: %.60s", text ? text : "");
		int f = at.len == 16;
		if (ret->ip[f].len)
			continue;
		ret->ip[f] = at;
		ret->prefix[f] = prefix;
		if (gateway && addr_parse(gateway, &at) && at.len == ret->ip[f].len)
			ret->gateway[f] = at;
	}
	for (size_t i = 0; i < json_len(interfaces); i++) {
		const struct json *row = json_at(interfaces, i);
		const char *mac = json_get_str(row, "mac");
		if (mac && !str_is_empty(json_get_str(row, "sandbox")) && str_eq(json_get_str(row, "name"), interface))
			mac_parse(mac, ret->mac);
	}
	take_words(a, json_get(dns, "nameservers"), &ret->servers);
	take_words(a, json_get(dns, "search"), &ret->searches);
	take_words(a, json_get(dns, "options"), &ret->options);
	return 0;
}

/* Backwards; a plugin that cannot does not keep the others from it. */
static int take_back(const struct networks *n, struct kept *k, struct err *e)
{
	const struct json *plugins = json_get(json_get(k->j, "list"), "plugins");
	int r = 0;
	for (size_t i = json_len(plugins); i-- > 0;) {
		own(buf) struct buf answer = BUF(ANSWER);
		struct err why = {};
		if (ask(n, k, json_at(plugins, i), "DEL", json_get(k->j, "result"), &answer, &why) < 0 && r == 0)
			r = (*e = why, -1);
	}
	if (r == 0 && unlinkat(n->root, k->file, 0) < 0 && errno != ENOENT)
		return err_sys(e, "%s", k->file);
	return r;
}

static int add_all(const struct networks *n, struct kept *k, const char *interface, struct arena *a, struct cni_result *ret, struct err *e)
{
	const struct json *plugins = json_get(json_get(k->j, "list"), "plugins");
	for (size_t i = 0; i < json_len(plugins); i++) {
		own(buf) struct buf answer = BUF(ANSWER);
		own(json) struct json *result = NULL;
		struct err no = {};
		const char *type = json_get_str(json_at(plugins, i), "type");
		if (ask(n, k, json_at(plugins, i), "ADD", json_get(k->j, "result"), &answer, e) < 0)
			return -1;
		if (json_parse(buf_text(&answer), answer.len, &result, &no) < 0 || json_kind(result) != JSON_OBJECT)
			return err_set(e, ERR_SYSTEM, "CNI plugin %s: its answer is no result: %.60s", type, answer.len ? buf_text(&answer) : "nothing");
		if (read_result(result, interface, a, ret, e) < 0)
			return err_wrap(e, "CNI plugin %s", type);
		json_set(k->j, "result", take(result));
	}
	return save(n, k, e);
}

static struct json *ports_json(const struct cni_request *q)
{
	struct json *list = json_new_array();
	char text[ADDR_TEXT];
	for (size_t i = 0; i < q->nports; i++)
		for (uint16_t k = 0; k < q->ports[i].count; k++) {
			static const uint8_t any[16];
			struct json *j = json_new_object();
			const struct port_map *m = &q->ports[i];
			json_set(j, "hostPort", json_new_i64(m->host_port + k));
			json_set(j, "containerPort", json_new_i64(m->port + k));
			json_set_str(j, "protocol", port_protocol(m->protocol));
			if (memcmp(m->host.b, any, m->host.len) != 0)
				json_set_str(j, "hostIP", addr_format(&m->host, text));
			json_add(list, j);
		}
	return list;
}

static struct json *words_json(const struct strv *l)
{
	struct json *j = json_new_array();
	for (size_t i = 0; l && i < l->n; i++)
		json_add(j, json_new_str(l->v[i]));
	return j;
}

/* What plugins that say they can are told (CONVENTIONS.md). */
static struct json *runtime_json(const struct cni_request *q)
{
	static const uint8_t none[MAC_LEN];
	struct json *j = json_new_object(), *ips = json_new_array(), *dns = json_new_object(), *aliases = json_new_object();
	char text[ADDR_TEXT], mac[MAC_TEXT];
	for (int f = 0; f < 2; f++)
		if (q->wanted[f].len)
			json_add(ips, json_new_str(addr_format(&q->wanted[f], text)));
	json_set(j, "portMappings", ports_json(q));
	if (json_len(ips))
		json_set(j, "ips", ips);
	else
		json_drop(&ips);
	if (memcmp(q->mac, none, MAC_LEN) != 0)
		json_set_str(j, "mac", mac_format(q->mac, mac));
	json_set(dns, "servers", words_json(q->servers));
	json_set(dns, "searches", words_json(q->searches));
	json_set(j, "dns", dns);
	json_set(aliases, q->network->name, words_json(q->aliases));
	json_set(j, "aliases", aliases);
	return j;
}

static int check_request(const struct cni_request *q, const struct json *list, struct err *e)
{
	static const uint8_t none[MAC_LEN];
	const struct json *first = json_at(json_get(list, "plugins"), 0);
	bool addresses = cni_list_has(list, "ips") || str_eq(json_get_str(json_get(first, "ipam"), "type"), "host-local");
	if ((q->wanted[0].len || q->wanted[1].len) && !addresses)
		return err_set(e, ERR_USAGE, "no address can be asked for: no plugin of it has the capability ips");
	if (memcmp(q->mac, none, MAC_LEN) != 0 && !cni_list_has(list, "mac"))
		return err_set(e, ERR_USAGE, "no MAC address can be asked for: no plugin of it has the capability mac");
	if (q->nports && !cni_list_has(list, "portMappings"))
		return err_set(e, ERR_USAGE, "no port can be published: no plugin of it has the capability portMappings");
	return 0;
}

/* Before the first is asked: where one is missing, there is nothing to be taken back. */
static int check_programs(const struct networks *n, const struct json *list, struct err *e)
{
	char program[4096], dirs[4096];
	const struct json *plugins = json_get(list, "plugins");
	for (size_t i = 0; i < json_len(plugins); i++)
		if (find_program(n, json_get_str(json_at(plugins, i), "type"), program, sizeof program, dirs, sizeof dirs, e) < 0)
			return -1;
	return 0;
}

int cni_add(const struct networks *n, const struct cni_request *q, struct arena *a, struct cni_result *ret, struct err *e)
{
	own(json) struct json *j = json_new_object(), *list = NULL;
	struct kept k = {.j = j};
	struct stat st;
	char name[200], ip[ADDR_TEXT];
	const char *path = network_option(q->network, "conflist", NULL);
	/* What a start of it that was killed left. */
	if (cni_remove(n, q->network->id, q->container, e) < 0 || cni_list_read(path ? path : "", &list, e) < 0 || check_request(q, list, e) < 0 ||
		check_programs(n, list, e) < 0)
		return err_wrap(e, "network %s", q->network->name);
	if (stat(q->netns, &st) < 0)
		return err_sys(e, "network %s: %s", q->network->name, q->netns);
	snprintf(name, sizeof name, "%s.%s.%s", q->container, q->network->id, q->interface);
	if (!split_name(name, &k))
		return err_set(e, ERR_USAGE, "network %s: CNI takes no interface named %s", q->network->name, q->interface);
	own(mem) char *args = mem_printf("IgnoreUnknown=1%s%s", q->wanted[0].len ? ";IP=" : "", addr_format(&q->wanted[0], ip));
	json_set(j, "list", json_ref(list));
	json_set_str(j, "interface", q->interface);
	json_set_str(j, "netns", q->netns);
	json_set(j, "inode", json_new_u64(st.st_ino));
	json_set(j, "runtime", runtime_json(q));
	json_set_str(j, "args", args);
	if (save(n, &k, e) == 0 && add_all(n, &k, q->interface, a, ret, e) == 0)
		return 0;
	struct err ignored = {};
	(void)!take_back(n, &k, &ignored);
	return err_wrap(e, "network %s", q->network->name);
}

/* Two who settle a container take its endpoints back one after another: the second finds the file gone. -1: it is. */
static int hold(const struct networks *n, const struct kept *k)
{
	struct stat st;
	own(fd) int fd = openat(n->root, k->file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	int r = -1;
	while (fd >= 0 && (r = flock(fd, LOCK_EX)) < 0 && errno == EINTR)
		;
	return r == 0 && fstat(fd, &st) == 0 && st.st_nlink ? take_fd(fd) : -1;
}

/* Each that is kept of that container (NULL: any), in that network (NULL: any). */
static int each(const struct networks *n, const char *network_id, const char *container, bool alone,
	int (*work)(const struct networks *n, struct kept *k, struct err *e), struct err *e)
{
	own(strv) struct strv files = {};
	struct err none = {};
	int r = 0;
	if (path_list(n->root, folder, &files, &none) < 0)
		return none.sys == ENOENT ? 0 : (*e = none, -1);
	for (size_t i = 0; i < files.n; i++) {
		own(json) struct json *j = NULL;
		struct kept k = {};
		struct err why = {};
		if (!split_name(files.v[i], &k) || (network_id && strcmp(k.network, network_id) != 0) || (container && strcmp(k.container, container) != 0))
			continue;
		own(fd) int held = alone ? hold(n, &k) : -1;
		if ((alone && held < 0) || json_read(n->root, k.file, KEPT, &j, &why) < 0) {
			/* Taken back by another one meanwhile; or nobody can read it: then nobody can take it back either. */
			if (why.kind == ERR_CORRUPT)
				unlinkat(n->root, k.file, 0);
			continue;
		}
		k.j = j;
		if (work(n, &k, &why) < 0 && r == 0)
			r = (*e = why, -1);
	}
	return r;
}

int cni_remove(const struct networks *n, const char *network_id, const char *container, struct err *e)
{
	return each(n, network_id, container, true, take_back, e);
}

static int verify(const struct networks *n, struct kept *k, struct err *e)
{
	const struct json *list = json_get(k->j, "list"), *plugins = json_get(list, "plugins");
	const char *version = json_get_str(list, "cniVersion");
	/* CHECK is of 0.4.0. */
	if (json_truth(json_get(list, "disableCheck")) || str_has_prefix(version ? version : "", "0.3."))
		return 0;
	for (size_t i = 0; i < json_len(plugins); i++) {
		own(buf) struct buf answer = BUF(ANSWER);
		if (ask(n, k, json_at(plugins, i), "CHECK", json_get(k->j, "result"), &answer, e) < 0)
			return -1;
	}
	return 0;
}

int cni_verify(const struct networks *n, const char *network_id, const char *container, struct err *e)
{
	return each(n, network_id, container, false, verify, e);
}

void cni_containers(const struct networks *n, struct strv *ret)
{
	own(strv) struct strv files = {};
	struct err none = {};
	if (path_list(n->root, folder, &files, &none) < 0)
		return;
	for (size_t i = 0; i < files.n; i++) {
		struct kept k = {};
		if (split_name(files.v[i], &k) && !strv_has(ret, k.container))
			strv_add(ret, k.container);
	}
}
