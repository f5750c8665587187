/* SPDX-License-Identifier: BSD-3-Clause */
/* What is sent to a place where nothing is installed: this executable, without what is never
 * loaded. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/error.h"
#include "parent/executable.h"
#include "parent/process.h"
#include "parent/spawn.h"

/* Computed once, and kept. */
static struct {
	pthread_mutex_t lock;
	bool there;
	struct rmt_buffer bytes;
} image = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int read_file(const char *path, struct rmt_buffer *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), r = fd < 0 ? -errno : 0;
	struct stat status;
	ssize_t n = 1;

	if (fd < 0)
		return r;
	if (fstat(fd, &status) == 0)
		rmt_buffer_reserve(out, (size_t)status.st_size + 1);
	while (n > 0) {
		unsigned char *room = rmt_buffer_reserve(out, 65536);

		n = room ? read(fd, room, 65536) : -1;
		if (n > 0)
			out->size += (size_t)n;
		else if (n < 0 && errno == EINTR)
			n = 1;
		else if (n < 0)
			r = room ? -errno : -ENOMEM;
	}
	close(fd);
	return r;
}

/* The loader reads the headers and the segments; sections and symbols, which lie behind, are for
 * linkers. */
static int strip(struct rmt_buffer *file)
{
	ElfW(Ehdr) header;
	ElfW(Phdr) segment;
	size_t end = sizeof(header);

	if (file->size < sizeof(header) || memcmp(file->data, ELFMAG, SELFMAG) != 0)
		return -ENOEXEC;
	memcpy(&header, file->data, sizeof(header));
	for (unsigned i = 0; i < header.e_phnum; i++) {
		size_t at = header.e_phoff + (size_t)i * header.e_phentsize;

		if (header.e_phentsize != sizeof(segment) || at > file->size ||
		    file->size - at < sizeof(segment))
			return -ENOEXEC;
		memcpy(&segment, file->data + at, sizeof(segment));
		if (segment.p_offset > file->size ||
		    segment.p_filesz > file->size - segment.p_offset)
			return -ENOEXEC;
		end = RMT_MAX(end, at + sizeof(segment));
		end = RMT_MAX(end, (size_t)(segment.p_offset + segment.p_filesz));
	}
	header.e_shoff = 0;
	header.e_shnum = header.e_shstrndx = 0;
	memcpy(file->data, &header, sizeof(header));
	file->size = end;
	return 0;
}

/*
 * gzip -9 reads the image from a file, so that one thread can do all this without two pipes that
 * wait for each other: an unlinked one, which nobody else sees.
 */
static int scratch_file(const struct rmt_buffer *content)
{
	int fd = memfd_create("ramet-image", MFD_CLOEXEC);
	size_t at = 0;

	while (fd >= 0 && at < content->size) {
		ssize_t n = write(fd, content->data + at, content->size - at);

		if (n > 0) {
			at += (size_t)n;
		} else if (errno != EINTR) {
			close(fd);
			fd = -1;
		}
	}
	if (fd >= 0)
		lseek(fd, 0, SEEK_SET);
	return fd;
}

static int read_all(int fd, struct rmt_buffer *out)
{
	for (;;) {
		unsigned char *room = rmt_buffer_reserve(out, 16384);
		ssize_t n = room ? read(fd, room, 16384) : -1;

		if (n > 0)
			out->size += (size_t)n;
		else if (n == 0)
			return 0;
		else if (!room || errno != EINTR)
			return -EIO;
	}
}

static bool run_gzip(int in, struct rmt_buffer *out)
{
	static char name[] = "gzip", options[] = "-9nc";
	char *const argv[] = {name, options, NULL};
	static const char *const places[] = {"/bin/gzip", "/usr/bin/gzip", "/usr/local/bin/gzip"};
	int pair[2], null = open("/dev/null", O_WRONLY | O_CLOEXEC), status = -1, r = -1;
	pid_t pid = -1;

	if (null < 0 || pipe2(pair, O_CLOEXEC) < 0) {
		if (null >= 0)
			close(null);
		return false;
	}
	for (size_t i = 0; i < RMT_COUNT(places) && r < 0; i++) {
		struct rmt_spawn spawn = {.file = places[i],
					  .argv = argv,
					  .stdin_fd = in,
					  .stdout_fd = pair[1],
					  .stderr_fd = null};

		r = rmt_spawn(&spawn, &pid, NULL);
	}
	close(pair[1]);
	close(null);
	if (r == 0) {
		r = read_all(pair[0], out);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	close(pair[0]);
	return r == 0 && status == 0 && out->error == 0;
}

static void compress(struct rmt_buffer *file)
{
	struct rmt_buffer out = RMT_BUFFER_INIT;
	int in = scratch_file(file);

	if (in >= 0 && run_gzip(in, &out) && out.size < file->size) {
		rmt_buffer_done(file);
		*file = out;
		out = (struct rmt_buffer)RMT_BUFFER_INIT;
	}
	if (in >= 0)
		close(in);
	rmt_buffer_done(&out);
}

static int make(ramet_error *error)
{
	struct rmt_buffer file = RMT_BUFFER_INIT;
	bool warn;
	const char *path = rmt_executable_file(&warn);
	int r = read_file(path, &file);

	if (r == 0 && file.error < 0)
		r = file.error;
	if (r == 0)
		r = strip(&file);
	if (r < 0) {
		rmt_buffer_done(&file);
		return rmt_error_set(error, r, "no image of %s: %s", path, rmt_strerror(r));
	}
	compress(&file);
	image.bytes = file;
	image.there = true;
	return 0;
}

RMT_PUBLIC int ramet_core_image(ramet_bytes *ret_image, ramet_error *error)
{
	int r = 0;

	pthread_mutex_lock(&image.lock);
	if (!image.there)
		r = make(error);
	if (r == 0)
		*ret_image = (ramet_bytes){image.bytes.data, image.bytes.size};
	pthread_mutex_unlock(&image.lock);
	return r;
}
