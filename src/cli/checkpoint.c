/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint: docker's verbs on checkpoints (checkpoint create|ls|rm; start --checkpoint uses one), and podman's, which have one checkpoint a
 * container, called "latest" here: container checkpoint, container restore.
 */
#include "engine/checkpoint.h"
#include "engine/checkpoint_archive.h"

#include "base/fd.h"
#include "cli/columns.h"
#include "cli/commands.h"

#include <sys/stat.h>

static const char latest[] = "latest", pre[] = "pre";

static int get(struct engine *g, const char *name, int flags, struct container_entry *ret, struct err *e)
{
	return g ? container_get(g, name, flags, ret, e) : -1;
}

struct create_options { bool leave_running, tcp_established, file_locks; char *dir; };
#define O(m) offset_of(struct create_options, m)
static const struct opt create_opts[] = {
	{"checkpoint-dir", 0, OPT_STR, O(dir), "DIR", "Where checkpoints are (the container's own place)", 0, "@dir"},
	{"file-locks", 0, OPT_BOOL, O(file_locks), NULL, "Its file locks are saved too"},
	{"leave-running", 0, OPT_BOOL, O(leave_running), NULL, "The container goes on"},
	{"tcp-established", 0, OPT_BOOL, O(tcp_established), NULL, "Its TCP connections are saved too"},
};
#undef O

static int create(void *opts, int argc unused, char **argv, struct err *e)
{
	const struct create_options *o = opts;
	struct engine *g = cli_engine(e);
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	const struct checkpoint_request r = {.name = argv[1], .dir = o->dir, .leave_running = o->leave_running, .tcp_established = o->tcp_established,
		.file_locks = o->file_locks};
	if (get(g, argv[0], ENTRY_LOCK, &c, e) < 0 || container_save_processes(g, &c, &r, e) < 0)
		return -1;
	return cli_printf(e, "%s\n", argv[1]);
}

struct ls_options { bool quiet; char *dir, *format; };
#define O(m) offset_of(struct ls_options, m)
static const struct opt ls_opts[] = {
	{"checkpoint-dir", 0, OPT_STR, O(dir), "DIR", "Where checkpoints are (the container's own place)", 0, "@dir"},
	{"format", 0, OPT_STR, O(format), "string", "A Go template for each row, \"table TEMPLATE\" or \"json\"", 0, "table json"},
	{"quiet", 'q', OPT_BOOL, O(quiet), NULL, "Print names only"},
};
#undef O
static const struct cli_heading headings[] = {{"Name", "CHECKPOINT NAME"}, {"Created", "CREATED"}, {NULL, NULL}};

static int ls(void *opts, int argc unused, char **argv, struct err *e)
{
	const struct ls_options *o = opts;
	struct engine *g = cli_engine(e);
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	if (get(g, argv[0], 0, &c, e) < 0)
		return -1;
	own(json) struct json *rows = checkpoint_list(g, &c, o->dir, e);
	return rows ? cli_format_rows(rows, o->quiet ? "{{.Name}}" : o->format, "table {{.Name}}", headings, e) : -1;
}

struct rm_options { char *dir; };
static const struct opt rm_opts[] = {
	{"checkpoint-dir", 0, OPT_STR, offset_of(struct rm_options, dir), "DIR", "Where checkpoints are (the container's own place)", 0, "@dir"},
};

static int rm(void *opts, int argc unused, char **argv, struct err *e)
{
	const struct rm_options *o = opts;
	struct engine *g = cli_engine(e);
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	return get(g, argv[0], ENTRY_LOCK, &c, e) < 0 ? -1 : checkpoint_remove(g, &c, o->dir, argv[1], e);
}

static const struct cmd verb_create = {"create", "CONTAINER CHECKPOINT", "Save a running container's processes to files", create_opts, countof(create_opts),
	sizeof(struct create_options), 2, 2, create, .complete = "@running",
	.about = "By criu(8), as root. The container ends, but with --leave-running. Its files and volumes stay where they are and are no part of it: "
		 "`hull start --checkpoint` goes on with them as they are then."};
static const struct cmd verb_ls = {"ls", "CONTAINER", "List a container's checkpoints", ls_opts, countof(ls_opts), sizeof(struct ls_options), 1, 1, ls,
	.complete = "@container"};
static const struct cmd verb_rm = {"rm", "CONTAINER CHECKPOINT", "Remove a checkpoint", rm_opts, countof(rm_opts), sizeof(struct rm_options), 2, 2, rm,
	.complete = "@container"};
static const struct cmd *const verbs[] = {&verb_create, &verb_ls, &verb_rm, NULL};
const struct cmd cmd_checkpoint = {"checkpoint", "COMMAND", "Save running containers to files, by criu", .sub = verbs};

