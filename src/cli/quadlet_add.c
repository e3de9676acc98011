/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quadlet_add: from a key to options. Whether the verb has an option is asked of its own table, so a key that hull cannot serve is an
 * error that names it, and none any more on the day when hull has the option.
 */
#include "cli/quadlet.h"

void quadlet_word(struct quadlet_call *c, const char *word)
{
	strv_add(&c->args, word);
}

static const struct opt *find_option(const struct cmd *cmd, const char *option)
{
	for (size_t i = 0; i < cmd->nopts; i++) {
		const struct opt *o = &cmd->opts[i];
		if (str_eq(option, o->name) || (o->alias && str_eq(option, o->alias)))
			return o;
	}
	return NULL;
}

bool quadlet_has_option(const struct quadlet_call *c, const char *option)
{
	return !c->cmd || find_option(c->cmd, option + 2);
}

int quadlet_option(struct quadlet_call *c, const struct unitfile_line *line, const char *option, const char *value, struct err *e)
{
	const struct opt *o = c->cmd ? find_option(c->cmd, option + 2) : NULL;
	if (c->cmd && !o)
		return quadlet_bad(c, line, e, "hull %s has no %s", c->verb, option);
	if (value && (!o || o->type != OPT_OPTSTR)) {
		strv_add(&c->args, option);
		strv_add(&c->args, value);
	} else {
		strv_add_take(&c->args, mem_printf("%s%s%s", option, value ? "=" : "", value ? value : ""));
	}
	return 0;
}

static int add_value(struct quadlet_call *c, const struct quadlet_key *k, const struct unitfile_line *l, const char *value, struct err *e)
{
	own(mem) char *with = k->text ? mem_printf("%s%s", k->text, value) : NULL;
	return quadlet_option(c, l, k->option, with ? with : value, e);
}

int add_last(struct quadlet_call *c, const struct quadlet_key *k, struct err *e)
{
	const char *value = quadlet_get(c, k->name);
	return value ? add_value(c, k, quadlet_line(c, k->name), value, e) : 0;
}

int add_each(struct quadlet_call *c, const struct quadlet_key *k, struct err *e)
{
	const struct unitfile_line *l;
	for (size_t at = 0; (l = unitfile_next(&c->u->file, c->u->type->section, k->name, &at));)
		if (add_value(c, k, l, l->value, e) < 0)
			return -1;
	return 0;
}

/* Calls one for each word of each line. */
static int each_word(struct quadlet_call *c, const struct quadlet_key *k, bool escapes,
	int (*one)(struct quadlet_call *c, const struct quadlet_key *k, const struct unitfile_line *l, const char *word, struct err *e), struct err *e)
{
	const struct unitfile_line *l;
	for (size_t at = 0; (l = unitfile_next(&c->u->file, c->u->type->section, k->name, &at));) {
		own(strv) struct strv words = {};
		struct err why = {};
		if (unitfile_words(l->value, escapes, &words, &why) < 0)
			return quadlet_bad(c, l, e, "%s", why.text);
		for (size_t i = 0; i < words.n; i++)
			if (one(c, k, l, words.v[i], e) < 0)
				return -1;
	}
	return 0;
}

int add_words(struct quadlet_call *c, const struct quadlet_key *k, struct err *e)
{
	return each_word(c, k, false, add_value, e);
}

int add_escaped(struct quadlet_call *c, const struct quadlet_key *k, struct err *e)
{
	return each_word(c, k, true, add_value, e);
}

static int one_raw(struct quadlet_call *c, const struct quadlet_key *k unused, const struct unitfile_line *l unused, const char *word, struct err *e unused)
{
	strv_add(&c->args, word);
	return 0;
}

int add_raw(struct quadlet_call *c, const struct quadlet_key *k, struct err *e)
{
	return each_word(c, k, true, one_raw, e);
}

static int read_pairs(struct quadlet_call *c, const struct unitfile_line *l, struct strv *pairs, struct err *e)
{
	own(strv) struct strv words = {};
	struct err why = {};
	bool any = false;
	if (unitfile_words(l->value, true, &words, &why) < 0)
		return quadlet_bad(c, l, e, "%s", why.text);
	for (size_t i = 0; i < words.n; i++) {
		bool pair = strchr(words.v[i], '=');
		if (any && !pair) {
			quadlet_bad_(c, l, &why, "\"%.60s\" is no KEY=VALUE: a value with blanks needs quotes, as in %s=\"KEY=a b\"", words.v[i], l->key);
			c->q->warn(c->q->arg, why.text);
		}
		any |= pair;
		strv_env_set(pairs, words.v[i]);
	}
	return 0;
}

int add_pairs(struct quadlet_call *c, const struct quadlet_key *k, struct err *e)
{
	own(strv) struct strv pairs = {};
	const struct unitfile_line *l;
	for (size_t at = 0; (l = unitfile_next(&c->u->file, c->u->type->section, k->name, &at));)
		if (read_pairs(c, l, &pairs, e) < 0)
			return -1;
	for (size_t i = 0; i < pairs.n; i++)
		if (add_value(c, k, quadlet_line(c, k->name), pairs.v[i], e) < 0)
			return -1;
	return 0;
}

int add_bool(struct quadlet_call *c, const struct quadlet_key *k, struct err *e)
{
	bool yes = false;
	const struct unitfile_line *l = quadlet_get(c, k->name) ? quadlet_line(c, k->name) : NULL;
	if (!l)
		return 0;
	if (quadlet_get_bool(c, k->name, &yes, e) < 0 || quadlet_option(c, l, k->option, NULL, e) < 0)
		return -1;
	if (!yes) {
		char **last = &c->args.v[c->args.n - 1];
		char *no = mem_printf("%s=false", *last);
		mem_drop(last);
		*last = no;
	}
	return 0;
}

int add_flag(struct quadlet_call *c, const struct quadlet_key *k, struct err *e)
{
	bool yes = false;
	if (quadlet_get_bool(c, k->name, &yes, e) < 0)
		return -1;
	return yes ? quadlet_option(c, quadlet_line(c, k->name), k->option, k->text, e) : 0;
}

int add_missing(struct quadlet_call *c, const struct quadlet_key *k, struct err *e)
{
	return quadlet_get(c, k->name) ? quadlet_bad(c, quadlet_line(c, k->name), e, "%s", k->text) : 0;
}

int add_without(struct quadlet_call *c, const struct quadlet_key *k, struct err *e)
{
	bool yes = false;
	if (quadlet_get_bool(c, k->name, &yes, e) < 0)
		return -1;
	return yes ? quadlet_bad(c, quadlet_line(c, k->name), e, "%s", k->text) : 0;
}
