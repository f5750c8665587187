/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A tree of 50 contexts, of which a random one is killed all the time while calls, streams, copies of files and
 * commands run. Whatever is under way ends with the right value or with an error, soon after its cause, and in the end
 * nothing is left: of the copies those that are complete. CHAOS_SECONDS and CHAOS_SEED say how long, and which random
 * numbers; both are printed.
 */
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <time.h>

#include "files.h"
#include "fixture.h"

#define GATEWAYS 5
#define BELOW 9
#define SLOTS (GATEWAYS * (1 + BELOW))
#define THREADS 6

/* Between two kills, and from a kill to the end of all that it affects, ms. */
#define KILL_EVERY (SANITIZED ? 500 : 100)
#define END_WITHIN (SANITIZED ? 10000 : 2000)

#define SECONDS (SANITIZED ? 10 : 30)
#define VALUES 2000
#define ECHO_BYTES 200000

/* What is copied. The sizes are those where pieces and windows begin and end, and some between. */
#define ORIGINALS 8
#define ORIGINAL_MAX 3000000

/* --- what contexts do ------------------------------------------------------------------------ */

RAMET_FUNCTION(bytes, echo, (bytes, data))
{
	return data;
}

RAMET_CONCURRENT_FUNCTION(i64, produce, (sender, out), (i64, count))
{
	int64_t sent = 0;

	while (sent < count && ramet_send_i64(out, sent) == 0)
		sent++;
	return sent;
}

/* Says where it receives, and adds up what comes. */
RAMET_CONCURRENT_FUNCTION(i64, consume, (sender, where))
{
	ramet_receiver *in = NULL;
	ramet_error error = RAMET_ERROR_INIT;
	ramet_value *value = NULL;
	int64_t sum = 0;
	int r;

	if (ramet_receiver_new(ramet_call_router(call), &in) < 0) {
		ramet_fail(call, ENOMEM, "no receiver");
		return 0;
	}
	value = ramet_value_new_sender(ramet_receiver_sender(in));
	r = ramet_send_value(where, value);
	ramet_value_unref(value);
	ramet_sender_close(where);
	while (r == 0 && (r = ramet_receive(in, -1, &value, &error)) == 1) {
		sum += ramet_value_i64(value);
		ramet_value_unref(value);
		r = 0;
	}
	ramet_receiver_unref(in);
	if (r < 0)
		ramet_fail_error(call, &error);
	return sum;
}

/* --- the tree -------------------------------------------------------------------------------- */

struct slot {
	ramet_context *context; /* NULL: is being replaced */
	int64_t lost_at;        /* when it was killed, or the gateway before it; 0: lives */
};

/* What a thread is doing: with which slots' contexts. */
struct work {
	const char *what; /* NULL: nothing */
	int64_t begun;
	ramet_context *contexts[2];
	size_t slots[2], count;
	int64_t cause; /* the first loss that concerns it; 0: none */
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t lost, found; /* a context */
	ramet_router *router;
	struct slot slots[SLOTS];
	struct work works[THREADS];
	bool stop;
	atomic_long done, failed, kills, replaced, copies;
	const char *directory;
	char hashes[ORIGINALS][33];
} chaos = {.lock = PTHREAD_MUTEX_INITIALIZER,
	   .lost = PTHREAD_COND_INITIALIZER,
	   .found = PTHREAD_COND_INITIALIZER};

/* Each thread has numbers of its own, so that a seed means the same again as far as threads allow. */
static uint32_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*state >> 33);
}

static bool is_gateway(size_t slot)
{
	return slot % (1 + BELOW) == 0;
}

static void path_of(size_t slot, char *path, size_t size)
{
	size_t gateway = slot / (1 + BELOW), below = slot % (1 + BELOW);

	if (is_gateway(slot))
		snprintf(path, size, "local#%zu", gateway);
	else
		snprintf(path, size, "local#%zu/local#%zu", gateway, below);
}

/* The lock is held. What concerns works that have one of these contexts. */
static void mark_lost(size_t slot, int64_t now)
{
	ramet_context *context = chaos.slots[slot].context;

	if (!context)
		return;
	if (chaos.slots[slot].lost_at == 0)
		chaos.slots[slot].lost_at = now;
	for (size_t i = 0; i < THREADS; i++) {
		struct work *work = &chaos.works[i];

		for (size_t j = 0; work->what && work->cause == 0 && j < work->count; j++)
			if (work->slots[j] == slot)
				work->cause = now;
	}
}

