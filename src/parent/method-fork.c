/* SPDX-License-Identifier: BSD-3-Clause */
/* fork: a copy of this process, with its memory as it is now. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/thread.h"
#include "core/broker.h"
#include "core/child.h"
#include "core/stdio.h"
#include "parent/connection.h"
#include "parent/spawn.h"

/* Functions of the program run here, which may want as much stack as a main thread has. */
#define MAIN_STACK (8u << 20)

static void *child_thread(void *argument)
{
	ramet_router *router = argument;

	pthread_sigmask(SIG_SETMASK, &router->waiting.signals, NULL);
	rmt_child_main_socket(true, &rmt_parent_hooks);
}

/* The broker has a small stack and blocks all signals: its copy lives on in a thread of its own. */
static _Noreturn void leave_broker(ramet_router *router)
{
	pthread_t thread;

	/* In the place of the broker, which stays for good: it is ours, and the new one is not. */
	if (rmt_thread_new(child_thread, router, MAIN_STACK, &thread) == 0)
		pthread_join(thread, NULL);
	_exit(EXIT_FAILURE);
}

static int launch(ramet_router *router, const struct rmt_hop *hop, const char *path,
		  const int fds[3], pid_t *ret_pid, ramet_error *error)
{
	struct rmt_spawn spawn = {.stdin_fd = fds[0], .stdout_fd = fds[1], .stderr_fd = fds[2]};
	int r;

	(void)hop;
	(void)path;
	r = rmt_spawn(&spawn, ret_pid, error);
	if (r != 1)
		return r;
	/* The copy. What the parent had written and not flushed is the parent's to flush. */
	rmt_stdout_forget();
	prctl(PR_SET_NAME, "ramet-fork");
	if (rmt_broker_is_self(router))
		leave_broker(router);
	rmt_child_main_socket(true, &rmt_parent_hooks);
}

const struct rmt_method rmt_method_fork = {.name = "fork", .launch = launch};
