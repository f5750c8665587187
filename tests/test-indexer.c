/* SPDX-License-Identifier: BSD-3-Clause */
/* What the indexer of the examples is made of: texts, words, parts and the index. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../examples/indexer/indexer.h"

/* The words of a text, each as "line:column:word ". */
static const char *words_of(const char *data, size_t size)
{
	static char all[65536];
	struct text text;
	struct word word;
	size_t at = 0;

	all[0] = '\0';
	text_begin(&text, data, size);
	while (text_next_word(&text, &word))
		at += (size_t)snprintf(all + at, sizeof(all) - at, "%u:%u:%.*s ", word.line,
				       word.column, (int)word.size, word.text);
	return all;
}

#define WORDS_OF(literal) words_of(literal, sizeof(literal) - 1)

static void text_of_ascii_has_words_at_lines_and_columns(void **state)
{
	(void)state;
	assert_string_equal(WORDS_OF(""), "");
	assert_string_equal(WORDS_OF(" \n\t--"), "");
	assert_string_equal(WORDS_OF("One two\n  THREE_4"), "1:1:one 1:5:two 2:3:three_4 ");
	assert_string_equal(WORDS_OF("a-b\r\n\r\n.c"), "1:1:a 1:3:b 3:2:c ");
	assert_string_equal(WORDS_OF("x\0y"), "1:1:x 1:3:y ");
}

static void text_of_utf8_is_folded_and_columns_are_bytes(void **state)
{
	(void)state;
	assert_string_equal(WORDS_OF("\u00c9T\u00c9 \u00fcber"),
			    "1:1:\u00e9t\u00e9 1:7:\u00fcber ");
	assert_string_equal(
		WORDS_OF("\u0394\u0395 \u0416\u0401 \u0106\u017d\u0178 \u0531"),
		"1:1:\u03b4\u03b5 1:6:\u0436\u0451 1:11:\u0107\u017e\u00ff 1:18:\u0561 ");
	/* signs end words: a no-break space, an en dash, an arrow */
	assert_string_equal(WORDS_OF("a\u00a0b\u2013c\u2192d"), "1:1:a 1:4:b 1:8:c 1:12:d ");
	assert_string_equal(WORDS_OF("\u65e5\u672c\u3002"), "1:1:\u65e5\u672c ");
}

static void text_that_is_no_utf8_ends_words_there(void **state)
{
	(void)state;
	assert_string_equal(WORDS_OF("a\xff"
				     "b\xc3"),
			    "1:1:a 1:3:b ");
	assert_string_equal(WORDS_OF("caf\xe9 x"), "1:1:caf 1:6:x ");
	assert_string_equal(WORDS_OF("a\xc0\xaf"
				     "b"),
			    "1:1:a 1:4:b ");                                 /* too long a form */
	assert_string_equal(WORDS_OF("a\xed\xa0\x80z"), "1:1:a 1:5:z ");     /* a surrogate */
	assert_string_equal(WORDS_OF("a\xf4\x90\x80\x80z"), "1:1:a 1:6:z "); /* beyond the last */
}

static void text_with_long_words_has_them_cut_between_characters(void **state)
{
	char text[WORD_MAX + 40], expected[WORD_MAX + 40];

	(void)state;
	memset(text, 'X', sizeof(text));
	memcpy(text + WORD_MAX + 10, " y", 2);
	memset(expected, 'x', sizeof(expected));
	snprintf(expected, sizeof(expected), "1:1:");
	memset(expected + 4, 'x', WORD_MAX);
	snprintf(expected + 4 + WORD_MAX, 12, " 1:%d:y ", WORD_MAX + 12);
	assert_string_equal(words_of(text, WORD_MAX + 12), expected);

	/* two bytes at WORD_MAX - 1 do not fit; the letters behind them are not in the word */
	memset(text, 'x', sizeof(text));
	memcpy(text + WORD_MAX - 1, "\u00e9", 2);
	snprintf(expected + 4 + WORD_MAX - 1, 2, " ");
	assert_string_equal(words_of(text, sizeof(text)), expected);
}

static const char *words_of_html(const char *html)
{
	static char text[4096];
	size_t size = strlen(html);

	memcpy(text, html, size);
	html_strip(text, size);
	return words_of(text, size);
}

