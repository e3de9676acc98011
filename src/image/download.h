/* SPDX-License-Identifier: Apache-2.0 */
/*
 * download: what a URL of http or https has, by hull-registry (transfer.h): the network's bytes come through a pipe, nothing of HTTP does.
 */
#pragma once

#include "base/str.h"

#include <poll.h>

struct download {
	const char *program;            /* path of hull-registry */
	const char *url;
	const char *etag, *modified;    /* of what is known already, or NULL: when it is still that, the status is 304 and no data comes */
	uint64_t max;                   /* bytes; more is ERR_LIMIT */
	unsigned timeout_s;             /* without a byte; 0: 60 */
	int (*wait)(struct pollfd *f, nfds_t n, int ms); /* like poll(); NULL: poll() */
	int (*data)(void *arg, const void *p, size_t n, struct err *e);
	void *arg;
};
struct download_reply {
	struct arena arena;
	int status;                     /* 200 or 304 */
	char *etag, *modified, *type;   /* "": not said */
	char *name;                     /* of Content-Disposition: no path, or "" */
	uint64_t bytes;
};
void download_reply_drop(struct download_reply *r);
int download(const struct download *d, struct download_reply *ret, struct err *e) must_use;
