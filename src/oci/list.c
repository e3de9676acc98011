/* SPDX-License-Identifier: Apache-2.0 */
/*
 * list: all containers below --root. One that is removed meanwhile is not there.
 */
#include "base/fd.h"
#include "base/path.h"
#include "base/tab.h"
#include "codec/json.h"
#include "oci/state.h"
#include "oci/verbs.h"

#include <stdio.h>

struct options { char *format; bool quiet; };
#define O struct options
static const struct opt options[] = {
	{"format", 'f', OPT_STR, offset_of(O, format), "FORMAT", "table or json (table)", 0, "table json"},
	{"quiet", 'q', OPT_BOOL, offset_of(O, quiet), NULL, "Only the ids"},
};
#undef O

/* "#1000" when the file does not say: no name service is asked. */
static void owner_name(uint32_t uid, char out[64])
{
	snprintf(out, 64, "#%u", uid);
	FILE *f = fopen("/etc/passwd", "re");
	char line[1024], name[60];
	unsigned n;
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "%59[^:]:%*[^:]:%u:", name, &n) == 2 && n == uid) {
			snprintf(out, 64, "%s", name);
			break;
		}
	if (f)
		fclose(f);
}

static void add_row(struct tab *t, const struct json *j)
{
	static const char *const keys[] = {"id", "pid", "status", "bundle", "created", "owner"};
	char pid[24];
	for (size_t i = 0; i < countof(keys); i++) {
		snprintf(pid, sizeof pid, "%lld", (long long)json_i64(json_get(j, "pid")));
		tab_cell(t, i == 1 ? pid : json_get_str(j, keys[i]));
	}
	tab_line(t);
}

static void print_table(const struct json *all, struct buf *out)
{
	static const char *const titles[] = {"ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"};
	struct tab *t = tab_new();
	for (size_t i = 0; i < countof(titles); i++)
		tab_cell(t, titles[i]);
	tab_line(t);
	for (size_t i = 0; i < json_len(all); i++)
		add_row(t, json_at(all, i));
	tab_format(t, out);
	tab_drop(&t);
}

static int collect(struct json *all, struct err *e)
{
	own(strv) struct strv ids = {};
	int root = oci_open_root(e);
	int r = root < 0 ? -1 : path_list(root, ".", &ids, e);
	uint32_t last = UINT32_MAX;
	char owner[64] = "";
	if (root >= 0)
		fd_drop(&root);
	strv_sort(&ids);
	for (size_t i = 0; r == 0 && i < ids.n; i++) {
		own(oci_container) struct oci_container c = OCI_CONTAINER_EMPTY;
		struct err why = {};
		if (ids.v[i][0] == '.')
			continue;
		if (oci_container_open(ids.v[i], 0, &c, &why) < 0) {
			if (why.kind != ERR_NOT_FOUND)
				oci_warn("%s", why.text);
			continue;
		}
		struct json *j = oci_state_document(&c);
		if (c.state.owner != last)
			owner_name(c.state.owner, owner);
		last = c.state.owner;
		json_set_str(j, "owner", owner);
		json_add(all, j);
	}
	return r;
}

static int list(void *opts, int argc unused, char **argv unused, struct err *e)
{
	const struct options *o = opts;
	own(buf) struct buf b = {};
	own(json) struct json *all = json_new_array();
	if (o->format && strcmp(o->format, "table") != 0 && strcmp(o->format, "json") != 0)
		return err_set(e, ERR_USAGE, "invalid --format \"%.40s\": table and json are known", o->format);
	if (collect(all, e) < 0)
		return -1;
	if (o->quiet)
		for (size_t i = 0; i < json_len(all); i++)
			buf_printf(&b, "%s\n", json_get_str(json_at(all, i), "id"));
	else if (str_eq(o->format, "json")) {
		json_format(all, 0, &b);
		buf_char(&b, '\n');
	} else
		print_table(all, &b);
	return oci_print(&b, e);
}

const struct cmd oci_list_verb = {"list", "", "List the containers", options, countof(options), sizeof(struct options), 0, 0, list};