/* Those that are named, or every one that runs or was saved. */
static int each(int argc, char **argv, bool all, bool saved, int (*f)(const char *name, void *arg, struct err *e), void *arg, struct err *e)
{
	struct engine *g = *(struct engine **)arg;
	own(strv) struct strv names = {};
	if (all == (argc > 0))
		return err_set(e, ERR_USAGE, all ? "--all goes without names" : "name a container, or all of them with --all");
	if (!all)
		return cli_each(argc, argv, true, f, arg);
	own(strv) struct strv ids = {};
	if (containers_ids(&g->containers, false, &ids, e) < 0)
		return -1;
	for (size_t i = 0; i < ids.n; i++) {
		own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
		struct err gone = {};
		if (container_get(g, ids.v[i], 0, &c, &gone) == 0 && (saved ? c.state.checkpointed : str_eq(c.state.status, "running")))
			strv_add(&names, ids.v[i]);
	}
	return cli_each((int)names.n, names.v, true, f, arg);
}

struct save_options {
	struct engine *g;
	bool all, keep, leave_running, tcp_established, file_locks, pre, with_previous, ignore_rootfs, ignore_volumes;
	char *export, *compress;
	struct checkpoint_export out;
};
#define O(m) offset_of(struct save_options, m)
static const struct opt save_opts[] = {
	{"all", 'a', OPT_BOOL, O(all), NULL, "Every container that runs"},
	{"compress", 'c', OPT_STR, O(compress), "FORMAT", "How --export is compressed: zstd, gzip, none (zstd)", 0, "zstd gzip none"},
	{"export", 'e', OPT_STR, O(export), "FILE", "Write it to a file too, for another machine; - is stdout", 0, "@file"},
	{"file-locks", 0, OPT_BOOL, O(file_locks), NULL, "Their file locks are saved too"},
	{"ignore-rootfs", 0, OPT_BOOL, O(ignore_rootfs), NULL, "With --export: without what the container changed in its files"},
	{"ignore-volumes", 0, OPT_BOOL, O(ignore_volumes), NULL, "With --export: without the files of its volumes"},
	{"keep", 'k', OPT_BOOL, O(keep), NULL, "Criu's log and statistics are kept with the files"},
	{"leave-running", 'R', OPT_BOOL, O(leave_running), NULL, "The containers go on"},
	{"pre-checkpoint", 'P', OPT_BOOL, O(pre), NULL, "Save memory alone, so that the checkpoint later has less to do"},
	{"tcp-established", 0, OPT_BOOL, O(tcp_established), NULL, "Their TCP connections are saved too"},
	{"with-previous", 0, OPT_BOOL, O(with_previous), NULL, "Only what changed since --pre-checkpoint"},
};
#undef O

static int save_one(const char *name, void *arg, struct err *e)
{
	const struct save_options *o = arg;
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	const struct checkpoint_request r = {.name = o->pre ? pre : latest, .previous = o->with_previous ? pre : NULL, .leave_running = o->leave_running,
		.tcp_established = o->tcp_established, .file_locks = o->file_locks, .pre_dump = o->pre, .replace = true, .drop_logs = !o->keep};
	if (get(o->g, name, ENTRY_LOCK, &c, e) < 0 || container_save_processes(o->g, &c, &r, e) < 0)
		return -1;
	return o->export && checkpoint_export(o->g, &c, r.name, &o->out, e) < 0 ? -1 : 0;
}

static int check_export(struct save_options *o, int argc, struct err *e)
{
	o->out = (struct checkpoint_export){.path = o->export, .compression = COMPRESS_ZSTD, .ignore_rootfs = o->ignore_rootfs,
		.ignore_volumes = o->ignore_volumes};
	if (!o->export && (o->compress || o->ignore_rootfs || o->ignore_volumes))
		return err_set(e, ERR_USAGE, "--compress, --ignore-rootfs and --ignore-volumes are for --export");
	if (o->export && (o->all || argc != 1 || o->pre || o->with_previous))
		return err_set(e, ERR_USAGE, "--export is for one container, whole: without --all, --pre-checkpoint and --with-previous");
	if (!o->compress)
		return 0;
	o->out.compression = COMPRESS_NONE;
	return str_eq(o->compress, "none") ? 0 : compress_parse(o->compress, &o->out.compression, e);
}

static int save(void *opts, int argc, char **argv, struct err *e)
{
	struct save_options *o = opts;
	o->g = cli_engine(e);
	if (!o->g)
		return -1;
	if (check_export(o, argc, e) < 0)
		return -1;
	if (o->pre && o->with_previous)
		return err_set(e, ERR_USAGE, "--pre-checkpoint and --with-previous: the one comes before the other");
	if (str_eq(o->export, "-"))
		return save_one(argv[0], o, e);
	return each(argc, argv, o->all, false, save_one, o, e);
}

