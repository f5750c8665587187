/* SPDX-License-Identifier: BSD-3-Clause */
#include "files.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

#include "fixture.h"

static char root[64];

const char *files_begin(void)
{
	struct stat memory;

	snprintf(root, sizeof(root), "%s/ramet-files-XXXXXX",
		 stat("/dev/shm", &memory) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(root));
	return root;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place)
{
	(void)status;
	(void)kind;
	(void)place;
	return remove(path);
}

void files_end(void)
{
	assert_int_equal(nftw(root, remove_one, 32, FTW_DEPTH | FTW_PHYS), 0);
}

const char *files_path(const char *format, ...)
{
	static char paths[16][4096];
	static unsigned next;
	char *path = paths[next++ % 16];
	va_list arguments;
	int size = snprintf(path, sizeof(paths[0]), "%s/", root);

	va_start(arguments, format);
	vsnprintf(path + size, sizeof(paths[0]) - (size_t)size, format, arguments);
	va_end(arguments);
	return path;
}

static void write_at(int fd, uint64_t at, uint64_t size, unsigned seed)
{
	enum { PIECE = 1 << 16 };
	static uint64_t piece[PIECE / sizeof(uint64_t)];

	for (uint64_t done = 0; done < size;) {
		size_t now = size - done < PIECE ? (size_t)(size - done) : PIECE;

		for (size_t i = 0; i < PIECE / sizeof(uint64_t); i++)
			piece[i] = (at + done + i * sizeof(uint64_t) + seed + 1) *
				   UINT64_C(0x9e3779b97f4a7c15);
		assert_int_equal(pwrite(fd, piece, now, (off_t)(at + done)), now);
		done += now;
	}
}

void files_make(const char *path, uint64_t size, unsigned seed)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	write_at(fd, 0, size, seed);
	close(fd);
}

void files_make_sparse(const char *path, uint64_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);

	assert_true(fd >= 0);
	write_at(fd, 0, 100000, 1);
	write_at(fd, size / 2, 5000, 2);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	close(fd);
}

void files_check_same(const char *one, const char *other)
{
	enum { PIECE = 1 << 16 };
	static char left[PIECE], right[PIECE];
	int first = open(one, O_RDONLY | O_CLOEXEC), second = open(other, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (first < 0 || second < 0)
		fail_msg("%s and %s: %s", one, other, strerror(errno));
	do {
		n = read(first, left, PIECE);
		assert_int_equal(read(second, right, PIECE), n);
		assert_true(n >= 0 && memcmp(left, right, (size_t)n) == 0);
	} while (n > 0);
	close(first);
	close(second);
}

static int not_dots(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int by_bytes(const struct dirent **one, const struct dirent **other)
{
	return strcmp((*one)->d_name, (*other)->d_name);
}

void files_check_names(const char *directory, const char *names)
{
	struct dirent **entries;
	char found[4096] = "";
	int count = scandir(directory, &entries, not_dots, by_bytes);

	assert_true(count >= 0);
	for (int i = 0; i < count; i++) {
		size_t used = strlen(found);

		snprintf(found + used, sizeof(found) - used, "%s%s", i > 0 ? " " : "",
			 entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	assert_string_equal(found, names);
}

void files_check_status(const char *one, const char *other)
{
	struct stat left, right;

	assert_int_equal(lstat(one, &left), 0);
	assert_int_equal(lstat(other, &right), 0);
	assert_int_equal(left.st_mode, right.st_mode);
	assert_int_equal(left.st_uid, right.st_uid);
	assert_int_equal(left.st_gid, right.st_gid);
	assert_int_equal(left.st_mtim.tv_sec, right.st_mtim.tv_sec);
	assert_int_equal(left.st_mtim.tv_nsec, right.st_mtim.tv_nsec);
	if (!S_ISDIR(left.st_mode))
		assert_int_equal(left.st_size, right.st_size);
}
