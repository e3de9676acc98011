/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/caps.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* In the kernel's order. */
static const char *const names[] = {"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID",
	"SETUID", "SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK",
	"IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
	"SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
	"MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
	"CHECKPOINT_RESTORE"};

int caps_number(const char *name)
{
	const char *bare = str_after(name, "CAP_");
	for (size_t i = 0; bare && i < countof(names); i++)
		if (strcmp(names[i], bare) == 0)
			return (int)i;
	return -1;
}

const char *caps_name(int number)
{
	return number >= 0 && number < (int)countof(names) ? names[number] : NULL;
}

uint64_t caps_set(const struct strv *list, const char **unknown)
{
	uint64_t set = 0;
	for (size_t i = 0; i < list->n; i++) {
		int n = caps_number(list->v[i]);
		if (n >= 0)
			set |= 1ULL << n;
		else if (!*unknown)
			*unknown = list->v[i];
	}
	return set;
}

uint64_t caps_bounding(void)
{
	uint64_t set = 0;
	for (int i = 0; i < 64; i++) {
		int on = prctl(PR_CAPBSET_READ, i, 0, 0, 0);
		if (on < 0)
			break;
		set |= (uint64_t)(on > 0) << i;
	}
	return set;
}

uint64_t caps_permitted(void)
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct d[2] = {};
	if (syscall(SYS_capget, &h, d) < 0)
		return 0;
	return d[0].permitted | (uint64_t)d[1].permitted << 32;
}

int caps_limit_bounding(uint64_t keep, struct err *e)
{
	for (int i = 0; i < 64; i++) {
		if (keep & 1ULL << i)
			continue;
		if (prctl(PR_CAPBSET_DROP, i, 0, 0, 0) < 0) {
			if (errno == EINVAL)
				return 0; /* past the kernel's last one */
			return err_sys(e, "limit the capability bounding set");
		}
	}
	return 0;
}

int caps_apply(uint64_t effective, uint64_t permitted, uint64_t inheritable, struct err *e)
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct d[2] = {
		{(uint32_t)effective, (uint32_t)permitted, (uint32_t)inheritable},
		{(uint32_t)(effective >> 32), (uint32_t)(permitted >> 32), (uint32_t)(inheritable >> 32)},
	};
	return syscall(SYS_capset, &h, d) < 0 ? err_sys(e, "set capabilities") : 0;
}

int caps_raise_ambient(uint64_t set, struct err *e)
{
	for (int i = 0; i < 64; i++)
		if (set & 1ULL << i && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0) < 0)
			return err_sys(e, "set ambient capabilities");
	return 0;
}
