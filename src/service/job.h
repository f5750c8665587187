/* SPDX-License-Identifier: BSD-3-Clause */
/* The other side of the public functions of ramet-exec.h: commands as those see them who started them. */
#pragma once

#include "ramet.h"

int rmt_job_start(ramet_context *context, const ramet_command_options *options,
		  ramet_process **ret_process, ramet_error *error);
int rmt_job_run(ramet_context *context, const ramet_command_options *options, ramet_bytes input,
		ramet_command_result *ret_result, ramet_error *error);
int rmt_job_pid(ramet_process *process);
ramet_sender *rmt_job_stdin(ramet_process *process);
ramet_receiver *rmt_job_stdout(ramet_process *process);
ramet_receiver *rmt_job_stderr(ramet_process *process);
ramet_receiver *rmt_job_over(ramet_process *process);

/* An order of service/exec.h with two numbers. */
int rmt_job_signal(ramet_process *process, int signal);
int rmt_job_resize(ramet_process *process, int rows, int columns);
void rmt_job_kill(ramet_process *process);
int rmt_job_wait(ramet_process *process, int timeout, ramet_process_result *ret_result,
		 ramet_error *error);
ramet_process *rmt_job_ref(ramet_process *process);
void rmt_job_unref(ramet_process *process);
