/* SPDX-License-Identifier: Apache-2.0 */
/*
 * update_journal: see update_journal.h. The file is replaced as a whole and synced: that it is gone is what makes an update final.
 */
#include "engine/update_journal.h"

#include "base/path.h"

#include <errno.h>
#include <unistd.h>

enum { JOURNAL_MAX = 16 << 20 };
static const char file[] = "update.json";

#define S struct update_touched
static const struct jfield touched_fields[] = {
	JF(S, "Path", path, JT_STR), JF(S, "Before", before, JT_U64), JF(S, "Host", device.host, JT_STR), JF(S, "Container", device.container, JT_STR),
	JF(S, "Permissions", device.permissions, JT_STR),
};
#undef S
static const struct jtable touched_table = JTABLE(struct update_touched, touched_fields);

#define S struct update_journal
static const struct jfield fields[] = {
	JFSF(S, "Record", record, JT_STRUCT, container_record_table, JF_REQUIRED),
	JFSF(S, "State", state, JT_STRUCT, container_state_table, JF_REQUIRED),
	JF(S, "Limits", limits, JT_BOOL),
	JF(S, "Health", health, JT_BOOL),
	JF(S, "Ports", ports, JT_BOOL),
	JFS(S, "Added", added, JT_LIST, touched_table),
	JFS(S, "Removed", removed, JT_LIST, touched_table),
	JFS(S, "AddedDevices", added_devices, JT_LIST, touched_table),
	JFS(S, "RemovedDevices", removed_devices, JT_LIST, touched_table),
	JF(S, "Volumes", volumes, JT_STRV),
};
#undef S
static const struct jtable table = JTABLE(struct update_journal, fields);

void update_journal_drop(struct update_journal *j)
{
	json_drop(&j->document);
}

bool update_journal_is_there(int dir)
{
	return faccessat(dir, file, F_OK, 0) == 0;
}

int update_journal_save(int dir, const struct update_journal *j, struct err *e)
{
	own(json) struct json *document = jmap_format(&table, j);
	own(buf) struct buf b = BUF(JOURNAL_MAX);
	json_format(document, 0, &b);
	if (buf_check(&b, e) < 0)
		return err_wrap(e, "%s", file);
	return path_write(dir, file, buf_text(&b), b.len, 0600, PATH_SYNC, e);
}

int update_journal_read(int dir, struct arena *a, struct update_journal *ret, struct err *e)
{
	*ret = (struct update_journal){};
	if (json_read(dir, file, JOURNAL_MAX, &ret->document, e) < 0)
		return -1;
	return jmap_parse(&table, ret->document, 0, a, ret, file, e);
}

int update_journal_remove(int dir, struct err *e)
{
	if (unlinkat(dir, file, 0) < 0 && errno != ENOENT)
		return err_sys(e, "remove %s", file);
	/* Where the disk forgets that, the update is undone after a power loss. */
	(void)!fsync(dir);
	return 0;
}
