/* SPDX-License-Identifier: Apache-2.0 */
/*
 * num: strict parsers and printers of numbers, sizes, durations, times and ids. A parser takes the
 * whole string or fails with ERR_USAGE `invalid WHAT "text"`; outputs are untouched on failure.
 */
#pragma once

#include "base/err.h"

/* Decimal digits only: no sign, blank, 0x or empty string. */
int num_u64(const char *s, uint64_t max, uint64_t *ret, const char *what, struct err *e) must_use;
int num_i64(const char *s, int64_t min, int64_t max, int64_t *ret, const char *what, struct err *e) must_use;
/* Bytes as docker takes them: 512, 64k, 256M, 1.5g, 10kb, 1GiB; factors of 1024. -1 when `unlimited`. */
int num_size(const char *s, bool unlimited, int64_t *ret, const char *what, struct err *e) must_use;
/* CPUs as --cpus takes them ("0.5"): thousand-millionths of a CPU; 0 means unlimited. */
int num_cpus(const char *s, int64_t *ret_nano, struct err *e) must_use;
/* Go's duration: 300ms, 1.5h, 1m30s; ns. */
int num_duration(const char *s, int64_t *ret_ns, struct err *e) must_use;
/* A point in time as docker's --since takes it: RFC 3339 (fraction and zone optional, local time
 * without one, minutes and seconds may be missing), a date, unix seconds with a fraction, or a duration before `now_ns`
 * (behind it with a minus sign). ns since 1970. */
int num_time(const char *s, int64_t now_ns, int64_t *ret_ns, struct err *e) must_use;

enum { NUM_TEXT = 40 };
/* RFC 3339 with nine digits of fraction, UTC: 2026-11-23T20:18:02.123456789Z. 0 gives 0001-01-01T00:00:00Z. */
char *num_format_time(int64_t ns, char out[NUM_TEXT]);
/* docker's sizes: 1.23MB (factors of 1000), 10B; digits 3 for images, 4 for others. */
char *num_format_size(uint64_t bytes, char out[NUM_TEXT]);
char *num_format_size_iec(uint64_t bytes, char out[NUM_TEXT]); /* 256MiB */
/* The shortest text that reads back as the same number; with an exponent below 1e-4 and from 10^most on (Go's %v: 6, JSON: 21). */
char *num_format_double(double v, int most, char out[NUM_TEXT]);
/* "2 hours", "About a minute", "Less than a second": docker's words for a span. */
char *num_format_span(int64_t ns, char out[NUM_TEXT]);
/* Go's words: true, 1, t, false, 0, f and their capitals. */
int num_bool(const char *text, bool *ret, const char *what, struct err *e) must_use;

int64_t num_now_ns(void);       /* CLOCK_REALTIME */
int64_t num_monotonic_ns(void); /* CLOCK_MONOTONIC */
/* Parses num_format_time()'s form and any RFC 3339; 0 when it is not one. */
int64_t num_time_of(const char *rfc3339);

enum { ID_LEN = 64 };
/* 64 lower-case hex digits from getrandom(); never only decimal in its first 12. */
void num_random_id(char out[ID_LEN + 1]);
bool num_is_hex(const char *s, size_t n); /* at least n lower-case hex digits */
