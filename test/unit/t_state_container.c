/* SPDX-License-Identifier: Apache-2.0 */
/* Names of containers: one for one, whoever is quicker, and whatever a dead process left. */
#include "state/container.h"

#include "base/fd.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct store { char path[64]; int root, run; struct containers c; };

static int setup(void **state)
{
	struct store *s = calloc(1, sizeof *s);
	struct err e = {};
	snprintf(s->path, sizeof s->path, "/tmp/t_state.XXXXXX");
	if (!mkdtemp(s->path) || (s->root = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 || mkdirat(s->root, "run", 0700) < 0 ||
		(s->run = openat(s->root, "run", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return -1;
	*state = s;
	return containers_open(&s->c, s->root, s->run, &e);
}

static int teardown(void **state)
{
	struct store *s = *state;
	struct err e = {};
	containers_drop(&s->c);
	close(s->run);
	close(s->root);
	int r = path_remove_tree(AT_FDCWD, s->path, &e);
	free(s);
	return r;
}

static const char *id_of(char c, char out[65])
{
	memset(out, c, 64);
	out[64] = 0;
	return out;
}

/* A container with a record. */
static void make(struct store *s, char c)
{
	char id[65];
	struct err e = {};
	own(fd) int dir = -1, lock = -1;
	assert_int_equal(containers_make(&s->c, id_of(c, id), &dir, &lock, &e), 0);
	assert_int_equal(path_write(dir, "config.json", "{}", 2, 0600, 0, &e), 0);
}

static void check_name(struct store *s, const char *name, char c)
{
	char id[65], want[65];
	struct err e = {};
	assert_int_equal(containers_find(&s->c, name, id, &e), 0);
	assert_string_equal(id, id_of(c, want));
}

static void one_for_one(void **state)
{
	struct store *s = *state;
	char a[65], b[65];
	struct err e = {};
	make(s, 'a');
	make(s, 'b');
	assert_int_equal(containers_take_name(&s->c, "web", id_of('a', a), &e), 0);
	assert_int_equal(containers_take_name(&s->c, "web", id_of('b', b), &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_non_null(strstr(e.text, "the name \"web\" is in use by container aaaaaaaaaaaa"));
	assert_false(containers_free_name(&s->c, "web", b));
	check_name(s, "web", 'a');
	assert_true(containers_free_name(&s->c, "web", a));
	assert_int_equal(containers_take_name(&s->c, "web", b, &e), 0);
	check_name(s, "web", 'b');
}

/* Its container is gone, is half made, or it is no name of a container at all. */
static void left_by_the_dead(void **state)
{
	struct store *s = *state;
	char a[65], b[65];
	struct err e = {};
	make(s, 'a');
	id_of('a', a);
	assert_int_equal(symlinkat(id_of('b', b), s->c.names, "gone"), 0);
	assert_int_equal(mkdirat(s->c.root, id_of('c', b), 0711), 0);
	assert_int_equal(symlinkat(b, s->c.names, "half"), 0);
	assert_int_equal(symlinkat("elsewhere", s->c.names, "odd"), 0);
	static const char *const names[] = {"gone", "half", "odd"};
	for (size_t i = 0; i < countof(names); i++) {
		assert_int_equal(containers_take_name(&s->c, names[i], a, &e), 0);
		check_name(s, names[i], 'a');
	}
	assert_false(path_exists(s->c.root, b));
}

/* One that is being made is not half made. */
static void in_the_making(void **state)
{
	struct store *s = *state;
	char a[65], b[65];
	struct err e = {};
	own(fd) int dir = -1, lock = -1;
	make(s, 'a');
	assert_int_equal(containers_make(&s->c, id_of('b', b), &dir, &lock, &e), 0);
	assert_int_equal(containers_take_name(&s->c, "web", b, &e), 0);
	assert_int_equal(containers_take_name(&s->c, "web", id_of('a', a), &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	check_name(s, "web", 'b');
}

enum { CROWD = 4, ROUNDS = 400 };

struct racer { struct store *s; pthread_barrier_t *barrier; char c; int got[ROUNDS]; };

static void *race(void *arg)
{
	struct racer *r = arg;
	char id[65], name[20];
	id_of(r->c, id);
	for (int i = 0; i < ROUNDS; i++) {
		struct err e = {};
		snprintf(name, sizeof name, "name%d", i);
		pthread_barrier_wait(r->barrier);
		r->got[i] = containers_take_name(&r->s->c, name, id, &e) == 0 ? 1 : e.kind == ERR_CONFLICT ? 0 : -1;
	}
	return NULL;
}

static void all_at_once(void **state)
{
	struct store *s = *state;
	static struct racer racers[CROWD];
	pthread_t threads[CROWD];
	pthread_barrier_t barrier;
	char dead[65], name[20];
	id_of('f', dead);
	for (int i = 0; i < ROUNDS; i++) {
		snprintf(name, sizeof name, "name%d", i);
		assert_int_equal(symlinkat(dead, s->c.names, name), 0);
	}
	pthread_barrier_init(&barrier, NULL, CROWD);
	for (int k = 0; k < CROWD; k++) {
		racers[k] = (struct racer){.s = s, .barrier = &barrier, .c = (char)('a' + k)};
		make(s, racers[k].c);
		assert_int_equal(pthread_create(&threads[k], NULL, race, &racers[k]), 0);
	}
	for (int k = 0; k < CROWD; k++)
		pthread_join(threads[k], NULL);
	pthread_barrier_destroy(&barrier);
	for (int i = 0; i < ROUNDS; i++) {
		int winner = -1;
		for (int k = 0; k < CROWD; k++) {
			assert_int_not_equal(racers[k].got[i], -1);
			if (racers[k].got[i]) {
				if (winner >= 0)
					fail_msg("round %d: %c and %c have the name", i, racers[winner].c, racers[k].c);
				winner = k;
			}
		}
		assert_true(winner >= 0);
		snprintf(name, sizeof name, "name%d", i);
		check_name(s, name, racers[winner].c);
	}
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {CASE(one_for_one), CASE(left_by_the_dead), CASE(in_the_making), CASE(all_at_once)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
