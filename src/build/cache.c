/* SPDX-License-Identifier: Apache-2.0 */
#include "build/cache.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "codec/digest.h"
#include "codec/json.h"
#include "engine/engine.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ENTRY_MAX = 4 << 20 };

int cache_open(struct cache *c, struct engine *g, struct err *e)
{
	static const char *const folders[] = {"build/doing", "build/keys", "build/layers", "build/running", "build/stat"};
	*c = (struct cache){.dir = -1, .read = true, .write = true};
	clock_gettime(CLOCK_REALTIME, &c->began);
	for (size_t i = 0; i < countof(folders); i++)
		if (!path_exists(g->root, folders[i]) && path_mkdirs(g->root, folders[i], 0700, e) < 0)
			return err_wrap(e, "build cache");
	c->dir = path_open_dir(g->root, "build", e);
	return c->dir < 0 ? -1 : 0;
}

void cache_drop(struct cache *c)
{
	fd_drop(&c->dir);
	strv_drop(&c->used);
}

void key_drop(struct key *k)
{
	buf_drop(&k->parts);
}

void key_add(struct key *k, const char *name, const char *value)
{
	buf_printf(&k->parts, "%s=%zu:%s\n", name, value ? strlen(value) : 0, value ? value : "\x01");
}

void key_add_list(struct key *k, const char *name, const struct strv *l)
{
	buf_printf(&k->parts, "%s=[%zu]\n", name, l->n);
	for (size_t i = 0; i < l->n; i++)
		key_add(k, name, l->v[i]);
}

void key_end(const struct key *k, char ret[65])
{
	char digest[DIGEST_TEXT];
	struct err none = {};
	memset(ret, '0', 64);
	ret[64] = 0;
	if (!k->parts.full && digest_of(buf_text(&k->parts), k->parts.len, digest, &none) == 0)
		memcpy(ret, digest_hex(digest), 64);
}

static void touch(struct cache *c, const char *layer)
{
	char path[160];
	snprintf(path, sizeof path, "layers/%s", digest_hex(layer));
	own(fd) int fd = openat(c->dir, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0)
		futimens(fd, NULL);
}

static void note(struct cache *c, const char *key, const char *layer)
{
	own(mem) char *line = mem_printf("%s %s", key, layer);
	if (!strv_has(&c->used, line))
		strv_add(&c->used, line);
}

static bool is_fresh(const struct cache *c, const struct stat *st)
{
	const struct timespec *t = &st->st_mtim;
	return t->tv_sec != c->began.tv_sec ? t->tv_sec > c->began.tv_sec : t->tv_nsec > c->began.tv_nsec;
}

void cache_date(struct cache *c, const char key[65], int64_t ns)
{
	char path[80];
	const struct timespec t = {ns / 1000000000, ns % 1000000000}, both[2] = {t, t};
	snprintf(path, sizeof path, "keys/%s", key);
	(void)!utimensat(c->dir, path, both, AT_SYMLINK_NOFOLLOW);
}

int cache_get(struct cache *c, struct engine *g, const char key[65], bool fresh, struct cached *ret, struct err *e)
{
	struct stat st;
	char path[80];
	own(buf) struct buf text = BUF(ENTRY_MAX);
	own(json) struct json *j = NULL;
	struct err none = {};
	snprintf(path, sizeof path, "keys/%s", key);
	if ((!c->read && !fresh) || fstatat(c->dir, path, &st, AT_SYMLINK_NOFOLLOW) < 0 || (fresh && !is_fresh(c, &st)))
		return 0;
	if (engine_need_snap(g, e) < 0)
		return -1;
	/* What cannot be read is not there: the step is done again. */
	if (path_read(c->dir, path, &text, &none) < 0 || json_parse(buf_text(&text), strcspn(buf_text(&text), "\n"), &j, &none) < 0)
		return 0;
	const char *layer = json_get_str(j, "layer"), *created = json_get_str(j, "created");
	if (!layer || (*layer && (!digest_is_valid(layer) || !snap_has_layer(&g->snap, layer))))
		return 0;
	snprintf(ret->layer, sizeof ret->layer, "%s", layer);
	snprintf(ret->created, sizeof ret->created, "%s", created ? created : "");
	if (*layer)
		touch(c, layer);
	note(c, key, layer);
	return 1;
}

int cache_put(struct cache *c, const char key[65], const struct key *k, const char *layer, const char *step, struct err *e)
{
	char path[80], now[NUM_TEXT];
	own(buf) struct buf text = BUF(ENTRY_MAX);
	own(json) struct json *j = json_new_object();
	if (!c->write || k->parts.full)
		return 0;
	json_set_str(j, "layer", layer);
	json_set_str(j, "created", num_format_time(num_now_ns(), now));
	json_set_str(j, "step", step);
	json_format(j, 0, &text);
	buf_char(&text, '\n');
	buf_str(&text, buf_text(&k->parts));
	snprintf(path, sizeof path, "keys/%s", key);
	if (buf_check(&text, e) < 0 || path_write(c->dir, path, text.data, text.len, 0600, 0, e) < 0)
		return err_wrap(e, "build cache");
	if (*layer)
		touch(c, layer);
	note(c, key, layer);
	return 0;
}
