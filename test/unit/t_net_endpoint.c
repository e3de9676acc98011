/* SPDX-License-Identifier: Apache-2.0 */
#include "net/endpoint.h"

#include "base/fd.h"
#include "base/path.h"
#include "net/pool.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void addresses(void **state)
{
	(void)state;
	struct err e = {};
	struct addr a, b;
	struct subnet s, t;
	char text[ADDR_TEXT];
	assert_true(addr_parse("10.0.0.255", &a) && addr_add(&a, 1));
	assert_string_equal(addr_format(&a, text), "10.0.1.0");
	assert_true(addr_parse("255.255.255.255", &a));
	assert_false(addr_add(&a, 1));
	assert_false(addr_parse("10.0.0", &a) || addr_parse("10.0.0.0/8", &a) || addr_parse("", &a));
	assert_true(addr_parse("fd00::1", &a) && addr_parse("fd00::1:0", &b));
	assert_int_equal(addr_distance(&a, &b), 0xffff);
	assert_int_equal(subnet_parse("10.1.2.0/23", true, &s, "subnet", &e), 0);
	assert_int_equal(subnet_parse("10.1.3.128/25", true, &t, "subnet", &e), 0);
	assert_true(subnet_overlaps(&s, &t) && subnet_overlaps(&t, &s));
	assert_int_equal(subnet_parse("10.1.2.1/23", true, &s, "subnet", &e), -1);
	assert_int_equal(subnet_parse("10.1.2.0/33", true, &s, "subnet", &e), -1);
	assert_int_equal(subnet_parse("x/8", true, &s, "subnet", &e), -1);
	uint8_t mac[MAC_LEN];
	assert_true(mac_parse("02:42:ac:11:00:02", mac));
	assert_false(mac_parse("01:42:ac:11:00:02", mac) || mac_parse("02:42:ac:11:00", mac) || mac_parse("02:42:ac:11:00:0", mac) || mac_parse("", mac) ||
		mac_parse("02:42:ac:11:00:02:03", mac) || mac_parse("0g:42:ac:11:00:02", mac));
}

struct place { char path[64]; struct networks n; struct arena arena; };

static void place_make(struct place *p)
{
	struct err e = {};
	*p = (struct place){.n = NETWORKS_INIT};
	strcpy(p->path, "/tmp/hull-endpoint.XXXXXX");
	assert_non_null(mkdtemp(p->path));
	own(fd) int dir = path_open_dir(AT_FDCWD, p->path, &e);
	assert_int_equal(path_mkdirs(dir, "root", 0700, &e) | path_mkdirs(dir, "run", 0700, &e), 0);
	own(fd) int root = path_open_dir(dir, "root", &e);
	own(fd) int run = path_open_dir(dir, "run", &e);
	assert_int_equal(networks_open(&p->n, root, run, &e), 0);
}

static void place_drop(struct place *p)
{
	struct err e = {};
	networks_drop(&p->n);
	arena_drop(&p->arena);
	assert_int_equal(path_remove_tree(AT_FDCWD, p->path, &e), 0);
}

static struct network make(struct place *p, const char *name, const char *subnet, struct err *e)
{
	struct network w = {.name = arena_dup(&p->arena, name), .driver = arena_dup(&p->arena, "bridge"), .ipv4 = true};
	arena_push(&p->arena, &w.ipam)->subnet = arena_dup(&p->arena, subnet);
	if (networks_create(&p->n, &p->arena, &w, e) < 0)
		w.id = NULL;
	return w;
}

static bool gone(void *arg, const char *container)
{
	return strcmp(arg, container) == 0;
}

static int take_one(struct place *p, const struct network *w, const char *container, const char *wanted, struct endpoint *ret, struct err *e)
{
	struct strv names = {};
	char dead[] = "dead";
	struct endpoint_request q = {.network = w, .container = container, .host_name = "ve", .name = "eth0", .names = &names, .is_gone = gone, .arg = dead};
	if (wanted)
		addr_parse(wanted, &q.wanted[0]);
	return endpoint_take(&p->n, &q, &p->arena, ret, e);
}

static const char *ip(const struct endpoint *p)
{
	static char text[ADDR_TEXT];
	return addr_format(&p->ip[0], text);
}

