/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * on-terminal [OPTION...] COMMAND [ARGUMENT...]
 *
 * Runs a command as the only process of a session on a new terminal, and types what it is told to.
 * What the terminal shows goes to standard output. Exits like the command (128 + the number of a
 * signal).
 *
 *   -w TEXT   what to wait for, behind what was waited for before
 *   -e        the terminal must not echo then
 *   -a TEXT   what to type then; \n, \r, \\ and \ooo are those characters
 *   -i FILE   standard input of the command, instead of the terminal
 *   -1 FILE   its standard output
 *   -2 FILE   its standard error
 *   -k FILE   where to report: "same" or "changed": the terminal's settings in the end against those
 *             before
 *   -t COUNT  how many seconds the command has: 20
 *
 * 121: the terminal echoed; 122: what was waited for did not come; 123: no time was left; 124: an error
 * of this program.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <utmp.h>

enum { STATUS_ECHO = 121, STATUS_SILENT, STATUS_LATE, STATUS_ERROR };

struct step {
	const char *text;
	bool echo_off;
	const char *answer;
};

#define STEPS_MAX 16

static struct step steps[STEPS_MAX];
static size_t step_count, step_next;
static const char *redirect[3];
static const char *report;
static int seconds = 20;

/* What was shown since the last step; its end, when there is much of it. */
static char shown[65536];
static size_t shown_size;

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "on-terminal: %s: %s\n", what, strerror(errno));
	exit(STATUS_ERROR);
}

static struct step *last_step(void)
{
	if (step_count == 0) {
		fprintf(stderr, "on-terminal: -e and -a come behind a -w\n");
		exit(STATUS_ERROR);
	}
	return &steps[step_count - 1];
}

static void parse(int argc, char **argv)
{
	int option;
	while ((option = getopt(argc, argv, "+w:ea:i:1:2:k:t:")) != -1)
		switch (option) {
		case 'w':
			if (step_count == STEPS_MAX)
				exit(STATUS_ERROR);
			steps[step_count++].text = optarg;
			break;
		case 'e':
			last_step()->echo_off = true;
			break;
		case 'a':
			last_step()->answer = optarg;
			break;
		case 'i':
			redirect[0] = optarg;
			break;
		case '1':
			redirect[1] = optarg;
			break;
		case '2':
			redirect[2] = optarg;
			break;
		case 'k':
			report = optarg;
			break;
		case 't':
			seconds = atoi(optarg);
			break;
		default:
			exit(STATUS_ERROR);
		}
	if (optind == argc)
		exit(STATUS_ERROR);
}

static _Noreturn void run(int slave, char **argv)
{
	if (login_tty(slave) < 0)
		die("login_tty");
	for (int i = 0; i < 3; i++) {
		if (!redirect[i])
			continue;
		int fd = open(redirect[i], i == 0 ? O_RDONLY : O_WRONLY | O_CREAT | O_TRUNC, 0666);
		if (fd < 0)
			die(redirect[i]);
		dup2(fd, i);
		close(fd);
	}
	execvp(argv[0], argv);
	die(argv[0]);
}

static void type(int master, const char *text)
{
	char bytes[4096];
	size_t size = 0;
	while (*text && size < sizeof bytes) {
		char c = *text++;
		if (c == '\\' && *text >= '0' && *text <= '7') {
			int value = 0;
			for (int i = 0; i < 3 && *text >= '0' && *text <= '7'; i++)
				value = value * 8 + *text++ - '0';
			c = (char)value;
		} else if (c == '\\' && *text) {
			c = *text++;
			c = c == 'n' ? '\n' : c == 'r' ? '\r' : c;
		}
		bytes[size++] = c;
	}
	if (write(master, bytes, size) != (ssize_t)size)
		die("write");
}

