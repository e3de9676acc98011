/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/tty.h"

#include <sys/ioctl.h>
#include <unistd.h>

int tty_raw(int fd, struct tty_mode *ret, struct err *e)
{
	struct tty_mode m = {.fd = fd};
	if (tcgetattr(fd, &m.before) < 0)
		return err_sys(e, "terminal");
	struct termios raw = m.before;
	cfmakeraw(&raw);
	if (tcsetattr(fd, TCSANOW, &raw) < 0)
		return err_sys(e, "terminal");
	m.changed = true;
	*ret = m;
	return 0;
}

void tty_restore(struct tty_mode *m)
{
	if (m->changed)
		tcsetattr(m->fd, TCSADRAIN, &m->before);
	m->changed = false;
}

void tty_mode_drop(struct tty_mode *m)
{
	tty_restore(m);
}

bool tty_get_size(int fd, unsigned short *rows, unsigned short *cols)
{
	struct winsize w;
	if (ioctl(fd, TIOCGWINSZ, &w) < 0)
		return false;
	*rows = w.ws_row;
	*cols = w.ws_col;
	return true;
}

int tty_set_size(int fd, unsigned short rows, unsigned short cols)
{
	struct winsize w = {.ws_row = rows, .ws_col = cols};
	return ioctl(fd, TIOCSWINSZ, &w);
}
