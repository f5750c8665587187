/* SPDX-License-Identifier: BSD-3-Clause */
/* Every kind, alone and in others; parameters named otherwise than in the declaration. */
#include "good-kinds.h"

RAMET_DEFINE(deep, copy, (deep, source), (strings, words))
{
	deep result = source;
	result.words = words;
	return result;
}

RAMET_DEFINE_CONCURRENT(none, nothing)
{
}

RAMET_CONCURRENT_FUNCTION(everythings, pass, (everythings, all), (tables, rows))
{
	if (rows.count > 0 && rows.items[0].count > 0 && rows.items[0].items[0] > 0)
		all.items[0].b++;
	return all;
}
