/* SPDX-License-Identifier: Apache-2.0 */
/* mounts[]: every option of runtime-spec's table, tmpcopyup, id maps, and crun's own words. */
#include "t_runtime_box.h"

#include <sys/xattr.h>

static void make_tree(struct box *b, char top[128], char below[160])
{
	snprintf(top, 128, "%s/tree", b->dir);
	snprintf(below, 160, "%s/below", top);
	assert_int_equal(mkdir(top, 0755) | mkdir(below, 0755), 0);
}

/* The mount options of a place inside, as mountinfo has them. */
static const char *flags_of(struct box *b, const char *place)
{
	return shell(b, arena_printf(&b->arena, "grep ' %s ' /proc/self/mountinfo | cut -d' ' -f6", place));
}

/* The specification says of each of these that it MUST be supported. */
static void every_word(void **state)
{
	struct box *b = *state;
	static const struct { const char *words, *tmpfs, *bind; } rows[] = {
		{"defaults", "rw,relatime", "rw,relatime"}, {"ro", "ro,relatime", "ro,relatime"}, {"ro,rw", "rw,relatime", "rw,relatime"},
		{"nosuid", "rw,nosuid,relatime", "rw,nosuid,relatime"}, {"nosuid,suid", "rw,relatime", "rw,relatime"},
		{"nodev", "rw,nodev,relatime", "rw,nodev,relatime"}, {"nodev,dev", "rw,relatime", "rw,relatime"},
		{"noexec", "rw,noexec,relatime", "rw,noexec,relatime"}, {"noexec,exec", "rw,relatime", "rw,relatime"},
		{"noatime", "rw,noatime", "rw,noatime"}, {"noatime,atime", "rw,relatime", "rw,relatime"},
		{"strictatime", "rw", "rw"}, {"strictatime,nostrictatime", "rw,relatime", "rw,relatime"},
		{"noatime,strictatime", "rw", "rw"}, {"strictatime,noatime", "rw,noatime", "rw,noatime"},
		{"strictatime,relatime", "rw,relatime", "rw,relatime"}, {"relatime,norelatime", "rw,relatime", "rw,relatime"},
		{"nodiratime", "rw,nodiratime,relatime", "rw,nodiratime,relatime"}, {"nodiratime,diratime", "rw,relatime", "rw,relatime"},
		{"nosymfollow", "rw,relatime,nosymfollow", "rw,relatime,nosymfollow"}, {"nosymfollow,symfollow", "rw,relatime", "rw,relatime"},
		{"async", "rw,relatime", "rw,relatime"}, {"sync", "rw,relatime", "rw,relatime"}, {"dirsync", "rw,relatime", "rw,relatime"},
		{"lazytime", "rw,relatime", "rw,relatime"}, {"nolazytime", "rw,relatime", "rw,relatime"},
		{"iversion", "rw,relatime", "rw,relatime"}, {"noiversion", "rw,relatime", "rw,relatime"}, {"mand", "rw,relatime", "rw,relatime"},
		{"nomand", "rw,relatime", "rw,relatime"}, {"silent", "rw,relatime", "rw,relatime"}, {"loud", "rw,relatime", "rw,relatime"},
		{"private", "rw,relatime", "rw,relatime"}, {"rprivate", "rw,relatime", "rw,relatime"}, {"shared", "rw,relatime", "rw,relatime"},
		{"rshared", "rw,relatime", "rw,relatime"}, {"slave", "rw,relatime", "rw,relatime"}, {"rslave", "rw,relatime", "rw,relatime"},
		{"unbindable", "rw,relatime", "rw,relatime"}, {"runbindable", "rw,relatime", "rw,relatime"},
		{"nosuid,nodev,noexec,ro,noatime,nodiratime", "ro,nosuid,nodev,noexec,noatime,nodiratime", "ro,nosuid,nodev,noexec,noatime,nodiratime"},
	};
	/* A file system of our own is the source: whatever the machine mounts /tmp with must not show. */
	char top[128], below[160];
	make_tree(b, top, below);
	assert_int_equal(mount("tmpfs", top, "tmpfs", 0, NULL), 0);
	size_t before = b->spec.mounts.n;
	own(buf) struct buf expected = {};
	for (size_t i = 0; i < countof(rows); i++) {
		add_mount(b, arena_printf(&b->arena, "/t%zu", i), "tmpfs", "tmpfs", rows[i].words);
		add_mount(b, arena_printf(&b->arena, "/b%zu", i), "bind", top, rows[i].words);
		buf_printf(&expected, "/t%zu %s\n/b%zu %s\n", i, rows[i].tmpfs, i, rows[i].bind);
	}
	char *got = mem_printf("%s\n", shell(b, "grep -E ' /[tb][0-9]+ ' /proc/self/mountinfo | cut -d' ' -f5,6"));
	umount2(top, MNT_DETACH);
	b->spec.mounts.n = before;
	assert_string_equal(got, buf_text(&expected));
	free(got);
}

