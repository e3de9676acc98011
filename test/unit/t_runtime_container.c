/* SPDX-License-Identifier: Apache-2.0 */
/* What a container is: its isolation, its file system, its process, its end. */
#include "t_runtime_box.h"

#include <sys/utsname.h>

static void ends_with_the_status(void **state)
{
	struct box *b = *state;
	script(b, "exit 7");
	assert_int_equal(run(b), 7);
	script(b, "sh -c 'kill -9 $$'; exit $?");
	assert_int_equal(run(b), 137);
	assert_string_equal(shell(b, "echo $X; echo more >&2"), "y\nmore");
	args(b, "cat", "/etc/passwd", NULL);
	assert_non_null(strstr(output(b), "user:x:1000"));
}

static void has_namespaces_of_its_own(void **state)
{
	struct box *b = *state;
	static const char *const names[] = {"pid", "mnt", "net", "ipc", "uts", "cgroup"};
	for (size_t i = 0; i < countof(names); i++) {
		char mine[64], path[40], line[80];
		snprintf(path, sizeof path, "/proc/self/ns/%s", names[i]);
		ssize_t n = readlink(path, mine, sizeof mine - 1);
		assert_true(n > 0);
		mine[n] = 0;
		snprintf(line, sizeof line, "readlink /proc/self/ns/%s", names[i]);
		assert_string_not_equal(shell(b, line), mine);
	}
	assert_string_equal(shell(b, "hostname; cat /proc/sys/kernel/domainname; echo $$"), "boxhost\nbox.test\n1");
	assert_string_equal(shell(b, "cd /sys/class/net; echo *; ifconfig lo | grep -c 127.0.0.1"), "lo\n1");
	assert_string_equal(shell(b, "cd /proc; echo [0-9]*"), "1");
	assert_string_equal(shell(b, "cut -d: -f3 /proc/self/cgroup | grep -v '^/$' | wc -l"), "0");
}

static void may_share_namespaces(void **state)
{
	struct box *b = *state;
	struct utsname u;
	uname(&u);
	drop_namespace(b, "uts");
	refused(b, ERR_USAGE, "needs a uts namespace");
	b->spec.hostname = b->spec.domainname = NULL;
	drop_namespace(b, "network");
	assert_string_equal(shell(b, "hostname"), u.nodename);
	/* By path: the pid and network namespace of a process that is not the container. */
	struct container first;
	own(fd) int out = -1;
	char path[64];
	args(b, "sleep", "60", NULL);
	assert_int_equal(launch(b, &first, &out), 0);
	drop_namespace(b, "pid");
	snprintf(path, sizeof path, "/proc/%d/ns/pid", (int)first.pid);
	add_namespace(b, "pid", path);
	const char *id = b->create.id;
	char second[64];
	snprintf(second, sizeof second, "%s-b", id);
	b->create.id = second;
	const char *text = shell(b, "test $$ != 1 && cat /proc/1/cmdline | tr '\\0' ' '");
	assert_string_equal(text, "sleep 60 ");
	/* Our own choice was taken back. */
	pid_t child = fork();
	if (child == 0)
		_exit(getpid() == 1);
	int status;
	waitpid(child, &status, 0);
	assert_int_equal(status, 0);
	b->create.id = id;
	kill(first.pid, SIGKILL);
	assert_int_equal(reap(&first), 137);
	/* A file that is no namespace, or another kind of one. */
	drop_namespace(b, "pid");
	add_namespace(b, "pid", "/proc/self/ns/net");
	refused(b, ERR_USAGE, "not such a namespace");
	drop_namespace(b, "pid");
	add_namespace(b, "pid", "/etc/passwd");
	refused(b, ERR_USAGE, "not such a namespace");
}

