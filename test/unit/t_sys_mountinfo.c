/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/mountinfo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cmocka.h>

static void lines(void **state)
{
	(void)state;
	own(mountinfo) struct mountinfo m = {};
	struct err e = {};
	assert_int_equal(mountinfo_parse("36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n"
		"4096 36 0:300 / /a\\040b\\134c\\011 rw - tmpfs none rw\n"
		"5 36 0:7 /\\1 /x rw shared:3 master:2 unbindable - proc proc rw\n", &m, &e), 0);
	assert_int_equal(m.n, 3);
	assert_true(m.v[0].id == 36 && m.v[0].parent == 35 && m.v[0].dev == makedev(98, 0));
	assert_string_equal(m.v[0].root, "/mnt1");
	assert_string_equal(m.v[0].point, "/mnt2");
	assert_string_equal(m.v[0].type, "ext3");
	assert_true(m.v[1].dev == makedev(0, 300));
	assert_string_equal(m.v[1].point, "/a b\\c\t");
	assert_string_equal(m.v[2].root, "/\\1");
	assert_string_equal(m.v[2].type, "proc");
	assert_ptr_equal(mountinfo_find(&m, 4096), &m.v[1]);
	assert_null(mountinfo_find(&m, 35));
}

static void refuses(void **state)
{
	(void)state;
	static const char *const bad[] = {"36", "36 35 98:0 / /mnt", "36 35 98:0 / / rw master:1 ext3 /dev/root rw", "36 35 98 / / rw - ext3 x rw",
		"36 35 98:0 / / rw -"};
	for (size_t i = 0; i < countof(bad); i++) {
		own(mountinfo) struct mountinfo m = {};
		struct err e = {};
		if (mountinfo_parse(bad[i], &m, &e) == 0)
			fail_msg("taken for a mount: %s", bad[i]);
		assert_int_equal(e.kind, ERR_CORRUPT);
	}
}

static void own_mounts(void **state)
{
	(void)state;
	own(mountinfo) struct mountinfo m = {};
	struct err e = {};
	struct statx st;
	assert_int_equal(mountinfo_read("/proc/self/mountinfo", &m, &e), 0);
	assert_int_equal(statx(AT_FDCWD, "/proc", 0, STATX_MNT_ID, &st), 0);
	const struct mountinfo_row *row = mountinfo_find(&m, st.stx_mnt_id);
	assert_non_null(row);
	assert_string_equal(row->point, "/proc");
	assert_string_equal(row->type, "proc");
	assert_true(row->dev == makedev(st.stx_dev_major, st.stx_dev_minor));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(lines), cmocka_unit_test(refuses), cmocka_unit_test(own_mounts)};
	return cmocka_run_group_tests_name("sys/mountinfo", tests, NULL, NULL);
}