static void kill_one(uint64_t *random)
{
	size_t slot;
	int64_t now = fixture_now();

	pthread_mutex_lock(&chaos.lock);
	slot = next_random(random) % SLOTS;
	for (size_t i = 0; i < SLOTS; i++, slot = (slot + 1) % SLOTS)
		if (chaos.slots[slot].context && chaos.slots[slot].lost_at == 0)
			break;
	if (chaos.slots[slot].context && chaos.slots[slot].lost_at == 0) {
		kill(ramet_context_pid(chaos.slots[slot].context), SIGKILL);
		chaos.kills++;
		mark_lost(slot, now);
		for (size_t i = 1; is_gateway(slot) && i <= BELOW; i++)
			mark_lost(slot + i, now);
		pthread_cond_signal(&chaos.lost);
	}
	pthread_mutex_unlock(&chaos.lock);
}

/* Connects what is missing, gateways first. A gateway that dies meanwhile is itself missing then. */
static void replace(size_t slot)
{
	ramet_context *context = chaos.slots[slot].context, *fresh = NULL;
	ramet_error error = RAMET_ERROR_INIT;
	char path[64];
	int r;

	if (context && chaos.slots[slot].lost_at == 0)
		return;
	chaos.slots[slot].context = NULL;
	pthread_mutex_unlock(&chaos.lock);
	/* The path leads to the old one for as long as it is not known to be gone. */
	if (context && ramet_context_wait(context, END_WITHIN, NULL) != 1)
		fail_msg("slot %zu was killed, and is not gone", slot);
	ramet_context_unref(context);
	path_of(slot, path, sizeof(path));
	r = ramet_connect(chaos.router, path, &fresh, &error);
	ramet_error_clear(&error);
	pthread_mutex_lock(&chaos.lock);
	if (r < 0)
		return;
	chaos.slots[slot].context = fresh;
	chaos.slots[slot].lost_at = 0;
	chaos.replaced++;
	pthread_cond_broadcast(&chaos.found);
	/* The gateway may have been killed since. */
	if (!is_gateway(slot) && (!chaos.slots[slot - slot % (1 + BELOW)].context ||
				  chaos.slots[slot - slot % (1 + BELOW)].lost_at != 0))
		chaos.slots[slot].lost_at = fixture_now();
}

static bool something_is_missing(void)
{
	for (size_t i = 0; i < SLOTS; i++)
		if (!chaos.slots[i].context || chaos.slots[i].lost_at != 0)
			return true;
	return false;
}

static void *replace_all(void *argument)
{
	(void)argument;
	pthread_mutex_lock(&chaos.lock);
	while (!chaos.stop) {
		for (size_t i = 0; i < SLOTS && !chaos.stop; i++)
			replace(i);
		while (!chaos.stop && !something_is_missing())
			pthread_cond_wait(&chaos.lost, &chaos.lock);
	}
	pthread_mutex_unlock(&chaos.lock);
	return NULL;
}

/* --- what is done with it -------------------------------------------------------------------- */

/* Of the originals, all bytes differ by place and by original. */
static void check_copy(const char *path, unsigned original)
{
	ramet_error error = RAMET_ERROR_INIT;
	char hash[33];

	if (ramet_file_hash(ramet_router_self(chaos.router), path, hash, &error) < 0)
		fail_msg("%s: %s", path, error.message);
	if (strcmp(hash, chaos.hashes[original]) != 0)
		fail_msg("%s is not what it was copied from", path);
}

static int work_echo(struct work *work, uint64_t *random)
{
	static _Thread_local char data[ECHO_BYTES];
	size_t size = next_random(random) % sizeof(data);
	ramet_error error = RAMET_ERROR_INIT;
	ramet_bytes answer = {NULL, 0};
	int r;

	memset(data, (int)next_random(random), size);
	r = echo_call(work->contexts[0], (ramet_bytes){data, size}, &answer, &error);
	if (r == 0 && (answer.size != size || memcmp(answer.data, data, size) != 0))
		fail_msg("an echo of %zu bytes is another one, of %zu", size, answer.size);
	if (r == 0)
		ramet_free(answer.data);
	ramet_error_clear(&error);
	return r;
}

