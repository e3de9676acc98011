/* SPDX-License-Identifier: Apache-2.0 */
/*
 * features: what the runtime knows (features.md, features-linux.md of the specification 1.3.0), whatever this machine has of it.
 * Every list comes from the table that the code itself goes by.
 */
#include "codec/json.h"
#include "oci/oci.h"
#include "oci/verbs.h"
#include "runtime/annotations.h"
#include "runtime/limits.h"
#include "runtime/namespaces.h"
#include "runtime/seccomp.h"
#include "sys/caps.h"
#include "sys/mount.h"

#include <stdio.h>

static struct json *list(const char *(*at)(size_t i))
{
	own(strv) struct strv names = {};
	struct json *j = json_new_array();
	for (size_t i = 0; at(i); i++)
		strv_add(&names, at(i));
	strv_sort(&names);
	for (size_t i = 0; i < names.n; i++)
		json_add(j, json_new_str(names.v[i]));
	return j;
}

/* In the order of a container's life. */
static struct json *hooks(void)
{
	struct json *j = json_new_array();
	for (size_t i = 0; spec_hook_name(i); i++)
		json_add(j, json_new_str(spec_hook_name(i)));
	return j;
}

static struct json *capabilities(void)
{
	struct json *j = json_new_array();
	for (int i = 0; caps_name(i); i++) {
		own(mem) char *name = mem_printf("CAP_%s", caps_name(i));
		json_add(j, json_new_str(name));
	}
	return j;
}

/* Those of the names that exist (runtime-spec, linux.seccomp.architectures) that the library knows. */
static struct json *architectures(void)
{
	static const char *const names[] = {"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM", "SCMP_ARCH_LOONGARCH64", "SCMP_ARCH_M68K", "SCMP_ARCH_MIPS",
		"SCMP_ARCH_MIPS64", "SCMP_ARCH_MIPS64N32", "SCMP_ARCH_MIPSEL", "SCMP_ARCH_MIPSEL64", "SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PARISC",
		"SCMP_ARCH_PARISC64", "SCMP_ARCH_PPC", "SCMP_ARCH_PPC64", "SCMP_ARCH_PPC64LE", "SCMP_ARCH_RISCV64", "SCMP_ARCH_S390",
		"SCMP_ARCH_S390X", "SCMP_ARCH_SH", "SCMP_ARCH_SHEB", "SCMP_ARCH_X32", "SCMP_ARCH_X86", "SCMP_ARCH_X86_64"};
	struct json *j = json_new_array();
	for (size_t i = 0; i < countof(names); i++)
		if (seccomp_knows_arch(names[i]))
			json_add(j, json_new_str(names[i]));
	return j;
}

static struct json *seccomp(void)
{
	struct json *j = json_new_object(), *known = json_new_array(), *supported = json_new_array();
	const char *name;
	unsigned flag;
	for (size_t i = 0; (name = seccomp_known_flag(i, &flag)); i++) {
		json_add(known, json_new_str(name));
		if (seccomp_kernel_takes_flag(flag))
			json_add(supported, json_new_str(name));
	}
	json_set(j, "enabled", json_new_bool(true));
	json_set(j, "actions", list(seccomp_action_name));
	json_set(j, "operators", list(seccomp_operator_name));
	json_set(j, "archs", architectures());
	json_set(j, "knownFlags", known);
	json_set(j, "supportedFlags", supported);
	return j;
}

/* An object of things that are there. */
static struct json *truths(const char *const *names, size_t n)
{
	struct json *j = json_new_object();
	for (size_t i = 0; i < n; i++)
		json_set(j, names[i], json_new_bool(true));
	return j;
}
#define TRUTHS(...) truths((const char *const[]){__VA_ARGS__}, countof(((const char *const[]){__VA_ARGS__})))

static struct json *linux_features(void)
{
	struct json *j = json_new_object(), *policy = json_new_object(), *mounts = json_new_object();
	json_set(j, "namespaces", list(namespaces_type));
	json_set(j, "capabilities", capabilities());
	json_set(j, "cgroup", TRUTHS("v1", "v2", "systemd", "systemdUser", "rdma"));
	json_set(j, "seccomp", seccomp());
	json_set(j, "apparmor", TRUTHS("enabled"));
	json_set(j, "selinux", TRUTHS("enabled"));
	json_set(j, "intelRdt", TRUTHS("enabled", "schemata", "monitoring"));
	json_set(policy, "modes", list(limits_policy_mode));
	json_set(policy, "flags", list(limits_policy_flag));
	json_set(j, "memoryPolicy", policy);
	json_set(mounts, "idmap", TRUTHS("enabled"));
	json_set(j, "mountExtensions", mounts);
	json_set(j, "netDevices", TRUTHS("enabled"));
	return j;
}

static struct json *annotations(void)
{
	struct json *j = json_new_object();
	char library[32];
	unsigned v = seccomp_library();
	snprintf(library, sizeof library, "%u.%u.%u", v >> 16, v >> 8 & 0xff, v & 0xff);
	json_set_str(j, "io.github.seccomp.libseccomp.version", library);
	json_set_str(j, "hull.version", HULL_VERSION);
	return j;
}

static int features(void *opts unused, int argc unused, char **argv unused, struct err *e)
{
	own(json) struct json *j = json_new_object();
	own(buf) struct buf b = {};
	json_set_str(j, "ociVersionMin", "1.0.0");
	json_set_str(j, "ociVersionMax", "1.3.0");
	json_set(j, "hooks", hooks());
	json_set(j, "mountOptions", list(mount_word));
	json_set(j, "linux", linux_features());
	json_set(j, "annotations", annotations());
	json_set(j, "potentiallyUnsafeConfigAnnotations", list(annotation_key));
	json_format(j, 4, &b);
	buf_char(&b, '\n');
	return oci_print(&b, e);
}

const struct cmd oci_features_verb = {"features", "", "Print what the runtime knows as JSON", NULL, 0, 0, 0, 0, features};
