/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/keys.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/format.h"
#include "base/limits.h"
#include "base/number.h"

bool rmt_keys_have(const char *list, const char *name, const char **ret_values)
{
	size_t size = strlen(name);

	while (*list) {
		size_t length = strcspn(list, " ="), whole = strcspn(list, " ");

		if (length == size && memcmp(list, name, size) == 0) {
			*ret_values = length < whole ? list + length + 1 : NULL;
			return true;
		}
		list += whole;
		list += strspn(list, " ");
	}
	return false;
}

static bool number_within(const char *text, const char *values)
{
	const char *most = strchr(values, '-') + 1;
	char least[24] = "", size[24] = "";
	int64_t from, to, number;

	rmt_format(least, sizeof(least), "%.*s", (int)(most - 1 - values), values);
	rmt_format(size, sizeof(size), "%.*s", (int)strcspn(most, " "), most);
	return rmt_number_parse(least, 10, 0, INT64_MAX, &from) &&
	       rmt_number_parse(size, 10, 0, INT64_MAX, &to) &&
	       rmt_number_parse(text, 10, from, to, &number);
}

static bool word_among(const char *text, const char *values)
{
	size_t size = strlen(text);

	for (;;) {
		size_t length = strcspn(values, "| ");

		if (length == size && memcmp(values, text, size) == 0)
			return true;
		if (values[length] != '|')
			return false;
		values += length + 1;
	}
}

int rmt_keys_check(const struct rmt_key *key, const char *values, ramet_error *error)
{
	if (!values)
		return *key->value ? 0
				   : rmt_error_set(error, EINVAL, "%s=: a value is expected",
						   key->name);
	if (isdigit((unsigned char)*values) ? number_within(key->value, values)
					    : word_among(key->value, values))
		return 0;
	return rmt_error_set(error, EINVAL, "%s=%s: %s%.*s is expected", key->name, key->value,
			     isdigit((unsigned char)*values) ? "a number of " : "",
			     (int)strcspn(values, " "), values);
}

bool rmt_hop_is(const struct rmt_hop *hop, const char *name, const char *value)
{
	const char *text = rmt_hop_key(hop, name);

	return text && strcmp(text, value) == 0;
}

bool rmt_hop_flag(const struct rmt_hop *hop, const char *name, bool otherwise)
{
	return otherwise ? !rmt_hop_is(hop, name, "no") : rmt_hop_is(hop, name, "yes");
}

long rmt_hop_number(const struct rmt_hop *hop, const char *name, long otherwise)
{
	const char *text = rmt_hop_key(hop, name);

	int64_t number = otherwise;

	if (text)
		rmt_number_parse(text, 10, INT32_MIN, INT32_MAX, &number);
	return (long)number;
}

const char *rmt_hop_user(const struct rmt_hop *hop)
{
	const char *user = hop->target ? hop->target : rmt_hop_key(hop, "username");

	return user ? user : "root";
}

int rmt_hop_timeout(const struct rmt_hop *hop, int otherwise)
{
	long timeout = rmt_hop_number(hop, "connect_timeout", otherwise);

	/* Of a hop for another context, nobody here has checked the keys. */
	return timeout < 1 || timeout > RMT_CONNECT_TIMEOUT_MAX ? otherwise : (int)timeout;
}

const char *rmt_hop_shell(const struct rmt_hop *hop)
{
	const char *shell = rmt_hop_key(hop, "shell");

	return shell ? shell : "/bin/sh";
}

char *rmt_hop_remote_name(const struct rmt_hop *hop)
{
	const char *given = rmt_hop_key(hop, "remote_name"), *user = getenv("USER");
	struct rmt_buffer out = RMT_BUFFER_INIT;
	char host[65] = "";

	if (given)
		return strdup(given);
	gethostname(host, sizeof(host) - 1);
	if (user)
		rmt_buffer_printf(&out, "%s@%s:%d", user, host, (int)getpid());
	else
		rmt_buffer_printf(&out, "%u@%s:%d", (unsigned)getuid(), host, (int)getpid());
	for (size_t i = 0; i < out.size; i++)
		if (out.data[i] == '/' || out.data[i] == '\\')
			out.data[i] = '_';
	return rmt_buffer_steal_string(&out);
}
