/* SPDX-License-Identifier: BSD-3-Clause */
/* Trees that others join: what guests reach and share, what is refused, and what remains of them. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "core/ids.h"
#include "core/peer.h"
#include "core/route.h"
#include "core/router.h"
#include "core/stream.h"
#include "fixture.h"
#include "records.h"

#define GUESTS 10

extern char **environ;

/* --- functions -------------------------------------------------------------------------------------- */

static int32_t counter;
static ramet_context *held;

RAMET_FUNCTION(i64, process_id)
{
	return getpid();
}

RAMET_FUNCTION(i32, count)
{
	return ++counter;
}

RAMET_FUNCTION(i32, counted)
{
	return counter;
}

RAMET_FUNCTION(i32, add, (i32, a), (i32, b))
{
	return a + b;
}

/* Until it is cancelled; in the file it says that it begins, and that it was. */
RAMET_CONCURRENT_FUNCTION(none, wait_for_cancel, (str, file))
{
	int fd = open(file, O_WRONLY | O_CLOEXEC);

	(void)!write(fd, "b", 1);
	while (!ramet_call_cancelled(call))
		poll(NULL, 0, 1);
	(void)!write(fd, "c", 1);
	close(fd);
}

RAMET_FUNCTION(none, send_numbers, (sender, to), (i32, up_to))
{
	for (int32_t i = 0; i < up_to; i++)
		if (ramet_send_i64(to, i) < 0)
			return;
}

RAMET_FUNCTION(none, listen_there, (str, name))
{
	ramet_error error = RAMET_ERROR_INIT;

	if (ramet_router_listen(ramet_call_router(call), name, NULL, &error) < 0)
		ramet_fail_error(call, &error);
}

RAMET_FUNCTION(context, join, (str, path))
{
	ramet_error error = RAMET_ERROR_INIT;

	if (ramet_connect(ramet_call_router(call), path, &held, &error) < 0) {
		ramet_fail_error(call, &error);
		return NULL;
	}
	return held;
}

RAMET_FUNCTION(none, leave)
{
	ramet_context_unref(held);
	held = NULL;
}

/* --- helpers ---------------------------------------------------------------------------------------- */

static char scratch[] = "/tmp/test-join-XXXXXX";
static ramet_router *tree;
static struct records records;

static void listen_at(const char *name, const ramet_listen_options *options)
{
	ramet_error error = RAMET_ERROR_INIT;

	if (ramet_router_listen(tree, name, options, &error) < 0)
		fail_msg("%s: %s", name, error.message);
}

static void open_tree(const ramet_listen_options *options)
{
	tree = records_router(&records, NULL);
	listen_at("test", options);
}

static bool socket_exists(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/ramet/%s", scratch, name);
	return access(path, F_OK) == 0;
}

static void close_tree(void)
{
	ramet_router_unref(tree);
	assert_false(socket_exists("test"));
	assert_false(socket_exists("test.lock"));
	records_done(&records);
}

static uint32_t own_id(ramet_router *router)
{
	return ramet_context_id(ramet_router_self(router));
}

static bool no_guests(const ramet_router *router)
{
	const struct rmt_list *node;

	for (node = router->streams.next; node != &router->streams; node = node->next)
		if (RMT_CONTAINER(node, struct rmt_stream, node)->guest)
			return false;
	return true;
}

static void wait_without_guests(void)
{
	int64_t until = fixture_now() + SOON;
	bool gone = false;

	while (!gone) {
		rmt_lock(tree);
		gone = no_guests(tree);
		rmt_unlock(tree);
		assert_true(fixture_now() < until);
		if (!gone)
			poll(NULL, 0, 1);
	}
}

static void fail_to_join(ramet_router *router, const char *path, int code, const char *text)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_context *context = NULL;

	assert_int_equal(ramet_connect(router, path, &context, &error), code);
	fixture_check_error(&error, code, text, NULL);
}

