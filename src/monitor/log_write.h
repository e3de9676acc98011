/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_write: the log of a running container, written by its monitor.
 *
 * Nothing here blocks for anything but the disk, fails, or allocates after log_open(). What cannot be
 * written (a full disk) is dropped and counted, and one line in the log says how much as soon as there
 * is room again.
 */
#pragma once

#include "monitor/log_record.h"
#include "monitor/log_send.h"

#include <sys/types.h>

struct log_stream {
	char carry[LOG_LINE_MAX]; /* of a line whose end has not come yet */
	size_t n;
	bool inside;              /* parts of this line were written already … */
	bool left_out;            /* … or not: too many came this second */
	bool is_counted;          /* as a lost one */
	int64_t began_ns;         /* … and all have this time */
};

struct log {
	const struct log_options *options;
	const struct log_format *format; /* NULL: nothing is kept here */
	struct log_send send;            /* who gets the lines instead */
	bool sends;
	int fd;                          /* -1: it could not be opened; tried again */
	uint64_t size;
	struct log_stream streams[2];
	char *batch;                     /* records that wait for the end of the chunk */
	size_t len, lines, room;
	size_t nattrs;
	int64_t time_ns;
	char time_text[LOG_TIME_TEXT];
	uint64_t dropped;                /* lines, since the last line that said so */
	int why;                         /* errno; 0: there were more than its rate allows */
	int64_t second;                  /* the one that `rated` lines came in */
	uint64_t rated;
	pid_t gzip;                      /* compressing a rotated file, or 0 */
	char gzip_name[256];             /* which one */
};

/* *l is zeroed. */
int log_open(struct log *l, const struct log_options *o, struct err *e) must_use;
void log_drop(struct log *l);
/* Bytes of stream 1 or 2 as they came. */
void log_add(struct log *l, int stream, const char *p, size_t n, int64_t now_ns);
void log_flush(struct log *l);
/* The end: what is left of a line without a line break is written as it is. */
void log_close(struct log *l, int64_t now_ns);
/* After SIGCHLD: the file it compressed takes the place of the plain one. */
void log_reap(struct log *l);
