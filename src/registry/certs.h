/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certs: what docker and podman keep for one registry in a folder certs.d/HOST[:PORT]: *.crt are authorities to be trusted for it,
 * NAME.cert with NAME.key is who we are there. Looked for in ~/.config/docker, /etc/docker, ~/.config/containers, /etc/containers.
 * Read while we still may: a key is nobody's to read but its owner's.
 */
#pragma once

#include "base/buf.h"

struct certs {
	struct buf authorities; /* PEM, those of the system before them; empty: nothing but the system's */
	struct buf cert, key;   /* PEM, or empty */
};
void certs_drop(struct certs *c);
int certs_load(const char *host, struct certs *ret, struct err *e) must_use;
