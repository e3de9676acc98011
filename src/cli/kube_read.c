/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kube_read: the fields of Kubernetes' objects. What has another type than its field is an error that names the place, as the API
 * server's is; what is not known is a warning, for files are written for clusters, where more has a meaning.
 */
#include "cli/kube.h"

#include "base/num.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

void kube_bad_(const struct kube_node *n, struct err *e, const char *fmt, ...)
{
	struct err why = {};
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(why.text, sizeof why.text, fmt, ap);
	va_end(ap);
	err_set_(e, ERR_USAGE, "%.200s: %.300s: %s", n->k->file, n->where, why.text);
}

enum { MAX_MADE = 256 << 20 };

static const char *const kind_words[] = {[JSON_NULL] = "nothing", [JSON_BOOL] = "true or false", [JSON_INT] = "a number", [JSON_DOUBLE] = "a number",
	[JSON_STRING] = "a string", [JSON_ARRAY] = "a list", [JSON_OBJECT] = "a mapping"};

static const char *below(const struct kube_node *n, const char *key)
{
	bool top = strchr(n->where, ' ') && !strchr(n->where, ':');
	return arena_printf(&n->k->arena, top ? "%s: %s" : "%s.%s", n->where, key);
}

/* 1: it is there; 0: it is not. */
static int field(const struct kube_node *n, const char *key, enum json_kind kind, const struct json **ret, struct err *e)
{
	const struct json *j = json_get(n->j, key);
	*ret = j;
	if (!j)
		return 0;
	if (json_kind(j) == kind)
		return 1;
	return kube_bad(*n, e, "%s is %s: it has to be %s%s", key, kind_words[json_kind(j)], kind_words[kind],
		kind == JSON_STRING && json_kind(j) < JSON_STRING ? ", in quotes" : "");
}

int kube_str(const struct kube_node *n, const char *key, const char **ret, struct err *e)
{
	const struct json *j;
	*ret = NULL;
	int r = field(n, key, JSON_STRING, &j, e);
	if (r <= 0)
		return r;
	*ret = json_str(j);
	return strlen(*ret) == json_str_len(j) ? kube_spend(n, json_str_len(j), e) : kube_bad(*n, e, "%s has a NUL in it", key);
}

int kube_need_str(const struct kube_node *n, const char *key, const char **ret, struct err *e)
{
	if (kube_str(n, key, ret, e) < 0)
		return -1;
	return str_is_empty(*ret) ? kube_bad(*n, e, "%s is missing", key) : 0;
}

int kube_bool(const struct kube_node *n, const char *key, bool *ret, struct err *e)
{
	const struct json *j;
	int r = field(n, key, JSON_BOOL, &j, e);
	*ret = r > 0 && json_truth(j);
	return r < 0 ? -1 : 0;
}

int kube_int(const struct kube_node *n, const char *key, int64_t min, int64_t max, struct opt_num *ret, struct err *e)
{
	const struct json *j;
	*ret = (struct opt_num){};
	int r = field(n, key, JSON_INT, &j, e);
	if (r <= 0)
		return r;
	*ret = (struct opt_num){true, json_i64(j)};
	return ret->v >= min && ret->v <= max ? 0 : kube_bad(*n, e, "%s is %lld: it is between %lld and %lld", key, (long long)ret->v, (long long)min,
		(long long)max);
}

static int inner(const struct kube_node *n, const char *key, enum json_kind kind, struct kube_node *ret, struct err *e)
{
	*ret = (struct kube_node){n->k, NULL, below(n, key)};
	return field(n, key, kind, &ret->j, e) < 0 ? -1 : 0;
}

int kube_object(const struct kube_node *n, const char *key, struct kube_node *ret, struct err *e)
{
	return inner(n, key, JSON_OBJECT, ret, e);
}

int kube_array(const struct kube_node *n, const char *key, struct kube_node *ret, struct err *e)
{
	return inner(n, key, JSON_ARRAY, ret, e);
}

int kube_at(const struct kube_node *array, size_t i, struct kube_node *ret, struct err *e)
{
	*ret = (struct kube_node){array->k, json_at(array->j, i), arena_printf(&array->k->arena, "%s[%zu]", array->where, i)};
	return json_kind(ret->j) == JSON_OBJECT ? 0 : kube_bad(*ret, e, "it is %s: it has to be a mapping", kind_words[json_kind(ret->j)]);
}

