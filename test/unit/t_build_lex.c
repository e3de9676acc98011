/* SPDX-License-Identifier: Apache-2.0 */
#include "build/dockerfile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void parse(const char *text, struct dockerfile *d)
{
	struct err e = {};
	if (dockerfile_parse("Dockerfile", text, strlen(text), d, &e) < 0)
		fail_msg("%s\n%s", text, e.text);
}

static void lines(void **state unused)
{
	own(dockerfile) struct dockerfile d;
	parse("\xef\xbb\xbf# syntax=docker/dockerfile:1\n# Check = skip=all\n# a comment\n# escape=`\nFrom box AS Name\nRUN a \\\n# inside\n\n  b\\\\ c \n"
	      "  run [\"x\", \"y\"]\nRUN [\"x\", 'y']\nCMD\n", &d);
	assert_string_equal(d.text.syntax, "docker/dockerfile:1");
	assert_string_equal(d.text.check, "skip=all");
	assert_int_equal(d.text.escape, '\\');
	assert_int_equal(d.stages.n, 1);
	const struct stage *s = &d.stages.v[0];
	assert_string_equal(s->name, "name");
	assert_string_equal(s->base, "box");
	assert_int_equal(s->steps.n, 4);
	assert_string_equal(s->steps.v[0].node->text, "a   b\\\\ c");
	assert_int_equal(s->steps.v[0].node->at.line, 6);
	assert_int_equal(s->steps.v[0].node->last, 9);
	assert_int_equal(s->steps.v[0].node->empty_line, 8);
	assert_true(s->steps.v[1].json);
	assert_int_equal(s->steps.v[1].node->at.column, 3);
	assert_int_equal(s->steps.v[1].words.n, 2);
	assert_false(s->steps.v[2].json);
	assert_string_equal(s->steps.v[2].words.v[0], "[\"x\", 'y']");
}

static void escape_directive(void **state unused)
{
	own(dockerfile) struct dockerfile d;
	parse("# escape=`\nFROM box\nRUN a `\n  b c:\\\nRUN d\n", &d);
	assert_int_equal(d.stages.v[0].steps.n, 2);
	assert_string_equal(d.stages.v[0].steps.v[0].node->text, "a   b c:\\");
}

static void here_documents(void **state unused)
{
	own(dockerfile) struct dockerfile d;
	parse("FROM box\nRUN <<A cat 3<<-'B' && x \"<<C\"\none\nA\n\ttwo\n\tB\nCOPY <<x.txt /y\n# kept\nx.txt\nRUN echo 1 << 2\n", &d);
	const struct stage *s = &d.stages.v[0];
	assert_int_equal(s->steps.n, 3);
	assert_int_equal(s->steps.v[0].node->docs.n, 2);
	assert_string_equal(s->steps.v[0].node->docs.v[0].body, "one\n");
	assert_true(s->steps.v[0].node->docs.v[0].expand);
	assert_string_equal(s->steps.v[0].node->docs.v[1].body, "two\n");
	assert_false(s->steps.v[0].node->docs.v[1].expand);
	assert_true(s->steps.v[0].node->docs.v[1].chomp);
	assert_string_equal(s->steps.v[1].node->docs.v[0].name, "x.txt");
	assert_string_equal(s->steps.v[1].node->docs.v[0].body, "# kept\n");
	assert_int_equal(s->steps.v[2].node->docs.n, 0);
}

static void flags(void **state unused)
{
	own(dockerfile) struct dockerfile d;
	parse("FROM --platform=linux/arm64 box\nCOPY --from=a --link --chown=\"1:2\" --exclude=x --exclude=y --parents=false a b c/\n"
	      "RUN --mount=type=tmpfs,target=/x -- --y\n", &d);
	const struct inst *copy = &d.stages.v[0].steps.v[0];
	assert_string_equal(inst_flag(&d.stages.v[0].from, "platform", 0), "linux/arm64");
	assert_string_equal(inst_flag(copy, "from", 0), "a");
	assert_string_equal(inst_flag(copy, "chown", 0), "1:2");
	assert_string_equal(inst_flag(copy, "exclude", 1), "y");
	assert_null(inst_flag(copy, "exclude", 2));
	assert_true(inst_has(copy, "link"));
	assert_false(inst_has(copy, "parents"));
	assert_int_equal(copy->words.n, 3);
	assert_string_equal(d.stages.v[0].steps.v[1].node->text, "--y");
}

