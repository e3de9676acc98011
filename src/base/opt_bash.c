/* SPDX-License-Identifier: Apache-2.0 */
/*
 * opt_bash: completion for bash, one script: what the tables say as a `case` over command lines, and a
 * fixed part that walks the words typed so far.
 *
 * The script needs nothing but bash: it splits the line at blanks itself, because bash's own words break at
 * `=` and `:`, which are part of ours (--pull=never, box:latest), and gives back only what follows the last such
 * character, which is what bash is going to replace. Names of containers, images and volumes come from the program.
 */
#include "base/opt.h"

#include "base/buf.h"

static const char walk[] =
	"\n"
	"# What words of the kinds $1 may be, $2 is typed: plain words stand for themselves.\n"
	"_%P_kind() {\n"
	"\tlocal kind list='' hull=$_%P_program\n"
	"\tfor kind in $1; do\n"
	"\t\tcase $kind in\n"
	"\t\t@file) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- \"$2\"); return ;;\n"
	"\t\t@dir) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- \"$2\"); return ;;\n"
	"\t\t@container) list+=\" $(\"$hull\" ps -a --format '{{.Names}}' 2>/dev/null)\" ;;\n"
	"\t\t@running) list+=\" $(\"$hull\" ps --format '{{.Names}}' 2>/dev/null)\" ;;\n"
	"\t\t@image) list+=\" $(\"$hull\" images --format '{{.Repository}}:{{.Tag}}' 2>/dev/null | grep -v '<none>')\" ;;\n"
	"\t\t@volume) list+=\" $(\"$hull\" volume ls -q 2>/dev/null)\" ;;\n"
	"\t\t@id) if [[ $path == oci* ]]; then list+=\" $(\"$hull\" oci list -q 2>/dev/null)\"; "
	"else list+=\" $(\"$hull\" list -q 2>/dev/null)\"; fi ;;\n"
	"\t\t@pod) list+=\" $(\"$hull\" pod ls --format '{{.Name}}' 2>/dev/null)\" ;;\n"
	"\t\t@network) list+=\" none host $(\"$hull\" network ls --format '{{.Name}}' 2>/dev/null)\" ;;\n"
	"\t\t*) list+=\" $kind\" ;;\n"
	"\t\tesac\n"
	"\tdone\n"
	"\tmapfile -t COMPREPLY < <(compgen -W \"$list\" -- \"$2\")\n"
	"}\n"
	"\n"
	"# The kind of the value that option $1 takes; fails when it takes none.\n"
	"_%P_value() {\n"
	"\tlocal pair\n"
	"\tfor pair in \"${values[@]}\"; do\n"
	"\t\t[[ $pair == \"$1\"$'\\t'* ]] && { kind=${pair#*$'\\t'}; return 0; }\n"
	"\tdone\n"
	"\treturn 1\n"
	"}\n"
	"\n"
	"_%P() {\n"
	"\tlocal line=${COMP_LINE:0:COMP_POINT} words=() cur='' path='' word kind='' want='' count=0 ended=''\n"
	"\tlocal commands='' hidden='' flags='' values=() arguments='' most=-1 strict=''\n"
	"\tread -ra words <<<\"$line\"\n"
	"\t[[ $line == *[[:blank:]] ]] && words+=(\"\")\n"
	"\tcur=${words[-1]}\n"
	"\tlocal _%P_program=${words[0]}\n"
	"\t_%P_table \"\"\n"
	"\tfor word in \"${words[@]:1:${#words[@]}-2}\"; do\n"
	"\t\tif [[ $want ]]; then want=''\n"
	"\t\telif [[ $ended ]]; then count=$((count + 1))\n"
	"\t\telif [[ $word == -- ]]; then ended=1\n"
	"\t\telif [[ $word == -* ]]; then\n"
	"\t\t\t[[ $word != *=* ]] && _%P_value \"$word\" && want=1\n"
	"\t\telif [[ \" $commands $hidden \" == *\" $word \"* ]]; then\n"
	"\t\t\tpath+=${path:+ }$word\n"
	"\t\t\tcommands='' hidden='' flags='' values=() arguments='' most=-1 strict=''\n"
	"\t\t\t_%P_table \"$path\"\n"
	"\t\telse\n"
	"\t\t\tcount=$((count + 1))\n"
	"\t\t\t[[ $strict ]] && ended=1\n"
	"\t\tfi\n"
	"\tdone\n"
	"\tCOMPREPLY=()\n"
	"\tif [[ $want ]]; then _%P_kind \"$kind\" \"$cur\"\n"
	"\telif [[ ! $ended && $cur == --*=* ]]; then\n"
	"\t\tif _%P_value \"${cur%%=*}\"; then\n"
	"\t\t\tlocal head=${cur%%=*}=\n"
	"\t\t\t_%P_kind \"$kind\" \"${cur#*=}\"\n"
	"\t\t\tCOMPREPLY=(\"${COMPREPLY[@]/#/$head}\")\n"
	"\t\tfi\n"
	"\telif [[ ! $ended && $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W \"$flags\" -- \"$cur\")\n"
	"\telif [[ $commands ]]; then mapfile -t COMPREPLY < <(compgen -W \"$commands\" -- \"$cur\")\n"
	"\telif [[ $strict && $count -gt 0 ]]; then mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
	"\telif [[ $most -lt 0 || $count -lt $most ]]; then _%P_kind \"$arguments\" \"$cur\"\n"
	"\tfi\n"
	"\t# bash replaces only what follows the last of its own word breaks.\n"
	"\tlocal tail=$cur\n"
	"\t[[ $COMP_WORDBREAKS == *:* ]] || tail=${tail//:/_}\n"
	"\t[[ $COMP_WORDBREAKS == *=* ]] || tail=${tail//=/_}\n"
	"\ttail=${tail##*[:=]}\n"
	"\tlocal cut=$((${#cur} - ${#tail})) i\n"
	"\tfor i in \"${!COMPREPLY[@]}\"; do COMPREPLY[i]=${COMPREPLY[i]:cut}; done\n"
	"}\n"
	"complete -F _%P %N\n";

