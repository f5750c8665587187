/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A file for each process, in a directory that is ours alone. Names that others can guess, in a
 * directory in which they may write, would let them have us write elsewhere, or read what we write.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/format.h"
#include "base/time.h"
#include "base/write.h"
#include "core/function.h"
#include "core/log.h"
#include "core/peer.h"
#include "core/stream.h"

/* 0 and a descriptor, or why not. */
static int open_directory(const char *path, const char **ret_why)
{
	struct stat status;
	int fd;

	if (*path != '/') {
		*ret_why = "its path is not absolute";
		return -EINVAL;
	}
	if (mkdir(path, 0700) < 0 && errno != EEXIST) {
		*ret_why = rmt_strerror(errno);
		return -errno;
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &status) < 0) {
		*ret_why = rmt_strerror(errno);
		if (fd >= 0)
			close(fd);
		return -EIO;
	}
	if (status.st_uid != geteuid())
		*ret_why = "it belongs to somebody else";
	else if (status.st_mode & (S_IWGRP | S_IWOTH))
		*ret_why = "others may write there";
	else
		return fd;
	close(fd);
	return -EPERM;
}

/* Who this is. */
static void write_head(ramet_router *router)
{
	char text[1024], file[512], command[512] = "";
	uint32_t parent = router->parent_count ? router->parents[router->parent_count - 1] : 0;
	ssize_t size = readlink("/proc/self/exe", file, sizeof(file) - 1), got = 0;
	int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	size_t used;

	file[size > 0 ? size : 0] = '\0';
	if (fd >= 0) {
		got = read(fd, command, sizeof(command) - 1);
		close(fd);
	}
	for (ssize_t i = 0; i < got - 1; i++)
		if (command[i] == '\0' || command[i] == '\n')
			command[i] = ' ';
	used = rmt_format(text, sizeof(text), "program: %s, ramet %s\npath: %s, context %u\n", file,
			  ramet_version(), router->path, router->id);
	rmt_write_all(router->logging.file, text, RMT_MIN(used, sizeof(text) - 1));
	if (router->is_child)
		used = rmt_format(text, sizeof(text), "parent: context %u, process %d\n", parent,
				  (int)getppid());
	else
		used = rmt_format(text, sizeof(text), "parent: none\n");
	rmt_write_all(router->logging.file, text, RMT_MIN(used, sizeof(text) - 1));
	used = rmt_format(text, sizeof(text), "command: %s\n", command);
	rmt_write_all(router->logging.file, text, RMT_MIN(used, sizeof(text) - 1));
}

int rmt_log_file_open(ramet_router *router, const char **ret_why)
{
	struct rmt_logging *logging = &router->logging;
	struct timespec now;
	char name[64];
	int directory, fd;

	if (!logging->directory)
		return 0;
	directory = open_directory(logging->directory, ret_why);
	if (directory < 0)
		return directory;
	clock_gettime(CLOCK_REALTIME, &now);
	rmt_format(name, sizeof(name), "ramet-%d-%lld%06ld.log", (int)getpid(),
		   (long long)now.tv_sec, now.tv_nsec / 1000);
	fd = openat(directory, name,
		    O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		*ret_why = rmt_strerror(errno);
	close(directory);
	if (fd < 0)
		return -EIO;
	logging->file = rmt_descriptor_own(fd);
	write_head(router);
	return 0;
}

void rmt_log_file_write(ramet_router *router, const ramet_log_record *record)
{
	char line[RMT_LOG_LINE_MAX];

	if (router->logging.file >= 0)
		rmt_write_all(router->logging.file, line,
			      rmt_log_record_print(record, true, line, sizeof(line)));
}
