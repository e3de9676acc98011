/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics: from files as kernels with every controller have them, and of a container on this machine. */
#include "t_runtime_box.h"

#include "t_runtime_group.h"

#include "runtime/cgroup_stats.h"

static void fill_v2(struct group *g)
{
	static const char *const files[][2] = {
		{"cpu.stat", "usage_usec 300\nuser_usec 200\nsystem_usec 100\nnr_periods 7\nnr_throttled 3\nthrottled_usec 9\nnr_bursts 2\nburst_usec 4\n"},
		{"memory.current", "5000\n"}, {"memory.max", "8000\n"}, {"memory.peak", "6000\n"}, {"memory.swap.current", "100\n"},
		{"memory.swap.max", "1000\n"}, {"memory.events", "low 1\nhigh 2\nmax 3\noom 4\noom_kill 5\noom_group_kill 6\n"},
		{"memory.stat", "anon 10\nfile 20\nkernel 30\ninactive_file 7\n"}, {"pids.current", "4\n"}, {"pids.max", "max\n"},
		{"io.stat", "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n8:16 \n253:1 rbytes=10 wbytes=20 rios=30 wios=40\n"},
		{"cpuset.cpus.effective", "0-2,5\n"}, {"cpuset.mems.effective", "0\n"}, {"hugetlb.2MB.current", "2097152\n"},
		{"hugetlb.2MB.events", "max 9\n"}, {"hugetlb.2MB.rsvd.current", "1\n"}, {"hugetlb.1GB.current", "0\n"},
		{"rdma.max", "mlx4_0 hca_handle=2 hca_object=2000\nocrdma1 hca_handle=3 hca_object=max\n"},
		{"rdma.current", "mlx4_0 hca_handle=1 hca_object=20\n"}, {"misc.current", "res_a 3\nres_b 0\n"}, {"misc.events", "res_a.max 8\n"},
		{"cpu.pressure", "some avg10=1.50 avg60=0.25 avg300=0.00 total=77\nfull avg10=0.00 avg60=0.00 avg300=0.10 total=5\n"},
		{"io.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=1\n"},
	};
	for (size_t i = 0; i < countof(files); i++)
		group_file(g, files[i][0], files[i][1]);
}

static const struct cgroup_hugetlb *pages(const struct cgroup_stats *s, const char *size)
{
	for (size_t i = 0; i < s->hugetlb.n; i++)
		if (strcmp(s->hugetlb.v[i].page_size, size) == 0)
			return &s->hugetlb.v[i];
	fail();
	return NULL;
}

static void v2_files(void **state)
{
	struct group *g = *state;
	own(cgroup_stats) struct cgroup_stats s = {};
	fill_v2(g);
	cgroup_stats_read_v2(g->dir, &s);
	assert_int_equal(s.cpu.total_ns, 300000);
	assert_int_equal(s.cpu.user_ns, 200000);
	assert_int_equal(s.cpu.kernel_ns, 100000);
	assert_int_equal(s.cpu.periods, 7);
	assert_int_equal(s.cpu.throttled_periods, 3);
	assert_int_equal(s.cpu.throttled_ns, 9000);
	assert_int_equal(s.cpu.bursts, 2);
	assert_int_equal(s.cpu.burst_ns, 4000);
	assert_true(s.cpu.pressure.known && s.cpu.pressure.some.avg10 == 1.5 && s.cpu.pressure.some.total_us == 77);
	assert_true(s.cpu.pressure.full.avg300 == 0.1 && s.cpu.pressure.full.total_us == 5);
	assert_true(s.io.pressure.known && s.io.pressure.some.total_us == 1);
	assert_false(s.memory.pressure.known);
	assert_int_equal(s.memory.use.usage, 5000);
	assert_int_equal(s.memory.use.limit, 8000);
	assert_int_equal(s.memory.use.max, 6000);
	assert_int_equal(s.memory.use.failcnt, 3);
	assert_int_equal(s.memory.swap_only.usage, 100);
	assert_int_equal(s.memory.swap.usage, 5100);
	assert_int_equal(s.memory.swap.limit, 9000);
	assert_int_equal(s.memory.cache, 20);
	assert_int_equal(s.memory.inactive_file, 7);
	assert_int_equal(s.memory.kernel.usage, 30);
	assert_int_equal(s.memory.raw.n, 4);
	assert_string_equal(s.memory.raw.v[1].key, "file");
	assert_int_equal(s.memory.events.oom, 4);
	assert_int_equal(s.memory.events.oom_kill, 5);
	assert_int_equal(s.memory.events.oom_group_kill, 6);
	assert_int_equal(s.pids.current, 4);
	assert_true(s.pids.limit == UINT64_MAX);
	assert_int_equal(s.io.bytes.n, 4);
	assert_int_equal(s.io.bytes.v[3].major, 253);
	assert_int_equal(s.io.bytes.v[3].minor, 1);
	assert_string_equal(s.io.bytes.v[3].op, "Write");
	assert_int_equal(s.io.bytes.v[3].value, 20);
	assert_int_equal(s.io.serviced.v[0].value, 3);
	assert_int_equal(s.io.read_bytes, 11);
	assert_int_equal(s.io.write_bytes, 22);
	assert_int_equal(s.cpuset.cpus.n, 4);
	assert_int_equal(s.cpuset.cpus.v[3], 5);
	assert_int_equal(s.hugetlb.n, 2);
	assert_int_equal(pages(&s, "2MB")->usage, 2097152);
	assert_int_equal(pages(&s, "2MB")->failcnt, 9);
	assert_int_equal(s.rdma.limit.n, 2);
	assert_string_equal(s.rdma.limit.v[0].device, "mlx4_0");
	assert_int_equal(s.rdma.limit.v[0].hca_objects, 2000);
	assert_true(s.rdma.limit.v[1].hca_objects == UINT64_MAX);
	assert_int_equal(s.rdma.current.v[0].hca_handles, 1);
	assert_int_equal(s.misc.n, 2);
	assert_int_equal(s.misc.v[0].usage, 3);
	assert_int_equal(s.misc.v[0].events, 8);
}

