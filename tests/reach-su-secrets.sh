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
	fails "su: a wrong password in $name, in its own words" 'su:r_bob: .*su: .*its last output was' r_alice LC_ALL= LANG="$locale" PW="$wrong" -- 'su:r_bob?password=env:PW'
	fails "sudo: a wrong password in $name" 'password is wrong' r_alice LC_ALL= LANG="$locale" PW="$wrong" -- 'sudo?password=env:PW'
	fails "su: no password in $name" 'asks for a password, and none is given' r_alice LC_ALL= LANG="$locale" -- su:r_bob
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
	(as r_alice MARK="$mark" setsid ramet run "$tool:${who[$tool]}?password=fd:7" -- id -un 7<word \
		>stdout 2>stderr </dev/null) &
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

spoken
finish
