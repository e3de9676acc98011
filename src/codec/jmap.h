/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jmap: a C struct from and to JSON by a table of its fields: OCI config.json, manifests, the
 * engine's records, API bodies. Everything a parse makes lives in the caller's arena. Unknown keys
 * are ignored; a key of the wrong type is ERR_USAGE that names its path: `process.args[1]: must be a
 * string`. null counts as absent. A number that the field cannot hold and a string with a NUL in it are errors too.
 *
 *   static const struct jfield user_fields[] = {
 *           JF(struct user, "uid", uid, JT_U32),
 *           JF(struct user, "additionalGids", groups, JT_U32V),
 *   };
 *   static const struct jtable user_table = JTABLE(struct user, user_fields);
 */
#pragma once

#include "base/mem.h"
#include "base/str.h"
#include "codec/json.h"

struct opt_i64 { bool set; int64_t v; };
struct opt_u64 { bool set; uint64_t v; };
struct opt_bool { bool set; bool v; };
struct u32v { uint32_t *v; size_t n; };
struct i64v { int64_t *v; size_t n; };
/* A JSON object of strings, in document order. */
struct pair { char *key, *value; };
struct map { struct pair *v; size_t n; };
const char *map_get(const struct map *m, const char *key);
void map_set(struct arena *a, struct map *m, const char *key, const char *value);

enum jtype {
	JT_STR,    /* char * */
	JT_BOOL,   /* bool */
	JT_I64,    /* int64_t */
	JT_U64,    /* uint64_t */
	JT_U32,    /* uint32_t: range checked */
	JT_F64,    /* double */
	JT_OI64,   /* struct opt_i64: set when present */
	JT_OU64,   /* struct opt_u64 */
	JT_OBOOL,  /* struct opt_bool */
	JT_STRV,   /* struct strv: array of strings */
	JT_U32V,   /* struct u32v */
	JT_I64V,   /* struct i64v */
	JT_MAP,    /* struct map: object of strings */
	JT_KEYS,   /* struct strv: object whose keys count and whose values are {} (Volumes, ExposedPorts) */
	JT_STRUCT, /* a struct inside this one; .sub */
	JT_PTR,    /* struct *: NULL when absent; .sub */
	JT_LIST,   /* {struct *v; size_t n}; .sub */
	JT_JSON,   /* struct json *: kept as it is (a reference that the arena's owner must keep alive
	            * by keeping the document; jmap_format writes it out unchanged) */
};

enum jflags {
	JF_REQUIRED = 1 << 0, /* absent is an error */
	JF_ALWAYS = 1 << 1,   /* formatted even when empty: "", 0, false, [], {}; NULL list as null only with JF_NULL */
	JF_NULL = 1 << 2,     /* with JF_ALWAYS: an empty list, map or pointer is written as null, as Go does */
};

struct jtable;
struct jfield {
	const char *key;
	enum jtype type;
	unsigned flags;
	size_t at; /* offset in the struct */
	const struct jtable *sub;
};
struct jtable {
	const struct jfield *fields;
	size_t n, size; /* number of fields, sizeof the struct */
};
#define JTABLE(type, array)           {(array), countof(array), sizeof(type)}
#define JF(st, k, member, t)          {(k), (t), 0, offset_of(st, member), NULL}
#define JFF(st, k, member, t, f)      {(k), (t), (f), offset_of(st, member), NULL}
#define JFS(st, k, member, t, table)  {(k), (t), 0, offset_of(st, member), &(table)}
#define JFSF(st, k, member, t, table, f) {(k), (t), (f), offset_of(st, member), &(table)}

enum jmap_flags { JMAP_NOCASE = 1 << 0 /* keys as Go matches them */ };
/* Fills *st (zeroed by the caller) from an object. `what` names the document in errors, may be "". */
int jmap_parse(const struct jtable *t, const struct json *j, int flags, struct arena *a, void *st,
	const char *what, struct err *e) must_use;
/* The struct as JSON; fields that are empty (zero, unset, n == 0) are left out unless JF_ALWAYS. */
struct json *jmap_format(const struct jtable *t, const void *st) must_use;
