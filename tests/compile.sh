#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# RAMET_FUNCTION and its relatives, as compilers and linkers see them. In tests/compile/
#
#   good-*.c   compile without a warning in every language that the header promises
#   table-*.c  are linked in all the ways that could lose or pad the table of functions
#   *.c        has a mistake on a line marked ERROR HERE: the compiler must refuse it there, and say no more than 8
#              lines; "LINES gcc 11 clang 13" in the file makes that another number, and the file says why
#
# RAMET_INCLUDE is where the header is, include/ by default.
. "$(dirname "$0")/tap.sh"

: "${RAMET_INCLUDE:=$RAMET_SOURCE/include}"
programs=$RAMET_SOURCE/tests/compile
export LC_ALL=C
unset GCC_COLORS GCC_EXTRA_DIAGNOSTIC_OUTPUT

# limit FILE COMPILER: how many lines the compiler may print
limit()
{
	local lines
	lines=$(sed -n "s/^ \* LINES .*\<$2 \([0-9]*\).*/\1/p" "$1")
	echo "${lines:-8}"
}

# refused COMPILER FILE
refused()
{
	local name=${2##*/} most lines line reason=
	most=$(limit "$2" "$1")
	if "$1" -Wall -Wextra "-I$RAMET_INCLUDE" -c "$2" -o /dev/null 2>"$scratch/said" </dev/null; then
		reason="it compiles"
	else
		lines=$(wc -l <"$scratch/said")
		line=$(sed -n "s/^[^ ]*$name:\([0-9]*\):[0-9]*: \(fatal \)*error: .*/\1/p" "$scratch/said" | head -n 1)
		if [ -z "$line" ]; then
			reason="no error with a line"
		elif ! sed -n "${line}p" "$2" | grep -q 'ERROR HERE'; then
			reason="the first error is in line $line"
		elif [ "$lines" -gt "$most" ]; then
			reason="$lines lines, at most $most"
		fi
	fi
	if [ -z "$reason" ]; then
		pass "$1 ${name%.c}: $lines lines"
	else
		fail "$1 ${name%.c}: $reason"
		sed 's/^/# /' "$scratch/said"
	fi
}

for compiler in gcc clang; do
	if ! command -v $compiler >/dev/null; then
		skip "$compiler refuses mistakes" "no $compiler"
		continue
	fi
	for file in "$programs"/*.c; do
		case ${file##*/} in good-* | table-*) ;; *) refused $compiler "$file" ;; esac
	done
done

echo '#include "ramet.h"' >"$scratch/header.c"
for compiler in gcc clang g++ clang++ musl-gcc; do
	if ! command -v $compiler >/dev/null; then
		skip "$compiler takes good programs" "no $compiler"
		continue
	fi
	case $compiler in
	*++) language=c++ standards='c++11 c++17 c++20' ;;
	*) language=c standards='c99 c11 c17 gnu17' ;;
	esac
	for standard in $standards; do
		for file in "$scratch"/header.c "$programs"/good-*.c; do
			try "$compiler -std=$standard ${file##*/}" "$compiler" -x $language "-std=$standard" -O1 \
				-Wall -Wextra -Wpedantic -Wundef -Werror "-I$RAMET_INCLUDE" -c "$file" \
				-o /dev/null
		done
	done
done

# tabled COMPILER OPTION...: links with a table of five functions, and without any
tabled()
{
	local sources=("$programs"/table-{functions,more,library}.c)
	local expected='34 b
i64 add 0 i64:a@0 i64:b@8
i64 first 1 str:text@0 i64:n@8
i64 length 0 str:text@0
none nothing 0
str same 0 str:text@0'
	rm -f "$scratch/full" "$scratch/empty"
	try "$*: links" "$@" "-I$RAMET_INCLUDE" "${sources[@]}" -o "$scratch/full"
	same "$*: five functions" "$expected" "$("$scratch/full" 2>&1 | sort)"
	try "$*: links without a function" "$@" "-I$RAMET_INCLUDE" "$programs"/table-{empty,library}.c \
		-o "$scratch/empty"
	same "$*: no function" "0:" "$(output=$("$scratch/empty" 2>&1); echo "$?:$output")"
}

collect='-ffunction-sections -fdata-sections -Wl,--gc-sections'
for compiler in gcc clang; do
	command -v $compiler >/dev/null || continue
	for options in -O0 '-O2 -flto' "-O2 $collect" "-O2 -static $collect" '-O1 -no-pie' -static-pie \
		-fsanitize=address '-O2 -fsanitize=address,undefined' "$collect -Wl,-z,start-stop-gc"; do
		# shellcheck disable=SC2086
		tabled $compiler $options
	done
done
if command -v ld.lld >/dev/null && command -v clang >/dev/null; then
	# shellcheck disable=SC2086
	tabled clang -fuse-ld=lld $collect
fi
if command -v musl-gcc >/dev/null; then
	for options in -O0 "-Os -static $collect" '-O2 -static-pie'; do
		# shellcheck disable=SC2086
		tabled musl-gcc $options
	done
fi

finish
