/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fixture.h"
#include "parent/digest.h"

/* FIPS 180-4 examples; the last is 10^6 times "a". */
static void sha256_is_that_of_the_standard(void **state)
{
	static const struct {
		const char *text, *digest;
	} vectors[] = {
		{"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		{"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
		{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		 "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
	};
	char text[65], *many = malloc(1000000);
	struct rmt_sha256 sha;

	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++) {
		rmt_sha256_init(&sha);
		rmt_sha256_update(&sha, vectors[i].text, strlen(vectors[i].text));
		rmt_sha256_text(&sha, text);
		assert_string_equal(text, vectors[i].digest);
	}
	assert_non_null(many);
	memset(many, 'a', 1000000);
	rmt_sha256_init(&sha);
	rmt_sha256_update(&sha, many, 1000000);
	rmt_sha256_text(&sha, text);
	assert_string_equal(text,
			    "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	free(many);
}

/* CRC RevEng's check values of CRC-32/CKSUM (without the length) and CRC-32/ISO-HDLC are for
 * "123456789"; with its length, cksum prints 930766865. */
static void checksums_are_the_known_ones(void **state)
{
	struct rmt_cksum sum;

	(void)state;
	rmt_cksum_init(&sum);
	assert_int_equal(rmt_cksum_value(&sum), 4294967295u);
	rmt_cksum_update(&sum, "123456789", 9);
	assert_int_equal(rmt_cksum_value(&sum), 930766865);
	assert_int_equal(rmt_crc32("123456789", 9), 0xcbf43926);
	assert_int_equal(rmt_crc32("", 0), 0);
}

/* What the target's own tool says of the same bytes, which it reads from a file. */
static void tool_says(const char *tool, const unsigned char *data, size_t size, char *word)
{
	char name[] = "/tmp/ramet-digest-XXXXXX", command[256];
	int fd = mkstemp(name);
	FILE *pipe;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, size), size);
	close(fd);
	snprintf(command, sizeof(command), "cat %s | %s", name, tool);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	assert_int_equal(fscanf(pipe, "%79s", word), 1);
	assert_int_equal(pclose(pipe), 0);
	unlink(name);
}

/* Sizes around the edges of a block, fed in uneven pieces, and continued from a copy. */
static void digests_are_those_of_the_tools(void **state)
{
	static const size_t sizes[] = {0, 1, 54, 55, 56, 63, 64, 65, 119, 120, 128, 1000, 70001};
	unsigned char *data = malloc(70001);
	uint32_t random = 1;

	(void)state;
	assert_non_null(data);
	for (size_t i = 0; i < 70001; i++) {
		random = random * 1103515245 + 12345;
		data[i] = (unsigned char)(random >> 16);
	}
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct rmt_sha256 sha, copy;
		struct rmt_cksum sum;
		char word[80], text[65];
		size_t half = sizes[i] / 2;

		rmt_sha256_init(&sha);
		rmt_cksum_init(&sum);
		for (size_t at = 0, step = 1; at < half; at += step, step = step % 97 + 1) {
			size_t n = half - at < step ? half - at : step;

			rmt_sha256_update(&sha, data + at, n);
			rmt_cksum_update(&sum, data + at, n);
		}
		copy = sha;
		rmt_sha256_update(&sha, "something else", 14);
		rmt_sha256_update(&copy, data + half, sizes[i] - half);
		rmt_cksum_update(&sum, data + half, sizes[i] - half);
		tool_says("sha256sum", data, sizes[i], word);
		rmt_sha256_text(&copy, text);
		assert_string_equal(text, word);
		tool_says("cksum", data, sizes[i], word);
		assert_int_equal(rmt_cksum_value(&sum), strtoul(word, NULL, 10));
		/* The trailer of a gzip member has the CRC, its lowest byte first. */
		tool_says("gzip -c | tail -c 8 | od -An -tu4 --endian=little -N4", data, sizes[i],
			  word);
		assert_int_equal(rmt_crc32(data, sizes[i]), strtoul(word, NULL, 10));
	}
	free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(sha256_is_that_of_the_standard),
		FIXTURE_TEST(checksums_are_the_known_ones),
		FIXTURE_TEST(digests_are_those_of_the_tools),
	};

	fixture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