struct restore_options {
	struct engine *g;
	bool all, keep, tcp_established, tcp_close, file_locks, ignore_rootfs, ignore_volumes;
	char *import, *name;
};
#define O(m) offset_of(struct restore_options, m)
static const struct opt restore_opts[] = {
	{"all", 'a', OPT_BOOL, O(all), NULL, "Every container that was saved and does not run"},
	{"file-locks", 0, OPT_BOOL, O(file_locks), NULL, "Their file locks too"},
	{"ignore-rootfs", 0, OPT_BOOL, O(ignore_rootfs), NULL, "With --import: without what the container had changed in its files"},
	{"ignore-volumes", 0, OPT_BOOL, O(ignore_volumes), NULL, "With --import: its volumes are those that are here, or new ones"},
	{"import", 'i', OPT_STR, O(import), "FILE", "A new container, from a file of `container checkpoint --export`; - is stdin", 0, "@file"},
	{"keep", 'k', OPT_BOOL, O(keep), NULL, "The checkpoint is kept, for another time"},
	{"name", 'n', OPT_STR, O(name), "NAME", "With --import: its name (that of the other)"},
	{"tcp-close", 0, OPT_BOOL, O(tcp_close), NULL, "TCP connections that were saved are closed"},
	{"tcp-established", 0, OPT_BOOL, O(tcp_established), NULL, "Their TCP connections too"},
};
#undef O

/* The one that was used goes, with the pre-dump before it; it runs, so there may be another by now, or it may be gone already. */
static int forget(struct engine *g, const char *name, int used, struct err *e)
{
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	struct err ignored = {};
	struct stat mine, there;
	if (get(g, name, ENTRY_LOCK, &c, &ignored) < 0)
		return ignored.kind == ERR_NOT_FOUND ? 0 : (*e = ignored, -1);
	own(fd) int now = checkpoint_open(g, &c, NULL, latest, &ignored);
	if (now < 0 || fstat(used, &mine) < 0 || fstat(now, &there) < 0 || mine.st_ino != there.st_ino)
		return 0;
	if (checkpoint_remove(g, &c, NULL, latest, e) < 0)
		return -1;
	return checkpoint_remove(g, &c, NULL, pre, &ignored) < 0 && ignored.kind != ERR_NOT_FOUND ? (*e = ignored, -1) : 0;
}

static int restore_one(const char *name, void *arg, struct err *e)
{
	const struct restore_options *o = arg;
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	if (get(o->g, name, ENTRY_LOCK, &c, e) < 0)
		return -1;
	own(fd) int images = checkpoint_open(o->g, &c, NULL, latest, e);
	const struct checkpoint_use use = {.images = images, .tcp_established = o->tcp_established, .tcp_close = o->tcp_close, .file_locks = o->file_locks};
	if (images < 0 || container_launch_from(o->g, &c, &use, -1, 0, e) < 0)
		return -1;
	return o->keep ? 0 : forget(o->g, name, images, e);
}

static int import(struct restore_options *o, struct err *e)
{
	struct checkpoint_import r = {.path = o->import, .name = o->name, .ignore_rootfs = o->ignore_rootfs, .ignore_volumes = o->ignore_volumes};
	char id[65];
	int result = checkpoint_import(o->g, &r, latest, id, e);
	if (result == 0 && (result = restore_one(id, o, e)) < 0)
		checkpoint_import_undo(o->g, &r, id);
	strv_drop(&r.there);
	return result < 0 ? -1 : cli_printf(e, "%s\n", id);
}

static int restore(void *opts, int argc, char **argv, struct err *e)
{
	struct restore_options *o = opts;
	o->g = cli_engine(e);
	if (!o->import && (o->name || o->ignore_rootfs || o->ignore_volumes))
		return err_set(e, ERR_USAGE, "--name, --ignore-rootfs and --ignore-volumes are for --import");
	if (o->import && (o->all || argc))
		return err_set(e, ERR_USAGE, "--import makes a container: it goes without names and --all");
	if (!o->g)
		return -1;
	return o->import ? import(o, e) : each(argc, argv, o->all, true, restore_one, o, e);
}

const struct cmd cmd_container_checkpoint = {"checkpoint", "CONTAINER...", "Save running containers, to be restored later", save_opts, countof(save_opts),
	sizeof(struct save_options), 0, -1, save, .complete = "@running",
	.about = "By criu(8), as root. The checkpoint is the one called \"latest\" of `hull checkpoint`; with --export it is written to a file as well, with "
		 "the container's configuration, what it changed in its files, and its volumes. The image is not in it. The file holds what was in "
		 "memory, and is readable by its owner alone.",
	.examples = "$ hull container checkpoint --export web.tar.zst web\n$ hull container restore --import web.tar.zst --name web-2"};
const struct cmd cmd_restore = {"restore", "CONTAINER...", "Go on with containers that were saved", restore_opts, countof(restore_opts),
	sizeof(struct restore_options), 0, -1, restore, .complete = "@container",
	.about = "--import trusts the file: it says what of the host the new container gets, and criu makes processes of it as they say they were."};
