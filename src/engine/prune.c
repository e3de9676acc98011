/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/prune.h"

#include "base/num.h"
#include "engine/container.h"
#include "engine/disk.h"
#include "engine/events.h"
#include "engine/list.h"

int prune_filters_parse(const struct strv *from, struct prune_filters *ret, struct err *e)
{
	for (size_t i = 0; i < from->n; i++) {
		const char *f = from->v[i], *v;
		if ((v = str_after(f, "until="))) {
			if (ret->until)
				return err_set(e, ERR_USAGE, "--filter until= is said twice");
			if (num_time(v, num_now_ns(), &ret->until_ns, e) < 0)
				return err_wrap(e, "--filter until");
			ret->until = true;
		} else if ((v = str_after(f, "label!="))) {
			strv_add(&ret->without, v);
		} else if (str_has_prefix(f, "label=")) {
			strv_add(&ret->list, f);
		} else {
			return err_set(e, ERR_USAGE, "invalid --filter \"%.60s\": until=, label= and label!= are known", f);
		}
	}
	return 0;
}

void prune_filters_drop(struct prune_filters *f)
{
	strv_drop(&f->list);
	strv_drop(&f->without);
}

static bool has_label(const struct json *labels, const char *text)
{
	size_t n = strcspn(text, "=");
	own(mem) char *key = mem_ndup(text, n);
	const char *value = json_get_str(labels, key);
	return value && (!text[n] || str_eq(value, text + n + 1));
}

bool prune_filters_take(const struct prune_filters *f, const struct json *row)
{
	if (f->until && json_i64(json_get(row, "Created")) * 1000000000LL >= f->until_ns)
		return false;
	for (size_t i = 0; i < f->without.n; i++)
		if (has_label(json_get(row, "Labels"), f->without.v[i]))
			return false;
	return true;
}

int prune_containers(struct engine *g, const struct strv *given, struct strv *ret_ids, struct err *e)
{
	own(prune_filters) struct prune_filters filters = {};
	if (prune_filters_parse(given, &filters, e) < 0)
		return -1;
	strv_add(&filters.list, "status=created");
	strv_add(&filters.list, "status=exited");
	strv_add(&filters.list, "status=dead");
	struct container_list_request q = {.all = true, .filters = &filters.list};
	own(json) struct json *rows = container_list(g, &q, e);
	if (!rows)
		return -1;
	for (size_t i = 0; i < json_len(rows); i++) {
		const struct json *row = json_at(rows, i);
		const char *id = json_get_str(row, "Id");
		struct err why = {};
		if (!id || !prune_filters_take(&filters, row))
			continue;
		/* One that was started meanwhile is running: it stays. */
		if (container_delete(g, id, false, false, &why) == 0)
			strv_add(ret_ids, id);
		else if (why.kind != ERR_CONFLICT && why.kind != ERR_NOT_FOUND)
			engine_warn(g, "%s", why.text);
	}
	return 0;
}

int prune_freed(struct engine *g, const char *type, const char *const *folders, size_t n, uint64_t before, uint64_t *ret, struct err *e)
{
	uint64_t after;
	if (disk_bytes(g, folders, n, &after, e) < 0)
		return -1;
	*ret = before > after ? before - after : 0;
	event_pruned(g, type, *ret);
	return 0;
}
