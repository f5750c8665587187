/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a first stage and the tool around it print. The first byte is the size of the pieces in which the rest arrives
 * (1 to 256); each "@" of the rest stands for the marker with the right nonce. Events are well formed and do not depend
 * on the pieces.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "parent/stage.h"

#define NONCE "0123456789abcdef"

static void check(bool holds)
{
	if (!holds)
		abort();
}

/* Points into the line, and ends there. */
static void check_text(const struct rmt_stage *stage, const char *text)
{
	check(text >= stage->line && text <= stage->line + stage->line_size);
	check(text + strlen(text) <= stage->line + stage->line_size);
}

static void check_event(const struct rmt_stage *stage, enum rmt_stage_event event)
{
	check(stage->line_size <= RMT_STAGE_LINE_MAX);
	if (event == RMT_STAGE_NOTHING)
		return;
	check(stage->line[stage->line_size] == '\0');
	if (event == RMT_STAGE_LINE)
		check(!memchr(stage->line, '\n', stage->line_size));
	if (event == RMT_STAGE_READY) {
		check_text(stage, stage->machine);
		check_text(stage, stage->place);
		check(*stage->machine);
	}
	if (event == RMT_STAGE_FAILED) {
		check_text(stage, stage->phase);
		check(!strchr(stage->phase, ':'));
		/* Perhaps a constant. */
		check(strlen(stage->text) <= stage->line_size);
	}
}

/* A digest of all events. */
static uint64_t run(const unsigned char *data, size_t size, size_t piece)
{
	struct rmt_stage stage = {.nonce = NONCE};
	uint64_t sum = 14695981039346656037u;

	for (size_t at = 0; at < size;) {
		size_t part = RMT_MIN(size - at, piece), taken = part + 1;
		unsigned char *copy = malloc(part);
		enum rmt_stage_event event;

		check(copy);
		memcpy(copy, data + at, part);
		event = rmt_stage_feed(&stage, copy, part, &taken);
		free(copy);
		check(taken <= part && (taken > 0 || event != RMT_STAGE_NOTHING));
		check(event != RMT_STAGE_NOTHING || taken == part);
		check_event(&stage, event);
		at += taken;
		if (event == RMT_STAGE_NOTHING)
			continue;
		sum = (sum ^ event ^ at << 8) * 1099511628211u;
		for (size_t i = 0; i < stage.line_size; i++)
			sum = (sum ^ (unsigned char)stage.line[i]) * 1099511628211u;
	}
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char marker[] = "ramet:" NONCE ":";
	struct rmt_buffer text = RMT_BUFFER_INIT;
	uint64_t whole;

	if (size < 1)
		return 0;
	for (size_t i = 1; i < size; i++) {
		if (data[i] == '@')
			rmt_buffer_append(&text, marker, sizeof(marker) - 1);
		else
			rmt_buffer_append_byte(&text, data[i]);
	}
	check(text.error == 0);
	whole = run(text.data, text.size, text.size);
	check(run(text.data, text.size, data[0] + 1u) == whole);
	check(run(text.data, text.size, 1) == whole);
	rmt_buffer_done(&text);
	return 0;
}
