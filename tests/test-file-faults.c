/* SPDX-License-Identifier: BSD-3-Clause */
/* What goes wrong in the middle of a transfer: files and directories that change or vanish, processes that stop,
 * descriptors and memory that run out. Whatever it is, the copy is complete, or there is an error and no copy. */
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "core/call.h"
#include "core/receiver.h"
#include "core/type.h"
#include "fail-alloc.h"
#include "files.h"
#include "fixture.h"
#include "service/hash.h"
#include "service/transfer.h"

static ramet_router *router;
static ramet_context *context;

static ramet_context *here(void)
{
	return ramet_router_self(router);
}

static void plant(const char *path)
{
	files_begin();
	router = fixture_router(RAMET_POLLER_DEFAULT, 0);
	context = fixture_connect(router, path);
	assert_int_equal(mkdir(files_path("there"), 0755), 0);
}

static void fell(void)
{
	ramet_context_unref(context);
	ramet_router_unref(router);
	files_end();
}

static ramet_file_copy_options from_here(unsigned flags)
{
	ramet_file_copy_options options = RAMET_FILE_COPY_OPTIONS_INIT;

	options.from = here();
	options.from_path = files_path("from");
	options.to = context;
	options.to_path = files_path("there/to");
	options.flags = flags;
	return options;
}

/* --- a target that is the test ---------------------------------------------------------------------- */

/* Asks a source for its stream, and says what of the file is there already, so that the test can do something between
 * one step and the next. */
struct tap {
	ramet_receiver *stream, *events, *call;
	ramet_sender *answers; /* NULL: it does not ask */
};

static void tap_open(struct tap *tap, uint64_t flags)
{
	ramet_sender *sender;
	ramet_value *event;
	int32_t node = 1;
	rmt_file_targets targets = {.senders = {&sender, 1}, .nodes = {&node, 1}, .patience = -1};

	*tap = (struct tap){NULL};
	assert_int_equal(ramet_receiver_new(router, &tap->stream), 0);
	assert_int_equal(ramet_receiver_new(router, &tap->events), 0);
	sender = ramet_receiver_sender(tap->stream);
	assert_int_equal(rmt_file_send_start(context, files_path("from"), flags,
					     ramet_receiver_sender(tap->events), targets,
					     &tap->call, NULL),
			 0);
	if (!(flags & RMT_FILE_ASKS))
		return;
	assert_int_equal(ramet_receive(tap->events, SOON, &event, NULL), 1);
	tap->answers = ramet_sender_ref(ramet_value_sender(ramet_value_item(event, 4)));
	ramet_value_unref(event);
	assert_non_null(tap->answers);
}

/* The op of the next message, 0 for bytes of content, or -1 at the end. */
static int64_t tap_next(struct tap *tap, uint64_t *ret_number)
{
	ramet_value *value;
	int64_t op = 0;

	if (ramet_receive(tap->stream, SOON, &value, NULL) <= 0)
		return -1;
	if (ramet_value_kind(value) != RAMET_KIND_BYTES) {
		op = ramet_value_i64(ramet_value_item(value, 0));
		*ret_number = ramet_value_u64(ramet_value_item(value, 1));
	}
	ramet_value_unref(value);
	return op;
}

static void tap_answer(struct tap *tap, rmt_file_answer answer)
{
	rmt_file_answers answers = {&answer, 1};
	struct rmt_buffer out = RMT_BUFFER_INIT;

	rmt_type_encode(ramet_type_rmt_file_answers, &answers, &out, &rmt_call_hooks, NULL);
	assert_int_equal(ramet_send_bytes(tap->answers, (ramet_bytes){out.data, out.size}), 0);
	rmt_buffer_done(&out);
}

static int tap_close(struct tap *tap, ramet_error *error)
{
	rmt_file_sent sent;
	int r = rmt_file_send_finish(tap->call, SOON, &sent, error);

	ramet_sender_unref(tap->answers);
	ramet_receiver_unref(tap->call);
	ramet_receiver_unref(tap->stream);
	ramet_receiver_unref(tap->events);
	return r;
}

