/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Classes of service, on a folder that behaves like resctrl as far as hull can see: this program's own mkdirat(), unlinkat()
 * and write() do there what the kernel does (filesystems/resctrl.rst). Machines with the real one are rare.
 */
#include "t_runtime_box.h"

static char fake[64]; /* where it is; "" when there is none */
enum { CLASSES = 3 };

static bool in_fake(int fd, char path[512])
{
	char link[40];
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t n = *fake ? readlink(link, path, 511) : -1;
	path[n > 0 ? n : 0] = 0;
	return n > 0 && strncmp(path, fake, strlen(fake)) == 0;
}

static void put(int dir, const char *name, const char *text)
{
	own(fd) int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0 && syscall(SYS_write, fd, text, strlen(text)) == (long)strlen(text));
}

static void get(int dir, const char *name, char ret[1024])
{
	own(fd) int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, ret, 1023);
	ret[n > 0 ? n : 0] = 0;
}

static void status(const char *text)
{
	own(fd) int root = open(fake, O_PATH | O_DIRECTORY | O_CLOEXEC);
	put(root, "info/last_cmd_status", text);
}

int mkdirat(int dir, const char *path, mode_t mode);
int mkdirat(int dir, const char *path, mode_t mode)
{
	char at[512];
	bool is_ours = in_fake(dir, at), is_class = is_ours && strcmp(at, fake) == 0 && !strchr(path, '/');
	struct stat st;
	if (is_class && fstat(dir, &st) == 0 && st.st_nlink - 2 >= CLASSES + 3 /* info, mon_groups, mon_data */) {
		errno = faccessat(dir, path, F_OK, 0) == 0 ? EEXIST : ENOSPC;
		return -1;
	}
	if (syscall(SYS_mkdirat, dir, path, mode) < 0)
		return -1;
	if (is_ours && !str_has_prefix(path_base(path), "mon_") && !str_eq(path, "info")) {
		own(fd) int made = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		put(made, "tasks", "");
		if (is_class) {
			put(made, "schemata", "    MB:0=100;1=100\n    L3:0=fff;1=fff\n");
			assert_int_equal(syscall(SYS_mkdirat, made, "mon_groups", 0755), 0);
		}
	}
	return 0;
}

int unlinkat(int dir, const char *path, int flags);
int unlinkat(int dir, const char *path, int flags)
{
	static bool inside;
	char at[512];
	struct err ignored = {};
	if (!inside && flags & AT_REMOVEDIR && in_fake(dir, at)) {
		inside = true;
		int r = path_remove_tree(dir, path, &ignored);
		inside = false;
		return r;
	}
	return (int)syscall(SYS_unlinkat, dir, path, flags);
}

/* One "L3:0=f;1=3": the value of each cache named takes the place of the one in the text. */
static bool set_line(char *text, const char *line)
{
	size_t n = strcspn(line, ":") + 1;
	char resource[16], out[1024];
	snprintf(resource, sizeof resource, "%.*s", (int)n, line);
	char *at = strstr(text, resource);
	for (const char *p = line + n; at && *p && *p != '\n'; p += strcspn(p, ";\n"), p += *p == ';') {
		char key[16];
		size_t len = strcspn(p, "=");
		if (len + 2 > sizeof key)
			return false;
		snprintf(key, sizeof key, "%.*s=", (int)len, p);
		char *value = strstr(at, key);
		if (!value || strchr(at, '\n') < value)
			return false;
		value += len + 1;
		snprintf(out, sizeof out, "%.*s%.*s%s", (int)(value - text), text, (int)strcspn(p + len + 1, ";\n"), p + len + 1,
			value + strcspn(value, ";\n"));
		strcpy(text, out);
	}
	return at;
}

