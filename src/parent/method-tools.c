/* SPDX-License-Identifier: BSD-3-Clause */
/* The methods that are data: other users, containers, clusters, any command. */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "parent/keys.h"
#include "parent/method.h"
#include "parent/prompt.h"

#define LXC_HINT                                                                            \
	"it may be that the program could not be executed in the container: some versions " \
	"of this tool do not say so, but its host's logs in /var/log do"

/* Containers that may be running, or made from an image for this one use. The image's own entry point
 * would take our shell for its argument. */
#define DOCKER_KEYS "tool username exec_args run=yes|no"
#define DOCKER_WORDS                                                              \
	" {*args} !run:exec ?run:run ?run:--rm ?run:--entrypoint= --interactive " \
	"--user={username} "                                                      \
	"{*exec_args} {}"

#define LXD_KEYS "tool uid=0-4294967294 gid=0-4294967294 exec_args"
#define LXD_WORDS \
	" {*args} exec --mode=non-interactive --user={uid} --group={gid} {*exec_args} {} --"

int rmt_check_user(const struct rmt_hop *hop, ramet_error *error)
{
	if (hop->target && rmt_hop_key(hop, "username"))
		return rmt_error_set(error, EINVAL,
				     "hop '%s': the user is the target, or the key username",
				     hop->text);
	return 0;
}

static int check_exec(const struct rmt_hop *hop, ramet_error *error)
{
	if (rmt_command_add_words(NULL, hop->target) < 0)
		return rmt_error_set(error, EINVAL, "hop '%s': a quote is open", hop->text);
	if (!hop->target[strspn(hop->target, " \t\n")])
		return rmt_error_set(error, EINVAL, "hop '%s': a command is expected", hop->text);
	return 0;
}

static void fill_exec(const struct rmt_hop *hop, struct rmt_command *command)
{
	if (rmt_hop_is(hop, "as", "line"))
		command->form = RMT_FORM_LINE;
	else if (rmt_hop_is(hop, "as", "input"))
		command->form = RMT_FORM_INPUT;
	rmt_tool_expand(hop, "{*} {*args}", command);
}

/* A job has a number; everything else is a node. */
static bool is_job(const char *target)
{
	return isdigit((unsigned char)*target) && !target[strspn(target, "0123456789_+.")];
}

static int check_srun(const struct rmt_hop *hop, ramet_error *error)
{
	const char *key = !hop->target ? NULL : is_job(hop->target) ? "jobid" : "nodelist";

	if (key && rmt_hop_key(hop, key))
		return rmt_error_set(error, EINVAL, "hop '%s': the %s is the target, or a key",
				     hop->text, key);
	return 0;
}

/*
 * Unbuffered, because slurmstepd else sends whole lines only. The task's output is then a terminal
 * whose processing slurmstepd has turned off: bytes survive.
 */
static void fill_srun(const struct rmt_hop *hop, struct rmt_command *command)
{
	rmt_tool_expand(hop,
			"{tool|srun} --nodes=1 --ntasks=1 --unbuffered --jobid={jobid} "
			"--nodelist={nodelist} --partition={partition}",
			command);
	if (hop->target)
		rmt_tool_expand(hop, is_job(hop->target) ? "--jobid={}" : "--nodelist={}", command);
	rmt_tool_expand(hop, "{*args}", command);
}

