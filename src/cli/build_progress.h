/* SPDX-License-Identifier: Apache-2.0 */
/*
 * build_progress: what a build is doing, on stderr: plain (a line a piece of news), tty (drawn again), rawjson (an object a line), quiet.
 */
#pragma once

#include "build/build.h"

struct build_progress;
/* kind NULL or "auto": tty on a terminal, else plain. ERR_USAGE. */
struct build_progress *build_progress_new(const char *kind, struct err *e) must_use;
void build_progress_drop(struct build_progress **p);
/* The plain form is kept in a log too; root: fd of the state directory. */
void build_progress_keep(struct build_progress *p, int root);
/* What is drawn wants to be drawn again and again (struct build_request's tick). */
bool build_progress_ticks(const struct build_progress *p);
void build_progress_tick(void *p);
void build_progress_event(void *p, const struct build_event *ev);
/* What each step was and cost: {name, started_ns, duration_ns, cpu_ns, bytes, cached, failed}. */
struct json;
struct json *build_progress_steps(const struct build_progress *p) must_use;
/* The same as a picture. */
void build_progress_timing(struct build_progress *p);
void build_progress_end(struct build_progress *p, bool well);
void build_progress_result(struct build_progress *p, const char *id, const struct strv *names);
