/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load: images from an archive (docker's or OCI's), a directory, or stdin.
 */
#include "cli/commands.h"
#include "cli/progress.h"

#include <unistd.h>

struct load_options {
	char *input, *platform;
	bool quiet;
};
static const struct opt options[] = {
	{"input", 'i', OPT_STR, offset_of(struct load_options, input), "FILE", "An archive or an OCI directory, instead of stdin", 0, "@file"},
	{"platform", 0, OPT_STR, offset_of(struct load_options, platform), "OS/ARCH", "Only the images of this platform"},
	{"quiet", 'q', OPT_BOOL, offset_of(struct load_options, quiet), NULL, "Show no progress"},
};

static int load(void *opts, int argc unused, char **argv unused, struct err *e)
{
	const struct load_options *o = opts;
	bool from_stdin = str_is_empty(o->input) || str_eq(o->input, "-");
	if (from_stdin && isatty(0))
		return err_set(e, ERR_USAGE, "load reads an archive from stdin, and that is a terminal: name the file with -i, or redirect it with <");
	struct engine *g = cli_engine(e);
	if (!g)
		return -1;
	own(strv) struct strv names = {};
	own(progress) struct progress *p = progress_new(2, o->quiet || !isatty(2), "Loading");
	int r = image_load(g, from_stdin ? NULL : o->input, 0, o->platform, progress_calls(p), &names, e);
	progress_drop(&p);
	for (size_t i = 0; r == 0 && i < names.n; i++)
		r = cli_printf(e, "%s%s\n", str_has_prefix(names.v[i], "Loaded image") ? "" :
			str_has_prefix(names.v[i], "sha256:") ? "Loaded image ID: " : "Loaded image: ", names.v[i]);
	return r;
}

const struct cmd cmd_load = {"load", "", "Load images from an archive", options, countof(options), sizeof(struct load_options), 0, 0, load,
	.examples = "$ hull load -i box.tar\n$ curl -s https://example.org/image.tar.gz | hull load"};
