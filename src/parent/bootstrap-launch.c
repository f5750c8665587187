/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/bootstrap-launch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "parent/channels.h"
#include "parent/keys.h"
#include "parent/spawn.h"
#include "parent/terminal.h"
#include "parent/title.h"

/* Of a trial that must not cost much; programs with symbols are larger than their images. */
#define ROOM_MIN 4096u
#define ROOM_MAX (1u << 20)

/* What a place should have room for: the program as it is here, from which an image is made later, or
 * fetched. */
static size_t room(void)
{
	struct stat file;

	if (stat(ramet_executable(), &file) < 0 || file.st_size <= 0)
		return ROOM_MIN;
	return RMT_MAX(ROOM_MIN, RMT_MIN((size_t)file.st_size, ROOM_MAX));
}

/* The command with the first stage behind it, or in `pending`. */
static int add_stage(struct rmt_bootstrap *bootstrap)
{
	struct rmt_command *command = &bootstrap->command;
	struct rmt_buffer stage = RMT_BUFFER_INIT, line = RMT_BUFFER_INIT, coded = RMT_BUFFER_INIT;
	char *title = rmt_title(bootstrap->hop, bootstrap->path);
	char *program;
	int r;

	if (title)
		rmt_stage_write(
			&(struct rmt_stage_text){
				.nonce = bootstrap->stage.nonce,
				.directory = rmt_hop_key(bootstrap->hop, "dir"),
				.title = title,
				.room = room(),
			},
			&stage);
	free(title);
	program = rmt_buffer_steal_string(&stage);
	if (!title || !program) {
		free(program);
		return -ENOMEM;
	}
	bootstrap->command_words = command->count;
	rmt_stage_quote(rmt_hop_shell(bootstrap->hop), program, &line);
	rmt_buffer_append_byte(&line, '\0');
	switch (command->form) {
	case RMT_FORM_WORDS:
		rmt_command_add(command, rmt_hop_shell(bootstrap->hop));
		rmt_command_add(command, "-c");
		rmt_command_add(command, program);
		break;
	case RMT_FORM_CODED:
		rmt_command_code(program, &coded);
		rmt_command_add(command, rmt_hop_shell(bootstrap->hop));
		rmt_command_add(command, "-c");
		rmt_command_add_buffer(command, &coded);
		break;
	case RMT_FORM_LINE:
		if (line.error == 0)
			rmt_command_add(command, (const char *)line.data);
		break;
	case RMT_FORM_INPUT:
		/* exec: the shell that reads commands must not wait behind it. */
		if (line.error == 0)
			rmt_buffer_printf(&bootstrap->pending, "exec %s\n",
					  (const char *)line.data);
		break;
	}
	r = line.error < 0 ? line.error : command->error;
	rmt_buffer_done(&line);
	free(program);
	return r;
}

static int spawn(struct rmt_bootstrap *bootstrap, int theirs[3], pid_t *ret_pid)
{
	struct rmt_spawn spawn = {
		.file = bootstrap->command.argv[0],
		.argv = bootstrap->command.argv,
		.stdin_fd = theirs[0],
		.stdout_fd = theirs[1],
		.stderr_fd = theirs[2],
		.search = true,
		.session = true,
		.controlled = bootstrap->command.terminal != RMT_TERMINAL_NONE,
		.terminal = bootstrap->slave,
	};

	return rmt_spawn(&spawn, ret_pid, &bootstrap->error);
}

