/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/module.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/format.h"
#include "base/limits.h"
#include "core/message.h"
#include "core/peer.h"
#include "core/stream.h"
#include "parent/connection-state.h"
#include "parent/digest.h"
#include "wire/cbor.h"

#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

struct allowed {
	struct rmt_list node;
	bool from_directory; /* found when it was asked for */
	struct rmt_buffer bytes;
	char digest[65];
	char name[];
};

struct directory {
	struct rmt_list node;
	char path[];
};

/* Recursive use is not needed: constructors of modules run inside, which have no router to load with. */
static pthread_mutex_t loading = PTHREAD_MUTEX_INITIALIZER;

/* --- names ---------------------------------------------------------------------------------- */

int rmt_module_check_name(const char *name, ramet_error *error)
{
	size_t size = strspn(name, NAME_CHARACTERS);

	if (size > 0 && !name[size] && size <= RMT_MODULE_NAME_MAX)
		return 0;
	return rmt_error_set(error, EINVAL,
			     "'%.64s' is no name of a module: these are up to %u letters, digits, "
			     "'_' and '-'",
			     name, RMT_MODULE_NAME_MAX);
}

const char *rmt_module_digest(const char *part)
{
	const char *colon = strchr(part, ':');

	return colon ? colon + 1 : NULL;
}

/* --- files ---------------------------------------------------------------------------------- */

static void allowed_free(struct allowed *allowed)
{
	rmt_list_remove(&allowed->node);
	rmt_buffer_done(&allowed->bytes);
	free(allowed);
}

static int read_all(int fd, struct rmt_buffer *out)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode))
		return -EINVAL;
	if (status.st_size > RMT_MODULE_SIZE_MAX)
		return -EFBIG;
	/* One byte more than there should be, to see that there is not. */
	while (out->size <= RMT_MODULE_SIZE_MAX) {
		unsigned char *at = rmt_buffer_reserve(out, (size_t)status.st_size + 1);
		ssize_t n = at ? read(fd, at, (size_t)status.st_size + 1) : 0;

		if (!at)
			return -ENOMEM;
		if (n == 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
		out->size += n > 0 ? (size_t)n : 0;
	}
	return -EFBIG;
}

/* Read once: what was promised under a digest has to be had. */
static int allowed_new(const char *name, size_t name_size, const char *file,
		       struct allowed **ret_allowed)
{
	struct allowed *allowed = calloc(1, sizeof(*allowed) + name_size + 1);
	struct rmt_sha256 sha;
	int fd, r;

	if (!allowed)
		return -ENOMEM;
	rmt_list_init(&allowed->node);
	memcpy(allowed->name, name, name_size);
	/* Without waiting for the writer of a pipe. */
	fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	r = fd < 0 ? -errno : read_all(fd, &allowed->bytes);
	if (fd >= 0)
		close(fd);
	if (r < 0) {
		allowed_free(allowed);
		return r;
	}
	rmt_sha256_init(&sha);
	rmt_sha256_update(&sha, allowed->bytes.data, allowed->bytes.size);
	rmt_sha256_text(&sha, allowed->digest);
	*ret_allowed = allowed;
	return 0;
}

/* --- what is allowed -------------------------------------------------------------------------- */

void rmt_modules_init(struct rmt_modules *modules)
{
	rmt_list_init(&modules->allowed);
	rmt_list_init(&modules->directories);
}

void rmt_modules_done(struct rmt_modules *modules)
{
	while (!rmt_list_empty(&modules->allowed))
		allowed_free(rmt_list_first(&modules->allowed, struct allowed, node));
	while (!rmt_list_empty(&modules->directories)) {
		struct directory *directory = rmt_list_first(&modules->directories,
							     struct directory, node);

		rmt_list_remove(&directory->node);
		free(directory);
	}
}

static struct allowed *find(struct rmt_modules *modules, const char *name, size_t size)
{
	struct rmt_list *node, *following;

