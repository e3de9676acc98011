/* SPDX-License-Identifier: Apache-2.0 */
/*
 * systemd: see systemd.h. The functions of sd-bus(3) are declared here: their library's interface is stable, and building hull
 * does not need its headers.
 *
 * A unit is started by a job. Its end is a signal, JobRemoved, which the manager sends to who asked for the job: the match for it is
 * made before, and signals that come in while a call waits for its answer are kept by the library until they are processed.
 */
#include "sys/systemd.h"

#include "base/dynlib.h"
#include "base/num.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

typedef struct sd_bus sd_bus;
typedef struct sd_bus_message sd_bus_message;
typedef struct sd_bus_slot sd_bus_slot;
typedef struct {
	const char *name, *message;
	int need_free;
} sd_bus_error;
typedef int (*sd_bus_message_handler_t)(sd_bus_message *m, void *userdata, sd_bus_error *error);

extern int sd_bus_open_system(sd_bus **ret);
extern int sd_bus_open_user(sd_bus **ret);
extern sd_bus *sd_bus_flush_close_unref(sd_bus *bus);
extern int sd_bus_message_new_method_call(sd_bus *bus, sd_bus_message **m, const char *to, const char *path, const char *interface, const char *member);
extern sd_bus_message *sd_bus_message_unref(sd_bus_message *m);
extern int sd_bus_message_open_container(sd_bus_message *m, char type, const char *contents);
extern int sd_bus_message_close_container(sd_bus_message *m);
extern int sd_bus_message_append_basic(sd_bus_message *m, char type, const void *p);
extern int sd_bus_message_read(sd_bus_message *m, const char *types, ...);
extern int sd_bus_call(sd_bus *bus, sd_bus_message *m, uint64_t usec, sd_bus_error *error, sd_bus_message **reply);
extern int sd_bus_match_signal_async(sd_bus *bus, sd_bus_slot **slot, const char *sender, const char *path, const char *interface,
	const char *member, sd_bus_message_handler_t callback, sd_bus_message_handler_t install, void *userdata);
extern int sd_bus_process(sd_bus *bus, sd_bus_message **ret);
extern int sd_bus_wait(sd_bus *bus, uint64_t usec);
extern void sd_bus_error_free(sd_bus_error *error);
extern int sd_bus_get_property_string(sd_bus *bus, const char *to, const char *path, const char *interface, const char *member,
	sd_bus_error *error, char **ret);

static struct {
	DYNLIB_FN(sd_bus_open_system);
	DYNLIB_FN(sd_bus_open_user);
	DYNLIB_FN(sd_bus_flush_close_unref);
	DYNLIB_FN(sd_bus_message_new_method_call);
	DYNLIB_FN(sd_bus_message_unref);
	DYNLIB_FN(sd_bus_message_open_container);
	DYNLIB_FN(sd_bus_message_close_container);
	DYNLIB_FN(sd_bus_message_append_basic);
	DYNLIB_FN(sd_bus_message_read);
	DYNLIB_FN(sd_bus_call);
	DYNLIB_FN(sd_bus_match_signal_async);
	DYNLIB_FN(sd_bus_process);
	DYNLIB_FN(sd_bus_wait);
	DYNLIB_FN(sd_bus_error_free);
	DYNLIB_FN(sd_bus_get_property_string);
} sd;
#define SYMBOL(f) DYNLIB_SYMBOL(sd, f)
static const struct dynlib_symbol symbols[] = {SYMBOL(sd_bus_open_system), SYMBOL(sd_bus_open_user), SYMBOL(sd_bus_flush_close_unref),
	SYMBOL(sd_bus_message_new_method_call), SYMBOL(sd_bus_message_unref), SYMBOL(sd_bus_message_open_container),
	SYMBOL(sd_bus_message_close_container), SYMBOL(sd_bus_message_append_basic), SYMBOL(sd_bus_message_read), SYMBOL(sd_bus_call),
	SYMBOL(sd_bus_match_signal_async), SYMBOL(sd_bus_process), SYMBOL(sd_bus_wait), SYMBOL(sd_bus_error_free),
	SYMBOL(sd_bus_get_property_string)};
static struct dynlib library = {"libsystemd.so.0", "libsystemd0", symbols, countof(symbols)};

static const char service[] = "org.freedesktop.systemd1", object[] = "/org/freedesktop/systemd1", manager[] = "org.freedesktop.systemd1.Manager";
enum { PATIENCE_S = 30 };

struct systemd {
	sd_bus *bus;
	char job[256];     /* the one that is waited for */
	char result[32];   /* how it ended; "": not yet */
};

