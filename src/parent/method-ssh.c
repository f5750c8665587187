/* SPDX-License-Identifier: BSD-3-Clause */
/* ssh: OpenSSH's client, with the user's own configuration. The target is [USER@]HOST[:PORT]. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/number.h"
#include "parent/keys.h"
#include "parent/method.h"
#include "parent/prompt.h"

#define PORT_MAX 65535

/* The parts of a target; they point into it. */
struct address {
	const char *user, *host, *port; /* user and port: NULL when absent */
	size_t user_size, host_size;
};

/* An IPv6 address stands in brackets, or alone. */
static struct address parse_target(const char *target)
{
	struct address address = {.host = target};
	const char *at = strrchr(target, '@'), *colon, *bracket;

	if (at) {
		address.user = target;
		address.user_size = (size_t)(at - target);
		address.host = at + 1;
	}
	bracket = *address.host == '[' ? strchr(address.host, ']') : NULL;
	if (bracket && (bracket[1] == ':' || !bracket[1])) {
		address.host++;
		address.host_size = (size_t)(bracket - address.host);
		address.port = bracket[1] ? bracket + 2 : NULL;
		return address;
	}
	colon = strchr(address.host, ':');
	address.port = colon && !strchr(colon + 1, ':') ? colon + 1 : NULL;
	address.host_size = address.port ? (size_t)(colon - address.host) : strlen(address.host);
	return address;
}

static int refuse(const struct rmt_hop *hop, ramet_error *error, const char *what)
{
	return rmt_error_set(error, EINVAL, "hop '%s': %s", hop->text, what);
}

static int check(const struct rmt_hop *hop, ramet_error *error)
{
	struct address address = parse_target(hop->target);

	if (address.host_size == 0 || *address.host == '-')
		return refuse(hop, error, "a host is expected, which does not begin with '-'");
	/* ssh puts the name into commands of the user's configuration (ProxyCommand), which a shell
	 * runs. */
	for (size_t i = 0; i < address.host_size; i++)
		if ((unsigned char)address.host[i] <= ' ' ||
		    strchr("'\"`$\\;&<>|(){}[]/\177", address.host[i]))
			return refuse(hop, error, "the host has a character that no host has");
	if (address.user && (address.user_size == 0 || rmt_hop_key(hop, "username")))
		return refuse(hop, error, "one user name is expected");
	if (address.port) {
		int64_t port;

		if (!rmt_number_parse(address.port, 10, 1, PORT_MAX, &port))
			return refuse(hop, error, "the port is a number of 1-65535");
		if (rmt_hop_key(hop, "port"))
			return refuse(hop, error, "one port is expected");
	}
	return 0;
}

static void option(struct rmt_command *command, const char *text)
{
	rmt_command_add(command, "-o");
	rmt_command_add(command, text);
}

/* With a terminal the question can be answered; without one, only a client that does not ask helps. */
static void add_host_key_policy(const struct rmt_hop *hop, struct rmt_command *command)
{
	if (rmt_hop_is(hop, "check_host_keys", "ignore")) {
		option(command, "StrictHostKeyChecking=no");
		option(command, "UserKnownHostsFile=/dev/null");
		option(command, "GlobalKnownHostsFile=/dev/null");
		return;
	}
	if (!rmt_hop_is(hop, "check_host_keys", "accept")) {
		option(command, "StrictHostKeyChecking=yes");
		return;
	}
	command->accept_host_key = true;
	option(command, command->terminal == RMT_TERMINAL_NONE ? "StrictHostKeyChecking=accept-new"
							       : "StrictHostKeyChecking=ask");
}

static void add_connection(const struct rmt_hop *hop, struct rmt_command *command)
{
	/* Without the key it is as the user's configuration has it, or not: images are compressed. */
	if (rmt_hop_key(hop, "compression"))
		option(command, rmt_hop_is(hop, "compression", "yes") ? "Compression=yes"
								      : "Compression=no");
	if (rmt_hop_flag(hop, "keepalive_enabled", true)) {
		rmt_tool_expand(hop,
				"-o ServerAliveInterval={keepalive_interval|15} "
				"-o ServerAliveCountMax={keepalive_count|3}",
				command);
	}
	/* Without a terminal there is nobody to ask, and ssh must not look for one. */
	if (command->terminal == RMT_TERMINAL_NONE)
		option(command, "BatchMode=yes");
	option(command, "NumberOfPasswordPrompts=1");
	add_host_key_policy(hop, command);
	/* What the user's configuration says of terminals, of commands and of what ~ means would
	 * spoil the bytes. */
	rmt_tool_expand(hop, "-T -e none {*args}", command);
}

static void fill(const struct rmt_hop *hop, struct rmt_command *command)
{
	struct address address = parse_target(hop->target);
	bool password = rmt_hop_key(hop, "password");
	long debug = rmt_hop_number(hop, "debug_level", 0);

	if (!rmt_hop_key(hop, "tty") &&
	    (password || command->answerable || rmt_hop_is(hop, "check_host_keys", "accept")))
		command->terminal = RMT_TERMINAL_HYBRID;
	rmt_tool_expand(hop, "{tool|ssh}", command);
	/* Banners, which may speak of passwords, are of a lower level than errors. */
	if (debug > 0)
		rmt_command_add_size(command, "-vvv", 1 + (size_t)debug);
	else
		option(command, "LogLevel=ERROR");
	rmt_tool_expand(hop, "?username:-l {username}", command);
	if (address.user) {
		rmt_command_add(command, "-l");
		rmt_command_add_size(command, address.user, address.user_size);
	}
	rmt_tool_expand(hop, "?port:-p {port}", command);
	if (address.port) {
		rmt_command_add(command, "-p");
		rmt_command_add(command, address.port);
	}
	if (rmt_hop_flag(hop, "identities_only", true) &&
	    (password || rmt_hop_key(hop, "identity_file")))
		option(command, "IdentitiesOnly=yes");
	rmt_tool_expand(hop, "?identity_file:-i {identity_file} ?config_file:-F {config_file}",
			command);
	add_connection(hop, command);
	rmt_command_add_size(command, address.host, address.host_size);
}

const struct rmt_method rmt_method_ssh = {
	.name = "ssh",
	.keys = "tool username port=1-65535 password identity_file identities_only=yes|no "
		"config_file check_host_keys=accept|enforce|ignore compression=yes|no "
		"keepalive_enabled=yes|no keepalive_interval=1-86400 keepalive_count=1-1000 "
		"debug_level=0-3",
	.target = RMT_TARGET_REQUIRED,
	.check = check,
	.command = rmt_tool_command,
	.fill = fill,
	.form = RMT_FORM_LINE,
	.prompts = &rmt_prompts_ssh,
	.crowded = true,
};
