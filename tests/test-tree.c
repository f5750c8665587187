/* SPDX-License-Identifier: BSD-3-Clause */
/* Who is where in the tree, and who may say what to whom: ids, routes, sources, siblings, losses. */
#include "core/log.h"
#include "core/peer.h"
#include "core/route.h"
#include "core/stream.h"
#include "fixture.h"
#include "records.h"
#include "wire/cbor.h"

/* --- functions -------------------------------------------------------------------------------------- */

static ramet_receiver *served;
static ramet_group *family;

RAMET_FUNCTION(i64, process_id)
{
	return getpid();
}

RAMET_FUNCTION(none, start, (str, paths))
{
	ramet_error error = RAMET_ERROR_INIT;

	if (ramet_connect_all(ramet_call_router(call), paths, &family, &error) < 0)
		ramet_fail_error(call, &error);
}

RAMET_FUNCTION(context, member, (i32, index))
{
	return ramet_group_get(family, (size_t)index);
}

/* A log record for the master that says it comes from somebody else. */
RAMET_FUNCTION(none, forge, (i64, source), (i64, authority), (str, text))
{
	ramet_router *router = ramet_call_router(call);
	struct rmt_buffer out = RMT_BUFFER_INIT;
	struct rmt_frame frame = {
		.source = (uint32_t)source,
		.authority = (uint32_t)authority,
		.flags = RMT_FRAME_COUNTED,
		.handle = RMT_HANDLE_LOG,
	};

	rmt_cbor_put_array(&out, 6);
	rmt_cbor_put_uint(&out, RAMET_LOG_ERROR);
	rmt_cbor_put_uint(&out, 0);
	rmt_cbor_put_str(&out, "somewhere");
	rmt_cbor_put_str(&out, "forger");
	rmt_cbor_put_str(&out, text);
	rmt_cbor_put_array(&out, 0);
	frame.length = frame.total = (uint32_t)out.size;
	rmt_lock(router);
	rmt_stream_send(router->uplink, &frame, out.data, NULL, false);
	rmt_unlock(router);
	rmt_buffer_done(&out);
}

RAMET_FUNCTION(u64, count_dropped)
{
	return ramet_call_router(call)->dropped;
}

/* Calls a function elsewhere: what that gives. */
RAMET_FUNCTION(i64, call_there, (context, whom))
{
	ramet_error error = RAMET_ERROR_INIT;
	int64_t pid = 0;

	if (process_id_call(whom, &pid, &error) < 0)
		ramet_fail_error(call, &error);
	return pid;
}

RAMET_FUNCTION(sender, serve)
{
	if (ramet_receiver_new(ramet_call_router(call), &served) < 0)
		ramet_fail(call, ENOMEM, "no receiver");
	return ramet_receiver_sender(served);
}

/* The sum of what arrives before the end, or the failure. */
RAMET_FUNCTION(i64, sum_served)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_value *value;
	int64_t sum = 0;
	int r;

	while ((r = ramet_receive(served, SOON, &value, &error)) > 0) {
		sum += ramet_value_i64(value);
		ramet_value_unref(value);
	}
	if (r < 0)
		ramet_fail_error(call, &error);
	return sum;
}

/* Sends until it is refused, or `count` times. */
RAMET_FUNCTION(i64, send_up_to, (sender, to), (i64, count))
{
	for (int64_t i = 0; i < count; i++) {
		int r = ramet_send_i64(to, 1);

		if (r < 0)
			return r;
	}
	return count;
}

RAMET_FUNCTION(none, send_and_die, (sender, to))
{
	ramet_send_i64(to, 1);
	/* What is gathered has to be on its way. */
	rmt_lock(ramet_call_router(call));
	rmt_streams_flush(ramet_call_router(call));
	rmt_unlock(ramet_call_router(call));
	raise(SIGKILL);
}

/* --- helpers ---------------------------------------------------------------------------------------- */

static ramet_router *router;
static struct records records;

static void open_tree(bool siblings)
{
	ramet_router_options options = RAMET_ROUTER_OPTIONS_INIT;

	options.allow_siblings = siblings;
	router = records_router(&records, &options);
}

static void close_tree(void)
{
	ramet_router_unref(router);
	records_done(&records);
}

static uint64_t dropped(void)
{
	uint64_t count;

	rmt_lock(router);
	count = router->dropped;
	rmt_unlock(router);
	return count;
}

