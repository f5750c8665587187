/* SPDX-License-Identifier: BSD-3-Clause */
#include <elf.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "base/buffer.h"
#include "base/time.h"
#include "core/wait.h"
#include "fixture.h"
#include "parent/elf.h"
#include "parent/image-find.h"
#include "parent/image-make.h"
#include "parent/image.h"

/* Somebody who waits for an image. */
struct want {
	struct rmt_image_wanted wanted;
	unsigned told;
	const struct rmt_image *image;
	ramet_error error;
};

static void want_done(struct rmt_image_wanted *wanted, const struct rmt_image *image,
		      ramet_error *error)
{
	struct want *want = (struct want *)wanted;

	want->told++;
	want->image = image;
	if (error) {
		want->error = *error;
		*error = (ramet_error)RAMET_ERROR_INIT;
	}
}

static bool was_told(void *argument)
{
	return ((struct want *)argument)->told > 0;
}

static void want_begin(ramet_router *router, const char *machine, const char *file,
		       struct want *want)
{
	*want = (struct want){.wanted.done = want_done};
	rmt_lock(router);
	rmt_image_want(router, machine, file, &want->wanted);
	rmt_unlock(router);
}

static void want_end(ramet_router *router, struct want *want)
{
	rmt_lock(router);
	assert_int_equal(rmt_wait(router, was_told, want, rmt_after(SOON)), 0);
	rmt_unlock(router);
	assert_int_equal(want->told, 1);
	assert_true(!want->image == (want->error.code < 0));
}

static const char *own_machine(void)
{
	static char text[sizeof(struct utsname)];
	struct utsname system;

	assert_int_equal(uname(&system), 0);
	snprintf(text, sizeof(text), "%s %s", system.sysname, system.machine);
	return text;
}

/* What the tool makes of the bytes. */
static void run_tool(const char *tool, ramet_bytes in, struct rmt_buffer *out)
{
	char name[] = "/tmp/ramet-image-XXXXXX", command[256];
	int fd = mkstemp(name);
	FILE *pipe;
	size_t n;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, in.data, in.size), in.size);
	close(fd);
	snprintf(command, sizeof(command), "%s <%s", tool, name);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	do {
		unsigned char *room = rmt_buffer_reserve(out, 65536);

		assert_non_null(room);
		n = fread(room, 1, 65536, pipe);
		out->size += n;
	} while (n > 0);
	assert_int_equal(pclose(pipe), 0);
	unlink(name);
}

static void image_of_this_machine_is_what_this_program_runs(void **state)
{
	ramet_router *router = fixture_router(RAMET_POLLER_EPOLL, 0);
	struct rmt_buffer out = RMT_BUFFER_INIT;
	const struct rmt_image *image;
	struct want want;
	struct stat status;

	(void)state;
	want_begin(router, own_machine(), NULL, &want);
	want_end(router, &want);
	image = want.image;
	assert_non_null(image);
	assert_string_equal(image->machine, own_machine());
	assert_int_equal(stat(ramet_executable(), &status), 0);
	assert_in_range(image->plain.size, 1000, status.st_size - 1);
	assert_memory_equal(image->plain.data, ELFMAG, SELFMAG);
	/* The test program is linked dynamically. */
	assert_non_null(image->loader);
	assert_int_equal(access(image->loader, X_OK), 0);
	run_tool("cksum", image->plain, &out);
	rmt_buffer_append_byte(&out, 0);
	assert_int_equal(strtoul((char *)out.data, NULL, 10), rmt_cksum_value(&image->cksum));
	rmt_buffer_reset(&out);
	assert_true(image->gzip.size > 0 && image->gzip.size < image->plain.size);
	run_tool("gzip -dc", image->gzip, &out);
	assert_int_equal(out.size, image->plain.size);
	assert_memory_equal(out.data, image->plain.data, out.size);
	rmt_buffer_done(&out);
	ramet_router_unref(router);
}

