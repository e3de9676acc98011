/* SPDX-License-Identifier: Apache-2.0 */
/*
 * context_named: what --build-context NAME=VALUE has for a value:
 *
 *   DIR, ./DIR                         a directory, without what its .dockerignore leaves out
 *   git://…, https://….git             a git repository (git.h)
 *   http://…, https://…                one file, called `context`, as BuildKit has it
 *   docker-image://NAME                an image; container-image:// is buildah's word for it
 *   oci-layout://DIR[:TAG][@DIGEST]    an image in a directory of OCI's layout; it gets no name here
 *   target:NAME                        a target of a bake file: there are none here
 *
 * Directories that a step needs are opened before the first one, for all processes of the build; images when a step asks for them.
 */
#include "build/stage.h"

#include "base/fd.h"
#include "base/path.h"
#include "build/fetch.h"
#include "build/git.h"
#include "engine/image.h"
#include "image/ref.h"

#include <fcntl.h>
#include <unistd.h>

static bool is_called(const char *name, const char *wanted)
{
	struct ref a, b;
	struct err none = {};
	char x[REF_TEXT], y[REF_TEXT];
	return strcmp(name, wanted) == 0 || (ref_parse(name, &a, &none) == 0 && ref_parse(wanted, &b, &none) == 0 && !*a.digest && !*b.digest &&
		strcmp(ref_format(&a, x), ref_format(&b, y)) == 0);
}

const struct pair *context_named(const struct build *b, const char *name)
{
	const struct map *all = &b->q->contexts;
	for (size_t i = all->n; i-- > 0;)
		if (is_called(all->v[i].key, name))
			return &all->v[i];
	return NULL;
}

/* One file. */
static int open_url(struct build *b, struct context *c, const char *url, struct err *e)
{
	struct fetched got __attribute__((cleanup(fetched_drop))) = {.fd = -1, .work = WORK_NONE};
	if (context_make_work(b, c, e) < 0 || fetch_url(b, url, NULL, FETCH_DATA, &got, e) < 0)
		return -1;
	own(fd) int out = openat(c->dir, "context", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	own(mem) char *room = mem_grow(NULL, 1 << 18);
	if (out < 0 || lseek(got.fd, 0, SEEK_SET) < 0)
		return err_sys(e, "what was fetched");
	for (ssize_t n = 1; n > 0;) {
		n = read(got.fd, room, 1 << 18);
		if (n < 0 || fd_write_all(out, room, (size_t)n) < 0)
			return err_sys(e, "what was fetched");
	}
	struct timespec when[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = got.mtime_ns / 1000000000, .tv_nsec = got.mtime_ns % 1000000000}};
	return got.mtime_ns && futimens(out, when) < 0 ? err_sys(e, "what was fetched") : 0;
}

/* DIR[:TAG][@DIGEST] */
static int load_layout(struct build *b, struct context *c, const char *text, const char *platform, struct err *e)
{
	const char *at = strrchr(text, '@'), *end = at ? at : text + strlen(text), *colon = end;
	while (colon > text && *colon != ':' && *colon != '/')
		colon--;
	own(mem) char *tag = *colon == ':' ? mem_ndup(colon + 1, (size_t)(end - colon - 1)) : NULL;
	own(mem) char *dir = mem_ndup(text, (size_t)((tag ? colon : end) - text));
	return image_load_nameless(b->g, dir, platform, at ? at + 1 : tag, c->image, e);
}

static int open_value(struct build *b, struct context *c, const char *value, const char *platform, struct err *e)
{
	struct git_source git;
	const char *layout = str_after(value, "oci-layout://");
	if (layout)
		return load_layout(b, c, layout, platform, e);
	if (git_parse(value, &b->arena, &git))
		return context_open_git(b, c, &git, e);
	if (fetch_is_url(value))
		return open_url(b, c, value, e);
	if (str_has_prefix(value, "target:") || str_has_prefix(value, "input:"))
		return err_set(e, ERR_UNSUPPORTED, "targets are those of bake files, which are not read here");
	if (strstr(value, "://"))
		return err_set(e, ERR_USAGE, "a directory, git://, http://, https://, docker-image:// and oci-layout:// are known");
	return context_open_dir(b, c, value, e) < 0 ? -1 : context_read_ignore(c, e);
}

static struct context *context_of(struct build *b, const struct pair *named)
{
	const struct map *all = &b->q->contexts;
	if (!b->named) {
		b->named = arena_alloc(&b->arena, all->n * sizeof *b->named);
		for (size_t i = 0; i < all->n; i++)
			b->named[i] = (struct context)CONTEXT_NONE;
	}
	return &b->named[named - all->v];
}

void context_want(struct build *b, const struct pair *named)
{
	context_of(b, named)->is_wanted = true;
}

struct context *context_find(struct build *b, const struct pair *named, const char *platform, const char **ret_image, struct err *e)
{
	struct context *c = context_of(b, named);
	const char *image = str_after(named->value, "docker-image://");
	if (!image)
		image = str_after(named->value, "container-image://");
	bool is_open = c->dir >= 0 || (*c->image && str_eq(c->platform, platform));
	c->platform = platform ? arena_dup(&b->arena, platform) : NULL;
	if (!image && !is_open && open_value(b, c, named->value, platform, e) < 0)
		return (void)!err_wrap(e, "--build-context %.100s=%.200s", named->key, named->value), NULL;
	*ret_image = image ? image : *c->image ? c->image : NULL;
	return c;
}

int context_open_wanted(struct build *b, struct err *e)
{
	const char *image;
	for (size_t i = 0; b->named && i < b->q->contexts.n; i++)
		if (b->named[i].is_wanted && !strstr(b->q->contexts.v[i].value, "image://") && !str_has_prefix(b->q->contexts.v[i].value, "oci-layout:") &&
			!context_find(b, &b->q->contexts.v[i], b->q->platform, &image, e))
			return -1;
	return 0;
}
