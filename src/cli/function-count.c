/* SPDX-License-Identifier: BSD-3-Clause */
/* Called in a context: what it does does not travel, and is fetched when it is called. */
#include "cli/functions.h"
#include "parent/gate.h"

RAMET_DEFINE(count_result, count_words, (pieces, input))
{
	ramet_error error = RAMET_ERROR_INIT;
	count_result result = {0};
	int r = rmt_gate_open(&error);

	if (r == 0)
		result = rmt_count(call, input);
	else
		ramet_fail(call, r, "cannot count: %s", error.message ? error.message : "?");
	ramet_error_clear(&error);
	return result;
}
