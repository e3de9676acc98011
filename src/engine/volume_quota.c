/* SPDX-License-Identifier: Apache-2.0 */
/*
 * volume_quota: a project of the file system's (quotactl(2), PRJQUOTA) for each volume with a size or a number of files: ext4 with the features
 * project and quota, or xfs, mounted with prjquota. The volume's directory belongs to it and hands it on to what is made in it. The number is made
 * up; one that has a limit or use already is another's.
 */
#include "engine/volume_record.h"

#include "base/num.h"

#include <errno.h>
#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PROJECT_FIRST = 0x40000000, TRIES = 64, BLOCK = 1024 };

static int quota(int dir, unsigned cmd, uint32_t project, struct if_dqblk *q)
{
	return (int)syscall(SYS_quotactl_fd, dir, QCMD(cmd, PRJQUOTA), project, q);
}

static int limit(int dir, uint32_t project, const struct volume_wish *w)
{
	uint64_t blocks = (w->bytes + BLOCK - 1) / BLOCK;
	struct if_dqblk q = {.dqb_bhardlimit = blocks, .dqb_bsoftlimit = blocks, .dqb_ihardlimit = w->inodes, .dqb_isoftlimit = w->inodes,
		.dqb_valid = QIF_LIMITS};
	return quota(dir, Q_SETQUOTA, project, &q);
}

static uint32_t unused_project(int dir)
{
	char id[ID_LEN + 1];
	for (int i = 0; i < TRIES; i++) {
		uint32_t n = 0;
		num_random_id(id);
		for (int k = 0; k < 7; k++)
			n = n * 16 + (uint32_t)(id[k] <= '9' ? id[k] - '0' : id[k] - 'a' + 10);
		struct if_dqblk q = {};
		int r = quota(dir, Q_GETQUOTA, PROJECT_FIRST + n, &q);
		if (r < 0 ? errno == ENOENT || errno == ESRCH : !q.dqb_bhardlimit && !q.dqb_ihardlimit && !q.dqb_curspace)
			return PROJECT_FIRST + n;
		if (errno != ENOENT && errno != 0)
			break;
	}
	return 0;
}

/* xfs has commands of its own for what it keeps; limits are set and read as everywhere. */
static bool has_quotas(int dir)
{
	uint32_t format;
	struct fs_quota_stat xfs = {};
	return syscall(SYS_quotactl_fd, dir, QCMD(Q_GETFMT, PRJQUOTA), 0, &format) == 0 ||
		(syscall(SYS_quotactl_fd, dir, QCMD(Q_XGETQSTAT, PRJQUOTA), 0, &xfs) == 0 && xfs.qs_flags & FS_QUOTA_PDQ_ENFD);
}

int volume_quota_set(struct engine *g, int dir, const struct volume_wish *w, uint32_t *ret_project, struct err *e)
{
	struct fsxattr x = {};
	if (!has_quotas(dir) || ioctl(dir, FS_IOC_FSGETXATTR, &x) < 0)
		return err_set(e, ERR_UNSUPPORTED, "a quota: the file system of %.200s keeps no quotas of projects: that needs ext4 (made with "
			"-O project,quota) or xfs, mounted with prjquota; a volume in memory has a size with type=tmpfs", g->root_path);
	errno = 0;
	uint32_t project = unused_project(dir);
	if (!project || limit(dir, project, w) < 0)
		return err_sys(e, "set its quota");
	x.fsx_projid = project;
	x.fsx_xflags |= FS_XFLAG_PROJINHERIT;
	if (ioctl(dir, FS_IOC_FSSETXATTR, &x) < 0)
		return err_sys(e, "give it a project");
	*ret_project = project;
	return 0;
}

void volume_quota_clear(int dir, uint32_t project)
{
	struct volume_wish none = {};
	if (project)
		(void)!limit(dir, project, &none);
}
