/* SPDX-License-Identifier: Apache-2.0 */
/* User namespaces: as root, by path, and made by a plain user with nothing but newuidmap or his own id. */
#include "t_runtime_box.h"

#include <grp.h>
#include <sched.h>
#include <sys/prctl.h>

static struct idmap_row row = {0, 100000, 65536};

static void map(struct box *b, struct idmap_row *r)
{
	add_namespace(b, "user", NULL);
	b->spec.linux_->uids.v = b->spec.linux_->gids.v = r;
	b->spec.linux_->uids.n = b->spec.linux_->gids.n = 1;
}

static void mapped(void **state)
{
	struct box *b = *state;
	map(b, &row);
	uint32_t groups[] = {5, 1000};
	b->spec.process->user.groups = (struct u32v){groups, 2};
	assert_string_equal(shell(b, "tr -s ' ' < /proc/self/uid_map; id; hostname"), " 0 100000 65536\nuid=0(root) gid=0 groups=5,1000\n"
		"boxhost");
	/* Files of the host's root are nobody's; what the container makes is 100000's. */
	assert_string_equal(shell(b, "stat -c %u /etc/passwd /dev/shm; echo x > /dev/null; ls /dev | grep -vx core; touch /dev/shm/f && stat -c %u /dev/shm/f; "
		"touch /etc/x 2>&1 | grep -c 'denied'"),
		"65534\n0\nfd\nfull\nmqueue\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n0\n1");
	b->spec.process->user.uid = 1000;
	b->spec.process->terminal = true;
	struct container c;
	args(b, "tty", NULL);
	if (container_create(&b->create, &c, &b->e) < 0)
		fail_msg("%s", b->e.text);
	assert_int_equal(container_start(&c, &b->e), 0);
	char text[64] = "";
	assert_true(read(c.console, text, sizeof text - 1) > 0);
	assert_int_equal(reap(&c), 0);
	assert_string_equal(text, "/dev/pts/0\r\n");
}

static void refusals(void **state)
{
	struct box *b = *state;
	script(b, "true");
	map(b, &row);
	b->spec.linux_->uids.n = 0;
	refused(b, ERR_USAGE, "needs linux.uidMappings");
	b->spec.linux_->uids.n = 1;
	b->spec.process->user.uid = 70000;
	refused(b, ERR_USAGE, "user 70000 is not mapped");
	b->spec.process->user.uid = 0;
	struct idmap_row twice[] = {{0, 1000, 10}, {5, 5000, 10}};
	b->spec.linux_->uids.v = twice;
	b->spec.linux_->uids.n = 2;
	refused(b, ERR_USAGE, "uid_map: the kernel refuses these rows");
	b->spec.linux_->uids = (__typeof__(b->spec.linux_->uids)){&row, 1};
	/* A node that is another device on the host. */
	struct spec_device *d = list_add(b, &b->spec.linux_->devices, sizeof *d);
	*d = (struct spec_device){.path = arena_dup(&b->arena, "/dev/zero"), .type = arena_dup(&b->arena, "c"), .major = {true, 1}, .minor = {true, 8}};
	refused(b, ERR_UNSUPPORTED, "the host's is bound, and that is another device");
}

/* Ids without 0 in them: keep-id for a user that has no ranges. */
static void without_root(void **state)
{
	struct box *b = *state;
	struct idmap_row only = {1000, 100000, 1};
	map(b, &only);
	b->spec.process->user = (struct spec_user){.uid = 1000, .gid = 1000};
	for (size_t i = 0; i < b->spec.mounts.n; i++)
		if (str_eq(b->spec.mounts.v[i].type, "cgroup"))
			b->spec.mounts.v[i--] = b->spec.mounts.v[--b->spec.mounts.n];
	assert_string_equal(shell(b, "id -u; id -g; tr -s ' ' < /proc/self/uid_map"), "1000\n1000\n 1000 100000 1");
}

static void by_path(void **state)
{
	struct box *b = *state;
	struct container first;
	own(fd) int out = -1;
	map(b, &row);
	args(b, "sleep", "60", NULL);
	assert_int_equal(launch(b, &first, &out), 0);
	char path[64], id[64];
	snprintf(path, sizeof path, "/proc/%d/ns/user", (int)first.pid);
	drop_namespace(b, "user");
	add_namespace(b, "user", path);
	snprintf(id, sizeof id, "%s-b", b->id);
	b->create.id = id;
	/* What is new belongs to the namespace that was joined, so the container may set its host name. */
	for (size_t i = 0; i < 6; i++)
		arena_strv_add(&b->arena, &b->spec.process->caps->bounding, "CAP_SYS_ADMIN");
	b->spec.process->caps->effective = b->spec.process->caps->permitted = b->spec.process->caps->bounding;
	assert_string_equal(shell(b, "tr -s ' ' < /proc/self/uid_map; echo $$; hostname other && hostname"), " 0 100000 65536\n1\nother");
	b->create.id = b->id;
	kill(first.pid, SIGKILL);
	assert_int_equal(reap(&first), 137);
}

