/* SPDX-License-Identifier: BSD-3-Clause */
/* A file becomes text. */
#include "indexer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef INDEXER_GZIP
#include <zlib.h>
#endif

/* How much of a file tells what it is. */
#define LOOK_AT 8192

/* Binary files have NULs, or much that is neither UTF-8 nor ASCII with the usual controls. Some
 * strange bytes are a text in an older encoding, whose ASCII words are worth having. */
static bool is_binary(const unsigned char *data, size_t size)
{
	const unsigned char *end = data + (size < LOOK_AT ? size : LOOK_AT);
	size_t strange = 0, characters = 0;

	for (const unsigned char *at = data; at < end; characters++) {
		char folded[4];
		unsigned taken;

		if (*at == '\0')
			return true;
		text_fold(at, data + size, &taken, folded);
		strange += taken == 1 && (*at >= 0x80 || *at == 0x7f ||
					  (*at < ' ' && !strchr("\t\n\v\f\r\b\033", *at)));
		at += taken;
	}
	return strange * 10 > characters;
}

/* Regular files only: a FIFO may never have anything to say, and a device may act when it is read.
 * One may have taken the place of a file since that was found, so that even the open must not wait. */
static int open_regular(const char *name, struct stat *stat)
{
	int fd = open(name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	int r = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, stat) < 0)
		r = -errno;
	else if (!S_ISREG(stat->st_mode))
		r = -READ_BINARY;
	if (r < 0)
		close(fd);
	return r < 0 ? r : fd;
}

/* Reads until the buffer is full or the file ends, which may have become shorter. */
static int read_up_to(int fd, struct bytes *bytes, size_t size)
{
	unsigned char *to = bytes_reserve(bytes, size);

	for (size_t at = 0; at < size;) {
		ssize_t n = read(fd, to + at, size - at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno;
		if (n == 0)
			break;
		at += (size_t)n;
		bytes->size += (size_t)n;
	}
	return 0;
}

#ifdef INDEXER_GZIP
/* gzip data, perhaps several in a row (RFC 1952), becomes text. */
static int unpack(const struct bytes *packed, struct bytes *text)
{
	z_stream stream = {.next_in = packed->data, .avail_in = (uInt)packed->size};
	int r = inflateInit2(&stream, 15 + 16); /* the largest window; a gzip header */

	while (r == Z_OK && text->size < TEXT_MAX) {
		/* text is mostly three to four times as long */
		size_t room = 4 * packed->size < 65536 ? 65536 : 4 * packed->size;

		room = room < TEXT_MAX - text->size ? room : TEXT_MAX - text->size;
		stream.next_out = bytes_reserve(text, room);
		stream.avail_out = (uInt)room;
		r = inflate(&stream, Z_NO_FLUSH);
		text->size += room - stream.avail_out;
		if (r == Z_STREAM_END && stream.avail_in > 1 && *stream.next_in == 0x1f)
			r = inflateReset(&stream);
	}
	inflateEnd(&stream);
	return r == Z_STREAM_END ? 0 : r == Z_OK ? READ_CUT : READ_DAMAGED;
}
#endif

int read_text(const char *name, struct bytes *text)
{
	static struct bytes packed; /* used again; see part.c */
	struct stat stat;
	int fd = open_regular(name, &stat);

	text->size = 0;
	if (fd < 0)
		return -fd;
	bool cut = stat.st_size > (off_t)TEXT_MAX;
	int r = read_up_to(fd, text, cut ? TEXT_MAX : (size_t)stat.st_size);
	close(fd);
	r = r ? r : cut ? READ_CUT : 0;
#ifdef INDEXER_GZIP
	if (text->size > 2 && memcmp(text->data, "\x1f\x8b", 2) == 0) {
		struct bytes swap = packed;

		packed = *text;
		*text = swap;
		text->size = 0;
		r = unpack(&packed, text);
	}
#else
	(void)packed;
#endif
	if (is_binary(text->data, text->size)) {
		text->size = 0;
		return READ_BINARY;
	}
	return r;
}
