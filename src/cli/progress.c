/* SPDX-License-Identifier: Apache-2.0 */
/*
 * progress: the lines of a terminal are drawn at most ten times a second, and at the end. A picture is one write(2): up to
 * the first line, each line cut to the width of the terminal and cleared to its end. Between pictures the cursor stands
 * below the last line, so that whatever ends us, Ctrl-C included, leaves a clean terminal: no mode is ever changed.
 *
 * More layers than the terminal has rows: what is done makes room for what is under way; a summary line says how many
 * are not shown. Cursor movements beyond the screen would scramble it. The last picture has all of them.
 */
#include "cli/progress.h"

#include "base/fd.h"
#include "base/num.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { NAME = 24, NOTE = 80, PICTURE_MS = 100, BAR_MAX = 50, NUMBERS = 22 /* columns of "[] 12.34MB/123.4MB" */ };

struct line {
	char name[NAME], note[NOTE];
	enum layer_phase phase;
	uint64_t bytes, total;
};
struct progress {
	const char *verb;
	int fd;
	bool terminal;
	struct image_progress calls;
	struct line *lines;
	size_t n, drawn; /* drawn: lines of the last picture */
	int64_t drawn_ns;
};

static const char *const words[] = {
	[LAYER_WAITING] = "Waiting", [LAYER_EXISTS] = "Already exists", [LAYER_DOWNLOADING] = "Downloading",
	[LAYER_RETRYING] = "Retrying", [LAYER_UNPACKING] = "Extracting", [LAYER_DONE] = "Pull complete",
	[LAYER_PREPARING] = "Preparing", [LAYER_COMPRESSING] = "Compressing", [LAYER_PUSHING] = "Pushing", [LAYER_PUSHED] = "Pushed",
	[LAYER_THERE] = "Layer already exists", [LAYER_MOUNTED] = "Mounted from", [LAYER_WRITING] = "Writing",
};

static bool is_done(const struct line *l)
{
	return l->phase == LAYER_EXISTS || l->phase == LAYER_DONE || l->phase == LAYER_PUSHED || l->phase == LAYER_THERE || l->phase == LAYER_MOUNTED;
}

static bool is_moving(const struct line *l)
{
	return l->phase == LAYER_DOWNLOADING || l->phase == LAYER_UNPACKING || l->phase == LAYER_COMPRESSING || l->phase == LAYER_PUSHING ||
		l->phase == LAYER_WRITING;
}

static void format_line(const struct line *l, size_t width, struct buf *out)
{
	own(buf) struct buf b = {};
	char have[NUM_TEXT], all[NUM_TEXT];
	buf_printf(&b, "%s: %s", l->name, words[l->phase]);
	if ((l->phase == LAYER_RETRYING || l->phase == LAYER_MOUNTED || l->phase == LAYER_WAITING) && *l->note)
		buf_printf(&b, "%s %s", l->phase == LAYER_RETRYING ? ":" : "", l->note);
	if (is_moving(l) && l->total && l->total != UINT64_MAX) {
		uint64_t bytes = l->bytes < l->total ? l->bytes : l->total;
		snprintf(have, sizeof have, "%s", num_format_size(bytes, all));
		num_format_size(l->total, all);
		size_t used = b.len + NUMBERS;
		size_t bar = width > used + 10 ? width - used : 0;
		if (bar > BAR_MAX)
			bar = BAR_MAX;
		size_t full = bar ? (size_t)((double)bytes / (double)l->total * (double)bar) : 0;
		if (bar)
			buf_str(&b, " [");
		for (size_t i = 0; i < bar; i++)
			buf_char(&b, i < full ? '=' : i == full ? '>' : ' ');
		buf_printf(&b, "%s %s/%s", bar ? "]" : "", have, all);
	} else if (is_moving(l) && l->bytes) {
		buf_printf(&b, " %s", num_format_size(l->bytes, have));
	}
	/* What is in it is ASCII but for notes: cut in the middle of a character it is still one line. */
	buf_add(out, buf_text(&b), b.len < width ? b.len : width);
	buf_str(out, "\033[K\n");
}

