/* SPDX-License-Identifier: BSD-3-Clause */
/* Finds the subcommand, and looks at the options, of which there are few. */
#include "cli/command.h"

#include <string.h>

#include "base/macro.h"
#include "cli/output.h"

static const char usage[] =
	"usage: ramet SUBCOMMAND ...\n"
	"\n"
	"Starts copies of itself wherever a path leads, and works in them.\n"
	"\n"
	"  ramet run PATHS -- COMMAND...   run a command in every context of the paths\n"
	"  ramet tree PATHS                start the contexts and draw their tree\n"
	"  ramet doctor PATH               walk a path and tell each step\n"
	"  ramet listen SOCKET             wait there for contexts that want a child\n"
	"  ramet demo [DIRECTORY]          count words with a tree of local contexts\n"
	"  ramet help [SUBCOMMAND]         this text, or that of the subcommand\n"
	"  ramet --version                 the version\n"
	"\n"
	"PATHS are separated by commas; a path is a chain of hops, each started by the\n"
	"one before it:\n"
	"\n"
	"  local               a child process of this machine\n"
	"  local*4             four of them\n"
	"  local*2/local*2     four, below two others\n"
	"  local?nice=5&cwd=%2Ftmp,fork    two, the first with keys\n"
	"  ssh:user@host/sudo/local        another machine, root there, a child of that\n"
	"  ssh:node[01-50]                 fifty machines\n"
	"\n"
	"A subcommand with --help says more; so do ramet(1) and ramet-paths(7).\n";

static const struct rmt_command *const commands[] = {&rmt_command_run, &rmt_command_tree,
						     &rmt_command_doctor, &rmt_command_listen,
						     &rmt_command_demo};

static const struct rmt_command *find(const char *name)
{
	for (size_t i = 0; i < RMT_COUNT(commands); i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

static int print(const char *text)
{
	struct rmt_buffer out = RMT_BUFFER_INIT;

	rmt_buffer_append(&out, text, strlen(text));
	return rmt_print(&out, 0);
}

static int unknown_command(const char *name)
{
	rmt_complain(
		"there is no subcommand '%s' (there are run, tree, doctor, listen, demo and help)",
		name);
	return RMT_EXIT_USAGE;
}

static int complain_usage(const struct rmt_command *command)
{
	rmt_complain("%.*s", (int)strcspn(command->help, "\n"), command->help);
	return RMT_EXIT_USAGE;
}

/* argv[0] is the subcommand. */
static int run_command_line(const struct rmt_command *command, int argc, char **argv)
{
	argc--;
	argv++;
	if (argc > 0 && argv[0][0] == '-' && argv[0][1]) {
		if (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0)
			return print(command->help);
		if (strcmp(argv[0], "--") != 0) {
			rmt_complain("%s: there is no option '%s'", command->name, argv[0]);
			return complain_usage(command);
		}
		argc--;
		argv++;
	}
	if (argc < command->least || (command->most >= 0 && argc > command->most))
		return complain_usage(command);
	return command->main(argc, argv);
}

static int help(int argc, char **argv)
{
	const struct rmt_command *command;

	if (argc == 0)
		return print(usage);
	command = find(argv[0]);
	return command ? print(command->help) : unknown_command(argv[0]);
}

int rmt_command_line(int argc, char **argv)
{
	const struct rmt_command *command;

	if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return print(usage);
	if (strcmp(argv[1], "help") == 0)
		return help(argc - 2, argv + 2);
	if (strcmp(argv[1], "--version") == 0)
		return print("ramet " RAMET_VERSION "\n");
	if (argv[1][0] == '-') {
		rmt_complain("there is no option '%s'; see ramet --help", argv[1]);
		return RMT_EXIT_USAGE;
	}
	command = find(argv[1]);
	return command ? run_command_line(command, argc - 1, argv + 1) : unknown_command(argv[1]);
}
