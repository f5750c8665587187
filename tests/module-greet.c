/* SPDX-License-Identifier: BSD-3-Clause */
/* A module as people write them, for test-module.c. */
#include <stdio.h>
#include <unistd.h>

#include <ramet.h>

RAMET_MODULE(greet);

RAMET_STRUCT(greeting, (str, text), (i64, pid), (i64, count));

static int64_t count;

RAMET_FUNCTION(greeting, greet_hello, (str, name))
{
	char *text = (char *)ramet_call_alloc(call, 64);
	greeting result = {text, getpid(), ++count};

	if (text)
		snprintf(text, 64, "hello, %s", name);
	return result;
}

RAMET_FUNCTION(none, greet_fail, (i32, code))
{
	ramet_fail(call, code, "this is not polite");
}
