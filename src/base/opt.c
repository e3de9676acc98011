/* SPDX-License-Identifier: Apache-2.0 */
/*
 * opt: one pass over the words. A word is an option, the value of the option before it, `--`, or an
 * argument; arguments move to the front of argv as they are met, so that what is left needs no memory of
 * its own. Each option's type has a row that says whether it takes a value and how it is stored.
 */
#include "base/opt.h"

#include "base/buf.h"
#include "base/num.h"

#include <stdlib.h>

static int set_bool(const struct opt *o, void *at, const char *value, struct err *e)
{
	static const struct { const char *word; bool v; } words[] = {{"true", true}, {"false", false}, {"1", true}, {"0", false},
		{"t", true}, {"f", false}, {"T", true}, {"F", false}, {"True", true}, {"False", false}, {"TRUE", true}, {"FALSE", false}};
	for (size_t i = 0; i < countof(words); i++)
		if (strcmp(words[i].word, value) == 0) {
			*(bool *)at = words[i].v;
			return 0;
		}
	return err_set(e, ERR_USAGE, "invalid value \"%.60s\" for --%s: use true or false", value, o->name);
}

static int set_str(const struct opt *o, void *at, const char *value, struct err *e)
{
	(void)o, (void)e;
	mem_drop(at);
	*(char **)at = mem_dup(value);
	return 0;
}

static int set_strv(const struct opt *o, void *at, const char *value, struct err *e)
{
	(void)o, (void)e;
	strv_add(at, value);
	return 0;
}

static int set_number(const struct opt *o, void *at, const char *value, struct err *e)
{
	struct opt_num n = {.set = true};
	struct err ignored = {};
	uint64_t v = 0;
	const char *hint = "use a whole number";
	int r;
	if (o->type == OPT_U64) {
		r = num_u64(value, INT64_MAX, &v, o->name, &ignored);
		n.v = (int64_t)v;
		hint = "use a whole number that is not negative";
	} else if (o->type == OPT_I64) {
		r = num_i64(value, INT64_MIN + 1, INT64_MAX, &n.v, o->name, &ignored);
	} else {
		r = num_size(value, o->flags & OPT_MINUS_ONE, &n.v, o->name, &ignored);
		hint = o->flags & OPT_MINUS_ONE ? "use a size such as 512M or 2g, or -1 for no limit" : "use a size such as 512M or 2g";
	}
	if (r < 0)
		return err_set(e, ERR_USAGE, "invalid value \"%.60s\" for --%s: %s", value, o->name, hint);
	*(struct opt_num *)at = n;
	return 0;
}

static void drop_strv(void *at)
{
	strv_drop(at);
}

static const struct {
	bool bare; /* the option may stand without a value, and takes one only after `=` */
	int (*set)(const struct opt *o, void *at, const char *value, struct err *e);
	void (*drop)(void *at);
} types[] = {
	[OPT_BOOL] = {true, set_bool, NULL},
	[OPT_STR] = {false, set_str, mem_drop},
	[OPT_STRV] = {false, set_strv, drop_strv},
	[OPT_U64] = {false, set_number, NULL},
	[OPT_I64] = {false, set_number, NULL},
	[OPT_SIZE] = {false, set_number, NULL},
	[OPT_OPTSTR] = {true, set_str, mem_drop},
};

struct words {
	const struct cmd *cmd;
	int argc, at; /* at: the word that is looked at */
	char **argv;
	void *opts;
};

static int store(const struct words *w, const struct opt *o, const char *value, struct err *e)
{
	if (!value)
		value = o->type == OPT_BOOL ? "true" : o->preset ? o->preset : "";
	return types[o->type].set(o, (char *)w->opts + o->at, value, e);
}

/* The value of an option that needs one: the next word, whatever it begins with. */
static const char *next_value(struct words *w, const char *spelled, const struct opt *o, struct err *e)
{
	if (w->at + 1 < w->argc)
		return w->argv[++w->at];
	err_set_(e, ERR_USAGE, "%s needs a value: %s %s", spelled, spelled, o->arg ? o->arg : "VALUE");
	return NULL;
}

static int unknown_long(const struct cmd *c, const char *name, struct err *e)
{
	own(strv) struct strv names = {};
	for (size_t i = 0; i < c->nopts; i++)
		if (!(c->opts[i].flags & OPT_HIDDEN))
			strv_add(&names, c->opts[i].name);
	strv_add(&names, "help");
	const char *near = str_nearest(name, (const char *const *)names.v, names.n);
	if (near)
		return err_set(e, ERR_USAGE, "unknown option --%.60s: did you mean --%s?", name, near);
	return err_set(e, ERR_USAGE, "unknown option --%.60s of \"%s\"", name, c->name);
}

