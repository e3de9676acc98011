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
#include "image/platform.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { CONFIG_MAX = 4 << 20 };

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
	if (r->path && (opened = open(r->path, O_RDONLY | O_CLOEXEC | O_NOCTTY)) < 0)
		return err_sys(e, "%.300s", r->path);
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
