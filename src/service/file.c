/* SPDX-License-Identifier: BSD-3-Clause */
#include "service/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "core/call.h"
#include "core/execute.h"
#include "core/receiver.h"
#include "core/router.h"
#include "core/value.h"
#include "service/directory.h"
#include "service/hash.h"
#include "service/place.h"
#include "service/store.h"

int rmt_file_fail(ramet_call *call, int r, const char *path)
{
	if (r == -EXDEV)
		ramet_fail(call, EXDEV, "%s: leads out of the directory to which files are limited",
			   path);
	else if (r < 0)
		ramet_fail(call, -r, "%s: %s", path, rmt_strerror(r));
	return r;
}

int64_t rmt_read_all(int fd, void *data, size_t size)
{
	size_t got = 0;

	while (got < size) {
		ssize_t n = read(fd, (char *)data + got, size - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return (int64_t)got;
}

int rmt_write_all_to(int fd, const void *data, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = write(fd, (const char *)data + done, size - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return 0;
}

static bool unknown_flags(ramet_call *call, uint64_t flags, uint64_t known)
{
	if (flags & ~known)
		ramet_fail(call, EINVAL, "flags %#llx are not for this",
			   (unsigned long long)(flags & ~known));
	return flags & ~known;
}

static bool begin(ramet_call *call, struct rmt_place *place, const char *path)
{
	int r = path ? rmt_place_init(place, call) : -EINVAL;

	return rmt_file_fail(call, r, path ? path : "no path") == 0;
}

/* --- reading and writing -------------------------------------------------------------------- */

/* Opens what has to be a regular file: a FIFO would block, a device never end. */
static int open_regular(const struct rmt_place *place, const char *path, struct stat *stat)
{
	int fd = rmt_place_open(place, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0), r = 0;

	if (fd < 0)
		return fd;
	if (fstat(fd, stat) < 0)
		r = -errno;
	else if (S_ISDIR(stat->st_mode))
		r = -EISDIR;
	else if (!S_ISREG(stat->st_mode))
		r = -EINVAL;
	if (r < 0)
		rmt_descriptor_close(fd);
	return r < 0 ? r : fd;
}

static int read_part(ramet_call *call, int fd, uint64_t offset, uint64_t size, uint64_t available,
		     ramet_bytes *ret_bytes)
{
	/* Heads of the CBOR around it. */
	uint64_t most = call->router->message_size_max - 64;
	int64_t got = 0;
	void *data;

	if (size == 0 || size > available)
		size = available;
	/* Files of proc(5) say that they are empty. */
	if (available == 0)
		size = RMT_FILE_PIECE;
	if (size > most)
		return -EFBIG;
	data = ramet_call_alloc(call, (size_t)size);
	if (!data)
		return -ENOMEM;
	if (lseek(fd, (off_t)offset, SEEK_SET) < 0)
		return -errno;
	got = rmt_read_all(fd, data, (size_t)size);
	if (got >= 0)
		*ret_bytes = (ramet_bytes){data, (size_t)got};
	return got < 0 ? (int)got : 0;
}

RAMET_DEFINE_CONCURRENT(bytes, rmt_file_read, (str, path), (u64, offset), (u64, size))
{
	ramet_bytes bytes = {NULL, 0};
	struct rmt_place place;
	struct stat stat;
	int fd, r;

	if (!begin(call, &place, path))
		return bytes;
	r = fd = open_regular(&place, path, &stat);
	if (r >= 0 && (uint64_t)stat.st_size >= offset)
		r = read_part(call, fd, offset, size, (uint64_t)stat.st_size - offset, &bytes);
	rmt_descriptor_close(fd);
	if (r == -EFBIG)
		ramet_fail(call, EFBIG, "%s: is larger than a message of %u bytes", path,
			   call->router->message_size_max);
	else
		rmt_file_fail(call, r < 0 ? r : 0, path);
	rmt_place_done(&place);
	return bytes;
}

static int append(const struct rmt_place *place, const char *path, ramet_bytes content, int mode,
		  uint64_t flags)
{
	int how = O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY;
	int fd = rmt_place_open(place, path, how | (flags & RAMET_FILE_NEW ? O_EXCL : 0),
				mode < 0 ? 0666 : (mode_t)mode);
	int r;

	if (fd < 0)
		return fd;
	r = rmt_write_all_to(fd, content.data, content.size);
	if (r == 0 && !(flags & RAMET_FILE_NO_SYNC) && fdatasync(fd) < 0 && errno != EINVAL)
		r = -errno;
	rmt_descriptor_close(fd);
	return r;
}

static int replace(const struct rmt_place *place, const char *path, ramet_bytes content, int mode,
		   uint64_t flags)
{
	struct rmt_store store;
	struct rmt_spot spot;
	struct stat before;
	int r;

	if (place->read_only)
		return -EROFS;
	r = rmt_place_spot(place, path, &spot);
	if (r < 0)
		return r;
	if (mode < 0 && fstatat(spot.directory, spot.name, &before, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISREG(before.st_mode))
		mode = (int)(before.st_mode & 07777);
	/* The umask can be asked for only by setting it, which other threads would feel; so the
	 * system applies it. */
	r = rmt_store_begin(&store, spot.directory, spot.name, mode < 0 ? 0666 : 0600, false);
	if (r == 0) {
		r = rmt_write_all_to(store.fd, content.data, content.size);
		if (r == 0 && mode >= 0 && fchmod(store.fd, (mode_t)mode & 07777) < 0)
			r = -errno;
		if (r == 0)
			r = rmt_store_publish(&store, (flags & RAMET_FILE_NEW) != 0,
					      !(flags & RAMET_FILE_NO_SYNC));
		rmt_store_done(&store, false);
	}
	rmt_spot_done(&spot);
	return r;
}

RAMET_DEFINE_CONCURRENT(none, rmt_file_write, (str, path), (bytes, content), (i32, mode),
			(u64, flags))
{
	struct rmt_place place;
	int r;

	if (unknown_flags(call, flags, RAMET_FILE_APPEND | RAMET_FILE_NEW | RAMET_FILE_NO_SYNC) ||
	    !begin(call, &place, path))
		return;
	r = flags & RAMET_FILE_APPEND ? append(&place, path, content, mode, flags)
				      : replace(&place, path, content, mode, flags);
	rmt_file_fail(call, r, path);
	rmt_place_done(&place);
}

/* --- looking -------------------------------------------------------------------------------- */

static const char *keep(ramet_call *call, const char *text)
{
	size_t size = text ? strlen(text) + 1 : 0;
	char *copy = text ? ramet_call_alloc(call, size) : NULL;

	return copy ? memcpy(copy, text, size) : NULL;
}

RAMET_DEFINE_CONCURRENT(ramet_file_status, rmt_file_stat, (str, path), (u64, flags))
{
	ramet_file_status status = {0};
	struct rmt_owners owners = {0};
	struct rmt_place place;
	struct stat stat;
	char *link = NULL;
	int fd, r = 0;

	if (unknown_flags(call, flags, RAMET_FILE_FOLLOW) || !begin(call, &place, path))
		return status;
	fd = rmt_place_open(&place, path, O_PATH | (flags & RAMET_FILE_FOLLOW ? 0 : O_NOFOLLOW), 0);
	if (fd < 0)
		r = fd;
	else if (fstatat(fd, "", &stat, AT_EMPTY_PATH) < 0)
		r = -errno;
	else if (S_ISLNK(stat.st_mode))
		r = rmt_read_link(fd, "", &link);
	if (rmt_file_fail(call, r, path) == 0) {
		rmt_status_fill(&status, &stat, &owners, keep(call, link));
		status.user = keep(call, status.user);
		status.group = keep(call, status.group);
	}
	free(link);
	rmt_descriptor_close(fd);
	rmt_place_done(&place);
	return status;
}

/* Entries in one message. */
#define ENTRIES 100

/* What a listing gathers until it is sent. */
struct listing {
	ramet_call *call;
	ramet_sender *out;
	struct rmt_directory *directory;
	struct rmt_owners owners;
	size_t count;
	struct rmt_file_entry entries[ENTRIES];
};

static int send_entries(struct listing *listing)
{
	struct rmt_file_entries entries = {listing->entries, listing->count};
	struct rmt_buffer out = RMT_BUFFER_INIT;
	int r;

	rmt_type_encode(ramet_type_rmt_file_entries, &entries, &out, &rmt_call_hooks, NULL);
	do {
		ramet_sender_set_timeout(listing->out, 1000);
		r = rmt_sender_send_item(listing->out, &out);
	} while (r == -ETIMEDOUT && !ramet_call_cancelled(listing->call));
	rmt_buffer_done(&out);
	for (size_t i = 0; i < listing->count; i++)
		rmt_file_entry_clear(&listing->entries[i]);
	listing->count = 0;
	return r;
}

static char *copied(const char *text)
{
	return text ? strdup(text) : NULL;
}

static int list_one(struct listing *listing, const char *name)
{
	struct rmt_file_entry *entry = &listing->entries[listing->count];
	struct stat stat;
	char *link = NULL;

	if (fstatat(listing->directory->fd, name, &stat, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno; /* gone meanwhile */
	if (S_ISLNK(stat.st_mode) && rmt_read_link(listing->directory->fd, name, &link) < 0)
		return 0;
	rmt_status_fill(&entry->status, &stat, &listing->owners, link);
	entry->status.user = copied(entry->status.user);
	entry->status.group = copied(entry->status.group);
	entry->name = strdup(name);
	if (!entry->name) {
		rmt_file_entry_clear(entry);
		return -ENOMEM;
	}
	return ++listing->count == ENTRIES ? send_entries(listing) : 0;
}

RAMET_DEFINE_CONCURRENT(none, rmt_file_list, (str, path), (sender, out))
{
	struct listing *listing;
	struct rmt_place place;
	const char *name;
	int r, fd;

	if (!begin(call, &place, path))
		return;
	listing = calloc(1, sizeof(*listing));
	fd = listing ? rmt_place_open(&place, path, O_RDONLY | O_DIRECTORY, 0) : -ENOMEM;
	if (fd >= 0) {
		*listing = (struct listing){.call = call, .out = out};
		listing->directory = rmt_directory_new(fd);
		r = listing->directory ? 0 : -ENOMEM;
		while (r == 0 && (r = rmt_directory_next(listing->directory, &name)) == 0 && name)
			r = ramet_call_cancelled(call) ? -ECANCELED : list_one(listing, name);
		if (r == 0 && listing->count > 0)
			r = send_entries(listing);
		/* Who has seen enough closes. */
		rmt_file_fail(call, r == -EPIPE ? 0 : r, path);
		rmt_directory_free(listing->directory);
		for (size_t i = 0; i < listing->count; i++)
			rmt_file_entry_clear(&listing->entries[i]);
	} else {
		rmt_file_fail(call, fd, path);
	}
	free(listing);
	rmt_place_done(&place);
}

RAMET_DEFINE_CONCURRENT(str, rmt_file_hash, (str, path))
{
	unsigned char digest[RMT_HASH_SIZE];
	struct rmt_hash hash;
	struct rmt_place place;
	struct stat stat;
	char *text = NULL;
	void *data;
	int64_t n = 0;
	int fd;

	if (!begin(call, &place, path))
		return NULL;
	rmt_hash_init(&hash);
	data = malloc(RMT_FILE_PIECE);
	fd = data ? open_regular(&place, path, &stat) : -ENOMEM;
	while (fd >= 0 && (n = rmt_read_all(fd, data, RMT_FILE_PIECE)) > 0) {
		rmt_hash_update(&hash, data, (size_t)n);
		if (ramet_call_cancelled(call))
			n = -ECANCELED;
		if (n < 0)
			break;
	}
	rmt_file_fail(call, fd < 0 ? fd : n < 0 ? (int)n : 0, path);
	rmt_descriptor_close(fd);
	free(data);
	rmt_place_done(&place);
	rmt_hash_digest(&hash, digest);
	text = ramet_call_alloc(call, RMT_HASH_TEXT_SIZE);
	if (text)
		rmt_hash_text(digest, text);
	else
		ramet_fail(call, ENOMEM, "out of memory");
	return text;
}

/* --- removing and making -------------------------------------------------------------------- */

static bool is_cancelled(void *data)
{
	return ramet_call_cancelled(data);
}

static int remove_spot(ramet_call *call, const struct rmt_spot *spot, bool tree)
{
	int fd, r;

	if (unlinkat(spot->directory, spot->name, 0) == 0)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	if (unlinkat(spot->directory, spot->name, AT_REMOVEDIR) == 0)
		return 0;
	if (!tree || (errno != ENOTEMPTY && errno != EEXIST))
		return -errno;
	fd = rmt_open_at(spot->directory, spot->name, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return fd;
	r = rmt_directory_clear(fd, 0, is_cancelled, call);
	rmt_descriptor_close(fd);
	if (r == 0 && unlinkat(spot->directory, spot->name, AT_REMOVEDIR) < 0)
		r = -errno;
	return r;
}

RAMET_DEFINE_CONCURRENT(none, rmt_file_remove, (str, path), (u64, flags))
{
	struct rmt_place place;
	struct rmt_spot spot;
	int r;

	if (unknown_flags(call, flags, RAMET_FILE_TREE | RAMET_FILE_LENIENT) ||
	    !begin(call, &place, path))
		return;
	r = place.read_only ? -EROFS : rmt_place_spot(&place, path, &spot);
	if (r == 0) {
		r = remove_spot(call, &spot, flags & RAMET_FILE_TREE);
		rmt_spot_done(&spot);
	}
	if (r == -ENOENT && (flags & RAMET_FILE_LENIENT))
		r = 0;
	rmt_file_fail(call, r, path);
	rmt_place_done(&place);
}

static int make_one(const struct rmt_place *place, const char *path, mode_t mode)
{
	struct rmt_spot spot;
	int r = rmt_place_spot(place, path, &spot);

	if (r < 0)
		return r;
	if (mkdirat(spot.directory, spot.name, mode) < 0)
		r = -errno;
	rmt_spot_done(&spot);
	return r;
}

/* Those above that are missing, from the top. What cannot be made is noticed when the last one is. */
static int make_parents(const struct rmt_place *place, const char *path)
{
	char *copy = strdup(path);
	int r = copy ? 0 : -ENOMEM;

	for (char *slash = copy; r == 0 && slash && (slash = strchr(slash + 1, '/'));) {
		if (slash[strspn(slash, "/")] == '\0')
			break;
		*slash = '\0';
		r = make_one(place, copy, 0777);
		/* -EINVAL: "." and "..", which are there. */
		if (r == -EEXIST || r == -EINVAL)
			r = 0;
		*slash = '/';
	}
	free(copy);
	return r;
}

RAMET_DEFINE_CONCURRENT(none, rmt_file_make_directory, (str, path), (i32, mode), (u64, flags))
{
	struct rmt_place place;
	int r, fd;

	if (unknown_flags(call, flags, RAMET_FILE_PARENTS | RAMET_FILE_LENIENT) ||
	    !begin(call, &place, path))
		return;
	r = place.read_only ? -EROFS : 0;
	if (r == 0 && (flags & RAMET_FILE_PARENTS))
		r = make_parents(&place, path);
	if (r == 0)
		r = make_one(&place, path, (mode_t)mode & 07777);
	if ((r == -EEXIST || r == -EINVAL) && (flags & RAMET_FILE_LENIENT)) {
		fd = rmt_place_open(&place, path, O_PATH | O_DIRECTORY, 0);
		r = fd < 0 ? fd : 0;
		rmt_descriptor_close(fd);
	}
	rmt_file_fail(call, r, path);
	rmt_place_done(&place);
}