static void digest_of(uint64_t size, unsigned seed, unsigned char digest[RMT_HASH_SIZE])
{
	char *data = malloc(size);
	struct rmt_hash hash;
	int fd;

	files_make(files_path("digested"), size, seed);
	fd = open(files_path("digested"), O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_non_null(data);
	assert_int_equal(read(fd, data, size), size);
	close(fd);
	rmt_hash_init(&hash);
	rmt_hash_update(&hash, data, size);
	rmt_hash_digest(&hash, digest);
	free(data);
}

/* --- files that change ------------------------------------------------------------------------------ */

static void file_that_vanishes_is_an_error(void **state)
{
	ramet_error error = RAMET_ERROR_INIT;
	uint64_t number;
	struct tap tap;

	(void)state;
	plant("local");
	files_make(files_path("from"), 1000, 1);
	tap_open(&tap, RMT_FILE_ASKS | RAMET_FILE_SKIP_HASH);
	assert_int_equal(tap_next(&tap, &number), RMT_FILE_ANNOUNCE);
	assert_int_equal(unlink(files_path("from")), 0);
	tap_answer(&tap, (rmt_file_answer){.have = RMT_FILE_NOTHING});
	assert_int_equal(tap_next(&tap, &number), RMT_FILE_FAILED);
	assert_int_equal(number, ENOENT);
	assert_int_equal(tap_close(&tap, &error), -ENOENT);
	fixture_check_error(&error, -ENOENT, "from", NULL);
	fell();
}

static void file_that_grows_is_sent_from_its_beginning(void **state)
{
	enum { SIZE = 100000 };
	unsigned char digest[RMT_HASH_SIZE];
	uint64_t number = 1;
	struct tap tap;

	(void)state;
	plant("local");
	digest_of(SIZE, 1, digest);
	files_make(files_path("from"), SIZE, 1);
	tap_open(&tap, RMT_FILE_ASKS | RAMET_FILE_SKIP_HASH);
	assert_int_equal(tap_next(&tap, &number), RMT_FILE_ANNOUNCE);
	/* What was the same when it was announced is only the beginning now. */
	files_make(files_path("from"), 2 * SIZE, 1);
	tap_answer(&tap, (rmt_file_answer){.have = RMT_FILE_WHOLE,
					   .number = SIZE,
					   .hash = {digest, sizeof(digest)}});
	assert_int_equal(tap_next(&tap, &number), RMT_FILE_BODY);
	assert_int_equal(number, 0);
	while (tap_next(&tap, &number) == 0)
		;
	assert_int_equal(number, 2 * SIZE);
	assert_int_equal(tap_close(&tap, NULL), 0);
	fell();
}

static void file_with_holes_that_shrinks_is_an_error(void **state)
{
	enum { DATA = 4 << 20 };
	ramet_error error = RAMET_ERROR_INIT;
	uint64_t number = 0;
	int64_t op, last = 0;
	struct tap tap;

	(void)state;
	plant("local");
	files_make(files_path("from"), DATA, 1);
	assert_int_equal(truncate(files_path("from"), 100 << 20), 0);
	tap_open(&tap, 0);
	while ((op = tap_next(&tap, &number)) > 0)
		;
	assert_int_equal(op, 0);
	/* The data has not been read to its end, since nobody takes it. */
	assert_int_equal(truncate(files_path("from"), DATA), 0);
	while ((op = tap_next(&tap, &number)) >= 0)
		last = op ? op : last;
	assert_int_equal(last, RMT_FILE_FAILED);
	assert_int_equal(tap_close(&tap, &error), -EIO);
	fixture_check_error(&error, -EIO, "shorter", NULL);
	fell();
}

/* All of it had come, and then the target was killed: what has no name yet is not there yet. */
static void part_that_is_complete_gets_its_name(void **state)
{
	static const unsigned flags[] = {RAMET_FILE_RESUME,
					 RAMET_FILE_RESUME | RAMET_FILE_SKIP_HASH};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		ramet_file_copy_options options;
		ramet_file_copy_result result;
		ramet_error error = RAMET_ERROR_INIT;

		plant("local");
		files_make(files_path("from"), 100000, 1);
		files_make(files_path("there/.to.ramet-partial"), 100000, 1);
		options = from_here(flags[i]);
		if (ramet_file_copy(&options, &result, &error) < 0)
			fail_msg("%s", error.message);
		assert_int_equal(result.files, 1);
		assert_int_equal(result.skipped, 0);
		assert_int_equal(result.bytes, 0);
		files_check_names(files_path("there"), "to");
		files_check_same(files_path("from"), files_path("there/to"));
		files_check_status(files_path("from"), files_path("there/to"));
		/* And then it is the same. */
		if (flags[i] & RAMET_FILE_SKIP_HASH) {
			assert_int_equal(ramet_file_copy(&options, &result, &error), 0);
			assert_int_equal(result.skipped, 1);
		}
		files_check_names(files_path("there"), "to");
		fell();
	}
}

/* --- in the middle ---------------------------------------------------------------------------------- */

enum { LARGE = 100 << 20 };

static int remove_on_progress(uint64_t bytes, uint64_t total, void *data)
{
	bool *removed = data;

	if (!*removed && bytes > 0 && bytes < total)
		*removed = rmdir(files_path("there")) == 0;
	return 0;
}

