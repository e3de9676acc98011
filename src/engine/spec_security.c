/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spec_security: capabilities, seccomp, masked and read-only paths, labels: docker's defaults and --security-opt.
 */
#include "engine/spec.h"

#include "base/fd.h"
#include "base/path.h"
#include "engine/apparmor.h"
#include "runtime/seccomp.h"
#include "sys/caps.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>

static const char *const default_caps[] = {"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD",
	"CAP_NET_RAW", "CAP_SETGID", "CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT",
	"CAP_KILL", "CAP_AUDIT_WRITE"};

static const char *const all_caps[] = {"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID",
	"CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE",
	"CAP_NET_BROADCAST", "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE",
	"CAP_SYS_RAWIO", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT",
	"CAP_SYS_NICE", "CAP_SYS_RESOURCE", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE",
	"CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL", "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG",
	"CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE"};

static const char *const masked[] = {"/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys",
	"/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
	"/sys/devices/virtual/powercap"};
static const char *const readonly[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};

static int cap_index(const char *name, struct err *e)
{
	char whole[64];
	snprintf(whole, sizeof whole, "%s%s", strncasecmp(name, "CAP_", 4) == 0 ? "" : "CAP_", name);
	for (char *p = whole; *p; p++)
		*p = (char)toupper((unsigned char)*p);
	for (size_t i = 0; i < countof(all_caps); i++)
		if (strcmp(all_caps[i], whole) == 0)
			return (int)i;
	return err_set(e, ERR_USAGE, "unknown capability \"%.60s\"", name);
}

static int mark(const struct strv *names, bool value, bool on[], bool *ret_all, struct err *e)
{
	for (size_t i = 0; i < names->n; i++) {
		if (strcasecmp(names->v[i], "ALL") == 0 || strcasecmp(names->v[i], "CAP_ALL") == 0) {
			*ret_all = true;
			continue;
		}
		int at = cap_index(names->v[i], e);
		if (at < 0)
			return -1;
		on[at] = value;
	}
	return 0;
}

int spec_caps(const struct strv *add, const struct strv *drop, bool privileged, struct arena *a, struct strv *ret, struct err *e)
{
	bool on[countof(all_caps)] = {}, named[countof(all_caps)] = {}, dropped[countof(all_caps)] = {};
	bool add_all = privileged, drop_all = false;
	if (mark(add, true, named, &add_all, e) < 0 || mark(drop, true, dropped, &drop_all, e) < 0)
		return -1;
	for (size_t i = 0; i < countof(all_caps); i++) {
		bool standard = false;
		for (size_t k = 0; k < countof(default_caps); k++)
			standard |= strcmp(all_caps[i], default_caps[k]) == 0;
		on[i] = add_all ? !dropped[i] : drop_all ? named[i] : (standard && !dropped[i]) || named[i];
		if (on[i])
			arena_strv_add(a, ret, all_caps[i]);
	}
	return 0;
}

static bool is_named(const struct strv *names, const char *cap)
{
	for (size_t i = 0; i < names->n; i++)
		if (strcasecmp(names->v[i], cap) == 0 || strcasecmp(names->v[i], str_after(cap, "CAP_")) == 0)
			return true;
	return false;
}

/* All of them means all that we have ourselves (docker's rule), unless a user namespace of its own gives them anew. */
static void set_caps(struct spec_build *b, struct strv *list)
{
	uint64_t have = b->g->rootless || b->maps->nuids ? UINT64_MAX : caps_permitted();
	size_t n = 0;
	for (size_t i = 0; i < list->n; i++)
		if (have & 1ULL << caps_number(list->v[i]) || is_named(&b->c->record.host.cap_add, list->v[i]))
			list->v[n++] = list->v[i];
	list->n = n;
	struct spec_caps *c = b->spec->process->caps = arena_alloc(b->arena, sizeof *c);
	c->bounding = c->effective = c->permitted = *list;
}

struct security {
	const char *seccomp, *apparmor;
	bool no_new_privileges, unmasked, label_off;
};

static int read_options(const struct strv *options, struct security *s, struct err *e)
{
	for (size_t i = 0; i < options->n; i++) {
		const char *o = options->v[i];
		/* docker takes name=value and, for old times' sake, name:value */
		size_t n = strcspn(o, "=:");
		const char *value = o[n] ? o + n + 1 : "";
		if (strncmp(o, "no-new-privileges", n) == 0 && n == 17) {
			s->no_new_privileges = !*value || str_eq(value, "true");
			if (*value && !str_eq(value, "true") && !str_eq(value, "false"))
				return err_set(e, ERR_USAGE, "invalid --security-opt \"%s\"", o);
		} else if (n == 7 && strncmp(o, "seccomp", n) == 0 && *value) {
			/* FILE, {...} once it was read, unconfined, builtin or default */
			s->seccomp = value;
		} else if (n == 8 && strncmp(o, "apparmor", n) == 0 && *value) {
			s->apparmor = value;
		} else if (n == 11 && strncmp(o, "systempaths", n) == 0 && str_eq(value, "unconfined")) {
			s->unmasked = true;
		} else if (n == 5 && strncmp(o, "label", n) == 0 && *value) {
			s->label_off |= str_eq(value, "disable");
		} else {
			return err_set(e, ERR_USAGE,
				"invalid --security-opt \"%s\": seccomp=, apparmor=, label=, no-new-privileges and systempaths=unconfined are known", o);
		}
	}
	return 0;
}

