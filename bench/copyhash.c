/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copyhash: what a COPY of a tree cannot do without. usage: copyhash SOURCE DIR|FILE
 *
 * One walk; every file is opened, looked at, read once, hashed (all of it one sha256, by libcrypto) and written: below DIR under its own
 * name, when that is a directory, as builders that keep their contexts as files do; else all of them one after another into FILE, as a
 * layer is written.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char room[256 << 10];

static int copy(const char *path, int out, EVP_MD_CTX *sum)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t n = fd < 0 || fstat(fd, &st) < 0 ? -1 : 1;
	while (n > 0 && (n = read(fd, room, sizeof room)) > 0)
		if (!EVP_DigestUpdate(sum, room, (size_t)n) || write(out, room, (size_t)n) != n)
			n = -1;
	if (fd >= 0)
		close(fd);
	return (int)n;
}

int main(int argc, char **argv)
{
	struct stat st;
	if (argc != 3)
		return 2;
	char *roots[] = {argv[1], NULL}, to[PATH_MAX];
	int each = stat(argv[2], &st) == 0 && S_ISDIR(st.st_mode), all = each ? -1 : open(argv[2], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	EVP_MD_CTX *sum = EVP_MD_CTX_new();
	FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	if ((!each && all < 0) || !sum || !walk || !EVP_DigestInit_ex(sum, EVP_sha256(), NULL))
		return perror("copyhash"), 1;
	for (FTSENT *f; (f = fts_read(walk));) {
		snprintf(to, sizeof to, "%s%s", argv[2], f->fts_path + strlen(argv[1]));
		if (f->fts_info == FTS_D && each)
			mkdir(to, 0755);
		if (f->fts_info != FTS_F)
			continue;
		int out = each ? open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644) : all;
		if (out < 0 || copy(f->fts_accpath, out, sum) < 0)
			return perror(to), 1;
		if (each)
			close(out);
	}
	unsigned char digest[EVP_MAX_MD_SIZE];
	return EVP_DigestFinal_ex(sum, digest, NULL) ? 0 : 1;
}
