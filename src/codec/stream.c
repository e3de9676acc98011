/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream: sources (fd, range, memory), the streams that only look at what passes (bound, hash), and the
 * choice of a decoder. Each kind is a struct that begins with struct stream, so that a pointer to one
 * is a pointer to the other.
 */
#include "codec/stream.h"

#include "base/fd.h"
#include "base/mem.h"
#include "codec/decoder.h"
#include "codec/digest.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

ssize_t stream_read(struct stream *s, void *p, size_t n, struct err *e)
{
	if (s->broken)
		return err_set(e, ERR_CORRUPT, "read after a failure");
	if (!n)
		return 0;
	ssize_t r = s->read(s, p, n, e);
	s->broken = r < 0;
	return r;
}

int stream_read_full(struct stream *s, void *p, size_t n, struct err *e)
{
	for (char *at = p; n > 0;) {
		ssize_t r = stream_read(s, at, n, e);
		if (r < 0)
			return -1;
		if (r == 0)
			return err_set(e, ERR_CORRUPT, "unexpected end");
		at += r;
		n -= (size_t)r;
	}
	return 0;
}

uint64_t stream_pass(struct stream *s, uint64_t n)
{
	return s->pass && !s->broken ? s->pass(s, n) : 0;
}

int stream_skip(struct stream *s, uint64_t n, struct err *e)
{
	char waste[32768];
	while (n > 0) {
		size_t want = n < sizeof waste ? (size_t)n : sizeof waste;
		if (stream_read_full(s, waste, want, e) < 0)
			return -1;
		n -= want;
	}
	return 0;
}

void stream_drop(struct stream **s)
{
	int saved = errno;
	while (*s) {
		struct stream *below = (*s)->owned;
		(*s)->close(*s);
		*s = below;
	}
	errno = saved;
}

struct stream *stream_own(struct stream *s, struct stream *below)
{
	s->owned = below;
	return s;
}

/* Without fd (-1) the bytes go nowhere. */
static int copy(struct stream *s, int fd, uint64_t *ret_bytes, struct err *e)
{
	own(mem) char *chunk = mem_grow(NULL, STREAM_CHUNK);
	uint64_t bytes = 0;
	ssize_t r;
	while ((r = stream_read(s, chunk, STREAM_CHUNK, e)) > 0) {
		if (fd >= 0 && fd_write_all(fd, chunk, (size_t)r) < 0)
			return err_sys(e, "write");
		bytes += (uint64_t)r;
	}
	if (r < 0)
		return -1;
	if (ret_bytes)
		*ret_bytes = bytes;
	return 0;
}

int stream_to_fd(struct stream *s, int fd, uint64_t *ret_bytes, struct err *e)
{
	return copy(s, fd, ret_bytes, e);
}

int stream_to_end(struct stream *s, uint64_t *ret_bytes, struct err *e)
{
	return copy(s, -1, ret_bytes, e);
}

int stream_to_buf(struct stream *s, struct buf *out, struct err *e)
{
	for (;;) {
		char chunk[16384];
		ssize_t r = stream_read(s, chunk, sizeof chunk, e);
		if (r < 0)
			return -1;
		if (r == 0)
			return 0;
		if (buf_add(out, chunk, (size_t)r) < 0)
			return buf_check(out, e);
	}
}

struct source {
	struct stream stream;
	int fd;
	bool owns;
	const char *memory;
	uint64_t at, left;
};

static void source_close(struct stream *s)
{
	struct source *source = (struct source *)s;
	if (source->owns)
		fd_drop(&source->fd);
	mem_drop(&source);
}

static struct stream *source_new(ssize_t (*read)(struct stream *, void *, size_t, struct err *), struct source s)
{
	struct source *source = mem_alloc(sizeof *source);
	*source = s;
	source->stream = (struct stream){.read = read, .close = source_close};
	return &source->stream;
}

static size_t smaller(size_t n, uint64_t left)
{
	return n < left ? n : (size_t)left;
}

