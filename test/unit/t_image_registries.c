/* SPDX-License-Identifier: Apache-2.0 */
/*
 * registries.conf: which places are asked for a name, in which order, under which name there.
 */
#include "image/registries.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

static const char conf[] = "unqualified-search-registries = ['quay.io', 'docker.io']\n"
			   "[[registry]]\nprefix = 'docker.io'\nlocation = 'docker.io'\n"
			   "[[registry.mirror]]\nlocation = 'mirror.example:5000/hub'\ninsecure = true\n"
			   "[[registry.mirror]]\nlocation = 'digests.example'\npull-from-mirror = 'digest-only'\n"
			   "[[registry.mirror]]\nlocation = 'tags.example'\npull-from-mirror = 'tag-only'\n"
			   "[[registry]]\nprefix = 'docker.io/library/secret'\nblocked = true\nlocation = 'docker.io/library/secret'\n"
			   "[[registry]]\nprefix = 'old.example/team'\nlocation = 'new.example:8443/other/team'\ninsecure = true\n"
			   "[[registry]]\nprefix = '*.wild.example'\ninsecure = true\nlocation = ''\n"
			   "[[registry]]\nprefix = '*.deep.wild.example'\nblocked = true\n"
			   "[[registry]]\nprefix = 'a.deep.wild.example'\n"
			   "[[registry]]\nprefix = '*.moved.example'\nlocation = 'new.example/moved'\n[[registry.mirror]]\nlocation = 'near.example'\n"
			   "[[registry]]\nlocation = 'tagged.example/x:bad'\nblocked = true\n"
			   "[[registry]]\nprefix = 'tagged.example/x:moved'\nlocation = 'new.example/y:moved'\n"
			   "[[registry.mirror]]\nlocation = 'near.example/z'\n"
			   "[[registry]]\nprefix = 'tagged.example/x@sha256:" ZEROS "'\nlocation = 'new.example/by/digest'\n"
			   "[aliases]\nfedora = 'registry.fedoraproject.org/fedora'\n";

static void load(struct registries *r)
{
	struct err e = {};
	/* an empty location is not one */
	own(mem) char *text = mem_dup(conf);
	char *empty = strstr(text, "location = ''\n");
	memset(empty, ' ', strlen("location = ''"));
	if (registries_parse(text, strlen(text), "test.conf", r, &e) < 0)
		fail_msg("%s", e.text);
}

static void check(const struct registries *r, const char *name, bool pull, const char *expected)
{
	own(arena) struct arena a = {};
	own(buf) struct buf b = {};
	struct endpoints places = {};
	struct ref ref;
	struct err e = {};
	assert_int_equal(ref_parse(name, &ref, &e), 0);
	if (registries_resolve(r, &ref, pull, &a, &places, &e) < 0)
		buf_printf(&b, "%s", e.text);
	for (size_t i = 0; i < places.n; i++)
		buf_printf(&b, "%s%s/%s%s%s", i ? " " : "", places.v[i].registry, places.v[i].repository, places.v[i].insecure ? "!" : "",
			places.v[i].ns ? "~" : "");
	assert_string_equal(buf_text(&b), expected);
}

static void test_places(void **state unused)
{
	struct registries r = {};
	load(&r);
	check(&r, "nginx", true, "mirror.example:5000/hub/library/nginx!~ tags.example/library/nginx~ docker.io/library/nginx");
	check(&r, "nginx@sha256:" ZEROS, true, "mirror.example:5000/hub/library/nginx!~ digests.example/library/nginx~ docker.io/library/nginx");
	check(&r, "nginx", false, "docker.io/library/nginx");
	check(&r, "secret", true, "registry docker.io/library/secret is blocked by test.conf");
	check(&r, "secrets", true, "mirror.example:5000/hub/library/secrets!~ tags.example/library/secrets~ docker.io/library/secrets");
	check(&r, "old.example/team/app", true, "new.example:8443/other/team/app!");
	check(&r, "old.example/teams/app", true, "old.example/teams/app");
	check(&r, "a.b.wild.example/x", true, "a.b.wild.example/x!");
	check(&r, "wild.example/x", true, "wild.example/x");
	check(&r, "a.wild.example:5000/x", true, "a.wild.example:5000/x!");
	check(&r, "b.deep.wild.example/x", true, "registry *.deep.wild.example is blocked by test.conf");
	check(&r, "b.deep.wild.example:5000/x", true, "registry *.deep.wild.example is blocked by test.conf");
	check(&r, "a.deep.wild.example/x", true, "a.deep.wild.example/x");
	check(&r, "a.moved.example/t/x", true, "near.example/t/x~ new.example/moved/t/x");
	check(&r, "a.moved.example:5000/x", false, "new.example/moved/x");
	check(&r, "quay.io/x/y", true, "quay.io/x/y");
	check(&r, "tagged.example/x:bad", true, "registry tagged.example/x:bad is blocked by test.conf");
	check(&r, "tagged.example/x:badly", true, "tagged.example/x");
	check(&r, "tagged.example/x:moved", true, "near.example/z~ new.example/y");
	check(&r, "tagged.example/x@sha256:" ZEROS, true, "new.example/by/digest");
	check(&r, "tagged.example/x/moved", true, "tagged.example/x/moved");
	registries_drop(&r);
}

