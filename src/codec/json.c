/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json: struct json is json-c's json_object under a name of our own, so that this is the only file
 * that knows the library. The writer is ours: Go's way to escape and indent is what docker's users
 * compare with.
 */
#include "codec/json.h"

#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "codec/json_scan.h"

#include <errno.h>
#include <float.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <limits.h>
#include <string.h>
#include <strings.h>

enum { DEPTH = 64 };

static struct json_object *in(const struct json *j)
{
	return (struct json_object *)(uintptr_t)j;
}

static struct json *out_(struct json_object *j)
{
	return (struct json *)j;
}

void json_drop(struct json **j)
{
	int saved = errno;
	json_object_put(in(*j));
	*j = NULL;
	errno = saved;
}

int json_parse(const char *text, size_t len, struct json **ret, struct err *e)
{
	if (len > INT_MAX)
		return err_set(e, ERR_LIMIT, "JSON: %zu bytes", len);
	if (json_scan(text, len, e) < 0)
		return -1;
	struct json_tokener *tok = json_tokener_new_ex(DEPTH);
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT);
	struct json_object *j = json_tokener_parse_ex(tok, len ? text : " ", len ? (int)len : 1);
	enum json_tokener_error err = json_tokener_get_error(tok);
	size_t end = json_tokener_get_parse_end(tok);
	/* A number is complete only when something follows it: a NUL. */
	if (err == json_tokener_continue) {
		end = len;
		j = json_tokener_parse_ex(tok, "", 1);
		err = json_tokener_get_error(tok);
	}
	json_tokener_free(tok);
	if (err != json_tokener_success) {
		json_object_put(j);
		return err_set(e, ERR_CORRUPT, "JSON: %s at byte %zu", json_tokener_error_desc(err), end);
	}
	while (end < len && strchr(" \t\r\n", text[end]))
		end++;
	if (end < len) {
		json_object_put(j);
		return err_set(e, ERR_CORRUPT, "JSON: text behind the value at byte %zu", end);
	}
	*ret = out_(j);
	return 0;
}

int json_read(int dirfd, const char *path, size_t max, struct json **ret, struct err *e)
{
	own(buf) struct buf b = BUF(max);
	if (path_read(dirfd, path, &b, e) < 0)
		return -1;
	if (json_parse(buf_text(&b), b.len, ret, e) < 0)
		return err_wrap(e, "%s", path);
	return 0;
}

enum json_kind json_kind(const struct json *j)
{
	switch (json_object_get_type(in(j))) {
	case json_type_boolean: return JSON_BOOL;
	case json_type_int: return JSON_INT;
	case json_type_double: return JSON_DOUBLE;
	case json_type_string: return JSON_STRING;
	case json_type_array: return JSON_ARRAY;
	case json_type_object: return JSON_OBJECT;
	default: return JSON_NULL;
	}
}

const char *json_str(const struct json *j)
{
	return json_kind(j) == JSON_STRING ? json_object_get_string(in(j)) : NULL;
}

size_t json_str_len(const struct json *j)
{
	return json_kind(j) == JSON_STRING ? (size_t)json_object_get_string_len(in(j)) : 0;
}

int64_t json_i64(const struct json *j)
{
	enum json_kind t = json_kind(j);
	return t == JSON_INT || t == JSON_DOUBLE ? json_object_get_int64(in(j)) : 0;
}

uint64_t json_u64(const struct json *j)
{
	return json_kind(j) == JSON_INT ? json_object_get_uint64(in(j)) : 0;
}

double json_double(const struct json *j)
{
	enum json_kind t = json_kind(j);
	double v = t == JSON_INT || t == JSON_DOUBLE ? json_object_get_double(in(j)) : 0;
	/* 1e999 is the largest number there is; no minus before a zero. */
	return v > DBL_MAX ? DBL_MAX : v < -DBL_MAX ? -DBL_MAX : v != 0 ? v : 0;
}

bool json_truth(const struct json *j)
{
	return json_kind(j) == JSON_BOOL && json_object_get_boolean(in(j));
}

size_t json_len(const struct json *j)
{
	enum json_kind t = json_kind(j);
	if (t == JSON_ARRAY)
		return json_object_array_length(in(j));
	return t == JSON_OBJECT ? (size_t)json_object_object_length(in(j)) : 0;
}

struct json *json_at(const struct json *array, size_t i)
{
	return json_kind(array) == JSON_ARRAY ? out_(json_object_array_get_idx(in(array), i)) : NULL;
}

struct json *json_get(const struct json *object, const char *key)
{
	struct json_object *v = NULL;
	if (json_kind(object) == JSON_OBJECT)
		json_object_object_get_ex(in(object), key, &v);
	return out_(v);
}

bool json_has(const struct json *object, const char *key)
{
	return json_kind(object) == JSON_OBJECT && json_object_object_get_ex(in(object), key, NULL);
}

struct json *json_get_nocase(const struct json *object, const char *key)
{
	struct json *v = json_get(object, key);
	if (v)
		return v;
	struct json_iter it = {};
	while (json_next(object, &it))
		if (strcasecmp(it.key, key) == 0)
			return it.value;
	return NULL;
}

