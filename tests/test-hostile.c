/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One context is hostile, see hostile.c. Whatever it sends: the master and an innocent sibling go on working, what is
 * theirs arrives and nothing else, and what the master holds for it is bounded.
 */
#include <pthread.h>
#include <semaphore.h>

#include "fixture.h"
#include "hostile.h"

#include "base/limits.h"
#include "core/account.h"
#include "core/receiver.h"
#include "core/route.h"
#include "core/stream.h"

/* --- functions of the innocent ------------------------------------------------------------------------------------- */

static sem_t gate;
static ramet_receiver *served;
static ramet_sender *held;

RAMET_FUNCTION(i64, square, (i64, number))
{
	return number * number;
}

RAMET_FUNCTION(i64, wait_at_gate)
{
	while (sem_wait(&gate) < 0)
		;
	return 42;
}

RAMET_CONCURRENT_FUNCTION(none, open_gate)
{
	sem_post(&gate);
}

RAMET_FUNCTION(sender, serve)
{
	if (ramet_receiver_new(ramet_call_router(call), &served) < 0)
		ramet_fail(call, ENOMEM, "no receiver");
	return ramet_receiver_sender(served);
}

RAMET_FUNCTION(i64, sum_served)
{
	ramet_value *value;
	int64_t sum = 0;

	while (ramet_receive(served, SOON, &value, NULL) > 0) {
		sum += ramet_value_i64(value);
		ramet_value_unref(value);
	}
	return sum;
}

RAMET_FUNCTION(none, hold, (sender, to))
{
	held = ramet_sender_ref(to);
}

RAMET_FUNCTION(none, send_three)
{
	for (int i = 1; i <= 3; i++)
		ramet_send_i64(held, i);
	ramet_sender_unref(held);
}

/* --- the scene ----------------------------------------------------------------------------------------------------- */

static ramet_router *router;
static ramet_context *good, *bad;
static struct {
	pthread_mutex_t lock;
	char over[64]; /* the last "... is over" */
	unsigned false_names, alarms;
} heard = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void listen_to(const ramet_log_record *record, void *data)
{
	(void)data;
	pthread_mutex_lock(&heard.lock);
	if (strstr(record->text, "is over") && strcmp(record->context, "bad") == 0)
		snprintf(heard.over, sizeof(heard.over), "%s", record->text);
	heard.false_names += strcmp(record->source, "hostile") == 0 &&
			     strncmp(record->context, "bad", 3) != 0;
	if (strstr(record->text, "Sanitizer") || strstr(record->text, "runtime error:")) {
		heard.alarms++;
		print_error("# %s: %s\n", record->context, record->text);
	}
	pthread_mutex_unlock(&heard.lock);
}

static bool is_over(const char *attack)
{
	bool over;

	pthread_mutex_lock(&heard.lock);
	over = strncmp(heard.over, attack, strlen(attack)) == 0;
	pthread_mutex_unlock(&heard.lock);
	return over;
}

static void open_scene(ramet_router_options options)
{
	options.log = listen_to;
	options.log_level = RAMET_LOG_INFO;
	options.shutdown_timeout = SOON;
	heard.over[0] = '\0';
	heard.false_names = heard.alarms = 0;
	assert_int_equal(ramet_router_new(&options, &router), 0);
	good = fixture_connect(router, "local?name=good");
}

static void check_good(void)
{
	ramet_error error = RAMET_ERROR_INIT;
	int64_t result = 0;

	if (square_call(good, 7, &result, &error) < 0)
		fail_msg("%s", error.message);
	assert_int_equal(result, 49);
}

static uint64_t dropped(void)
{
	uint64_t count;

	rmt_lock(router);
	count = router->dropped;
	rmt_unlock(router);
	return count;
}

static void start(const char *attack, uint32_t handle)
{
	hostile_order(attack, ramet_context_id(good), handle);
	bad = fixture_connect(router, "local?name=bad");
	hostile_order(NULL, 0, 0);
}

/* Others go on meanwhile. */
static void wait_until_over(const char *attack)
{
	const char *reason = NULL;

	while (!is_over(attack)) {
		check_good();
		if (ramet_context_wait(bad, 0, &reason) > 0 && !is_over(attack))
			fail_msg("it was lost: %s", reason);
	}
}

