/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check: `system check`: reads all of the store, and says what is damaged.
 */
#include "cli/commands.h"
#include "engine/check.h"

struct check_options { bool repair, remove, quiet; };
#define O(m) offset_of(struct check_options, m)
static const struct opt options[] = {
	{"quiet", 'q', OPT_BOOL, O(quiet), NULL, "Say nothing when all is whole"},
	{"remove", 0, OPT_BOOL, O(remove), NULL, "With --repair: remove what is damaged and cannot be had again"},
	{"repair", 0, OPT_BOOL, O(repair), NULL, "Mend what can be mended, and fetch the rest again"},
};
#undef O

static int print(const struct storage_damage *d, struct err *e)
{
	own(buf) struct buf images = BUF(1 << 16);
	for (size_t i = 0; i < d->images.n; i++)
		buf_printf(&images, "%s%s", i ? ", " : " (", d->images.v[i]);
	if (d->images.n)
		buf_char(&images, ')');
	return cli_printf(e, "%s %s: %s%s%s\n", d->kind, d->id, d->why, buf_text(&images), d->removed ? ": removed" : d->mended ? ": mended" : "");
}

static int print_whole(const struct storage_report *r, struct err *e)
{
	return cli_printf(e, "images: %zu, layers: %zu, containers: %zu, pods: %zu, networks: %zu, volumes: %zu: all whole\n", r->images, r->layers,
		r->containers, r->pods, r->networks, r->volumes);
}

static int run(void *opts, int argc unused, char **argv unused, struct err *e)
{
	const struct check_options *o = opts;
	own(arena) struct arena a = {};
	struct storage_report r = {};
	struct engine *g = cli_engine(e);
	bool bad = false;
	if (o->remove && !o->repair)
		return err_set(e, ERR_USAGE, "--remove goes with --repair");
	if (!g || storage_check(g, o->remove ? STORAGE_REMOVE : o->repair ? STORAGE_REPAIR : STORAGE_LOOK, &a, &r, e) < 0)
		return -1;
	for (size_t i = 0; i < r.damage.n; i++) {
		bad |= !r.damage.v[i].mended;
		if (print(&r.damage.v[i], e) < 0)
			return -1;
	}
	if (!r.damage.n && !o->quiet && print_whole(&r, e) < 0)
		return -1;
	return bad;
}

const struct cmd cmd_check = {"check", "", "Read all images, layers and records, and say what is damaged", options, countof(options),
	sizeof(struct check_options), 0, 0, run,
	.about = "What is damaged is fetched again from where its image came from, and stays where it is until the other is here. A record is written anew of "
		"the image's configuration and names. What cannot be read for now is told and left alone.",
	.examples = "$ hull system check\n$ hull system check --repair"};
