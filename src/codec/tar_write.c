/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tar_write: each entry is an optional pax header (only the records that ustar cannot hold, in a fixed
 * order), the ustar header, then data. Nothing in it depends on the clock, the process or the locale.
 * Small writes are gathered, big ones go straight to the sink.
 */
#include "codec/tar.h"

#include "base/path.h"
#include "codec/tar_format.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { GATHER = 64 << 10 };
static const int64_t id_max = 07777777, number_max = 077777777777;

struct tar_writer {
	tar_sink_fn sink;
	void *arg;
	char *data; /* GATHER bytes */
	size_t n;
	uint64_t left; /* of the entry's data */
	unsigned pad;
	struct buf records, map;
};

struct tar_writer *tar_writer_new(tar_sink_fn sink, void *arg)
{
	struct tar_writer *w = mem_alloc(sizeof *w);
	*w = (struct tar_writer){.sink = sink, .arg = arg, .data = mem_grow(NULL, GATHER), .records.max = TAR_META_MAX};
	return w;
}

void tar_writer_drop(struct tar_writer **w)
{
	if (!*w)
		return;
	buf_drop(&(*w)->records);
	buf_drop(&(*w)->map);
	mem_drop(&(*w)->data);
	mem_drop(w);
}

static int flush(struct tar_writer *w, struct err *e)
{
	size_t n = w->n;
	w->n = 0;
	return n ? w->sink(w->arg, w->data, n, e) : 0;
}

static int put(struct tar_writer *w, const void *p, size_t n, struct err *e)
{
	if (n > GATHER - w->n && flush(w, e) < 0)
		return -1;
	if (n >= GATHER)
		return w->sink(w->arg, p, n, e);
	if (n)
		memcpy(w->data + w->n, p, n);
	w->n += n;
	return 0;
}

static int put_zeros(struct tar_writer *w, size_t n, struct err *e)
{
	static const char zeros[2 * TAR_UNIT];
	return put(w, zeros, n, e);
}

static unsigned padding(uint64_t size)
{
	return (unsigned)(-size & (TAR_UNIT - 1));
}

static void octal(char *field, size_t n, int64_t v)
{
	field[n - 1] = 0;
	for (size_t i = n - 1; i-- > 0; v >>= 3)
		field[i] = (char)('0' + (v & 7));
}

static void seal(struct tar_header *h)
{
	memcpy(h->magic, "ustar", 6);
	memcpy(h->version, "00", 2);
	memset(h->sum, ' ', sizeof h->sum);
	unsigned sum = 0;
	for (size_t i = 0; i < sizeof *h; i++)
		sum += ((const unsigned char *)h)[i];
	octal(h->sum, 7, sum);
}

static void copy_field(char *field, size_t room, const char *s)
{
	memcpy(field, s, strnlen(s, room));
}

/* Where to cut a name into prefix and name; 0 when it fits whole, -1 when it cannot be cut. */
static ssize_t split(const char *name)
{
	struct tar_header h;
	size_t n = strlen(name);
	if (n <= sizeof h.name)
		return 0;
	for (size_t i = n <= sizeof h.prefix ? n - 1 : sizeof h.prefix; i > 0 && n - i - 1 <= sizeof h.name; i--)
		if (name[i] == '/' && name[i + 1])
			return (ssize_t)i;
	return -1;
}

static void set_name(struct tar_header *h, const char *name)
{
	ssize_t cut = split(name);
	if (cut > 0)
		memcpy(h->prefix, name, (size_t)cut);
	copy_field(h->name, sizeof h->name, cut > 0 ? name + cut + 1 : name);
}

/* The length counts its own digits. */
static void record(struct buf *b, const char *prefix, const char *key, const void *value, size_t len)
{
	size_t rest = strlen(prefix) + strlen(key) + len + 3, total = rest + 1;
	char digits[24];
	while ((size_t)snprintf(digits, sizeof digits, "%zu", total) + rest != total)
		total = strlen(digits) + rest;
	buf_printf(b, "%zu %s%s=", total, prefix, key);
	buf_add(b, value, len);
	buf_char(b, '\n');
}