struct systemd_property *systemd_add(struct arena *a, struct systemd_properties *l, const char *name, const char *type)
{
	struct systemd_property *p = arena_push(a, l);
	p->name = arena_dup(a, name);
	snprintf(p->type, sizeof p->type, "%s", type);
	return p;
}

void systemd_add_number(struct arena *a, struct systemd_properties *l, const char *name, const char *type, uint64_t v)
{
	systemd_add(a, l, name, type)->number = v;
}

void systemd_add_text(struct arena *a, struct systemd_properties *l, const char *name, const char *text)
{
	arena_strv_add(a, &systemd_add(a, l, name, "s")->words, text);
}

static void format_value(const struct systemd_property *p, struct buf *out)
{
	switch (*p->type) {
	case 'b': buf_printf(out, " %s", p->number ? "true" : "false"); break;
	case 'y': case 'q': case 'u': case 't': buf_printf(out, " %llu", (unsigned long long)p->number); break;
	case 'n': case 'i': case 'x': buf_printf(out, " %lld", (long long)(int64_t)p->number); break;
	case 'd': buf_printf(out, " %g", p->real); break;
	default:
		for (size_t i = 0; i < p->words.n || i < p->numbers.n; i++) {
			if (i < p->words.n)
				buf_printf(out, " %s", p->words.v[i]);
			if (i < p->numbers.n)
				buf_printf(out, " %llu", (unsigned long long)p->numbers.v[i]);
		}
	}
}

void systemd_format(const struct systemd_properties *l, struct buf *out)
{
	for (size_t i = 0; i < l->n; i++) {
		buf_printf(out, "%s %s", l->v[i].name, l->v[i].type);
		format_value(&l->v[i], out);
		buf_char(out, '\n');
	}
}

bool systemd_is_running(void)
{
	struct stat st;
	return lstat("/run/systemd/system", &st) == 0 && S_ISDIR(st.st_mode);
}

static int job_removed(sd_bus_message *m, void *userdata, sd_bus_error *error unused)
{
	struct systemd *s = userdata;
	uint32_t id;
	const char *path = NULL, *unit, *result = NULL;
	if (sd.sd_bus_message_read(m, "uoss", &id, &path, &unit, &result) >= 0 && str_eq(path, s->job))
		snprintf(s->result, sizeof s->result, "%s", result);
	return 0;
}

/* sd-bus returns what errno would be. */
static int fail(int r, const char *what, struct err *e)
{
	errno = -r;
	return err_sys(e, "systemd: %s", what);
}

int systemd_open(bool user, struct systemd **ret, struct err *e)
{
	if (!systemd_is_running())
		return err_set(e, ERR_UNSUPPORTED, "systemd does not run here: control groups can be made without it (cgroupfs)");
	if (dynlib_open(&library, e) < 0)
		return -1;
	struct systemd *s = mem_alloc(sizeof *s);
	int r = user ? sd.sd_bus_open_user(&s->bus) : sd.sd_bus_open_system(&s->bus);
	/* Without a session of his own a user may still be allowed to ask the machine's manager. */
	if (r < 0 && user)
		r = sd.sd_bus_open_system(&s->bus);
	if (r >= 0)
		r = sd.sd_bus_match_signal_async(s->bus, NULL, service, object, manager, "JobRemoved", job_removed, NULL, s);
	if (r < 0) {
		systemd_drop(&s);
		return fail(r, "connect to its bus", e);
	}
	*ret = s;
	return 0;
}

void systemd_drop(struct systemd **s)
{
	int saved = errno;
	if (*s && (*s)->bus)
		sd.sd_bus_flush_close_unref((*s)->bus);
	free(*s);
	*s = NULL;
	errno = saved;
}

int systemd_version(struct systemd *s)
{
	sd_bus_error why = {};
	char *text = NULL;
	int version = 0;
	if (sd.sd_bus_get_property_string(s->bus, service, object, manager, "Version", &why, &text) >= 0)
		version = atoi(text + strcspn(text, "0123456789"));
	sd.sd_bus_error_free(&why);
	free(text);
	return version;
}

static int append_number(sd_bus_message *m, char type, uint64_t v)
{
	uint8_t y = (uint8_t)v;
	uint16_t q = (uint16_t)v;
	uint32_t u = (uint32_t)v;
	switch (type) {
	case 'y': return sd.sd_bus_message_append_basic(m, type, &y);
	case 'n': case 'q': return sd.sd_bus_message_append_basic(m, type, &q);
	case 'b': case 'i': case 'u': return sd.sd_bus_message_append_basic(m, type, &u);
	default: return sd.sd_bus_message_append_basic(m, type, &v);
	}
}

