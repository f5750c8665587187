/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The public functions of commands. They travel with programs that use them; what is behind them does
 * not, until it is needed: each opens the gate first, or has an object that was made behind it.
 */
#include "parent/gate.h"
#include "service/job.h"

RMT_PUBLIC int ramet_command_start(ramet_context *context, const ramet_command_options *options,
				   ramet_process **ret_process, ramet_error *error)
{
	int r = rmt_gate_open(error);

	return r < 0 ? r : rmt_job_start(context, options, ret_process, error);
}

RMT_PUBLIC int ramet_command_run(ramet_context *context, const ramet_command_options *options,
				 ramet_bytes input, ramet_command_result *ret_result,
				 ramet_error *error)
{
	int r = rmt_gate_open(error);

	return r < 0 ? r : rmt_job_run(context, options, input, ret_result, error);
}

RMT_PUBLIC int ramet_process_pid(ramet_process *process)
{
	return rmt_job_pid(process);
}

RMT_PUBLIC ramet_sender *ramet_process_stdin(ramet_process *process)
{
	return rmt_job_stdin(process);
}

RMT_PUBLIC ramet_receiver *ramet_process_stdout(ramet_process *process)
{
	return rmt_job_stdout(process);
}

RMT_PUBLIC ramet_receiver *ramet_process_stderr(ramet_process *process)
{
	return rmt_job_stderr(process);
}

RMT_PUBLIC ramet_receiver *ramet_process_over(ramet_process *process)
{
	return rmt_job_over(process);
}

RMT_PUBLIC int ramet_process_signal(ramet_process *process, int signal)
{
	return rmt_job_signal(process, signal);
}

RMT_PUBLIC int ramet_process_resize(ramet_process *process, int rows, int columns)
{
	return rmt_job_resize(process, rows, columns);
}

RMT_PUBLIC void ramet_process_kill(ramet_process *process)
{
	rmt_job_kill(process);
}

RMT_PUBLIC int ramet_process_wait(ramet_process *process, int timeout,
				  ramet_process_result *ret_result, ramet_error *error)
{
	return rmt_job_wait(process, timeout, ret_result, error);
}

RMT_PUBLIC ramet_process *ramet_process_ref(ramet_process *process)
{
	return rmt_job_ref(process);
}

RMT_PUBLIC void ramet_process_unref(ramet_process *process)
{
	if (process)
		rmt_job_unref(process);
}

RMT_PUBLIC void ramet_command_result_clear(ramet_command_result *result)
{
	ramet_free(result->output.data);
	ramet_free(result->errors.data);
	*result = (ramet_command_result){.truncated = false};
}
