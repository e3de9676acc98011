/* SPDX-License-Identifier: Apache-2.0 */
/* events: the lines as they are written. */
#include "engine/events.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "image/ref.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEPT = 1000000, LINE_MOST = 65536, PAIRS = 128 };
struct attributes { struct pair v[PAIRS]; size_t n; };

/* The last of equal keys counts: hull's own come behind the labels. */
static void add(struct attributes *a, const char *key, const char *value)
{
	size_t i = 0;
	while (i < a->n && strcmp(a->v[i].key, key) != 0)
		i++;
	a->n += i == a->n && i < PAIRS;
	if (i < PAIRS)
		a->v[i] = (struct pair){(char *)(uintptr_t)key, (char *)(uintptr_t)(value ? value : "")};
}

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct pair *)a)->key, ((const struct pair *)b)->key);
}

/* Without printf: the monitor writes events, too, and is to stay small. */
static void decimal(struct buf *b, uint64_t v)
{
	char text[24], *p = text + sizeof text;
	*--p = 0;
	do
		*--p = (char)('0' + v % 10);
	while (v /= 10);
	buf_str(b, p);
}

static void field(struct buf *b, const char *before, const char *text)
{
	buf_str(b, before);
	json_quote(text, strlen(text), false, b);
}

/* Sorted, as Go prints a map. */
static void format(struct buf *b, const char *type, const char *action, const char *id, const char *from, struct attributes *a, int64_t now)
{
	bool is_object = strcmp(type, "container") == 0 || strcmp(type, "image") == 0;
	if (is_object) {
		field(b, "{\"status\":", action);
		field(b, ",\"id\":", id);
		if (from)
			field(b, ",\"from\":", from);
	}
	field(b, is_object ? ",\"Type\":" : "{\"Type\":", type);
	field(b, ",\"Action\":", action);
	field(b, ",\"Actor\":{\"ID\":", id);
	buf_str(b, ",\"Attributes\":{");
	qsort(a->v, a->n, sizeof *a->v, by_key);
	for (size_t i = 0; i < a->n; i++) {
		field(b, i ? "," : "", a->v[i].key);
		field(b, ":", a->v[i].value);
	}
	buf_str(b, "}},\"scope\":\"local\",\"time\":");
	decimal(b, (uint64_t)now / 1000000000);
	buf_str(b, ",\"timeNano\":");
	decimal(b, (uint64_t)now);
	buf_str(b, "}\n");
}

