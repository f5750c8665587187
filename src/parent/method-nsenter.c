/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nsenter: the namespaces of a process, or of a container's first process, with nothing of the
 * container's tools between it and us. The target is a process id or, with the key `kind`, the name
 * of a container.
 *
 * Asking the tool may take its time, so it is done in the command itself: a script on this side that
 * becomes util-linux' nsenter.
 */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "parent/keys.h"
#include "parent/method.h"

/*
 * Its words: kind, target, user, the tool to ask, nsenter, and what nsenter gets behind our options.
 *
 * A user namespace that is ours already cannot be entered (EINVAL). nsenter forks because of the
 * process namespace, which is that of its children only. It cannot set supplementary groups, so
 * setpriv does that before; not for another user namespace, in which the numbers are others.
 */
static const char script[] =
	"kind=$1 name=$2 user=$3 ask=$4 tool=${5:-nsenter}\n"
	"shift 5\n"
	"fail() {\n"
	"	printf 'nsenter: %s\\n' \"$1\" >&2\n"
	"	exit 1\n"
	"}\n"
	"leader() {\n"
	"	ask=$1\n"
	"	said=$(\"$@\" 2>&1) || fail \"$ask exited with status $?: $said\"\n"
	"	pid=$(printf '%s\\n' \"$said\" | while read -r key value; do\n"
	"		case $key in\n"
	"		PID: | Pid:) key=$value ;;\n"
	"		Leader=*) key=${key#*=} ;;\n"
	"		esac\n"
	"		case $key in\n"
	"		'' | *[!0-9]*) ;;\n"
	"		*) echo \"$key\"; break ;;\n"
	"		esac\n"
	"	done)\n"
	"	case $pid in\n"
	"	'' | 0) fail \"$ask names no process of $name (does it run?): $said\" ;;\n"
	"	esac\n"
	"}\n"
	"case $kind in\n"
	"pid) pid=$name ;;\n"
	"docker | podman) leader \"${ask:-$kind}\" inspect '--format={{.State.Pid}}' \"$name\" ;;\n"
	"lxc) leader \"${ask:-lxc-info}\" -n \"$name\" ;;\n"
	"lxd) leader \"${ask:-lxc}\" info \"$name\" ;;\n"
	"incus) leader \"${ask:-incus}\" info \"$name\" ;;\n"
	"machinectl) leader \"${ask:-machinectl}\" show -p Leader \"$name\" ;;\n"
	"esac\n"
	"[ -d \"/proc/$pid\" ] || fail \"there is no process $pid\"\n"
	"other=\n"
	"[ /proc/self/ns/user -ef \"/proc/$pid/ns/user\" ] || other=-U\n"
	"groups= before=\n"
	"if [ -n \"$user\" ]; then\n"
	"	found=\n"
	"	while IFS=: read -r login x uid gid x home shell; do\n"
	"		if [ \"$login\" = \"$user\" ] || [ \"$uid\" = \"$user\" ]; then\n"
	"			found=yes\n"
	"			break\n"
	"		fi\n"
	"	done <\"/proc/$pid/root/etc/passwd\"\n"
	"	[ -n \"$found\" ] || fail \"/etc/passwd of process $pid has no user $user\"\n"
	"	[ ! -r \"/proc/$pid/root/etc/group\" ] || while IFS=: read -r x x number members; "
	"do\n"
	"		case ,$members, in\n"
	"		*,\"$login\",*) groups=$groups,$number ;;\n"
	"		esac\n"
	"	done <\"/proc/$pid/root/etc/group\"\n"
	"	HOME=$home SHELL=${shell:-/bin/sh} USER=$login LOGNAME=$login\n"
	"	export HOME SHELL USER LOGNAME\n"
	"	set -- -S \"$uid\" \"$@\"\n"
	"	if [ -n \"$groups\" ] && [ -z \"$other\" ] && command -v setpriv >/dev/null; then\n"
	"		before=\"setpriv --regid $gid --groups $gid$groups\"\n"
	"	else\n"
	"		set -- -G \"$gid\" \"$@\"\n"
	"	fi\n"
	"fi\n"
	"exec $before \"$tool\" -t \"$pid\" -m -u -i -n -p $other -r -w \"$@\"\n";

static int check(const struct rmt_hop *hop, ramet_error *error)
{
	const char *target = hop->target;

	if (rmt_hop_key(hop, "kind"))
		return 0;
	if (target[strspn(target, "0123456789")] || *target == '0')
		return rmt_error_set(
			error, EINVAL,
			"hop '%s': the target is a process id or, with the key kind, the "
			"name of a container",
			hop->text);
	return 0;
}

static void fill(const struct rmt_hop *hop, struct rmt_command *command)
{
	rmt_command_add(command, "/bin/sh");
	rmt_command_add(command, "-c");
	rmt_command_add(command, script);
	rmt_tool_expand(hop, "nsenter {kind|pid} {} {username|} {kind_tool|} {tool|} {*args} --",
			command);
}

const struct rmt_method rmt_method_nsenter = {
	.name = "nsenter",
	.keys = "tool kind=docker|podman|lxc|lxd|incus|machinectl kind_tool username",
	.target = RMT_TARGET_REQUIRED,
	.check = check,
	.command = rmt_tool_command,
	.fill = fill,
};
