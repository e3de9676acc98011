/* SPDX-License-Identifier: Apache-2.0 */
#include "base/opt.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct opts {
	bool all, interactive, tty, remove;
	char *name, *gpus;
	struct strv env;
	struct opt_num pids, swap, memory, score;
};
static const struct opt rows[] = {
	{"all", 'a', OPT_BOOL, offset_of(struct opts, all), NULL, "Show all of them"},
	{"interactive", 'i', OPT_BOOL, offset_of(struct opts, interactive), NULL, "Keep stdin open"},
	{"tty", 't', OPT_BOOL, offset_of(struct opts, tty), NULL, "A terminal"},
	{"rm", 0, OPT_BOOL, offset_of(struct opts, remove), NULL, "Remove it afterwards"},
	{"name", 'n', OPT_STR, offset_of(struct opts, name), "NAME", "Its näme…", .values = "a b", .alias = "called"},
	{"gpus", 0, OPT_OPTSTR, offset_of(struct opts, gpus), "list", "GPUs", .preset = "all"},
	{"env", 'e', OPT_STRV, offset_of(struct opts, env), "list", "Set environment variables"},
	{"pids-limit", 0, OPT_U64, offset_of(struct opts, pids), "N", "At most this many processes"},
	{"score", 0, OPT_I64, offset_of(struct opts, score), "N", "Score", .flags = OPT_HIDDEN},
	{"memory", 'm', OPT_SIZE, offset_of(struct opts, memory), "BYTES", "Memory limit"},
	{"memory-swap", 0, OPT_SIZE, offset_of(struct opts, swap), "BYTES", "Memory and swap", .flags = OPT_MINUS_ONE},
};
static const struct cmd loose = {"ps", "[NAME...]", "List things", rows, countof(rows), sizeof(struct opts), 0, -1};
static const struct cmd strict = {"run", "IMAGE [COMMAND] [ARG...]", "Run a command", rows, countof(rows), sizeof(struct opts), 1, -1,
	.flags = CMD_STRICT, .about = ".Dangerous\nIt's \\fine.", .examples = "$ hull run box\n"};
static const struct cmd raw = {.name = "oci", .max = -1, .flags = CMD_RAW};
static const struct cmd two = {.name = "rename", .usage = "OLD NEW", .min = 2, .max = 2};
static const struct cmd none = {.name = "info"};
static const struct cmd *const inner[] = {&loose, &two, NULL};
static const struct cmd group = {.name = "container", .summary = "Manage containers", .sub = inner, .max = -1};

enum { MOST = 10 };
struct parsed {
	struct opts o;
	struct err e;
	int r, argc;
	char *storage[MOST + 1], **argv;
};

static void parse(struct parsed *p, const struct cmd *c, const char *const *words)
{
	*p = (struct parsed){};
	int n = 0;
	for (; words[n]; n++)
		p->storage[n] = (char *)(uintptr_t)words[n];
	p->r = opt_parse(c, n, p->storage, &p->o, &p->argc, &p->argv, &p->e);
}
#define PARSE(p, c, ...) parse((p), (c), (const char *const[]){__VA_ARGS__, NULL})

/* A value that may be left out, and may be the next word where that is a known one. */
static void next_words(void **state)
{
	(void)state;
	static const struct opt with[] = {
		{"gpus", 0, OPT_OPTSTR, offset_of(struct opts, gpus), "list", "GPUs", OPT_NEXT, "one mode=max", .preset = "all"},
	};
	static const struct cmd build = {"build", "[PATH]", "Build", with, countof(with), sizeof(struct opts), 0, 1};
	static const struct { const char *first, *second, *value; int left; } cases[] = {
		{"--gpus", "one", "one", 0}, {"--gpus", "mode=max", "mode=max", 0}, {"--gpus", "mode", "all", 1}, {"--gpus=one", "one", "one", 1},
		{"--gpus", NULL, "all", 0},
	};
	for (size_t i = 0; i < countof(cases); i++) {
		struct parsed p;
		PARSE(&p, &build, cases[i].first, cases[i].second);
		assert_int_equal(p.r, 0);
		assert_string_equal(p.o.gpus, cases[i].value);
		assert_int_equal(p.argc, cases[i].left);
		opt_drop(&build, &p.o);
	}
}

