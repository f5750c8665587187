/* SPDX-License-Identifier: BSD-3-Clause */
/* Copies between contexts: contents, what is preserved, what is in the way, resuming. */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "core/receiver.h"
#include "files.h"
#include "fixture.h"
#include "service/hash.h"
#include "service/transfer.h"

/* --- helpers ---------------------------------------------------------------------------------------- */

static ramet_router *router;
static ramet_file_copy_result result;

static ramet_context *here(void)
{
	return ramet_router_self(router);
}

static int copy_with(ramet_context *from, const char *from_path, ramet_context *to,
		     const char *to_path, unsigned flags, ramet_error *error)
{
	ramet_file_copy_options options = RAMET_FILE_COPY_OPTIONS_INIT;

	options.from = from;
	options.from_path = from_path;
	options.to = to;
	options.to_path = to_path;
	options.flags = flags;
	memset(&result, 0, sizeof(result));
	return ramet_file_copy(&options, &result, error);
}

static void copy(ramet_context *from, const char *from_path, ramet_context *to, const char *to_path,
		 unsigned flags)
{
	ramet_error error = RAMET_ERROR_INIT;

	if (copy_with(from, from_path, to, to_path, flags, &error) < 0)
		fail_msg("%s: %s", error.where, error.message);
}

static void refuse(ramet_context *to, const char *from_path, const char *to_path, unsigned flags,
		   int code, const char *text)
{
	ramet_error error = RAMET_ERROR_INIT;

	assert_int_equal(copy_with(here(), from_path, to, to_path, flags, &error), code);
	fixture_check_error(&error, code, text, NULL);
}

static const char *const paths[] = {"local", "fork", "local/local"};

/* --- contents --------------------------------------------------------------------------------------- */

static void files_of_all_sizes_arrive_whole(void **state)
{
	static const uint64_t sizes[] = {0, 1, 65535, 65536, 65537, (1 << 20) + 1, 5000000};

	(void)state;
	files_begin();
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		ramet_context *context;

		router = fixture_router(RAMET_POLLER_DEFAULT, 0);
		context = fixture_connect(router, paths[i]);
		for (size_t k = 0; k < sizeof(sizes) / sizeof(*sizes); k++) {
			char hash[33];

			files_make(files_path("from"), sizes[k], (unsigned)k);
			copy(here(), files_path("from"), context, files_path("there"), 0);
			files_check_same(files_path("from"), files_path("there"));
			assert_int_equal(result.bytes, sizes[k]);
			assert_int_equal(result.files, 1);
			assert_int_equal(ramet_file_hash(here(), files_path("from"), hash, NULL),
					 0);
			assert_string_equal(result.hash, hash);
			copy(context, files_path("there"), here(), files_path("back"), 0);
			files_check_same(files_path("from"), files_path("back"));
			files_check_status(files_path("from"), files_path("back"));
			files_check_names(files_path("."), "back from there");
		}
		ramet_context_unref(context);
		ramet_router_unref(router);
	}
	files_end();
}

static ramet_context *plant(const char *path)
{
	files_begin();
	router = fixture_router(RAMET_POLLER_DEFAULT, 0);
	return fixture_connect(router, path);
}

static void fell(ramet_context *context)
{
	ramet_context_unref(context);
	ramet_router_unref(router);
	files_end();
}

static void holes_stay_holes(void **state)
{
	ramet_context *context = plant("local/local");
	struct stat status;

	(void)state;
	files_make_sparse(files_path("from"), 300 << 20);
	copy(here(), files_path("from"), context, files_path("to"), 0);
	files_check_same(files_path("from"), files_path("to"));
	files_check_status(files_path("from"), files_path("to"));
	assert_int_equal(stat(files_path("to"), &status), 0);
	assert_true(status.st_blocks * 512 < 1 << 20);
	assert_true(result.bytes < 1 << 20);
	/* One that is nothing else. */
	assert_int_equal(truncate(files_path("from"), 0), 0);
	assert_int_equal(truncate(files_path("from"), 100000), 0);
	copy(here(), files_path("from"), context, files_path("to"), 0);
	files_check_same(files_path("from"), files_path("to"));
	files_check_names(files_path("."), "from to");
	fell(context);
}

