/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/image-make.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "core/landing.h"
#include "parent/elf.h"
#include "parent/image-find.h"
#include "parent/image-packed.h"
#include "parent/spawn.h"

/* A gzip member without data has this size: RFC 1952. */
#define GZIP_MIN 20

static int read_file(int fd, struct rmt_buffer *out)
{
	struct stat status;

	if (fstat(fd, &status) == 0)
		rmt_buffer_reserve(out, (size_t)status.st_size + 1);
	for (;;) {
		unsigned char *room = rmt_buffer_reserve(out, 1);
		ssize_t n = room ? pread(fd, room, out->capacity - out->size, (off_t)out->size)
				 : -1;

		if (n > 0)
			out->size += (size_t)n;
		else if (n == 0)
			return 0;
		else if (!room || errno != EINTR)
			return room ? -errno : -ENOMEM;
	}
}

/* What gzip(1) reads and writes lies in files that nobody else sees: there is no pair of pipes to
 * serve. */
static int scratch_file(const void *data, size_t size)
{
	int fd = rmt_descriptor_own(memfd_create("ramet-image", MFD_CLOEXEC));
	const unsigned char *bytes = data;

	while (fd >= 0 && size > 0) {
		ssize_t n = write(fd, bytes, size);

		if (n > 0) {
			bytes += n;
			size -= (size_t)n;
		} else if (errno != EINTR) {
			rmt_descriptor_close(fd);
			fd = -1;
		}
	}
	if (fd >= 0)
		lseek(fd, 0, SEEK_SET);
	return fd;
}

static const char *const places[] = {"/bin/gzip", "/usr/bin/gzip", "/usr/local/bin/gzip"};

bool rmt_gzip_is_there(void)
{
	for (size_t i = 0; i < RMT_COUNT(places); i++)
		if (access(places[i], X_OK) == 0)
			return true;
	return false;
}

static int run_gzip(const char *options, int in, int out)
{
	char *const argv[] = {(char *)"gzip", (char *)options, NULL};
	int null = rmt_descriptor_own(open("/dev/null", O_WRONLY | O_CLOEXEC)), r = -ENOENT;
	pid_t pid;
	struct rmt_spawn spawn = {
		.file = argv[0],
		.argv = argv,
		.stdin_fd = in,
		.stdout_fd = out,
		.stderr_fd = null,
		.search = true,
	};

	if (null >= 0)
		r = rmt_spawn(&spawn, &pid, NULL);
	rmt_descriptor_close(null);
	if (r == 0)
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	return r;
}

/* Its status may have been taken by a program that waits for all its children, so that what was
 * written is what counts: a member ends with checksum and size of what is in it. */
static bool gzip_holds(const struct rmt_buffer *member, ramet_bytes plain)
{
	uint32_t crc = rmt_crc32(plain.data, plain.size), size = (uint32_t)plain.size;
	const unsigned char *end = member->data + member->size;

	if (member->error < 0 || member->size < GZIP_MIN)
		return false;
	for (unsigned i = 0; i < 4; i++, crc >>= 8, size >>= 8)
		if (end[(int)i - 8] != (crc & 255) || end[(int)i - 4] != (size & 255))
			return false;
	return true;
}

/* `options` are gzip's; *out is what it wrote, nothing when it could not. */
static void convert(const char *options, const void *data, size_t size, struct rmt_buffer *out)
{
	int in_fd = scratch_file(data, size), out_fd = scratch_file(NULL, 0);

	if (in_fd >= 0 && out_fd >= 0 && run_gzip(options, in_fd, out_fd) == 0 &&
	    lseek(out_fd, 0, SEEK_SET) == 0)
		read_file(out_fd, out);
	rmt_descriptor_close(in_fd);
	rmt_descriptor_close(out_fd);
}

static int cut_cold(const struct rmt_buffer *file, const struct rmt_elf *elf,
		    struct rmt_image *image)
{
	struct rmt_sha256 sha;
	void *cold = malloc(elf->cold_size);

	if (!cold)
		return -ENOMEM;
	image->cold = (ramet_bytes){memcpy(cold, file->data + elf->cold, elf->cold_size),
				    elf->cold_size};
	rmt_sha256_init(&sha);
	rmt_sha256_update(&sha, cold, elf->cold_size);
	rmt_sha256_text(&sha, image->cold_digest);
	return 0;
}