/* Others want such a value always, so scripts have it as a word of its own. */
static const char *known_next(struct words *w, const struct opt *o)
{
	own(strv) struct strv known = {};
	if (!(o->flags & OPT_NEXT) || w->at + 1 == w->argc)
		return NULL;
	strv_split(&known, o->values, ' ');
	return strv_has(&known, w->argv[w->at + 1]) ? w->argv[++w->at] : NULL;
}

static int parse_long(struct words *w, struct err *e)
{
	const char *word = w->argv[w->at] + 2;
	size_t n = strcspn(word, "=");
	const char *value = word[n] ? word + n + 1 : NULL;
	own(mem) char *name = mem_ndup(word, n);
	const struct cmd *c = w->cmd;
	for (size_t i = 0; i < c->nopts; i++) {
		const struct opt *o = &c->opts[i];
		if (strcmp(name, o->name) != 0 && !str_eq(name, o->alias))
			continue;
		if (!value)
			value = known_next(w, o);
		if (!value && !types[o->type].bare) {
			own(mem) char *spelled = mem_printf("--%s", name);
			value = next_value(w, spelled, o, e);
			if (!value)
				return -1;
		}
		return store(w, o, value, e);
	}
	if (strcmp(name, "help") == 0 && !value)
		return 1;
	return unknown_long(c, name, e);
}

/* -a, -abc, -nVALUE, -n=VALUE, -n VALUE */
static int parse_letters(struct words *w, struct err *e)
{
	const struct cmd *c = w->cmd;
	for (const char *p = w->argv[w->at] + 1; *p; p++) {
		size_t i = 0;
		while (i < c->nopts && c->opts[i].letter != *p)
			i++;
		if (i == c->nopts && *p == 'h')
			return 1;
		if (i == c->nopts)
			return err_set(e, ERR_USAGE, "unknown option -%c in \"%.60s\" of \"%s\"", *p, w->argv[w->at], c->name);
		const struct opt *o = &c->opts[i];
		char spelled[] = {'-', *p, 0};
		const char *value = p[1] == '=' ? p + 2 : NULL;
		if (!value && types[o->type].bare) {
			if (store(w, o, NULL, e) < 0)
				return -1;
			continue;
		}
		if (!value)
			value = p[1] ? p + 1 : next_value(w, spelled, o, e);
		return value ? store(w, o, value, e) : -1;
	}
	return 0;
}

static int check_count(const struct cmd *c, int n, struct err *e)
{
	if (n >= c->min && (c->max < 0 || n <= c->max))
		return 0;
	int limit = n < c->min ? c->min : c->max;
	const char *how = c->min == c->max ? "exactly" : n < c->min ? "at least" : "at most";
	const char *usage = c->usage ? c->usage : "";
	if (limit == 0)
		return err_set(e, ERR_USAGE, "\"%s\" takes no arguments", c->name);
	return err_set(e, ERR_USAGE, "\"%s\" needs %s %d argument%s: %s%s%s%s", c->name, how, limit, limit == 1 ? "" : "s", c->name,
		c->nopts ? " [OPTIONS]" : "", *usage ? " " : "", usage);
}

int opt_parse(const struct cmd *c, int argc, char **argv, void *opts, int *ret_argc, char ***ret_argv, struct err *e)
{
	struct words w = {.cmd = c, .argc = argc, .argv = argv, .opts = opts};
	int n = 0;
	bool ended = c->flags & CMD_RAW;
	for (; w.at < argc; w.at++) {
		char *word = argv[w.at];
		if (ended || word[0] != '-' || !word[1]) {
			argv[n++] = word;
			ended |= (c->flags & CMD_STRICT) != 0;
			continue;
		}
		if (strcmp(word, "--") == 0) {
			ended = true;
			continue;
		}
		int r = word[1] == '-' ? parse_long(&w, e) : parse_letters(&w, e);
		if (r != 0)
			return r;
	}
	if (check_count(c, n, e) < 0)
		return -1;
	/* Room for the NULL is there: main()'s argv has it, and every option has left a place free. */
	if (n < argc)
		argv[n] = NULL;
	*ret_argc = n;
	*ret_argv = argv;
	return 0;
}

void opt_drop(const struct cmd *c, void *opts)
{
	for (size_t i = 0; i < c->nopts; i++)
		if (types[c->opts[i].type].drop)
			types[c->opts[i].type].drop((char *)opts + c->opts[i].at);
}

int opt_print_help(const struct cmd *c, const char *path, opt_print *print, struct err *e)
{
	own(buf) struct buf b = {};
	opt_help(c, path, &b);
	return print(&b, e);
}

int opt_run(const struct cmd *c, const char *path, int argc, char **argv, opt_print *print, struct err *e)
{
	void *opts = mem_alloc(c->size ? c->size : 1);
	int left = 0;
	char **args = NULL;
	int r = opt_parse(c, argc, argv, opts, &left, &args, e);
	if (r == 1)
		r = opt_print_help(c, path, print, e);
	else if (r == 0)
		r = c->run(opts, left, args, e);
	opt_drop(c, opts);
	mem_drop(&opts);
	return r;
}
