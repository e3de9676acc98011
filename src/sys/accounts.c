/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/accounts.h"

#include "base/mem.h"
#include "base/num.h"
#include "base/str.h"

#include <ctype.h>
#include <grp.h>
#include <pwd.h>

static bool number_of(const char *text, uint64_t *ret)
{
	struct err ignored = {};
	return isdigit((unsigned char)*text) && num_u64(text, UINT32_MAX - 1, ret, "id", &ignored) == 0;
}

int accounts_user(const char *text, uid_t *ret, gid_t *ret_gid, struct err *e)
{
	uint64_t n;
	bool number = number_of(text, &n);
	const struct passwd *p = number ? ret_gid ? getpwuid((uid_t)n) : NULL : getpwnam(text);
	if (!p && !number)
		return err_set(e, ERR_NOT_FOUND, "no such user: %.60s", text);
	*ret = p ? p->pw_uid : (uid_t)n;
	if (ret_gid)
		*ret_gid = p ? p->pw_gid : (gid_t)n;
	return 0;
}

int accounts_group(const char *text, gid_t *ret, struct err *e)
{
	uint64_t n;
	if (number_of(text, &n)) {
		*ret = (gid_t)n;
		return 0;
	}
	const struct group *g = getgrnam(text);
	if (!g)
		return err_set(e, ERR_NOT_FOUND, "no such group: %.60s", text);
	*ret = g->gr_gid;
	return 0;
}

char *accounts_user_name(uid_t uid)
{
	const struct passwd *p = getpwuid(uid);
	return p ? mem_dup(p->pw_name) : mem_printf("%u", uid);
}

char *accounts_group_name(gid_t gid)
{
	const struct group *g = getgrgid(gid);
	return g ? mem_dup(g->gr_name) : mem_printf("%u", gid);
}

bool accounts_is_member(uid_t uid, gid_t gid)
{
	const struct passwd *p = getpwuid(uid);
	if (!p)
		return false;
	if (p->pw_gid == gid)
		return true;
	own(mem) char *name = mem_dup(p->pw_name);
	const struct group *g = getgrgid(gid);
	for (size_t i = 0; g && g->gr_mem[i]; i++)
		if (strcmp(g->gr_mem[i], name) == 0)
			return true;
	return false;
}
