/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * relay [OPTION...] LISTEN-PORT TARGET-PORT: forwards TCP connections on the loopback, and gets in
 * their way. "Up" is from whoever connects to the target, "down" the other direction.
 * relay [OPTION...] --exec COMMAND...: the same between our standard input and output and a
 * command's, which gets our terminal, errors and signals, and whose exit status is ours.
 *
 *   --cut-up N, --cut-down N   after so many bytes of a connection in that direction, it is closed
 *   --kill FILE                ... instead, the process whose id is in FILE gets SIGKILL, once
 *   --delay MS                 every byte arrives so much later than it was sent, each way
 *   --count-file FILE          a line for each connection that has ended: "UP DOWN TURNS", the bytes
 *                              each way and how often bytes went up after some had come down
 *   --turns FILE               a line for each change of direction: "UP DOWN", the bytes so far
 *   --once                     ends with its first connection
 *   --background               goes on in the background once it listens
 *
 * LISTEN-PORT 0 is any. Prints "PORT PID" when it listens. --once and --background mean nothing to a
 * command.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { UP, DOWN, DIRECTIONS };

#define CONNECTIONS_MAX 256
#define CHUNK_MAX 16384
#define HELD_MAX (4 << 20) /* bytes on the way in one direction; a delay needs room */

struct chunk {
	struct chunk *next;
	int64_t due;
	size_t size, done;
	char data[];
};

/* One direction: what was read from a socket and is not yet written to the other. */
struct flow {
	struct chunk *first, **last;
	size_t held;
	uint64_t bytes; /* that were read */
	bool ended;     /* nothing more will be read */
	bool shut;      /* and the reader knows it */
};

struct connection {
	int from[DIRECTIONS], to[DIRECTIONS]; /* of a socket both are the same descriptor */
	struct flow flow[DIRECTIONS];
	int direction;
	uint64_t turns;
};

static struct {
	uint64_t cut[DIRECTIONS];
	int64_t delay;
	const char *count_file, *turns_file, *kill_file;
	bool once, background, exec;
	uint16_t target;
} options = {.cut = {UINT64_MAX, UINT64_MAX}};

static struct connection *connections[CONNECTIONS_MAX];
static size_t connection_count;
static pid_t command;

static void die(const char *what)
{
	fprintf(stderr, "relay: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

__attribute__((format(printf, 2, 3))) static void note(const char *path, const char *format, ...)
{
	char line[128];
	va_list arguments;
	int fd, size;

	if (!path)
		return;
	va_start(arguments, format);
	size = vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, line, (size_t)size) != size)
		die(path);
	close(fd);
}

/* --- connections ------------------------------------------------------------------------------ */

