/* SPDX-License-Identifier: Apache-2.0 */
/*
 * build_progress: steps get numbers in the order in which they are first heard of, as docker numbers them. On a terminal what runs is
 * drawn below what is through: its last lines of output, and how long it has been running.
 */
#include "cli/build_progress.h"

#include "base/fd.h"
#include "base/num.h"
#include "cli/columns.h"
#include "codec/json.h"
#include "image/ref.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum kind { PLAIN, TTY, RAWJSON, QUIET };
enum { TAIL = 6, TAIL_MAX = 200, LOG_MAX = 64 << 10 };
static const char *const kinds[] = {"plain", "tty", "rawjson", "quiet"};

struct vertex {
	unsigned step;
	char *name;
	struct buf line;             /* output without its end of line yet */
	char *tail[TAIL];            /* its last lines */
	struct buf log;              /* the last of its output, for when it fails */
	int64_t began, ended, cpu_ns;
	uint64_t bytes;
	bool done, cached, failed, told;
};
struct build_progress {
	enum kind kind;
	struct arena arena;
	struct { struct vertex *v; size_t n; } rows;
	size_t drawn;                /* lines of the part that is drawn again */
	unsigned width, height, last; /* last: whose output was told last */
	int64_t began;
};

struct build_progress *build_progress_new(const char *kind, struct err *e)
{
	struct build_progress *p = mem_alloc(sizeof *p);
	struct winsize w = {};
	p->began = num_monotonic_ns();
	p->width = 80;
	p->height = 24;
	if (str_is_empty(kind) || str_eq(kind, "auto")) {
		p->kind = isatty(2) ? TTY : PLAIN;
	} else {
		size_t i = 0;
		while (i < countof(kinds) && strcmp(kinds[i], kind) != 0)
			i++;
		if (i == countof(kinds)) {
			free(p);
			return err_set_(e, ERR_USAGE, "invalid --progress \"%.40s\": auto, plain, tty, rawjson and quiet are known", kind), NULL;
		}
		p->kind = (enum kind)i;
	}
	if (ioctl(2, TIOCGWINSZ, &w) == 0 && w.ws_col > 20) {
		p->width = w.ws_col;
		p->height = w.ws_row;
	}
	return p;
}

void build_progress_drop(struct build_progress **pp)
{
	struct build_progress *p = *pp;
	if (!p)
		return;
	for (size_t i = 0; i < p->rows.n; i++) {
		buf_drop(&p->rows.v[i].line);
		buf_drop(&p->rows.v[i].log);
		for (size_t k = 0; k < TAIL; k++)
			mem_drop(&p->rows.v[i].tail[k]);
	}
	arena_drop(&p->arena);
	mem_drop(pp);
}

static void out(const struct buf *b)
{
	(void)!fd_write_all(2, buf_text(b), b->len);
}

static struct vertex *find(struct build_progress *p, const struct build_event *ev)
{
	for (size_t i = 0; i < p->rows.n; i++)
		if (p->rows.v[i].step == ev->step)
			return &p->rows.v[i];
	struct vertex *v = arena_push(&p->arena, &p->rows);
	v->step = ev->step;
	v->name = arena_dup(&p->arena, ev->name);
	v->began = num_monotonic_ns();
	v->line = BUF(1 << 20);
	v->log = BUF(4 * LOG_MAX);
	return v;
}

static unsigned number(const struct build_progress *p, const struct vertex *v)
{
	return (unsigned)(v - p->rows.v) + 1;
}

/* --- lines of output --- */

static void keep_line(struct vertex *v, const char *line)
{
	mem_drop(&v->tail[0]);
	memmove(v->tail, v->tail + 1, sizeof v->tail - sizeof v->tail[0]);
	v->tail[TAIL - 1] = mem_ndup(line, strnlen(line, TAIL_MAX));
	str_harmless(v->tail[TAIL - 1]);
	buf_printf(&v->log, "%s\n", line);
	if (v->log.len > 2 * LOG_MAX)
		buf_cut(&v->log, v->log.len - LOG_MAX);
}

