/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tar reader on archives made here byte by byte, good and hostile. t_codec_tar_peers compares it
 * with other programs.
 */
#include "t_codec_tar.h"

#include "base/str.h"
#include "codec/tar_format.h"

#include <stdio.h>

static void seal(struct tar_header *h)
{
	unsigned sum = 0;
	memset(h->sum, ' ', 8);
	for (size_t i = 0; i < sizeof *h; i++)
		sum += ((unsigned char *)h)[i];
	snprintf(h->sum, sizeof h->sum, "%06o", sum);
}

static struct tar_header header(char type, const char *name, uint64_t size)
{
	struct tar_header h = {.type = type, .mode = "0000644", .uid = "0001750", .gid = "0000062", .mtime = "00000000144",
		.magic = "ustar", .version = "00"};
	memcpy(h.name, name, strnlen(name, sizeof h.name));
	snprintf(h.size, sizeof h.size, "%011llo", (unsigned long long)size);
	memcpy(h.uname, "someone", 7);
	return h;
}

static void add_header(struct buf *b, struct tar_header h)
{
	seal(&h);
	buf_add(b, &h, sizeof h);
}

static void add_data(struct buf *b, const void *p, size_t n)
{
	static const char zero[512];
	buf_add(b, p, n);
	buf_add(b, zero, -n & 511);
}

static void add(struct buf *b, char type, const char *name, const void *p, size_t n)
{
	add_header(b, header(type, name, n));
	add_data(b, p, n);
}

static void add_text(struct buf *b, char type, const char *name, const char *text)
{
	add(b, type, name, text, strlen(text));
}

static void add_end(struct buf *b)
{
	static const char zero[1024];
	buf_add(b, zero, sizeof zero);
}

/* "LENGTH key=value\n" */
static void record(struct buf *b, const char *key, const void *value, size_t n)
{
	size_t rest = strlen(key) + n + 3, total = rest + 1;
	for (int i = 0; i < 4; i++)
		total = rest + (size_t)snprintf(NULL, 0, "%zu", total);
	buf_printf(b, "%zu %s=", total, key);
	buf_add(b, value, n);
	buf_char(b, '\n');
}

static void record_text(struct buf *b, const char *key, const char *value)
{
	record(b, key, value, strlen(value));
}

/* One pax header with the records given as key, value, key, value, NULL. */
static void add_pax(struct buf *b, char type, ...)
{
	own(buf) struct buf records = {};
	va_list ap;
	va_start(ap, type);
	for (const char *key; (key = va_arg(ap, const char *));)
		record_text(&records, key, va_arg(ap, const char *));
	va_end(ap);
	add(b, type, "PaxHeaders/x", records.data, records.len);
}

/* Reads b to its end; the error when it is refused. */
static int read_all(const struct buf *b, struct err *e)
{
	own(archive) struct archive a = read_archive(b);
	const struct tar_entry *t;
	int found;
	while ((found = tar_next(a.r, &t, e)) > 0) {
		const void *p;
		ssize_t n;
		while ((n = tar_piece(a.r, &p, e)) > 0)
			;
		if (n < 0)
			return -1;
	}
	if (found < 0) {
		struct err after = {};
		assert_int_equal(tar_next(a.r, &t, &after), -1);
	}
	return found;
}

static void assert_refused(const struct buf *b, enum err_kind kind, const char *words)
{
	struct err e = {};
	if (read_all(b, &e) == 0)
		fail_msg("taken, and it should be: %s", words);
	if (!strstr(e.text, words))
		fail_msg("\"%s\", and it should be: %s", e.text, words);
	assert_int_equal(e.kind, kind);
}

static void plain(void **state)
{
	(void)state;
	own(buf) struct buf b = {};
	struct tar_header h = header('0', "file", 3);
	memcpy(h.prefix, "some/dir", 8);
	add_header(&b, h);
	add_data(&b, "abc", 3);
	h = header('2', "link", 0);
	memset(h.link, 'l', sizeof h.link);
	add_header(&b, h);
	h = header('3', "dev", 0);
	memcpy(h.major, "0000005", 7);
	memcpy(h.minor, "0001003", 7);
	add_header(&b, h);
	add_end(&b);
	own(archive) struct archive a = read_archive(&b);
	const struct tar_entry *t = next(&a);
	assert_string_equal(t->name, "some/dir/file");
	assert_int_equal(t->type, TAR_FILE);
	assert_int_equal(t->mode, 0644);
	assert_int_equal(t->uid, 1000);
	assert_int_equal(t->gid, 50);
	assert_string_equal(t->uname, "someone");
	assert_string_equal(t->gname, "");
	assert_int_equal(t->size, 3);
	assert_int_equal(t->stored, 3);
	assert_int_equal(t->mtime_ns, 100000000000);
	assert_int_equal(t->offset, 512);
	assert_data(&a, "abc");
	t = next(&a);
	assert_int_equal(t->type, TAR_SYMLINK);
	assert_int_equal(strlen(t->link), 100);
	t = next(&a);
	assert_int_equal(t->type, TAR_CHAR);
	assert_int_equal(t->dev_major, 5);
	assert_int_equal(t->dev_minor, 515);
	assert_string_equal(t->link, "");
	assert_null(next(&a));
	assert_null(next(&a));
}

