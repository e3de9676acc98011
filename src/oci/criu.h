/* SPDX-License-Identifier: Apache-2.0 */
/*
 * criu: what the options of checkpoint and restore have in common.
 */
#pragma once

#include "base/opt.h"
#include "runtime/criu.h"

struct oci_criu_options {
	struct criu_options criu; /* its flags alone */
	char *image_path, *work_path, *cgroups, *network_lock;
	struct strv empty_ns;
};
#define OCI_CRIU_OPTIONS(S, m) \
	{"auto-dedup", 0, OPT_BOOL, offset_of(S, m criu.auto_dedup), NULL, "Drop memory from the parent's files that is in newer ones"}, \
	{"empty-ns", 0, OPT_STRV, offset_of(S, m empty_ns), "KIND", "A namespace whose contents are not saved (network: always so)", 0, "network"}, \
	{"ext-unix-sk", 0, OPT_BOOL, offset_of(S, m criu.ext_unix_sk), NULL, "Allow unix sockets that are connected to the outside"}, \
	{"file-locks", 0, OPT_BOOL, offset_of(S, m criu.file_locks), NULL, "Allow locks of files"}, \
	{"image-path", 0, OPT_STR, offset_of(S, m image_path), "DIR", "Where criu's files are (checkpoint)", 0, "@dir"}, \
	{"lazy-pages", 0, OPT_BOOL, offset_of(S, m criu.lazy_pages), NULL, "Memory is fetched when it is touched (userfaultfd)"}, \
	{"link-remap", 0, OPT_BOOL, offset_of(S, m criu.link_remap), NULL, "Keep files that are open but removed by a link beside their place"}, \
	{"manage-cgroups-mode", 0, OPT_STR, offset_of(S, m cgroups), "MODE", "What criu does with control groups (soft)", 0, "soft full strict ignore"}, \
	{"network-lock", 0, OPT_STR, offset_of(S, m network_lock), "METHOD", "How connections are held meanwhile (iptables)", 0, "iptables nftables skip"}, \
	{"shell-job", 0, OPT_BOOL, offset_of(S, m criu.shell_job), NULL, "Allow a terminal that is the caller's"}, \
	{"tcp-established", 0, OPT_BOOL, offset_of(S, m criu.tcp_established), NULL, "Allow open TCP connections"}, \
	{"work-path", 0, OPT_STR, offset_of(S, m work_path), "DIR", "Where criu's log is (as --image-path)", 0, "@dir"}

struct oci_criu {
	struct criu_options options; /* ready for container_checkpoint() or container_restore() */
	int images, work;            /* directory fds; work: -1 when it is the same */
};
#define OCI_CRIU_EMPTY {.images = -1, .work = -1}
void oci_criu_drop(struct oci_criu *x);
/* Checks the options and opens the directories. make: that of the images, too, is made when it is missing. */
int oci_criu_open(const struct oci_criu_options *o, bool make, struct oci_criu *ret, struct err *e) must_use;
/* Says where the log of a criu that failed is. */
int oci_criu_failed(const struct oci_criu_options *o, const char *log, struct err *e);
