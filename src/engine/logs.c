/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logs: docker's log options in the monitor's terms. Every container's log is bounded unless max-size=-1 says otherwise. json-file and local never
 * block the program, so mode and max-buffer-size change nothing there and are accepted; of the others mode=non-blocking drops what is not taken at
 * once (blocking: log_send.h), and max-buffer-size is the socket's. rate is hull's own.
 */
#include "engine/logs.h"

#include "base/num.h"
#include "base/path.h"
#include "codec/tmpl.h"
#include "monitor/log_send.h"

#include <ctype.h>
#include <endian.h>
#include <regex.h>
#include <unistd.h>

enum { SIZE_DEFAULT = 10 << 20, FILES_DEFAULT = 3, FILES_MAX = 1000 };

static const struct { const char *name; enum log_driver driver; } drivers[] = {
	{"json-file", LOG_JSON_FILE},
	{"local", LOG_LOCAL},
	{"none", LOG_NONE},
	{"journald", LOG_JOURNALD},
	{"syslog", LOG_SYSLOG},
};

#define ON(driver) (1u << (driver))
enum { FILES = ON(LOG_JSON_FILE) | ON(LOG_LOCAL), SENT = ON(LOG_JOURNALD) | ON(LOG_SYSLOG), ALL = FILES | SENT | ON(LOG_NONE) };
static const struct { const char *key; unsigned drivers; } keys[] = {
	{"max-size", FILES | ON(LOG_NONE)},
	{"max-file", FILES | ON(LOG_NONE)},
	{"compress", FILES | ON(LOG_NONE)},
	{"labels", ALL},
	{"labels-regex", ALL},
	{"env", ALL},
	{"env-regex", ALL},
	{"tag", ALL},
	{"mode", ALL},
	{"max-buffer-size", ALL},
	{"rate", ALL},
	{"syslog-address", ON(LOG_SYSLOG)},
	{"syslog-facility", ON(LOG_SYSLOG)},
	{"syslog-format", ON(LOG_SYSLOG)},
};
static const char *const facilities[] = {"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp", "audit",
	"alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"};
enum { FACILITY_DAEMON = 3 };
static const char *const forms[] = {"", "rfc3164", "rfc5424", "rfc5424micro"}; /* by enum log_form */

/* A name, or for facilities a number. */
static int find_word(const char *const *words, size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(words[i], text))
			return (int)i;
	return -1;
}

static int find_facility(const char *text)
{
	uint64_t n;
	struct err ignored;
	return num_u64(text, countof(facilities) - 1, &n, "facility", &ignored) == 0 ? (int)n : find_word(facilities, countof(facilities), text);
}

/* "100/s"; 0: it is none. */
static uint64_t parse_rate(const char *text)
{
	uint64_t n;
	struct err ignored;
	size_t len = strlen(text);
	own(mem) char *number = str_has_suffix(text, "/s") ? mem_ndup(text, len - 2) : mem_dup("");
	return num_u64(number, UINT32_MAX, &n, "rate", &ignored) == 0 ? n : 0;
}

static int find_driver(const char *type)
{
	for (size_t i = 0; i < countof(drivers); i++)
		if (str_eq(drivers[i].name, type))
			return (int)drivers[i].driver;
	return -1;
}

static int check_tag(const char *text, struct err *e)
{
	struct tmpl *t = NULL;
	int r = tmpl_parse(text, &t, e);
	tmpl_drop(&t);
	return r < 0 ? err_wrap(e, "tag") : 0;
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
	if (str_eq(key, "mode") && !str_eq(value, "blocking") && !str_eq(value, "non-blocking"))
		return err_set(e, ERR_USAGE, "invalid mode \"%s\": blocking or non-blocking", value);
	if (str_eq(key, "max-buffer-size") && num_size(value, false, &size, "max-buffer-size", e) < 0)
		return -1;
	if (str_eq(key, "rate") && !parse_rate(value))
		return err_set(e, ERR_USAGE, "invalid rate \"%s\": lines a second, such as 1000/s", value);
	if (str_eq(key, "syslog-address"))
		return log_send_check(value, e);
	if (str_eq(key, "syslog-facility") && find_facility(value) < 0)
		return err_set(e, ERR_USAGE, "invalid syslog-facility \"%s\"", value);
	if (str_eq(key, "syslog-format") && find_word(forms, countof(forms), value) < 0)
		return err_set(e, ERR_USAGE, "invalid syslog-format \"%s\": rfc3164, rfc5424 and rfc5424micro are known", value);
	if (str_eq(key, "tag"))
		return check_tag(value, e);
	if (str_has_suffix(key, "-regex")) {
		if (regcomp(&re, value, REG_EXTENDED | REG_NOSUB) != 0)
			return err_set(e, ERR_USAGE, "invalid %s \"%s\"", key, value);
		regfree(&re);
	}
	return 0;
}

