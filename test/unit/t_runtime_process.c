/* SPDX-License-Identifier: Apache-2.0 */
/* process: what is not isolation: scheduling, affinity, memory policy, personality, capabilities that cannot be had, HOME, labels. */
#include "t_runtime_box.h"

#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/prctl.h>

/* run() of `true`, with the warning of create in out. */
static void warned(struct box *b, char out[200])
{
	struct container c;
	own(fd) int pipe_ = -1;
	args(b, "true", NULL);
	if (launch(b, &c, &pipe_) < 0)
		fail_msg("%s", b->e.text);
	memcpy(out, c.warning, 200);
	assert_int_equal(reap(&c), 0);
}

static void capabilities_not_to_be_had(void **state)
{
	struct box *b = *state;
	char warning[200];
	struct spec_caps *c = b->spec.process->caps;
	warned(b, warning);
	assert_string_equal(warning, "");
	arena_strv_add(&b->arena, &c->effective, "CAP_FLY");
	arena_strv_add(&b->arena, &c->bounding, "CAP_SWIM");
	warned(b, warning);
	assert_string_equal(warning, "unknown capability \"CAP_FLY\"");
	assert_non_null(strstr(shell(b, "cat /proc/self/status"), "CapEff:\t00000000a80425fb"));
	c->effective.n--;
	c->bounding.n--;
	/* One that we do not have ourselves. */
	pid_t pid = fork();
	if (pid == 0) {
		if (prctl(PR_CAPBSET_DROP, 5, 0, 0, 0) < 0)
			_exit(99);
		struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
		struct __user_cap_data_struct d[2];
		syscall(SYS_capget, &h, d);
		d[0].effective &= ~32u;
		d[0].permitted &= ~32u;
		if (syscall(SYS_capset, &h, d) < 0)
			_exit(98);
		warned(b, warning);
		_exit(strcmp(warning, "CAP_KILL cannot be given: hull does not have it") != 0);
	}
	int status;
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
}

/* Only what is asked for is inheritable; ambient needs it. */
static void capabilities_in_each_set(void **state)
{
	struct box *b = *state;
	struct spec_caps c = {};
	arena_strv_add(&b->arena, &c.bounding, "CAP_KILL");
	arena_strv_add(&b->arena, &c.bounding, "CAP_CHOWN");
	arena_strv_add(&b->arena, &c.permitted, "CAP_CHOWN");
	arena_strv_add(&b->arena, &c.permitted, "CAP_KILL");
	arena_strv_add(&b->arena, &c.inheritable, "CAP_KILL");
	b->spec.process->caps = &c;
	b->spec.process->user.uid = 1000;
	b->spec.process->no_new_privileges = true;
	assert_string_equal(shell(b, "grep Cap /proc/self/status"), "CapInh:\t0000000000000020\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n"
		"CapBnd:\t0000000000000021\nCapAmb:\t0000000000000000");
	arena_strv_add(&b->arena, &c.ambient, "CAP_CHOWN");
	assert_non_null(strstr(shell(b, "grep Cap /proc/self/status"), "CapAmb:\t0000000000000000"));
	arena_strv_add(&b->arena, &c.ambient, "CAP_KILL");
	assert_string_equal(shell(b, "grep Cap /proc/self/status"), "CapInh:\t0000000000000020\nCapPrm:\t0000000000000020\nCapEff:\t0000000000000020\n"
		"CapBnd:\t0000000000000021\nCapAmb:\t0000000000000020");
}

/* Whether this machine lets us: what the container is then refused is no fault of ours. */
static bool may_schedule(int policy, int priority)
{
	struct { uint32_t size, policy; uint64_t flags; int32_t nice; uint32_t priority; uint64_t runtime, deadline, period; } a = {.size = 48,
		.policy = (uint32_t)policy, .priority = (uint32_t)priority};
	if (policy == 6)
		a.runtime = 1000000, a.deadline = 5000000, a.period = 10000000;
	pid_t pid = fork();
	if (pid == 0)
		_exit(syscall(SYS_sched_setattr, 0, &a, 0) < 0);
	int status;
	waitpid(pid, &status, 0);
	return status == 0;
}

