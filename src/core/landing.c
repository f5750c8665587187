/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/landing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

/* What ends the file: the size of the welcome before it, little-endian, and this. */
static const char magic[8] = "\nramet\n";

#define OWN_FILE_MIN 64

#define TRAILER_SIZE (4 + sizeof(magic))

/* Once a process, before it has a second thread. */
static int own_file = -1;

int rmt_landing_file(void)
{
	return own_file;
}

void rmt_landing_keep(int fd)
{
	if (fd >= 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0)
		own_file = fd;
}

void rmt_landing_append(const void *welcome, size_t size, struct rmt_buffer *out)
{
	rmt_buffer_append(out, welcome, size);
	for (int i = 0; i < 4; i++)
		rmt_buffer_append_byte(out, (unsigned char)(size >> 8 * i));
	rmt_buffer_append(out, magic, sizeof(magic));
}

static int read_all(int fd, void *data, size_t size, off_t at)
{
	for (size_t used = 0; used < size;) {
		ssize_t n = pread(fd, (char *)data + used, size - used, at + (off_t)used);

		if (n == 0)
			return -ENODATA;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			used += (size_t)n;
	}
	return 0;
}

static int read_welcome(int fd, void **ret_welcome, size_t *ret_size)
{
	unsigned char trailer[TRAILER_SIZE];
	struct stat status;
	size_t size;
	void *welcome;
	int r;

	if (fstat(fd, &status) < 0)
		return -errno;
	if (status.st_size < (off_t)TRAILER_SIZE)
		return -ENODATA;
	r = read_all(fd, trailer, TRAILER_SIZE, status.st_size - (off_t)TRAILER_SIZE);
	if (r < 0)
		return r;
	size = trailer[0] | trailer[1] << 8 | (size_t)trailer[2] << 16 | (size_t)trailer[3] << 24;
	if (memcmp(trailer + 4, magic, sizeof(magic)) != 0 || size > RMT_FRAME_PAYLOAD_MAX ||
	    (off_t)(size + TRAILER_SIZE) > status.st_size)
		return -ENODATA;
	welcome = malloc(size + 1);
	if (!welcome)
		return -ENOMEM;
	r = read_all(fd, welcome, size, status.st_size - (off_t)(TRAILER_SIZE + size));
	if (r < 0) {
		free(welcome);
		return r;
	}
	*ret_welcome = welcome;
	*ret_size = size;
	return 0;
}

/* The file that this process runs. Where /proc shows something else (an emulator), the path by which
 * it was executed is right. */
static int open_own_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd >= 0 ? fd : open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
}

/* What the stage has left open. The number may mean something else where it could not be kept. */
static void close_stage_descriptor(int own)
{
	struct stat ours, theirs;

	if (own != RMT_LANDING_FD && fstat(own, &ours) == 0 &&
	    fstat(RMT_LANDING_FD, &theirs) == 0 && ours.st_ino == theirs.st_ino &&
	    ours.st_dev == theirs.st_dev)
		close(RMT_LANDING_FD);
}

/* ps(1) reads the memory of the arguments, which lie one behind the other: the title moves to their
 * beginning. */
static void show_title(char **argv)
{
	char *begin = argv[0], *title = argv[3], *end = title + strlen(title) + 1;
	char name[16] = "";
	size_t size = (size_t)(end - title);

	for (size_t i = 0; i < sizeof(name) - 1 && title[i] && title[i] != '('; i++)
		name[i] = title[i];
	prctl(PR_SET_NAME, name);
	if (begin > title)
		return;
	memmove(begin, title, size);
	memset(begin + size, 0, (size_t)(end - begin) - size);
}

static bool same_terminal(int a, int b)
{
	struct stat one, other;

	return isatty(a) && fstat(a, &one) == 0 && fstat(b, &other) == 0 &&
	       one.st_rdev == other.st_rdev;
}

/* Puts the writing end of a new pipe there. */
static int capture_end(int fd, int *ret_read)
{
	int pair[2], r;

	if (pipe2(pair, O_CLOEXEC) < 0)
		return -errno;
	r = dup2(pair[1], fd) < 0 ? -errno : 0;
	close(pair[1]);
	if (r < 0)
		close(pair[0]);
	else
		*ret_read = pair[0];
	return r;
}

/* Where there is no /dev, a pipe that nobody writes to. */
static int take_empty_input(void)
{
	int pair[2] = {open("/dev/null", O_RDWR | O_CLOEXEC), -1}, r;

	if (pair[0] < 0 && pipe2(pair, O_CLOEXEC) < 0)
		return -errno;
	r = dup2(pair[0], STDIN_FILENO) < 0 ? -errno : 0;
	close(pair[0]);
	if (pair[1] >= 0)
		close(pair[1]);
	return r;
}

/*
 * Functions of the program find an empty input; what they print is read by this process and goes to
 * the log. Standard error stays with the tool that brought us here, so that last words are not lost,
 * unless it is the stream itself (a terminal).
 */
static int take_streams(struct rmt_child_start *start)
{
	int r = 0;

	start->in_fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	start->out_fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	if (start->in_fd < 0 || start->out_fd < 0)
		return -errno;
	if (same_terminal(STDOUT_FILENO, STDERR_FILENO))
		r = capture_end(STDERR_FILENO, &start->capture[1]);
	if (r == 0)
		r = capture_end(STDOUT_FILENO, &start->capture[0]);
	return r == 0 ? take_empty_input() : r;
}

static int fail(int code, const char *what)
{
	const char *text = rmt_strerror(code);
	struct rmt_buffer out = RMT_BUFFER_INIT;
	ssize_t n;

	rmt_buffer_printf(&out, "ramet: %s: %s\n", what, text);
	n = write(STDERR_FILENO, out.data, out.size);
	(void)n;
	rmt_buffer_done(&out);
	return code;
}

int rmt_landing(char **argv, struct rmt_child_start *ret_start)
{
	struct rmt_child_start start = {.capture = {-1, -1}};
	int fd = open_own_file(argv[0]), r;

	if (fd < 0)
		return fail(-errno, "the program cannot read its own file");
	if (*argv[2])
		unlink(argv[2]);
	else
		close_stage_descriptor(fd);
	r = read_welcome(fd, &start.welcome, &start.welcome_size);
	if (r < 0)
		return fail(r, "no welcome came with the program");
	/* Functions of the program expect low numbers to be free, as they are elsewhere. */
	own_file = fcntl(fd, F_DUPFD_CLOEXEC, OWN_FILE_MIN);
	close(fd);
	show_title(argv);
	r = take_streams(&start);
	if (r < 0)
		return fail(r, "no standard streams");
	*ret_start = start;
	return 0;
}