static struct sockaddr_in loopback(uint16_t port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

static struct connection *connection_new(int from, int to)
{
	struct connection *connection = calloc(1, sizeof(*connection));

	if (!connection)
		die("calloc");
	connection->from[UP] = connection->to[DOWN] = from;
	connection->from[DOWN] = connection->to[UP] = to;
	connection->direction = DIRECTIONS;
	for (int i = 0; i < DIRECTIONS; i++)
		connection->flow[i].last = &connection->flow[i].first;
	connections[connection_count++] = connection;
	return connection;
}

static void connection_begin(int listener)
{
	struct sockaddr_in address = loopback(options.target);
	int from = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), to, one = 1;

	if (from < 0)
		return;
	to = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (to < 0)
		die("socket");
	if (connection_count == CONNECTIONS_MAX ||
	    connect(to, (struct sockaddr *)&address, sizeof(address)) < 0) {
		close(from);
		close(to);
		return;
	}
	fcntl(to, F_SETFL, O_NONBLOCK);
	setsockopt(from, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(to, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	connection_new(from, to);
}

/* Ends with the command, and as it did. */
static _Noreturn void end_with_command(void)
{
	int status;

	while (waitpid(command, &status, 0) < 0)
		if (errno != EINTR)
			die("waitpid");
	if (WIFEXITED(status))
		_exit(WEXITSTATUS(status));
	signal(WTERMSIG(status), SIG_DFL);
	raise(WTERMSIG(status));
	_exit(128 + WTERMSIG(status));
}

static void connection_end(size_t index)
{
	struct connection *connection = connections[index];

	for (int i = 0; i < DIRECTIONS; i++) {
		close(connection->from[i]);
		if (connection->to[i] != connection->from[!i])
			close(connection->to[i]);
		for (struct chunk *chunk = connection->flow[i].first, *next; chunk; chunk = next) {
			next = chunk->next;
			free(chunk);
		}
	}
	note(options.count_file, "%" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
	     connection->flow[UP].bytes, connection->flow[DOWN].bytes, connection->turns);
	free(connection);
	connections[index] = connections[--connection_count];
	if (options.exec)
		end_with_command();
	if (options.once)
		exit(0);
}

/* True: the connection goes on. */
static bool cut(void)
{
	char text[32] = "";
	int fd;

	if (!options.kill_file)
		return false;
	options.cut[UP] = options.cut[DOWN] = UINT64_MAX;
	fd = open(options.kill_file, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 1 || atoi(text) < 2)
		die(options.kill_file);
	close(fd);
	kill(atoi(text), SIGKILL);
	return true;
}

/* Counts bytes that were read; how many of them go on. */
static size_t flow_count(struct connection *connection, int direction, size_t size)
{
	struct flow *flow = &connection->flow[direction];
	uint64_t left = options.cut[direction] - flow->bytes;

	if (direction != connection->direction) {
		note(options.turns_file, "%" PRIu64 " %" PRIu64 "\n", connection->flow[UP].bytes,
		     connection->flow[DOWN].bytes);
		connection->turns += direction == UP && connection->direction == DOWN;
		connection->direction = direction;
	}
	if (size > left)
		size = (size_t)left;
	flow->bytes += size;
	return size;
}

/* --- bytes ------------------------------------------------------------------------------------ */

/* False: the connection is over. */
static bool flow_read(struct connection *connection, int direction)
{
	struct flow *flow = &connection->flow[direction];
	struct chunk *chunk = malloc(sizeof(*chunk) + CHUNK_MAX);
	ssize_t size;

	if (!chunk)
		die("malloc");
	size = read(connection->from[direction], chunk->data, CHUNK_MAX);
	if (size <= 0) {
		free(chunk);
		if (size < 0)
			return errno == EAGAIN || errno == EINTR;
		flow->ended = true;
		return true;
	}
	chunk->next = NULL;
	chunk->due = now() + options.delay;
	chunk->size = flow_count(connection, direction, (size_t)size);
	chunk->done = 0;
	flow->held += chunk->size;
	*flow->last = chunk;
	flow->last = &chunk->next;
	return true;
}

/* The reader gets no more. */
static void flow_shut(struct connection *connection, int direction)
{
	int to = connection->to[direction], null;

	connection->flow[direction].shut = true;
	if (shutdown(to, SHUT_WR) == 0 || errno != ENOTSOCK)
		return;
	null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (null < 0 || dup2(null, to) < 0)
		die("/dev/null");
	close(null);
}

/* A command that reads no more may still have something to say. */
static void flow_drop(struct connection *connection, int direction)
{
	struct flow *flow = &connection->flow[direction];

	for (struct chunk *chunk; (chunk = flow->first);) {
		flow->first = chunk->next;
		free(chunk);
	}
	flow->last = &flow->first;
	flow->held = 0;
	flow->ended = true;
	flow_shut(connection, direction);
}

/* False: the connection is over. */
static bool flow_write(struct connection *connection, int direction)
{
	struct flow *flow = &connection->flow[direction];
	bool borrowed = options.exec && direction == DOWN;
	int to = connection->to[direction];
	struct chunk *chunk;
	ssize_t size;

	while ((chunk = flow->first) && chunk->due <= now()) {
		size_t left = chunk->size - chunk->done;

		/* What we were given may block: so much is written when poll(2) says so. */
		if (borrowed && poll(&(struct pollfd){.fd = to, .events = POLLOUT}, 1, 0) < 1)
			break;
		size = write(to, chunk->data + chunk->done,
			     borrowed && left > PIPE_BUF ? PIPE_BUF : left);
		if (size < 0 && errno == EPIPE && options.exec && direction == UP) {
			flow_drop(connection, direction);
			return true;
		}
		if (size < 0)
			return errno == EAGAIN || errno == EINTR;
		chunk->done += (size_t)size;
		flow->held -= (size_t)size;
		if (chunk->done == chunk->size) {
			flow->first = chunk->next;
			if (!flow->first)
				flow->last = &flow->first;
			free(chunk);
		}
	}
	if (flow->first)
		return true;
	/* The bytes before the cut have arrived. */
	if (flow->bytes >= options.cut[direction] && !cut())
		return false;
	if (flow->ended && !flow->shut)
		flow_shut(connection, direction);
	return !(connection->flow[DOWN].shut && (connection->flow[UP].shut || options.exec));
}

/* What to wait for, and until when (-1: for ever). What nothing is wanted of is not polled: one that
 * is closed would not let us sleep. */
static void flow_want(const struct connection *connection, int direction, struct pollfd polls[2],
		      int64_t *until)
{
	const struct flow *flow = &connection->flow[direction];

	polls[0] = (struct pollfd){.fd = -1, .events = POLLIN};
	polls[1] = (struct pollfd){.fd = -1, .events = POLLOUT};
	if (!flow->ended && flow->held < HELD_MAX && flow->bytes < options.cut[direction])
		polls[0].fd = connection->from[direction];
	if (!flow->first)
		return;
	if (flow->first->due <= now())
		polls[1].fd = connection->to[direction];
	else if (*until < 0 || flow->first->due < *until)
		*until = flow->first->due;
}

static bool connection_work(struct connection *connection, const struct pollfd polls[4])
{
	bool alive = true;

	for (int i = 0; i < DIRECTIONS && alive; i++)
		alive = (!polls[2 * i].revents || flow_read(connection, i)) &&
			flow_write(connection, i);
	return alive;
}

/* The listener is -1 where there is a command. */
static _Noreturn void serve(int listener)
{
	struct pollfd polls[1 + 4 * CONNECTIONS_MAX];
	size_t polled;
	int64_t until, time;

	for (;;) {
		until = -1;
		polls[0] = (struct pollfd){.fd = listener, .events = POLLIN};
		polled = connection_count;
		for (size_t i = 0; i < polled; i++)
			for (int j = 0; j < DIRECTIONS; j++)
				flow_want(connections[i], j, &polls[1 + 4 * i + 2 * (size_t)j],
					  &until);
		time = now();
		if (poll(polls, 1 + 4 * polled,
			 until < 0 ? -1 : (int)(until > time ? until - time : 0)) < 0) {
			if (errno != EINTR)
				die("poll");
			continue;
		}
		/* From behind: one that ends is replaced by the last one. */
		for (size_t i = polled; i-- > 0;)
			if (!connection_work(connections[i], &polls[1 + 4 * i]))
				connection_end(i);
		if (polls[0].revents & POLLIN && !(options.once && connection_count > 0))
			connection_begin(listener);
	}
}

/* --- the beginning ---------------------------------------------------------------------------- */

static int listen_at(uint16_t port)
{
	struct sockaddr_in address = loopback(port);
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	pid_t pid;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, 128) < 0 || getsockname(fd, (struct sockaddr *)&address, &size) < 0)
		die("cannot listen");
	pid = options.background ? fork() : 0;
	if (pid < 0)
		die("fork");
	if (pid > 0) {
		printf("%d %d\n", ntohs(address.sin_port), (int)pid);
		exit(0);
	}
	if (!options.background)
		printf("%d %d\n", ntohs(address.sin_port), (int)getpid());
	fflush(stdout);
	return fd;
}

