/* SPDX-License-Identifier: BSD-3-Clause */
/* Another file of the same program: it includes the same kinds, and calls what is defined elsewhere. */
#include <string.h>

#include "good-kinds.h"

int use(ramet_context *context, ramet_receiver *receiver, ramet_error *error);

int use(ramet_context *context, ramet_receiver *receiver, ramet_error *error)
{
	const char *words[] = {"a", "b"};
	strings names = {words, 2};
	deep original, result;

	memset(&original, 0, sizeof(original));
	if (copy_call(context, original, names, &result, error) < 0 ||
	    copy_finish(receiver, -1, &result, error) < 0 ||
	    copy_start(context, original, names, &receiver, error) < 0 ||
	    copy_post(context, original, names, error) < 0)
		return -1;
	deep_clear(&result);
	return nothing_call(context, error) + nothing_finish(receiver, 0, error);
}
