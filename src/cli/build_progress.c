/* SPDX-License-Identifier: Apache-2.0 */
/*
 * build_progress: steps get numbers in the order in which they are first heard of, as docker numbers them. On a terminal what runs is
 * drawn below what is through: its last lines of output, and how long it has been running. What a terminal shows is gone a moment later:
 * the same is written to a log in the plain form (build_log.h), from the first output of a step on.
 */
#include "cli/build_progress.h"

#include "base/fd.h"
#include "base/num.h"
#include "cli/build_log.h"
#include "cli/columns.h"
#include "codec/json.h"
#include "image/ref.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum kind { PLAIN, TTY, RAWJSON, QUIET };
enum draw { DRAW_NOW, DRAW_ABOVE /* only what stays */, DRAW_END };
enum { TAIL = 6, TAIL_MAX = 400, LOG_MAX = 64 << 10, LINE_MAX_ = 256 << 10, EARLY_MAX = 1 << 20 };
enum { NO_LOG_YET = -1, NO_LOG = -2 };
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
	int fd;                      /* where to: stderr, or of a log its file */
	int root;                    /* of a log: the state directory */
	struct buf early;            /* of a log: what was said before there was a file */
	struct build_progress *log;
};

struct build_progress *build_progress_new(const char *kind, struct err *e)
{
	struct build_progress *p = mem_alloc(sizeof *p);
	p->began = num_monotonic_ns();
	p->fd = 2;
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
	return p;
}

void build_progress_keep(struct build_progress *p, int root)
{
	p->log = mem_alloc(sizeof *p->log);
	*p->log = (struct build_progress){.kind = PLAIN, .began = p->began, .fd = NO_LOG_YET, .root = root, .early = BUF(EARLY_MAX)};
}

bool build_progress_ticks(const struct build_progress *p)
{
	return p->kind == TTY;
}

void build_progress_drop(struct build_progress **pp)
{
	struct build_progress *p = *pp;
	if (!p)
		return;
	build_progress_drop(&p->log);
	if (p->fd > 2)
		close(p->fd);
	buf_drop(&p->early);
	for (size_t i = 0; i < p->rows.n; i++) {
		buf_drop(&p->rows.v[i].line);
		buf_drop(&p->rows.v[i].log);
		for (size_t k = 0; k < TAIL; k++)
			mem_drop(&p->rows.v[i].tail[k]);
	}
	arena_drop(&p->arena);
	mem_drop(pp);
}

static void out(struct build_progress *p, const struct buf *b)
{
	if (p->fd >= 0)
		(void)!fd_write_all(p->fd, buf_text(b), b->len);
	else if (p->fd == NO_LOG_YET)
		buf_add(&p->early, buf_text(b), b->len);
}

