/* SPDX-License-Identifier: Apache-2.0 */
/* What a container becomes to systemd: names, values as text, the table of properties. Nobody is spoken to. */
#include "runtime/systemd_unit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void slices(void **state)
{
	(void)state;
	static const struct { const char *slice, *path; } rows[] = {{"system.slice", "/system.slice"}, {"-.slice", "/"},
		{"a-b.slice", "/a.slice/a-b.slice"}, {"test-a-b.slice", "/test.slice/test-a.slice/test-a-b.slice"},
		{"kubepods-besteffort-pod1_2.slice", "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod1_2.slice"}};
	static const char *const bad[] = {"", ".slice", "a", "a.scope", "a/b.slice", "a--b.slice", "-a.slice", "a-.slice", "--.slice", "a b.slice"};
	char path[512];
	struct err e = {};
	for (size_t i = 0; i < countof(rows); i++) {
		if (systemd_expand_slice(rows[i].slice, path, sizeof path, &e) < 0)
			fail_msg("%s", e.text);
		assert_string_equal(path, rows[i].path);
	}
	for (size_t i = 0; i < countof(bad); i++)
		if (systemd_expand_slice(bad[i], path, sizeof path, &e) == 0)
			fail_msg("%s: %s", bad[i], path);
	assert_int_equal(systemd_expand_slice("aaaaaaaa-bbbbbbbb-cccccccc.slice", path, 40, &e), -1);
}

static void names(void **state)
{
	(void)state;
	static const struct { const char *path; bool user; const char *slice, *scope; } rows[] = {{NULL, false, "system.slice", "hull-web.scope"},
		{"", true, "user.slice", "hull-web.scope"}, {"system.slice:docker:1234", false, "system.slice", "docker-1234.scope"},
		{":docker:1234", true, "user.slice", "docker-1234.scope"}, {"a-b.slice::x", false, "a-b.slice", "-x.scope"},
		{"machine.slice:libpod:a_b.c@d", false, "machine.slice", "libpod-a_b.c@d.scope"}};
	static const char *const bad[] = {"/a/b", "a.slice:b", "a.slice:b:c:d", "a:b:c", "a.slice:b:", "a.slice:b:c.slice", "a.slice:b:c/d", "a.slice:b c:d",
		"a.slice/b.slice:c:d", "a.slice:b:\n"};
	struct systemd_names n;
	struct err e = {};
	for (size_t i = 0; i < countof(rows); i++) {
		if (systemd_names(rows[i].path, "web", rows[i].user, &n, &e) < 0)
			fail_msg("%s", e.text);
		assert_string_equal(n.slice, rows[i].slice);
		assert_string_equal(n.scope, rows[i].scope);
	}
	for (size_t i = 0; i < countof(bad); i++) {
		e = (struct err){};
		if (systemd_names(bad[i], "web", false, &n, &e) == 0)
			fail_msg("%s: %s", bad[i], n.scope);
		assert_int_equal(e.kind, ERR_USAGE);
	}
	char big[300];
	snprintf(big, sizeof big, "a.slice:b:%0*d", 255, 0);
	assert_int_equal(systemd_names(big, "web", false, &n, &e), -1);
}

