/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/thread.h"

#include <errno.h>
#include <link.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "base/lock.h"
#include "base/time.h"

/* ThreadSanitizer has one itself. */
#if defined(__SANITIZE_THREAD__)
#define OF_TOOLS 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define OF_TOOLS 1
#endif
#endif
#ifndef OF_TOOLS
#define OF_TOOLS 0
#endif

/* A thread that was joined, or has ended by itself, is counted by the kernel for a moment longer. How
 * often that is looked at again, a millisecond apart, before the threads count as the program's. */
#define LOOKS 20

static atomic_int ours;

/* Who is in such a call. */
static struct {
	struct rmt_mutex lock; /* held by who forks */
	struct rmt_condition left;
	unsigned count;
} holders = {.lock = RMT_MUTEX_INIT, .left = RMT_CONDITION_INIT};
static _Thread_local unsigned holding; /* how deep this thread is in such calls */

void rmt_threads_ours(int change)
{
	atomic_fetch_add(&ours, change);
}

#ifdef __GLIBC__
/* What a loaded object has of them. */
static int add_local(struct dl_phdr_info *object, size_t size, void *argument)
{
	size_t *sum = argument;

	(void)size;
	for (unsigned i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &object->dlpi_phdr[i];

		if (header->p_type == PT_TLS)
			*sum += header->p_memsz + header->p_align;
	}
	return 0;
}

/* glibc takes thread-local variables from the stack that was asked for; musl adds them. */
static size_t thread_local_size(void)
{
	/* Those that come later with a dlopen(3) lie elsewhere. Walked once: a copy of a process
	 * may have got the lock of the list as another thread left it. */
	static atomic_size_t known;
	size_t sum = atomic_load(&known);

	if (sum == 0) {
		dl_iterate_phdr(add_local, &sum);
		atomic_store(&known, sum);
	}
	return sum;
}
#else
static size_t thread_local_size(void)
{
	return 0;
}
#endif

int rmt_thread_new(void *(*function)(void *), void *argument, size_t stack, pthread_t *ret_thread)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	pthread_t thread;
	int r;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, stack + thread_local_size());
	if (!ret_thread)
		pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rmt_threads_ours(1);
	r = -pthread_create(ret_thread ? ret_thread : &thread, &attributes, function, argument);
	if (r < 0)
		rmt_threads_ours(-1);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return r;
}

void rmt_fork_hold(void)
{
	rmt_mutex_lock(&holders.lock);
	holders.count++;
	holding++;
	rmt_mutex_unlock(&holders.lock);
}

void rmt_fork_allow(void)
{
	rmt_mutex_lock(&holders.lock);
	holding--;
	if (--holders.count == 0)
		rmt_condition_broadcast(&holders.left);
	rmt_mutex_unlock(&holders.lock);
}

/* Threads of this process besides the caller and ours; -1: nobody knows. */
static int strangers(void)
{
	struct stat status;

	/* proc(5): each thread is a directory there, and counts as a link. */
	if (stat("/proc/self/task", &status) < 0 || status.st_nlink < 3)
		return -1;
	return (int)status.st_nlink - 2 - OF_TOOLS - 1 - atomic_load(&ours);
}

static bool is_alone(void)
{
	/* unshare(2): does nothing, and only for a process with one thread. */
	if (unshare(CLONE_THREAD) == 0)
		return true;
	for (unsigned i = 0; i < LOOKS; i++) {
		int count = strangers();

		if (count <= 0)
			return count == 0;
		poll(NULL, 0, 1);
	}
	return false;
}

int rmt_fork_begin(bool anyway)
{
	if (holding > 0)
		return -EBUSY;
	if (!anyway && !is_alone())
		return -EBUSY;
	rmt_mutex_lock(&holders.lock);
	while (holders.count > 0)
		rmt_condition_wait(&holders.left, &holders.lock, RMT_NEVER);
	return 0;
}

void rmt_fork_end(void)
{
	rmt_mutex_unlock(&holders.lock);
}

void rmt_fork_copied(void)
{
	atomic_store(&ours, 0);
	/* As other threads have left them. */
	rmt_mutex_init(&holders.lock);
	rmt_condition_init(&holders.left);
	holders.count = holding = 0;
}