/* v7: no magic, a directory is a file with a slash, sums of signed bytes. Links have no data whatever their size says. */
static void oddities(void **state)
{
	(void)state;
	own(buf) struct buf b = {};
	struct tar_header h = header(0, "dir/", 0);
	memset(h.magic, 0, sizeof h.magic + sizeof h.version + sizeof h.uname);
	add_header(&b, h);
	h = header('7', "f\xfc", 2);
	int sum = 0;
	memset(h.sum, ' ', 8);
	for (size_t i = 0; i < sizeof h; i++)
		sum += ((signed char *)&h)[i];
	snprintf(h.sum, sizeof h.sum, "%06o", (unsigned)sum);
	buf_add(&b, &h, sizeof h);
	add_data(&b, "xy", 2);
	static const char only[] = "123456";
	for (size_t i = 0; i < 6; i++) {
		h = header(only[i], "only-a-header", 4096);
		if (i != 2 && i != 3)
			memset(h.major, '9', 16);
		add_header(&b, h);
	}
	h = header('0', "blank", 1);
	memcpy(h.size, "         1 \0", 12);
	memcpy(h.mode, "\0\0\0\0\0\0\0\0", 8);
	add_header(&b, h);
	add_data(&b, "z", 1);
	add_text(&b, 'V', "label", "whatever a label has");
	own(archive) struct archive a = read_archive(&b); /* no zero blocks at the end */
	const struct tar_entry *t = next(&a);
	assert_int_equal(t->type, TAR_DIR);
	t = next(&a);
	assert_int_equal(t->type, TAR_FILE);
	assert_string_equal(t->name, "f\xfc");
	assert_data(&a, "xy");
	static const enum tar_type types[] = {TAR_HARDLINK, TAR_SYMLINK, TAR_CHAR, TAR_BLOCK, TAR_DIR, TAR_FIFO};
	for (size_t i = 0; i < 6; i++) {
		t = next(&a);
		assert_int_equal(t->type, types[i]);
		assert_int_equal(t->size, 0);
		assert_int_equal(t->stored, 0);
	}
	t = next(&a);
	assert_string_equal(t->name, "blank");
	assert_int_equal(t->mode, 0);
	assert_data(&a, "z");
	assert_null(next(&a));
}