/* What is not there is nothing, and what is damaged does no harm. */
static void v2_without(void **state)
{
	struct group *g = *state;
	own(cgroup_stats) struct cgroup_stats s = {};
	own(cgroup_stats) struct cgroup_stats odd = {};
	cgroup_stats_read_v2(g->dir, &s);
	assert_int_equal(s.cpu.total_ns, 0);
	assert_int_equal(s.memory.raw.n + s.io.bytes.n + s.hugetlb.n + s.rdma.limit.n + s.misc.n + s.cpuset.cpus.n, 0);
	assert_true(s.pids.limit == UINT64_MAX);
	static const char *const files[] = {"cpu.stat", "memory.current", "memory.stat", "io.stat", "cpuset.cpus.effective", "rdma.max", "cpu.pressure",
		"hugetlb.2MB.current", "misc.current"};
	for (size_t i = 0; i < countof(files); i++)
		group_file(g, files[i], "\n\n  \nx\n-1 -2\nsome\nfull avg10=x\n1-\n7:x rbytes\n=\n");
	cgroup_stats_read_v2(g->dir, &odd);
	assert_int_equal(odd.cpu.total_ns, 0);
	assert_int_equal(odd.memory.use.usage, 0);
	assert_int_equal(odd.io.bytes.n, 0);
}

