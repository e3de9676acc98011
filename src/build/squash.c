/* SPDX-License-Identifier: Apache-2.0 */
/*
 * squash: --squash: the layers above the base become one. What any of them speaks of is taken from the root as it is in the end, or is gone
 * from it; files that came and went are in no layer any more. It is cached as a step is.
 */
#include "build/stage.h"

#include "base/fd.h"
#include "base/path.h"
#include "build/names.h"
#include "snap/contents.h"
#include "snap/pack.h"
#include "snap/whiteout.h"

#include <fcntl.h>
#include <unistd.h>

struct squash {
	struct step *x;
	struct strv base;       /* diff_ids that stay */
	struct names spoken;    /* paths that the new layers have; "gone", "opaque" or "" */
	struct strv gone;       /* the same, in their order, of those that are or were gone or hidden */
	bool said;              /* one has a root directory of its own */
	int out;
};

static int sink(void *arg, const void *p, size_t n, struct err *e)
{
	const struct squash *q = arg;
	return fd_write_all(q->out, p, n) < 0 ? err_sys(e, "write the layer") : 0;
}

static void speak(struct squash *q, const char *path)
{
	own(mem) char *above = mem_dup(path);
	names_add(&q->spoken, path, "");
	for (char *slash; (slash = strrchr(above, '/'));) {
		*slash = 0;
		names_add(&q->spoken, above, "");
	}
}

static int note(void *arg, const struct contents_entry *c, struct err *e unused)
{
	struct squash *q = arg;
	if (!*c->path) {
		q->said = true;
		return 0;
	}
	speak(q, c->path);
	if (c->gone || c->opaque)
		strv_add(&q->gone, c->path);
	return 0;
}

static bool takes(void *arg, const char *path)
{
	const struct squash *q = arg;
	return names_get(&q->spoken, path) != NULL;
}

static bool is_at(int root, const char *path)
{
	struct err none = {};
	own(fd) int fd = root < 0 ? -1 : path_open_in(root, path, O_PATH | O_NOFOLLOW, 0, &none);
	return fd >= 0;
}

static int put_gone(struct squash *q, struct tar_writer *tar, const char *path, struct err *e)
{
	const char *name = path_base(path);
	own(mem) char *mark = mem_printf("%.*s" WHITEOUT_PREFIX "%s", (int)(name - path), path, name);
	char none[] = "";
	struct tar_entry t = {.type = TAR_FILE, .name = mark, .link = none, .mode = 0644, .mtime_ns = q->x->s->epoch};
	return tar_write_entry(tar, &t, e);
}

/* What the base has below a directory that hides it and the root does not have any more. */
static int put_hidden(struct squash *q, struct tar_writer *tar, int base, int root, const char *path, struct err *e)
{
	struct err none = {};
	own(strv) struct strv names = {};
	own(fd) int dir = base < 0 ? -1 : path_open_in(base, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &none);
	if (dir < 0)
		return 0;
	if (path_list(dir, ".", &names, e) < 0)
		return -1;
	strv_sort(&names);
	for (size_t i = 0; i < names.n; i++) {
		own(mem) char *below = path_join(path, names.v[i]);
		if (is_at(root, below) ? put_hidden(q, tar, base, root, below, e) < 0 : put_gone(q, tar, below, e) < 0)
			return -1;
	}
	return 0;
}

static int by_name(const struct squash *q, struct tar_writer *tar, int base, int root, struct err *e)
{
	struct names told = {};
	int r = 0;
	for (size_t i = 0; r == 0 && i < q->gone.n; i++) {
		const char *path = q->gone.v[i];
		own(mem) char *above = mem_ndup(path, path_base(path) == path ? 0 : (size_t)(path_base(path) - path) - 1);
		if (names_get(&told, path))
			continue;
		names_add(&told, path, "");
		if (is_at(root, path))
			r = put_hidden((struct squash *)(uintptr_t)q, tar, base, root, path, e);
		else if (is_at(base, path) && (!*above || is_at(root, above)))
			r = put_gone((struct squash *)(uintptr_t)q, tar, path, e);
	}
	names_drop(&told);
	return r;
}

static int write_one(void *arg, int out, struct err *e)
{
	struct squash *q = arg;
	struct state *s = q->x->s;
	struct snap *snap = &q->x->b->g->snap;
	struct snap_mount below = {.layers = &q->base, .dir = -1, .read_only = true};
	struct err none = {};
	q->out = out;
	for (size_t i = q->base.n; i < s->config.rootfs.diff_ids.n; i++)
		if (snap_contents(snap, s->config.rootfs.diff_ids.v[i], note, q, e) < 0)
			return -1;
	own(fd) int root = state_mount(q->x->b, s, &none);
	own(fd) int base = q->base.n ? snap_mount(snap, &below, e) : -1;
	if (root < 0 || (q->base.n && base < 0))
		return root < 0 ? *e = none, -1 : -1;
	own(fd) int dir = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	own(tar_writer) struct tar_writer *tar = tar_writer_new(sink, q);
	if (dir < 0)
		return err_sys(e, "open the root");
	if (pack_tree_some(dir, q->said, s->epoch, takes, q, tar, e) < 0 || by_name(q, tar, base, root, e) < 0)
		return -1;
	return tar_write_end(tar, e);
}

static int make(struct step *x, void *arg, char layer[136], struct err *e)
{
	struct writing w = {.write = write_one, .arg = arg};
	return writing_do(x->b, &w, layer, e);
}

/* The history of what was built says that it is in one layer now. */
static void merge_history(struct build *b, struct state *s, const char *layer)
{
	size_t layers = 0;
	for (size_t i = 0; i < s->config.history.n; i++) {
		struct image_history *h = &s->config.history.v[i];
		layers += !h->empty_layer;
		h->empty_layer |= layers > s->base_layers;
	}
	*arena_push(&s->arena, &s->config.history) = (struct image_history){.created = time_text(&s->arena, s->epoch),
		.created_by = arena_dup(&s->arena, "merged by --squash"), .comment = arena_dup(&s->arena, "buildkit.dockerfile.v0"), .empty_layer = !*layer};
	(void)b;
}

int squash(struct build *b, struct err *e)
{
	struct state *s = &b->states[b->target];
	struct step x = {.b = b, .s = s, .i = &s->stage->from, .number = SQUASH_NUMBER - b->number_base / STEPS_OF_PLATFORM, .name = "merging layers"};
	struct squash q = {.x = &x};
	own(key) struct key k = {};
	size_t n = s->config.rootfs.diff_ids.n;
	struct strv before = s->config.rootfs.diff_ids;
	if (n < s->base_layers + 2)
		return 0;
	for (size_t i = 0; i < s->base_layers; i++)
		arena_strv_add(&s->arena, &q.base, before.v[i]);
	step_key(&x, "squash", false, &k);
	key_add_list(&k, "base", &q.base);
	int r = step_layer(&x, &k, make, &q, e);
	names_drop(&q.spoken);
	strv_drop(&q.gone);
	if (r < 0)
		return -1;
	/* step_layer() put it above the others. */
	struct strv now = {};
	const char *layer = x.is_layer ? s->config.rootfs.diff_ids.v[s->config.rootfs.diff_ids.n - 1] : "";
	for (size_t i = 0; i < q.base.n; i++)
		arena_strv_add(&s->arena, &now, q.base.v[i]);
	if (*layer)
		arena_strv_add(&s->arena, &now, layer);
	s->config.rootfs.diff_ids = now;
	merge_history(b, s, layer);
	return 0;
}