/* The stripped file is a program as good as the whole one: its own children are it. */
static void image_runs(void **state)
{
	ramet_router *router = fixture_router(RAMET_POLLER_EPOLL, 0);
	char name[] = "/tmp/ramet-image-XXXXXX";
	int fd = mkstemp(name), status;
	struct want want;
	pid_t pid;

	(void)state;
	want_begin(router, own_machine(), NULL, &want);
	want_end(router, &want);
	assert_int_equal(write(fd, want.image->plain.data, want.image->plain.size),
			 want.image->plain.size);
	fchmod(fd, 0700);
	close(fd);
	pid = fork();
	if (pid == 0) {
		execl(name, name, "--answer", NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 42);
	unlink(name);
	ramet_router_unref(router);
}

static void image_is_made_once_for_all_who_want_it(void **state)
{
	ramet_router *routers[] = {fixture_router(RAMET_POLLER_EPOLL, 0),
				   fixture_router(RAMET_POLLER_POLL, 0)};
	struct want wants[4], forgotten;
	ramet_bytes core;

	(void)state;
	rmt_image_prepare();
	for (int i = 0; i < 4; i++)
		want_begin(routers[i % 2], own_machine(), NULL, &wants[i]);
	want_begin(routers[0], own_machine(), NULL, &forgotten);
	rmt_lock(routers[0]);
	rmt_image_forget(&forgotten.wanted);
	rmt_unlock(routers[0]);
	for (int i = 0; i < 4; i++) {
		want_end(routers[i % 2], &wants[i]);
		assert_ptr_equal(wants[i].image, wants[0].image);
	}
	want_begin(routers[0], own_machine(), NULL, &wants[0]);
	assert_int_equal(wants[0].told, 1); /* at once */
	assert_int_equal(ramet_core_image(&core, NULL), 0);
	assert_ptr_equal(core.data, wants[0].image->gzip.data);
	ramet_router_unref(routers[0]);
	ramet_router_unref(routers[1]);
}

static void image_wanted_by_a_router_that_ends_is_forgotten_with_it(void **state)
{
	ramet_router *router = fixture_router(RAMET_POLLER_EPOLL, 0);
	struct want want, again;

	(void)state;
	/* A file of its own, so that it is not there already. */
	want_begin(router, own_machine(), "/proc/self/exe", &want);
	rmt_lock(router);
	rmt_image_forget(&want.wanted);
	rmt_unlock(router);
	ramet_router_unref(router);
	router = fixture_router(RAMET_POLLER_EPOLL, 0);
	want_begin(router, own_machine(), "/proc/self/exe", &again);
	want_end(router, &again);
	assert_non_null(again.image);
	ramet_router_unref(router);
	fixture_wait_threads();
}

static void image_for_a_machine_without_one_says_where_it_was_looked_for(void **state)
{
	ramet_router *router = fixture_router(RAMET_POLLER_EPOLL, 0);
	struct want want;

	(void)state;
	setenv("RAMET_IMAGE_PATH", "/nowhere/one::/nowhere/two", 1);
	want_begin(router, "Linux s390x", NULL, &want);
	unsetenv("RAMET_IMAGE_PATH");
	want_end(router, &want);
	fixture_check_error(&want.error, -ENOENT, "test-image", "Linux s390x", "looked for /",
			    "/test-image.s390x", " /nowhere/one/test-image.s390x",
			    " /nowhere/two/test-image.s390x", "ramet-cc --arch=s390x", NULL);
	want_begin(router, "Darwin arm64", NULL, &want);
	want_end(router, &want);
	fixture_check_error(&want.error, -ENOENT, "Darwin arm64", "Linux", NULL);
	want_begin(router, "Linux ", NULL, &want);
	want_end(router, &want);
	fixture_check_error(&want.error, -ENOENT, NULL);
	/* No name of a machine leads to other files. */
	want_begin(router, "Linux d/../other", NULL, &want);
	want_end(router, &want);
	fixture_check_error(&want.error, -ENOENT, "no image for Linux d/../other: what travels",
			    NULL);
	want_begin(router, "Linux s390x", "/nowhere/file", &want);
	want_end(router, &want);
	fixture_check_error(&want.error, -ENOENT, "image=/nowhere/file", NULL);
	want_begin(router, "Linux s390x", "/proc/self/exe", &want);
	want_end(router, &want);
	fixture_check_error(&want.error, -ENOEXEC, "/proc/self/exe is for Linux ",
			    "not for Linux s390x", NULL);
	want_begin(router, "Linux s390x", "/etc/passwd", &want);
	want_end(router, &want);
	fixture_check_error(&want.error, -ENOEXEC, "/etc/passwd is no executable", NULL);
	ramet_router_unref(router);
	fixture_wait_threads();
}

/* --- files of other machines ---------------------------------------------------------------- */

/* A header, one segment and a loader's name, and sections that are not loaded. */
static size_t make_elf(unsigned char file[512], unsigned char class, unsigned char data,
		       uint16_t machine)
{
	bool wide = class == ELFCLASS64, big = data == ELFDATA2MSB;
	size_t header = wide ? 64 : 52, segment = wide ? 56 : 32;
	const struct {
		size_t at;
		unsigned size;
		uint64_t value;
	} members[] = {
		{16, 2, ET_EXEC},
		{18, 2, machine},
		{wide ? 32 : 28, wide ? 8 : 4, header},
		{wide ? 40 : 32, wide ? 8 : 4, 400},
		{wide ? 54 : 42, 2, segment},
		{wide ? 56 : 44, 2, 1},
		{wide ? 60 : 48, 2, 3},
		{wide ? 62 : 50, 2, 2},
		{header, 4, PT_INTERP},
		{header + (wide ? 8 : 4), wide ? 8 : 4, 200},
		{header + (wide ? 32 : 16), wide ? 8 : 4, 8},
	};

	memset(file, 0, 512);
	memcpy(file, ELFMAG, SELFMAG);
	file[EI_CLASS] = class;
	file[EI_DATA] = data;
	memcpy(file + 200, "/lib/ld", 8);
	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++)
		for (unsigned byte = 0; byte < members[i].size; byte++)
			file[members[i].at + (big ? members[i].size - 1 - byte : byte)] =
				(unsigned char)(members[i].value >> 8 * byte);
	return 512;
}