/* ours and theirs: pipes, or the terminal. */
static int open_channels(struct rmt_bootstrap *bootstrap, int ours[3], int theirs[3])
{
	int master = -1, r = 0;

	bootstrap->slave = -1;
	if (bootstrap->command.terminal != RMT_TERMINAL_NONE) {
		r = rmt_terminal_open(&master, &bootstrap->slave, &bootstrap->error);
		if (r < 0)
			return r;
	}
	if (bootstrap->command.terminal == RMT_TERMINAL_FULL) {
		ours[0] = ours[1] = master;
		ours[2] = -1;
		theirs[0] = theirs[1] = theirs[2] = bootstrap->slave;
		return 0;
	}
	r = rmt_channels_open_pipes(ours, theirs, &bootstrap->error);
	if (r == 0 && master >= 0) {
		r = rmt_capture_open(&bootstrap->terminal, master);
		if (r < 0) {
			rmt_channels_close(ours);
			rmt_channels_close(theirs);
		}
	}
	if (r < 0)
		rmt_descriptor_close(master);
	return r;
}

/* To and from the tool: two pipes, or one terminal. */
static void close_both(const int ours[3])
{
	rmt_descriptor_close(ours[0]);
	if (ours[1] != ours[0])
		rmt_descriptor_close(ours[1]);
}

/* ours[0] goes to the tool, ours[1] and ours[2] come from it. They are its own from now on, also when it
 * fails. */
static int adopt(struct rmt_bootstrap *bootstrap, const int ours[3])
{
	struct rmt_source *in = &bootstrap->in, *out = &bootstrap->out;
	struct rmt_loop *loop = &bootstrap->router->loop;
	/* What a shell is to read is written by the loop. */
	bool writes = bootstrap->pending.size > 0;
	int r;

	fcntl(ours[0], F_SETFL, fcntl(ours[0], F_GETFL) | O_NONBLOCK);
	fcntl(ours[1], F_SETFL, fcntl(ours[1], F_GETFL) | O_NONBLOCK);
	in->fd = ours[1];
	out->fd = ours[0];
	if (writes && in->fd == out->fd)
		in->events |= RMT_WRITABLE;
	r = rmt_loop_add(loop, in);
	if (r == 0 && writes && in->fd != out->fd) {
		r = rmt_loop_add(loop, out);
		bootstrap->out_watched = r == 0;
		if (r < 0)
			rmt_loop_remove(loop, in);
	}
	if (r < 0) {
		close_both(ours);
		in->fd = out->fd = -1;
	}
	return r;
}

/* Its diagnostics are the process's to read. */
static int watch(struct rmt_bootstrap *bootstrap, const int ours[3], pid_t pid,
		 void (*errors)(struct rmt_process *process, const char *data, size_t size))
{
	int r = rmt_process_new(bootstrap->router, pid, -1, ours[2], bootstrap->path,
				&bootstrap->process);

	if (r < 0) {
		/* What runs as somebody else is not killed, but ends when nobody is there. */
		rmt_descriptor_close(ours[2]);
		close_both(ours);
		rmt_capture_done(&bootstrap->terminal);
		rmt_process_abandon(pid);
		return r;
	}
	bootstrap->process->quiet = true;
	bootstrap->process->errors = errors;
	/* What a tool asks must be seen, however much there is to say. */
	bootstrap->process->output[1].patient = false;
	bootstrap->process->errors_data = bootstrap;
	return adopt(bootstrap, ours);
}

int rmt_bootstrap_launch(struct rmt_bootstrap *bootstrap,
			 void (*errors)(struct rmt_process *process, const char *data, size_t size))
{
	int ours[3] = {-1, -1, -1}, theirs[3] = {-1, -1, -1}, r;
	pid_t pid;

	r = add_stage(bootstrap);
	if (r == 0)
		r = open_channels(bootstrap, ours, theirs);
	if (r < 0)
		return r;
	r = spawn(bootstrap, theirs, &pid);
	if (bootstrap->command.terminal != RMT_TERMINAL_FULL) {
		rmt_channels_close(theirs);
	} else {
		/* Its end is told by nothing else: the tool and what it runs hold it alone. */
		rmt_descriptor_close(bootstrap->slave);
		bootstrap->slave = -1;
	}
	if (r < 0) {
		if (ours[1] == ours[0])
			ours[1] = -1;
		rmt_channels_close(ours);
		return r;
	}
	return watch(bootstrap, ours, pid, errors);
}