static void directory_that_is_removed_is_an_error(void **state)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_file_copy_options options;
	bool removed = false;

	(void)state;
	plant("local");
	files_make(files_path("from"), LARGE, 1);
	options = from_here(0);
	options.progress = remove_on_progress;
	options.progress_data = &removed;
	assert_int_equal(ramet_file_copy(&options, NULL, &error), -ENOENT);
	assert_true(removed);
	fixture_check_error(&error, -ENOENT, "there/to", NULL);
	files_check_names(files_path("."), "from");
	fell();
}

/* Stops a process, and cancels as soon as it is stopped. */
static int stop_on_progress(uint64_t bytes, uint64_t total, void *data)
{
	int *pid = data;

	if (*pid == 0 || bytes == 0 || bytes >= total)
		return 0;
	assert_int_equal(kill(*pid, SIGSTOP), 0);
	fixture_wait_state(*pid, 'T');
	*pid = 0;
	return 1;
}

static void cancelling_does_not_wait_for_who_is_stopped(void **state)
{
	/* The target, and the source. */
	for (int who = 0; who < 2; who++) {
		ramet_error error = RAMET_ERROR_INIT;
		ramet_file_copy_options options;
		int pid, stopped, gone;
		int64_t begin;

		(void)state;
		plant("local");
		pid = stopped = ramet_context_pid(context);
		gone = fixture_pidfd(pid);
		files_make(files_path("from"), LARGE, 1);
		options = from_here(0);
		if (who == 1) {
			options.from = context;
			options.to = here();
		}
		options.progress = stop_on_progress;
		options.progress_data = &pid;
		begin = fixture_now();
		assert_int_equal(ramet_file_copy(&options, NULL, &error), -ECANCELED);
		assert_int_equal(pid, 0);
		assert_true(fixture_now() - begin < SOON);
		fixture_check_error(&error, -ECANCELED, "", NULL);
		assert_int_equal(kill(stopped, SIGCONT), 0);
		ramet_context_unref(context);
		ramet_router_unref(router);
		fixture_wait_end(gone);
		files_check_names(files_path("there"), "");
		files_end();
	}
}

static void target_that_is_stopped_before_is_given_up(void **state)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_file_copy_options options;
	int pid, gone;

	(void)state;
	plant("local");
	pid = ramet_context_pid(context);
	gone = fixture_pidfd(pid);
	files_make(files_path("from"), 1000, 1);
	assert_int_equal(kill(pid, SIGSTOP), 0);
	fixture_wait_state(pid, 'T');
	options = from_here(0);
	options.stall_timeout = 500;
	assert_int_equal(ramet_file_copy(&options, NULL, &error), -ETIMEDOUT);
	fixture_check_error(&error, -ETIMEDOUT, "did not begin", NULL);
	assert_int_equal(kill(pid, SIGCONT), 0);
	ramet_context_unref(context);
	ramet_router_unref(router);
	fixture_wait_end(gone);
	files_check_names(files_path("there"), "");
	files_end();
}

static void tree_of_many_files_arrives(void **state)
{
	enum { FILES = SANITIZED ? 2000 : 10000, DIRECTORIES = 10 };
	ramet_error error = RAMET_ERROR_INIT;
	ramet_file_copy_options options;
	ramet_file_copy_result result;

	(void)state;
	plant("local/local");
	assert_int_equal(mkdir(files_path("from"), 0755), 0);
	for (unsigned i = 0; i < FILES; i++) {
		if (i < DIRECTORIES)
			assert_int_equal(mkdir(files_path("from/%u", i), 0755), 0);
		files_make(files_path("from/%u/%u", i % DIRECTORIES, i), i % 7, i);
	}
	options = from_here(RAMET_FILE_TREE | RAMET_FILE_NO_SYNC);
	if (ramet_file_copy(&options, &result, &error) < 0)
		fail_msg("%s", error.message);
	assert_int_equal(result.files, FILES);
	for (unsigned i = 0; i < FILES; i++)
		files_check_same(files_path("from/%u/%u", i % DIRECTORIES, i),
				 files_path("there/to/%u/%u", i % DIRECTORIES, i));
	options = from_here(RAMET_FILE_TREE | RAMET_FILE_NO_SYNC | RAMET_FILE_SKIP_SAME);
	assert_int_equal(ramet_file_copy(&options, &result, &error), 0);
	assert_int_equal(result.files, 0);
	assert_int_equal(result.skipped, FILES);
	fell();
}

/* --- what runs out ---------------------------------------------------------------------------------- */