static void close_scene(void)
{
	check_good();
	ramet_context_unref(bad);
	ramet_context_unref(good);
	bad = good = NULL;
	ramet_router_unref(router);
	assert_int_equal(heard.false_names, 0);
	assert_int_equal(heard.alarms, 0);
}

static const ramet_router_options plain = RAMET_ROUTER_OPTIONS_INIT;

/* From start to end, with at least so many refusals. */
static void withstand(const ramet_router_options *options, const char *attack, uint32_t handle,
		      uint64_t refusals)
{
	open_scene(*options);
	start(attack, handle);
	wait_until_over(attack);
	assert_true(dropped() >= refusals);
	close_scene();
}

static uint32_t handle_of(ramet_receiver *receiver)
{
	return (uint32_t)receiver->node.key;
}

static struct rmt_account *account_of_bad(void)
{
	struct rmt_account *account;

	rmt_lock(router);
	account = rmt_account_of(router, ramet_context_id(bad));
	rmt_unlock(router);
	assert_non_null(account);
	return account;
}

/* --- who speaks for whom ------------------------------------------------------------------------------------------- */

static void forged_sources_and_authorities_are_dropped(void **state)
{
	(void)state;
	/* What is sent to the victim as oneself for oneself is none of these. */
	withstand(&plain, "forge", 0, 20);
}

static void commands_upwards_and_sideways_do_nothing(void **state)
{
	ramet_router_options options = plain;

	(void)state;
	withstand(&plain, "command", 0, 30);
	options.allow_siblings = true;
	withstand(&options, "command", 0, 30);
}

static void answer_in_the_place_of_a_sibling_is_dropped(void **state)
{
	ramet_receiver *receiver = NULL;
	ramet_error error = RAMET_ERROR_INIT;
	int64_t result = 0;

	(void)state;
	for (int siblings = 0; siblings < 2; siblings++) {
		ramet_router_options options = plain;

		options.allow_siblings = siblings;
		open_scene(options);
		assert_int_equal(wait_at_gate_start(good, &receiver, &error), 0);
		start("answer", handle_of(receiver));
		while (!is_over("answer"))
			sched_yield();
		assert_true(dropped() >= 5);
		assert_false(ramet_receiver_done(receiver));
		assert_int_equal(open_gate_call(good, &error), 0);
		if (wait_at_gate_finish(receiver, SOON, &result, &error) < 0)
			fail_msg("%s", error.message);
		assert_int_equal(result, 42);
		ramet_receiver_unref(receiver);
		close_scene();
	}
}

static void flow_to_a_sibling_stays_open(void **state)
{
	ramet_sender *sender = NULL;
	ramet_error error = RAMET_ERROR_INIT;
	int64_t sum = 0;

	(void)state;
	open_scene(plain);
	assert_int_equal(serve_call(good, &sender, &error), 0);
	start("close", sender->handle);
	wait_until_over("close");
	assert_int_equal(dropped(), 3);
	for (int i = 1; i <= 1000; i++)
		assert_int_equal(ramet_send_i64(sender, i), 0);
	ramet_sender_unref(sender);
	assert_int_equal(sum_served_call(good, &sum, &error), 0);
	assert_int_equal(sum, 500500);
	close_scene();
}

/* The numbers of the sibling arrive, and its end; nothing else does, and it is not the end before. */
static void stolen_handle_lets_nothing_in(void **state)
{
	ramet_receiver *receiver = NULL;
	ramet_error error = RAMET_ERROR_INIT;
	ramet_value *value = NULL;

	(void)state;
	open_scene(plain);
	assert_int_equal(ramet_receiver_new(router, &receiver), 0);
	assert_int_equal(hold_call(good, ramet_receiver_sender(receiver), &error), 0);
	start("steal", handle_of(receiver));
	wait_until_over("steal");
	assert_true(dropped() >= 14);
	assert_int_equal(ramet_receive(receiver, 0, &value, NULL), -ETIMEDOUT);
	assert_int_equal(send_three_call(good, &error), 0);
	for (int i = 1; i <= 3; i++) {
		assert_int_equal(ramet_receive(receiver, SOON, &value, &error), 1);
		assert_int_equal(ramet_value_i64(value), i);
		ramet_value_unref(value);
	}
	assert_int_equal(ramet_receive(receiver, SOON, &value, &error), 0);
	ramet_receiver_unref(receiver);
	close_scene();
}