/* This program once more, in a role of its own; its standard output is *ret_fd. */
static pid_t start_role(const char *role, const char *argument, int *ret_fd)
{
	char *argv[] = {(char *)"test-join", (char *)role, (char *)argument, NULL};
	posix_spawn_file_actions_t actions;
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
	assert_int_equal(posix_spawn(&pid, "/proc/self/exe", &actions, NULL, argv, environ), 0);
	posix_spawn_file_actions_destroy(&actions);
	close(fds[1]);
	*ret_fd = fds[0];
	return pid;
}

static char read_letter(int fd)
{
	struct pollfd poller = {fd, POLLIN, 0};
	char letter = 0;

	if (poll(&poller, 1, SOON) != 1 || read(fd, &letter, 1) != 1)
		return 0;
	return letter;
}

/* --- what guests have ------------------------------------------------------------------------------- */

static void guest_has_the_running_context_and_its_children(void **state)
{
	ramet_context *child, *joined, *found;
	ramet_router *guest;
	int64_t pid = 0;
	int32_t number = 0;

	(void)state;
	open_tree(NULL);
	child = fixture_connect(tree, "local");
	assert_int_equal(count_call(child, &number, NULL), 0);
	guest = fixture_router(RAMET_POLLER_DEFAULT, 0);
	joined = fixture_connect(guest, "unix:test");
	assert_int_equal(ramet_context_id(joined), own_id(tree));
	assert_int_equal(ramet_context_pid(joined), getpid());
	assert_int_equal(process_id_call(joined, &pid, NULL), 0);
	assert_int_equal(pid, getpid());
	found = fixture_connect(guest, "unix:test/local");
	assert_int_equal(ramet_context_id(found), ramet_context_id(child));
	assert_string_equal(ramet_context_path(found), "unix:test/local");
	assert_int_equal(process_id_call(found, &pid, NULL), 0);
	assert_int_equal(pid, ramet_context_pid(child));
	assert_int_equal(counted_call(found, &number, NULL), 0);
	assert_int_equal(number, 1);
	/* Joined twice, it is the same. */
	ramet_context_unref(joined);
	joined = fixture_connect(guest, "unix:test");
	assert_int_equal(ramet_context_id(joined), own_id(tree));
	ramet_context_unref(found);
	ramet_context_unref(joined);
	ramet_router_unref(guest);
	/* The tree is as it was. */
	assert_int_equal(process_id_call(child, &pid, NULL), 0);
	ramet_context_unref(child);
	close_tree();
}

static void guest_starts_contexts_that_end_with_it(void **state)
{
	ramet_router *guest;
	ramet_context *own, *kept;
	int pids[2], pidfds[2];

	(void)state;
	open_tree(NULL);
	guest = fixture_router(RAMET_POLLER_DEFAULT, 0);
	own = fixture_connect(guest, "unix:test/local#1");
	kept = fixture_connect(guest, "unix:test/local#2");
	pids[0] = ramet_context_pid(own);
	pids[1] = ramet_context_pid(kept);
	for (int i = 0; i < 2; i++)
		pidfds[i] = fixture_pidfd(pids[i]);
	ramet_context_keep(kept);
	ramet_context_unref(own);
	ramet_context_unref(kept);
	ramet_router_unref(guest);
	fixture_wait_end(pidfds[0]);
	/* What was kept is found by the next. */
	guest = fixture_router(RAMET_POLLER_DEFAULT, 0);
	kept = fixture_connect(guest, "unix:test/local#2");
	assert_int_equal(ramet_context_pid(kept), pids[1]);
	ramet_context_unref(kept);
	ramet_router_unref(guest);
	close_tree();
	fixture_wait_end(pidfds[1]);
}