/* What mount(2) had as flags of the file system, and what nobody but the file system knows. */
static void words_of_the_file_system(void **state)
{
	struct box *b = *state;
	add_mount(b, "/t", "tmpfs", "tmpfs", "sync,dirsync,size=64k,mode=700,uid=5,gid=6,nr_inodes=50");
	add_mount(b, "/u", "tmpfs", "tmpfs", "sync,async");
	assert_string_equal(shell(b, "grep -E ' /[tu] ' /proc/self/mountinfo | sed 's/.* - //'"),
		"tmpfs tmpfs rw,sync,dirsync,size=64k,nr_inodes=50,mode=700,uid=5,gid=6\ntmpfs tmpfs rw");
	b->spec.mounts.n -= 2;
	script(b, "true");
	add_mount(b, "/t", "tmpfs", "tmpfs", "nosuchword");
	refused(b, ERR_USAGE, "mount /t: tmpfs: option nosuchword");
	drop_mount(b);
	/* The word of one file system is not another's. */
	add_mount(b, "/t", "tmpfs", "tmpfs", "lowerdir=/x");
	refused(b, ERR_USAGE, "mount /t: tmpfs: option lowerdir=/x");
}

static void recursive_words(void **state)
{
	struct box *b = *state;
	static const struct { const char *words, *both; } rows[] = {
		{"rro", "ro,relatime"}, {"ro,rro,rrw", "rw,relatime"}, {"rnosuid", "rw,nosuid,relatime"}, {"rnosuid,rsuid", "rw,relatime"},
		{"rnodev", "rw,nodev,relatime"}, {"rnodev,rdev", "rw,relatime"}, {"rnoexec", "rw,noexec,relatime"},
		{"rnoexec,rexec", "rw,relatime"}, {"rnoatime", "rw,noatime"}, {"rnoatime,ratime", "rw,relatime"},
		{"rstrictatime", "rw"}, {"rstrictatime,rnostrictatime", "rw,relatime"}, {"rrelatime", "rw,relatime"},
		{"rnorelatime", "rw,relatime"}, {"rnoatime,rrelatime", "rw,relatime"}, {"rnodiratime", "rw,nodiratime,relatime"},
		{"rnodiratime,rdiratime", "rw,relatime"}, {"rnosymfollow", "rw,relatime,nosymfollow"},
		{"rnosymfollow,rsymfollow", "rw,relatime"}, {"rro,rnosuid,rnodev,rnoexec,rnoatime", "ro,nosuid,nodev,noexec,noatime"},
	};
	char top[128], below[160];
	make_tree(b, top, below);
	assert_int_equal(mount("tmpfs", top, "tmpfs", 0, NULL) | mkdir(below, 0755) | mount("tmpfs", below, "tmpfs", 0, NULL), 0);
	own(buf) struct buf expected = {};
	for (size_t i = 0; i < countof(rows); i++) {
		struct spec_mount *m = add_mount(b, arena_printf(&b->arena, "/r%zu", i), "bind", top, "rbind");
		own(strv) struct strv words = {};
		strv_split(&words, rows[i].words, ',');
		for (size_t k = 0; k < words.n; k++)
			arena_strv_add(&b->arena, &m->options, words.v[k]);
		/* "ro" alone is of the top; rrw after it is of all. */
		bool top_only = str_has_prefix(rows[i].words, "ro,");
		buf_printf(&expected, "/r%zu %s\n/r%zu/below %s\n", i, top_only ? "ro,relatime" : rows[i].both, i, rows[i].both);
	}
	int status = (script(b, "grep -E ' /r[0-9]+' /proc/self/mountinfo | cut -d' ' -f5,6"), run(b));
	umount2(top, MNT_DETACH);
	if (status)
		fail_msg("%d %s", status, b->e.text);
	assert_string_equal(buf_text(&b->out), buf_text(&expected));
}

