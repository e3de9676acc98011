/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json: a JSON document (RFC 8259). struct json is one value; NULL is JSON null. A value belongs to
 * its parent; the root is released with json_drop(). Integers keep 64 bits, signed and unsigned.
 * Parsing is strict: depth at most 64, well-formed UTF-8, nothing behind the value, integers that 64 bits
 * hold; of equal keys the last one counts; a key has no \u0000. Whatever is refused is ERR_CORRUPT.
 */
#pragma once

#include "base/buf.h"
#include "base/str.h"

struct json;

enum json_kind { JSON_NULL, JSON_BOOL, JSON_INT, JSON_DOUBLE, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

void json_drop(struct json **j); /* own(json) struct json *j = NULL */
int json_parse(const char *text, size_t len, struct json **ret, struct err *e) must_use;
/* Reads and parses a file of at most max bytes. */
int json_read(int dirfd, const char *path, size_t max, struct json **ret, struct err *e) must_use;

enum json_kind json_kind(const struct json *j);
/* Each returns the empty value when j is of another type: NULL, 0, false. */
const char *json_str(const struct json *j);
int64_t json_i64(const struct json *j);
uint64_t json_u64(const struct json *j);
size_t json_str_len(const struct json *j); /* bytes, for a string that may have \u0000 in it */
double json_double(const struct json *j); /* finite: what is too large is the largest */
bool json_truth(const struct json *j);
size_t json_len(const struct json *j);                         /* of an array or object */
struct json *json_at(const struct json *array, size_t i);
struct json *json_get(const struct json *object, const char *key);        /* NULL when absent or null */
bool json_has(const struct json *object, const char *key);
struct json *json_get_nocase(const struct json *object, const char *key); /* as Go reads keys */
const char *json_get_str(const struct json *object, const char *key);

/* struct json_iter it = {}; while (json_next(object, &it)) … it.key, it.value. Keys in document order. */
struct json_iter {
	const char *key;
	struct json *value;
	void *at;
	bool begun;
};
bool json_next(const struct json *object, struct json_iter *it);

struct json *json_new_object(void) must_use;
struct json *json_new_array(void) must_use;
struct json *json_new_str(const char *s) must_use; /* NULL gives null */
struct json *json_new_str_n(const char *s, size_t n) must_use;
struct json *json_new_i64(int64_t v) must_use;
struct json *json_new_u64(uint64_t v) must_use;
struct json *json_new_double(double v) must_use;
struct json *json_new_bool(bool v) must_use;
struct json *json_new_strv(const struct strv *l) must_use;     /* an array of strings */
struct json *json_ref(struct json *j) must_use;              /* a second owner of the same value */
void json_set(struct json *object, const char *key, struct json *value); /* takes value */
void json_set_str(struct json *object, const char *key, const char *s);
void json_del(struct json *object, const char *key);
void json_add(struct json *array, struct json *value);                   /* takes value */

/* indent 0: one line without blanks; else that many blanks a level, as docker's inspect prints (4). */
void json_format(const struct json *j, int indent, struct buf *out);
/* One string, quoted and escaped as Go does it (<, >, & as \u003c … only with html; a byte that is not UTF-8 as \ufffd). */
void json_quote(const char *s, size_t n, bool html, struct buf *out);
