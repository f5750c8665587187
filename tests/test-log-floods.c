/* SPDX-License-Identifier: BSD-3-Clause */
/* More records than anybody can take, and more output. */
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "core/log.h"
#include "core/message.h"
#include "fixture.h"
#include "records.h"

/* --- functions -------------------------------------------------------------------------------------- */

RAMET_FUNCTION(none, print_lines, (i32, count))
{
	for (int32_t i = 0; i < count; i++)
		printf("line %d\n", i);
}

/* As fast as it goes, with one of another level behind all. */
RAMET_FUNCTION(none, flood, (i32, level), (i32, count), (i32, last))
{
	ramet_router *here = ramet_call_router(call);

	for (int32_t i = 0; i < count; i++)
		ramet_log(here, (enum ramet_log_level)level, "flood", "record %d", i);
	ramet_log(here, (enum ramet_log_level)last, "last", "behind %d", count);
}

/* What no honest context sends, with these flags of a frame. */
RAMET_FUNCTION(none, send_nonsense, (i32, flags), (bytes, data), (i32, times))
{
	ramet_router *here = ramet_call_router(call);
	struct rmt_frame frame = {
		.flags = (uint8_t)flags,
		.handle = RMT_HANDLE_LOG,
		.total = (uint32_t)(flags & RMT_FRAME_MORE ? 2 * data.size : data.size),
	};

	rmt_lock(here);
	for (int32_t i = 0; i < times; i++)
		rmt_send_frame(here, &frame, data.data, data.size, true);
	rmt_unlock(here);
}

RAMET_CONCURRENT_FUNCTION(i64, process_id)
{
	return getpid();
}

/* --- helpers ---------------------------------------------------------------------------------------- */

static ramet_router *router;
static struct records records;

static void open_tree(enum ramet_log_level level)
{
	ramet_router_options options = RAMET_ROUTER_OPTIONS_INIT;

	options.log_level = level;
	router = records_router(&records, &options);
}

static void close_tree(void)
{
	ramet_router_unref(router);
	records_done(&records);
}

static const char *const paths[] = {"local", "fork", "local/local", "fork/local/fork"};
enum { PATHS = sizeof(paths) / sizeof(*paths) };

/* --- floods ----------------------------------------------------------------------------------------- */

/* The sum of what the records say that were dropped at a level. */
static long dropped(const char *level)
{
	char name[32];
	long sum = 0;

	snprintf(name, sizeof(name), " %s=", level);
	pthread_mutex_lock(&records.lock);
	for (size_t i = 0; i < records.count; i++) {
		const char *at = strstr(records.items[i].fields, name);

		if (at && strstr(records.items[i].text, "were dropped"))
			sum += strtol(at + strlen(name), NULL, 10);
	}
	pthread_mutex_unlock(&records.lock);
	return sum;
}

/* Until each of the records has come, or is among those that were dropped. Returns the index of what says so first. */
static size_t wait_for_all(const char *context, const char *source, const char *level, size_t count)
{
	size_t first = records_wait(&records, 0, context, "ramet", "were dropped"), at = first;

	while (records_count(&records, source, NULL) + (size_t)dropped(level) < count)
		at = records_wait(&records, at + 1, context, "ramet", "were dropped");
	assert_int_equal(records_count(&records, source, NULL) + (size_t)dropped(level), count);
	return first;
}

static void flood_of_records_is_dropped_and_counted(void **state)
{
	enum { COUNT = 20000 };

	(void)state;
	for (size_t i = 0; i < PATHS; i++) {
		ramet_context *context;
		size_t at;

		open_tree(0);
		context = fixture_connect(router, paths[i]);
		assert_int_equal(
			flood_call(context, RAMET_LOG_INFO, COUNT, RAMET_LOG_WARNING, NULL), 0);
		/* What is urgent has its own part of the window. */
		records_wait(&records, 0, paths[i], "last", "behind 20000");
		at = wait_for_all(paths[i], "flood", "info", COUNT);
		assert_int_equal(records.items[at].level, RAMET_LOG_WARNING);
		/* The rate allows for three seconds' worth at once, and what comes meanwhile. */
		assert_in_range(records_count(&records, "flood", NULL), 1, COUNT / 2);
		ramet_context_unref(context);
		close_tree();
	}
}