static void remounts(void **state)
{
	struct box *b = *state;
	script(b, "true");
	add_mount(b, "/t", "tmpfs", "tmpfs", "size=64k");
	add_mount(b, "/t", "", "", "remount,bind,ro,nosuid");
	assert_string_equal(flags_of(b, "/t"), "ro,nosuid,relatime");
	drop_mount(b);
	add_mount(b, "/t", "tmpfs", "tmpfs", "remount,ro,size=128k");
	assert_string_equal(shell(b, "grep ' /t ' /proc/self/mountinfo | sed 's/^.* - //'; touch /t/x 2>&1 | grep -c Read-only"),
		"tmpfs tmpfs ro,size=128k\n1");
	add_mount(b, "/t", "tmpfs", "tmpfs", "remount,rw");
	assert_string_equal(shell(b, "grep ' /t ' /proc/self/mountinfo | sed 's/^.* - //'; touch /t/x && echo made"), "tmpfs tmpfs rw,size=128k\nmade");
	drop_mount(b);
	add_mount(b, "/etc", "", "", "remount,bind,ro");
	refused(b, ERR_USAGE, "mount /etc: remount: nothing is mounted there");
	drop_mount(b);
	add_mount(b, "/nowhere", "", "", "remount,ro");
	refused(b, ERR_NOT_FOUND, "mount /nowhere: remount");
}

static void shapes_of_places(void **state)
{
	struct box *b = *state;
	char file[128], dir[128];
	snprintf(file, sizeof file, "%s/file", b->dir);
	snprintf(dir, sizeof dir, "%s/source", b->dir);
	assert_int_equal(mkdir(dir, 0755), 0);
	own(fd) int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(write(fd, "text", 4), 4);
	b->create.bundle = b->dir;
	/* A file's place is a file, a fifo's and a device's too; all of them below directories that are made. */
	add_mount(b, "/made/by/file", "bind", file, "bind");
	add_mount(b, "made/by/relative", "bind", file, "bind");
	add_mount(b, "../../made/../up", "tmpfs", "tmpfs", "size=1m");
	add_mount(b, "/made/null", "bind", "/dev/null", "bind");
	add_mount(b, "/made/of-bundle", "bind", "source", "rbind");
	assert_string_equal(shell(b, "cat /made/by/file /made/by/relative; stat -c %F /up /made/null /made/of-bundle"),
		"texttextdirectory\ncharacter special file\ndirectory");
}

