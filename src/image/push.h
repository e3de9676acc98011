/* SPDX-License-Identifier: Apache-2.0 */
/*
 * push: blobs and manifests into a registry (distribution-spec 1.1, "Push"), over the hull-registry that pull_open() started. What is
 * pushed, and of what it is made, is decided above (engine/push*.c).
 *
 *   push_look      is the blob there, or in another repository of that registry (then it is mounted)?
 *   push_blob      sends it, if need be; several at once
 *   push_event     what happened to them
 *   push_manifest  when all blobs are there
 */
#pragma once

#include "image/pull.h"

/* from: repositories of this registry that may have it; may be NULL. */
int push_look(struct pull *p, int id, const struct descriptor *d, const struct strv *from, struct err *e) must_use;
/* fd: a file whose first d->size bytes are the blob. chunk: bytes a request, 0: all. */
int push_blob(struct pull *p, int id, const struct descriptor *d, int fd, uint64_t chunk, struct err *e) must_use;
struct push_event {
	enum { PUSH_BYTES, PUSH_RETRY, PUSH_THERE, PUSH_MOUNTED, PUSH_SENT, PUSH_MISSING, PUSH_FAILED } kind;
	int id;
	uint64_t bytes;
	char from[256];  /* PUSH_MOUNTED */
	struct err why;  /* PUSH_RETRY, PUSH_FAILED */
};
/* 1: an event; 0: none now; -1: hull-registry is gone. Never blocks. */
int push_event(struct pull *p, struct push_event *ret, struct err *e) must_use;
int push_event_wait(struct pull *p, struct push_event *ret, struct err *e) must_use; /* the same, and waits for one */
/* One document as a blob, and waits; no other may be under way. */
int push_document(struct pull *p, const struct descriptor *d, const void *text, struct err *e) must_use;
/* reference: a tag or a digest; text ends with a NUL behind len. Checks what the registry says it has now. One that has a subject is added to
 * the list of its referrers. */
int push_manifest(struct pull *p, const char *reference, const char *type, const char *text, size_t len, struct err *e) must_use;
/* Is a manifest of this digest there? 1, 0, -1. */
int push_has_manifest(struct pull *p, const char *digest, struct err *e) must_use;
/* Any request without a body; ret_answer may be NULL, else the event. */
int push_send(struct pull *p, const char *method, const char *path, const char *accept, struct json **ret_answer, struct err *e) must_use;