static void elf_of_every_machine_is_told_by_its_header(void **state)
{
	static const struct {
		unsigned char class, data;
		uint16_t machine;
		const char *name, *not ;
	} machines[] = {
		{ELFCLASS64, ELFDATA2LSB, EM_X86_64, "x86_64", "i686"},
		{ELFCLASS32, ELFDATA2LSB, EM_386, "i686", "aarch64"},
		{ELFCLASS64, ELFDATA2LSB, EM_AARCH64, "aarch64", "armv7l"},
		{ELFCLASS32, ELFDATA2LSB, EM_ARM, "armv7l", "aarch64"},
		{ELFCLASS32, ELFDATA2LSB, EM_ARM, "armv6l", "armv"},
		{ELFCLASS64, ELFDATA2LSB, EM_RISCV, "riscv64", "riscv32"},
		{ELFCLASS64, ELFDATA2LSB, EM_PPC64, "ppc64le", "ppc64"},
		{ELFCLASS64, ELFDATA2MSB, EM_PPC64, "ppc64", "ppc64le"},
		{ELFCLASS64, ELFDATA2MSB, EM_S390, "s390x", ""},
	};
	unsigned char file[512];
	struct rmt_elf elf;

	(void)state;
	for (size_t i = 0; i < sizeof(machines) / sizeof(*machines); i++) {
		size_t size = make_elf(file, machines[i].class, machines[i].data,
				       machines[i].machine);

		assert_int_equal(rmt_elf_read(file, size, &elf), 0);
		assert_true(rmt_elf_is_for(&elf, machines[i].name));
		assert_true(rmt_elf_runs_on(&elf, machines[i].name));
		assert_false(rmt_elf_is_for(&elf, machines[i].not ));
		assert_false(rmt_elf_runs_on(&elf, machines[i].not ));
		assert_int_equal(elf.loader, 200);
		assert_int_equal(elf.loader_size, 7);
		assert_int_equal(elf.end, 208);
		rmt_elf_strip(file, &elf, "");
		assert_int_equal(rmt_elf_read(file, elf.end, &elf), 0);
		/* Cut anywhere, it is none. */
		for (size = 0; size < elf.end; size++)
			assert_int_equal(rmt_elf_read(file, size, &elf), -ENOEXEC);
	}
	make_elf(file, ELFCLASS32, ELFDATA2LSB, EM_386);
	assert_int_equal(rmt_elf_read(file, 512, &elf), 0);
	assert_false(rmt_elf_is_for(&elf, "x86_64"));
	assert_true(rmt_elf_runs_on(&elf, "x86_64"));
	make_elf(file, ELFCLASS64, ELFDATA2LSB, EM_386);
	assert_int_equal(rmt_elf_read(file, 512, &elf), -ENOEXEC);
}

