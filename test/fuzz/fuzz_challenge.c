/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a registry says to a request without a login: lines are WWW-Authenticate headers. What is taken of them has a realm when it
 * is Bearer, and all of it stood in the headers.
 * fuzz: registry/challenge.c
 */
#include "registry/challenge.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x) ((x) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	own(mem) char *text = mem_ndup((const char *)data, size);
	own(strv) struct strv headers = {};
	own(challenge) struct challenge c = {};
	strv_split(&headers, text, '\n');
	challenge_parse(&headers, &c);
	CHECK(c.kind != CHALLENGE_BEARER || !str_is_empty(c.realm));
	const char *values[] = {c.realm, c.service, c.scope, c.error};
	for (size_t i = 0; i < countof(values); i++) {
		CHECK(!values[i] || strlen(values[i]) <= strlen(text));
		CHECK(c.kind != CHALLENGE_NONE || !values[i]);
	}
	return 0;
}
