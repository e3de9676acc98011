/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cp: files between containers and the host. CONTAINER:PATH is told from a path of the host by its colon; what begins with "/" or "." is a path.
 */
#include "engine/container_copy.h"

#include "cli/columns.h"
#include "cli/commands.h"

#include <stdio.h>
#include <unistd.h>

struct cp_options { bool archive, follow, quiet; };
#define O(m) offset_of(struct cp_options, m)
static const struct opt options[] = {
	{"archive", 'a', OPT_BOOL, O(archive), NULL, "Keep owners, and devices; otherwise files belong to root there, or to you here"},
	{"follow-link", 'L', OPT_BOOL, O(follow), NULL, "Follow a source that is a symlink"},
	{"quiet", 'q', OPT_BOOL, O(quiet), NULL, "Say nothing of what was copied"},
};
#undef O

static struct copy_place place_of(struct arena *a, char *word)
{
	char *colon = *word == '/' || *word == '.' ? NULL : strchr(word, ':');
	if (!colon)
		return (struct copy_place){NULL, word};
	return (struct copy_place){arena_ndup(a, word, (size_t)(colon - word)), colon + 1};
}

static bool is_stream(const struct copy_place *p)
{
	return !p->container && str_eq(p->path, "-");
}

static int check(const struct container_copy *r, struct err *e)
{
	bool has = r->to.container != NULL;
	for (size_t i = 0; i < r->sources.n; i++) {
		const struct copy_place *p = &r->sources.v[i];
		has |= p->container != NULL;
		if (p->container && !*p->container)
			return err_set(e, ERR_USAGE, "a container's name is missing before the colon of \":%.200s\"", p->path);
		if (is_stream(p) && (r->sources.n > 1 || !r->to.container))
			return err_set(e, ERR_USAGE, "an archive from stdin (-) is the only source, and goes into a container");
		if (!p->container && is_stream(&r->to))
			return err_set(e, ERR_USAGE, "an archive to stdout (-) is of a container's files");
		if (!p->container && !*p->path)
			return err_set(e, ERR_USAGE, "a source is empty");
	}
	if (!has)
		return err_set(e, ERR_USAGE, "one side must be a container's: CONTAINER:PATH");
	if (!r->to.container && !*r->to.path)
		return err_set(e, ERR_USAGE, "the destination is empty");
	if (is_stream(&r->to) && isatty(1))
		return err_set(e, ERR_USAGE, "cp writes a tar to stdout, and that is a terminal: redirect it with >");
	return 0;
}

static int cp(void *opts, int argc, char **argv, struct err *e)
{
	const struct cp_options *o = opts;
	own(arena) struct arena a = {};
	struct container_copy r = {.archive = o->archive, .follow = o->follow, .to = place_of(&a, argv[argc - 1])};
	struct copied done = {};
	for (int i = 0; i < argc - 1; i++)
		*arena_push(&a, &r.sources) = place_of(&a, argv[i]);
	if (check(&r, e) < 0)
		return -1;
	r.stream = is_stream(&r.to);
	struct engine *g = cli_engine(e);
	if (!g || container_copy(g, &r, &done, e) < 0)
		return -1;
	if (done.devices)
		cli_warn("%llu device files were left out%s", (unsigned long long)done.devices, o->archive ? "" : " (root copies them with --archive)");
	if (!o->quiet && isatty(2)) {
		own(mem) char *size = column_size((int64_t)done.bytes);
		dprintf(2, "Successfully copied %s to %s\n", size, argv[argc - 1]);
	}
	return 0;
}

const struct cmd cmd_cp = {"cp", "SOURCE... DESTINATION", "Copy files between containers and the host", options, countof(options),
	sizeof(struct cp_options), 2, -1, cp, .complete = "@container @file",
	.about = "A side is CONTAINER:PATH or a path of the host; what begins with / or . is a path. The container may run, be paused or stopped; its "
		"volumes and binds are seen as it sees them. A directory that is there gets the source in it, or its contents when the source ends in \"/.\"; "
		"otherwise the destination gets that name, and the directory above it must be there. Directories that are there keep their owner and "
		"mode. A source that is - is a tar from stdin, of which owners count; a destination that is - is a tar to stdout.",
	.examples = "$ hull cp web:/etc/nginx/nginx.conf .\n$ hull cp page.html style.css web:/usr/share/nginx/html/\n$ hull cp db:/var/lib/db/. - | "
		"gzip > db.tar.gz\n$ hull cp old:/data new:/data"};
