/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quadlet: first every unit gets its names, of its file's name and its keys alone; so units may name each other in any order. Then each
 * becomes a service by its type's function: the section of its own is kept as [X-Container] for the reader, all others go through as
 * they are. Last: units that wait for each other in a circle, two that make the same service, pods and what starts with them.
 */
#include "cli/quadlet.h"

#include "base/path.h"
#include "cli/cli.h"

#include <stdarg.h>
#include <stdio.h>

#define KEYS(kind) quadlet_##kind##_keys
static struct quadlet_type types[] = {
	{".container", "Container", "", "ContainerName", KEYS(container), 0, quadlet_container, NULL},
	{".pod", "Pod", "-pod", "PodName", KEYS(pod), 0, quadlet_pod, NULL},
	{".network", "Network", "-network", "NetworkName", KEYS(network), 0, quadlet_network, NULL},
	{".volume", "Volume", "-volume", "VolumeName", KEYS(volume), 0, quadlet_volume, NULL},
	{".image", "Image", "-image", "ImageTag", KEYS(image), 0, quadlet_image, NULL},
	{".build", "Build", "-build", "ImageTag", KEYS(build), 0, quadlet_build, NULL},
	{".kube", "Kube", "", NULL, KEYS(kube), 0, quadlet_kube, NULL},
	{".artifact", "Artifact", "-artifact", NULL, NULL, 0, NULL, "hull has no artifacts"},
};

void quadlet_drop(struct quadlet *q)
{
	for (size_t i = 0; i < q->units.n; i++) {
		unitfile_drop(&q->units.v[i].file);
		unitfile_drop(&q->units.v[i].out);
	}
	strv_drop(&q->dirs);
	arena_drop(&q->arena);
	*q = (struct quadlet){};
}

void quadlet_say(struct quadlet *q, const struct err *e)
{
	q->failed = true;
	q->complain(q->arg, e);
}

void quadlet_bad_(const struct quadlet_call *c, const struct unitfile_line *line, struct err *e, const char *fmt, ...)
{
	struct err why = {};
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(why.text, sizeof why.text, fmt, ap);
	va_end(ap);
	if (line && line->file)
		err_set_(e, ERR_USAGE, "%s:%u: %s=: %s", line->file, line->number, line->key, why.text);
	else
		err_set_(e, ERR_USAGE, "%s: %s", c->u->path, why.text);
}

struct quadlet_name quadlet_name(struct arena *a, const char *name)
{
	const char *dot = strrchr(name, '.'), *at = strchr(name, '@');
	size_t n = dot ? (size_t)(dot - name) : strlen(name);
	struct quadlet_name r = {.stem = arena_ndup(a, name, n), .suffix = dot ? dot : ""};
	at = at && at < name + n ? at : NULL;
	r.prefix = at ? arena_ndup(a, name, (size_t)(at - name)) : r.stem;
	r.instance = at ? arena_ndup(a, at + 1, n - (size_t)(at + 1 - name)) : NULL;
	return r;
}

struct quadlet_unit *quadlet_find(struct quadlet *q, const char *name)
{
	for (size_t i = 0; i < q->units.n; i++)
		if (strcmp(q->units.v[i].name, name) == 0)
			return &q->units.v[i];
	return NULL;
}

const struct quadlet_type *quadlet_type(const char *name)
{
	const char *dot = strrchr(name, '.');
	for (size_t i = 0; dot && dot > name && i < countof(types); i++)
		if (strcmp(dot, types[i].suffix) == 0)
			return &types[i];
	return NULL;
}

const char *quadlet_get(struct quadlet_call *c, const char *key)
{
	return unitfile_value(&c->u->file, c->u->type->section, key);
}

const struct unitfile_line *quadlet_line(const struct quadlet_call *c, const char *key)
{
	return unitfile_last(&c->u->file, c->u->type->section, key);
}

