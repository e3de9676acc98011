/* SPDX-License-Identifier: Apache-2.0 */
/*
 * partial_stream: a blob whose beginning is in a file, and whose rest comes from elsewhere; what comes is added to the file.
 */
#pragma once

#include "codec/stream.h"

/* The first `bytes` of file, then fd to its end. A file that cannot be written to (a full disk) is emptied and left alone. */
struct stream *partial_stream(int file, uint64_t bytes, int fd) must_use;
