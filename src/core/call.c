/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/call.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "core/control.h"
#include "core/flow.h"
#include "core/peer.h"
#include "core/receiver.h"
#include "core/value.h"
#include "core/wait.h"

/* --- handles inside arguments and results ------------------------------------------------- */

static void encode_value(const ramet_value *value, struct rmt_buffer *out, void *userdata)
{
	struct rmt_call_target *target = userdata;
	int r;

	rmt_value_encode(value, out);
	rmt_lock(target->router);
	r = rmt_value_give(value, target->router, target->context);
	rmt_unlock(target->router);
	if (out->error == 0)
		out->error = r;
}

static void encode_context(const ramet_context *context, struct rmt_buffer *out, void *userdata)
{
	(void)userdata;
	rmt_context_encode(context, out);
}

static void encode_sender(ramet_sender *sender, struct rmt_buffer *out, void *userdata)
{
	struct rmt_call_target *target = userdata;
	int r;

	rmt_sender_encode(sender, out);
	if (!sender)
		return;
	rmt_lock(target->router);
	r = rmt_sender_give(sender, target->context);
	rmt_unlock(target->router);
	if (out->error == 0)
		out->error = r;
}

static int decode_value(struct rmt_cbor_reader *reader, void *userdata, ramet_value **ret)
{
	return rmt_value_decode(userdata, reader, NULL, ret);
}

static int decode_context(struct rmt_cbor_reader *reader, void *userdata, ramet_context **ret)
{
	return rmt_context_decode(userdata, reader, ret);
}

static int decode_sender(struct rmt_cbor_reader *reader, void *userdata, ramet_sender **ret)
{
	return rmt_sender_decode(userdata, reader, ret);
}

const struct rmt_type_hooks rmt_call_hooks = {
	.encode_value = encode_value,
	.encode_context = encode_context,
	.encode_sender = encode_sender,
	.decode_value = decode_value,
	.decode_context = decode_context,
	.decode_sender = decode_sender,
};

/* --- requests ----------------------------------------------------------------------------- */

/* A call as it goes out: [name, [arguments], (chain, timeout)]. The typed and the dynamic form
 * differ only in how the arguments get there. */
struct request {
	ramet_context *context;
	struct rmt_call_target target; /* the context as it was when the arguments were encoded */
	const char *name;
	struct rmt_buffer payload;
	unsigned char small[512]; /* most calls fit */
};

static void request_begin(struct request *request, ramet_context *context, const char *name)
{
	request->context = context;
	request->target = (struct rmt_call_target){context->router, ramet_context_id(context)};
	request->name = name;
	rmt_buffer_init(&request->payload, request->small, sizeof(request->small));
	rmt_cbor_put_array(&request->payload, context->chain || context->timeout > 0 ? 4 : 2);
	rmt_cbor_put_str(&request->payload, name);
}

static void request_end(struct request *request)
{
	if (!request->context->chain && request->context->timeout <= 0)
		return;
	rmt_cbor_put_uint(&request->payload, request->context->chain);
	rmt_cbor_put_uint(&request->payload,
			  request->context->timeout > 0 ? (unsigned)request->context->timeout : 0);
}

static void request_typed(struct request *request, const struct ramet_function *function,
			  ramet_context *context, const void *arguments)
{
	request_begin(request, context, function->name);
	rmt_type_encode(&function->arguments, arguments, &request->payload, &rmt_call_hooks,
			&request->target);
	request_end(request);
}

static void request_dynamic(struct request *request, const char *name, ramet_context *context,
			    const ramet_value *arguments)
{
	request_begin(request, context, name);
	if (arguments)
		encode_value(arguments, &request->payload, &request->target);
	else
		rmt_cbor_put_array(&request->payload, 0);
	request_end(request);
}

