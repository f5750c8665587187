/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A method: how to get from a context to a new one. Some start the program themselves (local, fork),
 * one joins a socket (unix); all others run a tool (ssh, sudo, docker ...) that leads to a shell, in
 * which the first stage (stage.h) does the rest.
 */
#pragma once

#include <sys/types.h>

#include "core/router.h"
#include "parent/command.h"
#include "parent/path.h"
#include "ramet.h"

enum rmt_target {
	RMT_TARGET_NONE,
	RMT_TARGET_OPTIONAL,
	RMT_TARGET_REQUIRED,
};

struct rmt_method {
	const char *name;
	/* its own keys (keys.h), besides those of setup.h and, for tools, RMT_TOOL_KEYS; NULL: none */
	const char *keys;
	enum rmt_target target;
	/* NULL, or: 0, or -EINVAL and an error: target and keys that make no sense (together). */
	int (*check)(const struct rmt_hop *hop, ramet_error *error);

	/* Exactly one of these is set. */

	/* Starts the program; fds become 0 (a socket), 1 and 2 of the child. 0, or a negative errno
	 * and an error. Does not return in a forked child. */
	int (*launch)(ramet_router *router, const struct rmt_hop *hop, const char *path,
		      const int fds[3], pid_t *ret_pid, ramet_error *error);
	/* Connects to a context that waits for a parent: a socket, close-on-exec. */
	int (*join)(const struct rmt_hop *hop, int *ret_fd, ramet_error *error);
	/* Says what tool to run. `command` is empty, with the defaults of rmt_command_init(), and
	 * collects its own lack of memory. It is rmt_tool_command for all of them. */
	void (*command)(const struct rmt_hop *hop, struct rmt_command *command);

	/* For methods with a command: its words, as rmt_tool_expand() reads them; or who adds them,
	 * knowing what the members below (and the key `tty`) have made of the command. */
	const char *words;
	void (*fill)(const struct rmt_hop *hop, struct rmt_command *command);
	enum rmt_form form;
	enum rmt_terminal_use terminal;
	const struct rmt_prompts *prompts;
	const char *hint;
	bool crowded;
	bool guards; /* the tool would end its command when it is ended itself by force */
};

/* Keys of every method, and of every method with a command. */
#define RMT_METHOD_KEYS "connect_timeout=1-86400000"
#define RMT_TOOL_KEYS "args shell dir image tty=no|hybrid|full remote_name"

extern const struct rmt_method rmt_method_local, rmt_method_fork, rmt_method_ssh, rmt_method_sudo,
	rmt_method_nsenter, rmt_method_unix;

/* Those that need no code of their own. */
extern const struct rmt_method rmt_tool_methods[];
extern const size_t rmt_tool_method_count;

/* A check: the user is the target or the key `username`, not both. */
int rmt_check_user(const struct rmt_hop *hop, ramet_error *error);

/* The index-th of all; NULL behind the last. */
const struct rmt_method *rmt_method_get(size_t index);

/* The method of that name, or NULL. */
const struct rmt_method *rmt_method_named(const char *name);

void rmt_tool_command(const struct rmt_hop *hop, struct rmt_command *command);

/*
 * Adds words made from a text of words, separated by blanks:
 *
 *	WORD		itself
 *	...{KEY}...	with the value of the key; left out when the hop has no such key
 *	...{KEY|TEXT}	with the text instead
 *	{}  {@}		the target; the user that rmt_hop_user() finds
 *	{*KEY}  {*}	each word of the key's value, of the target
 *	?KEY:...	only when the key is there and not "no"
 *	!KEY:...	only otherwise
 */
void rmt_tool_expand(const struct rmt_hop *hop, const char *words, struct rmt_command *command);

/* The method of a hop, its target and keys checked. -EPROTONOSUPPORT, -EINVAL. */
int rmt_method_find(const struct rmt_hop *hop, const struct rmt_method **ret_method,
		    ramet_error *error);
