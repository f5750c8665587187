#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The public headers by themselves: in every language that they promise, with every warning, included twice.
. "$(dirname "$0")/tap.sh"

warnings=(-Wall -Wextra -Wpedantic -Wshadow -Wundef -Werror -fsyntax-only "-I$RAMET_OUT/include")

for compiler in gcc:g++ clang:clang++; do
	for standard in c99 c11 gnu17 c++11 c++20; do
		case $standard in
		*++*) command=${compiler#*:} language=c++ ;;
		*) command=${compiler%:*} language=c ;;
		esac
		if ! command -v "$command" >/dev/null; then
			skip "$command $standard" "no $command"
			continue
		fi
		printf '#include <ramet.h>\n#include <ramet.h>\n' >"$scratch/ramet.h.c"
		try "ramet.h: $command -std=$standard" "$command" -x "$language" "-std=$standard" \
			"${warnings[@]}" "$scratch/ramet.h.c"
	done
done

finish
