/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The public functions of services. They travel with programs that use them; what is behind them
 * does not, until it is needed: each opens the gate first, or has an object that was made behind it.
 */
#include "parent/gate.h"
