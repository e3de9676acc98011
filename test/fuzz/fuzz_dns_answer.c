/* SPDX-License-Identifier: Apache-2.0 */
/* DNS: what comes from a server is taken for the answer of a question only when it is: any bytes against questions of ours, and against
 * the other half of themselves.
 * fuzz: net/dns.c net/addr.c
 */
#include "net/dns.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x) ((x) ? (void)0 : abort())

static void hold_against(const uint8_t *answer, size_t n, const uint8_t *question, size_t len)
{
	if (!dns_answers(answer, n, question, len))
		return;
	/* The same id, an answer, one question. */
	CHECK(n >= DNS_HEADER && len >= DNS_HEADER && memcmp(answer, question, 2) == 0 && answer[2] & 0x80);
	CHECK(n < len || answer[3] & 15 || memcmp(answer + 4, question + 4, 2) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t ours[] = "\0\7\1\0\0\1\0\0\0\0\0\0\3www\7example\3org\0\0\1\0\1";
	hold_against(data, size, ours, sizeof ours - 1);
	if (size < 2)
		return 0;
	size_t at = (size_t)(data[0] << 8 | data[1]) % (size - 1);
	hold_against(data + 2, at < size - 2 ? at : size - 2, data + 2, size - 2);
	hold_against(data + 2 + (at < size - 2 ? at : 0), size - 2 - (at < size - 2 ? at : 0), data + 2, at < size - 2 ? at : size - 2);
	return 0;
}
