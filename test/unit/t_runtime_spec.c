/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/spec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* One of each field. */
static const char whole[] =
	"{\"ociVersion\":\"1.3.0\",\"process\":{\"terminal\":true,\"consoleSize\":{\"height\":25,\"width\":80},"
	"\"user\":{\"uid\":1,\"gid\":2,\"umask\":63,\"additionalGids\":[3,4]},\"args\":[\"a\",\"b\"],\"env\":[\"X=1\"],\"cwd\":\"/w\","
	"\"capabilities\":{\"bounding\":[\"CAP_KILL\"],\"effective\":[\"CAP_KILL\"],\"inheritable\":[\"CAP_KILL\"],\"permitted\":[\"CAP_KILL\"],"
	"\"ambient\":[\"CAP_KILL\"]},\"rlimits\":[{\"type\":\"RLIMIT_CORE\",\"hard\":18446744073709551615,\"soft\":0}],"
	"\"noNewPrivileges\":true,\"apparmorProfile\":\"p\",\"selinuxLabel\":\"l\",\"oomScoreAdj\":-5,"
	"\"scheduler\":{\"policy\":\"SCHED_FIFO\",\"priority\":3,\"flags\":[\"SCHED_FLAG_RESET_ON_FORK\"]},"
	"\"ioPriority\":{\"class\":\"IOPRIO_CLASS_BE\",\"priority\":4},\"execCPUAffinity\":{\"initial\":\"0\",\"final\":\"0-3\"}},"
	"\"root\":{\"path\":\"rootfs\",\"readonly\":true},\"hostname\":\"h\",\"domainname\":\"d\","
	"\"mounts\":[{\"destination\":\"/proc\",\"source\":\"proc\",\"type\":\"proc\",\"options\":[\"nosuid\"],"
	"\"uidMappings\":[{\"containerID\":0,\"hostID\":1,\"size\":2}],\"gidMappings\":[{\"containerID\":0,\"hostID\":1,\"size\":2}]}],"
	"\"hooks\":{\"prestart\":[{\"path\":\"/h\",\"args\":[\"h\"],\"env\":[\"A=b\"],\"timeout\":5}],\"createRuntime\":[{\"path\":\"/h\"}],"
	"\"createContainer\":[{\"path\":\"/h\"}],\"startContainer\":[{\"path\":\"/h\"}],\"poststart\":[{\"path\":\"/h\"}],\"poststop\":[{\"path\":\"/h\"}]},"
	"\"annotations\":{\"k\":\"v\"},"
	"\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"network\",\"path\":\"/n\"}],"
	"\"uidMappings\":[{\"containerID\":0,\"hostID\":100000,\"size\":65536}],\"gidMappings\":[{\"containerID\":0,\"hostID\":100000,\"size\":65536}],"
	"\"devices\":[{\"type\":\"c\",\"path\":\"/dev/x\",\"major\":1,\"minor\":2,\"fileMode\":438,\"uid\":0,\"gid\":0}],"
	"\"cgroupsPath\":\"/a/b\",\"resources\":{\"devices\":[{\"allow\":false,\"access\":\"rwm\"},{\"allow\":true,\"type\":\"c\",\"major\":1,\"minor\":3,"
	"\"access\":\"rw\"}],\"memory\":{\"limit\":1,\"reservation\":2,\"swap\":3,\"swappiness\":0,\"disableOOMKiller\":true},"
	"\"cpu\":{\"shares\":1024,\"quota\":-1,\"burst\":5,\"period\":100000,\"cpus\":\"0\",\"mems\":\"0\",\"idle\":0},"
	"\"blockIO\":{\"weight\":10,\"weightDevice\":[{\"major\":8,\"minor\":0,\"weight\":500}],"
	"\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":1000}]},\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":4}],"
	"\"network\":{\"classID\":7,\"priorities\":[{\"name\":\"eth0\",\"priority\":1}]},\"rdma\":{\"mlx\":{\"hcaHandles\":1}},"
	"\"unified\":{\"memory.high\":\"1\"},\"pids\":{\"limit\":0}},"
	"\"sysctl\":{\"net.ipv4.ip_forward\":\"1\"},\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":1,"
	"\"architectures\":[\"SCMP_ARCH_X86_64\"],\"flags\":[\"SECCOMP_FILTER_FLAG_LOG\"],\"syscalls\":[{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\","
	"\"errnoRet\":0,\"args\":[{\"index\":0,\"value\":1,\"valueTwo\":2,\"op\":\"SCMP_CMP_EQ\"}]}]},"
	"\"rootfsPropagation\":\"rslave\",\"maskedPaths\":[\"/m\"],\"readonlyPaths\":[\"/r\"],\"mountLabel\":\"ml\","
	"\"intelRdt\":{\"closID\":\"c\",\"l3CacheSchema\":\"l3\"},\"personality\":{\"domain\":\"LINUX32\"},"
	"\"memoryPolicy\":{\"mode\":\"MPOL_BIND\",\"nodes\":\"0\"},\"timeOffsets\":{\"monotonic\":{\"secs\":1,\"nanosecs\":2}},"
	"\"netDevices\":{\"eth9\":{\"name\":\"e\"}}}}";

