/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/setup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/format.h"
#include "base/number.h"

#define ENV_PREFIX "env."

static bool is_env(const char *name)
{
	return strncmp(name, ENV_PREFIX, strlen(ENV_PREFIX)) == 0;
}

bool rmt_setup_has_key(const char *name)
{
	static const char *const keys[] = {"cwd", "nice", "umask", "name"};

	for (size_t i = 0; i < RMT_COUNT(keys); i++)
		if (strcmp(name, keys[i]) == 0)
			return true;
	return is_env(name);
}

static bool parse_number(const char *text, unsigned base, int least, int most, int *ret)
{
	int64_t number;

	if (!rmt_number_parse(text, base, least, most, &number))
		return false;
	*ret = (int)number;
	return true;
}

static int check_key(const struct rmt_key *key, ramet_error *error)
{
	int number;

	if (strcmp(key->name, "nice") == 0 && !parse_number(key->value, 10, -20, 19, &number))
		return rmt_error_set(error, EINVAL, "nice=%s: a number from -20 to 19 is expected",
				     key->value);
	if (strcmp(key->name, "umask") == 0 && !parse_number(key->value, 8, 0, 0777, &number))
		return rmt_error_set(error, EINVAL,
				     "umask=%s: an octal number from 0 to 777 is expected",
				     key->value);
	if (strcmp(key->name, "cwd") == 0 && !*key->value)
		return rmt_error_set(
			error, EINVAL,
			"cwd=: a directory is expected (in a path, '/' is written %%2F)");
	if (strcmp(key->name, "name") == 0 && (!*key->value || strpbrk(key->value, "/\\#")))
		return rmt_error_set(error, EINVAL,
				     "name=%s: a name is not empty and has no slash or '#'",
				     key->value);
	if (is_env(key->name) && (!key->name[strlen(ENV_PREFIX)] || strchr(key->name, '=')))
		return rmt_error_set(error, EINVAL, "%s: the name of a variable is expected",
				     key->name);
	return 0;
}

int rmt_setup_check(const struct rmt_hop *hop, ramet_error *error)
{
	for (size_t i = 0; i < hop->key_count; i++) {
		int r = check_key(&hop->keys[i], error);

		if (r < 0)
			return r;
	}
	return 0;
}

static int add_env(struct rmt_setup_texts *texts, const struct rmt_key *key)
{
	char *pair = rmt_format_new("%s=%s", key->name + strlen(ENV_PREFIX), key->value);

	if (!pair)
		return -ENOMEM;
	texts->pairs[texts->count] = pair;
	texts->env[texts->count++] = (struct rmt_text){pair, strlen(pair)};
	return 0;
}

int rmt_setup_from_hop(const struct rmt_hop *hop, struct rmt_setup *ret_setup,
		       struct rmt_setup_texts *texts)
{
	struct rmt_setup setup = {.umask = -1};
	int r = 0;

	*texts = (struct rmt_setup_texts){
		.env = calloc(hop->key_count + 1, sizeof(*texts->env)),
		.pairs = calloc(hop->key_count + 1, sizeof(*texts->pairs)),
	};
	if (!texts->env || !texts->pairs)
		return -ENOMEM;
	for (size_t i = 0; i < hop->key_count && r == 0; i++) {
		const struct rmt_key *key = &hop->keys[i];

		if (strcmp(key->name, "cwd") == 0)
			setup.cwd = (struct rmt_text){key->value, strlen(key->value)};
		else if (strcmp(key->name, "nice") == 0)
			parse_number(key->value, 10, -20, 19, &setup.nice);
		else if (strcmp(key->name, "umask") == 0)
			parse_number(key->value, 8, 0, 0777, &setup.umask);
		else if (is_env(key->name))
			r = add_env(texts, key);
	}
	setup.env = texts->env;
	setup.env_count = texts->count;
	if (r == 0)
		*ret_setup = setup;
	return r;
}

void rmt_setup_texts_done(struct rmt_setup_texts *texts)
{
	for (size_t i = 0; i < texts->count; i++)
		free(texts->pairs[i]);
	free(texts->pairs);
	free(texts->env);
}
