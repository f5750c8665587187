/* SPDX-License-Identifier: BSD-3-Clause */
/* Channels that listen, and processes behind them that outlive who has started them. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/format.h"
#include "base/macro.h"
#include "base/time.h"
#include "base/write.h"
#include "parallel/state.h"
#include "parent/gate.h"
#include "parent/title.h"

/* ms: a day. */
#define WAIT_DEFAULT 86400000

struct rmt_background {
	struct rmt_bound bound;
};

/* --- listening ---------------------------------------------------------------------------- */

/* Where it will still be when the working directory is another one. */
static int place(const char *address, struct sockaddr_un *ret_address, ramet_error *error)
{
	char *directory = NULL, *path = NULL;
	int r;

	if (!strchr(address, '/') || *address == '/')
		return rmt_socket_place(address, ret_address, error);
	directory = getcwd(NULL, 0);
	if (directory)
		path = rmt_format_new("%s/%s", directory, address);
	r = path ? rmt_socket_place(path, ret_address, error)
		 : rmt_error_set(error, errno, "the working directory: %s", rmt_strerror(errno));
	free(directory);
	free(path);
	return r;
}

static int listen_at(const struct sockaddr_un *address, ramet_channel **ret_channel,
		     ramet_error *error)
{
	struct rmt_background *background = calloc(1, sizeof(*background));
	ramet_channel *channel = rmt_channel_new(-1);
	int r;

	if (!background || !channel)
		r = rmt_error_set(error, ENOMEM, "out of memory");
	else
		r = rmt_socket_bind(address, &background->bound, error);
	if (r < 0) {
		free(background);
		rmt_channel_free(channel);
		return r;
	}
	channel->background = background;
	channel->acknowledged = true;
	*ret_channel = channel;
	return 0;
}

void rmt_background_done(ramet_channel *channel)
{
	rmt_socket_unbind(&channel->background->bound);
	free(channel->background);
	channel->background = NULL;
}

/* The next one, if there is one. Those who are not trusted are not even greeted. */
static int accept_one(ramet_channel *channel)
{
	pid_t pid = 0;
	uid_t uid;
	int fd = rmt_descriptor_own_above(
		accept4(channel->background->bound.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK));

	/* Without descriptors or memory it would be there, and not be accepted, for ever. */
	if (fd < 0)
		return errno == EAGAIN || errno == EINTR || errno == ECONNABORTED ? 0 : -errno;
	if (!rmt_socket_is_trusted(fd) || rmt_socket_peer(fd, &pid, &uid) < 0) {
		rmt_descriptor_close(fd);
		return 0;
	}
	channel->fd = fd;
	channel->pid = pid;
	channel->pidfd = rmt_pidfd_open(pid);
	if (rmt_channel_post_frame(channel, RMT_CHANNEL_HELLO, 0, 0, NULL, 0) < 0)
		rmt_channel_disconnect(channel);
	return 0;
}

/* Somebody is at the other end. 0, -ENOTCONN, or a negative errno of accept(2). */
static int await_other(ramet_channel *channel, int64_t until)
{
	int r = 0;

	while (r == 0 && channel->fd < 0) {
		struct pollfd listening = {.fd = channel->background->bound.fd, .events = POLLIN};
		int64_t now = rmt_now();

		if (poll(&listening, 1, rmt_poll_timeout(until, now)) > 0)
			r = accept_one(channel);
		else if (now >= until)
			r = -ENOTCONN;
	}
	return r;
}

int rmt_background_send(ramet_channel *channel, enum rmt_channel_kind kind, unsigned flags,
			const void *data, size_t size)
{
	int64_t until = rmt_after(channel->timeout);
	int r;

	if (channel->generation != rmt_channel_generation)
		return -EPIPE;
	for (;;) {
		r = await_other(channel, until);
		if (r == 0)
			r = rmt_channel_send(channel, kind, flags | RMT_CHANNEL_CONFIRM, data, size,
					     until);
		if (r == 0)
			r = rmt_channel_await_confirmation(channel, until);
		if (r != -EPIPE)
			return r;
		/* For the next one. */
		rmt_channel_disconnect(channel);
	}
}

