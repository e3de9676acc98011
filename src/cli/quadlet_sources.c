/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quadlet_sources: what a key names on the host: a path (relative to the unit; its file system is to be mounted first), or another
 * unit, which is required and waited for.
 */
#include "cli/quadlet.h"

#include "base/path.h"

#include <stdio.h>

/* A percent sign of a file's name is none of systemd's. */
static const char *literal(struct arena *a, const char *path)
{
	own(buf) struct buf b = {};
	for (; *path; path++)
		buf_printf(&b, *path == '%' ? "%%%%" : "%c", *path);
	return arena_dup(a, buf_text(&b));
}

const char *quadlet_path(struct quadlet_call *c, const char *path)
{
	struct arena *a = &c->q->arena;
	if (path == c->u->path)
		return literal(a, path);
	if (*path == '/' || (*path == '%' && path[1] != '%'))
		return path;
	const char *slash = strrchr(c->u->path, '/');
	const char *dir = literal(a, slash ? arena_ndup(a, c->u->path, (size_t)(slash - c->u->path)) : ".");
	own(mem) char *joined = path_join(dir, path);
	own(mem) char *clean = path_clean(joined);
	return arena_dup(a, clean);
}

const char *quadlet_image_name(struct quadlet_call *c, const char *key, struct err *e)
{
	const char *image = quadlet_get(c, key);
	bool unit = image && (str_has_suffix(image, ".image") || str_has_suffix(image, ".build"));
	return unit ? quadlet_refer(c, quadlet_line(c, key), image, "Requires", e) : image;
}

int add_env_files(struct quadlet_call *c, const struct quadlet_key *k, struct err *e)
{
	const struct unitfile_line *l;
	for (size_t at = 0; (l = unitfile_next(&c->u->file, c->u->type->section, k->name, &at));) {
		own(strv) struct strv words = {};
		struct err why = {};
		if (unitfile_words(l->value, true, &words, &why) < 0)
			return quadlet_bad(c, l, e, "%s", why.text);
		for (size_t i = 0; i < words.n; i++)
			if (quadlet_option(c, l, k->option, quadlet_path(c, words.v[i]), e) < 0)
				return -1;
	}
	return 0;
}

/* podman's NAME:KEY=VALUE,… is hull's name=NAME,KEY=VALUE,… */
static int network_options(struct quadlet_call *c, const struct unitfile_line *l, const char *name, const char *options, struct buf *b, struct err *e)
{
	own(strv) struct strv parts = {};
	strv_split(&parts, options, ',');
	buf_printf(b, "name=%s", name);
	for (size_t i = 0; i < parts.n; i++) {
		const char *ip = str_after(parts.v[i], "ip=");
		if (!strchr(parts.v[i], '='))
			return quadlet_bad(c, l, e, "\"%.60s\" is no KEY=VALUE", parts.v[i]);
		if (ip)
			buf_printf(b, ",%s=%s", strchr(ip, ':') ? "ip6" : "ip", ip);
		else
			buf_printf(b, ",%s", parts.v[i]);
	}
	return 0;
}

static int one_network(struct quadlet_call *c, const struct quadlet_key *k, const struct unitfile_line *l, struct err *e)
{
	static const char *const usual[] = {"pasta", "slirp4netns", "private"};
	struct arena *a = &c->q->arena;
	size_t n = strcspn(l->value, ":");
	const char *name = arena_ndup(a, l->value, n), *options = l->value[n] ? l->value + n + 1 : NULL;
	bool container = str_has_suffix(name, ".container");
	own(buf) struct buf b = {};
	/* What a plain user's containers have anyway. */
	for (size_t i = 0; i < countof(usual); i++)
		if (strcmp(name, usual[i]) == 0)
			return options ? quadlet_bad(c, l, e, "hull chooses itself how a user's containers get out: leave \"%.60s\" away", options) : 0;
	if (strcmp(name, "container") == 0 || strcmp(name, "ns") == 0)
		return quadlet_option(c, l, k->option, l->value, e);
	if (container || str_has_suffix(name, ".network")) {
		const char *known = quadlet_refer(c, l, name, "Requires", e);
		if (!known)
			return -1;
		if (container && options)
			return quadlet_bad(c, l, e, "options do not go with another container's network");
		name = container ? arena_printf(a, "container:%s", known) : known;
	}
	if (options && network_options(c, l, name, options, &b, e) < 0)
		return -1;
	return quadlet_option(c, l, k->option, options ? buf_text(&b) : name, e);
}

