/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The public functions of pools. They travel with programs that use them; what is behind them does
 * not, until it is needed: the one that makes a pool opens the gate.
 */
#include "parallel/pool.h"
#include "parent/gate.h"

RMT_PUBLIC int ramet_pool_new(ramet_router *router, const char *paths,
			      const ramet_pool_options *options, ramet_pool **ret_pool,
			      ramet_error *error)
{
	int r = rmt_gate_open(error);

	return r < 0 ? r : rmt_pool_new(router, paths, options, ret_pool, error);
}

RMT_PUBLIC int ramet_pool_add(ramet_pool *pool, const char *paths, ramet_error *error)
{
	return rmt_pool_add(pool, paths, error);
}

RMT_PUBLIC int ramet_pool_add_context(ramet_pool *pool, ramet_context *context)
{
	return rmt_pool_add_context(pool, context);
}

RMT_PUBLIC int ramet_pool_remove(ramet_pool *pool, ramet_context *member)
{
	return rmt_pool_remove(pool, member);
}

RMT_PUBLIC size_t ramet_pool_size(ramet_pool *pool)
{
	return rmt_pool_size(pool);
}

RMT_PUBLIC ramet_context *ramet_pool_get(ramet_pool *pool, size_t index)
{
	return rmt_pool_get(pool, index);
}

RMT_PUBLIC ramet_pool *ramet_pool_ref(ramet_pool *pool)
{
	rmt_pool_ref(pool);
	return pool;
}

RMT_PUBLIC void ramet_pool_unref(ramet_pool *pool)
{
	if (pool)
		rmt_pool_unref(pool);
}

RMT_PUBLIC void ramet_pool_cancel(ramet_pool *pool)
{
	rmt_pool_cancel(pool);
}

RMT_PUBLIC int ramet_function_map(const struct ramet_function *function, ramet_pool *pool,
				  const void *tasks, size_t count, void *results,
				  const ramet_pool_map_options *options, ramet_error *error)
{
	return rmt_pool_map(function, pool, tasks, count, results, options, error);
}

RMT_PUBLIC int ramet_function_each(const struct ramet_function *function, ramet_pool *pool,
				   ramet_function_next *next, ramet_function_done *done, void *data,
				   const ramet_pool_map_options *options, ramet_error *error)
{
	return rmt_pool_each(function, pool, next, done, data, options, error);
}

RMT_PUBLIC int ramet_function_reduce(const struct ramet_function *function, ramet_pool *pool,
				     const void *tasks, size_t count,
				     const struct ramet_function *combine, void *ret,
				     const ramet_pool_map_options *options, ramet_error *error)
{
	return rmt_pool_reduce(function, pool, tasks, count, combine, ret, options, error);
}
