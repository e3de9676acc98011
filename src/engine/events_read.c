/* SPDX-License-Identifier: Apache-2.0 */
/*
 * events_read: the two files in their order, and with `follow` what is written behind them (inotify). When the file is turned meanwhile, the old one
 * is read to its end before the new one is begun.
 */
#include "engine/events.h"

#include "base/fd.h"
#include "base/num.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

enum { BLOCK_SIZE = 65536, LONGEST = 1 << 20 };

struct reading {
	struct engine *g;
	const struct events_query *q;
	int64_t since_ns;
	struct buf rest; /* a line's begin */
	bool over;       /* what comes is later than until_ns */
};

static const char *attribute(const struct json *event, const char *key)
{
	return json_get_str(json_get(json_get(event, "Actor"), "Attributes"), key);
}

static const char *actor(const struct json *event)
{
	const char *id = json_get_str(json_get(event, "Actor"), "ID");
	return id ? id : "";
}

static bool is_type(const struct json *event, const char *type)
{
	return str_eq(json_get_str(event, "Type"), type);
}

/* What is said of an object in its own events, by id or name, and in those of others that name it. */
static bool is_object(const struct json *event, const char *key, const char *want)
{
	const char *id = is_type(event, key) ? actor(event) : attribute(event, key);
	bool by_id = id && num_is_hex(want, 4) && str_has_prefix(id, want);
	return by_id || str_eq(id, want) || (is_type(event, key) && str_eq(attribute(event, "name"), want));
}

static bool is_event(const struct json *event, const char *key, const char *want)
{
	(void)key;
	const char *rest = str_after(json_get_str(event, "Action"), want);
	return rest && (!*rest || str_has_prefix(rest, ": "));
}

/* With its tag or without. */
static bool is_image(const struct json *event, const char *key, const char *want)
{
	const char *name = is_type(event, "container") ? attribute(event, "image") : is_type(event, "image") ? attribute(event, "name") : NULL;
	const char *rest = name ? str_after(name, want) : NULL;
	return (rest && (!*rest || (*rest == ':' && !strchr(rest, '/')))) || (is_type(event, key) && is_object(event, key, want));
}

static bool is_label(const struct json *event, const char *key, const char *want)
{
	const char *eq = strchr(want, '=');
	own(mem) char *name = mem_ndup(want, eq ? (size_t)(eq - want) : strlen(want));
	const char *value = attribute(event, name);
	(void)key;
	return value && (!eq || strcmp(value, eq + 1) == 0);
}

static bool is_of_type(const struct json *event, const char *key, const char *want)
{
	(void)key;
	return is_type(event, want);
}

static bool is_scope(const struct json *event, const char *key, const char *want)
{
	return str_eq(json_get_str(event, key), want);
}

static const struct filter {
	const char *key;
	bool (*match)(const struct json *event, const char *key, const char *want);
	bool all; /* every value must match */
} filters[] = {
	{"container", is_object, false},
	{"daemon", is_object, false},
	{"event", is_event, false},
	{"image", is_image, false},
	{"label", is_label, true},
	{"network", is_object, false},
	{"node", is_object, false},
	{"plugin", is_object, false},
	{"pod", is_object, false},
	{"scope", is_scope, false},
	{"secret", is_object, false},
	{"service", is_object, false},
	{"type", is_of_type, false},
	{"volume", is_object, false},
};

static const struct filter *find_filter(const char *text, const char **ret_value)
{
	const char *eq = strchr(text, '=');
	for (size_t i = 0; eq && i < countof(filters); i++)
		if (strlen(filters[i].key) == (size_t)(eq - text) && strncmp(filters[i].key, text, (size_t)(eq - text)) == 0) {
			*ret_value = eq + 1;
			return &filters[i];
		}
	return NULL;
}

static int check_filters(const struct strv *v, struct err *e)
{
	const char *value;
	for (size_t i = 0; v && i < v->n; i++)
		if (!find_filter(v->v[i], &value))
			return err_set(e, ERR_USAGE, "invalid filter \"%.100s\": container, daemon, event, image, label, network, node, plugin, scope, "
				"secret, service, type and volume are known, as KEY=VALUE", v->v[i]);
	return 0;
}

static bool passes(const struct strv *v, const struct json *event)
{
	bool asked[countof(filters)] = {}, found[countof(filters)] = {}, failed[countof(filters)] = {};
	for (size_t i = 0; v && i < v->n; i++) {
		const char *value;
		const struct filter *f = find_filter(v->v[i], &value);
		size_t at = (size_t)(f - filters);
		bool yes = f->match(event, f->key, value);
		asked[at] = true;
		found[at] |= yes;
		failed[at] |= !yes && f->all;
	}
	for (size_t i = 0; i < countof(filters); i++)
		if (asked[i] && (!found[i] || failed[i]))
			return false;
	return true;
}

/* Behind a line that a crash or a full disk tore there is the next event, in the same line. In a text a quote would have a backslash. */
static const char *next_begin(const char *line, size_t n)
{
	static const char *const begins[] = {"{\"status\":", "{\"Type\":"};
	const char *found = NULL;
	for (size_t i = 0; n && i < countof(begins); i++) {
		const char *at = memmem(line + 1, n - 1, begins[i], strlen(begins[i]));
		if (at && (!found || at < found))
			found = at;
	}
	return found;
}