/* Behind whom the master looks for an id: the pid of a child of its own, 0 for none. */
static int way_to(uint32_t id)
{
	struct rmt_stream *stream;
	int pid = 0;

	rmt_lock(router);
	stream = rmt_route_below(router, id);
	if (stream)
		pid = stream->peer->pid;
	rmt_unlock(router);
	return pid;
}

static size_t count_routes(void)
{
	size_t count;

	rmt_lock(router);
	count = router->route_count;
	rmt_unlock(router);
	return count;
}

static int64_t pid_of(ramet_context *context)
{
	int64_t pid = 0;

	assert_int_equal(process_id_call(context, &pid, NULL), 0);
	return pid;
}

/* --- ids and routes --------------------------------------------------------------------------------- */

static void ids_are_unique_and_come_in_blocks(void **state)
{
	enum { COUNT = RMT_ID_BLOCK + 6 };
	ramet_context *parent, *other, *child = NULL;
	bool seen[4 * RMT_ID_BLOCK] = {true};
	char paths[32];
	uint32_t own;

	(void)state;
	open_tree(false);
	own = ramet_context_id(ramet_router_self(router));
	assert_int_not_equal(own, 0);
	assert_int_equal(own % RMT_REGION_IDS, 0);
	parent = fixture_connect(router, "local");
	other = fixture_connect(router, "local#1");
	assert_int_equal(ramet_context_id(parent), own + 1);
	assert_int_equal(ramet_context_id(other), own + 2);
	assert_int_equal(count_routes(), 2);
	seen[1] = seen[2] = true;
	snprintf(paths, sizeof(paths), "fork*%d", COUNT);
	assert_int_equal(start_call(parent, paths, NULL), 0);
	for (int32_t i = 0; i < COUNT; i++) {
		uint32_t id;

		assert_int_equal(member_call(parent, i, &child, NULL), 0);
		id = ramet_context_id(child);
		assert_true(id - own < sizeof(seen) && !seen[id - own]);
		seen[id - own] = true;
		assert_int_equal(way_to(id), ramet_context_pid(parent));
		if (i % 16 == 0)
			assert_int_equal(pid_of(child), ramet_context_pid(child));
		ramet_context_unref(child);
	}
	/* A few routes cover them all. */
	assert_in_range(count_routes(), 3, 4);
	assert_int_equal(way_to(own + 2), ramet_context_pid(other));
	assert_int_equal(way_to(0), 0);
	assert_int_equal(way_to(own - 1), 0);
	/* With the parent go the routes to all of them. */
	assert_int_equal(ramet_context_shutdown(parent, -1, NULL), 0);
	assert_int_equal(count_routes(), 1);
	ramet_context_unref(parent);
	ramet_context_unref(other);
	close_tree();
}

static void ids_of_grandchildren_come_from_the_master(void **state)
{
	ramet_context *deep, *deeper, *beside;

	(void)state;
	open_tree(false);
	deep = fixture_connect(router, "local/fork/local");
	beside = fixture_connect(router, "fork/fork");
	deeper = fixture_connect(router, "local/fork/local/fork");
	assert_int_equal(pid_of(deep), ramet_context_pid(deep));
	assert_int_equal(pid_of(deeper), ramet_context_pid(deeper));
	assert_int_equal(pid_of(beside), ramet_context_pid(beside));
	assert_int_equal(way_to(ramet_context_id(deep)), way_to(ramet_context_id(deeper)));
	assert_int_not_equal(way_to(ramet_context_id(deep)), way_to(ramet_context_id(beside)));
	ramet_context_unref(deep);
	ramet_context_unref(deeper);
	ramet_context_unref(beside);
	close_tree();
}

/* --- sources ---------------------------------------------------------------------------------------- */

static void frame_with_a_forged_source_is_dropped_and_counted(void **state)
{
	ramet_context *child, *other;
	uint32_t own, sibling;

	(void)state;
	open_tree(true);
	child = fixture_connect(router, "local");
	other = fixture_connect(router, "local#1");
	own = ramet_context_id(child);
	sibling = ramet_context_id(other);
	/* The truth arrives. */
	assert_int_equal(forge_call(child, own, own, "truth", NULL), 0);
	records_wait(&records, 0, "somewhere", "forger", "truth");
	assert_int_equal(dropped(), 0);
	assert_int_equal(forge_call(child, sibling, sibling, "lie 1", NULL), 0);
	assert_int_equal(forge_call(child, own, sibling, "lie 2", NULL), 0);
	assert_int_equal(forge_call(child, sibling, own, "lie 3", NULL), 0);
	assert_int_equal(forge_call(child, 0, 0, "lie 4", NULL), 0);
	assert_int_equal(forge_call(child, own, 0, "lie 5", NULL), 0);
	assert_int_equal(forge_call(child, 12345, 12345, "lie 6", NULL), 0);
	/* An answer comes behind what was sent before it. */
	assert_true(pid_of(child) > 0);
	assert_int_equal(dropped(), 6);
	assert_int_equal(records_count(&records, "forger", NULL), 1);
	records_wait(&records, 0, "", "ramet", "claims to come from context");
	ramet_context_unref(child);
	ramet_context_unref(other);
	close_tree();
}