/* stat: nice is field 19, rt_priority 40, policy 41 */
static void schedulers(void **state)
{
	struct box *b = *state;
	static const struct { const char *policy; int number; int64_t nice, priority; const char *flag, *stat; } rows[] = {
		{"SCHED_OTHER", 0, 7, 0, NULL, "7 0 0"}, {"SCHED_OTHER", 0, -3, 0, NULL, "-3 0 0"}, {"SCHED_BATCH", 3, 4, 0, NULL, "4 0 3"},
		{"SCHED_IDLE", 5, 0, 0, NULL, "0 0 5"}, {"SCHED_FIFO", 1, 0, 17, NULL, "0 17 1"}, {"SCHED_RR", 2, 0, 3, NULL, "0 3 2"},
		{"SCHED_DEADLINE", 6, 0, 0, "SCHED_FLAG_RESET_ON_FORK", "0 0 6"}};
	struct spec_scheduler c = {};
	/* Realtime in a v1 cpu group has a budget of its own, which is none. */
	b->create.cgroup_manager = CGROUP_MANAGER_DISABLED;
	b->spec.process->scheduler = &c;
	/* SCHED_IDLE keeps what we were started with. */
	setpriority(PRIO_PROCESS, 0, 0);
	for (size_t i = 0; i < countof(rows); i++) {
		if (!may_schedule(rows[i].number, (int)rows[i].priority))
			continue;
		c = (struct spec_scheduler){.policy = arena_dup(&b->arena, rows[i].policy), .nice = {true, rows[i].nice}, .priority = {true, rows[i].priority}};
		if (rows[i].flag)
			arena_strv_add(&b->arena, &c.flags, rows[i].flag);
		if (rows[i].number == 6)
			c.runtime = (struct opt_u64){true, 1000000}, c.deadline = (struct opt_u64){true, 5000000}, c.period = (struct opt_u64){true, 10000000};
		/* The shell itself: with deadline a child would have another policy. */
		assert_string_equal(shell(b, "read line < /proc/self/stat; set -- $line; echo ${19} ${40} ${41}"), rows[i].stat);
	}
	script(b, "true");
	c = (struct spec_scheduler){.policy = arena_dup(&b->arena, "SCHED_OTHER")};
	arena_strv_add(&b->arena, &c.flags, "SCHED_FLAG_NONSENSE");
	refused(b, ERR_USAGE, "process.scheduler.flags: unknown word \"SCHED_FLAG_NONSENSE\"");
	c = (struct spec_scheduler){.policy = arena_dup(&b->arena, "SCHED_NONSENSE")};
	refused(b, ERR_USAGE, "process.scheduler.policy: unknown word \"SCHED_NONSENSE\"");
	c = (struct spec_scheduler){.policy = arena_dup(&b->arena, "SCHED_FIFO"), .priority = {true, 1000}};
	refused(b, ERR_USAGE, "process.scheduler");
}

/* Who is bound to one CPU can still ask for a deadline: that is only had on all. The caller's binding is not the container's. */
static void caller_is_bound(void **state)
{
	struct box *b = *state;
	cpu_set_t all, one;
	sched_getaffinity(0, sizeof all, &all);
	if (CPU_COUNT(&all) < 2)
		skip();
	const char *whole = mem_dup(shell(b, "grep Cpus_allowed: /proc/self/status"));
	CPU_ZERO(&one);
	for (int i = 0; i < CPU_SETSIZE && !CPU_COUNT(&one); i++)
		if (CPU_ISSET(i, &all))
			CPU_SET(i, &one);
	bool deadline = may_schedule(6, 0);
	sched_setaffinity(0, sizeof one, &one);
	struct spec_scheduler c = {.policy = arena_dup(&b->arena, "SCHED_DEADLINE"), .runtime = {true, 1000000}, .deadline = {true, 5000000},
		.period = {true, 10000000}};
	arena_strv_add(&b->arena, &c.flags, "SCHED_FLAG_RESET_ON_FORK");
	script(b, "grep Cpus_allowed: /proc/self/status");
	int plain = run(b);
	char *seen = mem_dup(buf_text(&b->out));
	b->spec.process->scheduler = &c;
	b->create.cgroup_manager = CGROUP_MANAGER_DISABLED;
	int status = deadline ? run(b) : 0;
	sched_setaffinity(0, sizeof all, &all);
	assert_int_equal(plain, 0);
	assert_int_equal(strncmp(seen, whole, strlen(whole)), 0);
	if (status)
		fail_msg("%d %s", status, b->e.text);
	mem_drop(&whole);
	mem_drop(&seen);
}

