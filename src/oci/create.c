/* SPDX-License-Identifier: Apache-2.0 */
/*
 * create: a container that waits for `start` (runtime.md, "Create").
 */
#include "oci/bundle.h"
#include "oci/verbs.h"

static const struct opt options[] = {OCI_CREATE_OPTIONS(struct oci_create_options, )};

static int create(void *opts, int argc unused, char **argv, struct err *e)
{
	struct oci_creation x __attribute__((cleanup(oci_creation_drop))) = OCI_CREATION_EMPTY;
	return oci_create(argv[0], opts, true, &x, e);
}

const struct cmd oci_create_verb = {"create", "ID", "Make a container that waits for its start", options, countof(options),
	sizeof(struct oci_create_options), 1, 1, create};
