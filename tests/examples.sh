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

for way in create start; do
	run 0 "$scratch/rounds" "$way"
	same "rounds $way has 101 round trips" "$(seq 0 99; echo Done)" "$out$err"
	run 0 "$scratch/rounds" "$way" 0
	same "rounds $way has one" Done "$out$err"
done
run 0 "$scratch/rounds" answer
same "rounds answer has 20" "$(for ((i = 20; i > 0; i--)); do echo "$i -> $((i - 1))"; done)" "$out$err"
for wrong in '' 'sing' 'create x' 'start -1' 'answer 1 2'; do
	# shellcheck disable=SC2086
	run 2 "$scratch/rounds" $wrong
	same "rounds${wrong:+ $wrong} is refused" "usage: rounds create|start|answer [COUNT]" "$out$err"
done

table=$(for ((i = 1; i <= 6; i++)); do seq -s "$(printf '\t')" "$i" "$i" $((6 * i)); done)
for way in sequence create create-map create-queue start start-queue managed managed-queue managed-map \
	reusable pmap pmap-iter continuous 'pool -p fork*2' 'pool -p local*2/local*2'; do
	# shellcheck disable=SC2086
	run 0 "$scratch/ways" -n 6 -d 1 -j 3 $way
	same "ways $way makes the table" "$table" "$out$err"
done
run 0 "$scratch/ways" -n 1 -d 0 -j 1 create-map
same "ways with one product" 1 "$out$err"
run 0 "$scratch/ways" -n 6 -d 0 mutation
same "ways mutation: each process has a table of its own" \
	"$(printf 'set in 36 copies of the table: 36\nset in the table: 0')" "$out$err"
run 0 "$scratch/ways" -n 2 -d 0 -t pmap
try "ways tells how long it took" grep -Eqx 'ways: pmap: [0-9]+\.[0-9]{3} s' "$scratch/.err"
run 1 "$scratch/ways" -p local/nosuch pool
try "ways over an unknown method names it" grep -q nosuch "$scratch/.err"
for wrong in '' 'sing' '-n 0 pmap' '-j 0 pmap' '-d x pmap' 'pmap start' 'pmap --start' 'background'; do
	# shellcheck disable=SC2086
	run 2 "$scratch/ways" $wrong
	same "ways${wrong:+ $wrong} is refused" "usage: ways" "$out$(head -c 11 "$scratch/.err")"
done

for way in persistent persistent-queue background; do
	run 0 "$scratch/ways" -n 6 -d 1 -j 3 -a "$scratch/$way" "$way" --start
	same "ways $way begins in the background" "" "$out$err"
	run 1 "$scratch/ways" -n 6 -d 1 -j 3 -a "$scratch/$way" "$way" --start
	try "... and not twice" grep -q "ways: $way: .*$way" "$scratch/.err"
	run 0 "$scratch/ways" -n 6 -a "$scratch/$way" "$way" --reconnect
	same "... and is collected by another run" "$table" "$out$err"
	run 1 "$scratch/ways" -n 6 -a "$scratch/$way" "$way" --reconnect
	try "... once" grep -q "ways: $way: .*$way" "$scratch/.err"
done

# picture OPTION...: a small one
picture()
{
	run 0 "$scratch/rays" -s 75x41 -a 1 "$@"
}
picture -j 0
cp "$scratch/.out" "$scratch/picture.ppm"
same "rays: the head of a picture" "P6 75 41 255" "$(head -n 3 "$scratch/picture.ppm" | paste -sd' ')$err"
same "rays: its size" $((13 + 75 * 41 * 3)) "$(stat -c %s "$scratch/picture.ppm")"
try "rays: it has many colours" \
	[ "$(tail -c +14 "$scratch/picture.ppm" | od -An -v -tx1 -w3 | sort -u | wc -l)" -gt 500 ]
for who in '' '-j 1' '-j 3 -b 1' '-j 2 -b 1000' '-p fork*2' '-p local*2' '-p local*2/local*2 -b 3'; do
	# shellcheck disable=SC2086
	picture $who
	try "rays ${who:-for each processor} draws the same" cmp "$scratch/picture.ppm" "$scratch/.out"
done
picture -o "$scratch/drawn.ppm"
try "rays writes into a file" cmp "$scratch/picture.ppm" "$scratch/drawn.ppm"
for who in '-j 0' '-j 2' '-p fork*2'; do
	# shellcheck disable=SC2086
	run 1 "$scratch/rays" -a 1 $who -o /dev/full
	same "rays $who: a full disk is told of" "rays: /dev/full: No space left on device" "$err"
done
run 1 "$scratch/rays" -o "$scratch/absent/picture"
same "rays tells where it cannot write" "rays: $scratch/absent/picture: No such file or directory" "$err"
run 1 "$scratch/rays" -p local/nosuch -o "$scratch/drawn.ppm"
try "rays over an unknown method names it" grep -q nosuch "$scratch/.err"
for wrong in '-s 10' '-s 10x' '-s 0x1' '-a 0' '-r -1' '-b x' '-j -1' '-j 1 -p local' 'scene'; do
	# shellcheck disable=SC2086
	run 2 "$scratch/rays" $wrong
	same "rays $wrong is refused" "usage: rays" "$out$(head -c 11 "$scratch/.err")"
