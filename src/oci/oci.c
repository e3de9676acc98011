/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oci: from the words to one verb's struct cmd.
 *
 *   hull-runtime [global options] VERB [options] [arguments]
 */
#include "oci/oci.h"

#include "base/fd.h"
#include "base/path.h"
#include "sys/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct oci_options oci_options;
bool oci_is_static;
static char **words;

#define O struct oci_options
static const struct opt options[] = {
	{"cgroup-manager", 0, OPT_STR, offset_of(O, cgroup_manager), "MANAGER", "Who makes control groups (cgroupfs)", 0, "cgroupfs systemd disabled"},
	{"debug", 0, OPT_BOOL, offset_of(O, debug), NULL, "As --log-level debug"},
	{"log", 0, OPT_STR, offset_of(O, log), "FILE", "Where messages go besides stderr: FILE, file:FILE, journald:ID or syslog:ID", 0, "@file"},
	{"log-format", 0, OPT_STR, offset_of(O, log_format), "FORMAT", "How (text)", 0, "text json"},
	{"log-level", 0, OPT_STR, offset_of(O, log_level), "LEVEL", "Which of them (warn)", 0, "debug info warn error fatal"},
	{"root", 0, OPT_STR, offset_of(O, root), "DIR", "Where the state of containers is kept (/run/hull-runtime)", 0, "@dir"},
	{"rootless", 0, OPT_STR, offset_of(O, rootless), "BOOL", "Whether control groups that cannot be made are no failure (auto)", 0, "auto true false"},
	{"systemd-cgroup", 's', OPT_BOOL, offset_of(O, systemd_cgroup), NULL, "As --cgroup-manager systemd"},
	{"version", 'v', OPT_BOOL, offset_of(O, version), NULL, "Print the versions and end"},
};
#undef O

char **oci_words(void)
{
	return words;
}

int oci_need_libraries(struct err *e)
{
	if (!oci_is_static)
		return 0;
	own(mem) char *self = realpath(proc_self_path(), NULL);
	if (!self)
		return err_sys(e, "the program's own path");
	size_t n = 0, before = strlen(self) - strlen(path_base(self));
	while (words[n])
		n++;
	own(mem) char *hull = mem_printf("%.*shull", (int)before, self);
	own(mem) char **argv = mem_alloc((n + 3) * sizeof *argv);
	argv[0] = hull;
	argv[1] = (char *)(uintptr_t) "oci";
	memcpy(argv + 2, words, n * sizeof *argv);
	execv(hull, argv);
	return err_sys(e, "systemd's bus needs a library, for which there is %s", hull);
}

bool oci_is_rootless(void)
{
	const char *r = oci_options.rootless;
	if (r && strcmp(r, "auto") != 0)
		return strcmp(r, "true") == 0;
	return geteuid() != 0;
}

static int open_root(const char *path, struct err *e)
{
	if (path_mkdirs(AT_FDCWD, path, 0700, e) < 0)
		return err_wrap(e, "state directory %s", path);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_sys(e, "state directory %s", path) : fd;
}

int oci_open_root(struct err *e)
{
	const char *run = getenv("XDG_RUNTIME_DIR");
	if (!str_is_empty(oci_options.root))
		return open_root(oci_options.root, e);
	if (!oci_is_rootless())
		return open_root("/run/hull-runtime", e);
	own(mem) char *path = !str_is_empty(run) ? mem_printf("%s/hull-runtime", run) : mem_printf("/tmp/hull-runtime-%u", (unsigned)getuid());
	return open_root(path, e);
}

int oci_command_status(const struct err *e, int otherwise)
{
	return e->kind == ERR_NOCMD ? 127 : e->kind == ERR_NOEXEC ? 126 : otherwise;
}

int oci_print(const struct buf *b, struct err *e)
{
	if (buf_check(b, e) < 0)
		return -1;
	return fd_write_all(1, buf_text(b), b->len) < 0 ? err_sys(e, "write to stdout") : 0;
}

