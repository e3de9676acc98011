/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Libraries that are missing: the error says what to install; gzip does without libisal. Nothing here opens
 * libisal before the test that hides it.
 */
#include "base/dynlib.h"

#include "base/buf.h"
#include "base/path.h"
#include "codec/stream.h"

#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void missing(void **state)
{
	(void)state;
	static struct {
		DYNLIB_FN(strlen);
		DYNLIB_FN(strnlen);
	} fn;
	static const struct dynlib_symbol good[] = {DYNLIB_SYMBOL(fn, strlen)}, bad[] = {{"no_such_function", &fn.strnlen}};
	struct dynlib none = {"libhull-none.so.9", "libhull-none9", good, 1}, libc = {"libc.so.6", "libc6", good, 1},
		      old = {"libc.so.6", "libc6", bad, 1};
	struct err e = {};
	for (int i = 0; i < 2; i++) {
		assert_int_equal(dynlib_open(&none, &e), -1);
		assert_int_equal(e.kind, ERR_UNSUPPORTED);
		assert_string_equal(e.text, "libhull-none.so.9 is missing: install the package libhull-none9");
		assert_int_equal(dynlib_open(&old, &e), -1);
		assert_string_equal(e.text, "libc.so.6 has no no_such_function: install a newer package libc6");
		assert_int_equal(dynlib_open(&libc, &e), 0);
		assert_int_equal(fn.strlen("four"), 4);
	}
}

static bool is_mapped(const char *library)
{
	struct err e = {};
	own(buf) struct buf maps = {};
	return path_read(AT_FDCWD, "/proc/self/maps", &maps, &e) == 0 && strstr(buf_text(&maps), library);
}

static int gunzip(const char *want)
{
	/* "text\n" by gzip */
	static const char text[] = "\x1f\x8b\x08\0\0\0\0\0\0\3\x2b\x49\xad\x28\xe1\2\0\x27\xda\xec\x37\5\0\0\0";
	struct err e = {};
	own(buf) struct buf out = {};
	own(stream) struct stream *in = stream_memory(text, sizeof text - 1), *s = NULL;
	if (stream_decompress(in, &s, NULL, &e) < 0 || stream_to_buf(s, &out, &e) < 0)
		fprintf(stderr, "%s\n", e.text);
	return strcmp(buf_text(&out), "text\n") == 0 && is_mapped(want) ? 0 : 1;
}

/* /dev/null over every libisal.so.2 that the loader could find, in a mount namespace of its own. */
static int hide_isal(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -1;
	FILE *f = popen("/sbin/ldconfig -p | sed -n 's/.*libisal.so.2 .*=> //p'", "r");
	char path[4096];
	while (f && fgets(path, sizeof path, f)) {
		path[strcspn(path, "\n")] = 0;
		if (mount("/dev/null", path, NULL, MS_BIND, NULL) < 0)
			return -1;
	}
	return f ? pclose(f) : -1;
}

static void without_isal(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		print_message("only root can hide a library\n");
		skip();
	}
	pid_t pid = fork();
	if (pid == 0)
		_exit(hide_isal() != 0 ? 2 : is_mapped("libisal") ? 3 : gunzip("libz.so") || is_mapped("libisal.so"));
	int status = -1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(missing), cmocka_unit_test(without_isal)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