static void grammar(void **state)
{
	(void)state;
	struct parsed p;
	PARSE(&p, &loose, "-it", "x", "--name=web", "-eA=1", "-e", "B=2", "y", "-e=C=3", "--rm=false", "--", "-z");
	assert_int_equal(p.r, 0);
	assert_true(p.o.interactive && p.o.tty && !p.o.remove && !p.o.all);
	assert_string_equal(p.o.name, "web");
	assert_int_equal(p.o.env.n, 3);
	assert_string_equal(p.o.env.v[0], "A=1");
	assert_string_equal(p.o.env.v[2], "C=3");
	assert_int_equal(p.argc, 3);
	assert_string_equal(p.argv[0], "x");
	assert_string_equal(p.argv[1], "y");
	assert_string_equal(p.argv[2], "-z");
	assert_null(p.argv[3]);
	opt_drop(&loose, &p.o);

	PARSE(&p, &strict, "-i", "--name", "-x", "box", "ls", "-l", "--name", "other", "--");
	assert_int_equal(p.r, 0);
	assert_string_equal(p.o.name, "-x");
	assert_int_equal(p.argc, 6);
	assert_string_equal(p.argv[2], "-l");
	assert_string_equal(p.argv[5], "--");
	assert_null(p.argv[6]);
	opt_drop(&strict, &p.o);

	PARSE(&p, &strict, "--", "-strange");
	assert_int_equal(p.r, 0);
	assert_string_equal(p.argv[0], "-strange");

	PARSE(&p, &raw, "--help", "-x", "--", "y");
	assert_int_equal(p.r, 0);
	assert_int_equal(p.argc, 4);
}

static void values(void **state)
{
	(void)state;
	struct parsed p;
	PARSE(&p, &loose, "-m256M", "--memory-swap", "-1", "--pids-limit=5", "--score", "-7", "--gpus", "-", "--name", "a", "--called=b");
	assert_int_equal(p.r, 0);
	assert_true(p.o.memory.set && p.o.swap.set && p.o.pids.set && p.o.score.set);
	assert_int_equal(p.o.memory.v, 268435456);
	assert_int_equal(p.o.swap.v, -1);
	assert_int_equal(p.o.pids.v, 5);
	assert_int_equal(p.o.score.v, -7);
	assert_string_equal(p.o.gpus, "all");
	assert_string_equal(p.o.name, "b");
	assert_string_equal(p.argv[0], "-");
	opt_drop(&loose, &p.o);
	PARSE(&p, &loose, "--gpus=2", "--name=");
	assert_string_equal(p.o.gpus, "2");
	assert_string_equal(p.o.name, "");
	assert_false(p.o.memory.set);
	opt_drop(&loose, &p.o);
	assert_null(p.o.name);
}

static void refusals(void **state)
{
	(void)state;
	static const struct {
		const struct cmd *c;
		const char *words[4];
		const char *text;
	} bad[] = {
		{&loose, {"--nme", "x"}, "unknown option --nme: did you mean --name?"},
		{&loose, {"--no-such-option"}, "unknown option --no-such-option of \"ps\""},
		{&loose, {"-iq"}, "unknown option -q in \"-iq\" of \"ps\""},
		{&loose, {"--name"}, "--name needs a value: --name NAME"},
		{&loose, {"--called"}, "--called needs a value: --called NAME"},
		{&loose, {"-tn"}, "-n needs a value: -n NAME"},
		{&loose, {"-m", "12X"}, "invalid value \"12X\" for --memory: use a size such as 512M or 2g"},
		{&loose, {"-m", "-1"}, "invalid value \"-1\" for --memory: use a size such as 512M or 2g"},
		{&loose, {"--memory-swap=-2"}, "invalid value \"-2\" for --memory-swap: use a size such as 512M or 2g, or -1 for no limit"},
		{&loose, {"--pids-limit", "-1"}, "invalid value \"-1\" for --pids-limit: use a whole number that is not negative"},
		{&loose, {"--score", "1.5"}, "invalid value \"1.5\" for --score: use a whole number"},
		{&loose, {"--rm=maybe"}, "invalid value \"maybe\" for --rm: use true or false"},
		{&loose, {"--rm="}, "invalid value \"\" for --rm: use true or false"},
		{&strict, {"-i"}, "\"run\" needs at least 1 argument: run [OPTIONS] IMAGE [COMMAND] [ARG...]"},
		{&two, {"a", "b", "c"}, "\"rename\" needs exactly 2 arguments: rename OLD NEW"},
		{&none, {"a"}, "\"info\" takes no arguments"},
	};
	for (size_t i = 0; i < countof(bad); i++) {
		struct parsed p;
		parse(&p, bad[i].c, bad[i].words);
		assert_int_equal(p.r, -1);
		assert_int_equal(p.e.kind, ERR_USAGE);
		assert_string_equal(p.e.text, bad[i].text);
		opt_drop(bad[i].c, &p.o);
	}
	struct parsed p;
	PARSE(&p, &strict, "--help");
	assert_int_equal(p.r, 1);
	PARSE(&p, &none, "-h");
	assert_int_equal(p.r, 1);
	PARSE(&p, &strict, "box", "--help");
	assert_int_equal(p.r, 0);
}

