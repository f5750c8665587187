#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Other users of the same machine, by the sudo, su and doas that are installed here.
# shellcheck disable=SC2016 # dollars are for the shells that ramet runs
# shellcheck source=tests/rig-users.sh
. "$(dirname "$0")/rig-users.sh" sudo su doas setsid
# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"

export LC_ALL=C
unset RAMET_LOG_LEVEL
chmod 755 "$scratch"
cd "$scratch" || exit 1
cp "$RAMET_OUT/ramet" "$RAMET_BUILD/tests/on-terminal" "$rig/bin/"
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

# --- the rig: what all below rests on ---

on_terminal 0 "the rig: sudo wants a password" r_alice -w '[sudo] password for r_alice: ' -e -a "$rig_password\\n" \
	sudo id -un
shows "... and runs a command" root
on_terminal 0 "the rig: su wants a password" r_alice -w 'Password: ' -e -a "$rig_password bob\\n" su r_bob -c 'id -un'
shows "... and runs a command" r_bob
on_terminal 0 "the rig: doas wants a password" r_alice -w 'password: ' -e -a "$rig_password\\n" doas -u r_bob id -un
shows "... and runs a command" r_bob
on_terminal 1 "the rig: a wrong password is wrong" r_alice -w 'Password: ' -e -a "$wrong\\n" su r_bob -c 'id -un'
shows "... and su says so" 'su: Authentication failure'
same "the rig: nobody else's accounts are here" "r_alice r_bob r_carol r_expired r_locked r_aged r_nologin" \
	"$(grep ^r_ /etc/passwd | cut -d: -f1 | paste -sd' ')"
as r_bob setsid sleep 1000 &
for ((try = 0; try < 500; try++)); do
	found=$(rig_processes)
	[[ $found != *" sleep 1000"* || $found == *setsid* ]] || break
	sleep 0.01
done
same "the rig: what is left is found" "r_bob sleep" "$(awk '{ print $1, $3 }' <<<"$found")"
kill "$(awk '{ print $4 }' <<<"$found")"
wait

# --- without a password ---

works "sudo without a password" root r_bob -- sudo id -un
works "sudo to a user" r_alice r_bob -- sudo:r_alice id -un
works "doas without a password" root r_bob -- doas id -un
works "doas to a user" r_alice r_bob -- doas:r_alice id -un
works "root becomes a user by sudo" r_alice root -- sudo:r_alice id -un
works "root becomes a user by su" r_alice root -- su:r_alice id -un
works "root becomes a user by doas" r_alice root -- doas:r_alice id -un
works "the key username names the user, too" r_carol root -- 'su?username=r_carol' id -un

# --- passwords from each source ---

works "sudo: a variable has the password" root r_alice PW="$rig_password" -- 'sudo?password=env:PW' id -un
works "su: a variable has the password" r_bob r_alice PW="$rig_password bob" -- 'su:r_bob?password=env:PW' id -un
works "su to root" root r_alice PW="$rig_password root" -- 'su?password=env:PW' id -un
works "doas: a variable has the password" root r_alice PW="$rig_password" -- 'doas?password=env:PW' id -un
printf '%s\nnot this\n' "$rig_password" >word
for tool in sudo su doas; do
	user=${who[$tool]}
	works "$tool: a descriptor has the password" $user r_alice -- "$tool:$user?password=fd:7" id -un 7<word
	on_terminal 0 "$tool: the user types the password" r_alice -w assword -e -a "$rig_password\\n" \
		ramet run "$tool:$user?password=ask" -- id -un
	shows "... and is there" "$user: $user"
	on_terminal 0 "$tool: it is not asked for when it is known" r_alice env PW="$rig_password" \
		ramet run "$tool:$user?password=env:PW" -- id -un
	shows "... and it is the same user" "$user: $user"
done
works "a password that nobody asks for is not needed" r_alice r_bob PW="$wrong" -- 'sudo:r_alice?password=env:PW' id -un
printf '%s\n' "$rig_password" >word
works "one descriptor serves several hops" root r_alice -- 'su:r_alice?password=fd:7/sudo?password=fd:7' id -un 7<word

# --- wrong and missing passwords ---