static void context_below_the_guest_joins_and_its_master_calls(void **state)
{
	ramet_router *guest;
	ramet_context *child, *below, *deep;
	int32_t sum = 0, number = 0;
	int64_t pid = 0;

	(void)state;
	open_tree(NULL);
	child = fixture_connect(tree, "local");
	guest = fixture_router(RAMET_POLLER_DEFAULT, 0);
	for (int round = 0; round < 3; round++) {
		below = fixture_connect(guest, "local/unix:test");
		deep = fixture_connect(guest, "local/unix:test/local");
		assert_int_equal(ramet_context_pid(below), getpid());
		assert_int_equal(ramet_context_pid(deep), ramet_context_pid(child));
		assert_int_equal(add_call(below, 1, 2, &sum, NULL), 0);
		assert_int_equal(sum, 3);
		assert_int_equal(process_id_call(deep, &pid, NULL), 0);
		assert_int_equal(pid, ramet_context_pid(child));
		assert_int_equal(count_call(deep, &number, NULL), 0);
		assert_int_equal(number, round + 1);
		/* By another way it is the same tree, and refused. */
		fail_to_join(guest, "unix:test", -EEXIST, "joined already");
		ramet_context_unref(deep);
		ramet_context_unref(below);
	}
	ramet_router_unref(guest);
	ramet_context_unref(child);
	close_tree();
}

struct worker {
	pthread_t thread;
	int failures;
};

static void *work(void *argument)
{
	struct worker *worker = argument;
	ramet_router *guest = fixture_router(RAMET_POLLER_DEFAULT, 0);
	ramet_context *joined = NULL, *child = NULL;
	ramet_receiver *receiver = NULL;
	int32_t sum = 0;

	worker->failures += ramet_connect(guest, "unix:test", &joined, NULL) < 0;
	worker->failures += ramet_connect(guest, "unix:test/local", &child, NULL) < 0;
	for (int32_t i = 0; i < 100 && worker->failures == 0; i++) {
		worker->failures += add_call(joined, i, 1, &sum, NULL) < 0 || sum != i + 1;
		worker->failures += add_call(child, i, 2, &sum, NULL) < 0 || sum != i + 2;
	}
	if (worker->failures == 0) {
		worker->failures += ramet_receiver_new(guest, &receiver) < 0;
		worker->failures += send_numbers_post(child, ramet_receiver_sender(receiver), 1000,
						      NULL) < 0;
		for (int64_t i = 0; i < 1000 && worker->failures == 0; i++) {
			ramet_value *value = NULL;

			worker->failures += ramet_receive(receiver, SOON, &value, NULL) != 1 ||
					    ramet_value_i64(value) != i;
			ramet_value_unref(value);
		}
		ramet_receiver_unref(receiver);
	}
	ramet_context_unref(child);
	ramet_context_unref(joined);
	ramet_router_unref(guest);
	return NULL;
}

static void ten_guests_at_the_same_time_call_and_stream(void **state)
{
	struct worker workers[GUESTS] = {0};
	ramet_context *child;

	(void)state;
	open_tree(NULL);
	child = fixture_connect(tree, "local");
	for (int i = 0; i < GUESTS; i++)
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	for (int i = 0; i < GUESTS; i++) {
		pthread_join(workers[i].thread, NULL);
		assert_int_equal(workers[i].failures, 0);
	}
	ramet_context_unref(child);
	close_tree();
}

/* --- ends ------------------------------------------------------------------------------------------- */

/* A guest that says when it is in the middle of a call and a stream, and is then killed. */
static int role_killed(const char *fifo)
{
	ramet_router *guest = fixture_router(RAMET_POLLER_DEFAULT, 0);
	ramet_context *joined = fixture_connect(guest, "unix:test");
	ramet_context *child = fixture_connect(guest, "unix:test/local");
	ramet_receiver *receiver = NULL;
	ramet_value *value = NULL;

	fixture_connect(guest, "unix:test/local#7");
	ramet_receiver_new(guest, &receiver);
	wait_for_cancel_post(child, fifo, NULL);
	send_numbers_post(joined, ramet_receiver_sender(receiver), INT32_MAX, NULL);
	if (ramet_receive(receiver, SOON, &value, NULL) != 1)
		return 1;
	(void)!write(1, "r", 1);
	for (;;)
		pause();
}

