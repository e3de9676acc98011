/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logs: reading a container's log back, across rotated files, while it grows.
 */
#pragma once

#include "monitor/monitor.h"

struct logs_read {
	enum log_driver driver;
	int dir;
	const char *name;
	bool follow;          /* until stopped() says so and everything was read */
	int64_t since_ns, until_ns; /* 0: open */
	int64_t tail;         /* last n lines; -1: all */
	bool (*stopped)(void *arg); /* follow: has the container ended? asked while nothing comes */
	/* One line or part of a line, with its line break if it had one. stream: 1 stdout, 2 stderr. Return -1 to stop. */
	int (*line)(void *arg, int stream, int64_t time_ns, const char *p, size_t n, const char *attrs, struct err *e);
	void *arg;
};
int logs_read(const struct logs_read *r, struct err *e) must_use;
/* Empties it. Who writes goes on in the same file. */
int logs_clear(int dir, const char *name, struct err *e) must_use;
