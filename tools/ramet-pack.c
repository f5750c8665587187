/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ramet-pack PROGRAM: puts the image of a program that travels, compressed as well as it gets, at the
 * end of its file, so that it need not be compressed each time that the program starts a first child.
 * src/parent/image-packed.h has the format. Runs on the machine that builds; PROGRAM may be for any.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buffer.h"
#include "parent/digest.h"
#include "parent/elf.h"
#include "parent/image-packed.h"

static _Noreturn void die(const char *what, int code)
{
	fprintf(stderr, "ramet-pack: %s: %s\n", what, strerror(code < 0 ? -code : code));
	exit(EXIT_FAILURE);
}

static void read_file(const char *path, struct rmt_buffer *out)
{
	FILE *file = fopen(path, "re");
	unsigned char *room;
	size_t n;

	if (!file)
		die(path, errno);
	do {
		room = rmt_buffer_reserve(out, 65536);
		n = room ? fread(room, 1, 65536, file) : 0;
		out->size += n;
	} while (n > 0);
	if (ferror(file) || out->error < 0)
		die(path, out->error < 0 ? out->error : EIO);
	fclose(file);
}

static void write_file(const char *path, const void *data, size_t size)
{
	FILE *file = fopen(path, "we");

	if (!file || fwrite(data, 1, size, file) != size || fclose(file) != 0)
		die(path, errno);
}

/* zopfli(1) is the best compressor of that format, and the longer it tries the better; without it, gzip(1). */
static void compress(const char *path, const char *result)
{
	static const char *const commands[][3] = {{"zopfli", "--i100", "-c"}, {"gzip", "-n9", "-c"}};
	int status = -1;

	for (int i = 0; i < 2 && status != 0; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			int fd = open(result, O_WRONLY | O_CREAT | O_TRUNC, 0600);

			if (fd >= 0 && dup2(fd, STDOUT_FILENO) == STDOUT_FILENO)
				execlp(commands[i][0], commands[i][0], commands[i][1],
				       commands[i][2], path, NULL);
			_exit(127);
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid)
			die("fork", errno);
	}
	if (status != 0)
		die("neither zopfli nor gzip could compress it", ENOENT);
}

/* The bytes that travel, as rmt_image_make() makes them. */
static size_t strip(const char *name, struct rmt_buffer *file)
{
	char digest[65] = "";
	struct rmt_sha256 sha;
	struct rmt_elf elf;
	int r = rmt_elf_read(file->data, file->size, &elf);

	if (r < 0)
		die(name, r);
	rmt_sha256_init(&sha);
	rmt_sha256_update(&sha, file->data + elf.cold, elf.cold_size);
	if (elf.cold_size > 0)
		rmt_sha256_text(&sha, digest);
	rmt_elf_strip(file->data, &elf, digest);
	return elf.end;
}

int main(int argc, char **argv)
{
	struct rmt_buffer file = RMT_BUFFER_INIT, image = RMT_BUFFER_INIT, member = RMT_BUFFER_INIT;
	char plain[4096], packed[4096];
	struct stat status;
	ramet_bytes old;

	if (argc != 2) {
		fprintf(stderr, "usage: ramet-pack PROGRAM\n");
		return 2;
	}
	snprintf(plain, sizeof(plain), "%s.ramet-plain", argv[1]);
	snprintf(packed, sizeof(packed), "%s.ramet-packed", argv[1]);
	read_file(argv[1], &file);
	if (rmt_image_packed(file.data, file.size, &old))
		file.size = (size_t)((const unsigned char *)old.data - file.data);
	rmt_buffer_append(&image, file.data, file.size);
	if (image.error < 0)
		die(argv[1], image.error);
	write_file(plain, image.data, strip(argv[1], &image));
	compress(plain, packed);
	read_file(packed, &member);
	rmt_image_pack(&member, &file);
	if (file.error < 0 || stat(argv[1], &status) < 0)
		die(argv[1], file.error < 0 ? file.error : errno);
	write_file(packed, file.data, file.size);
	if (chmod(packed, status.st_mode & 07777) < 0 || rename(packed, argv[1]) < 0)
		die(argv[1], errno);
	unlink(plain);
	rmt_buffer_done(&file);
	rmt_buffer_done(&image);
	rmt_buffer_done(&member);
	return 0;
}
