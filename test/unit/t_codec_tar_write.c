/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tar writer, read back by the reader. t_codec_tar_peers has it read by other programs.
 */
#include "t_codec_tar.h"

#include "base/str.h"

/* A text where a struct wants one that it could write to. */
#define S(text) ((char *)(uintptr_t)(text))

static int to_buf(void *arg, const void *p, size_t n, struct err *e)
{
	(void)e;
	return buf_add(arg, p, n);
}

static void write_one(struct buf *out, const struct tar_entry *t, const char *data)
{
	struct err e = {};
	own(tar_writer) struct tar_writer *w = tar_writer_new(to_buf, out);
	if (tar_write_entry(w, t, &e) < 0 || tar_write_data(w, data, strlen(data), &e) < 0 || tar_write_end(w, &e) < 0)
		fail_msg("%s", e.text);
}

static void assert_entries_equal(const struct tar_entry *a, const struct tar_entry *b)
{
	assert_int_equal(a->type, b->type);
	assert_string_equal(a->name, b->name);
	assert_string_equal(a->link ? a->link : "", b->link ? b->link : "");
	assert_string_equal(a->uname ? a->uname : "", b->uname ? b->uname : "");
	assert_string_equal(a->gname ? a->gname : "", b->gname ? b->gname : "");
	assert_int_equal(a->mode, b->mode);
	assert_int_equal(a->uid, b->uid);
	assert_int_equal(a->gid, b->gid);
	assert_int_equal(a->stored, b->stored);
	assert_int_equal(a->sparse, b->sparse);
	assert_int_equal(a->sparse ? a->size : a->stored, b->size);
	assert_int_equal(a->mtime_ns, b->mtime_ns);
	assert_int_equal(a->dev_major, b->dev_major);
	assert_int_equal(a->dev_minor, b->dev_minor);
	assert_int_equal(a->xattrs.n, b->xattrs.n);
	for (size_t i = 0; i < a->xattrs.n; i++) {
		assert_string_equal(a->xattrs.v[i].name, b->xattrs.v[i].name);
		assert_int_equal(a->xattrs.v[i].len, b->xattrs.v[i].len);
		assert_memory_equal(a->xattrs.v[i].value, b->xattrs.v[i].value, a->xattrs.v[i].len);
	}
	assert_int_equal(a->spans.n, b->spans.n);
	for (size_t i = 0; i < a->spans.n; i++)
		assert_memory_equal(&a->spans.v[i], &b->spans.v[i], sizeof a->spans.v[i]);
}

/* A name of n bytes with a slash after every `each`. */
static char *name_of(size_t n, size_t each)
{
	char *s = mem_alloc(n + 1);
	for (size_t i = 0; i < n; i++)
		s[i] = each && i % each == each - 1 && i + 1 < n ? '/' : 'n';
	return s;
}

static void written(void **state)
{
	(void)state;
	struct tar_xattr attributes[] = {{S("security.capability"), S("\1\0\n\2"), 4}, {S("user.e"), S(""), 0}};
	struct tar_span spans[] = {{0, 3}, {4096, 3}}, end[] = {{8589934586, 6}};
	const struct tar_entry rows[] = {
		{TAR_FILE, S("f"), .mode = 04755, .stored = 6, .mtime_ns = 1600000000000000000},
		{TAR_FILE, S("f"), .uid = 02000000, .gid = 4294967294, .stored = 6, .mtime_ns = -1},
		{TAR_FILE, S("f"), .mtime_ns = INT64_MAX, .uname = S("exactly-thirty-one-bytes-of-name"), .gname = S("thirty-one-bytes-it-is-of-group")},
		{TAR_FILE, S("f"), .mtime_ns = -INT64_MAX, .stored = 6},
		{TAR_DIR, S("dir/"), .mode = 01777, .mtime_ns = 1600000000123456789},
		{TAR_SYMLINK, S("l"), .link = S("target")}, {TAR_HARDLINK, S("h"), .link = S("f")}, {TAR_FIFO, S("fifo"), .mode = 07777},
		{TAR_CHAR, S("c"), .dev_major = 4095, .dev_minor = 1048575}, {TAR_BLOCK, S("b"), .dev_major = 8},
		{TAR_FILE, S("x"), .xattrs = {attributes, 2}, .stored = 6},
		{TAR_FILE, S("dir/holes"), .sparse = true, .spans = {spans, 2}, .size = 8192, .stored = 6},
		{TAR_FILE, S("holes"), .sparse = true, .spans = {end, 1}, .size = 8589934592, .stored = 6},
		{TAR_FILE, S("hole"), .sparse = true, .size = 77},
		{TAR_FILE, S("n\xc3\xbc\xff\n="), .stored = 6},
	};
	for (size_t i = 0; i < countof(rows); i++) {
		own(buf) struct buf b = {}, again = {};
		const char *data = rows[i].stored ? "abcdef" : "";
		write_one(&b, &rows[i], data);
		write_one(&again, &rows[i], data);
		assert_int_equal(b.len, again.len);
		assert_memory_equal(b.data, again.data, b.len);
		assert_int_equal(b.len % 512, 0);
		own(archive) struct archive a = read_archive(&b);
		assert_entries_equal(&rows[i], next(&a));
		assert_data(&a, data);
		assert_null(next(&a));
	}
}

