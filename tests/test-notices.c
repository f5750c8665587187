/* SPDX-License-Identifier: BSD-3-Clause */
/* Timers that are read like streams, and descriptors of receivers, selects and senders for the event loops of others. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "fixture.h"
#include "records.h"

/* --- functions -------------------------------------------------------------------------------------- */

static ramet_receiver *served;

RAMET_FUNCTION(none, nothing)
{
	(void)call;
}

RAMET_FUNCTION(i64, give, (i64, it))
{
	return it;
}

RAMET_FUNCTION(none, send_numbers, (sender, to), (i64, base), (i64, count))
{
	for (int64_t i = 0; i < count; i++)
		ramet_send_i64(to, base + i);
}

RAMET_FUNCTION(sender, serve)
{
	if (ramet_receiver_new(ramet_call_router(call), &served) < 0)
		ramet_fail(call, ENOMEM, "no receiver");
	return ramet_receiver_sender(served);
}

/* Takes what is there; how many values, and how many bytes. */
RAMET_FUNCTION(i64, drain_served, (i64, at_least))
{
	ramet_value *value = NULL;
	int64_t count = 0;

	while (ramet_receive(served, count < at_least ? SOON : 0, &value, NULL) == 1) {
		ramet_value_unref(value);
		count++;
	}
	return count;
}

RAMET_FUNCTION(none, drop_served)
{
	ramet_receiver_unref(served);
	served = NULL;
}

/* --- helpers ---------------------------------------------------------------------------------------- */

static ramet_router *router;
static struct records records;
static ramet_receiver *receiver;

static void open_tree(void)
{
	router = records_router(&records, NULL);
	assert_int_equal(ramet_receiver_new(router, &receiver), 0);
}

static void close_tree(void)
{
	ramet_receiver_unref(receiver);
	ramet_router_unref(router);
	records_done(&records);
}

static ramet_receiver *timer(int first, int interval)
{
	ramet_receiver *made = NULL;

	assert_int_equal(ramet_receiver_new_timer(router, first, interval, &made), 0);
	return made;
}

/* poll(2) on one descriptor: without the library, whose own thread has to do all. */
static bool readable(int fd, int timeout)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	int n;

	do
		n = poll(&poll_fd, 1, timeout);
	while (n < 0 && errno == EINTR);
	assert_true(n >= 0);
	if (n > 0)
		assert_int_equal(poll_fd.revents, POLLIN);
	return n > 0;
}

static int64_t take(ramet_receiver *from, int timeout)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_value *value = NULL;
	int64_t number;
	int r = ramet_receive(from, timeout, &value, &error);

	if (r < 0)
		fail_msg("%s", error.message);
	assert_int_equal(r, 1);
	assert_int_equal(ramet_value_kind(value), RAMET_KIND_I64);
	number = ramet_value_i64(value);
	ramet_value_unref(value);
	return number;
}

static int fd_of(ramet_receiver *from)
{
	int fd = ramet_receiver_fd(from);

	assert_true(fd >= 0);
	assert_int_equal(ramet_receiver_fd(from), fd);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	return fd;
}

static const char *const paths[] = {"local", "fork", "local/local", NULL};
enum { PATHS = sizeof(paths) / sizeof(*paths) };

static ramet_context *reach(size_t i)
{
	return paths[i] ? fixture_connect(router, paths[i])
			: ramet_context_ref(ramet_router_self(router));
}

/* --- timers ----------------------------------------------------------------------------------------- */

static void timer_without_interval_expires_once_and_ends(void **state)
{
	ramet_value *value = NULL;

	(void)state;
	open_tree();
	for (int first = 0; first <= 20; first += 10) {
		ramet_receiver *once = timer(first, 0);
		int64_t begin = fixture_now();

		assert_null(ramet_receiver_sender(once));
		assert_int_equal(take(once, SOON), 1);
		assert_true(fixture_now() - begin >= first - 1);
		assert_int_equal(ramet_receive(once, SOON, &value, NULL), 0);
		assert_true(ramet_receiver_done(once));
		ramet_receiver_unref(once);
	}
	close_tree();
}

