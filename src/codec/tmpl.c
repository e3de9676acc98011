/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tmpl: walks the tree that tmpl_parse.c made, with the document at hand.
 *
 * JSON has lost what Go knew: whether an object was a struct or a map, and which list a null was. What the words of the header
 * promise is kept by two rules. In strict mode an object is taken for a struct when all its keys are spelled as exported
 * fields are (tmpl_is_struct): a key that it lacks is then an error, as in docker inspect, while labels may be asked for in
 * vain. And a key that is absent or null is offered to the caller's method, which knows the documents' types.
 *
 * Values are borrowed from the document, or made and kept until the end of the run (tmpl_keep). An error names the place of
 * the node that was looked at last, in Go's words.
 */
#include "codec/tmpl.h"

#include "codec/tmpl_tree.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum jump { JUMP_NONE, JUMP_BREAK, JUMP_CONTINUE };
struct variable { const char *name; struct val v; };
struct tmpl_run {
	const struct tmpl *t;
	const struct tmpl_options *o;
	struct variable *vars;
	size_t nvars, room;
	struct json *kept; /* an array */
	enum jump jump;
	struct buf *out;
	struct err *e;
};

static int fail(struct tmpl_run *x, struct place at, const char *fmt, ...) printf_like(3, 4);
static int fail(struct tmpl_run *x, struct place at, const char *fmt, ...)
{
	char text[500];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	size_t line = 1, begin = 0;
	for (size_t i = 0; i < at.at; i++)
		if (x->t->text[i] == '\n') {
			line++;
			begin = i;
		}
	return err_set(x->e, ERR_USAGE, "template: :%zu:%zu: executing \"\" at <%.*s>: %s", line, at.at - begin, (int)(at.to - at.from),
		x->t->text + at.from, text);
}

struct val tmpl_keep(struct tmpl_run *x, struct json *j)
{
	struct val v = {.j = j};
	if (j)
		json_add(x->kept, j);
	return v;
}

bool tmpl_has_structs(const struct tmpl_run *x)
{
	return x->o->strict;
}

bool tmpl_is_struct(const struct json *j)
{
	struct json_iter it = {};
	bool any = false;
	while (json_next(j, &it)) {
		any = true;
		if (!isupper((unsigned char)it.key[0]))
			return false;
		for (const char *p = it.key; *p; p++)
			if (!isalnum((unsigned char)*p))
				return false;
	}
	return any;
}

bool tmpl_truth(struct val v)
{
	switch (v.missing || v.nil ? JSON_NULL : json_kind(v.j)) {
	case JSON_BOOL: return json_truth(v.j);
	case JSON_INT: return json_i64(v.j) != 0 || json_u64(v.j) != 0;
	case JSON_DOUBLE: return json_double(v.j) != 0;
	case JSON_STRING: return *json_str(v.j) != 0;
	case JSON_ARRAY:
	case JSON_OBJECT: return json_len(v.j) > 0;
	default: return false;
	}
}

const char *tmpl_type(struct val v)
{
	static const char *const names[] = {[JSON_NULL] = "nil", [JSON_BOOL] = "bool", [JSON_INT] = "int", [JSON_DOUBLE] = "float64",
		[JSON_STRING] = "string", [JSON_ARRAY] = "[]interface {}", [JSON_OBJECT] = "map[string]interface {}"};
	return names[v.missing ? JSON_NULL : json_kind(v.j)];
}

static int eval_pipe(struct tmpl_run *x, const struct pipe *p, struct val dot, struct val *ret);

/* Asks the caller for a field that the object lacks or has as null. */
static bool ask(struct tmpl_run *x, struct val v, const char *name, const struct val *args, size_t n, struct val *ret)
{
	bool known = false;
	if (!x->o->method)
		return false;
	own(mem) const struct json **list = mem_alloc((n + 1) * sizeof *list);
	for (size_t i = 0; i < n; i++)
		list[i] = args[i].j;
	struct json *j = x->o->method(x->o->arg, v.j, name, list, n, &known);
	*ret = tmpl_keep(x, j);
	ret->nil = !j || ((json_kind(j) == JSON_ARRAY || json_kind(j) == JSON_OBJECT) && !json_len(j));
	return known;
}