int quadlet_get_bool(struct quadlet_call *c, const char *key, bool *ret, struct err *e)
{
	const char *value = quadlet_get(c, key);
	*ret = false;
	return value && !unitfile_bool(value, ret) ? quadlet_bad(c, quadlet_line(c, key), e, "\"%.60s\" is neither yes nor no", value) : 0;
}

/* The specifiers whose value is known here, each of two letters. */
static const char *resolve(struct arena *a, const char *text, const char *const (*known)[2], size_t n)
{
	own(buf) struct buf b = {};
	for (const char *p = text; *p; p++) {
		size_t i = 0;
		while (i < n && (!known[i][1] || p[0] != '%' || p[1] != *known[i][0]))
			i++;
		if (i < n)
			buf_str(&b, known[i][1]);
		else
			buf_char(&b, *p);
		p += i < n;
	}
	return arena_dup(a, buf_text(&b));
}

static void name_unit(struct quadlet *q, struct quadlet_unit *u)
{
	struct arena *a = &q->arena;
	struct quadlet_name n = quadlet_name(a, u->name);
	const struct quadlet_type *t = u->type;
	const char *given = unitfile_value(&u->file, t->section, "ServiceName");
	const char *at = n.instance ? "@" : "", *instance = n.instance ? n.instance : "";
	u->service = given ? given : arena_printf(a, "%s%s%s%s", n.prefix, t->after, at, instance);
	const char *name = t->name_key ? unitfile_value(&u->file, t->section, t->name_key) : NULL;
	if (!name && strcmp(t->suffix, ".image") == 0)
		name = unitfile_value(&u->file, t->section, "Image");
	if (!name && strcmp(t->suffix, ".build") != 0 && strcmp(t->suffix, ".image") != 0)
		name = strcmp(t->suffix, ".container") == 0 ? n.instance ? "systemd-%p_%i" : "systemd-%N" :
			n.instance ? arena_printf(a, "systemd-%s-%%i", n.prefix) : arena_printf(a, "systemd-%s", n.stem);
	u->resource = name;
	const char *const known[][2] = {{"N", u->service}, {"p", n.prefix}, {"i", n.instance && *n.instance ? n.instance : NULL}};
	u->known = name ? resolve(a, name, known, countof(known)) : NULL;
}

/* Of "foo@x.network" the unit of that name, or its template: then with the instance put in. */
static int find_named(struct quadlet_call *c, const char *name, struct quadlet_unit **ret, const char **service, const char **known)
{
	struct arena *a = &c->q->arena;
	struct quadlet_name n = quadlet_name(a, name), own = quadlet_name(a, c->u->name);
	struct quadlet_unit *u = quadlet_find(c->q, name);
	const char *instance = n.instance;
	*ret = u;
	if (u && instance && !*instance) {
		if (!own.instance)
			return -1;
		instance = "%i";
	} else if (!u && instance) {
		u = quadlet_find(c->q, arena_printf(a, "%s@%s", n.prefix, n.suffix));
	} else {
		instance = NULL;
	}
	*ret = u;
	if (!u)
		return -1;
	const char *const put[][2] = {{"i", instance}};
	*service = instance ? arena_printf(a, "%s%s.service", u->service, instance) : arena_printf(a, "%s.service", u->service);
	*known = u->known && instance ? resolve(a, u->known, put, 1) : u->known;
	return 0;
}

const char *quadlet_refer(struct quadlet_call *c, const struct unitfile_line *line, const char *name, const char *requires, struct err *e)
{
	struct quadlet_unit *u = NULL;
	const char *service = NULL, *known = NULL;
	if (find_named(c, name, &u, &service, &known) < 0) {
		quadlet_bad_(c, line, e, u ? "%.100s is a template: name an instance of it" : "there is no unit %.100s", name);
		return NULL;
	}
	bool by_systemd = known && strchr(known, '%') && !strstr(service, "%i");
	if (!known || by_systemd) {
		quadlet_bad_(c, line, e, known ? "only systemd can tell what \"%s\" of %s is: give it a name without %%" :
			"%s%s has no name: it says none", known ? known : "", u->name);
		return NULL;
	}
	*arena_push(&c->q->arena, &c->u->refers) = (size_t)(u - c->q->units.v);
	unitfile_add(&c->u->out, "Unit", requires, service);
	unitfile_add(&c->u->out, "Unit", "After", service);
	return known;
}

