/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct err_map maps[ERR_KINDS] = {
	[ERR_NONE] = {"none", 0, 200, 0},
	[ERR_USAGE] = {"usage", 125, 400, 3},
	[ERR_NOT_FOUND] = {"not found", 1, 404, 5},
	[ERR_EXISTS] = {"exists", 1, 409, 6},
	[ERR_CONFLICT] = {"conflict", 1, 409, 9},
	[ERR_DENIED] = {"denied", 1, 403, 7},
	[ERR_UNSUPPORTED] = {"unsupported", 1, 501, 12},
	[ERR_LIMIT] = {"limit", 1, 507, 8},
	[ERR_TIMEOUT] = {"timeout", 1, 504, 4},
	[ERR_REMOTE] = {"remote", 1, 502, 14},
	[ERR_CORRUPT] = {"corrupt", 1, 500, 15},
	[ERR_SYSTEM] = {"system", 1, 500, 13},
	[ERR_NOEXEC] = {"cannot execute", 126, 400, 9},
	[ERR_NOCMD] = {"command not found", 127, 400, 9},
	[ERR_BUG] = {"bug", 1, 500, 13},
};

static const struct {
	int sys;
	enum err_kind kind;
} kinds[] = {
	{ENOENT, ERR_NOT_FOUND}, {ESRCH, ERR_NOT_FOUND}, {EEXIST, ERR_EXISTS}, {EBUSY, ERR_CONFLICT},
	{EACCES, ERR_DENIED}, {EPERM, ERR_DENIED}, {EROFS, ERR_DENIED}, {ENOSYS, ERR_UNSUPPORTED},
	{EOPNOTSUPP, ERR_UNSUPPORTED}, {ENOSPC, ERR_LIMIT}, {EDQUOT, ERR_LIMIT}, {EMFILE, ERR_LIMIT},
	{ENFILE, ERR_LIMIT}, {ENOMEM, ERR_LIMIT}, {ENAMETOOLONG, ERR_LIMIT}, {EFBIG, ERR_LIMIT},
	{ETIMEDOUT, ERR_TIMEOUT},
};

const struct err_map *err_map(enum err_kind kind)
{
	return &maps[kind < ERR_KINDS ? kind : ERR_BUG];
}

enum err_kind err_kind_of(int sys)
{
	for (size_t i = 0; i < countof(kinds); i++)
		if (kinds[i].sys == sys)
			return kinds[i].kind;
	return ERR_SYSTEM;
}

void err_set_(struct err *e, enum err_kind kind, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char text[sizeof e->text];
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	e->kind = kind;
	e->sys = 0;
	memcpy(e->text, text, sizeof text);
}

void err_sys_(struct err *e, const char *fmt, ...)
{
	int sys = errno;
	va_list ap;
	va_start(ap, fmt);
	char text[sizeof e->text];
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	size_t n = strlen(text);
	snprintf(text + n, sizeof text - n, ": %s", strerror(sys));
	e->kind = err_kind_of(sys);
	e->sys = sys;
	memcpy(e->text, text, sizeof text);
	errno = sys;
}

void err_wrap_(struct err *e, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char text[sizeof e->text];
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	size_t n = strlen(text);
	snprintf(text + n, sizeof text - n, ": %s", e->text);
	memcpy(e->text, text, sizeof text);
}
