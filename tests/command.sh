#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The command: what its subcommands print, how they exit, and that they leave nothing behind.
# shellcheck disable=SC2016 # dollars are for the shells that ramet runs
. "$(dirname "$0")/tap.sh"

ramet=$RAMET_OUT/ramet
cd "$scratch" || exit 1
export LC_ALL=C
unset RAMET_LOG_LEVEL

# do_run ARGUMENT...: leaves $status, and the files stdout and stderr
do_run()
{
	status=0
	timeout 60 "$ramet" "$@" >stdout 2>stderr </dev/null || status=$?
}

# exits TEXT STATUS ARGUMENT...
exits()
{
	local text=$1 expected=$2
	shift 2
	do_run "$@"
	same "$text" "$expected" "$status"
	[ "$status" = "$expected" ] || sed 's/^/# /' stderr
}

# says TEXT WORDS: standard error of the last command has them
says()
{
	if grep -qF -- "$2" stderr; then
		pass "$1"
	else
		fail "$1"
		sed 's/^/# /' stderr
	fi
}

# Dead but unreaped is gone: an orphan's reaper is none of ours.
alive()
{
	local state
	state=$(sed 's/.*) //; s/ .*//' "/proc/$1/stat" 2>/dev/null) || return 1
	[ -n "$state" ] && [ "$state" != Z ] && [ "$state" != X ]
}