const char *json_get_str(const struct json *object, const char *key)
{
	return json_str(json_get(object, key));
}

bool json_next(const struct json *object, struct json_iter *it)
{
	if (json_kind(object) != JSON_OBJECT)
		return false;
	struct lh_entry *entry =
		it->begun ? ((struct lh_entry *)it->at)->next : json_object_get_object(in(object))->head;
	it->begun = true;
	it->at = entry;
	if (!entry)
		return false;
	it->key = entry->k;
	it->value = out_((struct json_object *)(uintptr_t)entry->v);
	return true;
}

struct json *json_new_object(void)
{
	return out_(json_object_new_object());
}

struct json *json_new_array(void)
{
	return out_(json_object_new_array());
}

struct json *json_new_str(const char *s)
{
	return s ? out_(json_object_new_string(s)) : NULL;
}

struct json *json_new_strv(const struct strv *l)
{
	struct json *j = json_new_array();
	for (size_t i = 0; i < l->n; i++)
		json_add(j, json_new_str(l->v[i]));
	return j;
}

struct json *json_new_str_n(const char *s, size_t n)
{
	return out_(json_object_new_string_len(s, (int)n));
}

struct json *json_new_i64(int64_t v)
{
	return out_(json_object_new_int64(v));
}

struct json *json_new_u64(uint64_t v)
{
	return out_(json_object_new_uint64(v));
}

struct json *json_new_double(double v)
{
	return out_(json_object_new_double(v));
}

struct json *json_new_bool(bool v)
{
	return out_(json_object_new_boolean(v));
}

struct json *json_ref(struct json *j)
{
	return out_(json_object_get(in(j)));
}

void json_set(struct json *object, const char *key, struct json *value)
{
	json_object_object_add(in(object), key, in(value));
}

void json_set_str(struct json *object, const char *key, const char *s)
{
	json_set(object, key, json_new_str(s));
}

void json_del(struct json *object, const char *key)
{
	json_object_object_del(in(object), key);
}

void json_add(struct json *array, struct json *value)
{
	json_object_array_add(in(array), in(value));
}

void json_quote(const char *s, size_t n, bool html, struct buf *out)
{
	static const char names[] = "\"\"\\\\\nn\rr\tt";
	buf_char(out, '"');
	for (size_t i = 0, from = 0; i <= n; i++) {
		unsigned char c = i < n ? (unsigned char)s[i] : 0;
		size_t len = c < 0x80 ? 1 : str_utf8(s + i, n - i);
		bool escaped = c < 0x20 || c == '"' || c == '\\' || (html && strchr("<>&", c));
		if (i < n && len && !escaped) {
			i += len - 1;
			continue;
		}
		buf_add(out, s + from, i - from);
		from = i + 1;
		if (i == n)
			break;
		const char *at = c ? strchr(names, c) : NULL;
		if (!len)
			buf_str(out, "\\ufffd");
		else if (at)
			buf_printf(out, "\\%c", at[1]);
		else
			buf_printf(out, "\\u%04x", c);
	}
	buf_char(out, '"');
}

static void newline(int indent, int depth, struct buf *out)
{
	if (!indent)
		return;
	buf_char(out, '\n');
	for (int i = 0; i < indent * depth; i++)
		buf_char(out, ' ');
}

static void format_int(const struct json *j, struct buf *out)
{
	if (json_i64(j) < 0)
		buf_printf(out, "%" PRId64, json_i64(j));
	else
		buf_printf(out, "%" PRIu64, json_u64(j));
}

static void format(const struct json *j, int indent, int depth, struct buf *out)
{
	size_t n = json_len(j), i = 0;
	struct json_iter it = {};
	char number[NUM_TEXT];
	switch (json_kind(j)) {
	case JSON_NULL: buf_str(out, "null"); break;
	case JSON_BOOL: buf_str(out, json_truth(j) ? "true" : "false"); break;
	case JSON_INT: format_int(j, out); break;
	/* Go would write an exponent from 1e21 on; below that, digits could be an integer of more than 64 bits. */
	case JSON_DOUBLE: buf_str(out, num_format_double(json_double(j), 18, number)); break;
	case JSON_STRING:
		json_quote(json_str(j), json_str_len(j), false, out);
		break;
	case JSON_ARRAY:
		buf_char(out, '[');
		for (; i < n; i++) {
			if (i)
				buf_char(out, ',');
			newline(indent, depth + 1, out);
			format(json_at(j, i), indent, depth + 1, out);
		}
		if (n)
			newline(indent, depth, out);
		buf_char(out, ']');
		break;
	case JSON_OBJECT:
		buf_char(out, '{');
		while (json_next(j, &it)) {
			if (i++)
				buf_char(out, ',');
			newline(indent, depth + 1, out);
			json_quote(it.key, strlen(it.key), false, out);
			buf_str(out, indent ? ": " : ":");
			format(it.value, indent, depth + 1, out);
		}
		if (n)
			newline(indent, depth, out);
		buf_char(out, '}');
		break;
	}
}

void json_format(const struct json *j, int indent, struct buf *out)
{
	format(j, indent, 0, out);
}
