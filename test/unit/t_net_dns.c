/* SPDX-License-Identifier: Apache-2.0 */
#include "net/dns.h"

#include "base/fd.h"
#include "base/path.h"
#include "net/endpoint.h"
#include "net/resolver.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* A question; its length. */
static size_t ask(const char *name, unsigned type, uint8_t *out)
{
	size_t n = DNS_HEADER;
	memcpy(out, (uint8_t[]){0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}, DNS_HEADER);
	while (*name) {
		size_t label = strcspn(name, ".");
		out[n++] = (uint8_t)label;
		memcpy(out + n, name, label);
		n += label;
		name += label + (name[label] == '.');
	}
	memcpy(out + n, (uint8_t[]){0, (uint8_t)(type >> 8), (uint8_t)type, 0, 1}, 5);
	return n + 5;
}

static void questions(void **state)
{
	(void)state;
	uint8_t p[DNS_UDP];
	struct dns_question q;
	size_t n = ask("Web.Example", DNS_AAAA, p);
	assert_int_equal(dns_parse(p, n, &q), 0);
	assert_string_equal(q.name, "web.example");
	assert_int_equal(q.type, DNS_AAAA);
	assert_int_equal(q.end, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(dns_parse(p, i, &q), i < DNS_HEADER ? -1 : DNS_BAD);
	p[DNS_HEADER] = 0xc0;
	assert_int_equal(dns_parse(p, n, &q), DNS_BAD);
	p[2] = 0x81;
	assert_int_equal(dns_parse(p, n, &q), -1);
	p[2] = 0x28;
	assert_int_equal(dns_parse(p, n, &q), DNS_UNKNOWN);
	/* A name that no line of a file could hold is nobody's. */
	n = ask("a b", DNS_A, p);
	assert_int_equal(dns_parse(p, n, &q), 0);
	assert_string_equal(q.name, "");
}

/* Names that are no host's are told apart, too. */
static void answers(void **state)
{
	(void)state;
	uint8_t question[DNS_UDP], answer[DNS_UDP];
	size_t n = ask("one.b d", DNS_A, question);
	memcpy(answer, question, n);
	answer[2] |= 0x80;
	assert_true(dns_answers(answer, n, question, n));
	answer[DNS_HEADER + 1] = 'O';
	assert_true(dns_answers(answer, n, question, n));
	answer[DNS_HEADER + 1] = 't';
	assert_false(dns_answers(answer, n, question, n));
	memcpy(answer + DNS_HEADER, question + DNS_HEADER, n - DNS_HEADER);
	assert_true(dns_answers(answer, n, question, n));
	assert_false(dns_answers(answer, n - 1, question, n));
	answer[n - 3] = DNS_AAAA;
	assert_false(dns_answers(answer, n, question, n));
}

static void reverse_names(void **state)
{
	(void)state;
	struct addr a;
	char text[ADDR_TEXT];
	assert_true(dns_reverse("3.2.1.10.in-addr.arpa", &a));
	assert_string_equal(addr_format(&a, text), "10.1.2.3");
	assert_true(dns_reverse("2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.d.f.ip6.arpa", &a));
	assert_string_equal(addr_format(&a, text), "fd01::2");
	assert_false(dns_reverse("300.2.1.10.in-addr.arpa", &a));
	assert_false(dns_reverse("2.1.10.in-addr.arpa", &a));
	assert_false(dns_reverse("3.2.1.10.in-addr.arpa.example", &a));
	assert_false(dns_reverse("", &a));
}

struct place { char path[64]; int net, own; };

static void put(int dir, const char *name, const char *text)
{
	struct err e = {};
	assert_int_equal(path_write(dir, name, text, strlen(text), 0600, 0, &e), 0);
}

static void place_make(struct place *p)
{
	struct err e = {};
	strcpy(p->path, "/tmp/hull-dns.XXXXXX");
	assert_non_null(mkdtemp(p->path));
	p->net = path_open_dir(AT_FDCWD, p->path, &e);
	p->own = path_open_dir(AT_FDCWD, p->path, &e);
	put(p->net, "aa", "c1 e1 eth0 ve1 02:42:0a:01:02:03 10.1.2.3 fd01::3 web,alias,c1 tcp/0.0.0.0/80/80/1\n"
		"c2 e2 eth0 ve2 02:42:0a:01:02:04 10.1.2.4 - db,alias\nbroken\n");
	put(p->own, "resolver", "network aa\nnetwork missing\n");
}

static void place_drop(struct place *p)
{
	struct err e = {};
	close(p->net);
	close(p->own);
	assert_int_equal(path_remove_tree(AT_FDCWD, p->path, &e), 0);
}

/* Code, number of answers and the last four bytes of what comes back. */
static void expect(struct place *p, const char *name, unsigned type, int code, int answers)
{
	uint8_t question[DNS_UDP], out[DNS_UDP];
	bool passed_on;
	size_t n = ask(name, type, question), len = resolver_answer(p->net, p->own, question, n, out, sizeof out, &passed_on);
	if (code < 0) {
		assert_true(passed_on);
		return;
	}
	assert_false(passed_on);
	assert_true(len >= DNS_HEADER && dns_answers(out, len, question, n));
	assert_int_equal(out[3] & 15, code);
	assert_int_equal(out[7], answers);
}

static void names(void **state)
{
	(void)state;
	struct place p;
	place_make(&p);
	expect(&p, "web", DNS_A, DNS_OK, 1);
	expect(&p, "WEB", DNS_AAAA, DNS_OK, 1);
	expect(&p, "db", DNS_AAAA, DNS_OK, 0);
	expect(&p, "alias", DNS_A, DNS_OK, 2);
	expect(&p, "alias", DNS_ANY, DNS_OK, 3);
	expect(&p, "3.2.1.10.in-addr.arpa", DNS_PTR, DNS_OK, 1);
	expect(&p, "ali", DNS_A, -1, 0);
	expect(&p, "web.front", DNS_A, -1, 0);
	put(p.own, "resolver", "network aa front\nnetwork bb Back.Net\n");
	put(p.net, "bb", "c5 e5 eth0 ve5 02:42:0a:01:02:07 10.1.3.7 - web,web.front,other\n");
	expect(&p, "web", DNS_A, DNS_OK, 2);
	expect(&p, "db.FRONT", DNS_A, DNS_OK, 1);
	expect(&p, "web.back.net", DNS_A, DNS_OK, 1);
	/* A name that has it whole comes first. */
	expect(&p, "web.front", DNS_A, DNS_OK, 1);
	expect(&p, "other.front", DNS_A, -1, 0);
	expect(&p, "front", DNS_A, -1, 0);
	expect(&p, "web.net", DNS_A, -1, 0);
	put(p.own, "resolver", "network aa\nnetwork missing\n");
	expect(&p, "9.2.1.10.in-addr.arpa", DNS_PTR, -1, 0);
	/* What is written later counts at the next question. */
	put(p.net, "aa", "c3 e3 eth0 ve3 02:42:0a:01:02:05 10.1.2.5 - late\n");
	expect(&p, "late", DNS_A, DNS_OK, 1);
	expect(&p, "web", DNS_A, -1, 0);
	put(p.own, "resolver", "network aa\nlocal\n");
	expect(&p, "web", DNS_A, DNS_FAILED, 0);
	place_drop(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(questions), cmocka_unit_test(answers), cmocka_unit_test(reverse_names), cmocka_unit_test(names)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