	rmt_list_each(&modules->allowed, node, following) {
		struct allowed *allowed = RMT_CONTAINER(node, struct allowed, node);

		if (strlen(allowed->name) == size && memcmp(allowed->name, name, size) == 0)
			return allowed;
	}
	return NULL;
}

/* -ENOENT: in none of the directories. */
static int find_file(struct rmt_modules *modules, const char *name, size_t size,
		     struct allowed **ret_allowed)
{
	struct rmt_list *node, *following;
	int r = -ENOENT;

	rmt_list_each(&modules->directories, node, following) {
		const struct directory *directory = RMT_CONTAINER(node, struct directory, node);
		char *path = rmt_format_new("%s/%.*s.so", directory->path, (int)size, name);

		r = path ? allowed_new(name, size, path, ret_allowed) : -ENOMEM;
		free(path);
		if (r != -ENOENT)
			break;
	}
	if (r == 0) {
		(*ret_allowed)->from_directory = true;
		rmt_list_append(&modules->allowed, &(*ret_allowed)->node);
	}
	return r;
}

/* Tells those below that what they know of names may hold no more. */
static void tell_children(ramet_router *router)
{
	struct rmt_list *node, *following;

	rmt_list_each(&router->children, node, following) {
		struct rmt_peer *child = RMT_CONTAINER(node, struct rmt_peer, child);
		struct rmt_buffer out = RMT_BUFFER_INIT;

		if (!child->stream || child->stream->failed)
			continue;
		rmt_cbor_put_array(&out, 4);
		rmt_cbor_put_uint(&out, RMT_OP_IMAGE);
		rmt_cbor_put_uint(&out, RMT_PART_MODULE);
		rmt_cbor_put_str(&out, "");
		rmt_cbor_put_uint(&out, 0);
		if (out.error == 0)
			rmt_send_control(router, child->id, &out);
		else
			rmt_stream_fail(child->stream, "out of memory");
		rmt_buffer_done(&out);
	}
}

void rmt_modules_changed(ramet_router *router)
{
	if (router->is_child)
		rmt_shelf_names_changed();
	tell_children(router);
}

/* The lock is taken, unless it fails. */
static int begin(ramet_router *router, struct rmt_modules **ret_modules, ramet_error *error)
{
	struct rmt_parent *parent;
	int r = 0;

	rmt_lock(router);
	parent = router->state == RMT_ROUTER_RUNNING ? rmt_parent_of(router) : NULL;
	if (parent)
		*ret_modules = &parent->modules;
	else if (router->state != RMT_ROUTER_RUNNING)
		r = rmt_error_set(error, ESHUTDOWN, "the router has ended");
	else
		r = rmt_error_set(error, ENOMEM, "out of memory");
	if (r < 0)
		rmt_unlock(router);
	return r;
}

int rmt_module_allow(ramet_router *router, const char *name, const char *file, ramet_error *error)
{
	struct allowed *allowed = NULL, *before;
	struct rmt_modules *modules = NULL;
	int r = rmt_module_check_name(name, error);

	if (r == 0 && file) {
		r = allowed_new(name, strlen(name), file, &allowed);
		if (r < 0)
			rmt_error_set(error, r, "module '%s' from '%s': %s", name, file,
				      r == -EINVAL ? "it is no file" : rmt_strerror(r));
	}
	if (r == 0)
		r = begin(router, &modules, error);
	if (r < 0) {
		if (allowed)
			allowed_free(allowed);
		return r;
	}
	before = find(modules, name, strlen(name));
	if (before)
		allowed_free(before);
	if (allowed)
		rmt_list_append(&modules->allowed, &allowed->node);
	tell_children(router);
	rmt_unlock(router);
	return 0;
}

/* What was read from directories is read again. */
static void forget_files(struct rmt_modules *modules)
{
	struct rmt_list *node, *following;

	rmt_list_each(&modules->allowed, node, following) {
		struct allowed *allowed = RMT_CONTAINER(node, struct allowed, node);

		if (allowed->from_directory)
			allowed_free(allowed);
	}
}