static ssize_t fd_source_read(struct stream *s, void *p, size_t n, struct err *e)
{
	struct source *source = (struct source *)s;
	n = smaller(n, source->left);
	ssize_t r;
	do
		r = n ? read(source->fd, p, n) : 0;
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return err_sys(e, "read");
	if (source->left != UINT64_MAX)
		source->left -= (uint64_t)r;
	return r;
}

struct stream *stream_fd(int fd, uint64_t limit)
{
	return source_new(fd_source_read, (struct source){.fd = fd, .left = limit});
}

struct stream *stream_fd_take(int fd, uint64_t limit)
{
	return source_new(fd_source_read, (struct source){.fd = fd, .left = limit, .owns = true});
}

static ssize_t range_read(struct stream *s, void *p, size_t n, struct err *e)
{
	struct source *source = (struct source *)s;
	n = smaller(n, source->left);
	ssize_t r;
	do
		r = n ? pread(source->fd, p, n, (off_t)source->at) : 0;
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return err_sys(e, "read");
	if (r == 0 && n)
		return err_set(e, ERR_CORRUPT, "unexpected end");
	source->at += (uint64_t)r;
	source->left -= (uint64_t)r;
	return r;
}

static uint64_t range_pass(struct stream *s, uint64_t n)
{
	struct source *source = (struct source *)s;
	n = n < source->left ? n : source->left;
	source->at += n;
	source->left -= n;
	return n;
}

struct stream *stream_range(int fd, uint64_t offset, uint64_t length)
{
	struct stream *s = source_new(range_read, (struct source){.fd = fd, .at = offset, .left = length});
	s->pass = range_pass;
	return s;
}

static ssize_t memory_read(struct stream *s, void *p, size_t n, struct err *e)
{
	(void)e;
	struct source *source = (struct source *)s;
	n = smaller(n, source->left);
	if (n)
		memcpy(p, source->memory + source->at, n);
	source->at += n;
	source->left -= n;
	return (ssize_t)n;
}

struct stream *stream_memory(const void *p, size_t n)
{
	return source_new(memory_read, (struct source){.fd = -1, .memory = p, .left = n});
}

/* Passes bytes on and looks at them. */
struct lens {
	struct stream stream;
	struct stream *below;
	uint64_t bytes, max;
	const char *what;
	struct digest *digest;
};

static void lens_close(struct stream *s)
{
	struct lens *l = (struct lens *)s;
	digest_drop(&l->digest);
	mem_drop(&l);
}

static ssize_t lens_read(struct stream *s, void *p, size_t n, struct err *e)
{
	struct lens *l = (struct lens *)s;
	ssize_t r = stream_read(l->below, p, n, e);
	if (r <= 0)
		return r;
	if ((uint64_t)r > l->max - l->bytes)
		return err_set(e, ERR_LIMIT, "%s: more than %llu bytes", l->what, (unsigned long long)l->max);
	l->bytes += (uint64_t)r;
	if (l->digest)
		digest_add(l->digest, p, (size_t)r);
	return r;
}

static struct stream *lens_new(struct stream *below, uint64_t max, const char *what, struct digest *digest)
{
	struct lens *l = mem_alloc(sizeof *l);
	*l = (struct lens){{.read = lens_read, .close = lens_close}, below, 0, max, what, digest};
	return &l->stream;
}

struct stream *stream_bound(struct stream *below, uint64_t max, const char *what)
{
	return lens_new(below, max, what, NULL);
}

int stream_hash(struct stream *below, const char *like, struct stream **ret, struct err *e)
{
	struct digest *digest = NULL;
	if (digest_begin(like, &digest, e) < 0)
		return -1;
	*ret = lens_new(below, UINT64_MAX, "", digest);
	return 0;
}

void stream_digest(struct stream *hash, char ret_text[static 136], uint64_t *ret_bytes)
{
	struct lens *l = (struct lens *)hash;
	digest_end(l->digest, ret_text);
	if (ret_bytes)
		*ret_bytes = l->bytes;
}

