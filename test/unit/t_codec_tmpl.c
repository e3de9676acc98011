/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables say what Go's text/template and fmt print, and the formats that docker's documentation shows.
 */
#include "codec/tmpl.h"

#include "base/mem.h"
#include "base/num.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const char document[] =
	"{\"Id\":\"4a5b6c7d8e9f00112233\",\"Name\":\"/web\",\"Args\":[\"-g\",\"daemon off;\"],\"RestartCount\":0,"
	"\"State\":{\"Status\":\"running\",\"Running\":true,\"Paused\":false,\"Pid\":4321,\"ExitCode\":0,\"Ratio\":0.25},"
	"\"Config\":{\"Env\":[\"PATH=/bin\",\"A=<b>&c\"],\"Cmd\":null,\"Labels\":{\"b\":\"2\",\"a\":\"1\",\"com.x/y\":\"z\"},\"Tty\":false},"
	"\"NetworkSettings\":{\"Ports\":{\"80/tcp\":[{\"HostIp\":\"0.0.0.0\",\"HostPort\":\"8080\"}],\"443/tcp\":null}},"
	"\"Mounts\":[{\"Type\":\"bind\",\"RW\":true},{\"Type\":\"volume\",\"RW\":false}],\"Empty\":[],\"None\":{},\"Text\":\"h\\u00e9llo\","
	"\"Big\":18446744073709551615,\"Minus\":-7,\"Million\":1000000.0,\"Words\":\"two words\"}";

static char *render(const char *text, const struct tmpl_options *o)
{
	own(json) struct json *doc = NULL;
	own(tmpl) struct tmpl *t = NULL;
	own(buf) struct buf b = BUF(1 << 16);
	struct err e = {};
	assert_int_equal(json_parse(document, sizeof document - 1, &doc, &e), 0);
	if (tmpl_parse(text, &t, &e) < 0 || tmpl_execute(t, doc, o, &b, &e) < 0)
		return mem_dup(e.text);
	return buf_take(&b);
}

struct row { const char *text, *result; };

static void check(const struct row *rows, size_t n, const struct tmpl_options *o)
{
	int wrong = 0;
	for (size_t i = 0; i < n; i++) {
		own(mem) char *got = render(rows[i].text, o);
		if (strcmp(got, rows[i].result) == 0)
			continue;
		print_error("%s\n  gives %s\n   not  %s\n", rows[i].text, got, rows[i].result);
		wrong++;
	}
	assert_int_equal(wrong, 0);
}

