/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/bootstrap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/time.h"
#include "core/landing.h"
#include "core/log.h"
#include "parent/bootstrap-launch.h"
#include "parent/keys.h"
#include "parent/payload.h"

/* Of records of progress. */
#define LOG_SOURCE "connect"

const char *rmt_phase_name(enum rmt_phase phase)
{
	static const char *const names[] = {"launch",   "shell", "place",
					    "transfer", "exec",  "handshake"};

	return names[phase];
}

void rmt_bootstrap_report(struct rmt_bootstrap *bootstrap, const char *format, ...)
{
	struct rmt_buffer text = RMT_BUFFER_INIT;
	va_list arguments;

	if (bootstrap->router->log_level < RAMET_LOG_DEBUG)
		return;
	rmt_buffer_printf(&text, "%s: after %.3f s: ", rmt_phase_name(bootstrap->phase),
			  (double)(rmt_now() - bootstrap->started) / 1e6);
	va_start(arguments, format);
	rmt_buffer_vprintf(&text, format, arguments);
	va_end(arguments);
	if (text.error == 0)
		rmt_log_text(bootstrap->router, bootstrap->path, LOG_SOURCE, RAMET_LOG_DEBUG,
			     (const char *)text.data, text.size);
	rmt_buffer_done(&text);
}

/* --- the end ------------------------------------------------------------------------------ */

static void close_out(struct rmt_bootstrap *bootstrap)
{
	if (bootstrap->out_watched)
		rmt_loop_remove(&bootstrap->router->loop, &bootstrap->out);
	bootstrap->out_watched = false;
	if (bootstrap->out.fd != bootstrap->in.fd)
		rmt_descriptor_close(bootstrap->out.fd);
	bootstrap->out.fd = -1;
}

void rmt_bootstrap_stop(struct rmt_bootstrap *bootstrap)
{
	if (!bootstrap->router)
		return;
	bootstrap->over = true;
	bootstrap->asking = false;
	rmt_image_forget(&bootstrap->wanted);
	if (bootstrap->in.fd < 0)
		return;
	close_out(bootstrap);
	rmt_loop_remove(&bootstrap->router->loop, &bootstrap->in);
	rmt_descriptor_close(bootstrap->in.fd);
	bootstrap->in.fd = -1;
}

void rmt_bootstrap_hang_up(struct rmt_bootstrap *bootstrap)
{
	rmt_capture_hush(&bootstrap->terminal);
	/* The beginning of a line is the prompt that is not answered. */
	rmt_capture_done(&bootstrap->terminal);
}

void rmt_bootstrap_done(struct rmt_bootstrap *bootstrap)
{
	rmt_bootstrap_stop(bootstrap);
	if (!bootstrap->router)
		return;
	rmt_capture_done(&bootstrap->terminal);
	rmt_descriptor_close(bootstrap->slave);
	bootstrap->slave = -1;
	rmt_buffer_done(&bootstrap->pending);
	rmt_command_done(&bootstrap->command);
	ramet_error_clear(&bootstrap->error);
}

static void fail(struct rmt_bootstrap *bootstrap, int code, const char *format, ...)
	RMT_PRINTF(3, 4);

static void fail(struct rmt_bootstrap *bootstrap, int code, const char *format, ...)
{
	va_list arguments;

	if (bootstrap->over)
		return;
	va_start(arguments, format);
	rmt_error_setv(&bootstrap->error, code, "", format, arguments);
	va_end(arguments);
	bootstrap->over = true;
	/* Before it notices that it is given up. */
	if (bootstrap->process && bootstrap->error.code != -ECHILD)
		rmt_process_hush(bootstrap->process);
	rmt_bootstrap_stop(bootstrap);
	bootstrap->failed(bootstrap);
}

void rmt_bootstrap_explain(struct rmt_bootstrap *bootstrap, ramet_error *error)
{
	/* Behind the shell's first word, the tool's words are no longer about the way. */
	if (bootstrap->phase > RMT_PHASE_SHELL || !bootstrap->command.prompts)
		return;
	if (rmt_prompter_explain(&bootstrap->prompter))
		rmt_error_set(error, bootstrap->prompter.code, "%s: %s",
			      rmt_phase_name(bootstrap->phase), bootstrap->prompter.text);
}

void rmt_bootstrap_describe(const struct rmt_bootstrap *bootstrap, struct rmt_buffer *out)
{
	rmt_command_describe(&bootstrap->command, bootstrap->command_words, out);
}

/* --- writing ------------------------------------------------------------------------------ */

