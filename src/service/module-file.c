/* SPDX-License-Identifier: BSD-3-Clause */
#include "service/module.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/error.h"
#include "base/format.h"
#include "parent/elf.h"

/* A statically linked program does not have them, and must not get them because of us. */
#pragma weak dlopen
#pragma weak dlsym
#pragma weak dlclose
#pragma weak dlerror

int rmt_module_possible(ramet_error *error)
{
	if (dlopen && dlsym && dlclose && dlerror)
		return 0;
	return rmt_error_set(error, ENOTSUP,
			     "this program is statically linked: modules need a dynamically linked "
			     "one");
}

static int check_machine(const char *name, const struct rmt_buffer *bytes, ramet_error *error)
{
	struct utsname system = {.machine = ""};
	struct rmt_elf elf;

	if (rmt_elf_read(bytes->data, bytes->size, &elf) < 0)
		return rmt_error_set(error, ENOEXEC, "module '%s' is no shared object", name);
	uname(&system);
	if (rmt_elf_runs_on(&elf, system.machine))
		return 0;
	return rmt_error_set(error, ENOEXEC, "module '%s' is for %.*s, and this machine is %s",
			     name, (int)strcspn(elf.machines, " "), elf.machines, system.machine);
}

static int write_all(int fd, const struct rmt_buffer *bytes)
{
	size_t written = 0;

	while (written < bytes->size) {
		ssize_t n = write(fd, bytes->data + written, bytes->size - written);

		if (n >= 0)
			written += (size_t)n;
		else if (errno != EINTR)
			return -errno;
	}
	return 0;
}

/* Code from memory may be against somebody's policy: then it is a file without a name. */
static int open_place(const char *place)
{
	if (!place)
		return memfd_create("ramet-module", MFD_CLOEXEC);
	return open(place, O_TMPFILE | O_RDWR | O_CLOEXEC, 0700);
}

static int check_executable(int fd, size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);

	if (memory == MAP_FAILED)
		return -errno;
	munmap(memory, size);
	return 0;
}

static int make_file(const struct rmt_buffer *bytes)
{
	const char *places[] = {NULL, getenv("TMPDIR"), "/dev/shm", "/tmp", "/var/tmp", "/run"};
	int r = -ENOENT;

	for (size_t i = 0; i < RMT_COUNT(places); i++) {
		int fd = i == 0 || places[i] ? open_place(places[i]) : -1;

		if (fd < 0)
			continue;
		r = write_all(fd, bytes);
		if (r == 0)
			r = check_executable(fd, bytes->size);
		if (r == 0)
			return fd;
		close(fd);
	}
	return r;
}

/*
 * The dynamic linker takes an object for one that it has when the names are the same, and the numbers of
 * descriptors come again: so there are as many slashes in the name as there were attempts.
 */
static void *open_file(int fd, unsigned ordinal, char *text, size_t text_size)
{
	struct rmt_buffer path = RMT_BUFFER_INIT;
	const char *why;
	void *handle;
	char *name;

	rmt_buffer_printf(&path, "/proc/self/fd");
	for (unsigned i = 0; i <= ordinal; i++)
		rmt_buffer_append_byte(&path, '/');
	rmt_buffer_printf(&path, "%d", fd);
	name = rmt_buffer_steal_string(&path);
	handle = name ? dlopen(name, RTLD_NOW | RTLD_LOCAL) : NULL;
	if (!handle) {
		why = name ? dlerror() : NULL;
		/* Its words begin with the name of the file, which says nothing here. */
		if (why && strncmp(why, name, strlen(name)) == 0)
			why += strlen(name) + strspn(why + strlen(name), ": ");
		rmt_format(text, text_size, "%s", why ? why : "out of memory");
	}
	free(name);
	return handle;
}

static int check_descriptor(const char *name, const struct ramet_module *module, ramet_error *error)
{
	if (!module)
		return rmt_error_set(error, ENOEXEC, "module '%s' has no RAMET_MODULE() of its own",
				     name);
	if (module->size != sizeof(*module))
		return rmt_error_set(error, ENOEXEC,
				     "module '%s' was made for another version of the library",
				     name);
	if (module->function_size != sizeof(struct ramet_function))
		return rmt_error_set(error, ENOEXEC,
				     "module '%s' was made for version %s of the library, this is "
				     "%s",
				     name, module->version, ramet_version());
	return 0;
}

int rmt_module_open(const char *name, const struct rmt_buffer *bytes, unsigned ordinal,
		    const struct ramet_module **ret_module, void **ret_handle, ramet_error *error)
{
	const struct ramet_module *module;
	char text[512];
	void *handle;
	int fd, r = check_machine(name, bytes, error);

	if (r < 0)
		return r;
	fd = make_file(bytes);
	if (fd < 0)
		return rmt_error_set(error, fd, "there is no place for module '%s': %s", name,
				     rmt_strerror(fd));
	handle = open_file(fd, ordinal, text, sizeof(text));
	close(fd);
	if (!handle)
		return rmt_error_set(error, ELIBACC, "module '%s' cannot be loaded: %s", name,
				     text);
	module = dlsym(handle, "ramet_module_self");
	r = check_descriptor(name, module, error);
	if (r < 0) {
		dlclose(handle);
		return r;
	}
	*ret_module = module;
	*ret_handle = handle;
	return 0;
}

void rmt_module_close(void *handle)
{
	dlclose(handle);
}
