/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secret: see secret.h. secret.json is written last and removed first: a directory without it is half made, and gone with the next secret of
 * that name. --replace writes the data, then the record, each whole.
 */
#include "engine/secret.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "engine/events.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

struct secret {
	char *id, *created, *updated, *driver;
	struct map labels;
};
#define S struct secret
static const struct jfield fields[] = {
	JF(S, "ID", id, JT_STR),
	JF(S, "CreatedAt", created, JT_STR),
	JF(S, "UpdatedAt", updated, JT_STR),
	JF(S, "Driver", driver, JT_STR),
	JF(S, "Labels", labels, JT_MAP),
};
#undef S
static const struct jtable table = JTABLE(struct secret, fields);

static bool name_is_valid(const char *name)
{
	static const char also[] = "_.-";
	size_t n = 0;
	for (; name[n]; n++) {
		bool word = (name[n] >= 'a' && name[n] <= 'z') || (name[n] >= 'A' && name[n] <= 'Z') || (name[n] >= '0' && name[n] <= '9');
		if (!word && (n == 0 || !strchr(also, name[n])))
			return false;
	}
	return n > 0 && n <= 253;
}

static int open_secret(struct engine *g, const char *name, struct err *e)
{
	own(mem) char *path = mem_printf("secrets/%s", name);
	return path_open_dir(g->root, path, e);
}

static int load(struct engine *g, const char *name, struct arena *a, struct secret *ret, struct err *e)
{
	own(json) struct json *j = NULL;
	own(fd) int dir = open_secret(g, name, e);
	if (dir < 0 || json_read(dir, "secret.json", 65536, &j, e) < 0)
		return -1;
	return jmap_parse(&table, j, 0, a, ret, "secret.json", e);
}

static int names(struct engine *g, struct strv *ret, struct err *e)
{
	struct err why = {};
	if (path_list(g->root, "secrets", ret, &why) < 0)
		return why.sys == ENOENT ? 0 : (*e = why, -1);
	strv_sort(ret);
	return 0;
}

char *secret_find(struct engine *g, const char *text, struct err *e)
{
	own(strv) struct strv all = {};
	own(arena) struct arena a = {};
	const char *found = NULL;
	if (names(g, &all, e) < 0)
		return NULL;
	for (size_t i = 0; i < all.n; i++) {
		struct secret s = {};
		struct err gone = {};
		if (load(g, all.v[i], &a, &s, &gone) < 0)
			continue;
		if (str_eq(all.v[i], text))
			return mem_dup(text);
		if (!*text || !str_has_prefix(s.id, text))
			continue;
		if (found) {
			err_set_(e, ERR_USAGE, "%.60s begins the ids of several secrets", text);
			return NULL;
		}
		found = all.v[i];
	}
	if (found)
		return mem_dup(found);
	err_set_(e, ERR_NOT_FOUND, "no such secret: %.200s", text);
	return NULL;
}

static int put(int dir, const struct secret_request *r, const struct secret *s, struct err *e)
{
	own(json) struct json *j = jmap_format(&table, s);
	own(buf) struct buf b = BUF(65536);
	json_format(j, 0, &b);
	if (buf_check(&b, e) < 0 || path_write(dir, "data", r->data, r->n, 0600, PATH_SYNC, e) < 0)
		return -1;
	return path_write(dir, "secret.json", buf_text(&b), b.len, 0600, PATH_SYNC, e);
}

int secret_create(struct engine *g, const struct secret_request *r, char ret_id[26], struct err *e)
{
	char id[ID_LEN + 1], now[NUM_TEXT], driver[] = "file";
	own(arena) struct arena a = {};
	struct secret s = {};
	struct err missing = {};
	own(mem) char *path = mem_printf("secrets/%s", r->name);
	if (!name_is_valid(r->name))
		return err_set(e, ERR_USAGE, "invalid secret name \"%.80s\": only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed, at most 253", r->name);
	if (r->n == 0 || r->n > SECRET_MAX)
		return err_set(e, ERR_USAGE, "a secret has 1 to %d bytes, this one has %zu", SECRET_MAX, r->n);
	own(fd) int lock = path_lock(g->root, "secrets.lock", true, true, e);
	if (lock < 0)
		return -1;
	bool there = load(g, r->name, &a, &s, &missing) == 0;
	if (there && !r->replace)
		return err_set(e, ERR_EXISTS, "secret %s is there already: --replace gives it another value", r->name);
	if (path_mkdirs(g->root, "secrets", 0700, e) < 0 || path_mkdirs(g->root, path, 0700, e) < 0)
		return -1;
	own(fd) int dir = open_secret(g, r->name, e);
	if (dir < 0)
		return -1;
	num_random_id(id);
	id[25] = 0;
	num_format_time(num_now_ns(), now);
	s = (struct secret){.id = there ? s.id : id, .created = there ? s.created : now, .updated = now, .driver = driver, .labels = s.labels};
	if (r->labels && r->labels->n)
		s.labels = *r->labels;
	if (put(dir, r, &s, e) < 0)
		return err_wrap(e, "secret %s", r->name);
	memcpy(ret_id, s.id, strlen(s.id) < 25 ? strlen(s.id) + 1 : 25);
	ret_id[25] = 0;
	event_other(g, "secret", there ? "update" : "create", s.id, "name", r->name);
	return 0;
}

