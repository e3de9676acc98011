/* SPDX-License-Identifier: Apache-2.0 */
/*
 * systemd: `hull systemd generate`, and the same as the generators that systemd runs itself, at boot and at daemon-reload, under the
 * names hull-system-generator and hull-user-generator (systemd.generator(7)): early, without /var and without a log, so what is wrong
 * goes to the kernel's. Nothing of hull's store is opened.
 */
#include "cli/commands.h"
#include "cli/quadlet.h"

#include "base/fd.h"
#include "base/path.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

struct generate_options {
	bool dryrun, user, no_kmsg, verbose, version;
	/* worked out */
	const char *program; /* NULL: as a command of hull's */
};
#define O(m) offset_of(struct generate_options, m)
static const struct opt generate_opts[] = {
	{"dryrun", 0, OPT_BOOL, O(dryrun), NULL, "Print the services, write nothing"},
	{"no-kmsg-log", 0, OPT_BOOL, O(no_kmsg), NULL, "Do not write to the kernel's log (as a generator)"},
	{"user", 0, OPT_BOOL, O(user), NULL, "Of a user's units, for a user's systemd"},
	{"verbose", 'v', OPT_BOOL, O(verbose), NULL, "Say which files are read and written"},
	{"version", 0, OPT_BOOL, O(version), NULL, "Print the version and end", OPT_HIDDEN},
};
#undef O

static void log_line(const struct generate_options *o, const char *text)
{
	own(buf) struct buf b = {};
	buf_printf(&b, "%s[%d]: %s\n", o->program, (int)getpid(), text);
	own(fd) int kmsg = o->no_kmsg || o->dryrun ? -1 : open("/dev/kmsg", O_WRONLY | O_CLOEXEC | O_NOCTTY);
	if (kmsg >= 0 && fd_write_all(kmsg, b.data, b.len) == 0)
		return;
	if (fd_write_all(2, b.data, b.len) < 0)
		return;
}

static void complain(void *arg, const struct err *e)
{
	const struct generate_options *o = arg;
	if (o->program)
		log_line(o, e->text);
	else
		cli_complain(e);
}

static void warn(void *arg, const char *text)
{
	const struct generate_options *o = arg;
	own(mem) char *whole = mem_printf("warning: %s", text);
	if (o->program)
		log_line(o, whole);
	else
		cli_warn("%s", text);
}

static void tell(void *arg, const char *text)
{
	const struct generate_options *o = arg;
	if (o->verbose && o->program)
		log_line(o, text);
	else if (o->verbose)
		fprintf(stderr, "hull: %s\n", text);
}

static int print_services(const struct quadlet *q, struct err *e)
{
	own(buf) struct buf b = {};
	for (size_t i = 0; i < q->units.n; i++) {
		if (q->units.v[i].failed)
			continue;
		buf_printf(&b, "---%s.service---\n", q->units.v[i].service);
		quadlet_format(&q->units.v[i], &b);
		buf_char(&b, '\n');
	}
	return cli_print(&b, e);
}

static int generate_it(struct generate_options *o, int argc, char **argv, struct err *e)
{
	if (o->version)
		return cli_printf(e, "%s\n", HULL_VERSION);
	if (o->program && !o->dryrun && argc < 1)
		return err_set(e, ERR_USAGE, "the directory is missing that services are written to");
	own(quadlet) struct quadlet q = {.user = o->user, .exe = cli_exe(), .complain = complain, .warn = warn, .tell = tell, .arg = o};
	quadlet_load(&q);
	quadlet_convert(&q);
	bool print = o->dryrun || argc < 1;
	/* podman's writes nothing at all for a machine without units */
	int r = print ? print_services(&q, e) : q.units.n ? quadlet_install(&q, argv[0], e) : 0;
	return r < 0 ? -1 : q.failed;
}

static int generate(void *opts, int argc, char **argv, struct err *e)
{
	return generate_it(opts, argc, argv, e);
}

static int system_generator(void *opts, int argc, char **argv, struct err *e)
{
	struct generate_options *o = opts;
	o->program = "hull-system-generator";
	return generate_it(o, argc, argv, e);
}

static int user_generator(void *opts, int argc, char **argv, struct err *e)
{
	struct generate_options *o = opts;
	o->program = "hull-user-generator";
	o->user = true;
	return generate_it(o, argc, argv, e);
}

#define GENERATOR(name, run) {name, "DIR [EARLY-DIR LATE-DIR]", "Make services of containers, as a generator of systemd", generate_opts, \
	countof(generate_opts), sizeof(struct generate_options), 0, 3, run}
static const struct cmd generators[] = {GENERATOR("hull-system-generator", system_generator), GENERATOR("hull-user-generator", user_generator)};

const struct cmd *systemd_generator(int argc, char **argv)
{
	size_t i = 0;
	while (i < countof(generators) && (!argc || strcmp(path_base(argv[0]), generators[i].name) != 0))
		i++;
	if (i == countof(generators))
		return NULL;
	/* -dryrun is a long option to podman's. */
	for (int k = 1; k < argc; k++)
		if (argv[k][0] == '-' && argv[k][1] != '-' && strlen(argv[k]) > 2)
			argv[k] = mem_printf("-%s", argv[k]);
	return &generators[i];
}

static const struct cmd cmd_generate = {"generate", "[DIR]", "Make systemd services of container, pod, network, volume, image and build units", generate_opts,
	countof(generate_opts), sizeof(struct generate_options), 0, 1, generate, .complete = "@dir",
	.about = "Reads units as podman-systemd.unit(5) has them, of hull's directories (/etc/hull/systemd, ~/.config/hull/systemd) and of podman's "
		 "(/etc/containers/systemd, ~/.config/containers/systemd), and writes a service for each into DIR, or prints them. systemd does the "
		 "same by itself at every boot and daemon-reload; this command is for looking at what comes out. QUADLET_UNIT_DIRS names other directories.",
	.examples = "$ hull systemd generate\n$ hull systemd generate --user"};
static const struct cmd *const below[] = {&cmd_generate, NULL};
const struct cmd cmd_systemd = {"systemd", "COMMAND", "Services of systemd", .sub = below};
