/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Walking paths: ramet_connect() and ramet_connect_all(). A set of paths becomes a tree of steps,
 * one for each context that is needed; a step begins when the one before it is there, and all that
 * can go on at the same time does.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/format.h"
#include "base/printable.h"
#include "base/time.h"
#include "core/peer.h"
#include "core/receiver.h"
#include "core/route.h"
#include "core/wait.h"
#include "parent/connect.h"
#include "parent/connection.h"
#include "parent/gate.h"
#include "parent/group.h"
#include "parent/keys.h"
#include "parent/password.h"
#include "parent/path.h"
#include "wire/cbor.h"
#include "wire/handle.h"

/* A context elsewhere has its own deadline for the hop; this much longer, and it is taken for dead
 * itself. */
#define REMOTE_GRACE_MS 5000

struct plan;

struct step {
	struct plan *plan;
	struct step *before; /* NULL: this context itself starts it */
	const struct rmt_hop *hop;
	const struct rmt_path *path;
	size_t depth; /* hop's index in the path */
	uint32_t index;
	size_t leaf; /* position in the group, for the last hop of a path */
	bool begun, asked, over;
	ramet_context *context;   /* when it is there */
	struct rmt_wanted wanted; /* a child of our own */
	ramet_receiver receiver;  /* the answer of another context */
	bool asks;                /* a tool on the way asks for a password ... */
	char *question;           /* ... in these words; NULL: there was no memory for them */
};

struct plan {
	ramet_router *router;
	struct rmt_path *paths;
	size_t path_count;
	struct step **steps; /* a step stands behind the one before it */
	size_t step_count, capacity;
	size_t leaves;
	size_t open; /* begun and not over */
	bool progressed;
	ramet_error error; /* the first */
};

/* --- planning ----------------------------------------------------------------------------- */

static struct step *step_new(struct plan *plan)
{
	struct step *step;

	if (plan->step_count == plan->capacity) {
		size_t capacity = plan->capacity ? plan->capacity * 2 : 16;
		struct step **grown = realloc(plan->steps, capacity * sizeof(*grown));

		if (!grown)
			return NULL;
		plan->steps = grown;
		plan->capacity = capacity;
	}
	step = calloc(1, sizeof(*step));
	if (step) {
		step->plan = plan;
		plan->steps[plan->step_count++] = step;
	}
	return step;
}

static int plan_hop(struct plan *plan, const struct rmt_path *path, size_t depth,
		    struct step *before);

/* The steps for one hop without ranges, and what comes behind it. */
static int plan_member(struct plan *plan, const struct rmt_path *path, size_t depth,
		       const struct rmt_hop *hop, struct step *before)
{
	for (uint32_t i = 0; i < hop->count; i++) {
		struct step *step = step_new(plan);
		int r = 0;

		if (!step)
			return rmt_error_set(&plan->error, ENOMEM, "out of memory");
		step->before = before;
		step->path = path;
		step->hop = hop;
		step->depth = depth;
		step->index = hop->index + i;
		if (depth + 1 < path->count)
			r = plan_hop(plan, path, depth + 1, step);
		else
			step->leaf = plan->leaves++;
		if (r == 0 && plan->step_count > RMT_COUNT_MAX)
			r = rmt_error_set(&plan->error, E2BIG,
					  "the paths ask for more than %u contexts", RMT_COUNT_MAX);
		if (r < 0)
			return r;
	}
	return 0;
}

static int plan_hop(struct plan *plan, const struct rmt_path *path, size_t depth,
		    struct step *before)
{
	const struct rmt_hop *hop = &path->hops[depth];
	int r = 0;

	if (hop->member_count == 0)
		return plan_member(plan, path, depth, hop, before);
	for (size_t i = 0; i < hop->member_count && r == 0; i++)
		r = plan_member(plan, path, depth, &hop->members[i], before);
	return r;
}

static int plan_add(struct plan *plan, const char *text, size_t size)
{
	struct rmt_path *grown = realloc(plan->paths, (plan->path_count + 1) * sizeof(*grown));
	int r;

	if (!grown)
		return rmt_error_set(&plan->error, ENOMEM, "out of memory");
	plan->paths = grown;
	r = rmt_path_parse(text, size, &grown[plan->path_count], &plan->error);
	if (r < 0)
		return r;
	plan->path_count++;
	for (size_t i = 0; i < grown[plan->path_count - 1].count && r == 0; i++)
		r = rmt_password_hide(&grown[plan->path_count - 1].hops[i]);
	return r < 0 ? rmt_error_set(&plan->error, r, "out of memory") : 0;
}