static void v1_files(void **state)
{
	struct group *g = *state;
	own(cgroup_stats) struct cgroup_stats s = {};
	static const char *const files[][2] = {{"cpuacct.usage", "100\n"}, {"cpuacct.usage_user", "60\n"}, {"cpuacct.usage_sys", "40\n"},
		{"cpuacct.usage_percpu", "30 70 \n"}, {"cpuacct.usage_all", "cpu user system\n0 20 10\n1 40 30\n"},
		{"cpu.stat", "nr_periods 5\nnr_throttled 2\nthrottled_time 12345\n"},
		{"memory.usage_in_bytes", "4096\n"}, {"memory.limit_in_bytes", "9223372036854771712\n"}, {"memory.max_usage_in_bytes", "8192\n"},
		{"memory.failcnt", "3\n"}, {"memory.memsw.usage_in_bytes", "5000\n"}, {"memory.memsw.limit_in_bytes", "6000\n"},
		{"memory.kmem.usage_in_bytes", "11\n"}, {"memory.kmem.tcp.usage_in_bytes", "12\n"}, {"memory.stat", "cache 5\nrss 6\ntotal_inactive_file 2\n"},
		{"memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"},
		{"blkio.bfq.io_service_bytes", "Total 0\n"}, {"blkio.bfq.io_service_bytes_recursive", "Total 0\n"},
		{"blkio.throttle.io_service_bytes_recursive", "8:0 Read 1\n8:0 Write 2\n8:0 Total 3\nTotal 3\n"},
		{"blkio.throttle.io_serviced", "8:0 Read 4\nTotal 4\n"}, {"cpuset.cpus", "1,3\n"}, {"cpuset.mems", "0\n"},
		{"cpuset.sched_load_balance", "1\n"}, {"cpuset.sched_relax_domain_level", "-1\n"},
		{"hugetlb.2MB.usage_in_bytes", "1\n"}, {"hugetlb.2MB.max_usage_in_bytes", "2\n"}, {"hugetlb.2MB.failcnt", "3\n"},
		{"hugetlb.2MB.rsvd.usage_in_bytes", "9\n"}, {"pids.current", "2\n"}, {"pids.max", "30\n"}};
	int dirs[CGROUPFS_ROWS];
	for (size_t i = 0; i < countof(files); i++)
		group_file(g, files[i][0], files[i][1]);
	for (int i = 0; i < CGROUPFS_ROWS; i++)
		dirs[i] = i == CGROUPFS_V2 ? -1 : g->dir;
	cgroup_stats_read_v1(dirs, &s);
	assert_int_equal(s.cpu.total_ns, 100);
	assert_int_equal(s.cpu.percpu_ns.n, 2);
	assert_int_equal(s.cpu.percpu_ns.v[1], 70);
	assert_int_equal(s.cpu.percpu_user_ns.v[1], 40);
	assert_int_equal(s.cpu.percpu_kernel_ns.v[0], 10);
	assert_int_equal(s.cpu.throttled_ns, 12345);
	assert_true(cgroup_is_unlimited(s.memory.use.limit));
	assert_int_equal(s.memory.use.failcnt, 3);
	assert_int_equal(s.memory.swap.usage, 5000);
	assert_int_equal(s.memory.swap_only.usage, 904);
	assert_int_equal(s.memory.kernel.usage, 11);
	assert_int_equal(s.memory.kernel_tcp.usage, 12);
	assert_int_equal(s.memory.cache, 5);
	assert_int_equal(s.memory.inactive_file, 2);
	assert_int_equal(s.memory.events.oom_kill, 2);
	/* The family that counts. */
	assert_int_equal(s.io.bytes.n, 3);
	assert_string_equal(s.io.bytes.v[2].op, "Total");
	assert_int_equal(s.io.serviced.n, 1);
	assert_int_equal(s.io.write_bytes, 2);
	assert_int_equal(s.cpuset.cpus.n, 2);
	assert_int_equal(s.cpuset.cpus.v[1], 3);
	assert_int_equal(s.cpuset.sched_load_balance, 1);
	assert_int_equal(s.cpuset.sched_relax_domain_level, -1);
	assert_int_equal(s.hugetlb.n, 1);
	assert_int_equal(s.hugetlb.v[0].max, 2);
	assert_int_equal(s.hugetlb.v[0].failcnt, 3);
	assert_int_equal(s.pids.limit, 30);
}

static void of_a_container(void **state)
{
	struct box *b = *state;
	struct container c;
	own(fd) int out = -1;
	own(cgroup_stats) struct cgroup_stats s = {};
	char up[3];
	if (cgroup_machine_mode() == CGROUP_NONE)
		skip();
	script(b, "i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done; dd if=/dev/zero of=/dev/shm/x bs=64k count=16 2>/dev/null; echo up; sleep 60");
	assert_int_equal(launch(b, &c, &out), 0);
	assert_int_equal(fd_read_full(out, up, 3), 3);
	if (cgroup_stats(&c.cgroup, &s, &b->e) < 0)
		fail_msg("%s", b->e.text);
	if (cgroup_has_controller("cpuacct") || cgroup_machine_mode() == CGROUP_V2)
		assert_true(s.cpu.total_ns > 0);
	if (cgroup_has_controller("memory"))
		assert_true(s.memory.use.usage >= 1 << 20 && s.memory.raw.n > 10 && s.memory.cache >= 1 << 20);
	assert_true(s.pids.current >= 1);
	assert_true(cgroup_machine_mode() != CGROUP_V2 || !path_exists(AT_FDCWD, "/sys/fs/cgroup/cpu.pressure") || s.cpu.pressure.known);
	kill(c.pid, SIGKILL);
	reap(&c);
	struct cgroup none = {.v2 = -1};
	assert_int_equal(cgroup_stats(&none, &s, &b->e), -1);
	assert_int_equal(b->e.kind, ERR_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest files[] = {GROUP_TEST(v2_files), GROUP_TEST(v2_without), GROUP_TEST(v1_files)};
	const struct CMUnitTest here[] = {BOX_TEST(of_a_container)};
	int failed = cmocka_run_group_tests_name("files", files, NULL, NULL);
	int status = box_main();
	return failed ? 1 : status ? status : cmocka_run_group_tests_name("machine", here, NULL, NULL);
}
