/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dockerfile: a Dockerfile as stages of instructions, checked as far as it can be without values of variables: which
 * instructions and flags there are, how many words they take, which stages exist.
 */
#pragma once

#include "build/lex.h"
#include "codec/jmap.h"

#include <sys/types.h>

enum inst_kind {
	INST_ADD, INST_ARG, INST_CMD, INST_COPY, INST_ENTRYPOINT, INST_ENV, INST_EXPOSE, INST_FROM, INST_HEALTHCHECK, INST_LABEL,
	INST_MAINTAINER, INST_ONBUILD, INST_RUN, INST_SHELL, INST_STOPSIGNAL, INST_USER, INST_VOLUME, INST_WORKDIR, INST_KINDS
};
struct inst {
	enum inst_kind kind;
	struct node *node;
	bool json;          /* written as a JSON array */
	bool is_legacy;     /* ENV and LABEL without = */
	bool is_trigger;    /* comes from ONBUILD of the base */
	struct strv words;  /* not expanded; one word with all of the text where the instruction takes it whole */
	struct map pairs;   /* ENV, LABEL, ARG; value NULL: ARG without a default */
};
struct stage {
	unsigned index;
	char *name;         /* lower case; NULL: none */
	char *base;         /* as written, not expanded */
	struct inst from;
	struct { struct inst *v; size_t n; } steps;
};
struct dockerfile {
	struct arena arena;
	struct lexed text;
	struct { struct inst *v; size_t n; } globals; /* ARG before the first FROM */
	struct { struct stage *v; size_t n; } stages;
};
int dockerfile_parse(const char *name, const char *text, size_t len, struct dockerfile *ret, struct err *e) must_use;
void dockerfile_drop(struct dockerfile *d);
/* One instruction; of ONBUILD: what it says, to see that it can be done. */
int dockerfile_inst(struct dockerfile *d, struct node *n, struct inst *ret, struct err *e) must_use;
/* The trigger of a base image's ONBUILD. */
int dockerfile_trigger(struct dockerfile *d, const char *text, unsigned line, struct inst *ret, struct err *e) must_use;

/* What an ONBUILD says, with its here-documents. */
void dockerfile_onbuild(const struct inst *i, struct buf *out);

const char *inst_name(enum inst_kind k); /* "COPY" */
/* A flag's value: NULL when it is not there; "" when it has none. The i-th of those that may be repeated. */
const char *inst_flag(const struct inst *i, const char *name, size_t nth);
/* A flag that is yes or no. */
bool inst_has(const struct inst *i, const char *name);
/* The stage called that, by name or number, among the first n; -1. */
ssize_t dockerfile_stage(const struct dockerfile *d, const char *name, size_t n);
