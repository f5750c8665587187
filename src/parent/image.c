/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The images that this process has. To make one takes the time of gzip -9, so a thread does it, and
 * no router waits for it with its lock held. The thread gives the outcome to each router with that
 * router's lock; images.lock is taken after a router's, never before.
 */
#include "parent/image.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/thread.h"
#include "core/fetch.h"
#include "core/wait.h"
#include "parent/executable.h"
#include "parent/gate.h"
#include "parent/image-find.h"
#include "parent/image-make.h"

/* Of the thread that makes one. */
#define STACK (512u << 10)

/* Kept while the process lives, when it is there. */
struct entry {
	struct rmt_list node; /* in images.entries */
	char *path;
	char *machine; /* as uname -m names it */
	bool ready;
	struct rmt_image image;
	/* What comes from the parent, when path is "". */
	struct rmt_fetch fetch;
	struct rmt_buffer bytes;
	bool gzip;
	struct rmt_list waiting; /* struct waiting */
};

/* Those of one router who wait for an entry. */
struct waiting {
	struct rmt_list node;
	ramet_router *router;
	struct rmt_list wanted; /* guarded by the router's lock alone */
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed; /* an entry is ready, or gone */
	struct rmt_list entries;
} images = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.changed = PTHREAD_COND_INITIALIZER,
	.entries = {&images.entries, &images.entries},
};

/* --- entries; images.lock is held ----------------------------------------------------------- */

static void entry_free(struct entry *entry)
{
	rmt_image_done(&entry->image);
	rmt_buffer_done(&entry->bytes);
	free(entry->path);
	free(entry->machine);
	free(entry);
}

static struct entry *entry_find(const char *path, const char *machine)
{
	struct rmt_list *node, *following;

	rmt_list_each(&images.entries, node, following) {
		struct entry *entry = RMT_CONTAINER(node, struct entry, node);

		if (strcmp(entry->path, path) == 0 && strcmp(entry->machine, machine) == 0)
			return entry;
	}
	return NULL;
}

static struct entry *entry_add(const char *path, const char *machine)
{
	struct entry *entry = calloc(1, sizeof(*entry));

	if (!entry)
		return NULL;
	rmt_list_init(&entry->waiting);
	entry->path = strdup(path);
	entry->machine = strdup(machine);
	if (!entry->path || !entry->machine) {
		entry_free(entry);
		return NULL;
	}
	rmt_list_append(&images.entries, &entry->node);
	return entry;
}

/* --- making, without a lock ----------------------------------------------------------------- */

/* Gives an image, or an error, to those of one router who wait for it. */
static void tell(struct waiting *waiting, const struct rmt_image *image, const ramet_error *error)
{
	while (!rmt_list_empty(&waiting->wanted)) {
		struct rmt_image_wanted *wanted = rmt_list_first(&waiting->wanted,
								 struct rmt_image_wanted, node);
		ramet_error copy = RAMET_ERROR_INIT;

		rmt_list_remove(&wanted->node);
		if (!image)
			rmt_error_set(&copy, error->code ? error->code : ENOMEM, "%s",
				      error->message ? error->message : "out of memory");
		wanted->done(wanted, image, image ? NULL : &copy);
		ramet_error_clear(&copy);
	}
	rmt_wait_changed(waiting->router);
	free(waiting);
}

/* Makes the image of an entry that nobody else can find unfinished but to wait for it. */
static int make(struct entry *entry, ramet_error *error)
{
	struct rmt_image image = {0};
	int r = *entry->path ? rmt_image_make(entry->path, entry->machine, &image, error)
			     : rmt_image_make_from(&entry->bytes, entry->gzip, entry->machine,
						   &image, error);

	if (r == 0) {
		struct rmt_buffer name = RMT_BUFFER_INIT;

		rmt_buffer_append(&name, "Linux ", 6);
		rmt_buffer_append(&name, entry->machine, strlen(entry->machine));
		image.machine = rmt_buffer_steal_string(&name);
		if (!image.machine) {
			rmt_image_done(&image);
			r = rmt_error_set(error, ENOMEM, "out of memory");
		}
	}
	pthread_mutex_lock(&images.lock);
	if (r == 0) {
		entry->image = image;
		entry->ready = true;
	} else {
		rmt_list_remove(&entry->node); /* whoever wants it next tries again */
	}
	pthread_cond_broadcast(&images.changed);
	while (!rmt_list_empty(&entry->waiting)) {
		struct waiting *waiting = rmt_list_first(&entry->waiting, struct waiting, node);

		ramet_router *router = waiting->router;

		rmt_list_remove(&waiting->node);
		pthread_mutex_unlock(&images.lock);
		rmt_lock(router);
		tell(waiting, r == 0 ? &entry->image : NULL, error);
		rmt_router_release(router);
		pthread_mutex_lock(&images.lock);
	}
	pthread_mutex_unlock(&images.lock);
	if (r < 0)
		entry_free(entry);
	return r;
}

