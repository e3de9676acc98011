/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ref: parsed from behind, because only so its colons are unambiguous: the digest is what follows "@", the tag what
 * follows a colon after the last slash, the registry what stands before the first slash and looks like a host (a
 * dot, a colon, or "localhost": docker's rule). What remains is the repository.
 */
#include "image/ref.h"

#include "base/num.h"
#include "base/str.h"
#include "codec/digest.h"

#include <ctype.h>
#include <stdio.h>

static bool is_low(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* One part of a repository: runs of a-z0-9 between ".", "_", "__" or any number of "-". */
static bool is_part(const char *s, size_t n)
{
	size_t i = 0;
	for (;;) {
		if (i >= n || !is_low(s[i]))
			return false;
		while (i < n && is_low(s[i]))
			i++;
		if (i == n)
			return true;
		if (s[i] == '-') {
			while (i < n && s[i] == '-')
				i++;
		} else if (s[i] == '_' && i + 1 < n && s[i + 1] == '_') {
			i += 2;
		} else if (s[i] == '_' || s[i] == '.') {
			i++;
		} else {
			return false;
		}
	}
}

static const char *bad_repository(const char *s)
{
	if (!*s)
		return "the repository is empty";
	for (const char *p = s; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			return "the repository must be in lower case";
	for (const char *p = s;;) {
		size_t n = strcspn(p, "/");
		if (n == 0)
			return "a part of the repository is empty";
		if (!is_part(p, n))
			return "a part of the repository may have a-z, 0-9 and single . _ - between them";
		if (!p[n])
			return NULL;
		p += n + 1;
	}
}

/* Labels of letters, digits and inner hyphens between dots. */
static bool is_host_name(const char *s, size_t n)
{
	size_t label = 0;
	for (size_t i = 0; i <= n; i++) {
		if (i < n && s[i] != '.') {
			if (!isalnum((unsigned char)s[i]) && (s[i] != '-' || label == 0))
				return false;
			label++;
		} else if (label == 0 || s[i - 1] == '-') {
			return false;
		} else {
			label = 0;
		}
	}
	return true;
}

static const char *bad_registry(const char *s)
{
	size_t n;
	if (*s == '[') {
		n = strspn(s + 1, "0123456789abcdefABCDEF:.") + 1;
		if (n < 3 || s[n] != ']')
			return "the registry's IPv6 address must be written as [addr]";
		n++;
	} else {
		n = strcspn(s, ":");
		if (!is_host_name(s, n))
			return "the registry is not a host name";
	}
	uint64_t port;
	struct err ignored = {};
	if (s[n] && (s[n] != ':' || num_u64(s + n + 1, 65535, &port, "port", &ignored) < 0 || port == 0))
		return "the registry's port must be 1 to 65535";
	return NULL;
}

static const char *bad_tag(const char *s)
{
	if (!*s)
		return "the tag is empty";
	bool ok = is_word(*s);
	for (const char *p = s; ok && *p; p++)
		ok = is_word(*p) || *p == '.' || *p == '-';
	return !ok ? "a tag has letters, digits, _ . - and begins with no . or -" : strlen(s) > 128 ? "a tag has at most 128 characters" : NULL;
}

/* Does the first part of a name, n bytes, name a registry? */
static bool is_registry(const char *s, size_t n)
{
	return memchr(s, '.', n) || memchr(s, ':', n) || (n == 9 && memcmp(s, "localhost", 9) == 0);
}

static const char *split(char *text, struct ref *r)
{
	char *at = strchr(text, '@');
	if (strstr(text, "://"))
		return "leave out what stands before and with ://";
	if (at) {
		*at++ = 0;
		if (!digest_is_valid(at))
			return "behind @ there must be sha256: and 64 hex digits (or sha512: and 128)";
		snprintf(r->digest, sizeof r->digest, "%s", at);
	}
	char *slash = strrchr(text, '/');
	char *colon = strchr(slash ? slash : text, ':');
	if (colon) {
		*colon++ = 0;
		const char *bad = bad_tag(colon);
		if (bad)
			return bad;
		snprintf(r->tag, sizeof r->tag, "%s", colon);
	}
	char *rest = strchr(text, '/');
	if (rest && is_registry(text, (size_t)(rest - text))) {
		*rest++ = 0;
		const char *bad = bad_registry(text);
		if (bad)
			return bad;
	} else {
		rest = text;
	}
	bool hub = rest == text || strcmp(text, "docker.io") == 0 || strcmp(text, "index.docker.io") == 0;
	snprintf(r->registry, sizeof r->registry, "%s", hub ? "docker.io" : text);
	const char *bad = bad_repository(rest);
	if (bad)
		return bad;
	snprintf(r->repository, sizeof r->repository, "%s%s", hub && !strchr(rest, '/') ? "library/" : "", rest);
	if (strlen(r->registry) + strlen(r->repository) > 254)
		return "it is too long: registry and repository have at most 255 characters";
	if (rest == text && strlen(text) == 64 && num_is_hex(text, 64))
		return "64 hex digits are an image's id, not a name";
	return NULL;
}

int ref_parse(const char *text, struct ref *ret, struct err *e)
{
	struct ref r = {};
	char copy[255 + 1 + 128 + 1 + DIGEST_TEXT + 8];
	if (snprintf(copy, sizeof copy, "%s", text) >= (int)sizeof copy)
		return err_set(e, ERR_USAGE, "invalid reference \"%.60s…\": it is too long", text);
	const char *bad = *text ? split(copy, &r) : "it is empty";
	if (bad)
		return err_set(e, ERR_USAGE, "invalid reference \"%.200s\": %s", text, bad);
	if (!*r.tag && !*r.digest)
		strcpy(r.tag, "latest");
	*ret = r;
	return 0;
}

static char *add_suffix(const struct ref *r, char *out)
{
	if (*r->tag)
		strcat(strcat(out, ":"), r->tag);
	if (*r->digest)
		strcat(strcat(out, "@"), r->digest);
	return out;
}

char *ref_format(const struct ref *r, char out[REF_TEXT])
{
	snprintf(out, REF_TEXT, "%s/%s", r->registry, r->repository);
	return add_suffix(r, out);
}

char *ref_repository_familiar(const struct ref *r, char out[REF_TEXT])
{
	const char *rest = NULL;
	if (strcmp(r->registry, "docker.io") == 0) {
		rest = str_after(r->repository, "library/");
		if (!rest || strchr(rest, '/'))
			rest = r->repository;
		const char *slash = strchr(rest, '/');
		if (slash && is_registry(rest, (size_t)(slash - rest)))
			rest = NULL;
	}
	if (rest)
		snprintf(out, REF_TEXT, "%s", rest);
	else
		snprintf(out, REF_TEXT, "%s/%s", r->registry, r->repository);
	return out;
}

char *ref_format_familiar(const struct ref *r, char out[REF_TEXT])
{
	return add_suffix(r, ref_repository_familiar(r, out));
}

void ref_scopes(const struct ref *r, struct strv *ret)
{
	if (*r->tag && *r->digest)
		strv_add_take(ret, mem_printf("%s/%s:%s@%s", r->registry, r->repository, r->tag, r->digest));
	if (*r->digest)
		strv_add_take(ret, mem_printf("%s/%s@%s", r->registry, r->repository, r->digest));
	/* Beside a digest a tag says nothing: whoever asks may write any. */
	if (*r->tag && !*r->digest)
		strv_add_take(ret, mem_printf("%s/%s:%s", r->registry, r->repository, r->tag));
	own(mem) char *name = mem_printf("%s/%s", r->registry, r->repository);
	for (char *slash = name; slash; *slash = 0) {
		strv_add(ret, name);
		slash = strrchr(name, '/');
		if (!slash)
			break;
	}
	size_t host = strcspn(r->registry, ":");
	for (const char *dot = strchr(r->registry, '.'); dot; dot = strchr(dot + 1, '.')) {
		if (r->registry[host])
			strv_add_take(ret, mem_printf("*%s", dot));
		strv_add_take(ret, mem_printf("*%.*s", (int)(r->registry + host - dot), dot));
	}
}

bool ref_is_id(const char *text)
{
	const char *hex = str_after(text, "sha256:");
	size_t n = strlen(hex ? hex : text);
	return n >= 4 && n <= 64 && num_is_hex(hex ? hex : text, n);
}