/* "network create" */
static const struct cmd *find_verb(const char *verb)
{
	own(strv) struct strv words = {};
	const struct cmd *const *list = cli_commands, *found = NULL;
	strv_split(&words, verb, ' ');
	for (size_t i = 0; i < words.n; i++) {
		const struct cmd *const *p = list;
		while (p && *p && strcmp((*p)->name, words.v[i]) != 0)
			p++;
		found = p ? *p : NULL;
		list = found ? found->sub : NULL;
	}
	return found;
}

int quadlet_begin(struct quadlet_call *c, const char *verb, struct err *e)
{
	static const struct quadlet_key globals = {"GlobalArgs", NULL, NULL, NULL};
	strv_drop(&c->args);
	c->args = (struct strv){};
	c->verb = verb;
	c->cmd = find_verb(verb);
	quadlet_word(c, c->q->exe);
	if (add_raw(c, &globals, e) < 0)
		return -1;
	strv_split(&c->args, verb, ' ');
	return 0;
}

int quadlet_keys(struct quadlet_call *c, struct err *e)
{
	const struct quadlet_type *t = c->u->type;
	for (size_t i = 0; i < t->nkeys; i++)
		if (t->keys[i].add && t->keys[i].add(c, &t->keys[i], e) < 0)
			return -1;
	return 0;
}

void quadlet_exec(struct quadlet_call *c, const char *key, const char *before)
{
	own(buf) struct buf b = {};
	buf_str(&b, before);
	for (size_t i = 0; i < c->args.n; i++) {
		if (i)
			buf_char(&b, ' ');
		unitfile_quote(c->args.v[i], &b);
	}
	unitfile_add(&c->u->out, "Service", key, buf_text(&b));
}

int quadlet_command(struct quadlet_call *c, const char *key, const char *before, struct err *e, const char *verb, ...)
{
	va_list ap;
	if (quadlet_begin(c, verb, e) < 0)
		return -1;
	va_start(ap, verb);
	for (const char *word; (word = va_arg(ap, const char *));)
		quadlet_word(c, word);
	va_end(ap);
	quadlet_exec(c, key, before);
	return 0;
}

void quadlet_oneshot(struct quadlet_call *c)
{
	unitfile_preset(&c->u->out, "Service", "SyslogIdentifier", "%N");
	unitfile_preset(&c->u->out, "Service", "Type", "oneshot");
	unitfile_preset(&c->u->out, "Service", "RemainAfterExit", "yes");
}

static int check_keys(const struct quadlet_call *c, const char *section, const struct quadlet_key *keys, size_t n, struct err *e)
{
	const struct unitfile_section *s = unitfile_find(&c->u->file, section);
	const char *names[160];
	for (size_t i = 0; i < n && i < countof(names); i++)
		names[i] = keys[i].name;
	for (size_t i = 0; s && i < s->lines.n; i++) {
		const struct unitfile_line *l = &s->lines.v[i];
		size_t k = 0;
		while (k < n && strcmp(keys[k].name, l->key) != 0)
			k++;
		if (k < n)
			continue;
		const char *near = str_nearest(l->key, names, n < countof(names) ? n : countof(names));
		return err_set(e, ERR_USAGE, "%s:%u: unsupported key \"%.60s\" in [%s]%s%s%s", l->file, l->number, l->key, section,
			near ? ": did you mean \"" : "", near ? near : "", near ? "\"?" : "");
	}
	return 0;
}