static void numbers(void **state)
{
	(void)state;
	static const struct {
		const char *field; /* of 12 bytes */
		int64_t sec;
		bool bad;
	} rows[] = {
		{"00000000017\0", 15, false}, {"777777777777", 0777777777777, false}, {"\0\0\0\0\0\0\0\0\0\0\0\0", 0, false},
		{"            ", 0, false}, {"17 garbage  ", 15, false}, {"-0000000017\0", 0, true}, {"0000000018\0\0", 0, true},
		{"0x11\0\0\0\0\0\0\0\0", 0, true}, {"+17\0\0\0\0\0\0\0\0\0", 0, true},
		{"\x80\0\0\0\0\0\0\0\0\0\0\x0f", 15, false}, {"\x80\0\0\0\0\0\0\2\0\0\0\0", 1LL << 33, false},
		{"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xf1", -15, false},
		{"\xff\xff\xff\xff\xff\xff\xff\xfd\xff\xff\xff\xff", -(2LL << 32) - 1, false},
		{"\x80\0\0\0\x80\0\0\0\0\0\0\0", 0, true}, {"\x80\0\0\1\0\0\0\0\0\0\0\0", 0, true},
		{"\xff\xff\xff\xff\x7f\0\0\0\0\0\0\0", 0, true}, {"\xbf\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 0, true},
	};
	for (size_t i = 0; i < countof(rows); i++) {
		own(buf) struct buf b = {};
		struct tar_header h = header('0', "f", 0);
		memcpy(h.mtime, rows[i].field, 12);
		add_header(&b, h);
		if (rows[i].bad) {
			assert_refused(&b, ERR_CORRUPT, "mtime: a number");
			continue;
		}
		own(archive) struct archive a = read_archive(&b);
		int64_t want = rows[i].sec;
		if (__builtin_mul_overflow(want, 1000000000, &want))
			want = INT64_MAX;
		assert_int_equal(next(&a)->mtime_ns, want);
	}
}

static void bad_numbers(void **state)
{
	(void)state;
	static const struct {
		size_t at, n;
		const char *field;
		enum err_kind kind;
		const char *words;
		char type;
	} rows[] = {
		{124, 12, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", ERR_CORRUPT, "a negative size", '0'},
		{124, 12, "-1          ", ERR_CORRUPT, "size: a number", '0'},
		{124, 12, "\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", ERR_CORRUPT, "unexpected end", '0'},
		{124, 12, "\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", ERR_CORRUPT, "unexpected end", 'V'},
		{124, 12, "\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", ERR_LIMIT, "an extended header of", 'x'},
		{124, 12, "\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", ERR_LIMIT, "an extended header of", 'L'},
		{124, 12, "00004000001\0", ERR_LIMIT, "an extended header of 1048577 bytes", 'K'},
		{124, 12, "00004000000\0", ERR_CORRUPT, "unexpected end", 'g'},
		{108, 8, "\xff\xff\xff\xff\xff\xff\xff\xff", ERR_CORRUPT, "uid -1 is out of range", '0'},
		{108, 8, "\x80\0\0\0\xff\xff\xff\xff", ERR_CORRUPT, "uid 4294967295 is out of range", '0'},
		{116, 8, "\x80\0\0\1\0\0\0\0", ERR_CORRUPT, "gid 4294967296 is out of range", '0'},
		{108, 8, "00009\0\0\0", ERR_CORRUPT, "uid: a number", '0'},
		{100, 8, "rwxr-xr-", ERR_CORRUPT, "mode: a number", '0'},
		{329, 8, "\x80\0\0\0\0\0\x10\0", ERR_CORRUPT, "device 4096:0 is out of range", '3'},
		{337, 8, "\x80\0\0\0\0\x10\0\0", ERR_CORRUPT, "device 0:1048576 is out of range", '4'},
		{337, 8, "\xff\xff\xff\xff\xff\xff\xff\xff", ERR_CORRUPT, "device 0:-1 is out of range", '4'},
		{156, 1, "M", ERR_UNSUPPORTED, "type 0x4d", '0'}, {156, 1, "\xff", ERR_UNSUPPORTED, "type 0xff", '0'},
	};
	for (size_t i = 0; i < countof(rows); i++) {
		own(buf) struct buf b = {};
		struct tar_header h = header(rows[i].type, "f", 0);
		memcpy((char *)&h + rows[i].at, rows[i].field, rows[i].n);
		add_header(&b, h);
		add_end(&b);
		assert_refused(&b, rows[i].kind, rows[i].words);
	}
	/* The largest id that is one. */
	own(buf) struct buf b = {};
	struct tar_header h = header('0', "f", 0);
	memcpy(h.uid, "\x80\0\0\0\xff\xff\xff\xfe", 8);
	add_header(&b, h);
	own(archive) struct archive a = read_archive(&b);
	assert_int_equal(next(&a)->uid, 4294967294);
}

static void ends(void **state)
{
	(void)state;
	struct err e = {};
	own(buf) struct buf b = {}, empty = {};
	assert_int_equal(read_all(&empty, &e), 0);
	add_text(&b, '0', "f", "some text");
	assert_int_equal(read_all(&b, &e), 0);
	size_t whole = b.len;
	for (b.len = 1; b.len < whole; b.len += 13) {
		if (b.len == 512)
			continue;
		assert_refused(&b, ERR_CORRUPT, "unexpected end");
	}
	b.len = whole;
	add_end(&b);
	whole = b.len;
	assert_int_equal(read_all(&b, &e), 0);
	b.len -= 512; /* one zero block, then nothing */
	assert_int_equal(read_all(&b, &e), 0);
	add_text(&b, '0', "hidden", "behind a lone zero block");
	assert_refused(&b, ERR_CORRUPT, "behind the end");
	/* What is behind the end does not matter, and is read. */
	b.len = whole;
	memset(b.data + whole - 512, 0, 512);
	buf_str(&b, "whatever");
	own(archive) struct archive a = read_archive(&b);
	assert_non_null(next(&a));
	assert_null(next(&a));
	char c;
	assert_int_equal(stream_read(a.in, &c, 1, &e), 0);
}

static void damaged(void **state)
{
	(void)state;
	own(buf) struct buf b = {}, text = {};
	add_text(&b, '0', "f", "some text");
	for (size_t i = 0; i < 512 * 8; i++) {
		struct err e = {};
		b.data[i / 8] ^= (char)(1 << i % 8);
		/* Only in the sum's own field may a bit be of no account (blank or NUL at its end). */
		if (i / 8 < 148 || i / 8 >= 156)
			assert_refused(&b, ERR_CORRUPT, "wrong checksum");
		else
			(void)!read_all(&b, &e);
		b.data[i / 8] ^= (char)(1 << i % 8);
	}
	for (int i = 0; i < 600; i++)
		buf_char(&text, 'x');
	assert_refused(&text, ERR_CORRUPT, "not a tar header");
}

static void pax(void **state)
{
	(void)state;
	own(buf) struct buf b = {}, name = {};
	for (int i = 0; i < 300; i++)
		buf_str(&name, "/deep");
	add_pax(&b, 'x', "path", name.data, "linkpath", "a target", "uid", "3000000", "gid", "4294967294", "uname", "u\xc3\xbc",
		"gname", "staff", "mtime", "1.5", "size", "4", "atime", "7", "comment", "not of interest", NULL);
	add_text(&b, '0', "short", "data");
	add_pax(&b, 'x', "mtime", "-1.25", "linkpath", "target", "path", "first", "path", "second", "size", "77", NULL);
	add_text(&b, '2', "l", "");
	add_pax(&b, 'x', "path", "given up", NULL);
	add_pax(&b, 'x', "uid", "5", "path", "", NULL);
	add_text(&b, '0', "own name", "");
	add_text(&b, '0', "next", "");
	static const char *const times[] = {"99999999999999999999", "-99999999999999999999.5", "9223372036.854775807", "0.0000000019"};
	static const int64_t ns[] = {INT64_MAX, -INT64_MAX, INT64_MAX, 1};
	for (size_t i = 0; i < countof(times); i++) {
		add_pax(&b, 'x', "mtime", times[i], NULL);
		add_text(&b, '0', "time", "");
	}
	add_end(&b);
	own(archive) struct archive a = read_archive(&b);
	const struct tar_entry *t = next(&a);
	assert_string_equal(t->name, name.data);
	assert_string_equal(t->link, "");
	assert_int_equal(t->uid, 3000000);
	assert_int_equal(t->gid, 4294967294);
	assert_string_equal(t->uname, "u\xc3\xbc");
	assert_string_equal(t->gname, "staff");
	assert_int_equal(t->mtime_ns, 1500000000);
	assert_int_equal(t->size, 4);
	assert_data(&a, "data");
	t = next(&a);
	assert_string_equal(t->name, "second");
	assert_string_equal(t->link, "target");
	assert_int_equal(t->mtime_ns, -1250000000);
	assert_int_equal(t->stored, 0);
	t = next(&a);
	assert_string_equal(t->name, "own name");
	assert_int_equal(t->uid, 5);
	t = next(&a);
	assert_string_equal(t->name, "next");
	assert_int_equal(t->uid, 1000);
	for (size_t i = 0; i < countof(times); i++)
		assert_int_equal(next(&a)->mtime_ns, ns[i]);
}

static void globals(void **state)
{
	(void)state;
	own(buf) struct buf b = {};
	add_pax(&b, 'g', "comment", "a commit", "uid", "7", "uname", "them", NULL);
	add_text(&b, '0', "a", "");
	add_pax(&b, 'x', "uid", "8", NULL);
	add_text(&b, '0', "b", "");
	add_pax(&b, 'g', "gid", "9", NULL);
	add_text(&b, '0', "c", "");
	own(archive) struct archive a = read_archive(&b);
	const struct tar_entry *t = next(&a);
	assert_int_equal(t->uid, 7);
	assert_string_equal(t->uname, "them");
	t = next(&a);
	assert_int_equal(t->uid, 8);
	assert_string_equal(t->uname, "them");
	t = next(&a);
	assert_int_equal(t->uid, 1000);
	assert_int_equal(t->gid, 9);
	static const char *const bad[] = {"path", "linkpath", "size", "GNU.sparse.map", "SCHILY.xattr.user.a", "LIBARCHIVE.xattr.a"};
	for (size_t i = 0; i < countof(bad); i++) {
		own(buf) struct buf g = {};
		add_pax(&g, 'g', bad[i], "1", NULL);
		add_text(&g, '0', "a", "");
		assert_refused(&g, ERR_UNSUPPORTED, bad[i]);
	}
}

static void bad_pax(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		size_t n; /* 0: strlen */
		const char *words;
	} rows[] = {
		{"6 a=b", 0, "malformed"}, {"5 a=b\n", 0, "malformed"}, {"7 a=b\n", 0, "malformed"}, {"0 a=b\n", 0, "malformed"},
		{"-6 a=b\n", 0, "malformed"}, {"+6 a=b\n", 0, "malformed"}, {" 6 a=b\n", 0, "malformed"}, {"6a=b\n", 0, "malformed"},
		{"99999999999999999999 a=b\n", 0, "malformed"}, {"9223372036854775807 a=b\n", 0, "malformed"},
		{"4 =\n", 0, "malformed"}, {"5 =b\n", 0, "malformed"}, {"5 ab\n", 0, "malformed"}, {"3 \n", 0, "malformed"},
		{"2 \n", 0, "malformed"}, {"1", 0, "malformed"}, {"\n", 0, "malformed"}, {"6 a=b\n\n", 0, "malformed"},
		{"8 p\0th=b\n", 10, "malformed"}, {"12 path=a\0b\n", 12, "NUL byte in pax path"}, {"10 size=-1\n", 0, "malformed"},
		{"11 size=-1\n", 0, "pax size is not a number"}, {"11 size= 1\n", 0, "pax size is not a number"},
		{"12 size=1e3\n", 0, "pax size is not a number"}, {"28 size=9223372036854775808\n", 0, "pax size is not a number"},
		{"28 size=9223372036854775807\n", 0, "unexpected end"}, {"10 uid=-1\n", 0, "pax uid is not a number"},
		{"18 uid=4294967295\n", 0, "uid 4294967295 is out of range"}, {"16 gid=0x100000\n", 0, "pax gid is not a number"},
		{"10 mtime=\n11 mtime=.\n", 0, "pax mtime"}, {"12 mtime=-.\n", 0, "pax mtime"}, {"14 mtime=1.2x\n", 0, "pax mtime"},
		{"14 mtime=--11\n", 0, "pax mtime"}, {"17 SCHILY.xattr.=\n", 0, "malformed"}, {"18 SCHILY.xattr.=\n", 0, "malformed"},
		{"27 LIBARCHIVE.xattr.a=****\n", 0, "malformed"},
	};
	for (size_t i = 0; i < countof(rows); i++) {
		own(buf) struct buf b = {};
		add(&b, 'x', "h", rows[i].text, rows[i].n ? rows[i].n : strlen(rows[i].text));
		add_text(&b, '0', "f", "");
		add_end(&b);
		assert_refused(&b, ERR_CORRUPT, rows[i].words);
	}
	/* An extended header that nothing follows. */
	static const char types[] = "xLK";
	for (size_t i = 0; i < 3; i++) {
		own(buf) struct buf b = {};
		add(&b, types[i], "h", "6 a=b\n", 6);
		add_end(&b);
		assert_refused(&b, ERR_CORRUPT, "without a file");
	}
}

static void huge_pax(void **state)
{
	(void)state;
	struct err e = {};
	own(buf) struct buf b = {}, value = {}, records = {};
	for (int i = 0; i < 1048000; i++)
		buf_char(&value, 'v');
	record(&records, "path", value.data, value.len);
	add(&b, 'x', "h", records.data, records.len);
	add_text(&b, '0', "f", "data");
	own(archive) struct archive a = read_archive(&b);
	assert_int_equal(strlen(next(&a)->name), 1048000);
	assert_data(&a, "data");
	assert_null(next(&a));
	for (int i = 0; i < 1000; i++)
		buf_char(&value, 'v');
	buf_reset(&b);
	buf_reset(&records);
	record(&records, "path", value.data, value.len);
	add(&b, 'x', "h", records.data, records.len);
	assert_refused(&b, ERR_LIMIT, "(1048576 at most)");
	/* Very many attributes. */
	buf_reset(&b);
	buf_reset(&records);
	for (int i = 0; i < 1025; i++) {
		char key[64];
		snprintf(key, sizeof key, "SCHILY.xattr.user.%d", i);
		record_text(&records, key, "");
		if (i == 1023) {
			add(&b, 'x', "h", records.data, records.len);
			add_text(&b, '0', "f", "");
			assert_int_equal(read_all(&b, &e), 0);
		}
	}
	buf_reset(&b);
	add(&b, 'x', "h", records.data, records.len);
	add_text(&b, '0', "f", "");
	assert_refused(&b, ERR_LIMIT, "more than 1024 extended attributes");
}

static const struct tar_xattr *xattr(const struct tar_entry *t, const char *name)
{
	for (size_t i = 0; i < t->xattrs.n; i++)
		if (strcmp(t->xattrs.v[i].name, name) == 0)
			return &t->xattrs.v[i];
	fail_msg("no attribute %s", name);
	return NULL;
}

static void xattrs(void **state)
{
	(void)state;
	own(buf) struct buf b = {}, records = {};
	static const char cap[] = "\1\0\0\2\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\n";
	record(&records, "SCHILY.xattr.security.capability", cap, 20);
	record_text(&records, "LIBARCHIVE.xattr.security.capability", "b3RoZXI");
	record_text(&records, "LIBARCHIVE.xattr.user.%c3%bc%zz", "b3RoZXI=");
	record_text(&records, "LIBARCHIVE.xattr.user.b", "AAEC");
	record_text(&records, "SCHILY.xattr.user.b", "plain");
	record_text(&records, "SCHILY.xattr.user.empty", "");
	record_text(&records, "SCHILY.xattr.user.a=b", "c=d");
	add(&b, 'x', "h", records.data, records.len);
	add_text(&b, '0', "f", "");
	add_text(&b, '0', "g", "");
	own(archive) struct archive a = read_archive(&b);
	const struct tar_entry *t = next(&a);
	assert_int_equal(t->xattrs.n, 5);
	assert_int_equal(xattr(t, "security.capability")->len, 20);
	assert_memory_equal(xattr(t, "security.capability")->value, cap, 20);
	assert_int_equal(xattr(t, "user.\xc3\xbc%zz")->len, 5);
	assert_memory_equal(xattr(t, "user.\xc3\xbc%zz")->value, "other", 5);
	assert_memory_equal(xattr(t, "user.b")->value, "plain", 5);
	assert_int_equal(xattr(t, "user.empty")->len, 0);
	assert_memory_equal(xattr(t, "user.a")->value, "b=c=d", 5);
	assert_int_equal(next(&a)->xattrs.n, 0);
}

static void long_names(void **state)
{
	(void)state;
	own(buf) struct buf b = {}, name = {};
	for (int i = 0; i < 500; i++)
		buf_str(&name, "long/");
	add(&b, 'L', "././@LongLink", name.data, name.len + 1);
	add(&b, 'K', "././@LongLink", "target\0rest", 11);
	add_text(&b, '2', "cut off", "");
	add(&b, 'L', "././@LongLink", "no NUL", 6);
	add_pax(&b, 'x', "path", "of pax", NULL);
	add_text(&b, '0', "f", "data");
	add_text(&b, '0', "g", "");
	own(archive) struct archive a = read_archive(&b);
	const struct tar_entry *t = next(&a);
	assert_string_equal(t->name, name.data);
	assert_string_equal(t->link, "target");
	t = next(&a);
	assert_string_equal(t->name, "no NUL");
	assert_data(&a, "data");
	assert_string_equal(next(&a)->name, "g");
}

/* 8 GiB and more: the size stands in the header alone. */
static void large(void **state)
{
	(void)state;
	static const struct { const char *field, *pax; uint64_t size; } rows[] = {
		{"\x80\0\0\0\0\0\0\2\0\0\0\1", NULL, (8ULL << 30) + 1}, {"00000000000", "8589934593", (8ULL << 30) + 1},
		{"777777777777", NULL, 0777777777777}, {"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", NULL, INT64_MAX},
		{"00000000000", "9223372036854775807", INT64_MAX}};
	for (size_t i = 0; i < countof(rows); i++) {
		own(buf) struct buf b = {};
		struct tar_header h = header('0', "big", 0);
		memcpy(h.size, rows[i].field, 12);
		if (rows[i].pax)
			add_pax(&b, 'x', "size", rows[i].pax, NULL);
		add_header(&b, h);
		buf_str(&b, "only a little of it");
		own(archive) struct archive a = read_archive(&b);
		const struct tar_entry *t = next(&a);
		assert_int_equal(t->size, rows[i].size);
		struct err e = {};
		char p[100];
		assert_int_equal(tar_data(a.r, p, sizeof p, &e), 19);
		assert_int_equal(tar_data(a.r, p, sizeof p, &e), -1);
		assert_int_equal(e.kind, ERR_CORRUPT);
		assert_refused(&b, ERR_CORRUPT, "unexpected end");
	}
}

static void gnu_span(char *at, const char *offset, const char *length)
{
	memcpy(at, offset, strlen(offset));
	memcpy(at + 12, length, strlen(length));
}

static struct tar_gnu_header gnu_sparse(size_t stored, const char *realsize)
{
	struct tar_header h = header('S', "holes", stored);
	memcpy(h.magic, "ustar  ", 8);
	struct tar_gnu_header g;
	memcpy(&g, &h, sizeof g);
	memcpy(g.realsize, realsize, strlen(realsize));
	return g;
}

static void add_gnu(struct buf *b, const struct tar_gnu_header *g)
{
	struct tar_header h;
	memcpy(&h, g, sizeof h);
	add_header(b, h);
}

static void assert_spans(const struct tar_entry *t, uint64_t size, uint64_t stored, size_t n, ...)
{
	assert_true(t->sparse);
	assert_int_equal(t->size, size);
	assert_int_equal(t->stored, stored);
	assert_int_equal(t->spans.n, n);
	va_list ap;
	va_start(ap, n);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(t->spans.v[i].offset, va_arg(ap, int));
		assert_int_equal(t->spans.v[i].length, va_arg(ap, int));
	}
	va_end(ap);
}

