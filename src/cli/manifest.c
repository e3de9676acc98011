/* SPDX-License-Identifier: Apache-2.0 */
/*
 * manifest: lists of images for several platforms, made here and pushed; and manifests in registries.
 */
#include "cli/commands.h"

#include "engine/image.h"
#include "engine/manifest.h"

struct create_options { bool amend, insecure; };
static const struct opt create_opts[] = {
	{"amend", 'a', OPT_BOOL, offset_of(struct create_options, amend), NULL, "Add to a list that is there"},
	{"insecure", 0, OPT_BOOL, offset_of(struct create_options, insecure), NULL, "Has no effect: insecure-registries says it", OPT_HIDDEN},
};

static int create(void *opts, int argc, char **argv, struct err *e)
{
	const struct create_options *o = opts;
	struct engine *g = cli_engine(e);
	struct ref ref;
	char text[REF_TEXT];
	if (!g || manifest_create(g, argv[0], argc - 1, argv + 1, o->amend, e) < 0 || ref_parse(argv[0], &ref, e) < 0)
		return -1;
	return cli_printf(e, "Created manifest list %s\n", ref_format(&ref, text));
}

struct annotate_options { char *arch, *os, *variant, *version; struct strv features; };
#define O(m) offset_of(struct annotate_options, m)
static const struct opt annotate_opts[] = {
	{"arch", 0, OPT_STR, O(arch), "ARCH", "Its architecture"},
	{"os", 0, OPT_STR, O(os), "OS", "Its operating system"},
	{"os-features", 0, OPT_STRV, O(features), "FEATURE", "What it needs of that"},
	{"os-version", 0, OPT_STR, O(version), "VERSION", "The version of that"},
	{"variant", 0, OPT_STR, O(variant), "VARIANT", "The variant of the architecture"},
};
#undef O

static int annotate(void *opts, int argc unused, char **argv, struct err *e)
{
	const struct annotate_options *o = opts;
	struct engine *g = cli_engine(e);
	struct manifest_platform p = {o->os, o->arch, o->variant, o->version, &o->features};
	return !g || manifest_annotate(g, argv[0], argv[1], &p, e) < 0 ? -1 : 0;
}

struct inspect_options { bool verbose, insecure, raw; };
static const struct opt inspect_opts[] = {
	{"insecure", 0, OPT_BOOL, offset_of(struct inspect_options, insecure), NULL, "Has no effect: insecure-registries says it", OPT_HIDDEN},
	{"raw", 0, OPT_BOOL, offset_of(struct inspect_options, raw), NULL, "Byte for byte as the registry has it"},
	{"verbose", 'v', OPT_BOOL, offset_of(struct inspect_options, verbose), NULL, "With its descriptor; of an index each of its manifests"},
};

static int print_json(const struct json *j, struct err *e)
{
	own(buf) struct buf b = {};
	json_format(j, 3, &b);
	buf_char(&b, '\n');
	return cli_print(&b, e);
}

static int inspect(void *opts, int argc, char **argv, struct err *e)
{
	const struct inspect_options *o = opts;
	struct engine *g = cli_engine(e);
	own(buf) struct buf raw = {};
	own(json) struct json *j = NULL;
	const char *name = argv[argc - 1];
	if (!g)
		return -1;
	if (o->verbose) {
		j = manifest_inspect_all(g, name, e);
		return j ? print_json(j, e) : -1;
	}
	if (manifest_inspect(g, name, &raw, e) < 0)
		return -1;
	if (o->raw)
		return cli_print(&raw, e);
	return json_parse(buf_text(&raw), raw.len, &j, e) < 0 ? -1 : print_json(j, e);
}

struct push_options { bool purge, insecure; };
static const struct opt push_opts[] = {
	{"insecure", 0, OPT_BOOL, offset_of(struct push_options, insecure), NULL, "Has no effect: insecure-registries says it", OPT_HIDDEN},
	{"purge", 'p', OPT_BOOL, offset_of(struct push_options, purge), NULL, "Forget the list when it is there"},
};

static int push(void *opts, int argc unused, char **argv, struct err *e)
{
	const struct push_options *o = opts;
	struct engine *g = cli_engine(e);
	char digest[136];
	if (!g || manifest_push(g, argv[0], digest, e) < 0 || (o->purge && manifest_remove(g, argv[0], e) < 0))
		return -1;
	return cli_printf(e, "%s\n", digest);
}

static int remove_one(const char *name, void *arg, struct err *e)
{
	return manifest_remove(arg, name, e);
}

static int rm(void *opts unused, int argc, char **argv, struct err *e)
{
	struct engine *g = cli_engine(e);
	return g ? cli_each(argc, argv, true, remove_one, g) : -1;
}

static int delete_one(const char *name, void *arg, struct err *e)
{
	char digest[136];
	if (manifest_delete(arg, name, digest, e) < 0)
		return -1;
	return cli_printf(e, "Deleted: %s\n", digest);
}

static int delete(void *opts unused, int argc, char **argv, struct err *e)
{
	struct engine *g = cli_engine(e);
	return g ? cli_each(argc, argv, false, delete_one, g) : -1;
}

struct referrers_options { char *type; };
static const struct opt referrers_opts[] = {
	{"artifact-type", 0, OPT_STR, offset_of(struct referrers_options, type), "TYPE", "Only those of this type"},
};

static int referrers(void *opts, int argc unused, char **argv, struct err *e)
{
	const struct referrers_options *o = opts;
	struct engine *g = cli_engine(e);
	own(json) struct json *j = g ? manifest_referrers(g, argv[0], o->type, e) : NULL;
	return j ? print_json(j, e) : -1;
}

#define OPTS(opts, type) opts, countof(opts), sizeof(struct type)
static const struct cmd cmd_create_list = {"create", "LIST IMAGE...", "Make a list of images that are in a registry", OPTS(create_opts, create_options), 2, -1,
	create, .examples = "$ hull manifest create registry.example/web:1 registry.example/web:amd64 registry.example/web:arm64\n"
		"$ hull manifest push registry.example/web:1"};
static const struct cmd cmd_annotate = {"annotate", "LIST IMAGE", "Say which platform an image of a list is for", OPTS(annotate_opts, annotate_options), 2, 2,
	annotate};
static const struct cmd cmd_inspect_manifest = {"inspect", "[LIST] MANIFEST", "Show a list, or a manifest or index of a registry",
	OPTS(inspect_opts, inspect_options), 1, 2, inspect};
static const struct cmd cmd_push_list = {"push", "LIST", "Send a list to its registry", OPTS(push_opts, push_options), 1, 1, push};
static const struct cmd cmd_rm_list = {"rm", "LIST...", "Forget lists", NULL, 0, 0, 1, -1, rm};
static const struct cmd cmd_delete = {"delete", "NAME[:TAG|@DIGEST]...", "Remove manifests from their registry, with all of their tags", NULL, 0, 0, 1,
	-1, delete};
static const struct cmd cmd_referrers = {"referrers", "NAME[:TAG|@DIGEST]", "Show what refers to a manifest: signatures, SBOMs",
	OPTS(referrers_opts, referrers_options), 1, 1, referrers};
static const struct cmd *const below[] = {&cmd_annotate, &cmd_create_list, &cmd_delete, &cmd_inspect_manifest, &cmd_push_list, &cmd_referrers,
	&cmd_rm_list, NULL};
const struct cmd cmd_manifest = {"manifest", "COMMAND", "Work with manifests and lists of them", .sub = below};