static void leases(void **state)
{
	(void)state;
	struct place p;
	struct err e = {};
	struct endpoint a;
	struct endpoints all;
	place_make(&p);
	struct network w = make(&p, "tiny", "10.9.0.0/29", &e);
	assert_non_null(w.id);
	assert_int_equal(take_one(&p, &w, "one", NULL, &a, &e), 0);
	assert_string_equal(ip(&a), "10.9.0.2");
	assert_int_equal(take_one(&p, &w, "dead", "10.9.0.3", &a, &e), 0);
	assert_int_equal(take_one(&p, &w, "two", "10.9.0.2", &a, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_int_equal(take_one(&p, &w, "two", "10.9.0.1", &a, &e), -1);
	assert_int_equal(take_one(&p, &w, "two", "10.9.1.4", &a, &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
	/* Whose container is gone has no claim. */
	assert_int_equal(take_one(&p, &w, "two", "10.9.0.3", &a, &e), 0);
	assert_int_equal(take_one(&p, &w, "three", NULL, &a, &e), 0);
	assert_string_equal(ip(&a), "10.9.0.4");
	assert_int_equal(take_one(&p, &w, "four", NULL, &a, &e) | take_one(&p, &w, "five", NULL, &a, &e), 0);
	assert_string_equal(ip(&a), "10.9.0.6");
	assert_int_equal(take_one(&p, &w, "six", NULL, &a, &e), -1);
	assert_int_equal(e.kind, ERR_LIMIT);
	assert_int_equal(endpoint_release(&p.n, NULL, "three", &e), 0);
	assert_int_equal(take_one(&p, &w, "six", NULL, &a, &e), 0);
	assert_string_equal(ip(&a), "10.9.0.4");
	assert_int_equal(endpoints_read(&p.n, w.id, &p.arena, &all, &e), 0);
	assert_int_equal(all.n, 5);
	place_drop(&p);
}

static void lines(void **state)
{
	(void)state;
	struct place p;
	struct err e = {};
	struct endpoint a;
	struct endpoints all;
	place_make(&p);
	struct network w = make(&p, "net", "10.9.0.0/24", &e);
	assert_int_equal(take_one(&p, &w, "one", NULL, &a, &e), 0);
	struct port_map m = {.protocol = IPPROTO_UDP, .host = {.len = 16}, .host_port = 53, .port = 5353, .count = 3};
	*arena_push(&p.arena, &a.ports) = m;
	arena_strv_add(&p.arena, &a.names, "web");
	assert_int_equal(endpoint_set(&p.n, w.id, &a, &e), 0);
	assert_int_equal(endpoints_read(&p.n, w.id, &p.arena, &all, &e), 0);
	assert_int_equal(all.n, 1);
	assert_string_equal(all.v[0].names.v[0], "web");
	assert_memory_equal(&all.v[0].ports.v[0], &m, sizeof m);
	assert_memory_equal(all.v[0].mac, a.mac, MAC_LEN);
	/* On ipvlan the parent's MAC address is everybody's. */
	static const uint8_t none[MAC_LEN];
	char ipvlan[] = "ipvlan";
	w.driver = ipvlan;
	assert_int_equal(take_one(&p, &w, "two", NULL, &a, &e), 0);
	assert_int_equal(endpoints_read(&p.n, w.id, &p.arena, &all, &e), 0);
	assert_int_equal(all.n, 2);
	assert_memory_equal(all.v[1].mac, none, MAC_LEN);
	assert_string_equal(ip(&all.v[1]), "10.9.0.3");
	struct endpoint bad;
	assert_false(endpoint_parse("too few words", 13, &p.arena, &bad));
	place_drop(&p);
}

static void subnets(void **state)
{
	(void)state;
	struct place p;
	struct err e = {};
	place_make(&p);
	assert_non_null(make(&p, "one", "10.9.0.0/24", &e).id);
	assert_null(make(&p, "two", "10.9.0.128/25", &e).id);
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_null(make(&p, "one", "10.8.0.0/24", &e).id);
	assert_int_equal(e.kind, ERR_EXISTS);
	assert_null(make(&p, "../x", "10.8.0.0/24", &e).id);
	assert_null(make(&p, "two", "10.8.0.0/32", &e).id);
	struct network found;
	assert_int_equal(networks_find(&p.n, "one", &p.arena, &found, &e), 0);
	char prefix[8] = {};
	memcpy(prefix, found.id, 7);
	assert_int_equal(networks_find(&p.n, prefix, &p.arena, &found, &e), 0);
	assert_int_equal(networks_find(&p.n, "nowhere", &p.arena, &found, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	place_drop(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(addresses), cmocka_unit_test(leases), cmocka_unit_test(lines), cmocka_unit_test(subnets)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
