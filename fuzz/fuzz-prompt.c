/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a tool prints. The first byte chooses the tool (s: ssh, o: sudo, u: su, d: doas), the second the
 * size of the pieces in which the rest arrives (1 to 16). In the rest, 1e is a password that is sent,
 * and 1f changes between the terminal and the errors.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "parent/prompt.h"
#include "wire/cbor.h"

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void check_text(const struct rmt_prompter *prompter)
{
	size_t size = strnlen(prompter->text, sizeof(prompter->text));

	check(size > 0 && size < sizeof(prompter->text));
	check(rmt_utf8_valid(prompter->text, size));
	for (size_t i = 0; i < size; i++)
		check((unsigned char)prompter->text[i] >= 0x20 && prompter->text[i] != 0x7f);
}

static const struct rmt_prompts *tool(uint8_t letter)
{
	switch (letter) {
	case 's':
		return &rmt_prompts_ssh;
	case 'o':
		return &rmt_prompts_sudo;
	case 'u':
		return &rmt_prompts_su;
	default:
		return letter == 'd' ? &rmt_prompts_doas : NULL;
	}
}

static void feed(struct rmt_prompter *prompter, enum rmt_prompt_source source, const char *data,
		 size_t size)
{
	while (size > 0) {
		size_t taken = size + 1;
		bool sent = prompter->sent;
		enum rmt_prompt_event event;

		event = rmt_prompter_feed(prompter, source, data, size, &taken);
		check(taken > 0 && taken <= size);
		check(event != RMT_PROMPT_NOTHING || taken == size);
		if (event != RMT_PROMPT_NOTHING) {
			check_text(prompter);
			check((prompter->code < 0) == (event == RMT_PROMPT_FAILED));
			check(event != RMT_PROMPT_PASSWORD || !sent);
		}
		data += taken;
		size -= taken;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rmt_prompter prompter;
	int source = RMT_FROM_TERMINAL;
	size_t from = 2, piece;

	if (size < 2)
		return 0;
	rmt_prompter_init(&prompter, tool(data[0]));
	piece = data[1] % 16u + 1;
	for (size_t at = 2; at <= size; at++) {
		bool special = at < size && (data[at] == 0x1e || data[at] == 0x1f);

		if (at < size && !special && at - from < piece)
			continue;
		feed(&prompter, (enum rmt_prompt_source)source, (const char *)data + from,
		     at - from);
		from = at + special;
		if (special && data[at] == 0x1e)
			rmt_prompter_sent(&prompter);
		else if (special)
			source = !source;
	}
	if (rmt_prompter_explain(&prompter)) {
		check_text(&prompter);
		check(prompter.code < 0);
	}
	rmt_prompter_required(&prompter);
	check_text(&prompter);
	return 0;
}
