/* SPDX-License-Identifier: Apache-2.0 */
#include "build/mode.h"

#include <string.h>

static int bad(const char *text, struct err *e)
{
	return err_set(e, ERR_USAGE, "invalid mode \"%.40s\": as in 644 or u=rwX,go=rX", text);
}

static int octal(const char *text, uint32_t *ret, struct err *e)
{
	uint32_t m = 0;
	for (const char *p = text; *p; p++) {
		if (*p < '0' || *p > '7')
			return bad(text, e);
		m = m * 8 + (uint32_t)(*p - '0');
		if (m > 07777)
			return bad(text, e);
	}
	*ret = m;
	return 0;
}

/* One clause: who, then operators with their letters. Moves *at behind it. */
static bool clause(const char **at, uint32_t *mode, bool is_dir)
{
	const char *p = *at;
	uint32_t who = 0;
	for (; *p && strchr("ugoa", *p); p++)
		who |= *p == 'u' ? 04700 : *p == 'g' ? 02070 : *p == 'o' ? 01007 : 07777;
	if (!who)
		who = 07777;
	if (!*p || !strchr("+-=", *p))
		return false;
	while (*p && strchr("+-=", *p)) {
		char op = *p++;
		uint32_t bits = 0;
		for (; *p && strchr("rwxXstugo", *p); p++) {
			uint32_t three = 0;
			switch (*p) {
			case 'r': three = 4; break;
			case 'w': three = 2; break;
			case 'x': three = 1; break;
			case 'X': three = is_dir || *mode & 0111 ? 1 : 0; break;
			case 's': bits |= who & 06000; continue;
			case 't': bits |= 01000; continue;
			case 'u': three = *mode >> 6 & 7; break;
			case 'g': three = *mode >> 3 & 7; break;
			default: three = *mode & 7;
			}
			bits |= (three << 6 | three << 3 | three) & who;
		}
		if (op == '+')
			*mode |= bits;
		else if (op == '-')
			*mode &= ~bits;
		else
			*mode = (*mode & ~who) | bits;
	}
	*at = p;
	return true;
}

int mode_change(const char *text, uint32_t mode, bool is_dir, uint32_t *ret, struct err *e)
{
	if (!*text)
		return bad(text, e);
	if (*text >= '0' && *text <= '9')
		return octal(text, ret, e);
	mode &= 07777;
	for (const char *p = text;; p++) {
		if (!clause(&p, &mode, is_dir) || (*p && *p != ','))
			return bad(text, e);
		if (!*p)
			break;
	}
	*ret = mode;
	return 0;
}
