/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tar_read: the archive is read in big chunks into one buffer; headers are looked at where they lie,
 * small files' data is handed out of it (tar_piece: without a copy), big data goes straight from below
 * to the caller.
 *
 * tar_next() skips what is left of the last entry, then reads headers until one stands for a file:
 * x and g (pax), L and K (GNU long names) are kept for the file that follows. The entry is then put
 * together in the order in which Go's reader (docker) does it: header, global pax, pax, GNU names.
 * Where implementations disagree about a malformed archive, it is refused.
 */
#include "codec/tar.h"

#include "codec/tar_format.h"

#include <string.h>

struct tar_reader *tar_reader_new(struct stream *below)
{
	struct tar_reader *r = mem_alloc(sizeof *r);
	r->below = below;
	r->data = mem_grow(NULL, STREAM_CHUNK);
	r->records.max = r->globals.max = r->long_name.max = r->long_link.max = TAR_META_MAX;
	return r;
}

void tar_reader_drop(struct tar_reader **reader)
{
	struct tar_reader *r = *reader;
	if (!r)
		return;
	struct buf *const bufs[] = {&r->records, &r->globals, &r->name, &r->link, &r->uname, &r->gname,
		&r->long_name, &r->long_link};
	for (size_t i = 0; i < countof(bufs); i++)
		buf_drop(bufs[i]);
	arena_drop(&r->arena);
	mem_drop(&r->data);
	mem_drop(reader);
}

void tar_advance(struct tar_reader *r, size_t n)
{
	r->at += n;
	r->pos += n;
}

int tar_want(struct tar_reader *r, size_t n, struct err *e)
{
	while (r->end - r->at < n) {
		if (r->ended)
			return 0;
		if (r->at == r->end || STREAM_CHUNK - r->at < n) {
			memmove(r->data, r->data + r->at, r->end - r->at);
			r->end -= r->at;
			r->at = 0;
		}
		ssize_t got = stream_read(r->below, r->data + r->end, STREAM_CHUNK - r->end, e);
		if (got < 0)
			return -1;
		r->ended = got == 0;
		r->end += (size_t)got;
	}
	return 1;
}

static int cut_short(struct err *e)
{
	return err_set(e, ERR_CORRUPT, "unexpected end");
}

static int skip(struct tar_reader *r, uint64_t n, struct err *e)
{
	while (n > 0) {
		/* Past the buffer a file need not be read: an index of headers costs no more than the headers. */
		if (r->at == r->end && n > STREAM_CHUNK) {
			uint64_t passed = stream_pass(r->below, n);
			r->pos += passed;
			n -= passed;
			if (!n)
				break;
		}
		int more = tar_want(r, 1, e);
		if (more <= 0)
			return more < 0 ? -1 : cut_short(e);
		size_t have = r->end - r->at;
		size_t now = have < n ? have : (size_t)n;
		tar_advance(r, now);
		n -= now;
	}
	return 0;
}

static int skip_padding(struct tar_reader *r, struct err *e)
{
	r->dirty = false;
	while (r->pad > 0) {
		int more = tar_want(r, 1, e);
		if (more <= 0)
			return more < 0 ? -1 : cut_short(e);
		size_t have = r->end - r->at, now = have < r->pad ? have : r->pad;
		for (size_t i = 0; i < now; i++)
			r->dirty |= r->data[r->at + i] != 0;
		tar_advance(r, now);
		r->pad -= (unsigned)now;
	}
	return 0;
}

static ssize_t piece(struct tar_reader *r, const void **ret, struct err *e)
{
	if (!r->left)
		return 0;
	int more = tar_want(r, 1, e);
	if (more <= 0)
		return more < 0 ? -1 : cut_short(e);
	size_t have = r->end - r->at;
	size_t n = have < r->left ? have : (size_t)r->left;
	*ret = r->data + r->at;
	tar_advance(r, n);
	r->left -= n;
	return (ssize_t)n;
}

