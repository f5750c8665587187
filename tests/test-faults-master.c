/* SPDX-License-Identifier: BSD-3-Clause */
/* The master dies without a word: its descendants must not stay. A sub-process plays it. */
#include <sys/wait.h>

#include "fixture.h"

#define PIDS 7

RAMET_FUNCTION(i64, stay, (sender, begun), (str, how))
{
	ramet_send_i64(begun, getpid());
	for (;;)
		if (strcmp(how, "loop") != 0)
			pause();
	return 0;
}

static void die(const char *what, ramet_error *error)
{
	dprintf(STDERR_FILENO, "# %s: %s\n", what, error->message ? error->message : "?");
	_exit(1);
}

/* A tree three levels deep, some of it busy, whose process ids go into the pipe; then it waits to be killed. */
static _Noreturn void play_master(int fd, const char *paths, enum ramet_poller poller,
				  const char *how)
{
	ramet_router_options options = RAMET_ROUTER_OPTIONS_INIT;
	ramet_error error = RAMET_ERROR_INIT;
	ramet_receiver *begun = NULL, *call = NULL;
	ramet_router *router = NULL;
	ramet_group *group = NULL;
	ramet_value *value = NULL;
	int pids[PIDS] = {0};

	options.poller = poller;
	if (ramet_router_new(&options, &router) < 0 ||
	    ramet_connect_all(router, paths, &group, &error) < 0)
		die("connect", &error);
	for (size_t i = 0; i < ramet_group_size(group) && i < PIDS; i++)
		pids[i] = ramet_context_pid(ramet_group_get(group, i));
	for (size_t i = 0; how && i < ramet_group_size(group); i++) {
		if (ramet_receiver_new(router, &begun) < 0 ||
		    stay_start(ramet_group_get(group, i), ramet_receiver_sender(begun), how, &call,
			       &error) < 0 ||
		    ramet_receive(begun, SOON, &value, &error) != 1)
			die("stay", &error);
		ramet_value_unref(value);
	}
	if (write(fd, pids, sizeof(pids)) != sizeof(pids))
		_exit(1);
	for (;;)
		pause();
}

static void check_master_killed(const char *paths, size_t count, enum ramet_poller poller,
				const char *how)
{
	int fds[2], pids[PIDS], ends[PIDS], status;
	pid_t master;

	fixture_allow_orphans();
	assert_int_equal(pipe(fds), 0);
	master = fork();
	assert_true(master >= 0);
	if (master == 0) {
		close(fds[0]);
		play_master(fds[1], paths, poller, how);
	}
	close(fds[1]);
	assert_int_equal(read(fds[0], pids, sizeof(pids)), sizeof(pids));
	close(fds[0]);
	for (size_t i = 0; i < count; i++)
		ends[i] = fixture_pidfd(pids[i]);
	kill(master, SIGKILL);
	assert_int_equal(waitpid(master, &status, 0), master);
	for (size_t i = 0; i < count; i++)
		fixture_wait_end(ends[i]);
}

#define THREE_LEVELS \
	"local,local/local,local/local/local,local#1,local#1/fork,local#1/fork/local,fork"

static void master_killed_idle_descendants_end(void **state)
{
	(void)state;
	check_master_killed(THREE_LEVELS, 7, RAMET_POLLER_EPOLL, NULL);
	check_master_killed(THREE_LEVELS, 7, RAMET_POLLER_POLL, NULL);
}

/* Descendants that are stuck in functions notice, and do not wait for these for ever. */
static void master_killed_stuck_descendants_end(void **state)
{
	(void)state;
	check_master_killed(THREE_LEVELS, 7, RAMET_POLLER_EPOLL, "pause");
	check_master_killed("local,local/local,local/local/fork", 3, RAMET_POLLER_EPOLL, "loop");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(master_killed_idle_descendants_end),
		FIXTURE_TEST(master_killed_stuck_descendants_end),
	};

	fixture_child(argc, argv);
	ramet_init(argc, argv);
	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