# all_gone TEXT PID...: within five seconds
all_gone()
{
	local text=$1 pid try left
	shift
	if [ $# -eq 0 ]; then
		fail "$text"
		echo "# no processes were recorded"
		return
	fi
	for ((try = 0; try < 250; try++)); do
		left=()
		for pid; do
			! alive "$pid" || left+=("$pid")
		done
		if [ "${#left[@]}" -eq 0 ]; then
			pass "$text"
			return
		fi
		sleep 0.02
	done
	fail "$text"
	ps -o pid,ppid,pgid,stat,args -p "$(IFS=, && echo "${left[*]}")" | sed 's/^/# /'
}

# wait_lines FILE COUNT
wait_lines()
{
	local try
	for ((try = 0; try < 500; try++)); do
		[ "$(wc -l <"$1")" -lt "$2" ] || return 0
		sleep 0.02
	done
	return 1
}

# --- help and usage ---

for words in "" help --help "run --help" "tree --help" "listen --help" "demo --help" "help run" "doctor --help"; do
	# shellcheck disable=SC2086 # several words
	do_run $words
	same "'ramet $words' fits a screen" "0 yes" \
		"$status $(awk 'length($0) > 80 { wide = 1 } END { print (NR > 1 && NR < 24 && !wide ? "yes" : "no") }' stdout)"
done
do_run --version
same "--version prints the version" "ramet $(sed -n 's/^#define RAMET_VERSION "\(.*\)"/\1/p' \
	"$RAMET_SOURCE/include/ramet.h")" "$(cat stdout)"
exits "an unknown subcommand exits with 2" 2 grow
says "... and is named" "there is no subcommand 'grow'"
exits "an unknown option exits with 2" 2 --frobnicate
says "... and is named" "'--frobnicate'"
exits "an unknown option of a subcommand exits with 2" 2 tree --frobnicate local
says "... and is named" "tree: there is no option '--frobnicate'"
exits "help for what is not there exits with 2" 2 help grow
exits "run without a command exits with 2" 2 run local
exits "run with nothing behind -- exits with 2" 2 run local --
exits "tree with two sets exits with 2" 2 tree local local
exits "demo with two directories exits with 2" 2 demo . .

# --- run: output ---

exits "a command runs in every context" 0 run 'local*2/local*2' -- echo it is here
same "... and each line has the path of its context" \
	"local#1/local#1: it is here,local#1/local: it is here,local/local#1: it is here,local/local: it is here" \
	"$(sort stdout | paste -sd,)"
do_run run local -- sh -c 'echo out; echo err >&2'
same "standard output goes to standard output" "local: out" "$(cat stdout)"
same "standard error goes to standard error" "local: err" "$(cat stderr)"
do_run run local -- printf 'one\n\nthree'
same "a last line without a newline gets one" "local: one|local: |local: three|" "$(tr '\n' '|' <stdout)"
do_run run local -- printf '%s;' 'a b' '' '$HOME' -- '*' $'\377'
same "words arrive as they are, without a shell" "local: a b;;\$HOME;--;*;"$'\377;' "$(cat stdout)"
do_run run local echo without dashes
same "the dashes may be left out" "local: without dashes" "$(cat stdout)"
do_run run local -- sh -c 'wc -c; readlink /proc/self/fd/0'
same "standard input is empty" "local: 0,local: /dev/null" "$(paste -sd, <stdout)"
do_run run local,local,local#1 -- echo here
same "a context that two paths lead to runs the command once" "local#1: here,local: here" "$(sort stdout | paste -sd,)"
mkdir work
do_run run "local?name=web&env.GREETING=hi&umask=077&nice=3&cwd=${scratch//\//%2F}%2Fwork/local" -- \
	sh -c 'echo "$GREETING $(umask) $(nice) ${PWD##*/}"'
same "keys of the path reach the command" "web/local: hi 0077 3 work" "$(cat stdout)"
do_run run 'fork*2' -- echo forked
same "fork contexts run commands" "fork#1: forked,fork: forked" "$(sort stdout | paste -sd,)"
do_run run local -- printf 'a\033[1mb\rc\0d\302\233e\n'
same "control characters pass where no terminal is" "$(printf 'local: a\033[1mb\rc\0d\302\233e\n' | cksum)" "$(cksum <stdout)"
if command -v script >/dev/null; then
	script -qec "$ramet run local -- printf 'a\\033[1mb\\tc\\302\\233d\\303\\274e\\377\\n'" /dev/null \
		</dev/null 2>&1 | tr -d '\r' >stdout
	same "... and are made harmless where one is" 'local: a\x1b[1mb'$'\t''c\xc2\x9bd'$'\303\274''e\xff' "$(cat stdout)"
else
	skip "... and are made harmless where one is" "no script(1)"
fi
do_run run local -- sh -c 'sleep 100 & echo $!'
pid=$(sed 's/^local: //' stdout)
same "what is left in the background is not waited for" "0 alive" "$status $(alive "$pid" && echo alive)"
kill "$pid"

# --- run: much output ---

# A line says where it comes from, so that a mixed one is found. 12.5 MB each.
lines='BEGIN { for (i = 0; i < 125000; i++) printf "%s %08d %0*d\n", name, i, 99 - 10 - length(name), i }'
do_run run 'local*2/local*2' -- sh -c 'awk -v name="$(basename "$PWD")" "$1"' - "$lines"
name=$(basename "$PWD")
awk -v name="$name" "$lines" >expected
same "50 MB from four contexts: the bytes" "0 $(($(wc -c <expected) * 4 + 125000 * (13 + 2 * 15 + 17)))" \
	"$status $(wc -c <stdout)"
for path in local/local local/local#1 local#1/local local#1/local#1; do
	same "... and the lines of $path" "$(cksum <expected)" "$(sed -n "s,^$path: ,,p" stdout | cksum)"
done
do_run run 'local*2' -- sh -c 'head -c 1048576 /dev/zero | tr "\0" x'
same "lines of 1 MiB" "1048583 1048585" "$(awk '{ print length($0) }' stdout | sort -n | paste -sd' ')"
do_run run 'local*2' -- sh -c 'head -c 3000000 /dev/zero | tr "\0" y | fold -w 70 >&2'
same "much on standard error" "3042858 3042858" \
	"$(for path in local local#1; do sed -n "s,^$path: ,,p" stderr | wc -c; done | paste -sd' ')"

# --- run: how it ends ---

exits "the exit status is the highest" 7 run 'local*3' -- sh -c 'test "$0" = x; echo >>count; exit 7'
same "... of commands that all ran" 3 "$(wc -l <count)"
says "... which is said of each" "local#2: the command exited with status 7"
exits "a command that fails alone needs no words" 3 run local -- sh -c 'exit 3'
same "..." "" "$(cat stderr)"
exits "a command killed by a signal exits with 128 + its number" 137 run local -- sh -c 'kill -9 $$'
says "... which is named" "killed by SIGKILL"
exits "a command that is not there exits with 127" 127 run local -- no-such-command
says "... and is named" "local: cannot execute 'no-such-command': No such file or directory"
: >no-program
exits "one that cannot be executed exits with 126" 126 run local -- ./no-program
says "... and why" "local: cannot execute './no-program': Permission denied"
exits "an unknown method exits with 255" 255 run nowhere:host -- true
says "... and is named" "there is no method 'nowhere'"
exits "an unknown key exits with 255" 255 run 'local?colour=red' -- true
says "... and is named" "there is no key 'colour'"
exits "a key with a bad value exits with 255" 255 run 'local?nice=fast' -- true
exits "a path with a mistake exits with 255" 255 run 'local//local' -- true
says "... and the place" "character 7"
exits "a directory that is not there exits with 255" 255 run 'local?cwd=%2Fno-such-directory' -- true
says "... and is named" "/no-such-directory"
exits "a context that is lost exits with 255" 255 run 'local,local#1' -- \
	sh -c "$find_context"'
		if grep -q "ramet local#1," /proc/$context/cmdline; then kill -9 $context; sleep 60; else echo unharmed; exit 4; fi'
says "... and is named" "local#1 is gone"
same "... and the others go on" "local: unharmed" "$(cat stdout)"
status=0
"$ramet" run 'local*2' -- yes >/dev/full 2>stderr || status=$?
same "output that cannot be written ends the commands, with status 1" 1 "$status"
says "... and is reported" "No space left on device"
status=0
"$ramet" run local -- echo lost >&- 2>stderr || status=$?
same "a closed standard output is an error" 1 "$status"
says "... and is reported" "cannot write"

# --- run: nothing is left behind ---

# interrupt SIGNAL SCRIPT: sends the signal when each of three contexts has printed three pids
interrupt()
{
	local pid
	: >stdout
	"$ramet" run local,'local#1/local*2' -- sh -c "$2" >stdout 2>stderr </dev/null &
	pid=$!
	wait_lines stdout 9
	pids=$(sed 's/.*: //' stdout)
	kill "-$1" "$pid"
	status=0
	wait "$pid" || status=$?
}

script="$find_context"'sleep 1000 & echo $!; echo $PPID; echo $context; wait'
for name in INT TERM; do
	interrupt "$name" "$script"
	same "SIG$name exits with 130" 130 "$status"
	# shellcheck disable=SC2086 # several words
	all_gone "... and nothing is left" $pids
done
interrupt INT "trap '' TERM; $script"
same "commands that ignore SIGTERM do not stop it" 130 "$status"
# shellcheck disable=SC2086
all_gone "... and are killed" $pids
interrupt INT 'trap "echo >>told; exit" TERM; '"$script"
same "commands are told by SIGTERM first" "130 3" "$status $(wc -l <told)"
interrupt KILL "$script"
same "killed itself, it leaves nothing" 137 "$status"
# shellcheck disable=SC2086
all_gone "..." $pids
timeout 20 "$ramet" run 'local*2' -- sh -c 'echo $$ >>readers; exec yes' 2>stderr | head -n 1 >/dev/null
# shellcheck disable=SC2046
all_gone "a reader that goes away ends the commands" $(cat readers)
mkfifo blocked
"$ramet" run 'local*2' -- sh -c 'echo $$ >>writers; exec yes' >blocked 2>stderr &
pid=$!
exec 9<blocked
touch writers
wait_lines writers 2
sleep 0.3 # until the pipe is full; if it is not, the test is easier
kill -INT "$pid"
status=0
wait "$pid" || status=$?
exec 9<&-
same "an interrupt works while nobody reads the output" 130 "$status"
# shellcheck disable=SC2046
all_gone "..." $(cat writers)

# --- tree ---

# The drawing without what differs from time to time.
shape()
{
	sed '1d; s/  *[0-9][0-9]*  .*//' "$@"
}

do_run tree 'local*2/local*2,local#1/fork?name=copy'
same "tree draws all contexts, those on the way too" \
	"(master)||-- local||   |-- local/local||   \`-- local/local#1|\`-- local#1|    |-- local#1/local|    |-- local#1/local#1|    \`-- local#1/copy" \
	"$(shape stdout | paste -sd'|')"
same "... with different processes" 8 "$(awk 'NR > 1 { print $(NF - (/master/ ? 3 : 4)) }' stdout | sort -un | wc -l)"
same "... with host and machine" "8 $(uname -n) $(uname -m)" \
	"$(awk 'NR > 1 { i = NF - (/master/ ? 2 : 3); print $i, $(i + 1) }' stdout | sort | uniq -c | sed 's/^ *//')"
same "... with the time of a call" 7 "$(grep -c '[0-9] us$' stdout)"
same "... in columns" 1 "$(awk '{ print length($0) }' stdout | sort -u | wc -l)"
cp stdout ascii
env -u LC_ALL -u LC_CTYPE LANG=xx_YY.utf8 "$ramet" tree 'local*2/local*2,local#1/fork?name=copy' >stdout
same "in UTF-8 the drawing is the same with other characters" "$(shape ascii)" \
	"$(sed 's/├──/|--/; s/└──/`--/; s/│/|/g' stdout | shape)"
same "... which it has" "7 7" "$(grep -c '[├└]── ' stdout) $(grep -c '[0-9] µs$' stdout)"
env LC_ALL=C LC_CTYPE=xx_YY.UTF-8 "$ramet" tree local >stdout
same "LC_ALL comes before LC_CTYPE" 1 "$(grep -cF '`-- local' stdout)"
if command -v script >/dev/null; then
	script -qec "$ramet tree 'local?name=a%1bb'" /dev/null </dev/null | tr -d '\r' >stdout
	same "names are harmless where a terminal is" 1 "$(grep -cF 'a\x1bb' stdout)"
else
	skip "names are harmless where a terminal is" "no script(1)"
fi
exits "tree of an unknown method exits with 255" 255 tree nowhere

# --- doctor ---

exits "doctor walks a path" 0 doctor 'local/local*2'
same "... hop by hop" "local,local*2" "$(grep -v '^ ' stdout | paste -sd,)"
same "... to each context" "local,local/local,local/local#1" \
	"$(sed -n 's/^ *[0-9]*\.[0-9] ms  \(local[^ :]*\): process [1-9].*/\1/p' stdout | paste -sd,)"
same "... which tells where it is, whose, and how far" 3 \
	"$(grep -cE ": process [0-9]+ on $(uname -n), $(uname -m), user $(id -un); a call takes [0-9]+ us\$" stdout)"
exits "... up to a hop that fails" 255 doctor 'local/local?cwd=%2Fno-such-directory/local'
same "... which is the last" "local,local?cwd=%2Fno-such-directory" "$(grep -v '^ ' stdout | paste -sd,)"
same "... with the reason" 1 "$(grep -c 'ms  failed: .*/no-such-directory: No such file' stdout)"
do_run doctor nowhere:host
same "... and a hint" "255 1" "$status $(grep -c 'ms  hint: ramet-paths(7)' stdout)"
status=0
"$ramet" doctor local >/dev/full 2>stderr || status=$?
same "doctor that cannot print exits with 1" 1 "$status"
says "... and says so" "No space left on device"
exits "doctor tells the steps of a tool" 0 doctor local/exec:env
same "... in their order" "launch shell place transfer exec handshake local/exec:env" \
	"$(sed -n '/^exec:env/,$s/^ *[0-9]*\.[0-9] ms  \([a-z/]*\(exec:env\)*\): .*/\1/p' stdout | paste -sd' ')"
exits "doctor of a tool that is not there" 255 doctor exec:no-such-tool
same "... names the step" 1 "$(grep -c 'ms  failed: .*launch: no-such-tool: not found' stdout)"
same "... and says what helps" 1 "$(grep -c 'ms  hint: install the tool' stdout)"
exits "doctor of a tool that leads nowhere" 255 doctor 'local/exec:sh%20-c%20%22echo%20the%20last%20words;exit%207%22/local'
same "... names the step, the status" 1 "$(grep -c 'ms  failed: .*shell: .*exited with status 7' stdout)"
same "... the last words" 1 "$(grep -c 'the last words$' stdout)"
same "... and says what helps" 1 "$(grep -c 'ms  hint: run the command above by hand' stdout)"
exits "doctor of two paths exits with 2" 2 doctor local local

# --- demo ---

# count DIRECTORY...: words of regular files, an inode once: total, different ones, the ten most frequent
count()
{
	find "$1" -type f -exec stat -c '%i %n' {} + | sort -un -k1,1 | cut -d' ' -f2- | tr '\n' '\0' >list
	xargs -0 sed -s '$a\' <list | tr -cs 'A-Za-z\200-\377' '\n' | tr 'A-Z' 'a-z' | sed '/^$/d' | sort | uniq -c |
		sort -k1,1nr -k2 >counted
	awk '{ words += $1 } END { print words + 0, NR }' counted
	head -n 10 counted | awk '{ print $1, $2 }'
}

# told: the same from what the demo printed
told()
{
	awk '/^  words / { words = $2 } /^  distinct words/ { print words, $3 }' stdout
	awk '/^$/ { top = 0 } top && NF == 2 { print $1, $2 } /^The most/ { getline; top = 1 }' stdout
}

number()
{
	awk -v name="$1" '$1 == name { print $2 }' stdout
}

mkdir -p texts/deep/er texts/empty
cp "$RAMET_SOURCE"/*.md "$RAMET_SOURCE"/include/*.h texts/deep
cp "$RAMET_SOURCE"/src/core/*.c texts/deep/er
printf 'Caf\303\251 caf\303\251 CAF\303\251 don'\''t x1y \377\376 end' >texts/latin
: >texts/nothing
ln texts/deep/ramet.h texts/second-name
ln -s deep/ramet.h texts/link
ln -s ../.. texts/deep/loop
# Larger than a piece, with words of many lengths, so that some are cut by any boundary; one of 3 MB without an end.
awk 'BEGIN { srand(7); for (i = 0; i < 400000; i++) { n = int(rand() * 12) + 1; s = ""
	while (n--) s = s sprintf("%c", 97 + int(rand() * 6)); printf "%s%s", s, i % 9 ? " " : "\n" } }' >texts/big
head -c 3000000 /dev/zero | tr '\0' q >texts/endless
exits "demo counts" 0 demo texts
same "... the words, the different ones, the most frequent" "$(count texts)" "$(told)"
same "... each file once" "$(tr -cd '\0' <list | wc -c)" "$(number files)"
same "... the bytes" "$(xargs -0 cat <list | wc -c)" "$(number bytes)"
same "... and skips nothing" "0 " "$(number skipped) $(cat stderr)"
cp stdout first
do_run demo texts/
same "... and again the same" "$(awk '/^The words/, /^Who/' first | sed 1d | cksum)" "$(awk '/^The words/, /^Who/' stdout | sed 1d | cksum)"
same "demo draws its tree" 6 "$(grep -c '^[ |]*[|`]-- local' stdout)"
same "... and all the words were counted by somebody" "$(number words)" \
	"$(awk '/^Who/ { who = 1 } who && $3 == "words" { sum += $2 } END { print sum }' stdout)"
same "... in times that it tells" 2 "$(grep -cE '^  (tree up|counted) in +[0-9]+\.[0-9] ms$' stdout)"
ln -s nowhere texts/dangling
mkfifo texts/fifo
exits "what cannot be read is skipped" 0 demo texts
says "... and named: a link to nothing" "texts/dangling: No such file or directory"
says "... and named: a FIFO" "texts/fifo: is neither a file nor a directory"
same "... and counted" 2 "$(number skipped)"
same "... and the rest is counted as before" "$(awk '/^The most/, /^Who/' first | cksum)" \
	"$(awk '/^The most/, /^Who/' stdout | cksum)"
# Root may read everything, so somebody else is asked, who may need a way to the program.
chmod 0 texts/latin
if [ "$(id -u)" -eq 0 ]; then
	chmod 755 "$scratch"
	cp "$ramet" ramet
	timeout 60 setpriv --reuid=65534 --regid=65534 --clear-groups ./ramet demo texts >stdout 2>stderr </dev/null
else
	do_run demo texts
fi
says "a file without permission is skipped" "texts/latin: Permission denied"
mkdir -p nothing
exits "demo of an empty directory counts nothing" 0 demo nothing
same "..." "0 0" "$(number files) $(number words)"
exits "demo of what is not there exits with 1" 1 demo no-such-directory
says "... and names it" "no-such-directory: No such file or directory"
if [ -d /usr/share/common-licenses ]; then
	do_run demo
	same "demo without a directory counts the licences" "$(count /usr/share/common-licenses)" "$(told)"
else
	skip "demo without a directory counts the licences" "they are not there"
fi

finish
