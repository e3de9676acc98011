/* SPDX-License-Identifier: Apache-2.0 */
/* lint: see lint.h. */
#include "build/lint.h"

#include "base/buf.h"

#include <ctype.h>
#include <stdlib.h>

static const struct { const char *name, *about; } rules[LINT_RULES] = {
	[LINT_CONSISTENT_INSTRUCTION_CASING] = {"ConsistentInstructionCasing", "All instructions of a file are written alike, in upper or in lower case"},
	[LINT_COPY_IGNORED_FILE] = {"CopyIgnoredFile", "What .dockerignore excludes cannot be copied"},
	[LINT_DUPLICATE_STAGE_NAME] = {"DuplicateStageName", "Two stages of one name: only the last one can be meant by it"},
	[LINT_EXPOSE_INVALID_FORMAT] = {"ExposeInvalidFormat", "EXPOSE names ports of the container alone, no addresses and no ports of the host"},
	[LINT_EXPOSE_PROTO_CASING] = {"ExposeProtoCasing", "Protocols in EXPOSE are written in lower case"},
	[LINT_FROM_AS_CASING] = {"FromAsCasing", "FROM and AS are written alike"},
	[LINT_FROM_PLATFORM_CONST] = {"FromPlatformFlagConstDisallowed", "FROM --platform with a constant cannot be built for another platform"},
	[LINT_INVALID_BASE_IMAGE_PLATFORM] = {"InvalidBaseImagePlatform", "The base image is of another platform than the build"},
	[LINT_INVALID_DEFAULT_ARG_IN_FROM] = {"InvalidDefaultArgInFrom", "Without --build-arg FROM has to name an image, too"},
	[LINT_INVALID_DEFINITION_DESCRIPTION] = {"InvalidDefinitionDescription",
		"A comment right above ARG or FROM begins with the name that it describes; an empty line between them makes it an ordinary one"},
	[LINT_JSON_ARGS_RECOMMENDED] = {"JSONArgsRecommended", "A command that is a JSON array is run without a shell that would keep signals from it"},
	[LINT_LEGACY_KEY_VALUE_FORMAT] = {"LegacyKeyValueFormat", "Names and values are written as name=value"},
	[LINT_MAINTAINER_DEPRECATED] = {"MaintainerDeprecated", "The author of an image is told by a label"},
	[LINT_MULTIPLE_INSTRUCTIONS] = {"MultipleInstructionsDisallowed", "Of several CMD, ENTRYPOINT or HEALTHCHECK of a stage only the last one counts"},
	[LINT_NO_EMPTY_CONTINUATION] = {"NoEmptyContinuation", "An empty line within an instruction is easily taken for its end"},
	[LINT_REDUNDANT_TARGET_PLATFORM] = {"RedundantTargetPlatform", "FROM takes the target's platform anyway"},
	[LINT_RESERVED_STAGE_NAME] = {"ReservedStageName", "scratch and context have a meaning of their own and cannot name a stage"},
	[LINT_SECRETS_USED_IN_ARG_OR_ENV] = {"SecretsUsedInArgOrEnv",
		"Values of ARG and ENV can be read by whoever has the image; RUN --mount=type=secret leaves none"},
	[LINT_STAGE_NAME_CASING] = {"StageNameCasing", "Names of stages are written in lower case"},
	[LINT_UNDEFINED_ARG_IN_FROM] = {"UndefinedArgInFrom", "Variables of FROM are declared by ARG before the first FROM"},
	[LINT_UNDEFINED_VAR] = {"UndefinedVar", "A variable that nothing defined before is empty"},
	[LINT_WORKDIR_RELATIVE_PATH] = {"WorkdirRelativePath",
		"A relative WORKDIR is below whatever directory the base image has, unless an absolute one came before"},
};

const char *lint_name(enum lint_rule rule)
{
	return rules[rule].name;
}

const char *lint_about(enum lint_rule rule)
{
	return rules[rule].about;
}

char *lint_url(enum lint_rule rule)
{
	own(buf) struct buf b = BUF(256);
	const char *name = rules[rule].name;
	buf_str(&b, "https://docs.docker.com/go/dockerfile/rule/");
	for (const char *p = name; *p; p++) {
		bool begins = p != name && isupper((unsigned char)*p) && (islower((unsigned char)p[-1]) || islower((unsigned char)p[1]));
		if (begins)
			buf_char(&b, '-');
		buf_char(&b, (char)tolower((unsigned char)*p));
	}
	buf_char(&b, '/');
	return buf_take(&b);
}

void lint_drop(struct lint *l)
{
	arena_drop(&l->arena);
	*l = (struct lint){};
}

/* --- what is skipped --- */

static void add_names(struct lint *l, const char *text, struct strv *to)
{
	own(strv) struct strv names = {};
	strv_split(&names, text, ',');
	for (size_t i = 0; i < names.n; i++)
		arena_strv_add(&l->arena, to, str_trim(names.v[i]));
}

static int option(struct lint *l, char *text, struct err *e)
{
	char *eq = strchr(text, '=');
	if (!eq)
		return err_set(e, ERR_USAGE, "check: \"%.60s\": as in skip=NAME,NAME;error=true", text);
	*eq++ = 0;
	const char *key = str_trim(text), *value = str_trim(eq);
	if (strcmp(key, "skip") == 0) {
		add_names(l, value, &l->skip);
	} else if (strcmp(key, "experimental") == 0) {
		add_names(l, value, &l->experimental);
	} else if (strcmp(key, "error") == 0) {
		l->error = str_eq(value, "true") || str_eq(value, "1");
		if (!l->error && !str_eq(value, "false") && !str_eq(value, "0"))
			return err_set(e, ERR_USAGE, "check: error=%.40s: true and false are known", value);
	} else {
		return err_set(e, ERR_USAGE, "check: \"%.40s\": skip, error and experimental are known", key);
	}
	return 0;
}

