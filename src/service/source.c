/* SPDX-License-Identifier: BSD-3-Clause */
/* The source of a transfer: reads a file or a tree, and sends it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/time.h"
#include "core/receiver.h"
#include "core/value.h"
#include "service/directory.h"
#include "service/file.h"
#include "service/hash.h"
#include "service/place.h"
#include "service/services.h"
#include "service/transfer.h"

/* Bytes of one message: a frame, which arrives where it can be used without being copied. */
#define MESSAGE RMT_FRAME_PAYLOAD_MAX

#define PROGRESS_US 100000

struct source {
	ramet_call *call;
	struct rmt_fan fan;
	ramet_sender *events;
	uint64_t flags;
	ramet_receiver *answers; /* NULL: nobody is asked */
	struct rmt_owners owners;
	char *piece;
	rmt_file_item items[RMT_FILE_BATCH];
	size_t count;
	uint64_t bytes, total; /* read, and announced */
	int64_t told_at;
	uint64_t left;
	unsigned depth; /* directories that are open */
	char *at;       /* the name of what failed in them */
};

static int failed_at(struct source *source, int r, const char *name)
{
	/* What the targets have done is theirs to say; the path itself is known. */
	if (source->depth > 0 && r < 0 && r != -EPIPE && r != -ECANCELED && !source->at)
		source->at = strdup(name);
	return r;
}

static void tell(struct source *source, bool at_once)
{
	int64_t now = rmt_now();

	if (!at_once && now - source->told_at < PROGRESS_US)
		return;
	source->told_at = now;
	rmt_event_send(source->events, 0, RMT_FILE_PROGRESS, source->bytes, source->total, NULL);
}

static int send_record(struct source *source, enum rmt_file_op op, uint64_t number)
{
	return rmt_fan_record(&source->fan, &(rmt_file_record){.op = op, .number = number});
}

/* --- bodies --------------------------------------------------------------------------------- */

static int send_piece(struct source *source, struct rmt_hash *hash, size_t size)
{
	int r = 0;

	rmt_hash_update(hash, source->piece, size);
	for (size_t at = 0; at < size && r == 0; at += MESSAGE)
		r = rmt_fan_bytes(&source->fan, source->piece + at, RMT_MIN(size - at, MESSAGE));
	source->bytes += size;
	tell(source, false);
	return r;
}

/* What lies in [from, to), which has no holes that are worth looking for. */
static int send_data(struct source *source, int fd, struct rmt_hash *hash, uint64_t from,
		     uint64_t to)
{
	int r = 0;

	while (from < to && r == 0) {
		ssize_t n = pread(fd, source->piece, RMT_MIN(to - from, RMT_FILE_PIECE),
				  (off_t)from);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENODATA;
		r = send_piece(source, hash, (size_t)n);
		from += (uint64_t)n;
	}
	return r;
}

static int send_hole(struct source *source, struct rmt_hash *hash, uint64_t size)
{
	rmt_hash_zeros(hash, size);
	source->bytes += size;
	return send_record(source, RMT_FILE_HOLE, size);
}

static int send_sparse(struct source *source, int fd, struct rmt_hash *hash, uint64_t from,
		       uint64_t to)
{
	struct stat now;
	int r = 0;

	while (from < to && r == 0) {
		off_t data = lseek(fd, (off_t)from, SEEK_DATA), hole;

		if (data < 0 && errno != ENXIO)
			return send_data(source, fd, hash, from, to);
		/* No data is a hole only within the file. */
		if (data < 0 && (fstat(fd, &now) < 0 || (uint64_t)now.st_size < to))
			return -ENODATA;
		if (data < 0 || (uint64_t)data > to)
			data = (off_t)to;
		if ((uint64_t)data > from)
			r = send_hole(source, hash, (uint64_t)data - from);
		hole = (uint64_t)data < to ? lseek(fd, data, SEEK_HOLE) : data;
		if (hole < 0 || (uint64_t)hole > to)
			hole = (off_t)to;
		if (r == 0)
			r = send_data(source, fd, hash, (uint64_t)data, (uint64_t)hole);
		from = (uint64_t)hole;
	}
	return r;
}

static int send_body(struct source *source, int fd, const struct stat *stat, struct rmt_hash *hash,
		     uint64_t from)
{
	uint64_t size = (uint64_t)stat->st_size;
	bool sparse = (uint64_t)stat->st_blocks * 512 < size;
	unsigned char digest[RMT_HASH_SIZE];
	int r = send_record(source, RMT_FILE_BODY, from);

	source->bytes += from;
	if (r == 0)
		r = sparse ? send_sparse(source, fd, hash, from, size)
			   : send_data(source, fd, hash, from, size);
	if (r < 0)
		return r;
	rmt_hash_digest(hash, digest);
	return rmt_fan_record(&source->fan, &(rmt_file_record){.op = RMT_FILE_END,
							       .number = size,
							       .hash = {digest, sizeof(digest)}});
}

