/* SPDX-License-Identifier: Apache-2.0 */
/* Build checks: a Dockerfile, and which are broken in which lines. */
#include "build/lint.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void check(const char *text, const char *options, const char *ignored, const char *args, const char *want)
{
	own(dockerfile) struct dockerfile d;
	own(lint) struct lint l = {};
	own(ignore) struct ignore g = {};
	own(strv) struct strv given = {};
	own(buf) struct buf got = BUF(1 << 20);
	static const struct strv none;
	own(strv) struct strv on_build = {};
	struct err e = {};
	if (dockerfile_parse("Dockerfile", text, strlen(text), &d, &e) < 0 || lint_open(&l, &d, options, &e) < 0)
		fail_msg("%s\n%s", text, e.text);
	if (ignored && ignore_read(&g, ignored, ".dockerignore", &e) < 0)
		fail_msg("%s", e.text);
	if (args)
		strv_split(&given, args, ' ');
	l.globals = l.args = &given;
	l.ignore = ignored ? &g : NULL;
	strv_add(&on_build, "ARG version=1");
	strv_add(&on_build, "COPY $vresion /");
	strv_add(&on_build, "CMD a");
	lint_file(&l);
	for (size_t i = 0; i < d.stages.n; i++)
		lint_stage(&l, i, dockerfile_stage(&d, d.stages.v[i].base, i), &none, str_eq(d.stages.v[i].base, "triggers") ? &on_build : &none);
	lint_sort(&l);
	for (size_t i = 0; i < l.found.n; i++)
		buf_printf(&got, "%s%s:%u", i ? " " : "", lint_name(l.found.v[i].rule), l.found.v[i].at.line);
	if (strcmp(buf_text(&got), want) != 0)
		fail_msg("%s\nfound \"%s\", not \"%s\"", text, buf_text(&got), want);
	for (size_t i = 0; i < l.found.n; i++) {
		own(buf) struct buf shown = BUF(1 << 20);
		lint_show(&l, &l.found.v[i], &shown);
		assert_non_null(strstr(buf_text(&shown), "^"));
		assert_non_null(strstr(buf_text(&shown), lint_name(l.found.v[i].rule)));
	}
}

static void names(void **state unused)
{
	check("FROM scratch AS Bad\nFROM scratch as b\nFROM scratch AS c\n", NULL, NULL, NULL, "StageNameCasing:1 FromAsCasing:2");
	check("from scratch AS a\nfrom scratch as b\n", NULL, NULL, NULL, "FromAsCasing:1");
	check("From scratch as base\nFROM scratch AS base2\n", NULL, NULL, NULL, "ConsistentInstructionCasing:1");
	check("FROM scratch\ncopy a /b\nCOPY a /c\n", NULL, NULL, NULL, "ConsistentInstructionCasing:2");
	check("frOM scratch as base\nfrom scratch as base2\n", NULL, NULL, NULL, "ConsistentInstructionCasing:1");
	check("from scratch\nCOPY a /b\ncopy a /c\n", NULL, NULL, NULL, "ConsistentInstructionCasing:2");
	check("from scratch\ncopy a /b\n", NULL, NULL, NULL, "");
	check("FROM scratch AS b\nFROM scratch AS b\n", NULL, NULL, NULL, "DuplicateStageName:2");
	check("FROM scratch AS scratch\nFROM scratch AS context\n", NULL, NULL, NULL, "ReservedStageName:1 ReservedStageName:2");
	check("FROM box\nRUN <<'EOT'\nenv\nEOT\n", NULL, NULL, NULL, "");
	check("FROM scratch\nCOPY a \\\n\n.\nCOPY a \\\n.\n", NULL, NULL, NULL, "NoEmptyContinuation:4");
}

