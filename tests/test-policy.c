/* SPDX-License-Identifier: BSD-3-Clause */
/* Who may call and who may send: policies, what is inherited, quotas that an honest context meets. */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "fixture.h"

/* --- functions ----------------------------------------------------------------------------------------------------- */

static sem_t begun;
static ramet_receiver *served;

RAMET_FUNCTION(i64, offer_square, (i64, number))
{
	return number * number;
}

RAMET_FUNCTION(i64, offer_until_cancelled)
{
	sem_post(&begun);
	while (!ramet_call_cancelled(call))
		usleep(1000);
	return 1;
}

RAMET_FUNCTION(bytes, offer_bytes, (i64, size))
{
	return (ramet_bytes){memset(ramet_call_alloc(call, (size_t)size), 'x', (size_t)size),
			     (size_t)size};
}

RAMET_FUNCTION(none, swallow, (bytes, data))
{
	(void)data;
}

RAMET_FUNCTION(i64, secret)
{
	return 1;
}

RAMET_FUNCTION(none, allow, (str, function), (i32, policy))
{
	if (ramet_function_allow(ramet_call_router(call), function, (enum ramet_policy)policy) < 0)
		ramet_fail(call, EINVAL, "not allowed");
}

/* What the call of a function of `there` says to this context. */
RAMET_FUNCTION(i64, square_there, (context, there), (i64, number))
{
	ramet_error error = RAMET_ERROR_INIT;
	int64_t result = 0;

	if (offer_square_call(there, number, &result, &error) < 0)
		ramet_fail_error(call, &error);
	return result;
}

RAMET_FUNCTION(i64, secret_there, (context, there))
{
	ramet_error error = RAMET_ERROR_INIT;
	int64_t result = 0;

	if (secret_call(there, &result, &error) < 0)
		ramet_fail_error(call, &error);
	return result;
}

RAMET_FUNCTION(i64, bytes_there, (context, there), (i64, size))
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_bytes bytes = {0};

	if (offer_bytes_call(there, size, &bytes, &error) < 0)
		ramet_fail_error(call, &error);
	ramet_free(bytes.data);
	return (int64_t)bytes.size;
}

RAMET_FUNCTION(i64, cancel_there, (context, there))
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_receiver *receiver = NULL;
	int64_t result = 0;

	if (offer_until_cancelled_start(there, &receiver, &error) < 0) {
		ramet_fail_error(call, &error);
		return 0;
	}
	ramet_receiver_cancel(receiver);
	result = offer_until_cancelled_finish(receiver, SOON, &result, NULL);
	ramet_receiver_unref(receiver);
	return result;
}

RAMET_FUNCTION(sender, serve, (i32, policy))
{
	ramet_receiver_options options = RAMET_RECEIVER_OPTIONS_INIT;

	options.policy = (enum ramet_policy)policy;
	if (ramet_receiver_new_with(ramet_call_router(call), &options, &served) < 0)
		ramet_fail(call, ENOMEM, "no receiver");
	return ramet_receiver_sender(served);
}

RAMET_FUNCTION(i64, count_served)
{
	ramet_value *value;
	int64_t count = 0;

	while (ramet_receive(served, SOON, &value, NULL) > 0) {
		count++;
		ramet_value_unref(value);
	}
	ramet_receiver_unref(served);
	return count;
}

RAMET_FUNCTION(i64, send_many, (sender, to), (i64, count))
{
	for (int64_t i = 0; i < count; i++)
		if (ramet_send_i64(to, i) < 0)
			return i;
	return count;
}

/* Gives it on, to be used there at once, again and again, while this context sends, too. */
RAMET_FUNCTION(i64, pass_on, (context, whom), (sender, to), (i64, times))
{
	ramet_error error = RAMET_ERROR_INIT;
	int64_t sent, all = 0;

	for (int64_t i = 0; i < times; i++) {
		for (int k = 0; k < 20; k++)
			all += ramet_send_i64(to, k) == 0;
		if (send_many_call(whom, to, 5, &sent, &error) < 0) {
			ramet_fail_error(call, &error);
			return all;
		}
		all += sent;
	}
	return all;
}