for tool in sudo su doas; do
	fails "$tool: a wrong password is wrong" "$tool: the password is wrong" \
		r_alice PW="$wrong" -- "$tool:r_bob?password=env:PW"
	fails "$tool: an empty password is wrong" 'password is wrong' r_alice PW= -- "$tool:r_bob?password=env:PW"
	fails "$tool: without a password that is asked for" 'asks for a password, and none was given' r_alice -- "$tool:r_bob"
	fails "$tool: a variable that is not there" NOPW r_alice -- "$tool:r_bob?password=env:NOPW"
	fails "$tool: a descriptor at its end" 'descriptor|fd' r_alice -- "$tool:r_bob?password=fd:7" 7</dev/null
	fails "$tool: nobody to ask" terminal r_alice -- "$tool:r_bob?password=ask"
	on_terminal 255 "$tool: an interrupted question" r_alice -w assword -e -a '\003' \
		ramet run "$tool:r_bob?password=ask" -- id -un
	rig_pam 500000
	fails "$tool: a wrong password that takes its time" 'password is wrong' r_alice PW="$wrong" -- "$tool:r_bob?password=env:PW"
	rig_pam
done
rig_sudoers 'Defaults passwd_tries=1'
fails "sudo: one try only" 'password is wrong' r_alice PW="$wrong" -- 'sudo?password=env:PW'

# --- who may not ---

pw() { echo "PW=$rig_password $1"; }
rig_sudoers
fails "sudo: who is in no rule" 'not in the sudoers file' r_carol "$(pw carol)" -- 'sudo?password=env:PW'
fails "doas: who is in no rule" 'not permitted' r_carol "$(pw carol)" -- 'doas?password=env:PW'
fails "sudo: an expired account" expired r_expired "$(pw expired)" -- 'sudo?password=env:PW'
fails "su: an expired account" expired r_alice "$(pw expired)" -- 'su:r_expired?password=env:PW'
fails "doas: an expired account" expired r_expired "$(pw expired)" -- 'doas?password=env:PW'
fails "sudo: an expired password" expired r_aged "$(pw aged)" -- 'sudo?password=env:PW'
fails "su: an expired password" 'change your password' r_alice "$(pw aged)" -- 'su:r_aged?password=env:PW'
fails "doas: an expired password" 'change your password' r_aged "$(pw aged)" -- 'doas?password=env:PW'
fails "sudo: a locked password" 'password is wrong' r_locked "$(pw locked)" -- 'sudo?password=env:PW'
fails "su: a locked password" 'password is wrong' r_alice "$(pw locked)" -- 'su:r_locked?password=env:PW'
fails "doas: a locked password" 'password is wrong' r_locked "$(pw locked)" -- 'doas?password=env:PW'
for tool in sudo su doas; do
	fails "$tool: an unknown user" 'unknown user|does not exist' root -- "$tool:r_nobody"
done
fails "su: a login shell that lets nobody in" 'not available' r_alice "$(pw nologin)" -- 'su:r_nologin?password=env:PW'
fails "sudo: a login shell that lets nobody in" 'not available' r_bob -- 'sudo:r_nologin?login=yes'

finish
# --- what administrators set up ---

printf 'We trust you.\nNever tell anybody your Password: ' >"$rig/lecture"
for defaults in lecture=always "lecture=always, lecture_file=$rig/lecture" pwfeedback requiretty use_pty !use_pty \
	'log_input, log_output' 'log_input, log_output, use_pty' insults 'passprompt="Password: ", passprompt_override' \
	'!env_reset' 'targetpw' 'umask=0077, umask_override' 'closefrom=3' 'badpass_message="Password:"'; do
	rig_sudoers "Defaults $defaults"
	password=$rig_password
	[ "$defaults" != targetpw ] || password="$rig_password bob"
	works "sudo with $defaults" r_bob r_alice PW="$password" -- 'sudo:r_bob?password=env:PW' id -un
	[ "$defaults" = targetpw ] ||
		works "... without a password" r_alice r_bob -- 'sudo:r_alice' id -un
	fails "... a wrong one" 'password is wrong' r_alice PW="$wrong" -- 'sudo:r_bob?password=env:PW'
done
rig_sudoers 'Defaults requiretty'
fails "sudo with requiretty, without a terminal" 'must have a tty' r_bob -- 'sudo?tty=no'
for defaults in use_pty !use_pty 'log_input, log_output' 'log_input, log_output, use_pty'; do
	rig_sudoers "Defaults $defaults"
	works "sudo with $defaults: much output" "3000000 bytes" r_bob -- sudo:r_alice \
		sh -c 'head -c 3000000 /dev/zero | tr "\0" y | fold -w 59999 | wc -c | { read -r count; echo "$((count - 50)) bytes"; }'
