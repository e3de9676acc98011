/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "codec/json.h"
#include "monitor/log_write.h"
#include "monitor/logs.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { SECOND = 1000000000 };

struct fixture {
	char path[64];
	int dir;
	struct log_options o;
	struct log *log;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	strcpy(f->path, "/tmp/hull-logs.XXXXXX");
	assert_non_null(mkdtemp(f->path));
	f->dir = open(f->path, O_DIRECTORY | O_CLOEXEC);
	f->o = (struct log_options){.driver = LOG_JSON_FILE, .dir = f->dir, .name = "c.log", .max_size = UINT64_MAX, .max_files = 3};
	f->log = calloc(1, sizeof *f->log);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	struct err e = {};
	log_drop(f->log);
	assert_int_equal(path_remove_tree(AT_FDCWD, f->path, &e), 0);
	close(f->dir);
	free(f->log);
	free(f);
	return 0;
}

static void begin(struct fixture *f)
{
	struct err e = {};
	memset(f->log, 0, sizeof *f->log);
	if (log_open(f->log, &f->o, &e) < 0)
		fail_msg("%s", e.text);
}

static void add(struct fixture *f, int stream, const char *text, int64_t sec)
{
	log_add(f->log, stream, text, strlen(text), sec * SECOND);
}

static void end(struct fixture *f, int64_t sec)
{
	log_close(f->log, sec * SECOND);
}

/* What a read gives: lines as "<stream>text". */
struct seen {
	struct buf text;
	int64_t calls, stop_after;
	int64_t last_time;
	char attrs[200];
	int dir;
	struct fixture *writes; /* while it is read */
};

static int line(void *arg, int stream, int64_t time_ns, const char *p, size_t n, const char *attrs, struct err *e)
{
	struct seen *s = arg;
	buf_printf(&s->text, "%d", stream);
	buf_add(&s->text, p, n);
	s->last_time = time_ns;
	snprintf(s->attrs, sizeof s->attrs, "%s", attrs ? attrs : "");
	if (s->writes && s->calls < 20) {
		add(s->writes, 1, "more\n", 9);
		log_flush(s->writes->log);
	}
	return ++s->calls == s->stop_after ? err_set(e, ERR_LIMIT, "enough") : 0;
}

static char *read_all(struct fixture *f, const struct logs_read *how)
{
	struct err e = {};
	struct seen s = {.text = BUF(64 << 20), .dir = f->dir};
	struct logs_read r = *how;
	r.driver = f->o.driver;
	r.dir = f->dir;
	r.name = "c.log";
	r.line = line;
	r.arg = &s;
	if (logs_read(&r, &e) < 0)
		fail_msg("%s", e.text);
	assert_false(s.text.full);
	return buf_take(&s.text);
}

/* Whoever does not follow has what was there, however much comes meanwhile. */
static void while_it_grows(void **state)
{
	struct fixture *f = *state;
	static const struct { int64_t tail; const char *text; } cases[] = {{-1, "1one\n1two\n"}, {1, "1more\n"}, {2, "1more\n1more\n"}};
	begin(f);
	add(f, 1, "one\ntwo\n", 5);
	log_flush(f->log);
	for (size_t i = 0; i < countof(cases); i++) {
		struct err e = {};
		struct seen s = {.text = BUF(1 << 20), .dir = f->dir, .writes = f};
		struct logs_read r = {.driver = f->o.driver, .dir = f->dir, .name = "c.log", .tail = cases[i].tail, .line = line, .arg = &s};
		if (logs_read(&r, &e) < 0)
			fail_msg("%s", e.text);
		assert_string_equal(buf_text(&s.text), cases[i].text);
		buf_drop(&s.text);
	}
	end(f, 10);
}

static void expect(struct fixture *f, const struct logs_read *how, const char *text)
{
	own(mem) char *got = read_all(f, how);
	assert_string_equal(got, text);
}
#define READ(...) (&(const struct logs_read){__VA_ARGS__})
#define ALL(...)  READ(.tail = -1, ##__VA_ARGS__)