/* The elements of an array of structs of two. */
static int append_pairs(sd_bus_message *m, const struct systemd_property *p)
{
	const char *of = p->type[3] == 's' ? "ss" : "st";
	size_t step = p->type[3] == 's' ? 2 : 1;
	int r = 0;
	for (size_t i = 0; r >= 0 && i + step <= p->words.n; i += step) {
		if ((r = sd.sd_bus_message_open_container(m, 'r', of)) < 0 || (r = sd.sd_bus_message_append_basic(m, 's', p->words.v[i])) < 0)
			return r;
		r = step == 2 ? sd.sd_bus_message_append_basic(m, 's', p->words.v[i + 1]) : append_number(m, 't', p->numbers.v[i]);
		if (r >= 0)
			r = sd.sd_bus_message_close_container(m);
	}
	return r;
}

static int append_array(sd_bus_message *m, const struct systemd_property *p)
{
	int r = sd.sd_bus_message_open_container(m, 'a', p->type + 1);
	if (r >= 0 && p->type[1] == '(')
		r = append_pairs(m, p);
	for (size_t i = 0; r >= 0 && p->type[1] == 's' && i < p->words.n; i++)
		r = sd.sd_bus_message_append_basic(m, 's', p->words.v[i]);
	for (size_t i = 0; r >= 0 && strchr("yu", p->type[1]) && i < p->numbers.n; i++)
		r = append_number(m, p->type[1], p->numbers.v[i]);
	return r < 0 ? r : sd.sd_bus_message_close_container(m);
}

static int append_value(sd_bus_message *m, const struct systemd_property *p)
{
	switch (*p->type) {
	case 'a': return append_array(m, p);
	case 'd': return sd.sd_bus_message_append_basic(m, 'd', &p->real);
	case 's': case 'o': case 'g': return sd.sd_bus_message_append_basic(m, *p->type, p->words.n ? p->words.v[0] : "");
	default: return append_number(m, *p->type, p->number);
	}
}

/* a(sv) */
static int append_properties(sd_bus_message *m, const struct systemd_properties *l)
{
	int r = sd.sd_bus_message_open_container(m, 'a', "(sv)");
	for (size_t i = 0; r >= 0 && i < l->n; i++) {
		const struct systemd_property *p = &l->v[i];
		if ((r = sd.sd_bus_message_open_container(m, 'r', "sv")) < 0 || (r = sd.sd_bus_message_append_basic(m, 's', p->name)) < 0 ||
			(r = sd.sd_bus_message_open_container(m, 'v', p->type)) < 0 || (r = append_value(m, p)) < 0 ||
			(r = sd.sd_bus_message_close_container(m)) < 0)
			return r;
		r = sd.sd_bus_message_close_container(m);
	}
	return r < 0 ? r : sd.sd_bus_message_close_container(m);
}

static int explain(int r, const char *method, const char *unit, const sd_bus_error *why, struct err *e)
{
	static const struct {
		const char *name;
		enum err_kind kind;
	} rows[] = {{"org.freedesktop.systemd1.UnitExists", ERR_EXISTS}, {"org.freedesktop.systemd1.NoSuchUnit", ERR_NOT_FOUND},
		{"org.freedesktop.DBus.Error.AccessDenied", ERR_DENIED}, {"org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", ERR_DENIED},
		{"org.freedesktop.DBus.Error.PropertyReadOnly", ERR_UNSUPPORTED}, {"org.freedesktop.DBus.Error.InvalidArgs", ERR_USAGE},
		{"org.freedesktop.DBus.Error.Timeout", ERR_TIMEOUT}, {"org.freedesktop.DBus.Error.NoReply", ERR_TIMEOUT}};
	enum err_kind kind = err_kind_of(-r);
	for (size_t i = 0; i < countof(rows); i++)
		if (str_eq(why->name, rows[i].name))
			kind = rows[i].kind;
	return err_set(e, kind, "systemd: %s %s: %.300s", method, unit, why->message ? why->message : strerror(-r));
}

/* What stands before and after the properties in a call. */
enum shape { UNIT_MODE_PROPERTIES_AUX, UNIT_RUNTIME_PROPERTIES, UNIT_MODE, UNIT };