static void actions(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"", ""},
		{"plain } }} text", "plain } }} text"},
		{"{{.Id}}", "4a5b6c7d8e9f00112233"},
		{"{{ .State.Status }}", "running"},
		{"{{.Nothing}} {{.State.Nothing}} {{.Nothing.More}}", "<no value> <no value> <no value>"},
		{"{{.Config.Cmd}}", "<no value>"},
		{"{{.RestartCount}} {{.Minus}} {{.Big}} {{.State.Ratio}} {{.Million}} {{.State.Running}}",
			"0 -7 18446744073709551615 0.25 1e+06 true"},
		{"{{.Args}} {{.Empty}} {{.None}}", "[-g daemon off;] [] map[]"},
		{"{{.Config.Labels}}", "map[a:1 b:2 com.x/y:z]"},
		{"{{.Mounts}}", "[map[RW:true Type:bind] map[RW:false Type:volume]]"},
		{"{{.NetworkSettings.Ports}}", "map[443/tcp:<nil> 80/tcp:[map[HostIp:0.0.0.0 HostPort:8080]]]"},
		{"{{\"str\\t\\u00e9\\x41\\101\"}} {{`raw\\t`}} {{'a'}} {{'\\n'}} {{'é'}}", "str\téAA raw\\t 97 10 233"},
		{"{{12}} {{-3}} {{0x1F}} {{0b101}} {{0o17}} {{017}} {{1_000}} {{1.5}} {{.5}} {{1e3}} {{+4}}", "12 -3 31 5 15 15 1000 1.5 0.5 1000 4"},
		{"{{true}} {{false}} {{print nil}}", "true false <nil>"},
		{"a {{- /* note */ -}} b", "ab"},
		{"a{{/* note {{x}} */}}b", "ab"},
		{"a  {{- .Minus -}}  b", "a-7b"},
		{"a {{-3}} b", "a -3 b"},
		{"a\n{{- \"x\" -}}\n\n b", "axb"},
		{"{{- if true -}}  x  {{- end -}}  ", "x"},
		{"{{.Args | len}} {{.Args | json | len}} {{.Words | upper | printf \"%s-%s\" .Name}}", "2 20 /web-TWO WORDS"},
		{"{{(index .Mounts 0).Type}} {{(.State).Status}} {{(((1)))}}", "bind running 1"},
		{"{{if .State.Running}}up{{else}}down{{end}}", "up"},
		{"{{if .State.Paused}}1{{else if .Nothing}}2{{else if eq .State.Status \"running\"}}3{{else}}4{{end}}", "3"},
		{"{{if .Empty}}a{{end}}{{if .None}}b{{end}}{{if 0}}c{{end}}{{if \"\"}}d{{end}}{{if .Nothing}}f{{end}}", ""},
		{"{{if not .Empty}}x{{end}}{{if and .State.Running (eq .Name \"/web\")}}y{{end}}", "xy"},
		{"{{range .Args}}<{{.}}>{{end}}", "<-g><daemon off;>"},
		{"{{range $i, $a := .Args}}{{$i}}={{$a}},{{end}}", "0=-g,1=daemon off;,"},
		{"{{range $a := .Args}}{{$a}}{{$.Name}}{{end}}", "-g/webdaemon off;/web"},
		{"{{range $k, $v := .Config.Labels}}{{$k}}:{{$v}};{{end}}", "a:1;b:2;com.x/y:z;"},
		{"{{range .Empty}}x{{else}}none{{end}}{{range .Config.Cmd}}x{{else}}null{{end}}{{range .Nothing}}x{{else}}absent{{end}}", "nonenullabsent"},
		{"{{range 3}}{{.}}{{end}} {{range $i := 2}}{{$i}}{{end}}", "012 01"},
		{"{{range .Mounts}}{{if .RW}}{{continue}}{{end}}{{.Type}}{{end}}", "volume"},
		{"{{range $i, $m := .Mounts}}{{if $i}}{{break}}{{end}}{{$m.Type}}{{end}}", "bind"},
		{"{{range .Mounts}}{{range .Nothing}}{{else}}{{break}}{{end}}x{{end}}", ""},
		{"{{range $p, $conf := .NetworkSettings.Ports}}{{$p}}{{with $conf}} -> {{(index . 0).HostPort}}{{end}};{{end}}", "443/tcp;80/tcp -> 8080;"},
		{"{{with .State}}{{.Status}}{{end}}{{with .Empty}}x{{else}}none{{end}}", "runningnone"},
		{"{{with .Empty}}x{{else with .Args}}{{index . 0}}{{else}}none{{end}}", "-g"},
		{"{{with $x := .Name}}{{$x}}{{end}}", "/web"},
		{"{{$x := 1}}{{if true}}{{$x = 2}}{{$x := 3}}{{$x}}{{end}}{{$x}}", "32"},
		{"{{$n := 0}}{{range .Args}}{{$n = len .}}{{end}}{{$n}}", "11"},
		{"{{$s := .State}}{{$s.Pid}}", "4321"},
		{"{{define \"x\"}}", "template: :1: {{define}}: a format has one template only"},
	};
	check(rows, countof(rows), NULL);
}

