/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_record: one record of a log file: a line, or a part of at most LOG_LINE_MAX bytes of a longer one.
 *
 * json-file is docker's format, byte for byte: one object a line,
 *   {"log":"text\n","stream":"stdout","attrs":{…},"time":"2026-11-23T20:18:02.1234Z"}
 * where a part of a line has no \n in "log" and what is not UTF-8 is U+FFFD.
 *
 * local keeps the bytes as they are, all numbers big-endian:
 *   u32 n   u8 stream   u8 complete   i64 ns since 1970   n bytes, without the line break   u32 n
 * The length stands at both ends so that a file can be read from its end.
 */
#pragma once

#include "monitor/monitor.h"

enum { LOG_LINE_MAX = 16384, LOG_TIME_TEXT = 40 };

struct log_line {
	int stream;            /* 1 stdout, 2 stderr */
	bool complete;         /* a line break follows */
	int64_t time_ns;
	const char *time_text; /* the same as log_format_time() has it; written only */
	const char *text;
	size_t n;
	const char *attrs;     /* JSON object text or NULL */
	size_t nattrs;
};

struct log_format {
	/* Writes the record; needs at most log_record_room() bytes at `to`. Returns its length. */
	size_t (*put)(char *to, const struct log_line *l);
	/* Takes the record at p apart; n bytes are there. Returns the bytes it takes, 0 when the rest is not
	 * there yet, and with *valid false what is to be skipped. text and attrs point into `scratch` (n + 1 bytes) or p. */
	size_t (*get)(const char *p, size_t n, char *scratch, struct log_line *ret, bool *valid);
	/* Where the last whole record before p + n begins; n when there is none to be found. */
	size_t (*last)(const char *p, size_t n);
};
extern const struct log_format log_formats[2]; /* by LOG_JSON_FILE, LOG_LOCAL */

size_t log_record_room(size_t text, size_t attrs);
/* Go's RFC3339Nano in UTC: the fraction without its trailing zeros. */
void log_format_time(int64_t ns, char out[static LOG_TIME_TEXT]);
/* How many bytes at the end of p[0..n) begin a UTF-8 character that is not complete: 0 to 3. */
size_t log_cut_character(const char *p, size_t n);
