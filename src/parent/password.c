/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/password.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/number.h"

extern char **environ;

void rmt_wipe(void *memory, size_t size)
{
	explicit_bzero(memory, size);
}

/* --- memory ------------------------------------------------------------------------------- */

struct rmt_password *rmt_password_new(void)
{
	void *page = mmap(NULL, sizeof(struct rmt_password), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return NULL;
	/* Each of these is better than nothing; an old kernel or a small limit refuses some. */
	mlock(page, sizeof(struct rmt_password));
#ifdef MADV_DONTDUMP
	madvise(page, sizeof(struct rmt_password), MADV_DONTDUMP);
#endif
#ifdef MADV_WIPEONFORK
	madvise(page, sizeof(struct rmt_password), MADV_WIPEONFORK);
#endif
	return page;
}

void rmt_password_free(struct rmt_password *password)
{
	if (!password)
		return;
	rmt_wipe(password, sizeof(*password));
	munmap(password, sizeof(*password));
}

/* --- the key ------------------------------------------------------------------------------ */

enum kind { KIND_PROGRAM, KIND_ENV, KIND_FD, KIND_ASK, KIND_BAD };

/* ret_name points to the variable's name. */
static enum kind parse(const struct rmt_hop *hop, const char **ret_name, int *ret_fd)
{
	const char *value = rmt_hop_key(hop, "password");
	int64_t fd;

