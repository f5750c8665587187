/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading tests/vectors: lines of words, the second of which is hex ("-" for no bytes); '#' starts
 * a comment line. Where the files are is said by RAMET_TEST_DATA; without it they are looked for
 * below the working directory.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct vector {
	int line;
	char text[8192]; /* the line, cut into words */
	const char *word;
	unsigned char data[4096];
	size_t size;
	const char *rest;
};

static inline FILE *vectors_open(const char *name)
{
	const char *directory = getenv("RAMET_TEST_DATA");
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", directory ? directory : "tests/vectors", name);
	return fopen(path, "re");
}

/* 1: *vector is the next one; 0: no more; -1: a line that is none, see vector->line. */
static inline int vectors_next(FILE *file, struct vector *vector)
{
	do {
		if (!fgets(vector->text, sizeof(vector->text), file))
			return 0;
		vector->line++;
		vector->text[strcspn(vector->text, "\n")] = '\0';
	} while (vector->text[0] == '#' || vector->text[0] == '\0');

	char *hex = strchr(vector->text, ' '), *rest;

	vector->word = vector->text;
	vector->size = 0;
	if (!hex)
		return -1;
	*hex++ = '\0';
	rest = strchr(hex, ' ');
	if (!rest)
		return -1;
	*rest++ = '\0';
	vector->rest = rest;
	if (strcmp(hex, "-") == 0)
		return 1;
	for (; *hex; hex += 2) {
		unsigned byte;

		if (sscanf(hex, "%2x", &byte) != 1 || !hex[1] ||
		    vector->size == sizeof(vector->data))
			return -1;
		vector->data[vector->size++] = (unsigned char)byte;
	}
	return 1;
}