static char *file(struct fixture *f, const char *name)
{
	struct err e = {};
	struct buf b = BUF(64 << 20);
	if (path_read(f->dir, name, &b, &e) < 0)
		fail_msg("%s", e.text);
	return buf_take(&b);
}

/* docker's own words, byte for byte. */
static void format(void **state)
{
	struct fixture *f = *state;
	f->o.attrs = "{\"tag\":\"}x\\\"\"}";
	begin(f);
	log_add(f->log, 1, "plain\n", 6, 1600000000123400000);
	log_add(f->log, 2, "\"\\\t\r\x01<&>\x7f\n", 10, 1600000001000000000);
	log_add(f->log, 1, "\xc3\xa4\xff\xc3\xe2\x80\xa8\xf0\x9f\x98\x80\xed\xa0\x80\xc0\xaf\n", 17, 1600000002000000001);
	log_add(f->log, 1, "\n", 1, 1600000002000000001);
	log_add(f->log, 1, "no end", 6, 1600000002000000001);
	log_close(f->log, 1600000003000000000);
	own(mem) char *text = file(f, "c.log");
	assert_string_equal(text,
		"{\"log\":\"plain\\n\",\"stream\":\"stdout\",\"attrs\":{\"tag\":\"}x\\\"\"},\"time\":\"2020-09-13T12:26:40.1234Z\"}\n"
		"{\"log\":\"\\\"\\\\\\u0009\\r\\u0001\\u003c\\u0026\\u003e\x7f\\n"
		"\",\"stream\":\"stderr\",\"attrs\":{\"tag\":\"}x\\\"\"},\"time\":\"2020-09-13T12:26:41Z\"}\n"
		"{\"log\":\"\xc3\xa4\\ufffd\\ufffd\\u2028\xf0\x9f\x98\x80\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\n"
		"\",\"stream\":\"stdout\",\"attrs\":{\"tag\":\"}x\\\"\"},"
		"\"time\":\"2020-09-13T12:26:42.000000001Z\"}\n"
		"{\"log\":\"\\n\",\"stream\":\"stdout\",\"attrs\":{\"tag\":\"}x\\\"\"},\"time\":\"2020-09-13T12:26:42.000000001Z\"}\n"
		"{\"log\":\"no end\",\"stream\":\"stdout\",\"attrs\":{\"tag\":\"}x\\\"\"},\"time\":\"2020-09-13T12:26:43Z\"}\n");
	/* Every line is JSON for others, too. */
	for (char *at = text; *at;) {
		struct err e = {};
		own(json) struct json *j = NULL;
		size_t n = strcspn(at, "\n");
		assert_int_equal(json_parse(at, n, &j, &e), 0);
		at += n + 1;
	}
	struct seen s = {};
	struct err e = {};
	struct logs_read r = {.driver = LOG_JSON_FILE, .dir = f->dir, .name = "c.log", .tail = 1, .line = line, .arg = &s};
	assert_int_equal(logs_read(&r, &e), 0);
	assert_string_equal(buf_text(&s.text), "1no end");
	assert_string_equal(s.attrs, f->o.attrs);
	assert_true(s.last_time == 1600000003000000000);
	buf_drop(&s.text);
	expect(f, ALL(), "1plain\n2\"\\\t\r\x01<&>\x7f\n1\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd\xe2\x80\xa8\xf0\x9f\x98\x80"
		"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\n1\n1no end");
}

