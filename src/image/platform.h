/* SPDX-License-Identifier: Apache-2.0 */
/*
 * platform: which image of several is for a machine: "os/arch[/variant]" as docker and containerd write it, with
 * their aliases (x86_64, aarch64, armhf …) and their order of variants: arm64 takes v8, then 32-bit arm v8, v7, v6,
 * v5; amd64 takes the highest x86-64 level that the machine has, then 386. What was asked for by name takes lower
 * variants of the same architecture only. Entries such as unknown/unknown (attestations) match nothing.
 */
#pragma once

#include "image/types.h"

#include <errno.h>
#include <sys/types.h>

enum { PLATFORM_TEXT = 200 };
struct platform_want {
	char os[32], architecture[32], variant[32];
	bool is_asked; /* by name: no other architecture stands in for it */
	bool has_variant; /* the variant was named, not found out */
};
/* "linux/arm64/v8", "arm64", "linux"; NULL or "": this machine's. ERR_USAGE. */
int platform_parse(const char *text, struct platform_want *ret, struct err *e) must_use;
/* -1: not for it; else the lower the better. A part that `have` leaves empty matches, but worse. */
int platform_rank(const struct platform_want *want, const char *os, const char *architecture, const char *variant);
/* Is an image of the platform that was asked for ("" or NULL: not asked)? ERR_NOT_FOUND, says what it is; e->sys is PLATFORM_OTHER. */
enum { PLATFORM_OTHER = ENOEXEC };
int platform_check(const char *asked, const char *os, const char *architecture, const char *variant, struct err *e) must_use;
/* The best of an index; -1: none. */
ssize_t platform_choose(const struct platform_want *want, const struct image_index *index);
char *platform_format(const char *os, const char *architecture, const char *variant, char out[PLATFORM_TEXT]);
char *platform_format_want(const struct platform_want *want, char out[PLATFORM_TEXT]);
/* "linux/amd64, linux/arm64/v8": what an index has, for an error's text. */
void platform_list(const struct image_index *index, struct buf *out);
