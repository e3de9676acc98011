/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay: runs a fuzz harness on every file of its corpus, as a plain test that needs no clang.
 * usage: fuzz_NAME CORPUS_DIR. Prints TAP.
 */
#include "base/buf.h"
#include "base/path.h"
#include "base/str.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int argc, char **argv)
{
	own(strv) struct strv names = {};
	DIR *d = argc == 2 ? opendir(argv[1]) : NULL;
	if (!d) {
		fprintf(stderr, "usage: %s CORPUS_DIR\n", argv[0]);
		return 2;
	}
	for (struct dirent *ent; (ent = readdir(d));)
		if (*ent->d_name != '.')
			strv_add(&names, ent->d_name);
	closedir(d);
	strv_sort(&names);
	printf("1..%zu\n", names.n);
	for (size_t i = 0; i < names.n; i++) {
		struct err e = {};
		own(buf) struct buf b = {};
		own(mem) char *path = path_join(argv[1], names.v[i]);
		if (path_read(AT_FDCWD, path, &b, &e) < 0) {
			fprintf(stderr, "%s\n", e.text);
			return 1;
		}
		LLVMFuzzerTestOneInput((const uint8_t *)buf_text(&b), b.len);
		printf("ok %zu - %s\n", i + 1, names.v[i]);
		fflush(stdout);
	}
	return names.n ? 0 : 1;
}
