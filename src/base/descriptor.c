/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/lock.h"

#define WORD_BITS (sizeof(unsigned long) * CHAR_BIT)

/* A bit for each. */
static struct {
	struct rmt_mutex lock;
	unsigned long *words;
	size_t count;
} ours = {.lock = RMT_MUTEX_INIT};

static bool make_room(size_t word)
{
	size_t count = word + 1 + word / 2;
	unsigned long *grown;

	if (word < ours.count)
		return true;
	grown = realloc(ours.words, count * sizeof(*grown));
	if (!grown)
		return false;
	memset(grown + ours.count, 0, (count - ours.count) * sizeof(*grown));
	ours.words = grown;
	ours.count = count;
	return true;
}

int rmt_descriptor_own(int fd)
{
	if (fd < 0)
		return fd;
	rmt_mutex_lock(&ours.lock);
	/* Without memory it stays open in forked children, which is a pity but no failure. */
	if (make_room((size_t)fd / WORD_BITS))
		ours.words[(size_t)fd / WORD_BITS] |= 1ul << (size_t)fd % WORD_BITS;
	rmt_mutex_unlock(&ours.lock);
	return fd;
}

int rmt_descriptor_own_above(int fd)
{
	int moved, code;

	if (fd < 0 || fd > STDERR_FILENO)
		return rmt_descriptor_own(fd);
	moved = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	code = errno;
	close(fd);
	errno = code;
	return rmt_descriptor_own(moved);
}

int rmt_descriptors_own_above(int fds[2])
{
	for (unsigned i = 0; i < 2; i++) {
		fds[i] = rmt_descriptor_own_above(fds[i]);
		if (fds[i] < 0) {
			int code = errno;

			rmt_descriptor_close(fds[1 - i]);
			return -code;
		}
	}
	return 0;
}

void rmt_descriptor_close(int fd)
{
	if (fd < 0)
		return;
	rmt_mutex_lock(&ours.lock);
	if ((size_t)fd / WORD_BITS < ours.count)
		ours.words[(size_t)fd / WORD_BITS] &= ~(1ul << (size_t)fd % WORD_BITS);
	/* Under the lock: the number may be somebody else's at once. */
	close(fd);
	rmt_mutex_unlock(&ours.lock);
}

void rmt_descriptors_before_fork(void)
{
	rmt_mutex_lock(&ours.lock);
}

void rmt_descriptors_after_fork(bool in_child, int keep)
{
	if (in_child) {
		for (size_t i = 0; i < ours.count; i++) {
			for (unsigned long word = ours.words[i]; word; word &= word - 1) {
				int fd = (int)(i * WORD_BITS) + __builtin_ctzl(word);

				if (fd > STDERR_FILENO && fd != keep)
					close(fd);
			}
			ours.words[i] = 0;
		}
		if (keep >= 0 && (size_t)keep / WORD_BITS < ours.count)
			ours.words[(size_t)keep / WORD_BITS] |= 1ul << (size_t)keep % WORD_BITS;
	}
	rmt_mutex_unlock(&ours.lock);
}

ssize_t rmt_descriptor_write(int fd, const struct iovec *pieces, int count)
{
	/* The signal is this thread's, so it can be held back and taken. */
	static const struct timespec now = {0, 0};
	sigset_t broken_pipe, before, pending;
	ssize_t n;
	int code;

	sigemptyset(&broken_pipe);
	sigaddset(&broken_pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &broken_pipe, &before);
	sigpending(&pending);
	n = writev(fd, pieces, count);
	code = errno;
	if (n < 0 && code == EPIPE && !sigismember(&pending, SIGPIPE))
		while (sigtimedwait(&broken_pipe, NULL, &now) < 0 && errno == EINTR)
			;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = code;
	return n;
}