/* Lines longer than 16 KiB come in parts, with one time, and a character is not torn. */
static void long_lines(void **state)
{
	struct fixture *f = *state;
	for (int driver = LOG_JSON_FILE; driver <= LOG_LOCAL; driver++) {
		f->o.driver = (enum log_driver)driver;
		unlinkat(f->dir, "c.log", 0);
		begin(f);
		own(mem) char *big = calloc(1, 40002);
		memset(big, 'x', 40000);
		memcpy(big + LOG_LINE_MAX - 2, "\xf0\x9f\x98\x80", 4);
		big[40000] = '\n';
		for (size_t at = 0; at < 40001; at += 1000)
			log_add(f->log, 1, big + at, 40001 - at < 1000 ? 40001 - at : 1000, (int64_t)(1 + at) * SECOND);
		add(f, 2, "next\n", 50000);
		end(f, 50000);
		struct seen s = {.text = BUF(1 << 20)};
		struct err e = {};
		struct logs_read r = {.driver = f->o.driver, .dir = f->dir, .name = "c.log", .tail = -1, .line = line, .arg = &s};
		assert_int_equal(logs_read(&r, &e), 0);
		assert_int_equal(s.calls, 4);
		own(buf) struct buf want = BUF(1 << 20);
		buf_printf(&want, "1%.*s1%.*s1%s2next\n", LOG_LINE_MAX - 2, big, LOG_LINE_MAX, big + LOG_LINE_MAX - 2, big + 2 * LOG_LINE_MAX - 2);
		assert_string_equal(buf_text(&s.text), buf_text(&want));
		buf_drop(&s.text);
		/* The last two lines are the whole long one and the short one. */
		own(mem) char *two = read_all(f, READ(.tail = 2));
		assert_string_equal(two, buf_text(&want));
		expect(f, READ(.tail = 1), "2next\n");
		/* All parts carry the time of the first. */
		s = (struct seen){};
		r.until_ns = 49999LL * SECOND;
		assert_int_equal(logs_read(&r, &e), 0);
		assert_true(s.last_time == 16001LL * SECOND || s.last_time == 16000LL * SECOND + SECOND);
		buf_drop(&s.text);
	}
}

static void exact_length(void **state)
{
	struct fixture *f = *state;
	begin(f);
	own(mem) char *big = calloc(1, LOG_LINE_MAX + 2);
	memset(big, 'y', LOG_LINE_MAX);
	big[LOG_LINE_MAX] = '\n';
	add(f, 1, big, 1);
	end(f, 1);
	own(mem) char *text = file(f, "c.log");
	const char *second = strchr(text, '\n') + 1;
	assert_string_equal(second, "{\"log\":\"\\n\",\"stream\":\"stdout\",\"time\":\"1970-01-01T00:00:01Z\"}\n");
}

static void binary_bytes(void **state)
{
	struct fixture *f = *state;
	f->o.driver = LOG_LOCAL;
	begin(f);
	char all[257];
	for (int i = 0; i < 256; i++)
		all[i] = (char)i;
	all[256] = '\n';
	log_add(f->log, 1, all, sizeof all, SECOND);
	end(f, 2);
	struct seen s = {};
	struct err e = {};
	struct logs_read r = {.driver = LOG_LOCAL, .dir = f->dir, .name = "c.log", .tail = -1, .line = line, .arg = &s};
	assert_int_equal(logs_read(&r, &e), 0);
	assert_int_equal(s.text.len, sizeof all + 2);
	assert_memory_equal(s.text.data + 1, all, 11);
	assert_memory_equal(s.text.data + 13, all + 11, sizeof all - 11);
	buf_drop(&s.text);
}

/* max lines numbered from 1, ten bytes each, one a second. */
static void count_up(struct fixture *f, int from, int to)
{
	for (int i = from; i <= to; i++) {
		char text[20];
		snprintf(text, sizeof text, "line %04d\n", i);
		add(f, 1 + i % 2, text, i);
		log_flush(f->log);
	}
}

static char *counted(int from, int to)
{
	struct buf b = BUF(1 << 20);
	buf_str(&b, "");
	for (int i = from; i <= to; i++)
		buf_printf(&b, "%dline %04d\n", 1 + i % 2, i);
	return buf_take(&b);
}

static void expect_lines(struct fixture *f, const struct logs_read *how, int from, int to)
{
	own(mem) char *want = counted(from, to);
	expect(f, how, want);
}