static struct json *document(const char *name, const struct secret *s)
{
	struct json *j = json_new_object(), *spec = json_new_object(), *driver = json_new_object(), *labels = json_new_object();
	for (size_t i = 0; i < s->labels.n; i++)
		json_set_str(labels, s->labels.v[i].key, s->labels.v[i].value);
	json_set_str(driver, "Name", s->driver);
	json_set_str(spec, "Name", name);
	json_set(spec, "Driver", driver);
	json_set(spec, "Labels", labels);
	json_set_str(j, "ID", s->id);
	json_set_str(j, "CreatedAt", s->created);
	json_set_str(j, "UpdatedAt", s->updated);
	json_set(j, "Spec", spec);
	return j;
}

/* Of one key any will do, of several keys each must. */
static int passes(const struct strv *filters, const char *name, const struct secret *s, struct err *e)
{
	bool asked[3] = {}, found[3] = {};
	for (size_t i = 0; filters && i < filters->n; i++) {
		const char *f = filters->v[i], *by_name = str_after(f, "name="), *by_id = str_after(f, "id="), *label = str_after(f, "label=");
		int k = by_name ? 0 : by_id ? 1 : label ? 2 : -1;
		if (k < 0)
			return err_set(e, ERR_USAGE, "invalid filter \"%.80s\": name, id and label are known", f);
		asked[k] = true;
		if (k < 2) {
			found[k] |= k == 0 ? strstr(name, by_name) != NULL : str_has_prefix(s->id ? s->id : "", by_id);
			continue;
		}
		own(mem) char *key = mem_ndup(label, strcspn(label, "="));
		const char *value = map_get(&s->labels, key), *want = strchr(label, '=');
		found[k] |= value && (!want || str_eq(value, want + 1));
	}
	for (size_t k = 0; k < countof(asked); k++)
		if (asked[k] && !found[k])
			return 0;
	return 1;
}

struct json *secret_list(struct engine *g, const struct strv *filters, struct err *e)
{
	own(strv) struct strv all = {};
	own(json) struct json *list = json_new_array();
	struct secret none = {};
	if (names(g, &all, e) < 0 || passes(filters, "", &none, e) < 0)
		return NULL;
	for (size_t i = 0; i < all.n; i++) {
		own(arena) struct arena a = {};
		struct secret s = {};
		struct err gone = {};
		if (load(g, all.v[i], &a, &s, &gone) == 0 && passes(filters, all.v[i], &s, e) > 0)
			json_add(list, document(all.v[i], &s));
	}
	return take(list);
}

struct json *secret_inspect(struct engine *g, const char *text, struct err *e)
{
	own(arena) struct arena a = {};
	struct secret s = {};
	own(mem) char *name = secret_find(g, text, e);
	return name && load(g, name, &a, &s, e) == 0 ? document(name, &s) : NULL;
}

/* The container that has it, or NULL. */
static int find_user(struct engine *g, const char *name, char ret[65], struct err *e)
{
	own(strv) struct strv ids = {};
	*ret = 0;
	if (containers_ids(&g->containers, false, &ids, e) < 0)
		return -1;
	for (size_t i = 0; i < ids.n && !*ret; i++) {
		own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
		struct err gone = {};
		if (containers_load(&g->containers, ids.v[i], 0, &c, &gone) < 0) {
			if (gone.kind == ERR_NOT_FOUND)
				continue;
			return *e = gone, -1;
		}
		for (size_t k = 0; k < c.record.host.secrets.n; k++)
			if (str_eq(c.record.host.secrets.v[k].name, name))
				memcpy(ret, c.id, sizeof c.id);
	}
	return 0;
}

int secret_remove(struct engine *g, const char *text, char **ret_name, struct err *e)
{
	own(arena) struct arena a = {};
	struct secret s = {};
	char user[65];
	own(fd) int lock = path_lock(g->root, "secrets.lock", true, true, e);
	own(mem) char *name = lock < 0 ? NULL : secret_find(g, text, e);
	if (!name || load(g, name, &a, &s, e) < 0 || find_user(g, name, user, e) < 0)
		return -1;
	if (*user)
		return err_set(e, ERR_CONFLICT, "secret %s is in use by container %.12s", name, user);
	own(mem) char *path = mem_printf("secrets/%s", name), *record = mem_printf("secrets/%s/secret.json", name);
	if (unlinkat(g->root, record, 0) < 0 && errno != ENOENT)
		return err_sys(e, "remove secret %s", name);
	if (path_remove_tree(g->root, path, e) < 0)
		return err_wrap(e, "secret %s", name);
	event_other(g, "secret", "remove", s.id, "name", name);
	*ret_name = take(name);
	return 0;
}

int secret_read(struct engine *g, const char *name, struct buf *out, struct err *e)
{
	struct err why = {};
	own(fd) int dir = open_secret(g, name, &why);
	if (dir < 0 && why.sys == ENOENT)
		return err_set(e, ERR_NOT_FOUND, "no such secret: %.200s", name);
	if (dir < 0)
		return *e = why, -1;
	return path_read(dir, "data", out, e) < 0 ? err_wrap(e, "secret %.200s", name) : 0;
}