static int print_version(const char *name, struct err *e)
{
	own(buf) struct buf b = {};
	buf_printf(&b, "%s version %s\nspec: 1.3.0\n", name, HULL_VERSION);
	return oci_print(&b, e);
}

static const char *program;

static int dispatch(int argc, char **argv, struct err *e)
{
	const char *names[64];
	size_t n = 0;
	for (; oci_verbs[n] && n < countof(names); n++) {
		names[n] = oci_verbs[n]->name;
		if (strcmp(names[n], argv[0]) == 0) {
			own(mem) char *path = mem_printf("%s %s", program, argv[0]);
			return opt_run(oci_verbs[n], path, argc - 1, argv + 1, oci_print, e);
		}
	}
	if (strcmp(argv[0], "help") == 0)
		return opt_print_help(&oci_program, program, oci_print, e);
	const char *near = str_nearest(argv[0], names, n);
	if (near)
		return err_set(e, ERR_USAGE, "unknown command \"%.60s\": did you mean \"%s\"?", argv[0], near);
	return err_set(e, ERR_USAGE, "unknown command \"%.60s\": \"%s --help\" lists them", argv[0], program);
}

static bool is_word(const char *s, const char *const *list)
{
	for (; *list; list++)
		if (strcmp(*list, s) == 0)
			return true;
	return false;
}

static int check_options(const struct oci_options *o, struct err *e)
{
	static const char *const managers[] = {"cgroupfs", "systemd", "disabled", NULL}, *const truths[] = {"auto", "true", "false", NULL};
	if (o->cgroup_manager && !is_word(o->cgroup_manager, managers))
		return err_set(e, ERR_USAGE, "invalid --cgroup-manager \"%.40s\": cgroupfs, systemd and disabled are known", o->cgroup_manager);
	if (o->rootless && !is_word(o->rootless, truths))
		return err_set(e, ERR_USAGE, "invalid --rootless \"%.40s\": auto, true and false are known", o->rootless);
	return 0;
}

static int run_program(void *opts, int argc, char **argv, struct err *e)
{
	oci_options = *(struct oci_options *)opts;
	if (oci_options.version)
		return print_version(program, e);
	if (!argc)
		return opt_print_help(&oci_program, program, oci_print, e);
	if (oci_log_open(e) < 0 || check_options(&oci_options, e) < 0)
		return -1;
	if ((oci_options.systemd_cgroup || str_eq(oci_options.cgroup_manager, "systemd")) && oci_need_libraries(e) < 0)
		return -1;
	return dispatch(argc, argv, e);
}

const struct cmd oci_program = {"hull-runtime", "VERB [ARG...]", "Run containers from OCI bundles", options, countof(options),
	sizeof(struct oci_options), 0, -1, run_program, .flags = CMD_STRICT, .sub = oci_verbs,
	.examples = "$ hull-runtime spec\n$ hull-runtime run --bundle . web\n$ hull-runtime list"};

int oci_main(const char *name, int argc, char **argv)
{
	struct err e = {};
	program = name;
	/* Parsing puts them in another order. */
	words = mem_alloc(((size_t)argc + 1) * sizeof *words);
	memcpy(words, argv, (size_t)argc * sizeof *words);
	void *opts = mem_alloc(sizeof(struct oci_options));
	int left = 0;
	char **args = NULL;
	int r = opt_parse(&oci_program, argc, argv, opts, &left, &args, &e);
	if (r == 1)
		r = opt_print_help(&oci_program, name, oci_print, &e);
	else if (r == 0)
		r = run_program(opts, left, args, &e);
	/* A status and an error: run's and exec's own. A status alone is the process's. */
	if (r != 0 && e.kind != ERR_NONE)
		oci_log_error(name, e.text);
	opt_drop(&oci_program, opts);
	mem_drop(&opts);
	mem_drop(&words);
	return r >= 0 ? r : 1;
}
