/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs a fuzz target over the files in the directories (and over the files) given as arguments, so
 * that its corpus is replayed where there is no fuzzer. Exit status 0: all were run; 1: a file
 * could not be read, or there was none. A finding aborts, behind the name of its file.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned replayed;

static int replay_file(const char *path, size_t size)
{
	/* Exactly that many bytes, so that a sanitizer sees a read past the end. */
	uint8_t *data = malloc(size ? size : 1);
	FILE *file = fopen(path, "re");
	const size_t got = data && file ? fread(data, 1, size, file) : 0;

	if (file)
		fclose(file);
	if (!data || !file || got != size) {
		fprintf(stderr, "%s: cannot be read\n", path);
		free(data);
		return -EIO;
	}
	/* Before the run, because an abort leaves no time after it. */
	printf("%s\n", path);
	fflush(stdout);
	LLVMFuzzerTestOneInput(data, size);
	replayed++;
	free(data);
	return 0;
}

static int replay_directory(const char *path);

static int replay(const char *path)
{
	struct stat status;

	if (stat(path, &status) < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -EIO;
	}
	return S_ISDIR(status.st_mode) ? replay_directory(path)
				       : replay_file(path, (size_t)status.st_size);
}

static int replay_directory(const char *path)
{
	struct dirent **entries;
	const int count = scandir(path, &entries, NULL, alphasort);
	int r = 0;

	if (count < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -EIO;
	}
	for (int i = 0; i < count; i++) {
		char name[4096];

		if (entries[i]->d_name[0] != '.') {
			snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
			if (replay(name) < 0)
				r = -EIO;
		}
		free(entries[i]);
	}
	free(entries);
	return r;
}

int main(int argc, char **argv)
{
	int r = 0;

	for (int i = 1; i < argc; i++)
		if (replay(argv[i]) < 0)
			r = -EIO;
	return r < 0 || replayed == 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
