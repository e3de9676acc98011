/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_keys: a table of pairs of names. Each pair has a way: how a value of the one becomes one of the other, to be written, and
 * back, when it was read. Where the versions cut things differently (cpu.max is two files of v1, io.max four), the way
 * reads what is there and puts in what is new.
 *
 * Docs: kernel, Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/.
 */
#include "runtime/cgroup_keys.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* v1: "limit" of 9223372036854771712 and the like */
#define NO_LIMIT (1ULL << 62)

struct call {
	int dir;
	const char *controller, *key; /* as it was asked for */
	const char *theirs;           /* the name that is here */
	const char *arg;              /* of the pair */
};
struct way {
	/* to_v2: the key is of v1, the group of v2. */
	int (*get_as_v1)(const struct call *c, struct buf *ret, struct err *e);
	int (*set_as_v1)(const struct call *c, const char *value, struct err *e);
	int (*get_as_v2)(const struct call *c, struct buf *ret, struct err *e);
	int (*set_as_v2)(const struct call *c, const char *value, struct err *e);
};

static int put(const struct call *c, const char *file, const char *value, struct err *e)
{
	return cgroup_put_text(c->dir, c->controller, c->key, file, value, e);
}

static int put_number(const struct call *c, const char *file, uint64_t v, struct err *e)
{
	char text[24];
	snprintf(text, sizeof text, "%llu", (unsigned long long)v);
	return put(c, file, text, e);
}

static int fetch(const struct call *c, const char *file, struct buf *ret, struct err *e)
{
	own(buf) struct buf b = BUF(16 << 20);
	if (path_read(c->dir, file, &b, e) < 0)
		return err_wrap(e, "%s", c->key);
	while (b.len && b.data[b.len - 1] == '\n')
		b.data[--b.len] = 0;
	return buf_str(ret, buf_text(&b));
}

static uint64_t number(const struct call *c, const char *file, const char *key)
{
	uint64_t v = 0;
	return cgroupfs_read(c->dir, file, key, &v) ? v : 0;
}

static int only_read(const struct call *c, const char *value unused, struct err *e)
{
	return err_set(e, ERR_USAGE, "%s can only be read", c->key);
}

/* A number with a suffix as the kernel takes it, to reckon with. */
static int parse(const struct call *c, const char *value, uint64_t *ret, struct err *e)
{
	int64_t v;
	struct err ignored = {};
	if (num_size(value, true, &v, c->key, &ignored) < 0)
		return err_set(e, ERR_USAGE, "invalid value \"%.60s\" for %s", value, c->key);
	*ret = v < 0 ? CGROUPFS_MAX : (uint64_t)v;
	return 0;
}

static bool is_max(const char *value)
{
	return strcmp(value, "max") == 0 || strcmp(value, "-1") == 0;
}

/* Bytes, with -1 or "max" for none. */
static int get_plain(const struct call *c, struct buf *ret, struct err *e)
{
	return fetch(c, c->theirs, ret, e);
}
static int set_plain(const struct call *c, const char *value, struct err *e)
{
	return put(c, c->theirs, value, e);
}
static int get_limit_v1(const struct call *c, struct buf *ret, struct err *e)
{
	own(buf) struct buf b = {};
	if (fetch(c, c->theirs, &b, e) < 0)
		return -1;
	return buf_str(ret, strcmp(buf_text(&b), "max") == 0 ? "9223372036854771712" : buf_text(&b));
}
static int set_limit_v1(const struct call *c, const char *value, struct err *e)
{
	return put(c, c->theirs, is_max(value) ? "max" : value, e);
}
static int get_limit_v2(const struct call *c, struct buf *ret, struct err *e)
{
	own(buf) struct buf b = {};
	if (fetch(c, c->theirs, &b, e) < 0)
		return -1;
	return buf_str(ret, strtoull(buf_text(&b), NULL, 10) >= NO_LIMIT ? "max" : buf_text(&b));
}
static int set_limit_v2(const struct call *c, const char *value, struct err *e)
{
	return put(c, c->theirs, is_max(value) ? "-1" : value, e);
}

