/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bottles [-0] [-e PATTERN] [-b SECONDS] [-n COUNT] FILE...: follows log files that grow, as tail
 * -f does, each in a process of its own, and prints the lines in which PATTERN occurs (an extended
 * regular expression, regex(7)) with the name of their file. The processes go on and on and send as
 * many results as there are; an exchange takes them as they come. While nothing comes, it shows
 * that it is alive.
 *
 *	bottles -e '99 bottles' /var/log/beer.log /srv/www/access.log
 *
 *   -0          from the beginning of the files, instead of what they get from now on
 *   -e PATTERN  only lines in which this occurs
 *   -b SECONDS  the heartbeat: how long nothing comes until that is said on standard error (10;
 *               0: never)
 *   -n COUNT    ends after so many lines
 *
 * A file that is truncated is read from its new beginning. One that is removed or renamed ends,
 * after its last line; with the last of them this program does. Lines are passed on when they are
 * complete, or longer than 64 KiB.
 *
 * Exit status: 0; 1, a file could not be read (the others are followed all the same); 2, usage.
 */
#include <fcntl.h>
#include <poll.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ramet.h>

/* What the options say; processes have it from their parent's memory. */
static bool from_beginning, matches;
static regex_t pattern;

/* --- The processes ---------------------------------------------------------------------------- */

/* A file, and the beginning of a line that is not complete. */
struct followed {
	const char *name;
	int file, changes;
	size_t used;
	char line[64 * 1024 + 1];
};

/* Sends one line, without its newline, if it is wanted. */
static int send_line(ramet_channel *channel, struct followed *followed, char *line, size_t size)
{
	size_t name = strlen(followed->name), bytes = name + 2 + size + 1;
	char *text = NULL, after = line[size];

	line[size] = '\0';
	bool wanted = !matches || regexec(&pattern, line, 0, NULL, 0) == 0;
	line[size] = after;
	if (!wanted)
		return 0;
	if (!(text = malloc(bytes)))
		return -ENOMEM;
	memcpy(text, followed->name, name);
	memcpy(text + name, ": ", 2);
	memcpy(text + name + 2, line, size);
	text[bytes - 1] = '\n';
	int r = ramet_channel_send_bytes(channel, (ramet_bytes){text, bytes});
	free(text);
	return r;
}

/* Sends the complete lines of what has been read, and all of it if it is `last` or there is no
 * more room. */
static int send_lines(ramet_channel *channel, struct followed *followed, bool last)
{
	char *line = followed->line, *end = line + followed->used, *newline;
	int r = 0;

	while (r == 0 && (newline = memchr(line, '\n', (size_t)(end - line)))) {
		r = send_line(channel, followed, line, (size_t)(newline - line));
		line = newline + 1;
	}
	followed->used = (size_t)(end - line);
	memmove(followed->line, line, followed->used);
	if (r == 0 && followed->used && (last || followed->used == sizeof(followed->line) - 1)) {
		r = send_line(channel, followed, followed->line, followed->used);
		followed->used = 0;
	}
	return r;
}

/* Reads what the file has now. */
static int catch_up(ramet_channel *channel, struct followed *followed)
{
	struct stat status;
	ssize_t got = 0;
	int r = 0;

	if (fstat(followed->file, &status) == 0 && S_ISREG(status.st_mode) &&
	    status.st_size < lseek(followed->file, 0, SEEK_CUR)) {
		lseek(followed->file, 0, SEEK_SET);
		followed->used = 0;
	}
	while (r == 0 && (got = read(followed->file, followed->line + followed->used,
				     sizeof(followed->line) - 1 - followed->used)) > 0) {
		followed->used += (size_t)got;
		r = send_lines(channel, followed, false);
	}
	return got < 0 && errno != EAGAIN ? -errno : r; /* a FIFO may have nothing just now */
}

/* Waits until the file has changed: 1; 0: it has been removed or renamed; -EPIPE: the parent is
 * gone. */
static int wait_for_change(ramet_channel *channel, struct followed *followed)
{
	struct pollfd polled[] = {{.fd = followed->changes, .events = POLLIN},
				  {.fd = ramet_channel_fd(channel), .events = POLLIN}};
	_Alignas(struct inotify_event) char events[4096];
	struct stat status;

	if (poll(polled, 2, -1) < 0)
		return errno == EINTR ? 1 : -errno;
	if (polled[1].revents)
		return -EPIPE; /* nobody says anything to us: this is the end of the channel */
	ssize_t size = read(followed->changes, events, sizeof(events));
	for (char *at = events; at < events + size;) {
		const struct inotify_event *event = (const void *)at;
		if (event->mask & (IN_MOVE_SELF | IN_DELETE_SELF | IN_UNMOUNT | IN_IGNORED))
			return 0;
		at += sizeof(*event) + event->len;
	}
	/* as long as we have it open a file that is removed is not deleted: its links are counted */
	return fstat(followed->file, &status) == 0 && status.st_nlink > 0;
}

