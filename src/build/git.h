/* SPDX-License-Identifier: Apache-2.0 */
/*
 * git: repositories as contexts and for ADD, by the program git: URL[?QUERY][#REF[:SUBDIR]]. It gets an empty environment and no configuration,
 * speaks http, https, ssh and git alone, asks nobody for a password; started by root it is nobody, in a mount namespace where the new tree is
 * all that it can write to. Hooks and filters are run by nothing that a repository has in it.
 */
#pragma once

#include "base/str.h"

struct git_source {
	char *url, *ref, *subdir; /* ref "": what HEAD is there; subdir "": all */
	/* Of the query ref=, tag=, branch=, subdir=, checksum= (or commit=), keep-git-dir=, submodules= */
	char *checksum;           /* what the commit begins with; NULL */
	bool keep, no_submodules;
	char *wrong;              /* what is wrong with it; NULL */
};
/* Is that how a repository is named: git://, ssh://, git@host:path, http(s):// with .git at the end? */
bool git_parse(const char *text, struct arena *a, struct git_source *ret);

enum { GIT_ID = 65 };
/* agent: the socket of an SSH agent, or NULL. */
struct git { const char *agent; };
/* The commit that the reference means now. */
int git_resolve(const struct git *g, const struct git_source *s, char ret[GIT_ID], struct err *e) must_use;
/* Its files into an empty directory, submodules too; .git stays with `keep`. ret_ns (or NULL): when it was
 * committed. Returns the directory, or the one below that subdir says. */
int git_checkout(const struct git *g, const struct git_source *s, const char *commit, bool keep, int dir, int64_t *ret_ns, struct err *e) must_use;
