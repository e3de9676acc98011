/* SPDX-License-Identifier: Apache-2.0 */
/* Limits as the files of a v2 group get them, and those of this machine's v1 groups changed while a container runs. */
#include "t_runtime_box.h"
#include "t_runtime_group.h"
#include "t_runtime_unified.h"

#include "runtime/cgroup_stats.h"


static void put(struct group *g, const struct spec_resources *r)
{
	if (cgroup_v2_limit(g->dir, r, &g->e) < 0)
		fail_msg("%s", g->e.text);
}

static void refuse(struct group *g, const struct spec_resources *r, enum err_kind kind, const char *text)
{
	g->e = (struct err){};
	assert_int_equal(cgroup_v2_limit(g->dir, r, &g->e), -1);
	if (g->e.kind != kind || !strstr(g->e.text, text))
		fail_msg("%d %s", g->e.kind, g->e.text);
}

#define SET(n) {true, (n)}

static void cpu_of_v2(void **state)
{
	struct group *g = *state;
	struct spec_cpu c = {.shares = SET(1024), .quota = SET(50000), .period = SET(200000), .burst = SET(1000), .cpus = arena_dup(&g->arena, "0-3"),
		.mems = arena_dup(&g->arena, "0")};
	struct spec_resources r = {.cpu = &c};
	static const char *const files[] = {"cpu.weight", "cpu.max", "cpu.max.burst", "cpu.idle", "cpuset.cpus", "cpuset.mems"};
	for (size_t i = 0; i < countof(files); i++)
		group_file(g, files[i], "");
	put(g, &r);
	assert_string_equal(group_text(g, "cpu.weight"), "100");
	assert_string_equal(group_text(g, "cpu.max"), "50000 200000");
	assert_string_equal(group_text(g, "cpu.max.burst"), "1000");
	assert_string_equal(group_text(g, "cpu.idle"), "");
	assert_string_equal(group_text(g, "cpuset.cpus"), "0-3");
	assert_string_equal(group_text(g, "cpuset.mems"), "0");
	/* Of two that belong together the other one stays. */
	c = (struct spec_cpu){.period = SET(100000), .idle = SET(1)};
	put(g, &r);
	assert_string_equal(group_text(g, "cpu.max"), "50000 100000");
	assert_string_equal(group_text(g, "cpu.idle"), "1");
	group_file(g, "cpu.max", "");
	c = (struct spec_cpu){.quota = SET(-1), .idle = SET(0)};
	put(g, &r);
	assert_string_equal(group_text(g, "cpu.max"), "max");
	assert_string_equal(group_text(g, "cpu.idle"), "0");
	/* 0 leaves it as it is. */
	c = (struct spec_cpu){.shares = SET(0), .quota = SET(0), .period = SET(0)};
	put(g, &r);
	assert_string_equal(group_text(g, "cpu.max"), "max");
	c = (struct spec_cpu){.rt_runtime = SET(1000)};
	refuse(g, &r, ERR_UNSUPPORTED, "real-time");
}

/* The points that both scales share, and some between, as the peers round them. */
static void shares(void **state)
{
	(void)state;
	static const uint64_t rows[][2] = {{0, 1}, {1, 1}, {2, 1}, {3, 2}, {102, 17}, {512, 59}, {1024, 100}, {2048, 174}, {4096, 303}, {262143, 10000},
		{262144, 10000}, {1000000, 10000}};
	for (size_t i = 0; i < countof(rows); i++)
		if (cgroup_cpu_weight(rows[i][0]) != rows[i][1])
			fail_msg("%llu shares: %llu", (unsigned long long)rows[i][0], (unsigned long long)cgroup_cpu_weight(rows[i][0]));
	assert_int_equal(cgroup_io_weight(10), 1);
	assert_int_equal(cgroup_io_weight(1000), 10000);
}

