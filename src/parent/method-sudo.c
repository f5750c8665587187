/* SPDX-License-Identifier: BSD-3-Clause */
/* sudo: another user of the same machine. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "parent/keys.h"
#include "parent/method.h"
#include "parent/prompt.h"

enum option { USER, ENVIRONMENT, HOME, LOGIN, ROLE, TYPE, STDIN, NON_INTERACTIVE, OPTIONS };

/*
 * What `args` may say, as people have it in their settings for sudo: it is understood, and said anew.
 * The key wins over the option. -S and -n mean nothing here, where there is always a terminal.
 */
static const struct {
	char letter;
	bool has_value;
	const char *name, *key;
} options[OPTIONS] = {
	[USER] = {'u', true, "user", "username"},
	[ENVIRONMENT] = {'E', false, "preserve-env", "preserve_env"},
	[HOME] = {'H', false, "set-home", "set_home"},
	[LOGIN] = {'i', false, "login", "login"},
	[ROLE] = {'r', true, "role", "selinux_role"},
	[TYPE] = {'t', true, "type", "selinux_type"},
	[STDIN] = {'S', false, "stdin", NULL},
	[NON_INTERACTIVE] = {'n', false, "non-interactive", NULL},
};

struct parser {
	struct rmt_command words;
	size_t at;
	const char *values[OPTIONS]; /* "" for one without */
	ramet_error *error;
};

static int complain(const struct parser *parser, const char *what)
{
	return rmt_error_set(parser->error, EINVAL, "args: sudo: %s: %s", what,
			     parser->words.argv[parser->at]);
}

/* The value stands behind the option, or is the next word. */
static int take_value(struct parser *parser, enum option option, const char *behind)
{
	if (!behind && parser->at + 1 == parser->words.count)
		return complain(parser, "a value is expected behind the option");
	parser->values[option] = behind ? behind : parser->words.argv[++parser->at];
	return 0;
}

static int take_long(struct parser *parser, const char *word)
{
	size_t size = strcspn(word, "=");

	for (enum option i = 0; i < OPTIONS; i++) {
		if (strlen(options[i].name) != size || memcmp(options[i].name, word, size) != 0)
			continue;
		if (options[i].has_value)
			return take_value(parser, i, word[size] ? word + size + 1 : NULL);
		if (word[size])
			break;
		parser->values[i] = "";
		return 0;
	}
	return complain(parser, "there is no such option here");
}

static int take_letters(struct parser *parser, const char *letters)
{
	for (; *letters; letters++) {
		enum option i = 0;

		while (i < OPTIONS && options[i].letter != *letters)
			i++;
		if (i == OPTIONS)
			return complain(parser, "there is no such option here");
		if (options[i].has_value)
			return take_value(parser, i, letters[1] ? letters + 1 : NULL);
		parser->values[i] = "";
	}
	return 0;
}

/* The words are kept in the parser: values point into them. */
static int parse(const struct rmt_hop *hop, struct parser *parser)
{
	const char *args = rmt_hop_key(hop, "args");
	int r = 0;

	rmt_command_init(&parser->words);
	if (args)
		rmt_command_add_words(&parser->words, args);
	if (parser->words.error < 0)
		return rmt_error_set(parser->error, ENOMEM, "out of memory");
	for (; parser->at < parser->words.count && r == 0; parser->at++) {
		const char *word = parser->words.argv[parser->at];

		if (word[0] != '-' || !word[1] || strcmp(word, "--") == 0)
			r = complain(parser, "only options are expected");
		else if (word[1] == '-')
			r = take_long(parser, word + 2);
		else
			r = take_letters(parser, word + 1);
	}
	return r;
}

static int check(const struct rmt_hop *hop, ramet_error *error)
{
	struct parser parser = {.error = error};
	int r = parse(hop, &parser);

	rmt_command_done(&parser.words);
	return r < 0 ? r : rmt_check_user(hop, error);
}

static void add_options(const struct rmt_hop *hop, const struct parser *parser,
			struct rmt_command *command)
{
	for (enum option i = USER; i < STDIN; i++) {
		const char *value = rmt_hop_key(hop, options[i].key);

		if (i == USER && (value || hop->target || !parser->values[USER]))
			value = rmt_hop_user(hop);
		if (!value)
			value = parser->values[i];
		if (!value || (!options[i].has_value && strcmp(value, "no") == 0))
			continue;
		rmt_command_add(command, (const char[]){'-', options[i].letter, 0});
		if (options[i].has_value)
			rmt_command_add(command, value);
		/* A login shell gets the words as one line, in which sudo escapes everything but
		 * "$". */
		if (i == LOGIN)
			command->form = RMT_FORM_CODED;
	}
}

static void fill(const struct rmt_hop *hop, struct rmt_command *command)
{
	struct parser parser = {0};

	rmt_tool_expand(hop, "{tool|sudo} -p " RMT_SUDO_PROMPT, command);
	if (parse(hop, &parser) < 0)
		command->error = -ENOMEM; /* all else was checked */
	add_options(hop, &parser, command);
	rmt_command_add(command, "--");
	rmt_command_done(&parser.words);
}

const struct rmt_method rmt_method_sudo = {
	.name = "sudo",
	.keys = "tool username password preserve_env=yes|no set_home=yes|no login=yes|no "
		"selinux_role selinux_type",
	.target = RMT_TARGET_OPTIONAL,
	.check = check,
	.command = rmt_tool_command,
	.fill = fill,
	.form = RMT_FORM_WORDS,
	.terminal = RMT_TERMINAL_HYBRID,
	.prompts = &rmt_prompts_sudo,
	.guards = true,
};
