/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err: one flat error value that travels up through all layers.
 *
 * A function that can fail takes `struct err *e` last and returns 0 or -1 (or a pointer or NULL, or a
 * value >= 0 or -1). On failure *e says what happened; on success *e is untouched. e is never NULL.
 * Wording: "noun: reason", lower case, no full stop; each layer that knows more prepends its noun with
 * err_wrap(): `container web: mount overlay: No space left on device`. A user's own mistake
 * (ERR_USAGE) is one line that says what to change.
 *
 * struct err has no heap memory: it is copied, and written to a pipe between processes, as it is.
 */
#pragma once

#include "base/base.h"

#include <stdarg.h>

enum err_kind {
	ERR_NONE,
	ERR_USAGE,       /* a wrong option, name, value */
	ERR_NOT_FOUND,   /* no such container, image, file */
	ERR_EXISTS,      /* the name is in use */
	ERR_CONFLICT,    /* not in this state: running, paused, in use */
	ERR_DENIED,      /* permission, authentication */
	ERR_UNSUPPORTED, /* this machine or this kernel cannot */
	ERR_LIMIT,       /* too big, too many, disk full */
	ERR_TIMEOUT,
	ERR_REMOTE,      /* a registry or a peer misbehaved */
	ERR_CORRUPT,     /* digest, format: data that must not be used */
	ERR_SYSTEM,      /* a system call failed: see .sys */
	ERR_NOEXEC,      /* the command cannot be executed: exit status 126 */
	ERR_NOCMD,       /* the command does not exist: exit status 127 */
	ERR_BUG,
	ERR_KINDS
};

struct err {
	enum err_kind kind;
	int sys; /* errno, 0 when there is none */
	char text[1016];
};

/* These three return -1, so that `return err_set(e, ...)` reads as one line. err_sys appends
 * strerror(errno) and derives the kind from errno; err_wrap prepends "context: ". */
#define err_set(e, kind, ...) ({ err_set_((e), (kind), __VA_ARGS__); -1; })
#define err_sys(e, ...)       ({ err_sys_((e), __VA_ARGS__); -1; })
#define err_wrap(e, ...)      ({ err_wrap_((e), __VA_ARGS__); -1; })

void err_set_(struct err *e, enum err_kind kind, const char *fmt, ...) cold printf_like(3, 4);
void err_sys_(struct err *e, const char *fmt, ...) cold printf_like(2, 3);
void err_wrap_(struct err *e, const char *fmt, ...) cold printf_like(2, 3);

/* The one table that maps a kind: exit status of a command, HTTP status of the API, gRPC code. */
struct err_map {
	const char *word;
	int exit_status;
	int http_status;
	int grpc_code;
};
const struct err_map *err_map(enum err_kind kind);

/* The kind that an errno stands for (ENOENT: ERR_NOT_FOUND, ENOSPC: ERR_LIMIT ...). */
enum err_kind err_kind_of(int sys);