static void timer_with_interval_goes_on_without_drift(void **state)
{
	ramet_receiver *often;
	int64_t begin, count = 0;

	(void)state;
	open_tree();
	begin = fixture_now();
	often = timer(5, 5);
	while (count < 20)
		count += take(often, SOON);
	/* The n-th is not before n intervals, and none was invented: as many as the clock has counted. */
	assert_true(fixture_now() - begin >= 20 * 5 - 1);
	assert_true(count <= (fixture_now() - begin) / 5 + 1);
	ramet_receiver_close(often);
	ramet_receiver_unref(often);
	close_tree();
}

/* It counts while nobody reads, and has one value at a time. */
static void timer_that_is_read_slowly_counts_what_was_missed(void **state)
{
	ramet_receiver *fast, *slow;
	ramet_value *value = NULL;
	int64_t begin, count = 0, reads = 0;

	(void)state;
	open_tree();
	begin = fixture_now();
	fast = timer(1, 1);
	slow = timer(50, 50);
	for (int i = 0; i < 4; i++) {
		assert_true(take(slow, SOON) >= 1);
		count += take(fast, SOON);
		reads++;
	}
	assert_true(count > reads);
	assert_true(count <= fixture_now() - begin);
	assert_true(count >= 199 - 4);
	ramet_receiver_close(fast);
	assert_int_equal(ramet_receive(fast, 0, &value, NULL), 0);
	ramet_receiver_unref(fast);
	ramet_receiver_unref(slow);
	close_tree();
}

static void timer_refuses_negative_times(void **state)
{
	ramet_receiver *made = NULL;

	(void)state;
	open_tree();
	assert_int_equal(ramet_receiver_new_timer(router, -1, 0, &made), -EINVAL);
	assert_int_equal(ramet_receiver_new_timer(router, 0, -1, &made), -EINVAL);
	assert_null(made);
	close_tree();
}

/* It is dropped while it runs, while it has expired, and after its router. */
static void timer_may_be_dropped_at_any_time(void **state)
{
	ramet_receiver *running, *expired, *late, *late_expired;
	ramet_value *value = NULL;

	(void)state;
	open_tree();
	running = timer(100000, 1);
	expired = timer(0, 1);
	late = timer(100000, 1);
	late_expired = timer(0, 1);
	assert_true(readable(fd_of(expired), SOON));
	assert_true(readable(fd_of(late_expired), SOON));
	ramet_receiver_unref(running);
	ramet_receiver_unref(expired);
	ramet_receiver_unref(receiver);
	ramet_router_unref(router);
	assert_true(readable(fd_of(late_expired), 0));
	assert_true(take(late_expired, 0) >= 1);
	assert_int_equal(ramet_receive(late_expired, SOON, &value, NULL), -ESHUTDOWN);
	assert_int_equal(ramet_receive(late, SOON, &value, NULL), -ESHUTDOWN);
	ramet_receiver_unref(late);
	ramet_receiver_unref(late_expired);
	records_done(&records);
}

static void *receive_to_the_end(void *argument)
{
	ramet_value *value = NULL;
	int r;

	while ((r = ramet_receive(argument, SOON, &value, NULL)) == 1)
		ramet_value_unref(value);
	return (void *)(intptr_t)r;
}

static void timer_that_is_closed_wakes_its_reader(void **state)
{
	ramet_receiver *never;
	pthread_t thread;
	void *result;

	(void)state;
	open_tree();
	never = timer(100000, 0);
	assert_int_equal(pthread_create(&thread, NULL, receive_to_the_end, never), 0);
	fixture_wait_threads_sleep();
	ramet_receiver_close(never);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_int_equal((intptr_t)result, 0);
	ramet_receiver_unref(never);
	close_tree();
}