/* Paths move while they are added, so steps are made when all are there. */
static int plan_steps(struct plan *plan)
{
	int r = 0;

	for (size_t i = 0; i < plan->path_count && r == 0; i++)
		r = plan_hop(plan, &plan->paths[i], 0, NULL);
	return r;
}

/* --- taking steps ------------------------------------------------------------------------- */

static void step_failed(struct step *step, ramet_error *error)
{
	struct plan *plan = step->plan;

	step->over = true;
	plan->open--;
	plan->progressed = true;
	if (!plan->error.code)
		rmt_error_move(&plan->error, error);
}

static void step_done(struct step *step, struct rmt_peer *peer)
{
	step->over = true;
	step->plan->open--;
	step->plan->progressed = true;
	step->context = rmt_context_take(peer);
}

static void child_done(struct rmt_wanted *wanted, struct rmt_peer *child, ramet_error *error)
{
	struct step *step = RMT_CONTAINER(wanted, struct step, wanted);

	if (child)
		step_done(step, child);
	else
		step_failed(step, error);
}

/* Whoever asks is not believed for which context that is. */
static char *path_of(const struct step *step)
{
	const char *before = step->before ? step->before->context->peer->path
					  : step->plan->router->path;

	return rmt_connection_path(before ? before : "", step->hop, step->index);
}

/* Whoever starts a context for us names it: one that lies in the same direction, and is not known as
 * anybody else's. */
static bool can_be_its_child(const struct step *step, uint32_t id)
{
	ramet_router *router = step->plan->router;
	const struct rmt_peer *via = step->before->context->peer;
	const struct rmt_peer *known = rmt_peer_find(router, id);

	return id != via->id && !rmt_router_obeys(router, id) &&
	       rmt_route_below(router, id) == rmt_route_below(router, via->id) &&
	       (!known || (!known->stream && (!known->via || known->via == via)));
}

/* The answer to CONNECT: [id, path, pid]. */
static struct rmt_peer *read_answer(struct step *step)
{
	struct rmt_message *message = &step->receiver.inline_entry.message;
	struct rmt_cbor_reader reader;
	struct rmt_peer *peer;
	uint64_t items;
	uint32_t id, pid;
	const char *said;
	size_t said_size;
	char *path;

	rmt_cbor_reader_init(&reader, message->data, message->size);
	if (rmt_cbor_read_array(&reader, &items) < 0 || items != 3 ||
	    rmt_cbor_read_u32(&reader, &id) < 0 ||
	    rmt_cbor_read_str(&reader, &said, &said_size) < 0 || !said ||
	    rmt_cbor_read_u32(&reader, &pid) < 0)
		return NULL;
	if (!can_be_its_child(step, id))
		return NULL;
	peer = rmt_peer_get(step->plan->router, id);
	if (!peer)
		return NULL;
	/* In a tree that was joined, it has another path. */
	path = path_of(step);
	rmt_peer_describe(peer, path ? path : said, path ? strlen(path) : said_size, (int)pid);
	free(path);
	if (!peer->via) {
		peer->via = step->before->context->peer;
		rmt_context_take(peer->via);
	}
	peer->holds++;
	return peer;
}

static void answer_arrived(ramet_receiver *receiver)
{
	struct step *step = RMT_CONTAINER(receiver, struct step, receiver);
	ramet_error error = RAMET_ERROR_INIT;
	struct rmt_peer *peer = NULL;

	if (rmt_receiver_failure(receiver, &error) == 0) {
		peer = read_answer(step);
		if (!peer)
			rmt_error_set(&error, EPROTO,
				      "%s: the answer to a connection makes no sense",
				      rmt_peer_name(step->before->context->peer));
	}
	if (peer)
		step_done(step, peer);
	else
		step_failed(step, &error);
	ramet_error_clear(&error);
}

static void answer_late(struct rmt_timer *timer)
{
	ramet_receiver *receiver = RMT_CONTAINER(timer, ramet_receiver, timer);

	rmt_receiver_fail(receiver, ETIMEDOUT, "%s did not answer in time",
			  rmt_peer_name(receiver->respondent));
}

/* A hop has a deadline of its own, where only so many tools may be on their way at once. */
static int64_t patience(const struct step *step)
{
	const struct plan *plan = step->plan;
	int timeout = rmt_hop_timeout(step->hop, plan->router->connect_timeout);
	size_t beside = 0;

	for (size_t i = 0; i < plan->step_count; i++)
		beside += plan->steps[i]->before == step->before;
	return rmt_now() + (int64_t)timeout * 1000 * (int64_t)(1 + beside / RMT_CONNECT_LIMIT) +
	       REMOTE_GRACE_MS * 1000;
}