static int try_send(struct request *request, struct rmt_peer *peer, uint32_t reply, bool gather,
		    ramet_error *error)
{
	ramet_router *router = peer->router;
	struct rmt_frame frame = {.handle = RMT_HANDLE_CALL, .reply = reply};
	int64_t until = request->context->timeout > 0 ? rmt_after(request->context->timeout)
						      : RMT_NEVER;
	struct rmt_flow *flow;
	int r;

	if (request->payload.error < 0)
		return rmt_error_set(error, ENOMEM, "out of memory for the arguments of '%s'",
				     request->name);
	if (router->state == RMT_ROUTER_ENDED)
		return rmt_error_set(error, ESHUTDOWN, "the router has ended");
	if (!peer->alive && request->context->managed)
		return request->context->managed->absent(request->context->managed, error);
	if (peer->id != request->target.context)
		return rmt_error_set(error, ECONNRESET, "%s was lost while it was called",
				     rmt_peer_name(peer));
	if (!peer->alive)
		return rmt_error_set(error, ECONNRESET, "%s is gone: %s", rmt_peer_name(peer),
				     peer->reason ? peer->reason : "out of memory");
	flow = rmt_flow_of_calls(peer);
	r = flow ? rmt_flow_send(flow, &frame, request->payload.data, request->payload.size, until,
				 gather)
		 : -ENOMEM;
	rmt_flow_unref(flow);
	if (r == -EPIPE)
		return rmt_error_set(error, ECONNRESET, "%s is gone: %s", rmt_peer_name(peer),
				     peer->reason ? peer->reason : "out of memory");
	if (r == -EMSGSIZE)
		return rmt_error_set(
			error, EMSGSIZE, "the arguments of '%s' have %zu bytes, %u are allowed",
			request->name, request->payload.size, router->message_size_max);
	if (r == -ETIMEDOUT)
		return rmt_error_set(
			error, ETIMEDOUT,
			"the call of '%s' could not be sent within %d ms: %s is behind",
			request->name, request->context->timeout, rmt_peer_name(peer));
	return r < 0 ? rmt_error_set(error, r, "the call of '%s' could not be sent: %s",
				     request->name, rmt_strerror(r))
		     : 0;
}

/* Sends it, with the lock held. reply is 0 for none. */
static int request_send(struct request *request, uint32_t reply, bool gather, ramet_error *error)
{
	struct rmt_peer *peer = request->context->peer;
	int r;

	/* The handle may get another peer while this one is waited for. */
	rmt_context_take(peer);
	r = try_send(request, peer, reply, gather, error);
	if (r < 0)
		rmt_senders_take_back(peer->router, request->target.context, request->payload.data,
				      request->payload.size);
	rmt_context_drop(&peer->handle);
	return r;
}

static void request_done(struct request *request)
{
	rmt_buffer_done(&request->payload);
}

/* --- the call's own time-out -------------------------------------------------------------- */

static void timed_out(struct rmt_timer *timer)
{
	ramet_receiver *receiver = RMT_CONTAINER(timer, ramet_receiver, timer);
	ramet_router *router = receiver->router;

	rmt_control_cancel(router, receiver->respondent->id, (uint32_t)receiver->node.key);
	rmt_receiver_fail(receiver, ETIMEDOUT, "%s did not answer '%s' in time",
			  rmt_peer_name(receiver->respondent), receiver->function);
}

static void expect(ramet_receiver *receiver, struct request *request)
{
	rmt_receiver_expect(receiver, request->context->peer, request->name);
	receiver->timer.expired = timed_out;
	/* A loop that has ended keeps nothing. */
	if (request->context->timeout > 0 && receiver->router->state != RMT_ROUTER_ENDED)
		rmt_loop_timer_start(&receiver->router->loop, &receiver->timer,
				     rmt_after(request->context->timeout));
}

/* --- results ------------------------------------------------------------------------------ */

/* The result in receiver->first, which the caller owns now: decodes it as the function's type, or
 * as a value. */
