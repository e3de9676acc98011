/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp_profile: a profile file. docker's form (archMap; includes and excludes by capability, architecture and
 * kernel) is resolved to OCI rules for one container; the OCI form is taken as it is.
 */
#include "runtime/seccomp.h"

#include <stdio.h>
#include <sys/utsname.h>

static const char *native(void)
{
#ifdef __x86_64__
	return "amd64";
#elif defined __aarch64__
	return "arm64";
#else
	return "";
#endif
}

static bool kernel_is_at_least(const char *text)
{
	struct utsname u;
	unsigned a = 0, b = 0, x = 0, y = 0;
	uname(&u);
	sscanf(text, "%u.%u", &a, &b);
	sscanf(u.release, "%u.%u", &x, &y);
	return x > a || (x == a && y >= b);
}

static bool any_cap(const struct json *list, const struct strv *caps, bool all)
{
	size_t n = json_len(list), have = 0;
	for (size_t i = 0; i < n; i++)
		have += json_str(json_at(list, i)) && strv_has(caps, json_str(json_at(list, i)));
	return all ? have == n : have > 0;
}

static bool has_arch(const struct json *list)
{
	for (size_t i = 0; i < json_len(list); i++)
		if (str_eq(json_str(json_at(list, i)), native()))
			return true;
	return false;
}

static bool applies(const struct json *rule, const struct strv *caps)
{
	const struct json *in = json_get(rule, "includes"), *ex = json_get(rule, "excludes");
	if (json_len(json_get(in, "caps")) && !any_cap(json_get(in, "caps"), caps, true))
		return false;
	if (json_len(json_get(in, "arches")) && !has_arch(json_get(in, "arches")))
		return false;
	if (json_get_str(in, "minKernel") && !kernel_is_at_least(json_get_str(in, "minKernel")))
		return false;
	if (any_cap(json_get(ex, "caps"), caps, false) || has_arch(json_get(ex, "arches")))
		return false;
	return !(json_get_str(ex, "minKernel") && kernel_is_at_least(json_get_str(ex, "minKernel")));
}

static void add_archs(const struct json *map, struct arena *a, struct spec_seccomp *s)
{
	static const char *const mine =
#ifdef __x86_64__
		"SCMP_ARCH_X86_64";
#elif defined __aarch64__
		"SCMP_ARCH_AARCH64";
#else
		"";
#endif
	for (size_t i = 0; i < json_len(map); i++) {
		const struct json *row = json_at(map, i);
		if (!str_eq(json_get_str(row, "architecture"), mine))
			continue;
		arena_strv_add(a, &s->architectures, mine);
		const struct json *sub = json_get(row, "subArchitectures");
		for (size_t k = 0; k < json_len(sub); k++)
			if (json_str(json_at(sub, k)))
				arena_strv_add(a, &s->architectures, json_str(json_at(sub, k)));
	}
}

int seccomp_profile(const char *text, size_t len, const struct strv *caps, struct arena *a, struct spec_seccomp **ret, struct err *e)
{
	own(json) struct json *j = NULL;
	own(json) struct json *kept = NULL;
	struct spec_seccomp *s = arena_alloc(a, sizeof *s);
	if (json_parse(text, len, &j, e) < 0)
		return err_wrap(e, "seccomp profile");
	if (json_kind(j) != JSON_OBJECT)
		return err_set(e, ERR_USAGE, "seccomp profile: must be an object");
	/* docker's older files have one "name" where the newer have "names". */
	kept = json_new_array();
	const struct json *rules = json_get(j, "syscalls");
	for (size_t i = 0; i < json_len(rules); i++) {
		struct json *rule = json_at(rules, i);
		if (!applies(rule, caps))
			continue;
		if (!json_get(rule, "names") && json_get_str(rule, "name")) {
			struct json *names = json_new_array();
			json_add(names, json_new_str(json_get_str(rule, "name")));
			json_set(rule, "names", names);
		}
		json_add(kept, json_ref(rule));
	}
	json_set(j, "syscalls", json_ref(kept));
	if (jmap_parse(&spec_seccomp_table, j, 0, a, s, "seccomp profile", e) < 0)
		return -1;
	if (!s->architectures.n)
		add_archs(json_get(j, "archMap"), a, s);
	*ret = s;
	return 0;
}
