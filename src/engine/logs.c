/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logs: docker's log options (max-size, max-file, compress, labels, env, labels-regex, env-regex, tag, mode) in the
 * monitor's terms. Every container's log is bounded unless max-size=-1 says otherwise; writing never blocks the program, so
 * mode and max-buffer-size change nothing and are accepted.
 */
#include "engine/logs.h"

#include "base/num.h"
#include "base/path.h"

#include <regex.h>

enum { SIZE_DEFAULT = 10 << 20, FILES_DEFAULT = 3, FILES_MAX = 1000 };

static const struct { const char *name; enum log_driver driver; } drivers[] = {
	{"json-file", LOG_JSON_FILE}, {"local", LOG_LOCAL}, {"none", LOG_NONE}};

static const char *const keys[] = {"max-size", "max-file", "compress", "labels", "labels-regex", "env", "env-regex", "tag", "mode",
	"max-buffer-size"};

static int find_driver(const char *type)
{
	for (size_t i = 0; i < countof(drivers); i++)
		if (str_eq(drivers[i].name, type))
			return (int)drivers[i].driver;
	return -1;
}

static int check_value(const char *key, const char *value, struct err *e)
{
	int64_t size;
	uint64_t n;
	regex_t re;
	if (str_eq(key, "max-size")) {
		if (num_size(value, true, &size, "max-size", e) < 0)
			return -1;
		if (size == 0)
			return err_set(e, ERR_USAGE, "invalid max-size \"0\": a size, or -1 for no bound");
	}
	if (str_eq(key, "max-file")) {
		if (num_u64(value, FILES_MAX, &n, "max-file", e) < 0)
			return -1;
		if (n == 0)
			return err_set(e, ERR_USAGE, "invalid max-file \"0\": at least 1");
	}
	if (str_eq(key, "compress") && !str_eq(value, "true") && !str_eq(value, "false"))
		return err_set(e, ERR_USAGE, "invalid compress \"%s\": true or false", value);
	if (str_has_suffix(key, "-regex")) {
		if (regcomp(&re, value, REG_EXTENDED | REG_NOSUB) != 0)
			return err_set(e, ERR_USAGE, "invalid %s \"%s\"", key, value);
		regfree(&re);
	}
	return 0;
}

int logs_check(const struct log_config *l, struct err *e)
{
	if (find_driver(l->type) < 0)
		return err_set(e, ERR_USAGE, "invalid --log-driver \"%s\": json-file, local and none are known", l->type ? l->type : "");
	for (size_t i = 0; i < l->config.n; i++) {
		bool known = false;
		for (size_t k = 0; k < countof(keys); k++)
			known |= str_eq(keys[k], l->config.v[i].key);
		if (!known)
			return err_set(e, ERR_USAGE, "unknown --log-opt \"%s\"", l->config.v[i].key);
		if (check_value(l->config.v[i].key, l->config.v[i].value, e) < 0)
			return err_wrap(e, "--log-opt");
	}
	return 0;
}

static bool is_listed(const struct map *options, const char *kind, const char *key)
{
	const char *list = map_get(options, kind);
	own(mem) char *regex_key = mem_printf("%s-regex", kind);
	const char *regex = map_get(options, regex_key);
	own(strv) struct strv v = {};
	strv_split(&v, list ? list : "", ',');
	if (strv_has(&v, key))
		return true;
	regex_t re;
	if (!regex || regcomp(&re, regex, REG_EXTENDED | REG_NOSUB) != 0)
		return false;
	bool match = regexec(&re, key, 0, NULL, 0) == 0;
	regfree(&re);
	return match;
}

/* json-file's "attrs": labels and variables that were asked for, and the tag. */
static const char *make_attrs(const struct container_entry *c, struct arena *a)
{
	const struct map *o = &c->record.host.log.config;
	const char *tag = map_get(o, "tag");
	own(json) struct json *j = json_new_object();
	for (size_t i = 0; i < c->record.config.labels.n; i++) {
		const struct pair *l = &c->record.config.labels.v[i];
		if (is_listed(o, "labels", l->key))
			json_set_str(j, l->key, l->value);
	}
	for (size_t i = 0; i < c->record.config.env.n; i++) {
		const char *line = c->record.config.env.v[i], *eq = strchr(line, '=');
		own(mem) char *key = mem_ndup(line, eq ? (size_t)(eq - line) : strlen(line));
		if (is_listed(o, "env", key))
			json_set_str(j, key, eq ? eq + 1 : "");
	}
	if (!str_is_empty(tag))
		json_set_str(j, "tag", tag);
	if (!json_len(j))
		return NULL;
	own(buf) struct buf b = BUF(65536);
	json_format(j, 0, &b);
	return b.full ? NULL : arena_dup(a, buf_text(&b));
}

static uint64_t number(const struct map *options, const char *key, uint64_t preset)
{
	const char *text = map_get(options, key);
	int64_t v;
	struct err ignored = {};
	return text && num_size(text, true, &v, key, &ignored) == 0 ? v < 0 ? UINT64_MAX : (uint64_t)v : preset;
}

void logs_options(const struct container_entry *c, struct arena *a, struct log_options *ret)
{
	const struct log_config *l = &c->record.host.log;
	int driver = find_driver(l->type);
	*ret = (struct log_options){.driver = driver < 0 ? LOG_JSON_FILE : (enum log_driver)driver, .dir = c->dir, .name = "container.log",
		.max_size = number(&l->config, "max-size", SIZE_DEFAULT), .max_files = (unsigned)number(&l->config, "max-file", FILES_DEFAULT)};
	const char *compress = map_get(&l->config, "compress");
	ret->compress = compress ? str_eq(compress, "true") : ret->driver == LOG_LOCAL;
	ret->attrs = make_attrs(c, a);
}

char *logs_path(const struct engine *g, const struct container_entry *c)
{
	if (str_eq(c->record.host.log.type, "none"))
		return mem_dup("");
	return mem_printf("%s/containers/%s/container.log", g->root_path, c->id);
}

struct reading { struct engine *g; struct container_entry *c; const struct logs_read *r; };

static bool has_stopped(void *arg)
{
	struct reading *x = arg;
	struct err gone = {};
	/* Loaded anew: this is asked again and again. */
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	if (containers_load(&x->g->containers, x->c->id, ENTRY_STATE_ONLY, &c, &gone) < 0)
		return true;
	const char *status = container_status(x->g, &c);
	return !str_eq(status, "running") && !str_eq(status, "paused") && !str_eq(status, "restarting");
}

static int on_line(void *arg, int stream, int64_t time_ns, const char *p, size_t n, const char *attrs, struct err *e)
{
	struct reading *x = arg;
	return x->r->line(x->r->arg, stream, time_ns, p, n, attrs, e);
}

int container_logs(struct engine *g, struct container_entry *c, const struct logs_read *r, struct err *e)
{
	own(arena) struct arena a = {};
	struct log_options o;
	struct reading x = {g, c, r};
	logs_options(c, &a, &o);
	if (o.driver == LOG_NONE)
		return err_set(e, ERR_UNSUPPORTED, "container %.200s keeps no log: it was made with --log-driver none", container_label(c));
	struct logs_read read = *r;
	read.driver = o.driver;
	read.dir = o.dir;
	read.name = o.name;
	read.stopped = has_stopped;
	read.line = on_line;
	read.arg = &x;
	return logs_read(&read, e);
}
