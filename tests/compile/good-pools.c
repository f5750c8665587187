/* SPDX-License-Identifier: BSD-3-Clause */
/* All forms of maps over pools. */
#include <ramet.h>

RAMET_STRUCT(point, (f64, x), (f64, y));

RAMET_FUNCTION(point, moved, (point, from), (f64, by))
{
	from.x += by;
	return from;
}

RAMET_FUNCTION(point, middle, (point, left), (point, right))
{
	left.x = (left.x + right.x) / 2;
	return left;
}

RAMET_FUNCTION(none, clean, (str, path))
{
	(void)path;
}

RAMET_CONCURRENT_FUNCTION(i64, zero)
{
	return 0;
}

static int next(struct moved_args *task, void *data)
{
	(void)data;
	task->by = 1;
	return 1;
}

static int done(uint64_t index, point *result, void *data)
{
	(void)index, (void)data;
	return result->x < 3;
}

static int next_path(struct clean_args *task, void *data)
{
	(void)data;
	task->path = "a";
	return 1;
}

static int cleaned(uint64_t index, void *data)
{
	(void)index, (void)data;
	return 0;
}

int test(ramet_pool *pool, ramet_error *error);

int test(ramet_pool *pool, ramet_error *error)
{
	struct moved_args tasks[2] = {{{1, 2}, 3}, {{4, 5}, 6}};
	struct clean_args paths[1] = {{"a"}};
	struct zero_args nothing[1];
	point results[2], sum;
	int64_t zeros[1];
	nothing[0].ramet__nothing = 0;
	if (moved_map(pool, tasks, 2, results, NULL, error) < 0 ||
	    moved_each(pool, next, done, NULL, NULL, error) < 0 ||
	    moved_reduce(pool, tasks, 2, RAMET_FUNCTION_OF(middle), &sum, NULL, error) < 0 ||
	    clean_map(pool, paths, 1, NULL, error) < 0 ||
	    clean_each(pool, next_path, cleaned, NULL, NULL, error) < 0)
		return -1;
	return zero_map(pool, nothing, 1, zeros, NULL, error);
}