/* As many lines as the files hold are the last ones; returns the first. */
static int check_rotated(struct fixture *f, int last)
{
	own(mem) char *got = read_all(f, ALL());
	int first = atoi(got + 6);
	own(mem) char *want = counted(first, last);
	assert_string_equal(got, want);
	for (int n = 0; n <= last - first + 1; n++)
		expect_lines(f, READ(.tail = n), last - n + 1, last);
	expect_lines(f, READ(.tail = 100000), first, last);
	expect_lines(f, ALL(.since_ns = (int64_t)(first + 3) * SECOND), first + 3, last);
	expect_lines(f, ALL(.until_ns = (int64_t)(last - 5) * SECOND), first, last - 5);
	expect_lines(f, ALL(.since_ns = (int64_t)(first + 2) * SECOND, .until_ns = (int64_t)(last - 5) * SECOND), first + 2, last - 5);
	expect_lines(f, READ(.tail = 3, .until_ns = (int64_t)(last - 5) * SECOND), last - 7 < first ? first : last - 7, last - 5);
	expect_lines(f, READ(.tail = 3, .since_ns = (int64_t)(last - 1) * SECOND), last - 1, last);
	expect_lines(f, ALL(.since_ns = (int64_t)(last + 1) * SECOND), 1, 0);
	return first;
}

static void rotation(void **state)
{
	struct fixture *f = *state;
	for (int driver = LOG_JSON_FILE; driver <= LOG_LOCAL; driver++) {
		f->o.driver = (enum log_driver)driver;
		f->o.max_size = 1000;
		for (int n = 0; n < 4; n++) {
			char name[20];
			snprintf(name, sizeof name, n ? "c.log.%d" : "c.log", n);
			unlinkat(f->dir, name, 0);
		}
		begin(f);
		count_up(f, 1, 200);
		end(f, 200);
		int first = check_rotated(f, 200);
		assert_true(first > 100 && first < 180);
		uint64_t sum = 0;
		for (int n = 0; n < 3; n++) {
			char name[20];
			struct stat st;
			snprintf(name, sizeof name, n ? "c.log.%d" : "c.log", n);
			assert_int_equal(fstatat(f->dir, name, &st, 0), 0);
			assert_true(st.st_size <= 1000 && (n == 0 || st.st_size > 850));
			sum += (uint64_t)st.st_size;
		}
		assert_false(path_exists(f->dir, "c.log.3"));
		/* Started again it goes on in the same files. */
		begin(f);
		count_up(f, 201, 205);
		end(f, 205);
		check_rotated(f, 205);
	}
}

/* Many lines in one chunk: each file is full before the next begins. */
static void rotation_within_a_chunk(void **state)
{
	struct fixture *f = *state;
	f->o.max_size = 1000;
	f->o.max_files = 100;
	begin(f);
	own(mem) char *all = calloc(1, 2001);
	for (int i = 0; i < 200; i++)
		memcpy(all + i * 10, "0123456789\n" + 1, 10);
	for (int i = 0; i < 4; i++)
		log_add(f->log, 1, all + i * 500, 500, SECOND);
	end(f, 1);
	own(buf) struct buf want = BUF(10000);
	for (int i = 0; i < 200; i++)
		buf_str(&want, "1123456789\n");
	expect(f, ALL(), buf_text(&want));
	struct stat st;
	char name[20] = "c.log.1";
	int n = 1;
	for (; fstatat(f->dir, name, &st, 0) == 0; snprintf(name, sizeof name, "c.log.%d", ++n))
		assert_true(st.st_size <= 1000 && st.st_size > 900);
	assert_in_range(n, 14, 16);
}

static void one_file(void **state)
{
	struct fixture *f = *state;
	f->o.max_size = 1000;
	f->o.max_files = 1;
	begin(f);
	count_up(f, 1, 100);
	end(f, 100);
	check_rotated(f, 100);
	assert_false(path_exists(f->dir, "c.log.1"));
}

/* One record that is bigger than a whole file may be is still kept. */
static void record_bigger_than_a_file(void **state)
{
	struct fixture *f = *state;
	f->o.max_size = 10;
	begin(f);
	count_up(f, 1, 5);
	end(f, 5);
	expect_lines(f, ALL(), 3, 5);
}

static void wait_for_gzip(struct fixture *f)
{
	for (int i = 0; i < 1000 && f->log->gzip; i++) {
		usleep(5000);
		log_reap(f->log);
	}
	assert_int_equal(f->log->gzip, 0);
}