static void record_text(struct buf *b, const char *key, const char *value)
{
	record(b, "", key, value, strlen(value));
}

static void record_number(struct buf *b, const char *key, uint64_t v)
{
	char text[24];
	snprintf(text, sizeof text, "%" PRIu64, v);
	record_text(b, key, text);
}

static void record_time(struct buf *b, const char *key, int64_t ns)
{
	uint64_t v = ns < 0 ? -(uint64_t)ns : (uint64_t)ns;
	char text[40];
	int n = snprintf(text, sizeof text, "%s%" PRIu64 ".%09" PRIu64, ns < 0 ? "-" : "", v / 1000000000, v % 1000000000);
	while (text[n - 1] == '0')
		text[--n] = 0;
	if (text[n - 1] == '.')
		text[n - 1] = 0;
	record_text(b, key, text);
}

static void make_map(struct tar_writer *w, const struct tar_entry *t)
{
	/* GNU ends a map with an empty piece at the file's end when there is a hole before it. */
	const struct tar_span *last = t->spans.n ? &t->spans.v[t->spans.n - 1] : NULL;
	bool hole = !last || last->offset + last->length < t->size;
	buf_printf(&w->map, "%zu\n", t->spans.n + hole);
	for (size_t i = 0; i < t->spans.n; i++)
		buf_printf(&w->map, "%" PRIu64 "\n%" PRIu64 "\n", t->spans.v[i].offset, t->spans.v[i].length);
	if (hole)
		buf_printf(&w->map, "%" PRIu64 "\n0\n", t->size);
	static const char zeros[TAR_UNIT];
	buf_add(&w->map, zeros, padding(w->map.len));
}

static void make_records(struct tar_writer *w, const struct tar_entry *t, const char *name, uint64_t size, bool sparse)
{
	struct tar_header h;
	struct buf *b = &w->records;
	if (sparse) {
		record_text(b, "GNU.sparse.major", "1");
		record_text(b, "GNU.sparse.minor", "0");
		record_text(b, "GNU.sparse.name", name);
		record_number(b, "GNU.sparse.realsize", t->size);
	} else if (split(name) < 0) {
		record_text(b, "path", name);
	}
	if (t->link && strlen(t->link) > sizeof h.link)
		record_text(b, "linkpath", t->link);
	if (t->uid > id_max)
		record_number(b, "uid", t->uid);
	if (t->gid > id_max)
		record_number(b, "gid", t->gid);
	if (t->uname && strlen(t->uname) >= sizeof h.uname)
		record_text(b, "uname", t->uname);
	if (t->gname && strlen(t->gname) >= sizeof h.gname)
		record_text(b, "gname", t->gname);
	if (size > (uint64_t)number_max)
		record_number(b, "size", size);
	if (t->mtime_ns < 0 || t->mtime_ns % 1000000000 || t->mtime_ns / 1000000000 > number_max)
		record_time(b, "mtime", t->mtime_ns);
	for (size_t i = 0; i < t->xattrs.n; i++)
		record(b, "SCHILY.xattr.", t->xattrs.v[i].name, t->xattrs.v[i].value, t->xattrs.v[i].len);
}

static int put_records(struct tar_writer *w, const char *name, struct err *e)
{
	struct tar_header h = {.type = 'x'};
	if (!w->records.len)
		return 0;
	snprintf(h.name, sizeof h.name, "PaxHeaders.0/%.80s", name);
	octal(h.mode, sizeof h.mode, 0644);
	octal(h.uid, sizeof h.uid, 0);
	octal(h.gid, sizeof h.gid, 0);
	octal(h.size, sizeof h.size, (int64_t)w->records.len);
	octal(h.mtime, sizeof h.mtime, 0);
	seal(&h);
	if (put(w, &h, sizeof h, e) < 0 || put(w, w->records.data, w->records.len, e) < 0)
		return -1;
	return put_zeros(w, padding(w->records.len), e);
}

static int64_t fitting(int64_t v, int64_t max)
{
	return v >= 0 && v <= max ? v : 0;
}