static void ask(struct step *step)
{
	ramet_router *router = step->plan->router;
	struct rmt_peer *via = step->before->context->peer;
	struct rmt_buffer out = RMT_BUFFER_INIT;
	struct rmt_frame frame = {.destination = via->id, .handle = RMT_HANDLE_CONTROL};

	step->asked = true;
	rmt_receiver_expect(&step->receiver, via, "connect");
	step->receiver.notify = answer_arrived;
	step->receiver.timer.expired = answer_late;
	rmt_loop_timer_start(&router->loop, &step->receiver.timer, patience(step));
	frame.reply = (uint32_t)step->receiver.node.key;
	rmt_cbor_put_array(&out, 3);
	rmt_cbor_put_uint(&out, RMT_OP_CONNECT);
	rmt_cbor_put_str(&out, step->hop->text);
	rmt_cbor_put_uint(&out, step->index);
	if (!via->alive)
		rmt_receiver_fail(&step->receiver, ECONNRESET, "%s is gone: %s", rmt_peer_name(via),
				  via->reason ? via->reason : "?");
	else if (out.error < 0 || rmt_send_frame(router, &frame, out.data, out.size, true) < 0)
		rmt_receiver_fail(&step->receiver, ENOMEM, "out of memory");
	rmt_buffer_done(&out);
}

/* --- questions ---------------------------------------------------------------------------- */

static void keep_question(struct step *step, const char *prompt, size_t size)
{
	struct plan *plan = step->plan;

	if (step->over)
		return;
	step->asks = true;
	free(step->question);
	step->question = rmt_text_new(prompt, size);
	/* Another context's words go to a terminal. */
	if (step->question)
		rmt_make_printable(step->question);
	plan->progressed = true;
	rmt_wait_changed(plan->router);
}

static void child_asks(struct rmt_wanted *wanted, const char *prompt)
{
	keep_question(RMT_CONTAINER(wanted, struct step, wanted), prompt, strlen(prompt));
}

void rmt_question_arrived(ramet_router *router, uint32_t source, uint32_t reply, const char *prompt,
			  size_t prompt_size)
{
	ramet_receiver *receiver = rmt_receiver_find(router, reply);

	/* Only who was asked to start a child may ask back. */
	if (!receiver || receiver->notify != answer_arrived || receiver->done ||
	    !receiver->respondent || receiver->respondent->id != source)
		return;
	rmt_loop_timer_stop(&router->loop, &receiver->timer);
	keep_question(RMT_CONTAINER(receiver, struct step, receiver), prompt, prompt_size);
}

static void send_answer(struct step *step, const struct rmt_password *password,
			const ramet_error *error)
{
	ramet_router *router = step->plan->router;
	struct rmt_buffer out = RMT_BUFFER_INIT;

	rmt_cbor_put_array(&out, 5);
	rmt_cbor_put_uint(&out, RMT_OP_ANSWER);
	rmt_cbor_put_uint(&out, step->receiver.node.key);
	rmt_cbor_put_bool(&out, password);
	rmt_cbor_put_bytes(&out, password ? password->text : "", password ? password->size : 0);
	rmt_cbor_put_str(&out, error->message ? error->message : "");
	rmt_loop_timer_start(&router->loop, &step->receiver.timer, patience(step));
	if (out.error == 0)
		rmt_send_control(router, step->before->context->peer->id, &out);
	rmt_wipe(out.data, out.capacity);
	rmt_buffer_done(&out);
}

/* The user is asked without the lock: everything else goes on. */
static void answer(struct step *step)
{
	ramet_router *router = step->plan->router;
	ramet_error error = RAMET_ERROR_INIT;
	char *path = path_of(step), *prompt = step->question;
	struct rmt_password password;
	int r;

	step->asks = false;
	step->question = NULL;
	rmt_unlock(router);
	if (path && prompt)
		r = rmt_password_get(router, step->hop, path, prompt, &password, &error);
	else
		r = rmt_error_set(&error, ENOMEM, "out of memory");
	rmt_lock(router);
	free(path);
	free(prompt);
	if (step->asked && !step->over)
		send_answer(step, r < 0 ? NULL : &password, &error);
	else if (!step->asked)
		rmt_connection_answer(&step->wanted, r < 0 ? NULL : &password, &error);
	if (r == 0)
		rmt_wipe(&password, sizeof(password));
	ramet_error_clear(&error);
}

static struct step *find_question(struct plan *plan)
{
	for (size_t i = 0; i < plan->step_count; i++)
		if (plan->steps[i]->asks && !plan->steps[i]->over)
			return plan->steps[i];
	return NULL;
}

/* Others may be asked while one is answered. */
static void answer_questions(struct plan *plan)
{
	struct step *step;

	while ((step = find_question(plan)))
		answer(step);
}