RAMET_FUNCTION(none, start_below, (str, path))
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_context *context = NULL;

	if (ramet_connect(ramet_call_router(call), path, &context, &error) < 0)
		ramet_fail_error(call, &error);
	else
		ramet_context_keep(context);
	ramet_context_unref(context);
}

/* --- functions that children may call ------------------------------------------------------------------------------- */

static ramet_router *open_tree(bool siblings)
{
	ramet_router_options options = RAMET_ROUTER_OPTIONS_INIT;
	ramet_router *router = NULL;

	options.allow_siblings = siblings;
	assert_int_equal(ramet_router_new(&options, &router), 0);
	return router;
}

static void function_allowed_to_children_is_called_and_others_are_not(void **state)
{
	ramet_router *router = open_tree(false);
	ramet_context *child = fixture_connect(router, "local"), *self = ramet_router_self(router);
	ramet_context *deep = fixture_connect(router, "local/fork");
	ramet_error error = RAMET_ERROR_INIT;
	int64_t result = 0;

	(void)state;
	assert_int_equal(square_there_call(child, self, 7, &result, &error), -EPERM);
	fixture_check_error(&error, -EPERM, "commands nothing there", NULL);
	assert_int_equal(ramet_function_allow(router, "offer_*", RAMET_POLICY_CHILDREN), 0);
	for (int i = 0; i < 2; i++) {
		ramet_context *from = i ? deep : child;

		if (square_there_call(from, self, 7, &result, &error) < 0)
			fail_msg("%s", error.message);
		assert_int_equal(result, 49);
		assert_int_equal(secret_there_call(from, self, &result, &error), -EPERM);
		fixture_check_error(&error, -EPERM, "may not call 'secret'", NULL);
		/* A result of several frames, and a cancellation. */
		assert_int_equal(bytes_there_call(from, self, 3000000, &result, &error), 0);
		assert_int_equal(result, 3000000);
		assert_int_equal(cancel_there_call(from, self, &result, &error), 0);
		assert_int_equal(result, -ECANCELED);
	}
	/* What was said last holds; and the other direction is as it was. */
	assert_int_equal(ramet_function_allow(router, "offer_square", RAMET_POLICY_DEFAULT), 0);
	assert_int_equal(square_there_call(child, self, 7, &result, &error), -EPERM);
	ramet_error_clear(&error);
	assert_int_equal(bytes_there_call(child, self, 10, &result, &error), 0);
	assert_int_equal(square_there_call(child, deep, 7, &result, &error), 0);
	assert_int_equal(square_there_call(deep, child, 7, &result, &error), -EPERM);
	ramet_error_clear(&error);
	ramet_context_unref(deep);
	ramet_context_unref(child);
	ramet_router_unref(router);
}

static void function_allowed_to_any_is_called_by_siblings(void **state)
{
	ramet_router *router = open_tree(true);
	ramet_context *one = fixture_connect(router, "local"),
		      *two = fixture_connect(router, "local#1");
	ramet_error error = RAMET_ERROR_INIT;
	int64_t result = 0;

	(void)state;
	assert_int_equal(allow_call(one, "offer_square", RAMET_POLICY_CHILDREN, &error), 0);
	assert_int_equal(square_there_call(two, one, 7, &result, &error), -EPERM);
	ramet_error_clear(&error);
	assert_int_equal(allow_call(one, "offer_square", RAMET_POLICY_ANY, &error), 0);
	assert_int_equal(square_there_call(two, one, 7, &result, &error), 0);
	assert_int_equal(result, 49);
	/* Refused calls cost no credit: a window of them, and more, and the flow still flows. */
	for (int i = 0; i < 6000; i++) {
		assert_int_equal(secret_there_call(two, one, &result, &error), -EPERM);
		ramet_error_clear(&error);
	}
	assert_int_equal(square_there_call(two, one, 8, &result, &error), 0);
	ramet_context_unref(one);
	ramet_context_unref(two);
	ramet_router_unref(router);
}

