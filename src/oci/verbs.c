/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verbs: in the order of help.
 */
#include "oci/verbs.h"

#include "base/fd.h"
#include "base/path.h"
#include "oci/oci.h"

#include <regex.h>

const struct cmd *const oci_verbs[] = {
	&oci_create_verb,
	&oci_start_verb,
	&oci_state_verb,
	&oci_kill_verb,
	&oci_delete_verb,
	&oci_run_verb,
	&oci_exec_verb,
	&oci_ps_verb,
	&oci_pause_verb,
	&oci_resume_verb,
	&oci_update_verb,
	&oci_events_verb,
	&oci_mounts_verb,
	&oci_list_verb,
	&oci_spec_verb,
	&oci_features_verb,
	&oci_checkpoint_verb,
	&oci_restore_verb,
	NULL,
};

int oci_match_ids(const char *pattern, struct strv *ret, struct err *e)
{
	own(strv) struct strv all = {};
	own(fd) int root = oci_open_root(e);
	regex_t re;
	if (root < 0 || path_list(root, ".", &all, e) < 0)
		return -1;
	if (regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB) != 0)
		return err_set(e, ERR_USAGE, "invalid regular expression \"%.80s\"", pattern);
	strv_sort(&all);
	for (size_t i = 0; i < all.n; i++)
		if (all.v[i][0] != '.' && regexec(&re, all.v[i], 0, NULL, 0) == 0)
			strv_add(ret, all.v[i]);
	regfree(&re);
	return 0;
}