static void watch_out(struct rmt_bootstrap *bootstrap, bool wanted)
{
	struct rmt_loop *loop = &bootstrap->router->loop;

	if (bootstrap->out.fd == bootstrap->in.fd) {
		rmt_loop_modify(loop, &bootstrap->in, RMT_READABLE | (wanted ? RMT_WRITABLE : 0u));
	} else if (wanted && !bootstrap->out_watched) {
		bootstrap->out_watched = rmt_loop_add(loop, &bootstrap->out) == 0;
		if (!bootstrap->out_watched)
			fail(bootstrap, ENOMEM, "out of memory");
	} else if (!wanted && bootstrap->out_watched) {
		rmt_loop_remove(loop, &bootstrap->out);
		bootstrap->out_watched = false;
	}
}

static void write_pending(struct rmt_bootstrap *bootstrap)
{
	struct rmt_buffer *pending = &bootstrap->pending;

	while (bootstrap->written < pending->size) {
		struct iovec piece = {pending->data + bootstrap->written,
				      pending->size - bootstrap->written};
		ssize_t n = rmt_descriptor_write(bootstrap->out.fd, &piece, 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			watch_out(bootstrap, true);
			return;
		}
		/* Why nobody reads any more is said on the other side; its end comes there. */
		if (n < 0)
			break;
		bootstrap->written += (size_t)n;
	}
	rmt_buffer_done(pending);
	bootstrap->written = 0;
	watch_out(bootstrap, false);
}

static void out_ready(struct rmt_source *source, unsigned events)
{
	(void)events;
	write_pending(RMT_CONTAINER(source, struct rmt_bootstrap, out));
}

/* What bootstrap->pending holds is complete. */
static void send_pending(struct rmt_bootstrap *bootstrap)
{
	if (bootstrap->pending.error < 0)
		fail(bootstrap, ENOMEM, "%s: out of memory", rmt_phase_name(bootstrap->phase));
	else
		write_pending(bootstrap);
}

/* --- prompts ------------------------------------------------------------------------------ */

/* What asks on standard error reads standard input, where nothing was written yet. */
static int answer_fd(const struct rmt_bootstrap *bootstrap, enum rmt_prompt_source source)
{
	return source == RMT_FROM_TERMINAL && bootstrap->terminal.source.fd >= 0
		       ? bootstrap->terminal.source.fd
		       : bootstrap->out.fd;
}

static void reply(struct rmt_bootstrap *bootstrap, enum rmt_prompt_source source, const char *text,
		  size_t size)
{
	char line[RMT_PASSWORD_MAX + 2];
	struct iovec piece = {line, size + 1};
	ssize_t n;

	memcpy(line, text, size);
	line[size] = '\n';
	do
		n = rmt_descriptor_write(answer_fd(bootstrap, source), &piece, 1);
	while (n < 0 && errno == EINTR);
	rmt_wipe(line, sizeof(line));
	/* It has ended meanwhile, and its last words say why. */
	if (n < 0 && (errno == EPIPE || errno == EIO))
		return;
	/* A line always has room in a terminal or pipe that nothing was written to. */
	if (n != (ssize_t)size + 1)
		fail(bootstrap, EIO, "shell: the answer to a prompt could not be written");
}

void rmt_bootstrap_answer(struct rmt_bootstrap *bootstrap, const struct rmt_password *password,
			  ramet_error *error)
{
	if (!bootstrap->asking)
		return;
	bootstrap->asking = false;
	if (!password) {
		fail(bootstrap, error && error->code ? error->code : ENOKEY, "shell: %s",
		     error && error->message ? error->message : "there is no password");
		return;
	}
	rmt_prompter_sent(&bootstrap->prompter);
	reply(bootstrap, bootstrap->asked_on, password->text, password->size);
}

static void handle_prompt(struct rmt_bootstrap *bootstrap, enum rmt_prompt_event event)
{
	const struct rmt_prompter *prompter = &bootstrap->prompter;

	switch (event) {
	case RMT_PROMPT_NOTHING:
		break;
	case RMT_PROMPT_PASSWORD:
		if (bootstrap->asking)
			break;
		rmt_bootstrap_report(bootstrap, "a password is asked for: %s", prompter->text);
		bootstrap->asking = true;
		bootstrap->asked_on = prompter->source;
		bootstrap->asks(bootstrap, prompter->text);
		break;
	case RMT_PROMPT_HOST_KEY:
		rmt_bootstrap_report(bootstrap, "the key of an unknown host is accepted");
		reply(bootstrap, prompter->source, "yes", 3);
		break;
	case RMT_PROMPT_FAILED:
		fail(bootstrap, prompter->code, "shell: %s", prompter->text);
		break;
	}
}

