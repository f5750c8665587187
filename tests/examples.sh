#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Every example is made by ramet-cc without a warning, and does what its head says.
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/follow.sh
. "$(dirname "$0")/follow.sh"

for source in "$RAMET_SOURCE"/examples/*.c; do
	name=$(basename "$source" .c)
	try "$name is made by ramet-cc" "$RAMET_OUT/bin/ramet-cc" -Wall -Wextra -Werror -o "$scratch/$name" "$source"
done

# run EXPECTED-STATUS COMMAND...: leaves what it printed in $out and $err.
run()
{
	local expected=$1 status=0
	shift
	"$@" >"$scratch/.out" 2>"$scratch/.err" </dev/null || status=$?
	out=$(cat "$scratch/.out") err=$(cat "$scratch/.err")
	[ "$status" -eq "$expected" ] || err="exit status $status; $err"
}

printf 'one\ntwo\nthree\n' >"$scratch/three lines"
: >"$scratch/empty"
for path in local fork local/local fork/local/fork 'local?nice=1/fork#2'; do
	run 0 "$scratch/lines" "$path" "$scratch/three lines" "$scratch/empty"
	same "lines over $path counts" "$(printf '3 %s\n0 %s' "$scratch/three lines" "$scratch/empty")" "$out$err"
done
run 1 "$scratch/lines" local/fork "$scratch/absent" "$scratch/empty"
same "lines of an absent file names the context and the reason" \
	"lines: local/fork: cannot open $scratch/absent" "$err"
same "lines goes on behind an absent file" "0 $scratch/empty" "$out"
run 1 "$scratch/lines" 'local/nosuch' "$scratch/empty"
same "lines over an unknown method counts nothing" "" "$out"
try "lines over an unknown method names it" grep -q nosuch "$scratch/.err"

# The number of contexts, and the process id of one twice.
for shape in '2 3 13' '1 1 2' '0 5 1' '3 2 15' '5 1 6'; do
	# shellcheck disable=SC2086
	set -- $shape
	run 0 "$scratch/family" "$1" "$2"
	same "family $1 $2 has $3 contexts" "$3 contexts" "$(head -n 1 "$scratch/.out")$err"
	expected=local
	for ((i = 0; i < $1; i++)); do
		expected=$expected/local
	done
	read -r path own told < <(tail -n 1 "$scratch/.out")
	same "family $1 $2 shows the path of the deepest" "$expected" "$path"
	same "family $1 $2 shows the same process id twice" "$own" "$told"
done

for path in local fork local/fork; do
	run 0 "$scratch/shapes" "$path"
	same "shapes over $path" "$(printf 'box: 2.0 1.0\nrefused: nothing has no corners')" "$out$err"
done

# How many answer in time depends on the machine; whoever does not is cancelled, and says so.
for paths in 'local*5' 'fork*2,local*2/fork'; do
	run 0 "$scratch/fleet" "$paths" 0.4
	same "fleet over $paths cancels what is late" "" "$err"
	try "fleet over $paths tells how many answered" grep -Eqx '[1-9] of [45] answered' "$scratch/.out"
done
run 1 "$scratch/fleet" 'local*2,nosuch' 0.1
try "fleet with a path that fails says why" grep -q nosuch "$scratch/.err"

for path in local fork local/local fork/local/fork; do
	follows "tail over $path follows a file" "$scratch/tail" "$path" "$scratch/followed"
	follow_killed "tail over $path, killed, leaves nobody" "$scratch/tail" "$path" "$scratch/followed"
done
run 1 "$scratch/tail" local/fork "$scratch/absent" 3
same "tail of an absent file says so" "follow ended: cannot open $scratch/absent" "$out"

for mode in create start; do
	run 0 "$scratch/loops" "$mode" 10
	same "loops $mode adds squares from ten processes" 285 "$out$err"
done
run 0 "$scratch/loops" exchange 10
try "loops exchange has all of them, and at most three at once" grep -Eqx '285 10485760 [1-3]' "$scratch/.out"

for paths in 'fork*2' 'local*2' 'local*2/local*2' 'fork,local/fork'; do
	run 0 "$scratch/primes" "$paths" 300000
	same "primes over $paths" "25997 primes below 300000" "$out$err"
done
run 1 "$scratch/primes" 'local*2,nosuch' 1000
try "primes over a path that fails says why" grep -q nosuch "$scratch/.err"

head -c 300000 /dev/urandom >"$scratch/random"
for path in local fork local/fork; do
	run 3 "$scratch/remote" "$path" sh -c 'echo out; echo err >&2; exit 3'
	same "remote over $path shows both outputs, and the exit status" "out err" "$out $err"
	run 0 "$scratch/remote" "$path" cat "$scratch/random"
	try "remote over $path shows all of the output" cmp "$scratch/random" "$scratch/.out"
done
run 137 "$scratch/remote" local sh -c 'kill -9 $$'
same "remote tells of a command that is killed" "remote: killed by SIGKILL" "$err"
run 255 "$scratch/remote" local "$scratch/absent"
try "remote tells why a command cannot be started" grep -q "$scratch/absent.*No such file" "$scratch/.err"

run 0 "$scratch/send" "$scratch/random" 'local,local/fork' "$scratch/sent"
same "send tells the same hash of all" 1 "$(cut -d' ' -f1 "$scratch/.out" | sort -u | wc -l)"
same "send tells of each" "$(printf 'local\nlocal/fork')" "$(sed 's/.* //' "$scratch/.out")$err"
try "send has sent the file" cmp "$scratch/random" "$scratch/sent"
run 1 "$scratch/send" "$scratch/absent" local "$scratch/sent"
same "send of an absent file says so" "send: $scratch/absent: No such file or directory" "$err"
try "... and leaves what was there" cmp "$scratch/random" "$scratch/sent"
run 1 "$scratch/send" "$scratch/random" 'local,fork' "$scratch/absent/sent"
same "send tells which contexts got nothing" "send: local: send: fork:" \
	"$(sed -E 's/^(send: [a-z]+:).*/\1/' "$scratch/.err" | paste -sd' ')"

# What a killed one has started may need a moment.
deadline=$((SECONDS + 30))
while readlink /proc/[0-9]*/exe | grep -qF "$scratch/" && [ "$SECONDS" -lt "$deadline" ]; do
	:
done
same "nothing that was started lives on" "" "$(readlink /proc/[0-9]*/exe | grep -F "$scratch/" || true)"

finish
