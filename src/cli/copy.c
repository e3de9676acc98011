/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy: an image from one place to another.
 */
#include "cli/commands.h"
#include "engine/transport.h"

struct copy_options {
	bool all, quiet;
	char *platform;
};
#define O(m) offset_of(struct copy_options, m)
static const struct opt options[] = {
	{"all", 'a', OPT_BOOL, O(all), NULL, "All platforms of an index, and all else that it lists"},
	{"platform", 0, OPT_STR, O(platform), "OS/ARCH", "Another platform than this machine's"},
	{"quiet", 'q', OPT_BOOL, O(quiet), NULL, "Print nothing"},
};
#undef O

static void tell(void *arg unused, const char *what, const char *digest)
{
	struct err ignored = {};
	(void)!cli_printf(&ignored, "Copying %s %s\n", what, digest);
}

static int copy_in(struct engine *g, const struct image_copy_request *r, struct err *e)
{
	own(strv) struct strv names = {};
	own(arena) struct arena a = {};
	struct image_pulled_list list = {};
	if (r->from.transport != TRANSPORT_REGISTRY)
		return image_fetch(g, &r->from, r->platform, r->to.name, NULL, &names, e);
	struct image_pull_request q = {.reference = r->from.name, .platform = r->platform};
	if (image_pull(g, &q, &a, &list, e) < 0)
		return -1;
	return image_tag(g, list.v[0].id, r->to.name, e);
}

static int copy_out(struct engine *g, const struct image_copy_request *r, struct err *e)
{
	own(arena) struct arena a = {};
	struct image_pushed_list list = {};
	if (r->to.transport != TRANSPORT_REGISTRY)
		return image_copy_out(g, r, e);
	struct image_push_request q = {.reference = r->to.name, .source = r->from.name, .platform = r->platform};
	return image_push(g, &q, &a, &list, e);
}

static int copy(void *opts, int argc unused, char **argv, struct err *e)
{
	const struct copy_options *o = opts;
	own(arena) struct arena a = {};
	char digest[136];
	struct image_copy_request r = {.all = o->all, .platform = o->platform, .tell = o->quiet ? NULL : tell};
	struct engine *g = cli_engine(e);
	if (!g || transport_parse(argv[0], &a, &r.from, e) < 0 || transport_parse(argv[1], &a, &r.to, e) < 0)
		return -1;
	bool from_here = r.from.transport == TRANSPORT_HERE, to_here = r.to.transport == TRANSPORT_HERE;
	if (from_here && to_here)
		return err_set(e, ERR_USAGE, "both are images here: that is `hull tag`");
	if (r.all && (from_here || to_here))
		return err_set(e, ERR_USAGE, "--all is for copies between two places that are not here");
	if (from_here)
		return copy_out(g, &r, e);
	if (to_here)
		return copy_in(g, &r, e);
	if (image_copy(g, &r, digest, e) < 0)
		return err_wrap(e, "copy");
	return o->quiet ? 0 : cli_printf(e, "%s\n", digest);
}

const struct cmd cmd_copy = {"copy", "FROM TO", "Copy an image from one place to another", options, countof(options), sizeof(struct copy_options),
	2, 2, copy,
	.about = "A place is docker://NAME (a registry), docker-archive:FILE[:NAME], oci-archive:FILE[:NAME], oci:DIR[:NAME], dir:DIR, docker-daemon:NAME "
		"(docker, through its socket), containers-storage:NAME (podman's, through podman) or a NAME here. Between places that are not here blobs "
		"and documents are copied as they are: digests stay, and with --all so do an index and the attestations in it. A docker-archive has no "
		"manifest: "
		"one is made.",
	.examples = "$ hull copy docker://debian:12 oci:debian:12\n$ hull copy --all docker://debian:12 docker://registry.example/debian:12\n"
		"$ hull copy box docker-daemon:box:latest"};