static void status_lines(void **state)
{
	struct box *b = *state;
	const char *t = shell(b, "grep -E '^(Cap|NoNewPrivs|Seccomp:|Groups|Uid|Gid|Umask)' /proc/self/status");
	assert_non_null(strstr(t, "CapInh:\t0000000000000000\nCapPrm:\t00000000a80425fb\nCapEff:\t00000000a80425fb\n"
		"CapBnd:\t00000000a80425fb\nCapAmb:\t0000000000000000\nNoNewPrivs:\t0\nSeccomp:\t0"));
	assert_non_null(strstr(t, "Umask:\t0022"));
	b->spec.process->no_new_privileges = true;
	b->spec.process->user.uid = 1000;
	b->spec.process->user.gid = 1001;
	b->spec.process->user.umask = (struct opt_i64){true, 077};
	uint32_t groups[] = {5, 1002};
	b->spec.process->user.groups = (struct u32v){groups, 2};
	t = shell(b, "grep -E '^(Cap|NoNewPrivs|Groups|Uid|Gid|Umask)' /proc/self/status");
	assert_non_null(strstr(t, "Uid:\t1000\t1000\t1000\t1000\nGid:\t1001\t1001\t1001\t1001\nGroups:\t5 1002"));
	/* A program of another user than root loses what is not ambient. */
	assert_non_null(strstr(t, "CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:\t00000000a80425fb"));
	assert_non_null(strstr(t, "NoNewPrivs:\t1"));
	assert_non_null(strstr(t, "Umask:\t0077"));
	struct strv *amb = &b->spec.process->caps->ambient, *inh = &b->spec.process->caps->inheritable;
	arena_strv_add(&b->arena, amb, "CAP_KILL");
	arena_strv_add(&b->arena, inh, "CAP_KILL");
	assert_non_null(strstr(shell(b, "cat /proc/self/status"), "CapAmb:\t0000000000000020"));
	b->spec.process->caps = NULL;
	b->spec.process->user.uid = 0;
	assert_non_null(strstr(shell(b, "cat /proc/self/status"), "CapBnd:\t0000000000000000"));
}

static void filter_is_loaded(void **state)
{
	struct box *b = *state;
	struct strv caps = {};
	seccomp_default_caps(&b->arena, &caps);
	assert_int_equal(seccomp_default(&caps, &b->arena, &b->spec.linux_->seccomp, &b->e), 0);
	for (int nnp = 0; nnp < 2; nnp++)
		for (uint32_t uid = 0; uid < 2000; uid += 1000) {
			b->spec.process->no_new_privileges = nnp;
			b->spec.process->user.uid = uid;
			assert_non_null(strstr(shell(b, "cat /proc/self/status"), "Seccomp:\t2\nSeccomp_filters:\t1"));
		}
	b->spec.process->user.uid = 0;
	script(b, "unshare -U true 2>&1; unshare -m true 2>&1");
	assert_int_not_equal(run(b), 0);
	assert_non_null(strstr(buf_text(&b->out), "Operation not permitted"));
}

static void masks(void **state)
{
	struct box *b = *state;
	assert_string_equal(shell(b, "wc -c < /proc/keys; wc -c < /proc/interrupts; ls /sys/firmware | wc -l"), "0\n0\n0");
	script(b, "echo 1 > /proc/sys/kernel/domainname");
	assert_int_equal(run(b), 1);
	assert_non_null(strstr(buf_text(&b->out), "Read-only"));
	assert_string_equal(shell(b, "grep -E ' /proc/(fs|irq|bus|sys|sysrq-trigger) ' /proc/self/mountinfo | cut -d' ' -f6 | "
		"grep -vc '^ro,nosuid,nodev,noexec'; true"), "0");
	assert_string_equal(shell(b, "touch /sys/x 2>&1 | grep -c Read-only"), "1");
	assert_string_equal(shell(b, "touch /sys/fs/cgroup/memory/x 2>&1 | grep -c Read-only"), "1");
}

static void read_only_root(void **state)
{
	struct box *b = *state;
	assert_string_equal(shell(b, "echo hi > /tmp/f && cat /tmp/f"), "hi");
	b->spec.root->readonly = true;
	assert_string_equal(shell(b, "touch /tmp/x 2>&1 | grep -c Read-only; echo y > /dev/shm/f && cat /dev/shm/f"), "1\ny");
}

static void devices(void **state)
{
	struct box *b = *state;
	assert_string_equal(shell(b, "cd /dev; stat -c '%n %F %t:%T %a' null zero full random urandom tty"),
		"null character special file 1:3 666\nzero character special file 1:5 666\nfull character special file 1:7 666\n"
		"random character special file 1:8 666\nurandom character special file 1:9 666\ntty character special file 5:0 666");
	assert_string_equal(shell(b, "cd /dev; echo * | sed 's/^core //'; readlink fd; readlink stdin; readlink ptmx"),
		"fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero\n/proc/self/fd\n/proc/self/fd/0\npts/ptmx");
	/* Not every kernel has one. */
	assert_string_equal(shell(b, "readlink /dev/core || echo none"), access("/proc/kcore", F_OK) == 0 ? "/proc/kcore" : "none");
	assert_string_equal(shell(b, "head -c 4 /dev/zero | wc -c; echo x > /dev/null; echo x 2>/dev/null >/dev/full || echo full"), "4\nfull");
	/* Nodes can be made (CAP_MKNOD), but what is not allowed cannot be opened. */
	assert_string_equal(shell(b, "mknod /dev/mem c 1 1 && head -c 1 /dev/mem 2>&1 | grep -c 'not permitted'"), "1");
	struct spec_device *d = list_add(b, &b->spec.linux_->devices, sizeof *d);
	*d = (struct spec_device){.path = arena_dup(&b->arena, "/dev/sub/kmsg"), .type = arena_dup(&b->arena, "c"), .major = {true, 1},
		.minor = {true, 11}, .mode = {true, 0640}, .uid = {true, 7}, .gid = {true, 8}};
	assert_string_equal(shell(b, "stat -c '%t:%T %a %u:%g' /dev/sub/kmsg"), "1:b 640 7:8");
	d->path = arena_dup(&b->arena, "/dev/../etc/x");
	refused(b, ERR_USAGE, "not a usable path");
}

