/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inspect: the documents of containers, images, networks and volumes. A name is looked for among the kinds in docker's order; what is found is
 * printed, each name that is not gives one line of error.
 */
#include "cli/choose.h"
#include "cli/commands.h"
#include "engine/container.h"
#include "engine/image.h"
#include "engine/network.h"
#include "engine/volume.h"

struct inspect_options {
	bool all, size, raw, latest;
	char *format, *type, *platform;
};
#define O(m) offset_of(struct inspect_options, m)
#define FORMAT {"format", 'f', OPT_STR, O(format), "string", "A Go template, or \"json\" for one line", 0, "json"}
#define SIZE   {"size", 's', OPT_BOOL, O(size), NULL, "Sizes of the files of a container or volume too"}
static const struct opt inspect_opts[] = {
	FORMAT, CHOICE_ONE(struct inspect_options, latest), SIZE,
	{"type", 0, OPT_STR, O(type), "string", "Only objects of this kind", 0, "container image network volume"},
};
static const struct opt container_opts[] = {FORMAT, CHOICE_ONE(struct inspect_options, latest), SIZE};
static const struct opt image_opts[] = {
	FORMAT,
	{"platform", 0, OPT_STR, O(platform), "OS[/ARCH[/VARIANT]]", "Of this platform"},
	{"raw", 0, OPT_BOOL, O(raw), NULL, "The manifest, byte for byte as it came, instead"},
};
static const struct opt volume_opts[] = {
	{"all", 'a', OPT_BOOL, O(all), NULL, "All there are"},
	FORMAT,
	{"size", 's', OPT_BOOL, O(size), NULL, "And what it takes on the disk, as UsageData"},
};
#undef O

static struct json *find_container(struct engine *g, const char *name, const struct inspect_options *o, struct err *e)
{
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	if (container_get(g, name, 0, &c, e) < 0)
		return NULL;
	return container_inspect(g, &c, o->size, e);
}

static struct json *find_image(struct engine *g, const char *name, const struct inspect_options *o, struct err *e)
{
	return image_inspect(g, name, o->platform, e);
}

static struct json *find_volume(struct engine *g, const char *name, const struct inspect_options *o, struct err *e)
{
	uint64_t bytes, users;
	own(json) struct json *doc = volume_inspect(g, name, e);
	if (!doc || !o->size)
		return take(doc);
	if (volume_size(g, name, &bytes, &users, e) < 0)
		return NULL;
	struct json *usage = json_new_object();
	json_set(usage, "RefCount", json_new_i64((int64_t)users));
	json_set(usage, "Size", json_new_i64((int64_t)bytes));
	json_set(doc, "UsageData", usage);
	return take(doc);
}

static struct json *find_network(struct engine *g, const char *name, const struct inspect_options *o unused, struct err *e)
{
	return network_inspect(g, name, e);
}

static const struct kind {
	const char *name;
	struct json *(*find)(struct engine *g, const char *name, const struct inspect_options *o, struct err *e);
} kinds[] = {{"container", find_container}, {"image", find_image}, {"network", find_network}, {"volume", find_volume}};

/* Among all kinds, or only the one named by type. */
static struct json *find(struct engine *g, const char *name, const char *type, const struct inspect_options *o, struct err *e)
{
	for (size_t i = 0; i < countof(kinds); i++) {
		struct err why = {};
		if (type && strcmp(type, kinds[i].name) != 0)
			continue;
		struct json *doc = kinds[i].find(g, name, o, &why);
		if (doc)
			return doc;
		/* What another kind's grammar forbids (a volume's name) may still be this kind's. */
		if (type || (why.kind != ERR_NOT_FOUND && why.kind != ERR_USAGE)) {
			*e = why;
			return NULL;
		}
	}
	err_set_(e, ERR_NOT_FOUND, "no such object: %s", name);
	return NULL;
}

