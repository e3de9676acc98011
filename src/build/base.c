/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base: what a stage begins with or copies from: in this order a --build-context of that name, an earlier stage, `scratch`, an image.
 */
#include "build/stage.h"

#include "engine/image.h"
#include "image/platform.h"

static int from_stage(struct build *b, const struct state *of, ssize_t index, struct arena *a, struct source *ret, struct err *e)
{
	const struct state *s = &b->states[index];
	if (s == of || !s->done)
		return err_set(e, ERR_BUG, "stage %zd is used before it is built", index);
	ret->state = s;
	ret->config = s->config;
	for (size_t i = 0; i < s->config.rootfs.diff_ids.n; i++)
		arena_strv_add(a, &ret->layers, s->config.rootfs.diff_ids.v[i]);
	return 0;
}

static int from_image(struct build *b, const char *name, const char *platform, struct arena *a, struct source *ret, struct json **ret_document,
	struct err *e)
{
	own(image) struct image image = {};
	const char *pull = str_has_prefix(name, "sha256:") ? "never"
		: str_eq(b->q->pull, "true") ? "always" : str_eq(b->q->pull, "false") ? "missing" : b->q->pull;
	if (str_is_empty(platform))
		platform = b->q->platform;
	if (image_ensure(b->g, name, pull, platform, NULL, &image, e) < 0) {
		/* One of no index, and of another platform: as BuildKit has it it will do, and a check says so (stage.c). */
		struct err other = *e, none = {};
		if (e->sys != PLATFORM_OTHER || image_ensure(b->g, name, pull, NULL, NULL, &image, &none) < 0)
			return *e = other, -1;
	}
	own(buf) struct buf text = BUF(4 << 20);
	own(json) struct json *j = NULL;
	json_format(image.document, 0, &text);
	if (json_parse(buf_text(&text), text.len, &j, e) < 0 || image_config_parse(j, a, &ret->config, e) < 0)
		return err_wrap(e, "image %.200s", name);
	ret->layers = ret->config.rootfs.diff_ids;
	if (ret_document)
		*ret_document = take(j);
	else
		*arena_push(&b->arena, &b->documents) = take(j);
	return 0;
}

static int from_context(struct build *b, const struct pair *named, const char *platform, struct arena *a, struct source *ret,
	struct json **ret_document, struct err *e)
{
	const char *image;
	struct context *c = context_find(b, named, str_is_empty(platform) ? b->q->platform : platform, &image, e);
	if (!c)
		return -1;
	if (image)
		return from_image(b, image, platform, a, ret, ret_document, e);
	ret->context = c;
	return 0;
}

/* Perhaps a stage was meant. */
static int suggest(struct build *b, const struct state *of, const char *name, struct err *e)
{
	const char *names[64], *near;
	size_t n = 0;
	for (size_t i = 0; i < of->stage->index && n < countof(names); i++)
		if (b->df.stages.v[i].name)
			names[n++] = b->df.stages.v[i].name;
	if (!(near = str_nearest(name, names, n)))
		return -1;
	own(mem) char *text = mem_dup(e->text);
	return err_set(e, e->kind, "%s (did you mean the stage %.60s?)", text, near);
}

int source_find(struct build *b, const struct state *of, const char *name, const char *platform, struct arena *a, struct source *ret,
	struct json **ret_document, struct err *e)
{
	*ret = (struct source){};
	const struct pair *named = context_named(b, name);
	if (named)
		return from_context(b, named, platform, a, ret, ret_document, e);
	ssize_t index = dockerfile_stage(&b->df, name, of->stage->index);
	if (index >= 0)
		return from_stage(b, of, index, a, ret, e);
	if (dockerfile_stage(&b->df, name, b->df.stages.n) >= 0)
		return err_set(e, ERR_USAGE, "stage %.60s comes later, or is this one: a stage can use those before it", name);
	if (strcmp(name, "scratch") == 0)
		return 0;
	return from_image(b, name, platform, a, ret, ret_document, e) < 0 ? suggest(b, of, name, e) : 0;
}
