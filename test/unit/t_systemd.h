/* SPDX-License-Identifier: Apache-2.0 */
/*
 * t_systemd: a process that stands for systemd on a bus of its own: it writes down what it is asked for, one line a call and one a
 * property, and puts processes into the groups of their scopes. Made of libsystemd's server side, which every Debian has.
 *
 * Needs a mount namespace of the test's own: /run/systemd/system is made in it.
 */
#pragma once

#include "base/dynlib.h"
#include "base/fd.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct fake_bus fake_bus;
typedef struct fake_message fake_message;
extern int sd_bus_new(fake_bus **ret);
extern int sd_bus_set_fd(fake_bus *bus, int in, int out);
extern int sd_bus_set_server(fake_bus *bus, int on, const unsigned char id[16]);
extern int sd_bus_start(fake_bus *bus);
extern int sd_bus_add_filter(fake_bus *bus, void *slot, int (*f)(fake_message *m, void *data, void *error), void *data);
extern int sd_bus_process(fake_bus *bus, fake_message **m);
extern int sd_bus_wait(fake_bus *bus, uint64_t usec);
extern int sd_bus_flush(fake_bus *bus);
extern fake_bus *sd_bus_unref(fake_bus *bus);
extern fake_bus *sd_bus_message_get_bus(fake_message *m);
extern const char *sd_bus_message_get_member(fake_message *m);
extern int sd_bus_message_read(fake_message *m, const char *types, ...);
extern int sd_bus_message_read_basic(fake_message *m, char type, void *p);
extern int sd_bus_message_peek_type(fake_message *m, char *type, const char **contents);
extern int sd_bus_message_enter_container(fake_message *m, char type, const char *contents);
extern int sd_bus_message_exit_container(fake_message *m);
extern int sd_bus_message_new_method_return(fake_message *call, fake_message **m);
extern int sd_bus_message_new_method_errorf(fake_message *call, fake_message **m, const char *name, const char *fmt, ...);
extern int sd_bus_message_new_signal(fake_bus *bus, fake_message **m, const char *path, const char *interface, const char *member);
extern int sd_bus_message_append(fake_message *m, const char *types, ...);
extern int sd_bus_message_set_sender(fake_message *m, const char *sender);
extern int sd_bus_send(fake_bus *bus, fake_message *m, uint64_t *cookie);
extern fake_message *sd_bus_message_unref(fake_message *m);

static struct {
	DYNLIB_FN(sd_bus_new);
	DYNLIB_FN(sd_bus_set_fd);
	DYNLIB_FN(sd_bus_set_server);
	DYNLIB_FN(sd_bus_start);
	DYNLIB_FN(sd_bus_add_filter);
	DYNLIB_FN(sd_bus_process);
	DYNLIB_FN(sd_bus_wait);
	DYNLIB_FN(sd_bus_flush);
	DYNLIB_FN(sd_bus_unref);
	DYNLIB_FN(sd_bus_message_get_bus);
	DYNLIB_FN(sd_bus_message_get_member);
	DYNLIB_FN(sd_bus_message_read);
	DYNLIB_FN(sd_bus_message_read_basic);
	DYNLIB_FN(sd_bus_message_peek_type);
	DYNLIB_FN(sd_bus_message_enter_container);
	DYNLIB_FN(sd_bus_message_exit_container);
	DYNLIB_FN(sd_bus_message_new_method_return);
	DYNLIB_FN(sd_bus_message_new_method_errorf);
	DYNLIB_FN(sd_bus_message_new_signal);
	DYNLIB_FN(sd_bus_message_append);
	DYNLIB_FN(sd_bus_message_set_sender);
	DYNLIB_FN(sd_bus_send);
	DYNLIB_FN(sd_bus_message_unref);
} fb;
#define FAKE(f) DYNLIB_SYMBOL(fb, f)
static const struct dynlib_symbol fake_symbols[] = {FAKE(sd_bus_new), FAKE(sd_bus_set_fd), FAKE(sd_bus_set_server), FAKE(sd_bus_start),
	FAKE(sd_bus_add_filter), FAKE(sd_bus_process), FAKE(sd_bus_wait), FAKE(sd_bus_flush), FAKE(sd_bus_unref), FAKE(sd_bus_message_get_bus),
	FAKE(sd_bus_message_get_member), FAKE(sd_bus_message_read), FAKE(sd_bus_message_read_basic), FAKE(sd_bus_message_peek_type),
	FAKE(sd_bus_message_enter_container), FAKE(sd_bus_message_exit_container), FAKE(sd_bus_message_new_method_return),
	FAKE(sd_bus_message_new_method_errorf), FAKE(sd_bus_message_new_signal), FAKE(sd_bus_message_append), FAKE(sd_bus_message_set_sender),
	FAKE(sd_bus_send), FAKE(sd_bus_message_unref)};