static void what_was_dropped_is_said_when_the_context_ends(void **state)
{
	ramet_router_options options = RAMET_ROUTER_OPTIONS_INIT;
	ramet_context *context;

	(void)state;
	options.log_rate = 10;
	router = records_router(&records, &options);
	context = fixture_connect(router, "local/local");
	assert_int_equal(flood_call(context, RAMET_LOG_INFO, 100, RAMET_LOG_INFO, NULL), 0);
	assert_int_equal(ramet_context_shutdown(context, -1, NULL), 0);
	records_wait(&records, 0, "local/local", "ramet", "were dropped");
	assert_in_range(records_count(&records, "flood", NULL), 30, 50);
	assert_int_equal(records_count(&records, "flood", NULL) +
				 records_count(&records, "last", NULL) + (size_t)dropped("info"),
			 101);
	ramet_context_unref(context);
	close_tree();
}

static void flood_in_the_master_is_dropped_and_counted(void **state)
{
	ramet_router_options options = RAMET_ROUTER_OPTIONS_INIT;

	(void)state;
	options.log_rate = 10;
	router = records_router(&records, &options);
	for (int i = 0; i < 1000; i++)
		ramet_log(router, RAMET_LOG_DEBUG - (i % 2), "flood", "%d", i);
	wait_for_all("", "flood", "info", 500);
	assert_int_equal(dropped("debug"), 0);
	close_tree();
}

/* A sink that takes its time, and checks the order of what functions print. */
struct slow {
	pthread_mutex_t lock;
	pthread_cond_t more;
	long lines, wrong;
	bool stuck; /* until it is let go */
};

static void slow_sink(const ramet_log_record *record, void *data)
{
	struct slow *slow = data;
	char expected[32];

	pthread_mutex_lock(&slow->lock);
	while (slow->stuck)
		pthread_cond_wait(&slow->more, &slow->lock);
	if (strcmp(record->source, "stdout") == 0) {
		snprintf(expected, sizeof(expected), "line %ld", slow->lines++);
		slow->wrong += strcmp(expected, record->text) != 0;
		pthread_cond_broadcast(&slow->more);
	}
	pthread_mutex_unlock(&slow->lock);
}

static long rss(void)
{
	struct rusage usage;

	assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
	return usage.ru_maxrss;
}

/* None is lost, nothing grows, and calls go on. */
static void flood_of_lines_waits_for_the_sink(void **state)
{
	enum { LINES = SANITIZED ? 30000 : 300000 };

	(void)state;
	for (size_t i = 0; i < PATHS; i++) {
		struct slow slow = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER,
				    .lines = 0};
		ramet_router_options options = RAMET_ROUTER_OPTIONS_INIT;
		ramet_statistics statistics = RAMET_STATISTICS_INIT;
		ramet_receiver *call = NULL;
		ramet_context *context;
		long before = rss();
		int64_t pid;

		options.log = slow_sink;
		options.log_data = &slow;
		router = NULL;
		assert_int_equal(ramet_router_new(&options, &router), 0);
		context = fixture_connect(router, paths[i]);
		assert_int_equal(print_lines_start(context, LINES, &call, NULL), 0);
		while (!ramet_receiver_done(call)) {
			assert_int_equal(process_id_call(context, &pid, NULL), 0);
			assert_int_equal(pid, ramet_context_pid(context));
		}
		assert_int_equal(print_lines_finish(call, -1, NULL), 0);
		ramet_receiver_unref(call);
		pthread_mutex_lock(&slow.lock);
		while (slow.lines < LINES)
			pthread_cond_wait(&slow.more, &slow.lock);
		pthread_mutex_unlock(&slow.lock);
		assert_int_equal(slow.wrong, 0);
		assert_int_equal(ramet_context_statistics(context, &statistics, NULL), 0);
		assert_int_equal(statistics.records_dropped, 0);
		if (!SANITIZED) {
			assert_true(statistics.rss_max < 16 << 20);
			assert_true(rss() - before < 16 << 10);
		}
		ramet_statistics_clear(&statistics);
		ramet_context_unref(context);
		ramet_router_unref(router);
		assert_int_equal(slow.lines, LINES);
	}
}

/* Until its main thread sleeps in write(2): see syscall in proc(5). */
static void wait_for_write(int pid)
{
	char path[64], text[32];
	long number = -1;

	snprintf(path, sizeof(path), "/proc/%d/syscall", pid);
	while (number != SYS_write) {
		FILE *file = fopen(path, "re");

		assert_non_null(file);
		if (fgets(text, sizeof(text), file))
			number = *text == 'r' ? -1 : strtol(text, NULL, 10);
		fclose(file);
		sched_yield();
	}
}