static int fail(struct tar_reader *r, struct err *e)
{
	r->broken = true;
	r->left = 0;
	return err_wrap(e, "tar: at byte %llu", (unsigned long long)r->pos);
}

ssize_t tar_piece(struct tar_reader *r, const void **ret, struct err *e)
{
	ssize_t n = piece(r, ret, e);
	return n < 0 ? fail(r, e) : n;
}

ssize_t tar_data(struct tar_reader *r, void *p, size_t n, struct err *e)
{
	if (n > r->left)
		n = (size_t)r->left;
	if (!n)
		return 0;
	if (r->at == r->end && !r->ended && n >= STREAM_CHUNK / 4) {
		ssize_t got = stream_read(r->below, p, n, e);
		if (got == 0)
			got = cut_short(e);
		if (got < 0)
			return fail(r, e);
		r->pos += (uint64_t)got;
		r->left -= (uint64_t)got;
		return got;
	}
	int more = tar_want(r, 1, e);
	if (more <= 0) {
		if (more == 0)
			cut_short(e);
		return fail(r, e);
	}
	if (n > r->end - r->at)
		n = r->end - r->at;
	memcpy(p, r->data + r->at, n);
	tar_advance(r, n);
	r->left -= n;
	return (ssize_t)n;
}

static int base256(const unsigned char *p, size_t n, int64_t *ret, struct err *e)
{
	bool negative = p[0] & 0x40;
	uint64_t v = negative ? UINT64_MAX : 0;
	for (size_t i = 0; i < n; i++) {
		unsigned byte = i ? p[i] : negative ? p[0] : p[0] & 0x7fu;
		if (v >> 55 != (negative ? 0x1ff : 0))
			return err_set(e, ERR_CORRUPT, "a number is too large");
		v = v << 8 | byte;
	}
	*ret = (int64_t)v;
	return 0;
}

int tar_number(const char *field, size_t n, int64_t *ret, struct err *e)
{
	if (*field & 0x80)
		return base256((const unsigned char *)field, n, ret, e);
	size_t i = 0;
	while (i < n && (field[i] == ' ' || !field[i]))
		i++;
	uint64_t v = 0;
	for (; i < n && field[i] >= '0' && field[i] <= '7'; i++) {
		if (v >> 60)
			return err_set(e, ERR_CORRUPT, "a number is too large");
		v = v << 3 | (uint64_t)(field[i] - '0');
	}
	if (i < n && field[i] && field[i] != ' ')
		return err_set(e, ERR_CORRUPT, "a number that is not octal");
	*ret = (int64_t)v;
	return 0;
}

static int check_sum(const struct tar_header *h, struct err *e)
{
	const unsigned char *p = (const unsigned char *)h;
	int64_t stored = 0;
	int plain = 0, with_sign = 0;
	for (size_t i = 0; i < TAR_UNIT; i++) {
		plain += p[i];
		with_sign += (signed char)p[i];
	}
	for (size_t i = 0; i < sizeof h->sum; i++) {
		plain += ' ' - (unsigned char)h->sum[i];
		with_sign += ' ' - (signed char)h->sum[i];
	}
	if (tar_number(h->sum, sizeof h->sum, &stored, e) < 0)
		return err_set(e, ERR_CORRUPT, "this is not a tar header");
	/* Old programs added signed bytes. */
	if (stored != plain && stored != with_sign)
		return err_set(e, ERR_CORRUPT, "wrong checksum of a header: damaged, or not a tar archive");
	return 0;
}

static bool is_zero(const unsigned char *block)
{
	static const unsigned char zero[TAR_UNIT];
	return memcmp(block, zero, TAR_UNIT) == 0;
}

/* What is behind the end is read, so that hashes below cover it. */
static int read_out(struct tar_reader *r, struct err *e)
{
	int more;
	r->done = true;
	while ((more = tar_want(r, 1, e)) > 0)
		tar_advance(r, r->end - r->at);
	return more;
}