int rmt_background_receive(ramet_channel *channel, int64_t until, ramet_value **ret_value,
			   ramet_error *error)
{
	if (channel->generation != rmt_channel_generation)
		return rmt_error_set(error, EBADF,
				     "the channel belongs to the parent of this process");
	for (;;) {
		ramet_error local = RAMET_ERROR_INIT;
		enum rmt_arrival what;
		int r = await_other(channel, until);

		if (r == -ENOTCONN)
			return rmt_error_set(error, ETIMEDOUT, "nobody has connected in that time");
		if (r < 0)
			return rmt_error_set(error, r, "who has connected cannot be accepted: %s",
					     rmt_strerror(r));
		what = rmt_channel_take(channel, ret_value, NULL, &local);
		if (what == RMT_ARRIVAL_VALUE)
			return 1;
		if (what == RMT_ARRIVAL_FAILURE)
			return rmt_error_move(error, &local);
		ramet_error_clear(&local);
		if (what != RMT_ARRIVAL_NONE)
			rmt_channel_disconnect(channel);
		else if (rmt_channel_wait(channel, rmt_channel_events(channel), until) ==
			 -ETIMEDOUT)
			return rmt_error_set(error, ETIMEDOUT, "nothing has arrived in that time");
		else
			rmt_channel_flush(channel);
	}
}

RMT_PUBLIC int ramet_channel_listen(const char *address, ramet_channel **ret_channel,
				    ramet_error *error)
{
	struct sockaddr_un where;
	int r;

	if (!address)
		return rmt_error_set(error, EINVAL, "no address");
	r = rmt_gate_open(error);
	if (r == 0)
		r = place(address, &where, error);
	return r < 0 ? r : listen_at(&where, ret_channel, error);
}

/* --- connecting --------------------------------------------------------------------------- */

/* A socket that waits for as long, if the queue there is full (SO_SNDTIMEO in socket(7)). */
static int connect_to(const struct sockaddr_un *address, int64_t until, int *ret_fd)
{
	int fd = rmt_descriptor_own_above(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)), r;

	if (fd < 0)
		return -errno;
	do {
		int ms = rmt_poll_timeout(until, rmt_now());
		/* 0 would be for ever. */
		struct timeval patience = {ms < 0 ? 0 : ms / 1000,
					   ms < 0 ? 0 : RMT_MAX(ms % 1000, 1) * 1000};

		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
		r = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno
											: 0;
	} while (r == -EINTR);
	if (r == -EAGAIN)
		r = -ETIMEDOUT;
	if (r == -EACCES)
		r = -EPERM;
	if (r == 0 && !rmt_socket_is_trusted(fd))
		r = -EPERM;
	if (r == 0 && fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		r = -errno;
	if (r < 0)
		rmt_descriptor_close(fd);
	else
		*ret_fd = fd;
	return r;
}

/* In the directories where a name may stand for one. */
static int find(const char *address, int64_t until, int *ret_fd, ramet_error *error)
{
	int r = -ENOENT;

	for (unsigned choice = 0; choice < RMT_SOCKET_CHOICES; choice++) {
		struct sockaddr_un where;
		int found = rmt_socket_find(address, choice, &where, error);

		if (found == -ENOENT)
			continue;
		if (found < 0)
			return found;
		found = connect_to(&where, until, ret_fd);
		if (found == 0)
			return 0;
		/* One that was refused says more than one that is not there. */
		if (found != -ENOENT)
			r = found;
	}
	return rmt_error_set(error, r, "%s: %s", address, rmt_strerror(r));
}

