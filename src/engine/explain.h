/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain: what isolates a container, what does not, and how the same is built by hand; what an image's layers hold.
 */
#pragma once

#include "engine/container.h"

/* {Id, Name, Image, Status, Pid, Namespaces, Limits, Capabilities, NoNewPrivileges, Seccomp, Mounts, MaskedPaths, ReadonlyPaths, AppArmor,
 * SELinux, User, Networks, Ports, Root, Weaker}. One that does not run has no namespaces, use and addresses. */
struct json *explain_container(struct engine *g, const char *text, struct err *e) must_use;
/* The same as a sh script of unshare, cgcreate, mount and ip, without hull. */
int explain_script(struct engine *g, const char *text, struct buf *ret, struct err *e) must_use;
/* {Id, Names, Bytes, Files, WastedBytes, Efficiency, Layers: [{DiffId, CreatedBy, Files, Bytes, HiddenFiles, HiddenBytes, WastedBytes,
 * Hidden}], Biggest: [{Path, Bytes, Layer, Hidden}]}: layers from the lowest on. A file that a layer replaces or removes is hidden by it;
 * its bytes are wasted in the layer it came with. */
struct json *explain_image(struct engine *g, const char *text, struct err *e) must_use;

/* explain_weak.c: an array of {What, Why}: where a container is less isolated than one without options. bounding: what it may use. */
struct json *explain_weaker(struct engine *g, const struct container_entry *c, const struct spec *s) must_use;
/* explain_weak.c: what the capabilities mean that are dangerous to give; NULL: none of them. */
const char *explain_capability(const char *name);
/* Capabilities, seccomp, paths and labels as they are given to the runtime, in the arena. */
int explain_security(struct engine *g, struct container_entry *c, struct arena *a, struct spec *ret, struct err *e) must_use;
