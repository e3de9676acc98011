/* SPDX-License-Identifier: Apache-2.0 */
/*
 * context: a directory; or what comes by stdin or from a URL: a tar, which is unpacked to a directory of the build's own, or a Dockerfile
 * alone; or a git repository.
 * Whatever is in it: names are resolved inside, devices and what else is neither file, directory nor symlink is left out.
 */
#include "build/context.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "build/fetch.h"
#include "build/git.h"
#include "build/stage.h"
#include "build/unpack.h"
#include "codec/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int read_in(int fd, const char *what, struct buf *out, struct err *e)
{
	if (fd_read_to_end(fd, out) < 0)
		return errno == EFBIG ? err_set(e, ERR_LIMIT, "the Dockerfile on %.200s is larger than %d bytes", what, LEX_MAX)
				      : err_sys(e, "read %.200s", what);
	return 0;
}

int context_make_work(struct build *b, struct context *c, struct err *e)
{
	if (work_make(&c->work, b->cache.dir, e) < 0)
		return -1;
	c->dir = work_make_dir(&c->work, "context", e);
	return c->dir < 0 ? -1 : 0;
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
	return m < 0 ? err_sys(e, "read the context") : m;
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
static int from_bytes(struct build *b, int fd, const char *what, struct buf *text, struct err *e)
{
	own(buf) struct buf head = BUF(4096);
	char *room = buf_room(&head, 512);
	ssize_t n = fd_read_full(fd, room, 512);
	if (n < 0)
		return err_sys(e, "read %.200s", what);
	head.len = (size_t)n;
	if (!looks_like_archive(&head)) {
		buf_add(text, head.data, head.len);
		return read_in(fd, what, text, e) < 0 ? -1 : 1;
	}
	struct replay r = {.stream = {replay_read, replay_close}, .head = head.data, .len = head.len, .fd = fd};
	if (context_make_work(b, &b->context, e) < 0 || unpack_tar(&r.stream, b->context.dir, e) < 0)
		return err_wrap(e, "context on %.200s", what);
	return 0;
}

static int from_url(struct build *b, struct buf *text, struct err *e)
{
	struct fetched got __attribute__((cleanup(fetched_drop))) = {.fd = -1, .work = WORK_NONE};
	if (fetch_url(b, b->q->context, NULL, FETCH_DATA, &got, e) < 0)
		return err_wrap(e, "context");
	b->context.time_ns = got.mtime_ns;
	return lseek(got.fd, 0, SEEK_SET) < 0 ? err_sys(e, "context") : from_bytes(b, got.fd, b->q->context, text, e);
}

int context_open_git(struct build *b, struct context *c, const struct git_source *s, struct err *e)
{
	char commit[GIT_ID];
	struct git g = {.agent = build_agent(b, "default")};
	bool keep = build_switch(b->q, "BUILDKIT_CONTEXT_KEEP_GIT_DIR");
	if (context_make_work(b, c, e) < 0)
		return -1;
	if (git_resolve(&g, s, commit, e) < 0)
		return err_wrap(e, "context");
	int tree = git_checkout(&g, s, commit, keep, c->dir, &c->time_ns, e);
	if (tree < 0)
		return err_wrap(e, "context");
	close(c->dir);
	c->dir = tree;
	return 0;
}

int context_open_dir(struct build *b, struct context *c, const char *path, struct err *e)
{
	own(mem) char *whole = realpath(path, NULL);
	if (!whole)
		return err_sys(e, "context %.200s", path);
	c->dir = open(whole, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c->dir < 0)
		return errno == ENOTDIR ? err_set(e, ERR_USAGE, "context %.200s: not a directory", path) : err_sys(e, "context %.200s", path);
	c->path = arena_dup(&b->arena, whole);
	char digest[DIGEST_TEXT];
	if (digest_of(whole, strlen(whole), digest, e) < 0)
		return -1;
	c->stats_name = arena_printf(&b->arena, "stat/%s", digest_hex(digest));
	c->stats = statcache_open(b->cache.dir, c->stats_name);
	return 0;
}

void context_reread(struct build *b, struct context *c)
{
	if (!c->stats)
		return;
	statcache_drop(&c->stats);
	c->stats = statcache_open(b->cache.dir, c->stats_name);
}

/* --- the Dockerfile --- */

/* -f is a path of the caller's, or one inside of a context that came as an archive. */
static int read_named(struct build *b, const char *name, struct buf *text, struct err *e)
{
	text->max = LEX_MAX + 1;
	if (!*b->context.work.path)
		return path_read(AT_FDCWD, name, text, e);
	own(fd) int fd = path_open_in(b->context.dir, name, O_RDONLY | O_NONBLOCK, 0, e);
	return fd < 0 ? -1 : fd_read_to_end(fd, text) < 0 ? err_sys(e, "%.200s", name) : 0;
}

static int read_dockerfile(struct build *b, struct buf *text, char **ret_name, struct err *e)
{
	static const char *const names[] = {"Dockerfile", "dockerfile", "Containerfile"};
	struct err why = {};
	if (str_eq(b->q->file, "-")) {
		*ret_name = mem_dup("Dockerfile");
		return read_in(b->q->in, "stdin", text, e);
	}
	if (!str_is_empty(b->q->file)) {
		*ret_name = mem_dup(b->q->file);
		if (read_named(b, b->q->file, text, &why) == 0)
			return 0;
		/* Beside the context, as buildah takes it. */
		own(fd) int fd = *b->q->file == '/' || b->context.dir < 0 ? -1 : path_open_in(b->context.dir, b->q->file, O_RDONLY | O_NONBLOCK, 0, e);
		if (fd < 0)
			return *e = why, err_wrap(e, "Dockerfile");
		return fd_read_to_end(fd, text) < 0 ? err_sys(e, "%.200s", b->q->file) : 0;
	}
	for (size_t i = 0; i < countof(names); i++) {
		struct err none = {};
		own(fd) int fd = path_open_in(b->context.dir, names[i], O_RDONLY | O_NONBLOCK, 0, &none);
		if (fd < 0)
			continue;
		*ret_name = mem_dup(names[i]);
		return fd_read_to_end(fd, text) < 0 ? err_sys(e, "%s", names[i]) : 0;
	}
	return err_set(e, ERR_NOT_FOUND, "there is no Dockerfile in %.200s: name it with -f", b->q->context);
}

int context_read_ignore(struct context *c, struct err *e)
{
	static const char *const names[] = {".containerignore", ".dockerignore"};
	own(buf) struct buf text = BUF(4 << 20);
	struct err none = {};
	for (size_t i = 0; c->dir >= 0 && i < countof(names); i++) {
		own(fd) int fd = path_open_in(c->dir, names[i], O_RDONLY | O_NONBLOCK, 0, &none);
		if (fd >= 0)
			return fd_read_to_end(fd, &text) < 0 ? err_sys(e, "%s", names[i]) : ignore_read(&c->ignore, buf_text(&text), names[i], e);
	}
	return 0;
}

/* --ignorefile, <Dockerfile>.dockerignore, .containerignore, .dockerignore: the first that is there. */
static int read_ignore(struct build *b, const char *dockerfile, struct err *e)
{
	own(buf) struct buf text = BUF(4 << 20);
	struct err none = {};
	if (!str_is_empty(b->q->ignore_file))
		return path_read(AT_FDCWD, b->q->ignore_file, &text, e) < 0 ? -1 : ignore_read(&b->context.ignore, buf_text(&text), b->q->ignore_file, e);
	own(mem) char *beside = mem_printf("%s.dockerignore", dockerfile);
	if (b->q->file && !*b->context.work.path && strcmp(b->q->file, "-") != 0 && access(beside, R_OK) == 0 && path_read(AT_FDCWD, beside, &text, &none) == 0)
		return ignore_read(&b->context.ignore, buf_text(&text), beside, e);
	own(fd) int near = b->context.dir < 0 || *dockerfile == '/' ? -1 : path_open_in(b->context.dir, beside, O_RDONLY | O_NONBLOCK, 0, &none);
	if (near >= 0 && fd_read_to_end(near, &text) == 0)
		return ignore_read(&b->context.ignore, buf_text(&text), beside, e);
	return context_read_ignore(&b->context, e);
}

/* github.com/USER/NAME[?QUERY][#REF] */
static char *github_url(const char *text)
{
	size_t n = strcspn(text, "?#");
	bool whole = n > 4 && strncmp(text + n - 4, ".git", 4) == 0;
	return mem_printf("https://%.*s%s%s", (int)n, text, whole ? "" : ".git", text + n);
}

int context_open(struct build *b, struct buf *ret_text, char **ret_name, struct err *e)
{
	int alone = 0;
	struct git_source git;
	/* docker's own word for a repository, unless it is a directory. */
	bool is_github = str_has_prefix(b->q->context, "github.com/") && access(b->q->context, F_OK) < 0;
	own(mem) char *github = is_github ? github_url(b->q->context) : NULL;
	if (str_eq(b->q->context, "-")) {
		if (str_eq(b->q->file, "-"))
			return err_set(e, ERR_USAGE, "the context and the Dockerfile cannot both come from stdin");
		alone = from_bytes(b, b->q->in, "stdin", ret_text, e);
	} else if (git_parse(github ? github : b->q->context, &b->arena, &git)) {
		alone = context_open_git(b, &b->context, &git, e);
	} else if (fetch_is_url(b->q->context)) {
		alone = from_url(b, ret_text, e);
	} else {
		alone = context_open_dir(b, &b->context, b->q->context, e);
	}
	if (alone < 0)
		return -1;
	if (!b->context.path)
		b->context.path = arena_dup(&b->arena, b->q->context);
	if (alone == 1)
		*ret_name = mem_dup("Dockerfile");
	else if (read_dockerfile(b, ret_text, ret_name, e) < 0)
		return -1;
	return read_ignore(b, *ret_name, e);
}

void context_drop(struct context *c)
{
	fd_drop(&c->dir);
	work_drop(&c->work);
	statcache_drop(&c->stats);
	ignore_drop(&c->ignore);
}
