/* SPDX-License-Identifier: BSD-3-Clause */
#include "commands.h"

#include <sched.h>

#include "fixture.h"

const char *const commands_places[COMMANDS_PLACES] = {"", "local", "fork", "local/local"};
struct commands commands;

void commands_enter(const char *path)
{
	commands.router = fixture_router(RAMET_POLLER_DEFAULT, 0);
	commands.context = *path ? fixture_connect(commands.router, path)
				 : ramet_context_ref(ramet_router_self(commands.router));
}

void commands_leave(void)
{
	ramet_context_unref(commands.context);
	ramet_router_unref(commands.router);
}

ramet_command_options command_line(const char *text)
{
	ramet_command_options options = RAMET_COMMAND_OPTIONS_INIT;

	options.line = text;
	return options;
}

ramet_process *command_start(const ramet_command_options *options)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_process *process = NULL;

	if (ramet_command_start(commands.context, options, &process, &error) < 0)
		fail_msg("%s", error.message);
	return process;
}

ramet_process *command_start_line(const char *text)
{
	ramet_command_options options = command_line(text);

	return command_start(&options);
}

ramet_process_result command_finish(ramet_process *process)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_process_result result = {.status = -1};

	if (ramet_process_wait(process, SOON, &result, &error) < 0)
		fail_msg("%s", error.message);
	return result;
}

ramet_command_result command_run(const ramet_command_options *options, ramet_bytes input)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_command_result result = {.truncated = true};

	if (ramet_command_run(commands.context, options, input, &result, &error) < 0)
		fail_msg("%s", error.message);
	return result;
}

void command_check_bytes(ramet_bytes bytes, const void *expected, size_t size)
{
	if (bytes.size != size || memcmp(bytes.data, expected, size) != 0)
		fail_msg("got %zu bytes: '%.*s'", bytes.size, (int)bytes.size,
			 (const char *)bytes.data);
}

void command_check_line(const ramet_command_options *options, const char *expected)
{
	ramet_command_result result = command_run(options, (ramet_bytes){NULL, 0});

	if (result.errors.size > 0)
		fail_msg("%.*s", (int)result.errors.size, (const char *)result.errors.data);
	command_check_bytes(result.output, expected, strlen(expected));
	assert_int_equal(result.process.status, 0);
	assert_int_equal(result.process.signal, 0);
	assert_int_equal(result.process.cause, RAMET_CAUSE_ITSELF);
	ramet_command_result_clear(&result);
}

void command_check_refused(const ramet_command_options *options, int code, const char *text)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_process *process = command_start(options);

	assert_int_equal(ramet_process_pid(process), 0);
	assert_null(ramet_process_stdin(process));
	assert_int_equal(ramet_process_signal(process, SIGTERM), -ESRCH);
	assert_int_equal(ramet_process_wait(process, SOON, NULL, &error), code);
	fixture_check_error(&error, code, text, NULL);
	ramet_process_unref(process);
}

/* The next number that the command prints on a line of its own. */
int command_read_number(ramet_process *process)
{
	static char text[64];
	size_t size = 0;
	ramet_value *value;

	do {
		assert_int_equal(ramet_receive(ramet_process_stdout(process), SOON, &value, NULL),
				 1);
		assert_true(size + ramet_value_bytes(value).size < sizeof(text));
		memcpy(text + size, ramet_value_bytes(value).data, ramet_value_bytes(value).size);
		size += ramet_value_bytes(value).size;
		ramet_value_unref(value);
	} while (text[size - 1] != '\n');
	text[size] = '\0';
	return atoi(text);
}

/* Discards until the end; how much there was. */
size_t command_drain(ramet_receiver *receiver)
{
	ramet_error error = RAMET_ERROR_INIT;
	ramet_value *value;
	size_t size = 0;
	int r;

	while ((r = ramet_receive(receiver, SOON, &value, &error)) > 0) {
		size += ramet_value_bytes(value).size;
		ramet_value_unref(value);
	}
	ramet_error_clear(&error);
	assert_true(r == 0 || r == -ECONNRESET);
	return size;
}

/* Neither there nor waiting to be reaped by somebody else. */
void process_wait_gone(int pid)
{
	int64_t until = fixture_now() + SOON;
	char path[64], text[256], *at;
	FILE *file;

	for (;;) {
		snprintf(path, sizeof(path), "/proc/%d/stat", pid);
		file = fopen(path, "re");
		at = file && fgets(text, sizeof(text), file) ? strrchr(text, ')') : NULL;
		if (file)
			fclose(file);
		if (!at || at[2] == 'Z' || at[2] == 'X')
			return;
		assert_true(fixture_now() < until);
		sched_yield();
	}
}

int process_parent(int pid)
{
	char path[64], text[256], *at;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	assert_non_null(file);
	assert_non_null(fgets(text, sizeof(text), file));
	fclose(file);
	at = strrchr(text, ')');
	assert_non_null(at);
	return atoi(at + 4);
}
