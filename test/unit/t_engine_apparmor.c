/* SPDX-License-Identifier: Apache-2.0 */
/* Which profile a container gets on machines made of files, and how hull's own is loaded there, by a parser that is a script. */
#include "engine/apparmor.h"

#include "base/fd.h"
#include "base/path.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct machine {
	char path[64], enabled[80], profiles[80], current[80], parser[80];
	int dir;
	struct apparmor_place place;
};

static void put(struct machine *m, const char *name, const char *text, mode_t mode)
{
	struct err e = {};
	assert_int_equal(path_write(m->dir, name, text, strlen(text), mode, 0, &e), 0);
}

static int setup(void **state)
{
	struct machine *m = calloc(1, sizeof *m);
	snprintf(m->path, sizeof m->path, "/tmp/t_apparmor.XXXXXX");
	if (!mkdtemp(m->path) || (m->dir = open(m->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return -1;
	snprintf(m->enabled, sizeof m->enabled, "%s/enabled", m->path);
	snprintf(m->profiles, sizeof m->profiles, "%s/profiles", m->path);
	snprintf(m->current, sizeof m->current, "%s/current", m->path);
	snprintf(m->parser, sizeof m->parser, "%s/parser", m->path);
	m->place = (struct apparmor_place){.enabled = m->enabled, .profiles = m->profiles, .current = m->current,
		.parsers = {"/nonexistent/apparmor_parser", m->parser}};
	put(m, "enabled", "Y\n", 0644);
	put(m, "profiles", "docker-default (enforce)\nhull-default-not (enforce)\nmine (complain)\n", 0644);
	put(m, "current", "unconfined\n", 0644);
	*state = m;
	return 0;
}

static int teardown(void **state)
{
	struct machine *m = *state;
	struct err e = {};
	close(m->dir);
	int r = path_remove_tree(AT_FDCWD, m->path, &e);
	free(m);
	return r;
}

/* Keeps the text and says that the profile is loaded. */
static void give_parser(struct machine *m, const char *end)
{
	char script[400];
	snprintf(script, sizeof script, "#!/bin/sh\ncd %s\necho \"$@\" >>words\ncat >text\n%s\n", m->path, end);
	put(m, "parser", script, 0755);
}

static void expect(struct machine *m, struct apparmor_wish w, const char *want)
{
	struct err e = {};
	const char *got = "?";
	if (apparmor_choose(&m->place, &w, &got, &e) < 0)
		fail_msg("%s", e.text);
	if (!want)
		assert_null(got);
	else
		assert_string_equal(got ? got : "none", want);
}

static void refuse(struct machine *m, struct apparmor_wish w, enum err_kind kind, const char *text)
{
	struct err e = {};
	const char *got;
	assert_int_equal(apparmor_choose(&m->place, &w, &got, &e), -1);
	assert_int_equal(e.kind, kind);
	assert_non_null(strstr(e.text, text));
}

#define WISH(...) ((struct apparmor_wish){__VA_ARGS__})

static void without_apparmor(void **state)
{
	struct machine *m = *state;
	give_parser(m, "exit 0");
	for (int i = 0; i < 3; i++) {
		if (i == 0)
			put(m, "enabled", "N\n", 0644);
		if (i == 1)
			unlinkat(m->dir, "enabled", 0);
		if (i == 2) {
			/* Enabled, and nothing is mounted on /sys/kernel/security. */
			put(m, "enabled", "Y\n", 0644);
			unlinkat(m->dir, "profiles", 0);
		}
		expect(m, WISH(), NULL);
		expect(m, WISH("unconfined"), NULL);
		expect(m, WISH(.privileged = true), NULL);
		refuse(m, WISH("mine"), ERR_UNSUPPORTED, "AppArmor is not enabled on this machine");
		refuse(m, WISH(APPARMOR_PROFILE), ERR_UNSUPPORTED, "AppArmor is not enabled on this machine");
	}
}

static void without_parser(void **state)
{
	struct machine *m = *state;
	expect(m, WISH(), NULL);
	expect(m, WISH("mine"), "mine");
	refuse(m, WISH(APPARMOR_PROFILE), ERR_UNSUPPORTED, "apparmor_parser");
	/* Whoever loaded it. */
	put(m, "profiles", "mine (complain)\nhull-default (enforce)\n", 0644);
	expect(m, WISH(), APPARMOR_PROFILE);
	expect(m, WISH(APPARMOR_PROFILE), APPARMOR_PROFILE);
}

static void with_both(void **state)
{
	struct machine *m = *state;
	give_parser(m, "exit 0");
	expect(m, WISH(), APPARMOR_PROFILE);
	expect(m, WISH(APPARMOR_PROFILE), APPARMOR_PROFILE);
	expect(m, WISH("docker-default"), "docker-default");
	expect(m, WISH("unconfined"), NULL);
	refuse(m, WISH("docker"), ERR_USAGE, "apparmor=docker: no such profile is loaded");
	expect(m, WISH(.privileged = true), NULL);
	expect(m, WISH("mine", .privileged = true), "mine");
	expect(m, WISH(.rootless = true), NULL);
	expect(m, WISH("mine", .rootless = true), "mine");
	/* Choosing loads nothing. */
	assert_false(path_exists(m->dir, "words"));
}

static char *file(struct machine *m, const char *name)
{
	struct buf b = BUF(65536);
	struct err e = {};
	assert_int_equal(path_read(m->dir, name, &b, &e), 0);
	return buf_take(&b);
}

static void loaded_once(void **state)
{
	struct machine *m = *state;
	struct err e = {};
	give_parser(m, "echo 'hull-default (enforce)' >>profiles");
	assert_int_equal(apparmor_need(&m->place, "mine", &e), 0);
	assert_false(path_exists(m->dir, "words"));
	for (int i = 0; i < 2; i++)
		if (apparmor_need(&m->place, APPARMOR_PROFILE, &e) < 0)
			fail_msg("%s", e.text);
	own(mem) char *words = file(m, "words"), *text = file(m, "text");
	assert_string_equal(words, "--replace --skip-cache\n");
	own(buf) struct buf want = BUF(65536);
	apparmor_write_profile("unconfined", &want);
	assert_string_equal(text, buf_text(&want));
}

static void not_loaded(void **state)
{
	struct machine *m = *state;
	struct err e = {};
	assert_int_equal(apparmor_need(&m->place, APPARMOR_PROFILE, &e), -1);
	assert_non_null(strstr(e.text, "apparmor_parser is missing"));
	give_parser(m, "echo 'Permission denied; attempted to load a profile'; echo more; exit 243");
	assert_int_equal(apparmor_need(&m->place, APPARMOR_PROFILE, &e), -1);
	assert_int_equal(e.kind, ERR_SYSTEM);
	assert_non_null(strstr(e.text, "Permission denied; attempted to load a profile)"));
	assert_non_null(strstr(e.text, "apparmor=unconfined"));
	/* A parser that does not read is no broken pipe. */
	put(m, "parser", "#!/bin/sh\nexit 1\n", 0755);
	assert_int_equal(apparmor_need(&m->place, APPARMOR_PROFILE, &e), -1);
}

/* Signals of a hull that is confined itself reach its containers. */
static void under_a_profile(void **state)
{
	struct machine *m = *state;
	struct err e = {};
	static const struct { const char *current, *want; } rows[] = {{"/usr/bin/hull (enforce)\n", "  signal (receive) peer=\"/usr/bin/hull\",\n"},
		{"a (b) c (complain)", "  signal (receive) peer=\"a (b) c\",\n"}, {"un\"quoted (enforce)\n", "  signal (receive) peer=\"un\",\n"}};
	give_parser(m, "exit 0");
	for (size_t i = 0; i < countof(rows); i++) {
		put(m, "current", rows[i].current, 0644);
		assert_int_equal(apparmor_need(&m->place, APPARMOR_PROFILE, &e), 0);
		own(mem) char *text = file(m, "text");
		assert_non_null(strstr(text, rows[i].want));
	}
}

static void the_text(void **state)
{
	(void)state;
	static const char *const lines[] = {"  file,\n", "  network,\n", "  capability,\n", "  umount,\n", "  deny mount,\n",
		"  signal (receive) peer=unconfined,\n", "  signal (send, receive) peer=hull-default,\n",
		"  ptrace (trace, read, tracedby, readby) peer=hull-default,\n", "  deny /proc/sysrq-trigger rwklx,\n",
		"  deny /proc/sys/kernel/[^s]** w,\n", "  deny /sys/firmware/** rwklx,\n", "  deny /sys/kernel/security/** rwklx,\n"};
	own(buf) struct buf text = BUF(65536);
	apparmor_write_profile(NULL, &text);
	const char *t = buf_text(&text);
	assert_int_equal(strncmp(t, "profile hull-default flags=(attach_disconnected, mediate_deleted) {\n", 68), 0);
	assert_string_equal(t + strlen(t) - 2, "}\n");
	for (size_t i = 0; i < countof(lines); i++)
		if (!strstr(t, lines[i]))
			fail_msg("the profile has no line %s", lines[i]);
	assert_null(strstr(t, "peer=\""));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {T(without_apparmor), T(without_parser), T(with_both), T(loaded_once), T(not_loaded),
		T(under_a_profile), cmocka_unit_test(the_text)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