static void pairs(void **state unused)
{
	own(dockerfile) struct dockerfile d;
	parse("ARG A=1 B\nFROM box\nENV a=b c=\"d e\" f=g\\ h\nENV old the value\nLABEL \"x y\"=z\nARG n=v m\n", &d);
	assert_int_equal(d.globals.n, 1);
	assert_null(d.globals.v[0].pairs.v[1].value);
	const struct stage *s = &d.stages.v[0];
	assert_int_equal(s->steps.v[0].pairs.n, 3);
	assert_string_equal(s->steps.v[0].pairs.v[1].value, "\"d e\"");
	assert_string_equal(s->steps.v[0].pairs.v[2].value, "g\\ h");
	assert_true(s->steps.v[1].is_legacy);
	assert_string_equal(s->steps.v[1].pairs.v[0].value, "the value");
	assert_string_equal(s->steps.v[2].pairs.v[0].key, "\"x y\"");
}

static void errors(void **state unused)
{
	static const struct { const char *text, *expected; } rows[] = {
		{"", "the file is empty"}, {"# c\n", "the file is empty"}, {"ARG a\n", "no FROM"}, {"RUN x\nFROM box\n", "Dockerfile:1:1: RUN before the first FROM"},
		{"FROM box\nPULL ./FILE.py .\n", "Dockerfile:2:1: unknown instruction: PULL (did you mean COPY or ADD?)"},
		{"FROM box\n RUM x\n", "Dockerfile:2:2: unknown instruction: RUM (did you mean RUN?)"}, {"FROM box\nQWERTZUI x\n", "unknown instruction: QWERTZUI"},
		{"FROM box\nCOPY --form=x a b\n", "Dockerfile:2:6: COPY has no flag --form: did you mean --from?"}, {"FROM box\nCOPY --from a b\n", "--from: it needs a value"},
		{"FROM box\nCOPY --from=x --from=y a b\n", "--from: given twice"}, {"FROM box\nCOPY --link=maybe a b\n", "--link=maybe"},
		{"FROM box\nCOPY a\n", "Dockerfile:2:1: COPY needs at least one source and a destination"}, {"FROM box\nENV a\n", "Dockerfile:2:1: ENV: \"a\" has no value"},
		{"FROM box\nENV a=b c\n", "\"c\" is not of the form name=value"}, {"FROM box\nENV =b\n", "the name is missing"}, {"FROM box\nRUN\n", "RUN needs a command"},
		{"FROM box\nSHELL sh\n", "SHELL needs a JSON array"}, {"FROM box AS\n", "FROM needs"}, {"FROM box AS 1x\n", "invalid name of a stage"},
		{"FROM box\nONBUILD ONBUILD RUN x\n", "ONBUILD ONBUILD is not allowed"}, {"FROM box\nONBUILD FROM x\n", "ONBUILD FROM is not allowed"},
		{"FROM box\nONBUILD RUM x\n", "did you mean RUN?"}, {"FROM box\nHEALTHCHECK x\n", "NONE and CMD are known"}, {"FROM box\nRUN <<EOF\nx\n", "unterminated here-document"},
		{"# escape=x\nFROM box\n", "invalid escape directive"}, {"# syntax=a\n# syntax=b\nFROM box\n", "only one syntax"}, {"FROM box\nUSER\n", "USER needs a user"},
	};
	for (size_t i = 0; i < countof(rows); i++) {
		own(dockerfile) struct dockerfile d;
		struct err e = {};
		if (dockerfile_parse("Dockerfile", rows[i].text, strlen(rows[i].text), &d, &e) == 0)
			fail_msg("%s is taken", rows[i].text);
		if (!strstr(e.text, rows[i].expected))
			fail_msg("%s says \"%s\", not \"%s\"", rows[i].text, e.text, rows[i].expected);
	}
}

static void places_are_shown(void **state unused)
{
	own(dockerfile) struct dockerfile d;
	own(buf) struct buf b = BUF(4096);
	struct err e = {};
	const char *text = "FROM box\nCOPY \\\n  --form=x a b\nRUN x\n";
	assert_int_equal(dockerfile_parse("D", text, strlen(text), &d, &e), -1);
	assert_int_equal(d.text.where.line, 3);
	assert_int_equal(d.text.where.column, 3);
	lex_show(&d.text, d.text.where, 0, &b);
	assert_non_null(strstr(buf_text(&b), "   3 | >>>   --form=x a b\n     |       ^\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines), cmocka_unit_test(escape_directive), cmocka_unit_test(here_documents), cmocka_unit_test(flags), cmocka_unit_test(pairs),
		cmocka_unit_test(errors), cmocka_unit_test(places_are_shown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