/* The first honest hop drops it: the master hears nothing. */
static void forged_frame_of_a_grandchild_is_dropped_by_its_parent(void **state)
{
	ramet_context *parent, *child;
	uint64_t count = 0;

	(void)state;
	open_tree(false);
	parent = fixture_connect(router, "local");
	child = fixture_connect(router, "local/fork");
	assert_int_equal(
		forge_call(child, ramet_context_id(parent), ramet_context_id(parent), "lie", NULL),
		0);
	assert_true(pid_of(child) > 0);
	assert_int_equal(count_dropped_call(parent, &count, NULL), 0);
	assert_int_equal(count, 1);
	assert_int_equal(dropped(), 0);
	assert_int_equal(records_count(&records, "forger", NULL), 0);
	ramet_context_unref(parent);
	ramet_context_unref(child);
	close_tree();
}

/* --- siblings --------------------------------------------------------------------------------------- */

static void siblings_may_not_talk_by_default(void **state)
{
	static const char *const pairs[][2] = {
		{"local", "fork"}, {"local/fork", "local/fork#1"}, {"local", "local#1/fork"}};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		ramet_error error = RAMET_ERROR_INIT;
		ramet_context *one, *two;
		ramet_sender *sender = NULL;
		int64_t result = 0;

		open_tree(false);
		one = fixture_connect(router, pairs[i][0]);
		two = fixture_connect(router, pairs[i][1]);
		assert_int_equal(call_there_call(one, two, &result, &error), -EPERM);
		fixture_check_error(&error, -EPERM, "siblings may not talk to each other", NULL);
		assert_int_equal(call_there_call(two, one, &result, &error), -EPERM);
		fixture_check_error(&error, -EPERM, "siblings may not talk to each other", NULL);
		/* What is sent is refused, too. */
		assert_int_equal(serve_call(two, &sender, NULL), 0);
		assert_int_equal(send_up_to_call(one, sender, 1 << 20, &result, NULL), 0);
		assert_int_equal(result, -EPIPE);
		ramet_sender_unref(sender);
		/* And its reader does not wait for it. */
		assert_int_equal(sum_served_call(two, &result, &error), -ECONNRESET);
		fixture_check_error(&error, -ECONNRESET, "siblings may not talk to each other",
				    NULL);
		ramet_context_unref(one);
		ramet_context_unref(two);
		close_tree();
	}
}

static void siblings_that_may_talk_send_but_do_not_call(void **state)
{
	static const char *const pairs[][2] = {
		{"local", "fork"}, {"local/fork", "local/fork#1"}, {"local/fork", "fork/local"}};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		ramet_error error = RAMET_ERROR_INIT;
		ramet_context *one, *two;
		ramet_sender *sender = NULL;
		int64_t result = 0;

		open_tree(true);
		one = fixture_connect(router, pairs[i][0]);
		two = fixture_connect(router, pairs[i][1]);
		assert_int_equal(serve_call(two, &sender, NULL), 0);
		assert_int_equal(send_up_to_call(one, sender, 1000, &result, NULL), 0);
		assert_int_equal(result, 1000);
		ramet_sender_unref(sender);
		assert_int_equal(sum_served_call(two, &result, &error), 0);
		assert_int_equal(result, 1000);
		assert_int_equal(call_there_call(one, two, &result, &error), -EPERM);
		fixture_check_error(&error, -EPERM, "is no parent of", NULL);
		ramet_context_unref(one);
		ramet_context_unref(two);
		close_tree();
	}
}

