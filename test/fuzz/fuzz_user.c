/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "user[:group]" (the first line) looked up in an image's passwd and group (the rest, as both). Whatever they hold, ids stay in range, and what is
 * taken has the form that is promised.
 * fuzz: engine/user.c
 */
#include "engine/user.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x) ((x) ? (void)0 : abort())

static char dir[] = "/tmp/hull-fuzz-user-XXXXXX";
static int root = -1;

static void leave(void)
{
	unlinkat(root, "etc/passwd", 0);
	unlinkat(root, "etc/group", 0);
	unlinkat(root, "etc", AT_REMOVEDIR);
	rmdir(dir);
}

static void put(const char *name, const char *text)
{
	int fd = openat(root, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	own(arena) struct arena a = {};
	own(mem) char *text = mem_ndup((const char *)data, size);
	struct user u = {};
	struct err e = {}, form = {};
	uint32_t gid;
	if (root < 0) {
		CHECK(mkdtemp(dir) && (root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) >= 0 && mkdirat(root, "etc", 0755) == 0);
		atexit(leave);
	}
	char *rest = strchr(text, '\n');
	if (rest)
		*rest++ = 0;
	put("etc/passwd", rest ? rest : "");
	put("etc/group", rest ? rest : "");
	bool good = user_check(text, &form) == 0;
	CHECK(good || (form.kind && *form.text));
	if (user_lookup(root, text, &a, &u, &e) < 0) {
		CHECK(e.kind && *e.text);
		return 0;
	}
	CHECK(good || !*text);
	CHECK(u.uid <= INT32_MAX && u.gid <= INT32_MAX);
	for (size_t i = 0; i < u.groups.n; i++)
		CHECK(u.groups.v[i] <= INT32_MAX);
	e = (struct err){};
	CHECK(user_lookup_group(root, text, &gid, &e) == 0 ? gid <= INT32_MAX : e.kind && *e.text);
	return 0;
}
