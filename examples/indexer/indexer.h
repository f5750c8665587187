/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * indexer: what its files share. In the order of the way from a file to an answer:
 *
 *	scan.c    finds the files below a directory, and makes tasks of them      in one member
 *	read.c    a file becomes text: gzip is unpacked, what is no text refused  in the members
 *	html.c    HTML loses its tags                                             in the members
 *	text.c    text becomes words: UTF-8, case folding                         in the members
 *	words.c   a set of words, as the two below need it
 *	part.c    words become a part of the index, sorted and compact            in the members
 *	index.c   parts become the index, which finds words and parts of words    in the master
 *	ask.c     questions and their answers, and the prompt                     in the master
 *	main.c    options, and the map over the members                           in the master
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <ramet.h>

/* --- what grows ---------------------------------------------------------------------------- */

/* Bytes that get more. Where there is no memory the process ends with a message: half an index
 * answers wrongly. */
struct bytes {
	unsigned char *data;
	size_t size, room;
};

/* Makes room for so many more bytes, and returns where they go. */
unsigned char *bytes_reserve(struct bytes *bytes, size_t more);
void bytes_add(struct bytes *bytes, const void *data, size_t size);

/* Numbers of 7 bits in each byte, small ones first; the top bit says that more follows. */
#define NUMBER_MAX 10
void bytes_add_number(struct bytes *bytes, uint64_t number);
uint64_t number_take(const unsigned char **at, const unsigned char *end); /* 0 behind the end */

/* For arrays: realloc(3) to `count` items of that size, or the end of the program. */
void *grown(void *items, size_t count, size_t size);

/* --- words.c -------------------------------------------------------------------------------- */

/* A set of words that are numbered from 0 on in the order in which they come. */
struct words {
	struct bytes text; /* of all, without anything between them */
	struct word_at {
		uint32_t text; /* offset of the first byte; that of the next word ends it */
		uint32_t hash;
	} * items; /* one more than `count` */
	uint32_t count, room;
	uint32_t *
		slots; /* number of a word + 1, 0: free; a power of two of them, half of them free */
	uint32_t slot_count;
};

/* The number of a word, which is added if it is not there yet. */
uint32_t words_number(struct words *words, const char *text, size_t size);
const char *words_text(const struct words *words, uint32_t number, size_t *ret_size);

/* The numbers of all words in the order of their bytes, which for UTF-8 is that of characters. The
 * caller frees them. */
uint32_t *words_sorted(const struct words *words);

/* Forgets all words, and keeps the memory for others. */
void words_clear(struct words *words);
void words_done(struct words *words);

/* --- scan.c -------------------------------------------------------------------------------- */

/*
 * Sends the regular files below a directory, task by task: bytes, in which each name ends with NUL.
 * What cannot be read is sent as a str, a line for people. Symbolic links are not followed, but for
 * the directory itself: each file is met once, and no way leads in a circle. The order is that of
 * the names. Fails when the directory itself cannot be read.
 */
RAMET_DECLARE(i64, scan, (str, directory), (sender, tasks));

/* --- read.c -------------------------------------------------------------------------------- */

/* More text of one file is not read. It bounds what a worker needs, and what a small file can
 * unpack to. */
#define TEXT_MAX ((size_t)64 << 20)

/* What is not in the index, in numbers that no errno has. */
enum { READ_BINARY = 100001, READ_DAMAGED, READ_CUT };

/*
 * Reads a file as it is now: what it grows by meanwhile is left out. 0, or why not: an errno, or
 * READ_BINARY. With READ_DAMAGED (gzip data ends in nonsense) and READ_CUT (it is longer than
 * TEXT_MAX) the text up to there is in *text.
 */
int read_text(const char *name, struct bytes *text);

/* --- text.c -------------------------------------------------------------------------------- */

/* Longer words are cut: nobody types them, and what is longer is mostly no word. */
#define WORD_MAX 64

