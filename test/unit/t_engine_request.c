/* SPDX-License-Identifier: Apache-2.0 */
/* What may be asked for; what the settings say; user namespaces. */
#include "engine/request.h"

#include "engine/userns.h"
#include "t_engine.h"

static int check(struct bench *b)
{
	b->e = (struct err){};
	const struct settings *s = engine_settings(&b->g, &b->e);
	if (!s || request_complete(&b->g, &b->c, s, &b->e) < 0)
		return -1;
	return request_check(&b->c.record, &b->e);
}

#define REFUSED(b, set) do { \
		struct container_record saved_ = (b)->c.record; \
		struct host_config *h = &(b)->c.record.host; \
		struct container_config *cf = &(b)->c.record.config; \
		(void)h, (void)cf; \
		set; \
		assert_int_equal(check(b), -1); \
		assert_int_equal((b)->e.kind, ERR_USAGE); \
		assert_null(strchr((b)->e.text, '\n')); \
		(b)->c.record = saved_; \
	} while (0)

static void wrong_values(void **state)
{
	struct bench *b = *state;
	assert_int_equal(check(b), 0);
	REFUSED(b, h->memory = 1 << 20);
	REFUSED(b, h->memory = -5);
	REFUSED(b, h->memory_swap = 64 << 20);
	REFUSED(b, (h->memory = 64 << 20, h->memory_swap = 32 << 20));
	REFUSED(b, (h->memory = 64 << 20, h->memory_reservation = 128 << 20));
	REFUSED(b, (h->memory_swappiness = (struct opt_i64){true, 101}));
	REFUSED(b, h->nano_cpus = 1000000LL * 1000000000);
	REFUSED(b, h->nano_cpus = -1);
	REFUSED(b, (h->nano_cpus = 500000000, h->cpu_quota = 5000));
	REFUSED(b, h->cpu_period = 10);
	REFUSED(b, h->cpu_quota = 10);
	REFUSED(b, h->cpu_shares = -1);
	REFUSED(b, h->cpuset_cpus = word("9999"));
	REFUSED(b, h->cpuset_cpus = word("1-0"));
	REFUSED(b, h->cpuset_cpus = word("x"));
	REFUSED(b, h->blkio_weight = 5);
	REFUSED(b, h->oom_score_adj = 1001);
	REFUSED(b, (h->pids_limit = (struct opt_i64){true, -2}));
	REFUSED(b, h->shm_size = -1);
	REFUSED(b, h->umask = word("99"));
	REFUSED(b, h->umask = word("00022"));
	REFUSED(b, h->cgroup_parent = word("../x"));
	REFUSED(b, cf->working_dir = word("here"));
	REFUSED(b, cf->stop_signal = word("NOSUCH"));
	REFUSED(b, cf->user = word("4294967296"));
	REFUSED(b, h->pid_mode = word("elsewhere"));
	REFUSED(b, h->network_mode = word("no where"));
	REFUSED(b, h->network_mode = word("ns:relative"));
	REFUSED(b, (h->uts_mode = word("host"), cf->hostname = word("x")));
	REFUSED(b, h->log.type = word("gelf"));
	REFUSED(b, map_set(&b->c.arena, &h->log.config, "max-sise", "1m"));
	REFUSED(b, map_set(&b->c.arena, &h->log.config, "max-file", "0"));
	REFUSED(b, map_set(&b->c.arena, &h->log.config, "max-size", "12X"));
	REFUSED(b, map_set(&b->c.arena, &h->log.config, "labels-regex", "("));
	REFUSED(b, map_set(&b->c.arena, &h->sysctls, "kernel.panic", "1"));
	REFUSED(b, map_set(&b->c.arena, &h->sysctls, "net/../kernel.panic", "1"));
	REFUSED(b, (h->network_mode = word("host"), map_set(&b->c.arena, &h->sysctls, "net.ipv4.ip_forward", "1")));
	REFUSED(b, arena_strv_add(&b->c.arena, &h->extra_hosts, "db"));
	REFUSED(b, arena_strv_add(&b->c.arena, &h->extra_hosts, "a b:1.2.3.4"));
	REFUSED(b, arena_strv_add(&b->c.arena, &h->dns, "name.example"));
	REFUSED(b, arena_strv_add(&b->c.arena, &h->cap_add, "NO_SUCH"));
	REFUSED(b, arena_strv_add(&b->c.arena, &h->security_opt, "nonsense"));
	REFUSED(b, arena_strv_add(&b->c.arena, &h->security_opt, "no-new-privileges=maybe"));
	REFUSED(b, arena_strv_add(&b->c.arena, &h->device_rules, "x 1:2 r"));
	REFUSED(b, (*arena_push(&b->c.arena, &h->ulimits) = (struct ulimit){word("odd"), 1, 1}));
	REFUSED(b, (*arena_push(&b->c.arena, &h->ulimits) = (struct ulimit){word("nofile"), 1, 2}));
	REFUSED(b, (*arena_push(&b->c.arena, &h->devices) = (struct device_mapping){word("/etc/passwd"), word("/dev/x"), word("rwm")}));
}

