/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * indexer-search COUNT DIRECTORY INDEXER...: asks the indexer COUNT questions about words and parts of words that are
 * somewhere below DIRECTORY, and compares each answer with a search through the texts for it. Of directories with much
 * text only so many files are searched as can be in a few seconds; all of these are compared, place by place.
 *
 * With the indexer it shares what texts, characters and HTML are (test-indexer.c is about these), and nothing else.
 */
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../examples/indexer/indexer.h"

#define SEARCHED_MAX ((int64_t)16 << 20)
#define QUESTIONS_MAX 1000

static const char *const forms[] = {
	[FIND_ANYWHERE] = "%.*s\n",
	[FIND_BEGIN] = "%.*s*\n",
	[FIND_END] = "*%.*s\n",
	[FIND_WORD] = "=%.*s\n",
};

/* Answers are large, so what is compared is the number of the lines and the sum of their hashes. */
static struct question {
	enum find what;
	struct word word;
	uint64_t lines[2], sums[2]; /* searched, answered */
} questions[QUESTIONS_MAX];
static size_t question_count;

static char **names;
static size_t name_count;
static int64_t size_of_all;
static unsigned stride;

static uint64_t hash(const char *text, size_t size)
{
	uint64_t state = 0xcbf29ce484222325u; /* FNV-1a */

	for (size_t i = 0; i < size; i++)
		state = (state ^ (unsigned char)text[i]) * 0x100000001b3u;
	return state ^ state >> 29;
}

static bool searched(const char *name, size_t size)
{
	return hash(name, size) % stride == 0;
}

static int add_name(const char *name, const struct stat *stat, int type, struct FTW *at)
{
	(void)at;
	if (type != FTW_F || !S_ISREG(stat->st_mode))
		return 0;
	names = grown(names, name_count + 1, sizeof(*names));
	names[name_count++] = strdup(name);
	size_of_all += stat->st_size;
	return 0;
}

static bool read_file(const char *name, struct bytes *text)
{
	int r = read_text(name, text);

	if (r != 0 && r != READ_DAMAGED && r != READ_CUT)
		return false;
	if (html_is(name, text->data, text->size))
		html_strip(text->data, text->size);
	return text->size > 0;
}

/* Questions are about words at random places, of which some characters are taken away. */
static void make_questions(size_t count)
{
	struct bytes file = {0};
	struct text text;
	struct word word;

	srandom(20);
	for (size_t tries = 0; question_count < count && tries < 100 * count; tries++) {
		const char *name = names[(size_t)random() % name_count];
		struct question *question = &questions[question_count];

		if (!searched(name, strlen(name)) || !read_file(name, &file))
			continue;
		text_begin(&text, file.data, file.size);
		text.at += (size_t)random() % file.size;
		text_next_word(&text, &word); /* perhaps only the rest of one */
		if (!text_next_word(&text, &word) || word.size < 4)
			continue;
		bool ascii = true;
		for (unsigned i = 0; i < word.size; i++)
			ascii = ascii && (unsigned char)word.text[i] < 0x80;
		unsigned from = 0, to = word.size;
		question->what = (enum find)(random() % 4);
		if (ascii && (question->what == FIND_END || question->what == FIND_ANYWHERE))
			from = (unsigned)random() % (word.size - 3);
		if (ascii && (question->what == FIND_BEGIN || question->what == FIND_ANYWHERE))
			to = from + 4 + (unsigned)random() % (word.size - from - 3);
		memcpy(question->word.text, word.text + from, to - from);
		question->word.size = to - from;
		question_count++;
	}
	free(file.data);
}

/* --- the search ---------------------------------------------------------------------------- */

/* A text with words folded, in a space everything else became; and where each byte of it was. */
static struct {
	char *text;
	uint32_t *places;
	size_t size;
} folded;

static void fold(const struct bytes *file)
{
	const unsigned char *at = file->data, *end = at + file->size;
	unsigned taken;

	folded.text = grown(folded.text, 2 * file->size + 2, 1);
	folded.places = grown(folded.places, 2 * file->size + 2, sizeof(uint32_t));
	folded.size = 0;
	folded.text[folded.size++] = ' ';
	for (; at < end; at += taken) {
		char character[4] = " ";
		unsigned size = text_fold(at, end, &taken, character);

		if (*at == TEXT_NOTHING)
			continue;
		for (unsigned i = 0; i < (size ? size : 1); i++) {
			folded.places[folded.size] = (uint32_t)(at - file->data);
			folded.text[folded.size++] = size ? character[i] : ' ';
		}
	}
	folded.text[folded.size++] = ' ';
}

static bool matches(const struct question *question, const char *word, size_t size)
{
	const char *text = question->word.text;
	size_t length = question->word.size;

	if (size < length)
		return false;
	switch (question->what) {
	case FIND_BEGIN:
		return memcmp(word, text, length) == 0;
	case FIND_END:
		return memcmp(word + size - length, text, length) == 0;
	case FIND_WORD:
		return size == length && memcmp(word, text, length) == 0;
	default:
		return memmem(word, size, text, length) != NULL;
	}
}

