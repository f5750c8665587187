/* SPDX-License-Identifier: BSD-3-Clause */
/* The public functions of statistics: they travel, what is behind them does not. */
#include "parent/gate.h"
#include "service/statistics.h"

RMT_PUBLIC int ramet_context_statistics(ramet_context *context, ramet_statistics *statistics,
					ramet_error *error)
{
	int r = rmt_gate_open(error);

	return r < 0 ? r : rmt_context_statistics(context, statistics, error);
}

RMT_PUBLIC const ramet_link_statistics *ramet_statistics_link(const ramet_statistics *statistics,
							      size_t index)
{
	return statistics->links ? rmt_statistics_link(statistics, index) : NULL;
}

RMT_PUBLIC void ramet_statistics_clear(ramet_statistics *statistics)
{
	if (statistics->links)
		rmt_statistics_clear(statistics);
}

RMT_PUBLIC int ramet_context_ping(ramet_context *context, int timeout, int64_t *ret_us,
				  ramet_error *error)
{
	int r = rmt_gate_open(error);

	return r < 0 ? r : rmt_context_ping(context, timeout, ret_us, error);
}