static void select_takes_timers_with_calls_and_streams(void **state)
{
	ramet_receiver *tick, *once, *call = NULL, *got = NULL;
	ramet_select *selection = NULL;
	ramet_context *context;
	ramet_value *value = NULL;
	int64_t result, numbers = 0, ticks = 0;
	bool called = false, ended = false;

	(void)state;
	open_tree();
	context = fixture_connect(router, "local");
	assert_int_equal(ramet_select_new(router, &selection), 0);
	tick = timer(1, 1);
	once = timer(30, 0);
	assert_int_equal(give_start(context, 5, &call, NULL), 0);
	assert_int_equal(ramet_select_add(selection, tick), 0);
	assert_int_equal(ramet_select_add(selection, once), 0);
	assert_int_equal(ramet_select_add(selection, receiver), 0);
	assert_int_equal(ramet_select_add(selection, call), 0);
	assert_int_equal(send_numbers_post(context, ramet_receiver_sender(receiver), 0, 10, NULL),
			 0);
	while (!ended || !called || numbers < 10) {
		assert_int_equal(ramet_select_next(selection, SOON, &got), 1);
		if (got == call) {
			assert_int_equal(give_finish(call, 0, &result, NULL), 0);
			called = true;
		} else if (got == tick) {
			ticks += take(tick, 0);
		} else if (got == once) {
			ended = ramet_receive(once, 0, &value, NULL) == 0;
			if (!ended)
				ramet_value_unref(value);
		} else if (ramet_receive(receiver, 0, &value, NULL) == 1) {
			assert_int_equal(ramet_value_i64(value), numbers++);
			ramet_value_unref(value);
		}
	}
	assert_true(ticks > 0);
	ramet_receiver_unref(call);
	ramet_receiver_unref(tick);
	ramet_receiver_unref(once);
	ramet_select_unref(selection);
	ramet_context_unref(context);
	close_tree();
}

/* --- descriptors of receivers ----------------------------------------------------------------------- */

static void descriptor_of_a_stream_is_readable_while_there_is_something(void **state)
{
	(void)state;
	for (size_t i = 0; i < PATHS; i++) {
		ramet_context *context;
		ramet_value *value = NULL;
		int fd;

		open_tree();
		context = reach(i);
		fd = fd_of(receiver);
		assert_false(readable(fd, 0));
		assert_int_equal(
			send_numbers_post(context, ramet_receiver_sender(receiver), 0, 3, NULL), 0);
		/* From here on this thread waits in poll(2) only. */
		for (int64_t k = 0; k < 3; k++) {
			assert_true(readable(fd, SOON));
			assert_int_equal(take(receiver, 0), k);
		}
		/* The end. */
		assert_true(readable(fd, SOON));
		assert_int_equal(ramet_receive(receiver, 0, &value, NULL), 0);
		assert_true(readable(fd, 0));
		/* There is a sender again. */
		assert_int_equal(nothing_call(context, NULL), 0);
		if (paths[i]) {
			assert_int_equal(send_numbers_post(context, ramet_receiver_sender(receiver),
							   0, 0, NULL),
					 0);
			assert_true(readable(fd, SOON));
		}
		ramet_context_unref(context);
		close_tree();
	}
}

static void descriptor_asked_for_late_shows_what_is_there(void **state)
{
	ramet_value *value = NULL;

	(void)state;
	open_tree();
	assert_int_equal(ramet_send_i64(ramet_receiver_sender(receiver), 1), 0);
	assert_true(readable(fd_of(receiver), 0));
	assert_int_equal(take(receiver, 0), 1);
	assert_false(readable(fd_of(receiver), 0));
	ramet_receiver_close(receiver);
	assert_true(readable(fd_of(receiver), 0));
	assert_int_equal(ramet_receive(receiver, 0, &value, NULL), 0);
	close_tree();
}

static void descriptor_of_a_call_is_readable_when_it_is_done(void **state)
{
	(void)state;
	for (size_t i = 0; i < PATHS; i++) {
		ramet_receiver *call = NULL;
		ramet_context *context;
		int64_t result = 0;

		open_tree();
		context = reach(i);
		assert_int_equal(give_start(context, 9, &call, NULL), 0);
		assert_true(readable(fd_of(call), SOON));
		assert_int_equal(give_finish(call, 0, &result, NULL), 0);
		assert_int_equal(result, 9);
		ramet_receiver_unref(call);
		ramet_context_unref(context);
		close_tree();
	}
}

static void descriptor_tells_of_a_lost_writer(void **state)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_value *value = NULL;
	ramet_context *context;
	int pidfd;

	(void)state;
	open_tree();
	context = fixture_connect(router, "local/fork");
	pidfd = fixture_pidfd(ramet_context_pid(context));
	kill(ramet_context_pid(context), SIGSTOP);
	assert_int_equal(send_numbers_post(context, ramet_receiver_sender(receiver), 0, 3, NULL),
			 0);
	assert_false(readable(fd_of(receiver), 0));
	kill(ramet_context_pid(context), SIGKILL);
	assert_true(readable(fd_of(receiver), SOON));
	assert_int_equal(ramet_receive(receiver, 0, &value, &error), -ECONNRESET);
	ramet_error_clear(&error);
	assert_true(readable(fd_of(receiver), 0));
	assert_int_equal(ramet_receive(receiver, 0, &value, NULL), 0);
	fixture_wait_end(pidfd);
	ramet_context_unref(context);
	close_tree();
}