static int decode_result(ramet_receiver *receiver, const struct ramet_function *function, void *ret,
			 ramet_value **ret_value, ramet_error *error)
{
	struct rmt_message *message = &receiver->inline_entry.message;
	struct rmt_type_memory memory;
	struct rmt_cbor_reader reader;
	char where[160] = "";
	void *object;
	int r;

	if (!function) {
		r = rmt_value_from_message(receiver->router, message, ret_value);
		return r < 0 ? rmt_error_set(error, EPROTO, "the result of '%s' cannot be read: %s",
					     receiver->function, rmt_strerror(r))
			     : 0;
	}
	rmt_cbor_reader_init(&reader, message->data, message->size);
	rmt_type_memory_init(&memory, NULL, 0);
	/* The output is written on success only. */
	unsigned char small[64] __attribute__((aligned(16)));
	object = function->result->size <= sizeof(small) ? small : malloc(function->result->size);
	if (!object)
		return rmt_error_set(error, ENOMEM, "out of memory");
	r = rmt_type_decode(function->result, &reader, object, &memory, &rmt_call_hooks,
			    receiver->router, where, sizeof(where));
	if (r < 0)
		r = rmt_error_set(error, EPROTO, "the result of '%s' is not what it should be: %s",
				  function->name, where);
	else if (ret)
		memcpy(ret, object, function->result->size);
	else
		ramet_type_clear(function->result, object);
	if (object != small)
		free(object);
	return r;
}

/* Waits for the result and takes it. The lock is held, and given up before it is decoded; then held
 * again. */
static int finish(ramet_receiver *receiver, const struct ramet_function *function, int64_t until,
		  int timeout, void *ret, ramet_value **ret_value, ramet_error *error)
{
	ramet_router *router = receiver->router;
	int r = rmt_wait(router, rmt_receiver_is_done, receiver, until);

	if (r == -ETIMEDOUT)
		return rmt_error_set(error, ETIMEDOUT, "%s has not answered '%s' within %d ms",
				     rmt_peer_name(receiver->respondent), receiver->function,
				     timeout);
	if (r < 0)
		return rmt_error_set(error, r, "the router has ended");
	r = rmt_receiver_failure(receiver, error);
	if (r < 0)
		return r;
	rmt_unlock(router);
	r = decode_result(receiver, function, ret, ret_value, error);
	rmt_lock(router);
	return r;
}

/* --- calling ------------------------------------------------------------------------------ */

/* Calls and waits: nothing is allocated for the result's arrival. */
static int call_and_wait(struct request *request, const struct ramet_function *function, void *ret,
			 ramet_value **ret_value, ramet_error *error)
{
	ramet_router *router = request->context->router;
	ramet_receiver receiver;
	int r;

	rmt_lock(router);
	expect(&receiver, request);
	r = request_send(request, (uint32_t)receiver.node.key, false, error);
	if (r == 0)
		r = finish(&receiver, function, RMT_NEVER, -1, ret, ret_value, error);
	rmt_receiver_done(&receiver);
	rmt_unlock(router);
	request_done(request);
	return r;
}

static int start(struct request *request, ramet_receiver **ret_receiver, ramet_error *error)
{
	ramet_router *router = request->context->router;
	ramet_receiver *receiver = malloc(sizeof(*receiver));
	int r;

	if (!receiver) {
		request_done(request);
		return rmt_error_set(error, ENOMEM, "out of memory");
	}
	rmt_lock(router);
	expect(receiver, request);
	r = request_send(request, (uint32_t)receiver->node.key, true, error);
	if (r == 0) {
		rmt_router_hold(router);
		*ret_receiver = receiver;
	} else {
		rmt_receiver_done(receiver);
		free(receiver);
	}
	rmt_unlock(router);
	request_done(request);
	return r;
}

