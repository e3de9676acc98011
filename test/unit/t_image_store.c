/* SPDX-License-Identifier: Apache-2.0 */
#include "image/store.h"

#include "base/fd.h"
#include "base/path.h"
#include "codec/digest.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
	char path[64];
	int root;
	struct store store;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	struct err e = {};
	snprintf(f->path, sizeof f->path, "/tmp/t_image_store.XXXXXX");
	if (!mkdtemp(f->path))
		return -1;
	f->root = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = f;
	return store_open(&f->store, f->root, &e);
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	struct err e = {};
	store_drop(&f->store);
	close(f->root);
	int r = path_remove_tree(AT_FDCWD, f->path, &e);
	free(f);
	return r;
}

struct made {
	char id[DIGEST_TEXT], manifest[DIGEST_TEXT], layer[DIGEST_TEXT];
};

/* An image whose config, manifest and layer are all made of `seed`. */
static void add(struct store *s, const char *seed, const char *created, const char *const *names, const char *const *digests, struct made *m)
{
	struct err e = {};
	char config[512], manifest[64];
	assert_int_equal(digest_of(seed, strlen(seed), m->layer, &e), 0);
	snprintf(config, sizeof config,
		"{\"created\":\"%s\",\"architecture\":\"amd64\",\"os\":\"linux\","
		"\"config\":{\"Cmd\":[\"%s\"]},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"%s\"]}}",
		created, seed, m->layer);
	snprintf(manifest, sizeof manifest, "manifest %s", seed);
	assert_int_equal(digest_of(config, strlen(config), m->id, &e), 0);
	assert_int_equal(digest_of(manifest, strlen(manifest), m->manifest, &e), 0);
	char *layers[] = {m->layer, NULL};
	struct image_record r = {.id = m->id, .manifest = m->manifest, .diff_ids = {layers, 1}, .created = (char *)(uintptr_t)created, .size = 7};
	for (; names && *names; names++)
		strv_add(&r.names, *names);
	for (; digests && *digests; digests++)
		strv_add(&r.digests, *digests);
	struct store_blob blobs[] = {{m->id, config, strlen(config)}, {m->manifest, manifest, strlen(manifest)}};
	if (store_put(s, &r, blobs, 2, &e) < 0)
		fail_msg("%s", e.text);
	strv_drop(&r.names);
	strv_drop(&r.digests);
}
#define NAMES(...) ((const char *const[]){__VA_ARGS__, NULL})

/* What store_find() says: the id, or the kind of the error as text. */
static const char *find(struct store *s, const char *text, char out[DIGEST_TEXT])
{
	own(image) struct image i = {};
	struct err e = {};
	if (store_find(s, text, &i, &e) < 0)
		return err_map(e.kind)->word;
	snprintf(out, DIGEST_TEXT, "%s", i.record.id);
	return out;
}

static void finding(void **state)
{
	struct fixture *f = *state;
	struct made a, b;
	char id[DIGEST_TEXT], text[200];
	add(&f->store, "a", "2024-01-01T00:00:00Z", NAMES("docker.io/library/a:latest", "r.io/x/a:1"), NULL, &a);
	add(&f->store, "b", "2025-01-01T00:00:00Z", NULL, NULL, &b);
	assert_string_equal(find(&f->store, "a", id), a.id);
	assert_string_equal(find(&f->store, "docker.io/a", id), a.id);
	assert_string_equal(find(&f->store, "r.io/x/a:1", id), a.id);
	assert_string_equal(find(&f->store, a.id, id), a.id);
	assert_string_equal(find(&f->store, digest_hex(b.id), id), b.id);
	snprintf(text, sizeof text, "%.12s", digest_hex(b.id));
	assert_string_equal(find(&f->store, text, id), b.id);
	snprintf(text, sizeof text, "sha256:%.12s", digest_hex(b.id));
	assert_string_equal(find(&f->store, text, id), b.id);
	assert_string_equal(find(&f->store, "r.io/x/a", id), "not found");
	assert_string_equal(find(&f->store, "0000000", id), "not found");
	assert_string_equal(find(&f->store, "UPPER/x:y", id), "usage");
	assert_string_equal(find(&f->store, "a/../b", id), "usage");
	own(image) struct image i = {};
	struct err e = {};
	assert_int_equal(store_find(&f->store, "a", &i, &e), 0);
	assert_string_equal(i.config.config.cmd.v[0], "a");
	assert_int_equal(i.record.names.n, 2);
	assert_int_equal(store_find(&f->store, "none", &i, &e), -1);
	assert_string_equal(e.text, "no such image: none");
}

