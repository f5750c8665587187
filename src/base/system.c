/* SPDX-License-Identifier: BSD-3-Clause */
/* Small facts about the system. */
#include <signal.h>
#include <sys/resource.h>

#include "base/format.h"
#include "base/macro.h"
#include "ramet.h"

static const struct {
	int number;
	const char *name;
} signals[] = {
#define SIGNAL(name)        \
	{                   \
		name, #name \
	}
	SIGNAL(SIGHUP),    SIGNAL(SIGINT),  SIGNAL(SIGQUIT),   SIGNAL(SIGILL),   SIGNAL(SIGTRAP),
	SIGNAL(SIGABRT),   SIGNAL(SIGBUS),  SIGNAL(SIGFPE),    SIGNAL(SIGKILL),  SIGNAL(SIGUSR1),
	SIGNAL(SIGSEGV),   SIGNAL(SIGUSR2), SIGNAL(SIGPIPE),   SIGNAL(SIGALRM),  SIGNAL(SIGTERM),
	SIGNAL(SIGCHLD),   SIGNAL(SIGCONT), SIGNAL(SIGSTOP),   SIGNAL(SIGTSTP),  SIGNAL(SIGTTIN),
	SIGNAL(SIGTTOU),   SIGNAL(SIGURG),  SIGNAL(SIGXCPU),   SIGNAL(SIGXFSZ),  SIGNAL(SIGPROF),
	SIGNAL(SIGIO),     SIGNAL(SIGSYS),  SIGNAL(SIGVTALRM), SIGNAL(SIGWINCH),
#ifdef SIGPWR
	SIGNAL(SIGPWR),
#endif
#ifdef SIGSTKFLT
	SIGNAL(SIGSTKFLT),
#endif
#undef SIGNAL
};

RMT_PUBLIC const char *ramet_signal_name(int signal)
{
	for (size_t i = 0; i < RMT_COUNT(signals); i++)
		if (signals[i].number == signal)
			return signals[i].name;
#ifdef SIGRTMIN
	static _Thread_local char name[16];

	if (signal >= SIGRTMIN && signal <= SIGRTMAX) {
		rmt_format(name, sizeof(name), "SIGRTMIN+%d", signal - SIGRTMIN);
		return name;
	}
#endif
	return NULL;
}

RMT_PUBLIC int ramet_open_max(void)
{
	struct rlimit limit;

	/* What sysconf(3) says, which knows too much else to travel. */
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
		return 1024;
	return (int)RMT_MIN(limit.rlim_cur, (rlim_t)INT32_MAX);
}

RMT_PUBLIC const char *ramet_version(void)
{
	return RAMET_VERSION;
}