static void values(void **state)
{
	(void)state;
	static const struct { const char *name, *text, *line; } rows[] = {
		{"CollectMode", "'inactive-or-failed'", "CollectMode s inactive-or-failed"}, {"Description", "\"it's\"", "Description s it's"},
		{"Description", "'a\\'b\\\\c\\n\\u00e9\\U0001f600'", "Description s a'b\\c\n\xc3\xa9\xf0\x9f\x98\x80"}, {"Description", " 'x' ", "Description s x"},
		{"Description", "string 'x'", "Description s x"}, {"OOMScore", "5", "OOMScore i 5"}, {"OOMScore", "-5", "OOMScore i -5"},
		{"OOMScore", "0x10", "OOMScore i 16"}, {"MemoryHigh", "uint64 18446744073709551615", "MemoryHigh t 18446744073709551615"},
		{"MemoryHigh", "@t 5", "MemoryHigh t 5"}, {"Small", "byte 255", "Small y 255"}, {"Small", "int16 -32768", "Small n -32768"},
		{"Small", "uint16 65535", "Small q 65535"}, {"Some", "uint32 7", "Some u 7"}, {"Some", "int64 -7", "Some x -7"}, {"Some", "int32 7", "Some i 7"},
		{"Flag", "true", "Flag b true"}, {"Flag", "false", "Flag b false"}, {"Flag", "boolean true", "Flag b true"}, {"Part", "1.5", "Part d 1.5"},
		{"Part", "1e3", "Part d 1000"}, {"Part", "double 2", "Part d 2"}, {"After", "['a.service', 'b.service']", "After as a.service b.service"},
		{"After", "[ \"a\" ]", "After as a"}, {"After", "[]", "After as"}, {"After", "@as []", "After as"}, {"After", "@as ['x']", "After as x"},
		/* Seconds. */
		{"TimeoutStopSec", "15", "TimeoutStopUSec t 15000000"}, {"TimeoutStopSec", "uint64 2", "TimeoutStopUSec t 2000000"},
		{"TimeoutStopSec", "1.5", "TimeoutStopUSec t 1500000"}, {"TimeoutStopUSec", "uint64 5", "TimeoutStopUSec t 5"},
		{"CPUQuotaPerSecUSec", "uint64 5", "CPUQuotaPerSecUSec t 5"}, {"Sec", "5", "Sec i 5"},
	};
	static const char *const bad[][2] = {{"ab", "5"}, {"a.b", "5"}, {"A1b", "5"}, {"", "5"}, {"Abc", ""}, {"Abc", "x"}, {"Abc", "'a"}, {"Abc", "'a' b"},
		{"Abc", "5 6"}, {"Abc", "5000000000"}, {"Abc", "uint32 4294967296"}, {"Abc", "uint32 -1"}, {"Abc", "byte 256"}, {"Abc", "int16 -32769"},
		{"Abc", "truex"}, {"Abc", "[5]"}, {"Abc", "['a'"}, {"Abc", "['a' 'b']"}, {"Abc", "@q"}, {"Abc", "@z 5"}, {"Abc", "1.5x"}, {"Abc", "'\\u12'"},
		{"Abc", "'\\ud800'"}, {"Abc", "'\\"}, {"AbcSec", "'a'"}, {"AbcSec", "-5"}, {"AbcSec", "uint64 18446744073709551615"}, {"Abc", "{'a': 5}"}};
	own(arena) struct arena a = {};
	struct err e = {};
	for (size_t i = 0; i < countof(rows); i++) {
		struct systemd_properties l = {};
		own(buf) struct buf b = {};
		if (systemd_parse_property(&a, rows[i].name, rows[i].text, &l, &e) < 0)
			fail_msg("%s: %s", rows[i].text, e.text);
		systemd_format(&l, &b);
		b.data[b.len - 1] = 0;
		assert_string_equal(b.data, rows[i].line);
	}
	for (size_t i = 0; i < countof(bad); i++) {
		struct systemd_properties l = {};
		own(buf) struct buf b = {};
		e = (struct err){};
		if (systemd_parse_property(&a, bad[i][0], bad[i][1], &l, &e) == 0) {
			systemd_format(&l, &b);
			fail_msg("%s: %s", bad[i][1], buf_text(&b));
		}
		assert_int_equal(e.kind, ERR_USAGE);
	}
}

/* The properties of a configuration's resources. */
static void same(const char *resources, bool v2, int version, const char *expected)
{
	own(arena) struct arena a = {};
	own(json) struct json *j = NULL;
	own(buf) struct buf b = {}, text = {};
	struct spec s = {};
	struct systemd_properties l = {};
	struct err e = {};
	buf_printf(&text, "{\"ociVersion\":\"1.3.0\",\"linux\":{\"resources\":%s}}", resources);
	if (json_parse(text.data, text.len, &j, &e) < 0 || spec_parse(j, &a, &s, &e) < 0 ||
		systemd_unit_resources(&a, s.linux_->resources, v2, version, &l, &e) < 0)
		fail_msg("%s", e.text);
	systemd_format(&l, &b);
	assert_string_equal(buf_text(&b), expected);
}

