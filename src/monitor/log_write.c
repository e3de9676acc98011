/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   log_add: chunk -> lines (a line longer than 16 KiB: parts) -> records in the batch
 *   log_flush: the batch -> one write(2)
 *
 * Every write ends at the end of a record: a write that did not fit (ENOSPC, EDQUOT, EFBIG, EIO) is cut off
 * again with ftruncate and its lines are counted as dropped. The next write that might fit begins with a
 * record that says how many there were.
 *
 * Rotation, before a record would take the file over max_size: name.1 becomes name.2 and so on, the file itself
 * name.1. The oldest goes first, so a full disk has room again. With max_files 1 the file is replaced by a
 * new one (not truncated: a reader may still be in it).
 *
 * compress: gzip(1) runs beside us on name.1, into name.gz.part. When it is done log_reap() renames that to name.1.gz
 * and gives it the plain file's time, by which a reader tells that it is the same file. If the next rotation comes
 * first, gzip is stopped: its file stays plain until a later one finds it.
 */
#include "monitor/log_write.h"

#include "base/fd.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BATCH = 65536, NAME_ROOM = 256 };
static const char gzip_path[] = "/bin/gzip";

/* Without printf: see monitor.c on its size. */
static void rotated_name(const struct log *l, char out[static NAME_ROOM], unsigned i, bool gz)
{
	char digits[12], *at = digits + sizeof digits;
	*--at = 0;
	do
		*--at = (char)('0' + i % 10);
	while ((i /= 10) > 0);
	char *end = stpcpy(stpcpy(out, l->options->name), ".");
	stpcpy(stpcpy(end, at), gz ? ".gz" : "");
}

static void part_name(const struct log *l, char out[static NAME_ROOM])
{
	snprintf(out, NAME_ROOM, "%s.gz.part", l->options->name);
}

/* A record that a killed monitor wrote only in part is cut off; a reader would take it for the next one's beginning. */
static int mend_end(struct log *l, struct err *e)
{
	size_t room = log_record_room(LOG_LINE_MAX, l->nattrs);
	own(mem) char *end = mem_alloc(room);
	off_t from = l->size > room ? (off_t)(l->size - room) : 0;
	ssize_t n = pread(l->fd, end, room, from);
	if (n < 0)
		return err_sys(e, "log %s", l->options->name);
	size_t whole = (size_t)n;
	while (whole > 0 && l->format->last(end, whole) == whole)
		whole--;
	if (whole == (size_t)n)
		return 0;
	if (ftruncate(l->fd, from + (off_t)whole) < 0)
		return err_sys(e, "log %s", l->options->name);
	l->size = (uint64_t)from + whole;
	return 0;
}