static void check_names(const struct registries *r, const char *text, const char *expected)
{
	own(strv) struct strv names = {};
	own(buf) struct buf b = {};
	struct err e = {};
	assert_int_equal(registries_names(r, text, &names, &e), 0);
	for (size_t i = 0; i < names.n; i++)
		buf_printf(&b, "%s%s", i ? " " : "", names.v[i]);
	assert_string_equal(buf_text(&b), expected);
}

static void test_short_names(void **state unused)
{
	struct registries r = {}, none = {};
	load(&r);
	check_names(&r, "nginx:1", "quay.io/nginx:1 nginx:1");
	check_names(&r, "team/app", "quay.io/team/app team/app");
	check_names(&r, "fedora:40", "registry.fedoraproject.org/fedora:40");
	check_names(&r, "localhost/x", "localhost/x");
	check_names(&r, "localhost:5000/x", "localhost:5000/x");
	check_names(&r, "x@sha256:" ZEROS, "quay.io/x@sha256:" ZEROS " x@sha256:" ZEROS);
	check_names(&none, "fedora:40", "fedora:40");
	registries_drop(&r);
}

static void test_later_files_win(void **state unused)
{
	static const char more[] = "unqualified-search-registries = []\n[[registry]]\nlocation = 'docker.io'\n";
	struct registries r = {};
	struct err e = {};
	load(&r);
	assert_int_equal(registries_parse(more, strlen(more), "more.conf", &r, &e), 0);
	check(&r, "nginx", true, "docker.io/library/nginx");
	check_names(&r, "fedora", "registry.fedoraproject.org/fedora");
	check_names(&r, "debian", "debian");
	registries_drop(&r);
}

static void test_refused(void **state unused)
{
	static const char *const rows[] = {"[[registry]]\ninsecure = true\n", "[[registry]]\nlocation = 'https://x'\n", "[[registry]]\nlocation = 'x/'\n",
		"[[registry]]\nlocation = 7\n", "[registries.search]\nregistries = ['x']\n", "unqualified-search-registries = ['http://x']\n",
		"[[registry]]\nlocation = 'x'\n[[registry.mirror]]\ninsecure = true\n",
		"[[registry]]\nlocation = 'x'\n[[registry.mirror]]\nlocation = 'y'\npull-from-mirror = 'never'\n", "x",
		"[[registry]]\nprefix = '*.x.example/y:1'\n", "[[registry]]\nprefix = 'x.example/y:'\n", "[[registry]]\nprefix = 'x.example/y@z'\n",
		"[[registry]]\nprefix = 'x.example/y'\nlocation = 'x.example/y:1'\n", "[[registry]]\nprefix = 'x.example/y:1'\nlocation = 'x.example/y:2'\n"};
	for (size_t i = 0; i < countof(rows); i++) {
		struct registries r = {};
		struct err e = {};
		if (registries_parse(rows[i], strlen(rows[i]), "bad.conf", &r, &e) == 0)
			fail_msg("taken: %s", rows[i]);
		if (!strstr(e.text, "bad.conf"))
			fail_msg("%s: %s", rows[i], e.text);
		registries_drop(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_short_names),
		cmocka_unit_test(test_later_files_win),
		cmocka_unit_test(test_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
