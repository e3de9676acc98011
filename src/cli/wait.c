/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wait: one container after the other, so that the statuses come in the order of the names. Several conditions are waited for side by side, each
 * by a process of its own that says through a pipe how it ended; the first that is so counts, and the others are killed.
 */
#include "cli/choose.h"
#include "cli/commands.h"
#include "engine/await.h"

#include "base/fd.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CONDITIONS = 8 };

struct wait_options {
	struct strv conditions;
	char *interval;
	bool ignore;
	struct choice choice;
	/* worked out */
	struct engine *g;
	enum await what[CONDITIONS];
	size_t n;
};
#define O(m) offset_of(struct wait_options, m)
static const struct opt wait_opts[] = {
	CHOICE_CIDFILE(struct wait_options, choice),
	{"condition", 0, OPT_STRV, O(conditions), "CONDITION", "stopped, next-exit, removed, running, paused, healthy, unhealthy (stopped); of several the first", 0,
		"stopped next-exit removed running paused healthy unhealthy"},
	{"ignore", 0, OPT_BOOL, O(ignore), NULL, "Of one that is not there print -1"},
	{"interval", 'i', OPT_STR, O(interval), "TIME", "Nothing: hull is told, it does not poll", OPT_HIDDEN},
	CHOICE_LATEST(struct wait_options, choice),
};
#undef O

struct outcome {
	enum await what;
	int result, status;
	struct err e;
};

static int await_one(struct wait_options *o, const char *name, struct outcome *ret)
{
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	ret->result = container_get(o->g, name, 0, &c, &ret->e) < 0 ? -1 : container_await(o->g, &c, ret->what, -1, &ret->status, &ret->e);
	return ret->result;
}

/* The last that fails tells why none of them can come. */
static int await_first(struct wait_options *o, const char *name, struct outcome *ret)
{
	pid_t pids[CONDITIONS];
	int fds[2];
	if (fd_pipe(fds, &ret->e) < 0)
		return -1;
	own(fd) int in = fds[0], out = fds[1];
	for (size_t i = 0; i < o->n; i++)
		if ((pids[i] = fork()) == 0) {
			struct outcome mine = {.what = o->what[i]};
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			(void)!await_one(o, name, &mine);
			_exit(fd_write_all(out, &mine, sizeof mine) < 0);
		}
	fd_drop(&out);
	while (fd_read_full(in, ret, sizeof *ret) == sizeof *ret && ret->result < 0)
		;
	for (size_t i = 0; i < o->n; i++)
		if (pids[i] > 0) {
			kill(pids[i], SIGKILL);
			while (waitpid(pids[i], NULL, 0) < 0 && errno == EINTR)
				;
		}
	return ret->result;
}

static int wait_one(const char *name, void *arg, struct err *e)
{
	struct wait_options *o = arg;
	struct outcome end = {.what = o->what[0], .result = -1};
	if ((o->n == 1 ? await_one : await_first)(o, name, &end) < 0) {
		if (o->ignore && end.e.kind == ERR_NOT_FOUND)
			return cli_printf(e, "-1\n");
		*e = end.e;
		return -1;
	}
	return end.what <= AWAIT_REMOVED ? cli_printf(e, "%d\n", end.status) : 0;
}

static int add_condition(struct wait_options *o, const char *text, struct err *e)
{
	enum await what;
	if (await_parse(text, &what, e) < 0)
		return -1;
	for (size_t i = 0; i < o->n; i++)
		if (o->what[i] == what)
			return 0;
	if (o->n < CONDITIONS)
		o->what[o->n++] = what;
	return 0;
}

static int add_conditions(struct wait_options *o, const char *list, struct err *e)
{
	own(strv) struct strv words = {};
	strv_split(&words, list, ',');
	if (words.n == 0)
		return add_condition(o, "", e);
	for (size_t i = 0; i < words.n; i++)
		if (add_condition(o, words.v[i], e) < 0)
			return -1;
	return 0;
}

static int wait_all(void *opts, int argc, char **argv, struct err *e)
{
	struct wait_options *o = opts;
	const struct choice_rule rule = {&cmd_wait, NULL, o->ignore};
	own(strv) struct strv names = {};
	for (size_t i = 0; i < o->conditions.n; i++)
		if (add_conditions(o, o->conditions.v[i], e) < 0)
			return -1;
	if (o->n == 0 && add_condition(o, "stopped", e) < 0)
		return -1;
	o->g = cli_engine(e);
	if (!o->g || choice_names(&o->choice, &rule, o->g, argc, argv, &names, e) < 0)
		return -1;
	return cli_each((int)names.n, names.v, false, wait_one, o);
}

const struct cmd cmd_wait = {"wait", "CONTAINER...", "Wait until containers end and print their exit statuses", wait_opts, countof(wait_opts),
	sizeof(struct wait_options), 0, -1, wait_all, .complete = "@container",
	.about = "With --condition running, paused, healthy or unhealthy nothing is printed; it fails when that cannot come any more. Of several "
		 "conditions the first that comes ends it.",
	.examples = "$ hull wait web\n$ hull wait --condition healthy web\n$ hull wait --condition healthy --condition unhealthy web"};
