/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buf: a growing byte buffer with a hard maximum. After any call .data is NUL-terminated (and never
 * NULL once something was appended). Appending past .max sets .full, keeps what fits nowhere and
 * returns -1; later appends do nothing. buf_check() turns that into ERR_LIMIT, once, at the end.
 */
#pragma once

#include "base/err.h"

#include <stdarg.h>

struct buf {
	char *data;
	size_t len, room, max; /* max 0: BUF_MAX */
	bool full;
};
enum { BUF_MAX = 64 << 20 };
#define BUF(limit) ((struct buf){.max = (limit)})

void buf_drop(struct buf *b);
void buf_reset(struct buf *b); /* keeps the memory */
int buf_add(struct buf *b, const void *p, size_t n);
int buf_str(struct buf *b, const char *s);
int buf_char(struct buf *b, char c);
int buf_printf(struct buf *b, const char *fmt, ...) printf_like(2, 3);
int buf_vprintf(struct buf *b, const char *fmt, va_list ap);
int buf_check(const struct buf *b, struct err *e) must_use;
void buf_cut(struct buf *b, size_t n);   /* removes n bytes from the front */
char *buf_room(struct buf *b, size_t n); /* room for n more bytes, NULL when past max; then b->len += used */
char *buf_take(struct buf *b) must_use;  /* gives the string, "" when empty; the buffer is empty after */
const char *buf_text(const struct buf *b); /* "" when empty */