static void copied_up(void **state)
{
	struct box *b = *state;
	char at[256];
	struct timespec old[2] = {{.tv_sec = 1000000}, {.tv_sec = 1000000}};
	make_dir(b, "/var", 0751);
	make_dir(b, "/var/sub", 02770);
	put_text(b, "/var/sub/file", "image", 04755);
	put_text(b, "/var/owned", "x", 0640);
	make_link(b, "sub/file", "/var/link");
	make_link(b, "/etc/passwd", "/var/abs");
	make_link(b, "nowhere", "/var/dangling");
	in_root(b, "/var/owned", at);
	assert_int_equal(chown(at, 1000, 1001), 0);
	assert_int_equal(utimensat(AT_FDCWD, at, old, 0), 0);
	/* cap_net_raw=ep, as the kernel stores it */
	static const unsigned char cap[20] = {1, 0, 0, 2, 0, 0x20};
	bool has_caps = setxattr(at, "security.capability", cap, sizeof cap, 0) == 0;
	char second[256], node[256], fifo[256];
	in_root(b, "/var/sub/second", second);
	assert_int_equal(link(at, second), 0);
	in_root(b, "/var/node", node);
	in_root(b, "/var/fifo", fifo);
	assert_int_equal(mknod(node, S_IFCHR | 0600, 0x105) | mkfifo(fifo, 0604), 0);
	in_root(b, "/var", at);
	assert_int_equal(chown(at, 3, 4), 0);
	add_mount(b, "/var", "tmpfs", "tmpfs", "tmpcopyup,nosuid");
	assert_string_equal(shell(b, "cd /var; stat -c '%n %a %u:%g %F %Y' . sub sub/file owned | sed 's/ [0-9]*$//;s/directory.*/directory/'; "
		"stat -c '%Y %h' owned sub/second; [ owned -ef sub/second ] && echo same; readlink link; readlink abs; readlink dangling; cat link; echo; "
		"stat -c '%a %F %t:%T' node fifo; stat -f -c %T .; umount /var 2>/dev/null; ls -a | wc -l"),
		". 751 3:4 directory\nsub 2770 0:0 directory\nsub/file 4755 0:0 regular file\nowned 640 1000:1001 regular file\n1000000 2\n1000000 2\nsame\n"
		"sub/file\n/etc/passwd\nnowhere\nimage\n600 character special file 1:5\n604 fifo 0:0\ntmpfs\n9");
	/* The tmpfs has the capability, too: the file is looked at through the container's root. */
	if (has_caps) {
		struct running r = begin(b);
		char value[64];
		snprintf(at, sizeof at, "/proc/%d/root/var/owned", (int)r.c.pid);
		ssize_t n = getxattr(at, "security.capability", value, sizeof value);
		end(&r);
		assert_int_equal(n, sizeof cap);
		assert_memory_equal(value, cap, sizeof cap);
	}
	drop_mount(b);
	/* What is not there, or no directory, is an empty tmpfs; what does not fit is an error. */
	add_mount(b, "/not-there", "tmpfs", "tmpfs", "tmpcopyup");
	assert_string_equal(shell(b, "ls /not-there | wc -l"), "0");
	drop_mount(b);
	add_mount(b, "/bin", "tmpfs", "tmpfs", "tmpcopyup,size=64k");
	refused(b, ERR_LIMIT, "mount /bin: tmpcopyup: busybox: No space left");
}

/* What lies in a read-only tmpfs is made before it is that: places of mounts, and in /dev the devices. */
static void read_only_at_the_end(void **state)
{
	struct box *b = *state;
	add_mount(b, "/run", "tmpfs", "tmpfs", "ro,size=64k");
	add_mount(b, "/run/in/it", "tmpfs", "tmpfs", "size=64k");
	for (size_t i = 0; i < b->spec.mounts.n; i++)
		if (str_eq(b->spec.mounts.v[i].destination, "/dev"))
			arena_strv_add(&b->arena, &b->spec.mounts.v[i].options, "ro");
	assert_string_equal(shell(b, "touch /run/x 2>&1 | grep -c Read-only; touch /run/in/it/x && echo made; touch /dev/x 2>&1 | grep -c Read-only; "
		"echo x > /dev/null; ls /dev/pts /dev/shm /dev/mqueue; ls -d /dev/fd"), "1\nmade\n1\n/dev/mqueue:\n\n/dev/pts:\nptmx\n\n/dev/shm:\n/dev/fd");
	b->spec.process->terminal = true;
	struct container c;
	args(b, "stat", "-c", "%F", "/dev/console", NULL);
	if (container_create(&b->create, &c, &b->e) < 0)
		fail_msg("%s", b->e.text);
	assert_int_equal(container_start(&c, &b->e), 0);
	char text[64] = "";
	size_t n = 0;
	for (ssize_t r; n < sizeof text - 1 && (r = read(c.console, text + n, sizeof text - 1 - n)) > 0;)
		n += (size_t)r;
	assert_int_equal(reap(&c), 0);
	assert_string_equal(text, "character special file\r\n");
}

/* The image's links do not lead the copy out of the root; the place itself may be one. */
static void copied_up_by_links(void **state)
{
	struct box *b = *state;
	make_dir(b, "/real", 0755);
	put_text(b, "/real/file", "inside", 0644);
	make_link(b, "/real", "/linked");
	make_link(b, "/tmp", "/real/away");
	add_mount(b, "/linked", "tmpfs", "tmpfs", "tmpcopyup");
	assert_string_equal(shell(b, "cat /real/file; readlink /real/away; stat -f -c %T /real"), "inside/tmp\ntmpfs");
}

