/* SPDX-License-Identifier: Apache-2.0 */
/*
 * platform: every architecture with variants has a level (a number that grows) for each; an image fits when its level is not
 * above the one wanted, and the nearest is the best. An architecture that may stand in for the machine's comes behind all of
 * the machine's own.
 */
#include "image/platform.h"

#include <stdio.h>
#include <sys/utsname.h>

enum { RANK_OTHER = 1000, RANK_UNSAID = 5000 };

static const struct {
	const char *name, *architecture, *variant;
} aliases[] = {
	{"x86_64", "amd64", ""}, {"x86-64", "amd64", ""}, {"aarch64", "arm64", ""}, {"armhf", "arm", "v7"}, {"armel", "arm", "v6"},
	{"armv8l", "arm", "v8"}, {"armv7l", "arm", "v7"}, {"armv6l", "arm", "v6"}, {"armv5tel", "arm", "v5"}, {"i386", "386", ""},
	{"i486", "386", ""}, {"i586", "386", ""}, {"i686", "386", ""}, {"powerpc64le", "ppc64le", ""}, {"loongarch64", "loong64", ""},
};
/* What an architecture without a variant means. */
static const struct {
	const char *architecture;
	int level;
} plain_levels[] = {{"arm", 70}, {"arm64", 80}, {"amd64", 10}};
/* Who may stand in for whom, up to a level. */
static const struct {
	const char *architecture, *other;
	int level;
} stand_ins[] = {{"arm64", "arm", 80}, {"amd64", "386", 0}};

/* Go's names, for what a single word can be. */
static const char *const architectures[] = {"386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64",
	"ppc64le", "riscv64", "s390x", "wasm"};

static bool is_architecture(const char *word)
{
	for (size_t i = 0; i < countof(architectures); i++)
		if (strcmp(architectures[i], word) == 0)
			return true;
	return false;
}

static const char *canonical(const char *architecture, const char **variant)
{
	for (size_t i = 0; i < countof(aliases); i++)
		if (strcmp(aliases[i].name, architecture) == 0) {
			if (!**variant)
				*variant = aliases[i].variant;
			return aliases[i].architecture;
		}
	return architecture;
}

static int plain_level(const char *architecture)
{
	for (size_t i = 0; i < countof(plain_levels); i++)
		if (strcmp(plain_levels[i].architecture, architecture) == 0)
			return plain_levels[i].level;
	return 0;
}

/* "v7", "7", "v8.2": ten times the number; -1: not of this form. */
static int level_of(const char *architecture, const char *variant)
{
	if (!*variant)
		return plain_level(architecture);
	const char *p = *variant == 'v' ? variant + 1 : variant;
	if (p[0] < '0' || p[0] > '9' || (p[1] && p[1] != '.') || (p[1] == '.' && (p[2] < '0' || p[2] > '9' || p[3])))
		return -1;
	return (p[0] - '0') * 10 + (p[1] ? p[2] - '0' : 0);
}

static const char *machine_variant(const char *architecture)
{
#if defined(__x86_64__)
	if (strcmp(architecture, "amd64") == 0) {
		__builtin_cpu_init();
		bool v2 = __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt") && __builtin_cpu_supports("ssse3");
		bool v3 = v2 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
			__builtin_cpu_supports("fma");
		bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
			__builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
		return v4 ? "v4" : v3 ? "v3" : v2 ? "v2" : "v1";
	}
#endif
	return strcmp(architecture, "arm64") == 0 ? "v8" : "";
}

static void set_machine(struct platform_want *w)
{
	struct utsname u;
	const char *variant = "";
	const char *architecture = uname(&u) == 0 ? canonical(u.machine, &variant) : "amd64";
	snprintf(w->os, sizeof w->os, "linux");
	snprintf(w->architecture, sizeof w->architecture, "%.31s", architecture);
	snprintf(w->variant, sizeof w->variant, "%s", *variant ? variant : machine_variant(w->architecture));
}