/* All values in order, and the end only behind the last of them. */
static int take_all(ramet_receiver *values)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_value *value = NULL;
	int64_t taken = 0;
	int r;

	while ((r = ramet_receive(values, -1, &value, &error)) == 1) {
		if (ramet_value_i64(value) != taken)
			fail_msg("value %lld came as number %lld",
				 (long long)ramet_value_i64(value), (long long)taken);
		ramet_value_unref(value);
		taken++;
	}
	if (r == 0 && taken != VALUES)
		fail_msg("the stream ended without an error after %lld values", (long long)taken);
	ramet_error_clear(&error);
	return r;
}

static int work_produce(struct work *work, uint64_t *random)
{
	ramet_receiver *values = NULL, *producing = NULL;
	ramet_error error = RAMET_ERROR_INIT;
	int64_t sent;
	int r;

	(void)random;
	assert_int_equal(ramet_receiver_new(chaos.router, &values), 0);
	r = produce_start(work->contexts[0], ramet_receiver_sender(values), VALUES, &producing,
			  &error);
	if (r == 0) {
		r = take_all(values);
		if (produce_finish(producing, -1, &sent, &error) < 0)
			r = error.code;
		else if (r == 0 && sent != VALUES)
			fail_msg("all values came, and %lld were sent", (long long)sent);
	}
	ramet_receiver_unref(producing);
	ramet_receiver_unref(values);
	ramet_error_clear(&error);
	return r;
}

/* Starts consume(), and finds out where it receives. */
static int start_consuming(ramet_context *context, ramet_receiver **ret_call,
			   ramet_value **ret_where)
{
	ramet_receiver *where = NULL;
	ramet_error error = RAMET_ERROR_INIT;
	int r;

	assert_int_equal(ramet_receiver_new(chaos.router, &where), 0);
	r = consume_start(context, ramet_receiver_sender(where), ret_call, &error);
	if (r == 0)
		r = ramet_receive(where, -1, ret_where, &error);
	/* Without an error the sender was not closed before it was used. */
	if (r == 0)
		fail_msg("a function closed its stream before it said anything");
	ramet_receiver_unref(where);
	ramet_error_clear(&error);
	return r < 0 ? r : 0;
}

/* Adds up what this process sends, or what another context does: a producer that knows only its sender. */
static int work_consume(struct work *work, uint64_t *random)
{
	ramet_receiver *consuming = NULL;
	ramet_error error = RAMET_ERROR_INIT;
	ramet_value *where = NULL;
	int64_t sum = 0, sent = 0;
	int r = start_consuming(work->contexts[0], &consuming, &where), s = 0;

	(void)random;
	if (r == 0 && work->count > 1) {
		s = produce_call(work->contexts[1], ramet_value_sender(where), VALUES, &sent,
				 &error);
	} else if (r == 0) {
		while (s == 0 && sent < VALUES) {
			s = ramet_send_i64(ramet_value_sender(where), sent);
			sent += s == 0;
		}
	}
	ramet_value_unref(where); /* which closes this end */
	if (consuming) {
		r = consume_finish(consuming, -1, &sum, &error);
		if (r == 0 && s == 0 && sent == VALUES && sum != (int64_t)VALUES * (VALUES - 1) / 2)
			fail_msg("the sum is %lld", (long long)sum);
		ramet_receiver_unref(consuming);
	}
	ramet_error_clear(&error);
	return r < 0 ? r : s;
}

/* Returns before anything is at the path, or when the copy is there as a whole: what failed is looked at in the end,
 * because a target may be the last to know. */
static int copy_between(ramet_context *from, ramet_context *to, uint64_t *random)
{
	static const unsigned flags[] = {0, RAMET_FILE_NO_SYNC, RAMET_FILE_SKIP_HASH};
	unsigned original = next_random(random) % ORIGINALS;
	ramet_file_copy_options options = RAMET_FILE_COPY_OPTIONS_INIT;
	ramet_file_copy_result result = {0};
	ramet_error error = RAMET_ERROR_INIT;
	char from_path[256], to_path[256];
	int r;

	snprintf(from_path, sizeof(from_path), "%s/from/%u", chaos.directory, original);
	snprintf(to_path, sizeof(to_path), "%s/to/%u-%ld", chaos.directory, original,
		 (long)chaos.copies++);
	options.from = from;
	options.from_path = from_path;
	options.to = to;
	options.to_path = to_path;
	options.flags = flags[next_random(random) % (sizeof(flags) / sizeof(*flags))];
	r = ramet_file_copy(&options, &result, &error);
	if (r == 0 && strcmp(result.hash, chaos.hashes[original]) != 0)
		fail_msg("%s has the hash %s", to_path, result.hash);
	if (r == 0)
		check_copy(to_path, original);
	/* Else there would be gigabytes. */
	if (r == 0 && unlink(to_path) < 0)
		fail_msg("%s is not there", to_path);
	ramet_error_clear(&error);
	return r;
}

