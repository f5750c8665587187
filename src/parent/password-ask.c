/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Asking the user at the terminal, as readpassphrase(3) does, in a process with other threads: a signal
 * may be delivered to any of them, so handlers only write its number to a pipe. Whatever happens, first
 * the terminal and then the program's handlers are as they were, and only then the program gets its
 * signal.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/format.h"
#include "base/macro.h"
#include "base/printable.h"
#include "parent/password.h"

#define TERMINAL "/dev/tty"

/* What ends or stops a program at a terminal, and what tells that it goes on after a stop that
 * cannot be caught: a shell has set the terminal up again by then. */
static const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGALRM, SIGTSTP, SIGCONT};

static struct {
	pthread_mutex_t lock; /* one thread asks at a time */
	pid_t pid;
	int tty;
	int pipe[2];
	struct sigaction before[RMT_COUNT(signals)];
	sigset_t mask;
	struct termios settings; /* as they were */
	atomic_bool silent;      /* echo is off, by us */
	bool registered;
} asking = {.lock = PTHREAD_MUTEX_INITIALIZER};

void rmt_password_ask_after_fork(void)
{
	/* Its holder was another thread, which is not in this process. */
	pthread_mutex_init(&asking.lock, NULL);
	asking.silent = false;
}

/* --- signals ------------------------------------------------------------------------------ */

static size_t signal_index(int number)
{
	size_t i = 0;

	while (signals[i] != number)
		i++;
	return i;
}

static void on_signal(int number)
{
	const unsigned char byte = (unsigned char)number;
	int saved = errno;

	if (getpid() == asking.pid) {
		/* When the pipe is full there is enough to read in it. */
		if (write(asking.pipe[1], &byte, 1) < 0)
			errno = saved;
	} else {
		/* A copy of the process, made by somebody while we asked. */
		sigaction(number, &asking.before[signal_index(number)], NULL);
		raise(number);
	}
	errno = saved;
}

static void take_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal};
	sigset_t ours, background;

	sigemptyset(&ours);
	sigfillset(&action.sa_mask);
	for (size_t i = 0; i < RMT_COUNT(signals); i++) {
		sigaction(signals[i], NULL, &asking.before[i]);
		/* nohup(1) and the like are meant to be obeyed. */
		if (asking.before[i].sa_handler == SIG_IGN)
			continue;
		sigaction(signals[i], &action, NULL);
		sigaddset(&ours, signals[i]);
	}
	/* Blocked, these make calls fail in the background that would stop the process. */
	sigemptyset(&background);
	sigaddset(&background, SIGTTIN);
	sigaddset(&background, SIGTTOU);
	pthread_sigmask(SIG_BLOCK, &background, &asking.mask);
	pthread_sigmask(SIG_UNBLOCK, &ours, NULL);
}

static void give_signals_back(void)
{
	for (size_t i = 0; i < RMT_COUNT(signals); i++)
		if (asking.before[i].sa_handler != SIG_IGN)
			sigaction(signals[i], &asking.before[i], NULL);
	pthread_sigmask(SIG_SETMASK, &asking.mask, NULL);
}

/* To the program, whose handlers are in place. Returns when it goes on. */
static void pass_on(int number)
{
	struct sigaction action;
	sigset_t awake, before;

	sigaction(number, NULL, &action);
	if (action.sa_handler != SIG_DFL) {
		kill(getpid(), number);
	} else if (number == SIGTSTP || number == SIGTTIN) {
		/* In this thread, which must not go on before the process has stopped; and what
		 * wakes it must not stay pending, as a blocked signal would. */
		sigemptyset(&awake);
		sigaddset(&awake, number);
		sigaddset(&awake, SIGCONT);
		pthread_sigmask(SIG_UNBLOCK, &awake, &before);
		raise(number);
		pthread_sigmask(SIG_SETMASK, &before, NULL);
	} else if (number != SIGCONT) {
		kill(getpid(), number);
	}
}

/* --- the terminal ------------------------------------------------------------------------- */

static void echo_on(void)
{
	if (asking.silent && getpid() == asking.pid) {
		tcsetattr(asking.tty, TCSANOW, &asking.settings);
		asking.silent = false;
	}
}

static int echo_off(void)
{
	struct termios settings;

	if (tcgetattr(asking.tty, &asking.settings) < 0)
		return -errno;
	settings = asking.settings;
	settings.c_iflag |= ICRNL;
	settings.c_lflag |= ICANON | ISIG;
	settings.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
	asking.silent = true;
	if (tcsetattr(asking.tty, TCSAFLUSH, &settings) < 0) {
		asking.silent = false;
		return -errno;
	}
	return 0;
}

static bool in_foreground(void)
{
	return tcgetpgrp(asking.tty) == getpgrp();
}

/* -EINTR: a signal has come, *ret_signal. */
static int wait_for(short events, int *ret_signal)
{
	struct pollfd fds[2] = {{.fd = asking.tty, .events = events},
				{.fd = asking.pipe[0], .events = POLLIN}};
	unsigned char byte;

	while (poll(fds, 2, -1) < 0)
		if (errno != EINTR)
			return -errno;
	if (!fds[1].revents || read(asking.pipe[0], &byte, 1) != 1)
		return 0;
	*ret_signal = byte;
	return -EINTR;
}