static void loss_of_others_is_not_believed(void **state)
{
	(void)state;
	open_scene(plain);
	start("gone", 0);
	wait_until_over("gone");
	assert_true(ramet_context_alive(good));
	assert_true(ramet_context_alive(bad));
	close_scene();
}

/* --- batches -------------------------------------------------------------------------------------------------- */

static void batches_that_make_no_sense_are_refused(void **state)
{
	ramet_router_options options = plain;

	(void)state;
	options.allow_siblings = true;
	open_scene(options);
	start("batches", 0);
	wait_until_over("batches");
	close_scene();
}

/* --- how much ------------------------------------------------------------------------------------------------------ */

static void ids_beyond_the_quota_are_refused(void **state)
{
	ramet_router_options options = plain;

	(void)state;
	options.quota_contexts = 100000;
	open_scene(options);
	start("allocate", 0);
	wait_until_over("allocate is over, refused");
	assert_true(dropped() > 0);
	assert_true(account_of_bad()->contexts <= 100000);
	rmt_lock(router);
	assert_true(router->route_count <= 100000 / RMT_ID_BLOCK + 10);
	rmt_unlock(router);
	close_scene();
}

static void requests_and_records_without_end_are_answered_or_dropped(void **state)
{
	(void)state;
	withstand(&plain, "requests", 0, 10000);
}

/* The window is there, the rest is not, and the reader is told. */
static void more_than_was_granted_is_refused(void **state)
{
	ramet_receiver_options options = RAMET_RECEIVER_OPTIONS_INIT;
	ramet_receiver *receiver = NULL;
	ramet_error error = RAMET_ERROR_INIT;
	ramet_value *value = NULL;
	size_t bytes = 0;
	int r;

	(void)state;
	options.policy = RAMET_POLICY_CHILDREN;
	open_scene(plain);
	assert_int_equal(ramet_receiver_new_with(router, &options, &receiver), 0);
	start("overrun", handle_of(receiver));
	wait_until_over("overrun");
	assert_true(dropped() >= 64 - RMT_FLOW_WINDOW / RMT_FRAME_PAYLOAD_MAX);
	assert_true(account_of_bad()->bytes <= RMT_FLOW_WINDOW + 100 * RMT_MESSAGE_OVERHEAD);
	while ((r = ramet_receive(receiver, 0, &value, &error)) > 0) {
		bytes += ramet_value_bytes(value).size;
		ramet_value_unref(value);
	}
	assert_int_equal(r, -ENOBUFS);
	ramet_error_clear(&error);
	while (ramet_receive(receiver, 0, &value, NULL) > 0) {
		bytes += ramet_value_bytes(value).size;
		ramet_value_unref(value);
	}
	assert_int_equal(bytes, RMT_FLOW_WINDOW);
	assert_int_equal(account_of_bad()->bytes, 0);
	ramet_receiver_unref(receiver);
	close_scene();
}

static void claims_take_no_memory(void **state)
{
	ramet_receiver_options options = RAMET_RECEIVER_OPTIONS_INIT;
	ramet_receiver *receiver = NULL;
	ramet_error error = RAMET_ERROR_INIT;
	ramet_value *value = NULL;

	(void)state;
	options.policy = RAMET_POLICY_CHILDREN;
	open_scene(plain);
	assert_int_equal(ramet_receiver_new_with(router, &options, &receiver), 0);
	start("claims", handle_of(receiver));
	wait_until_over("claims");
	assert_int_equal(account_of_bad()->bytes, 0);
	/* That of its records, and one. */
	assert_int_equal(account_of_bad()->flows, 2);
	assert_int_equal(ramet_receive(receiver, 0, &value, &error) < 0, 1);
	ramet_error_clear(&error);
	ramet_receiver_unref(receiver);
	close_scene();
}