static int inspect_all(const struct inspect_options *o, const char *type, int argc, char **argv, struct err *e)
{
	struct engine *g = cli_engine(e);
	own(json) struct json *found = json_new_array();
	int status = 0;
	if (!g)
		return -1;
	for (int i = 0; i < argc; i++) {
		struct err why = {};
		struct json *doc = find(g, argv[i], type, o, &why);
		if (doc) {
			json_add(found, doc);
			continue;
		}
		cli_complain(&why);
		status = 1;
	}
	if (json_len(found) && cli_format_documents(found, o->format, e) < 0)
		return -1;
	return status;
}

static int inspect(void *opts, int argc, char **argv, struct err *e)
{
	const struct inspect_options *o = opts;
	own(strv) struct strv hold = {};
	size_t i = 0;
	while (o->type && i < countof(kinds) && strcmp(kinds[i].name, o->type) != 0)
		i++;
	if (i == countof(kinds))
		return err_set(e, ERR_USAGE, "invalid --type \"%.60s\": container, image, network and volume are known", o->type);
	if (o->latest && o->type && !str_eq(o->type, "container"))
		return err_set(e, ERR_USAGE, "--latest is a container: it does not go with --type %s", o->type);
	if (choice_latest(&cmd_inspect, o->latest, 1, -1, &argc, &argv, &hold, e) < 0)
		return -1;
	return inspect_all(o, o->latest ? "container" : o->type, argc, argv, e);
}

static int inspect_containers(void *opts, int argc, char **argv, struct err *e)
{
	const struct inspect_options *o = opts;
	own(strv) struct strv hold = {};
	if (choice_latest(&cmd_container_inspect, o->latest, 1, -1, &argc, &argv, &hold, e) < 0)
		return -1;
	return inspect_all(o, "container", argc, argv, e);
}

static int print_raw(const struct inspect_options *o, int argc, char **argv, struct err *e)
{
	struct engine *g = cli_engine(e);
	for (int i = 0; i < argc; i++) {
		own(buf) struct buf b = {};
		if (!g || image_raw(g, argv[i], o->platform, &b, e) < 0 || cli_print(&b, e) < 0)
			return -1;
	}
	return 0;
}

static int inspect_images(void *opts, int argc, char **argv, struct err *e)
{
	const struct inspect_options *o = opts;
	if (o->raw)
		return o->format ? err_set(e, ERR_USAGE, "--raw and --format cannot be combined") : print_raw(o, argc, argv, e);
	return inspect_all(opts, "image", argc, argv, e);
}

static int inspect_volumes(void *opts, int argc, char **argv, struct err *e)
{
	const struct inspect_options *o = opts;
	own(strv) struct strv hold = {};
	struct engine *g = cli_engine(e);
	if (!g || volume_names(g, &cmd_volume_inspect, o->all, &argc, &argv, &hold, e) < 0)
		return -1;
	return inspect_all(opts, "volume", argc, argv, e);
}

#define ROW(usage, summary, opts, least, run) "inspect", usage, summary, opts, countof(opts), sizeof(struct inspect_options), least, -1, run
const struct cmd cmd_inspect = {ROW("NAME...", "Show all that is known of containers, images, networks and volumes", inspect_opts, 0, inspect),
	.complete = "@container @image @network @volume",
	.examples = "$ hull inspect web\n$ hull inspect -f '{{.State.Status}}' web\n$ hull inspect -f '{{json .Mounts}}' web\n"
		"$ hull inspect -f '{{range .Config.Env}}{{println .}}{{end}}' web"};
const struct cmd cmd_container_inspect = {ROW("CONTAINER...", "Show all that is known of containers", container_opts, 0, inspect_containers),
	.complete = "@container"};
const struct cmd cmd_image_inspect = {ROW("IMAGE...", "Show all that is known of images", image_opts, 1, inspect_images), .complete = "@image"};
const struct cmd cmd_volume_inspect = {ROW("VOLUME...", "Show all that is known of volumes", volume_opts, 0, inspect_volumes), .complete = "@volume"};