static void io_priorities(void **state)
{
	struct box *b = *state;
	static const struct { const char *class; int64_t priority; const char *shown; } rows[] = {{"IOPRIO_CLASS_BE", 6, "best-effort: prio 6"},
		{"IOPRIO_CLASS_IDLE", 0, "idle"}, {"IOPRIO_CLASS_RT", 2, "realtime: prio 2"}};
	struct spec_io_priority io = {};
	b->spec.process->io_priority = &io;
	for (size_t i = 0; i < countof(rows); i++) {
		io = (struct spec_io_priority){arena_dup(&b->arena, rows[i].class), rows[i].priority};
		assert_int_equal(strncmp(shell(b, "ionice"), rows[i].shown, strlen(rows[i].shown)), 0);
	}
	script(b, "true");
	io = (struct spec_io_priority){arena_dup(&b->arena, "IOPRIO_CLASS_BE"), 8};
	refused(b, ERR_USAGE, "process.ioPriority.priority: 0 to 7");
	io = (struct spec_io_priority){arena_dup(&b->arena, "IOPRIO_CLASS_X"), 1};
	refused(b, ERR_USAGE, "process.ioPriority.class: unknown word");
}

/* Of exec alone: its own, or else the container's. */
static void affinity_of_exec(void **state)
{
	struct box *b = *state;
	cpu_set_t all;
	sched_getaffinity(0, sizeof all, &all);
	if (!CPU_ISSET(0, &all) || !CPU_ISSET(1, &all))
		skip();
	struct spec_cpu_affinity of_container = {arena_dup(&b->arena, "0"), arena_dup(&b->arena, "1")}, own = {NULL, arena_dup(&b->arena, "0")};
	char whole[64];
	snprintf(whole, sizeof whole, "%s", shell(b, "grep Cpus_allowed_list /proc/self/status | tr -dc 0-9,-"));
	b->spec.process->cpu_affinity = &of_container;
	struct running r = begin(b);
	assert_string_equal(enter(b, &r, "grep Cpus_allowed_list /proc/1/status | tr -dc 0-9,-"), whole);
	assert_string_equal(enter(b, &r, "grep Cpus_allowed_list /proc/self/status | tr -dc 0-9,-"), "1");
	r.p.cpu_affinity = &own;
	assert_string_equal(enter(b, &r, "grep Cpus_allowed_list /proc/self/status | tr -dc 0-9,-"), "0");
	own.final = arena_dup(&b->arena, "0-1");
	assert_string_equal(enter(b, &r, "grep Cpus_allowed_list /proc/self/status | tr -dc 0-9,-"), "0-1");
	static const char *const bad[] = {"x", "1-0", "0-", "-1", "0,,1", "99999", "0 1"};
	for (size_t i = 0; i < countof(bad); i++) {
		own.final = arena_dup(&b->arena, bad[i]);
		assert_int_equal(enter_as(b, &r, "true", NULL), -1);
		assert_int_equal(b->e.kind, ERR_USAGE);
		assert_non_null(strstr(b->e.text, "process.execCPUAffinity"));
	}
	end(&r);
}