static void memory_of_v2(void **state)
{
	struct group *g = *state;
	struct spec_memory m = {.limit = SET(64 << 20), .swap = SET(96 << 20), .reservation = SET(32 << 20)};
	struct spec_resources r = {.memory = &m};
	static const char *const files[] = {"memory.max", "memory.swap.max", "memory.low"};
	for (size_t i = 0; i < countof(files); i++)
		group_file(g, files[i], "max\n");
	group_file(g, "memory.low", "");
	group_file(g, "memory.max", "");
	group_file(g, "memory.swap.max", "");
	put(g, &r);
	assert_string_equal(group_text(g, "memory.max"), "67108864");
	assert_string_equal(group_text(g, "memory.swap.max"), "33554432");
	assert_string_equal(group_text(g, "memory.low"), "33554432");
	/* Memory alone: both together stay what they were. */
	m = (struct spec_memory){.limit = SET(80 << 20)};
	put(g, &r);
	assert_string_equal(group_text(g, "memory.max"), "83886080");
	assert_string_equal(group_text(g, "memory.swap.max"), "16777216");
	/* Both together alone. */
	m = (struct spec_memory){.swap = SET(160 << 20)};
	put(g, &r);
	assert_string_equal(group_text(g, "memory.swap.max"), "83886080");
	m = (struct spec_memory){.swap = SET(40 << 20)};
	refuse(g, &r, ERR_USAGE, "should be >= memory limit");
	m = (struct spec_memory){.limit = SET(64 << 20), .swap = SET(63 << 20)};
	refuse(g, &r, ERR_USAGE, "should be >= memory limit");
	/* Unlimited without a word about swap. */
	group_file(g, "memory.max", "");
	group_file(g, "memory.swap.max", "");
	m = (struct spec_memory){.limit = SET(-1)};
	put(g, &r);
	assert_string_equal(group_text(g, "memory.max"), "max");
	assert_string_equal(group_text(g, "memory.swap.max"), "max");
	m = (struct spec_memory){.swap = SET(1 << 20)};
	refuse(g, &r, ERR_USAGE, "without memory limit");
	m = (struct spec_memory){.swappiness = SET(10)};
	refuse(g, &r, ERR_UNSUPPORTED, "swappiness");
	m = (struct spec_memory){.swappiness = SET(UINT64_MAX)};
	put(g, &r);
	m = (struct spec_memory){.disable_oom_killer = SET(true)};
	refuse(g, &r, ERR_UNSUPPORTED, "OOM killer");
}

static void memory_in_use(void **state)
{
	struct group *g = *state;
	struct spec_memory m = {.limit = SET(1000), .check_before_update = SET(true)};
	struct spec_resources r = {.memory = &m};
	group_file(g, "memory.max", "");
	group_file(g, "memory.current", "1000\n");
	refuse(g, &r, ERR_CONFLICT, "rejecting memory limit 1000 <= usage 1000");
	assert_string_equal(group_text(g, "memory.max"), "");
	m.limit.v = 1001;
	put(g, &r);
	m.limit.v = 999;
	m.check_before_update.v = false;
	group_file(g, "memory.max", "");
	put(g, &r);
	assert_string_equal(group_text(g, "memory.max"), "999");
}

static void pids_of_v2(void **state)
{
	struct group *g = *state;
	static const struct {
		int64_t limit;
		const char *text;
	} rows[] = {{20, "20"}, {0, "0"}, {-1, "max"}};
	for (size_t i = 0; i < countof(rows); i++) {
		struct spec_resources r = {.pids_limit = SET(rows[i].limit)};
		group_file(g, "pids.max", "");
		put(g, &r);
		assert_string_equal(group_text(g, "pids.max"), rows[i].text);
	}
}

static void io_of_v2(void **state)
{
	struct group *g = *state;
	struct spec_weight_device device = {8, 0, SET(500), {}};
	struct spec_throttle_device rate = {8, 16, 1000000};
	struct spec_block_io io = {.weight = SET(10)};
	struct spec_resources r = {.block_io = &io};
	group_file(g, "io.weight", "");
	group_file(g, "io.max", "");
	put(g, &r);
	assert_string_equal(group_text(g, "io.weight"), "1");
	io = (struct spec_block_io){.weight_devices = {&device, 1}, .write_iops = {&rate, 1}};
	put(g, &r);
	assert_string_equal(group_text(g, "io.weight"), "8:0 4950");
	assert_string_equal(group_text(g, "io.max"), "8:16 wiops=1000000");
	rate.rate = 0;
	group_file(g, "io.max", "");
	put(g, &r);
	assert_string_equal(group_text(g, "io.max"), "8:16 wiops=max");
	group_file(g, "io.bfq.weight", "");
	io = (struct spec_block_io){.weight = SET(300)};
	put(g, &r);
	assert_string_equal(group_text(g, "io.bfq.weight"), "300");
	io.weight.v = 5;
	refuse(g, &r, ERR_USAGE, "from 10 to 1000");
	io = (struct spec_block_io){.leaf_weight = SET(300)};
	refuse(g, &r, ERR_UNSUPPORTED, "leaf weight");
}

