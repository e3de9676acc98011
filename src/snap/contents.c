/* SPDX-License-Identifier: Apache-2.0 */
#include "snap/contents.h"

#include "base/fd.h"
#include "base/path.h"
#include "snap/layers.h"
#include "snap/lower.h"
#include "snap/whiteout.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

struct walk {
	int (*each)(void *arg, const struct contents_entry *c, struct err *e);
	void *arg;
	struct buf path;
};

static int walk_dir(struct walk *w, int dir, int depth, struct err *e);

static int walk_name(struct walk *w, int dir, const char *name, int depth, struct err *e)
{
	struct contents_entry c = {};
	size_t before = w->path.len;
	const char *gone = strcmp(name, WHITEOUT_OPAQUE) == 0 || str_has_prefix(name, WHITEOUT_META) ? NULL : str_after(name, WHITEOUT_PREFIX);
	if (str_has_prefix(name, WHITEOUT_META))
		return 0;
	if (fstatat(dir, name, &c.st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, "%.300s", name);
	c.gone = gone || whiteout_is(&c.st);
	buf_printf(&w->path, "%s%s", before ? "/" : "", gone ? gone : name);
	own(fd) int sub = S_ISDIR(c.st.st_mode) ? openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
	if (S_ISDIR(c.st.st_mode) && sub < 0)
		return err_sys(e, "%.300s", buf_text(&w->path));
	c.opaque = sub >= 0 && whiteout_is_opaque(sub);
	c.path = buf_text(&w->path);
	int r = w->each(w->arg, &c, e);
	if (r == 0 && sub >= 0 && depth < SNAP_MAX_DEPTH)
		r = walk_dir(w, sub, depth + 1, e);
	w->path.len = before;
	if (w->path.data)
		w->path.data[before] = 0;
	return r;
}

static int walk_dir(struct walk *w, int dir, int depth, struct err *e)
{
	own(strv) struct strv names = {};
	if (path_list(dir, ".", &names, e) < 0)
		return -1;
	strv_sort(&names);
	for (size_t i = 0; i < names.n; i++)
		if (walk_name(w, dir, names.v[i], depth, e) < 0)
			return -1;
	return 0;
}

int snap_contents(struct snap *s, const char *diff_id, int (*each)(void *arg, const struct contents_entry *c, struct err *e), void *arg, struct err *e)
{
	struct walk w = {.each = each, .arg = arg};
	struct contents_entry top = {.path = ""};
	struct err ignored = {};
	if (layers_check_id(diff_id, e) < 0)
		return -1;
	own(fd) int tree = lower_open_to_read(s->layers, diff_id, e);
	if (tree < 0)
		return -1;
	bool said, last = false;
	top.opaque = whiteout_is_opaque(tree) || (lower_root(s->layers, diff_id, &top.st, &said, &last, &ignored) == 0 && last);
	if (fstat(tree, &top.st) < 0)
		return err_sys(e, "layer %.19s", diff_id);
	int r = each(arg, &top, e);
	if (r == 0)
		r = walk_dir(&w, tree, 0, e);
	buf_drop(&w.path);
	return r < 0 ? err_wrap(e, "layer %.19s", diff_id) : 0;
}