static int work_copy_down(struct work *work, uint64_t *random)
{
	return copy_between(ramet_router_self(chaos.router), work->contexts[0], random);
}

static int work_copy_up(struct work *work, uint64_t *random)
{
	return copy_between(work->contexts[0], ramet_router_self(chaos.router), random);
}

static int work_copy_across(struct work *work, uint64_t *random)
{
	return copy_between(work->contexts[0], work->contexts[1], random);
}

static int work_command(struct work *work, uint64_t *random)
{
	static const char *const argv[] = {"/bin/cat", NULL};
	size_t size = next_random(random) % ECHO_BYTES;
	char *data = malloc(size + 1);
	ramet_command_options options = RAMET_COMMAND_OPTIONS_INIT;
	ramet_command_result result;
	ramet_error error = RAMET_ERROR_INIT;
	int r;

	assert_non_null(data);
	memset(data, (int)next_random(random), size);
	options.argv = argv;
	options.input = true;
	r = ramet_command_run(work->contexts[0], &options, (ramet_bytes){data, size}, &result,
			      &error);
	if (r == 0) {
		/* Its guard tells of the end of the context, perhaps before anything else does. */
		bool whole = result.process.cause == RAMET_CAUSE_ITSELF &&
			     result.process.signal == 0 && result.process.status == 0;

		if (whole && (result.truncated || result.output.size != size ||
			      memcmp(result.output.data, data, size) != 0))
			fail_msg("cat took %zu bytes and gave %zu", size, result.output.size);
		ramet_command_result_clear(&result);
		r = whole ? 0 : -ECONNRESET;
	}
	free(data);
	ramet_error_clear(&error);
	return r;
}

static const struct kind {
	const char *what;
	size_t contexts;
	int (*run)(struct work *work, uint64_t *random);
} kinds[] = {
	{"echo", 1, work_echo},
	{"produce", 1, work_produce},
	{"consume", 1, work_consume},
	{"consume what another produces", 2, work_consume},
	{"copy to it", 1, work_copy_down},
	{"copy from it", 1, work_copy_up},
	{"copy from one to another", 2, work_copy_across},
	{"command", 1, work_command},
};

/* The lock is held. Contexts that are there now, perhaps about to be found dead. */
static bool choose(struct work *work, const struct kind *kind, uint64_t *random)
{
	work->cause = 0;
	for (work->count = 0; work->count < kind->contexts; work->count++) {
		size_t slot = next_random(random) % SLOTS;

		if (!chaos.slots[slot].context)
			break;
		if (chaos.slots[slot].lost_at != 0)
			work->cause = fixture_now();
		work->slots[work->count] = slot;
		work->contexts[work->count] = ramet_context_ref(chaos.slots[slot].context);
	}
	if (work->count == kind->contexts)
		return true;
	while (work->count > 0)
		ramet_context_unref(work->contexts[--work->count]);
	return false;
}

static void *work_on(void *argument)
{
	struct work *work = argument;
	uint64_t random = (uint64_t)(work - chaos.works) * 7919 + 1;

	pthread_mutex_lock(&chaos.lock);
	while (!chaos.stop) {
		const struct kind *kind =
			&kinds[next_random(&random) % (sizeof(kinds) / sizeof(*kinds))];
		int r;

		if (!choose(work, kind, &random)) {
			pthread_cond_wait(&chaos.found, &chaos.lock);
			continue;
		}
		work->begun = fixture_now();
		work->what = kind->what;
		pthread_mutex_unlock(&chaos.lock);
		r = kind->run(work, &random);
		*(r < 0 ? &chaos.failed : &chaos.done) += 1;
		for (size_t i = 0; i < work->count; i++)
			ramet_context_unref(work->contexts[i]);
		pthread_mutex_lock(&chaos.lock);
		work->what = NULL;
	}
	pthread_mutex_unlock(&chaos.lock);
	return NULL;
}

