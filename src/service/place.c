/* SPDX-License-Identifier: BSD-3-Clause */
#include "service/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "core/execute.h"
#include "core/router.h"

/* openat2(2), of linux/openat2.h, which not every libc brings. */
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#define NO_MAGICLINKS 0x02
#define BENEATH 0x08

/* O_TMPFILE without O_DIRECTORY, which is a part of it. */
#define TEMPORARY (O_TMPFILE & ~O_DIRECTORY)

struct how {
	uint64_t flags, mode, resolve;
};

/* A rename anywhere in the system makes ".." unsafe for a moment (EAGAIN). */
#define TRIES 64

/* Components of a path that is walked one by one. */
#define COMPONENTS_MAX 256

int rmt_open_at(int directory, const char *name, int flags, mode_t mode)
{
	int fd = openat(directory, name, flags | O_CLOEXEC | O_NOFOLLOW, mode);

	return fd < 0 ? -errno : rmt_descriptor_own(fd);
}

/* --- beneath a directory -------------------------------------------------------------------- */

static int open_beneath(int root, const char *path, int flags, mode_t mode)
{
	struct how how = {
		.flags = (unsigned)flags | O_CLOEXEC,
		.mode = flags & (O_CREAT | TEMPORARY) ? mode : 0,
		.resolve = BENEATH | NO_MAGICLINKS,
	};
	long fd = -1;

	for (unsigned i = 0; i < TRIES; i++) {
		fd = syscall(SYS_openat2, root, path, &how, sizeof(how));
		if (fd >= 0 || errno != EAGAIN)
			break;
	}
	return fd < 0 ? -errno : rmt_descriptor_own((int)fd);
}

/* The components of path, which is written to, with ".." taken out. Returns how many. No link is
 * followed on the walk, so that this is what the system would do. */
static int split(char *path, char **parts)
{
	char *rest = path, *part;
	int count = 0;

	while ((part = strtok_r(rest, "/", &rest))) {
		if (strcmp(part, ".") == 0)
			continue;
		if (strcmp(part, "..") != 0) {
			if (count == COMPONENTS_MAX)
				return -ENAMETOOLONG;
			parts[count++] = part;
		} else if (count-- == 0) {
			return -EXDEV;
		}
	}
	return count;
}

static int walk_parts(int root, char *const *parts, int count, int flags, mode_t mode)
{
	int directory = rmt_open_at(root, ".", O_PATH | O_DIRECTORY, 0);

	for (int i = 0; i < count - 1 && directory >= 0; i++) {
		int next = rmt_open_at(directory, parts[i], O_PATH | O_DIRECTORY, 0);

		rmt_descriptor_close(directory);
		directory = next;
	}
	if (directory >= 0) {
		int fd = rmt_open_at(directory, count > 0 ? parts[count - 1] : ".", flags, mode);

		rmt_descriptor_close(directory);
		directory = fd;
	}
	return directory;
}

static int walk_beneath(int root, const char *path, int flags, mode_t mode)
{
	char **parts = calloc(COMPONENTS_MAX, sizeof(*parts));
	char *copy = strdup(path);
	int r = parts && copy ? split(copy, parts) : -ENOMEM;

	if (r >= 0)
		r = walk_parts(root, parts, r, flags, mode);
	free(copy);
	free(parts);
	return r;
}

/* --- paths ---------------------------------------------------------------------------------- */

int rmt_place_open(const struct rmt_place *place, const char *path, int flags, mode_t mode)
{
	int fd;

	if (place->read_only && (flags & (O_WRONLY | O_RDWR | O_CREAT)))
		return -EROFS;
	if (place->root < 0) {
		fd = open(path, flags | O_CLOEXEC, mode);
		return fd < 0 ? -errno : rmt_descriptor_own(fd);
	}
	if (!*path)
		return -ENOENT;
	path += strspn(path, "/");
	if (place->walks)
		return walk_beneath(place->root, path, flags, mode);
	return open_beneath(place->root, *path ? path : ".", flags, mode);
}

int rmt_place_spot(const struct rmt_place *place, const char *path, struct rmt_spot *ret_spot)
{
	size_t end = strlen(path), begin, size;
	char *above;
	int fd;

	while (end > 0 && path[end - 1] == '/')
		end--;
	for (begin = end; begin > 0 && path[begin - 1] != '/';)
		begin--;
	size = end - begin;
	if (size == 0)
		return *path ? -EINVAL : -ENOENT;
	if (size > NAME_MAX)
		return -ENAMETOOLONG;
	if (path[begin] == '.' && (size == 1 || (size == 2 && path[begin + 1] == '.')))
		return -EINVAL;
	above = begin > 0 ? strndup(path, begin) : strdup(".");
	if (!above)
		return -ENOMEM;
	fd = rmt_place_open(place, above, O_PATH | O_DIRECTORY, 0);
	free(above);
	if (fd < 0)
		return fd;
	ret_spot->directory = fd;
	memcpy(ret_spot->name, path + begin, size);
	ret_spot->name[size] = '\0';
	return 0;
}

void rmt_spot_done(struct rmt_spot *spot)
{
	rmt_descriptor_close(spot->directory);
	spot->directory = -1;
}

void rmt_sync_directory(int directory)
{
	/* One that may be written to need not be readable. */
	int fd = rmt_open_at(directory, ".", O_RDONLY | O_DIRECTORY, 0);

	if (fd >= 0)
		fsync(fd);
	rmt_descriptor_close(fd);
}

/* --- limits --------------------------------------------------------------------------------- */

int rmt_place_init(struct rmt_place *place, ramet_call *call)
{
	ramet_router *router = call->router;
	int fd = -1;

	*place = (struct rmt_place){.root = -1};
	rmt_lock(router);
	if (router->file_limit.root >= 0 && call->message.frame.source != router->id) {
		/* A service may outlast its router. */
		fd = fcntl(router->file_limit.root, F_DUPFD_CLOEXEC, 0);
		if (fd < 0) {
			rmt_unlock(router);
			return -errno;
		}
		place->root = rmt_descriptor_own(fd);
		place->read_only = router->file_limit.read_only;
		place->walks = router->file_limit.walks;
	}
	rmt_unlock(router);
	return 0;
}

void rmt_place_done(struct rmt_place *place)
{
	rmt_descriptor_close(place->root);
	place->root = -1;
}

static bool can_openat2(int root)
{
	/* Filters of system calls make it fail in other ways than with ENOSYS. */
	int fd = open_beneath(root, ".", O_PATH | O_DIRECTORY, 0);

	rmt_descriptor_close(fd);
	return fd >= 0;
}

int rmt_place_limit(ramet_router *router, const char *directory, unsigned flags, ramet_error *error)
{
	int fd, r = 0;

	if (flags & ~(RAMET_FILE_READ_ONLY | RMT_PLACE_WALKS))
		return rmt_error_set(error, EINVAL, "unknown flags %#x", flags);
	fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return rmt_error_set(error, errno, "%s: %s", directory, rmt_strerror(errno));
	rmt_descriptor_own(fd);
	rmt_lock(router);
	if (router->file_limit.root >= 0) {
		r = -EALREADY;
	} else {
		router->file_limit.root = fd;
		router->file_limit.read_only = flags & RAMET_FILE_READ_ONLY;
		router->file_limit.walks = (flags & RMT_PLACE_WALKS) || !can_openat2(fd);
	}
	rmt_unlock(router);
	if (r < 0)
		rmt_descriptor_close(fd);
	return r < 0 ? rmt_error_set(error, r, "files are limited to a directory already") : 0;
}