static void function_allow_bad_arguments_are_refused(void **state)
{
	ramet_router *router = open_tree(false);
	char name[300];

	(void)state;
	memset(name, 'x', sizeof(name));
	name[256] = '\0';
	assert_int_equal(ramet_function_allow(router, name, RAMET_POLICY_ANY), -EINVAL);
	name[255] = '\0';
	assert_int_equal(ramet_function_allow(router, name, RAMET_POLICY_ANY), 0);
	assert_int_equal(ramet_function_allow(router, "", RAMET_POLICY_ANY), -EINVAL);
	assert_int_equal(ramet_function_allow(router, "a*b", RAMET_POLICY_ANY), -EINVAL);
	assert_int_equal(ramet_function_allow(router, "a", RAMET_POLICY_GIVEN), -EINVAL);
	assert_int_equal(ramet_function_allow(router, "a", (enum ramet_policy)9), -EINVAL);
	assert_int_equal(ramet_function_allow(router, "*", RAMET_POLICY_PARENTS), 0);
	ramet_router_unref(router);
}

/* --- receivers ------------------------------------------------------------------------------------------------------ */

static atomic_bool enough;

/* Keeps the streams to a context busy. */
static void *load(void *argument)
{
	static char data[500000];

	while (!atomic_load(&enough))
		if (swallow_call(argument, (ramet_bytes){data, sizeof(data)}, NULL) < 0)
			return argument;
	return NULL;
}

/* GIVEN is always there before the first value of whoever it names, also when the streams are busy. */
static void sender_passed_on_between_siblings_under_load_is_never_refused(void **state)
{
	ramet_router *router = open_tree(true);
	ramet_context *owner = fixture_connect(router, "local");
	ramet_context *giver = fixture_connect(router, "local#1");
	ramet_context *deep = fixture_connect(router, "local#2/local");
	ramet_error error = RAMET_ERROR_INIT;
	ramet_sender *sender = NULL;
	int64_t sent = 0, count = 0;
	const int times = SANITIZED ? 50 : 200;
	pthread_t thread;
	void *failed;

	(void)state;
	atomic_store(&enough, false);
	assert_int_equal(allow_call(deep, "send_many", RAMET_POLICY_ANY, &error), 0);
	assert_int_equal(serve_call(owner, RAMET_POLICY_GIVEN, &sender, &error), 0);
	assert_int_equal(pthread_create(&thread, NULL, load, owner), 0);
	if (pass_on_call(giver, deep, sender, times, &sent, &error) < 0)
		fail_msg("%s", error.message);
	atomic_store(&enough, true);
	pthread_join(thread, &failed);
	assert_null(failed);
	assert_int_equal(sent, 25 * times);
	ramet_sender_unref(sender);
	assert_int_equal(count_served_call(owner, &count, &error), 0);
	assert_int_equal(count, sent);
	ramet_context_unref(owner);
	ramet_context_unref(giver);
	ramet_context_unref(deep);
	ramet_router_unref(router);
}

static void receiver_takes_values_up_to_its_own_size(void **state)
{
	ramet_receiver_options options = RAMET_RECEIVER_OPTIONS_INIT;
	ramet_router *router = open_tree(false);
	ramet_receiver *receiver = NULL;
	ramet_value *value = NULL;
	char data[101] = "";

	(void)state;
	options.message_size_max = 100;
	assert_int_equal(ramet_receiver_new_with(router, &options, &receiver), 0);
	assert_int_equal(
		ramet_send_bytes(ramet_receiver_sender(receiver), (ramet_bytes){data, 100}), 0);
	assert_int_equal(ramet_receive(receiver, SOON, &value, NULL), 1);
	ramet_value_unref(value);
	ramet_send_bytes(ramet_receiver_sender(receiver), (ramet_bytes){data, 101});
	assert_int_equal(ramet_receive(receiver, SOON, &value, NULL), -EMSGSIZE);
	ramet_receiver_unref(receiver);
	options.policy = (enum ramet_policy)9;
	assert_int_equal(ramet_receiver_new_with(router, &options, &receiver), -EINVAL);
	options.policy = RAMET_POLICY_ANY;
	options.size = 1;
	assert_int_equal(ramet_receiver_new_with(router, &options, &receiver), -EINVAL);
	ramet_router_unref(router);
}

/* --- what is inherited ---------------------------------------------------------------------------------------------- */

