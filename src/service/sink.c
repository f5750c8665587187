/* SPDX-License-Identifier: BSD-3-Clause */
#include "service/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/format.h"
#include "service/file.h"

/* Of what is preserved without an owner: a program that ran as somebody must not run as another. */
#define HARMLESS 01777

/* Bytes after which the disk is told to begin; a power of two. */
#define WRITE_BACK (8u << 20)

static int failed_at(struct rmt_sink *sink, int r, const char *name)
{
	if (r < 0 && r != -ECANCELED && !sink->at)
		sink->at = strdup(name);
	return r;
}

static int directory_now(const struct rmt_sink *sink)
{
	return sink->depth > 0 ? sink->levels[sink->depth - 1].fd : sink->spot.directory;
}

/* What comes first is called what the caller wants. */
static const char *name_of(const struct rmt_sink *sink, const rmt_file_item *item)
{
	return sink->depth > 0 ? item->name : sink->spot.name;
}

static bool is_name(const char *name)
{
	return name && *name && strlen(name) <= NAME_MAX && !strchr(name, '/') &&
	       strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* --- what is preserved ---------------------------------------------------------------------- */

/* name NULL: of fd itself. Returns whether the owner is that of the original now. */
static bool set_owner(struct rmt_sink *sink, int fd, const char *name, const rmt_file_item *item)
{
	uid_t uid;
	gid_t gid;

	if (!(sink->flags & RAMET_FILE_OWNER) || geteuid() != 0)
		return false;
	uid = rmt_owner_uid(item->user, (uid_t)item->uid);
	gid = rmt_owner_gid(item->group, (gid_t)item->gid);
	return fchownat(fd, name ? name : "", uid, gid,
			name ? AT_SYMLINK_NOFOLLOW : AT_EMPTY_PATH) == 0;
}

static struct timespec time_of(int64_t ns)
{
	int64_t seconds = ns / 1000000000, rest = ns % 1000000000;

	if (rest < 0) {
		seconds--;
		rest += 1000000000;
	}
	return (struct timespec){.tv_sec = (time_t)seconds, .tv_nsec = (long)rest};
}

/* The owner first: changing it takes the mode's special bits away. */
static int preserve(struct rmt_sink *sink, int fd, const rmt_file_item *item)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, time_of(item->mtime)};
	mode_t allowed = set_owner(sink, fd, NULL, item) ? 07777 : HARMLESS;

	if (fchmod(fd, (mode_t)item->mode & allowed) < 0 || futimens(fd, times) < 0)
		return -errno;
	return 0;
}

/* --- directories ---------------------------------------------------------------------------- */

static int open_directory(struct rmt_sink *sink, const char *name)
{
	int directory = directory_now(sink), r = 0;

	if (mkdirat(directory, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	r = rmt_open_at(directory, name, O_RDONLY | O_DIRECTORY, 0);
	/* A link to a directory was meant when it was asked for by name, else it is in the way. */
	if ((r == -ELOOP || r == -ENOTDIR) && sink->depth == 0)
		r = rmt_place_open(&sink->place, sink->path, O_RDONLY | O_DIRECTORY, 0);
	return r;
}

static int enter(struct rmt_sink *sink, rmt_file_record *record)
{
	rmt_file_item *item = record->items.items;
	struct rmt_sink_level *levels;
	int fd;

	if (record->items.count != 1 || sink->done || item->type != RAMET_FILE_DIRECTORY ||
	    (sink->depth == 0 && sink->began) || (sink->depth > 0 && !is_name(item->name)))
		return -EPROTO;
	if (sink->depth > RMT_DIRECTORY_DEPTH_MAX)
		return -ELOOP;
	levels = realloc(sink->levels, (sink->depth + 1) * sizeof(*levels));
	if (!levels)
		return -ENOMEM;
	sink->levels = levels;
	fd = open_directory(sink, name_of(sink, item));
	if (fd < 0)
		return failed_at(sink, fd, name_of(sink, item));
	sink->levels[sink->depth] = (struct rmt_sink_level){fd, *item};
	*item = (rmt_file_item){0};
	sink->depth++;
	sink->began = true;
	return 0;
}

static int leave(struct rmt_sink *sink)
{
	struct rmt_sink_level *level;
	int r;

	if (sink->depth == 0)
		return -EPROTO;
	level = &sink->levels[--sink->depth];
	r = preserve(sink, level->fd, &level->item);
	failed_at(sink, r, level->item.name);
	rmt_descriptor_close(level->fd);
	rmt_file_item_clear(&level->item);
	return r;
}

/* --- announcements -------------------------------------------------------------------------- */

static int put_link(struct rmt_sink *sink, const rmt_file_item *item)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, time_of(item->mtime)};
	int directory = directory_now(sink), r;
	const char *name = name_of(sink, item);

	if (!item->link)
		return -EPROTO;
	r = rmt_store_link(directory, name, item->link);
	if (r < 0)
		return r;
	set_owner(sink, directory, name, item);
	utimensat(directory, name, times, AT_SYMLINK_NOFOLLOW);
	return 0;
}