static void child_may_not_call_its_parents(void **state)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_context *parent, *child;
	int64_t pid = 0;

	(void)state;
	open_tree(true);
	parent = fixture_connect(router, "local");
	child = fixture_connect(router, "local/fork");
	assert_int_equal(call_there_call(child, parent, &pid, &error), -EPERM);
	fixture_check_error(&error, -EPERM, "is no parent of", NULL);
	assert_int_equal(call_there_call(child, ramet_router_self(router), &pid, &error), -EPERM);
	ramet_error_clear(&error);
	/* Down and to itself it may. */
	assert_int_equal(call_there_call(parent, child, &pid, &error), 0);
	assert_int_equal(pid, ramet_context_pid(child));
	ramet_context_unref(parent);
	ramet_context_unref(child);
	close_tree();
}

/* --- losses ----------------------------------------------------------------------------------------- */

static void end_of_a_grandchild_is_told_to_the_master(void **state)
{
	ramet_context *parent, *child;
	const char *reason = NULL;
	int64_t pid = 0;

	(void)state;
	open_tree(false);
	parent = fixture_connect(router, "local");
	child = fixture_connect(router, "local/local");
	assert_int_equal(kill(ramet_context_pid(child), SIGKILL), 0);
	assert_int_equal(ramet_context_wait(child, SOON, &reason), 1);
	assert_non_null(strstr(reason, "SIGKILL"));
	assert_false(ramet_context_alive(child));
	assert_int_equal(process_id_call(child, &pid, NULL), -ECONNRESET);
	assert_true(pid_of(parent) > 0);
	/* A new one takes its place. */
	ramet_context_unref(child);
	child = fixture_connect(router, "local/local");
	assert_true(pid_of(child) > 0);
	ramet_context_unref(child);
	ramet_context_unref(parent);
	close_tree();
}

static void end_of_a_sender_is_told_to_its_reader(void **state)
{
	static const char *const readers[] = {"local", "fork", "local#1/fork"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		ramet_error error = RAMET_ERROR_INIT;
		ramet_context *reader, *writer;
		ramet_sender *sender = NULL;
		int64_t sum = 0;

		open_tree(true);
		reader = fixture_connect(router, readers[i]);
		writer = fixture_connect(router, "local#2/fork");
		assert_int_equal(serve_call(reader, &sender, NULL), 0);
		assert_int_equal(send_and_die_call(writer, sender, &error), -ECONNRESET);
		ramet_error_clear(&error);
		/* What was sent comes first, then the loss. */
		assert_int_equal(sum_served_call(reader, &sum, &error), -ECONNRESET);
		fixture_check_error(&error, -ECONNRESET, "which sent here, is gone", NULL);
		ramet_sender_unref(sender);
		ramet_context_unref(reader);
		ramet_context_unref(writer);
		close_tree();
	}
}

/* --- what is seen from outside ---------------------------------------------------------------------- */

static void process_is_titled_with_its_path(void **state)
{
	static const char *const paths[] = {"local", "local/local#1", "local?name=db"};
	static const char *const titles[] = {"local", "local/local#1", "db"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		char file[64], line[512] = "", begin[128], end[32];
		ramet_context *context;
		size_t size;
		FILE *stream;

		open_tree(false);
		context = fixture_connect(router, paths[i]);
		snprintf(file, sizeof(file), "/proc/%d/cmdline", ramet_context_pid(context));
		stream = fopen(file, "re");
		assert_non_null(stream);
		size = fread(line, 1, sizeof(line) - 1, stream);
		fclose(stream);
		assert_true(size > 0);
		snprintf(begin, sizeof(begin), "test-tree(ramet %s, started by ", titles[i]);
		assert_memory_equal(line, begin, strlen(begin));
		if (i != 1) {
			snprintf(end, sizeof(end), ":%d)", (int)getpid());
			assert_string_equal(line + strlen(line) - strlen(end), end);
		}
		assert_string_equal(line + strlen(line) + 1, "--ramet-context");
		ramet_context_unref(context);
		close_tree();
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(ids_are_unique_and_come_in_blocks),
		FIXTURE_TEST(ids_of_grandchildren_come_from_the_master),
		FIXTURE_TEST(frame_with_a_forged_source_is_dropped_and_counted),
		FIXTURE_TEST(forged_frame_of_a_grandchild_is_dropped_by_its_parent),
		FIXTURE_TEST(siblings_may_not_talk_by_default),
		FIXTURE_TEST(siblings_that_may_talk_send_but_do_not_call),
		FIXTURE_TEST(child_may_not_call_its_parents),
		FIXTURE_TEST(end_of_a_grandchild_is_told_to_the_master),
		FIXTURE_TEST(end_of_a_sender_is_told_to_its_reader),
		FIXTURE_TEST(process_is_titled_with_its_path),
	};

	fixture_child(argc, argv);
	ramet_init(argc, argv);
	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