static void feed_prompter(struct rmt_bootstrap *bootstrap, enum rmt_prompt_source source,
			  const char *data, size_t size)
{
	while (size > 0 && !bootstrap->over && bootstrap->phase == RMT_PHASE_SHELL &&
	       bootstrap->command.prompts) {
		size_t taken;
		enum rmt_prompt_event event = rmt_prompter_feed(&bootstrap->prompter, source, data,
								size, &taken);

		data += taken;
		size -= taken;
		handle_prompt(bootstrap, event);
	}
}

static void terminal_bytes(struct rmt_capture *capture, const char *data, size_t size)
{
	feed_prompter(RMT_CONTAINER(capture, struct rmt_bootstrap, terminal), RMT_FROM_TERMINAL,
		      data, size);
}

static void terminal_line(struct rmt_capture *capture, const char *text, size_t size)
{
	struct rmt_bootstrap *bootstrap = RMT_CONTAINER(capture, struct rmt_bootstrap, terminal);

	if (size > 0 && text[size - 1] == '\r')
		size--;
	if (size == 0 || !bootstrap->process)
		return;
	rmt_process_note(bootstrap->process, text, size);
	if (bootstrap->over)
		rmt_log_text(bootstrap->router, bootstrap->path, "terminal", RAMET_LOG_INFO, text,
			     size);
}

static void error_bytes(struct rmt_process *process, const char *data, size_t size)
{
	struct rmt_bootstrap *bootstrap = process->errors_data;

	feed_prompter(bootstrap, RMT_FROM_ERRORS, data, size);
}

/* --- the first stage ---------------------------------------------------------------------- */

static void image_there(struct rmt_image_wanted *wanted, const struct rmt_image *image,
			ramet_error *error)
{
	struct rmt_bootstrap *bootstrap = RMT_CONTAINER(wanted, struct rmt_bootstrap, wanted);
	bool gzip;

	if (bootstrap->over)
		return;
	if (!image) {
		fail(bootstrap, error->code, "place: %s", error->message);
		return;
	}
	gzip = bootstrap->stage.gzip && image->gzip.data;
	bootstrap->image = image;
	bootstrap->phase = RMT_PHASE_TRANSFER;
	rmt_payload_append(image, gzip, bootstrap->stage.cksum, bootstrap->welcome,
			   &bootstrap->pending);
	rmt_bootstrap_report(bootstrap, "%zu bytes, %s", bootstrap->pending.size,
			     gzip ? "gzip" : "plain");
	send_pending(bootstrap);
}

static void handle_ready(struct rmt_bootstrap *bootstrap)
{
	struct rmt_stage *stage = &bootstrap->stage;

	rmt_bootstrap_report(bootstrap, "%s, process %d", stage->machine,
			     (int)bootstrap->process->pid);
	bootstrap->phase = RMT_PHASE_PLACE;
	rmt_bootstrap_report(bootstrap, "%s%s, %s, %s", stage->place,
			     stage->anonymous ? " (a file without a name)" : "",
			     stage->gzip ? "gzip" : "no gzip", stage->cksum ? "cksum" : "no cksum");
	bootstrap->wanted.done = image_there;
	rmt_image_want(bootstrap->router, stage->machine, rmt_hop_key(bootstrap->hop, "image"),
		       &bootstrap->wanted);
}

static void handle_exec(struct rmt_bootstrap *bootstrap, const void *data, size_t size)
{
	struct rmt_loop *loop = &bootstrap->router->loop;
	int in_fd = bootstrap->in.fd, out_fd = bootstrap->out.fd;

	if (bootstrap->phase != RMT_PHASE_TRANSFER || bootstrap->pending.size > 0) {
		fail(bootstrap, EPROTO, "%s: the first stage went on before its turn",
		     rmt_phase_name(bootstrap->phase));
		return;
	}
	bootstrap->phase = RMT_PHASE_EXEC;
	rmt_bootstrap_report(bootstrap, "the program is executed");
	rmt_loop_remove(loop, &bootstrap->in);
	bootstrap->in.fd = bootstrap->out.fd = -1;
	bootstrap->over = true;
	bootstrap->process->quiet = false;
	bootstrap->speaks(bootstrap, in_fd, out_fd, data, size);
}

static void handle_failed(struct rmt_bootstrap *bootstrap)
{
	const struct rmt_stage *stage = &bootstrap->stage;

	if (strcmp(stage->phase, "place") == 0)
		bootstrap->phase = RMT_PHASE_PLACE;
	bootstrap->gave_up = true;
	fail(bootstrap, strcmp(stage->phase, "place") == 0 ? EACCES : EIO, "%s: %s", stage->phase,
	     stage->text);
}