static void sparse_gnu(void **state)
{
	(void)state;
	own(buf) struct buf b = {};
	struct tar_gnu_header g = gnu_sparse(6, "00000010000");
	gnu_span((char *)&g.spans[0], "00000000000", "00000000003");
	gnu_span((char *)&g.spans[1], "00000001000", "00000000003");
	gnu_span((char *)&g.spans[2], "00000010000", "00000000000");
	add_gnu(&b, &g);
	add_data(&b, "abcdef", 6);
	/* with two blocks more */
	g = gnu_sparse(26, "");
	memcpy(g.realsize, "\x80\0\0\0\0\0\0\0\0\0\x10\0", 12);
	for (int i = 0; i < 4; i++) {
		char offset[13];
		snprintf(offset, sizeof offset, "%011o", i * 10);
		gnu_span((char *)&g.spans[i], offset, "00000000001");
	}
	g.extended = 1;
	add_gnu(&b, &g);
	struct tar_gnu_extension x = {.extended = 1}, last = {};
	for (int i = 0; i < 21; i++) {
		char offset[13];
		snprintf(offset, sizeof offset, "%011o", 64 + i * 2);
		gnu_span((char *)&x.spans[i], offset, "00000000001");
	}
	buf_add(&b, &x, sizeof x);
	gnu_span((char *)&last.spans[0], "00000007777", "00000000001");
	buf_add(&b, &last, sizeof last);
	add_data(&b, "abcdefghijklmnopqrstuvwxyz", 26);
	add_text(&b, '0', "plain", "text");
	own(archive) struct archive a = read_archive(&b);
	const struct tar_entry *t = next(&a);
	assert_spans(t, 4096, 6, 2, 0, 3, 512, 3);
	assert_int_equal(t->offset, 512);
	assert_data(&a, "abcdef");
	t = next(&a);
	assert_spans(t, 4096, 26, 26, 0, 1, 10, 1, 20, 1, 30, 1, 64, 1, 66, 1, 68, 1, 70, 1, 72, 1, 74, 1, 76, 1, 78, 1, 80, 1, 82, 1,
		84, 1, 86, 1, 88, 1, 90, 1, 92, 1, 94, 1, 96, 1, 98, 1, 100, 1, 102, 1, 104, 1, 4095, 1);
	assert_int_equal(t->offset, 512 * 5);
	assert_data(&a, "abcdefghijklmnopqrstuvwxyz");
	t = next(&a);
	assert_false(t->sparse);
	assert_data(&a, "text");
}

