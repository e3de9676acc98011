/* SPDX-License-Identifier: Apache-2.0 */
/*
 * search: see search.h. A catalog knows names alone: those that have the word in them are it, read page by page until there are enough.
 */
#include "image/search.h"

#include "image/pull_wire.h"

#include <ctype.h>
#include <string.h>

enum { PAGE = 1000, PAGES_MAX = 1000, NAME_MAX = 256 };

static char *escape(const char *text)
{
	own(buf) struct buf b = {};
	for (; *text; text++)
		if (isalnum((unsigned char)*text) || strchr("-_.~", *text))
			buf_char(&b, *text);
		else
			buf_printf(&b, "%%%02X", (unsigned char)*text);
	return buf_take(&b);
}

static int page(struct pull *p, const char *path, struct json **ret, char **ret_next, struct err *e)
{
	own(received) struct received d = {};
	if (pull_document(p, path, UINT64_MAX, &d, e) < 0)
		return -1;
	if (json_parse(buf_text(&d.text), d.text.len, ret, e) < 0)
		return err_set(e, ERR_CORRUPT, "search: the registry sent something that is not JSON");
	if (ret_next)
		*ret_next = mem_dup(json_get_str(d.answer, "next"));
	return 0;
}

static void add(struct json *list, const char *name, const struct json *more)
{
	struct json *row = json_new_object();
	const char *description = json_get_str(more, "description");
	json_set_str(row, "name", name);
	json_set_str(row, "description", description ? description : "");
	json_set(row, "star_count", json_new_i64(json_i64(json_get(more, "star_count"))));
	json_set(row, "is_official", json_new_bool(json_truth(json_get(more, "is_official"))));
	json_set(row, "is_automated", json_new_bool(json_truth(json_get(more, "is_automated"))));
	json_add(list, row);
}

static int by_catalog(struct pull *p, const char *term, unsigned max, struct json *ret, struct err *e)
{
	own(mem) char *path = mem_printf("/v2/_catalog?n=%d", PAGE);
	for (size_t pages = 0; path && pages < PAGES_MAX; pages++) {
		own(json) struct json *j = NULL;
		char *next = NULL;
		if (page(p, path, &j, &next, e) < 0)
			return err_wrap(e, "catalog");
		const struct json *names = json_get(j, "repositories");
		for (size_t i = 0; i < json_len(names); i++) {
			const char *name = json_str(json_at(names, i));
			if (name && strlen(name) < NAME_MAX && strstr(name, term))
				add(ret, name, NULL);
			if (json_len(ret) >= max) {
				mem_drop(&next);
				return 0;
			}
		}
		mem_drop(&path);
		path = next;
	}
	return 0;
}

int search_remote(struct pull *p, const char *term, unsigned max, struct json *ret, struct err *e)
{
	own(mem) char *word = escape(term);
	own(mem) char *path = mem_printf("/v1/search?q=%s&n=%u", word, max);
	own(json) struct json *j = NULL;
	struct err why = {};
	if (page(p, path, &j, NULL, &why) < 0 || json_kind(json_get(j, "results")) != JSON_ARRAY) {
		/* No index there, or something else that answers to everything. */
		if (why.kind && why.kind != ERR_NOT_FOUND && why.kind != ERR_REMOTE && why.kind != ERR_CORRUPT) {
			*e = why;
			return -1;
		}
		return by_catalog(p, term, max, ret, e);
	}
	const struct json *results = json_get(j, "results");
	for (size_t i = 0; i < json_len(results) && json_len(ret) < max; i++) {
		const char *name = json_get_str(json_at(results, i), "name");
		if (!str_is_empty(name))
			add(ret, name, json_at(results, i));
	}
	return 0;
}
