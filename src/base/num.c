/* SPDX-License-Identifier: Apache-2.0 */
#include "base/num.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

enum { SEC = 1000000000 };

static int invalid(const char *what, const char *s, struct err *e)
{
	return err_set(e, ERR_USAGE, "invalid %s \"%.60s\"", what, s);
}

int num_u64(const char *s, uint64_t max, uint64_t *ret, const char *what, struct err *e)
{
	uint64_t v = 0;
	if (!*s)
		return invalid(what, s, e);
	for (const char *p = s; *p; p++) {
		if (*p < '0' || *p > '9' || __builtin_mul_overflow(v, 10, &v) ||
			__builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
			return invalid(what, s, e);
	}
	if (v > max)
		return err_set(e, ERR_USAGE, "invalid %s \"%s\": the most is %llu", what, s,
			(unsigned long long)max);
	*ret = v;
	return 0;
}

int num_i64(const char *s, int64_t min, int64_t max, int64_t *ret, const char *what, struct err *e)
{
	uint64_t v;
	bool minus = *s == '-';
	if (num_u64(s + minus, INT64_MAX, &v, what, e) < 0)
		return invalid(what, s, e);
	int64_t i = minus ? -(int64_t)v : (int64_t)v;
	if (i < min || i > max)
		return err_set(e, ERR_USAGE, "invalid %s \"%s\": must be from %lld to %lld", what, s,
			(long long)min, (long long)max);
	*ret = i;
	return 0;
}

/* digits [. digits] without sign or exponent; returns what follows, NULL when there is no number */
static const char *decimal(const char *s, double *ret)
{
	const char *p = s;
	while (isdigit((unsigned char)*p))
		p++;
	size_t digits = (size_t)(p - s);
	if (*p == '.') {
		const char *frac = ++p;
		while (isdigit((unsigned char)*p))
			p++;
		digits += (size_t)(p - frac);
	}
	if (!digits || p - s > 40)
		return NULL;
	char text[48];
	memcpy(text, s, (size_t)(p - s));
	text[p - s] = 0;
	*ret = strtod(text, NULL);
	return p;
}

int num_size(const char *s, bool unlimited, int64_t *ret, const char *what, struct err *e)
{
	if (unlimited && strcmp(s, "-1") == 0) {
		*ret = -1;
		return 0;
	}
	double v;
	const char *unit = decimal(s, &v);
	if (!unit)
		return invalid(what, s, e);
	if (*unit == ' ')
		unit++;
	static const char units[] = "bkmgtp";
	if (*unit) {
		const char *at = strchr(units, tolower((unsigned char)*unit));
		if (!at)
			return invalid(what, s, e);
		for (const char *u = units; u < at; u++)
			v *= 1024;
		unit++;
		if (at != units && strcasecmp(unit, "ib") == 0)
			unit += 2;
		else if (at != units && strcasecmp(unit, "b") == 0)
			unit += 1;
	}
	if (*unit || v >= 9223372036854775807.0)
		return invalid(what, s, e);
	*ret = (int64_t)v;
	return 0;
}

int num_cpus(const char *s, int64_t *ret_nano, struct err *e)
{
	double v;
	const char *end = decimal(s, &v);
	if (!end || *end || v > 1e6)
		return invalid("number of CPUs", s, e);
	*ret_nano = (int64_t)(v * 1e9 + 0.5);
	return 0;
}

int num_duration(const char *s, int64_t *ret_ns, struct err *e)
{
	static const struct {
		const char *unit;
		double ns;
	} units[] = {{"ns", 1}, {"us", 1e3}, {"µs", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9},
		{"h", 3600e9}};
	double total = 0;
	const char *p = s;
	if (strcmp(s, "0") == 0) {
		*ret_ns = 0;
		return 0;
	}
	do {
		double v;
		p = decimal(p, &v);
		if (!p)
			return invalid("duration", s, e);
		size_t n = 0;
		while (p[n] && !isdigit((unsigned char)p[n]) && p[n] != '.')
			n++;
		size_t i = 0;
		while (i < countof(units) && (strlen(units[i].unit) != n || memcmp(units[i].unit, p, n)))
			i++;
		if (i == countof(units))
			return invalid("duration", s, e);
		total += v * units[i].ns;
		p += n;
	} while (*p);
	if (total >= 9.2e18)
		return invalid("duration", s, e);
	*ret_ns = (int64_t)total;
	return 0;
}

/* s begins as `shape` does, where 0 stands for any digit. */
static bool is_shaped(const char *s, const char *shape)
{
	for (; *shape; s++, shape++)
		if (*shape == '0' ? !isdigit((unsigned char)*s) : *s != *shape)
			return false;
	return true;
}

static int digits(const char *s, int n)
{
	int v = 0;
	while (n-- > 0)
		v = v * 10 + *s++ - '0';
	return v;
}

static int64_t parse_rfc3339(const char *s, bool *ret_ok)
{
	struct tm t = {.tm_isdst = -1};
	*ret_ok = false;
	if (!is_shaped(s, "0000-00-00"))
		return 0;
	t.tm_year = digits(s, 4) - 1900;
	t.tm_mon = digits(s + 5, 2) - 1;
	t.tm_mday = digits(s + 8, 2);
	s += 10;
	int64_t frac = 0;
	if (*s == 'T' || *s == 't' || *s == ' ') {
		if (!is_shaped(++s, "00"))
			return 0;
		t.tm_hour = digits(s, 2);
		s += 2;
		bool has_minutes = is_shaped(s, ":00");
		if (has_minutes) {
			t.tm_min = digits(s + 1, 2);
			s += 3;
		}
		if (has_minutes && is_shaped(s, ":00")) {
			t.tm_sec = digits(s + 1, 2);
			s += 3;
			int64_t scale = SEC;
			for (s += is_shaped(s, ".0"); isdigit((unsigned char)*s); s++)
				if (scale > 1) {
					scale /= 10;
					frac += scale * (*s - '0');
				}
		}
	}
	if (t.tm_mon < 0 || t.tm_mon > 11 || t.tm_mday < 1 || t.tm_mday > 31 || t.tm_hour > 23 ||
		t.tm_min > 59 || t.tm_sec > 60)
		return 0;
	int64_t sec;
	if (*s == 'Z' || *s == 'z') {
		sec = timegm(&t);
		s++;
	} else if (is_shaped(s, "+00:00") || is_shaped(s, "-00:00")) {
		int ahead = digits(s + 1, 2) * 3600 + digits(s + 4, 2) * 60;
		sec = timegm(&t) - (*s == '+' ? ahead : -ahead);
		s += 6;
	} else {
		sec = mktime(&t);
	}
	*ret_ok = *s == 0;
	/* What 64 bits cannot hold is the nearest that they can. */
	int64_t ns;
	if (__builtin_mul_overflow(sec, SEC, &ns) || __builtin_add_overflow(ns, frac, &ns))
		return sec < 0 ? INT64_MIN : INT64_MAX;
	return ns;
}

int num_time(const char *s, int64_t now_ns, int64_t *ret_ns, struct err *e)
{
	bool ok;
	int64_t t = parse_rfc3339(s, &ok);
	if (ok) {
		*ret_ns = t;
		return 0;
	}
	double v;
	const char *end = decimal(s, &v);
	if (end && !*end) {
		uint64_t sec = strtoull(s, NULL, 10);
		const char *dot = strchr(s, '.');
		int64_t frac = 0, scale = SEC;
		for (const char *p = dot ? dot + 1 : ""; *p && scale > 1; p++) {
			scale /= 10;
			frac += scale * (*p - '0');
		}
		if (sec > 9000000000)
			return invalid("time", s, e);
		*ret_ns = (int64_t)sec * SEC + frac;
		return 0;
	}
	int64_t ago;
	struct err ignored = {};
	const char *unsigned_ = s + (*s == '-' || *s == '+');
	if (!*unsigned_ || num_duration(unsigned_, &ago, &ignored) < 0)
		return invalid("time", s, e);
	*ret_ns = *s == '-' ? now_ns + ago : now_ns - ago;
	return 0;
}

int64_t num_time_of(const char *rfc3339)
{
	bool ok;
	int64_t t = rfc3339 ? parse_rfc3339(rfc3339, &ok) : 0;
	return rfc3339 && ok && t > 0 ? t : 0;
}

static char *put_digits(char *to, uint64_t v, int n)
{
	for (int i = n - 1; i >= 0; i--, v /= 10)
		to[i] = (char)('0' + v % 10);
	return to + n;
}

/* By hand, not with strftime: the monitor stamps every line, and printf and the time zones are most of libc's pages. */
char *num_format_time(int64_t ns, char out[NUM_TEXT])
{
	if (ns == 0)
		return strcpy(out, "0001-01-01T00:00:00Z");
	int64_t sec = ns / SEC - (ns % SEC < 0), day = sec / 86400 - (sec % 86400 < 0);
	uint64_t in_day = (uint64_t)(sec - day * 86400);
	/* Years from March on end with the leap day; 146097 days are 400 years; 719468 lie between 0000-03-01 and 1970. */
	uint64_t days = (uint64_t)(day + 719468), era = days / 146097, n = days % 146097;
	uint64_t year = (n - n / 1460 + n / 36524 - n / 146096) / 365;
	uint64_t in_year = n - (365 * year + year / 4 - year / 100), month = (5 * in_year + 2) / 153;
	char *at = put_digits(out, era * 400 + year + (month >= 10), 4);
	*at++ = '-';
	at = put_digits(at, month < 10 ? month + 3 : month - 9, 2);
	*at++ = '-';
	at = put_digits(at, in_year - (153 * month + 2) / 5 + 1, 2);
	*at++ = 'T';
	at = put_digits(at, in_day / 3600, 2);
	*at++ = ':';
	at = put_digits(at, in_day / 60 % 60, 2);
	*at++ = ':';
	at = put_digits(at, in_day % 60, 2);
	*at++ = '.';
	at = put_digits(at, (uint64_t)(ns - sec * SEC), 9);
	strcpy(at, "Z");
	return out;
}

static char *format_size(double v, double step, const char *const *units, size_t n, int digits, char *out)
{
	size_t i = 0;
	while (v >= step && i + 1 < n) {
		v /= step;
		i++;
	}
	snprintf(out, NUM_TEXT, "%.*g%s", digits, v, units[i]);
	return out;
}

char *num_format_size(uint64_t bytes, char out[NUM_TEXT])
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
	return format_size((double)bytes, 1000, units, countof(units), 3, out);
}