static ssize_t write_schemata(const char *path, const char *p, size_t n)
{
	char text[1024], lines[1024];
	snprintf(lines, sizeof lines, "%.*s", (int)n, p);
	get(AT_FDCWD, path, text);
	bool good = n && p[n - 1] == '\n';
	for (char *line = lines; good && *line; line += strcspn(line, "\n") + 1) {
		char resource[16];
		snprintf(resource, sizeof resource, "\n%.*s", (int)strcspn(line, ":") + 1, line);
		good = !strstr(line, resource) && set_line(text, line);
	}
	status(good ? "ok\n" : "it does not like that\n");
	if (!good) {
		errno = EINVAL;
		return -1;
	}
	put(AT_FDCWD, path, text);
	return (ssize_t)n;
}

static ssize_t write_tasks(const char *path, const char *p, size_t n)
{
	char text[1024], class[512], all[2048];
	snprintf(class, sizeof class, "%s", path);
	char *group = strstr(class, "/mon_groups/");
	if (group) {
		strcpy(group, "/tasks");
		get(AT_FDCWD, class, text);
		if (!strstr(text, p)) {
			status("not in the class\n");
			errno = EINVAL;
			return -1;
		}
	}
	get(AT_FDCWD, path, text);
	snprintf(all, sizeof all, "%s%.*s", text, (int)n, p);
	put(AT_FDCWD, path, all);
	return (ssize_t)n;
}

ssize_t write(int fd, const void *p, size_t n)
{
	char path[512];
	if (in_fake(fd, path) && str_eq(path_base(path), "schemata"))
		return write_schemata(path, p, n);
	if (in_fake(fd, path) && str_eq(path_base(path), "tasks"))
		return write_tasks(path, p, n);
	return syscall(SYS_write, fd, p, n);
}

static int root;

