# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# What the tests in a rig (rig.sh) ask of the command.

ramet=$RAMET_OUT/ramet

# until_done SECONDS COMMAND...: tries the command until it succeeds
until_done()
{
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.02
	done
}

# rig_failed TEXT FILE: a machine could not be started; ends the test with what the file says
rig_failed()
{
	fail "$1"
	tail -n 20 "$2" | sed 's/^/# /'
	finish
}

# rig_escape TEXT: as a target or value of a path
rig_escape()
{
	sed 's/%/%25/g; s|/|%2F|g; s/?/%3F/g; s/\*/%2A/g; s/#/%23/g; s/&/%26/g; s/=/%3D/g; s/,/%2C/g; s/ /%20/g' <<<"$1"
}

# rig_lines: leaves examples/lines.c as a program that travels, and a file in the directories given
rig_lines()
{
	try "lines is made by ramet-cc" "$RAMET_OUT/bin/ramet-cc" -o "$scratch/lines" "$RAMET_SOURCE/examples/lines.c"
}

# do_run ARGUMENT...: leaves $status, and the files stdout and stderr
do_run()
{
	status=0
	timeout 30 "$ramet" "$@" >"$scratch/stdout" 2>"$scratch/stderr" </dev/null || status=$?
}

# says TEXT WORDS...: standard error of the last command has them all
says()
{
	local text=$1 words
	shift
	for words; do
		if ! grep -qF -- "$words" "$scratch/stderr"; then
			fail "$text"
			echo "# not there: $words"
			sed 's/^/# /' "$scratch/stderr"
			return
		fi
	done
	pass "$text"
}

# rig_processes FILE: what runs here, process ids without the dead
rig_processes()
{
	ps -e --no-headers -o pid:1,stat:1,comm:1 >"$scratch/ps"
	awk '$2 !~ /^Z/ && $3 != "ps" { print $1 }' "$scratch/ps" | sort >"$1"
}

# rig_mark: what runs now is no remainder
rig_mark()
{
	rig_processes "$scratch/marked"
}

rig_settled()
{
	rig_processes "$scratch/present"
	comm -13 "$scratch/marked" "$scratch/present" >"$scratch/new"
	[ ! -s "$scratch/new" ]
}

# none_left TEXT ROOT...: no process has been added since rig_mark, and no file of ours is below the roots
none_left()
{
	local text=$1 files root
	shift
	if ! until_done 10 rig_settled; then
		fail "$text"
		echo "# processes are left:"
		ps -o pid,ppid,stat,args -p "$(paste -sd, "$scratch/new")" | sed 's/^/# /'
		return
	fi
	files=$(for root; do
		find "$root"/{tmp,var/tmp,dev,root,home,run} -xdev -name '.ramet*' 2>/dev/null
		[ ! -d "$root/dev/shm" ] || find "$root/dev/shm" -xdev -name '.ramet*' 2>/dev/null
	done)
	same "$text" "" "$files"
}

# fails TEXT PATH WORDS...: PATH cannot be connected to, and the reason has the words
fails()
{
	local text=$1 path=$2
	shift 2
	do_run run "$path" -- true
	if [ "$status" != 255 ]; then
		fail "$text"
		echo "# exit status $status"
		sed 's/^/# /' "$scratch/stdout" "$scratch/stderr"
	else
		says "$text" "$@"
	fi
}

# reaches TEXT PATH HOST USER ROOT [FILE LINES]: commands run there as that user, the tree has it, lines counts there,
# and nothing is left
reaches()
{
	local text=$1 path=$2 host=$3 user=$4 root=$5 got
	rig_mark
	do_run run "$path" -- sh -c 'uname -n; id -u; cat | wc -c'
	got="$status $(sed 's/.*: //' "$scratch/stdout" | paste -sd' ')$(cat "$scratch/stderr")"
	same "$text: a command runs there" "0 $host $user 0" "$got"
	do_run tree "$path"
	if [ "$status" = 0 ] && grep -q " $host " "$scratch/stdout"; then
		pass "$text: tree draws it"
	else
		fail "$text: tree draws it"
		sed 's/^/# /' "$scratch/stdout" "$scratch/stderr"
	fi
	got=$(timeout 30 "$scratch/lines" "$path" /etc/passwd 2>&1 </dev/null)
	same "$text: lines counts there" "$(wc -l <"$root/etc/passwd") /etc/passwd" "$got"
	none_left "$text: nothing is left" "$root"
}

# connected PATH: starts a command there that lasts; leaves $rig_client and, once it runs, its process here in
# $rig_far
connected()
{
	"$ramet" run "$1" -- sleep 12345 >"$scratch/client.out" 2>"$scratch/client.err" </dev/null &
	rig_client=$!
	until_done 20 pgrep -fx 'sleep 12345' || {
		fail "a lasting command runs in $1"
		sed 's/^/# /' "$scratch/client.err"
		return 1
	}
	rig_far=$(pgrep -fx 'sleep 12345')
}

# rig_context PROCESS: the context, above the guard, of a command
rig_context()
{
	ps -o ppid= -p "$(ps -o ppid= -p "$1" | tr -d ' ')" | tr -d ' '
}

# client_ends: waits for the client; leaves $status, and its words in the file stderr
client_ends()
{
	status=0
	wait "$rig_client" || status=$?
	cp "$scratch/client.err" "$scratch/stderr"
}