/* Two levels down, in a context that the master has not started itself. */
static void siblings_setting_is_inherited_by_grandchildren(void **state)
{
	(void)state;
	for (int siblings = 0; siblings < 2; siblings++) {
		ramet_router *router = open_tree(siblings);
		ramet_context *one = fixture_connect(router, "local/fork/local");
		ramet_context *two = fixture_connect(router, "local/fork/fork");
		ramet_error error = RAMET_ERROR_INIT;
		int64_t result = 0;

		assert_int_equal(allow_call(one, "offer_square", RAMET_POLICY_ANY, &error), 0);
		assert_int_equal(square_there_call(two, one, 3, &result, &error),
				 siblings ? 0 : -EPERM);
		ramet_error_clear(&error);
		ramet_context_unref(one);
		ramet_context_unref(two);
		ramet_router_unref(router);
	}
}

static void message_size_is_inherited_and_enforced_at_each_level(void **state)
{
	static const char *const paths[] = {"local", "local/fork", "local/fork/local"};
	ramet_router_options options = RAMET_ROUTER_OPTIONS_INIT;
	ramet_router *router = NULL;
	ramet_context *contexts[3];
	int64_t result = 0;

	(void)state;
	options.message_size_max = 100000;
	assert_int_equal(ramet_router_new(&options, &router), 0);
	for (int i = 0; i < 3; i++)
		contexts[i] = fixture_connect(router, paths[i]);
	for (int i = 0; i < 3; i++) {
		ramet_error error = RAMET_ERROR_INIT;
		ramet_bytes bytes = {0};

		assert_int_equal(offer_bytes_call(contexts[i], 99000, &bytes, &error), 0);
		ramet_free(bytes.data);
		assert_int_equal(offer_bytes_call(contexts[i], 101000, &bytes, &error), -EMSGSIZE);
		fixture_check_error(&error, -EMSGSIZE, "100000 are allowed", NULL);
		if (i == 2)
			continue;
		assert_int_equal(
			bytes_there_call(contexts[i], contexts[i + 1], 101000, &result, &error),
			-EMSGSIZE);
		ramet_error_clear(&error);
	}
	for (int i = 0; i < 3; i++)
		ramet_context_unref(contexts[i]);
	ramet_router_unref(router);
}

/* The context that asks is told, and so is whoever wanted the child, two levels up. */
static void contexts_beyond_the_quota_fail_with_a_reason(void **state)
{
	ramet_router_options options = RAMET_ROUTER_OPTIONS_INIT;
	ramet_router *router = NULL;
	ramet_context *one, *two, *three = NULL;
	ramet_error error = RAMET_ERROR_INIT;

	(void)state;
	options.quota_contexts = 100; /* a block of 64, and not a second one */
	assert_int_equal(ramet_router_new(&options, &router), 0);
	one = fixture_connect(router, "local");
	two = fixture_connect(router, "local/fork");
	assert_int_equal(ramet_connect(router, "local/fork/fork", &three, &error), -EDQUOT);
	fixture_check_error(&error, -EDQUOT, "the quota of 100 contexts", NULL);
	assert_int_equal(start_below_call(two, "local", &error), -EDQUOT);
	fixture_check_error(&error, -EDQUOT, "the quota of 100 contexts", NULL);
	/* Others have a quota of their own. */
	three = fixture_connect(router, "local#1/fork");
	ramet_context_unref(three);
	ramet_context_unref(two);
	ramet_context_unref(one);
	ramet_router_unref(router);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(function_allowed_to_children_is_called_and_others_are_not),
		FIXTURE_TEST(function_allowed_to_any_is_called_by_siblings),
		FIXTURE_TEST(function_allow_bad_arguments_are_refused),
		FIXTURE_TEST(sender_passed_on_between_siblings_under_load_is_never_refused),
		FIXTURE_TEST(receiver_takes_values_up_to_its_own_size),
		FIXTURE_TEST(siblings_setting_is_inherited_by_grandchildren),
		FIXTURE_TEST(message_size_is_inherited_and_enforced_at_each_level),
		FIXTURE_TEST(contexts_beyond_the_quota_fail_with_a_reason),
	};

	sem_init(&begun, 0, 0);
	ramet_init(argc, argv);
	fixture_init();
	if (argc == 2)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