static void options(void **state unused)
{
	const char *body = "FROM scratch as base\ncopy a .\n";
	static const struct { const char *directive, *option, *want; } rows[] = {
		{"", NULL, "FromAsCasing:2 ConsistentInstructionCasing:3"}, {"check=skip=all", NULL, ""}, {"check=skip=all;error=true", NULL, ""},
		{"check = skip=ConsistentInstructionCasing, FromAsCasing", NULL, ""}, {"check=skip=ConsistentInstructionCasing;error=true", NULL,
			"FromAsCasing:2"},
		{"check=skip=all", "skip=ConsistentInstructionCasing;error=true", "FromAsCasing:2"}, {"check=error=true", "skip=all", ""},
	};
	for (size_t i = 0; i < countof(rows); i++) {
		own(mem) char *text = mem_printf("# %s\n%s", rows[i].directive, body);
		check(text, rows[i].option, NULL, NULL, rows[i].want);
	}
	own(dockerfile) struct dockerfile d;
	struct err e = {};
	assert_int_equal(dockerfile_parse("Dockerfile", body, strlen(body), &d, &e), 0);
	static const char *const wrong[] = {"skip", "error=maybe", "forget=x"};
	for (size_t i = 0; i < countof(wrong); i++) {
		own(lint) struct lint l = {};
		e = (struct err){};
		assert_int_equal(lint_open(&l, &d, wrong[i], &e), -1);
		assert_int_equal(e.kind, ERR_USAGE);
	}
}

static void commands(void **state unused)
{
	check("FROM scratch\nCMD mycommand\n", NULL, NULL, NULL, "JSONArgsRecommended:2");
	check("FROM scratch\nENTRYPOINT mycommand\n", NULL, NULL, NULL, "JSONArgsRecommended:2");
	check("FROM scratch\nSHELL [\"/x\"]\nCMD mycommand\n", NULL, NULL, NULL, "");
	check("FROM scratch AS base\nSHELL [\"/x\"]\nFROM base\nENTRYPOINT mycommand\n", NULL, NULL, NULL, "");
	check("FROM scratch\nMAINTAINER me@example.org\n", NULL, NULL, NULL, "MaintainerDeprecated:2");
	check("FROM scratch\n# check=skip=MaintainerDeprecated // known\nMAINTAINER me\n# check=skip=JSONArgsRecommended\nCMD x\n", NULL, NULL, NULL, "");
	check("FROM scratch\n# check=skip=MaintainerDeprecated\n\nMAINTAINER me\n", NULL, NULL, NULL, "MaintainerDeprecated:4");
	check("FROM scratch\nENTRYPOINT [\"/a\"]\nENTRYPOINT [\"/b\"]\nCMD [\"/a\"]\nCMD [\"/b\"]\nHEALTHCHECK CMD [\"/a\"]\nHEALTHCHECK CMD [\"/b\"]\n",
		NULL, NULL, NULL,
		"MultipleInstructionsDisallowed:2 MultipleInstructionsDisallowed:4 MultipleInstructionsDisallowed:6");
	check("FROM scratch AS a\nCMD [\"/a\"]\nFROM a AS b\nCMD [\"/b\"]\n", NULL, NULL, NULL, "");
	check("FROM scratch\nENV testkey value\nLABEL key value\n", NULL, NULL, NULL, "LegacyKeyValueFormat:2 LegacyKeyValueFormat:3");
	check("FROM scratch\n# check=skip=all\nENV key value\nLABEL key=value\n", NULL, NULL, NULL, "");
	check("FROM scratch\nWORKDIR app/\n", NULL, NULL, NULL, "WorkdirRelativePath:2");
	check("FROM scratch AS a\nWORKDIR /app\nFROM a AS b\nWORKDIR sub\n", NULL, NULL, NULL, "");
	check("FROM scratch\nENV D=/x\nARG N\nWORKDIR $D\nWORKDIR $N\n", NULL, NULL, NULL, "");
	check("FROM scratch\nEXPOSE 80/TcP 8080/TCP 8080/udp\n", NULL, NULL, NULL, "ExposeProtoCasing:2 ExposeProtoCasing:2");
	check("FROM scratch\nEXPOSE 127.0.0.1:80:80 [::1]:8080:8080 5000:5000 8000 ${P:-90}\n", NULL, NULL, NULL,
		"ExposeInvalidFormat:2 ExposeInvalidFormat:2 ExposeInvalidFormat:2");
}