static void put_line(struct build_progress *p, struct vertex *v, const char *line, int64_t ns)
{
	own(buf) struct buf b = BUF(4 << 20);
	keep_line(v, line);
	if (p->kind != PLAIN)
		return;
	if (p->last && p->last != number(p, v))
		buf_char(&b, '\n');
	p->last = number(p, v);
	buf_printf(&b, "#%u %.3f %s\n", number(p, v), (double)ns / 1e9, line);
	out(&b);
}

static void put_output(struct build_progress *p, struct vertex *v, const struct build_event *ev)
{
	buf_add(&v->line, ev->text, ev->len);
	for (;;) {
		char *end = v->line.len ? memchr(v->line.data, '\n', v->line.len) : NULL;
		if (!end)
			break;
		size_t n = (size_t)(end - v->line.data);
		own(mem) char *line = mem_ndup(v->line.data, n && end[-1] == '\r' ? n - 1 : n);
		buf_cut(&v->line, n + 1);
		put_line(p, v, line, ev->ns);
	}
	if (v->line.full)
		buf_reset(&v->line);
}

static void flush(struct build_progress *p, struct vertex *v, int64_t ns)
{
	if (!v->line.len)
		return;
	own(mem) char *line = buf_take(&v->line);
	v->line = BUF(1 << 20);
	put_line(p, v, line, ns);
}

/* --- plain --- */

static void plain(struct build_progress *p, struct vertex *v, const struct build_event *ev)
{
	own(buf) struct buf b = BUF(1 << 20);
	unsigned n = number(p, v);
	if (!v->told) {
		buf_printf(&b, "%s#%u %s\n", n > 1 ? "\n" : "", n, v->name);
		v->told = true;
		p->last = n;
	} else if (p->last != n && ev->kind != BUILD_OUTPUT) {
		buf_printf(&b, "\n#%u %s\n", n, v->name);
		p->last = n;
	}
	if (ev->kind == BUILD_CACHED)
		buf_printf(&b, "#%u CACHED\n", n);
	else if (ev->kind == BUILD_DONE)
		buf_printf(&b, "#%u DONE %.1fs\n", n, (double)ev->ns / 1e9);
	else if (ev->kind == BUILD_FAILED)
		buf_printf(&b, "#%u ERROR: %.*s\n", n, (int)ev->len, ev->text);
	if (b.len)
		out(&b);
}

/* --- terminal --- */

static void put_cut(struct buf *b, const char *text, unsigned width)
{
	size_t n = 0;
	unsigned columns = 0;
	while (text[n] && columns < width) {
		size_t m = str_utf8(text + n, strlen(text + n));
		n += m ? m : 1;
		columns++;
	}
	buf_add(b, text, n);
}

static void put_row(struct build_progress *p, struct buf *b, const struct vertex *v, int64_t now)
{
	char right[32];
	double seconds = (double)((v->ended ? v->ended : now) - v->began) / 1e9;
	snprintf(right, sizeof right, v->cached ? "0.0s" : "%.1fs", seconds);
	const char *mark = v->failed ? "\033[31m => ERROR " : v->cached ? "\033[34m => CACHED " : v->done ? "\033[34m => " : " => ";
	buf_str(b, mark);
	unsigned used = v->failed ? 10 : v->cached ? 11 : 4, room = p->width > used + 10 ? p->width - used - 10 : 10;
	put_cut(b, v->name, room);
	buf_printf(b, "\033[0m  %s\033[K\n", right);
}

