/* SPDX-License-Identifier: BSD-3-Clause */
/* Handshakes and errors from a peer: whatever decodes must encode to something that decodes to the
 * same again. */
#include <stdlib.h>
#include <string.h>

#include "wire/handshake.h"

#define ENV_MAX 8

static void check(bool holds)
{
	if (!holds)
		abort();
}

static bool same(struct rmt_text a, struct rmt_text b)
{
	return !a.data == !b.data && a.size == b.size &&
	       (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static void try_welcome(const uint8_t *data, size_t size)
{
	struct rmt_text env[ENV_MAX], env_again[ENV_MAX];
	struct rmt_welcome welcome, again;
	struct rmt_buffer out = RMT_BUFFER_INIT;

	if (rmt_welcome_decode(data, size, env, ENV_MAX, &welcome) < 0)
		return;
	rmt_welcome_encode(&welcome, &out);
	check(rmt_welcome_decode(out.data, out.size, env_again, ENV_MAX, &again) == 0);
	check(again.id == welcome.id && again.parent_count == welcome.parent_count);
	check(same(again.path, welcome.path) && same(again.setup.cwd, welcome.setup.cwd));
	check(again.setup.env_count == welcome.setup.env_count);
	for (size_t i = 0; i < again.setup.env_count; i++)
		check(same(env[i], env_again[i]));
	rmt_buffer_done(&out);
}

static void try_hello(const uint8_t *data, size_t size)
{
	struct rmt_hello hello, again;
	struct rmt_buffer out = RMT_BUFFER_INIT;
	struct rmt_text text;
	int code, r = rmt_hello_decode(data, size, &hello, &code, &text);

	if (r < 0)
		return;
	if (r == 0) {
		check(code > 0 && text.data);
		return;
	}
	rmt_hello_encode(&hello, &out);
	check(rmt_hello_decode(out.data, out.size, &again, &code, &text) == 1);
	check(again.pid == hello.pid && again.program == hello.program);
	check(same(again.machine, hello.machine) && same(again.host, hello.host));
	rmt_buffer_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rmt_failure failure;

	try_welcome(data, size);
	try_hello(data, size);
	if (rmt_failure_decode(data, size, &failure) == 0)
		check(failure.code > 0 && failure.where.data && failure.text.data);
	return 0;
}