static void variables(void **state unused)
{
	check("FROM scratch\nARG foo\nCOPY a${foo} .\n", NULL, NULL, NULL, "");
	check("FROM box AS base\nARG foo=a\nFROM base\nCOPY $foo .\n", NULL, NULL, NULL, "");
	check("FROM box\nRUN echo $PATH $nothing\nENV PATH=$PATH:/x\n", NULL, NULL, NULL, "");
	check("FROM box\nCOPY $foo .\nARG foo=bar\nRUN echo $foo\n", NULL, NULL, NULL, "UndefinedVar:2");
	check("FROM box\nARG DIR_ASSETS=a\nCOPY $DIR_ASSET .\nENV PATH=$PAHT:/tmp\n", NULL, NULL, NULL, "UndefinedVar:3 UndefinedVar:4");
	check("FROM box\nCOPY ${x:-a} ${y-b} ${z:+c} .\nCOPY <<E /e\n$gone \\$kept\nE\nCOPY <<'E' /e\n$kept\nE\n", NULL, NULL, NULL, "UndefinedVar:4");
	check("FROM box\nENV a=1 b=$a\n", NULL, NULL, NULL, "UndefinedVar:2");
	check("FROM box\nCOPY --chown=$u --from=$s a b\nRUN --mount=type=bind,source=$m,target=/m true\n", NULL, NULL, NULL,
		"UndefinedVar:2 UndefinedVar:2 UndefinedVar:3");
	check("FROM box\nARG TARGETARCH\nCOPY a-$TARGETARCH-$HTTP_PROXY .\n", NULL, NULL, NULL, "");
	/* An ONBUILD is looked at where it is carried out, and defines what comes after it there. */
	check("FROM box AS a\nONBUILD ARG x=1\nONBUILD COPY $gone /\nFROM a\nCOPY $x /\n", NULL, NULL, NULL, "UndefinedVar:4");
	check("FROM box AS a\nONBUILD ARG x=1\nFROM a AS b\nFROM box\nCOPY $x /\n", NULL, NULL, NULL, "UndefinedVar:5");
	check("FROM triggers\nCOPY $version /\nCMD [\"b\"]\n", NULL, NULL, NULL, "UndefinedVar:1");
	check("FROM box\n# check=skip=UndefinedVar // by intent\nCOPY $foo .\n", NULL, NULL, NULL, "");
	check("FROM scratch\nARG SECRET_PASSPHRASE\nENV SUPER_Secret=foo\nENV password=bar secret=baz\nARG super_duper_secret_token=foo auth=bar\n"
	      "ENV apikey=bar sunflower=foo\n"
	      "ENV git_key=\nENV PUBLIC_KEY=\nARG public_token\nARG SECRET_PASSPHRASE_FILE\nENV password_file=bar secret_File=baz\n"
	      "ARG AUTH_MODULE_VERSION MONKEY\n",
		NULL, NULL, NULL, "SecretsUsedInArgOrEnv:2 SecretsUsedInArgOrEnv:3 SecretsUsedInArgOrEnv:4 SecretsUsedInArgOrEnv:4 SecretsUsedInArgOrEnv:5 "
		"SecretsUsedInArgOrEnv:5 SecretsUsedInArgOrEnv:6 SecretsUsedInArgOrEnv:7");
}

