/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * replay DIRECTORY: gives every file of a corpus to a fuzz target, and nothing at all once, without a fuzzer. Prints
 * TAP; the name of each file goes first, so that the log of a crash ends with the file that caused it.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int fail(const char *path)
{
	printf("not ok 1 - cannot read %s: %s\n", path, strerror(errno));
	return 1;
}

/* The input lies at the end of a block of just its size, for the sanitizers and valgrind to see one byte too far. */
static int replay(const char *path)
{
	FILE *file = fopen(path, "re");
	uint8_t *data = NULL;
	long size = -1;

	printf("# %s\n", path);
	if (file && fseek(file, 0, SEEK_END) == 0)
		size = ftell(file);
	if (size >= 0 && fseek(file, 0, SEEK_SET) == 0)
		data = malloc((size_t)size);
	if (size < 0 || (size > 0 && (!data || fread(data, 1, (size_t)size, file) != (size_t)size))) {
		if (file)
			fclose(file);
		free(data);
		return -1;
	}
	fclose(file);
	LLVMFuzzerTestOneInput(data, (size_t)size);
	free(data);
	return 0;
}

int main(int argc, char **argv)
{
	struct dirent **entries = NULL;
	int found, count = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("1..1\n");
	if (argc != 2 || (found = scandir(argv[1], &entries, NULL, alphasort)) < 0)
		return fail(argc == 2 ? argv[1] : "no directory");
	LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	for (int i = 0; i < found; i++) {
		char path[4096];

		if (entries[i]->d_name[0] != '.') {
			snprintf(path, sizeof(path), "%s/%s", argv[1], entries[i]->d_name);
			if (replay(path) < 0)
				return fail(path);
			count++;
		}
		free(entries[i]);
	}
	free(entries);
	printf("ok 1 - %d inputs%s\n", count, count ? "" : " # SKIP the corpus is empty");
	return 0;
}
