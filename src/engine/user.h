/* SPDX-License-Identifier: Apache-2.0 */
/*
 * user: "user[:group]" of -u or an image's USER, looked up in the container's own /etc/passwd and /etc/group
 * (never the host's, and without libc's name service). Numbers are decimal, at most 2^31 - 1.
 */
#pragma once

#include "base/mem.h"
#include "codec/jmap.h"

struct user {
	uint32_t uid, gid;
	struct u32v groups; /* supplementary: of the user's name in /etc/group */
	char *home;         /* from /etc/passwd, NULL when it has none */
};
/* The form alone, before there is a root file system: "USER[:GROUP]", numbers in range. A colon with nothing behind it is
 * taken as none, as docker does; nothing before it is refused: it would silently mean root. */
int user_check(const char *text, struct err *e) must_use;
/* root: fd of the root file system. text "" is root. Results live in the arena. */
int user_lookup(int root, const char *text, struct arena *a, struct user *ret, struct err *e) must_use;
/* One group by name or number, for --group-add. */
int user_lookup_group(int root, const char *text, uint32_t *ret, struct err *e) must_use;