static void functions(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"{{and 1 0 2}} {{and 1 2}} {{or 0 \"\" 3}} {{or 0 false}} {{not 0}}", "0 2 3 false true"},
		{"{{or .State.Running (index .Args 99)}}", "true"},
		{"{{eq 1 1}} {{eq .Name \"a\" \"b\" \"/web\"}} {{eq .Nothing \"x\"}} {{eq .Nothing nil}} {{ne 1 2}} {{eq 1 1.0}}", "true true false true true true"},
		{"{{lt 1 2}} {{le 2 2}} {{gt \"b\" \"a\"}} {{ge 1.5 2}} {{lt -1 .Big}}", "true true true false true"},
		{"{{len .Name}} {{len .Args}} {{len .Config.Labels}} {{len .Config.Cmd}} {{len .Text}}", "4 2 3 0 6"},
		{"{{index .Args 1}} {{index .Config.Labels \"com.x/y\"}} {{index .NetworkSettings.Ports \"80/tcp\" 0}}",
			"daemon off; z map[HostIp:0.0.0.0 HostPort:8080]"},
		{"[{{index .Config.Labels \"absent\"}}] [{{index .None \"absent\"}}] [{{index .Config.Cmd \"absent\"}}] {{index .Args}}", "[] [] [] [-g daemon off;]"},
		{"{{(index (index .NetworkSettings.Ports \"80/tcp\") 0).HostPort}} {{index .NetworkSettings.Ports \"1/udp\"}}", "8080 []"},
		{"{{index \"abc\" 1}}", "98"},
		{"{{slice .Id 0 12}} {{slice .Args 1}} {{slice .Id 18}} {{slice .Args 0 1 2}} {{slice \"x\"}}", "4a5b6c7d8e9f [daemon off;] 33 [-g] x"},
		{"{{print 1 2 \"a\" 3 \"b\" \"c\" true nil}}", "1 2a3bctrue <nil>"},
		{"{{println \"a\" 1 \"b\"}}", "a 1 b\n"},
		{"{{html \"<a href='x'>&\\\"\"}}", "&lt;a href=&#39;x&#39;&gt;&amp;&#34;"},
		{"{{js \"it's <b>\\n=\"}}", "it\\'s \\u003Cb\\u003E\\u000A\\u003D"},
		{"{{urlquery \"a b&c/é\"}}", "a+b%26c%2F%C3%A9"},
		{"{{json .Config.Env}} {{json .Config.Cmd}} {{json .State.Paused}} {{.Mounts | json}} {{json .Nothing}}",
			"[\"PATH=/bin\",\"A=<b>&c\"] null false [{\"Type\":\"bind\",\"RW\":true},{\"Type\":\"volume\",\"RW\":false}] null"},
		{"{{split \"a,b,,c\" \",\"}} {{split \"\" \",\"}} {{index (split .Id \"c\") 0}} {{len (split \"héy\" \"\")}}", "[a b  c] [] 4a5b6 3"},
		{"{{join .Args \"|\"}} {{join (split \"a,b\" \",\") \"-\"}} {{join .Empty \",\"}}{{join nil \",\"}}{{join .Config.Labels \"+\"}}", "-g|daemon off; a-b 1+2+z"},
		{"{{title \"hello wOrld a-b c_d\"}} {{lower \"ABC é\"}} {{upper .Name}}", "Hello WOrld A-B C_d abc é /WEB"},
		{"{{pad \"x\" 2 3}}| {{pad \"\" 2 3}}|", "  x   | |"},
		{"{{truncate .Id 5}} {{truncate \"ab\" 5}} {{truncate .Text 2}}", "4a5b6 ab h"},
		{"{{eq .State 1}}", "template: :1:2: executing \"\" at <eq .State 1>: error calling eq: non-comparable type map[string]interface {}"},
		{"{{eq 1 \"a\"}}", "template: :1:2: executing \"\" at <eq 1 \"a\">: error calling eq: incompatible types for comparison"},
		{"{{eq 1}}", "template: :1:2: executing \"\" at <eq 1>: error calling eq: missing argument for comparison"},
		{"{{lt true false}}", "template: :1:2: executing \"\" at <lt true false>: error calling lt: invalid type for comparison"},
		{"x\ny{{index .Args 5}}", "template: :2:4: executing \"\" at <index .Args 5>: error calling index: index out of range: 5"},
		{"{{index .Args \"a\"}}", "template: :1:2: executing \"\" at <index .Args \"a\">: error calling index: cannot index slice/array with type string"},
		{"{{index .Config.Labels 1}}",
			"template: :1:2: executing \"\" at <index .Config.Labels 1>: error calling index: value has type int; should be string"},
		{"{{index .Nothing 1}}", "template: :1:2: executing \"\" at <index .Nothing 1>: error calling index: index of untyped nil"},
		{"{{index 1 1}}", "template: :1:2: executing \"\" at <index 1 1>: error calling index: can't index item of type int"},
		{"{{slice .Id 5 2}}", "template: :1:2: executing \"\" at <slice .Id 5 2>: error calling slice: invalid slice index: 5 > 2"},
		{"{{slice .Id 99}}", "template: :1:2: executing \"\" at <slice .Id 99>: error calling slice: index out of range: 99"},
		{"{{len 3}}", "template: :1:2: executing \"\" at <len 3>: error calling len: len of type int"},
		{"{{join .Name \",\"}}", "template: :1:2: executing \"\" at <join .Name \",\">: error calling join: expected slice, got string"},
		{"{{call .Name}}", "template: :1:2: executing \"\" at <call .Name>: error calling call: non-function of type string"},
		{"{{join .Args}}", "template: :1:2: executing \"\" at <join>: wrong number of args for join: want 2 got 1"},
		{"{{index}}", "template: :1:2: executing \"\" at <index>: wrong number of args for index: want at least 1 got 0"},
		{"{{upper .RestartCount}}", "template: :1:8: executing \"\" at <.RestartCount>: wrong type for value; expected string; got int"},
		{"{{truncate .Id \"x\"}}", "template: :1:15: executing \"\" at <\"x\">: expected integer; found \"x\""},
		{"{{nil}}", "template: :1:2: executing \"\" at <nil>: nil is not a command"},
		{"{{upper 3}}", "template: :1:8: executing \"\" at <3>: expected string; found 3"},
		{"{{upper .Nothing}}", "template: :1:8: executing \"\" at <.Nothing>: invalid value; expected string"},
		{"{{range .Name}}{{end}}", "template: :1:8: executing \"\" at <.Name>: range can't iterate over /web"},
	};
	check(rows, countof(rows), NULL);
}

