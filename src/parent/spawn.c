/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/macro.h"
#include "base/thread.h"
#include "core/landing.h"
#include "parent/image.h"
#include "parent/module.h"
#include "parent/password.h"
#include "parent/preexec.h"

extern char **environ;

static int read_report(int fd)
{
	int report = 0;
	ssize_t n;

	do
		n = read(fd, &report, sizeof(report));
	while (n < 0 && errno == EINTR);
	return n == sizeof(report) ? report : 0; /* the end: exec has closed it */
}

/* A vfork child borrows our stack until it execs, so this must not return in it, nor be inlined. */
static __attribute__((noinline)) pid_t launch(const struct rmt_spawn_child *child)
{
	/* The caller's hook may do what is not safe while memory is shared. */
	pid_t pid = child->hook ? fork() : RMT_VFORK();

	if (pid == 0)
		rmt_spawn_child_exec(child);
	return pid;
}

static int run(struct rmt_spawn_child *child, pid_t *ret_pid, ramet_error *error)
{
	sigset_t all, before;
	int report[2], r;
	pid_t pid;

	if (pipe2(report, O_CLOEXEC) < 0)
		return rmt_error_set(error, errno, "no pipe for a new process: %s",
				     rmt_strerror(errno));
	/* A copy that another thread makes of the process now must not keep it open. */
	rmt_descriptor_own(report[0]);
	child->report = rmt_descriptor_own(report[1]);
	pthread_mutex_lock(&rmt_preexec.lock);
	child->hook = rmt_preexec.run;
	child->hook_data = rmt_preexec.data;
	pthread_mutex_unlock(&rmt_preexec.lock);
	/* A handler that ran in the child would work on the parent's memory. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pid = launch(child);
	r = pid < 0 ? -errno : 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	rmt_descriptor_close(report[1]);
	if (r < 0) {
		rmt_descriptor_close(report[0]);
		return rmt_error_set(error, r, "no new process: %s", rmt_strerror(r));
	}
	r = read_report(report[0]);
	rmt_descriptor_close(report[0]);
	if (r < 0) {
		/* It has ended, or is about to. */
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		return rmt_error_set(error, r, "%s could not be executed: %s", child->file,
				     rmt_strerror(r));
	}
	*ret_pid = pid;
	return 0;
}

static int spawn_exec(const struct rmt_spawn *spawn, pid_t *ret_pid, ramet_error *error)
{
	struct rmt_spawn_child child = {
		.spawn = spawn,
		.file = spawn->file,
		.own = spawn->self ? rmt_landing_file() : -1,
	};
	char **environment = NULL, *file = NULL;
	int r = 0;

	if (spawn->search)
		r = rmt_spawn_search(spawn->file, &file, error);
	if (r == 0 && !spawn->environment && rmt_password_environment(&environment) < 0)
		r = rmt_error_set(error, ENOMEM, "out of memory");
	if (r == 0) {
		if (file)
			child.file = file;
		child.environment = spawn->environment ? spawn->environment
				    : environment      ? environment
						       : environ;
		r = run(&child, ret_pid, error);
	}
	free(environment);
	free(file);
	return r;
}

void rmt_spawn_before_fork(void)
{
	rmt_image_before_fork();
	rmt_modules_before_fork();
	pthread_mutex_lock(&rmt_preexec.lock);
	rmt_passwords_before_fork();
	rmt_descriptors_before_fork();
}

void rmt_spawn_after_fork(bool in_child, int keep)
{
	rmt_descriptors_after_fork(in_child, keep);
	rmt_passwords_after_fork(in_child);
	pthread_mutex_unlock(&rmt_preexec.lock);
	rmt_modules_after_fork();
	rmt_image_after_fork(in_child);
}

static int spawn_fork(const struct rmt_spawn *spawn, pid_t *ret_pid, ramet_error *error)
{
	pid_t pid;
	int r;

	rmt_spawn_before_fork();
	pid = fork();
	r = pid < 0 ? -errno : 0;
	if (pid == 0) {
		r = rmt_spawn_child_group(spawn);
		if (rmt_preexec.run)
			rmt_preexec.run(rmt_preexec.data);
		if (r == 0)
			r = rmt_spawn_child_stdio(spawn);
	}
	rmt_spawn_after_fork(pid == 0, -1);
	if (pid == 0) {
		rmt_fork_copied();
		if (r < 0)
			_exit(127);
		return 1;
	}
	if (r < 0)
		return rmt_error_set(error, r, "no new process: %s", rmt_strerror(r));
	*ret_pid = pid;
	return 0;
}

int rmt_spawn(const struct rmt_spawn *spawn, pid_t *ret_pid, ramet_error *error)
{
	return spawn->file ? spawn_exec(spawn, ret_pid, error) : spawn_fork(spawn, ret_pid, error);
}