/* The hash of what fd has, whose size is returned. */
static int64_t hash_of(struct rmt_sink *sink, int fd, struct rmt_hash *hash)
{
	char *piece = malloc(RMT_FILE_PIECE);
	int64_t size = 0, n = piece ? 0 : -ENOMEM;

	rmt_hash_init(hash);
	while (piece && (n = rmt_read_all(fd, piece, RMT_FILE_PIECE)) > 0) {
		rmt_hash_update(hash, piece, (size_t)n);
		size += n;
		if (ramet_call_cancelled(sink->call)) {
			n = -ECANCELED;
			break;
		}
	}
	free(piece);
	return n < 0 ? n : size;
}

static void answer_with(struct rmt_sink *sink, size_t i, enum rmt_file_have have,
			const struct rmt_hash *hash, int64_t size)
{
	rmt_hash_digest(hash, sink->digests[i]);
	sink->answers[i] = (rmt_file_answer){
		.have = have, .number = (uint64_t)size, .hash = {sink->digests[i], RMT_HASH_SIZE}};
}

/* The file that is there may be the same: its hash is offered. */
static int offer_whole(struct rmt_sink *sink, size_t i)
{
	struct rmt_hash hash;
	int fd = rmt_open_at(directory_now(sink), name_of(sink, &sink->items.items[i]), O_RDONLY,
			     0);
	int64_t size;

	if (fd < 0)
		return 0; /* then it is written anew */
	size = hash_of(sink, fd, &hash);
	rmt_descriptor_close(fd);
	if (size >= 0)
		answer_with(sink, i, RMT_FILE_WHOLE, &hash, size);
	return size == -ECANCELED ? -ECANCELED : 0;
}

/* What is left of an earlier transfer is offered, and stays open. */
static int offer_partial(struct rmt_sink *sink, size_t i)
{
	int64_t size;
	int r = rmt_store_begin(&sink->store, directory_now(sink),
				name_of(sink, &sink->items.items[i]), 0600, true);

	if (r < 0)
		return r;
	sink->open = true;
	size = hash_of(sink, sink->store.fd, &sink->hash);
	sink->position = size > 0 ? (uint64_t)size : 0;
	if (size > 0)
		answer_with(sink, i, RMT_FILE_PART, &sink->hash, size);
	return size < 0 ? (int)size : 0;
}

static int decide(struct rmt_sink *sink, size_t i)
{
	const rmt_file_item *item = &sink->items.items[i];
	const char *name = name_of(sink, item);
	ramet_file_status status;
	struct stat stat;
	bool same_size;

	if (item->type == RAMET_FILE_LINK)
		return put_link(sink, item);
	if (item->type != RAMET_FILE_REGULAR)
		return -EPROTO;
	if (fstatat(directory_now(sink), name, &stat, AT_SYMLINK_NOFOLLOW) < 0)
		stat = (struct stat){0};
	if (S_ISDIR(stat.st_mode))
		return -EISDIR;
	rmt_status_fill(&status, &stat, &sink->owners, NULL);
	same_size = S_ISREG(stat.st_mode) && status.size == item->size;
	if (same_size && (sink->flags & RAMET_FILE_SKIP_SAME) && status.mtime == item->mtime) {
		sink->answers[i].have = RMT_FILE_ALL;
		sink->taken.skipped++;
	} else if (same_size && (sink->flags & RAMET_FILE_SKIP_HASH)) {
		return offer_whole(sink, i);
	} else if (sink->flags & RAMET_FILE_RESUME) {
		return offer_partial(sink, i);
	}
	return 0;
}

static void forget_items(struct rmt_sink *sink)
{
	rmt_file_items_clear(&sink->items);
	free(sink->answers);
	sink->answers = NULL;
	sink->next = 0;
}

/* Behind links, and what has no body. */
static void step(struct rmt_sink *sink)
{
	bool asked = sink->flags & RMT_FILE_ASKS;

	while (sink->next < sink->items.count &&
	       (sink->items.items[sink->next].type != RAMET_FILE_REGULAR ||
		(asked && sink->answers[sink->next].have == RMT_FILE_ALL)))
		sink->next++;
}