static void sparse_pax(void **state)
{
	(void)state;
	own(buf) struct buf b = {};
	add_pax(&b, 'x', "GNU.sparse.size", "1000", "GNU.sparse.numblocks", "2", "GNU.sparse.offset", "0", "GNU.sparse.numbytes", "3",
		"GNU.sparse.offset", "997", "GNU.sparse.numbytes", "3", NULL);
	add_text(&b, '0', "form-0.0", "abcdef");
	add_pax(&b, 'x', "GNU.sparse.size", "1000", "GNU.sparse.numblocks", "2", "GNU.sparse.map", "10,6,1000,0", "GNU.sparse.name",
		"form-0.1", NULL);
	add_text(&b, '0', "GNUSparseFile.0/x", "abcdef");
	own(buf) struct buf data = {};
	buf_str(&data, "2\n10\n3\n512\n3\n");
	while (data.len < 512)
		buf_char(&data, 0);
	buf_str(&data, "abcdef");
	add_pax(&b, 'x', "GNU.sparse.major", "1", "GNU.sparse.minor", "0", "GNU.sparse.realsize", "8589934592", "GNU.sparse.name",
		"form-1.0", NULL);
	add(&b, '0', "GNUSparseFile.0/x", data.data, data.len);
	/* nothing but a hole */
	add_pax(&b, 'x', "GNU.sparse.major", "1", "GNU.sparse.minor", "0", "GNU.sparse.realsize", "99", NULL);
	buf_reset(&data);
	buf_str(&data, "1\n99\n0\n");
	while (data.len < 512)
		buf_char(&data, 0);
	add(&b, '0', "hole", data.data, data.len);
	add_pax(&b, 'x', "GNU.sparse.size", "98", "GNU.sparse.numblocks", "0", NULL);
	add_text(&b, '0', "hole-0.0", "");
	add_text(&b, '0', "plain", "text");
	own(archive) struct archive a = read_archive(&b);
	const struct tar_entry *t = next(&a);
	assert_string_equal(t->name, "form-0.0");
	assert_spans(t, 1000, 6, 2, 0, 3, 997, 3);
	assert_data(&a, "abcdef");
	t = next(&a);
	assert_string_equal(t->name, "form-0.1");
	assert_spans(t, 1000, 6, 1, 10, 6);
	t = next(&a);
	assert_string_equal(t->name, "form-1.0");
	assert_spans(t, 8589934592, 6, 2, 10, 3, 512, 3);
	assert_memory_equal(b.data + t->offset, "abcdef", 6);
	assert_data(&a, "abcdef");
	assert_spans(next(&a), 99, 0, 0);
	assert_spans(next(&a), 98, 0, 0);
	t = next(&a);
	assert_string_equal(t->name, "plain");
	assert_false(t->sparse);
	assert_data(&a, "text");
}