/* Who prints waits: its pipe is full, the window, and what its reader may hold. */
static void lines_wait_while_the_sink_is_stuck(void **state)
{
	enum { LINES = 100000 };

	(void)state;
	for (size_t i = 0; i < PATHS; i++) {
		struct slow slow = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER,
				    .stuck = true};
		ramet_router_options options = RAMET_ROUTER_OPTIONS_INIT;
		ramet_receiver *call = NULL;
		ramet_context *context;

		options.log = slow_sink;
		options.log_data = &slow;
		router = NULL;
		assert_int_equal(ramet_router_new(&options, &router), 0);
		context = fixture_connect(router, paths[i]);
		assert_int_equal(print_lines_start(context, LINES, &call, NULL), 0);
		wait_for_write(ramet_context_pid(context));
		/* This thread does not read, so it is not stuck itself. */
		pthread_mutex_lock(&slow.lock);
		assert_int_equal(slow.lines, 0);
		slow.stuck = false;
		pthread_cond_broadcast(&slow.more);
		while (slow.lines < LINES)
			pthread_cond_wait(&slow.more, &slow.lock);
		pthread_mutex_unlock(&slow.lock);
		assert_int_equal(slow.wrong, 0);
		assert_int_equal(print_lines_finish(call, SOON, NULL), 0);
		ramet_receiver_unref(call);
		ramet_context_unref(context);
		ramet_router_unref(router);
	}
}

/* A record as it stands on the wire, from `source`. */
static ramet_bytes encode(const char *source, struct rmt_buffer *out)
{
	const ramet_log_record record = {
		.level = RAMET_LOG_ERROR, .context = "local", .source = source, .text = "text"};

	rmt_log_record_encode(&record, out);
	assert_int_equal(out->error, 0);
	return (ramet_bytes){out->data, out->size};
}

static void nonsense_is_dropped_and_what_makes_sense_goes_on(void **state)
{
	struct rmt_buffer good = RMT_BUFFER_INIT;
	ramet_statistics statistics = RAMET_STATISTICS_INIT;
	ramet_bytes data = encode("uncounted", &good);
	unsigned char wild[] = {0x86, 0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	ramet_context *context;

	(void)state;
	open_tree(0);
	context = fixture_connect(router, "local/local");
	/* Not paid for, in parts, cut short, and nothing at all like it. */
	send_nonsense_call(context, 0, data, 1, NULL);
	send_nonsense_call(context, RMT_FRAME_COUNTED | RMT_FRAME_MORE, data, 1, NULL);
	for (size_t size = 0; size < data.size; size++)
		send_nonsense_call(context, RMT_FRAME_COUNTED, (ramet_bytes){data.data, size}, 1,
				   NULL);
	send_nonsense_call(context, RMT_FRAME_COUNTED, (ramet_bytes){wild, sizeof(wild)}, 1, NULL);
	assert_int_equal(flood_call(context, RAMET_LOG_INFO, 1, RAMET_LOG_INFO, NULL), 0);
	records_wait(&records, 0, "local/local", "last", "behind 1");
	assert_int_equal(records_count(&records, "uncounted", NULL), 0);
	assert_int_equal(ramet_context_statistics(ramet_router_self(router), &statistics, NULL), 0);
	assert_int_equal(statistics.refused, 2);
	ramet_statistics_clear(&statistics);
	ramet_context_unref(context);
	close_tree();
	rmt_buffer_done(&good);
}

/* The source does not keep to its own limits: the master has some for it. */
static void flood_without_limits_is_dropped_by_the_master(void **state)
{
	enum { COUNT = 20000 };
	ramet_router_options options = RAMET_ROUTER_OPTIONS_INIT;
	struct rmt_buffer out = RMT_BUFFER_INIT;
	ramet_context *context;
	size_t at;

	(void)state;
	options.log_rate = 10;
	router = records_router(&records, &options);
	context = fixture_connect(router, "local");
	assert_int_equal(
		send_nonsense_call(context, RMT_FRAME_COUNTED, encode("liar", &out), COUNT, NULL),
		0);
	at = wait_for_all("", "liar", "error", COUNT);
	assert_non_null(strstr(records.items[at].text, "records from below local were dropped"));
	assert_int_equal(records.items[at].level, RAMET_LOG_WARNING);
	assert_in_range(records_count(&records, "liar", NULL), 640, COUNT / 2);
	ramet_context_unref(context);
	close_tree();
	rmt_buffer_done(&out);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(flood_of_records_is_dropped_and_counted),
		FIXTURE_TEST(what_was_dropped_is_said_when_the_context_ends),
		FIXTURE_TEST(flood_in_the_master_is_dropped_and_counted),
		FIXTURE_TEST(flood_of_lines_waits_for_the_sink),
		FIXTURE_TEST(lines_wait_while_the_sink_is_stuck),
		FIXTURE_TEST(nonsense_is_dropped_and_what_makes_sense_goes_on),
		FIXTURE_TEST(flood_without_limits_is_dropped_by_the_master),
	};

	fixture_child(argc, argv);
	ramet_init(argc, argv);
	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
