/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pull: an image, or all tags of a repository, from a registry. The last line on stdout is the reference; with -q the only one.
 */
#include "cli/commands.h"
#include "cli/progress.h"

#include "engine/transport.h"

struct pull_cli {
	bool all_tags, quiet, keep_compressed, disable_content_trust;
	char *platform;
};
static const struct opt options[] = {
	{"all-tags", 'a', OPT_BOOL, offset_of(struct pull_cli, all_tags), NULL, "All tags of the repository"},
	{"disable-content-trust", 0, OPT_BOOL, offset_of(struct pull_cli, disable_content_trust), NULL, "Has no effect", OPT_HIDDEN},
	{"keep-compressed", 0, OPT_BOOL, offset_of(struct pull_cli, keep_compressed), NULL,
		"Keep the layers as they came, too, so that a push anywhere and save give the same bytes; the setting keep-compressed does it always"},
	{"platform", 0, OPT_STR, offset_of(struct pull_cli, platform), "OS/ARCH", "Another platform than this machine's, as in linux/arm64"},
	{"quiet", 'q', OPT_BOOL, offset_of(struct pull_cli, quiet), NULL, "Print the reference alone"},
};

static int report(const struct image_pulled_list *list, bool quiet, struct err *e)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct image_pulled *p = &list->v[i];
		struct ref ref;
		char whole[REF_TEXT];
		if (ref_parse(p->reference, &ref, e) < 0)
			return -1;
		ref_format(&ref, whole);
		if (!quiet && cli_printf(e, "Digest: %s\nStatus: %s %s\n", p->digest,
				      p->was_here ? "Image is up to date for" : "Downloaded newer image for", p->reference) < 0)
			return -1;
		if (cli_printf(e, "%s\n", whole) < 0)
			return -1;
	}
	return 0;
}

static int pull_place(struct engine *g, const struct place *from, const struct pull_cli *o, struct err *e)
{
	own(strv) struct strv names = {};
	if (o->all_tags)
		return err_set(e, ERR_USAGE, "--all-tags is for registries");
	own(progress) struct progress *p = progress_new(1, o->quiet, "Pulling");
	int r = image_fetch(g, from, o->platform, NULL, progress_calls(p), &names, e);
	progress_drop(&p);
	for (size_t i = 0; r == 0 && i < names.n; i++)
		r = cli_printf(e, "%s\n", names.v[i]);
	return r;
}

static int pull(void *opts, int argc unused, char **argv, struct err *e)
{
	const struct pull_cli *o = opts;
	struct engine *g = cli_engine(e);
	struct arena a __attribute__((cleanup(arena_drop))) = {};
	struct place from;
	if (!g || transport_parse(argv[0], &a, &from, e) < 0)
		return -1;
	if (from.transport == TRANSPORT_REGISTRY)
		argv[0] = from.name;
	else if (from.transport != TRANSPORT_HERE)
		return pull_place(g, &from, o, e);
	struct image_pulled_list list = {};
	struct ref ref;
	if (ref_parse(argv[0], &ref, e) < 0)
		return -1;
	const char *slash = strrchr(argv[0], '/');
	if (o->all_tags && (*ref.digest || strchr(slash ? slash : argv[0], ':')))
		return err_set(e, ERR_USAGE, "--all-tags: leave the tag of \"%.200s\" away, or the option", argv[0]);
	own(progress) struct progress *p = progress_new(1, o->quiet, "Pulling");
	struct image_pull_request q = {.reference = argv[0], .platform = o->platform, .all_tags = o->all_tags,
		.keep_compressed = o->keep_compressed, .progress = progress_calls(p)};
	int r = image_pull(g, &q, &a, &list, e);
	progress_drop(&p);
	return r < 0 ? -1 : report(&list, o->quiet, e);
}

const struct cmd cmd_pull = {"pull", "NAME[:TAG|@DIGEST]", "Fetch an image from a registry", options, countof(options), sizeof(struct pull_cli), 1, 1, pull,
	.complete = "@image",
	.about = "From elsewhere than a registry: docker-archive:FILE[:NAME], oci-archive:FILE[:NAME], oci:DIR[:NAME], dir:DIR, docker-daemon:NAME (through "
		"docker's socket), containers-storage:NAME (through podman).",
	.examples = "$ hull pull debian:12\n$ hull pull docker-daemon:web:latest"};
