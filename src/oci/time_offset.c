/* SPDX-License-Identifier: Apache-2.0 */
/*
 * time_offset: crun's annotation run.oci.timens_offset, lines of "CLOCK SECONDS NANOSECONDS" as /proc/self/timens_offsets takes them
 * (time_namespaces(7)), written into the configuration as linux.timeOffsets. Without a time namespace of the container's own it has
 * no effect.
 */
#include "oci/state.h"

#include "base/num.h"
#include "runtime/annotations.h"

static bool has_new_time(const struct json *linux_)
{
	const struct json *list = json_get(linux_, "namespaces");
	for (size_t i = 0; i < json_len(list); i++)
		if (str_eq(json_get_str(json_at(list, i), "type"), "time"))
			return str_is_empty(json_get_str(json_at(list, i), "path"));
	return false;
}

static const char *clock_name(const char *word)
{
	static const struct { const char *word, *name; } clocks[] = {{"monotonic", "monotonic"}, {"1", "monotonic"}, {"boottime", "boottime"},
		{"7", "boottime"}};
	for (size_t i = 0; i < countof(clocks); i++)
		if (strcmp(clocks[i].word, word) == 0)
			return clocks[i].name;
	return NULL;
}

static int add_line(char *line, struct json *offsets, struct err *e)
{
	char *field[3] = {};
	size_t n = 0;
	int64_t secs;
	uint64_t nanosecs;
	for (char *word; (word = strsep(&line, " \t"));)
		if (*word && n++ < countof(field))
			field[n - 1] = word;
	const char *clock = n == countof(field) ? clock_name(field[0]) : NULL;
	if (!clock || num_i64(field[1], INT64_MIN + 1, INT64_MAX, &secs, "seconds", e) < 0 || num_u64(field[2], 999999999, &nanosecs, "nanoseconds", e) < 0)
		return err_set(e, ERR_USAGE, "%s: it must be CLOCK SECONDS NANOSECONDS, with the clock monotonic or boottime",
			annotation_key(ANNOTATION_TIME_OFFSET));
	struct json *offset = json_new_object();
	json_set(offset, "secs", json_new_i64(secs));
	json_set(offset, "nanosecs", json_new_u64(nanosecs));
	json_set(offsets, clock, offset);
	return 0;
}

int oci_apply_time_offset(struct json *config, struct err *e)
{
	struct json *linux_ = json_get(config, "linux");
	const char *text = json_get_str(json_get(config, "annotations"), annotation_key(ANNOTATION_TIME_OFFSET));
	if (!text || !has_new_time(linux_))
		return 0;
	own(json) struct json *offsets = json_new_object();
	own(mem) char *copy = mem_dup(text);
	for (char *rest = copy, *line; (line = strsep(&rest, "\n"));)
		if (*line && add_line(line, offsets, e) < 0)
			return -1;
	json_set(linux_, "timeOffsets", take(offsets));
	return 0;
}
