/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Many calls of one function in one message, executed one after the other:
 *
 *	[name, count, timeout ms or 0, name of a function that combines or null, [[arguments]...]]
 *
 * and their results in one: [nanoseconds, [result...]]. Fewer results than sets of arguments: the
 * others were not executed, since the time was over or the message full. The time begins when the
 * batch does.
 */
#pragma once

#include "core/execute.h"

#define RMT_BATCH_ITEMS 5

/* Bytes of results behind which no further set of arguments is begun: what is a window anyway. */
#define RMT_BATCH_RESULTS_MAX RMT_FLOW_WINDOW

/* What stands between the name and the arguments. 0 or -EBADMSG. */
int rmt_batch_parse(ramet_call *call, struct rmt_cbor_reader *reader);

/* Whether its functions belong together. */
bool rmt_batch_fits(const ramet_call *call);

/* Executes it, without the lock; the reader stands before the arguments. The answer is in
 * executor->out, unless the call has a failure. */
void rmt_batch_invoke(ramet_call *call, struct rmt_executor *executor,
		      struct rmt_cbor_reader *reader);

/* The types of the function that combines results of that type. */
bool rmt_batch_combines(const struct ramet_function *combine, const struct ramet_type *result);