static void check_ends(void)
{
	int64_t now = fixture_now();

	pthread_mutex_lock(&chaos.lock);
	for (size_t i = 0; i < THREADS; i++) {
		const struct work *work = &chaos.works[i];

		if (!work->what)
			continue;
		if (work->cause != 0 && now - work->cause > END_WITHIN)
			fail_msg("'%s' has not ended %lld ms after its cause", work->what,
				 (long long)(now - work->cause));
		if (now - work->begun > 3 * SOON)
			fail_msg("'%s' takes for ever", work->what);
	}
	pthread_mutex_unlock(&chaos.lock);
}

/* --- the whole ------------------------------------------------------------------------------- */

static void make_originals(void)
{
	static const uint64_t sizes[ORIGINALS] = {
		0, 1, 65535, 65536, 200001, (1 << 20) + 1, 2000000, ORIGINAL_MAX};

	chaos.directory = files_begin();
	assert_int_equal(mkdir(files_path("from"), 0700), 0);
	assert_int_equal(mkdir(files_path("to"), 0700), 0);
	for (unsigned i = 0; i < ORIGINALS; i++) {
		files_make(files_path("from/%u", i), sizes[i], i);
		assert_int_equal(ramet_file_hash(ramet_router_self(chaos.router),
						 files_path("from/%u", i), chaos.hashes[i], NULL),
				 0);
	}
}

/* Nobody is left who could write there. What a failed copy has left is a complete one. */
static void check_copies(void)
{
	DIR *directory = opendir(files_path("to"));
	struct dirent *entry;
	unsigned left = 0;

	assert_non_null(directory);
	while ((entry = readdir(directory))) {
		unsigned original;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (sscanf(entry->d_name, "%u-", &original) != 1 || original >= ORIGINALS)
			fail_msg("'%s' is left", entry->d_name);
		check_copy(files_path("to/%s", entry->d_name), original);
		left++;
	}
	closedir(directory);
	print_message("# %ld copies begun, %u complete though the caller heard otherwise\n",
		      (long)chaos.copies, left);
	assert_true(chaos.copies > 0);
}

static long from_environment(const char *name, long otherwise)
{
	const char *text = getenv(name);

	return text ? atol(text) : otherwise;
}

static void tree_with_random_kills_every_operation_ends(void **state)
{
	long seconds = from_environment("CHAOS_SECONDS", SECONDS);
	long seed = from_environment("CHAOS_SEED", (long)time(NULL));
	ramet_router_options options = RAMET_ROUTER_OPTIONS_INIT;
	uint64_t random = (uint64_t)seed;
	int64_t until = fixture_now() + seconds * 1000;
	pthread_t threads[THREADS], replacing;

	(void)state;
	print_message("# CHAOS_SECONDS=%ld CHAOS_SEED=%ld\n", seconds, seed);
	alarm((unsigned)seconds + 60);
	fixture_allow_orphans();
	options.allow_siblings = true;
	assert_int_equal(ramet_router_new(&options, &chaos.router), 0);
	make_originals();
	pthread_create(&replacing, NULL, replace_all, NULL);
	for (size_t i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, work_on, &chaos.works[i]);
	while (fixture_now() < until) {
		/* The rate of the kills, which is what this test is about. */
		nanosleep(&(struct timespec){.tv_nsec = KILL_EVERY * 1000000L}, NULL);
		kill_one(&random);
		check_ends();
	}
	pthread_mutex_lock(&chaos.lock);
	chaos.stop = true;
	pthread_cond_signal(&chaos.lost);
	pthread_cond_broadcast(&chaos.found);
	pthread_mutex_unlock(&chaos.lock);
	pthread_join(replacing, NULL);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	print_message("# %ld kills, %ld contexts started, %ld operations done, %ld failed\n",
		      (long)chaos.kills, (long)chaos.replaced, (long)chaos.done,
		      (long)chaos.failed);
	assert_true(chaos.kills > 0 && chaos.done > 0 && chaos.failed > 0);
	for (size_t i = 0; i < SLOTS; i++)
		ramet_context_unref(chaos.slots[i].context);
	ramet_router_unref(chaos.router);
	/* Orphans end last. */
	assert_true(fixture_wait_orphans());
	chaos.router = fixture_router(RAMET_POLLER_DEFAULT, 0);
	check_copies();
	ramet_router_unref(chaos.router);
	files_end();
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		FIXTURE_TEST(tree_with_random_kills_every_operation_ends),
	};

	fixture_child(argc, argv);
	ramet_init(argc, argv);
	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
