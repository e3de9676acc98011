/* SPDX-License-Identifier: Apache-2.0 */
#include "t_runtime_box.h"

static void ends_with_the_status(void **state)
{
	struct box *b = *state;
	script(b, "exit 7");
	assert_int_equal(run(b), 7);
	script(b, "kill -9 $$; sleep 1");
	/* The first process of a PID namespace cannot kill itself. */
	assert_int_equal(run(b), 0);
	assert_string_equal(shell(b, "echo $X"), "y");
}

int main(void)
{
	const struct CMUnitTest tests[] = {BOX_TEST(ends_with_the_status)};
	int skipped = box_main(tests, countof(tests));
	return skipped ? skipped : cmocka_run_group_tests(tests, NULL, NULL);
}
