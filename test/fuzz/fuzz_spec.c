/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.json: what is taken keeps what the checks promise, and is written and read again without loss. The same text as
 * a seccomp profile of docker's.
 * fuzz: sys runtime/spec.c runtime/net_devices.c runtime/intel_rdt.c runtime/seccomp_profile.c
 */
#include "base/path.h"
#include "runtime/intel_rdt.h"
#include "runtime/net_devices.h"
#include "runtime/seccomp.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x) ((x) ? (void)0 : abort())

static void checks(const struct spec *s)
{
	struct err e = {};
	struct json_iter it = {};
	struct intel_rdt r;
	const struct spec_linux *l = s->linux_;
	for (size_t i = 0; i < l->namespaces.n; i++)
		CHECK(spec_namespace(s, l->namespaces.v[i].type) == &l->namespaces.v[i]);
	if (net_devices_check(s, CLONE_NEWNET, &e) == 0) {
		while (json_next(l->net_devices, &it))
			CHECK(*it.key && strlen(it.key) < IFNAMSIZ && !strpbrk(it.key, "/: "));
		CHECK(!json_len(l->net_devices) || net_devices_check(s, 0, &e) < 0);
	}
	if (l->intel_rdt && intel_rdt_check(l->intel_rdt, "box", &e) == 0) {
		intel_rdt_of(l->intel_rdt, "box", &r);
		CHECK(strcmp(r.clos, "/") == 0 || path_is_name(r.clos));
		CHECK(!*r.group || path_is_name(r.group));
	}
}

static void profile(const char *text, size_t size)
{
	own(arena) struct arena a = {};
	struct err e = {};
	struct strv caps = {};
	struct spec_seccomp *s;
	arena_strv_add(&a, &caps, "CAP_SYS_ADMIN");
	if (seccomp_profile(text, size, &caps, &a, &s, &e) < 0) {
		CHECK(e.kind && *e.text);
		return;
	}
	CHECK(s->default_action);
	for (size_t i = 0; i < s->syscalls.n; i++)
		CHECK(s->syscalls.v[i].action && (!s->syscalls.v[i].names.n || s->syscalls.v[i].names.v[0]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	own(arena) struct arena a = {};
	own(json) struct json *first = NULL;
	own(json) struct json *second = NULL;
	own(buf) struct buf text = {}, again = {};
	struct spec s = {}, t = {};
	struct err e = {};
	profile((const char *)data, size);
	if (json_parse((const char *)data, size, &first, &e) < 0)
		return 0;
	if (spec_parse(first, &a, &s, &e) < 0) {
		CHECK(e.kind && *e.text);
		return 0;
	}
	checks(&s);
	own(json) struct json *out = spec_format(&s);
	json_format(out, 0, &text);
	CHECK(json_parse(text.data, text.len, &second, &e) == 0);
	CHECK(spec_parse(second, &a, &t, &e) == 0);
	own(json) struct json *out2 = spec_format(&t);
	json_format(out2, 0, &again);
	CHECK(text.len == again.len && memcmp(text.data, again.data, text.len) == 0);
	return 0;
}
