/* SPDX-License-Identifier: Apache-2.0 */
/*
 * partial_stream: see partial_stream.h.
 */
#include "snap/partial_stream.h"

#include "base/mem.h"

#include <errno.h>
#include <unistd.h>

struct partial_stream {
	struct stream stream;
	int file, fd;
	uint64_t at, bytes; /* bytes: where the file's part ends */
	bool off;           /* the file takes no more */
};

static void add(struct partial_stream *p, const char *data, size_t n)
{
	for (uint64_t at = p->at; !p->off && n;) {
		ssize_t w = pwrite(p->file, data, n, (off_t)at);
		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0) {
			p->off = true;
			(void)!ftruncate(p->file, 0);
			return;
		}
		at += (uint64_t)w;
		data += w;
		n -= (size_t)w;
	}
}

static ssize_t read_partial(struct stream *s, void *room, size_t n, struct err *e)
{
	struct partial_stream *p = (struct partial_stream *)s;
	bool kept = p->at < p->bytes;
	ssize_t r;
	if (kept && n > p->bytes - p->at)
		n = (size_t)(p->bytes - p->at);
	do
		r = kept ? pread(p->file, room, n, (off_t)p->at) : read(p->fd, room, n);
	while (r < 0 && errno == EINTR);
	if (r < 0 || (r == 0 && kept))
		return r < 0 ? err_sys(e, "read") : err_set(e, ERR_CORRUPT, "what was kept of the blob became shorter");
	if (!kept && r > 0)
		add(p, room, (size_t)r);
	p->at += (uint64_t)r;
	return r;
}

static void close_partial(struct stream *s)
{
	struct partial_stream *p = (struct partial_stream *)s;
	mem_drop(&p);
}

struct stream *partial_stream(int file, uint64_t bytes, int fd)
{
	struct partial_stream *p = mem_alloc(sizeof *p);
	*p = (struct partial_stream){.stream = {.read = read_partial, .close = close_partial}, .file = file, .fd = fd, .bytes = bytes};
	return &p->stream;
}