/* v1 counts memory and swap together, v2 swap alone. */
static int get_swap_v1(const struct call *c, struct buf *ret, struct err *e unused)
{
	bool limit = strcmp(c->arg, "max") == 0;
	uint64_t swap = number(c, c->theirs, NULL), memory = number(c, limit ? "memory.max" : "memory.current", NULL);
	uint64_t both = swap == CGROUPFS_MAX || memory == CGROUPFS_MAX ? 9223372036854771712ULL : swap + memory;
	return buf_printf(ret, "%llu", (unsigned long long)both);
}
static int set_swap_v1(const struct call *c, const char *value, struct err *e)
{
	uint64_t both, memory = number(c, "memory.max", NULL);
	if (parse(c, is_max(value) ? "-1" : value, &both, e) < 0)
		return -1;
	if (both == CGROUPFS_MAX)
		return put(c, c->theirs, "max", e);
	if (memory == CGROUPFS_MAX || both < memory)
		return err_set(e, ERR_USAGE, "%s counts memory and swap together: not below memory.limit_in_bytes, which comes first", c->key);
	return put_number(c, c->theirs, both - memory, e);
}
static int get_swap_v2(const struct call *c, struct buf *ret, struct err *e unused)
{
	bool limit = strcmp(c->arg, "max") == 0;
	uint64_t both = number(c, c->theirs, NULL), memory = number(c, limit ? "memory.limit_in_bytes" : "memory.usage_in_bytes", NULL);
	if (limit && both >= NO_LIMIT)
		return buf_str(ret, "max");
	return buf_printf(ret, "%llu", (unsigned long long)(both > memory ? both - memory : 0));
}
static int set_swap_v2(const struct call *c, const char *value, struct err *e)
{
	uint64_t swap, memory = number(c, "memory.limit_in_bytes", NULL);
	if (parse(c, is_max(value) ? "-1" : value, &swap, e) < 0)
		return -1;
	if (swap == CGROUPFS_MAX || memory >= NO_LIMIT)
		return put(c, c->theirs, "-1", e);
	return put_number(c, c->theirs, memory + swap, e);
}