static struct dynlib fake_library = {"libsystemd.so.0", "libsystemd0", fake_symbols, countof(fake_symbols)};

struct fake {
	char dir[64];
	pid_t pid;
};
/* What the process keeps. */
static FILE *fake_log;
static char fake_units[64][256], fake_slice[256];
static uint32_t fake_pids[16];
static size_t fake_npids;

unused static bool fake_is_there(void)
{
	struct err e = {};
	return dynlib_open(&fake_library, &e) == 0;
}

static int fake_unit(const char *unit)
{
	for (size_t i = 0; i < countof(fake_units); i++)
		if (strcmp(fake_units[i], unit) == 0)
			return (int)i;
	return -1;
}

/* Prints a value; remembers what the groups are made of. */
static void fake_value(fake_message *m, const char *name)
{
	char type;
	const char *contents;
	while (fb.sd_bus_message_peek_type(m, &type, &contents) > 0) {
		union { const char *s; uint64_t t; uint32_t u; uint16_t q; uint8_t y; double d; } v = {};
		if (strchr("avre", type)) {
			fb.sd_bus_message_enter_container(m, type, contents);
			fake_value(m, name);
			fb.sd_bus_message_exit_container(m);
			continue;
		}
		fb.sd_bus_message_read_basic(m, type, &v);
		switch (type) {
		case 's': case 'o': fprintf(fake_log, " %s", v.s); break;
		case 'd': fprintf(fake_log, " %g", v.d); break;
		case 'b': fprintf(fake_log, " %s", v.u ? "true" : "false"); break;
		case 'y': fprintf(fake_log, " %u", v.y); break;
		case 'n': fprintf(fake_log, " %d", (int16_t)v.q); break;
		case 'q': fprintf(fake_log, " %u", v.q); break;
		case 'u': fprintf(fake_log, " %u", v.u); break;
		case 'i': fprintf(fake_log, " %d", (int)v.u); break;
		case 'x': fprintf(fake_log, " %lld", (long long)v.t); break;
		default: fprintf(fake_log, " %llu", (unsigned long long)v.t); break;
		}
		if (strcmp(name, "Slice") == 0)
			snprintf(fake_slice, sizeof fake_slice, "%s", v.s);
		if (strcmp(name, "PIDs") == 0 && fake_npids < countof(fake_pids))
			fake_pids[fake_npids++] = v.u;
	}
}

static void fake_properties(fake_message *m)
{
	fb.sd_bus_message_enter_container(m, 'a', "(sv)");
	while (fb.sd_bus_message_enter_container(m, 'r', "sv") > 0) {
		const char *name, *contents;
		char type;
		fb.sd_bus_message_read(m, "s", &name);
		fb.sd_bus_message_peek_type(m, &type, &contents);
		fprintf(fake_log, "%s %s", name, contents);
		fb.sd_bus_message_enter_container(m, 'v', contents);
		fake_value(m, name);
		fb.sd_bus_message_exit_container(m);
		fb.sd_bus_message_exit_container(m);
		fprintf(fake_log, "\n");
	}
	fb.sd_bus_message_exit_container(m);
}