static void open_log(struct build_progress *log)
{
	if (log->fd != NO_LOG_YET)
		return;
	int fd = build_log_new(log->root);
	log->fd = fd < 0 ? NO_LOG : fd;
	out(log, &log->early);
	buf_drop(&log->early);
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

/* The bytes of an escape sequence (ECMA-48: CSI, OSC; others are of two bytes). */
static size_t escape_length(const char *s, size_t n)
{
	size_t i = 2;
	if (n < 2)
		return n;
	if (s[1] == '[')
		while (i < n && (s[i] < 0x40 || s[i] > 0x7e))
			i++;
	else if (s[1] == ']')
		while (i < n && s[i] != '\a' && s[i] != '\033')
			i++;
	else
		return 2;
	return i < n ? i + 1 : n;
}

/* What a terminal shows of a line in the end: what follows a carriage return is written over what was there. Colours are left out. */
static char *shown(const char *line, size_t n)
{
	char *text = mem_grow(NULL, TAIL_MAX + 1);
	size_t len = 0, step;
	for (size_t i = 0; i < n; i += step) {
		step = line[i] == '\033' ? escape_length(line + i, n - i) : 1;
		if (line[i] == '\r')
			len = i + 1 < n ? 0 : len;
		else if (line[i] == '\b')
			len -= len > 0;
		else if (line[i] != '\033' && len < TAIL_MAX)
			text[len++] = line[i];
	}
	text[len] = 0;
	str_harmless(text);
	return text;
}

static void keep_line(struct vertex *v, const char *line)
{
	mem_drop(&v->tail[0]);
	memmove(v->tail, v->tail + 1, sizeof v->tail - sizeof v->tail[0]);
	v->tail[TAIL - 1] = shown(line, strlen(line));
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
	out(p, &b);
}

static void flush(struct build_progress *p, struct vertex *v, int64_t ns)
{
	if (!v->line.len)
		return;
	own(mem) char *line = buf_take(&v->line);
	v->line = BUF(1 << 20);
	put_line(p, v, line, ns);
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
	/* A line without end is none. */
	if (v->line.len > LINE_MAX_)
		flush(p, v, ev->ns);
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
		out(p, &b);
}

/* --- terminal --- */

/* The columns of a character: what terminals draw two columns wide (Unicode's East Asian Width W and F, and pictures), and what they put on the
 * one before. */
static unsigned columns_of(const char *s, size_t n)
{
	static const struct { uint32_t first, last; unsigned columns; } rows[] = {{0x300, 0x36f, 0}, {0x1100, 0x115f, 2}, {0x200b, 0x200f, 0},
		{0x2e80, 0xa4cf, 2}, {0xac00, 0xd7a3, 2}, {0xf900, 0xfaff, 2}, {0xfe00, 0xfe0f, 0}, {0xfe30, 0xfe6f, 2}, {0xff00, 0xff60, 2},
		{0xffe0, 0xffe6, 2}, {0x1f300, 0x1faff, 2}, {0x20000, 0x3fffd, 2}};
	uint32_t c = n < 2 ? (unsigned char)*s : (unsigned char)*s & (0x7fu >> n);
	for (size_t i = 1; i < n; i++)
		c = c << 6 | ((unsigned char)s[i] & 0x3f);
	for (size_t i = 0; i < countof(rows); i++)
		if (c >= rows[i].first && c <= rows[i].last)
			return rows[i].columns;
	return 1;
}

static unsigned put_cut(struct buf *b, const char *text, unsigned width)
{
	size_t n = 0;
	unsigned columns = 0;
	while (text[n]) {
		size_t m = str_utf8(text + n, strlen(text + n));
		unsigned more = columns_of(text + n, m);
		if (columns + more > width)
			break;
		n += m ? m : 1;
		columns += more;
	}
	buf_add(b, text, n);
	return columns;
}

static void put_row(struct build_progress *p, struct buf *b, const struct vertex *v, int64_t now)
{
	char right[32];
	double seconds = (double)((v->ended ? v->ended : now) - v->began) / 1e9;
	int n = snprintf(right, sizeof right, v->cached ? "0.0s" : "%.1fs", seconds);
	const char *colour = v->failed ? "\033[31m" : v->done ? "\033[34m" : "", *mark = v->failed ? " => ERROR " : v->cached ? " => CACHED " : " => ";
	/* A space before the time, and the last column stays free. */
	unsigned used = (unsigned)strlen(mark) + (unsigned)n + 2, room = p->width > used ? p->width - used : 0;
	buf_printf(b, "%s%s", colour, mark);
	unsigned columns = put_cut(b, v->name, room);
	buf_printf(b, "\033[0m%*s%s\033[K\n", (int)(room - columns) + 1, "", right);
}

static size_t put_tail(struct build_progress *p, struct buf *b, const struct vertex *v, size_t most)
{
	own(mem) char *now = v->line.len ? shown(v->line.data, v->line.len) : NULL;
	size_t lines = 0;
	for (size_t k = now ? 1 : 0; k < TAIL + 1 && lines < most; k++) {
		const char *text = k < TAIL ? v->tail[k] : now;
		if (!text)
			continue;
		buf_str(b, "\033[2m => => ");
		put_cut(b, text, p->width - 9);
		buf_str(b, "\033[0m\033[K\n");
		lines++;
	}
	return lines;
}

static void put_head(struct build_progress *p, struct buf *b, int64_t now, bool finished)
{
	size_t ended = 0;
	for (size_t i = 0; i < p->rows.n; i++)
		ended += p->rows.v[i].ended != 0;
	buf_printf(b, "[+] Building %.1fs (%zu/%zu)%s\033[K\n", (double)(now - p->began) / 1e9, ended, p->rows.n, finished ? " FINISHED" : "");
}

/* The terminal may have become another size. */
static void measure(struct build_progress *p)
{
	struct winsize w = {};
	bool known = ioctl(2, TIOCGWINSZ, &w) == 0 && w.ws_col > 20;
	p->width = known ? w.ws_col : 80;
	p->height = known ? w.ws_row : 24;
}

static void draw(struct build_progress *p, enum draw how)
{
	own(buf) struct buf b = BUF(1 << 20);
	int64_t now = num_monotonic_ns();
	measure(p);
	size_t lines = 0, most = p->height > 5 ? p->height - 3 : 4;
	/* Without automatic margins (DECAWM): a row whose width the terminal sees otherwise than we do stays one row. */
	buf_str(&b, "\033[?7l");
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
	for (size_t i = 0; i < p->rows.n && lines < most && how == DRAW_NOW; i++) {
		struct vertex *v = &p->rows.v[i];
		if (v->ended)
			continue;
		put_row(p, &b, v, now);
		lines += 1 + put_tail(p, &b, v, most - lines - 1);
	}
	if (how != DRAW_ABOVE && p->rows.n) {
		put_head(p, &b, now, how == DRAW_END);
		lines++;
	}
	buf_str(&b, "\033[J\033[?7h");
	p->drawn = how == DRAW_NOW ? lines : 0;
	out(p, &b);
}

void build_progress_tick(void *arg)
{
	draw(arg, DRAW_NOW);
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
	out(p, &b);
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
	if (first && p->kind != PLAIN && p->log && p->log->fd >= 0)
		buf_str(&b, "These are the last lines; all of it: hull builder logs\n");
	out(p, &b);
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
		draw(p, DRAW_ABOVE);
	if (warns)
		buf_printf(&b, "hull: warning: %.*s\n", (int)ev->len, ev->text);
	else
		buf_add(&b, ev->text, ev->len);
	out(p, &b);
}

void build_progress_event(void *arg, const struct build_event *ev)
{
	struct build_progress *p = arg;
	if (p->log) {
		if (ev->kind == BUILD_OUTPUT)
			open_log(p->log);
		build_progress_event(p->log, ev);
	}
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
		draw(p, DRAW_NOW);
}

void build_progress_end(struct build_progress *p, bool well)
{
	if (p->kind == TTY)
		draw(p, DRAW_END);
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
	out(p, &b);
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

void build_progress_timing(struct build_progress *p)
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
	out(p, &b);
}
