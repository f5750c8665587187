/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/hints.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/macro.h"

/* The first that fits counts. An empty method or phase, or the code 0, is any. */
static const struct hint {
	const char *method, *phase;
	int code;
	const char *text;
} hints[] = {
	{"", "", EPROTONOSUPPORT, "ramet-paths(7) lists the methods"},
	{"", "", EINVAL, "ramet-paths(7) says how paths are written, and which keys there are"},
	{"", "launch", ENOENT,
	 "install the tool on the machine before this hop, or say where it is: ?tool=..."},
	{"", "launch", EACCES, "the tool cannot be executed by this user: look at its mode"},
	{"", "launch", EAGAIN, "too many processes of this user: see ulimit -u"},
	{"ssh", "shell", ENOENT,
	 "is the name right? getent hosts NAME on the machine before this hop; ~/.ssh/config "
	 "there"},
	{"ssh", "shell", ECONNREFUSED, "is sshd running there, and is that its port? ?port=..."},
	{"ssh", "shell", EKEYREJECTED,
	 "compare the key's fingerprint with one from a source that you trust, then log in by hand "
	 "once, or say ?check_host_keys=accept for a host that is new"},
	{"ssh", "shell", EAGAIN,
	 "the server refuses connections: too many at once (MaxStartups), or this address"},
	{"ssh", "shell", EACCES,
	 "try ssh -v by hand; other keys and users: ?identity_file=...&username=..."},
	{"", "shell", EHOSTUNREACH, "network, VPN or firewall: does ping get there?"},
	{"", "shell", ENETUNREACH, "network, VPN or firewall: does ping get there?"},
	{"", "", ENOKEY, "give the password: ?password=ask, env:NAME or fd:N"},
	{"sudo", "shell", EACCES,
	 "wrong password, or not in sudoers: sudo -l says what is allowed"},
	{"", "shell", EACCES, "wrong password, or this user may not: try the command by hand"},
	{"", "shell", EPERM, "the account is locked, or has no shell"},
	{"", "", EKEYEXPIRED, "log in by hand once, to renew what has expired"},
	{"", "shell", ETIMEDOUT,
	 "a firewall that drops packets, or a tool that waits for an answer: try it by hand"},
	{"", "shell", 0, "run the command above by hand, with true behind it"},
	{"", "place", EACCES,
	 "all directories are noexec, read-only or full: make one, and say ?dir=..."},
	{"", "place", 0,
	 "make an image for that machine with ramet-cc --arch; it is looked for beside the program "
	 "and in $RAMET_IMAGE_PATH, or say ?image=..."},
	{"", "transfer", ETIMEDOUT, "the network is slow or stands still"},
	{"", "transfer", 0, "a full disk there, or something on the way that changes bytes"},
	{"", "exec", 0,
	 "what arrived cannot run there: a loader that is missing (link with ramet-cc), noexec, or "
	 "a policy; the logs of that machine may say"},
	{"", "handshake", 0, "the program began and ended: the logs of that machine may say why"},
};

static bool names_phase(const char *message, const char *phase)
{
	size_t size = strlen(phase);

	for (const char *at = message; (at = strstr(at, phase)); at += size)
		if (at[size] == ':' && (at == message || at[-1] == ' '))
			return true;
	return false;
}

/* "phase: ...", or behind the path of a context, "path: phase: ...". What a tool says itself, before
 * it has led to a shell, names none. */
static bool is_phase(const char *message, const char *phase)
{
	static const char *const others[] = {"launch", "place",     "transfer",
					     "exec",   "handshake", "setup"};

	if (!*phase || names_phase(message, phase))
		return true;
	if (strcmp(phase, "shell") != 0)
		return false;
	for (size_t i = 0; i < RMT_COUNT(others); i++)
		if (names_phase(message, others[i]))
			return false;
	return true;
}

static bool has_method(const char *hop, const char *method)
{
	size_t size = strlen(method);

	return size == 0 || (strcspn(hop, ":#?*") == size && strncmp(hop, method, size) == 0);
}

const char *rmt_hint(const char *hop, const char *message, int code)
{
	for (const struct hint *hint = hints; hint < hints + RMT_COUNT(hints); hint++)
		if (has_method(hop, hint->method) && is_phase(message, hint->phase) &&
		    (hint->code == 0 || hint->code == -code))
			return hint->text;
	return NULL;
}