static void bad_sparse_maps(void **state)
{
	(void)state;
	static const struct { const char *size, *map, *words; } rows[] = {
		{"1000", "0,3,2,3", "overlap"}, {"1000", "500,3,0,3", "overlap"}, {"1000", "998,6", "overlap or lie outside"},
		{"1000", "1001,0,0,6,1001,1", "overlap or lie outside"}, {"1000", "0,5", "do not add up"}, {"1000", "0,7", "do not add up"},
		{"1000", "", "do not add up"}, {"1000", "0,6,", "malformed"}, {"1000", "0,6,9", "malformed"}, {"1000", ",", "malformed"},
		{"1000", "0", "malformed"}, {"1000", "0,-6", "malformed"}, {"1000", "0, 6", "malformed"}, {"1000", "a,b", "malformed"},
		{"1000", "9223372036854775807,6", "overlap or lie outside"}, {"1000", "9223372036854775808,6", "too large"},
		{"9223372036854775807", "0,9223372036854775807,9223372036854775807,9223372036854775807", "overlap or lie outside"},
		{"5", "0,6", "overlap or lie outside"},
	};
	for (size_t i = 0; i < countof(rows); i++) {
		own(buf) struct buf b = {};
		add_pax(&b, 'x', "GNU.sparse.size", rows[i].size, "GNU.sparse.numblocks", "1", "GNU.sparse.map", rows[i].map, NULL);
		add_text(&b, '0', "f", "abcdef");
		assert_refused(&b, ERR_CORRUPT, rows[i].words);
	}
	static const struct { const char *data, *words; enum err_kind kind; } texts[] = {
		{"", "does not end", ERR_CORRUPT}, {"1", "does not end", ERR_CORRUPT}, {"\n", "malformed", ERR_CORRUPT},
		{"x\n", "malformed", ERR_CORRUPT}, {"-1\n", "malformed", ERR_CORRUPT}, {"1\n\n0\n", "malformed", ERR_CORRUPT},
		{"1\n0\n0\n", "does not end", ERR_CORRUPT}, {"2\n0\n0\n", "does not end", ERR_CORRUPT},
		{"99999999\n", "more than 262144 pieces", ERR_LIMIT}, {"99999999999999999999\n", "malformed", ERR_CORRUPT},
		{"000000000000000000000000000000001\n0\n0\n", "does not end", ERR_CORRUPT},
	};
	for (size_t i = 0; i < countof(texts); i++) {
		own(buf) struct buf b = {};
		add_pax(&b, 'x', "GNU.sparse.major", "1", "GNU.sparse.minor", "0", "GNU.sparse.realsize", "1000", NULL);
		add_text(&b, '0', "f", texts[i].data);
		assert_refused(&b, texts[i].kind, texts[i].words);
	}
}

