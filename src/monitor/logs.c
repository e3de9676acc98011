/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 1. Open all files of the log at once, the current one first: what a rotation meanwhile moves shows up twice (same
 *    inode) and is dropped, nothing is missed.
 * 2. tail: from the newest file back, record by record, until the lines are found (a compressed file: counted from
 *    its beginning, then read again). since and until count here too: the last n lines of that time.
 * 3. Read on from there, oldest file first.
 * 4. follow: at the end of the current file, wait by inotify on the directory. When the name means
 *    another file, what is left of ours is read, then the files that came after it, found by our inode (or, compressed
 *    meanwhile, by the time that log_write gave it).
 *
 * Who does not follow reads what was there at the beginning: of a program that writes all the time there would be no end, and more than the last n lines.
 * A record that is not whole yet waits for its rest; in a rotated file there is none to come. Records that are not
 * ours are skipped.
 */
#include "monitor/logs.h"

#include "base/fd.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/path.h"
#include "codec/stream.h"
#include "monitor/log_record.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES_MAX = 1000, WINDOW_MIN = 65536, WINDOW_MAX = 16 << 20, WAIT_MS = 500, NAME_ROOM = 300 };

struct log_file {
	int fd;
	bool gz;
	struct stat st;
};

struct log_files {
	struct log_file v[FILES_MAX]; /* the newest first */
	size_t n;
};

struct reading {
	const struct logs_read *r;
	const struct log_format *format;
	struct log_files *files;
	int notify;
	/* the file being read */
	int fd;              /* borrowed from files */
	struct stream *plain, *packed; /* packed: a compressed file below it */
	off_t at, end;       /* not beyond: what comes meanwhile is for those who follow. -1: as far as it goes */
	struct buf window;   /* what was read of it and not yet used up */
	char *scratch;
	size_t scratch_room;
	int64_t skip;        /* so many lines are not shown yet */
};

static void log_files_drop(struct log_files **f)
{
	for (size_t i = 0; *f && i < (*f)->n; i++)
		fd_drop(&(*f)->v[i].fd);
	mem_drop(f);
}

static void reading_drop(struct reading *g)
{
	stream_drop(&g->plain);
	stream_drop(&g->packed);
	log_files_drop(&g->files);
	fd_drop(&g->notify);
	buf_drop(&g->window);
	mem_drop(&g->scratch);
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev;
}

