/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy_archive: ADD of an archive: its entries become entries of the layer, without a file system in between. A name that leads out
 * of the destination is an error; directories below that are symlinks are followed.
 */
#include "build/copy.h"

#include "base/fd.h"
#include "base/path.h"
#include "build/place.h"
#include "snap/name.h"

#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

static struct stream *open_plain(int fd, struct err *e)
{
	struct stream *plain = NULL;
	struct stream *file = stream_fd(fd, UINT64_MAX);
	if (stream_decompress(file, &plain, NULL, e) < 0) {
		stream_drop(&file);
		return NULL;
	}
	return stream_own(plain, file);
}

bool copy_is_archive(int fd)
{
	struct err none = {};
	own(stream) struct stream *plain = open_plain(fd, &none);
	if (!plain)
		return false;
	const struct tar_entry *t;
	own(tar_reader) struct tar_reader *r = tar_reader_new(plain);
	return tar_next(r, &t, &none) == 1;
}

/* Where an entry's directory is, in the root: symlinks followed. */
static char *resolve(struct lay *l, const char *dest, const char *name, struct err *e)
{
	struct place p __attribute__((cleanup(place_drop))) = {};
	own(mem) char *path = *dest ? path_join(dest, name) : mem_dup(name);
	char *slash = strrchr(path, '/');
	if (l->root < 0 || !slash)
		return take(path);
	*slash = 0;
	if (place_find(l->root, path, true, &p, e) < 0)
		return NULL;
	return p.path.len ? mem_printf("%s/%s", buf_text(&p.path), slash + 1) : mem_dup(slash + 1);
}

static int copy_data(struct lay *l, struct tar_reader *r, struct err *e)
{
	const void *p;
	ssize_t n;
	while ((n = tar_piece(r, &p, e)) > 0)
		if (tar_write_data(l->tar, p, (size_t)n, e) < 0)
			return -1;
	return (int)n;
}

static int put(struct copy *c, struct lay *l, struct tar_reader *r, const struct tar_entry *from, const char *dest, struct err *e)
{
	char clean[PATH_MAX], link[PATH_MAX];
	struct tar_entry t = *from;
	own(mem) char *target = NULL;
	if (name_clean(from->name, clean, e) < 0)
		return -1;
	if (!*clean)
		return 0;
	if (ignore_has(&c->exclude, clean))
		return 0;
	own(mem) char *name = resolve(l, dest, clean, e);
	if (!name)
		return -1;
	t.name = name;
	if (t.type == TAR_HARDLINK) {
		if (name_clean(from->link, link, e) < 0)
			return -1;
		target = resolve(l, dest, link, e);
		if (!target)
			return -1;
		t.link = target;
	}
	/* Modes are the archive's, whatever --chmod says, as BuildKit has it. */
	if (c->has_owner) {
		t.uid = c->uid;
		t.gid = c->gid;
	}
	if (t.type == TAR_DIR)
		return lay_dir(l, name, &t, e);
	if (lay_parents(l, name, e) < 0 || lay_entry(l, &t, e) < 0)
		return -1;
	return t.type == TAR_FILE ? copy_data(l, r, e) : 0;
}

int copy_unpack(struct copy *c, struct lay *l, int fd, const char *dest, struct err *e)
{
	own(stream) struct stream *plain = open_plain(fd, e);
	if (!plain)
		return -1;
	const struct tar_entry *t;
	own(tar_reader) struct tar_reader *r = tar_reader_new(plain);
	int n;
	while ((n = tar_next(r, &t, e)) == 1)
		if (put(c, l, r, t, dest, e) < 0)
			return -1;
	return n;
}