static void make_header(struct tar_header *h, const struct tar_entry *t, const char *name, uint64_t size)
{
	static const char types[] = {[TAR_FILE] = '0', [TAR_HARDLINK] = '1', [TAR_SYMLINK] = '2', [TAR_CHAR] = '3',
		[TAR_BLOCK] = '4', [TAR_DIR] = '5', [TAR_FIFO] = '6'};
	set_name(h, name);
	octal(h->mode, sizeof h->mode, t->mode & 07777);
	octal(h->uid, sizeof h->uid, fitting(t->uid, id_max));
	octal(h->gid, sizeof h->gid, fitting(t->gid, id_max));
	octal(h->size, sizeof h->size, fitting((int64_t)size, number_max));
	octal(h->mtime, sizeof h->mtime, fitting(t->mtime_ns / 1000000000, number_max));
	h->type = types[t->type];
	copy_field(h->link, sizeof h->link, t->link ? t->link : "");
	copy_field(h->uname, sizeof h->uname - 1, t->uname ? t->uname : "");
	copy_field(h->gname, sizeof h->gname - 1, t->gname ? t->gname : "");
	octal(h->major, sizeof h->major, t->dev_major);
	octal(h->minor, sizeof h->minor, t->dev_minor);
	seal(h);
}

/* "a/b" to "a/GNUSparseFile.0/b": what a reader that knows no sparse files would make of it. */
static char *sparse_name(const char *name)
{
	const char *slash = strrchr(name, '/');
	int dir = slash ? (int)(slash - name) + 1 : 0;
	return mem_printf("%.*sGNUSparseFile.0/%s", dir, name, name + dir);
}

int tar_write_entry(struct tar_writer *w, const struct tar_entry *t, struct err *e)
{
	if (w->left || w->pad)
		return err_set(e, ERR_BUG, "tar: the entry before %s misses %llu bytes", t->name, (unsigned long long)w->left);
	if (t->dev_major > id_max || t->dev_minor > id_max)
		return err_set(e, ERR_LIMIT, "tar: device %u:%u of %s is out of range", t->dev_major, t->dev_minor, t->name);
	bool sparse = t->type == TAR_FILE && t->sparse;
	own(mem) char *name = mem_printf("%s%s", t->name, t->type == TAR_DIR && !str_has_suffix(t->name, "/") ? "/" : "");
	own(mem) char *plain = sparse ? sparse_name(name) : mem_dup(name);
	uint64_t stored = t->type == TAR_FILE ? t->stored : 0;
	buf_reset(&w->records);
	buf_reset(&w->map);
	if (sparse)
		make_map(w, t);
	make_records(w, t, name, stored + w->map.len, sparse);
	if (buf_check(&w->records, e) < 0 || buf_check(&w->map, e) < 0)
		return err_wrap(e, "tar: %s", t->name);
	struct tar_header h = {};
	make_header(&h, t, plain, stored + w->map.len);
	if (put_records(w, path_base(t->name), e) < 0 || put(w, &h, sizeof h, e) < 0)
		return -1;
	if (w->map.len && put(w, w->map.data, w->map.len, e) < 0)
		return -1;
	w->left = stored;
	w->pad = stored ? padding(stored) : 0;
	return 0;
}

int tar_write_data(struct tar_writer *w, const void *p, size_t n, struct err *e)
{
	if (n > w->left)
		return err_set(e, ERR_BUG, "tar: %zu bytes more than the entry has", (size_t)(n - w->left));
	if (put(w, p, n, e) < 0)
		return -1;
	w->left -= n;
	if (w->left || !w->pad)
		return 0;
	unsigned pad = w->pad;
	w->pad = 0;
	return put_zeros(w, pad, e);
}

int tar_write_end(struct tar_writer *w, struct err *e)
{
	if (w->left || w->pad)
		return err_set(e, ERR_BUG, "tar: the last entry misses %llu bytes", (unsigned long long)w->left);
	return put_zeros(w, 2 * TAR_UNIT, e) < 0 ? -1 : flush(w, e);
}
