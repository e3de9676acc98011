/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stage: one stage of a build while it is carried out, inside src/build: its image so far, and the step at hand.
 *
 * A stage is first gone through as far as the cache has it (`probing`), in the process that coordinates; from where it does not, a
 * process of its own goes through it again and does what is missing. A stage's key is what its layers are, so what gave the same bytes
 * the last time counts as the same.
 */
#pragma once

#include "build/agent.h"
#include "build/build.h"
#include "build/cache.h"
#include "build/context.h"
#include "build/dockerfile.h"
#include "build/documents.h"
#include "build/expand.h"
#include "build/lint.h"
#include "image/types.h"

#include <sys/types.h>

struct state {
	const struct stage *stage;
	struct arena arena;
	struct json *document;        /* of the config */
	struct image_config config;   /* diff_ids in config.rootfs */
	struct strv args;             /* NAME=value of ARG */
	struct strv predefined;       /* platform and proxy variables that were not declared */
	int64_t epoch;                /* ns: nothing in a layer is younger */
	bool done, needs_work, has_cmd;
	size_t base_layers;           /* those of them that are the base image's */
	unsigned told;                /* steps up to this one were told of */
	pid_t worker;                 /* 0: none */
	int sock, result;             /* of the worker */
};
struct build {
	struct engine *g;
	const struct build_request *q;
	struct arena arena;
	struct dockerfile df;
	struct cache cache;
	struct { struct json **v; size_t n; } documents; /* of images that were copied from */
	struct strv globals;          /* NAME=value of ARG before FROM, platform variables */
	struct state *states;         /* one a stage */
	bool *needed, *uses;          /* uses[i * stages + k]: stage i needs stage k */
	size_t target;
	struct context context;
	struct context *named;        /* as q->contexts; NULL: none was asked for yet */
	struct agent *agents;         /* as q->agents; NULL: not started */
	struct lint lint;
	bool has_epoch, epoch_is_context;
	int64_t epoch;
	struct { int64_t cpu_ns; uint64_t bytes; } cost; /* of the step whose end is told next */
	int events;                   /* a worker: where its events go; -1: the coordinator */
	uint64_t steps, cached;
	bool worked;                  /* a worker was started: not all was in the cache */
	unsigned number_base;         /* of its steps */
	unsigned total;               /* steps of all stages that are needed; 0: not counted yet */
	const char *platform_label;   /* with several platforms; NULL */
};
/* What a step says of itself. */
struct step {
	struct build *b;
	struct state *s;
	const struct inst *i;
	unsigned number;
	bool probing, is_layer, begun; /* is_layer: it gave one */
	const char *name;             /* "[2/3] RUN make" */
	int64_t began;
};

/* Those that are told: FROM, and what makes a layer or may. */
unsigned stage_count_steps(const struct stage *s);
/* Goes through a stage from its FROM. probing: 1: the cache does not have all of it;
 * 2: a stage has to be built before, as ONBUILD or a variable of the base says. */
int stage_go(struct build *b, struct state *s, bool probing, struct err *e) must_use;
/* One instruction: 0, -1, 1 as above. */
int step_do(struct step *x, struct err *e) must_use;

/* step.c: for those that make layers */
typedef int (*step_make)(struct step *x, void *arg, char layer[136], struct err *e);
/* The layer of that key: from the cache, else by make(). `step` is what lists say. */
int step_layer(struct step *x, const struct key *k, step_make make, void *arg, struct err *e) must_use;
void step_begin(struct step *x);
/* What keys begin with: the layers below, and what all keys have. */
void step_key(const struct step *x, const char *kind, bool linked, struct key *k);
int step_expand(const struct step *x, const char *word, struct buf *out, struct err *e) must_use;
char *step_expanded(const struct step *x, const char *word, struct err *e) must_use; /* in the stage's arena; NULL on error */
/* The body of a here-document. */
char *step_heredoc(const struct step *x, const char *body, struct err *e) must_use;
/* A path below the working directory, clean and absolute. */
char *step_path(const struct step *x, const char *path) must_use;
/* Whom files belong to that are made for that user: a number alone is that of the group too, as BuildKit has it. */
struct user;
int step_owner(int root, const char *text, struct arena *a, struct user *ret, struct err *e) must_use;
/* A mount of the stage's root as it is now, read only; -1 with ERR_NONE when it has no layers. */
int state_mount(struct build *b, const struct state *s, struct err *e) must_use;
void state_add_layer(struct state *s, const char *layer);
void state_history(struct step *x, const char *created_by, bool empty);
char *time_text(struct arena *a, int64_t ns); /* RFC 3339 without a fraction */