/* After=db.container is After=db.service. */
static int translate(struct quadlet_call *c, struct err *e)
{
	static const char *const keys[] = {"After", "Before", "BindsTo", "Conflicts", "OnFailure", "OnSuccess", "PartOf", "PropagatesReloadTo",
		"PropagatesStopTo", "ReloadPropagatedFrom", "Requires", "Requisite", "StopPropagatedFrom", "Upholds", "Wants"};
	struct unitfile_section *s = unitfile_find(&c->u->out, "Unit");
	for (size_t i = 0; s && i < s->lines.n; i++) {
		struct unitfile_line *l = &s->lines.v[i];
		own(strv) struct strv words = {};
		own(buf) struct buf b = {};
		bool changed = false;
		size_t k = 0;
		while (k < countof(keys) && strcmp(keys[k], l->key) != 0)
			k++;
		if (k == countof(keys) || unitfile_words(l->value, false, &words, e) < 0)
			continue;
		for (k = 0; k < words.n; k++) {
			struct quadlet_unit *u = NULL;
			const char *service = words.v[k], *known;
			changed |= quadlet_type(words.v[k]) != NULL;
			if (quadlet_type(words.v[k]) && find_named(c, words.v[k], &u, &service, &known) < 0)
				return quadlet_bad(c, l, e, u ? "%.100s is a template: name an instance of it" : "there is no unit %.100s", words.v[k]);
			buf_printf(&b, "%s%s", k ? " " : "", service);
		}
		if (changed)
			l->value = arena_dup(&c->u->out.arena, buf_text(&b));
	}
	return 0;
}

static void warn_of_service_keys(struct quadlet_call *c)
{
	static const char *const keys[] = {"User", "Group", "DynamicUser"};
	for (size_t i = 0; i < countof(keys); i++) {
		const struct unitfile_line *l = unitfile_last(&c->u->file, "Service", keys[i]);
		own(mem) char *text = l ? mem_printf("%s:%u: %s= in [Service] is hull's own user, not the container's: it keeps hull from what is root's",
			l->file, l->number, l->key) : NULL;
		if (l)
			c->q->warn(c->q->arg, text);
	}
}

static int start_service(struct quadlet_call *c, struct err *e)
{
	static const struct quadlet_key in_quadlet[] = {{"DefaultDependencies", NULL, NULL, NULL}};
	struct quadlet_unit *u = c->u;
	const struct quadlet_type *t = u->type;
	struct unitfile *out = &u->out;
	if (check_keys(c, t->section, t->keys, t->nkeys, e) < 0 || check_keys(c, "Quadlet", in_quadlet, 1, e) < 0)
		return -1;
	const struct unitfile_line *l = unitfile_last(&u->file, "Quadlet", "DefaultDependencies");
	bool defaults = true;
	if (l && !unitfile_bool(l->value, &defaults))
		return quadlet_bad(c, l, e, "\"%.60s\" is neither yes nor no", l->value);
	/* In front, so that the unit's own lines can take it back. */
	const char *online = c->q->user ? "hull-user-wait-network-online.service" : "network-online.target";
	if (defaults) {
		unitfile_add(out, "Unit", "Wants", online);
		unitfile_add(out, "Unit", "After", online);
	}
	unitfile_merge(out, &u->file);
	if (translate(c, e) < 0)
		return -1;
	unitfile_add(out, "Unit", "SourcePath", quadlet_path(c, u->path));
	unitfile_add(out, "Unit", "RequiresMountsFor", c->q->user ? "%t/hull" : "%S/hull %t/hull");
	unitfile_rename(out, t->section, arena_printf(&c->q->arena, "X-%s", t->section));
	unitfile_rename(out, "Quadlet", "X-Quadlet");
	warn_of_service_keys(c);
	return 0;
}