static void killed_guest_leaves_no_call_and_no_context(void **state)
{
	ramet_context *child, *started;
	char fifo[64];
	int fd, out, pidfd, number = 0;
	pid_t pid;

	(void)state;
	open_tree(NULL);
	child = fixture_connect(tree, "local");
	snprintf(fifo, sizeof(fifo), "%s/fifo", scratch);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	fd = open(fifo, O_RDWR | O_CLOEXEC);
	pid = start_role("killed", fifo, &out);
	assert_int_equal(read_letter(out), 'r');
	assert_int_equal(read_letter(fd), 'b');
	assert_non_null(ramet_router_child(tree, 1));
	started = ramet_router_child(tree, 1);
	pidfd = fixture_pidfd(ramet_context_pid(started));
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	/* Its call, two hops away, is cancelled; what it has started ends. */
	assert_int_equal(read_letter(fd), 'c');
	fixture_wait_end(pidfd);
	wait_without_guests();
	assert_int_equal(count_call(child, &number, NULL), 0);
	ramet_context_unref(child);
	close(fd);
	close(out);
	unlink(fifo);
	close_tree();
}

/* A tree of another process, which listens and says so. */
static int role_root(const char *name)
{
	ramet_router *router = fixture_router(RAMET_POLLER_DEFAULT, 0);

	fixture_connect(router, "local");
	if (ramet_router_listen(router, name, NULL, NULL) < 0)
		return 1;
	(void)!write(1, "r", 1);
	for (;;)
		pause();
}

static void guest_of_a_killed_root_learns_it(void **state)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_router *guest;
	ramet_context *joined, *child;
	ramet_receiver *call = NULL;
	const char *reason = NULL;
	int out, pidfd;
	pid_t pid;

	(void)state;
	fixture_allow_orphans();
	pid = start_role("root", "other", &out);
	assert_int_equal(read_letter(out), 'r');
	guest = fixture_router(RAMET_POLLER_DEFAULT, 0);
	joined = fixture_connect(guest, "unix:other");
	child = fixture_connect(guest, "unix:other/local");
	assert_int_equal(ramet_context_pid(joined), pid);
	pidfd = fixture_pidfd(ramet_context_pid(child));
	assert_int_equal(wait_for_cancel_start(child, "/dev/null", &call, NULL), 0);
	kill(pid, SIGKILL);
	assert_int_equal(wait_for_cancel_finish(call, SOON, &error), -ECONNRESET);
	fixture_check_error(&error, -ECONNRESET, "gone", NULL);
	ramet_receiver_unref(call);
	assert_int_equal(ramet_context_wait(joined, SOON, &reason), 1);
	assert_string_equal(reason, "the connection ended");
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	fixture_wait_end(pidfd);
	ramet_context_unref(child);
	ramet_context_unref(joined);
	ramet_router_unref(guest);
	close(out);
	/* What it has left is replaced. */
	assert_true(socket_exists("other"));
	tree = records_router(&records, NULL);
	listen_at("other", NULL);
	ramet_router_unref(tree);
	records_done(&records);
	assert_false(socket_exists("other"));
	assert_false(socket_exists("other.lock"));
}

static void guest_ends_the_tree_only_by_saying_so(void **state)
{
	ramet_router *guest;
	ramet_context *joined;
	int out, status = 0;
	pid_t pid;

	(void)state;
	pid = start_role("root", "other", &out);
	assert_int_equal(read_letter(out), 'r');
	guest = fixture_router(RAMET_POLLER_DEFAULT, 0);
	joined = fixture_connect(guest, "unix:other");
	assert_int_equal(ramet_context_shutdown(joined, -1, NULL), 0);
	assert_false(ramet_context_alive(joined));
	assert_false(socket_exists("other"));
	ramet_context_unref(joined);
	ramet_router_unref(guest);
	/* The program is not the library's own: it is still there. */
	assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(out);
}