/* build.c: the Dockerfile and the context are read; whatever was wrong with the file, what its checks found is in b->lint. */
int build_read(struct build *b, struct err *e) must_use;
int build_lint(const struct build *b, struct err *e) must_use; /* Is it an error that something was found? */
void build_drop(struct build *b);

/* plan.c: which stages are needed for the target, and by whom; values of ARG before FROM. */
int plan_make(struct build *b, struct err *e) must_use;
int plan_need(struct build *b, size_t stage, struct err *e) must_use;
/* What an ONBUILD of the base says uses stages too. 1: one of them is not built yet. */
int plan_trigger(struct build *b, size_t stage, const struct inst *i, const struct strv *scope, struct err *e) must_use;
/* A stage whose base is known by now, and with it these variables. 1: as above. */
int plan_again(struct build *b, size_t stage, const struct strv *args, const struct strv *env, struct err *e) must_use;
/* The text with the variables of `lines` (NAME=value). */
int plan_expand(const struct build *b, const struct node *n, const char *text, const struct strv *lines, struct buf *out, struct err *e) must_use;

/* The socket of the SSH agent that --ssh gave that name; NULL: none. */
const char *build_agent(const struct build *b, const char *id);

/* worker.c: a stage in a process of its own. */
int worker_start(struct build *b, struct state *s, struct err *e) must_use;
/* 1: it is through; 0: it goes on; -1: it failed. */
int worker_hear(struct build *b, struct state *s, struct err *e) must_use;
void worker_stop(struct build *b);

/* squash.c: the target's layers above its base become one. */
enum { SQUASH_NUMBER = (1 << 30) - 1, STEPS_OF_PLATFORM = 50000000, PLATFORMS_MAX = 16 };
int squash(struct build *b, struct err *e) must_use;

/* commit.c: the target becomes an image of the store. */
int commit_image(struct build *b, const struct strv *names, struct build_image *ret, struct err *e) must_use;
/* A config as a copy in the arena. */
int config_copy(const struct image_config *from, struct arena *a, struct json **ret_document, struct image_config *ret, struct err *e) must_use;

/* event.c */
void event_send(struct build *b, enum build_event_kind kind, unsigned step, const char *name, int64_t ns, const char *text, size_t len);
/* A worker's events are handed on; 0: there are no more. */
int event_receive(struct build *b, int sock, struct err *e) must_use;

/* run_shell.c: --debug-at. */
bool step_is_debugged(const struct step *x);
int debug_check(const struct build *b, struct err *e) must_use;
/* run.c: a shell in the root as it is before the step; upper: a RUN's directory, to see what it has done; -1. */
int step_shell(struct step *x, int upper, const char *why, struct err *e) must_use;
void step_shell_failed(struct step *x, int upper); /* the same after a failure; one of its own is a warning */

/* copy.c, run.c */
int copy_do(struct step *x, struct err *e) must_use;
int run_do(struct step *x, struct err *e) must_use;

/* base.c: what FROM, COPY --from and --mount=from name: a context, a stage (NULL: none), else an image, which is made to be here. */
struct source { const struct state *state; struct image_config config; struct strv layers; struct context *context; /* or NULL */ };
int source_find(struct build *b, const struct state *of, const char *name, const char *platform, struct arena *a, struct source *ret,
	struct json **ret_document, struct err *e) must_use;

/* writing.c: a layer from what write() writes; in a process of its own, so that reading and writing go side by side, unless it is small. */
struct writing {
	int (*write)(void *arg, int out, struct err *e);
	void *arg;
	bool again;   /* write() can be called twice: the first time as long as it is small */
	char *shared; /* 64 bytes that the writer may fill, or NULL */
};
int writing_do(struct build *b, struct writing *w, char layer[136], struct err *e) must_use;
