/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that are cut off, and lengths that lie. */
#include "sys/netlink.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The loopback device, which is everywhere. */
static void asks(void **state)
{
	(void)state;
	struct err e = {};
	struct ifinfomsg link = {};
	struct netlink_request r;
	struct netlink_answer m;
	const struct nlattr *attrs[IFLA_MTU + 1];
	own(netlink) struct netlink n = NETLINK_INIT;
	own(buf) struct buf answers = {};
	if (netlink_open(&n, &e) < 0)
		fail_msg("%s", e.text);
	netlink_begin(&r, RTM_GETLINK, NLM_F_DUMP, &link, sizeof link);
	assert_int_equal(netlink_call(&n, &r, &answers, &e), 0);
	bool found = false;
	for (size_t at = 0; netlink_next(&answers, &at, &m);) {
		assert_int_equal(m.type, RTM_NEWLINK);
		assert_non_null(netlink_parse(&m, sizeof link, attrs, countof(attrs)));
		found |= strcmp(netlink_str(attrs[IFLA_IFNAME]), "lo") == 0 && netlink_u32(attrs[IFLA_MTU]) >= 1280;
	}
	assert_true(found);
	netlink_begin(&r, RTM_GETLINK, 0, &link, sizeof link);
	netlink_add_str(&r, IFLA_IFNAME, "no-such-device");
	assert_int_equal(netlink_call(&n, &r, &answers, &e), -1);
	assert_int_equal(e.sys, ENODEV);
	assert_int_equal(answers.len, 0);
	/* The socket is as good as new. */
	netlink_begin(&r, RTM_GETLINK, 0, &link, sizeof link);
	netlink_add_str(&r, IFLA_IFNAME, "lo");
	size_t at = 0;
	assert_int_equal(netlink_call(&n, &r, &answers, &e), 0);
	assert_true(netlink_next(&answers, &at, &m));
	assert_false(netlink_next(&answers, &at, &m));
	/* More than there may be. */
	own(buf) struct buf small = BUF(100);
	assert_int_equal(netlink_call(&n, &r, &small, &e), -1);
	assert_int_equal(e.kind, ERR_LIMIT);
	netlink_begin(&r, RTM_GETLINK, 0, &link, sizeof link);
	for (int i = 0; i < 1000; i++)
		netlink_add_u32(&r, IFLA_MTU, 1);
	size_t nest = netlink_nest(&r, IFLA_LINKINFO);
	netlink_nest_end(&r, nest);
	assert_int_equal(netlink_call(&n, &r, NULL, &e), -1);
	assert_int_equal(e.kind, ERR_LIMIT);
	static char large[NETLINK_REQUEST + 8];
	netlink_begin(&r, RTM_GETLINK, 0, &link, sizeof link);
	netlink_add(&r, IFLA_IFNAME, large, sizeof large);
	assert_true(r.full);
}

/* Every byte of it another, and every length: nothing outside of a block of just that size is read (the sanitizer looks). */
static void damaged(void **state)
{
	(void)state;
	struct ifinfomsg link = {.ifi_index = 3};
	struct netlink_request r;
	netlink_begin(&r, RTM_NEWLINK, 0, &link, sizeof link);
	netlink_add_str(&r, IFLA_IFNAME, "eth0");
	netlink_add_u32(&r, IFLA_MTU, 1500);
	netlink_add(&r, IFLA_ADDRESS, "\1\2\3\4\5\6", 6);
	uint32_t len = (uint32_t)r.len;
	memcpy(r.data, &len, sizeof len);
	size_t names = 0;
	for (size_t n = 0; n <= r.len; n++)
		for (size_t i = 0; i <= n; i++)
			for (int bit = 0; bit < (i < n ? 8 : 1); bit++) {
				struct buf b = {.data = malloc(n + 1), .len = n};
				memcpy(b.data, r.data, n);
				if (i < n)
					b.data[i] = (char)(b.data[i] ^ 1 << bit);
				b.data = realloc(b.data, n ? n : 1);
				struct netlink_answer m;
				const struct nlattr *attrs[IFLA_MTU + 1];
				for (size_t at = 0; netlink_next(&b, &at, &m);) {
					if (!netlink_parse(&m, sizeof link, attrs, countof(attrs)))
						continue;
					const char *name = netlink_str(attrs[IFLA_IFNAME]);
					names += name && strlen(name) <= 20;
					(void)netlink_u32(attrs[IFLA_MTU]);
					(void)netlink_bytes(attrs[IFLA_ADDRESS], 6);
				}
				free(b.data);
			}
	assert_true(names > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(asks), cmocka_unit_test(damaged)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