static void standard_files(void **state)
{
	struct box *b = *state;
	/* Nothing but 0 1 2 (and ls's own directory). */
	own(fd) int leak = open("/etc", O_RDONLY | O_DIRECTORY);
	assert_true(leak >= 0);
	assert_string_equal(shell(b, "ls /proc/self/fd | tr '\\n' ' '"), "0 1 2 3 ");
	assert_string_equal(shell(b, "readlink /proc/self/fd/0"), "/dev/null");
	/* Preserved ones are there. */
	b->create.preserve_fds = 1;
	int three = fcntl(leak, F_DUPFD, 3);
	own(fd) int held = three == 3 ? -1 : three;
	assert_string_equal(shell(b, "readlink /proc/self/fd/3 >/dev/null && echo there; ls /proc/self/fd | tr '\\n' ' '"), "there\n0 1 2 3 4 ");
	if (three == 3)
		close(3);
	b->create.preserve_fds = 0;
	/* A user that is not root can open his standard output again. */
	b->spec.process->user.uid = 1000;
	assert_string_equal(shell(b, "echo again > /dev/stdout"), "again");
}

static void sessions(void **state)
{
	struct box *b = *state;
	/* A session of its own: no way to the caller's terminal. */
	assert_string_equal(shell(b, "cut -d' ' -f6 /proc/self/stat; tty; true"), "1\nnot a tty");
}

static void sysctls(void **state)
{
	struct box *b = *state;
	struct map *m = &b->spec.linux_->sysctl;
	map_set(&b->arena, m, "net.ipv4.ip_forward", "1");
	map_set(&b->arena, m, "kernel.shmmax", "65536");
	map_set(&b->arena, m, "net/ipv4/conf/lo/forwarding", "0");
	assert_string_equal(shell(b, "cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmax /proc/sys/net/ipv4/conf/lo/forwarding"),
		"1\n65536\n0");
	static const char *const bad[] = {"kernel.core_pattern", "vm.swappiness", "fs.file-max", "kernel.hostname", "kernel.shmmaxx",
		"../net.x", "kernel.sysrq", ""};
	for (size_t i = 0; i < countof(bad); i++) {
		*m = (struct map){};
		map_set(&b->arena, m, bad[i], "1");
		refused(b, ERR_USAGE, "sysctl ");
	}
	*m = (struct map){};
	map_set(&b->arena, m, "net.ipv4.ip_forward", "1");
	drop_namespace(b, "network");
	refused(b, ERR_USAGE, "shares that namespace with the host");
	add_namespace(b, "network", NULL);
	map_set(&b->arena, m, "net.ipv4.ip_forward", "many");
	refused(b, ERR_USAGE, "not a value it takes");
	*m = (struct map){};
	map_set(&b->arena, m, "net.ipv4.../../../x", "1");
	refused(b, ERR_USAGE, "sysctl ");
}

