/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secret: the verbs on secrets. What a secret says is shown by none of them.
 */
#include "engine/secret.h"

#include "base/fd.h"
#include "base/num.h"
#include "cli/columns.h"
#include "cli/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct create_options {
	bool env, replace;
	char *driver;
	struct strv labels;
};
#define O(m) offset_of(struct create_options, m)
static const struct opt create_opts[] = {
	{"driver", 'd', OPT_STR, O(driver), "string", "Only file", 0, "file"},
	{"env", 0, OPT_BOOL, O(env), NULL, "The second argument is a variable of the environment, not a file"},
	{"label", 'l', OPT_STRV, O(labels), "KEY[=VALUE]", "Labels of the secret"},
	{"replace", 0, OPT_BOOL, O(replace), NULL, "One that is there gets another value"},
};
#undef O

static int read_value(const struct create_options *o, const char *from, struct buf *out, struct err *e)
{
	if (o->env) {
		const char *value = getenv(from);
		if (!value)
			return err_set(e, ERR_USAGE, "the variable %.200s is not set", from);
		buf_str(out, value);
		return buf_check(out, e);
	}
	bool from_stdin = str_eq(from, "-");
	if (from_stdin && isatty(0))
		return err_set(e, ERR_USAGE, "the secret is read from stdin, and that is a terminal: name a file, or redirect it with <");
	own(fd) int fd = from_stdin ? -1 : open(from, O_RDONLY | O_CLOEXEC);
	if (!from_stdin && fd < 0)
		return err_sys(e, "%.300s", from);
	if (fd_read_to_end(from_stdin ? 0 : fd, out) == 0)
		return 0;
	return errno == EFBIG ? err_set(e, ERR_USAGE, "a secret has at most %d bytes", SECRET_MAX) : err_sys(e, "%.300s", from);
}

static int create(void *opts, int argc unused, char **argv, struct err *e)
{
	const struct create_options *o = opts;
	own(arena) struct arena a = {};
	own(buf) struct buf value = BUF(SECRET_MAX);
	struct map labels = {};
	char id[26];
	if (o->driver && strcmp(o->driver, "file") != 0)
		return err_set(e, ERR_USAGE, "--driver \"%.60s\": hull has the driver file only", o->driver);
	for (size_t i = 0; i < o->labels.n; i++) {
		size_t n = strcspn(o->labels.v[i], "=");
		map_set(&a, &labels, arena_ndup(&a, o->labels.v[i], n), o->labels.v[i][n] ? o->labels.v[i] + n + 1 : "");
	}
	if (read_value(o, argv[1], &value, e) < 0)
		return -1;
	struct engine *g = cli_engine(e);
	struct secret_request r = {.name = argv[0], .labels = &labels, .replace = o->replace, .data = value.data, .n = value.len};
	int result = g ? secret_create(g, &r, id, e) : -1;
	if (value.data)
		explicit_bzero(value.data, value.len);
	return result < 0 ? -1 : cli_printf(e, "%s\n", id);
}

struct ls_options {
	bool quiet;
	char *format;
	struct strv filters;
};
#define O(m) offset_of(struct ls_options, m)
static const struct opt ls_opts[] = {
	{"filter", 'f', OPT_STRV, O(filters), "filter", "Only those: name=, id=, label=KEY[=VALUE]"},
	{"format", 0, OPT_STR, O(format), "string", "A Go template for each row, \"table TEMPLATE\" or \"json\"", 0, "table json"},
	{"quiet", 'q', OPT_BOOL, O(quiet), NULL, "Print ids only"},
};
#undef O
static const struct cli_heading headings[] = {{"ID", "ID"}, {"Name", "NAME"}, {"Driver", "DRIVER"}, {"CreatedAt", "CREATED"}, {"UpdatedAt", "UPDATED"},
	{"Labels", "LABELS"}, {NULL, NULL}};

static void put_age(struct json *row, const char *key, const struct json *item)
{
	own(mem) char *ago = column_ago(num_time_of(json_get_str(item, key)) / 1000000000);
	json_set_str(row, key, ago);
}

static int ls(void *opts, int argc unused, char **argv unused, struct err *e)
{
	const struct ls_options *o = opts;
	struct engine *g = cli_engine(e);
	own(json) struct json *items = g ? secret_list(g, &o->filters, e) : NULL;
	own(json) struct json *rows = json_new_array();
	if (!items)
		return -1;
	for (size_t i = 0; i < json_len(items); i++) {
		const struct json *item = json_at(items, i), *spec = json_get(item, "Spec");
		struct json *row = json_new_object();
		own(mem) char *labels = column_map(json_get(spec, "Labels"));
		json_set_str(row, "ID", json_get_str(item, "ID"));
		json_set_str(row, "Name", json_get_str(spec, "Name"));
		json_set_str(row, "Driver", json_get_str(json_get(spec, "Driver"), "Name"));
		put_age(row, "CreatedAt", item);
		put_age(row, "UpdatedAt", item);
		json_set_str(row, "Labels", labels);
		json_set(row, ".labels", json_ref(json_get(spec, "Labels")));
		json_add(rows, row);
	}
	return cli_format_rows(rows, o->quiet ? "{{.ID}}" : o->format, "table {{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.CreatedAt}}\t{{.UpdatedAt}}", headings, e);
}

