/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/attach_keys.h"

#include "base/str.h"
#include "monitor/attach.h"

size_t attach_keys_filter(struct attach_keys *k, const unsigned char *in, size_t n, unsigned char *out, bool *ret_detach)
{
	size_t len = 0;
	*ret_detach = false;
	for (size_t i = 0; i < n; i++) {
		if (!k->nkeys) {
			out[len++] = in[i];
			continue;
		}
		k->held[k->nheld++] = in[i];
		/* "aab" typed as "aaab": the first key goes out, the rest may still be the beginning. */
		while (k->nheld && memcmp(k->held, k->keys, k->nheld) != 0) {
			out[len++] = k->held[0];
			memmove(k->held, k->held + 1, --k->nheld);
		}
		if (k->nheld == k->nkeys) {
			k->nheld = 0;
			*ret_detach = true;
			return len;
		}
	}
	return len;
}

/* One key: a character, ctrl-<a-z@[\]^_>, DEL. -1: none. */
static int parse_key(const char *s, size_t n)
{
	if (n == 1)
		return (unsigned char)*s;
	if (n == 3 && memcmp(s, "DEL", 3) == 0)
		return 127;
	if (n != 6 || memcmp(s, "ctrl-", 5) != 0)
		return -1;
	char c = s[5];
	return c == '@' ? 0 : c >= 'a' && c <= 'z' ? c - 'a' + 1 : c >= '[' && c <= '_' ? c - '[' + 27 : -1;
}

int attach_parse_keys(const char *text, unsigned char ret[static 16], size_t *ret_n, struct err *e)
{
	size_t n = 0;
	for (const char *at = text; *text;) {
		size_t len = strcspn(at, ",");
		int key = len ? parse_key(at, len) : -1;
		if (key < 0 || n == ATTACH_KEYS_MAX)
			return err_set(e, ERR_USAGE, n == ATTACH_KEYS_MAX ? "invalid detach keys \"%.100s\": at most 16 keys"
				: "invalid detach keys \"%.100s\": write characters and ctrl-<letter> with commas between, as ctrl-p,ctrl-q", text);
		ret[n++] = (unsigned char)key;
		at += len;
		if (!*at)
			break;
		at++;
	}
	*ret_n = n;
	return 0;
}
