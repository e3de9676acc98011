/* SPDX-License-Identifier: Apache-2.0 */
/*
 * interrupt: SIGINT, SIGTERM, SIGHUP and SIGQUIT end a build in order: what runs is ended, what was made for it goes.
 */
#pragma once

#include "base/err.h"

#include <poll.h>

void interrupt_catch(void);
bool interrupt_came(void);
/* Like poll(); -1 with EINTR when an interrupt comes, also when it came before, or in the moment between a look and the wait. */
int interrupt_poll(struct pollfd *f, nfds_t n, int ms);