static void binds(void **state)
{
	struct box *b = *state;
	char dir[128], file[160];
	snprintf(dir, sizeof dir, "%s/volume", b->dir);
	assert_int_equal(mkdir(dir, 0755), 0);
	snprintf(file, sizeof file, "%s/file", dir);
	own(fd) int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(write(fd, "text", 4), 4);
	add_mount(b, "/new/place", "bind", dir, "rbind,rw");
	add_mount(b, "/host/one", "bind", file, "bind,ro");
	add_mount(b, "relative/to", "bind", dir, "rbind,ro,nosuid,nodev,noexec");
	assert_string_equal(shell(b, "cat /new/place/file /host/one; echo more > /new/place/two; touch /host/one 2>&1 | grep -c Read-only; "
		"touch /relative/to/x 2>&1 | grep -c Read-only; grep ' /relative/to ' /proc/self/mountinfo | cut -d' ' -f6"),
		"texttext1\n1\nro,nosuid,nodev,noexec,relatime");
	snprintf(file, sizeof file, "%s/volume/two", b->dir);
	assert_int_equal(access(file, F_OK), 0);
	add_mount(b, "/bin/busybox", "bind", dir, "rbind");
	refused(b, ERR_USAGE, "/bin/busybox is a file, and what is to be mounted there is not");
	drop_mount(b);
	add_mount(b, "/a", "bind", "/not/there", "rbind");
	refused(b, ERR_NOT_FOUND, "mount /a: bind /not/there: No such file");
	drop_mount(b);
	add_mount(b, "/", "tmpfs", "tmpfs", "");
	refused(b, ERR_USAGE, "root itself");
	drop_mount(b);
	add_mount(b, "/x", "nosuchfs", "x", "");
	refused(b, ERR_UNSUPPORTED, "mount /x: file system nosuchfs");
}

static void recursive_read_only(void **state)
{
	struct box *b = *state;
	char top[128], below[160];
	snprintf(top, sizeof top, "%s/tree", b->dir);
	snprintf(below, sizeof below, "%s/below", top);
	assert_int_equal(mkdir(top, 0755) | mkdir(below, 0755), 0);
	assert_int_equal(mount("tmpfs", below, "tmpfs", 0, NULL), 0);
	add_mount(b, "/ro", "bind", top, "rbind,ro");
	add_mount(b, "/rro", "bind", top, "rbind,rro");
	add_mount(b, "/flat", "bind", top, "bind,ro");
	const char *t = shell(b, "touch /ro/below/x && echo open; touch /rro/below/x 2>&1 | grep -c Read-only; ls /flat/below | wc -l; "
		"touch /flat/below/y 2>&1 | grep -c Read-only");
	char copy[80];
	snprintf(copy, sizeof copy, "%s", t);
	assert_int_equal(umount2(below, MNT_DETACH), 0);
	assert_string_equal(copy, "open\n1\n0\n1");
}

static void propagation(void **state)
{
	struct box *b = *state;
	char top[128], below[160];
	snprintf(top, sizeof top, "%s/shared", b->dir);
	snprintf(below, sizeof below, "%s/made", top);
	assert_int_equal(mkdir(top, 0755) | mkdir(below, 0755), 0);
	assert_int_equal(mount("tmpfs", top, "tmpfs", 0, NULL) | mount(NULL, top, NULL, MS_SHARED, NULL), 0);
	mkdir(below, 0755);
	b->spec.process->caps->bounding.n = 0;
	arena_strv_add(&b->arena, &b->spec.process->caps->bounding, "CAP_SYS_ADMIN");
	b->spec.process->caps->effective = b->spec.process->caps->permitted = b->spec.process->caps->bounding;
	static const struct { const char *option; bool reaches_host; } rows[] = {{"rprivate", false}, {"rslave", false}, {"rshared", true}};
	for (size_t k = 0; k < 2 * countof(rows); k++) {
		char options[40];
		size_t i = k % countof(rows);
		b->create.no_pivot = k >= countof(rows);
		snprintf(options, sizeof options, "rbind,%s", rows[i].option);
		add_mount(b, "/vol", "bind", top, options);
		struct container c;
		own(fd) int out = -1;
		script(b, "mount -t tmpfs x /vol/made && touch /vol/made/file && echo done && sleep 60");
		assert_int_equal(launch(b, &c, &out), 0);
		char word[5] = "";
		assert_int_equal(fd_read_full(out, word, 5), 5);
		char file[200];
		snprintf(file, sizeof file, "%s/file", below);
		bool there = access(file, F_OK) == 0;
		if (there)
			umount2(below, MNT_DETACH);
		kill(c.pid, SIGKILL);
		reap(&c);
		drop_mount(b);
		if (there != rows[i].reaches_host)
			umount2(top, MNT_DETACH);
		assert_int_equal(there, rows[i].reaches_host);
	}
	assert_int_equal(umount2(top, MNT_DETACH), 0);
}

