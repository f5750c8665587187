/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HTML without its tags. This is no parser: pages that people wrote by hand must do, and all that is
 * wanted are the words at their places.
 */
#include "indexer.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static bool begins(const char *at, const char *end, const char *with)
{
	size_t size = strlen(with);

	return (size_t)(end - at) >= size && strncasecmp(at, with, size) == 0;
}

bool html_is(const char *name, const void *data, size_t size)
{
	const char *at = data, *end = at + size, *dot = strrchr(name, '.');
	size_t suffix = dot ? strlen(dot) : 0;

	if (dot && strcasecmp(dot, ".gz") == 0) { /* of "page.html.gz" what is before */
		const char *before = memrchr(name, '.', (size_t)(dot - name));

		suffix = before ? (size_t)(dot - before) : 0;
		dot = before;
	}
	if (dot && ((suffix == 5 && strncasecmp(dot, ".html", 5) == 0) ||
		    (suffix == 4 && strncasecmp(dot, ".htm", 4) == 0) ||
		    (suffix == 6 && strncasecmp(dot, ".xhtml", 6) == 0)))
		return true;
	if (begins(at, end, "\xef\xbb\xbf")) /* a byte order mark */
		at += 3;
	while (at < end && isspace((unsigned char)*at))
		at++;
	return begins(at, end, "<!doctype html") || begins(at, end, "<html");
}

/* Lines have to stay. */
static void blank(char *from, const char *to)
{
	for (; from < to; from++)
		if (*from != '\n')
			*from = ' ';
}

/* Where a text is found, or the end. */
static char *find(char *at, char *end, const char *text)
{
	for (; at < end; at++)
		if (*at == *text && begins(at, end, text))
			return at;
	return end;
}

/* Behind the tag that begins at `at`. A ">" in quotes does not end it, unless the quotes themselves
 * never end: then they were none. */
static char *tag_end(char *at, char *end)
{
	char quote = '\0';

	for (char *p = at + 1; p < end; p++) {
		if (quote) {
			quote = *p == quote ? '\0' : quote;
		} else if (*p == '>') {
			return p + 1;
		} else if ((*p == '"' || *p == '\'') && p[-1] == '=') {
			quote = *p;
		}
	}
	char *p = memchr(at, '>', (size_t)(end - at));
	return p ? p + 1 : end;
}

/* Behind what begins with the "<" at `at`; `at` itself if that is only a sign: a < b. */
static char *markup_end(char *at, char *end)
{
	char next = end - at > 1 ? at[1] : ' ';

	if (begins(at, end, "<!--")) {
		char *close = find(at + 4, end, "-->");

		return close < end ? close + 3 : end;
	}
	if (!isalpha((unsigned char)next) && next != '/' && next != '!' && next != '?')
		return at;
	char *behind = tag_end(at, end);
	if (begins(at, end, "<script") && behind[-2] != '/')
		return find(behind, end, "</script");
	if (begins(at, end, "<style") && behind[-2] != '/')
		return find(behind, end, "</style");
	return behind;
}

/* The letters of Latin-1 in the order of their characters, from U+00C0 on; names from HTML 4. */
static const char latin[][7] = {
	"Agrave", "Aacute", "Acirc",  "Atilde", "Auml",   "Aring",  "AElig", "Ccedil",
	"Egrave", "Eacute", "Ecirc",  "Euml",   "Igrave", "Iacute", "Icirc", "Iuml",
	"ETH",    "Ntilde", "Ograve", "Oacute", "Ocirc",  "Otilde", "Ouml",  "times",
	"Oslash", "Ugrave", "Uacute", "Ucirc",  "Uuml",   "Yacute", "THORN", "szlig",
	"agrave", "aacute", "acirc",  "atilde", "auml",   "aring",  "aelig", "ccedil",
	"egrave", "eacute", "ecirc",  "euml",   "igrave", "iacute", "icirc", "iuml",
	"eth",    "ntilde", "ograve", "oacute", "ocirc",  "otilde", "ouml",  "divide",
	"oslash", "ugrave", "uacute", "ucirc",  "uuml",   "yacute", "thorn", "yuml",
};

/* The character of an entity between its "&" and its ";": a space for those that are in no word, or
 * unknown. */
static uint32_t entity(const char *at, const char *end)
{
	uint32_t number = 0;

	if (*at != '#') {
		for (uint32_t i = 0; i < sizeof(latin) / sizeof(latin[0]); i++)
			if (strlen(latin[i]) == (size_t)(end - at) &&
			    memcmp(latin[i], at, (size_t)(end - at)) == 0)
				return 0xc0 + i;
		return ' ';
	}
	bool hexadecimal = ++at < end && (*at == 'x' || *at == 'X');
	for (at += hexadecimal; at < end; at++) {
		int c = tolower((unsigned char)*at);

		if (!(hexadecimal ? isxdigit(c) : isdigit(c)) || number > 0x10ffff)
			return ' ';
		number = number * (hexadecimal ? 16 : 10) +
			 (uint32_t)(isdigit(c) ? c - '0' : c - 'a' + 10);
	}
	/* a line feed would be one more line */
	return number < ' ' || number > 0x10ffff || (number >= 0xd800 && number < 0xe000) ? ' '
											  : number;
}

/* Replaces the entity at `at`, and returns what is behind; behind the "&" if it is only a sign. */
static char *replace_entity(char *at, char *end)
{
	char *p = at + 1, utf8[4];

	while (p < end && p - at < 10 && (isalnum((unsigned char)*p) || (*p == '#' && p == at + 1)))
		p++;
	if (p == end || *p != ';' || p == at + 1)
		return at + 1;
	/* at most 4 bytes: "&#1;" has as many, and those that need more have longer names */
	unsigned size = text_encode(entity(at + 1, p), utf8);
	memset(at, TEXT_NOTHING, (size_t)(p + 1 - at));
	memcpy(at, utf8, size);
	return p + 1;
}

void html_strip(void *data, size_t size)
{
	char *end = (char *)data + size;

	for (char *at = data; at < end;) {
		if (*at == '<') {
			char *behind = markup_end(at, end);

			blank(at, behind);
			at = behind > at ? behind : at + 1;
		} else if (*at == '&') {
			at = replace_entity(at, end);
		} else {
			at++;
		}
	}
}
