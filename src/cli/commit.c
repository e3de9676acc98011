/* SPDX-License-Identifier: Apache-2.0 */
/*
 * commit: an image of a container.
 */
#include "base/num.h"
#include "build/changes.h"
#include "cli/commands.h"
#include "cli/run_request.h"
#include "engine/image.h"

struct commit_options {
	char *author, *iidfile, *message, *pause;
	bool quiet;
	struct strv changes;
};
#define O(m) offset_of(struct commit_options, m)
static const struct opt options[] = {
	{"author", 'a', OPT_STR, O(author), "NAME", "Who made it, as in \"Ada <ada@example.org>\""},
	{"change", 'c', OPT_STRV, O(changes), "INSTRUCTION", "An instruction of a Dockerfile for its configuration, as in 'CMD [\"sh\"]'"},
	{"iidfile", 0, OPT_STR, O(iidfile), "FILE", "Write the image's id to a file", 0, "@file"},
	{"message", 'm', OPT_STR, O(message), "TEXT", "What its history says"},
	{"pause", 'p', OPT_OPTSTR, O(pause), "BOOL", "Pause the container meanwhile (true)", 0, "true false", NULL, "true"},
	{"quiet", 'q', OPT_BOOL, O(quiet), NULL, "Nothing: only the id is printed anyway", OPT_HIDDEN},
};
#undef O

static int change(void *arg, struct arena *a, struct image_run_config *c, struct err *e)
{
	return changes_apply(arg, a, c, e);
}

static int commit(void *opts, int argc, char **argv, struct err *e)
{
	struct commit_options *o = opts;
	own(arena) struct arena scratch = {};
	struct image_run_config unused_one = {};
	struct image_commit_request r = {.container = argv[0], .name = argc > 1 ? argv[1] : NULL, .author = o->author, .message = o->message, .pause = true,
		.change = change, .arg = &o->changes};
	char id[136];
	if (o->pause && num_bool(o->pause, &r.pause, "--pause", e) < 0)
		return -1;
	/* Said before anything is read. */
	if (changes_apply(&o->changes, &scratch, &unused_one, e) < 0)
		return -1;
	struct engine *g = cli_engine(e);
	if (!g || image_commit(g, &r, id, e) < 0)
		return -1;
	if (o->iidfile && cli_write_id(o->iidfile, id, e) < 0)
		return -1;
	return cli_printf(e, "%s\n", id);
}

const struct cmd cmd_commit = {"commit", "CONTAINER [REPOSITORY[:TAG]]", "Make an image of a container", options, countof(options),
	sizeof(struct commit_options), 1, 2, commit, .complete = "@container",
	.about = "Its layers and one more, of what it changed in its files; what is in volumes is not in it. Its configuration is the container's; of "
		 "instructions those are taken that say how the image is run: CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, "
		 "VOLUME and WORKDIR.",
	.examples = "$ hull commit web web:tried\n$ hull commit -m 'more tools' -c 'CMD [\"bash\"]' web"};