/* 2 … 262144 and 1 … 10000, by the runtime's curve: the least shares that come to the weight. */
static uint64_t shares_of(uint64_t weight)
{
	uint64_t low = 2, high = 262144;
	while (low < high) {
		uint64_t middle = (low + high) / 2;
		if (cgroup_cpu_weight(middle) < weight)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}
static int get_weight_v1(const struct call *c, struct buf *ret, struct err *e unused)
{
	uint64_t weight = number(c, c->theirs, NULL);
	/* 1024 and 100 are the defaults of both. */
	if (weight == cgroup_cpu_weight(1024))
		return buf_str(ret, "1024");
	return buf_printf(ret, "%llu", (unsigned long long)shares_of(weight));
}
static int set_weight_v1(const struct call *c, const char *value, struct err *e)
{
	uint64_t shares;
	if (parse(c, value, &shares, e) < 0)
		return -1;
	return put_number(c, c->theirs, cgroup_cpu_weight(shares), e);
}
static int get_weight_v2(const struct call *c, struct buf *ret, struct err *e unused)
{
	return buf_printf(ret, "%llu", (unsigned long long)cgroup_cpu_weight(number(c, c->theirs, NULL)));
}
static int set_weight_v2(const struct call *c, const char *value, struct err *e)
{
	uint64_t weight;
	if (parse(c, value, &weight, e) < 0)
		return -1;
	if (weight < 1 || weight > 10000)
		return err_set(e, ERR_USAGE, "invalid value \"%.60s\" for %s: it is from 1 to 10000", value, c->key);
	if (weight == cgroup_cpu_weight(1024))
		return put(c, c->theirs, "1024", e);
	return put_number(c, c->theirs, shares_of(weight), e);
}

/* cpu.max is "quota period". */
static int get_bandwidth_v1(const struct call *c, struct buf *ret, struct err *e unused)
{
	own(buf) struct buf b = BUF(256);
	unsigned long long quota = 0, period = 100000;
	struct err ignored = {};
	if (path_read(c->dir, c->theirs, &b, &ignored) < 0)
		return err_wrap(e, "%s", c->key);
	bool none = sscanf(b.data, "max %llu", &period) == 1;
	if (!none && sscanf(b.data, "%llu %llu", &quota, &period) != 2)
		return err_set(e, ERR_CORRUPT, "%s: it has no two numbers", c->theirs);
	if (strcmp(c->arg, "period") == 0)
		return buf_printf(ret, "%llu", period);
	return none ? buf_str(ret, "-1") : buf_printf(ret, "%llu", quota);
}
static int set_bandwidth_v1(const struct call *c, const char *value, struct err *e)
{
	own(buf) struct buf quota = {};
	struct call of_quota = *c;
	of_quota.arg = "quota";
	/* The kernel keeps the period by itself. */
	if (strcmp(c->arg, "quota") == 0)
		return put(c, c->theirs, is_max(value) ? "max" : value, e);
	if (get_bandwidth_v1(&of_quota, &quota, e) < 0)
		return -1;
	own(mem) char *both = mem_printf("%s %s", is_max(buf_text(&quota)) ? "max" : buf_text(&quota), value);
	return put(c, c->theirs, both, e);
}
static int get_bandwidth_v2(const struct call *c, struct buf *ret, struct err *e unused)
{
	own(buf) struct buf quota = {};
	if (fetch(c, "cpu.cfs_quota_us", &quota, e) < 0)
		return -1;
	return buf_printf(ret, "%s %llu", is_max(buf_text(&quota)) ? "max" : buf_text(&quota),
		(unsigned long long)number(c, "cpu.cfs_period_us", NULL));
}
static int set_bandwidth_v2(const struct call *c, const char *value, struct err *e)
{
	struct cgroup_write w[2] = {{.what = c->key, .file = "cpu.cfs_quota_us"}, {.what = c->key, .file = "cpu.cfs_period_us"}};
	char quota[24] = "", period[24] = "", more[2] = "";
	int n = sscanf(value, "%23s %23s %1s", quota, period, more);
	if (n < 1 || n > 2)
		return err_set(e, ERR_USAGE, "invalid value \"%.60s\" for %s: it is QUOTA or \"QUOTA PERIOD\", in microseconds", value, c->key);
	snprintf(w[0].value, sizeof w[0].value, "%s", is_max(quota) ? "-1" : quota);
	snprintf(w[1].value, sizeof w[1].value, "%s", period);
	return cgroup_put_bound(c->dir, c->controller, w, 2, e);
}

static int get_time_v1(const struct call *c, struct buf *ret, struct err *e unused)
{
	return buf_printf(ret, "%llu", (unsigned long long)number(c, "cpu.stat", "usage_usec") * 1000);
}
static int get_failcnt(const struct call *c, struct buf *ret, struct err *e unused)
{
	return buf_printf(ret, "%llu", (unsigned long long)number(c, "memory.events", "max"));
}

static int get_state_v1(const struct call *c, struct buf *ret, struct err *e unused)
{
	bool asked = number(c, "cgroup.freeze", NULL), frozen = number(c, "cgroup.events", "frozen");
	return buf_str(ret, frozen ? "FROZEN" : asked ? "FREEZING" : "THAWED");
}
static int set_state_v1(const struct call *c, const char *value, struct err *e)
{
	bool frozen = strcmp(value, "FROZEN") == 0;
	if (!frozen && strcmp(value, "THAWED") != 0)
		return err_set(e, ERR_USAGE, "invalid value \"%.60s\" for %s: FROZEN or THAWED", value, c->key);
	return put(c, c->theirs, frozen ? "1" : "0", e);
}
static int get_state_v2(const struct call *c, struct buf *ret, struct err *e)
{
	own(buf) struct buf b = {};
	if (fetch(c, c->theirs, &b, e) < 0)
		return -1;
	return buf_str(ret, strcmp(buf_text(&b), "THAWED") == 0 ? "0" : "1");
}
static int set_state_v2(const struct call *c, const char *value, struct err *e)
{
	if (strcmp(value, "0") != 0 && strcmp(value, "1") != 0)
		return err_set(e, ERR_USAGE, "invalid value \"%.60s\" for %s: 0 or 1", value, c->key);
	return put(c, c->theirs, *value == '1' ? "FROZEN" : "THAWED", e);
}

/* blkio.weight is 10 … 1000, io.weight "default 100" and lines for devices. */
static int get_io_weight_v1(const struct call *c, struct buf *ret, struct err *e unused)
{
	uint64_t w = number(c, c->theirs, "default");
	return buf_printf(ret, "%llu", (unsigned long long)(w ? 10 + (w - 1) * 990 / 9999 : 500));
}
static int set_io_weight_v1(const struct call *c, const char *value, struct err *e)
{
	uint64_t w;
	if (parse(c, value, &w, e) < 0)
		return -1;
	if (w < 10 || w > 1000)
		return err_set(e, ERR_USAGE, "invalid value \"%.60s\" for %s: it is from 10 to 1000", value, c->key);
	return put_number(c, c->theirs, cgroup_io_weight(w), e);
}
static int get_io_weight_v2(const struct call *c, struct buf *ret, struct err *e unused)
{
	return buf_printf(ret, "default %llu", (unsigned long long)cgroup_io_weight(number(c, c->theirs, NULL)));
}
static int set_io_weight_v2(const struct call *c, const char *value, struct err *e)
{
	uint64_t w;
	const char *word = str_after(value, "default ") ? str_after(value, "default ") : value;
	if (parse(c, word, &w, e) < 0)
		return -1;
	return put_number(c, c->theirs, w < 1 ? 10 : 10 + (w - 1) * 990 / 9999, e);
}

/* io.max: "8:0 rbps=1048576 wbps=max riops=max wiops=max" */
static const struct { const char *word, *file; } rates[] = {{"rbps", "blkio.throttle.read_bps_device"}, {"wbps", "blkio.throttle.write_bps_device"},
	{"riops", "blkio.throttle.read_iops_device"}, {"wiops", "blkio.throttle.write_iops_device"}};

static int get_rate_v1(const struct call *c, struct buf *ret, struct err *e)
{
	own(buf) struct buf b = {};
	own(strv) struct strv lines = {};
	if (fetch(c, c->theirs, &b, e) < 0)
		return -1;
	strv_split(&lines, buf_text(&b), '\n');
	for (size_t i = 0; i < lines.n; i++) {
		own(mem) char *word = mem_printf(" %s=", c->arg);
		const char *at = strstr(lines.v[i], word);
		if (at && !str_has_prefix(at + strlen(word), "max"))
			buf_printf(ret, "%s%.*s %llu", ret->len ? "\n" : "", (int)strcspn(lines.v[i], " "), lines.v[i], strtoull(at + strlen(word), NULL, 10));
	}
	return 0;
}
static int set_rate_v1(const struct call *c, const char *value, struct err *e)
{
	char device[24] = "", rate[24] = "";
	if (sscanf(value, "%23s %23s", device, rate) != 2)
		return err_set(e, ERR_USAGE, "invalid value \"%.60s\" for %s: it is MAJOR:MINOR RATE", value, c->key);
	own(mem) char *line = mem_printf("%s %s=%s", device, c->arg, strcmp(rate, "0") == 0 ? "max" : rate);
	return put(c, c->theirs, line, e);
}
static int get_rate_v2(const struct call *c, struct buf *ret, struct err *e)
{
	own(strv) struct strv devices = {};
	own(strv) struct strv text = {};
	for (size_t i = 0; i < countof(rates); i++) {
		own(strv) struct strv lines = {};
		own(buf) struct buf b = {};
		if (fetch(c, rates[i].file, &b, e) < 0)
			return -1;
		strv_add(&text, buf_text(&b));
		strv_split(&lines, buf_text(&b), '\n');
		for (size_t k = 0; k < lines.n; k++) {
			lines.v[k][strcspn(lines.v[k], " ")] = 0;
			if (!strv_has(&devices, lines.v[k]))
				strv_add(&devices, lines.v[k]);
		}
	}
	for (size_t d = 0; d < devices.n; d++) {
		buf_printf(ret, "%s%s", d ? "\n" : "", devices.v[d]);
		for (size_t i = 0; i < countof(rates); i++) {
			uint64_t v;
			if (cgroupfs_find(text.v[i], devices.v[d], &v))
				buf_printf(ret, " %s=%llu", rates[i].word, (unsigned long long)v);
			else
				buf_printf(ret, " %s=max", rates[i].word);
		}
	}
	return 0;
}
static int set_rate_v2(const struct call *c, const char *value, struct err *e)
{
	own(strv) struct strv words = {};
	strv_split(&words, value, ' ');
	for (size_t i = 1; i < words.n; i++) {
		size_t k = 0, n = strcspn(words.v[i], "=");
		while (k < countof(rates) && (strlen(rates[k].word) != n || strncmp(rates[k].word, words.v[i], n) != 0))
			k++;
		if (k == countof(rates) || !words.v[i][n])
			return err_set(e, ERR_USAGE, "invalid value \"%.60s\" for %s: it is MAJOR:MINOR and rbps=, wbps=, riops= or wiops=", value, c->key);
		const char *rate = words.v[i] + n + 1;
		own(mem) char *line = mem_printf("%s %s", words.v[0], strcmp(rate, "max") == 0 ? "0" : rate);
		if (put(c, rates[k].file, line, e) < 0)
			return -1;
	}
	return words.n > 1 ? 0 : err_set(e, ERR_USAGE, "invalid value \"%.60s\" for %s: it is MAJOR:MINOR and rates", value, c->key);
}

static const struct way limit = {get_limit_v1, set_limit_v1, get_limit_v2, set_limit_v2}, plain = {get_plain, set_plain, get_plain, set_plain},
	swap = {get_swap_v1, set_swap_v1, get_swap_v2, set_swap_v2}, swap_use = {get_swap_v1, only_read, get_swap_v2, only_read},
	weight = {get_weight_v1, set_weight_v1, get_weight_v2, set_weight_v2}, quota = {get_bandwidth_v1, set_bandwidth_v1, NULL, NULL},
	bandwidth = {get_bandwidth_v1, set_bandwidth_v1, get_bandwidth_v2, set_bandwidth_v2}, time_used = {get_time_v1, only_read, NULL, NULL},
	failures = {get_failcnt, only_read, NULL, NULL}, state = {get_state_v1, set_state_v1, get_state_v2, set_state_v2},
	io_weight = {get_io_weight_v1, set_io_weight_v1, get_io_weight_v2, set_io_weight_v2}, rate = {get_rate_v1, set_rate_v1, NULL, NULL},
	all_rates = {get_rate_v1, set_rate_v1, get_rate_v2, set_rate_v2};

/* A star stands for the same text in both. The first row that fits counts. */
static const struct pair_of_names { const char *v1, *v2; const struct way *way; const char *arg; } pairs[] = {
	{"memory.limit_in_bytes", "memory.max", &limit, NULL}, {"memory.soft_limit_in_bytes", "memory.low", &limit, NULL},
	{"memory.usage_in_bytes", "memory.current", &plain, NULL}, {"memory.max_usage_in_bytes", "memory.peak", &plain, NULL},
	{"memory.memsw.limit_in_bytes", "memory.swap.max", &swap, "max"}, {"memory.memsw.usage_in_bytes", "memory.swap.current", &swap_use, "now"},
	{"memory.failcnt", "memory.events", &failures, NULL}, {"cpu.shares", "cpu.weight", &weight, NULL},
	{"cpu.cfs_quota_us", "cpu.max", &bandwidth, "quota"}, {"cpu.cfs_period_us", "cpu.max", &quota, "period"},
	{"cpu.cfs_burst_us", "cpu.max.burst", &plain, NULL}, {"cpuacct.usage", "cpu.stat", &time_used, NULL},
	{"cpuset.effective_cpus", "cpuset.cpus.effective", &plain, NULL}, {"cpuset.effective_mems", "cpuset.mems.effective", &plain, NULL},
	{"freezer.state", "cgroup.freeze", &state, NULL}, {"blkio.weight", "io.weight", &io_weight, NULL}, {"blkio.bfq.weight", "io.bfq.weight", &io_weight, NULL},
	{"blkio.throttle.read_bps_device", "io.max", &all_rates, "rbps"}, {"blkio.throttle.write_bps_device", "io.max", &rate, "wbps"},
	{"blkio.throttle.read_iops_device", "io.max", &rate, "riops"}, {"blkio.throttle.write_iops_device", "io.max", &rate, "wiops"},
	{"hugetlb.*.limit_in_bytes", "hugetlb.*.max", &limit, NULL}, {"hugetlb.*.usage_in_bytes", "hugetlb.*.current", &plain, NULL},
};

/* key by the pattern `from`, as `to` spells it; NULL: it is another. */
static char *respell(const char *key, const char *from, const char *to)
{
	const char *star = strchr(from, '*');
	if (!star)
		return strcmp(key, from) == 0 ? mem_dup(to) : NULL;
	size_t head = (size_t)(star - from), tail = strlen(star + 1), n = strlen(key);
	if (n <= head + tail || strncmp(key, from, head) != 0 || strcmp(key + n - tail, star + 1) != 0)
		return NULL;
	const char *other = strchr(to, '*');
	return mem_printf("%.*s%.*s%s", (int)(other - to), to, (int)(n - head - tail), key + head, other + 1);
}

/* The group's directory for a key; freezer.state and cgroup.freeze are each other's. */
static int open_for(const struct cgroup_named *g, const char *key, int *ret_row, struct err *e)
{
	own(mem) char *controller = mem_ndup(key, strcspn(key, "."));
	struct err ignored = {};
	if (!strchr(key, '.') && strcmp(key, "tasks") != 0 && strcmp(key, "notify_on_release") != 0 && strcmp(key, "release_agent") != 0)
		return err_set(e, ERR_USAGE, "invalid parameter \"%.60s\": it is CONTROLLER.NAME, as in memory.max", key);
	if (strchr(key, '/') || *controller == '.')
		return err_set(e, ERR_USAGE, "invalid parameter \"%.60s\": it is CONTROLLER.NAME, as in memory.max", key);
	bool common = strcmp(controller, "cgroup") == 0 || !strchr(key, '.');
	int row = common ? -1 : cgroup_named_row(controller, NULL, e);
	if (!common && row < 0)
		return -1;
	/* Of no controller: in the first hierarchy that has the file, or could be made to. */
	for (int i = 0; common && row < 0 && i < CGROUPFS_ROWS; i++) {
		int at = CGROUPFS_ROWS - 1 - i;
		uint32_t wanted = g->rows ? g->rows : cgroup_named_all();
		own(fd) int dir = wanted & 1u << at ? cgroup_named_open(g, at, &ignored) : -1;
		bool freezes = strcmp(key, "cgroup.freeze") == 0 && at == cgroup_first_of(CGROUPFS_FREEZER);
		if (dir >= 0 && (freezes || faccessat(dir, key, F_OK, 0) == 0))
			row = at;
	}
	if (row < 0)
		return cgroup_named_find(g, &(uint32_t){0}, e) < 0 ? -1 : err_set(e, ERR_NOT_FOUND, "cgroup %.200s has no %.60s", g->path, key);
	*ret_row = row;
	return cgroup_named_open(g, row, e);
}

struct found { const struct way *way; bool as_v1; char *theirs; const char *arg; };

/* The other version's name for a key that is not here. */
static int translate(int dir, int row, const char *key, struct found *ret)
{
	for (size_t i = 0; i < countof(pairs); i++) {
		bool as_v1 = row == CGROUPFS_V2;
		const struct pair_of_names *p = &pairs[i];
		own(mem) char *theirs = respell(key, as_v1 ? p->v1 : p->v2, as_v1 ? p->v2 : p->v1);
		if (!theirs || faccessat(dir, theirs, F_OK, 0) < 0 || !(as_v1 ? p->way->get_as_v1 : p->way->get_as_v2))
			continue;
		*ret = (struct found){p->way, as_v1, theirs, p->arg};
		theirs = NULL;
		return 0;
	}
	return -1;
}

int cgroup_key_get(const struct cgroup_named *g, const char *key, struct buf *ret, struct err *e)
{
	int row = 0;
	struct found f = {};
	own(fd) int dir = open_for(g, key, &row, e);
	if (dir < 0)
		return -1;
	struct call c = {.dir = dir, .controller = cgroupfs_name((enum cgroupfs_row)row), .key = key};
	if (faccessat(dir, key, F_OK, 0) == 0)
		return fetch(&c, key, ret, e);
	if (translate(dir, row, key, &f) < 0)
		return err_set(e, ERR_NOT_FOUND, "cgroup %.200s (%s) has no %.60s", g->path, c.controller, key);
	own(mem) char *theirs = f.theirs;
	c.theirs = theirs;
	c.arg = f.arg;
	return (f.as_v1 ? f.way->get_as_v1 : f.way->get_as_v2)(&c, ret, e);
}

int cgroup_key_set(const struct cgroup_named *g, const char *key, const char *value, struct err *e)
{
	int row = 0;
	struct found f = {};
	own(fd) int dir = open_for(g, key, &row, e);
	if (dir < 0)
		return -1;
	struct call c = {.dir = dir, .controller = cgroupfs_name((enum cgroupfs_row)row), .key = key};
	int r = 0;
	if (faccessat(dir, key, F_OK, 0) == 0) {
		r = put(&c, key, value, e);
	} else if (translate(dir, row, key, &f) < 0) {
		return err_set(e, ERR_NOT_FOUND, "cgroup %.200s (%s) has no %.60s", g->path, c.controller, key);
	} else {
		own(mem) char *theirs = f.theirs;
		c.theirs = theirs;
		c.arg = f.arg;
		r = (f.as_v1 ? f.way->set_as_v1 : f.way->set_as_v2)(&c, value, e);
	}
	return r < 0 ? err_wrap(e, "cgroup %.200s", g->path) : 0;
}

int cgroup_key_list(int dir, const char *controller, bool settable, struct strv *ret, struct err *e)
{
	own(strv) struct strv names = {};
	if (path_list(dir, ".", &names, e) < 0)
		return -1;
	strv_sort(&names);
	for (size_t i = 0; i < names.n; i++) {
		struct stat st;
		size_t n = strlen(controller);
		if (n && (strncmp(names.v[i], controller, n) != 0 || names.v[i][n] != '.'))
			continue;
		if (fstatat(dir, names.v[i], &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) && st.st_mode & 0400 && (!settable || st.st_mode & 0200))
			strv_add(ret, names.v[i]);
	}
	return 0;
}

/* What is not a setting: who is in it, and what a write only does something with. */
static bool is_setting(const char *key)
{
	static const char *const others[] = {"tasks", "cgroup.procs", "cgroup.threads", "cgroup.type", "cgroup.subtree_control", "cgroup.event_control",
		"cgroup.clone_children", "freezer.state", "cgroup.freeze", "memory.peak", "memory.swap.peak", "memory.max_usage_in_bytes",
		"memory.memsw.max_usage_in_bytes", "memory.failcnt", "memory.memsw.failcnt", "memory.reclaim", "cpuacct.usage"};
	for (size_t i = 0; i < countof(others); i++)
		if (strcmp(key, others[i]) == 0)
			return false;
	return !strstr(key, "pressure") && !strstr(key, "reset") && !strstr(key, "kmem") && !str_has_prefix(key, "devices.");
}

/* Again and again as long as something was written: limits bound each other. */
static int copy_row(int from, int to, struct err *e)
{
	own(strv) struct strv keys = {};
	if (cgroup_key_list(from, "", true, &keys, e) < 0)
		return -1;
	for (int round = 0; round < 3; round++) {
		struct err first = {};
		for (size_t i = 0; i < keys.n; i++) {
			own(buf) struct buf a = BUF(1 << 16), b = BUF(1 << 16);
			struct err why = {};
			if (!is_setting(keys.v[i]) || path_read(from, keys.v[i], &a, &why) < 0 || path_read(to, keys.v[i], &b, &why) < 0 ||
				strcmp(buf_text(&a), buf_text(&b)) == 0 || !a.len)
				continue;
			if (cgroup_put_text(to, "", keys.v[i], keys.v[i], str_trim(a.data), &why) < 0 && first.kind == ERR_NONE)
				first = why;
		}
		if (first.kind == ERR_NONE)
			return 0;
		if (round == 2)
			*e = first;
	}
	return -1;
}

int cgroup_key_copy(const struct cgroup_named *from, const struct cgroup_named *to, struct err *e)
{
	uint32_t theirs, ours;
	if (cgroup_named_find(from, &theirs, e) < 0 || cgroup_named_find(to, &ours, e) < 0)
		return -1;
	if (!(theirs & ours))
		return err_set(e, ERR_NOT_FOUND, "cgroups %.200s and %.200s are in no hierarchy together", from->path, to->path);
	for (int i = 0; i < CGROUPFS_ROWS; i++) {
		if (!(theirs & ours & 1u << i))
			continue;
		own(fd) int a = cgroup_named_open(from, i, e);
		own(fd) int b = a < 0 ? -1 : cgroup_named_open(to, i, e);
		if (b < 0 || copy_row(a, b, e) < 0)
			return -1;
	}
	return 0;
}