static void file_goes_between_two_branches(void **state)
{
	ramet_context *one = plant("local/fork"), *other = fixture_connect(router, "local#1/fork");

	(void)state;
	files_make(files_path("from"), 3000000, 1);
	copy(one, files_path("from"), other, files_path("to"), 0);
	files_check_same(files_path("from"), files_path("to"));
	copy(one, files_path("from"), one, files_path("within"), 0);
	files_check_same(files_path("from"), files_path("within"));
	ramet_context_unref(other);
	fell(one);
}

/* --- what is preserved ------------------------------------------------------------------------------ */

static void set_time(const char *path, int64_t seconds, long ns)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = seconds, .tv_nsec = ns}};

	assert_int_equal(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW), 0);
}

static void mode_and_time_are_preserved_and_owners_when_asked_for(void **state)
{
	ramet_context *context = plant("local");
	struct stat status;

	(void)state;
	files_make(files_path("from"), 10, 1);
	if (geteuid() == 0)
		assert_int_equal(chown(files_path("from"), 1, 2), 0);
	assert_int_equal(chmod(files_path("from"), 06751), 0);
	set_time(files_path("from"), -5, 123456789);
	copy(here(), files_path("from"), context, files_path("to"), 0);
	assert_int_equal(stat(files_path("to"), &status), 0);
	/* Who copies does not give away its own rights. */
	assert_int_equal(status.st_mode & 07777, 0751);
	assert_int_equal(status.st_uid, geteuid());
	assert_int_equal(status.st_mtim.tv_sec, -5);
	assert_int_equal(status.st_mtim.tv_nsec, 123456789);
	if (geteuid() == 0) {
		copy(here(), files_path("from"), context, files_path("to"), RAMET_FILE_OWNER);
		files_check_status(files_path("from"), files_path("to"));
		/* A number without a name stays one. */
		assert_int_equal(chown(files_path("from"), 54321, 54322), 0);
		copy(here(), files_path("from"), context, files_path("to"), RAMET_FILE_OWNER);
		files_check_status(files_path("from"), files_path("to"));
	}
	fell(context);
}