static void pass_signal(int signal)
{
	kill(command, signal);
}

static void run(char **words)
{
	static const int signals[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT};
	int up[2], down[2];
	struct connection *connection;
	sigset_t passed, before;

	if (pipe2(up, O_CLOEXEC) < 0 || pipe2(down, O_CLOEXEC) < 0)
		die("pipe");
	/* The command may send one at once. */
	sigemptyset(&passed);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaddset(&passed, signals[i]);
	sigprocmask(SIG_BLOCK, &passed, &before);
	command = fork();
	if (command < 0)
		die("fork");
	if (command == 0) {
		sigprocmask(SIG_SETMASK, &before, NULL);
		if (dup2(up[0], STDIN_FILENO) < 0 || dup2(down[1], STDOUT_FILENO) < 0)
			die("dup2");
		signal(SIGPIPE, SIG_DFL);
		execvp(words[0], words);
		die(words[0]);
	}
	close(up[0]);
	close(down[1]);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		signal(signals[i], pass_signal);
	sigprocmask(SIG_SETMASK, &before, NULL);
	/* The others are shared with whoever started us. */
	fcntl(up[1], F_SETFL, O_NONBLOCK);
	connection = connection_new(STDIN_FILENO, up[1]);
	connection->from[DOWN] = down[0];
	connection->to[DOWN] = STDOUT_FILENO;
}