int kube_strings(const struct kube_node *n, const char *key, struct strv *ret, struct err *e)
{
	struct kube_node list;
	if (kube_array(n, key, &list, e) < 0)
		return -1;
	for (size_t i = 0; i < json_len(list.j); i++) {
		const struct json *j = json_at(list.j, i);
		if (json_kind(j) != JSON_STRING || strlen(json_str(j)) != json_str_len(j))
			return kube_bad(list, e, "[%zu] is %s: it has to be a string%s", i, json_kind(j) == JSON_STRING ? "one with a NUL" :
				kind_words[json_kind(j)],
				json_kind(j) < JSON_STRING ? ", in quotes" : "");
		if (kube_spend(&list, json_str_len(j), e) < 0)
			return -1;
		arena_strv_add(&n->k->arena, ret, json_str(j));
	}
	return 0;
}

/* In thousandths. As long doubles, so that 0.07 is 70 of them, not a hair more. */
int kube_pairs(const struct kube_node *n, const char *key, const char *option, struct strv *args, struct err *e)
{
	struct kube_node map;
	struct json_iter it = {};
	if (kube_object(n, key, &map, e) < 0)
		return -1;
	while (json_next(map.j, &it)) {
		const char *value;
		if (kube_str(&map, it.key, &value, e) < 0)
			return -1;
		kube_option(n->k, args, option, arena_printf(&n->k->arena, "%s=%s", it.key, value ? value : ""));
	}
	return 0;
}

static const struct { const char *suffix; long double factor; } suffixes[] = {
	{"", 1e3}, {"n", 1e-6}, {"u", 1e-3}, {"m", 1}, {"k", 1e6}, {"M", 1e9}, {"G", 1e12}, {"T", 1e15}, {"P", 1e18}, {"E", 1e21},
	{"Ki", 1024e3}, {"Mi", 1048576e3}, {"Gi", 1073741824e3}, {"Ti", 1099511627776e3}, {"Pi", 1125899906842624e3}, {"Ei", 1152921504606846976e3},
};

int kube_quantity(const struct kube_node *n, const char *key, struct opt_num *ret, struct err *e)
{
	const struct json *j = json_get(n->j, key);
	own(buf) struct buf plain = {};
	const char *text = json_str(j);
	*ret = (struct opt_num){};
	if (!j)
		return 0;
	if (json_kind(j) == JSON_INT || json_kind(j) == JSON_DOUBLE) {
		json_format(j, 0, &plain);
		text = buf_text(&plain);
	}
	if (!text)
		return kube_bad(*n, e, "%s is %s: it has to be a quantity, as in 500m or 1Gi", key, kind_words[json_kind(j)]);
	char *end;
	const char *number = text + (*text == '+');
	bool hex = strpbrk(number, "xX");
	long double v = !hex && (isdigit((unsigned char)*number) || *number == '.') ? strtold(number, &end) : -1;
	for (size_t i = 0; v >= 0 && i < countof(suffixes); i++) {
		long double thousandths = v * suffixes[i].factor;
		if (end == number || strcmp(end, suffixes[i].suffix) != 0 || thousandths >= 9e18L)
			continue;
		*ret = (struct opt_num){true, (int64_t)thousandths};
		ret->v += (long double)ret->v + 1e-9L < thousandths;
		return 0;
	}
	return kube_bad(*n, e, "%s is \"%.40s\": it has to be a quantity, as in 500m or 1Gi", key, text);
}

void kube_check(const struct kube_node *n, const char *known)
{
	own(strv) struct strv words = {};
	struct json_iter it = {};
	if (n->k->quiet)
		return;
	strv_split(&words, known, ' ');
	while (json_next(n->j, &it)) {
		bool found = false;
		for (size_t i = 0; i < words.n && !found; i++)
			found = strcmp(words.v[i] + (words.v[i][0] == '-'), it.key) == 0;
		if (!found)
			cli_warn("%.200s: %.300s: %.80s has no effect here", n->k->file, n->where, it.key);
	}
}

int kube_name(const struct kube_node *n, const char *key, const char **ret, struct err *e)
{
	if (kube_need_str(n, key, ret, e) < 0)
		return -1;
	size_t len = strlen(*ret);
	bool ok = len <= 253 && (*ret)[strspn(*ret, "abcdefghijklmnopqrstuvwxyz0123456789-.")] == 0 && isalnum((unsigned char)(*ret)[0]) &&
		isalnum((unsigned char)(*ret)[len - 1]);
	return ok ? 0 : kube_bad(*n, e, "%s is \"%.80s\": only a-z, 0-9, - and . are allowed, a letter or digit at both ends", key, *ret);
}

int kube_spend(const struct kube_node *n, size_t bytes, struct err *e)
{
	n->k->spent += bytes;
	return n->k->spent <= MAX_MADE ? 0 : kube_bad(*n, e, "more than %d MiB come of this file", MAX_MADE >> 20);
}