static void memory_policies(void **state)
{
	struct box *b = *state;
	if (syscall(SYS_set_mempolicy, 0, NULL, 0) < 0)
		skip(); /* a kernel without NUMA */
	static const struct { const char *mode, *nodes, *flag, *shown; } rows[] = {{"MPOL_DEFAULT", "", NULL, "default"},
		{"MPOL_BIND", "0", NULL, "bind:0"}, {"MPOL_INTERLEAVE", "0", NULL, "interleave:0"}, {"MPOL_PREFERRED", "0", NULL, "prefer:0"},
		{"MPOL_LOCAL", NULL, NULL, "local"}, {"MPOL_PREFERRED", "", NULL, "local"}, {"MPOL_BIND", "0", "MPOL_F_STATIC_NODES", "bind=static:0"},
		{"MPOL_BIND", "0", "MPOL_F_RELATIVE_NODES", "bind=relative:0"}};
	struct spec_memory_policy p = {};
	b->spec.linux_->memory_policy = &p;
	for (size_t i = 0; i < countof(rows); i++) {
		p = (struct spec_memory_policy){.mode = arena_dup(&b->arena, rows[i].mode), .nodes = arena_dup(&b->arena, rows[i].nodes)};
		if (rows[i].flag)
			arena_strv_add(&b->arena, &p.flags, rows[i].flag);
		assert_string_equal(shell(b, "grep stack /proc/self/numa_maps | cut -d' ' -f2"), rows[i].shown);
	}
	script(b, "true");
	p = (struct spec_memory_policy){.mode = arena_dup(&b->arena, "MPOL_WILD")};
	refused(b, ERR_USAGE, "linux.memoryPolicy.mode: unknown word \"MPOL_WILD\"");
	p = (struct spec_memory_policy){.mode = arena_dup(&b->arena, "MPOL_BIND"), .nodes = arena_dup(&b->arena, "0")};
	arena_strv_add(&b->arena, &p.flags, "MPOL_F_WILD");
	refused(b, ERR_USAGE, "linux.memoryPolicy.flags: unknown word \"MPOL_F_WILD\"");
	p = (struct spec_memory_policy){.mode = arena_dup(&b->arena, "MPOL_BIND"), .nodes = arena_dup(&b->arena, "0-x")};
	refused(b, ERR_USAGE, "linux.memoryPolicy.nodes");
	/* bind to nothing is the kernel's to refuse. */
	p.nodes = arena_dup(&b->arena, "");
	refused(b, ERR_USAGE, "linux.memoryPolicy");
}

static void personalities(void **state)
{
	struct box *b = *state;
	struct spec_personality p = {arena_dup(&b->arena, "LINUX32"), {}};
	char *native = mem_dup(shell(b, "uname -m"));
	b->spec.linux_->personality = &p;
	assert_string_not_equal(shell(b, "uname -m"), native);
	struct running r = begin(b);
	assert_string_not_equal(enter(b, &r, "uname -m"), native);
	end(&r);
	p.domain = arena_dup(&b->arena, "LINUX");
	assert_string_equal(shell(b, "uname -m"), native);
	mem_drop(&native);
	script(b, "true");
	arena_strv_add(&b->arena, &p.flags, "ADDR_NO_RANDOMIZE");
	refused(b, ERR_USAGE, "linux.personality.flags");
	p = (struct spec_personality){arena_dup(&b->arena, "PLAN9"), {}};
	refused(b, ERR_USAGE, "unknown personality \"PLAN9\"");
}

static const char *home(struct box *b, uint32_t uid)
{
	b->spec.process->user.uid = uid;
	args(b, "env", NULL);
	const char *at = strstr(output(b), "HOME=");
	assert_non_null(at);
	char *value = arena_dup(&b->arena, at + 5);
	value[strcspn(value, "\n")] = 0;
	return value;
}