static void tree_arrives_with_all_that_is_in_it(void **state)
{
	ramet_context *context = plant("local/local");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char longest[256], target[32];
	int fd;

	(void)state;
	memset(longest, 'n', 255);
	longest[255] = '\0';
	assert_int_equal(mkdir(files_path("from"), 0755), 0);
	assert_int_equal(mkdir(files_path("from/sub"), 0755), 0);
	assert_int_equal(mkdir(files_path("from/sub/empty"), 0511), 0);
	for (int i = 0; i < 150; i++)
		files_make(files_path("from/sub/%d", i), (uint64_t)i * 1000, (unsigned)i);
	files_make(files_path("from/%s", longest), 70000, 7);
	files_make(files_path("from/\xff\xfe"), 10, 8);
	assert_int_equal(symlink("sub", files_path("from/to-directory")), 0);
	assert_int_equal(symlink("nowhere", files_path("from/dangling")), 0);
	assert_int_equal(symlink("/etc/passwd", files_path("from/absolute")), 0);
	set_time(files_path("from/dangling"), 1000, 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", files_path("from/socket"));
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	assert_int_equal(mkfifo(files_path("from/fifo"), 0600), 0);
	set_time(files_path("from/sub/empty"), 2000, 2);
	set_time(files_path("from/sub"), 3000, 3);
	set_time(files_path("from"), 4000, 4);

	refuse(context, files_path("from"), files_path("to"), 0, -EISDIR, "from");
	copy(here(), files_path("from"), context, files_path("to"), RAMET_FILE_TREE);
	assert_int_equal(result.files, 152);
	assert_int_equal(result.left, 2);
	assert_string_equal(result.hash, "");
	for (int i = 0; i < 150; i++) {
		files_check_same(files_path("from/sub/%d", i), files_path("to/sub/%d", i));
		files_check_status(files_path("from/sub/%d", i), files_path("to/sub/%d", i));
	}
	files_check_same(files_path("from/%s", longest), files_path("to/%s", longest));
	files_check_same(files_path("from/\xff\xfe"), files_path("to/\xff\xfe"));
	files_check_status(files_path("from/dangling"), files_path("to/dangling"));
	files_check_status(files_path("from/sub/empty"), files_path("to/sub/empty"));
	files_check_status(files_path("from/sub"), files_path("to/sub"));
	files_check_status(files_path("from"), files_path("to"));
	assert_int_equal(readlink(files_path("to/to-directory"), target, sizeof(target)), 3);
	assert_int_equal(readlink(files_path("to/absolute"), target, sizeof(target)), 11);
	files_check_names(files_path("."), "from to");
	/* Once more into what is there, which keeps what else is in it. */
	files_make(files_path("to/sub/else"), 5, 1);
	copy(here(), files_path("from"), context, files_path("to"),
	     RAMET_FILE_TREE | RAMET_FILE_SKIP_SAME);
	assert_int_equal(result.files, 0);
	assert_int_equal(result.skipped, 152);
	assert_int_equal(result.bytes, 0);
	assert_int_equal(access(files_path("to/sub/else"), F_OK), 0);
	files_make(files_path("from/sub/17"), 17000, 99);
	copy(here(), files_path("from"), context, files_path("to"),
	     RAMET_FILE_TREE | RAMET_FILE_SKIP_HASH);
	assert_int_equal(result.files, 1);
	assert_int_equal(result.skipped, 151);
	files_check_same(files_path("from/sub/17"), files_path("to/sub/17"));
	assert_int_equal(rmdir(files_path("to/sub/empty")), 0);
	fell(context);
}

static void links_are_copied_as_links_or_followed(void **state)
{
	ramet_context *context = plant("local");
	struct stat status;

	(void)state;
	files_make(files_path("file"), 1000, 1);
	assert_int_equal(symlink("file", files_path("link")), 0);
	copy(here(), files_path("link"), context, files_path("to"), 0);
	assert_int_equal(lstat(files_path("to"), &status), 0);
	assert_true(S_ISLNK(status.st_mode));
	copy(here(), files_path("link"), context, files_path("to"), RAMET_FILE_FOLLOW);
	assert_int_equal(lstat(files_path("to"), &status), 0);
	assert_true(S_ISREG(status.st_mode));
	files_check_same(files_path("file"), files_path("to"));
	copy(here(), files_path("link"), context, files_path("to"), 0);
	assert_int_equal(lstat(files_path("to"), &status), 0);
	assert_true(S_ISLNK(status.st_mode));
	files_check_names(files_path("."), "file link to");
	fell(context);
}

/* --- what is in the way ----------------------------------------------------------------------------- */

RAMET_FUNCTION(none, become_nobody)
{
	if (setgid(65534) < 0 || setuid(65534) < 0)
		ramet_fail(call, errno, "cannot become nobody");
}

static char mount_point[4096];

static void mount_small(void *options)
{
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", mount_point, "tmpfs", 0, options) < 0)
		_exit(99);
}

/* A context that has at "mine" a file system which nobody else sees. It is made before the context begins: a namespace
 * is that of one thread and of those that it starts. */
static ramet_context *plant_small(const char *options)
{
	char copy[32];
	ramet_context *context;

	files_begin();
	router = fixture_router(RAMET_POLLER_DEFAULT, 0);
	assert_int_equal(mkdir(files_path("mine"), 0755), 0);
	snprintf(mount_point, sizeof(mount_point), "%s", files_path("mine"));
	snprintf(copy, sizeof(copy), "%s", options);
	ramet_set_preexec_hook(mount_small, copy);
	context = fixture_connect(router, "local");
	ramet_set_preexec_hook(NULL, NULL);
	return context;
}

/* Names in a directory as that context sees it. */
RAMET_FUNCTION(i64, count_names, (str, path))
{
	DIR *directory = opendir(path);
	int64_t count = -2; /* . and .. */

	while (directory && readdir(directory))
		count++;
	if (directory)
		closedir(directory);
	return count;
}

static void refusals_name_what_is_in_the_way(void **state)
{
	ramet_context *context = plant("local");

	(void)state;
	files_make(files_path("from"), 1000, 1);
	assert_int_equal(mkdir(files_path("directory"), 0755), 0);
	assert_int_equal(mkfifo(files_path("fifo"), 0600), 0);
	refuse(context, files_path("from"), files_path("directory"), 0, -EISDIR, "directory");
	refuse(context, files_path("directory"), files_path("from"), RAMET_FILE_TREE, -ENOTDIR,
	       "from");
	refuse(context, files_path("none"), files_path("to"), 0, -ENOENT, "none");
	refuse(context, files_path("from"), files_path("no/to"), 0, -ENOENT, "no/to");
	refuse(context, files_path("fifo"), files_path("to"), 0, -EINVAL, "fifo");
	refuse(context, "/dev/null", files_path("to"), 0, -EINVAL, "/dev/null");
	refuse(context, files_path("from"), files_path("to"), RAMET_FILE_APPEND, -EINVAL, "flags");
	files_check_names(files_path("."), "directory fifo from");
	files_check_names(files_path("directory"), "");
	/* A FIFO that is there is replaced: it is not written to. */
	copy(here(), files_path("from"), context, files_path("fifo"), 0);
	files_check_same(files_path("from"), files_path("fifo"));
	fell(context);
}

static void target_without_rights_or_room_is_left_as_it_was(void **state)
{
	ramet_context *nobody, *small;
	int64_t count = -1;

	(void)state;
	if (geteuid() != 0)
		skip();
	nobody = plant("local");
	files_make(files_path("from"), 1000, 1);
	assert_int_equal(mkdir(files_path("mine"), 0755), 0);
	assert_int_equal(chmod(files_path("."), 0755), 0);
	assert_int_equal(become_nobody_call(nobody, NULL), 0);
	refuse(nobody, files_path("from"), files_path("mine/to"), 0, -EACCES, "mine/to");
	files_check_names(files_path("mine"), "");
	fell(nobody);

	small = plant_small("size=1m");
	files_make(files_path("from"), 4 << 20, 1);
	refuse(small, files_path("from"), files_path("mine/to"), 0, -ENOSPC, "mine/to");
	assert_int_equal(count_names_call(small, files_path("mine"), &count, NULL), 0);
	assert_int_equal(count, 0);
	refuse(small, files_path("from"), files_path("mine/to"), RAMET_FILE_RESUME, -ENOSPC,
	       "mine/to");
	assert_int_equal(count_names_call(small, files_path("mine"), &count, NULL), 0);
	assert_int_equal(count, 1);
	fell(small);
	/* Read-only as a whole. */
	small = plant_small("ro");
	files_make(files_path("from"), 1000, 1);
	refuse(small, files_path("from"), files_path("mine/to"), 0, -EROFS, "mine/to");
	fell(small);
}

/* --- a stream of our own ---------------------------------------------------------------------------- */

/* A source is asked for its stream as a target would, so that nothing is read faster than we want. */
struct tap {
	ramet_receiver *stream, *events, *call;
};

static void tap_open(struct tap *tap, ramet_context *context, const char *path)
{
	ramet_sender *sender;
	int32_t node = 1;
	rmt_file_targets targets = {.senders = {&sender, 1}, .nodes = {&node, 1}, .patience = -1};

	assert_int_equal(ramet_receiver_new(router, &tap->stream), 0);
	assert_int_equal(ramet_receiver_new(router, &tap->events), 0);
	sender = ramet_receiver_sender(tap->stream);
	assert_int_equal(rmt_file_send_start(context, path, 0, ramet_receiver_sender(tap->events),
					     targets, &tap->call, NULL),
			 0);
}

/* Takes the next message: its bytes are counted, or *ret_op says what it is. */
static bool tap_next(struct tap *tap, uint64_t *bytes, int64_t *ret_op, uint64_t *ret_number)
{
	ramet_value *value;

	if (ramet_receive(tap->stream, SOON, &value, NULL) <= 0)
		return false;
	*ret_op = 0;
	if (ramet_value_kind(value) == RAMET_KIND_BYTES) {
		*bytes += ramet_value_bytes(value).size;
	} else {
		*ret_op = ramet_value_i64(ramet_value_item(value, 0));
		*ret_number = ramet_value_u64(ramet_value_item(value, 1));
	}
	ramet_value_unref(value);
	return true;
}

static int tap_close(struct tap *tap, ramet_error *error)
{
	rmt_file_sent sent;
	int r = rmt_file_send_finish(tap->call, SOON, &sent, error);

	ramet_receiver_unref(tap->call);
	ramet_receiver_unref(tap->stream);
	ramet_receiver_unref(tap->events);
	return r;
}

static void file_that_changes_while_it_is_read(void **state)
{
	enum { SIZE = 20 << 20 };
	ramet_context *context = plant("local");
	ramet_error error = RAMET_ERROR_INIT;
	uint64_t bytes = 0, number = 0;
	int64_t op, last = 0;
	struct tap tap;

	(void)state;
	/* Growing: as much as there was. */
	files_make(files_path("file"), SIZE, 1);
	tap_open(&tap, context, files_path("file"));
	while (bytes == 0)
		assert_true(tap_next(&tap, &bytes, &op, &number));
	assert_int_equal(truncate(files_path("file"), 2 * SIZE), 0);
	while (tap_next(&tap, &bytes, &op, &number))
		if (op == RMT_FILE_END)
			assert_int_equal(number, SIZE);
	assert_int_equal(bytes, SIZE);
	assert_int_equal(tap_close(&tap, NULL), 0);
	/* Shrinking: an error. */
	bytes = 0;
	files_make(files_path("file"), SIZE, 1);
	tap_open(&tap, context, files_path("file"));
	while (bytes == 0)
		assert_true(tap_next(&tap, &bytes, &op, &number));
	assert_int_equal(truncate(files_path("file"), SIZE / 2), 0);
	while (tap_next(&tap, &bytes, &op, &number))
		last = op ? op : last;
	assert_int_equal(last, RMT_FILE_FAILED);
	assert_int_equal(tap_close(&tap, &error), -EIO);
	fixture_check_error(&error, -EIO, "file", "shorter", NULL);
	fell(context);
}

/* What a source would send, by the test. */
struct fake {
	ramet_receiver *events, *call;
	ramet_sender *stream;
};

static void fake_open(struct fake *fake, ramet_context *context, const char *path)
{
	rmt_file_targets none = {.patience = -1};
	ramet_value *event;

	assert_int_equal(ramet_receiver_new(router, &fake->events), 0);
	assert_int_equal(rmt_file_take_start(context, path, 0, 1,
					     ramet_receiver_sender(fake->events), none, &fake->call,
					     NULL),
			 0);
	assert_int_equal(ramet_receive(fake->events, SOON, &event, NULL), 1);
	fake->stream = ramet_sender_ref(ramet_value_sender(ramet_value_item(event, 4)));
	ramet_value_unref(event);
}

static void fake_record(struct fake *fake, rmt_file_record record)
{
	struct rmt_buffer out = RMT_BUFFER_INIT;

	rmt_type_encode(ramet_type_rmt_file_record, &record, &out, &rmt_call_hooks, NULL);
	rmt_sender_send_item(fake->stream, &out);
	rmt_buffer_done(&out);
}

static void fake_announce(struct fake *fake, const char *name)
{
	rmt_file_item item = {.name = name, .type = RAMET_FILE_REGULAR, .mode = 0644, .size = 5};

	fake_record(fake, (rmt_file_record){.op = RMT_FILE_ANNOUNCE, .items = {&item, 1}});
}

static void fake_enter(struct fake *fake, const char *name)
{
	rmt_file_item item = {.name = name, .type = RAMET_FILE_DIRECTORY, .mode = 0755};

	fake_record(fake, (rmt_file_record){.op = RMT_FILE_ENTER, .items = {&item, 1}});
}

static void fake_close(struct fake *fake, int code, const char *text)
{
	ramet_error error = RAMET_ERROR_INIT;
	rmt_file_taken taken;

	ramet_sender_unref(fake->stream);
	assert_int_equal(rmt_file_take_finish(fake->call, SOON, &taken, &error), code);
	fixture_check_error(&error, code, text, NULL);
	ramet_receiver_unref(fake->call);
	ramet_receiver_unref(fake->events);
}

static void damaged_byte_is_noticed(void **state)
{
	ramet_context *context = plant("local");
	unsigned char digest[RMT_HASH_SIZE];
	char text[RMT_HASH_TEXT_SIZE];
	struct rmt_hash hash;
	struct fake fake;

	(void)state;
	rmt_hash_init(&hash);
	rmt_hash_update(&hash, "right", 5);
	rmt_hash_digest(&hash, digest);
	rmt_hash_text(digest, text);
	files_make(files_path("to"), 7, 1);
	fake_open(&fake, context, files_path("to"));
	fake_announce(&fake, "whatever");
	fake_record(&fake, (rmt_file_record){.op = RMT_FILE_BODY});
	assert_int_equal(ramet_send_bytes(fake.stream, (ramet_bytes){"wrong", 5}), 0);
	fake_record(&fake, (rmt_file_record){.op = RMT_FILE_END,
					     .number = 5,
					     .hash = {digest, sizeof(digest)}});
	fake_close(&fake, -EBADMSG, text);
	files_check_names(files_path("."), "to");
	files_make(files_path("was"), 7, 1);
	files_check_same(files_path("was"), files_path("to"));
	fell(context);
}

static void source_that_misbehaves_gets_nowhere(void **state)
{
	static const char *const names[] = {"..", ".", "", "../to", "a/b", NULL};
	ramet_context *context = plant("local");
	struct fake fake;

	(void)state;
	for (const char *const *name = names; *name; name++) {
		fake_open(&fake, context, files_path("to"));
		fake_enter(&fake, "x");
		fake_announce(&fake, *name);
		fake_close(&fake, -EPROTO, "no sense");
		fake_open(&fake, context, files_path("to"));
		fake_enter(&fake, "x");
		fake_enter(&fake, *name);
		fake_close(&fake, -EPROTO, "no sense");
		files_check_names(files_path("."), "to");
		files_check_names(files_path("to"), "");
	}
	assert_int_equal(rmdir(files_path("to")), 0);
	/* In no order. */
	for (int32_t op = RMT_FILE_LEAVE; op <= RMT_FILE_END; op++) {
		fake_open(&fake, context, files_path("to"));
		fake_record(&fake, (rmt_file_record){.op = op, .number = 1});
		fake_close(&fake, -EPROTO, "no sense");
	}
	fake_open(&fake, context, files_path("to"));
	ramet_send_bytes(fake.stream, (ramet_bytes){"stray", 5});
	fake_close(&fake, -EPROTO, "no sense");
	fake_open(&fake, context, files_path("to"));
	ramet_send_i64(fake.stream, 5);
	fake_close(&fake, -EPROTO, "");
	/* Breaking off. */
	fake_open(&fake, context, files_path("to"));
	fake_announce(&fake, "x");
	fake_record(&fake, (rmt_file_record){.op = RMT_FILE_BODY});
	ramet_send_bytes(fake.stream, (ramet_bytes){"begin", 5});
	fake_close(&fake, -ECONNABORTED, "broken off");
	files_check_names(files_path("."), "");
	fell(context);
}

/* --- the middle ------------------------------------------------------------------------------------- */

enum { LARGE = 200 << 20 };

/* Ends a process when the transfer is under way. */
static int kill_on_progress(uint64_t bytes, uint64_t total, void *data)
{
	int *pid = data;

	if (bytes > 0 && bytes<total && * pid> 0) {
		assert_int_equal(kill(*pid, SIGKILL), 0);
		*pid = 0;
	}
	return 0;
}

static int cancel_on_progress(uint64_t bytes, uint64_t total, void *data)
{
	bool *seen = data;

	*seen |= bytes > 0 && bytes < total;
	return *seen;
}

static int copy_interrupted(ramet_context *from, ramet_context *to, unsigned flags,
			    ramet_file_progress *progress, void *data, ramet_error *error)
{
	ramet_file_copy_options options = RAMET_FILE_COPY_OPTIONS_INIT;

	options.from = from;
	options.from_path = files_path("from");
	options.to = to;
	options.to_path = files_path("there/to");
	options.flags = flags;
	options.progress = progress;
	options.progress_data = data;
	return ramet_file_copy(&options, NULL, error);
}

static void death_in_the_middle_is_an_error_and_leaves_nothing(void **state)
{
	/* Who dies: source, hop, target. */
	for (int who = 0; who < 3; who++) {
		ramet_context *hop = plant("local"), *source, *target;
		ramet_error error = RAMET_ERROR_INIT;
		int64_t start;
		int pid, gone;

		(void)state;
		fixture_allow_orphans();
		assert_int_equal(mkdir(files_path("there"), 0755), 0);
		files_make(files_path("from"), LARGE, 1);
		source = fixture_connect(router, "local#1");
		target = fixture_connect(router, "local/local");
		pid = ramet_context_pid(who == 0 ? source : who == 1 ? hop : target);
		gone = fixture_pidfd(ramet_context_pid(target));
		start = fixture_now();
		assert_int_equal(
			copy_interrupted(source, target, 0, kill_on_progress, &pid, &error),
			-ECONNRESET);
		assert_int_equal(pid, 0);
		assert_true(fixture_now() - start < SOON);
		fixture_check_error(&error, -ECONNRESET, "gone", NULL);
		ramet_context_unref(source);
		ramet_context_unref(target);
		ramet_context_unref(hop);
		ramet_router_unref(router);
		fixture_wait_end(gone);
		files_check_names(files_path("there"), "");
		files_end();
	}
}

static void cancelled_copy_leaves_nothing(void **state)
{
	ramet_context *context = plant("local/local");
	ramet_error error = RAMET_ERROR_INIT;
	bool seen = false;

	(void)state;
	assert_int_equal(mkdir(files_path("there"), 0755), 0);
	files_make(files_path("from"), LARGE, 1);
	assert_int_equal(copy_interrupted(here(), context, 0, cancel_on_progress, &seen, &error),
			 -ECANCELED);
	assert_true(seen);
	fixture_check_error(&error, -ECANCELED, "cancelled", NULL);
	files_check_names(files_path("there"), "");
	fell(context);
}

/* --- resuming --------------------------------------------------------------------------------------- */

static uint64_t leave_a_part(void)
{
	ramet_context *target = fixture_connect(router, "local");
	int pid = ramet_context_pid(target), gone = fixture_pidfd(pid);
	struct stat status;

	assert_int_equal(
		copy_interrupted(here(), target, RAMET_FILE_RESUME, kill_on_progress, &pid, NULL),
		-ECONNRESET);
	fixture_wait_end(gone);
	ramet_context_unref(target);
	files_check_names(files_path("there"), ".to.ramet-partial");
	assert_int_equal(stat(files_path("there/.to.ramet-partial"), &status), 0);
	return (uint64_t)status.st_size;
}

static void resumed_copy_sends_the_rest(void **state)
{
	ramet_context *context;
	uint64_t part;
	int fd;

	(void)state;
	files_begin();
	router = fixture_router(RAMET_POLLER_DEFAULT, 0);
	assert_int_equal(mkdir(files_path("there"), 0755), 0);
	files_make(files_path("from"), LARGE, 1);
	part = leave_a_part();
	assert_true(part < LARGE);
	/* As if a good part had come. */
	if (part < LARGE / 2) {
		fd = open(files_path("there/.to.ramet-partial"), O_WRONLY | O_CLOEXEC);
		close(fd);
		assert_int_equal(truncate(files_path("there/.to.ramet-partial"), 0), 0);
		files_make(files_path("there/.to.ramet-partial"), part = LARGE / 2, 1);
	}
	context = fixture_connect(router, "local/local");
	copy(here(), files_path("from"), context, files_path("there/to"), RAMET_FILE_RESUME);
	assert_int_equal(result.bytes, LARGE - part);
	files_check_same(files_path("from"), files_path("there/to"));
	files_check_names(files_path("there"), "to");
	/* A part of something else. */
	files_make(files_path("there/.to.ramet-partial"), 100000, 77);
	copy(here(), files_path("from"), context, files_path("there/to"), RAMET_FILE_RESUME);
	assert_int_equal(result.bytes, LARGE);
	files_check_same(files_path("from"), files_path("there/to"));
	/* A part that is more than all. */
	files_make(files_path("small"), 5000, 1);
	files_make(files_path("there/.to.ramet-partial"), 100000, 1);
	copy(here(), files_path("small"), context, files_path("there/to"), RAMET_FILE_RESUME);
	files_check_same(files_path("small"), files_path("there/to"));
	files_check_names(files_path("there"), "to");
	fell(context);
}

/* --- several ---------------------------------------------------------------------------------------- */

struct writer {
	ramet_context *to;
	char from[256], path[256];
	int r;
};

static void *write_often(void *data)
{
	struct writer *writer = data;

	for (int i = 0; i < 10 && writer->r == 0; i++) {
		ramet_file_copy_options options = RAMET_FILE_COPY_OPTIONS_INIT;

		options.from = here();
		options.from_path = writer->from;
		options.to = writer->to;
		options.to_path = writer->path;
		writer->r = ramet_file_copy(&options, NULL, NULL);
	}
	return NULL;
}

static void two_writers_to_one_path_do_not_mix(void **state)
{
	ramet_context *context = plant("local");
	struct writer writers[2] = {{.to = context}, {.to = context}};
	char hash[33], other[33];
	pthread_t threads[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		snprintf(writers[i].from, sizeof(writers[i].from), "%s", files_path("from%d", i));
		snprintf(writers[i].path, sizeof(writers[i].path), "%s", files_path("to"));
		files_make(writers[i].from, 1000000, (unsigned)i);
	}
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_often, &writers[i]), 0);
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(writers[i].r, 0);
	}
	assert_int_equal(ramet_file_hash(context, files_path("to"), hash, NULL), 0);
	assert_int_equal(ramet_file_hash(context, files_path("from0"), other, NULL), 0);
	if (strcmp(hash, other) != 0)
		assert_int_equal(ramet_file_hash(context, files_path("from1"), other, NULL), 0);
	assert_string_equal(hash, other);
	files_check_names(files_path("."), "from0 from1 to");
	fell(context);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(files_of_all_sizes_arrive_whole),
		FIXTURE_TEST(holes_stay_holes),
		FIXTURE_TEST(file_goes_between_two_branches),
		FIXTURE_TEST(mode_and_time_are_preserved_and_owners_when_asked_for),
		FIXTURE_TEST(tree_arrives_with_all_that_is_in_it),
		FIXTURE_TEST(links_are_copied_as_links_or_followed),
		FIXTURE_TEST(refusals_name_what_is_in_the_way),
		FIXTURE_TEST(target_without_rights_or_room_is_left_as_it_was),
		FIXTURE_TEST(file_that_changes_while_it_is_read),
		FIXTURE_TEST(damaged_byte_is_noticed),
		FIXTURE_TEST(source_that_misbehaves_gets_nowhere),
		FIXTURE_TEST(death_in_the_middle_is_an_error_and_leaves_nothing),
		FIXTURE_TEST(cancelled_copy_leaves_nothing),
		FIXTURE_TEST(resumed_copy_sends_the_rest),
		FIXTURE_TEST(two_writers_to_one_path_do_not_mix),
	};

	fixture_child(argc, argv);
	ramet_init(argc, argv);
	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