static void html_loses_tags_and_keeps_places(void **state)
{
	(void)state;
	assert_string_equal(words_of_html("<p class=\"x\">a<b>b</b>\n<br/>c"),
			    "1:14:a 1:18:b 2:6:c ");
	assert_string_equal(words_of_html("<!-- a > b -->c<!DOCTYPE x><?y?>d"), "1:15:c 1:33:d ");
	assert_string_equal(words_of_html("<a\nhref='>x'>y"), "2:11:y ");
	assert_string_equal(words_of_html("<SCRIPT>a<b;\n</script>c<style>d</style>e"),
			    "2:10:c 2:27:e ");
	assert_string_equal(words_of_html("a < b, c<d>e"), "1:1:a 1:5:b 1:8:c 1:12:e ");
}

static void html_entities_become_characters(void **state)
{
	(void)state;
	assert_string_equal(words_of_html("caf&eacute;s x"), "1:1:caf\u00e9s 1:14:x ");
	assert_string_equal(words_of_html("&Auml;&#xe4;&#228;b"), "1:1:\u00e4\u00e4\u00e4"
								  "b ");
	assert_string_equal(words_of_html("a&nbsp;b&lt;c&unknown;d"), "1:1:a 1:8:b 1:13:c 1:23:d ");
	assert_string_equal(words_of_html("a&#10;b&#xd800;c&#99999999;d"),
			    "1:1:a 1:7:b 1:16:c 1:28:d ");
	assert_string_equal(words_of_html("a&b &; &amp"), "1:1:a 1:3:b 1:9:amp ");
}

static void html_that_ends_anywhere_is_no_danger(void **state)
{
	static const char html[] =
		"x<!-- --><script a='b'>c</script><p q=\"r\">&#x41;&eacute;<style>";

	(void)state;
	for (size_t size = 0; size <= sizeof(html) - 1; size++) {
		char *copy = malloc(size ? size : 1); /* sanitizers see its end */

		memcpy(copy, html, size);
		html_strip(copy, size);
		words_of(copy, size);
		assert_true(size == 0 || copy[0] == 'x');
		free(copy);
	}
}

static void html_is_known_by_name_and_by_content(void **state)
{
	(void)state;
	assert_true(html_is("a.html", "", 0));
	assert_true(html_is("a/b.HTM.gz", "", 0));
	assert_true(html_is("a.xhtml", "", 0));
	assert_true(html_is("a", "\xef\xbb\xbf \n<!DOCTYPE html>", 20));
	assert_true(html_is("a.txt", "<html>", 6));
	assert_false(html_is("a.txt", "<htm", 4));
	assert_false(html_is("html", "", 0));
	assert_false(html_is(".gz", "", 0));
	assert_false(html_is("a.html.txt", "text", 4));
}

static void numbers_are_read_as_written_and_not_beyond_the_end(void **state)
{
	static const uint64_t numbers[] = {0, 1, 127, 128, 16383, 16384, UINT32_MAX, UINT64_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		struct bytes bytes = {0};

		bytes_add_number(&bytes, numbers[i]);
		const unsigned char *at = bytes.data;
		assert_true(number_take(&at, bytes.data + bytes.size) == numbers[i]);
		assert_ptr_equal(at, bytes.data + bytes.size);
		at = bytes.data;
		assert_true(number_take(&at, bytes.data + bytes.size - 1) == 0);
		free(bytes.data);
	}
}

static void words_get_one_number_each_and_are_sorted(void **state)
{
	struct words words = {0};
	char word[16];
	size_t size, before_size = 0;
	const char *before = "";

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < 5000; i++) {
			snprintf(word, sizeof(word), "w%u", i * 7919 % 100003);
			assert_int_equal(words_number(&words, word, strlen(word)), i);
		}
		for (uint32_t i = 0; i < 5000; i++) {
			snprintf(word, sizeof(word), "w%u", i * 7919 % 100003);
			assert_int_equal(words_number(&words, word, strlen(word)), i);
		}
		assert_int_equal(words.count, 5000);
		uint32_t *sorted = words_sorted(&words);
		for (uint32_t i = 0; i < 5000; i++, before_size = size) {
			const char *text = words_text(&words, sorted[i], &size);
			size_t both = size < before_size ? size : before_size;
			int r = memcmp(before, text, both);

			assert_true(i == 0 || r < 0 || (r == 0 && before_size < size));
			before = text;
		}
		free(sorted);
		words_clear(&words);
	}
	words_done(&words);
}