static void verbs(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"{{printf \"%s %d %v %q %x %t\" \"a\" 3 \"b\" \"c\\n\" 255 true}}", "a 3 b \"c\\n\" ff true"},
		{"{{printf \"%5.2f|%-10s|%10s|%05d|%+d|% d\" 1.5 \"ab\" \"é\" 42 3 4}}", " 1.50|ab        |         é|00042|+3| 4"},
		{"{{printf \"%.2s|%5.1s|%-4d|%4d|%04d\" \"héllo\" \"xyz\" 7 -7 -7}}", "hé|    x|7   |  -7|-007"},
		{"{{printf \"%x %X %x %#x %o %#o %b %c %U %q\" \"hi\" \"hi\" 10 10 8 8 5 65 65 65}}", "6869 6869 a 0xa 10 010 101 A U+0041 'A'"},
		{"{{printf \"%e %g %G %.3g %v %.1f\" 1234.5678 0.00001 1e20 1234.5678 1e21 2.25}}", "1.234568e+03 1e-05 1E+20 1.23e+03 1e+21 2.2"},
		{"{{printf \"%v %s %q %d\" .Args .Args .Args .Args}}", "[-g daemon off;] [-g daemon off;] [\"-g\" \"daemon off;\"] [%!d(string=-g) %!d(string=daemon off;)]"},
		{"{{printf \"%v %s\" .Config.Labels .Config.Labels}}", "map[a:1 b:2 com.x/y:z] map[a:1 b:2 com.x/y:z]"},
		{"{{printf \"%s %d %t %f\" 1 \"x\" 1 2}}", "%!s(int=1) %!d(string=x) %!t(int=1) %!f(int=2)"},
		{"{{printf \"%d %d\" 1}} {{printf \"%d\" 1 2 \"x\"}} {{printf \"%\"}} {{printf \"100%%\"}} {{printf \"%z\" 1}}",
			"1 %!d(MISSING) 1%!(EXTRA int=2, string=x) %!(NOVERB) 100% %!z(int=1)"},
		{"{{printf \"%s|%v|%d\" .Nothing .Config.Cmd nil}}", "%!s(<nil>)|<nil>|%!d(<nil>)"},
		{"{{printf \"%#x %# x %+v\" \"hi\" \"hi\" 1}}", "0x6869 0x68 0x69 1"},
		{"{{printf \"%*d|%-*d|%.*f\" 5 42 4 7 1 2.55}}", "   42|7   |2.5"},
		{"{{printf \"%[2]s %[1]s\" \"a\" \"b\"}} {{printf \"%[3]d\" 1}}", "b a %!d(BADINDEX)"},
		{"{{printf \"%T %T %T %T\" 1 \"a\" .Args nil}}", "int string []interface {} <nil>"},
		{"{{printf \"%#v %#v\" \"a\" .Args}}", "\"a\" []interface {}{\"-g\", \"daemon off;\"}"},
		{"{{printf \"%6t|%-6v|%6v\" true false nil}}", "  true|false | <nil>"},
		{"{{printf \"%q\" \"a\\\"b\\\\c\\x01\\u00a0é\\xff\"}}", "\"a\\\"b\\\\c\\x01\\u00a0é\\xff\""},
		{"{{printf \"\"}}{{printf \"%v\" .Mounts}}", "[map[RW:true Type:bind] map[RW:false Type:volume]]"},
		{"{{printf \"%99999999d\" 1}}", "1"},
		{"{{printf .Name}}{{printf 1}}", "template: :1:25: executing \"\" at <1>: expected string; found 1"},
	};
	check(rows, countof(rows), NULL);
}

