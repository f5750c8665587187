/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * relay [OPTION...] LISTEN-PORT TARGET-PORT: forwards TCP connections on the loopback, and gets in
 * their way. "Up" is from whoever connects to the target, "down" the other direction.
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
 * LISTEN-PORT 0 is any. Prints "PORT PID" when it listens.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
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
	int fd[DIRECTIONS]; /* where the bytes of each direction come from */
	struct flow flow[DIRECTIONS];
	int direction;
	uint64_t turns;
};

static struct {
	uint64_t cut[DIRECTIONS];
	int64_t delay;
	const char *count_file, *turns_file, *kill_file;
	bool once, background;
	uint16_t target;
} options = {.cut = {UINT64_MAX, UINT64_MAX}};

static struct connection *connections[CONNECTIONS_MAX];
static size_t connection_count;

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

static void connection_begin(int listener)
{
	struct sockaddr_in address = loopback(options.target);
	struct connection *connection;
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
	connection = calloc(1, sizeof(*connection));
	if (!connection)
		die("calloc");
	connection->fd[UP] = from;
	connection->fd[DOWN] = to;
	connection->direction = DIRECTIONS;
	for (int i = 0; i < DIRECTIONS; i++)
		connection->flow[i].last = &connection->flow[i].first;
	connections[connection_count++] = connection;
}

static void connection_end(size_t index)
{
	struct connection *connection = connections[index];

	for (int i = 0; i < DIRECTIONS; i++) {
		close(connection->fd[i]);
		for (struct chunk *chunk = connection->flow[i].first, *next; chunk; chunk = next) {
			next = chunk->next;
			free(chunk);
		}
	}
	note(options.count_file, "%" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
	     connection->flow[UP].bytes, connection->flow[DOWN].bytes, connection->turns);
	free(connection);
	connections[index] = connections[--connection_count];
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
	size = read(connection->fd[direction], chunk->data, CHUNK_MAX);
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

/* False: the connection is over. */
static bool flow_write(struct connection *connection, int direction)
{
	struct flow *flow = &connection->flow[direction];
	int to = connection->fd[!direction];
	struct chunk *chunk;
	ssize_t size;

	while ((chunk = flow->first) && chunk->due <= now()) {
		size = send(to, chunk->data + chunk->done, chunk->size - chunk->done, MSG_NOSIGNAL);
		if (size < 0)
			return errno == EAGAIN || errno == EINTR;
		chunk->done += (size_t)size;
		flow->held -= (size_t)size;
		if (chunk->done < chunk->size)
			continue;
		flow->first = chunk->next;
		if (!flow->first)
			flow->last = &flow->first;
		free(chunk);
	}
	if (flow->first)
		return true;
	/* The bytes before the cut have arrived. */
	if (flow->bytes >= options.cut[direction] && !cut())
		return false;
	if (flow->ended && !flow->shut) {
		flow->shut = true;
		shutdown(to, SHUT_WR);
	}
	return !(connection->flow[UP].shut && connection->flow[DOWN].shut);
}

/* What to wait for, and until when (-1: for ever). */
static void flow_want(const struct connection *connection, int direction, struct pollfd polls[2],
		      int64_t *until)
{
	const struct flow *flow = &connection->flow[direction];

	if (!flow->ended && flow->held < HELD_MAX && flow->bytes < options.cut[direction])
		polls[direction].events |= POLLIN;
	if (!flow->first)
		return;
	if (flow->first->due <= now())
		polls[!direction].events |= POLLOUT;
	else if (*until < 0 || flow->first->due < *until)
		*until = flow->first->due;
}

static bool connection_work(struct connection *connection, const struct pollfd polls[2])
{
	bool alive = true;

	for (int i = 0; i < DIRECTIONS && alive; i++) {
		struct flow *flow = &connection->flow[i];

		/* A reset is found by reading, or, when nothing is read any more, here. */
		if (polls[i].revents & POLLIN || (polls[i].revents & (POLLHUP | POLLERR) &&
						  !flow->ended && polls[i].events & POLLIN))
			alive = flow_read(connection, i);
		else if (polls[i].revents & POLLERR)
			alive = false;
		if (alive)
			alive = flow_write(connection, i);
	}
	return alive;
}

static _Noreturn void serve(int listener)
{
	struct pollfd polls[1 + 2 * CONNECTIONS_MAX];
	size_t polled;
	int64_t until, time;

	for (;;) {
		until = -1;
		polls[0] = (struct pollfd){.fd = listener, .events = POLLIN};
		polled = connection_count;
		for (size_t i = 0; i < polled; i++) {
			struct pollfd *pair = &polls[1 + 2 * i];

			for (int j = 0; j < DIRECTIONS; j++)
				pair[j] = (struct pollfd){.fd = connections[i]->fd[j]};
			for (int j = 0; j < DIRECTIONS; j++)
				flow_want(connections[i], j, pair, &until);
			/* One that is closed, and of which nothing is wanted, would not let us
			 * sleep. */
			for (int j = 0; j < DIRECTIONS; j++)
				if (!pair[j].events)
					pair[j].fd = -1;
		}
		time = now();
		if (poll(polls, 1 + 2 * polled,
			 until < 0 ? -1 : (int)(until > time ? until - time : 0)) < 0 &&
		    errno != EINTR)
			die("poll");
		/* From behind: one that ends is replaced by the last one. */
		for (size_t i = polled; i-- > 0;)
			if (!connection_work(connections[i], &polls[1 + 2 * i]))
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
		{0},
	};

	for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;)
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
		default:
			exit(2);
		}
	if (argc - optind != 2) {
		fprintf(stderr, "usage: relay [OPTION...] LISTEN-PORT TARGET-PORT\n");
		exit(2);
	}
	options.target = (uint16_t)number(argv[optind + 1], UINT16_MAX);
}

int main(int argc, char **argv)
{
	int listener, null;

	parse(argc, argv);
	listener = listen_at((uint16_t)number(argv[optind], UINT16_MAX));
	/* Whoever reads our line may wait for its end. */
	null = open("/dev/null", O_RDWR);
	if (null < 0 || dup2(null, STDOUT_FILENO) < 0)
		die("/dev/null");
	serve(listener);
}
