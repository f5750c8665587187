#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# ramet listen and the method unix: who may join, and what remains.
# shellcheck disable=SC2016 # dollars are for the shells that ramet runs
. "$(dirname "$0")/tap.sh"

ramet=$RAMET_OUT/ramet
cd "$scratch" || exit 1
chmod 755 "$scratch"
export LC_ALL=C
unset RAMET_LOG_LEVEL

# escaped PATH: as a target
escaped()
{
	echo "${1//\//%2F}"
}

# listen SOCKET [COMMAND...]: a listener that is there, perhaps run by a command; its process is $listener
listen()
{
	local socket=$1
	shift
	"$@" "$ramet" listen "$socket" >listener.out 2>&1 </dev/null &
	listener=$!
	# It is there once a connection is taken.
	local try
	for ((try = 0; try < 500; try++)); do
		timeout 60 "$ramet" run "unix:$(escaped "$socket")" -- true >/dev/null 2>&1 </dev/null && return
		kill -0 "$listener" 2>/dev/null || break
	done
	sed 's/^/# /' listener.out
	return 1
}

# stop SIGNAL: leaves $status
stop()
{
	kill -s "$1" "$listener"
	status=0
	wait "$listener" 2>/dev/null || status=$?
}

try "a listener starts" listen "$scratch/socket"
same "its socket is its user's alone" 700 "$(stat -c %a socket)"
target=unix:$(escaped "$scratch/socket")

same "a context is joined, which the listener has started" "in $listener" \
	"$(timeout 60 "$ramet" run "$target?name=x" -- sh -c "$find_context"'read -r _ _ _ parent _ </proc/$context/stat; echo in $parent' \
		2>&1 </dev/null | sed 's/^x: //')"
same "each connection has a process of its own" 3 \
	"$(timeout 60 "$ramet" run "$target*3" -- sh -c "$find_context"'echo $context' 2>&1 </dev/null | sed 's/.*: //' | sort -u | wc -l)"
same "a joined context has children" "x/local: hi" \
	"$(timeout 60 "$ramet" run "$target?name=x/local" -- echo hi 2>&1 </dev/null)"
same "keys are applied in it" "x: /" \
	"$(timeout 60 "$ramet" run "$target?name=x&cwd=%2F" -- pwd 2>&1 </dev/null)"

status=0
timeout 60 "$ramet" listen "$scratch/socket" >second.out 2>&1 </dev/null || status=$?
same "a second listener at the same socket exits with 1" 1 "$status"
try "... and says why" grep -q 'socket: Address .*in use' second.out

# A context outlives its listener: the command in it waits for a word that comes afterwards.
mkfifo word ready
timeout 60 "$ramet" run "$target?name=x" -- sh -c 'echo ready >ready; read -r word <word; echo "$word"' \
	>late 2>&1 </dev/null &
late=$!
timeout 60 cat ready >/dev/null
stop TERM
same "SIGTERM ends a listener with 0" 0 "$status"
try "... and its socket is gone" test ! -e socket
echo late >word
wait "$late"
same "a joined context outlives its listener" "x: late" "$(cat late)"

status=0
timeout 60 "$ramet" run "$target" -- true >out 2>&1 </dev/null || status=$?
same "nobody listens: 255" 255 "$status"
try "... and the message names the socket" grep -qF "$scratch/socket: No such file" out

try "another listener starts" listen "$scratch/socket"
stop KILL
try "killed, it leaves its socket" test -S socket
status=0
timeout 60 "$ramet" run "$target" -- true >out 2>&1 </dev/null || status=$?
same "a stale socket: 255" 255 "$status"
try "... and the message says why" grep -qF "Connection refused" out
try "a stale socket is replaced" listen "$scratch/socket"
stop INT
same "SIGINT ends a listener with 0" 0 "$status"

echo text >file
status=0
timeout 60 "$ramet" listen "$scratch/file" >out 2>&1 </dev/null || status=$?
same "a file that is no socket is refused" "1 text" "$status $(cat file)"

if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
	mkdir -m 777 open
	as=(setpriv --reuid 65534 --regid 65534 --clear-groups)
	cp "$ramet" ramet
	chmod 755 ramet
	"${as[@]}" ./ramet listen "$scratch/open/socket" >listener.out 2>&1 </dev/null &
	listener=$!
	for ((i = 0; i < 500; i++)); do
		"${as[@]}" ./ramet run "unix:$(escaped "$scratch/open/socket")" -- true >/dev/null 2>&1 && break
	done
	status=0
	timeout 60 ./ramet run "unix:$(escaped "$scratch/open/socket")" -- true >out 2>&1 </dev/null || status=$?
	same "root does not join what belongs to another user" 255 "$status"
	try "... and says so" grep -q 'belongs to another user' out
	stop TERM
	try "a listener of root starts" listen "$scratch/open/rooted"
	chmod 666 open/rooted
	same "another user does not get into root's, whatever the mode" 255 \
		"$(timeout 60 "${as[@]}" ./ramet run "unix:$(escaped "$scratch/open/rooted")" -- id >out 2>&1 </dev/null
			echo $?)"
	try "... and no command has run" sh -c '! grep -q uid= out'
	stop TERM
else
	skip "root does not join what belongs to another user" "needs root and setpriv"
fi

finish
