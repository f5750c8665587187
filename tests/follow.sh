# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2154 # same, pass and fail are those of tap.sh
#
# What tests of examples/tail.c do with it: read behind tap.sh.

# follow_begin PROGRAM PATH FILE COUNT: starts it, and waits until the file is followed; its pid is in $follow_pid
follow_begin()
{
	local deadline=$((SECONDS + 30))
	: >"$3"
	chmod 644 "$3"
	"$@" >"$3.out" 2>"$3.err" </dev/null &
	follow_pid=$!
	until find /proc/[0-9]*/fd -lname "$3" 2>/dev/null | grep -q .; do
		kill -0 "$follow_pid" 2>/dev/null || return 1
		[ "$SECONDS" -lt "$deadline" ] || return 1
	done
}

# follow_left FILE: waits until nobody has it open any more
follow_left()
{
	local deadline=$((SECONDS + 30))
	while find /proc/[0-9]*/fd -lname "$1" 2>/dev/null | grep -q .; do
		[ "$SECONDS" -lt "$deadline" ] || return 1
	done
}

# follows TEXT PROGRAM PATH FILE: what is written while it follows is printed, and it ends well
follows()
{
	local text=$1 i status=0
	shift
	if ! follow_begin "$@" 5; then
		fail "$text"
		sed 's/^/# /' "$3.err"
		return
	fi
	for i in 1 2 3 4 5 6 7; do
		echo "line $i" >>"$3"
	done
	wait "$follow_pid" || status=$?
	same "$text" "0 line 1,line 2,line 3,line 4,line 5,follow ended: ok" "$status $(paste -sd, "$3.out" "$3.err" | sed 's/,$//')"
	if follow_left "$3"; then
		pass "... and leaves nothing that follows"
	else
		fail "... and leaves nothing that follows"
	fi
}

# follow_killed TEXT PROGRAM PATH FILE: the reader is killed; whoever follows for it ends
follow_killed()
{
	local text=$1
	shift
	follow_begin "$@" 5 || fail "$text: it does not begin"
	echo "one line" >>"$3"
	kill -KILL "$follow_pid"
	wait "$follow_pid" 2>/dev/null
	if follow_left "$3"; then
		pass "$text"
	else
		fail "$text"
	fi
}
