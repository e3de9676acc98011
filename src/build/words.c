/* SPDX-License-Identifier: Apache-2.0 */
#include "build/words.h"

#include <ctype.h>

static const char *skip_blank(const char *p)
{
	while (*p && isspace((unsigned char)*p))
		p++;
	return p;
}

void words_blank(const char *text, struct arena *a, struct strv *out)
{
	for (const char *p = skip_blank(text); *p; p = skip_blank(p)) {
		size_t n = 0;
		while (p[n] && !isspace((unsigned char)p[n]))
			n++;
		own(mem) char *word = mem_ndup(p, n);
		arena_strv_add(a, out, word);
		p += n;
	}
}

static size_t word_length(const char *p, char escape)
{
	size_t n = 0;
	for (char quote = 0; p[n] && (quote || !isspace((unsigned char)p[n])); n++) {
		if (p[n] == escape && quote != '\'' && p[n + 1])
			n++;
		else if (!quote && (p[n] == '"' || p[n] == '\''))
			quote = p[n];
		else if (quote == p[n])
			quote = 0;
	}
	return n;
}

void words_quoted(const char *text, char escape, struct arena *a, struct strv *out)
{
	for (const char *p = skip_blank(text); *p; p = skip_blank(p)) {
		size_t n = word_length(p, escape);
		own(mem) char *word = mem_ndup(p, n);
		arena_strv_add(a, out, word);
		p += n;
	}
}

bool words_json(const char *text, struct arena *a, struct strv *out)
{
	own(json) struct json *j = NULL;
	struct err none = {};
	text = skip_blank(text);
	if (*text != '[' || json_parse(text, strlen(text), &j, &none) < 0 || json_kind(j) != JSON_ARRAY)
		return false;
	for (size_t i = 0; i < json_len(j); i++)
		if (json_kind(json_at(j, i)) != JSON_STRING || strlen(json_str(json_at(j, i))) != json_str_len(json_at(j, i)))
			return false;
	for (size_t i = 0; i < json_len(j); i++)
		arena_strv_add(a, out, json_str(json_at(j, i)));
	return true;
}

int words_pairs(const char *text, char escape, struct arena *a, struct map *out, bool *ret_legacy, struct err *e)
{
	struct strv words = {};
	words_quoted(text, escape, a, &words);
	*ret_legacy = words.n && !strchr(words.v[0], '=');
	if (*ret_legacy) {
		const char *p = skip_blank(text), *rest = skip_blank(p + strlen(words.v[0]));
		if (words.n < 2)
			return err_set(e, ERR_USAGE, "\"%.100s\" has no value: write %.100s=value", words.v[0], words.v[0]);
		*arena_push(a, out) = (struct pair){words.v[0], arena_dup(a, rest)};
		return 0;
	}
	for (size_t i = 0; i < words.n; i++) {
		char *eq = strchr(words.v[i], '=');
		if (!eq)
			return err_set(e, ERR_USAGE, "\"%.100s\" is not of the form name=value: quote or escape blanks in a value", words.v[i]);
		if (eq == words.v[i])
			return err_set(e, ERR_USAGE, "\"%.100s\": the name is missing", words.v[i]);
		*eq = 0;
		*arena_push(a, out) = (struct pair){words.v[i], eq + 1};
	}
	return 0;
}