static void mistakes(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"{{.State.", "template: :1: unexpected \".\" in operand"},
		{"{{.State", "template: :1: unclosed action"},
		{"{{", "template: :1: unclosed action"},
		{"{{}}", "template: :1: missing value for command"},
		{"{{if}}x{{end}}", "template: :1: missing value for if"},
		{"{{.A | }}", "template: :1: missing value for command"},
		{"{{| .A}}", "template: :1: unexpected \"|\" in command"},
		{"{{()}}", "template: :1: missing value for parenthesized pipeline"},
		{"{{(.A}}", "template: :1: unclosed left paren"},
		{"{{.A)}}", "template: :1: unexpected right paren"},
		{"{{foo .A}}", "template: :1: function \"foo\" not defined"},
		{"{{$x}}", "template: :1: undefined variable \"$x\""},
		{"{{if .A}}{{$x := 1}}{{end}}{{$x}}", "template: :1: undefined variable \"$x\""},
		{"{{$x = 1}}", "template: :1: undefined variable \"$x\""},
		{"{{if $a, $b := .A}}{{end}}", "template: :1: too many declarations in if"},
		{"{{range $a, $b, $c := .A}}{{end}}", "template: :1: too many declarations in range"},
		{"{{if .A}}", "template: :1: unexpected EOF"},
		{"x\n{{range .A}}\n\n", "template: :4: unexpected EOF"},
		{"{{end}}", "template: :1: unexpected {{end}}"},
		{"{{else}}", "template: :1: unexpected {{else}}"},
		{"{{if .A}}{{else}}{{else}}{{end}}", "template: :1: expected end; found {{else}}"},
		{"{{break}}", "template: :1: {{break}} outside {{range}}"},
		{"{{range .A}}{{else}}{{continue}}{{end}}", "template: :1: {{continue}} outside {{range}}"},
		{"{{\"abc}}", "template: :1: unterminated quoted string"},
		{"{{`abc}}", "template: :1: unterminated raw quoted string"},
		{"{{'a}}", "template: :1: unterminated character constant"},
		{"{{'ab'}}", "template: :1: malformed character constant: 'ab'"},
		{"{{\"\\z\"}}", "template: :1: invalid syntax"},
		{"{{\"\\u12\"}}", "template: :1: invalid syntax"},
		{"{{1a}}", "template: :1: bad number syntax: \"1a\""},
		{"{{1.2.3}}", "template: :1: bad number syntax: \"1.2.3\""},
		{"{{+inf}}", "template: :1: bad number syntax: \"+inf\""},
		{"{{.a-b}}", "template: :1: bad character U+002D '-'"},
		{"{{.A;}}", "template: :1: bad character U+003B ';'"},
		{"{{.A ;}}", "template: :1: unexpected \";\" in operand"},
		{"{{.A \x01}}", "template: :1: unrecognized character in action: U+0001"},
		{"{{\"a\"\"b\"}}", "template: :1: unexpected \"\\\"b\\\"\" in operand"},
		{"{{.A | 1}}", "template: :1: non executable command in pipeline stage 2"},
		{"{{1.A}}", "template: :1: bad number syntax: \"1.A\""},
		{"{{\"a\".A}}", "template: :1: unexpected . after term \"\\\"a\\\"\""},
		{"{{/* x }}", "template: :1: unclosed comment"},
		{"{{/* x */ y}}", "template: :1: comment ends before closing delimiter"},
		{"{{if if}}", "template: :1: unexpected <if> in if"},
		{"{{print if}}", "template: :1: unexpected <if> in operand"},
		{"{{.Name \"x\"}}", "template: :1:2: executing \"\" at <.Name>: Name is not a method but has arguments"},
		{"{{.Nothing \"x\"}}", "template: :1:2: executing \"\" at <.Nothing>: Nothing is not a method but has arguments"},
		{"{{.Name.First}}", "template: :1:7: executing \"\" at <.Name.First>: can't evaluate field First in type string"},
		{"{{.Config.Cmd.X}}", "template: :1:9: executing \"\" at <.Config.Cmd.X>: nil pointer evaluating interface {}.X"},
		{"{{. 1}}", "template: :1:2: executing \"\" at <.>: can't give argument to non-function ."},
		{"{{1 2}}", "template: :1:2: executing \"\" at <1>: can't give argument to non-function 1"},
	};
	check(rows, countof(rows), NULL);
	own(buf) struct buf deep = {};
	for (int i = 0; i < 5000; i++)
		buf_str(&deep, "{{if 1}}");
	own(mem) char *got = render(buf_text(&deep), NULL);
	assert_string_equal(got, "template: :1: nested too deeply");
	buf_reset(&deep);
	buf_str(&deep, "{{");
	for (int i = 0; i < 5000; i++)
		buf_char(&deep, '(');
	own(mem) char *parens = render(buf_text(&deep), NULL);
	assert_string_equal(parens, "template: :1: nested too deeply");
}