static void *make_thread(void *argument)
{
	ramet_error error = RAMET_ERROR_INIT;

	make(argument, &error);
	ramet_error_clear(&error);
	rmt_threads_ours(-1);
	return NULL;
}

/* --- fetching: with the lock of the router that has a parent, of which a process has one ---------- */

static void fetch_failed(ramet_router *router, struct entry *entry, const ramet_error *error)
{
	pthread_mutex_lock(&images.lock);
	rmt_list_remove(&entry->node);
	pthread_mutex_unlock(&images.lock);
	while (!rmt_list_empty(&entry->waiting)) {
		struct waiting *waiting = rmt_list_first(&entry->waiting, struct waiting, node);

		rmt_list_remove(&waiting->node);
		tell(waiting, NULL, error);
		router->references--; /* never the last: its loop runs, or it is being ended */
	}
	entry_free(entry);
}

static void fetched(struct rmt_fetch *fetch)
{
	struct entry *entry = fetch->data;
	ramet_router *router = fetch->router;
	ramet_error error = RAMET_ERROR_INIT;
	int r;

	rmt_error_move(&error, &fetch->error);
	entry->bytes = fetch->bytes;
	fetch->bytes = (struct rmt_buffer)RMT_BUFFER_INIT;
	rmt_fetch_done(fetch);
	r = error.code ? error.code : rmt_thread_new(make_thread, entry, STACK, NULL);
	if (r < 0 && !error.code)
		rmt_error_set(&error, r, "no thread: %s", rmt_strerror(r));
	if (r < 0)
		fetch_failed(router, entry, &error);
	ramet_error_clear(&error);
}

static int start_fetch(struct entry *entry, ramet_router *router)
{
	struct rmt_buffer name = RMT_BUFFER_INIT;
	char *machine;
	int r;

	rmt_buffer_append(&name, "Linux ", 6);
	rmt_buffer_append(&name, entry->machine, strlen(entry->machine));
	machine = rmt_buffer_steal_string(&name);
	entry->gzip = rmt_gzip_is_there();
	entry->fetch.data = entry;
	r = machine ? rmt_fetch_start(&entry->fetch, router,
				      entry->gzip ? RMT_PART_GZIP : RMT_PART_PLAIN, machine,
				      fetched)
		    : -ENOMEM;
	free(machine);
	return r;
}

void rmt_image_router_done(ramet_router *router)
{
	ramet_error error = RAMET_ERROR_INIT;
	struct entry *entry;

	do {
		struct rmt_list *node, *following;

		entry = NULL;
		pthread_mutex_lock(&images.lock);
		rmt_list_each(&images.entries, node, following) {
			struct entry *one = RMT_CONTAINER(node, struct entry, node);

			if (one->fetch.router == router)
				entry = one;
		}
		pthread_mutex_unlock(&images.lock);
		if (entry) {
			rmt_fetch_done(&entry->fetch);
			rmt_error_set(&error, ESHUTDOWN, "%s", RAMET_BROKER_SHUTDOWN_MSG);
			fetch_failed(router, entry, &error);
			ramet_error_clear(&error);
		}
	} while (entry);
}

/* --- wanting -------------------------------------------------------------------------------- */

static struct waiting *waiting_of(struct entry *entry, ramet_router *router)
{
	struct rmt_list *node, *following;
	struct waiting *waiting;

	rmt_list_each(&entry->waiting, node, following) {
		waiting = RMT_CONTAINER(node, struct waiting, node);
		if (waiting->router == router)
			return waiting;
	}
	waiting = calloc(1, sizeof(*waiting));
	if (!waiting)
		return NULL;
	waiting->router = router;
	rmt_list_init(&waiting->wanted);
	rmt_list_append(&entry->waiting, &waiting->node);
	rmt_router_hold(router);
	return waiting;
}

/* The router is needed for an image that the parent has: path is "". */
static int start(const char *path, const char *machine, ramet_router *router,
		 struct entry **ret_entry)
{
	struct entry *entry = entry_add(path, machine);
	int r = !entry  ? -ENOMEM
		: *path ? rmt_thread_new(make_thread, entry, STACK, NULL)
			: start_fetch(entry, router);

	if (r < 0 && entry) {
		rmt_list_remove(&entry->node);
		entry_free(entry);
	}
	if (r == 0)
		*ret_entry = entry;
	return r;
}