static int take_line(struct reading *r, const char *line, size_t n, struct err *e)
{
	own(json) struct json *event = NULL;
	struct err torn = {};
	while (json_parse(line, n, &event, &torn) < 0 || json_kind(event) != JSON_OBJECT) {
		const char *next = next_begin(line, n);
		if (!next)
			return 0;
		json_drop(&event);
		n -= (size_t)(next - line);
		line = next;
	}
	int64_t at = json_i64(json_get(event, "timeNano"));
	if (at < r->since_ns || !passes(r->q->filters, event))
		return 0;
	/* Lines are in the order in which they were written, times only nearly so. */
	if (r->q->has_until && at > r->q->until_ns) {
		r->over = at > r->q->until_ns + 1000000000;
		return 0;
	}
	own(mem) char *text = mem_ndup(line, n);
	return r->q->event(r->q->arg, text, event, e);
}

static int take_lines(struct reading *r, struct err *e)
{
	const char *p = buf_text(&r->rest);
	size_t done = 0;
	for (const char *end; (end = memchr(p + done, '\n', r->rest.len - done));) {
		if (take_line(r, p + done, (size_t)(end - (p + done)), e) < 0)
			return -1;
		done = (size_t)(end - p) + 1;
	}
	buf_cut(&r->rest, r->rest.len - done > LONGEST ? r->rest.len : done);
	return 0;
}

static int read_on(struct reading *r, int fd, struct err *e)
{
	for (;;) {
		char *room = buf_room(&r->rest, BLOCK_SIZE);
		ssize_t n = room ? read(fd, room, BLOCK_SIZE) : -1;
		if (n < 0)
			return err_sys(e, "events.log");
		if (n == 0)
			return 0;
		r->rest.len += (size_t)n;
		if (take_lines(r, e) < 0)
			return -1;
	}
}

static int open_log(struct engine *g, const char *name, int flags, int *ret, struct err *e)
{
	*ret = openat(g->root, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
	return *ret < 0 && errno != ENOENT ? err_sys(e, "%s/%s", g->root_path, name) : 0;
}

static int watch(int fd, int *ret, struct err *e)
{
	char path[40];
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	fd_drop(ret);
	*ret = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	return *ret < 0 || inotify_add_watch(*ret, path, IN_MODIFY | IN_MOVE_SELF | IN_DELETE_SELF) < 0 ? err_sys(e, "watch events.log") : 0;
}

/* True: something was written, or *ret_moved. False: until_ns has come. */
static bool await(const struct events_query *q, int notify, bool *ret_moved)
{
	struct pollfd p = {.fd = notify, .events = POLLIN};
	int64_t left = q->has_until ? (q->until_ns - num_now_ns()) / 1000000 + 1 : -1;
	if (q->has_until && left <= 0)
		return false;
	char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	int n = poll(&p, 1, left < 0 || left > INT_MAX ? -1 : (int)left);
	ssize_t len = n > 0 ? read(notify, events, sizeof events) : 0;
	for (ssize_t at = 0; at < len;) {
		const struct inotify_event *i = (const struct inotify_event *)(events + at);
		*ret_moved |= (i->mask & (IN_MOVE_SELF | IN_DELETE_SELF | IN_IGNORED)) != 0;
		at += (ssize_t)(sizeof *i + i->len);
	}
	return true;
}

static int follow(struct reading *r, int fd, struct err *e)
{
	own(fd) int log = fd, notify = -1;
	bool moved = false;
	if (watch(log, &notify, e) < 0)
		return -1;
	for (;;) {
		/* What was written before we watched, too. */
		if (read_on(r, log, e) < 0)
			return -1;
		if (moved) {
			fd_drop(&log);
			moved = false;
			if (open_log(r->g, "events.log", O_CREAT, &log, e) < 0 || watch(log, &notify, e) < 0)
				return -1;
			continue;
		}
		if (r->over || !await(r->q, notify, &moved))
			return 0;
	}
}

int events_read(struct engine *g, const struct events_query *q, struct err *e)
{
	struct reading r = {.g = g, .q = q, .since_ns = q->has_since ? q->since_ns : q->follow ? num_now_ns() : 0};
	own(fd) int old = -1, log = -1;
	if (check_filters(q->filters, e) < 0 || open_log(g, "events.log.1", 0, &old, e) < 0 ||
		open_log(g, "events.log", q->follow ? O_CREAT : 0, &log, e) < 0)
		return -1;
	int result = old < 0 ? 0 : read_on(&r, old, e);
	if (result == 0 && !r.over && log >= 0)
		result = q->follow ? follow(&r, take_fd(log), e) : read_on(&r, log, e);
	buf_drop(&r.rest);
	return result;
}

static int take_status(void *arg, const char *line, const struct json *event, struct err *e)
{
	const char *code = attribute(event, "exitCode");
	(void)line;
	(void)e;
	if (code)
		*(int *)arg = atoi(code);
	return 0;
}

bool event_exit_status(struct engine *g, const char *id, int64_t since_ns, int *ret)
{
	int status = -1;
	char of[80], die[] = "event=die";
	char *both[] = {of, die};
	struct strv v = {.v = both, .n = countof(both)};
	struct events_query q = {.since_ns = since_ns, .has_since = true, .filters = &v, .event = take_status, .arg = &status};
	struct err ignored = {};
	snprintf(of, sizeof of, "container=%s", id);
	if (events_read(g, &q, &ignored) < 0 || status < 0)
		return false;
	*ret = status;
	return true;
}
