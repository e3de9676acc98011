/* SPDX-License-Identifier: Apache-2.0 */
/*
 * volume: see volume.h. volume.json is written last, so a directory without it is half made and used
 * as new. `Filled` turns true when the image's content was copied (or when there was none to copy).
 */
#include "engine/volume.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "snap/copy.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

struct volume {
	char *created;
	bool anonymous, filled;
};

#define S struct volume
static const struct jfield fields[] = {
	JF(S, "CreatedAt", created, JT_STR),
	JFF(S, "Anonymous", anonymous, JT_BOOL, JF_ALWAYS),
	JFF(S, "Filled", filled, JT_BOOL, JF_ALWAYS),
};
#undef S
static const struct jtable table = JTABLE(struct volume, fields);

bool volume_name_is_valid(const char *name)
{
	return container_name_is_valid(name);
}

char *volume_path(const struct engine *g, const char *name)
{
	return mem_printf("%s/volumes/%s/_data", g->root_path, name);
}

static int open_volume(const struct engine *g, const char *name, struct err *e)
{
	own(mem) char *path = mem_printf("volumes/%s", name);
	return path_open_dir(g->root, path, e);
}

static int load(int dir, struct arena *a, struct volume *ret, struct err *e)
{
	own(json) struct json *j = NULL;
	if (json_read(dir, "volume.json", 65536, &j, e) < 0)
		return -1;
	return jmap_parse(&table, j, 0, a, ret, "volume.json", e);
}

static int store(int dir, const struct volume *v, struct err *e)
{
	own(json) struct json *j = jmap_format(&table, v);
	own(buf) struct buf b = BUF(65536);
	json_format(j, 0, &b);
	return path_write(dir, "volume.json", buf_text(&b), b.len, 0600, PATH_SYNC, e);
}

int volume_ensure(struct engine *g, const char *name, bool anonymous, struct err *e)
{
	if (!volume_name_is_valid(name))
		return err_set(e, ERR_USAGE,
			"invalid volume name \"%s\": letters, digits, _ . and - are allowed; a directory of the host begins with /",
			name);
	own(mem) char *data = mem_printf("volumes/%s/_data", name);
	if (path_mkdirs(g->root, data, 0755, e) < 0)
		return err_wrap(e, "volume %s", name);
	own(fd) int dir = open_volume(g, name, e);
	if (dir < 0)
		return -1;
	if (path_exists(dir, "volume.json"))
		return 0;
	char now[NUM_TEXT];
	struct volume v = {.created = num_format_time(num_now_ns(), now), .anonymous = anonymous};
	return store(dir, &v, e);
}

bool volume_is_anonymous(const struct engine *g, const char *name)
{
	struct err ignored = {};
	own(arena) struct arena a = {};
	struct volume v = {};
	own(fd) int dir = open_volume(g, name, &ignored);
	return dir >= 0 && load(dir, &a, &v, &ignored) == 0 && v.anonymous;
}

int volume_delete(struct engine *g, const char *name, struct err *e)
{
	if (!volume_name_is_valid(name))
		return err_set(e, ERR_USAGE, "invalid volume name \"%s\"", name);
	own(mem) char *path = mem_printf("volumes/%s", name);
	own(mem) char *record = mem_printf("%s/volume.json", path);
	if (unlinkat(g->root, record, 0) < 0 && errno != ENOENT)
		return err_sys(e, "remove volume %s", name);
	if (path_remove_tree(g->root, path, e) < 0)
		return err_wrap(e, "volume %s", name);
	return 0;
}

int volume_fill(struct engine *g, const char *name, int from, struct err *e)
{
	own(arena) struct arena a = {};
	struct volume v = {};
	own(fd) int dir = open_volume(g, name, e);
	if (dir < 0 || load(dir, &a, &v, e) < 0)
		return -1;
	if (v.filled)
		return 0;
	own(fd) int lock = path_lock(dir, "lock", true, true, e);
	if (lock < 0 || load(dir, &a, &v, e) < 0)
		return -1;
	if (v.filled)
		return 0;
	own(fd) int data = path_open_dir(dir, "_data", e);
	if (data < 0)
		return -1;
	if (from >= 0 && copy_tree(from, data, e) < 0)
		return err_wrap(e, "volume %s", name);
	v.filled = true;
	return store(dir, &v, e);
}