/* A slice is one level here. */
static void fake_group(const char *unit)
{
	static const char *const roots[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/memory"};
	struct err e = {};
	for (size_t r = 0; r < countof(roots); r++) {
		char path[800], pid[16];
		snprintf(path, sizeof path, "%s/cgroup.procs", roots[r]);
		if (access(path, F_OK) < 0)
			continue;
		snprintf(path, sizeof path, "%s/%s/%s", roots[r], fake_slice, unit);
		(void)!path_mkdirs(AT_FDCWD, path, 0755, &e);
		strcat(path, "/cgroup.procs");
		for (size_t i = 0; i < fake_npids; i++) {
			snprintf(pid, sizeof pid, "%u", fake_pids[i]);
			(void)!path_put(AT_FDCWD, path, pid, &e);
		}
	}
}

static void fake_remove(const char *unit)
{
	static const char *const roots[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/memory"};
	for (size_t r = 0; r < countof(roots); r++) {
		char path[800];
		snprintf(path, sizeof path, "%s/%s/%s", roots[r], fake_slice, unit);
		rmdir(path);
		snprintf(path, sizeof path, "%s/%s", roots[r], fake_slice);
		rmdir(path);
	}
}

static void fake_send(fake_bus *bus, fake_message *m)
{
	/* Who gets the answer looks at what was written down. */
	fflush(fake_log);
	fb.sd_bus_send(bus, m, NULL);
	fb.sd_bus_message_unref(m);
}

/* Answers with a job, which ends at once: with "done", or as the unit's name wants it. */
static void fake_job(fake_message *call, const char *unit)
{
	static unsigned number;
	fake_bus *bus = fb.sd_bus_message_get_bus(call);
	fake_message *m = NULL;
	char path[64];
	snprintf(path, sizeof path, "/org/freedesktop/systemd1/job/%u", ++number);
	fb.sd_bus_message_new_method_return(call, &m);
	fb.sd_bus_message_append(m, "o", path);
	fake_send(bus, m);
	for (int i = 0; i < 2; i++) {
		/* Another's job is no news. */
		fb.sd_bus_message_new_signal(bus, &m, "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", "JobRemoved");
		fb.sd_bus_message_append(m, "uoss", number, i ? path : "/org/freedesktop/systemd1/job/0", unit,
			!i || strstr(unit, "fails") ? "failed" : "done");
		fb.sd_bus_message_set_sender(m, "org.freedesktop.systemd1");
		fake_send(bus, m);
	}
}

static void fake_refuse(fake_message *call, const char *name, const char *text)
{
	fake_message *m = NULL;
	fb.sd_bus_message_new_method_errorf(call, &m, name, "%s", text);
	fake_send(fb.sd_bus_message_get_bus(call), m);
}

static int fake_call(fake_message *m, void *data unused, void *error unused)
{
	const char *member = fb.sd_bus_message_get_member(m), *unit = "", *mode = "";
	fake_message *reply = NULL;
	int runtime;
	if (!member)
		return 0;
	bool start = strcmp(member, "StartTransientUnit") == 0, stop = strcmp(member, "StopUnit") == 0, set = strcmp(member, "SetUnitProperties") == 0;
	if (start || stop)
		fb.sd_bus_message_read(m, "ss", &unit, &mode);
	else if (set)
		fb.sd_bus_message_read(m, "sb", &unit, &runtime);
	else if (strcmp(member, "ResetFailedUnit") == 0)
		fb.sd_bus_message_read(m, "s", &unit);
	if (*unit)
		fprintf(fake_log, "%s %s%s%s\n", member, unit, *mode ? " " : "", mode);
	int known = *unit ? fake_unit(unit) : -1;
	if (start) {
		fake_npids = 0;
		fake_properties(m);
		if (known >= 0)
			return fake_refuse(m, "org.freedesktop.systemd1.UnitExists", "Unit exists already."), 1;
		if (!strstr(unit, "fails"))
			snprintf(fake_units[fake_unit("")], sizeof fake_units[0], "%s", unit);
		fake_group(unit);
		fake_job(m, unit);
	} else if (stop && known < 0) {
		fake_refuse(m, "org.freedesktop.systemd1.NoSuchUnit", "Unit not loaded.");
	} else if (stop) {
		fake_remove(unit);
		fake_units[known][0] = 0;
		fake_job(m, unit);
	} else {
		if (set)
			fake_properties(m);
		fb.sd_bus_message_new_method_return(m, &reply);
		if (strcmp(member, "Hello") == 0)
			fb.sd_bus_message_append(reply, "s", ":1.1");
		if (strcmp(member, "Get") == 0)
			fb.sd_bus_message_append(reply, "v", "s", "v252.3-fake");
		fake_send(fb.sd_bus_message_get_bus(m), reply);
	}
	return 1;
}

static void fake_serve(int sock)
{
	static const unsigned char id[16] = {1};
	fake_bus *bus = NULL;
	fb.sd_bus_new(&bus);
	fb.sd_bus_set_fd(bus, sock, sock);
	fb.sd_bus_set_server(bus, 1, id);
	fb.sd_bus_add_filter(bus, NULL, fake_call, NULL);
	fb.sd_bus_start(bus);
	for (int r = 0; r >= 0;) {
		r = fb.sd_bus_process(bus, NULL);
		if (r == 0)
			r = fb.sd_bus_wait(bus, UINT64_MAX);
	}
	fb.sd_bus_unref(bus);
}

/* In the caller's mount namespace, which must be his alone. Returns the socket. */
static int fake_listen(struct fake *f)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	char text[128];
	assert_true(fake_is_there());
	snprintf(f->dir, sizeof f->dir, "/tmp/hull-systemd-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	assert_true(mkdir("/run/systemd", 0755) == 0 || errno == EEXIST);
	assert_int_equal(mount("tmpfs", "/run/systemd", "tmpfs", 0, NULL), 0);
	assert_int_equal(mkdir("/run/systemd/system", 0755), 0);
	snprintf(a.sun_path, sizeof a.sun_path, "%s/bus", f->dir);
	snprintf(text, sizeof text, "unix:path=%s", a.sun_path);
	setenv("DBUS_SYSTEM_BUS_ADDRESS", text, 1);
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(sock, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(sock, 8), 0);
	snprintf(text, sizeof text, "%s/log", f->dir);
	fake_log = fopen(text, "we");
	assert_non_null(fake_log);
	fflush(NULL);
	return sock;
}

/* Serves one after another, until there is something to be read from `end`, if it is one. */
static void fake_loop(int sock, int end)
{
	for (;;) {
		struct pollfd p[2] = {{.fd = sock, .events = POLLIN}, {.fd = end, .events = POLLIN}};
		if (poll(p, 2, -1) < 0 || p[1].revents)
			return;
		int client = accept4(sock, NULL, NULL, SOCK_CLOEXEC);
		if (client >= 0)
			fake_serve(client);
	}
}

unused static void fake_open(struct fake *f)
{
	int sock = fake_listen(f);
	f->pid = fork();
	if (f->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fake_loop(sock, -1);
		_exit(0);
	}
	close(sock);
	fclose(fake_log);
}

unused static void fake_close(struct fake *f)
{
	struct err e = {};
	kill(f->pid, SIGKILL);
	waitpid(f->pid, NULL, 0);
	umount2("/run/systemd", MNT_DETACH);
	(void)!path_remove_tree(AT_FDCWD, f->dir, &e);
}

/* Runs the test program again, as a child whose children are its own, and serves until it ends. Its status. */
unused static int fake_exec(const char *program, const char *word)
{
	struct fake f = {};
	struct err e = {};
	int sock = fake_listen(&f), status = 0;
	setenv("HULL_TEST_SYSTEMD", f.dir, 1);
	f.pid = fork();
	if (f.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl("/proc/self/exe", program, word, NULL);
		_exit(98);
	}
	fake_loop(sock, (int)syscall(SYS_pidfd_open, f.pid, 0));
	waitpid(f.pid, &status, 0);
	(void)!path_remove_tree(AT_FDCWD, f.dir, &e);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 97;
}

/* What was asked for since the last time. */
unused static char *fake_take(struct fake *f)
{
	char path[96];
	own(buf) struct buf b = {};
	struct err e = {};
	snprintf(path, sizeof path, "%s/log", f->dir);
	assert_int_equal(path_read(AT_FDCWD, path, &b, &e), 0);
	static size_t seen;
	char *all = buf_take(&b), *text = mem_dup(all + seen);
	seen = strlen(all);
	free(all);
	return text;
}
