/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics under runc's keys. */
#include "oci/stats_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void same(const struct cgroup_stats *s, const char *expected)
{
	own(json) struct json *j = oci_stats_json(s);
	own(buf) struct buf b = {};
	json_format(j, 0, &b);
	assert_string_equal(buf_text(&b), expected);
}

static void empty(void **state)
{
	(void)state;
	struct cgroup_stats s = {.pids.limit = UINT64_MAX, .memory.use.limit = UINT64_MAX};
	same(&s, "{\"cpu\":{\"usage\":{\"kernel\":0,\"user\":0},\"throttling\":{}},\"cpuset\":{\"cpu_exclusive\":0,\"mem_hardwall\":0,\"mem_exclusive\":0,"
		"\"memory_migrate\":0,\"memory_spread_page\":0,\"memory_spread_slab\":0,\"memory_pressure\":0,\"sched_load_balance\":0,"
		"\"sched_relax_domain_level\":0},\"memory\":{\"usage\":{\"limit\":18446744073709551615,\"failcnt\":0},\"swap\":{\"limit\":0,\"failcnt\":0},"
		"\"kernel\":{\"limit\":0,\"failcnt\":0},\"kernelTCP\":{\"limit\":0,\"failcnt\":0}},\"pids\":{},\"blkio\":{},\"hugetlb\":{},\"intel_rdt\":{},"
		"\"network_interfaces\":null}");
}

static void full(void **state)
{
	(void)state;
	uint64_t percpu[] = {1, 2}, kernel[] = {3}, user[] = {4};
	uint32_t cpus[] = {0, 3}, mems[] = {0};
	char read[] = "Read", none[] = "", size[] = "2MB", key[] = "file";
	struct cgroup_io bytes[] = {{8, 0, read, 7}, {0, 0, none, 0}};
	struct cgroup_count raw[] = {{key, 20}};
	struct cgroup_hugetlb huge[] = {{size, 1, 2, 3}};
	struct cgroup_stats s = {
		.cpu = {.total_ns = 9, .percpu_ns = {percpu, 2}, .percpu_kernel_ns = {kernel, 1}, .percpu_user_ns = {user, 1}, .kernel_ns = 5, .user_ns = 6,
			.periods = 1, .throttled_periods = 2, .throttled_ns = 3, .pressure = {true, {1.5, 0.25, 0, 7}, {0, 0, 0.1, 8}}},
		.cpuset = {.cpus = {cpus, 2}, .mems = {mems, 1}, .sched_load_balance = 1, .sched_relax_domain_level = -1},
		.memory = {.use = {1, 2, 3, 4}, .swap = {5, 6, 7, 8}, .kernel = {9, 0, 0, 0}, .cache = 10, .raw = {raw, 1}, .pressure = {.known = true}},
		.pids = {3, 30}, .io = {.bytes = {bytes, 2}}, .hugetlb = {huge, 1},
	};
	same(&s, "{\"cpu\":{\"usage\":{\"total\":9,\"percpu\":[1,2],\"percpu_kernel\":[3],\"percpu_user\":[4],\"kernel\":5,\"user\":6},"
		"\"throttling\":{\"periods\":1,\"throttledPeriods\":2,\"throttledTime\":3},\"psi\":{\"some\":{\"avg10\":1.5,\"avg60\":0.25,\"avg300\":0,"
		"\"total\":7},\"full\":{\"avg10\":0,\"avg60\":0,\"avg300\":0.1,\"total\":8}}},\"cpuset\":{\"cpus\":[0,3],\"cpu_exclusive\":0,\"mems\":[0],"
		"\"mem_hardwall\":0,\"mem_exclusive\":0,\"memory_migrate\":0,\"memory_spread_page\":0,\"memory_spread_slab\":0,\"memory_pressure\":0,"
		"\"sched_load_balance\":1,\"sched_relax_domain_level\":-1},\"memory\":{\"cache\":10,"
		"\"usage\":{\"limit\":4,\"usage\":1,\"max\":2,\"failcnt\":3},"
		"\"swap\":{\"limit\":8,\"usage\":5,\"max\":6,\"failcnt\":7},\"kernel\":{\"limit\":0,\"usage\":9,\"failcnt\":0},"
		"\"kernelTCP\":{\"limit\":0,\"failcnt\":0},\"raw\":{\"file\":20},\"psi\":{\"some\":{\"avg10\":0,\"avg60\":0,\"avg300\":0,\"total\":0},"
		"\"full\":{\"avg10\":0,\"avg60\":0,\"avg300\":0,\"total\":0}}},\"pids\":{\"current\":3,\"limit\":30},"
		"\"blkio\":{\"ioServiceBytesRecursive\":[{\"major\":8,\"op\":\"Read\",\"value\":7},{}]},"
		"\"hugetlb\":{\"2MB\":{\"usage\":1,\"max\":2,\"failcnt\":3}},"
		"\"intel_rdt\":{},\"network_interfaces\":null}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(empty), cmocka_unit_test(full)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
