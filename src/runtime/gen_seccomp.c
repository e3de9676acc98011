/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gen_seccomp: run while hull is built: prints the default profile for docker's fourteen capabilities as an array of
 * instructions, so that a start neither compiles nor reads it.
 */
#include "runtime/seccomp.h"

#include <linux/filter.h>
#include <stdio.h>

int main(void)
{
	struct arena a = {};
	struct strv caps = {};
	struct spec_seccomp s = {};
	struct seccomp_filter f = {};
	struct err e = {};
	seccomp_default_caps(&a, &caps);
	if (seccomp_default_rules(&caps, &a, &s, &e) < 0 || seccomp_compile_rules(&s, &f, &e) < 0) {
		fprintf(stderr, "gen_seccomp: %s\n", e.text);
		return 1;
	}
	const struct sock_filter *v = f.insns;
	printf("/* made by gen_seccomp */\n#pragma once\n\n#include <linux/filter.h>\n\n"
	       "static const struct sock_filter seccomp_builtin[] = {\n");
	for (size_t i = 0; i < f.n; i++)
		printf("\t{0x%04x, %u, %u, 0x%08x},\n", v[i].code, v[i].jt, v[i].jf, v[i].k);
	printf("};\n");
	mem_drop(&f.insns);
	arena_drop(&a);
	return 0;
}
