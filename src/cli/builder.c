/* SPDX-License-Identifier: Apache-2.0 */
/*
 * builder: the build cache.
 */
#include "base/fd.h"
#include "base/num.h"
#include "build/prune.h"
#include "cli/build_log.h"
#include "cli/columns.h"
#include "cli/commands.h"
#include "codec/digest.h"

#include <unistd.h>

struct ls_options { char *format; };
static const struct opt ls_opts[] = {
	{"format", 0, OPT_STR, offset_of(struct ls_options, format), "string", "A Go template for each row, \"table TEMPLATE\" or \"json\"", 0, "table json"},
};
static const struct cli_heading headings[] = {{"ID", "ID"}, {"Size", "SIZE"}, {"LastUsedAt", "LAST USED"}, {"Type", "TYPE"}, {"Description",
	"DESCRIPTION"}, {NULL, NULL}};

static int ls(void *opts, int argc unused, char **argv unused, struct err *e)
{
	const struct ls_options *o = opts;
	struct engine *g = cli_engine(e);
	own(json) struct json *items = g ? prune_list(g, e) : NULL;
	own(json) struct json *rows = json_new_array();
	if (!items)
		return -1;
	for (size_t i = 0; i < json_len(items); i++) {
		const struct json *item = json_at(items, i);
		struct json *row = json_new_object();
		const char *whole = json_get_str(item, "ID"), *hex = digest_hex(whole);
		own(mem) char *id = *hex ? mem_ndup(hex, strnlen(hex, 12)) : mem_dup(whole);
		own(mem) char *size = column_size((int64_t)json_u64(json_get(item, "Size")));
		own(mem) char *step = mem_dup(json_get_str(item, "Description"));
		str_harmless(step);
		json_set_str(row, "ID", o->format ? whole : id);
		json_set_str(row, "Size", size);
		json_set_str(row, "LastUsedAt", json_get_str(item, "LastUsedAt"));
		json_set_str(row, "Type", json_get_str(item, "Type"));
		json_set_str(row, "Description", step);
		json_add(rows, row);
	}
	return cli_format_rows(rows, o->format, "table {{.ID}}\t{{.Size}}\t{{.LastUsedAt}}\t{{.Type}}\t{{.Description}}", headings, e);
}

struct prune_options {
	bool all, force;
	struct strv filters;
	struct opt_num keep;
};
#define O(m) offset_of(struct prune_options, m)
static const struct opt prune_opts[] = {
	{"all", 'a', OPT_BOOL, O(all), NULL, "Cache mounts too"},
	{"filter", 0, OPT_STRV, O(filters), "filter", "Only those: until=DURATION, unused for so long; type=regular or exec.cachemount"},
	{"force", 'f', OPT_BOOL, O(force), NULL, "Do not ask"},
	{"keep-storage", 0, OPT_SIZE, O(keep), "BYTES", "Keep what was used last, up to so much", 0, NULL, "max-used-space"},
};
#undef O

static int prune(void *opts, int argc unused, char **argv unused, struct err *e)
{
	const struct prune_options *o = opts;
	own(strv) struct strv ids = {};
	own(buf) struct buf out = {};
	uint64_t bytes = 0, more = 0;
	int64_t unused_ns = 0;
	bool layers = true, mounts = o->all;
	for (size_t i = 0; i < o->filters.n; i++) {
		const char *until = str_after(o->filters.v[i], "until="), *type = str_after(o->filters.v[i], "type=");
		if (type) {
			layers = str_eq(type, "regular");
			mounts = str_eq(type, "exec.cachemount");
			if (!layers && !mounts)
				return err_set(e, ERR_USAGE, "invalid --filter \"%.80s\": type=regular and type=exec.cachemount are known", o->filters.v[i]);
			continue;
		}
		if (!until || num_duration(until, &unused_ns, e) < 0)
			return err_set(e, ERR_USAGE, "invalid --filter \"%.80s\": as in until=24h", o->filters.v[i]);
	}
	struct engine *g = cli_engine(e);
	if (!g)
		return -1;
	if (!o->force && !cli_confirm("This will remove the build cache."))
		return 0;
	if ((layers && prune_cache(g, unused_ns, o->keep.set ? (uint64_t)o->keep.v : 0, &ids, &bytes, e) < 0) ||
		(mounts && prune_mounts(g, unused_ns, &ids, &more, e) < 0))
		return -1;
	bytes += more;
	for (size_t i = 0; i < ids.n; i++)
		buf_printf(&out, "%s%s\n%s", i ? "" : "Deleted build cache objects:\n", *digest_hex(ids.v[i]) ? digest_hex(ids.v[i]) : ids.v[i],
			i + 1 == ids.n ? "\n" : "");
	own(mem) char *size = column_size((int64_t)bytes);
	buf_printf(&out, "Total reclaimed space: %s\n", size);
	return cli_print(&out, e);
}

static int logs(void *opts unused, int argc, char **argv, struct err *e)
{
	uint64_t n = 1;
	char room[64 << 10];
	struct engine *g = cli_engine(e);
	if (!g || (argc && num_u64(argv[0], UINT32_MAX, &n, "number of a build", e) < 0))
		return -1;
	own(fd) int fd = build_log_open(g->root, (unsigned)n, e);
	ssize_t got = fd < 0 ? -1 : 1;
	while (got > 0 && (got = read(fd, room, sizeof room)) > 0)
		if (fd_write_all(1, room, (size_t)got) < 0)
			return err_sys(e, "write");
	return got < 0 && fd >= 0 ? err_sys(e, "read") : (int)got;
}

#define LS(name, flags) {name, "", "List the build cache", ls_opts, countof(ls_opts), sizeof(struct ls_options), 0, 0, ls, flags}
#define PRUNE(flags) {"prune", "", "Remove the build cache", prune_opts, countof(prune_opts), sizeof(struct prune_options), 0, 0, prune, flags, \
	.about = "Layers that an image or a container has stay. The next build does its steps again. Cache mounts are volumes; those that a build is " \
		 "using stay."}
static const struct cmd cmd_builder_ls = LS("ls", 0), cmd_builder_du = LS("du", CMD_HIDDEN), cmd_builder_prune = PRUNE(0);
static const struct cmd cmd_builder_logs = {"logs", "[NUMBER]", "Show what a build said", .max = 1, .run = logs,
	.about = "The whole output of all steps of the last build that did any: 1. The one before is 2, and so on."};
static const struct cmd *const below[] = {&cmd_build, &cmd_builder_ls, &cmd_builder_du, &cmd_builder_logs, &cmd_builder_prune, NULL};
const struct cmd cmd_builder = {"builder", "COMMAND", "Work with the build cache", .sub = below};
/* After `build` itself what comes first is a context: directories are what it completes, and one that is called so is given as ./prune. */
static const struct cmd cmd_build_ls = LS("ls", CMD_HIDDEN), cmd_build_prune = PRUNE(CMD_HIDDEN);
const struct cmd *const cmd_build_below[] = {&cmd_build_ls, &cmd_builder_du, &cmd_build_prune, NULL};
