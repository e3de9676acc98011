/* SPDX-License-Identifier: Apache-2.0 */
/*
 * push: an image, or all tags of a repository, into a registry.
 */
#include "cli/commands.h"
#include "cli/progress.h"

#include "base/path.h"
#include "engine/transport.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

struct push_cli {
	bool all_tags, quiet, disable_content_trust, force_compression;
	char *platform, *compression, *digest_file;
	struct opt_num level, chunk;
};
static const struct opt options[] = {
	{"all-tags", 'a', OPT_BOOL, offset_of(struct push_cli, all_tags), NULL, "All tags of the repository"},
	{"chunk-size", 0, OPT_SIZE, offset_of(struct push_cli, chunk), "BYTES", "Send blobs in pieces of this size, for registries that take no larger ones"},
	{"compression-format", 0, OPT_STR, offset_of(struct push_cli, compression), "FORMAT", "How layers that the registry does not have are compressed", 0,
		"gzip zstd"},
	{"compression-level", 0, OPT_I64, offset_of(struct push_cli, level), "N", "1 to 9 for gzip, 1 to 19 for zstd; 3 when it is not given"},
	{"digestfile", 0, OPT_STR, offset_of(struct push_cli, digest_file), "FILE", "Write the digest of what was pushed to a file", 0, "@file"},
	{"disable-content-trust", 0, OPT_BOOL, offset_of(struct push_cli, disable_content_trust), NULL, "Has no effect", OPT_HIDDEN},
	{"force-compression", 0, OPT_BOOL, offset_of(struct push_cli, force_compression), NULL,
		"Compress the layers that the registry has in another form, too"},
	{"platform", 0, OPT_STR, offset_of(struct push_cli, platform), "OS/ARCH", "Push this platform alone"},
	{"quiet", 'q', OPT_BOOL, offset_of(struct push_cli, quiet), NULL, "Print the reference alone"},
};

static void warn(void *arg unused, const char *text)
{
	cli_warn("%s", text);
}

static int report(const struct image_pushed_list *list, const struct ref *ref, const struct push_cli *o, struct err *e)
{
	for (size_t i = 0; i < list->n; i++) {
		struct ref name = *ref;
		char whole[REF_TEXT];
		snprintf(name.tag, sizeof name.tag, "%s", list->v[i].tag);
		if (o->quiet ? cli_printf(e, "%s\n", ref_format(&name, whole)) < 0
			     : cli_printf(e, "%s: digest: %s size: %llu\n", list->v[i].tag, list->v[i].digest, (unsigned long long)list->v[i].size) < 0)
			return -1;
	}
	if (str_is_empty(o->digest_file) || !list->n)
		return 0;
	return path_write(AT_FDCWD, o->digest_file, list->v[list->n - 1].digest, strlen(list->v[list->n - 1].digest), 0644, 0, e);
}

static int push_place(struct engine *g, int argc, char **argv, const struct place *to, const struct push_cli *o, struct err *e)
{
	struct image_copy_request r = {.from = {.transport = TRANSPORT_HERE, .name = argv[0]}, .to = *to, .platform = o->platform};
	if (argc < 2)
		return err_set(e, ERR_USAGE, "push %.300s: the image comes first", argv[0]);
	if (o->all_tags || !str_is_empty(o->compression) || o->level.set || !str_is_empty(o->digest_file))
		return err_set(e, ERR_USAGE, "--all-tags, --compression-format, --compression-level and --digestfile are for registries");
	return image_copy_out(g, &r, e);
}

static int push(void *opts, int argc, char **argv, struct err *e)
{
	const struct push_cli *o = opts;
	struct engine *g = cli_engine(e);
	struct arena a __attribute__((cleanup(arena_drop))) = {};
	struct image_pushed_list list = {};
	struct ref ref;
	struct place to = {};
	if (!g || transport_parse(argv[argc - 1], &a, &to, e) < 0)
		return -1;
	if (to.transport != TRANSPORT_HERE && to.transport != TRANSPORT_REGISTRY)
		return push_place(g, argc, argv, &to, o, e);
	const char *slash = strrchr(to.name, '/');
	if (ref_parse(to.name, &ref, e) < 0)
		return -1;
	if (o->all_tags && (argc == 2 || strchr(slash ? slash : to.name, ':')))
		return err_set(e, ERR_USAGE, "--all-tags: leave the tag of \"%.200s\" away, or the option", argv[0]);
	char text[REF_TEXT];
	struct ref bare = ref;
	*bare.tag = *bare.digest = 0;
	if (!o->quiet && cli_printf(e, "The push refers to repository [%s]\n", ref_format(&bare, text)) < 0)
		return -1;
	own(progress) struct progress *p = progress_new(1, o->quiet, NULL);
	struct image_push_request q = {.reference = to.name, .source = argc == 2 ? argv[0] : NULL, .platform = o->platform,
		.all_tags = o->all_tags, .compression = o->compression,
		.level = o->level.set ? (int)(o->level.v < 1 || o->level.v > 100 ? 100 : o->level.v) : 0,
		.force_compression = o->force_compression || o->level.set, .chunk = o->chunk.set ? (uint64_t)o->chunk.v : 0, .warn = warn,
		.progress = progress_calls(p)};
	int r = image_push(g, &q, &a, &list, e);
	progress_drop(&p);
	return r < 0 ? -1 : report(&list, &ref, o, e);
}

const struct cmd cmd_push = {"push", "IMAGE [DESTINATION]", "Send an image to a registry", options, countof(options), sizeof(struct push_cli), 1, 2, push,
	.complete = "@image",
	.about = "The destination is a name in a registry, or one of docker-archive:FILE[:NAME], oci-archive:FILE[:NAME], oci:DIR[:NAME], dir:DIR, "
		"docker-daemon:NAME, containers-storage:NAME; without one the image's own name says which registry. "
		"Blobs that the registry has are not sent again: they are looked for under the digest they were pulled with, under those they were pushed "
		"with, and in the other repositories of that registry that they came from. An image of which the registry has all blobs keeps its "
		"digest. Compressed blobs are not kept here, and no program compresses exactly as another one: a layer that the registry "
		"does not have is compressed anew, on all CPUs, and the image has another digest there. Where the image came as an index and all of "
		"its platforms are here (`hull pull --platform`), or in the repository already, the index is pushed with them.",
	.examples = "$ hull tag box registry.example/box:1\n$ hull push registry.example/box:1\n$ hull push --compression-format zstd registry.example/box:1"};