static void right_values(void **state)
{
	struct bench *b = *state;
	struct host_config *h = &b->c.record.host;
	h->memory = 64 << 20;
	h->memory_swap = -1;
	h->pids_limit = (struct opt_i64){true, -1};
	h->cpuset_cpus = word("0,0-0");
	h->umask = word("0027");
	map_set(&b->c.arena, &h->sysctls, "net.ipv4.ip_default_ttl", "65");
	map_set(&b->c.arena, &h->sysctls, "kernel.shmmni", "99");
	map_set(&b->c.arena, &h->log.config, "max-size", "-1");
	*arena_push(&b->c.arena, &h->ulimits) = (struct ulimit){word("nofile"), -1, 5};
	if (check(b) < 0)
		fail_msg("%s", b->e.text);
	assert_string_equal(h->log.type, "json-file");
	assert_string_equal(h->network_mode, "none");
	assert_string_equal(h->ipc_mode, "private");
	assert_int_equal(h->shm_size, 64 << 20);
}

static void put_settings(struct bench *b, const char *text)
{
	own(fd) int dir = open(b->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(path_mkdirs(dir, "hull", 0755, &b->e), 0);
	bench_put(dir, "hull/hull.json", text);
}

static void what_the_settings_say(void **state)
{
	struct bench *b = *state;
	put_settings(b, "{\"log-driver\":\"local\",\"log-opts\":{\"max-size\":\"1m\"},\"default-shm-size\":\"32M\",\"init\":true,"
		"\"no-new-privileges\":true,\"dns\":[\"192.0.2.7\"],\"insecure-registries\":[\"reg.example:5000\"],\"storage-driver\":\"overlay2\"}");
	assert_int_equal(check(b), 0);
	const struct host_config *h = &b->c.record.host;
	assert_string_equal(h->log.type, "local");
	assert_string_equal(map_get(&h->log.config, "max-size"), "1m");
	assert_int_equal(h->shm_size, 32 << 20);
	assert_true(h->init.set && h->init.v);
	assert_string_equal(h->dns.v[0], "192.0.2.7");
	assert_true(strv_has(&h->security_opt, "no-new-privileges"));
	assert_true(strv_has(&engine_settings(&b->g, &b->e)->insecure_registries, "reg.example:5000"));
}

static void wrong_settings(void **state)
{
	struct bench *b = *state;
	static const struct { const char *text, *word; } rows[] = {{"[]", "object"}, {"{\"log-drivr\":\"local\"}", "log-driver"}, {"{\"dns\":\"x\"}", "dns"},
		{"{", "hull.json"}, {"{\"default-shm-size\":\"12X\"}", "shm-size"}, {"{\"default-shm-size\":-1}", "shm-size"}};
	for (size_t i = 0; i < countof(rows); i++) {
		struct settings s = {};
		struct err e = {};
		put_settings(b, rows[i].text);
		assert_int_equal(settings_load(&s, &e), -1);
		if (!strstr(e.text, rows[i].word))
			fail_msg("%s: %s", rows[i].text, e.text);
	}
}

static int choose(struct bench *b, const char *mode, const char *uids, const char *gids)
{
	own(fd) int lock = -1;
	b->e = (struct err){};
	b->c.record.uid_map = b->c.record.gid_map = NULL;
	b->c.record.config.user = NULL;
	b->c.record.host.userns_mode = word(mode);
	return userns_choose(&b->g, &b->c, uids, gids, &lock, &b->e);
}

static void user_namespaces(void **state)
{
	struct bench *b = *state;
	assert_int_equal(choose(b, "", NULL, NULL), 0);
	assert_null(b->c.record.uid_map);
	assert_int_equal(choose(b, "host", NULL, NULL), 0);
	assert_null(b->c.record.uid_map);
	assert_int_equal(choose(b, "", "0:100000:65536", NULL), 0);
	assert_string_equal(b->c.record.gid_map, "0:100000:65536");
	static const char *const wrong[] = {"0:x:1", "0:1", "0:1:0", "0:4294967290:10", ":::", "0:1:2:3", "-1:0:1"};
	for (size_t i = 0; i < countof(wrong); i++)
		assert_int_equal(choose(b, "", wrong[i], NULL), -1);
	assert_int_equal(choose(b, "elsewhere", NULL, NULL), -1);
	assert_int_equal(choose(b, "auto:size=0", NULL, NULL), -1);
	assert_int_equal(choose(b, "auto:size=x", NULL, NULL), -1);
	assert_int_equal(choose(b, "keep-id:odd=1", NULL, NULL), -1);
}

/* A plain user's hull: user 1000 with `ids` ids. */
static void be_plain(struct bench *b, uint32_t ids)
{
	b->g.rootless = true;
	b->g.user = (struct rootless){.inside = true, .user = 1000, .group = 100, .uids = ids, .gids = ids, .lock = -1};
}

static void kept_ids(void **state)
{
	struct bench *b = *state;
	be_plain(b, 65537);
	assert_int_equal(choose(b, "keep-id", NULL, NULL), 0);
	assert_string_equal(b->c.record.uid_map, "0:1:1000,1000:0:1,1001:1001:64535");
	assert_string_equal(b->c.record.gid_map, "0:1:100,100:0:1,101:101:65435");
	assert_string_equal(b->c.record.config.user, "1000:100");
	assert_int_equal(choose(b, "keep-id:uid=5,gid=6", NULL, NULL), 0);
	assert_string_equal(b->c.record.uid_map, "0:1:5,5:0:1,6:6:65530");
	/* Fewer ids than the user's number: what there is fills from below. */
	be_plain(b, 11);
	assert_int_equal(choose(b, "keep-id", NULL, NULL), 0);
	assert_string_equal(b->c.record.uid_map, "0:1:10,1000:0:1");
	be_plain(b, 1);
	assert_int_equal(choose(b, "keep-id", NULL, NULL), -1);
	assert_int_equal(b->e.kind, ERR_UNSUPPORTED);
}

static void auto_pieces(void **state)
{
	struct bench *b = *state;
	be_plain(b, 3001);
	assert_int_equal(choose(b, "auto:size=1000", NULL, NULL), 0);
	assert_string_equal(b->c.record.uid_map, "0:1:1000");
	/* Another container has that piece. */
	struct container_state s = {.status = word("created"), .name = word("web")};
	b->c.record.path = word("/bin/true");
	assert_int_equal(container_save_state(b->c.dir, &s, false, &b->e), 0);
	assert_int_equal(container_save_record(&b->c, false, &b->e), 0);
	assert_int_equal(choose(b, "auto:size=1000", NULL, NULL), 0);
	assert_string_equal(b->c.record.uid_map, "0:1001:1000");
	assert_int_equal(choose(b, "auto:size=3000", NULL, NULL), -1);
	assert_int_equal(b->e.kind, ERR_LIMIT);
	assert_int_equal(choose(b, "auto:size=3001", NULL, NULL), -1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, bench_setup, bench_teardown)
	const struct CMUnitTest tests[] = {T(wrong_values), T(right_values), T(what_the_settings_say), T(wrong_settings), T(user_namespaces),
		T(kept_ids), T(auto_pieces)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