struct feed feed_new(struct stream *below)
{
	return (struct feed){.below = below, .data = mem_grow(NULL, STREAM_CHUNK)};
}

void feed_drop(struct feed *f)
{
	mem_drop(&f->data);
	*f = (struct feed){};
}

static int feed_more(struct feed *f, struct err *e)
{
	if (f->ended)
		return 0;
	ssize_t r = stream_read(f->below, f->data + f->end, STREAM_CHUNK - f->end, e);
	if (r < 0)
		return -1;
	f->ended = r == 0;
	f->end += (size_t)r;
	return r > 0;
}

int feed_fill(struct feed *f, struct err *e)
{
	if (f->at < f->end)
		return 1;
	f->at = f->end = 0;
	return feed_more(f, e);
}

int feed_peek(struct feed *f, size_t n, struct err *e)
{
	int r = 1;
	while (f->end < n && r > 0)
		r = feed_more(f, e);
	return r < 0 ? -1 : 0;
}

/* No compression: what was read to find that out, then the rest without a copy. */
struct plain {
	struct stream stream;
	struct feed feed;
};

static void plain_close(struct stream *s)
{
	struct plain *plain = (struct plain *)s;
	feed_drop(&plain->feed);
	mem_drop(&plain);
}

static ssize_t plain_read(struct stream *s, void *p, size_t n, struct err *e)
{
	struct feed *f = &((struct plain *)s)->feed;
	if (f->at == f->end)
		return f->ended ? 0 : stream_read(f->below, p, n, e);
	n = smaller(n, f->end - f->at);
	memcpy(p, f->data + f->at, n);
	f->at += n;
	return (ssize_t)n;
}

static int plain_open(struct feed *f, struct stream **ret)
{
	struct plain *plain = mem_alloc(sizeof *plain);
	*plain = (struct plain){{.read = plain_read, .close = plain_close}, *f};
	*f = (struct feed){};
	*ret = &plain->stream;
	return 0;
}

static bool begins(const struct feed *f, const char *magic, size_t n)
{
	return f->end >= n && memcmp(f->data, magic, n) == 0;
}

static enum compression recognise(const struct feed *f)
{
	if (begins(f, "\x1f\x8b", 2))
		return COMPRESS_GZIP;
	/* a zstd frame, or a skippable one: 50 to 5f 2a 4d 18 */
	if (begins(f, "\x28\xb5\x2f\xfd", 4) ||
		(f->end >= 4 && f->data[0] >> 4 == 5 && memcmp(f->data + 1, "\x2a\x4d\x18", 3) == 0))
		return COMPRESS_ZSTD;
	/* a block of bzip2, or the end of one without blocks */
	if (begins(f, "BZh", 3) && f->end >= 10 && (memcmp(f->data + 4, "1AY&SY", 6) == 0 || memcmp(f->data + 4, "\x17\x72\x45\x38\x50\x90", 6) == 0))
		return COMPRESS_BZIP2;
	return begins(f, "\xfd" "7zXZ\0", 6) ? COMPRESS_XZ : COMPRESS_NONE;
}

int stream_decompress(struct stream *below, struct stream **ret, enum compression *ret_found, struct err *e)
{
	own(feed) struct feed f = feed_new(below);
	if (feed_peek(&f, 10, e) < 0)
		return -1;
	enum compression found = recognise(&f);
	int r = -1;
	switch (found) {
	case COMPRESS_GZIP: r = inflate_open(&f, INFLATE_ANY, ret, e); break;
	case COMPRESS_ZSTD: r = zstd_open(&f, ret, e); break;
	case COMPRESS_XZ: r = xz_open(&f, ret, e); break;
	case COMPRESS_BZIP2: r = bzip2_open(&f, ret, e); break;
	case COMPRESS_NONE: r = plain_open(&f, ret); break;
	}
	if (r == 0 && ret_found)
		*ret_found = found;
	return r;
}
