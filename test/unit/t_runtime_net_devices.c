/* SPDX-License-Identifier: Apache-2.0 */
/* Devices that go into a container. "The host" is a network namespace of this program: the machine's own is never touched. */
#include "t_runtime_box.h"

#include "sys/netlink.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>

static void ask_kernel(struct netlink_request *r)
{
	struct err e = {};
	own(netlink) struct netlink n = NETLINK_INIT;
	if (netlink_open(&n, &e) < 0 || netlink_call(&n, r, NULL, &e) < 0)
		fail_msg("%s", e.text);
}

/* One of a pair. The other stays until the kernel has taken away the namespace of a container, which takes a while: it has a
 * name of its own each time. */
static void make_device(const char *name)
{
	struct netlink_request r;
	struct ifinfomsg link = {};
	static int count;
	char peer[IFNAMSIZ];
	snprintf(peer, sizeof peer, "p%d", ++count);
	netlink_begin(&r, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &link, sizeof link);
	netlink_add_str(&r, IFLA_IFNAME, name);
	size_t info = netlink_nest(&r, IFLA_LINKINFO);
	netlink_add_str(&r, IFLA_INFO_KIND, "veth");
	size_t data = netlink_nest(&r, IFLA_INFO_DATA);
	/* An attribute of a struct with attributes behind it. */
	size_t other = r.len;
	netlink_add(&r, VETH_INFO_PEER, &link, sizeof link);
	netlink_add_str(&r, IFLA_IFNAME, peer);
	netlink_nest_end(&r, other);
	netlink_nest_end(&r, data);
	netlink_nest_end(&r, info);
	ask_kernel(&r);
}

static void remove_device(const char *name)
{
	struct netlink_request r;
	struct ifinfomsg link = {.ifi_index = (int)if_nametoindex(name)};
	if (!link.ifi_index)
		return;
	netlink_begin(&r, RTM_DELLINK, 0, &link, sizeof link);
	ask_kernel(&r);
}

static void set_flags(const char *name, unsigned flags)
{
	struct netlink_request r;
	struct ifinfomsg link = {.ifi_index = (int)if_nametoindex(name), .ifi_change = IFF_UP, .ifi_flags = flags};
	netlink_begin(&r, RTM_NEWLINK, 0, &link, sizeof link);
	ask_kernel(&r);
}

/* seconds 0: for ever */
static void add_address(const char *name, const char *text, unsigned char prefix, unsigned char scope, uint32_t seconds)
{
	struct netlink_request r;
	struct ifaddrmsg a = {.ifa_family = strchr(text, ':') ? AF_INET6 : AF_INET, .ifa_prefixlen = prefix, .ifa_scope = scope,
		.ifa_index = if_nametoindex(name)};
	struct ifa_cacheinfo life = {.ifa_prefered = seconds, .ifa_valid = seconds};
	char bytes[16];
	assert_int_equal(inet_pton(a.ifa_family, text, bytes), 1);
	netlink_begin(&r, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &a, sizeof a);
	netlink_add(&r, IFA_LOCAL, bytes, a.ifa_family == AF_INET ? 4 : 16);
	netlink_add(&r, IFA_ADDRESS, bytes, a.ifa_family == AF_INET ? 4 : 16);
	if (a.ifa_family == AF_INET) {
		const unsigned char all[4] = {(unsigned char)bytes[0], (unsigned char)bytes[1], (unsigned char)bytes[2], 255};
		netlink_add(&r, IFA_BROADCAST, all, 4);
	}
	if (seconds)
		netlink_add(&r, IFA_CACHEINFO, &life, sizeof life);
	ask_kernel(&r);
}

static bool has_address(const char *name, const char *text)
{
	struct ifaddrs *all, *i;
	bool found = false;
	assert_int_equal(getifaddrs(&all), 0);
	for (i = all; i; i = i->ifa_next) {
		char at[INET6_ADDRSTRLEN] = "";
		if (!i->ifa_addr || strcmp(i->ifa_name, name) != 0)
			continue;
		if (i->ifa_addr->sa_family == AF_INET)
			inet_ntop(AF_INET, &((struct sockaddr_in *)(void *)i->ifa_addr)->sin_addr, at, sizeof at);
		else if (i->ifa_addr->sa_family == AF_INET6)
			inet_ntop(AF_INET6, &((struct sockaddr_in6 *)(void *)i->ifa_addr)->sin6_addr, at, sizeof at);
		found |= strcmp(at, text) == 0;
	}
	freeifaddrs(all);
	return found;
}

