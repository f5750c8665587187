/* SPDX-License-Identifier: BSD-3-Clause */
#include "service/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/format.h"
#include "service/hash.h"
#include "service/place.h"

/* Names of 64 random bits that are taken already: somebody plays with us. */
#define TRIES 16

#define PARTIAL ".ramet-partial"

static int random_name(char name[NAME_MAX + 1])
{
	uint64_t number;

	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		return -EIO;
	rmt_format(name, NAME_MAX + 1, ".ramet-%016llx", (unsigned long long)number);
	return 0;
}

/* --- beginning ------------------------------------------------------------------------------ */

static int begin_unnamed(struct rmt_store *store, mode_t mode)
{
	return rmt_open_at(store->directory, ".", O_TMPFILE | O_RDWR, mode);
}

static int begin_named(struct rmt_store *store, mode_t mode)
{
	int fd = -EEXIST;

	for (unsigned i = 0; i < TRIES && fd == -EEXIST; i++) {
		int r = random_name(store->temporary);

		if (r < 0)
			return r;
		fd = rmt_open_at(store->directory, store->temporary, O_RDWR | O_CREAT | O_EXCL,
				 mode);
	}
	if (fd < 0)
		store->temporary[0] = '\0';
	return fd;
}

void rmt_store_partial_name(const char *name, char partial[NAME_MAX + 1])
{
	unsigned char digest[RMT_HASH_SIZE];
	char text[RMT_HASH_TEXT_SIZE];
	struct rmt_hash hash;

	if (strlen(name) + sizeof("." PARTIAL) - 1 <= NAME_MAX) {
		rmt_format(partial, NAME_MAX + 1, ".%s" PARTIAL, name);
		return;
	}
	rmt_hash_init(&hash);
	rmt_hash_update(&hash, name, strlen(name));
	rmt_hash_digest(&hash, digest);
	rmt_hash_text(digest, text);
	rmt_format(partial, NAME_MAX + 1, ".%s" PARTIAL, text);
}

/* The file that has the lock must still be the one that has the name. */
static bool is_named(const struct rmt_store *store, int fd)
{
	struct stat by_name, by_fd;

	return fstat(fd, &by_fd) == 0 &&
	       fstatat(store->directory, store->temporary, &by_name, AT_SYMLINK_NOFOLLOW) == 0 &&
	       by_name.st_ino == by_fd.st_ino && by_name.st_dev == by_fd.st_dev;
}

static int begin_partial(struct rmt_store *store)
{
	struct stat stat;
	int fd, r = 0;

	rmt_store_partial_name(store->name, store->temporary);
	fd = rmt_open_at(store->directory, store->temporary, O_RDWR | O_CREAT | O_NONBLOCK, 0600);
	if (fd < 0)
		r = fd;
	else if (fstat(fd, &stat) < 0)
		r = -errno;
	else if (!S_ISREG(stat.st_mode))
		r = -EINVAL;
	else if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		r = errno == EWOULDBLOCK ? -EBUSY : -errno;
	else if (!is_named(store, fd))
		r = -EBUSY;
	if (r < 0) {
		store->temporary[0] = '\0';
		rmt_descriptor_close(fd);
	}
	return r < 0 ? r : fd;
}

int rmt_store_begin(struct rmt_store *store, int directory, const char *name, mode_t mode,
		    bool partial)
{
	store->directory = directory;
	store->name = name;
	store->temporary[0] = '\0';
	if (partial) {
		store->fd = begin_partial(store);
	} else {
		store->fd = begin_unnamed(store, mode);
		/* Where it is not known, the flag is one for directories. */
		if (store->fd == -EOPNOTSUPP || store->fd == -EISDIR || store->fd == -ENOENT ||
		    store->fd == -EINVAL)
			store->fd = begin_named(store, mode);
	}
	return store->fd < 0 ? store->fd : 0;
}

/* --- publishing ----------------------------------------------------------------------------- */

static int link_as(const struct rmt_store *store, const char *name)
{
	char path[48];

	if (linkat(store->fd, "", store->directory, name, AT_EMPTY_PATH) == 0)
		return 0;
	if (errno == EEXIST)
		return -EEXIST;
	/* The other needs a privilege that this does not; see open(2). */
	rmt_format(path, sizeof(path), "/proc/self/fd/%d", store->fd);
	return linkat(AT_FDCWD, path, store->directory, name, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

static int link_temporary(struct rmt_store *store)
{
	int r = -EEXIST;

	for (unsigned i = 0; i < TRIES && r == -EEXIST; i++) {
		r = random_name(store->temporary);
		if (r == 0)
			r = link_as(store, store->temporary);
	}
	if (r < 0)
		store->temporary[0] = '\0';
	return r;
}

static int publish_new(struct rmt_store *store)
{
	if (!store->temporary[0])
		return link_as(store, store->name);
	if (linkat(store->directory, store->temporary, store->directory, store->name, 0) < 0)
		return -errno;
	unlinkat(store->directory, store->temporary, 0);
	store->temporary[0] = '\0';
	return 0;
}

static int publish_over(struct rmt_store *store)
{
	int r;

	if (!store->temporary[0]) {
		r = link_as(store, store->name);
		if (r != -EEXIST)
			return r;
		r = link_temporary(store);
		if (r < 0)
			return r;
	}
	if (renameat(store->directory, store->temporary, store->directory, store->name) < 0)
		return -errno;
	store->temporary[0] = '\0';
	return 0;
}

int rmt_store_publish(struct rmt_store *store, bool only_new, bool sync)
{
	int r;

	if (sync && fsync(store->fd) < 0 && errno != EINVAL)
		return -errno;
	r = only_new ? publish_new(store) : publish_over(store);
	if (r == 0 && sync)
		rmt_sync_directory(store->directory);
	return r;
}

void rmt_store_done(struct rmt_store *store, bool keep)
{
	if (store->temporary[0] && !keep)
		unlinkat(store->directory, store->temporary, 0);
	store->temporary[0] = '\0';
	rmt_descriptor_close(store->fd);
	store->fd = -1;
}

int rmt_store_link(int directory, const char *name, const char *target)
{
	char temporary[NAME_MAX + 1];
	int r = -EEXIST;

	if (symlinkat(target, directory, name) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	for (unsigned i = 0; i < TRIES && r == -EEXIST; i++) {
		r = random_name(temporary);
		if (r == 0 && symlinkat(target, directory, temporary) < 0)
			r = -errno;
	}
	if (r == 0 && renameat(directory, temporary, directory, name) < 0) {
		r = -errno;
		unlinkat(directory, temporary, 0);
	}
	return r;
}
