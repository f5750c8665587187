/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands for tests: started, waited for, looked at. What goes wrong fails the test. */
#pragma once

#include <stddef.h>

#include <ramet.h>

/* Where each test's command runs. */
#define COMMANDS_PLACES 4
extern const char *const commands_places[COMMANDS_PLACES];

/* In commands_enter() and until commands_leave(). */
extern struct commands {
	ramet_router *router;
	ramet_context *context;
} commands;

/* A router, and the context of this path; "": its own. */
void commands_enter(const char *path);
void commands_leave(void);
ramet_command_options command_line(const char *text);
ramet_process *command_start(const ramet_command_options *options);
ramet_process *command_start_line(const char *text);
ramet_process_result command_finish(ramet_process *process);
ramet_command_result command_run(const ramet_command_options *options, ramet_bytes input);
void command_check_bytes(ramet_bytes bytes, const void *expected, size_t size);
/* It prints this and nothing else, and exits with 0. */
void command_check_line(const ramet_command_options *options, const char *expected);
/* It cannot be started, with this code and text. */
void command_check_refused(const ramet_command_options *options, int code, const char *text);
/* The next number that the command prints on a line of its own. */
int command_read_number(ramet_process *process);
/* Discards until the end; how much there was. */
size_t command_drain(ramet_receiver *receiver);
/* Until it is neither there nor waiting to be reaped by somebody else. */
void process_wait_gone(int pid);
int process_parent(int pid);