static void guest_of_a_root_that_ends_in_order_hears_that(void **state)
{
	ramet_router *guest;
	ramet_context *joined, *child;
	const char *reason = NULL;

	(void)state;
	open_tree(NULL);
	guest = fixture_router(RAMET_POLLER_DEFAULT, 0);
	joined = fixture_connect(guest, "unix:test");
	child = fixture_connect(guest, "unix:test/local");
	close_tree();
	assert_int_equal(ramet_context_wait(joined, SOON, &reason), 1);
	assert_string_equal(reason, "the tree has ended");
	assert_int_equal(ramet_context_wait(child, SOON, NULL), 1);
	ramet_context_unref(child);
	ramet_context_unref(joined);
	ramet_router_unref(guest);
}

static void idle_tree_ends(void **state)
{
	ramet_listen_options options = RAMET_LISTEN_OPTIONS_INIT;
	ramet_context *child, *joined;
	ramet_router *guest;

	(void)state;
	options.idle = SANITIZED ? 3000 : 300;
	tree = records_router(&records, NULL);
	child = fixture_connect(tree, "local");
	guest = fixture_router(RAMET_POLLER_DEFAULT, 0);
	listen_at("test", &options);
	joined = fixture_connect(guest, "unix:test");
	/* As long as somebody is there it goes on. */
	assert_int_equal(ramet_context_wait(child, 2 * options.idle, NULL), 0);
	ramet_context_unref(joined);
	ramet_router_unref(guest);
	assert_int_equal(ramet_context_wait(child, SOON, NULL), 1);
	assert_false(socket_exists("test"));
	ramet_context_unref(child);
	close_tree();
}

/* --- authority -------------------------------------------------------------------------------------- */

static void guest_with_an_authority_of_its_own_may_not_call(void **state)
{
	ramet_listen_options options = RAMET_LISTEN_OPTIONS_INIT;
	ramet_error error = RAMET_ERROR_INIT;
	ramet_router *guest;
	ramet_context *joined;
	int64_t pid;

	(void)state;
	options.authority = RAMET_JOIN_OWN;
	open_tree(&options);
	guest = fixture_router(RAMET_POLLER_DEFAULT, 0);
	joined = fixture_connect(guest, "unix:test");
	assert_int_equal(process_id_call(joined, &pid, &error), -EPERM);
	ramet_error_clear(&error);
	fail_to_join(guest, "unix:test/local", -EPERM, "commands nothing there");
	/* Nor may it end the tree: it only loses it. */
	assert_int_equal(ramet_context_shutdown(joined, 100, NULL), 0);
	assert_false(ramet_context_alive(joined));
	ramet_context_unref(joined);
	ramet_router_unref(guest);
	assert_int_equal(process_id_call(ramet_router_self(tree), &pid, NULL), 0);
	guest = fixture_router(RAMET_POLLER_DEFAULT, 0);
	joined = fixture_connect(guest, "unix:test");
	ramet_context_unref(joined);
	ramet_router_unref(guest);
	close_tree();
}

static void guests_do_not_reach_each_other(void **state)
{
	ramet_router *guests[2];
	ramet_context *joined[2], *other;
	ramet_error error = RAMET_ERROR_INIT;
	struct rmt_peer *peer;
	int64_t pid;

	(void)state;
	open_tree(NULL);
	for (int i = 0; i < 2; i++) {
		guests[i] = fixture_router(RAMET_POLLER_DEFAULT, 0);
		joined[i] = fixture_connect(guests[i], "unix:test");
	}
	/* As if it had been told, and had a way there. */
	rmt_lock(guests[0]);
	peer = rmt_peer_get(guests[0], own_id(guests[1]));
	assert_int_equal(rmt_route_add(guests[0], peer->id, peer->id, joined[0]->peer->stream), 0);
	other = rmt_context_take(peer);
	rmt_unlock(guests[0]);
	assert_int_equal(process_id_call(other, &pid, &error), -EPERM);
	ramet_error_clear(&error);
	ramet_context_unref(other);
	for (int i = 0; i < 2; i++) {
		ramet_context_unref(joined[i]);
		ramet_router_unref(guests[i]);
	}
	close_tree();
}

