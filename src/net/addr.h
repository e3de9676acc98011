/* SPDX-License-Identifier: Apache-2.0 */
/*
 * addr: addresses and subnets of IPv4 and IPv6 in network order, alike to whoever counts with them. Parsers take the whole
 * text or fail.
 */
#pragma once

#include "base/err.h"

#include <stdint.h>

struct addr {
	uint8_t len; /* 4, 16; 0: none */
	uint8_t b[16];
};
struct subnet {
	struct addr base; /* with no bit behind the prefix */
	unsigned prefix;
};

enum { ADDR_TEXT = 48, MAC_LEN = 6, MAC_TEXT = 18 };
bool addr_parse(const char *text, struct addr *ret);
char *addr_format(const struct addr *a, char out[ADDR_TEXT]); /* "" for none */
bool addr_eq(const struct addr *a, const struct addr *b);
int addr_cmp(const struct addr *a, const struct addr *b);
/* n further on; false when that is past the last address. */
bool addr_add(struct addr *a, uint64_t n);
/* b - a, at most UINT64_MAX; 0 when b is before a. */
uint64_t addr_distance(const struct addr *a, const struct addr *b);

/* "10.1.0.0/16"; bits behind the prefix are cleared, or with `strict` refused. A mere address has its full length. */
int subnet_parse(const char *text, bool strict, struct subnet *ret, const char *what, struct err *e) must_use;
char *subnet_format(const struct subnet *s, char out[ADDR_TEXT]);
bool subnet_has(const struct subnet *s, const struct addr *a);
bool subnet_overlaps(const struct subnet *a, const struct subnet *b);
/* Of the link alone: 169.254.0.0/16, fe80::/10. */
bool addr_is_link_local(const struct addr *a);
struct subnet subnet_of(const struct addr *a, unsigned prefix);
struct addr subnet_last(const struct subnet *s);

/* For connect and bind; the length of what *ret is. */
struct sockaddr_storage;
unsigned addr_socket(const struct addr *a, uint16_t port, struct sockaddr_storage *ret);

bool mac_parse(const char *text, uint8_t ret[MAC_LEN]);
/* "" for zeros: none. */
char *mac_format(const uint8_t mac[MAC_LEN], char out[MAC_TEXT]);