static int set_options(struct lint *l, const char *text, struct err *e)
{
	own(strv) struct strv parts = {};
	strv_split(&parts, text, ';');
	for (size_t i = 0; i < parts.n; i++) {
		char *part = str_trim(parts.v[i]);
		if (*part && option(l, part, e) < 0)
			return -1;
	}
	l->skip_all = strv_has(&l->skip, "all");
	return 0;
}

int lint_open(struct lint *l, struct dockerfile *d, const char *options, struct err *e)
{
	*l = (struct lint){.df = d};
	const char *text = options ? options : d->text.check;
	return text ? set_options(l, text, e) : 0;
}

/* `# check=skip=A,B // why` above an instruction. */
static bool is_skipped_there(const struct node *n, const char *name)
{
	for (size_t i = 0; i < n->comments.n; i++) {
		const char *rest = str_after(n->comments.v[i], "check=");
		if (!rest)
			continue;
		own(mem) char *text = mem_dup(rest);
		char *why = strstr(text, "//");
		if (why)
			*why = 0;
		own(strv) struct strv parts = {};
		strv_split(&parts, text, ';');
		for (size_t k = 0; k < parts.n; k++) {
			const char *names = str_after(str_trim(parts.v[k]), "skip=");
			own(strv) struct strv list = {};
			if (names)
				strv_split(&list, names, ',');
			for (size_t m = 0; m < list.n; m++) {
				const char *word = str_trim(list.v[m]);
				if (strcmp(word, "all") == 0 || strcmp(word, name) == 0)
					return true;
			}
		}
	}
	return false;
}

static bool is_wanted(const struct lint *l, enum lint_rule rule, const struct node *n)
{
	const char *name = rules[rule].name;
	bool asked = strv_has(&l->experimental, "all") || strv_has(&l->experimental, name);
	if (rule == LINT_INVALID_DEFINITION_DESCRIPTION && !asked)
		return false;
	if ((l->skip_all && !asked) || strv_has(&l->skip, name))
		return false;
	return !is_skipped_there(n, name);
}

const char *lint_described(const struct node *n, const char *name)
{
	for (size_t i = 0; i < n->comments.n; i++) {
		const char *rest = str_after(n->comments.v[i], name);
		if (rest && (*rest == ' ' || *rest == '\t'))
			return rest + strspn(rest, " \t");
	}
	return NULL;
}

/* --- what was found --- */

static void push(struct lint *l, enum lint_rule rule, const struct node *n, struct source_place at, const char *text)
{
	for (size_t i = 0; i < l->found.n; i++) {
		const struct lint_finding *f = &l->found.v[i];
		if (f->rule == rule && f->at.line == at.line && strcmp(f->text, text) == 0)
			return;
	}
	*arena_push(&l->arena, &l->found) = (struct lint_finding){rule, at, n->words_last > at.line ? n->words_last : at.line, arena_dup(&l->arena, text)};
}

void lint_add(struct lint *l, enum lint_rule rule, const struct node *n, const char *needle, const char *fmt, ...)
{
	own(buf) struct buf text = BUF(8192);
	va_list ap;
	if (!is_wanted(l, rule, n))
		return;
	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	push(l, rule, n, lex_place(&l->df->text, n, needle), buf_text(&text));
}

void lint_add_line(struct lint *l, enum lint_rule rule, const struct node *n, unsigned line, const char *text)
{
	if (is_wanted(l, rule, n))
		push(l, rule, n, (struct source_place){line, 1}, text);
}

static int by_place(const void *a, const void *b)
{
	const struct lint_finding *x = a, *y = b;
	if (x->at.line != y->at.line)
		return x->at.line < y->at.line ? -1 : 1;
	if (x->at.column != y->at.column)
		return x->at.column < y->at.column ? -1 : 1;
	return x->rule != y->rule ? (int)x->rule - (int)y->rule : strcmp(x->text, y->text);
}

void lint_sort(struct lint *l)
{
	if (l->found.n)
		qsort(l->found.v, l->found.n, sizeof *l->found.v, by_place);
}

void lint_names(const struct lint *l, struct buf *out)
{
	bool seen[LINT_RULES] = {};
	for (size_t i = 0; i < l->found.n; i++) {
		if (!seen[l->found.v[i].rule])
			buf_printf(out, "%s%s", out->len ? ", " : "", lint_name(l->found.v[i].rule));
		seen[l->found.v[i].rule] = true;
	}
}

void lint_show(const struct lint *l, const struct lint_finding *f, struct buf *out)
{
	const struct lexed *t = &l->df->text;
	buf_printf(out, "%s:%u:%u: %s: %s", t->name, f->at.line, f->at.column, lint_name(f->rule), f->text);
	if (f->at.line == 0 || f->at.line > t->lines.n)
		return;
	own(mem) char *row = mem_ndup(t->lines.v[f->at.line - 1], strnlen(t->lines.v[f->at.line - 1], 400));
	str_harmless(row);
	buf_printf(out, "\n%4u | %s\n     | %*s^", f->at.line, row, (int)(f->at.column > 400 ? 400 : f->at.column - 1), "");
}