done
rig_sudoers 'Defaults log_input, log_output'
run_as r_bob -- ramet run sudo:r_alice -- sh -c 'head -c 3000000 /dev/zero | tr "\0" y | fold -w 60000'
same "sudo with I/O logging: much output arrives" "0 3000000" "$status $(sed 's/^[^ ]*: //' stdout | tr -cd y | wc -c)"
rig_sudoers

# --- environment ---

rig_sudoers 'Defaults setenv'
works "sudo: the environment is the user's own" "none $rig/r_alice" r_bob MARK=here -- sudo:r_alice \
	sh -c 'echo ${MARK:-none} $HOME'
works "sudo: preserve_env keeps it" here r_alice MARK=here PW="$rig_password" -- \
	'sudo:r_bob?preserve_env=yes&password=env:PW' sh -c 'echo ${MARK:-none}'
rig_sudoers 'Defaults env_keep += HOME'
works "sudo: HOME is kept by rule" "$rig/r_bob" r_bob -- sudo:r_alice sh -c 'echo $HOME'
works "sudo: set_home sets it" "$rig/r_alice" r_bob -- 'sudo:r_alice?set_home=yes' sh -c 'echo $HOME'
rig_sudoers
works "su: login changes the environment" "none $rig/r_alice" root MARK=here -- 'su:r_alice?login=yes' \
	sh -c 'echo ${MARK:-none} $HOME'
works "su: without it stays" "here $rig/r_alice" root MARK=here -- 'su:r_alice' sh -c 'echo ${MARK:-none} $HOME'

# --- login shells ---

for name in sh dash bash rbash 'busybox ash' mksh zsh fish csh tcsh; do
	shell=$(command -v "${name%% *}") || {
		skip "$name as login shell" "not installed"
		continue
	}
	if [ "$name" = 'busybox ash' ]; then
		ln -s "$shell" "$rig/bin/ash"
		shell=$rig/bin/ash
	fi
	usermod -s "$shell" r_carol
	for path in sudo:r_carol 'sudo:r_carol?login=yes' su:r_carol 'su:r_carol?login=yes' doas:r_carol; do
		works "$path with $name as login shell" r_carol root -- "$path" id -un
	done
done
usermod -s /bin/sh r_carol

# --- chains, terminals ---

works "three deep" r_alice r_alice PW="$rig_password" -- \
	'sudo:r_bob?password=env:PW/su:r_alice?password=env:PW/local' id -un
works "four tools" r_carol root PW="$rig_password" -- \
	'su:r_alice/doas:r_bob?password=env:PW/sudo:r_alice/sudo:r_carol?password=env:PW' id -un
for tty in no hybrid full; do
	for tool in sudo su doas; do
		works "$tool with tty=$tty, no password" r_bob root -- "$tool:r_bob?tty=$tty" id -un
		[ "$tty" = no ] ||
			works "$tool with tty=$tty, a password" "${who[$tool]}" r_alice PW="$rig_password" -- \
				"$tool:${who[$tool]}?tty=$tty&password=env:PW" id -un
	done
done
rig_terminals 0
fails "no terminal to be had" 'pseudo-terminal.*kernel\.pty\.max' r_alice PW="$rig_password" -- 'sudo?password=env:PW'
works "... but one that is not needed" root r_bob -- 'sudo?tty=no' id -un
rig_terminals 1000

# --- prompts in other languages ---

# asked FILE: the prompt that was answered, from a record of progress
asked()
{
	sed -n 's/.*a password is asked for: //p' "$1"
}

# in_language NAME PATH PASSWORD: leaves NAME.out, and NAME.err with records
in_language()
{
	as r_alice LC_ALL= LANG="$(rig_locale "$1")" RAMET_LOG_LEVEL=debug PW="$3" setsid -w timeout 20 \
		ramet run "$2" -- id -un >"$1.out" 2>"$1.err" </dev/null
}