/* A line, and where it begins. */
struct line {
	uint32_t number, start;
};

static void add_line(struct question *question, const char *name, const struct bytes *file,
		     struct line *line, const char *word, size_t size)
{
	uint32_t place = folded.places[word - folded.text];
	const unsigned char *end = file->data + place, *p = file->data + line->start;
	char *text = NULL;
	size_t length = 0;

	for (; (p = memchr(p, '\n', (size_t)(end - p))); line->start = (uint32_t)(++p - file->data))
		line->number++;
	FILE *stream = open_memstream(&text, &length);
	print_safely(stream, name, strlen(name));
	fprintf(stream, ":%" PRIu32 ":%" PRIu32 ": %.*s", line->number, place - line->start + 1,
		(int)size, word);
	fclose(stream);
	question->lines[0]++;
	question->sums[0] += hash(text, length);
	free(text);
}

static void search(struct question *question, const char *name, const struct bytes *file)
{
	const char *end = folded.text + folded.size, *at = folded.text;
	struct line line = {1, 0};

	while ((at = memmem(at, (size_t)(end - at), question->word.text, question->word.size))) {
		const char *begin = at, *behind = at;

		while (begin[-1] != ' ')
			begin--;
		while (*behind != ' ')
			behind++;
		size_t size = (size_t)(behind - begin);
		if (size > WORD_MAX)
			for (size = WORD_MAX; (begin[size] & 0xc0) == 0x80;)
				size--; /* not within a character */
		if (matches(question, begin, size))
			add_line(question, name, file, &line, begin, size);
		at = behind;
	}
}

static void search_all(void)
{
	struct bytes file = {0};

	for (size_t i = 0; i < name_count; i++) {
		if (!searched(names[i], strlen(names[i])) || !read_file(names[i], &file))
			continue;
		fold(&file);
		for (size_t q = 0; q < question_count; q++)
			search(&questions[q], names[i], &file);
	}
	free(file.data);
}

/* --- the answers --------------------------------------------------------------------------- */

/* Answers end with "WORD: ...": what is before the first ": " has no line and column. */
static bool read_answers(FILE *answers)
{
	size_t q = 0, room = 0;
	char *line = NULL;

	for (ssize_t size; q < question_count && (size = getline(&line, &room, answers)) > 0;) {
		char *colon = strstr(line, ": "), *before;

		line[--size] = '\0';
		before = colon ? memrchr(line, ':', (size_t)(colon - line)) : NULL;
		before = before ? memrchr(line, ':', (size_t)(before - line)) : NULL;
		if (!before) {
			q++;
		} else if (searched(line, (size_t)(before - line))) {
			questions[q].lines[1]++;
			questions[q].sums[1] += hash(line, (size_t)size);
		}
	}
	free(line);
	return q == question_count;
}

static int compare(void)
{
	uint64_t places = 0;
	int differ = 0;

	for (size_t q = 0; q < question_count; q++) {
		const struct question *question = &questions[q];

		places += question->lines[0];
		if (question->lines[0] == 0) /* it was taken from a file that is searched */
			printf("nothing was found for number %zu\n", q);
		else if (question->lines[0] == question->lines[1] &&
			 question->sums[0] == question->sums[1])
			continue;
		differ++;
		printf(forms[question->what], (int)question->word.size, question->word.text);
		printf("\t%" PRIu64 " places searched, %" PRIu64 " answered\n", question->lines[0],
		       question->lines[1]);
	}
	printf("%zu questions, %" PRIu64 " places, %d differ\n", question_count, places, differ);
	return differ;
}

int main(int argc, char **argv)
{
	size_t count = argc > 3 ? strtoul(argv[1], NULL, 10) : 0;
	char file[] = "/tmp/ramet-questions.XXXXXX", command[8192];

	if (count == 0 || count > QUESTIONS_MAX)
		return 2;
	nftw(argv[2], add_name, 16, FTW_PHYS);
	stride = 1 + (unsigned)(size_of_all * 2 / SEARCHED_MAX);
	make_questions(count);
	int fd = mkstemp(file);
	FILE *stream = fd < 0 ? NULL : fdopen(fd, "w");
	if (question_count < count || !stream) {
		printf("only %zu questions can be asked\n", question_count);
		return 1;
	}
	for (size_t q = 0; q < count; q++)
		fprintf(stream, forms[questions[q].what], (int)questions[q].word.size,
			questions[q].word.text);
	fclose(stream);
	snprintf(command, sizeof(command), "exec %s --batch --limit 0 '%s' <'%s'", argv[3], argv[2],
		 file);
	search_all();
	FILE *answers = popen(command, "r");
	bool whole = answers && read_answers(answers);
	if (answers)
		pclose(answers);
	remove(file);
	if (!whole)
		puts("not all questions were answered");
	return compare() > 0 || !whole;
}
