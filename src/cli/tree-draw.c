/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/tree-draw.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/format.h"
#include "cli/contexts.h"
#include "cli/functions.h"
#include "cli/output.h"

/* --- asking ----------------------------------------------------------------------------------- */

/* Contexts of the tree that have the same distance from the master. */
struct level {
	struct rmt_tree **nodes;
	size_t count;
};

static int node_fill(struct rmt_tree *node, const description *answer)
{
	size_t count = answer->children.count;

	node->host = strdup(answer->host);
	node->machine = strdup(answer->machine);
	node->children = calloc(count ? count : 1, sizeof(*node->children));
	if (!node->host || !node->machine || !node->children)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		node->children[i] = (struct rmt_tree){
			.context = ramet_context_ref(answer->children.items[i]), .round_trip = -1};
	node->count = count;
	return 0;
}

/* Asks all of a level at the same time. */
static int level_ask(const struct level *level, size_t *lost)
{
	ramet_receiver **asked = calloc(level->count, sizeof(*asked));
	ramet_error error = RAMET_ERROR_INIT;
	int r = 0;

	if (!asked)
		return -ENOMEM;
	for (size_t i = 0; i < level->count; i++)
		if (describe_start(level->nodes[i]->context, &asked[i], &error) < 0)
			rmt_complain_error(ramet_context_path(level->nodes[i]->context), &error);
	for (size_t i = 0; i < level->count; i++) {
		struct rmt_tree *node = level->nodes[i];
		description answer;

		if (asked[i] && describe_finish(asked[i], -1, &answer, &error) == 0) {
			if (r == 0)
				r = node_fill(node, &answer);
			description_clear(&answer);
		} else {
			if (asked[i])
				rmt_complain_error(ramet_context_path(node->context), &error);
			(*lost)++;
		}
		ramet_receiver_unref(asked[i]);
	}
	free(asked);
	return r;
}

static int level_below(const struct level *level, struct level *ret_below)
{
	struct level below = {0};

	for (size_t i = 0; i < level->count; i++)
		below.count += level->nodes[i]->count;
	below.nodes = calloc(below.count ? below.count : 1, sizeof(struct rmt_tree *));
	if (!below.nodes)
		return -ENOMEM;
	below.count = 0;
	for (size_t i = 0; i < level->count; i++)
		for (size_t j = 0; j < level->nodes[i]->count; j++)
			below.nodes[below.count++] = &level->nodes[i]->children[j];
	*ret_below = below;
	return 0;
}

int rmt_tree_explore(ramet_router *router, struct rmt_tree *ret_tree, size_t *ret_lost)
{
	struct rmt_tree *root = ret_tree;
	struct level level = {&root, 1};
	int r = 0;

	*ret_tree = (struct rmt_tree){.context = ramet_context_ref(ramet_router_self(router)),
				      .round_trip = -1};
	*ret_lost = 0;
	while (level.count > 0) {
		struct level below = {0};

		r = level_ask(&level, ret_lost);
		/* One after the other: what is measured is not how they get in each other's way. */
		for (size_t i = 0; i < level.count; i++)
			if (level.nodes[i] != root && level.nodes[i]->host)
				level.nodes[i]->round_trip = rmt_round_trip(
					level.nodes[i]->context);
		if (r == 0)
			r = level_below(&level, &below);
		if (level.nodes != &root)
			free(level.nodes);
		level = below;
	}
	free(level.nodes);
	return r;
}

void rmt_tree_done(struct rmt_tree *tree)
{
	for (size_t i = 0; i < tree->count; i++)
		rmt_tree_done(&tree->children[i]);
	free(tree->children);
	free(tree->host);
	free(tree->machine);
	ramet_context_unref(tree->context);
}

/* --- drawing ---------------------------------------------------------------------------------- */

enum { PLACE, PID, HOST, MACHINE, TIME, COLUMNS };

struct row {
	struct row *next;
	char *texts[COLUMNS];
};

struct drawing {
	const char *fork, *corner, *line, *unit;
	bool harmless, failed;
	struct row *first, **last;
	int widths[COLUMNS];
};

/* Columns on a terminal: characters. */
static int width_of(const char *text)
{
	int width = 0;

	for (; *text; text++)
		width += (*text & 0xc0) != 0x80;
	return width;
}

