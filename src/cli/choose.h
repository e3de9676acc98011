/* SPDX-License-Identifier: Apache-2.0 */
/*
 * choose: containers named otherwise than by their names, as podman has it: --all, --latest, --cidfile, --filter.
 */
#pragma once

#include "cli/cli.h"

struct choice {
	bool all, latest;
	struct strv cidfiles, filters;
};
/* Rows of a verb's table of options; `m` is the choice in its struct, the letters are 0 where the verb means something else by them. */
#define CHOICE_ALL(type, m, letter, help) {"all", letter, OPT_BOOL, offset_of(type, m.all), NULL, help}
#define CHOICE_CIDFILE(type, m) {"cidfile", 0, OPT_STRV, offset_of(type, m.cidfiles), "FILE", "The container whose id is in this file, too", 0, "@file"}
#define CHOICE_FILTER(type, m, letter) \
	{"filter", letter, OPT_STRV, offset_of(type, m.filters), "KEY=VALUE", "Of all only those: as `hull ps` has them, and until=TIME, label!=…"}
#define CHOICE_LATEST(type, m) {"latest", 'l', OPT_BOOL, offset_of(type, m.latest), NULL, "The container that was created last"}

struct choice_rule {
	const struct cmd *cmd;      /* for what its usage says when nothing is chosen */
	const char *const *states;  /* whom --all means, up to NULL; NULL: all there are, also those that cannot be read */
	bool ignore;                /* a file of --cidfile that is not there is no error */
};
/* Adds the id that is in a file of --`option`. lenient: one that is not there adds nothing. */
int choice_id_file(const char *option, const char *path, bool lenient, struct strv *ret, struct err *e) must_use;
/* argv's names and whom `c` names, full ids. ERR_USAGE: nobody is named, or in ways that do not go together. */
int choice_names(const struct choice *c, const struct choice_rule *r, struct engine *g, int argc, char **argv, struct strv *ret, struct err *e) must_use;
/* cli_each() or cli_each_at_once() over them. One that --all or --filter chose and that has gone or ended meanwhile is no error. -1 with *e, or the status. */
int choice_each(const struct choice *c, const struct choice_rule *r, struct engine *g, int argc, char **argv, bool at_once,
	int (*one)(const char *name, void *arg, struct err *e), void *arg, struct err *e) must_use;

/* Of a verb whose first argument is a container: with `latest` its id comes to stand before the others, *hold owns them. ERR_USAGE unless there are
 * then `least` arguments, and not more than `most` (-1: any number). */
int choice_latest(const struct cmd *cmd, bool latest, int least, int most, int *argc, char ***argv, struct strv *hold, struct err *e) must_use;
#define CHOICE_ONE(type, m) {"latest", 'l', OPT_BOOL, offset_of(type, m), NULL, "The container that was created last; no name is given then"}

extern const char *const choice_live[]; /* running, paused or waiting to be started again */