static void resources_v2(void **state)
{
	(void)state;
	same("{}", true, 252, "");
	same("{\"memory\":{\"limit\":1048576,\"swap\":3145728,\"reservation\":4096}}", true, 252,
		"MemoryMax t 1048576\nMemoryLow t 4096\nMemorySwapMax t 2097152\n");
	same("{\"memory\":{\"limit\":-1}}", true, 252, "MemoryMax t 18446744073709551615\nMemorySwapMax t 18446744073709551615\n");
	same("{\"memory\":{\"limit\":1048576,\"swap\":1048576}}", true, 252, "MemoryMax t 1048576\nMemorySwapMax t 0\n");
	same("{\"memory\":{\"limit\":1048576}}", true, 252, "MemoryMax t 1048576\n");
	same("{\"memory\":{\"limit\":0,\"swap\":0}}", true, 252, "");
	same("{\"cpu\":{\"shares\":1024,\"quota\":5000,\"period\":20000,\"cpus\":\"0-3,9\",\"mems\":\"0\"}}", true, 252,
		"CPUWeight t 100\nCPUQuotaPeriodUSec t 20000\nCPUQuotaPerSecUSec t 250000\nAllowedCPUs ay 15 2\nAllowedMemoryNodes ay 1\n");
	/* Rounded up to hundredths. */
	same("{\"cpu\":{\"quota\":12345}}", true, 252, "CPUQuotaPerSecUSec t 130000\n");
	same("{\"cpu\":{\"quota\":-1}}", true, 252, "CPUQuotaPerSecUSec t 18446744073709551615\n");
	same("{\"cpu\":{\"period\":50000}}", true, 252, "CPUQuotaPeriodUSec t 50000\nCPUQuotaPerSecUSec t 18446744073709551615\n");
	same("{\"cpu\":{\"idle\":1,\"shares\":1024}}", true, 252, "CPUWeight t 0\n");
	same("{\"cpu\":{\"idle\":1,\"shares\":1024}}", true, 251, "CPUWeight t 100\n");
	same("{\"cpu\":{\"quota\":5000,\"period\":20000,\"cpus\":\"0\"}}", true, 240, "CPUQuotaPerSecUSec t 250000\n");
	same("{\"pids\":{\"limit\":20}}", true, 252, "TasksMax t 20\n");
	same("{\"pids\":{\"limit\":-1}}", true, 252, "TasksMax t 18446744073709551615\n");
	same("{\"pids\":{\"limit\":0}}", true, 252, "");
	same("{\"blockIO\":{\"weight\":1000,\"weightDevice\":[{\"major\":8,\"minor\":0,\"weight\":10}],"
		"\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":16,\"rate\":77},{\"major\":8,\"minor\":0,\"rate\":0}],"
		"\"throttleWriteIOPSDevice\":[{\"major\":8,\"minor\":16,\"rate\":5}]}}", true, 252,
		"IOWeight t 10000\nIODeviceWeight a(st) /dev/block/8:0 1\nIOReadBandwidthMax a(st) /dev/block/8:16 77\n"
		"IOReadBandwidthMax a(st) /dev/block/8:0 18446744073709551615\nIOWriteIOPSMax a(st) /dev/block/8:16 5\n");
	/* Device rules are a program on v2. */
	same("{\"devices\":[{\"allow\":false,\"access\":\"rwm\"}]}", true, 252, "");
}

static void unified_files(void **state)
{
	(void)state;
	same("{\"unified\":{\"memory.high\":\"1000\",\"memory.max\":\"max\",\"memory.min\":\" 5\\n\",\"memory.swap.max\":\"0\",\"pids.max\":\"9\","
		"\"cpu.weight\":\"50\",\"cpu.max\":\"20000 100000\",\"cpuset.cpus\":\"1\",\"io.weight\":\"default 200\\n8:0 300\","
		"\"misc.max\":\"x 1\"}}", true, 252,
		"MemoryHigh t 1000\nMemoryMax t 18446744073709551615\nMemoryMin t 5\nMemorySwapMax t 0\nTasksMax t 9\nCPUWeight t 50\n"
		"CPUQuotaPeriodUSec t 100000\nCPUQuotaPerSecUSec t 200000\nAllowedCPUs ay 2\nIOWeight t 200\nIODeviceWeight a(st) /dev/block/8:0 300\n");
	same("{\"unified\":{\"cpu.max\":\"max\",\"cpu.idle\":\"1\"}}", true, 252,
		"CPUQuotaPeriodUSec t 100000\nCPUQuotaPerSecUSec t 18446744073709551615\nCPUWeight t 0\n");
	static const char *const bad[][2] = {{"memory.max", "5k"}, {"memory.max", ""}, {"pids.max", "-1"}, {"cpu.max", "1 2 3"}, {"cpu.max", "x"},
		{"cpuset.cpus", "a"}, {"cpuset.cpus", "3-1"}, {"cpuset.cpus", "99999"}, {"io.weight", "8:0 x"}};
	for (size_t i = 0; i < countof(bad); i++) {
		own(arena) struct arena a = {};
		struct spec_resources r = {};
		struct systemd_properties l = {};
		struct err e = {};
		map_set(&a, &r.unified, bad[i][0], bad[i][1]);
		assert_int_equal(systemd_unit_resources(&a, &r, true, 252, &l, &e), -1);
		assert_int_equal(e.kind, ERR_USAGE);
	}
}