static void ambiguous(void **state)
{
	struct fixture *f = *state;
	static const char *const ids[] = {"sha256:abcd000000000000000000000000000000000000000000000000000000000001",
		"sha256:abcd000000000000000000000000000000000000000000000000000000000002"};
	char id[DIGEST_TEXT], path[128], text[200];
	struct err e = {};
	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof path, "images/%s.json", digest_hex(ids[i]));
		snprintf(text, sizeof text, "{\"id\":\"%s\"}", ids[i]);
		assert_int_equal(path_write(f->root, path, text, strlen(text), 0, 0, &e), 0);
	}
	assert_string_equal(find(&f->store, "abcd", id), "conflict");
}

static void moving(void **state)
{
	struct fixture *f = *state;
	struct made a, b;
	char id[DIGEST_TEXT];
	struct err e = {};
	add(&f->store, "a", "2024-01-01T00:00:00Z", NAMES("docker.io/library/x:latest"), NULL, &a);
	add(&f->store, "b", "2024-01-01T00:00:00Z", NAMES("docker.io/library/x:latest"), NULL, &b);
	assert_string_equal(find(&f->store, "x", id), b.id);
	own(image) struct image old = {};
	assert_int_equal(store_find(&f->store, a.id, &old, &e), 0);
	assert_int_equal(old.record.names.n, 0);
	struct ref name;
	assert_int_equal(ref_parse("x:2", &name, &e), 0);
	assert_int_equal(store_tag(&f->store, a.id, &name, &e), 0);
	assert_string_equal(find(&f->store, "x:2", id), a.id);
	/* The same image again keeps its names. */
	add(&f->store, "a", "2024-01-01T00:00:00Z", NAMES("docker.io/library/y:latest"), NULL, &a);
	own(image) struct image both = {};
	assert_int_equal(store_find(&f->store, "y", &both, &e), 0);
	assert_int_equal(both.record.names.n, 2);
	/* One name of several moves: the others stay. */
	assert_int_equal(store_tag(&f->store, b.id, &name, &e), 0);
	assert_string_equal(find(&f->store, "x:2", id), b.id);
	assert_string_equal(find(&f->store, "y", id), a.id);
	own(image) struct image rest = {};
	assert_int_equal(store_find(&f->store, a.id, &rest, &e), 0);
	assert_int_equal(rest.record.names.n, 1);
	assert_int_equal(store_tag(&f->store, "sha256:0000000000000000000000000000000000000000000000000000000000000000", &name, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
}

static void untagging(void **state)
{
	struct fixture *f = *state;
	struct made a;
	struct ref name;
	struct err e = {};
	char id[DIGEST_TEXT], digest[300];
	size_t left = 99;
	snprintf(digest, sizeof digest, "r.io/x@sha256:1111111111111111111111111111111111111111111111111111111111111111");
	add(&f->store, "a", "2024-01-01T00:00:00Z", NAMES("r.io/x:1", "r.io/x:2", "r.io/y:1"), NAMES(digest), &a);
	assert_string_equal(find(&f->store, digest, id), a.id);
	assert_int_equal(ref_parse("r.io/x:1", &name, &e), 0);
	assert_int_equal(store_untag(&f->store, &name, &left, &e), 0);
	assert_int_equal(left, 3);
	assert_int_equal(store_untag(&f->store, &name, &left, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	assert_int_equal(ref_parse("r.io/x:2", &name, &e), 0);
	assert_int_equal(store_untag(&f->store, &name, &left, &e), 0);
	assert_int_equal(left, 1);
	assert_string_equal(find(&f->store, digest, id), "not found");
	assert_int_equal(ref_parse("r.io/y:1", &name, &e), 0);
	assert_int_equal(store_untag(&f->store, &name, &left, &e), 0);
	assert_int_equal(left, 0);
	assert_string_equal(find(&f->store, a.id, id), a.id);
}

static void removing(void **state)
{
	struct fixture *f = *state;
	struct made a, b, shared;
	struct err e = {};
	own(strv) struct strv layers = {};
	char id[DIGEST_TEXT];
	add(&f->store, "a", "2024-01-01T00:00:00Z", NAMES("r.io/x:1"), NULL, &a);
	add(&f->store, "b", "2024-01-01T00:00:00Z", NAMES("r.io/x:2"), NULL, &b);
	/* Another image of the same layer. */
	add(&f->store, "a", "2023-01-01T00:00:00Z", NAMES("r.io/x:3"), NULL, &shared);
	assert_string_equal(a.layer, shared.layer);
	assert_int_equal(store_remove(&f->store, a.id, &layers, &e), 0);
	assert_int_equal(layers.n, 0);
	assert_string_equal(find(&f->store, "r.io/x:1", id), "not found");
	assert_false(store_has_blob(&f->store, a.id));
	assert_true(store_has_blob(&f->store, a.manifest)); /* shared names it too */
	assert_int_equal(store_remove(&f->store, shared.id, &layers, &e), 0);
	assert_int_equal(layers.n, 1);
	assert_string_equal(layers.v[0], a.layer);
	assert_false(store_has_blob(&f->store, a.manifest));
	assert_true(store_has_blob(&f->store, b.id));
	assert_int_equal(store_remove(&f->store, a.id, &layers, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
}

static void blobs(void **state)
{
	struct fixture *f = *state;
	char digest[DIGEST_TEXT], path[DIGEST_TEXT + 16];
	struct err e = {};
	own(buf) struct buf b = {};
	assert_int_equal(digest_of("x", 1, digest, &e), 0);
	assert_int_equal(store_put_blob(&f->store, digest, "y", 1, &e), -1);
	assert_int_equal(e.kind, ERR_CORRUPT);
	assert_int_equal(store_put_blob(&f->store, "sha256:../../x", "y", 1, &e), -1);
	assert_int_equal(store_put_blob(&f->store, digest, "x", 1, &e), 0);
	/* Spoilt on the disk: the next put mends it. */
	snprintf(path, sizeof path, "blobs/sha256/%s", digest_hex(digest));
	assert_int_equal(path_write(f->root, path, "", 0, 0, 0, &e), 0);
	assert_int_equal(store_put_blob(&f->store, digest, "x", 1, &e), 0);
	assert_int_equal(store_get_blob(&f->store, digest, 10, &b, &e), 0);
	assert_string_equal(b.data, "x");
	assert_int_equal(store_put_blob(&f->store,
		"sha512:a4abd4448c49562d828115d13a1fccea927f52b4d5459297f8b43e42da89238bc13626e43dcb38ddb082488927ec904fb42057443983e88585179d50551afe62",
		"x", 1, &e), 0);
	struct image_record r = {.id = (char *)(uintptr_t)"sha256:1111111111111111111111111111111111111111111111111111111111111111"};
	assert_int_equal(store_add(&f->store, &r, &e), -1); /* no config */
}

static int count(void *arg, const struct image *i, struct err *e)
{
	(void)e;
	struct buf *b = arg;
	buf_printf(b, "%s ", i->config.config.cmd.v[0]);
	return 0;
}

static void listing(void **state)
{
	struct fixture *f = *state;
	struct made m, gone;
	struct err e = {};
	own(buf) struct buf order = {};
	size_t bad = 99;
	add(&f->store, "old", "2020-01-01T00:00:00Z", NULL, NULL, &m);
	add(&f->store, "new", "2025-01-01T00:00:00+02:00", NULL, NULL, &m);
	add(&f->store, "mid", "2024-12-31T21:00:00Z", NULL, NULL, &m);
	assert_int_equal(store_each(&f->store, count, &order, &bad, &e), 0);
	assert_string_equal(order.data, "new mid old ");
	assert_int_equal(bad, 0);
	/* A record that is no JSON is skipped and counted, the others stay. */
	add(&f->store, "bad", "2026-01-01T00:00:00Z", NULL, NULL, &gone);
	char path[200];
	snprintf(path, sizeof path, "images/%s.json", digest_hex(gone.id));
	assert_int_equal(path_write(f->root, path, "{", 1, 0, 0, &e), 0);
	buf_reset(&order);
	assert_int_equal(store_each(&f->store, count, &order, &bad, &e), 0);
	assert_string_equal(order.data, "new mid old ");
	assert_int_equal(bad, 1);
}

static void long_names(void **state)
{
	struct fixture *f = *state;
	struct made a, b;
	char one[420], two[420], id[DIGEST_TEXT];
	memset(one, 'a', sizeof one);
	memcpy(one, "r.io/", 5);
	one[240] = ':';
	one[241 + 128] = 0;
	strcpy(two, one);
	two[300] = 'b';
	add(&f->store, "a", "2020-01-01T00:00:00Z", NAMES(one), NULL, &a);
	add(&f->store, "b", "2020-01-01T00:00:00Z", NAMES(two), NULL, &b);
	assert_string_equal(find(&f->store, one, id), a.id);
	assert_string_equal(find(&f->store, two, id), b.id);
}

/* A writer is killed at any point, again and again: the store stays usable, and what it says is true. */
static void killed(void **state)
{
	struct fixture *f = *state;
	struct made a, b;
	char id[DIGEST_TEXT];
	struct err e = {};
	add(&f->store, "a", "2020-01-01T00:00:00Z", NAMES("r.io/x:1"), NULL, &a);
	add(&f->store, "b", "2020-01-01T00:00:00Z", NAMES("r.io/x:1"), NULL, &b);
	for (int i = 0; i < 60; i++) {
		pid_t pid = fork();
		if (pid == 0)
			for (;;) {
				struct store s;
				struct made m;
				if (store_open(&s, f->root, &e) < 0)
					_exit(1);
				add(&s, i & 1 ? "a" : "b", "2020-01-01T00:00:00Z", NAMES("r.io/x:1"), NULL, &m);
				add(&s, i & 1 ? "b" : "a", "2020-01-01T00:00:00Z", NAMES("r.io/x:1"), NULL, &m);
				store_drop(&s);
			}
		usleep((useconds_t)(i * 331 % 9000));
		kill(pid, SIGKILL);
		int status;
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		const char *found = find(&f->store, "r.io/x:1", id);
		assert_true(strcmp(found, a.id) == 0 || strcmp(found, b.id) == 0);
		own(image) struct image x = {};
		own(image) struct image y = {};
		assert_int_equal(store_find(&f->store, a.id, &x, &e), 0);
		assert_int_equal(store_find(&f->store, b.id, &y, &e), 0);
		assert_int_equal(x.record.names.n + y.record.names.n, 1);
	}
}

/* Two processes add and remove at once: no call fails but for the image being gone. */
static void together(void **state)
{
	struct fixture *f = *state;
	pid_t pids[3];
	for (int k = 0; k < 3; k++) {
		pids[k] = fork();
		if (pids[k])
			continue;
		struct store s;
		struct err e = {};
		int bad = store_open(&s, f->root, &e);
		for (int i = 0; i < 40 && !bad; i++) {
			struct made m;
			own(strv) struct strv layers = {};
			own(image) struct image found = {};
			add(&s, k == 2 ? "b" : "a", "2020-01-01T00:00:00Z", NAMES("r.io/x:1"), NULL, &m);
			if (store_find(&s, "r.io/x:1", &found, &e) < 0)
				bad |= e.kind != ERR_NOT_FOUND;
			if (store_remove(&s, m.id, &layers, &e) < 0)
				bad |= e.kind != ERR_NOT_FOUND;
		}
		_exit(bad ? 1 : 0);
	}
	for (int k = 0; k < 3; k++) {
		int status;
		assert_int_equal(waitpid(pids[k], &status, 0), pids[k]);
		assert_int_equal(status, 0);
	}
}

static void half_written(void **state)
{
	struct fixture *f = *state;
	static const char *const left[] = {"images/x.json.tmp-1-1", "images/names/%tmp-1", "blobs/sha256/x.tmp-1-1"};
	struct err e = {};
	struct made m;
	struct strv layers = {};
	char orphan[DIGEST_TEXT];
	for (size_t i = 0; i < countof(left); i++)
		assert_int_equal(path_write(f->root, left[i], "x", 1, 0, 0, &e), 0);
	/* The blob of a pull that was killed before the record. */
	assert_int_equal(digest_of("o", 1, orphan, &e), 0);
	assert_int_equal(store_put_blob(&f->store, orphan, "o", 1, &e), 0);
	add(&f->store, "a", "2020-01-01T00:00:00Z", NAMES("docker.io/library/a.tmp-1-1:x.tmp-1-1"), NULL, &m);
	for (size_t i = 0; i < countof(left); i++)
		assert_false(path_exists(f->root, left[i]));
	own(image) struct image found = {};
	assert_int_equal(store_find(&f->store, "a.tmp-1-1:x.tmp-1-1", &found, &e), 0);
	assert_true(store_has_blob(&f->store, orphan));
	assert_int_equal(store_remove(&f->store, m.id, &layers, &e), 0);
	assert_false(store_has_blob(&f->store, orphan));
	strv_drop(&layers);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {T(finding), T(ambiguous), T(moving), T(untagging), T(removing), T(blobs), T(listing), T(long_names),
		T(killed), T(together), T(half_written)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
