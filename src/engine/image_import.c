/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image_import: the tar is a layer as it comes from a registry, of which nobody says the digest; the config says what the front end
 * made of it.
 */
#include "engine/image.h"

#include "base/fd.h"
#include "base/num.h"
#include "codec/digest.h"
#include "engine/events.h"
#include "engine/layers.h"
#include "image/download.h"
#include "image/platform.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { CONFIG_MAX = 4 << 20 };
static const uint64_t DOWNLOAD_MAX = 64ull << 30;

static int put(struct engine *g, const struct image_import_request *r, const struct ref *name, char *diff_id, char ret_id[136], struct err *e)
{
	own(arena) struct arena a = {};
	own(buf) struct buf text = BUF(CONFIG_MAX);
	struct platform_want want;
	char now[NUM_TEXT], whole[REF_TEXT];
	if (platform_parse(r->platform, &want, e) < 0)
		return -1;
	num_format_time(num_now_ns(), now);
	struct image_config c = {.created = now, .architecture = want.architecture, .os = want.os, .variant = want.has_variant ? want.variant : NULL,
		.config = *r->config, .comment = r->message ? (char *)(uintptr_t)r->message : arena_printf(&a, "Imported from %s", r->path ? r->path : "-"),
		.rootfs = {.type = arena_dup(&a, "layers")}};
	arena_strv_add(&a, &c.rootfs.diff_ids, diff_id);
	*arena_push(&a, &c.history) = (struct image_history){.created = now, .comment = c.comment};
	own(json) struct json *j = jmap_format(&image_config_table, &c);
	json_format(j, 0, &text);
	if (buf_check(&text, e) < 0 || digest_of(buf_text(&text), text.len, ret_id, e) < 0)
		return err_wrap(e, "image config");
	struct image_record record = {.id = ret_id, .diff_ids = c.rootfs.diff_ids, .created = now, .architecture = c.architecture, .os = c.os,
		.variant = c.variant};
	if (name)
		arena_strv_add(&a, &record.names, ref_format(name, whole));
	if (layers_size(&g->snap, &record.diff_ids, &record.size, e) < 0)
		return -1;
	struct store_blob blob = {ret_id, buf_text(&text), text.len};
	return store_put(&g->store, &record, &blob, 1, e);
}

static int add_data(void *arg, const void *p, size_t n, struct err *e)
{
	return fd_write_all(*(int *)arg, p, n) < 0 ? err_sys(e, "write what is downloaded") : 0;
}

/* All of it, into a file without a name: a connection that breaks may be taken up where it broke. Returns the fd. */
static int fetch(struct engine *g, const char *url, struct err *e)
{
	own(mem) char *program = engine_libexec(g, "hull-registry");
	own(fd) int fd = engine_scratch(g, e);
	struct download_reply reply = {};
	struct download d = {.program = program, .url = url, .max = DOWNLOAD_MAX, .data = add_data, .arg = &fd};
	if (fd < 0)
		return -1;
	if (!program)
		return err_set(e, ERR_NOT_FOUND, "hull-registry is not installed in %s", HULL_LIBEXECDIR);
	if (download(&d, &reply, e) < 0)
		return -1;
	download_reply_drop(&reply);
	return lseek(fd, 0, SEEK_SET) < 0 ? err_sys(e, "%.300s", url) : take_fd(fd);
}

static int open_source(struct engine *g, const char *path, struct err *e)
{
	if (str_has_prefix(path, "http://") || str_has_prefix(path, "https://"))
		return fetch(g, path, e);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	return fd < 0 ? err_sys(e, "%.300s", path) : fd;
}

int image_import(struct engine *g, const struct image_import_request *r, char ret_id[136], struct err *e)
{
	struct ref name;
	struct platform_want want;
	char diff_id[136];
	own(fd) int opened = -1;
	if (r->name && ref_parse(r->name, &name, e) < 0)
		return -1;
	if (r->name && *name.digest)
		return err_set(e, ERR_USAGE, "invalid name \"%.300s\": a name that is given has no digest", r->name);
	if (platform_parse(r->platform, &want, e) < 0)
		return -1;
	if (r->path && (opened = open_source(g, r->path, e)) < 0)
		return -1;
	if (engine_need_store(g, e) < 0 || engine_need_storage(g, e) < 0)
		return -1;
	engine_warn_ids(g);
	own(fd) int hold = layers_hold(g, e);
	if (hold < 0)
		return -1;
	if (layers_from_tar(g, r->path ? opened : r->fd, diff_id, e) < 0)
		return err_wrap(e, "import %.300s", r->path ? r->path : "-");
	if (put(g, r, r->name ? &name : NULL, diff_id, ret_id, e) < 0)
		return -1;
	char text[REF_TEXT];
	if (r->name)
		event_other(g, "image", "tag", ret_id, "name", ref_format_familiar(&name, text));
	event_other(g, "image", "import", ret_id, "name", ret_id);
	return 0;
}
