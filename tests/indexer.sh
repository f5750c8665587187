#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# examples/indexer: its answers are those of a search without an index, and nothing that lies about in a file system
# keeps it from answering.
. "$(dirname "$0")/tap.sh"

indexer=$RAMET_BUILD/examples/indexer
corpus=$scratch/corpus
mkdir -p "$corpus/sub/deep"

# asks STATUS QUESTION ARGUMENT...: leaves the answer in $out, and what is wrong in $err; both without the time.
asks()
{
	local expected=$1 question=$2 status=0
	shift 2
	printf '%s\n' "$question" | timeout 60 "$indexer" "$@" >"$scratch/.out" 2>"$scratch/.err" || status=$?
	out=$(cat "$scratch/.out") err=$(cat "$scratch/.err")
	[ "$status" -eq "$expected" ] || err="exit status $status, not $expected; $err"
}

# --- questions and answers --------------------------------------------------------------------------------------------

printf 'The quick brown fox\njumps over the lazy dog.\n' >"$corpus/fox"
printf 'FOXES and foxglove; outfox\n' >"$corpus/sub/foxes.txt"
printf '<html><b class="fox">F&ouml;xchen</b>\n<p>fox</html>' >"$corpus/sub/deep/page.html"
at=$corpus
asks 0 fox "$corpus"
same "a part of a word is found in all words that have it, the word itself first" \
	"$(printf '%s\n' "$at/fox:1:17: fox" "$at/sub/deep/page.html:2:4: fox" "$at/sub/foxes.txt:1:1: foxes" \
		"$at/sub/foxes.txt:1:11: foxglove" "$at/sub/foxes.txt:1:21: outfox" 'fox: 5 places, 4 words')" "$out$err"
asks 0 'FÖX*' "$corpus"
same "entities are characters, and letters of other alphabets have two cases" \
	"$(printf '%s\n' "$at/sub/deep/page.html:1:22: föxchen" 'föx: 1 place, 1 word')" "$out$err"
asks 0 '*fox fox* =fox *oxe*' --limit=1 "$corpus"
same "stars and = say where words go on; a limit counts what it hides" \
	"$(printf '%s\n' "$at/fox:1:17: fox" 'fox: 1 of 3 places, 2 words' "$at/fox:1:17: fox" 'fox: 1 of 4 places, 3 words' \
		"$at/fox:1:17: fox" 'fox: 1 of 2 places, 1 word' "$at/sub/foxes.txt:1:1: foxes" 'oxe: 1 place, 1 word')" \
	"$out$err"
asks 0 'the nothing' --exact -l0 -j1 "$corpus"
same "with --exact parts are no answer" \
	"$(printf '%s\n' "$at/fox:1:1: the" "$at/fox:2:12: the" 'the: 2 places, 1 word' 'nothing: 0 places, 0 words')" "$out$err"
asks 0 '' "$corpus"
same "an empty question has no answer" "" "$out$err"
asks 0 fox "$corpus" local
try "members that are started anew do the same" grep -q '^fox: 5 places' "$scratch/.out"
asks 0 fox "$corpus" 'local*2/local'
try "... and those further away" grep -q '^fox: 5 places' "$scratch/.out"
asks 0 fox --stats "$corpus"
try "--stats tells what was indexed" grep -q '^indexer: 3 files, ' "$scratch/.err"
(cd "$corpus" && asks 0 jumps . && [ "$out" = "$(printf './fox:2:1: jumps\njumps: 1 place, 1 word')" ])
same "the directory may be relative" 0 $?

# --- usage ------------------------------------------------------------------------------------------------------------

for wrong in '' '--nonsense .' '--limit=x .' '--limit=-1 .' '-j0 .' '-j2 . local' '. local more'; do
	# shellcheck disable=SC2086
	asks 2 fox $wrong
	same "wrong usage: '$wrong'" "indexer: " "$out$(sed -n 's/^\(indexer: \).*see indexer --help$/\1/p' "$scratch/.err")"
done
asks 0 '' --help
try "--help tells how" grep -q '^usage: indexer ' "$scratch/.out"
asks 2 fox "$scratch/absent"
same "without the directory there is no index" "indexer: $scratch/absent: No such file or directory" "$out$err"
asks 2 fox "$corpus" nosuch
try "... nor without members" grep -q nosuch "$scratch/.err"

# --- what lies about --------------------------------------------------------------------------------------------------

odd=$scratch/odd
mkdir -p "$odd/a/b"
echo needle >"$odd/plain"
ln -s .. "$odd/a/b/up"
ln -s "$odd" "$odd/a/self"
ln -s absent "$odd/dangling"
ln -s plain "$odd/link"
asks 0 needle "$odd"
same "links that lead in circles, or nowhere, are not followed" \
	"$(printf '%s\n' "$odd/plain:1:1: needle" 'needle: 1 place, 1 word')" "$out$err"
