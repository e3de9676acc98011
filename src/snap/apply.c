/* SPDX-License-Identifier: Apache-2.0 */
/*
 * apply: see apply.h.
 *
 * A name is taken apart as text first (name.c): what cannot be a name in a layer is refused, the rest is a parent and
 * one last component, and the last component says what the entry is: a thing, or word that something older is gone. What
 * is wrong with an entry by itself is found here, before the target hears of it.
 */
#include "snap/apply.h"

#include "base/path.h"
#include "base/str.h"
#include "snap/name.h"
#include "snap/whiteout.h"

enum { DEV_MAJORS = 1 << 12, DEV_MINORS = 1 << 20 };

struct walk {
	struct apply_target *to;
	char name[PATH_MAX], link[PATH_MAX]; /* clean: a/b/c, "" is the root */
	struct snap_layer_info info;
};

bool apply_takes_xattr(const char *name)
{
	return str_eq(name, "security.capability") ||
		(str_has_prefix(name, "user.") && !str_has_prefix(name, "user.overlay."));
}

int apply_no_link(struct err *e)
{
	return err_set(e, ERR_CORRUPT, "a hard link to what is not in this layer");
}

static int put_root(struct walk *w, const struct tar_entry *t, struct err *e)
{
	if (t->type != TAR_DIR)
		return err_set(e, ERR_CORRUPT, "the root of a layer must be a directory");
	return w->to->ops->root(w->to, t, e);
}

static int put_whiteout(struct walk *w, const struct tar_entry *t, const char *mark, struct err *e)
{
	if (str_eq(mark, WHITEOUT_OPAQUE))
		return w->to->ops->opaque(w->to, e);
	const char *gone = mark + strlen(WHITEOUT_PREFIX);
	if (!path_is_name(gone))
		return err_set(e, ERR_CORRUPT, "a whiteout of nothing");
	return w->to->ops->gone(w->to, t, gone, e);
}

static int put_link(struct walk *w, const struct tar_entry *t, const char *name, struct err *e)
{
	bool meta = false;
	if (name_clean(t->link, w->link, e) < 0 || name_judge(w->link, &meta, e) < 0)
		return err_wrap(e, "hard link");
	const char *last = name_last(w->link);
	if (meta || !*last || str_has_prefix(last, WHITEOUT_PREFIX))
		return apply_no_link(e);
	return w->to->ops->link(w->to, name, w->link, e);
}

static int check_numbers(const struct tar_entry *t, struct err *e)
{
	if (t->uid == UINT32_MAX || t->gid == UINT32_MAX)
		return err_set(e, ERR_CORRUPT, "there is no id %u", UINT32_MAX);
	bool device = t->type == TAR_CHAR || t->type == TAR_BLOCK;
	if (device && (t->dev_major >= DEV_MAJORS || t->dev_minor >= DEV_MINORS || (t->dev_major == 0 && t->dev_minor == 0)))
		return err_set(e, ERR_CORRUPT, "there is no device %u:%u", t->dev_major, t->dev_minor);
	for (size_t i = 0; t->sparse && i < t->spans.n; i++) {
		const struct tar_span *s = &t->spans.v[i];
		if (s->offset > t->size || s->length > t->size - s->offset || t->size > INT64_MAX)
			return err_set(e, ERR_CORRUPT, "a piece of the sparse file lies behind its end");
	}
	return 0;
}

static int put_entry(struct walk *w, const struct tar_entry *given, struct err *e)
{
	struct tar_entry t = *given;
	bool meta = false;
	if (name_clean(t.name, w->name, e) < 0 || name_judge(w->name, &meta, e) < 0)
		return -1;
	if (meta)
		return 0;
	/* Archives older than ustar mark a directory by its slash alone. */
	if (t.type == TAR_FILE && t.size == 0 && str_has_suffix(t.name, "/"))
		t.type = TAR_DIR;
	if (!*w->name)
		return put_root(w, &t, e);
	if (w->to->ops->enter(w->to, &t, w->name, name_parent(w->name), e) < 0)
		return -1;
	const char *name = name_last(w->name);
	if (str_has_prefix(name, WHITEOUT_PREFIX))
		return put_whiteout(w, &t, name, e);
	if (t.type == TAR_HARDLINK)
		return put_link(w, &t, name, e);
	if (check_numbers(&t, e) < 0 || w->to->ops->entry(w->to, &t, w->name, e) < 0)
		return -1;
	if (t.type == TAR_FILE)
		w->info.bytes += t.stored;
	return 0;
}

static int put_all(struct walk *w, uint64_t max, struct err *e)
{
	const struct tar_entry *t;
	int r;
	while ((r = tar_next(w->to->tar, &t, e)) > 0) {
		char name[100];
		if (w->to->ops->dirty && tar_padding_is_dirty(w->to->tar))
			w->to->ops->dirty(w->to);
		if (++w->info.files > max)
			return err_set(e, ERR_LIMIT, "more than %llu entries", (unsigned long long)max);
		if (put_entry(w, t, e) < 0)
			return err_wrap(e, "entry \"%s\"", name_shown(t->name, name));
	}
	if (r < 0)
		return -1;
	if (w->to->ops->dirty && tar_padding_is_dirty(w->to->tar))
		w->to->ops->dirty(w->to);
	return w->to->ops->end(w->to, e);
}

int apply_tar(struct apply_target *to, struct stream *plain, uint64_t max_entries, struct snap_layer_info *ret, struct err *e)
{
	struct walk w = {.to = to};
	to->tar = tar_reader_new(plain);
	int r = put_all(&w, max_entries ? max_entries : APPLY_MAX_ENTRIES, e);
	tar_reader_drop(&to->tar);
	if (r == 0)
		*ret = w.info;
	return r;
}
