/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Words become a part of the index. This runs in the members, one task at a time, and is where the
 * time goes: all that can be done here (folding, counting, sorting, packing) the master need not do.
 */
#include "indexer.h"

#include <errno.h>
#include <string.h>

/* The places of a word grow in a chain of pieces, each twice as long as the one before. */
#define PIECE_FIRST 12u
#define PIECE_LAST 4096u

struct places {
	uint32_t first;       /* piece: 4 bytes say where the next one is, then come the places */
	uint32_t piece;       /* the last one */
	uint32_t used, room;  /* bytes of places in it */
	uint32_t size, count; /* of all: bytes, places */
	uint32_t file, line, column; /* the last place */
};

/* What a member needs for a task, and keeps for the next one. Functions of a context run one at a
 * time. */
static struct {
	struct words words;
	struct places *places; /* of each word */
	uint32_t places_used, places_room;
	struct bytes pieces, text;
	struct bytes names, packed_words, packed_places, problems; /* the part */
} part_of;

static uint32_t piece_new(uint32_t room)
{
	uint32_t piece = (uint32_t)part_of.pieces.size;

	bytes_reserve(&part_of.pieces, 4 + room);
	part_of.pieces.size += 4 + room;
	return piece;
}

static void places_add_byte(struct places *places, unsigned char byte)
{
	if (places->used == places->room) {
		uint32_t room = places->room < PIECE_LAST ? 2 * places->room : PIECE_LAST;
		uint32_t piece = piece_new(room);

		memcpy(part_of.pieces.data + places->piece, &piece, sizeof(piece));
		places->piece = piece;
		places->used = 0;
		places->room = room;
	}
	part_of.pieces.data[places->piece + 4 + places->used++] = byte;
	places->size++;
}

static void places_add_number(struct places *places, uint32_t number)
{
	for (; number >= 0x80; number >>= 7)
		places_add_byte(places, (unsigned char)(number | 0x80));
	places_add_byte(places, (unsigned char)number);
}

/* For the layout see indexer.h. Files are counted from 1 on here. */
static void add_place(uint32_t number, uint32_t file, uint32_t line, uint32_t column)
{
	if (number >= part_of.places_room) {
		part_of.places_room = part_of.places_room ? 2 * part_of.places_room : 4096;
		part_of.places = grown(part_of.places, part_of.places_room,
				       sizeof(*part_of.places));
	}
	struct places *places = &part_of.places[number];
	if (number == part_of.places_used) { /* a new word: they come in order */
		uint32_t piece = piece_new(PIECE_FIRST);

		*places = (struct places){.first = piece, .piece = piece, .room = PIECE_FIRST};
		part_of.places_used++;
	}
	if (places->file != file) {
		if (places->file)
			places_add_number(places, 0);
		places_add_number(places, file - places->file);
		places->file = file;
		places->line = places->column = 0;
	}
	places_add_number(places, 1 + line - places->line);
	places_add_number(places, line == places->line ? column - places->column : column);
	places->line = line;
	places->column = column;
	places->count++;
}

static void add_problem(const char *name, int reason)
{
	const char *text = reason == READ_DAMAGED ? "damaged; indexed up to there"
			   : reason == READ_CUT   ? "too long; only the first 64 MiB are indexed"
						  : strerror(reason);

	bytes_add(&part_of.problems, name, strlen(name));
	bytes_add(&part_of.problems, ": ", 2);
	bytes_add(&part_of.problems, text, strlen(text));
	bytes_add(&part_of.problems, "\n", 1);
}

static void add_file(const char *name, uint32_t *files, index_part *part)
{
	struct text text;
	struct word word;
	int r = read_text(name, &part_of.text);

	if (r == ENOENT || r == ENOTDIR || r == ELOOP) /* it has gone since it was found */
		return;
	if (r == READ_BINARY || r == ENXIO) {
		part->binary++;
		return;
	}
	if (r != 0) {
		add_problem(name, r);
		part->unread++;
	}
	if (html_is(name, part_of.text.data, part_of.text.size))
		html_strip(part_of.text.data, part_of.text.size);
	part->bytes += (int64_t)part_of.text.size;
	text_begin(&text, part_of.text.data, part_of.text.size);
	if (!text_next_word(&text, &word))
		return;
	++*files;
	bytes_add(&part_of.names, name, strlen(name) + 1);
	do
		add_place(words_number(&part_of.words, word.text, word.size), *files, word.line,
			  word.column);
	while (text_next_word(&text, &word));
}

static void pack_places(struct places *places)
{
	uint32_t piece = places->first, room = PIECE_FIRST;

	for (uint32_t left = places->size; left > 0;) {
		const unsigned char *data = part_of.pieces.data + piece;
		uint32_t size = left < room ? left : room;

		bytes_add(&part_of.packed_places, data + 4, size);
		memcpy(&piece, data, sizeof(piece));
		left -= size;
		room = room < PIECE_LAST ? 2 * room : PIECE_LAST;
	}
}

static void pack(void)
{
	uint32_t *sorted = words_sorted(&part_of.words);
	const char *before = "";
	size_t before_size = 0;

	for (uint32_t i = 0; i < part_of.words.count; i++) {
		size_t size, common = 0;
		const char *text = words_text(&part_of.words, sorted[i], &size);
		struct places *places = &part_of.places[sorted[i]];

		places_add_byte(places, 0); /* the file ends */
		places_add_byte(places, 0); /* and the word */
		while (common < size && common < before_size && text[common] == before[common])
			common++;
		bytes_add_number(&part_of.packed_words, common);
		bytes_add_number(&part_of.packed_words, size - common);
		bytes_add(&part_of.packed_words, text + common, size - common);
		bytes_add_number(&part_of.packed_words, places->count);
		bytes_add_number(&part_of.packed_words, places->size);
		pack_places(places);
		before = text;
		before_size = size;
	}
	ramet_free(sorted);
}

/* The end of a task's memory is a part that stays where it is until the next task: that is long
 * enough, as it is encoded before. */
RAMET_DEFINE(index_part, index_files, (bytes, names))
{
	const char *name = names.data, *end = name + names.size;
	struct bytes *all[] = {&part_of.pieces, &part_of.names, &part_of.packed_words,
			       &part_of.packed_places, &part_of.problems};
	index_part part = {0};
	uint32_t files = 0;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		all[i]->size = 0;
	words_clear(&part_of.words);
	part_of.places_used = 0;
	for (; name < end && memchr(name, '\0', (size_t)(end - name)); name += strlen(name) + 1) {
		if (ramet_call_cancelled(call))
			break;
		add_file(name, &files, &part);
	}
	pack();
	bytes_add(&part_of.problems, "", 1);
	part.names = (ramet_bytes){part_of.names.data, part_of.names.size};
	part.words = (ramet_bytes){part_of.packed_words.data, part_of.packed_words.size};
	part.places = (ramet_bytes){part_of.packed_places.data, part_of.packed_places.size};
	part.problems = (const char *)part_of.problems.data;
	return part;
}
