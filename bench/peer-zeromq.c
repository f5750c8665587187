/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * peer-zeromq COUNT: sends so many messages of 64 bytes from a PUSH socket to a PULL socket in
 * another process, over ipc, and prints how many went in a second. The time runs from the first
 * message to the answer that all were counted.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <zmq.h>

#define SMALL 64

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void check(int r, const char *what)
{
	if (r >= 0)
		return;
	fprintf(stderr, "peer-zeromq: %s: %s\n", what, zmq_strerror(zmq_errno()));
	_exit(1);
}

/* The child: says that it is ready, counts, says that it has counted. */
static void pull(const char *address, long count, int report)
{
	void *context = zmq_ctx_new(), *socket = zmq_socket(context, ZMQ_PULL);
	char data[SMALL];

	check(zmq_bind(socket, address), "bind");
	check((int)write(report, "r", 1), "report");
	for (long i = -1; i < count; i++) {
		check(zmq_recv(socket, data, sizeof(data), 0), "receive");
		/* The first one shows that the sockets have found each other. */
		if (i < 0 || i == count - 1)
			check((int)write(report, "r", 1), "report");
	}
	zmq_close(socket);
	zmq_ctx_term(context);
}

int main(int argc, char **argv)
{
	long count = argc > 1 ? atol(argv[1]) : 1000000;
	char directory[] = "/tmp/peer-zeromq-XXXXXX", address[64], byte, data[SMALL] = "";
	void *context, *socket;
	double start;
	int report[2];
	pid_t pid;

	if (!mkdtemp(directory) || pipe(report) < 0)
		return 1;
	snprintf(address, sizeof(address), "ipc://%s/s", directory);
	pid = fork();
	if (pid == 0) {
		pull(address, count, report[1]);
		_exit(0);
	}
	close(report[1]);
	context = zmq_ctx_new();
	socket = zmq_socket(context, ZMQ_PUSH);
	if (read(report[0], &byte, 1) != 1)
		return 1;
	check(zmq_connect(socket, address), "connect");
	check(zmq_send(socket, data, sizeof(data), 0), "send");
	if (read(report[0], &byte, 1) != 1)
		return 1;
	start = now();
	for (long i = 0; i < count; i++)
		check(zmq_send(socket, data, sizeof(data), 0), "send");
	if (read(report[0], &byte, 1) != 1)
		return 1;
	printf("%.0f\n", (double)count / (now() - start));
	zmq_close(socket);
	zmq_ctx_term(context);
	waitpid(pid, NULL, 0);
	unlink(address + sizeof("ipc://") - 1);
	rmdir(directory);
	return 0;
}