/* --- ids -------------------------------------------------------------------------------------------- */

/* Makes a fresh router one that has drawn the region of another. */
static void draw_like(ramet_router *router, uint32_t first)
{
	rmt_lock(router);
	router->ids.blocks[0][0] = first;
	router->ids.blocks[0][1] = first + RMT_REGION_IDS - 1;
	router->ids.next = first + 1;
	router->ids.end = first + RMT_REGION_IDS;
	rmt_table_remove(&router->peers, &router->self->node);
	router->id = router->self->id = first;
	atomic_store(&router->self->handle.id, first);
	rmt_table_add(&router->peers, &router->self->node, first);
	rmt_unlock(router);
}

static void overlapping_regions_are_drawn_again_or_refused(void **state)
{
	ramet_router *guests[3];
	ramet_context *joined[3], *child;
	int32_t sum = 0;

	(void)state;
	open_tree(NULL);
	for (int i = 0; i < 3; i++)
		guests[i] = fixture_router(RAMET_POLLER_DEFAULT, 0);
	/* Like the tree; like another guest. */
	draw_like(guests[0], own_id(tree));
	joined[0] = fixture_connect(guests[0], "unix:test");
	assert_int_not_equal(own_id(guests[0]), own_id(tree));
	draw_like(guests[1], own_id(guests[0]));
	joined[1] = fixture_connect(guests[1], "unix:test");
	assert_int_not_equal(own_id(guests[1]), own_id(guests[0]));
	for (int i = 0; i < 2; i++) {
		assert_int_equal(add_call(joined[i], i, 5, &sum, NULL), 0);
		assert_int_equal(sum, i + 5);
		assert_int_equal(add_call(ramet_router_self(guests[i]), i, 6, &sum, NULL), 0);
		assert_int_equal(sum, i + 6);
	}
	/* With contexts of its own, it cannot. */
	draw_like(guests[2], own_id(guests[0]));
	child = fixture_connect(guests[2], "local");
	fail_to_join(guests[2], "unix:test", -EEXIST, "ids of that tree");
	fail_to_join(guests[2], "local/unix:test", -EEXIST, "ids of that tree");
	assert_int_equal(add_call(child, 1, 1, &sum, NULL), 0);
	ramet_context_unref(child);
	for (int i = 0; i < 2; i++)
		ramet_context_unref(joined[i]);
	for (int i = 0; i < 3; i++)
		ramet_router_unref(guests[i]);
	close_tree();
}

static void tree_that_runs_out_of_ids_draws_more_and_tells_its_guests(void **state)
{
	ramet_router *guest;
	ramet_context *joined, *child;
	int64_t pid = 0;

	(void)state;
	open_tree(NULL);
	guest = fixture_router(RAMET_POLLER_DEFAULT, 0);
	joined = fixture_connect(guest, "unix:test");
	rmt_lock(tree);
	tree->ids.next = tree->ids.end;
	rmt_unlock(tree);
	child = fixture_connect(guest, "unix:test/local");
	assert_int_not_equal(ramet_context_id(child) / RMT_REGION_IDS,
			     own_id(tree) / RMT_REGION_IDS);
	assert_int_equal(process_id_call(child, &pid, NULL), 0);
	assert_int_equal(pid, ramet_context_pid(child));
	ramet_context_unref(child);
	ramet_context_unref(joined);
	ramet_router_unref(guest);
	close_tree();
}

