/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stddef.h>

#define RMT_PUBLIC __attribute__((visibility("default")))
#define RMT_COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define RMT_CONTAINER(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))
#define RMT_MIN(a, b) ((a) < (b) ? (a) : (b))
#define RMT_MAX(a, b) ((a) > (b) ? (a) : (b))
/* vfork(2), unless a sanitizer's own state would be shared with the child. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define RMT_VFORK() fork()
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define RMT_VFORK() fork()
#endif
#endif
#ifndef RMT_VFORK
#define RMT_VFORK() vfork()
#endif

#define RMT_PRINTF(text, first) __attribute__((format(printf, text, first)))