	if (!value || strcmp(value, "program") == 0)
		return KIND_PROGRAM;
	if (strcmp(value, "ask") == 0)
		return KIND_ASK;
	if (strncmp(value, "env:", 4) == 0 && value[4] && !strchr(value + 4, '=')) {
		*ret_name = value + 4;
		return KIND_ENV;
	}
	if (strncmp(value, "fd:", 3) == 0 && value[3] >= '0' && value[3] <= '9') {
		if (rmt_number_parse(value + 3, 10, 0, INT32_MAX, &fd)) {
			*ret_fd = (int)fd;
			return KIND_FD;
		}
	}
	return KIND_BAD;
}

int rmt_password_check(const struct rmt_hop *hop, ramet_error *error)
{
	const char *name;
	int fd;

	if (parse(hop, &name, &fd) != KIND_BAD)
		return 0;
	/* Not quoted: perhaps somebody has put the password itself there. */
	return rmt_error_set(error, EINVAL,
			     "%s: the key password names where the password comes from: "
			     "env:NAME, fd:N, ask or program",
			     hop->method);
}

bool rmt_password_known(ramet_router *router, const struct rmt_hop *hop)
{
	return router->password || rmt_hop_key(hop, "password");
}

/* --- variables ---------------------------------------------------------------------------- */

static struct {
	pthread_mutex_t lock;
	char **names;
	size_t count;
} hidden = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool is_hidden(const char *name, size_t size)
{
	for (size_t i = 0; i < hidden.count; i++)
		if (strncmp(hidden.names[i], name, size) == 0 && !hidden.names[i][size])
			return true;
	return false;
}

static int hide(const char *name)
{
	char **grown, *copy;

	if (is_hidden(name, strlen(name)))
		return 0;
	grown = realloc(hidden.names, (hidden.count + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	hidden.names = grown;
	copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	hidden.names[hidden.count++] = copy;
	return 0;
}

int rmt_password_hide(const struct rmt_hop *hop)
{
	const char *name;
	int fd, r;

	if (parse(hop, &name, &fd) != KIND_ENV)
		return 0;
	pthread_mutex_lock(&hidden.lock);
	r = hide(name);
	pthread_mutex_unlock(&hidden.lock);
	return r;
}

int rmt_password_environment(char ***ret_environment)
{
	size_t count = 0, kept = 0;
	char **environment = NULL;
	int r = 0;

	pthread_mutex_lock(&hidden.lock);
	if (hidden.count > 0) {
		while (environ && environ[count])
			count++;
		environment = malloc((count + 1) * sizeof(*environment));
		if (!environment)
			r = -ENOMEM;
	}
	if (environment) {
		for (size_t i = 0; i < count; i++)
			if (!is_hidden(environ[i], strcspn(environ[i], "=")))
				environment[kept++] = environ[i];
		environment[kept] = NULL;
	}
	pthread_mutex_unlock(&hidden.lock);
	if (r == 0)
		*ret_environment = environment;
	return r;
}

static int get_env(const char *name, struct rmt_password *ret_password, ramet_error *error)
{
	const char *value = getenv(name);
	size_t size;

	if (!value)
		return rmt_error_set(error, ENOKEY,
				     "the environment variable %s, which should have the password, "
				     "is not set",
				     name);
	size = strlen(value);
	if (size > RMT_PASSWORD_MAX)
		return rmt_error_set(error, ENOKEY,
				     "the password in the environment variable %s is longer than "
				     "%d bytes",
				     name, RMT_PASSWORD_MAX);
	memcpy(ret_password->text, value, size + 1);
	ret_password->size = size;
	return 0;
}

/* --- descriptors -------------------------------------------------------------------------- */

/* The lines that were read, for as long as the process lives. */
struct line {
	struct line *next;
	int fd;
	struct rmt_password *password;
};

static struct {
	pthread_mutex_t reading; /* one thread reads; the end of the process need not wait for it */
	pthread_mutex_t lock;
	struct line *lines;
	bool registered;
} kept = {.reading = PTHREAD_MUTEX_INITIALIZER, .lock = PTHREAD_MUTEX_INITIALIZER};

static void wipe_lines(void)
{
	pthread_mutex_lock(&kept.lock);
	while (kept.lines) {
		struct line *line = kept.lines;

		kept.lines = line->next;
		rmt_password_free(line->password);
		free(line);
	}
	pthread_mutex_unlock(&kept.lock);
}

/* One byte at a time: what follows the line is for somebody else. 1, 0 at the end, or -errno. */
static int read_byte(int fd, char *ret_byte)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	ssize_t n;

	for (;;) {
		n = read(fd, ret_byte, 1);
		if (n >= 0)
			return (int)n;
		if (errno == EAGAIN || errno == EWOULDBLOCK)
			poll(&wait, 1, -1);
		else if (errno != EINTR)
			return -errno;
	}
}

static int read_line(int fd, struct rmt_password *password, ramet_error *error)
{
	char byte = '\0';
	int r;

	for (;;) {
		r = read_byte(fd, &byte);
		if (r < 0)
			return rmt_error_set(error, ENOKEY,
					     "no password can be read from descriptor %d: %s", fd,
					     rmt_strerror(r));
		if (r == 0 && password->size == 0)
			return rmt_error_set(error, ENOKEY,
					     "descriptor %d ended before a password came", fd);
		if (r == 0 || byte == '\n')
			break;
		if (password->size == RMT_PASSWORD_MAX)
			return rmt_error_set(error, ENOKEY,
					     "the password from descriptor %d is longer than "
					     "%d bytes",
					     fd, RMT_PASSWORD_MAX);
		password->text[password->size++] = byte;
	}
	rmt_wipe(&byte, sizeof(byte));
	if (password->size > 0 && password->text[password->size - 1] == '\r')
		password->size--;
	password->text[password->size] = '\0';
	return 0;
}

/* While reading. */
static int new_line(int fd, struct rmt_password *ret_password, ramet_error *error)
{
	struct line *line = calloc(1, sizeof(*line));
	int r;

	if (line)
		line->password = rmt_password_new();
	if (!line || !line->password) {
		free(line);
		return rmt_error_set(error, ENOMEM, "out of memory");
	}
	line->fd = fd;
	/* What is left in it is not for the processes that are started from now on. */
	if (fd > STDERR_FILENO)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	r = read_line(fd, line->password, error);
	if (r < 0) {
		rmt_password_free(line->password);
		free(line);
		return r;
	}
	*ret_password = *line->password;
	pthread_mutex_lock(&kept.lock);
	if (!kept.registered)
		kept.registered = atexit(wipe_lines) == 0;
	line->next = kept.lines;
	kept.lines = line;
	pthread_mutex_unlock(&kept.lock);
	return 0;
}

static bool find_line(int fd, struct rmt_password *ret_password)
{
	struct line *line;

	pthread_mutex_lock(&kept.lock);
	for (line = kept.lines; line && line->fd != fd; line = line->next)
		;
	if (line)
		*ret_password = *line->password;
	pthread_mutex_unlock(&kept.lock);
	return line != NULL;
}

static int get_fd(int fd, struct rmt_password *ret_password, ramet_error *error)
{
	int r = 0;

	pthread_mutex_lock(&kept.reading);
	if (!find_line(fd, ret_password))
		r = new_line(fd, ret_password, error);
	pthread_mutex_unlock(&kept.reading);
	return r;
}

/* --- the program -------------------------------------------------------------------------- */

static int get_program(ramet_router *router, const struct rmt_hop *hop, const char *path,
		       const char *prompt, struct rmt_password *ret_password, ramet_error *error)
{
	const ramet_password_request request = {
		.path = path,
		.method = hop->method,
		.target = hop->target,
		.user = rmt_hop_key(hop, "username"),
		.prompt = prompt,
	};
	int r;

	if (!router->password)
		return rmt_error_set(error, ENOKEY,
				     "%s asks for a password, and none is given: use the key "
				     "password=env:NAME, fd:N or ask, or the router's callback",
				     hop->method);
	r = router->password(&request, ret_password->text, RMT_PASSWORD_MAX, router->password_data);
	if (r > RMT_PASSWORD_MAX)
		r = -EINVAL;
	if (r < 0) {
		rmt_wipe(ret_password, sizeof(*ret_password));
		return rmt_error_set(error, r, "the program has no password for %s: %s", path,
				     rmt_strerror(r));
	}
	ret_password->text[r] = '\0';
	ret_password->size = (size_t)r;
	return 0;
}

int rmt_password_get(ramet_router *router, const struct rmt_hop *hop, const char *path,
		     const char *prompt, struct rmt_password *ret_password, ramet_error *error)
{
	const char *name;
	int fd;

	switch (parse(hop, &name, &fd)) {
	case KIND_ENV:
		return get_env(name, ret_password, error);
	case KIND_FD:
		return get_fd(fd, ret_password, error);
	case KIND_ASK:
		return rmt_password_ask(path, prompt, ret_password, error);
	case KIND_PROGRAM:
		return get_program(router, hop, path, prompt, ret_password, error);
	default:
		return rmt_password_check(hop, error);
	}
}

/* --- copies of the process ---------------------------------------------------------------- */

void rmt_passwords_before_fork(void)
{
	pthread_mutex_lock(&hidden.lock);
	pthread_mutex_lock(&kept.lock);
}

void rmt_passwords_after_fork(bool in_child)
{
	pthread_mutex_unlock(&kept.lock);
	pthread_mutex_unlock(&hidden.lock);
	if (!in_child)
		return;
	/* Perhaps held by a thread that is not in this process. */
	pthread_mutex_init(&kept.reading, NULL);
	rmt_password_ask_after_fork();
	wipe_lines();
}
