/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay_mark: the numbers by which the kernel tells a relay's packets from others, for relay.c, which sets them, and relay_keep.c, which makes the
 * rules that look at them.
 */
#pragma once

/* Of a relay's packets; of a connection that a relay began; the table of routes for the latter. */
enum { RELAY_MARK = 0x68726c79, RELAY_ANSWERS = 0x68726c61, RELAY_TABLE = 104 };