static void tmpfs(void **state)
{
	struct box *b = *state;
	put_text(b, "/etc/conf", "image", 0600);
	make_dir(b, "/etc/d", 01777);
	make_link(b, "conf", "/etc/l");
	add_mount(b, "/etc", "tmpfs", "tmpfs", "tmpcopyup,ro,mode=700");
	add_mount(b, "/run/x", "tmpfs", "tmpfs", "nosuid,noexec,size=64k,mode=1770");
	assert_string_equal(shell(b, "cat /etc/conf /etc/l; stat -c %a /etc/conf /etc/d /run/x; touch /etc/y 2>&1 | grep -c Read-only; "
		"head -c 100000 /dev/zero > /run/x/f 2>/dev/null || echo full"), "imageimage600\n1777\n1770\n1\nfull");
	drop_mount(b);
	add_mount(b, "/t", "tmpfs", "tmpfs", "size=12X");
	refused(b, ERR_USAGE, "mount /t: tmpfs: option size=12X: Invalid argument");
}

static void terminal(void **state)
{
	struct box *b = *state;
	struct container c;
	struct spec_console size = {.height = 30, .width = 100};
	b->spec.process->terminal = true;
	b->spec.process->console = &size;
	script(b, "tty; stty size; [ -c /dev/console ] && echo console > /dev/console; read line; echo got $line; cut -d' ' -f7 /proc/self/stat");
	assert_int_equal(container_create(&b->create, &c, &b->e), 0);
	assert_true(c.console >= 0);
	assert_int_equal(container_start(&c, &b->e), 0);
	assert_int_equal(fd_write_all(c.console, "word\n", 5), 0);
	char text[512];
	size_t n = 0;
	for (ssize_t r; n < sizeof text - 1 && (r = read(c.console, text + n, sizeof text - 1 - n)) > 0;)
		n += (size_t)r;
	text[n] = 0;
	assert_int_equal(reap(&c), 0);
	assert_non_null(strstr(text, "/dev/pts/0"));
	assert_non_null(strstr(text, "30 100"));
	assert_non_null(strstr(text, "console\r\n"));
	assert_non_null(strstr(text, "got word"));
	assert_non_null(strstr(text, "34816")); /* tty_nr: the terminal controls the session */
}

static void console_socket(void **state)
{
	struct box *b = *state;
	struct container c;
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	b->spec.process->terminal = true;
	b->create.console = pair[1];
	args(b, "tty", NULL);
	assert_int_equal(container_create(&b->create, &c, &b->e), 0);
	assert_int_equal(c.console, -1);
	char name[64] = "";
	int fd = -1;
	size_t n = 1;
	assert_true(fd_recv(pair[0], name, sizeof name - 1, &fd, &n, &b->e) > 0);
	assert_int_equal(n, 1);
	assert_true(isatty(fd));
	assert_int_equal(container_start(&c, &b->e), 0);
	char text[64] = "";
	assert_true(read(fd, text, sizeof text - 1) > 0);
	assert_int_equal(reap(&c), 0);
	assert_string_equal(text, "/dev/pts/0\r\n");
	close(fd);
	close(pair[0]);
	close(pair[1]);
}

static void command_errors(void **state)
{
	struct box *b = *state;
	static const struct {
		const char *name, *text;
		enum err_kind kind;
		const char *message;
	} rows[] = {
		{"nosuch", NULL, ERR_NOCMD, "\"nosuch\": executable file not found in $PATH"},
		{"/nosuch", NULL, ERR_NOCMD, "exec \"/nosuch\": no such file"},
		{"/etc", NULL, ERR_NOEXEC, "permission denied: it is a directory"},
		{"/etc/passwd", NULL, ERR_NOEXEC, "not executable (chmod +x)"},
		{"/bad-interp", "#!/usr/bin/perl -w\n", ERR_NOCMD, "its interpreter /usr/bin/perl is not in the image"},
		{"/crlf", "#!/bin/sh\r\necho\r\n", ERR_NOCMD, "CR LF"},
		{"/empty", "", ERR_NOEXEC, "the file is empty"},
		{"/text", "echo hello\n", ERR_NOEXEC, "neither a program nor a script"},
		{"./text", NULL, ERR_NOEXEC, "neither a program nor a script"},
		{"/arm", "\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\2", ERR_NOEXEC, "the program is for arm64, this machine is"},
		{"", NULL, ERR_NOCMD, "the command is empty"},
	};
	for (size_t i = 0; i < countof(rows); i++) {
		if (rows[i].text) {
			char whole[256] = "";
			snprintf(whole, sizeof whole, "%s", rows[i].text);
			put_text(b, rows[i].name, rows[i].text, 0755);
			if (str_eq(rows[i].name, "/arm")) {
				unsigned char elf[128] = {0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 183};
				char at[256];
				in_root(b, "/arm", at);
				own(fd) int fd = open(at, O_WRONLY | O_TRUNC | O_CLOEXEC);
				assert_int_equal(fd_write_all(fd, elf, sizeof elf), 0);
			}
		}
		args(b, rows[i].name, NULL);
		refused(b, rows[i].kind, rows[i].message);
	}
	/* A path that is as long as a whole message. */
	char lengthy[2000] = "/";
	memset(lengthy + 1, 'a', 1900);
	args(b, lengthy, NULL);
	refused(b, ERR_NOEXEC, "file name too long");
	/* A script's error names the script, also when PATH found it. */
	put_text(b, "/bin/tool", "#!/no/where\n", 0755);
	args(b, "tool", NULL);
	refused(b, ERR_NOCMD, "exec \"/bin/tool\": no such file or directory: its interpreter /no/where");
	b->spec.process->user.uid = 1000;
	put_text(b, "/bin/secret", "#!/bin/sh\n", 0700);
	args(b, "secret", NULL);
	refused(b, ERR_NOEXEC, "/bin/secret");
	args(b, "/bin/secret", NULL);
	refused(b, ERR_NOEXEC, "permission denied");
}