static int await_hello(ramet_channel *channel, const char *address, int64_t until,
		       ramet_error *error)
{
	int r;

	for (;;) {
		rmt_channel_absorb(channel);
		if (channel->greeted)
			return 0;
		if (channel->hung_up && channel->ahead_begin == channel->ahead_end)
			return rmt_error_set(error, ECONNREFUSED,
					     "%s: nobody listens there any more", address);
		if (channel->hung_up || channel->end != RMT_ARRIVAL_NONE ||
		    !rmt_list_empty(&channel->kept))
			return rmt_error_set(error, EPROTO, "%s: there is no channel", address);
		r = rmt_channel_wait(channel, POLLIN, until);
		if (r < 0)
			return rmt_error_set(error, r, "%s: %s", address,
					     r == -ETIMEDOUT ? "it was busy for all the time"
							     : rmt_strerror(r));
	}
}

RMT_PUBLIC int ramet_channel_connect(const char *address, int timeout, ramet_channel **ret_channel,
				     ramet_error *error)
{
	int64_t until = rmt_after(timeout);
	ramet_channel *channel;
	uid_t uid;
	int fd = -1, r;

	if (!address)
		return rmt_error_set(error, EINVAL, "no address");
	r = rmt_gate_open(error);
	if (r == 0)
		r = find(address, until, &fd, error);
	if (r < 0)
		return r;
	channel = rmt_channel_new(fd);
	if (!channel) {
		rmt_descriptor_close(fd);
		return rmt_error_set(error, ENOMEM, "out of memory");
	}
	channel->acknowledged = true;
	if (rmt_socket_peer(fd, &channel->pid, &uid) == 0)
		channel->pidfd = rmt_pidfd_open(channel->pid);
	r = await_hello(channel, address, until, error);
	if (r < 0) {
		rmt_channel_free(channel);
		return r;
	}
	*ret_channel = channel;
	return 0;
}

/* --- in the background -------------------------------------------------------------------- */

/* How it began, through a pipe. */
struct report {
	int result, pid;
	char text[256];
};

struct start {
	const char *address;
	struct sockaddr_un where;
	ramet_background_options options;
	ramet_channel_function *function;
	void *data;
	int pipe;
};

/* What a signal leaves to be removed. */
static struct {
	pid_t pid;
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	char lock[sizeof(((struct sockaddr_un *)NULL)->sun_path) + sizeof(RMT_LOCK_SUFFIX)];
} leftover;

/* signal-safety(7), and for exit(3). */
static void remove_socket(void)
{
	if (getpid() == leftover.pid) {
		unlink(leftover.path);
		unlink(leftover.lock);
	}
}

/* SA_RESETHAND: the second time it ends the process. */
static void on_signal(int signal)
{
	int code = errno;

	remove_socket();
	raise(signal);
	errno = code;
}

/* exit(3), and signals that would end the process without a word. Those that the program handles, or
 * ignores, are its affair. */
static void catch_ends(const struct sockaddr_un *address)
{
	static const int ending[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};
	struct sigaction ours = {.sa_handler = on_signal,
				 .sa_flags = (int)(SA_RESETHAND | SA_NODEFER)};
	struct sigaction now;

	leftover.pid = getpid();
	rmt_format(leftover.path, sizeof(leftover.path), "%s", address->sun_path);
	rmt_format(leftover.lock, sizeof(leftover.lock), "%s" RMT_LOCK_SUFFIX, address->sun_path);
	atexit(remove_socket);
	for (size_t i = 0; i < RMT_COUNT(ending); i++)
		if (sigaction(ending[i], NULL, &now) == 0 && now.sa_handler == SIG_DFL)
			sigaction(ending[i], &ours, NULL);
}

