#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Every example is made by ramet-cc without a warning, and has the right to say so.
. "$(dirname "$0")/tap.sh"

found=0
for source in "$RAMET_SOURCE"/examples/*.c; do
	[ -e "$source" ] || continue
	found=1
	name=$(basename "$source" .c)
	try "$name is made by ramet-cc" "$RAMET_OUT/bin/ramet-cc" -Wall -Wextra -Werror -o "$scratch/$name" "$source"
done
[ "$found" -eq 1 ] || skip "examples" "there are none"

finish
