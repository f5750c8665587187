/* SPDX-License-Identifier: BSD-3-Clause */
/* Paths from a user or a peer: what parses has hops that parse again, alone, to the same. */
#include <stdlib.h>
#include <string.h>

#include "parent/path.h"

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void check_hop(const struct rmt_hop *hop)
{
	struct rmt_hop again;

	check(rmt_hop_parse(hop->text, strlen(hop->text), &again, NULL) == 0);
	check(strcmp(again.method, hop->method) == 0 && again.key_count == hop->key_count);
	check(!again.target == !hop->target);
	check(!again.target || strcmp(again.target, hop->target) == 0);
	for (size_t i = 0; i < hop->key_count; i++)
		check(strcmp(again.keys[i].value, rmt_hop_key(hop, again.keys[i].name)) == 0);
	check(again.count == 1 && again.index == 0);
	rmt_hop_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ramet_error error = RAMET_ERROR_INIT;
	struct rmt_path path;

	if (rmt_path_parse((const char *)data, size, &path, &error) == 0) {
		check(path.count > 0 && !error.code);
		for (size_t i = 0; i < path.count; i++) {
			check_hop(&path.hops[i]);
			for (size_t k = 0; k < path.hops[i].member_count; k++) {
				check(path.hops[i].members[k].member_count == 0);
				check_hop(&path.hops[i].members[k]);
			}
		}
		rmt_path_done(&path);
	} else {
		check(error.code < 0 && error.message);
	}
	ramet_error_clear(&error);
	return 0;
}
