/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/shelf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "core/fetch.h"
#include "parent/digest.h"
#include "parent/module.h"

struct item {
	struct rmt_list node; /* in shelf.items, what was wanted last at the end */
	struct rmt_fetch fetch;
	enum rmt_part part;
	char name[RMT_PART_NAME_MAX + 1];
	bool ready; /* fetch has ended: bytes or error say how */
	bool stale; /* nobody finds it any more: it goes when it is ready */
	struct rmt_list wanted;
};

static struct {
	struct rmt_list items;
} shelf = {.items = {&shelf.items, &shelf.items}};

static void item_free(struct item *item)
{
	rmt_list_remove(&item->node);
	rmt_fetch_done(&item->fetch);
	free(item);
}

/* What the bytes have to hash to; NULL: they say themselves what something hashes to. */
static const char *digest_of(const struct item *item)
{
	return item->part == RMT_PART_MODULE ? rmt_module_digest(item->name) : item->name;
}

static bool is_module_content(const struct item *item)
{
	return item->part == RMT_PART_MODULE && digest_of(item);
}

static bool is_module_name(const struct item *item)
{
	return item->part == RMT_PART_MODULE && !digest_of(item);
}

static struct item *find(enum rmt_part part, const char *name)
{
	struct rmt_list *node, *following;

	rmt_list_each(&shelf.items, node, following) {
		struct item *item = RMT_CONTAINER(node, struct item, node);

		if (item->part == part && !item->stale && strcmp(item->name, name) == 0)
			return item;
	}
	return NULL;
}

/* The oldest go first. Those that are still on their way are bounded by who may ask. */
static void trim(bool (*is_one)(const struct item *item), size_t max, bool in_bytes)
{
	struct rmt_list *node, *following;
	size_t sum = 0;

	for (node = shelf.items.previous; node != &shelf.items; node = following) {
		struct item *item = RMT_CONTAINER(node, struct item, node);

		following = node->previous;
		if (!is_one(item) || !item->ready)
			continue;
		sum += in_bytes ? item->fetch.bytes.size : 1;
		if (sum > max)
			item_free(item);
	}
}

static void tell(const struct item *item, struct rmt_shelf_wanted *wanted)
{
	const struct rmt_fetch *fetch = &item->fetch;

	if (fetch->error.code)
		wanted->done(wanted, NULL, 0, &fetch->error);
	else
		wanted->done(wanted, fetch->bytes.data, fetch->bytes.size, NULL);
}

static void check(struct item *item)
{
	struct rmt_fetch *fetch = &item->fetch;
	const char *digest = digest_of(item);
	struct rmt_sha256 sha;
	char text[65];

	if (fetch->error.code || !digest)
		return;
	rmt_sha256_init(&sha);
	rmt_sha256_update(&sha, fetch->bytes.data, fetch->bytes.size);
	rmt_sha256_text(&sha, text);
	if (strcmp(text, digest) != 0)
		rmt_error_set(&fetch->error, EPROTO, "what came for '%s' is something else",
			      item->name);
}

/* A failure is remembered when it is an answer: nobody above has that name. */
static bool is_worth_keeping(const struct item *item)
{
	int code = item->fetch.error.code;

	return !item->stale && (code == 0 || (code == -ENOENT && is_module_name(item)));
}

static void fetched(struct rmt_fetch *fetch)
{
	struct item *item = RMT_CONTAINER(fetch, struct item, fetch);
	struct rmt_list wanted;

	check(item);
	item->ready = true;
	rmt_list_init(&wanted);
	rmt_list_move(&wanted, &item->wanted);
	while (!rmt_list_empty(&wanted)) {
		struct rmt_shelf_wanted *one = rmt_list_first(&wanted, struct rmt_shelf_wanted,
							      node);

		rmt_list_remove(&one->node);
		tell(item, one);
	}
	if (!is_worth_keeping(item))
		item_free(item);
	trim(is_module_content, RMT_MODULES_KEPT, true);
	trim(is_module_name, RMT_MODULE_NAMES_KEPT, false);
}

/* Asks for it above. */
static struct item *item_new(ramet_router *router, enum rmt_part part, const char *name,
			     ramet_error *error)
{
	struct item *item = calloc(1, sizeof(*item));
	int r = item ? rmt_fetch_start(&item->fetch, router, part, name, fetched) : -ENOMEM;

	if (r < 0) {
		free(item);
		rmt_error_set(error, r, "'%s' cannot be asked for: %s", name, rmt_strerror(r));
		return NULL;
	}
	item->part = part;
	memcpy(item->name, name, strnlen(name, RMT_PART_NAME_MAX));
	rmt_list_init(&item->wanted);
	rmt_list_append(&shelf.items, &item->node);
	return item;
}

void rmt_shelf_want(ramet_router *router, enum rmt_part part, const char *name,
		    struct rmt_shelf_wanted *wanted)
{
	struct item *item = find(part, name);
	ramet_error error = RAMET_ERROR_INIT;

	rmt_list_init(&wanted->node);
	if (!item)
		item = item_new(router, part, name, &error);
	if (!item) {
		wanted->done(wanted, NULL, 0, &error);
		ramet_error_clear(&error);
		return;
	}
	rmt_list_remove(&item->node);
	rmt_list_append(&shelf.items, &item->node);
	if (item->ready)
		tell(item, wanted);
	else
		rmt_list_append(&item->wanted, &wanted->node);
}

void rmt_shelf_forget(struct rmt_shelf_wanted *wanted)
{
	rmt_list_remove(&wanted->node);
}

void rmt_shelf_names_changed(void)
{
	struct rmt_list *node, *following;

	rmt_list_each(&shelf.items, node, following) {
		struct item *item = RMT_CONTAINER(node, struct item, node);

		if (!is_module_name(item))
			continue;
		/* An answer that is on its way may be one from before. */
		item->stale = true;
		if (item->ready)
			item_free(item);
	}
}

void rmt_shelf_forked(void)
{
	struct rmt_list *node, *following;

	/* The memory of what was on its way belongs to the parent's router. */
	rmt_list_each(&shelf.items, node, following) {
		struct item *item = RMT_CONTAINER(node, struct item, node);

		if (!item->ready)
			rmt_list_remove(node);
		else if (is_module_name(item))
			item_free(item);
	}
}

void rmt_shelf_done(void)
{
	while (!rmt_list_empty(&shelf.items))
		item_free(rmt_list_first(&shelf.items, struct item, node));
}
