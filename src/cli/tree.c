/* SPDX-License-Identifier: BSD-3-Clause */
/* ramet tree: starts contexts and draws them. */
#include <string.h>

#include "cli/command.h"
#include "cli/contexts.h"
#include "cli/output.h"
#include "cli/tree-draw.h"

static int tree_main(int argc, char **argv)
{
	struct rmt_buffer out = RMT_BUFFER_INIT;
	struct rmt_tree tree;
	ramet_router *router;
	ramet_group *group;
	size_t lost;
	int status = rmt_start_contexts(argv[0], &router, &group), r;

	(void)argc;
	if (status)
		return status;
	r = rmt_tree_explore(router, &tree, &lost);
	if (r < 0) {
		rmt_complain("%s", strerror(-r));
		status = RMT_EXIT_FAILURE;
	} else {
		rmt_tree_draw(&tree, &out);
		status = rmt_print(&out, lost > 0 ? RMT_EXIT_UNREACHABLE : 0);
	}
	rmt_tree_done(&tree);
	ramet_group_unref(group);
	ramet_router_unref(router);
	return status;
}

const struct rmt_command rmt_command_tree = {
	.name = "tree",
	.help = "usage: ramet tree PATHS\n"
		"\n"
		"Starts the contexts of the paths and draws all of them, those on the way too,\n"
		"with process id, host, machine, and the time of a call there and back (the\n"
		"median of five). Lines are drawn in UTF-8 where LC_ALL, LC_CTYPE or LANG names\n"
		"it, and in ASCII elsewhere.\n"
		"\n"
		"  $ ramet tree 'local*2/local*2'\n"
		"\n"
		"Exit status: 255 when a context could not be reached or was lost.\n",
	.least = 1,
	.most = 1,
	.main = tree_main,
};