/* 1: *ret_image is there; 0: it will be told. */
static int want(ramet_router *router, const char *path, const char *machine,
		struct rmt_image_wanted *wanted, const struct rmt_image **ret_image)
{
	struct entry *entry;
	struct waiting *waiting;
	int r = 0;

	pthread_mutex_lock(&images.lock);
	entry = entry_find(path, machine);
	if (!entry)
		r = start(path, machine, router, &entry);
	if (r == 0 && entry->ready) {
		*ret_image = &entry->image;
		r = 1;
	} else if (r == 0) {
		waiting = waiting_of(entry, router);
		if (waiting)
			rmt_list_append(&waiting->wanted, &wanted->node);
		else
			r = -ENOMEM;
	}
	pthread_mutex_unlock(&images.lock);
	return r;
}

void rmt_image_want(ramet_router *router, const char *machine, const char *file,
		    struct rmt_image_wanted *wanted)
{
	ramet_error error = RAMET_ERROR_INIT;
	const struct rmt_image *image = NULL;
	char *path = NULL;
	int r;

	rmt_list_init(&wanted->node);
	r = rmt_image_find(machine, file, &path, &error);
	if (r == 0) {
		r = want(router, path, strchr(machine, ' ') + 1, wanted, &image);
	} else if (r == -ENOENT && !file && router->uplink && strncmp(machine, "Linux ", 6) == 0) {
		ramet_error_clear(&error);
		r = want(router, "", machine + 6, wanted, &image);
	}
	if (r < 0 && !error.code)
		rmt_error_set(&error, r, "no image for %s: %s", machine, rmt_strerror(r));
	free(path);
	if (r != 0)
		wanted->done(wanted, image, image ? NULL : &error);
	ramet_error_clear(&error);
}

void rmt_image_forget(struct rmt_image_wanted *wanted)
{
	rmt_list_remove(&wanted->node);
}

void rmt_image_prepare(void)
{
	const char *path = rmt_image_own_file();
	struct utsname system;
	struct entry *entry;

	if (uname(&system) < 0)
		return;
	pthread_mutex_lock(&images.lock);
	/* If it cannot begin now, it is begun when it is wanted. */
	if (!entry_find(path, system.machine))
		start(path, system.machine, NULL, &entry);
	pthread_mutex_unlock(&images.lock);
}

bool rmt_image_find_cold(const char *digest, ramet_bytes *ret_cold)
{
	struct rmt_list *node, *following;
	bool found = false;

	pthread_mutex_lock(&images.lock);
	rmt_list_each(&images.entries, node, following) {
		const struct entry *entry = RMT_CONTAINER(node, struct entry, node);

		if (!entry->ready || !entry->image.cold.data ||
		    strcmp(entry->image.cold_digest, digest) != 0)
			continue;
		*ret_cold = entry->image.cold;
		found = true;
		break;
	}
	pthread_mutex_unlock(&images.lock);
	return found;
}

void rmt_image_before_fork(void)
{
	pthread_mutex_lock(&images.lock);
}

void rmt_image_after_fork(bool in_child)
{
	struct rmt_list *node, *following;

	if (in_child) {
		/* The thread that makes it is not there, nor are those who wait; the memory is
		 * the thread's. */
		rmt_list_each(&images.entries, node, following) {
			if (!RMT_CONTAINER(node, struct entry, node)->ready)
				rmt_list_remove(node);
		}
		rmt_image_serve_forked();
		images.changed = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
	}
	pthread_mutex_unlock(&images.lock);
}

/* --- behind the gate ------------------------------------------------------------------------ */

/* With images.lock, given up meanwhile. */
static int own(struct entry **ret_entry, ramet_error *error)
{
	struct utsname system = {.machine = ""};
	struct entry *entry;
	const char *path = rmt_image_own_file();
	int r = 0;

	uname(&system);
	while ((entry = entry_find(path, system.machine)) && !entry->ready)
		pthread_cond_wait(&images.changed, &images.lock);
	if (!entry) {
		entry = entry_add(path, system.machine);
		if (!entry)
			return rmt_error_set(error, ENOMEM, "out of memory");
		pthread_mutex_unlock(&images.lock);
		r = make(entry, error);
		pthread_mutex_lock(&images.lock);
	}
	if (r == 0)
		*ret_entry = entry;
	return r;
}

int rmt_core_image(ramet_bytes *ret_image, ramet_error *error)
{
	struct entry *entry;
	int r;

	pthread_mutex_lock(&images.lock);
	r = own(&entry, error);
	if (r == 0)
		*ret_image = entry->image.gzip.data ? entry->image.gzip : entry->image.plain;
	pthread_mutex_unlock(&images.lock);
	return r;
}
