/* SPDX-License-Identifier: Apache-2.0 */
/* reset: hull as it was before its first command. */
#pragma once

#include "engine/container.h"

/* Ends and removes all containers, and removes all that is kept: images, volumes, networks, build cache, secrets, events. What lies beside hull's own
 * files in its directories stays. ERR_CONFLICT while another command makes an image or a container. */
int system_reset(struct engine *g, struct err *e) must_use;
