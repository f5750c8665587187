/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/image-find.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/error.h"
#include "parent/elf.h"
#include "parent/executable.h"

/* Of what machines are called. */
#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-."

const char *rmt_image_own_file(void)
{
	bool warn;

	return rmt_executable_file(&warn);
}

/* Where images may lie: the directory of the program, then those of $RAMET_IMAGE_PATH. */
struct places {
	const char *program;
	size_t program_size; /* up to the last slash */
	const char *path;    /* what is left of the variable */
	bool begun;
};

static bool next_place(struct places *places, const char **ret_place, size_t *ret_size)
{
	if (!places->begun) {
		places->begun = true;
		*ret_place = places->program;
		*ret_size = places->program_size;
		return true;
	}
	while (places->path && *places->path) {
		*ret_place = places->path;
		*ret_size = strcspn(places->path, ":");
		places->path += *ret_size;
		places->path += *places->path == ':';
		if (*ret_size > 0)
			return true;
	}
	return false;
}

/* Looks for <program>.<machine> everywhere; adds to `looked` where it is not. */
static char *find(const char *machine, size_t machine_size, struct rmt_buffer *looked)
{
	const char *program = ramet_executable(), *slash = strrchr(program, '/'), *place;
	const char *name = slash ? slash + 1 : program;
	struct places places = {program, slash ? (size_t)(slash - program) : 0,
				getenv("RAMET_IMAGE_PATH"), false};
	size_t size;

	while (next_place(&places, &place, &size)) {
		struct rmt_buffer path = RMT_BUFFER_INIT;
		char *text;

		rmt_buffer_append(&path, place, size);
		rmt_buffer_append_byte(&path, '/');
		rmt_buffer_append(&path, name, strlen(name));
		rmt_buffer_append_byte(&path, '.');
		rmt_buffer_append(&path, machine, machine_size);
		text = rmt_buffer_steal_string(&path);
		if (text && access(text, R_OK) == 0)
			return text;
		if (text) {
			rmt_buffer_append(looked, " ", 1);
			rmt_buffer_append(looked, text, strlen(text));
		}
		free(text);
	}
	return NULL;
}

static int find_relative(const char *machine, char **ret_path, ramet_error *error)
{
	struct rmt_buffer looked = RMT_BUFFER_INIT;
	const char *name = rmt_elf_relatives(machine);
	char *path = NULL;
	int r = 0;

	while (*name && !path) {
		size_t size = strcspn(name, " ");

		path = find(name, size, &looked);
		name += size + strspn(name + size, " ");
	}
	rmt_buffer_append_byte(&looked, '\0');
	if (path)
		*ret_path = path;
	else if (looked.error < 0)
		r = rmt_error_set(error, ENOMEM, "out of memory");
	else
		r = rmt_error_set(error, ENOENT,
				  "no image of %s for Linux %s: looked for%s; build it with "
				  "ramet-cc --arch=%s, or name a file with image=FILE",
				  strrchr(ramet_executable(), '/')
					  ? strrchr(ramet_executable(), '/') + 1
					  : ramet_executable(),
				  machine, (const char *)looked.data, machine);
	rmt_buffer_done(&looked);
	return r;
}

int rmt_image_find(const char *machine, const char *file, char **ret_path, ramet_error *error)
{
	static const char linux_name[] = "Linux ";
	struct utsname system = {.machine = ""};
	const char *name = machine + sizeof(linux_name) - 1;

	/* It comes from elsewhere, and becomes a part of a file's name. */
	if (strncmp(machine, linux_name, sizeof(linux_name) - 1) != 0 || !*name ||
	    name[strspn(name, NAME_CHARACTERS)])
		return rmt_error_set(error, ENOENT,
				     "no image for %s: what travels are programs for Linux",
				     *machine ? machine : "a machine without a name");
	if (file && access(file, R_OK) < 0)
		return rmt_error_set(error, errno, "no image: image=%s: %s", file,
				     rmt_strerror(errno));
	uname(&system);
	if (!file && strcmp(name, system.machine) == 0)
		file = rmt_image_own_file();
	if (!file)
		return find_relative(name, ret_path, error);
	*ret_path = strdup(file);
	return *ret_path ? 0 : rmt_error_set(error, ENOMEM, "out of memory");
}
