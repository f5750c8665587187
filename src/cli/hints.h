/* SPDX-License-Identifier: BSD-3-Clause */
/* What a person can do about a connection that failed. */
#pragma once

/* `hop` is the text of the hop that failed, `message` names the phase, `code` is the negative errno. NULL: nothing that the message does not say itself. */
const char *rmt_hint(const char *hop, const char *message, int code);