static int eval_field(struct tmpl_run *x, const struct operand *o, struct val v, const char *name, const struct val *args, size_t n,
	struct val *ret)
{
	enum json_kind kind = json_kind(v.j);
	if (v.missing || (v.nil && kind != JSON_NULL)) {
		*ret = (struct val){.missing = true};
		return v.missing && x->o->strict ? fail(x, o->where, "nil data; no entry for key \"%s\"", name) : 0;
	}
	if (kind == JSON_NULL)
		return fail(x, o->where, "nil pointer evaluating interface {}.%s", name);
	if (kind != JSON_OBJECT)
		return fail(x, o->where, "can't evaluate field %s in type %s", name, tmpl_type(v));
	*ret = (struct val){.j = json_get(v.j, name)};
	if (ret->j)
		return n ? fail(x, o->where, "%s is not a method but has arguments", name) : 0;
	if (ask(x, v, name, args, n, ret))
		return 0;
	*ret = (struct val){.missing = true};
	if (n)
		return fail(x, o->where, "%s is not a method but has arguments", name);
	if (json_has(v.j, name))
		*ret = (struct val){};
	else if (x->o->strict && tmpl_is_struct(v.j))
		return fail(x, o->where, "map has no entry for key \"%s\"", name);
	return 0;
}

static int eval_chain(struct tmpl_run *x, const struct operand *o, struct val v, const struct val *args, size_t n, struct val *ret)
{
	size_t last = o->fields.n - 1;
	for (size_t i = 0; i < o->fields.n; i++)
		if (eval_field(x, o, v, o->fields.v[i], i == last ? args : NULL, i == last ? n : 0, &v) < 0)
			return -1;
	*ret = v;
	return 0;
}

static struct variable *find_variable(struct tmpl_run *x, const char *name)
{
	for (size_t i = x->nvars; i-- > 0;)
		if (strcmp(x->vars[i].name, name) == 0)
			return &x->vars[i];
	return NULL;
}

static void set_variable(struct tmpl_run *x, const char *name, bool assign, struct val v)
{
	struct variable *old = assign ? find_variable(x, name) : NULL;
	if (old) {
		old->v = v;
		return;
	}
	if (x->nvars == x->room) {
		x->room = x->room ? x->room * 2 : 8;
		x->vars = mem_grow(x->vars, x->room * sizeof *x->vars);
	}
	x->vars[x->nvars++] = (struct variable){name, v};
}

static int eval_function(struct tmpl_run *x, const struct command *c, const struct operand *f, const struct operands *list, struct val dot,
	const struct val *final, struct val *ret);

/* An operand that stands alone, or as an argument. */
static int eval_operand(struct tmpl_run *x, const struct operand *o, struct val dot, struct val *ret)
{
	const struct variable *var;
	const struct operands none = {};
	switch (o->kind) {
	case ARG_DOT: *ret = dot; return 0;
	case ARG_NIL: *ret = (struct val){}; return 0;
	case ARG_LITERAL: *ret = (struct val){.j = o->literal}; return 0;
	case ARG_FIELD: *ret = dot; break;
	case ARG_VARIABLE:
		var = find_variable(x, o->name);
		*ret = var ? var->v : (struct val){.missing = true};
		break;
	case ARG_PIPE:
		if (eval_pipe(x, o->pipe, dot, ret) < 0)
			return -1;
		break;
	case ARG_FUNCTION: return eval_function(x, NULL, o, &none, dot, NULL, ret);
	}
	return o->fields.n ? eval_chain(x, o, *ret, NULL, 0, ret) : 0;
}

/* `and` and `or` look at an argument only when those before it left the answer open. */
static int eval_lazy(struct tmpl_run *x, const struct operand *f, const struct operands *list, struct val dot, const struct val *final,
	struct val *ret)
{
	bool stop_at = f->name[0] == 'o';
	size_t n = list->n + (final ? 1 : 0);
	if (!n)
		return fail(x, f->where, "wrong number of args for %s: want at least 1 got 0", f->name);
	for (size_t i = 0; i < n; i++) {
		if (i < list->n && eval_operand(x, &list->v[i], dot, ret) < 0)
			return -1;
		if (i == list->n)
			*ret = *final;
		if (tmpl_truth(*ret) == stop_at)
			break;
	}
	return 0;
}

