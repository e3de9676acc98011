/* SPDX-License-Identifier: Apache-2.0 */
/* DNS: a question of any bytes is answered within the room there is, and the answer is one to that question.
 * fuzz: net/dns.c net/addr.c
 */
#include "net/dns.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x) ((x) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct addr list[] = {{4, {10, 1, 2, 3}}, {16, {0xfd, 1}}, {4, {10, 1, 2, 4}}};
	struct dns_question q;
	struct addr reverse;
	uint8_t out[DNS_UDP];
	int bad = dns_parse(data, size, &q);
	size_t n = dns_error(data, size, DNS_FAILED, out, sizeof out);
	CHECK(n <= sizeof out && (n == 0 || n <= size));
	if (bad)
		return 0;
	CHECK(q.end <= size && strlen(q.name) < sizeof q.name);
	CHECK(n == 0 || dns_answers(out, n, data, size));
	if (dns_reverse(q.name, &reverse))
		CHECK(reverse.len == 4 || reverse.len == 16);
	for (size_t room = 0; room <= sizeof out; room += 37) {
		n = dns_addresses(data, &q, list, countof(list), out, room);
		CHECK(n <= room && (n == 0 || dns_answers(out, n, data, size)));
		n = dns_pointer(data, &q, q.name, out, room);
		CHECK(n <= room && (n == 0 || dns_answers(out, n, data, size)));
	}
	return 0;
}
