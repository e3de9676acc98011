/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tmpl: Go's text/template as docker's --format uses it, over a JSON value.
 *
 * Actions: {{.A.B}} {{$x := .A}} {{$x}} {{if}} {{else if}} {{else}} {{range}} {{range $i, $v := .A}} {{break}}
 * {{continue}} {{with}} {{end}} {{/ * comment * /}} trim markers {{- -}} pipelines, parentheses, string (also raw), number,
 * bool and nil literals. Functions: and or not eq ne lt le gt ge len index slice print printf println html js urlquery
 * call; docker's: json split join title lower upper pad truncate. An absent key prints `<no value>`. Errors read as Go's:
 * `template: :1:2: executing "" at <.X>: map has no entry for key "X"`.
 */
#pragma once

#include "base/buf.h"
#include "codec/json.h"

struct tmpl;
int tmpl_parse(const char *text, struct tmpl **ret, struct err *e) must_use;
void tmpl_drop(struct tmpl **t);

/* A field that is absent from the object `dot`, or null: {{.Label "x"}}, {{.CreatedSince}}. Gives a new value with *ret_known
 * true, NULL being nil; an empty array or object stands for Go's nil list or map, which `json` writes as null. */
typedef struct json *(*tmpl_method_fn)(void *arg, const struct json *dot, const char *name,
	const struct json *const *args, size_t nargs, bool *ret_known);
struct tmpl_options {
	/* As in docker inspect: an object whose keys all look like exported Go fields was a struct: it prints as {a b}, and
	 * asking for a key that it lacks is an error. Other objects are maps. */
	bool strict;
	bool heading;           /* a table's heading: docker's own functions give their first argument back */
	tmpl_method_fn method;  /* may be NULL */
	void *arg;
};
int tmpl_execute(const struct tmpl *t, const struct json *dot, const struct tmpl_options *o, struct buf *out, struct err *e) must_use;
/* n bytes in quotes as Go's %q (strconv.Quote) has them. */
void tmpl_quote(const char *s, size_t n, struct buf *out);