/* Accounts of our own, in a mount namespace of our own. */
static void cover(const struct box *b, const char *file, const char *text)
{
	char at[64], whole[256];
	snprintf(at, sizeof at, "/account-%s", path_base(file));
	put_text(b, at, text, 0644);
	in_root(b, at, whole);
	if (mount(whole, file, NULL, MS_BIND, NULL) < 0)
		_exit(98);
}

static bool make_account(const struct box *b)
{
	if (access("/usr/bin/newuidmap", X_OK) < 0)
		return false;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		_exit(97);
	cover(b, "/etc/passwd", "root:x:0:0::/root:/bin/sh\ntester:x:4321:4321::/:/bin/sh\n");
	cover(b, "/etc/subuid", "tester:200000:65536\n");
	cover(b, "/etc/subgid", "tester:200000:65536\n");
	return true;
}

/* As a plain user; the child must not go on into the next tests. */
static int as_user(uid_t uid, int (*test)(struct box *b), struct box *b, bool account)
{
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		if (account && !make_account(b))
			_exit(77);
		if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
			_exit(99);
		prctl(PR_SET_DUMPABLE, 1); /* as it would be after an exec: our /proc files are ours */
		_exit(test(b));
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static int own_id_only(struct box *b)
{
	struct idmap_row own = {0, 4321, 1};
	map(b, &own);
	drop_namespace(b, "network");
	b->create.cgroup_manager = CGROUP_MANAGER_DISABLED;
	int status = run(b);
	if (status)
		fprintf(stderr, "%d: %s%s\n", status, b->e.text, buf_text(&b->out));
	return status || strcmp(buf_text(&b->out), "0\n0 4321 1\nrw\n") != 0;
}

static void plain_user(void **state)
{
	struct box *b = *state;
	char at[256];
	in_root(b, "", at);
	assert_int_equal(chown(at, 4321, 4321), 0);
	in_root(b, "/tmp", at);
	assert_int_equal(chown(at, 4321, 4321), 0);
	assert_int_equal(chown(b->dir, 4321, 4321), 0);
	script(b, "id -u; tr -s ' ' < /proc/self/uid_map | cut -c2-; touch /tmp/x && echo rw");
	assert_int_equal(as_user(4321, own_id_only, b, false), 0);
	in_root(b, "/tmp/x", at);
	struct stat st;
	assert_int_equal(stat(at, &st), 0);
	assert_int_equal(st.st_uid, 4321);
}

static int range(struct box *b)
{
	static struct idmap_row rows[] = {{0, 4321, 1}, {1, 200000, 65536}};
	map(b, rows);
	b->spec.linux_->uids.n = b->spec.linux_->gids.n = 2;
	drop_namespace(b, "network");
	b->create.cgroup_manager = CGROUP_MANAGER_DISABLED;
	struct container c;
	int out = -1;
	uint32_t groups[] = {7};
	b->spec.process->user = (struct spec_user){.uid = 1000, .gid = 1000, .groups = {groups, 1}};
	if (launch(b, &c, &out) < 0) {
		fprintf(stderr, "%s\n", b->e.text);
		return 1;
	}
	close(out);
	/* exec, too: the PID namespace cannot be entered without the user namespace. */
	struct spec_process p = *b->spec.process;
	struct container_process q;
	p.args = (struct strv){};
	arena_strv_add(&b->arena, &p.args, "true");
	struct container_exec x = {.pid = c.pid, .start_time = c.start_time, .process = &p, .spec = &b->spec, .stdio = {-1, -1, -1}, .seccomp_cache = -1};
	int status = -1;
	if (container_exec(&x, &q, &b->e) < 0)
		fprintf(stderr, "%s\n", b->e.text);
	else
		waitpid(q.pid, &status, 0);
	kill(c.pid, SIGKILL);
	reap(&c);
	return status;
}

static void plain_user_with_a_range(void **state)
{
	struct box *b = *state;
	args(b, "sleep", "60", NULL);
	int status = as_user(4321, range, b, true);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(status, 0);
}

/* The range is another's. */
static int no_range(struct box *b)
{
	static struct idmap_row rows[] = {{0, 4321, 1}, {1, 300000, 65536}};
	map(b, rows);
	b->spec.linux_->uids.n = b->spec.linux_->gids.n = 2;
	drop_namespace(b, "network");
	b->create.cgroup_manager = CGROUP_MANAGER_DISABLED;
	return run(b) != -1 || !strstr(b->e.text, "is the range yours in /etc/subgid?");
}

static void plain_user_with_a_strangers_range(void **state)
{
	struct box *b = *state;
	script(b, "true");
	int status = as_user(4321, no_range, b, true);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(status, 0);
}

/* Entering as a plain user takes a process in between: here with his own id alone, which needs no tool. */
static int enter_own(struct box *b)
{
	static struct idmap_row own = {0, 4321, 1};
	map(b, &own);
	drop_namespace(b, "network");
	b->create.cgroup_manager = CGROUP_MANAGER_DISABLED;
	struct container c;
	struct container_process q;
	int out = -1, status = -1, pipe_[2];
	if (launch(b, &c, &out) < 0)
		return fprintf(stderr, "%s\n", b->e.text), 1;
	close(out);
	struct spec_process p = *b->spec.process;
	p.args = (struct strv){};
	arena_strv_add(&b->arena, &p.args, "sh");
	arena_strv_add(&b->arena, &p.args, "-c");
	arena_strv_add(&b->arena, &p.args, "cat /proc/1/comm; id -u; hostname");
	if (pipe2(pipe_, O_CLOEXEC) < 0)
		return 1;
	struct container_exec x = {.pid = c.pid, .start_time = c.start_time, .process = &p, .spec = &b->spec,
		.stdio = {-1, pipe_[1], pipe_[1]}, .seccomp_cache = -1};
	int r = container_exec(&x, &q, &b->e);
	close(pipe_[1]);
	if (r < 0) {
		fprintf(stderr, "%s\n", b->e.text);
	} else {
		buf_reset(&b->out);
		fd_read_to_end(pipe_[0], &b->out);
		waitpid(q.pid, &status, 0);
	}
	kill(c.pid, SIGKILL);
	reap(&c);
	return status || strcmp(buf_text(&b->out), "sleep\n0\nboxhost\n") != 0 || waitpid(-1, NULL, 0) != -1;
}

static void plain_user_enters(void **state)
{
	struct box *b = *state;
	char at[256];
	in_root(b, "", at);
	assert_int_equal(chown(at, 4321, 4321), 0);
	args(b, "sleep", "60", NULL);
	assert_int_equal(as_user(4321, enter_own, b, false), 0);
}

static int limits_without_groups(struct box *b)
{
	static struct idmap_row own = {0, 4321, 1};
	map(b, &own);
	b->spec.linux_->resources->pids_limit = (struct opt_i64){true, 5};
	int r = run(b);
	bool said = r < 0 && b->e.kind == ERR_DENIED && strstr(b->e.text, "limits need a cgroup that belongs to you");
	/* Without a limit it works, without groups. */
	b->spec.linux_->resources->pids_limit.set = false;
	drop_namespace(b, "network");
	return !said || run(b) != 0;
}

static void plain_user_without_groups(void **state)
{
	struct box *b = *state;
	char at[256];
	in_root(b, "", at);
	assert_int_equal(chown(at, 4321, 4321), 0);
	script(b, "true");
	assert_int_equal(as_user(4321, limits_without_groups, b, false), 0);
}

static void mapped_mounts(void **state)
{
	struct box *b = *state;
	char dir[128], file[160];
	struct stat st;
	snprintf(dir, sizeof dir, "%s/volume", b->dir);
	snprintf(file, sizeof file, "%s/made", dir);
	assert_int_equal(mkdir(dir, 0755), 0);
	make_dir(b, "/vol", 0755);
	/* As the container is mapped: its root is the host's root in that volume. */
	map(b, &row);
	add_mount(b, "/vol", "bind", dir, "rbind,idmap");
	script(b, "stat -c %u /vol; touch /vol/made; stat -c %u /vol/made");
	int status = run(b);
	if (status < 0 && strstr(b->e.text, "map ids of the mount"))
		skip(); /* the file system of /tmp cannot do it */
	assert_int_equal(status, 0);
	assert_string_equal(buf_text(&b->out), "0\n0\n");
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_uid, 0);
	drop_mount(b);
	/* With rows of its own, in a container without a user namespace. */
	drop_namespace(b, "user");
	struct idmap_row own = {0, 500, 1000};
	struct spec_mount *m = add_mount(b, "/vol", "bind", dir, "rbind,ro");
	m->uids = m->gids = (struct idmap_rows){&own, 1};
	assert_string_equal(shell(b, "stat -c %u /vol/made; touch /vol/x 2>&1 | grep -c Read-only"), "500\n1");
	m->type = arena_dup(&b->arena, "tmpfs");
	m->options = (struct strv){};
	refused(b, ERR_USAGE, "only a bind mount can be id-mapped");
}

int main(void)
{
	const struct CMUnitTest tests[] = {BOX_TEST(mapped), BOX_TEST(refusals), BOX_TEST(without_root), BOX_TEST(by_path), BOX_TEST(plain_user),
		BOX_TEST(plain_user_with_a_range), BOX_TEST(plain_user_with_a_strangers_range), BOX_TEST(plain_user_enters), BOX_TEST(mapped_mounts),
		BOX_TEST(plain_user_without_groups)};
	return box_main() ? 77 : cmocka_run_group_tests(tests, NULL, NULL);
}