static void bad_sparse_forms(void **state)
{
	(void)state;
	static const char *const versions[][2] = {{"2", "0"}, {"1", "1"}, {"0", "2"}, {"9223372036854775807", "9223372036854775807"}};
	for (size_t i = 0; i < countof(versions); i++) {
		own(buf) struct buf b = {};
		add_pax(&b, 'x', "GNU.sparse.major", versions[i][0], "GNU.sparse.minor", versions[i][1], NULL);
		add_text(&b, '0', "f", "");
		assert_refused(&b, ERR_UNSUPPORTED, "unknown form");
	}
	own(buf) struct buf b = {};
	add_pax(&b, 'x', "GNU.sparse.offset", "0", NULL);
	add_text(&b, '0', "f", "");
	assert_refused(&b, ERR_CORRUPT, "malformed");
	buf_reset(&b);
	add_pax(&b, 'x', "GNU.sparse.numbytes", "0", NULL);
	add_text(&b, '0', "f", "");
	assert_refused(&b, ERR_CORRUPT, "malformed");
	buf_reset(&b);
	add_pax(&b, 'x', "GNU.sparse.offset", "0", "GNU.sparse.numbytes", "3", "GNU.sparse.map", "0,3", NULL);
	add_text(&b, '0', "f", "abc");
	assert_refused(&b, ERR_CORRUPT, "two maps");
	/* old GNU: pieces that overlap, an extension that is not there, a negative length */
	static const struct { const char *offset, *length, *words; char extended; } rows[] = {
		{"00000000002", "00000000003", "overlap", 0}, {"00000001000", "00000000003", "unexpected end", 1},
		{"00000001000", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "negative piece", 0}};
	for (size_t i = 0; i < countof(rows); i++) {
		buf_reset(&b);
		struct tar_gnu_header g = gnu_sparse(6, "00000010000");
		gnu_span((char *)&g.spans[0], "00000000000", "00000000003");
		gnu_span((char *)&g.spans[1], rows[i].offset, rows[i].length);
		g.extended = rows[i].extended;
		add_gnu(&b, &g);
		if (!g.extended)
			add_data(&b, "abcdef", 6);
		assert_refused(&b, ERR_CORRUPT, rows[i].words);
	}
	/* an extension behind an unused place */
	buf_reset(&b);
	struct tar_gnu_header early = gnu_sparse(3, "00000010000");
	gnu_span((char *)&early.spans[0], "00000000000", "00000000003");
	early.extended = 1;
	add_gnu(&b, &early);
	add_data(&b, "", 0);
	add_text(&b, '0', "f", "abc");
	assert_refused(&b, ERR_CORRUPT, "behind its end");
	/* extensions without end */
	buf_reset(&b);
	struct tar_gnu_header g = gnu_sparse(6, "77777777777");
	gnu_span((char *)&g.spans[0], "00000000000", "00000000003");
	gnu_span((char *)&g.spans[1], "00000000003", "00000000001");
	gnu_span((char *)&g.spans[2], "00000000004", "00000000001");
	gnu_span((char *)&g.spans[3], "00000000005", "00000000001");
	g.extended = 1;
	add_gnu(&b, &g);
	struct tar_gnu_extension x = {.extended = 1};
	for (int i = 0; i < 21; i++)
		gnu_span((char *)&x.spans[i], "00000000007", "00000000001");
	for (int i = 0; i < 13000; i++)
		buf_add(&b, &x, sizeof x);
	assert_refused(&b, ERR_LIMIT, "more than 262144 pieces");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(plain), cmocka_unit_test(oddities), cmocka_unit_test(numbers),
		cmocka_unit_test(bad_numbers), cmocka_unit_test(ends), cmocka_unit_test(damaged), cmocka_unit_test(pax),
		cmocka_unit_test(globals), cmocka_unit_test(bad_pax), cmocka_unit_test(huge_pax), cmocka_unit_test(xattrs),
		cmocka_unit_test(long_names), cmocka_unit_test(large), cmocka_unit_test(sparse_gnu), cmocka_unit_test(sparse_pax),
		cmocka_unit_test(bad_sparse_maps), cmocka_unit_test(bad_sparse_forms)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
