/* SPDX-License-Identifier: BSD-3-Clause */
/* Called in a context: runs a command there, in a process group of its own. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/macro.h"
#include "base/time.h"
#include "cli/command.h"
#include "cli/function-run-child.h"
#include "cli/functions.h"

/* A cancelled call has no descriptor that poll(2) could wait for, so we look at it so often. */
#define CANCEL_LOOK_MS 50

/* The same for the end of the process on kernels without pidfd_open(2), before 5.3. */
#define NO_PIDFD_MS 10

/* What the command has between SIGTERM and SIGKILL. */
#define GRACE_MS 200

/* One read: what one frame carries, and a pipe holds. */
#define READ_SIZE 65536

struct running {
	ramet_call *call;
	ramet_sender *senders[2];
	int pipes[2]; /* reading ends; -1 once closed */
	int pidfd;    /* -1: the kernel has none */
	pid_t pid;    /* also the group */
	bool exited; /* and not reaped, which keeps the number of the group from being used again */
	bool unwanted; /* nobody waits for it any more */
	char data[READ_SIZE];
};

/* --- starting --------------------------------------------------------------------------------- */

static char **split_words(ramet_call *call, ramet_bytes words)
{
	size_t count = 0, at = 0;
	const char *text = words.data;
	char **argv;

	for (size_t i = 0; i < words.size; i++)
		count += !text[i];
	argv = ramet_call_alloc(call, (count + 1) * sizeof(*argv));
	if (!argv)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		argv[i] = (char *)text + at;
		at += strlen(argv[i]) + 1;
	}
	argv[count] = NULL;
	return argv;
}

/* Standard input stays what it is in every context: /dev/null. */
static int start(struct running *running, char **argv)
{
	int ends[2] = {-1, -1}, r = 0;

	for (int i = 0; i < 2 && r == 0; i++) {
		int pair[2];

		if (pipe2(pair, O_CLOEXEC) < 0) {
			r = -errno;
			break;
		}
		running->pipes[i] = pair[0];
		ends[i] = pair[1];
		/* Only our end: the command's is another open file. */
		fcntl(pair[0], F_SETFL, O_NONBLOCK);
	}
	if (r < 0)
		ramet_fail(running->call, r, "no pipe for the command: %s", strerror(-r));
	else
		r = rmt_run_child(argv, ends, &running->pid);
	for (int i = 0; i < 2; i++)
		if (ends[i] >= 0)
			close(ends[i]);
	if (r == 0)
		running->pidfd = (int)syscall(SYS_pidfd_open, running->pid, 0);
	return r;
}

/* --- watching --------------------------------------------------------------------------------- */

/* Blocks while the reader is behind; so does the command, then, when its pipe is full. */
static void forward(struct running *running, int i, size_t size)
{
	int r;

	do
		r = ramet_send_bytes(running->senders[i], (ramet_bytes){running->data, size});
	while (r == -ETIMEDOUT && !ramet_call_cancelled(running->call));
	if (r < 0)
		running->unwanted = true;
}

/* Reads once; false when there is nothing. */
static bool pump(struct running *running, int i, size_t most)
{
	ssize_t n = read(running->pipes[i], running->data, RMT_MIN(most, sizeof(running->data)));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		close(running->pipes[i]);
		running->pipes[i] = -1;
		return false;
	}
	if (!running->unwanted)
		forward(running, i, (size_t)n);
	return true;
}

static void wait_once(struct running *running, int timeout)
{
	struct pollfd fds[3] = {
		{.fd = running->pipes[0], .events = POLLIN},
		{.fd = running->pipes[1], .events = POLLIN},
		{.fd = running->exited ? -1 : running->pidfd, .events = POLLIN},
	};
	siginfo_t info = {0};

	if (running->pidfd < 0 && !running->exited)
		timeout = RMT_MIN(timeout, NO_PIDFD_MS);
	if (poll(fds, RMT_COUNT(fds), timeout) < 0)
		return;
	for (int i = 0; i < 2; i++)
		if (fds[i].revents)
			pump(running, i, READ_SIZE);
	if ((fds[2].revents || running->pidfd < 0) &&
	    waitid(P_PID, (id_t)running->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	    info.si_pid != 0)
		running->exited = true;
}

/* What the command had written when it ended; what it has left in the background may go on for
 * ever. */
static void read_rest(struct running *running, int i)
{
	int left = 0;

	if (running->pipes[i] < 0 || ioctl(running->pipes[i], FIONREAD, &left) < 0)
		return;
	while (left > 0 && !running->unwanted && pump(running, i, (size_t)left))
		left -= READ_SIZE;
}

/* The whole group: who has a handler for TERM, and its children, get the same time. */
static void end_group(struct running *running)
{
	int64_t until = rmt_after(GRACE_MS), now;

	kill(-running->pid, SIGTERM);
	while ((!running->exited || running->pipes[0] >= 0 || running->pipes[1] >= 0) &&
	       (now = rmt_now()) < until)
		wait_once(running, rmt_poll_timeout(until, now));
	kill(-running->pid, SIGKILL);
}

static command_end watch(struct running *running)
{
	command_end end = {.failure = ""};
	int status = 0;

	while (!running->exited && !running->unwanted) {
		wait_once(running, CANCEL_LOOK_MS);
		if (ramet_call_cancelled(running->call))
			running->unwanted = true;
	}
	for (int i = 0; i < 2; i++)
		read_rest(running, i);
	if (running->unwanted)
		end_group(running);
	while (waitpid(running->pid, &status, 0) < 0 && errno == EINTR)
		;
	end.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	end.status = end.signal ? RMT_EXIT_SIGNAL + end.signal : WEXITSTATUS(status);
	return end;
}

RAMET_DEFINE_CONCURRENT(command_end, run_command, (bytes, words), (sender, output),
			(sender, errors))
{
	struct running *running = ramet_call_alloc(call, sizeof(*running));
	char **argv = split_words(call, words);
	command_end end = {.failure = ""};
	int r;

	if (!running || !argv || !argv[0]) {
		ramet_fail(call, running && argv ? EINVAL : ENOMEM, "no command");
		return end;
	}
	*running = (struct running){
		.call = call, .senders = {output, errors}, .pipes = {-1, -1}, .pidfd = -1};
	ramet_sender_set_timeout(output, CANCEL_LOOK_MS);
	ramet_sender_set_timeout(errors, CANCEL_LOOK_MS);
	r = start(running, argv);
	if (r == 0) {
		end = watch(running);
	} else {
		end.status = r == -ENOENT ? RMT_EXIT_NOT_FOUND : RMT_EXIT_NOT_EXECUTABLE;
		end.failure = strerror(-r);
	}
	for (int i = 0; i < 2; i++)
		if (running->pipes[i] >= 0)
			close(running->pipes[i]);
	if (running->pidfd >= 0)
		close(running->pidfd);
	return end;
}
