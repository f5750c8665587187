/* SPDX-License-Identifier: BSD-3-Clause */
/* Stands in for the library where a test looks at the table of functions: calls run at once, here. */
#include <stdio.h>

#include <ramet.h>

const struct ramet_type ramet_type_none[1] = {{"none", RAMET_KIND_NONE, 0, 0, NULL, NULL}};
const struct ramet_type ramet_type_i64[1] = {{"i64", RAMET_KIND_I64, 0, 8, NULL, NULL}};
const struct ramet_type ramet_type_str[1] = {{"str", RAMET_KIND_STR, 0, 8, NULL, NULL}};

int ramet_init_functions(int argc, char **argv, const struct ramet_function *const *begin,
			 const struct ramet_function *const *end)
{
	(void)argc, (void)argv;
	for (; begin != end; begin++) {
		const struct ramet_type *arguments = &(*begin)->arguments;
		printf("%s %s %u", (*begin)->result->name, (*begin)->name, (*begin)->flags);
		for (unsigned i = 0; i < arguments->count; i++)
			printf(" %s:%s@%zu", arguments->fields[i].type->name,
			       arguments->fields[i].name, arguments->fields[i].offset);
		printf("\n");
	}
	return 0;
}

int ramet_function_call(const struct ramet_function *function, ramet_context *context,
			const void *arguments, void *ret, ramet_error *error)
{
	(void)context, (void)error;
	function->invoke(NULL, arguments, ret);
	return 0;
}

int ramet_function_start(const struct ramet_function *function, ramet_context *context,
			 const void *arguments, ramet_receiver **ret, ramet_error *error)
{
	(void)function, (void)context, (void)arguments, (void)ret, (void)error;
	return 0;
}

int ramet_function_finish(const struct ramet_function *function, ramet_receiver *receiver,
			  int timeout, void *ret, ramet_error *error)
{
	(void)function, (void)receiver, (void)timeout, (void)ret, (void)error;
	return 0;
}

int ramet_function_post(const struct ramet_function *function, ramet_context *context,
			const void *arguments, ramet_error *error)
{
	(void)function, (void)context, (void)arguments, (void)error;
	return 0;
}

int ramet_function_map(const struct ramet_function *function, ramet_pool *pool, const void *tasks,
		       size_t count, void *results, const ramet_pool_map_options *options,
		       ramet_error *error)
{
	(void)function, (void)pool, (void)tasks, (void)count, (void)results, (void)options,
		(void)error;
	return 0;
}

int ramet_function_each(const struct ramet_function *function, ramet_pool *pool,
			ramet_function_next *next, ramet_function_done *done, void *data,
			const ramet_pool_map_options *options, ramet_error *error)
{
	(void)function, (void)pool, (void)next, (void)done, (void)data, (void)options, (void)error;
	return 0;
}

int ramet_function_reduce(const struct ramet_function *function, ramet_pool *pool,
			  const void *tasks, size_t count, const struct ramet_function *combine,
			  void *ret, const ramet_pool_map_options *options, ramet_error *error)
{
	(void)function, (void)pool, (void)tasks, (void)count, (void)combine, (void)ret;
	(void)options, (void)error;
	return 0;
}
