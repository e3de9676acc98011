/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tmpl: Go's text/template as docker's --format uses it, over a JSON value.
 *
 * Actions: {{.A.B}} {{$x := .A}} {{$x}} {{if}} {{else if}} {{else}} {{range}} {{range $i, $v := .A}} {{break}}
 * {{continue}} {{with}} {{end}} {{/ * comment * /}} trim markers {{- -}} pipelines, parentheses, string (also raw), number,
 * bool and nil literals. Functions: and or not eq ne lt le gt ge len index slice print printf println html js urlquery
 * call; docker's: json split join title lower upper pad truncate. An absent key prints `<no value>`; a missing field of a
 * known object is an error as docker gives it when `strict`.
 */
#pragma once

#include "base/buf.h"
#include "codec/json.h"

struct tmpl;
int tmpl_parse(const char *text, struct tmpl **ret, struct err *e) must_use;
void tmpl_drop(struct tmpl **t);

/* A field that is not in the JSON but computed: {{.Label "x"}}, {{.CreatedSince}}. Returns a new value or NULL. */
typedef struct json *(*tmpl_method_fn)(void *arg, const struct json *dot, const char *name,
	const struct json *const *args, size_t nargs, bool *ret_known);
struct tmpl_options {
	bool strict;            /* an unknown key of an object is an error, as in docker inspect */
	tmpl_method_fn method;  /* may be NULL */
	void *arg;
};
int tmpl_execute(const struct tmpl *t, const struct json *dot, const struct tmpl_options *o, struct buf *out, struct err *e) must_use;