static void written_names(void **state)
{
	(void)state;
	static const size_t eaches[] = {0, 2, 10, 99, 100, 101, 102, 150, 155, 156, 157, 255};
	for (size_t i = 0; i < countof(eaches); i++)
		for (size_t n = 1; n < 300; n++) {
			own(mem) char *name = name_of(n, eaches[i]), *link = name_of(i ? 100 : n, 7);
			struct tar_entry t = {n % 2 ? TAR_SYMLINK : TAR_HARDLINK, name, link};
			own(buf) struct buf b = {};
			write_one(&b, &t, "");
			/* A name that ustar can hold gets no pax header. */
			size_t cut = eaches[i] ? (n - 1) / eaches[i] * eaches[i] : 0;
			if (n <= 100 || (eaches[i] == 100 && n > 101 && n <= 200))
				assert_int_equal(b.len, 1536);
			else if (!cut)
				assert_true(b.len >= 2560);
			own(archive) struct archive a = read_archive(&b);
			assert_entries_equal(&t, next(&a));
		}
	own(mem) char *dir = mem_dup("dir"), *deep = name_of(5000, 50);
	own(buf) struct buf b = {};
	write_one(&b, &(struct tar_entry){TAR_DIR, dir}, "");
	write_one(&b, &(struct tar_entry){TAR_FILE, deep}, "");
	own(archive) struct archive a = read_archive(&b);
	assert_string_equal(next(&a)->name, "dir/");
}

static void written_wrongly(void **state)
{
	(void)state;
	struct err e = {};
	own(buf) struct buf b = {};
	struct tar_entry t = {TAR_FILE, S("f"), .stored = 6};
	own(tar_writer) struct tar_writer *w = tar_writer_new(to_buf, &b);
	assert_int_equal(tar_write_entry(w, &t, &e), 0);
	assert_int_equal(tar_write_data(w, "abcdefg", 7, &e), -1);
	assert_int_equal(tar_write_data(w, "abc", 3, &e), 0);
	assert_int_equal(tar_write_entry(w, &t, &e), -1);
	assert_int_equal(e.kind, ERR_BUG);
	assert_int_equal(tar_write_end(w, &e), -1);
	assert_int_equal(tar_write_data(w, "def", 3, &e), 0);
	assert_int_equal(tar_write_end(w, &e), 0);
	struct tar_xattr huge = {S("user.huge"), mem_alloc(2 << 20), 2 << 20};
	t = (struct tar_entry){TAR_FILE, S("f"), .xattrs = {&huge, 1}};
	assert_int_equal(tar_write_entry(w, &t, &e), -1);
	assert_int_equal(e.kind, ERR_LIMIT);
	mem_drop(&huge.value);
}

/* Entries of all sizes around the reader's buffer, so that headers and data lie across its end. */
static void many(void **state)
{
	(void)state;
	struct err e = {};
	own(buf) struct buf b = {};
	own(tar_writer) struct tar_writer *w = tar_writer_new(to_buf, &b);
	static const size_t sizes[] = {0, 1, 511, 512, 513, 65535, 65536, 262143, 262144, 262145, 700000};
	own(mem) char *data = mem_alloc(700000), *got = mem_alloc(700000);
	for (size_t i = 0; i < 700000; i++)
		data[i] = (char)(i * 2654435761u >> 13);
	for (int i = 0; i < 44; i++) {
		size_t n = sizes[(i * 7) % countof(sizes)];
		struct tar_entry t = {TAR_FILE, S("file"), .stored = n, .mtime_ns = i};
		assert_int_equal(tar_write_entry(w, &t, &e), 0);
		assert_int_equal(tar_write_data(w, data, n / 3, &e), 0);
		assert_int_equal(tar_write_data(w, data + n / 3, n - n / 3, &e), 0);
	}
	assert_int_equal(tar_write_end(w, &e), 0);
	for (int how = 0; how < 4; how++) {
		own(archive) struct archive a = read_archive(&b);
		for (int i = 0; i < 44; i++) {
			const struct tar_entry *t = next(&a);
			size_t n = sizes[(i * 7) % countof(sizes)], have = 0;
			assert_int_equal(t->mtime_ns, i);
			assert_int_equal(t->size, n);
			const void *p = got;
			ssize_t r = how == 3 ? -2 : 1;
			while (r > 0) {
				r = how == 2 ? tar_piece(a.r, &p, &e) : tar_data(a.r, got, how ? 700000 : 1000, &e);
				assert_in_range(r, 0, n - have);
				assert_memory_equal(p, data + have, r);
				have += (size_t)r;
			}
			if (r == 0)
				assert_int_equal(have, n);
		}
		assert_null(next(&a));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(written), cmocka_unit_test(written_names),
		cmocka_unit_test(written_wrongly), cmocka_unit_test(many)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
