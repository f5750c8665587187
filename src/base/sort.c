/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/sort.h"

static void swap(unsigned char *one, unsigned char *other, size_t size)
{
	while (size-- > 0) {
		unsigned char byte = *one;

		*one++ = *other;
		*other++ = byte;
	}
}

/* The item at `root` goes down until no child is greater. */
static void sift(unsigned char *items, size_t root, size_t count, size_t size,
		 int (*compare)(const void *, const void *))
{
	size_t child;

	for (; (child = 2 * root + 1) < count; root = child) {
		if (child + 1 < count &&
		    compare(items + child * size, items + (child + 1) * size) < 0)
			child++;
		if (compare(items + root * size, items + child * size) >= 0)
			return;
		swap(items + root * size, items + child * size, size);
	}
}

void rmt_sort(void *items, size_t count, size_t size, int (*compare)(const void *, const void *))
{
	for (size_t root = count / 2; root-- > 0;)
		sift(items, root, count, size, compare);
	while (count-- > 1) {
		swap(items, (unsigned char *)items + count * size, size);
		sift(items, 0, count, size, compare);
	}
}
