/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_drop(struct buf *b)
{
	int saved = errno;
	free(b->data);
	*b = (struct buf){.max = b->max};
	errno = saved;
}

void buf_reset(struct buf *b)
{
	b->len = 0;
	b->full = false;
	if (b->data)
		b->data[0] = 0;
}

char *buf_room(struct buf *b, size_t n)
{
	size_t max = b->max ? b->max : BUF_MAX;
	if (b->full || n > max || b->len > max - n) {
		b->full = true;
		return NULL;
	}
	if (b->len + n + 1 > b->room) {
		size_t room = b->room ? b->room * 2 : 128;
		while (room < b->len + n + 1)
			room *= 2;
		b->data = mem_grow(b->data, room);
		b->data[b->len] = 0; /* also when nothing comes: an empty file */
		b->room = room;
	}
	/* Whoever then adds nothing still has a text. */
	b->data[b->len] = 0;
	return b->data + b->len;
}

int buf_add(struct buf *b, const void *p, size_t n)
{
	char *at = buf_room(b, n);
	if (!at)
		return -1;
	if (n)
		memcpy(at, p, n);
	b->len += n;
	b->data[b->len] = 0;
	return 0;
}

int buf_str(struct buf *b, const char *s)
{
	return buf_add(b, s, strlen(s));
}

int buf_char(struct buf *b, char c)
{
	return buf_add(b, &c, 1);
}

int buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	char *at = n < 0 ? NULL : buf_room(b, (size_t)n);
	if (at) {
		vsnprintf(at, (size_t)n + 1, fmt, again);
		b->len += (size_t)n;
	}
	va_end(again);
	return at ? 0 : -1;
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int r = buf_vprintf(b, fmt, ap);
	va_end(ap);
	return r;
}

int buf_check(const struct buf *b, struct err *e)
{
	if (b->full)
		return err_set(e, ERR_LIMIT, "more than %zu bytes", b->max ? b->max : (size_t)BUF_MAX);
	return 0;
}

void buf_cut(struct buf *b, size_t n)
{
	if (n > b->len)
		n = b->len;
	if (!n)
		return;
	memmove(b->data, b->data + n, b->len - n);
	b->len -= n;
	b->data[b->len] = 0;
}

char *buf_take(struct buf *b)
{
	char *s = b->data ? b->data : mem_dup("");
	*b = (struct buf){.max = b->max};
	return s;
}

const char *buf_text(const struct buf *b)
{
	return b->data ? b->data : "";
}
