/* SPDX-License-Identifier: BSD-3-Clause */
/* A header with kinds and a declaration, for two source files of one program. */
#ifndef GOOD_KINDS_H
#define GOOD_KINDS_H

#include <ramet.h>

RAMET_STRUCT(everything, (boolean, a), (i32, b), (i64, c), (u64, d), (f64, e), (str, f), (bytes, g),
	     (value, h), (context, i), (sender, j));
RAMET_ARRAY(everythings, everything);
RAMET_ARRAY(strings, str);
RAMET_ARRAY(numbers, i64);
RAMET_ARRAY(tables, numbers);
RAMET_STRUCT(deep, (everythings, all), (strings, words), (tables, rows), (everything, one));

RAMET_DECLARE(deep, copy, (deep, original), (strings, names));
RAMET_DECLARE(none, nothing);

#endif