/* A program of whom no thread ever waits in here, with a loop of its own. */
static void epoll_loop_gets_everything(void **state)
{
	enum { STREAMS = 4, COUNT = 3000 };
	ramet_receiver *streams[STREAMS], *tick;
	int64_t next[STREAMS] = {0}, ticks = 0;
	int loop = epoll_create1(EPOLL_CLOEXEC), ended = 0;
	ramet_context *context;

	(void)state;
	open_tree();
	context = fixture_connect(router, "local/local");
	tick = timer(1, 1);
	for (int i = 0; i <= STREAMS; i++) {
		struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)i};

		if (i < STREAMS)
			assert_int_equal(ramet_receiver_new(router, &streams[i]), 0);
		assert_int_equal(epoll_ctl(loop, EPOLL_CTL_ADD,
					   fd_of(i < STREAMS ? streams[i] : tick), &event),
				 0);
	}
	for (int i = 0; i < STREAMS; i++)
		assert_int_equal(send_numbers_post(context, ramet_receiver_sender(streams[i]), 0,
						   COUNT, NULL),
				 0);
	while (ended < STREAMS) {
		struct epoll_event events[STREAMS + 1];
		int n = epoll_wait(loop, events, STREAMS + 1, SOON);

		assert_true(n > 0 || (n < 0 && errno == EINTR));
		for (int k = 0; k < n; k++) {
			uint32_t i = events[k].data.u32;
			ramet_value *value = NULL;
			int r;

			if (i == STREAMS) {
				ticks += take(tick, 0);
				continue;
			}
			r = ramet_receive(streams[i], 0, &value, NULL);
			if (r == 0) {
				ended++;
				epoll_ctl(loop, EPOLL_CTL_DEL, ramet_receiver_fd(streams[i]), NULL);
				continue;
			}
			assert_int_equal(r, 1);
			assert_int_equal(ramet_value_i64(value), next[i]++);
			ramet_value_unref(value);
		}
	}
	for (int i = 0; i < STREAMS; i++) {
		assert_int_equal(next[i], COUNT);
		ramet_receiver_unref(streams[i]);
	}
	assert_true(ticks > 0);
	ramet_receiver_unref(tick);
	close(loop);
	ramet_context_unref(context);
	close_tree();
}

