#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The relay that other tests put in the way: what passes, what it counts, where it cuts.
# shellcheck disable=SC2016 # dollars are for other shells
. "$(dirname "$0")/tap.sh"

relay=$RAMET_BUILD/tests/relay
cd "$scratch" || exit 1
head -c 3000000 /dev/urandom >data

status=0
"$relay" --count-file counts --exec sh -c 'cat; exit 7' <data >out || status=$?
same "a command gets every byte, so do we, and its exit status" "7 $(cksum <data)" "$status $(cksum <out)"
same "... and both directions are counted" "3000000 3000000" "$(cut -d' ' -f1-2 counts)"
mkfifo there
"$relay" --count-file turns --exec sh -c 'for i in 1 2 3; do echo $i; read -r line; done' <there |
	while read -r line; do echo "$line"; done >there
same "round trips are counted" "6 6 3" "$(tail -n 1 turns)"
exec 4<>there
same "a command whose input goes on ends when it wants" "done" \
	"$("$relay" --exec echo done <&4)"
"$relay" --cut-down 77777 --exec cat <data >out
same "a cut is exact" "$(head -c 77777 data | cksum)" "$(cksum <out)"
status=0
"$relay" --exec sh -c 'kill -TERM $PPID; exec sleep 100' </dev/null || status=$?
same "a signal is passed on" 143 "$status"
begin=$(date +%s%N)
"$relay" --delay 50 --exec cat <data >out
same "what is delayed arrives, not before its time" "$(cksum <data) late" \
	"$(cksum <out) $([ $(($(date +%s%N) - begin)) -ge 100000000 ] && echo late)"

finish