static int redirect(const char *output, ramet_error *error)
{
	/* One that has such a number already stays, for programs that it executes, too. */
	int null = open("/dev/null", O_RDWR), out = null, r = 0;

	if (null >= 0 && output)
		out = open(output, O_WRONLY | O_CREAT | O_APPEND, 0666);
	if (null < 0 || out < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
		r = rmt_error_set(error, errno, "%s: %s",
				  output && null >= 0 ? output : "/dev/null", rmt_strerror(errno));
	if (null > 2)
		close(null);
	if (out > 2 && out != null)
		close(out);
	return r;
}

static int settle(const struct start *start, ramet_channel **ret_channel, ramet_error *error)
{
	int r = redirect(start->options.output, error);

	if (r == 0)
		r = listen_at(&start->where, ret_channel, error);
	if (r < 0)
		return r;
	if (chdir("/") < 0) {
		r = rmt_error_set(error, errno, "/: %s", rmt_strerror(errno));
		rmt_channel_free(*ret_channel);
		return r;
	}
	catch_ends(&start->where);
	rmt_title_background(start->address);
	return 0;
}

static _Noreturn void run(const struct start *start)
{
	struct report report = {.pid = getpid()};
	ramet_error error = RAMET_ERROR_INIT;
	ramet_channel *channel = NULL;

	report.result = settle(start, &channel, &error);
	rmt_format(report.text, sizeof(report.text), "%s", error.message ? error.message : "");
	rmt_write_all(start->pipe, &report, sizeof(report));
	rmt_descriptor_close(start->pipe);
	if (report.result < 0)
		_exit(EXIT_FAILURE);
	channel->timeout = start->options.wait == 0 ? WAIT_DEFAULT : start->options.wait;
	start->function(channel, start->data);
	rmt_channel_exit(channel);
}

/* In the copy of the caller: daemon(7), the second process is nobody's child and leads no session. */
static _Noreturn void detach(const struct start *start)
{
	pid_t pid;

	setsid();
	pid = fork();
	if (pid < 0) {
		struct report report = {.result = -errno};

		rmt_format(report.text, sizeof(report.text), "no new process: %s",
			   rmt_strerror(errno));
		rmt_write_all(start->pipe, &report, sizeof(report));
		_exit(EXIT_FAILURE);
	}
	if (pid > 0)
		_exit(EXIT_SUCCESS);
	run(start);
}

static int read_report(int fd, struct report *report)
{
	size_t have = 0;

	while (have < sizeof(*report)) {
		ssize_t n = read(fd, (char *)report + have, sizeof(*report) - have);

		if (n == 0)
			return -ECONNRESET;
		if (n < 0 && errno != EINTR)
			return -errno;
		have += n > 0 ? (size_t)n : 0;
	}
	report->text[sizeof(report->text) - 1] = '\0';
	return 0;
}

static int start_one(struct start *start, int *ret_pid, ramet_error *error)
{
	struct report report = {0};
	int fds[2], r;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return rmt_error_set(error, errno, "no pipe: %s", rmt_strerror(errno));
	r = rmt_descriptors_own_above(fds);
	if (r < 0)
		return rmt_error_set(error, r, "no pipe: %s", rmt_strerror(r));
	start->pipe = fds[1];
	pid = rmt_parallel_fork(start->pipe);
	if (pid == 0)
		detach(start);
	rmt_descriptor_close(fds[1]);
	r = pid < 0 ? pid : read_report(fds[0], &report);
	rmt_descriptor_close(fds[0]);
	/* The first of the two, which is about to end or has ended. */
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (pid == -EBUSY)
		return rmt_error_set(error, r, "the program has threads of its own");
	if (r < 0)
		return rmt_error_set(error, r, "no new process: %s", rmt_strerror(r));
	if (report.result < 0)
		return rmt_error_set(error, report.result, "%s", report.text);
	if (ret_pid)
		*ret_pid = report.pid;
	return 0;
}

RMT_PUBLIC int ramet_start_background(const char *address, ramet_channel_function *function,
				      void *data, const ramet_background_options *options,
				      int *ret_pid, ramet_error *error)
{
	struct start start = {.address = address, .function = function, .data = data};
	int r;

	if (!address || !function || (options && options->size < sizeof(options->size)))
		return rmt_error_set(error, EINVAL,
				     "no address, no function or no size of options");
	if (options)
		memcpy(&start.options, options, RMT_MIN(options->size, sizeof(start.options)));
	r = rmt_gate_open(error);
	if (r == 0)
		r = place(address, &start.where, error);
	return r < 0 ? r : start_one(&start, ret_pid, error);
}