static int announced(struct rmt_sink *sink, rmt_file_record *record)
{
	int r = 0;

	if (record->items.count == 0 || record->items.count > RMT_FILE_BATCH ||
	    (sink->depth == 0 && (sink->began || record->items.count != 1)))
		return -EPROTO;
	if ((sink->flags & RAMET_FILE_RESUME) && record->items.count != 1)
		return -EPROTO;
	forget_items(sink);
	sink->began = true;
	sink->items = record->items;
	record->items = (rmt_file_items){NULL, 0};
	sink->answers = calloc(sink->items.count, sizeof(*sink->answers));
	if (!sink->answers)
		return -ENOMEM;
	for (size_t i = 0; i < sink->items.count && r == 0; i++) {
		if (sink->depth > 0 && !is_name(sink->items.items[i].name))
			return -EPROTO;
		r = failed_at(sink, decide(sink, i), name_of(sink, &sink->items.items[i]));
	}
	step(sink);
	return r < 0 ? r : 1;
}

/* --- bodies --------------------------------------------------------------------------------- */

static int begin_body(struct rmt_sink *sink, uint64_t from)
{
	const rmt_file_item *item = &sink->items.items[sink->next];
	int r = 0;

	/* Nobody was asked, and it is here. */
	sink->ignored = sink->answers[sink->next].have == RMT_FILE_ALL;
	if (from > 0 && (!sink->open || sink->position != from))
		return -EPROTO;
	if (!sink->open && !sink->ignored)
		r = rmt_store_begin(&sink->store, directory_now(sink), name_of(sink, item), 0600,
				    sink->flags & RAMET_FILE_RESUME);
	if (r < 0)
		return failed_at(sink, r, name_of(sink, item));
	if (from == 0) {
		rmt_hash_init(&sink->hash);
		sink->position = 0;
		if (!sink->ignored && (sink->flags & RAMET_FILE_RESUME) &&
		    (ftruncate(sink->store.fd, 0) < 0 || lseek(sink->store.fd, 0, SEEK_SET) < 0))
			r = -errno;
	}
	sink->open = true;
	return r;
}

static const char *name_now(const struct rmt_sink *sink)
{
	return name_of(sink, &sink->items.items[sink->next]);
}

/* The disk begins with what is there, so that fsync(2) in the end need not wait for all of it. */
static void write_back(struct rmt_sink *sink, size_t size)
{
	uint64_t end = sink->position & ~(uint64_t)(WRITE_BACK - 1);

	if (!(sink->flags & RAMET_FILE_NO_SYNC) && end > 0 && sink->position - size < end)
		sync_file_range(sink->store.fd, (off_t)(end - WRITE_BACK), WRITE_BACK,
				SYNC_FILE_RANGE_WRITE);
}

int rmt_sink_bytes(struct rmt_sink *sink, const void *data, size_t size)
{
	int r = 0;

	if (!sink->open || sink->next >= sink->items.count)
		return -EPROTO;
	rmt_hash_update(&sink->hash, data, size);
	sink->position += size;
	if (!sink->ignored) {
		r = rmt_write_all_to(sink->store.fd, data, size);
		sink->taken.bytes += size;
		write_back(sink, size);
	}
	return failed_at(sink, r, name_now(sink));
}

static int hole(struct rmt_sink *sink, uint64_t size)
{
	if (!sink->open || size > INT64_MAX - sink->position)
		return -EPROTO;
	rmt_hash_zeros(&sink->hash, size);
	sink->position += size;
	if (!sink->ignored && lseek(sink->store.fd, (off_t)sink->position, SEEK_SET) < 0)
		return failed_at(sink, -errno, name_now(sink));
	return 0;
}

static int publish(struct rmt_sink *sink)
{
	const rmt_file_item *item = &sink->items.items[sink->next];
	int r = 0;

	/* It may end with a hole. */
	if (ftruncate(sink->store.fd, (off_t)sink->position) < 0)
		r = -errno;
	if (r == 0)
		r = preserve(sink, sink->store.fd, item);
	if (r == 0)
		r = rmt_store_publish(&sink->store, false, !(sink->flags & RAMET_FILE_NO_SYNC));
	if (r == 0)
		sink->taken.files++;
	return r;
}

