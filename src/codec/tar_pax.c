/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tar_pax: the records of a pax header, "LENGTH KEY=VALUE\n", cut up where they lie. Keys are rows of a
 * table; an unknown one is skipped; the last of a kind counts; an empty value means the header's own.
 *
 * A global header may set owners and times. One that names a path, a size or a map for every file to
 * come is refused: no program writes it, and readers disagree about what it does.
 */
#include "codec/tar_format.h"

#include <string.h>

enum pax_kind { PAX_TEXT, PAX_NUMBER, PAX_TIME, PAX_OFFSET, PAX_LENGTH, PAX_COUNT };
struct pax_key {
	const char *key;
	enum pax_kind kind;
	size_t at; /* offset in struct tar_pax */
	bool global;
};
#define AT(member) offset_of(struct tar_pax, member)

static const struct pax_key keys[] = {
	{"path", PAX_TEXT, AT(path), false},
	{"linkpath", PAX_TEXT, AT(link), false},
	{"uname", PAX_TEXT, AT(uname), true},
	{"gname", PAX_TEXT, AT(gname), true},
	{"uid", PAX_NUMBER, AT(uid), true},
	{"gid", PAX_NUMBER, AT(gid), true},
	{"size", PAX_NUMBER, AT(size), false},
	{"mtime", PAX_TIME, AT(mtime), true},
	{"GNU.sparse.major", PAX_NUMBER, AT(major), false},
	{"GNU.sparse.minor", PAX_NUMBER, AT(minor), false},
	{"GNU.sparse.size", PAX_NUMBER, AT(sparse_size), false},
	{"GNU.sparse.realsize", PAX_NUMBER, AT(sparse_realsize), false},
	{"GNU.sparse.name", PAX_TEXT, AT(sparse_name), false},
	{"GNU.sparse.map", PAX_TEXT, AT(sparse_map), false},
	{"GNU.sparse.numblocks", PAX_COUNT, AT(sparse_blocks), false},
	{"GNU.sparse.offset", PAX_OFFSET, 0, false},
	{"GNU.sparse.numbytes", PAX_LENGTH, 0, false},
};

/* One record, NUL-terminated key and value. */
struct record {
	char *key, *value;
	size_t len;
};

static int malformed(struct err *e)
{
	return err_set(e, ERR_CORRUPT, "a malformed pax header");
}

static int digits(const char **s, int64_t *ret)
{
	const char *p = *s;
	int64_t v = 0;
	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *p - '0', &v))
			return -1;
	if (p == *s)
		return -1;
	*s = p;
	*ret = v;
	return 0;
}

static int number(const char *key, const char *s, int64_t *ret, struct err *e)
{
	if (digits(&s, ret) < 0 || *s)
		return err_set(e, ERR_CORRUPT, "pax %s is not a number, or too large", key);
	return 0;
}

/* [-]seconds[.fraction], in ns. What 64 bits cannot hold becomes the nearest that they can. */
static int time_of(const char *s, int64_t *ret, struct err *e)
{
	bool negative = *s == '-';
	s += negative;
	int64_t sec = 0, ns = 0, unit = 100000000;
	size_t n = strspn(s, "0123456789");
	if (n && digits(&s, &sec) < 0) {
		sec = INT64_MAX;
		s += n;
	}
	if (*s == '.')
		for (s++; *s >= '0' && *s <= '9'; s++, unit /= 10)
			ns += (*s - '0') * unit;
	if (!n || *s)
		return err_set(e, ERR_CORRUPT, "pax mtime is not a time");
	if (__builtin_mul_overflow(sec, 1000000000, &sec) || __builtin_add_overflow(sec, ns, &sec))
		sec = INT64_MAX;
	*ret = negative ? -sec : sec;
	return 0;
}

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0'
		: c >= 'a' && c <= 'f' ? c - 'a' + 10
		: c >= 'A' && c <= 'F' ? c - 'A' + 10
				       : -1;
}

/* %41 to A, in place. */
static void url_decode(char *s)
{
	char *out = s;
	for (; *s; s++) {
		int high = *s == '%' ? hex(s[1]) : -1, low = high < 0 ? -1 : hex(s[2]);
		*out++ = low < 0 ? *s : (char)(high << 4 | low);
		s += low < 0 ? 0 : 2;
	}
	*out = 0;
}

/* In place; libarchive writes no padding. */
static int base64_decode(struct record *r, struct err *e)
{
	static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t n = 0;
	unsigned bits = 0, have = 0;
	for (size_t i = 0; i < r->len && r->value[i] != '='; i++) {
		const char *at = r->value[i] ? strchr(set, r->value[i]) : NULL;
		if (!at)
			return malformed(e);
		bits = bits << 6 | (unsigned)(at - set);
		have += 6;
		if (have >= 8) {
			have -= 8;
			r->value[n++] = (char)(bits >> have);
		}
	}
	r->len = n;
	return 0;
}

