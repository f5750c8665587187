/* SPDX-License-Identifier: BSD-3-Clause */
/* Output that is read by the loop and cut into lines: what a process prints. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/loop.h"
#include "core/router.h"

struct rmt_capture {
	ramet_router *router;
	struct rmt_source source; /* fd -1: closed */
	/* One line, without its newline. A longer one than RMT_CAPTURE_LINE_MAX comes in parts. */
	void (*line)(struct rmt_capture *capture, const char *text, size_t size);
	/* Bytes as they come, before they are cut; NULL. */
	void (*bytes)(struct rmt_capture *capture, const char *data, size_t size);
	/* Something was read, or the end was met (fd is -1 then); NULL. */
	void (*changed)(struct rmt_capture *capture);
	/* Its lines are records that are not dropped: it is not read while the log is full (log.h). */
	bool patient;
	bool waits; /* so it is not in the loop, but in router->logging.paused */
	struct rmt_list paused;
	bool reading; /* its callbacks are being called */
	bool hushed;
	size_t used;
	char *text; /* the beginning of a line */
};

/* Sets fd non-blocking and reads it from now on; router and line are set by the caller. On success it
 * owns fd, which is one of ours (base/descriptor.h). */
int rmt_capture_open(struct rmt_capture *capture, int fd);

/* The log has room again. */
void rmt_capture_resume(struct rmt_capture *capture);

/* Reads what is there now, whether the log is full or not. From its own callbacks: nothing, as it was just read. */
void rmt_capture_drain(struct rmt_capture *capture);

/* Reads what is there now, a pipe full at most; from then on nobody is told what comes. */
void rmt_capture_hush(struct rmt_capture *capture);

/* A beginning of a line counts as one; then it closes. Fine for a closed one. */
void rmt_capture_close(struct rmt_capture *capture);

/* Closes without a word to anybody. Fine from its own callbacks: lines that were read already follow. */
void rmt_capture_done(struct rmt_capture *capture);