static void elf_with_any_byte_changed_is_read_or_refused(void **state)
{
	unsigned char file[512];
	struct rmt_elf elf;

	(void)state;
	for (unsigned class = ELFCLASS32; class <= ELFCLASS64; class ++)
		for (size_t at = 0; at < 120; at++)
			for (unsigned value = 0; value < 256; value++) {
				make_elf(file, (unsigned char)class, ELFDATA2LSB,
					 class == ELFCLASS32 ? EM_386 : EM_X86_64);
				file[at] = (unsigned char)value;
				if (rmt_elf_read(file, 300, &elf) < 0)
					continue;
				assert_true(elf.end <= 300);
				assert_true(elf.loader + elf.loader_size <= elf.end);
				rmt_elf_strip(file, &elf, "");
			}
}

/* --- sets ------------------------------------------------------------------------------------- */

static void write_file(const char *directory, const char *name, const void *data, size_t size,
		       char path[256])
{
	int fd;

	snprintf(path, 256, "%s/%s", directory, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, size), size);
	close(fd);
}

static void image_of_a_set_is_found_by_the_machine_or_a_relative(void **state)
{
	ramet_router *router = fixture_router(RAMET_POLLER_EPOLL, 0);
	char directory[] = "/tmp/ramet-set-XXXXXX", path[256], other[256];
	unsigned char file[512];
	struct want want;

	(void)state;
	assert_non_null(mkdtemp(directory));
	setenv("RAMET_IMAGE_PATH", directory, 1);
	make_elf(file, ELFCLASS64, ELFDATA2MSB, EM_S390);
	write_file(directory, "test-image.s390x", file, sizeof(file), path);
	want_begin(router, "Linux s390x", NULL, &want);
	want_end(router, &want);
	assert_non_null(want.image);
	assert_int_equal(want.image->plain.size, 208);
	assert_string_equal(want.image->loader, "/lib/ld");
	make_elf(file, ELFCLASS32, ELFDATA2LSB, EM_ARM);
	write_file(directory, "test-image.armv6l", file, sizeof(file), other);
	want_begin(router, "Linux armv7l", NULL, &want);
	want_end(router, &want);
	assert_non_null(want.image);
	assert_string_equal(want.image->machine, "Linux armv7l");
	unlink(other);
	/* A file with the name of another machine. */
	write_file(directory, "test-image.ppc64le", file, sizeof(file), other);
	want_begin(router, "Linux ppc64le", NULL, &want);
	want_end(router, &want);
	fixture_check_error(&want.error, -ENOEXEC, "test-image.ppc64le is for Linux armv7l",
			    "not for Linux ppc64le", NULL);
	unsetenv("RAMET_IMAGE_PATH");
	unlink(path);
	unlink(other);
	rmdir(directory);
	ramet_router_unref(router);
	fixture_wait_threads();
}

/* --- children ----------------------------------------------------------------------------------- */

/* An image that a thread of the parent was making when the child was forked. */
RAMET_FUNCTION(u64, image_size)
{
	ramet_bytes image;
	ramet_error error = RAMET_ERROR_INIT;

	if (ramet_core_image(&image, &error) < 0)
		ramet_fail_error(call, &error);
	return image.size;
}

static void image_can_be_made_in_a_forked_child(void **state)
{
	ramet_router *router = fixture_router(RAMET_POLLER_EPOLL, 0);
	ramet_context *child;
	ramet_error error = RAMET_ERROR_INIT;
	struct want want;
	ramet_bytes image;
	uint64_t size;

	(void)state;
	want_begin(router, own_machine(), "/proc/self/exe", &want);
	child = fixture_connect(router, "fork");
	if (image_size_call(child, &size, &error) < 0)
		fail_msg("%s", error.message);
	want_end(router, &want);
	assert_int_equal(ramet_core_image(&image, NULL), 0);
	assert_int_equal(size, image.size);
	ramet_context_unref(child);
	ramet_router_unref(router);
}

