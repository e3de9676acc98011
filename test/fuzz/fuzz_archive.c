/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file of images: what is taken lies inside the file, has ids that are digests and names that are references.
 * fuzz: image
 */
#include "image/archive.h"

#include "base/fd.h"
#include "codec/digest.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x) ((x) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	own(archive) struct archive a = {.fd = -1, .dir = -1};
	own(fd) int fd = memfd_create("archive", MFD_CLOEXEC);
	own(fd) int scratch = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct err e = {};
	CHECK(fd >= 0 && fd_write_all(fd, data, size) == 0 && lseek(fd, 0, SEEK_SET) == 0);
	if (archive_open(&a, NULL, fd, scratch, NULL, &e) < 0) {
		CHECK(e.kind != ERR_NONE && *e.text);
		return 0;
	}
	CHECK(a.images.n > 0);
	for (size_t i = 0; i < a.images.n; i++) {
		const struct archive_image *x = &a.images.v[i];
		CHECK(digest_is_valid(x->record.id) && x->layers.n == x->config.rootfs.diff_ids.n);
		for (size_t k = 0; k < x->layers.n; k++) {
			off_t end = lseek(x->layers.v[k].fd, 0, SEEK_END);
			CHECK(x->layers.v[k].offset + x->layers.v[k].length <= (uint64_t)end);
		}
		for (size_t k = 0; k < x->names.n; k++) {
			struct ref r;
			CHECK(ref_parse(x->names.v[k], &r, &e) == 0 && *r.tag && !*r.digest);
		}
	}
	return 0;
}