static int append_arguments(sd_bus_message *m, enum shape shape, const char *unit, const char *mode, const struct systemd_properties *l)
{
	uint32_t runtime = 1;
	int r = sd.sd_bus_message_append_basic(m, 's', unit);
	if (r >= 0 && (shape == UNIT_MODE || shape == UNIT_MODE_PROPERTIES_AUX))
		r = sd.sd_bus_message_append_basic(m, 's', mode);
	if (r >= 0 && shape == UNIT_RUNTIME_PROPERTIES)
		r = sd.sd_bus_message_append_basic(m, 'b', &runtime);
	if (r >= 0 && l)
		r = append_properties(m, l);
	if (r >= 0 && shape == UNIT_MODE_PROPERTIES_AUX) {
		r = sd.sd_bus_message_open_container(m, 'a', "(sa(sv))");
		if (r >= 0)
			r = sd.sd_bus_message_close_container(m);
	}
	return r;
}

/* job: gets the path of the job that the method answers with. */
static int call(struct systemd *s, const char *method, enum shape shape, const char *unit, const char *mode, const struct systemd_properties *l,
	bool job, struct err *e)
{
	sd_bus_message *m = NULL, *reply = NULL;
	sd_bus_error why = {};
	const char *path = NULL;
	s->job[0] = s->result[0] = 0;
	int r = sd.sd_bus_message_new_method_call(s->bus, &m, service, object, manager, method);
	if (r >= 0)
		r = append_arguments(m, shape, unit, mode, l);
	if (r >= 0)
		r = sd.sd_bus_call(s->bus, m, PATIENCE_S * 1000000ULL, &why, &reply);
	if (r >= 0 && job)
		r = sd.sd_bus_message_read(reply, "o", &path);
	if (path)
		snprintf(s->job, sizeof s->job, "%s", path);
	if (r < 0)
		explain(r, method, unit, &why, e);
	sd.sd_bus_error_free(&why);
	sd.sd_bus_message_unref(m);
	sd.sd_bus_message_unref(reply);
	return r < 0 ? -1 : 0;
}

/* Until the job is done. */
static int wait_job(struct systemd *s, const char *method, const char *unit, struct err *e)
{
	int64_t until = num_monotonic_ns() + PATIENCE_S * 1000000000LL;
	while (!s->result[0]) {
		int r = sd.sd_bus_process(s->bus, NULL);
		int64_t left = until - num_monotonic_ns();
		if (r == 0 && left > 0)
			r = sd.sd_bus_wait(s->bus, (uint64_t)left / 1000 + 1);
		if (r < 0 && r != -EINTR)
			return fail(r, method, e);
		if (left <= 0)
			return err_set(e, ERR_TIMEOUT, "systemd: %s %s: not done within %d seconds", method, unit, PATIENCE_S);
	}
	return str_eq(s->result, "done") ? 0 : err_set(e, ERR_SYSTEM, "systemd: %s %s: the job ended with \"%s\"", method, unit, s->result);
}

static void reset_failed(struct systemd *s, const char *unit)
{
	struct err ignored = {};
	(void)!call(s, "ResetFailedUnit", UNIT, unit, NULL, NULL, false, &ignored);
}

int systemd_start(struct systemd *s, const char *unit, const struct systemd_properties *l, struct err *e)
{
	struct err why = {};
	int r = call(s, "StartTransientUnit", UNIT_MODE_PROPERTIES_AUX, unit, "replace", l, true, &why);
	/* It may be one that failed, which is kept until somebody takes note. */
	if (r < 0 && why.kind == ERR_EXISTS) {
		reset_failed(s, unit);
		why = (struct err){};
		r = call(s, "StartTransientUnit", UNIT_MODE_PROPERTIES_AUX, unit, "replace", l, true, &why);
	}
	if (r < 0)
		return *e = why, -1;
	if (wait_job(s, "StartTransientUnit", unit, e) < 0) {
		reset_failed(s, unit);
		return -1;
	}
	return 0;
}

int systemd_set(struct systemd *s, const char *unit, const struct systemd_properties *l, struct err *e)
{
	return l->n ? call(s, "SetUnitProperties", UNIT_RUNTIME_PROPERTIES, unit, NULL, l, false, e) : 0;
}

int systemd_stop(struct systemd *s, const char *unit, struct err *e)
{
	struct err why = {};
	int r = call(s, "StopUnit", UNIT_MODE, unit, "replace", NULL, true, &why);
	if (r == 0)
		r = wait_job(s, "StopUnit", unit, &why);
	reset_failed(s, unit);
	if (r < 0 && why.kind != ERR_NOT_FOUND)
		return *e = why, -1;
	return 0;
}