/* What is left to do once the bytes are there, which become the image's; member, if there is one
 * already, too. */
static int finish(struct rmt_buffer *file, const struct rmt_elf *elf, struct rmt_buffer *member,
		  struct rmt_image *ret_image)
{
	struct rmt_image image = {.plain = {file->data, elf->end}};
	ramet_bytes packed;
	int r = 0;

	if (elf->loader_size > 0) {
		image.loader = strndup((const char *)file->data + elf->loader, elf->loader_size);
		r = image.loader ? 0 : -ENOMEM;
	}
	if (r == 0 && elf->cold_size > 0)
		r = cut_cold(file, elf, &image);
	if (r < 0) {
		free(image.loader);
		return r;
	}
	rmt_elf_strip(file->data, elf, image.cold_digest);
	rmt_cksum_init(&image.cksum);
	rmt_cksum_update(&image.cksum, image.plain.data, image.plain.size);
	if (member->size == 0 && rmt_image_packed(file->data, file->size, &packed))
		rmt_buffer_append(member, packed.data, packed.size);
	if (!gzip_holds(member, image.plain)) {
		rmt_buffer_done(member);
		convert("-6nc", image.plain.data, image.plain.size, member);
	}
	if (!gzip_holds(member, image.plain))
		rmt_buffer_done(member);
	image.gzip = (ramet_bytes){member->data, member->size};
	*ret_image = image;
	return 0;
}

/* Takes file and member, also on failure. `name`: of the file, for messages. */
static int examine(struct rmt_buffer *file, struct rmt_buffer *member, const char *name,
		   const char *machine, struct rmt_image *ret_image, ramet_error *error)
{
	struct rmt_elf elf;
	int r = file->error < 0 ? file->error : rmt_elf_read(file->data, file->size, &elf);

	if (r < 0) {
		rmt_error_set(error, r, "%s is no executable for Linux", name);
	} else if (!rmt_elf_runs_on(&elf, machine)) {
		r = rmt_error_set(error, ENOEXEC, "%s is for Linux %.*s, not for Linux %s", name,
				  (int)strcspn(elf.machines, " "), elf.machines, machine);
	} else {
		r = finish(file, &elf, member, ret_image);
		if (r < 0)
			rmt_error_set(error, r, "no image of %s: %s", name, rmt_strerror(r));
	}
	if (r < 0) {
		rmt_buffer_done(file);
		rmt_buffer_done(member);
	}
	return r;
}

/* Without /proc there may be no path to the program. */
static int open_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), r = -errno;

	if (fd < 0 && rmt_landing_file() >= 0 && strcmp(path, rmt_image_own_file()) == 0)
		fd = fcntl(rmt_landing_file(), F_DUPFD_CLOEXEC, 3);
	return fd < 0 ? r : rmt_descriptor_own(fd);
}

int rmt_image_make(const char *path, const char *machine, struct rmt_image *ret_image,
		   ramet_error *error)
{
	struct rmt_buffer file = RMT_BUFFER_INIT, member = RMT_BUFFER_INIT;
	int fd = open_file(path), r = RMT_MIN(fd, 0);

	if (r == 0)
		r = read_file(fd, &file);
	rmt_descriptor_close(fd);
	if (r < 0) {
		rmt_buffer_done(&file);
		return rmt_error_set(error, r, "no image of %s: %s", path, rmt_strerror(r));
	}
	return examine(&file, &member, path, machine, ret_image, error);
}

int rmt_image_make_from(struct rmt_buffer *bytes, bool gzip, const char *machine,
			struct rmt_image *ret_image, ramet_error *error)
{
	struct rmt_buffer plain = RMT_BUFFER_INIT, member = RMT_BUFFER_INIT;

	if (gzip) {
		member = *bytes;
		convert("-dc", member.data, member.size, &plain);
	} else {
		plain = *bytes;
	}
	*bytes = (struct rmt_buffer)RMT_BUFFER_INIT;
	return examine(&plain, &member, "the image that the parent sent", machine, ret_image,
		       error);
}

void rmt_image_done(struct rmt_image *image)
{
	free(image->machine);
	free((void *)image->plain.data);
	free((void *)image->gzip.data);
	free((void *)image->cold.data);
	free(image->loader);
}
