/* SPDX-License-Identifier: BSD-3-Clause */
/* ramet doctor: walks paths hop by hop and tells all that happens on the way. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/time.h"
#include "base/write.h"
#include "cli/command.h"
#include "cli/contexts.h"
#include "cli/functions.h"
#include "cli/hints.h"
#include "cli/output.h"

/* What the library calls itself when it speaks of connections. */
#define PROGRESS "connect"

struct doctor {
	ramet_router *router;
	int64_t begin; /* of the hop */
	bool harmless;
	int write_error;
};

/* --- lines ------------------------------------------------------------------------------------ */

static void print_line(struct doctor *doctor, struct rmt_buffer *line)
{
	int r = line->error;

	rmt_buffer_append_byte(line, '\n');
	/* At once: the next one may take long to come. */
	if (r == 0)
		r = rmt_write_all(STDOUT_FILENO, line->data, line->size);
	if (r < 0 && doctor->write_error == 0)
		doctor->write_error = r;
	rmt_buffer_done(line);
}

/* "    12.3 ms  what: text" */
static void tell(struct doctor *doctor, const char *what, const char *text)
{
	int64_t time = (rmt_now() - doctor->begin) / 100;
	struct rmt_buffer line = RMT_BUFFER_INIT;

	rmt_buffer_printf(&line, "%8d.%d ms  ", (int)(time / 10), (int)(time % 10));
	rmt_put_text(&line, what, strlen(what), doctor->harmless);
	rmt_buffer_printf(&line, "%s", *what ? ": " : "");
	rmt_put_text(&line, text, strlen(text), doctor->harmless);
	print_line(doctor, &line);
}

/* On whatever thread reads; one record at a time, and the walk is waiting meanwhile. */
static void record_arrived(const ramet_log_record *record, void *data)
{
	struct doctor *doctor = data;

	if (strcmp(record->source, PROGRESS) == 0)
		tell(doctor, "", record->text);
	else if (record->level <= RAMET_LOG_INFO)
		tell(doctor, record->source, record->text);
}

/* --- a hop ------------------------------------------------------------------------------------ */

static int examine_context(struct doctor *doctor, ramet_context *context, ramet_error *error)
{
	struct rmt_buffer line = RMT_BUFFER_INIT;
	description found;
	int64_t time;
	char *text;
	int r = describe_call(context, &found, error);

	if (r < 0)
		return r;
	time = rmt_round_trip(context);
	rmt_buffer_printf(&line, "process %d on %s, %s, user %s; a call takes %d us",
			  ramet_context_pid(context), found.host, found.machine, found.user,
			  (int)time);
	description_clear(&found);
	text = rmt_buffer_steal_string(&line);
	if (text)
		tell(doctor, ramet_context_path(context), text);
	free(text);
	return 0;
}

static void tell_failure(struct doctor *doctor, const char *hop, const ramet_error *error)
{
	const char *message = error->message ? error->message : strerror(-error->code);
	const char *hint = rmt_hint(hop, message, error->code);

	tell(doctor, "failed", message);
	if (hint)
		tell(doctor, "hint", hint);
}

/* The path up to and with the hop that begins at `hop`. Other hops of the path are there already. */
static int examine_hop(struct doctor *doctor, const char *path, const char *hop,
		       ramet_group **group)
{
	struct rmt_buffer heading = RMT_BUFFER_INIT;
	ramet_error error = RAMET_ERROR_INIT;
	ramet_group *reached = NULL;
	int r;

	rmt_put_text(&heading, hop, strlen(hop), doctor->harmless);
	print_line(doctor, &heading);
	doctor->begin = rmt_now();
	r = ramet_connect_all(doctor->router, path, &reached, &error);
	for (size_t i = 0; r == 0 && i < ramet_group_size(reached); i++)
		r = examine_context(doctor, ramet_group_get(reached, i), &error);
	if (r < 0)
		tell_failure(doctor, hop, &error);
	ramet_error_clear(&error);
	/* The hops before it live as long as one behind them is held. */
	if (reached) {
		ramet_group_unref(*group);
		*group = reached;
	}
	return r;
}

/* --- the path --------------------------------------------------------------------------------- */

static int examine_path(struct doctor *doctor, const char *path)
{
	ramet_group *group = NULL;
	char *part = strdup(path);
	size_t begin = 0, end = 0;
	int r = part ? 0 : -ENOMEM;

	/* A "/" that belongs to a target is written otherwise. */
	while (r == 0) {
		end += strcspn(path + end, "/");
		memcpy(part, path, end);
		part[end] = '\0';
		r = examine_hop(doctor, part, part + begin, &group);
		if (!path[end])
			break;
		begin = ++end;
	}
	free(part);
	ramet_group_unref(group);
	return r;
}

static int doctor_main(int argc, char **argv)
{
	struct doctor doctor = {.harmless = rmt_is_terminal(STDOUT_FILENO)};
	ramet_router_options options = RAMET_ROUTER_OPTIONS_INIT;
	int r;

	(void)argc;
	options.log_level = RAMET_LOG_DEBUG;
	options.log = record_arrived;
	options.log_data = &doctor;
	r = ramet_router_new(&options, &doctor.router);
	if (r < 0) {
		rmt_complain("cannot begin: %s", strerror(-r));
		return RMT_EXIT_UNREACHABLE;
	}
	r = examine_path(&doctor, argv[0]);
	ramet_router_unref(doctor.router);
	if (doctor.write_error < 0) {
		rmt_complain("cannot write to standard output: %s", strerror(-doctor.write_error));
		return r < 0 ? RMT_EXIT_UNREACHABLE : RMT_EXIT_FAILURE;
	}
	return r < 0 ? RMT_EXIT_UNREACHABLE : 0;
}

const struct rmt_command rmt_command_doctor = {
	.name = "doctor",
	.help = "usage: ramet doctor PATH\n"
		"\n"
		"Walks the path hop by hop and tells each step, with the time since the hop\n"
		"began: the command that leads there, the shell that answers, the place for the\n"
		"program, what is sent, and the context in the end, with the time of a call. Of\n"
		"a hop that fails it tells which step did, why, and what may help.\n"
		"\n"
		"  $ ramet doctor ssh:web1/sudo:root\n"
		"\n"
		"Exit status: 255 when a context could not be reached.\n",
	.least = 1,
	.most = 1,
	.main = doctor_main,
};
