/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/interrupt.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "cli/command.h"

/* Commands have 200 ms before they are killed; then contexts end, some perhaps far away. */
#define END_SECONDS 1

static struct {
	sigset_t signals;
	bool (*end)(void *data);
	void *data;
} watched;

static void *watch(void *argument)
{
	struct timespec patience = {.tv_sec = END_SECONDS};
	int signal;

	(void)argument;
	while (sigwait(&watched.signals, &signal) != 0)
		;
	if (watched.end(watched.data))
		sigtimedwait(&watched.signals, NULL, &patience);
	_exit(RMT_EXIT_INTERRUPTED);
}

int rmt_interrupt_watch(bool (*end)(void *data), void *data)
{
	pthread_t thread;

	sigemptyset(&watched.signals);
	sigaddset(&watched.signals, SIGINT);
	sigaddset(&watched.signals, SIGTERM);
	watched.end = end;
	watched.data = data;
	/* A shell without job control has SIGINT ignored for what it starts in the background, and
	 * an ignored signal wakes nobody. Who sends one to us alone means it. */
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	pthread_sigmask(SIG_BLOCK, &watched.signals, NULL);
	return -pthread_create(&thread, NULL, watch, NULL);
}