char *num_format_size_iec(uint64_t bytes, char out[NUM_TEXT])
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	return format_size((double)bytes, 1024, units, countof(units), 4, out);
}

char *num_format_double(double v, int most, char out[NUM_TEXT])
{
	char text[NUM_TEXT];
	int digits = 0;
	do
		snprintf(text, sizeof text, "%.*e", digits++, v);
	while (digits < 17 && strtod(text, NULL) != v);
	const char *e = strchr(text, 'e');
	int exponent = e ? atoi(e + 1) : 0;
	if (!e || (v != 0 && (exponent < -4 || exponent >= most)))
		return strcpy(out, text);
	snprintf(out, NUM_TEXT, "%.*f", digits - 1 > exponent ? digits - 1 - exponent : 0, v);
	return out;
}

char *num_format_span(int64_t ns, char out[NUM_TEXT])
{
	double s = (double)ns / SEC, h = s / 3600;
	long long sec = (long long)s, min = sec / 60, hours = (long long)(h + 0.5);
	if (sec < 1)
		snprintf(out, NUM_TEXT, "Less than a second");
	else if (sec == 1)
		snprintf(out, NUM_TEXT, "1 second");
	else if (sec < 60)
		snprintf(out, NUM_TEXT, "%lld seconds", sec);
	else if (min == 1)
		snprintf(out, NUM_TEXT, "About a minute");
	else if (min < 60)
		snprintf(out, NUM_TEXT, "%lld minutes", min);
	else if (hours == 1)
		snprintf(out, NUM_TEXT, "About an hour");
	else if (hours < 48)
		snprintf(out, NUM_TEXT, "%lld hours", hours);
	else if (hours < 24 * 7 * 2)
		snprintf(out, NUM_TEXT, "%lld days", hours / 24);
	else if (hours < 24 * 30 * 2)
		snprintf(out, NUM_TEXT, "%lld weeks", hours / 24 / 7);
	else if (hours < 24 * 365 * 2)
		snprintf(out, NUM_TEXT, "%lld months", hours / 24 / 30);
	else
		snprintf(out, NUM_TEXT, "%lld years", (long long)(h / 24 / 365));
	return out;
}

