/* SPDX-License-Identifier: Apache-2.0 */
/*
 * save: images into an archive or a directory.
 */
#include "cli/commands.h"
#include "cli/progress.h"

#include <unistd.h>

struct save_options {
	char *output, *platform, *format;
	bool quiet;
};
#define O(m) offset_of(struct save_options, m)
static const struct opt options[] = {
	{"format", 0, OPT_STR, O(format), "FORM", "What to write (docker-archive)", 0, "docker-archive oci-archive oci-dir docker-dir"},
	{"output", 'o', OPT_STR, O(output), "FILE", "Where to, instead of stdout", 0, "@file"},
	{"platform", 0, OPT_STR, O(platform), "OS/ARCH", "The images of this platform, where a name stands for several"},
	{"quiet", 'q', OPT_BOOL, O(quiet), NULL, "Show no progress"},
};
#undef O

static int save(void *opts, int argc, char **argv, struct err *e)
{
	const struct save_options *o = opts;
	bool to_stdout = str_is_empty(o->output) || str_eq(o->output, "-");
	if (to_stdout && isatty(1))
		return err_set(e, ERR_USAGE, "save writes an archive to stdout, and that is a terminal: name the file with -o, or redirect it with >");
	struct engine *g = cli_engine(e);
	if (!g)
		return -1;
	struct strv references = {.v = argv, .n = (size_t)argc};
	own(progress) struct progress *p = progress_new(2, o->quiet || !isatty(2), "Saving");
	struct image_save_request r = {.references = &references, .form = o->format, .path = to_stdout ? NULL : o->output, .fd = 1,
		.platform = o->platform, .progress = progress_calls(p)};
	return image_save(g, &r, e);
}

const struct cmd cmd_save = {"save", "IMAGE...", "Write images into an archive", options, countof(options), sizeof(struct save_options), 1, -1, save,
	.complete = "@image",
	.about = "docker-archive is what docker writes since version 25: an OCI layout, and docker's manifest.json beside it; all that reads one of "
		"the two reads it. oci-archive is the layout alone, oci-dir the same as a directory: one that is there is added to. docker-dir is "
		"skopeo's dir:, for one image. A repository without a tag stands for all of its tags. Layers are written as plain tars, which is how they "
		"are kept. Of an index that an image came with goes what is here: its other platforms and what is attested of them; with --platform that image "
		"alone. Under --storage files an archive is made of a layer's files again, and the image in it has another id.",
	.examples = "$ hull save -o box.tar box\n$ hull save box | xz >box.tar.xz\n$ hull save --format oci-dir -o layout box"};
