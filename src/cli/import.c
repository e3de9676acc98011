/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import: an image of the files of a tar.
 */
#include "build/changes.h"
#include "cli/commands.h"
#include "engine/image.h"

#include <unistd.h>

struct import_options {
	struct strv changes;
	char *message, *platform;
	bool quiet;
};
#define O(m) offset_of(struct import_options, m)
static const struct opt options[] = {
	{"change", 'c', OPT_STRV, O(changes), "INSTRUCTION", "An instruction of a Dockerfile for its configuration, as in 'CMD [\"sh\"]'"},
	{"message", 'm', OPT_STR, O(message), "TEXT", "What its history says"},
	{"platform", 0, OPT_STR, O(platform), "OS/ARCH", "Which machines it is for (this one's)"},
	{"quiet", 'q', OPT_BOOL, O(quiet), NULL, "Nothing: only the id is printed anyway", OPT_HIDDEN},
};
#undef O

static int import(void *opts, int argc, char **argv, struct err *e)
{
	const struct import_options *o = opts;
	own(arena) struct arena a = {};
	struct image_run_config config = {};
	char id[136];
	bool from_stdin = strcmp(argv[0], "-") == 0;
	if (from_stdin && isatty(0))
		return err_set(e, ERR_USAGE, "import reads a tar from stdin, and that is a terminal: name the file, or redirect it with <");
	struct engine *g = cli_engine(e);
	if (!g || changes_apply(&o->changes, &a, &config, e) < 0)
		return -1;
	struct image_import_request r = {.path = from_stdin ? NULL : argv[0], .fd = 0, .name = argc > 1 ? argv[1] : NULL, .message = o->message,
		.platform = o->platform, .config = &config};
	return image_import(g, &r, id, e) < 0 ? -1 : cli_printf(e, "%s\n", id);
}

const struct cmd cmd_import = {"import", "FILE|URL|- [REPOSITORY[:TAG]]", "Make an image of the files in a tar", options, countof(options),
	sizeof(struct import_options), 1, 2, import, .complete = "@file",
	.about = "The tar may be compressed. Of instructions those are taken that say how the image is run: CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, "
		"LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME and WORKDIR.",
	.examples = "$ hull export web | hull import -c 'CMD [\"sh\"]' - web:copy\n$ hull import rootfs.tar.xz debian:mine"};