done

# bottles_begin OPTION...: starts it in the background, of two files, and waits until it has come to their ends
bottles_begin()
{
	local deadline=$((SECONDS + 30))
	mkdir -p "$scratch/beer"
	echo '99 bottles' >"$scratch/beer/one"
	echo '98 bottles' >"$scratch/beer/two"
	(cd "$scratch/beer" && exec "$scratch/bottles" "$@" one two) \
		>"$scratch/beer/out" 2>"$scratch/beer/err" </dev/null &
	bottles_pid=$!
	until followed one && followed two; do
		[ "$SECONDS" -lt "$deadline" ] || break
	done
}
followed()
{
	find /proc/[0-9]*/fd -lname "$scratch/beer/$1" 2>/dev/null | sed 's,/fd/,/fdinfo/,' |
		xargs -r grep -sx "pos:[[:space:]]*$(stat -c %s "$scratch/beer/$1")" | grep -q .
}
# appears FILE TEXT: waits until it is there
# shellcheck disable=SC2317 # called by try
appears()
{
	local deadline=$((SECONDS + 30))
	until grep -qsF -- "$2" "$scratch/beer/$1"; do
		[ "$SECONDS" -lt "$deadline" ] || return 1
	done
}
# bottles_end: waits for its end, and kills it when that does not come
bottles_end()
{
	local deadline=$((SECONDS + 30))
	status=0
	until grep -qs '^State:.Z' "/proc/$bottles_pid/status" || [ ! -e "/proc/$bottles_pid" ]; do
		[ "$SECONDS" -lt "$deadline" ] || kill -KILL "$bottles_pid"
	done
	wait "$bottles_pid" || status=$?
}

bottles_begin -0 -b 0.05
try "bottles shows what is there, with -0" appears out 'one: 99 bottles'
try "... of both files" appears out 'two: 98 bottles'
try "... and that it is alive while nothing comes" appears err 'bottles: nothing for 0.1 s; files followed: 2'
printf '97 bot' >>"$scratch/beer/one"
echo 'water' >>"$scratch/beer/two"
try "bottles shows what is new" appears out 'two: water'
echo 'tles' >>"$scratch/beer/one"
try "... when its line is complete" appears out 'one: 97 bottles'
: >"$scratch/beer/two"
same "... and not before" "" "$(grep -x 'one: 97 bot' "$scratch/beer/out")"
try "a file that is followed is emptied" test ! -s "$scratch/beer/two"
echo '9' >>"$scratch/beer/two"
try "bottles goes on where a file begins anew" appears out 'two: 9'
printf 'end' >>"$scratch/beer/one"
mv "$scratch/beer/one" "$scratch/beer/moved"
try "the last line of a file that is renamed may have no end" appears out 'one: end'
rm "$scratch/beer/two"
bottles_end
same "bottles ends with its last file" 0 "$status"
same "... and has shown each line once" \
	"one: 97 bottles,one: 99 bottles,one: end,two: 9,two: 98 bottles,two: water" \
	"$(LC_ALL=C sort "$scratch/beer/out" | paste -sd,)"

bottles_begin -b 0 -e '^[0-9]+ bottles?$' -n 2
printf 'no bottles\n2 bottles\n' >>"$scratch/beer/one"
try "bottles shows lines that match" appears out 'one: 2 bottles'
echo '1 bottle' >>"$scratch/beer/two"
bottles_end
same "bottles ends after so many lines" "0 one: 2 bottles,two: 1 bottle" \
	"$status $(paste -sd, "$scratch/beer/out" "$scratch/beer/err" | sed 's/,$//')"

bottles_begin -b 0
kill -KILL "$bottles_pid"
wait "$bottles_pid" 2>/dev/null
try "those who follow for one that is killed end" follow_left "$scratch/beer/one"
try "... all" follow_left "$scratch/beer/two"

head -c 200000 /dev/zero | tr '\0' x >"$scratch/beer/long"
run 1 "$scratch/bottles" "$scratch/beer/absent" "$scratch/beer"
try "bottles tells of an absent file" grep -qx "bottles: $scratch/beer/absent: No such file or directory" "$scratch/.err"
try "... and of a directory" grep -qx "bottles: $scratch/beer: Is a directory" "$scratch/.err"
run 0 "$scratch/bottles" -0 -n 3 "$scratch/beer/long"
sed -i "s,^$scratch/beer/long: ,," "$scratch/.out" # its name is not counted
same "bottles shows a line that is too long in pieces" "" "$err"
same "... none of which is lost" $((3 * 65536)) "$(tr -dc x <"$scratch/.out" | wc -c)"
for wrong in '' '-n 0 x' '-n x x' '-b -1 x' '-b x x' '-e ( x'; do
	# shellcheck disable=SC2086
	run 2 "$scratch/bottles" $wrong
	try "bottles${wrong:+ $wrong} is refused" grep -Eq '^(usage: bottles|bottles: \()' "$scratch/.err"
done

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
