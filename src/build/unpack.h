/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unpack: a tar, compressed or not, as files of a directory that is only ours: files, directories, symlinks and hard links; devices are
 * passed over. Owners are not kept: in a context they do not count.
 */
#pragma once

#include "codec/stream.h"

/* A name with .. is ERR_CORRUPT; symlinks of the archive lead nowhere outside of dir. */
int unpack_tar(struct stream *below, int dir, struct err *e) must_use;
