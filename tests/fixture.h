/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For tests of whole trees of contexts, whose children are the test program itself. Their main() begins with
 *
 *	fixture_child(argc, argv);
 *	ramet_init(argc, argv);
 *	fixture_init();
 *
 * and their tests are FIXTURE_TEST(name): each has a bounded time, makes and drops its router itself, and must leave
 * no descriptor, child, orphan or thread behind. The test program adopts orphans (PR_SET_CHILD_SUBREAPER), so that a
 * grandchild which nobody looked after is found, too.
 */
#pragma once

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <ramet.h>

/* Milliseconds after which a wait that should have ended counts as one that never ends. */
#define SOON 10000

/* With sanitizers everything takes many times as long. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

#define FIXTURE_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_begin, fixture_end)

/* In a child, the environment may ask for something else than a context: see fixture_fake(). */
void fixture_child(int argc, char **argv);

/* Once, in the process that runs the tests. */
void fixture_init(void);

int fixture_begin(void **state);
int fixture_end(void **state);

/* The test kills a context that has children: these may need a moment to find out and end, as orphans. */
void fixture_allow_orphans(void);

/* Where they are allowed: reaps them until no child is left, and returns true; false when one stays. */
int fixture_wait_orphans(void);

/* Reaps orphans, and waits for those that still run, until no child is left: true. False when one stays, or one is the
 * leader of a group: that is a process which a router has started itself, and had to reap. */
int fixture_reap_orphans(void);

/*
 * Children that are started from now on do not become contexts, but do as `how` says:
 *	exit:N text:WORD kill:N hang garbage truncated version		before any hello
 *	hello-garbage hello-truncated hello-version program		after one, or instead
 * NULL: they are contexts again.
 */
void fixture_fake(const char *how);

/* A router for tests: `poller`, and an end by force after `shutdown_timeout` ms (0: the usual). */
ramet_router *fixture_router(enum ramet_poller poller, int shutdown_timeout);

/* Connects, or fails the test with the error's message. */
ramet_context *fixture_connect(ramet_router *router, const char *path);

/* The error has this code and its message contains each of the texts, up to a NULL; then it is cleared. */
void fixture_check_error(ramet_error *error, int code, ...) __attribute__((sentinel));

/* A descriptor that becomes readable when the process has ended, to wait for it. */
int fixture_pidfd(int pid);

/* Waits until the process behind a pidfd has ended, and closes it; fails the test when it takes too long. */
void fixture_wait_end(int pidfd);

/* Waits until the process has entered a system call that sleeps, or is stopped (state 'S' or 'T' of proc(5)). */
void fixture_wait_state(int pid, char state);

/* Waits until every other thread of this process sleeps in a system call. */
void fixture_wait_threads_sleep(void);

/* Waits until there are no more threads than before the test. */
void fixture_wait_threads(void);

int64_t fixture_now(void); /* ms */

unsigned fixture_count_fds(void);
