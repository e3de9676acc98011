/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prune: the filters that every prune takes. label= is what a list filters by; until= and label!= are looked at here, row by row.
 */
#include "cli/prune.h"

#include "base/num.h"

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