static int show(const char *text, size_t size, int *ret_signal)
{
	int r = 0;

	while (size > 0 && r == 0) {
		ssize_t n = write(asking.tty, text, size);

		if (n >= 0) {
			text += n;
			size -= (size_t)n;
		} else if (errno == EAGAIN) {
			r = wait_for(POLLOUT, ret_signal);
		} else if (errno != EINTR) {
			r = -errno;
		}
	}
	return r;
}

/* A line; what does not fit into a password is read and forgotten, and then -EMSGSIZE. */
static int read_line(struct rmt_password *password, int *ret_signal)
{
	bool over = false;
	int r;

	password->size = 0;
	for (;;) {
		char *at = password->text + password->size;
		size_t room = sizeof(password->text) - password->size;
		ssize_t n;

		r = wait_for(POLLIN, ret_signal);
		if (r < 0)
			return r;
		n = read(asking.tty, at, room);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n < 0)
			return errno == EIO && !in_foreground() ? -ENOTTY : -errno;
		if (n == 0 && password->size == 0)
			return over ? -EMSGSIZE : -ENOKEY;
		password->size += (size_t)n;
		if (n == 0 || at[n - 1] == '\n') {
			password->size -= n > 0;
			password->text[password->size] = '\0';
			return over ? -EMSGSIZE : 0;
		}
		if (password->size == sizeof(password->text)) {
			over = true;
			password->size = 0;
		}
	}
}

/* -EINTR: a signal, which is still to be passed on. -ENOTTY: in the background. */
static int ask_once(const char *text, struct rmt_password *password, int *ret_signal)
{
	int r, ignored = 0;

	take_signals();
	r = in_foreground() ? echo_off() : -ENOTTY;
	if (r == 0) {
		r = show(text, strlen(text), ret_signal);
		if (r == 0)
			r = read_line(password, ret_signal);
		echo_on();
		/* The user's own was not echoed. */
		show("\n", 1, &ignored);
		if (r == 0 && ignored) {
			*ret_signal = ignored;
			r = -EINTR;
		}
	}
	give_signals_back();
	if (r < 0)
		rmt_wipe(password, sizeof(*password));
	return r;
}

static int ask(const char *text, struct rmt_password *password)
{
	int r, number = 0;

	for (;;) {
		r = ask_once(text, password, &number);
		if (r == -EINTR) {
			pass_on(number);
			if (number != SIGTSTP && number != SIGCONT)
				return r;
		} else if (r == -ENOTTY) {
			/* Stops a job of a shell until it is in the foreground. */
			pass_on(SIGTTIN);
			if (!in_foreground())
				return r;
		} else {
			return r;
		}
	}
}

static int open_terminal(void)
{
	int r;

	asking.tty = open(TERMINAL, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	if (asking.tty < 0)
		return -errno;
	if (pipe2(asking.pipe, O_CLOEXEC | O_NONBLOCK) < 0) {
		r = -errno;
		close(asking.tty);
		return r;
	}
	rmt_descriptor_own(asking.tty);
	rmt_descriptor_own(asking.pipe[0]);
	rmt_descriptor_own(asking.pipe[1]);
	asking.pid = getpid();
	/* Another thread may end the process. */
	if (!asking.registered)
		asking.registered = atexit(echo_on) == 0;
	return 0;
}

static void close_terminal(void)
{
	rmt_descriptor_close(asking.pipe[1]);
	rmt_descriptor_close(asking.pipe[0]);
	rmt_descriptor_close(asking.tty);
}

static int explain(int r, const char *path, ramet_error *error)
{
	switch (r) {
	case -EINTR:
		return rmt_error_set(error, EINTR,
				     "interrupted while asking for the password of %s", path);
	case -ENOKEY:
		return rmt_error_set(error, ENOKEY, "no password was entered for %s", path);
	case -ENOTTY:
		return rmt_error_set(
			error, ENOKEY,
			"cannot ask for the password of %s: this process is not in the "
			"foreground of its terminal",
			path);
	case -EMSGSIZE:
		return rmt_error_set(error, ENOKEY, "the password for %s is longer than %d bytes",
				     path, RMT_PASSWORD_MAX);
	default:
		return rmt_error_set(error, ENOKEY, "cannot ask for the password of %s at %s: %s",
				     path, TERMINAL, rmt_strerror(r));
	}
}

int rmt_password_ask(const char *path, const char *prompt, struct rmt_password *ret_password,
		     ramet_error *error)
{
	size_t size = strlen(prompt);
	const char *space = size == 0 || prompt[size - 1] != ' ' ? " " : "";
	char *text;
	int r;

	text = rmt_format_new("%s: %s%s", path, size > 0 ? prompt : "Password:", space);
	if (!text)
		return rmt_error_set(error, ENOMEM, "out of memory");
	/* The words come from another machine. */
	rmt_make_printable(text);
	pthread_mutex_lock(&asking.lock);
	r = open_terminal();
	if (r == 0) {
		r = ask(text, ret_password);
		close_terminal();
	}
	pthread_mutex_unlock(&asking.lock);
	free(text);
	return r < 0 ? explain(r, path, error) : 0;
}
