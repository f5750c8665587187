#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Connections through OpenSSH that break while they are made: in each phase, and anywhere.
# RIG_SEED chooses the places, RIG_CUTS how many they are.
# shellcheck disable=SC2016 # dollars are for other shells
. "$(dirname "$0")/rig-sshd.sh"

rig_users
rig_sshd 2201 "MaxStartups 100"
jobs=4
cuts=${RIG_CUTS:-200}
for ((i = 0; i < jobs; i++)); do
	rig_user "r_cut$i" /bin/sh
	printf '#!/bin/sh\necho $$ >%s\nexec ssh "$@"\n' "$rig/pid.$i" >"$rig/ssh.$i"
	chmod 755 "$rig/ssh.$i"
done

# relay OPTION...: one connection; leaves $port and $relay
relay()
{
	read -r port relay < <("$RAMET_BUILD/tests/relay" --background --once "$@" 0 2201)
}

# path INDEX
path()
{
	echo "ssh:r_cut$1@127.0.0.1:$port?compression=no&tool=$(escaped "$rig/ssh.$1")"
}

# --- what there is to cut ---------------------------------------------------------------------------------------------

touch /tmp/.ramet-control
try "a file that is left is seen" test -n "$(rig_files)"
rm /tmp/.ramet-control
setpriv --reuid=r_cut0 --regid=r_users --clear-groups sleep 100 &
# shellcheck disable=SC2317 # called by wait_for
has_processes()
{
	[ -n "$(rig_processes r_cut0)" ]
}
try "a process that is left is seen" wait_for has_processes
kill $!
rig_leaves "nothing is left before" r_cut0

relay --count-file "$rig/count" --turns "$rig/turns"
reaches "the relay does nothing by itself" "$(path 0)" r_cut0
wait_for test -s "$rig/count"
read -r up down _ <"$rig/count"
echo "# $up bytes up, $down bytes down"
try "the relay has seen an image" test "$up" -gt 30000
rig_leaves "... and nothing is left" r_cut0

# --- in each phase ----------------------------------------------------------------------------------------------------

# Where the image begins to go up; how much had come down then, and before the first stage said where it is.
read -r image_up image_down stage_down < <(awk '$1 - up > 30000 { print up, down, before } { before = down; up = $1; down = $2 }' \
	"$rig/turns")

# cut_in PHASES TEXT OPTION...: an error names one of the phases, and all that is to be known
cut_in()
{
	local phases=$1 text=$2 expected
	shift 2
	relay "$@"
	do_run run "$(path 0)" -- true
	expected="^ramet: ssh:r_cut0@127\.0\.0\.1:$port: ($phases): .*; after [0-9]+\.[0-9]{3} s the process "
	expected+="exited with status 255; its command was: $rig/ssh\.0 -o .* 127\.0\.0\.1"
	if [ "$status" -eq 255 ] && head -n 1 "$rig/stderr" | grep -qE "$expected"; then
		pass "$text"
	else
		fail "$text"
		echo "# exit status $status"
		rig_show "$rig/stderr"
	fi
	rig_leaves "... and nothing is left" r_cut0
}

cut_in shell "cut when the client logs in" --cut-up 2000
cut_in shell "cut in the middle of the command" --cut-up $((image_up - 500))
cut_in shell "cut when the first stage answers" --cut-down $((stage_down + 10))
cut_in transfer "cut when the image begins" --cut-up $((image_up + 10))
cut_in transfer "cut in the middle of the image" --cut-up $((image_up + 20000))
cut_in transfer "cut when it has arrived" --cut-down $((image_down + 10))
cut_in "transfer|exec|handshake" "cut when the program begins" --cut-down $((image_down + 80))
refused "a tool that is not there" "ssh:r_cut0@127.0.0.1?tool=%2Fno%2Fsuch%2Fssh" "launch: " "/no/such/ssh"

# --- anywhere ---------------------------------------------------------------------------------------------------------

# attempt INDEX KIND DIRECTION BYTES: prints what is wrong
attempt()
{
	local user=r_cut$1 status=0 options=("--cut-$3" "$4") port relay
	[ "$2" = cut ] || options+=(--kill "$rig/pid.$1")
	: >"$rig/pid.$1"
	relay "${options[@]}"
	timeout -k 1 25 "$RAMET_OUT/ramet" run "$(path "$1")" -- true >"$rig/stdout.$1" 2>"$rig/stderr.$1" </dev/null ||
		status=$?
	[ "$status" -eq 0 ] || [ "$status" -eq 255 ] || echo "$2 $3 at $4: exit status $status"
	wait_for rig_clean "$user" || printf '%s\n' "$2 $3 at $4 leaves:" "$(rig_processes "$user")" "$(rig_files)"
	! kill -0 "$(cat "$rig/pid.$1")" 2>/dev/null || echo "$2 $3 at $4: ssh is still there"
	kill "$relay" 2>/dev/null
	[ "$status" -eq 0 ] || echo "$2 $3" >>"$rig/failed"
	rm -f "/tmp/.ramet-"* "/var/tmp/.ramet-"* "/dev/shm/.ramet-"* "$rig/home/$user/.ramet-"*
}

# places KIND COUNT: "KIND DIRECTION BYTES" lines
places()
{
	local i direction most
	for ((i = 0; i < $2 / 2; i++)); do
		for direction in up down; do
			most=$up
			[ "$direction" = up ] || most=$down
			echo "$1 $direction $(((RANDOM * 32768 + RANDOM) % most))"
		done
	done
}

seed=${RIG_SEED:-$((SRANDOM % 100000))}
echo "# RIG_SEED=$seed"
RANDOM=$seed
{
	places cut $((cuts * 3 / 5))
	places kill $((cuts * 2 / 5))
} >"$rig/places"
: >"$rig/failed"
for ((i = 0; i < jobs; i++)); do
	while read -r kind direction bytes; do
		attempt "$i" "$kind" "$direction" "$bytes"
	done < <(awk -v i="$i" -v jobs="$jobs" 'NR % jobs == i' "$rig/places") >"$rig/wrong.$i" &
	workers[i]=$!
done
wait "${workers[@]}"
for kind in "cut up" "cut down" "kill up" "kill down"; do
	count=$(grep -c "^$kind" "$rig/places")
	same "$kind: nothing is left after any of $count places (seed $seed)" "" \
		"$(cat "$rig"/wrong.* | grep -A5 "^$kind")"
	# The last bytes are those of a connection that ends well.
	try "... most of which came before the end" test "$(grep -c "$kind" "$rig/failed")" -gt $((count * 3 / 4))
done

finish
