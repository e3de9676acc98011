/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_devices: network devices of the host that go into a container's network namespace (config-linux.md, "Network
 * Devices"). The parent moves them, with its own rights, while the child is set up and before the runtime's hooks. Once the
 * container is made hull does not look at them again: what becomes of them when it ends is the kernel's business.
 */
#pragma once

#include "runtime/spec.h"

#include <net/if.h>
#include <sys/types.h>

struct net_device;
struct net_devices {
	struct net_device *v;
	size_t n;
	int home, away; /* our network namespace, and the container's; -1: nothing was moved */
};
#define NET_DEVICES_INIT {.home = -1, .away = -1}

/* Before anything is made. own: namespaces_own(). */
int net_devices_check(const struct spec *s, uint64_t own, struct err *e) must_use;
/* Moves them into the network namespace of a process, or `ns` when it is not -1; all of them or none. */
int net_devices_move(const struct spec *s, pid_t pid, int ns, struct net_devices *ret, struct err *e) must_use;
/* Takes them back, as they were, as far as that goes: the container did not come to be. */
void net_devices_return(struct net_devices *d);
void net_devices_drop(struct net_devices *d);
