/* SPDX-License-Identifier: Apache-2.0 */
/* Whose a container's group is, and the group below it in which its processes can be. In a mount namespace with v2 alone. */
#include "t_runtime_box.h"
#include "t_runtime_unified.h"

#include "runtime/cgroup_limits.h"


static struct idmap_row row = {0, 100000, 65536};

static void use_userns(struct box *b)
{
	add_namespace(b, "user", NULL);
	b->spec.linux_->uids.v = b->spec.linux_->gids.v = &row;
	b->spec.linux_->uids.n = b->spec.linux_->gids.n = 1;
	assert_int_equal(chown(b->dir, 100000, 100000), 0);
}

static void make_writable(struct box *b)
{
	for (size_t i = 0; i < b->spec.mounts.n; i++)
		if (str_eq(b->spec.mounts.v[i].type, "cgroup")) {
			struct strv *o = &b->spec.mounts.v[i].options;
			for (size_t k = 0; k < o->n; k++)
				if (str_eq(o->v[k], "ro"))
					o->v[k] = arena_dup(&b->arena, "rw");
		}
}

/* The owner of a file of the group while the container runs. */
static uid_t owner(const struct container *c, const char *file)
{
	struct stat st;
	own(fd) int dir = cgroup_open_row(&c->cgroup, CGROUPFS_V2);
	assert_int_equal(fstatat(dir, file, &st, 0), 0);
	return st.st_uid;
}

static void launched(struct box *b, struct container *c, int *out)
{
	args(b, "sleep", "60", NULL);
	if (launch(b, c, out) < 0)
		fail_msg("%s", b->e.text);
}

static void ended(struct container *c)
{
	kill(c->pid, SIGKILL);
	assert_int_equal(reap(c), 137);
}

static void of_its_root(void **state)
{
	struct box *b = *state;
	struct container c;
	own(fd) int out = -1;
	use_userns(b);
	make_writable(b);
	launched(b, &c, &out);
	assert_int_equal(owner(&c, "."), 100000);
	assert_int_equal(owner(&c, "cgroup.procs"), 100000);
	assert_int_equal(owner(&c, "cgroup.subtree_control"), 100000);
	/* What limits it is not his. */
	assert_int_equal(owner(&c, "cgroup.freeze"), 0);
	ended(&c);
	assert_string_equal(shell(b, "mkdir /sys/fs/cgroup/a && echo $$ > /sys/fs/cgroup/a/cgroup.procs && grep ^0 /proc/self/cgroup; "
		"(echo 1 > /sys/fs/cgroup/cgroup.freeze) 2>/dev/null || echo kept"), "0::/a\nkept");
}

static void of_its_user(void **state)
{
	struct box *b = *state;
	struct container c;
	own(fd) int out = -1;
	make_writable(b);
	b->spec.process->user.uid = 1000;
	launched(b, &c, &out);
	assert_int_equal(owner(&c, "."), 1000);
	assert_int_equal(owner(&c, "cgroup.procs"), 1000);
	ended(&c);
}

/* Read-only, or the host's own view: then it stays root's. */
static void of_the_host(void **state)
{
	struct box *b = *state;
	struct container c;
	own(fd) int out = -1;
	b->spec.process->user.uid = 1000;
	launched(b, &c, &out);
	assert_int_equal(owner(&c, "."), 0);
	ended(&c);
	fd_drop(&out);
	make_writable(b);
	drop_namespace(b, "cgroup");
	launched(b, &c, &out);
	assert_int_equal(owner(&c, "."), 0);
	ended(&c);
}

static void below(void **state)
{
	struct box *b = *state;
	map_set(&b->arena, &b->spec.annotations, "run.oci.delegate-cgroup", "a/b");
	make_writable(b);
	assert_string_equal(shell(b, "grep ^0 /proc/self/cgroup; head -n 1 /sys/fs/cgroup/a/b/cgroup.procs; cat /sys/fs/cgroup/cgroup.procs | wc -l"),
		"0::/a/b\n1\n0");
	use_userns(b);
	assert_string_equal(shell(b, "mkdir /sys/fs/cgroup/a/c && echo $$ > /sys/fs/cgroup/a/c/cgroup.procs && grep ^0 /proc/self/cgroup"), "0::/a/c");
}

static void bad_names(void **state)
{
	struct box *b = *state;
	static const char *const bad[] = {"/a", "../a", "..", ".", "a/../../b", "a//b", "a/"};
	script(b, "true");
	for (size_t i = 0; i < countof(bad); i++) {
		map_set(&b->arena, &b->spec.annotations, "run.oci.delegate-cgroup", bad[i]);
		refused(b, ERR_USAGE, "does not name a group below");
	}
}

/* On v1 it is not safe: the group of the v2 tree of a hybrid machine has no limits. */
static void not_on_v1(void **state)
{
	struct box *b = *state;
	struct container c;
	own(fd) int out = -1;
	if (cgroup_machine_mode() == CGROUP_V2 || cgroupfs_get()->row[CGROUPFS_V2].fd < 0)
		skip();
	make_writable(b);
	b->spec.process->user.uid = 1000;
	launched(b, &c, &out);
	assert_int_equal(owner(&c, "."), 0);
	ended(&c);
	map_set(&b->arena, &b->spec.annotations, "run.oci.delegate-cgroup", "a");
	refused(b, ERR_UNSUPPORTED, "only unified cgroups can be delegated");
}

int main(int argc, char **argv unused)
{
	const struct CMUnitTest tests[] = {BOX_TEST(not_on_v1), cmocka_unit_test(unified)};
	const struct CMUnitTest v2[] = {BOX_TEST(of_its_root), BOX_TEST(of_its_user), BOX_TEST(of_the_host), BOX_TEST(below), BOX_TEST(bad_names)};
	int status = box_main();
	if (status)
		return status;
	if (argc > 1 || cgroup_machine_mode() == CGROUP_V2)
		return cmocka_run_group_tests_name("v2", v2, NULL, NULL);
	return cmocka_run_group_tests_name("machine", tests, NULL, NULL);
}