static void pages_and_devices_of_v2(void **state)
{
	struct group *g = *state;
	struct spec_hugepage page = {arena_dup(&g->arena, "2MB"), 4 << 20};
	struct spec_resources r = {.hugepages = {&page, 1}};
	own(json) struct json *rdma = NULL;
	group_file(g, "hugetlb.2MB.max", "");
	put(g, &r);
	assert_string_equal(group_text(g, "hugetlb.2MB.max"), "4194304");
	group_file(g, "hugetlb.2MB.rsvd.max", "");
	put(g, &r);
	assert_string_equal(group_text(g, "hugetlb.2MB.rsvd.max"), "4194304");
	static const char *const bad[] = {"", "2", "MB", "02MB", "2mb", "2MBx", "../2MB", "/2MB", "2/MB"};
	for (size_t i = 0; i < countof(bad); i++) {
		page.page_size = arena_dup(&g->arena, bad[i]);
		refuse(g, &r, ERR_USAGE, "invalid size of huge pages");
	}
	r = (struct spec_resources){};
	static const char text[] = "{\"mlx5_1\":{\"hcaHandles\":3,\"hcaObjects\":10000}}";
	assert_int_equal(json_parse(text, sizeof text - 1, &rdma, &g->e), 0);
	r.rdma = rdma;
	refuse(g, &r, ERR_UNSUPPORTED, "rdma controller");
	group_file(g, "rdma.max", "");
	put(g, &r);
	assert_string_equal(group_text(g, "rdma.max"), "mlx5_1 hca_handle=3 hca_object=10000");
}

static void any_file_of_v2(void **state)
{
	struct group *g = *state;
	struct spec_resources r = {};
	own(mem) char *many = mem_alloc(3001);
	memset(many, '7', 3000);
	group_file(g, "memory.high", "");
	group_file(g, "misc.max", "");
	map_set(&g->arena, &r.unified, "memory.high", "1000");
	map_set(&g->arena, &r.unified, "misc.max", many);
	put(g, &r);
	assert_string_equal(group_text(g, "memory.high"), "1000");
	assert_string_equal(group_text(g, "misc.max"), many);
	/* One write a line: of a plain file the last one is left. */
	group_file(g, "io.max", "");
	r.unified = (struct map){};
	map_set(&g->arena, &r.unified, "io.max", "8:16 rbps=1000\n8:16 rbps=2000\n");
	put(g, &r);
	assert_string_equal(group_text(g, "io.max"), "8:16 rbps=2000");
	/* Nothing is written that is not a file of the group. */
	static const char *const bad[] = {"../memory.high", "a/memory.high", "/memory.high", "..", ".", ".high", "memory", ""};
	for (size_t i = 0; i < countof(bad); i++) {
		r.unified = (struct map){};
		map_set(&g->arena, &r.unified, bad[i], "1");
		refuse(g, &r, ERR_USAGE, "is not the name of a controller's file");
	}
	r.unified = (struct map){};
	map_set(&g->arena, &r.unified, "foo.bar", "1");
	refuse(g, &r, ERR_UNSUPPORTED, "foo.bar cannot be set: the foo controller");
	struct spec_network n = {.class_id = SET(5)};
	r = (struct spec_resources){.network = &n};
	refuse(g, &r, ERR_UNSUPPORTED, "net_cls");
}

/* From here on: this machine's own groups. */

static bool has(const char *controller)
{
	return cgroup_machine_mode() != CGROUP_V2 && cgroup_has_controller(controller);
}

static const char *file_of(const struct container *c, int row, const char *name)
{
	static char text[256];
	own(fd) int dir = cgroup_open_row(&c->cgroup, row);
	own(buf) struct buf b = {};
	struct err e = {};
	if (path_read(dir, name, &b, &e) < 0)
		fail_msg("%s", e.text);
	snprintf(text, sizeof text, "%s", buf_text(&b));
	text[strcspn(text, "\n")] = 0;
	return text;
}

static void change(struct box *b, struct container *c, const struct spec_resources *r)
{
	b->e = (struct err){};
	if (cgroup_update(&c->cgroup, r, &b->e) < 0)
		fail_msg("%s", b->e.text);
}

