/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared objects that cannot be loaded, each for a reason of its own: see tests/meson.build. */
#include <ramet.h>

#ifndef ODD_PLAIN
RAMET_MODULE(odd);
#endif

#ifdef ODD_UNDEFINED
void nobody_has_this(void);
#endif

RAMET_FUNCTION(i64, ODD_FUNCTION)
{
#ifdef ODD_UNDEFINED
	nobody_has_this();
#endif
	return 1;
}