static void draw(struct build_progress *p, bool last)
{
	own(buf) struct buf b = BUF(1 << 20);
	int64_t now = num_monotonic_ns();
	size_t lines = 0, most = p->height > 4 ? p->height - 2 : 4;
	if (p->drawn)
		buf_printf(&b, "\033[%zuA\r", p->drawn);
	/* What is through is drawn once more, and then left where it is. */
	for (size_t i = 0; i < p->rows.n; i++) {
		struct vertex *v = &p->rows.v[i];
		if (!v->told && v->ended) {
			put_row(p, &b, v, now);
			v->told = true;
		}
	}
	for (size_t i = 0; i < p->rows.n && lines < most; i++) {
		struct vertex *v = &p->rows.v[i];
		if (v->ended)
			continue;
		put_row(p, &b, v, now);
		lines++;
		for (size_t k = 0; k < TAIL && lines < most; k++)
			if (v->tail[k]) {
				buf_str(&b, "\033[2m => => ");
				put_cut(&b, v->tail[k], p->width - 9);
				buf_str(&b, "\033[0m\033[K\n");
				lines++;
			}
	}
	buf_str(&b, "\033[J");
	p->drawn = last ? 0 : lines;
	out(&b);
}

/* --- JSON --- */

static void rawjson(struct build_progress *p, struct vertex *v, const struct build_event *ev)
{
	static const char *const words[] = {"started", "cached", "log", "completed", "failed", "warning", "source", "shell", "check"};
	own(json) struct json *j = json_new_object();
	own(buf) struct buf b = BUF(4 << 20);
	json_set_str(j, "event", words[ev->kind]);
	if (v) {
		json_set(j, "step", json_new_u64(number(p, v)));
		json_set_str(j, "name", v->name);
	}
	json_set(j, "ns", json_new_i64(ev->ns));
	if (ev->kind == BUILD_DONE || ev->kind == BUILD_FAILED) {
		json_set(j, "cpu_ns", json_new_i64(ev->cpu_ns));
		json_set(j, "bytes", json_new_u64(ev->bytes));
	}
	if (ev->len)
		json_set(j, "text", json_new_str_n(ev->text, ev->len));
	json_format(j, 0, &b);
	buf_char(&b, '\n');
	out(&b);
}

/* --- all --- */

static void note(struct vertex *v, const struct build_event *ev)
{
	if (ev->kind == BUILD_OUTPUT || ev->kind == BUILD_BEGIN)
		return;
	v->ended = num_monotonic_ns();
	if (ev->ns)
		v->began = v->ended - ev->ns;
	v->cpu_ns = ev->cpu_ns;
	v->bytes = ev->bytes;
	v->done = true;
	v->cached = ev->kind == BUILD_CACHED;
	v->failed = ev->kind == BUILD_FAILED;
}

/* The last of what a step that failed said, when it was not seen as it came. */
static void put_log(struct build_progress *p, struct vertex *v)
{
	own(buf) struct buf b = BUF(1 << 20);
	own(strv) struct strv lines = {};
	strv_split(&lines, buf_text(&v->log), '\n');
	size_t n = lines.n && !*lines.v[lines.n - 1] ? lines.n - 1 : lines.n, first = n > 20 ? n - 20 : 0;
	if (!n || p->kind == RAWJSON)
		return;
	buf_printf(&b, "------\n > %s:\n", v->name);
	for (size_t i = first; i < n; i++)
		buf_printf(&b, "%s\n", lines.v[i]);
	buf_str(&b, "------\n");
	out(&b);
}

static void loose(struct build_progress *p, const struct build_event *ev)
{
	own(buf) struct buf b = BUF(1 << 20);
	if (p->kind == RAWJSON) {
		rawjson(p, NULL, ev);
		return;
	}
	bool warns = ev->kind == BUILD_WARNING || ev->kind == BUILD_CHECK;
	if (p->kind == QUIET && warns)
		return;
	if (p->kind == TTY)
		draw(p, true);
	if (warns)
		buf_printf(&b, "hull: warning: %.*s\n", (int)ev->len, ev->text);
	else
		buf_add(&b, ev->text, ev->len);
	out(&b);
}

