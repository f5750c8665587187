/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls that have arrived: executed one at a time, in order, on the main thread of a child (or,
 * where that thread is not ours, on one of our own), or on worker threads when the function is
 * marked concurrent.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/list.h"
#include "core/message.h"
#include "core/router.h"
#include "core/type.h"

enum rmt_call_state { RMT_CALL_QUEUED, RMT_CALL_RUNNING, RMT_CALL_DEFERRED };

/*
 * An answer that comes later than the end of a function's body: see rmt_call_defer(). A part of what
 * the function leaves behind to find it. All three are called with the lock held.
 */
struct rmt_deferral {
	ramet_call *call;
	/* The body has returned: from now on the call may be answered, but not in here. */
	void (*begin)(struct rmt_deferral *deferral);
	/* Nobody waits for the answer, or this context is ending: it is due all the same, and soon,
	 * but not in here. Perhaps more than once. */
	void (*cancelled)(struct rmt_deferral *deferral);
	/* The router has ended: nothing of it may stay in the loop, and there is nothing to answer. */
	void (*ended)(struct rmt_deferral *deferral);
};

struct ramet_call {
	struct rmt_list node; /* in execution.serial, concurrent, running or idle_calls */
	ramet_router *router;
	enum rmt_call_state state;
	const struct ramet_function *function;
	struct rmt_message message;
	size_t arguments; /* where they begin in the message */
	uint32_t chain;
	uint32_t count; /* of a batch: sets of arguments; 0: it is no batch */
	/* of a batch, see batch.h: NULL: none; and how long it may run, ms, 0: for ever */
	const struct ramet_function *combine;
	int patience;
	int64_t deadline; /* RMT_NEVER: none */
	bool lost;        /* nobody is there to be answered */
	atomic_bool cancelled;
	ramet_context *caller; /* made when asked for */
	ramet_error failure;
	struct rmt_type_memory memory;
	struct rmt_deferral *deferral;
};

/* In the body of a function: what it returns is ignored, and the call stays until it is answered, if
 * it does not fail. Its arguments and memory go when the body returns. */
void rmt_call_defer(ramet_call *call, struct rmt_deferral *deferral);

/* Answers a deferred call, which is gone then. The result must fit one frame, and hold no senders. */
void rmt_call_answer(struct rmt_deferral *deferral, const void *result);

/* A call has arrived; takes the message's chunk. */
void rmt_execute_arrived(ramet_router *router, struct rmt_message *message);

/* Calls whose function was not there yet look for it again. */
void rmt_execute_resume(ramet_router *router);

/* CANCEL for the call that is to be answered at (caller, reply). */
void rmt_execute_cancel(ramet_router *router, uint32_t caller, uint32_t reply);

/* The caller is gone: nobody waits for its calls. */
void rmt_execute_caller_lost(ramet_router *router, uint32_t caller);

/* Everything that runs is told that it is cancelled; what is queued is answered with a failure. */
void rmt_execute_cancel_all(ramet_router *router);

/* The main thread of a child: executes calls until the router ends. Called with the lock held. */
void rmt_execute_main(ramet_router *router);

/* What a thread that executes keeps from call to call. Begins zeroed. */
struct rmt_executor {
	/* small arguments need no other memory */
	unsigned char arena[1024] __attribute__((aligned(16)));
	struct rmt_buffer out;
	void *result; /* room for a result */
	size_t result_size;
};

/* The call's failure is that there is no memory for something. */
void rmt_execute_no_memory(ramet_call *call);

/* Runs the function with the next item of the reader as arguments, which are in memory of the call, and
 * which the caller releases. NULL: it was not run, and has a failure. */
void *rmt_execute_run(ramet_call *call, struct rmt_executor *executor,
		      struct rmt_cbor_reader *reader);

/* Appends a result to executor->out. What it cannot be sent for becomes the call's failure. */
void rmt_execute_encode(ramet_call *call, struct rmt_executor *executor, const void *result);

/* Takes the first call out of a list that is not empty. */
ramet_call *rmt_execute_take(struct rmt_list *list);

/* Runs and answers a call, which is in no list. The lock is held, and released meanwhile. */
void rmt_execute_one(ramet_call *call, struct rmt_executor *executor);
void rmt_executor_done(struct rmt_executor *executor);

/* Answers a call, which is in no list, without running it. code is an errno. */
void rmt_execute_refuse(ramet_call *call, int code, const char *text);

/* The router has ended: calls that were deferred are forgotten. */
void rmt_execute_ended(ramet_router *router);

void rmt_execute_init(ramet_router *router);
void rmt_execute_done(ramet_router *router);
