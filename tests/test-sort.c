/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/sort.h"

#define ITEMS_MAX 300

struct item {
	int key;
	char rest[13]; /* a size that is no power of two */
};

static int by_number(const void *a, const void *b)
{
	const int *one = a, *other = b;

	return (*one > *other) - (*one < *other);
}

static int by_key(const void *a, const void *b)
{
	const struct item *one = a, *other = b;

	return (one->key > other->key) - (one->key < other->key);
}

static void sort_any_count_is_what_qsort_makes(void **state)
{
	static struct item items[ITEMS_MAX], expected[ITEMS_MAX];
	unsigned seed = 1;

	(void)state;
	for (size_t count = 0; count <= ITEMS_MAX; count++) {
		for (size_t i = 0; i < count; i++) {
			/* Many are equal; the rest of an item follows from its key. */
			items[i].key = rand_r(&seed) % 50;
			memset(items[i].rest, items[i].key, sizeof(items[i].rest));
		}
		memcpy(expected, items, sizeof(items));
		qsort(expected, count, sizeof(*expected), by_key);
		rmt_sort(items, count, sizeof(*items), by_key);
		assert_memory_equal(items, expected, sizeof(items));
	}
}

static void sort_of_sorted_and_reversed_is_sorted(void **state)
{
	int up[ITEMS_MAX], down[ITEMS_MAX], expected[ITEMS_MAX];

	(void)state;
	for (int i = 0; i < ITEMS_MAX; i++) {
		expected[i] = up[i] = i;
		down[i] = ITEMS_MAX - 1 - i;
	}
	rmt_sort(up, ITEMS_MAX, sizeof(*up), by_number);
	rmt_sort(down, ITEMS_MAX, sizeof(*down), by_number);
	assert_memory_equal(up, expected, sizeof(up));
	assert_memory_equal(down, expected, sizeof(down));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sort_any_count_is_what_qsort_makes),
		cmocka_unit_test(sort_of_sorted_and_reversed_is_sorted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