static uint64_t number(const char *text, uint64_t most)
{
	char *end;
	uint64_t value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || *end || !*text || value > most) {
		fprintf(stderr, "relay: %s is no number up to %" PRIu64 "\n", text, most);
		exit(2);
	}
	return value;
}

static void parse(int argc, char **argv)
{
	static const struct option names[] = {
		{"cut-up", required_argument, NULL, 'u'},
		{"cut-down", required_argument, NULL, 'd'},
		{"kill", required_argument, NULL, 'k'},
		{"delay", required_argument, NULL, 'm'},
		{"count-file", required_argument, NULL, 'c'},
		{"turns", required_argument, NULL, 't'},
		{"once", no_argument, NULL, 'o'},
		{"background", no_argument, NULL, 'b'},
		{"exec", no_argument, NULL, 'x'},
		{0},
	};

	for (int c; !options.exec && (c = getopt_long(argc, argv, "+", names, NULL)) != -1;)
		switch (c) {
		case 'u':
		case 'd':
			options.cut[c == 'u' ? UP : DOWN] = number(optarg, UINT64_MAX);
			break;
		case 'k':
			options.kill_file = optarg;
			break;
		case 'm':
			options.delay = (int64_t)number(optarg, 3600000);
			break;
		case 'c':
			options.count_file = optarg;
			break;
		case 't':
			options.turns_file = optarg;
			break;
		case 'o':
			options.once = true;
			break;
		case 'b':
			options.background = true;
			break;
		case 'x':
			options.exec = true;
			break;
		default:
			exit(2);
		}
	if (options.exec ? argc == optind : argc - optind != 2) {
		fprintf(stderr, "usage: relay [OPTION...] LISTEN-PORT TARGET-PORT\n"
				"       relay [OPTION...] --exec COMMAND...\n");
		exit(2);
	}
	if (options.exec)
		return;
	options.target = (uint16_t)number(argv[optind + 1], UINT16_MAX);
}

int main(int argc, char **argv)
{
	int listener, null;

	parse(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	if (options.exec) {
		run(argv + optind);
		serve(-1);
	}
	listener = listen_at((uint16_t)number(argv[optind], UINT16_MAX));
	/* Whoever reads our line may wait for its end. */
	null = open("/dev/null", O_RDWR);
	if (null < 0 || dup2(null, STDOUT_FILENO) < 0)
		die("/dev/null");
	serve(listener);
}