/* 1 when it was added, 0 when it is not there. */
static int add_file(const struct logs_read *r, struct log_files *f, const char *name, bool gz, struct err *e)
{
	struct log_file *at = &f->v[f->n];
	own(fd) int fd = openat(r->dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(e, "log %s", name);
	if (fstat(fd, &at->st) < 0)
		return err_sys(e, "log %s", name);
	for (size_t i = 0; i < f->n; i++)
		if (same_file(&f->v[i].st, &at->st))
			return 1;
	at->fd = take_fd(fd);
	at->gz = gz;
	f->n++;
	return 1;
}

static int open_files(struct reading *g, struct err *e)
{
	log_files_drop(&g->files);
	g->files = mem_alloc(sizeof *g->files);
	if (add_file(g->r, g->files, g->r->name, false, e) < 0)
		return -1;
	int found = 1;
	for (unsigned i = 1; found && g->files->n < FILES_MAX; i++) {
		char name[NAME_ROOM];
		snprintf(name, sizeof name, "%s.%u", g->r->name, i);
		found = add_file(g->r, g->files, name, false, e);
		if (found == 0) {
			snprintf(name, sizeof name, "%s.%u.gz", g->r->name, i);
			found = add_file(g->r, g->files, name, true, e);
		}
		if (found < 0)
			return -1;
	}
	return 0;
}

/* Makes file i the one being read, from offset on. */
static int begin(struct reading *g, const struct log_file *f, off_t offset, struct err *e)
{
	stream_drop(&g->plain);
	stream_drop(&g->packed);
	buf_reset(&g->window);
	g->window.max = WINDOW_MAX;
	g->fd = f->fd;
	g->at = offset;
	g->end = g->r->follow || f->gz ? -1 : f->st.st_size;
	if (!f->gz)
		return 0;
	if (lseek(f->fd, 0, SEEK_SET) < 0)
		return err_sys(e, "log %s", g->r->name);
	g->packed = stream_fd(f->fd, UINT64_MAX);
	return stream_decompress(g->packed, &g->plain, NULL, e);
}

/* More of the file into the window; 0 at its end. */
static ssize_t fill(struct reading *g, struct err *e)
{
	char *room = buf_room(&g->window, WINDOW_MIN);
	if (!room)
		return err_set(e, ERR_CORRUPT, "log %s: a record of more than %d MiB", g->r->name, WINDOW_MAX >> 20);
	size_t max = g->end < 0 || g->end - g->at > WINDOW_MIN ? WINDOW_MIN : g->end > g->at ? (size_t)(g->end - g->at) : 0;
	ssize_t n = g->plain ? stream_read(g->plain, room, max, e) : pread(g->fd, room, max, g->at);
	if (n < 0)
		return g->plain ? -1 : err_sys(e, "log %s", g->r->name);
	g->window.len += (size_t)n;
	g->at += n;
	return n;
}

static char *scratch(struct reading *g, size_t n)
{
	if (n + 1 > g->scratch_room) {
		g->scratch_room = n + 1 > WINDOW_MIN ? n + 1 : WINDOW_MIN;
		g->scratch = mem_grow(g->scratch, g->scratch_room);
	}
	return g->scratch;
}

static bool in_time(const struct logs_read *r, const struct log_line *l)
{
	return l->time_ns >= r->since_ns && (!r->until_ns || l->time_ns <= r->until_ns);
}

static int show(struct reading *g, const struct log_line *l, struct err *e)
{
	if (!in_time(g->r, l))
		return 0;
	if (g->skip > 0) {
		g->skip -= l->complete;
		return 0;
	}
	return g->r->line(g->r->arg, l->stream, l->time_ns, l->text, l->n, l->attrs, e);
}

/* Takes every whole record in the window. each may be NULL: count only. */
static int take_records(struct reading *g, int64_t *count, struct err *e)
{
	size_t done = 0;
	int r = 0;
	while (r == 0) {
		struct log_line l;
		bool valid;
		const char *p = g->window.data + done;
		size_t n = g->window.len - done, used = n ? g->format->get(p, n, scratch(g, n), &l, &valid) : 0;
		if (!used)
			break;
		done += used;
		if (valid && count)
			*count += l.complete && in_time(g->r, &l);
		else if (valid)
			r = show(g, &l, e);
	}
	buf_cut(&g->window, done);
	return r;
}

/* From where the reading stands to the end of the file. */
static int read_on(struct reading *g, int64_t *count, struct err *e)
{
	struct stat st;
	if (!g->plain && fstat(g->fd, &st) == 0 && st.st_size < g->at) {
		/* What did not fit on the disk was cut off again. */
		g->at = st.st_size;
		buf_reset(&g->window);
	}
	for (;;) {
		ssize_t n = fill(g, e);
		if (n <= 0)
			return (int)n;
		if (take_records(g, count, e) < 0)
			return -1;
	}
}

/* Where the last lines begin. */
struct tail {
	int64_t need;   /* lines to find further back */
	bool any, found;
	size_t file;
	off_t offset;
};

/* Back over the records that end at p + len; returns what of len is left before them. */
static size_t walk_back(struct reading *g, struct tail *t, const char *p, size_t len, bool from_start)
{
	for (;;) {
		size_t at = g->format->last(p, len);
		if (at == len || (at == 0 && !from_start))
			return len;
		struct log_line l;
		bool valid = false;
		g->format->get(p + at, len - at, scratch(g, len - at), &l, &valid);
		t->found = valid && l.time_ns < g->r->since_ns;
		if (valid && in_time(g->r, &l) && (l.complete || !t->any)) {
			t->any = true;
			t->found = t->need == 0;
			t->need -= !t->found;
		}
		if (t->found)
			return len;
		len = at;
	}
}

static int find_back(struct reading *g, struct tail *t, const struct log_file *f, struct err *e)
{
	off_t end = f->st.st_size;
	size_t block = WINDOW_MIN;
	own(buf) struct buf b = BUF(WINDOW_MAX);
	for (bool whole = false; end > 0 && !t->found;) {
		off_t from = end > (off_t)block ? end - (off_t)block : 0;
		size_t len = (size_t)(end - from);
		buf_reset(&b);
		if (!buf_room(&b, len))
			break;
		ssize_t n = pread(f->fd, b.data, len, from);
		if (n < 0)
			return err_sys(e, "log %s", g->r->name);
		len = (size_t)n;
		/* At the end there may be a record that is just being written. */
		while (!whole && len > 0 && g->format->last(b.data, len) == len)
			len--;
		whole |= len > 0;
		size_t left = walk_back(g, t, b.data, len, from == 0);
		if (left && left == len && from == 0)
			break;
		block = left && left == len ? block * 2 : WINDOW_MIN;
		end = from + (off_t)left;
	}
	t->offset = end;
	return 0;
}

static int find_tail(struct reading *g, struct tail *t, struct err *e)
{
	for (t->file = 0; t->file < g->files->n && !t->found; t->file++) {
		const struct log_file *f = &g->files->v[t->file];
		t->offset = 0;
		if (!f->gz) {
			if (find_back(g, t, f, e) < 0)
				return -1;
			continue;
		}
		int64_t count = 0;
		if (begin(g, f, 0, e) < 0 || read_on(g, &count, e) < 0)
			return -1;
		t->any = true;
		t->found = count >= t->need;
		g->skip = t->found ? count - t->need : 0;
		t->need -= count;
	}
	t->file -= t->file > 0;
	return 0;
}

/* Files newer than number `after`, oldest first. */
static int read_files(struct reading *g, size_t after, off_t offset, struct err *e)
{
	for (size_t i = after; i-- > 0; offset = 0)
		if (begin(g, &g->files->v[i], offset, e) < 0 || read_on(g, NULL, e) < 0)
			return -1;
	return 0;
}

static int read_what_is_there(struct reading *g, struct err *e)
{
	const struct logs_read *r = g->r;
	if (open_files(g, e) < 0)
		return -1;
	size_t n = g->files->n;
	while (n > 1 && (int64_t)g->files->v[n - 1].st.st_mtim.tv_sec < r->since_ns / 1000000000 - 1)
		n--;
	if (r->tail < 0)
		return read_files(g, n, 0, e);
	struct tail t = {.need = r->tail};
	if (find_tail(g, &t, e) < 0)
		return -1;
	return read_files(g, n ? t.file + 1 : 0, t.offset, e);
}

/* The name means another file than the one we are at the end of. */
static bool was_rotated(const struct reading *g)
{
	struct stat now;
	return fstatat(g->r->dir, g->r->name, &now, AT_SYMLINK_NOFOLLOW) == 0 &&
		(!g->files->n || !same_file(&now, &g->files->v[0].st));
}

static int read_rotated(struct reading *g, struct err *e)
{
	struct stat mine = {};
	if (g->files->n && (read_on(g, NULL, e) < 0 || fstat(g->fd, &mine) < 0))
		return -1;
	if (open_files(g, e) < 0)
		return -1;
	size_t i = 0;
	for (; mine.st_ino && i < g->files->n; i++) {
		const struct log_file *f = &g->files->v[i];
		if (same_file(&f->st, &mine) || (f->gz && memcmp(&f->st.st_mtim, &mine.st_mtim, sizeof mine.st_mtim) == 0))
			break;
	}
	return read_files(g, mine.st_ino ? i : g->files->n, 0, e);
}

static void wait_for_more(struct reading *g)
{
	struct pollfd p = {.fd = g->notify, .events = POLLIN};
	int64_t ms = WAIT_MS;
	if (g->r->until_ns) {
		int64_t left = (g->r->until_ns - num_now_ns()) / 1000000 + 1;
		ms = left < 0 ? 0 : left < ms ? left : ms;
	}
	if (poll(&p, 1, g->notify < 0 && ms > 100 ? 100 : (int)ms) <= 0)
		return;
	char events[4096];
	while (read(g->notify, events, sizeof events) > 0)
		;
}

static bool was_cleared(const struct reading *g)
{
	struct stat st;
	return g->files->n && fstat(g->fd, &st) == 0 && st.st_size < g->at;
}

int logs_clear(int dir, const char *name, struct err *e)
{
	own(strv) struct strv names = {};
	own(mem) char *prefix = mem_printf("%s.", name);
	own(fd) int fd = openat(dir, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno != ENOENT)
		return err_sys(e, "%s", name);
	if (path_list(dir, ".", &names, e) < 0)
		return -1;
	/* The oldest last: while this goes on, its monitor may move them up. */
	strv_sort(&names);
	for (size_t i = 0; i < names.n; i++)
		if (str_has_prefix(names.v[i], prefix) && unlinkat(dir, names.v[i], 0) < 0 && errno != ENOENT)
			return err_sys(e, "%s", names.v[i]);
	return fd >= 0 && ftruncate(fd, 0) < 0 ? err_sys(e, "%s", name) : 0;
}

static int follow(struct reading *g, struct err *e)
{
	const struct logs_read *r = g->r;
	for (bool over = false;;) {
		off_t before = g->at;
		if (was_rotated(g)) {
			if (read_rotated(g, e) < 0)
				return -1;
			continue;
		}
		if (was_cleared(g) && begin(g, &g->files->v[0], 0, e) < 0)
			return -1;
		if (g->files->n && read_on(g, NULL, e) < 0)
			return -1;
		if (g->at != before || was_rotated(g))
			continue;
		if (over || (r->until_ns && num_now_ns() > r->until_ns))
			return 0;
		/* What was written before the end is read once more after we have heard of it. */
		over = r->stopped && r->stopped(r->arg);
		if (!over)
			wait_for_more(g);
	}
}

int logs_read(const struct logs_read *r, struct err *e)
{
	if (r->driver != LOG_JSON_FILE && r->driver != LOG_LOCAL)
		return err_set(e, ERR_UNSUPPORTED, "its log driver keeps nothing here");
	own(reading) struct reading g = {.r = r, .format = &log_formats[r->driver], .notify = -1, .fd = -1};
	if (r->follow) {
		char path[40];
		snprintf(path, sizeof path, "/proc/self/fd/%d", r->dir);
		g.notify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
		if (g.notify >= 0 && inotify_add_watch(g.notify, path, IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF | IN_DELETE) < 0)
			fd_drop(&g.notify);
	}
	if (read_what_is_there(&g, e) < 0)
		return -1;
	return r->follow ? follow(&g, e) : 0;
}