struct inspect_options { char *format; };
static const struct opt inspect_opts[] = {
	{"format", 'f', OPT_STR, offset_of(struct inspect_options, format), "string", "A Go template, or \"json\" for one line", 0, "json"},
};

static int inspect(void *opts, int argc, char **argv, struct err *e)
{
	const struct inspect_options *o = opts;
	own(json) struct json *found = json_new_array();
	struct engine *g = cli_engine(e);
	for (int i = 0; g && i < argc; i++) {
		struct json *doc = secret_inspect(g, argv[i], e);
		if (!doc)
			return -1;
		json_add(found, doc);
	}
	return g ? cli_format_documents(found, o->format, e) : -1;
}

struct rm_options {
	bool all, ignore;
	struct engine *g;
};
static const struct opt rm_opts[] = {
	{"all", 'a', OPT_BOOL, offset_of(struct rm_options, all), NULL, "All of them"},
	{"ignore", 'i', OPT_BOOL, offset_of(struct rm_options, ignore), NULL, "One that is not there is no error"},
};

static int rm_one(const char *text, void *arg, struct err *e)
{
	const struct rm_options *o = arg;
	own(mem) char *name = NULL;
	if (secret_remove(o->g, text, &name, e) == 0)
		return 0;
	return o->ignore && e->kind == ERR_NOT_FOUND ? 1 : -1;
}

static int rm(void *opts, int argc, char **argv, struct err *e)
{
	struct rm_options *o = opts;
	own(strv) struct strv names = {};
	if (o->all == (argc > 0))
		return err_set(e, ERR_USAGE, o->all ? "--all and names contradict each other" : "name the secrets to remove, or say --all");
	o->g = cli_engine(e);
	own(json) struct json *items = o->all && o->g ? secret_list(o->g, NULL, e) : NULL;
	if (!o->g || (o->all && !items))
		return -1;
	for (int i = 0; i < argc; i++)
		strv_add(&names, argv[i]);
	for (size_t i = 0; i < json_len(items); i++)
		strv_add(&names, json_get_str(json_get(json_at(items, i), "Spec"), "Name"));
	return cli_each((int)names.n, names.v, true, rm_one, o);
}

static int exists(void *opts unused, int argc unused, char **argv, struct err *e)
{
	struct engine *g = cli_engine(e);
	own(mem) char *name = g ? secret_find(g, argv[0], e) : NULL;
	return name ? 0 : e->kind == ERR_NOT_FOUND ? (*e = (struct err){}, 1) : -1;
}

static const struct cmd cmd_secret_create = {"create", "NAME FILE|-", "Keep a secret", create_opts, countof(create_opts), sizeof(struct create_options), 2, 2,
	create, .complete = "@file", .about = "From a file or stdin (-), byte for byte; it is kept in a file that only hull's owner can read.",
	.examples = "$ printf s3cret | hull secret create token -\n$ hull run --rm --secret token box cat /run/secrets/token"};
static const struct cmd cmd_secret_exists = {"exists", "SECRET", "Is there such a secret? Status 0 or 1", .min = 1, .max = 1, .run = exists};
static const struct cmd cmd_secret_inspect = {"inspect", "SECRET...", "Show what is known of secrets, but not what they say", inspect_opts,
	countof(inspect_opts), sizeof(struct inspect_options), 1, -1, inspect};
#define LS(name, flags) {name, "", "List secrets", ls_opts, countof(ls_opts), sizeof(struct ls_options), 0, 0, ls, flags}
#define RM(name, flags) {name, "SECRET...", "Remove secrets", rm_opts, countof(rm_opts), sizeof(struct rm_options), 0, -1, rm, flags}
static const struct cmd cmd_secret_ls = LS("ls", 0), cmd_secret_list = LS("list", CMD_HIDDEN);
static const struct cmd cmd_secret_rm = RM("rm", 0), cmd_secret_remove = RM("remove", CMD_HIDDEN);
static const struct cmd *const below[] = {
	&cmd_secret_create,
	&cmd_secret_exists,
	&cmd_secret_inspect,
	&cmd_secret_ls,
	&cmd_secret_list,
	&cmd_secret_rm,
	&cmd_secret_remove,
	NULL,
};
const struct cmd cmd_secret = {"secret", "COMMAND", "Keep secrets for containers", .sub = below};