/* A child may listen as well: its guests reach what is below it, and nothing above. */
static void child_that_listens_is_joined(void **state)
{
	ramet_context *child, *below, *joined, *found;
	ramet_router *guest;
	int64_t pid = 0;

	(void)state;
	tree = records_router(&records, NULL);
	child = fixture_connect(tree, "local");
	below = fixture_connect(tree, "local/local");
	assert_int_equal(listen_there_call(child, "test", NULL), 0);
	guest = fixture_router(RAMET_POLLER_DEFAULT, 0);
	joined = fixture_connect(guest, "unix:test");
	assert_int_equal(ramet_context_pid(joined), ramet_context_pid(child));
	found = fixture_connect(guest, "unix:test/local");
	assert_int_equal(ramet_context_id(found), ramet_context_id(below));
	assert_int_equal(process_id_call(found, &pid, NULL), 0);
	assert_int_equal(pid, ramet_context_pid(below));
	ramet_context_unref(found);
	/* New ones have ids that the guest learns. */
	for (int i = 1; i < 3; i++) {
		char path[48];

		snprintf(path, sizeof(path), "unix:test/local/fork#%d", i);
		found = fixture_connect(guest, path);
		assert_int_equal(process_id_call(found, &pid, NULL), 0);
		assert_int_equal(pid, ramet_context_pid(found));
		ramet_context_unref(found);
	}
	ramet_context_unref(joined);
	ramet_router_unref(guest);
	ramet_context_unref(below);
	ramet_context_unref(child);
	close_tree();
}

/* --- refusals --------------------------------------------------------------------------------------- */

static void refuse_to_listen(const char *name, int code, const char *text)
{
	ramet_error error = RAMET_ERROR_INIT;

	assert_int_equal(ramet_router_listen(tree, name, NULL, &error), code);
	fixture_check_error(&error, code, text, NULL);
}

static void listening_in_a_directory_of_others_is_refused(void **state)
{
	char path[128];

	(void)state;
	open_tree(NULL);
	snprintf(path, sizeof(path), "%s/open", scratch);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(chmod(path, 0777), 0);
	strcat(path, "/socket");
	refuse_to_listen(path, -EPERM, "open to others");
	*strrchr(path, '/') = '\0';
	assert_int_equal(chmod(path, 0755), 0);
	strcat(path, "/socket");
	listen_at(path, NULL);
	assert_int_equal(access(path, F_OK), 0);
	refuse_to_listen("test", -EADDRINUSE, "test");
	refuse_to_listen("..", -EINVAL, "no name");
	refuse_to_listen("", -EINVAL, "no name");
	refuse_to_listen("/nowhere/at/all", -ENOENT, "/nowhere/at");
	close_tree();
	assert_int_equal(access(path, F_OK), -1);
	*strrchr(path, '/') = '\0';
	assert_int_equal(rmdir(path), 0);
	/* Our own directory, when others can enter it. */
	snprintf(path, sizeof(path), "%s/ramet", scratch);
	assert_int_equal(chmod(path, 0755), 0);
	tree = records_router(&records, NULL);
	refuse_to_listen("test", -EPERM, "open to others");
	assert_int_equal(chmod(path, 0700), 0);
	close_tree();
}

struct racer {
	pthread_t thread;
	ramet_router *router;
	int result;
};

static pthread_barrier_t together;

static void *race(void *argument)
{
	struct racer *racer = argument;

	pthread_barrier_wait(&together);
	racer->result = ramet_router_listen(racer->router, "race", NULL, NULL);
	return NULL;
}