/* True while there may be more in data. */
static bool handle_output(struct rmt_bootstrap *bootstrap, const unsigned char *data, size_t size)
{
	while (size > 0 && !bootstrap->over) {
		size_t taken;
		enum rmt_stage_event event = rmt_stage_feed(&bootstrap->stage, data, size, &taken);

		data += taken;
		size -= taken;
		switch (event) {
		case RMT_STAGE_NOTHING:
			break;
		case RMT_STAGE_LINE:
			if (bootstrap->stage.line_size > 0)
				rmt_process_note(bootstrap->process, bootstrap->stage.line,
						 bootstrap->stage.line_size);
			break;
		case RMT_STAGE_READY:
			/* Again: where it was there was no room. */
			if (bootstrap->phase == RMT_PHASE_SHELL ||
			    (bootstrap->phase == RMT_PHASE_TRANSFER &&
			     bootstrap->pending.size == 0))
				handle_ready(bootstrap);
			break;
		case RMT_STAGE_FAILED:
			handle_failed(bootstrap);
			break;
		case RMT_STAGE_EXEC:
			handle_exec(bootstrap, data, size);
			return false;
		}
	}
	return !bootstrap->over;
}

static const char *where_it_ended(enum rmt_phase phase)
{
	switch (phase) {
	case RMT_PHASE_SHELL:
		return "it ended before a shell had answered";
	case RMT_PHASE_PLACE:
		return "it ended while an image was looked for";
	default:
		return "it ended before everything had arrived";
	}
}

static void read_output(struct rmt_bootstrap *bootstrap)
{
	unsigned char data[4096];
	ssize_t n;

	do
		n = read(bootstrap->in.fd, data, sizeof(data));
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		/* The last line may lack its newline. */
		if (bootstrap->stage.line_size > 0 && !bootstrap->stage.line_over)
			rmt_process_note(bootstrap->process, bootstrap->stage.line,
					 bootstrap->stage.line_size);
		fail(bootstrap, ECHILD, "%s: %s", rmt_phase_name(bootstrap->phase),
		     where_it_ended(bootstrap->phase));
		return;
	}
	if (bootstrap->command.terminal == RMT_TERMINAL_FULL)
		feed_prompter(bootstrap, RMT_FROM_TERMINAL, (const char *)data, (size_t)n);
	handle_output(bootstrap, data, (size_t)n);
}

static void in_ready(struct rmt_source *source, unsigned events)
{
	struct rmt_bootstrap *bootstrap = RMT_CONTAINER(source, struct rmt_bootstrap, in);

	if (events & RMT_WRITABLE)
		write_pending(bootstrap);
	if (!bootstrap->over && (events & RMT_READABLE))
		read_output(bootstrap);
}

/* --- the beginning ------------------------------------------------------------------------ */

int rmt_bootstrap_start(struct rmt_bootstrap *bootstrap, const struct rmt_method *method)
{
	struct rmt_command *command = &bootstrap->command;
	struct rmt_buffer text = RMT_BUFFER_INIT;
	int r;

	bootstrap->started = rmt_now();
	bootstrap->phase = RMT_PHASE_LAUNCH;
	bootstrap->over = bootstrap->asking = false;
	bootstrap->in = (struct rmt_source){.fd = -1, .events = RMT_READABLE, .ready = in_ready};
	bootstrap->out = (struct rmt_source){.fd = -1, .events = RMT_WRITABLE, .ready = out_ready};
	bootstrap->slave = -1;
	bootstrap->terminal = (struct rmt_capture){
		.router = bootstrap->router,
		.source = {.fd = -1},
		.line = terminal_line,
		.bytes = terminal_bytes,
	};
	bootstrap->process = NULL;
	rmt_list_init(&bootstrap->wanted.node);
	rmt_command_init(command);
	command->answerable = rmt_password_known(bootstrap->router, bootstrap->hop);
	method->command(bootstrap->hop, command);
	r = rmt_stage_init(&bootstrap->stage);
	if (r == 0)
		r = command->error;
	if (r == 0) {
		rmt_prompter_init(&bootstrap->prompter, command->prompts);
		bootstrap->prompter.question = command->question;
		bootstrap->prompter.refusals = command->refusals;
		r = rmt_bootstrap_launch(bootstrap, error_bytes);
	}
	if (r < 0) {
		if (!bootstrap->error.code)
			rmt_error_set(&bootstrap->error, r, "%s", rmt_strerror(r));
		return r;
	}
	rmt_image_prepare();
	rmt_bootstrap_describe(bootstrap, &text);
	rmt_buffer_append_byte(&text, '\0');
	rmt_bootstrap_report(bootstrap, "%s", text.error < 0 ? "" : (const char *)text.data);
	rmt_buffer_done(&text);
	bootstrap->phase = RMT_PHASE_SHELL;
	return 0;
}