/* 1: a header at data[at], checked; 0: the end of the archive. */
static int find_header(struct tar_reader *r, struct err *e)
{
	for (int zeros = 0; zeros < 2; zeros++) {
		int more = tar_want(r, TAR_UNIT, e);
		if (more < 0)
			return -1;
		if (!more && r->at < r->end)
			return cut_short(e);
		if (!more)
			break;
		if (!is_zero(r->data + r->at)) {
			if (zeros)
				return err_set(e, ERR_CORRUPT, "a header behind the end of the archive");
			return check_sum((const struct tar_header *)(r->data + r->at), e) < 0 ? -1 : 1;
		}
		tar_advance(r, TAR_UNIT);
	}
	if (r->has_local || r->has_name || r->has_link)
		return err_set(e, ERR_CORRUPT, "an extended header without a file");
	return read_out(r, e);
}

bool tar_padding_is_dirty(const struct tar_reader *r)
{
	return r->dirty;
}

static unsigned padding(uint64_t size)
{
	return (unsigned)(-size & (TAR_UNIT - 1));
}

static int size_of(const struct tar_header *h, uint64_t *ret, struct err *e)
{
	int64_t v = 0;
	if (tar_number(h->size, sizeof h->size, &v, e) < 0)
		return err_wrap(e, "size");
	if (v < 0)
		return err_set(e, ERR_CORRUPT, "a negative size");
	*ret = (uint64_t)v;
	return 0;
}

/* The data of an extended header, into memory. */
static int read_meta(struct tar_reader *r, uint64_t size, struct buf *out, struct err *e)
{
	buf_reset(out);
	char *at = size <= TAR_META_MAX ? buf_room(out, (size_t)size) : NULL;
	if (!at)
		return err_set(e, ERR_LIMIT, "an extended header of %llu bytes (%d at most)", (unsigned long long)size,
			TAR_META_MAX);
	tar_advance(r, TAR_UNIT);
	for (r->left = size; r->left > 0;) {
		const void *p = NULL;
		ssize_t n = piece(r, &p, e);
		if (n < 0 || buf_add(out, p, (size_t)n) < 0)
			return -1;
	}
	buf_add(out, "", 0);
	return skip(r, padding(size), e);
}

static int read_long(struct tar_reader *r, uint64_t size, struct buf *out, bool *has, struct err *e)
{
	if (read_meta(r, size, out, e) < 0)
		return -1;
	out->len = strlen(buf_text(out));
	*has = true;
	return 0;
}

static int read_local(struct tar_reader *r, uint64_t size, struct err *e)
{
	arena_drop(&r->arena);
	r->entry = (struct tar_entry){};
	r->local = (struct tar_pax){};
	r->has_local = true;
	if (read_meta(r, size, &r->records, e) < 0)
		return -1;
	return tar_pax_parse(r, &r->records, false, &r->local, e);
}

static int read_global(struct tar_reader *r, uint64_t size, struct err *e)
{
	r->global = (struct tar_pax){};
	if (read_meta(r, size, &r->globals, e) < 0)
		return -1;
	return tar_pax_parse(r, &r->globals, true, &r->global, e);
}

/* 1: an extended header, eaten; 0: h is a file's. */
static int extended(struct tar_reader *r, const struct tar_header *h, struct err *e)
{
	uint64_t size = 0;
	char type = h->type;
	if (!strchr("xXgLKV", type) || !type)
		return 0;
	if (size_of(h, &size, e) < 0)
		return -1;
	int done = -1;
	switch (type) {
	case 'x':
	case 'X': done = read_local(r, size, e); break;
	case 'g': done = read_global(r, size, e); break;
	case 'L': done = read_long(r, size, &r->long_name, &r->has_name, e); break;
	case 'K': done = read_long(r, size, &r->long_link, &r->has_link, e); break;
	case 'V': /* a volume's label */
		tar_advance(r, TAR_UNIT);
		done = skip(r, size + padding(size), e);
		break;
	}
	return done < 0 ? -1 : 1;
}

