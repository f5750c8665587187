/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stddef.h>

#define RMT_PUBLIC __attribute__((visibility("default")))
#define RMT_COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define RMT_CONTAINER(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))
#define RMT_MIN(a, b) ((a) < (b) ? (a) : (b))
#define RMT_MAX(a, b) ((a) > (b) ? (a) : (b))
#define RMT_PRINTF(text, first) __attribute__((format(printf, text, first)))