static void convert_unit(struct quadlet *q, struct quadlet_unit *u)
{
	struct quadlet_call c = {.q = q, .u = u};
	struct err e = {};
	int r;
	if (u->type->missing)
		r = err_set(&e, ERR_UNSUPPORTED, "%s: %s", u->path, u->type->missing);
	else
		r = start_service(&c, &e) < 0 || u->type->convert(&c, &e) < 0 ? -1 : 0;
	strv_drop(&c.args);
	strv_drop(&c.last);
	if (r == 0)
		return;
	u->failed = true;
	quadlet_say(q, &e);
}

/* The way from `at` back to `to` along what units refer to, into b. */
static bool leads_back(const struct quadlet *q, size_t at, size_t to, bool *seen, struct buf *b)
{
	const struct quadlet_unit *u = &q->units.v[at];
	for (size_t i = 0; i < u->refers.n; i++) {
		size_t next = u->refers.v[i], len = b->len;
		buf_printf(b, " -> %s", q->units.v[next].name);
		if (next == to)
			return true;
		if (!seen[next]) {
			seen[next] = true;
			if (leads_back(q, next, to, seen, b))
				return true;
		}
		b->len = len;
		b->data[len] = 0;
	}
	return false;
}

static void refuse_circles(struct quadlet *q)
{
	for (size_t i = 0; i < q->units.n; i++) {
		own(buf) struct buf b = {};
		own(mem) bool *seen = mem_alloc(q->units.n);
		struct err e = {};
		if (q->units.v[i].failed || !leads_back(q, i, i, seen, &b))
			continue;
		q->units.v[i].failed = true;
		err_set_(&e, ERR_USAGE, "%s: units that wait for each other: %s%.500s", q->units.v[i].path, q->units.v[i].name, buf_text(&b));
		quadlet_say(q, &e);
	}
}

static void refuse_doubles(struct quadlet *q)
{
	for (size_t i = 0; i < q->units.n; i++) {
		struct quadlet_unit *u = &q->units.v[i];
		struct err e = {};
		own(mem) char *file = mem_printf("%s.service", u->service);
		if (!u->failed && (!path_is_name(file) || str_has_prefix(file, ".") || strpbrk(file, " \t%")))
			err_set_(&e, ERR_USAGE, "%s: \"%.60s\" is no name of a service", u->path, u->service);
		for (size_t k = 0; k < i && !u->failed && !e.kind; k++)
			if (!q->units.v[k].failed && strcmp(q->units.v[k].service, u->service) == 0)
				err_set_(&e, ERR_USAGE, "%s: %s is made of %s already: give it a ServiceName=", u->path, file, q->units.v[k].path);
		if (!e.kind)
			continue;
		u->failed = true;
		quadlet_say(q, &e);
	}
}

void quadlet_convert(struct quadlet *q)
{
	const size_t *n[] = {&quadlet_container_nkeys, &quadlet_pod_nkeys, &quadlet_network_nkeys, &quadlet_volume_nkeys, &quadlet_image_nkeys,
		&quadlet_build_nkeys, &quadlet_kube_nkeys};
	for (size_t i = 0; i < countof(n); i++)
		types[i].nkeys = *n[i];
	for (size_t i = 0; i < q->units.n; i++)
		name_unit(q, &q->units.v[i]);
	for (size_t i = 0; i < q->units.n; i++)
		convert_unit(q, &q->units.v[i]);
	refuse_circles(q);
	refuse_doubles(q);
	for (size_t i = 0; i < q->units.n; i++) {
		struct quadlet_unit *u = &q->units.v[i], *pod = u->starts_with;
		if (!pod || u->failed || pod->failed)
			continue;
		const char *service = arena_printf(&q->arena, "%s.service", u->service);
		unitfile_add(&pod->out, "Unit", "Wants", service);
		unitfile_add(&pod->out, "Unit", "Before", service);
	}
}

void quadlet_format(const struct quadlet_unit *u, struct buf *out)
{
	buf_printf(out, "# Made by hull of %s: a change here is lost.\n", u->path);
	unitfile_write(&u->out, out);
}
