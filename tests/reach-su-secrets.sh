#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# sudo, su and doas in other languages, and where passwords do not appear.
# shellcheck disable=SC2016 # dollars are for the shells that ramet runs
# shellcheck source=tests/rig-users.sh
. "$(dirname "$0")/rig-users.sh" sudo su doas setsid
# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/rig-reach.sh
. "$(dirname "$0")/rig-reach.sh"

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
	local name names bad=
	names=$(rig_languages Linux-PAM sudoers)
	mkdir "in-$1" && cd "in-$1" || return
	for name in $names; do
		in_language "$name" "$2" "$3" &
		[ "$(jobs -rp | wc -l)" -lt 4 ] || wait -n
	done
	wait
	for name in $names; do
		[ "$(cat "$name.out")" = "$4" ] || bad+="$name: $(tail -n 3 "$name.err")"
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
	fails "sudo: a wrong password in $name" 'password is wrong' r_alice LC_ALL= LANG="$locale" PW="$wrong" -- 'sudo?password=env:PW'
	fails "su: no password in $name" 'asks for a password, and none is given' r_alice LC_ALL= LANG="$locale" -- su:r_bob
done

# --- refusals in other languages ---

try "a program with passwords of its own is made" "$RAMET_OUT/bin/ramet-cc" -o "$rig/bin/answer" "$RAMET_SOURCE/tests/answer.c"
printf '%s\n' "$wrong" >"$rig/words"

# refused LANGUAGE TOOL [OPTION...]: the error has its code, says what was refused, and has what the tool tells a user
refused()
{
	local name=$1 tool=$2 locale words
	shift
	locale=$(rig_locale "$name")
	on_terminal 1 "$tool refuses a password in $name" r_alice -w : -e -a "$wrong\\n" env LC_ALL= LANG="$locale" "$@"
	words=$(tr -d '\r' <stdout | grep -a "^$tool: ")
	try "... in other words than in English" test "$words" != "${english[$tool]}"
	run_as r_alice LC_ALL= LANG="$locale" -- answer "$rig/words" "$tool:r_bob"
	same "... with which a connection is refused" "1 1 ${words:-none}" \
		"$status $(grep -c '^13: .*: it refused once the password was given: ' stdout) $(grep -oF -m 1 "$words" stdout | head -n 1)$left"
}

declare -A english=([su]='su: Authentication failure' [sudo]='sudo: 1 incorrect password attempt')
rig_sudoers 'Defaults passwd_tries=1'
for name in fr de ja; do
	refused "$name" su r_bob -c 'id -un'
	refused "$name" sudo -u r_bob id -un
done
rig_sudoers

# --- secrets: while a tool that was given the right password is held ---

# A password is known by its end here, which no other word has.
secret=W0rd
mark=RIG-MARK-$$
printf '%s\n' "$rig_password" >word

# seen_in FILE...: which of these, of processes, have the secret
seen_in()
{
	local file
	for file; do
		tr '\0' '\n' 2>/dev/null <"$file" | grep -qaF "$secret" && echo "$file"
	done
}

# To be sure that it would be seen.
env SEEN="$rig_password" bash -c 'sleep 1000 & echo $! >seen; exec -a "$0" sleep 1000' "$rig_password" &
decoy=$!
for ((try = 0; try < 500; try++)); do
	[ "$(cat "/proc/$decoy/comm")" != sleep ] || break
	sleep 0.01
done
same "a password among the words of a command would be found" "/proc/$decoy/cmdline" "$(seen_in /proc/[0-9]*/cmdline)"
same "... or in an environment" "/proc/$decoy/environ /proc/$(cat seen)/environ" \
	"$(seen_in /proc/[0-9]*/environ | sort -V | paste -sd' ')"
kill "$decoy" "$(cat seen)"
wait "$decoy" 2>/dev/null

# hold TOOL SOURCE: the tool has got the right password, which the master, a process $master, still has for other hops
hold()
{
	local settings=(MARK="$mark")
	[ "$2" != env:PW ] || settings+=(PW="$rig_password")
	rig_hold
	as r_alice "${settings[@]}" setsid ramet run "$1:${who[$1]}?password=$2" -- id -un 7<word >stdout 2>stderr </dev/null &
	try "$1 was given the right password ($2), and is held" rig_held
	held=$!
	master=$(pgrep -x ramet -u r_alice)
}

# Copies on the way are gone as soon as the tool can have been woken up by the last of them.
password_is_hidden() # MASTER
{
	local try
	for ((try = 0; try < 250; try++)); do
		[ "$(in-memory "$1" "$secret" | sort -u)" != 'hidden -' ] || return 0
		sleep 0.02
	done
	in-memory "$1" "$secret"
	return 1
}

ulimit -c unlimited
for tool in sudo su doas; do
	hold "$tool" env:PW
	same "$tool: nobody else inherits a variable with the password" "/proc/$master/environ" "$(seen_in /proc/[0-9]*/environ)"
	same "... no command line shows it" "" "$(seen_in /proc/[0-9]*/cmdline)"
	rig_go
	wait "$held"
	rig_pam
	same "... and nothing is left" "" "$(rig_left)"

	hold "$tool" fd:7
	tools=$(pgrep -x "$tool")
	same "... with pipes, never sockets, or a terminal" 0 "$(for pid in ${tools:-none}; do
		for fd in 0 1 2; do
			readlink "/proc/$pid/fd/$fd" || echo nothing
		done
	done | grep -Evc '^pipe:|^/dev/pts/')"
	same "$tool: no command line shows the password" "" "$(seen_in /proc/[0-9]*/cmdline)"
	same "... no environment" "" "$(seen_in /proc/[0-9]*/environ)"
	try "... no memory that would be dumped, of a master that has it" password_is_hidden "$master"
	rig_go
	wait "$held"
	same "... and it goes on" "$tool:${who[$tool]}: ${who[$tool]}" "$(cat stdout)"
	rig_pam
done

for tool in sudo su doas; do
	hold "$tool" fd:7
	try "... by a master that has it in memory" in-memory "$master" "$secret"
	kill -ABRT "$master"
	wait "$held" 2>/dev/null
	rig_go
	core=$(echo "$rig"/r_alice/core*)
	if [ -s "$core" ]; then
		try "$tool: the master's core is one" grep -qF "$mark" "$core"
		same "... without the password" 0 "$(grep -cF "$secret" "$core")"
	else
		skip "$tool: the master's core has no password" "cores go elsewhere: $(cat /proc/sys/kernel/core_pattern)"
	fi
	rm -f "$core"
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

spoken
finish