static struct directory *find_directory(struct rmt_modules *modules, const char *path)
{
	struct rmt_list *node, *following;

	rmt_list_each(&modules->directories, node, following) {
		struct directory *directory = RMT_CONTAINER(node, struct directory, node);

		if (strcmp(directory->path, path) == 0)
			return directory;
	}
	return NULL;
}

int rmt_module_allow_directory(ramet_router *router, const char *path, ramet_error *error)
{
	size_t size = strlen(path) + 1;
	struct directory *directory;
	struct rmt_modules *modules = NULL;
	struct stat status;
	int r = stat(path, &status) < 0 ? -errno : S_ISDIR(status.st_mode) ? 0 : -ENOTDIR;

	if (r < 0)
		return rmt_error_set(error, r, "modules from '%s': %s", path, rmt_strerror(r));
	directory = malloc(sizeof(*directory) + size);
	if (!directory)
		return rmt_error_set(error, ENOMEM, "out of memory");
	memcpy(directory->path, path, size);
	r = begin(router, &modules, error);
	if (r < 0) {
		free(directory);
		return r;
	}
	if (find_directory(modules, path))
		free(directory);
	else
		rmt_list_append(&modules->directories, &directory->node);
	forget_files(modules);
	tell_children(router);
	rmt_unlock(router);
	return 0;
}

/* --- giving --------------------------------------------------------------------------------- */

static void give(const struct allowed *allowed, const char *digest, struct rmt_shelf_wanted *wanted)
{
	ramet_error error = RAMET_ERROR_INIT;

	if (!digest) {
		wanted->done(wanted, allowed->digest, strlen(allowed->digest), NULL);
	} else if (strcmp(digest, allowed->digest) == 0) {
		wanted->done(wanted, allowed->bytes.data, allowed->bytes.size, NULL);
	} else {
		rmt_error_set(&error, ESTALE,
			      "what is allowed as module '%s' has changed meanwhile",
			      allowed->name);
		wanted->done(wanted, NULL, 0, &error);
		ramet_error_clear(&error);
	}
}

void rmt_module_want(ramet_router *router, const char *part, struct rmt_shelf_wanted *wanted)
{
	/* Of a router that has ended nobody would free it. */
	struct rmt_parent *parent = router->state != RMT_ROUTER_ENDED ? rmt_parent_of(router)
								      : NULL;
	ramet_error error = RAMET_ERROR_INIT;
	struct allowed *allowed;
	size_t size = strcspn(part, ":");
	int r = -ENOENT;

	rmt_list_init(&wanted->node);
	allowed = parent ? find(&parent->modules, part, size) : NULL;
	if (!allowed && parent)
		r = find_file(&parent->modules, part, size, &allowed);
	if (allowed) {
		give(allowed, rmt_module_digest(part), wanted);
	} else if (r == -ENOENT && router->uplink) {
		rmt_shelf_want(router, RMT_PART_MODULE, part, wanted);
	} else {
		rmt_error_set_at(&error, r, router->path, "module '%.*s' is not allowed: %s",
				 (int)size, part,
				 r == -ENOENT ? "ramet_module_allow() names none, and no "
						"directory has a file, of that name"
					      : rmt_strerror(r));
		wanted->done(wanted, NULL, 0, &error);
		ramet_error_clear(&error);
	}
}

void rmt_module_count(ramet_router *router, const char *part, uint64_t offset)
{
	struct rmt_parent *parent = rmt_parent_of(router);

	if (!parent || offset != 0)
		return;
	if (rmt_module_digest(part))
		parent->modules.contents++;
	else
		parent->modules.names++;
}

/* --- loading -------------------------------------------------------------------------------- */

void rmt_modules_lock(void)
{
	pthread_mutex_lock(&loading);
}

void rmt_modules_unlock(void)
{
	pthread_mutex_unlock(&loading);
}

void rmt_modules_before_fork(void)
{
	pthread_mutex_lock(&loading);
}

void rmt_modules_after_fork(void)
{
	pthread_mutex_unlock(&loading);
}
