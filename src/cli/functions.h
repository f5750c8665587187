/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The functions that this program calls in its contexts. Each is in the file function-NAME.c; what
 * it takes and returns is declared here, for both sides.
 */
#pragma once

#include "ramet.h"

/* --- tree ------------------------------------------------------------------------------------- */

RAMET_ARRAY(context_list, context);
RAMET_STRUCT(description, (str, host), (str, machine), (str, user), (context_list, children));

RAMET_DECLARE(description, describe);

/* Says nothing: what it takes is the round trip. */
RAMET_DECLARE(none, do_nothing);

/* --- demo ------------------------------------------------------------------------------------- */

/* A part of a file: the words that begin at `begin` or behind it, and before `end`. */
RAMET_STRUCT(piece, (bytes, path), (i64, begin), (i64, end));
RAMET_ARRAY(pieces, piece);

RAMET_STRUCT(word_count, (bytes, word), (i64, count));
RAMET_ARRAY(word_counts, word_count);
RAMET_STRUCT(piece_failure, (i64, piece), (str, reason));
RAMET_ARRAY(piece_failures, piece_failure);
RAMET_STRUCT(count_result, (i64, bytes), (i64, words), (word_counts, counts),
	     (piece_failures, failures));

RAMET_DECLARE(count_result, count_words, (pieces, input));

/* The same, behind the gate. */
count_result rmt_count(ramet_call *call, pieces input);
