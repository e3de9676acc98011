/* SPDX-License-Identifier: Apache-2.0 */
/*
 * archive_index: headers in the order of the archive into an array, sorted once by name and place, searched by halves. Of
 * several members of one name the last is the first behind that name's run. A directory keeps the files it opened in the same array.
 */
#include "image/archive_index.h"

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "codec/stream.h"
#include "codec/tar.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	MEMBERS_MAX = 100000,
	NAMES_MAX = 64 << 20,
	LINKS_MAX = 8,
};

struct member {
	char *name, *link; /* link: whole name of the member it stands for */
	size_t place;
	struct archive_member at;
	bool is_file;
};
struct archive_index {
	struct arena arena;
	struct { struct member *v; size_t n; } members;
	int fd, dir;
	size_t names; /* bytes of names so far */
};

static int by_name(const void *a, const void *b)
{
	const struct member *x = a, *y = b;
	int r = strcmp(x->name, y->name);
	return r ? r : x->place < y->place ? -1 : 1;
}

static const char *without_slash(const char *name)
{
	while (*name == '/')
		name++;
	return name;
}

/* Where a symlink of the member `name` leads to. */
static char *link_target(struct arena *a, const char *name, const char *target)
{
	const char *slash = strrchr(name, '/');
	own(mem) char *whole = *target == '/' || !slash ? mem_dup(target) : mem_printf("%.*s/%s", (int)(slash - name), name, target);
	own(mem) char *clean = path_clean(whole);
	return arena_dup(a, without_slash(clean));
}

static int add(struct archive_index *x, const struct tar_entry *t, struct err *e)
{
	if (x->members.n == MEMBERS_MAX)
		return err_set(e, ERR_LIMIT, "more than %d members", MEMBERS_MAX);
	x->names += strlen(t->name) + (t->link ? strlen(t->link) : 0);
	if (x->names > NAMES_MAX)
		return err_set(e, ERR_LIMIT, "more than %d bytes of names", NAMES_MAX);
	own(mem) char *clean = path_clean(t->name);
	struct member *m = arena_push(&x->arena, &x->members);
	m->name = arena_dup(&x->arena, without_slash(clean));
	m->place = x->members.n;
	m->is_file = t->type == TAR_FILE && !t->sparse;
	m->at = (struct archive_member){x->fd, t->offset, t->size};
	if (t->type == TAR_SYMLINK && t->link)
		m->link = link_target(&x->arena, m->name, t->link);
	else if (t->type == TAR_HARDLINK && t->link)
		m->link = link_target(&x->arena, "", t->link);
	return 0;
}

int archive_index_of_tar(int fd, uint64_t offset, struct archive_index **ret, struct err *e)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return err_sys(e, "archive");
	own(archive_index) struct archive_index *x = mem_alloc(sizeof *x);
	x->fd = fd;
	x->dir = -1;
	uint64_t size = (uint64_t)st.st_size > offset ? (uint64_t)st.st_size - offset : 0;
	own(stream) struct stream *s = stream_range(fd, offset, size);
	own(tar_reader) struct tar_reader *r = tar_reader_new(s);
	const struct tar_entry *t;
	int more;
	while ((more = tar_next(r, &t, e)) > 0)
		if (add(x, t, e) < 0)
			return err_wrap(e, "archive");
	if (more < 0)
		return err_wrap(e, "archive");
	for (size_t i = 0; i < x->members.n; i++) {
		struct archive_member *m = &x->members.v[i].at;
		if (x->members.v[i].is_file && (m->offset > size || m->length > size - m->offset))
			return err_set(e, ERR_CORRUPT, "archive: it is cut off");
		m->offset += offset;
	}
	if (x->members.n)
		qsort(x->members.v, x->members.n, sizeof *x->members.v, by_name);
	*ret = take(x);
	return 0;
}

int archive_index_of_dir(int dir, struct archive_index **ret, struct err *e)
{
	struct stat st;
	if (fstat(dir, &st) < 0)
		return err_sys(e, "archive");
	struct archive_index *x = mem_alloc(sizeof *x);
	x->fd = -1;
	x->dir = dir;
	*ret = x;
	return 0;
}

void archive_index_drop(struct archive_index **x)
{
	if (!*x)
		return;
	for (size_t i = 0; (*x)->dir >= 0 && i < (*x)->members.n; i++)
		fd_drop(&(*x)->members.v[i].at.fd);
	arena_drop(&(*x)->arena);
	mem_drop(x);
}

/* The last member of that name. */
static struct member *search(struct archive_index *x, const char *name)
{
	size_t low = 0, high = x->members.n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (strcmp(x->members.v[middle].name, name) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low && strcmp(x->members.v[low - 1].name, name) == 0 ? &x->members.v[low - 1] : NULL;
}

static struct member *search_dir(struct archive_index *x, const char *name)
{
	for (size_t i = 0; i < x->members.n; i++)
		if (strcmp(x->members.v[i].name, name) == 0)
			return &x->members.v[i];
	struct err ignored = {};
	struct stat st;
	own(fd) int fd = path_open_in(x->dir, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, &ignored);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return NULL;
	struct member *m = arena_push(&x->arena, &x->members);
	m->name = arena_dup(&x->arena, name);
	m->is_file = true;
	m->at = (struct archive_member){take_fd(fd), 0, (uint64_t)st.st_size};
	return m;
}

static struct member *find(struct archive_index *x, const char *name)
{
	if (x->dir >= 0)
		return search_dir(x, name);
	own(mem) char *clean = path_clean(name);
	struct member *m = search(x, without_slash(clean));
	for (int i = 0; m && !m->is_file && m->link && i < LINKS_MAX; i++)
		m = search(x, m->link);
	return m && m->is_file ? m : NULL;
}

/* A name of the archive in an error's text: what is printable of it. */
static char *shown(const char *name, char out[120])
{
	size_t n = 0;
	for (; name[n] && n < 119; n++)
		out[n] = name[n] < ' ' || name[n] > '~' ? '?' : name[n];
	out[n] = 0;
	return out;
}

int archive_index_find(struct archive_index *x, const char *name, struct archive_member *ret, struct err *e)
{
	char text[120];
	struct member *m = find(x, name);
	if (!m)
		return err_set(e, ERR_CORRUPT, "%s is not in the archive", shown(name, text));
	*ret = m->at;
	return 0;
}

bool archive_index_has(struct archive_index *x, const char *name)
{
	return find(x, name) != NULL;
}

int archive_index_read(struct archive_index *x, const char *name, size_t max, struct buf *ret, struct err *e)
{
	struct archive_member m;
	char text[120];
	if (archive_index_find(x, name, &m, e) < 0)
		return -1;
	if (m.length > max)
		return err_set(e, ERR_LIMIT, "%s in the archive is too big: %llu bytes (%zu at most)", shown(name, text), (unsigned long long)m.length, max);
	own(stream) struct stream *s = stream_range(m.fd, m.offset, m.length);
	ret->max = max;
	if (stream_to_buf(s, ret, e) < 0)
		return err_wrap(e, "%s in the archive", shown(name, text));
	return 0;
}

void archive_index_list(struct archive_index *x, const char *suffix, struct strv *ret)
{
	for (size_t i = 0; i < x->members.n; i++)
		if (x->dir < 0 && str_has_suffix(x->members.v[i].name, suffix) && !strv_has(ret, x->members.v[i].name))
			strv_add(ret, x->members.v[i].name);
}