static void format(const struct json *j, struct buf *out)
{
	buf_reset(out);
	json_format(j, 0, out);
}

/* What was read and written again reads the same. */
static void round_trip(void **state)
{
	(void)state;
	struct arena a = {};
	struct err e = {};
	own(json) struct json *j = NULL;
	own(json) struct json *again = NULL;
	struct spec s = {}, t = {};
	own(buf) struct buf first = {}, second = {};
	assert_int_equal(json_parse(whole, strlen(whole), &j, &e), 0);
	if (spec_parse(j, &a, &s, &e) < 0)
		fail_msg("%s", e.text);
	own(json) struct json *out = spec_format(&s);
	format(out, &first);
	assert_int_equal(json_parse(buf_text(&first), first.len, &again, &e), 0);
	assert_int_equal(spec_parse(again, &a, &t, &e), 0);
	own(json) struct json *out2 = spec_format(&t);
	format(out2, &second);
	assert_string_equal(buf_text(&first), buf_text(&second));
	/* Nothing was lost on the way: every key and value of the document is in it. */
	static const char *const kept[] = {"consoleSize", "\"umask\":63", "additionalGids", "18446744073709551615", "oomScoreAdj\":-5",
		"execCPUAffinity", "SCHED_FLAG_RESET_ON_FORK", "IOPRIO_CLASS_BE", "\"timeout\":5", "startContainer", "poststop", "cgroupsPath",
		"\"allow\":false", "disableOOMKiller", "\"quota\":-1", "throttleReadBpsDevice", "weightDevice", "hugepageLimits", "classID",
		"hcaHandles", "memory.high", "\"limit\":0", "valueTwo", "defaultErrnoRet", "rslave", "mountLabel", "closID", "LINUX32", "MPOL_BIND",
		"nanosecs", "netDevices", "annotations", "domainname", "\"swappiness\":0", "\"idle\":0", "\"path\":\"/n\""};
	for (size_t i = 0; i < countof(kept); i++)
		if (!strstr(buf_text(&first), kept[i]))
			fail_msg("%s is lost", kept[i]);
	assert_true(s.linux_->resources->pids_limit.set);
	assert_int_equal(s.linux_->resources->pids_limit.v, 0);
	assert_string_equal(spec_namespace(&s, "network")->path, "/n");
	assert_null(spec_namespace(&s, "user"));
	arena_drop(&a);
}