static void half_messages_are_bounded_by_the_quota(void **state)
{
	ramet_receiver_options options = RAMET_RECEIVER_OPTIONS_INIT;
	ramet_router_options all = plain;
	ramet_receiver *receiver = NULL;

	(void)state;
	all.quota_bytes = 4 << 20;
	options.policy = RAMET_POLICY_ANY;
	open_scene(all);
	assert_int_equal(ramet_receiver_new_with(router, &options, &receiver), 0);
	start("halves", handle_of(receiver));
	wait_until_over("halves");
	assert_true(account_of_bad()->bytes > 3 << 20);
	assert_true(account_of_bad()->bytes <= 4 << 20);
	assert_true(dropped() >= 900);
	ramet_receiver_unref(receiver);
	assert_int_equal(account_of_bad()->bytes, 0);
	assert_int_equal(account_of_bad()->flows, 1); /* of its records */
	close_scene();
}

static void who_asks_and_never_reads_is_lost(void **state)
{
	ramet_router_options options = plain;
	const char *reason = NULL;

	(void)state;
	options.quota_unread = 1 << 20;
	open_scene(options);
	start("ask-only", 0);
	while (ramet_context_wait(bad, 0, &reason) == 0)
		check_good();
	assert_non_null(strstr(reason, "it does not read"));
	close_scene();
}

/* One floods another one that does not read: the first has to pause, and goes on when the other is gone. */
static void flood_between_siblings_pauses_the_sender(void **state)
{
	ramet_router_options options = plain;
	struct rmt_account *account;
	ramet_context *deaf;
	bool paused = false;

	(void)state;
	options.allow_siblings = true;
	open_scene(options);
	hostile_order("deaf", 0, 0);
	deaf = fixture_connect(router, "local#1?name=bad");
	hostile_order("flood", ramet_context_id(deaf), 0);
	bad = fixture_connect(router, "local?name=bad");
	hostile_order(NULL, 0, 0);
	account = account_of_bad();
	while (!paused) {
		check_good();
		rmt_lock(router);
		paused = account->paused;
		assert_true(account->waiting.bytes <= RMT_DETOUR_MAX + (1 << 20));
		rmt_unlock(router);
	}
	assert_false(is_over("flood"));
	ramet_context_shutdown(deaf, 0, NULL);
	wait_until_over("flood");
	assert_int_equal(account->waiting.bytes, 0);
	assert_false(account->paused);
	ramet_context_unref(deaf);
	close_scene();
}

/* --- anything ------------------------------------------------------------------------------------------------------ */

static void random_frames_hurt_nobody(void **state)
{
	const char *text = getenv("RAMET_TEST_SEED");
	struct timespec now;
	uint32_t seed;

	(void)state;
	clock_gettime(CLOCK_REALTIME, &now);
	seed = text ? (uint32_t)strtoul(text, NULL, 10) : (uint32_t)now.tv_nsec;
	print_message("# RAMET_TEST_SEED=%u\n", seed);
	for (int siblings = 0; siblings < 2; siblings++) {
		ramet_router_options options = plain;

		options.allow_siblings = siblings;
		withstand(&options, "fuzz", seed, 100);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(forged_sources_and_authorities_are_dropped),
		FIXTURE_TEST(commands_upwards_and_sideways_do_nothing),
		FIXTURE_TEST(answer_in_the_place_of_a_sibling_is_dropped),
		FIXTURE_TEST(flow_to_a_sibling_stays_open),
		FIXTURE_TEST(stolen_handle_lets_nothing_in),
		FIXTURE_TEST(loss_of_others_is_not_believed),
		FIXTURE_TEST(batches_that_make_no_sense_are_refused),
		FIXTURE_TEST(ids_beyond_the_quota_are_refused),
		FIXTURE_TEST(requests_and_records_without_end_are_answered_or_dropped),
		FIXTURE_TEST(more_than_was_granted_is_refused),
		FIXTURE_TEST(claims_take_no_memory),
		FIXTURE_TEST(half_messages_are_bounded_by_the_quota),
		FIXTURE_TEST(who_asks_and_never_reads_is_lost),
		FIXTURE_TEST(flood_between_siblings_pauses_the_sender),
		FIXTURE_TEST(random_frames_hurt_nobody),
	};

	hostile_child(argc, argv);
	sem_init(&gate, 0, 0);
	ramet_init(argc, argv);
	fixture_init();
	if (argc == 2)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