static int finish_public(ramet_receiver *receiver, const struct ramet_function *function,
			 int timeout, void *ret, ramet_value **ret_value, ramet_error *error)
{
	int r;

	rmt_lock(receiver->router);
	if (!receiver->result)
		r = rmt_error_set(error, EINVAL,
				  "this receiver is a stream, not the result of a call");
	else if (function && strcmp(function->name, receiver->function) != 0)
		r = rmt_error_set(error, EINVAL, "this is a call of '%s', not of '%s'",
				  receiver->function, function->name);
	else
		r = finish(receiver, function, rmt_after(timeout), timeout, ret, ret_value, error);
	rmt_unlock(receiver->router);
	return r;
}

static int post(struct request *request, ramet_error *error)
{
	ramet_router *router = request->context->router;
	int r;

	rmt_lock(router);
	r = request_send(request, 0, true, error);
	rmt_unlock(router);
	request_done(request);
	return r;
}

RMT_PUBLIC int ramet_function_call(const struct ramet_function *function, ramet_context *context,
				   const void *arguments, void *ret, ramet_error *error)
{
	struct request request;

	request_typed(&request, function, context, arguments);
	return call_and_wait(&request, function, ret, NULL, error);
}

RMT_PUBLIC int ramet_function_start(const struct ramet_function *function, ramet_context *context,
				    const void *arguments, ramet_receiver **ret, ramet_error *error)
{
	struct request request;

	request_typed(&request, function, context, arguments);
	return start(&request, ret, error);
}

RMT_PUBLIC int ramet_function_finish(const struct ramet_function *function,
				     ramet_receiver *receiver, int timeout, void *ret,
				     ramet_error *error)
{
	return finish_public(receiver, function, timeout, ret, NULL, error);
}

RMT_PUBLIC int ramet_function_post(const struct ramet_function *function, ramet_context *context,
				   const void *arguments, ramet_error *error)
{
	struct request request;

	request_typed(&request, function, context, arguments);
	return post(&request, error);
}

static int check_dynamic(const char *function, const ramet_value *arguments, ramet_error *error)
{
	if (strlen(function) > RMT_FUNCTION_NAME_MAX)
		return rmt_error_set(error, EINVAL, "the name of a function has at most %u bytes",
				     RMT_FUNCTION_NAME_MAX);
	if (arguments && ramet_value_kind(arguments) != RAMET_KIND_ARRAY)
		return rmt_error_set(error, EINVAL, "the arguments of '%s' are not a list",
				     function);
	return 0;
}

RMT_PUBLIC int ramet_invoke(ramet_context *context, const char *function,
			    const ramet_value *arguments, ramet_value **ret_value,
			    ramet_error *error)
{
	struct request request;
	ramet_value *value = NULL;
	int r = check_dynamic(function, arguments, error);

	if (r < 0)
		return r;
	request_dynamic(&request, function, context, arguments);
	r = call_and_wait(&request, NULL, NULL, &value, error);
	if (r == 0 && ret_value)
		*ret_value = value;
	else
		ramet_value_unref(value);
	return r;
}

RMT_PUBLIC int ramet_invoke_start(ramet_context *context, const char *function,
				  const ramet_value *arguments, ramet_receiver **ret_receiver,
				  ramet_error *error)
{
	struct request request;
	int r = check_dynamic(function, arguments, error);

	if (r < 0)
		return r;
	request_dynamic(&request, function, context, arguments);
	return start(&request, ret_receiver, error);
}

RMT_PUBLIC int ramet_invoke_finish(ramet_receiver *receiver, int timeout, ramet_value **ret_value,
				   ramet_error *error)
{
	ramet_value *value = NULL;
	int r = finish_public(receiver, NULL, timeout, NULL, &value, error);

	if (r == 0 && ret_value)
		*ret_value = value;
	else
		ramet_value_unref(value);
	return r;
}

RMT_PUBLIC int ramet_invoke_post(ramet_context *context, const char *function,
				 const ramet_value *arguments, ramet_error *error)
{
	struct request request;
	int r = check_dynamic(function, arguments, error);

	if (r < 0)
		return r;
	request_dynamic(&request, function, context, arguments);
	return post(&request, error);
}
