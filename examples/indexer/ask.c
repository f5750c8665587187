/* SPDX-License-Identifier: BSD-3-Clause */
/* Questions and their answers. */
#include "indexer.h"

#include <inttypes.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#ifdef INDEXER_EDIT
#include <editline/readline.h>
#endif

void print_safely(FILE *file, const char *text, size_t length)
{
	const unsigned char *at = (const unsigned char *)text, *end = at + length;
	char folded[4];
	unsigned size;

	for (; at < end; at += size) {
		text_fold(at, end, &size, folded);
		/* controls; bytes that are no UTF-8; and U+0080 to U+009F, controls of terminals */
		if (size == 1 ? *at < ' ' || *at >= 0x7f || *at == '\\'
			      : *at == 0xc2 && at[1] < 0xa0)
			for (unsigned i = 0; i < size; i++)
				fprintf(file, "\\%03o", at[i]);
		else
			fwrite(at, 1, size, file);
	}
}

struct showing {
	const char *word;
	size_t size;
	uint64_t left;
};

static bool show(const char *file, uint64_t line, uint64_t column, void *data)
{
	struct showing *showing = data;

	if (showing->left == 0)
		return false;
	showing->left--;
	print_safely(stdout, file, strlen(file));
	printf(":%" PRIu64 ":%" PRIu64 ": ", line, column);
	print_safely(stdout, showing->word, showing->size);
	putchar('\n');
	return true;
}

/* One word of a question: first the word itself, then those that have it in them. */
static void answer(const struct asking *asking, enum find what, const struct word *word)
{
	struct found found = index_find(asking->index, what, word->text, word->size);
	struct showing showing = {.left = asking->limit ? asking->limit : UINT64_MAX};

	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < found.count && showing.left > 0; i++) {
			showing.word = index_word(asking->index, found.numbers[i], &showing.size);
			if ((showing.size == word->size) == (pass == 0))
				index_places(asking->index, found.numbers[i], show, &showing);
		}
	printf("%.*s: ", (int)word->size, word->text);
	if (asking->limit && found.places > asking->limit)
		printf("%" PRIu64 " of ", asking->limit);
	printf("%" PRIu64 " %s, %zu %s\n", found.places, found.places == 1 ? "place" : "places",
	       found.count, found.count == 1 ? "word" : "words");
	free(found.numbers);
}

/* Words of questions are those of texts; signs beside them tell where a word may go on. */
static void answer_line(const struct asking *asking, const char *line)
{
	struct text text;
	struct word word;

	text_begin(&text, line, strlen(line));
	while (text_next_word(&text, &word)) {
		const char *begin = line + word.column - 1, *end = (const char *)text.at;
		bool open_begin = begin > line && begin[-1] == '*', open_end = *end == '*';
		enum find what = asking->exact ? FIND_WORD : FIND_ANYWHERE;

		if (begin > line && begin[-1] == '=')
			what = FIND_WORD;
		else if (open_begin || open_end)
			what = !open_begin ? FIND_BEGIN : !open_end ? FIND_END : FIND_ANYWHERE;
		answer(asking, what, &word);
	}
	fflush(stdout);
}

/* The next line without its end, to be freed; NULL: there are no more. */
static char *next_line(bool prompt)
{
	char *line = NULL;
	size_t room = 0;

#ifdef INDEXER_EDIT
	if (prompt) {
		line = readline("> ");
		if (line && *line)
			add_history(line);
		return line;
	}
#endif
	if (prompt) {
		fputs("> ", stdout);
		fflush(stdout);
	}
	if (getline(&line, &room, stdin) < 0) {
		free(line);
		return NULL;
	}
	line[strcspn(line, "\n")] = '\0';
	return line;
}

void ask(const struct asking *asking, bool prompt)
{
	setlocale(LC_CTYPE, ""); /* editing has to know how wide characters are */
	for (char *line; (line = next_line(prompt)); free(line))
		answer_line(asking, line);
	if (prompt)
		putchar('\n');
}