/* Down and up again, in every order of what the two limits were and are. */
static void memory_and_swap(void **state)
{
	struct box *b = *state;
	struct container c;
	own(fd) int out = -1;
	if (!has("memory"))
		skip();
	args(b, "sleep", "60", NULL);
	assert_int_equal(launch(b, &c, &out), 0);
	static const int64_t rows[][2] = {{64, 128}, {200, 256}, {32, 48}, {48, 48}, {32, 32}, {300, 300}};
	for (size_t i = 0; i < countof(rows); i++) {
		struct spec_memory m = {.limit = SET(rows[i][0] << 20), .swap = SET(rows[i][1] << 20)};
		struct spec_resources r = {.memory = &m};
		char text[24];
		change(b, &c, &r);
		snprintf(text, sizeof text, "%lld", (long long)rows[i][0] << 20);
		assert_string_equal(file_of(&c, CGROUPFS_MEMORY, "memory.limit_in_bytes"), text);
		snprintf(text, sizeof text, "%lld", (long long)rows[i][1] << 20);
		assert_string_equal(file_of(&c, CGROUPFS_MEMORY, "memory.memsw.limit_in_bytes"), text);
	}
	struct spec_memory m = {.limit = SET(-1)};
	struct spec_resources r = {.memory = &m};
	change(b, &c, &r);
	assert_true(cgroup_is_unlimited(strtoull(file_of(&c, CGROUPFS_MEMORY, "memory.memsw.limit_in_bytes"), NULL, 10)));
	m = (struct spec_memory){.limit = SET(4096), .check_before_update = SET(true)};
	assert_int_equal(cgroup_update(&c.cgroup, &r, &b->e), -1);
	assert_int_equal(b->e.kind, ERR_CONFLICT);
	m = (struct spec_memory){.swappiness = SET(30), .disable_oom_killer = SET(true), .reservation = SET(16 << 20)};
	change(b, &c, &r);
	assert_string_equal(file_of(&c, CGROUPFS_MEMORY, "memory.swappiness"), "30");
	assert_string_equal(file_of(&c, CGROUPFS_MEMORY, "memory.oom_control"), "oom_kill_disable 1");
	m = (struct spec_memory){.disable_oom_killer = SET(false)};
	change(b, &c, &r);
	assert_string_equal(file_of(&c, CGROUPFS_MEMORY, "memory.oom_control"), "oom_kill_disable 0");
	kill(c.pid, SIGKILL);
	reap(&c);
}

static void cpu_bandwidth(void **state)
{
	struct box *b = *state;
	struct container c;
	own(fd) int out = -1;
	struct spec_cpu cpu = {.quota = SET(20000), .period = SET(100000), .burst = SET(10000)};
	struct spec_resources u = {.cpu = &cpu};
	if (!has("cpu"))
		skip();
	b->spec.linux_->resources->cpu = &cpu;
	args(b, "sleep", "60", NULL);
	assert_int_equal(launch(b, &c, &out), 0);
	assert_string_equal(file_of(&c, CGROUPFS_CPU, "cpu.cfs_burst_us"), "10000");
	/* A burst above the old quota, a period below it. */
	cpu = (struct spec_cpu){.quota = SET(90000), .period = SET(50000), .burst = SET(60000)};
	change(b, &c, &u);
	assert_string_equal(file_of(&c, CGROUPFS_CPU, "cpu.cfs_quota_us"), "90000");
	assert_string_equal(file_of(&c, CGROUPFS_CPU, "cpu.cfs_period_us"), "50000");
	assert_string_equal(file_of(&c, CGROUPFS_CPU, "cpu.cfs_burst_us"), "60000");
	cpu = (struct spec_cpu){.quota = SET(10000), .burst = SET(0)};
	change(b, &c, &u);
	assert_string_equal(file_of(&c, CGROUPFS_CPU, "cpu.cfs_quota_us"), "10000");
	assert_string_equal(file_of(&c, CGROUPFS_CPU, "cpu.cfs_burst_us"), "0");
	cpu = (struct spec_cpu){.quota = SET(-1)};
	change(b, &c, &u);
	assert_string_equal(file_of(&c, CGROUPFS_CPU, "cpu.cfs_quota_us"), "-1");
	cpu = (struct spec_cpu){.shares = SET(500), .idle = SET(1)};
	change(b, &c, &u);
	assert_string_equal(file_of(&c, CGROUPFS_CPU, "cpu.idle"), "1");
	cpu = (struct spec_cpu){.shares = SET(600), .idle = SET(0)};
	change(b, &c, &u);
	assert_string_equal(file_of(&c, CGROUPFS_CPU, "cpu.idle"), "0");
	assert_string_equal(file_of(&c, CGROUPFS_CPU, "cpu.shares"), "600");
	kill(c.pid, SIGKILL);
	reap(&c);
}