#define DEFAULTS " char-* m block-* m /dev/char/1:3 rwm /dev/char/1:5 rwm /dev/char/1:7 rwm /dev/char/1:8 rwm /dev/char/1:9 rwm " \
	"/dev/char/5:0 rwm /dev/char/5:1 rwm /dev/char/5:2 rwm char-136 rwm\n"

static void resources_v1(void **state)
{
	(void)state;
	same("{\"memory\":{\"limit\":1048576,\"swap\":3145728},\"cpu\":{\"shares\":1024,\"cpus\":\"0\"},\"pids\":{\"limit\":5},"
		"\"blockIO\":{\"weight\":300}}", false, 252,
		"MemoryLimit t 1048576\nCPUShares t 1024\nTasksMax t 5\nBlockIOWeight t 300\n");
	same("{\"devices\":[{\"allow\":false,\"access\":\"rwm\"},{\"allow\":true,\"type\":\"c\",\"major\":10,\"minor\":200,\"access\":\"rw\"},"
		"{\"allow\":true,\"type\":\"b\",\"major\":8,\"access\":\"r\"},{\"allow\":true,\"major\":7,\"minor\":1,\"access\":\"rwm\"}]}", false, 252,
		"DevicePolicy s strict\nDeviceAllow a(ss) /dev/char/10:200 rw block-8 r /dev/char/7:1 rwm /dev/block/7:1 rwm" DEFAULTS);
	same("{\"devices\":[{\"allow\":false,\"access\":\"rwm\"},{\"allow\":true,\"access\":\"rwm\"}]}", false, 252,
		"DevicePolicy s auto\nDeviceAllow a(ss)\n");
	/* What a list of allowed ones cannot say. */
	same("{\"devices\":[{\"allow\":false,\"access\":\"rwm\"},{\"allow\":true,\"type\":\"c\",\"access\":\"rwm\"},"
		"{\"allow\":false,\"type\":\"c\",\"major\":1,\"minor\":1,\"access\":\"rwm\"}]}", false, 252, "DevicePolicy s auto\nDeviceAllow a(ss)\n");
}

static void base(void **state)
{
	(void)state;
	own(arena) struct arena a = {};
	own(json) struct json *j = NULL;
	own(buf) struct buf b = {}, v1 = {};
	static const char text[] = "{\"ociVersion\":\"1.3.0\",\"linux\":{\"resources\":{\"unified\":{\"memory.oom.group\":\"1\"}}},"
		"\"annotations\":{\"org.systemd.property.TimeoutStopSec\":\"5\",\"org.systemd.propertyX\":\"no\",\"other\":\"no\","
		"\"org.systemd.property.CollectMode\":\"'inactive'\"}}";
	struct spec s = {};
	struct systemd_names n = {"a.slice", "b-c.scope"};
	struct systemd_properties l = {}, old = {};
	struct err e = {};
	assert_int_equal(json_parse(text, sizeof text - 1, &j, &e), 0);
	assert_int_equal(spec_parse(j, &a, &s, &e), 0);
	assert_int_equal(systemd_unit_base(&a, &s, "web", &n, true, 77, &l, &e), 0);
	systemd_format(&l, &b);
	assert_string_equal(buf_text(&b), "Description s hull container web\nSlice s a.slice\nDelegate b true\nMemoryAccounting b true\n"
		"CPUAccounting b true\nTasksAccounting b true\nIOAccounting b true\nDefaultDependencies b false\nOOMPolicy s kill\nPIDs au 77\n"
		"TimeoutStopUSec t 5000000\nCollectMode s inactive\n");
	assert_int_equal(systemd_unit_base(&a, &s, "web", &n, false, 77, &old, &e), 0);
	systemd_format(&old, &v1);
	assert_non_null(strstr(buf_text(&v1), "BlockIOAccounting b true\n"));
	map_set(&a, &s.annotations, "org.systemd.property.Bad", "{");
	assert_int_equal(systemd_unit_base(&a, &s, "web", &n, true, 77, &l, &e), -1);
	assert_non_null(strstr(e.text, "annotation org.systemd.property.Bad"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(slices), cmocka_unit_test(names), cmocka_unit_test(values), cmocka_unit_test(resources_v2),
		cmocka_unit_test(unified_files), cmocka_unit_test(resources_v1), cmocka_unit_test(base)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
