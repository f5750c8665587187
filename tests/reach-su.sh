#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Other users of the same machine, by the sudo, su and doas that are installed here: with and without passwords.
# shellcheck disable=SC2016 # dollars are for the shells that ramet runs
# shellcheck source=tests/rig-users.sh
. "$(dirname "$0")/rig-users.sh" sudo su doas setsid
# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/rig-reach.sh
. "$(dirname "$0")/rig-reach.sh"

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
wait 2>/dev/null

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

try "a program with passwords of its own is made" "$RAMET_OUT/bin/ramet-cc" -o "$rig/bin/answer" "$RAMET_SOURCE/tests/answer.c"
printf '%s\n' "$rig_password bob" "$rig_password" >"$rig/words"
run_as r_alice -- answer "$rig/words" 'su:r_bob/su:r_alice?password=program'
same "the program is asked, for each hop" "0 su:r_bob: su r_bob: Password: |su:r_bob/su:r_alice: su r_alice: Password: |$(id -u r_alice)" \
	"$status $(paste -sd'|' stdout)$left"
run_as r_alice -- answer /dev/null sudo
same "... and may have none" "1 126" "$status $(sed -n 's/^\([0-9]*\): .*/\1/p' stdout)$left"

# --- passwords for tools that run elsewhere ---

printf '%s\n' "$rig_password" >word
works "a password travels to the second tool" r_alice r_alice PW="$rig_password" -- \
	'sudo:r_bob?password=env:PW/su:r_alice?password=env:PW' id -un
works "... and to the third" root r_alice PW="$rig_password" -- \
	'sudo:r_bob?password=env:PW/su:r_alice?password=fd:7/doas?password=env:PW' id -un 7<word
on_terminal 0 "the user types for each" r_alice -w 'sudo:r_bob: ' -e -a "$rig_password\\n" \
	-w 'sudo:r_bob/su:r_alice: ' -e -a "$rig_password\\n" \
	ramet run 'sudo:r_bob?password=ask/su:r_alice?password=ask' -- id -un
shows "... and is there" 'sudo:r_bob/su:r_alice: r_alice'
on_terminal 255 "the user types a wrong one" r_alice -w 'su:r_alice: ' -e -a "$wrong\\n" \
	ramet run 'sudo:r_bob?password=fd:7/su:r_alice?password=ask' -- id -un 7<word
shows "... and is told" 'sudo:r_bob/su:r_alice: shell: the password is wrong: su: Authentication failure'
for tool in sudo su doas; do
	path="su:r_bob?password=fd:7/su:r_alice?password=fd:8/$tool:r_bob"
	printf '%s\n' "$rig_password bob" >word
	printf '%s\n' "$rig_password" >word2
	fails "$tool: a wrong password for the third tool" "$tool:r_bob: shell: .*the password is wrong" \
		r_alice PW="$wrong" -- "$path?password=env:PW" 7<word 8<word2
	fails "$tool: none for the third tool" "$tool:r_bob: shell: $tool asks for a password, and none is given" \
		r_alice -- "$path" 7<word 8<word2
	on_terminal 130 "$tool: an interrupted question for the third tool" r_alice \
		-w "su:r_bob/su:r_alice/$tool:r_bob: " -e -a '\003' ramet run "$path?password=ask" -- id -un 7<word 8<word2
done

# --- wrong and missing passwords ---

for tool in sudo su doas; do
	fails "$tool: a wrong password is wrong" "the password is wrong" \
		r_alice PW="$wrong" -- "$tool:r_bob?password=env:PW"
	fails "$tool: an empty password is wrong" 'password is wrong' r_alice PW= -- "$tool:r_bob?password=env:PW"
	fails "$tool: without a password that is asked for" 'asks for a password, and none is given' r_alice -- "$tool:r_bob"
	same "... it is not waited for, and what it says about being given up is not told" "0 0" \
		"$(grep -c SIGKILL stderr) $(grep -cE 'password is required|terminal settings' stderr)"
	fails "$tool: a variable that is not there" NOPW r_alice -- "$tool:r_bob?password=env:NOPW"
	fails "$tool: a descriptor at its end" 'descriptor|fd' r_alice -- "$tool:r_bob?password=fd:7" 7</dev/null
	fails "$tool: nobody to ask" 'cannot ask.*/dev/tty'  r_alice -- "$tool:r_bob?password=ask"
	on_terminal 130 "$tool: an interrupted question" r_alice -w assword -e -a '\003' \
		ramet run "$tool:r_bob?password=ask" -- id -un
	on_terminal 130 "$tool: ... of another command" r_alice -w assword -e -a '\003' \
		ramet tree "$tool:r_bob?password=ask"
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

spoken
finish