static void working_directory(void **state)
{
	struct box *b = *state;
	b->spec.process->cwd = arena_dup(&b->arena, "/made/by/runtime");
	assert_string_equal(shell(b, "pwd"), "/made/by/runtime");
	b->spec.process->cwd = arena_dup(&b->arena, "/etc/passwd");
	refused(b, ERR_SYSTEM, "working directory /etc/passwd: Not a directory");
	/* docker lets a user start in a directory that only root may enter. */
	make_dir(b, "/private", 0700);
	b->spec.process->cwd = arena_dup(&b->arena, "/private");
	b->spec.process->user.uid = 1000;
	script(b, "true");
	assert_int_equal(run(b), 0);
}

static void limits(void **state)
{
	struct box *b = *state;
	struct spec_rlimit *r = list_add(b, &b->spec.process->rlimits, sizeof *r);
	*r = (struct spec_rlimit){.type = arena_dup(&b->arena, "RLIMIT_NOFILE"), .soft = 100, .hard = 200};
	b->spec.process->oom_score_adj = (struct opt_i64){true, 500};
	assert_string_equal(shell(b, "ulimit -Sn; ulimit -Hn; cat /proc/self/oom_score_adj"), "100\n200\n500");
	struct spec_scheduler sched = {.policy = arena_dup(&b->arena, "SCHED_BATCH"), .nice = {true, 5}};
	struct spec_io_priority io = {.class = arena_dup(&b->arena, "IOPRIO_CLASS_IDLE"), .priority = 0};
	b->spec.process->scheduler = &sched;
	b->spec.process->io_priority = &io;
	/* stat: policy is field 41, nice 19 */
	assert_string_equal(shell(b, "cut -d' ' -f19,41 /proc/self/stat"), "5 3");
	sched.policy = arena_dup(&b->arena, "SCHED_WILD");
	refused(b, ERR_USAGE, "SCHED_WILD");
	b->spec.process->scheduler = NULL;
	r->type = arena_dup(&b->arena, "RLIMIT_BOGUS");
	refused(b, ERR_USAGE, "unknown limit \"RLIMIT_BOGUS\"");
	r->type = arena_dup(&b->arena, "RLIMIT_NOFILE");
	b->spec.process->oom_score_adj.v = 2000;
	refused(b, ERR_USAGE, "from -1000 to 1000");
	/* What cannot be had is had in part, and said. */
	b->spec.process->oom_score_adj.set = false;
	r->type = arena_dup(&b->arena, "RLIMIT_MEMLOCK");
	r->hard = r->soft = UINT64_MAX;
	struct container c;
	args(b, "true", NULL);
	assert_int_equal(container_create(&b->create, &c, &b->e), 0);
	assert_true(!c.warning[0] || strstr(c.warning, "RLIMIT_MEMLOCK is limited to"));
	assert_int_equal(container_start(&c, &b->e), 0);
	reap(&c);
}

static void clock_of_its_own(void **state)
{
	struct box *b = *state;
	const char *offsets = "{\"boottime\":{\"secs\":1000000,\"nanosecs\":0},\"monotonic\":{\"secs\":5,\"nanosecs\":1}}";
	own(json) struct json *j = NULL;
	assert_int_equal(json_parse(offsets, strlen(offsets), &j, &b->e), 0);
	add_namespace(b, "time", NULL);
	b->spec.linux_->time_offsets = j;
	assert_true(strtol(shell(b, "cut -d. -f1 /proc/uptime"), NULL, 10) > 1000000);
	/* Ours stayed what it was. */
	own(buf) struct buf up = {};
	assert_int_equal(path_read(AT_FDCWD, "/proc/uptime", &up, &b->e), 0);
	assert_true(strtol(buf_text(&up), NULL, 10) < 1000000);
	drop_namespace(b, "time");
	refused(b, ERR_USAGE, "time namespace");
}

