/* SPDX-License-Identifier: Apache-2.0 */
/*
 * systemd: transient units of the service manager, over its bus (org.freedesktop.systemd1(5)): started with a list of
 * properties, changed, stopped. libsystemd is opened on the first use.
 */
#pragma once

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"

/* A property and its value, by its type of D-Bus:
 *
 *   b y n q i u x t   number (n i x: as two's complement)
 *   d                 real
 *   s o g             words, the first
 *   as                words
 *   ay au             numbers
 *   a(ss)             words, two each
 *   a(st)             words and numbers, one of both each
 */
struct systemd_property {
	char *name;
	char type[8];
	uint64_t number;
	double real;
	struct strv words;
	struct { uint64_t *v; size_t n; } numbers;
};
/* In an arena. */
struct systemd_properties { struct systemd_property *v; size_t n; };

struct systemd_property *systemd_add(struct arena *a, struct systemd_properties *l, const char *name, const char *type);
void systemd_add_number(struct arena *a, struct systemd_properties *l, const char *name, const char *type, uint64_t v);
void systemd_add_text(struct arena *a, struct systemd_properties *l, const char *name, const char *text);
/* One a line: "MemoryMax t 1048576". */
void systemd_format(const struct systemd_properties *l, struct buf *out);

/* Is the machine run by it? */
bool systemd_is_running(void);

struct systemd;
/* user: the caller's own manager, else the machine's. ERR_UNSUPPORTED when it does not run or libsystemd is missing. */
int systemd_open(bool user, struct systemd **ret, struct err *e) must_use;
void systemd_drop(struct systemd **s);
int systemd_version(struct systemd *s); /* 252; 0: not known */
/* Returns when the unit's job is done, ERR_TIMEOUT after half a minute. ERR_EXISTS: there is such a unit, and it has not failed. */
int systemd_start(struct systemd *s, const char *unit, const struct systemd_properties *l, struct err *e) must_use;
int systemd_set(struct systemd *s, const char *unit, const struct systemd_properties *l, struct err *e) must_use;
/* With its traces, if it failed; one that is not there is success. */
int systemd_stop(struct systemd *s, const char *unit, struct err *e) must_use;