static void descriptor_is_not_in_a_forked_context_but_in_a_copy(void **state)
{
	ramet_context *context;
	int fd, status = 0;
	pid_t pid;

	(void)state;
	open_tree();
	fd = fd_of(receiver);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(readable(fd, SOON) ? 0 : 1);
	/* The context of the method fork has none of it: it cannot make it readable, or hold it open. */
	context = fixture_connect(router, "fork");
	assert_int_equal(nothing_call(context, NULL), 0);
	assert_false(readable(fd, 0));
	assert_int_equal(ramet_send_i64(ramet_receiver_sender(receiver), 1), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	ramet_context_unref(context);
	close_tree();
}

static void descriptor_without_room_for_it_is_refused(void **state)
{
	struct rlimit limit, none;
	ramet_select *selection = NULL;

	(void)state;
	open_tree();
	assert_int_equal(ramet_select_new(router, &selection), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(ramet_receiver_fd(receiver), -EMFILE);
	assert_int_equal(ramet_select_fd(selection), -EMFILE);
	assert_int_equal(ramet_sender_fd(ramet_receiver_sender(receiver)), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(ramet_send_i64(ramet_receiver_sender(receiver), 4), 0);
	assert_true(readable(fd_of(receiver), 0));
	assert_int_equal(take(receiver, 0), 4);
	ramet_select_unref(selection);
	close_tree();
}

/* --- of selects ------------------------------------------------------------------------------------- */

static void descriptor_of_a_select_follows_its_members(void **state)
{
	ramet_receiver *second = NULL, *got = NULL;
	ramet_select *selection = NULL;
	ramet_value *value = NULL;
	int fd;

	(void)state;
	open_tree();
	assert_int_equal(ramet_receiver_new(router, &second), 0);
	assert_int_equal(ramet_select_new(router, &selection), 0);
	fd = ramet_select_fd(selection);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_true(readable(fd, 0)); /* it is empty: 0 at once */
	assert_int_equal(ramet_select_add(selection, receiver), 0);
	assert_false(readable(fd, 0));
	assert_int_equal(ramet_send_i64(ramet_receiver_sender(second), 2), 0);
	assert_int_equal(ramet_select_add(selection, second), 0);
	assert_true(readable(fd, 0));
	/* Taken without asking the select. */
	assert_int_equal(take(second, 0), 2);
	assert_false(readable(fd, 0));
	assert_int_equal(ramet_select_next(selection, 0, &got), -ETIMEDOUT);
	assert_int_equal(ramet_send_i64(ramet_receiver_sender(receiver), 1), 0);
	assert_true(readable(fd, 0));
	assert_int_equal(ramet_select_next(selection, 0, &got), 1);
	assert_ptr_equal(got, receiver);
	assert_true(readable(fd, 0));
	assert_int_equal(take(got, 0), 1);
	assert_false(readable(fd, 0));
	ramet_receiver_close(second);
	assert_true(readable(fd, 0));
	assert_int_equal(ramet_select_next(selection, 0, &got), 1);
	assert_ptr_equal(got, second);
	assert_int_equal(ramet_receive(got, 0, &value, NULL), 0);
	assert_false(readable(fd, 0));
	assert_int_equal(ramet_select_remove(selection, receiver), 0);
	assert_true(readable(fd, 0));
	ramet_receiver_unref(second);
	ramet_select_unref(selection);
	close_tree();
}

static void *next_of(void *argument)
{
	ramet_receiver *got = NULL;

	return (void *)(intptr_t)ramet_select_next(argument, SOON, &got);
}

static void select_that_loses_its_last_member_wakes_who_waits(void **state)
{
	ramet_select *selection = NULL;
	pthread_t thread;
	void *result;

	(void)state;
	open_tree();
	assert_int_equal(ramet_select_new(router, &selection), 0);
	assert_int_equal(ramet_select_add(selection, receiver), 0);
	assert_int_equal(pthread_create(&thread, NULL, next_of, selection), 0);
	fixture_wait_threads_sleep();
	assert_int_equal(ramet_select_remove(selection, receiver), 0);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_int_equal((intptr_t)result, 0);
	ramet_select_unref(selection);
	close_tree();
}

static void select_takes_a_thousand_receivers(void **state)
{
	enum { COUNT = 1000 };
	static ramet_receiver *streams[COUNT];
	ramet_select *selection = NULL;
	ramet_context *context;
	int values = 0, ends = 0, fd;

	(void)state;
	open_tree();
	context = fixture_connect(router, "local/fork");
	assert_int_equal(ramet_select_new(router, &selection), 0);
	for (int i = 0; i < COUNT; i++) {
		assert_int_equal(ramet_receiver_new(router, &streams[i]), 0);
		assert_int_equal(ramet_select_add(selection, streams[i]), 0);
		assert_int_equal(
			send_numbers_post(context, ramet_receiver_sender(streams[i]), i, 2, NULL),
			0);
	}
	fd = ramet_select_fd(selection);
	while (ends < COUNT) {
		ramet_receiver *got = NULL;
		ramet_value *value = NULL;

		assert_true(readable(fd, SOON));
		assert_int_equal(ramet_select_next(selection, 0, &got), 1);
		if (ramet_receive(got, 0, &value, NULL) == 0) {
			ends++;
			continue;
		}
		values++;
		ramet_value_unref(value);
	}
	assert_int_equal(values, 2 * COUNT);
	for (int i = 0; i < COUNT; i++)
		ramet_receiver_unref(streams[i]);
	ramet_select_unref(selection);
	ramet_context_unref(context);
	close_tree();
}

/* --- of senders, and sends that do not wait --------------------------------------------------------- */

static void descriptor_of_a_sender_is_readable_while_there_is_room(void **state)
{
	(void)state;
	for (size_t i = 0; i < PATHS; i++) {
		ramet_sender *sender = NULL;
		ramet_context *context;
		int64_t sent = 0, got = 0, all = 0;
		int fd, r;

		open_tree();
		context = reach(i);
		assert_int_equal(serve_call(context, &sender, NULL), 0);
		ramet_sender_set_timeout(sender, 0);
		fd = ramet_sender_fd(sender);
		assert_true(fd >= 0);
		assert_int_equal(ramet_sender_fd(sender), fd);
		/* Two windows go, and each time it is full it says so. */
		for (int full = 0; full < 2;) {
			static char text[200];

			memset(text, 'x', sizeof(text) - 1);
			if (!readable(fd, 0)) {
				assert_int_equal(ramet_send_str(sender, text), -EAGAIN);
				if (readable(fd, 100))
					continue; /* the stream was behind, not the reader */
				assert_int_equal(drain_served_call(context, sent, &got, NULL), 0);
				all += got;
				assert_int_equal(got, sent);
				sent = 0;
				full++;
				assert_true(readable(fd, SOON));
				continue;
			}
			r = ramet_send_str(sender, text);
			assert_int_equal(r, 0);
			sent++;
		}
		assert_true(all * 200 > 1 << 20);
		assert_int_equal(drop_served_call(context, NULL), 0);
		assert_true(readable(fd, SOON));
		ramet_sender_close(sender);
		assert_true(readable(fd, 0));
		assert_int_equal(ramet_send_i64(sender, 1), -EPIPE);
		ramet_sender_unref(sender);
		ramet_context_unref(context);
		close_tree();
	}
}

/* A value of many frames goes at once, as a whole, or not at all. */
static void large_send_that_does_not_wait_goes_as_a_whole_or_not(void **state)
{
	enum { LARGE = 600000 };
	static char data[2 << 20];

	(void)state;
	for (size_t i = 0; i < PATHS; i++) {
		ramet_sender *sender = NULL;
		ramet_context *context;
		int64_t got = 0;
		int fd;

		open_tree();
		context = reach(i);
		assert_int_equal(serve_call(context, &sender, NULL), 0);
		ramet_sender_set_timeout(sender, 0);
		fd = ramet_sender_fd(sender);
		for (int round = 0; round < 3; round++) {
			int64_t sent = 0;
			int r;

			assert_true(readable(fd, SOON));
			while ((r = ramet_send_bytes(sender, (ramet_bytes){data, LARGE})) == 0)
				sent++;
			assert_int_equal(r, -EAGAIN);
			/* What is being put together there is granted, and then one waits. */
			assert_in_range(sent, 1, 3);
			assert_int_equal(drain_served_call(context, sent, &got, NULL), 0);
			assert_int_equal(got, sent);
		}
		/* What no window holds never goes without waiting. */
		assert_int_equal(ramet_send_bytes(sender, (ramet_bytes){data, sizeof(data)}),
				 -EMSGSIZE);
		assert_int_equal(drop_served_call(context, NULL), 0);
		ramet_sender_unref(sender);
		ramet_context_unref(context);
		close_tree();
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(timer_without_interval_expires_once_and_ends),
		FIXTURE_TEST(timer_with_interval_goes_on_without_drift),
		FIXTURE_TEST(timer_that_is_read_slowly_counts_what_was_missed),
		FIXTURE_TEST(timer_refuses_negative_times),
		FIXTURE_TEST(timer_may_be_dropped_at_any_time),
		FIXTURE_TEST(timer_that_is_closed_wakes_its_reader),
		FIXTURE_TEST(select_takes_timers_with_calls_and_streams),
		FIXTURE_TEST(descriptor_of_a_stream_is_readable_while_there_is_something),
		FIXTURE_TEST(descriptor_asked_for_late_shows_what_is_there),
		FIXTURE_TEST(descriptor_of_a_call_is_readable_when_it_is_done),
		FIXTURE_TEST(descriptor_tells_of_a_lost_writer),
		FIXTURE_TEST(epoll_loop_gets_everything),
		FIXTURE_TEST(descriptor_is_not_in_a_forked_context_but_in_a_copy),
		FIXTURE_TEST(descriptor_without_room_for_it_is_refused),
		FIXTURE_TEST(descriptor_of_a_select_follows_its_members),
		FIXTURE_TEST(select_that_loses_its_last_member_wakes_who_waits),
		FIXTURE_TEST(select_takes_a_thousand_receivers),
		FIXTURE_TEST(descriptor_of_a_sender_is_readable_while_there_is_room),
		FIXTURE_TEST(large_send_that_does_not_wait_goes_as_a_whole_or_not),
	};

	fixture_child(argc, argv);
	ramet_init(argc, argv);
	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
