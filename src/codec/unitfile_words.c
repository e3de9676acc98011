/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unitfile_words: the words of a value, both ways: what systemd takes apart, and what it takes apart to the same words.
 */
#include "codec/unitfile.h"

#include <stdio.h>
#include <stdlib.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* A code point as UTF-8. */
static bool put_rune(struct buf *b, unsigned long c)
{
	if (!c || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return false;
	if (c < 0x80)
		return buf_char(b, (char)c), true;
	int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
	static const unsigned char first[] = {0, 0xc0, 0xe0, 0xf0};
	buf_char(b, (char)(first[more] | (c >> (6 * more))));
	while (more--)
		buf_char(b, (char)(0x80 | ((c >> (6 * more)) & 0x3f)));
	return true;
}

static const struct { char letter; char means; } letters[] = {
	{'a', '\a'}, {'b', '\b'}, {'f', '\f'}, {'n', '\n'}, {'r', '\r'}, {'t', '\t'}, {'v', '\v'}, {'\\', '\\'}, {'"', '"'}, {'\'', '\''}, {'s', ' '},
};
static const struct { char letter; unsigned digits; int base; bool byte; } numbers[] = {{'x', 2, 16, true}, {'u', 4, 16, false}, {'U', 8, 16, false}};

/* What follows the backslash; the characters it took, 0 when it is no escape. */
static size_t unescape(const char *s, struct buf *b)
{
	for (size_t i = 0; i < countof(letters); i++)
		if (*s == letters[i].letter)
			return buf_char(b, letters[i].means), 1;
	unsigned digits = 3;
	int base = 8;
	bool byte = true, octal = *s >= '0' && *s <= '7';
	for (size_t i = 0; i < countof(numbers); i++)
		if (*s == numbers[i].letter)
			digits = numbers[i].digits, base = numbers[i].base, byte = numbers[i].byte;
	if (base == 8 && !octal)
		return 0;
	const char *at = s + !octal;
	char text[12], *end;
	if (strlen(at) < digits || strspn(at, base == 8 ? "01234567" : "0123456789abcdefABCDEF") < digits)
		return 0;
	memcpy(text, at, digits);
	text[digits] = 0;
	unsigned long c = strtoul(text, &end, base);
	if (!byte)
		return put_rune(b, c) ? digits + 1 : 0;
	if (!c || c > 255)
		return 0;
	buf_char(b, (char)c);
	return digits + !octal;
}

int unitfile_words(const char *text, bool escapes, struct strv *ret, struct err *e)
{
	const char *p = text;
	for (;;) {
		own(buf) struct buf b = {};
		char quote = 0;
		while (is_blank(*p))
			p++;
		if (!*p)
			return 0;
		for (; *p && (quote || !is_blank(*p)); p++) {
			if (*p == quote) {
				quote = 0;
			} else if (!quote && (*p == '"' || *p == '\'')) {
				quote = *p;
			} else if (*p == '\\' && escapes) {
				size_t took = unescape(p + 1, &b);
				if (!took)
					buf_char(&b, '\\');
				p += took;
			} else {
				buf_char(&b, *p);
			}
		}
		if (quote)
			return err_set(e, ERR_USAGE, "the %c quotes do not match in \"%.100s\"", quote, text);
		if (buf_check(&b, e) < 0)
			return -1;
		strv_add(ret, buf_text(&b));
	}
}

void unitfile_quote(const char *word, struct buf *out)
{
	bool plain = *word && strcmp(word, ";") != 0;
	for (const char *p = word; plain && *p;) {
		size_t n = str_utf8(p, strlen(p));
		plain = n && !((unsigned char)*p <= ' ' || *p == 127 || strchr("\"'\\", *p));
		p += n;
	}
	if (plain) {
		buf_str(out, word);
		return;
	}
	buf_char(out, '"');
	for (const char *p = word; *p;) {
		size_t n = str_utf8(p, strlen(p));
		char letter = 0;
		for (size_t i = 0; i < countof(letters); i++)
			if (*p == letters[i].means && *p != ' ' && *p != '\'')
				letter = letters[i].letter;
		if (letter)
			buf_printf(out, "\\%c", letter);
		else if (!n || ((unsigned char)*p < ' ') || *p == 127)
			buf_printf(out, "\\x%02x", (unsigned char)*p);
		else
			buf_add(out, p, n);
		p += n ? n : 1;
	}
	buf_char(out, '"');
}