/* 1: the first bytes of the file have that hash; 0: not. */
static int begins_with(struct source *source, int fd, const rmt_file_answer *answer,
		       struct rmt_hash *hash)
{
	unsigned char digest[RMT_HASH_SIZE];

	for (uint64_t at = 0; at < answer->number;) {
		size_t size = (size_t)RMT_MIN(answer->number - at, RMT_FILE_PIECE);
		ssize_t n = pread(fd, source->piece, size, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		if (ramet_call_cancelled(source->call))
			return -ECANCELED;
		rmt_hash_update(hash, source->piece, (size_t)n);
		at += (uint64_t)n;
	}
	rmt_hash_digest(hash, digest);
	return answer->hash.size == RMT_HASH_SIZE &&
	       memcmp(answer->hash.data, digest, RMT_HASH_SIZE) == 0;
}

static int send_open(struct source *source, int fd, const rmt_file_answer *answer)
{
	struct rmt_hash hash;
	struct stat stat;
	uint64_t from = 0;
	int r;

	if (fstat(fd, &stat) < 0)
		return -errno;
	if (!S_ISREG(stat.st_mode))
		return -EINVAL;
	posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	rmt_hash_init(&hash);
	if (answer && answer->have != RMT_FILE_NOTHING &&
	    answer->number <= (uint64_t)stat.st_size) {
		r = begins_with(source, fd, answer, &hash);
		if (r < 0)
			return r;
		if (r == 1 && answer->have == RMT_FILE_WHOLE &&
		    answer->number == (uint64_t)stat.st_size) {
			source->bytes += answer->number;
			return send_record(source, RMT_FILE_SAME, 0);
		}
		if (r == 1 && answer->have == RMT_FILE_PART)
			from = answer->number;
		else
			rmt_hash_init(&hash);
	}
	return send_body(source, fd, &stat, &hash, from);
}

static int send_file(struct source *source, int directory, const char *name,
		     const rmt_file_answer *answer)
{
	int fd = rmt_open_at(directory, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0), r;

	/* One of a tree may vanish, or become something else, at any time. What was asked for may not. */
	if ((fd == -ENOENT || fd == -ELOOP) && source->depth > 0)
		return send_record(source, RMT_FILE_VANISHED, 0);
	if (fd < 0)
		return failed_at(source, fd, name);
	r = send_open(source, fd, answer);
	rmt_descriptor_close(fd);
	return failed_at(source, r, name);
}

/* --- announcements -------------------------------------------------------------------------- */

static void forget_items(struct source *source)
{
	for (size_t i = 0; i < source->count; i++)
		rmt_file_item_clear(&source->items[i]);
	source->count = 0;
}

static char *copied(const char *text)
{
	return text ? strdup(text) : NULL;
}

static int item_fill(struct source *source, rmt_file_item *item, const char *name,
		     const struct stat *stat, char *link)
{
	ramet_file_status status;

	rmt_status_fill(&status, stat, &source->owners, link);
	*item = (rmt_file_item){
		.name = strdup(name),
		.type = status.type,
		.mode = status.mode,
		.size = status.size,
		.mtime = status.mtime,
		.uid = status.uid,
		.gid = status.gid,
		.user = copied(status.user),
		.group = copied(status.group),
		.link = link,
	};
	if (!item->name) {
		rmt_file_item_clear(item);
		return -ENOMEM;
	}
	return 0;
}

/* What the target has of what was announced. */
static int wait_answers(struct source *source, rmt_file_answers *ret_answers)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_value *value = NULL;
	struct rmt_type_memory memory;
	struct rmt_cbor_reader reader;
	ramet_bytes bytes;
	char where[64];
	int r = rmt_transfer_receive(source->call, source->answers, &value, &error);

	ramet_error_clear(&error);
	if (r <= 0)
		return r == -ECANCELED ? r : -EPIPE;
	bytes = ramet_value_bytes(value);
	rmt_cbor_reader_init(&reader, bytes.data, bytes.size);
	rmt_type_memory_init(&memory, NULL, 0);
	r = rmt_type_decode(ramet_type_rmt_file_answers, &reader, ret_answers, &memory,
			    &rmt_call_hooks, NULL, where, sizeof(where));
	ramet_value_unref(value);
	if (r == 0 && ret_answers->count != source->count) {
		rmt_file_answers_clear(ret_answers);
		r = -EPROTO;
	}
	return r;
}