static void strict(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"{{.X}}", "template: :1:2: executing \"\" at <.X>: map has no entry for key \"X\""},
		{"{{.State.Health.Status}}", "template: :1:8: executing \"\" at <.State.Health.Status>: map has no entry for key \"Health\""},
		{"{{if .State.Running}}{{.State.X}}{{end}}", "template: :1:29: executing \"\" at <.State.X>: map has no entry for key \"X\""},
		{"{{with .State}}{{$y := .Z}}{{end}}", "template: :1:23: executing \"\" at <.Z>: map has no entry for key \"Z\""},
		{"{{$s := .State}}{{$s.Q}}", "template: :1:20: executing \"\" at <$s.Q>: map has no entry for key \"Q\""},
		{"{{.Config.Labels.absent}}", "<no value>"},
		{"{{.NetworkSettings.Ports}}", "map[443/tcp:<nil> 80/tcp:[{0.0.0.0 8080}]]"},
		{"{{.Mounts}} {{printf \"%+v\" (index .Mounts 0)}}", "[{bind true} {volume false}] {Type:bind RW:true}"},
	};
	check(rows, countof(rows), &(struct tmpl_options){.strict = true});
}

static struct json *method(void *arg, const struct json *dot, const char *name, const struct json *const *args, size_t n, bool *known)
{
	assert_string_equal(arg, "arg");
	*known = true;
	if (strcmp(name, "Label") == 0 && n == 1)
		return json_new_str(json_get_str(json_get(json_get(dot, "Config"), "Labels"), json_str(args[0])));
	if (strcmp(name, "Health") == 0)
		return NULL;
	if (strcmp(name, "Binds") == 0 || strcmp(name, "Cmd") == 0)
		return json_new_array();
	*known = false;
	return NULL;
}

static void methods(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"{{.Label \"b\"}} {{\"a\" | .Label}} {{$.Label \"b\"}}", "2 1 2"},
		{"{{if .State.Health}}x{{else}}{{.State.Health}}{{end}}", "<nil>"},
		{"{{.State.Health.Status}}", "template: :1:8: executing \"\" at <.State.Health.Status>: nil pointer evaluating interface {}.Status"},
		{"{{.Binds}} {{len .Binds}} {{json .Binds}} {{range .Binds}}{{else}}none{{end}}", "[] 0 null none"},
		{"{{.Config.Cmd}} {{json .Config.Cmd}}", "[] null"},
	};
	check(rows, countof(rows), &(struct tmpl_options){.method = method, .arg = (void *)(uintptr_t) "arg", .strict = true});
	static const struct row heading[] = {{"{{upper .Words}}\t{{json .Id}}\t{{truncate .Name 1}}\t{{join .Words \",\"}}",
		"two words\t4a5b6c7d8e9f00112233\t/web\ttwo words"}};
	check(heading, countof(heading), &(struct tmpl_options){.heading = true});
}

static void limits(void **state)
{
	(void)state;
	own(mem) char *got = render("{{range 100000}}{{printf \"%1000d\" .}}{{end}}", NULL);
	assert_string_equal(got, "output of the template: more than 65536 bytes");
}

static void doubles(void **state)
{
	(void)state;
	static const struct { double v; int most; const char *text; } rows[] = {{0.1, 21, "0.1"}, {100, 21, "100"}, {0, 6, "0"},
		{1e6, 6, "1e+06"}, {123456, 6, "123456"}, {1e20, 21, "100000000000000000000"}, {1e21, 21, "1e+21"}, {-2.5, 6, "-2.5"},
		{0.0001, 6, "0.0001"}, {0.00001, 6, "1e-05"}, {1.0 / 3, 21, "0.3333333333333333"}, {123456789.125, 21, "123456789.125"}};
	for (size_t i = 0; i < countof(rows); i++) {
		char text[NUM_TEXT];
		assert_string_equal(num_format_double(rows[i].v, rows[i].most, text), rows[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(actions), cmocka_unit_test(functions), cmocka_unit_test(verbs),
		cmocka_unit_test(mistakes), cmocka_unit_test(strict), cmocka_unit_test(methods), cmocka_unit_test(limits), cmocka_unit_test(doubles)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