static int end_body(struct rmt_sink *sink, const rmt_file_record *record)
{
	unsigned char digest[RMT_HASH_SIZE];
	char theirs[RMT_HASH_TEXT_SIZE];
	int r = 0;

	if (!sink->open || sink->next >= sink->items.count || record->hash.size != RMT_HASH_SIZE)
		return -EPROTO;
	rmt_hash_digest(&sink->hash, digest);
	rmt_hash_text(digest, sink->hash_text);
	if (sink->position != record->number || memcmp(digest, record->hash.data, sizeof(digest))) {
		rmt_hash_text(record->hash.data, theirs);
		sink->more = rmt_format_new("%llu bytes with hash %s were sent, %llu with %s came",
					    (unsigned long long)record->number, theirs,
					    (unsigned long long)sink->position, sink->hash_text);
		/* Nothing of it is worth to go on with. */
		if (!sink->ignored)
			rmt_store_done(&sink->store, false);
		sink->open = false;
		return failed_at(sink, -EBADMSG, name_now(sink));
	}
	if (!sink->ignored)
		r = failed_at(sink, publish(sink), name_now(sink));
	if (r < 0)
		return r;
	if (!sink->ignored)
		rmt_store_done(&sink->store, false);
	sink->open = false;
	sink->next++;
	step(sink);
	return 0;
}

/* There is no body. */
static int no_body(struct rmt_sink *sink, bool same)
{
	/* Only a file that has the name can be the same: a part of one would have to get it. And only one of a
	 * tree may vanish. */
	if (sink->next >= sink->items.count ||
	    (same ? sink->answers[sink->next].have != RMT_FILE_WHOLE : sink->depth == 0))
		return -EPROTO;
	if (sink->open)
		rmt_store_done(&sink->store, sink->flags & RAMET_FILE_RESUME);
	if (same)
		rmt_hash_text(sink->digests[sink->next], sink->hash_text);
	sink->open = false;
	sink->taken.skipped += same;
	sink->next++;
	step(sink);
	return 0;
}

static int body_record(struct rmt_sink *sink, const rmt_file_record *record)
{
	bool between = sink->next < sink->items.count && !sink->open;

	switch (record->op) {
	case RMT_FILE_BODY:
		/* With a part of it, it is open before. */
		if (sink->next >= sink->items.count ||
		    (sink->open && !(sink->flags & RAMET_FILE_RESUME)))
			return -EPROTO;
		return begin_body(sink, record->number);
	case RMT_FILE_SAME:
		return no_body(sink, true);
	case RMT_FILE_VANISHED:
		return no_body(sink, false);
	case RMT_FILE_HOLE:
		return between ? -EPROTO : hole(sink, record->number);
	default:
		return end_body(sink, record);
	}
}

int rmt_sink_record(struct rmt_sink *sink, rmt_file_record *record)
{
	bool bodies_left = sink->next < sink->items.count;

	if (sink->done)
		return -EPROTO;
	switch (record->op) {
	case RMT_FILE_BODY:
	case RMT_FILE_SAME:
	case RMT_FILE_VANISHED:
	case RMT_FILE_HOLE:
	case RMT_FILE_END:
		return body_record(sink, record);
	case RMT_FILE_ANNOUNCE:
		return bodies_left ? -EPROTO : announced(sink, record);
	case RMT_FILE_ENTER:
		return bodies_left ? -EPROTO : enter(sink, record);
	case RMT_FILE_LEAVE:
		return bodies_left ? -EPROTO : leave(sink);
	case RMT_FILE_DONE:
		sink->done = true;
		return bodies_left || sink->depth > 0 || !sink->began ? -EPROTO : 0;
	case RMT_FILE_FAILED:
		sink->more = strdup(record->text ? record->text : "");
		return -ECONNABORTED;
	default:
		return -EPROTO;
	}
}

/* --- beginning and end ---------------------------------------------------------------------- */

int rmt_sink_init(struct rmt_sink *sink, ramet_call *call, const char *path, uint64_t flags)
{
	int r;

	*sink = (struct rmt_sink){.call = call, .path = path, .flags = flags};
	sink->spot.directory = sink->place.root = -1;
	r = rmt_place_init(&sink->place, call);
	if (r == 0)
		r = sink->place.read_only ? -EROFS
					  : rmt_place_spot(&sink->place, path, &sink->spot);
	return r;
}

void rmt_sink_done(struct rmt_sink *sink)
{
	if (sink->open && !sink->ignored)
		rmt_store_done(&sink->store, sink->flags & RAMET_FILE_RESUME);
	sink->open = false;
	while (sink->depth > 0) {
		rmt_descriptor_close(sink->levels[--sink->depth].fd);
		rmt_file_item_clear(&sink->levels[sink->depth].item);
	}
	free(sink->levels);
	forget_items(sink);
	rmt_spot_done(&sink->spot);
	rmt_place_done(&sink->place);
	free(sink->at);
	free(sink->more);
}