# Four at a time.
languages() # TOOL PATH PASSWORD EXPECTED
{
	local name names translated bad=
	names=$(rig_languages Linux-PAM sudoers)
	mkdir "in-$1" && cd "in-$1" || return
	for name in $names; do
		in_language "$name" "$2" "$3" &
		[ "$(jobs -rp | wc -l)" -lt 4 ] || wait -n
	done
	wait
	for name in $names; do
		[ "$(cat "$name.out")" = "$4" ] || bad+="$name ($(asked "$name.err")) "
	done
	same "$1: a password is given in $(wc -w <<<"$names") languages" "" "$bad"
	translated=$(for name in $names; do asked "$name.err"; done | sort -u | wc -l)
	cat ./* >>../said
	cd ..
	echo "# $translated different prompts"
}

languages su 'su:r_bob?password=env:PW' "$rig_password bob" 'su:r_bob: r_bob'
try "... which really have prompts of their own" test "$translated" -gt 40
languages sudo 'sudo:r_bob?password=env:PW' "$rig_password" 'sudo:r_bob: r_bob'
for name in fr de ja ru ar zh_CN km; do
	locale=$(rig_locale "$name")
	fails "su: a wrong password in $name" 'password is wrong' r_alice LC_ALL= LANG="$locale" PW="$wrong" -- 'su:r_bob?password=env:PW'
	fails "sudo: a wrong password in $name" 'password is wrong' r_alice LC_ALL= LANG="$locale" PW="$wrong" -- 'sudo?password=env:PW'
	fails "su: no password in $name" 'asks for a password, and none was given' r_alice LC_ALL= LANG="$locale" -- su:r_bob
done

# --- secrets: while a tool that was given the right password is held ---

# A password is known by its end here, which no other word has. The named variable may have it.
secret=W0rd
mark=RIG-MARK-$$
printf '%s\n' "$rig_password" >word

# seen_in FILES...: processes of whose files these have the secret, but for the variable that was named
seen_in()
{
	local file
	for file; do
		tr '\0' '\n' <"$file" 2>/dev/null | grep -v '^PW=' | grep -qF "$secret" && echo "$file"
	done
}

ulimit -c unlimited
for tool in sudo su doas; do
	rig_hold
	as r_alice setsid ramet run "$tool:${who[$tool]}?password=fd:7" -- id -un 7<word >stdout 2>stderr </dev/null &
	master=$!
	try "$tool is held" rig_held
	for pid in $(pgrep -x "$tool"); do
		same "... with pipes, never sockets, or a terminal" "" \
			"$(for fd in 0 1 2; do readlink "/proc/$pid/fd/$fd"; done | grep -Ev '^pipe:|^/dev/pts/')"
	done
	same "... which is one process at least" yes "$([ -n "${pid:-}" ] && echo yes)"
	same "$tool: no command line shows the password" "" "$(seen_in /proc/[0-9]*/cmdline)"
	same "... no environment" "" "$(seen_in /proc/[0-9]*/environ)"
	rig_go
	wait "$master"
	same "... and it goes on" "$tool:${who[$tool]}: ${who[$tool]}" "$(cat stdout)"
	rig_pam
done

for tool in sudo su doas; do
	rig_hold
	(cd "$rig/r_alice" && as r_alice MARK="$mark" setsid ramet run "$tool:${who[$tool]}?password=fd:7" -- id -un 7<word \
		>"$scratch/stdout" 2>"$scratch/stderr" </dev/null) &
	try "$tool is held" rig_held
	kill -ABRT $(pgrep -x ramet -u r_alice)
	wait 2>/dev/null
	rig_go
	for core in "$rig"/r_alice/core*; do
		if [ -s "$core" ]; then
			try "$tool: the master's core is one" grep -qF "$mark" "$core"
			same "... without the password" 0 "$(grep -cF "$secret" "$core")"
		else
			skip "$tool: the master's core has no password" "cores go elsewhere: $(cat /proc/sys/kernel/core_pattern)"
		fi
		rm -f "$core"
	done
	rig_pam
	same "... and nothing is left of it" "" "$(rig_left)"
done
for tool in sudo su doas; do
	run_as r_alice RAMET_LOG_LEVEL=io -- ramet run "$tool:${who[$tool]}?password=fd:7" -- id -un 7<word
	same "$tool: logs of all that is sent have no password" "0 0" \
		"$status $(grep -cF "$secret" stdout stderr | awk -F: '{ n += $2 } END { print n }')"
	try "... but of that" test "$(wc -l <stderr)" -gt 5
	run_as r_alice RAMET_LOG_LEVEL=io PW="$wrong" -- ramet run "$tool:r_bob?password=env:PW" -- id -un
	same "... nor the wrong one" "255 0" "$status $(grep -cF "$wrong" stderr)"
done

try "something was said by all these commands" test "$(wc -c <said)" -gt 10000
same "... no password" 0 "$(grep -cF -e "$secret" -e "$wrong" said)"

finish