/* From now on so many more descriptors than there are; -1: as many as ever. */
RAMET_FUNCTION(none, allow_descriptors, (i64, more))
{
	struct rlimit limit;
	int lowest = dup(0);

	close(lowest);
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = more < 0 ? limit.rlim_max : (rlim_t)lowest + (rlim_t)more;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		ramet_fail(call, errno, "the limit cannot be set");
}

/* Copies once; what is there then is complete, or nothing is there. */
static int copy_once(ramet_context *from, ramet_context *to, unsigned flags, ramet_error *error)
{
	ramet_file_copy_options options = from_here(flags);
	int r;

	options.from = from;
	options.to = to;
	/* For messages that get lost for want of memory. */
	options.stall_timeout = 2000;
	r = ramet_file_copy(&options, NULL, error);
	if (r == 0) {
		files_check_names(files_path("there"), "to");
		files_check_same(files_path("from"), files_path("there/to"));
		assert_int_equal(unlink(files_path("there/to")), 0);
	}
	return r;
}

static void descriptors_that_run_out_are_an_error(void **state)
{
	(void)state;
	plant("local");
	files_make(files_path("from"), 1000000, 1);
	for (int direction = 0; direction < 2; direction++) {
		ramet_context *from = direction ? context : here();
		ramet_context *to = direction ? here() : context;
		unsigned failures = 0;
		int r = -1;

		for (int more = 0; r != 0 && more < 20; more++) {
			ramet_error error = RAMET_ERROR_INIT;

			assert_int_equal(allow_descriptors_call(context, more, NULL), 0);
			r = copy_once(from, to, 0, &error);
			if (r < 0) {
				fixture_check_error(&error, -EMFILE, "", NULL);
				files_check_names(files_path("there"), "");
				failures++;
			}
			assert_int_equal(allow_descriptors_call(context, -1, NULL), 0);
		}
		assert_int_equal(r, 0);
		assert_true(failures > 0);
	}
	fell();
}

/* Every third allocation, with sanitizers every seventh: all of them would take a minute. */
static void memory_runs_out(bool down, unsigned flags)
{
	unsigned fds = fixture_count_fds(), n, failures = 0;
	bool failed = true;

	for (n = 1; failed && n < 2000; n += SANITIZED ? 7 : 3) {
		ramet_error error = RAMET_ERROR_INIT;
		int64_t begin;
		int r;

		plant("local");
		files_make(files_path("from"), 200000, 1);
		begin = fixture_now();
		fail_alloc_at(n, 1);
		r = copy_once(down ? here() : context, down ? context : here(), flags, &error);
		failed = fail_alloc_end();
		if (r < 0 && !failed)
			fail_msg("%u: %s", n, error.message);
		if (fixture_now() - begin > SOON)
			fail_msg("it took too long after a failure of allocation %u", n);
		failures += r < 0;
		ramet_error_clear(&error);
		ramet_context_unref(context);
		ramet_router_unref(router);
		/* A copy of which nobody heard that it is complete, or a part to go on with. */
		if (r < 0 && access(files_path("there/to"), F_OK) == 0) {
			files_check_same(files_path("from"), files_path("there/to"));
			assert_int_equal(unlink(files_path("there/to")), 0);
		}
		if (flags & RAMET_FILE_RESUME)
			unlink(files_path("there/.to.ramet-partial"));
		files_check_names(files_path("there"), "");
		files_end();
		if (fixture_count_fds() != fds)
			fail_msg("descriptors are left after a failure of allocation %u", n);
		alarm(60);
	}
	assert_true(n > 20 && n < 2000 && failures > 0);
}

static void memory_that_runs_out_here_is_an_error(void **state)
{
	(void)state;
	memory_runs_out(true, 0);
	memory_runs_out(false, 0);
	memory_runs_out(true, RAMET_FILE_RESUME | RAMET_FILE_SKIP_HASH);
	memory_runs_out(false, RAMET_FILE_RESUME | RAMET_FILE_SKIP_HASH);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(file_that_vanishes_is_an_error),
		FIXTURE_TEST(file_that_grows_is_sent_from_its_beginning),
		FIXTURE_TEST(file_with_holes_that_shrinks_is_an_error),
		FIXTURE_TEST(part_that_is_complete_gets_its_name),
		FIXTURE_TEST(directory_that_is_removed_is_an_error),
		FIXTURE_TEST(cancelling_does_not_wait_for_who_is_stopped),
		FIXTURE_TEST(target_that_is_stopped_before_is_given_up),
		FIXTURE_TEST(tree_of_many_files_arrives),
		FIXTURE_TEST(descriptors_that_run_out_are_an_error),
		FIXTURE_TEST(memory_that_runs_out_here_is_an_error),
	};

	fixture_child(argc, argv);
	ramet_init(argc, argv);
	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
