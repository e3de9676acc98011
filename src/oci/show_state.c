/* SPDX-License-Identifier: Apache-2.0 */
/*
 * show_state: the verb `state` (runtime.md, "Query State").
 */
#include "codec/json.h"
#include "oci/state.h"
#include "oci/verbs.h"

static int show(void *opts unused, int argc unused, char **argv, struct err *e)
{
	own(oci_container) struct oci_container c = OCI_CONTAINER_EMPTY;
	own(buf) struct buf b = {};
	if (oci_container_open(argv[0], 0, &c, e) < 0)
		return -1;
	own(json) struct json *j = oci_state_document(&c);
	json_format(j, 2, &b);
	buf_char(&b, '\n');
	return oci_print(&b, e);
}

const struct cmd oci_state_verb = {"state", "ID", "Print a container's state as JSON", NULL, 0, 0, 1, 1, show, .complete = "@id"};
