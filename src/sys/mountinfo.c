/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/mountinfo.h"

#include "base/fd.h"
#include "base/path.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/sysmacros.h>

void mountinfo_drop(struct mountinfo *m)
{
	arena_drop(&m->arena);
	*m = (struct mountinfo){};
}

/* Blanks, line breaks and backslashes are written as \040 and the like. */
static char *unescape(char *s)
{
	char *to = s;
	for (const char *p = s; *p; to++) {
		bool octal = p[0] == '\\' && p[1] >= '0' && p[1] <= '3' && p[2] >= '0' && p[2] <= '7' && p[3] >= '0' && p[3] <= '7';
		*to = octal ? (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0')) : *p;
		p += octal ? 4 : 1;
	}
	*to = 0;
	return s;
}

/* 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue */
static int parse_line(char *line, struct mountinfo_row *row, struct err *e)
{
	enum { ID, PARENT, DEV, ROOT, POINT, OPTIONS, FIXED };
	char *f[FIXED] = {}, *rest = line, *end;
	for (int i = 0; i < FIXED; i++)
		if (!(f[i] = strsep(&rest, " ")))
			return err_set(e, ERR_CORRUPT, "mountinfo: a line of %d fields", i);
	char *tag;
	do
		tag = strsep(&rest, " ");
	while (tag && strcmp(tag, "-") != 0);
	char *type = tag ? strsep(&rest, " ") : NULL;
	unsigned long major = strtoul(f[DEV], &end, 10);
	if (!type || *end != ':')
		return err_set(e, ERR_CORRUPT, "mountinfo: a line that is no mount's");
	row->id = strtoull(f[ID], NULL, 10);
	row->parent = strtoull(f[PARENT], NULL, 10);
	row->dev = makedev((unsigned)major, (unsigned)strtoul(end + 1, NULL, 10));
	row->root = unescape(f[ROOT]);
	row->point = unescape(f[POINT]);
	row->type = type;
	return 0;
}

int mountinfo_parse(const char *text, struct mountinfo *ret, struct err *e)
{
	own(mountinfo) struct mountinfo m = {};
	char *rest = arena_dup(&m.arena, text);
	struct { struct mountinfo_row *v; size_t n; } rows = {};
	for (char *line; (line = strsep(&rest, "\n"));)
		if (*line && parse_line(line, arena_push(&m.arena, &rows), e) < 0)
			return -1;
	m.v = rows.v;
	m.n = rows.n;
	*ret = m;
	m = (struct mountinfo){};
	return 0;
}

int mountinfo_read(const char *path, struct mountinfo *ret, struct err *e)
{
	own(buf) struct buf b = BUF(64 << 20);
	return path_read(AT_FDCWD, path, &b, e) < 0 ? -1 : mountinfo_parse(buf_text(&b), ret, e);
}

const struct mountinfo_row *mountinfo_find(const struct mountinfo *m, uint64_t id)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->v[i].id == id)
			return &m->v[i];
	return NULL;
}
