/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dns: messages of the domain name system (RFC 1035), as far as a resolver for containers' names needs them: one question in,
 * its answer out. Every byte comes from a container or from the net: nothing is read past the message's end, and a name without
 * pointers, as a question has it, is all that is understood.
 */
#pragma once

#include "net/addr.h"

enum { DNS_HEADER = 12, DNS_NAME = 256, DNS_UDP = 512, DNS_ADDRS = 32 };
enum { DNS_A = 1, DNS_PTR = 12, DNS_AAAA = 28, DNS_ANY = 255 };
enum { DNS_OK = 0, DNS_BAD = 1, DNS_FAILED = 2, DNS_NOT_THERE = 3, DNS_UNKNOWN = 4, DNS_REFUSED = 5 };

struct dns_question {
	uint16_t id, type, class_;
	char name[DNS_NAME]; /* lower case, without the last dot; a byte that no host name has makes it "" */
	size_t end;          /* where it ends in the message */
};
/* 0; else the code to answer with, or -1: no answer at all (too short, or an answer itself). */
int dns_parse(const uint8_t *p, size_t n, struct dns_question *ret);
/* The address a question for a PTR is about. */
bool dns_reverse(const char *name, struct addr *ret);

/* Answers, each into out (at least n of the question + what is added); the length, 0: no room. */
size_t dns_error(const uint8_t *question, size_t n, int code, uint8_t *out, size_t room);
/* Those of the asked-for kind; none of it: an empty answer, the name is there. */
size_t dns_addresses(const uint8_t *question, const struct dns_question *q, const struct addr *list, size_t count, uint8_t *out, size_t room);
size_t dns_pointer(const uint8_t *question, const struct dns_question *q, const char *name, uint8_t *out, size_t room);
/* Does it answer that question? */
bool dns_answers(const uint8_t *answer, size_t n, const uint8_t *question, size_t question_len);