/* Two that find it too long at once: the second sees a short one. */
static void turn(struct engine *g)
{
	struct err ignored = {};
	struct stat st;
	own(fd) int lock = path_lock(g->root, "events.lock", true, false, &ignored);
	if (lock >= 0 && fstatat(g->root, "events.log", &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size >= KEPT)
		(void)!renameat(g->root, "events.log", g->root, "events.log.1");
}

static void put(struct engine *g, const char *type, const char *action, const char *id, const char *from, struct attributes *a)
{
	own(buf) struct buf b = BUF(LINE_MOST);
	int64_t now = num_now_ns();
	format(&b, type, action, id, from, a, now);
	if (b.full) {
		/* Labels of any size: who has written them knows them. */
		buf_reset(&b);
		b.full = false;
		a->n = 0;
		format(&b, type, action, id, from, a, now);
	}
	own(fd) int fd = openat(g->root, "events.log", O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd < 0 || b.full || write(fd, b.data, b.len) != (ssize_t)b.len)
		return;
	if (lseek(fd, 0, SEEK_CUR) >= KEPT)
		turn(g);
}

static void add_pairs(struct attributes *a, const char *const more[])
{
	for (size_t i = 0; more && more[i] && more[i + 1]; i += 2)
		add(a, more[i], more[i + 1]);
}

void event_of_container(struct engine *g, const struct container_entry *c, const char *action, const char *const more[])
{
	struct attributes a = {.n = 0};
	const struct map *labels = c->record.id ? &c->record.config.labels : &c->state.labels;
	const char *image = c->record.id ? c->record.config.image : c->state.image_name;
	for (size_t i = 0; i < labels->n && a.n < PAIRS - 16; i++)
		add(&a, labels->v[i].key, labels->v[i].value);
	add(&a, "image", image);
	add(&a, "name", !str_is_empty(c->state.name) ? c->state.name : c->record.name ? c->record.name + 1 : "");
	add_pairs(&a, more);
	put(g, "container", action, c->id, image ? image : "", &a);
}

void event_pod(struct engine *g, const struct container_entry *pod, const char *action)
{
	struct attributes a = {.n = 0};
	const struct map *labels = &pod->state.labels;
	for (size_t i = 0; i < labels->n && a.n < PAIRS - 16; i++)
		add(&a, labels->v[i].key, labels->v[i].value);
	add(&a, "name", !str_is_empty(pod->state.name) ? pod->state.name : pod->record.name + 1);
	put(g, "pod", action, pod->id, NULL, &a);
}

void event_of(struct engine *g, const char *type, const char *action, const char *id, const char *const more[])
{
	struct attributes a = {.n = 0};
	add_pairs(&a, more);
	put(g, type, action, id, NULL, &a);
}

void event_volumes(struct engine *g, const struct container_entry *c, bool mounted)
{
	for (size_t i = 0; i < c->record.mounts.n; i++) {
		const struct mount_point *m = &c->record.mounts.v[i];
		if (!str_eq(m->type, "volume"))
			continue;
		if (mounted)
			event_other(g, "volume", "mount", m->name, "container", c->id, "destination", m->destination, "driver", m->driver,
				"propagation", m->propagation ? m->propagation : "", "read/write", m->rw ? "true" : "false");
		else
			event_other(g, "volume", "unmount", m->name, "container", c->id, "driver", m->driver);
	}
}

void event_exec(struct engine *g, const struct container_entry *c, const char *action, const struct strv *args, const char *exec_id)
{
	own(buf) struct buf b = BUF(4096);
	buf_str(&b, action);
	buf_str(&b, ": ");
	for (size_t i = 0; i < args->n; i++) {
		buf_str(&b, args->v[i]);
		if (i == 0 || i + 1 < args->n)
			buf_char(&b, ' ');
	}
	event_container(g, c, b.full ? action : buf_text(&b), "execID", exec_id);
}

static char *text_of(uint64_t v)
{
	own(buf) struct buf b = {};
	decimal(&b, v);
	return buf_take(&b);
}

void event_exec_end(struct engine *g, const struct container_entry *c, const char *exec_id, int status)
{
	own(mem) char *code = text_of((uint64_t)status);
	event_container(g, c, "exec_die", "execID", exec_id, "exitCode", code);
}

void event_signal(struct engine *g, const struct container_entry *c, int sig)
{
	own(mem) char *number = text_of((uint64_t)sig);
	event_container(g, c, "kill", "signal", number);
}

void event_networks(struct engine *g, const struct container_entry *c, bool connected)
{
	/* Those of its pod, of which its state knows, are the pod's. */
	if (c->state.network_mode && str_has_prefix(c->state.network_mode, "pod:"))
		return;
	for (size_t i = 0; i < c->state.networks.n; i++) {
		const struct endpoint_state *s = &c->state.networks.v[i];
		event_other(g, "network", connected ? "connect" : "disconnect", s->network_id, "container", c->id, "name", s->network, "type", s->driver);
	}
}

void event_network(struct engine *g, const struct network *w, const char *container, bool connected)
{
	event_other(g, "network", connected ? "connect" : "disconnect", w->id, "container", container, "name", w->name, "type", w->driver);
}

void event_end(struct engine *g, const struct container_entry *c)
{
	const struct container_state *s = &c->state;
	int64_t ran = num_time_of(s->finished_at) - num_time_of(s->started_at);
	own(mem) char *code = text_of((uint64_t)s->exit_code), *seconds = text_of(ran > 0 ? (uint64_t)ran / 1000000000 : 0);
	if (s->oom_killed)
		event_container(g, c, "oom");
	event_container(g, c, "die", "execDuration", seconds, "exitCode", code);
	event_networks(g, c, false);
	event_volumes(g, c, false);
}

void event_of_name(struct engine *g, const char *action, const char *id, const char *name)
{
	struct ref r;
	struct err ignored = {};
	char text[REF_TEXT];
	event_other(g, "image", action, id, "name", ref_parse(name, &r, &ignored) == 0 ? ref_format_familiar(&r, text) : name);
}

void event_of_reference(struct engine *g, const char *action, const struct ref *r)
{
	struct ref bare = *r;
	char text[REF_TEXT], name[REF_TEXT];
	*bare.tag = *bare.digest = 0;
	event_other(g, "image", action, ref_format_familiar(r, text), "name", ref_format_familiar(&bare, name));
}

void event_pruned(struct engine *g, const char *type, uint64_t bytes)
{
	own(mem) char *text = text_of(bytes);
	event_other(g, type, "prune", "", "reclaimed", text);
}