/* As runc: /etc/passwd of the root says it, when nobody else does. */
static void home_directory(void **state)
{
	struct box *b = *state;
	char at[256], canary[128];
	assert_string_equal(home(b, 0), "/root");
	assert_string_equal(home(b, 1000), "/");
	assert_string_equal(home(b, 77), "/");
	put_text(b, "/etc/passwd", "junk\n:::::\na:x:-5:0::/minus:\nb:x:77x:0::/no:\nc:x:4294967373:0::/over:\n"
		"e:x:77:0::/home/e:/bin/sh\nf:x:77:0::/f:", 0644);
	assert_string_equal(home(b, 77), "/home/e");
	struct running r = begin(b);
	assert_string_equal(enter(b, &r, "echo $HOME"), "/home/e");
	end(&r);
	/* An empty one is none; one that is set stays. */
	arena_strv_add(&b->arena, &b->spec.process->env, "HOME=");
	assert_string_equal(home(b, 77), "/home/e");
	assert_string_equal(shell(b, "env | grep -c HOME"), "1");
	b->spec.process->env.v[b->spec.process->env.n - 1] = arena_dup(&b->arena, "HOME=/mine");
	assert_string_equal(home(b, 77), "/mine");
	b->spec.process->env.n--;
	b->spec.process->env.v[b->spec.process->env.n] = NULL;
	/* What the image may have in its place. */
	in_root(b, "/etc/passwd", at);
	snprintf(canary, sizeof canary, "%s/passwd", b->dir);
	own(fd) int fd = open(canary, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(fd_write_all(fd, "e:x:77:0::/of-the-host:\n", 24), 0);
	unlink(at);
	make_link(b, canary, "/etc/passwd");
	assert_string_equal(home(b, 77), "/");
	unlink(at);
	assert_int_equal(mkfifo(at, 0644), 0);
	assert_string_equal(home(b, 77), "/");
	unlink(at);
	make_dir(b, "/etc/passwd", 0755);
	assert_string_equal(home(b, 77), "/");
	rmdir(at);
	own(fd) int big = open(at, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(ftruncate(big, 1LL << 40), 0);
	assert_string_equal(home(b, 77), "/");
}

/* Nothing to start: it can be made all the same. */
static void no_arguments(void **state)
{
	struct box *b = *state;
	struct spec_process *p = b->spec.process;
	p->args = (struct strv){};
	for (int i = 0; i < 2; i++) {
		struct container c;
		if (container_create(&b->create, &c, &b->e) < 0)
			fail_msg("%s", b->e.text);
		assert_true(container_is_alive(c.pid, c.start_time));
		assert_int_equal(container_start(&c, &b->e), -1);
		assert_int_equal(b->e.kind, ERR_USAGE);
		assert_non_null(strstr(b->e.text, "process.args is missing"));
		int status;
		assert_int_equal(waitpid(c.pid, &status, 0), c.pid);
		assert_int_equal(container_remove(&c, &b->e), 0);
		container_drop(&c);
		b->spec.process = NULL;
	}
	b->spec.process = p;
}

/* In a user namespace /proc/keys shows what belongs to its users: nobody else has these. */
static void session_keyring(void **state)
{
	struct box *b = *state;
	char name[64], id[64];
	if (access("/proc/keys", R_OK) < 0)
		skip();
	struct idmap_row row = {0, (uint32_t)(1000000 + strtoul(b->id + 2 + 8, NULL, 16) % 30000 * 65536), 65536};
	add_namespace(b, "user", NULL);
	b->spec.linux_->uids = b->spec.linux_->gids = (struct idmap_rows){&row, 1};
	b->spec.linux_->masked_paths = (struct strv){};
	snprintf(name, sizeof name, "_ses.%s:", b->id);
	struct running r = begin(b);
	/* The second process has the first one's, and made none. */
	char *keys = mem_dup(enter(b, &r, "grep _ses /proc/keys"));
	end(&r);
	assert_non_null(strstr(keys, name));
	assert_ptr_equal(strstr(keys, "_ses"), strstr(keys, name));
	assert_null(strstr(strstr(keys, name) + 1, "_ses"));
	mem_drop(&keys);
	/* Under another name: the kernel collects the first one when it likes. */
	snprintf(id, sizeof id, "%s-b", b->id);
	snprintf(name, sizeof name, "_ses.%s:", id);
	b->create.id = id;
	b->create.no_new_keyring = true;
	script(b, "cat /proc/keys; echo end");
	int status = run(b);
	b->create.id = b->id;
	assert_int_equal(status, 0);
	assert_null(strstr(buf_text(&b->out), name));
}

/* A label that this machine cannot give is an error, never a container without it. */
static void labels(void **state)
{
	struct box *b = *state;
	own(buf) struct buf text = {};
	assert_int_equal(path_read(AT_FDCWD, "/proc/filesystems", &text, &b->e), 0);
	bool selinux = strstr(buf_text(&text), "selinuxfs"), apparmor = access("/sys/module/apparmor", F_OK) == 0;
	script(b, "true");
	if (!apparmor) {
		b->spec.process->apparmor = arena_dup(&b->arena, "hull-default");
		refused(b, ERR_UNSUPPORTED, "process.apparmorProfile hull-default: AppArmor is not enabled");
		b->spec.process->apparmor = arena_dup(&b->arena, "unconfined");
		assert_int_equal(run(b), 0);
	}
	b->spec.process->apparmor = NULL;
	if (!selinux) {
		b->spec.process->selinux_label = arena_dup(&b->arena, "system_u:system_r:container_t:s0");
		refused(b, ERR_UNSUPPORTED, "process.selinuxLabel");
		b->spec.process->selinux_label = NULL;
		b->spec.linux_->mount_label = arena_dup(&b->arena, "system_u:object_r:container_file_t:s0");
		refused(b, ERR_UNSUPPORTED, "linux.mountLabel");
		b->spec.linux_->mount_label = NULL;
		struct running r = begin(b);
		r.p.selinux_label = arena_dup(&b->arena, "system_u:system_r:container_t:s0");
		assert_int_equal(enter_as(b, &r, "true", NULL), -1);
		assert_non_null(strstr(b->e.text, "process.selinuxLabel"));
		end(&r);
	}
}

/* crun's annotation. */
static void groups_of_the_caller(void **state)
{
	struct box *b = *state;
	gid_t before[64], mine[] = {4242, 4243};
	int n = getgroups(64, before);
	map_set(&b->arena, &b->spec.annotations, "run.oci.keep_original_groups", "1");
	assert_int_equal(setgroups(2, mine), 0);
	script(b, "id -G");
	int status = run(b);
	char kept[64];
	snprintf(kept, sizeof kept, "%s", buf_text(&b->out));
	map_set(&b->arena, &b->spec.annotations, "run.oci.keep_original_groups", "0");
	int second = run(b);
	assert_int_equal(setgroups((size_t)n, before), 0);
	assert_int_equal(status | second, 0);
	assert_string_equal(kept, "0 4242 4243\n");
	assert_string_equal(buf_text(&b->out), "0\n");
}

static void bad_limits(void **state)
{
	struct box *b = *state;
	struct spec_rlimit *r = list_add(b, &b->spec.process->rlimits, sizeof *r);
	script(b, "true");
	static const char *const bad[] = {"RLIMIT_WILD", "NOFILE", "rlimit_nofile", ""};
	for (size_t i = 0; i < countof(bad); i++) {
		*r = (struct spec_rlimit){.type = arena_dup(&b->arena, bad[i]), .soft = 1, .hard = 1};
		refused(b, ERR_USAGE, "unknown limit");
	}
	*r = (struct spec_rlimit){.type = arena_dup(&b->arena, "RLIMIT_CORE"), .soft = 2, .hard = 1};
	refused(b, ERR_USAGE, "RLIMIT_CORE: the soft limit is above the hard one");
}

int main(void)
{
	const struct CMUnitTest tests[] = {BOX_TEST(capabilities_not_to_be_had), BOX_TEST(capabilities_in_each_set), BOX_TEST(schedulers),
		BOX_TEST(caller_is_bound), BOX_TEST(io_priorities), BOX_TEST(affinity_of_exec), BOX_TEST(memory_policies), BOX_TEST(personalities),
		BOX_TEST(home_directory), BOX_TEST(no_arguments), BOX_TEST(session_keyring), BOX_TEST(labels), BOX_TEST(groups_of_the_caller),
		BOX_TEST(bad_limits)};
	return box_main() ? 77 : cmocka_run_group_tests(tests, NULL, NULL);
}