void rmt_put_column(struct rmt_buffer *out, const char *text, int width)
{
	int missing = abs(width) - width_of(text);

	if (width < 0)
		rmt_buffer_printf(out, "%*s", missing > 0 ? missing : 0, "");
	rmt_buffer_append(out, text, strlen(text));
	if (width > 0)
		rmt_buffer_printf(out, "%*s", missing > 0 ? missing : 0, "");
}

static void row_put(struct drawing *drawing, struct row *row, int column, const char *before,
		    const char *text)
{
	struct rmt_buffer out = RMT_BUFFER_INIT;

	rmt_buffer_append(&out, before, strlen(before));
	rmt_put_text(&out, text, strlen(text), drawing->harmless);
	row->texts[column] = rmt_buffer_steal_string(&out);
	if (row->texts[column])
		drawing->widths[column] = RMT_MAX(drawing->widths[column],
						  width_of(row->texts[column]));
	else
		drawing->failed = true;
}

static struct row *row_new(struct drawing *drawing)
{
	struct row *row = calloc(1, sizeof(*row));

	if (!row) {
		drawing->failed = true;
		return NULL;
	}
	*drawing->last = row;
	drawing->last = &row->next;
	return row;
}

static void add_node(struct drawing *drawing, const struct rmt_tree *node, const char *before)
{
	struct row *row = row_new(drawing);
	const char *path = ramet_context_path(node->context);
	char pid[16], time[48] = "-";

	if (!row)
		return;
	rmt_format(pid, sizeof(pid), "%d", ramet_context_pid(node->context));
	if (node->round_trip >= 0)
		rmt_format(time, sizeof(time), "%lld %s", (long long)node->round_trip,
			   drawing->unit);
	row_put(drawing, row, PLACE, before, *path ? path : "(master)");
	row_put(drawing, row, PID, "", pid);
	row_put(drawing, row, HOST, "", node->host ? node->host : "(lost)");
	row_put(drawing, row, MACHINE, "", node->machine ? node->machine : "-");
	row_put(drawing, row, TIME, "", time);
}

/* `lines` is what stands before the branch of a child of the node. */
static void add_below(struct drawing *drawing, const struct rmt_tree *node, const char *lines)
{
	for (size_t i = 0; i < node->count; i++) {
		bool last = i + 1 == node->count;
		char *branch = rmt_format_new("%s%s", lines,
					      last ? drawing->corner : drawing->fork);
		char *below = rmt_format_new("%s%s", lines, last ? "    " : drawing->line);

		if (branch && below) {
			add_node(drawing, &node->children[i], branch);
			add_below(drawing, &node->children[i], below);
		} else {
			drawing->failed = true;
		}
		free(branch);
		free(below);
	}
}

static void put_row(const struct drawing *drawing, const struct row *row, struct rmt_buffer *out)
{
	static const bool right[COLUMNS] = {[PID] = true, [TIME] = true};

	for (int i = 0; i < COLUMNS; i++) {
		if (i > 0)
			rmt_buffer_append(out, "  ", 2);
		rmt_put_column(out, row->texts[i],
			       right[i] ? -drawing->widths[i] : drawing->widths[i]);
	}
	rmt_buffer_append_byte(out, '\n');
}

void rmt_tree_draw(const struct rmt_tree *tree, struct rmt_buffer *out)
{
	static const char *const heads[COLUMNS] = {"CONTEXT", "PID", "HOST", "MACHINE",
						   "ROUND TRIP"};
	struct drawing drawing = {"|-- ", "`-- ", "|   ", "us", .last = &drawing.first};
	struct row *head;

	drawing.harmless = rmt_is_terminal(STDOUT_FILENO);
	if (rmt_locale_is_utf8()) {
		drawing.fork = "├── ";
		drawing.corner = "└── ";
		drawing.line = "│   ";
		drawing.unit = "µs";
	}
	head = row_new(&drawing);
	for (int i = 0; head && i < COLUMNS; i++)
		row_put(&drawing, head, i, "", heads[i]);
	add_node(&drawing, tree, "");
	add_below(&drawing, tree, "");
	if (drawing.failed)
		out->error = -ENOMEM;
	for (struct row *row = drawing.first, *next; row; row = next) {
		if (!drawing.failed)
			put_row(&drawing, row, out);
		for (int i = 0; i < COLUMNS; i++)
			free(row->texts[i]);
		next = row->next;
		free(row);
	}
}
