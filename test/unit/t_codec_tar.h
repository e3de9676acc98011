/* SPDX-License-Identifier: Apache-2.0 */
/*
 * t_codec_tar: what the tests of the tar reader and of the writer share: an archive in memory, read entry by entry.
 */
#pragma once

#include "codec/tar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct archive {
	struct stream *in;
	struct tar_reader *r;
};

static void archive_drop(struct archive *a)
{
	tar_reader_drop(&a->r);
	stream_drop(&a->in);
}

static struct archive read_archive(const struct buf *b)
{
	struct archive a = {.in = stream_memory(buf_text(b), b->len)};
	a.r = tar_reader_new(a.in);
	return a;
}

static const struct tar_entry *next(struct archive *a)
{
	struct err e = {};
	const struct tar_entry *t = NULL;
	int found = tar_next(a->r, &t, &e);
	if (found < 0)
		fail_msg("%s", e.text);
	return found ? t : NULL;
}

static void assert_data(struct archive *a, const char *want)
{
	struct err e = {};
	own(buf) struct buf got = {};
	char p[7];
	ssize_t n;
	while ((n = tar_data(a->r, p, sizeof p, &e)) > 0)
		buf_add(&got, p, (size_t)n);
	assert_int_equal(n, 0);
	assert_string_equal(buf_text(&got), want);
}
