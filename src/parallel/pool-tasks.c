/* SPDX-License-Identifier: BSD-3-Clause */
#include "parallel/pool-tasks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/time.h"
#include "core/call.h"
#include "core/execute.h"
#include "core/peer.h"

/* With places, a source is read this far ahead to find something for each. */
#define LOOK_AHEAD 1024u

/* --- pieces --------------------------------------------------------------------------------- */

static bool pieces_empty(const struct rmt_pool_pieces *pieces)
{
	return pieces->first == pieces->count;
}

static int pieces_add(struct rmt_pool_pieces *pieces, const struct rmt_pool_piece *piece)
{
	struct rmt_pool_piece *last = NULL;

	if (!pieces_empty(pieces))
		last = &pieces->items[pieces->count - 1];
	if (last && last->first + last->count == piece->first && last->losses == piece->losses &&
	    last->alone == piece->alone) {
		last->count += piece->count;
		return 0;
	}
	if (pieces_empty(pieces))
		pieces->first = pieces->count = 0;
	if (pieces->count == pieces->capacity) {
		size_t capacity = pieces->capacity ? 2 * pieces->capacity : 16;
		struct rmt_pool_piece *grown = realloc(pieces->items, capacity * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		pieces->items = grown;
		pieces->capacity = capacity;
	}
	pieces->items[pieces->count++] = *piece;
	return 0;
}

static struct rmt_pool_piece pieces_take(struct rmt_pool_pieces *pieces, uint64_t want)
{
	struct rmt_pool_piece *first = &pieces->items[pieces->first], taken = *first;

	taken.count = RMT_MIN(taken.count, want);
	first->first += taken.count;
	first->count -= taken.count;
	if (first->count == 0)
		pieces->first++;
	return taken;
}

/* --- places --------------------------------------------------------------------------------- */

static struct rmt_pool_place *place_of(struct rmt_pool_tasks *tasks, const char *path)
{
	struct rmt_pool_place *grown;
	char *copy;

	if (!path && tasks->place_count > 0)
		return &tasks->places[0];
	/* Neighbours are mostly in the same one. */
	for (size_t i = 0; path && i + 1 < tasks->place_count; i++) {
		size_t at = 1 + (tasks->recent + i) % (tasks->place_count - 1);

		if (strcmp(tasks->places[at].path, path) == 0) {
			tasks->recent = at - 1;
			return &tasks->places[at];
		}
	}
	grown = realloc(tasks->places, (tasks->place_count + 1) * sizeof(*grown));
	if (!grown)
		return NULL;
	tasks->places = grown;
	copy = path ? strdup(path) : NULL;
	if (path && !copy)
		return NULL;
	grown[tasks->place_count] = (struct rmt_pool_place){.path = copy};
	return &grown[tasks->place_count++];
}

static int wait_in(struct rmt_pool_tasks *tasks, const char *path, uint64_t first, uint64_t count)
{
	struct rmt_pool_place *place = place_of(tasks, path);
	struct rmt_pool_piece piece = {.first = first, .count = count};

	if (!place || pieces_add(&place->waiting, &piece) < 0)
		return -ENOMEM;
	place->tasks += count;
	tasks->waiting += count;
	return 0;
}

static int locate(struct rmt_pool_tasks *tasks, uint64_t index)
{
	const char *path = tasks->options->locality(rmt_tasks_arguments(tasks, index), index,
						    tasks->options->data);

	return wait_in(tasks, path, index, 1);
}

static bool covers(const char *place, const char *path)
{
	size_t size = place ? strlen(place) : 0;

	return size > 0 && strncmp(path, place, size) == 0 &&
	       (path[size] == '\0' || path[size] == '/');
}

/* The one that suits best: 2; one for everybody: 1; of others what has most to do: 0. */
static struct rmt_pool_place *best_place(struct rmt_pool_tasks *tasks, const char *path,
					 int *ret_fit)
{
	struct rmt_pool_place *best = NULL;
	int best_fit = -1;

	for (size_t i = 0; i < tasks->place_count; i++) {
		struct rmt_pool_place *place = &tasks->places[i];
		int fit = !place->path ? 1 : covers(place->path, path) ? 2 : 0;

		if (place->tasks == 0 ||
		    (best && (fit < best_fit || (fit == best_fit && place->tasks <= best->tasks))))
			continue;
		best = place;
		best_fit = fit;
	}
	*ret_fit = best_fit;
	return best;
}

/* --- the source ----------------------------------------------------------------------------- */

static uint64_t slot_of(const struct rmt_pool_tasks *tasks, uint64_t index)
{
	return tasks->next ? index % tasks->room : index;
}

static void *argument_slot(const struct rmt_pool_tasks *tasks, uint64_t index)
{
	return tasks->arguments + slot_of(tasks, index) * tasks->function->arguments.size;
}

const void *rmt_tasks_arguments(const struct rmt_pool_tasks *tasks, uint64_t index)
{
	return tasks->next ? argument_slot(tasks, index)
			   : tasks->array + index * tasks->function->arguments.size;
}

/* What an object points to becomes its own: by way of what it is on the wire. */
static int own(ramet_router *router, const struct ramet_type *type, void *object)
{
	struct rmt_call_target target = {router, ramet_context_id(ramet_router_self(router))};
	struct rmt_buffer out = RMT_BUFFER_INIT;
	struct rmt_cbor_reader reader;
	struct rmt_type_memory memory;
	char where[160];
	int r;

	rmt_type_encode(type, object, &out, &rmt_call_hooks, &target);
	rmt_cbor_reader_init(&reader, out.data, out.size);
	rmt_type_memory_init(&memory, NULL, 0);
	r = out.error < 0 ? out.error
			  : rmt_type_decode(type, &reader, object, &memory, &rmt_call_hooks, router,
					    where, sizeof(where));
	rmt_buffer_done(&out);
	return r;
}

/* Takes the next task from the source: 1; 0: it has no more, or there is no room. */
static int pull(struct rmt_pool_tasks *tasks, ramet_error *error)
{
	uint64_t index = tasks->pulled;
	int r;

	if (!tasks->next || tasks->pulled == tasks->count || index - tasks->due >= tasks->room)
		return 0;
	memset(argument_slot(tasks, index), 0, tasks->function->arguments.size);
	r = tasks->next(argument_slot(tasks, index), tasks->data);
	if (r < 0)
		return rmt_error_set(error, r, "the source of the tasks: %s", rmt_strerror(r));
	if (r == 0) {
		tasks->count = tasks->pulled;
		return 0;
	}
	if (!tasks->flat)
		r = own(tasks->router, &tasks->function->arguments, argument_slot(tasks, index));
	if (r < 0)
		return rmt_error_set(error, r, "task %llu cannot be kept: %s",
				     (unsigned long long)index, rmt_strerror(r));
	tasks->states[slot_of(tasks, index)] = RMT_TASK_OPEN;
	tasks->pulled++;
	r = tasks->options->locality ? locate(tasks, index) : wait_in(tasks, NULL, index, 1);
	return r < 0 ? rmt_error_set(error, r, "out of memory") : 1;
}

/* Nothing in such an object is owned: it may be copied, and need not be cleared. */
static bool is_flat(const struct ramet_type *type)
{
	if (type->kind != RAMET_KIND_STRUCT)
		return type->kind <= RAMET_KIND_F64;
	for (unsigned i = 0; i < type->count; i++)
		if (!is_flat(type->fields[i].type))
			return false;
	return true;
}

/* --- beginning and end ---------------------------------------------------------------------- */

int rmt_tasks_init(struct rmt_pool_tasks *tasks, const void *array, uint64_t count, void *results,
		   ramet_error *error)
{
	const struct ramet_function *function = tasks->function;
	size_t size = function->result->size;
	int r = 0;

	tasks->array = array;
	tasks->count = tasks->next ? UINT64_MAX : count;
	tasks->room = tasks->next ? RMT_POOL_WINDOW : RMT_MAX(count, 1);
	tasks->flat = is_flat(&function->arguments);
	tasks->result_flat = is_flat(function->result);
	tasks->results = results;
	tasks->own_results = !results && size > 0;
	tasks->states = calloc(tasks->room, 1);
	if (tasks->own_results)
		tasks->results = calloc(tasks->room, size);
	if (tasks->next)
		tasks->arguments = calloc(tasks->room, function->arguments.size);
	if (tasks->combine)
		tasks->sum = calloc(1, size);
	if (!tasks->states || (size > 0 && !tasks->results) || (tasks->next && !tasks->arguments) ||
	    (tasks->combine && !tasks->sum) || !place_of(tasks, NULL))
		return rmt_error_set(error, ENOMEM, "out of memory");
	if (tasks->next)
		return 0;
	tasks->pulled = count;
	memset(tasks->states, RMT_TASK_OPEN, count);
	if (!tasks->options->locality)
		r = count > 0 ? wait_in(tasks, NULL, 0, count) : 0;
	for (uint64_t i = 0; tasks->options->locality && i < count && r == 0; i++)
		r = locate(tasks, i);
	return r < 0 ? rmt_error_set(error, r, "out of memory") : 0;
}

static void clear_result(struct rmt_pool_tasks *tasks, uint64_t slot)
{
	if (tasks->results && tasks->states[slot] == RMT_TASK_RESULT)
		ramet_type_clear(tasks->function->result,
				 tasks->results + slot * tasks->function->result->size);
}

void rmt_tasks_clear(struct rmt_pool_tasks *tasks)
{
	for (uint64_t i = 0; tasks->states && i < tasks->room; i++)
		clear_result(tasks, i);
	if (tasks->reduced)
		ramet_type_clear(tasks->function->result, tasks->sum);
	tasks->reduced = false;
}

void rmt_tasks_done(struct rmt_pool_tasks *tasks)
{
	for (uint64_t i = tasks->due;
	     tasks->arguments && tasks->states && !tasks->flat && i < tasks->pulled; i++)
		if (tasks->states[slot_of(tasks, i)] == RMT_TASK_OPEN)
			ramet_type_clear(&tasks->function->arguments, argument_slot(tasks, i));
	for (size_t i = 0; i < tasks->place_count; i++) {
		free(tasks->places[i].path);
		free(tasks->places[i].waiting.items);
	}
	free(tasks->places);
	free(tasks->again.items);
	free(tasks->states);
	free(tasks->arguments);
	free(tasks->sum);
	if (tasks->own_results)
		free(tasks->results);
}

/* --- giving out ----------------------------------------------------------------------------- */

const struct rmt_pool_piece *rmt_tasks_urgent(const struct rmt_pool_tasks *tasks)
{
	return pieces_empty(&tasks->again) ? NULL : &tasks->again.items[tasks->again.first];
}

bool rmt_tasks_wait(const struct rmt_pool_tasks *tasks)
{
	if (!pieces_empty(&tasks->again) || tasks->waiting > 0)
		return true;
	return tasks->pulled < tasks->count && tasks->pulled - tasks->due < tasks->room;
}

uint64_t rmt_tasks_left(const struct rmt_pool_tasks *tasks)
{
	return tasks->count == UINT64_MAX ? UINT64_MAX : tasks->waiting;
}

bool rmt_tasks_finished(const struct rmt_pool_tasks *tasks)
{
	return tasks->pulled == tasks->count && tasks->finished == tasks->pulled;
}

int rmt_tasks_take(struct rmt_pool_tasks *tasks, uint64_t want, const char *path,
		   struct rmt_pool_piece *ret_piece, ramet_error *error)
{
	struct rmt_pool_place *place;
	int fit, r = 1;

	if (!pieces_empty(&tasks->again)) {
		*ret_piece = pieces_take(&tasks->again, want);
		return 1;
	}
	do {
		place = best_place(tasks, path, &fit);
		if (place && (!tasks->options->locality ? place->tasks >= want
							: fit == 2 || tasks->waiting >= LOOK_AHEAD))
			break;
		r = pull(tasks, error);
	} while (r > 0);
	if (r < 0)
		return r;
	place = best_place(tasks, path, &fit);
	if (!place)
		return 0;
	*ret_piece = pieces_take(&place->waiting, want);
	place->tasks -= ret_piece->count;
	tasks->waiting -= ret_piece->count;
	return 1;
}

int rmt_tasks_return(struct rmt_pool_tasks *tasks, const struct rmt_pool_piece *piece)
{
	return piece->count > 0 ? pieces_add(&tasks->again, piece) : 0;
}

/* --- results -------------------------------------------------------------------------------- */

void *rmt_tasks_slot(struct rmt_pool_tasks *tasks, uint64_t index)
{
	return tasks->results
		       ? tasks->results + slot_of(tasks, index) * tasks->function->result->size
		       : NULL;
}

void rmt_tasks_over(struct rmt_pool_tasks *tasks, uint64_t index, enum rmt_task_state state)
{
	tasks->states[slot_of(tasks, index)] = (unsigned char)state;
	tasks->finished++;
	if (tasks->next && !tasks->flat)
		ramet_type_clear(&tasks->function->arguments, argument_slot(tasks, index));
}

int rmt_tasks_failed(struct rmt_pool_tasks *tasks, uint64_t index, const ramet_error *failure,
		     ramet_error *error)
{
	const char *text = failure->message ? failure->message : "out of memory";
	int r;

	rmt_tasks_over(tasks, index, RMT_TASK_OVER);
	tasks->failed++;
	if (!tasks->options->failed)
		return rmt_error_set_at(error, failure->code, failure->where ? failure->where : "",
					"task %llu: %s", (unsigned long long)index, text);
	r = tasks->options->failed(index, failure, tasks->options->data);
	return r < 0 ? rmt_error_set_at(error, r, failure->where ? failure->where : "",
					"task %llu has failed, which ends the others: %s",
					(unsigned long long)index, text)
		     : 0;
}

/* Runs the function that combines here: the sum so far, and one more. */
static int fold(struct rmt_pool_tasks *tasks, void *result, ramet_error *error)
{
	const struct ramet_function *combine = tasks->combine;
	const struct ramet_field *sides = combine->arguments.fields;
	size_t size = tasks->function->result->size;
	ramet_call call = {.router = tasks->router, .deadline = RMT_NEVER, .function = combine};
	unsigned char arena[1024] __attribute__((aligned(16)));
	char *memory = calloc(1, combine->arguments.size + size);
	char *sum = memory + combine->arguments.size;
	int r = 0;

	if (!memory)
		return rmt_error_set(error, ENOMEM, "out of memory");
	rmt_list_init(&call.node);
	atomic_init(&call.cancelled, false);
	call.message.frame.source = ramet_context_id(ramet_router_self(tasks->router));
	rmt_type_memory_init(&call.memory, arena, sizeof(arena));
	memcpy(memory + sides[0].offset, tasks->sum, size);
	memcpy(memory + sides[1].offset, result, size);
	combine->invoke(&call, memory, sum);
	if (call.failure.code)
		r = rmt_error_move(error, &call.failure);
	else if (!tasks->result_flat && own(tasks->router, combine->result, sum) < 0)
		r = rmt_error_set(error, ENOMEM, "out of memory");
	rmt_type_memory_done(&call.memory);
	if (call.caller)
		ramet_context_unref(call.caller);
	if (r == 0) {
		ramet_type_clear(tasks->function->result, tasks->sum);
		memcpy(tasks->sum, sum, size);
	}
	ramet_type_clear(tasks->function->result, result);
	free(memory);
	return r;
}

/* One result, which is handed on. */
static int deliver(struct rmt_pool_tasks *tasks, uint64_t index, ramet_error *error)
{
	void *result = rmt_tasks_slot(tasks, index);
	int r;

	tasks->states[slot_of(tasks, index)] = RMT_TASK_OVER;
	if (tasks->done) {
		r = tasks->done(index, result, tasks->data);
		return r < 0 ? rmt_error_set(error, r, "the map was ended at task %llu: %s",
					     (unsigned long long)index, rmt_strerror(r))
			     : 0;
	}
	if (tasks->reduced)
		return fold(tasks, result, error);
	memcpy(tasks->sum, result, tasks->function->result->size);
	tasks->reduced = true;
	return 0;
}

int rmt_tasks_deliver(struct rmt_pool_tasks *tasks, const struct rmt_pool_piece *piece,
		      ramet_error *error)
{
	int r = 0;

	if (!tasks->done && !tasks->combine)
		return 0;
	for (uint64_t i = 0; tasks->options->arrival && tasks->done && i < piece->count && r == 0;
	     i++)
		if (tasks->states[slot_of(tasks, piece->first + i)] == RMT_TASK_RESULT)
			r = deliver(tasks, piece->first + i, error);
	while (r == 0 && tasks->due < tasks->pulled) {
		unsigned char *state = &tasks->states[slot_of(tasks, tasks->due)];

		if (*state == RMT_TASK_OPEN)
			break;
		if (*state == RMT_TASK_RESULT)
			r = deliver(tasks, tasks->due, error);
		tasks->due++;
	}
	return r;
}