static void from(void **state unused)
{
	check("ARG base=scratch\nFROM $base\n", NULL, NULL, "base=scratch", "");
	check("FROM --platform=$BUILDPLATFORM scratch\n", NULL, NULL, NULL, "");
	check("ARG DEBUG\nFROM scratch${DEBUG}\n", NULL, NULL, NULL, "");
	check("ARG DEBUG=\"\"\nFROM scratch${DEBUG-@bogus}\n", NULL, NULL, "DEBUG=", "");
	check("FROM --platform=$BULIDPLATFORM scratch\n", NULL, NULL, NULL, "UndefinedArgInFrom:1");
	check("ARG tag=latest\nFROM box:${tag}${version} AS b\n", NULL, NULL, "tag=latest", "UndefinedArgInFrom:2");
	check("ARG VERSION\nFROM box:$VERSION\n", NULL, NULL, "VERSION=latest", "InvalidDefaultArgInFrom:2");
	check("ARG IMAGE\nFROM $IMAGE\n", NULL, NULL, "IMAGE=box", "InvalidDefaultArgInFrom:2");
	check("ARG SFX=\"box:\"\nFROM busy${SFX}\n", NULL, NULL, "SFX=box:latest", "InvalidDefaultArgInFrom:2");
	check("ARG V\nFROM box:stable${V}\n", NULL, NULL, "V=-x", "");
	check("FROM --platform=$TARGETPLATFORM scratch\nFROM --platform=${TARGETPLATFORM} scratch\n", NULL, NULL, NULL,
		"RedundantTargetPlatform:1 RedundantTargetPlatform:2");
	check("FROM --platform=linux/amd64 scratch\nFROM --platform=linux/amd64 scratch AS my_amd64_stage\nFROM --platform=linux/amd64 scratch AS linux\n",
		NULL, NULL,
		NULL, "FromPlatformFlagConstDisallowed:1");
	check("# check=experimental=InvalidDefinitionDescription\n# bar this\nARG foo=bar\n# BasE this\nFROM scratch AS base\n# bad\nARG version=latest\n"
	      "# bad\n"
	      "ARG foo=baz bar=qux\n\n# version is fine\nARG version\n# not\n#\nARG bit\n# about nothing else\nCOPY a .\n", NULL, NULL, NULL,
		"InvalidDefinitionDescription:3 InvalidDefinitionDescription:5 InvalidDefinitionDescription:7 InvalidDefinitionDescription:9");
	check("# bar this\n\n# bar this\nARG foo=bar\nFROM scratch\n", NULL, NULL, NULL, "");
}

static void ignored(void **state unused)
{
	static const struct { const char *ignore, *copy, *want; } rows[] = {
		{"Dockerfile\n", "COPY Dockerfile .\nADD Dockerfile /windy", "CopyIgnoredFile:2 CopyIgnoredFile:3"},
		{"foobar\n", "COPY --from=x /foobar /Dockerfile", ""}, {"**\n!Dockerfile\n", "COPY ./Dockerfile .", ""}, {"**\n!Dockerfile\n", "COPY . .",
			""},
		{".*\n", "COPY . .", ""}, {"*\n", "COPY . .", "CopyIgnoredFile:2"}, {"sub\n!sub/b.txt\n", "COPY sub/a.txt /", "CopyIgnoredFile:2"},
		{"sub\n!other.txt\n", "COPY sub/a.txt /", "CopyIgnoredFile:2"}, {"!sub/b.txt\nsub\n", "COPY sub/a.txt /", "CopyIgnoredFile:2"},
		{"sub\n!sub/a.txt\n", "COPY sub /sub", ""}, {"sub\n!sub/a.txt\n", "COPY . /ctx", ""}, {"sub\n!sub/a.txt\n", "COPY sub/a.txt /", ""},
		{"sub\n!sub/a.txt\n", "COPY sub/*.txt /", ""}, {"su.b\n!su\\.b/keep.txt\n", "COPY su.b /sub", ""}, {"*\n", "ADD https://example.org/x /", ""},
		{"a\n", "COPY <<a /x\nbody\na", ""},
	};
	for (size_t i = 0; i < countof(rows); i++) {
		own(mem) char *text = mem_printf("FROM scratch\n%s\n", rows[i].copy);
		check(text, NULL, rows[i].ignore, NULL, rows[i].want);
	}
}

static void addresses(void **state unused)
{
	own(mem) char *url = lint_url(LINT_JSON_ARGS_RECOMMENDED), *other = lint_url(LINT_FROM_PLATFORM_CONST);
	assert_string_equal(url, "https://docs.docker.com/go/dockerfile/rule/json-args-recommended/");
	assert_string_equal(other, "https://docs.docker.com/go/dockerfile/rule/from-platform-flag-const-disallowed/");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(names), cmocka_unit_test(options), cmocka_unit_test(commands), cmocka_unit_test(variables),
		cmocka_unit_test(from), cmocka_unit_test(ignored), cmocka_unit_test(addresses)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
