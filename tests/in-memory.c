/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * in-memory PID TEXT: where a process has a text in its memory: a line for each mapping with it,
 * "hidden" if core dumps leave that out, else "dumped", and what the mapping is. Exits with 1 if the text
 * is nowhere.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct mapping {
	uint64_t begin, end;
	bool readable;
	char name[256];
};

static bool has_text(int memory, const struct mapping *mapping, const char *text)
{
	size_t size = (size_t)(mapping->end - mapping->begin);
	char *bytes = malloc(size);
	ssize_t n = bytes ? pread(memory, bytes, size, (off_t)mapping->begin) : -1;
	bool found = n > 0 && memmem(bytes, (size_t)n, text, strlen(text));

	free(bytes);
	return found;
}

int main(int argc, char **argv)
{
	struct mapping mapping = {0};
	char path[64], line[1024], readable;
	bool found = false;
	int memory;
	FILE *maps;

	if (argc != 3)
		return 2;
	snprintf(path, sizeof(path), "/proc/%s/mem", argv[1]);
	memory = open(path, O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/%s/smaps", argv[1]);
	maps = fopen(path, "re");
	if (memory < 0 || !maps) {
		perror(path);
		return 2;
	}
	while (fgets(line, sizeof(line), maps)) {
		struct mapping next = {0};

		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %c%*s %*s %*s %*s %255s", &next.begin,
			   &next.end, &readable, next.name) >= 3) {
			mapping = next;
			mapping.readable = readable == 'r';
		} else if (strncmp(line, "VmFlags:", 8) == 0 && mapping.readable &&
			   has_text(memory, &mapping, argv[2])) {
			printf("%s %s\n", strstr(line, " dd") ? "hidden" : "dumped",
			       *mapping.name ? mapping.name : "-");
			found = true;
		}
	}
	return !found;
}