/* --- running ------------------------------------------------------------------------------ */

static void begin_steps(struct plan *plan)
{
	plan->progressed = false;
	for (size_t i = 0; i < plan->step_count && !plan->error.code; i++) {
		struct step *step = plan->steps[i];

		if (step->begun || (step->before && !step->before->context))
			continue;
		step->begun = true;
		plan->open++;
		if (!step->before) {
			step->wanted.done = child_done;
			step->wanted.asks = child_asks;
			rmt_connection_start(plan->router, step->hop, step->index, &step->wanted);
		} else {
			ask(step);
		}
	}
}

static bool plan_progressed(void *argument)
{
	struct plan *plan = argument;

	return plan->progressed;
}

/* Also after a failure, everything that has begun is waited for: nothing is left behind. */
static int plan_run(struct plan *plan)
{
	int r = 0;

	begin_steps(plan);
	while (plan->open > 0 || (plan->progressed && !plan->error.code)) {
		r = rmt_wait(plan->router, plan_progressed, plan, RMT_NEVER);
		if (r < 0)
			break;
		answer_questions(plan);
		begin_steps(plan);
	}
	if (r < 0 && !plan->error.code)
		rmt_error_set(&plan->error, ESHUTDOWN, "%s", RAMET_BROKER_SHUTDOWN_MSG);
	return plan->error.code;
}

/* Steps are dropped from the last to the first: a context before those that were started through it
 * would end them. */
static void plan_done(struct plan *plan)
{
	for (size_t i = plan->step_count; i-- > 0;) {
		struct step *step = plan->steps[i];

		if (step->asked)
			rmt_receiver_done(&step->receiver);
		if (step->context)
			rmt_context_drop(step->context);
		free(step->question);
		free(step);
	}
	for (size_t i = 0; i < plan->path_count; i++)
		rmt_path_done(&plan->paths[i]);
	free(plan->paths);
	free(plan->steps);
}

static int run_to_group(struct plan *plan, ramet_group **ret_group)
{
	ramet_group *group;
	int r = plan_run(plan);

	if (r < 0)
		return r;
	group = rmt_group_new(plan->leaves);
	if (!group)
		return rmt_error_set(&plan->error, ENOMEM, "out of memory");
	for (size_t i = 0; i < plan->step_count; i++) {
		struct step *step = plan->steps[i];

		if (step->depth + 1 == step->path->count) {
			rmt_group_put(group, step->leaf, step->context);
			step->context = NULL;
		}
	}
	*ret_group = group;
	return 0;
}

/* --- behind the gate ---------------------------------------------------------------------- */

static int connect_set(ramet_router *router, struct plan *plan, ramet_group **ret_group)
{
	int r = plan_steps(plan);

	rmt_lock(router);
	rmt_router_hold(router);
	plan->router = router;
	if (r == 0 && router->state != RMT_ROUTER_RUNNING)
		r = rmt_error_set(&plan->error, ESHUTDOWN, "%s", RAMET_BROKER_SHUTDOWN_MSG);
	if (r == 0)
		r = run_to_group(plan, ret_group);
	plan_done(plan);
	rmt_router_release(router);
	return r;
}

int rmt_connect_all(ramet_router *router, const char *paths, ramet_group **ret_group,
		    ramet_error *error)
{
	struct plan plan = {0};
	const char *at = paths;
	int r = 0;

	for (;;) {
		size_t size = rmt_path_size(at);

		r = plan_add(&plan, at, size);
		if (r < 0 || !at[size])
			break;
		at += size + 1;
	}
	if (r < 0)
		plan_done(&plan);
	else
		r = connect_set(router, &plan, ret_group);
	if (r < 0)
		rmt_error_move(error, &plan.error);
	return r;
}

int rmt_connect(ramet_router *router, const char *path, ramet_context **ret_context,
		ramet_error *error)
{
	struct plan plan = {0};
	ramet_group *group = NULL;
	int r = plan_add(&plan, path, strlen(path));

	for (size_t i = 0; r == 0 && i < plan.paths[0].count; i++)
		if (plan.paths[0].hops[i].count != 1 || plan.paths[0].hops[i].member_count > 1)
			r = rmt_error_set(&plan.error, EINVAL,
					  "path '%s' leads to several contexts; one is expected",
					  path);
	if (r < 0)
		plan_done(&plan);
	else
		r = connect_set(router, &plan, &group);
	if (r < 0)
		return rmt_error_move(error, &plan.error);
	*ret_context = ramet_context_ref(ramet_group_get(group, 0));
	ramet_group_unref(group);
	return 0;
}
