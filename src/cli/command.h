/* SPDX-License-Identifier: BSD-3-Clause */
/* The subcommands, each in a file of its name, and how they exit. */
#pragma once

/* Exit statuses of the command itself; those of commands that it ran pass between them. */
enum rmt_exit {
	RMT_EXIT_FAILURE = 1,
	RMT_EXIT_USAGE = 2,
	RMT_EXIT_NOT_EXECUTABLE = 126,
	RMT_EXIT_NOT_FOUND = 127,
	RMT_EXIT_SIGNAL = 128,
	RMT_EXIT_INTERRUPTED = 130,
	RMT_EXIT_UNREACHABLE = 255, /* a context could not be reached, or was lost */
};

struct rmt_command {
	const char *name;
	const char *help;                   /* a screen of text; its first line is the usage */
	int least, most;                    /* words behind the options; most -1: any number */
	int (*main)(int argc, char **argv); /* only those words; returns the exit status */
};

/* All of it, from the name of the program on. */
int rmt_command_line(int argc, char **argv);

extern const struct rmt_command rmt_command_run;
extern const struct rmt_command rmt_command_tree;
extern const struct rmt_command rmt_command_doctor;
extern const struct rmt_command rmt_command_demo;
extern const struct rmt_command rmt_command_listen;