static int check_argument(struct tmpl_run *x, const struct operand *o, struct place at, char want, struct val v)
{
	enum json_kind kind = v.missing ? JSON_NULL : json_kind(v.j);
	if (want == 'a' || (want == 's' && kind == JSON_STRING) || (want == 'i' && kind == JSON_INT))
		return 0;
	if (o && o->kind == ARG_LITERAL)
		return fail(x, o->where, "expected %s; found %.*s", want == 's' ? "string" : "integer", (int)(o->where.to - o->where.from),
			x->t->text + o->where.from);
	const char *type = want == 's' ? "string" : "int";
	if (o)
		at = o->where;
	if (kind == JSON_NULL)
		return fail(x, at, "invalid value; expected %s", type);
	return fail(x, at, "wrong type for value; expected %s; got %s", type, tmpl_type(v));
}

static int check_arguments(struct tmpl_run *x, const struct operand *f, const struct operands *list, const struct val *args, size_t n)
{
	const char *letters = f->func->args;
	size_t fixed = strcspn(letters, "*");
	if (n < fixed || (!letters[fixed] && n > fixed))
		return fail(x, f->where, "wrong number of args for %s: want %s%zu got %zu", f->name, letters[fixed] ? "at least " : "", fixed, n);
	for (size_t i = 0; i < fixed; i++)
		if (check_argument(x, i < list->n ? &list->v[i] : NULL, f->where, letters[i], args[i]) < 0)
			return -1;
	return 0;
}

/* c: the command that f stands in, for the errors of f itself; NULL when f is an argument. */
static int eval_function(struct tmpl_run *x, const struct command *c, const struct operand *f, const struct operands *list, struct val dot,
	const struct val *final, struct val *ret)
{
	if (tmpl_func_is_lazy(f->func))
		return eval_lazy(x, f, list, dot, final, ret);
	size_t n = 0;
	own(mem) struct val *args = mem_alloc((list->n + 1) * sizeof *args);
	for (; n < list->n; n++)
		if (eval_operand(x, &list->v[n], dot, &args[n]) < 0)
			return -1;
	if (final)
		args[n++] = *final;
	if (x->o->heading && f->func->of_docker && n) {
		*ret = args[0];
		return 0;
	}
	struct place at = c ? c->where : f->where;
	if (check_arguments(x, f, list, args, n) < 0)
		return -1;
	struct err reason = {};
	struct call call = {x, args, n, ret, &reason};
	if (f->func->run(&call) < 0)
		return fail(x, at, "error calling %s: %s", f->func->name, reason.text);
	return 0;
}

static int eval_command(struct tmpl_run *x, const struct command *c, struct val dot, const struct val *final, struct val *ret)
{
	const struct operand *first = &c->args.v[0];
	const struct operands rest = {c->args.v + 1, c->args.n - 1};
	if (first->kind == ARG_FUNCTION)
		return eval_function(x, c, first, &rest, dot, final, ret);
	size_t n = rest.n + (final ? 1 : 0);
	if (first->kind == ARG_NIL)
		return fail(x, first->where, "nil is not a command");
	if (!n)
		return eval_operand(x, first, dot, ret);
	if (!first->fields.n)
		return fail(x, first->where, "can't give argument to non-function %.*s", (int)(first->where.to - first->where.from),
			x->t->text + first->where.from);
	own(mem) struct val *args = mem_alloc(n * sizeof *args);
	for (size_t i = 0; i < rest.n; i++)
		if (eval_operand(x, &rest.v[i], dot, &args[i]) < 0)
			return -1;
	if (final)
		args[rest.n] = *final;
	struct operand head = *first;
	head.fields.n = 0;
	struct val v = dot;
	if (first->kind != ARG_FIELD && eval_operand(x, &head, dot, &v) < 0)
		return -1;
	return eval_chain(x, first, v, args, n, ret);
}

static int eval_commands(struct tmpl_run *x, const struct pipe *p, struct val dot, struct val *ret)
{
	struct val v = {};
	for (size_t i = 0; i < p->commands.n; i++)
		if (eval_command(x, &p->commands.v[i], dot, i ? &(struct val){v.j, v.missing, v.nil} : NULL, &v) < 0)
			return -1;
	*ret = v;
	return 0;
}

static int eval_pipe(struct tmpl_run *x, const struct pipe *p, struct val dot, struct val *ret)
{
	if (eval_commands(x, p, dot, ret) < 0)
		return -1;
	for (size_t i = 0; i < p->nvars; i++)
		set_variable(x, p->vars[i], p->assign, *ret);
	return 0;
}

static int run_nodes(struct tmpl_run *x, const struct nodes *list, struct val dot);

