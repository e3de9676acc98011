/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/program.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char script[] = "/tmp/hull-program.XXXXXX";

static int run(const char *body, const char *input, size_t max, struct buf *out, char *words, int *status, struct err *e)
{
	static char path[] = "PATH=/usr/bin:/bin", word[] = "WORD=hello";
	static char *env[] = {path, word, NULL};
	FILE *f = fopen(script, "w");
	assert_non_null(f);
	fprintf(f, "#!/bin/sh\n%s\n", body);
	fclose(f);
	assert_int_equal(chmod(script, 0700), 0);
	*out = BUF(max);
	const struct program p = {.path = script, .env = env, .input = input, .input_len = strlen(input), .seconds = strstr(body, "sleep") ? 1 : 60};
	return program_run(&p, out, words, status, e);
}

static void what_it_does(void **state)
{
	(void)state;
	static const struct {
		const char *body, *input;
		size_t max;
		int result, status;
		const char *out, *words;
		int sys;
	} rows[] = {
		{"cat; echo $WORD; echo more >&2", "text ", 100, 0, 0, "text hello\n", "more\n", 0},
		{"exit 7", "", 100, 0, 7, "", "", 0},
		{"kill -9 $$", "", 100, 0, 128 + 9, "", "", 0},
		{"echo begun; sleep 1000", "", 100, -1, 0, "begun\n", "", ETIMEDOUT},
		{"while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxx; done", "", 100, -1, 0, "", "", 0},
		/* What it leaves behind holds nobody up, and ends with it. */
		{"(exec sleep 1000) & echo done", "", 100, 0, 0, "done\n", "", 0},
	};
	for (size_t i = 0; i < countof(rows); i++) {
		own(buf) struct buf out = {};
		char words[PROGRAM_WORDS];
		struct err e = {};
		int status = -1;
		assert_int_equal(run(rows[i].body, rows[i].input, rows[i].max, &out, words, &status, &e), rows[i].result);
		if (rows[i].result == 0)
			assert_int_equal(status, rows[i].status);
		if (*rows[i].out)
			assert_string_equal(buf_text(&out), rows[i].out);
		assert_string_equal(words, rows[i].words);
		assert_int_equal(e.sys, rows[i].sys);
		/* The first process of a PID namespace gets what its children leave behind. */
		if (getpid() != 1)
			assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	}
	unlink(script);
}

static void what_cannot_be_executed(void **state)
{
	(void)state;
	own(buf) struct buf out = BUF(100);
	char words[PROGRAM_WORDS];
	struct err e = {};
	int status;
	char *env[] = {NULL};
	const struct program p = {.path = "/nowhere/at/all", .env = env, .input = "", .seconds = 60};
	assert_int_equal(program_run(&p, &out, words, &status, &e), -1);
	assert_int_equal(e.sys, ENOENT);
	assert_non_null(strstr(e.text, "/nowhere/at/all"));
}

int main(void)
{
	int fd = mkstemp(script);
	assert_true(fd >= 0);
	close(fd);
	const struct CMUnitTest tests[] = {cmocka_unit_test(what_it_does), cmocka_unit_test(what_cannot_be_executed)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