static int open_file(struct followed *followed)
{
	const uint32_t what = IN_MODIFY | IN_ATTRIB | IN_MOVE_SELF | IN_DELETE_SELF;
	struct stat status;

	/* watched first, so that no change behind the first look is missed */
	if ((followed->changes = inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) < 0 ||
	    inotify_add_watch(followed->changes, followed->name, what) < 0 ||
	    (followed->file = open(followed->name, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) < 0 ||
	    fstat(followed->file, &status) < 0)
		return -errno;
	if (S_ISDIR(status.st_mode))
		return -EISDIR;
	if (!from_beginning)
		lseek(followed->file, 0, SEEK_END);
	return 0;
}

static void follow(ramet_channel *channel, void *data)
{
	static struct followed followed; /* the process is its own */

	followed.name = data;
	int r = open_file(&followed);
	if (r == 0)
		r = catch_up(channel, &followed);
	while (r == 0 && (r = wait_for_change(channel, &followed)) == 1)
		r = catch_up(channel, &followed);
	if (r == 0)
		r = catch_up(channel, &followed); /* what was written before it went */
	if (r == 0)
		r = send_lines(channel, &followed, true);
	if (r < 0 && r != -EPIPE)
		ramet_channel_fail(channel, -r, "%s: %s", followed.name, strerror(-r));
}

/* --- The program ------------------------------------------------------------------------------ */

/* Called at the end of each process. */
static int ended(ramet_exchange *exchange, ramet_channel *channel, int status,
		 const ramet_error *failure, void *data)
{
	(void)exchange, (void)channel, (void)status;
	if (failure) {
		fprintf(stderr, "bottles: %s\n", failure->message);
		*(bool *)data = true;
	}
	return 0;
}

/* Prints what comes, until nothing more can, or there are enough. */
static int show(ramet_exchange *exchange, int beat, long most, ramet_error *error)
{
	ramet_channel *channel = NULL;
	ramet_value *line = NULL;
	long silent = 0; /* heartbeats since the last line */

	while (most != 0) {
		int r = ramet_exchange_next(exchange, beat, &channel, &line, error);
		if (r == -ETIMEDOUT) {
			silent++;
			fprintf(stderr, "bottles: nothing for %.1f s; files followed: %d\n",
				(double)silent * beat / 1000, ramet_exchange_running(exchange));
			continue;
		}
		if (r <= 0)
			return r;
		ramet_bytes text = ramet_value_bytes(line);
		fwrite(text.data, 1, text.size, stdout);
		ramet_value_unref(line);
		if (fflush(stdout))
			return -errno;
		silent = 0;
		most -= most > 0;
	}
	return 0;
}

static int run(char **files, int count, int beat, long most)
{
	bool failed = false;
	ramet_exchange *exchange = NULL;
	ramet_error error = RAMET_ERROR_INIT;
	int r = ramet_exchange_new(count, NULL, &failed, &exchange);

	if (r == 0)
		ramet_exchange_on_end(exchange, ended);
	for (int i = 0; r == 0 && i < count; i++)
		r = ramet_exchange_start(exchange, follow, files[i], &error);
	if (r == 0)
		r = show(exchange, beat, most, &error);
	if (r < 0)
		fprintf(stderr, "bottles: %s\n",
			error.message && !ferror(stdout) ? error.message : strerror(-r));
	ramet_exchange_unref(exchange); /* ends those who still follow */
	ramet_error_clear(&error);
	return r < 0 || failed;
}

static int usage(FILE *stream, int status)
{
	fprintf(stream, "usage: bottles [-0] [-e PATTERN] [-b SECONDS] [-n COUNT] FILE...\n");
	return status;
}

int main(int argc, char **argv)
{
	const char *expression = NULL;
	double beat = 10;
	long most = -1;
	char *end, wrong[256];
	int option, r;

	ramet_init(argc, argv);
	while ((option = getopt(argc, argv, "0e:b:n:h")) != -1) {
		if (option == 'h')
			return usage(stdout, 0);
		if (option == '0')
			from_beginning = true;
		else if (option == 'e')
			expression = optarg;
		else if (option == 'b' && (beat = strtod(optarg, &end), end != optarg && !*end) &&
			 (beat == 0 || (beat >= 0.001 && beat <= 1e6)))
			continue;
		else if (option == 'n' && (most = strtol(optarg, &end, 10)) > 0 && !*end)
			continue;
		else
			return usage(stderr, 2);
	}
	if (optind == argc)
		return usage(stderr, 2);
	if (expression && (r = regcomp(&pattern, expression, REG_EXTENDED | REG_NOSUB)) != 0) {
		regerror(r, &pattern, wrong, sizeof(wrong));
		fprintf(stderr, "bottles: %s: %s\n", expression, wrong);
		return 2;
	}
	matches = expression;
	r = run(argv + optind, argc - optind, beat > 0 ? (int)(beat * 1000) : -1, most);
	if (expression)
		regfree(&pattern);
	return r;
}
