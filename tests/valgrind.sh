#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Examples under valgrind, with the contexts that they start: no access out of bounds, nothing lost. These are the
# native builds, whose malloc valgrind knows.
. "$(dirname "$0")/tap.sh"

children=yes

# example LIMIT NAME ARGUMENT...: the limit is in seconds
example()
{
	local limit=$1 name=$2 program=$RAMET_BUILD/examples/$2
	shift 2
	if [ ! -x "$program" ]; then
		skip "$name $*" "the example is not there"
		return
	fi
	try "$name $*" timeout "$limit" valgrind --quiet --error-exitcode=99 --trace-children=$children \
		--leak-check=full --errors-for-leak-kinds=definite "$program" "$@"
}

if ! command -v valgrind >/dev/null; then
	skip "examples under valgrind" "no valgrind"
	finish
fi
example 60 lines local /etc/passwd
example 60 shapes local
example 60 family
# A shell on the way, and what it runs, are not ours to judge.
children=no
example 60 lines exec:env /etc/passwd
children=yes
example 60 fleet "local*3,fork" 0.1
finish