static void musts(void **state)
{
	(void)state;
	static const struct {
		const char *text, *error; /* NULL: it is taken */
	} rows[] = {
		{"{\"ociVersion\":\"1.0.2\"}", NULL},
		{"{\"ociVersion\":\"1.9.9-dev\",\"unknown\":{\"x\":1},\"linux\":{\"other\":[]}}", NULL},
		{"{}", "ociVersion"},
		{"{\"ociVersion\":\"2.0.0\"}", "only 1.x"},
		{"{\"ociVersion\":1}", "ociVersion: must be"},
		{"{\"ociVersion\":\"1.0.0\",\"process\":{\"cwd\":\"relative\"}}", "process.cwd"},
		{"{\"ociVersion\":\"1.0.0\",\"process\":{\"cwd\":\"/\",\"args\":[\"a\",1]}}", "process.args[1]"},
		{"{\"ociVersion\":\"1.0.0\",\"process\":{\"cwd\":\"/\",\"user\":{\"uid\":4294967296}}}", "process.user.uid"},
		{"{\"ociVersion\":\"1.0.0\",\"process\":{\"cwd\":\"/\",\"user\":{\"uid\":-1}}}", "process.user.uid"},
		{"{\"ociVersion\":\"1.0.0\",\"process\":{\"cwd\":\"/\",\"rlimits\":[{\"type\":\"RLIMIT_CPU\"},{\"type\":\"RLIMIT_CPU\"}]}}", "stands twice"},
		{"{\"ociVersion\":\"1.0.0\",\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"pid\"}]}}", "stands twice"},
		{"{\"ociVersion\":\"1.0.0\",\"linux\":{\"namespaces\":[{\"type\":\"pud\"}]}}", "unknown type"},
		{"{\"ociVersion\":\"1.0.0\",\"linux\":{\"namespaces\":[{\"type\":\"pid\",\"path\":\"ns\"}]}}", "must be absolute"},
		{"{\"ociVersion\":\"1.0.0\",\"mounts\":[{\"source\":\"x\"}]}", "destination"},
		{"{\"ociVersion\":\"1.0.0\",\"hooks\":{\"prestart\":[{\"path\":\"relative\"}]}}", "absolute"},
		{"{\"ociVersion\":\"1.0.0\",\"hooks\":{\"prestart\":[{\"path\":\"/x\",\"timeout\":0}]}}", "timeout"},
		{"{\"ociVersion\":\"1.0.0\",\"linux\":{\"devices\":[{\"type\":\"x\",\"path\":\"/dev/a\"}]}}", "type"},
		{"{\"ociVersion\":\"1.0.0\",\"linux\":{\"rootfsPropagation\":\"sideways\"}}", "rootfsPropagation"},
		{"{\"ociVersion\":\"1.0.0\",\"linux\":{\"resources\":{\"pids\":{}}}}", NULL},
		{"{\"ociVersion\":\"1.0.0\",\"linux\":{\"resources\":{\"devices\":[{\"allow\":true,\"type\":\"c\",\"access\":\"rwx\"}]}}}", "access"},
		{"[]", "must be an object"},
	};
	for (size_t i = 0; i < countof(rows); i++) {
		struct arena a = {};
		struct err e = {};
		struct spec s = {};
		own(json) struct json *j = NULL;
		assert_int_equal(json_parse(rows[i].text, strlen(rows[i].text), &j, &e), 0);
		int r = spec_parse(j, &a, &s, &e);
		if (r != (rows[i].error ? -1 : 0) || (r < 0 && !strstr(e.text, rows[i].error)))
			fail_msg("%s: %s", rows[i].text, r < 0 ? e.text : "taken");
		arena_drop(&a);
	}
}

/* What engines write for limits that nobody asked for. */
static void zeros_are_not_set(void **state)
{
	(void)state;
	static const char text[] = "{\"ociVersion\":\"1.0.2\",\"linux\":{\"resources\":{\"memory\":{\"limit\":0,\"reservation\":0,\"swap\":0,"
		"\"swappiness\":0},\"cpu\":{\"shares\":0,\"quota\":0,\"period\":0,\"burst\":0,\"idle\":0},\"pids\":{\"limit\":0},"
		"\"blockIO\":{\"weight\":0}}}}";
	struct err e = {};
	struct arena a = {};
	struct json *j = NULL;
	struct spec s;
	assert_int_equal(json_parse(text, sizeof text - 1, &j, &e), 0);
	assert_int_equal(spec_parse(j, &a, &s, &e), 0);
	const struct spec_resources *r = s.linux_->resources;
	assert_false(r->memory->limit.set || r->memory->reservation.set || r->memory->swap.set);
	assert_false(r->cpu->shares.set || r->cpu->quota.set || r->cpu->period.set || r->block_io->weight.set);
	assert_true(r->memory->swappiness.set && r->cpu->burst.set && r->cpu->idle.set && r->pids_limit.set);
	json_drop(&j);
	arena_drop(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(zeros_are_not_set), cmocka_unit_test(round_trip), cmocka_unit_test(musts)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