static int type_of(char c, enum tar_type *ret, struct err *e)
{
	static const struct {
		char c;
		enum tar_type type;
	} rows[] = {
		{'0', TAR_FILE}, {0, TAR_FILE}, {'7', TAR_FILE}, {'S', TAR_FILE}, {'1', TAR_HARDLINK}, {'2', TAR_SYMLINK},
		{'3', TAR_CHAR}, {'4', TAR_BLOCK}, {'5', TAR_DIR}, {'D', TAR_DIR}, {'6', TAR_FIFO},
	};
	for (size_t i = 0; i < countof(rows); i++)
		if (rows[i].c == c) {
			*ret = rows[i].type;
			return 0;
		}
	return err_set(e, ERR_UNSUPPORTED, "an entry of the unknown type 0x%02x", (unsigned char)c);
}

static char *text(struct buf *b, const char *field, size_t n)
{
	buf_reset(b);
	buf_add(b, field, strnlen(field, n));
	return b->data;
}

static void set_names(struct tar_reader *r, const struct tar_header *h)
{
	struct tar_entry *t = &r->entry;
	bool ustar = memcmp(h->magic, "ustar", 6) == 0;
	bool named = ustar || memcmp(h->magic, "ustar ", 6) == 0;
	/* star keeps times behind a prefix of 131 bytes. */
	size_t room = memcmp(h->pad + 8, "tar", 4) == 0 ? 131 : sizeof h->prefix;
	buf_reset(&r->name);
	if (ustar && h->prefix[0]) {
		buf_add(&r->name, h->prefix, strnlen(h->prefix, room));
		buf_char(&r->name, '/');
	}
	buf_add(&r->name, h->name, strnlen(h->name, sizeof h->name));
	t->name = r->name.data;
	t->link = text(&r->link, h->link, sizeof h->link);
	t->uname = text(&r->uname, h->uname, named ? sizeof h->uname : 0);
	t->gname = text(&r->gname, h->gname, named ? sizeof h->gname : 0);
}

static int set_id(const char *what, int64_t v, uint32_t *ret, struct err *e)
{
	/* UINT32_MAX is how chown() is told to leave an owner alone. */
	if (v < 0 || v >= UINT32_MAX)
		return err_set(e, ERR_CORRUPT, "%s %lld is out of range", what, (long long)v);
	*ret = (uint32_t)v;
	return 0;
}

static int64_t to_ns(int64_t sec)
{
	int64_t ns;
	if (__builtin_mul_overflow(sec, 1000000000, &ns))
		return sec < 0 ? INT64_MIN : INT64_MAX;
	return ns;
}

static int set_numbers(struct tar_reader *r, const struct tar_header *h, struct err *e)
{
	struct tar_entry *t = &r->entry;
	int64_t mode = 0, uid = 0, gid = 0, mtime = 0;
	if (tar_number(h->mode, sizeof h->mode, &mode, e) < 0)
		return err_wrap(e, "mode");
	if (tar_number(h->uid, sizeof h->uid, &uid, e) < 0)
		return err_wrap(e, "uid");
	if (tar_number(h->gid, sizeof h->gid, &gid, e) < 0)
		return err_wrap(e, "gid");
	if (tar_number(h->mtime, sizeof h->mtime, &mtime, e) < 0)
		return err_wrap(e, "mtime");
	mtime = to_ns(mtime);
	if (size_of(h, &t->stored, e) < 0)
		return -1;
	for (int i = 0; i < 2; i++) {
		const struct tar_pax *p = i ? &r->local : &r->global;
		uid = p->uid.set ? p->uid.v : uid;
		gid = p->gid.set ? p->gid.v : gid;
		mtime = p->mtime.set ? p->mtime.v : mtime;
		t->stored = p->size.set ? (uint64_t)p->size.v : t->stored;
		t->name = p->path ? p->path : t->name;
		t->link = p->link ? p->link : t->link;
		t->uname = p->uname ? p->uname : t->uname;
		t->gname = p->gname ? p->gname : t->gname;
	}
	t->mode = (uint32_t)mode & 07777;
	t->mtime_ns = mtime;
	return set_id("uid", uid, &t->uid, e) < 0 || set_id("gid", gid, &t->gid, e) < 0 ? -1 : 0;
}