ln -s "$odd" "$scratch/way"
asks 0 needle "$scratch/way"
try "... but the directory itself may be one" grep -q '^needle: 1 place,' "$scratch/.out"

mkfifo "$odd/fifo"
asks 0 needle "$odd"
try "a FIFO is not waited for" grep -q '^needle: 1 place,' "$scratch/.out"
if perl -MSocket -e 'socket(my $s, AF_UNIX, SOCK_STREAM, 0); chdir shift; bind($s, pack_sockaddr_un("socket")) or exit 1' \
	"$odd" 2>/dev/null; then
	asks 0 needle "$odd"
	try "a socket is no file" grep -q '^needle: 1 place,' "$scratch/.out"
else
	skip "a socket is no file" "no perl"
fi
if [ "$(id -u)" -eq 0 ] && mknod "$odd/zero" c 1 5 2>/dev/null; then
	asks 0 needle "$odd"
	try "a device without end is not read" grep -q '^needle: 1 place,' "$scratch/.out"
else
	skip "a device without end is not read" "only root may make one"
fi
rm -f "$odd/fifo" "$odd/socket" "$odd/zero"

# A directory of its own for another user, as root may read all.
mkdir "$odd/closed"
echo needle >"$odd/closed/inside"
echo needle >"$odd/secret"
chmod 000 "$odd/closed" "$odd/secret"
reader=()
[ "$(id -u)" -ne 0 ] || reader=(setpriv --reuid=65534 --regid=65534 --clear-groups)
chmod 755 "$scratch"
cp "$indexer" "$scratch/indexer"
status=0
if [ ${#reader[@]} -eq 0 ] || "${reader[@]}" "$scratch/indexer" --help >/dev/null 2>&1; then
	echo needle | "${reader[@]}" "$scratch/indexer" "$odd" >"$scratch/.out" 2>"$scratch/.err" || status=$?
	same "what cannot be read is told of, and the exit status" \
		"$(printf '%s\n' "indexer: $odd/closed: Permission denied" "indexer: $odd/secret: Permission denied" \
			"$odd/plain:1:1: needle" 'needle: 1 place, 1 word' 1)" "$(sort "$scratch/.err"; cat "$scratch/.out"; echo $status)"
else
	skip "what cannot be read is told of, and the exit status" "nobody else can run programs here"
fi
chmod 755 "$odd/closed" "$odd/secret"
rm -rf "$odd/closed" "$odd/secret"

{ echo needle; head -c 3000 /dev/zero; } >"$odd/zeros"
{ echo needle; head -c 9000 /dev/urandom; } >"$odd/random"
printf 'needle in an old encoding: caf\351, with much other text around it\n' >"$odd/latin"
: >"$odd/empty"
asks 0 'needle caf' "$odd"
same "binary files are passed over, texts in older encodings are not" \
	"$(printf '%s\n' "$odd/latin:1:1: needle" "$odd/plain:1:1: needle" 'needle: 2 places, 1 word' \
		"$odd/latin:1:28: caf" 'caf: 1 place, 1 word')" "$out$err"
rm -f "$odd"/{zeros,random,latin}

head -c 3000000 /dev/zero | tr '\0' x >"$odd/long"
printf ' needle' >>"$odd/long"
asks 0 'needle xxxx*' "$odd"
same "a line of three megabytes, most of it a word" \
	"$(printf '%s\n' "$odd/long:1:3000002: needle" "$odd/plain:1:1: needle" 'needle: 2 places, 1 word' \
		"$odd/long:1:1: $(printf 'x%.0s' {1..64})" 'xxxx: 1 place, 1 word')" "$out$err"
rm -f "$odd/long"

name=$(printf 'a\nb\033[2J\377\\')
echo haystack >"$odd/$name"
asks 0 haystack "$odd"
same "names of any bytes are shown harmlessly" \
	"$(printf '%s\n' "$odd/a\\012b\\033[2J\\377\\134:1:1: haystack" 'haystack: 1 place, 1 word')" "$out$err"
rm -f "$odd/$name"

if ldd "$indexer" 2>/dev/null | grep -q libz; then
	{ printf 'one\nneedle\n' | gzip; printf 'three needle\n' | gzip; } >"$odd/two.gz"
	asks 0 needle "$odd"
	same "what gzip has packed is read, places are those in its text" \
		"$(printf '%s\n' "$odd/plain:1:1: needle" "$odd/two.gz:2:1: needle" "$odd/two.gz:3:7: needle" \
			'needle: 3 places, 1 word')" "$out$err"
	seq 100000 | gzip | head -c 100000 >"$odd/two.gz"
	asks 1 '=1000 =needle' "$odd"
	same "damaged data is told of, and read up to there" \
		"$(printf '%s\n' "$odd/two.gz:1000:1: 1000" '1000: 1 place, 1 word' "$odd/plain:1:1: needle" \
			"needle: 1 place, 1 wordindexer: $odd/two.gz: damaged; indexed up to there")" "$out$err"
	yes needle | head -c 200000000 | gzip -1 >"$odd/two.gz"
	asks 1 'needle' -l1 "$odd"
	same "a small file that unpacks to a very large one is read up to a limit" \
		"indexer: $odd/two.gz: too long; only the first 64 MiB are indexed" "$err"
	rm -f "$odd/two.gz"
else
	skip "what gzip has packed is read" "no zlib"
fi

deep=$odd
for ((i = 0; i < 40; i++)); do
	deep=$deep/d
done
mkdir -p "$deep"
echo deep >"$deep/file"
asks 0 deep "$odd"
try "a file far below is found" grep -q '^deep: 1 place,' "$scratch/.out"
rm -rf "$odd/d"

# Files come, grow, shrink and go for as long as the indexer reads; what stays has to be there.
mkdir "$scratch/moving"
echo steady >"$scratch/moving/0"
seq 200000 >"$scratch/numbers"
(
	while [ -e "$scratch/moving/0" ]; do
		for i in 1 2 3 4; do
			cp "$scratch/numbers" "$scratch/moving/$i"
			cat "$scratch/numbers" >>"$scratch/moving/$i"
			: >"$scratch/moving/$i"
			mkdir -p "$scratch/moving/dir$i/below"
			cp "$scratch/numbers" "$scratch/moving/dir$i/below"
			rm -rf "$scratch/moving/$i" "$scratch/moving/dir$i"
		done
	done 2>/dev/null
) &
mover=$!
steady=0
for i in 1 2 3 4 5 6 7 8 9 10; do
	asks 0 =steady "$scratch/moving"
	[ "$out$err" != "$(printf '%s\n' "$scratch/moving/0:1:1: steady" 'steady: 1 place, 1 word')" ] || steady=$((steady + 1))
done
rm "$scratch/moving/0"
wait "$mover"
same "files that vanish, grow and shrink meanwhile do no harm" 10 "$steady"

# --- at a terminal ----------------------------------------------------------------------------------------------------

status=0
TERM=dumb "$RAMET_BUILD/tests/on-terminal" -t 60 -w '> ' -a 'quick\n' -w 'quick: 1 place, 1 word' -w '> ' -a '\004' \
	"$indexer" "$corpus" >"$scratch/.out" 2>&1 || status=$?
same "at a terminal there is a prompt, which answers and ends" 0 "$status"

# --- a search without an index ----------------------------------------------------------------------------------------

cp -r "$RAMET_SOURCE"/{docs,man,examples,include} "$corpus"
try "200 questions about a corpus have the answers of a search" \
	"$RAMET_BUILD/tests/indexer-search" 200 "$corpus" "'$indexer' -j3"
if [ -d /usr/share/doc ]; then
	try "200 questions about /usr/share/doc have the answers of a search" \
		"$RAMET_BUILD/tests/indexer-search" 200 /usr/share/doc "'$indexer'"
else
	skip "200 questions about /usr/share/doc have the answers of a search" "there is none"
fi

# A worker that is lost in the middle of its work: others do it.
if [ -d /usr/share/doc ] && command -v pgrep >/dev/null; then
	asks 0 '=the licens*' -l2 -j2 /usr/share/doc
	undisturbed=$out
	printf '=the licens*\n' >"$scratch/questions"
	"$indexer" -l2 -j2 /usr/share/doc <"$scratch/questions" >"$scratch/.out" 2>"$scratch/.err" &
	master=$!
	while kill -0 "$master" 2>/dev/null && [ "$(pgrep -c -P "$master")" -lt 2 ]; do
		:
	done
	worker=$(pgrep -P "$master" | tail -n 1) # the first one has the list of files
	try "a worker is killed while it works" kill -9 "$worker"
	status=0
	wait "$master" || status=$?
	same "... and the answers are the same" "$undisturbed" "$(cat "$scratch/.out")"
	try "... with the exit status of the undisturbed" [ "$status" -le 1 ]
else
	skip "a worker is killed while it works" "no /usr/share/doc"
fi

# --- as a program that travels ----------------------------------------------------------------------------------------

try "it is made by ramet-cc" "$RAMET_OUT/bin/ramet-cc" -O2 -Wall -Wextra -Werror -std=gnu17 -D_GNU_SOURCE \
	-o "$scratch/indexer" "$RAMET_SOURCE"/examples/indexer/*.c
indexer=$scratch/indexer
asks 0 'FÖX*' "$corpus/sub" 'local*2'
same "... and has the same answers" \
	"$(printf '%s\n' "$at/sub/deep/page.html:1:22: föxchen" 'föx: 1 place, 1 word')" "$out$err"

finish