static int run_round(struct tmpl_run *x, const struct node *n, struct val key, struct val v)
{
	size_t scope = x->nvars;
	const struct pipe *p = n->pipe;
	if (p->nvars == 1)
		set_variable(x, p->vars[0], p->assign, v);
	if (p->nvars == 2) {
		set_variable(x, p->vars[0], p->assign, key);
		set_variable(x, p->vars[1], p->assign, v);
	}
	int r = run_nodes(x, &n->body, v);
	x->nvars = scope;
	if (x->jump == JUMP_CONTINUE)
		x->jump = JUMP_NONE;
	return r;
}

static int run_range_object(struct tmpl_run *x, const struct node *n, struct val v)
{
	own(strv) struct strv keys = {};
	tmpl_keys(v.j, &keys);
	int r = 0;
	for (size_t i = 0; i < keys.n && r == 0 && x->jump != JUMP_BREAK; i++)
		r = run_round(x, n, tmpl_keep(x, json_new_str(keys.v[i])), (struct val){.j = json_get(v.j, keys.v[i])});
	return r;
}

static int run_range(struct tmpl_run *x, const struct node *n, struct val dot)
{
	struct val v;
	if (eval_commands(x, n->pipe, dot, &v) < 0)
		return -1;
	enum json_kind kind = v.missing ? JSON_NULL : json_kind(v.j);
	if (kind == JSON_BOOL || kind == JSON_DOUBLE || kind == JSON_STRING) {
		own(buf) struct buf b = {};
		tmpl_print(&(struct print){tmpl_has_structs(x), &b}, v);
		return fail(x, n->pipe->where, "range can't iterate over %.100s", buf_text(&b));
	}
	size_t count = kind == JSON_INT ? (size_t)(json_i64(v.j) > 0 ? json_i64(v.j) : 0) : json_len(v.j);
	int r = 0;
	if (!count)
		r = run_nodes(x, &n->otherwise, dot);
	else if (kind == JSON_OBJECT)
		r = run_range_object(x, n, v);
	else
		for (size_t i = 0; i < count && r == 0 && x->jump != JUMP_BREAK && !x->out->full; i++) {
			struct val key = n->pipe->nvars == 2 || kind == JSON_INT ? tmpl_keep(x, json_new_u64(i)) : (struct val){};
			r = run_round(x, n, key, kind == JSON_INT ? key : (struct val){.j = json_at(v.j, i)});
		}
	if (x->jump == JUMP_BREAK && count)
		x->jump = JUMP_NONE;
	return r;
}

static int run_node(struct tmpl_run *x, const struct node *n, struct val dot)
{
	struct val v;
	switch (n->kind) {
	case NODE_TEXT: buf_add(x->out, n->text, n->len); return 0;
	case NODE_BREAK: x->jump = JUMP_BREAK; return 0;
	case NODE_CONTINUE: x->jump = JUMP_CONTINUE; return 0;
	case NODE_RANGE: return run_range(x, n, dot);
	default: break;
	}
	if (eval_pipe(x, n->pipe, dot, &v) < 0)
		return -1;
	if (n->kind == NODE_ACTION) {
		if (!n->pipe->nvars)
			tmpl_print(&(struct print){tmpl_has_structs(x), x->out}, v);
		return 0;
	}
	if (tmpl_truth(v))
		return run_nodes(x, &n->body, n->kind == NODE_WITH ? v : dot);
	return run_nodes(x, &n->otherwise, dot);
}

/* What a node declares is its own when it is a block, the list's when it is an action. */
static int run_nodes(struct tmpl_run *x, const struct nodes *list, struct val dot)
{
	size_t scope = x->nvars;
	int r = 0;
	for (size_t i = 0; i < list->n && r == 0 && x->jump == JUMP_NONE; i++) {
		size_t before = x->nvars;
		r = run_node(x, &list->v[i], dot);
		if (list->v[i].kind != NODE_ACTION)
			x->nvars = before;
	}
	x->nvars = scope;
	return r;
}

int tmpl_execute(const struct tmpl *t, const struct json *dot, const struct tmpl_options *o, struct buf *out, struct err *e)
{
	const struct tmpl_options none = {};
	struct tmpl_run x = {.t = t, .o = o ? o : &none, .kept = json_new_array(), .out = out, .e = e};
	set_variable(&x, "$", false, (struct val){.j = dot});
	int r = run_nodes(&x, &t->nodes, (struct val){.j = dot});
	json_drop(&x.kept);
	free(x.vars);
	if (r == 0 && buf_check(out, e) < 0)
		return err_wrap(e, "output of the template");
	return r;
}