int logs_check(const struct log_config *l, struct err *e)
{
	int driver = find_driver(l->type);
	if (driver < 0)
		return err_set(e, ERR_USAGE, "invalid --log-driver \"%s\": json-file, local, journald, syslog and none are known", l->type ? l->type : "");
	for (size_t i = 0; i < l->config.n; i++) {
		size_t k = 0;
		while (k < countof(keys) && !str_eq(keys[k].key, l->config.v[i].key))
			k++;
		if (k == countof(keys))
			return err_set(e, ERR_USAGE, "unknown --log-opt \"%s\"", l->config.v[i].key);
		if (!(keys[k].drivers & ON(driver)))
			return err_set(e, ERR_USAGE, "--log-opt %s is not for the log driver %s", keys[k].key, l->type);
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

/* What a tag that is a template can name. */
static struct json *tag_fields(const struct container_entry *c)
{
	const struct container_record *r = &c->record;
	const char *image = r->image ? r->image : "", *hex = str_after(image, "sha256:");
	own(mem) char *id = mem_ndup(c->id, 12), *image_id = mem_ndup(hex ? hex : image, strlen(hex ? hex : image) < 12 ? strlen(hex ? hex : image) : 12);
	struct json *j = json_new_object();
	json_set_str(j, "ID", id);
	json_set_str(j, "FullID", c->id);
	json_set_str(j, "Name", r->name && *r->name == '/' ? r->name + 1 : r->name);
	json_set_str(j, "ImageID", image_id);
	json_set_str(j, "ImageFullID", image);
	json_set_str(j, "ImageName", r->config.image);
	json_set_str(j, "DaemonName", "hull");
	return j;
}

/* preset: without a tag. */
static char *make_tag(const struct container_entry *c, const char *preset, struct arena *a)
{
	const char *text = map_get(&c->record.host.log.config, "tag");
	struct tmpl *t = NULL;
	struct err ignored = {};
	struct tmpl_options o = {};
	own(buf) struct buf b = BUF(255);
	own(json) struct json *fields = tag_fields(c);
	if (str_is_empty(text))
		text = preset;
	if (tmpl_parse(text, &t, &ignored) < 0)
		return arena_dup(a, text);
	int r = tmpl_execute(t, fields, &o, &b, &ignored);
	tmpl_drop(&t);
	return arena_dup(a, r < 0 ? text : buf_text(&b));
}

/* Labels and variables that were asked for. */
static struct json *make_extra(const struct container_entry *c)
{
	const struct map *o = &c->record.host.log.config;
	struct json *j = json_new_object();
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
	return j;
}

/* json-file's "attrs": those and the tag. */
static const char *make_attrs(const struct container_entry *c, struct arena *a)
{
	own(json) struct json *j = make_extra(c);
	if (!str_is_empty(map_get(&c->record.host.log.config, "tag")))
		json_set_str(j, "tag", make_tag(c, "", a));
	if (!json_len(j))
		return NULL;
	own(buf) struct buf b = BUF(65536);
	json_format(j, 0, &b);
	return b.full ? NULL : arena_dup(a, buf_text(&b));
}

/* journald's form of a field; one whose value has line breaks has its length before it. */
static void put_field(struct buf *b, const char *key, const char *value)
{
	uint64_t n = htole64(strlen(value));
	bool begins = false;
	/* Letters, digits and _, not at the beginning: what else there is in a label's name becomes _. */
	for (; *key; key++) {
		bool letter = (*key >= 'a' && *key <= 'z') || (*key >= 'A' && *key <= 'Z'), digit = *key >= '0' && *key <= '9';
		if (!begins && !letter)
			continue;
		begins = true;
		buf_char(b, letter ? (char)(*key & ~0x20) : digit ? *key : '_');
	}
	if (!begins)
		return;
	if (!strchr(value, '\n')) {
		buf_printf(b, "=%s\n", value);
		return;
	}
	buf_char(b, '\n');
	buf_add(b, &n, sizeof n);
	buf_printf(b, "%s\n", value);
}

/* As docker's driver has them. Lengths may have bytes of zero: the caller copies by b->len. */
static void put_fields(const struct container_entry *c, struct arena *a, struct buf *b)
{
	const struct container_record *r = &c->record;
	own(json) struct json *extra = make_extra(c);
	own(mem) char *id = mem_ndup(c->id, 12);
	struct json_iter it = {};
	const char *tag = make_tag(c, "{{.ID}}", a);
	put_field(b, "CONTAINER_ID", id);
	put_field(b, "CONTAINER_ID_FULL", c->id);
	put_field(b, "CONTAINER_NAME", r->name && *r->name == '/' ? r->name + 1 : c->id);
	put_field(b, "CONTAINER_TAG", tag);
	put_field(b, "IMAGE_NAME", r->config.image ? r->config.image : "");
	put_field(b, "SYSLOG_IDENTIFIER", tag);
	while (json_next(extra, &it))
		put_field(b, it.key, json_str(it.value) ? json_str(it.value) : "");
}

static uint64_t number(const struct map *options, const char *key, uint64_t preset)
{
	const char *text = map_get(options, key);
	int64_t v;
	struct err ignored = {};
	return text && num_size(text, true, &v, key, &ignored) == 0 ? v < 0 ? UINT64_MAX : (uint64_t)v : preset;
}

static void sending_options(const struct container_entry *c, struct arena *a, struct log_options *ret)
{
	const struct map *o = &c->record.host.log.config;
	const char *address = map_get(o, "syslog-address"), *facility = map_get(o, "syslog-facility"), *form = map_get(o, "syslog-format");
	uint64_t buffer = number(o, "max-buffer-size", 0);
	char host[65] = "";
	ret->non_blocking = str_eq(map_get(o, "mode"), "non-blocking");
	ret->buffer = buffer > INT32_MAX ? INT32_MAX : (int)buffer;
	if (ret->driver == LOG_JOURNALD) {
		own(buf) struct buf b = BUF(65536);
		put_fields(c, a, &b);
		ret->fields = memcpy(arena_alloc(a, b.len + 1), buf_text(&b), b.len);
		ret->nfields = b.len;
		return;
	}
	(void)!gethostname(host, sizeof host - 1);
	ret->hostname = arena_dup(a, *host ? host : "-");
	ret->address = arena_dup(a, address ? address : "");
	ret->tag = make_tag(c, "{{.ID}}", a);
	ret->facility = facility ? (unsigned)find_facility(facility) : FACILITY_DAEMON;
	ret->form = form ? (enum log_form)find_word(forms, countof(forms), form) : LOG_FORM_DOCKER;
}

void logs_options(const struct container_entry *c, struct arena *a, struct log_options *ret)
{
	const struct log_config *l = &c->record.host.log;
	int driver = find_driver(l->type);
	*ret = (struct log_options){.driver = driver < 0 ? LOG_JSON_FILE : (enum log_driver)driver, .dir = c->dir, .name = "container.log",
		.max_size = number(&l->config, "max-size", SIZE_DEFAULT), .max_files = (unsigned)number(&l->config, "max-file", FILES_DEFAULT)};
	const char *compress = map_get(&l->config, "compress");
	ret->compress = compress ? str_eq(compress, "true") : ret->driver == LOG_LOCAL;
	const char *rate = map_get(&l->config, "rate");
	ret->rate = rate ? parse_rate(rate) : 0;
	if (ret->driver == LOG_JOURNALD || ret->driver == LOG_SYSLOG)
		sending_options(c, a, ret);
	else
		ret->attrs = make_attrs(c, a);
}

char *logs_path(const struct engine *g, const struct container_entry *c)
{
	int driver = find_driver(c->record.host.log.type);
	if (driver >= 0 && !(ON(driver) & FILES))
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

/* Those who have the others' lines are asked by other means. */
static int check_kept(const struct container_entry *c, enum log_driver driver, struct err *e)
{
	if (driver == LOG_JOURNALD)
		return err_set(e, ERR_UNSUPPORTED, "container %.200s keeps no log here, the journal has it: journalctl CONTAINER_ID_FULL=%s",
			container_label(c), c->id);
	if (driver == LOG_SYSLOG)
		return err_set(e, ERR_UNSUPPORTED, "container %.200s keeps no log here: it was made with --log-driver syslog, and that daemon has it",
			container_label(c));
	return driver == LOG_NONE ? err_set(e, ERR_UNSUPPORTED, "container %.200s keeps no log: it was made with --log-driver none", container_label(c)) : 0;
}

int logs_check_kept(const struct container_entry *c, struct err *e)
{
	own(arena) struct arena a = {};
	struct log_options o;
	logs_options(c, &a, &o);
	return check_kept(c, o.driver, e);
}

int container_clear_logs(struct engine *g unused, struct container_entry *c, struct err *e)
{
	own(arena) struct arena a = {};
	struct log_options o;
	logs_options(c, &a, &o);
	if (check_kept(c, o.driver, e) < 0)
		return -1;
	return logs_clear(o.dir, o.name, e) < 0 ? err_wrap(e, "container %.200s: log", container_label(c)) : 0;
}

int container_logs(struct engine *g, struct container_entry *c, const struct logs_read *r, struct err *e)
{
	own(arena) struct arena a = {};
	struct log_options o;
	struct reading x = {g, c, r};
	logs_options(c, &a, &o);
	if (check_kept(c, o.driver, e) < 0)
		return -1;
	struct logs_read read = *r;
	read.driver = o.driver;
	read.dir = o.dir;
	read.name = o.name;
	read.stopped = has_stopped;
	read.line = on_line;
	read.arg = &x;
	return logs_read(&read, e);
}

/* As in a query of a URL: no comma, blank or line break of theirs looks like ours. */
static void add_escaped(const char *text, struct buf *b)
{
	for (; *text; text++)
		if (isalnum((unsigned char)*text) || strchr("-_.~", *text))
			buf_char(b, *text);
		else if (*text == ' ')
			buf_char(b, '+');
		else
			buf_printf(b, "%%%02X", (unsigned char)*text);
}

/* docker's: by name. */
static void add_details(const char *attrs, struct buf *b)
{
	own(strv) struct strv names = {};
	own(json) struct json *j = NULL;
	struct err ignored = {};
	struct json_iter it = {};
	if (!attrs || json_parse(attrs, strlen(attrs), &j, &ignored) < 0)
		return;
	while (json_next(j, &it))
		strv_add(&names, it.key);
	strv_sort(&names);
	for (size_t i = 0; i < names.n; i++) {
		const char *value = json_get_str(j, names.v[i]);
		buf_str(b, i ? "," : "");
		add_escaped(names.v[i], b);
		buf_char(b, '=');
		add_escaped(value ? value : "", b);
	}
	buf_char(b, ' ');
}

void logs_show(struct logs_shown *s, int stream, int64_t time_ns, const char *p, size_t n, const char *attrs, struct buf *out)
{
	char time[NUM_TEXT];
	bool *cut = &s->cut[stream == 2 ? 2 : 1];
	if (!*cut && s->timestamps)
		buf_printf(out, "%s ", num_format_time(time_ns, time));
	if (!*cut && s->details)
		add_details(attrs, out);
	buf_add(out, p, n);
	*cut = n > 0 && p[n - 1] != '\n';
}
