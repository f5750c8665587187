/* SPDX-License-Identifier: BSD-3-Clause */
/* What a function may ask and say of the call that it is executing. */
#include <errno.h>
#include <stdarg.h>

#include "base/error.h"
#include "base/time.h"
#include "core/execute.h"
#include "core/peer.h"

RMT_PUBLIC ramet_router *ramet_call_router(ramet_call *call)
{
	return call->router;
}

RMT_PUBLIC ramet_context *ramet_call_caller(ramet_call *call)
{
	rmt_lock(call->router);
	if (!call->caller) {
		struct rmt_peer *peer = rmt_peer_get(call->router, call->message.frame.source);

		call->caller = peer ? rmt_context_take(peer) : NULL;
	}
	rmt_unlock(call->router);
	return call->caller;
}

RMT_PUBLIC bool ramet_call_cancelled(const ramet_call *call)
{
	if (atomic_load_explicit(&call->cancelled, memory_order_relaxed))
		return true;
	return call->deadline != RMT_NEVER && rmt_now() >= call->deadline;
}

RMT_PUBLIC int ramet_call_time_left(const ramet_call *call)
{
	return rmt_poll_timeout(call->deadline, rmt_now());
}

RMT_PUBLIC void *ramet_call_alloc(ramet_call *call, size_t size)
{
	return rmt_type_memory_take(&call->memory, size ? size : 1);
}

RMT_PUBLIC void ramet_fail(ramet_call *call, int code, const char *format, ...)
{
	va_list arguments;

	if (call->failure.code)
		return;
	va_start(arguments, format);
	rmt_error_setv(&call->failure, code ? code : EIO, call->router->path, format, arguments);
	va_end(arguments);
}

RMT_PUBLIC void ramet_fail_error(ramet_call *call, ramet_error *error)
{
	if (!call->failure.code && error->code)
		rmt_error_set_at(&call->failure, error->code,
				 error->where && *error->where ? error->where : call->router->path,
				 "%s", error->message ? error->message : "out of memory");
	else if (!call->failure.code)
		rmt_error_set_at(&call->failure, EIO, call->router->path, "the call failed");
	ramet_error_clear(error);
}