static void draw(struct progress *p, bool last)
{
	struct winsize ws = {};
	if (ioctl(p->fd, TIOCGWINSZ, &ws) < 0 || !ws.ws_col)
		ws = (struct winsize){.ws_row = 24, .ws_col = 80};
	size_t rows = last ? p->n : ws.ws_row > 3 ? ws.ws_row - 2u : 1, left = 0;
	own(buf) struct buf b = {};
	if (p->drawn)
		buf_printf(&b, "\033[%zuA", p->drawn);
	size_t shown = 0, skip = p->n > rows ? p->n - rows : 0;
	for (size_t i = 0; i < p->n; i++) {
		if ((skip && is_done(&p->lines[i])) || shown == rows) {
			skip -= skip > 0;
			left++;
			continue;
		}
		format_line(&p->lines[i], ws.ws_col - 1u, &b);
		shown++;
	}
	if (left) {
		buf_printf(&b, "%zu more layers\033[K\n", left);
		shown++;
	}
	/* A picture that got shorter leaves no old lines below it. */
	buf_str(&b, "\033[J");
	p->drawn = shown;
	p->drawn_ns = num_monotonic_ns();
	(void)!fd_write_all(p->fd, buf_text(&b), b.len);
}

static void begin(void *arg, const char *reference, size_t layers)
{
	struct progress *p = arg;
	if (p->drawn)
		draw(p, true);
	free(p->lines);
	p->lines = mem_alloc((layers ? layers : 1) * sizeof *p->lines);
	p->n = layers;
	p->drawn = 0;
	own(buf) struct buf b = {};
	if (p->verb)
		buf_printf(&b, "%s %s\n", p->verb, reference);
	(void)!fd_write_all(p->fd, buf_text(&b), b.len);
	for (size_t i = 0; i < layers; i++)
		snprintf(p->lines[i].name, NAME, "layer %zu", i + 1);
}

static void layer(void *arg, size_t i, const char *name, enum layer_phase phase, uint64_t bytes, uint64_t total, const char *note)
{
	struct progress *p = arg;
	if (i >= p->n || (unsigned)phase >= countof(words))
		return;
	struct line *l = &p->lines[i];
	bool changed = l->phase != phase;
	snprintf(l->name, NAME, "%s", name ? name : "");
	snprintf(l->note, NOTE, "%s", note ? note : "");
	for (char *c = l->note; *c; c++)
		*c = (unsigned char)*c < ' ' ? ' ' : *c;
	l->phase = phase;
	l->bytes = bytes;
	l->total = total;
	if (p->terminal) {
		if (changed || num_monotonic_ns() - p->drawn_ns > PICTURE_MS * 1000000LL)
			draw(p, false);
	} else if (changed) {
		own(buf) struct buf b = {};
		buf_printf(&b, "%s: %s%s%s\n", l->name, words[phase], !*l->note ? "" : phase == LAYER_MOUNTED ? " " : ": ", l->note);
		(void)!fd_write_all(p->fd, buf_text(&b), b.len);
	}
}

struct progress *progress_new(int fd, bool quiet, const char *verb)
{
	if (quiet)
		return NULL;
	struct progress *p = mem_alloc(sizeof *p);
	const char *term = getenv("TERM");
	p->verb = verb;
	p->fd = fd;
	p->terminal = isatty(fd) && term && strcmp(term, "dumb") != 0;
	p->calls = (struct image_progress){begin, layer, p};
	return p;
}

const struct image_progress *progress_calls(struct progress *p)
{
	return p ? &p->calls : NULL;
}

void progress_drop(struct progress **p)
{
	if (!*p)
		return;
	if ((*p)->terminal && (*p)->n)
		draw(*p, true);
	free((*p)->lines);
	free(*p);
	*p = NULL;
}