static int rdt_open(void **state)
{
	if (box_open(state) < 0)
		return -1;
	struct box *b = *state;
	char at[64];
	snprintf(at, sizeof at, "%.40s/resctrl", b->dir);
	assert_int_equal(mkdir(at, 0755), 0);
	root = open(at, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	static const char *const dirs[] = {"info", "mon_groups", "mon_data"};
	for (size_t i = 0; i < countof(dirs); i++)
		assert_int_equal(mkdirat(root, dirs[i], 0755), 0);
	put(root, "schemata", "    MB:0=100;1=100\n    L3:0=fff;1=fff\n");
	put(root, "tasks", "");
	put(root, "info/last_cmd_status", "ok\n");
	snprintf(fake, sizeof fake, "%s", at);
	return 0;
}

static int rdt_close(void **state)
{
	*fake = 0;
	fd_drop(&root);
	return box_close(state);
}

static const char *read_file(const char *path)
{
	static char text[1024];
	get(root, path, text);
	return text;
}

static bool is_there(const char *path)
{
	return faccessat(root, path, F_OK, 0) == 0;
}

static struct spec_intel_rdt rdt(const char *id, const char *l3, const char *mb)
{
	return (struct spec_intel_rdt){.clos_id = (char *)(uintptr_t)id, .l3 = (char *)(uintptr_t)l3, .mem_bw = (char *)(uintptr_t)mb};
}

static void create_fails(const struct spec_intel_rdt *w, enum err_kind kind, const char *text)
{
	struct intel_rdt r = {};
	struct err e = {};
	if (intel_rdt_create(root, w, "box", &r, &e) == 0)
		fail_msg("made");
	if (e.kind != kind || !strstr(e.text, text))
		fail_msg("kind %d: %s", e.kind, e.text);
}

static struct intel_rdt created(const struct spec_intel_rdt *w)
{
	struct intel_rdt r = {};
	struct err e = {};
	if (intel_rdt_check(w, "box", &e) < 0 || intel_rdt_create(root, w, "box", &r, &e) < 0 || intel_rdt_apply(root, &r, 4711, &e) < 0)
		fail_msg("%s", e.text);
	return r;
}

static void removed(struct intel_rdt *r)
{
	struct err e = {};
	if (intel_rdt_remove(root, r, &e) < 0)
		fail_msg("%s", e.text);
}

/* Without closID: a class that has the container's name, and goes with it whatever is in it. */
static void of_its_own(void **state)
{
	(void)state;
	struct spec_intel_rdt w = rdt(NULL, "L3:0=f;1=f0\nMB:0=10\n", "MB:1=70");
	char *lines[] = {(char *)(uintptr_t) "L3:1=ff", (char *)(uintptr_t) "MB:0=20", NULL};
	struct intel_rdt r = created(&w);
	assert_string_equal(read_file("box/schemata"), "    MB:0=100;1=70\n    L3:0=f;1=f0\n");
	assert_string_equal(read_file("box/tasks"), "4711\n");
	removed(&r);
	assert_false(is_there("box"));
	removed(&r);
	/* schemata is written behind the others; what a container of that name has left is taken over. */
	w.schemata = (struct strv){lines, 2};
	assert_int_equal(mkdirat(root, "box", 0755), 0);
	r = created(&w);
	assert_string_equal(read_file("box/schemata"), "    MB:0=20;1=70\n    L3:0=f;1=ff\n");
	removed(&r);
	assert_false(is_there("box"));
	w = rdt(NULL, NULL, NULL);
	r = created(&w);
	assert_string_equal(read_file("box/schemata"), "    MB:0=100;1=100\n    L3:0=fff;1=fff\n");
	struct spec_intel_rdt more = rdt(NULL, "L3:0=1", "MB:0=30");
	struct err e = {};
	assert_int_equal(intel_rdt_update(root, &r, &more, &e), 0);
	assert_string_equal(read_file("box/schemata"), "    MB:0=30;1=100\n    L3:0=1;1=fff\n");
	more = rdt(NULL, "L3:7=1", NULL);
	assert_int_equal(intel_rdt_update(root, &r, &more, &e), -1);
	assert_non_null(strstr(e.text, "Invalid argument (it does not like that)"));
	removed(&r);
	assert_int_equal(intel_rdt_update(root, &(struct intel_rdt){}, &more, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
}

static void shared(void **state)
{
	(void)state;
	struct spec_intel_rdt w = rdt("gold", NULL, NULL);
	struct err e = {};
	create_fails(&w, ERR_NOT_FOUND, "there is no class gold");
	assert_false(is_there("gold"));
	w = rdt("gold", "L3:0=ff;1=f", "MB:0=50");
	struct intel_rdt first = created(&w);
	/* The same words, said in another way, and parts of them; or none. */
	static const char *const same[][2] = {{"L3:0=ff;1=f", "MB:0=50"}, {"L3: 1=00F ; 0=0ff;", NULL},
		{"L3:1=f", "MB:1=100;0=50"}, {NULL, "MB:0=050"}, {NULL, NULL}};
	for (size_t i = 0; i < countof(same); i++) {
		struct spec_intel_rdt again = rdt("gold", same[i][0], same[i][1]);
		struct intel_rdt r = {};
		if (intel_rdt_create(root, &again, "box2", &r, &e) < 0)
			fail_msg("%zu: %s", i, e.text);
		assert_false(r.made_clos);
		removed(&r);
		assert_true(is_there("gold"));
	}
	static const char *const others[][2] = {{"L3:0=f", NULL}, {"L3:0=ff;1=ff", NULL}, {NULL, "MB:0=51"}, {"L2:0=1", NULL},
		{"L3:2=f", NULL}, {"L3", NULL}, {"L3:0", NULL},
		{"L3:=f", NULL}};
	for (size_t i = 0; i < countof(others); i++) {
		w = rdt("gold", others[i][0], others[i][1]);
		create_fails(&w, ERR_CONFLICT, "class gold exists and has another schema");
	}
	assert_string_equal(read_file("gold/schemata"), "    MB:0=50;1=100\n    L3:0=ff;1=f\n");
	/* It stays while somebody is in it, and goes with the one that made it. */
	struct intel_rdt same_one = first;
	removed(&first);
	assert_true(is_there("gold"));
	put(root, "gold/tasks", "");
	removed(&same_one);
	assert_false(is_there("gold"));
}

static void by_default(void **state)
{
	(void)state;
	struct spec_intel_rdt w = rdt("/", "L3:0=fff", NULL);
	w.monitoring = true;
	struct intel_rdt r = created(&w);
	assert_string_equal(read_file("tasks"), "4711\n");
	assert_string_equal(read_file("mon_groups/box/tasks"), "4711\n");
	removed(&r);
	assert_false(is_there("mon_groups/box"));
	assert_true(is_there("mon_groups"));
	assert_true(is_there("tasks"));
	w = rdt("/", "L3:0=ff", NULL);
	create_fails(&w, ERR_CONFLICT, "class / exists and has another schema");
}

static void monitored(void **state)
{
	(void)state;
	struct spec_intel_rdt w = rdt(NULL, NULL, NULL);
	w.monitoring = true;
	struct intel_rdt r = created(&w);
	assert_string_equal(read_file("box/tasks"), "4711\n");
	assert_string_equal(read_file("box/mon_groups/box/tasks"), "4711\n");
	removed(&r);
	assert_false(is_there("box"));
	/* In a class that somebody else has made. */
	assert_int_equal(mkdirat(root, "gold", 0755), 0);
	w.clos_id = (char *)(uintptr_t) "gold";
	r = created(&w);
	assert_string_equal(read_file("gold/mon_groups/box/tasks"), "4711\n");
	removed(&r);
	assert_false(is_there("gold/mon_groups/box"));
	assert_true(is_there("gold/mon_groups"));
	struct err e = {};
	assert_int_equal(path_remove_tree(root, "gold/mon_groups", &e), 0);
	create_fails(&w, ERR_UNSUPPORTED, "no monitoring");
	assert_true(is_there("gold"));
}

/* Nothing that was made for it stays. */
static void fails_whole(void **state)
{
	(void)state;
	struct spec_intel_rdt w = rdt("gold", "L3:0=f", "MB:9=1");
	create_fails(&w, ERR_USAGE, "(it does not like that)");
	assert_false(is_there("gold"));
	char *lines[] = {(char *)(uintptr_t) "L4:0=1", NULL};
	w = rdt(NULL, "L3:0=f", NULL);
	w.schemata = (struct strv){lines, 1};
	create_fails(&w, ERR_USAGE, "(it does not like that)");
	assert_false(is_there("box"));
	static const char *const names[] = {"a", "b", "c"};
	for (size_t i = 0; i < countof(names); i++)
		assert_int_equal(mkdirat(root, names[i], 0755), 0);
	w = rdt(NULL, "L3:0=f", NULL);
	create_fails(&w, ERR_LIMIT, "no more classes of service");
	/* One that is there costs nothing. */
	w = rdt("a", "L3:0=fff", NULL);
	struct intel_rdt r = created(&w);
	removed(&r);
	assert_true(is_there("a"));
	struct err e = {};
	assert_int_equal(path_remove_tree(root, "a", &e), 0);
	assert_int_equal(intel_rdt_apply(root, &r, 1, &e), -1);
	assert_non_null(strstr(e.text, "class a"));
}

static void words(void **state)
{
	(void)state;
	static const struct { const char *clos, *mb, *error; } rows[] = {{".", NULL, "closID"},
		{"..", NULL, "closID"}, {"a/b", NULL, "closID"}, {"/a", NULL, "closID"},
		{"//", NULL, "closID"}, {"a\nb", NULL, "closID"}, {"info", NULL, "the kernel's own"}, {"mon_groups", NULL, "the kernel's own"},
		{"mon_data", NULL, "the kernel's own"}, {"x", "L3:0=1", "memBwSchema"}, {"x", "MB:0=1\nL3:0=1", "memBwSchema"}};
	struct err e = {};
	for (size_t i = 0; i < countof(rows); i++) {
		struct spec_intel_rdt w = rdt(rows[i].clos, NULL, rows[i].mb);
		if (intel_rdt_check(&w, "box", &e) == 0 || e.kind != ERR_USAGE || !strstr(e.text, rows[i].error))
			fail_msg("%s: %s", rows[i].clos, e.text);
	}
	char name[300];
	memset(name, 'x', sizeof name);
	name[256] = 0;
	struct spec_intel_rdt w = rdt("x", NULL, NULL);
	assert_int_equal(intel_rdt_check(&w, name, &e), -1);
	w = rdt(NULL, NULL, NULL);
	assert_int_equal(intel_rdt_check(&w, name, &e), -1);
	assert_int_equal(intel_rdt_check(&w, "info", &e), -1);
	name[255] = 0;
	assert_int_equal(intel_rdt_check(&w, name, &e), 0);
}

/* A whole container, and one more process in it. */
static void container(void **state)
{
	struct box *b = *state;
	struct container c;
	own(fd) int out = -1;
	char at[128], expect[64];
	struct spec_intel_rdt w = rdt(NULL, "L3:0=f", NULL);
	w.monitoring = true;
	b->spec.linux_->intel_rdt = &w;
	b->create.resctrl = root;
	args(b, "sleep", "60", NULL);
	if (launch(b, &c, &out) < 0)
		fail_msg("%s", b->e.text);
	snprintf(expect, sizeof expect, "%d\n", (int)c.pid);
	snprintf(at, sizeof at, "%s/tasks", b->id);
	assert_string_equal(read_file(at), expect);
	struct spec_process p = *b->spec.process;
	p.args = (struct strv){};
	arena_strv_add(&b->arena, &p.args, "true");
	struct container_exec x = {.id = b->id, .pid = c.pid, .start_time = c.start_time, .process = &p, .spec = &b->spec, .cgroup = &c.cgroup,
		.stdio = {-1, -1, -1}, .seccomp_cache = -1, .resctrl = root};
	struct container_process done;
	int ended;
	if (container_exec(&x, &done, &b->e) < 0)
		fail_msg("%s", b->e.text);
	assert_int_equal(waitpid(done.pid, &ended, 0), done.pid);
	assert_int_equal(ended, 0);
	close(done.pidfd);
	snprintf(expect, sizeof expect, "%d\n%d\n", (int)c.pid, (int)done.pid);
	assert_string_equal(read_file(at), expect);
	snprintf(at, sizeof at, "%s/mon_groups/%s/tasks", b->id, b->id);
	assert_string_equal(read_file(at), expect);
	kill(c.pid, SIGKILL);
	assert_int_equal(reap(&c), 137);
	assert_false(is_there(b->id));
	/* One that does not come to be; with no control group of its own neither. */
	b->create.cgroup_manager = CGROUP_MANAGER_DISABLED;
	args(b, "no-such-command", NULL);
	assert_int_equal(run(b), -1);
	assert_int_equal(b->e.kind, ERR_NOCMD);
	assert_false(is_there(b->id));
	w.clos_id = (char *)(uintptr_t) "gold/x";
	refused(b, ERR_USAGE, "closID");
	w = rdt("gold", NULL, NULL);
	refused(b, ERR_NOT_FOUND, "there is no class gold");
}

static void not_there(void **state)
{
	struct box *b = *state;
	struct spec_intel_rdt w = rdt("/", NULL, NULL);
	struct err e = {};
	own(fd) int real = intel_rdt_root(&e);
	if (real >= 0)
		skip();
	b->spec.linux_->intel_rdt = &w;
	args(b, "true", NULL);
	refused(b, ERR_UNSUPPORTED, "linux.intelRdt: the resctrl file system is not mounted");
}

#define RDT_TEST(f) cmocka_unit_test_setup_teardown(f, rdt_open, rdt_close)

int main(void)
{
	const struct CMUnitTest tests[] = {RDT_TEST(of_its_own), RDT_TEST(shared), RDT_TEST(by_default), RDT_TEST(monitored), RDT_TEST(fails_whole),
		RDT_TEST(words), RDT_TEST(container), RDT_TEST(not_there)};
	return box_main() ? 77 : cmocka_run_group_tests(tests, NULL, NULL);
}