/* 0, or a status to exit with. */
static int take_steps(int master)
{
	while (step_next < step_count) {
		const struct step *step = &steps[step_next];
		char *found = memmem(shown, shown_size, step->text, strlen(step->text));
		if (!found)
			return 0;
		size_t end = (size_t)(found - shown) + strlen(step->text);
		memmove(shown, shown + end, shown_size - end);
		shown_size -= end;
		step_next++;
		struct termios now;
		if (step->echo_off && (tcgetattr(master, &now) < 0 || (now.c_lflag & ECHO))) {
			fprintf(stderr, "on-terminal: echo is on at '%s'\n", step->text);
			return STATUS_ECHO;
		}
		if (step->answer)
			type(master, step->answer);
	}
	return 0;
}

static int show(int master)
{
	char data[4096];
	ssize_t size = read(master, data, sizeof data);
	if (size <= 0)
		return 0;
	if (write(STDOUT_FILENO, data, (size_t)size) != size)
		die("write");
	if (shown_size + (size_t)size > sizeof shown) {
		size_t excess = shown_size + (size_t)size - sizeof shown;
		memmove(shown, shown + excess, shown_size - excess);
		shown_size -= excess;
	}
	memcpy(shown + shown_size, data, (size_t)size);
	shown_size += (size_t)size;
	return take_steps(master);
}

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int child_end;

static void on_child(int signal_number)
{
	(void)signal_number;
	char byte = 0;
	if (write(child_end, &byte, 1) < 0)
		return;
}

/* Shows and types until the command has ended; its status, or one of ours. */
static int converse(int master, pid_t pid, int ended)
{
	int64_t end = now_ms() + (int64_t)seconds * 1000;
	int status, ours = 0;
	bool gone = false;
	for (;;) {
		struct pollfd fds[] = {{.fd = master, .events = POLLIN},
				       {.fd = ended, .events = POLLIN}};
		int64_t left = gone ? 0 : end - now_ms();
		int ready = poll(fds, 2, left > 0 ? (int)left : 0);
		if (ready < 0 && errno != EINTR)
			die("poll");
		if (ready > 0 && (fds[0].revents & POLLIN)) {
			ours = show(master);
			if (ours == 0)
				continue;
			kill(-pid, SIGKILL);
		}
		if (gone)
			break;
		if (waitpid(pid, &status, WNOHANG) == pid) {
			gone = true;
			/* What it said last is read first. */
			if (ours == 0)
				continue;
			break;
		}
		if (ours == 0 && now_ms() >= end) {
			fprintf(stderr, "on-terminal: no time is left\n");
			kill(-pid, SIGKILL);
			ours = STATUS_LATE;
		}
	}
	if (ours == 0 && step_next < step_count) {
		fprintf(stderr, "on-terminal: never shown: '%s'\n", steps[step_next].text);
		ours = STATUS_SILENT;
	}
	if (ours)
		return ours;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void compare(int master, const struct termios *before)
{
	struct termios after;
	bool same = tcgetattr(master, &after) == 0 && after.c_iflag == before->c_iflag &&
		    after.c_oflag == before->c_oflag && after.c_cflag == before->c_cflag &&
		    after.c_lflag == before->c_lflag &&
		    memcmp(after.c_cc, before->c_cc, sizeof after.c_cc) == 0;
	FILE *file = fopen(report, "we");
	if (!file)
		die(report);
	fputs(same ? "same\n" : "changed\n", file);
	fclose(file);
}

int main(int argc, char **argv)
{
	parse(argc, argv);
	/* The slave stays open here, so that the terminal outlives the command. */
	int master, slave, ended[2];
	struct winsize size = {.ws_row = 24, .ws_col = 200};
	if (openpty(&master, &slave, NULL, NULL, &size) < 0)
		die("openpty");
	fcntl(master, F_SETFD, FD_CLOEXEC);
	if (pipe2(ended, O_CLOEXEC | O_NONBLOCK) < 0)
		die("pipe");
	child_end = ended[1];
	struct sigaction action = {.sa_handler = on_child, .sa_flags = SA_NOCLDSTOP};
	sigaction(SIGCHLD, &action, NULL);
	struct termios before;
	if (tcgetattr(master, &before) < 0)
		die("tcgetattr");

	pid_t pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0) {
		signal(SIGCHLD, SIG_DFL);
		run(slave, argv + optind);
	}
	int status = converse(master, pid, ended[0]);
	if (report)
		compare(master, &before);
	return status;
}