static void real_time(void **state)
{
	struct box *b = *state;
	struct container c;
	own(fd) int out = -1;
	struct spec_cpu cpu = {.rt_period = SET(1000000), .rt_runtime = SET(2000)};
	uint64_t of_the_root;
	if (!has("cpu") || !cgroupfs_read(cgroupfs_get()->row[CGROUPFS_CPU].fd, "cpu.rt_runtime_us", NULL, &of_the_root) || of_the_root < 10000)
		skip();
	/* A parent of our own, which has no runtime before. */
	b->spec.linux_->resources->cpu = &cpu;
	b->spec.linux_->cgroups_path = arena_printf(&b->arena, "/hull-%s/leaf", b->id);
	args(b, "sleep", "60", NULL);
	if (launch(b, &c, &out) < 0)
		fail_msg("%s", b->e.text);
	assert_string_equal(file_of(&c, CGROUPFS_CPU, "cpu.rt_runtime_us"), "2000");
	kill(c.pid, SIGKILL);
	reap(&c);
	const char *parent = arena_printf(&b->arena, "hull-%s", b->id);
	for (int i = 0; i < CGROUPFS_ROWS; i++)
		if (cgroupfs_get()->row[i].fd >= 0)
			unlinkat(cgroupfs_get()->row[i].fd, parent, AT_REMOVEDIR);
}

static void no_processes(void **state)
{
	struct box *b = *state;
	struct container c;
	own(fd) int out = -1;
	struct spec_resources u = {.pids_limit = SET(0)};
	if (!has("pids"))
		skip();
	args(b, "sleep", "60", NULL);
	assert_int_equal(launch(b, &c, &out), 0);
	change(b, &c, &u);
	assert_string_equal(file_of(&c, CGROUPFS_PIDS, "pids.max"), "0");
	u.pids_limit.v = -1;
	change(b, &c, &u);
	assert_string_equal(file_of(&c, CGROUPFS_PIDS, "pids.max"), "max");
	kill(c.pid, SIGKILL);
	reap(&c);
}

/* Other device rules for a container that runs; nothing of the old ones is left. */
static void device_rules(void **state)
{
	struct box *b = *state;
	struct container c;
	own(fd) int out = -1;
	char line[64] = "";
	struct spec_device_rule rules[2] = {{.allow = false, .access = arena_dup(&b->arena, "rwm")},
		{.allow = true, .type = arena_dup(&b->arena, "c"), .major = SET(1), .minor = SET(250), .access = arena_dup(&b->arena, "rw")}};
	struct spec_resources u = {.devices = {rules, 2}};
	if (cgroup_machine_mode() != CGROUP_V2 && !cgroup_has_controller("devices"))
		skip();
	script(b, "mknod /dev/k c 1 250; try() { (cat < /dev/k) 2>&1 | grep -o 'not permitted\\|No such device'; }; try; read x; try; read x; try; read x");
	int in[2];
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	b->create.stdio[0] = in[0];
	assert_int_equal(launch(b, &c, &out), 0);
	close(in[0]);
	b->create.stdio[0] = -1;
	static const char *const expected[] = {"not permitted\n", "No such device\n", "not permitted\n"};
	for (size_t i = 0; i < countof(expected); i++) {
		memset(line, 0, sizeof line);
		assert_int_equal(fd_read_full(out, line, strlen(expected[i])), strlen(expected[i]));
		assert_string_equal(line, expected[i]);
		u.devices.n = i == 0 ? 2 : 1;
		change(b, &c, &u);
		assert_int_equal(write(in[1], "\n", 1), 1);
	}
	close(in[1]);
	kill(c.pid, SIGKILL);
	reap(&c);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {GROUP_TEST(cpu_of_v2), cmocka_unit_test(shares), GROUP_TEST(memory_of_v2), GROUP_TEST(memory_in_use),
		GROUP_TEST(pids_of_v2), GROUP_TEST(io_of_v2), GROUP_TEST(pages_and_devices_of_v2), GROUP_TEST(any_file_of_v2)};
	const struct CMUnitTest here[] = {BOX_TEST(memory_and_swap), BOX_TEST(cpu_bandwidth), BOX_TEST(real_time), BOX_TEST(no_processes),
		BOX_TEST(device_rules), cmocka_unit_test(unified)};
	const struct CMUnitTest again[] = {BOX_TEST(device_rules)};
	if (argc > 1 && strcmp(argv[1], "unified") == 0)
		return cmocka_run_group_tests_name("unified", again, NULL, NULL);
	int failed = cmocka_run_group_tests_name("files", tests, NULL, NULL);
	int status = box_main();
	return failed ? 1 : status ? status : cmocka_run_group_tests_name("machine", here, NULL, NULL);
}