int platform_parse(const char *text, struct platform_want *ret, struct err *e)
{
	struct platform_want w = {};
	set_machine(&w);
	if (str_is_empty(text)) {
		*ret = w;
		return 0;
	}
	char part[3][32] = {};
	size_t n = 0;
	for (const char *p = text;; n++) {
		size_t len = strcspn(p, "/");
		if (n == 3 || len == 0 || len > 31 || strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") < len)
			return err_set(e, ERR_USAGE, "invalid platform \"%.100s\": write it as os/arch or os/arch/variant, such as linux/arm64", text);
		memcpy(part[n], p, len);
		str_lower(part[n]);
		if (!p[len])
			break;
		p += len + 1;
	}
	/* One word is an operating system or an architecture. */
	bool one = n == 0 && strcmp(part[0], "linux") != 0 && strcmp(part[0], "windows") != 0;
	const char *variant = part[2], *machine = w.architecture;
	const char *architecture = one ? part[0] : n > 0 ? part[1] : machine;
	architecture = canonical(architecture, &variant);
	if (one && !is_architecture(architecture))
		return err_set(e, ERR_USAGE, "unknown platform \"%.100s\": write it as os/arch or os/arch/variant, such as linux/arm64", text);
	struct platform_want r = {.is_asked = true, .has_variant = *variant != 0};
	snprintf(r.os, sizeof r.os, "%s", one ? "linux" : part[0]);
	snprintf(r.architecture, sizeof r.architecture, "%s", architecture);
	snprintf(r.variant, sizeof r.variant, "%s", *variant ? variant : strcmp(architecture, machine) == 0 ? w.variant : "");
	*ret = r;
	return 0;
}

static int rank_level(int want, int have)
{
	return have > want ? -1 : want - have;
}

int platform_rank(const struct platform_want *want, const char *os, const char *architecture, const char *variant)
{
	if (str_is_empty(os) && str_is_empty(architecture))
		return RANK_UNSAID;
	if (!str_is_empty(os) && strcmp(os, want->os) != 0)
		return -1;
	if (str_is_empty(architecture))
		return RANK_UNSAID;
	variant = variant ? variant : "";
	architecture = canonical(architecture, &variant);
	if (strcmp(architecture, want->architecture) == 0) {
		int w = level_of(architecture, want->variant), h = level_of(architecture, variant);
		if (w >= 0 && h >= 0)
			return rank_level(w, h);
		return strcmp(want->variant, variant) == 0 ? 0 : *variant ? -1 : 1;
	}
	for (size_t i = 0; !want->is_asked && i < countof(stand_ins); i++) {
		if (strcmp(stand_ins[i].architecture, want->architecture) != 0 || strcmp(stand_ins[i].other, architecture) != 0)
			continue;
		int h = level_of(architecture, variant);
		int rank = h < 0 ? -1 : rank_level(stand_ins[i].level, h);
		return rank < 0 ? -1 : RANK_OTHER + rank;
	}
	return -1;
}

int platform_check(const char *asked, const char *os, const char *architecture, const char *variant, struct err *e)
{
	struct platform_want w;
	char is[PLATFORM_TEXT], wanted[PLATFORM_TEXT];
	if (str_is_empty(asked))
		return 0;
	if (platform_parse(asked, &w, e) < 0)
		return -1;
	if (platform_rank(&w, os, architecture, variant) >= 0)
		return 0;
	err_set_(e, ERR_NOT_FOUND, "the image is for %s, not for %s", platform_format(os, architecture, variant, is), platform_format_want(&w, wanted));
	e->sys = PLATFORM_OTHER;
	return -1;
}

ssize_t platform_choose(const struct platform_want *want, const struct image_index *index)
{
	ssize_t best = -1;
	int least = 0;
	for (size_t i = 0; i < index->manifests.n; i++) {
		const struct descriptor *d = &index->manifests.v[i];
		if (map_get(&d->annotations, "vnd.docker.reference.type"))
			continue;
		const struct platform *p = d->platform;
		int rank = p ? platform_rank(want, p->os, p->architecture, p->variant) : RANK_UNSAID;
		if (rank >= 0 && (best < 0 || rank < least)) {
			best = (ssize_t)i;
			least = rank;
		}
	}
	return best;
}

static int text_width(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
	return n > 60 ? 60 : (int)n;
}

/* Only harmless characters: the text of an index may come from anywhere and goes to a terminal. */
char *platform_format(const char *os, const char *architecture, const char *variant, char out[PLATFORM_TEXT])
{
	os = str_is_empty(os) ? "unknown" : os;
	architecture = str_is_empty(architecture) ? "unknown" : architecture;
	variant = variant ? variant : "";
	snprintf(out, PLATFORM_TEXT, "%.*s/%.*s%s%.*s", text_width(os), os, text_width(architecture), architecture,
		*variant ? "/" : "", text_width(variant), variant);
	return out;
}

char *platform_format_want(const struct platform_want *want, char out[PLATFORM_TEXT])
{
	return platform_format(want->os, want->architecture, want->has_variant ? want->variant : "", out);
}

void platform_list(const struct image_index *index, struct buf *out)
{
	struct strv seen = {};
	for (size_t i = 0; i < index->manifests.n; i++) {
		const struct platform *p = index->manifests.v[i].platform;
		char text[PLATFORM_TEXT];
		if (!p || str_eq(p->os, "unknown") || strv_has(&seen, platform_format(p->os, p->architecture, p->variant, text)))
			continue;
		if (seen.n == 12) {
			buf_str(out, ", …");
			break;
		}
		buf_printf(out, "%s%s", seen.n ? ", " : "", text);
		strv_add(&seen, text);
	}
	if (!seen.n)
		buf_str(out, "no platform at all");
	strv_drop(&seen);
}
