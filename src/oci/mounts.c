/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mounts: mounts of a running container, as crun has it: FILE holds a list as config.json has it (or an object with one,
 * "mounts"). For remove only the destinations count.
 */
#include "oci/bundle.h"
#include "oci/verbs.h"
#include "runtime/live_mounts.h"

/* The list goes the way of a configuration: the same table, the same checks. */
static int read_mounts(const char *path, struct json **ret_doc, struct arena *a, struct spec *ret, struct err *e)
{
	own(buf) struct buf text = BUF(OCI_DOCUMENT_MAX + 1);
	own(json) struct json *file = NULL;
	own(json) struct json *whole = json_new_object();
	if (oci_read_document(path, &text, e) < 0)
		return -1;
	if (json_parse(buf_text(&text), text.len, &file, e) < 0)
		return err_wrap(e, "%s", path);
	struct json *list = json_kind(file) == JSON_OBJECT ? json_get(file, "mounts") : file;
	if (json_kind(list) != JSON_ARRAY)
		return err_set(e, ERR_USAGE, "%s: must be a list of mounts", path);
	json_set_str(whole, "ociVersion", "1.0.0");
	json_set(whole, "mounts", json_ref(list));
	if (spec_parse(whole, a, ret, e) < 0)
		return err_wrap(e, "%s", path);
	*ret_doc = take(whole);
	return 0;
}

static int change(struct oci_container *c, bool add, const char *file, struct err *e)
{
	own(json) struct json *doc = NULL;
	struct spec list, spec = c->spec;
	struct cgroup g;
	if (read_mounts(file, &doc, &c->arena, &list, e) < 0 || oci_open_cgroup(c, &g, e) < 0)
		return -1;
	spec.mounts.v = list.mounts.v;
	spec.mounts.n = list.mounts.n;
	struct live_mounts m = {.id = c->state.id, .bundle = c->state.bundle, .pid = (pid_t)c->state.pid, .start_time = c->state.start_time,
		.spec = &spec, .cgroup = &g};
	int r = add ? live_mounts_add(&m, e) : live_mounts_remove(&m, NULL, e);
	cgroup_drop(&g);
	return r;
}

static int mounts(void *opts unused, int argc unused, char **argv, struct err *e)
{
	own(oci_container) struct oci_container c = OCI_CONTAINER_EMPTY;
	bool add = strcmp(argv[0], "add") == 0;
	if (!add && strcmp(argv[0], "remove") != 0)
		return err_set(e, ERR_USAGE, "unknown command mounts %.40s: add and remove are known", argv[0]);
	if (oci_container_open(argv[1], OCI_LOCK, &c, e) < 0 || oci_load_spec(&c, e) < 0)
		return -1;
	enum oci_status s = oci_container_status(&c);
	if (s == OCI_STOPPED || s == OCI_CREATING)
		return err_set(e, ERR_CONFLICT, "container not running: %s", c.state.id);
	return change(&c, add, argv[2], e);
}

const struct cmd oci_mounts_verb = {"mounts", "add|remove ID FILE", "Add mounts to a running container, or take them away", NULL, 0, 0, 3, 3,
	mounts, .complete = "add remove @id @file"};