struct word {
	char text[WORD_MAX]; /* folded; no NUL at its end */
	unsigned size;
	unsigned line, column; /* where it begins: both from 1 on; columns are bytes */
};

struct text {
	const unsigned char *at, *end, *line_start;
	unsigned line;
};

void text_begin(struct text *text, const void *data, size_t size);
bool text_next_word(struct text *text, struct word *word);

/* The character at `at`, as lower case and UTF-8, in `folded`: its size, 0 if it belongs to no word.
 * *ret_size is how many bytes it has in the text. */
unsigned text_fold(const unsigned char *at, const unsigned char *end, unsigned *ret_size,
		   char folded[4]);

/* The UTF-8 of a character, and its size. */
unsigned text_encode(uint32_t character, char out[4]);

/* --- html.c -------------------------------------------------------------------------------- */

/* Whether this is HTML, by its name or its first characters. */
bool html_is(const char *name, const void *data, size_t size);

/*
 * Removes tags, comments, scripts and style sheets, and puts characters in the place of entities, so
 * that everything else stays where it is: what goes becomes space, and bytes that characters need
 * not any more become TEXT_NOTHING, which words do not see.
 */
#define TEXT_NOTHING '\1'
void html_strip(void *data, size_t size);

/* --- part.c -------------------------------------------------------------------------------- */

/*
 * The index of some files. `names`: the files that had words, each ending with NUL. `words`, sorted:
 *
 *	number of bytes in common with the word before; number of bytes that follow, and they;
 *	number of places; number of bytes that its places take
 *
 * and `places`, in the same order, for each word the files where it is:
 *
 *	difference to the file before, the first from -1
 *		1 + difference to the line before, the first from line 0
 *		difference to the column before in this line, or the column
 *		...
 *	0
 * ...
 * 0
 */
RAMET_STRUCT(index_part, (bytes, names), (bytes, words), (bytes, places), (str, problems),
	     (i64, bytes), (i64, binary), (i64, unread));

/* Makes a part of the files of a task. */
RAMET_DECLARE(index_part, index_files, (bytes, names));

/* --- index.c ------------------------------------------------------------------------------- */

struct index;

struct index *index_new(void);
void index_free(struct index *index);

/* Takes a part: its places, which then stay where they are, and copies of the rest. A part that is
 * not what part.c makes: -EBADMSG. */
int index_add(struct index *index, index_part *part);

/* Once, after the last part. */
void index_finish(struct index *index);

struct index_size {
	uint64_t files, words, places;
	uint64_t bytes; /* of memory */
};

struct index_size index_size(const struct index *index);

/* What is looked for: the parts of words that are alike. */
enum find { FIND_ANYWHERE, FIND_BEGIN, FIND_END, FIND_WORD };

/* Words that match, in order; `numbers` is the caller's to free. */
struct found {
	uint32_t *numbers;
	size_t count;
	uint64_t places;
};

/* The fragment has to be folded. */
struct found index_find(const struct index *index, enum find what, const char *fragment,
			size_t size);

/* A word by its number; its end is not marked. */
const char *index_word(const struct index *index, uint32_t number, size_t *ret_size);

/* Calls `show` for each place of a word, in the order of files and lines, until it returns false. */
typedef bool index_show(const char *file, uint64_t line, uint64_t column, void *data);
bool index_places(const struct index *index, uint32_t number, index_show *show, void *data);

/* --- ask.c --------------------------------------------------------------------------------- */

struct asking {
	const struct index *index;
	bool exact;     /* whole words, unless a question says otherwise */
	uint64_t limit; /* places for each word of a question; 0: all */
};

/* Answers questions, one per line, from standard input until it ends; with a prompt if wanted. */
void ask(const struct asking *asking, bool prompt);

/* Prints a text with what could disturb a terminal, or is no UTF-8, as "\\ooo". */
void print_safely(FILE *file, const char *text, size_t size);
