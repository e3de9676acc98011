/* SPDX-License-Identifier: Apache-2.0 */
/*
 * launch: the program between hull and the container's command (launch.c): the few instructions that call execve,
 * and, when asked for, the container's init.
 *
 * Why it exists: whoever controls the image decides what "the command" is, and a command that leads back to
 * /proc/self/exe (a symlink, a #! line, an ELF interpreter) would run, and hand to the container an open file of, the
 * executable that called execve (CVE-2019-5736). So hull itself never does: it executes a private copy of this program,
 * 5 KiB in a sealed memory file, and that one executes the command. Running hull again from a read-only mount would
 * protect it too, at ten times the cost.
 *
 * Included by launch.c, which is built without libc: plain types only.
 */
#pragma once

enum { LAUNCH_PATH = 4096, LAUNCH_LABEL = 512, LAUNCH_LABELS = 2 /* AppArmor's and SELinux's */ };
enum { LAUNCH_OF_LABEL = 1 << 12 }; /* in a failure, above every errno: a label was refused */
#define LAUNCH_MAGIC "hull launch plan"

/* The last object in the program's file; hull fills it in before the program is executed. */
struct launch_plan {
	char magic[16];
	int report;       /* gets a struct launch_failure when execve fails; closed by execve otherwise */
	int is_init;      /* run the command as a child: forward signals to it, reap what is orphaned, end as it ends */
	int label_dir;    /* -1, or the root of a procfs of ours: the labels' files are below it */
	int skip;         /* words of argv that are not the command's */
	struct {
		char file[64]; /* "": none */
		char text[LAUNCH_LABEL];
	} label[LAUNCH_LABELS];
	int failure;      /* errno; with the path behind it a struct launch_failure */
	char path[LAUNCH_PATH];
};

struct launch_failure {
	int failure;
	char path[LAUNCH_PATH];
};