int log_open(struct log *l, const struct log_options *o, struct err *e)
{
	l->options = o;
	l->fd = -1;
	if (o->driver == LOG_NONE)
		return 0;
	if (o->driver == LOG_JOURNALD || o->driver == LOG_SYSLOG) {
		if (log_send_open(&l->send, o, e) < 0)
			return -1;
		l->sends = true;
		return 0;
	}
	l->format = &log_formats[o->driver];
	l->nattrs = o->driver == LOG_JSON_FILE && o->attrs && strcmp(o->attrs, "{}") != 0 ? strlen(o->attrs) : 0;
	if (strlen(o->name) > NAME_ROOM - 32)
		return err_set(e, ERR_BUG, "log %s: too long a name", o->name);
	if (o->compress && access(gzip_path, X_OK) < 0)
		return err_sys(e, "log option compress=true needs %s", gzip_path);
	l->fd = openat(o->dir, o->name, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct stat st;
	if (l->fd < 0 || fstat(l->fd, &st) < 0)
		return err_sys(e, "log %s", o->name);
	l->size = (uint64_t)st.st_size;
	if (l->size && mend_end(l, e) < 0)
		return -1;
	l->room = BATCH + log_record_room(LOG_LINE_MAX, l->nattrs);
	l->batch = mem_alloc(l->room);
	return 0;
}

static void stop_gzip(struct log *l)
{
	char part[NAME_ROOM];
	if (!l->gzip)
		return;
	kill(l->gzip, SIGKILL);
	waitpid(l->gzip, NULL, 0);
	l->gzip = 0;
	part_name(l, part);
	unlinkat(l->options->dir, part, 0);
}

void log_drop(struct log *l)
{
	stop_gzip(l);
	fd_drop(&l->fd);
	mem_drop(&l->batch);
	log_send_drop(&l->send);
	l->sends = false;
	l->format = NULL;
}

void log_reap(struct log *l)
{
	int status, dir = l->options->dir;
	char part[NAME_ROOM], gz[NAME_ROOM + 3];
	if (!l->gzip || waitpid(l->gzip, &status, WNOHANG) != l->gzip)
		return;
	l->gzip = 0;
	part_name(l, part);
	snprintf(gz, sizeof gz, "%s.gz", l->gzip_name);
	struct stat st;
	bool good = WIFEXITED(status) && WEXITSTATUS(status) == 0 && fstatat(dir, l->gzip_name, &st, AT_SYMLINK_NOFOLLOW) == 0;
	struct timespec times[2] = {st.st_mtim, st.st_mtim};
	if (good && utimensat(dir, part, times, 0) == 0 && renameat(dir, part, dir, gz) == 0)
		unlinkat(dir, l->gzip_name, 0);
	else
		unlinkat(dir, part, 0);
}

static void start_gzip(struct log *l)
{
	struct stat st;
	char part[NAME_ROOM];
	for (unsigned i = 1; i < l->options->max_files; i++) {
		rotated_name(l, l->gzip_name, i, false);
		if (fstatat(l->options->dir, l->gzip_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			break;
		char gz[NAME_ROOM];
		rotated_name(l, gz, i, true);
		if (fstatat(l->options->dir, gz, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return;
	}
	part_name(l, part);
	own(fd) int in = openat(l->options->dir, l->gzip_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	own(fd) int out = openat(l->options->dir, part, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (in < 0 || out < 0)
		return;
	pid_t pid = fork();
	if (pid == 0) {
		static char *const argv[] = {(char *)(uintptr_t) "gzip", (char *)(uintptr_t) "-cn", NULL}, *const env[] = {NULL};
		if (dup2(in, 0) == 0 && dup2(out, 1) == 1)
			execve(gzip_path, argv, env);
		_exit(127);
	}
	l->gzip = pid > 0 ? pid : 0;
}

static void rotate(struct log *l)
{
	char from[NAME_ROOM], to[NAME_ROOM];
	int dir = l->options->dir;
	unsigned max = l->options->max_files ? l->options->max_files : 1, top = 0;
	stop_gzip(l);
	for (bool found = true; found && top + 1 < max;) {
		found = false;
		for (int gz = 0; gz <= l->options->compress; gz++) {
			rotated_name(l, from, top + 1, gz);
			found |= faccessat(dir, from, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
		}
		top += found;
	}
	for (unsigned i = top; i > 0; i--)
		for (int gz = 0; gz <= l->options->compress; gz++) {
			rotated_name(l, from, i, gz);
			rotated_name(l, to, i + 1, gz);
			if (i + 1 >= max)
				unlinkat(dir, from, 0);
			else
				renameat(dir, from, dir, to);
		}
	rotated_name(l, to, 1, false);
	fd_drop(&l->fd);
	l->size = 0;
	if (max == 1)
		unlinkat(dir, l->options->name, 0);
	else if (renameat(dir, l->options->name, dir, to) < 0)
		l->why = errno;
	if (l->options->compress && max > 1)
		start_gzip(l);
}

/* A new file; never an old one, whose size limit it would break. */
static bool open_next(struct log *l)
{
	l->fd = openat(l->options->dir, l->options->name, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (l->fd < 0 && errno == EEXIST) {
		unlinkat(l->options->dir, l->options->name, 0);
		l->fd = openat(l->options->dir, l->options->name, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	}
	if (l->fd < 0)
		l->why = errno;
	l->size = 0;
	return l->fd >= 0;
}

/* A verb may have emptied it (logs --clear). */
static bool was_cleared(struct log *l)
{
	struct stat st;
	if (l->fd < 0 || fstat(l->fd, &st) < 0 || (uint64_t)st.st_size >= l->size)
		return false;
	l->size = (uint64_t)st.st_size;
	return true;
}

static void cut_off(struct log *l, size_t part)
{
	struct stat st;
	if (part && (fstat(l->fd, &st) < 0 || ftruncate(l->fd, st.st_size - (off_t)part) < 0))
		fd_drop(&l->fd);
}

/* All of it, or nothing. */
static bool write_whole(struct log *l, const char *p, size_t n)
{
	if (l->fd < 0 && !open_next(l))
		return false;
	size_t done = 0;
	while (done < n) {
		ssize_t w = write(l->fd, p + done, n - done);
		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0) {
			l->why = w < 0 ? errno : ENOSPC;
			cut_off(l, done);
			return false;
		}
		done += (size_t)w;
	}
	l->size += n;
	return true;
}

static void set_time(struct log *l, int64_t now_ns)
{
	if (l->time_ns != now_ns || !*l->time_text)
		log_format_time(now_ns, l->time_text);
	l->time_ns = now_ns;
}

/* "hull: 12 lines of this log were lost: No space left on device" */
static bool tell_dropped(struct log *l)
{
	char text[200], record[2048];
	if (!l->dropped)
		return true;
	int n = snprintf(text, sizeof text, "hull: %llu line%s of this log %s lost: %s", (unsigned long long)l->dropped,
		l->dropped == 1 ? "" : "s", l->dropped == 1 ? "was" : "were", l->why ? strerror(l->why) : "more came than its rate allows");
	char when[LOG_TIME_TEXT];
	log_format_time(l->time_ns, when);
	struct log_line line = {.stream = 2, .complete = true, .time_ns = l->time_ns, .time_text = when, .text = text, .n = (size_t)n};
	if (l->sends ? log_send(&l->send, l->options, &line) != 0 : !write_whole(l, record, l->format->put(record, &line)))
		return false;
	l->dropped = 0;
	return true;
}

void log_flush(struct log *l)
{
	if (!l->len)
		return;
	if (!tell_dropped(l) || !write_whole(l, l->batch, l->len))
		l->dropped += l->lines;
	l->len = l->lines = 0;
}

/* A line of which a part is lost is a lost one. */
static void send_on(struct log *l, struct log_stream *s, const struct log_line *line)
{
	int why = tell_dropped(l) ? log_send(&l->send, l->options, line) : l->why;
	if (why) {
		l->why = why;
		l->dropped += !s->is_counted;
		s->is_counted = true;
	}
}

/* Lines are counted by the second they come in. */
static bool is_too_many(struct log *l)
{
	int64_t second = l->time_ns / 1000000000;
	if (second != l->second)
		l->rated = 0;
	l->second = second;
	if (l->rated < l->options->rate)
		return l->rated++, false;
	l->why = 0;
	l->dropped++;
	return true;
}

static void emit(struct log *l, int stream, const char *p, size_t n, bool complete)
{
	struct log_stream *s = &l->streams[stream - 1];
	if (!s->inside) {
		s->began_ns = l->time_ns;
		s->left_out = l->options->rate && is_too_many(l);
		s->is_counted = false;
	}
	if (s->left_out) {
		s->inside = !complete;
		return;
	}
	char began[LOG_TIME_TEXT];
	bool earlier = s->began_ns != l->time_ns;
	if (earlier)
		log_format_time(s->began_ns, began);
	struct log_line line = {.stream = stream, .complete = complete, .time_ns = s->began_ns,
		.time_text = earlier ? began : l->time_text, .text = p, .n = n, .attrs = l->options->attrs, .nattrs = l->nattrs};
	if (l->sends) {
		send_on(l, s, &line);
		s->inside = !complete;
		return;
	}
	if (l->len > BATCH)
		log_flush(l);
	char *at = l->batch + l->len;
	size_t len = l->format->put(at, &line);
	uint64_t max = l->options->max_size;
	if (l->size + l->len > 0 && (len > max || l->size + l->len > max - len)) {
		log_flush(l);
		if (l->size > 0 && !was_cleared(l))
			rotate(l);
		memmove(l->batch, at, len);
	}
	l->len += len;
	l->lines += !s->inside;
	s->inside = !complete;
}

/* LOG_LINE_MAX bytes without a line break: a part, that does not end inside a character. */
static void emit_part(struct log *l, int stream)
{
	struct log_stream *s = &l->streams[stream - 1];
	size_t cut = log_cut_character(s->carry, s->n);
	emit(l, stream, s->carry, s->n - cut, false);
	memmove(s->carry, s->carry + s->n - cut, cut);
	s->n = cut;
}

void log_add(struct log *l, int stream, const char *p, size_t n, int64_t now_ns)
{
	struct log_stream *s = &l->streams[stream - 1];
	if (!l->format && !l->sends)
		return;
	set_time(l, now_ns);
	while (n > 0) {
		size_t room = LOG_LINE_MAX - s->n, look = n < room ? n : room;
		const char *end = memchr(p, '\n', look);
		size_t take = end ? (size_t)(end - p) : look;
		if (end && s->n == 0) {
			emit(l, stream, p, take, true);
		} else {
			memcpy(s->carry + s->n, p, take);
			s->n += take;
			if (end) {
				emit(l, stream, s->carry, s->n, true);
				s->n = 0;
			} else if (s->n == LOG_LINE_MAX) {
				emit_part(l, stream);
			}
		}
		take += end != NULL;
		p += take;
		n -= take;
	}
}

void log_close(struct log *l, int64_t now_ns)
{
	for (int stream = 1; (l->format || l->sends) && stream <= 2; stream++) {
		struct log_stream *s = &l->streams[stream - 1];
		set_time(l, now_ns);
		if (s->n)
			emit(l, stream, s->carry, s->n, false);
		s->n = 0;
		s->inside = false;
	}
	if (!l->format && !l->sends)
		return;
	log_flush(l);
	(void)!tell_dropped(l);
	log_reap(l);
	log_drop(l);
}