static void one_of_many_that_begin_to_listen_has_the_socket(void **state)
{
	enum { RACERS = 4, ROUNDS = 20 };
	struct racer racers[RACERS];

	(void)state;
	pthread_barrier_init(&together, NULL, RACERS);
	for (int round = 0; round < ROUNDS; round++) {
		int won = 0;

		for (int i = 0; i < RACERS; i++) {
			racers[i].router = fixture_router(RAMET_POLLER_DEFAULT, 0);
			pthread_create(&racers[i].thread, NULL, race, &racers[i]);
		}
		for (int i = 0; i < RACERS; i++) {
			pthread_join(racers[i].thread, NULL);
			assert_true(racers[i].result == 0 || racers[i].result == -EADDRINUSE);
			won += racers[i].result == 0;
		}
		assert_int_equal(won, 1);
		for (int i = 0; i < RACERS; i++)
			ramet_router_unref(racers[i].router);
		assert_false(socket_exists("race"));
		assert_false(socket_exists("race.lock"));
	}
	pthread_barrier_destroy(&together);
}

static int connect_raw(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/ramet/test", scratch);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void silent_and_senseless_clients_disturb_nobody(void **state)
{
	static const char garbage[64] = "GET / HTTP/1.1\r\n\r\n";
	ramet_router *guest;
	ramet_context *joined;
	char data[16];
	int silent[8], fd;
	int32_t sum;

	(void)state;
	open_tree(NULL);
	for (int i = 0; i < 8; i++)
		silent[i] = connect_raw();
	fd = connect_raw();
	assert_int_equal(write(fd, garbage, sizeof(garbage)), sizeof(garbage));
	/* It is closed at once. */
	assert_int_equal(read(fd, data, sizeof(data)), 0);
	close(fd);
	guest = fixture_router(RAMET_POLLER_DEFAULT, 0);
	joined = fixture_connect(guest, "unix:test");
	assert_int_equal(add_call(joined, 1, 2, &sum, NULL), 0);
	ramet_context_unref(joined);
	ramet_router_unref(guest);
	/* The end does not wait for them. */
	close_tree();
	for (int i = 0; i < 8; i++)
		close(silent[i]);
}

/* --- main ------------------------------------------------------------------------------------------- */

static void remove_scratch(void)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/ramet", scratch);
	rmdir(path);
	if (rmdir(scratch) < 0)
		print_error("# there are files left in %s\n", scratch);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(guest_has_the_running_context_and_its_children),
		FIXTURE_TEST(guest_starts_contexts_that_end_with_it),
		FIXTURE_TEST(context_below_the_guest_joins_and_its_master_calls),
		FIXTURE_TEST(ten_guests_at_the_same_time_call_and_stream),
		FIXTURE_TEST(killed_guest_leaves_no_call_and_no_context),
		FIXTURE_TEST(guest_of_a_killed_root_learns_it),
		FIXTURE_TEST(guest_ends_the_tree_only_by_saying_so),
		FIXTURE_TEST(guest_of_a_root_that_ends_in_order_hears_that),
		FIXTURE_TEST(idle_tree_ends),
		FIXTURE_TEST(guest_with_an_authority_of_its_own_may_not_call),
		FIXTURE_TEST(guests_do_not_reach_each_other),
		FIXTURE_TEST(overlapping_regions_are_drawn_again_or_refused),
		FIXTURE_TEST(tree_that_runs_out_of_ids_draws_more_and_tells_its_guests),
		FIXTURE_TEST(child_that_listens_is_joined),
		FIXTURE_TEST(listening_in_a_directory_of_others_is_refused),
		FIXTURE_TEST(one_of_many_that_begin_to_listen_has_the_socket),
		FIXTURE_TEST(silent_and_senseless_clients_disturb_nobody),
	};
	int r;

	fixture_child(argc, argv);
	ramet_init(argc, argv);
	if (argc == 3 && strcmp(argv[1], "killed") == 0)
		return role_killed(argv[2]);
	if (argc == 3 && strcmp(argv[1], "root") == 0)
		return role_root(argv[2]);
	fixture_init();
	if (!mkdtemp(scratch) || setenv("XDG_RUNTIME_DIR", scratch, 1) < 0)
		return 1;
	r = cmocka_run_group_tests(tests, NULL, NULL);
	remove_scratch();
	return r;
}