static void init_reaps_and_forwards(void **state)
{
	struct box *b = *state;
	struct container c;
	own(fd) int out = -1;
	b->create.init = true;
	assert_string_equal(shell(b, "test $$ != 1; cat /proc/1/comm; cat /proc/1/cmdline | tr '\\0' ' ' | cut -c1-13"), "hull-init\nhull-init -- ");
	script(b, "exit 9");
	assert_int_equal(run(b), 9);
	script(b, "kill -15 $$");
	assert_int_equal(run(b), 143);
	/* An orphan is not left a zombie. */
	assert_string_equal(shell(b, "(sleep 0.1 & ) ; sleep 0.5; grep -l '^State:.Z' /proc/[0-9]*/status | wc -l"), "0");
	/* A signal to the first process gets to the command, also one that kills by default. */
	script(b, "trap 'echo caught; exit 3' TERM; echo up; while :; do sleep 0.1; done");
	assert_int_equal(launch(b, &c, &out), 0);
	char word[3];
	assert_int_equal(fd_read_full(out, word, 3), 3);
	kill(c.pid, SIGTERM);
	buf_reset(&b->out);
	assert_int_equal(fd_read_to_end(out, &b->out), 0);
	assert_int_equal(reap(&c), 3);
	assert_string_equal(buf_text(&b->out), "caught\n");
	args(b, "/nosuch", NULL);
	refused(b, ERR_NOCMD, "/nosuch");
	/* A tiny thing: two pages of its own. */
	assert_true(strtol(shell(b, "grep RssAnon /proc/1/status | tr -dc 0-9"), NULL, 10) <= 32);
}

static void init_with_terminal(void **state)
{
	struct box *b = *state;
	struct container c;
	b->create.init = b->spec.process->terminal = true;
	/* The command's group is in the foreground: it can read. */
	script(b, "read x; echo got $x");
	assert_int_equal(container_create(&b->create, &c, &b->e), 0);
	assert_int_equal(container_start(&c, &b->e), 0);
	assert_int_equal(fd_write_all(c.console, "abc\n", 4), 0);
	char text[128] = "";
	size_t n = 0;
	for (ssize_t r; n < sizeof text - 1 && (r = read(c.console, text + n, sizeof text - 1 - n)) > 0;)
		n += (size_t)r;
	assert_int_equal(reap(&c), 0);
	assert_non_null(strstr(text, "got abc"));
}

