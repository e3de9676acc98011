/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/build_log.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* Names are as long as each other, so that they sort by time. */
static int list(int root, struct strv *ret, struct err *e)
{
	int dir = path_open_dir(root, "build/logs", e);
	if (dir < 0 || path_list(dir, ".", ret, e) < 0)
		return dir < 0 ? -1 : (close(dir), -1);
	strv_sort(ret);
	return dir;
}

int build_log_new(int root)
{
	own(strv) struct strv names = {};
	struct err none = {};
	char name[32];
	if ((mkdirat(root, "build", 0700) < 0 && errno != EEXIST) || (mkdirat(root, "build/logs", 0700) < 0 && errno != EEXIST))
		return -1;
	own(fd) int dir = list(root, &names, &none);
	if (dir < 0)
		return -1;
	for (size_t i = 0; i + BUILD_LOGS_KEPT <= names.n; i++)
		(void)!unlinkat(dir, names.v[i], 0);
	snprintf(name, sizeof name, "%020lld", (long long)num_now_ns());
	return openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

int build_log_open(int root, unsigned n, struct err *e)
{
	own(strv) struct strv names = {};
	struct err none = {};
	own(fd) int dir = list(root, &names, &none);
	if (dir < 0 || n == 0 || n > names.n)
		return err_set(e, ERR_NOT_FOUND, "there is no log of a build of that number: 1 is the last one, and builds that came from the cache have none");
	int fd = openat(dir, names.v[names.n - n], O_RDONLY | O_CLOEXEC);
	return fd < 0 ? err_sys(e, "log of a build") : fd;
}
