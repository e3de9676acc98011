/* SPDX-License-Identifier: Apache-2.0 */
/*
 * delete: what create made is taken away (runtime.md, "Delete"): control groups, what the poststop hooks do, the state.
 *
 * One that was only created counts as stopped once its process was killed, as runc has it. --force kills whatever there is, and
 * removes what a runtime that was killed left half made.
 */
#include "oci/state.h"
#include "oci/verbs.h"

struct options { bool force, regex; };
#define O struct options
static const struct opt options[] = {
	{"force", 'f', OPT_BOOL, offset_of(O, force), NULL, "Kill it first if it runs; one that does not exist is no failure"},
	{"regex", 'r', OPT_BOOL, offset_of(O, regex), NULL, "ID is an extended regular expression"},
};
#undef O

static int delete_one(const char *id, bool force, struct err *e)
{
	own(oci_container) struct oci_container c = OCI_CONTAINER_EMPTY;
	if (oci_container_open(id, OCI_LOCK, &c, e) < 0)
		return force && e->kind == ERR_NOT_FOUND ? (*e = (struct err){}, 0) : -1;
	enum oci_status s = oci_container_status(&c);
	if (!force && s != OCI_STOPPED && s != OCI_CREATED)
		return err_set(e, ERR_CONFLICT, "cannot delete container %s that is not stopped: %s", id, oci_status_name(s));
	return oci_container_destroy(&c, force, e);
}

static int delete_verb(void *opts, int argc unused, char **argv, struct err *e)
{
	const struct options *o = opts;
	own(strv) struct strv ids = {};
	if (!o->regex)
		return delete_one(argv[0], o->force, e);
	if (oci_match_ids(argv[0], &ids, e) < 0)
		return -1;
	for (size_t i = 0; i < ids.n; i++)
		if (delete_one(ids.v[i], o->force, e) < 0)
			return -1;
	return 0;
}

const struct cmd oci_delete_verb = {"delete", "ID", "Remove a container that has ended", options, countof(options), sizeof(struct options), 1, 1,
	delete_verb, .complete = "@id"};
