/* SPDX-License-Identifier: Apache-2.0 */
/* Namespaces that are another's, the caller's own, or not what they should be; kernel parameters, which belong to namespaces. */
#include "t_runtime_box.h"

#include <sched.h>
#include <sys/utsname.h>

static const struct { const char *type, *file; } kinds[] = {{"pid", "pid"}, {"network", "net"}, {"ipc", "ipc"}, {"uts", "uts"},
	{"cgroup", "cgroup"}, {"user", "user"}, {"time", "time"}};

static void link_of(const char *path, char out[64])
{
	ssize_t n = readlink(path, out, 63);
	assert_true(n > 0);
	out[n] = 0;
}

/* The whole of /proc/self/ns in the container, one link a line, in the order of kinds[]. */
static void links_inside(struct box *b, char out[countof(kinds)][64])
{
	char *text = mem_dup(shell(b, "cd /proc/self/ns; for n in pid net ipc uts cgroup user time; do readlink $n; done")), *rest = text;
	for (size_t i = 0; i < countof(kinds); i++)
		snprintf(out[i], 64, "%s", strsep(&rest, "\n"));
	free(text);
}

static void by_path(void **state)
{
	struct box *b = *state;
	static struct idmap_row row = {0, 100000, 65536};
	struct container first;
	own(fd) int out = -1;
	char theirs[countof(kinds)][64], inside[countof(kinds)][64], id[64];
	add_namespace(b, "time", NULL);
	add_namespace(b, "user", NULL);
	b->spec.linux_->uids.v = b->spec.linux_->gids.v = &row;
	b->spec.linux_->uids.n = b->spec.linux_->gids.n = 1;
	args(b, "sleep", "60", NULL);
	assert_int_equal(launch(b, &first, &out), 0);
	snprintf(id, sizeof id, "%s-b", b->id);
	b->create.id = id;
	/* One after the other, and all the ones before; the user namespace, which the others belong to, first. */
	static const size_t order[] = {5, 0, 1, 2, 3, 4, 6};
	for (size_t k = 0; k < countof(order); k++) {
		size_t i = order[k];
		char path[64];
		snprintf(path, sizeof path, "/proc/%d/ns/%s", (int)first.pid, kinds[i].file);
		link_of(path, theirs[i]);
		drop_namespace(b, kinds[i].type);
		add_namespace(b, kinds[i].type, path);
		links_inside(b, inside);
		for (size_t n = 0; n < countof(order); n++) {
			if (n <= k)
				assert_string_equal(inside[order[n]], theirs[order[n]]);
		}
	}
	b->create.id = b->id;
	kill(first.pid, SIGKILL);
	assert_int_equal(reap(&first), 137);
}

/* The caller's own by its path: the same as sharing it, for exec too. */
static void by_own_path(void **state)
{
	struct box *b = *state;
	char inside[countof(kinds)][64], mine[64];
	b->spec.hostname = b->spec.domainname = NULL;
	for (size_t i = 0; i < countof(kinds); i++) {
		char path[64];
		snprintf(path, sizeof path, "/proc/self/ns/%s", kinds[i].file);
		drop_namespace(b, kinds[i].type);
		add_namespace(b, kinds[i].type, path);
	}
	links_inside(b, inside);
	for (size_t i = 0; i < countof(kinds); i++) {
		char path[64];
		snprintf(path, sizeof path, "/proc/self/ns/%s", kinds[i].file);
		link_of(path, mine);
		assert_string_equal(inside[i], mine);
	}
	struct running r = begin(b);
	link_of("/proc/self/ns/net", mine);
	assert_string_equal(enter(b, &r, "readlink /proc/self/ns/net"), mine);
	end(&r);
	/* It is the host's: nothing of it may be changed. */
	script(b, "true");
	b->spec.hostname = arena_dup(&b->arena, "other");
	refused(b, ERR_USAGE, "needs a uts namespace");
	b->spec.hostname = NULL;
	map_set(&b->arena, &b->spec.linux_->sysctl, "net.ipv4.ip_forward", "1");
	refused(b, ERR_USAGE, "shares that namespace with the host");
	b->spec.linux_->sysctl = (struct map){};
	map_set(&b->arena, &b->spec.linux_->sysctl, "kernel.shmmax", "1");
	refused(b, ERR_USAGE, "shares that namespace with the host");
}