static void compressed(void **state)
{
	struct fixture *f = *state;
	for (int driver = LOG_JSON_FILE; driver <= LOG_LOCAL; driver++) {
		f->o = (struct log_options){.driver = (enum log_driver)driver, .dir = f->dir, .name = "c.log",
			.max_size = driver == LOG_LOCAL ? 500 : 1400, .max_files = 4, .compress = true};
		begin(f);
		for (int i = 0; i < 10; i++) {
			count_up(f, i * 20 + 1, i * 20 + 20);
			wait_for_gzip(f);
		}
		assert_true(path_exists(f->dir, "c.log.1.gz") && path_exists(f->dir, "c.log.3.gz"));
		assert_false(path_exists(f->dir, "c.log.1"));
		assert_false(path_exists(f->dir, "c.log.gz.part"));
		assert_false(path_exists(f->dir, "c.log.4.gz"));
		check_rotated(f, 200);
		end(f, 200);
		for (int n = 0; n < 5; n++) {
			char name[20];
			snprintf(name, sizeof name, n ? "c.log.%d.gz" : "c.log", n);
			unlinkat(f->dir, name, 0);
		}
	}
}

/* Rotation is faster than gzip: what it has not done yet is plain, and nothing is lost or left. */
static void compressed_in_a_hurry(void **state)
{
	struct fixture *f = *state;
	f->o.max_size = 1000;
	f->o.max_files = 5;
	f->o.compress = true;
	begin(f);
	count_up(f, 1, 300);
	check_rotated(f, 300);
	end(f, 300);
	check_rotated(f, 300);
	assert_false(path_exists(f->dir, "c.log.gz.part"));
}

/* A monitor that was killed leaves a piece of a record: it is cut off, not glued to the next. */
static void torn_end(void **state)
{
	struct fixture *f = *state;
	for (int driver = LOG_JSON_FILE; driver <= LOG_LOCAL; driver++) {
		f->o.driver = (enum log_driver)driver;
		unlinkat(f->dir, "c.log", 0);
		begin(f);
		count_up(f, 1, 2);
		end(f, 2);
		struct stat st;
		assert_int_equal(fstatat(f->dir, "c.log", &st, 0), 0);
		for (off_t cut = 1; cut < 25; cut++) {
			begin(f);
			count_up(f, 3, 3);
			end(f, 3);
			char path[100];
			struct stat now;
			snprintf(path, sizeof path, "%s/c.log", f->path);
			assert_int_equal(stat(path, &now), 0);
			assert_int_equal(truncate(path, now.st_size - cut), 0);
			expect_lines(f, ALL(), 1, 2);
			expect_lines(f, READ(.tail = 1), 2, 2);
			begin(f);
			count_up(f, 3, 3);
			end(f, 3);
			expect_lines(f, ALL(), 1, 3);
			assert_int_equal(truncate(path, st.st_size), 0);
		}
	}
}

static void strange_lines_are_skipped(void **state)
{
	struct fixture *f = *state;
	begin(f);
	count_up(f, 1, 1);
	end(f, 1);
	own(fd) int fd = openat(f->dir, "c.log", O_WRONLY | O_APPEND | O_CLOEXEC);
	static const char bad[] = "\nnonsense\n{}\n{\"log\":\"x\n{\"log\":\"\\q"
		"\",\"stream\":\"stdout\",\"time\":\"\"}\n{\"log\":\"x\",\"stream\":\"stdin\",\"time\":\"\"}\n"
		"{\"log\":\"x\",\"stream\":\"stdout\",\"attrs\":{\"a\":\"\n{\"log\":\"x\\";
	assert_int_equal(fd_write_all(fd, bad, sizeof bad - 1), 0);
	assert_int_equal(fd_write_all(fd, "\0\n", 2), 0);
	begin(f);
	count_up(f, 2, 3);
	end(f, 3);
	expect_lines(f, ALL(), 1, 3);
	expect_lines(f, READ(.tail = 3), 1, 3);
	expect_lines(f, READ(.tail = 2), 2, 3);
}

