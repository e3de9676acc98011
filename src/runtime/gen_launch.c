/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gen_launch: run while hull is built: prints the launch program (its argument) as an array, with the place of the plan in
 * it, so that hull carries it inside its own file.
 */
#include "base/base.h"
#include "runtime/launch.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	static unsigned char image[1 << 20];
	FILE *f = argc == 2 ? fopen(argv[1], "rb") : NULL;
	size_t n = f ? fread(image, 1, sizeof image, f) : 0, plan = 0, found = 0;
	for (size_t i = 0; i + sizeof(struct launch_plan) <= n; i++)
		if (memcmp(image + i, LAUNCH_MAGIC, sizeof LAUNCH_MAGIC - 1) == 0) {
			plan = i;
			found++;
		}
	if (found != 1 || n == sizeof image) {
		fprintf(stderr, "gen_launch: %s: %zu plans in %zu bytes\n", argc == 2 ? argv[1] : "", found, n);
		return 1;
	}
	printf("/* made by gen_launch */\n#pragma once\n\n#define LAUNCH_PLAN_AT %zu\n\nstatic const unsigned char launch_image[] = {", plan);
	/* What follows the plan in the file (section headers) is of no use to the kernel. */
	for (size_t i = 0; i < plan + sizeof(struct launch_plan); i++)
		printf("%s%u,", i % 32 ? "" : "\n\t", image[i]);
	printf("\n};\n");
	return 0;
}
