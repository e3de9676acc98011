/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tty: terminals: raw mode and back, window sizes.
 */
#pragma once

#include "base/err.h"

#include <termios.h>

struct tty_mode { int fd; struct termios before; bool changed; };
/* Raw mode on fd (a terminal), to be undone by tty_restore (also own(tty_mode)). */
int tty_raw(int fd, struct tty_mode *ret, struct err *e) must_use;
void tty_restore(struct tty_mode *m);
void tty_mode_drop(struct tty_mode *m);
bool tty_get_size(int fd, unsigned short *rows, unsigned short *cols);
int tty_set_size(int fd, unsigned short rows, unsigned short cols);