/* The size of the image that a context gets, which has no set of its own. */
RAMET_FUNCTION(u64, wanted_size, (str, machine))
{
	ramet_router *router = ramet_call_router(call);
	struct want want;

	unsetenv("RAMET_IMAGE_PATH");
	want_begin(router, machine, NULL, &want);
	rmt_lock(router);
	rmt_wait(router, was_told, &want, rmt_after(SOON));
	rmt_unlock(router);
	if (!want.image) {
		ramet_fail_error(call, &want.error);
		return 0;
	}
	if (!want.image->gzip.data)
		ramet_fail(call, EIO, "it came without a gzip member");
	return want.image->plain.size;
}

static void image_that_a_context_lacks_is_that_of_its_parents(void **state)
{
	char directory[] = "/tmp/ramet-set-XXXXXX", path[256];
	ramet_router *router = fixture_router(RAMET_POLLER_EPOLL, 0);
	unsigned char *file = calloc(1, 300000);
	ramet_context *below, *between;
	ramet_error error = RAMET_ERROR_INIT;
	uint64_t size = 0;

	(void)state;
	assert_non_null(file);
	assert_non_null(mkdtemp(directory));
	setenv("RAMET_IMAGE_PATH", directory, 1);
	/* Something that does not shrink into one answer. */
	make_elf(file, ELFCLASS64, ELFDATA2LSB, EM_RISCV);
	for (size_t i = 512, random = 1; i < 300000; i++) {
		random = random * 1103515245 + 12345;
		file[i] = (unsigned char)(random >> 16);
	}
	file[64 + 8 + 1] = 2; /* the segment's place, and its size */
	file[64 + 8] = 0;
	file[64 + 32] = 0;
	file[64 + 32 + 1] = 0;
	file[64 + 32 + 2] = 4;
	write_file(directory, "test-image.riscv64", file, 300000, path);
	below = fixture_connect(router, "local/local");
	between = fixture_connect(router, "local");
	assert_true(wanted_size_call(between, "Linux s390x", &size, &error) < 0);
	fixture_check_error(&error, -ENOENT, "Linux s390x", directory, NULL);
	for (int i = 0; i < 2; i++) {
		if (wanted_size_call(i == 0 ? below : between, "Linux riscv64", &size, &error) < 0)
			fail_msg("%s", error.message);
		assert_int_equal(size, 512 + (4 << 16));
		unlink(path); /* on its way to `below` it was kept in `between` */
	}
	assert_true(wanted_size_call(below, "Linux s390x", &size, &error) < 0);
	fixture_check_error(&error, -ENOENT, "Linux s390x", directory, NULL);
	assert_true(wanted_size_call(below, "FreeBSD amd64", &size, &error) < 0);
	fixture_check_error(&error, -ENOENT, "FreeBSD amd64", NULL);
	unsetenv("RAMET_IMAGE_PATH");
	rmdir(directory);
	free(file);
	ramet_context_unref(below);
	ramet_context_unref(between);
	ramet_router_unref(router);
	fixture_wait_threads();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(image_can_be_made_in_a_forked_child),
		FIXTURE_TEST(image_is_made_once_for_all_who_want_it),
		FIXTURE_TEST(image_of_this_machine_is_what_this_program_runs),
		FIXTURE_TEST(image_runs),
		FIXTURE_TEST(image_wanted_by_a_router_that_ends_is_forgotten_with_it),
		FIXTURE_TEST(image_for_a_machine_without_one_says_where_it_was_looked_for),
		FIXTURE_TEST(elf_of_every_machine_is_told_by_its_header),
		FIXTURE_TEST(elf_with_any_byte_changed_is_read_or_refused),
		FIXTURE_TEST(image_that_a_context_lacks_is_that_of_its_parents),
		FIXTURE_TEST(image_of_a_set_is_found_by_the_machine_or_a_relative),
	};

	if (argc == 2 && strcmp(argv[1], "--answer") == 0)
		return 42;
	fixture_child(argc, argv);
	ramet_init(argc, argv);
	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