/* A name as the shell takes it for variables: hull-runtime as hull_runtime. */
static void identifier(const char *name, struct buf *out)
{
	for (; *name; name++)
		buf_char(out, *name == '-' ? '_' : *name);
}

/* In single quotes for the shell. */
static void quote(const char *s, struct buf *out)
{
	buf_char(out, '\'');
	for (; *s; s++) {
		if (*s == '\'')
			buf_str(out, "'\\''");
		else
			buf_char(out, *s);
	}
	buf_char(out, '\'');
}

static void flags(const struct cmd *c, struct buf *out)
{
	own(buf) struct buf list = {};
	for (size_t i = 0; i < c->nopts; i++) {
		const struct opt *o = &c->opts[i];
		if (o->flags & OPT_HIDDEN)
			continue;
		buf_printf(&list, "--%s ", o->name);
		if (o->letter)
			buf_printf(&list, "-%c ", o->letter);
	}
	buf_str(&list, "--help");
	buf_str(out, " flags=");
	quote(buf_text(&list), out);
}

/* "--name<tab>kind", one for each spelling of an option that takes a value. */
static void values(const struct cmd *c, struct buf *out)
{
	buf_str(out, " values=(");
	for (size_t i = 0; i < c->nopts; i++) {
		const struct opt *o = &c->opts[i];
		if (o->type == OPT_BOOL || o->type == OPT_OPTSTR)
			continue;
		own(mem) char *letter = o->letter ? mem_printf("-%c", o->letter) : NULL;
		own(mem) char *name = mem_printf("--%s", o->name), *alias = o->alias ? mem_printf("--%s", o->alias) : NULL;
		const char *spellings[] = {letter, name, alias};
		for (size_t k = 0; k < countof(spellings); k++)
			if (spellings[k]) {
				buf_printf(out, " %s$'\\t'", spellings[k]);
				quote(o->values ? o->values : "", out);
			}
	}
	buf_str(out, " )");
}

static void commands(const struct cmd *c, bool hidden, struct buf *out)
{
	own(buf) struct buf list = {};
	for (const struct cmd *const *s = c->sub; s && *s; s++)
		if (((*s)->flags & CMD_HIDDEN) == (hidden ? CMD_HIDDEN : 0))
			buf_printf(&list, "%s%s", list.len ? " " : "", (*s)->name);
	if (!list.len)
		return;
	buf_str(out, hidden ? " hidden=" : " commands=");
	quote(buf_text(&list), out);
}

static void row(const struct cmd *c, const char *path, struct buf *out)
{
	buf_str(out, "\t");
	quote(path, out);
	buf_str(out, ")");
	commands(c, false, out);
	commands(c, true, out);
	flags(c, out);
	values(c, out);
	buf_str(out, " arguments=");
	quote(c->complete ? c->complete : "", out);
	buf_printf(out, " most=%d strict=%s ;;\n", c->complete ? c->max : 0, c->flags & CMD_STRICT ? "1" : "");
	for (const struct cmd *const *s = c->sub; s && *s; s++) {
		own(mem) char *below = *path ? mem_printf("%s %s", path, (*s)->name) : mem_dup((*s)->name);
		row(*s, below, out);
	}
}

void opt_completion_bash(const struct cmd *top, struct buf *out)
{
	own(buf) struct buf name = {};
	identifier(top->name, &name);
	buf_printf(out, "# bash completion for %s, made from its table of options; do not edit.\n"
		"# shellcheck shell=bash disable=SC2034,SC2207\n_%s_table() {\n\tcase $1 in\n", top->name, buf_text(&name));
	row(top, "", out);
	buf_str(out, "\tesac\n}\n");
	for (const char *p = walk; *p; p++) {
		if (p[0] == '%' && (p[1] == 'P' || p[1] == 'N'))
			buf_str(out, *++p == 'P' ? buf_text(&name) : top->name);
		else
			buf_char(out, *p);
	}
}