static int add_xattr(struct tar_reader *r, const char *name, const struct record *rec, bool replace, struct err *e)
{
	struct tar_entry *t = &r->entry;
	if (!*name)
		return malformed(e);
	struct tar_xattr *x = NULL;
	for (size_t i = 0; i < t->xattrs.n; i++)
		if (strcmp(t->xattrs.v[i].name, name) == 0)
			x = &t->xattrs.v[i];
	if (x && !replace)
		return 0;
	if (!x && t->xattrs.n == TAR_XATTRS_MAX)
		return err_set(e, ERR_LIMIT, "more than %d extended attributes", TAR_XATTRS_MAX);
	if (!x) {
		x = arena_push(&r->arena, &t->xattrs);
		x->name = arena_dup(&r->arena, name);
	}
	x->value = arena_ndup(&r->arena, rec->value, rec->len);
	x->len = rec->len;
	return 0;
}

/* 1: it was one. SCHILY's wins over libarchive's, whichever comes first. */
static int xattr(struct tar_reader *r, struct record *rec, struct err *e)
{
	const char *name = str_after(rec->key, "SCHILY.xattr.");
	if (name)
		return add_xattr(r, name, rec, true, e) < 0 ? -1 : 1;
	char *coded = rec->key + strlen("LIBARCHIVE.xattr.");
	if (!str_after(rec->key, "LIBARCHIVE.xattr."))
		return 0;
	url_decode(coded);
	if (base64_decode(rec, e) < 0)
		return -1;
	return add_xattr(r, coded, rec, false, e) < 0 ? -1 : 1;
}

static const struct pax_key *key_of(const char *key)
{
	for (size_t i = 0; i < countof(keys); i++)
		if (strcmp(keys[i].key, key) == 0)
			return &keys[i];
	return NULL;
}

static int apply(struct tar_reader *r, const struct pax_key *k, const struct record *rec, struct tar_pax *ret,
	int64_t *offset, struct err *e)
{
	void *at = (char *)ret + k->at;
	struct tar_number n = {true, 0};
	if (strlen(rec->value) != rec->len)
		return err_set(e, ERR_CORRUPT, "a NUL byte in pax %s", k->key);
	switch (k->kind) {
	case PAX_TEXT: *(char **)at = rec->len ? rec->value : NULL; return 0;
	case PAX_COUNT: ret->sparse_blocks = true; return 0;
	case PAX_NUMBER:
	case PAX_TIME:
		if (rec->len && (k->kind == PAX_TIME ? time_of(rec->value, &n.v, e) : number(k->key, rec->value, &n.v, e)) < 0)
			return -1;
		*(struct tar_number *)at = rec->len ? n : (struct tar_number){};
		return 0;
	case PAX_OFFSET:
		if (*offset >= 0)
			return malformed(e);
		return number(k->key, rec->value, offset, e);
	case PAX_LENGTH:
		if (*offset < 0)
			return malformed(e);
		if (number(k->key, rec->value, &n.v, e) < 0)
			return -1;
		n.v = tar_sparse_add(r, (uint64_t)*offset, (uint64_t)n.v, e);
		*offset = -1;
		return (int)n.v;
	}
	return 0;
}

/* Cuts the next record off [*at, end). */
static int cut(char **at, char *end, struct record *ret, struct err *e)
{
	const char *p = *at;
	int64_t len = 0;
	if (digits(&p, &len) < 0 || *p != ' ' || len > end - *at || len < p - *at + 3)
		return malformed(e);
	char *last = *at + len - 1;
	ret->key = *at + (p - *at) + 1;
	char *equal = memchr(ret->key, '=', (size_t)(last - ret->key));
	if (*last != '\n' || !equal || equal == ret->key || memchr(ret->key, 0, (size_t)(equal - ret->key)))
		return malformed(e);
	*equal = *last = 0;
	ret->value = equal + 1;
	ret->len = (size_t)(last - ret->value);
	*at = last + 1;
	return 0;
}

int tar_pax_parse(struct tar_reader *r, struct buf *b, bool global, struct tar_pax *ret, struct err *e)
{
	int64_t offset = -1;
	for (char *at = b->data, *end = b->data + b->len; at < end;) {
		struct record rec;
		if (cut(&at, end, &rec, e) < 0)
			return -1;
		const struct pax_key *k = key_of(rec.key);
		bool attribute = !k && (str_has_prefix(rec.key, "SCHILY.xattr.") ||
			str_has_prefix(rec.key, "LIBARCHIVE.xattr."));
		if (global && (k ? !k->global : attribute))
			return err_set(e, ERR_UNSUPPORTED, "a global pax header that sets %.40s for all files", rec.key);
		if (k ? apply(r, k, &rec, ret, &offset, e) < 0 : xattr(r, &rec, e) < 0)
			return -1;
	}
	return offset < 0 ? 0 : malformed(e);
}