static bool is_up(const char *name)
{
	struct ifreq r = {};
	own(fd) int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	snprintf(r.ifr_name, sizeof r.ifr_name, "%s", name);
	return ioctl(sock, SIOCGIFFLAGS, &r) == 0 && r.ifr_flags & IFF_UP;
}

static bool has_ipv6(void)
{
	return access("/proc/sys/net/ipv6", F_OK) == 0;
}

static struct json *wanted;

static void want(struct box *b, const char *text)
{
	struct err e = {};
	json_drop(&wanted);
	assert_int_equal(json_parse(text, strlen(text), &wanted, &e), 0);
	b->spec.linux_->net_devices = wanted;
}

static void expect_lines(const char *out, const char *const *has, const char *const *lacks)
{
	for (; *has; has++)
		if (!strstr(out, *has))
			fail_msg("no \"%s\" in: %s", *has, out);
	for (; *lacks; lacks++)
		if (strstr(out, *lacks))
			fail_msg("\"%s\" in: %s", *lacks, out);
}

static void moved(void **state)
{
	struct box *b = *state;
	make_device("ta0");
	set_flags("ta0", IFF_UP);
	add_address("ta0", "10.9.8.7", 24, RT_SCOPE_UNIVERSE, 0);
	add_address("ta0", "10.9.8.8", 24, RT_SCOPE_UNIVERSE, 0);
	add_address("ta0", "10.9.7.1", 32, RT_SCOPE_LINK, 0);
	add_address("ta0", "10.9.6.1", 32, RT_SCOPE_UNIVERSE, 3000);
	if (has_ipv6())
		add_address("ta0", "fd00:9::7", 64, RT_SCOPE_UNIVERSE, 0);
	want(b, "{\"ta0\":{}}");
	const char *out = shell(b, "ip -o link show dev ta0; ip -o addr show dev ta0");
	const char *const has[] = {"ta0@", ",UP", "inet 10.9.8.7/24 brd 10.9.8.255 scope global ta0", "inet 10.9.8.8/24",
		has_ipv6() ? "inet6 fd00:9::7/64" : "", NULL};
	const char *const lacks[] = {"10.9.7.1", "10.9.6.1", NULL};
	expect_lines(out, has, lacks);
	assert_int_equal(if_nametoindex("ta0"), 0);
	expect_nothing_left(b);
}