static void make_symlinked_source(struct box *b, char file[128], char link[128])
{
	snprintf(file, 128, "%s/target", b->dir);
	snprintf(link, 128, "%s/link", b->dir);
	own(fd) int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(write(fd, "content", 7), 7);
	assert_int_equal(symlink("target", link), 0);
}

static void symlinks_themselves(void **state)
{
	struct box *b = *state;
	char file[128], link[128];
	make_symlinked_source(b, file, link);
	make_link(b, "/tmp/nowhere", "/there");
	put_text(b, "/real", "image", 0644);
	make_link(b, "real", "/to-real");
	/* Mounted over the link, not over what it leads to. */
	add_mount(b, "/to-real", "bind", file, "bind,dest-nofollow");
	assert_string_equal(shell(b, "cat /real; echo; cat /to-real; echo; ls /tmp"), "image\ncontent");
	drop_mount(b);
	add_mount(b, "/there", "bind", link, "bind,dest-nofollow,src-nofollow");
	assert_string_equal(shell(b, "readlink /there"), "target");
	drop_mount(b);
	add_mount(b, "/there", "bind", link, "bind,dest-nofollow");
	assert_string_equal(shell(b, "cat /there"), "content");
	drop_mount(b);
	/* Made again. */
	add_mount(b, "/new/dir/link", "bind", link, "bind,copy-symlink");
	assert_string_equal(shell(b, "readlink /new/dir/link; grep -c /new/dir /proc/self/mountinfo; true"), "target\n0");
	assert_string_equal(shell(b, "readlink /new/dir/link"), "target");
	drop_mount(b);
	script(b, "true");
	add_mount(b, "/to-real", "bind", link, "bind,copy-symlink");
	refused(b, ERR_EXISTS, "mount /to-real: copy-symlink: something else is there");
	drop_mount(b);
	/* A source that is none is bound. */
	add_mount(b, "/plain", "bind", file, "bind,copy-symlink");
	assert_string_equal(shell(b, "cat /plain"), "content");
}

/* proc and sysfs are where they are asked for. */
static void kernel_file_systems(void **state)
{
	struct box *b = *state;
	make_dir(b, "/elsewhere", 0755);
	make_link(b, "/elsewhere", "/pro");
	put_text(b, "/file", "", 0644);
	script(b, "true");
	static const char *const types[] = {"proc", "sysfs"};
	for (size_t i = 0; i < countof(types); i++) {
		add_mount(b, "/pro", types[i], types[i], "");
		refused(b, ERR_DENIED, "must be mounted on an ordinary directory");
		drop_mount(b);
		add_mount(b, "/file", types[i], types[i], "");
		refused(b, ERR_DENIED, "must be mounted on an ordinary directory");
		drop_mount(b);
		add_mount(b, "/elsewhere", types[i], types[i], "ro");
		if (run(b) != 0)
			fail_msg("%s", b->e.text);
		drop_mount(b);
	}
}