static void nothing_there(void **state)
{
	struct fixture *f = *state;
	expect(f, ALL(), "");
	expect(f, READ(.tail = 5), "");
	begin(f);
	end(f, 1);
	expect(f, ALL(), "");
	expect(f, READ(.tail = 5), "");
	f->o.driver = LOG_NONE;
	begin(f);
	add(f, 1, "gone\n", 1);
	end(f, 1);
	struct err e = {};
	struct logs_read r = {.driver = LOG_NONE, .dir = f->dir, .name = "c.log", .line = line};
	assert_int_equal(logs_read(&r, &e), -1);
	assert_int_equal(e.kind, ERR_UNSUPPORTED);
}

static bool is_over(void *arg)
{
	return path_exists(((struct seen *)arg)->dir, "over");
}

/* A child writes, with rotations, while we follow: every line once, in order. */
static void follow(void **state)
{
	struct fixture *f = *state;
	enum { LINES = 3000 };
	static const struct {
		enum log_driver driver;
		bool compress;
		unsigned files;
		uint64_t size;
	} rows[] = {{LOG_JSON_FILE, false, 3, 100000}, {LOG_JSON_FILE, true, 50, 20000}, {LOG_LOCAL, true, 100, 3000}, {LOG_LOCAL, false, 100, 1000}};
	for (size_t i = 0; i < countof(rows); i++) {
		f->o = (struct log_options){.driver = rows[i].driver, .dir = f->dir, .name = "c.log", .max_size = rows[i].size,
			.max_files = rows[i].files, .compress = rows[i].compress};
		pid_t pid = fork();
		if (pid == 0) {
			usleep(20000);
			begin(f);
			for (int n = 0; n < LINES; n += 10) {
				count_up(f, n + 1, n + 10);
				log_reap(f->log);
				usleep(n % 500 ? 300 : 20000);
			}
			wait_for_gzip(f);
			end(f, LINES);
			close(openat(f->dir, "over", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
			_exit(0);
		}
		own(mem) char *want = counted(1, LINES);
		own(mem) char *got = read_all(f, ALL(.follow = true, .stopped = is_over));
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		assert_string_equal(got, want);
		struct err e = {};
		assert_int_equal(path_remove_tree(AT_FDCWD, f->path, &e), 0);
		assert_int_equal(mkdir(f->path, 0700), 0);
		close(f->dir);
		f->dir = open(f->path, O_DIRECTORY | O_CLOEXEC);
	}
}

static void follow_begins_before_the_file(void **state)
{
	struct fixture *f = *state;
	pid_t pid = fork();
	if (pid == 0) {
		usleep(50000);
		begin(f);
		count_up(f, 1, 3);
		end(f, 3);
		close(openat(f->dir, "over", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
		_exit(0);
	}
	expect_lines(f, ALL(.follow = true, .stopped = is_over), 1, 3);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	/* tail with follow: the last ones of what is there. */
	expect_lines(f, READ(.follow = true, .stopped = is_over, .tail = 1), 3, 3);
	expect_lines(f, READ(.follow = true, .stopped = is_over, .tail = 0), 1, 0);
}

static bool never(void *arg)
{
	(void)arg;
	return false;
}

/* until is a time to come: it ends the following. */
static void follow_until(void **state)
{
	struct fixture *f = *state;
	begin(f);
	log_add(f->log, 1, "now\n", 4, num_now_ns());
	log_flush(f->log);
	int64_t from = num_monotonic_ns();
	expect(f, ALL(.follow = true, .stopped = never, .until_ns = num_now_ns() + 200000000), "1now\n");
	int64_t took = num_monotonic_ns() - from;
	assert_true(took > 150000000 && took < 5LL * SECOND);
}

static void a_callback_stops_it(void **state)
{
	struct fixture *f = *state;
	begin(f);
	count_up(f, 1, 10);
	end(f, 10);
	struct seen s = {.stop_after = 4};
	struct err e = {};
	struct logs_read r = {.driver = LOG_JSON_FILE, .dir = f->dir, .name = "c.log", .tail = -1, .line = line, .arg = &s};
	assert_int_equal(logs_read(&r, &e), -1);
	assert_int_equal(e.kind, ERR_LIMIT);
	assert_int_equal(s.calls, 4);
	buf_drop(&s.text);
}

/* A full disk: nothing fails or blocks, the file stays in whole records, and how much was lost is said. */
static void full_disk(void **state)
{
	struct fixture *f = *state;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("hull-test", f->path, "tmpfs", 0, "size=64k") < 0) {
		print_message("skipped: a tmpfs cannot be mounted here\n");
		skip();
	}
	close(f->dir);
	f->dir = open(f->path, O_DIRECTORY | O_CLOEXEC);
	for (int driver = LOG_JSON_FILE; driver <= LOG_LOCAL; driver++) {
		f->o.driver = (enum log_driver)driver;
		f->o.dir = f->dir;
		unlinkat(f->dir, "c.log", 0);
		own(fd) int ballast = openat(f->dir, "ballast", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
		char block[4096] = {};
		for (int i = 0; i < 10; i++)
			assert_int_equal(fd_write_all(ballast, block, sizeof block), 0);
		begin(f);
		count_up(f, 1, 2000);
		assert_true(f->log->dropped > 0);
		own(mem) char *full = read_all(f, ALL());
		int kept = 0;
		for (char *at = full; (at = strchr(at, '\n')); at++)
			kept++;
		assert_true(kept > 100 && kept < 2000);
		own(mem) char *want = counted(1, kept);
		assert_string_equal(full, want);
		assert_int_equal(f->log->dropped, 2000 - kept);
		assert_int_equal(ftruncate(ballast, 0), 0);
		count_up(f, 2001, 2002);
		end(f, 2002);
		own(buf) struct buf all = BUF(1 << 20);
		buf_printf(&all, "%s2hull: %d lines of this log were lost: No space left on device\n2line 2001\n1line 2002\n", want, 2000 - kept);
		expect(f, ALL(), buf_text(&all));
		unlinkat(f->dir, "ballast", 0);
	}
	close(f->dir);
	umount2(f->path, MNT_DETACH);
	f->dir = open(f->path, O_DIRECTORY | O_CLOEXEC);
}

/* A receiver has room for the beginning of a line alone: that line is lost, and counted once. */
static void lost_parts_are_counted(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	char address[128], got[64];
	snprintf(a.sun_path, sizeof a.sun_path, "%s/sock", f->path);
	snprintf(address, sizeof address, "unixgram://%s", a.sun_path);
	own(fd) int receiver = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(receiver, (struct sockaddr *)&a, sizeof a), 0);
	f->o.driver = LOG_SYSLOG;
	f->o.non_blocking = true;
	f->o.address = address;
	f->o.hostname = f->o.tag = "t";
	begin(f);
	for (int i = 0; i < 10000 && !f->log->dropped; i++)
		add(f, 1, "x\n", 1);
	assert_int_equal(f->log->dropped, 1);
	/* One for the line that says so, one for the beginning of a line of three parts. */
	for (int i = 0; i < 2; i++)
		assert_true(recv(receiver, got, sizeof got, MSG_DONTWAIT) > 0);
	own(mem) char *text = mem_alloc(3 * LOG_LINE_MAX);
	memset(text, 'l', 3 * LOG_LINE_MAX - 1);
	log_add(f->log, 1, text, 3 * LOG_LINE_MAX - 1, 2LL * SECOND);
	assert_int_equal(f->log->dropped, 1);
	add(f, 1, "\n", 2);
	assert_int_equal(f->log->dropped, 1);
	add(f, 1, "y\n", 2);
	assert_int_equal(f->log->dropped, 2);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {TEST(format), TEST(while_it_grows), TEST(long_lines), TEST(exact_length), TEST(binary_bytes),
		TEST(rotation), TEST(rotation_within_a_chunk),
		TEST(one_file), TEST(record_bigger_than_a_file), TEST(compressed), TEST(compressed_in_a_hurry), TEST(torn_end),
		TEST(strange_lines_are_skipped), TEST(nothing_there), TEST(follow), TEST(follow_begins_before_the_file), TEST(follow_until),
		TEST(a_callback_stops_it), TEST(full_disk), TEST(lost_parts_are_counted)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
