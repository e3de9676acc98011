/* SPDX-License-Identifier: Apache-2.0 */
/*
 * accounts: users and groups of this machine by name and number, as its own libc knows them (passwd(5), group(5), nsswitch).
 */
#pragma once

#include "base/err.h"

#include <sys/types.h>

/* A number is taken as it is, a name is looked up. ERR_NOT_FOUND: there is no such user or group. ret_gid may be NULL: the user's group. */
int accounts_user(const char *text, uid_t *ret, gid_t *ret_gid, struct err *e) must_use;
int accounts_group(const char *text, gid_t *ret, struct err *e) must_use;
/* The name, or the number where there is none. */
char *accounts_user_name(uid_t uid) must_use;
char *accounts_group_name(gid_t gid) must_use;
/* Is the user a member of the group, by /etc/group or because it is his own? */
bool accounts_is_member(uid_t uid, gid_t gid);