const struct rmt_method rmt_tool_methods[] = {
	{
		.name = "su",
		.keys = "tool username password password_prompt incorrect_prompts login=yes|no",
		.target = RMT_TARGET_OPTIONAL,
		.check = rmt_check_user,
		.command = rmt_tool_command,
		.words = "{tool|su} ?login:-l {*args} {@} -c",
		.form = RMT_FORM_LINE,
		.terminal = RMT_TERMINAL_FULL,
		.prompts = &rmt_prompts_su,
		.guards = true,
	},
	{
		.name = "doas",
		.keys = "tool username password password_prompt incorrect_prompts",
		.target = RMT_TARGET_OPTIONAL,
		.check = rmt_check_user,
		.command = rmt_tool_command,
		.words = "{tool|doas} {*args} -u {@} --",
		.terminal = RMT_TERMINAL_HYBRID,
		.prompts = &rmt_prompts_doas,
		.guards = true,
	},
	{
		.name = "docker",
		.keys = DOCKER_KEYS,
		.target = RMT_TARGET_REQUIRED,
		.command = rmt_tool_command,
		.words = "{tool|docker}" DOCKER_WORDS,
	},
	{
		.name = "podman",
		.keys = DOCKER_KEYS,
		.target = RMT_TARGET_REQUIRED,
		.command = rmt_tool_command,
		.words = "{tool|podman}" DOCKER_WORDS,
	},
	{
		.name = "buildah",
		.keys = "tool username exec_args",
		.target = RMT_TARGET_REQUIRED,
		.command = rmt_tool_command,
		.words = "{tool|buildah} {*args} run --user={username} {*exec_args} -- {}",
	},
	{
		.name = "kubectl",
		.keys = "tool namespace container exec_args",
		.target = RMT_TARGET_REQUIRED,
		.command = rmt_tool_command,
		.words = "{tool|kubectl} {*args} --namespace={namespace} exec --stdin "
			 "--container={container} {*exec_args} {} --",
	},
	{
		/* Its streams are copied through a terminal if one of its own is a terminal: none
		 * is. */
		.name = "lxc",
		.keys = "tool uid=0-4294967294 gid=0-4294967294",
		.target = RMT_TARGET_REQUIRED,
		.command = rmt_tool_command,
		.words = "{tool|lxc-attach} {*args} --clear-env --uid={uid} --gid={gid} --name {} "
			 "--",
		.hint = LXC_HINT,
	},
	{
		.name = "lxd",
		.keys = LXD_KEYS,
		.target = RMT_TARGET_REQUIRED,
		.command = rmt_tool_command,
		.words = "{tool|lxc}" LXD_WORDS,
		.hint = LXC_HINT,
	},
	{
		.name = "incus",
		.keys = LXD_KEYS,
		.target = RMT_TARGET_REQUIRED,
		.command = rmt_tool_command,
		.words = "{tool|incus}" LXD_WORDS,
		.hint = LXC_HINT,
	},
	{
		.name = "jail",
		.keys = "tool username",
		.target = RMT_TARGET_REQUIRED,
		.command = rmt_tool_command,
		.words = "{tool|jexec} {*args} ?username:-U {username} {}",
	},
	{
		/* `machinectl shell` puts a terminal between the shell and us, which changes bytes. A
		 * service of the container's own manager gets our pipes instead. The manager expands
		 * "$" in its command. */
		.name = "machinectl",
		.keys = "tool username",
		.target = RMT_TARGET_REQUIRED,
		.command = rmt_tool_command,
		.words = "{tool|systemd-run} --machine={} --quiet --pipe --wait --collect "
			 "--uid={username} {*args} --",
		.form = RMT_FORM_CODED,
	},
	{
		.name = "chroot",
		.keys = "tool username groups",
		.target = RMT_TARGET_REQUIRED,
		.command = rmt_tool_command,
		.words = "{tool|chroot} --userspec={username} --groups={groups} {*args} {}",
	},
	{
		.name = "srun",
		.keys = "tool jobid nodelist partition",
		.target = RMT_TARGET_OPTIONAL,
		.check = check_srun,
		.command = rmt_tool_command,
		.fill = fill_srun,
	},
	{
		.name = "exec",
		.keys = "as=words|line|input",
		.target = RMT_TARGET_REQUIRED,
		.check = check_exec,
		.command = rmt_tool_command,
		.fill = fill_exec,
	},
};

const size_t rmt_tool_method_count = RMT_COUNT(rmt_tool_methods);