static void ids_of_the_options(void **state)
{
	struct box *b = *state;
	char dir[128], file[160];
	static struct idmap_row rows[] = {{0, 100000, 1000}, {1000, 300000, 1000}};
	snprintf(dir, sizeof dir, "%s/volume", b->dir);
	snprintf(file, sizeof file, "%s/file", dir);
	assert_int_equal(mkdir(dir, 0755), 0);
	own(fd) int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(chown(file, 11, 5), 0);
	script(b, "stat -c %u:%g /vol /vol/file");
	add_mount(b, "/vol", "bind", dir, "rbind,idmap=uids=0-1000-10#10-2000-2;gids=0-3000-10");
	int status = run(b);
	if (status < 0 && strstr(b->e.text, "map ids of the mount"))
		skip(); /* the file system of /tmp cannot do it */
	if (status)
		fail_msg("%s", b->e.text);
	assert_string_equal(buf_text(&b->out), "1000:3000\n2001:3005\n");
	drop_mount(b);
	static const struct { const char *option, *error; } bad[] = {{"idmap=uids=0-1", "must be three numbers"},
		{"idmap=uids=0-1-x;gids=0-1-1", "idmap"}, {"idmap=users=0-0-1", "only uids= and gids="},
		{"idmap=uids=0-0-4294967296;gids=0-0-1", "idmap"}, {"idmap", "needs uidMappings and gidMappings, or a container with a user namespace"},
		{"ridmap=uids=0-0-1", "needs uidMappings"}};
	for (size_t i = 0; i < countof(bad); i++) {
		add_mount(b, "/vol", "bind", dir, bad[i].option);
		refused(b, ERR_USAGE, bad[i].error);
		drop_mount(b);
	}
	/* Behind an @ the container's ids: 1001 of it is the host's 300001. */
	add_namespace(b, "user", NULL);
	b->spec.linux_->uids = b->spec.linux_->gids = (struct idmap_rows){rows, 2};
	add_mount(b, "/vol", "bind", dir, "rbind,idmap=uids=@0-990-10#@10-1000-5;gids=@5-1001-1");
	assert_string_equal(shell(b, "stat -c %u:%g /vol/file"), "1001:1001");
}

/* Nothing but the word: as the container's user namespace is, also when that is named by a path. */
static void ids_of_the_container(void **state)
{
	struct box *b = *state;
	char dir[128], path[64], id[64];
	static struct idmap_row row = {0, 100000, 65536};
	snprintf(dir, sizeof dir, "%s/volume", b->dir);
	assert_int_equal(mkdir(dir, 0755), 0);
	add_namespace(b, "user", NULL);
	b->spec.linux_->uids = b->spec.linux_->gids = (struct idmap_rows){&row, 1};
	struct running r = begin(b);
	snprintf(path, sizeof path, "/proc/%d/ns/user", (int)r.c.pid);
	drop_namespace(b, "user");
	add_namespace(b, "user", path);
	b->spec.linux_->uids.n = b->spec.linux_->gids.n = 0;
	snprintf(id, sizeof id, "%s-b", b->id);
	b->create.id = id;
	add_mount(b, "/host", "bind", dir, "rbind,ridmap");
	script(b, "stat -c %u /host; touch /host/made && stat -c %u /host/made");
	int status = run(b);
	b->create.id = b->id;
	end(&r);
	if (status < 0 && strstr(b->e.text, "map ids of the mount"))
		skip();
	if (status)
		fail_msg("%d %s", status, b->e.text);
	assert_string_equal(buf_text(&b->out), "0\n0\n");
}

static void control_groups(void **state)
{
	struct box *b = *state;
	struct spec_mount *m = NULL;
	for (size_t i = 0; i < b->spec.mounts.n; i++)
		if (str_eq(b->spec.mounts.v[i].type, "cgroup"))
			m = &b->spec.mounts.v[i];
	bool unified = cgroupfs_get()->unified;
	const char *make = unified ? "mkdir /sys/fs/cgroup/x && echo made" : "mkdir /sys/fs/cgroup/memory/x && echo made";
	m->options = (struct strv){};
	arena_strv_add(&b->arena, &m->options, "rw");
	arena_strv_add(&b->arena, &m->options, "nosuid");
	assert_string_equal(shell(b, make), "made");
	arena_strv_add(&b->arena, &m->options, "ro");
	script(b, make);
	assert_int_equal(run(b), 1);
	assert_non_null(strstr(buf_text(&b->out), "Read-only"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {BOX_TEST(every_word), BOX_TEST(words_of_the_file_system), BOX_TEST(recursive_words), BOX_TEST(remounts),
		BOX_TEST(shapes_of_places), BOX_TEST(copied_up), BOX_TEST(read_only_at_the_end), BOX_TEST(copied_up_by_links), BOX_TEST(symlinks_themselves),
		BOX_TEST(kernel_file_systems), BOX_TEST(ids_of_the_options), BOX_TEST(ids_of_the_container), BOX_TEST(control_groups)};
	return box_main() ? 77 : cmocka_run_group_tests(tests, NULL, NULL);
}
