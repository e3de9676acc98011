/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lint: what is allowed in a Dockerfile and is yet not what its author meant. The checks have the names that BuildKit gives them, and those that
 * look at a whole file are done when it was read; those that look at a stage's instructions when it is known what its base defines.
 *
 *   # check=skip=NAME,NAME;error=true;experimental=NAME    at the top, or BUILDKIT_DOCKERFILE_CHECK: for the file
 *   # check=skip=NAME // why                               right above an instruction: for that one
 *
 * `all` stands for every name.
 */
#pragma once

#include "build/dockerfile.h"
#include "build/ignore.h"

enum lint_rule {
	LINT_CONSISTENT_INSTRUCTION_CASING, LINT_COPY_IGNORED_FILE, LINT_DUPLICATE_STAGE_NAME, LINT_EXPOSE_INVALID_FORMAT, LINT_EXPOSE_PROTO_CASING,
	LINT_FROM_AS_CASING, LINT_FROM_PLATFORM_CONST, LINT_INVALID_BASE_IMAGE_PLATFORM, LINT_INVALID_DEFAULT_ARG_IN_FROM,
	LINT_INVALID_DEFINITION_DESCRIPTION, LINT_JSON_ARGS_RECOMMENDED, LINT_LEGACY_KEY_VALUE_FORMAT, LINT_MAINTAINER_DEPRECATED,
	LINT_MULTIPLE_INSTRUCTIONS, LINT_NO_EMPTY_CONTINUATION, LINT_REDUNDANT_TARGET_PLATFORM, LINT_RESERVED_STAGE_NAME,
	LINT_SECRETS_USED_IN_ARG_OR_ENV, LINT_STAGE_NAME_CASING, LINT_UNDEFINED_ARG_IN_FROM, LINT_UNDEFINED_VAR, LINT_WORKDIR_RELATIVE_PATH, LINT_RULES
};
struct lint_finding {
	enum lint_rule rule;
	struct source_place at;
	unsigned last; /* the last line of what it is about */
	char *text;
};
struct lint {
	struct arena arena;
	struct dockerfile *df;        /* triggers are read into it */
	const struct strv *globals;   /* values of ARG before FROM, platform variables */
	const struct strv *args;      /* --build-arg */
	const struct ignore *ignore;  /* of the context; NULL: there is none */
	bool skip_all, error;
	struct strv skip, experimental;
	struct { struct lint_finding *v; size_t n; } found;
	struct lint_stage *stages;    /* one a stage */
};
void lint_drop(struct lint *l);
/* options: instead of the Dockerfile's directive; NULL. ERR_USAGE. */
int lint_open(struct lint *l, struct dockerfile *d, const char *options, struct err *e) must_use;

/* lint_file.c: names, letters and FROM of all stages. */
void lint_file(struct lint *l);
/* lint_stage.c: the instructions of a stage, after those that ONBUILD of its base gives it. base: the stage that it begins with; -1: an image, with
 * these variables and ONBUILD; NULL: nobody knows them. */
void lint_stage(struct lint *l, size_t stage, ssize_t base, const struct strv *env, const struct strv *on_build);

/* The node: whose comments may say that it is skipped; needle: what the place is of, as lex_place(). */
void lint_add(struct lint *l, enum lint_rule rule, const struct node *n, const char *needle, const char *fmt, ...) printf_like(5, 6);
/* The same for a line of it. */
void lint_add_line(struct lint *l, enum lint_rule rule, const struct node *n, unsigned line, const char *text);
void lint_sort(struct lint *l); /* by line */
const char *lint_name(enum lint_rule rule);
const char *lint_about(enum lint_rule rule); /* a sentence */
char *lint_url(enum lint_rule rule) must_use; /* what is written about it; free() */
/* "A, B": the rules that were broken. */
void lint_names(const struct lint *l, struct buf *out);
/* FILE:LINE:COLUMN: rule: text, the line and a caret. */
void lint_show(const struct lint *l, const struct lint_finding *f, struct buf *out);
/* The comment above that describes something of that name: what follows the name; NULL. */
const char *lint_described(const struct node *n, const char *name);
