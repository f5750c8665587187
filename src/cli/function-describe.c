/* SPDX-License-Identifier: BSD-3-Clause */
/* Called in a context: where it is, and whom it has started. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/format.h"
#include "cli/functions.h"

/* Where accounts come from elsewhere, a number has to do: a static program cannot load libc's modules
 * for that (see nsswitch.conf(5)). */
#define ACCOUNTS "/etc/passwd"
#define ACCOUNTS_MAX (64 << 10)

/* The name in a line "NAME:PASSWORD:UID:..."; false: it is another account's. `uid` is ":UID:". */
static bool find_name(char *line, const char *uid)
{
	char *end = line + strlen(line), *name = memchr(line, ':', (size_t)(end - line));
	char *number = name ? memchr(name + 1, ':', (size_t)(end - name - 1)) : NULL;

	if (!number || strncmp(number, uid, strlen(uid)) != 0)
		return false;
	*name = '\0';
	return true;
}

static const char *user_name(ramet_call *call)
{
	char *text = ramet_call_alloc(call, ACCOUNTS_MAX), *next, *end, uid[16];
	int fd = open(ACCOUNTS, O_RDONLY | O_CLOEXEC);
	ssize_t size = text && fd >= 0 ? read(fd, text, ACCOUNTS_MAX - 1) : -1;

	if (fd >= 0)
		close(fd);
	if (!text)
		return "?";
	end = text + (size > 0 ? size : 0);
	*end = '\0';
	rmt_format(uid, sizeof(uid), ":%u:", (unsigned)geteuid());
	for (char *line = text; line; line = next) {
		next = memchr(line, '\n', (size_t)(end - line));
		if (next)
			*next++ = '\0';
		if (find_name(line, uid))
			return line;
	}
	rmt_format(text, ACCOUNTS_MAX, "%u", (unsigned)geteuid());
	return text;
}

RAMET_DEFINE(description, describe)
{
	ramet_router *router = ramet_call_router(call);
	struct utsname *system = ramet_call_alloc(call, sizeof(*system));
	description here = {.host = "?", .machine = "?", .user = user_name(call)};
	size_t count = 0;

	if (system && uname(system) == 0) {
		here.host = system->nodename;
		here.machine = system->machine;
	}
	while (ramet_router_child(router, count))
		count++;
	here.children.items = ramet_call_alloc(call, count * sizeof(*here.children.items));
	if (!here.children.items) {
		ramet_fail(call, ENOMEM, "out of memory");
		return here;
	}
	/* One that has ended meanwhile is no longer in the list. */
	for (size_t i = 0; i < count; i++) {
		ramet_context *child = ramet_router_child(router, i);

		if (child)
			here.children.items[here.children.count++] = child;
	}
	return here;
}

RAMET_DEFINE(none, do_nothing)
{
}
