/* SPDX-License-Identifier: BSD-3-Clause */
/* One wait over many receivers: members announce themselves when they have something. */
#pragma once

#include "core/receiver.h"
#include "core/router.h"

/* The receiver has something, or is done. */
void rmt_select_announce(ramet_select *select, ramet_receiver *receiver);

/* It has nothing any more. */
void rmt_select_withdraw(ramet_select *select, ramet_receiver *receiver);

/* The receiver is being freed. */
void rmt_select_leave(ramet_select *select, ramet_receiver *receiver);
