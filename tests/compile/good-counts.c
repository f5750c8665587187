/* SPDX-License-Identifier: BSD-3-Clause */
/* 0 to 12 parameters and fields. */
#include <ramet.h>

RAMET_FUNCTION(i32, sum0)
{
	return 0;
}

RAMET_FUNCTION(i32, sum1, (i32, a))
{
	return a;
}

RAMET_FUNCTION(i32, sum2, (i32, a), (i32, b))
{
	return a + b;
}

RAMET_FUNCTION(i32, sum3, (i32, a), (i32, b), (i32, c))
{
	return a + b + c;
}

RAMET_FUNCTION(i32, sum4, (i32, a), (i32, b), (i32, c), (i32, d))
{
	return a + b + c + d;
}

RAMET_FUNCTION(i32, sum5, (i32, a), (i32, b), (i32, c), (i32, d), (i32, e))
{
	return a + b + c + d + e;
}

RAMET_FUNCTION(i32, sum6, (i32, a), (i32, b), (i32, c), (i32, d), (i32, e), (i32, f))
{
	return a + b + c + d + e + f;
}

RAMET_FUNCTION(i32, sum7, (i32, a), (i32, b), (i32, c), (i32, d), (i32, e), (i32, f), (i32, g))
{
	return a + b + c + d + e + f + g;
}

RAMET_FUNCTION(i32, sum8, (i32, a), (i32, b), (i32, c), (i32, d), (i32, e), (i32, f), (i32, g),
	       (i32, h))
{
	return a + b + c + d + e + f + g + h;
}

RAMET_FUNCTION(i32, sum9, (i32, a), (i32, b), (i32, c), (i32, d), (i32, e), (i32, f), (i32, g),
	       (i32, h), (i32, i))
{
	return a + b + c + d + e + f + g + h + i;
}

RAMET_FUNCTION(i32, sum10, (i32, a), (i32, b), (i32, c), (i32, d), (i32, e), (i32, f), (i32, g),
	       (i32, h), (i32, i), (i32, j))
{
	return a + b + c + d + e + f + g + h + i + j;
}

RAMET_FUNCTION(i32, sum11, (i32, a), (i32, b), (i32, c), (i32, d), (i32, e), (i32, f), (i32, g),
	       (i32, h), (i32, i), (i32, j), (i32, k))
{
	return a + b + c + d + e + f + g + h + i + j + k;
}

RAMET_FUNCTION(i32, sum12, (i32, a), (i32, b), (i32, c), (i32, d), (i32, e), (i32, f), (i32, g),
	       (i32, h), (i32, i), (i32, j), (i32, k), (i32, l))
{
	return a + b + c + d + e + f + g + h + i + j + k + l;
}

RAMET_STRUCT(s1, (i32, a));
RAMET_STRUCT(s2, (i32, a), (i32, b));
RAMET_STRUCT(s3, (i32, a), (i32, b), (i32, c));
RAMET_STRUCT(s4, (i32, a), (i32, b), (i32, c), (i32, d));
RAMET_STRUCT(s5, (i32, a), (i32, b), (i32, c), (i32, d), (i32, e));
RAMET_STRUCT(s6, (i32, a), (i32, b), (i32, c), (i32, d), (i32, e), (i32, f));
RAMET_STRUCT(s7, (i32, a), (i32, b), (i32, c), (i32, d), (i32, e), (i32, f), (i32, g));
RAMET_STRUCT(s8, (i32, a), (i32, b), (i32, c), (i32, d), (i32, e), (i32, f), (i32, g), (i32, h));
RAMET_STRUCT(s9, (i32, a), (i32, b), (i32, c), (i32, d), (i32, e), (i32, f), (i32, g), (i32, h),
	     (i32, i));
RAMET_STRUCT(s10, (i32, a), (i32, b), (i32, c), (i32, d), (i32, e), (i32, f), (i32, g), (i32, h),
	     (i32, i), (i32, j));
RAMET_STRUCT(s11, (i32, a), (i32, b), (i32, c), (i32, d), (i32, e), (i32, f), (i32, g), (i32, h),
	     (i32, i), (i32, j), (i32, k));
RAMET_STRUCT(s12, (i32, a), (i32, b), (i32, c), (i32, d), (i32, e), (i32, f), (i32, g), (i32, h),
	     (i32, i), (i32, j), (i32, k), (i32, l));

int use(ramet_context *context, int32_t *sum);

int use(ramet_context *context, int32_t *sum)
{
	s12 all = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
	return sum0_call(context, sum, NULL) + sum1_call(context, 1, sum, NULL) +
	       sum12_call(context, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, all.l, sum, NULL);
}