static void help(void **state)
{
	(void)state;
	own(buf) struct buf b = {};
	opt_help(&strict, "hull run", &b);
	assert_string_equal(buf_text(&b),
		"Usage:  hull run [OPTIONS] IMAGE [COMMAND] [ARG...]\n\nRun a command\n\nOptions:\n"
		"  -a, --all                 Show all of them\n"
		"  -i, --interactive         Keep stdin open\n"
		"  -t, --tty                 A terminal\n"
		"      --rm                  Remove it afterwards\n"
		"  -n, --name NAME           Its näme…\n"
		"      --gpus[=list]         GPUs\n"
		"  -e, --env list            Set environment variables\n"
		"      --pids-limit N        At most this many processes\n"
		"  -m, --memory BYTES        Memory limit\n"
		"      --memory-swap BYTES   Memory and swap\n");
	buf_reset(&b);
	opt_help(&group, "hull container", &b);
	assert_string_equal(buf_text(&b),
		"Usage:  hull container COMMAND\n\nManage containers\n\nCommands:\n  ps       List things\n  rename   \n"
		"\nRun 'hull container COMMAND --help' for more information on a command.\n");
}

static void man(void **state)
{
	(void)state;
	own(buf) struct buf b = {};
	opt_man(&strict, "hull container run", &b);
	const char *text = buf_text(&b);
	assert_non_null(strstr(text, ".TH HULL\\-CONTAINER\\-RUN 1 "));
	assert_non_null(strstr(text, "\n.SH NAME\nhull\\-container\\-run \\- Run a command\n"));
	assert_non_null(strstr(text, "\n.SH DESCRIPTION\n\\&.Dangerous\nIt's \\efine.\n.SH OPTIONS\n"));
	assert_non_null(strstr(text, ".TP\n\\fB\\-m\\fR, \\fB\\-\\-memory\\fR \\fIBYTES\\fR\nMemory limit.\n"));
	assert_non_null(strstr(text, "Its n\\[u00E4]me\\[u2026].\nKnown values: a, b.\nAlso \\fB\\-\\-called\\fR.\n"));
	assert_null(strstr(text, "score"));
	assert_non_null(strstr(text, ".SH EXAMPLES\n.nf\n$ hull run box\n.fi\n"));
	assert_non_null(strstr(text, ".SH SEE ALSO\n\\fBhull\\-container\\fR(1)\n"));
}

static void completion(void **state)
{
	(void)state;
	own(buf) struct buf b = {};
	const struct cmd *const cmds[] = {&strict, &group, NULL};
	const struct cmd hull = {"hull", .opts = rows, .nopts = 1, .size = sizeof(struct opts), .sub = cmds};
	opt_completion_bash(&hull, &b);
	const char *text = buf_text(&b);
	assert_non_null(strstr(text, "'') commands='run container' flags='--all -a --help'"));
	assert_non_null(strstr(text, "'container') commands='ps rename'"));
	assert_non_null(strstr(text, "'container ps') flags='--all -a "));
	assert_non_null(strstr(text, " -m$'\\t''' --memory$'\\t'''"));
	assert_null(strstr(text, "--score "));
	assert_non_null(strstr(text, "complete -F _hull hull\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(grammar), cmocka_unit_test(next_words), cmocka_unit_test(values), cmocka_unit_test(refusals),
		cmocka_unit_test(help), cmocka_unit_test(man), cmocka_unit_test(completion)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
