/* SPDX-License-Identifier: Apache-2.0 */
#include "snap/name.h"

#include "base/path.h"
#include "snap/snap.h"
#include "snap/whiteout.h"

#include <stdio.h>
#include <string.h>

const char *name_shown(const char *name, char out[100])
{
	size_t n = 0;
	for (; name[n] && n < 90; n++)
		out[n] = (unsigned char)name[n] < ' ' || name[n] == 0x7f ? '?' : name[n];
	snprintf(out + n, 100 - n, "%s", name[n] ? "..." : "");
	return out;
}

int name_clean(const char *raw, char out[PATH_MAX], struct err *e)
{
	size_t n = 0;
	unsigned depth = 0;
	for (const char *p = raw; *p;) {
		size_t len = strcspn(p, "/");
		if (len == 2 && p[0] == '.' && p[1] == '.')
			return err_set(e, ERR_CORRUPT, "a name with \"..\" is refused");
		if (len > NAME_MAX)
			return err_set(e, ERR_CORRUPT, "a part of the name is longer than %d bytes", NAME_MAX);
		if (len && !(len == 1 && *p == '.')) {
			if (n + len + 2 > PATH_MAX)
				return err_set(e, ERR_CORRUPT, "the name is longer than %d bytes", PATH_MAX - 1);
			if (++depth > SNAP_MAX_DEPTH)
				return err_set(e, ERR_LIMIT, "more than %d directories deep", SNAP_MAX_DEPTH);
			if (n)
				out[n++] = '/';
			memcpy(out + n, p, len);
			n += len;
		}
		p += len;
		p += *p == '/';
	}
	out[n] = 0;
	return 0;
}

size_t name_parent(const char *clean)
{
	const char *slash = strrchr(clean, '/');
	return slash ? (size_t)(slash - clean) : 0;
}

const char *name_last(const char *clean)
{
	return path_base(clean);
}

int name_judge(const char *clean, bool *ret_meta, struct err *e)
{
	*ret_meta = false;
	const char *last = path_base(clean);
	for (const char *p = clean; *p; p += strcspn(p, "/"), p += *p == '/') {
		if (!str_has_prefix(p, WHITEOUT_PREFIX))
			continue;
		if (str_has_prefix(p, WHITEOUT_META) && !(p == last && str_eq(p, WHITEOUT_OPAQUE)))
			*ret_meta = true;
		else if (p != last)
			return err_set(e, ERR_CORRUPT, "a whiteout cannot be a directory");
	}
	return 0;
}
