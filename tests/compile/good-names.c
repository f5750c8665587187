/* SPDX-License-Identifier: BSD-3-Clause */
/* Parameters, fields and functions may have the names that generated code and kinds have. */
#include <ramet.h>

RAMET_STRUCT(point, (f64, x), (f64, y));
RAMET_ARRAY(points, point);
RAMET_STRUCT(shape, (str, str), (point, point), (points, points), (i64, call), (i64, none));

RAMET_FUNCTION(points, corners, (points, points), (points, others), (point, point), (point, shape))
{
	(void)others;
	return point.x < shape.x ? points : others;
}

RAMET_FUNCTION(i64, all, (context, context), (str, error), (i64, ret), (i64, result),
	       (sender, receiver), (i64, timeout), (str, arguments), (str, name), (str, type),
	       (bytes, data), (i64, all), (i64, i64))
{
	(void)context;
	(void)receiver;
	return all + i64 + ret + result + timeout + (error == arguments) + (name == type) +
	       (int64_t)data.size;
}

RAMET_FUNCTION(str, str, (str, str), (value, value), (boolean, boolean), (i32, i32), (u64, u64))
{
	return value && boolean && i32 && u64 ? str : NULL;
}

RAMET_FUNCTION(none, none, (f64, none), (f64, args), (f64, index), (f64, list), (f64, kind))
{
	(void)none, (void)args, (void)index, (void)list, (void)kind;
}

int use(ramet_context *context, ramet_error *error);

int use(ramet_context *context, ramet_error *error)
{
	struct all_args arguments = {context, "", 1, 2, NULL, 3, "", "", "", {NULL, 0}, 4, 5};
	const char *answer;
	shape box = {"box", {1, 2}, {NULL, 0}, 0, 0};

	shape_clear(&box);
	return str_call(context, "", NULL, true, 1, 2, &answer, error) +
	       none_call(context, 1, 2, 3, 4, (double)arguments.ret, error);
}
