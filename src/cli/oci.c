/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oci: `hull oci VERB`: the OCI runtime, as the program hull-runtime is it, with that one's words.
 */
#include "cli/commands.h"

#include "oci/oci.h"

struct cmd cmd_oci;

static int run(void *opts unused, int argc, char **argv, struct err *e unused)
{
	return oci_main("hull oci", argc, argv);
}

void oci_command_fill(void)
{
	cmd_oci = oci_program;
	cmd_oci.name = "oci";
	cmd_oci.flags |= CMD_RAW;
	cmd_oci.run = run;
	cmd_oci.examples = "$ hull oci spec\n$ hull oci run --bundle . web\n$ hull oci list";
}