/* A part with one word "ab" and the places that are given. */
static index_part part_of(const void *words, size_t words_size, const void *places, size_t size)
{
	void *copy = malloc(size ? size : 1);

	memcpy(copy, places, size);
	return (index_part){
		.names = {"f\0g", 4}, .words = {words, words_size}, .places = {copy, size}};
}

static bool count_place(const char *file, uint64_t line, uint64_t column, void *data)
{
	(void)line;
	(void)column;
	assert_true(*file == 'f' || *file == 'g');
	++*(int *)data;
	return true;
}

static void index_of_a_part_finds_its_words(void **state)
{
	/* "ab" in file 1 at 1:2 and 1:5, and in file 2 at 3:1; "abc" in file 2 at 1:1 */
	static const char words[] = {0, 2, 'a', 'b', 3, 11, 2, 1, 'c', 1, 5};
	static const char places[] = {1, 2, 2, 1, 3, 0, 1, 4, 1, 0, 0, 2, 2, 1, 0, 0};
	struct index *index = index_new();
	index_part part = part_of(words, sizeof(words), places, sizeof(places));
	int count = 0;

	(void)state;
	assert_int_equal(index_add(index, &part), 0);
	index_finish(index);
	struct found found = index_find(index, FIND_ANYWHERE, "b", 1);
	assert_int_equal(found.count, 2);
	assert_int_equal(found.places, 4);
	assert_true(index_places(index, found.numbers[1], count_place, &count));
	assert_int_equal(count, 1);
	free(found.numbers);
	found = index_find(index, FIND_END, "b", 1);
	assert_int_equal(found.count, 1);
	free(found.numbers);
	found = index_find(index, FIND_BEGIN, "b", 1);
	assert_int_equal(found.count, 0);
	found = index_find(index, FIND_WORD, "ab", 2);
	assert_int_equal(found.count, 1);
	free(found.numbers);
	index_free(index);
}

/* Members on other machines may send anything. */
static void index_of_a_hostile_part_refuses_it_or_stays_within_it(void **state)
{
	enum { ROUNDS = 4000 };
	unsigned char words[12], places[12];
	int taken = 0;

	(void)state;
	srandom(1);
	for (int round = 0; round < ROUNDS; round++) {
		struct index *index = index_new();
		size_t words_size = (size_t)random() % sizeof(words);
		size_t places_size = (size_t)random() % sizeof(places);

		for (size_t i = 0; i < sizeof(words); i++) {
			words[i] = (unsigned char)(random() % 8 ? random() % 4 : random());
			places[i] = (unsigned char)(random() % 8 ? random() % 4 : random());
		}
		index_part part = part_of(words, words_size, places, places_size);
		if (index_add(index, &part) == 0) {
			taken++;
			index_finish(index);
			for (uint32_t i = 0; i < index_size(index).words; i++) {
				int count = 0;

				index_places(index, i, count_place, &count);
				assert_true(count <= (int)places_size);
			}
		}
		ramet_free(part.places.data); /* refused: still the caller's */
		index_free(index);
	}
	assert_true(taken > 20 && taken < ROUNDS);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_of_ascii_has_words_at_lines_and_columns),
		cmocka_unit_test(text_of_utf8_is_folded_and_columns_are_bytes),
		cmocka_unit_test(text_that_is_no_utf8_ends_words_there),
		cmocka_unit_test(text_with_long_words_has_them_cut_between_characters),
		cmocka_unit_test(html_loses_tags_and_keeps_places),
		cmocka_unit_test(html_entities_become_characters),
		cmocka_unit_test(html_that_ends_anywhere_is_no_danger),
		cmocka_unit_test(html_is_known_by_name_and_by_content),
		cmocka_unit_test(numbers_are_read_as_written_and_not_beyond_the_end),
		cmocka_unit_test(words_get_one_number_each_and_are_sorted),
		cmocka_unit_test(index_of_a_part_finds_its_words),
		cmocka_unit_test(index_of_a_hostile_part_refuses_it_or_stays_within_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