static void renamed(void **state)
{
	struct box *b = *state;
	static const char *const none[] = {NULL};
	make_device("ta0");
	make_device("ta1");
	make_device("ta2");
	struct ifreq r = {.ifr_name = "ta0", .ifr_mtu = 1380};
	own(fd) int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(ioctl(sock, SIOCSIFMTU, &r), 0);
	assert_int_equal(ioctl(sock, SIOCGIFHWADDR, &r), 0);
	const unsigned char *m = (const unsigned char *)r.ifr_hwaddr.sa_data;
	char mac[40];
	snprintf(mac, sizeof mac, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
	/* Also with a namespace of its own to be root in. */
	want(b, "{\"ta0\":{\"name\":\"lan.5\"},\"ta1\":{\"name\":\"ct%d\"},\"ta2\":{\"name\":\"ct%d\"}}");
	const char *out = shell(b, "ip -o link show dev lan.5; ip -o link show");
	const char *const has[] = {"mtu 1380", mac, "ct0@", "ct1@", NULL};
	expect_lines(out, has, none);
	make_device("ta0");
	add_namespace(b, "user", "");
	*(struct idmap_row *)list_add(b, &b->spec.linux_->uids, sizeof(struct idmap_row)) = (struct idmap_row){0, 0, 65536};
	*(struct idmap_row *)list_add(b, &b->spec.linux_->gids, sizeof(struct idmap_row)) = (struct idmap_row){0, 0, 65536};
	want(b, "{\"ta0\":{\"name\":\"eth0\"}}");
	const char *const eth[] = {"eth0@", ",UP", NULL};
	expect_lines(shell(b, "ip -o link show dev eth0"), eth, none);
}

/* A process that holds a network namespace. */
struct holder {
	pid_t pid;
	int end;
	char path[64];
};

static struct holder hold(void)
{
	struct holder h;
	int pipe_[2], ready[2];
	char c = 'x';
	assert_int_equal(pipe2(pipe_, O_CLOEXEC), 0);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	h.pid = fork();
	if (h.pid == 0) {
		close(pipe_[1]);
		if (unshare(CLONE_NEWNET) < 0 || write(ready[1], &c, 1) != 1)
			_exit(1);
		(void)!read(pipe_[0], &c, 1);
		_exit(0);
	}
	close(pipe_[0]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	h.end = pipe_[1];
	snprintf(h.path, sizeof h.path, "/proc/%d/ns/net", (int)h.pid);
	return h;
}

static void let_go(struct holder *h)
{
	close(h->end);
	assert_int_equal(waitpid(h->pid, NULL, 0), h->pid);
}

static void into_a_path(void **state)
{
	struct box *b = *state;
	static const char *const none[] = {NULL};
	struct holder h = hold();
	make_device("ta0");
	drop_namespace(b, "network");
	add_namespace(b, "network", h.path);
	want(b, "{\"ta0\":{\"name\":\"ct%d\"}}");
	const char *const first[] = {"ct0@", NULL};
	expect_lines(shell(b, "ip -o link show"), first, none);
	/* It stays, and its name is taken. */
	make_device("ta0");
	const char *const second[] = {"ct0@", "ct1@", NULL};
	expect_lines(shell(b, "ip -o link show"), second, none);
	make_device("ta0");
	set_flags("ta0", IFF_UP);
	want(b, "{\"ta0\":{\"name\":\"ct1\"}}");
	args(b, "true", NULL);
	assert_int_equal(run(b), -1);
	assert_non_null(strstr(b->e.text, "linux.netDevices: ta0: the container has a device ct1 already"));
	assert_true(is_up("ta0"));
	/* The name that it has here is one of those there, the one it gets is not. */
	want(b, "{\"ta0\":{\"name\":\"ta1\"}}");
	shell(b, "true");
	make_device("ta1");
	want(b, "{\"ta1\":{\"name\":\"ta9\"}}");
	const char *const third[] = {"ta1@", "ta9@", NULL};
	expect_lines(shell(b, "ip -o link show"), third, none);
	let_go(&h);
}

/* A container that does not come to be leaves the devices as they were. */
static void returned(void **state)
{
	struct box *b = *state;
	make_device("ta0");
	set_flags("ta0", IFF_UP);
	add_address("ta0", "10.9.8.7", 24, RT_SCOPE_UNIVERSE, 0);
	if (has_ipv6())
		add_address("ta0", "fd00:9::7", 64, RT_SCOPE_UNIVERSE, 0);
	make_device("ta1");
	static const char *const texts[] = {"{\"ta0\":{\"name\":\"eth7\"},\"ta1\":{\"name\":\"eth8\"}}", "{\"ta0\":{\"name\":\"eth7\"},\"nobody\":{}}",
		"{\"ta0\":{\"name\":\"eth7\"},\"lo\":{\"name\":\"eth8\"}}"};
	static const char *const errors[] = {"executable file not found", "linux.netDevices: nobody: there is no such device", "linux.netDevices: lo: move: "};
	args(b, "no-such-command", NULL);
	for (size_t i = 0; i < countof(texts); i++) {
		want(b, texts[i]);
		assert_int_equal(run(b), -1);
		if (!strstr(b->e.text, errors[i]))
			fail_msg("%s", b->e.text);
		expect_nothing_left(b);
		assert_true(if_nametoindex("ta0"));
		assert_true(if_nametoindex("ta1"));
		assert_true(is_up("ta0"));
		assert_false(is_up("ta1"));
		assert_true(has_address("ta0", "10.9.8.7"));
		assert_true(!has_ipv6() || has_address("ta0", "fd00:9::7"));
	}
}

/* They have gone before the runtime's hooks are run. */
static void before_hooks(void **state)
{
	struct box *b = *state;
	static const char *const words[] = {"busybox", "sh", "-c", "! busybox ip link show dev ta0 >/dev/null 2>&1"};
	make_device("ta0");
	b->spec.hooks = arena_alloc(&b->arena, sizeof *b->spec.hooks);
	struct spec_hook *h = list_add(b, &b->spec.hooks->create_runtime, sizeof *h);
	h->path = arena_dup(&b->arena, "/bin/busybox");
	for (size_t i = 0; i < countof(words); i++)
		arena_strv_add(&b->arena, &h->args, words[i]);
	arena_strv_add(&b->arena, &h->env, "PATH=/bin:/usr/bin");
	want(b, "{}");
	args(b, "true", NULL);
	assert_int_equal(run(b), -1);
	want(b, "{\"ta0\":null}");
	assert_int_equal(run(b), 0);
}

static void what_is_refused(void **state)
{
	struct box *b = *state;
	static const struct { const char *text, *error; } rows[] = {{"[]", "must be an object"}, {"{\"ta0\":7}", "ta0 must be an object"},
		{"{\"ta0\":{\"name\":7}}", "ta0 must be an object"}, {"{\"\":{}}", "\"\" is no name"}, {"{\"0123456789abcdef\":{}}", "\"0123456789abcdef\" is no name"},
		{"{\"a/b\":{}}", "\"a/b\" is no name"}, {"{\"a:b\":{}}", "\"a:b\" is no name"}, {"{\"a b\":{}}", "\"a b\" is no name"}, {"{\"ta%d\":{}}", "\"ta%d\" is no name"},
		{"{\"..\":{}}", "\"..\" is no name"}, {"{\".\":{}}", "\".\" is no name"}, {"{\"ta0\":{\"name\":\"a\\tb\"}}", "ta0: \"a\tb\" is no name"},
		{"{\"ta0\":{\"name\":\"0123456789abcdef\"}}", "ta0: \"0123456789abcdef\" is no name"}, {"{\"ta0\":{\"name\":\"a%d%d\"}}", "\"a%d%d\" is no name"},
		{"{\"ta0\":{\"name\":\"a%s\"}}", "\"a%s\" is no name"}, {"{\"ta0\":{\"name\":\"a%\"}}", "\"a%\" is no name"},
		{"{\"ta0\":{\"name\":\"x\"},\"ta1\":{\"name\":\"x\"}}", "two devices cannot be named x"}, {"{\"ta0\":{\"name\":\"ta1\"},\"ta1\":{}}", "two devices cannot be named ta1"}};
	args(b, "true", NULL);
	for (size_t i = 0; i < countof(rows); i++) {
		want(b, rows[i].text);
		refused(b, ERR_USAGE, rows[i].error);
	}
	want(b, "{\"ta0\":{}}");
	refused(b, ERR_NOT_FOUND, "linux.netDevices: ta0: there is no such device");
	drop_namespace(b, "network");
	refused(b, ERR_USAGE, "needs a network namespace of the container's own");
	add_namespace(b, "network", "/proc/self/ns/net");
	refused(b, ERR_USAGE, "needs a network namespace of the container's own");
	want(b, "{}");
	assert_int_equal(run(b), 0);
}

static int no_devices(void **state)
{
	static const char *const names[] = {"ta0", "ta1", "ta2"};
	for (size_t i = 0; i < countof(names); i++)
		remove_device(names[i]);
	json_drop(&wanted);
	return box_close(state);
}

#define DEVICE_TEST(f) cmocka_unit_test_setup_teardown(f, box_open, no_devices)

int main(void)
{
	const struct CMUnitTest tests[] = {DEVICE_TEST(moved), DEVICE_TEST(renamed), DEVICE_TEST(into_a_path), DEVICE_TEST(returned),
		DEVICE_TEST(before_hooks), DEVICE_TEST(what_is_refused)};
	if (box_main())
		return 77;
	if (unshare(CLONE_NEWNET) < 0) {
		perror("unshare");
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
