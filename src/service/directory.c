/* SPDX-License-Identifier: BSD-3-Clause */
#include "service/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "service/place.h"

/* Of getdents64(2). */
struct entry {
	uint64_t inode;
	int64_t next;
	uint16_t size;
	uint8_t type;
	char name[];
};

struct rmt_directory *rmt_directory_new(int fd)
{
	struct rmt_directory *directory = malloc(sizeof(*directory));

	if (!directory) {
		rmt_descriptor_close(fd);
		return NULL;
	}
	directory->fd = fd;
	directory->at = directory->size = 0;
	return directory;
}

void rmt_directory_free(struct rmt_directory *directory)
{
	if (!directory)
		return;
	rmt_descriptor_close(directory->fd);
	free(directory);
}

int rmt_directory_next(struct rmt_directory *directory, const char **ret_name)
{
	for (;;) {
		const struct entry *entry;

		if (directory->fd < 0)
			return directory->fd;
		if (directory->at == directory->size) {
			long n = syscall(SYS_getdents64, directory->fd, directory->buffer,
					 sizeof(directory->buffer));

			if (n < 0)
				return -errno;
			directory->at = 0;
			directory->size = (size_t)n;
			if (n == 0) {
				*ret_name = NULL;
				return 0;
			}
		}
		entry = (const struct entry *)(directory->buffer + directory->at);
		directory->at += entry->size;
		if (strcmp(entry->name, ".") == 0 || strcmp(entry->name, "..") == 0)
			continue;
		*ret_name = entry->name;
		return 0;
	}
}

/* --- owners --------------------------------------------------------------------------------- */

/* Room for one line of passwd(5) or group(5); a group's may be long. */
#define LINE_MAX_SIZE 65536

static void copy_name(char *to, size_t size, const char *name)
{
	/* A name that does not fit is none. */
	if (name && strlen(name) < size)
		strcpy(to, name);
	else
		*to = '\0';
}

const char *rmt_owner_user(struct rmt_owners *owners, uid_t uid)
{
	if (!owners->user_known || owners->uid != uid) {
		char *line = malloc(LINE_MAX_SIZE);
		struct passwd entry, *found = NULL;

		if (line)
			getpwuid_r(uid, &entry, line, LINE_MAX_SIZE, &found);
		copy_name(owners->user, sizeof(owners->user), found ? found->pw_name : NULL);
		free(line);
		owners->uid = uid;
		owners->user_known = true;
	}
	return *owners->user ? owners->user : NULL;
}

const char *rmt_owner_group(struct rmt_owners *owners, gid_t gid)
{
	if (!owners->group_known || owners->gid != gid) {
		char *line = malloc(LINE_MAX_SIZE);
		struct group entry, *found = NULL;

		if (line)
			getgrgid_r(gid, &entry, line, LINE_MAX_SIZE, &found);
		copy_name(owners->group, sizeof(owners->group), found ? found->gr_name : NULL);
		free(line);
		owners->gid = gid;
		owners->group_known = true;
	}
	return *owners->group ? owners->group : NULL;
}

uid_t rmt_owner_uid(const char *user, uid_t otherwise)
{
	char *line = user ? malloc(LINE_MAX_SIZE) : NULL;
	struct passwd entry, *found = NULL;
	uid_t uid = otherwise;

	if (line && getpwnam_r(user, &entry, line, LINE_MAX_SIZE, &found) == 0 && found)
		uid = found->pw_uid;
	free(line);
	return uid;
}

gid_t rmt_owner_gid(const char *group, gid_t otherwise)
{
	char *line = group ? malloc(LINE_MAX_SIZE) : NULL;
	struct group entry, *found = NULL;
	gid_t gid = otherwise;

	if (line && getgrnam_r(group, &entry, line, LINE_MAX_SIZE, &found) == 0 && found)
		gid = found->gr_gid;
	free(line);
	return gid;
}

/* --- status --------------------------------------------------------------------------------- */

static int32_t type_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return RAMET_FILE_DIRECTORY;
	case S_IFLNK:
		return RAMET_FILE_LINK;
	case S_IFIFO:
		return RAMET_FILE_FIFO;
	case S_IFSOCK:
		return RAMET_FILE_SOCKET;
	case S_IFCHR:
		return RAMET_FILE_CHARACTER;
	case S_IFBLK:
		return RAMET_FILE_BLOCK;
	default:
		return RAMET_FILE_REGULAR;
	}
}

void rmt_status_fill(ramet_file_status *status, const struct stat *stat, struct rmt_owners *owners,
		     const char *link)
{
	*status = (ramet_file_status){
		.type = type_of(stat->st_mode),
		.mode = (int32_t)(stat->st_mode & 07777),
		.size = (uint64_t)stat->st_size,
		.allocated = (uint64_t)stat->st_blocks * 512, /* stat(2): the unit, always */
		.mtime = (int64_t)stat->st_mtim.tv_sec * 1000000000 + stat->st_mtim.tv_nsec,
		.uid = stat->st_uid,
		.gid = stat->st_gid,
		.user = rmt_owner_user(owners, stat->st_uid),
		.group = rmt_owner_group(owners, stat->st_gid),
		.link = link,
		.device = stat->st_dev,
		.inode = stat->st_ino,
	};
}

int rmt_read_link(int directory, const char *name, char **ret_link)
{
	char *link = malloc(PATH_MAX + 1);
	ssize_t n = link ? readlinkat(directory, name, link, PATH_MAX) : -1;

	if (n < 0) {
		int r = link ? -errno : -ENOMEM;

		free(link);
		return r;
	}
	link[n] = '\0';
	*ret_link = link;
	return 0;
}

/* --- removing ------------------------------------------------------------------------------- */

static int remove_one(int fd, const char *name, unsigned depth, bool (*stop)(void *data),
		      void *data)
{
	int inner, r;

	if (unlinkat(fd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	/* POSIX has EPERM for directories; then this says what was meant. */
	r = -errno;
	inner = rmt_open_at(fd, name, O_RDONLY | O_DIRECTORY, 0);
	if (inner < 0)
		return inner == -ENOENT ? 0 : r == -EPERM && inner == -ENOTDIR ? r : inner;
	r = rmt_directory_clear(inner, depth + 1, stop, data);
	rmt_descriptor_close(inner);
	if (r == 0 && unlinkat(fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		r = -errno;
	return r;
}

int rmt_directory_clear(int fd, unsigned depth, bool (*stop)(void *data), void *data)
{
	struct rmt_directory *directory;
	const char *name;
	int r = 0;

	if (depth >= RMT_DIRECTORY_DEPTH_MAX)
		return -ELOOP;
	/* What is removed while a directory is read may hide other entries: once more, until
	 * nothing is found. */
	for (bool found = true; found && r == 0;) {
		directory = rmt_directory_new(rmt_open_at(fd, ".", O_RDONLY | O_DIRECTORY, 0));
		if (!directory)
			return -ENOMEM;
		found = false;
		while (r == 0 && (r = rmt_directory_next(directory, &name)) == 0 && name) {
			found = true;
			r = stop(data) ? -ECANCELED : remove_one(fd, name, depth, stop, data);
		}
		rmt_directory_free(directory);
	}
	return r;
}
