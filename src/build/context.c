/* SPDX-License-Identifier: Apache-2.0 */
/*
 * context: a directory; or what comes by stdin: a tar, which is unpacked to a directory of the build's own, or a Dockerfile alone.
 * Whatever is in it: names are resolved inside, devices and what else is neither file, directory nor symlink is left out.
 */
#include "build/stage.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "build/unpack.h"
#include "codec/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int read_in(struct build *b, struct buf *out, struct err *e)
{
	if (fd_read_to_end(b->q->in, out) < 0)
		return errno == EFBIG ? err_set(e, ERR_LIMIT, "the Dockerfile on stdin is larger than %d bytes", LEX_MAX) : err_sys(e, "read stdin");
	return 0;
}

static int make_work(struct build *b, struct err *e)
{
	char id[65];
	num_random_id(id);
	snprintf(b->work, sizeof b->work, "running/%s", id);
	if (path_mkdirs(b->cache.dir, b->work, 0700, e) < 0)
		return -1;
	own(fd) int dir = path_open_dir(b->cache.dir, b->work, e);
	/* Somebody's sweep may have had it, for the moment before the lock. */
	b->work_lock = dir < 0 ? -1 : path_lock(dir, "lock", true, true, e);
	if (b->work_lock < 0 || mkdirat(dir, "context", 0700) < 0)
		return b->work_lock < 0 ? -1 : err_sys(e, "context");
	b->context = path_open_dir(dir, "context", e);
	return b->context < 0 ? -1 : 0;
}

/* Once it is known what stdin is: the bytes that were looked at come first. */
struct replay { struct stream stream; const char *head; size_t len, at; int fd; };

static ssize_t replay_read(struct stream *s, void *p, size_t n, struct err *e)
{
	struct replay *r = (struct replay *)s;
	if (r->at < r->len) {
		size_t m = r->len - r->at < n ? r->len - r->at : n;
		memcpy(p, r->head + r->at, m);
		r->at += m;
		return (ssize_t)m;
	}
	ssize_t m;
	while ((m = read(r->fd, p, n)) < 0 && errno == EINTR)
		;
	return m < 0 ? err_sys(e, "read stdin") : m;
}

static void replay_close(struct stream *s)
{
	(void)s;
}

static bool looks_like_archive(const struct buf *head)
{
	static const struct { const char *magic; size_t n; } rows[] = {{"\x1f\x8b", 2}, {"\x28\xb5\x2f\xfd", 4}, {"\xfd" "7zXZ", 5}, {"BZh", 3}};
	for (size_t i = 0; i < countof(rows); i++)
		if (head->len >= rows[i].n && memcmp(head->data, rows[i].magic, rows[i].n) == 0)
			return true;
	return head->len >= 512 && memcmp(head->data + 257, "ustar", 5) == 0;
}

/* A tar or a Dockerfile: 1: it was a Dockerfile, in *text. */
static int from_stdin(struct build *b, struct buf *text, struct err *e)
{
	own(buf) struct buf head = BUF(4096);
	char *room = buf_room(&head, 512);
	ssize_t n = fd_read_full(b->q->in, room, 512);
	if (n < 0)
		return err_sys(e, "read stdin");
	head.len = (size_t)n;
	if (!looks_like_archive(&head)) {
		buf_add(text, head.data, head.len);
		return read_in(b, text, e) < 0 ? -1 : 1;
	}
	struct replay r = {.stream = {replay_read, replay_close}, .head = head.data, .len = head.len, .fd = b->q->in};
	if (make_work(b, e) < 0 || unpack_tar(&r.stream, b->context, e) < 0)
		return err_wrap(e, "context on stdin");
	b->context_path = arena_dup(&b->arena, "-");
	return 0;
}