static void of_another_type(void **state)
{
	struct box *b = *state;
	script(b, "true");
	for (size_t i = 0; i < countof(kinds); i++) {
		char path[64], expected[96];
		snprintf(path, sizeof path, "/proc/self/ns/%s", kinds[(i + 1) % countof(kinds)].file);
		snprintf(expected, sizeof expected, "%s namespace %s: the file is not such a namespace", kinds[i].type, path);
		drop_namespace(b, kinds[i].type);
		add_namespace(b, kinds[i].type, path);
		refused(b, ERR_USAGE, expected);
		drop_namespace(b, kinds[i].type);
		add_namespace(b, kinds[i].type, "/proc/self/ns/not-there");
		refused(b, ERR_NOT_FOUND, "not-there");
		/* A fifo does not keep us waiting. */
		char fifo[256];
		in_root(b, "/fifo", fifo);
		assert_true(mkfifo(fifo, 0600) == 0 || errno == EEXIST);
		drop_namespace(b, kinds[i].type);
		add_namespace(b, kinds[i].type, fifo);
		refused(b, ERR_USAGE, "not such a namespace");
		drop_namespace(b, kinds[i].type);
		if (i < 5)
			add_namespace(b, kinds[i].type, NULL);
	}
}

static struct json *offsets(struct box *b, const char *text)
{
	struct json *j = NULL;
	if (json_parse(text, strlen(text), &j, &b->e) < 0)
		fail_msg("%s", b->e.text);
	return j;
}

/* Both clocks, as the kernel has noted them down. */
static void time_offsets(void **state)
{
	struct box *b = *state;
	own(json) struct json *both = offsets(b, "{\"monotonic\":{\"secs\":7881,\"nanosecs\":2718281},\"boottime\":{\"secs\":1337,\"nanosecs\":3141519}}");
	own(json) struct json *back = offsets(b, "{\"monotonic\":{\"secs\":-1}}");
	own(json) struct json *zero = offsets(b, "{\"boottime\":{\"secs\":0,\"nanosecs\":0}}");
	own(json) struct json *wrong = offsets(b, "{\"boottime\":{\"secs\":-9000000000,\"nanosecs\":0}}");
	own(json) struct json *unknown = offsets(b, "{\"realtime\":{\"secs\":1}}");
	add_namespace(b, "time", NULL);
	b->spec.linux_->time_offsets = both;
	assert_string_equal(shell(b, "tr -s ' ' < /proc/self/timens_offsets"), "monotonic 7881 2718281\nboottime 1337 3141519");
	struct running r = begin(b);
	assert_string_equal(enter(b, &r, "tr -s ' ' < /proc/self/timens_offsets"), "monotonic 7881 2718281\nboottime 1337 3141519");
	end(&r);
	b->spec.linux_->time_offsets = back;
	assert_string_equal(shell(b, "tr -s ' ' < /proc/self/timens_offsets"), "monotonic -1 0\nboottime 0 0");
	b->spec.linux_->time_offsets = zero;
	assert_string_equal(shell(b, "tr -s ' ' < /proc/self/timens_offsets"), "monotonic 0 0\nboottime 0 0");
	/* A clock cannot go below zero. */
	script(b, "true");
	b->spec.linux_->time_offsets = wrong;
	refused(b, ERR_USAGE, "no clock may go below zero");
	b->spec.linux_->time_offsets = unknown;
	refused(b, ERR_USAGE, "linux.timeOffsets: unknown clock \"realtime\"");
	b->spec.linux_->time_offsets = NULL;
}

static void parameter(struct box *b, const char *name, const char *value)
{
	b->spec.linux_->sysctl = (struct map){};
	map_set(&b->arena, &b->spec.linux_->sysctl, name, value);
}

