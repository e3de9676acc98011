/* SPDX-License-Identifier: Apache-2.0 */
/*
 * port_request: a port that is to be published, from the words of a command or a client: "80", "80-90", "tcp".
 */
#pragma once

#include "state/container.h"

/* The parts of [[IP:]HOST-PORT:]PORT[/PROTOCOL]; ip and host may be empty, ip may stand in brackets. ERR_USAGE says what is wrong with them. */
int port_request_make(struct arena *a, const char *ip, const char *host, const char *port, const char *protocol, struct port_request *ret,
	struct err *e) must_use;
/* What is published is exposed too. */
void port_requests_expose(struct arena *a, const struct port_requests *from, struct strv *exposed);
/* PORT[-PORT][/tcp|udp|sctp], each as a row of *exposed. ERR_USAGE names it as --expose. */
int port_expose(struct arena *a, const char *text, struct strv *exposed, struct err *e) must_use;
