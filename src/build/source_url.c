/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source_url: what kind of place a source names, by its text alone.
 */
#include "build/fetch.h"
#include "build/git.h"

bool fetch_is_url(const char *text)
{
	return strncasecmp(text, "http://", 7) == 0 || strncasecmp(text, "https://", 8) == 0;
}

bool git_parse(const char *text, struct arena *a, struct git_source *ret)
{
	const char *hash = strchr(text, '#'), *at = strchr(text, '@'), *colon = strchr(text, ':');
	char *url = arena_ndup(a, text, hash ? (size_t)(hash - text) : strlen(text));
	bool is_http = str_has_prefix(url, "http://") || str_has_prefix(url, "https://");
	bool is_scp = at && colon && at < colon && !strstr(url, "://") && !strchr(arena_ndup(a, text, (size_t)(at - text)), '/');
	if (!str_has_prefix(url, "git://") && !str_has_prefix(url, "ssh://") && !(is_http && str_has_suffix(url, ".git")) && !is_scp)
		return false;
	const char *rest = hash ? hash + 1 : "", *sep = strchr(rest, ':');
	*ret = (struct git_source){url, arena_ndup(a, rest, sep ? (size_t)(sep - rest) : strlen(rest)), arena_dup(a, sep ? sep + 1 : "")};
	return true;
}
