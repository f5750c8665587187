#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# sudo, su and doas as administrators set them up: options, environment, login shells; chains, terminals.
# shellcheck disable=SC2016 # dollars are for the shells that ramet runs
# shellcheck source=tests/rig-users.sh
. "$(dirname "$0")/rig-users.sh" sudo su doas setsid
# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/rig-reach.sh
. "$(dirname "$0")/rig-reach.sh"

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

for name in sh dash bash 'busybox ash' mksh zsh fish csh tcsh; do
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
for shell in /bin/false /bin/rbash; do
	usermod -s "$shell" r_carol
	for path in 'sudo:r_carol?login=yes' su:r_carol 'su:r_carol?tty=hybrid' 'su:r_carol?tty=no'; do
		fails "$path with $shell as login shell: its end is noticed" 'ended before a shell had answered' root -- "$path"
	done
done
usermod -s /bin/sh r_carol

# --- programs ---

for name in lines family shapes; do
	try "$name is made" "$RAMET_OUT/bin/ramet-cc" -o "$rig/bin/$name" "$RAMET_SOURCE/examples/$name.c"
done
printf 'one\ntwo\n' >"$rig/two"
for path in sudo:r_bob su:r_alice doas:r_bob; do
	run_as r_alice PW="$rig_password" -- lines "$path?password=env:PW" "$rig/two"
	same "lines over $path" "0 2 $rig/two" "$status $(cat stdout)$left"
	run_as r_alice PW="$rig_password" -- shapes "$path?password=env:PW/local"
	same "shapes over $path" "0 box: 2.0 1.0" "$status $(head -n 1 stdout)$left"
done

# --- chains, terminals ---

works "three deep" r_alice r_alice PW="$rig_password" -- \
	'sudo:r_bob?password=env:PW/su:r_alice?password=env:PW/local' id -un
works "four tools" r_carol root PW="$rig_password" -- \
	'su:r_alice/doas:r_bob?password=env:PW/sudo:r_alice/sudo:r_carol?password=env:PW' id -un
for tty in no hybrid full; do
	for tool in sudo su doas; do
		works "$tool with tty=$tty, no password" r_bob root -- "$tool:r_bob?tty=$tty" id -un
		path=$tool:${who[$tool]}?tty=$tty
		if [ "$tty" = no ] && [ "$tool" != su ]; then
			fails "$tool with tty=$tty, a password" 'shell: (sudo: a terminal is required|doas: Authentication failed)' r_alice PW="$rig_password" -- "$path&password=env:PW"
			continue
		fi
		works "$tool with tty=$tty, a password" "${who[$tool]}" r_alice PW="$rig_password" -- "$path&password=env:PW" id -un
		fails "$tool with tty=$tty, a wrong one" 'the password is wrong' r_alice PW="$wrong" -- "$path&password=env:PW"
		fails "$tool with tty=$tty, none" "$tool asks for a password, and none is given" r_alice -- "$path"
	done
done
rig_sudoers 'Defaults visiblepw'
works "sudo with visiblepw reads it where there is no terminal" r_bob r_alice PW="$rig_password" -- \
	'sudo:r_bob?tty=no&password=env:PW' id -un
fails "... also a wrong one" 'the password is wrong' r_alice PW="$wrong" -- 'sudo:r_bob?tty=no&password=env:PW'
rig_sudoers
for path in sudo:r_carol su:r_carol doas:r_carol; do
	run_as root -- ramet run "$path" -- sh -c "$find_context"'kill -9 $context'
	same "$path: a context that dies is lost at once" "255 " "$status $left"
done
# One is in use, that of the test.
rig_terminals 1
on_terminal 255 "no terminal to be had" r_alice env PW="$rig_password" ramet run 'sudo?password=env:PW' -- id -un
shows "... and what limits them" kernel.pty.max
on_terminal 0 "... but one that is not needed" r_bob ramet run 'sudo?tty=no' -- id -un
rig_terminals 1000

spoken
finish