int add_networks(struct quadlet_call *c, const struct quadlet_key *k, struct err *e)
{
	const struct unitfile_line *l;
	for (size_t at = 0; (l = unitfile_next(&c->u->file, c->u->type->section, k->name, &at));)
		if (one_network(c, k, l, e) < 0)
			return -1;
	return 0;
}

static const char *source(struct quadlet_call *c, const struct unitfile_line *l, const char *from, struct err *e)
{
	if (str_has_suffix(from, ".volume"))
		return quadlet_refer(c, l, from, "Requires", e);
	if (*from == '.')
		from = quadlet_path(c, from);
	if (*from == '/') {
		own(buf) struct buf b = {};
		unitfile_quote(from, &b);
		unitfile_add(&c->u->out, "Unit", "RequiresMountsFor", buf_text(&b));
	}
	return from;
}

int add_volumes(struct quadlet_call *c, const struct quadlet_key *k, struct err *e)
{
	const struct unitfile_line *l;
	for (size_t at = 0; (l = unitfile_next(&c->u->file, c->u->type->section, k->name, &at));) {
		size_t n = strcspn(l->value, ":");
		if (!n)
			return quadlet_bad(c, l, e, "the source is empty: it is [SOURCE:]PATH[:OPTIONS]");
		if (!l->value[n]) {
			if (quadlet_option(c, l, k->option, l->value, e) < 0)
				return -1;
			continue;
		}
		const char *from = source(c, l, arena_ndup(&c->q->arena, l->value, n), e);
		if (!from || quadlet_option(c, l, k->option, arena_printf(&c->q->arena, "%s%s", from, l->value + n), e) < 0)
			return -1;
	}
	return 0;
}

/* At commas that are not in quotes of CSV; the fields keep them. */
static void split_fields(const char *text, struct strv *ret)
{
	bool quoted = false;
	const char *first = text;
	for (;; text++) {
		quoted ^= *text == '"';
		if (*text && (quoted || *text != ','))
			continue;
		strv_add_n(ret, first, (size_t)(text - first));
		if (!*text)
			return;
		first = text + 1;
	}
}

static int one_mount(struct quadlet_call *c, const struct quadlet_key *k, const struct unitfile_line *l, const char *spec, struct err *e)
{
	static const char *const types[] = {"bind", "volume", "tmpfs"};
	own(strv) struct strv fields = {};
	own(buf) struct buf b = {};
	const char *type = "volume", *v;
	size_t known = 0;
	split_fields(spec, &fields);
	for (size_t i = 0; i < fields.n; i++)
		type = (v = str_after(fields.v[i], "type=")) ? v : type;
	while (known < countof(types) && strcmp(types[known], type) != 0)
		known++;
	if (known == countof(types))
		return quadlet_bad(c, l, e, "hull %s mounts bind, volume and tmpfs, not type=%.60s", c->verb, type);
	for (size_t i = 0; i < fields.n; i++) {
		const char *f = fields.v[i], *from = str_after(f, "source=");
		from = from ? from : str_after(f, "src=");
		/* podman's name for it */
		v = strcmp(type, "volume") == 0 ? str_after(f, "subpath=") : NULL;
		if (from && !*from)
			return quadlet_bad(c, l, e, "source= is empty");
		if (from && !(from = source(c, l, from, e)))
			return -1;
		buf_printf(&b, "%s%s%s", i ? "," : "", from ? "source=" : v ? "volume-subpath=" : "", from ? from : v ? v : f);
	}
	return quadlet_option(c, l, k->option, buf_text(&b), e);
}

int add_mounts(struct quadlet_call *c, const struct quadlet_key *k, struct err *e)
{
	const struct unitfile_line *l;
	for (size_t at = 0; (l = unitfile_next(&c->u->file, c->u->type->section, k->name, &at));) {
		own(strv) struct strv words = {};
		struct err why = {};
		if (unitfile_words(l->value, true, &words, &why) < 0)
			return quadlet_bad(c, l, e, "%s", why.text);
		for (size_t i = 0; i < words.n; i++)
			if (one_mount(c, k, l, words.v[i], e) < 0)
				return -1;
	}
	return 0;
}
