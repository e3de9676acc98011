/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rmi: images go: a name is untagged, the last one takes the image with it. prune takes the images without a name, with
 * -a all that no container uses.
 */
#include "cli/commands.h"
#include "cli/prune.h"
#include "engine/disk.h"
#include "engine/events.h"
#include "engine/image.h"

#include "base/num.h"

struct rmi_options {
	bool force, no_prune;
	struct strv platform;
	/* worked out */
	struct engine *g;
};
static const struct opt rmi_opts[] = {
	{"force", 'f', OPT_BOOL, offset_of(struct rmi_options, force), NULL, "Even if containers use it; one that is not there is no error"},
	{"no-prune", 0, OPT_BOOL, offset_of(struct rmi_options, no_prune), NULL, "Keep parents without a name"},
};

static void add_removed(const struct json *rows, struct buf *out)
{
	static const char *const keys[] = {"Untagged", "Deleted"};
	for (size_t i = 0; i < json_len(rows); i++)
		for (size_t k = 0; k < countof(keys); k++)
			if (json_get_str(json_at(rows, i), keys[k]))
				buf_printf(out, "%s: %s\n", keys[k], json_get_str(json_at(rows, i), keys[k]));
}

static int rmi_one(const char *name, void *arg, struct err *e)
{
	const struct rmi_options *o = arg;
	own(json) struct json *rows = json_new_array();
	struct err why = {};
	if (image_remove(o->g, name, o->force, o->no_prune, rows, &why) < 0 && !(o->force && why.kind == ERR_NOT_FOUND)) {
		*e = why;
		return -1;
	}
	own(buf) struct buf out = {};
	add_removed(rows, &out);
	return cli_print(&out, e);
}

static int rmi(void *opts, int argc, char **argv, struct err *e)
{
	struct rmi_options *o = opts;
	o->g = cli_engine(e);
	return o->g ? cli_each(argc, argv, false, rmi_one, o) : -1;
}

struct prune_options { bool all, force; struct strv filters; };
static const struct opt prune_opts[] = {
	{"all", 'a', OPT_BOOL, offset_of(struct prune_options, all), NULL, "All images that no container uses, not only those without a name"},
	{"filter", 0, OPT_STRV, offset_of(struct prune_options, filters), "KEY=VALUE", "Only those: until=TIME, label=KEY[=VALUE], label!=…, dangling=true"},
	{"force", 'f', OPT_BOOL, offset_of(struct prune_options, force), NULL, "Do not ask"},
};

int prune_images(struct engine *g, bool all, const struct strv *given, struct buf *out, struct err *e)
{
	own(json) struct json *removed = json_new_array();
	if (image_prune(g, all, given, removed, e) < 0)
		return -1;
	if (json_len(removed)) {
		buf_str(out, "Deleted Images:\n");
		add_removed(removed, out);
		buf_char(out, '\n');
	}
	return 0;
}

int prune_print(struct engine *g, const char *type, const char *const *folders, size_t n, uint64_t before, struct buf *out, struct err *e)
{
	uint64_t freed;
	char size[NUM_TEXT];
	if (prune_freed(g, type, folders, n, before, &freed, e) < 0)
		return -1;
	buf_printf(out, "Total reclaimed space: %s\n", num_format_size(freed, size));
	return cli_print(out, e);
}

static int prune(void *opts, int argc unused, char **argv unused, struct err *e)
{
	static const char *const folders[] = {"images", "blobs", "layers"};
	const struct prune_options *o = opts;
	own(prune_filters) struct prune_filters filters = {};
	own(strv) struct strv rest = {};
	own(buf) struct buf out = {};
	uint64_t before;
	bool all = image_prune_is_all(&o->filters, o->all, &rest);
	struct engine *g = cli_engine(e);
	if (!g || prune_filters_parse(&rest, &filters, e) < 0)
		return -1;
	if (!o->force && !cli_confirm(all ? "This will remove all images that no container uses." : "This will remove all images without a name."))
		return 0;
	if (disk_bytes(g, folders, countof(folders), &before, e) < 0 || prune_images(g, all, &rest, &out, e) < 0)
		return -1;
	return prune_print(g, "image", folders, countof(folders), before, &out, e);
}

const struct cmd cmd_rmi = {"rmi", "IMAGE...", "Remove names of images, and images", rmi_opts, countof(rmi_opts), sizeof(struct rmi_options), 1, -1, rmi,
	.complete = "@image"};
const struct cmd cmd_image_prune = {"prune", "", "Remove images that are not used", prune_opts, countof(prune_opts), sizeof(struct prune_options), 0, 0,
	prune};