static int open_dir(struct build *b, struct err *e)
{
	if (strstr(b->q->context, "://") || str_has_prefix(b->q->context, "git@"))
		return err_set(e, ERR_UNSUPPORTED, "context %.200s: contexts are not fetched yet: name a directory, or pipe a tar to -", b->q->context);
	own(mem) char *whole = realpath(b->q->context, NULL);
	if (!whole)
		return err_sys(e, "context %.200s", b->q->context);
	b->context = open(whole, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (b->context < 0)
		return errno == ENOTDIR ? err_set(e, ERR_USAGE, "context %.200s: not a directory", b->q->context) : err_sys(e, "context %.200s", b->q->context);
	b->context_path = arena_dup(&b->arena, whole);
	char digest[DIGEST_TEXT];
	if (digest_of(whole, strlen(whole), digest, e) < 0)
		return -1;
	b->context_name = arena_printf(&b->arena, "stat/%s", digest_hex(digest));
	b->stats = statcache_open(b->cache.dir, b->context_name);
	return 0;
}

/* --- the Dockerfile --- */

/* -f is a path of the caller's, or one inside of a context that came as an archive. */
static int read_named(struct build *b, const char *name, struct buf *text, struct err *e)
{
	text->max = LEX_MAX + 1;
	if (!*b->work)
		return path_read(AT_FDCWD, name, text, e);
	own(fd) int fd = path_open_in(b->context, name, O_RDONLY | O_NONBLOCK, 0, e);
	return fd < 0 ? -1 : fd_read_to_end(fd, text) < 0 ? err_sys(e, "%.200s", name) : 0;
}

static int read_dockerfile(struct build *b, struct buf *text, char **ret_name, struct err *e)
{
	static const char *const names[] = {"Dockerfile", "dockerfile", "Containerfile"};
	struct err why = {};
	if (str_eq(b->q->file, "-")) {
		*ret_name = mem_dup("Dockerfile");
		return read_in(b, text, e);
	}
	if (!str_is_empty(b->q->file)) {
		*ret_name = mem_dup(b->q->file);
		if (read_named(b, b->q->file, text, &why) == 0)
			return 0;
		/* Beside the context, as buildah takes it. */
		own(fd) int fd = *b->q->file == '/' || b->context < 0 ? -1 : path_open_in(b->context, b->q->file, O_RDONLY | O_NONBLOCK, 0, e);
		if (fd < 0)
			return *e = why, err_wrap(e, "Dockerfile");
		return fd_read_to_end(fd, text) < 0 ? err_sys(e, "%.200s", b->q->file) : 0;
	}
	for (size_t i = 0; i < countof(names); i++) {
		struct err none = {};
		own(fd) int fd = path_open_in(b->context, names[i], O_RDONLY | O_NONBLOCK, 0, &none);
		if (fd < 0)
			continue;
		*ret_name = mem_dup(names[i]);
		return fd_read_to_end(fd, text) < 0 ? err_sys(e, "%s", names[i]) : 0;
	}
	return err_set(e, ERR_NOT_FOUND, "there is no Dockerfile in %.200s: name it with -f", b->q->context);
}

/* --ignorefile, <Dockerfile>.dockerignore, .containerignore, .dockerignore: the first that is there. */
static int read_ignore(struct build *b, const char *dockerfile, struct err *e)
{
	own(buf) struct buf text = BUF(4 << 20);
	struct err none = {};
	static const char *const names[] = {".containerignore", ".dockerignore"};
	if (!str_is_empty(b->q->ignore_file))
		return path_read(AT_FDCWD, b->q->ignore_file, &text, e) < 0 ? -1 : ignore_read(&b->ignore, buf_text(&text), b->q->ignore_file, e);
	own(mem) char *beside = mem_printf("%s.dockerignore", dockerfile);
	if (b->q->file && !*b->work && strcmp(b->q->file, "-") != 0 && access(beside, R_OK) == 0 && path_read(AT_FDCWD, beside, &text, &none) == 0)
		return ignore_read(&b->ignore, buf_text(&text), beside, e);
	own(fd) int near = b->context < 0 || *dockerfile == '/' ? -1 : path_open_in(b->context, beside, O_RDONLY | O_NONBLOCK, 0, &none);
	if (near >= 0 && fd_read_to_end(near, &text) == 0)
		return ignore_read(&b->ignore, buf_text(&text), beside, e);
	for (size_t i = 0; b->context >= 0 && i < countof(names); i++) {
		own(fd) int fd = path_open_in(b->context, names[i], O_RDONLY | O_NONBLOCK, 0, &none);
		if (fd >= 0)
			return fd_read_to_end(fd, &text) < 0 ? err_sys(e, "%s", names[i]) : ignore_read(&b->ignore, buf_text(&text), names[i], e);
	}
	return 0;
}

int context_open(struct build *b, struct buf *ret_text, char **ret_name, struct err *e)
{
	int alone = 0;
	if (str_eq(b->q->context, "-")) {
		if (str_eq(b->q->file, "-"))
			return err_set(e, ERR_USAGE, "the context and the Dockerfile cannot both come from stdin");
		alone = from_stdin(b, ret_text, e);
	} else {
		alone = open_dir(b, e);
	}
	if (alone < 0)
		return -1;
	if (alone == 1)
		*ret_name = mem_dup("Dockerfile");
	else if (read_dockerfile(b, ret_text, ret_name, e) < 0)
		return -1;
	return read_ignore(b, *ret_name, e);
}

void context_close(struct build *b)
{
	struct err none = {};
	fd_drop(&b->context);
	if (*b->work)
		(void)!path_remove_tree(b->cache.dir, b->work, &none);
	fd_drop(&b->work_lock);
}