/* Announces what was gathered, and sends its bodies. */
static int flush(struct source *source, int directory)
{
	rmt_file_answers answers = {NULL, 0};
	int r;

	if (source->count == 0)
		return 0;
	r = rmt_fan_record(&source->fan,
			   &(rmt_file_record){.op = RMT_FILE_ANNOUNCE,
					      .items = {source->items, source->count}});
	if (r == 0 && source->answers)
		r = wait_answers(source, &answers);
	for (size_t i = 0; i < source->count && r == 0; i++) {
		const rmt_file_item *item = &source->items[i];
		const rmt_file_answer *answer = answers.count ? &answers.items[i] : NULL;

		if (item->type != RAMET_FILE_REGULAR)
			continue;
		if (answer && answer->have == RMT_FILE_ALL)
			source->bytes += item->size;
		else
			r = send_file(source, directory, item->name, answer);
	}
	rmt_file_answers_clear(&answers);
	forget_items(source);
	return r;
}

static int send_directory(struct source *source, int fd, const char *name, const struct stat *stat,
			  unsigned depth);

/* One entry of a directory, or the one that was asked for (depth 0). */
static int send_entry(struct source *source, int directory, const char *name, unsigned depth)
{
	/* With what was there before, the hash goes on where the part ends: one at a time. */
	size_t most = source->flags & RAMET_FILE_RESUME ? 1 : RMT_FILE_BATCH;
	struct stat stat;
	char *link = NULL;
	int fd, r = 0;

	if (fstatat(directory, name, &stat, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT && depth > 0 ? 0 : failed_at(source, -errno, name);
	if (S_ISDIR(stat.st_mode)) {
		if (!(source->flags & RAMET_FILE_TREE))
			return failed_at(source, -EISDIR, name);
		r = flush(source, directory);
		if (r < 0)
			return r;
		fd = rmt_open_at(directory, name, O_RDONLY | O_DIRECTORY, 0);
		if (fd == -ENOENT && depth > 0)
			return 0;
		return failed_at(
			source, fd < 0 ? fd : send_directory(source, fd, name, &stat, depth), name);
	}
	if (!S_ISREG(stat.st_mode) && !S_ISLNK(stat.st_mode)) {
		source->left++;
		return depth > 0 ? 0 : failed_at(source, -EINVAL, name);
	}
	if (S_ISLNK(stat.st_mode))
		r = rmt_read_link(directory, name, &link);
	if (r == 0)
		r = item_fill(source, &source->items[source->count], name, &stat, link);
	if (r < 0)
		return failed_at(source, r, name);
	source->total += S_ISREG(stat.st_mode) ? (uint64_t)stat.st_size : 0;
	return ++source->count >= most ? flush(source, directory) : 0;
}

static int send_entries(struct source *source, struct rmt_directory *directory, unsigned depth)
{
	const char *name;
	int r = 0;

	while (r == 0 && (r = rmt_directory_next(directory, &name)) == 0 && name)
		r = send_entry(source, directory->fd, name, depth);
	return r == 0 ? flush(source, directory->fd) : r;
}

/* Takes over fd. */
static int send_directory(struct source *source, int fd, const char *name, const struct stat *stat,
			  unsigned depth)
{
	struct rmt_directory *directory = rmt_directory_new(fd);
	rmt_file_item item;
	int r;

	if (!directory)
		return -ENOMEM;
	r = depth < RMT_DIRECTORY_DEPTH_MAX ? item_fill(source, &item, name, stat, NULL) : -ELOOP;
	if (r == 0) {
		r = rmt_fan_record(&source->fan,
				   &(rmt_file_record){.op = RMT_FILE_ENTER, .items = {&item, 1}});
		rmt_file_item_clear(&item);
	}
	source->depth++;
	if (r == 0)
		r = send_entries(source, directory, depth + 1);
	source->depth--;
	if (r == 0)
		r = send_record(source, RMT_FILE_LEAVE, 0);
	rmt_directory_free(directory);
	return r;
}

/* --- the service ---------------------------------------------------------------------------- */

/* Where RAMET_FILE_FOLLOW leads: /proc/self/fd/N names it without a race, but is a link itself; so
 * the file is opened, and looked at by its descriptor. */
static int send_followed(struct source *source, const struct rmt_place *place, const char *path)
{
	struct stat stat;
	int fd = rmt_place_open(place, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0), r;

	if (fd < 0)
		return failed_at(source, fd, path);
	r = fstat(fd, &stat) < 0 ? -errno : 0;
	if (r == 0 && S_ISDIR(stat.st_mode)) {
		if (source->flags & RAMET_FILE_TREE)
			return failed_at(source, send_directory(source, fd, path, &stat, 0), path);
		r = -EISDIR;
	} else if (r == 0 && !S_ISREG(stat.st_mode)) {
		r = -EINVAL;
	}
	if (r == 0)
		r = item_fill(source, &source->items[0], path, &stat, NULL);
	if (r == 0) {
		rmt_file_answers answers = {NULL, 0};

		source->count = 1;
		source->total = (uint64_t)stat.st_size;
		r = rmt_fan_record(&source->fan, &(rmt_file_record){.op = RMT_FILE_ANNOUNCE,
								    .items = {source->items, 1}});
		if (r == 0 && source->answers)
			r = wait_answers(source, &answers);
		if (r == 0 && !(answers.count && answers.items[0].have == RMT_FILE_ALL))
			r = send_open(source, fd, answers.count ? &answers.items[0] : NULL);
		rmt_file_answers_clear(&answers);
	}
	rmt_descriptor_close(fd);
	return failed_at(source, r, path);
}

static int send_path(struct source *source, const char *path)
{
	struct rmt_place place;
	struct rmt_spot spot;
	int r = rmt_place_init(&place, source->call);

	if (r < 0)
		return r;
	if (source->flags & RAMET_FILE_FOLLOW) {
		r = send_followed(source, &place, path);
	} else {
		r = rmt_place_spot(&place, path, &spot);
		/* "/" and "." are directories. */
		if (r == -EINVAL) {
			r = send_followed(source, &place, path);
		} else if (r == 0) {
			r = send_entry(source, spot.directory, spot.name, 0);
			if (r == 0)
				r = flush(source, spot.directory);
			rmt_spot_done(&spot);
		}
	}
	rmt_place_done(&place);
	return r;
}

static void fail(struct source *source, int r, const char *path)
{
	const char *why = r == -ENODATA  ? "became shorter while it was read"
			  : r == -EXDEV  ? "leads out of the directory to which files are limited"
			  : r == -EINVAL ? "is neither a file, a directory nor a symbolic link"
					 : rmt_strerror(r);
	int code = r == -ENODATA ? EIO : -r;

	if (r == -EPIPE)
		ramet_fail(source->call, EPIPE, "no target takes it any more");
	else if (source->at)
		ramet_fail(source->call, code, "%s: in it '%s': %s", path, source->at, why);
	else
		ramet_fail(source->call, code, "%s: %s", path, why);
	if (r != -EPIPE && r != -ECANCELED && source->fan.dead)
		rmt_fan_record(&source->fan, &(rmt_file_record){.op = RMT_FILE_FAILED,
								.number = (uint64_t)code,
								.text = why});
}

static int source_init(struct source *source, const rmt_file_targets *targets)
{
	int r = rmt_fan_init(&source->fan, source->call, source->events, targets);

	if (r == 0 && targets->senders.count == 0)
		r = -EINVAL;
	source->piece = malloc(RMT_FILE_PIECE);
	if (r == 0 && !source->piece)
		r = -ENOMEM;
	if (r == 0 && (source->flags & RMT_FILE_ASKS)) {
		r = ramet_receiver_new(ramet_call_router(source->call), &source->answers);
		if (r == 0)
			r = rmt_event_send(
				source->events, 0, RMT_FILE_READY, 0, 0,
				ramet_value_new_sender(ramet_receiver_sender(source->answers)));
	}
	return r;
}

RAMET_DEFINE_CONCURRENT(rmt_file_sent, rmt_file_send, (str, path), (u64, flags), (sender, events),
			(rmt_file_targets, targets))
{
	rmt_file_sent sent = {0};
	struct source *source = calloc(1, sizeof(*source));
	int r = source && path && events ? 0 : -EINVAL;

	if (r == 0) {
		*source = (struct source){.call = call, .events = events, .flags = flags};
		r = source_init(source, &targets);
		if (r == 0)
			r = send_path(source, path);
		if (r == 0)
			r = send_record(source, RMT_FILE_DONE, 0);
		if (r == 0)
			tell(source, true);
		else
			fail(source, r, path);
		sent.left = source->left;
		forget_items(source);
		ramet_receiver_unref(source->answers);
		rmt_fan_done(&source->fan);
		free(source->piece);
		free(source->at);
	} else {
		ramet_fail(call, EINVAL, "no path, or nobody to tell");
	}
	free(source);
	return sent;
}