void build_progress_event(void *arg, const struct build_event *ev)
{
	struct build_progress *p = arg;
	if (!ev->step) {
		loose(p, ev);
		return;
	}
	struct vertex *v = find(p, ev);
	if (p->kind == RAWJSON) {
		rawjson(p, v, ev);
		note(v, ev);
		return;
	}
	if (p->kind == PLAIN)
		plain(p, v, ev);
	if (ev->kind == BUILD_OUTPUT)
		put_output(p, v, ev);
	else if (ev->kind != BUILD_BEGIN)
		flush(p, v, ev->ns);
	note(v, ev);
	if (p->kind == TTY)
		draw(p, false);
}

void build_progress_end(struct build_progress *p, bool well)
{
	if (p->kind == TTY)
		draw(p, true);
	for (size_t i = 0; !well && i < p->rows.n; i++)
		if (p->rows.v[i].failed)
			put_log(p, &p->rows.v[i]);
}

void build_progress_result(struct build_progress *p, const char *id, const struct strv *names)
{
	own(buf) struct buf b = BUF(1 << 20);
	if (p->kind == QUIET || p->kind == RAWJSON)
		return;
	buf_printf(&b, "%s=> image %s\n", p->kind == PLAIN && p->rows.n ? "\n" : "", id);
	for (size_t i = 0; i < names->n; i++) {
		struct ref ref;
		char text[REF_TEXT];
		struct err none = {};
		if (ref_parse(names->v[i], &ref, &none) == 0)
			buf_printf(&b, "=> named %s\n", ref_format_familiar(&ref, text));
	}
	out(&b);
}

/* --- what steps cost --- */

struct json *build_progress_steps(const struct build_progress *p)
{
	struct json *list = json_new_array();
	for (size_t i = 0; i < p->rows.n; i++) {
		const struct vertex *v = &p->rows.v[i];
		struct json *j = json_new_object();
		json_set_str(j, "name", v->name);
		json_set(j, "started_ns", json_new_i64(v->began - p->began));
		json_set(j, "duration_ns", json_new_i64(v->ended ? v->ended - v->began : 0));
		json_set(j, "cpu_ns", json_new_i64(v->cpu_ns));
		json_set(j, "bytes", json_new_u64(v->bytes));
		json_set(j, "cached", json_new_bool(v->cached));
		json_set(j, "failed", json_new_bool(v->failed));
		json_add(list, j);
	}
	return list;
}

void build_progress_timing(const struct build_progress *p)
{
	enum { BAR = 32 };
	own(buf) struct buf b = BUF(4 << 20);
	int64_t all = 1;
	for (size_t i = 0; i < p->rows.n; i++)
		if (p->rows.v[i].ended - p->began > all)
			all = p->rows.v[i].ended - p->began;
	buf_printf(&b, "%8s %8s %9s  %-*s  %s\n", "TIME", "CPU", "BYTES", BAR, "WHEN", "STEP");
	for (size_t i = 0; i < p->rows.n; i++) {
		const struct vertex *v = &p->rows.v[i];
		int64_t ended = v->ended ? v->ended : v->began;
		size_t from = (size_t)((v->began - p->began) * BAR / all), to = (size_t)((ended - p->began) * BAR / all);
		own(mem) char *size = column_size((int64_t)v->bytes);
		if (from >= BAR)
			from = BAR - 1;
		if (to <= from)
			to = from + 1;
		buf_printf(&b, "%7.2fs %7.2fs %9s  ", (double)(ended - v->began) / 1e9, (double)v->cpu_ns / 1e9, v->bytes ? size : "");
		for (size_t k = 0; k < BAR; k++)
			buf_str(&b, k < from || k >= to ? " " : v->cached ? "." : v->failed ? "x" : "=");
		buf_printf(&b, "  %s%s\n", v->cached ? "CACHED " : v->failed ? "FAILED " : "", v->name);
	}
	out(&b);
}