static void host_text(const char *path, struct buf *out)
{
	struct err e = {};
	buf_reset(out);
	assert_int_equal(path_read(AT_FDCWD, path, out, &e), 0);
}

/* Names that lead out of what is the container's. */
static void parameters_of_the_host(void **state)
{
	struct box *b = *state;
	own(buf) struct buf before = {}, after = {};
	static const char *const bad[] = {"net/../kernel/core_pattern", "net/ipv4/../../kernel/core_pattern", "net/./../kernel/core_pattern",
		"net.ipv4.//.//.kernel.core_pattern", "net.//.kernel.core_pattern", "net//ipv4/ip_forward", "net..ipv4", "net.", ".net", "/net/ipv4/ip_forward",
		"net/ipv4/ip_forward/", "kernel/../net/ipv4/ip_forward", "kernel/core_pattern", "kernel.core_pattern", "fs/mqueue/../../kernel/core_pattern",
		"user/../kernel/core_pattern", "netx.y", "kernel/hostname", "kernel.hostname", "vm.swappiness", "/", ".", "..", ""};
	host_text("/proc/sys/kernel/core_pattern", &before);
	script(b, "true");
	add_namespace(b, "user", NULL);
	static struct idmap_row row = {0, 100000, 65536};
	for (int userns = 1; userns >= 0; userns--) {
		b->spec.linux_->uids.v = b->spec.linux_->gids.v = &row;
		b->spec.linux_->uids.n = b->spec.linux_->gids.n = (size_t)userns;
		for (size_t i = 0; i < countof(bad); i++) {
			parameter(b, bad[i], "|/pwned");
			refused(b, ERR_USAGE, "sysctl ");
		}
		drop_namespace(b, "user");
	}
	host_text("/proc/sys/kernel/core_pattern", &after);
	assert_string_equal(buf_text(&before), buf_text(&after));
	/* Both spellings, and a dot in the name of an interface. */
	parameter(b, "net/ipv4/conf/lo/forwarding", "1");
	assert_string_equal(shell(b, "cat /proc/sys/net/ipv4/conf/lo/forwarding"), "1");
	parameter(b, "net.ipv4.conf.lo.forwarding", "1");
	assert_string_equal(shell(b, "cat /proc/sys/net/ipv4/conf/lo/forwarding"), "1");
	parameter(b, "net.ipv4.conf.eth0/1.forwarding", "1");
	script(b, "true");
	refused(b, ERR_USAGE, "this kernel does not have it");
	parameter(b, "kernel.domainname", "of.sysctl");
	assert_string_equal(shell(b, "cat /proc/sys/kernel/domainname"), "of.sysctl");
}

/* Each needs the namespace that it belongs to. */
static void parameters_need_their_namespace(void **state)
{
	struct box *b = *state;
	static const struct { const char *type, *name, *value; } rows[] = {{"network", "net.ipv4.ip_forward", "1"},
		{"ipc", "kernel.msgmax", "8192"}, {"ipc", "fs.mqueue.msg_max", "10"}, {"ipc", "kernel.shm_rmid_forced", "0"},
		{"ipc", "kernel.sem", "250 32000 32 128"}, {"uts", "kernel.domainname", "x"}};
	b->spec.hostname = b->spec.domainname = NULL;
	script(b, "true");
	for (size_t i = 0; i < countof(rows); i++) {
		parameter(b, rows[i].name, rows[i].value);
		if (run(b) != 0)
			fail_msg("%s: %s", rows[i].name, b->e.text);
		drop_namespace(b, rows[i].type);
		refused(b, ERR_USAGE, "shares that namespace with the host");
		add_namespace(b, rows[i].type, NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {BOX_TEST(by_path), BOX_TEST(by_own_path), BOX_TEST(of_another_type), BOX_TEST(time_offsets),
		BOX_TEST(parameters_of_the_host), BOX_TEST(parameters_need_their_namespace)};
	return box_main() ? 77 : cmocka_run_group_tests(tests, NULL, NULL);
}
