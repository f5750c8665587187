/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/path.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/format.h"
#include "base/limits.h"
#include "parent/range.h"

/* What is being parsed, for messages: the whole text, and where we are in it. */
struct cursor {
	const char *text, *at, *end;
	ramet_error *error;
};

static int complain(const struct cursor *cursor, const char *what)
{
	return rmt_error_set(cursor->error, EINVAL, "path '%.*s', character %zu: %s",
			     (int)(cursor->end - cursor->text), cursor->text,
			     (size_t)(cursor->at - cursor->text) + 1, what);
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Takes everything up to one of `stops`, decoded. */
static int take_word(struct cursor *cursor, const char *stops, char **ret)
{
	struct rmt_buffer out = RMT_BUFFER_INIT;
	char *word;

	for (; cursor->at < cursor->end && !strchr(stops, *cursor->at); cursor->at++) {
		char c = *cursor->at;

		if (c == '%') {
			int high = cursor->end - cursor->at > 2 ? hex(cursor->at[1]) : -1;
			int low = high >= 0 ? hex(cursor->at[2]) : -1;

			if (low < 0 || (high | low) == 0) {
				rmt_buffer_done(&out);
				return complain(
					cursor,
					"'%' needs two hexadecimal digits behind it, not 00");
			}
			c = (char)(high << 4 | low);
			cursor->at += 2;
		}
		rmt_buffer_append_byte(&out, (unsigned char)c);
	}
	word = rmt_buffer_steal_string(&out);
	if (!word)
		return rmt_error_set(cursor->error, ENOMEM, "out of memory");
	*ret = word;
	return 0;
}

static int take_number(struct cursor *cursor, const char *what, uint32_t least, uint32_t *ret)
{
	uint64_t number = 0;
	const char *begin = cursor->at;

	while (cursor->at < cursor->end && isdigit((unsigned char)*cursor->at) &&
	       number <= RMT_COUNT_MAX)
		number = number * 10 + (unsigned)(*cursor->at++ - '0');
	if (cursor->at == begin || number < least || number > RMT_COUNT_MAX) {
		char text[80];

		cursor->at = begin;
		rmt_format(text, sizeof(text), "%s, %u to %u", what, least, RMT_COUNT_MAX);
		return complain(cursor, text);
	}
	*ret = (uint32_t)number;
	return 0;
}

static bool next_is(struct cursor *cursor, char c)
{
	if (cursor->at == cursor->end || *cursor->at != c)
		return false;
	cursor->at++;
	return true;
}

static int take_key(struct cursor *cursor, struct rmt_hop *hop)
{
	struct rmt_key *grown = realloc(hop->keys, (hop->key_count + 1) * sizeof(*grown)), *key;
	int r;

	if (!grown)
		return rmt_error_set(cursor->error, ENOMEM, "out of memory");
	hop->keys = grown;
	key = &grown[hop->key_count];
	*key = (struct rmt_key){0};
	hop->key_count++;
	r = take_word(cursor, "=&*#?/", &key->name);
	if (r < 0)
		return r;
	if (!*key->name || !next_is(cursor, '='))
		return complain(cursor, "a key is written KEY=VALUE");
	for (size_t i = 0; i + 1 < hop->key_count; i++)
		if (strcmp(hop->keys[i].name, key->name) == 0)
			return complain(cursor, "the key stands there twice");
	return take_word(cursor, "&*#?/", &key->value);
}

static int take_hop(struct cursor *cursor, struct rmt_hop *hop)
{
	const char *begin = cursor->at, *before_index, *after_index;
	struct rmt_buffer text = RMT_BUFFER_INIT;
	int r;

	*hop = (struct rmt_hop){.count = 1};
	r = take_word(cursor, ":#?*/&=", &hop->method);
	if (r == 0 && !*hop->method)
		r = complain(cursor, "a method is expected (local, fork)");
	if (r == 0 && next_is(cursor, ':'))
		r = take_word(cursor, "#?*/", &hop->target);
	before_index = cursor->at;
	if (r == 0 && next_is(cursor, '#'))
		r = take_number(cursor, "an index is expected behind '#'", 0, &hop->index);
	after_index = cursor->at;
	if (r == 0 && next_is(cursor, '?')) {
		do
			r = take_key(cursor, hop);
		while (r == 0 && next_is(cursor, '&'));
	}
	if (r < 0)
		return r;
	rmt_buffer_append(&text, begin, (size_t)(before_index - begin));
	rmt_buffer_append(&text, after_index, (size_t)(cursor->at - after_index));
	hop->text = rmt_buffer_steal_string(&text);
	if (!hop->text)
		return rmt_error_set(cursor->error, ENOMEM, "out of memory");
	if (!next_is(cursor, '*'))
		return 0;
	if (before_index != after_index)
		return complain(cursor, "a hop has an index or a count, not both");
	return take_number(cursor, "a count is expected behind '*'", 1, &hop->count);
}

int rmt_hop_parse(const char *text, size_t size, struct rmt_hop *ret_hop, ramet_error *error)
{
	struct cursor cursor = {text, text, text + size, error};
	struct rmt_hop hop;
	int r = take_hop(&cursor, &hop);

	if (r == 0 && cursor.at != cursor.end)
		r = complain(&cursor, "nothing more is expected here");
	if (r < 0)
		rmt_hop_done(&hop);
	else
		*ret_hop = hop;
	return r;
}

/* --- ranges ------------------------------------------------------------------------------- */

/* A target in pieces: ranges, and before each of them plain text; `end` is behind the last one. */
struct pieces {
	struct rmt_range ranges[RMT_RANGES_MAX];
	const char *end;
	size_t count;
	uint32_t members;
};

/* cursor->at is the bracket, if it fails. */
static int add_range(struct cursor *cursor, struct pieces *pieces, size_t size)
{
	uint32_t count;

	if (pieces->count == RMT_RANGES_MAX)
		return complain(cursor, "the target has too many ranges");
	if (!rmt_range_init(&pieces->ranges[pieces->count++], cursor->at, size, &count))
		return complain(cursor, "a range is expected, such as [1-9] or [01-20,35]");
	if ((uint64_t)pieces->members * count > RMT_COUNT_MAX)
		return complain(cursor, "the ranges stand for too many contexts");
	pieces->members *= count;
	cursor->at += size;
	return 0;
}

/* From cursor->at to `end`. What is in brackets with a colon is an IPv6 address. */
static int find_ranges(struct cursor *cursor, const char *end, struct pieces *pieces)
{
	int r = 0;

	while (r == 0 && cursor->at < end) {
		const char *open = memchr(cursor->at, '[', (size_t)(end - cursor->at)), *close;
		size_t size;

		if (!open)
			break;
		cursor->at = open;
		size = rmt_range_size(open, end);
		if (size > 0) {
			r = add_range(cursor, pieces, size);
			continue;
		}
		close = memchr(open, ']', (size_t)(end - open));
		if (!close || !memchr(open, ':', (size_t)(close - open)))
			return complain(cursor, "a range is expected, such as [1-9] or [01-20,35]; "
						"the bracket itself is written %5B");
		cursor->at = close + 1;
	}
	return r;
}

/* To the next combination: the last range changes fastest. */
static void pieces_next(struct pieces *pieces)
{
	for (size_t i = pieces->count; i-- > 0;)
		if (rmt_range_next(&pieces->ranges[i]))
			return;
}

/* The hop's text with numbers in the place of ranges. */
static int make_member(const struct rmt_hop *hop, const char *begin, const struct pieces *pieces,
		       struct rmt_hop *member, ramet_error *error)
{
	struct rmt_buffer text = RMT_BUFFER_INIT;
	const char *at = begin;
	int r;

	for (size_t i = 0; i < pieces->count; i++) {
		const struct rmt_range *range = &pieces->ranges[i];

		rmt_buffer_append(&text, at, (size_t)(range->begin - 1 - at));
		rmt_buffer_printf(&text, "%0*u", range->width, range->value);
		at = range->end + 1;
	}
	/* Behind the last range the texts are the same again, but for an index. */
	rmt_buffer_append(&text, at, (size_t)(pieces->end - at));
	at = hop->text + (pieces->end - begin);
	rmt_buffer_append(&text, at, strlen(at));
	r = text.error < 0 ? rmt_error_set(error, ENOMEM, "out of memory")
			   : rmt_hop_parse((const char *)text.data, text.size, member, error);
	rmt_buffer_done(&text);
	if (r == 0) {
		member->index = hop->index;
		member->count = hop->count;
	}
	return r;
}

/* `begin` is the hop in what is being parsed. *members: how many the hops before this one have, each
 * of which has those of this one below it. */
static int expand(const struct cursor *cursor, const char *begin, struct rmt_hop *hop,
		  uint32_t *members)
{
	struct cursor target = *cursor;
	struct pieces pieces = {.members = *members};
	int r;

	if (!hop->target)
		return 0;
	target.at = memchr(begin, ':', (size_t)(cursor->at - begin));
	pieces.end = target.at;
	while (pieces.end < cursor->at && !strchr("#?*", *pieces.end))
		pieces.end++;
	r = find_ranges(&target, pieces.end, &pieces);
	if (r < 0 || pieces.count == 0)
		return r;
	hop->members = calloc(pieces.members / *members, sizeof(*hop->members));
	if (!hop->members)
		return rmt_error_set(cursor->error, ENOMEM, "out of memory");
	for (uint32_t i = 0; i < pieces.members / *members && r == 0; i++) {
		r = make_member(hop, begin, &pieces, &hop->members[i], cursor->error);
		hop->member_count += r == 0;
		pieces_next(&pieces);
	}
	*members = pieces.members;
	return r;
}

/* --- paths -------------------------------------------------------------------------------- */

size_t rmt_path_size(const char *text)
{
	const char *at = text, *end = text + strlen(text);

	while (at < end && *at != ',') {
		size_t range = rmt_range_size(at, end);

		at += range ? range : 1;
	}
	return (size_t)(at - text);
}

int rmt_path_parse(const char *text, size_t size, struct rmt_path *ret_path, ramet_error *error)
{
	struct cursor cursor = {text, text, text + size, error};
	struct rmt_path path = {0};
	uint32_t members = 1;
	int r = 0;

	do {
		const char *begin = cursor.at;
		struct rmt_hop *grown = realloc(path.hops, (path.count + 1) * sizeof(*grown));

		if (!grown) {
			r = rmt_error_set(error, ENOMEM, "out of memory");
			break;
		}
		path.hops = grown;
		r = take_hop(&cursor, &path.hops[path.count++]);
		if (r == 0)
			r = expand(&cursor, begin, &path.hops[path.count - 1], &members);
		if (r == 0 && path.count > RMT_TREE_DEPTH_MAX)
			r = complain(&cursor, "the path has more hops than a tree may have levels");
	} while (r == 0 && next_is(&cursor, '/'));
	if (r == 0 && cursor.at != cursor.end)
		r = complain(&cursor, "'/' or the end is expected here");
	if (r < 0)
		rmt_path_done(&path);
	else
		*ret_path = path;
	return r;
}

void rmt_hop_done(struct rmt_hop *hop)
{
	for (size_t i = 0; i < hop->member_count; i++)
		rmt_hop_done(&hop->members[i]);
	free(hop->members);
	for (size_t i = 0; i < hop->key_count; i++) {
		free(hop->keys[i].name);
		free(hop->keys[i].value);
	}
	free(hop->keys);
	free(hop->text);
	free(hop->method);
	free(hop->target);
	*hop = (struct rmt_hop){0};
}

void rmt_path_done(struct rmt_path *path)
{
	for (size_t i = 0; i < path->count; i++)
		rmt_hop_done(&path->hops[i]);
	free(path->hops);
	*path = (struct rmt_path){0};
}

const char *rmt_hop_key(const struct rmt_hop *hop, const char *name)
{
	for (size_t i = 0; i < hop->key_count; i++)
		if (strcmp(hop->keys[i].name, name) == 0)
			return hop->keys[i].value;
	return NULL;
}

void rmt_path_escape(struct rmt_buffer *out, const char *text, const char *special)
{
	for (; *text; text++) {
		if (strchr(special, *text) || (unsigned char)*text < ' ' || *text == 0x7f)
			rmt_buffer_printf(out, "%%%02X", (unsigned char)*text);
		else
			rmt_buffer_append_byte(out, (unsigned char)*text);
	}
}

char *rmt_hop_display(const struct rmt_hop *hop, uint32_t index)
{
	const char *name = rmt_hop_key(hop, "name");
	struct rmt_buffer out = RMT_BUFFER_INIT;

	rmt_buffer_printf(&out, "%s", name ? name : hop->method);
	if (!name && hop->target) {
		rmt_buffer_append_byte(&out, ':');
		rmt_path_escape(&out, hop->target, "/?*#%,");
	}
	if (index > 0)
		rmt_buffer_printf(&out, "#%u", index);
	return rmt_buffer_steal_string(&out);
}