static void hooks(void **state)
{
	struct box *b = *state;
	char log[128], script_path[128];
	snprintf(log, sizeof log, "%s/log", b->dir);
	snprintf(script_path, sizeof script_path, "%s/hook", b->dir);
	own(fd) int fd = open(script_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	dprintf(fd, "#!/bin/sh\nstate=$(cat)\necho \"$1 $(echo \"$state\" | grep -o '\"status\":\"[a-z]*\"') $(hostname)\" >> %s\n", log);
	fd_drop(&fd);
	put_text(b, "/inside", "#!/bin/sh\necho $1 $(hostname) >> /hook-log\n", 0755);
	struct spec_hooks h = {};
	struct { struct spec_hook_list *list; const char *name; bool inside; } rows[] = {{&h.prestart, "prestart", false},
		{&h.create_runtime, "createRuntime", false}, {&h.create_container, "createContainer", false},
		{&h.start_container, "startContainer", true}, {&h.poststart, "poststart", false}, {&h.poststop, "poststop", false}};
	for (size_t i = 0; i < countof(rows); i++) {
		struct spec_hook *k = list_add(b, rows[i].list, sizeof *k);
		k->path = arena_dup(&b->arena, rows[i].inside ? "/inside" : script_path);
		arena_strv_add(&b->arena, &k->args, "hook");
		arena_strv_add(&b->arena, &k->args, rows[i].name);
		arena_strv_add(&b->arena, &k->env, "PATH=/bin:/usr/bin");
	}
	b->spec.hooks = &h;
	assert_string_equal(shell(b, "cat /hook-log; sleep 0.3"), "startContainer boxhost");
	struct utsname u;
	uname(&u);
	char expected[1024];
	snprintf(expected, sizeof expected, "prestart \"status\":\"creating\" %s\ncreateRuntime \"status\":\"creating\" %s\n"
		"createContainer \"status\":\"creating\" boxhost\npoststart \"status\":\"running\" %s\npoststop \"status\":\"stopped\" %s\n",
		u.nodename, u.nodename, u.nodename, u.nodename);
	own(buf) struct buf text = {};
	assert_int_equal(path_read(AT_FDCWD, log, &text, &b->e), 0);
	assert_string_equal(buf_text(&text), expected);
	/* One that fails ends it; one that hangs is ended. */
	h.create_runtime.v[0].path = arena_dup(&b->arena, "/bin/false");
	refused(b, ERR_SYSTEM, "hook /bin/false: exit status 1");
	h.create_runtime.v[0] = (struct spec_hook){.path = arena_dup(&b->arena, "/bin/sleep"), .timeout = {true, 1}};
	arena_strv_add(&b->arena, &h.create_runtime.v[0].args, "sleep");
	arena_strv_add(&b->arena, &h.create_runtime.v[0].args, "60");
	refused(b, ERR_TIMEOUT, "did not end within 1 seconds");
}

static void killed_at_the_handshake(void **state)
{
	struct box *b = *state;
	int pipe_[2];
	assert_int_equal(pipe2(pipe_, O_CLOEXEC), 0);
	pid_t runtime = fork();
	if (runtime == 0) {
		struct container c;
		args(b, "sleep", "60", NULL);
		if (container_create(&b->create, &c, &b->e) == 0)
			(void)!write(pipe_[1], &c.pid, sizeof c.pid);
		pause();
	}
	pid_t pid;
	assert_int_equal(read(pipe_[0], &pid, sizeof pid), sizeof pid);
	own(fd) int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	assert_true(pidfd >= 0);
	kill(runtime, SIGKILL);
	waitpid(runtime, NULL, 0);
	/* Nobody says go: the container's process ends by itself, and takes its mounts along. */
	struct pollfd p = {.fd = pidfd, .events = POLLIN};
	assert_int_equal(poll(&p, 1, 5000), 1);
	close(pipe_[0]);
	close(pipe_[1]);
	reap_orphans();
	/* The groups are found again by their name, and the next one of that name takes their place. */
	script(b, "exit 4");
	assert_int_equal(run(b), 4);
}

static void created_but_not_started(void **state)
{
	struct box *b = *state;
	struct container c;
	args(b, "true", NULL);
	assert_int_equal(container_create(&b->create, &c, &b->e), 0);
	assert_true(container_is_alive(c.pid, c.start_time));
	assert_false(container_is_alive(c.pid, c.start_time + 1));
	kill(c.pid, SIGKILL);
	siginfo_t info;
	assert_int_equal(waitid(P_PID, (id_t)c.pid, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(container_start(&c, &b->e), -1);
	assert_non_null(strstr(b->e.text, "ended before the command was executed"));
	assert_false(container_is_alive(c.pid, c.start_time));
	assert_int_equal(reap(&c), 137);
	assert_int_equal(container_create(&b->create, &c, &b->e), 0);
	assert_int_equal(container_start(&c, &b->e), 0);
	assert_int_equal(container_start(&c, &b->e), -1);
	assert_int_equal(b->e.kind, ERR_CONFLICT);
	assert_int_equal(reap(&c), 0);
}

static void no_cgroups(void **state)
{
	struct box *b = *state;
	b->create.cgroup_manager = CGROUP_MANAGER_DISABLED;
	assert_string_equal(shell(b, "ls /sys/fs/cgroup | wc -l"), "0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {BOX_TEST(ends_with_the_status), BOX_TEST(has_namespaces_of_its_own),
		BOX_TEST(may_share_namespaces), BOX_TEST(status_lines), BOX_TEST(filter_is_loaded), BOX_TEST(masks),
		BOX_TEST(read_only_root), BOX_TEST(devices), BOX_TEST(standard_files), BOX_TEST(sessions), BOX_TEST(sysctls), BOX_TEST(binds),
		BOX_TEST(recursive_read_only), BOX_TEST(propagation), BOX_TEST(tmpfs), BOX_TEST(terminal), BOX_TEST(console_socket),
		BOX_TEST(command_errors), BOX_TEST(working_directory), BOX_TEST(limits), BOX_TEST(clock_of_its_own),
		BOX_TEST(init_reaps_and_forwards), BOX_TEST(init_with_terminal), BOX_TEST(hooks), BOX_TEST(killed_at_the_handshake),
		BOX_TEST(created_but_not_started), BOX_TEST(no_cgroups)};
	return box_main() ? 77 : cmocka_run_group_tests(tests, NULL, NULL);
}
