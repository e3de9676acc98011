/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup rules: a file of them is taken whole, or refused by a sentence that names file and line.
 * fuzz: engine/cgroup_rules.c
 */
#include "base/mem.h"
#include "base/str.h"
#include "engine/cgroup_rules.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x) ((x) ? (void)0 : abort())

static void check(const struct rules *r, size_t lines)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct rules_rule *rule = &r->v[i];
		CHECK(rule->actions.n > 0 && (!rule->process || *rule->process));
		for (size_t k = 0; k < rule->actions.n; k++) {
			const struct rules_action *a = &rule->actions.v[k];
			CHECK(a->line >= 1 && a->line <= lines && a->controllers && *a->controllers && a->destination && *a->destination);
			CHECK(!strchr(a->destination, ' ') && !strchr(a->destination, '\t'));
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	own(mem) char *text = mem_ndup((const char *)data, size);
	struct rules r = {};
	struct err e = {};
	size_t lines = 1;
	for (const char *p = text; *p; p++)
		lines += *p == '\n';
	if (rules_parse(text, "file", &r, &e) == 0)
		check(&r, lines);
	else
		CHECK(e.kind == ERR_USAGE && str_has_prefix(e.text, "file:"));
	rules_drop(&r);
	return 0;
}
