/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verbs: one file each.
 */
#pragma once

#include "base/opt.h"

extern const struct cmd oci_create_verb, oci_start_verb, oci_state_verb, oci_kill_verb, oci_delete_verb, oci_run_verb, oci_exec_verb, oci_ps_verb,
	oci_pause_verb, oci_resume_verb, oci_list_verb, oci_mounts_verb, oci_spec_verb, oci_features_verb;
extern const struct cmd oci_checkpoint_verb, oci_restore_verb, oci_update_verb, oci_events_verb;

/* The ids that an extended regular expression fits, as crun's --regex. */
int oci_match_ids(const char *pattern, struct strv *ret, struct err *e) must_use;