/* The SELinux label that --security-opt label=user:…, role:…, type:…, level:… make of the default container label. */
static char *selinux_label(const struct strv *options, struct arena *a)
{
	const char *part[4] = {"system_u", "system_r", "container_t", "s0"};
	static const char *const names[4] = {"user", "role", "type", "level"};
	bool any = false;
	for (size_t i = 0; i < options->n; i++) {
		const char *v = str_after(options->v[i], "label=");
		v = v ? v : str_after(options->v[i], "label:");
		for (size_t k = 0; v && k < 4; k++) {
			size_t n = strlen(names[k]);
			if (strncmp(v, names[k], n) == 0 && (v[n] == ':' || v[n] == '=')) {
				part[k] = v + n + 1;
				any = true;
			}
		}
	}
	return any ? arena_printf(a, "%s:%s:%s:%s", part[0], part[1], part[2], part[3]) : NULL;
}

static int set_seccomp(struct spec_build *b, const struct security *s, const struct strv *caps, struct err *e)
{
	if (b->privileged && !s->seccomp)
		return 0;
	if (str_eq(s->seccomp, "unconfined"))
		return 0;
	if (!s->seccomp || str_eq(s->seccomp, "builtin") || str_eq(s->seccomp, "default"))
		return seccomp_default(caps, b->arena, &b->spec->linux_->seccomp, e);
	/* The profile itself: the record holds what the file said when the container was made. */
	if (seccomp_profile(s->seccomp, strlen(s->seccomp), caps, b->arena, &b->spec->linux_->seccomp, e) < 0)
		return err_wrap(e, "--security-opt seccomp");
	return 0;
}

int spec_check_security(const struct strv *options, struct err *e)
{
	struct security s = {};
	return read_options(options, &s, e);
}

int spec_default_paths(struct arena *a, struct host_config *h, struct err *e)
{
	struct security s = {};
	if (read_options(&h->security_opt, &s, e) < 0)
		return -1;
	if (h->privileged || s.unmasked)
		return 0;
	if (!h->masked_paths.n)
		for (size_t i = 0; i < countof(masked); i++)
			arena_strv_add(a, &h->masked_paths, masked[i]);
	if (!h->readonly_paths.n)
		for (size_t i = 0; i < countof(readonly); i++)
			arena_strv_add(a, &h->readonly_paths, readonly[i]);
	return 0;
}

int spec_choose_apparmor(const struct engine *g, const struct host_config *h, const char **ret, struct err *e)
{
	struct security s = {};
	*ret = NULL;
	if (read_options(&h->security_opt, &s, e) < 0)
		return -1;
	const struct apparmor_wish w = {.name = s.apparmor, .privileged = h->privileged, .rootless = g->rootless};
	return apparmor_choose(&apparmor_here, &w, ret, e);
}

static bool kernel_has(const char *path)
{
	return path_exists(AT_FDCWD, path);
}

int spec_build_security(struct spec_build *b, struct err *e)
{
	const struct host_config *h = &b->c->record.host;
	struct spec_linux *l = b->spec->linux_;
	struct security s = {};
	struct strv caps = {};
	if (read_options(&h->security_opt, &s, e) < 0 || spec_caps(&h->cap_add, &h->cap_drop, b->privileged, b->arena, &caps, e) < 0)
		return -1;
	set_caps(b, &caps);
	b->spec->process->no_new_privileges = s.no_new_privileges;
	const char *profile;
	if (spec_choose_apparmor(b->g, h, &profile, e) < 0 || (profile && apparmor_need(&apparmor_here, profile, e) < 0))
		return -1;
	b->spec->process->apparmor = profile ? arena_dup(b->arena, profile) : NULL;
	char *label = s.label_off || b->privileged ? NULL : selinux_label(&h->security_opt, b->arena);
	if (label && !kernel_has("/sys/fs/selinux/enforce"))
		return err_set(e, ERR_UNSUPPORTED, "--security-opt label: SELinux is not enabled on this machine");
	b->spec->process->selinux_label = label;
	if (set_seccomp(b, &s, &caps, e) < 0)
		return -1;
	l->masked_paths = h->masked_paths;
	l->readonly_paths = h->readonly_paths;
	return 0;
}