static int set_device(struct tar_entry *t, const struct tar_header *h, struct err *e)
{
	int64_t major = 0, minor = 0;
	if (tar_number(h->major, sizeof h->major, &major, e) < 0 || tar_number(h->minor, sizeof h->minor, &minor, e) < 0)
		return err_wrap(e, "device number");
	/* Linux has 12 bits for the one and 20 for the other. */
	if (major < 0 || major > 0xfff || minor < 0 || minor > 0xfffff)
		return err_set(e, ERR_CORRUPT, "device %lld:%lld is out of range", (long long)major, (long long)minor);
	t->dev_major = (uint32_t)major;
	t->dev_minor = (uint32_t)minor;
	return 0;
}

static bool only_header(enum tar_type type)
{
	return type != TAR_FILE && type != TAR_DIR;
}

/* The header is copied: what follows may move the buffer. */
static int make_entry(struct tar_reader *r, struct tar_header h, struct err *e)
{
	struct tar_entry *t = &r->entry;
	if (type_of(h.type, &t->type, e) < 0)
		return -1;
	set_names(r, &h);
	if (set_numbers(r, &h, e) < 0)
		return -1;
	if (r->has_name)
		t->name = r->long_name.data;
	if (r->has_link)
		t->link = r->long_link.data;
	if ((t->type == TAR_CHAR || t->type == TAR_BLOCK) && set_device(t, &h, e) < 0)
		return -1;
	tar_advance(r, TAR_UNIT);
	/* v7 wrote directories as files whose name ends in a slash; dumps of directories ('D') have data. */
	if (t->type == TAR_FILE && str_has_suffix(t->name, "/"))
		t->type = TAR_DIR;
	if (only_header(t->type) || h.type == '5')
		t->stored = 0;
	if (t->type != TAR_HARDLINK && t->type != TAR_SYMLINK)
		t->link[0] = 0;
	r->left = t->stored;
	r->pad = padding(t->stored);
	if (t->type == TAR_FILE) {
		t->size = t->stored;
		int sparse = h.type == 'S' ? tar_sparse_gnu(r, (const struct tar_gnu_header *)(const void *)&h, e)
					   : tar_sparse_pax(r, e);
		if (sparse < 0)
			return -1;
	}
	t->offset = r->pos;
	return 1;
}

static int next(struct tar_reader *r, struct err *e)
{
	if (r->done)
		return 0;
	if (skip(r, r->left, e) < 0 || skip_padding(r, e) < 0)
		return -1;
	r->left = 0;
	arena_drop(&r->arena);
	r->entry = (struct tar_entry){};
	r->local = (struct tar_pax){};
	r->has_local = r->has_name = r->has_link = false;
	for (;;) {
		int found = find_header(r, e);
		if (found <= 0)
			return found;
		const struct tar_header *h = (const struct tar_header *)(r->data + r->at);
		int eaten = extended(r, h, e);
		if (eaten < 0)
			return -1;
		if (!eaten)
			return make_entry(r, *h, e);
	}
}

int tar_next(struct tar_reader *r, const struct tar_entry **ret, struct err *e)
{
	if (r->broken)
		return err_set(e, ERR_CORRUPT, "tar: read after a failure");
	int found = next(r, e);
	if (found < 0)
		return fail(r, e);
	*ret = &r->entry;
	return found;
}
