/* SPDX-License-Identifier: BSD-3-Clause */
/* What is sent, and what gzip(1), sha256sum(1) and cksum(1) make of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/macro.h"
#include "core/landing.h"
#include "fixture.h"
#include "parent/payload.h"

static char directory[] = "/tmp/test-payload-XXXXXX";

static const size_t welcome_sizes[] = {0, 1, 65534, 65535, 65536, 131070, 200000};

static void file_path(const char *name, char path[64])
{
	snprintf(path, 64, "%s/%s", directory, name);
}

static void write_file(const char *name, const void *data, size_t size)
{
	char path[64];
	FILE *file;

	file_path(name, path);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

static unsigned char *read_file(const char *name, size_t *ret_size)
{
	char path[64];
	unsigned char *data = malloc(1 << 20);
	FILE *file;

	file_path(name, path);
	file = fopen(path, "re");
	assert_non_null(file);
	assert_non_null(data);
	*ret_size = fread(data, 1, 1 << 20, file);
	fclose(file);
	return data;
}

static void shell(const char *command)
{
	char line[256];

	snprintf(line, sizeof(line), "cd %s && { %s; }", directory, command);
	assert_int_equal(system(line), 0); /* NOLINT: of a test's own words */
}

static unsigned char *noise(size_t size)
{
	unsigned char *data = malloc(size + 1);
	uint32_t number = 12345;

	assert_non_null(data);
	for (size_t i = 0; i < size; i++) {
		number = number * 1664525u + 1013904223u;
		data[i] = (unsigned char)(number >> 24);
	}
	return data;
}

/* An image with its compressed form, which gzip(1) has made. */
static struct rmt_image image_new(void)
{
	struct rmt_image image = {0};
	unsigned char *plain = noise(70001), *gzip;
	size_t size;

	write_file("plain", plain, 70001);
	shell("gzip -9c plain >compressed");
	gzip = read_file("compressed", &size);
	image.plain = (ramet_bytes){plain, 70001};
	image.gzip = (ramet_bytes){gzip, size};
	rmt_cksum_init(&image.cksum);
	rmt_cksum_update(&image.cksum, plain, 70001);
	return image;
}

static void image_free(struct rmt_image *image)
{
	free((void *)image->plain.data);
	free((void *)image->gzip.data);
}

/* What the target ends up with, and the digest that its tool prints for that. */
static void check(const struct rmt_image *image, bool gzip, bool cksum, size_t size)
{
	unsigned char *bytes = noise(size), *got;
	struct rmt_buffer welcome = RMT_BUFFER_INIT, out = RMT_BUFFER_INIT, all = RMT_BUFFER_INIT;
	char format[8], announced[80], printed[80], *end;
	size_t announced_size, got_size;

	rmt_buffer_append(&welcome, bytes, size);
	rmt_payload_append(image, gzip, cksum, &welcome, &out);
	assert_int_equal(out.error, 0);
	end = memchr(out.data, '\n', out.size);
	assert_non_null(end);
	assert_int_equal(
		sscanf((char *)out.data, "%zu %7s %79s\n", &announced_size, format, announced), 3);
	assert_string_equal(format, gzip ? "gzip" : "plain");
	assert_int_equal(announced_size, out.size - (size_t)(end + 1 - (char *)out.data));
	write_file("sent", end + 1, announced_size);
	shell(gzip ? "gzip -dc sent >got" : "cp sent got");

	got = read_file("got", &got_size);
	rmt_buffer_append(&all, image->plain.data, image->plain.size);
	rmt_landing_append(bytes, size, &all);
	assert_int_equal(got_size, all.size);
	assert_memory_equal(got, all.data, all.size);

	/* gzip has sums of its own. */
	shell(gzip ? "echo - >digest" : cksum ? "cksum <got >digest" : "wc -c <got >digest");
	free(got);
	got = read_file("digest", &got_size);
	got[got_size] = '\0';
	assert_int_equal(sscanf((char *)got, "%79s", printed), 1);
	assert_string_equal(printed, announced);
	free(got);
	free(bytes);
	rmt_buffer_done(&welcome);
	rmt_buffer_done(&out);
	rmt_buffer_done(&all);
}

static void payload_of_each_kind_is_what_tools_say(void **state)
{
	struct rmt_image image = image_new();

	(void)state;
	for (size_t i = 0; i < RMT_COUNT(welcome_sizes); i++) {
		check(&image, true, false, welcome_sizes[i]);
		check(&image, false, false, welcome_sizes[i]);
		check(&image, false, true, welcome_sizes[i]);
	}
	image_free(&image);
}

/* A buffer that could not grow stays as it is, and says so. */
static void payload_behind_an_error_keeps_it(void **state)
{
	struct rmt_image image = image_new();
	struct rmt_buffer welcome = RMT_BUFFER_INIT, out = RMT_BUFFER_INIT;

	(void)state;
	out.error = -ENOMEM;
	rmt_payload_append(&image, true, true, &welcome, &out);
	assert_int_equal(out.error, -ENOMEM);
	rmt_buffer_done(&out);
	image_free(&image);
}

static int make_directory(void **state)
{
	(void)state;
	return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
	static const char *const names[] = {"plain", "compressed", "sent", "got", "digest"};
	char path[64];

	(void)state;
	for (size_t i = 0; i < RMT_COUNT(names); i++) {
		file_path(names[i], path);
		unlink(path);
	}
	return rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(payload_of_each_kind_is_what_tools_say),
		FIXTURE_TEST(payload_behind_an_error_keeps_it),
	};

	fixture_init();
	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
