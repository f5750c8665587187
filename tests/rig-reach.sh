# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# What tests of sudo, su and doas do with ramet: read behind rig-users.sh and tap.sh.

export LC_ALL=C
unset RAMET_LOG_LEVEL
chmod 755 "$scratch"
cd "$scratch" || exit 1
cp "$RAMET_OUT/ramet" "$RAMET_BUILD/tests/on-terminal" "$RAMET_BUILD/tests/in-memory" "$rig/bin/"
PATH=$rig/bin:$PATH
wrong='nobody has this 1'
: >said
# Whom r_alice becomes with her own password; sudo does not ask for one to remain who one is.
declare -A who=([sudo]=r_bob [su]=r_alice [doas]=r_alice)

# run_as USER [NAME=VALUE...] -- COMMAND...: below no terminal; leaves $status, $left, and the files stdout and stderr
run_as()
{
	local user=$1 settings=()
	shift
	while [ "$1" != -- ]; do
		settings+=("$1")
		shift
	done
	shift
	status=0
	as "$user" "${settings[@]}" setsid -w timeout 20 "$@" >stdout 2>stderr </dev/null || status=$?
	left=$(rig_left)
	cat stdout stderr >>said
}

# explain: what the last command did, for a test that failed
explain()
{
	{
		echo "exit status $status"
		cat -v stdout stderr
		[ -z "$left" ] || echo "left: $left"
	} | sed 's/^/# /'
}

# works TEXT OUTPUT USER [NAME=VALUE...] -- PATH COMMAND...: and leaves nothing behind
works()
{
	local text=$1 expected=$2 path words=()
	shift 2
	while [ "$1" != -- ]; do
		words+=("$1")
		shift
	done
	path=$2
	shift 2
	run_as "${words[@]}" -- ramet run "$path" -- "$@"
	same "$text" "0 $expected" "$status $(sed 's/^[^ ]*: //' stdout | paste -sd,)$left"
	[ "$status" -eq 0 ] || explain
}

# fails TEXT WORDS USER [NAME=VALUE...] -- PATH: it cannot be reached, and one line has WORDS, which are a regular
# expression
fails()
{
	local text=$1 expected=$2 path words=()
	shift 2
	while [ "$1" != -- ]; do
		words+=("$1")
		shift
	done
	path=$2
	run_as "${words[@]}" -- ramet run "$path" -- id -un
	if [ "$status" -eq 255 ] && [ -z "$left" ] && grep -Eqi -- "$expected" stderr; then
		pass "$text"
	else
		fail "$text"
		echo "# expected: $expected"
		explain
	fi
}

# on_terminal STATUS TEXT USER ARGUMENT...: what the terminal showed is in the file shown; its settings are kept
on_terminal()
{
	local expected=$1 text=$2 user=$3 kept=$rig/$3/kept
	shift 3
	status=0
	rm -f "$kept"
	as "$user" on-terminal -k "$kept" "$@" >stdout 2>stderr </dev/null || status=$?
	left=$(rig_left)
	cat stdout stderr >>said
	if [ "$status" -eq "$expected" ] && [ -z "$left" ] && [ "$(cat "$kept")" = same ]; then
		pass "$text"
	else
		fail "$text"
		echo "# the terminal's settings: $(cat "$kept")"
		explain
	fi
}

# shows TEXT WORDS
shows()
{
	if grep -qF -- "$2" stdout; then
		pass "$1"
	else
		fail "$1"
		explain
	fi
}

# spoken: no password was, in all that commands have printed
spoken()
{
	try "commands have said something" test "$(wc -c <said)" -gt 1000
	same "... but no password" 0 "$(grep -cF -e "${rig_password#* }" -e "$wrong" said)"
}