static int64_t clock_ns(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * SEC + t.tv_nsec;
}

int64_t num_now_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

int64_t num_monotonic_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

void num_random_id(char out[ID_LEN + 1])
{
	unsigned char raw[ID_LEN / 2];
	static const char hex[] = "0123456789abcdef";
	bool letters = false;
	do {
		if (getrandom(raw, sizeof raw, 0) != sizeof raw)
			abort();
		for (size_t i = 0; i < sizeof raw; i++) {
			out[2 * i] = hex[raw[i] >> 4];
			out[2 * i + 1] = hex[raw[i] & 15];
		}
		out[ID_LEN] = 0;
		letters = strspn(out, "0123456789") < 12;
	} while (!letters);
}

bool num_is_hex(const char *s, size_t n)
{
	return strspn(s, "0123456789abcdef") >= n;
}

int num_bool(const char *text, bool *ret, const char *what, struct err *e)
{
	static const char *const words[] = {"false", "true", "0", "1", "f", "t", "False", "True", "FALSE", "TRUE", "F", "T"};
	for (size_t i = 0; i < countof(words); i++)
		if (strcmp(text, words[i]) == 0) {
			*ret = i & 1;
			return 0;
		}
	return err_set(e, ERR_USAGE, "invalid %s \"%.60s\": true or false", what, text);
}
