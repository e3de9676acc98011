/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log: where messages go. The callers of a runtime read the log's last line as JSON, with runc's keys level, msg and time,
 * to tell their user what went wrong; people read stderr.
 *
 *   --log FILE, file:FILE    lines are appended; a plain file, never a symlink's target in a directory of others
 *   --log journald:ID, syslog:ID    to /dev/log, as crun has it
 */
#include "oci/oci.h"

#include "base/fd.h"
#include "base/num.h"
#include "codec/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

static const struct {
	const char *name, *printed;
	int priority;
} levels[] = {{"panic", "fatal", LOG_CRIT}, {"fatal", "fatal", LOG_CRIT}, {"error", "error", LOG_ERR}, {"warning", "warning", LOG_WARNING},
	{"warn", "warning", LOG_WARNING}, {"info", "info", LOG_INFO}, {"debug", "debug", LOG_DEBUG}, {"trace", "debug", LOG_DEBUG}};
enum { LEVEL_ERROR = 2, LEVEL_WARN = 3, LEVEL_INFO = 5, LEVEL_DEBUG = 6 };

static struct {
	int fd;          /* of the file, or -1 */
	int socket;      /* to /dev/log, or -1 */
	const char *tag; /* there */
	bool json;
	size_t level;
} lg = {.fd = -1, .socket = -1, .level = LEVEL_WARN};

static int open_socket(const char *tag, struct err *e)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "/dev/log"};
	lg.tag = *tag ? tag : "hull-runtime";
	lg.socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (lg.socket < 0 || connect(lg.socket, (struct sockaddr *)&a, sizeof a) < 0)
		return err_sys(e, "--log: /dev/log");
	return 0;
}

static int open_file(const char *path, struct err *e)
{
	lg.fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0644);
	return lg.fd < 0 ? err_sys(e, "--log %s", path) : 0;
}

static int choose_level(const char *name, struct err *e)
{
	for (size_t i = 0; i < countof(levels); i++)
		if (strcmp(levels[i].name, name) == 0) {
			lg.level = i;
			return 0;
		}
	return err_set(e, ERR_USAGE, "invalid --log-level \"%.40s\": debug, info, warn, error and fatal are known", name);
}

int oci_log_open(struct err *e)
{
	const struct oci_options *o = &oci_options;
	const char *format = o->log_format ? o->log_format : "text";
	lg.json = strcmp(format, "json") == 0;
	if (!lg.json && strcmp(format, "text") != 0)
		return err_set(e, ERR_USAGE, "unknown log-format \"%.40s\": text and json are known", format);
	if (o->log_level && choose_level(o->log_level, e) < 0)
		return -1;
	if (o->debug)
		lg.level = LEVEL_DEBUG;
	const char *rest = NULL;
	if (str_is_empty(o->log))
		return 0;
	if ((rest = str_after(o->log, "journald:")) || (rest = str_after(o->log, "syslog:")))
		return open_socket(rest, e);
	rest = str_after(o->log, "file:");
	return open_file(rest ? rest : o->log, e);
}

static void add_json(struct buf *b, size_t level, const char *text)
{
	char now[NUM_TEXT];
	own(json) struct json *j = json_new_object();
	json_set_str(j, "level", levels[level].printed);
	json_set_str(j, "msg", text);
	json_set_str(j, "time", num_format_time(num_now_ns(), now));
	json_format(j, 0, b);
	buf_char(b, '\n');
}

static void add_text(struct buf *b, size_t level, const char *text)
{
	char now[NUM_TEXT];
	buf_printf(b, "time=\"%s\" level=%s msg=", num_format_time(num_now_ns(), now), levels[level].printed);
	json_quote(text, strlen(text), false, b);
	buf_char(b, '\n');
}

static void put(size_t level, const char *text)
{
	own(buf) struct buf b = BUF(64 << 10);
	if (level > lg.level || (lg.fd < 0 && lg.socket < 0))
		return;
	if (lg.socket >= 0) {
		buf_printf(&b, "<%d>%s: %s", LOG_USER | levels[level].priority, lg.tag, text);
		(void)!send(lg.socket, buf_text(&b), b.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		return;
	}
	(lg.json ? add_json : add_text)(&b, level, text);
	(void)!fd_write_all(lg.fd, buf_text(&b), b.len);
}

static void say(const char *text)
{
	own(buf) struct buf b = BUF(8 << 10);
	buf_printf(&b, "%s\n", text);
	(void)!fd_write_all(2, buf_text(&b), b.len);
}

void oci_log_error(const char *program, const char *text)
{
	char line[1200];
	snprintf(line, sizeof line, "%s: %s", program, text);
	str_harmless(line);
	put(LEVEL_ERROR, str_after(line, program) + 2);
	say(line);
}

static void message(size_t level, const char *word, const char *fmt, va_list ap)
{
	char text[1100], line[1200];
	vsnprintf(text, sizeof text, fmt, ap);
	str_harmless(text);
	put(level, text);
	if (level > lg.level || lg.fd >= 0 || lg.socket >= 0)
		return;
	snprintf(line, sizeof line, "hull-runtime: %s: %s", word, text);
	say(line);
}

void oci_warn(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	message(LEVEL_WARN, "warning", fmt, ap);
	va_end(ap);
}

void oci_debug(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	message(LEVEL_DEBUG, "debug", fmt, ap);
	va_end(ap);
}
